# shellcheck shell=bash
# Shared by the scripts beside it; sourced, never run.
#
# A PostgreSQL server does not run as root.  Called as root, the scripts hand
# the server and whatever must share its rights to the user postgres (through
# runuser), in a temporary folder that this user owns; called as anybody else,
# the server runs as the caller, and only installing files asks for sudo.

VECAM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# PostgreSQL's programs complain of a current folder they cannot read.
[ -r . ] || cd /

# Debian's own python3 is the one that its numpy and psycopg2 belong to.
PYTHON=${PYTHON:-/usr/bin/python3}

# Servers are reached by the socket the script names, messages are in English,
# and a make that called the script does not pass its flags on.
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGOPTIONS PGSERVICE PGDATA
unset MAKEFLAGS MAKELEVEL MFLAGS
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1

say() { printf '%s\n' "$*"; }

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

have() { command -v "$1" > /dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

# as_root CMD...: with the rights that installing files and packages takes.
as_root()
{
	if is_root; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		die "this needs root: '$*' (run the script as root, or install sudo)"
	fi
}

# server_user: who owns the servers the scripts start.
server_user()
{
	if is_root; then echo postgres; else id -un; fi
}

# as_server CMD...: as the user the server runs as, from a folder that user can
# enter (the caller's own may be closed to it).
as_server()
{
	if is_root; then
		(cd / && runuser -u postgres -- "$@")
	else
		(cd / && "$@")
	fi
}

# server_tmpdir NAME: a fresh temporary folder of the server's user.  Short: the
# path of a unix socket has at most 107 bytes.
server_tmpdir()
{
	local dir

	dir=$(mktemp -d "/tmp/vecam-$1.XXXXXX")
	own_by_server "$dir"
	echo "$dir"
}

# own_by_server DIR: gives DIR and all in it to the server's user.
own_by_server()
{
	chmod 755 "$1"
	if is_root; then chown -R postgres: "$1"; fi
}

# find_pg: sets PG_CONFIG, PG_BINDIR and PG_MAJOR, or returns 1.  A pg_config
# without a server and its build files beside it (as libpq-dev brings) is passed
# over; PG_CONFIG in the environment comes first.
find_pg()
{
	local candidate pgxs headers

	for candidate in "${PG_CONFIG:-}" pg_config \
			/usr/lib/postgresql/{15,17,16,18,14}/bin/pg_config; do
		if [ -z "$candidate" ] || ! have "$candidate"; then continue; fi
		PG_BINDIR=$("$candidate" --bindir)
		pgxs=$("$candidate" --pgxs)
		headers=$("$candidate" --includedir-server)
		if ! [ -x "$PG_BINDIR/initdb" ] || ! [ -f "$pgxs" ] ||
			! [ -f "$headers/postgres.h" ]; then continue; fi
		PG_CONFIG=$(command -v "$candidate")
		PG_MAJOR=$("$candidate" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
		export PG_CONFIG PG_BINDIR PG_MAJOR
		return 0
	done
	return 1
}

need_pg()
{
	find_pg || die "no PostgreSQL server with its development files found:" \
		"run scripts/install-deps.sh, or set PG_CONFIG"
}

# copy_tree DEST: the sources, without what earlier builds left, as the server's
# user: building and testing there leaves this tree as it is.
copy_tree()
{
	mkdir -p "$1"
	tar -C "$VECAM_ROOT" --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude='*.bc' --exclude=./tmp_check --exclude=./results \
		--exclude=./output_iso --exclude=./log --exclude=./test/unit/build \
		--exclude=./test/fuzz/build \
		--exclude=./bench/results --exclude=./bench/work \
		--exclude=./bench/data --exclude=./regression.diffs \
		--exclude=./regression.out --exclude=__pycache__ -cf - . |
		tar -C "$1" --no-same-owner -xf -
	own_by_server "$1"
}

# cores: how many jobs make may run.
cores() { getconf _NPROCESSORS_ONLN 2> /dev/null || echo 1; }

# build DIR LOG [MAKE ARGUMENT...]: builds a tree of copy_tree; shows the log
# only when that fails.
build()
{
	local dir=$1 log=$2

	shift 2
	if ! as_server make -s -O -C "$dir" -j "$(cores)" PG_CONFIG="$PG_CONFIG" "$@" \
			> "$log" 2>&1; then
		cat "$log" >&2
		die "the build failed"
	fi
}

# need_install: ends the script when it could not install what it will build.
need_install()
{
	local target

	target=$("$PG_CONFIG" --pkglibdir)
	[ -w "$target" ] || have sudo ||
		die "installing into $target needs root, and PostgreSQL loads" \
			"extensions from there only: run the script as root, install sudo," \
			"or set PG_CONFIG to a PostgreSQL of your own"
}

# install_built DIR LOG [MAKE ARGUMENT...]: `make install` of a built tree.
install_built()
{
	local dir=$1 log=$2

	shift 2
	set -- make -C "$dir" install PG_CONFIG="$PG_CONFIG" "$@"
	if ! [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then set -- as_root "$@"; fi
	"$@" > "$log" 2>&1 || { cat "$log" >&2; die "make install failed"; }
}

# start_server DIR PORT [SETTING...]: initdb and start in DIR (which belongs to
# the server's user): DIR/data, DIR/server.log, the socket in DIR, no TCP.
# Access is open to whoever can reach the socket, which is its owner and root.
start_server()
{
	local dir=$1 port=$2

	shift 2
	as_server "$PG_BINDIR/initdb" -D "$dir/data" -U "$(server_user)" \
		--auth=trust --encoding=UTF8 --locale=C --no-sync \
		> "$dir/initdb.log" 2>&1 ||
		{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
	printf '%s\n' "listen_addresses = ''" "port = $port" \
		"unix_socket_directories = '$dir'" "unix_socket_permissions = 0700" \
		"fsync = off" "$@" |
		as_server tee -a "$dir/data/postgresql.conf" > /dev/null
	as_server "$PG_BINDIR/pg_ctl" -D "$dir/data" -l "$dir/server.log" \
		-w -t 60 start > "$dir/pg_ctl.log" 2>&1 ||
		{ cat "$dir/pg_ctl.log" "$dir/server.log" >&2
		  die "the server did not start"; }
}

# stop_servers DIR: stops every server whose data lie under DIR, and no other.
stop_servers()
{
	local pidfile

	find "$1" -name postmaster.pid 2> /dev/null | while read -r pidfile; do
		as_server "$PG_BINDIR/pg_ctl" -D "${pidfile%/*}" -m immediate -w stop \
			> /dev/null 2>&1 || true
	done
}
