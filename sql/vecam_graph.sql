-- kind = hnsw and auto beyond its threshold.  Answers are compared with those
-- of sequential scans.
SET client_min_messages = warning;

-- 16 clusters, so that neighbours are not all alike
CREATE FUNCTION graph_vector(seed int, dims int) RETURNS vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(
		((seed % 16) * 37 * k % 11) +
		(hashint4(seed * 1000 + k) & 65535) / 32768.0)::real[]::vector
	FROM generate_series(1, dims) AS k
$$;

-- The k nearest of n queries: how many of them does the index find, and are
-- the distances that it returns sorted?
CREATE FUNCTION graph_recall(tab text, op text, dims int, k int, n int,
	OUT recall numeric, OUT sorted boolean)
LANGUAGE plpgsql AS $$
DECLARE
	q vector;
	exact float8[];
	found float8[];
	query text := format('SELECT array_agg(d) FROM (SELECT v %s $1 AS d FROM %I ORDER BY v %s $1 LIMIT %s) s',
		op, tab, op, k);
	hits int := 0;
BEGIN
	sorted := true;
	FOR i IN 1 .. n LOOP
		q := graph_vector(1000000 + i, dims);
		SET LOCAL enable_indexscan = off;
		SET LOCAL enable_seqscan = on;
		EXECUTE query INTO exact USING q;
		SET LOCAL enable_indexscan = on;
		SET LOCAL enable_seqscan = off;
		EXECUTE query INTO found USING q;
		hits := hits + (SELECT count(*) FROM unnest(found) AS d WHERE d <= exact[k]);
		sorted := sorted AND found = (SELECT array_agg(d ORDER BY d) FROM unnest(found) AS d);
	END LOOP;
	recall := round(hits::numeric / (k * n), 4);
END
$$;

-- Every row once?  A relaxed scan is complete.
CREATE FUNCTION graph_complete(tab text, op text, dims int) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	result boolean;
BEGIN
	SET LOCAL vecam.scan_order = relaxed;
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_sort = off;
	EXECUTE format('SELECT count(*) = (SELECT count(*) FROM %1$I)
		AND count(DISTINCT id) = count(*)
		FROM (SELECT id FROM %1$I ORDER BY v %2$s $1) s', tab, op)
	INTO result USING graph_vector(2000000, dims);
	RETURN result;
END
$$;

CREATE TABLE g (id int PRIMARY KEY, v vector(24));
INSERT INTO g SELECT i, graph_vector(i, 24) FROM generate_series(1, 3000) AS i;
CREATE INDEX g_l2 ON g USING vecam (v) WITH (kind = hnsw);

SELECT kind, has_graph, rows, graph_rows, growing_rows, live_nodes,
	entry_points BETWEEN 16 AND 256 AS entries, average_edges > 20 AS edges,
	(SELECT sum(n) FROM unnest(level_distribution) AS n) AS levels
FROM vecam_stats('g_l2');
SELECT recall >= 0.99 AS recall, sorted FROM graph_recall('g', '<->', 24, 10, 40);
SELECT recall >= 0.99 AS recall, sorted FROM graph_recall('g', '<->', 24, 1, 40);
SELECT recall >= 0.98 AS recall, sorted FROM graph_recall('g', '<->', 24, 200, 10);
SELECT graph_complete('g', '<->', 24);
SELECT nodes_visited, heap_rows FROM vecam_last_search();

-- a search looks at a part of the graph only
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM g ORDER BY v <-> graph_vector(5, 24) LIMIT 10) s;
SELECT nodes_visited BETWEEN 20 AND 300 AS nodes, heap_rows BETWEEN 10 AND 30 AS rows,
	growing_rows, distances_estimated > distances_computed AS estimated
FROM vecam_last_search();

-- look-ahead: the setting, then the wanted recall, then the index's option
SET vecam.ef_search = 8;
SELECT count(*) FROM (SELECT id FROM g ORDER BY v <-> graph_vector(5, 24) LIMIT 1) s;
SELECT nodes_visited AS few FROM vecam_last_search() \gset
SET vecam.ef_search = 400;
SELECT count(*) FROM (SELECT id FROM g ORDER BY v <-> graph_vector(5, 24) LIMIT 1) s;
SELECT nodes_visited >= 400 AS many, nodes_visited > 4 * :few AS more FROM vecam_last_search();
RESET vecam.ef_search;
ALTER INDEX g_l2 SET (ef_search = 300);
SELECT count(*) FROM (SELECT id FROM g ORDER BY v <-> graph_vector(5, 24) LIMIT 1) s;
SELECT nodes_visited >= 300 AS many FROM vecam_last_search();
SET vecam.recall = 0.9;
SELECT count(*) FROM (SELECT id FROM g ORDER BY v <-> graph_vector(5, 24) LIMIT 1) s;
SELECT nodes_visited < 300 AS fewer FROM vecam_last_search();
RESET vecam.recall;
ALTER INDEX g_l2 RESET (ef_search);

-- rows that a scan may return
SET vecam.max_scan_tuples = 25;
SELECT count(*) FROM (SELECT id FROM g ORDER BY v <-> graph_vector(5, 24) LIMIT 100) s;
SET vecam.max_scan_tuples = 0;
SELECT count(*) FROM (SELECT id FROM g ORDER BY v <-> graph_vector(5, 24) LIMIT 100) s;
RESET vecam.max_scan_tuples;
SET vecam.max_scan_tuples = -2;

-- little memory: what the frontier drops is found by the sweep
SET vecam.scan_mem = '64kB';
SELECT graph_complete('g', '<->', 24);
RESET vecam.scan_mem;

-- a filter that few rows pass
SELECT count(*) FROM (SELECT id FROM g WHERE id % 500 = 7 ORDER BY v <-> graph_vector(5, 24) LIMIT 6) s;
RESET enable_seqscan;

-- the other metrics
CREATE INDEX g_ip ON g USING vecam (v vector_ip_ops) WITH (kind = hnsw, m = 8, ef_construction = 60);
CREATE INDEX g_cosine ON g USING vecam (v vector_cosine_ops) WITH (kind = hnsw, sketch_bits = 24);
SELECT m, m0, ef_construction, sketch_bits FROM vecam_stats('g_ip');
SELECT m, ef_construction, sketch_bits FROM vecam_stats('g_cosine');
SELECT recall >= 0.97 AS recall, sorted FROM graph_recall('g', '<#>', 24, 10, 40);
SELECT recall >= 0.97 AS recall, sorted FROM graph_recall('g', '<=>', 24, 10, 40);
SELECT graph_complete('g', '<#>', 24), graph_complete('g', '<=>', 24);

-- rows that come later are scanned flat until they are sealed
INSERT INTO g SELECT i, graph_vector(i, 24) FROM generate_series(3001, 4500) AS i;
SELECT rows, graph_rows, growing_rows FROM vecam_stats('g_l2');
SELECT recall >= 0.99 AS recall, sorted FROM graph_recall('g', '<->', 24, 10, 40);
SELECT graph_complete('g', '<->', 24);
SELECT vecam_seal('g_l2'), vecam_seal('g_ip'), vecam_seal('g_cosine');
SELECT vecam_seal('g_l2');
SELECT rows, graph_rows, growing_rows, live_nodes FROM vecam_stats('g_l2');
SELECT recall >= 0.99 AS recall, sorted FROM graph_recall('g', '<->', 24, 10, 40);
SELECT recall >= 0.97 AS recall, sorted FROM graph_recall('g', '<#>', 24, 10, 40);
SELECT recall >= 0.97 AS recall, sorted FROM graph_recall('g', '<=>', 24, 10, 40);
SELECT graph_complete('g', '<->', 24), graph_complete('g', '<#>', 24), graph_complete('g', '<=>', 24);

-- half of the rows go, and come back
DELETE FROM g WHERE id % 2 = 0;
SELECT graph_complete('g', '<->', 24);
VACUUM g;
SELECT rows, live_nodes, deleted_nodes, free_nodes + free_pages * nodes_per_page >= 2250 AS free, entry_points >= 16 AS entries
FROM vecam_stats('g_l2');
SELECT recall >= 0.99 AS recall, sorted FROM graph_recall('g', '<->', 24, 10, 40);
SELECT recall >= 0.97 AS recall, sorted FROM graph_recall('g', '<#>', 24, 10, 40);
SELECT graph_complete('g', '<->', 24), graph_complete('g', '<#>', 24), graph_complete('g', '<=>', 24);
SELECT pages FROM vecam_stats('g_l2') \gset
INSERT INTO g SELECT i, graph_vector(i, 24) FROM generate_series(2, 4500, 2) AS i;
SELECT vecam_seal('g_l2');
SELECT rows, live_nodes, pages <= 1.25 * :pages AS reused FROM vecam_stats('g_l2');
SELECT recall >= 0.99 AS recall, sorted FROM graph_recall('g', '<->', 24, 10, 40);
SELECT graph_complete('g', '<->', 24);
-- index and table agree after a vacuum in many passes
DELETE FROM g WHERE id % 3 = 0;
VACUUM g;
SELECT reltuples::int = (SELECT count(*) FROM g) AS reltuples FROM pg_class WHERE relname = 'g_l2';
-- all go
DELETE FROM g;
VACUUM g;
SELECT rows, live_nodes, deleted_nodes FROM vecam_stats('g_l2');
SELECT count(*) FROM (SELECT id FROM g ORDER BY v <-> graph_vector(5, 24) LIMIT 10) s;
INSERT INTO g SELECT i, graph_vector(i, 24) FROM generate_series(1, 300) AS i;
SELECT vecam_seal('g_l2');
SELECT recall = 1 AS recall, sorted FROM graph_recall('g', '<->', 24, 10, 10);
DROP TABLE g;

-- rows that come later take the places of those that have gone; inserts of
-- many pages leave them to the graph
CREATE TABLE places (id int, v vector(600)) WITH (autovacuum_enabled = off);
INSERT INTO places SELECT i, graph_vector(i, 600) FROM generate_series(1, 800) AS i;
CREATE INDEX places_v ON places USING vecam (v) WITH (kind = hnsw);
DELETE FROM places WHERE id % 2 = 0;
VACUUM places;
INSERT INTO places SELECT i, graph_vector(i, 600) FROM generate_series(2, 800, 2) AS i;
SELECT vecam_seal('places_v');
SELECT live_nodes, free_nodes < 40 AS used FROM vecam_stats('places_v');
DROP TABLE places;

-- equal vectors share a node
CREATE TABLE same (id int, v vector(8));
INSERT INTO same SELECT i, ARRAY[i % 10, 1, 2, 3, 4, 5, 6, 7]::real[]::vector FROM generate_series(1, 5000) AS i;
CREATE INDEX same_v ON same USING vecam (v) WITH (kind = hnsw);
SELECT rows, live_nodes FROM vecam_stats('same_v');
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id), min(d), max(d)
FROM (SELECT id, v <-> '[3,1,2,3,4,5,6,7]' AS d FROM same ORDER BY v <-> '[3,1,2,3,4,5,6,7]' LIMIT 500) s;
INSERT INTO same SELECT i, ARRAY[i % 10, 1, 2, 3, 4, 5, 6, 7]::real[]::vector FROM generate_series(5001, 9000) AS i;
SELECT vecam_seal('same_v');
SELECT rows, live_nodes FROM vecam_stats('same_v');
DELETE FROM same WHERE id % 10 = 3 OR id % 4 = 0;
VACUUM same;
SELECT rows = (SELECT count(*) FROM same) AS rows, live_nodes FROM vecam_stats('same_v');
SELECT count(*) = (SELECT count(*) FROM same) AS complete, count(DISTINCT id) = count(*) AS once
FROM (SELECT id FROM same ORDER BY v <-> '[3,1,2,3,4,5,6,7]') s;
DROP TABLE same;

-- undefined and NULL vectors, queries of every kind
CREATE TABLE odd (id int, v vector(3));
CREATE INDEX odd_v ON odd USING vecam (v vector_cosine_ops) WITH (kind = hnsw);
SELECT id FROM odd ORDER BY v <=> '[1,1,1]' LIMIT 3;
INSERT INTO odd VALUES (1, '[0,0,0]'), (2, NULL), (3, '[1,2,3]'), (4, '[3,2,1]');
SELECT vecam_seal('odd_v');
SELECT id, v <=> '[1,1,0]' AS d FROM odd ORDER BY v <=> '[1,1,0]' LIMIT 5;
SELECT count(*) FROM (SELECT id FROM odd ORDER BY v <=> '[0,0,0]' LIMIT 5) s;
SELECT count(*) FROM (SELECT id FROM odd ORDER BY v <=> NULL::vector LIMIT 5) s;
DROP TABLE odd;

-- every size of node: codes on extent pages from 4,001 dimensions up
CREATE FUNCTION check_dims(dims int, rows int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	result text;
BEGIN
	EXECUTE format('CREATE TABLE dims (id int, v vector(%s))', dims);
	INSERT INTO dims SELECT i, graph_vector(i, dims) FROM generate_series(1, rows) AS i;
	CREATE INDEX dims_v ON dims USING vecam (v) WITH (kind = hnsw);
	INSERT INTO dims SELECT i, graph_vector(i, dims) FROM generate_series(rows + 1, 2 * rows) AS i;
	PERFORM vecam_seal('dims_v');
	DELETE FROM dims WHERE id % 5 = 0;
	SELECT * INTO r FROM graph_recall('dims', '<->', dims, 5, 3);
	result := format('recall %s sorted %s complete %s', r.recall >= 0.9, r.sorted,
		graph_complete('dims', '<->', dims));
	DROP TABLE dims;
	RETURN result;
END
$$;
SELECT d, check_dims(d, n)
FROM (VALUES (1, 200), (2, 200), (3, 200), (63, 200), (64, 200), (65, 200), (383, 100),
	(384, 100), (1024, 50), (2000, 30), (4000, 20), (4001, 20), (8160, 12), (8161, 12), (16000, 10))
	AS t (d, n);
RESET enable_seqscan;

-- auto: flat, then a graph
CREATE TABLE a (id int, v vector(6));
CREATE INDEX a_v ON a USING vecam (v) WITH (flat_threshold = 500, seal_threshold = 100);
INSERT INTO a SELECT i, graph_vector(i, 6) FROM generate_series(1, 400) AS i;
VACUUM a;
SELECT kind, has_graph, growing_rows FROM vecam_stats('a_v');
INSERT INTO a SELECT i, graph_vector(i, 6) FROM generate_series(401, 600) AS i;
VACUUM a;
SELECT kind, has_graph, growing_rows, graph_rows FROM vecam_stats('a_v');
-- inserters link some rows themselves when there are too many
INSERT INTO a SELECT i, graph_vector(i, 6) FROM generate_series(601, 6000) AS i;
SELECT growing_rows < 1000 AS bounded, rows FROM vecam_stats('a_v');
SELECT recall >= 0.97 AS recall, sorted FROM graph_recall('a', '<->', 6, 10, 20);
SELECT graph_complete('a', '<->', 6);
REINDEX INDEX a_v;
SELECT kind, has_graph, growing_rows, graph_rows FROM vecam_stats('a_v');
ALTER INDEX a_v SET (flat_threshold = 10000);
REINDEX INDEX a_v;
SELECT kind, has_graph, growing_rows, graph_rows FROM vecam_stats('a_v');
ALTER INDEX a_v SET (flat_threshold = 0);
REINDEX INDEX a_v;
SELECT kind, has_graph, growing_rows, graph_rows FROM vecam_stats('a_v');

-- a build that outgrows maintenance_work_mem, and unlogged and temporary tables
SET maintenance_work_mem = '1MB';
REINDEX INDEX a_v;
RESET maintenance_work_mem;
SELECT recall >= 0.97 AS recall, sorted FROM graph_recall('a', '<->', 6, 10, 20);
SELECT graph_complete('a', '<->', 6);
ALTER TABLE a SET UNLOGGED;
SELECT graph_complete('a', '<->', 6);
CREATE TEMP TABLE tmp AS SELECT * FROM a;
CREATE INDEX tmp_v ON tmp USING vecam (v) WITH (kind = hnsw);
INSERT INTO tmp SELECT id + 10000, v FROM a WHERE id <= 500;
SELECT vecam_seal('tmp_v');
DELETE FROM tmp WHERE id % 2 = 0;
VACUUM tmp;
SELECT graph_complete('tmp', '<->', 6);

-- partial, expression, concurrently, partitions
CREATE INDEX a_part ON a USING vecam (v) WITH (kind = hnsw) WHERE id % 3 = 0;
SET enable_seqscan = off;
SELECT count(*), bool_and(id % 3 = 0) FROM (SELECT id FROM a WHERE id % 3 = 0 ORDER BY v <-> graph_vector(7, 6) LIMIT 50) s;
SELECT rows = (SELECT count(*) FROM a WHERE id % 3 = 0) AS rows FROM vecam_stats('a_part');
DROP INDEX a_part;
CREATE TABLE e (id int, t text);
INSERT INTO e SELECT id, v::text FROM a WHERE id <= 2000;
CREATE INDEX e_t ON e USING vecam ((t::vector(6))) WITH (kind = hnsw);
SELECT id FROM e ORDER BY t::vector(6) <-> (SELECT t FROM e WHERE id = 77)::vector(6) LIMIT 1;
DROP TABLE e;
CREATE INDEX CONCURRENTLY a_conc ON a USING vecam (v) WITH (kind = hnsw);
REINDEX INDEX CONCURRENTLY a_conc;
DROP INDEX a_v;
SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_conc'::regclass;
SELECT rows = (SELECT count(*) FROM a) AS rows, has_graph FROM vecam_stats('a_conc');
SELECT graph_complete('a', '<->', 6);
CREATE TABLE parts (id int, v vector(6)) PARTITION BY HASH (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT id, v FROM a;
CREATE INDEX parts_v ON parts USING vecam (v) WITH (kind = hnsw);
EXPLAIN (COSTS OFF) SELECT id FROM parts ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 10;
SELECT recall >= 0.97 AS recall, sorted FROM graph_recall('parts', '<->', 6, 10, 20);
SELECT vecam_seal('parts_v');
TRUNCATE parts;
SELECT count(*) FROM (SELECT id FROM parts ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 10) s;
INSERT INTO parts SELECT id, v FROM a WHERE id <= 100;
SELECT count(*) FROM (SELECT id FROM parts ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 10) s;
DROP TABLE parts;
RESET enable_seqscan;

-- plans
VACUUM ANALYZE a;
CREATE INDEX a_id ON a (id);
EXPLAIN (COSTS OFF) SELECT id FROM a ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM a ORDER BY v <-> '[1,2,3,4,5,6]';
EXPLAIN (COSTS OFF) SELECT id FROM a WHERE id < 5 ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 10;

-- who may seal what
CREATE INDEX a_flat ON a USING vecam (v) WITH (kind = flat);
SELECT vecam_seal('a_flat');
SELECT vecam_seal('a');
CREATE ROLE vecam_graph_user;
GRANT SELECT ON a TO vecam_graph_user;
SET ROLE vecam_graph_user;
SELECT vecam_seal('a_conc');
RESET ROLE;
REVOKE SELECT ON a FROM vecam_graph_user;
DROP ROLE vecam_graph_user;
DROP TABLE a, tmp;
DROP FUNCTION graph_recall, graph_complete, check_dims, graph_vector;

-- The page that took the last row is freed when that is sealed, and is found
-- again for the code of the next row.
CREATE TABLE long_rows (id int, v vector(4200));
CREATE INDEX long_rows_v ON long_rows USING vecam (v) WITH (kind = hnsw);
INSERT INTO long_rows SELECT i, array_fill(i::real, ARRAY[4200])::vector FROM generate_series(1, 8) i;
SELECT vecam_seal('long_rows_v');
DELETE FROM long_rows WHERE id > 2;
VACUUM long_rows;
DO $$
BEGIN
	FOR i IN 1 .. 30 LOOP
		INSERT INTO long_rows VALUES (i, array_fill((i % 3)::real, ARRAY[4200])::vector);
		PERFORM vecam_seal('long_rows_v');
	END LOOP;
END
$$;
SELECT count(*) FROM long_rows;
SELECT * FROM vecam_check('long_rows_v', true);
DROP TABLE long_rows;
-- Rows of one code that waited in the growing list share a node, and their
-- extent pages are given back.
CREATE TABLE long_rows (id int, v vector(4200));
INSERT INTO long_rows SELECT i, array_fill((i % 7)::real, ARRAY[4200])::vector FROM generate_series(1, 120) i;
CREATE INDEX long_rows_v ON long_rows USING vecam (v) WITH (kind = auto, flat_threshold = 100);
SELECT graph_rows, live_nodes FROM vecam_stats('long_rows_v');
SELECT * FROM vecam_check('long_rows_v', true);
DROP TABLE long_rows;
