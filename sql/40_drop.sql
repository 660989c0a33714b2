--
-- A drop removes superseded entries only: the newest part of a key's history
-- stays, and the head always.
--
\pset null '(null)'
SELECT mvstore_create('s');

-- keep := 1 is the default: all but the head.
SELECT count(mvstore_put_at('s', k, k || v, v)) FROM unnest('{a,b,c,d,e,f}'::text[]) k, generate_series(10, 50, 10) v;
SELECT mvstore_drop('s', 'a');
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'a');
-- Nobody else's entries went.
SELECT count(*) FROM mvstore_history('s', 'b');

-- keep: the newest so many.
SELECT mvstore_drop('s', 'b', keep := 3);
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'b');

-- before: only what was superseded at or before it.
SELECT mvstore_drop('s', 'c', before := 30);
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'c');
SELECT mvstore_drop('s', 'd', before := 29);
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'd');
-- Both: only what both allow.
SELECT mvstore_drop('s', 'e', keep := 4, before := 40);
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'e');
SELECT mvstore_drop('s', 'e', keep := 1, before := 30);
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'e');
-- Nothing was superseded by then.
SELECT mvstore_drop('s', 'f', before := 0);
SELECT mvstore_drop('s', 'f', before := 10);
SELECT mvstore_drop('s', 'f', keep := 5);
SELECT mvstore_drop('s', 'f', keep := 2147483647);
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('s', 'f');

-- Of a key that is not there, or has one entry, or twice: nothing happens.
SELECT mvstore_drop('s', 'absent');
SELECT mvstore_drop('s', 'a');
SELECT mvstore_drop('s', 'a');
SELECT mvstore_flush();
SELECT version, value FROM mvstore_history('s', 'a');
SELECT mvstore_contains('s', 'absent');

-- A drop never brings anything back: of a deleted key the tombstone stays.
SELECT mvstore_create('t');
SELECT mvstore_put_at('t', 'k', 'v10', 10), mvstore_put_at('t', 'k', 'v20', 20), mvstore_delete_at('t', 'k', 30);
SELECT mvstore_drop('t', 'k');
SELECT mvstore_flush();
SELECT * FROM mvstore_history('t', 'k');
SELECT mvstore_get('t', 'k'), mvstore_get('t', 'k', as_of := 30);
DROP TABLE t;

-- A drop writes nothing and is no write: the head is the same entry.
SELECT key, version, value FROM mvstore_scan('s');

-- Keys of bytes.
SELECT count(mvstore_put_at_raw('s', k, 'v'::bytea, v))
  FROM unnest('{"","\\x00","\\x0000","\\xff","\\xffff"}'::bytea[]) k, generate_series(50, 60) v;
SELECT mvstore_drop_raw('s', '\x00'::bytea), mvstore_drop_raw('s', '\xff'::bytea, 2), mvstore_drop_raw('s', ''::bytea, keep := 3);
SELECT mvstore_flush();
SELECT k, (SELECT count(*) FROM mvstore_history_raw('s', k)) AS entries
  FROM unnest('{"","\\x00","\\x0000","\\xff","\\xffff"}'::bytea[]) k;

-- Many requests in one transaction, more than a batch, and doubled.
SELECT count(mvstore_put_at('s', 'many ' || k, 'v', v)) FROM generate_series(1, 500) k, generate_series(61, 64) v;
SELECT count(mvstore_drop('s', 'many ' || k)) FROM generate_series(1, 500) k, generate_series(1, 2);
SELECT mvstore_flush();
SELECT count(*) AS entries, count(DISTINCT key) AS keys, min(version)
  FROM s WHERE substr(key, 1, 5) = 'many ';

-- Rolled back, the request was never made.
BEGIN;
SELECT mvstore_drop('s', 'c');
ROLLBACK;
SELECT mvstore_flush();
SELECT count(*) AS "still there" FROM mvstore_history('s', 'c');
BEGIN;
SELECT mvstore_drop('s', 'd', keep := 4);
SAVEPOINT sp;
SELECT mvstore_drop('s', 'c');
SELECT mvstore_drop('s', 'd');
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_flush();
SELECT count(*) AS "still there" FROM mvstore_history('s', 'c');
SELECT count(*) AS "kept as asked" FROM mvstore_history('s', 'd');
-- Released, it was. (In PL/pgSQL the same.)
BEGIN;
SAVEPOINT sp;
SELECT mvstore_drop('s', 'd', keep := 3);
RELEASE sp;
COMMIT;
DO $$
BEGIN
  BEGIN
    PERFORM mvstore_drop('s', 'd', keep := 1);
    RAISE division_by_zero;
  EXCEPTION WHEN division_by_zero THEN NULL;
  END;
  BEGIN
    PERFORM mvstore_drop('s', 'c', keep := 2);
  EXCEPTION WHEN division_by_zero THEN NULL;
  END;
END $$;
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('s', 'd');
SELECT count(*) FROM mvstore_history('s', 'c');

-- A request covers what was superseded when it was made; what the same
-- transaction supersedes afterwards stays.
SELECT count(mvstore_put_at('s', 'then', 'v' || v, v)) FROM generate_series(65, 67) v;
BEGIN;
SELECT mvstore_drop('s', 'then');
SELECT mvstore_put('s', 'then', 'later') > 0 AS put;
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'then');
-- What it had superseded itself before the call goes.
BEGIN;
SELECT mvstore_put('s', 'then', 'latest') > 0 AS put;
SELECT mvstore_drop('s', 'then');
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'then');

-- The space of big values goes, too.
SELECT mvstore_put('s', 'big', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i)) > 0 AS put;
SELECT mvstore_put('s', 'big', (SELECT string_agg(md5(i::text), '') FROM generate_series(2000, 4000) i)) > 0 AS put;
SELECT mvstore_drop('s', 'big');
SELECT mvstore_flush();
SELECT reltoastrelid::regclass AS toast FROM pg_class WHERE oid = 's'::regclass \gset
SELECT count(DISTINCT chunk_id) AS "values out of line" FROM :toast;
SELECT md5(mvstore_get('s', 'big')) = md5((SELECT string_agg(md5(i::text), '') FROM generate_series(2000, 4000) i)) AS whole;

-- Of requests that are done nothing is left.
SELECT count(*) FROM mvstore_journal;

-- What is refused. NULL never means "everything".
\set VERBOSITY sqlstate
SELECT mvstore_drop(NULL, 'k');
SELECT mvstore_drop('s', NULL);
SELECT mvstore_drop_raw('s', NULL::bytea);
SELECT mvstore_drop('s', 'k', keep := NULL);
SELECT mvstore_drop('s', 'k', before := NULL);
SELECT mvstore_drop('s', 'k', keep := 0);
SELECT mvstore_drop('s', 'k', keep := -1);
SELECT mvstore_drop('s', 'k', before := -1);
SELECT mvstore_drop_raw('s', 'k'::bytea, keep := 0);
SELECT mvstore_flush(NULL);
SELECT mvstore_flush('-1 s');
SELECT mvstore_flush('1 month');
\set VERBOSITY default
DROP TABLE s;
