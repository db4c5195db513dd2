# Base backups of a cluster with checksums, taken while rows come and go.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $node = new_node('main', allows_streaming => 1, extra => ['--data-checksums']);

$node->append_conf('postgresql.conf', "shared_buffers = 2MB\nbgwriter_delay = 10ms\nmax_connections = 50\nmax_wal_size = 1GB\n");
$node->start;
add_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE short (id serial PRIMARY KEY, v vector(5));
CREATE INDEX short_l2 ON short USING vecam (v) WITH (kind = flat);
CREATE INDEX short_cosine ON short USING vecam (v vector_cosine_ops) WITH (kind = flat);
INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 3000) i;
CREATE TABLE long (id serial PRIMARY KEY, v vector(9000));
INSERT INTO long (v) SELECT test_vector(i, 9000) FROM generate_series(1, 30) i;
CREATE INDEX long_ip ON long USING vecam (v vector_ip_ops) WITH (kind = flat);
CREATE UNLOGGED TABLE lost (id serial PRIMARY KEY, v vector(5));
CREATE INDEX lost_l2 ON lost USING vecam (v) WITH (kind = flat);
INSERT INTO lost (v) SELECT test_vector(i, 5) FROM generate_series(1, 300) i;
));
my $load = q(
\set i random(1, 100000)
INSERT INTO short (v) SELECT CASE k % 9 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0,0,0]' ELSE test_vector(:i + k, 5) END FROM generate_series(1, 100) k;
DELETE FROM short WHERE id < (SELECT max(id) - 3000 FROM short);
INSERT INTO long (v) VALUES (test_vector(:i, 9000));
DELETE FROM long WHERE id < (SELECT max(id) - 30 FROM long);
VACUUM short;
VACUUM long;
INSERT INTO lost (v) VALUES (test_vector(:i, 5));
);

for my $round (1 .. 3)
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM lost');
	my $running = start_load($node, $load, 1, 6);

	$node->poll_query_until('postgres', "SELECT count(*) > $before + 3 FROM lost");
	$node->backup("backup$round");
	command_ok([ 'pg_verifybackup', '-n', '-q', $node->backup_dir . "/backup$round" ], "backup $round is complete");

	my $copy = PostgreSQL::Test::Cluster->new("copy$round");
	$copy->init_from_backup($node, "backup$round", standby => 0);
	unlink $copy->data_dir . '/standby.signal';
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
	is_consistent($copy, 'short', 5, "backup $round", '<->', '<=>');
	is_consistent($copy, 'long', 9000, "backup $round", '<#>');
	is($copy->safe_psql('postgres', q(SELECT rows FROM vecam_stats('lost_l2'))), '0', "backup $round: unlogged index is empty");
	$copy->safe_psql('postgres', q(
		INSERT INTO lost (v) SELECT test_vector(i, 5) FROM generate_series(1, 300) i;
		INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 300) i));
	$copy->safe_psql('postgres', 'VACUUM');
	is_consistent($copy, 'short', 5, "backup $round, changed", '<->', '<=>');
	is_consistent($copy, 'lost', 5, "backup $round, changed", '<->');
	is_sound($copy, "backup $round, changed");
	$copy->stop;
	command_ok([ 'pg_checksums', '--check', '-D', $copy->data_dir ], "checksums of backup $round");

	my $out = end_load($running);
	unlike($out, qr/ERROR|aborted/, "no error in the load of round $round");
	$node->safe_psql('postgres', 'TRUNCATE lost');
	log_is_clean($copy, "backup $round", qr/terminating/);
}

$node->stop;
command_ok([ 'pg_checksums', '--check', '-D', $node->data_dir ], 'checksums');
$node->start;
is_consistent($node, 'short', 5, 'original', '<->', '<=>');
is_sound($node, 'original');

# A byte that changes on disk is seen before the index sees it.
my $file = index_file($node, 'short_l2');
$node->stop;
write_bytes($file, 100, "\x5A\xA5\x5A\xA5");
$node->start;
my ($ret, $out, $err) = $node->psql('postgres',
	q(SET enable_seqscan = off; SELECT id FROM short ORDER BY v <-> '[1,2,3,4,5]' LIMIT 1));
like($err, qr/invalid page in block 0/, 'checksum failure');
$node->safe_psql('postgres', 'REINDEX INDEX short_l2');
is_consistent($node, 'short', 5, 'rebuilt', '<->', '<=>');
$node->stop;
done_testing();
