-- vecam_checkpoint and vecam_restore.  test/t/050_restore.pl goes through
-- pg_dump and another cluster.
SET client_min_messages = warning;

CREATE FUNCTION cp_vector(i int, n int) RETURNS vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8(i::bigint * 16411 + k) & 1023)::real / 64 - 8)::vector FROM generate_series(1, n) k
$$;
CREATE FUNCTION cp_rows(first int, last int) RETURNS TABLE (id int, v vector) LANGUAGE sql AS $$
	SELECT i, CASE i % 25 WHEN 0 THEN NULL WHEN 1 THEN '[0,0,0,0,0,0,0,0,0]' WHEN 2 THEN '[1,2,3,4,5,6,7,8,9]'
		ELSE cp_vector(i, 9) END FROM generate_series(first, last) i
$$;
-- What ten queries with a short look-ahead get from an index.
CREATE FUNCTION answers(tab text, op text, dims int) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off SET vecam.ef_search = 3 AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(ids::text, '';'') FROM generate_series(1, 10) q,
		LATERAL (SELECT array_agg(id) AS ids FROM (SELECT id FROM %s ORDER BY v %s cp_vector(-q, %s) LIMIT 10) s) a', tab, op, dims)
	INTO result;
	RETURN result;
END
$$;
CREATE FUNCTION is_sound(index regclass) RETURNS bool LANGUAGE sql AS $$
	SELECT count(*) = 0 FROM vecam_check(index, true)
$$;
-- Restore an index from its checkpoint; are bytes and answers the same?
CREATE FUNCTION round_trip(index regclass, tab text, op text, dims int, OUT adopted bigint, OUT inserted bigint,
	OUT dropped bigint, OUT sound bool, OUT equal_answers bool, OUT equal_bytes bool)
LANGUAGE plpgsql AS $$
DECLARE
	before text := answers(tab, op, dims);
BEGIN
	CREATE TEMP TABLE trip AS SELECT * FROM vecam_checkpoint(index);
	SELECT * INTO adopted, inserted, dropped FROM vecam_restore(index, 'trip');
	sound := is_sound(index);
	equal_answers := answers(tab, op, dims) = before;
	SELECT count(*) = count(a.data) AND count(*) = count(b.data) AND bool_and(a.data = b.data) INTO equal_bytes
	FROM trip a FULL JOIN vecam_checkpoint(index) b USING (chunk);
	DROP TABLE trip;
END
$$;

-- kinds and metrics; NULL, undefined and equal rows
CREATE TABLE t (id int, v vector(9)) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT * FROM cp_rows(1, 1000);
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw);
SELECT * FROM round_trip('t_v', 't', '<->', 9);
SELECT rows, graph_rows, undefined_rows, null_rows, growing_rows, live_nodes FROM vecam_stats('t_v');
DROP INDEX t_v;
CREATE INDEX t_v ON t USING vecam (v vector_cosine_ops) WITH (kind = hnsw, m = 4, sketch_bits = 64, rerank = heap);
SELECT * FROM round_trip('t_v', 't', '<=>', 9);
SELECT rows, graph_rows, undefined_rows, null_rows, growing_rows, live_nodes FROM vecam_stats('t_v');
DROP INDEX t_v;
CREATE INDEX t_v ON t USING vecam (v vector_ip_ops) WITH (flat_threshold = 100);
SELECT * FROM round_trip('t_v', 't', '<#>', 9);
DROP INDEX t_v;
CREATE INDEX t_v ON t USING vecam (v vector_ip_ops);
SELECT * FROM round_trip('t_v', 't', '<#>', 9);
DROP INDEX t_v;
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = flat);
SELECT * FROM round_trip('t_v', 't', '<->', 9);
DROP INDEX t_v;
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw) WHERE id % 3 = 0;
SELECT * FROM round_trip('t_v', 't WHERE id % 3 = 0', '<->', 9);
DROP INDEX t_v;

-- codes of extent pages
CREATE TABLE long (id int, v vector(4100)) WITH (autovacuum_enabled = off);
INSERT INTO long SELECT i, cp_vector(i / 2, 4100) FROM generate_series(1, 30) i;
CREATE INDEX long_v ON long USING vecam (v) WITH (kind = hnsw);
SELECT * FROM round_trip('long_v', 'long', '<->', 4100);
CREATE TABLE long_cp AS SELECT * FROM vecam_checkpoint('long_v');
DELETE FROM long WHERE id < 10;
INSERT INTO long SELECT i, cp_vector(i / 2, 4100) FROM generate_series(31, 36) i;
SELECT * FROM vecam_restore('long_v', 'long_cp');
SELECT is_sound('long_v');
SELECT * FROM round_trip('long_v', 'long', '<->', 4100);

-- an empty table, a table of one row
CREATE TABLE few (id int, v vector(3));
CREATE INDEX few_v ON few USING vecam (v) WITH (kind = hnsw, m = 2);
SELECT * FROM round_trip('few_v', 'few', '<->', 3);
INSERT INTO few VALUES (1, '[1,2,3]');
SELECT vecam_seal('few_v');
SELECT * FROM round_trip('few_v', 'few', '<->', 3);

-- growing rows; seed and mean are the checkpoint's
SET vecam.build_seed = 7;
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw);
RESET vecam.build_seed;
INSERT INTO t SELECT * FROM cp_rows(1001, 1100);
CREATE TABLE cp AS SELECT * FROM vecam_checkpoint('t_v');
SELECT * FROM vecam_restore('t_v', 'cp');
SELECT seed, has_mean, growing_rows, graph_rows FROM vecam_stats('t_v');
SELECT is_sound('t_v');

-- rows that have gone and rows that have come; the gone ones stay away
DELETE FROM t WHERE id % 20 = 7;
VACUUM t;
INSERT INTO t SELECT * FROM cp_rows(2001, 2100);
SELECT * FROM vecam_restore('t_v', 'cp');
SELECT is_sound('t_v');
SELECT deleted_nodes FROM vecam_stats('t_v');
-- dead nodes are in a checkpoint
CREATE TABLE cp_dead AS SELECT * FROM vecam_checkpoint('t_v');
SELECT * FROM vecam_restore('t_v', 'cp_dead');
DELETE FROM t WHERE id % 3 = 0;
SELECT * FROM vecam_restore('t_v', 'cp_dead');
SELECT is_sound('t_v');
SELECT deleted_nodes, rows = (SELECT count(*) FROM t) AS all_rows FROM vecam_stats('t_v');
-- a row that has come again has its node again
INSERT INTO t SELECT * FROM cp_rows(507, 507);
SELECT * FROM vecam_restore('t_v', 'cp_dead');
DELETE FROM t;
SELECT * FROM vecam_restore('t_v', 'cp_dead');
SELECT is_sound('t_v');
INSERT INTO t SELECT * FROM cp_rows(1, 300);
SELECT vecam_seal('t_v');
SELECT is_sound('t_v');
TRUNCATE t;
INSERT INTO t SELECT * FROM cp_rows(1, 300);
SELECT vecam_seal('t_v');

-- rollback leaves the index as it was
CREATE TABLE before AS SELECT * FROM vecam_checkpoint('t_v');
CREATE TABLE before_answers AS SELECT answers('t', '<->', 9) AS a;
BEGIN;
SAVEPOINT s;
SELECT * FROM vecam_restore('t_v', 'cp_dead');
ROLLBACK TO s;
SELECT count(*) FROM before JOIN vecam_checkpoint('t_v') USING (chunk, data);
SELECT * FROM vecam_restore('t_v', 'cp');
ROLLBACK;
SELECT count(*) FROM before JOIN vecam_checkpoint('t_v') USING (chunk, data);
SELECT answers('t', '<->', 9) = a FROM before_answers;
SELECT is_sound('t_v');

-- other columns and other sources
CREATE TABLE "Odd" AS SELECT chunk::smallint AS "the number", data AS "from" FROM cp;
SELECT * FROM vecam_restore('t_v', '"Odd"', 'the number', 'from');
CREATE VIEW cp_view AS SELECT chunk, data FROM cp ORDER BY chunk DESC;
SELECT * FROM vecam_restore('t_v', 'cp_view');
SELECT is_sound('t_v');

-- what is refused: state, message and detail
CREATE FUNCTION refused(index regclass, source regclass, data_column name DEFAULT 'data') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	PERFORM vecam_restore(index, source, 'chunk', data_column);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(': ', SQLSTATE, message, nullif(detail, ''));
END
$$;
-- Change one chunk, or several, of the checkpoint c and try it.
CREATE FUNCTION refused_if(change text, what text DEFAULT 'few_v') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	CREATE TEMP TABLE changed AS SELECT * FROM c;
	EXECUTE change;
	result := refused(what::regclass, 'changed');
	DROP TABLE changed;
	RETURN result;
END
$$;
TRUNCATE few;
INSERT INTO few SELECT i, cp_vector(i, 3) FROM generate_series(1, 30) i;
REINDEX INDEX few_v;
CREATE TABLE c AS SELECT * FROM vecam_checkpoint('few_v');
SELECT count(*) FROM c;
SELECT refused_if('DELETE FROM changed');
SELECT refused_if('DELETE FROM changed WHERE chunk = 0');
SELECT refused_if('DELETE FROM changed WHERE chunk = 1');
SELECT refused_if('UPDATE changed SET chunk = 1 - chunk');
SELECT refused_if('INSERT INTO changed SELECT * FROM changed');
SELECT refused_if('INSERT INTO changed SELECT 2, data FROM changed WHERE chunk = 1');
SELECT refused_if('UPDATE changed SET data = '''' WHERE chunk = 1');
SELECT refused_if('UPDATE changed SET data = substr(data, 1, length(data) - 1) WHERE chunk = 1');
SELECT refused_if('UPDATE changed SET data = data || ''x'' WHERE chunk = 1');
SELECT refused_if('UPDATE changed SET data = NULL WHERE chunk = 1');
SELECT refused_if('UPDATE changed SET chunk = NULL WHERE chunk = 1');
SELECT refused_if('ALTER TABLE changed ALTER data TYPE text');
SELECT refused_if('ALTER TABLE changed RENAME data TO other');
-- bits of both chunks
SELECT chunk, array_agg(DISTINCT left(r, 40)) FROM c,
	generate_series(0, length(data) - 1) i,
	refused_if(format('UPDATE changed SET data = set_bit(data, %s, 1 - get_bit(data, %1$s)) WHERE chunk = %s', i * 8 + i % 8, chunk)) r
WHERE chunk = 0 OR i % 7 = 0 OR i < 40
GROUP BY chunk ORDER BY chunk;

-- The same with a checksum that matches: whoever writes a checkpoint may lie.
CREATE FUNCTION crc32c(data bytea) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	crc bigint := 4294967295;
BEGIN
	FOR i IN 0 .. length(data) - 1 LOOP
		crc := crc # get_byte(data, i);
		FOR k IN 1 .. 8 LOOP
			crc := (crc >> 1) # CASE WHEN crc & 1 = 1 THEN 2197175160 ELSE 0 END;
		END LOOP;
	END LOOP;
	RETURN crc # 4294967295;
END
$$;
CREATE FUNCTION little_endian(n bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT decode(string_agg(lpad(to_hex((n >> 8 * i) & 255), 2, '0'), '' ORDER BY i), 'hex') FROM generate_series(0, 3) i
$$;
CREATE FUNCTION sign_chunk(number int, contents bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT head || little_endian(crc32c(head || contents)) || contents
	FROM (SELECT '\x56434b50'::bytea || little_endian(number) || little_endian(length(contents)) AS head) s
$$;
-- Put bytes into the contents of a chunk.
CREATE FUNCTION lie(number int, place int, bytes bytea) RETURNS text LANGUAGE sql AS $$
	SELECT refused_if(format('UPDATE changed SET data = sign_chunk(chunk, overlay(substr(data, 17) PLACING %L::bytea FROM %s)) WHERE chunk = %s',
		bytes, place + 1, number))
$$;
SELECT bool_and(sign_chunk(chunk, substr(data, 17)) = data) FROM c;
SELECT lie(0, 0, '\x02') AS version;
SELECT lie(0, 4, '\xffffffff') AS nodes;
SELECT lie(0, 4, '\x1d') AS one_node_less;
SELECT lie(0, 16, '\x0000') AS no_dimensions;
SELECT lie(0, 16, '\x0400') AS dimensions;
SELECT lie(0, 18, '\x01') AS metric;
SELECT lie(0, 18, '\x03') AS no_metric;
SELECT lie(0, 19, '\x03') AS no_kind;
SELECT lie(0, 20, '\x0300') AS m;
SELECT lie(0, 20, '\xffff') AS no_m;
SELECT lie(0, 22, '\x4000') AS sketch_bits;
SELECT lie(0, 24, '\x00') AS fine_bits;
SELECT lie(0, 25, '\x10') AS entry_level;
SELECT lie(0, 26, '\x00') AS no_mean;
SELECT lie(0, 40, '\x0000807f') AS mean;
SELECT lie(0, 40, '\x0000803f') AS other_mean;
SELECT is_sound('few_v');
SELECT lie(0, 28, '\x0000c07f') AS max_norm;
SELECT lie(0, 32, '\x0000') AS no_ef_construction;
SELECT lie(0, 32, '\xffff') AS wild_ef_construction;
SELECT lie(0, 8, '\x99') AS seed;
-- the first node: flags, level, degree, zero, lo, delta, norm2, code of three bytes, edges
SELECT get_byte(data, 16 + 2) > 1 AS has_edges FROM c WHERE chunk = 1;
SELECT lie(1, 0, '\x02') AS flags;
SELECT lie(1, 1, '\x0f') AS level;
SELECT lie(1, 2, '\xff') AS degree;
SELECT lie(1, 2, '\x00') AS other_degree;
SELECT lie(1, 4, '\x0000807f') AS lo;
SELECT lie(1, 8, '\x000080bf') AS delta;
SELECT lie(1, 12, '\x0000c07f') AS norm2;
SELECT lie(1, 19, '\x1e000000') AS wild_edge;
SELECT lie(1, 19, '\x00000000') AS edge_to_itself;
SELECT refused_if('UPDATE changed SET data = sign_chunk(1, substr(data, 17) || ''\x00'') WHERE chunk = 1') AS too_long;
SELECT refused_if('UPDATE changed SET data = sign_chunk(1, substr(data, 17, length(data) - 20)) WHERE chunk = 1') AS too_short;
SELECT refused_if('UPDATE changed SET data = sign_chunk(1, substr(data, 17) || substr(data, 17)) WHERE chunk = 1') AS too_many;
SELECT lie(1, 12, '\x00000042') AS other_norm;
-- a code that no row has is a node without a row, and occlusions may be any; edges that lead elsewhere are edges
SELECT refused_if(format('UPDATE changed SET data = sign_chunk(1, substr(data, 17, %s) || %L || substr(data, %s)) WHERE chunk = 1',
	19 + 4 * n, decode(repeat('ff', n), 'hex'), 17 + 19 + 5 * n)) AS occlusions
FROM (SELECT get_byte(data, 16 + 2) AS n FROM c WHERE chunk = 1) s;
SELECT is_sound('few_v');
SELECT answers('few', '<->', 3) IS NOT NULL AS answers;
-- other indexes
SELECT refused('few_v', 'cp') AS dimensions;
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops) WITH (kind = hnsw);
SELECT refused('t_cosine', 'cp') AS metric;
CREATE INDEX t_m ON t USING vecam (v) WITH (kind = hnsw, m = 8);
SELECT refused('t_m', 'cp') AS m;
CREATE INDEX t_heap ON t USING vecam (v) WITH (kind = hnsw, rerank = heap);
SELECT refused('t_heap', 'cp') AS rerank;
CREATE INDEX t_flat ON t USING vecam (v) WITH (kind = flat);
SELECT refused('t_flat', 'cp') AS kind;
-- a checkpoint without a graph gives its mean and seed to any kind; a graph makes auto one
CREATE TABLE flat_cp AS SELECT * FROM vecam_checkpoint('t_flat');
SELECT * FROM vecam_restore('t_v', 'flat_cp');
ALTER INDEX t_v SET (kind = auto);
SELECT * FROM vecam_restore('t_v', 'cp');
SELECT kind, has_graph FROM vecam_stats('t_v');
SELECT is_sound('t_v');

-- built flat for now
SET vecam.build_flat = on;
DROP INDEX t_v;
CREATE INDEX t_v ON t USING vecam (v) WITH (kind = hnsw);
SELECT kind, has_graph, rows FROM vecam_stats('t_v');
SELECT is_sound('t_v');
INSERT INTO t SELECT * FROM cp_rows(3001, 3010);
SELECT * FROM vecam_restore('t_v', 'cp');
RESET vecam.build_flat;
SELECT kind, has_graph, rows FROM vecam_stats('t_v');
SELECT is_sound('t_v');

-- a table all of whose rows are others
CREATE TABLE others (id int, v vector(9));
INSERT INTO others SELECT * FROM cp_rows(9001, 9400);
CREATE INDEX others_v ON others USING vecam (v) WITH (kind = hnsw);
DELETE FROM others WHERE v = '[1,2,3,4,5,6,7,8,9]';
SELECT nodes_adopted, rows_inserted, nodes_dropped > 500 AS all_dropped FROM vecam_restore('others_v', 'cp');
SELECT rows, live_nodes = rows_inserted AS all_new, deleted_nodes FROM vecam_stats('others_v'),
	(SELECT count(DISTINCT v) AS rows_inserted FROM others WHERE v IS NOT NULL) s;
SELECT is_sound('others_v');
-- an index that a build has left invalid
UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'others_v'::regclass;
SELECT vecam_restore('others_v', 'cp') IS NOT NULL AS restored;
SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'others_v'::regclass;
SELECT is_sound('others_v');
-- an expression, in a schema that is not in the path; names that need quotes
CREATE SCHEMA "o'ther";
CREATE TABLE "o'ther"."the ""rows" AS SELECT id, v::real[] AS v FROM others;
CREATE INDEX "i x" ON "o'ther"."the ""rows" USING vecam ((v::vector(9))) WITH (kind = hnsw);
SELECT * FROM round_trip('"o''ther"."i x"', '(SELECT id, v::vector(9) AS v FROM "o''ther"."the ""rows") s', '<->', 9);
DROP SCHEMA "o'ther" CASCADE;
-- a temporary index, also one that is emptied at each commit
CREATE TEMP TABLE mine ON COMMIT DELETE ROWS AS SELECT * FROM others;
CREATE INDEX mine_v ON mine USING vecam (v) WITH (kind = hnsw);
BEGIN;
INSERT INTO mine SELECT * FROM t;
SELECT nodes_adopted > 0 AS adopted FROM vecam_restore('mine_v', 'cp');
SELECT is_sound('mine_v');
COMMIT;
SELECT is_sound('mine_v');
SELECT rows FROM vecam_stats('mine_v');
DROP TABLE mine, others;
-- partitions have indexes; the index of all is none
CREATE TABLE parts (id int, v vector(9)) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT * FROM t;
CREATE INDEX parts_v ON parts USING vecam (v) WITH (kind = hnsw);
SELECT vecam_checkpoint('parts_v');
SELECT vecam_restore('parts_v', 'cp');
SELECT nodes_adopted > 0 AS adopted FROM vecam_restore('part_v_idx', 'cp');
SELECT is_sound('part_v_idx');
-- an index that a query uses cannot be given another file
BEGIN;
SET LOCAL enable_seqscan = off;
DECLARE c CURSOR FOR SELECT id FROM part ORDER BY v <-> cp_vector(1, 9);
FETCH c;
SELECT vecam_restore('part_v_idx', 'cp');
ROLLBACK;
DROP TABLE parts;

-- ef_construction is the checkpoint's, until the index is built anew
CREATE TABLE efs (id int, v vector(9)) WITH (autovacuum_enabled = off);
INSERT INTO efs SELECT * FROM cp_rows(1, 300);
CREATE INDEX efs_v ON efs USING vecam (v) WITH (kind = hnsw, ef_construction = 40);
CREATE TABLE efs_cp AS SELECT * FROM vecam_checkpoint('efs_v');
DROP INDEX efs_v;
CREATE INDEX efs_v ON efs USING vecam (v) WITH (kind = hnsw);
SELECT ef_construction FROM vecam_stats('efs_v');
SET client_min_messages = notice;
SELECT * FROM vecam_restore('efs_v', 'efs_cp');
SET client_min_messages = warning;
SELECT ef_construction FROM vecam_stats('efs_v');
SELECT count(*) AS different FROM efs_cp a FULL JOIN vecam_checkpoint('efs_v') b USING (chunk) WHERE a.data IS DISTINCT FROM b.data;
REINDEX INDEX efs_v;
SELECT ef_construction FROM vecam_stats('efs_v');
DROP TABLE efs, efs_cp;

-- who may do what
CREATE INDEX t_id ON t (id);
SELECT vecam_checkpoint('t_id');
SELECT vecam_restore('t_id', 'cp');
SELECT vecam_checkpoint('t');
SELECT vecam_checkpoint(NULL);
SELECT vecam_restore('t_v', NULL);
SELECT vecam_restore('t_v', 4294967295);
CREATE ROLE regress_vecam_restorer;
GRANT SELECT ON t TO regress_vecam_restorer;
SET ROLE regress_vecam_restorer;
SELECT vecam_checkpoint('t_v');
SELECT vecam_restore('t_v', 'cp');
RESET ROLE;
ALTER TABLE t OWNER TO regress_vecam_restorer;
SET ROLE regress_vecam_restorer;
SELECT count(*) FROM vecam_checkpoint('t_v');
SELECT vecam_restore('t_v', 'cp');
RESET ROLE;
GRANT SELECT ON cp TO regress_vecam_restorer;
SET ROLE regress_vecam_restorer;
SELECT * FROM vecam_restore('t_v', 'cp');
RESET ROLE;
DROP TABLE t, long, long_cp, few, cp, cp_dead, before, before_answers, "Odd", c, flat_cp CASCADE;
DROP ROLE regress_vecam_restorer;
DROP FUNCTION cp_vector, cp_rows, answers, is_sound, round_trip, refused, refused_if, crc32c, little_endian, sign_chunk, lie;

-- written at one level of instructions, read at another
CREATE TABLE level (id int, v vector(16));
INSERT INTO level SELECT i, ARRAY(SELECT sin(i * k) FROM generate_series(1, 16) k)::real[]::vector FROM generate_series(1, 2000) i;
CREATE INDEX level_v ON level USING vecam (v) WITH (kind = hnsw);
CREATE TABLE level_graph AS SELECT * FROM vecam_checkpoint('level_v');
SET vecam.simd = scalar;
SELECT * FROM vecam_restore('level_v', 'level_graph');
SELECT count(*) AS different FROM (SELECT * FROM vecam_checkpoint('level_v') EXCEPT SELECT * FROM level_graph) d;
RESET vecam.simd;
SELECT * FROM vecam_check('level_v', true);
DROP TABLE level, level_graph;
