# shellcheck shell=bash
#
# ./dev hostile: calls that nobody should make, many of them. Sourced by ./dev, whose
# functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work"

readonly CALLS=t/calls_of_any_kind_do_no_harm.pl
readonly SMITH=t/calls_of_sqlsmith_do_no_harm.pl

# What a test has noted at its end.
report_hostile() {
	sed -nE 's/^\[[^]]*\]\([^)]*\) # ((calls|sessions|queries|errors|memory|hostile|postgres)\b.*)$/\1/p' \
		"$work/src/tmp_check/log/regress_log_$(basename "$test" .pl)" 2>/dev/null || true
}

# Have a PostgreSQL with assertions do it.
hostile_with_assertions() {
	# shellcheck disable=SC1091 # of tools/
	source "$root/tools/assert.bash"
	setup test
	build_assert_server
	PG_CONFIG=$work/assert/bin/pg_config "$root/dev" hostile "$@"
}

dev_hostile() {
	local calls=100000 clients=10 queries=10000 seed=$((RANDOM * 32768 + RANDOM)) assert='' test=$CALLS
	while [[ $# -gt 0 ]]; do
		case $1 in
		--assert) assert=1 ;;
		--sqlsmith) test=$SMITH ;;
		--calls | --clients | --queries | --seed)
			[[ ${2:-} =~ ^[0-9]+$ ]] || misuse "hostile: $1 takes a number"
			case $1 in
			--calls) calls=$2 ;;
			--clients) clients=$2 ;;
			--queries) queries=$2 ;;
			--seed) seed=$2 ;;
			esac
			shift
			;;
		*) misuse "hostile: unknown option: $1" ;;
		esac
		shift
	done
	if [[ -n $assert ]]; then
		[[ $test == "$CALLS" ]] || set -- --sqlsmith
		hostile_with_assertions --calls "$calls" --clients "$clients" --queries "$queries" --seed "$seed" "$@"
		return
	fi
	if [[ $test == "$SMITH" ]]; then
		command -v sqlsmith >/dev/null || install_smith
		say "Seed $seed: $queries queries from each of two roles"
	else
		say "Seed $seed: $calls calls from $clients sessions"
	fi
	export MVSTORE_TEST_SEED=$seed MVSTORE_TEST_CALLS=$calls MVSTORE_TEST_CLIENTS=$clients MVSTORE_TEST_QUERIES=$queries
	# shellcheck disable=SC2317 # called by dev_test
	after_tests() { report_hostile; }
	dev_test "$test"
}

# dev_test installs it where it can, and goes on without; here it is what was asked for.
install_smith() {
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	make_work
	find_postgres || pg_config=
	need sqlsmith "makes queries"
	install_missing
	rm -rf "$work"
}
