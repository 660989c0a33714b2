# shellcheck shell=bash
#
# ./dev chaos: the kill loop of the tests, for as long as one likes. Sourced by ./dev,
# whose functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$work"

readonly KILLS=t/crash_under_load_loses_nothing.pl

# What the test has noted at its end: strikes, and what was compared.
report_chaos() {
	sed -nE 's/^\[[^]]*\]\([^)]*\) # ([A-Za-z][A-Za-z0-9 ,-]*: [0-9]+.*)$/\1/p' \
		"$work/src/tmp_check/log/regress_log_$(basename "$KILLS" .pl)" 2>/dev/null || true
}

# A build with fault points has a clock that goes wrong at every start of the server.
dev_chaos() {
	local minutes=10 seed=$((RANDOM * 32768 + RANDOM))
	while [[ $# -gt 0 ]]; do
		[[ ${2:-} =~ ^[0-9]+$ ]] || misuse "chaos: $1 takes a number"
		case $1 in
		--minutes) minutes=$2 ;;
		--seed) seed=$2 ;;
		*) misuse "chaos: unknown option: $1" ;;
		esac
		shift 2
	done
	# shellcheck disable=SC2317 # called by dev_test
	after_tests() { report_chaos; }
	say "Seed $seed, for $minutes minutes"
	MVSTORE_FAULTS=1 MVSTORE_TEST_SEED=$seed MVSTORE_TEST_MINUTES=$minutes dev_test "$KILLS"
}
