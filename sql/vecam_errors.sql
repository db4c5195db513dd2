-- What fails leaves table and index as they were.

SET client_min_messages = warning;
CREATE TABLE t (id int PRIMARY KEY, v vector(3), w vector);
INSERT INTO t SELECT i, test_vector(i, 3), test_vector(i, 3) FROM generate_series(1, 200) i;
CREATE INDEX t_v ON t USING vecam (v);
CREATE INDEX t_w ON t USING vecam ((w::vector(3)) vector_cosine_ops);
CREATE FUNCTION check_all() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(', ', check_order('t', '<->', '[1,2,3]'),
		check_order('(SELECT id, w::vector(3) AS v FROM t) s', '<=>', '[1,2,3]'), count(*))
	FROM t
$$;
SELECT check_all();

-- other dimensions
INSERT INTO t VALUES (201, '[1,2]', NULL);
INSERT INTO t VALUES (201, NULL, '[1,2]');
INSERT INTO t VALUES (201, NULL, '[1,2,3,4]');
UPDATE t SET w = '[1,2]' WHERE id = 7;
UPDATE t SET w = w || w;
SELECT check_all();

-- a statement that fails halfway
INSERT INTO t SELECT 300 + i, NULL, array_fill(1::real, ARRAY[CASE WHEN i < 50 THEN 3 ELSE 2 END])::vector
FROM generate_series(1, 60) i;
INSERT INTO t SELECT 300 + i, test_vector(i, 3), NULL FROM generate_series(100, -200, -1) i;
SELECT check_all();
COPY t FROM stdin;
401	[1,2,3]	[1,2,3]
402	[3,2,1]	\N
403	[1,2]	[1,2,3]
404	[1,2,3]	[1,2,3]
\.
COPY t FROM stdin;
401	[1,2,3]	[1,2,3]
402	[3,2,1]	\N
403	[3,2,1]	[1,2]
\.
COPY t FROM stdin;
401	[1,2,3]	[1,2,3]
402	[1,2,x]	\N
\.
SELECT check_all();
VACUUM t;
SELECT rows FROM vecam_stats('t_v');
SELECT check_all();
COPY t FROM stdin;
401	[1,2,3]	[1,2,3]
402	\N	[0,0,0]
403	[3,2,1]	\N
\.
SELECT check_all();

-- rows that a column with other dimensions holds
CREATE TABLE mixed (id int, v vector);
INSERT INTO mixed VALUES (1, '[1,2,3]'), (2, '[1,2]'), (3, NULL);
CREATE INDEX mixed_v ON mixed USING vecam ((v::vector(3)));
CREATE INDEX mixed_v ON mixed USING vecam ((v::vector(3))) WHERE vector_dims(v) = 3;
INSERT INTO mixed VALUES (4, '[1,2]'), (5, '[2,2,2]'), (6, NULL);
SET enable_seqscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM mixed WHERE vector_dims(v) = 3 ORDER BY v::vector(3) <-> '[2,2,2]';
SELECT id FROM mixed WHERE vector_dims(v) = 3 ORDER BY v::vector(3) <-> '[2,2,2]';
-- nor can a concurrent build leave more than an invalid index
CREATE INDEX CONCURRENTLY mixed_bad ON mixed USING vecam ((v::vector(2)));
SELECT indisvalid FROM pg_index WHERE indexrelid = 'mixed_bad'::regclass;
INSERT INTO mixed VALUES (7, '[2,2,1]');
DROP INDEX mixed_bad;
INSERT INTO mixed VALUES (8, '[2,2,0]');
SELECT id FROM mixed WHERE vector_dims(v) = 3 ORDER BY v::vector(3) <-> '[2,2,2]';

-- queries
SELECT id FROM t ORDER BY v <-> '[1,2]' LIMIT 1;
SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 1;
SELECT id FROM t ORDER BY w::vector(3) <=> '[1,2]' LIMIT 1;
SELECT s.id FROM (VALUES ('[1,2,3]'::vector), ('[1,2]')) AS q (q), LATERAL (SELECT id FROM t ORDER BY v <-> q LIMIT 1) s;
SELECT id FROM t ORDER BY v <-> 'x' LIMIT 1;
-- also where there is no distance to compute
CREATE TABLE no_vectors (id int, v vector(3));
INSERT INTO no_vectors VALUES (1, NULL);
CREATE INDEX ON no_vectors USING vecam (v);
SELECT id FROM no_vectors ORDER BY v <-> '[1,2]';
SELECT id FROM no_vectors ORDER BY v <-> '[1,2,3]';
DROP TABLE no_vectors;
BEGIN;
SAVEPOINT a;
DECLARE c CURSOR FOR SELECT id FROM t ORDER BY v <-> '[1,2]';
FETCH c;
ROLLBACK TO a;
SELECT id FROM t WHERE id < 10 ORDER BY v <-> (SELECT v FROM t WHERE id = 5) LIMIT 1;
COMMIT;
SELECT check_all();
DROP TABLE t, mixed;
DROP FUNCTION check_all;
