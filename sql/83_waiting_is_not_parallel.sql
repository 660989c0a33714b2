--
-- To wait for a version takes new snapshots, which no query with parallel workers
-- may: there are none in a query that waits, wherever in it.
--
CREATE TABLE numbers AS SELECT i FROM generate_series(1, 2000) i;
ALTER TABLE numbers SET (parallel_workers = 2);
ANALYZE numbers;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;

EXPLAIN (COSTS OFF) SELECT count(*), mvstore_stable_version() > 0 AS stable FROM numbers;
SELECT count(*), mvstore_stable_version() > 0 AS stable FROM numbers;
EXPLAIN (COSTS OFF) SELECT count(*), mvstore_wait_stable(mvstore_stable_version()) AS stable FROM numbers;
SELECT count(*), mvstore_wait_stable(mvstore_stable_version()) AS stable FROM numbers;
DROP TABLE numbers;
