-- Distances that nobody looks at are not computed: where a plan says so, and
-- where it must not.
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

CREATE TABLE u (id int PRIMARY KEY, c int, v vector(3), w vector(3));
INSERT INTO u SELECT i, i % 10, test_vector(i, 3), test_vector(i + 7, 3) FROM generate_series(1, 500) i;
CREATE INDEX u_v ON u USING vecam (v) WITH (kind = hnsw);
CREATE TABLE parts (id int, v vector(3)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (251);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (251) TO (501);
INSERT INTO parts SELECT id, v FROM u;
CREATE INDEX parts_v ON parts USING vecam (v) WITH (kind = flat);
CREATE TABLE points (id int, p point);
INSERT INTO points SELECT i, point(i, i) FROM generate_series(1, 500) i;
CREATE INDEX points_p ON points USING gist (p);
ANALYZE u, parts, points;

-- Does the plan scan in the order of an index, and does it leave out a distance?
CREATE FUNCTION unseen(query text, OUT ordered boolean, OUT left_out int) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	ordered := false;
	left_out := 0;
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
		ordered := ordered OR line LIKE '%Order By: %';
		IF line LIKE '%Output: %NULL::double precision%' THEN
			left_out := left_out + 1;
		END IF;
	END LOOP;
END
$$;
SET enable_seqscan = off;
SET enable_sort = off;

EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM u ORDER BY v <-> '[1,2,3]' LIMIT 10;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, v <-> '[1,2,3]' AS d FROM u ORDER BY v <-> '[1,2,3]' LIMIT 10;

-- left out
SELECT query, u.* FROM unnest(ARRAY[
	'SELECT id FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10',
	'SELECT id, v FROM u ORDER BY v <-> ''[1,2,3]'' OFFSET 3 LIMIT 10',
	'SELECT id FROM u WHERE c = 3 ORDER BY v <-> ''[1,2,3]'' LIMIT 10',
	'SELECT id, v <-> ''[1,2,4]'' FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10',
	'SELECT count(*) FROM (SELECT id FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10) s',
	'SELECT id FROM u WHERE id IN (SELECT id FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10)',
	'SELECT (SELECT id FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 1)',
	'SELECT a.id, b.id FROM u a, LATERAL (SELECT id FROM u ORDER BY v <-> a.w LIMIT 2) b WHERE a.id < 5',
	'WITH s AS MATERIALIZED (SELECT id FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10) SELECT * FROM s a JOIN s b USING (id)',
	'DELETE FROM u WHERE id IN (SELECT id FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10)',
	'SELECT id FROM parts WHERE id < 100 ORDER BY v <-> ''[1,2,3]'' LIMIT 10']) AS query, unseen(query) u;

-- kept: it is returned, compared, merged by, or read by what is between the scan
-- and the Limit; or it is another index's
SELECT query, u.* FROM unnest(ARRAY[
	'SELECT id, v <-> ''[1,2,3]'' FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10',
	'SELECT v <-> ''[1,2,3]'' AS d FROM u ORDER BY d LIMIT 10',
	'SELECT id FROM u ORDER BY v <-> ''[1,2,3]''',
	'SELECT id FROM u ORDER BY v <-> ''[1,2,3]'' FETCH FIRST 10 ROWS WITH TIES',
	'SELECT id FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10 FOR UPDATE',
	'SELECT id FROM parts ORDER BY v <-> ''[1,2,3]'' LIMIT 10',
	'SELECT min(v <-> ''[1,2,3]'') FROM u',
	'SELECT id, rank() OVER (ORDER BY v <-> ''[1,2,3]'') FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10',
	'SELECT DISTINCT ON (v <-> ''[1,2,3]'') id FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10',
	'SELECT id FROM points ORDER BY p <-> ''(3,4)'' LIMIT 10']) AS query, unseen(query) u;

-- an incremental sort needs it, as does a sort
SELECT c.left_out FROM unseen('SELECT id FROM u ORDER BY v <-> ''[1,2,3]'', id LIMIT 10') c;

-- whatever the plan, the answer is that of a sort
CREATE FUNCTION check_answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	collect text := 'SELECT string_agg(s::text, '' '') FROM (' || query || ') s';
	got text;
	want text;
BEGIN
	PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true);
	EXECUTE collect INTO got;
	PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true),
		set_config('enable_sort', 'on', true);
	EXECUTE collect INTO want;
	RETURN CASE WHEN got = want THEN 'ok' ELSE format('%s, not %s', got, want) END;
END
$$;
SELECT query, check_answer(query) FROM unnest(ARRAY[
	'SELECT v <-> ''[1,2,3]'' AS d FROM u ORDER BY d LIMIT 10',
	'SELECT round((v <-> ''[1,2,3]'')::numeric, 9) FROM (SELECT v FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10) s',
	'SELECT v <-> ''[1,2,3]'' AS d FROM u ORDER BY v <-> ''[1,2,3]'' FETCH FIRST 10 ROWS WITH TIES',
	'SELECT id FROM u ORDER BY v <-> ''[1,2,3]'', id LIMIT 10',
	'SELECT v <-> ''[1,2,3]'' FROM (SELECT v FROM parts ORDER BY v <-> ''[1,2,3]'' LIMIT 10) s',
	'SELECT DISTINCT ON (v <-> ''[1,2,3]'') v <-> ''[1,2,3]'' FROM u ORDER BY v <-> ''[1,2,3]'' LIMIT 10',
	'SELECT id, rank() OVER (ORDER BY v <-> ''[1,2,3]'', id) FROM u ORDER BY v <-> ''[1,2,3]'', id LIMIT 10']) AS query;

-- a plan for any vector, and a cursor
PREPARE unseen_limit (vector, int) AS SELECT id FROM u ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
SELECT u.* FROM unseen('EXECUTE unseen_limit (''[1,2,3]'', 10)') u;
CREATE TEMP TABLE no_vector AS EXECUTE unseen_limit (NULL, 1000);
SELECT count(DISTINCT id) FROM no_vector;
RESET plan_cache_mode;
BEGIN;
DECLARE unseen_cursor CURSOR WITH HOLD FOR SELECT id, v FROM u ORDER BY v <-> '[1,2,3]' LIMIT 10;
COMMIT;
CREATE TABLE held (n serial, d float8);
DO $$
DECLARE
	c refcursor := 'unseen_cursor';
	r record;
BEGIN
	LOOP
		FETCH c INTO r;
		EXIT WHEN NOT FOUND;
		INSERT INTO held (d) VALUES (r.v <-> '[1,2,3]');
	END LOOP;
END
$$;
CLOSE unseen_cursor;
SELECT count(*), array_agg(d ORDER BY n) = array_agg(d ORDER BY d) AS sorted FROM held;

DEALLOCATE ALL;
DROP TABLE u, parts, points, no_vector, held;
DROP FUNCTION unseen, check_answer;
