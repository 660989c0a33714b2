# shellcheck shell=bash
#
# ./dev test: the tests, in suites or single ones. Sourced by ./dev, whose functions and
# variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server" "$pg_config"


passed=0
failed=0
logs=			# where logs of failed tests are kept

# Keep a copy of files for the user, whatever becomes of the temporary directory.
keep_logs() {
	local file
	[[ -n $logs ]] || logs=$(mktemp -d "$TMPDIR/mvstore-logs.XXXXXX")
	for file in "$@"; do
		[[ ! -e $file ]] || cp -r "$file" "$logs/"
	done
}

# Count a suite: count SUITE OUTPUT TEST ... Every test whose line of success is
# not in the output has failed, so that a suite that breaks off is seen.
count() {
	local suite=$1 output=$2 test bad=()
	shift 2
	for test in "$@"; do
		# "test x ... ok", from pg_regress 16 on "ok 1 - x 12 ms"
		if grep -Eq -- "^test $test +\.\.\. +ok\b|^ok [0-9]+ +[-+] $test +[0-9]+ ms" "$output"; then
			passed=$((passed + 1))
		elif ! grep -Eq -- "^test $test +\.\.\. +skipped" "$output"; then
			failed=$((failed + 1))
			bad+=("$test")
		fi
	done
	[[ ${#bad[@]} -eq 0 ]] || failure "$suite" "${bad[@]}"
}

# Show why tests of a suite failed, as far as the logs tell.
failure() {
	local suite=$1 test log
	shift
	say "Failed in $suite: $*"
	case $suite in
	regress | isolation)
		log=$work/src/regression.diffs
		[[ $suite == regress ]] || log=$work/src/output_iso/regression.diffs
		if [[ -f $log ]]; then
			say "---- the differences, first 300 lines"
			head -n 300 "$log"
		fi
		say "---- the server's log, last 30 lines"
		tail -n 30 "$work/server.log"
		mkdir -p "$work/keep/$suite"
		cp -r "$work/server.log" "$work/$suite.out" "$log" "${log%/*}/results" "$work/keep/$suite/" 2>/dev/null || true
		keep_logs "$work/keep/$suite"
		;;
	tap)
		for test in "$@"; do
			test=$(basename "$test" .pl)
			say "---- $test"
			cat "$work/src/tmp_check/log/$test.out" 2>/dev/null || true
			for log in "$work/src/tmp_check/log/regress_log_$test" "$work/src/tmp_check/log/$test"_*.log; do
				[[ -f $log ]] || continue
				say "---- ${log##*/}, last 30 lines"
				tail -n 30 "$log"
			done
		done
		mkdir -p "$work/keep/tap"
		cp -r "$work/src/tmp_check/log/." "$work/keep/tap/" 2>/dev/null || true
		keep_logs "$work/keep/tap"
		;;
	esac
}

files() { if [[ $1 -eq 1 ]]; then echo "1 test file"; else echo "$1 test files"; fi; }

# run_regress SUITE TEST ... : regress or isolation, as make installcheck runs them.
run_regress() {
	local suite=$1 test regress="" isolation="" status=0
	shift
	case $suite in
	regress) regress=$* ;;
	isolation) isolation=$* ;;
	esac
	say "Running $suite: $(files $#)"
	# Without a file of expected output the driver would give up altogether: let
	# a new test fail, with all of its output as the difference.
	as_server mkdir -p "$work/src/expected"
	for test in "$@"; do
		[[ -e $work/src/expected/$test.out ]] || as_server touch "$work/src/expected/$test.out"
	done
	make_ installcheck bindir="$server" REGRESS="$regress" ISOLATION="$isolation" TAP_TESTS= \
		>"$work/$suite.out" 2>&1 || status=$?
	grep -E '^(test|ok|not ok) ' "$work/$suite.out" || cat "$work/$suite.out"
	count "$suite" "$work/$suite.out" "$@"
	if [[ $status -ne 0 && $failed -eq 0 ]]; then
		cat "$work/$suite.out"
		failed=1
		failure "$suite" "its driver, though all tests passed"
	fi
}

# One TAP test, given as $1, with a line about it as pg_regress gives. MVSTORE_TEST_LIMIT are the seconds
# that it may take, as its own process group, which an interrupt does not reach by itself.
# shellcheck disable=SC2016 # for the shell that runs it
readonly RUN_ONE_TAP='
	out=$TESTLOGDIR/$(basename "$1" .pl).out
	start=$(date +%s%N)
	timeout --verbose --kill-after=30 "${MVSTORE_TEST_LIMIT:-0}" prove -I "$PERL_MODULES" -I . "$1" >"$out" 2>&1 &
	trap "kill $!" INT TERM
	if ! wait $!; then result=FAILED
	elif skip=$(grep -Eo "skipped: .*" "$out"); then result=$skip
	else result=ok
	fi
	printf "test %-28s ... %-6s %8d ms\n" "$1" "$result" $((($(date +%s%N) - start) / 1000000))'

# run_tap TEST ... : each by a prove of its own, so that none can stop the others;
# with the environment that PGXS gives them (15 looks for TESTDIR, 17 for the others).
run_tap() {
	local pgxs
	pgxs=$(dirname "$("$pg_config" --pgxs)")/../..
	say "Running tap: $(files $#)"
	as_server mkdir -p "$work/src/tmp_check/log" "$work/tmp"
	cd "$work/src" || exit
	printf '%s\0' "$@" | as_server env TMPDIR="$work/tmp" PATH="$server:$PATH" PGPORT=65432 \
		TESTDIR="$work/src" TESTDATADIR="$work/src/tmp_check" TESTLOGDIR="$work/src/tmp_check/log" \
		PG_REGRESS="$pgxs/src/test/regress/pg_regress" PERL_MODULES="$pgxs/src/test/perl" PG_CONFIG="$pg_config" \
		xargs -0 -n 1 -P 2 bash -c "$RUN_ONE_TAP" tap 2>&1 | tee "$work/tap.out"
	cd "$work" || exit
	count tap "$work/tap.out" "$@"
}

# unique ARRAY: sort it, each element once.
unique() {
	local -n array=$1
	[[ ${#array[@]} -eq 0 ]] || readarray -t array < <(printf '%s\n' "${array[@]}" | LC_ALL=C sort -u)
}

dev_test() {
	local word regress=() isolation=() tap=()
	cd "$root" || exit
	if [[ $# -eq 0 ]]; then
		set -- regress isolation tap
	fi
	shopt -s nullglob
	for word in "$@"; do
		case $word in
		regress) regress+=(sql/*.sql) ;;
		isolation) isolation+=(specs/*.spec) ;;
		tap) tap+=(t/*.pl) ;;
		sql/*.sql | specs/*.spec | t/*.pl)
			[[ -f $word ]] || misuse "no such test: $word"
			case $word in
			sql/*) regress+=("$word") ;;
			specs/*) isolation+=("$word") ;;
			*) tap+=("$word") ;;
			esac
			;;
		*) misuse "unknown suite or test: $word" ;;
		esac
	done
	# Single regression tests rest on the ones that install the extension.
	if [[ ${#regress[@]} -gt 0 ]]; then
		regress=(sql/00_*.sql "${regress[@]}")
	fi
	shopt -u nullglob
	unique regress
	unique isolation
	unique tap
	# Only TAP tests want IPC::Run, and what single ones of them use.
	if [[ ${#tap[@]} -gt 0 ]]; then setup test; else setup regress; fi
	build
	if [[ ${#regress[@]} -gt 0 || ${#isolation[@]} -gt 0 ]]; then
		start_server 'fsync = off' 'max_prepared_transactions = 10' 'autovacuum = on'
	fi
	if [[ ${#regress[@]} -gt 0 ]]; then
		regress=("${regress[@]#sql/}")
		run_regress regress "${regress[@]%.sql}"
	fi
	if [[ ${#isolation[@]} -gt 0 ]]; then
		isolation=("${isolation[@]#specs/}")
		run_regress isolation "${isolation[@]%.spec}"
	fi
	if [[ ${#tap[@]} -gt 0 ]]; then
		run_tap "${tap[@]}"
	fi
	after_tests
	if [[ -n $logs ]]; then
		say "The logs are kept in $logs"
	fi
	if [[ $((passed + failed)) -eq 0 ]]; then
		say "There was no test to run"
	fi
	say "$passed passed, $failed failed"
	[[ $passed -gt 0 && $failed -eq 0 ]]
}
