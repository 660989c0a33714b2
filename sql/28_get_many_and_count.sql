--
-- Many keys are read in one call, and keys are counted: as of now and as of then.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', k, k || '@10', 10) FROM unnest('{a,b,c,d}'::text[]) k;
SELECT mvstore_put_at('s', 'b', 'b@20', 20), mvstore_delete_at('s', 'c', 20), mvstore_put_at('s', 'e', 'e@20', 20);
SELECT mvstore_put_at('s', 'c', 'c@30', 30), mvstore_delete_at('s', 'd', 30);

-- A row for each key, in their order, whether it is there or not, and as often as
-- it is asked for.
SELECT * FROM mvstore_get_many('s', '{e,c,absent,a,d,c,""}');
SELECT * FROM mvstore_get_many('s', ARRAY['b', 'absent', 'b']);
SELECT * FROM mvstore_get_many('s', '{}');
SELECT * FROM mvstore_get_many('s', ARRAY[]::text[]);
SELECT * FROM mvstore_get_many('s', '[3:4]={b,a}');
-- As of a version.
SELECT v AS as_of, g.* FROM unnest('{9,10,20,30}'::bigint[]) v, mvstore_get_many('s', '{d,c,b}', v) g;
SELECT v AS as_of, g.* FROM unnest('{19,29}'::bigint[]) v, mvstore_get_many('s', as_of := v, keys := '{c,e}') g;
-- It is what mvstore_get_entry gives for each.
SELECT count(*) AS wrong
  FROM unnest('{0,5,10,15,20,25,30,35}'::bigint[]) v,
       mvstore_get_many('s', '{a,b,c,d,e,f}', v) WITH ORDINALITY g,
       mvstore_get_entry('s', g.key, v) e
 WHERE (g.version, g.value) IS DISTINCT FROM (e.version, e.value) OR g.key <> substr('abcdef', g.ordinality::int, 1);
-- In the select list.
SELECT (mvstore_get_many('s', '{b,x}')).*;

-- How many keys: all, in a range that begins with its lower bound and ends before
-- its upper one, with open ends.
SELECT mvstore_count('s') AS "all", mvstore_count('s', 'b') AS "from b", mvstore_count('s', to_key := 'c') AS "up to c",
       mvstore_count('s', 'b', 'e') AS "b to e", mvstore_count('s', 'b', 'b') AS none, mvstore_count('s', NULL, NULL) AS open,
       mvstore_count('s', 'bb', 'bz') AS between, mvstore_count('s', '') AS "from the first", mvstore_count('s', '', '') AS "none again",
       mvstore_count('s', 'x') AS behind;
SELECT v AS as_of, mvstore_count('s', as_of := v) AS "all", mvstore_count('s', 'b', as_of := v) AS "from b",
       mvstore_count('s', NULL, 'd', v) AS "up to d", mvstore_count_raw('s', as_of := v) AS bytes
  FROM unnest('{0,9,10,19,20,29,30}'::bigint[]) v;
-- It is the number of rows of the scan.
SELECT count(*) AS wrong
  FROM unnest('{0,5,10,15,20,25,30,35}'::bigint[]) v, unnest('{a,b,bb,c,d,e,f,NULL}'::text[]) l, unnest('{a,b,bb,c,d,e,f,NULL}'::text[]) u
 WHERE coalesce(l <= u, true) AND mvstore_count('s', l, u, v) <> (SELECT count(*) FROM mvstore_scan('s', l, u, v));

-- Own writes are there at once; a savepoint takes them back.
BEGIN;
SELECT mvstore_put('s', 'f', 'own') AS own \gset
SELECT mvstore_delete('s', 'a') > 0 AS deleted;
SELECT key, version = :own AS own, value FROM mvstore_get_many('s', '{f,a,b}');
SELECT mvstore_count('s'), mvstore_count('s', as_of := :own - 1);
SAVEPOINT sp;
SELECT mvstore_put_many('s', '{g,h,b}', '{1,2,NULL}') = :own AS "same version";
SELECT key, value FROM mvstore_get_many('s', '{b,g}');
SELECT mvstore_count('s');
ROLLBACK TO sp;
SELECT key, value FROM mvstore_get_many('s', '{b,g}');
SELECT mvstore_count('s');
-- A read sees what was there before its statement; a write, what the statement has
-- written so far.
SELECT mvstore_put('s', 'i', 'v') > 0 AS put, mvstore_count('s'), mvstore_delete('s', 'i') > 0 AS deleted, mvstore_count('s');
-- The own version is not stable.
\set VERBOSITY sqlstate
SAVEPOINT sp;
SELECT mvstore_count('s', as_of := :own);
ROLLBACK TO sp;
SELECT * FROM mvstore_get_many('s', '{f}', as_of := :own);
ROLLBACK;
\set VERBOSITY default

-- Expired entries are absent, as of their end and later. (All in one transaction, as
-- the worker may purge an expired head as soon as it is committed.)
BEGIN;
INSERT INTO s (key, version, value, expires_at)
  VALUES ('expired', 15, 'x', mvstore_time_of(25)), ('never', 15, 'x', 'infinity'), ('always', 15, 'x', '-infinity');
SELECT v AS as_of, mvstore_count('s', as_of := v), (SELECT string_agg(coalesce(value, '-'), ' ') FROM mvstore_get_many('s', '{expired,never,always}', v)) AS values
  FROM unnest('{14,15,24,25,26}'::bigint[]) v;
SELECT mvstore_count('s'), (SELECT string_agg(coalesce(value, '-'), ' ') FROM mvstore_get_many('s', '{expired,never,always}')) AS values;
ROLLBACK;
DROP TABLE s;

-- Bytes of any kind.
SELECT mvstore_create('s');
CREATE TEMP TABLE odd (n int, key bytea);
INSERT INTO odd VALUES (1, ''), (2, '\x00'), (3, '\x0000'), (4, '\x00ff'), (5, '\x01'), (6, 'a'), (7, '\x6100'), (8, '\x61ff'),
  (9, '\xc3a4'), (10, '\xfe'), (11, '\xff'), (12, '\xff00'), (13, '\xffff'), (14, decode(repeat('ff', 2000), 'hex'));
SELECT mvstore_put_many_raw('s', array_agg(key), array_agg(decode(md5(n::text), 'hex'))) > 0 AS written FROM odd;
SELECT count(*) AS keys, count(*) FILTER (WHERE g.value = decode(md5(n::text), 'hex')) AS right
  FROM mvstore_get_many_raw('s', (SELECT array_agg(key ORDER BY md5(n::text)) FROM odd)) g JOIN odd USING (key);
SELECT key, value FROM mvstore_get_many_raw('s', ARRAY['\xffff00', '\x00', '\x00']::bytea[]);
SELECT * FROM mvstore_get_many_raw('s', '{}');
SELECT count(*) AS wrong FROM odd l, odd u
 WHERE l.key <= u.key AND mvstore_count_raw('s', l.key, u.key) <> (SELECT count(*) FROM odd WHERE odd.key >= l.key AND odd.key < u.key);
SELECT mvstore_count_raw('s') AS "all", mvstore_count_raw('s', '\xff') AS "from ff", mvstore_count_raw('s', to_key := '\x61') AS "up to a",
       mvstore_count_raw('s', '\x61', '\x62') AS "a...", mvstore_count('s', 'a', 'b') AS "a..., as text", mvstore_count_raw('s', NULL, NULL) AS open;
-- Counting looks at no value and gives no key, so that neither need be text.
SELECT mvstore_count('s') AS "all", mvstore_count('s', U&'\00e4') AS "from a letter of two bytes";
\set VERBOSITY sqlstate
SELECT * FROM mvstore_get_many('s', '{a}');
\set VERBOSITY default
-- A key that is absent or deleted has no value to be wrong about.
SELECT mvstore_delete('s', 'a') > 0 AS deleted;
SELECT * FROM mvstore_get_many('s', '{a}');
SELECT count(*) FROM mvstore_get_many('s', ARRAY[U&'\00e4bc']) WHERE key = U&'\00e4bc' AND version IS NULL;
DROP TABLE s;

-- What was dropped: counting cannot know what is missing; a key that is found is
-- answered.
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', k, k || '@' || v, v)) FROM unnest('{a,b}'::text[]) k, unnest('{10,20,30}'::bigint[]) v;
SELECT mvstore_drop('s', 'a');
SELECT mvstore_flush();
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;
SELECT mvstore_count('s'), mvstore_count('s', as_of := 30);
SELECT * FROM mvstore_get_many('s', '{b,a,absent}', 30);
SELECT * FROM mvstore_get_many('s', '{b,b}', 15);
SELECT * FROM mvstore_get_many('s', '{}', 15);
\set VERBOSITY sqlstate
SELECT mvstore_count('s', as_of := 29);
SELECT mvstore_count('s', 'b', as_of := 29);
SELECT mvstore_count_raw('s', 'b', 'b', 29);
SELECT * FROM mvstore_get_many('s', '{b,a}', 29);
SELECT * FROM mvstore_get_many('s', '{absent}', 29);
SELECT * FROM mvstore_get_many_raw('s', '{a}', 29);
SET mvstore.strict_history = off;
SELECT mvstore_count('s', as_of := 29);
SELECT * FROM mvstore_get_many('s', '{b,a}', 29);
SELECT mvstore_count('s', as_of := 9223372036854775806);
RESET mvstore.strict_history;

-- Wrong arguments.
SELECT mvstore_get_many(NULL, '{a}');
SELECT mvstore_get_many('s', NULL);
SELECT mvstore_get_many('s', '{a,NULL}');
SELECT mvstore_get_many('s', '{a}', NULL);
SELECT mvstore_get_many_raw(NULL, '{a}');
SELECT mvstore_get_many_raw('s', NULL);
SELECT mvstore_get_many_raw('s', '{NULL}');
SELECT mvstore_get_many_raw('s', '{a}', NULL);
SELECT mvstore_get_many('s', '{{a,b}}');
SELECT mvstore_get_many_raw('s', '{{a},{b}}');
SELECT mvstore_get_many('s', '{a}', -1);
SELECT mvstore_get_many_raw('s', '{a}', -1);
SELECT mvstore_get_many('s', '{a}', 9223372036854775806);
SELECT mvstore_get_many('s', ARRAY['a', repeat('k', 2001)]);
SELECT mvstore_get_many_raw('s', ARRAY[decode(repeat('00', 2001), 'hex')]);
SELECT mvstore_get_many('pg_class', '{a}');
SELECT mvstore_get_many('pg_class', '{}');
SELECT mvstore_count(NULL);
SELECT mvstore_count_raw(NULL);
SELECT mvstore_count('s', as_of := NULL);
SELECT mvstore_count_raw('s', as_of := NULL);
SELECT mvstore_count('s', as_of := -1);
SELECT mvstore_count('s', as_of := 9223372036854775806);
SELECT mvstore_count('s', 'b', 'a');
SELECT mvstore_count_raw('s', '\x01', '\x00');
SELECT mvstore_count('s', 'aa', 'a');
SELECT mvstore_count('pg_class');
-- A bound is no key: it may be longer than any.
SELECT mvstore_count('s', repeat('a', 3000)), mvstore_count('s', to_key := repeat('a', 3000));
-- A read-only transaction reads.
BEGIN READ ONLY;
SELECT mvstore_count('s'), (SELECT count(*) FROM mvstore_get_many('s', '{a,x}')) AS rows;
COMMIT;

-- Rights.
CREATE ROLE regress_mvstore_user;
GRANT INSERT, UPDATE, DELETE ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_count('s');
SELECT mvstore_count_raw('s', '\x00', '\x00');
SELECT mvstore_get_many('s', '{a}');
SELECT mvstore_get_many_raw('s', '{}');
RESET ROLE;
REVOKE ALL ON s FROM regress_mvstore_user;
GRANT SELECT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_count('s'), mvstore_count_raw('s'), (SELECT count(*) FROM mvstore_get_many('s', '{a,x}')) AS rows;
RESET ROLE;
\set VERBOSITY default
DROP TABLE s;
DROP ROLE regress_mvstore_user;
