--
-- An entry with a time to live reads as absent once its time is over, and at no
-- read as of a version before that.
--
\pset null '(null)'
SELECT mvstore_create('s');

-- The end is stamped at the put: its version (or the clock, if that is later)
-- plus the ttl. A day has 24 hours.
BEGIN;
SELECT mvstore_put('s', 'long', 'v', ttl := '1 day') AS v1 \gset
SELECT mvstore_put('s', 'none', 'v') AS v2 \gset
SELECT key, value, expires_at - to_timestamp(version / 1000000.0) BETWEEN '23:59:59' AND '24:01' AS "a day later"
  FROM mvstore_get_entry('s', 'long');
SELECT key, value, expires_at FROM mvstore_get_entry('s', 'none');
COMMIT;
SELECT mvstore_get('s', 'long'), mvstore_contains('s', 'long');

-- Over, it reads as absent everywhere.
SELECT mvstore_put('s', 'short', 'v', ttl := '1 microsecond') AS v \gset
SELECT mvstore_put('s', '\x00ff'::bytea, 'v'::bytea, ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_put('s', 'shorter', 'v'::bytea, ttl := '00:00:00.000001') > 0 AS put;
SELECT mvstore_get('s', 'short'), mvstore_contains('s', 'short'), mvstore_get('s', 'shorter'),
       mvstore_get('s', '\x00ff'::bytea);
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

-- As of a version before its end the value is there.
SELECT (extract(epoch FROM expires_at) * 1000000)::bigint AS e FROM mvstore_history('s', 'short') \gset
SELECT :e > :v AS "the end is after the put", mvstore_get('s', 'short', :v), mvstore_get('s', 'short', :e - 1),
       mvstore_get('s', 'short', :e), mvstore_contains('s', 'short', :e - 1), mvstore_contains('s', 'short', :e);
SELECT (SELECT count(*) FROM mvstore_scan('s', 'short', 'short ', as_of := :e - 1)) AS "scan before",
       (SELECT count(*) FROM mvstore_scan('s', 'short', 'short ', as_of := :e)) AS "scan after";

-- A new put lives again, for ever or for its own time; the last one counts. What
-- came before an expired entry does not shine through.
SELECT mvstore_put('s', 'short', 'again') > 0 AS put;
SELECT mvstore_get('s', 'short');
SELECT mvstore_put('s', 'short', 'over', ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_get('s', 'short');
BEGIN;
SELECT mvstore_put('s', 'short', 'a', ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_put('s', 'short', 'b') > 0 AS put;
SELECT value, expires_at FROM mvstore_get_entry('s', 'short');
SELECT mvstore_put('s', 'short', 'c', ttl := '1 hour') > 0 AS put;
SELECT value, expires_at IS NOT NULL AS expires FROM mvstore_get_entry('s', 'short');
COMMIT;
SELECT value, expires_at IS NOT NULL AS expires FROM mvstore_history('s', 'short') LIMIT 1;

-- A store's ttl is that of every put that names none.
SELECT mvstore_create('t', ttl := '2 hours');
SELECT mvstore_put('t', 'k', 'v') > 0 AS put, mvstore_put('t', 'own', 'v', ttl := '1 microsecond') > 0 AS put,
       mvstore_put('t', 'null', 'v', ttl := NULL) > 0 AS put, mvstore_put('t', 'bytes'::bytea, 'v'::bytea) > 0 AS put;
SELECT convert_from(key, 'UTF8') AS key, expires_at - to_timestamp(version / 1000000.0) BETWEEN '01:59:59' AND '02:01' AS "two hours"
  FROM t ORDER BY key;
SELECT mvstore_get('t', 'k'), mvstore_get('t', 'own');
-- Tombstones do not expire.
SELECT mvstore_delete('t', 'k') > 0 AS deleted;
SELECT value, expires_at IS NOT NULL AS expires FROM mvstore_history('t', 'k');

-- An expired entry is superseded history like any other to a drop.
SELECT mvstore_put('s', 'dropped', 'a', ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_put('s', 'dropped', 'b', ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_put('s', 'dropped', 'c') > 0 AS put;
SELECT mvstore_drop('s', 'dropped', keep := 2);
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'dropped');

\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v', ttl := '0');
SELECT mvstore_put('s', 'k', 'v', ttl := '-1 s');
SELECT mvstore_put('s', 'k', 'v', ttl := '1 month');
SELECT mvstore_put('s', 'k', 'v', ttl := '1 day -86400 s');
SELECT mvstore_put('s', 'k', 'v', ttl := '2147483647 days');
\set VERBOSITY default
SELECT mvstore_contains('s', 'k');
DROP TABLE s, t;
