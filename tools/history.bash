# shellcheck shell=bash
#
# ./dev history: random transactions, and a model that must explain their answers.
# Sourced by ./dev, whose functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$server"


# A standby of the server, to read there.
start_standby() {
	as_server "$server/pg_basebackup" -h "$work/s" -U postgres -D "$work/standby" -R -c fast
	printf '%s\n' 'port = 5433' 'hot_standby_feedback = on' 'max_standby_streaming_delay = -1' 'wal_receiver_status_interval = 1' |
		as_server tee -a "$work/standby/postgresql.conf" >/dev/null
	if ! as_server "$server/pg_ctl" -D "$work/standby" -l "$work/standby.log" -w start </dev/null >"$work/pg_ctl.log" 2>&1; then
		cat "$work/standby.log" >&2
		die "the standby did not start"
	fi
}

dev_history() {
	local argument
	for argument in "$@"; do
		[[ $argument =~ ^(--(seconds|transactions|sessions|keys|seed)(=[0-9]+)?|--state(=.*)?|[0-9]+|/.*)$ ]] ||
			misuse "history: it takes --seconds N, --transactions N, --sessions N, --keys N, --seed S and --state /FILE only"
	done
	setup history
	build
	start_server 'fsync = off' 'log_min_messages = fatal' "deadlock_timeout = '10 ms'" "mvstore.flush_interval = '5 ms'" \
		'mvstore.batch_size = 1' 'max_prepared_transactions = 100' 'mvstore.workers_per_database = 3' \
		"mvstore.standby_interval = '20 ms'"
	start_standby
	as_server "$server/createdb" history
	PGDATABASE=history perl "$root/tools/history.pl" --standby "port=5433 dbname=history" "$@"
}
