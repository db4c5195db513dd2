-- Index scans return what a sequential scan and a sort return.

SET client_min_messages = warning;

-- The checker tells when it has compared a sort with a sort.
CREATE TABLE checked (id int, v vector(2));
INSERT INTO checked SELECT i, test_vector(i, 2) FROM generate_series(1, 10) i;
SELECT check_order('checked', '<->', '[1,2]');
CREATE INDEX checked_v ON checked USING vecam (v);
SELECT check_order('checked', '<->', '[1,2]');
SELECT check_order('checked', '<=>', '[1,2]');
DROP TABLE checked;

--
-- Dimensions, metrics, and ways for a row to come into the index
--

-- Rows first to last: some NULL, some zero, some equal.
CREATE FUNCTION fill(tab text, dims int, first int, last int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %1$s SELECT i, CASE i %% 20
			WHEN 0 THEN NULL
			WHEN 1 THEN array_fill(0::real, ARRAY[%2$s])::vector
			WHEN 2 THEN test_vector(1, %2$s)
			ELSE test_vector(i, %2$s) END
		FROM generate_series(%3$s, %4$s) i', tab, dims, first, last);
END
$$;

-- Fill a table d<dims> before ('full'), after ('empty') or around ('half') the
-- building of its indexes, and read it through each of them.
CREATE FUNCTION check_dimensions(dims int, rows int)
RETURNS TABLE (state text, op text, result text) LANGUAGE plpgsql AS $$
DECLARE
	tab text := 'd' || dims;
	split int;
BEGIN
	FOREACH state IN ARRAY ARRAY['full', 'empty', 'half'] LOOP
		split := CASE state WHEN 'full' THEN rows WHEN 'empty' THEN 0
			ELSE rows / 2 END;
		EXECUTE format('DROP TABLE IF EXISTS %s', tab);
		EXECUTE format('CREATE TABLE %s (id int PRIMARY KEY, v vector(%s))',
					   tab, dims);
		PERFORM fill(tab, dims, 1, split);
		EXECUTE format('CREATE INDEX ON %s USING vecam (v)', tab);
		EXECUTE format('CREATE INDEX ON %s USING vecam (v vector_ip_ops)', tab);
		EXECUTE format('CREATE INDEX ON %s USING vecam (v vector_cosine_ops)', tab);
		PERFORM fill(tab, dims, split + 1, rows);
		FOREACH op IN ARRAY ARRAY['<->', '<#>', '<=>'] LOOP
			SELECT string_agg(DISTINCT r, ', ') INTO result
			FROM (VALUES (test_vector(1, dims)), (test_vector(-7, dims)),
				(array_fill(0::real, ARRAY[dims])::vector)) AS q (x),
				check_order(tab, op, x::text) AS r;
			RETURN NEXT;
		END LOOP;
	END LOOP;
END
$$;

-- 4,000 dimensions are the most whose code fits a slot.
SELECT dims, state, op, result
FROM (VALUES (1, 700), (2, 700), (3, 700), (17, 700), (64, 700), (100, 700),
		(784, 300), (8000, 60), (4000, 40), (4001, 40), (16000, 60)) AS t (dims, rows),
	check_dimensions(dims, rows)
WHERE result <> 'ok';

SELECT rows, growing_rows, undefined_rows, null_rows, has_mean
FROM vecam_stats('d17_v_idx');
SELECT rows, growing_rows, undefined_rows, null_rows, has_mean
FROM vecam_stats('d17_v_idx2');
SELECT dims, s.metric, s.dimensions, s.bytes_per_growing_entry, s.extent_pages > 2 AS long
FROM unnest(ARRAY[3, 4000, 4001, 16000]) AS dims,
	vecam_stats(('d' || dims || '_v_idx1')::regclass) AS s;

-- Without the rows that VACUUM removes, and with others in their place
DELETE FROM d3 WHERE id % 3 = 0;
DELETE FROM d784 WHERE id % 3 = 0;
DELETE FROM d8000 WHERE id % 3 = 0;
DELETE FROM d16000 WHERE id % 3 = 0;
SELECT tab, op, check_order(tab, op, test_vector(-7, substr(tab, 2)::int)::text)
FROM unnest(ARRAY['d3', 'd784', 'd8000', 'd16000']) AS tab,
	unnest(ARRAY['<->', '<=>']) AS op;
VACUUM d3, d784, d8000, d16000;
SELECT tab, op, check_order(tab, op, test_vector(-7, substr(tab, 2)::int)::text)
FROM unnest(ARRAY['d3', 'd784', 'd8000', 'd16000']) AS tab,
	unnest(ARRAY['<->', '<=>']) AS op;
SELECT c.relname, c.reltuples = h.reltuples AND c.reltuples = s.rows AS counted
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
	JOIN pg_class h ON h.oid = i.indrelid, vecam_stats(c.oid) s
WHERE c.relname ~ '^d(3|784|8000|16000)_v_idx' ORDER BY 1;
-- extents of removed rows are free pages, and are used again
CREATE TEMP TABLE pages AS SELECT pages, free_pages FROM vecam_stats('d16000_v_idx');
SELECT free_pages > 30 FROM pages;
INSERT INTO d16000 SELECT i, test_vector(i, 16000) FROM generate_series(1001, 1015) i;
SELECT s.pages = p.pages, s.free_pages < p.free_pages
FROM vecam_stats('d16000_v_idx') s, pages p;
INSERT INTO d3 SELECT i, test_vector(i, 3) FROM generate_series(1001, 1200) i;
UPDATE d3 SET v = test_vector(id + 5000, 3) WHERE id % 5 = 0;
UPDATE d3 SET id = -id WHERE id % 7 = 0;
UPDATE d16000 SET v = test_vector(id + 5000, 16000) WHERE id % 5 = 0;
SELECT tab, op, check_order(tab, op, test_vector(-7, substr(tab, 2)::int)::text)
FROM unnest(ARRAY['d3', 'd16000']) AS tab, unnest(ARRAY['<->', '<#>', '<=>']) AS op;
DELETE FROM d3;
SELECT check_order('d3', '<->', '[1,2,3]', 0);
VACUUM d3;
SELECT rows, growing_pages, tid_pages FROM vecam_stats('d3_v_idx');
INSERT INTO d3 VALUES (1, '[1,2,3]'), (2, NULL), (3, '[0,0,0]');
SELECT op, check_order('d3', op, '[1,2,3]') FROM unnest(ARRAY['<->', '<#>', '<=>']) AS op;

--
-- More rows than one pass keeps
--

CREATE TABLE many (id int PRIMARY KEY, v vector(2));
INSERT INTO many SELECT i, ARRAY[i % 200, i / 200]::vector FROM generate_series(1, 20000) i;
INSERT INTO many SELECT i, NULL FROM generate_series(20001, 22000) i;
CREATE INDEX many_v ON many USING vecam (v) WITH (kind = flat);
SELECT n, check_order('many', '<->', '[70.3,21]', n)
FROM unnest(ARRAY[0, 1, 511, 512, 513, 1025, 10000, NULL]) AS n;
SELECT heap_rows, growing_rows FROM vecam_last_search();
SET vecam.scan_mem = '64kB';
SELECT n, check_order('many', '<->', '[70.3,21]', n)
FROM unnest(ARRAY[513, 5000, NULL]) AS n;
-- the first pass keeps 512 rows and each of the others 4,096
SELECT heap_rows, growing_rows = 20000 * 6 AS six_passes FROM vecam_last_search();
-- equal distances: 20,000 of them
UPDATE many SET v = '[1,1]' WHERE v IS NOT NULL;
SELECT check_order('many', '<->', '[70.3,21]');
RESET vecam.scan_mem;
SELECT check_order('many', '<->', '[70.3,21]');
SELECT count(*) FROM (SELECT id FROM many ORDER BY v <-> NULL::vector) s;
DROP TABLE many;

--
-- Rows without a distance, queries without one
--

SET enable_seqscan = off;
SET enable_sort = off;
CREATE TABLE odd (id int, v vector(2));
INSERT INTO odd VALUES (1, '[1,0]'), (2, '[0,0]'), (3, NULL), (4, '[0,1]'),
	(5, '[-1,0]'), (6, NULL), (7, '[0,0]');
CREATE INDEX odd_l2 ON odd USING vecam (v);
CREATE INDEX odd_cosine ON odd USING vecam (v vector_cosine_ops);
SELECT id, v, v <=> '[2,0]' AS d FROM odd ORDER BY v <=> '[2,0]';
EXPLAIN (COSTS OFF) SELECT id FROM odd ORDER BY v <=> '[0,0]';
SELECT DISTINCT v, v <=> '[0,0]' AS d FROM (SELECT v FROM odd ORDER BY v <=> '[0,0]') s ORDER BY v;
SELECT count(*) FROM (SELECT id FROM odd ORDER BY v <=> '[0,0]') s;
SELECT id, v, v <-> '[2,0]' AS d FROM odd ORDER BY v <-> '[2,0]';
PREPARE by_l2 (vector) AS SELECT id FROM odd ORDER BY v <-> $1;
PREPARE by_cosine (vector, int) AS SELECT id FROM odd ORDER BY v <=> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE by_l2 ('[2,0]');
EXECUTE by_l2 ('[2,0]');
SELECT growing_rows, heap_rows FROM vecam_last_search();
CREATE TEMP TABLE null_query AS EXECUTE by_l2 (NULL);
SELECT count(DISTINCT id) FROM null_query;
EXECUTE by_cosine ('[2,0]', 3);
EXECUTE by_cosine ('[2,0]', 0);
EXECUTE by_l2 ('[1,2,3]');
SET plan_cache_mode = force_custom_plan;
EXECUTE by_cosine ('[0,-1]', 3);
RESET plan_cache_mode;
DEALLOCATE ALL;
-- only rows without a distance
DELETE FROM odd WHERE v <> '[0,0]';
SELECT id, v <=> '[2,0]' AS d FROM odd ORDER BY v <=> '[2,0]', id;
TRUNCATE odd;
SELECT id FROM odd ORDER BY v <=> '[2,0]';
SELECT id FROM odd ORDER BY v <=> NULL;
DROP TABLE odd;

--
-- Components at the ends of float4's range, and vectors that nearly coincide
--

-- A bound above the distance that the operator computes would be an error.
CREATE TABLE hard (id int, v vector(4));
INSERT INTO hard
SELECT row_number() OVER (), w::vector
FROM unnest('{3.4e38,-3e38,1,1e-20,1.1754944e-38,1e-45,-3e-45,0,-0}'::float4[]) AS a,
	unnest('{3.4e38,-3e38,1,1e-20,1.1754944e-38,1e-45,-3e-45,0,-0}'::float4[]) AS b,
	LATERAL (VALUES (ARRAY[a, b, a, b]), (ARRAY[a, 0, 0, b])) AS c (w);
INSERT INTO hard
SELECT 1000 + i * 20 + j, ARRAY[1000 + i * x, 1000, 1 - i * x, 3]::vector
FROM generate_series(0, 40) i,
	unnest('{1e-7,1.2e-4,1e-3,1}'::float8[]) WITH ORDINALITY AS u (x, j);
CREATE FUNCTION check_hard() RETURNS TABLE (op text, result text)
LANGUAGE sql AS $$
	SELECT op, string_agg(DISTINCT r, ', ')
	FROM unnest(ARRAY['<->', '<#>', '<=>']) AS op,
		(SELECT v FROM hard UNION SELECT '[3.4e38,3.4e38,3.4e38,3.4e38]'
			UNION SELECT '[1e-45,0,0,0]') AS q,
		check_order('hard', op, v::text) AS r
	GROUP BY op
$$;
-- with the mean of all, and without one
CREATE INDEX hard_l2 ON hard USING vecam (v);
CREATE INDEX hard_ip ON hard USING vecam (v vector_ip_ops);
CREATE INDEX hard_cosine ON hard USING vecam (v vector_cosine_ops);
SELECT * FROM check_hard();
CREATE TEMP TABLE kept AS SELECT * FROM hard;
TRUNCATE hard;
INSERT INTO hard SELECT * FROM kept;
SELECT * FROM check_hard();
-- with the mean of the small ones only, of the near ones only
TRUNCATE hard;
INSERT INTO hard SELECT * FROM kept WHERE id < 1000 AND v <-> '[0,0,0,0]' < 1;
REINDEX TABLE hard;
INSERT INTO hard SELECT * FROM kept EXCEPT SELECT * FROM hard;
SELECT * FROM check_hard();
TRUNCATE hard;
INSERT INTO hard SELECT * FROM kept WHERE id >= 1000;
REINDEX TABLE hard;
INSERT INTO hard SELECT * FROM kept EXCEPT SELECT * FROM hard;
SELECT * FROM check_hard();
DROP TABLE hard;

-- near duplicates in many dimensions, far from the origin and at it
CREATE TABLE near (id int, v vector(256));
INSERT INTO near SELECT i, (SELECT array_agg((shift + hashint4(k) % 100 +
			CASE WHEN k % 40 = i % 40 THEN (hashint4(i) % 10) * 1e-6 * greatest(shift, 1) ELSE 0 END)::real)
		FROM generate_series(1, 256) k)::vector
FROM generate_series(1, 200) i, LATERAL (SELECT (i % 3) * 10000.0 AS shift) s;
CREATE INDEX near_l2 ON near USING vecam (v);
CREATE INDEX near_ip ON near USING vecam (v vector_ip_ops);
CREATE INDEX near_cosine ON near USING vecam (v vector_cosine_ops);
SELECT op, string_agg(DISTINCT r, ', ')
FROM unnest(ARRAY['<->', '<#>', '<=>']) AS op,
	(SELECT v FROM near WHERE id <= 30) AS q, check_order('near', op, v::text) AS r
GROUP BY op ORDER BY op;
DROP TABLE near;

--
-- Executor: rescans, joins, cursors, row locks, several ORDER BY expressions
--

CREATE TABLE pts (id int PRIMARY KEY, c int, v vector(3));
INSERT INTO pts SELECT i, i % 10, ARRAY[i, i * 7 % 13, i * 3 % 17]::vector
FROM generate_series(1, 1000) i;
INSERT INTO pts VALUES (1001, 1, NULL);
CREATE INDEX pts_v ON pts USING vecam (v);
ANALYZE pts;
CREATE TABLE queries (qid int, q vector(3));
INSERT INTO queries VALUES (1, '[5,5,5]'), (2, NULL), (3, '[900.2,1,2]'),
	(4, '[0,0,0]'), (5, NULL), (6, '[5,5,5]');

EXPLAIN (COSTS OFF)
SELECT qid, id FROM queries, LATERAL (SELECT id FROM pts ORDER BY v <-> q LIMIT 3) s;
SELECT qid, array_agg(id) FROM queries, LATERAL (SELECT id FROM pts ORDER BY v <-> q LIMIT 3) s
WHERE q IS NOT NULL GROUP BY qid ORDER BY qid;
SELECT qid, count(DISTINCT id) FROM queries, LATERAL (SELECT id FROM pts ORDER BY v <-> q LIMIT 700) s
GROUP BY qid ORDER BY qid;
SELECT qid, (SELECT id FROM pts ORDER BY v <-> q LIMIT 1) FROM queries WHERE q IS NOT NULL ORDER BY qid;
SELECT count(*) FROM queries, LATERAL (SELECT id FROM pts ORDER BY v <-> q LIMIT 0) s;
-- every row is its own nearest neighbour
SELECT count(*) FROM pts a, LATERAL (SELECT b.id FROM pts b ORDER BY b.v <-> a.v LIMIT 1) n
WHERE a.v IS NOT NULL AND n.id = a.id;
-- the same without the index
CREATE TEMP TABLE by_index AS SELECT a.id, n.d FROM pts a,
	LATERAL (SELECT b.v <-> a.v AS d FROM pts b WHERE b.c <> a.c ORDER BY b.v <-> a.v LIMIT 2) n WHERE a.id % 9 = 0;
SET enable_indexscan = off;
CREATE TEMP TABLE by_sort AS SELECT a.id, n.d FROM pts a,
	LATERAL (SELECT b.v <-> a.v AS d FROM pts b WHERE b.c <> a.c ORDER BY b.v <-> a.v LIMIT 2) n WHERE a.id % 9 = 0;
RESET enable_indexscan;
(TABLE by_index EXCEPT ALL TABLE by_sort) UNION ALL (TABLE by_sort EXCEPT ALL TABLE by_index);

-- filters and joins
SELECT id FROM pts WHERE c = 3 ORDER BY v <-> '[100,1,1]' LIMIT 4;
SELECT id FROM pts WHERE v <-> '[100,1,1]' < 9 ORDER BY v <-> '[100,1,1]';
SELECT p.id, o.id FROM pts p JOIN pts o ON o.id = p.id + 1 ORDER BY p.v <-> '[100,1,1]' LIMIT 3;
SELECT id FROM pts WHERE id IN (SELECT id FROM pts ORDER BY v <-> '[100,1,1]' LIMIT 3) ORDER BY id;
SELECT id FROM pts WHERE v IS NULL ORDER BY v <-> '[1,1,1]';
WITH nn AS MATERIALIZED (SELECT id, v <-> '[100,1,1]' AS d FROM pts ORDER BY d LIMIT 50)
SELECT id FROM nn WHERE d < 7 ORDER BY d;

-- several ORDER BY expressions, and directions that the index does not have
CREATE TEMP TABLE two_keys AS SELECT row_number() OVER () AS n, v <-> '[100,0,0]' AS a, v <-> '[0,0,50]' AS b
FROM (SELECT v FROM pts ORDER BY v <-> '[100,0,0]', v <-> '[0,0,50]') s;
SELECT count(*), count(DISTINCT (a, b)) > 900 AS different FROM two_keys;
SELECT count(*) FROM two_keys x JOIN two_keys y ON y.n = x.n + 1 WHERE (x.a, x.b) > (y.a, y.b);
-- the first key is NULL: the second one decides
SELECT array_agg(id) FROM (VALUES (NULL::vector), (NULL)) AS n (q),
	LATERAL (SELECT id FROM pts ORDER BY v <-> q, v <-> '[100,1,1]' LIMIT 3) s;
RESET enable_sort;
EXPLAIN (COSTS OFF) SELECT id FROM pts ORDER BY v <-> '[1,1,1]' DESC LIMIT 2;
EXPLAIN (COSTS OFF) SELECT id FROM pts ORDER BY v <-> '[1,1,1]' NULLS FIRST LIMIT 2;
EXPLAIN (COSTS OFF) SELECT id FROM pts ORDER BY v <=> '[1,1,1]' LIMIT 2;
EXPLAIN (COSTS OFF) SELECT id FROM pts ORDER BY '[1,1,1]'::vector <-> v LIMIT 2;
SELECT id FROM pts ORDER BY '[100,1,1]'::vector <-> v LIMIT 2;
SELECT id FROM pts ORDER BY v <-> '[100,1,1]', id LIMIT 4;
SET enable_sort = off;

-- cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM pts ORDER BY v <-> '[500.1,0,0]' LIMIT 9;
FETCH 3 FROM c;
FETCH ALL FROM c;
FETCH BACKWARD 2 FROM c;
FETCH ABSOLUTE 4 FROM c;
FETCH FIRST FROM c;
COMMIT;
-- a cursor does not see what comes later, nor miss what goes
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM pts ORDER BY v <-> '[500.1,0,0]';
FETCH 2 FROM c;
INSERT INTO pts SELECT i, -1, '[500.1,0,0]' FROM generate_series(2001, 2100) i;
DELETE FROM pts WHERE id BETWEEN 490 AND 510;
FETCH 4 FROM c;
MOVE FORWARD ALL FROM c;
COMMIT;
SELECT check_order('pts', '<->', '[500.1,0,0]');
-- a holdable one lives on, over VACUUM and the reuse of what it removes
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM pts ORDER BY v <-> '[100,1,1]' LIMIT 5;
COMMIT;
DELETE FROM pts WHERE id BETWEEN 90 AND 110;
VACUUM pts;
INSERT INTO pts SELECT i, -1, '[100,1,1]' FROM generate_series(2101, 2120) i;
FETCH ALL FROM h;
CLOSE h;
SELECT check_order('pts', '<->', '[100,1,1]');
DELETE FROM pts WHERE c = -1;

-- statements that read what they change
UPDATE pts SET v = '[700,1,1]' WHERE id IN (SELECT id FROM pts ORDER BY v <-> '[700,1,1]' LIMIT 20);
SELECT count(*) FROM pts WHERE v = '[700,1,1]';
DELETE FROM pts WHERE id IN (SELECT id FROM pts ORDER BY v <-> '[700,1,1]' LIMIT 20);
SELECT count(*) FROM pts WHERE v = '[700,1,1]';
INSERT INTO pts SELECT id + 5000, c, v FROM pts ORDER BY v <-> '[300,1,1]';
SELECT count(*) FROM pts;
INSERT INTO pts VALUES (1, 77, '[-1,-1,-1]'), (3000, 77, '[-1,-1,-1]')
	ON CONFLICT (id) DO UPDATE SET v = excluded.v, c = excluded.c;
SELECT id, c FROM pts ORDER BY v <-> '[-1,-1,-1]' LIMIT 3;
MERGE INTO pts USING (VALUES (1, '[-2,-2,-2]'::vector), (2, NULL), (3001, '[-2,-2,-2]')) AS s (id, v) ON pts.id = s.id
	WHEN MATCHED AND s.v IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET v = s.v
	WHEN NOT MATCHED THEN INSERT VALUES (s.id, 88, s.v);
SELECT id, c FROM pts ORDER BY v <-> '[-2,-2,-2]', id LIMIT 3;
WITH moved AS (DELETE FROM pts WHERE id = 3001 RETURNING *)
INSERT INTO pts SELECT 3002, c, v FROM moved;
SELECT id, c FROM pts ORDER BY v <-> '[-2,-2,-2]', id LIMIT 2;
SELECT check_order('pts', '<->', '[-2,-2,-2]');

-- transactions that fail
BEGIN;
INSERT INTO pts VALUES (4001, 0, '[-5,-5,-5]');
SAVEPOINT a;
INSERT INTO pts VALUES (4002, 0, '[-5,-5,-5]'), (4003, 0, NULL);
SELECT id FROM pts ORDER BY v <-> '[-5,-5,-5]' LIMIT 2;
ROLLBACK TO a;
INSERT INTO pts VALUES (4004, 0, '[-5,-5,-5]');
SAVEPOINT b;
INSERT INTO pts VALUES (4001, 0, '[-5,-5,-5]');
ROLLBACK TO b;
RELEASE b;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM pts ORDER BY v <-> '[-5,-5,-5]' LIMIT 2) s;
COMMIT;
BEGIN;
INSERT INTO pts SELECT i, 0, '[-5,-5,-5]' FROM generate_series(4100, 4900) i;
DELETE FROM pts WHERE id = 4001;
ROLLBACK;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM pts ORDER BY v <-> '[-5,-5,-5]' LIMIT 2) s;
SELECT check_order('pts', '<->', '[-5,-5,-5]');
VACUUM pts;
SELECT rows = (SELECT count(*) FROM pts) FROM vecam_stats('pts_v');
SELECT check_order('pts', '<->', '[-5,-5,-5]');

-- every rescan counts, and one search's figures are those of the last one
SELECT growing_rows, heap_rows > 0 AS fetched, nodes_visited FROM vecam_last_search();
SELECT id FROM pts ORDER BY v <-> '[300,1,1]' LIMIT 1;
SELECT growing_rows = (SELECT growing_rows FROM vecam_stats('pts_v')) AS all_scanned,
	distances_computed = growing_rows AS all_computed, heap_rows BETWEEN 2 AND 20 AS few_fetched,
	microseconds > 0 AS timed
FROM vecam_last_search();

DROP TABLE pts, queries, by_index, by_sort, two_keys, pages, kept, null_query;
DROP TABLE d1, d2, d3, d17, d64, d100, d784, d8000, d4000, d4001, d16000;
DROP FUNCTION check_hard, check_dimensions, fill;
