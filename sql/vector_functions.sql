-- distances, arithmetic and other functions of vector

-- <-> Euclidean distance

SELECT l2_distance('[0,0]'::vector, '[3,4]');
SELECT l2_distance('[0,0]'::vector, '[0,1]');
SELECT l2_distance('[1,1,1,1,1,1,1,1,1]'::vector, '[1,1,1,1,1,1,1,4,5]');
SELECT '[0,0]'::vector <-> '[3,4]';
SELECT '[1,2,3]'::vector <-> '[1,2,3]';
SELECT vector_l2_squared_distance('[0,0]', '[3,4]');
SELECT l2_distance('[1,2]'::vector, '[3]');
SELECT vector_l2_squared_distance('[1,2]', '[3]');
-- in double: neither overflow nor rounding to float4
SELECT l2_distance('[3e38]'::vector, '[-3e38]') / '3e38'::real;
SELECT l2_distance('[1e-45]'::vector, '[0]') / '1e-45'::real;
SELECT l2_distance('[16777216,1]'::vector, '[0,0]') ^ 2 - 16777216.0 ^ 2;

-- <#> negative inner product

SELECT inner_product('[1,2]'::vector, '[3,4]');
SELECT inner_product('[1,1,1,1,1,1,1,1,1]'::vector, '[1,2,3,4,5,6,7,8,9]');
SELECT vector_negative_inner_product('[1,2]', '[3,4]');
SELECT '[1,2]'::vector <#> '[3,4]';
SELECT '[1,0]'::vector <#> '[0,1]';
SELECT inner_product('[1,2]'::vector, '[3]');
SELECT vector_negative_inner_product('[1,2]', '[3]');
SELECT inner_product('[3e38]'::vector, '[3e38]') / '3e38'::real::float8 ^ 2;

-- <=> cosine distance

SELECT cosine_distance('[1,2]'::vector, '[2,4]');
SELECT cosine_distance('[1,1]'::vector, '[1,1]');
SELECT cosine_distance('[1,0]'::vector, '[0,2]');
SELECT cosine_distance('[1,1]'::vector, '[-1,-1]');
SELECT cosine_distance('[1,1]'::vector, '[1.1,1.1]');
SELECT cosine_distance('[1,1]'::vector, '[-1.1,-1.1]');
SELECT cosine_distance('[1,2,3,4,5,6,7,8,9]'::vector, '[-1,-2,-3,-4,-5,-6,-7,-8,-9]');
SELECT '[1,2]'::vector <=> '[2,4]';
SELECT '[3,4]'::vector <=> '[4,3]';
SELECT cosine_distance('[1,2]'::vector, '[3]');
-- very large and very small vectors have a direction, zero has none
SELECT cosine_distance('[3e38]'::vector, '[3e38]');
SELECT cosine_distance('[1e-45,0]'::vector, '[1e-45,0]');
SELECT cosine_distance('[1e-45,0]'::vector, '[0,3e38]');
SELECT cosine_distance('[1,2]'::vector, '[0,0]');
SELECT cosine_distance('[0,-0]'::vector, '[1,2]');
SELECT cosine_distance('[0,0]'::vector, '[0,0]');
-- never outside 0 .. 2, though rounding may carry a cosine out of its range
SELECT count(*), min(d) >= 0 AS low, max(d) <= 2 AS high,
	   count(*) FILTER (WHERE d < 1e-12) AS parallel, count(*) FILTER (WHERE d > 2 - 1e-12) AS opposite
FROM (
	SELECT ARRAY[sin(i), cos(i * 3), i]::vector AS v FROM generate_series(1, 500) i) s,
	LATERAL (VALUES (v <=> v * '[3,3,3]'), (v <=> v * '[-8,-8,-8]'), (v <=> v * '[-0.1,-0.1,-0.1]')) t (d);

-- <+> Manhattan distance

SELECT l1_distance('[0,0]'::vector, '[3,4]');
SELECT l1_distance('[0,0]'::vector, '[0,-1]');
SELECT l1_distance('[1,2,3,4,5,6,7,8,9]'::vector, '[1,2,3,4,5,6,7,8,9]');
SELECT l1_distance('[1,2,3,4,5,6,7,8,9]'::vector, '[0,3,2,5,4,7,6,9,8]');
SELECT '[0,0]'::vector <+> '[3,-4]';
SELECT l1_distance('[1,2]'::vector, '[3]');
SELECT l1_distance('[3e38]'::vector, '[-3e38]') / '3e38'::real;

-- angle, of unit vectors

SELECT vector_spherical_distance('[1,0]', '[1,0]');
SELECT vector_spherical_distance('[1,0]', '[0,1]');
SELECT vector_spherical_distance('[1,0]', '[-1,0]');
SELECT vector_spherical_distance('[2,0]', '[2,0]');
SELECT vector_spherical_distance('[2,0]', '[-2,0]');
SELECT vector_spherical_distance('[1,2]', '[3]');

-- every length up to past the widest registers, against sums in SQL
SELECT count(*) AS lengths, count(*) FILTER (WHERE abs(l2 / want_l2 - 1) > 1e-12) AS l2_wrong,
	   count(*) FILTER (WHERE abs(ip - want_ip) > 1e-9) AS ip_wrong,
	   count(*) FILTER (WHERE abs(l1 / want_l1 - 1) > 1e-12) AS l1_wrong,
	   count(*) FILTER (WHERE abs(cosine - want_cosine) > 1e-12) AS cosine_wrong
FROM (
	SELECT va <-> vb AS l2, -(va <#> vb) AS ip, va <+> vb AS l1, va <=> vb AS cosine,
		   (SELECT sqrt(sum((x - y) ^ 2)) FROM unnest(va::real[]::float8[], vb::real[]::float8[]) u (x, y)) AS want_l2,
		   (SELECT sum(x * y) FROM unnest(va::real[]::float8[], vb::real[]::float8[]) u (x, y)) AS want_ip,
		   (SELECT sum(abs(x - y)) FROM unnest(va::real[]::float8[], vb::real[]::float8[]) u (x, y)) AS want_l1,
		   (SELECT 1 - sum(x * y) / sqrt(sum(x * x) * sum(y * y)) FROM unnest(va::real[]::float8[], vb::real[]::float8[]) u (x, y)) AS want_cosine
	FROM (
		SELECT array_agg(sin(n * 100 + i))::vector AS va, array_agg(cos(n * 7 + i * i))::vector AS vb
		FROM generate_series(1, 150) n, generate_series(1, n) i
		GROUP BY n) v) d;
SELECT array_fill(1, ARRAY[16000])::vector <-> array_fill(0, ARRAY[16000])::vector AS l2,
	   array_fill(1, ARRAY[16000])::vector <#> array_fill(2, ARRAY[16000])::vector AS ip,
	   array_fill(1, ARRAY[16000])::vector <+> array_fill(3, ARRAY[16000])::vector AS l1,
	   array_fill(1, ARRAY[16000])::vector <=> array_fill(-1, ARRAY[16000])::vector AS cosine;

-- dimensions, norm

SELECT vector_dims('[1,2,3]');
SELECT vector_dims(array_fill(0, ARRAY[16000])::vector);
SELECT vector_norm('[3,4]');
SELECT vector_norm('[0,0]');
SELECT vector_norm('[-2]');
SELECT round((vector_norm('[3e38,3e38]') / ('3e38'::real * sqrt(2::float8)))::numeric, 14) AS large;
SELECT vector_norm('[1e-45]') / '1e-45'::real AS small;

-- l2_normalize

SELECT l2_normalize('[3,4]'::vector);
SELECT l2_normalize('[0,0.1]'::vector);
SELECT l2_normalize('[0,-0]'::vector);
SELECT l2_normalize('[3e38]'::vector);
SELECT l2_normalize('[-1e-45]'::vector);

-- binary_quantize

SELECT binary_quantize('[1,0,-1]'::vector);
SELECT binary_quantize('[1e-45,-0]'::vector);
SELECT binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7]'::vector);
SELECT binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]'::vector);
SELECT binary_quantize('[1,2,3]'::vector)::bit(3) = B'111' AS same;
SELECT length(binary_quantize(array_fill(1, ARRAY[16000])::vector));

-- subvector

SELECT subvector('[1,2,3,4,5]'::vector, 1, 3);
SELECT subvector('[1,2,3,4,5]'::vector, 3, 2);
SELECT subvector('[1,2,3,4,5]'::vector, 5, 1);
SELECT subvector('[1,2,3,4,5]'::vector, 3, 9);
SELECT subvector('[1,2,3,4,5]'::vector, -1, 3);
SELECT subvector('[1,2,3,4,5]'::vector, 0, 2);
SELECT subvector('[1,2,3,4,5]'::vector, 3, 2147483647);
SELECT subvector('[1,2,3,4,5]'::vector, -2147483644, 2147483647);
SELECT subvector('[1,2,3,4,5]'::vector, 1, 0);
SELECT subvector('[1,2,3,4,5]'::vector, 3, -1);
SELECT subvector('[1,2,3,4,5]'::vector, -1, 2);
SELECT subvector('[1,2,3,4,5]'::vector, 6, 1);
SELECT subvector('[1,2,3,4,5]'::vector, 2147483647, 10);
SELECT subvector('[1,2,3,4,5]'::vector, -2147483648, -2147483648);
SELECT subvector('[1,2,3,4,5]'::vector, 2147483647, 2147483647);

-- arithmetic

SELECT '[1,2,3]'::vector + '[4,5,6]';
SELECT '[1,2,3]'::vector - '[4,5,6]';
SELECT '[1,2,3]'::vector * '[4,5,6]';
SELECT '[1,2,3]'::vector || '[4,5]';
SELECT vector_add('[1]', '[2]'), vector_sub('[1]', '[2]'), vector_mul('[1]', '[2]'), vector_concat('[1]', '[2]');
SELECT '[3e38]'::vector + '[3e38]';
SELECT '[0,-3e38]'::vector + '[1,-3e38]';
SELECT '[-3e38]'::vector - '[3e38]';
SELECT '[1e37]'::vector * '[1e37]';
SELECT '[1e-37]'::vector * '[1e-37]';
SELECT '[1,1e-45]'::vector * '[1,0.5]';
SELECT '[0,0,1e-45]'::vector * '[0,1e-37,1]';
SELECT '[1e-37]'::vector * '[1e-7]';
SELECT '[1,2]'::vector + '[3]';
SELECT '[1,2]'::vector - '[3]';
SELECT '[1,2]'::vector * '[3]';
SELECT vector_dims(array_fill(0, ARRAY[15999])::vector || '[1]');
SELECT array_fill(0, ARRAY[16000])::vector || '[1]';

-- null in, null out
SELECT l2_distance(NULL::vector, '[1]') IS NULL AND '[1]'::vector <=> NULL IS NULL
	AND vector_dims(NULL::vector) IS NULL AND subvector('[1]'::vector, NULL, 1) IS NULL AS strict;

-- error codes
\set VERBOSITY sqlstate
SELECT '[1,2]'::vector <-> '[3]';
SELECT '[3e38]'::vector + '[3e38]';
SELECT '[1e-37]'::vector * '[1e-37]';
SELECT subvector('[1]'::vector, 2, 1);
SELECT array_fill(0, ARRAY[16000])::vector || '[1]';
\set VERBOSITY default

-- all functions of the type may be folded, run in parallel and need no null
SELECT count(*) >= 35 AS enough FROM pg_proc
	WHERE ('vector'::regtype = ANY (proargtypes) OR prorettype = 'vector'::regtype) AND prokind = 'f';
SELECT oid::regprocedure FROM pg_proc
	WHERE ('vector'::regtype = ANY (proargtypes) OR prorettype = 'vector'::regtype) AND prokind = 'f'
	AND NOT (proisstrict AND provolatile = 'i' AND proparallel = 's');
-- the planner takes distances for expensive, not for leakproof
SELECT proname, procost, proleakproof FROM pg_proc
	WHERE proargtypes[0] = 'vector'::regtype AND proargtypes[1] = 'vector'::regtype AND prorettype = 'float8'::regtype
	AND proname ~ '^(l2|l1|inner|cosine|vector_(l2|negative|spherical))'
	ORDER BY proname COLLATE "C";
-- operators and what the planner knows of them
SELECT o.oprname, o.oprcode::regprocedure, c.oprname AS commutator, n.oprname AS negator, o.oprrest, o.oprjoin
	FROM pg_operator o LEFT JOIN pg_operator c ON c.oid = o.oprcom LEFT JOIN pg_operator n ON n.oid = o.oprnegate
	WHERE o.oprleft = 'vector'::regtype AND o.oprname IN ('<->', '<#>', '<=>', '<+>', '+', '-', '*', '||', '<', '<=', '=', '<>', '>=', '>')
	ORDER BY o.oprname COLLATE "C";
