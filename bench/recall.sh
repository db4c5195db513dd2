#!/usr/bin/env bash
# Recall, speed and size of an index against exact answers, on a private server.
#
#   bench/recall.sh [--data DIR] [--set NAME]... [--kind flat|hnsw|auto]
#                   [--metric l2|cosine|ip] [--ef LIST] [--limit-rows N]
#                   [--limit-queries N] [--scan-queries N] [--rounds N]
#                   [--pg-bin DIR] [--no-build] [--json]
#
# Without arguments: the sample in test/data, kind auto.  bench/README.md
# explains the options and the columns.  Server and folder are gone afterwards.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

PORT=5441
BUILD=yes
WORK=
ARGS=()

clean_up()
{
	if [ -n "$WORK" ]; then
		stop_servers "$WORK"
		rm -rf "$WORK"
	fi
}

# fitting_buffers: shared_buffers in MB, 4 GB or a quarter of the memory.
fitting_buffers()
{
	awk '/^MemTotal:/ { mb = int($2 / 4096); print mb < 4096 ? mb : 4096 }' \
		/proc/meminfo
}

while [ $# -gt 0 ]; do
	case $1 in
		--pg-bin)
			[ $# -gt 1 ] || die "--pg-bin needs a folder"
			PG_CONFIG=$2/pg_config
			have "$PG_CONFIG" || die "$PG_CONFIG: not found"
			shift
			;;
		--no-build) BUILD=no ;;
		-h | --help)
			sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
			exit 0
			;;
		*) ARGS+=("$1") ;;
	esac
	shift
done

trap clean_up EXIT
trap 'exit 130' INT TERM

"$VECAM_ROOT/scripts/install-deps.sh" > /dev/null
need_pg
"$PYTHON" "$VECAM_ROOT/bench/recall.py" --check "${ARGS[@]+"${ARGS[@]}"}"
[ $BUILD = no ] || need_install
WORK=$(server_tmpdir bench)
if [ $BUILD = yes ]; then
	copy_tree "$WORK/src"
	build "$WORK/src" "$WORK/build.log"
	install_built "$WORK/src" "$WORK/install.log"
fi
start_server "$WORK" $PORT \
	"shared_buffers = $(fitting_buffers)MB" \
	"maintenance_work_mem = 1GB" \
	"max_wal_size = 16GB" \
	"checkpoint_timeout = 1h" \
	"autovacuum = off" \
	"jit = off" \
	"max_parallel_workers_per_gather = 0"
"$PYTHON" "$VECAM_ROOT/bench/recall.py" --host "$WORK" --port $PORT \
	--user "$(server_user)" "${ARGS[@]+"${ARGS[@]}"}"
