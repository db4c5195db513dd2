#!/usr/bin/env bash
# Builds a PostgreSQL 15 that checks itself, and runs vecam's tests on it.
#
#   scripts/check-server.sh DIR [OPTION]... [SUITE...]     suites of test.sh (all)
#
# Assertions and WAL_DEBUG are always compiled in.  Options:
#
#   --valgrind         the server under valgrind, and built for it (30x slower)
#   --asan             vecam under ASan and UBSan; the server itself is not
#   --discard-caches   debug_discard_caches = 1 (20x slower)
#   --wal-debug        wal_debug = on: each record in the server's log
#   --build            build the server and stop
#
# DIR gets the source (Debian's package, through apt; no other source of apt is
# touched), one server for each way of building it, and the reports.  All are
# kept for the next run.  VECAM_TIME_LIMIT bounds the tests (seconds; 14400).
#
# The last line is "N passed, N failed"; reports of valgrind and the sanitizers
# count as failures.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
RELEASE=bookworm

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

# apt_here COMMAND...: apt-get with the package lists of DIR only.
apt_here()
{
	apt-get -qq -o Dir::Etc::SourceList="$DIR/sources.list" \
		-o Dir::Etc::SourceParts=- -o Dir::State::Lists="$DIR/lists" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

# fetch_source: the newest source of PostgreSQL 15 that the mirror has.  The
# security archive names releases before it has their source.
fetch_source()
{
	local target

	[ ! -f "$DIR/source/configure" ] || return 0
	say "fetching the source of postgresql-15"
	mkdir -p "$DIR/lists/partial" "$DIR/download" "$DIR/source"
	printf 'deb-src [signed-by=%s] %s %s main\n' \
		"$KEYRING" "$MIRROR/debian" $RELEASE \
		"$KEYRING" "$MIRROR/debian-security" $RELEASE-security > "$DIR/sources.list"
	apt_here update
	for target in "" /$RELEASE-security /$RELEASE; do
		if (cd "$DIR/download" &&
				apt_here source --download-only "postgresql-15$target") \
				> "$DIR/fetch.log" 2>&1; then break; fi
	done
	set -- "$DIR"/download/*.orig.tar.*
	[ -f "$1" ] || { cat "$DIR/fetch.log" >&2; die "no source of PostgreSQL 15"; }
	tar -C "$DIR/source" --strip-components=1 -xf "$1"
	keep_ctid
}

# keep_ctid: what the minor releases of November 2026 mended: rows that an index
# scan puts in order lose their ctid, so that FOR UPDATE fails an assertion.
keep_ctid()
{
	local file=$DIR/source/src/backend/executor/execTuples.c

	if ! sed -n '/^ExecForceStoreHeapTuple/,/^}/p' "$file" | grep -q tts_tid; then
		sed -i '/^ExecForceStoreHeapTuple/,/^}/s/^\(\t*\)bslot->base.tuple = .*/&\n\1slot->tts_tid = bslot->base.tuple->t_self;/' "$file"
	fi
}

# build_server: into SERVER, unless it is there.
build_server()
{
	local build=$DIR/build-$KIND defines=-DWAL_DEBUG log=$DIR/build-$KIND.log

	[ ! -f "$SERVER/complete" ] || return 0
	[ $KIND != valgrind ] || defines="$defines -DUSE_VALGRIND"
	say "building PostgreSQL for $KIND in $SERVER (some minutes)"
	rm -rf "$build" "$SERVER"
	mkdir -p "$build"
	(
		set -e
		cd "$build"
		"$DIR/source/configure" --prefix="$SERVER" --enable-cassert --enable-debug \
			--enable-tap-tests --without-icu --without-readline --without-zlib \
			CPPFLAGS="$defines" CFLAGS="-O1 -g -fno-omit-frame-pointer"
		make -s -j "$(cores)"
		make -s install
		for part in src/test/isolation src/test/regress contrib/pageinspect contrib/amcheck; do
			make -s -C $part install
		done
	) > "$log" 2>&1 || { tail -30 "$log" >&2; die "PostgreSQL does not build: see $log"; }
	mv "$SERVER/bin/postgres" "$SERVER/bin/postgres.checked"
	touch "$SERVER/complete"
}

# wrap_server: makes "postgres" a script that starts the server as KIND says.
wrap_server()
{
	local lines

	mkdir -p "$REPORTS"
	chmod 777 "$REPORTS"
	rm -f "$REPORTS"/*
	case $KIND in
		valgrind)
			lines="exec valgrind --quiet --trace-children=yes --track-origins=yes --leak-check=no \\
	--error-markers=VGBEGIN,VGEND --suppressions='$DIR/source/src/tools/valgrind.supp' \\
	--log-file='$REPORTS/%p' '$SERVER/bin/postgres.checked' \"\$@\"" ;;
		asan)
			lines="export LD_PRELOAD='$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)'
export ASAN_OPTIONS='detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1:log_path=$REPORTS/asan'
export UBSAN_OPTIONS='print_stacktrace=1:log_path=$REPORTS/ubsan'
exec '$SERVER/bin/postgres.checked' \"\$@\"" ;;
		*)
			lines="exec '$SERVER/bin/postgres.checked' \"\$@\"" ;;
	esac
	printf '#!/bin/sh\n%s\n' "$lines" > "$SERVER/bin/postgres"
	chmod 755 "$SERVER/bin/postgres"
}

# set_defaults: settings of every cluster that is made with this server.
set_defaults()
{
	local sample

	sample=$("$SERVER/bin/pg_config" --sharedir)/postgresql.conf.sample
	[ -f "$sample.original" ] || cp "$sample" "$sample.original"
	{ cat "$sample.original"; printf '%s\n' "${SETTINGS[@]}"; } > "$sample"
}

# run_tests SUITE...: scripts/test.sh on the server, and the reports.
run_tests()
{
	local status=0 reports

	PG_CONFIG=$SERVER/bin/pg_config VECAM_TIME_LIMIT=${VECAM_TIME_LIMIT:-14400} \
		"$VECAM_ROOT/scripts/test.sh" "$@" | tee "$DIR/tests.log" || status=$?
	reports=$(find "$REPORTS" -type f -size +0 | wc -l)
	[ "$reports" != 0 ] || return $status
	say "reports of $KIND in $REPORTS:"
	find "$REPORTS" -type f -size +0 -exec head -n 40 {} + | head -n 200
	tail -n 1 "$DIR/tests.log" | awk -v n="$reports" '{ print $1 " passed, " $3 + n " failed" }'
	return 1
}

if [ $# = 0 ] || [[ $1 == -* ]]; then usage; fi
mkdir -p "$1"
DIR=$(cd "$1" && pwd)
shift
KIND=cassert
BUILD_ONLY=no
SETTINGS=("max_stack_depth = 2MB")
while [ $# -gt 0 ] && [[ $1 == --* ]]; do
	case $1 in
		--valgrind) KIND=valgrind ;;
		--asan) KIND=asan
			export VECAM_SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-error" ;;
		--discard-caches) SETTINGS+=("debug_discard_caches = 1") ;;
		--wal-debug) SETTINGS+=("wal_debug = on") ;;
		--build) BUILD_ONLY=yes ;;
		*) usage ;;
	esac
	shift
done
SERVER=$DIR/server-$KIND
REPORTS=$DIR/reports-$KIND
fetch_source
build_server
wrap_server
set_defaults
[ $BUILD_ONLY = no ] || exit 0
run_tests "$@"
