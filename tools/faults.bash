# shellcheck shell=bash
#
# ./dev faults: the tests of fault points. Sourced by ./dev, whose functions and
# variables this uses.


dev_faults() {
	[[ $# -gt 0 ]] || set -- t/030_faults.pl t/031_fault_waits.pl t/032_clock.pl
	MVSTORE_FAULTS=1 dev_test "$@"
}
