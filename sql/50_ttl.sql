--
-- An entry with a time to live reads as absent once its time is over, and at no
-- read as of a version before that.
--
\pset null '(null)'
SELECT mvstore_create('s');

-- The end is stamped at the put: its version (or the clock, if that is later)
-- plus the ttl. A day has 24 hours.
BEGIN;
SELECT mvstore_put('s', 'long', 'v', ttl := '1 day') > 0 AS put;
SELECT mvstore_put('s', 'none', 'v') > 0 AS put;
SELECT key, value, expires_at - to_timestamp(version / 1000000.0) BETWEEN '23:59:59' AND '24:01' AS "a day later"
  FROM mvstore_get_entry('s', 'long');
SELECT key, value, expires_at FROM mvstore_get_entry('s', 'none');
COMMIT;
SELECT mvstore_get('s', 'long'), mvstore_contains('s', 'long');

-- Over, it reads as absent everywhere. (All in one transaction, as the worker may
-- purge an expired head as soon as it is committed.)
BEGIN;
SELECT mvstore_put('s', 'short', 'v', ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_put_raw('s', '\x00ff'::bytea, 'v'::bytea, ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_put_bytea('s', 'shorter', 'v'::bytea, ttl := '00:00:00.000001') > 0 AS put;
SELECT mvstore_get('s', 'short'), mvstore_contains('s', 'short'), mvstore_get('s', 'shorter'),
       mvstore_get_raw('s', '\x00ff'::bytea);
SELECT * FROM mvstore_get_entry('s', 'short');
SELECT array_agg(key) FROM mvstore_scan('s', 'l');
SELECT array_agg(key) FROM mvstore_scan_prefix('s', 's');
SELECT array_agg(key) FROM mvstore_scan('s', 'l', reverse := true, max_rows := 1);
-- Its entry is history, which shows it.
SELECT value, expires_at IS NOT NULL AS expires FROM mvstore_history('s', 'short');
SELECT value, expires_at IS NOT NULL AS expires FROM mvstore_previous('s', 'short');
-- There is nothing left to delete.
SELECT mvstore_delete('s', 'short');
SELECT count(*) FROM mvstore_history('s', 'short');
-- A new put lives again, for its own time or for ever; the last one counts.
SELECT mvstore_put('s', 'short', 'again', ttl := '1 hour') > 0 AS put;
SELECT value, expires_at IS NOT NULL AS expires FROM mvstore_get_entry('s', 'short');
SELECT mvstore_put('s', 'short', 'for ever') > 0 AS put;
SELECT value, expires_at FROM mvstore_get_entry('s', 'short');
COMMIT;
SELECT value, expires_at FROM mvstore_history('s', 'short');

-- What came before an expired entry does not shine through.
SELECT mvstore_put('s', 'short', 'over', ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_get('s', 'short'), mvstore_contains('s', 'short');
SELECT mvstore_put('s', 'short', 'once more') > 0 AS put;
SELECT mvstore_get('s', 'short');

-- As of a version before its end the value is there.
SELECT mvstore_create('u');
CREATE FUNCTION regress_time(version bigint) RETURNS timestamptz LANGUAGE sql AS
  $$ SELECT timestamptz '1970-01-01 00:00:00+00' + version * interval '1 microsecond' $$;
INSERT INTO u (key, version, value, expires_at)
  VALUES ('past', 10, 'ten', regress_time(20)), ('past', 30, 'thirty', NULL);
SELECT v AS as_of, mvstore_get('u', 'past', v), mvstore_contains('u', 'past', v),
       (mvstore_get_entry('u', 'past', v)).version,
       (SELECT count(*) FROM mvstore_scan('u', 'past', 'past ', as_of := v)) AS scan,
       (SELECT count(*) FROM mvstore_scan_prefix('u', 'past', as_of := v)) AS prefix
  FROM unnest('{9,10,19,20,21,29,30}'::bigint[]) v;
-- It is superseded history like any other to a drop.
SELECT mvstore_drop('u', 'past');
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('u', 'past');
DROP FUNCTION regress_time;

-- A store's ttl is that of every put that names none.
SELECT mvstore_create('t', ttl := '2 hours');
SELECT mvstore_put('t', 'k', 'v') > 0 AS put, mvstore_put('t', 'own', 'v', ttl := '10 hours') > 0 AS put,
       mvstore_put('t', 'null', 'v', ttl := NULL) > 0 AS put, mvstore_put_raw('t', 'bytes'::bytea, 'v'::bytea) > 0 AS put;
SELECT convert_from(key, 'UTF8') AS key, expires_at - to_timestamp(version / 1000000.0) BETWEEN '01:59:59' AND '02:01' AS "two hours"
  FROM t ORDER BY key;
-- Tombstones do not expire, nor does what is written into the past.
SELECT mvstore_delete('t', 'k') > 0 AS deleted;
SELECT mvstore_put_at('t', 'past', 'v', 10);
SELECT value, expires_at IS NOT NULL AS expires FROM mvstore_history('t', 'k');
SELECT value, expires_at FROM mvstore_history('t', 'past');

\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v', ttl := '0');
SELECT mvstore_put('s', 'k', 'v', ttl := '-1 s');
SELECT mvstore_put('s', 'k', 'v', ttl := '1 month');
SELECT mvstore_put('s', 'k', 'v', ttl := '1 day -86400 s');
SELECT mvstore_put('s', 'k', 'v', ttl := '2147483647 days');
\set VERBOSITY default
SELECT mvstore_contains('s', 'k');
DROP TABLE s, t, u;
