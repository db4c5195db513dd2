-- casts of vector

-- arrays to vector

SELECT ARRAY[1,2,3]::vector;
SELECT ARRAY[1.0,2.5,3.0]::vector;
SELECT ARRAY[1,2,3]::float4[]::vector;
SELECT ARRAY[1,2,3]::float8[]::vector(3);
SELECT '{1,2,3}'::numeric[]::vector(3);
SELECT '{1,2,3}'::integer[]::vector(2);
SELECT '{1,2,3}'::real[]::vector(2);
SELECT '{1,2,3}'::double precision[]::vector(2);
SELECT '{1,2,3}'::numeric[]::vector(2);

-- rounding
SELECT '{16777216,16777217,16777219,2147483647,-2147483648}'::integer[]::vector;
SELECT '{0.1,1e-46,-1e-46,1e-45,-0}'::double precision[]::vector;
SELECT '{3.4028235e38,3.40282356e38}'::double precision[]::vector;
SELECT '{0.1,123456789.123456789,1e-40}'::numeric[]::vector;

-- what a vector cannot hold
SELECT '{NaN}'::real[]::vector;
SELECT '{Infinity}'::real[]::vector;
SELECT '{1,-Infinity}'::real[]::vector;
SELECT '{NaN}'::double precision[]::vector;
SELECT '{Infinity}'::double precision[]::vector;
SELECT '{4e38}'::double precision[]::vector;
SELECT '{-3.4028236e38}'::double precision[]::vector;
SELECT '{NaN}'::numeric[]::vector;
SELECT '{4e38}'::numeric[]::vector;
SELECT '{-1e-46}'::numeric[]::vector;

-- shapes
SELECT '{}'::integer[]::vector;
SELECT '{}'::real[]::vector;
SELECT '{{1,2},{3,4}}'::real[]::vector;
SELECT '{{1}}'::numeric[]::vector;
SELECT '{NULL}'::real[]::vector;
SELECT '{1,NULL,3}'::integer[]::vector;
SELECT '{1,NULL}'::double precision[]::vector;
SELECT '{NULL,1}'::numeric[]::vector;
SELECT '[5:7]={1,2,3}'::real[]::vector;
-- a slice keeps the bitmap of nulls, without any
SELECT ('{1,NULL,3,4}'::real[])[3:4]::vector, ('{1,NULL,3,4}'::integer[])[3:4]::vector,
	   ('{1,NULL,3,4}'::double precision[])[3:4]::vector, ('{1,NULL,3,4}'::numeric[])[3:4]::vector;
SELECT vector_dims(array_agg(n)::vector) FROM generate_series(1, 16000) n;
SELECT array_agg(n)::vector FROM generate_series(1, 16001) n;
SELECT array_agg(n::numeric)::vector FROM generate_series(1, 16001) n;
SELECT array_to_vector(array_agg(n), 16001, false) FROM generate_series(1, 16001) n;

-- the function behind the casts, declared for an array it does not know
CREATE FUNCTION text_to_vector(text[], integer, boolean) RETURNS vector
	AS '$libdir/vecam', 'array_to_vector' LANGUAGE C IMMUTABLE STRICT;
SELECT text_to_vector('{1,2}', -1, false);
DROP FUNCTION text_to_vector(text[], integer, boolean);

-- vector to arrays

SELECT '[1,2.5,-3]'::vector::real[];
SELECT '[1,2.5,-3]'::vector::real[] = ARRAY[1,2.5,-3]::real[] AS same, array_dims('[1,2,3]'::vector::real[]);
SELECT '[0.1]'::vector::real[]::double precision[];
SELECT count(*), sum(x) FROM unnest(array_fill(1, ARRAY[16000])::vector::real[]) x;

-- implicit, assignment and explicit casts

CREATE FUNCTION takes_reals(real[]) RETURNS real LANGUAGE sql AS 'SELECT $1[1]';
SELECT takes_reals('[7,8]'::vector);
DROP FUNCTION takes_reals(real[]);
SELECT vector_dims(ARRAY[1,2]);
SELECT ARRAY[1,2]::real[] <-> '[1,2]'::vector;
CREATE TABLE assigned (v vector(3), a real[]);
INSERT INTO assigned VALUES (ARRAY[1,2,3], '[4,5]'::vector), (ARRAY[1.5,2,3], NULL),
	('{1,2,3}'::real[], NULL), ('{1,2,3}'::float8[], NULL);
INSERT INTO assigned VALUES (ARRAY[1,2], NULL);
SELECT * FROM assigned;
DROP TABLE assigned;
SELECT castsource::regtype, casttarget::regtype, castcontext, castmethod FROM pg_cast
	WHERE (castsource = 'vector'::regtype AND casttarget IN ('vector'::regtype, 'real[]'::regtype))
	   OR (casttarget = 'vector'::regtype AND castsource::regtype::text LIKE '%[]')
	ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

-- arrays as such are as before
SELECT ARRAY[1,2,3] = ARRAY[1,2,3] AS integers, ARRAY[1.5] || ARRAY[2.5] AS numerics;

-- error codes
\set VERBOSITY sqlstate
SELECT '{}'::real[]::vector;
SELECT '{{1}}'::real[]::vector;
SELECT '{NULL}'::real[]::vector;
SELECT '{NaN}'::real[]::vector;
SELECT '{4e38}'::numeric[]::vector;
SELECT '{1}'::real[]::vector(2);
SELECT array_agg(n)::vector FROM generate_series(1, 16001) n;
\set VERBOSITY default
