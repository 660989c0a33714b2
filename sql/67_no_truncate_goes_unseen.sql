--
-- mvstore learns of a TRUNCATE by its trigger, which fires always. While it does
-- not, the store can only be read: otherwise a TRUNCATE by a subscription would
-- go unseen, and reads of the past would answer that there never was anything.
--
\pset null '(null)'
SELECT mvstore_create('s', keep_versions := 2);
SELECT mvstore_put_at('s', 'k', 'v' || v, v) FROM generate_series(10, 30, 10) v;
SELECT mvstore_flush();
-- All that ends in a trigger that does not fire always, and what mends each.
CREATE TABLE ways (n int, way text);
INSERT INTO ways VALUES (1, 'ALTER TABLE s ENABLE TRIGGER ALL'), (2, 'ALTER TABLE s DISABLE TRIGGER ALL'),
  (3, 'ALTER TABLE s DISABLE TRIGGER USER'), (4, 'ALTER TABLE s ENABLE REPLICA TRIGGER mvstore_truncate'),
  (5, 'ALTER TABLE s DISABLE TRIGGER mvstore_truncate');
CREATE FUNCTION regress_try(way text, OUT put text, OUT read text, OUT mended text) LANGUAGE plpgsql AS $$
DECLARE state text; hint text;
BEGIN
  EXECUTE way;
  read := mvstore_get('s', 'k') || ' ' || mvstore_get('s', 'k', 20);
  BEGIN
    PERFORM mvstore_put('s', 'k', 'v');
    put := 'done';
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    put := SQLSTATE || ' ' || SQLERRM;
    EXECUTE substring(hint FROM 'Run (.*)\.');
  END;
  mended := hint || CASE WHEN mvstore_put('s', 'k', 'v') > 30 THEN ' It does.' END;
END $$;
BEGIN;
SELECT n, t.* FROM ways, regress_try(way) t ORDER BY n;
ROLLBACK;
-- Whoever asks for something that would go on what is known.
ALTER TABLE s ENABLE TRIGGER ALL;
SELECT mvstore_put('s', 'k', 'v');
\set VERBOSITY sqlstate
SELECT mvstore_put_many('s', '{k}', '{v}');
SELECT mvstore_put_if('s', 'k', 'v', 30);
SELECT mvstore_put_at('s', 'k', 'v', 25);
SELECT mvstore_delete('s', 'k');
SELECT mvstore_delete_if('s', 'k', 30);
SELECT mvstore_delete_at('s', 'k', 25);
SELECT mvstore_lock('s', 'k');
SELECT mvstore_erase('s', 'k');
SELECT mvstore_erase_prefix('s', 'k');
SELECT mvstore_drop('s', 'k');
SELECT mvstore_drop_prefix('s', 'k');
SELECT mvstore_drop_range('s', 'k', 'l');
SELECT mvstore_compact('s', 20);
SELECT mvstore_pin('regress', store := 's');
SELECT mvstore_clear('s');
\set VERBOSITY default
-- Reads, and what changes nothing of the entries.
SELECT mvstore_get('s', 'k'), mvstore_get('s', 'k', 20), (SELECT count(*) FROM mvstore_scan('s')) AS keys;
SELECT mvstore_set_policy('s', keep_versions := 1);
-- The worker drops nothing either, and says why.
SELECT mvstore_sweep('s');
CREATE FUNCTION regress_wait(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE done bool;
BEGIN
  FOR i IN 1 .. 1800 LOOP
    EXECUTE query INTO done;
    IF done THEN RETURN 'so it is'; END IF;
    PERFORM pg_sleep(0.1);
  END LOOP;
  RETURN 'waited in vain';
END $$;
SELECT regress_wait($$SELECT count(*) = 1 FROM mvstore_blockers WHERE store = 's'::regclass AND kind = 'error'
  AND holds_back = 'trigger "mvstore_truncate" of store "s" does not fire always'$$);
SELECT version, value FROM mvstore_history('s', 'k');
ALTER TABLE s ENABLE ALWAYS TRIGGER mvstore_truncate;
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'k');
SELECT count(*) FROM mvstore_blockers WHERE store = 's'::regclass;

-- One that went unseen: what was there is not known to have been absent.
ALTER TABLE s ENABLE TRIGGER ALL;
SELECT mvstore_get('s', 'never', 30);
SET session_replication_role = replica;
TRUNCATE s;
RESET session_replication_role;
SELECT mvstore_get('s', 'k');
SELECT mvstore_get('s', 'k', 30);
SELECT mvstore_detach('s');
SELECT mvstore_attach('s', keep_versions := 1);
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'k', 30);
\set VERBOSITY default
SELECT mvstore_put('s', 'k', 'v') > 30 AS put;

-- Of another name it is the trigger all the same; another of its name is not.
ALTER TRIGGER mvstore_truncate ON s RENAME TO "any name";
SELECT mvstore_put('s', 'k', 'v') > 30 AS put;
ALTER TABLE s ENABLE TRIGGER "any name";
SELECT mvstore_put('s', 'k', 'v');
DROP TRIGGER "any name" ON s;
SELECT mvstore_put('s', 'k', 'v');
CREATE SCHEMA regress_other;
CREATE FUNCTION regress_other.mvstore_truncated() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER mvstore_truncate AFTER TRUNCATE ON s FOR EACH STATEMENT EXECUTE FUNCTION regress_other.mvstore_truncated();
ALTER TABLE s ENABLE ALWAYS TRIGGER mvstore_truncate;
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v');
\set VERBOSITY default
DROP TRIGGER mvstore_truncate ON s;
DROP FUNCTION regress_other.mvstore_truncated();
DROP SCHEMA regress_other;
-- A TRUNCATE may have gone unseen, so what is known of the past is to be said anew.
SELECT mvstore_detach('s');
SELECT mvstore_attach('s', keep_versions := 1);
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 's'::regclass;
SELECT mvstore_put('s', 'k', 'v') > 30 AS put;
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('s', 'k');
DROP TABLE s, ways;
DROP FUNCTION regress_try, regress_wait;
-- (Others look for errors of the worker, too.)
SELECT mvstore_stats_reset();
