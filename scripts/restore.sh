#!/usr/bin/env bash
# Loads what scripts/dump.sh has written into an empty database.
#
#   scripts/restore.sh DIR DATABASE [PG_RESTORE OPTION]...
#
# The indexes are built flat with their tables, and answer from then on; then
# each gets its graph.  Server and user come from the environment (PGHOST,
# PGPORT, PGUSER), as for pg_restore; the database exists.  An index without its
# graph, for whatever reason, can be given one by REINDEX.
set -euo pipefail

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

if [ $# -lt 2 ]; then
	sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
	exit 2
fi
DIR=$1
DATABASE=$2
shift 2
[ -e "$DIR/database.dump" ] || die "$DIR has no database.dump"

start=$SECONDS
PGOPTIONS="${PGOPTIONS:-} -c vecam.build_flat=on" \
	pg_restore -d "$DATABASE" "$@" "$DIR/database.dump"
printf 'database.dump: %d s\n' $((SECONDS - start))

# restore NAME FILE: gives the index the graph, and tells what has become of it.
restore() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v name="$1" -d "$DATABASE" \
		-c 'CREATE TEMP TABLE vecam_chunks (chunk int, data bytea)' \
		-c "\\copy vecam_chunks FROM '$2' (FORMAT binary)" \
		-f - <<'SQL'
SELECT format($$SELECT format('%%s nodes, %%s rows inserted, %%s nodes dropped',
		nodes_adopted, rows_inserted, nodes_dropped) FROM %I.vecam_restore(%L, 'pg_temp.vecam_chunks')$$,
	n.nspname, :'name')
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'vecam' \gexec
SQL
}

cd "$DIR"
shopt -s nullglob
graphs=(graph-*.copy)
failed=0
for n in "${!graphs[@]}"; do
	name=$(cat "${graphs[n]%.copy}.name"; printf .)
	name=${name%.}
	start=$SECONDS
	if result=$(restore "$name" "${graphs[n]}") && [ -n "$result" ]; then
		printf '%d of %d, %s: %s, %d s\n' $((n + 1)) ${#graphs[@]} "$name" \
			"$result" $((SECONDS - start))
	else
		printf '%d of %d, %s: not restored\n' $((n + 1)) ${#graphs[@]} "$name"
		failed=$((failed + 1))
	fi
done
[ $failed = 0 ] || die "$failed of ${#graphs[@]} graphs were not restored"
