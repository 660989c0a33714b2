# shellcheck shell=bash
#
# ./dev history: random transactions, and a model that must explain their answers.
# Sourced by ./dev, whose functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$server"


dev_history() {
	local argument
	for argument in "$@"; do
		[[ $argument =~ ^(--(seconds|sessions|keys|seed)(=[0-9]+)?|[0-9]+)$ ]] ||
			misuse "history: it takes --seconds N, --sessions N, --keys N and --seed S only"
	done
	setup history
	build
	start_server 'fsync = off' 'log_min_messages = fatal' "deadlock_timeout = '10 ms'" "mvstore.flush_interval = '5 ms'" \
		'mvstore.batch_size = 1' 'max_prepared_transactions = 100' 'mvstore.workers_per_database = 3'
	as_server "$server/createdb" history
	PGDATABASE=history perl "$root/tools/history.pl" "$@"
}
