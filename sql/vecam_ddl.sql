-- Creating, changing and describing indexes.

SET client_min_messages = warning;

--
-- Kinds of tables
--

-- unlogged, and from logged to unlogged and back
CREATE UNLOGGED TABLE u (id int PRIMARY KEY, v vector(3));
CREATE INDEX u_v ON u USING vecam (v);
INSERT INTO u SELECT i, test_vector(i, 3) FROM generate_series(1, 300) i;
SELECT check_order('u', '<->', '[1,2,3]');
ALTER TABLE u SET LOGGED;
SELECT check_order('u', '<->', '[1,2,3]');
INSERT INTO u SELECT i, test_vector(i, 3) FROM generate_series(301, 400) i;
ALTER TABLE u SET UNLOGGED;
INSERT INTO u SELECT i, test_vector(i, 3) FROM generate_series(401, 500) i;
SELECT check_order('u', '<->', '[1,2,3]');
SELECT rows FROM vecam_stats('u_v');
TRUNCATE u;
INSERT INTO u VALUES (1, '[1,2,3]');
SELECT check_order('u', '<->', '[1,2,3]');
DROP TABLE u;

-- temporary, with rows that go at commit
CREATE TEMP TABLE tmp (id int, v vector(3)) ON COMMIT DELETE ROWS;
CREATE INDEX tmp_v ON tmp USING vecam (v);
BEGIN;
INSERT INTO tmp SELECT i, test_vector(i, 3) FROM generate_series(1, 2000) i;
SELECT check_order('tmp', '<->', '[1,2,3]');
COMMIT;
SELECT rows, pages FROM vecam_stats('tmp_v');
BEGIN;
INSERT INTO tmp SELECT i, test_vector(i + 77, 3) FROM generate_series(1, 100) i;
REINDEX INDEX tmp_v;
SELECT check_order('tmp', '<->', '[1,2,3]');
COMMIT;
BEGIN;
INSERT INTO tmp SELECT i, test_vector(i, 3) FROM generate_series(1, 200) i;
SELECT check_order('tmp', '<->', '[1,2,3]');
COMMIT;
DROP TABLE tmp;

-- made and filled and emptied in one transaction
BEGIN;
CREATE TABLE one (id int, v vector(3));
INSERT INTO one SELECT i, test_vector(i, 3) FROM generate_series(1, 100) i;
CREATE INDEX one_v ON one USING vecam (v);
SELECT check_order('one', '<->', '[1,2,3]');
TRUNCATE one;
INSERT INTO one SELECT i, test_vector(i + 5000, 3) FROM generate_series(1, 100) i;
SELECT check_order('one', '<->', '[1,2,3]');
REINDEX TABLE one;
SELECT check_order('one', '<->', '[1,2,3]');
COMMIT;
SELECT check_order('one', '<->', '[1,2,3]');
TRUNCATE one;
SELECT check_order('one', '<->', '[1,2,3]');
DROP TABLE one;

-- partitioned: an append of ordered scans
CREATE TABLE parts (id int, k int, v vector(3)) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
INSERT INTO parts SELECT i, i % 2 + 1, test_vector(i, 3) FROM generate_series(1, 400) i;
CREATE INDEX parts_v ON parts USING vecam (v);
CREATE TABLE parts_3 PARTITION OF parts FOR VALUES IN (3);
CREATE TABLE parts_4 (v vector(3), k int, id int);
INSERT INTO parts_4 SELECT test_vector(i, 3), 4, i FROM generate_series(401, 500) i;
INSERT INTO parts_4 VALUES (NULL, 4, 501);
CREATE INDEX parts_4_v ON parts_4 USING vecam (v);
ALTER TABLE parts ATTACH PARTITION parts_4 FOR VALUES IN (4);
INSERT INTO parts SELECT i, 3, test_vector(i, 3) FROM generate_series(601, 650) i;
SET enable_seqscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM parts ORDER BY v <-> '[1,2,3]' LIMIT 3;
RESET enable_seqscan;
RESET enable_sort;
SELECT n, check_order('parts', '<->', '[1.1,2.7,3.3]', n) FROM unnest(ARRAY[10, NULL]) AS n;
UPDATE parts SET k = 3 WHERE id % 10 = 0 AND k < 3;
SELECT check_order('parts', '<->', '[1.1,2.7,3.3]');
SELECT count(*) FROM pg_inherits WHERE inhparent = 'parts_v'::regclass;
SELECT rows FROM vecam_stats('parts_4_v');
SELECT * FROM vecam_stats('parts_v');
DROP TABLE parts;

--
-- Kinds of indexes
--

CREATE TABLE t (id int PRIMARY KEY, c int, v vector(3), w vector, a real[]);
INSERT INTO t SELECT i, i % 10, test_vector(i, 3), test_vector(i, 3), (test_vector(i, 3))::real[]
FROM generate_series(1, 500) i;

-- partial
CREATE INDEX t_partial ON t USING vecam (v) WHERE c = 3;
SELECT rows FROM vecam_stats('t_partial');
UPDATE t SET c = 3 WHERE id = 1;
UPDATE t SET c = 4 WHERE id = 3;
SET enable_seqscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE c = 3 ORDER BY v <-> '[1,2,3]' LIMIT 5;
SELECT check_order('(SELECT id, v FROM t WHERE c = 3) p', '<->', '[1,2,3]');
SELECT count(*) FROM t WHERE c = 3;
DROP INDEX t_partial;

-- over expressions
CREATE INDEX t_cast ON t USING vecam ((w::vector(3)));
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY w::vector(3) <-> '[1,2,3]' LIMIT 5;
SELECT check_order('(SELECT id, w::vector(3) AS v FROM t) p', '<->', '[1,2,3]');
INSERT INTO t (id, w) SELECT i, test_vector(i, 3) FROM generate_series(501, 600) i;
SELECT check_order('(SELECT id, w::vector(3) AS v FROM t) p', '<->', '[1,2,3]');
CREATE INDEX t_array ON t USING vecam ((a::vector(3)) vector_cosine_ops);
SELECT check_order('(SELECT id, a::vector(3) AS v FROM t) p', '<=>', '[1,2,3]');
CREATE INDEX t_head ON t USING vecam ((subvector(v, 1, 2)::vector(2))) WHERE v IS NOT NULL;
SELECT check_order('(SELECT id, subvector(v, 1, 2)::vector(2) AS v FROM t WHERE v IS NOT NULL) p', '<->', '[1,2]');
DROP INDEX t_cast, t_array, t_head;

-- several on one column
CREATE INDEX t_l2 ON t USING vecam (v);
CREATE INDEX t_l2_flat ON t USING vecam (v) WITH (kind = flat);
CREATE INDEX t_cosine ON t USING vecam (v vector_cosine_ops);
CREATE INDEX t_ip ON t USING vecam (v vector_ip_ops);
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <=> '[1,2,3]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <#> '[1,2,3]' LIMIT 5;
RESET enable_seqscan;
RESET enable_sort;
SELECT op, check_order('t', op, '[1,2,3]') FROM unnest(ARRAY['<->', '<#>', '<=>']) AS op;
SELECT kind, metric, dimensions, format_version, seed, has_mean, rows, null_rows FROM vecam_stats('t_cosine');
SELECT kind, metric FROM vecam_stats('t_l2_flat');

-- another seed gives another index and the same answers
SET vecam.build_seed = 4711;
REINDEX INDEX t_ip;
RESET vecam.build_seed;
SELECT seed FROM vecam_stats('t_ip');
SELECT check_order('t', '<#>', '[1,2,3]');

-- rebuilding
REINDEX TABLE t;
REINDEX TABLE CONCURRENTLY t;
SELECT op, check_order('t', op, '[1,2,3]') FROM unnest(ARRAY['<->', '<#>', '<=>']) AS op;
CREATE INDEX CONCURRENTLY t_concurrent ON t USING vecam (v vector_ip_ops) WITH (kind = flat);
DROP INDEX t_ip;
SELECT check_order('t', '<#>', '[1,2,3]');
SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 't_concurrent'::regclass;
DROP INDEX CONCURRENTLY t_concurrent;
VACUUM FULL t;
SELECT op, check_order('t', op, '[1,2,3]') FROM unnest(ARRAY['<->', '<=>']) AS op;
CLUSTER t USING t_pkey;
SELECT op, check_order('t', op, '[1,2,3]') FROM unnest(ARRAY['<->', '<=>']) AS op;

-- changes of the table
ALTER TABLE t ALTER v SET STORAGE plain;
UPDATE t SET v = test_vector(id + 1, 3) WHERE id % 5 = 0;
ALTER TABLE t ADD x int DEFAULT 7, DROP a;
SELECT check_order('t', '<->', '[1,2,3]');
ALTER TABLE t ALTER v TYPE vector(4) USING (v || '[1]'::vector)::vector(4);
SELECT op, check_order('t', op, '[1,2,3,4]') FROM unnest(ARRAY['<->', '<=>']) AS op;
SELECT dimensions FROM vecam_stats('t_l2');
ALTER TABLE t ALTER v TYPE vector(3);
SELECT dimensions FROM vecam_stats('t_l2');
-- the index stays as it is, but cannot be built anew
ALTER TABLE t ALTER v TYPE vector;
SELECT dimensions FROM vecam_stats('t_l2');
INSERT INTO t (id, v) VALUES (-1, '[1,2,3]');
REINDEX INDEX t_l2;
SELECT check_order('t', '<->', '[1,2,3,4]');
ALTER TABLE t ALTER v TYPE vector(4);
ALTER INDEX t_l2 RENAME TO t_renamed;
ALTER INDEX t_renamed SET (kind = flat);
SELECT kind FROM vecam_stats('t_renamed');
REINDEX INDEX t_renamed;
SELECT kind FROM vecam_stats('t_renamed');
ALTER INDEX t_renamed RESET (kind);
REINDEX INDEX t_renamed;
SELECT kind FROM vecam_stats('t_renamed');
SELECT check_order('t', '<->', '[1,2,3,4]');
ALTER INDEX t_renamed SET (m = 20, ef_construction = 200);
SELECT reloptions FROM pg_class WHERE relname = 't_renamed';
SELECT pg_get_indexdef('t_renamed'::regclass);
CREATE TABLE like_t (LIKE t INCLUDING ALL);
SELECT pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = 'like_t'::regclass AND NOT indisprimary ORDER BY 1;
DROP TABLE like_t;

-- what there is not
CREATE UNIQUE INDEX ON t USING vecam (v);
CREATE INDEX ON t USING vecam (v, v);
CREATE INDEX ON t USING vecam (v, c);
CREATE INDEX ON t USING vecam (v) INCLUDE (c);
CREATE INDEX ON t USING vecam (v DESC);
CREATE INDEX ON t USING vecam (v NULLS FIRST);
CREATE INDEX ON t USING vecam (c);
CREATE INDEX ON t USING vecam (w);
CREATE INDEX ON t USING vecam ((w || w));
CLUSTER t USING t_renamed;
\set VERBOSITY sqlstate
ALTER TABLE t ADD EXCLUDE USING vecam (v WITH <->);
ALTER TABLE t ADD EXCLUDE USING vecam (v WITH =);
\set VERBOSITY default
ALTER TABLE t ADD UNIQUE USING INDEX t_renamed;
-- a column without dimensions, as long as no index needs them
CREATE TABLE nodims (v vector);
CREATE INDEX ON nodims USING vecam (v);
CREATE UNLOGGED TABLE nodims_unlogged (v vector);
CREATE INDEX ON nodims_unlogged USING vecam (v);
DROP TABLE nodims, nodims_unlogged;

--
-- Options
--

CREATE TABLE o (v vector(3));
CREATE INDEX o_all ON o USING vecam (v) WITH (kind = auto, m = 2, ef_construction = 4,
	flat_threshold = 0, seal_threshold = 0, sketch_bits = 0, ef_search = 0, recall = 0,
	rerank = heap, compact_threshold = 0);
DROP INDEX o_all;
CREATE INDEX o_all ON o USING vecam (v) WITH (m = 100, ef_construction = 2000,
	flat_threshold = 2147483647, seal_threshold = 2147483647, sketch_bits = 16000, recall = 1,
	compact_threshold = 1);
CREATE FUNCTION try_option(option text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE format('CREATE INDEX ON o USING vecam (v) WITH (%s)', option);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' - ', SQLSTATE, SQLERRM, nullif(detail, ''));
END
$$;
SELECT option, try_option(option)
FROM unnest(ARRAY['m = 1', 'm = 101', 'ef_construction = 3', 'ef_construction = 2001',
	'm = 50, ef_construction = 49', 'm = 50, ef_construction = 50', 'ef_construction = 15',
	'm = 100', 'm = 16, ef_construction = 16',
	'flat_threshold = -1', 'seal_threshold = -1', 'sketch_bits = -1', 'sketch_bits = 16001',
	'ef_search = -1', 'ef_search = 10001', 'recall = -0.1', 'recall = 1.1',
	'compact_threshold = -0.1', 'compact_threshold = 1.01', 'kind = ivf', 'kind = ''''', 'kind = FLAT',
	'rerank = disk', 'm = x', 'm = 1.5', 'recall = x', 'recall = NaN',
	'lists = 100', 'fillfactor = 90', 'toast.m = 3']) AS option;
ALTER INDEX o_all SET (m = 101);
ALTER INDEX o_all SET (ef_construction = 99);
ALTER INDEX o_all SET (lists = 5);
DROP TABLE o;
DROP FUNCTION try_option;

--
-- Settings
--

SHOW vecam.scan_mem;
SHOW vecam.build_seed;
SHOW vecam.simd;
-- the wording is the server's
\set VERBOSITY sqlstate
SET vecam.scan_mem = '63kB';
SET vecam.scan_mem = '2TB';
SET vecam.build_seed = -1;
SET vecam.build_seed = 2147483648;
\set VERBOSITY default
SET vecam.scan_mem = '1GB';
SET vecam.simd = 'sse';
SET vecam.no_such_setting = 1;
SET vecam.simd = 'scalar';
SELECT vecam_simd();
RESET vecam.simd;
RESET vecam.scan_mem;
-- what this CPU has gives what the scalar kernels give, and what it has not is
-- refused
CREATE TABLE simd (id int, v vector(77));
INSERT INTO simd SELECT i, test_vector(i, 77) FROM generate_series(1, 300) i;
CREATE INDEX simd_v ON simd USING vecam (v);
CREATE FUNCTION simd_answers(OUT answers text, OUT rows_fetched bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off AS $$
BEGIN
	EXECUTE 'SELECT string_agg(id || '':'' || d, '','' ORDER BY n)
		FROM (SELECT row_number() OVER () AS n, s.* FROM
			(SELECT id, v <-> test_vector(1000, 77) AS d FROM simd
			 ORDER BY v <-> test_vector(1000, 77) LIMIT 40) s) r' INTO answers;
	SELECT heap_rows INTO rows_fetched FROM vecam_last_search();
END
$$;
-- The same answers from the same number of rows fetched: equal bounds.  The
-- index is built and searched with these instructions.
CREATE FUNCTION try_simd(level text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	expected record;
	got record;
	detail text;
BEGIN
	SET LOCAL vecam.simd = 'scalar';
	REINDEX INDEX simd_v;
	SELECT * INTO expected FROM simd_answers();
	BEGIN
		PERFORM set_config('vecam.simd', level, true);
	EXCEPTION WHEN invalid_parameter_value THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RETURN CASE detail WHEN 'This CPU or this build does not have these instructions.'
			THEN 'ok' ELSE SQLERRM END;
	END;
	IF level <> 'auto' AND vecam_simd() <> level THEN
		RETURN format('%s instead', vecam_simd());
	END IF;
	REINDEX INDEX simd_v;
	SELECT * INTO got FROM simd_answers();
	IF expected IS NULL OR got IS DISTINCT FROM expected THEN
		RETURN format('%s instead of %s', got, expected);
	END IF;
	RETURN 'ok';
END
$$;
BEGIN;
SELECT try_simd('auto'), try_simd('scalar');
COMMIT;
SELECT try_simd('avx2');
SELECT try_simd('avx512');
SELECT try_simd('neon');
-- an x86 CPU does not have NEON, an Arm CPU nothing else
DO $$
BEGIN
	SET LOCAL vecam.simd = 'neon';
	SET LOCAL vecam.simd = 'avx2';
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE WARNING '%', regexp_replace(SQLERRM, 'neon|avx2', '...');
END
$$;
DROP TABLE simd;
DROP FUNCTION simd_answers, try_simd;

--
-- What the catalogs say
--

SELECT opcname, opcdefault, amvalidate(oid) FROM pg_opclass
WHERE opcmethod = (SELECT oid FROM pg_am WHERE amname = 'vecam') ORDER BY 1;
SELECT p, pg_indexam_has_property(oid, p) FROM pg_am,
	unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) AS p
WHERE amname = 'vecam';
SELECT p, pg_index_has_property('t_renamed', p) FROM
	unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) AS p;
SELECT p, pg_index_column_has_property('t_renamed', 1, p) FROM
	unnest(ARRAY['asc', 'desc', 'nulls_first', 'orderable', 'distance_orderable', 'returnable',
		'search_array', 'search_nulls']) AS p;

-- operator classes that cannot work
CREATE FUNCTION no_support(internal) RETURNS internal AS 'btequalimage' LANGUAGE internal;
CREATE OPERATOR CLASS no_function_ops FOR TYPE vector USING vecam AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops;
CREATE OPERATOR CLASS no_operator_ops FOR TYPE vector USING vecam AS
	FUNCTION 1 (vector, vector) vecam_vector_l2_support(internal);
CREATE OPERATOR CLASS not_ordering_ops FOR TYPE vector USING vecam AS
	OPERATOR 1 =, FUNCTION 1 (vector, vector) vecam_vector_l2_support(internal);
CREATE OPERATOR CLASS wrong_signature_ops FOR TYPE vector USING vecam AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 (vector, vector) l2_distance(vector, vector);
SELECT opcname, amvalidate(oid) FROM pg_opclass
WHERE opcname IN ('no_function_ops', 'no_operator_ops', 'not_ordering_ops', 'wrong_signature_ops') ORDER BY 1;
DROP OPERATOR FAMILY IF EXISTS no_function_ops USING vecam;
DROP OPERATOR FAMILY IF EXISTS no_operator_ops USING vecam;
DROP OPERATOR FAMILY IF EXISTS not_ordering_ops USING vecam;
DROP OPERATOR FAMILY IF EXISTS wrong_signature_ops USING vecam;
DROP FUNCTION no_support;

-- the functions behind the access method are not for calling
DO $$
DECLARE
	call text;
BEGIN
	FOREACH call IN ARRAY ARRAY['vecam_handler(1)', 'vecam_vector_l2_support(NULL)'] LOOP
		BEGIN
			EXECUTE 'SELECT ' || call;
			RAISE NOTICE '% is called', call;
		EXCEPTION WHEN undefined_function OR feature_not_supported THEN
			NULL;				-- which of them depends on the minor release
		END;
	END LOOP;
END
$$;

--
-- vecam_stats, and who may call it
--

SELECT * FROM vecam_stats('t');
SELECT * FROM vecam_stats('t_pkey');
SELECT * FROM vecam_stats(0);
SELECT kind, rows FROM vecam_stats(NULL);
CREATE VIEW a_view AS SELECT 1;
SELECT * FROM vecam_stats('a_view');
DROP VIEW a_view;
CREATE ROLE regress_vecam_reader;
CREATE SCHEMA regress_vecam;
CREATE TABLE regress_vecam.t (v vector(2), secret int);
CREATE INDEX t_v ON regress_vecam.t USING vecam (v);
GRANT USAGE ON SCHEMA regress_vecam TO regress_vecam_reader;
SET ROLE regress_vecam_reader;
SELECT rows FROM vecam_stats('regress_vecam.t_v');
RESET ROLE;
GRANT SELECT ON regress_vecam.t TO regress_vecam_reader;
SET ROLE regress_vecam_reader;
SELECT rows FROM vecam_stats('regress_vecam.t_v');
SELECT growing_rows IS NOT NULL FROM vecam_last_search();
RESET ROLE;
DROP SCHEMA regress_vecam CASCADE;
DROP ROLE regress_vecam_reader;
DROP TABLE t;
