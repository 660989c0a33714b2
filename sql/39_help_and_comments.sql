--
-- A store that is wanted where there is one is left as it is, so that a program can say
-- at each start what it needs; and what is there says of itself what it is.
--
SELECT mvstore_create('s', keep_versions := 3, ttl := '1 day');
SELECT mvstore_put('s', 'k', 'v') > 0 AS put;
SELECT mvstore_create('s', keep_versions := 5, if_not_exists := true);
SELECT mvstore_get('s', 'k');
SELECT keep_versions, keep_for, ttl FROM mvstore_stores WHERE store = 's'::regclass;
-- One that is not there is made, also where a store of another schema has the name.
SELECT mvstore_create('t', keep_versions := 5, if_not_exists := true);
CREATE SCHEMA regress_help;
SELECT mvstore_create('regress_help.s', if_not_exists := true);
SELECT store, keep_versions FROM mvstore_stores ORDER BY store::text COLLATE "C";
DROP SCHEMA regress_help CASCADE;
DROP TABLE t;
-- It takes no right to find it there, nor does a policy go unchecked.
CREATE ROLE regress_mvstore_app;
SET ROLE regress_mvstore_app;
SELECT mvstore_create('s', if_not_exists := true);
\set VERBOSITY sqlstate
SELECT mvstore_create('t', if_not_exists := true);
SELECT mvstore_create('s', keep_versions := 0, if_not_exists := true);
SELECT mvstore_create('s', if_not_exists := NULL);
RESET ROLE;
DROP ROLE regress_mvstore_app;
\set VERBOSITY default
-- What is no store is not taken for one.
CREATE TABLE plain (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz);
CREATE UNIQUE INDEX ON plain (key, version DESC);
CREATE VIEW regress_view AS SELECT;
SELECT mvstore_create('plain', if_not_exists := true);
SELECT mvstore_create('plain');
SELECT mvstore_create('regress_view', if_not_exists := true);
SELECT mvstore_create('s');
DROP VIEW regress_view;

-- The columns of a store say what is in them, and so do those of a table that becomes
-- one, but where somebody has said something else.
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 's'::regclass AND attnum > 0 ORDER BY attnum;
COMMENT ON COLUMN plain.value IS 'JSON';
SELECT mvstore_attach('plain');
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'plain'::regclass AND attnum > 0 ORDER BY attnum;
DROP TABLE plain;

-- What there is, in the order of the reference.
\pset format unaligned
SELECT * FROM mvstore_help();
\pset format aligned
-- Nothing for users is left out: what is not there is below the views, or a trigger.
SELECT p.proname AS internal
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mvstore')
   AND p.proname NOT IN (SELECT function FROM mvstore_help())
 ORDER BY p.proname COLLATE "C";
-- It does not depend on what the caller has of such names.
CREATE TABLE pg_proc (proname text);
CREATE FUNCTION concat(VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$;
CREATE DOMAIN public.text AS pg_catalog.text CHECK (VALUE = 'mine');
SET search_path = public, pg_catalog;
SELECT count(*) > 80 AS found FROM mvstore_help();
RESET search_path;
DROP TABLE public.pg_proc;
DROP FUNCTION public.concat;
DROP DOMAIN public.text;
-- A comment is one line that a terminal shows.
SELECT function, comment FROM mvstore_help() WHERE comment IS NULL OR comment ~ '\n' OR length(comment) > 100 OR comment !~ '^[a-z(]';

-- All columns of the views that everybody may read have one.
SELECT c.oid::regclass AS view, a.attname AS uncommented
  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mvstore')
   AND c.relkind = 'v' AND has_table_privilege('public', c.oid, 'SELECT')
   AND a.attnum > 0 AND coalesce(col_description(c.oid, a.attnum), '') = ''
 ORDER BY 1, a.attnum;

DROP TABLE s;
