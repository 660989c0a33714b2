--
-- TRUNCATE empties a store at once. Its next life is safe from drops that were
-- requested in the one before.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put('s', 'k', 'old') AS v1 \gset
SELECT mvstore_put('s', 'k', 'new') AS v2 \gset
SELECT incarnation AS first FROM mvstore_stores WHERE store = 's'::regclass \gset
TRUNCATE s;
SELECT incarnation > :first AS "a new life" FROM mvstore_stores WHERE store = 's'::regclass;
SELECT mvstore_get('s', 'k'), (SELECT count(*) FROM mvstore_scan('s')) AS keys;
-- What was before is gone, and a read says so.
SELECT floor > :v2 AS "a floor above all that was" FROM mvstore_store_stats WHERE store = 's'::regclass;
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'k', :v2);
SELECT count(*) FROM mvstore_scan('s', as_of := :v1);
SELECT mvstore_put_at('s', 'k', 'v', :v2 + 1);
\set VERBOSITY default
-- It goes on as a store.
SELECT mvstore_put('s', 'k', 'v1') > :v2 AS put;
SELECT mvstore_put('s', 'k', 'v2') > :v2 AS put;
SELECT mvstore_drop('s', 'k');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');

-- Requests of an earlier life are void, wherever they wait.
SELECT mvstore_put('s', 'void', 'v1') > 0 AS put;
SELECT mvstore_put('s', 'void', 'v2') > 0 AS put;
BEGIN;
SELECT mvstore_drop('s', 'void');
TRUNCATE s;
SELECT mvstore_put('s', 'void', 'v3') > 0 AS put;
COMMIT;
SELECT mvstore_put('s', 'void', 'v4') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'void');
-- The store may be emptied, filled and dropped from in one transaction.
BEGIN;
SELECT mvstore_put('s', 'k', 'before') > 0 AS put;
TRUNCATE s;
SELECT mvstore_get('s', 'k');
SELECT mvstore_put('s', 'k', 'after') > 0 AS put;
SELECT mvstore_drop('s', 'k');
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');

-- Rolled back, nothing has happened: neither to the entries nor to a request.
SELECT mvstore_put('s', 'k', 'after 2') > 0 AS put;
SELECT incarnation AS life FROM mvstore_stores WHERE store = 's'::regclass \gset
SELECT floor AS floor FROM mvstore_store_stats WHERE store = 's'::regclass \gset
BEGIN;
SELECT mvstore_drop('s', 'k');
SAVEPOINT sp;
TRUNCATE s;
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');
SELECT incarnation = :life AS "the same life" FROM mvstore_stores WHERE store = 's'::regclass;

-- Of several stores, of a store and its neighbour, whatever the replication role.
SELECT mvstore_create('t', keep_versions := 1);
SELECT mvstore_put('t', 'k', 'v') > 0 AS put;
CREATE TABLE plain (i int);
SELECT incarnation AS life_s FROM mvstore_stores WHERE store = 's'::regclass \gset
SELECT incarnation AS life_t FROM mvstore_stores WHERE store = 't'::regclass \gset
SET session_replication_role = replica;
TRUNCATE s, t, plain;
RESET session_replication_role;
SELECT (SELECT incarnation FROM mvstore_stores WHERE store = 's'::regclass) > :life_s AS s,
       (SELECT incarnation FROM mvstore_stores WHERE store = 't'::regclass) > :life_t AS t;
-- The policy stays.
SELECT store, keep_versions FROM mvstore_stores WHERE store = 't'::regclass;
SELECT mvstore_put('t', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('t', 'k', 'v2') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('t', 'k');
DROP TABLE s, t, plain;
