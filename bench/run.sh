#!/usr/bin/env bash
# The search bench: vecam beside pgvector, hnswlib, faiss and the floor of SQL.
#
#   bench/run.sh [--set NAME]... [--peers LIST] [--phases LIST] [--keep DIR] ...
#
# Prepares everything (packages, a Debian 13 chroot with PostgreSQL 17 and
# pgvector, a private server), loads the set, builds the indexes, measures, prints
# a table, and writes bench/results/DATE-NAME.{json,md,svg,png}.  Needs root for
# the chroot.  bench/run.sh --help lists the options; bench/README.md explains
# them, the columns and the method.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
BENCH=$VECAM_ROOT/bench
# shellcheck source=bench/packages.sh
. "$BENCH/packages.sh"

is_root || exec sudo -- "${BASH_SOURCE[0]}" "$@"
"$VECAM_ROOT/scripts/install-deps.sh" > /dev/null
have pgbench || die "pgbench is missing (Debian: in the packages postgresql-NN)"
install_packages gnuplot:gnuplot-nox g++:g++ /usr/include/hnswlib/hnswlib.h:libhnswlib-dev \
	numpy psycopg2 faiss
exec "$PYTHON" "$BENCH/vbench" "$@"
