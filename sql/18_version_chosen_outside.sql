--
-- mvstore_use_version(): a transaction has a version that was chosen outside, so that
-- several servers can write under one. It is in order with all others.
--
SELECT mvstore_create('s');
SHOW mvstore.max_clock_ahead;
SELECT mvstore_put('s', 'k', 'v1') AS first \gset

-- Chosen as all servers would take it: above all that was handed out.
SELECT mvstore_current_version() + 100000 AS mine \gset
SELECT :mine > :first AS later;
BEGIN;
SELECT mvstore_use_version(:mine);
SELECT mvstore_use_version(:mine) AS "the same again";
SELECT mvstore_put('s', 'k', 'v2') = :mine AS mine;
SELECT mvstore_stable_version() = :mine - 1 AS below;
COMMIT;
SELECT mvstore_put('s', 'k', 'v3') > :mine AS later, mvstore_current_version() > :mine AS later;
SELECT mvstore_get('s', 'k', :mine - 1), mvstore_get('s', 'k', :mine), mvstore_get('s', 'k');

-- Versions have got further: with the lowest that would do.
\set VERBOSITY sqlstate
SELECT mvstore_use_version(:mine);
SELECT mvstore_use_version(0);
SELECT mvstore_use_version(-1);
SELECT mvstore_use_version(NULL);
SELECT mvstore_use_version(mvstore_version_at(clock_timestamp() + interval '1 min'));
SELECT mvstore_use_version(9223372036854775807);
BEGIN;
SELECT mvstore_put('s', 'k', 'v4') > 0 AS put;
SELECT mvstore_use_version(mvstore_current_version() + 1);
ROLLBACK;
BEGIN READ ONLY;
SELECT mvstore_use_version(mvstore_current_version() + 1);
ROLLBACK;
\set VERBOSITY default
DO $$
DECLARE
  problem text;
  lowest bigint;
  tried bigint := 1;
BEGIN
  LOOP
    BEGIN
      PERFORM mvstore_use_version(tried);
      EXIT;
    EXCEPTION WHEN serialization_failure THEN
      GET STACKED DIAGNOSTICS problem = PG_EXCEPTION_DETAIL;
      lowest := substring(problem FROM '\d+')::bigint;
      RAISE INFO '%', regexp_replace(problem, '\d+', 'N');
      tried := lowest;
    END;
  END LOOP;
  IF mvstore_put('s', 'k', 'v4') <> lowest THEN
    RAISE 'another version';
  END IF;
END $$;

-- A savepoint takes it back; then the clock gives one.
BEGIN;
SAVEPOINT sp;
SELECT mvstore_current_version() + 500000 AS mine \gset
SELECT mvstore_use_version(:mine);
SELECT mvstore_put('s', 'k', 'v5') = :mine AS mine;
ROLLBACK TO sp;
SELECT mvstore_put('s', 'k', 'v5') > :mine AS later;
COMMIT;
-- A transaction that only reads, or writes to other tables, may have one, too.
BEGIN;
SELECT mvstore_use_version(mvstore_current_version() + 1000);
COMMIT;

-- With expectations, and all isolation levels.
SELECT version AS head FROM mvstore_get_entry('s', 'k') \gset
SELECT mvstore_current_version() + 100000 AS mine \gset
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT mvstore_use_version(:mine);
SELECT mvstore_put_if('s', 'k', 'v6', :head) = :mine AS mine, mvstore_put_if('s', 'k', 'v6', 1) AS refused;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT mvstore_current_version() + 100000 AS mine \gset
SELECT mvstore_use_version(:mine);
SELECT mvstore_put_many('s', '{a,b}', '{v,v}') = :mine AS mine;
COMMIT;
SELECT count(*) FROM s WHERE version = :mine;

-- Ahead of the wall clock, "now" is what was handed out: of it all goes on.
SELECT mvstore_version_at(clock_timestamp() + interval '0.9 s') AS mine \gset
BEGIN;
SELECT mvstore_use_version(:mine);
SELECT mvstore_put('s', 'k', 'v7') = :mine AS mine;
COMMIT;
SELECT mvstore_stable_version() >= :mine AS stable, mvstore_get('s', 'k', :mine) AS value;
SELECT mvstore_put('s', 'k', 'v8') > :mine AS later;
ALTER SYSTEM SET mvstore.max_clock_ahead = 0;
SELECT pg_reload_conf();
SELECT mvstore_current_version() + 1 AS mine \gset
\connect -
SHOW mvstore.max_clock_ahead;
\set VERBOSITY sqlstate
SELECT mvstore_use_version(mvstore_version_at(clock_timestamp() + interval '10 s'));
\set VERBOSITY default
ALTER SYSTEM RESET mvstore.max_clock_ahead;
SELECT pg_reload_conf();
-- What lives for a while lives as long from its version on. (Until the clock is there.)
SELECT mvstore_put('s', 'short', 'v', ttl := '1 microsecond') AS short \gset
SELECT mvstore_get('s', 'short') AS value, mvstore_time_of(:short) > clock_timestamp() AS ahead;
SELECT mvstore_wait_stable(:short + 1000, '1 min') AS "the clock is there";
SELECT mvstore_get('s', 'short') AS value, mvstore_time_of(:short) > clock_timestamp() AS ahead;
DROP TABLE s;
