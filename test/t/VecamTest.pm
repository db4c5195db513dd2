# What the TAP tests share.
package VecamTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(new_node add_helpers check_order is_consistent indexes_are_sound
  is_sound start_load end_load crash log_is_clean index_file write_bytes);

# Functions in the test database: test_vector as in the regression tests, and
# check_order, which reads all rows in the order of an index and by a sort;
# read_rest reads a cursor to its end; check_indexes is what vecam_check finds in
# the indexes of a table, apart from nodes that the next VACUUM will link (INV-26).
my $helpers = q(
CREATE EXTENSION IF NOT EXISTS vecam;
CREATE FUNCTION test_vector(i int, n int) RETURNS vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8(i::bigint * 16411 + k) % 16)::real / 4)::vector
	FROM generate_series(1, n) k
$$;
CREATE FUNCTION check_order(tab text, op text, q vector) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id, v %1$s %2$L::vector AS d FROM %3$s ORDER BY v %1$s %2$L::vector', op, q, tab);
	collect text := 'SELECT array_agg(id) AS ids, array_agg(d) AS ds FROM (%s) s';
	line text;
	ordered bool := false;
	got record;
	want record;
	lost bigint;
BEGIN
	PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true),
		set_config('enable_sort', 'off', true);
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		ordered := ordered OR line LIKE '%Order By: %';
	END LOOP;
	IF NOT ordered THEN
		RETURN 'the index is not used';
	END IF;
	EXECUTE format(collect, query) INTO got;
	PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true),
		set_config('enable_sort', 'on', true);
	EXECUTE format(collect, query) INTO want;
	PERFORM set_config('enable_indexscan', 'on', true);
	SELECT count(*) INTO lost FROM (SELECT unnest(got.ids) EXCEPT ALL SELECT unnest(want.ids)) s;
	IF lost > 0 OR cardinality(got.ids) IS DISTINCT FROM cardinality(want.ids) THEN
		RETURN format('%s rows by index, %s by sort', coalesce(cardinality(got.ids), 0), coalesce(cardinality(want.ids), 0));
	ELSIF got.ds IS DISTINCT FROM want.ds THEN
		RETURN 'other distances';
	END IF;
	RETURN 'ok';
END
$$;
CREATE FUNCTION read_rest(c refcursor, OUT n int, OUT different int) LANGUAGE plpgsql AS $$
DECLARE
	id int;
	ids int[] := '{}';
BEGIN
	LOOP
		FETCH c INTO id;
		EXIT WHEN NOT FOUND;
		ids := ids || id;
	END LOOP;
	SELECT count(*), count(DISTINCT i) INTO n, different FROM unnest(ids) i;
END
$$;
CREATE FUNCTION check_indexes(tab regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	index regclass;
BEGIN
	FOR index IN SELECT i.indexrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
		WHERE i.indrelid = tab AND a.amname = 'vecam' AND i.indisvalid
	LOOP
		RETURN QUERY EXECUTE format('SELECT %L || '': '' || c::text FROM vecam_check(%L, true) c WHERE c.invariant <> ''INV-26''', index, index);
	END LOOP;
END
$$;
);

# A new cluster with settings for these tests.  Rows are sealed when a test says
# so; tests that want workers set vecam.seal_workers.
sub new_node
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%params);
	$node->append_conf(
		'postgresql.conf', q(
log_statement = none
shared_buffers = 16MB
max_connections = 50
max_wal_size = 1GB
autovacuum = off
jit = off
vecam.seal_workers = 0
));
	return $node;
}

# Creates the extension and the functions.
sub add_helpers
{
	my ($node) = @_;

	$node->safe_psql('postgres', $helpers);
	return;
}

# 'ok' if a read of all rows through the index gives what a sort gives, in one
# snapshot.
sub check_order
{
	my ($node, $tab, $op, $query) = @_;

	return $node->safe_psql('postgres',
		"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT check_order('$tab', '$op', $query); COMMIT");
}

# One test: the indexes of a table agree with it.
sub is_consistent
{
	my ($node, $tab, $dims, $what, @ops) = @_;
	my @results = map { check_order($node, $tab, $_, "test_vector(-7, $dims)") } @ops;

	is(join(' ', @results), join(' ', ('ok') x @ops), "$what: indexes of $tab agree with it");
	return;
}

# One test: the indexes of a table hold what they promise.
sub indexes_are_sound
{
	my ($node, $tab, $what) = @_;

	is($node->safe_psql('postgres', "SELECT check_indexes('$tab')"), '', "$what: indexes of $tab are sound");
	return;
}

# One test: all indexes of the database keep their invariants, and every row of
# their tables is in them once.  That searches come to every node (INV-26) is
# what VACUUM takes care of; `reach` asks for it too.
sub is_sound
{
	my ($node, $what, %params) = @_;
	my $found = $node->safe_psql('postgres',
		q(SELECT c.relname, k.* FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_index i ON i.indexrelid = c.oid,
			vecam_check(c.oid, true) k WHERE a.amname = 'vecam' AND c.relkind = 'i' AND i.indisvalid
				AND (c.relpersistence <> 'u' OR NOT pg_is_in_recovery()))
		  . ($params{reach} ? '' : " AND k.invariant <> 'INV-26'") . ' LIMIT 20');

	is($found, '', "$what: all indexes are sound");
	return;
}

# Starts pgbench on a script, in the background, for a time or for the number of
# `transactions` of each client; pgbench goes on if a transaction fails on a
# serialization or deadlock error only.
sub start_load
{
	my ($node, $script, $clients, $seconds, %params) = @_;
	my @length = $params{transactions} ? ('-t', $params{transactions}) : ('-T', $seconds);
	my $file = PostgreSQL::Test::Utils::tempdir . "/load." . int(rand(1e9)) . ".sql";
	my $out = '';

	append_to_file($file, $script);
	my $run = IPC::Run::start(
		[ 'pgbench', '-n', '-c', $clients, '-j', 1, @length,
			'-f', $file, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'>', \$out, '2>&1');
	return { run => $run, out => \$out };
}

# Waits for its end; returns what pgbench wrote.
sub end_load
{
	my ($load) = @_;

	eval { $load->{run}->finish };
	return ${ $load->{out} };
}

# Kills the server and all its processes at once, as if the machine stopped.
sub crash
{
	my ($node) = @_;
	my $pid = $node->{_pid};

	# stopped, so that it starts no process that is not on the list
	kill 'STOP', $pid;
	my @children = split ' ', `ps -o pid= --ppid $pid`;

	$node->kill9;
	kill 9, @children;
	for (1 .. 200)
	{
		last unless grep { kill 0, $_ } $pid, @children;
		usleep(50_000);
	}
	unlink $node->data_dir . '/postmaster.pid';
	return;
}

# One test: the server's log tells of no error but those that a pattern allows.
sub log_is_clean
{
	my ($node, $what, $allowed) = @_;
	my @bad = grep { /(ERROR|FATAL|PANIC|TRAP|WARNING):|signal \d+: / }
	  split /\n/, slurp_file($node->logfile);

	# what the server's processes say when it is killed
	@bad = grep { !/the database system is|postmaster exited/ } @bad;
	@bad = grep { !/$allowed/ } @bad if defined $allowed;
	is(scalar(@bad), 0, "$what: no error in the log")
	  or diag(join "\n", @bad[ 0 .. ($#bad < 9 ? $#bad : 9) ]);
	return;
}

# The file of a relation.
sub index_file
{
	my ($node, $name, $fork) = @_;

	return $node->data_dir . '/'
	  . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$name')")
	  . ($fork || '');
}

# Overwrites bytes of a file; the server is stopped.
sub write_bytes
{
	my ($file, $offset, $bytes) = @_;

	open my $f, '+<:raw', $file or die "could not open $file: $!";
	seek $f, $offset, 0 or die $!;
	print $f $bytes;
	close $f or die $!;
	return;
}

1;
