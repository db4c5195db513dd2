# Graphs: the memory of very many searches in one session, and VACUUM in several
# passes and with workers.
#
# VECAM_RESCANS says how many searches; without it a few thousand.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $rescans = $ENV{VECAM_RESCANS} || 5000;
my $node = new_node('main');

$node->append_conf('postgresql.conf', "shared_buffers = 64MB\nmin_parallel_index_scan_size = 0\nmax_parallel_maintenance_workers = 2\n");
$node->start;
add_helpers($node);
add_graph_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE few (id int, v vector(16));
INSERT INTO few SELECT i, graph_vector(i, 16) FROM generate_series(1, 1000) i;
CREATE INDEX few_v ON few USING vecam (v) WITH (kind = hnsw);
INSERT INTO few SELECT i, graph_vector(i, 16) FROM generate_series(1001, 1050) i;
CREATE TABLE queries AS SELECT i, graph_vector(-i, 16) AS v FROM generate_series(1, 100) i;
));

# The process's memory in kB; 0 where the system does not tell.
sub resident
{
	my ($pid) = @_;
	my ($kb) = `cat /proc/$pid/status 2> /dev/null` =~ /^RssAnon:\s+(\d+)/m;

	return $kb || 0;
}

my $session = $node->background_psql('postgres');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $used = 'SELECT sum(used_bytes) FROM pg_backend_memory_contexts';

$session->query_safe("SET $_ = off") for qw(enable_seqscan enable_sort enable_material enable_memoize);
my $rows = 0;
for my $query ('few.v <-> q.v', 'few.v <-> nullif(q.v, q.v)')
{
	$session->query_safe(qq(BEGIN; DECLARE c CURSOR FOR SELECT q.i, n.id
		FROM generate_series(1, $rescans) g, queries q, LATERAL (SELECT id FROM few WHERE id <> -g ORDER BY $query LIMIT 2) n));
	$session->query_safe('MOVE 400 FROM c');
	$session->query_safe($used);
	my ($early, $early_kb) = ($session->query_safe($used), resident($pid));
	$session->query_safe('MOVE ' . 2 * $rescans . ' FROM c');
	my ($late, $late_kb) = ($session->query_safe($used), resident($pid));

	cmp_ok($late, '<', $early + 65536, "contexts after $rescans searches by $query ($early, $late)");
	cmp_ok($late_kb, '<=', $early_kb + 2048, "memory of the process ($early_kb kB, $late_kb kB)");
	$session->query_safe('COMMIT');
}
$session->quit;
ok( $node->poll_query_until('postgres', qq(SELECT pg_stat_get_numscans('few_v'::regclass) >= 2 * $rescans)),
	'they were searches of the index');

# More dead rows than one pass remembers; equal vectors, which share nodes
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id int, v vector(3));
INSERT INTO t SELECT i, CASE i % 50 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0]' ELSE ARRAY[i % 300, i % 7, 1]::vector END
	FROM generate_series(1, 230000) i;
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = hnsw);
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = hnsw);
DELETE FROM t WHERE id % 10 > 0 AND id > 1000;
));
my $count = $node->safe_psql('postgres', 'SELECT count(*) FROM t');
my ($ret, $out, $err) = $node->psql('postgres', q(SET maintenance_work_mem = '1MB'; VACUUM (VERBOSE, PARALLEL 2) t));
like($err, qr/index scans: [2-9]/, 'VACUUM goes through the indexes more than once')
  if $node->pg_version < 17;
like($err, qr/launched 1 parallel vacuum worker for index vacuuming/, 'with a worker');
is( $node->safe_psql('postgres', q(SELECT string_agg(reltuples::text, ' ') FROM pg_class WHERE relname IN ('t', 't_l2', 't_cosine'))),
	"$count $count $count", 'it counts rows once');
indexes_are_sound($node, 't', 'after several passes');

log_is_clean($node, 'all');
$node->stop;
done_testing();
