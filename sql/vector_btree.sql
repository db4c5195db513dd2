-- order of vector, and btree indexes on it

SELECT a, b, vector_cmp(a, b), a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt
FROM (VALUES
	('[1,2,3]'::vector, '[1,2,3]'::vector),
	('[1,2,3]', '[0,0,0]'),
	('[0,0,0]', '[1,2,3]'),
	('[1,2]', '[1,2,3]'),
	('[1,2,3]', '[1,2]'),
	('[1,2]', '[2,3,4]'),
	('[2,3]', '[1,2,3]'),
	('[0]', '[-0]'),
	('[-1]', '[1e-45]'),
	('[1,-2]', '[1,-3]')) p (a, b);
SELECT vector_lt('[1]', '[2]'), vector_le('[1]', '[2]'), vector_eq('[1]', '[2]'),
	   vector_ne('[1]', '[2]'), vector_ge('[1]', '[2]'), vector_gt('[1]', '[2]');
SELECT '[1]'::vector != '[2]';

CREATE TABLE items (id int, v vector);
INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[0,0,0]'), (3, NULL), (4, '[1,1,1]'), (5, '[1,2]'),
	(6, '[1,2,3]'), (7, '[-1]'), (8, '[1,2,3,0]');
SELECT * FROM items ORDER BY v, id;
SELECT * FROM items ORDER BY v DESC, id;
SELECT v, count(*) FROM items GROUP BY v ORDER BY v;
SELECT DISTINCT v FROM items ORDER BY v;

CREATE INDEX items_v_idx ON items (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT * FROM items WHERE v = '[1,2,3]';
SELECT * FROM items WHERE v = '[1,2,3]' ORDER BY id;
EXPLAIN (COSTS OFF) SELECT v FROM items ORDER BY v;
SELECT v FROM items ORDER BY v;
SELECT v FROM items ORDER BY v DESC NULLS LAST LIMIT 2;
SELECT id FROM items WHERE v < '[1,2,3]' ORDER BY v;
SELECT id FROM items WHERE v <= '[1,2,3]' AND v > '[1]' ORDER BY v, id;
SELECT id FROM items WHERE v >= '[1,2,3]' ORDER BY v, id;
SELECT id FROM items WHERE v IN ('[1,2]', '[-1]') ORDER BY v;
RESET enable_sort;
RESET enable_bitmapscan;
RESET enable_seqscan;
DROP TABLE items;

-- unique: values are what counts, so 0 and -0 are duplicates
CREATE TABLE distinct_items (v vector(2) UNIQUE);
INSERT INTO distinct_items VALUES ('[1,0]'), ('[0,1]'), (NULL), (NULL);
INSERT INTO distinct_items VALUES ('[1,0]');
INSERT INTO distinct_items VALUES ('[1,-0]');
INSERT INTO distinct_items VALUES ('[1,-0]') ON CONFLICT (v) DO NOTHING;
SELECT * FROM distinct_items ORDER BY v;
DROP TABLE distinct_items;

-- many, sorted and indexed from toasted values, against the order of arrays
CREATE TABLE large (id int, v vector(600));
ALTER TABLE large ALTER v SET STORAGE external;
INSERT INTO large SELECT i, array_prepend(i * 7 % 100, array_prepend(i % 5, array_fill(1, ARRAY[598])))
	FROM generate_series(1, 300) i;
INSERT INTO large SELECT i + 300, v FROM (SELECT i, v FROM large JOIN generate_series(1, 2) i ON id = i) s;
CREATE INDEX large_v_idx ON large (v);
SELECT count(*) AS rows, count(*) FILTER (WHERE by_v <> by_array) AS misplaced
	FROM (SELECT rank() OVER (ORDER BY v) AS by_v, rank() OVER (ORDER BY v::real[]) AS by_array FROM large) r;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM large a JOIN large b ON a.v = b.v WHERE a.id <= 2;
RESET enable_bitmapscan;
RESET enable_seqscan;
DROP TABLE large;

SELECT opcname, opcdefault, amvalidate(c.oid)
	FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
	WHERE opcintype = 'vector'::regtype AND amname = 'btree';
