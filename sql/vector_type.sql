-- text and binary input and output of vector, and its type modifier

-- text: what is accepted

SELECT '[1,2,3]'::vector;
SELECT '[-1,-2.5,+3]'::vector;
SELECT '[1.,.5,-.5,007]'::vector;
SELECT ' [ 1,  2 ,    3  ] '::vector;
SELECT E'\t\n\x0b\x0c\r [\t\n\x0b\x0c\r 1\t\n\x0b\x0c\r ,\t\n\x0b\x0c\r 2\t\n\x0b\x0c\r ]\t\n\x0b\x0c\r '::vector;
SELECT '[1e2,1E+2,1e-2,-1.5e0]'::vector;
SELECT '[0x10,0x1p3,-0X.8p1]'::vector;
SELECT '[0,-0,0.0,-0e99,0e999999999999]'::vector;

-- text: rounding.  The nearest float, ties to even.
SELECT '[16777216,16777217,16777218,16777219]'::vector;
SELECT '[1.000000178813934326171874,1.000000178813934326171875,1.000000178813934326171876]'::vector;
SELECT '[1.00000017881393432617187499999999,1.00000017881393421514957253748434595763683319091796875001]'::vector;
SELECT '[0.1,0.30000001192092896,123456789012345678901234567890]'::vector;
SELECT '[3.4028235e38,-3.4028235e38,3.40282356e38]'::vector;
SELECT '[1.17549435e-38,1.1754942e-38,1.5e-38]'::vector;
-- so near a midpoint, or on it, that 53 bits do not tell
SELECT '[0.11571628972887993,15.71304178237915039,-4002.0069580078125,3879.0291748046875]'::vector;
-- denormals, and what is below them
SELECT '[1.4e-45,1e-45,7.1e-46,7e-46,1e-46,-1e-46,1e-50,-1e-400]'::vector;

-- text: what is printed is the shortest text that gives the value back
SELECT '[0.1,1e5,1e15,123456.789,1e-5,1.5e38,3.1415927]'::vector;
SET extra_float_digits = 1;
CREATE TEMP TABLE floats AS
	SELECT array_agg(((sin(i) * 2) * 10.0::float8 ^ (i % 76 - 38))::float4 ORDER BY i) AS a
	FROM generate_series(1, 15000) i;
SELECT count(*) AS components, count(DISTINCT x) > 14000 AS distinct_enough
	FROM floats, unnest(a) x;
SELECT a::vector::text = '[' || array_to_string(a, ',') || ']' AS same_text,
	   a::vector::text::vector::real[] = a AS same_values
	FROM floats;
-- and with many more digits than needed
SELECT (SELECT '[' || string_agg(x::float8::text, ',' ORDER BY i) || ']'
		FROM unnest(a) WITH ORDINALITY u (x, i))::vector::real[] = a AS same_values
	FROM floats;
RESET extra_float_digits;

-- text: malformed literals

SELECT ''::vector;
SELECT ' '::vector;
SELECT '1,2,3'::vector;
SELECT '(1,2,3)'::vector;
SELECT '{1,2,3}'::vector;
SELECT '['::vector;
SELECT '[ '::vector;
SELECT '[,'::vector;
SELECT '[,]'::vector;
SELECT '[1'::vector;
SELECT '[1,'::vector;
SELECT '[1,]'::vector;
SELECT '[1, '::vector;
SELECT '[,1]'::vector;
SELECT '[1,,3]'::vector;
SELECT '[1, ,3]'::vector;
SELECT '[1 2]'::vector;
SELECT '[1;2]'::vector;
SELECT '[1}'::vector;
SELECT '[[1]]'::vector;
SELECT '[1]]'::vector;
SELECT '[1],[2]'::vector;
SELECT '[1] 9'::vector;
SELECT '[hello,1]'::vector;
SELECT '[1a]'::vector;
SELECT '[--1]'::vector;
SELECT '[+-1]'::vector;
SELECT '[- 1]'::vector;
SELECT '[-]'::vector;
SELECT '[.]'::vector;
SELECT '[e5]'::vector;
SELECT '[1e]'::vector;
SELECT '[1e+]'::vector;
SELECT '[1.2.3]'::vector;
SELECT '[1_000]'::vector;
SELECT '[0x]'::vector;

-- text: values that a vector cannot hold

SELECT '[NaN,1]'::vector;
SELECT '[nan(1)]'::vector;
SELECT '[Infinity,1]'::vector;
SELECT '[1,-inf]'::vector;
SELECT '[4e38,1]'::vector;
SELECT '[1, -1e39 ]'::vector;
SELECT '[1e400]'::vector;
SELECT '[3.4028236e38]'::vector;

-- text: dimensions

SELECT '[]'::vector;
SELECT ' [ ] '::vector;
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::vector);
SELECT ('[' || repeat('1,', 16000) || '1]')::vector;
-- too many of them are too many before the rest is read
SELECT ('[' || repeat('1,', 16000) || 'x')::vector;

-- long literals are not repeated in full, short ones are
CREATE FUNCTION message_of(literal text, OUT message text, OUT bytes int) AS $$
BEGIN
	PERFORM literal::vector;
EXCEPTION WHEN others THEN
	message := sqlstate || ': ' || left(sqlerrm, 60);
	bytes := length(sqlerrm);
END $$ LANGUAGE plpgsql;
SELECT length('invalid input syntax for type vector: ""') AS frame;
SELECT bytes FROM message_of('[' || repeat('1,', 127) || 'x');
SELECT bytes FROM message_of('[' || repeat('1,', 127) || '1x');
SELECT * FROM message_of('[' || repeat('1,', 10000) || 'x]');
SELECT * FROM message_of('[1' || repeat('0', 100000) || ']');
DROP FUNCTION message_of(text);

-- type modifier

SELECT format_type('vector'::regtype, 3), format_type('vector'::regtype, -1);
SELECT '[1,2,3]'::vector(3);
SELECT '[1,2,3]'::vector(2);
SELECT '[1,2,3]'::vector(4);
SELECT '[1,2,3]'::vector::vector(2);
SELECT '[1]'::vector(16000);
SELECT '[1,2,3]'::vector(3, 2);
SELECT '[1,2,3]'::vector('a');
SELECT '[1,2,3]'::vector(0);
SELECT '[1,2,3]'::vector(-1);
SELECT '[1,2,3]'::vector(16001);
SELECT '[1,2,3]'::vector(2147483648);
SELECT '{"[1,2,3]","[4,5,6]"}'::vector(3)[];
SELECT '{"[1,2,3]"}'::vector(2)[];

CREATE TABLE items (id int, v vector(3));
\d items
INSERT INTO items VALUES (1, '[1,2,3]'), (2, NULL), (3, '[4,5,6]');
INSERT INTO items VALUES (4, '[1,2]');
INSERT INTO items SELECT 4, '[1,2]'::vector;
UPDATE items SET v = '[1,2,3,4]' WHERE id = 2;
INSERT INTO items VALUES (4, ARRAY[7,8,9]);
SELECT * FROM items ORDER BY id;
ALTER TABLE items ALTER v TYPE vector(2);
ALTER TABLE items ALTER v TYPE vector;

-- stored without compression, out of line when large
SELECT typstorage, typalign, typlen FROM pg_type WHERE oid = 'vector'::regtype;
SELECT pg_column_size('[1,2,3]'::vector) AS with_header;
INSERT INTO items SELECT 5, array_fill(0.5::real, ARRAY[1536]);
SELECT pg_column_size(v), vector_dims(v), v = array_fill(0.5::real, ARRAY[1536])::vector AS same
	FROM items WHERE id = 5;
DELETE FROM items WHERE id = 5;
ALTER TABLE items ALTER v TYPE vector(3);

-- COPY, text: a bad row fails the command, and the table is as before
COPY items FROM stdin;
5	[10,11,12]
6	[10,11
\.
COPY items FROM stdin;
5	[10,11,12]
6	[10,11]
\.
COPY items FROM stdin;
5	[10,11,12]
6	[10,1e39,12]
\.
SELECT count(*), max(id) FROM items;
COPY items FROM stdin;
5	 [ 10, 11, 12 ] 
6	\N
\.
COPY (SELECT * FROM items ORDER BY id) TO stdout;

-- binary

SELECT vector_send('[1,-2]');
SELECT length(vector_send(array_fill(1, ARRAY[16000])::vector));

\copy items TO 'results/vector_type.data' (FORMAT binary)
CREATE TABLE items_copy (LIKE items);
\copy items_copy FROM 'results/vector_type.data' (FORMAT binary)
SELECT count(*) FROM items_copy;
SELECT count(*) FROM (SELECT id, v::text FROM items EXCEPT ALL SELECT id, v::text FROM items_copy) d;

CREATE TABLE vectors (v vector);
INSERT INTO vectors SELECT a::vector FROM floats;
INSERT INTO vectors VALUES ('[0,-0,1e-45,3.4028235e38]');
\copy vectors TO 'results/vector_type.data' (FORMAT binary)
CREATE TABLE vectors_copy (LIKE vectors);
\copy vectors_copy FROM 'results/vector_type.data' (FORMAT binary)
SELECT count(*) FROM vectors a JOIN vectors_copy b ON vector_send(a.v) = vector_send(b.v);
DROP TABLE vectors, vectors_copy;

-- a message made by hand: one row, one field of 8 bytes, dim 1, 0, 1.0
CREATE TABLE bin (v vector);
CREATE TABLE bin2 (v vector(2));
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\000\077\200\000\000\377\377"' (FORMAT binary)
SELECT * FROM bin;
-- dim 1 for vector(2)
\copy bin2 FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\000\077\200\000\000\377\377"' (FORMAT binary)
-- dim 0
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\000\000\000\000\377\377"' (FORMAT binary)
-- dim -1
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\377\377\000\000\377\377"' (FORMAT binary)
-- dim 16001
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\076\201\000\000\077\200\000\000\377\377"' (FORMAT binary)
-- unused 1, and -1
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\001\077\200\000\000\377\377"' (FORMAT binary)
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\377\377\077\200\000\000\377\377"' (FORMAT binary)
-- empty, and without a second component
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\000\377\377"' (FORMAT binary)
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\002\000\000\077\200\000\000\377\377"' (FORMAT binary)
-- a byte short
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\007\000\001\000\000\077\200\000\377\377"' (FORMAT binary)
-- a component more than dim
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\001\000\000\077\200\000\000\077\200\000\000\377\377"' (FORMAT binary)
-- NaN, infinity, -infinity
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\000\177\300\000\000\377\377"' (FORMAT binary)
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\000\177\200\000\000\377\377"' (FORMAT binary)
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\000\377\200\000\000\377\377"' (FORMAT binary)
SELECT count(*) FROM bin;
SELECT count(*) FROM bin2;

-- error codes
\set VERBOSITY sqlstate
SELECT '1'::vector;
SELECT '[1'::vector;
SELECT '[1]x'::vector;
SELECT '[x]'::vector;
SELECT '[]'::vector;
SELECT '[nan]'::vector;
SELECT '[inf]'::vector;
SELECT '[1e39]'::vector;
SELECT ('[' || repeat('1,', 16000) || '1]')::vector;
SELECT '[1,2,3]'::vector(2);
SELECT '[1]'::vector(0);
SELECT '[1]'::vector(1, 1);
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\001\077\200\000\000\377\377"' (FORMAT binary)
\copy bin FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\002\000\000\077\200\000\000\377\377"' (FORMAT binary)
\set VERBOSITY default

DROP TABLE bin, bin2, items, items_copy;
