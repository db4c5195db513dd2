#!/bin/sh
# Times text input of vectors: the number parser alone against strtof, after
# checking on random tokens that both give the same floats.
#
#   bench/parse.sh [--sql] [dim [vectors]]       default 1536 500
#
# --sql also times vector_in, float4[] input, reading the text alone and
# vector_out in the server that psql connects to (PGHOST, PGPORT, ...), where
# vecam is installed.
set -eu

sql=no
if [ "${1:-}" = --sql ]; then
	sql=yes
	shift
fi
dim=${1:-1536}
vectors=${2:-500}

top=$(cd "$(dirname "$0")/.." && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

pg_config=${PG_CONFIG:-pg_config}
${CC:-cc} -std=gnu99 -O2 -Wall -D_GNU_SOURCE \
	-I"$top/src" -I"$("$pg_config" --includedir-server)" \
	-o "$build/parse" "$top/bench/parse.c" "$top/src/types/parse_float.c" -lm

"$build/parse" check "${TOKENS:-5000000}"
"$build/parse" time "$dim" "$vectors"

[ $sql = yes ] || exit 0

# nanoseconds per component of a query over the rows of t, the best of five
time_query() {
	psql -XAtq -v ON_ERROR_STOP=1 2>&1 <<-SQL
		SET client_min_messages = warning;
		SET max_parallel_workers_per_gather = 0;
		SET jit = off;
		CREATE EXTENSION IF NOT EXISTS vecam;
		SELECT setseed(0.5) \\g /dev/null
		CREATE TEMP TABLE t AS
			SELECT (SELECT '[' || string_agg((random() - 0.5)::real::text, ',') || ']'
					FROM generate_series(1, $dim) WHERE row > 0) AS brackets
			FROM generate_series(1, $vectors) row;
		ALTER TABLE t ALTER brackets SET STORAGE external;
		CREATE TEMP TABLE u AS
			SELECT brackets, translate(brackets, '[]', '{}') AS braces,
				   brackets::vector AS v
			FROM t;
		DO \$\$
		DECLARE
			start timestamptz;
			elapsed float8;
			best float8 := 'infinity';
		BEGIN
			FOR pass IN 1 .. 5 LOOP
				start := clock_timestamp();
				PERFORM $1 FROM u;
				elapsed := extract(epoch FROM clock_timestamp() - start);
				best := least(best, elapsed);
			END LOOP;
			RAISE WARNING '%', round((best * 1e9 / ($dim::float8 * $vectors))::numeric, 1);
		END \$\$;
	SQL
}

echo "in the server, ns per component:"
for query in 'vector_dims(brackets::vector)' 'array_length(braces::real[], 1)' \
	'octet_length(repeat(brackets, 1))' 'octet_length(v::text)'; do
	output=$(time_query "$query") || { echo "$output" >&2; exit 1; }
	printf '  %-40s %s\n' "$query" \
		"$(echo "$output" | sed -n 's/^WARNING: *//p')"
done
