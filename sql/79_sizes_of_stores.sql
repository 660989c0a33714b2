--
-- How much of a store is its present state, how much is history, and how much waits for
-- VACUUM can be seen without reading it; and nobody sees more of it than they may.
--
\pset null '(null)'
SELECT mvstore_create('s');
ALTER TABLE s SET (autovacuum_enabled = off);
SELECT entries, keys, live_size, history_size, dead_size FROM mvstore_stores WHERE store = 's'::regclass;
-- What nobody has counted is not known.
SELECT count(mvstore_put_at('s', 'key' || k, repeat('v', 100), v)) FROM generate_series(1, 100) k, generate_series(1, 4) v;
SELECT size > 0 AS size, entries, keys, live_size, history_size, dead_size FROM mvstore_stores WHERE store = 's'::regclass;
ANALYZE s;
CREATE FUNCTION regress_sizes() RETURNS TABLE (entries bigint, keys bigint, live numeric, history numeric, dead numeric, all_told boolean) LANGUAGE sql
AS $$ SELECT entries, keys, round(100.0 * live_size / size), round(100.0 * history_size / size), round(100.0 * dead_size / size),
             abs(live_size + history_size + dead_size - size) < 3 FROM mvstore_stores WHERE store = 's'::regclass $$;
SELECT * FROM regress_sizes();
-- Rows that are dead, of which the statistics are told when the transaction has ended.
BEGIN;
SELECT pg_stat_force_next_flush();
DELETE FROM s WHERE version <= 2;
COMMIT;
SELECT * FROM regress_sizes();
ANALYZE s;
SELECT * FROM regress_sizes();
-- As many more pages as the table has by now: entries follow, till somebody counts.
SELECT count(mvstore_put_at('s', 'more' || k, repeat('v', 100), 10)) FROM generate_series(1, 1000) k;
SELECT entries > 400 AS more FROM regress_sizes();
VACUUM ANALYZE s;
SELECT entries, keys FROM regress_sizes();
-- Keys are for those who may read them.
CREATE ROLE regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
SELECT entries, keys, live_size, history_size, dead_size IS NOT NULL AS dead FROM mvstore_stores WHERE store = 's'::regclass;
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
SELECT entries, keys, live > 50 AS live FROM regress_sizes();
RESET ROLE;
SELECT mvstore_clear('s');
SELECT incarnation, entries, keys, live_size FROM mvstore_stores WHERE store = 's'::regclass;
DROP TABLE s;
DROP ROLE regress_mvstore_stranger;
DROP FUNCTION regress_sizes;
