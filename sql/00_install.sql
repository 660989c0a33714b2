--
-- CREATE EXTENSION gives the user every function, view and setting of the
-- manual, and keeps the catalog out of strangers' hands.
--
CREATE EXTENSION mvstore;

-- The functions, and what the planner may do with them.
\pset format unaligned
SELECT p.proname AS function,
       pg_get_function_arguments(p.oid) AS arguments,
       p.provolatile AS volatile, p.proparallel AS parallel,
       has_function_privilege('public', p.oid, 'EXECUTE') AS public
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mvstore')
 ORDER BY p.proname COLLATE "C", pg_get_function_arguments(p.oid) COLLATE "C";
\pset format aligned

-- Every function that a user calls says what it is for.
SELECT p.oid::regprocedure AS uncommented
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mvstore')
   AND obj_description(p.oid, 'pg_proc') IS NULL;

-- The settings, each with its default and the scope in which it may be set.
SELECT name, boot_val, unit, context
  FROM pg_settings WHERE name LIKE 'mvstore.%' AND name NOT IN ('mvstore.fault', 'mvstore.clock_shift')
 ORDER BY name COLLATE "C";

-- A new extension has no store.
SELECT count(*) FROM mvstore_stores;
SELECT count(*) FROM mvstore_store_stats;

-- The views are everybody's, the catalog is the extension's own.
CREATE ROLE regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
SELECT count(*) FROM mvstore_stores;
SELECT count(*) FROM mvstore_store_stats;
SELECT count(*) <= 1 AS "one row a database" FROM mvstore_stats WHERE database = current_database();
\set VERBOSITY sqlstate
SELECT * FROM mvstore_policy;
SELECT * FROM mvstore_floor;
SELECT * FROM mvstore_journal;
SELECT * FROM mvstore_stable;
SELECT * FROM mvstore_clock;
SELECT nextval('mvstore_clock');
INSERT INTO mvstore_policy (store, incarnation) VALUES ('pg_class', 1);
\set VERBOSITY default
RESET ROLE;
DROP ROLE regress_mvstore_stranger;
