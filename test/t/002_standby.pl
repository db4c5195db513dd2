# A standby replays what the primary does byte by byte, answers queries meanwhile
# without an error, and goes on as a primary.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $primary = new_node('primary', allows_streaming => 1);

# Replay compares each page with the primary's, except pages that come as full
# images: so no checkpoint while the test runs.
$primary->append_conf(
	'postgresql.conf', q(
wal_consistency_checking = 'generic'
checkpoint_timeout = 1h
shared_buffers = 16MB
max_connections = 50
max_wal_size = 4GB
max_standby_streaming_delay = -1
));
$primary->start;
add_helpers($primary);
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# Tables that are indexed when full, and from the start.  VACUUM does not truncate
# them: replay would wait for the lock as long as a cursor is open.
$primary->safe_psql(
	'postgres', q(
CREATE TABLE short (id serial PRIMARY KEY, n int DEFAULT 0, v vector(5)) WITH (vacuum_truncate = off);
INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 3000) i;
CREATE INDEX short_l2 ON short USING vecam (v) WITH (kind = flat);
CREATE INDEX short_cosine ON short USING vecam (v vector_cosine_ops) WITH (kind = flat);
CREATE TABLE long (id serial PRIMARY KEY, v vector(16000)) WITH (vacuum_truncate = off);
CREATE INDEX long_ip ON long USING vecam (v vector_ip_ops) WITH (kind = flat);
INSERT INTO long (v) SELECT test_vector(i, 16000) FROM generate_series(1, 30) i;
CREATE TABLE wide (id serial PRIMARY KEY, v vector(8000)) WITH (vacuum_truncate = off);
CREATE INDEX wide_l2 ON wide USING vecam (v) WITH (kind = flat);
CREATE UNLOGGED TABLE lost (id serial PRIMARY KEY, v vector(5)) WITH (vacuum_truncate = off);
INSERT INTO lost (v) SELECT test_vector(i, 5) FROM generate_series(1, 100) i;
CREATE INDEX lost_l2 ON lost USING vecam (v) WITH (kind = flat);
));

# Where both agree, and with themselves
sub compare
{
	my ($what) = @_;

	$primary->wait_for_catchup($standby);
	is_consistent($_, 'short', 5, $what . ' on ' . $_->name, '<->', '<=>') for $primary, $standby;
	is_consistent($_, 'long', 16000, $what . ' on ' . $_->name, '<#>') for $primary, $standby;
	is_consistent($_, 'wide', 8000, $what . ' on ' . $_->name, '<->') for $primary, $standby;
	is_sound($_, $what . ' on ' . $_->name) for $primary, $standby;
	for my $query (
		q(SELECT s.* FROM pg_class c, vecam_stats(c.oid) s WHERE c.relname IN ('short_l2', 'short_cosine', 'long_ip', 'wide_l2') ORDER BY c.relname),
		q(SET enable_seqscan = off; SET enable_sort = off; SELECT id, v <-> test_vector(99, 5) FROM short ORDER BY v <-> test_vector(99, 5)))
	{
		is($standby->safe_psql('postgres', $query), $primary->safe_psql('postgres', $query),
			"$what: both give the same answer");
	}
	return;
}
compare('built');

# Rows of all lists, pages freed and used again, a directory of more than one page
$primary->safe_psql(
	'postgres', q(
INSERT INTO short (v) SELECT CASE i % 17 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0,0,0]' ELSE test_vector(i, 5) END
	FROM generate_series(1, 5000) i;
UPDATE short SET n = n + 1 WHERE id % 10 = 0;
DELETE FROM short WHERE id % 3 > 0;
DELETE FROM short WHERE id BETWEEN 4000 AND 7000;
DELETE FROM long WHERE id % 3 = 0;
INSERT INTO wide (v) SELECT array_fill(i::real, ARRAY[8000])::vector FROM generate_series(1, 2100) i;
));
compare('changed');
$primary->safe_psql('postgres', 'VACUUM short, long, wide');
compare('vacuumed');
$primary->safe_psql(
	'postgres', q(
INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 4000) i;
INSERT INTO long (v) SELECT test_vector(i, 16000) FROM generate_series(31, 50) i;
UPDATE long SET v = test_vector(id + 100, 16000) WHERE id % 4 = 0;
DELETE FROM wide WHERE id % 2 = 0;
));
$primary->safe_psql('postgres', 'VACUUM short, long, wide');
$primary->safe_psql('postgres', 'REINDEX TABLE CONCURRENTLY short');
$primary->safe_psql('postgres', 'INSERT INTO wide (v) SELECT array_fill(i::real, ARRAY[8000])::vector FROM generate_series(1, 200) i');
compare('filled again');
$primary->safe_psql('postgres', 'DELETE FROM wide WHERE id > 100');
$primary->safe_psql('postgres', 'VACUUM wide');

# Queries on both while rows come and go and VACUUM removes them.  Replay waits
# for queries (max_standby_streaming_delay = -1), which is what makes them safe
# from the recycling of TIDs, so that no error at all is expected.
my $churn = q(
\set i random(1, 100000)
INSERT INTO short (v) SELECT CASE k % 9 WHEN 0 THEN NULL ELSE test_vector(:i + k, 5) END FROM generate_series(1, 300) k;
DELETE FROM short WHERE id < (SELECT max(id) - 3000 FROM short);
DELETE FROM short WHERE id % 11 = :i % 11;
VACUUM short;
INSERT INTO long (v) VALUES (test_vector(:i, 16000));
DELETE FROM long WHERE id < (SELECT max(id) - 20 FROM long);
VACUUM long;
);
my $search = q(
\set i random(1, 100000)
SET enable_seqscan = off;
SET enable_sort = off;
SET vecam.scan_mem = '64kB';
SELECT id FROM short ORDER BY v <-> test_vector(:i, 5) LIMIT 20;
SELECT count(id), count(DISTINCT id) FROM (SELECT id FROM short ORDER BY v <=> test_vector(:i, 5)) s;
SELECT id FROM long ORDER BY v <#> test_vector(:i % 100, 16000) LIMIT 3;
SELECT 1 / (count(*) = count(DISTINCT id))::int FROM (SELECT id FROM short ORDER BY v <-> test_vector(:i, 5)) s;
);
my $load = start_load($primary, $churn, 1, 10);
my @searches = map { start_load($_, $search, 2, 10) } $primary, $standby;
for my $name ('primary', 'standby')
{
	my $out = end_load(shift @searches);

	unlike($out, qr/ERROR|aborted/, "no error in queries on the $name while VACUUM goes on");
	my ($done) = $out =~ /actually processed: (\d+)/;
	cmp_ok($done || 0, '>', 20, "queries were answered on the $name");
}
my $out = end_load($load);
unlike($out, qr/ERROR|aborted/, 'no error in the changes');
compare('churned');

# A cursor on the standby over the replay of deletes, VACUUM and reuse.  What it
# needs is kept on the primary; the page of the table that it pins stays as it is,
# for replay would wait to prune it.
$primary->safe_psql(
	'postgres', q(
CREATE TABLE line (id serial PRIMARY KEY, v vector(2)) WITH (vacuum_truncate = off);
INSERT INTO line (v) SELECT ARRAY[i, 0]::vector FROM generate_series(1, 3000) i;
CREATE INDEX line_l2 ON line USING vecam (v) WITH (kind = flat);
DELETE FROM line WHERE id > 1500 AND id % 3 = 0;
));
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1\n");
$standby->reload;
$primary->wait_for_catchup($standby);
my $session = $standby->background_psql('postgres');
my $open_cursor = q(
BEGIN ISOLATION LEVEL REPEATABLE READ;
DECLARE c CURSOR FOR SELECT id FROM line ORDER BY v <-> '[1.2,0]';
FETCH 1 FROM c;
);
$session->query_safe(q(SET enable_seqscan = off));
$session->query_safe(q(SET enable_sort = off));
$session->query_safe(q(SET vecam.scan_mem = '64kB'));
$session->query_safe($open_cursor);
ok($primary->poll_query_until('postgres', 'SELECT backend_xmin IS NOT NULL FROM pg_stat_replication'),
	'the standby tells what it needs');
$primary->safe_psql('postgres', 'DELETE FROM line WHERE id > 1500 AND id % 3 = 1');
$primary->safe_psql('postgres', 'VACUUM line');
$primary->safe_psql('postgres', q(INSERT INTO line (v) SELECT ARRAY[1.2, i]::vector FROM generate_series(1, 1500) i));
$primary->wait_for_catchup($standby);
is($session->query_safe(q(SELECT n, different FROM read_rest('c'))), '2499|2499',
	'a cursor is not disturbed by replay');
$session->query_safe(q(COMMIT));

# Promotion, with a cursor open
$session->query_safe($open_cursor);
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;
$standby->safe_psql(
	'postgres', q(
INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 1000) i;
INSERT INTO long (v) SELECT test_vector(i, 16000) FROM generate_series(1, 10) i;
INSERT INTO lost (v) SELECT test_vector(i, 5) FROM generate_series(1, 100) i;
DELETE FROM short WHERE id % 5 = 0;
));
is($session->query_safe(q(SELECT n, different FROM read_rest('c'))), '3499|3499', 'nor by promotion');
$session->query_safe(q(COMMIT));
$session->quit;
$standby->safe_psql('postgres', 'VACUUM');
is_consistent($standby, 'short', 5, 'promoted', '<->', '<=>');
is_consistent($standby, 'long', 16000, 'promoted', '<#>');
is_consistent($standby, 'line', 2, 'promoted', '<->');
is_consistent($standby, 'lost', 5, 'promoted, unlogged', '<->');
is_sound($standby, 'promoted');
is($standby->safe_psql('postgres', q(SELECT rows FROM vecam_stats('lost_l2'))), '100',
	'an unlogged index starts empty');

log_is_clean($primary, 'primary');
log_is_clean($standby, 'standby', qr/could not (connect|receive|send)|terminating/);
$standby->stop;
done_testing();
