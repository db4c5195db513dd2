#!/usr/bin/env bash
# Installs what building, testing and the demo need, if anything is missing.
#
#   scripts/install-deps.sh
#
# Debian and Ubuntu: through apt, as root or with sudo.  Elsewhere it names what
# is missing.  PG_CONFIG chooses a PostgreSQL that is already there.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

APT="apt-get -o DPkg::Lock::Timeout=300 -qq"

# missing_tools: what is not there, by Debian's package names.
missing_tools()
{
	find_pg || echo postgresql
	# gcc alone only recommends the headers of the C library.
	echo '#include <stdio.h>' | gcc -E -x c - > /dev/null 2>&1 || echo gcc libc6-dev
	have make || echo make
	have prove && perl -MIPC::Run -e 1 2> /dev/null || echo libipc-run-perl perl
	"$PYTHON" -c 'import numpy' 2> /dev/null || echo python3-numpy
	"$PYTHON" -c 'import psycopg2' 2> /dev/null || echo python3-psycopg2
	# initdb and the headers can be there without the build's own test driver.
	if find_pg && ! [ -x "$(dirname "$("$PG_CONFIG" --pgxs)")/../test/regress/pg_regress" ]; then
		echo "postgresql-server-dev-$PG_MAJOR"
	fi
}

# pg_packages: the PostgreSQL to install, the oldest tested version first.
pg_packages()
{
	local version

	for version in 15 17 16; do
		if apt-cache show "postgresql-server-dev-$version" > /dev/null 2>&1; then
			echo "postgresql-$version postgresql-server-dev-$version"
			return
		fi
	done
	die "apt offers none of PostgreSQL 15, 16 and 17"
}

# apt_install PACKAGE...
apt_install()
{
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive \
		$APT install -y --no-install-recommends "$@" > "$LOG" 2>&1 ||
		{ cat "$LOG" >&2; die "apt-get could not install: $*"; }
}

main()
{
	local missing packages conf=/etc/postgresql-common/createcluster.conf

	missing=$(missing_tools | tr '\n' ' ')
	if [ -z "$missing" ]; then
		say "dependencies: all present"
		return
	fi
	have apt-get || die "please install (Debian's names): $missing"
	is_root || have sudo ||
		die "please install as root: $missing (sudo is not here either)"

	say "dependencies: installing $missing"
	# shellcheck disable=SC2086
	as_root $APT update > "$LOG" 2>&1 ||
		{ cat "$LOG" >&2; die "apt-get update failed"; }
	packages=$missing
	case " $missing" in
		*" postgresql "*) packages="${missing/postgresql /} $(pg_packages)" ;;
	esac
	# Debian starts a cluster as soon as a server is installed.  Where these
	# scripts bring the first PostgreSQL, nobody asked for one.
	if [ ! -d /etc/postgresql-common ] && [[ $packages == *postgresql-1* ]]; then
		apt_install postgresql-common
		as_root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' "$conf"
	fi
	# shellcheck disable=SC2086
	apt_install $packages
	missing=$(missing_tools | tr '\n' ' ')
	[ -z "$missing" ] || die "still missing after the installation: $missing"
}

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
main
