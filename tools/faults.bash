# shellcheck shell=bash
#
# ./dev faults: the tests of fault points. Sourced by ./dev, whose functions and
# variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root"

dev_faults() {
	if [[ $# -eq 0 ]]; then
		cd "$root" || exit
		set -- t/faults_*.pl
	fi
	MVSTORE_FAULTS=1 dev_test "$@"
}
