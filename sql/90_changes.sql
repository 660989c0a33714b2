--
-- mvstore_changes: every entry once, in order, from any position on; and where
-- something is missing, an error instead of a gap.
--
\pset null '(null)'
SET client_min_messages = warning;  -- what it costs without an index is told below
SELECT mvstore_create('s');
SELECT mvstore_put('s', 'a', 'a1') AS v1 \gset
SELECT mvstore_put_many('s', '{c,a,b}', '{c2,a2,NULL}') AS v2 \gset
SELECT mvstore_put('s', 'b', 'b3', ttl := '1 hour') AS v3 \gset
SELECT mvstore_delete('s', 'c') AS v4 \gset
-- Versions by name.
CREATE FUNCTION regress_v(version bigint) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT 'v' || count(*) FROM (SELECT DISTINCT s.version FROM s WHERE s.version <= $1) d $$;
CREATE VIEW whole AS SELECT regress_v(version) AS v, key, value, expires_at IS NOT NULL AS expires, deleted FROM mvstore_changes('s', 0);
SELECT * FROM whole;

-- From each position on, with and without a key, the rest; page by page, the same.
SELECT regress_v(version) AS v, key, value FROM mvstore_changes('s', :v1);
SELECT regress_v(version) AS v, key, value FROM mvstore_changes('s', :v2, 'a');
SELECT regress_v(version) AS v, key, value FROM mvstore_changes('s', :v2, 'c');
SELECT regress_v(version) AS v, key, value FROM mvstore_changes('s', :v4);
CREATE FUNCTION regress_pages(size bigint, after_version bigint DEFAULT 0) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  after_key text;
  page record;
  rows int;
BEGIN
  LOOP
    rows := 0;
    FOR page IN SELECT * FROM mvstore_changes('s', after_version, after_key, max_rows := size) LOOP
      RETURN NEXT page.version || ' ' || page.key || ' ' || coalesce(page.value, '-') || page.deleted;
      after_version := page.version;
      after_key := page.key;
      rows := rows + 1;
    END LOOP;
    EXIT WHEN rows < size;
  END LOOP;
END $$;
CREATE FUNCTION regress_all() RETURNS SETOF text LANGUAGE sql AS
$$ SELECT version || ' ' || key || ' ' || coalesce(value, '-') || deleted FROM mvstore_changes('s', 0) $$;
SELECT size, (SELECT array_agg(p) FROM regress_pages(size) p) = (SELECT array_agg(a) FROM regress_all() a) AS same FROM generate_series(1, 7) size;
-- The types of the family.
SELECT key, value FROM mvstore_changes_bytea('s', :v3 - 1, max_rows := 1);
SELECT key, value, deleted FROM mvstore_changes_raw('s', :v2, '\x61'::bytea, max_rows := 2);

-- With an index all is the same.
SELECT mvstore_set_feed('s', true);
SELECT * FROM whole;
SELECT size, (SELECT array_agg(p) FROM regress_pages(size) p) = (SELECT array_agg(a) FROM regress_all() a) AS same FROM generate_series(1, 7) size;
SELECT regress_v(version) AS v, key, value FROM mvstore_changes('s', :v2, 'b');
SELECT count(*) FROM mvstore_changes('s', :v1, 'zz', max_rows := 0);

-- What is not stable yet is not shown: the own writes neither.
BEGIN;
SELECT mvstore_put('s', 'mine', 'v') > 0 AS put;
SELECT count(*) FROM mvstore_changes('s', :v4);
ROLLBACK;
-- A session that reads the past sees the changes up to there.
SET mvstore.as_of = :v2;
SELECT regress_v(version) AS v, key FROM mvstore_changes('s', :v1);
RESET mvstore.as_of;

-- In place of what was dropped the newest entry of its key stands. Where that is too new to be seen, it is told.
SELECT mvstore_create('compacted');
SELECT mvstore_put('compacted', 'k', '1') AS w1 \gset
SELECT mvstore_put('compacted', 'k', '2') AS w2 \gset
SELECT mvstore_put('compacted', 'k', '3') AS w3 \gset
SELECT mvstore_drop('compacted', 'k');
SELECT mvstore_flush();
SELECT key, value FROM mvstore_changes('compacted', :w1, compacted := true);
SET mvstore.as_of = :w2;
\set VERBOSITY sqlstate
SELECT key, value FROM mvstore_changes('compacted', :w1, compacted := true);
\set VERBOSITY default
RESET mvstore.as_of;
DROP TABLE compacted;

-- What is wrong with a position.
\set VERBOSITY terse
SELECT * FROM mvstore_changes('s', 9000000000000000000);
\set VERBOSITY default
SELECT * FROM mvstore_changes('s', NULL);
SELECT * FROM mvstore_changes('s', -1);
SELECT * FROM mvstore_changes('s', 0, max_rows := -1);
SELECT * FROM mvstore_changes('s', 0, wait := '1 month');
SELECT * FROM mvstore_changes('s', 0, compacted := NULL);

-- An error's message, detail and hint, with versions by name.
CREATE FUNCTION regress_why(command text) RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE command;
  state := 'none';
  RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  message := regexp_replace(message, '\d{16}', 'N', 'g');
  detail := regexp_replace(detail, '\d{16}', 'N', 'g');
  RETURN NEXT;
END $$;

-- Dropped: who asks for every change from below is told, who has seen what went goes on;
-- compacted, the newest entry of each key is there.
SELECT mvstore_drop('s', 'a');
SELECT mvstore_flush();
\x on
SELECT * FROM regress_why('SELECT * FROM mvstore_changes(''s'', 0)');
\x off
SELECT regress_v(version) AS v, key, value, deleted FROM mvstore_changes('s', 0, compacted := true);
SELECT key, value FROM mvstore_changes('s', :v1);
-- Behind a key of the version itself nobody knows what has gone.
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s, ''A'')', :v1));
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s)', :v1));

-- A key that went as a whole: compacted, too, one who has not seen it end is told.
SELECT mvstore_compact('s', mvstore_stable_version());
SELECT mvstore_flush();
\x on
SELECT * FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s, compacted := true)', :v3));
SELECT * FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s)', :v3));
\x off
SELECT count(*) FROM mvstore_changes('s', :v4) a, mvstore_changes('s', :v4, compacted := true) b;
-- Where history is not strict, what is left is shown.
SET mvstore.strict_history = off;
SELECT key, value FROM mvstore_changes('s', 0);
RESET mvstore.strict_history;

-- An erasure, whoever has seen the key.
SELECT mvstore_erase('s', 'b');
\x on
SELECT * FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s)', :v4));
\x off
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s, compacted := true)', :v4));
SELECT mvstore_stable_version() AS synced \gset
SELECT count(*) FROM mvstore_changes('s', :synced);
SELECT mvstore_erase('s', 'never was');
SELECT count(*) FROM mvstore_changes('s', :synced);

-- A write into the past. Who had begun after it, and is still below, says so.
SELECT mvstore_put('s', 'd', 'd') AS v5 \gset
SELECT mvstore_put_at('s', 'e', 'past', :v5 - 1);
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s)', :v5));
SELECT mvstore_stable_version() AS synced \gset
SELECT key, value FROM mvstore_changes('s', :v5 - 2, synced_at := :synced);
-- One that was rolled back is none.
BEGIN;
SELECT mvstore_delete_at('s', 'e', :v5);
ROLLBACK;
SELECT count(*) FROM mvstore_changes('s', :synced);
BEGIN;
SAVEPOINT one;
SELECT mvstore_delete_at('s', 'e', :v5);
ROLLBACK TO one;
SAVEPOINT two;
SELECT mvstore_put('s', 'f', 'v') > 0 AS put;
RELEASE two;
COMMIT;
SELECT key FROM mvstore_changes('s', :synced);

-- Emptied, by TRUNCATE or mvstore_clear.
SELECT mvstore_stable_version() AS synced \gset
TRUNCATE s;
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s)', :synced));
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s, compacted := true)', :synced));
SELECT count(*) FROM mvstore_changes('s', mvstore_stable_version());
-- Detached, and attached.
SELECT mvstore_put('s', 'g', 'v') AS v6 \gset
SELECT mvstore_detach('s');
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s)', :v6));
SELECT mvstore_attach('s', floor := :v6);
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''s'', %s)', :v6));
SELECT count(*) FROM mvstore_changes('s', mvstore_stable_version());
SELECT mvstore_put('s', 'h', 'v') > 0 AS put;

-- Purged by a policy, and expired.
SELECT mvstore_create('purged', keep_versions := 1);
SELECT mvstore_put('purged', 'k', 'v') AS v7 \gset
SELECT mvstore_delete('purged', 'k') AS v8 \gset
SELECT mvstore_flush();
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''purged'', %s, compacted := true)', :v7));
SELECT count(*) FROM mvstore_changes('purged', :v8);
SELECT mvstore_put('purged', 'k', 'v', ttl := '1 microsecond') AS v9 \gset
SELECT mvstore_sweep('purged');
SELECT mvstore_flush();
SELECT count(*) FROM purged;
SELECT state FROM regress_why(format('SELECT * FROM mvstore_changes(''purged'', %s, compacted := true)', :v9 - 1));
SELECT count(*) FROM mvstore_changes('purged', :v9);

-- A pin keeps what a consumer has not read yet.
SELECT mvstore_pin('consumer', store := 'purged') AS position \gset
SELECT mvstore_put('purged', 'k', 'one') > 0 AS put;
SELECT mvstore_put('purged', 'k', 'two') > 0 AS put;
SELECT mvstore_delete('purged', 'k') > 0 AS put;
SELECT mvstore_flush();
SELECT key, value, deleted FROM mvstore_changes('purged', :position);
SELECT max(version) AS position FROM mvstore_changes('purged', :position) \gset
SELECT mvstore_pin('consumer', :position, store := 'purged') = :position AS read;
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_changes('purged', :position);
SELECT mvstore_unpin('consumer');

-- Waiting ends at once where there is something, and at the timeout where not.
SELECT count(*) FROM mvstore_changes('s', :v6, synced_at := mvstore_stable_version(), wait := '1 hour');
SELECT count(*) FROM mvstore_changes('purged', mvstore_stable_version(), wait := '1 ms');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM mvstore_changes('purged', mvstore_stable_version(), wait := '1 hour');
COMMIT;
CALL mvstore_wait_changes('s', :v6, '1 hour');
CALL mvstore_wait_changes('purged', mvstore_stable_version(), '1 ms');
-- A block may call it, too: what comes then has a snapshot again.
DO $$
DECLARE
  r record;
BEGIN
  CALL mvstore_wait_changes('purged', mvstore_stable_version(), '1 ms');
  FOR r IN SELECT FROM s LOOP
    CALL mvstore_wait_changes('purged', mvstore_stable_version(), '1 ms');
  END LOOP;
  CALL mvstore_wait_changes('s', mvstore_stable_version(), '1 ms');
END $$;
BEGIN;
CALL mvstore_wait_changes('purged', 1);
ROLLBACK;
-- The snapshot of a whole transaction cannot be let go.
SET default_transaction_isolation = 'repeatable read';
CALL mvstore_wait_changes('purged', 1);
RESET default_transaction_isolation;

-- Rights are those of reads.
CREATE ROLE regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT * FROM mvstore_changes('s', 0);
CALL mvstore_wait_changes('s', 0);
RESET ROLE;
DROP ROLE regress_mvstore_user;
-- Who waits takes a new snapshot, which a parallel query could not do.
SET client_min_messages = warning;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT (SELECT count(*) > 0 FROM s) AS entries, count(c.version) FROM mvstore_changes('s', mvstore_stable_version(), wait := '1 ms') c;
RESET ALL;
-- Without an index it is said what that costs, once.
\c -
SELECT mvstore_set_feed('s', false);
SELECT count(*) FROM mvstore_changes('s', mvstore_stable_version());
SELECT count(*) FROM mvstore_changes('s', mvstore_stable_version());
DROP VIEW whole;
DROP FUNCTION regress_v, regress_pages, regress_all, regress_why;
DROP TABLE s, purged;
