# A session is held up between any two WAL records of what it does to an index:
# others insert, update, delete, search, vacuum and seal meanwhile, REINDEX
# CONCURRENTLY waits for it, it is cancelled, or the server is killed.  What is
# found afterwards is always what the table has.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use VecamTest;

my $class = 1986356065;
my $node = new_node('main', allows_streaming => 1);

$node->start;
add_graph_helpers($node);
if ($node->safe_psql('postgres', q(LOAD 'vecam'; SELECT current_setting('vecam.stop_points', true) IS NOT NULL)) ne 't')
{
	$node->stop;
	plan skip_all => 'this library has no stop points (make VECAM_DEBUG=1)';
}

$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, n int DEFAULT 0, v vector(8));
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw, seal_threshold = 200);
CREATE FUNCTION fill(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO t (v) SELECT CASE WHEN i % 20 = 0 THEN '[1,2,3,4,5,6,7,8]' ELSE graph_vector(i + nextval('t_id_seq')::int * 7, 8) END
	FROM generate_series(1, n) i
$$;
CREATE FUNCTION check_index() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	problems text;
BEGIN
	IF to_regprocedure('vecam_check(regclass, boolean)') IS NULL THEN
		RETURN 'ok';
	END IF;
	EXECUTE 'SELECT string_agg(format(''%s: %s'', invariant, message), ''; '') FROM vecam_check(''t_v'', true)' INTO problems;
	RETURN coalesce(problems, 'ok');
END
$$;
));

my $insert = 'SELECT fill(1)';
my $seal = q(SELECT vecam_seal('t_v'));
my $vacuum = 'VACUUM t';
my $compact = q(SELECT vecam_compact('t_v'));

# Rows to be sealed and rows to be removed, with a graph and before there is one.
my $graph = 'SELECT fill(300); SELECT vecam_seal($$t_v$$); SELECT fill(220); DELETE FROM t WHERE id % 5 = 0';
my $no_graph = 'SELECT fill(380)';

# A half-empty index, with lists and directories at its end.
my $build = 'SELECT fill(500); REINDEX INDEX t_v; SELECT fill(40); DELETE FROM t WHERE id % 2 = 0';
my $half = "ALTER INDEX t_v SET (compact_threshold = 0); $build; VACUUM t";
my $chunks = "ALTER INDEX t_v SET (compact_threshold = 0); SELECT fill(500); SELECT vecam_seal('t_v'); "
  . q(INSERT INTO t (v) SELECT '[9,9,9,9,9,9,9,9]' FROM generate_series(1, 1200); SELECT vecam_seal('t_v'); )
  . 'DELETE FROM t WHERE id % 2 = 0; VACUUM t';
my $vacuum_half = "$half; ALTER INDEX t_v SET (compact_threshold = 0.1)";

# Where to stop, in what, after what.
my @stops = (
	[ 'insert-formed', $insert, $graph ],
	[ 'insert-appended', $insert, $graph ],
	[ 'seal-locked', $seal, $graph ],
	[ 'graph-started', $seal, $no_graph ],
	[ 'seal-write', $seal, $graph ],
	[ 'seal-written', $seal, $graph ],
	[ 'link-back', $seal, $graph ],
	[ 'seal-publish', $seal, $graph ],
	[ 'seal-published', $seal, $graph ],
	[ 'seal-join', $seal, $graph ],
	[ 'entry-stored', $seal, $no_graph ],
	[ 'seal-page-done', $seal, $graph ],
	[ 'page-removed', $seal, $graph ],
	[ 'entries-thinned', $seal, $no_graph ],
	[ 'vacuum-list', $vacuum, $graph ],
	[ 'vacuum-nodes', $vacuum, $graph ],
	[ 'vacuum-chunks', $vacuum, $graph ],
	[ 'vacuum-cleanup', $vacuum, $graph ],
	[ 'vacuum-trimmed', $vacuum, $graph ],
	[ 'repair-noted', $vacuum, $graph ],
	[ 'repair-splice', $vacuum, $graph ],
	[ 'repair-spliced', $vacuum, $graph ],
	[ 'repair-entries', $vacuum, $graph ],
	[ 'repair-free', $vacuum, $graph ],
	[ 'vacuum-repaired', $vacuum, $graph ],
	[ 'vacuum-survey', $vacuum, $graph ],
	[ 'compact-begun', $compact, $half ],
	[ 'move-begun', $compact, $half ],
	[ 'move-copied', $compact, $half ],
	[ 'move-collected', $compact, $half ],
	[ 'move-rewritten', $compact, $half ],
	[ 'move-entries', $compact, $half ],
	[ 'move-chunks', $compact, $half ],
	[ 'move-freed', $compact, $half ],
	[ 'compact-appended', $compact, $half ],
	[ 'compact-rows', $compact, $half ],
	[ 'compact-chunk', $compact, $chunks ],
	[ 'compact-directory', $compact, $half ],
	[ 'compact-truncate', $compact, $half ],
	[ 'compact-truncated', $compact, $half ],
	[ 'vacuum-compacted', $vacuum, $vacuum_half ]);

# Closes a point, in a transaction of its own.
sub close_point
{
	my ($point) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_safe("BEGIN; SELECT pg_advisory_xact_lock($class, hashtext('$point'))");
	return $session;
}

sub open_point
{
	my ($session) = @_;

	$session->query_safe('COMMIT');
	$session->quit;
	return;
}

# Starts a command in the background, which stops at closed points if it is told to.
sub start_command
{
	my ($sql, $stops) = @_;
	my ($out, $setting) = ('', $stops ? 'on' : 'off');
	my $run = IPC::Run::start(
		[ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port,
			'-c', "LOAD 'vecam'", '-c', "SET vecam.stop_points = $setting", '-c', $sql, 'postgres' ],
		'>', \$out, '2>&1');
	return { run => $run, out => \$out };
}

# Waits for its end; returns what it wrote.
sub end_command
{
	my ($command) = @_;

	eval { $command->{run}->finish };
	return ${ $command->{out} };
}

# Waits until a session stands at a point.
sub is_stopped
{
	return $node->poll_query_until('postgres',
		q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Extension'));
}

# Runs a command that may have to wait for the one that has stopped, and then
# gives up.  Returns any other error.
sub try_command
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, extra_params => [], on_error_stop => 1,
		connstr => $node->connstr('postgres') . q( options='-c statement_timeout=200ms'));

	return '' if $err =~ /canceling statement due to statement timeout/;
	return $err;
}

sub is_whole
{
	my ($what) = @_;

	graph_is_whole($node, 't', '<->', 8, $what);
	is($node->safe_psql('postgres', 'SELECT check_index()'), 'ok', "$what: the index is valid");
	return;
}

# Everything that others can do while a session stands still.
sub interleave
{
	my ($what) = @_;
	my $errors = '';

	$errors .= try_command($_)
	  for (
		'SELECT fill(30)',
		'UPDATE t SET n = n + 1 WHERE id % 9 = 0',
		'DELETE FROM t WHERE id % 11 = 0',
		'BEGIN; SELECT fill(20); ROLLBACK',
		'VACUUM t', $seal, 'SELECT fill(10)');
	is($errors, '', "$what: others go on");
	graph_is_whole($node, 't', '<->', 8, "$what: meanwhile");
	return;
}

# A session stops at the point while the others work, and goes on.
sub run_others
{
	my ($point, $command, $prepare) = @_;

	$node->safe_psql('postgres', "TRUNCATE t; $prepare");
	my $closed = close_point($point);
	my $stopped = start_command($command, 1);
	ok(is_stopped(), "$point: reached");
	interleave($point);
	my $reindex = start_command('REINDEX INDEX CONCURRENTLY t_v', 0);
	usleep(50_000);
	open_point($closed);
	unlike(end_command($stopped), qr/ERROR|FATAL|server closed/, "$point: the session goes on");
	unlike(end_command($reindex), qr/ERROR|FATAL|server closed/, "$point: so does REINDEX CONCURRENTLY");
	is_whole("$point, afterwards");
	return;
}

# A session stops at the point and ends there, by an error or with the server.
sub run_end
{
	my ($point, $command, $prepare, $kill) = @_;
	my $what = $kill ? "$point, killed" : "$point, cancelled";

	$node->safe_psql('postgres', "TRUNCATE t; $prepare");
	my $closed = close_point($point);
	my $stopped = start_command($command, 1);
	ok(is_stopped(), "$what: reached");
	$node->safe_psql('postgres', 'SELECT fill(15)');
	if ($kill)
	{
		crash($node);
		eval { $closed->quit };
		end_command($stopped);
		$node->start;
	}
	else
	{
		$node->safe_psql('postgres',
			q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Extension'));
		like(end_command($stopped), qr/canceling statement due to user request/, "$what: at once");
		open_point($closed);
	}
	is_whole($what);
	is( $node->safe_psql('postgres', "SELECT fill(20); DELETE FROM t WHERE id % 13 = 0"), '', "$what: rows come and go");
	$node->safe_psql('postgres', $seal);
	$node->safe_psql('postgres', $vacuum);
	is( $node->safe_psql(
			'postgres', q(SELECT rows = (SELECT count(*) FROM t), growing_rows FROM vecam_stats('t_v'))),
		't|0', "$what: VACUUM leaves no dead row behind");
	is_whole("$what, vacuumed");
	return;
}

for my $stop (@stops)
{
	my ($point, $command, $prepare) = @$stop;

	run_others(@$stop);
	run_end(@$stop, 0);
	run_end(@$stop, 1);
}

# A node that a sealer has left half linked outlives a repair, as a row claims it:
# the repair takes its edges to dead nodes away before those become free.
$node->safe_psql('postgres', "TRUNCATE t; $graph");
my $closed = close_point('seal-written');
my $stopped = start_command($seal, 1);
ok(is_stopped(), 'left half linked: reached');
$node->safe_psql('postgres',
	q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Extension'));
end_command($stopped);
open_point($closed);
$node->safe_psql('postgres', 'DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 200)');
$node->safe_psql('postgres', $vacuum);
cmp_ok($node->safe_psql('postgres', q(SELECT growing_rows FROM vecam_stats('t_v'))), '>', 0, 'left half linked: VACUUM does not seal');
is_whole('left half linked, repaired');
$node->safe_psql('postgres', $seal);
is_whole('left half linked, sealed');

# Killed between the extents of long rows that are moved.
$node->safe_psql(
	'postgres', q(
CREATE TABLE l (id int, v vector(4100));
INSERT INTO l SELECT i, (SELECT array_agg(hashint4(i * 5000 + k) / 2147483648.0)::vector FROM generate_series(1, 4100) k) FROM generate_series(1, 40) i;
CREATE INDEX l_v ON l USING vecam (v) WITH (kind = hnsw, compact_threshold = 0);
DELETE FROM l WHERE id % 2 = 0));
$node->safe_psql('postgres', 'VACUUM l');
$closed = close_point('compact-extent');
$stopped = start_command(q(SELECT vecam_compact('l_v')), 1);
ok(is_stopped(), 'compact-extent: reached');
crash($node);
eval { $closed->quit };
end_command($stopped);
$node->start;
is($node->safe_psql('postgres', q(SELECT * FROM vecam_check('l_v', true))), '', 'compact-extent, killed: the index is valid');
$node->safe_psql('postgres', q(SELECT vecam_compact('l_v')));
is($node->safe_psql('postgres', q(SELECT free_pages FROM vecam_stats('l_v'))), '0', 'compact-extent, killed: the rest is done later');
is( $node->safe_psql(
		'postgres', q(SET enable_seqscan = off; SET vecam.scan_order = relaxed;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM l ORDER BY v <-> (SELECT v FROM l WHERE id = 1)) s)),
	'20|20', 'compact-extent, killed: each row is found once');

log_is_clean($node, 'all', qr/canceling statement|terminating connection/);
$node->stop;
done_testing();
