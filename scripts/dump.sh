#!/usr/bin/env bash
# Dumps a database, and the graphs of its vecam indexes, which pg_dump leaves out.
#
#   scripts/dump.sh DATABASE DIR [PG_DUMP OPTION]...
#
# DIR is made: database.dump (what pg_dump writes, -Fc unless the options say
# otherwise; parallel: -Fd -j 4), and for each index graph-N.copy (its checkpoint,
# as COPY's binary format) and graph-N.name.  Server and user come from the
# environment (PGHOST, PGPORT, PGUSER), as for pg_dump; the user must own the
# indexes.  scripts/restore.sh is the way back.
set -euo pipefail

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# query SQL: its rows, one column, each ended by a zero byte.
query() { psql -X -q -A -t -0 -v ON_ERROR_STOP=1 -d "$DATABASE" -c "$1"; }

if [ $# -lt 2 ]; then
	sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
	exit 2
fi
DATABASE=$1
DIR=$2
shift 2
mkdir "$DIR" || die "$DIR must not exist"

start=$SECONDS
pg_dump -Fc -f "$DIR/database.dump" "$@" "$DATABASE"
printf 'database.dump: %s, %d s\n' "$(du -sh "$DIR/database.dump" | cut -f1)" $((SECONDS - start))

# The function's name, as the extension may be in any schema, then the indexes.
query "
	SELECT format('%I.vecam_checkpoint', n.nspname)
	FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
	WHERE e.extname = 'vecam'" > "$DIR/function"
query "
	SELECT format('%I.%I', n.nspname, c.relname)
	FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_am a ON a.oid = c.relam
		JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE a.amname = 'vecam' AND c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisvalid
	ORDER BY 1" > "$DIR/indexes"
mapfile -d '' -t function < "$DIR/function"
mapfile -d '' -t names < "$DIR/indexes"
rm "$DIR/function" "$DIR/indexes"

for n in "${!names[@]}"; do
	file=$DIR/graph-$((n + 1))
	start=$SECONDS
	printf '%s' "${names[n]}" > "$file.name"
	psql -X -q -v ON_ERROR_STOP=1 -v name="${names[n]}" -v function="${function[0]}" \
		-d "$DATABASE" > "$file.copy" <<'SQL'
SELECT format('COPY (SELECT * FROM %s(%L)) TO STDOUT (FORMAT binary)', :'function', :'name') \gexec
SQL
	printf '%d of %d, %s: %s, %d s\n' $((n + 1)) ${#names[@]} "${names[n]}" \
		"$(du -h "$file.copy" | cut -f1)" $((SECONDS - start))
done
