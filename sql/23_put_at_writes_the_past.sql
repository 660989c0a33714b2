--
-- put_at and delete_at write history as it was, in any order, for imports.
--
\pset null '(null)'
SELECT mvstore_create('s');

-- Out of order.
SELECT mvstore_put_at('s', 'k', 'ten', 10);
SELECT mvstore_put_at('s', 'k', 'thirty', 30);
SELECT mvstore_delete_at('s', 'k', 20);
SELECT mvstore_put_at('s', 'k', 'one', 1);
SELECT * FROM mvstore_history('s', 'k');
SELECT v, mvstore_get('s', 'k', as_of := v) FROM unnest('{0,1,9,10,19,20,29,30,31}'::bigint[]) v;

-- In one transaction, of many versions, and of bytes.
SELECT count(mvstore_put_at('s', 'many', v::text, v)) FROM generate_series(1, 1000) v;
SELECT count(*), min(version), max(version) FROM mvstore_history('s', 'many');
SELECT mvstore_put_at_raw('s', '\xff00'::bytea, '\x00ff'::bytea, 7);
SELECT mvstore_delete_at_raw('s', '\xff00'::bytea, 8);
SELECT * FROM mvstore_history_raw('s', '\xff00'::bytea);

-- A tombstone may stand where there was nothing: that is how it was.
SELECT mvstore_delete_at('s', 'never', 5);
SELECT * FROM mvstore_history('s', 'never');
SELECT mvstore_contains('s', 'never');

-- A put of today comes after all of it, and the past can still be written below.
SELECT mvstore_put('s', 'k', 'today') > 30 AS newer;
SELECT mvstore_get('s', 'k');
SELECT mvstore_put_at('s', 'k', 'forty', 40);
SELECT mvstore_get('s', 'k'), mvstore_get('s', 'k', 40), mvstore_get('s', 'k', 39);

-- A rollback leaves nothing.
BEGIN;
SELECT mvstore_put_at('s', 'k', 'undone', 50);
SELECT mvstore_get('s', 'k', 50);
ROLLBACK;
SELECT mvstore_get('s', 'k', 50);
BEGIN;
SAVEPOINT sp;
SELECT mvstore_put_at('s', 'k', 'undone', 50);
ROLLBACK TO sp;
SELECT mvstore_put_at('s', 'k', 'done', 50);
COMMIT;
SELECT mvstore_get('s', 'k', 50);

-- The same key and version twice is an error, as of any unique key.
\set VERBOSITY sqlstate
SELECT mvstore_put_at('s', 'k', 'again', 30);
SELECT mvstore_delete_at('s', 'k', 30);
SELECT mvstore_put_at('s', 'k', 'again', 20);
BEGIN;
SELECT mvstore_put_at('s', 'k', 'new', 60);
SELECT mvstore_put_at('s', 'k', 'again', 60);
ROLLBACK;
-- Also that of the transaction's own put.
BEGIN;
SELECT mvstore_put('s', 'k', 'own') AS own \gset
SELECT mvstore_put_at('s', 'k', 'again', :own);
ROLLBACK;

-- Versions are above 0, and no later than now.
SELECT mvstore_put_at('s', 'k', 'v', 0);
SELECT mvstore_put_at('s', 'k', 'v', -1);
SELECT mvstore_delete_at('s', 'k', 0);
SELECT mvstore_delete_at('s', 'k', (-9223372036854775808)::bigint);
SELECT mvstore_put_at('s', 'k', 'v', 9223372036854775807);
SELECT mvstore_put_at('s', 'k', 'v', (extract(epoch FROM clock_timestamp() + interval '1 hour') * 1000000)::bigint);
SELECT mvstore_delete_at('s', 'k', 9223372036854775806);

-- NULL is nothing of it all.
SELECT mvstore_put_at('s', NULL, 'v', 70);
SELECT mvstore_put_at('s', 'k', NULL::text, 70);
SELECT mvstore_put_at('s', 'k', 'v', NULL);
SELECT mvstore_put_at(NULL, 'k', 'v', 70);
SELECT mvstore_put_at_raw('s', 'k'::bytea, NULL::bytea, 70);
SELECT mvstore_delete_at('s', NULL, 70);
SELECT mvstore_delete_at('s', 'k', NULL);
SELECT mvstore_delete_at(NULL, 'k', 70);
\set VERBOSITY default
SELECT count(*) FROM mvstore_history('s', 'k');

DROP TABLE s;
