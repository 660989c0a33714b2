--
-- A read as of a version gives what a reader would have seen then.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'a', 'a10', 10), mvstore_put_at('s', 'a', 'a30', 30);
SELECT mvstore_put_at('s', 'b', 'b10', 10), mvstore_delete_at('s', 'b', 20),
       mvstore_put_at('s', 'b', 'b30', 30);
SELECT mvstore_put_at('s', 'c', 'c20', 20), mvstore_delete_at('s', 'c', 30);

SELECT v AS as_of, mvstore_get('s', 'a', v) AS a, mvstore_get('s', 'b', v) AS b,
       mvstore_get('s', 'c', v) AS c, mvstore_contains('s', 'c', v) AS "contains c"
  FROM unnest('{0,9,10,19,20,29,30,31}'::bigint[]) v;
SELECT v AS as_of, convert_from(mvstore_get_raw('s', 'b'::bytea, v), 'UTF8') AS b,
       mvstore_contains_raw('s', 'b'::bytea, v), convert_from(mvstore_get_bytea('s', 'b', v), 'UTF8') AS b
  FROM unnest('{9,10,20,30}'::bigint[]) v;
-- The entry found has a version of its own.
SELECT v AS as_of, e.* FROM unnest('{9,10,20,30,31}'::bigint[]) v, mvstore_get_entry('s', 'b', v) e;
SELECT v AS as_of, e.* FROM unnest('{10,31}'::bigint[]) v, mvstore_get_entry_raw('s', 'b'::bytea, v) e;
SELECT v AS as_of, array_agg(key || '=' || value) AS scan
  FROM unnest('{9,10,20,30,31}'::bigint[]) v, mvstore_scan('s', as_of := v) GROUP BY v ORDER BY v;

-- Named or not, and the default: the greatest bigint means the newest.
SELECT mvstore_get('s', 'a', as_of := 29), mvstore_get('s', 'a', 29),
       mvstore_get('s', 'a', 9223372036854775807), mvstore_get('s', 'a');

-- The versions that puts return are good to read as of.
SELECT mvstore_put('s', 'now', 'one') AS v1 \gset
SELECT mvstore_put('s', 'now', 'two') AS v2 \gset
SELECT mvstore_delete('s', 'now') AS v3 \gset
SELECT mvstore_get('s', 'now', :v1 - 1), mvstore_get('s', 'now', :v1), mvstore_get('s', 'now', :v2 - 1),
       mvstore_get('s', 'now', :v2), mvstore_get('s', 'now', :v3 - 1), mvstore_get('s', 'now', :v3);

-- A store that is not there yet as of then is empty, not an error.
SELECT count(*) FROM mvstore_scan('s', as_of := 1);

-- NULL is not "newest", and no version is negative.
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'a', NULL);
SELECT mvstore_get_raw('s', 'a'::bytea, NULL);
SELECT mvstore_get_bytea('s', 'a', NULL);
SELECT mvstore_get_entry('s', 'a', NULL);
SELECT mvstore_contains('s', 'a', NULL);
SELECT mvstore_scan('s', as_of := NULL);
SELECT mvstore_scan_raw('s', as_of := NULL);
SELECT mvstore_scan_prefix('s', 'a', as_of := NULL);
SELECT mvstore_get('s', 'a', -1);
SELECT mvstore_contains('s', 'a', (-9223372036854775808)::bigint);
SELECT mvstore_get_entry('s', 'a', -1);
SELECT mvstore_scan('s', as_of := -1);
SELECT mvstore_scan_prefix('s', 'a', as_of := -1);

-- The future is not known: it is refused rather than guessed.
SELECT mvstore_get('s', 'a', 9223372036854775806);
SELECT mvstore_contains('s', 'a', 9223372036854775806);
SELECT mvstore_get_entry('s', 'a', 9223372036854775806);
SELECT mvstore_scan('s', as_of := 9223372036854775806);
SELECT mvstore_scan_prefix('s', 'a', as_of := 9223372036854775806);
SELECT mvstore_get('s', 'a', (extract(epoch FROM clock_timestamp() + interval '1 hour') * 1000000)::bigint);
-- For a key that is not there, as well.
SELECT mvstore_get('s', 'zzz', 9223372036854775806);

-- Neither is the version of a transaction that is still writing: its own.
BEGIN;
SELECT mvstore_put('s', 'own', 'v') AS own \gset
SELECT mvstore_get('s', 'own');
SELECT mvstore_get('s', 'a', :own - 1);
SAVEPOINT sp;
SELECT mvstore_get('s', 'own', :own);
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_get('s', 'own', :own);
\set VERBOSITY default

-- mvstore.strict_history = off takes the future as the newest.
SET mvstore.strict_history = off;
SELECT mvstore_get('s', 'a', 9223372036854775806);
SELECT count(*) FROM mvstore_scan('s', as_of := 9223372036854775806);
BEGIN;
SELECT mvstore_put('s', 'own', 'w') AS own \gset
SELECT mvstore_get('s', 'own', :own);
ROLLBACK;
RESET mvstore.strict_history;

DROP TABLE s;
