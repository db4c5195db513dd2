-- Installing the extension, and what somebody may have put in its way.

SET client_min_messages = warning;
DROP EXTENSION vecam CASCADE;
CREATE SCHEMA trap;

-- an object of the same name in the schema is not taken over
CREATE FUNCTION trap.vecam_handler(internal) RETURNS index_am_handler AS 'bthandler' LANGUAGE internal;
CREATE EXTENSION vecam SCHEMA trap;
DROP FUNCTION trap.vecam_handler;
CREATE FUNCTION trap.vecam_simd() RETURNS text AS $$ SELECT 'trapped' $$ LANGUAGE sql;
CREATE EXTENSION vecam SCHEMA trap;
DROP FUNCTION trap.vecam_simd;
CREATE TYPE trap.vector AS (x float8);
CREATE EXTENSION vecam SCHEMA trap;
DROP TYPE trap.vector;
CREATE ACCESS METHOD vecam TYPE INDEX HANDLER gisthandler;
CREATE EXTENSION vecam SCHEMA trap;
DROP ACCESS METHOD vecam;
SELECT count(*) FROM pg_extension WHERE extname = 'vecam';
SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = 'trap'::regnamespace;

-- operators of other types and of the same name are not taken for the real ones
CREATE FUNCTION trap.wrong(text, text) RETURNS float8 AS 'SELECT 0.0::float8' LANGUAGE sql;
CREATE OPERATOR trap.<-> (LEFTARG = text, RIGHTARG = text, PROCEDURE = trap.wrong);
CREATE EXTENSION vecam SCHEMA trap;
SELECT count(*) > 50 FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
WHERE e.extname = 'vecam' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';

-- everything works from a schema that is not on the path
CREATE TABLE public.t (id int, v trap.vector(2));
INSERT INTO t VALUES (1, '[1,2]'), (2, '[3,4]'), (3, NULL);
CREATE INDEX t_v ON t USING vecam (v);
CREATE INDEX t_cosine ON t USING vecam (v trap.vector_cosine_ops);
SET enable_seqscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v OPERATOR(trap.<->) '[3,3]' LIMIT 2;
SELECT id FROM t ORDER BY v OPERATOR(trap.<->) '[3,3]' LIMIT 2;
SELECT id FROM t ORDER BY v OPERATOR(trap.<=>) '[3,3]';
SELECT rows FROM trap.vecam_stats('t_v');
REINDEX TABLE t;
VACUUM t;

-- functions that return internal take it too, so that they cannot be called
SELECT p.proname FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
	JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'vecam' AND p.prorettype = 'internal'::regtype AND NOT 'internal'::regtype = ANY (p.proargtypes);
-- and none is said to be leakproof, runs as its owner, or is in SQL
SELECT p.proname FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
	JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'vecam' AND p.prokind = 'f' AND (p.proleakproof OR p.prosecdef OR p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c'));

-- moving and dropping
ALTER EXTENSION vecam SET SCHEMA public;
INSERT INTO t VALUES (4, '[3,3]');
SELECT id FROM t ORDER BY v <-> '[3,3]' LIMIT 2;
DROP EXTENSION vecam;
DROP EXTENSION vecam CASCADE;
SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped;
SELECT count(*) FROM pg_class WHERE relname IN ('t_v', 't_cosine');
SELECT count(*) FROM pg_am WHERE amname = 'vecam';
SELECT count(*) FROM pg_opclass WHERE opcname LIKE 'vector%';
CREATE EXTENSION vecam;
CREATE TABLE public.t2 (id int, v vector(2));
CREATE INDEX ON t2 USING vecam (v);
DROP TABLE t, t2;
DROP SCHEMA trap CASCADE;
