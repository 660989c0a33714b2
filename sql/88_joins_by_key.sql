--
-- A join by key looks up the keys that the other side has, in whatever form it is
-- written, if that is less work than reading the whole store.
--
\pset null '(null)'
SET enable_memoize = off;
SELECT mvstore_create('s');
ALTER TABLE s SET (autovacuum_enabled = off);
INSERT INTO s (key, version, value)
  SELECT convert_to('k' || lpad(i::text, 4, '0'), 'UTF8'), 10, convert_to('v' || i, 'UTF8')
    FROM generate_series(0, 4999) i;
ANALYZE s;
CREATE VIEW live AS SELECT * FROM mvstore_scan('s');
CREATE TABLE few AS SELECT i AS n, 'k' || lpad((i * 3)::text, 4, '0') AS key FROM generate_series(1, 5) i;
INSERT INTO few VALUES (6, 'absent'), (7, NULL);
CREATE TABLE many AS SELECT i AS n, 'k' || lpad(i::text, 4, '0') AS key FROM generate_series(1, 3000) i;
ANALYZE few, many;

-- The plan, without the function's arguments. (Which side of an equality is which depends
-- on the version.)
CREATE FUNCTION regress_plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line !~ 'Function Call: ' THEN
      RETURN NEXT regexp_replace(line, '\((\w+\.key) = key\)', '(key = \1)');
    END IF;
  END LOOP;
END $$;

SELECT regress_plan($$SELECT n, value FROM few JOIN live USING (key)$$);
SELECT n, key, value FROM few JOIN live USING (key) ORDER BY n;
-- Many: the store is read once.
SELECT regress_plan($$SELECT n, value FROM many JOIN live USING (key)$$);
SELECT count(*) FROM many JOIN live USING (key);
-- Outer, semi and anti joins.
SELECT regress_plan($$SELECT n, value FROM few LEFT JOIN live USING (key)$$);
SELECT n, key, value FROM few LEFT JOIN live USING (key) ORDER BY n;
SELECT n FROM few WHERE EXISTS (SELECT FROM live WHERE live.key = few.key) ORDER BY n;
SELECT n FROM few WHERE NOT EXISTS (SELECT FROM live WHERE live.key = few.key) ORDER BY n;
SELECT key FROM live WHERE key IN (SELECT key FROM few) ORDER BY key;
-- LATERAL, and a sub-select for each row.
SELECT regress_plan($$SELECT n, x.key FROM few, LATERAL (SELECT * FROM live WHERE live.key LIKE left(few.key, -1) || '%') x$$);
SELECT n, count(x.key) FROM few, LATERAL (SELECT * FROM live WHERE live.key LIKE left(few.key, -1) || '%') x GROUP BY n ORDER BY n;
SELECT regress_plan($$SELECT n, (SELECT value FROM live WHERE live.key = few.key) FROM few$$);
SELECT n, (SELECT value FROM live WHERE live.key = few.key) FROM few ORDER BY n;
-- A store for each row.
SELECT mvstore_create('other');
SELECT mvstore_put('other', 'k0003', 'other') > 0 AS put;
SELECT n, store, l.value
  FROM few, (VALUES ('s'::regclass), ('other')) stores (store), mvstore_scan(stores.store) l
 WHERE l.key = few.key AND n < 3 ORDER BY n, store::text;
SELECT n, store, l.value
  FROM few JOIN (VALUES ('s'::regclass), ('other')) stores (store) ON n < 3 LEFT JOIN LATERAL mvstore_scan(stores.store) l
    ON l.key = few.key ORDER BY n, store::text;
-- Two scans, and a view of two.
SELECT regress_plan($$SELECT a.value, b.value FROM live a JOIN mvstore_scan('other') b USING (key) WHERE a.key LIKE 'k000%'$$);
SELECT a.value, b.value FROM live a JOIN mvstore_scan('other') b USING (key) WHERE a.key LIKE 'k000%';
CREATE VIEW both_stores AS
  SELECT 's' AS store, key, value FROM mvstore_scan('s')
  UNION ALL SELECT 'other', key, value FROM mvstore_scan('other');
SELECT regress_plan($$SELECT * FROM both_stores WHERE key = 'k0003'$$);
SELECT * FROM both_stores WHERE key = 'k0003' ORDER BY store;
SELECT n, store, value FROM few JOIN both_stores USING (key) WHERE n < 3 ORDER BY n, store;
-- What is the same key for two tables is one for the scan.
SELECT regress_plan($$SELECT * FROM few JOIN live USING (key) WHERE few.key = 'k0003'$$);
SELECT n, value FROM few JOIN live USING (key) WHERE few.key = 'k0003';

-- Every plan has the same rows.
CREATE FUNCTION regress_hash(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer text;
BEGIN
  EXECUTE 'SELECT md5(string_agg(q::text, '','' ORDER BY q::text COLLATE "C")) FROM (' || query || ') q' INTO answer;
  RETURN answer;
END $$;
SELECT regress_hash('SELECT n, live.* FROM many LEFT JOIN live USING (key)') AS hash \gset
SET enable_hashjoin = off;
SELECT regress_hash('SELECT n, live.* FROM many LEFT JOIN live USING (key)') = :'hash' AS merged;
SET enable_mergejoin = off;
SELECT regress_plan($$SELECT n, live.* FROM many LEFT JOIN live USING (key)$$);
SELECT regress_hash('SELECT n, live.* FROM many LEFT JOIN live USING (key)') = :'hash' AS nested;
RESET enable_hashjoin;
RESET enable_mergejoin;
-- In parallel workers.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT regress_plan($$SELECT n, live.* FROM many JOIN live USING (key)$$);
SELECT count(*), count(value) FROM many JOIN live USING (key);
RESET ALL;
SET enable_memoize = off;

-- Whole rows, and rows to be locked or updated beside them.
SELECT l, to_json(l) FROM mvstore_scan('s') l WHERE key = 'k0003';
SELECT l, to_json(l) FROM mvstore_scan('s') l (a, b) WHERE a = 'k0003' AND l::text LIKE '(k%';
SELECT l FROM few JOIN mvstore_scan('s') l USING (key) WHERE n = 1;
SELECT n, value FROM few JOIN live USING (key) WHERE n = 1 FOR UPDATE OF few;
UPDATE few SET key = value FROM live WHERE live.key = few.key AND n < 3;
SELECT n, key FROM few WHERE n < 3 ORDER BY n;
DELETE FROM few USING live WHERE live.key = few.key AND n = 3;

-- Cursors go backward, and begin anew.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT key FROM live WHERE key LIKE 'k000_' AND version > 0;
FETCH 3 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH LAST FROM c;
FETCH ABSOLUTE 2 FROM c;
COMMIT;

-- What a view hides is not looked at by conditions that could tell.
CREATE FUNCTION regress_tells(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
  RAISE NOTICE 'told of %', $1;
  RETURN true;
END $$;
CREATE VIEW hiding WITH (security_barrier) AS SELECT * FROM mvstore_scan('s') WHERE key LIKE 'k000%';
SELECT regress_plan($$SELECT key FROM hiding WHERE key = 'k0003' AND regress_tells(value)$$);
SELECT key FROM hiding WHERE key = 'k0003' AND regress_tells(value);
SELECT key FROM hiding WHERE key = 'k0100' AND regress_tells(value);
SELECT regress_plan($$SELECT key FROM hiding WHERE key ^@ 'k0003'$$);

-- A function that may say something else each time is called once, not for each row.
CREATE SEQUENCE calls;
CREATE FUNCTION regress_store() RETURNS regclass LANGUAGE sql VOLATILE AS $$ SELECT nextval('calls'); SELECT 's'::regclass $$;
SELECT count(*) FROM few JOIN mvstore_scan(regress_store()) l USING (key);
SELECT count(*) FROM mvstore_scan(regress_store()) l WHERE key = 'k0003';
SELECT last_value FROM calls;

-- How many rows are expected: one for a key, one for each that is joined.
CREATE FUNCTION regress_estimate(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
  RETURN plan->0->'Plan'->>'Plan Rows';
END $$;
SELECT regress_estimate($$SELECT * FROM live WHERE key = 'k0003'$$) AS one,
       regress_estimate($$SELECT * FROM live WHERE key IN ('k0003', 'k0004', 'k0005')$$) AS three,
       regress_estimate($$SELECT * FROM many JOIN live USING (key)$$) AS joined;
-- By the statistics of the store, as far as values are known when the query is planned.
SELECT regress_estimate($$SELECT * FROM live WHERE key LIKE 'k1%'$$) BETWEEN 950 AND 1050 AS prefix,
       regress_estimate($$SELECT * FROM live WHERE key > 'k1000' AND key < 'k1500'$$) BETWEEN 450 AND 550 AS range,
       regress_estimate($$SELECT * FROM mvstore_scan_prefix('s', 'k1') WHERE key >= 'k15'$$) BETWEEN 450 AND 550 AS half,
       regress_estimate($$SELECT * FROM mvstore_scan('s', to_key => 'k2') WHERE key >= 'k2'$$) < 10 AS nothing,
       regress_estimate($$SELECT * FROM live WHERE key LIKE '%7'$$) < 200 AS unknown;

DROP VIEW hiding, both_stores, live;
DROP SEQUENCE calls;
DROP TABLE s, other, few, many;
DROP FUNCTION regress_plan, regress_hash, regress_tells, regress_store, regress_estimate;
