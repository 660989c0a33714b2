# shellcheck shell=bash
#
# ./dev monitoring: what monitoring/ has, with the programs it is for: Debian's postgres_exporter,
# sql_exporter and Prometheus. Sourced by ./dev, whose functions and variables this uses.
#
# A server with two stores, a transaction that holds drops up, and a pin is scraped by both
# exporters, as a role that may read no store; Prometheus scrapes them, loads the alerts, and
# answers the queries of the dashboard. What is compared, tools/monitoring.pl does. All of them
# listen on ports of this machine alone, and end with the run.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

pids=()		# of what this has started

# ---- Set-up ---------------------------------------------------------------

install_monitoring() {
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	command -v promtool >/dev/null || need prometheus "scrapes, and checks alerts"
	command -v prometheus-postgres-exporter >/dev/null || need prometheus-postgres-exporter "is scraped"
	command -v prometheus-sql-exporter >/dev/null || need prometheus-sql-exporter "is scraped"
	[[ ${#missing[@]} -eq 0 ]] || start_nothing install_missing
}

monitoring_pl() { (cd "$root" && perl tools/monitoring.pl "$@"); }

write_queries() {
	monitoring_pl queries postgres_exporter >"$1/postgres_exporter.yaml"
	monitoring_pl queries sql_exporter >"$1/sql_exporter.yml"
}

# The session that holds drops up reads from a pipe that stays open.
# shellcheck disable=SC2016 # the role's name is psql's
make_metrics() {
	psql -qAtX -d postgres -v ON_ERROR_STOP=1 >/dev/null <<-'END'
		CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
		CREATE DATABASE metrics;
		\c metrics
		CREATE EXTENSION mvstore;
		CREATE SCHEMA app;
		SELECT mvstore_create('fruit'), mvstore_create('app."other store"');
		SELECT mvstore_put_at('fruit', 'k' || k, 'v', v) FROM generate_series(1, 10) k, generate_series(10, 40, 10) v;
		SELECT mvstore_put('app."other store"', 'a', 'v');
		SELECT mvstore_compact('fruit', mvstore_version_at(now()));
		SELECT mvstore_flush();
		VACUUM ANALYZE fruit;
		SELECT mvstore_pin('report', store := 'fruit');
	END
	psql -qAtX -d metrics -c "SELECT mvstore_get('fruit', 'k1', as_of := 15)" >"$work/refused" 2>&1 || true
	mkfifo "$work/pipe"
	psql -qAtX -d metrics <"$work/pipe" >"$work/writer" 2>&1 &
	pids+=($!)
	exec {writer}>"$work/pipe"
	echo "BEGIN; SELECT mvstore_put('app.\"other store\"', 'b', 'v') > 0;" >&"$writer"
	until [[ -s $work/writer ]]; do sleep 0.1; done
	psql -qAtX -d metrics -v ON_ERROR_STOP=1 -c "SELECT mvstore_put('app.\"other store\"', 'a', 'w'), mvstore_drop('app.\"other store\"', 'a')" >/dev/null
}

# begin NAME COMMAND ...: run it beside us.
begin() {
	"${@:2}" >"$work/$1.log" 2>&1 </dev/null &
	pids+=($!)
}

# shellcheck disable=SC2317 # called by the trap
at_exit() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	wait "${pids[@]}" 2>/dev/null
}

# ---- Checks ---------------------------------------------------------------

# check WHAT COMMAND ...: it must succeed; and, of monitoring.pl, say nothing.
check() {
	local start result=ok
	start=$(date +%s%N)
	"${@:2}" >"$work/check.out" 2>&1 || result=FAILED
	[[ $2 == promtool || ! -s $work/check.out ]] || result=FAILED
	printf 'monitoring %-66s ... %-6s %6d ms\n' "$1" $result $((($(date +%s%N) - start) / 1000000))
	if [[ $result == ok ]]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		head -n 40 "$work/check.out" | sed 's/^/    /'
	fi
}

lint_metrics() { perl -MHTTP::Tiny -e 'print grep { /mvstore_/ } map { "$_\n" } split /\n/, HTTP::Tiny->new->get(shift)->{content}' "$1" | promtool check metrics; }

# The ports that Debian's services have, and on which somebody listens.
listeners() {
	local port
	for port in 9090 9187 9237; do
		! (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null || echo "something listens on port $port"
	done
}

check_files() {
	mkdir "$work/made"
	write_queries "$work/made"
	check "the queries of postgres_exporter are what the views have" diff "$root/monitoring/postgres_exporter.yaml" "$work/made/postgres_exporter.yaml"
	check "the queries of sql_exporter are what the views have" diff "$root/monitoring/sql_exporter.yml" "$work/made/sql_exporter.yml"
	check "promtool takes the alerts" promtool check rules "$root/monitoring/alerts.yml"
	check "promtool takes the configuration" promtool check config "$root/monitoring/prometheus.yml"
	check "each alert comes when it is to, and not before" promtool test rules "$root/monitoring/alerts_test.yml"
	check "no alert is without a test" monitoring_pl untested
}

check_scrapes() {
	local port sql_port prometheus_port conf=$work/monitoring
	read -r port sql_port prometheus_port < <(monitoring_pl ports 3)
	cp -r "$root/monitoring" "$conf"
	sed -i "s|^      - postgres://.*|      - postgres://monitor@/metrics?host=$work/s\&sslmode=disable|; s/interval: 15s/interval: 1s/" "$conf/sql_exporter.yml"
	sed -i "s/localhost:9187/localhost:$port/; s/localhost:9237/localhost:$sql_port/; s/interval: 15s/interval: 1s/" "$conf/prometheus.yml"
	begin postgres_exporter env DATA_SOURCE_NAME="host=$work/s user=monitor dbname=metrics sslmode=disable" \
		prometheus-postgres-exporter --extend.query-path="$conf/postgres_exporter.yaml" \
		--disable-settings-metrics --web.listen-address="localhost:$port"
	begin sql_exporter prometheus-sql-exporter -config.file="$conf/sql_exporter.yml" -web.listen-address="localhost:$sql_port"
	begin prometheus prometheus --config.file="$conf/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
		--web.listen-address="localhost:$prometheus_port" --log.level=warn
	check "postgres_exporter gives every metric, with the values there are" monitoring_pl scrape "http://localhost:$port/metrics"
	check "sql_exporter gives every metric, with the values there are" monitoring_pl scrape "http://localhost:$sql_port/metrics"
	check "the metrics are named as Prometheus wants them" lint_metrics "http://localhost:$port/metrics"
	check "Prometheus scrapes both, has the rules, and answers the dashboard" monitoring_pl prometheus "http://localhost:$prometheus_port"
}

# ---- ./dev monitoring -----------------------------------------------------

dev_monitoring() {
	local available=""
	case ${1:-} in
	--write)
		write_queries "$root/monitoring"
		return
		;;
	--available) available=1 ;;
	"") ;;
	*) misuse "monitoring: unknown option: $1" ;;
	esac
	setup monitoring
	listeners >"$work/listened"
	if ! (install_monitoring); then
		say "left out: monitoring: its programs are not installed"
		say "0 passed, $([[ -n $available ]] && echo 0 || echo 1) failed"
		[[ -n $available ]]
		return
	fi
	build
	start_server
	make_metrics
	listeners >"$work/listen"
	check "what was installed has started no service" diff "$work/listened" "$work/listen"
	check_files
	check_scrapes
	say "$passed passed, $failed failed"
	[[ $passed -gt 0 && $failed -eq 0 ]]
}
