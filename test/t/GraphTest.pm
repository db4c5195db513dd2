# What the TAP tests of the graph share.
package GraphTest;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(add_graph_helpers graph_is_whole);

# graph_state reads an index of kind hnsw to its end: how many rows of the table
# does it miss or return twice, and which share of the ten nearest of 20 queries
# does it find?  Queries by inner product lie outside of the data, so they get a
# longer look-ahead.
my $helpers = q(
CREATE FUNCTION graph_vector(i int, n int) RETURNS vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((i % 16) * 37 * k % 11 + (hashint4(i * 1000 + k) & 65535) / 32768.0)::real[]::vector
	FROM generate_series(1, n) k
$$;
CREATE FUNCTION graph_state(tab text, op text, dims int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	whole text := format('SELECT array_agg(id) FROM (SELECT id FROM %s ORDER BY v %s $1) s', tab, op);
	nearest text := format('SELECT array_agg(d) FROM (SELECT v %1$s $1 AS d FROM %2$s ORDER BY v %1$s $1 LIMIT 10) s', op, tab);
	ids int[];
	exact float8[];
	found float8[];
	missed int;
	hits int := 0;
	wanted int := 0;
BEGIN
	PERFORM set_config('vecam.scan_order', 'relaxed', true), set_config('enable_sort', 'off', true);
	PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
	EXECUTE whole INTO ids USING graph_vector(-1, dims);
	EXECUTE format('SELECT count(*) FROM %s WHERE NOT id = ANY ($1)', tab) INTO missed USING ids;
	FOR i IN 1 .. 20 LOOP
		PERFORM set_config('vecam.scan_order', 'strict', true),
			set_config('vecam.ef_search', CASE op WHEN '<#>' THEN '1000' ELSE '0' END, true);
		PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
		EXECUTE nearest INTO found USING graph_vector(1000000 + i, dims);
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true);
		EXECUTE nearest INTO exact USING graph_vector(1000000 + i, dims);
		hits := hits + (SELECT count(*) FROM unnest(found) d WHERE d <= exact[cardinality(exact)]);
		wanted := wanted + cardinality(exact);
	END LOOP;
	RETURN format('missed %s, twice %s, recall %s', missed,
		cardinality(ids) - (SELECT count(DISTINCT i) FROM unnest(ids) i),
		CASE WHEN hits >= 0.97 * wanted THEN 'good' ELSE round(hits::numeric / wanted, 3)::text END);
END
$$;
);

sub add_graph_helpers
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'CREATE EXTENSION IF NOT EXISTS vecam');
	$node->safe_psql('postgres', $helpers);
	return;
}

# One test: every row of the table is in the graph once, and is found.
sub graph_is_whole
{
	my ($node, $tab, $op, $dims, $what) = @_;

	is( $node->safe_psql('postgres',
			"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT graph_state('$tab', '$op', $dims); COMMIT"),
		'missed 0, twice 0, recall good', "$what: $tab");
	return;
}

1;
