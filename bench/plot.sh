#!/usr/bin/env bash
# Writes the tables and plots of results anew, beside their JSON files.
#
#   bench/plot.sh bench/results/FILE.json...
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

[ $# -gt 0 ] || die "usage: bench/plot.sh FILE.json..."
have gnuplot || die "gnuplot is missing (Debian: apt-get install gnuplot-nox)"
exec "$PYTHON" "$VECAM_ROOT/bench/vbench/report.py" "$@"
