-- When the planner takes the index.

SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		plan := plan || line;
	END LOOP;
	RETURN CASE WHEN plan LIKE '%using v_%' THEN 'vecam'
		WHEN plan LIKE '%using c_%' OR plan LIKE '%on c_%' THEN 'btree'
		WHEN plan LIKE '%Seq Scan%' THEN 'seqscan'
		ELSE plan END;
END
$$;

-- Tables of `rows` rows: id, a column c of ten rows each, a vector.
CREATE FUNCTION make_table(tab text, dims int, rows int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %s (id int, c int, v vector(%s)) WITH (autovacuum_enabled = off)', tab, dims);
	EXECUTE format('INSERT INTO %s SELECT i, i %% (%s / 10), test_vector(i, %s) FROM generate_series(1, %2$s) i',
				   tab, rows, dims);
	EXECUTE format('CREATE INDEX v_%1$s ON %1$s USING vecam (v) WITH (kind = flat)', tab);
	EXECUTE format('CREATE INDEX c_%1$s ON %1$s (c)', tab);
END
$$;
SELECT make_table('p' || dims || '_' || rows, dims, rows)
FROM (VALUES (3, 1000), (3, 20000), (128, 1000), (128, 3000), (784, 1000)) AS t (dims, rows);
VACUUM ANALYZE p3_1000, p3_20000, p128_1000, p128_3000, p784_1000;

CREATE VIEW tabs AS SELECT relname AS tab,
	split_part(substr(relname, 2), '_', 1)::int AS dims, split_part(relname, '_', 2)::int AS rows
FROM pg_class WHERE relkind = 'r' AND relname ~ '^p[0-9]+_[0-9]+$';
CREATE FUNCTION by_distance(dims int) RETURNS text LANGUAGE sql AS $$
	SELECT format('ORDER BY v <-> %L', test_vector(7, dims))
$$;

-- a few nearest rows: the index
SELECT tab, rows_wanted, plan_of(format('SELECT id FROM %s %s LIMIT %s', tab, by_distance(dims), rows_wanted))
FROM tabs, unnest(ARRAY[1, 10, 100]) AS rows_wanted ORDER BY dims, rows, rows_wanted;
-- all rows in order: no index
SELECT tab, plan_of(format('SELECT id FROM %s %s', tab, by_distance(dims)))
FROM tabs ORDER BY dims, rows;
-- ten rows that a btree finds: the btree
SELECT tab, plan_of(format('SELECT id FROM %s WHERE c = 5 %s LIMIT 10', tab, by_distance(dims)))
FROM tabs ORDER BY dims, rows;
-- half of the rows: the index
SELECT tab, plan_of(format('SELECT id FROM %s WHERE c < %s %s LIMIT 10', tab, rows / 20, by_distance(dims)))
FROM tabs ORDER BY dims, rows;
-- no order, or one that the index does not have: no index
SELECT query, plan_of(query)
FROM unnest(ARRAY['SELECT id FROM p3_20000', 'SELECT id FROM p3_20000 LIMIT 1',
	'SELECT count(*) FROM p3_20000', 'SELECT v FROM p3_20000 WHERE v = ''[1,2,3]''',
	'SELECT id FROM p3_20000 WHERE v IS NULL', 'SELECT id FROM p3_20000 WHERE v <-> ''[1,2,3]'' < 1',
	'SELECT id FROM p3_20000 ORDER BY v LIMIT 1', 'SELECT id FROM p3_20000 ORDER BY v <=> ''[1,2,3]'' LIMIT 1',
	'SELECT id FROM p3_20000 ORDER BY v <-> ''[1,2,3]'' DESC LIMIT 1',
	'SELECT id FROM p3_20000 ORDER BY -(v <-> ''[1,2,3]'') LIMIT 1',
	'SELECT max(v <-> ''[1,2,3]'') FROM p3_20000']) AS query;
-- the smallest is the first in order
SELECT plan_of('SELECT min(v <-> ''[1,2,3]'') FROM p3_20000');
-- not even where nothing else is wanted
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT query, plan_of(query)
FROM unnest(ARRAY['SELECT id FROM p3_20000', 'SELECT id FROM p3_20000 WHERE v = ''[1,2,3]''']) AS query;
-- nor a partial one whose predicate follows from the query
CREATE INDEX v_partial ON p3_20000 USING vecam (v) WITH (kind = flat) WHERE id > 100;
SELECT plan_of('SELECT id FROM p3_20000 WHERE id > 100');
SELECT plan_of('SELECT id FROM p3_20000 WHERE id > 100 ORDER BY v <-> ''[1,2,3]'' LIMIT 3');
DROP INDEX v_partial;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- rescans: the inner side of a nested loop
SELECT plan_of('SELECT q.id, n.id FROM p3_1000 q, LATERAL (SELECT id FROM p3_20000 ORDER BY v <-> q.v LIMIT 1) n WHERE q.id < 20');
SELECT plan_of('SELECT (SELECT id FROM p128_3000 p ORDER BY p.v <-> q.v LIMIT 1) FROM p128_3000 q WHERE q.c = 1');

-- the parameter of a generic plan
PREPARE nearest (vector, int) AS SELECT id FROM p3_20000 ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
SELECT plan_of('EXECUTE nearest (''[1,2,3]'', 5)');
RESET plan_cache_mode;

-- costs are numbers, whatever is known of the tables
CREATE FUNCTION costs_of(query text, OUT startup float8, OUT total float8) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	startup := plan -> 0 -> 'Plan' ->> 'Startup Cost';
	total := plan -> 0 -> 'Plan' ->> 'Total Cost';
END
$$;
CREATE TABLE unknown (id int, v vector(3)) WITH (autovacuum_enabled = off);
CREATE INDEX v_unknown ON unknown USING vecam (v) WITH (kind = flat);
CREATE INDEX v_unknown_partial ON unknown USING vecam (v) WITH (kind = flat) WHERE id > 5;
SET enable_seqscan = off;
CREATE FUNCTION check_costs() RETURNS TABLE (query text, sane bool) LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	FOREACH query IN ARRAY ARRAY['SELECT id FROM unknown ORDER BY v <-> ''[1,2,3]'' LIMIT 1',
		'SELECT id FROM unknown ORDER BY v <-> ''[1,2,3]''',
		'SELECT id FROM unknown WHERE id > 7 ORDER BY v <-> ''[1,2,3]'' LIMIT 1',
		'SELECT id FROM unknown WHERE id > 7',
		'SELECT a.id FROM unknown a JOIN unknown b USING (id) WHERE a.id > 7'] LOOP
		SELECT * INTO c FROM costs_of(query);
		sane := c.startup >= 0 AND c.startup <= c.total AND c.total < 1e12;
		RETURN NEXT;
	END LOOP;
END
$$;
SELECT reltuples FROM pg_class WHERE relname IN ('unknown', 'v_unknown');
SELECT * FROM check_costs();
INSERT INTO unknown SELECT i, test_vector(i, 3) FROM generate_series(1, 1000) i;
SELECT count(*) FROM check_costs() WHERE sane;
ANALYZE unknown;
SELECT count(*) FROM check_costs() WHERE sane;
SELECT relname, reltuples FROM pg_class WHERE relname IN ('unknown', 'v_unknown', 'v_unknown_partial') ORDER BY 1;
DELETE FROM unknown;
VACUUM ANALYZE unknown;
SELECT count(*) FROM check_costs() WHERE sane;
SELECT reltuples FROM pg_class WHERE relname IN ('unknown', 'v_unknown', 'v_unknown_partial') ORDER BY 1;
SET cpu_operator_cost = 0;
SET seq_page_cost = 0;
SET random_page_cost = 0;
SELECT count(*) FROM check_costs() WHERE sane;
RESET cpu_operator_cost;
RESET seq_page_cost;
RESET random_page_cost;
RESET enable_seqscan;

-- what is used is counted, once per search
SELECT pg_stat_reset_single_table_counters('v_p3_1000'::regclass);
DO $$
BEGIN
	PERFORM id FROM p3_1000 ORDER BY v <-> '[1,2,3]' LIMIT 1;
	PERFORM n.id FROM generate_series(1, 5) i, LATERAL
		(SELECT id FROM p3_1000 ORDER BY v <-> ARRAY[i, 2, 3]::vector LIMIT 1) n;
END
$$;
SELECT pg_stat_force_next_flush();
SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'v_p3_1000';

DROP VIEW tabs;
DROP TABLE p3_1000, p3_20000, p128_1000, p128_3000, p784_1000, unknown;
DROP FUNCTION plan_of, make_table, by_distance, costs_of, check_costs;
