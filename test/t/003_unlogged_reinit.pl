# After a crash an unlogged index is empty and works; restoring a base backup
# gives the same.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $node = new_node('main', allows_streaming => 1);

$node->start;
add_helpers($node);
$node->safe_psql(
	'postgres', q(
CREATE UNLOGGED TABLE short (id serial PRIMARY KEY, v vector(5));
CREATE INDEX short_l2 ON short USING vecam (v) WITH (kind = flat);
INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 3000) i;
CREATE INDEX short_cosine ON short USING vecam (v vector_cosine_ops) WITH (kind = flat, m = 20);
CREATE UNLOGGED TABLE long (id serial PRIMARY KEY, v vector(9000));
INSERT INTO long (v) SELECT test_vector(i, 9000) FROM generate_series(1, 30) i;
CREATE INDEX long_l2 ON long USING vecam (v) WITH (kind = flat);
CREATE TABLE kept (id serial PRIMARY KEY, v vector(5));
INSERT INTO kept (v) SELECT test_vector(i, 5) FROM generate_series(1, 100) i;
CREATE INDEX kept_l2 ON kept USING vecam (v) WITH (kind = flat);
));
my $init = index_file($node, 'short_l2', '_init');

is(-s $init, 8192, 'the init fork is a meta page');

# A clean restart keeps the rows.
$node->restart;
is_consistent($node, 'short', 5, 'restarted', '<->', '<=>');
is_sound($node, 'restarted');
is($node->safe_psql('postgres', q(SELECT rows FROM vecam_stats('short_l2'))), '3000',
	'a restart keeps the rows');

sub check_reset
{
	my ($server, $what) = @_;

	is( $server->safe_psql(
			'postgres',
			q(SELECT string_agg(concat_ws(' ', c.relname, s.kind, s.metric, s.dimensions, s.rows, s.pages), ', ' ORDER BY c.relname)
				FROM pg_class c, vecam_stats(c.oid) s WHERE c.relname IN ('short_l2', 'short_cosine', 'long_l2'))),
		'long_l2 flat l2 9000 0 1, short_cosine flat cosine 5 0 1, short_l2 flat l2 5 0 1',
		"$what: the indexes are empty");
	is_consistent($server, 'short', 5, "$what, empty", '<->', '<=>');
	$server->safe_psql(
		'postgres', q(
		INSERT INTO short (v) SELECT CASE i % 9 WHEN 0 THEN NULL ELSE test_vector(i, 5) END FROM generate_series(1, 2000) i;
		INSERT INTO long (v) SELECT test_vector(i, 9000) FROM generate_series(1, 20) i;
		DELETE FROM short WHERE id % 3 = 0));
	$server->safe_psql('postgres', 'VACUUM');
	is_consistent($server, 'short', 5, "$what, filled", '<->', '<=>');
	is_consistent($server, 'long', 9000, "$what, filled", '<->');
	is_consistent($server, 'kept', 5, $what, '<->');
	is_sound($server, $what);
	return;
}

$node->stop('immediate');
$node->start;
check_reset($node, 'immediate stop');

# Killed while rows come: nothing of the old contents is left, in caches neither
my $load = start_load($node, q(INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 50) i;), 3, 30);
$node->poll_query_until('postgres', 'SELECT count(*) > 5000 FROM short');
crash($node);
end_load($load);
$node->start;
check_reset($node, 'crash under load');

# Created after the last checkpoint: the init fork comes from the log.
$node->safe_psql('postgres', 'CHECKPOINT');
$node->safe_psql(
	'postgres', q(
DROP TABLE short;
CREATE UNLOGGED TABLE short (id serial PRIMARY KEY, v vector(5));
INSERT INTO short (v) SELECT test_vector(i, 5) FROM generate_series(1, 500) i;
CREATE INDEX short_l2 ON short USING vecam (v) WITH (kind = flat);
CREATE INDEX short_cosine ON short USING vecam (v vector_cosine_ops) WITH (kind = flat);
));
crash($node);
$node->start;
check_reset($node, 'created after the checkpoint');

# A base backup has the init forks only.
$node->backup('base');
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'base');
$restored->append_conf('postgresql.conf', 'hot_standby = off');
unlink $restored->data_dir . '/standby.signal';
$restored->start;
$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
check_reset($restored, 'restored');

# From unlogged to logged
$node->safe_psql('postgres', 'ALTER TABLE short SET LOGGED');
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM short');
crash($node);
$node->start;
is($node->safe_psql('postgres', q(SELECT rows FROM vecam_stats('short_l2'))), $rows,
	'an index that has become logged survives');
is_consistent($node, 'short', 5, 'set logged', '<->', '<=>');

is_sound($_, 'at the end on ' . $_->name) for $node, $restored;
log_is_clean($_, $_->name, qr/terminating connection/) for $node, $restored;
$node->stop;
$restored->stop;
done_testing();
