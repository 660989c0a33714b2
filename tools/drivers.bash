# shellcheck shell=bash
#
# ./dev drivers: the programs of examples/ with the drivers that people use, against one
# server, directly and through PgBouncer. Sourced by ./dev, whose functions and variables
# this uses.
#
# A folder of examples/ has a driver: values (what to write), wrong (what becomes of wrong
# types and of NULL) and fast (prepared, pipelined, many at once). A program checks its own
# results; one run of it counts as a test. Whether it would tell is a test, too: each is run
# where reads give wrong answers, and must fail by an assertion. The folder xa is of two servers
# in one transaction: a program with two databases, and one whose servers are killed. The folder
# orm has a program for each ORM, with models and migrations; pgbouncer, one of the pooler alone.
#
# The drivers are Debian's, where it has them, and pinned ones of each language's registry:
# examples/requirements.txt, package.json, Cargo.toml, go.mod, pom.xml, and JDBC_VERSION below. What
# takes long is kept in the cache of tools/servers.bash; Go has one of its own.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

readonly JDBC_VERSION=42.7.14
readonly DEBIAN_JDBC=/usr/share/java/postgresql.jar
readonly RUN_SECONDS=60		# for one run of a program

# What an assertion that fails says, in any of the languages.
readonly ASSERTION='AssertionError|assertion .*failed|got .*, not |not refused'

port=		# of the server
pool_port=	# of PgBouncer
left_out=()	# drivers that cannot be had here, and why

# ---- Set-up ---------------------------------------------------------------

# A Debian package of a Python module, for Debian's own Python.
need_module() {
	/usr/bin/python3 -c "import $2" 2>/dev/null || need "$1" "the driver $2, as Debian has it"
}

have_pgbouncer() { PATH=$PATH:/usr/sbin command -v pgbouncer >/dev/null; }

# The compilers and Debian's drivers. Where there is no apt, what is there must do: drivers
# without their language are left out. So it is with "available" and no right to install.
install_languages() {
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	if command -v apt-get >/dev/null; then
		have_pgbouncer || need pgbouncer "the pooler to go through"
		[[ -x /usr/bin/python3 ]] || need python3 "runs Python"
		need_module python3-psycopg psycopg
		need_module python3-psycopg2 psycopg2
		need_module python3-asyncpg asyncpg
		need_module python3-sqlalchemy sqlalchemy
		python3 -m pip --version >/dev/null 2>&1 || need python3-pip "gets newer drivers of Python"
		command -v npm >/dev/null || need npm "gets node-postgres, and runs it"
		command -v javac >/dev/null || need default-jdk-headless "compiles and runs Java"
		command -v mvn >/dev/null || need maven "gets newer JDBC, and a transaction manager"
		[[ -f $DEBIAN_JDBC ]] || need libpostgresql-jdbc-java "JDBC, as Debian has it"
		command -v go >/dev/null || need golang-go "compiles Go"
		command -v cargo >/dev/null || need cargo "compiles Rust"
	fi
	[[ ${#missing[@]} -eq 0 ]] || start_nothing install_missing || [[ -n $1 ]] || exit 1
	have_pgbouncer || leave_out PgBouncer "it is not installed"
}

leave_out() { left_out+=("left out: $1: $2"); }

pip_install() { python3 -m pip install -q --disable-pip-version-check --only-binary :all: -r "$root/examples/requirements.txt" --target "$1"; }

npm_install() {
	cp "$root/examples/node-postgres/package.json" "$1/" &&
		npm install --prefix "$1" --no-audit --no-fund --no-package-lock --ignore-scripts
}

maven_copy() { mvn -q -B dependency:copy "-Dartifact=org.postgresql:postgresql:$JDBC_VERSION" "-DoutputDirectory=$1"; }

maven_copy_all() {
	mvn -q -B -f "$root/examples/xa/pom.xml" dependency:copy-dependencies -DexcludeTransitive "-DoutputDirectory=$1"
}

go_fetch() { env -C "$work/src/examples/pgx" GOTOOLCHAIN=local go mod download; }

go_build() {
	local program
	for program in values wrong fast; do
		env -C "$work/src/examples/pgx" GOTOOLCHAIN=local GOFLAGS=-buildvcs=false \
			go build -o "$work/go-$program" "$program.go" connect.go || return
	done
}

# The lock file, of one resolution of what the pinned crates need, stays with what was built.
cargo_fetch() {
	local source=$work/src/examples/tokio-postgres
	cargo fetch -q --manifest-path "$source/Cargo.toml" && cp "$source/Cargo.lock" "$1/"
}

cargo_build() {
	local source=$work/src/examples/tokio-postgres
	cp "$1/Cargo.lock" "$source/"
	cargo build -q --manifest-path "$source/Cargo.toml" --target-dir "$1"
}

# ---- The server and the pooler ---------------------------------------------

free_ports() {
	perl -MIO::Socket::INET -e '
		my @sockets = map { IO::Socket::INET->new(Listen => 1, LocalAddr => "localhost") // die "$!" } 1, 2;
		print join(" ", map { $_->sockport } @sockets), "\n"'
}

# JDBC knows no Unix sockets: TCP, for this machine alone, with a password.
start_servers() {
	local secret
	secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	read -r port pool_port < <(free_ports)
	printf 'local all all trust\nhost all all samehost scram-sha-256\n' | as_server tee "$work/hba" >/dev/null
	start_server "listen_addresses = 'localhost'" "port = $port" "hba_file = '$work/hba'" "log_min_messages = fatal" "max_prepared_transactions = 10"
	PGPORT=$port psql -qX -d postgres -c "ALTER USER postgres PASSWORD '$secret'"
	export PGPASSWORD=$secret PGDATABASE=drivers PGSSLMODE=disable
	PGPORT=$port make_databases
	! have_pgbouncer || start_pgbouncer "$secret"
	export PGHOST=localhost
}

start_pgbouncer() {
	as_server mkdir "$work/pool"
	as_server tee "$work/pool/users" >/dev/null <<<"\"postgres\" \"$1\""
	as_server tee "$work/pool/ini" >/dev/null <<-END
		[databases]
		drivers = host=$work/s port=$port
		[pgbouncer]
		listen_addr = localhost
		listen_port = $pool_port
		unix_socket_dir =
		auth_type = scram-sha-256
		auth_file = $work/pool/users
		pool_mode = transaction
		default_pool_size = 3
		server_round_robin = 1
		ignore_startup_parameters = extra_float_digits
		logfile = $work/pool/log
		pidfile = $work/pool/pid
	END
	as_server env PATH="$PATH:/usr/sbin" pgbouncer -q -d "$work/pool/ini" >"$work/pool.out" 2>&1 ||
		{ cat "$work/pool.out" "$work/pool/log" >&2; die "PgBouncer did not start"; }
}

# shellcheck disable=SC2317 # called by the trap
at_exit() {
	forget_policy
	[[ ! -s $work/pool/pid ]] || kill "$(<"$work/pool/pid")"
}

# The database of the programs, one as if on another server, and one in which reads give wrong answers.
make_databases() {
	psql -qX -d postgres -v ON_ERROR_STOP=1 <<-'END'
		CREATE DATABASE drivers;
		\c drivers
		CREATE EXTENSION mvstore;
		CREATE DATABASE other;
		\c other
		CREATE EXTENSION mvstore;
		CREATE DATABASE broken;
		ALTER DATABASE broken SET search_path = broken, public;
		\c broken
		CREATE SCHEMA broken;
		CREATE EXTENSION mvstore SCHEMA public;
		CREATE FUNCTION broken.mvstore_get(store regclass, key text, as_of bigint DEFAULT 1) RETURNS text
		LANGUAGE sql AS $$ SELECT 'wrong' $$;
		CREATE FUNCTION broken.mvstore_get_bytea(store regclass, key text, as_of bigint DEFAULT 1) RETURNS bytea
		LANGUAGE sql AS $$ SELECT '\x77'::bytea $$;
		CREATE FUNCTION broken.mvstore_get_many_bytea(store regclass, keys text[], as_of bigint DEFAULT 1)
		RETURNS TABLE (key text, version bigint, value bytea, expires_at timestamptz)
		LANGUAGE sql AS $$ SELECT 'k', 1::bigint, '\x77'::bytea, NULL::timestamptz $$;
	END
}

# PgBouncer gives transactions its server connections in turn, if it has several: it opens
# one as a transaction finds none free. Programs that fail have it close some.
fill_pool() {
	local try
	for try in {1..60}; do
		for _ in 1 2 3; do
			PGPORT=$pool_port psql -qAtX -c "BEGIN; SELECT pg_backend_pid(), pg_sleep(0.1 * $try); COMMIT" &
		done >"$work/pids"
		wait
		[[ $(sort -u "$work/pids" | wc -l) -lt 3 ]] || return 0
	done
	die "PgBouncer does not open three connections"
}

# ---- Runs -----------------------------------------------------------------

# report WHAT RESULT START
report() {
	printf 'drivers %-66s ... %-6s %6d ms\n' "$1" "$2" $((($(date +%s%N) - $3) / 1000000))
	if [[ $2 == ok ]]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		head -n 40 "$work/run.out" | sed 's/^/    /'
	fi
}

# compiles WHAT COMMAND ...: what is here must compile. Said only if it does not.
compiles() {
	local what=$1 start
	shift
	start=$(date +%s%N)
	"$@" </dev/null >"$work/run.out" 2>&1 || { report "$what: its programs compile" FAILED "$start"; return 1; }
}

# run WHAT COMMAND ...: it must succeed.
run() {
	local what=$1 start result=ok
	shift
	start=$(date +%s%N)
	PGPORT=${on_port:-$port} timeout $RUN_SECONDS "$@" </dev/null >"$work/run.out" 2>&1 || result=FAILED
	report "$what" $result "$start"
}

pooled() {
	local what=$1
	shift
	have_pgbouncer || return 0
	fill_pool
	on_port=$pool_port run "$what, through PgBouncer" "$@"
}

# tells WHAT COMMAND ...: where reads are wrong, it must fail by an assertion.
tells() {
	local what="$1, told wrong answers" start result=FAILED
	shift
	start=$(date +%s%N)
	if ! PGPORT=$port PGDATABASE=broken timeout $RUN_SECONDS "$@" </dev/null >"$work/run.out" 2>&1 &&
		grep -qE "$ASSERTION" "$work/run.out"; then
		result=ok
	fi
	report "$what" $result "$start"
}

# version_of PYTHON MODULE
version_of() { "$1" -c "import $2; print($2.__version__.split()[0])"; }

# python_drivers PYTHON ORIGIN [DIALECT ...]: all of them by one Python; SQLAlchemy by dialect.
python_drivers() {
	local python=$1 origin=$2 driver module what program url
	shift 2
	for driver in psycopg3 psycopg2 asyncpg; do
		wanted "$driver" || continue
		module=${driver/psycopg3/psycopg}
		what="$driver $(version_of "$python" "$module") ($origin)"
		for program in values wrong fast; do
			run "$what, $program" "$python" "$root/examples/$driver/$program.py"
			tells "$what, $program" "$python" "$root/examples/$driver/$program.py"
			[[ $program == wrong ]] ||
				pooled "$what, $program" "$python" "$root/examples/$driver/$program.py" pooled
		done
	done
	wanted sqlalchemy || return 0
	for url in "$@"; do
		what="sqlalchemy $(version_of "$python" sqlalchemy) ($origin), ${url#*+}"
		for program in values wrong fast; do
			run "$what, $program" "$python" "$root/examples/sqlalchemy/$program.py" "$url://"
			tells "$what, $program" "$python" "$root/examples/sqlalchemy/$program.py" "$url://"
			[[ $program == wrong ]] ||
				pooled "$what, $program" "$python" "$root/examples/sqlalchemy/$program.py" "$url://" pooled
		done
	done
}

drivers_of_debian() {
	if /usr/bin/python3 -c 'import psycopg, psycopg2, asyncpg, sqlalchemy' 2>"$work/run.out"; then
		python_drivers /usr/bin/python3 Debian postgresql+psycopg2
	else
		leave_out "Python drivers of Debian" "$(tail -n 1 "$work/run.out")"
	fi
}

drivers_of_pypi() {
	if ! cached drivers-python "$(python3 --version 2>&1; cat "$root/examples/requirements.txt")" pip_install; then
		leave_out "Python drivers of examples/requirements.txt" "pip could not install them"
		return
	fi
	export PYTHONPATH=$cache/drivers-python
	python_drivers "$(command -v python3)" pip postgresql+psycopg2 postgresql+psycopg
	! wanted orm || orms "$(command -v python3)"
	unset PYTHONPATH
}

orms() {
	local python=(env PYTHONDONTWRITEBYTECODE=1 "$1") orm what
	for orm in sqlalchemy django; do	# Alembic would see the tables of a Django that broke off
		what="ORM: $orm $(version_of "$1" $orm)"
		run "$what" "${python[@]}" "$root/examples/orm/$orm/program.py"
		tells "$what" "${python[@]}" "$root/examples/orm/$orm/program.py"
		pooled "$what" "${python[@]}" "$root/examples/orm/$orm/program.py" pooled
	done
}

node_postgres() {
	local what program
	if ! cached drivers-node "$(<"$root/examples/node-postgres/package.json")" npm_install; then
		leave_out node-postgres "npm could not install it"
		return
	fi
	what="node-postgres $(sed -n 's/.*"pg": "\(.*\)".*/\1/p' "$root/examples/node-postgres/package.json")"
	export NODE_PATH=$cache/drivers-node/node_modules
	for program in values wrong fast; do
		run "$what, $program" node "$root/examples/node-postgres/$program.js"
		tells "$what, $program" node "$root/examples/node-postgres/$program.js"
		[[ $program == wrong ]] || pooled "$what, $program" node "$root/examples/node-postgres/$program.js" pooled
	done
}

# What sessions leave behind, which a pool hands on.
pooler() {
	if ! /usr/bin/python3 -c 'import psycopg' 2>"$work/run.out"; then
		leave_out "PgBouncer with psycopg" "$(tail -n 1 "$work/run.out")"
		return
	fi
	pooled "PgBouncer, sessions" /usr/bin/python3 "$root/examples/pgbouncer/pooled.py"
}

# All query modes; through the pooler, those that prepare nothing and ask in the same round.
pgx() {
	local what program mode start=$SECONDS
	if ! go_fetch >"$work/go.log" 2>&1; then
		tail -n 15 "$work/go.log" >&2
		leave_out pgx "Go could not get it"
		return
	fi
	compiles pgx go_build || return 0
	say "Built the programs of pgx in $((SECONDS - start)) s"
	what="pgx $(sed -n 's/.*jackc\/pgx.* v\(5.*\)/\1/p' "$root/examples/pgx/go.mod" | head -n 1)"
	for program in values wrong fast; do
		for mode in cache_statement cache_describe describe_exec exec simple_protocol; do
			run "$what, $mode, $program" "$work/go-$program" $mode
		done
		tells "$what, $program" "$work/go-$program"
		[[ $program != wrong ]] || continue
		for mode in cache_describe exec simple_protocol; do
			pooled "$what, $mode, $program" "$work/go-$program" $mode
		done
	done
}

# By the simple protocol Debian's can send no bytes: only Wrong, which says so, is run by it.
jdbc() {
	local jar jars=() what program mode modes
	[[ ! -f $DEBIAN_JDBC ]] || jars+=("$DEBIAN_JDBC")
	if cached drivers-java "$JDBC_VERSION" maven_copy; then
		jars+=("$cache/drivers-java/postgresql-$JDBC_VERSION.jar")
	else
		leave_out "JDBC $JDBC_VERSION" "mvn could not get it"
	fi
	[[ ${#jars[@]} -gt 0 ]] || return 0
	compiles JDBC javac -encoding UTF-8 -cp "${jars[0]}" -d "$work/java" "$root"/examples/jdbc/*.java || return 0
	for jar in "${jars[@]}"; do
		what="JDBC $(version_of_jar "$jar")"
		for program in Values Wrong Fast; do
			modes="extended extendedForPrepared extendedCacheEverything simple"
			[[ $jar != "$DEBIAN_JDBC" || $program == Wrong ]] || modes=${modes% simple}
			for mode in $modes; do
				run "$what, $mode, $program" java -cp "$jar:$work/java" $program "preferQueryMode=$mode"
			done
			tells "$what, $program" java -cp "$jar:$work/java" $program
			[[ $program != Wrong ]] || continue
			pooled "$what, extended, $program" java -cp "$jar:$work/java" $program prepareThreshold=0
			[[ $modes != *simple ]] ||
				pooled "$what, simple, $program" java -cp "$jar:$work/java" $program preferQueryMode=simple
		done
	done
}

version_of_jar() {
	perl -MIO::Uncompress::Unzip=:all -e '
		unzip $ARGV[0] => \my $text, Name => "META-INF/MANIFEST.MF" or die $UnzipError;
		print $1 if $text =~ /^(?:Implementation|Bundle)-Version: ([0-9.]*[0-9])/m' "$1"
}

tokio_postgres() {
	local what program target=$cache/drivers-rust
	if ! cached drivers-rust "$(cargo --version 2>&1; cat "$root/examples/tokio-postgres/Cargo.toml")" cargo_fetch; then
		leave_out tokio-postgres "cargo could not get it"
		return
	fi
	compiles tokio-postgres cargo_build "$target" || return 0
	what="tokio-postgres $(sed -n 's/^tokio-postgres = "=\(.*\)"/\1/p' "$root/examples/tokio-postgres/Cargo.toml")"
	for program in values wrong fast; do
		run "$what, $program" "$target/debug/$program"
		tells "$what, $program" "$target/debug/$program"
		[[ $program == wrong ]] || pooled "$what, $program" "$target/debug/$program" pooled
	done
}

# ---- Two servers ----------------------------------------------------------

# The programs of examples/xa, which have no column in the table of what to write.
two_servers() {
	local what
	if /usr/bin/python3 -c 'import psycopg' 2>"$work/run.out"; then
		what="psycopg $(version_of /usr/bin/python3 psycopg) (Debian), two databases, transfer"
		run "$what" /usr/bin/python3 "$root/examples/xa/transfer.py" "" dbname=other
		tells "$what" /usr/bin/python3 "$root/examples/xa/transfer.py" "" dbname=other
	else
		leave_out "transfers by psycopg" "$(tail -n 1 "$work/run.out")"
	fi
	transaction_manager
}

# With two servers of its own, which are killed: a TAP test. Its user may not read the cache.
transaction_manager() {
	if ! cached drivers-xa "$(<"$root/examples/xa/pom.xml")" maven_copy_all ||
		! cached drivers-java "$JDBC_VERSION" maven_copy; then
		leave_out "transfers by a transaction manager" "mvn could not get Narayana and JDBC"
		return
	fi
	as_server mkdir "$work/xa"
	cp "$cache"/drivers-{xa,java}/*.jar "$work/xa/"
	chmod a+r "$work"/xa/*.jar
	compiles "transfers by a transaction manager" javac -encoding UTF-8 -cp "$work/xa/*" -d "$work/xa" "$root/examples/xa/Transfer.java" ||
		return 0
	MVSTORE_XA_CLASSPATH="$work/xa:$work/xa/*" run_tap t/transfers_over_two_servers_are_whole.pl
}

# The pages say what was tried.
check_versions_told() {
	local version start
	start=$(date +%s%N)
	for version in $(grep -ohE '[0-9]+\.[0-9]+\.[0-9]+' "$root"/examples/{requirements.txt,node-postgres/package.json}) \
		$(sed -n 's/.*jackc\/pgx.* v\(5.*\)/\1/p' "$root/examples/pgx/go.mod" | head -n 1) \
		$(sed -n 's/^tokio-postgres = "=\(.*\)"/\1/p' "$root/examples/tokio-postgres/Cargo.toml") $JDBC_VERSION; do
		grep -qwF -- "$version" "$root"/doc/{drivers,orms}.md || echo "neither doc/drivers.md nor doc/orms.md names version $version"
	done >"$work/run.out"
	report "doc/drivers.md and doc/orms.md name the versions" "$([[ -s $work/run.out ]] && echo FAILED || echo ok)" "$start"
}

# ---- ./dev drivers --------------------------------------------------------

chosen=" "
wanted() { [[ $chosen == " " || $chosen == *" $1 "* ]]; }

dev_drivers() {
	local available="" driver
	while [[ $# -gt 0 ]]; do
		case $1 in
		--available) available=1 ;;
		-*) misuse "drivers: unknown option: $1" ;;
		*)
			[[ -d $root/examples/$1 ]] || misuse "drivers: there is no examples/$1"
			chosen+="$1 "
			;;
		esac
		shift
	done
	setup drivers
	install_languages "$available"
	build
	start_servers
	if wanted psycopg3 || wanted psycopg2 || wanted asyncpg || wanted sqlalchemy || wanted orm; then
		drivers_of_debian
		drivers_of_pypi
	fi
	! wanted pgbouncer || pooler
	! wanted node-postgres || node_postgres
	! wanted pgx || pgx
	! wanted jdbc || jdbc
	! wanted tokio-postgres || tokio_postgres
	! wanted xa || two_servers
	check_versions_told
	for driver in "${left_out[@]}"; do
		say "$driver"
		[[ -n $available ]] || failed=$((failed + 1))
	done
	say "$passed passed, $failed failed"
	[[ $passed -gt 0 && $failed -eq 0 ]]
}
