-- The order of a graph's answers, whoever settles it: 8-bit codes, finer codes
-- or the table.  A look-ahead of more rows than there are makes a search
-- exhaustive, so that its answer is the sequential scan's to the last bit.
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

-- Random rows; from 601 on, rows that are hard to tell apart: equal but for the
-- last bits, with one 8-bit code and different finer codes, equal, mirrored
-- (at one distance from the zero vector), zero, and NULL.
CREATE FUNCTION order_vector(i int, n int) RETURNS vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN i <= 600 THEN array_agg((hashint4(i * 1000 + k) & 65535) / 32768.0 - 1)::real[]
		WHEN i <= 700 THEN array_agg((1 + k) * (1 + (hashint4(i * 1000 + k) & 3) * 1e-7))::real[]
		WHEN i <= 800 THEN array_agg(k % 5 - (hashint4(i * 1000 + k) & 7) * 1e-4)::real[]
		WHEN i <= 900 THEN array_agg(k % 7 + i % 3)::real[]
		WHEN i <= 960 THEN array_agg((k % 3 + 1) * CASE WHEN (hashint4(i) >> (k % 30)) & 1 = 0 THEN -1 ELSE 1 END)::real[]
		WHEN i <= 970 THEN array_agg(0)::real[]
		END::vector
	FROM generate_series(1, n) k
$$;

-- The distances of `rows` ids as the index gives them, computed outside of the
-- scan; as the scan itself gives them; and as a sort gives them.  `may_miss`
-- rows of nodes that no edge leads to may be lacking, in an order that is right.
CREATE FUNCTION check_ranks(tab text, op text, q vector, rows int, may_miss int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	by_distance text := format('FROM %1$s ORDER BY v %2$s %3$L::vector LIMIT %4$s', tab, op, q, coalesce(rows::text, 'ALL'));
	measure text := format('SELECT array_agg(t.v %1$s %2$L::vector ORDER BY n) FROM unnest($1) WITH ORDINALITY AS u (id, n) JOIN %3$s t USING (id)', op, q, tab);
	ids int[];
	outside float8[];
	inside float8[];
	want float8[];
BEGIN
	PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true),
		set_config('enable_sort', 'off', true);
	IF NOT plan_is_ordered('SELECT id ' || by_distance) THEN
		RETURN 'the index is not used';
	END IF;
	EXECUTE 'SELECT array_agg(id) FROM (SELECT id ' || by_distance || ') s' INTO ids;
	EXECUTE format('SELECT array_agg(d) FROM (SELECT v %s %L::vector AS d ', op, q) || by_distance || ') s' INTO inside;
	PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true),
		set_config('enable_sort', 'on', true);
	EXECUTE format('SELECT array_agg(d) FROM (SELECT v %s %L::vector AS d ', op, q) || by_distance || ') s' INTO want;
	EXECUTE measure INTO outside USING ids;
	PERFORM set_config('enable_indexscan', 'on', true);
	RETURN CASE
		WHEN (SELECT count(DISTINCT i) FROM unnest(ids) i) <> cardinality(ids) THEN 'a row is returned twice'
		WHEN inside IS DISTINCT FROM outside THEN 'other distances'
		WHEN inside IS NOT DISTINCT FROM want THEN 'ok'
		WHEN inside <> ARRAY(SELECT d FROM unnest(inside) d ORDER BY d) THEN 'not sorted'
		WHEN (SELECT count(*) FROM (SELECT unnest(want) EXCEPT ALL SELECT unnest(inside)) s) > may_miss THEN 'other rows'
		ELSE 'ok' END;
END
$$;

-- What is wrong with the answers to many queries: rows of the table, and others.
CREATE FUNCTION check_queries(tab text, op text, n int, limits int[] DEFAULT '{10,NULL}', may_miss int DEFAULT 0)
RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s for query %s, limit %s', r, i, k), '; ')
	FROM unnest(ARRAY[7, 601, 750, 811, 905, 965, 3601, 4750]) AS i,
		LATERAL (SELECT CASE WHEN i < 1000 THEN order_vector(i, n)
			ELSE order_vector(i % 1000, n) + (order_vector(i % 599 + 1, n) * array_fill(1e-5::real, ARRAY[n])::vector) END AS q) AS s,
		unnest(limits) AS k,
		check_ranks(tab, op, q, k, may_miss) AS r
	WHERE r <> 'ok'
$$;

CREATE TABLE settings AS
SELECT op, opclass, rerank, dims, format('o_%s_%s_%s', opclass, rerank, dims) AS tab
FROM (VALUES ('<->', 'l2'), ('<#>', 'ip'), ('<=>', 'cosine')) AS o (op, opclass),
	(VALUES ('page', 3), ('page', 24), ('heap', 24)) AS r (rerank, dims);
CREATE FUNCTION fill(tab text, dims int, ids int[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %s SELECT i, order_vector(i, %s) FROM unnest($1) i', tab, dims) USING ids;
END
$$;
DO $$
DECLARE
	s record;
BEGIN
	FOR s IN SELECT * FROM settings LOOP
		EXECUTE format('CREATE TABLE %s (id int PRIMARY KEY, v vector(%s))', s.tab, s.dims);
		PERFORM fill(s.tab, s.dims, ARRAY(SELECT i FROM generate_series(1, 980) i WHERE i % 2 = 0));
		EXECUTE format('CREATE INDEX %1$s_v ON %1$s USING vecam (v vector_%2$s_ops) WITH (kind = hnsw, rerank = %3$s)',
					   s.tab, s.opclass, s.rerank);
	END LOOP;
END
$$;
SET vecam.ef_search = 10000;

-- all rows in the graph; half of them in the growing list; all sealed
SELECT tab, r FROM settings, check_queries(tab, op, dims, '{1,10,100,NULL}') AS r WHERE r IS NOT NULL;
SELECT count(fill(tab, dims, ARRAY(SELECT i FROM generate_series(1, 980) i WHERE i % 2 = 1))) FROM settings;
SELECT tab, growing_rows, r FROM settings, check_queries(tab, op, dims) AS r, vecam_stats((tab || '_v')::regclass)
WHERE r IS NOT NULL OR growing_rows < 400;
SET vecam.scan_order = relaxed;
SELECT tab, r FROM settings, check_queries(tab, op, dims) AS r WHERE r IS NOT NULL;
RESET vecam.scan_order;
SELECT tab FROM settings WHERE vecam_seal((tab || '_v')::regclass) < 400;
SELECT tab, growing_rows, r FROM settings, check_queries(tab, op, dims, '{1,10,100,NULL}', 10) AS r, vecam_stats((tab || '_v')::regclass)
WHERE r IS NOT NULL OR growing_rows > 0;

-- fewer; then slots and nodes of rows that came back
SELECT format('DELETE FROM %s WHERE id %% 3 = 0', tab) FROM settings \gexec
SELECT tab, r FROM settings, check_queries(tab, op, dims, may_miss => 10) AS r WHERE r IS NOT NULL;
SELECT format('VACUUM %s', tab) FROM settings \gexec
SELECT tab, r FROM settings, check_queries(tab, op, dims, may_miss => 10) AS r WHERE r IS NOT NULL;
SELECT count(fill(tab, dims, ARRAY(SELECT i FROM generate_series(1, 980) i WHERE i % 3 = 0))) FROM settings;
SELECT tab FROM settings WHERE vecam_seal((tab || '_v')::regclass) < 300;
SELECT tab, r FROM settings, check_queries(tab, op, dims, may_miss => 10) AS r WHERE r IS NOT NULL;

-- a search of the default length may miss rows, but what it returns is sorted
RESET vecam.ef_search;
CREATE FUNCTION is_sorted(tab text, op text, q vector, rows int) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	ids int[];
	ds float8[];
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true);
	EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM %s ORDER BY v %s $1 LIMIT %s) s', tab, op, rows)
		INTO ids USING q;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true);
	EXECUTE format('SELECT array_agg(t.v %s $1 ORDER BY n) FROM unnest($2) WITH ORDINALITY AS u (id, n) JOIN %s t USING (id)', op, tab)
		INTO ds USING q, ids;
	RETURN cardinality(ds) = rows AND ds = ARRAY(SELECT d FROM unnest(ds) d ORDER BY d);
END
$$;
SELECT tab FROM settings, generate_series(1, 960, 31) i, unnest(ARRAY[1, 10, 100]) k
WHERE NOT is_sorted(tab, op, order_vector(i, dims), k) GROUP BY tab;
SET vecam.max_scan_tuples = 60;
SELECT tab FROM settings, generate_series(1, 960, 31) i, unnest(ARRAY[1, 60]) k
WHERE NOT is_sorted(tab, op, order_vector(i, dims), k) GROUP BY tab;
RESET vecam.max_scan_tuples;

-- who settles the order: for most rows of these the finer codes, where there are any
CREATE TABLE plain (id int PRIMARY KEY, v vector(24));
INSERT INTO plain SELECT i, order_vector(i, 24) FROM generate_series(1, 600) i;
CREATE FUNCTION rechecked(op text, opclass text, rerank text, OUT rows float8, OUT rechecks float8)
LANGUAGE plpgsql AS $$
DECLARE
	last record;
BEGIN
	EXECUTE format('CREATE INDEX plain_v ON plain USING vecam (v vector_%s_ops) WITH (kind = hnsw, rerank = %s)', opclass, rerank);
	PERFORM set_config('enable_seqscan', 'off', true);
	rows := 0;
	rechecks := 0;
	FOR i IN 1 .. 40 LOOP
		EXECUTE format('SELECT count(*) FROM (SELECT id FROM plain ORDER BY v %s $1 LIMIT 10) s', op)
			USING order_vector(i * 11, 24) + array_fill(0.01::real, ARRAY[24])::vector;
		SELECT * INTO last FROM vecam_last_search();
		rows := rows + last.heap_rows / 40.0;
		rechecks := rechecks + last.heap_rechecks / 40.0;
	END LOOP;
	DROP INDEX plain_v;
END
$$;
SELECT op, rerank, rows >= 10 AND (rerank = 'heap' OR rows < 10.8) AS table_rows,
	CASE rerank WHEN 'page' THEN rechecks < 3 ELSE rechecks = rows END AS rechecks
FROM (VALUES ('<->', 'l2'), ('<#>', 'ip'), ('<=>', 'cosine')) AS o (op, opclass),
	unnest('{page,heap}'::text[]) AS rerank, rechecked(op, opclass, rerank);
DROP TABLE plain;

-- Two vectors that have one 8-bit code (in an index without a mean, of seed 1) and
-- different finer codes, and one for each of two queries that is farther than the
-- one of them and nearer than the other.  They share a node, whose finer code must
-- not decide, be they both there or only one of them.
CREATE TABLE pair (id int, v vector(8));
CREATE INDEX pair_v ON pair USING vecam (v) WITH (kind = hnsw);
INSERT INTO pair SELECT i, ARRAY[1000 + i, i % 7, i % 5, 1, 2, 3, 4, 5]::vector FROM generate_series(1, 300) i;
CREATE TABLE three AS SELECT a, b, (a + b) * h AS mid, (b - a) * l AS way
FROM (VALUES ('[-79.25,-10,-13,18.25,88.5,60.5,-44.5,86.5]'::vector,
		'[-79.7353516,-10.3671875,-13.1123047,18.1865234,88.5292969,59.6669922,-43.8828125,86.4707031]'::vector)) AS v (a, b),
	LATERAL (SELECT array_fill(0.5::real, ARRAY[8])::vector AS h, array_fill(40::real, ARRAY[8])::vector AS l) AS s;
SELECT mid + way AS q, mid - way AS q2, mid + way + way AS c, mid - way - way AS c2, a, b FROM three \gset
INSERT INTO pair VALUES (1001, :'a'), (1003, :'c'), (1004, :'c2');
SELECT vecam_seal('pair_v');
SELECT live_nodes FROM vecam_stats('pair_v');
INSERT INTO pair VALUES (1002, :'b');
SELECT vecam_seal('pair_v');
SELECT rows, live_nodes FROM vecam_stats('pair_v');
SET enable_seqscan = off;
SELECT id, v <-> :'q' AS d FROM pair ORDER BY v <-> :'q' LIMIT 3;
SELECT id FROM pair ORDER BY v <-> :'q' LIMIT 3;
SELECT id FROM pair ORDER BY v <-> :'q2' LIMIT 3;
DELETE FROM pair WHERE id = 1001;
VACUUM pair;
SELECT id FROM pair ORDER BY v <-> :'q' LIMIT 2;
SELECT id FROM pair ORDER BY v <-> :'q2' LIMIT 2;
INSERT INTO pair VALUES (1001, :'a');
SELECT vecam_seal('pair_v');
DELETE FROM pair WHERE id = 1002;
VACUUM pair;
SELECT rows, live_nodes FROM vecam_stats('pair_v');
SELECT id FROM pair ORDER BY v <-> :'q' LIMIT 2;
SELECT id FROM pair ORDER BY v <-> :'q2' LIMIT 2;
-- equal vectors alone: the code decides again
DELETE FROM pair WHERE id = 1001;
VACUUM pair;
INSERT INTO pair VALUES (1005, :'b'), (1006, :'b');
SELECT vecam_seal('pair_v');
DELETE FROM pair WHERE id = 1005;
VACUUM pair;
SELECT id FROM pair ORDER BY v <-> :'q' LIMIT 2;
SELECT heap_rechecks FROM vecam_last_search();
-- A row of the growing list whose 8-bit code loses next to nothing, so that its
-- bound is its distance, a little nearer than a row of the graph and within that
-- one's interval.
INSERT INTO pair VALUES (1007, '[0,-40,40,0,0,-40,-40,-80]');
SELECT (b + g) * half + (g - b) * little AS q
FROM (VALUES (:'b'::vector, '[0,-40,40,0,0,-40,-40,-80]'::vector)) AS v (b, g),
	LATERAL (SELECT array_fill(0.5::real, ARRAY[8])::vector AS half, array_fill(1e-5::real, ARRAY[8])::vector AS little) AS s \gset
SELECT id FROM pair ORDER BY v <-> :'q' LIMIT 2;
SELECT id, round((v <-> :'q')::numeric, 2) AS d FROM pair ORDER BY v <-> :'q' LIMIT 2;
-- Vectors of one code and one finer code that are not equal: the node's interval
-- does not say which is nearer.
TRUNCATE pair;
INSERT INTO pair SELECT i, ARRAY[1000 + i, i % 7, i % 5, 1, 2, 3, 4, 5]::vector FROM generate_series(1, 300) i;
INSERT INTO pair VALUES (1001, '[-79.25,-10,-13,18.25,88.5,60.5,-44.5,86.5]'), (1002, '[-79.25,-10,-13,18.25,88.5,60.5000343,-44.5,86.5]');
SELECT vecam_seal('pair_v');
SELECT rows, live_nodes FROM vecam_stats('pair_v');
SELECT id FROM pair ORDER BY v <-> '[-79.25,-10,-13,18.25,88.5,40.5,-44.5,86.5]' LIMIT 2;
SELECT id FROM pair ORDER BY v <-> '[-79.25,-10,-13,18.25,88.5,80.5,-44.5,86.5]' LIMIT 2;
RESET enable_seqscan;
DROP TABLE pair, three;

--
-- Every way to ask
--

-- The answer as text, by the index and by a sort.
CREATE FUNCTION check_answer(query text, must_use_index boolean DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	collect text := 'SELECT string_agg(s::text, '' '') FROM (' || query || ') s';
	got text;
	want text;
	ordered boolean;
BEGIN
	PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true),
		set_config('enable_sort', 'off', true);
	ordered := array_to_string(ARRAY(SELECT plan_lines(query)), ' ') LIKE '%Order By: %';
	EXECUTE collect INTO got;
	PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true),
		set_config('enable_sort', 'on', true);
	EXECUTE collect INTO want;
	PERFORM set_config('enable_indexscan', 'on', true);
	RETURN CASE WHEN must_use_index AND NOT ordered THEN 'the index is not used' WHEN want IS NULL THEN 'no rows'
		WHEN got IS DISTINCT FROM want THEN format('%s, not %s', got, want) ELSE 'ok' END;
END
$$;
CREATE FUNCTION plan_lines(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query;
END
$$;
-- no two at one distance
CREATE TABLE ways (id int PRIMARY KEY, c int, v vector(24));
INSERT INTO ways SELECT i, i % 10, order_vector(i, 24) FROM generate_series(1, 600) i;
INSERT INTO ways SELECT i, i % 10, order_vector(i - 600, 24) + order_vector((i + 5) % 600 + 1, 24) * array_fill(1e-4::real, ARRAY[24])::vector
FROM generate_series(601, 1100) i;
CREATE INDEX ways_v ON ways USING vecam (v) WITH (kind = hnsw);
INSERT INTO ways SELECT i, i % 10, order_vector(i - 1100, 24) * array_fill(1.001::real, ARRAY[24])::vector FROM generate_series(1101, 1200) i;
INSERT INTO ways VALUES (1201, 3, NULL);
ANALYZE ways;
CREATE TABLE asked (qid int, q vector(24));
INSERT INTO asked SELECT i, order_vector(i, 24) + order_vector(i + 1, 24) * array_fill(0.01::real, ARRAY[24])::vector
FROM unnest('{3,99,505}'::int[]) i;
SET vecam.ef_search = 10000;
SELECT (order_vector(77, 24) + order_vector(78, 24) * array_fill(0.001::real, ARRAY[24])::vector)::text AS q \gset
CREATE FUNCTION near(v vector) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 1.0::float8';
SELECT query, check_answer(replace(query, 'Q', quote_literal(:'q')))
FROM unnest(ARRAY[
	'SELECT id FROM ways ORDER BY v <-> Q LIMIT 1',
	'SELECT id FROM ways ORDER BY v <-> Q LIMIT 30',
	'SELECT id FROM ways ORDER BY v <-> Q OFFSET 7 LIMIT 30',
	'SELECT id FROM ways ORDER BY v <-> Q LIMIT 2000',
	'SELECT id, v <-> Q AS d FROM ways ORDER BY v <-> Q LIMIT 30',
	'SELECT id, v <-> Q AS d FROM ways ORDER BY d LIMIT 30',
	'SELECT id, (v <-> Q) * 2 AS d FROM ways ORDER BY v <-> Q LIMIT 30',
	'SELECT id, round((v <-> Q)::numeric, 3) FROM ways ORDER BY v <-> Q LIMIT 30',
	'SELECT id, v FROM ways ORDER BY v <-> Q LIMIT 3',
	'SELECT ways FROM ways ORDER BY v <-> Q LIMIT 3',
	'SELECT id FROM ways ORDER BY v <-> Q FETCH FIRST 30 ROWS WITH TIES',
	'SELECT id FROM ways WHERE c = 3 ORDER BY v <-> Q LIMIT 30',
	'SELECT id FROM ways WHERE v <-> Q > 1 ORDER BY v <-> Q LIMIT 30',
	'SELECT id FROM (SELECT id, v <-> Q AS d FROM ways ORDER BY v <-> Q LIMIT 30) s WHERE d > 1',
	'SELECT id FROM (SELECT * FROM ways ORDER BY v <-> Q LIMIT 30) s WHERE v <-> Q > 1',
	'SELECT id FROM (SELECT id FROM ways ORDER BY v <-> Q LIMIT 30) s ORDER BY id',
	'SELECT id FROM ways WHERE id IN (SELECT id FROM ways ORDER BY v <-> Q LIMIT 30) ORDER BY id',
	'WITH n AS MATERIALIZED (SELECT id, c FROM ways ORDER BY v <-> Q LIMIT 30) SELECT a.id, b.id FROM n a JOIN n b ON b.id = a.id + 1 ORDER BY 1',
	'WITH n AS (SELECT id, v FROM ways ORDER BY v <-> Q LIMIT 30) SELECT id FROM n ORDER BY v <-> Q DESC',
	'(SELECT id FROM ways ORDER BY v <-> Q LIMIT 3) UNION ALL (SELECT id FROM ways WHERE c = 2 ORDER BY v <-> Q LIMIT 3)',
	'SELECT id FROM ((SELECT id, v FROM ways WHERE c = 1 ORDER BY v <-> Q LIMIT 9) UNION ALL (SELECT id, v FROM ways WHERE c = 2 ORDER BY v <-> Q LIMIT 9)) s ORDER BY v <-> Q LIMIT 10',
	'SELECT qid, id FROM asked, LATERAL (SELECT id FROM ways ORDER BY v <-> q LIMIT 10) s',
	'SELECT qid, id, d FROM asked, LATERAL (SELECT id, v <-> q AS d FROM ways ORDER BY v <-> q LIMIT 10) s ORDER BY qid, d',
	'SELECT qid, (SELECT id FROM ways ORDER BY v <-> q LIMIT 1), (SELECT v <-> q FROM ways ORDER BY v <-> q LIMIT 1) FROM asked',
	'SELECT qid, ARRAY(SELECT id FROM ways ORDER BY v <-> q LIMIT 10) FROM asked',
	'SELECT min(v <-> Q) FROM ways',
	'SELECT id, row_number() OVER (ORDER BY v <-> Q) FROM ways ORDER BY v <-> Q LIMIT 10',
	'SELECT DISTINCT c FROM (SELECT c FROM ways ORDER BY v <-> Q LIMIT 30) s ORDER BY c',
	'SELECT id, generate_series(1, 2) FROM ways ORDER BY v <-> Q LIMIT 10',
	'SELECT id, near(v), random() < 2 FROM ways ORDER BY v <-> Q LIMIT 10']) AS query;

-- an incremental sort, from PostgreSQL 16 on
SELECT query, check_answer(replace(query, 'Q', quote_literal(:'q')), false)
FROM unnest(ARRAY[
	'SELECT id FROM ways ORDER BY v <-> Q, id LIMIT 30',
	'SELECT id, v <-> Q FROM ways ORDER BY v <-> Q, id DESC LIMIT 30']) AS query;

-- ties at the limit: all rows of the last distance
CREATE FUNCTION ties(by_index boolean, k int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM set_config('enable_indexscan', by_index::text, true), set_config('enable_seqscan', (NOT by_index)::text, true);
	EXECUTE format('SELECT string_agg(id::text, '' '' ORDER BY id) FROM (SELECT id FROM o_l2_page_24 ORDER BY v <-> %L::vector FETCH FIRST %s ROWS WITH TIES) s',
		order_vector(811, 24), k) INTO result;
	RETURN result;
END
$$;
SELECT k, array_length(string_to_array(ties(true, k), ' '), 1) AS rows, ties(true, k) = ties(false, k) AS same
FROM unnest('{1,5,40,100}'::int[]) k;

-- row locks
BEGIN;
SET LOCAL enable_seqscan = off;
SELECT id FROM ways ORDER BY v <-> :'q' LIMIT 5 FOR UPDATE;
SELECT id FROM (SELECT id FROM ways ORDER BY v <-> :'q' LIMIT 5) s FOR UPDATE;
WITH u AS (UPDATE ways SET c = c WHERE id IN (SELECT id FROM ways ORDER BY v <-> :'q' LIMIT 5 FOR UPDATE) RETURNING id)
SELECT array_agg(id ORDER BY id) FROM u;
SET LOCAL enable_seqscan = on;
SET LOCAL enable_indexscan = off;
SELECT id FROM ways ORDER BY v <-> :'q' LIMIT 5;
ROLLBACK;

-- cursors, and a scan that goes on after others
BEGIN;
SET LOCAL enable_seqscan = off;
DECLARE few CURSOR FOR SELECT id FROM ways ORDER BY v <-> :'q' LIMIT 12;
DECLARE many CURSOR FOR SELECT id, (v <-> :'q') >= 0 AS d FROM ways ORDER BY v <-> :'q';
DECLARE back SCROLL CURSOR FOR SELECT id FROM ways ORDER BY v <-> :'q' LIMIT 12;
FETCH 1 FROM few;
FETCH 4 FROM many;
FETCH 3 FROM few;
FETCH 5 FROM back;
FETCH BACKWARD 2 FROM back;
MOVE 100 IN many;
FETCH ALL FROM few;
SET LOCAL enable_indexscan = off;
SET LOCAL enable_seqscan = on;
SELECT id FROM ways ORDER BY v <-> :'q' LIMIT 12;
COMMIT;

-- plans for any query vector
PREPARE ask (vector, int) AS SELECT id FROM ways ORDER BY v <-> $1 LIMIT $2;
PREPARE ask_cosine (vector) AS SELECT v <=> $1 FROM o_cosine_page_3 ORDER BY v <=> $1 LIMIT 3;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
EXECUTE ask (:'q', 5);
EXECUTE ask (order_vector(505, 24), 3);
CREATE TEMP TABLE for_null AS EXECUTE ask (NULL, 1201);
SELECT count(DISTINCT id) FROM for_null;
-- NaN for all that have a vector
CREATE TEMP TABLE for_zero AS EXECUTE ask_cosine ('[0,0,0]');
SELECT count(*) FROM for_zero;
EXECUTE ask_cosine ('[1,2,3]');
SET enable_indexscan = off;
SET enable_seqscan = on;
EXECUTE ask (:'q', 5);
EXECUTE ask (order_vector(505, 24), 3);
EXECUTE ask_cosine ('[1,2,3]');
RESET plan_cache_mode;
RESET enable_indexscan;
RESET vecam.ef_search;
DEALLOCATE ALL;

SELECT format('DROP TABLE %s', tab) FROM settings \gexec
DROP TABLE settings, ways, asked, for_null, for_zero;
DROP FUNCTION order_vector, check_ranks, check_queries, fill, is_sorted, rechecked,
	check_answer, plan_lines, near, ties;
