# While maintenance is under way the view vecam_progress says what it is doing, to
# which index, and how far it is; nothing is left there when it has ended.

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
my $node = new_node('main');

$node->append_conf('postgresql.conf', 'min_parallel_index_scan_size = 0');
$node->start;
add_graph_helpers($node);
my $has_stops = $node->safe_psql('postgres', q(LOAD 'vecam'; SELECT current_setting('vecam.stop_points', true) IS NOT NULL)) eq 't';
if ($has_stops)
{
	$node->append_conf('postgresql.conf', 'vecam.stop_points = off');
	$node->reload;
}

# held waits at one of its calls, for whoever has the advisory lock of that name.
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, v vector(8));
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw, compact_threshold = 0);
CREATE FUNCTION fill(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO t (v) SELECT graph_vector(i * 7 + (SELECT coalesce(max(id), 0) FROM t)::int, 8) FROM generate_series(1, n) i
$$;
CREATE FUNCTION held(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF v = '[0,0,0,0,0,0,0,1]' THEN
		PERFORM pg_advisory_xact_lock_shared(hashtext('held'));
	END IF;
	RETURN v;
END
$$;
CREATE ROLE other LOGIN;
CREATE ROLE watcher LOGIN IN ROLE pg_read_all_stats;
));

my $graph = 'SELECT fill(600); SELECT vecam_seal($$t_v$$); SELECT fill(220); DELETE FROM t WHERE id % 4 = 0';
my $half = 'SELECT fill(1000); REINDEX INDEX t_v; SELECT fill(40); DELETE FROM t WHERE id % 2 = 0; VACUUM t';
my $seal = q(SELECT vecam_seal('t_v'));
my $compact = q(SELECT vecam_compact('t_v'));

# A session that keeps an advisory lock.
sub lock_session
{
	my ($keys) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_safe("BEGIN; SELECT pg_advisory_xact_lock($keys)");
	return $session;
}

sub unlock_session
{
	my ($session) = @_;

	$session->query_safe('COMMIT');
	$session->quit;
	return;
}

sub start_command
{
	my ($sql, $setting) = @_;
	my $out = '';
	my $run = IPC::Run::start(
		[ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port,
			'-c', "LOAD 'vecam'", '-c', $setting, '-c', $sql, 'postgres' ],
		'>', \$out, '2>&1');
	return { run => $run, out => \$out };
}

sub end_command
{
	my ($command) = @_;

	eval { $command->{run}->finish };
	return ${ $command->{out} };
}

# Index, command, phase, whether done and total make sense, whether done is as wanted.
my $view = q(SELECT relid::regclass, indexrelid::regclass, command, phase, 0 <= done AND done <= total, done %s
FROM vecam_progress WHERE datname = current_database());

# A command that stands still is in the view, for those who may see it.
sub is_reported
{
	my ($what, $expected, $done) = @_;

	is($node->safe_psql('postgres', sprintf($view, $done)), $expected, "$what: the view");
	is($node->safe_psql('postgres', sprintf($view, $done), extra_params => [ '-U', 'watcher' ]),
		$expected, "$what: for another user who may see it");
	is($node->safe_psql('postgres', sprintf($view, $done), extra_params => [ '-U', 'other' ]),
		'', "$what: for one who may not");
	return;
}

sub nothing_is_reported
{
	my ($what) = @_;

	is( $node->safe_psql('postgres',
			'SELECT command FROM vecam_progress UNION ALL SELECT phase FROM pg_stat_progress_create_index'),
		'', "$what: nothing afterwards");
	return;
}

# Stops the command at a point and looks.
sub look_at_stop
{
	my ($point, $command, $prepare, $name, $phase, $done) = @_;

	$node->safe_psql('postgres', "TRUNCATE t; $prepare");
	my $closed = lock_session("$class, hashtext('$point')");
	my $stopped = start_command($command, 'SET vecam.stop_points = on');
	ok( $node->poll_query_until('postgres',
			q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Extension')),
		"$point: reached");
	is_reported($point, "t|t_v|$name|$phase|t|t", $done);
	is( $node->safe_psql('postgres',
			q(SELECT coalesce(command, 'maintenance'), phase, blocks_done <= blocks_total FROM pg_stat_progress_create_index WHERE index_relid = 't_v'::regclass)),
		$name eq 'VACUUM' ? '' : ($name eq 'maintenance' ? $name : 'REINDEX') . "|building index: $phase|t",
		"$point: the view of CREATE INDEX");
	unlock_session($closed);
	unlike(end_command($stopped), qr/ERROR|FATAL|server closed/, "$point: it goes on");
	nothing_is_reported($point);
	return;
}

# Where to stop, in what, after what; command and phase there, and how far.
my @stops = (
	[ 'vacuum-nodes', 'VACUUM t', $graph, 'VACUUM', 'removing rows from lists', '>= 0' ],
	[ 'vacuum-chunks', 'VACUUM t', $graph, 'VACUUM', 'removing rows from TID chunks', '= 0' ],
	[ 'repair-splice', 'VACUUM t', $graph, 'VACUUM', 'splicing out dead nodes', '> 0' ],
	[ 'repair-free', 'VACUUM t', $graph, 'VACUUM', 'freeing dead nodes', '> 0' ],
	[ 'vacuum-survey', 'VACUUM t', $graph, 'VACUUM', 'surveying pages', '= 0' ],
	[ 'seal-publish', $seal, $graph, 'maintenance', 'sealing rows', '= 0' ],
	[ 'compact-begun', $compact, $half, 'maintenance', 'surveying pages', '> 0' ],
	[ 'move-copied', $compact, $half, 'maintenance', 'moving nodes and rows', '> 0' ],
	[ 'move-rewritten', $compact, $half, 'maintenance', 'rewriting edges to moved nodes', '> 0' ],
	[ 'move-freed', $compact, $half, 'maintenance', 'freeing places of moved nodes', '> 0' ],
	[ 'compact-truncate', $compact, $half, 'maintenance', 'truncating', '> 0' ],
	[ 'link-back', 'REINDEX INDEX t_v', $graph, 'CREATE INDEX', 'loading rows', '= 0' ]);

SKIP:
{
	skip 'this library has no stop points (make VECAM_DEBUG=1)' unless $has_stops;

	look_at_stop(@$_) for @stops;

	# An error ends it, and so does a cancel.
	$node->safe_psql('postgres', "TRUNCATE t; $graph");
	my $closed = lock_session("$class, hashtext('seal-publish')");
	my $stopped = start_command($seal, 'SET vecam.stop_points = on');
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM vecam_progress'), 'cancelled: begun');
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(pid) FROM vecam_progress');
	like(end_command($stopped), qr/canceling statement due to user request/, 'cancelled');
	unlock_session($closed);
	nothing_is_reported('cancelled');

	# A worker of VACUUM has no command of its own; one index for each process.
	$node->safe_psql('postgres', "CREATE INDEX t_w ON t USING vecam (v) WITH (kind = hnsw); TRUNCATE t; $graph");
	$closed = lock_session("$class, hashtext('vacuum-chunks')");
	$node->safe_psql('postgres', q(SELECT vecam_seal('t_w')));
	$stopped = start_command('VACUUM (PARALLEL 1) t', 'SET vecam.stop_points = on');
	ok( $node->poll_query_until('postgres',
			q(SELECT count(*) = 2 FROM vecam_progress WHERE phase = 'removing rows from TID chunks')),
		'parallel: two processes');
	is( $node->safe_psql('postgres',
			q(SELECT string_agg(command, ' ' ORDER BY command), count(DISTINCT indexrelid), bool_and(relid = 't'::regclass) FROM vecam_progress)),
		'VACUUM maintenance|2|t', 'parallel: an index each');
	unlock_session($closed);
	unlike(end_command($stopped), qr/ERROR|FATAL|server closed/, 'parallel: they go on');
	nothing_is_reported('parallel');

	# The background worker.
	$node->safe_psql('postgres', "DROP INDEX t_w; TRUNCATE t; $graph");
	$node->append_conf('postgresql.conf', "vecam.stop_points = on\nvecam.seal_workers = 1\n");
	$node->restart;
	$node->safe_psql('postgres', 'ALTER INDEX t_v SET (seal_threshold = 100)');
	$closed = lock_session("$class, hashtext('seal-publish')");
	$node->safe_psql('postgres', 'SET vecam.stop_points = off; SELECT fill(300)');
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM vecam_progress'), 'background worker: begun');
	is( $node->safe_psql('postgres',
			q(SELECT backend_type, indexrelid::regclass, command, phase, done, total > 0 FROM vecam_progress JOIN pg_stat_activity USING (pid))),
		'vecam sealer|t_v|maintenance|sealing rows|0|t', 'background worker: the view');
	unlock_session($closed);
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM vecam_progress'), 'background worker: it ends');
	nothing_is_reported('background worker');
	$node->append_conf('postgresql.conf', "vecam.stop_points = off\nvecam.seal_workers = 0\n");
	$node->restart;
}

# Commands that stand still in the middle of the table, in an expression of the
# index.
sub look_at_row
{
	my ($what, $command, $expected) = @_;
	my $closed = lock_session("hashtext('held')");
	my $stopped = start_command($command, 'SET synchronize_seqscans = off');

	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'"),
		"$what: reached");
	is( $node->safe_psql('postgres',
			q(SELECT command, phase, done BETWEEN total / 3 AND total * 2 / 3 FROM vecam_progress)),
		$expected, "$what: the view");
	unlock_session($closed);
	unlike(end_command($stopped), qr/ERROR|FATAL|server closed/, "$what: it goes on");
	nothing_is_reported($what);
	return;
}

$node->safe_psql('postgres', q(DROP INDEX t_v; TRUNCATE t; SELECT fill(2000);
INSERT INTO t (v) VALUES ('[0,0,0,0,0,0,0,1]'); SELECT fill(2000)));
look_at_row('CREATE INDEX', 'CREATE INDEX t_h ON t USING vecam ((held(v)::vector(8))) WITH (kind = hnsw)', 'CREATE INDEX|sampling rows for the mean|t');
look_at_row('REINDEX', 'REINDEX INDEX t_h', 'CREATE INDEX|sampling rows for the mean|t');
look_at_row('ALTER TABLE', 'ALTER TABLE t ALTER id TYPE bigint', 'maintenance|sampling rows for the mean|t');
look_at_row('check', q(SELECT * FROM vecam_check('t_h', true)), 'maintenance|checking rows of the table|t');
$node->safe_psql('postgres', q(CREATE TABLE chunks AS SELECT * FROM vecam_checkpoint('t_h')));
look_at_row('restore', q(SELECT vecam_restore('t_h', 'chunks')), 'CREATE INDEX|loading rows|t');

# A session that seals while it inserts reports nothing: COPY has its own numbers.
$node->safe_psql('postgres', q(ALTER INDEX t_h SET (seal_threshold = 1)));
my $data = PostgreSQL::Test::Utils::tempdir . '/rows';
$node->safe_psql('postgres', "COPY (SELECT 10000 + id, v FROM t WHERE v <> '[0,0,0,0,0,0,0,1]' LIMIT 300) TO '$data'");
$node->safe_psql('postgres', "INSERT INTO t VALUES (9999, '[0,0,0,0,0,0,0,2]')");
my $copy = $node->background_psql('postgres');
my $before = $node->safe_psql('postgres', q(SELECT graph_rows FROM vecam_stats('t_h')));
$copy->query_safe("BEGIN; COPY t FROM '$data'");
cmp_ok($node->safe_psql('postgres', q(SELECT graph_rows FROM vecam_stats('t_h'))), '>', $before, 'COPY: rows are sealed');
nothing_is_reported('COPY');
$copy->query_safe('COMMIT');
$copy->quit;

log_is_clean($node, 'all', qr/canceling statement|terminating background worker/);
$node->stop;
done_testing();
