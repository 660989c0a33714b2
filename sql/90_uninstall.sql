--
-- DROP EXTENSION leaves nothing of mvstore in the catalogs, and the stores as
-- plain tables with all their entries. It can be rolled back, and undone by
-- CREATE EXTENSION.
--
SELECT mvstore_create('s');
SELECT mvstore_create('p', keep_versions := 5);
SELECT mvstore_put_at('s', 'k', 'v10', 10), mvstore_put_at('s', 'k', 'v20', 20), mvstore_delete_at('s', 'k', 30);

BEGIN;
DROP EXTENSION mvstore;
ROLLBACK;
SELECT mvstore_get('s', 'k', as_of := 25);
SELECT store, keep_versions FROM mvstore_stores ORDER BY store::text;

-- A session that has just written, and requests that still wait, do not matter.
SELECT mvstore_put('s', 'j', 'v') > 0 AS put;
SELECT mvstore_drop('s', 'k', before := 20);
DROP EXTENSION mvstore;

SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid IN ('s'::regclass, 'p'::regclass);
SELECT count(*) AS "event triggers" FROM pg_event_trigger;
SELECT count(*) AS functions FROM pg_proc WHERE proname LIKE 'mvstore%' OR prosrc LIKE '%mvstore%';
SELECT count(*) AS relations FROM pg_class WHERE relname LIKE 'mvstore%';
SELECT count(*) AS types FROM pg_type WHERE typname LIKE '%mvstore%';
SELECT count(*) AS dependencies FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND refobjid NOT IN (SELECT oid FROM pg_extension);
SELECT count(*) AS comments FROM pg_description WHERE description LIKE '%mvstore%';
SELECT convert_from(key, 'UTF8') AS key, value FROM s WHERE version >= 20 ORDER BY key, version;
SELECT count(*) FROM s WHERE key = 'j';
-- A plain table indeed.
INSERT INTO s VALUES ('l', 1, 'v', NULL);
UPDATE s SET value = 'w' WHERE key = 'l';
TRUNCATE s;
DROP TABLE s, p;

-- Once more from the beginning, in one session.
CREATE EXTENSION mvstore;
SELECT mvstore_create('s', keep_versions := 1);
SELECT mvstore_put('s', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('s', 'k', 'v2') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');
-- In a schema of its own, with a search_path that does not name it.
DROP TABLE s;
DROP EXTENSION mvstore;
CREATE SCHEMA "My Store";
CREATE EXTENSION mvstore SCHEMA "My Store";
SET search_path = pg_catalog;
SELECT "My Store".mvstore_create('public.s', keep_versions := 1);
SELECT "My Store".mvstore_put('public.s', 'k', 'v1') > 0 AS put;
SELECT "My Store".mvstore_put('public.s', 'k', 'v2') > 0 AS put;
SELECT "My Store".mvstore_flush();
SELECT value FROM "My Store".mvstore_history('public.s', 'k');
SELECT store, keep_versions FROM "My Store".mvstore_stores;
TRUNCATE public.s;
DROP TABLE public.s;
SELECT count(*) FROM "My Store".mvstore_stores;
RESET search_path;
-- Whoever drops the schema with all that is in it is told which stores stay, outside of it.
SELECT "My Store".mvstore_create('outside');
SELECT "My Store".mvstore_create('"My Store".inside');
\set VERBOSITY terse
BEGIN;
DROP SCHEMA "My Store" CASCADE;
ROLLBACK;
\set VERBOSITY default
SELECT count("My Store".mvstore_create(format('s%s', i))) FROM generate_series(1, 10) i;
BEGIN;
DROP EXTENSION mvstore;
ROLLBACK;
DO $$ BEGIN EXECUTE (SELECT 'DROP TABLE ' || string_agg(store::text, ', ') FROM "My Store".mvstore_stores); END $$;
-- Where there is none, nothing is said.
DROP EXTENSION mvstore;
DROP SCHEMA "My Store";
-- The tests that follow in this database find no trace.
SELECT count(*) AS extensions FROM pg_extension WHERE extname = 'mvstore';
