--
-- mvstore_stats_reset() sets counters to zero, and nothing else.
--
\pset null '(null)'
CREATE VIEW regress_counters AS
  SELECT requests_enqueued, requests_merged, requests_overflowed, requests_processed, requests_held, requests_failed, entries_dropped,
         bytes_dropped, batches, last_batch_at, last_batch_duration, lag_mean, lag_max, sweeps, keys_due,
         maintenance_runs <= 1 AS maintenance_runs, last_error, last_error_at
    FROM mvstore_stats WHERE database = current_database();
CREATE VIEW regress_store_counters AS
  SELECT store, puts, deletes, requests, entries_dropped, bytes_dropped, keys_purged, keys_expired, last_sweep, entries_swept, keys_due
    FROM mvstore_store_stats;
-- Nothing may be under way that others have left, nor a first pass.
SELECT mvstore_flush();
SELECT mvstore_create('s', keep_versions := 2, keep_for := '0');
SELECT mvstore_create('t', keep_versions := 1);
-- Something of every kind that a store counts.
SELECT count(mvstore_put_at('s', 'k', 'v', v)) FROM generate_series(10, 50, 10) v;
SELECT mvstore_put('s', 'k', 'v') > 0 AS put;
SELECT mvstore_put('s', 'k', 'v') > 0 AS put;
SELECT mvstore_delete('s', 'k') > 0 AS deleted;
SELECT mvstore_put('s', 'e', 'v', ttl := '1 microsecond') > 0 AS put;
DO $$
BEGIN
  FOR i IN 1 .. 10000 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM s);
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT mvstore_sweep('s');
SELECT mvstore_put('t', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('t', 'k', 'v2') > 0 AS put;
SELECT mvstore_flush();
SELECT puts, deletes, requests > 0 AS requests, entries_dropped, bytes_dropped > 0 AS bytes_dropped, keys_purged, keys_expired,
       last_sweep IS NOT NULL AS last_sweep, entries_swept, keys_due > 0 AS keys_due
  FROM regress_store_counters WHERE store = 's'::regclass;
SELECT requests_enqueued > 0 AS enqueued, requests_processed > 0 AS processed, entries_dropped > 0 AS dropped, bytes_dropped > 0 AS bytes,
       batches > 0 AS batches, last_batch_at IS NOT NULL AS last_batch_at, lag_mean IS NOT NULL AS lag_mean, sweeps > 0 AS sweeps, keys_due > 0 AS keys_due
  FROM regress_counters;
SELECT store, floor AS floor FROM mvstore_store_stats WHERE store = 's'::regclass \gset before_
SELECT stats_since AS since FROM mvstore_stats WHERE database = current_database() \gset

-- Paused, with requests that wait, one that failed and a pin: these are no counters.
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_put('t', 'k', 'v3') > 0 AS put;
SELECT mvstore_drop('t', 'k'), mvstore_drop('t', 'j');
RESET client_min_messages;
UPDATE mvstore_journal SET attempts = 5, error = 'no such luck' WHERE key = 'j';
SELECT mvstore_pin('regress', store := 't') > 0 AS pinned;
SELECT mvstore_stats_reset();
SELECT * FROM regress_counters;
SELECT * FROM regress_store_counters ORDER BY store;
SELECT stats_since > :'since' AS since, queue_length, queue_high_water FROM mvstore_stats WHERE database = current_database();
SELECT count(*) FROM mvstore_pins;
SELECT kind, attempts, state FROM mvstore_requests ORDER BY kind, attempts;
SELECT floor = :before_floor AS "the same floor" FROM mvstore_store_stats WHERE store = 's'::regclass;
SELECT keep_versions, keep_for FROM mvstore_stores WHERE store = 's'::regclass;

-- From there on it is counted anew.
SELECT mvstore_unpin('regress');
SELECT mvstore_retry_failed('t');
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT value FROM mvstore_history('t', 'k');
SELECT mvstore_put('s', 'k', 'v') > 0 AS put, mvstore_put('s', 'j', 'v') > 0 AS put;
SELECT store, puts, deletes, entries_dropped, keys_purged FROM regress_store_counters ORDER BY store;
SELECT entries_dropped, batches > 0 AS batches, requests_failed FROM regress_counters;

-- It is no part of a transaction.
BEGIN;
SELECT mvstore_stats_reset();
ROLLBACK;
SELECT entries_dropped, batches FROM regress_counters;
SELECT store, puts FROM regress_store_counters ORDER BY store;

DROP VIEW regress_counters, regress_store_counters;
DROP TABLE s, t;
