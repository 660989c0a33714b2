--
-- Reads may run in parallel workers, and answer there as in the leader.
--
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', 'k' || i, 'v' || i, i)) FROM generate_series(1, 2000) i;
CREATE TABLE keys AS SELECT i, 'k' || i AS key FROM generate_series(1, 2000) i;
ALTER TABLE keys SET (parallel_workers = 2);
ANALYZE keys;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
-- No rows for the leader: all calls are the workers'.
SET parallel_leader_participation = off;

CREATE FUNCTION regress_is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
    IF line ~ 'Gather' THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;

\set query 'SELECT count(*) FROM keys WHERE mvstore_get(''s'', key) = ''v'' || i AND mvstore_contains(''s'', key)'
SELECT regress_is_parallel(:'query');
:query;
-- As of a version.
\set query 'SELECT count(*) FROM keys WHERE mvstore_get(''s'', key, as_of := 1000) = ''v'' || i'
SELECT regress_is_parallel(:'query');
:query;
-- Scans, histories.
\set query 'SELECT count(*) FROM keys WHERE (SELECT count(*) FROM mvstore_scan_prefix(''s'', key, as_of := 500)) > 1'
:query;
\set query 'SELECT count(*) FROM keys WHERE (mvstore_get_entry(''s'', key)).version = i AND (mvstore_previous(''s'', key)).version = i'
SELECT regress_is_parallel(:'query');
:query;

-- Many keys, counts, differences.
CREATE FUNCTION regress_many(k text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS
  $$ BEGIN RETURN (SELECT string_agg(coalesce(value, '-'), ' ') FROM mvstore_get_many('s', ARRAY[k, 'none', k])); END $$;
CREATE FUNCTION regress_diff(f bigint, t bigint, k text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS
  $$ BEGIN RETURN (SELECT string_agg(coalesce(old_value, '-') || ' ' || new_value, ' ') FROM mvstore_diff('s', f, t, k) WHERE key = k); END $$;
\set query 'SELECT count(*) FROM keys WHERE regress_many(key) = format(''v%s - v%1$s'', i)'
SELECT regress_is_parallel(:'query');
:query;
\set query 'SELECT count(*) FROM keys WHERE mvstore_count(''s'', key, key || ''!'') = 1 AND mvstore_count(''s'', key, key || ''!'', as_of := i - 1) = 0'
SELECT regress_is_parallel(:'query');
:query;
\set query 'SELECT count(*) FROM keys WHERE regress_diff(i - 1, i, key) = ''- v'' || i'
SELECT regress_is_parallel(:'query');
:query;
-- The stable version never falls, for a worker as for its leader.
SELECT mvstore_stable_version() AS stable \gset
\set query 'SELECT count(*) FROM keys WHERE mvstore_stable_version() + i >= ' :stable ' + i'
SELECT regress_is_parallel(:'query');
:query;
-- Waiting is for the leader.
\set query 'SELECT count(*) FROM keys WHERE mvstore_wait_stable(i)'
SELECT regress_is_parallel(:'query');
:query;

-- A worker sees what its leader's transaction has written, and knows its version
-- for unfinished.
BEGIN;
SELECT count(mvstore_put('s', 'k' || i, 'new' || i)) FROM generate_series(1, 1000) i;
SELECT version AS own FROM mvstore_get_entry('s', 'k1') \gset
\set query 'SELECT count(*) FROM keys WHERE mvstore_get(''s'', key) = ''new'' || i'
SELECT regress_is_parallel(:'query');
:query;
\set query 'SELECT count(*) FROM keys WHERE mvstore_get(''s'', key, ' :own ' - 1) = ''v'' || i'
:query;
-- The stable version is just below it, asked anywhere and as often as one likes.
\set query 'SELECT count(*) FROM keys WHERE mvstore_stable_version() + i = ' :own ' - 1 + i'
SELECT regress_is_parallel(:'query');
:query;
\set query 'SELECT count(*) FROM keys WHERE mvstore_count(''s'', key, key || ''!'', ' :own ' - 1) = 1 AND regress_many(key) = format(''new%s - new%1$s'', i)'
SELECT regress_is_parallel(:'query');
:query;
\set query 'SELECT count(*) FROM keys WHERE regress_diff(' :own ' - 1, 9223372036854775807, key) = format(''v%s new%1$s'', i)'
SELECT regress_is_parallel(:'query');
:query;
\set query 'SELECT count(*) FROM keys WHERE mvstore_get(''s'', key, ' :own ') = ''v'' || i'
\set VERBOSITY sqlstate
:query;
\set VERBOSITY default
ROLLBACK;

-- Under one snapshot, what a worker calls stable its leader does, too.
BEGIN ISOLATION LEVEL REPEATABLE READ;
\set query 'SELECT max(mvstore_stable_version() + i - i) AS stable FROM keys'
SELECT regress_is_parallel(:'query');
:query \gset
SELECT mvstore_stable_version() >= :stable AS "never older", mvstore_count('s', as_of := :stable);
COMMIT;

-- Writes and drops never go to a worker.
\set query 'SELECT mvstore_put(''s'', key, ''w'') FROM keys'
SELECT regress_is_parallel(:'query');
\set query 'SELECT mvstore_drop(''s'', key) FROM keys'
SELECT regress_is_parallel(:'query');
\set query 'SELECT mvstore_put_if(''s'', key, ''w'', 0), mvstore_delete_if(''s'', key, 0), mvstore_lock(''s'', key), mvstore_put_many(''s'', ARRAY[key], ARRAY[key]) FROM keys'
SELECT regress_is_parallel(:'query');
DROP FUNCTION regress_is_parallel, regress_many, regress_diff;
DROP TABLE s, keys;
