--
-- Triggers, constraints, indexes and columns of the user's own go on working on
-- a store.
--
\pset null '(null)'
SELECT mvstore_create('s');
CREATE TABLE log (n serial, line text);

-- A BEFORE ROW trigger may change the value, an AFTER ROW trigger sees the row.
CREATE FUNCTION regress_upper() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.value := convert_to(upper(convert_from(NEW.value, 'UTF8')), 'UTF8');
  RETURN NEW;
END $$;
CREATE TRIGGER regress_upper BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_upper();
CREATE FUNCTION regress_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log (line) VALUES (format('%s %s %s: %s=%s', TG_WHEN, TG_OP, TG_LEVEL,
    convert_from(NEW.key, 'UTF8'), coalesce(convert_from(NEW.value, 'UTF8'), 'tombstone')));
  RETURN NULL;
END $$;
CREATE TRIGGER regress_log AFTER INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_log();
SELECT mvstore_put('s', 'a', 'one') > 0 AS put;
SELECT mvstore_put_raw('s', 'b'::bytea, 'two'::bytea) > 0 AS put;
SELECT mvstore_put_at('s', 'a', 'past', 10);
SELECT mvstore_delete('s', 'a') > 0 AS deleted;
SELECT mvstore_get('s', 'b'), mvstore_get('s', 'a', 10), mvstore_get('s', 'a');
SELECT line FROM log ORDER BY n;
-- With a WHEN clause, too.
TRUNCATE log;
CREATE TRIGGER regress_log_when AFTER INSERT ON s FOR EACH ROW WHEN (NEW.value IS NULL) EXECUTE FUNCTION regress_log();
SELECT mvstore_put('s', 'a', 'three') > 0 AS put;
SELECT mvstore_delete('s', 'a') > 0 AS deleted;
SELECT line FROM log ORDER BY n;
DROP TRIGGER regress_log_when ON s;
-- Rolled back with the write.
TRUNCATE log;
BEGIN;
SELECT mvstore_put('s', 'a', 'undone') > 0 AS put;
ROLLBACK;
SELECT count(*) FROM log;

-- Triggers may write to stores: in the same transaction, so of the same version.
SELECT mvstore_create('mirror');
CREATE FUNCTION regress_mirror() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM mvstore_put_raw('mirror', NEW.key, NEW.value);
  RETURN NULL;
END $$;
CREATE TRIGGER regress_mirror AFTER INSERT ON s FOR EACH ROW WHEN (NEW.value IS NOT NULL) EXECUTE FUNCTION regress_mirror();
SELECT mvstore_put('s', 'm', 'mirrored') AS v \gset
SELECT version = :v AS "one version", value FROM mvstore_get_entry('mirror', 'm');
DROP TRIGGER regress_mirror ON s;

-- A put is an INSERT statement, for triggers of statements.
TRUNCATE log;
DROP TRIGGER regress_log ON s;
CREATE FUNCTION regress_log_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log (line) VALUES (format('%s %s %s', TG_WHEN, TG_OP, TG_LEVEL));
  RETURN NULL;
END $$;
CREATE TRIGGER regress_log AFTER INSERT ON s FOR EACH STATEMENT EXECUTE FUNCTION regress_log_statement();
SELECT mvstore_put('s', 'a', 'four') > 0 AS put;
SELECT count(*) FROM log;

-- Drops fire no trigger. (That of the put is another line.)
CREATE TRIGGER regress_log_delete AFTER DELETE ON s FOR EACH STATEMENT EXECUTE FUNCTION regress_log_statement();
CREATE FUNCTION regress_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER regress_no BEFORE DELETE ON s FOR EACH ROW EXECUTE FUNCTION regress_no();
SELECT mvstore_put('s', 'a', 'five') > 0 AS put;
SELECT mvstore_drop('s', 'a');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'a');
SELECT count(*) FROM log;
DROP TRIGGER regress_no ON s;
DROP TRIGGER regress_log_delete ON s;
DROP TRIGGER regress_log ON s;
DROP TRIGGER regress_upper ON s;

-- A trigger that hides the row, or makes another entry of it, would make a put
-- untrue: an error.
DROP TABLE s;
SELECT mvstore_create('s');
SELECT mvstore_put('s', 'a', 'one') > 0 AS put;
CREATE TRIGGER regress_no BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_no();
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'hidden', 'v');
SELECT mvstore_put_at('s', 'hidden', 'v', 10);
SELECT mvstore_delete('s', 'a');
\set VERBOSITY default
DROP TRIGGER regress_no ON s;
CREATE FUNCTION regress_rekey() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.key := 'other'; RETURN NEW; END $$;
CREATE TRIGGER regress_rekey BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_rekey();
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v');
\set VERBOSITY default
DROP TRIGGER regress_rekey ON s;
CREATE FUNCTION regress_reversion() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.version := 5; RETURN NEW; END $$;
CREATE TRIGGER regress_reversion BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_reversion();
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v');
\set VERBOSITY default
DROP TRIGGER regress_reversion ON s;
SELECT mvstore_contains('s', 'hidden'), mvstore_contains('s', 'k'), mvstore_contains('s', 'other'), mvstore_contains('s', 'a');
DROP TABLE s, mirror, log;
DROP FUNCTION regress_upper, regress_log, regress_mirror, regress_log_statement, regress_no, regress_rekey, regress_reversion;

-- CHECK constraints hold, and a tombstone is not a value.
SELECT mvstore_create('s');
ALTER TABLE s ADD CONSTRAINT short_values CHECK (length(value) <= 5);
SELECT mvstore_put('s', 'k', 'short') > 0 AS put;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'too long');
SELECT mvstore_put_at('s', 'k', 'too long', 10);
\set VERBOSITY default
SELECT mvstore_delete('s', 'k') > 0 AS deleted;
SELECT value FROM mvstore_history('s', 'k');

-- Further indexes are kept up, by puts and drops; unique ones hold.
CREATE INDEX s_value ON s (value);
CREATE INDEX s_partial ON s (version) WHERE value IS NULL;
CREATE INDEX s_expression ON s (length(key));
CREATE UNIQUE INDEX s_unique ON s (md5(value)) WHERE value IS NOT NULL;
SELECT mvstore_put('s', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('s', 'k', 'v2') > 0 AS put;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'other', 'v2');
\set VERBOSITY default
-- (What a transaction replaces itself does not stand in its way.)
BEGIN;
SELECT mvstore_put('s', 'k', 'v3') = mvstore_put('s', 'k', 'v3') AS "same version";
COMMIT;
SELECT mvstore_drop('s', 'k');
SELECT mvstore_flush();
SET enable_seqscan = off;
SELECT key FROM s WHERE value = 'v3';
SELECT count(*) FROM s WHERE value = 'v1';
SELECT count(*) FROM s WHERE length(key) = 1;
SELECT count(*) FROM s WHERE value IS NULL AND version > 0;
RESET enable_seqscan;
-- 'v2' is free again.
SELECT mvstore_put('s', 'other', 'v2') > 0 AS put;
DROP TABLE s;

-- Columns of one's own: defaults, generated, identity; one that was dropped.
SELECT mvstore_create('s');
SELECT mvstore_put('s', 'before', 'v') > 0 AS put;
ALTER TABLE s ADD COLUMN gone int DEFAULT 1;
ALTER TABLE s ADD COLUMN source text DEFAULT 'put' NOT NULL;
ALTER TABLE s ADD COLUMN size int GENERATED ALWAYS AS (length(value)) STORED;
ALTER TABLE s ADD COLUMN id int GENERATED ALWAYS AS IDENTITY;
ALTER TABLE s DROP COLUMN gone;
SELECT mvstore_put('s', 'after', 'value') > 0 AS put;
SELECT mvstore_delete('s', 'before') > 0 AS deleted;
SELECT convert_from(key, 'UTF8') AS key, rank() OVER (PARTITION BY key ORDER BY version),
       convert_from(value, 'UTF8') AS value, source, size, id FROM s ORDER BY id;
SELECT mvstore_get('s', 'after'), (SELECT count(*) FROM mvstore_scan('s')) AS keys;
SELECT mvstore_drop('s', 'before');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'before');
-- One that every row must name makes puts impossible, and says so.
ALTER TABLE s ADD COLUMN required int;
UPDATE s SET required = 1;
ALTER TABLE s ALTER COLUMN required SET NOT NULL;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v');
\set VERBOSITY default
DROP TABLE s;

-- A foreign key of the store's: checked at the put, or at COMMIT.
SELECT mvstore_create('s');
CREATE TABLE people (id int PRIMARY KEY);
INSERT INTO people VALUES (1);
ALTER TABLE s ADD COLUMN author int DEFAULT 1 REFERENCES people DEFERRABLE;
SELECT mvstore_put('s', 'k', 'v') > 0 AS put;
ALTER TABLE s ALTER COLUMN author SET DEFAULT 2;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'w');
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
SELECT mvstore_put('s', 'k', 'w') > 0 AS put;
COMMIT;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
SELECT mvstore_put('s', 'k', 'w') > 0 AS put;
INSERT INTO people VALUES (2);
COMMIT;
\set VERBOSITY default
SELECT value FROM mvstore_history('s', 'k');
DROP TABLE s, people;

-- A store that a foreign key refers to is not dropped from: the drop says so.
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'k', 'v10', 10), mvstore_put_at('s', 'k', 'v20', 20);
CREATE TABLE citation (key bytea, version bigint, FOREIGN KEY (key, version) REFERENCES s (key, version) ON DELETE CASCADE);
INSERT INTO citation VALUES ('k', 10);
\set VERBOSITY sqlstate
SELECT mvstore_drop('s', 'k');
\set VERBOSITY default
SELECT mvstore_flush('2 s') IS NOT NULL AS "not stuck";
SELECT version FROM mvstore_history('s', 'k');
SELECT version FROM citation;
SELECT mvstore_put('s', 'k', 'puts go on') > 0 AS put;
DROP TABLE citation;
SELECT mvstore_drop('s', 'k');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');
DROP TABLE s;
