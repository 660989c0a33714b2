--
-- With feed := true a store has an index in the order of versions, and each entry is
-- in it however it is written: no change is missed that it should lead to.
--
\pset null '(null)'
SELECT mvstore_create('s', feed := true);
SELECT mvstore_create('without');
SELECT indexdef FROM pg_indexes WHERE tablename IN ('s', 'without') ORDER BY 1;
SELECT store, feed FROM mvstore_stores ORDER BY store::text;

-- Entries by that index, and how many less than in the table.
CREATE FUNCTION regress_by_feed(store regclass DEFAULT 's', OUT plan text, OUT entries bigint, OUT missing bigint) LANGUAGE plpgsql
  SET enable_bitmapscan = off SET enable_seqscan = off SET enable_sort = off SET search_path FROM CURRENT AS $$
DECLARE
  in_order text := format('SELECT version, key FROM %s WHERE version > 0 ORDER BY version, key', store);
BEGIN
  EXECUTE 'EXPLAIN (COSTS OFF) ' || in_order INTO plan;
  EXECUTE 'SELECT count(*) FROM (' || in_order || ') i' INTO entries;
  SET LOCAL enable_seqscan = on;
  SET LOCAL enable_indexscan = off;
  SET LOCAL enable_indexonlyscan = off;
  EXECUTE format('SELECT count(*) - %s FROM %s', entries, store) INTO missing;
END $$;
SELECT mvstore_put('s', 'a', 'v1') > 0 AS put, mvstore_put('s', 'b', 'v1') > 0 AS put;
SELECT mvstore_put_many('s', ARRAY['c', 'd', 'e'], ARRAY['v', NULL, repeat('long ', 1000)]) > 0 AS put;
SELECT mvstore_put_at('s', 'f', 'v', 1), mvstore_delete_at('s', 'f', 2);
SELECT mvstore_delete('s', 'c') > 0 AS deleted;
BEGIN;
SELECT mvstore_put('s', 'a', 'v2') > 0 AS put;
SAVEPOINT one;
SELECT mvstore_put('s', 'a', 'v3') > 0 AS put;
ROLLBACK TO one;
SELECT mvstore_put('s', 'a', 'v4') > 0 AS put;
COMMIT;
INSERT INTO s VALUES ('g', 3, 'v');
SELECT * FROM regress_by_feed();

-- What goes is gone by that index, too, and what comes where it was is there once.
SELECT mvstore_erase('s', 'g'), mvstore_drop('s', 'a');
SELECT mvstore_flush();
SELECT * FROM regress_by_feed();
VACUUM s;
SELECT count(mvstore_put('s', 'new' || i, 'v')) FROM generate_series(1, 100) i;
SELECT * FROM regress_by_feed();
SELECT mvstore_clear('s');
SELECT mvstore_put('s', 'a', 'v') > 0 AS put;
SELECT * FROM regress_by_feed();

-- It is added and removed while prepared statements go on, and again changes nothing.
PREPARE put AS SELECT count(mvstore_put('s', 'k' || i, 'v')) FROM generate_series(1, 10) i;
SET plan_cache_mode = force_generic_plan;
EXECUTE put;
SELECT mvstore_set_feed('s', true);
SELECT indexdef FROM pg_indexes WHERE tablename = 's' ORDER BY 1;
SELECT mvstore_set_feed('s', false);
EXECUTE put;
SELECT feed FROM mvstore_stores WHERE store = 's'::regclass;
SELECT mvstore_set_feed('s', false);
SELECT indexdef FROM pg_indexes WHERE tablename = 's' ORDER BY 1;
SELECT mvstore_set_feed('s', true);
EXECUTE put;
SELECT * FROM regress_by_feed();
-- Also in the transaction that has written, which may take it back.
BEGIN;
SELECT mvstore_set_feed('s', false);
EXECUTE put;
SAVEPOINT one;
SELECT mvstore_set_feed('s', true);
EXECUTE put;
SELECT missing FROM regress_by_feed();
ROLLBACK TO one;
EXECUTE put;
SELECT feed FROM mvstore_stores WHERE store = 's'::regclass;
ROLLBACK;
SELECT feed FROM mvstore_stores WHERE store = 's'::regclass;
EXECUTE put;
SELECT * FROM regress_by_feed();
RESET plan_cache_mode;
DEALLOCATE put;

-- What one does to tables and indexes does it no harm.
CREATE FUNCTION regress_use(OUT feed bool, OUT missing bigint) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM mvstore_put('s', 'k' || i, clock_timestamp()::text) FROM generate_series(1, 3) i;
  SELECT f.missing INTO regress_use.missing FROM regress_by_feed() f;
  SELECT t.feed INTO regress_use.feed FROM mvstore_stores t WHERE t.store = 's'::regclass;
END $$;
REINDEX TABLE s;
SELECT * FROM regress_use();
REINDEX INDEX CONCURRENTLY s_version_key_idx;
SELECT * FROM regress_use();
REINDEX TABLE CONCURRENTLY s;
SELECT * FROM regress_use();
VACUUM FULL s;
SELECT * FROM regress_use();
CLUSTER s USING s_version_key_idx;
SELECT * FROM regress_use();
ALTER TABLE s SET WITHOUT CLUSTER;
ALTER INDEX s_version_key_idx SET (fillfactor = 80);
SELECT * FROM regress_use();
ALTER INDEX s_version_key_idx SET TABLESPACE pg_default;
ALTER INDEX s_version_key_idx RENAME TO "Any Name";
SELECT * FROM regress_use();
SELECT mvstore_detach('s');
SELECT mvstore_attach('s');
SELECT * FROM regress_use();
-- A second one, one that is unique, or a trigger: entries go into all.
CREATE INDEX second ON s (version, key);
SELECT * FROM regress_use();
DROP INDEX "Any Name";
SELECT * FROM regress_use();
DROP INDEX CONCURRENTLY second;
CREATE UNIQUE INDEX second ON s (version, key);
SELECT * FROM regress_use();
CREATE FUNCTION regress_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER nothing BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_nothing();
SELECT * FROM regress_use();
DROP TRIGGER nothing ON s;
-- One by which changes cannot be found is none.
DROP INDEX second;
CREATE INDEX other1 ON s (version);
CREATE INDEX other2 ON s (version, key) WHERE value IS NOT NULL;
CREATE INDEX other3 ON s (version, key) INCLUDE (expires_at);
CREATE INDEX other4 ON s (version DESC, key);
CREATE INDEX other5 ON s (version, (key || ''));
CREATE INDEX other6 ON s (version, key, value);
CREATE INDEX other7 ON s (key, version);
SELECT feed FROM mvstore_stores WHERE store = 's'::regclass;
SELECT mvstore_set_feed('s', true);
SELECT * FROM regress_use();
-- All of the shape go, and no other.
CREATE INDEX second ON s (version, key);
SELECT mvstore_set_feed('s', false);
SELECT indexrelid::regclass AS index FROM pg_index WHERE indrelid = 's'::regclass ORDER BY indexrelid::regclass::text;

-- One made by hand does as well, also where the columns are in another order.
CREATE TABLE t (expires_at timestamptz, value bytea, version bigint NOT NULL, key bytea NOT NULL);
CREATE UNIQUE INDEX ON t (key, version DESC);
CREATE INDEX CONCURRENTLY ON t (version, key);
SELECT mvstore_attach('t');
SELECT feed FROM mvstore_stores WHERE store = 't'::regclass;
SELECT mvstore_put('t', 'k', 'v') > 0 AS put;
SELECT mvstore_put_many('t', ARRAY['a', 'k'], ARRAY['v', NULL]) > 0 AS put;
SELECT * FROM regress_by_feed('t');
SELECT mvstore_set_feed('t', false);
SELECT feed FROM mvstore_stores WHERE store = 't'::regclass;
SELECT mvstore_put('t', 'k', 'v') > 0 AS put;
DROP TABLE t;

-- It is the owner's to add and to remove, in a transaction that may write.
CREATE ROLE regress_mvstore_writer;
GRANT ALL ON s TO regress_mvstore_writer;
\set VERBOSITY sqlstate
SET ROLE regress_mvstore_writer;
SELECT mvstore_set_feed('s', true);
RESET ROLE;
SELECT mvstore_set_feed('s', NULL);
SELECT mvstore_set_feed(NULL, true);
SELECT mvstore_set_feed('pg_class', true);
SELECT mvstore_create('u', feed := NULL);
BEGIN READ ONLY;
SELECT mvstore_set_feed('s', true);
ROLLBACK;
\set VERBOSITY default
-- Everybody is told of it.
SET ROLE regress_mvstore_writer;
SELECT store, feed FROM mvstore_stores ORDER BY store::text;
RESET ROLE;

-- if_not_exists leaves a store as it is.
SELECT mvstore_create('without', feed := true, if_not_exists := true);
SELECT feed FROM mvstore_stores WHERE store = 'without'::regclass;

REVOKE ALL ON s FROM regress_mvstore_writer;
DROP ROLE regress_mvstore_writer;
DROP FUNCTION regress_by_feed, regress_use, regress_nothing;
DROP TABLE s, without;
