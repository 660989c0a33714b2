# shellcheck shell=bash
#
# ./dev cluster: the tests of cluster/, the extension for stores over several servers. Sourced by
# ./dev, whose functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server" "$pg_config"

# PL/Proxy for the PostgreSQL that is tested.
install_plproxy() {
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	[[ -e $("$pg_config" --pkglibdir)/plproxy.so ]] ||
		need "postgresql-$(major_of "$pg_config")-plproxy" "leads calls to shards"
	[[ ${#missing[@]} -eq 0 ]] || install_missing
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

dev_cluster() {
	local available="" write=""
	case ${1:-} in
	--available) available=1; shift ;;
	--write) write=1; shift ;;
	-*) misuse "cluster: unknown option: $1" ;;
	esac
	cd "$root" || exit
	[[ $# -gt 0 ]] || set -- cluster/t/*.pl
	setup test
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
