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

# missing_packages: what is not there, by Debian's package names.
missing_packages()
{
	local module

	have gnuplot || echo gnuplot-nox
	have g++ || echo g++
	have make || echo make
	[ -x /usr/sbin/debootstrap ] || echo debootstrap
	[ -f /usr/include/hnswlib/hnswlib.h ] || echo libhnswlib-dev
	for module in numpy psycopg2 faiss; do
		"$PYTHON" -c "import $module" 2> /dev/null || echo "python3-$module"
	done
}

install_packages()
{
	local missing

	missing=$(missing_packages | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	have apt-get || die "please install (Debian's names): $missing"
	say "installing $missing"
	# shellcheck disable=SC2086
	{ apt-get -qq update &&
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
			--no-install-recommends $missing; } > /dev/null ||
		die "apt-get could not install: $missing"
}

is_root || exec sudo -- "${BASH_SOURCE[0]}" "$@"
"$VECAM_ROOT/scripts/install-deps.sh" > /dev/null
have pgbench || die "pgbench is missing (Debian: in the packages postgresql-NN)"
install_packages
exec "$PYTHON" "$BENCH/vbench" "$@"
