--
-- mvstore_clear empties a store as TRUNCATE does: at once, for a new life, with a
-- floor that tells so.
--
\pset null '(null)'
SELECT mvstore_create('s', keep_versions := 5, ttl := '1 day');
SELECT mvstore_put('s', 'k', 'v1') AS v1 \gset
SELECT mvstore_put('s', 'k', 'v2') AS v2 \gset
SELECT incarnation AS life FROM mvstore_stores WHERE store = 's'::regclass \gset
SELECT pg_relation_filenode('s') AS file \gset
SELECT mvstore_clear('s');
SELECT count(*), pg_relation_filenode('s') <> :file AS "another file" FROM s;
-- The policy stays.
SELECT keep_versions, keep_for, ttl, incarnation - :life AS lives FROM mvstore_stores WHERE store = 's'::regclass;
SELECT floor > :v2 AS floor FROM mvstore_store_stats WHERE store = 's'::regclass;
SELECT mvstore_get('s', 'k'), mvstore_count('s');
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'k', :v2);
SELECT mvstore_count('s', as_of := :v1);
SELECT mvstore_put_at('s', 'k', 'v', :v2);
\set VERBOSITY default
SELECT mvstore_put('s', 'k', 'v3') > :v2 AS put;
SELECT mvstore_get('s', 'k');

-- Requests of the earlier life are void: of the same transaction, and waiting.
SELECT mvstore_create('t');
SELECT count(mvstore_put_at('t', 'k', 'v', v)) FROM generate_series(1, 5) v;
SELECT mvstore_flush();
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_drop('t', 'k'), mvstore_drop_prefix('t', ''), mvstore_compact('t', 4);
RESET client_min_messages;
BEGIN;
SELECT mvstore_drop_range('t', 'a', 'z');
SELECT mvstore_clear('t');
SELECT mvstore_put('t', 'k', 'new 1') > 0 AS put;
COMMIT;
SELECT mvstore_put('t', 'k', 'new 2') > 0 AS put;
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT value FROM mvstore_history('t', 'k');
SELECT count(*) FROM mvstore_requests;

-- Rolled back, nothing has happened.
SELECT floor AS floor FROM mvstore_store_stats WHERE store = 't'::regclass \gset
BEGIN;
SELECT mvstore_clear('t');
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_clear('t');
SELECT mvstore_put('t', 'k', 'never') > 0 AS put;
ROLLBACK TO sp;
SELECT value FROM mvstore_history('t', 'k');
COMMIT;
SELECT floor = :floor AS "the same floor" FROM mvstore_store_stats WHERE store = 't'::regclass;
SELECT value FROM mvstore_history('t', 'k');

-- Put, cleared and put again in one transaction, and more than once.
BEGIN;
SELECT mvstore_put('t', 'k', 'before') > 0 AS put;
SELECT mvstore_clear('t');
SELECT mvstore_put('t', 'k', 'between') > 0 AS put;
SELECT mvstore_clear('t');
SELECT mvstore_put('t', 'j', 'after') > 0 AS put;
COMMIT;
SELECT key, value FROM mvstore_scan('t');

-- What waits in the calendar for its time goes with it.
SELECT mvstore_create('aged', keep_for := '1 day');
SELECT mvstore_put('aged', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('aged', 'k', 'v2', ttl := '1 day') > 0 AS put;
SELECT mvstore_flush();
SELECT count(*) > 0 AS noted FROM mvstore_calendar WHERE store = 'aged'::regclass;
SELECT mvstore_clear('aged');
SELECT count(*) FROM mvstore_calendar WHERE store = 'aged'::regclass;

-- A pin on the store, or on all, is a promise that this would break.
SELECT mvstore_pin('regress', store := 't') > 0 AS pinned;
SELECT mvstore_clear('aged');
\set VERBOSITY sqlstate
SELECT mvstore_clear('t');
TRUNCATE t;
TRUNCATE aged, t;
SELECT mvstore_unpin('regress');
SELECT mvstore_pin('regress') > 0 AS pinned;
SELECT mvstore_clear('aged');
TRUNCATE t;
\set VERBOSITY default
SELECT key, value FROM mvstore_scan('t');
-- Given up in the same transaction, it is none any more.
BEGIN;
SELECT mvstore_unpin('regress');
SELECT mvstore_clear('t');
COMMIT;
SELECT count(*) FROM t;

-- Only this table is meant, and no other that inherits from it.
CREATE TABLE child () INHERITS (t);
INSERT INTO child VALUES ('k', 1, 'v', NULL);
SELECT mvstore_put('t', 'k', 'v') > 0 AS put;
SELECT mvstore_clear('t');
SELECT count(*) FROM ONLY t;
SELECT count(*) FROM child;
DROP TABLE child;
-- A foreign key, PostgreSQL refuses.
CREATE TABLE referring (key bytea, version bigint);
ALTER TABLE t ADD UNIQUE (key, version);
ALTER TABLE referring ADD FOREIGN KEY (key, version) REFERENCES t (key, version);
\set VERBOSITY sqlstate
SELECT mvstore_clear('t');
DROP TABLE referring;
SELECT mvstore_clear(NULL);
SELECT mvstore_clear('pg_class');
BEGIN READ ONLY;
SELECT mvstore_clear('t');
ROLLBACK;
\set VERBOSITY default
DROP TABLE s, t, aged;
