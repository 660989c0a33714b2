#!/bin/bash
# One shard moves to another server by logical replication. See doc/growing.md.
#
#	OLD='host=... port=...' by_subscription.sh --copy SHARD
#	NEW='host=... port=...' by_subscription.sh SHARD

# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"
database=${databases//[\{\}]/}

# The tables without what makes stores of them; their contents, and what is written from now on.
copy() {
	on old "$database" <<-'SQL'
		SELECT format('CREATE PUBLICATION move FOR TABLE mvstore_shard, %s', string_agg(store::text, ', ')) FROM mvstore_stores \gexec
	SQL
	on new <<<"CREATE DATABASE \"$database\";"
	pg_dump --schema-only --no-publications -d "service=old dbname=$database" | on new "$database" -o /dev/null
	on new "$database" -v "old=$OLD dbname=$database" <<-'SQL'
		SELECT format('CREATE SUBSCRIPTION move CONNECTION %L PUBLICATION move', :'old') \gexec
		DO $$ BEGIN
		  WHILE EXISTS (SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r') LOOP COMMIT; PERFORM pg_sleep(0.1); END LOOP;
		END $$;
	SQL
}

# While calls are held: the old database refuses writes and drops nothing more; when all has come, the rest is copied.
held() {
	trap 'reopen' ERR
	on old "$database" -v "database=$database" -o /dev/null <<-'SQL'
		SELECT mvstore_flush('2 s'), mvstore_pause();
		ALTER DATABASE :"database" SET default_transaction_read_only = on;
		CREATE VIEW pg_temp.others AS SELECT pid FROM pg_stat_activity
		 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
		SELECT pg_terminate_backend(pid) FROM others;
		SET statement_timeout = '10 s';
		DO $$ BEGIN
		  WHILE EXISTS (SELECT FROM others) LOOP PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP;
		  IF EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database()) THEN
		    RAISE 'something is prepared there: SELECT mvstore_cluster_recover() on the proxy, then try again';
		  END IF;
		END $$;
		SELECT pg_logical_emit_message(true, 'switch', '');
		SELECT set_config('switch.lsn', pg_current_wal_flush_lsn()::text, false);
		DO $$ BEGIN
		  WHILE (SELECT bool_and(replay_lsn < current_setting('switch.lsn')::pg_lsn) IS NOT FALSE
		           FROM pg_stat_replication WHERE application_name = 'move') LOOP
		    PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
		  END LOOP;
		END $$;
	SQL
	pg_dump --data-only -e mvstore -t 'mvstore_*' -T mvstore_shard -d "service=old dbname=$database" | on new "$database" -o /dev/null
	on new "$database" -o /dev/null <<<'DROP SUBSCRIPTION move; SELECT mvstore_resume();'
}

reopen() {
	on old "$database" -v "database=$database" -o /dev/null <<-'SQL'
		SET default_transaction_read_only = off;
		ALTER DATABASE :"database" RESET default_transaction_read_only;
		SELECT mvstore_resume();
	SQL
}

case $step in
copy) copy ;;
switch) switch ;;
held) held ;;
esac
