# CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY while rows come, change and
# go, with prepared transactions, too.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $node = new_node('main');

$node->append_conf('postgresql.conf', "max_prepared_transactions = 20\nautovacuum = on\nautovacuum_naptime = 1\n");
$node->start;
add_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, n int DEFAULT 0, v vector(6));
INSERT INTO t (v) SELECT test_vector(i, 6) FROM generate_series(1, 3000) i;
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = flat);
));

my $changes = q(
\set i random(1, 100000)
\set n random(1, 10)
INSERT INTO t (v) SELECT CASE (:i + k) % 11 WHEN 0 THEN NULL ELSE test_vector(:i + k, 6) END FROM generate_series(1, :n) k;
UPDATE t SET n = n + 1 WHERE id = (SELECT min(id) + :i % 2000 FROM t);
UPDATE t SET v = test_vector(:i, 6) WHERE id = (SELECT min(id) + :i % 1000 FROM t);
DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED);
BEGIN;
INSERT INTO t (v) SELECT test_vector(:i, 6) FROM generate_series(1, :n) k;
ROLLBACK;
);
my $prepared = q(
\set i random(1, 100000)
BEGIN;
INSERT INTO t (v) VALUES (test_vector(:i, 6));
DELETE FROM t WHERE id = (SELECT max(id) - 500 - :i % 100 FROM t);
PREPARE TRANSACTION 'p:client_id';
\sleep 2 ms
COMMIT PREPARED 'p:client_id';
);
my @loads = (start_load($node, $changes, 3, 20), start_load($node, $prepared, 2, 20));

for my $round (1 .. 6)
{
	my ($ret, $out, $err) = $node->psql('postgres',
		'CREATE INDEX CONCURRENTLY t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = flat)');
	is("$ret $err", '0 ', "round $round: CREATE INDEX CONCURRENTLY");
	is_consistent($node, 't', 6, "round $round, created", '<->', '<=>');
	is_sound($node, "round $round, created");
	($ret, $out, $err) = $node->psql('postgres', 'REINDEX INDEX CONCURRENTLY t_l2');
	is("$ret $err", '0 ', "round $round: REINDEX CONCURRENTLY");
	is_consistent($node, 't', 6, "round $round, rebuilt", '<->', '<=>');
	is_sound($node, "round $round, rebuilt");
	$node->safe_psql('postgres', 'DROP INDEX CONCURRENTLY t_cosine') if $round < 6;
}
for my $load (@loads)
{
	my $out = end_load($load);

	unlike($out, qr/ERROR|aborted/, 'no error in the changes');
	like($out, qr/actually processed: [1-9]\d\d/, 'there were changes');
}
is_consistent($node, 't', 6, 'at the end', '<->', '<=>');
$node->safe_psql('postgres', 'VACUUM t');
is( $node->safe_psql('postgres', q(SELECT (SELECT count(*) FROM t) = l.rows, l.rows = c.rows FROM vecam_stats('t_l2') l, vecam_stats('t_cosine') c)),
	't|t', 'no row is in an index twice');

# A build that is cancelled leaves an invalid index, which does no harm.
$node->psql('postgres', q(SET statement_timeout = 1; CREATE INDEX CONCURRENTLY t_ip ON t USING vecam (v vector_ip_ops) WITH (kind = flat)));
$node->safe_psql('postgres', 'INSERT INTO t (v) SELECT test_vector(i, 6) FROM generate_series(1, 100) i');
$node->safe_psql('postgres', 'VACUUM t');
$node->safe_psql('postgres', 'DROP INDEX IF EXISTS t_ip');
is_consistent($node, 't', 6, 'after a cancelled build', '<->', '<=>');

is_sound($node, 'at the end');
log_is_clean($node, 'all', qr/canceling (statement|autovacuum)|deadlock detected/);
$node->stop;
done_testing();
