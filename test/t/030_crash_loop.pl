# The server is killed at random moments under every kind of load at once:
# inserts, updates, deletes, searches, sealing, VACUUM and REINDEX CONCURRENTLY.
# After recovery every committed row is in every index once.
#
# VECAM_ROUNDS says how often; without it a few times.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use VecamTest;

my $rounds = $ENV{VECAM_ROUNDS} || 2;
my $node = new_node('main');

# Replay compares what it makes of a page with what was there.
$node->append_conf(
	'postgresql.conf', q(
checkpoint_timeout = 30s
bgwriter_delay = 10ms
deadlock_timeout = 100ms
vecam.seal_workers = 2
wal_consistency_checking = 'generic'
max_wal_size = 4GB
));
$node->start;
add_helpers($node);
add_graph_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, n int DEFAULT 0, v vector(8)) WITH (fillfactor = 90);
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = hnsw, seal_threshold = 20);
CREATE INDEX t_ip ON t USING vecam (v vector_ip_ops) WITH (kind = hnsw, seal_threshold = 50);
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = flat);
CREATE TABLE long (id serial PRIMARY KEY, v vector(4200));
CREATE INDEX long_l2 ON long USING vecam (v) WITH (kind = hnsw, seal_threshold = 5);
INSERT INTO t (v) SELECT graph_vector(i, 8) FROM generate_series(1, 1500) i;
INSERT INTO long (v) SELECT graph_vector(i, 4200) FROM generate_series(1, 15) i;
));

my $changes = q(
\set i random(1, 1000000)
\set n random(1, 40)
INSERT INTO t (v) SELECT CASE (:i + k) % 19 WHEN 0 THEN NULL WHEN 1 THEN '[1,2,3,4,5,6,7,8]' WHEN 2 THEN '[0,0,0,0,0,0,0,0]'
	ELSE graph_vector(:i + k, 8) END FROM generate_series(1, :n) k;
UPDATE t SET n = n + 1 WHERE id % 200 = :i % 200;
UPDATE t SET v = graph_vector(:i, 8) WHERE id IN (SELECT id FROM t ORDER BY v <-> graph_vector(:i, 8) LIMIT 2);
DELETE FROM t WHERE id IN (SELECT id FROM t WHERE id >= (SELECT min(id) + :i % 1000 FROM t) ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED);
BEGIN;
INSERT INTO t (v) SELECT graph_vector(:i, 8) FROM generate_series(1, :n);
SAVEPOINT s;
INSERT INTO t (v) SELECT graph_vector(:i + 1, 8) FROM generate_series(1, :n);
ROLLBACK TO s;
INSERT INTO t (v) VALUES (graph_vector(:i + 2, 8));
ROLLBACK;
INSERT INTO long (v) VALUES (graph_vector(:i, 4200));
DELETE FROM long WHERE id < (SELECT max(id) - 15 FROM long);
);
my $searches = q(
\set i random(1, 1000000)
SELECT id FROM t ORDER BY v <-> graph_vector(:i, 8) LIMIT 10;
SELECT id FROM t ORDER BY v <#> graph_vector(:i, 8) LIMIT 100;
SELECT id FROM t ORDER BY v <=> graph_vector(:i, 8) LIMIT 10;
SELECT id FROM long ORDER BY v <-> graph_vector(:i, 4200) LIMIT 3;
);
my $maintenance = q(
VACUUM t;
SELECT vecam_seal('t_l2'), vecam_seal('t_ip'), vecam_seal('long_l2');
VACUUM long;
\sleep 20 ms
);
my $rebuilds = q(
REINDEX INDEX CONCURRENTLY t_l2;
REINDEX INDEX CONCURRENTLY t_cosine;
\sleep 100 ms
);

# What a rebuild that was killed leaves behind.
sub drop_invalid_indexes
{
	my @names = split /\n/, $node->safe_psql('postgres',
		'SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid');

	$node->safe_psql('postgres', "DROP INDEX $_") for @names;
	return scalar @names;
}

my $invalid = 0;

for my $round (1 .. $rounds)
{
	my $images = $round % 2 ? 'on' : 'off';
	my $what = "round $round, full_page_writes $images";

	# Without full-page images replay applies every delta.
	$node->append_conf('postgresql.conf', "full_page_writes = $images");
	$node->reload;
	my @loads = (
		start_load($node, $changes, 2, 60),
		start_load($node, $searches, 1, 60),
		start_load($node, $maintenance, 1, 60),
		start_load($node, $rebuilds, 1, 60));

	usleep(50_000 + int(rand(1_500_000)));
	$node->safe_psql('postgres', 'CHECKPOINT') if $round % 3 == 0;
	usleep(int(rand(300_000)));
	crash($node);
	for my $load (@loads)
	{
		my @errors = grep { /ERROR/ && !/deadlock detected/ } split /\n/, end_load($load);

		is(scalar(@errors), 0, "$what: no error before") or diag(join "\n", @errors);
	}
	$node->start;

	# VACUUM meets what the crash left before anything is repaired.
	$node->safe_psql('postgres', 'VACUUM t') if $round % 2;
	$invalid += drop_invalid_indexes();
	is_consistent($node, 't', 8, $what, '<=>');
	graph_is_whole($node, 't', $_, 8, "$what, $_") for '<->', '<#>';
	graph_is_whole($node, 'long', '<->', 4200, $what);
	indexes_are_sound($node, $_, $what) for 't', 'long';
}

cmp_ok($node->safe_psql('postgres', 'SELECT last_value FROM t_id_seq'), '>', 1500 + 20 * $rounds,
	'there was something to recover');
note("$invalid rebuilds were interrupted");

$node->safe_psql('postgres', q(SELECT vecam_seal('t_l2'), vecam_seal('t_ip'), vecam_seal('long_l2')));
$node->safe_psql('postgres', 'VACUUM t, long');
is( $node->safe_psql(
		'postgres', q(
	SELECT bool_and(s.rows = (SELECT count(*) FROM t) AND s.deleted_nodes <= s.live_nodes / 7)
	FROM (VALUES ('t_l2'::regclass), ('t_ip'), ('t_cosine')) i (oid), vecam_stats(oid) s)),
	't', 'no dead row is left, and few dead nodes');
indexes_are_sound($node, $_, 'at the end') for 't', 'long';

log_is_clean($node, 'all', qr/deadlock detected|canceling statement|terminating connection/);
$node->stop;
done_testing();
