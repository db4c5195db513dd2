# An index is compacted while rows come and are searched: no client sees an
# error, recall stays, and the file shrinks.  The server is killed meanwhile, a
# standby replays it, it is cancelled, and two sessions try at once.

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

my $node = new_node('main', allows_streaming => 1);

$node->start;
add_graph_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, v vector(16));
CREATE FUNCTION fill(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO t (v) SELECT CASE WHEN i % 50 = 0 THEN '[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]'
		ELSE graph_vector(i + nextval('t_id_seq')::int * 7, 16) END
	FROM generate_series(1, n) i
$$;
SELECT fill(6000);
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw, seal_threshold = 200, compact_threshold = 0);
));

my $backup = 'before';
$node->backup($backup);
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, $backup, has_streaming => 1);
$standby->start;

sub size
{
	return $node->safe_psql('postgres', q(SELECT pg_relation_size('t_v')));
}

sub rows
{
	return $node->safe_psql('postgres', 'SELECT count(*) FROM t');
}

# Deletes half of the rows.
sub thin_out
{
	$node->safe_psql('postgres', 'DELETE FROM t WHERE hashint4(id) % 2 = 0');
	$node->safe_psql('postgres', 'VACUUM t');
	return;
}

# Compacts until the end of the file could be cut off, which takes a moment
# when nobody uses the index.
sub compact
{
	my $removed = 0;

	for (1 .. 5)
	{
		$removed += $node->safe_psql('postgres', q(SELECT bytes_reclaimed FROM vecam_compact('t_v')));
		last if $removed > 0;
	}
	return $removed;
}

# The ten nearest rows of a row are ten, and no row is returned twice.
my $select = q(
SET enable_seqscan = off;
\set i random(1, 100000)
SELECT 1 / (count(*) = 10 AND count(DISTINCT id) = 10)::int FROM
	(SELECT id FROM t ORDER BY v <-> graph_vector(:i, 16) LIMIT 10) s;
);
# All old rows are there, whatever is moved while they are read.
my $select_all = q(
SET enable_seqscan = off;
SET enable_sort = off;
SET vecam.scan_order = relaxed;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS n FROM t \gset
SELECT 1 / (count(*) = :n AND count(DISTINCT id) = :n)::int FROM (SELECT id FROM t ORDER BY v <-> graph_vector(-1, 16)) s;
COMMIT;
\sleep 300 ms
);
my $insert = q(
SELECT fill(3);
\sleep 10 ms
);
my $seal = q(
SELECT vecam_seal('t_v');
\sleep 100 ms
);

# Beside load.
my ($before, $rows_before) = (size(), rows());
thin_out();
my @loads = (
	start_load($node, $select, 2, 12),
	start_load($node, $select_all, 1, 12),
	start_load($node, $insert, 1, 12),
	start_load($standby, $select, 1, 12),
	start_load($standby, $select_all, 1, 12));
sleep 1;
cmp_ok($node->safe_psql('postgres', q(SELECT nodes_moved FROM vecam_compact('t_v'))), '>', 1000, 'nodes are moved beside load');
cmp_ok($node->safe_psql('postgres', q(SELECT nodes_removed + edges_repaired >= 0 FROM vecam_compact('t_v'))), 'eq', 't', 'and again');
for my $load (@loads)
{
	my $out = end_load($load);

	like($out, qr/number of transactions actually processed: [1-9]/, 'a client works beside compaction');
	unlike($out, qr/ERROR|aborted/, 'and sees no error');
}
compact();
cmp_ok(size() / rows(), '<', 1.15 * $before / $rows_before, 'the file is as small as its rows allow');
graph_is_whole($node, 't', '<->', 16, 'beside load');
is_sound($node, 'beside load');
$node->wait_for_catchup($standby);
graph_is_whole($standby, 't', '<->', 16, 'beside load, on the standby');
is_sound($standby, 'beside load, on the standby');

# Ten rounds of deletes and inserts.
$node->safe_psql('postgres', q(TRUNCATE t; SELECT fill(2000); SELECT vecam_seal('t_v')));
compact();
my $fresh = size();
for my $round (1 .. 10)
{
	$node->safe_psql('postgres', 'DELETE FROM t WHERE hashint4(id) % 2 = 0');
	$node->safe_psql('postgres', 'VACUUM t');
	compact();
	$node->safe_psql('postgres', q(SELECT fill(2000 - (SELECT count(*) FROM t)::int); SELECT vecam_seal('t_v')));
}
compact();
cmp_ok(size(), '<', 1.1 * $fresh, 'ten rounds later the file is not larger');
graph_is_whole($node, 't', '<->', 16, 'ten rounds');
is_sound($node, 'ten rounds');

# VACUUM and another compaction have this lock.
my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE');
my ($rc, $out, $err) = $node->psql('postgres', q(SELECT vecam_compact('t_v', NULL, true)), extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/55006: table "t" is in use/, 'a second compaction does not wait if it shall not');
($rc, $out, $err) = $node->psql('postgres', q(SET lock_timeout = 100; SELECT vecam_compact('t_v')));
like($err, qr/canceling statement due to lock timeout/, 'or waits, as long as it may');
$other->query_safe(q(SELECT vecam_compact('t_v'); ROLLBACK));
$other->quit;
($rc, $out, $err) = $standby->psql('postgres', q(SELECT vecam_compact('t_v')));
like($err, qr/recovery is in progress/, 'not on a standby');
is_sound($node, 'rolled back');

# Cancelled at any moment.
for my $round (1 .. 10)
{
	$node->safe_psql('postgres', 'DELETE FROM t WHERE hashint4(id) % 2 = 0');
	$node->safe_psql('postgres', 'VACUUM t');
	my $ms = 1 + int(rand(40));
	($rc, $out, $err) = $node->psql('postgres', qq(SET statement_timeout = $ms; SELECT vecam_compact('t_v')));
	unlike($err, qr/ERROR:(?!  canceling)/, "cancelled after $ms ms");
	is_sound($node, "cancelled after $ms ms");
	$node->safe_psql('postgres', q(SELECT fill(2000 - (SELECT count(*) FROM t)::int); SELECT vecam_seal('t_v')));
}
graph_is_whole($node, 't', '<->', 16, 'cancelled');

# Killed at any moment.
for my $round (1 .. 30)
{
	$node->safe_psql('postgres', 'DELETE FROM t WHERE hashint4(id) % 2 = 0');
	$node->safe_psql('postgres', 'VACUUM t');
	my $out = '';
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port, '-c', q(SELECT vecam_compact('t_v')), 'postgres' ],
		'>', \$out, '2>&1');
	my $load = start_load($node, $round % 2 ? $seal : $insert, 1, 30);
	usleep(20_000 + int(rand(150_000)));
	crash($node);
	eval { $run->finish };
	end_load($load);
	$node->start;
	is_sound($node, "killed, round $round");
	$node->safe_psql('postgres', $round % 3 ? q(SELECT vecam_compact('t_v')) : 'VACUUM t');
	$node->safe_psql('postgres', q(SELECT fill(2000 - (SELECT count(*) FROM t)::int); SELECT vecam_seal('t_v')));
}
graph_is_whole($node, 't', '<->', 16, 'killed');
$node->wait_for_catchup($standby);
graph_is_whole($standby, 't', '<->', 16, 'killed, on the standby');
is_sound($standby, 'killed, on the standby');

log_is_clean($standby, 'standby', qr/recovery is in progress|could not (connect|receive data)|terminating/);
$standby->stop;
$node->stop;
done_testing();
