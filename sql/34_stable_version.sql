--
-- The stable version names a state that will not change any more.
--
\pset null '(null)'
SET TIME ZONE 'UTC';
SELECT mvstore_create('s');
SELECT mvstore_put('s', 'k', 'one') AS v1 \gset

-- With nobody writing, it is the present: what was committed is below it.
SELECT mvstore_stable_version() AS stable \gset
SELECT :stable >= :v1 AS "covers what is committed", mvstore_time_of(:stable) BETWEEN now() - interval '1 min' AND now() + interval '1 min' AS "a time of now";
SELECT mvstore_get('s', 'k', as_of := :stable), mvstore_count('s', as_of := mvstore_stable_version());
-- Asked again it may be newer, never older; in one statement, too.
SELECT bool_and(rises) AS "never older"
  FROM (SELECT v >= lag(v, 1, :stable) OVER (ORDER BY i) AS rises FROM (SELECT i, mvstore_stable_version() AS v FROM generate_series(1, 1000) i OFFSET 0) asked) pairs;
-- What is written from now on is above it, so a read as of it does not change.
SELECT mvstore_put('s', 'k', 'two') > :stable AS above;
SELECT mvstore_get('s', 'k', as_of := :stable), mvstore_get('s', 'k');
SELECT count(*) FROM mvstore_diff('s', :v1, :stable);
-- Ask once and pass it on: one state, in all parts of a query.
WITH frozen AS MATERIALIZED (SELECT mvstore_stable_version() AS v)
SELECT v >= :stable AS newer, mvstore_count('s', as_of := v), e.value,
       (SELECT count(*) FROM mvstore_diff('s', :stable, v)) AS changes
  FROM frozen, mvstore_get_entry('s', 'k', as_of := v) e;

-- The own transaction is unfinished: it is one below its version, whatever is asked
-- and written further.
BEGIN;
SELECT mvstore_stable_version() >= :stable AS newer;
SELECT mvstore_put('s', 'k', 'three') AS own \gset
SELECT mvstore_stable_version() = :own - 1 AS "just below";
SELECT mvstore_put('s', 'l', 'three') = :own AS "same version", mvstore_stable_version() = :own - 1 AS "just below";
SELECT mvstore_get('s', 'k', as_of := mvstore_stable_version()), mvstore_get('s', 'k');
COMMIT;
SELECT mvstore_stable_version() >= :own AS covered;
-- Rolled back, nothing is left of the version.
BEGIN;
SELECT mvstore_put('s', 'k', 'four') AS own \gset
SELECT mvstore_stable_version() = :own - 1 AS "just below";
ROLLBACK;
SELECT mvstore_stable_version() >= :own AS covered;
-- Likewise to a savepoint.
BEGIN;
SAVEPOINT sp;
SELECT mvstore_put('s', 'k', 'four') AS own \gset
SELECT mvstore_stable_version() = :own - 1 AS "just below";
ROLLBACK TO sp;
SELECT mvstore_stable_version() >= :own AS covered;
SELECT mvstore_stable_version() AS stable \gset
SELECT mvstore_put('s', 'k', 'four') AS own2 \gset
SELECT :own2 > :stable AS "a new version, above it", mvstore_stable_version() = :own2 - 1 AS "just below";
SAVEPOINT sp;
SELECT mvstore_put('s', 'k', 'five') = :own2 AS "same version";
ROLLBACK TO sp;
SELECT mvstore_stable_version() = :own2 - 1 AS "just below";
COMMIT;

-- Under REPEATABLE READ, too.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT mvstore_stable_version() AS stable \gset
SELECT mvstore_get('s', 'k', as_of := :stable);
SELECT mvstore_stable_version() >= :stable AS "never older";
SELECT mvstore_put('s', 'k', 'six') AS own \gset
SELECT :own > :stable AS above, mvstore_stable_version() = :own - 1 AS "just below";
COMMIT;

-- mvstore_put_at is below it at once; as of a version of its own, it can be read.
SELECT mvstore_put_at('s', 'past', 'v', :stable), mvstore_get('s', 'past', as_of := :stable);
SELECT mvstore_get('s', 'past', as_of := :stable);

-- What is not stable, no read takes.
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'k', as_of := mvstore_stable_version() + 60000000);
\set VERBOSITY default

-- Waiting: over at once where it is so already.
SET statement_timeout = '2min';    -- for what should not wait
SELECT mvstore_wait_stable(0), mvstore_wait_stable(1), mvstore_wait_stable(:own), mvstore_wait_stable(mvstore_stable_version());
SELECT mvstore_wait_stable(:own, '0'), mvstore_wait_stable(:own, timeout := '1 hour'), mvstore_wait_stable(version := :own);
-- The timeout.
SELECT mvstore_wait_stable(9223372036854775807, '0'), mvstore_wait_stable(mvstore_stable_version() + 3600000000, '20 ms'),
       mvstore_wait_stable(9223372036854775807, '1 ms');
-- Or the clock gets there.
SELECT mvstore_wait_stable(mvstore_version_at(clock_timestamp() + interval '50 ms'), '1 min');
SELECT mvstore_wait_stable(mvstore_version_at(clock_timestamp() + interval '1.5 s'), '1 min') AS "beyond the mark of the clock";
-- For the own transaction, it does not wait for itself, but for what is below.
BEGIN;
SELECT mvstore_put('s', 'k', 'seven') AS own \gset
SELECT mvstore_wait_stable(:own, '1 hour'), mvstore_wait_stable(:own + 1, '1 hour'), mvstore_wait_stable(9223372036854775807, '1 hour');
SELECT mvstore_wait_stable(:own - 1, '1 hour'), mvstore_wait_stable(0, '1 hour');
SAVEPOINT sp;
SELECT mvstore_put('s', 'l', 'seven') = :own AS "same version";
ROLLBACK TO sp;
SELECT mvstore_wait_stable(:own, '1 hour');
COMMIT;
SELECT mvstore_wait_stable(:own, '1 hour');
BEGIN;
SAVEPOINT sp;
SELECT mvstore_put('s', 'k', 'eight') AS own \gset
ROLLBACK TO sp;
SELECT mvstore_wait_stable(:own, '1 hour') AS "nobody's version any more";
ROLLBACK;
-- Where the snapshot stays, it is told at once by it.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT mvstore_stable_version() AS stable \gset
SELECT mvstore_wait_stable(:stable, '1 hour'), mvstore_wait_stable(:stable + 3600000000, '1 hour');
SELECT mvstore_put('s', 'k', 'nine') AS own \gset
SELECT mvstore_wait_stable(:own - 1, '1 hour'), mvstore_wait_stable(:own, '1 hour');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT mvstore_wait_stable(:own, '1 hour'), mvstore_wait_stable(:own + 3600000000, '1 hour');
COMMIT;
-- A consumer in a function: each statement of it has a snapshot of its own.
CREATE FUNCTION regress_get_as_of(store regclass, key text, as_of bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF NOT mvstore_wait_stable(as_of, '1 min') THEN
    RETURN 'too late';
  END IF;
  RETURN mvstore_get(store, key, as_of);
END $$;
SELECT regress_get_as_of('s', 'k', mvstore_version_at(clock_timestamp() + interval '50 ms'));
DROP FUNCTION regress_get_as_of;
RESET statement_timeout;

-- Wrong arguments.
\set VERBOSITY sqlstate
SELECT mvstore_wait_stable(NULL);
SELECT mvstore_wait_stable(1, NULL);
SELECT mvstore_wait_stable(-1);
SELECT mvstore_wait_stable(1, '-1 s');
SELECT mvstore_wait_stable(1, '1 month');
SELECT mvstore_wait_stable(1, '1 day -86401 s');
\set VERBOSITY default

-- No right is needed, and nothing is written.
CREATE ROLE regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
BEGIN READ ONLY;
SELECT mvstore_stable_version() >= :own AS newer, mvstore_wait_stable(:own), mvstore_time_of(1), mvstore_version_at(mvstore_time_of(1));
COMMIT;
RESET ROLE;
DROP ROLE regress_mvstore_stranger;

-- A version is a time in microseconds since 1970, and the other way round.
SELECT mvstore_version_at('1970-01-01 00:00:00+00') AS epoch, mvstore_version_at('1970-01-01 00:00:00.000001+00') AS first,
       mvstore_version_at('2000-01-01 00:00:00+00') AS y2000, mvstore_version_at('2026-11-22 11:27:57.294407+00'),
       mvstore_version_at('2026-11-22 12:27:57.294407+01') AS "of any zone";
SELECT mvstore_time_of(0) AS epoch, mvstore_time_of(1) AS first, mvstore_time_of(946684800000000) AS y2000, mvstore_time_of(1795346877294407);
SELECT mvstore_time_of(mvstore_version_at(t)) = t AS there_and_back
  FROM unnest('{1970-01-01 00:00:00+00,1999-12-31 23:59:59.999999+00,2038-01-19 03:14:08+00,9999-12-31 23:59:59.999999+00,infinity}'::timestamptz[]) t;
SELECT mvstore_version_at(mvstore_time_of(v)) = v AS there_and_back
  FROM unnest('{0,1,946684799999999,946684800000000,1795346877294407,9223372036854775806,9223372036854775807}'::bigint[]) v;
-- The ends: no version is before 1970, and the last is that of any later time.
SELECT mvstore_version_at('infinity'), mvstore_version_at('-infinity'), mvstore_version_at('1969-12-31 23:59:59.999999+00'),
       mvstore_version_at('4713-01-01 00:00:00+00 BC');
SELECT mvstore_time_of(9223372036854775807), mvstore_time_of(9223372036854775806);
SELECT mvstore_version_at('294247-01-10 04:00:54.775807+00'), mvstore_version_at('294276-12-31 23:59:59.999999+00');
SELECT mvstore_version_at(NULL), mvstore_time_of(NULL);
\set VERBOSITY sqlstate
SELECT mvstore_time_of(-1);
SELECT mvstore_time_of((-9223372036854775808)::bigint);
\set VERBOSITY default
-- So the past can be asked for by time.
SELECT mvstore_create('t');
SELECT mvstore_put_at('t', 'k', v, mvstore_version_at(v::timestamptz)) FROM unnest('{2020-01-01,2020-02-01,2020-03-01}'::text[]) v;
SELECT mvstore_get('t', 'k', as_of := mvstore_version_at('2020-02-15')), mvstore_get('t', 'k', as_of := mvstore_version_at('2020-02-01')),
       mvstore_get('t', 'k', as_of := mvstore_version_at('infinity')), mvstore_get('t', 'k', as_of := mvstore_version_at('-infinity'));
SELECT mvstore_time_of(version) AS time, value FROM mvstore_history('t', 'k');
-- They are the same whenever they are asked, so they may stand in an index.
CREATE INDEX t_time ON t (mvstore_time_of(version));
SELECT mvstore_put('t', 'k', 'now') > 0 AS put;
SELECT count(*) FROM t WHERE mvstore_time_of(version) >= '2020-02-01' AND mvstore_time_of(version) < '2020-03-02';
RESET TIME ZONE;
DROP TABLE s, t;
