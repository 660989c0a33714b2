--
-- Many keys are written and deleted in one call, at one version.
--
\pset null '(null)'
SELECT mvstore_create('s');

SELECT mvstore_put_many('s', '{a,b,c}', '{1,2,3}') AS v1 \gset
SELECT key, version = :v1 AS "one version", value FROM mvstore_scan('s');
-- As of just before, none is there; as of it, all are.
SELECT (SELECT count(*) FROM mvstore_scan('s', as_of := :v1 - 1)) AS before, (SELECT count(*) FROM mvstore_scan('s', as_of := :v1)) AS then;

-- A NULL value deletes, where there is something to delete.
SELECT mvstore_put_many('s', '{d,b,absent}', '{4,NULL,NULL}') AS v2 \gset
SELECT :v2 > :v1 AS "versions rise";
SELECT key, version = :v1 AS first, version = :v2 AS second, value FROM mvstore_scan('s');
SELECT version = :v2 AS second, value FROM mvstore_history('s', 'b');
SELECT count(*) FROM mvstore_history('s', 'absent');
-- The empty value is a value.
SELECT mvstore_put_many('s', '{"",e}', '{"",""}') > :v2 AS written;
SELECT mvstore_get('s', ''), mvstore_get('s', 'e');

-- Nothing written: NULL.
SELECT mvstore_put_many('s', '{}', '{}');
SELECT mvstore_put_many('s', ARRAY[]::text[], '{}');
SELECT mvstore_put_many('s', '{b,absent}', '{NULL,NULL}');
SELECT mvstore_put_many('s', '{never}', ARRAY[NULL]);
SELECT (SELECT count(*) FROM s) AS entries;
BEGIN;
SELECT mvstore_put('s', 'short', 'v', ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_put_many('s', '{short}', '{NULL}');
ROLLBACK;

-- Of equal keys the last in the array counts.
SELECT mvstore_put_many('s', '{x,y,x,z,x,y}', '{x1,y1,x2,z1,x3,NULL}') > 0 AS written;
SELECT key, value FROM mvstore_scan('s', 'x');
SELECT value FROM mvstore_history('s', 'x');
SELECT count(*) FROM mvstore_history('s', 'y');
SELECT mvstore_put_many('s', '{x,z,x,z}', '{NULL,NULL,x4,NULL}') > 0 AS written;
SELECT key, value FROM mvstore_scan('s', 'x');
SELECT value FROM mvstore_history('s', 'z');
-- Only deletes of what is absent, by the last of each.
SELECT mvstore_put_many('s', '{y,y}', '{y2,NULL}');
-- The bounds of an array are no matter.
SELECT mvstore_put_many('s', '[5:6]={q,r}', '[-1:0]={q1,r1}') > 0 AS written;
SELECT mvstore_get('s', 'q'), mvstore_get('s', 'r');

-- One version with the other writes of the transaction, and of the statement.
BEGIN;
SELECT mvstore_put('s', 'a', 'own 1') AS own \gset
SELECT mvstore_put_many('s', '{a,b}', '{own 2,own 2}') = :own AS "same version";
SELECT mvstore_put_many('s', '{b,a}', '{NULL,own 3}') = :own AS "same version", mvstore_put_many('s', '{b}', '{own 4}') = :own AS "same version";
SELECT mvstore_put_if('s', 'b', 'own 5', :own) = :own AS "same version";
SAVEPOINT sp;
SELECT mvstore_put_many('s', '{a,b,sp}', '{NULL,NULL,sp}') = :own AS "same version";
SELECT mvstore_get('s', 'a'), mvstore_get('s', 'b'), mvstore_get('s', 'sp');
ROLLBACK TO sp;
SELECT mvstore_get('s', 'a'), mvstore_get('s', 'b'), mvstore_get('s', 'sp');
COMMIT;
SELECT value FROM mvstore_history('s', 'a');
SELECT value FROM mvstore_history('s', 'b');

-- What was put, deleted and put in one transaction is there once.
BEGIN;
SELECT mvstore_put_many('s', '{pdp,pd}', '{one,one}') > 0 AS written;
SELECT mvstore_put_many('s', '{pdp,pd}', '{NULL,NULL}') > 0 AS written;
SELECT mvstore_put_many('s', '{pdp}', '{two}') > 0 AS written;
COMMIT;
SELECT value FROM mvstore_history('s', 'pdp');
SELECT value FROM mvstore_history('s', 'pd');

-- All or nothing: an error in the middle, here of a constraint, leaves none.
ALTER TABLE s ADD CONSTRAINT "no bad value" CHECK (value <> 'bad');
\set VERBOSITY sqlstate
SELECT mvstore_put_many('s', '{m1,m2,m3}', '{good,bad,good}');
\set VERBOSITY default
SELECT count(*) FROM mvstore_scan_prefix('s', 'm');
ALTER TABLE s DROP CONSTRAINT "no bad value";

-- The keys are taken in byte order, so that two calls do not deadlock.
CREATE TABLE regress_order (n int GENERATED ALWAYS AS IDENTITY, key bytea);
CREATE FUNCTION regress_note() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO regress_order (key) VALUES (NEW.key); RETURN NEW; END $$;
CREATE TRIGGER regress_note BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION regress_note();
SELECT mvstore_put_many('s', ARRAY['o-b', 'o-a', 'o-B', U&'o-\00e4', 'o-aa', 'o-'], '{1,2,3,4,5,6}') > 0 AS written;
SELECT key FROM regress_order ORDER BY n;
DROP TRIGGER regress_note ON s;
DROP FUNCTION regress_note;
DROP TABLE regress_order;
DROP TABLE s;

-- Bytes.
SELECT mvstore_create('s');
SELECT mvstore_put_many_raw('s', ARRAY['\xff', '\x00', '', '\x00ff', '\x00']::bytea[], ARRAY['\x01', '\x02', '\x00', NULL, '\xff00']::bytea[]) AS v1 \gset
SELECT key, version = :v1 AS "one version", value FROM mvstore_scan_raw('s');
SELECT mvstore_put_many_raw('s', ARRAY['\xff'::bytea], ARRAY[NULL::bytea]) > :v1 AS written;
SELECT mvstore_put_many_raw('s', ARRAY['\xff'::bytea], ARRAY[NULL::bytea]);
SELECT mvstore_put_many_raw('s', '{}', '{}');
SELECT key, value FROM mvstore_scan_raw('s');
-- Text is its UTF-8 bytes.
SELECT mvstore_put_many('s', ARRAY[U&'\00e4'], ARRAY[U&'\20ac']) > :v1 AS written;
SELECT mvstore_get_raw('s', '\xc3a4'::bytea);
DROP TABLE s;

-- Many of them, of any size, and again.
SELECT mvstore_create('s', keep_versions := 2, ttl := '1 day');
SELECT mvstore_put_many('s', array_agg('key ' || i), array_agg('value ' || i)) > 0 AS written FROM generate_series(1, 5000) i;
SELECT count(*) AS keys, count(DISTINCT version) AS versions, count(*) FILTER (WHERE value = 'value' || substr(key, 4)) AS right FROM mvstore_scan('s');
-- The store's time to live is theirs, and its policy.
SELECT DISTINCT expires_at - mvstore_time_of(version) BETWEEN '23:59:59' AND '24:01' AS "a day" FROM s;
SELECT mvstore_put_many('s', array_agg('key ' || i), array_agg(CASE WHEN i % 2 = 0 THEN 'value 2' END)) > 0 AS written FROM generate_series(1, 5000) i;
SELECT mvstore_put_many('s', array_agg('key ' || i), array_agg('value 3'::text)) > 0 AS written FROM generate_series(2, 5000, 2) i;
SELECT mvstore_flush();
SELECT count(*) AS entries, count(DISTINCT key) AS keys FROM s;
SELECT puts, deletes FROM mvstore_store_stats WHERE store = 's'::regclass;
SELECT mvstore_put_many('s', '{big 1,big 2}', ARRAY[repeat('mvstore ', 100000), (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 20000) i)]) > 0 AS written;
SELECT key, length(value) FROM mvstore_scan_prefix('s', 'big');
-- Tombstones do not expire. (The policy may take it away as soon as it is committed.)
BEGIN;
SELECT mvstore_put_many('s', '{big 1}', '{NULL}') > 0 AS written;
SELECT value, expires_at FROM mvstore_history('s', 'big 1', 1);
COMMIT;

-- Wrong arguments.
\set VERBOSITY sqlstate
SELECT mvstore_put_many(NULL, '{k}', '{v}');
SELECT mvstore_put_many('s', NULL, '{v}');
SELECT mvstore_put_many('s', '{k}', NULL);
SELECT mvstore_put_many('s', '{k,NULL}', '{v,v}');
SELECT mvstore_put_many('s', ARRAY[NULL], ARRAY[NULL]);
SELECT mvstore_put_many_raw(NULL, '{k}', '{v}');
SELECT mvstore_put_many_raw('s', NULL, '{v}');
SELECT mvstore_put_many_raw('s', '{k}', NULL);
SELECT mvstore_put_many_raw('s', '{NULL}', '{v}');
SELECT mvstore_put_many('s', '{k,l}', '{v}');
SELECT mvstore_put_many('s', '{k}', '{v,w}');
SELECT mvstore_put_many('s', '{}', '{v}');
SELECT mvstore_put_many('s', '{k}', '{}');
SELECT mvstore_put_many('s', '{{k,l}}', '{v,w}');
SELECT mvstore_put_many('s', '{k,l}', '{{v,w}}');
SELECT mvstore_put_many('s', '{{k},{l}}', '{{v},{w}}');
SELECT mvstore_put_many_raw('s', '{k,l}', '{v}');
SELECT mvstore_put_many_raw('s', '{{k,l}}', '{{v,w}}');
SELECT mvstore_put_many('s', ARRAY['k', repeat('k', 2001)], '{v,v}');
SELECT mvstore_put_many_raw('s', ARRAY[decode(repeat('00', 2001), 'hex')], '{v}');
SELECT mvstore_put_many('s', ARRAY[repeat(U&'\00e4', 1001)], '{v}');
SELECT mvstore_put_many('pg_class', '{k}', '{v}');
SELECT mvstore_put_many('pg_class', '{}', '{}');
BEGIN READ ONLY;
SELECT mvstore_put_many('s', '{k}', '{v}');
ROLLBACK;
BEGIN READ ONLY;
SELECT mvstore_put_many_raw('s', '{}', '{}');
ROLLBACK;
\set VERBOSITY default
SELECT mvstore_contains('s', 'k');

-- Rights: INSERT; and SELECT where a value is NULL, since what is returned tells
-- whether the key was there.
CREATE ROLE regress_mvstore_user;
GRANT INSERT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
\set VERBOSITY sqlstate
SELECT mvstore_put_many('s', '{k}', '{v}') > 0 AS written;
SELECT mvstore_put_many_raw('s', '{k}', '{v}') > 0 AS written;
SELECT mvstore_put_many('s', '{}', '{}');
SELECT mvstore_put_many('s', '{k,absent}', '{v,NULL}');
SELECT mvstore_put_many('s', '{k,k}', '{NULL,v}');
SELECT mvstore_put_many_raw('s', '{absent}', '{NULL}');
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_put_many('s', '{k,absent}', '{NULL,NULL}') > 0 AS written;
SELECT mvstore_put_many_raw('s', '{absent}', '{NULL}');
RESET ROLE;
REVOKE INSERT ON s FROM regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_put_many('s', '{k}', '{v}');
SELECT mvstore_put_many('s', '{}', '{}');
SELECT mvstore_put_many_raw('s', '{absent}', '{NULL}');
RESET ROLE;
\set VERBOSITY default
DROP TABLE s;
DROP ROLE regress_mvstore_user;
