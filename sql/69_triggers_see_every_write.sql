--
-- Whoever copies or audits a store by triggers sees all that a transaction does to
-- it: each call is one statement, an INSERT, or where it erases, a DELETE.
--
\pset null '(null)'
SELECT mvstore_create('s');
CREATE TABLE log (n serial, line text);
CREATE FUNCTION regress_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log (line) VALUES (concat_ws(' ', TG_WHEN, TG_OP, TG_LEVEL,
    CASE WHEN TG_LEVEL = 'ROW' THEN convert_from(CASE TG_OP WHEN 'DELETE' THEN OLD.key ELSE NEW.key END, 'UTF8') END));
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
-- What was logged, and nothing of it any more.
CREATE FUNCTION regress_logged() RETURNS SETOF text LANGUAGE sql AS $$
  WITH gone AS (DELETE FROM log RETURNING *) SELECT line FROM gone ORDER BY n $$;

-- Statement triggers fire once a call, also where it writes nothing.
CREATE TRIGGER before_statement BEFORE INSERT OR DELETE ON s FOR EACH STATEMENT EXECUTE FUNCTION regress_log();
CREATE TRIGGER after_statement AFTER INSERT OR DELETE ON s FOR EACH STATEMENT EXECUTE FUNCTION regress_log();
SELECT mvstore_put('s', 'a', 'v') > 0 AS put;
SELECT regress_logged();
SELECT mvstore_put_many('s', '{a,b,c}', '{v2,v2,v2}') > 0 AS put;
SELECT regress_logged();
SELECT mvstore_put_if('s', 'a', 'v', 1);
SELECT regress_logged();
SELECT mvstore_delete('s', 'c') > 0 AS deleted;
SELECT regress_logged();
SELECT mvstore_delete('s', 'never');
SELECT regress_logged();
SELECT mvstore_put_at('s', 'a', 'v', 10), mvstore_delete_at('s', 'a', 5);
SELECT regress_logged();
SELECT mvstore_delete_if('s', 'a', 1);
SELECT regress_logged();
SELECT mvstore_erase('s', 'b');
SELECT regress_logged();
SELECT mvstore_erase_prefix('s', '');
SELECT regress_logged();
SELECT mvstore_erase('s', 'never');
SELECT regress_logged();
SELECT mvstore_lock('s', 'a');
SELECT regress_logged();

-- With those of rows; what a put replaces in its own transaction is deleted before.
CREATE TRIGGER before_row BEFORE INSERT OR DELETE ON s FOR EACH ROW EXECUTE FUNCTION regress_log();
CREATE TRIGGER after_row AFTER INSERT OR DELETE ON s FOR EACH ROW EXECUTE FUNCTION regress_log();
SELECT mvstore_put_many('s', '{a,b}', '{v,v}') > 0 AS put;
SELECT regress_logged();
BEGIN;
SELECT mvstore_put('s', 'a', 'v2') = mvstore_put_many('s', '{c,a}', '{v3,v3}') AS "one version";
COMMIT;
SELECT regress_logged();
SELECT mvstore_erase_prefix('s', '');
SELECT regress_logged();
-- Taken back with their writes.
BEGIN;
SAVEPOINT sp;
SELECT mvstore_put('s', 'a', 'v') > 0 AS put, mvstore_erase('s', 'a');
ROLLBACK TO sp;
COMMIT;
SELECT regress_logged();
-- Drops fire none.
SELECT mvstore_put_at('s', 'a', 'v' || v, v) FROM generate_series(1, 3) v;
DELETE FROM log;
SELECT mvstore_drop('s', 'a');
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('s', 'a');
SELECT regress_logged();
DROP TRIGGER before_statement ON s;
DROP TRIGGER after_statement ON s;
DROP TRIGGER before_row ON s;
DROP TRIGGER after_row ON s;

-- One that keeps a row from being deleted would make an erasure untrue: an error.
CREATE FUNCTION regress_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep BEFORE DELETE ON s FOR EACH ROW EXECUTE FUNCTION regress_keep();
SELECT mvstore_erase('s', 'a');
BEGIN;
SELECT mvstore_put('s', 'b', 'v') > 0 AS put;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'b', 'v');
ROLLBACK;
DROP TRIGGER keep ON s;
CREATE FUNCTION regress_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = 'MV001'; END $$;
CREATE TRIGGER refuse AFTER DELETE ON s FOR EACH STATEMENT EXECUTE FUNCTION regress_refuse();
SELECT mvstore_erase('s', 'a');
DROP TRIGGER refuse ON s;
CREATE CONSTRAINT TRIGGER refuse AFTER DELETE ON s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_refuse();
BEGIN;
SELECT mvstore_erase('s', 'a');
COMMIT;
\set VERBOSITY default
DROP TRIGGER refuse ON s;
SELECT mvstore_contains('s', 'a');

-- Transition tables, of statement and row triggers, hold all rows of the call; by them,
-- a copy has what the store has.
SELECT mvstore_erase('s', 'a');
CREATE TABLE copy (LIKE s);
CREATE FUNCTION regress_copy() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE rows int;
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM copy USING old_rows WHERE copy.key = old_rows.key AND copy.version = old_rows.version;
  ELSE
    INSERT INTO copy SELECT * FROM new_rows;
  END IF;
  GET DIAGNOSTICS rows = ROW_COUNT;
  INSERT INTO log (line) VALUES (concat_ws(' ', TG_OP, 'of', rows));
  RETURN NULL;
END $$;
CREATE TRIGGER copy_inserted AFTER INSERT ON s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION regress_copy();
CREATE TRIGGER copy_deleted AFTER DELETE ON s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION regress_copy();
CREATE FUNCTION regress_same() RETURNS boolean LANGUAGE sql AS $$
  SELECT count(*) = 0 FROM ((TABLE s EXCEPT TABLE copy) UNION ALL (TABLE copy EXCEPT TABLE s)) d $$;
SELECT mvstore_put_many('s', '{a,b,c}', '{v1,v1,v1}') > 0 AS put;
SELECT mvstore_put('s', 'a', 'v2') > 0 AS put, mvstore_delete('s', 'c') > 0 AS deleted;
BEGIN;
SELECT mvstore_put('s', 'a', 'v3') > 0 AS put;
SELECT mvstore_put_many('s', '{a,b}', '{v4,v4}') > 0 AS put;
COMMIT;
SELECT mvstore_put_if('s', 'a', 'v', 1);
SELECT regress_logged();
SELECT regress_same(), count(*) FROM copy;
SELECT mvstore_erase('s', 'a'), mvstore_erase('s', 'never');
SELECT regress_logged();
SELECT regress_same(), count(*) FROM copy;
-- A row trigger with one, beside one without, and a unique constraint that is checked later.
ALTER TABLE s ADD COLUMN id int;
ALTER TABLE copy ADD COLUMN id int;
ALTER TABLE s ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED;
CREATE FUNCTION regress_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log (line) VALUES (concat_ws(' ', 'row', convert_from(NEW.key, 'UTF8'), 'of', (SELECT count(*) FROM new_rows)));
  RETURN NULL;
END $$;
CREATE TRIGGER a_row AFTER INSERT ON s REFERENCING NEW TABLE AS new_rows FOR EACH ROW EXECUTE FUNCTION regress_row();
CREATE TRIGGER b_row AFTER INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_log();
SELECT mvstore_put_many('s', '{x,y}', '{v,v}') > 0 AS put;
SELECT regress_logged() AS line ORDER BY line;
SELECT regress_same();
ALTER TABLE s ALTER COLUMN id SET DEFAULT 1;
SELECT mvstore_put('s', 'x', 'v') > 0 AS put;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'x', 'v');
\set VERBOSITY default
SELECT regress_same();
-- A trigger may write to the store that it is on.
CREATE FUNCTION regress_echo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() = 1 THEN
    PERFORM mvstore_put('s', 'echo', 'v'), mvstore_erase('s', 'y');
  END IF;
  RETURN NULL;
END $$;
ALTER TABLE s DROP COLUMN id;
ALTER TABLE copy DROP COLUMN id;
CREATE TRIGGER echo AFTER INSERT ON s FOR EACH STATEMENT EXECUTE FUNCTION regress_echo();
SELECT mvstore_put('s', 'z', 'v') > 0 AS put;
SELECT mvstore_contains('s', 'echo'), mvstore_contains('s', 'y'), mvstore_contains('s', 'z'), regress_same();
DROP TABLE s, copy, log;

-- A function that runs as its owner, or with settings of its own, is called for row after
-- row with what the first call has looked up.
SELECT mvstore_create('s');
CREATE TABLE log (line text);
CREATE FUNCTION regress_secure() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  INSERT INTO log VALUES (TG_OP);
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER secure BEFORE INSERT OR DELETE ON s FOR EACH ROW EXECUTE FUNCTION regress_secure();
CREATE TRIGGER secure_statement BEFORE INSERT OR DELETE ON s FOR EACH STATEMENT EXECUTE FUNCTION regress_secure();
CREATE TRIGGER secure_after AFTER INSERT OR DELETE ON s FOR EACH ROW EXECUTE FUNCTION regress_secure();
BEGIN;
SELECT mvstore_put_many('s', array_agg('k' || i), array_agg(repeat('x', i))) > 0 AS put FROM generate_series(1, 500) i;
SELECT mvstore_put_many('s', array_agg('k' || i), array_agg(repeat('y', i))) > 0 AS put FROM generate_series(1, 500) i;
COMMIT;
SELECT mvstore_erase_prefix('s', 'k');
SELECT line, count(*) FROM log GROUP BY line ORDER BY line;
DROP TABLE s, log;

-- What is cited in the transaction that writes it again stays cited.
SELECT mvstore_create('s');
CREATE TABLE citation (key bytea, version bigint, FOREIGN KEY (key, version) REFERENCES s (key, version));
BEGIN;
SELECT mvstore_put('s', 'k', 'v1') > 0 AS put;
INSERT INTO citation SELECT key, version FROM s;
SELECT mvstore_put('s', 'k', 'v2') > 0 AS put;
COMMIT;
SELECT mvstore_get('s', 'k'), (SELECT count(*) FROM citation JOIN s USING (key, version)) AS cited;
DROP TABLE citation, s;
DROP FUNCTION regress_log, regress_logged, regress_keep, regress_refuse, regress_copy, regress_same, regress_row, regress_echo, regress_secure;
