--
-- A read answers the same wherever it stands: in a cursor, a subquery, a function, a
-- view, and under any plan.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', 'k' || i, 'v' || i, 10)) FROM generate_series(1, 5) i;
SELECT mvstore_put_at('s', 'k1', 'w1', 20), mvstore_delete_at('s', 'k2', 20);
CREATE TABLE keys AS SELECT i, 'k' || i AS key FROM generate_series(1, 6) i;

-- A cursor shows what was there when it was opened, whatever is written after.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT key, value FROM mvstore_scan('s');
DECLARE g CURSOR FOR SELECT key, mvstore_get('s', key) FROM keys ORDER BY i;
FETCH 2 FROM c;
FETCH 1 FROM g;
SELECT mvstore_put_many('s', '{k0,k3,k4,k6}', '{new,new,NULL,new}') > 0 AS written;
FETCH 2 FROM c;
FETCH BACKWARD ALL FROM c;
FETCH LAST FROM c;
FETCH ABSOLUTE 1 FROM c;
MOVE FORWARD ALL IN c;
FETCH PRIOR FROM c;
-- (One that calls as it goes reads by its own snapshot, too.)
FETCH ALL FROM g;
SELECT key, value FROM mvstore_scan('s');
ROLLBACK;
-- Kept over the end of its transaction.
BEGIN;
SELECT mvstore_put('s', 'k7', 'v7') > 0 AS put;
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT key, value FROM mvstore_scan('s', 'k3');
DECLARE m CURSOR WITH HOLD FOR SELECT key, value FROM mvstore_get_many('s', '{k7,k8}');
FETCH 1 FROM h;
COMMIT;
SELECT mvstore_delete('s', 'k7') > 0 AS deleted;
FETCH ALL FROM h;
FETCH FIRST FROM h;
FETCH ALL FROM m;
SELECT count(*) FROM mvstore_scan('s', 'k7');
CLOSE h;
CLOSE m;
-- As of a version, in the transaction that writes on.
SELECT mvstore_stable_version() AS v \gset
BEGIN;
DECLARE c CURSOR FOR SELECT key, mvstore_get('s', key, as_of := :v) FROM keys ORDER BY i;
FETCH 2 FROM c;
SELECT mvstore_put_many('s', '{k3,k4}', '{new,NULL}') > 0 AS written;
FETCH 2 FROM c;
ROLLBACK;
-- A savepoint that goes takes nothing from a cursor that was there before it.
BEGIN;
DECLARE c CURSOR FOR SELECT key, value FROM mvstore_scan('s');
SAVEPOINT sp;
FETCH 1 FROM c;
SELECT mvstore_put('s', 'k3', 'new') > 0 AS put;
ROLLBACK TO sp;
FETCH 2 FROM c;
COMMIT;
-- A loop over a scan may write to what it scans.
DO $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT * FROM mvstore_scan('s') LOOP
    PERFORM mvstore_put('s', r.key || '''', r.value);
    PERFORM mvstore_put('s', r.key, r.value || '!');
  END LOOP;
END $$;
SELECT key, value FROM mvstore_scan('s');
SELECT count(mvstore_put('s', key, upper(value))) FROM mvstore_scan('s');
SELECT string_agg(value, ' ') FROM mvstore_scan('s');
SELECT count(mvstore_delete('s', key)) FROM mvstore_scan_prefix('s', 'k') WHERE key LIKE '%''';
SELECT string_agg(key, ' ') FROM mvstore_scan('s');

-- Subqueries, LATERAL, joins, set operations, LIMIT.
SELECT i FROM keys WHERE mvstore_contains('s', key) ORDER BY i;
SELECT i FROM keys WHERE key IN (SELECT key FROM mvstore_scan('s', 'k3')) ORDER BY i;
SELECT i FROM keys k WHERE EXISTS (SELECT FROM mvstore_history('s', k.key, 1)) ORDER BY i;
SELECT i, e.value, h.entries
  FROM keys k LEFT JOIN LATERAL mvstore_get_entry('s', k.key) e ON true,
       LATERAL (SELECT count(*) AS entries FROM mvstore_history('s', k.key)) h ORDER BY i;
SELECT i, (SELECT count(*) FROM mvstore_scan_prefix('s', k.key, as_of := 10)) AS scan, (SELECT g.value FROM mvstore_get_many('s', ARRAY[k.key], 15) g) AS get_many,
       mvstore_count('s', k.key, as_of := 15) AS count
  FROM keys k ORDER BY i;
SELECT k.i, s.value FROM keys k JOIN mvstore_scan('s', as_of := 20) s USING (key) ORDER BY i;
SELECT key FROM mvstore_scan('s', as_of := 10) EXCEPT SELECT key FROM mvstore_scan('s', as_of := 20);
SELECT key FROM mvstore_scan('s', as_of := 10) ORDER BY key DESC LIMIT 2;
SELECT (mvstore_get_entry('s', 'k1', 20)).*, (mvstore_scan('s', max_rows := 2)).key AS scan;
SELECT v, (SELECT string_agg(key, ' ') FROM mvstore_diff('s', v, v + 10)) AS changed FROM generate_series(0, 20, 10) v;
WITH RECURSIVE pages AS (
  SELECT 1 AS page, array_agg(key) AS keys FROM mvstore_scan('s', max_rows := 2, as_of := 10)
  UNION ALL
  SELECT page + 1, (SELECT array_agg(key) FROM mvstore_scan('s', keys[2] || E'\x01', max_rows := 2, as_of := 10)) FROM pages WHERE cardinality(keys) = 2)
SELECT * FROM pages;
WITH written AS (SELECT mvstore_put('s', 'with', 'v') AS version) SELECT mvstore_get('s', 'with') AS "as before the statement" FROM written WHERE version > 0;
SELECT mvstore_delete('s', 'with') > 0 AS deleted;

-- Functions: variables, EXECUTE, cached plans, and a SQL function that is inlined.
CREATE FUNCTION regress_plpgsql(k text, v bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  store regclass := 's';
  one text; entry record; many text; dynamic text;
BEGIN
  one := mvstore_get(store, k, as_of := v);
  SELECT * INTO entry FROM mvstore_get_entry(store, k, as_of := v);
  SELECT string_agg(s.key, ' ') INTO many FROM mvstore_scan(store, to_key := k, as_of := v) s;
  EXECUTE 'SELECT mvstore_get($1, $2, $3)' INTO dynamic USING store, k, v;
  RETURN concat_ws(', ', one, entry.version, many, dynamic);
END $$;
SELECT i, v, regress_plpgsql('k' || i, v) FROM generate_series(1, 3) i, unnest('{10,20}'::bigint[]) v ORDER BY 1, 2;
CREATE FUNCTION regress_inlined(v bigint) RETURNS TABLE (key text, value text) LANGUAGE sql STABLE AS
  $$ SELECT key, value FROM mvstore_scan('s', as_of := v) $$;
EXPLAIN (COSTS OFF) SELECT * FROM regress_inlined(10);
SELECT v, string_agg(value, ' ') FROM unnest('{9,10,20}'::bigint[]) v, regress_inlined(v) GROUP BY v ORDER BY v;
CREATE FUNCTION regress_get(k text, v bigint) RETURNS text LANGUAGE sql STABLE AS $$ SELECT mvstore_get('s', k, v) $$;
SELECT string_agg(coalesce(regress_get(key, 20), '-'), ' ' ORDER BY i) FROM keys;
-- A VOLATILE function sees what it has written; a STABLE one, what was there when
-- the statement began.
CREATE FUNCTION regress_volatile() RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM mvstore_put('s', 'own', 'new'); RETURN mvstore_get('s', 'own'); END $$;
CREATE FUNCTION regress_stable() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN mvstore_get('s', 'own'); END $$;
SELECT mvstore_put('s', 'own', 'old') > 0 AS put;
SELECT regress_volatile() AS volatile, regress_stable() AS stable;
SELECT regress_stable() AS stable;
SELECT mvstore_delete('s', 'own') > 0 AS deleted;
DROP FUNCTION regress_plpgsql, regress_inlined, regress_get, regress_volatile, regress_stable;

-- Prepared statements under both kinds of plans; the version, the store and the
-- bounds are parameters.
CREATE TABLE other AS SELECT 0 AS dummy;
SELECT mvstore_create('s2');
SELECT mvstore_put_at('s2', 'k1', 'of s2', 10);
PREPARE get_as_of(regclass, text, bigint) AS SELECT mvstore_get($1, $2, as_of := $3);
PREPARE scan_as_of(bigint, text) AS SELECT string_agg(key || '=' || value, ' ') FROM mvstore_scan('s', from_key := $2, as_of := $1);
PREPARE diff_as_of AS SELECT string_agg(key, ' ') FROM mvstore_diff('s', $1, $2);
PREPARE newest AS SELECT mvstore_get('s', 'plan'), mvstore_count('s', 'plan', 'plan ');
SET plan_cache_mode = force_generic_plan;
EXECUTE get_as_of('s', 'k1', 10);
EXECUTE get_as_of('s', 'k1', 20);
EXECUTE get_as_of('s2', 'k1', 20);
EXECUTE scan_as_of(10, 'k3');
EXECUTE scan_as_of(9, 'k3');
EXECUTE scan_as_of(20, NULL);
EXECUTE diff_as_of(10, 20);
EXECUTE diff_as_of(20, 20);
EXECUTE newest;
SELECT mvstore_put('s', 'plan', 'one') AS plan \gset
EXECUTE newest;
SELECT mvstore_put('s', 'plan', 'two') > 0 AS put;
EXECUTE newest;
EXECUTE get_as_of('s', 'plan', :plan);
SET plan_cache_mode = force_custom_plan;
EXECUTE get_as_of('s', 'k1', 10);
EXECUTE get_as_of('s2', 'k1', 20);
EXECUTE scan_as_of(10, 'k3');
EXECUTE newest;
SELECT mvstore_delete('s', 'plan') > 0 AS deleted;
EXECUTE newest;
RESET plan_cache_mode;
-- By themselves, from the sixth time on they may be generic.
SELECT mvstore_put('s', 'plan', 'three') > 0 AS put;
EXECUTE newest \g (format=unaligned tuples_only=on)
EXECUTE newest \g (format=unaligned tuples_only=on)
EXECUTE newest \g (format=unaligned tuples_only=on)
EXECUTE newest \g (format=unaligned tuples_only=on)
EXECUTE newest \g (format=unaligned tuples_only=on)
EXECUTE newest \g (format=unaligned tuples_only=on)
SELECT mvstore_put('s', 'plan', 'four') > 0 AS put;
EXECUTE newest \g (format=unaligned tuples_only=on)
-- Errors come at execution, each time, and leave the statement as it was.
\set VERBOSITY sqlstate
EXECUTE get_as_of('s', 'k1', 9223372036854775806);
EXECUTE get_as_of('s', NULL, 10);
EXECUTE get_as_of('other', 'k1', 10);
\set VERBOSITY default
EXECUTE get_as_of('s', 'k1', 10);
-- A store that is rebuilt, or made anew by the same name, is found again.
ALTER TABLE s ADD COLUMN note text DEFAULT 'none';
REINDEX TABLE s;
EXECUTE get_as_of('s', 'k1', 10);
DROP TABLE s2;
SELECT mvstore_create('s2');
SELECT mvstore_put_at('s2', 'k1', 'of the new s2', 10);
EXECUTE get_as_of('s2', 'k1', 20);
DEALLOCATE ALL;

-- Views and materialized views.
CREATE VIEW newest AS SELECT key, value FROM mvstore_scan('s');
CREATE VIEW frozen AS SELECT key, value FROM mvstore_scan('s', as_of := 10);
CREATE MATERIALIZED VIEW kept AS SELECT key, value FROM mvstore_scan('s', to_key := 'k4') WITH DATA;
CREATE MATERIALIZED VIEW counted AS SELECT mvstore_count('s', as_of := 10) AS then, mvstore_count('s', to_key := 'k4') AS now;
CREATE UNIQUE INDEX ON kept (key);
SELECT * FROM newest WHERE key < 'k4';
SELECT * FROM frozen WHERE key < 'k4';
SELECT * FROM kept;
SELECT mvstore_put_many('s', '{k0,k2,k3}', '{first,back,NULL}') > 0 AS written;
SELECT * FROM newest WHERE key < 'k4';
SELECT * FROM frozen WHERE key < 'k4';
SELECT * FROM kept;
SELECT * FROM counted;
REFRESH MATERIALIZED VIEW CONCURRENTLY kept;
REFRESH MATERIALIZED VIEW counted;
SELECT * FROM kept ORDER BY key;
SELECT * FROM counted;
-- With the rights of who made the view, as ever.
CREATE ROLE regress_mvstore_user;
GRANT SELECT ON newest TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
\set VERBOSITY sqlstate
SELECT count(*) FROM newest;
\set VERBOSITY default
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT count(*) FROM newest WHERE key < 'k4';
RESET ROLE;
-- CREATE TABLE AS, INSERT ... SELECT and COPY from a read.
CREATE TABLE copied AS SELECT * FROM mvstore_scan('s', as_of := 10);
INSERT INTO copied SELECT key, new_version, new_value FROM mvstore_diff('s', 10, 20) WHERE new_version IS NOT NULL;
SELECT * FROM copied ORDER BY key, version;
COPY (SELECT key, value FROM mvstore_get_many('s', '{k1,k6,k1}', 15)) TO STDOUT;
-- A write in a default is one of the statement's.
CREATE TABLE logged (n int, version bigint DEFAULT mvstore_put('s', 'default', 'v'));
INSERT INTO logged (n) VALUES (1), (2);
SELECT count(DISTINCT version) AS versions, (SELECT count(*) FROM mvstore_history('s', 'default')) AS entries FROM logged;

-- A cursor comes to the store with its first row, and must not have pages of a table that may go before it does.
BEGIN;
DECLARE c CURSOR FOR SELECT key FROM mvstore_scan('s');
DECLARE d SCROLL CURSOR FOR SELECT key FROM mvstore_scan('s');
SAVEPOINT sp;
ALTER TABLE s ADD COLUMN more bigserial;
FETCH 1 FROM c;
ROLLBACK TO sp;
REINDEX TABLE s;
FETCH 1 FROM d;
ROLLBACK TO sp;
DECLARE e CURSOR FOR SELECT key FROM mvstore_scan('s');
ALTER TABLE s ADD COLUMN more bigserial;
SAVEPOINT within;
FETCH 1 FROM e;
ROLLBACK TO within;
SELECT count(*) > 0 AS any FROM mvstore_scan('s');
ROLLBACK;

-- What a transaction has made, emptied or altered itself it can read, also by the snapshot that it keeps.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 AS any FROM mvstore_scan('s2');
SELECT mvstore_create('made') IS NOT NULL AS made;
SELECT mvstore_put('made', 'k', 'v') > 0 AS put;
SELECT mvstore_get('made', 'k');
SAVEPOINT a;
TRUNCATE made;
ROLLBACK TO a;
SELECT mvstore_get('made', 'k');
ALTER TABLE made ADD COLUMN more bigserial;
SELECT mvstore_get('made', 'k');
TRUNCATE s2;
SAVEPOINT b;
TRUNCATE s2;
ROLLBACK TO b;
SELECT mvstore_put('s2', 'k', 'v') > 0 AS put;
SELECT mvstore_get('s2', 'k');
ROLLBACK;

DROP VIEW newest, frozen;
DROP MATERIALIZED VIEW kept, counted;
DROP TABLE s, s2, keys, other, copied, logged;
DROP ROLE regress_mvstore_user;
