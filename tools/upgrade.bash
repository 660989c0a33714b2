# shellcheck shell=bash
#
# ./dev upgrade: pg_upgrade from one major to another. Sourced by ./dev, whose functions
# and variables this uses.
#
# Debian has one major in each suite. A root tree of the newer one's suite takes
# the older one's packages, too, and what they need of libraries.

# shellcheck disable=SC2154 # set in ./dev
: "$root"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

# 15.20 and 17.12 go together; 18 takes a minor version of the same round.
readonly UPGRADE_FROM=15 UPGRADE_TO=17

# upgrade_here: with both majors on this machine, or in this root tree.
upgrade_here() {
	local old=${MVSTORE_OLD_PG_CONFIG:-/usr/lib/postgresql/$UPGRADE_FROM/bin/pg_config}

	complete "$old" || die "$old: there is no PostgreSQL with its server headers there to upgrade from"
	# Build and install for the older one first, into the same directory: Debian's
	# paths tell the majors apart.
	# shellcheck disable=SC2317 # called by build
	prepare_server() {
		local new=$pg_config new_server=$server
		pg_config=$old
		[[ $(dirname "$old") != "$("$new" --bindir)" ]] || die "$old is the PostgreSQL to upgrade to"
		install_server
		if ! make_ "${make_options[@]}" DESTDIR="$work/pg" install >"$work/build.log" 2>&1 ||
			! make_ clean >>"$work/build.log" 2>&1; then
			cat "$work/build.log" >&2
			die "the build for $("$old" --version) failed"
		fi
		export MVSTORE_OLD_SERVER=${server%/bin}
		pg_config=$new server=$new_server
	}
	dev_test t/upgrade_to_another_major_keeps_all.pl
}

dev_upgrade() {
	local here=""
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
	if ! can_make_trees || ! make_tree "$UPGRADE_TO" "$UPGRADE_FROM"; then
		die "the root tree with PostgreSQL $UPGRADE_FROM and $UPGRADE_TO could not be made; see above"
	fi
	suite "$UPGRADE_FROM to $UPGRADE_TO" "Debian $(suite_of "$UPGRADE_TO")" \
		in_tree "$UPGRADE_TO" "root-$UPGRADE_TO-$UPGRADE_FROM" upgrade --here
	keep_tree_logs "$UPGRADE_TO"
	show_table
}
