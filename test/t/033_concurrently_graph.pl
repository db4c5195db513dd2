# CREATE, REINDEX and DROP INDEX CONCURRENTLY of graphs beside changes and
# prepared transactions; builds that are cancelled in each of their phases leave
# an invalid index that does no harm.
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

my $rounds = $ENV{VECAM_ROUNDS} || 1;
my $node = new_node('main');

$node->append_conf('postgresql.conf', "max_prepared_transactions = 20\ndeadlock_timeout = 100ms\nvecam.seal_workers = 2\n");
$node->start;
add_helpers($node);
add_graph_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, n int DEFAULT 0, v vector(8)) WITH (fillfactor = 90);
INSERT INTO t (v) SELECT graph_vector(i, 8) FROM generate_series(1, 2000) i;
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = hnsw, seal_threshold = 50, m = 12);
));

my $changes = q(
\set i random(1, 100000)
\set n random(1, 10)
INSERT INTO t (v) SELECT CASE (:i + k) % 11 WHEN 0 THEN NULL ELSE graph_vector(:i + k, 8) END FROM generate_series(1, :n) k;
UPDATE t SET n = n + 1 WHERE id = (SELECT min(id) + :i % 2000 FROM t);
UPDATE t SET v = graph_vector(:i, 8) WHERE id = (SELECT min(id) + :i % 1000 FROM t);
DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED);
BEGIN;
INSERT INTO t (v) SELECT graph_vector(:i, 8) FROM generate_series(1, :n) k;
ROLLBACK;
\sleep 50 ms
);
my $prepared = q(
\set i random(1, 100000)
BEGIN;
INSERT INTO t (v) VALUES (graph_vector(:i, 8));
DELETE FROM t WHERE id = (SELECT max(id) - 500 - :i % 100 FROM t);
PREPARE TRANSACTION 'p:client_id';
\sleep 50 ms
COMMIT PREPARED 'p:client_id';
BEGIN;
INSERT INTO t (v) VALUES (graph_vector(:i + 1, 8));
PREPARE TRANSACTION 'p:client_id';
ROLLBACK PREPARED 'p:client_id';
);
my $vacuum = q(
VACUUM t;
\sleep 5 s
);
my $seconds = 3600;
my @loads = (start_load($node, $changes, 2, $seconds), start_load($node, $prepared, 1, $seconds), start_load($node, $vacuum, 1, $seconds));
my $create = 'CREATE INDEX CONCURRENTLY t_new ON t USING vecam (v vector_cosine_ops) WITH (kind = hnsw, seal_threshold = 50)';

sub works
{
	my ($statement, $what) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', $statement);

	is("$ret $err", '0 ', $what);
	return;
}

for my $round (1 .. $rounds)
{
	works($create, "round $round: CREATE INDEX CONCURRENTLY");
	graph_is_whole($node, 't', '<=>', 8, "round $round, created");
	indexes_are_sound($node, 't', "round $round, created");
	works('REINDEX INDEX CONCURRENTLY t_l2', "round $round: REINDEX CONCURRENTLY");
	graph_is_whole($node, 't', '<->', 8, "round $round, rebuilt");
	is($node->safe_psql('postgres', q(SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE relname = 't_l2')),
		'kind=hnsw seal_threshold=50 m=12', 'options are kept');
	works('DROP INDEX CONCURRENTLY t_new', "round $round: DROP INDEX CONCURRENTLY");
}

# VACUUM and vecam_seal have an end although rows keep coming.
works("SET statement_timeout = '180s'; $_", "$_ ends") for 'VACUUM t', "SELECT vecam_seal('t_l2')";

# Cancelled in a phase: a session that holds a lock or a snapshot keeps the build
# in it; the build itself is short, and is caught while it goes on.
my %keeps = (
	'waiting for writers before build' => 'BEGIN; UPDATE t SET n = 0 WHERE id = (SELECT max(id) FROM t)',
	'waiting for old snapshots' => 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');

for my $phase (sort keys %keeps)
{
	my $session = $node->background_psql('postgres');

	$session->query_safe($keeps{$phase});
	my $build = $node->background_psql('postgres', on_error_stop => 0);
	$build->query_until(qr/started/, "\\echo started\n$create;\n");
	ok( $node->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase = '$phase'"),
		"the build reaches: $phase");
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index");
	ok( $node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_progress_create_index'),
		'and ends');
	$session->query_safe('ROLLBACK');
	$_->quit for $session, $build;
	is($node->safe_psql('postgres', q(SELECT indisvalid FROM pg_index WHERE indexrelid = 't_new'::regclass)), 'f',
		'the index is invalid');
	$node->safe_psql('postgres', 'INSERT INTO t (v) SELECT graph_vector(i, 8) FROM generate_series(1, 100) i');
	$node->safe_psql('postgres', 'VACUUM t');
	works($phase =~ /writers/ ? 'DROP INDEX CONCURRENTLY t_new' : 'REINDEX INDEX CONCURRENTLY t_new',
		'it can be dropped or made valid');
	graph_is_whole($node, 't', $phase =~ /writers/ ? '<->' : '<=>', 8, "cancelled: $phase");
	$node->safe_psql('postgres', 'DROP INDEX IF EXISTS t_new');
}

# Cancelled at any moment
my $invalid = 0;

for (1 .. 4 * $rounds)
{
	my ($ret, $out, $err) = $node->psql('postgres', 'SET statement_timeout = ' . int(5 + rand(3000)) . "; $create");

	like($err, qr/^$|canceling statement/, 'built or cancelled');
	$invalid += $node->safe_psql('postgres', q(SELECT count(*) FROM pg_index WHERE NOT indisvalid));
	$node->safe_psql('postgres', 'DROP INDEX IF EXISTS t_new');
}
note("$invalid invalid indexes");

kill 'TERM', $_->{run}->{KIDS}[0]{PID} for @loads;
for my $load (@loads)
{
	my $out = end_load($load);

	unlike($out, qr/ERROR|aborted/, 'no error in the changes');
}
$node->safe_psql('postgres', "ROLLBACK PREPARED '$_'")
  for split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts');
graph_is_whole($node, 't', '<->', 8, 'at the end');
indexes_are_sound($node, 't', 'at the end');
$node->safe_psql('postgres', q(SELECT vecam_seal('t_l2')));
$node->safe_psql('postgres', 'VACUUM t');
is($node->safe_psql('postgres', q(SELECT rows = (SELECT count(*) FROM t) FROM vecam_stats('t_l2'))), 't',
	'no row is in the index twice');

log_is_clean($node, 'all', qr/canceling statement|deadlock detected|terminating|connection to client lost|could not map dynamic shared memory/);
$node->stop;
done_testing();
