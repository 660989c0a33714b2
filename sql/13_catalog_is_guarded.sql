--
-- The catalog is the database's own: what replication brings for it, is not
-- believed, and a trigger sees to that which nobody takes off by accident.
--

-- Every table has a key, by which changes of it can be published, and its guard.
CREATE VIEW regress_catalog AS
SELECT c.oid, c.relname FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
 WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mvstore') AND c.relkind = 'r';
SELECT c.relname, i.indisprimary AND c.relreplident = 'd' AS "key",
       (SELECT tgenabled FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'mvstore_guard') AS guard
  FROM regress_catalog r JOIN pg_class c USING (oid) LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
 ORDER BY 1;
-- No column is of a type that makes the apply fail where a store is missing.
SELECT a.attrelid::regclass, a.attname FROM regress_catalog r JOIN pg_attribute a ON a.attrelid = r.oid
 WHERE a.atttypid IN ('regclass'::regtype, 'regproc'::regtype, 'regrole'::regtype);

SELECT mvstore_create('s', keep_versions := 5);
CREATE TABLE plain (LIKE s INCLUDING ALL);

-- Replication other than PostgreSQL's says where its changes come from.
SELECT pg_replication_origin_create('regress_mvstore') IS NOT NULL AS created;
SELECT pg_replication_origin_session_setup('regress_mvstore');
INSERT INTO mvstore_policy (store, keep_versions, incarnation) VALUES ('plain', 1, 1), ('s', 1, 1), ('missing.store', 1, 1), ('"Missing"', 1, 1), ('4711', 1, 1), ('-', 1, 1);
UPDATE mvstore_policy SET keep_versions = 1;
DELETE FROM mvstore_policy;
INSERT INTO mvstore_paused VALUES (true, now(), 'regress');
INSERT INTO mvstore_stable VALUES (1, true);
COPY mvstore_floor FROM stdin;
s	4711	4711	4711
missing.store	4711	4711	4711
\.
SELECT store, keep_versions FROM mvstore_stores;
SELECT (SELECT count(*) FROM mvstore_paused) AS paused, (SELECT count(*) FROM mvstore_floor) AS floors, (SELECT count(*) FROM mvstore_stable) AS stable;
-- mvstore's own functions do what they do.
SELECT mvstore_pause();
SELECT count(*) FROM mvstore_paused;
SELECT mvstore_resume();
SELECT count(*) FROM mvstore_paused;
SELECT mvstore_set_policy('s', keep_versions := 6);
SELECT store, keep_versions FROM mvstore_stores;
SELECT pg_replication_origin_session_reset();
SELECT pg_replication_origin_drop('regress_mvstore');
-- Elsewhere a store that is missing is an error, as ever.
\set VERBOSITY terse
INSERT INTO mvstore_policy (store, incarnation) VALUES ('missing', 1);
-- Who empties all tables of a schema is told.
TRUNCATE plain, mvstore_policy, s;
SELECT store FROM mvstore_stores;

-- ALTER TABLE leaves it on: as pg_restore --disable-triggers does it, and otherwise.
ALTER TABLE mvstore_policy DISABLE TRIGGER ALL;
ALTER TABLE mvstore_floor DISABLE TRIGGER ALL;
ALTER TABLE mvstore_floor ENABLE TRIGGER ALL;
ALTER TABLE mvstore_journal ENABLE REPLICA TRIGGER mvstore_guard;
ALTER TABLE mvstore_pin DISABLE TRIGGER USER;
SELECT tgenabled, count(*) FROM pg_trigger WHERE tgname = 'mvstore_guard' GROUP BY 1;
BEGIN;
SET LOCAL session_replication_role = replica;
ALTER TABLE mvstore_stable DISABLE TRIGGER mvstore_guard;
SELECT tgenabled, count(*) FROM pg_trigger WHERE tgname = 'mvstore_guard' GROUP BY 1;
COMMIT;
ALTER TABLE mvstore_policy ENABLE TRIGGER ALL;
ALTER TABLE mvstore_pin ENABLE TRIGGER ALL;
ALTER TABLE plain DISABLE TRIGGER ALL;
SELECT mvstore_guard();
CREATE TRIGGER t AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION mvstore_guard();
INSERT INTO plain VALUES ('k', 1);
-- Without its key nobody could tell what is there.
BEGIN;
ALTER TABLE mvstore_paused DROP CONSTRAINT mvstore_paused_pkey;
INSERT INTO mvstore_paused VALUES (true, now(), 'x');
ROLLBACK;
\set VERBOSITY default

-- A replica identity of all columns, as tools give it to all tables, leaves it its key.
BEGIN;
ALTER TABLE mvstore_paused REPLICA IDENTITY FULL;
SELECT mvstore_pause();
SELECT mvstore_resume();
ROLLBACK;

-- What is done with the rights of a superuser is nothing of theirs who were given all rights on all tables.
CREATE ROLE regress_granted;
CREATE SCHEMA regress_granted AUTHORIZATION regress_granted;
GRANT ALL ON mvstore_paused TO regress_granted;
SET ROLE regress_granted;
CREATE FUNCTION regress_granted.own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'run by %', current_user; RETURN NEW; END $$;
CREATE TRIGGER z BEFORE INSERT ON mvstore_paused FOR EACH ROW EXECUTE FUNCTION regress_granted.own();
RESET ROLE;
SELECT mvstore_pause();
DROP TRIGGER z ON mvstore_paused;
-- Nor by the condition of a trigger whose function is mvstore's. (But a foreign key may refer to it.)
GRANT EXECUTE ON FUNCTION mvstore_guard() TO regress_granted;
SET ROLE regress_granted;
CREATE FUNCTION regress_granted.asked() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'run by %', current_user; RETURN true; END $$;
CREATE TRIGGER z BEFORE INSERT ON mvstore_paused FOR EACH ROW WHEN (regress_granted.asked()) EXECUTE FUNCTION mvstore_guard();
RESET ROLE;
SELECT mvstore_pause();
DROP TRIGGER z ON mvstore_paused;
CREATE TABLE regress_granted.refers (paused bool REFERENCES mvstore_paused (paused));
SELECT mvstore_pause();
SELECT mvstore_resume();
-- A cascade changes that table with our rights.
DROP TABLE regress_granted.refers;
CREATE TABLE regress_granted.refers (paused bool REFERENCES mvstore_paused (paused) ON DELETE CASCADE);
SELECT mvstore_pause();
DROP TABLE regress_granted.refers;
CREATE TABLE regress_granted.refers (paused bool REFERENCES mvstore_paused (paused) ON DELETE SET NULL);
SELECT mvstore_pause();
REVOKE ALL ON FUNCTION mvstore_guard() FROM regress_granted;
REVOKE ALL ON mvstore_paused FROM regress_granted;
DROP SCHEMA regress_granted CASCADE;
DROP ROLE regress_granted;

-- The guard looks at rows, and at TRUNCATE: fired for a statement it would have none to look at.
CREATE TABLE guarded (i int PRIMARY KEY);
CREATE TRIGGER x BEFORE INSERT ON guarded FOR EACH STATEMENT EXECUTE FUNCTION mvstore_guard();
INSERT INTO guarded VALUES (1);
DROP TABLE guarded;

-- A library that does not know the tables as they are, as of a later version, is in nobody's way.
BEGIN;
ALTER TABLE mvstore_policy ADD COLUMN note text;
CREATE TABLE other (i int);
DROP TABLE other;
CREATE SCHEMA other CREATE TABLE t (i int);
DROP SCHEMA other CASCADE;
SET LOCAL client_min_messages = error;
DROP EXTENSION mvstore CASCADE;
ROLLBACK;

DROP VIEW regress_catalog;
DROP TABLE s, plain;
