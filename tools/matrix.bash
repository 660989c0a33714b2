# shellcheck shell=bash
#
# ./dev matrix: the whole suite on every PostgreSQL that can be had. Sourced by ./dev,
# whose functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$pg_config"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

dev_matrix() {
	local available="" majors=() major host wheel=()
	while [[ $# -gt 0 ]]; do
		case $1 in
		--available) available=1 ;;
		15 | 16 | 17 | 18 | 19) majors+=("$1") ;;
		*) misuse "matrix: $1 is no option, nor a PostgreSQL that mvstore has to do with: 15 to 19" ;;
		esac
		shift
	done
	# Of an old minor release, beside the newest of others, what takes little time.
	[[ ${#majors[@]} -gt 0 ]] || majors=(15 16 17 18) wheel=(regress isolation)
	setup test
	# shellcheck disable=SC2317 # called by cleanup
	at_exit() { remove_tree_tmp; }
	host=$(major_of "$pg_config")
	copy_tree
	for major in "${majors[@]}"; do
		if [[ $major -eq $host ]]; then
			suite "$major" "this machine" env PG_CONFIG="$pg_config" "$root/dev" test
		elif [[ $major -eq WHEEL_MAJOR ]]; then
			if make_wheel; then
				suite "$major" "Python's registry" in_wheel test "${wheel[@]}"
			elif [[ -n $available ]]; then
				untested+=("$major: untested. It could not be had; see above.")
			else
				untested+=("$major: it could not be had; see above. This counts as failed.")
				total_failed=$((total_failed + 1))
			fi
		elif can_make_trees && make_tree "$major"; then
			if [[ $major -eq 19 ]]; then
				suite "19, allowed to fail" "Debian experimental" in_tree 19 root-19 test
			else
				suite "$major" "Debian $(suite_of "$major")" in_tree "$major" "root-$major" test
			fi
			keep_tree_logs "$major"
		elif [[ -n $available || $major -eq 19 ]]; then
			untested+=("$major: untested. Its root tree could not be made; see above.")
		else
			untested+=("$major: its root tree could not be made; see above. This counts as failed.")
			total_failed=$((total_failed + 1))
		fi
	done
	show_table
}
