-- compaction: an index gives back what deleted rows have left
SET client_min_messages = warning;
SET enable_seqscan = off;

-- answers of the index and of a sequential scan
CREATE FUNCTION nearest(tab regclass, q vector, n int) RETURNS int[]
LANGUAGE plpgsql AS $$
DECLARE
	answer int[];
BEGIN
	EXECUTE format('SELECT array(SELECT id FROM %s ORDER BY v <-> $1 LIMIT %s)',
				   tab, n) INTO answer USING q;
	RETURN answer;
END $$;

CREATE FUNCTION hits(tab regclass, n int) RETURNS numeric
LANGUAGE plpgsql AS $$
DECLARE
	q vector;
	exact int[];
	found int[];
	total int := 0;
	good int := 0;
BEGIN
	FOR q IN EXECUTE format('SELECT v FROM %s WHERE v IS NOT NULL ORDER BY id LIMIT 20', tab) LOOP
		PERFORM set_config('enable_indexscan', 'off', true);
		PERFORM set_config('enable_seqscan', 'on', true);
		exact := nearest(tab, q, n);
		PERFORM set_config('enable_indexscan', 'on', true);
		PERFORM set_config('enable_seqscan', 'off', true);
		found := nearest(tab, q, n);
		total := total + cardinality(exact);
		good := good + (SELECT count(*) FROM unnest(found) i WHERE i = ANY (exact));
	END LOOP;
	RETURN round(good::numeric / total, 2);
END $$;

-- what it is worth, without numbers that depend on the graph
CREATE FUNCTION compacted(ind regclass, OUT removed bool, OUT moved bool,
						  OUT repaired bool, OUT freed bool, OUT smaller bool)
LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_relation_size(ind);
	r record;
BEGIN
	SELECT * INTO r FROM vecam_compact(ind);
	removed := r.nodes_removed > 0;
	moved := r.nodes_moved > 0;
	repaired := r.edges_repaired > 0;
	freed := r.pages_freed > 0;
	smaller := before - pg_relation_size(ind) = r.bytes_reclaimed
		AND r.bytes_reclaimed > 0;
END $$;

CREATE FUNCTION fill(tab regclass, n int, dims int, seed float8) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed);
	EXECUTE format('INSERT INTO %s SELECT i, array(SELECT random()::float4
		FROM generate_series(1, %s) WHERE i > 0)::vector
		FROM generate_series(1, %s) i', tab, dims, n);
END $$;

-- a graph, with equal vectors and rows without a vector
CREATE TABLE c (id int, v vector(8));
SELECT fill('c', 3000, 8, 0.25);
INSERT INTO c SELECT 10000 + i, (SELECT v FROM c WHERE id = 7) FROM generate_series(1, 100) i;
INSERT INTO c SELECT 20000 + i, NULL FROM generate_series(1, 2500) i;
CREATE INDEX c_v ON c USING vecam (v) WITH (kind = hnsw, compact_threshold = 0);
SELECT vecam_fragmentation('c_v') < 0.05 AS is_full;
SELECT * FROM vecam_compact('c_v');

DELETE FROM c WHERE id % 2 = 0;
VACUUM c;
SELECT vecam_fragmentation('c_v') > 0.4 AS is_half_empty, hits('c', 10) > 0.95 AS finds;
SELECT pg_relation_size('c_v') AS before \gset
SELECT * FROM compacted('c_v');
SELECT pg_relation_size('c_v') < 0.6 * :before AS is_half,
	vecam_fragmentation('c_v') < 0.05 AS is_full, hits('c', 10) > 0.95 AS finds;
SELECT * FROM vecam_check('c_v', true);
SELECT rows = (SELECT count(*) FROM c) AS has_all, free_pages, free_nodes < nodes_per_page AS has_no_room
FROM vecam_stats('c_v');
SELECT * FROM vecam_compact('c_v');
SET vecam.scan_order = relaxed;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM c ORDER BY v <-> '[0,0,0,0,0,0,0,0]') s;
SELECT count(*) FROM (SELECT id FROM c WHERE v IS NULL ORDER BY v <-> '[0,0,0,0,0,0,0,0]') s;
RESET vecam.scan_order;

-- a part at a time
SELECT fill('c', 2000, 8, 0.5);
SELECT vecam_seal('c_v');
DELETE FROM c WHERE id % 3 = 0;
VACUUM c;
SELECT nodes_moved BETWEEN 1 AND 100 AS some FROM vecam_compact('c_v', 10);
SELECT nodes_moved > 0 AS the_rest FROM vecam_compact('c_v');
SELECT nodes_moved FROM vecam_compact('c_v', 0);
SELECT * FROM vecam_check('c_v', true);

-- rows that must stay are no reason to do nothing
CREATE TABLE g (id int, v vector(8));
SELECT fill('g', 3000, 8, 0.3);
CREATE INDEX g_v ON g USING vecam (v) WITH (kind = hnsw, compact_threshold = 0);
INSERT INTO g SELECT 5000 + id, v FROM g WHERE id <= 600;
DELETE FROM g WHERE id < 5000 AND id % 2 = 0;
VACUUM g;
SELECT growing_rows, free_nodes > 1000 AS has_room FROM vecam_stats('g_v');
SELECT nodes_moved > 0 AS some FROM vecam_compact('g_v', 1);
SELECT * FROM vecam_check('g_v', true);

-- an open cursor goes on, and keeps its rows
DELETE FROM c WHERE id % 4 = 0;
DELETE FROM c WHERE id % 5 = 0;
VACUUM c;
BEGIN;
SET LOCAL vecam.scan_order = relaxed;
DECLARE all_rows CURSOR FOR SELECT id FROM c ORDER BY v <-> '[1,1,1,1,1,1,1,1]';
CREATE TEMP TABLE seen (id int);
CREATE FUNCTION fetch_rows(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	i int;
	cur refcursor := 'all_rows';
BEGIN
	WHILE n > 0 LOOP
		FETCH cur INTO i;
		EXIT WHEN NOT FOUND;
		INSERT INTO seen VALUES (i);
		n := n - 1;
	END LOOP;
END $$;
SELECT fetch_rows(700);
SELECT nodes_moved > 100 AS moved, bytes_reclaimed FROM vecam_compact('c_v');
SELECT fetch_rows(10000);
SELECT count(*) = (SELECT count(*) FROM c) AS has_all,
	count(DISTINCT id) = (SELECT count(DISTINCT id) FROM c) AS none_twice FROM seen;
COMMIT;
DROP TABLE seen;
DROP FUNCTION fetch_rows;
SELECT bytes_reclaimed > 0 AS smaller FROM vecam_compact('c_v');

-- so does one in the middle of many rows of one vector, whose pages are used again
CREATE TABLE e (id int, v vector(8));
INSERT INTO e SELECT i, '[1,1,1,1,1,1,1,1]' FROM generate_series(1, 8000) i;
INSERT INTO e SELECT i, format('[%s,0,0,0,0,0,0,0]', i)::vector FROM generate_series(8001, 8010) i;
CREATE INDEX e_v ON e USING vecam (v) WITH (kind = hnsw, compact_threshold = 0);
CREATE FUNCTION read_beside_compaction(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	cur CURSOR FOR SELECT id FROM e ORDER BY v <-> '[1,1,1,1,1,1,1,1]';
	i int;
	ids int[];
BEGIN
	SET LOCAL vecam.scan_order = relaxed;
	SET LOCAL enable_sort = off;
	OPEN cur;
	LOOP
		IF n = 0 THEN
			PERFORM vecam_compact('e_v');
		END IF;
		FETCH cur INTO i;
		EXIT WHEN NOT FOUND;
		ids := ids || i;
		n := n - 1;
	END LOOP;
	RETURN (SELECT count(*) FROM e WHERE NOT id = ANY (ids)) + cardinality(ids) - (SELECT count(DISTINCT id) FROM unnest(ids) id);
END $$;
DELETE FROM e WHERE id / 8 % 2 = 0;
VACUUM e;
SELECT pages_freed > 0 AS freed FROM vecam_compact('e_v');
DELETE FROM e WHERE id / 16 % 2 = 0;
VACUUM e;
SELECT read_beside_compaction(900) AS missed_or_twice;
SELECT * FROM vecam_check('e_v', true);

-- many rows of one vector, of which any half goes
TRUNCATE e;
INSERT INTO e SELECT i, '[1,1,1,1,1,1,1,1]' FROM generate_series(1, 60000) i;
REINDEX INDEX e_v;
DELETE FROM e WHERE hashint4(id) % 2 = 0;
VACUUM e;
SELECT pg_relation_size('e_v') AS before \gset
SELECT freed, smaller FROM compacted('e_v');
SELECT pg_relation_size('e_v') < 0.8 * :before AS is_smaller, read_beside_compaction(-1) AS missed_or_twice;
SELECT pages_freed, bytes_reclaimed FROM vecam_compact('e_v');
SELECT * FROM vecam_check('e_v', true);

-- only growing rows
CREATE TABLE f (id int, v vector(8));
SELECT fill('f', 3000, 8, 0.75);
CREATE INDEX f_v ON f USING vecam (v) WITH (kind = flat, compact_threshold = 0);
SELECT * FROM vecam_compact('f_v');
DELETE FROM f WHERE id % 3 > 0;
VACUUM f;
SELECT pg_relation_size('f_v') AS before \gset
SELECT * FROM compacted('f_v');
SELECT pg_relation_size('f_v') < 0.6 * :before AS is_half, hits('f', 10);
SELECT * FROM vecam_check('f_v', true);
SELECT * FROM vecam_compact('f_v');

-- long vectors
CREATE TABLE l (id int, v vector(5000));
SELECT fill('l', 60, 5000, 0.5);
CREATE INDEX l_v ON l USING vecam (v) WITH (kind = hnsw, compact_threshold = 0);
SELECT fill('l', 20, 5000, 0.25);
DELETE FROM l WHERE id % 2 = 0;
VACUUM l;
SELECT pg_relation_size('l_v') AS before \gset
SELECT smaller FROM compacted('l_v');
SELECT pg_relation_size('l_v') < 0.65 * :before AS is_half, hits('l', 5);
SELECT * FROM vecam_check('l_v', true);

-- empty it
DELETE FROM c;
VACUUM c;
SELECT smaller FROM compacted('c_v');
SELECT pg_relation_size('c_v') / 8192 < 12 AS is_small;
SELECT fill('c', 100, 8, 0.5);
SELECT * FROM vecam_check('c_v', true);
SELECT hits('c', 10);

-- VACUUM compacts by itself
SELECT fill('c', 2000, 8, 0.9);
SELECT vecam_seal('c_v') > 0 AS sealed;
DELETE FROM c WHERE id % 2 > 0;
VACUUM c;
SELECT free_pages AS before FROM vecam_stats('c_v') \gset
ALTER INDEX c_v SET (compact_threshold = 0.9);
VACUUM c;
SELECT free_pages = :before AS not_so_soon FROM vecam_stats('c_v');
ALTER INDEX c_v SET (compact_threshold = 0.3);
VACUUM c;
SELECT free_pages > :before AS compacted FROM vecam_stats('c_v');
-- until that is done, though free pages are left; then few dead nodes may stay
VACUUM c;
VACUUM c;
VACUUM c;
DELETE FROM c WHERE id % 100 = 0;
VACUUM c;
SELECT deleted_nodes > 0 AS done, vecam_fragmentation('c_v') > 0.3 AS has_free_pages FROM vecam_stats('c_v');
SELECT * FROM vecam_check('c_v', true);
SELECT bytes_reclaimed > 0 AS smaller FROM vecam_compact('c_v');

-- room for rows to come
SELECT vecam_reserve('c_v', 1000) > 0 AS added;
SELECT vecam_reserve('c_v', 1000) AS enough;
SELECT vecam_reserve('c_v', 0);
SELECT pg_relation_size('c_v') AS before \gset
SELECT fill('c', 900, 8, 0.1);
SELECT vecam_seal('c_v') > 0 AS sealed;
SELECT pg_relation_size('c_v') = :before AS had_room;

-- whom it obeys
CREATE TABLE n (id int PRIMARY KEY);
SELECT vecam_compact('n_pkey');
SELECT vecam_compact('n');
SELECT vecam_compact(NULL);
SELECT vecam_compact('c_v', -1);
SELECT vecam_compact('c_v', NULL, NULL);
SELECT vecam_compact(0);
SELECT vecam_reserve('c_v', -1);
CREATE ROLE vecam_compact_other;
SET ROLE vecam_compact_other;
SELECT vecam_compact('c_v');
SELECT vecam_reserve('c_v', 1);
SELECT vecam_fragmentation('c_v');
RESET ROLE;
DROP ROLE vecam_compact_other;

DROP TABLE c, e, f, g, l, n;
DROP FUNCTION nearest, hits, compacted, read_beside_compaction, fill(regclass, int, int, float8);
