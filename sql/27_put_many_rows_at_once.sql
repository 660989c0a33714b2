--
-- Who writes many keys in a call gets what as many calls would give, though rows go in
-- together: the right head of each key is met, and all go in or none.
--
\pset null '(null)'
SELECT mvstore_create('s');
-- Texts as the keys and values of a call.
CREATE FUNCTION regress_keys(first int, last int) RETURNS text[] LANGUAGE sql AS
  $$ SELECT array_agg('k' || lpad(i::text, 5, '0') ORDER BY md5(i::text)) FROM generate_series(first, last) i $$;
CREATE FUNCTION regress_put(first int, last int, value text) RETURNS bigint LANGUAGE sql AS
  $$ SELECT mvstore_put_many('s', regress_keys(first, last), array_fill(value, ARRAY[last - first + 1])) $$;

-- Keys of all kinds beside each other: live, deleted, never there, with many versions, with
-- many that were rolled back, expired. Deleting all of them finds those that are live.
SELECT regress_put(1, 300, 'first') > 0 AS put;
SELECT count(mvstore_delete('s', 'k' || lpad(i::text, 5, '0'))) FROM generate_series(1, 300, 6) i;
SELECT count(mvstore_put('s', 'k' || lpad((i + 300)::text, 5, '0'), 'soon over', ttl := '1 microsecond')) FROM generate_series(2, 300, 6) i;
CREATE PROCEDURE regress_many_versions() LANGUAGE plpgsql AS $$
BEGIN
  FOR n IN 1 .. 40 LOOP
    PERFORM mvstore_put('s', 'k' || lpad((i + 300)::text, 5, '0'), 'v' || n) FROM generate_series(3, 300, 60) i;
    COMMIT;
    PERFORM mvstore_put('s', 'k' || lpad((i + 300)::text, 5, '0'), 'undone') FROM generate_series(4, 300, 60) i;
    ROLLBACK;
  END LOOP;
END $$;
CALL regress_many_versions();
SELECT count(*) AS live FROM mvstore_scan('s');
SELECT mvstore_put_many('s', regress_keys(1, 600), array_fill(NULL::text, '{600}')) AS v \gset
SELECT count(*) AS deleted, count(*) FILTER (WHERE value IS NULL) AS tombstones FROM s WHERE version = :v;
SELECT count(*) AS live FROM mvstore_scan('s');
SELECT mvstore_put_many('s', regress_keys(1, 600), array_fill(NULL::text, '{600}'));
-- The same where they are far from each other.
SELECT regress_put(1, 5000, 'second') > 0 AS put;
SELECT mvstore_put_many('s', array_agg('k' || lpad(i::text, 5, '0')), array_agg(NULLIF('third', CASE WHEN i % 2 = 0 THEN 'third' END))) AS v FROM generate_series(1, 5000, 77) i \gset
SELECT count(*) AS written, count(*) FILTER (WHERE value IS NULL) AS deleted FROM s WHERE version = :v;
SELECT count(*) AS live, count(*) FILTER (WHERE value = 'third') AS third FROM mvstore_scan('s');

-- What the transaction has written itself is replaced; and comes back with a savepoint.
BEGIN;
SELECT regress_put(1, 200, 'own 1') AS v \gset
SELECT regress_put(101, 300, 'own 2') = :v AS "same version";
SAVEPOINT sp;
SELECT regress_put(151, 350, 'own 3') = :v AS "same version";
SELECT value, count(*) FROM s WHERE version = :v GROUP BY 1 ORDER BY 1;
ROLLBACK TO sp;
SELECT value, count(*) FROM s WHERE version = :v GROUP BY 1 ORDER BY 1;
SELECT regress_put(191, 210, 'own 4') = :v AS "same version";
COMMIT;
SELECT value, count(*), count(DISTINCT key) AS keys FROM s WHERE version = :v GROUP BY 1 ORDER BY 1;

-- An error in the middle leaves nothing: a key that something else has written since.
INSERT INTO s VALUES ('k00250', 9000000000000000000, 'later', NULL);
\set VERBOSITY sqlstate
BEGIN;
SELECT mvstore_put('s', 'own', 'v') AS v \gset
SAVEPOINT sp;
SELECT regress_put(1, 300, 'too late');
ROLLBACK TO sp;
SELECT regress_put(1, 249, 'in time') = :v AS "same version";
COMMIT;
\set VERBOSITY default
SELECT value, count(*) FROM s WHERE version = :v GROUP BY 1 ORDER BY 1;
DELETE FROM s WHERE version = 9000000000000000000;

-- Values that are stored out of line.
SELECT mvstore_put_many('s', array_agg('big' || i), array_agg(v)) > 0 AS put
  FROM (SELECT i, (SELECT string_agg(md5(i || ' ' || n), '') FROM generate_series(1, 500) n) AS v FROM generate_series(1, 100) i) x;
SELECT count(*) FILTER (WHERE value = (SELECT string_agg(md5(substr(key, 4) || ' ' || n), '') FROM generate_series(1, 500) n)) AS right FROM mvstore_scan_prefix('s', 'big');

-- The index of the feed has them all.
SELECT mvstore_set_feed('s', true);
SELECT regress_put(1, 100, 'fed') AS v \gset
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) AS "by the feed" FROM s WHERE version = :v;
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT mvstore_set_feed('s', false);

-- What is the user's own on the table holds for each row: columns, a unique index.
ALTER TABLE s ADD COLUMN source text DEFAULT 'put' NOT NULL, ADD COLUMN size int GENERATED ALWAYS AS (length(value)) STORED;
SELECT regress_put(1, 100, 'columns') AS v \gset
SELECT source, size, count(*) FROM s WHERE version = :v GROUP BY 1, 2;
CREATE UNIQUE INDEX regress_unique ON s (value) WHERE value LIKE 'once%';
\set VERBOSITY sqlstate
SELECT mvstore_put_many('s', array_agg('u' || i), array_agg('once ' || i % 70)) FROM generate_series(1, 100) i;
\set VERBOSITY default
SELECT count(*) FROM mvstore_scan_prefix('s', 'u');
SELECT mvstore_put_many('s', array_agg('u' || i), array_agg('once ' || i)) > 0 AS put FROM generate_series(1, 100) i;
SELECT count(*) FROM mvstore_scan_prefix('s', 'u');
DROP TABLE s;
DROP FUNCTION regress_keys, regress_put;
DROP PROCEDURE regress_many_versions;
