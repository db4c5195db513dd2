# Checkpoints of indexes through pg_dump into another cluster, and a server that
# is killed while it restores.
#
# VECAM_ROUNDS says how often it is killed; without it a few times.

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

my $rounds = $ENV{VECAM_ROUNDS} || 4;
my $dir = PostgreSQL::Test::Utils::tempdir;
my %indexes = (t_l2 => '<->', t_ip => '<#>', t_cosine => '<=>', t_auto => '<->');

# What 20 queries get from an index, with a look-ahead that finds not all.
sub answers
{
	my ($node, $op) = @_;

	return $node->safe_psql(
		'postgres', qq(
SET enable_seqscan = off; SET vecam.ef_search = 4;
SELECT string_agg(ids::text, ';') FROM generate_series(1, 20) q,
	LATERAL (SELECT array_agg(id) AS ids FROM (SELECT id FROM t ORDER BY v $op graph_vector(-q, 12) LIMIT 10) s) a));
}

# Writes the checkpoint of an index to a file, as COPY's binary format.
sub take_checkpoint
{
	my ($node, $index, $file) = @_;

	$node->safe_psql('postgres',
		"\\copy (SELECT * FROM vecam_checkpoint('$index')) TO '$file' (FORMAT binary)");
	return;
}

# Restores an index from such a file; returns adopted|inserted|dropped.
sub restore_checkpoint
{
	my ($node, $index, $file, $memory) = @_;

	$memory ||= '64MB';
	return $node->safe_psql(
		'postgres', qq(
SET maintenance_work_mem = '$memory';
SET work_mem = '$memory';
CREATE TEMP TABLE chunks (chunk int, data bytea);
\\copy chunks FROM '$file' (FORMAT binary)
SELECT * FROM vecam_restore('$index', 'chunks');
));
}

# Dumps the database and restores it in a new cluster, without the graphs.
sub move
{
	my ($from, $name) = @_;
	my $to = new_node($name);

	$to->start;
	command_ok([ 'pg_dump', '-Fc', '-f', "$dir/$name.dump", $from->connstr('postgres') ], "$name: dumped");
	local $ENV{PGOPTIONS} = '-c vecam.build_flat=on';
	command_ok([ 'pg_restore', '-d', $to->connstr('postgres'), "$dir/$name.dump" ], "$name: loaded");
	return $to;
}

my $node = new_node('main');
$node->start;
add_helpers($node);
add_graph_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id int, v vector(12));
INSERT INTO t SELECT i, CASE i % 23 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0,0,0,0,0,0,0,0,0,0]'
	WHEN 2 THEN '[1,2,3,4,5,6,7,8,9,10,11,12]' ELSE graph_vector(i, 12) END FROM generate_series(1, 2500) i;
DELETE FROM t WHERE id % 11 = 0;
VACUUM t;
INSERT INTO t SELECT i, graph_vector(i, 12) FROM generate_series(3001, 3100) i;
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = hnsw);
CREATE INDEX t_ip ON t USING vecam (v vector_ip_ops) WITH (kind = hnsw, rerank = heap);
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = hnsw, m = 6);
CREATE INDEX t_auto ON t USING vecam (v) WITH (flat_threshold = 500);
));

# The same rows in another cluster, at other places.
take_checkpoint($node, $_, "$dir/$_") for keys %indexes;
my $copy = move($node, 'copy');
is($copy->safe_psql('postgres', 'SELECT count(*) FROM t a, t b WHERE a.id = b.id AND a.ctid = b.ctid AND a.id > 3000'),
	'100', 'rows have moved');
for my $index (sort keys %indexes)
{
	my $op = $indexes{$index};
	my $nodes = $node->safe_psql('postgres', "SELECT live_nodes FROM vecam_stats('$index')");

	is($copy->safe_psql('postgres', "SELECT has_graph FROM vecam_stats('$index')"), 'f', "$index has no graph yet");
	is(restore_checkpoint($copy, $index, "$dir/$index"), "$nodes|0|0", "$index: all nodes are adopted");
	take_checkpoint($copy, $index, "$dir/$index.again");
	is(slurp_file("$dir/$index.again"), slurp_file("$dir/$index"), "$index: equal bytes");

	# with too little memory for the pages and for the chunks
	is(restore_checkpoint($copy, $index, "$dir/$index", '1MB'), "$nodes|0|0", "$index: all nodes are adopted, with little memory");
	take_checkpoint($copy, $index, "$dir/$index.little");
	is(slurp_file("$dir/$index.little"), slurp_file("$dir/$index"), "$index: equal bytes, with little memory");
}
is_sound($copy, 'copy');
for my $index ('t_l2', 't_ip', 't_cosine')
{
	is(answers($copy, $indexes{$index}), answers($node, $indexes{$index}), "$index: equal answers");
}

# A tenth of the rows has gone and a tenth has come in between.
$node->safe_psql(
	'postgres', q(
DELETE FROM t WHERE id % 10 = 3;
INSERT INTO t SELECT i, graph_vector(i, 12) FROM generate_series(5001, 5250) i;
));
my $later = move($node, 'later');
for my $index (sort keys %indexes)
{
	my $got = restore_checkpoint($later, $index, "$dir/$index");

	like($got, qr/^\d+\|250\|[1-9]\d*$/, "$index: rows came and went ($got)");
	graph_is_whole($later, 't', $indexes{$index}, 12, $index);
}
is_sound($later, 'later');
$later->safe_psql('postgres', 'VACUUM t');
is_sound($later, 'later, after VACUUM', reach => 1);
is($later->safe_psql('postgres', "SELECT count(*) FROM t WHERE id % 10 = 3 AND id < 5000"), '0', 'no row has come back');
$later->stop;

# The scripts for a whole database.
{
	my $scripts = "$FindBin::RealBin/../../scripts";
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;

	command_ok([ "$scripts/dump.sh", 'postgres', "$dir/whole" ], 'dump.sh');
	$copy->safe_psql('postgres', 'CREATE DATABASE whole');
	$ENV{PGHOST} = $copy->host;
	$ENV{PGPORT} = $copy->port;
	command_like([ "$scripts/restore.sh", "$dir/whole", 'whole' ],
		qr/4 of 4, public\.t_l2: \d+ nodes, 250 rows inserted, \d+ nodes dropped/, 'restore.sh');
	is($copy->safe_psql('whole', q(SELECT string_agg(c.relname || ' ' || s.has_graph, ', ' ORDER BY c.relname)
		FROM pg_class c, vecam_stats(c.oid) s WHERE c.relname ~ '^t_')),
		't_auto true, t_cosine true, t_ip true, t_l2 true', 'all have their graphs');
	is($copy->safe_psql('whole', "SELECT check_indexes('t')"), '', 'and are sound');

	# names that have to be quoted, an extension that is not in the search path,
	# partitions, several jobs
	$ENV{PGHOST} = $node->host;
	$ENV{PGPORT} = $node->port;
	$node->safe_psql('postgres', q(CREATE DATABASE "odd d'b"));
	$node->safe_psql(
		"odd d'b", q(
CREATE SCHEMA "the ext's";
CREATE EXTENSION vecam SCHEMA "the ext's";
CREATE SCHEMA "a 'schema";
CREATE TABLE "a 'schema"."t""x" (id int, v "the ext's".vector(3)) PARTITION BY RANGE (id);
CREATE TABLE "a 'schema"."p 1" PARTITION OF "a 'schema"."t""x" FOR VALUES FROM (0) TO (200);
CREATE TABLE "a 'schema"."p 2" PARTITION OF "a 'schema"."t""x" DEFAULT;
INSERT INTO "a 'schema"."t""x" SELECT i, ARRAY[i, i % 7, i % 13]::real[]::"the ext's".vector FROM generate_series(1, 500) i;
CREATE INDEX ON "a 'schema"."t""x" USING vecam (v "the ext's".vector_l2_ops) WITH (kind = hnsw);
CREATE INDEX "i'x \""%I $$ \" ON "a 'schema"."p 2" USING vecam (v "the ext's".vector_cosine_ops) WITH (kind = hnsw);
));
	command_ok([ "$scripts/dump.sh", "odd d'b", "$dir/odd names", '-Fd', '-j', '2' ], 'dump.sh: odd names');
	$copy->safe_psql('postgres', q(CREATE DATABASE "odd d'b"));
	$ENV{PGHOST} = $copy->host;
	$ENV{PGPORT} = $copy->port;
	command_ok([ "$scripts/restore.sh", "$dir/odd names", "odd d'b", '-j', '2' ], 'restore.sh: odd names');
	is( $copy->safe_psql("odd d'b", q(SELECT string_agg(s.rows || ' ' || s.has_graph, ', ' ORDER BY c.relname)
			FROM pg_class c JOIN pg_am a ON a.oid = c.relam, "the ext's".vecam_stats(c.oid) s
			WHERE a.amname = 'vecam' AND c.relkind = 'i')),
		'301 true, 199 true, 301 true', 'odd names: all have their graphs');
	command_fails([ "$scripts/dump.sh", "odd d'b", "$dir/odd names" ], 'dump.sh: the directory is there');
	$copy->safe_psql("odd d'b", q(DROP INDEX "a 'schema"."i'x \""%I $$ \"));
	command_fails_like([ "$scripts/restore.sh", "$dir/odd names", "odd d'b", '--schema-only', '-n', 'none' ],
		qr/1 of 3 graphs were not restored/, 'restore.sh: an index is missing');
}

# Checkpoints beside inserts, deletes and sealing.
my $load = start_load(
	$node, q(
\set i random(1, 1000000)
INSERT INTO t SELECT 10000 + :i + k, graph_vector(:i + k, 12) FROM generate_series(1, 20) k;
DELETE FROM t WHERE id IN (SELECT id FROM t WHERE id > 5000 ORDER BY id LIMIT 10);
SELECT vecam_seal('t_l2'), vecam_seal('t_ip');
), 2, 5);
for my $round (1 .. 4)
{
	usleep(200_000);
	take_checkpoint($node, $_, "$dir/$_.$round") for 't_l2', 't_ip';
	$node->safe_psql('postgres', 'VACUUM t') if $round == 2;
}
end_load($load);
for my $round (1 .. 4)
{
	restore_checkpoint($node, $_, "$dir/$_.$round") for 't_l2', 't_ip';
	is_sound($node, "checkpoint $round beside writes");
}

# An unlogged index that has been restored is reset with its table.
$copy->safe_psql(
	'postgres', q(
CREATE UNLOGGED TABLE u AS SELECT * FROM t;
CREATE INDEX u_v ON u USING vecam (v) WITH (kind = hnsw);
));
restore_checkpoint($copy, 'u_v', "$dir/t_l2");
is_sound($copy, 'unlogged');

# Killed while it restores: the old index or the new one.
for my $round (1 .. $rounds)
{
	my $psql = IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $copy->connstr('postgres') ],
		'<', \qq(
CREATE TABLE IF NOT EXISTS chunks (chunk int, data bytea);
TRUNCATE chunks;
\\copy chunks FROM '$dir/t_l2' (FORMAT binary)
SELECT vecam_restore('t_l2', 'chunks') FROM generate_series(1, 1000);
), '>', \my $out, '2>', \my $err);

	usleep(300_000 + int(rand(700_000)));
	crash($copy);
	eval { $psql->finish };
	$copy->start;
	is($copy->safe_psql('postgres', "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_l2'::regclass"), 't',
		"kill $round: the index is there");
	take_checkpoint($copy, 't_l2', "$dir/killed");
	is(slurp_file("$dir/killed"), slurp_file("$dir/t_l2"), "kill $round: and whole");
	is_sound($copy, "kill $round");
	is($copy->safe_psql('postgres', "SELECT rows, has_graph FROM vecam_stats('u_v')"), '0|f', "kill $round: the unlogged index is empty");
}

log_is_clean($copy, 'copy', qr/terminating connection|relation "a 'schema\..* does not exist/);
$node->stop;
$copy->stop;
done_testing();
