# Real vectors: the answers of a graph are in exact order, with few rows of the
# table fetched and fewer of their distances computed, and a standby's sessions
# keep no entry points that the primary has replaced.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $ROWS = 5000;
my $QUERIES = 100;
my $data = "$FindBin::RealBin/../data";

my $node = new_node('main', allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_buffers = 128MB\n");
$node->start;
add_graph_helpers($node);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

# The first rows of a set as lines for COPY.
sub read_rows
{
	my ($name, $count) = @_;

	open my $f, '<:raw', "$data/$name" or die "could not open $name: $!";
	read $f, my $shape, 8;
	my ($rows, $dims) = unpack 'LL', $shape;
	my $lines = '';

	$count = $rows if $rows < $count;
	for my $id (1 .. $count)
	{
		read $f, my $bytes, $dims;
		$lines .= "$id\t[" . join(',', unpack('C*', $bytes)) . "]\n";
	}
	return $lines;
}

$node->safe_psql('postgres',
	"CREATE TABLE digits (id int PRIMARY KEY, v vector(784));
	CREATE TABLE queries (id int PRIMARY KEY, v vector(784));
	COPY digits FROM stdin;\n" . read_rows('mnist-10k.base.u8bin', $ROWS) . "\\.\n
	COPY queries FROM stdin;\n" . read_rows('mnist-10k.query.u8bin', $QUERIES) . "\\.\n
	VACUUM ANALYZE digits");

# Asks all queries for ten ids; the figures of the searches, how many answers are
# not sorted by the distances of their rows, and the recall.
$node->safe_psql(
	'postgres', q(
CREATE FUNCTION ask_all(op text, OUT table_rows float8, OUT rechecks float8, OUT unsorted int, OUT recall float8)
LANGUAGE plpgsql AS $$
DECLARE
	q record;
	last record;
	ids int[];
	ds float8[];
	want float8[];
	n int := 0;
BEGIN
	table_rows := 0;
	rechecks := 0;
	unsorted := 0;
	recall := 0;
	FOR q IN SELECT v FROM queries LOOP
		PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
		EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM digits ORDER BY v %s $1 LIMIT 10) s', op)
			INTO ids USING q.v;
		SELECT * INTO last FROM vecam_last_search();
		EXECUTE format('SELECT array_agg(d.v %s $1 ORDER BY o) FROM unnest($2) WITH ORDINALITY AS u (i, o) JOIN digits d ON d.id = i', op)
			INTO ds USING q.v, ids;
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true);
		EXECUTE format('SELECT array_agg(d) FROM (SELECT v %1$s $1 AS d FROM digits ORDER BY v %1$s $1 LIMIT 10) s', op)
			INTO want USING q.v;
		n := n + 1;
		table_rows := table_rows + last.heap_rows;
		rechecks := rechecks + last.heap_rechecks;
		IF ds <> ARRAY(SELECT d FROM unnest(ds) d ORDER BY d) OR cardinality(ds) <> 10 THEN
			unsorted := unsorted + 1;
		END IF;
		recall := recall + (SELECT count(*) FROM unnest(ds) d WHERE d <= want[10]) / 10.0;
	END LOOP;
	table_rows := table_rows / n;
	rechecks := rechecks / n;
	recall := recall / n;
END
$$;
));

my %operators = (l2 => '<->', ip => '<#>', cosine => '<=>');
for my $metric (qw(l2 ip cosine))
{
	for my $rerank ($metric eq 'l2' ? qw(page heap) : qw(page))
	{
		$node->safe_psql('postgres',
			"CREATE INDEX digits_v ON digits USING vecam (v vector_${metric}_ops) WITH (kind = hnsw, rerank = $rerank)");
		my ($rows, $rechecks, $unsorted, $recall) = split /\|/,
		  $node->safe_psql('postgres', "SET max_parallel_workers_per_gather = 0; SELECT * FROM ask_all('$operators{$metric}')");
		my $what = "$metric, rerank = $rerank";

		note "$what: $rows rows, $rechecks rechecks, recall $recall";
		is($unsorted, 0, "$what: all answers are in order");
		cmp_ok($recall, '>=', 0.98, "$what: recall");
		cmp_ok($rows, '>=', 10, "$what: ten rows or more are fetched");
		if ($rerank eq 'page')
		{
			cmp_ok($rows, '<', 11, "$what: hardly more than ten");
			cmp_ok($rechecks, '<=', 4, "$what: few distances are computed");
		}
		else
		{
			cmp_ok($rows, '<', 16, "$what: few more than ten");
			is($rechecks, $rows, "$what: all distances are computed");
		}
		$node->safe_psql('postgres', 'DROP INDEX digits_v');
	}
}

# One session of the standby searches before and after sealing and VACUUM have
# replaced all entry points.
$node->safe_psql(
	'postgres', q(
CREATE TABLE moving (id int, v vector(8)) WITH (vacuum_truncate = off);
INSERT INTO moving SELECT i, graph_vector(i, 8) FROM generate_series(1, 1000) i;
CREATE INDEX moving_v ON moving USING vecam (v) WITH (kind = hnsw);
));
$node->wait_for_catchup($standby);

my $in = q(
SET enable_seqscan = off;
SELECT 'first', count(*), min(id) <= 1000 FROM (SELECT id FROM moving ORDER BY v <-> graph_vector(77, 8) LIMIT 10) s;
);
my $out = '';
my $err = '';
my $session = IPC::Run::start(
	[ 'psql', '-X', '-A', '-t', '-q', '-h', $standby->host, '-p', $standby->port, 'postgres' ],
	'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
$session->pump until $out =~ /first.*\n/;
$node->safe_psql('postgres', 'DELETE FROM moving');
$node->safe_psql('postgres', 'VACUUM moving');
$node->safe_psql('postgres', 'INSERT INTO moving SELECT i, graph_vector(i, 8) FROM generate_series(1001, 4000) i');
$node->safe_psql('postgres', q(SELECT vecam_seal('moving_v')));
# sealing alone takes no transaction id, so its end does not flush the log
$node->safe_psql('postgres', 'CREATE TABLE sealed ()');
$node->wait_for_catchup($standby);
$in .= q(
SELECT 'then', count(*), min(id) > 1000 FROM (SELECT id FROM moving ORDER BY v <-> graph_vector(1077, 8) LIMIT 10) s;
SELECT nodes_visited > 20, pages_read < pages / 2, s.growing_rows FROM vecam_last_search(), vecam_stats('moving_v') s;
\q
);
$session->finish;
is($out, "first|10|t\nthen|10|t\nt|t|0\n", 'a session of the standby follows the entry points');
is($err, '', 'without an error');

is_sound($_, 'at the end on ' . $_->name) for $node, $standby;
log_is_clean($node, 'primary');
log_is_clean($standby, 'standby', qr/terminating connection/);
$node->stop;
$standby->stop;
done_testing();
