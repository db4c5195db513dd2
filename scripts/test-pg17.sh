#!/usr/bin/env bash
# Builds vecam on Debian 13 with PostgreSQL 17 and runs its tests there.
#
#   scripts/test-pg17.sh [SUITE...]         suites of scripts/test.sh (regress)
#
# In the chroot of scripts/chroot-trixie.sh (made at the first run; another place
# by VECAM_CHROOT).  The last line is "N passed, N failed".
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DIR=${VECAM_CHROOT:-/tmp/trixie}
CHROOT=$VECAM_ROOT/scripts/chroot-trixie.sh
COPY=

trap '[ -z "$COPY" ] || as_root rm -rf "$COPY"' EXIT
trap 'exit 130' INT TERM

[ $# -gt 0 ] || set -- regress
is_root || have sudo || die "a chroot needs root or sudo"
"$CHROOT" "$DIR"
COPY=$(as_root mktemp -d "$DIR/tmp/vecam.XXXXXX")
# The tree goes in through a pipe: the chroot sees none of this system's files.
tar -C "$VECAM_ROOT" --exclude=./.git --exclude='*.o' --exclude='*.so' \
	--exclude=./tmp_check --exclude=./test/unit/build -cf - . |
	as_root tar -C "$COPY" --no-same-owner -xf -
as_root chmod 755 "$COPY"
"$CHROOT" "$DIR" -- "${COPY#"$DIR"}/scripts/test.sh" "$@"
