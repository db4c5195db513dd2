# vecam_check finds every kind of damage, by the number of its invariant, and
# raises nothing; searches, inserts, sealing and VACUUM on damaged pages end,
# with an error that tells of the damage or as if there were none.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $blcksz = 8192;
my ($META, $DIRECTORY, $GROWING, $TIDS, $EXTENT, $NODE, $ENTRY) = (1 .. 7);
my ($CHUNKS, $ENTRIES) = (3, 4);
my $INVALID = 0xFFFFFFFF;
my $dims = 7;
my $long_dims = 4500;

# Offsets in a page; src/README.md has the formats.
my %page = (lower => 12, next => 8184, kind => 8188, id => 8190);
my $contents = 24;
my $slots = $contents + 8;

my $node = new_node('main');
$node->append_conf('postgresql.conf', q(
max_locks_per_transaction = 512
fsync = off
));
$node->start;
add_helpers($node);

# Rows of every kind: in nodes, in chunks of nodes, growing, undefined and NULL.
$node->safe_psql(
	'postgres', qq(
CREATE TABLE short (id int, v vector($dims)) WITH (autovacuum_enabled = off);
INSERT INTO short SELECT i, CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0,0,0,0,0]' WHEN 2 THEN '[1,2,3,4,5,6,7]'
	ELSE test_vector(i, $dims) END FROM generate_series(1, 260) i;
CREATE TABLE long (id int, v vector($long_dims)) WITH (autovacuum_enabled = off);
INSERT INTO long SELECT i, test_vector(i, $long_dims) FROM generate_series(1, 8) i;
CREATE FUNCTION make_copy(tab text, source text, options text) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
	last int := CASE source WHEN 'long' THEN 5 ELSE 200 END;
BEGIN
	EXECUTE format('CREATE TABLE %I (LIKE %I) WITH (autovacuum_enabled = off)', tab, source);
	EXECUTE format('ALTER TABLE %I ALTER v SET STORAGE %s', tab, CASE source WHEN 'long' THEN 'EXTERNAL' ELSE 'PLAIN' END);
	EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE id <= %s', tab, source, last);
	EXECUTE format('CREATE INDEX %I ON %I USING vecam (v vector_cosine_ops) WITH (%s)', tab || '_v', tab, options);
	EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE id > %s', tab, source, last);
END
\$\$;
));

sub u8 { return pack('C', shift) }
sub u16 { return pack('S', shift) }
sub u32 { return pack('L', shift) }

# The contents of a damaged file while it is being damaged.
package IndexFile
{
	sub new
	{
		my ($class, $name) = @_;
		open my $f, '<:raw', $name or die "could not open $name: $!";
		local $/;
		return bless { bytes => <$f>, name => $name }, $class;
	}

	sub save
	{
		my ($self) = @_;
		open my $f, '>:raw', $self->{name} or die "could not open $self->{name}: $!";
		print $f $self->{bytes};
		close $f or die $!;
	}

	sub nblocks { return length($_[0]->{bytes}) / $blcksz }
	sub get { return substr($_[0]->{bytes}, $_[1] * $blcksz + $_[2], $_[3]) }
	sub put { substr($_[0]->{bytes}, $_[1] * $blcksz + $_[2], length $_[3]) = $_[3] }
	sub u8 { return unpack 'C', $_[0]->get($_[1], $_[2], 1) }
	sub u16 { return unpack 'S', $_[0]->get($_[1], $_[2], 2) }
	sub u32 { return unpack 'L', $_[0]->get($_[1], $_[2], 4) }

	# the blocks of a kind, and of a list if given
	sub blocks
	{
		my ($self, $kind, $list) = @_;

		return grep {
			$self->u16($_, $page{id}) == 0xFF9E && $self->u8($_, $page{kind}) == $kind
			  && (!defined $list || $self->u8($_, $contents + ($kind == $DIRECTORY ? 2 : 6)) == $list)
		} 0 .. $self->nblocks - 1;
	}

	# block and offset of slot i of a list
	sub slot
	{
		my ($self, $kind, $list, $i) = @_;
		my ($b) = $self->blocks($kind, $list);

		return ($b, $slots + $i * $self->u16($b, $contents));
	}

	# all nodes of a state, as [block, offset]
	sub nodes
	{
		my ($self, $state) = @_;
		my @found;

		for my $b ($self->blocks($NODE))
		{
			my ($size, $n) = ($self->u16($b, $contents), $self->u16($b, $contents + 2));

			push @found, grep { $self->u8(@$_) == $state } map { [ $b, $slots + $_ * $size ] } 0 .. $n - 1;
		}
		return @found;
	}
}

# Where the parts of a node are, for dims dimensions and sketches of one word.
my %part;
sub set_parts
{
	my ($m0, $size) = split /\|/, $node->safe_psql('postgres', q(SELECT m0, bytes_per_node FROM vecam_stats('d0_v')));

	%part = (state => 0, level => 1, degree => 2, generation => 3, ntids => 4, overflow => 8, extra => 16,
		lo => 20, norm2 => 28, residual => 32, tids => 36, sketches => 48);
	$part{factors} = $part{sketches} + 16 * $m0;
	$part{refs} = $part{factors} + 8 * $m0;
	$part{code} = $part{refs} + 4 * $m0;
	$part{distances} = $part{code} + 16;	# code, finer code and padding
	$part{generations} = $part{distances} + 2 * $m0;
	$part{m0} = $m0;
	$part{slot_bits} = 1;
	$part{slot_bits}++ while (1 << $part{slot_bits}) < int(8152 / $size);
	cmp_ok(abs($part{distances} + 4 * $m0 - $size), '<', 8, 'the parts of a node are where the test expects them');
	return;
}

# Damages of a part of the first live node, and of a growing slot.
sub live { my ($f, $i) = @_; return @{ ($f->nodes(2))[ $i || 0 ] } }
sub in_node
{
	my ($part, $bytes) = @_;

	return sub {
		my ($f) = @_;
		my ($b, $o) = live($f);

		$f->put($b, $o + $part{$part}, ref $bytes ? $bytes->($f, $b, $o) : $bytes);
	};
}
sub in_slot
{
	my ($kind, $list, $i, $offset, $bytes) = @_;

	return sub {
		my ($f) = @_;
		my ($b, $o) = $f->slot($kind, $list, $i);

		$f->put($b, $o + $offset, ref $bytes ? $bytes->($f, $b, $o) : $bytes);
	};
}
sub in_page
{
	my ($kind, $list, $offset, $bytes) = @_;

	return sub {
		my ($f) = @_;
		my ($b) = $f->blocks($kind, $list);

		$f->put($b, $offset, ref $bytes ? $bytes->($f, $b, 0) : $bytes);
	};
}
sub in_meta { return in_page($META, undef, $contents + $_[0], $_[1]) }
sub flip { my ($f, $b, $o, $n) = @_; $f->put($b, $o, u8($f->u8($b, $o) ^ ($n || 1))); return }
sub flip_node
{
	my ($part, $n) = @_;

	return sub { my ($f) = @_; my ($b, $o) = live($f); flip($f, $b, $o + $part{$part}, $n) };
}
sub flip_slot
{
	my ($kind, $list, $i, $offset, $n) = @_;

	return sub { my ($f) = @_; my ($b, $o) = $f->slot($kind, $list, $i); flip($f, $b, $o + $offset, $n) };
}

# What is damaged, in which copy, how, and which invariants must be named.
my @damages = (
	[ 'nothing', 'short', sub { }, '' ],
	[ 'nothing', 'long', sub { }, '' ],
	[ 'nothing', 'flat', sub { }, '' ],
	[ 'a TID twice', 'short', in_slot($GROWING, 0, 0, 0, sub { my ($f) = @_; my ($b, $o) = $f->slot($GROWING, 0, 1); return $f->get($b, $o, 6) }), 'INV-1' ],
	[ 'a TID of a node in the growing list', 'short', in_slot($GROWING, 0, 0, 0, sub { my ($f) = @_; my ($b, $o) = live($f); return $f->get($b, $o + 36, 6) }), 'INV-1' ],
	[ 'an undefined row without TID', 'short', sub { my ($f) = @_; my ($b, $o) = $f->slot($TIDS, 1, 0); $f->put($b, $o, "\0" x 6); $f->put($b, $contents + 4, u16($f->u16($b, $contents + 4) - 1)) }, 'INV-1' ],
	[ 'an invalid TID in a node', 'short', in_node('tids', "\0" x 6), 'INV-1' ],
	[ 'meta: magic number', 'short', in_meta(0, u32(1)), 'INV-2' ],
	[ 'meta: version', 'short', in_meta(4, u32(2)), 'INV-2' ],
	[ 'meta: dimensions', 'short', in_meta(16, u16(5)), 'INV-2' ],
	[ 'meta: metric', 'short', in_meta(18, u8(0)), 'INV-2' ],
	[ 'meta: m', 'short', in_meta(20, u16(3)), 'INV-2' ],
	[ 'meta: page header', 'short', sub { $_[0]->put(0, 16, u16(77)) }, 'INV-19' ],
	[ 'live slots', 'flat', in_page($GROWING, 0, $contents + 4, u16(1)), 'INV-3' ],
	[ 'slot size', 'flat', sub { my ($f) = @_; my ($b) = $f->blocks($GROWING); $f->put($b, $contents, u16(12)); $f->put($b, $contents + 2, u16(0) . u16(0)); $f->put($b, $page{lower}, u16($slots)) }, 'INV-3' ],
	[ 'a directory names nothing', 'flat', in_page($DIRECTORY, 0, $contents + 24, u32($INVALID)), 'INV-1 INV-5' ],
	[ 'a directory names the meta page', 'flat', in_page($DIRECTORY, 0, $contents + 24, u32(0)), 'INV-5' ],
	[ 'a directory names a block twice', 'flat', sub {
			my ($f) = @_;
			my ($b) = $f->blocks($DIRECTORY, 0);
			my $n = $f->u16($b, $contents);
			$f->put($b, $contents, u16($n + 1));
			$f->put($b, $page{lower}, u16($contents + 24 + 4 * ($n + 1)));
			$f->put($b, $contents + 24 + 4 * $n, $f->get($b, $contents + 24, 4)) }, 'INV-5' ],
	[ 'a directory names another list', 'short', in_page($DIRECTORY, 0, $contents + 24, sub { return u32(($_[0]->blocks($TIDS, 1))[0]) }), 'INV-5' ],
	[ 'an extent page of two rows', 'long', in_slot($GROWING, 0, 0, 28, sub { my ($f) = @_; my ($b, $o) = $f->slot($GROWING, 0, 1); return $f->get($b, $o + 28, 4) }), 'INV-6' ],
	[ 'an extent page beyond the end', 'long', in_slot($GROWING, 0, 0, 28, sub { return u32($_[0]->nblocks) }), 'INV-6' ],
	[ 'a short extent page', 'long', sub { my ($f) = @_; $f->put(($f->blocks($EXTENT))[-1], $page{lower}, u16(400)) }, 'INV-6' ],
	[ 'no mean', 'short', in_meta(32, u32($INVALID)), 'INV-6' ],
	[ 'a mean that is not finite', 'short', sub { my ($f) = @_; $f->put($f->u32(0, $contents + 32), $contents, u32(0x7F800000)) }, 'INV-9' ],
	[ 'growing: squared norm', 'short', in_slot($GROWING, 0, 0, 20, pack('f', 1e6)), 'INV-9' ],
	[ 'growing: residual', 'short', in_slot($GROWING, 0, 0, 24, pack('f', -1)), 'INV-9' ],
	[ 'growing: lo', 'short', in_slot($GROWING, 0, 0, 12, u32(0x7FC00000)), 'INV-9' ],
	[ 'growing: code', 'flat', flip_slot($GROWING, 0, 0, 28, 1), 'INV-9' ],
	[ 'growing: finer residual', 'short', in_slot($GROWING, 0, 0, 28 + $dims, u16(0xFFFF)), 'INV-9' ],
	[ 'growing: finer residual too small', 'short', sub { my ($f) = @_; my ($b, $o) = $f->slot($GROWING, 0, 0); $f->put($b, $o + 24, pack('f', 0)); $f->put($b, $o + 28 + $dims, u16(1)) }, 'INV-9' ],
	[ 'growing: finer code beyond the dimensions', 'short', flip_slot($GROWING, 0, 0, 28 + $dims + 2 + 3, 0x40), 'INV-9' ],
	[ 'node page: size of nodes', 'short', in_page($NODE, undef, $contents, u16(40)), 'INV-10' ],
	[ 'node page: free nodes', 'short', in_page($NODE, undef, $contents + 4, u16(1000)), 'INV-10' ],
	[ 'a node is free', 'short', in_node('state', u8(0)), 'INV-1 INV-11 INV-21' ],
	[ 'an edge to a page without nodes', 'short', in_node('refs', sub { return u32(($_[0]->blocks($GROWING))[0] << $part{slot_bits}) }), 'INV-11' ],
	[ 'a live node without TIDs', 'short', sub {
			my ($f) = @_;
			my ($n) = grep { $f->u32($_->[0], $_->[1] + $part{overflow}) == 0 } $f->nodes(2);
			$f->put($n->[0], $n->[1] + $part{ntids}, u16(0)) }, 'INV-1 INV-13' ],
	[ 'a dead node with TIDs', 'short', in_node('state', u8(3)), 'INV-13' ],
	[ 'a growing slot names a live node', 'short', in_slot($GROWING, 0, 0, 8, sub { my ($f) = @_; my ($b) = live($f); return u32($b << $part{slot_bits}) }), 'INV-14' ],
	[ 'two growing slots name a node', 'short', sub {
			my ($f) = @_;
			my ($b) = live($f);
			for my $i (0, 1) { my ($g, $o) = $f->slot($GROWING, 0, $i); $f->put($g, $o + 8, u32($b << $part{slot_bits})) }
			$f->put($b, $slots, u8(1));
			$f->put($b, $slots + $part{ntids}, u16(0));
			$f->put($b, $slots + $part{overflow}, u32(0)) }, 'INV-1 INV-14' ],
	[ 'a node in the making with TIDs', 'short', in_node('state', u8(1)), 'INV-14' ],
	[ 'node: residual', 'short', in_node('residual', pack('f', 0)), 'INV-15' ],
	[ 'node: code', 'short', flip_node('code', 1), 'INV-15 INV-23' ],
	[ 'node: finer code', 'short', sub { my ($f) = @_; my ($b, $o) = live($f, 7); flip($f, $b, $o + $part{code} + $dims + 2, 1) }, 'INV-15' ],
	[ 'node: squared norm', 'short', in_node('norm2', pack('f', 77)), 'INV-9' ],
	[ 'page id', 'short', in_page($NODE, undef, $page{id}, u16(0xFF9F)), 'INV-19' ],
	[ 'kind of page', 'short', in_page($GROWING, 0, $page{kind}, u8(9)), 'INV-19' ],
	[ 'a second meta page', 'short', in_page($EXTENT, undef, $page{kind}, u8($META)), 'INV-19' ],
	[ 'too many slots', 'flat', in_page($GROWING, 0, $contents + 2, u16(60000)), 'INV-19' ],
	[ 'page header', 'short', in_page($GROWING, 0, 14, u16(5)), 'INV-19' ],
	[ 'directory: list', 'short', in_page($DIRECTORY, 0, $contents + 2, u8(2)), 'INV-20' ],
	[ 'directory: number', 'short', in_page($DIRECTORY, 0, $contents + 4, u32(1)), 'INV-20' ],
	[ 'directory: its own successor', 'short', in_page($DIRECTORY, 0, $page{next}, sub { return u32($_[1]) }), 'INV-20' ],
	[ 'directory: nowhere', 'short', in_meta(44, u32(0x7FFFFFFF)), 'INV-20' ],
	[ 'directory: grows elsewhere', 'short', in_meta(48, sub { return $_[0]->get(0, $contents + 56, 4) }), 'INV-20' ],
	[ 'node: state', 'short', in_node('state', u8(9)), 'INV-21' ],
	[ 'node: edges', 'short', in_node('degree', u8(255)), 'INV-21' ],
	[ 'node page: free nodes too few', 'short', sub { my ($f) = @_; my ($b) = $f->blocks($NODE); $f->put($b, $contents + 4, u16($f->u16($b, $contents + 4) + 1)) }, 'INV-21' ],
	[ 'an edge to nowhere', 'short', in_node('refs', u32(0xFFFFFFF0)), 'INV-22' ],
	[ 'an edge to the meta page', 'short', in_node('refs', u32(1)), 'INV-22' ],
	[ 'an edge to itself', 'short', in_node('refs', sub { my ($f, $b) = @_; return u32($b << $part{slot_bits}) }), 'INV-22' ],
	[ 'an edge twice', 'short', in_node('refs', sub { my ($f, $b, $o) = @_; return $f->get($b, $o + $part{refs} + 4, 4) }), 'INV-22' ],
	[ 'sketch', 'short', flip_node('sketches', 1), 'INV-23' ],
	[ 'factor', 'short', flip_node('factors', 1), 'INV-23' ],
	[ 'distance', 'short', in_node('distances', u16(0x4F00)), 'INV-23' ],
	[ 'level', 'short', in_node('level', u8(13)), 'INV-24' ],
	[ 'extra coordinate', 'short', in_node('extra', pack('f', 3)), 'INV-24' ],
	[ 'entry point: node', 'short', in_slot($ENTRY, $ENTRIES, 0, 0, pack('SSS', 0, 3000, 1)), 'INV-25' ],
	[ 'entry point: generation', 'short', in_slot($ENTRY, $ENTRIES, 0, 6, u8(99)), 'INV-25' ],
	[ 'entry point: level', 'short', in_slot($ENTRY, $ENTRIES, 0, 7, u8(14)), 'INV-25' ],
	[ 'entry point: sketch', 'short', flip_slot($ENTRY, $ENTRIES, 0, 24, 1), 'INV-25' ],
	[ 'entry point: factor', 'short', flip_slot($ENTRY, $ENTRIES, 0, 16, 1), 'INV-25' ],
	[ 'no entry points', 'short', in_meta(44 + 8 * $ENTRIES, u32($INVALID) x 2), 'INV-20 INV-26' ],
	[ 'chunk: node', 'short', in_slot($TIDS, $CHUNKS, 0, 4, u16(77)), 'INV-1 INV-27' ],
	[ 'chunk: generation', 'short', in_slot($TIDS, $CHUNKS, 0, 12, u8(77)), 'INV-27' ],
	[ 'chunk: TIDs', 'short', in_slot($TIDS, $CHUNKS, 0, 6, u16(9)), 'INV-27' ],
	[ 'chunk: its own successor', 'short', in_slot($TIDS, $CHUNKS, 0, 8, sub { my ($f, $b) = @_; return u32($b << 8) }), 'INV-27' ],
	[ 'chunk: successor nowhere', 'short', in_slot($TIDS, $CHUNKS, 0, 8, u32(0x00FFFF01)), 'INV-27' ],
	[ 'a TID beyond the table', 'short', in_slot($GROWING, 0, 0, 0, pack('SSS', 0, 9000, 1)), 'INV-1 INV-28' ],
	[ 'a TID beyond a page of the table', 'short', in_slot($GROWING, 0, 0, 0, pack('SSS', 0, 0, 2000)), 'INV-1 INV-28' ],
	[ 'no graph', 'short', in_meta(40, u8(0)), 'INV-29' ],
	[ 'a graph in a flat index', 'flat', in_meta(40, u8(1)), 'INV-29' ]);

# Bytes at random in one page of a hundred, which is one of these indexes', in
# the headers and anywhere; the same in each run unless another seed is given.
my $seed = $ENV{VECAM_TEST_SEED} || 1;
my $random_rounds = $ENV{VECAM_TEST_ROUNDS} || 40;
srand $seed;
note "VECAM_TEST_SEED=$seed";
sub scribble
{
	my ($f) = @_;

	for (1 .. 1 + $f->nblocks / 100)
	{
		my $b = int(rand($f->nblocks));
		my $n = 1 + int(rand(8));

		for (1 .. $n)
		{
			my $r = rand();

			$f->put($b, $r < 0.3 ? int(rand(64)) : $r < 0.4 ? 8184 + int(rand(8)) : int(rand($blcksz)), u8(int(rand(256))));
		}
	}
	return;
}
my $first_random = @damages;
push @damages, map { [ "scribble $_", $_ % 6 == 5 ? 'long' : $_ % 6 == 4 ? 'flat' : 'short', \&scribble, undef ] } 1 .. $random_rounds;

my %options = (short => 'kind = hnsw', flat => 'kind = flat', long => 'kind = hnsw');
$node->safe_psql('postgres', join '', map {
		my $kind = $damages[$_][1];
		sprintf "SELECT make_copy('d%d', '%s', '%s');\n", $_, $kind eq 'flat' ? 'short' : $kind, $options{$kind}
	} 0 .. $#damages);
set_parts();
my %files;
for my $row (split /\n/, $node->safe_psql('postgres',
		q(SELECT relname, pg_relation_filepath(oid) FROM pg_class WHERE relname ~ '^d[0-9]+_v$')))
{
	my ($name, $file) = split /\|/, $row;
	$files{$name} = $file;
}
$node->stop;
for my $i (0 .. $#damages)
{
	my $file = IndexFile->new($node->data_dir . '/' . $files{"d${i}_v"});

	$damages[$i][2]->($file);
	$file->save;
}
$node->start;

# The invariants that the check names for a copy.
sub named
{
	my ($i) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', qq(
		SET statement_timeout = '60s';
		SELECT string_agg(DISTINCT invariant, ' ' ORDER BY invariant) FROM vecam_check('d${i}_v', true);));

	return $ret == 0 ? $out : "error: $err";
}

my $raised = 0;
for my $i (0 .. $#damages)
{
	my ($name, $kind, $damage, $expected) = @{ $damages[$i] };
	my $named = named($i);

	if (!defined $expected)
	{
		$raised++ if $named =~ /^error/;
		diag "$name of $kind: $named" if $named =~ /^error/;
		next;
	}
	my @missing = grep { my $want = $_; !grep { $_ eq $want } split / /, $named } split / /, $expected;

	ok($expected eq '' ? $named eq '' : !@missing, "$name: $expected")
	  or diag "named: $named";
}
is($raised, 0, "random bytes raise nothing (VECAM_TEST_SEED=$seed)");

# What others do on damaged pages ends, and tells what it was.
my @operations = (
	[ scan => 'SELECT count(*) FROM (SELECT id FROM %1$s ORDER BY v <=> test_vector(3, %2$d)) s' ],
	[ limit => 'SELECT id FROM %1$s ORDER BY v <=> test_vector(5, %2$d) LIMIT 5' ],
	[ null => 'SELECT count(*) FROM (SELECT id FROM %1$s ORDER BY v <=> (SELECT NULL::vector(%2$d))) s' ],
	[ insert => 'INSERT INTO %1$s SELECT i, CASE i %% 4 WHEN 0 THEN NULL ELSE test_vector(i, %2$d) END FROM generate_series(1, 6) i' ],
	[ seal => q(SELECT vecam_seal('%1$s_v')) ],
	[ delete => 'DELETE FROM %1$s WHERE id %% 2 = 0' ],
	[ vacuum => 'VACUUM %1$s' ],
	[ stats => q(SELECT count(*) FROM vecam_stats('%1$s_v')) ],
	[ check => q(SELECT count(*) FROM vecam_check('%1$s_v', true)) ]);

# Errors that tell of damage: ours, of a version that we do not know, what the
# server says of a page header or of a block that does not exist; and what a
# code or a TID that is not its row's leads to.
my $told = qr/^(XX002|XX001|0A000|42809): /;
my $misled = qr/^XX000: (index returned tuples in wrong order|page \d+ of relation "d\d+" should be empty)|^\w{5}: could not (open|read) (file|block)|^22000: .* dimensions/;

sub run_operations
{
	my ($i) = @_;
	my $script = "\\set VERBOSITY verbose\n"
	  . "SET statement_timeout = '30s'; SET enable_seqscan = off; SET enable_sort = off;\n"
	  . join '', map { "\\warn == $_->[0]\n" . sprintf($_->[1], "d$i", $damages[$i][1] eq 'long' ? $long_dims : $dims) . ";\n" } @operations;
	my $timed_out = 0;
	my ($ret, $out, $err) = $node->psql('postgres', $script, on_error_stop => 0, timeout => 180, timed_out => \$timed_out);
	my $current = '';
	my @bad;

	for my $line (split /\n/, $err)
	{
		$current = $1 if $line =~ /^== (\w+)/;
		next unless $line =~ /(?:ERROR|FATAL|PANIC):\s+(.*)/;
		push @bad, "$current: $1" unless $current ne 'check' && ($1 =~ $told || $1 =~ $misled);
	}
	push @bad, 'hangs' if $timed_out;
	push @bad, 'crash' if $ret == 2;
	return @bad;
}

my $sane = 0;
for my $i (0 .. $#damages)
{
	my @bad = run_operations($i);

	$sane++ unless @bad;
	diag "$damages[$i][0] of $damages[$i][1]: " . join '; ', @bad if @bad;
	if (grep { /crash|hangs/ } @bad)
	{
		$node->stop('immediate');
		$node->start;
	}
}
is($sane, scalar @damages, 'other operations end, and tell what it was');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'the server did not crash');
$node->stop;
done_testing();
