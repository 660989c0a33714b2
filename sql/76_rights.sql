--
-- Who may do what to a store is decided by the rights on its table.
--
CREATE ROLE regress_mvstore_owner;
CREATE ROLE regress_mvstore_user;
CREATE SCHEMA regress_rights AUTHORIZATION regress_mvstore_owner;

-- A store is its creator's, who needs CREATE on the schema.
SET ROLE regress_mvstore_user;
\set VERBOSITY sqlstate
SELECT mvstore_create('regress_rights.s');
\set VERBOSITY default
SET ROLE regress_mvstore_owner;
SELECT mvstore_create('regress_rights.s', keep_versions := 2);
GRANT USAGE ON SCHEMA regress_rights TO regress_mvstore_user;
SET search_path = regress_rights, public;
SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = 's'::regclass;
SELECT mvstore_put('s', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('s', 'k', 'v2') > 0 AS put;
SELECT mvstore_put('s', 'k', 'v3') > 0 AS put;
SELECT mvstore_drop('s', 'k');
SELECT mvstore_flush();
SELECT mvstore_get('s', 'k'), (SELECT count(*) FROM mvstore_history('s', 'k')) AS entries;
TRUNCATE s;
SELECT mvstore_put('s', 'k', 'v') > 0 AS put;

-- Everything that a user may try, and what comes of it.
CREATE FUNCTION regress_rights.tries() RETURNS TABLE (call text, result text) LANGUAGE plpgsql AS $$
BEGIN
  FOREACH call IN ARRAY ARRAY[
    $q$mvstore_get('s', 'k')$q$, $q$mvstore_get_raw('s', 'k'::bytea)$q$, $q$mvstore_get_bytea('s', 'k')$q$,
    $q$mvstore_get_entry('s', 'k')$q$, $q$mvstore_contains('s', 'k')$q$, $q$mvstore_previous('s', 'k')$q$,
    $q$mvstore_history('s', 'k')$q$, $q$mvstore_scan('s')$q$, $q$mvstore_scan_raw('s')$q$,
    $q$mvstore_scan_prefix('s', 'k')$q$, $q$mvstore_scan_prefix_raw('s', 'k'::bytea)$q$,
    $q$mvstore_put('s', 'k', 'w')$q$, $q$mvstore_put_raw('s', 'k'::bytea, 'w'::bytea)$q$, $q$mvstore_put_bytea('s', 'k', 'w'::bytea)$q$,
    $q$mvstore_put_at('s', 'p', 'w', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 1000)$q$,
    $q$mvstore_delete('s', 'k')$q$, $q$mvstore_delete_raw('s', 'k'::bytea)$q$,
    $q$mvstore_delete_at('s', 'q', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 1000)$q$,
    $q$mvstore_drop('s', 'k')$q$, $q$mvstore_drop_raw('s', 'k'::bytea)$q$]
  LOOP
    BEGIN
      EXECUTE 'SELECT ' || call;
      result := 'may';
      RAISE division_by_zero;  -- leaves nothing behind
    EXCEPTION
      WHEN division_by_zero THEN NULL;
      WHEN OTHERS THEN result := SQLSTATE;
    END;
    call := regexp_replace(call, '\(extract.*', '...)');
    RETURN NEXT;
  END LOOP;
END $$;
SELECT set_config('regress.owner_may', string_agg(result, ' '), false) FROM tries();

SET ROLE regress_mvstore_user;
SELECT call, result AS "without any right" FROM tries();
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT call, result AS "with SELECT" FROM tries();
RESET ROLE;
REVOKE ALL ON s FROM regress_mvstore_user; GRANT INSERT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT call, result AS "with INSERT" FROM tries();
-- (Also to replace what it has written itself.)
BEGIN;
SELECT mvstore_put('s', 'own', 'a') = mvstore_put('s', 'own', 'b') AS "same version";
ROLLBACK;
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT call, result AS "with INSERT, SELECT" FROM tries();
RESET ROLE;
REVOKE ALL ON s FROM regress_mvstore_user; GRANT DELETE ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT call, result AS "with DELETE" FROM tries();
RESET ROLE;
-- A right on some columns is none on entries.
REVOKE ALL ON s FROM regress_mvstore_user;
GRANT SELECT (key, version), INSERT (key, version, value) ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT call, result AS "with some columns" FROM tries();
RESET ROLE;
REVOKE ALL (key, version, value) ON s FROM regress_mvstore_user;
REVOKE ALL ON s FROM regress_mvstore_user;

-- A right is asked for whether or not there is anything to read, write or drop.
SET ROLE regress_mvstore_user;
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'absent');
SELECT mvstore_delete('s', 'absent');
SELECT count(*) FROM mvstore_scan('s', max_rows := 0);
\set VERBOSITY default
RESET ROLE;

-- With row-level security in force the functions refuse, rather than show or
-- hide a row that a policy decides on. The owner is not subject to it, unless
-- forced.
GRANT ALL ON s TO regress_mvstore_user;
ALTER TABLE s ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON s USING (true);
SET ROLE regress_mvstore_user;
SELECT DISTINCT result AS "under row-level security" FROM tries();
SET ROLE regress_mvstore_owner;
SELECT DISTINCT result AS owner FROM tries();
ALTER TABLE s FORCE ROW LEVEL SECURITY;
SELECT DISTINCT result AS "owner, forced" FROM tries();
RESET ROLE;
SELECT DISTINCT result AS superuser FROM tries();
ALTER TABLE s DISABLE ROW LEVEL SECURITY;

-- A drop asked for by somebody whose right is gone at commit was asked for
-- rightfully; a drop by the owner goes through row-level security.
SELECT mvstore_put('s', 'gone', 'v1') > 0 AS put;
SELECT mvstore_put('s', 'gone', 'v2') > 0 AS put;
ALTER TABLE s ENABLE ROW LEVEL SECURITY;
SET ROLE regress_mvstore_user;
\set VERBOSITY sqlstate
SELECT mvstore_drop('s', 'gone');
\set VERBOSITY default
RESET ROLE;
ALTER TABLE s NO FORCE ROW LEVEL SECURITY;
SET ROLE regress_mvstore_owner;
SELECT mvstore_drop('s', 'gone');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'gone');
RESET ROLE;

-- What a policy does on its own needs no right of the writer's but INSERT.
ALTER TABLE s DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON s FROM regress_mvstore_user; GRANT INSERT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_put('s', 'policy', 'v' || i) > 0 AS put FROM generate_series(1, 1) i;
SELECT mvstore_put('s', 'policy', 'v2') > 0 AS put;
SELECT mvstore_put('s', 'policy', 'v3') > 0 AS put;
SELECT mvstore_flush();
RESET ROLE;
SELECT value FROM mvstore_history('s', 'policy');

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_rights CASCADE;
DROP OWNED BY regress_mvstore_owner, regress_mvstore_user;
DROP ROLE regress_mvstore_owner, regress_mvstore_user;
