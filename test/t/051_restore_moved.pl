# Checkpoints of an index that compaction has left with moved nodes: it stands
# still between two of its records, is cancelled or killed there, and the
# checkpoint that is taken then has every node once and every edge.

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

my $class = 1986356065;
my $node = new_node('main');

$node->start;
add_graph_helpers($node);
if ($node->safe_psql('postgres', q(LOAD 'vecam'; SELECT current_setting('vecam.stop_points', true) IS NOT NULL)) ne 't')
{
	$node->stop;
	plan skip_all => 'this library has no stop points (make VECAM_DEBUG=1)';
}

$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, v vector(8));
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw, seal_threshold = 200, compact_threshold = 0);
CREATE TABLE checkpoints (name text, chunk int, data bytea);
CREATE VIEW latest AS SELECT chunk, data FROM checkpoints WHERE name = 'left';
CREATE FUNCTION fill(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO t (v) SELECT CASE WHEN i % 20 = 0 THEN '[1,2,3,4,5,6,7,8]' ELSE graph_vector(i + nextval('t_id_seq')::int * 7, 8) END
	FROM generate_series(1, n) i
$$;
CREATE FUNCTION take(what text) RETURNS void LANGUAGE sql AS $$
	DELETE FROM checkpoints WHERE name = what;
	INSERT INTO checkpoints SELECT what, c.* FROM vecam_checkpoint('t_v') c
$$;
));

# A half-empty index without dead nodes: compaction moves its nodes, no more.
my $half = 'TRUNCATE t; SELECT fill(1500); REINDEX INDEX t_v; DELETE FROM t WHERE id % 2 = 0';

# Lets a compaction come to a point, and ends it there.
sub end_at
{
	my ($point, $kill) = @_;
	my $what = $kill ? "$point, killed" : "$point, cancelled";
	my $session = $node->background_psql('postgres');
	my $out = '';

	$session->query_safe("BEGIN; SELECT pg_advisory_xact_lock($class, hashtext('$point'))");
	my $run = IPC::Run::start(
		[ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port, '-c', "LOAD 'vecam'",
			'-c', 'SET vecam.stop_points = on', '-c', q(SELECT vecam_compact('t_v')), 'postgres' ],
		'>', \$out, '2>&1');
	ok( $node->poll_query_until('postgres',
			q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Extension')),
		"$what: reached");
	$node->psql('postgres', q(SET lock_timeout = '100ms'; SELECT take('beside')), stderr => \my $err);
	like($err, qr/canceling statement due to lock timeout/, "$what: a checkpoint waits for the compaction");
	if ($kill)
	{
		crash($node);
		eval { $session->quit };
		eval { $run->finish };
		$node->start;
		return $what;
	}
	$node->safe_psql('postgres',
		q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Extension'));
	eval { $run->finish };
	$session->query_safe('COMMIT');
	$session->quit;
	return $what;
}

# Restores the index from what was taken last.
sub is_restored
{
	my ($what, $result) = @_;

	is($node->safe_psql('postgres', q(SELECT * FROM vecam_restore('t_v', 'latest'))), $result, "$what: restored");
	is($node->safe_psql('postgres', q(SELECT string_agg(c::text, '; ') FROM vecam_check('t_v', true) c)), '', "$what: sound");
	graph_is_whole($node, 't', '<->', 8, $what);
	return;
}

for my $point ('move-begun', 'move-copied', 'move-collected', 'move-rewritten', 'move-entries', 'move-chunks', 'move-freed',
	'compact-rows')
{
	for my $kill ($point =~ /^move-(copied|entries)$/ ? (0, 1) : 0)
	{
		$node->safe_psql('postgres', $_) for $half, 'VACUUM t', q(SELECT take('whole'));
		my $nodes = $node->safe_psql('postgres', q(SELECT live_nodes FROM vecam_stats('t_v')));
		my $what = end_at($point, $kill);

		# the nodes stand in another order, so the bytes are others, but as many
		$node->safe_psql('postgres', q(SELECT take('left')));
		is( $node->safe_psql('postgres', q(SELECT count(DISTINCT s) FROM (SELECT sum(length(data)) AS s FROM checkpoints GROUP BY name) c)),
			'1', "$what: the checkpoint has every node once and every edge");
		is_restored($what, "$nodes|0|0");
	}
}

# Sealers make edges to the new places; rows come and go before it is restored.
$node->safe_psql('postgres', $_) for $half, 'VACUUM t';
end_at('move-rewritten', 0);
$node->safe_psql('postgres', $_) for 'SELECT fill(300)', q(SELECT vecam_seal('t_v')), q(SELECT take('left')),
  'SELECT fill(30)', 'DELETE FROM t WHERE id % 17 = 0';
like($node->safe_psql('postgres', q(SELECT * FROM vecam_restore('t_v', 'latest'))), qr/^\d+\|2\d\|[1-9]\d*$/, 'after writes: restored');
is($node->safe_psql('postgres', q(SELECT string_agg(c::text, '; ') FROM vecam_check('t_v', true) c)), '', 'after writes: sound');
graph_is_whole($node, 't', '<->', 8, 'after writes');

log_is_clean($node, 'all', qr/canceling statement|terminating connection/);
$node->stop;
done_testing();
