# The server is killed while rows come, change and go, are sealed and vacuumed:
# after recovery every committed row is found once, with recall as before and
# without a REINDEX.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use VecamTest;

my $rounds = 20;
my $node = new_node('main');

$node->append_conf(
	'postgresql.conf', q(
checkpoint_timeout = 30s
bgwriter_delay = 10ms
vecam.seal_workers = 2
deadlock_timeout = 100ms
));
$node->start;
add_graph_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE short (id serial PRIMARY KEY, n int DEFAULT 0, v vector(8));
CREATE INDEX ON short USING vecam (v) WITH (kind = hnsw, seal_threshold = 20);
CREATE TABLE long (id serial PRIMARY KEY, n int DEFAULT 0, v vector(4500));
CREATE INDEX ON long USING vecam (v) WITH (kind = hnsw, seal_threshold = 5);
INSERT INTO short (v) SELECT graph_vector(i, 8) FROM generate_series(1, 2000) i;
INSERT INTO long (v) SELECT graph_vector(i, 4500) FROM generate_series(1, 30) i;
));

my $short_load = q(
\set i random(1, 1000000)
\set n random(1, 60)
INSERT INTO short (v) SELECT CASE (:i + k) % 17 WHEN 0 THEN NULL WHEN 1 THEN '[1,2,3,4,5,6,7,8]' ELSE graph_vector(:i + k, 8) END FROM generate_series(1, :n) k;
UPDATE short SET n = n + 1 WHERE id % 300 = :i % 300;
DELETE FROM short WHERE id IN (SELECT id FROM short WHERE id >= (SELECT min(id) + :i % 1000 FROM short) ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED);
BEGIN;
INSERT INTO short (v) SELECT graph_vector(:i, 8) FROM generate_series(1, :n);
ROLLBACK;
);
my $long_load = q(
\set i random(1, 1000000)
INSERT INTO long (v) VALUES (graph_vector(:i, 4500));
DELETE FROM long WHERE id < (SELECT max(id) - 30 FROM long);
);
my $vacuum_load = q(
VACUUM short;
VACUUM long;
\sleep 20 ms
);
my $seal_load = q(
SELECT vecam_seal('short_v_idx'), vecam_seal('long_v_idx');
);

for my $round (1 .. $rounds)
{
	my $images = $round % 2 ? 'on' : 'off';

	$node->append_conf('postgresql.conf', "full_page_writes = $images");
	$node->reload;
	my @loads = (
		start_load($node, $short_load, 2, 60),
		start_load($node, $long_load, 1, 60),
		start_load($node, $vacuum_load, 1, 60),
		start_load($node, $seal_load, 1, 60));

	usleep(300_000 + int(rand(1_000_000)));
	$node->safe_psql('postgres', 'CHECKPOINT') if $round % 3 == 0;
	usleep(int(rand(200_000)));
	crash($node);
	end_load($_) for @loads;
	$node->start;

	graph_is_whole($node, 'short', '<->', 8, "round $round, full_page_writes $images");
	graph_is_whole($node, 'long', '<->', 4500, "round $round, full_page_writes $images");
	is_sound($node, "round $round");
}

$node->safe_psql('postgres', q(SELECT vecam_seal('short_v_idx'), vecam_seal('long_v_idx')));
$node->safe_psql('postgres', 'VACUUM short, long');
is( $node->safe_psql(
		'postgres', q(
	SELECT s.rows = (SELECT count(*) FROM short), l.rows = (SELECT count(*) FROM long),
		s.growing_rows + l.growing_rows,
		s.deleted_nodes * 7 <= s.live_nodes AND l.deleted_nodes * 7 <= l.live_nodes
	FROM vecam_stats('short_v_idx') s, vecam_stats('long_v_idx') l)),
	't|t|0|t', 'no dead row, no unsealed row and few dead nodes are left');
graph_is_whole($node, 'short', '<->', 8, 'sealed');
graph_is_whole($node, 'long', '<->', 4500, 'sealed');
is_sound($node, 'vacuumed', reach => 1);

log_is_clean($node, 'all', qr/deadlock detected|canceling statement|terminating connection/);
$node->stop;
done_testing();
