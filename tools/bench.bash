# shellcheck shell=bash
#
# ./dev bench: the benchmarks, each a program of bench/. Sourced by ./dev, whose
# functions and variables this uses.

# shellcheck disable=SC2030,SC2031 # start_variant has a $work of its own

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server"

readonly BENCH_SETTINGS=('shared_buffers = 512MB' 'max_wal_size = 8GB' 'min_wal_size = 6GB'
	'checkpoint_timeout = 1h' 'autovacuum = off' 'jit = off' 'max_parallel_workers_per_gather = 0' 'max_connections = 200'
	'max_prepared_transactions = 100')

start_bench_server() {
	start_server "${BENCH_SETTINGS[@]}"
	as_server "$server/createdb" bench
}

# ---- Servers of other builds, or settings ----------------------------------

# start_variant NAME COMMAND ...: a server in $work/NAME, of a copy of the tree
# that the command has worked on. In a subshell, as all of ./dev goes by $work.
start_variant() {
	as_server mkdir "$work/$1"
	(
		work=$work/$1
		make_options=(COPT=-Wno-unused)	# what is left out leaves something unused
		shift
		variant=("$@")
		# shellcheck disable=SC2317 # called by build
		prepare_server() { "${variant[@]}"; }
		build
		start_bench_server
	)
}

# start_other NAME LINE ...: a server in $work/NAME of the same build, with other settings.
start_other() {
	as_server mkdir "$work/$1"
	(
		work=$work/$1
		shift
		start_server "${BENCH_SETTINGS[@]}" "$@"
		as_server "$server/createdb" bench
	)
}

# The threshold as a setting: see bench/threshold.pl.
threshold_by_setting() {
	# shellcheck disable=SC2034 # of ./dev
	make_options=(COPT=-DMVSTORE_STEPS_BEFORE_SEEK=VacuumCostPageHit)
}

# ---- Peers ----------------------------------------------------------------

# unpack_peer PACKAGE FILE: where FILE is not there, put what is in the package into the
# private installation. So it is installed nowhere else, and starts no server of its own.
unpack_peer() {
	[[ ! -e $2 ]] || return 0
	local package=$1 directory=$work/packages/$1
	if [[ -n $no_install ]]; then
		say "Not here, and not got because of --no-install: $package"
		return
	fi
	mkdir -p "$directory"
	if ! download "$directory" "$package"; then
		warn "apt-get could not get $package"
		return
	fi
	say "Unpacking: $package"
	chmod -R a+rX "$work/packages"
	as_server dpkg-deb -x "$directory"/*.deb "$work/pg"
}

download() (
	cd "$1" && command -v apt-get >/dev/null || exit
	apt-get -q download "$2" >>"$work/apt.log" 2>&1 && exit
	may_be_root && apt update && apt-get -q download "$2" >>"$work/apt.log" 2>&1
)

# What others made for the same purpose: see bench/peers.pl.
get_peers() {
	local major extensions
	major=$(major_of "$pg_config")
	extensions=$work/pg$("$pg_config" --sharedir)/extension
	unpack_peer "postgresql-$major-periods" "$extensions/periods.control"
	unpack_peer "postgresql-$major-pgq3" "$extensions/pgq.control"
	BENCH_ETCD=${BENCH_ETCD:-$(command -v etcd || true)}
	[[ -n $BENCH_ETCD ]] || unpack_peer etcd-server "$work/pg/usr/bin/etcd"
	[[ -n $BENCH_ETCD || ! -x $work/pg/usr/bin/etcd ]] || BENCH_ETCD=$work/pg/usr/bin/etcd
	export BENCH_ETCD
}

# What cluster/ has, and PL/Proxy, which it goes through: see bench/cluster.pl.
get_cluster() {
	# shellcheck source=tools/cluster.bash
	source "$root/tools/cluster.bash"
	unpack_peer "postgresql-$(major_of "$pg_config")-plproxy" "$work/pg$("$pg_config" --pkglibdir)/plproxy.so"
	install_cluster
}

# ---- ./dev bench ----------------------------------------------------------

readonly IN_DOC="drop keep latency peers growth scale cluster"	# what doc/benchmarks.md has the figures of

# How figures are taken: on what, and with what sizes.
taken() {
	local sizes
	sizes=$(compgen -A export BENCH_ | grep -vxE 'BENCH_(SVG|ETCD)' | while read -r name; do printf '%s="%s" ' "$name" "${!name}"; done)
	echo "Taken with $("$server/postgres" --version | sed 's/.*PostgreSQL) \([^ ]*\).*/PostgreSQL \1/') on $(nproc) processors${sizes:+, \`${sizes% }\`}:"
}

dev_bench() {
	local name series servers svg doc="" start=$PWD
	if [[ ${1:-} == --doc ]]; then
		doc=1
		shift
		# shellcheck disable=SC2086 # names
		[[ $# -gt 0 ]] || set -- $IN_DOC
		for name in "$@"; do
			[[ " $IN_DOC " == *" $name "* ]] || misuse "bench: doc/benchmarks.md has no place for $name (it has: $IN_DOC)"
		done
	fi
	for name in "$@"; do
		[[ $name =~ ^[a-z]+$ && -f $root/bench/$name.pl ]] ||
			misuse "no such benchmark: $name (there are: $(cd "$root/bench" && echo *.pl | sed 's/\.pl//g'))"
	done
	[[ $# -gt 0 ]] || set -- put get drop scan queue
	setup bench
	build
	start_bench_server
	say "On $(nproc) processors, with fsync on, $(printf '%s; ' "${BENCH_SETTINGS[@]}" | sed 's/; $//')"
	for name in "$@"; do
		servers=()
		case $name in
		threshold)
			start_variant threshold threshold_by_setting
			servers=("threshold=$work/threshold/s")
			;;
		peers) get_peers ;;
		scale)
			start_other "$name" 'max_connections = 600' 'max_worker_processes = 24' 'max_locks_per_transaction = 256' \
				'max_wal_size = 2GB' 'min_wal_size = 512MB'
			servers=("scale=$work/$name/s")
			;;
		cluster) get_cluster ;;
		growth)
			for series in ${BENCH_SERIES:-4GB 16MB}; do
				start_other "$series" "shared_buffers = $series"
				servers+=("$series=$work/$series/s")
			done
			;;
		esac
		# A picture is for the caller, who is not in the temporary directory.
		svg=$(cd "$start" && readlink -m "${BENCH_SVG:-bench-$name.svg}")
		[[ -z $doc ]] || svg=$root/doc/bench-$name.svg
		say ""
		PGDATABASE=bench TMPDIR=$work BENCH_SVG=$svg perl -I "$root/bench" "$root/bench/$name.pl" "${servers[@]}" |
			if [[ -z $doc ]]; then cat; else tee "$work/$name.md"; fi
		[[ -z $doc ]] || (cd "$root" && perl tools/bench-doc.pl "$name" "$(taken)" <"$work/$name.md")
		# The next one finds a database without anything.
		as_server "$server/dropdb" --force bench
		as_server "$server/createdb" bench
	done
}
