# A standby answers while the primary changes in every way that a table in use
# changes; afterwards both give the same answers, page by page, and either goes
# on alone.
#
# VECAM_CHURN_SECONDS says how long; without it a few seconds.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $seconds = $ENV{VECAM_CHURN_SECONDS} || 6;
my $primary = new_node('primary', allows_streaming => 1);

# A page whose full image is in the log is not compared, hence no checkpoint.
$primary->append_conf(
	'postgresql.conf', q(
wal_consistency_checking = 'generic'
checkpoint_timeout = 1h
max_wal_size = 20GB
max_standby_streaming_delay = -1
deadlock_timeout = 100ms
));
$primary->start;
add_helpers($primary);
add_graph_helpers($primary);
$primary->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, n int DEFAULT 0, v vector(8)) WITH (vacuum_truncate = off, fillfactor = 90);
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = hnsw, seal_threshold = 20);
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = flat);
CREATE TABLE long (id serial PRIMARY KEY, v vector(4200)) WITH (vacuum_truncate = off);
CREATE INDEX long_ip ON long USING vecam (v vector_ip_ops) WITH (kind = hnsw, seal_threshold = 5);
INSERT INTO t (v) SELECT graph_vector(i, 8) FROM generate_series(1, 2000) i;
INSERT INTO long (v) SELECT graph_vector(i, 4200) FROM generate_series(1, 20) i;
));
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $changes = q(
\set i random(1, 1000000)
\set n random(1, 60)
INSERT INTO t (v) SELECT CASE (:i + k) % 19 WHEN 0 THEN NULL WHEN 1 THEN '[1,2,3,4,5,6,7,8]' ELSE graph_vector(:i + k, 8) END
	FROM generate_series(1, :n) k;
UPDATE t SET n = n + 1 WHERE id % 200 = :i % 200;
DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED);
INSERT INTO long (v) VALUES (graph_vector(:i, 4200));
DELETE FROM long WHERE id < (SELECT max(id) - 20 FROM long);
);
my $maintenance = q(
VACUUM t;
SELECT vecam_seal('t_l2'), vecam_seal('long_ip');
VACUUM long;
\sleep 10 ms
);

# Short scans, and long ones, which hold on to what they have read; whatever a
# scan returns twice or of another order ends the load with an error.
my $searches = q(
SET enable_seqscan = off;
SET enable_sort = off;
\set i random(1, 1000000)
SELECT id FROM t ORDER BY v <-> graph_vector(:i, 8) LIMIT 10;
SELECT 1 / (count(*) = 500)::int FROM (SELECT id FROM t ORDER BY v <-> graph_vector(:i, 8) LIMIT 500) s;
SELECT 1 / (count(*) = count(DISTINCT id))::int FROM (SELECT id FROM t ORDER BY v <=> graph_vector(:i, 8)) s;
SET vecam.scan_order = relaxed;
SET vecam.scan_mem = '64kB';
SELECT 1 / (count(*) = count(DISTINCT id))::int FROM (SELECT id FROM t ORDER BY v <-> graph_vector(:i, 8)) s;
RESET vecam.scan_order;
RESET vecam.scan_mem;
SELECT id FROM long ORDER BY v <#> graph_vector(:i, 4200) LIMIT 3;
);
my %loads = (
	changes => start_load($primary, $changes, 2, $seconds),
	maintenance => start_load($primary, $maintenance, 1, $seconds),
	'searches on the primary' => start_load($primary, $searches, 1, $seconds),
	'searches on the standby' => start_load($standby, $searches, 2, $seconds));

for my $name (sort keys %loads)
{
	my $out = end_load($loads{$name});
	my ($done) = $out =~ /actually processed: (\d+)/;

	unlike($out, qr/ERROR|abort/i, "$name: no error");
	cmp_ok($done || 0, '>', 0, "$name: $done transactions");
}

# The same answers, from the same bytes but for what is not logged: the log's
# position and the checksum in a page's header.
sub compare
{
	my ($what) = @_;
	my $plan = 'SET enable_seqscan = off; SET enable_sort = off; ';

	$primary->wait_for_catchup($standby);
	for my $query (
		(map { "${plan}SELECT id, v <-> graph_vector($_, 8) FROM t ORDER BY v <-> graph_vector($_, 8) LIMIT 100" } 1 .. 5),
		"${plan}SELECT id FROM t ORDER BY v <=> graph_vector(9, 8)",
		"${plan}SELECT id FROM long ORDER BY v <#> graph_vector(9, 4200)")
	{
		is($standby->safe_psql('postgres', $query), $primary->safe_psql('postgres', $query), "$what: both give the same answer");
	}
	for my $index ('t_l2', 't_cosine', 'long_ip')
	{
		my @pages = map { pages_of($_, $index) } $primary, $standby;

		is($pages[0], $pages[1], "$what: $index has the same bytes on both");
	}
	for my $node ($primary, $standby)
	{
		graph_is_whole($node, 't', '<->', 8, "$what on " . $node->name);
		graph_is_whole($node, 'long', '<#>', 4200, "$what on " . $node->name);
		is_consistent($node, 't', 8, "$what on " . $node->name, '<=>');
		indexes_are_sound($node, $_, "$what on " . $node->name) for 't', 'long';
	}
	return;
}

# A digest of the pages of an index, without what replay does not restore.
sub pages_of
{
	my ($node, $index) = @_;

	return $node->safe_psql('postgres', qq(
		SELECT md5(string_agg(md5(substr(p, 11)), '' ORDER BY b)) FROM generate_series(0, pg_relation_size('$index') / 8192 - 1) b,
			pg_read_binary_file(pg_relation_filepath('$index'), b * 8192, 8192) p));
}

# Files have what the servers have once both have written it.
$primary->safe_psql('postgres', 'CHECKPOINT');
$primary->wait_for_catchup($standby);
$standby->safe_psql('postgres', 'CHECKPOINT');
compare('churned');

log_is_clean($standby, 'standby', qr/canceling statement|terminating connection/);
log_is_clean($primary, 'primary', qr/deadlock detected/);

# Promoted with a cursor open, while the old primary is gone
my $session = $standby->background_psql('postgres');

$session->query_safe('SET enable_seqscan = off');
$session->query_safe(q(BEGIN ISOLATION LEVEL REPEATABLE READ));
my $rows = $session->query_safe('SELECT count(*) FROM t');
$session->query_safe(q(SET LOCAL vecam.scan_order = relaxed));
$session->query_safe(q(DECLARE c CURSOR FOR SELECT id FROM t ORDER BY v <-> graph_vector(1, 8)));
$session->query_safe('FETCH 5 FROM c');
$primary->stop('immediate');
$standby->promote;
$standby->safe_psql(
	'postgres', q(
INSERT INTO t (v) SELECT graph_vector(i, 8) FROM generate_series(1, 500) i;
DELETE FROM t WHERE id % 5 = 0;
INSERT INTO long (v) SELECT graph_vector(i, 4200) FROM generate_series(1, 10) i;
));
$standby->safe_psql('postgres', 'VACUUM t, long');
$standby->safe_psql('postgres', q(SELECT vecam_seal('t_l2'), vecam_seal('long_ip')));
is($session->query_safe(q(SELECT n, different FROM read_rest('c'))), ($rows - 5) . '|' . ($rows - 5),
	'a cursor is not disturbed by promotion');
$session->query_safe('COMMIT');
$session->quit;
graph_is_whole($standby, 't', '<->', 8, 'promoted');
graph_is_whole($standby, 'long', '<#>', 4200, 'promoted');
is_consistent($standby, 't', 8, 'promoted', '<=>');
indexes_are_sound($standby, $_, 'promoted') for 't', 'long';
$standby->stop;
done_testing();
