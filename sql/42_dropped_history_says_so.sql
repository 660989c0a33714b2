--
-- A read of history that is gone is an error (72000), never a wrong answer.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', k, k || v, v)) FROM unnest('{a,b}'::text[]) k, unnest('{10,20,30,40}'::bigint[]) v;
SELECT mvstore_put_at('s', 'once', 'once', 5);
SELECT mvstore_put_at('s', 'late', 'late', 40);
SELECT mvstore_delete_at('s', 'dead', 15);
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;
-- Nothing is gone: every version may be read.
SELECT v, mvstore_get('s', 'a', v), (SELECT count(*) FROM mvstore_scan('s', as_of := v)) AS keys
  FROM unnest('{0,5,10,25,30,40}'::bigint[]) v;

-- The entries at 10 and 20 go; they were superseded at 20 and at 30: 30 is the
-- floor.
SELECT mvstore_drop('s', 'a', keep := 2);
SELECT mvstore_flush();
SELECT version FROM mvstore_history('s', 'a');
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;

-- From the floor on everything is answered.
SELECT v, mvstore_get('s', 'a', v), mvstore_get('s', 'b', v), mvstore_get('s', 'late', v),
       (SELECT count(*) FROM mvstore_scan('s', as_of := v)) AS keys
  FROM unnest('{30,39,40}'::bigint[]) v;
SELECT count(*) FROM mvstore_scan_prefix('s', '', as_of := 30);
SELECT mvstore_get('s', 'a');

-- Below it, an entry that is there is the answer. ...
SELECT mvstore_get('s', 'b', 29), mvstore_get('s', 'b', 10), mvstore_get('s', 'once', 5);
SELECT mvstore_get('s', 'dead', 15), mvstore_contains('s', 'dead', 15);
SELECT * FROM mvstore_get_entry('s', 'b', 25);
-- ... None there: it may have been dropped.
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'a', 29);
SELECT mvstore_get('s', 'a', 20);
SELECT mvstore_get('s', 'a', 5);
SELECT mvstore_get('s', 'a', 0);
SELECT mvstore_get_raw('s', 'a'::bytea, 29);
SELECT mvstore_get_bytea('s', 'a', 29);
SELECT mvstore_get_entry('s', 'a', 29);
SELECT mvstore_contains('s', 'a', 29);
SELECT mvstore_contains_raw('s', 'a'::bytea, 29);
SELECT mvstore_get('s', 'late', 29);
SELECT mvstore_get('s', 'never', 29);
-- A scan cannot know what is missing from it.
SELECT * FROM mvstore_scan('s', as_of := 29);
SELECT * FROM mvstore_scan('s', 'b', 'c', as_of := 29);
SELECT * FROM mvstore_scan_raw('s', as_of := 29);
SELECT * FROM mvstore_scan('s', as_of := 29, reverse := true);
SELECT * FROM mvstore_scan_prefix('s', 'b', as_of := 29);
SELECT * FROM mvstore_scan('s', as_of := 29, max_rows := 1);

-- The past below the floor is closed to writing, too.
SELECT mvstore_put_at('s', 'c', 'c', 29);
SELECT mvstore_delete_at('s', 'c', 29);
\set VERBOSITY default
SELECT mvstore_put_at('s', 'c', 'c', 30);
SELECT mvstore_get('s', 'c', 30);

-- mvstore.strict_history = off: what is gone reads as absent.
SET mvstore.strict_history = off;
SELECT mvstore_get('s', 'a', 29), mvstore_contains('s', 'a', 29), mvstore_get('s', 'b', 29);
SELECT key, value FROM mvstore_scan('s', as_of := 29);
RESET mvstore.strict_history;

-- The floor is each store's own, and only rises.
SELECT mvstore_create('t');
SELECT mvstore_put_at('t', 'a', 'a', 10);
SELECT mvstore_get('t', 'a', 5), mvstore_get('t', 'a', 10);
SELECT mvstore_drop('s', 'b', before := 20);
SELECT mvstore_flush();
SELECT version FROM mvstore_history('s', 'b');
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;
SELECT mvstore_drop('s', 'b');
SELECT mvstore_flush();
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;

-- A key that a policy purged was deleted, says a read after its end; before, its
-- history is gone.
SELECT mvstore_create('p', keep_versions := 2);
SELECT mvstore_put('p', 'k', 'v') AS v1 \gset
SELECT mvstore_delete('p', 'k') AS v2 \gset
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('p', 'k');
SELECT floor = :v2 AS "the tombstone's version" FROM mvstore_store_stats WHERE store = 'p'::regclass;
SELECT mvstore_get('p', 'k'), mvstore_get('p', 'k', :v2), mvstore_contains('p', 'k', :v2);
\set VERBOSITY sqlstate
SELECT mvstore_get('p', 'k', :v1);
SELECT mvstore_get('p', 'k', :v2 - 1);
\set VERBOSITY default

DROP TABLE s, t, p;
