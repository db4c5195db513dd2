-- avg and sum of vector

SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]', '[3,5,7]']::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]', '[3,5,7]', NULL]::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[NULL, NULL]::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[]::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[-0,1e-45]']::vector[]) v;
SELECT avg(v) FROM unnest(ARRAY['[3e38]', '[3e38]', '[3e38]']::vector[]) v;
SELECT sum(v) FROM unnest(ARRAY['[3e38]', '[3e38]']::vector[]) v;
SELECT avg(v) FROM unnest(ARRAY['[1,2]', '[3]']::vector[]) v;
SELECT sum(v) FROM unnest(ARRAY['[1,2]', '[3]']::vector[]) v;
SELECT vector_dims(avg(v)), vector_dims(sum(v))
	FROM (SELECT array_fill(i, ARRAY[16000])::vector AS v FROM generate_series(1, 3) i) s;

CREATE TABLE samples (g int, v vector(3), empty vector(3));
INSERT INTO samples SELECT i % 3, ARRAY[i, -i, i % 7]::vector, NULL FROM generate_series(1, 3000) i;
SELECT avg(v), sum(v) FROM samples;
SELECT g, avg(v), sum(v), count(v) FROM samples GROUP BY g ORDER BY g;
SELECT g, avg(DISTINCT subvector(v, 3, 1)) FROM samples GROUP BY g ORDER BY g;
SELECT avg(v) FILTER (WHERE g = 1), avg(v) FILTER (WHERE g = 9) FROM samples;
-- growing, and moving: each frame has its own state
SELECT i, avg(v) OVER (ORDER BY i) AS growing,
	   avg(v) OVER (ORDER BY i ROWS 1 PRECEDING) AS moving,
	   sum(v) OVER (ORDER BY i ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) AS next
	FROM (SELECT i, ARRAY[i, i * i]::vector AS v FROM generate_series(1, 4) i) s
	ORDER BY i;

-- parallel, with workers that see nothing but nulls too
ALTER TABLE samples SET (parallel_workers = 2);
ANALYZE samples;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v), avg(empty), sum(empty) FROM samples;
SELECT avg(v), sum(v), avg(empty), sum(empty) FROM samples;
SELECT g, avg(v), sum(v) FROM samples GROUP BY g ORDER BY g;
SET parallel_leader_participation = off;
SELECT avg(v), sum(v), avg(empty), sum(empty) FROM samples;
SELECT avg(v), sum(v) FROM samples WHERE g = 9;
RESET parallel_leader_participation;
RESET max_parallel_workers_per_gather;
RESET min_parallel_table_scan_size;
RESET parallel_tuple_cost;
RESET parallel_setup_cost;
DROP TABLE samples;

-- the functions on their own

SELECT vector_accum('{0}', '[1,2,3]');
SELECT vector_accum('{1,1,2,3}', '[1,2,3]');
SELECT vector_accum('{0,0,0,0}', '[1,2,3]');
SELECT vector_accum('[3:4]={1,5}', '[6]');
SELECT vector_combine('{1,2}', '{3,4}');
SELECT vector_combine('{0}', '{3,4}'), vector_combine('{3,4}', '{0}'), vector_combine('{0}', '{0}');
SELECT vector_avg('{2,4,-5}'), vector_avg('{0}'), vector_avg('{0,1}');
-- outside an aggregate the argument is not theirs to change
SELECT vector_accum(state, '[10]'), vector_combine(state, '{1,1}'), state
	FROM (VALUES ('{1,2}'::float8[]), ('{2,3}')) s (state);

-- states that are none
SELECT vector_accum('{}', '[1]');
SELECT vector_accum('{{1,2}}', '[1]');
SELECT vector_accum('{1,NULL}', '[1]');
SELECT vector_accum('{0,0}', '[1,2,3]');
SELECT vector_combine('{}', '{1,2}');
SELECT vector_combine('{1,2}', '{}');
SELECT vector_combine('{{1,2}}', '{1,2}');
SELECT vector_combine('{1,2}', '{{1,2}}');
SELECT vector_combine('{1,NULL}', '{1,2}');
SELECT vector_combine('{1,2}', '{1,2,3}');
SELECT vector_avg('{}');
SELECT vector_avg('{{1,2}}');
SELECT vector_avg('{NULL,1}');
SELECT vector_avg('{1}');
SELECT vector_accum(array_fill(1::float8, ARRAY[16002]), '[1]');
SELECT vector_combine(array_fill(1::float8, ARRAY[16002]), '{0}');
SELECT vector_combine('{0}', array_fill(1::float8, ARRAY[16002]));
SELECT vector_avg(array_fill(1::float8, ARRAY[16002]));
SELECT vector_dims(vector_avg(array_fill(1::float8, ARRAY[16001])));
-- values that no sum of vectors has
SELECT vector_accum('{1,1.7976931348623157e308}', '[3e38]') = '{2,1.7976931348623157e308}' AS same;
SELECT vector_accum('{1,Infinity}', '[1]');
SELECT vector_combine('{1,1.7976931348623157e308}', '{1,1.7976931348623157e308}');
SELECT vector_avg('{1,1e39}');
SELECT vector_avg('{1,NaN}');
SELECT vector_avg('{NaN,1}');
-- an array of another type
CREATE FUNCTION avg_of_reals(real[]) RETURNS vector
	AS '$libdir/vecam', 'vector_avg' LANGUAGE C IMMUTABLE STRICT;
SELECT avg_of_reals('{1,2,3}');
DROP FUNCTION avg_of_reals(real[]);

-- error codes
\set VERBOSITY sqlstate
SELECT vector_accum('{}', '[1]');
SELECT vector_combine('{1,2}', '{1,2,3}');
SELECT vector_avg(array_fill(1::float8, ARRAY[16002]));
SELECT sum(v) FROM unnest(ARRAY['[3e38]', '[3e38]']::vector[]) v;
\set VERBOSITY default
