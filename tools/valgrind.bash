# shellcheck shell=bash
#
# ./dev valgrind: the tests under Valgrind's memcheck. Sourced by ./dev, whose functions and
# variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server" "$pg_config"

# shellcheck source=tools/built.bash
source "$root/tools/built.bash"

# What a server is called with that tells Valgrind of its memory contexts.
is_for_valgrind() { "$1" --cppflags 2>/dev/null | grep -q -- -DUSE_VALGRIND; }

# In place of the program postgres: the program under Valgrind. Each process has a file of its own. What
# is left at the end is no fault: contexts go as a whole. initdb's own have no module loaded.
checked_postgres() {
	printf '#!/bin/bash\nreal=%q/postgres.bin\n' "$server"
	printf 'options=(--quiet --error-markers=REPORT-BEGIN,REPORT-END --leak-check=no --track-origins=yes\n'
	printf '\t--num-callers=24 --trace-children=yes --suppressions=%q --log-file=%q/%%p)\n' "$1" "$reports"
	cat <<-'END'
		case ${1:-} in
		--boot | --check | --single | --version | -V | --describe-config) exec -a "$0" "$real" "$@" ;;
		esac
		exec valgrind "${options[@]}" "$real" "$@"
	END
}

# What Valgrind said, whoever's it is: any report counts as one failed test.
report_valgrind() {
	local count
	count=$(find "$reports" -type f -exec cat {} + | grep -c 'REPORT-BEGIN' || true)
	say "Valgrind: $count reports"
	if [[ $count -gt 0 ]]; then
		failed=$((failed + 1))
		find "$reports" -type f -exec grep -h -A 12 'REPORT-BEGIN' {} + | sed -E 's/^==[0-9]+== ?//; s/0x[0-9A-F]+: //' | head -n 200
		keep_logs "$reports"
	fi
}

# The tests, with a server that is made for it.
check_with_valgrind() {
	local reports
	# shellcheck disable=SC2317 # called by build
	prepare_server() {
		reports=$work/reports
		as_server mkdir "$reports"
		as_server mv "$server/postgres" "$server/postgres.bin"
		checked_postgres "$(dirname "$pg_config")/../valgrind.supp" | as_server tee "$server/postgres" >/dev/null
		as_server chmod 755 "$server/postgres"
	}
	# shellcheck disable=SC2317 # called by dev_test
	after_tests() { report_valgrind; }
	dev_test "$@"
}

dev_valgrind() {
	[[ $# -gt 0 ]] || set -- regress isolation
	if [[ -n ${PG_CONFIG:-} ]] && is_for_valgrind "$PG_CONFIG"; then
		check_with_valgrind "$@"
		return
	fi
	setup test
	command -v valgrind >/dev/null || need valgrind "looks at each use of memory"
	[[ -e /usr/include/valgrind/memcheck.h ]] || need valgrind "has the header that PostgreSQL tells it by"
	[[ ${#missing[@]} -eq 0 ]] || install_missing
	build_server valgrind "what Valgrind wants" CPPFLAGS=-DUSE_VALGRIND
	is_for_valgrind "$work/valgrind/bin/pg_config" || die "$cache/valgrind is not for Valgrind: remove it"
	PG_CONFIG=$work/valgrind/bin/pg_config "$root/dev" valgrind "$@"
}
