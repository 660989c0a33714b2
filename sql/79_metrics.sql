--
-- What a monitoring system scrapes: numbers that move as things happen, seen by a role
-- that may read no store.
--
\pset null '(null)'
-- All that is no name is a number, and what is a time, a size or a counter says so by its name.
SELECT c.relname AS view, a.attname AS wrong
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relname IN ('mvstore_metrics', 'mvstore_store_metrics', 'mvstore_blocker_metrics')
   AND NOT (a.attname IN ('database', 'schema', 'store', 'name', 'kind') AND a.atttypid IN ('name'::regtype, 'text'::regtype)
         OR a.attname ~ '_seconds(_total)?$' AND a.atttypid = 'double precision'::regtype
         OR a.attname !~ '_seconds(_total)?$' AND a.atttypid IN ('integer'::regtype, 'bigint'::regtype, 'double precision'::regtype));

SELECT mvstore_flush();
SELECT mvstore_create('s', keep_versions := 3);
SELECT mvstore_create('t');
ALTER TABLE s SET (autovacuum_enabled = off);
SELECT * FROM mvstore_metrics \gset before_
SELECT count(mvstore_put_at('s', 'k' || k, 'v', v)) FROM generate_series(1, 10) k, generate_series(10, 40, 10) v;
SELECT mvstore_drop('s', 'k1', keep := 1);
SELECT mvstore_flush();
SELECT database = current_database() AS database, is_primary, launcher_up, worker_up, worker_wanted, paused, rate_limited,
       queue_length, queue_bytes, queue_capacity, queue_oldest_seconds, requests_held, requests_failed, stores,
       writers, oldest_writer_seconds, stable_lag_seconds, pins, oldest_pin_seconds
  FROM mvstore_metrics;
-- They are those of mvstore_stats.
SELECT m.requests_enqueued_total = s.requests_enqueued AND m.requests_merged_total = s.requests_merged
       AND m.requests_overflowed_total = s.requests_overflowed AND m.requests_processed_total = s.requests_processed
       AND m.queue_high_water = s.queue_high_water AND m.batches_total = s.batches AND m.sweeps_total = s.sweeps
       AND m.due_keys_total = s.keys_due AND m.dropped_entries_total = s.entries_dropped AND m.dropped_bytes_total = s.bytes_dropped
       AND m.vacuums_total <= s.maintenance_runs + 1
       AND abs(m.lag_seconds_total - extract(epoch FROM s.lag_mean) * m.lag_requests_total) < 0.001 * m.lag_requests_total
       AND m.lag_max_seconds = extract(epoch FROM s.lag_max)::float8 AS same
  FROM mvstore_metrics m JOIN mvstore_stats s USING (database);
SELECT requests_processed_total > :before_requests_processed_total AS processed, lag_requests_total > :before_lag_requests_total AS lag,
       dropped_entries_total - :before_dropped_entries_total AS dropped FROM mvstore_metrics;
SELECT schema, store, puts_total, deletes_total, requests_total > 0 AS requests, dropped_entries_total, dropped_bytes_total > 0 AS bytes,
       purged_keys_total, floor_age_seconds > 1000000000 AS floor_age, floor_age_seconds < 'Infinity' AS gone, size_bytes > 0 AS size
  FROM mvstore_store_metrics ORDER BY store;

-- Refusals are counted, by store and for the database, though nothing commits; not those of other kinds.
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'k1', as_of := 15);
SELECT count(*) FROM mvstore_scan('s', as_of := 15);
SELECT count(*) FROM mvstore_changes('s', 15);
SELECT mvstore_pin('p', 15, store := 's');
SELECT mvstore_put_at('s', 'k1', 'v', 5);
SELECT mvstore_get('t', 'k1', as_of := 9223372036854775806);
SELECT mvstore_get('absent', 'k1', as_of := 15);
\set VERBOSITY default
SELECT reads_refused_total - :before_reads_refused_total AS refused, retries_total - :before_retries_total AS retries FROM mvstore_metrics;
SELECT store, reads_refused_total, retries_total FROM mvstore_store_metrics ORDER BY store;

-- What is in the way, and for how long.
SELECT mvstore_pin('regress', store := 't') > 0 AS pinned;
BEGIN;
SELECT mvstore_put('t', 'k', 'v') > 0 AS put;
SELECT writers, oldest_writer_seconds > 0 AS oldest_writer, stable_lag_seconds > 0 AS stable_lag, pins, oldest_pin_seconds > 0 AS oldest_pin
  FROM mvstore_metrics;
COMMIT;
SELECT mvstore_pause();
SELECT paused FROM mvstore_metrics;
SELECT kind, CASE name WHEN current_user THEN 'me' ELSE name END AS name, schema, store, reasons, oldest_seconds > 0 AS oldest, requests, entries
  FROM mvstore_blocker_metrics WHERE kind IN ('pin', 'paused') ORDER BY kind;
SELECT mvstore_resume();
SELECT mvstore_unpin('regress');

-- Sizes, for who may read statistics.
CREATE FUNCTION regress_sizes() RETURNS TABLE (entries float8, live boolean, history boolean, all_told boolean) LANGUAGE sql
AS $$ SELECT entries, live_bytes > 0, history_bytes > live_bytes, abs(live_bytes + history_bytes + dead_bytes - size_bytes) < 1
        FROM mvstore_store_metrics WHERE store = 's' $$;
SELECT * FROM regress_sizes();
VACUUM ANALYZE s;
SELECT * FROM regress_sizes();
CREATE ROLE regress_mvstore_monitor IN ROLE pg_monitor;
CREATE ROLE regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
SELECT * FROM regress_sizes();
RESET ROLE;
SET ROLE regress_mvstore_monitor;
SELECT mvstore_get('s', 'k1');
SELECT * FROM regress_sizes();
SELECT count(*) FROM mvstore_metrics;
SELECT count(*) >= 0 AS blockers FROM mvstore_blocker_metrics;
-- It does not depend on what the caller has of such names.
CREATE TEMPORARY TABLE pg_database (oid oid, datname name);
CREATE TEMPORARY TABLE mvstore_policy (store regclass);
SELECT count(*), min(stores) AS stores FROM mvstore_metrics;
DROP TABLE pg_temp.pg_database, pg_temp.mvstore_policy;
RESET ROLE;

-- A store's numbers go with it; what the database was refused stays counted, till somebody resets that.
DROP TABLE s, t;
SELECT count(*) FROM mvstore_store_metrics;
SELECT reads_refused_total - :before_reads_refused_total AS refused, stores FROM mvstore_metrics;
SELECT mvstore_stats_reset();
SELECT reads_refused_total, retries_total, requests_enqueued_total, lag_seconds_total, lag_max_seconds FROM mvstore_metrics;

-- An interval as a number.
SELECT mvstore_seconds('1.5 s'), mvstore_seconds('1 day'), mvstore_seconds('-1 s'), mvstore_seconds(NULL);
-- What there is no table of has no size.
SELECT mvstore_stat_size(0), mvstore_stat_launcher();
-- Nothing takes long here.
SELECT * FROM mvstore_progress;
DROP ROLE regress_mvstore_monitor, regress_mvstore_stranger;
DROP FUNCTION regress_sizes;
