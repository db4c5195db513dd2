#!/usr/bin/env bash
# The bench of writes and VACUUM: vecam beside pgvector.
#
#   bench/write.sh [--set NAME]... [--phases LIST] [--rounds N] [--keep DIR] ...
#
# Prepares everything as bench/run.sh does, builds the indexes once, measures
# inserts, COPY, updates, VACUUM, rounds of change and a standby on copies of them,
# prints a table, and writes bench/results/DATE-write-NAME.{json,md}.  Needs root
# for the chroot.  bench/write.sh --help lists the options; bench/README.md
# explains them, the figures and the method.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
BENCH=$VECAM_ROOT/bench
# shellcheck source=bench/packages.sh
. "$BENCH/packages.sh"

is_root || exec sudo -- "${BASH_SOURCE[0]}" "$@"
"$VECAM_ROOT/scripts/install-deps.sh" > /dev/null
have pgbench || die "pgbench is missing (Debian: in the packages postgresql-NN)"
install_packages numpy psycopg2
exec "$PYTHON" "$BENCH/vbench/write.py" "$@"
