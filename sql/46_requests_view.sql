--
-- An operator sees what drops are not done yet and why, and can stop, retry and
-- void them. All of that is transactional.
--
\pset null '(null)'
CREATE ROLE regress_mvstore_stranger;
CREATE ROLE regress_mvstore_operator IN ROLE pg_signal_backend;
SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1);
SELECT count(mvstore_put_at('s', k, k || v, v)) FROM unnest('{a,b,c,d,e}'::text[]) k, generate_series(1, 4) v;
SELECT mvstore_put('p', 'k', 'v1') > 0 AS put;
-- Nothing may be under way that others have left.
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_requests;
-- (Somebody's snapshot may be open at any time.)
CREATE TEMP VIEW blockers AS
SELECT kind, pid, name = current_user AS mine, since BETWEEN now() - interval '1 minute' AND clock_timestamp() AS since,
       store, requests, entries, holds_back
  FROM mvstore_blockers WHERE kind <> 'snapshot';
SELECT * FROM blockers;

-- Pausing is taken back with its transaction, also to a savepoint.
BEGIN;
SELECT mvstore_pause();
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_pause();
ROLLBACK TO sp;
COMMIT;
BEGIN;
SELECT mvstore_pause();
SELECT mvstore_resume();
COMMIT;
SELECT * FROM blockers;
SELECT mvstore_put('p', 'k', 'v2') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');

-- Paused, nothing goes. The session is told once, and others by the views. Who
-- waits is told at once that it is of no use.
SELECT mvstore_pause();
SELECT mvstore_pause();
SELECT mvstore_put('p', 'k', 'v3') > 0 AS put;
SELECT mvstore_drop('s', 'a');
SELECT mvstore_drop('s', 'b', keep := 2, before := 3);
SELECT mvstore_drop('s', 'c'), mvstore_drop('s', 'c');
BEGIN;
SELECT mvstore_drop('s', 'd');
ROLLBACK;
SELECT mvstore_flush('10 minutes');
SELECT * FROM blockers;
SELECT value FROM mvstore_history('p', 'k');
-- Resuming is taken back, too.
BEGIN;
SELECT mvstore_resume();
SELECT * FROM blockers;
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_resume();
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_flush('10 minutes');
SELECT * FROM blockers;

-- What was requested: explicitly, with an id, and by a policy, with none.
SELECT id IS NOT NULL AS id, store, kind, convert_from(key, 'UTF8') AS key, keep,
       CASE WHEN before <= 4 THEN before END AS before,
       requested_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS requested_at,
       attempts, last_error, state
  FROM mvstore_requests ORDER BY store, key;
SELECT count(DISTINCT id) AS ids FROM mvstore_requests;
-- A stranger sees that there are requests, but not for which keys.
SET ROLE regress_mvstore_stranger;
SELECT store, key, keep, state FROM mvstore_requests ORDER BY store, keep;
SELECT count(*) FROM mvstore_journal;
SELECT count(*) FROM mvstore_paused;
SELECT kind, requests, holds_back FROM mvstore_blockers WHERE kind = 'paused';
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
SELECT store, convert_from(key, 'UTF8') AS key, keep, state FROM mvstore_requests ORDER BY store, keep, key;
RESET ROLE;
-- Nor for those of a store whose rows a policy of PostgreSQL may hide, by whatever way.
ALTER TABLE s ENABLE ROW LEVEL SECURITY;
SET ROLE regress_mvstore_stranger;
SELECT store, count(key) AS keys, count(*) > 0 AS some FROM mvstore_requests GROUP BY store ORDER BY store;
SELECT store, count(key) AS keys, count(*) > 0 AS some FROM mvstore_queued_requests() GROUP BY store ORDER BY store;
RESET ROLE;
ALTER TABLE s DISABLE ROW LEVEL SECURITY;

-- The state of a row, as it would be for a request of this transaction or of others.
SELECT system_identifier AS system FROM pg_control_system() \gset
SELECT oid AS database FROM pg_database WHERE datname = current_database() \gset
BEGIN;
SELECT mvstore_put('s', 'e', 'later') AS version \gset
SELECT mvstore_request_state(:version, :system, :database, :version, false, 0, 's') AS "as new as a writer",
       mvstore_request_state(:version, :system, :database, :version - 1, false, 0, 's') AS older,
       mvstore_request_state(:version, :system, :database, :version - 1, true, 4, 's') AS "no room",
       mvstore_request_state(:version, :system, :database, :version, true, 4, 's') AS "no room, as new",
       mvstore_request_state(:version, :system, :database, :version - 1, false, 5, 's') AS "5 attempts",
       mvstore_request_state(:version, :system + 1, :database, 1, false, 5, 's') AS "other system",
       mvstore_request_state(:version, :system, 1, 1, false, 5, 's') AS "other database",
       mvstore_request_state((SELECT seqstart - 1 FROM pg_sequence WHERE seqrelid = 'mvstore_clock'::regclass), :system, :database, 1, false, 5, 's') AS "other extension",
       mvstore_request_state(:version, NULL, :database, 1, false, 0, 's') AS "NULL";
-- The writer itself is told of as one who holds something back.
SELECT pid = pg_backend_pid() AS me, version = :version AS mine FROM mvstore_stat_writers();
SELECT kind, pid = pg_backend_pid() AS me, mine, since, store, requests, holds_back FROM blockers WHERE kind = 'writer';
ROLLBACK;
BEGIN;
SELECT mvstore_put_at('s', 'd', 'old', 5);
SELECT kind, pid = pg_backend_pid() AS me, mine, since, store, requests, holds_back FROM blockers WHERE kind = 'put_at';
ROLLBACK;

-- A request can be voided by its id, and that be taken back; of what has no id,
-- or is done, there is nothing to void.
SELECT id AS a FROM mvstore_requests WHERE store = 's'::regclass AND key = 'a' \gset
SELECT id AS b FROM mvstore_requests WHERE store = 's'::regclass AND key = 'b' \gset
BEGIN;
SELECT mvstore_cancel_request(:a);
SELECT mvstore_cancel_request(:a);
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_cancel_request(:a);
ROLLBACK TO sp;
SELECT mvstore_cancel_request(:b);
COMMIT;
SELECT mvstore_cancel_request(:b);
SELECT mvstore_cancel_request(0);
SELECT convert_from(key, 'UTF8') AS key, state FROM mvstore_requests WHERE store = 's'::regclass ORDER BY key;

-- One that has failed too often is tried again when that is asked for. (A superuser
-- can make it look so.)
UPDATE mvstore_journal SET attempts = 5, error = 'no such luck' WHERE id = :a;
SELECT convert_from(key, 'UTF8') AS key, attempts, last_error, state FROM mvstore_requests WHERE id = :a;
SELECT kind, store, requests, holds_back FROM blockers WHERE kind = 'error';
SELECT mvstore_retry_failed('p');
BEGIN;
SELECT mvstore_retry_failed('s');
SELECT attempts, last_error, state FROM mvstore_requests WHERE id = :a;
ROLLBACK;
SELECT attempts, last_error, state FROM mvstore_requests WHERE id = :a;
SELECT mvstore_retry_failed('s');
SELECT mvstore_retry_failed('s');
SELECT attempts, last_error, state FROM mvstore_requests WHERE id = :a;

-- One that a restore has brought waits for mvstore_resume(). (Likewise.)
SELECT id AS c FROM mvstore_requests WHERE store = 's'::regclass AND key = 'c' \gset
UPDATE mvstore_journal SET system = 1 WHERE id = :c;
SELECT state FROM mvstore_requests WHERE key = 'c';
SELECT mvstore_retry_failed('s');
BEGIN;
SELECT mvstore_resume();
SELECT id <> :c AS "new id", state FROM mvstore_requests WHERE key = 'c';
ROLLBACK;
SELECT id <> :c AS "new id", state FROM mvstore_requests WHERE key = 'c';

-- Resumed, all is done that was not voided.
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT mvstore_resume();
SELECT * FROM mvstore_requests;
SELECT * FROM blockers;
SELECT k, (SELECT string_agg(value, ' ') FROM mvstore_history('s', k)) AS entries FROM unnest('{a,b,c,d,e}'::text[]) k;
SELECT value FROM mvstore_history('p', 'k');

-- Who is no operator has no say in any of this.
SELECT f, has_function_privilege('regress_mvstore_stranger', f, 'EXECUTE') AS stranger,
       has_function_privilege('regress_mvstore_operator', f, 'EXECUTE') AS operator
  FROM unnest('{mvstore_pause(),mvstore_resume(),mvstore_retry_failed(regclass),mvstore_cancel_request(bigint)}'::text[]) f;
\set VERBOSITY sqlstate
SET ROLE regress_mvstore_stranger;
SELECT mvstore_pause();
SELECT mvstore_resume();
SELECT mvstore_retry_failed('s');
SELECT mvstore_cancel_request(:a);
-- An operator may, also without any right on the store, but sees no keys.
SET ROLE regress_mvstore_operator;
SELECT mvstore_pause();
SELECT name FROM mvstore_blockers WHERE kind = 'paused';
RESET ROLE;
SELECT mvstore_drop('s', 'e');
SET ROLE regress_mvstore_operator;
SELECT store, key, state FROM mvstore_requests;
SELECT mvstore_retry_failed('s');
SELECT mvstore_cancel_request(id) FROM mvstore_requests;
SELECT mvstore_resume();
RESET ROLE;
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('s', 'e');

-- What is refused.
SELECT mvstore_retry_failed(NULL);
SELECT mvstore_cancel_request(NULL);
SELECT mvstore_cancel_request(-1);
BEGIN READ ONLY;
SAVEPOINT sp;
SELECT mvstore_pause();
ROLLBACK TO sp;
SELECT mvstore_resume();
ROLLBACK TO sp;
SELECT mvstore_retry_failed('s');
ROLLBACK TO sp;
SELECT mvstore_cancel_request(1);
ROLLBACK TO sp;
-- Looking is allowed.
SELECT count(*) FROM mvstore_requests;
SELECT count(*) FROM blockers;
ROLLBACK;
\set VERBOSITY default
DROP VIEW blockers;
DROP TABLE s, p;
DROP ROLE regress_mvstore_stranger, regress_mvstore_operator;
