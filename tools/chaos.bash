# shellcheck shell=bash
#
# ./dev chaos: the kill loop of the tests, for as long as one likes. Sourced by ./dev,
# whose functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$work"

readonly KILLS=t/crash_under_load_loses_nothing.pl

small=			# the small file system

# What the test has noted at its end: strikes, and what was compared.
report_chaos() {
	sed -nE 's/^\[[^]]*\]\([^)]*\) # ([A-Za-z][A-Za-z0-9_ ,-]*: [0-9]+.*)$/\1/p' \
		"$work/src/tmp_check/log/regress_log_$(basename "$KILLS" .pl)" 2>/dev/null || true
}

# A small file system for the servers' data, to be filled; where that cannot be had, it is not.
mount_small() {
	small=$work/small
	mkdir "$small"
	as_root mount -t tmpfs -o size=900m,mode=1777 tmpfs "$small" 2>/dev/null || {
		say "The disk is not filled: no file system can be mounted here"
		small=
	}
}

# shellcheck disable=SC2317 # called by the trap
unmount_small() {
	local pid_file
	[[ -n $small ]] || return 0
	find "$small" -name postmaster.pid 2>/dev/null | while read -r pid_file; do
		as_server "$server/pg_ctl" -D "${pid_file%/*}" -m immediate stop </dev/null >/dev/null 2>&1
	done
	as_root umount "$small" || as_root umount -l "$small"
}

# A build with fault points has a clock that goes wrong at every start of the server.
dev_chaos() {
	local minutes="" strikes="" state="" seed=$((RANDOM * 32768 + RANDOM))
	while [[ $# -gt 0 ]]; do
		[[ $1 == --state && -n ${2:-} || ${2:-} =~ ^[0-9]+$ ]] || misuse "chaos: $1 takes a number"
		case $1 in
		--minutes) minutes=$2 ;;
		--strikes) strikes=$2 ;;
		--state) state=$(readlink -f "$2") ;;
		--seed) seed=$2 ;;
		*) misuse "chaos: unknown option: $1" ;;
		esac
		shift 2
	done
	[[ -n $minutes$strikes ]] || minutes=10
	# shellcheck disable=SC2317 # called by dev_test
	after_tests() { report_chaos; }
	# shellcheck disable=SC2317 # called by build
	prepare_server() {
		mount_small
		export MVSTORE_SMALL_DISK=$small
	}
	# shellcheck disable=SC2317 # called by the trap
	at_exit() { unmount_small; }
	if [[ -n $state ]]; then
		touch "$state"
		[[ -z $(server_user) ]] || chown "$(server_user)" "$state"
	fi
	say "Seed $seed, for ${strikes:+$strikes strikes}${minutes:+ $minutes minutes}"
	MVSTORE_FAULTS=1 MVSTORE_TEST_SEED=$seed MVSTORE_TEST_MINUTES=$minutes MVSTORE_TEST_STRIKES=$strikes \
		MVSTORE_TEST_STATE=$state dev_test "$KILLS"
}
