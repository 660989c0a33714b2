--
-- A store is an ordinary table of the caller's, with a policy.
--
\pset null '(null)'
SELECT mvstore_create('fruit');

-- Its shape: four columns ...
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull
  FROM pg_attribute WHERE attrelid = 'fruit'::regclass AND attnum > 0 ORDER BY attnum;
-- ... a unique index, which is the replica identity too ...
SELECT regexp_replace(pg_get_indexdef(indexrelid), 'INDEX \S+ ON', 'INDEX ON') AS index,
       indisunique, indisreplident, indisvalid
  FROM pg_index WHERE indrelid = 'fruit'::regclass;
SELECT relkind, relpersistence, relreplident FROM pg_class WHERE oid = 'fruit'::regclass;
-- ... and a trigger that notices TRUNCATE whatever session_replication_role
-- says, and goes with the extension.
SELECT tgname, tgenabled, pg_get_triggerdef(oid) AS definition,
       EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'x'
                  AND d.refclassid = 'pg_extension'::regclass) AS "depends on extension"
  FROM pg_trigger t WHERE tgrelid = 'fruit'::regclass AND NOT tgisinternal;
-- No other constraint, default or privilege comes along.
SELECT count(*) AS constraints FROM pg_constraint
 WHERE conrelid = 'fruit'::regclass AND contype <> 'n';
SELECT relacl FROM pg_class WHERE oid = 'fruit'::regclass;

-- Policies: what is not given is no limit.
SELECT mvstore_create('fruit_limited', keep_versions := 3, keep_for := '1 day 02:00', ttl := '90 s');
SELECT mvstore_create('fruit_forever', ttl := NULL, keep_for := '0');
SELECT store, keep_versions, keep_for, ttl, size > 0 AS "has a size"
  FROM mvstore_stores ORDER BY store::text COLLATE "C";

-- Names: of a schema, quoted, and by the search path.
CREATE SCHEMA regress_stores;
SELECT mvstore_create('regress_stores.apple');
SELECT mvstore_create('regress_stores."Granny Smith''s"');
SET search_path = regress_stores, public;
SELECT mvstore_create('pear');
RESET search_path;
SELECT mvstore_put('regress_stores."Granny Smith''s"', 'colour', 'green') > 0 AS put;
SELECT mvstore_get('regress_stores."Granny Smith''s"', 'colour');
SELECT store FROM mvstore_stores ORDER BY store::text COLLATE "C";

-- A store follows its table through a new name and a new schema.
SELECT mvstore_put('fruit', 'colour', 'red') > 0 AS put;
ALTER TABLE fruit RENAME TO berry;
ALTER TABLE berry SET SCHEMA regress_stores;
SELECT mvstore_get('regress_stores.berry', 'colour');
SELECT mvstore_put('regress_stores.berry', 'colour', 'blue') > 0 AS put;
SELECT store FROM mvstore_stores ORDER BY store::text COLLATE "C";

-- What is refused.
\set VERBOSITY sqlstate
SELECT mvstore_create(NULL);
SELECT mvstore_create('');
SELECT mvstore_create('a.b.c.d');
SELECT mvstore_create('no_such_schema.fruit');
SELECT mvstore_create('fruit_limited');
SELECT mvstore_create('f', keep_versions := 0);
SELECT mvstore_create('f', keep_versions := -1);
SELECT mvstore_create('f', keep_for := '-1 s');
SELECT mvstore_create('f', keep_for := '1 month');
SELECT mvstore_create('f', keep_for := '1 month -30 days');
SELECT mvstore_create('f', ttl := '0');
SELECT mvstore_create('f', ttl := '-1 s');
SELECT mvstore_create('f', ttl := '1 year');
SELECT mvstore_create('pg_temp.f');
BEGIN READ ONLY;
SELECT mvstore_create('f');
ROLLBACK;
SET search_path = '';
SELECT public.mvstore_create('f');
RESET search_path;
\set VERBOSITY default
-- None of these left a table.
SELECT to_regclass('f'), to_regclass('pg_temp.f');

-- A rollback takes a new store back, and a dropped one.
BEGIN;
SELECT mvstore_create('fruit_tried', keep_versions := 1);
SELECT mvstore_put('fruit_tried', 'k', 'v') > 0 AS put;
SELECT mvstore_get('fruit_tried', 'k');
ROLLBACK;
SELECT to_regclass('fruit_tried'), count(*) FROM mvstore_stores WHERE store::text = 'fruit_tried';
BEGIN;
DROP TABLE regress_stores.berry;
SELECT store FROM mvstore_stores ORDER BY store::text COLLATE "C";
ROLLBACK;
SELECT mvstore_get('regress_stores.berry', 'colour');
SELECT count(*) FROM mvstore_stores WHERE store = 'regress_stores.berry'::regclass;

-- Created and dropped in one transaction.
BEGIN;
SELECT mvstore_create('fruit_tried', keep_versions := 1);
SELECT mvstore_put('fruit_tried', 'k', 'v') > 0 AS put;
SELECT mvstore_put('fruit_tried', 'k', 'w') > 0 AS put;
DROP TABLE fruit_tried;
COMMIT;
SELECT mvstore_flush();

-- DROP TABLE forgets the store, and a new one of the same name starts anew.
SELECT mvstore_put('fruit_forever', 'k', 'v') > 0 AS put;
DROP TABLE fruit_forever;
SELECT mvstore_create('fruit_forever');
SELECT mvstore_get('fruit_forever', 'k');
SELECT store, keep_versions, keep_for, ttl FROM mvstore_stores
 WHERE store = 'fruit_forever'::regclass;

-- So does DROP SCHEMA, with requests still in the air, and with replication
-- roles that fire no ordinary trigger.
SELECT mvstore_put('regress_stores.apple', 'k', '1') > 0 AS put;
SELECT mvstore_put('regress_stores.apple', 'k', '2') > 0 AS put;
SELECT mvstore_drop('regress_stores.apple', 'k');
SET session_replication_role = replica;
SET client_min_messages = warning;
DROP SCHEMA regress_stores CASCADE;
RESET client_min_messages;
RESET session_replication_role;
SELECT mvstore_flush();
DROP TABLE fruit_limited, fruit_forever;
SELECT count(*) AS stores FROM mvstore_stores;
SELECT (SELECT count(*) FROM mvstore_policy) AS policies,
       (SELECT count(*) FROM mvstore_floor) AS floors,
       (SELECT count(*) FROM mvstore_journal) AS requests,
       (SELECT count(*) FROM mvstore_store_stats) AS stats;
