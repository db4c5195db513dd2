# Logical replication into a table with vecam indexes: the apply worker inserts,
# updates and deletes as any session does.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GraphTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecamTest;

my $publisher = new_node('publisher', allows_streaming => 'logical');
my $subscriber = new_node('subscriber');
my $table = q(
CREATE TABLE keyed (id int PRIMARY KEY, n int, v vector(6));
CREATE TABLE full_rows (id int, n int, v vector(6));
ALTER TABLE full_rows REPLICA IDENTITY FULL;
);

for my $node ($publisher, $subscriber)
{
	$node->start;
	add_helpers($node);
	add_graph_helpers($node);
	$node->safe_psql('postgres', $table);
}
$subscriber->safe_psql(
	'postgres', q(
CREATE INDEX ON keyed USING vecam (v) WITH (kind = hnsw, seal_threshold = 50);
CREATE INDEX ON keyed USING vecam (v vector_cosine_ops) WITH (kind = flat);
CREATE INDEX ON full_rows USING vecam (v) WITH (kind = hnsw, seal_threshold = 50);
));

# Rows that are copied, and rows that are applied
$publisher->safe_psql(
	'postgres', q(
INSERT INTO keyed SELECT i, 0, CASE i % 9 WHEN 0 THEN NULL ELSE graph_vector(i, 6) END FROM generate_series(1, 500) i;
INSERT INTO full_rows SELECT i, 0, graph_vector(i, 6) FROM generate_series(1, 100) i;
CREATE PUBLICATION p FOR TABLE keyed, full_rows;
));
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION p");
$subscriber->wait_for_subscription_sync($publisher, 's');

sub compare
{
	my ($what) = @_;

	$publisher->wait_for_catchup('s');
	for my $tab ('keyed', 'full_rows')
	{
		my $query = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM $tab t";

		is($subscriber->safe_psql('postgres', $query), $publisher->safe_psql('postgres', $query), "$what: $tab is the same");
		graph_is_whole($subscriber, $tab, '<->', 6, $what);
		indexes_are_sound($subscriber, $tab, $what);
	}
	is_consistent($subscriber, 'keyed', 6, $what, '<=>');
	return;
}
compare('copied');

$publisher->safe_psql(
	'postgres', q(
INSERT INTO keyed SELECT i, 0, graph_vector(i, 6) FROM generate_series(501, 1200) i;
UPDATE keyed SET n = n + 1 WHERE id % 3 = 0;
UPDATE keyed SET v = graph_vector(id + 5000, 6) WHERE id % 7 = 0;
DELETE FROM keyed WHERE id % 5 = 0;
UPDATE full_rows SET v = graph_vector(id + 5000, 6) WHERE id % 2 = 0;
DELETE FROM full_rows WHERE id % 10 = 0;
BEGIN;
INSERT INTO keyed SELECT i, 0, graph_vector(i, 6) FROM generate_series(2001, 2100) i;
SAVEPOINT a;
INSERT INTO keyed SELECT i, 0, graph_vector(i, 6) FROM generate_series(2101, 2200) i;
ROLLBACK TO a;
COMMIT;
));
compare('applied');

# VACUUM and sealing on the subscriber while changes are applied.  The number of
# changes is given, not their time: what comes after the last VACUUM stays as dead
# rows, and a fast publisher would leave a hundred for each live one.
my $load = start_load($publisher, q(
\set i random(1, 1000000)
INSERT INTO keyed SELECT (SELECT max(id) FROM keyed) + k, 0, graph_vector(:i + k, 6) FROM generate_series(1, 30) k;
DELETE FROM keyed WHERE id < (SELECT min(id) + 30 FROM keyed);
), 1, 0, transactions => 200);
my $maintenance = start_load($subscriber, q(
VACUUM keyed;
SELECT vecam_seal('keyed_v_idx');
), 1, 4);
unlike(end_load($_), qr/ERROR|abort/i, 'no error') for $load, $maintenance;
compare('churned');

log_is_clean($subscriber, 'subscriber', qr/terminating/);
$subscriber->stop;
$publisher->stop;
done_testing();
