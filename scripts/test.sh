#!/usr/bin/env bash
# Builds vecam without a warning and runs its tests on a private server.
#
#   scripts/test.sh [unit|regress|isolation|tap|fuzz|all]...     (default: all)
#
# The sources are copied to a temporary folder, built there with gcc (and with
# clang if there is one) at -Wall -Wextra -Werror, and installed into the
# PostgreSQL of PG_CONFIG, where the tests expect the extension.  No existing
# cluster is touched; server and folder are gone afterwards.
#
# The last line is the verdict of all suites: "N passed, N failed".  A suite
# that ran no test, was cut off by the time limit or crashed the server counts
# as a failure.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

WARNINGS="-Wall -Wextra -Werror -Wno-unused-parameter"
# PostgreSQL was built with gcc: its flags and headers bring what clang only
# knows to warn about.
CLANG_ONLY="-Wno-unknown-warning-option -Wno-ignored-attributes
	-Wno-ignored-optimization-argument
	-Wno-unused-command-line-argument"
TIME_LIMIT=${VECAM_TIME_LIMIT:-2700}	# seconds, of all suites together
FUZZ_SECONDS=5					# for each program of test/fuzz
SANITIZE=${VECAM_SANITIZE:-}	# flags of the build that is tested
PORT=5439

PASSED=0
FAILED=0
FINISHED=no
WORK=

# finish: the end of every run, whatever ended it.
finish()
{
	if [ -n "$WORK" ]; then
		stop_servers "$WORK"
		rm -rf "$WORK"
	fi
	[ $FINISHED = yes ] || FAILED=$((FAILED + 1))
	say "$PASSED passed, $FAILED failed"
	[ $FAILED = 0 ] || exit 1
}

# build_all: WORK/src by gcc (tested), WORK/debug with stop points, WORK/clang by
# clang (compiled only).
build_all()
{
	local start=$SECONDS

	copy_tree "$WORK/src"
	build "$WORK/src" "$WORK/gcc.log" CC=gcc VECAM_CFLAGS="$WARNINGS $SANITIZE" \
		SHLIB_LINK="$SANITIZE"
	copy_tree "$WORK/debug"
	build "$WORK/debug" "$WORK/debug.log" CC=gcc VECAM_DEBUG=1 \
		VECAM_CFLAGS="$WARNINGS $SANITIZE" SHLIB_LINK="$SANITIZE"
	say "build with gcc: no warnings ($((SECONDS - start)) s)"
	if have clang; then
		start=$SECONDS
		copy_tree "$WORK/clang"
		build "$WORK/clang" "$WORK/clang.log" CC=clang \
			VECAM_CFLAGS="$WARNINGS ${CLANG_ONLY//[$'\n\t']/ }"
		say "build with clang: no warnings ($((SECONDS - start)) s)"
	fi
	install_tree src
}

# install_tree src|debug: the extension as that tree has it.
install_tree()
{
	local debug=

	if [ "$1" = debug ]; then debug=1; fi
	install_built "$WORK/$1" "$WORK/install.log" CC=gcc VECAM_DEBUG=$debug \
		VECAM_CFLAGS="$WARNINGS $SANITIZE" SHLIB_LINK="$SANITIZE"
}

# limited CMD...: as the server's user, at most for what is left of the time.
limited()
{
	local left=$((TIME_LIMIT - SECONDS))

	as_server env HOME="$WORK" PGHOST="$WORK" PGPORT=$PORT \
		PATH="$PG_BINDIR:$PATH" \
		timeout -k 10 $((left > 1 ? left : 1)) "$@"
}

# piece VAR...: `make installcheck` with the variables of other suites empty.
piece()
{
	limited make -C "$WORK/src" installcheck PG_CONFIG="$PG_CONFIG" "$@"
}

suite_unit()
{
	limited make -C "$WORK/src/test/unit" check PG_CONFIG="$PG_CONFIG" CC=gcc
}
suite_regress() { piece ISOLATION= TAP_TESTS=; }
suite_isolation() { piece REGRESS= TAP_TESTS=; }

# The stop points are in a library of their own, which is there meanwhile.
suite_tap()
{
	local rc=0

	piece REGRESS= ISOLATION= PROVE_FLAGS=-v || return $?
	install_tree debug
	piece REGRESS= ISOLATION= PROVE_FLAGS=-v \
		PROVE_TESTS="$(cd "$WORK/src" && grep -l 'vecam\.stop_points' test/t/*.pl | xargs)" || rc=$?
	install_tree src
	return $rc
}

# can_fuzz: is there clang with what libFuzzer needs, and a PostgreSQL whose
# functions test/fuzz stands in for?
can_fuzz()
{
	[ "$PG_MAJOR" = 15 ] && have clang && echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
		clang -fsanitize=fuzzer,address -x c - -o /dev/null 2> /dev/null
}

suite_fuzz()
{
	limited make -C "$WORK/src/test/fuzz" run -j "$(cores)" PG_CONFIG="$PG_CONFIG" \
		TIME="$FUZZ_SECONDS"
}

# Each counter reads a suite's output and prints "PASSED FAILED".

# pg_regress up to 15 says "test NAME ... ok", from 16 on "ok 1 - NAME".
count_regress()
{
	awk '/^ok [0-9]+ +[-+] / || /\.\.\. ok( |$)/ { passed++ }
		/^not ok [0-9]+ +[-+] / || /\.\.\. (FAILED|failed)/ { failed++ }
		END { print passed + 0, failed + 0 }'
}
count_isolation() { count_regress; }

# Tests of the scripts themselves, not the indented ones of subtests.
count_tap()
{
	awk '/^ok [0-9]+/ && !/# *(skip|SKIP)/ { passed++ }
		/^not ok [0-9]+/ { failed++ }
		END { print passed + 0, failed + 0 }'
}

count_unit()
{
	awk '{ for (i = 2; i <= NF; i++) {
			if ($i == "passed,") passed += $(i - 1)
			if ($i == "failed") failed += $(i - 1) } }
		END { print passed + 0, failed + 0 }'
}

count_fuzz()
{
	awk '/^ok - / { passed++ } /^not ok - / { failed++ }
		END { print passed + 0, failed + 0 }'
}

# show LOGFILE: what a person reads of a suite that went well; of a TAP script
# only the number of its tests.
show()
{
	awk '/\.pl \.+ *$/ { script = $1; next }
		script == "" && (/\.\.\. / || /^(not )?ok / || /passed,/) { print "  " $0 }
		script != "" && /^ok [0-9]+/ && !/# *(skip|SKIP)/ { tests++ }
		script != "" && /# *(skip|SKIP)/ { print "  " script ": " $0 }
		script != "" && /^ok *$/ { print "  " script ": " tests " tests"
			script = ""; tests = 0 }' "$1"
}

# show_failure SUITE: everything there is to see of one that did not.
show_failure()
{
	local file script

	sed 's/^/  /' "$WORK/$1.log" | tail -n 200
	for file in "$WORK"/src/regression.diffs "$WORK"/src/output_iso/regression.diffs; do
		if [ -f "$file" ] && [[ $1 == regress || $1 == isolation ]]; then
			say "---- ${file##*/}"
			head -n 400 "$file"
		fi
	done
	# prove's summary names the scripts that failed: "test/t/NAME.pl (Wstat: ..."
	while read -r script; do
		for file in "$WORK"/src/tmp_check/log/{regress_log_"$script","$script"_*.log}; do
			[ -f "$file" ] || continue
			say "---- ${file##*/} (its end)"
			tail -n 60 "$file"
		done
	done < <(sed -n 's|^test/t/\(.*\)\.pl  *(Wstat:.*|\1|p' "$WORK/$1.log")
	if [ -s "$WORK/crashes" ]; then
		say "---- crashes in the server's log"
		cat "$WORK/crashes"
	fi
}

# crashed FROM: whether the server's log tells of a crash after line FROM.
crashed()
{
	[ -f "$WORK/server.log" ] || return 1
	tail -n "+$(($1 + 1))" "$WORK/server.log" |
		grep -E -A 3 'terminated by signal|PANIC:|TRAP:' > "$WORK/crashes"
}

run_suite()
{
	local name=$1 start=$SECONDS rc=0 lines=0 passed failed

	rm -f "$WORK/src/regression.diffs" "$WORK/crashes"
	if [ -f "$WORK/server.log" ]; then lines=$(wc -l < "$WORK/server.log"); fi
	say "$name:"
	"suite_$name" > "$WORK/$name.log" 2>&1 || rc=$?
	read -r passed failed < <("count_$name" < "$WORK/$name.log")
	if crashed "$lines"; then
		say "  the server crashed"
		failed=$((failed + 1))
	elif [ $rc != 0 ] && [ "$failed" = 0 ]; then
		say "  the suite ended with exit status $rc"
		failed=1
	elif [ $((passed + failed)) = 0 ]; then
		say "  no test ran"
		failed=1
	fi
	if [ "$failed" = 0 ]; then show "$WORK/$name.log"; else show_failure "$name"; fi
	say "  $name took $((SECONDS - start)) s: $passed ok, $failed not"
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
}

main()
{
	local suite suites

	for suite in "$@"; do
		case $suite in
			unit | regress | isolation | tap | fuzz | all) ;;
			*) die "usage: scripts/test.sh [unit|regress|isolation|tap|fuzz|all]..." ;;
		esac
	done
	"$VECAM_ROOT/scripts/install-deps.sh"
	need_pg
	need_install
	suites=$*
	if [ -z "$suites" ] || [[ " $suites " == *" all "* ]]; then
		suites="unit regress isolation tap"
		if can_fuzz; then suites="$suites fuzz"; fi
	fi
	WORK=$(server_tmpdir test)
	say "PostgreSQL: $("$PG_CONFIG" --version)"
	build_all
	start_server "$WORK" $PORT
	for suite in $suites; do run_suite "$suite"; done
	FINISHED=yes
}

trap finish EXIT
trap 'exit 130' INT TERM
main "$@"
