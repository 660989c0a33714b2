--
-- A compaction lets go what no read as of a version, or later, needs: all of that
-- and nothing else.
--
\pset null '(null)'
-- No sweep may be under way, which would take expired entries.
SELECT mvstore_flush();
SELECT mvstore_create('s');
-- Keys of every kind, with entries at 10, 20, ... 60.
SELECT count(mvstore_put_at('s', 'all', 'v' || v, v)) FROM generate_series(10, 60, 10) v;
SELECT mvstore_put_at('s', 'old', 'v10', 10), mvstore_put_at('s', 'at', 'v30', 30), mvstore_put_at('s', 'new', 'v40', 40);
SELECT mvstore_put_at('s', 'deleted at', 'v10', 10), mvstore_delete_at('s', 'deleted at', 30);
SELECT mvstore_put_at('s', 'deleted later', 'v10', 10), mvstore_delete_at('s', 'deleted later', 40);
SELECT mvstore_put_at('s', 'again', 'v10', 10), mvstore_delete_at('s', 'again', 20), mvstore_put_at('s', 'again', 'v50', 50);
INSERT INTO s VALUES ('expired at', 10, 'v10', mvstore_time_of(30)), ('expired later', 10, 'v10', mvstore_time_of(31)),
                     ('expired before the next', 10, 'v10', mvstore_time_of(20)), ('expired before the next', 40, 'v40', NULL);
CREATE TABLE before AS SELECT v, x.* FROM generate_series(10, 70) v, mvstore_scan('s', as_of := v) x;
SELECT count(*) FROM s;

-- To be on the safe side: nothing by one that is rolled back.
BEGIN;
SELECT mvstore_compact('s', 60);
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_compact('s', 60);
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_compact('s', 0);
SELECT mvstore_flush();
SELECT count(*) FROM s;

SELECT mvstore_compact('s', 30);
SELECT mvstore_flush();
SELECT convert_from(key, 'UTF8') AS key, string_agg(version || coalesce('', ' deleted'), ', ' ORDER BY version DESC) AS versions
  FROM s GROUP BY key ORDER BY key;
-- As of 30 or later all is as it was, and as of before it is said to be gone.
CREATE VIEW after AS SELECT v, x.* FROM generate_series(30, 70) v, mvstore_scan('s', as_of := v) x;
TABLE after EXCEPT TABLE before;
SELECT * FROM before WHERE v >= 30 EXCEPT TABLE after;
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;
\set VERBOSITY sqlstate
SELECT count(*) FROM mvstore_scan('s', as_of := 29);
SELECT mvstore_get('s', 'deleted at', 29);
SELECT mvstore_get('s', 'all', 29);
\set VERBOSITY default
-- What is there is the answer all the same.
SELECT mvstore_get('s', 'old', 15), mvstore_get('s', 'deleted later', 15);

-- It is done once: neither what comes later under these versions, nor what was
-- superseded after the call.
SELECT mvstore_put_at('s', 'late', 'v30', 30), mvstore_put_at('s', 'late', 'v31', 31);
SELECT mvstore_flush();
SELECT version FROM mvstore_history('s', 'late');
SELECT mvstore_create('now');
SELECT mvstore_flush();
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_put('now', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('now', 'k', 'v2') > 0 AS put;
SELECT mvstore_compact('now', 9223372036854775807);
RESET client_min_messages;
SELECT mvstore_put('now', 'k', 'v3') > 0 AS put;
SELECT mvstore_delete('now', 'k') > 0 AS deleted;
-- It waits as one request, for no key.
SELECT store, kind, key, to_key, keep, before > 0 AND before < 9223372036854775807 AS before, attempts, last_error, state
  FROM mvstore_requests;
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT value FROM mvstore_history('now', 'k');
-- Everything that was superseded by now.
SELECT mvstore_compact('now', 9223372036854775807);
SELECT mvstore_flush();
SELECT count(*) FROM now;
-- Of an earlier life of the store it is void. Two of a transaction are one.
BEGIN;
SELECT mvstore_compact('now', 9223372036854775807);
TRUNCATE now;
SELECT mvstore_put('now', 'k', 'v1') > 0 AS put;
COMMIT;
SELECT mvstore_put('now', 'k', 'v2') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('now', 'k');
BEGIN;
SELECT mvstore_compact('now', 10);
SELECT mvstore_compact('now', 9223372036854775807);
SELECT mvstore_compact('now', 20);
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('now', 'k');

-- A policy that keeps more does not stand in its way.
SELECT mvstore_set_policy('s', keep_versions := 100, keep_for := '36500 days');
SELECT mvstore_compact('s', 50);
SELECT mvstore_flush();
SELECT convert_from(key, 'UTF8') AS key, string_agg(version::text, ', ' ORDER BY version DESC) AS versions
  FROM s GROUP BY key ORDER BY key;
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;

-- More keys than one look takes.
SELECT mvstore_create('many');
INSERT INTO many (key, version, value)
  SELECT int4send(k), v, CASE WHEN v = 3 AND k % 2 = 0 THEN NULL ELSE 'v'::bytea END
    FROM generate_series(1, 15000) k, generate_series(1, 3) v;
SELECT mvstore_compact('many', 2);
SELECT mvstore_flush('5 minutes');
SELECT version, count(*), count(value) AS values FROM many GROUP BY version ORDER BY version;
SELECT mvstore_compact('many', 3);
SELECT mvstore_flush('5 minutes');
SELECT version, count(*), count(value) AS values FROM many GROUP BY version ORDER BY version;

\set VERBOSITY sqlstate
SELECT mvstore_compact(NULL, 10);
SELECT mvstore_compact('s', NULL);
SELECT mvstore_compact('s', -1);
SELECT mvstore_compact('before', 10);
\set VERBOSITY default
DROP VIEW after;
DROP TABLE s, before, now, many;
