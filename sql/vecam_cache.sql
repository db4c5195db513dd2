-- What a backend keeps of an index is never older than the index.
SET client_min_messages = warning;
SET enable_seqscan = off;
SET enable_sort = off;

-- the nearest three of a table whose row i is [1.01 i, 0, 0, 0]
CREATE FUNCTION nearest(tab text, q float8) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(id::text, '' '') FROM (SELECT id FROM %s ORDER BY v <-> $1 LIMIT 3) s', tab)
		INTO result USING ARRAY[q, 0, 0, 0]::vector;
	RETURN result;
END
$$;
CREATE FUNCTION fill(tab text, first int, last int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %s SELECT i, ARRAY[i * 1.01, 0, 0, 0]::vector FROM generate_series($1, $2) i', tab)
		USING first, last;
END
$$;

-- REINDEX, TRUNCATE, DROP, and what a rollback brings back
CREATE TABLE c (id int, v vector(4));
SELECT fill('c', 1, 300);
CREATE INDEX c_v ON c USING vecam (v) WITH (kind = hnsw);
SELECT nearest('c', 101.3);
REINDEX INDEX c_v;
SELECT nearest('c', 101.3);
ALTER INDEX c_v SET (rerank = heap, m = 8);
REINDEX INDEX c_v;
SELECT nearest('c', 101.3);
TRUNCATE c;
SELECT nearest('c', 101.3);
SELECT fill('c', 1001, 1300);
SELECT vecam_seal('c_v');
SELECT nearest('c', 101.3);
BEGIN;
TRUNCATE c;
SELECT fill('c', 1, 300);
SELECT nearest('c', 101.3);
REINDEX INDEX c_v;
SELECT nearest('c', 101.3);
ROLLBACK;
SELECT nearest('c', 101.3);
DROP INDEX c_v;
CREATE INDEX c_v ON c USING vecam (v) WITH (kind = hnsw, m = 4);
SELECT nearest('c', 1101.3);
-- the same name, other dimensions
DROP TABLE c;
CREATE TABLE c (id int, v vector(2));
INSERT INTO c SELECT i, ARRAY[i, i]::vector FROM generate_series(1, 300) i;
CREATE INDEX c_v ON c USING vecam (v) WITH (kind = hnsw);
SELECT id FROM c ORDER BY v <-> '[77.1,77.2]' LIMIT 2;
DROP TABLE c;

-- built again in place, in one transaction
BEGIN;
CREATE TABLE c (id int, v vector(4));
SELECT fill('c', 1, 300);
CREATE INDEX c_v ON c USING vecam (v) WITH (kind = hnsw);
SELECT nearest('c', 101.3);
SELECT pg_relation_filenode('c_v') AS file \gset
TRUNCATE c;
SELECT pg_relation_filenode('c_v') = :file AS in_place;
SELECT nearest('c', 101.3);
SELECT fill('c', 501, 900);
SELECT nearest('c', 601.3 * 1.01);
SELECT vecam_seal('c_v');
SELECT nearest('c', 601.3 * 1.01);
SAVEPOINT s;
TRUNCATE c;
SELECT fill('c', 1, 50);
SELECT nearest('c', 601.3 * 1.01);
ROLLBACK TO s;
SELECT nearest('c', 601.3 * 1.01);
COMMIT;
SELECT nearest('c', 601.3 * 1.01);

-- and so that as many changes of the entry points are counted as before: where
-- they lead is all that tells
BEGIN;
CREATE TABLE again (id int, v vector(4));
CREATE INDEX again_v ON again USING vecam (v) WITH (kind = hnsw);
SELECT fill('again', 1, 200);
SELECT vecam_seal('again_v');
SET LOCAL vecam.ef_search = 1;
SELECT id FROM again ORDER BY v <-> '[10.2,0,0,0]' LIMIT 1;
SELECT nodes_visited < 40 AS few_nodes FROM vecam_last_search();
TRUNCATE again;
INSERT INTO again SELECT 1000 + i, ARRAY[(201 - i) * 1.01, 0, 0, 0]::vector FROM generate_series(1, 200) i;
SELECT vecam_seal('again_v');
SELECT id FROM again ORDER BY v <-> '[10.2,0,0,0]' LIMIT 1;
SELECT nodes_visited < 40 AS few_nodes FROM vecam_last_search();
ROLLBACK;

-- entry points: of rows that are sealed later, and not of those that are gone
DELETE FROM c;
VACUUM c;
SELECT nearest('c', 601.3 * 1.01);
SELECT fill('c', 1, 3000);
SELECT vecam_seal('c_v');
SELECT nearest('c', 601.3 * 1.01);
SELECT nodes_visited > 20 AS visited, pages_read < pages / 2 AS few_pages
FROM vecam_last_search(), vecam_stats('c_v');

-- an error in the middle of scans, and others after it
BEGIN;
DECLARE one CURSOR FOR SELECT id FROM c ORDER BY v <-> '[102.3,0,0,0]';
FETCH 2 FROM one;
SAVEPOINT s;
DECLARE two CURSOR FOR SELECT id, 1 / (id - 103) FROM c ORDER BY v <-> '[102.3,0,0,0]';
FETCH 2 FROM two;
FETCH 10 FROM two;
ROLLBACK TO s;
FETCH 2 FROM one;
SELECT nearest('c', 601.3 * 1.01);
DECLARE three CURSOR FOR SELECT id FROM c ORDER BY v <-> '[1,2,3,4]'::vector(4);
FETCH 1 FROM three;
SELECT id FROM c ORDER BY v <-> '[1,2]' LIMIT 1;
ROLLBACK TO s;
FETCH 2 FROM one;
COMMIT;
SELECT nearest('c', 601.3 * 1.01);
-- a scan that outlives its index's entry
BEGIN;
DECLARE one CURSOR WITHOUT HOLD FOR SELECT id FROM c ORDER BY v <-> '[102.3,0,0,0]';
FETCH 2 FROM one;
DO $$
BEGIN
	FOR i IN 1 .. 80 LOOP
		EXECUTE format('CREATE TABLE many_%s (id int, v vector(4))', i);
		PERFORM fill('many_' || i, 100 * i + 1, 100 * i + 40);
		EXECUTE format('CREATE INDEX ON many_%s USING vecam (v) WITH (kind = hnsw)', i);
		PERFORM nearest('many_' || i, 0);
	END LOOP;
END
$$;
FETCH 2 FROM one;
COMMIT;

-- more indexes than are kept, in turns
SELECT count(*) FROM generate_series(1, 3) turn, generate_series(1, 80) i
WHERE nearest('many_' || i, 1.01 * (100 * i + 20.1)) = format('%s %s %s', 100 * i + 20, 100 * i + 21, 100 * i + 19);

-- memory: none is left behind by scans, and one context for each index kept
CREATE FUNCTION kept(OUT contexts int, OUT bytes bigint) LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass('pg_backend_memory_contexts') IS NULL THEN
		contexts := 1;
		bytes := 0;
	ELSE
		EXECUTE $q$ SELECT count(*) FILTER (WHERE name = 'vecam index'),
				coalesce(sum(total_bytes) FILTER (WHERE parent = 'TopMemoryContext' AND name LIKE 'vecam%' OR name = 'TopMemoryContext'), 0)
			FROM pg_backend_memory_contexts $q$ INTO contexts, bytes;
	END IF;
END
$$;
SELECT contexts BETWEEN 1 AND 65 AS bounded FROM kept();
SELECT bytes AS before FROM kept() \gset
SELECT count(nearest('c', i % 3000)) FROM generate_series(1, 10000) i;
SELECT contexts BETWEEN 1 AND 65 AS bounded, bytes < :before + 100000 AS small FROM kept();
DO $$
BEGIN
	FOR i IN 1 .. 80 LOOP
		EXECUTE format('DROP TABLE many_%s', i);
	END LOOP;
	FOR i IN 1 .. 300 LOOP
		BEGIN
			PERFORM id FROM c ORDER BY v <-> '[1,2]'::vector LIMIT 1;
		EXCEPTION WHEN data_exception THEN
			PERFORM nearest('c', i);
		END;
	END LOOP;
END
$$;
SELECT contexts BETWEEN 1 AND 65 AS bounded, bytes < :before + 100000 AS small FROM kept();

-- temporary and unlogged tables
CREATE TEMP TABLE t (id int, v vector(4));
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw);
SELECT fill('t', 1, 300);
SELECT nearest('t', 101.3);
SELECT vecam_seal('t_v');
SELECT nearest('t', 101.3);
TRUNCATE t;
SELECT fill('t', 1001, 1300);
SELECT nearest('t', 101.3);
DISCARD TEMP;
CREATE TEMP TABLE t (id int, v vector(4)) ON COMMIT DELETE ROWS;
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw);
BEGIN;
SELECT fill('t', 1, 300);
SELECT vecam_seal('t_v');
SELECT nearest('t', 101.3);
COMMIT;
SELECT nearest('t', 101.3);
BEGIN;
SELECT fill('t', 2001, 2300);
SELECT vecam_seal('t_v');
SELECT nearest('t', 101.3);
COMMIT;
DROP TABLE t;
CREATE UNLOGGED TABLE t AS SELECT * FROM c WHERE id <= 500;
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw);
SELECT nearest('t', 101.3);
ALTER TABLE t SET LOGGED;
SELECT nearest('t', 101.3);
DROP TABLE t, c;
DROP FUNCTION nearest, fill, kept;
