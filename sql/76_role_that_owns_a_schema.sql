--
-- Whoever owns a schema and is granted nothing else needs no superuser for daily work: as in a
-- suite of tests with a database each, or on a server that somebody else runs.
--
CREATE ROLE regress_mvstore_tenant;
CREATE SCHEMA regress_tenant AUTHORIZATION regress_mvstore_tenant;
SET ROLE regress_mvstore_tenant;
SET search_path = regress_tenant, public;

-- What a statement fails with.
CREATE FUNCTION regress_state(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE command;
  RETURN 'none';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END $$;

-- A store, with a time to live and a feed.
SELECT mvstore_create('regress_tenant.s', ttl := '1 day', feed := true);
SELECT mvstore_put('s', 'k', 'v1') AS v1 \gset
SELECT mvstore_put('s', 'k', 'v2') AS v2 \gset
SELECT mvstore_get('s', 'k'), mvstore_get('s', 'k', as_of := :v1);
SELECT mvstore_put_if('s', 'k', 'v3', :v2) > :v2 AS put, mvstore_put_many('s', '{a,b}', '{a1,b1}') > 0 AS many;
SELECT mvstore_delete('s', 'b') > 0 AS deleted;
SELECT key, value FROM mvstore_scan('s');
SELECT key, value, deleted FROM mvstore_changes('s', 0);
SELECT mvstore_set_policy('s', keep_versions := 1);
SELECT mvstore_drop('s', 'k');
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('s', 'k');
SELECT mvstore_erase('s', 'a') > 0 AS erased;
SELECT mvstore_sweep('s');
SELECT store, keep_versions FROM mvstore_stores WHERE store = 's'::regclass;
SELECT mvstore_stable_version() > 0 AS stable, mvstore_wait_stable(:v2) AS waited;
SELECT mvstore_clear('s');
SELECT mvstore_detach('s');
SELECT mvstore_attach('s');

-- What it cannot do, as that reaches beyond its schema: the first three can be granted.
SELECT command, regress_state(command) FROM unnest(ARRAY[
  'SELECT mvstore_pin(''report'', store := ''s'')', 'SELECT mvstore_pause()', 'SELECT mvstore_stats_reset()',
  'SELECT mvstore_create(''public.s'')', 'DELETE FROM mvstore_policy', 'SELECT * FROM mvstore_journal',
  'DROP EXTENSION mvstore', 'ALTER EXTENSION mvstore UPDATE']) command;

RESET ROLE;
GRANT EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) TO regress_mvstore_tenant;
SET ROLE regress_mvstore_tenant;
SELECT mvstore_pin('report', store := 's') > 0 AS pinned;
SELECT mvstore_unpin('report');

RESET ROLE;
RESET search_path;
REVOKE EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) FROM regress_mvstore_tenant;
DROP OWNED BY regress_mvstore_tenant CASCADE;
DROP ROLE regress_mvstore_tenant;
