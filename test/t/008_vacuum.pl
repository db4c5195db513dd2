# VACUUM beside inserts, in several passes, with workers, and over a long time.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $node = new_node('main');

$node->append_conf('postgresql.conf', "shared_buffers = 64MB\nmin_parallel_index_scan_size = 0\nmax_parallel_maintenance_workers = 2\n");
$node->start;
add_helpers($node);

# Rows that need pages of their own, while VACUUM looks for free pages: with two
# extents, with one, and two rows to a slot page.  The vectors exist in the index only.
# Several times over, because what two processes do to one new page depends on
# microseconds.
$node->safe_psql(
	'postgres', q(
CREATE FUNCTION constant(i int, n int) RETURNS vector LANGUAGE sql IMMUTABLE
	RETURN array_fill(i::real, ARRAY[n])::vector;
));
for my $dims (16000, 4100, (4000) x 4)
{
	$node->safe_psql(
		'postgres', qq(
		DROP TABLE IF EXISTS long;
		CREATE UNLOGGED TABLE long (id serial);
		CREATE INDEX long_v ON long USING vecam ((constant(id, $dims)::vector($dims))) WITH (kind = flat);
	));
	my @loads = (
		start_load($node, q(INSERT INTO long DEFAULT VALUES;), 6, 4),
		start_load($node, q(VACUUM long;), 3, 4));
	my $runs = 0;

	for (1 .. 20)
	{
		sleep 1;
		$_->{run}->pumpable && $_->{run}->pump_nb for @loads;
		$runs = grep { $_->{run}->pumpable } @loads;
		last if $runs == 0;
	}
	is($runs, 0, "inserts of $dims dimensions and VACUUM come to an end");
	if ($runs)
	{
		$node->stop('immediate');
		end_load($_) for @loads;
		$node->start;
		next;
	}
	for my $load (@loads)
	{
		my $out = end_load($load);

		unlike($out, qr/ERROR|aborted/, 'without an error');
		like($out, qr/actually processed: [1-9]\d/, 'and do something');
	}
	$node->safe_psql('postgres', 'VACUUM long');
	is( $node->safe_psql(
			'postgres', q(
		SELECT (SELECT count(*) FROM long) = rows, extent_pages - CASE dimensions WHEN 16000 THEN rows * 2 WHEN 4100 THEN rows ELSE 0 END
		FROM vecam_stats('long_v'))),
		't|0', 'all rows are there, and no page of others');
	$node->safe_psql('postgres', 'DELETE FROM long WHERE id > 300');
	is( check_order($node, "(SELECT id, constant(id, $dims)::vector($dims) AS v FROM long) s", '<->', "constant(77, $dims)"),
		'ok', 'the index agrees with the table');
}

# Many inserters do not leave pages nearly empty.
$node->safe_psql('postgres', 'DROP TABLE long; CREATE TABLE t (id serial, v vector(5)); CREATE INDEX t_v ON t USING vecam (v) WITH (kind = flat)');
my @loads = map { start_load($node, q(INSERT INTO t (v) SELECT test_vector(i, 5) FROM generate_series(1, 100) i;), 8, 3) } 1 .. 2;
end_load($_) for @loads;
my ($rows, $pages) = split /\|/, $node->safe_psql('postgres', q(SELECT rows, growing_pages FROM vecam_stats('t_v')));
cmp_ok($pages, '<', $rows * 36 / 8152 * 1.2 + 40, "pages are full ($rows rows, $pages pages)");
is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), $rows, 'every row is there once');

# More dead rows than one pass remembers; three indexes, by workers, too
$node->safe_psql(
	'postgres', q(
DROP TABLE t;
CREATE TABLE t (id int, v vector(3));
INSERT INTO t SELECT i, CASE i % 50 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0]' ELSE ARRAY[i % 1000, i % 7, 1]::vector END
	FROM generate_series(1, 400000) i;
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = flat);
CREATE INDEX t_ip ON t USING vecam (v vector_ip_ops) WITH (kind = flat);
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = flat);
DELETE FROM t WHERE id % 100 > 0 AND id > 1000;
));
my $count = $node->safe_psql('postgres', 'SELECT count(*) FROM t');
my ($ret, $out, $err) = $node->psql('postgres', q(SET maintenance_work_mem = '1MB'; VACUUM (VERBOSE, PARALLEL 2) t));
my @passes = $err =~ /scanned index "t_l2"/g;
like($err, qr/index scans: [1-9]/, 'VACUUM goes through the indexes');
like($err, qr/launched 2 parallel vacuum workers for index vacuuming/, 'with two workers');
is( $node->safe_psql('postgres', q(SELECT string_agg(reltuples::text, ' ') FROM pg_class WHERE relname IN ('t', 't_l2', 't_ip', 't_cosine'))),
	"$count $count $count $count", 'it counts rows once');
is($node->safe_psql('postgres', q(SELECT min(rows) || ' ' || max(rows) FROM pg_class c, vecam_stats(c.oid) WHERE relname IN ('t_l2', 't_ip', 't_cosine'))),
	"$count $count", 'and removes all dead ones');
is_consistent($node, 't', 3, 'after several passes', '<->', '<#>', '<=>');
is_sound($node, 'after several passes');

# The oldest rows go and new ones come, for a long time: neither slot pages nor
# the pages that list them add up.
$node->safe_psql(
	'postgres', q(
CREATE TABLE queue (id serial);
CREATE INDEX queue_v ON queue USING vecam ((constant(id, 4000)::vector(4000))) WITH (kind = flat);
));
my $script = q(INSERT INTO queue SELECT FROM generate_series(1, 4200);
DELETE FROM queue WHERE id <= (SELECT max(id) - 4200 FROM queue);
);
my @sizes;
for my $round (1 .. 6)
{
	$node->safe_psql('postgres', $script);
	$node->safe_psql('postgres', 'VACUUM queue');
	push @sizes, $node->safe_psql('postgres', q(SELECT pages, directory_pages FROM vecam_stats('queue_v')));
}
my ($total, $directories) = split /\|/, $sizes[-1];
cmp_ok($total, '<', 4300, 'a queue uses its pages again: ' . join(' ', @sizes));
cmp_ok($directories, '<=', 4, 'and its directory pages');
is(check_order($node, '(SELECT id, constant(id, 4000)::vector(4000) AS v FROM queue) s', '<->', 'constant(77, 4000)'),
	'ok', 'index of queue agrees with it');

# VACUUM of a table that has not changed does not change the index.
$node->safe_psql('postgres', 'VACUUM t');
my $lsn = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
cmp_ok($node->safe_psql('postgres', "SELECT pg_current_wal_insert_lsn() - '$lsn'"), '<', 10000,
	'nothing to log when nothing is to do');

is_sound($node, 'at the end');
log_is_clean($node, 'all');
$node->stop('immediate');
done_testing();
