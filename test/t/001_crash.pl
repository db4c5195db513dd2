# The server is killed while rows come, change and go and VACUUM runs: after
# recovery every committed row is in the indexes exactly once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use VecamTest;

my $rounds = 10;
my $node = new_node('main');

$node->append_conf(
	'postgresql.conf', q(
shared_buffers = 2MB
checkpoint_timeout = 30s
bgwriter_delay = 10ms
deadlock_timeout = 100ms
));
$node->start;
add_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE short (id serial PRIMARY KEY, n int DEFAULT 0, v vector(5));
CREATE INDEX short_l2 ON short USING vecam (v) WITH (kind = flat);
CREATE INDEX short_cosine ON short USING vecam (v vector_cosine_ops) WITH (kind = flat);
CREATE TABLE long (id serial PRIMARY KEY, n int DEFAULT 0, v vector(9000));
CREATE INDEX long_l2 ON long USING vecam (v) WITH (kind = flat);
INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 3000) i;
INSERT INTO long (v) SELECT test_vector(i, 9000) FROM generate_series(1, 20) i;
));

my $short_load = q(
\set i random(1, 1000000)
\set n random(1, 40)
INSERT INTO short (v) SELECT CASE (:i + k) % 17 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0,0,0]' ELSE test_vector(:i + k, 5) END FROM generate_series(1, :n) k;
UPDATE short SET v = test_vector(:i, 5) WHERE id IN (SELECT id FROM short ORDER BY v <-> test_vector(:i, 5) LIMIT 2);
UPDATE short SET n = n + 1 WHERE id % 500 = :i % 500;
DELETE FROM short WHERE id IN (SELECT id FROM short WHERE id >= (SELECT min(id) + :i % 1000 FROM short) ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED);
BEGIN;
INSERT INTO short (v) SELECT test_vector(:i, 5) FROM generate_series(1, :n);
ROLLBACK;
);
my $long_load = q(
\set i random(1, 1000000)
INSERT INTO long (v) VALUES (test_vector(:i, 9000));
UPDATE long SET n = n + 1 WHERE id % 20 = :i % 20;
DELETE FROM long WHERE id < (SELECT max(id) - 20 FROM long);
);
my $vacuum_load = q(
VACUUM short;
VACUUM long;
\sleep 20 ms
);

my ($largest_short, $largest_long) = (0, 0);

for my $round (1 .. $rounds)
{
	my $images = $round % 2 ? 'on' : 'off';

	# Without full-page images replay applies every delta.
	$node->append_conf('postgresql.conf', "full_page_writes = $images");
	$node->reload;
	my @loads = (
		start_load($node, $short_load, 3, 60),
		start_load($node, $long_load, 1, 60),
		start_load($node, $vacuum_load, 1, 60));

	usleep(300_000 + int(rand(1_200_000)));
	$node->safe_psql('postgres', 'CHECKPOINT') if $round % 3 == 0;
	usleep(int(rand(200_000)));
	crash($node);
	end_load($_) for @loads;
	$node->start;

	my $what = "round $round, full_page_writes $images";
	is_consistent($node, 'short', 5, $what, '<->', '<=>');
	is_consistent($node, 'long', 9000, $what, '<->');
	is_sound($node, $what);
	$node->safe_psql('postgres', 'VACUUM short, long') if $round % 2;

	my ($short, $long) = split /\|/, $node->safe_psql('postgres',
		q(SELECT pg_relation_size('short_l2'), pg_relation_size('long_l2')));
	$largest_short = $short if $short > $largest_short;
	$largest_long = $long if $long > $largest_long;
	$node->safe_psql('postgres', q(SELECT * FROM vecam_stats('short_l2') s, vecam_stats('long_l2') l));
}

cmp_ok($node->safe_psql('postgres', q(SELECT last_value FROM short_id_seq)), '>', 6000,
	'there was something to recover');

# Rows stay about 3,000 and 20: 32 bytes and two pages each, and what VACUUM has
# not reached yet.
cmp_ok($largest_short, '<', 200 * 8192, "short_l2 does not grow without bound ($largest_short)");
cmp_ok($largest_long, '<', 1500 * 8192, "long_l2 does not grow without bound ($largest_long)");

# VACUUM leaves as many rows as the tables have.
$node->safe_psql('postgres', 'VACUUM short, long');
is( $node->safe_psql(
		'postgres', q(
	SELECT count(*) = (SELECT rows FROM vecam_stats('short_l2')), count(*) = (SELECT rows FROM vecam_stats('short_cosine')),
		(SELECT count(*) FROM long) = (SELECT rows FROM vecam_stats('long_l2')) FROM short)),
	't|t|t', 'no dead row is left');

# Pages that a crash leaves all-zero at the end become free pages.
my $file = index_file($node, 'long_l2');
my $pages = $node->safe_psql('postgres', q(SELECT pages, free_pages FROM vecam_stats('long_l2')));
$node->stop('immediate');
append_to_file($file, "\0" x (8192 * 12));
$node->start;
is_consistent($node, 'long', 9000, 'zero pages', '<->');
is_sound($node, 'zero pages');
my ($old, $old_free) = split /\|/, $pages;
is($node->safe_psql('postgres', q(SELECT pages, free_pages FROM vecam_stats('long_l2'))),
	($old + 12) . '|' . ($old_free + 12), 'zero pages are free');
$node->safe_psql('postgres', 'VACUUM long');
$node->safe_psql('postgres', 'INSERT INTO long (v) SELECT test_vector(i, 9000) FROM generate_series(1, 5) i');
is($node->safe_psql('postgres', q(SELECT pages, free_pages FROM vecam_stats('long_l2'))),
	($old + 12) . '|' . ($old_free + 2), 'and are used');
is_consistent($node, 'long', 9000, 'zero pages used', '<->');

# The free space map is not logged: what it says after a crash need not be true.
$node->safe_psql('postgres', 'DELETE FROM long WHERE id % 2 = 0');
$node->safe_psql('postgres', 'VACUUM long');
$node->safe_psql('postgres', 'CHECKPOINT');
$node->safe_psql('postgres', 'INSERT INTO long (v) SELECT test_vector(i, 9000) FROM generate_series(1, 8) i');
crash($node);
$node->start;
$node->safe_psql('postgres', 'INSERT INTO long (v) SELECT test_vector(i, 9000) FROM generate_series(1, 8) i');
is_consistent($node, 'long', 9000, 'old free space map', '<->');

# All rows gone, VACUUM, and as many again: no page is added.
$node->safe_psql('postgres', q(CREATE TABLE copy AS SELECT v FROM short));
$node->safe_psql('postgres', 'DELETE FROM short');
$node->safe_psql('postgres', 'VACUUM short');
my $before = $node->safe_psql('postgres', q(SELECT pages, rows FROM vecam_stats('short_l2')));
$node->safe_psql('postgres', 'INSERT INTO short (v) SELECT v FROM copy');
my $after = $node->safe_psql('postgres', q(SELECT pages, 0 FROM vecam_stats('short_l2')));
is($after, $before, 'free pages are used before new ones');
is_consistent($node, 'short', 5, 'filled again', '<->', '<=>');
is_sound($node, 'filled again');

log_is_clean($node, 'all', qr/deadlock detected|canceling statement|terminating connection/);
$node->stop;
done_testing();
