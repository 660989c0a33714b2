--
-- All that a transaction writes has one version, and what is rolled back was
-- never written.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_create('t');

-- One version for all keys and all stores.
BEGIN;
SELECT mvstore_put('s', 'a', 'one') AS v1 \gset
SELECT mvstore_put('s', 'b', 'one') AS v2 \gset
SELECT mvstore_put('t', 'a', 'one') AS v3 \gset
SELECT mvstore_put('s', 'c', 'one') AS v4 \gset
SELECT mvstore_delete('s', 'c') AS v5 \gset
COMMIT;
SELECT :v1 = :v2 AND :v2 = :v3 AND :v3 = :v4 AND :v4 = :v5 AS "one version";
-- Here as well: one statement is one transaction.
SELECT count(DISTINCT mvstore_put('s', 'n' || i, 'v')) AS versions FROM generate_series(1, 100) i;
-- And of two transactions the later one's is greater.
SELECT mvstore_put('s', 'a', 'two') > :v1 AS later;

-- A transaction reads what it wrote itself.
BEGIN;
SELECT mvstore_put('s', 'own', 'value') > 0 AS put;
SELECT mvstore_get('s', 'own'), mvstore_contains('s', 'own');
SELECT key, value FROM mvstore_scan('s', 'own');
SELECT value FROM mvstore_history('s', 'own');
ROLLBACK;
SELECT mvstore_get('s', 'own'), mvstore_contains('s', 'own');
SELECT count(*) FROM mvstore_history('s', 'own');

-- Two writes of a key leave one entry: the last.
BEGIN;
SELECT mvstore_put('s', 'twice', 'first') AS v1 \gset
SELECT mvstore_put('s', 'twice', 'second') = :v1 AS "same version";
SELECT mvstore_get('s', 'twice');
COMMIT;
SELECT value FROM mvstore_history('s', 'twice');
-- In one statement, too.
SELECT count(mvstore_put('s', 'thrice', i::text)) FROM generate_series(1, 3) i;
SELECT value FROM mvstore_history('s', 'thrice');
SELECT count(*) AS entries FROM s WHERE key = 'thrice';
-- A delete may be the last ...
BEGIN;
SELECT mvstore_put('s', 'twice', 'third') = mvstore_delete('s', 'twice') AS "same version";
SELECT mvstore_contains('s', 'twice');
COMMIT;
SELECT value FROM mvstore_history('s', 'twice');
-- ... or the first.
BEGIN;
SELECT mvstore_put('s', 'twice', 'fourth') > 0 AS put;
COMMIT;
BEGIN;
SELECT mvstore_delete('s', 'twice') = mvstore_put('s', 'twice', 'fifth') AS "same version";
COMMIT;
SELECT value FROM mvstore_history('s', 'twice');
-- A key that the transaction has put and deleted again: nothing is left to
-- delete a second time.
BEGIN;
SELECT mvstore_put('s', 'flash', 'v') > 0 AS put;
SELECT mvstore_delete('s', 'flash') > 0 AS deleted;
SELECT mvstore_delete('s', 'flash');
COMMIT;
SELECT mvstore_contains('s', 'flash');

-- ROLLBACK TO SAVEPOINT undoes the writes after the savepoint, and only these.
BEGIN;
SELECT mvstore_put('s', 'before', 'kept') AS v1 \gset
SELECT mvstore_put('s', 'both', 'before') > 0 AS put;
SAVEPOINT sp;
SELECT mvstore_put('s', 'both', 'after') > 0 AS put;
SELECT mvstore_put('s', 'after', 'undone') > 0 AS put;
SELECT mvstore_get('s', 'both'), mvstore_get('s', 'after');
ROLLBACK TO sp;
SELECT mvstore_get('s', 'before'), mvstore_get('s', 'both'), mvstore_get('s', 'after');
SELECT mvstore_put('s', 'end', 'kept') = :v1 AS "same version";
COMMIT;
SELECT mvstore_get('s', 'before'), mvstore_get('s', 'both'), mvstore_get('s', 'after'), mvstore_get('s', 'end');
SELECT value FROM mvstore_history('s', 'both');

-- RELEASE SAVEPOINT keeps them; a rollback further out undoes them after all.
BEGIN;
SAVEPOINT sp1;
SAVEPOINT sp2;
SELECT mvstore_put('s', 'nested', 'inner') > 0 AS put;
RELEASE sp2;
SELECT mvstore_get('s', 'nested');
ROLLBACK TO sp1;
SELECT mvstore_get('s', 'nested');
COMMIT;
BEGIN;
SAVEPOINT sp1;
SELECT mvstore_put('s', 'nested', 'kept') > 0 AS put;
SAVEPOINT sp2;
SELECT mvstore_put('s', 'nested', 'replaced') > 0 AS put;
RELEASE sp2;
RELEASE sp1;
COMMIT;
SELECT value FROM mvstore_history('s', 'nested');

-- Where the subtransaction that took the version is rolled back, the next write
-- takes a new one, which is greater.
BEGIN;
SAVEPOINT sp;
SELECT mvstore_put('s', 'retry', 'first') AS v1 \gset
ROLLBACK TO sp;
SELECT mvstore_put('s', 'retry', 'second') AS v2 \gset
SELECT mvstore_put('s', 'retry too', 'second') AS v3 \gset
COMMIT;
SELECT :v2 > :v1 AS newer, :v2 = :v3 AS "one version";
SELECT value FROM mvstore_history('s', 'retry');

-- PL/pgSQL's exceptions are subtransactions, too.
DO $$
BEGIN
  PERFORM mvstore_put('s', 'plpgsql', 'kept');
  BEGIN
    PERFORM mvstore_put('s', 'plpgsql', 'undone');
    PERFORM mvstore_put('s', 'plpgsql too', 'undone');
    RAISE division_by_zero;
  EXCEPTION WHEN division_by_zero THEN
    NULL;
  END;
  FOR i IN 1 .. 100 LOOP
    BEGIN
      PERFORM mvstore_put('s', 'loop ' || i, i::text);
      IF i % 3 <> 0 THEN RAISE division_by_zero; END IF;
    EXCEPTION WHEN division_by_zero THEN
      NULL;
    END;
  END LOOP;
END $$;
SELECT mvstore_get('s', 'plpgsql'), mvstore_get('s', 'plpgsql too');
SELECT count(*) AS kept, count(DISTINCT version) AS versions,
       bool_and(value::int % 3 = 0) AS "every third"
  FROM mvstore_scan_prefix('s', 'loop ');

-- A statement that fails half-way writes nothing.
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'half' || i, (1 / (3 - i))::text) FROM generate_series(1, 5) i;
\set VERBOSITY default
SELECT count(*) FROM mvstore_scan_prefix('s', 'half');

-- Writes and reads inside functions, cursors and CTEs see each other as those of
-- tables do.
CREATE FUNCTION regress_bump(k text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  old text := mvstore_get('s', k);
BEGIN
  PERFORM mvstore_put('s', k, (coalesce(old, '0')::int + 1)::text);
  RETURN mvstore_get('s', k);
END $$;
SELECT regress_bump('counter') FROM generate_series(1, 5);
SELECT value FROM mvstore_history('s', 'counter');
BEGIN;
DECLARE c CURSOR FOR SELECT mvstore_get('s', 'counter');
SELECT regress_bump('counter');
FETCH c;
COMMIT;
DROP FUNCTION regress_bump;

DROP TABLE s, t;
