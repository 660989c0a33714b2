--
-- An operator who wonders why old versions stay is told who, or what, keeps them.
--
\pset null '(null)'
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'mvstore_blockers'::regclass AND attnum > 0 ORDER BY attnum;
SELECT mvstore_create('s'), mvstore_create('t');
SELECT count(mvstore_put_at('s', k, 'v', v)) FROM unnest('{a,b,c,d,e}'::text[]) k, generate_series(10, 50, 10) v;
SELECT mvstore_flush();
-- (Somebody's snapshot may be open at any time.)
CREATE VIEW regress_blockers AS
  SELECT kind, pid = pg_backend_pid() AS me, name, since BETWEEN now() - interval '1 minute' AND clock_timestamp() AS since, store,
         requests, entries, replace(regexp_replace(holds_back, ', until.*', ', until ...'), current_user, 'the current user') AS holds_back
    FROM mvstore_blockers WHERE kind <> 'snapshot' ORDER BY kind, store, name;
CREATE FUNCTION regress_wait(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  met boolean;
BEGIN
  FOR i IN 1 .. 10000 LOOP
    EXECUTE 'SELECT ' || condition INTO met;
    EXIT WHEN met;
    PERFORM pg_sleep(0.01);
  END LOOP;
  RETURN met;
END $$;
SELECT * FROM regress_blockers;

-- Pins, each with the requests on disk that wait for it.
SELECT mvstore_pin('regress s', 30, store := 's'), mvstore_pin('regress all', 40), mvstore_pin('regress t', 10, store := 't');
SELECT mvstore_drop('s', 'a'), mvstore_drop('s', 'b', before := 35), mvstore_drop('s', 'c', before := 30);
SELECT mvstore_flush('10 minutes');
SELECT * FROM regress_blockers;
SELECT mvstore_unpin('regress s'), mvstore_unpin('regress all');
SELECT mvstore_flush();
SELECT * FROM regress_blockers;
SELECT mvstore_unpin('regress t');
SELECT * FROM regress_blockers;

-- A pause, with what waits in the queue.
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_drop('s', 'c'), mvstore_drop('s', 'd');
RESET client_min_messages;
SELECT kind, me, name = current_user AS mine, since, store, requests, entries, holds_back FROM regress_blockers;
-- Requests that failed for good. (A superuser can make it look so.)
UPDATE mvstore_journal SET attempts = 5, error = 'no such luck';
SELECT * FROM regress_blockers WHERE kind = 'error';
SELECT mvstore_retry_failed('s');
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT * FROM regress_blockers;

-- A writer, here oneself, and who writes the past, erases, pins, or empties a store:
-- to the end of their transactions.
BEGIN;
SELECT mvstore_put('s', 'k', 'v') > 0 AS put;
SELECT kind, me, name = current_user AS mine, since, store, requests, entries, holds_back FROM regress_blockers;
ROLLBACK;
BEGIN;
SELECT mvstore_put_at('s', 'k', 'v', 60);
SELECT kind, me, name = current_user AS mine, since, store, requests, entries, holds_back FROM regress_blockers;
ROLLBACK;
BEGIN;
SELECT mvstore_erase('s', 'a');
SELECT kind, me, name = current_user AS mine, since, store, requests, entries, holds_back FROM regress_blockers;
ROLLBACK;
BEGIN;
SELECT mvstore_pin('regress', 60, store := 's');
SELECT kind, me, name = current_user AS mine, since, store, requests, entries, holds_back FROM regress_blockers;
ROLLBACK;
BEGIN;
SELECT mvstore_pin('regress', 60);
SELECT kind, me, name = current_user AS mine, since, store, requests, entries, holds_back FROM regress_blockers;
ROLLBACK;
BEGIN;
SELECT mvstore_set_policy('t', keep_versions := 3);
SELECT kind, me, name = current_user AS mine, since, store, requests, entries, holds_back FROM regress_blockers;
ROLLBACK;
SELECT * FROM regress_blockers;

-- A transaction that has been prepared, and forgotten: the space of what is
-- dropped cannot be had.
BEGIN;
CREATE TABLE regress_prepared (i int);
PREPARE TRANSACTION 'regress prepared';
SELECT kind, pid, name, since IS NOT NULL AS since, store, requests, entries >= 0 AS entries, regexp_replace(holds_back, '\d+', 'N') AS holds_back
  FROM mvstore_blockers WHERE kind = 'snapshot' AND name = 'regress prepared';
ROLLBACK PREPARED 'regress prepared';
SELECT count(*) FROM mvstore_blockers WHERE kind = 'snapshot' AND name = 'regress prepared';

-- A limit of how much is dropped a second. (Its worker hears of it some time.)
ALTER SYSTEM SET mvstore.drop_rate_limit = 1;
SELECT pg_reload_conf();
DO $$
BEGIN
  FOR i IN 1 .. 1000 LOOP
    FOR j IN 1 .. 10 LOOP
      PERFORM mvstore_put('t', 'k', 'v');
      COMMIT;
    END LOOP;
    PERFORM mvstore_drop('t', 'k');
    COMMIT;
    EXIT WHEN (SELECT count(*) FROM mvstore_blockers WHERE kind = 'rate limit') > 0;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT kind, pid = (SELECT worker_pid FROM mvstore_stats WHERE database = current_database()) AS worker, since IS NOT NULL AS since, store,
       requests >= 0 AS requests, entries, holds_back
  FROM mvstore_blockers WHERE kind = 'rate limit';
ALTER SYSTEM RESET mvstore.drop_rate_limit;
SELECT pg_reload_conf();
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('t', 'k');
SELECT regress_wait('NOT EXISTS (SELECT FROM mvstore_blockers WHERE kind = ''rate limit'')');
SELECT * FROM regress_blockers;

DROP VIEW regress_blockers;
DROP FUNCTION regress_wait;
DROP TABLE s, t;
