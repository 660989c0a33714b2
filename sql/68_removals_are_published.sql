--
-- What goes from a published store goes from its subscribers, too: where a plain
-- DELETE is refused for want of a replica identity, so are erasures and drops.
-- Otherwise a subscriber would keep for ever what was erased.
--
\pset null '(null)'
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
-- (It says that wal_level is insufficient here.)
SET client_min_messages = error;
CREATE PUBLICATION regress_all;
CREATE PUBLICATION regress_insert WITH (publish = 'insert');
RESET client_min_messages;
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', k, 'v' || v, v) FROM unnest('{a,b,c,d,e}'::text[]) k, generate_series(10, 30, 10) v;
ALTER PUBLICATION regress_all ADD TABLE s;
SELECT mvstore_erase('s', 'a');

-- The index is replaced by one that is nobody's identity.
CREATE UNIQUE INDEX CONCURRENTLY s_new ON s (key, version DESC);
DROP INDEX s_key_version_idx;
DELETE FROM s WHERE key = 'b';
SELECT mvstore_erase('s', 'b');
SELECT mvstore_erase_prefix('s', 'never');
-- A drop is refused by the worker: its request fails, until that is mended.
SELECT mvstore_drop('s', 'b', keep := 2);
SELECT regress_wait($$SELECT count(*) = 1 FROM mvstore_requests WHERE store = 's'::regclass AND attempts >= 1
  AND last_error = 'cannot delete from table "s" because it does not have a replica identity and publishes deletes'$$);
SELECT kind, holds_back FROM mvstore_blockers WHERE store = 's'::regclass;
SELECT version FROM mvstore_history('s', 'b');
ALTER TABLE s REPLICA IDENTITY USING INDEX s_new;
SELECT mvstore_flush();
SELECT version FROM mvstore_history('s', 'b');
SELECT mvstore_erase('s', 'b');

-- By a policy, likewise, in a pass.
ALTER TABLE s REPLICA IDENTITY NOTHING;
SELECT mvstore_set_policy('s', keep_versions := 2);
SELECT regress_wait($$SELECT count(*) = 1 FROM mvstore_blockers WHERE store = 's'::regclass AND kind = 'error'
  AND holds_back LIKE 'cannot delete from table "s" because it does not have a replica identity%'$$);
SELECT count(*) FROM s;
ALTER TABLE s REPLICA IDENTITY FULL;
SELECT mvstore_flush();
SELECT count(*) FROM s;

-- Whatever identity lets DELETE through lets them through; and where deletions are not
-- published, none is wanted.
SELECT mvstore_erase('s', 'c') AS "full";
ALTER TABLE s REPLICA IDENTITY DEFAULT;
\set VERBOSITY sqlstate
SELECT mvstore_erase('s', 'd') AS "default, and no primary key";
ALTER TABLE s ADD PRIMARY KEY (key, version);
SELECT mvstore_erase('s', 'd') AS "primary key";
ALTER TABLE s REPLICA IDENTITY NOTHING;
SELECT mvstore_erase('s', 'e') AS "nothing";
ALTER PUBLICATION regress_all DROP TABLE s;
ALTER PUBLICATION regress_insert ADD TABLE s;
SELECT mvstore_erase('s', 'e') AS "deletions are not published";
\set VERBOSITY default
SELECT mvstore_put('s', 'k', 'v' || i) > 0 AS put FROM generate_series(1, 3) i;
SELECT mvstore_flush();

-- mvstore_attach() gives an identity to a table that has lost its own, and keeps one that was chosen.
SELECT mvstore_detach('s');
SELECT mvstore_attach('s');
SELECT relreplident FROM pg_class WHERE oid = 's'::regclass;
SELECT mvstore_detach('s');
ALTER TABLE s REPLICA IDENTITY USING INDEX s_new;
CREATE UNIQUE INDEX s_newer ON s (key, version DESC);
DROP INDEX s_new;
SELECT mvstore_attach('s');
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 's'::regclass AND indisreplident;
-- Without any index, the hint speaks of the identity as well.
DROP INDEX s_newer;
SELECT mvstore_get('s', 'k');
DROP TABLE s;
DROP PUBLICATION regress_all;
DROP PUBLICATION regress_insert;
DROP FUNCTION regress_wait;
-- (Others look for errors of the worker, too.)
SELECT mvstore_stats_reset();
