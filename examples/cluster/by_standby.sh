#!/bin/bash
# Shards move to a standby of their server, which is promoted. See doc/growing.md.
#
#	NEW='host=... port=...' by_standby.sh SHARD ...
#	by_standby.sh --drop-on SERVICE SHARD ...    (afterwards: what a server has and is not its own)

if [[ $1 == --drop-on ]]; then
	service=$2
	set -- --drop "${@:3}"
fi
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

# While calls are held. Who has not heard of the move finds the door shut, here and, until it is opened, there.
held() {
	trap 'door old true' ERR
	door old false
	lsn=$(on old <<-'SQL' | tail -n 1
		SELECT set_config('switch.databases', :'databases', false);
		CREATE VIEW pg_temp.others AS SELECT pid FROM pg_stat_activity WHERE datname = ANY (current_setting('switch.databases')::text[]);
		SELECT pg_terminate_backend(pid) FROM others;
		DO $$ BEGIN
		  WHILE EXISTS (SELECT FROM others) LOOP PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP;
		END $$;
		SELECT pg_logical_emit_message(true, 'switch', '');		-- its commit takes to the disk all that is before it
		SELECT pg_current_wal_flush_lsn();
	SQL
	)
	on new '' -v "lsn=$lsn" -o /dev/null <<-'SQL'
		SELECT set_config('switch.lsn', :'lsn', false);
		SET statement_timeout = '10 s';
		DO $$ BEGIN
		  WHILE pg_last_wal_replay_lsn() < current_setting('switch.lsn')::pg_lsn LOOP PERFORM pg_sleep(0.01); END LOOP;
		END $$;
		SELECT pg_promote();
	SQL
	trap - ERR
	door new true
}

# What is prepared there is a copy of what is prepared where the shard is.
drop() {
	door "$service" true
	on "$service" <<-'SQL'
		SELECT format('\connect %I', d) || E'\n' || $$SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = current_database() \gexec$$
		       || format(E'\n\\connect postgres\nDROP DATABASE %I WITH (FORCE);', d)
		  FROM unnest(:'databases'::text[]) d
	SQL
}

case $step in
switch) switch ;;
held) held ;;
drop) drop | on "$service" ;;
esac
