--
-- An erased key is as if it had never been: for every reader, as of any version,
-- and in the extension's own tables. The floor does not move.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', k, k || v, v)) FROM unnest('{a,ab,b,c}'::text[]) k, generate_series(10, 40, 10) v;
SELECT mvstore_delete_at('s', 'b', 50);
SELECT mvstore_drop('s', 'c', keep := 3);
SELECT mvstore_flush();
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;

-- Taken back with its transaction, or its savepoint.
BEGIN;
SELECT mvstore_erase('s', 'a');
SELECT mvstore_get('s', 'a'), mvstore_get('s', 'a', 20), (SELECT count(*) FROM mvstore_history('s', 'a'));
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_erase_prefix('s', '');
SELECT count(*) FROM s;
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_get('s', 'a'), mvstore_get('s', 'a', 20), (SELECT count(*) FROM s) AS entries;

-- How many entries went: tombstones and expired ones are some, too.
BEGIN;
INSERT INTO s VALUES ('c', 50, 'c50', '2000-01-01');
SELECT mvstore_erase('s', 'a'), mvstore_erase('s', 'b'), mvstore_erase_raw('s', 'c'::bytea), mvstore_erase('s', 'never');
COMMIT;
SELECT mvstore_erase('s', 'a');
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;
-- It never was, as of any version that can be read.
SELECT k, v, mvstore_get('s', k, v), mvstore_contains('s', k, v) FROM unnest('{a,b,c}'::text[]) k, unnest('{20,9223372036854775807}'::bigint[]) v;
SELECT mvstore_previous('s', 'a'), (SELECT count(*) FROM mvstore_history('s', 'a'));
SELECT key, version FROM mvstore_scan('s', as_of := 30);
SELECT count(*) FROM mvstore_diff('s', 20, prefix := 'b');
-- Others are not touched.
SELECT version, value FROM mvstore_history('s', 'ab');
-- It can be put again, in the past as in the present.
SELECT mvstore_put_at('s', 'a', 'again', 25);
SELECT mvstore_put('s', 'a', 'once more') > 50 AS put;
SELECT mvstore_get('s', 'a', 24), mvstore_get('s', 'a', 25), mvstore_get('s', 'a');

-- What the transaction itself has put, beside what there was; and again after it.
BEGIN;
SELECT mvstore_put('s', 'own', 'v1') > 0 AS put, mvstore_put('s', 'a', 'own') > 0 AS put;
SELECT mvstore_erase('s', 'own'), mvstore_erase('s', 'a');
SELECT mvstore_get('s', 'own'), mvstore_get('s', 'a');
SELECT mvstore_put('s', 'a', 'after') > 0 AS put;
SAVEPOINT sp;
SELECT mvstore_erase('s', 'a');
SELECT mvstore_put('s', 'a', 'undone') > 0 AS put;
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_get('s', 'own'), mvstore_get('s', 'a'), (SELECT count(*) FROM mvstore_history('s', 'a')) AS entries;

-- All keys with a prefix.
SELECT mvstore_create('p');
CREATE FUNCTION regress_fill() RETURNS void LANGUAGE sql AS $$
  SELECT mvstore_put_at_raw('p', k, 'v'::bytea, v)
    FROM unnest('{"",a,aa,ab,abc,ab\\000,ab\\377,b,\\377,\\377\\377}'::bytea[]) k, generate_series(10, 20, 10) v $$;
SELECT regress_fill();
SELECT mvstore_erase_prefix('p', 'nothing'), mvstore_erase_prefix('p', repeat('a', 3000));
SELECT mvstore_erase_prefix('p', 'ab');
SELECT encode(key, 'escape') AS key, count(*) FROM p GROUP BY p.key ORDER BY p.key;
SELECT mvstore_erase_prefix_raw('p', '\xff'::bytea);
SELECT encode(key, 'escape') AS key, count(*) FROM p GROUP BY p.key ORDER BY p.key;
BEGIN;
SELECT mvstore_put('p', 'new', 'v') > 0 AS put, mvstore_put('p', 'aa', 'v') > 0 AS put;
SELECT mvstore_erase_prefix('p', '');
COMMIT;
SELECT count(*) FROM p;
SELECT floor FROM mvstore_store_stats WHERE store = 'p'::regclass;

-- Requests that name it go, too, those for other keys as well stay; none of them
-- means the key's new life.
SELECT mvstore_create('q', keep_versions := 2);
SELECT regress_fill();
SELECT mvstore_put('q', 'k', 'v1') > 0 AS put;
SELECT mvstore_flush();
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_drop('p', 'ab'), mvstore_drop('p', 'b'), mvstore_drop('p', 'abc', keep := 3);
SELECT mvstore_drop_prefix('p', 'a'), mvstore_drop_prefix('p', 'abc'), mvstore_drop_range('p', 'ab', 'ac'), mvstore_drop_range('p', 'ab', 'ad'),
       mvstore_compact('p', 10);
SELECT mvstore_put('q', 'k', 'v2') > 0 AS put, mvstore_put('q', 'l', 'v1') > 0 AS put;
SELECT mvstore_put('q', 'k', 'v3') > 0 AS put, mvstore_put('q', 'l', 'v2') > 0 AS put;
RESET client_min_messages;
CREATE VIEW regress_requests AS
  SELECT store, kind, encode(key, 'escape') AS key, encode(to_key, 'escape') AS to_key, keep
    FROM mvstore_requests ORDER BY store, kind, key, to_key;
SELECT * FROM regress_requests WHERE store = 'p'::regclass;
BEGIN;
SELECT mvstore_erase('p', 'ab');
SELECT * FROM regress_requests WHERE store = 'p'::regclass;
ROLLBACK;
SELECT mvstore_erase_prefix('p', 'ab');
SELECT mvstore_erase('q', 'k');
SELECT * FROM regress_requests WHERE store = 'p'::regclass;
-- Nobody is shown it.
SELECT count(*) FROM regress_requests WHERE store = 'q'::regclass AND key = 'k';
SELECT count(*) FROM mvstore_journal WHERE position('ab' IN encode(key, 'escape')) > 0 AND kind = 'drop';
SELECT mvstore_put('q', 'k', 'new') > 0 AS put;
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT version FROM mvstore_history('p', 'b');
SELECT value FROM mvstore_history('q', 'k');
SELECT count(*) FROM mvstore_requests;

-- The calendar of what will be old one day, or expired, has nothing of it.
SELECT mvstore_create('aged', keep_for := '1 day');
CREATE VIEW regress_calendar AS
  SELECT sum(length(keys)) > 0 AS some, coalesce(bool_or(position('secret'::bytea IN keys) > 0), false) AS named
    FROM mvstore_calendar WHERE store = 'aged'::regclass;
SELECT mvstore_put_many('aged', '{secret,secret 2,other}', '{v1,v1,v1}') > 0 AS put;
SELECT mvstore_put_many('aged', '{secret,secret 2,other}', '{v2,v2,v2}') > 0 AS put;
SELECT mvstore_flush();
SELECT * FROM regress_calendar;
SELECT mvstore_erase('aged', 'secret');
SELECT * FROM regress_calendar;
SELECT mvstore_erase_prefix('aged', 'secret');
SELECT * FROM regress_calendar;
-- Also where the entries that it was noted for have gone before.
SELECT mvstore_put('aged', 'secret', 'v1', ttl := '1 hour') > 0 AS put;
SELECT mvstore_put('aged', 'secret', 'v2', ttl := '2 hours') > 0 AS put;
SELECT mvstore_delete('aged', 'secret') > 0 AS deleted;
SELECT mvstore_flush();
SELECT mvstore_drop('aged', 'secret');
SELECT mvstore_flush();
SELECT mvstore_erase('aged', 'secret');
SELECT * FROM regress_calendar;
BEGIN;
SELECT mvstore_put('aged', 'secret', 'v1', ttl := '2 hours') > 0 AS put;
SELECT mvstore_put('aged', 'secret', 'v2', ttl := '1 hour') > 0 AS put;
COMMIT;
SELECT mvstore_flush();
SELECT mvstore_erase_prefix('aged', 's');
SELECT * FROM regress_calendar;
-- Also where the worker comes to its requests only then.
SELECT mvstore_pause();
SELECT mvstore_put('aged', 'secret', 'v1', ttl := '1 hour') > 0 AS put;
SELECT mvstore_put('aged', 'secret', 'v2') > 0 AS put;
SELECT mvstore_erase('aged', 'secret');
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT * FROM regress_calendar;
SELECT key, value FROM mvstore_scan('aged');

-- A pin protects what can be read as of it: all of a key or nothing goes.
SELECT mvstore_create('pinned');
SELECT mvstore_put_at('pinned', 'old', 'v', 10), mvstore_put_at('pinned', 'both', 'v', 10),
       mvstore_put_at('pinned', 'both', 'v', 30), mvstore_put_at('pinned', 'new', 'v', 30);
SELECT mvstore_pin('regress', 20, store := 'pinned');
\set VERBOSITY sqlstate
SELECT mvstore_erase('pinned', 'old');
SELECT mvstore_erase('pinned', 'both');
SELECT mvstore_erase_prefix('pinned', '');
\set VERBOSITY default
SELECT mvstore_erase('pinned', 'new'), mvstore_erase('pinned', 'never'), mvstore_erase_prefix('pinned', 'n');
SELECT mvstore_erase('aged', 'other') AS "another store's";
SELECT key, version FROM mvstore_scan('pinned');
SELECT mvstore_unpin('regress');
SELECT mvstore_erase_prefix('pinned', '');

-- What is refused.
CREATE TABLE referring (key bytea, version bigint);
ALTER TABLE pinned ADD UNIQUE (key, version);
ALTER TABLE referring ADD FOREIGN KEY (key, version) REFERENCES pinned (key, version);
\set VERBOSITY sqlstate
SELECT mvstore_erase('pinned', 'k');
SELECT mvstore_erase_prefix('pinned', 'k');
SELECT mvstore_erase(NULL, 'k');
SELECT mvstore_erase('s', NULL);
SELECT mvstore_erase_raw('s', NULL::bytea);
SELECT mvstore_erase('s', repeat('k', 2001));
SELECT mvstore_erase('referring', 'k');
SELECT mvstore_erase_prefix(NULL, 'k');
SELECT mvstore_erase_prefix('s', NULL);
SELECT mvstore_erase_prefix_raw('s', NULL::bytea);
SELECT mvstore_erase_prefix('referring', 'k');
BEGIN READ ONLY;
SELECT mvstore_erase('s', 'a');
ROLLBACK;
BEGIN READ ONLY;
SELECT mvstore_erase_prefix('s', 'never');
ROLLBACK;
-- Under the stricter levels it does what it says where nobody else was at the key.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT mvstore_erase('s', 'a');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT mvstore_erase_prefix('s', 'a');
COMMIT;
\set VERBOSITY default
SELECT count(*) FROM s;

DROP VIEW regress_requests, regress_calendar;
DROP FUNCTION regress_fill;
DROP TABLE s, p, q, aged, pinned, referring;
