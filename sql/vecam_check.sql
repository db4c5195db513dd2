-- vecam_check on sound indexes, and who may call it on what.  test/t/020_check.pl
-- damages indexes.
SET client_min_messages = warning;

CREATE FUNCTION check_vector(i int, n int) RETURNS vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((i % 8) * k % 5 + (hashint4(i * 1000 + k) & 1023) / 1024.0)::real[]::vector
	FROM generate_series(1, n) k
$$;
-- What is wrong with the indexes of a table?  That searches come to every node
-- (INV-26) is what VACUUM takes care of.
CREATE FUNCTION check_indexes(tab text, reach bool DEFAULT false)
	RETURNS TABLE (name name, invariant text, block bigint, slot int, message text)
LANGUAGE sql AS $$
	SELECT c.relname, k.* FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid, vecam_check(c.oid, true) k
	WHERE i.indrelid = tab::regclass AND (reach OR k.invariant <> 'INV-26')
$$;

-- every kind and metric; NULL, undefined and equal rows
CREATE TABLE t (id int, n int DEFAULT 0, v vector(9)) WITH (autovacuum_enabled = off);
CREATE INDEX t_empty_hnsw ON t USING vecam (v) WITH (kind = hnsw);
CREATE INDEX t_empty_ip ON t USING vecam (v vector_ip_ops) WITH (kind = hnsw, rerank = heap);
CREATE INDEX t_empty_flat ON t USING vecam (v) WITH (kind = flat);
SELECT * FROM check_indexes('t');
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO t SELECT i, 0, CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0,0,0,0,0,0,0]'
		WHEN 2 THEN '[1,2,3,4,5,6,7,8,9]' ELSE check_vector(i, 9) END FROM generate_series(first, last) i
$$;
SELECT fill(1, 500);
CREATE INDEX t_flat ON t USING vecam (v vector_cosine_ops) WITH (kind = flat);
CREATE INDEX t_auto ON t USING vecam (v) WITH (flat_threshold = 50);
CREATE INDEX t_later ON t USING vecam (v vector_ip_ops) WITH (flat_threshold = 600);
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = hnsw, m = 4, sketch_bits = 64);
CREATE INDEX t_ip ON t USING vecam (v vector_ip_ops) WITH (kind = hnsw);
CREATE INDEX t_partial ON t USING vecam (v) WITH (kind = hnsw) WHERE id % 3 = 0;
CREATE INDEX t_expression ON t USING vecam ((subvector(v, 2, 5)::vector(5))) WITH (kind = hnsw);
SELECT * FROM check_indexes('t');
SELECT fill(501, 800);
SELECT * FROM check_indexes('t');
SELECT count(vecam_seal(c.oid)) FROM pg_class c WHERE relname ~ '^t_(empty_hnsw|auto|later|cosine|ip|partial|expression)$';
SELECT * FROM check_indexes('t');
SELECT live_nodes > 0 AS nodes, entry_points > 0 AS entries, tid_pages > 0 AS chunks, undefined_rows, null_rows FROM vecam_stats('t_cosine');

-- row versions: HOT, not HOT, deleted, aborted, pruned, vacuumed
UPDATE t SET n = 1 WHERE id % 5 = 0;
UPDATE t SET id = -id WHERE id % 7 = 0;
SELECT * FROM check_indexes('t');
DELETE FROM t WHERE id % 4 = 0;
BEGIN;
SELECT fill(801, 850);
SELECT * FROM check_indexes('t');
ROLLBACK;
SELECT count(*) FROM t WHERE id > 900;
SELECT * FROM check_indexes('t');
VACUUM t;
SELECT * FROM check_indexes('t', true);
SELECT fill(851, 900);
VACUUM t;
SELECT * FROM check_indexes('t', true);
DELETE FROM t;
SELECT * FROM check_indexes('t');
VACUUM t;
SELECT * FROM check_indexes('t', true);
SELECT fill(1, 60);
VACUUM t;
SELECT * FROM check_indexes('t', true);

-- codes of one and of two extent pages, and just none
CREATE TABLE long (id int, v vector(4001), w vector(8161), x vector(3999)) WITH (autovacuum_enabled = off);
INSERT INTO long SELECT i, check_vector(i / 2, 4001), check_vector(i, 8161), check_vector(i, 3999) FROM generate_series(1, 12) i;
CREATE INDEX long_v ON long USING vecam (v vector_ip_ops) WITH (kind = hnsw);
CREATE INDEX long_w ON long USING vecam (w) WITH (kind = hnsw);
CREATE INDEX long_x ON long USING vecam (x vector_cosine_ops) WITH (kind = hnsw);
CREATE INDEX long_flat ON long USING vecam (w vector_cosine_ops) WITH (kind = flat);
SELECT * FROM check_indexes('long');
INSERT INTO long SELECT i, check_vector(i / 2, 4001), check_vector(i, 8161), check_vector(i, 3999) FROM generate_series(9, 16) i;
SELECT * FROM check_indexes('long');
SELECT vecam_seal('long_v'), vecam_seal('long_w'), vecam_seal('long_x');
SELECT * FROM check_indexes('long');
DELETE FROM long WHERE id % 3 = 0;
VACUUM long;
SELECT * FROM check_indexes('long', true);
SELECT extent_pages FROM vecam_stats('long_w');

-- vectors at the limits of float4
CREATE TABLE extreme (v vector(3));
INSERT INTO extreme SELECT ARRAY[3e38, (-1) ^ i * 3e38, i]::real[]::vector FROM generate_series(1, 20) i;
INSERT INTO extreme SELECT ARRAY[1e-45 * i, 0, 1e-38]::real[]::vector FROM generate_series(1, 20) i;
INSERT INTO extreme SELECT ARRAY[i, i, i]::real[]::vector FROM generate_series(1, 20) i;
CREATE INDEX extreme_l2 ON extreme USING vecam (v) WITH (kind = hnsw);
CREATE INDEX extreme_ip ON extreme USING vecam (v vector_ip_ops) WITH (kind = hnsw);
CREATE INDEX extreme_cosine ON extreme USING vecam (v vector_cosine_ops) WITH (kind = hnsw);
SELECT * FROM check_indexes('extreme');
DROP TABLE extreme;

-- Every node is reached, also with few edges: after a build, when half of them
-- have gone, and when as many have come and VACUUM has looked for those that
-- lost the edge to them.
CREATE TABLE few_edges (id int, v vector(24)) WITH (autovacuum_enabled = off);
INSERT INTO few_edges SELECT i, (SELECT array_agg((hashint8(i::bigint * 1000 + k) & 255)::real) FROM generate_series(1, 24) k)::vector
FROM generate_series(1, 2000) i;
CREATE INDEX few_edges_v ON few_edges USING vecam (v) WITH (kind = hnsw, m = 5, ef_construction = 20);
SELECT * FROM check_indexes('few_edges', true);
DELETE FROM few_edges WHERE id % 2 = 0;
VACUUM few_edges;
SELECT * FROM check_indexes('few_edges', true);
INSERT INTO few_edges SELECT i, (SELECT array_agg((hashint8(i::bigint * 1000 + k) & 255)::real) FROM generate_series(1, 24) k)::vector
FROM generate_series(1, 2000) i WHERE i % 2 = 0;
SELECT vecam_seal('few_edges_v');
VACUUM few_edges;
SELECT * FROM check_indexes('few_edges', true);
DROP TABLE few_edges;

-- With very few edges some islands are left when half of the rows have gone:
-- nodes that edges lead to, from one another only.  VACUUM leads to all of them,
-- every time.
CREATE FUNCTION even_vector(i int, seed int, n int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8extended(i::bigint * 64 + k, seed) & 1048575) / 1048576.0)::real[]::vector
	FROM generate_series(1, n) k
$$;
CREATE TABLE islands (tab text, dims int, m int, ef int, n int);
INSERT INTO islands VALUES ('line_1', 1, 2, 16, 1500), ('line_2', 1, 2, 4, 800), ('plane', 2, 2, 8, 800),
	('even_1', 24, 4, 8, 500), ('even_2', 24, 4, 8, 500), ('even_3', 24, 4, 8, 500);
CREATE TABLE unreached (round int, tab text, invariant text, n bigint);
\set ECHO none
SELECT format('CREATE TABLE %1$s (id int, v vector(%2$s)) WITH (autovacuum_enabled = off);
	INSERT INTO %1$s SELECT i, even_vector(i, hashtext(%1$L), %2$s) FROM generate_series(1, %5$s) i;
	CREATE INDEX %1$s_v ON %1$s USING vecam (v) WITH (kind = hnsw, m = %3$s, ef_construction = %4$s)',
	tab, dims, m, ef, n) FROM islands \gexec
SELECT format(step, tab, round, dims, n)
FROM islands, generate_series(1, 10) round, (VALUES
	(1, 'DELETE FROM %1$s WHERE hashint8extended(id, %2$s) & 1 = 0'),
	(2, 'VACUUM %1$s'),
	(3, 'INSERT INTO unreached SELECT %2$s, %1$L, invariant, count(*) FROM check_indexes(%1$L, true) GROUP BY 3'),
	(4, 'INSERT INTO %1$s SELECT i, even_vector(i, %2$s, %3$s) FROM generate_series(1, %4$s) i
		WHERE NOT EXISTS (SELECT FROM %1$s WHERE id = i)'),
	(5, 'DO $$ BEGIN PERFORM vecam_seal(''%1$s_v''); END $$'),
	(6, 'VACUUM %1$s'),
	(7, 'INSERT INTO unreached SELECT %2$s, %1$L, invariant, count(*) FROM check_indexes(%1$L, true) GROUP BY 3'))
	AS steps (number, step)
ORDER BY round, number, tab \gexec
\set ECHO all
SELECT * FROM unreached;
SELECT count(*) FROM line_1;
DROP TABLE line_1, line_2, plane, even_1, even_2, even_3, islands, unreached;
DROP FUNCTION even_vector;

-- tables of other kinds
CREATE UNLOGGED TABLE unlogged AS SELECT * FROM t;
CREATE INDEX unlogged_v ON unlogged USING vecam (v) WITH (kind = hnsw);
CREATE TEMP TABLE temporary AS SELECT * FROM t;
CREATE INDEX temporary_v ON temporary USING vecam (v) WITH (kind = hnsw);
SELECT * FROM check_indexes('unlogged') UNION ALL SELECT * FROM check_indexes('temporary');

-- an old snapshot does not matter, nor a transaction that only reads
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT count(*) > 0 FROM t;
SELECT * FROM check_indexes('t');
SAVEPOINT a;
SELECT * FROM vecam_check('t_ip');
ROLLBACK TO a;
SELECT * FROM vecam_check('t_ip', heapallindexed => true);
COMMIT;
SELECT count(*) FROM (SELECT vecam_check('t_ip')) s;

-- what it cannot be called on
CREATE TABLE other (id int PRIMARY KEY, v vector(3)) PARTITION BY RANGE (id);
CREATE INDEX other_v ON other USING vecam (v);
CREATE VIEW other_view AS SELECT 1;
SELECT * FROM vecam_check('t');
SELECT * FROM vecam_check('other_view');
SELECT * FROM vecam_check('other_pkey');
SELECT * FROM vecam_check('other_v');
SELECT * FROM vecam_check('pg_class_oid_index');
SELECT * FROM vecam_check(0);
SELECT * FROM vecam_check(NULL);
SELECT * FROM vecam_check('t_ip', NULL);
CREATE TABLE mixed (id int, v vector);
INSERT INTO mixed VALUES (1, '[1,2]'), (2, '[1,2,3]');
CREATE INDEX CONCURRENTLY mixed_v ON mixed USING vecam ((v::vector(2)));
SELECT * FROM vecam_check('mixed_v', true);

-- who may call it: the owner, who is a member of the owner, and superusers
CREATE ROLE vecam_check_owner;
CREATE ROLE vecam_check_member IN ROLE vecam_check_owner;
CREATE ROLE vecam_check_reader;
ALTER TABLE long OWNER TO vecam_check_owner;
GRANT SELECT ON long TO vecam_check_reader;
GRANT CREATE ON SCHEMA public TO vecam_check_owner;
SET ROLE vecam_check_owner;
SELECT * FROM vecam_check('long_x', true);
SET ROLE vecam_check_member;
SELECT * FROM vecam_check('long_x', true);
SET ROLE vecam_check_reader;
SELECT * FROM vecam_check('long_x');
RESET ROLE;

-- an index's functions run as its owner, not as who calls
CREATE FUNCTION whose(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'vecam_check_owner' THEN
		RAISE EXCEPTION 'runs as another user';
	END IF;
	RETURN v;
END
$$;
SET ROLE vecam_check_owner;
CREATE INDEX long_whose ON long USING vecam ((whose(x)::vector(3999))) WITH (kind = flat);
RESET ROLE;
SELECT * FROM vecam_check('long_whose', true);

DROP TABLE t, long, unlogged, temporary, other, mixed;
DROP VIEW other_view;
DROP FUNCTION check_vector, check_indexes, fill, whose;
REVOKE CREATE ON SCHEMA public FROM vecam_check_owner;
DROP ROLE vecam_check_member, vecam_check_reader, vecam_check_owner;
