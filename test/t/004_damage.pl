# Damaged pages: every operation ends, with an error that tells of the damage or
# as if there were none, and the server lives.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $blcksz = 8192;
my ($FREE, $META, $DIRECTORY, $GROWING, $TIDS, $EXTENT) = (0 .. 5);
my $INVALID = 0xFFFFFFFF;

# Offsets in a page; src/README.md has the formats.
my %meta = (magic => 24, version => 28, dims => 40, metric => 42, kind => 43, growing_size => 48,
	nextents => 50, mean => 56, head => 68, target => 72, undefined_head => 76, null_target => 88);
my %slots = (slot_size => 24, nslots => 26, nlive => 28, list => 30, slots => 32);
my %directory = (nblocks => 24, list => 26, blocks => 48);
my %page = (lower => 12, upper => 14, special => 16, next => 8184, kind => 8188, id => 8190);

my $node = new_node('main');
$node->append_conf('postgresql.conf', q(
max_locks_per_transaction = 256
zero_damaged_pages = off
));
$node->start;
add_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE short (id int, v vector(5)) WITH (autovacuum_enabled = off);
INSERT INTO short SELECT i, CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0,0,0]' ELSE test_vector(i, 5) END
	FROM generate_series(1, 800) i;
CREATE TABLE long (id int, v vector(16000)) WITH (autovacuum_enabled = off);
INSERT INTO long SELECT i, test_vector(i, 16000) FROM generate_series(1, 6) i;
CREATE TABLE graph (id int, v vector(6)) WITH (autovacuum_enabled = off);
INSERT INTO graph SELECT i, CASE i % 10 WHEN 0 THEN '[1,2,3,4,5,6]' WHEN 1 THEN '[0,0,0,0,0,0]' ELSE test_vector(i, 6) END
	FROM generate_series(1, 400) i;
-- A copy with an index that is built, inserted into and vacuumed.
CREATE FUNCTION make_copy(tab text, source text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I (LIKE %I) WITH (autovacuum_enabled = off)', tab, source);
	EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE id %% 2 = 0 OR id < 5', tab, source);
	EXECUTE format('CREATE INDEX %I ON %I USING vecam (v vector_cosine_ops) WITH (kind = %s)', tab || '_v', tab,
		CASE source WHEN 'graph' THEN 'hnsw' ELSE 'flat' END);
	EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE NOT (id %% 2 = 0 OR id < 5)', tab, source);
	EXECUTE format('DELETE FROM %I WHERE id %% 7 = 3', tab);
END
$$;
));

# The blocks of a kind, and of a list if given
sub blocks
{
	my ($file, $kind, $list) = @_;
	my $contents = slurp_file($file);
	my @found;

	for my $b (0 .. length($contents) / $blcksz - 1)
	{
		my $p = substr($contents, $b * $blcksz, $blcksz);

		next if ord(substr($p, $page{kind}, 1)) != $kind || unpack('S', substr($p, $page{id}, 2)) != 0xFF9E;
		next if defined $list && $kind == $DIRECTORY && ord(substr($p, $directory{list}, 1)) != $list;
		next if defined $list && $kind != $DIRECTORY && ord(substr($p, $slots{list}, 1)) != $list;
		push @found, $b;
	}
	return @found;
}

sub u8 { return pack('C', shift) }
sub u16 { return pack('S', shift) }
sub u32 { return pack('L', shift) }

# A piece of damage at a page of a kind: the bytes are given, or computed from
# the file and the damaged block.
sub at
{
	my ($kind, $list, $offset, $bytes) = @_;

	return sub {
		my ($file) = @_;
		my ($block) = blocks($file, $kind, $list);

		die "no block of kind $kind" unless defined $block;
		write_bytes($file, $block * $blcksz + $offset, ref $bytes ? $bytes->($file, $block) : $bytes);
	};
}
sub at_meta { return at($META, undef, $meta{ $_[0] }, $_[1]) }
sub at_dir { return at($DIRECTORY, 0, $_[0], $_[1]) }
sub at_slots { return at($GROWING, 0, $_[0], $_[1]) }
sub at_extent_ref { return at($GROWING, 0, $slots{slots} + 28 + 4 * $_[0], $_[1]) }
sub block_of { my @args = @_; return sub { return u32((blocks($_[0], @args))[0]) } }
sub itself { return u32($_[1]) }
sub beyond { return u32((-s $_[0]) / $blcksz + 3) }

# What is damaged, which copy, how, and whether it must be found out: "all" if
# every operation must say so, "scan" if every search that is
# read to its end must, "search" if one that needs distances must, "any" if some must,
# "-" if it may go unnoticed.
my @damages = (
	[ 'meta: page id', 'short', at($META, undef, $page{id}, u16(1)), 'all' ],
	[ 'meta: kind of page', 'short', at($META, undef, $page{kind}, u8($GROWING)), 'all' ],
	[ 'meta: magic number', 'short', at_meta('magic', u32(1)), 'all' ],
	[ 'meta: version 2', 'short', at_meta('version', u32(2)), 'all' ],
	[ 'meta: no dimensions', 'short', at_meta('dims', u16(0)), 'all' ],
	[ 'meta: 16001 dimensions', 'long', at_meta('dims', u16(16001)), 'all' ],
	[ 'meta: other dimensions', 'short', at_meta('dims', u16(100)), 'all' ],
	[ 'meta: metric', 'short', at_meta('metric', u8(9)), 'all' ],
	[ 'meta: metric of another operator class', 'short', at_meta('metric', u8(0)), 'scan' ],
	[ 'meta: kind of index', 'short', at_meta('kind', u8(77)), 'all' ],
	[ 'meta: slot size', 'short', at_meta('growing_size', u16(40)), 'all' ],
	[ 'meta: slot size 0', 'short', at_meta('growing_size', u16(0)), 'all' ],
	[ 'meta: extents', 'short', at_meta('nextents', u16(2)), 'all' ],
	[ 'meta: no extents', 'long', at_meta('nextents', u16(0)), 'all' ],
	[ 'meta: mean is the meta page', 'short', at_meta('mean', u32(0)), 'scan' ],
	[ 'meta: mean is a slot page', 'short', at_meta('mean', block_of($GROWING)), 'scan' ],
	[ 'meta: mean beyond the end', 'short', at_meta('mean', \&beyond), 'scan' ],
	[ 'meta: mean far beyond the end', 'short', at_meta('mean', u32(0xFFFFFFF0)), 'scan' ],
	[ 'meta: list begins at the meta page', 'short', at_meta('head', u32(0)), 'scan' ],
	[ 'meta: list begins at a slot page', 'short', at_meta('head', block_of($GROWING)), 'scan' ],
	[ 'meta: list begins at another list', 'short', at_meta('head', block_of($DIRECTORY, 2)), 'scan' ],
	[ 'meta: list begins beyond the end', 'short', at_meta('head', \&beyond), 'scan' ],
	[ 'meta: list begins far beyond the end', 'short', at_meta('head', u32(0xFFFFFFF0)), 'scan' ],
	[ 'meta: list without a beginning', 'short', at_meta('head', u32($INVALID)), 'scan' ],
	[ 'meta: list grows at the meta page', 'short', at_meta('target', u32(0)), 'any' ],
	[ 'meta: list grows beyond the end', 'short', at_meta('target', \&beyond), 'any' ],
	[ 'meta: list that does not grow', 'short', at_meta('target', u32($INVALID)), 'any' ],
	[ 'meta: undefined rows begin at the meta page', 'short', at_meta('undefined_head', u32(0)), 'scan' ],
	[ 'meta: NULL rows grow at the meta page', 'short', at_meta('null_target', u32(0)), 'any' ],
	[ 'directory: page id', 'short', at_dir($page{id}, u16(0)), 'scan' ],
	[ 'directory: kind of page', 'short', at_dir($page{kind}, u8($TIDS)), 'scan' ],
	[ 'directory: free page', 'short', at_dir($page{kind}, u8($FREE)), 'scan' ],
	[ 'directory: kind of page unknown', 'short', at_dir($page{kind}, u8(200)), 'scan' ],
	[ 'directory: too many blocks', 'short', at_dir($directory{nblocks}, u16(2035)), 'scan' ],
	[ 'directory: far too many blocks', 'short', at_dir($directory{nblocks}, u16(65535)), 'scan' ],
	[ 'directory: more blocks than used', 'short', at_dir($directory{nblocks}, u16(100)), 'scan' ],
	[ 'directory: list unknown', 'short', at_dir($directory{list}, u8(3)), 'scan' ],
	[ 'directory: another list', 'short', at_dir($directory{list}, u8(1)), 'scan' ],
	[ 'directory: its own successor', 'short', at_dir($page{next}, \&itself), 'scan' ],
	[ 'directory: succeeded by the meta page', 'short', at_dir($page{next}, u32(0)), 'scan' ],
	[ 'directory: succeeded by another list', 'short', at_dir($page{next}, block_of($DIRECTORY, 1)), 'scan' ],
	[ 'directory: successor beyond the end', 'short', at_dir($page{next}, \&beyond), 'scan' ],
	[ 'directory: names the meta page', 'short', at_dir($directory{blocks}, u32(0)), '-' ],
	[ 'directory: names itself', 'short', at_dir($directory{blocks}, \&itself), '-' ],
	[ 'directory: names a block beyond the end', 'short', at_dir($directory{blocks}, \&beyond), 'scan' ],
	[ 'directory: names a block far beyond the end', 'short', at_dir($directory{blocks}, u32(0xFFFFFFF0)), 'scan' ],
	[ 'slots: page id', 'short', at_slots($page{id}, u16(0xFF9F)), 'scan' ],
	[ 'slots: kind of page unknown', 'short', at_slots($page{kind}, u8(8)), 'scan' ],
	[ 'slots: kind of another list', 'short', at_slots($page{kind}, u8($TIDS)), 'scan' ],
	[ 'slots: kind extent', 'long', at_slots($page{kind}, u8($EXTENT)), '-' ],
	[ 'slots: free page', 'short', at_slots($page{kind}, u8($FREE)), '-' ],
	[ 'slots: size 0', 'short', at_slots($slots{slot_size}, u16(0)), 'scan' ],
	[ 'slots: size 4', 'short', at_slots($slots{slot_size}, u16(4)), 'scan' ],
	[ 'slots: another size', 'short', at_slots($slots{slot_size}, u16(44)), 'scan' ],
	[ 'slots: size 65532', 'short', at_slots($slots{slot_size}, u16(65532)), 'scan' ],
	[ 'slots: too many', 'short', at_slots($slots{nslots}, u16(10000)), 'scan' ],
	[ 'slots: more than used', 'long', at_slots($slots{nslots}, u16(200)), 'scan' ],
	[ 'slots: more live than used', 'short', at_slots($slots{nlive}, u16(65535)), 'scan' ],
	[ 'slots: none live', 'short', at_slots($slots{nlive}, u16(0)), '-' ],
	[ 'slots: list unknown', 'short', at_slots($slots{list}, u8(255)), 'scan' ],
	[ 'slots: another list', 'short', at_slots($slots{list}, u8(2)), 'scan' ],
	[ 'slots: used part too short', 'short', at_slots($page{lower}, u16(100)), 'scan' ],
	[ 'slots: used part too long', 'short', at_slots($page{lower}, u16(8184)), 'scan' ],
	[ 'slots: page header', 'short', at_slots($page{upper}, u16(20)), 'scan' ],
	[ 'slots: special space', 'short', at_slots($page{special}, u16(8000)), 'scan' ],
	[ 'slots: no header', 'short', at_slots(0, "\0" x 24), 'scan' ],
	[ 'tids: kind of page', 'short', at($TIDS, 2, $page{kind}, u8($GROWING)), 'scan' ],
	[ 'tids: slot size', 'short', at($TIDS, 1, $slots{slot_size}, u16(12)), 'scan' ],
	[ 'tids: too many', 'short', at($TIDS, 2, $slots{nslots}, u16(1020)), 'scan' ],
	[ 'code: lost bounds', 'short', at_slots($slots{slots} + 12, "\377" x 16), '-' ],
	[ 'code: too large bounds', 'short', at_slots($slots{slots} + 12, pack('f4', 3e38, 3e38, 3e38, 0)), '-' ],
	[ 'extents: no block', 'long', at_extent_ref(0, u32($INVALID)), 'search' ],
	[ 'extents: no second block', 'long', at_extent_ref(1, u32($INVALID)), 'search' ],
	[ 'extents: the meta page', 'long', at_extent_ref(0, u32(0)), 'search' ],
	[ 'extents: the slot page', 'long', at_extent_ref(0, \&itself), 'search' ],
	[ 'extents: the slot page, second', 'long', at_extent_ref(1, \&itself), 'search' ],
	[ 'extents: twice the same', 'long', sub {
			my ($file) = @_;
			my ($b) = blocks($file, $GROWING);
			my $ref = substr(slurp_file($file), $b * $blcksz + $slots{slots} + 28, 4);
			at_extent_ref(1, $ref)->($file);
		}, 'search' ],
	[ 'extents: those of another row', 'long', sub {
			my ($file) = @_;
			my ($b) = blocks($file, $GROWING);
			my $refs = substr(slurp_file($file), $b * $blcksz + $slots{slots} + 36 + 28, 8);
			at_extent_ref(0, $refs)->($file);
		}, '-' ],
	[ 'extents: beyond the end', 'long', at_extent_ref(0, \&beyond), 'search' ],
	[ 'extents: far beyond the end', 'long', at_extent_ref(1, u32(0xFFFFFFF0)), 'search' ],
	[ 'extents: a directory page', 'long', at_extent_ref(1, block_of($DIRECTORY)), 'search' ],
	[ 'extent: page id', 'long', at($EXTENT, undef, $page{id}, u16(0)), 'search' ],
	[ 'mean: ends too early', 'long', at_mean_next(u32($INVALID)), 'scan' ],
	[ 'mean: goes on beyond the end', 'long', at_mean_next(\&beyond), 'scan' ],
	[ 'mean: goes on at the meta page', 'long', at_mean_next(u32(0)), 'scan' ],
);

# The first page of the mean
sub at_mean_next
{
	my ($bytes) = @_;

	return sub {
		my ($file) = @_;
		my $b = unpack('L', substr(slurp_file($file), $meta{mean}, 4));

		write_bytes($file, $b * $blcksz + $page{next}, ref $bytes ? $bytes->($file, $b) : $bytes);
	};
}

# One bit anywhere, half of them where the structure is: the same bits in each
# run unless another seed is given
my $seed = $ENV{VECAM_TEST_SEED} || 1;
srand $seed;
note "VECAM_TEST_SEED=$seed";

sub flip_a_bit
{
	my ($file) = @_;
	my $block = int(rand((-s $file) / $blcksz));
	my $offset = int(rand($blcksz));

	$block = 0 if rand() < 0.1;
	if (rand() < 0.5)
	{
		my $r = int(rand($block == 0 ? 80 : 40));
		$offset = $r < 8 ? 8184 + $r : $r;
	}
	my $where = $block * $blcksz + $offset;
	my $byte = ord(substr(slurp_file($file), $where, 1)) ^ (1 << int(rand(8)));

	write_bytes($file, $where, u8($byte));
	return "block $block, offset $offset: $byte";
}
push @damages, map { [ "bit $_", $_ % 8 ? 'short' : 'long', \&flip_a_bit, '-' ] } 1 .. 60;
push @damages, map { [ "bit $_", 'graph', \&flip_a_bit, '-' ] } 61 .. 150;

# A copy for each, damaged while the server is stopped
my %files;
$node->safe_psql('postgres', join '', map { "SELECT make_copy('d$_', '$damages[$_][1]');\n" } 0 .. $#damages);
$node->safe_psql('postgres', 'VACUUM');
for my $row (split /\n/, $node->safe_psql('postgres',
		q(SELECT relname, pg_relation_filepath(oid) FROM pg_class WHERE relname ~ '^d[0-9]+(_v)?$')))
{
	my ($name, $file) = split /\|/, $row;
	$files{$name} = $file;
}
$node->stop;
for my $i (0 .. $#damages)
{
	my $file = $node->data_dir . '/' . $files{"d${i}_v"};
	my $where = $damages[$i][2]->($file);

	$damages[$i][0] .= " ($where)" if $damages[$i][0] =~ /^bit/;
}
$node->start;

# Each operation in a session of its own statement; psql prints the SQLSTATE.
my @operations = (
	[ scan => "SELECT count(*) FROM (SELECT id FROM %s ORDER BY v <=> test_vector(3, %d)) s" ],
	[ limit => "SELECT id FROM %s ORDER BY v <=> test_vector(5, %d) LIMIT 5" ],
	[ null => "SELECT count(*) FROM (SELECT id FROM %s ORDER BY v <=> (SELECT NULL::vector(%d))) s" ],
	[ insert => "INSERT INTO %s SELECT i, CASE i %% 4 WHEN 0 THEN NULL WHEN 1 THEN test_vector(1, n) - test_vector(1, n) ELSE test_vector(i, n) END FROM (SELECT %d AS n) c, generate_series(1, 5000 / n + 3) i" ],
	[ delete => "DELETE FROM %s WHERE id %% 2 = 0 OR id = 1" ],
	[ vacuum => "VACUUM %s" ],
	[ seal => "SELECT CASE kind WHEN 'hnsw' THEN vecam_seal(i) END FROM (SELECT '%s_v'::regclass AS i, %d AS n) AS x, vecam_stats(i)" ],
	[ stats => "SELECT count(*) FROM vecam_stats('%s_v')" ]);

# Returns what each operation ended with: "ok", or SQLSTATE and message.
sub run_operations
{
	my ($i) = @_;
	my %dims = (short => 5, long => 16000, graph => 6);
	my ($tab, $dims) = ("d$i", $dims{ $damages[$i][1] });
	my %result;
	my $script = "\\set VERBOSITY verbose\n"
	  . "SET statement_timeout = '20s'; SET enable_seqscan = off; SET enable_sort = off;\n";

	for my $op (@operations)
	{
		$script .= "\\warn == $op->[0]\n" . sprintf($op->[1], $tab, $dims) . ";\n";
	}
	my $timed_out = 0;
	my ($ret, $out, $err) = $node->psql('postgres', $script,
		on_error_stop => 0, timeout => 40, timed_out => \$timed_out);
	my $current;

	for my $line (split /\n/, $err)
	{
		if ($line =~ /^== (\w+)/)
		{
			$current = $1;
			$result{$current} = 'ok';
		}
		elsif ($line =~ /(?:ERROR|FATAL|PANIC):\s+(.*)/)
		{
			$result{$current} = $1;
		}
	}
	$result{end} = $timed_out ? 'hangs' : $ret == 2 ? 'crash' : 'ok';
	return \%result;
}

# Errors that tell of damage: ours, of a version that we do not know, and what
# the server says of a page header or of a block that does not exist.
my $told = qr/^(XX002|XX001|0A000): /;

sub judge
{
	my ($i, $result) = @_;
	my ($name, $kind, $damage, $found) = @{ $damages[$i] };
	my $heap = quotemeta $files{"d$i"};
	my @bad;

	push @bad, $result->{end} if $result->{end} ne 'ok';
	for my $op (map { $_->[0] } @operations)
	{
		my $r = $result->{$op} || 'not run';

		next if $r eq 'ok' || $r =~ $told;

		# A code that is damaged may be nearer than its row, and a TID lead anywhere.
		next if $name =~ /^(bit|code)/
		  && ($r =~ /^XX000: index returned tuples in wrong order/
			|| $r =~ /^\w{5}: could not open file "$heap/
			|| $r =~ /^XX000: page \d+ of relation "d$i" should be empty/);

		# Where only the padding of slots differs, dimensions look possible.
		next if $name =~ /^bit .*block 0, offset 40/ && $r =~ /^22000: .* dimensions/;
		push @bad, "$op: $r";
	}
	my @scans = grep { ($result->{$_} || '') !~ $told } 'scan', 'null';
	my @silent = grep { ($result->{$_} || '') !~ $told } map { $_->[0] } grep { $_->[0] ne 'delete' } @operations;

	push @bad, "not told by @silent" if $found eq 'all' && @silent;
	push @bad, "not told by @scans" if $found eq 'scan' && @scans;
	push @bad, 'not told by a search' if $found eq 'search' && grep { $_ eq 'scan' } @scans;
	push @bad, 'not told by any operation' if $found eq 'any' && @silent == $#operations;
	return @bad;
}

my $bits = 0;
for my $i (0 .. $#damages)
{
	my $size = -s $node->data_dir . '/' . $files{"d${i}_v"};
	my $result = run_operations($i);
	my @bad = judge($i, $result);

	if ($damages[$i][0] =~ /^bit/)
	{
		$bits++ unless @bad;
		diag "$damages[$i][0] of $damages[$i][1]: " . join '; ', @bad if @bad;
	}
	else
	{
		is(join('; ', @bad), '', $damages[$i][0]);
	}
	if ($result->{end} ne 'ok')
	{
		$node->stop('immediate');
		$node->start;
	}
}
is($bits, 150, "bits flipped (VECAM_TEST_SEED=$seed)");

# A search that finds damage changes nothing.
$node->safe_psql('postgres', "SELECT make_copy('last', 'long')");
my $file = index_file($node, 'last_v');
$node->stop;
at_extent_ref(0, u32($INVALID))->($file);
my $contents = slurp_file($file);
$node->start;
my ($ret) = $node->psql('postgres', 'SET enable_seqscan = off; SELECT id FROM last ORDER BY v <=> test_vector(1, 16000)');
isnt($ret, 0, 'the damage is found');
$node->stop;
ok($contents eq slurp_file($file), 'and the index is as it was');

# REINDEX repairs.
$node->start;
my $not_repaired = 0;
for my $i (grep { $_ % 5 == 0 && $damages[$_][1] ne 'graph' } 0 .. $#damages)
{
	my $dims = $damages[$i][1] eq 'short' ? 5 : 16000;

	($ret) = $node->psql('postgres', "REINDEX INDEX d${i}_v");
	$not_repaired++ if $ret || check_order($node, "d$i", '<=>', "test_vector(3, $dims)") ne 'ok';
}
is($not_repaired, 0, 'REINDEX repairs');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'the server did not crash');
$node->stop;
done_testing();
