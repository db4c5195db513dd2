#!/usr/bin/env bash
# Shows vecam at work on handwritten digits, on a private server.
#
#   scripts/demo.sh             build, install, start a server, load, search
#   scripts/demo.sh query N     on the running demo: the neighbours of query N
#   scripts/demo.sh stop        stop the server and remove its folder
#
# The server stays for you to try things on; a second run replaces it.  It
# listens on a unix socket in its own folder and touches no other cluster.
# VECAM_DEMO_DIR chooses another folder.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DIR=${VECAM_DEMO_DIR:-/tmp/vecam-demo-$(server_user)}
MARKER=$DIR/.vecam-demo
PORT=5440
STARTED=no

demo_py()
{
	"$PYTHON" "$VECAM_ROOT/scripts/demo.py" "$@" \
		--host "$DIR" --port $PORT --user "$(server_user)"
}

# remove_demo: stops the demo's server and removes its folder, if there is one.
remove_demo()
{
	[ -e "$DIR" ] || return 0
	if ! [ -f "$MARKER" ] || ! { is_root || [ -O "$MARKER" ]; }; then
		die "$DIR is there, but it is not a demo folder of yours: remove it," \
			"or set VECAM_DEMO_DIR"
	fi
	stop_servers "$DIR"
	rm -rf "$DIR"
}

# step NAME TEXT: one line of the report.
step() { printf '  %-12s %s\n' "$1" "$2"; }

start_demo()
{
	local start

	"$VECAM_ROOT/scripts/install-deps.sh"
	need_pg
	need_install
	remove_demo
	mkdir "$DIR"
	touch "$MARKER"
	own_by_server "$DIR"
	STARTED=yes

	printf '\n%s\n\n' "vecam: nearest neighbours of handwritten digits in PostgreSQL"
	start=$SECONDS
	copy_tree "$DIR/src"
	build "$DIR/src" "$DIR/build.log"
	install_built "$DIR/src" "$DIR/install.log"
	rm -rf "$DIR/src"
	step build "compiled and installed in $((SECONDS - start)) s"
	start_server "$DIR" $PORT "shared_buffers = 256MB"
	step server "$("$PG_CONFIG" --version), socket in $DIR"
	demo_py run
	STARTED=whole

	printf '%s\n' "" "The server stays.  To look around:" "" \
		"  $PG_BINDIR/psql -h $DIR -p $PORT -U $(server_user) demo" "" \
		"    SELECT id, label, embedding <-> (SELECT embedding FROM queries WHERE id = 7) AS distance" \
		"      FROM digits ORDER BY distance LIMIT 5;" "" \
		"  scripts/demo.sh query 7     draws the neighbours of query 7 (0 to 499)" \
		"  scripts/demo.sh stop        stops this server and removes its folder"
}

# give_up: a demo that did not come to its end leaves nothing behind.
give_up()
{
	if [ $STARTED = yes ]; then remove_demo; fi
}

trap give_up EXIT
trap 'exit 130' INT TERM

case "${1:-start} $#" in
	"start 0" | "start 1")
		start_demo
		;;
	"query 2")
		[ -f "$DIR/data/postmaster.pid" ] ||
			die "no demo is running: start it with scripts/demo.sh"
		demo_py query --number "$2"
		;;
	"stop 1")
		need_pg
		[ -e "$DIR" ] || die "there is no demo to stop"
		remove_demo
		say "stopped, and $DIR removed"
		;;
	*)
		die "usage: scripts/demo.sh [start | query N | stop]"
		;;
esac
