--
-- The planner knows how many rows a scan, a history or a difference will have, so
-- that a query with few of them is not planned as one with many, nor the reverse.
--
-- Two thousand keys, k0000 to k1999, five versions each. (Estimates without knowledge
-- are 1000, 100 and 10 rows: none of these numbers.)
SELECT mvstore_create('s');
ALTER TABLE s SET (autovacuum_enabled = off);
INSERT INTO s (key, version, value)
  SELECT convert_to('k' || lpad(k::text, 4, '0'), 'UTF8'), v, 'x'
    FROM generate_series(0, 1999) k, generate_series(1, 5) v;
ANALYZE s;
CREATE TEMP TABLE queries (id serial, query text, low numeric, high numeric);

-- How many rows a query is expected to return, or is so wrongly.
CREATE FUNCTION regress_estimate(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
  RETURN plan->0->'Plan'->>'Plan Rows';
END $$;
CREATE FUNCTION regress_check(OUT query text, OUT estimate text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
  q queries;
  rows numeric;
BEGIN
  FOR q IN SELECT * FROM queries ORDER BY id LOOP
    query := q.query;
    rows := regress_estimate(CASE WHEN q.query ~ '^EXECUTE' THEN '' ELSE 'SELECT * FROM ' END || q.query);
    estimate := CASE WHEN rows BETWEEN q.low AND q.high THEN format('%s to %s', q.low, q.high)
                     ELSE format('%s, not %s to %s', rows, q.low, q.high) END;
    RETURN NEXT;
  END LOOP;
  DELETE FROM queries;
END $$;

-- The whole store: keys, not entries.
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_scan('s')$$, 1800, 2200),
  ($$mvstore_scan_raw('s')$$, 1800, 2200),
  ($$mvstore_scan('s', reverse := true)$$, 1800, 2200),
  ($$mvstore_scan_prefix('s', '')$$, 1800, 2200),
  ($$mvstore_scan_prefix_raw('s', ''::bytea)$$, 1800, 2200),
-- Ranges: half open, closed, empty.
  ($$mvstore_scan('s', from_key := 'k1900')$$, 50, 150),
  ($$mvstore_scan('s', to_key := 'k1900')$$, 1700, 2000),
  ($$mvstore_scan('s', 'k0200', 'k0300')$$, 50, 150),
  ($$mvstore_scan_raw('s', 'k0200', 'k0300')$$, 50, 150),
  ($$mvstore_scan('s', 'k0200', 'k0200')$$, 1, 1),
  ($$mvstore_scan('s', from_key := 'z')$$, 1, 10),
-- Bounds in the wrong order are for the execution to refuse.
  ($$mvstore_scan('s', 'k0300', 'k0200')$$, 1, 1),
-- Prefixes.
  ($$mvstore_scan_prefix('s', 'k')$$, 1800, 2200),
  ($$mvstore_scan_prefix('s', 'k1')$$, 800, 1200),
  ($$mvstore_scan_prefix_raw('s', 'k1'::bytea)$$, 800, 1200),
  ($$mvstore_scan_prefix_raw('s', '\xff'::bytea)$$, 1, 10),
  ($$mvstore_scan_prefix('s', 'z')$$, 1, 10),
-- A limit is one.
  ($$mvstore_scan('s', max_rows := 20)$$, 20, 20),
  ($$mvstore_scan('s', 'k0200', 'k0300', max_rows := 500)$$, 50, 150),
  ($$mvstore_scan_prefix('s', 'k1', max_rows := 20)$$, 20, 20),
  ($$mvstore_scan('s', max_rows := NULL)$$, 1800, 2200),
  ($$mvstore_scan('s', max_rows := 0)$$, 1, 1),
  ($$mvstore_scan('s', max_rows := -1)$$, 1, 1),
  ($$mvstore_scan('s', max_rows := (SELECT 20))$$, 180, 220),
-- Histories.
  ($$mvstore_history('s', 'k0500')$$, 4, 6),
  ($$mvstore_history_raw('s', 'k0500'::bytea)$$, 4, 6),
  ($$mvstore_history('s', 'k0500', max_rows := 3)$$, 3, 3),
  ($$mvstore_history('s', (SELECT 'k0500'))$$, 4, 6),
-- Bounds that are not known before the query runs, or only well enough for an estimate.
  ($$mvstore_scan('s', from_key := (SELECT 'k1900'))$$, 600, 750),
  ($$mvstore_scan('s', 'k0200', (SELECT 'k0300'))$$, 9, 11),
  ($$mvstore_scan_prefix('s', (SELECT 'k1'))$$, 9, 11),
  ($$mvstore_scan('s', from_key := 'k' || to_char(now(), '"1900"'))$$, 50, 150),
-- A store that is not known: what the functions are declared with.
  ($$mvstore_scan((SELECT 's'::regclass))$$, 1000, 1000),
  ($$mvstore_scan((SELECT 's'::regclass), max_rows := 20)$$, 20, 20),
  ($$mvstore_scan_prefix((SELECT 's'::regclass), 'k')$$, 100, 100),
  ($$mvstore_history((SELECT 's'::regclass), 'k0500')$$, 10, 10);
SELECT * FROM regress_check();

-- Parameters: a plan for the values, and one for all values.
PREPARE scan(text, text) AS SELECT * FROM mvstore_scan('s', $1, $2);
PREPARE page(text, bigint) AS SELECT * FROM mvstore_scan('s', from_key := $1, max_rows := $2);
PREPARE history(text) AS SELECT * FROM mvstore_history('s', $1);
PREPARE any_store(regclass) AS SELECT * FROM mvstore_scan($1);
SET plan_cache_mode = force_custom_plan;
INSERT INTO queries (query, low, high) VALUES
  ($$EXECUTE scan('k0200', 'k0300')$$, 50, 150),
  ($$EXECUTE scan('k1900', NULL)$$, 50, 150),
  ($$EXECUTE page('k0200', 20)$$, 20, 20),
  ($$EXECUTE history('k0500')$$, 4, 6),
  ($$EXECUTE any_store('s')$$, 1800, 2200);
SELECT * FROM regress_check();
SET plan_cache_mode = force_generic_plan;
INSERT INTO queries (query, low, high) VALUES
  ($$EXECUTE scan('k0200', 'k0300')$$, 9, 11),
  ($$EXECUTE page('k0200', 20)$$, 60, 75),
  ($$EXECUTE history('k0500')$$, 4, 6),
  ($$EXECUTE any_store('s')$$, 1000, 1000);
SELECT * FROM regress_check();
DEALLOCATE ALL;
RESET plan_cache_mode;

-- A plan that is kept learns of the next ANALYZE.
PREPARE whole AS SELECT * FROM mvstore_scan('s');
INSERT INTO queries (query, low, high) VALUES ($$EXECUTE whole$$, 1800, 2200);
SELECT * FROM regress_check();
INSERT INTO s (key, version, value)
  SELECT convert_to('l' || k, 'UTF8'), v, 'x' FROM generate_series(1, 1000) k, generate_series(1, 5) v;
ANALYZE s;
INSERT INTO queries (query, low, high) VALUES ($$EXECUTE whole$$, 2700, 3300);
SELECT * FROM regress_check();
DEALLOCATE whole;

-- Few keys have most of the entries. Each is one key, with a long history.
SELECT mvstore_create('hot');
ALTER TABLE hot SET (autovacuum_enabled = off);
INSERT INTO hot (key, version, value)
  SELECT convert_to('h' || k, 'UTF8'), v, 'x' FROM generate_series(1, 5) k, generate_series(1, 2000) v;
INSERT INTO hot (key, version, value)
  SELECT convert_to('k' || k, 'UTF8'), 1, 'x' FROM generate_series(1, 2000) k;
ANALYZE hot;
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_scan('hot')$$, 1800, 2200),
  ($$mvstore_scan_prefix('hot', 'h')$$, 5, 30),
  ($$mvstore_scan_prefix('hot', 'k')$$, 1800, 2200),
  ($$mvstore_history('hot', 'h3')$$, 1800, 2200),
  ($$mvstore_history('hot', 'k3')$$, 1, 3);
SELECT * FROM regress_check();
DROP TABLE hot;

-- All keys are that common: there is no histogram.
SELECT mvstore_create('few');
ALTER TABLE few SET (autovacuum_enabled = off);
INSERT INTO few (key, version, value)
  SELECT convert_to('k' || k, 'UTF8'), v, 'x' FROM generate_series(1, 9) k, generate_series(1, 100) v;
ANALYZE few;
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_scan('few')$$, 9, 9),
  ($$mvstore_scan('few', 'k3', 'k7')$$, 4, 4),
  ($$mvstore_history('few', 'k3')$$, 95, 105);
SELECT * FROM regress_check();
DROP TABLE few;

-- The past had fewer keys.
SELECT mvstore_create('grown');
ALTER TABLE grown SET (autovacuum_enabled = off);
INSERT INTO grown (key, version, value)
  SELECT convert_to('k' || k, 'UTF8'), k, 'x' FROM generate_series(1, 3000) k;
ANALYZE grown;
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_scan('grown', as_of := 3000)$$, 2700, 3300),
  ($$mvstore_scan('grown', as_of := 300)$$, 250, 350),
  ($$mvstore_scan_prefix('grown', 'k', as_of := 300)$$, 250, 350),
  ($$mvstore_scan('grown', as_of := 0)$$, 1, 10),
-- What the execution refuses.
  ($$mvstore_scan('grown', as_of := NULL)$$, 2700, 3300),
  ($$mvstore_scan('grown', as_of := -1)$$, 1, 10),
-- Not known before the query runs.
  ($$mvstore_scan('grown', as_of := (SELECT 300))$$, 2700, 3300);
SELECT * FROM regress_check();
DROP TABLE grown;

-- A row for each key of a list, whatever the store.
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_get_many('s', ARRAY['a', 'b', 'c'])$$, 3, 3),
  ($$mvstore_get_many_raw('s', ARRAY['a', 'b', 'c']::bytea[])$$, 3, 3),
  ($$mvstore_get_many('s', array_fill('a'::text, ARRAY[2000]))$$, 2000, 2000),
  ($$mvstore_get_many('s', '{}')$$, 1, 1),
  ($$mvstore_get_many('s', NULL)$$, 1, 1),
  ($$mvstore_get_many((SELECT 's'::regclass), ARRAY['a', 'b', 'c'])$$, 3, 3),
  ($$mvstore_get_many('s', (SELECT ARRAY['a', 'b', 'c']))$$, 10, 10);
SELECT * FROM regress_check();

-- What changed: three thousand keys were written once each, then a tenth of them
-- again, in the order of their names.
SELECT mvstore_create('changed');
ALTER TABLE changed SET (autovacuum_enabled = off);
INSERT INTO changed (key, version, value)
  SELECT convert_to('k' || lpad(k::text, 4, '0'), 'UTF8'), 1 + k, 'x' FROM generate_series(0, 2999) k;
INSERT INTO changed (key, version, value)
  SELECT convert_to('k' || lpad(k::text, 4, '0'), 'UTF8'), 5001 + k, 'x' FROM generate_series(0, 299) k;
ANALYZE changed;
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_diff('changed', 0)$$, 2700, 3300),
  ($$mvstore_diff_raw('changed', 0)$$, 2700, 3300),
  ($$mvstore_diff('changed', 5000)$$, 250, 350),
  ($$mvstore_diff('changed', 1000, 1500)$$, 400, 550),
  ($$mvstore_diff('changed', 9000)$$, 1, 10),
  ($$mvstore_diff('changed', 0, prefix := 'k1')$$, 800, 1200),
  ($$mvstore_diff_raw('changed', 0, prefix := 'k1')$$, 800, 1200),
  ($$mvstore_diff('changed', 0, prefix := '')$$, 2700, 3300),
-- What the execution refuses.
  ($$mvstore_diff('changed', 1500, 1000)$$, 1, 1),
  ($$mvstore_diff('changed', NULL)$$, 1000, 1200),
-- Not known before the query runs.
  ($$mvstore_diff('changed', (SELECT 5000))$$, 1000, 1200),
  ($$mvstore_diff('changed', (SELECT 1000), (SELECT 1500))$$, 10, 20),
  ($$mvstore_diff((SELECT 'changed'::regclass), 0)$$, 100, 100);
SELECT * FROM regress_check();
DROP TABLE changed;

-- An empty store.
SELECT mvstore_create('e');
ANALYZE e;
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_scan('e')$$, 1, 1),
  ($$mvstore_scan_prefix('e', 'k')$$, 1, 1),
  ($$mvstore_history('e', 'k')$$, 1, 1);
SELECT * FROM regress_check();
DROP TABLE e;

-- Not analysed: by its size, as for any table.
SELECT mvstore_create('u');
ALTER TABLE u SET (autovacuum_enabled = off);
INSERT INTO u (key, version, value)
  SELECT convert_to('k' || k, 'UTF8'), 1, 'x' FROM generate_series(1, 20000) k;
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_scan('u')$$, 5000, 50000),
  ($$mvstore_scan('u', from_key := 'k9')$$, 1500, 15000),
  ($$mvstore_scan('u', 'k2', 'k3')$$, 25, 250),
  ($$mvstore_scan_prefix('u', 'k2')$$, 25, 250),
  ($$mvstore_scan('u', as_of := 1)$$, 5000, 50000),
  ($$mvstore_diff('u', 0)$$, 1500, 15000),
  ($$mvstore_history('u', 'k500')$$, 10, 10),
  ($$mvstore_history('u', 'k500', max_rows := 2)$$, 2, 2);
SELECT * FROM regress_check();
DROP TABLE u;

-- Who may not read a store learns nothing of it; the error comes with the execution.
CREATE ROLE regress_mvstore_stranger;
GRANT ALL ON queries TO regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
INSERT INTO queries (id, query, low, high) VALUES
  (1, $$mvstore_scan('s')$$, 1000, 1000),
  (2, $$mvstore_scan('s', 'k0200', 'k0300')$$, 1000, 1000),
  (3, $$mvstore_scan_prefix('s', 'k02')$$, 100, 100),
  (4, $$mvstore_history('s', 'k0500')$$, 10, 10),
  (5, $$mvstore_diff('s', 0)$$, 100, 100);
SELECT * FROM regress_check();
SELECT count(*) FROM mvstore_scan('s');
SELECT has_function_privilege('mvstore_support(internal)', 'EXECUTE');
RESET ROLE;
-- Under row-level security likewise.
GRANT SELECT ON s TO regress_mvstore_stranger;
ALTER TABLE s ENABLE ROW LEVEL SECURITY;
SET ROLE regress_mvstore_stranger;
INSERT INTO queries (id, query, low, high) VALUES (1, $$mvstore_scan('s')$$, 1000, 1000);
SELECT * FROM regress_check();
SELECT count(*) FROM mvstore_scan('s');
SET row_security = off;
INSERT INTO queries (id, query, low, high) VALUES (1, $$mvstore_scan('s')$$, 1000, 1000);
SELECT * FROM regress_check();
RESET row_security;
RESET ROLE;
ALTER TABLE s DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON s, queries FROM regress_mvstore_stranger;
DROP ROLE regress_mvstore_stranger;

-- What is no store, no more one, or none that can be read.
CREATE TABLE plain AS SELECT 1 AS a;
CREATE VIEW view AS SELECT 1 AS a;
SELECT mvstore_create('gone');
SELECT 'gone'::regclass::oid AS gone \gset
DROP TABLE gone;
SELECT mvstore_create('broken');
DROP INDEX broken_key_version_idx;
SELECT mvstore_create('unlogged');
ALTER TABLE unlogged SET UNLOGGED;
INSERT INTO queries (query, low, high) VALUES
  ($$mvstore_scan('plain')$$, 1000, 1000),
  ($$mvstore_scan('view')$$, 1000, 1000),
  ($$mvstore_scan('pg_class')$$, 1000, 1000),
  ($$mvstore_scan(0)$$, 1000, 1000),
  ($$mvstore_scan(NULL)$$, 1000, 1000),
  ($$mvstore_scan('broken')$$, 1000, 1000),
  ($$mvstore_scan('unlogged')$$, 1000, 1000);
SELECT * FROM regress_check();
SELECT regress_estimate(format('SELECT * FROM mvstore_scan(%s)', :gone));
DROP TABLE plain, broken, unlogged;
DROP VIEW view;

-- Nothing is known of other functions.
CREATE FUNCTION mine() RETURNS SETOF int STABLE ROWS 7 SUPPORT mvstore_support
  LANGUAGE plpgsql AS 'BEGIN END';
SELECT regress_estimate('SELECT * FROM mine()');
DROP FUNCTION mine;

-- An estimate leaves no lock behind.
BEGIN;
EXPLAIN (COSTS OFF) SELECT * FROM mvstore_scan('s');
SELECT count(*) FROM pg_locks WHERE relation = 's'::regclass AND pid = pg_backend_pid();
COMMIT;

-- In the list of results, and with a set on either side.
INSERT INTO queries (query, low, high) VALUES
  ($$(SELECT mvstore_scan('s', 'k0200', 'k0300')) x$$, 50, 150),
  ($$generate_series(1, 20) i, mvstore_history('s', 'k' || i)$$, 90, 110);
SELECT * FROM regress_check();

-- What it is for: ten rows are looked up in the other table's index one by one,
-- a thousand are hashed.
CREATE TABLE other AS SELECT 'k' || lpad(k::text, 4, '0') AS key, k FROM generate_series(0, 9999) k;
CREATE INDEX ON other (key);
VACUUM ANALYZE other;
EXPLAIN (COSTS OFF) SELECT * FROM mvstore_scan('s', max_rows := 10) JOIN other USING (key);
PREPARE any_store(regclass) AS SELECT * FROM mvstore_scan($1) JOIN other USING (key);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE any_store('s');
RESET plan_cache_mode;
DEALLOCATE any_store;

DROP FUNCTION regress_check;
DROP FUNCTION regress_estimate;
DROP TABLE s, other, queries;
