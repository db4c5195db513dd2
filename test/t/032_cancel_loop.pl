# Statements on a graph that are cancelled at any moment end in time, and leave
# indexes that hold what they promise.
#
# VECAM_ROUNDS says how often; without it a few times.  A statement must end
# within 100 ms of its timeout on a machine that has nothing else to do.
# VECAM_SLACK multiplies that (default 5), and what a statement that does not
# touch an index took longer than it should is added.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use List::Util qw(max);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $rounds = $ENV{VECAM_ROUNDS} || 3;
my $slack = $ENV{VECAM_SLACK} || 5;
my $node = new_node('main');

$node->start;
add_helpers($node);
add_graph_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE source AS SELECT i, graph_vector(i, 32) AS v FROM generate_series(1, 4000) i;
CREATE TABLE long_source AS SELECT i, graph_vector(i, 4200) AS v FROM generate_series(1, 30) i;
CREATE TABLE t (id serial PRIMARY KEY, n int DEFAULT 0, v vector(32));
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = hnsw, seal_threshold = 100);
INSERT INTO t (v) SELECT v FROM source;
CREATE TABLE long (id serial PRIMARY KEY, v vector(4200));
CREATE INDEX long_l2 ON long USING vecam (v) WITH (kind = hnsw, seal_threshold = 5);
INSERT INTO long (v) SELECT v FROM long_source;
));

my $control = 'SELECT count(*) FROM generate_series(1, 3000000)';
my @statements = (
	$control,
	'CREATE INDEX t_new ON t USING vecam (v vector_cosine_ops) WITH (kind = hnsw)',
	'CREATE INDEX t_new ON t USING vecam (v vector_cosine_ops) WITH (kind = flat)',
	'CREATE INDEX CONCURRENTLY t_new ON t USING vecam (v vector_ip_ops) WITH (kind = hnsw)',
	'CREATE INDEX long_new ON long USING vecam (v vector_ip_ops) WITH (kind = hnsw)',
	'REINDEX INDEX t_l2',
	'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> (SELECT v FROM source WHERE i = 7)) s',
	'SELECT i, (SELECT id FROM t ORDER BY t.v <-> s.v LIMIT 1) FROM source s WHERE i < 1000',
	'SELECT count(*) FROM (SELECT id FROM long ORDER BY v <-> (SELECT v FROM long_source WHERE i = 1)) s',
	'INSERT INTO t (v) SELECT v FROM source',
	'INSERT INTO t (v) SELECT NULL FROM source',
	'INSERT INTO long (v) SELECT v FROM long_source',
	'UPDATE t SET n = n + 1 WHERE id % 3 = 0',
	'DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 1000)',
	'DELETE FROM long WHERE id <= (SELECT max(id) - 40 FROM long)',
	"SELECT vecam_seal('t_l2')",
	"SELECT vecam_seal('long_l2')",
	'VACUUM (INDEX_CLEANUP on) t',
	'VACUUM (FREEZE, INDEX_CLEANUP on) long');

# How long beyond its timeout each statement took at most
my %late;
my ($cancelled, $other) = (0, 0);

for my $round (1 .. $rounds)
{
	my $script = "\\set VERBOSITY sqlstate\nSET enable_seqscan = off; SET enable_sort = off;\n"
	  . "INSERT INTO t (v) SELECT v FROM source WHERE i <= 300;\n";

	for my $number (0 .. $#statements)
	{
		my $timeout = int(1 + rand(50));

		$script .= "SET statement_timeout = $timeout;\n\\echo # $timeout $number\n\\timing on\n$statements[$number];\n\\timing off\n";
		$script .= "SET statement_timeout = 0;\nDROP INDEX IF EXISTS t_new, long_new;\n";
	}
	my $timed_out = 0;
	my ($ret, $out, $err) = $node->psql('postgres', $script,
		on_error_stop => 0, timeout => 300, timed_out => \$timed_out);

	BAIL_OUT('a statement cannot be cancelled') if $timed_out;
	is($ret, 0, "round $round");

	my ($timeout, $statement);
	for my $line (split /\n/, $out)
	{
		($timeout, $statement) = ($1, $statements[$2]) if $line =~ /^# (\d+) (\d+)$/;
		$late{$statement} = max($late{$statement} || 0, $1 - $timeout) if $line =~ /^Time: ([\d.]+) ms/;
	}
	for my $line (split /\n/, $err)
	{
		$cancelled++ if $line =~ /57014/;
		$other++, diag $line if $line =~ /ERROR|FATAL|WARNING/ && $line !~ /57014/;
	}
	next if $round % 5 && $round < $rounds;
	graph_is_whole($node, 't', '<->', 32, "round $round");
	graph_is_whole($node, 'long', '<->', 4200, "round $round");
	indexes_are_sound($node, $_, "round $round") for 't', 'long';
}
is($other, 0, 'nothing but cancelled statements');
cmp_ok($cancelled, '>', 3 * $rounds, "statements were cancelled ($cancelled)");

my $allowed = 100 * $slack + $late{$control};
note(sprintf('%.0f ms late at most: %s', $late{$_}, $_)) for sort { $late{$b} <=> $late{$a} } keys %late;
cmp_ok($late{$_}, '<', $allowed, "in time: $_") for grep { $_ ne $control } @statements;

$node->safe_psql('postgres', q(SELECT vecam_seal('t_l2'), vecam_seal('long_l2')));
$node->safe_psql('postgres', 'VACUUM t, long');
is( $node->safe_psql('postgres', q(SELECT (SELECT count(*) FROM t) = t.rows, (SELECT count(*) FROM long) = l.rows,
		t.deleted_nodes <= t.live_nodes / 7 FROM vecam_stats('t_l2') t, vecam_stats('long_l2') l)),
	't|t|t', 'VACUUM removes what is left');
graph_is_whole($node, 't', '<->', 32, 'at the end');

log_is_clean($node, 'all', qr/canceling statement due to statement timeout|terminating background worker|could not map dynamic shared memory/);
$node->stop;
done_testing();
