# shellcheck shell=bash
#
# ./dev upgrade: from one major to another, by pg_upgrade and by a dump. Sourced by ./dev,
# whose functions and variables this uses.
#
# Debian has one major in each suite. A root tree of the newest one's suite takes
# the older ones' packages, too, and what they need of libraries.

# shellcheck disable=SC2154 # set in ./dev
: "$root"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

# 15.20 and 17.12 go together; 18 takes a minor version of the same round, or pg_upgrade is not tested: see
# the test. From which major to which; and the one whose suite the root tree is of, with the others.
readonly UPGRADES=("15 17" "15 18" "17 18") UPGRADE_TREE=(18 17 15)

# upgrade_here: from the major of MVSTORE_OLD_PG_CONFIG to that of PG_CONFIG, both on this machine,
# or in this root tree.
upgrade_here() {
	local old=${MVSTORE_OLD_PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}

	complete "$old" || die "$old: there is no PostgreSQL with its server headers there to upgrade from"
	# Build and install for the older one first, into the same directory: Debian's
	# paths tell the majors apart.
	# shellcheck disable=SC2317 # called by build
	prepare_server() {
		local new=$pg_config new_server=$server
		pg_config=$old
		[[ $(dirname "$old") != "$("$new" --bindir)" ]] || die "$old is the PostgreSQL to upgrade to"
		install_server
		# The headers of 15 are not of the C that the newest compilers take by default.
		if ! make_ COPT='-Werror -std=gnu17' DESTDIR="$work/pg" install >"$work/build.log" 2>&1 ||
			! make_ clean >>"$work/build.log" 2>&1; then
			cat "$work/build.log" >&2
			die "the build for $("$old" --version) failed"
		fi
		export MVSTORE_OLD_SERVER=${server%/bin}
		pg_config=$new server=$new_server
	}
	dev_test t/upgrade_to_another_major_keeps_all.pl t/upgrade_by_a_dump_keeps_all.pl
}

dev_upgrade() {
	local here="" from to
	case ${1:-} in
	--here) here=1 ;;
	'') ;;
	*) misuse "upgrade: $1 is no option" ;;
	esac
	if [[ -n $here ]]; then
		upgrade_here
		return
	fi
	setup test
	# shellcheck disable=SC2317 # called by cleanup
	at_exit() { remove_tree_tmp; }
	copy_tree
	if ! can_make_trees || ! make_tree "${UPGRADE_TREE[@]}"; then
		die "the root tree with PostgreSQL ${UPGRADE_TREE[*]} could not be made; see above"
	fi
	while read -r from to; do
		export MVSTORE_OLD_PG_CONFIG=/usr/lib/postgresql/$from/bin/pg_config
		suite "$from to $to" "Debian $(suite_of "${UPGRADE_TREE[0]}")" \
			in_tree "$to" "$(tree_of "${UPGRADE_TREE[@]}")" upgrade --here
		keep_tree_logs "$to"
	done < <(printf '%s\n' "${UPGRADES[@]}")
	show_table
}
