--
-- Who may remove history, change a policy, keep versions and look after drops.
--
CREATE ROLE regress_mvstore_owner;
CREATE ROLE regress_mvstore_member IN ROLE regress_mvstore_owner;
CREATE ROLE regress_mvstore_user;
CREATE ROLE regress_mvstore_operator IN ROLE pg_signal_backend;
CREATE ROLE regress_mvstore_monitor IN ROLE pg_monitor;
CREATE SCHEMA regress_rights AUTHORIZATION regress_mvstore_owner;
GRANT USAGE, CREATE ON SCHEMA regress_rights TO PUBLIC;
SET ROLE regress_mvstore_owner;
SELECT mvstore_create('regress_rights.s');
SET search_path = regress_rights, public;
SELECT count(mvstore_put_at('s', 'k', 'v', v)) FROM generate_series(10, 30, 10) v;
CREATE TABLE plain (LIKE s INCLUDING ALL);
RESET ROLE;

-- What PUBLIC may call at all. (The rest is decided by the rights on the store.)
SELECT proname || '(' || oidvectortypes(proargtypes) || ')' AS function, has_function_privilege('public', oid, 'EXECUTE') AS public,
       has_function_privilege('regress_mvstore_operator', oid, 'EXECUTE') AS operator
  FROM pg_proc WHERE proname ~ '^mvstore_(set_policy|attach|detach|clear|compact|erase|erase_prefix|drop_prefix|drop_range|sweep|pin|unpin|stats_reset)(_bytea|_raw)?$'
 ORDER BY proname COLLATE "C", oidvectortypes(proargtypes) COLLATE "C";

-- Everything that a role may try, and what comes of it.
CREATE FUNCTION regress_rights.tries() RETURNS TABLE (call text, result text) LANGUAGE plpgsql AS $$
BEGIN
  FOREACH call IN ARRAY ARRAY[
    $q$mvstore_drop_prefix('s', 'k')$q$, $q$mvstore_drop_prefix_raw('s', 'k')$q$,
    $q$mvstore_drop_range('s', 'k', 'l')$q$, $q$mvstore_drop_range_raw('s', 'k', 'l')$q$,
    $q$mvstore_compact('s', 10)$q$, $q$mvstore_erase('s', 'k')$q$, $q$mvstore_erase_raw('s', 'k'::bytea)$q$,
    $q$mvstore_erase_prefix('s', 'k')$q$, $q$mvstore_erase_prefix_raw('s', 'k'::bytea)$q$, $q$mvstore_erase('s', 'absent')$q$,
    $q$mvstore_clear('s')$q$, $q$mvstore_set_policy('s')$q$, $q$mvstore_detach('s')$q$, $q$mvstore_attach('plain')$q$,
    $q$mvstore_sweep('s')$q$, $q$mvstore_pin('regress', store := 's')$q$, $q$mvstore_pin('regress')$q$,
    $q$mvstore_unpin('never')$q$, $q$mvstore_stats_reset()$q$]
  LOOP
    BEGIN
      EXECUTE 'SELECT ' || call;
      result := 'may';
      RAISE division_by_zero;  -- leaves nothing behind
    EXCEPTION
      WHEN division_by_zero THEN NULL;
      WHEN OTHERS THEN result := SQLSTATE;
    END;
    RETURN NEXT;
  END LOOP;
END $$;
CREATE FUNCTION regress_rights.may() RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(replace(call, 'mvstore_', ''), E'\n') FROM regress_rights.tries() WHERE result = 'may' $$;
SET ROLE regress_mvstore_user;
SELECT call, result AS "without any right" FROM tries();
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT may() AS "with SELECT";
RESET ROLE;
REVOKE ALL ON s FROM regress_mvstore_user; GRANT DELETE ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT may() AS "with DELETE";
RESET ROLE;
GRANT ALL ON s, plain TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT may() AS "with all rights, but not the owner's";
RESET ROLE;
GRANT EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass), mvstore_stats_reset() TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT may() AS "and EXECUTE";
RESET ROLE;
REVOKE ALL ON s FROM regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT may() AS "and EXECUTE alone";
SET ROLE regress_mvstore_operator;
SELECT may() AS "an operator";
SET ROLE regress_mvstore_monitor;
SELECT may() AS "a monitor";
SET ROLE regress_mvstore_owner;
SELECT call, result AS owner FROM tries();
SET ROLE regress_mvstore_member;
SELECT may() = (SELECT string_agg(replace(call, 'mvstore_', ''), E'\n') FROM tries() WHERE call !~ 'pin\(''regress|stats_reset')
  AS "all that the owner may";
RESET ROLE;
SELECT DISTINCT result AS superuser FROM tries();

-- Row-level security in force: they refuse.
ALTER TABLE s ENABLE ROW LEVEL SECURITY;
ALTER TABLE s FORCE ROW LEVEL SECURITY;
SET ROLE regress_mvstore_owner;
SELECT DISTINCT result AS "owner, forced" FROM tries() WHERE call LIKE '%(''s''%' ORDER BY 1;
RESET ROLE;
SELECT DISTINCT result AS superuser FROM tries();
ALTER TABLE s DISABLE ROW LEVEL SECURITY;
ALTER TABLE s NO FORCE ROW LEVEL SECURITY;

-- TRUNCATE is for whoever has that right, and needs no other.
GRANT TRUNCATE ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
BEGIN;
TRUNCATE s;
ROLLBACK;
SELECT incarnation AS life FROM mvstore_stores WHERE store = 's'::regclass \gset
TRUNCATE s;
RESET ROLE;
SELECT incarnation > :life AS "a new life", (SELECT count(*) FROM s) AS entries FROM mvstore_stores WHERE store = 's'::regclass;

-- Who may not read the store is shown no keys of requests.
SELECT mvstore_flush();
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_drop_range('s', 'from', 'to');
RESET client_min_messages;
SET ROLE regress_mvstore_user;
SELECT store, kind, key, to_key, keep, state FROM mvstore_requests;
SET ROLE regress_mvstore_monitor;
SELECT store, kind, key, to_key, keep, state FROM mvstore_requests;
-- But everybody that there is something, and what keeps it.
SELECT kind, name = session_user AS mine, requests FROM mvstore_blockers WHERE kind = 'paused';
SELECT count(*) FROM mvstore_pins;
SET ROLE regress_mvstore_owner;
SELECT store, kind, convert_from(key, 'UTF8') AS key, convert_from(to_key, 'UTF8') AS to_key, keep, state FROM mvstore_requests;
RESET ROLE;
SELECT mvstore_resume();
SELECT mvstore_flush();
-- The tables themselves are nobody's.
SET ROLE regress_mvstore_monitor;
\set VERBOSITY sqlstate
SELECT * FROM mvstore_pin;
SELECT * FROM mvstore_calendar;
SELECT * FROM mvstore_paused;
INSERT INTO mvstore_pin VALUES ('regress', 1, 1, 'regress', NULL, 1, now(), 'infinity');
DELETE FROM mvstore_calendar;
RESET ROLE;

-- Nothing of it in a transaction that shall change nothing.
BEGIN READ ONLY;
SELECT call, result FROM tries() WHERE call NOT LIKE '%stats_reset%' AND result <> '25006';
ROLLBACK;
SELECT mvstore_pin('regress', store := 's') > 0 AS pinned;
\set VERBOSITY default
SELECT name FROM mvstore_pins;
SELECT mvstore_unpin('regress');

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_rights CASCADE;
DROP OWNED BY regress_mvstore_owner, regress_mvstore_user;
DROP ROLE regress_mvstore_member, regress_mvstore_owner, regress_mvstore_user, regress_mvstore_operator, regress_mvstore_monitor;
