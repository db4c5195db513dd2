# vecam_check beside inserts, deletes, sealing and VACUUM, on the primary and on
# a standby: no false finding.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $seconds = $ENV{VECAM_TEST_SECONDS} || 8;
my $primary = new_node('primary', allows_streaming => 1);
$primary->start;
add_graph_helpers($primary);
$primary->safe_psql(
	'postgres', q(
CREATE TABLE short (id serial PRIMARY KEY, n int DEFAULT 0, v vector(8));
CREATE INDEX short_graph ON short USING vecam (v) WITH (kind = hnsw, seal_threshold = 20);
CREATE INDEX short_flat ON short USING vecam (v vector_cosine_ops) WITH (kind = flat);
CREATE TABLE long (id serial PRIMARY KEY, v vector(9000));
CREATE INDEX long_graph ON long USING vecam (v vector_ip_ops) WITH (kind = hnsw, seal_threshold = 5);
CREATE INDEX long_flat ON long USING vecam (v) WITH (kind = flat);
INSERT INTO short (v) SELECT graph_vector(i, 8) FROM generate_series(1, 1000) i;
INSERT INTO long (v) SELECT graph_vector(i, 9000) FROM generate_series(1, 20) i;
CREATE TABLE idle (id serial PRIMARY KEY, v vector(8));
CREATE INDEX idle_graph ON idle USING vecam (v) WITH (kind = hnsw);
CREATE UNLOGGED TABLE lost (v vector(8));
CREATE INDEX lost_graph ON lost USING vecam (v);
));
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my @loads = map { start_load($primary, $_->[0], $_->[1], $seconds) } (
	[ q(
\set i random(1, 1000000)
INSERT INTO short (v) SELECT CASE (:i + k) % 17 WHEN 0 THEN NULL WHEN 1 THEN '[1,2,3,4,5,6,7,8]' WHEN 2 THEN '[0,0,0,0,0,0,0,0]' ELSE graph_vector(:i + k, 8) END FROM generate_series(1, 20) k;
UPDATE short SET n = n + 1 WHERE id % 300 = :i % 300;
DELETE FROM short WHERE id IN (SELECT id FROM short ORDER BY id LIMIT 15 FOR UPDATE SKIP LOCKED);
BEGIN;
INSERT INTO short (v) SELECT graph_vector(:i, 8) FROM generate_series(1, 10);
ROLLBACK;
INSERT INTO long (v) VALUES (graph_vector(:i, 9000));
DELETE FROM long WHERE id < (SELECT max(id) - 30 FROM long);
), 3 ],
	[ q(
VACUUM short, long;
SELECT vecam_seal('short_graph'), vecam_seal('long_graph');
\sleep 20 ms
), 1 ]);

# What the checks of an index found while all this went on; during recovery a
# check may also say that it could not be done.
my %findings;
my %checks = ('primary' => 0, 'standby' => 0);
my $end = time + $seconds - 1;
while (time < $end)
{
	for my $server ($primary, $standby)
	{
		for my $index ('short_graph', 'short_flat', 'long_graph', 'long_flat')
		{
			my ($ret, $out, $err) = $server->psql('postgres',
				"SELECT * FROM vecam_check('$index', true) k WHERE k.invariant <> 'INV-26' LIMIT 5");

			if ($ret == 0)
			{
				$findings{$out} = 1 if $out ne '';
				$checks{ $server->name }++;
			}
			elsif ($server == $primary
				|| $err !~ /could not check index "\w+" while WAL is replayed|conflict with recovery|does not exist/)
			{
				$findings{$err} = 1;
			}
		}
	}
}
for my $load (@loads)
{
	my $out = end_load($load);

	unlike($out, qr/ERROR|aborted/, 'the load has no error');
	like($out, qr/actually processed: [1-9]/, 'and does something');
}
is(join("\n", sort keys %findings), '', 'no false finding');
cmp_ok($checks{primary}, '>', 0, "checks on the primary ($checks{primary}, and $checks{standby} on the standby)");

# Once all is replayed the standby can be checked, paused or not.
$primary->wait_for_catchup($standby);
is_sound($primary, 'at the end');
is($standby->safe_psql('postgres',
		q(SELECT count(*) FROM pg_class c, vecam_check(c.oid, true) k WHERE relname ~ '^(short|long|idle)_(graph|flat)$' AND k.invariant <> 'INV-26')),
	'0', 'the standby is sound');
my ($ret, $out, $err) = $standby->psql('postgres', q(SELECT vecam_check('lost_graph')));
like($err, qr/cannot access unlogged index "lost_graph" during recovery/, 'an unlogged index cannot be checked there');
for my $call ('vecam_stats', 'vecam_fragmentation')
{
	($ret, $out, $err) = $standby->psql('postgres', "SELECT $call('lost_graph')");
	like($err, qr/cannot access unlogged index "lost_graph" during recovery/, "nor looked at by $call");
}

# What is damaged on the standby is found there.
my $file = index_file($standby, 'idle_graph');
$primary->safe_psql('postgres', 'INSERT INTO idle (v) SELECT graph_vector(i, 8) FROM generate_series(1, 50) i');
$primary->safe_psql('postgres', q(SELECT vecam_seal('idle_graph')));
$primary->safe_psql('postgres', 'CHECKPOINT');
$primary->wait_for_catchup($standby);
$standby->safe_psql('postgres', 'CHECKPOINT');
$primary->stop;
$standby->stop;
write_bytes($file, 8190, "\1\1");
$standby->start;
like($standby->safe_psql('postgres', q(SELECT invariant, block, message FROM vecam_check('idle_graph'))),
	qr/^INV-2\|0\|page id 0101/, 'damage on the standby');
$standby->stop;
done_testing();
