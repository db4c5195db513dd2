# Transactions of every kind of end: savepoints, rollbacks and errors, prepared
# ones over a crash, and those that a recovery to a point in time leaves out.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $node = new_node('main', has_archiving => 1, allows_streaming => 1);

$node->append_conf('postgresql.conf', "max_prepared_transactions = 10\nrestart_after_crash = on\n");
$node->start;
add_helpers($node);
add_graph_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, n int CHECK (n < 1000), v vector(6));
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = hnsw, seal_threshold = 500);
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = flat);
INSERT INTO t (n, v) SELECT i % 10, graph_vector(i, 6) FROM generate_series(1, 500) i;
));

sub agrees
{
	my ($server, $rows, $what) = @_;

	is($server->safe_psql('postgres', 'SELECT count(*) FROM t'), $rows, "$what: $rows rows");
	graph_is_whole($server, 't', '<->', 6, $what);
	is_consistent($server, 't', 6, $what, '<=>');
	indexes_are_sound($server, 't', $what);
	return;
}

# Every row that stays says so by n = 1; a search in the same transaction sees
# what is there so far.
my $out = $node->safe_psql(
	'postgres', q(
SET enable_seqscan = off;
SET enable_sort = off;
TRUNCATE t;
BEGIN;
INSERT INTO t (n, v) SELECT 1, graph_vector(i, 6) FROM generate_series(1, 300) i;
SAVEPOINT a;
INSERT INTO t (n, v) SELECT 2, graph_vector(i, 6) FROM generate_series(301, 600) i;
SELECT vecam_seal('t_l2') > 0;
SELECT count(*) FROM (SELECT 1 FROM t ORDER BY v <=> graph_vector(1, 6)) s;
SAVEPOINT b;
DELETE FROM t WHERE n = 1;
UPDATE t SET v = graph_vector(id + 7000, 6);
SELECT count(*) FROM (SELECT 1 FROM t ORDER BY v <=> graph_vector(1, 6)) s;
ROLLBACK TO b;
INSERT INTO t (n, v) SELECT 2, graph_vector(i, 6) FROM generate_series(601, 700) i;
RELEASE b;
ROLLBACK TO a;
SELECT count(*) FROM (SELECT 1 FROM t ORDER BY v <=> graph_vector(1, 6)) s;
UPDATE t SET n = 2 WHERE id % 2 = 0;
SAVEPOINT c;
UPDATE t SET n = 1;
COMMIT;
BEGIN;
DELETE FROM t;
SELECT count(*) FROM (SELECT 1 FROM t ORDER BY v <=> graph_vector(1, 6)) s;
ROLLBACK;
));
is($out, "t\n600\n300\n300\n0", 'searches see their own transaction');
agrees($node, 300, 'savepoints');
is($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE n = 1'), 300, 'and all rows are those that stay');

# Errors in the middle of a statement, in hundreds of subtransactions
$node->safe_psql(
	'postgres', q(
DO $$
BEGIN
	FOR i IN 1 .. 200 LOOP
		BEGIN
			INSERT INTO t (n, v) SELECT CASE WHEN k = 5 THEN 1000 + i % 2 * -999 ELSE 1 END, graph_vector(k + i, 6) FROM generate_series(1, 6) k;
		EXCEPTION WHEN check_violation THEN NULL;
		END;
		BEGIN
			INSERT INTO t (n, v) VALUES (1, '[1,2,3]');
		EXCEPTION WHEN data_exception THEN NULL;
		END;
	END LOOP;
END
$$));
agrees($node, 300 + 600, 'errors');
$node->safe_psql('postgres', 'VACUUM t');
agrees($node, 900, 'errors, vacuumed');

# Sessions that end in the middle of a transaction
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN');
$session->query_safe('INSERT INTO t (n, v) SELECT 3, graph_vector(i, 6) FROM generate_series(1, 200) i');
$session->query_safe("SELECT vecam_seal('t_l2')");
$node->safe_psql('postgres', q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT vecam_seal%' AND pid <> pg_backend_pid()));
eval { $session->quit };
agrees($node, 900, 'terminated');

# Prepared transactions hold no lock of the index, and outlive a crash.
for my $name ('stays', 'goes')
{
	$node->safe_psql(
		'postgres', qq(
		BEGIN;
		INSERT INTO t (n, v) SELECT 1, graph_vector(i, 6) FROM generate_series(1, 120) i;
		SELECT vecam_seal('t_l2');
		DELETE FROM t WHERE id IN (SELECT id FROM t WHERE n = 1 ORDER BY id LIMIT 20 FOR UPDATE SKIP LOCKED);
		PREPARE TRANSACTION '$name'));
}
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_locks WHERE relation = 't_l2'::regclass AND locktype <> 'relation')),
	0, 'a prepared transaction holds the relation lock only');
$node->safe_psql('postgres', q(INSERT INTO t (n, v) SELECT 1, graph_vector(i, 6) FROM generate_series(1, 100) i; SELECT vecam_seal('t_l2')));
$node->safe_psql('postgres', 'VACUUM t');
crash($node);
$node->start;
agrees($node, 1000, 'prepared, crashed');
$node->safe_psql('postgres', q(COMMIT PREPARED 'stays'));
$node->safe_psql('postgres', q(ROLLBACK PREPARED 'goes'));
agrees($node, 1100, 'prepared, ended');
$node->safe_psql('postgres', 'VACUUM t');
agrees($node, 1100, 'prepared, vacuumed');

# Recovery to a point in time
$node->backup('base');
$node->safe_psql('postgres', 'INSERT INTO t (n, v) SELECT 1, graph_vector(i, 6) FROM generate_series(1, 400) i');
$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 3 = 0');
$node->safe_psql('postgres', q(SELECT vecam_seal('t_l2')));
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM t');
$node->safe_psql('postgres', q(SELECT pg_create_restore_point('here')));
$node->safe_psql('postgres', 'VACUUM t');
$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 2 = 0');
$node->safe_psql('postgres', 'INSERT INTO t (n, v) SELECT 1, graph_vector(i, 6) FROM generate_series(1, 400) i');
$node->safe_psql('postgres', 'VACUUM t; SELECT pg_switch_wal()');
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'base', standby => 0, has_restoring => 1);
$restored->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = promote\n");
$restored->start;
$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
agrees($restored, $rows, 'restored');
$restored->safe_psql('postgres', 'DELETE FROM t WHERE id % 5 = 0');
$restored->safe_psql('postgres', 'VACUUM t');
$restored->safe_psql('postgres', 'INSERT INTO t (n, v) SELECT 1, graph_vector(i, 6) FROM generate_series(1, 200) i');
$rows = $restored->safe_psql('postgres', 'SELECT count(*) FROM t');
agrees($restored, $rows, 'restored and changed');

log_is_clean($node, 'all', qr/different vector dimensions|expected 6 dimensions|terminating connection|archive/);
log_is_clean($restored, 'restored', qr/terminating|No such file/);
$restored->stop;
$node->stop;
done_testing();
