# Statements that are cancelled at any moment leave index and memory in order.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $node = new_node('main');

$node->start;
add_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE t (id serial PRIMARY KEY, n int DEFAULT 0, v vector(7));
INSERT INTO t (v) SELECT CASE i % 20 WHEN 0 THEN NULL ELSE test_vector(i, 7) END FROM generate_series(1, 20000) i;
CREATE INDEX t_l2 ON t USING vecam (v) WITH (kind = flat);
CREATE TABLE long (id serial PRIMARY KEY, v vector(16000));
CREATE INDEX long_l2 ON long USING vecam (v) WITH (kind = flat);
CREATE TABLE source AS SELECT i, test_vector(i, 7) AS v, (SELECT test_vector(i, 16000) WHERE i <= 20) AS long
	FROM generate_series(1, 5000) i;
));

my @statements = (
	'CREATE INDEX t_new ON t USING vecam (v vector_cosine_ops) WITH (kind = flat)',
	'CREATE INDEX long_new ON long USING vecam (v vector_ip_ops) WITH (kind = flat)',
	'REINDEX INDEX t_l2',
	"SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,1,2,3,1]') s",
	"SELECT i, (SELECT id FROM t ORDER BY t.v <-> s.v LIMIT 1) FROM source s WHERE i < 100",
	"SELECT count(*) FROM (SELECT id FROM long ORDER BY v <-> (SELECT long FROM source WHERE i = 1)) s",
	'INSERT INTO t (v) SELECT v FROM source',
	'INSERT INTO t (v) SELECT NULL FROM source',
	'INSERT INTO long (v) SELECT long FROM source WHERE i <= 20',
	'UPDATE t SET n = n + 1 WHERE id % 7 = 0',
	'DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 1000)',
	'DELETE FROM long WHERE id <= (SELECT max(id) - 40 FROM long)',
	'VACUUM t',
	'VACUUM long',
	'VACUUM (FREEZE, INDEX_CLEANUP on) t');
my $rounds = 30;
my ($cancelled, $other) = (0, 0);

for my $round (1 .. $rounds)
{
	my $script = "\\set VERBOSITY sqlstate\nSET enable_seqscan = off; SET enable_sort = off;\n";

	for my $statement (@statements)
	{
		$script .= 'SET statement_timeout = ' . int(1 + rand(50)) . ";\n$statement;\n";
	}
	$script .= "SET statement_timeout = 0;\nDROP INDEX IF EXISTS t_new, long_new;\n";
	my $timed_out = 0;
	my ($ret, $out, $err) = $node->psql('postgres', $script,
		on_error_stop => 0, timeout => 120, timed_out => \$timed_out);

	BAIL_OUT('a statement cannot be cancelled') if $timed_out;
	is($ret, 0, "round $round");
	for my $line (split /\n/, $err)
	{
		$cancelled++ if $line =~ /57014/;
		$other++, diag $line if $line =~ /ERROR|FATAL|WARNING/ && $line !~ /57014/;
	}
	is_consistent($node, 't', 7, "round $round", '<->') if $round % 5 == 0;
	is_consistent($node, 'long', 16000, "round $round", '<->') if $round % 5 == 0;
}
is($other, 0, 'nothing but cancelled statements');
cmp_ok($cancelled, '>', $rounds, "statements were cancelled ($cancelled)");
$node->safe_psql('postgres', 'VACUUM t, long');
is( $node->safe_psql('postgres', q(SELECT (SELECT count(*) FROM t) = t.rows, (SELECT count(*) FROM long) = l.rows
		FROM vecam_stats('t_l2') t, vecam_stats('long_l2') l)),
	't|t', 'VACUUM removes what is left');

# 10,000 searches of one query take no more memory than 100.
my $session = $node->background_psql('postgres');
my $used = 'SELECT sum(used_bytes) FROM pg_backend_memory_contexts';

$session->query_safe(q(CREATE TABLE few AS SELECT id, v FROM t LIMIT 200));
$session->query_safe(q(CREATE INDEX few_v ON few USING vecam (v) WITH (kind = flat)));
$session->query_safe(q(SET enable_seqscan = off));
$session->query_safe(q(SET enable_sort = off));
$session->query_safe(q(SET enable_material = off));
for my $query ('few.v <-> s.v', 'few.v <-> nullif(s.v, s.v)')
{
	$session->query_safe(qq(BEGIN; DECLARE c CURSOR FOR SELECT s.i, n.id
		FROM source s, generate_series(1, 3) g, LATERAL (SELECT id FROM few ORDER BY $query LIMIT 2) n));
	$session->query_safe('MOVE 200 FROM c');
	$session->query_safe($used);
	my $early = $session->query_safe($used);
	$session->query_safe('MOVE 20000 FROM c');
	my $late = $session->query_safe($used);

	cmp_ok($late, '<', $early + 65536, "memory of 10,000 searches by $query ($early, $late)");
	$session->query_safe('COMMIT');
}

# So do 10 and 10,000 rows inserted by one statement, which a trigger tells.
$session->query_safe(
	q(CREATE TABLE seen (row int, used bigint);
	CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF new.id IN (10, 100, 10000) THEN
			INSERT INTO seen SELECT new.id, sum(used_bytes) FROM pg_backend_memory_contexts;
		END IF;
		RETURN new;
	END
	$$;
	CREATE TABLE target (id int, v vector(7));
	CREATE INDEX target_v ON target USING vecam (v) WITH (kind = flat);
	CREATE TRIGGER look BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION look();
	INSERT INTO target SELECT (g - 1) * 5000 + i, v FROM source, generate_series(1, 2) g));
cmp_ok($session->query_safe(q(SELECT l.used - e.used FROM seen l, seen e WHERE l.row = 10000 AND e.row = 100)),
	'<', 65536, 'memory of 10,000 rows inserted');
$session->quit;

is_sound($node, 'at the end');
log_is_clean($node, 'all', qr/canceling statement due to statement timeout|terminating background worker|could not map dynamic shared memory/);
$node->stop;
done_testing();
