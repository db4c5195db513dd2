# A standby replays inserts, sealing and VACUUM of a graph byte by byte, answers
# queries meanwhile without an error, and goes on as a primary.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $primary = new_node('primary', allows_streaming => 1);

# Full images are not compared, hence no checkpoint.
$primary->append_conf(
	'postgresql.conf', q(
wal_consistency_checking = 'generic'
checkpoint_timeout = 1h
max_wal_size = 4GB
max_standby_streaming_delay = -1
));
$primary->start;
add_graph_helpers($primary);
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

$primary->safe_psql(
	'postgres', q(
CREATE TABLE short (id serial PRIMARY KEY, n int DEFAULT 0, v vector(8)) WITH (vacuum_truncate = off);
CREATE INDEX ON short USING vecam (v) WITH (kind = hnsw, seal_threshold = 50);
CREATE INDEX ON short USING vecam (v vector_ip_ops) WITH (kind = hnsw, seal_threshold = 50);
CREATE TABLE long (id serial PRIMARY KEY, v vector(9000)) WITH (vacuum_truncate = off);
CREATE INDEX ON long USING vecam (v) WITH (kind = hnsw);
INSERT INTO short (v) SELECT graph_vector(i, 8) FROM generate_series(1, 2000) i;
INSERT INTO long (v) SELECT graph_vector(i, 9000) FROM generate_series(1, 20) i;
SELECT vecam_seal('long_v_idx');
));

sub compare
{
	my ($what) = @_;

	$primary->wait_for_catchup($standby);
	for my $node ($primary, $standby)
	{
		graph_is_whole($node, 'short', '<->', 8, $what . ' on ' . $node->name);
		graph_is_whole($node, 'short', '<#>', 8, $what . ' on ' . $node->name);
		graph_is_whole($node, 'long', '<->', 9000, $what . ' on ' . $node->name);
		is_sound($node, $what . ' on ' . $node->name);
	}
	for my $query (
		q(SELECT s.* FROM pg_class c, vecam_stats(c.oid) s WHERE c.relname IN ('short_v_idx', 'short_v_idx1', 'long_v_idx') ORDER BY c.relname),
		q(SET enable_seqscan = off; SELECT id, v <-> graph_vector(99, 8) FROM short ORDER BY v <-> graph_vector(99, 8) LIMIT 100))
	{
		is($standby->safe_psql('postgres', $query), $primary->safe_psql('postgres', $query),
			"$what: both give the same answer");
	}
	return;
}
compare('filled');

# Queries on both while the graph changes; a scan of many rows holds on to
# references for long.
my $seconds = $ENV{VECAM_CHURN_SECONDS} || 8;
my $load = q(
\set i random(1, 1000000)
\set n random(1, 60)
INSERT INTO short (v) SELECT CASE (:i + k) % 17 WHEN 0 THEN NULL WHEN 1 THEN '[1,2,3,4,5,6,7,8]' ELSE graph_vector(:i + k, 8) END FROM generate_series(1, :n) k;
DELETE FROM short WHERE id IN (SELECT id FROM short ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED);
);
my $maintain = q(
VACUUM short;
SELECT vecam_seal('short_v_idx'), vecam_seal('short_v_idx1');
);
my $search = q(
SET enable_seqscan = off;
\set i random(1, 1000000)
SELECT count(*) FROM (SELECT id FROM short ORDER BY v <-> graph_vector(:i, 8) LIMIT 10) s;
SELECT count(*) FROM (SELECT id FROM short ORDER BY v <#> graph_vector(:i, 8) LIMIT 500) s;
SET vecam.scan_order = relaxed;
SELECT count(*) FROM (SELECT id FROM short ORDER BY v <-> graph_vector(:i, 8)) s;
RESET vecam.scan_order;
);
my @loads = (
	start_load($primary, $load, 2, $seconds),
	start_load($primary, $maintain, 1, $seconds));
my %searches = (
	primary => start_load($primary, $search, 1, $seconds),
	standby => start_load($standby, $search, 1, $seconds));

unlike(end_load($_), qr/ERROR|abort/i, 'load without an error') for @loads;
for my $name (sort keys %searches)
{
	my $out = end_load($searches{$name});

	unlike($out, qr/ERROR|abort/i, "searches on the $name without an error");
	like($out, qr/transactions actually processed: [1-9]/, "there were searches on the $name");
}
compare('churned');

$primary->safe_psql('postgres', 'DELETE FROM long WHERE id % 2 = 0');
$primary->safe_psql('postgres', 'VACUUM long');
$primary->safe_psql('postgres', 'INSERT INTO long (v) SELECT graph_vector(i, 9000) FROM generate_series(100, 110) i');
$primary->safe_psql('postgres', q(SELECT vecam_seal('long_v_idx')));
compare('long rows');

log_is_clean($standby, 'standby', qr/canceling statement|terminating connection/);

$primary->stop;
$standby->promote;
$standby->safe_psql('postgres', 'INSERT INTO short (v) SELECT graph_vector(i, 8) FROM generate_series(1, 500) i');
$standby->safe_psql('postgres', q(SELECT vecam_seal('short_v_idx')));
$standby->safe_psql('postgres', 'DELETE FROM short WHERE id % 3 = 0');
$standby->safe_psql('postgres', 'VACUUM short');
graph_is_whole($standby, 'short', '<->', 8, 'promoted');
is_sound($standby, 'promoted');
$standby->stop;
done_testing();
