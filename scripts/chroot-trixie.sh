#!/usr/bin/env bash
# A Debian 13 chroot with PostgreSQL 17, its development files and pgvector,
# for scripts/test-pg17.sh and for benches beside pgvector.
#
#   scripts/chroot-trixie.sh [DIR]          make it (default /tmp/trixie)
#   scripts/chroot-trixie.sh [DIR] -- CMD   make it if need be, run CMD inside
#
# --bind FOLDER:PLACE before the "--", any number of times, shows CMD a folder of
# this system as PLACE.
#
# Needs root and debootstrap (Debian: apt-get install debootstrap).  Takes a few
# minutes and 2 GB once; kept afterwards.  Removing DIR removes all of it: the
# file systems that CMD needs are mounted in a namespace that ends with CMD, and
# so are the processes it leaves.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
PACKAGES="postgresql-17 postgresql-server-dev-17 postgresql-17-pgvector
	gcc make locales libipc-run-perl python3-numpy python3-psycopg2"

# inside DIR CMD...: runs CMD in the chroot, in namespaces of its own, with the
# folders of BINDS.
inside()
{
	# shellcheck disable=SC2016
	as_root unshare --mount --pid --fork --kill-child bash -c '
		set -e
		dir=$1 binds=$2; shift 2
		for ((; binds > 0; binds--)); do
			mkdir -p "$dir${1#*:}"
			mount --bind "${1%%:*}" "$dir${1#*:}"
			shift
		done
		mount -t proc proc "$dir/proc"
		mkdir -p "$dir/dev/shm"
		mount -t tmpfs -o mode=1777 tmpfs "$dir/dev/shm"
		exec chroot "$dir" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' \
		- "$1" ${#BINDS[@]} ${BINDS[@]+"${BINDS[@]}"} "${@:2}"
}

# make_chroot DIR: in DIR.partial first, so that DIR is whole if it exists.
make_chroot()
{
	local dir=$1 new=$1.partial BINDS=()

	[ -x /usr/sbin/debootstrap ] ||
		die "debootstrap is missing (Debian: apt-get install debootstrap)"
	as_root rm -rf --one-file-system "$new"
	say "debootstrap of Debian 13 into $dir (a few minutes)"
	as_root /usr/sbin/debootstrap --variant=minbase trixie "$new" "$MIRROR" \
		> "$LOG" 2>&1 || { tail -30 "$LOG" >&2; die "debootstrap failed"; }
	# No cluster and no service: servers are started by hand inside.
	as_root mkdir -p "$new/etc/postgresql-common"
	echo 'create_main_cluster = false' |
		as_root tee "$new/etc/postgresql-common/createcluster.conf" > /dev/null
	printf '#!/bin/sh\nexit 101\n' |
		as_root tee "$new/usr/sbin/policy-rc.d" > /dev/null
	as_root chmod 755 "$new/usr/sbin/policy-rc.d"
	say "installing PostgreSQL 17, pgvector and a compiler there"
	# shellcheck disable=SC2086
	inside "$new" sh -c 'export DEBIAN_FRONTEND=noninteractive
		apt-get update && apt-get install -y --no-install-recommends "$@" &&
		echo "en_US.UTF-8 UTF-8" > /etc/locale.gen && locale-gen' - $PACKAGES \
		>> "$LOG" 2>&1 || { tail -30 "$LOG" >&2; die "installing packages failed"; }
	as_root mv "$new" "$dir"
}

DIR=/tmp/trixie
BINDS=()
if [ $# -gt 0 ] && [[ $1 != --* ]]; then
	DIR=$1
	shift
fi
while [ $# -gt 1 ] && [ "$1" = --bind ]; do
	BINDS+=("$2")
	shift 2
done
[ $# -eq 0 ] || [ "$1" = -- ] ||
	die "usage: scripts/chroot-trixie.sh [DIR] [[--bind FOLDER:PLACE]... -- CMD...]"
[ $# -eq 0 ] || shift

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
[ -x "$DIR/usr/lib/postgresql/17/bin/postgres" ] || make_chroot "$DIR"
if [ $# -gt 0 ]; then
	inside "$DIR" "$@"
else
	say "Debian 13 with PostgreSQL 17: $DIR"
fi
