# shellcheck shell=bash
#
# ./dev faults: the tests of fault points. Sourced by ./dev, whose functions and
# variables this uses.


dev_faults() {
	[[ $# -gt 0 ]] || set -- t/faults_lose_nothing.pl t/faults_that_wait_are_survived.pl t/faults_of_the_clock_break_no_order.pl
	MVSTORE_FAULTS=1 dev_test "$@"
}
