--
-- mvstore.as_of: a session that reads the past does so in every function that
-- is not told otherwise, and does not write.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'a', 'a10', 10), mvstore_put_at('s', 'a', 'a20', 20),
       mvstore_put_at('s', 'b', 'b15', 15), mvstore_delete_at('s', 'b', 25);
SHOW mvstore.as_of;
SET mvstore.as_of = 15;
SELECT mvstore_get('s', 'a'), mvstore_contains('s', 'b'), (mvstore_get_entry('s', 'a')).version;
SELECT * FROM mvstore_scan('s');
SELECT * FROM mvstore_scan_prefix('s', 'a');
SELECT * FROM mvstore_get_many('s', '{b,a}');
SELECT mvstore_count('s'), mvstore_count_prefix('s', 'b');
SELECT version FROM mvstore_history('s', 'a');
SELECT (mvstore_previous('s', 'a')).version;
SELECT * FROM mvstore_diff('s', 5);
-- A read that names a version goes by it.
SELECT mvstore_get('s', 'a', as_of := 20), (mvstore_previous('s', 'a', before := 30)).version;
SELECT * FROM mvstore_diff('s', 5, 30);

-- Nothing is written meanwhile, in whichever way.
SELECT mvstore_put('s', 'a', 'x');
\set VERBOSITY sqlstate
SELECT mvstore_put_if('s', 'a', 'x', 0);
SELECT mvstore_put_many('s', '{a}', '{x}');
SELECT mvstore_put_at('s', 'a', 'x', 12);
SELECT mvstore_delete('s', 'a');
SELECT mvstore_delete_if('s', 'a', 20);
SELECT mvstore_delete_at('s', 'a', 12);
SELECT mvstore_lock('s', 'a');
SELECT mvstore_erase('s', 'a');
SELECT mvstore_erase_prefix('s', 'a');
SELECT mvstore_clear('s');
\set VERBOSITY default

-- For a transaction; a rollback takes it back.
RESET mvstore.as_of;
BEGIN;
SET LOCAL mvstore.as_of = 10;
SELECT mvstore_get('s', 'a');
COMMIT;
SELECT mvstore_get('s', 'a');
BEGIN;
SET mvstore.as_of = 10;
ROLLBACK;
SELECT mvstore_get('s', 'a');

-- A time is the version that it is; a later SET TimeZone does not move it.
SET TimeZone = 'UTC';
SET mvstore.as_of = '1970-01-01 00:00:00.000015';
SET TimeZone = 'America/New_York';
SHOW mvstore.as_of;
SELECT mvstore_get('s', 'a'), mvstore_get('s', 'b');
SET mvstore.as_of = '1970-01-01 01:00:00.00002+01';
SELECT mvstore_get('s', 'a');
RESET TimeZone;

-- The stable version.
SET mvstore.as_of = 'Stable';
SHOW mvstore.as_of;
SELECT mvstore_get('s', 'a'), mvstore_get('s', 'b');
SELECT mvstore_put('s', 'a', 'x');
RESET mvstore.as_of;
BEGIN;
SELECT mvstore_put('s', 'c', 'new') > 0 AS put;
SET LOCAL mvstore.as_of = stable;
SELECT mvstore_get('s', 'c') AS "not stable yet";
COMMIT;
SET mvstore.as_of = stable;
SELECT mvstore_get('s', 'c');

-- The end of time is the newest, as ever.
SET mvstore.as_of = '9223372036854775807';
SELECT mvstore_get('s', 'a');
SET mvstore.as_of = '';
SELECT mvstore_put('s', 'a', 'a now') > 0 AS put;

-- What is no version and no time.
SET mvstore.as_of = 'yesteryear';
SET mvstore.as_of = '-1';
SET mvstore.as_of = '1960-01-01';
SET mvstore.as_of = 'infinity';
SET mvstore.as_of = '12.5';
-- Nor what the configuration file could not say: no transaction reads it.
ALTER SYSTEM SET mvstore.as_of = '2026-01-01 00:00:00+00';
SHOW mvstore.as_of;
-- The future, and what is gone, are refused when they are read.
SET mvstore.as_of = '2200-01-01 00:00:00+00';
\set VERBOSITY terse
SELECT mvstore_get('s', 'a');
RESET mvstore.as_of;
SELECT mvstore_compact('s', mvstore_stable_version());
SELECT mvstore_flush();
SET mvstore.as_of = 20;
SELECT mvstore_count('s') = 0;
\set VERBOSITY default
RESET mvstore.as_of;

-- Workers of a parallel query read what their leader does.
CREATE TABLE keys AS SELECT 'k' || i AS key FROM generate_series(1, 3000) i;
SELECT mvstore_put_many('s', array_agg(key), array_agg('old'::text)) AS before FROM keys \gset
SELECT mvstore_put_many('s', array_agg(key), array_agg('new'::text)) > 0 AS put FROM keys;
SET mvstore.as_of = :before;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE keys SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT count(*) FROM keys WHERE mvstore_get('s', key) = 'old';
SELECT count(*) FROM keys WHERE mvstore_get('s', key) = 'old';
RESET ALL;

-- A statement reads one state, though time goes on, and calls within it have snapshots of their own.
CREATE TABLE noted (n int);
CREATE FUNCTION passes(ends timestamptz) RETURNS boolean VOLATILE LANGUAGE plpgsql AS $$
BEGIN
	WHILE clock_timestamp() <= ends LOOP
		-- What is rolled back moves the ends of the next snapshot.
		BEGIN
			INSERT INTO noted VALUES (1);
			RAISE EXCEPTION 'never mind';
		EXCEPTION WHEN raise_exception THEN
			PERFORM mvstore_get('s', 'k1');
		END;
	END LOOP;
	RETURN true;
END $$;
SELECT mvstore_put('s', 'short', 'lived', ttl := '1500 ms') > 0 AS put;
SELECT expires_at AS ends FROM mvstore_get_entry('s', 'short') \gset
SET mvstore.as_of = 'stable';
SELECT mvstore_get('s', 'short'), passes(:'ends') FROM generate_series(1, 2);
SELECT mvstore_get('s', 'short');
RESET mvstore.as_of;
DROP FUNCTION passes;
DROP TABLE s, keys, noted;
