# shellcheck shell=bash
#
# ./dev assert: the tests on a PostgreSQL with assertions. Sourced by ./dev, whose
# functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work"

# shellcheck source=tools/built.bash
source "$root/tools/built.bash"

# In $work/assert.
build_assert_server() {
	build_server assert assertions
	"$work/assert/bin/pg_config" --configure | grep -q -- --enable-cassert || die "$cache/assert has no assertions: remove it"
}

dev_assert() {
	setup test
	build_assert_server
	suite "$(major_of "$work/assert/bin/pg_config"), with assertions" "this machine" \
		env PG_CONFIG="$work/assert/bin/pg_config" "$root/dev" test "$@"
	show_table
}
