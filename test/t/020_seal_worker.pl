# A background worker seals what is inserted: it is started by inserts, whoever
# owns the table, is in nobody's way, and ends.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use VecamTest;

my $workers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'vecam sealer');
# (With wal_level minimal a crash sets back sequences made with their first use.)
my $node = new_node('main', allows_streaming => 1);

$node->append_conf(
	'postgresql.conf', q(
vecam.seal_workers = 2
max_worker_processes = 6
deadlock_timeout = 100ms
));
$node->start;

# fill makes rows that nothing seals, as many as keep a worker busy for a while;
# wake lowers the threshold and inserts one row more.  is_exact compares the
# nearest rows by index with those by a sort.
my $helpers = q(
CREATE EXTENSION vecam;
CREATE FUNCTION random_vector(i int) RETURNS vector LANGUAGE sql AS
$$ SELECT array_agg(hashint4(i * 100 + k) / 2147483648.0)::vector FROM generate_series(1, 32) k $$;
CREATE FUNCTION fill(tab text, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I (id serial PRIMARY KEY, v vector(32))', tab);
	EXECUTE format('CREATE INDEX %I ON %I USING vecam (v) WITH (kind = hnsw, ef_construction = 200, seal_threshold = 1000000)',
		tab || '_v', tab);
	EXECUTE format('INSERT INTO %I (v) SELECT random_vector(i) FROM generate_series(1, %s) i', tab, n);
END
$$;
CREATE PROCEDURE wake(tab text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER INDEX %I SET (seal_threshold = 100)', tab || '_v');
	COMMIT;
	EXECUTE format('INSERT INTO %I (v) VALUES (random_vector(0))', tab);
END
$$;
CREATE FUNCTION is_exact(tab text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT count(DISTINCT id) || '' of '' || count(*) FROM (SELECT id FROM %I ORDER BY v <-> random_vector(-1)) s', tab);
	got text;
	want text;
BEGIN
	PERFORM set_config('vecam.scan_order', 'relaxed', true), set_config('enable_sort', 'off', true),
		set_config('enable_seqscan', 'off', true);
	EXECUTE query INTO got;
	EXECUTE format('SELECT count(*) || '' of '' || count(*) FROM %I', tab) INTO want;
	RETURN CASE WHEN got = want THEN 'ok' ELSE got || ', not ' || want END;
END
$$;
);
$node->safe_psql('postgres', $helpers);

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# Waits until a number of workers run, and says whether they did in time.
sub workers_are
{
	my ($n, $what) = @_;

	ok($node->poll_query_until('postgres', "$workers", $n), $what);
	return;
}

# One test: a command ends within a time, although a worker is at the index.
sub is_quick
{
	my ($database, $sql, $what) = @_;
	my $start = time;

	$node->safe_psql($database, $sql);
	my $took = time - $start;
	cmp_ok($took, '<', 3, sprintf('%s does not wait for the worker', $what));
	return;
}

#
# Started by inserts, for an owner who cannot log in
#
sql(q(
CREATE ROLE keeper NOLOGIN;
CREATE SCHEMA kept AUTHORIZATION keeper;
SET ROLE keeper;
CREATE TABLE kept.t (id serial PRIMARY KEY, v vector(32));
CREATE INDEX t_v ON kept.t USING vecam (v) WITH (kind = hnsw, seal_threshold = 100);
));
sql('INSERT INTO kept.t (v) SELECT random_vector(i) FROM generate_series(1, 300) i');
ok( $node->poll_query_until(
		'postgres', q(SELECT growing_rows < 100 FROM vecam_stats('kept.t_v'))),
	'inserted rows are sealed without VACUUM');
workers_are(0, 'the worker ends when there is nothing to do');
is(sql(q(SELECT rows FROM vecam_stats('kept.t_v'))), '300', 'no row is lost');

sql(q(SELECT fill('shown', 4000)));
sql(q(CALL wake('shown')));
ok( $node->poll_query_until(
		'postgres', q(SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'vecam sealer'
			AND application_name = 'vecam sealer' AND query = 'sealing index public.shown_v'
			AND datname = 'postgres' AND usesysid = 10)),
	'the worker shows what it does');
is(sql(q(CALL wake('shown'); INSERT INTO shown (v) SELECT random_vector(-i) FROM generate_series(1, 300) i)),
	'', 'inserts go on');
is(sql($workers), '1', 'with one worker');
is(sql(q(SELECT is_exact('shown'))), 'ok', 'searches beside the worker miss nothing');

#
# In nobody's way
#
is_quick('postgres', 'ALTER TABLE shown ADD n int', 'ALTER TABLE');
is_quick('postgres', 'BEGIN; LOCK TABLE shown; COMMIT', 'LOCK TABLE');
is_quick('postgres', 'REINDEX INDEX CONCURRENTLY kept.t_v', 'REINDEX CONCURRENTLY of another');
is(sql($workers), '1', 'the worker is still there');
is_quick('postgres', 'DROP INDEX shown_v', 'DROP INDEX');
workers_are(0, 'the worker ends when its index is gone');

for my $ddl ('DROP TABLE %s', 'TRUNCATE %s', 'DROP INDEX CONCURRENTLY %s_v', 'ALTER TABLE %s SET UNLOGGED',
	'VACUUM FULL %s')
{
	(my $tab = lc $ddl) =~ s/ %s.*|[^a-z]+//g;
	my $command = sprintf $ddl, $tab;
	my $rows = $ddl =~ /UNLOGGED|FULL/ ? 1500 : 4000;

	sql("SELECT fill('$tab', $rows)");
	sql("CALL wake('$tab')");
	workers_are(1, 'a worker is at it');
	if ($rows == 4000)
	{
		is_quick('postgres', $command, $command);
	}
	else
	{
		sql($command);
	}
	is(sql("SELECT is_exact('$tab')"), 'ok', "$command: all rows are there") if $ddl !~ /DROP/;
	workers_are(0, "$command: the worker ends");
}
sql(q(SELECT fill('re', 3000)));
sql(q(CALL wake('re')));
workers_are(1, 'a worker is at it');
sql('REINDEX INDEX CONCURRENTLY re_v');
is(sql(q(SELECT is_exact('re'))), 'ok', 'REINDEX CONCURRENTLY beside the worker');
workers_are(0, 'REINDEX CONCURRENTLY: the worker ends');

#
# Two databases, and the limit
#
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', $helpers);
sql(q(SELECT fill('a', 4000), fill('b', 4000)));
$node->safe_psql('other', q(SELECT fill('a', 6000)));
sql(q(CALL wake('a')));
$node->safe_psql('other', q(CALL wake('a')));
workers_are(2, 'two databases, two workers');
sql(q(CALL wake('b')));
usleep(300_000);
is(sql($workers), '2', 'no more of them than vecam.seal_workers');
is($node->safe_psql('other', q(SELECT is_exact('a'))), 'ok', 'the second database misses nothing');
is_quick('postgres', 'DROP DATABASE other', 'DROP DATABASE');
is_quick('postgres', 'DROP TABLE a, b', 'DROP TABLE');
workers_are(0, 'all workers end');

#
# Cancelled, terminated
#
sql(q(SELECT fill('c', 2000)));
sql(q(CALL wake('c')));
workers_are(1, 'a worker is at it');
sql(q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'vecam sealer'));
ok( $node->poll_query_until(
		'postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'vecam sealer' AND state = 'idle')),
	'a worker that is cancelled rests');
for (1 .. 5)
{
	sql(q(CALL wake('c')));
	usleep(300_000);
}
is(sql(q(SELECT count(*), min(state) FROM pg_stat_activity WHERE backend_type = 'vecam sealer')), '1|idle',
	'and no other one takes its place meanwhile');
is(sql(q(SELECT is_exact('c'))), 'ok', 'no row is lost');
sql(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'vecam sealer'));
workers_are(0, 'a worker that is terminated is gone');
sql(q(CALL wake('c')));
workers_are(1, 'and can be started again');

#
# Killed with the server
#
crash($node);
$node->start;
is(sql(q(SELECT is_exact('c'))), 'ok', 'a crash while a worker seals loses nothing');
sql(q(CALL wake('c')));
ok( $node->poll_query_until(
		'postgres', q(SELECT growing_rows < 100 FROM vecam_stats('c_v'))),
	'the next worker finishes');
is(sql(q(SELECT is_exact('c'))), 'ok', 'and all rows are in the graph');
workers_are(0, 'it ends');

#
# Rows that are rolled back, and tables that no worker can see
#
sql(q(SELECT fill('r', 1000)));
is( sql(
		q(CALL wake('r'); BEGIN; INSERT INTO r (v) SELECT random_vector(i) FROM generate_series(2001, 2500) i; SELECT pg_sleep(1); ROLLBACK)
	),
	'', 'a transaction is rolled back while its rows are sealed');
workers_are(0, 'its worker ends');
is(sql(q(SELECT is_exact('r'))), 'ok', 'rows of a transaction that was rolled back are not seen');
sql('VACUUM r');
is(sql(q(SELECT rows FROM vecam_stats('r_v'))), '1001', 'and VACUUM removes them');

for my $kind ('TEMP', '')
{
	my $name = "own$kind";
	is( sql(
			qq(BEGIN; CREATE $kind TABLE $name (v vector(32));
			CREATE INDEX ${name}_v ON $name USING vecam (v) WITH (kind = hnsw, seal_threshold = 20);
			INSERT INTO $name SELECT random_vector(i) FROM generate_series(1, 600) i;
			SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'vecam sealer';
			SELECT growing_rows < 400 FROM vecam_stats('${name}_v'); COMMIT)),
		"0\nt", 'no worker for a table that it cannot see; the inserting session helps');
}

#
# None wanted, none to be had
#
is( sql(
		q(SET vecam.seal_workers = 0; SELECT fill('off', 100); CALL wake('off');
		INSERT INTO off (v) SELECT random_vector(i) FROM generate_series(1, 150) i; SELECT pg_sleep(0.3))),
	"\n", 'vecam.seal_workers = 0');
is(sql($workers), '0', 'vecam.seal_workers = 0: no worker');
is(sql(q(SELECT graph_rows FROM vecam_stats('off_v'))), '0', 'and nothing is sealed below four thresholds');
sql('SET vecam.seal_workers = 0; INSERT INTO off (v) SELECT random_vector(i) FROM generate_series(1, 600) i');
is(sql(q(SELECT growing_rows BETWEEN 100 AND 600 FROM vecam_stats('off_v'))), 't', 'inserters help from there on');

log_is_clean($node, 'all', qr/canceling statement|terminating background worker|base.\d+|old database directory/);

$node->append_conf('postgresql.conf', 'max_worker_processes = 1');
$node->restart;
sql(q(SELECT fill('none', 50); CALL wake('none'); INSERT INTO none (v) SELECT random_vector(i) FROM generate_series(1, 1500) i));
is(sql($workers), '0', 'no process to be had: no worker');
is(sql(q(SELECT growing_rows BETWEEN 100 AND 800 FROM vecam_stats('none_v'))), 't', 'inserters keep the list short');
is(sql(q(SELECT is_exact('none'))), 'ok', 'and all rows are there');

$node->stop;
done_testing();
