--
-- The extension goes, and comes again, in the midst of writes and drop
-- requests: no COMMIT fails for it, and versions are as safe as they were.
--
\pset null '(null)'
CREATE FUNCTION regress_covered(version bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  -- (planned anew each time: another sequence may have the name)
  RETURN CASE WHEN (SELECT last_value FROM mvstore_clock) >= version THEN 'covered' ELSE 'handed out above the mark' END;
END $$;

SELECT mvstore_create('s');
SELECT mvstore_put('s', 'k', 'v1') AS v1 \gset
SELECT mvstore_put('s', 'k', 'v2') AS v2 \gset
SELECT regress_covered(:v2);
-- Requests of the very transaction that drops the extension go with it.
BEGIN;
SELECT mvstore_drop('s', 'k');
DROP EXTENSION mvstore CASCADE;
COMMIT;
SELECT count(*) FROM pg_extension WHERE extname = 'mvstore';
SELECT convert_from(value, 'UTF8') AS value FROM s ORDER BY version;
DROP TABLE s;

-- Every version lies at or below what the new sequence makes durable.
CREATE EXTENSION mvstore;
SELECT mvstore_create('s', keep_versions := 1);
SELECT mvstore_put('s', 'k', 'v3') AS v3 \gset
SELECT regress_covered(:v3), :v3 > :v2 AS later;
-- Puts, with a policy's own requests; and what a savepoint undid.
BEGIN;
SELECT mvstore_put('s', 'k', 'v4') > :v3 AS put;
SAVEPOINT sp;
SELECT mvstore_drop('s', 'k');
DROP EXTENSION mvstore CASCADE;
ROLLBACK TO sp;
SELECT mvstore_drop('s', 'k');
DROP EXTENSION mvstore CASCADE;
COMMIT;
SELECT convert_from(value, 'UTF8') AS value FROM s ORDER BY version;
DROP TABLE s;

-- One that never was.
BEGIN;
CREATE EXTENSION mvstore;
SELECT mvstore_create('s');
SELECT mvstore_put('s', 'k', 'never') AS never \gset
SELECT regress_covered(:never);
ROLLBACK;
CREATE EXTENSION mvstore;
SELECT mvstore_create('s', keep_versions := 1);
SELECT mvstore_put('s', 'k', 'v1') AS v1 \gset
SELECT regress_covered(:v1), :v1 > :never AS later;
SELECT mvstore_put('s', 'k', 'v2') AS v2 \gset
SELECT regress_covered(:v2), :v2 > :v1 AS later;
-- Reads as of versions are promises, too.
SELECT mvstore_get('s', 'k', :v2);
SELECT regress_covered(:v2);
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');
DROP TABLE s;
DROP FUNCTION regress_covered;
