--
-- Each way to write, in a transaction that is prepared: who writes the same later finds
-- what it has left, and goes by it; erasures of others do not wait for what is not theirs.
--
SELECT mvstore_create('s'), mvstore_create('past');
CREATE VIEW regress_all AS
SELECT string_agg(convert_from(key, 'UTF8') || '=' || coalesce(convert_from(value, 'UTF8'), '-'), ' ' ORDER BY key, version) AS s FROM s;
SELECT mvstore_put_many('s', '{a,b,c,d,pa,pb}', '{a1,b1,c1,d1,pa1,pb1}') AS first \gset
SET lock_timeout = '10 ms';

-- Conditions, many at once, a deletion.
BEGIN;
SELECT mvstore_put_if('s', 'a', 'a2', :first) > 0 AS put, mvstore_put_if('s', 'b', 'b2', 1) AS refused;
SELECT mvstore_delete_if('s', 'c', :first) > 0 AS deleted;
SELECT mvstore_put_many('s', '{d,e}', '{d2,e2}') > 0 AS put;
PREPARE TRANSACTION 'regress 1';
SELECT * FROM regress_all;
\set VERBOSITY sqlstate
SELECT mvstore_put_if('s', 'a', 'a3', :first);
SELECT mvstore_delete('s', 'c');
SELECT mvstore_put_many('s', '{b,e}', '{b3,e3}');
\set VERBOSITY default
-- What only was looked at is free.
SELECT mvstore_put('s', 'b', 'b3') > 0 AS put;
COMMIT PREPARED 'regress 1';
SELECT * FROM regress_all;
SELECT mvstore_put_if('s', 'a', 'a3', :first) AS refused;

-- Under SERIALIZABLE, what it has read stays read: one of two that overlook each other fails.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT mvstore_get('s', 'a') AS a, mvstore_put('s', 'x', 'x1') > 0 AS put;
PREPARE TRANSACTION 'regress 2';
BEGIN ISOLATION LEVEL SERIALIZABLE;
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'x') AS x, mvstore_put('s', 'a', 'a4') > 0 AS put;
COMMIT;
\set VERBOSITY default
COMMIT PREPARED 'regress 2';
SELECT mvstore_get('s', 'a') AS a, mvstore_get('s', 'x') AS x;

-- The past; rolled back it is as it was.
SELECT mvstore_put_at('past', 'k', 'v', 10);
BEGIN;
SELECT mvstore_delete_at('past', 'k', 20);
PREPARE TRANSACTION 'regress 3';
SELECT mvstore_get('past', 'k', 20);
ROLLBACK PREPARED 'regress 3';
SELECT mvstore_get('past', 'k', 20);
BEGIN;
SELECT mvstore_delete_at('past', 'k', 20);
PREPARE TRANSACTION 'regress 4';
COMMIT PREPARED 'regress 4';
SELECT mvstore_get('past', 'k', 20), mvstore_get('past', 'k', 19) AS before;

-- Many keys are erased.
BEGIN;
SELECT mvstore_erase_prefix('s', 'p');
PREPARE TRANSACTION 'regress 5';
SELECT mvstore_contains('s', 'pa') AS there;
ROLLBACK PREPARED 'regress 5';
SELECT mvstore_contains('s', 'pa') AS there;
BEGIN;
SELECT mvstore_erase_prefix('s', 'p');
PREPARE TRANSACTION 'regress 6';
COMMIT PREPARED 'regress 6';
SELECT mvstore_contains('s', 'pa') AS there;

-- Others erase what it has not written, but has asked a drop of: then there is less to do.
BEGIN;
SELECT mvstore_put('s', 'y', 'y1') > 0 AS put;
SELECT mvstore_drop('s', 'b');
PREPARE TRANSACTION 'regress 7';
SELECT mvstore_erase('s', 'b');
\set VERBOSITY sqlstate
SELECT mvstore_erase('s', 'y');
\set VERBOSITY default
SELECT mvstore_put('s', 'b', 'b4') > 0 AS put;
SELECT mvstore_put('s', 'b', 'b5') > 0 AS put;
COMMIT PREPARED 'regress 7';
SELECT mvstore_flush();
SELECT * FROM regress_all;

-- A cleared store.
BEGIN;
SELECT mvstore_clear('s');
PREPARE TRANSACTION 'regress 8';
ROLLBACK PREPARED 'regress 8';
SELECT mvstore_get('s', 'b') AS b;
BEGIN;
SELECT mvstore_clear('s');
PREPARE TRANSACTION 'regress 9';
COMMIT PREPARED 'regress 9';
SELECT * FROM regress_all;
SELECT mvstore_flush();
SELECT count(*) AS left FROM mvstore_prepared;

RESET lock_timeout;
DROP VIEW regress_all;
DROP TABLE s, past;
