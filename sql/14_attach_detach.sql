--
-- A table that has the shape of a store can be made one, and a store a plain table
-- again: after a restore of some tables, on a subscriber, for a new extension.
--
\pset null '(null)'
CREATE FUNCTION regress_table(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE %I (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz)', name);
  EXECUTE format('CREATE UNIQUE INDEX ON %I (key, version DESC)', name);
END $$;
SELECT regress_table('t');
INSERT INTO t SELECT 'k', v, convert_to('v' || v, 'UTF8') FROM generate_series(10, 50, 10) v;
INSERT INTO t VALUES ('deleted', 10, 'v10'), ('deleted', 20, NULL), ('', 7, 'v7');

-- All of its history is there, says the caller, and it reads as any store's.
BEGIN;
SELECT mvstore_attach('t', floor := 0);
SELECT store, keep_versions, keep_for, ttl FROM mvstore_stores;
SELECT floor FROM mvstore_store_stats WHERE store = 't'::regclass;
SELECT v, mvstore_get('t', 'k', v), mvstore_get('t', 'deleted', v), mvstore_count('t', as_of := v)
  FROM unnest('{5,10,25,9223372036854775807}'::bigint[]) v;
SELECT mvstore_put('t', 'k', 'now') > 50 AS put;
SELECT mvstore_put_at('t', 'k', 'past', 25);
SELECT mvstore_delete('t', '') > 0 AS deleted;
-- It is not one yet while that is not committed.
ROLLBACK;
SELECT count(*) FROM mvstore_stores;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
SELECT relreplident FROM pg_class WHERE oid = 't'::regclass;
\set VERBOSITY sqlstate
SELECT mvstore_get('t', 'k');
\set VERBOSITY default

-- With a floor, its history is complete from there on.
SELECT mvstore_attach('t', floor := 30);
SELECT floor FROM mvstore_store_stats WHERE store = 't'::regclass;
SELECT mvstore_get('t', 'k', 30), mvstore_get('t', 'k', 29), mvstore_get('t', 'absent', 30);
\set VERBOSITY sqlstate
SELECT mvstore_get('t', 'absent', 29);
SELECT mvstore_count('t', as_of := 29);
SELECT mvstore_put_at('t', 'k', 'past', 29);
\set VERBOSITY default
-- It is a store in every way.
SELECT tgname, tgenabled, tgfoid::regproc FROM pg_trigger WHERE tgrelid = 't'::regclass;
SELECT relreplident FROM pg_class WHERE oid = 't'::regclass;
SELECT mvstore_drop('t', 'k', keep := 4);
SELECT mvstore_flush();
SELECT version FROM mvstore_history('t', 'k');
SELECT incarnation AS life FROM mvstore_stores \gset
TRUNCATE t;
SELECT incarnation > :life AS "a new life" FROM mvstore_stores;
SELECT mvstore_put('t', 'k', 'v1') > 50 AS put;
\set VERBOSITY sqlstate
SELECT mvstore_attach('t');
SELECT mvstore_attach('t', keep_versions := 3);
\set VERBOSITY default
SELECT mvstore_attach('t');

-- Detached, it is a plain table, with all its entries; what was requested of it,
-- and a pin on it that has been given up, are forgotten.
SELECT mvstore_put('t', 'k', 'v2') > 50 AS put;
SELECT mvstore_pin('regress', store := 't') > 0 AS pinned;
\set VERBOSITY sqlstate
SELECT mvstore_detach('t');
SELECT mvstore_unpin('regress');
SELECT mvstore_pin('regress') > 0 AS pinned;
SELECT mvstore_detach('t');
SELECT mvstore_unpin('regress');
\set VERBOSITY default
BEGIN;
SELECT mvstore_detach('t');
ROLLBACK;
SELECT mvstore_get('t', 'k');
BEGIN;
SELECT mvstore_put('t', 'k', 'v3') > 50 AS put;
SELECT mvstore_drop('t', 'k');
SELECT mvstore_detach('t');
COMMIT;
SELECT mvstore_flush();
SELECT convert_from(value, 'UTF8') AS value FROM t ORDER BY version;
SELECT count(*) FROM mvstore_stores;
SELECT count(*) FROM mvstore_store_stats;
SELECT (SELECT count(*) FROM mvstore_floor) AS floors, (SELECT count(*) FROM mvstore_journal) AS journal,
       (SELECT count(*) FROM mvstore_calendar) AS calendar, (SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass) AS triggers;
\set VERBOSITY sqlstate
SELECT mvstore_get('t', 'k');
SELECT mvstore_put('t', 'k', 'v');
SELECT mvstore_detach('t');
\set VERBOSITY default
SELECT mvstore_detach('t');
UPDATE t SET value = 'plain';
TRUNCATE t;

-- What writes cannot fill is no column of a store; and no trigger of somebody else's
-- is replaced.
CREATE TABLE generated (part bytea, key bytea GENERATED ALWAYS AS (part) STORED NOT NULL,
                        version bigint NOT NULL, value bytea, expires_at timestamptz);
CREATE UNIQUE INDEX ON generated (key, version DESC);
SELECT mvstore_attach('generated');
DROP TABLE generated;
CREATE TRIGGER mvstore_truncate BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT mvstore_attach('t');
SELECT tgfoid::regproc FROM pg_trigger WHERE tgrelid = 't'::regclass;
DROP TRIGGER mvstore_truncate ON t;

-- There and back again, and more than once, in one transaction.
BEGIN;
SELECT mvstore_attach('t', floor := 0);
SELECT mvstore_detach('t');
SELECT mvstore_attach('t', keep_versions := 2, floor := 0);
SELECT mvstore_put('t', 'k', 'v1') > 0 AS put;
SELECT mvstore_detach('t');
SELECT mvstore_attach('t', keep_versions := 1, keep_for := '1 day', ttl := '1 hour', floor := 0);
COMMIT;
SELECT store, keep_versions, keep_for, ttl FROM mvstore_stores;
SELECT mvstore_get('t', 'k');
SELECT mvstore_detach('t');

-- Without a floor, nothing is promised of the time before; from then on it is.
SELECT regress_table('u');
INSERT INTO u VALUES ('k', 10, 'v10'), ('k', 20, 'v20');
SELECT mvstore_stable_version() AS before \gset
SELECT mvstore_attach('u');
SELECT floor > :before AS floor, floor <= mvstore_stable_version() AS stable FROM mvstore_store_stats WHERE store = 'u'::regclass;
SELECT mvstore_get('u', 'k'), mvstore_get('u', 'k', 15), mvstore_count('u', as_of := mvstore_stable_version());
\set VERBOSITY sqlstate
SELECT mvstore_get('u', 'k', 5);
SELECT mvstore_count('u', as_of := :before);
SELECT mvstore_put_at('u', 'k', 'v', :before);
\set VERBOSITY default
-- The policy that it is given holds for what is there.
SELECT mvstore_detach('u');
INSERT INTO u VALUES ('k', 30, 'v30', NULL), ('deleted', 10, 'v10', NULL), ('deleted', 20, NULL, NULL),
                     ('expired', 10, 'v10', '2000-01-01'), ('old', 10, 'v10', NULL);
SELECT mvstore_attach('u', keep_versions := 2, floor := 0);
SELECT mvstore_flush();
SELECT convert_from(key, 'UTF8') AS key, version FROM u ORDER BY u.key, version;
SELECT mvstore_time_of(floor) = '2000-01-01' AS "when one expired" FROM mvstore_store_stats WHERE store = 'u'::regclass;
SELECT mvstore_detach('u');

-- Versions in the table raise the clock: no later one is below them.
SELECT regress_table('f');
INSERT INTO f VALUES ('k', mvstore_version_at(clock_timestamp() + interval '1 s'), 'future');
SELECT version AS future FROM f \gset
BEGIN;
SELECT mvstore_attach('f', floor := 0);
SELECT mvstore_put('f', 'other', 'v') > :future AS later;
COMMIT;
SELECT mvstore_get('f', 'k'), mvstore_stable_version() > :future AS later;
-- A promise made now holds for its time, by whatever clock.
SELECT mvstore_pin('regress', ttl := '0.5 s', store := 'f') > :future AS pinned;
\set VERBOSITY sqlstate
SELECT mvstore_clear('f');
\set VERBOSITY default
SELECT mvstore_unpin('regress');
-- (Until time has come so far.)
SELECT mvstore_wait_stable(mvstore_stable_version() + 1, '1 min') AS "it has come";

-- A restore of the table alone, with its index, but without what the extension
-- knows of it.
SELECT mvstore_create('orig', keep_versions := 3);
SELECT mvstore_put_at('orig', 'k', 'v' || v, v) FROM generate_series(1, 10) v;
SELECT mvstore_flush();
SELECT floor FROM mvstore_store_stats WHERE store = 'orig'::regclass;
CREATE TABLE restored (LIKE orig INCLUDING ALL);
INSERT INTO restored SELECT * FROM orig;
SELECT mvstore_attach('restored', keep_versions := 3, floor := (SELECT floor FROM mvstore_store_stats WHERE store = 'orig'::regclass));
SELECT mvstore_get('restored', 'k', 8), mvstore_get('restored', 'k', 9), mvstore_get('restored', 'k');
\set VERBOSITY sqlstate
SELECT mvstore_get('restored', 'k', 7);
\set VERBOSITY default
SELECT mvstore_put('restored', 'k', 'v11') > 10 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('restored', 'k');

-- The extension is dropped and made anew: the tables are stores again as soon as
-- that is said.
DROP EXTENSION mvstore;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'orig'::regclass;
CREATE EXTENSION mvstore;
SELECT count(*) FROM mvstore_stores;
SELECT mvstore_attach('orig', keep_versions := 2, floor := 8);
SELECT mvstore_flush();
SELECT value FROM mvstore_history('orig', 'k');
SELECT mvstore_get('orig', 'k', 9);
SELECT mvstore_put('orig', 'k', 'v11') > 10 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('orig', 'k');
DROP TABLE orig, restored, f;

-- Other columns, indexes and settings of the user's stay, and do no harm.
CREATE TABLE more (note text DEFAULT 'none', expires_at timestamptz, value bytea, version bigint NOT NULL, key bytea NOT NULL, gone int);
ALTER TABLE more DROP gone;
CREATE INDEX ON more (note);
CREATE UNIQUE INDEX more_shape ON more (key, version DESC);
ALTER TABLE more REPLICA IDENTITY FULL;
INSERT INTO more (key, version, value) VALUES ('k', 10, 'v10');
SELECT mvstore_attach('more', floor := 0);
SELECT mvstore_put('more', 'k', 'v') > 10 AS put;
SELECT convert_from(key, 'UTF8') AS key, convert_from(value, 'UTF8') AS value, note FROM more ORDER BY version;
SELECT relreplident FROM pg_class WHERE oid = 'more'::regclass;
DROP TABLE more;

-- What has not the shape is refused, and stays as it is.
CREATE FUNCTION regress_attach(columns text, index text DEFAULT 'UNIQUE INDEX ON %s (key, version DESC)', kind text DEFAULT 'TABLE')
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE %s x (%s)', kind, columns);
  IF index <> '' THEN EXECUTE format('CREATE ' || index, 'x'); END IF;
  PERFORM mvstore_attach('x', floor := 0);
  RAISE division_by_zero;  -- leaves nothing behind
EXCEPTION
  WHEN division_by_zero THEN RETURN 'attached';
  WHEN OTHERS THEN RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT regress_attach('key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz') AS good;
SELECT regress_attach(columns) FROM unnest(ARRAY[
  'key bytea NOT NULL, version bigint NOT NULL, value bytea',
  'key bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz',
  'key text NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz',
  'key bytea NOT NULL, version int NOT NULL, value bytea, expires_at timestamptz',
  'key bytea NOT NULL, version bigint NOT NULL, value text, expires_at timestamptz',
  'key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamp',
  'key bytea, version bigint NOT NULL, value bytea, expires_at timestamptz',
  'key bytea NOT NULL, version bigint, value bytea, expires_at timestamptz']) columns;
SELECT regress_attach('key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz', index) FROM unnest(ARRAY[
  '', 'INDEX ON %s (key, version DESC)', 'UNIQUE INDEX ON %s (key, version)', 'UNIQUE INDEX ON %s (key DESC, version DESC)',
  'UNIQUE INDEX ON %s (version DESC, key)', 'UNIQUE INDEX ON %s (key, version DESC) INCLUDE (value)',
  'UNIQUE INDEX ON %s (key, version DESC, value)', 'UNIQUE INDEX ON %s (key, version DESC) WHERE value IS NOT NULL',
  'UNIQUE INDEX ON %s (key)', 'INDEX ON %s USING hash (key)']) index;
SELECT kind, regress_attach('key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz', kind := kind)
  FROM unnest('{UNLOGGED TABLE,TEMP TABLE}'::text[]) kind;
SELECT regress_table('x');
CREATE VIEW a_view AS TABLE x;
CREATE MATERIALIZED VIEW a_matview AS TABLE x;
CREATE TABLE partitioned (LIKE x) PARTITION BY LIST (key);
CREATE UNIQUE INDEX ON partitioned (key, version DESC);
CREATE FOREIGN DATA WRAPPER regress;
CREATE SERVER regress FOREIGN DATA WRAPPER regress;
CREATE FOREIGN TABLE a_foreign (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz) SERVER regress;
CREATE SEQUENCE a_sequence;
\set VERBOSITY sqlstate
SELECT mvstore_attach('a_view');
SELECT mvstore_attach('a_matview');
SELECT mvstore_attach('partitioned');
SELECT mvstore_attach('a_foreign');
SELECT mvstore_attach('a_sequence');
SELECT mvstore_attach('x_key_version_idx');
SELECT mvstore_attach('pg_class');
SELECT mvstore_attach('mvstore_policy');
SELECT mvstore_attach(1);
SELECT mvstore_attach(NULL);
SELECT mvstore_detach('a_view');
SELECT mvstore_detach(NULL);
SELECT mvstore_detach(1);
-- Neither is a bad policy, or floor, accepted.
SELECT mvstore_attach('x', keep_versions := 0);
SELECT mvstore_attach('x', keep_for := '1 month');
SELECT mvstore_attach('x', ttl := '0');
SELECT mvstore_attach('x', floor := -1);
SELECT mvstore_attach('x', floor := 9223372036854775807);
BEGIN READ ONLY;
SELECT mvstore_attach('x');
ROLLBACK;
BEGIN READ ONLY;
SELECT mvstore_detach('u');
ROLLBACK;
-- Nor entries that no store can hold.
CREATE FUNCTION regress_row(key bytea, version bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO x VALUES (key, version, 'v');
  PERFORM mvstore_attach('x', floor := 0);
  RAISE division_by_zero;
EXCEPTION
  WHEN division_by_zero THEN RETURN 'attached';
  WHEN OTHERS THEN RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT length(key), version, regress_row(key, version)
  FROM (VALUES (''::bytea, 1), (decode(repeat('ff', 2000), 'hex'), 1), (decode(repeat('ff', 2001), 'hex'), 1),
               ('k', 0), ('k', -1), ('k', 9223372036854775806), ('k', 9223372036854775807)) AS rows (key, version);
-- A clock that they had raised would stand there for good.
SELECT mvstore_stable_version() < mvstore_version_at(now() + interval '1 min') AS "about now";
\set VERBOSITY default
SELECT count(*) FROM mvstore_stores;
SELECT relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE tgname = 'mvstore_truncate';

DROP FOREIGN TABLE a_foreign;
DROP SERVER regress;
DROP FOREIGN DATA WRAPPER regress;
DROP SEQUENCE a_sequence;
DROP VIEW a_view;
DROP MATERIALIZED VIEW a_matview;
DROP TABLE t, u, x, partitioned;
DROP FUNCTION regress_table, regress_attach, regress_row;
