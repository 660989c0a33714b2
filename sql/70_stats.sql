--
-- The counters count what was committed, and rows that were really removed.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_create('t', keep_versions := 1);
-- Nothing may be under way that others have left.
SELECT mvstore_flush();
SELECT * FROM mvstore_stats WHERE database = current_database() \gset before_
SELECT puts, deletes, requests, entries_dropped, bytes_dropped, keys_purged, keys_expired, floor
  FROM mvstore_store_stats WHERE store = 's'::regclass;

-- Puts and deletes: committed ones.
SELECT count(mvstore_put('s', 'k' || i, 'v')) FROM generate_series(1, 10) i;
SELECT mvstore_delete('s', 'k1') > 0 AS deleted;
SELECT mvstore_delete('s', 'absent');
BEGIN;
SELECT count(mvstore_put('s', 'k' || i, 'v')) FROM generate_series(1, 10) i;
SELECT mvstore_delete('s', 'k2') > 0 AS deleted;
ROLLBACK;
BEGIN;
SELECT mvstore_put('s', 'k2', 'v') > 0 AS put;
SAVEPOINT sp;
SELECT count(mvstore_put('s', 'k' || i, 'v')) FROM generate_series(1, 10) i;
SELECT mvstore_delete('s', 'k2') > 0 AS deleted;
ROLLBACK TO sp;
COMMIT;
SELECT puts, deletes, requests, entries_dropped FROM mvstore_store_stats WHERE store = 's'::regclass;

-- Drops: one request, of which a duplicate was merged; the entries that went.
SELECT mvstore_drop('s', 'k1');
SELECT mvstore_drop('s', 'k2');
SELECT mvstore_drop('s', 'k3');
BEGIN;
SELECT mvstore_drop('s', 'k4');
ROLLBACK;
SELECT mvstore_flush();
SELECT requests, entries_dropped, bytes_dropped > 0 AS bytes, keys_purged, floor IS NOT NULL AS floor
  FROM mvstore_store_stats WHERE store = 's'::regclass;
SELECT worker_pid IS NOT NULL AS worker, worker_state IS NOT NULL AS state, queue_length, queue_bytes, queue_capacity,
       queue_high_water > 0 AS high_water, oldest_request_age,
       requests_enqueued - :before_requests_enqueued AS enqueued,
       requests_processed - :before_requests_processed AS processed,
       requests_held AS held, requests_failed - :before_requests_failed AS failed,
       requests_overflowed - :before_requests_overflowed AS overflowed,
       entries_dropped - :before_entries_dropped AS dropped,
       bytes_dropped > :before_bytes_dropped AS bytes,
       batches > :before_batches AS batches,
       last_batch_at BETWEEN stats_since AND clock_timestamp() AS last_batch_at,
       last_batch_duration BETWEEN '0' AND '1 minute' AS duration,
       lag_mean BETWEEN '0' AND '1 minute' AS lag_mean, lag_max >= lag_mean AS lag_max, last_error
  FROM mvstore_stats WHERE database = current_database();

-- A policy's own requests, and keys that went whole.
SELECT mvstore_put('t', 'a', 'v1') > 0 AS put, mvstore_put('t', 'b', 'v1') > 0 AS put;
SELECT mvstore_put('t', 'a', 'v2') > 0 AS put;
SELECT mvstore_delete('t', 'b') > 0 AS deleted;
SELECT mvstore_flush();
SELECT puts, deletes, requests, entries_dropped, keys_purged FROM mvstore_store_stats WHERE store = 't'::regclass;

-- Asking for what is gone already drops nothing, and counts nothing as dropped.
SELECT entries_dropped AS dropped FROM mvstore_stats WHERE database = current_database() \gset before_
SELECT mvstore_drop('s', 'k1'), mvstore_drop('s', 'absent');
SELECT mvstore_flush();
SELECT entries_dropped - :before_dropped AS dropped FROM mvstore_stats WHERE database = current_database();

-- Anybody may look; a store's row goes with the store.
SELECT count(*) FROM mvstore_store_stats WHERE store IN ('s'::regclass, 't'::regclass);
DROP TABLE s, t;
SELECT count(*) FROM mvstore_store_stats;
