--
-- A scan in FROM reads as far as rows are asked for, and holds one at a time: so LIMIT and
-- EXISTS bound the work, and a large store needs no place to be copied to. What it answers is
-- what a function would that is called once.
--
\pset null '(null)'
SELECT mvstore_create('s');
ALTER TABLE s SET (autovacuum_enabled = off);
INSERT INTO s (key, version, value)
  SELECT convert_to('k' || lpad(i::text, 4, '0'), 'UTF8'), 10, convert_to('v' || i % 10, 'UTF8')
    FROM generate_series(0, 2999) i;
VACUUM ANALYZE s;
CREATE VIEW live AS SELECT * FROM mvstore_scan('s');
CREATE FUNCTION regress_sql() RETURNS TABLE (key text, value text) LANGUAGE sql STABLE AS
  $$ SELECT key, value FROM mvstore_scan('s') $$;

-- By what a query reads the store, and how many rows were asked of it.
CREATE FUNCTION regress_nodes(node json) RETURNS SETOF json LANGUAGE sql AS $$
  SELECT node UNION ALL
  SELECT n FROM json_array_elements(node->'Plans') child, regress_nodes(child) n
$$;
CREATE FUNCTION regress_scan(query text, OUT "by" text, OUT rows int, OUT loops int, OUT sorted boolean)
LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || query INTO plan;
  SELECT n->>'Node Type', (n->>'Actual Rows')::numeric, n->>'Actual Loops' INTO "by", rows, loops
    FROM regress_nodes(plan->0->'Plan') n WHERE n->>'Node Type' IN ('Custom Scan', 'Function Scan');
  sorted := plan::text ~ 'Sort Key';
END $$;
CREATE FUNCTION regress_scans(VARIADIC queries text[], OUT query text, OUT "by" text, OUT rows int, OUT sorted boolean)
RETURNS SETOF record LANGUAGE sql AS $$
  SELECT q, s."by", s.rows, s.sorted FROM unnest(queries) WITH ORDINALITY u(q, n), regress_scan('SELECT ' || q) s ORDER BY n
$$;

-- It ends with what asks for its rows.
SELECT query, "by", rows FROM regress_scans(
  $$FROM mvstore_scan('s') LIMIT 3$$,
  $$FROM mvstore_scan_bytea('s') LIMIT 3$$,
  $$FROM mvstore_scan_raw('s') LIMIT 3$$,
  $$FROM mvstore_scan_prefix('s', 'k1') LIMIT 3$$,
  $$FROM mvstore_scan_prefix_raw('s', 'k1') LIMIT 3$$,
  $$FROM mvstore_scan('s', 'k1', 'k2', reverse => true) LIMIT 3$$,
  $$FROM mvstore_scan('s', max_rows => 5) LIMIT 3$$,
  $$FROM mvstore_scan('s', max_rows => 2) LIMIT 3$$,
  $$FROM mvstore_scan('s') WHERE key >= 'k1' LIMIT 3$$,
  $$FROM live LIMIT 3$$,
  $$FROM regress_sql() LIMIT 3$$,
  $$FROM live WHERE value = 'v7' LIMIT 1$$,
  $$EXISTS (SELECT FROM mvstore_scan('s'))$$,
  $$FROM mvstore_scan('s') OFFSET 3 LIMIT 2$$,
-- (An aggregate, and a sort, want them all.)
  $$count(*) FROM live$$,
  $$FROM live ORDER BY value LIMIT 3$$,
-- What numbers rows, or puts several functions side by side, is PostgreSQL's own.
  $$FROM mvstore_scan('s') WITH ORDINALITY LIMIT 3$$,
  $$FROM ROWS FROM (mvstore_scan('s'), generate_series(1, 3)) LIMIT 3$$);
-- As is a function that has settings of its own.
PREPARE three AS SELECT key FROM mvstore_scan('s') LIMIT 3;
EXECUTE three;
ALTER FUNCTION mvstore_scan SET mvstore.strict_history = off;
SELECT "by", rows FROM regress_scan($$EXECUTE three$$);
EXECUTE three;
ALTER FUNCTION mvstore_scan RESET ALL;
SELECT "by", rows FROM regress_scan($$EXECUTE three$$);

-- Rows come in the order of the keys' bytes, upwards or downwards, and are not sorted anew.
SELECT query, rows, sorted FROM regress_scans(
  $$key FROM mvstore_scan_raw('s') ORDER BY key LIMIT 3$$,
  $$key FROM mvstore_scan_raw('s', reverse => true) ORDER BY key DESC LIMIT 3$$,
  $$key FROM mvstore_scan('s') ORDER BY key COLLATE "C" LIMIT 3$$,
  $$key FROM mvstore_scan_prefix('s', 'k1', reverse => true) ORDER BY key COLLATE "C" DESC LIMIT 3$$,
  $$key FROM live WHERE key IN ('k2000', 'k0003', 'k1000') ORDER BY key LIMIT 3$$,
  $$key FROM live GROUP BY key LIMIT 3$$,
-- (The other way round, or one that the query alone does not tell.)
  $$key FROM mvstore_scan_raw('s', max_rows => 5) ORDER BY key DESC LIMIT 3$$,
  $$key FROM mvstore_scan_raw('s', max_rows => 5, reverse => (SELECT false)) ORDER BY key LIMIT 3$$,
  $$key FROM mvstore_scan('s', max_rows => 5) ORDER BY key COLLATE "C" DESC NULLS LAST LIMIT 3$$);
SELECT string_agg(key, ' ') FROM (SELECT key FROM live WHERE key IN ('k2000', 'k0003', 'k1000') ORDER BY key) k;
SELECT string_agg(key, ' ') FROM (SELECT key FROM mvstore_scan('s', max_rows => 3, reverse => true) ORDER BY key DESC) k;
SELECT string_agg(key, ' ') FROM (SELECT key FROM mvstore_scan('s', max_rows => 3, reverse => true) ORDER BY key) k;
SELECT count(*) > 0 AS icu FROM pg_collation WHERE collname = 'en-x-icu' \gset
\if :icu
SELECT sorted FROM regress_scan($$SELECT key FROM mvstore_scan('s') ORDER BY key COLLATE "en-x-icu" LIMIT 3$$) \gset
\else
\set sorted t
\endif
\echo :sorted

-- A cursor goes on where it was, and sees what was there when it was opened: whatever is written,
-- dropped, set or rolled back between. It has no way back unless it is declared so.
BEGIN;
DECLARE c CURSOR FOR SELECT key, version, value FROM mvstore_scan('s');
DECLARE d CURSOR FOR SELECT key, version, value FROM mvstore_scan('s', reverse => true);
DECLARE b SCROLL CURSOR FOR SELECT key FROM mvstore_scan('s');
FETCH 2 FROM c;
FETCH 2 FROM d;
FETCH 2 FROM b;
SAVEPOINT sp;
SELECT mvstore_put_many('s', '{k0001a,k0002,k0003,k2997,k2996z}', '{new,new,NULL,NULL,new}') > 0 AS written;
FETCH 1 FROM c;
ROLLBACK TO sp;
DELETE FROM s WHERE key >= 'k0004' AND key < 'k2996';
SET LOCAL mvstore.as_of = 5;
FETCH 2 FROM c;
FETCH 2 FROM d;
MOVE 2900 IN c;
FETCH 1 FROM c;
FETCH BACKWARD 1 FROM b;
FETCH LAST FROM b;
SAVEPOINT sp;
FETCH BACKWARD 1 FROM c;
ROLLBACK TO sp;
SELECT count(*) FROM mvstore_scan('s');
ROLLBACK;
-- Kept over the end of its transaction; in a loop, too.
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT key FROM mvstore_scan('s', 'k0100');
FETCH 1 FROM h;
COMMIT;
FETCH 1 FROM h;
CLOSE h;
SELECT mvstore_create('written');
DO $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT * FROM mvstore_scan('s', 'k0000', 'k0100') LOOP
    PERFORM mvstore_put('written', r.key, r.value);
    IF r.key = 'k0050' THEN
      COMMIT;
    END IF;
  END LOOP;
END $$;
SELECT mvstore_count('written');
-- What expires between two rows does not for the cursor, which is of one time. (If the first row
-- took so long that it had expired by then, nothing is to be seen.)
SELECT mvstore_put('written', 'z', 'late', ttl => '300 ms') > 0 AS put;
SELECT convert_from(key, 'UTF8') AS key, expires_at FROM written WHERE expires_at IS NOT NULL \gset
BEGIN;
DECLARE c CURSOR FOR SELECT key FROM mvstore_scan('written', reverse => true);
DECLARE d CURSOR FOR SELECT key FROM mvstore_scan('written', 'k0099');
FETCH 1 FROM d;
SELECT clock_timestamp() < :'expires_at' AS intime \gset
DO $$
BEGIN
  WHILE EXISTS (SELECT FROM written WHERE clock_timestamp() <= expires_at) LOOP
    NULL;
  END LOOP;
END $$;
SELECT count(*) FROM mvstore_scan('written', 'z');
FETCH 1 FROM c;
\if :intime
FETCH 1 FROM d \gset
\else
\set key z
\endif
\echo :key
ROLLBACK;

-- What takes the store away, or its contents, finds that it is being read.
BEGIN;
DECLARE c CURSOR FOR SELECT key FROM mvstore_scan('written');
FETCH 1 FROM c;
SAVEPOINT sp;
DROP TABLE written;
ROLLBACK TO sp;
TRUNCATE written;
ROLLBACK TO sp;
SELECT mvstore_clear('written');
ROLLBACK TO sp;
FETCH 1 FROM c;
CLOSE c;
DROP TABLE written;
COMMIT;

-- A statement does not meet what it writes itself.
SELECT count(mvstore_put('s', key || 'a', value)) FROM mvstore_scan('s', 'k29');
SELECT count(mvstore_delete('s', key)) FROM mvstore_scan('s', 'k29') WHERE key LIKE '%a';
SELECT count(mvstore_put('s', key, upper(value))) FROM mvstore_scan('s', 'k29');
SELECT count(*) FILTER (WHERE value LIKE 'V%'), count(*) FROM mvstore_scan('s', 'k29');

-- Begun anew, it reads the same; with other arguments, what they say.
CREATE TABLE t AS SELECT i AS n, 'k000' || i AS key, 'v' || i AS value FROM generate_series(1, 3) i;
ANALYZE t;
CREATE SEQUENCE calls;
CREATE FUNCTION regress_bound() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT 'k000' || nextval('calls') $$;
SET enable_material = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_memoize = off;
SELECT loops FROM regress_scan($$SELECT FROM t LEFT JOIN mvstore_scan('s', 'k0001', 'k0004') s ON t.value <= s.value$$);
SELECT n, string_agg(s.key, ' ' ORDER BY s.key) FROM t LEFT JOIN mvstore_scan('s', 'k0001', 'k0004') s ON t.value <= s.value GROUP BY n ORDER BY n;
SELECT n, string_agg(s.key, ' ' ORDER BY s.key) FROM t, mvstore_scan('s', t.key, 'k0004') s GROUP BY n ORDER BY n;
SELECT n, string_agg(s.key, ' ' ORDER BY s.key) FROM t, mvstore_scan('s', (SELECT max(u.key) FROM t u WHERE u.n < t.n), 'k0004', max_rows => t.n) s GROUP BY n ORDER BY n;
SELECT n, (SELECT string_agg(s.key, ' ') FROM mvstore_scan('s', 'k0001', 'k0004') s WHERE s.value >= t.value) FROM t ORDER BY n;
SELECT n, (SELECT string_agg(s.key, ' ') FROM (SELECT key FROM mvstore_scan('s', t.key) LIMIT 2) s) FROM t ORDER BY n;
-- A bound that is another one each time is asked for once.
SELECT n, string_agg(s.key, ' ' ORDER BY s.key) FROM t LEFT JOIN mvstore_scan('s', regress_bound(), 'k0004') s ON t.value <= s.value GROUP BY n ORDER BY n;
SELECT n, (SELECT string_agg(s.key, ' ') FROM mvstore_scan('s', regress_bound(), 'k0004') s WHERE s.value >= t.value) FROM t ORDER BY n;
SELECT last_value FROM calls;
-- Where it would be read over and over, its rows are kept, whether they fit in memory or not.
RESET enable_material;
SELECT "by", loops FROM regress_scan($$SELECT FROM t LEFT JOIN live s ON t.value <= s.value$$);
SET work_mem = '64kB';
SELECT "by", loops FROM regress_scan($$SELECT FROM t LEFT JOIN live s ON t.value <= s.value$$);
RESET ALL;

-- Whole rows, and rows beside it that are locked or updated.
SELECT s, to_json(s) FROM mvstore_scan('s') s LIMIT 1;
SELECT s, s.a FROM mvstore_scan('s') s (a, b) LIMIT 1;
SELECT n, s.value FROM t JOIN mvstore_scan('s', 'k0001', 'k0003') s USING (key) ORDER BY n FOR UPDATE OF t;
UPDATE t SET value = 'new' FROM mvstore_scan('s', 'k0002', 'k0003') s WHERE s.value = t.value;
SELECT * FROM t WHERE value = 'new';

-- Parameters, under a plan for all of them.
SET plan_cache_mode = force_generic_plan;
PREPARE page(regclass, text, bigint, boolean) AS SELECT key FROM mvstore_scan($1, $2, as_of => $3, reverse => $4) LIMIT 2;
EXECUTE page('s', 'k0005', 9223372036854775807, false);
EXECUTE page('s', 'k0005', 10, true);
EXECUTE page('s', 'k0005', 9, false);
EXECUTE page('s', NULL, 10, false);
-- Errors are those of the function, before the first row.
EXECUTE page('t', 'k0005', 10, false);
EXECUTE page(NULL, 'k0005', 10, false);
EXECUTE page('s', 'k0005', -1, false);
EXECUTE page('s', 'k0005', NULL, false);
EXECUTE page('s', 'k0005', 10, NULL);
RESET plan_cache_mode;
DEALLOCATE ALL;
SELECT key FROM mvstore_scan('s', 'k2', 'k1') LIMIT 1;
SELECT key FROM mvstore_scan('s', max_rows => -1) LIMIT 1;
SELECT key FROM mvstore_scan_prefix('s', NULL) LIMIT 1;
SELECT key FROM mvstore_scan('s') LIMIT 0;
SELECT mvstore_put_at('s', 'k0000', 'v0', 20);
SELECT mvstore_compact('s', 20);
SELECT mvstore_flush();
SELECT key FROM mvstore_scan('s', as_of => 17) LIMIT 1;
SET mvstore.strict_history = off;
SELECT key FROM mvstore_scan('s', as_of => 17) LIMIT 1;
RESET mvstore.strict_history;
\set VERBOSITY terse
SELECT key FROM mvstore_scan('s', as_of => 9223372036854775806) LIMIT 1;
\set VERBOSITY default
-- A key that is no text, for who reaches it.
INSERT INTO s (key, version, value) VALUES ('\x6bff', 10, 'x');
SELECT count(*) FROM (SELECT key FROM mvstore_scan('s') LIMIT 10) s;
SELECT count(key) FROM mvstore_scan('s');
DELETE FROM s WHERE key = '\x6bff';
-- Who may not read the store, or not call the function.
CREATE ROLE regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
SELECT key FROM mvstore_scan('s') LIMIT 1;
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_stranger;
REVOKE EXECUTE ON FUNCTION mvstore_scan FROM PUBLIC;
SET ROLE regress_mvstore_stranger;
SELECT key FROM mvstore_scan('s') LIMIT 1;
SELECT key FROM mvstore_scan_raw('s') LIMIT 1;
RESET ROLE;
GRANT EXECUTE ON FUNCTION mvstore_scan TO PUBLIC;
REVOKE ALL ON s FROM regress_mvstore_stranger;
DROP ROLE regress_mvstore_stranger;

-- What is counted: the calls, and the rows that a filter took.
BEGIN;
SET LOCAL track_functions = 'all';
SELECT count(*) FROM mvstore_scan('s', 'k0000', 'k0100') WHERE value = 'v7';
SELECT calls FROM pg_stat_xact_user_functions WHERE funcname = 'mvstore_scan';
COMMIT;
EXPLAIN (COSTS OFF, VERBOSE) SELECT key FROM mvstore_scan('s', 'k0000', 'k0100') x WHERE value = 'v7';
CREATE FUNCTION regress_removed(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
  RETURN plan->0->'Plan'->>'Rows Removed by Filter';
END $$;
SELECT regress_removed($$SELECT FROM mvstore_scan('s', 'k0000', 'k0100') WHERE value = 'v7'$$);

-- Parallel workers each have a scan of their own.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_material = off;
CREATE TABLE many AS SELECT i AS n FROM generate_series(1, 20000) i;
ANALYZE many;
SELECT count(*) FROM many WHERE 'v' || n = (SELECT min(value) FROM mvstore_scan('s', 'k0001', 'k0004') s WHERE s.value >= 'v' || many.n % 3);
RESET ALL;

-- Large values are held one at a time: 2,000 of 50 kB, compressed in the store.
SELECT mvstore_create('large');
INSERT INTO large (key, version, value)
  SELECT convert_to('k' || i, 'UTF8'), 10, convert_to(repeat('x', 50000), 'UTF8') FROM generate_series(1, 2000) i;
BEGIN;
DECLARE c CURSOR FOR SELECT key, value FROM mvstore_scan('large') WHERE length(value) < 50000 OR key = 'k999';
DECLARE d CURSOR FOR SELECT key, s FROM mvstore_scan('large') s;
FETCH 0 FROM c;
SELECT sum(total_bytes) AS before FROM pg_backend_memory_contexts \gset
MOVE 1 IN c;
MOVE 1999 IN d;
SELECT sum(total_bytes) - :before < 2000000 AS few FROM pg_backend_memory_contexts;
FETCH 1 FROM c;
COMMIT;

DROP VIEW live;
DROP TABLE s, t, many, large;
DROP SEQUENCE calls;
DROP FUNCTION regress_sql, regress_bound, regress_scan, regress_scans, regress_nodes, regress_removed;
