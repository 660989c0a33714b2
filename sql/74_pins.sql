--
-- While a pin lives, reads as of its version are complete, whatever is asked to be
-- dropped; and no longer.
--
\pset null '(null)'
CREATE ROLE regress_mvstore_owner;
CREATE ROLE regress_mvstore_other;
SELECT mvstore_create('s'), mvstore_create('t'), mvstore_create('p', keep_versions := 1);
SELECT count(mvstore_put_at(s, k, k || v, v)) FROM unnest('{s,t}'::regclass[]) s, unnest('{a,b,c,d,e}'::text[]) k, generate_series(10, 50, 10) v;
SELECT mvstore_delete_at('s', 'b', 60);
SELECT mvstore_flush();
CREATE TABLE before AS SELECT v, x.* FROM generate_series(10, 70, 5) v, mvstore_scan('s', as_of := v) x;
CREATE VIEW regress_entries AS
  SELECT convert_from(key, 'UTF8') AS key, string_agg(version::text, ' ' ORDER BY version DESC) AS versions FROM s GROUP BY s.key ORDER BY s.key;
CREATE VIEW regress_pins AS
  SELECT name, owner = current_user AS mine, store, CASE WHEN version < 100 THEN version END AS version,
         created BETWEEN now() - interval '1 min' AND clock_timestamp() AS created,
         expires - created BETWEEN '59 min' AND '61 min' AS "an hour"
    FROM mvstore_pins ORDER BY name;

-- By default: all stores, as of the stable version, for an hour.
SELECT mvstore_stable_version() AS before \gset
SELECT mvstore_pin('regress') AS version \gset
SELECT :version BETWEEN :before AND mvstore_stable_version() AS stable;
SELECT version = :version AS version, name, owner = current_user AS mine, store,
       expires - created BETWEEN '59 min' AND '61 min' AS "an hour" FROM mvstore_pins;
-- A transaction of one's own that has written is not over for it.
BEGIN;
SELECT mvstore_put('t', 'own', 'v') AS own \gset
SELECT mvstore_pin('own') < :own AS "before the own version";
ROLLBACK;
SELECT name FROM mvstore_pins;
-- Given up, it is gone; and then there is none of that name.
SELECT mvstore_unpin('regress');
SELECT mvstore_unpin('regress'), mvstore_unpin('never');
SELECT count(*) FROM mvstore_pins;
-- All of that with its transaction.
BEGIN;
SELECT mvstore_pin('regress', 20);
SELECT version FROM mvstore_pins;
SELECT mvstore_unpin('regress');
SELECT mvstore_unpin('regress');
SELECT mvstore_pin('regress', 21);
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_pin('regress', 20);
ROLLBACK TO sp;
SELECT mvstore_pin('regress', 25, '2 hours', 's');
SAVEPOINT sp;
SELECT mvstore_unpin('regress');
ROLLBACK TO sp;
COMMIT;
SELECT name, store, version FROM mvstore_pins;

-- Beneath it, what reads as of 25 or later do not need goes. ...
SELECT mvstore_drop('s', 'a', before := 20), mvstore_drop_prefix('s', 'b', before := 25), mvstore_compact('s', 20);
SELECT mvstore_flush();
SELECT * FROM regress_entries;
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;
-- ... A request for more waits as a whole, which who flushes is told at once.
SELECT mvstore_drop('s', 'a'), mvstore_drop('s', 'c', before := 26), mvstore_drop_range('s', 'c', 'd', keep := 2), mvstore_compact('s', 40);
SELECT mvstore_flush('10 minutes');
SELECT kind, convert_from(key, 'UTF8') AS key, state FROM mvstore_requests ORDER BY kind, key, before;
SELECT requests_held FROM mvstore_stats WHERE database = current_database();
SELECT * FROM regress_entries;
-- A policy, too: of what was there, and of what comes.
SELECT mvstore_set_policy('s', keep_versions := 1);
SELECT mvstore_flush('10 minutes');
SELECT mvstore_put('s', 'd', 'new') > 60 AS put;
SELECT mvstore_delete('s', 'e') > 60 AS deleted;
SELECT mvstore_flush('10 minutes');
SELECT mvstore_sweep('s');
SELECT mvstore_flush('10 minutes');
SELECT convert_from(key, 'UTF8') AS key, count(*) AS entries, count(*) FILTER (WHERE version > 60) AS new FROM s GROUP BY s.key ORDER BY s.key;
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;
-- So every read as of 25 or later says what it said.
SELECT v, x.* FROM generate_series(25, 70, 5) v, mvstore_scan('s', as_of := v) x EXCEPT TABLE before;
SELECT * FROM before WHERE v >= 25 EXCEPT SELECT v, x.* FROM generate_series(25, 70, 5) v, mvstore_scan('s', as_of := v) x;
-- Other stores are no matter of it.
SELECT mvstore_drop('t', 'a');
SELECT mvstore_put('p', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('p', 'k', 'v2') > 0 AS put;
DO $$
BEGIN
  FOR i IN 1 .. 10000 LOOP
    EXIT WHEN (SELECT count(*) FROM t) = 21 AND (SELECT count(*) FROM p) = 1;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT (SELECT count(*) FROM t) AS t, (SELECT count(*) FROM p) AS p;

-- Moved, it lets go what it does not cover any more. It is the same pin, with a
-- new time to live.
SELECT expires AS expires, created AS created FROM mvstore_pins \gset
SELECT mvstore_pin('regress', 25, '1 day', 's');
SELECT expires > :'expires' AS later, created = :'created' AS "the same" FROM mvstore_pins;
SELECT mvstore_pin('regress', 45, store := 's');
SELECT * FROM regress_pins;
DO $$
BEGIN
  FOR i IN 1 .. 10000 LOOP
    EXIT WHEN (SELECT versions FROM regress_entries WHERE key = 'a') = '50 40';
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT mvstore_sweep('s');
SELECT mvstore_flush('10 minutes');
SELECT * FROM regress_entries WHERE key IN ('a', 'b', 'c');
-- It cannot be moved back to what is gone.
\set VERBOSITY sqlstate
SELECT mvstore_pin('regress', 25, store := 's');
\set VERBOSITY default
-- Given up, it lets all go.
SELECT mvstore_unpin('regress');
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT convert_from(key, 'UTF8') AS key, count(*) AS entries FROM s GROUP BY s.key ORDER BY s.key;
SELECT count(*) FROM mvstore_requests;

-- The lowest of several counts, be it on all stores.
DROP TABLE t, p;
SELECT mvstore_create('t');
SELECT count(mvstore_put_at('t', k, k || v, v)) FROM unnest('{a,b}'::text[]) k, generate_series(10, 50, 10) v;
DROP VIEW regress_entries;
DROP TABLE s;
SELECT mvstore_create('s');
SELECT mvstore_pin('regress 1', 30, store := 't'), mvstore_pin('regress 2', 40);
SELECT mvstore_drop('t', 'a', before := 30);
SELECT mvstore_flush();
SELECT mvstore_drop('t', 'a', before := 40);
SELECT mvstore_flush('10 minutes');
SELECT version FROM mvstore_history('t', 'a');
SELECT mvstore_unpin('regress 1');
SELECT mvstore_flush();
SELECT mvstore_drop('t', 'a');
SELECT mvstore_flush('10 minutes');
SELECT version FROM mvstore_history('t', 'a');

-- While it lives, nobody takes away what it promises, nor adds to it.
\set VERBOSITY sqlstate
SELECT mvstore_put_at('t', 'b', 'v', 40);
SELECT mvstore_put_at('t', 'b', 'v', 35);
SELECT mvstore_put_at('s', 'k', 'v', 40);
SELECT mvstore_delete_at('t', 'b', 36);
SELECT mvstore_erase('t', 'b');
SELECT mvstore_erase_prefix('t', '');
SELECT mvstore_clear('t');
TRUNCATE t;
SELECT mvstore_detach('t');
\set VERBOSITY default
SELECT mvstore_put_at('t', 'b', 'v', 41), mvstore_delete_at('t', 'b', 42);
-- The messages name it. (The detail tells until when.)
\set VERBOSITY terse
SELECT mvstore_clear('t');
\set VERBOSITY default
SELECT mvstore_unpin('regress 2');
SELECT mvstore_flush();
SELECT version FROM mvstore_history('t', 'a');

-- One that has expired is none: for the worker, for the view, for who gives it up.
SELECT mvstore_pin('regress', 55, ttl := '1 ms', store := 't');
SELECT mvstore_put('t', 'b', 'new') > 55 AS put;
SELECT mvstore_drop('t', 'b');
DO $$
BEGIN
  FOR i IN 1 .. 10000 LOOP
    EXIT WHEN (SELECT count(*) FROM mvstore_history('t', 'b')) = 1;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT value FROM mvstore_history('t', 'b');
SELECT count(*) FROM mvstore_pins;
SELECT mvstore_unpin('regress');

-- Those who drop the table mean it, and forget the pin.
SELECT mvstore_pin('regress', store := 't') > 55 AS pinned;
BEGIN;
DROP TABLE t;
SELECT count(*) FROM mvstore_pins;
ROLLBACK;
SELECT * FROM regress_pins;
DROP TABLE t;
SELECT count(*) FROM mvstore_pins;
SELECT mvstore_unpin('regress');

-- What cannot be promised.
SELECT mvstore_put_at('s', 'k', 'v' || v, v) FROM generate_series(10, 30, 10) v;
SELECT mvstore_drop('s', 'k', keep := 2);
SELECT mvstore_flush();
\set VERBOSITY sqlstate
SELECT mvstore_pin('regress', 19, store := 's');
SELECT mvstore_pin('regress', 19);
SELECT mvstore_pin('regress', 9223372036854775807);
SELECT mvstore_pin('regress', mvstore_version_at(now() + interval '1 hour'), store := 's');
SELECT mvstore_pin('regress', -1);
SELECT mvstore_pin('regress', ttl := '0');
SELECT mvstore_pin('regress', ttl := '-1 s');
SELECT mvstore_pin('regress', ttl := '1 month');
SELECT mvstore_pin('regress', ttl := NULL);
SELECT mvstore_pin('regress', ttl := '7 days 1 s');
SELECT mvstore_pin(NULL);
SELECT mvstore_pin('');
SELECT mvstore_pin(repeat('n', 64));
SELECT mvstore_pin('regress', store := 'pg_class');
SELECT mvstore_pin('regress', store := 1);
SELECT mvstore_unpin(NULL);
\set VERBOSITY default
SELECT mvstore_pin('regress', 19);
SELECT count(*) FROM mvstore_pins;
SELECT mvstore_create('t');
SELECT mvstore_pin('regress', 20), mvstore_pin('regress 0', 0, store := 't'), mvstore_pin('regress week', 20, '7 days'),
       mvstore_pin(repeat('n', 63), 20, '1 ms');
SELECT mvstore_unpin('regress'), mvstore_unpin('regress 0'), mvstore_unpin('regress week'), mvstore_unpin('never');
SELECT mvstore_unpin(repeat('n', 63)) IS NOT NULL AS unpinned;
SET mvstore.max_pin_ttl = '10 min';
\set VERBOSITY sqlstate
SELECT mvstore_pin('regress');
SELECT mvstore_pin('regress', ttl := '10 min 1 s');
\set VERBOSITY default
SELECT mvstore_pin('regress', ttl := '1 day');
SELECT mvstore_pin('regress', ttl := '10 min') > 0 AS pinned;
RESET mvstore.max_pin_ttl;
SELECT mvstore_unpin('regress');
BEGIN READ ONLY;
SAVEPOINT sp;
\set VERBOSITY sqlstate
SELECT mvstore_pin('regress');
ROLLBACK TO sp;
SELECT mvstore_unpin('regress');
\set VERBOSITY default
ROLLBACK;

-- Whose it is: only who has the rights of its owner may renew it, or give it up.
GRANT EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) TO regress_mvstore_owner, regress_mvstore_other;
SET ROLE regress_mvstore_owner;
SELECT mvstore_pin('regress') > 0 AS pinned;
\set VERBOSITY sqlstate
SELECT mvstore_pin('regress s', store := 's');
SET mvstore.max_pin_ttl = '1 year';
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_owner;
SET ROLE regress_mvstore_owner;
SELECT mvstore_pin('regress s', store := 's') > 0 AS pinned;
SET ROLE regress_mvstore_other;
SELECT mvstore_pin('regress');
SELECT mvstore_unpin('regress');
SELECT mvstore_unpin('regress s');
\set VERBOSITY default
SELECT mvstore_unpin('regress');
SELECT name, owner, store FROM mvstore_pins ORDER BY name;
RESET ROLE;
GRANT regress_mvstore_owner TO regress_mvstore_other;
SET ROLE regress_mvstore_other;
SELECT mvstore_unpin('regress');
RESET ROLE;
-- It outlives the right, and even the role.
REVOKE SELECT ON s FROM regress_mvstore_owner;
REVOKE EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) FROM regress_mvstore_owner, regress_mvstore_other;
SET ROLE regress_mvstore_owner;
\set VERBOSITY sqlstate
SELECT mvstore_pin('regress s', store := 's');
\set VERBOSITY default
RESET ROLE;
DROP ROLE regress_mvstore_owner;
SELECT name, owner, store FROM mvstore_pins;
SET ROLE regress_mvstore_other;
\set VERBOSITY sqlstate
SELECT mvstore_unpin('regress s');
\set VERBOSITY default
RESET ROLE;
SELECT mvstore_unpin('regress s');

DROP ROLE regress_mvstore_other;
DROP VIEW regress_pins;
DROP TABLE s, t, before;
