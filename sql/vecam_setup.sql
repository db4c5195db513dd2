-- What the other vecam_* tests use.

-- A plan that a setting rules out costs so much that it would be compiled.
-- Rows are sealed when the tests say so, not by workers.
DO $$
BEGIN
	EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
	EXECUTE format('ALTER DATABASE %I SET vecam.seal_workers = 0', current_database());
END
$$;

-- A vector of n coordinates in steps of 1/4 that depends on i alone; few
-- different values, so that distances tie.
CREATE FUNCTION test_vector(i int, n int) RETURNS vector
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint4(i * 16411 + k) % 16)::real / 4)::vector
	FROM generate_series(1, n) k
$$;

-- Does the query's plan have an index scan in distance order, and no sort?
CREATE FUNCTION plan_is_ordered(query text) RETURNS bool
LANGUAGE plpgsql AS $$
DECLARE
	line text;
	ordered bool := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ '^ *(->  )?(Incremental )?Sort$' THEN
			RETURN false;
		END IF;
		ordered := ordered OR line LIKE '%Order By: %';
	END LOOP;
	RETURN ordered;
END
$$;

-- Read the table's ids by distance through the index and through a sort, and
-- compare: the same distance at every rank, every row at most once, and, read
-- to the end, every row.  The table has columns id and v.
CREATE FUNCTION check_order(tab text, op text, q text, rows int DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id, v %1$s %2$L::vector AS d FROM %3$s ORDER BY v %1$s %2$L::vector LIMIT %4$s',
						 op, q, tab, coalesce(rows::text, 'ALL'));
	got record;
	want record;
	collect text := 'SELECT array_agg(id) AS ids, array_agg(d) AS ds FROM (%s) s';
	different bigint;
	total bigint;
BEGIN
	PERFORM set_config('enable_indexscan', 'on', true),
		set_config('enable_seqscan', 'off', true),
		set_config('enable_sort', 'off', true);
	IF NOT plan_is_ordered(query) THEN
		RETURN 'the index is not used';
	END IF;
	EXECUTE format(collect, query) INTO got;

	PERFORM set_config('enable_indexscan', 'off', true),
		set_config('enable_seqscan', 'on', true),
		set_config('enable_sort', 'on', true);
	EXECUTE format(collect, query) INTO want;
	EXECUTE format('SELECT count(*) FROM %s', tab) INTO total;
	SELECT count(DISTINCT i) INTO different FROM unnest(got.ids) AS i;

	PERFORM set_config('enable_indexscan', 'on', true);
	IF got.ds IS DISTINCT FROM want.ds THEN
		RETURN format('different distances: %s rows, not %s',
					  cardinality(got.ds), cardinality(want.ds));
	ELSIF different <> cardinality(got.ids) THEN
		RETURN 'a row is returned twice';
	ELSIF different <> least(rows, total) THEN
		RETURN format('%s of %s rows', different, total);
	END IF;
	RETURN 'ok';
END
$$;
