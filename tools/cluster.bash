# shellcheck shell=bash
#
# ./dev cluster: the tests of cluster/, the extension for stores over several servers. Sourced by
# ./dev, whose functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server" "$pg_config" "$no_install"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

# PL/Proxy for the PostgreSQL that is tested, and PgBouncer, which one test wants.
install_plproxy() {
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	[[ -e $("$pg_config" --pkglibdir)/plproxy.so ]] ||
		need "postgresql-$(major_of "$pg_config")-plproxy" "leads calls to shards"
	[[ ${#missing[@]} -eq 0 ]] || install_missing
	[[ -n $no_install ]] || ! may_be_root || start_nothing install_extra pgbouncer /usr/sbin/pgbouncer "a test has it between proxy and shards"
}

install_cluster() {
	as_server make -s -C "$work/src/cluster" PG_CONFIG="$pg_config" with_llvm=no DESTDIR="$work/pg" install </dev/null
}

# What is generated of the extension's script, made anew from the mvstore of this tree.
write_cluster() {
	start_server
	psql -X -q -d postgres -c 'CREATE EXTENSION mvstore'
	perl "$root/cluster/generate.pl" "dbname=postgres" --write
}

# Of other majors, in the root trees of matrix.
cluster_of_majors() {
	local available=$1 majors=() major host
	read -r -a majors <<<"$2"
	shift 2
	# shellcheck disable=SC2317 # called by cleanup
	at_exit() { remove_tree_tmp; }
	host=$(major_of "$pg_config")
	copy_tree
	for major in "${majors[@]}"; do
		if [[ $major -eq $host ]]; then
			suite "$major" "this machine" env PG_CONFIG="$pg_config" "$root/dev" cluster "$@"
		elif suite_of "$major" >/dev/null && can_make_trees && make_tree "$major"; then
			suite "$major" "Debian $(suite_of "$major")" in_tree "$major" "root-$major" cluster "$@"
			keep_tree_logs "$major"
		else
			untested+=("$major: untested. There is no root tree of it with PL/Proxy; see above.")
			[[ -n $available ]] || total_failed=$((total_failed + 1))
		fi
	done
	show_table
}

dev_cluster() {
	local available="" write="" majors=()
	case ${1:-} in
	--available) available=1; shift ;;
	--write) write=1; shift ;;
	-*) misuse "cluster: unknown option: $1" ;;
	esac
	while [[ ${1:-} =~ ^1[0-9]$ ]]; do
		majors+=("$1")
		shift
	done
	cd "$root" || exit
	[[ $# -gt 0 ]] || set -- cluster/t/*.pl
	setup test
	if [[ ${#majors[@]} -gt 0 ]]; then
		cluster_of_majors "$available" "${majors[*]}" "$@" || [[ -n $available && $total_failed -eq 0 ]]
		return
	fi
	if [[ -z $write ]] && ! (install_plproxy); then
		say "left out: cluster: PL/Proxy is not installed"
		say "0 passed, $([[ -n $available ]] && echo 0 || echo 1) failed"
		[[ -n $available ]]
		return
	fi
	build
	if [[ -n $write ]]; then
		write_cluster
		return
	fi
	install_cluster
	run_tap "$@"
	if [[ -n $logs ]]; then
		say "The logs are kept in $logs"
	fi
	say "$passed passed, $failed failed"
	[[ $passed -gt 0 && $failed -eq 0 ]]
}
