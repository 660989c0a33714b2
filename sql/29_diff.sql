--
-- What changed between two versions: every key whose live entry is another, and
-- no others.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'same', 'same', 10), mvstore_put_at('s', 'changed', 'old', 10),
       mvstore_put_at('s', 'deleted', 'old', 10), mvstore_put_at('s', 'often', '1', 10),
       mvstore_put_at('s', 'gone', 'old', 5), mvstore_delete_at('s', 'gone', 10),
       mvstore_put_at('s', 'back', 'old', 5), mvstore_delete_at('s', 'back', 10),
       mvstore_put_at('s', 'rewritten', 'same', 10), mvstore_put_at('s', 'again', 'old', 10);
SELECT mvstore_put_at('s', 'changed', 'new', 20), mvstore_delete_at('s', 'deleted', 20),
       mvstore_put_at('s', 'often', '2', 15), mvstore_put_at('s', 'often', '3', 18), mvstore_put_at('s', 'often', '4', 20),
       mvstore_put_at('s', 'new', 'new', 20), mvstore_put_at('s', 'back', 'new', 20),
       mvstore_put_at('s', 'rewritten', 'same', 20),
       mvstore_delete_at('s', 'again', 15), mvstore_put_at('s', 'again', 'new', 20),
       mvstore_put_at('s', 'for a while', 'x', 15), mvstore_delete_at('s', 'for a while', 18),
       mvstore_delete_at('s', 'gone', 15);
SELECT mvstore_put_at('s', 'changed', 'newer', 30), mvstore_put_at('s', 'late', 'late', 30);

SELECT * FROM mvstore_diff('s', 10, 20);
-- In between: what was there for a while, and is gone again.
SELECT * FROM mvstore_diff('s', 10, 15);
SELECT * FROM mvstore_diff('s', 15, 20, 'for');
SELECT * FROM mvstore_diff('s', 18, 20, 'for');
-- The bounds are versions like that of any other read: what has the version itself
-- belongs to the state.
SELECT * FROM mvstore_diff('s', 20, 30);
SELECT * FROM mvstore_diff('s', 19, 20, 'changed');
SELECT * FROM mvstore_diff('s', 29, 30);
SELECT * FROM mvstore_diff('s', 30, 31);
-- Nothing changes at one version. From the beginning, everything is new.
SELECT * FROM mvstore_diff('s', 20, 20);
SELECT * FROM mvstore_diff('s', 9223372036854775807, 9223372036854775807);
SELECT * FROM mvstore_diff('s', 9223372036854775807);
SELECT * FROM mvstore_diff('s', 0, 0);
SELECT key, new_version, new_value FROM mvstore_diff('s', 0, 10) WHERE old_version IS NULL AND old_value IS NULL;
-- Up to now.
SELECT * FROM mvstore_diff('s', 20);
SELECT * FROM mvstore_diff('s', from_version := 20, to_version := 9223372036854775807, prefix := NULL);

-- It is the difference of the two scans, whatever the versions.
SELECT count(*) AS wrong
  FROM unnest('{0,5,9,10,14,15,18,20,25,30,9223372036854775807}'::bigint[]) f, unnest('{0,5,9,10,14,15,18,20,25,30,9223372036854775807}'::bigint[]) t
 WHERE f <= t AND
       (SELECT array_agg(d) FROM mvstore_diff('s', f, t) d) IS DISTINCT FROM
       (SELECT array_agg((coalesce(o.key, n.key), o.version, o.value, n.version, n.value) ORDER BY coalesce(o.key, n.key) COLLATE "C")
          FROM mvstore_scan('s', as_of := f) o FULL JOIN mvstore_scan('s', as_of := t) n ON o.key = n.key
         WHERE o.version IS DISTINCT FROM n.version);
-- And following from one to the next loses nothing.
SELECT string_agg(d.key || ': ' || coalesce(d.old_value, '-') || ' > ' || coalesce(d.new_value, '-'), ', ' ORDER BY v)
  FROM unnest('{0,5,10,15,18,20}'::bigint[], '{5,10,15,18,20,30}'::bigint[]) AS steps(u, v), mvstore_diff('s', u, v, 'changed') d;

-- Bytes, and prefixes of any.
SELECT old_version, new_version, new_value FROM mvstore_diff_raw('s', 10, 20, 'changed') WHERE key = 'changed'::bytea AND old_value = 'old'::bytea;
SELECT count(*) FROM mvstore_diff_raw('s', 10, 20);
SELECT key FROM mvstore_diff('s', 10, 20, 'ne');
SELECT key FROM mvstore_diff('s', 10, 20, prefix := 'changed ');
SELECT count(*) FROM mvstore_diff('s', 10, 20, prefix := '');
SELECT count(*) FROM mvstore_diff('s', 10, 20, prefix := '%');
DROP TABLE s;
SELECT mvstore_create('s');
CREATE TEMP TABLE odd (key bytea);
INSERT INTO odd VALUES (''), ('\x00'), ('\x00ff'), ('\x00ff00'), ('\x01'), ('\x61'), ('\x61ff'), ('\x61ffff'), ('\x61ffff00'), ('\x62'),
  ('\xfe'), ('\xff'), ('\xff00'), ('\xffff'), ('\xffffff');
SELECT count(mvstore_put_at_raw('s', key, key, 10)) FROM odd;
SELECT count(mvstore_put_at_raw('s', key, '\xff'::bytea, 20)) FROM odd;
SELECT key, new_value FROM mvstore_diff_raw('s', 10, 20, '\xff');
SELECT key FROM mvstore_diff_raw('s', 10, 20, '\xffff');
SELECT key FROM mvstore_diff_raw('s', 10, 20, '\x61ff');
SELECT key FROM mvstore_diff_raw('s', 10, 20, '\x00ff');
SELECT count(*) FROM mvstore_diff_raw('s', 10, 20, '\xffffffff');
SELECT p.key AS "wrong prefix" FROM odd p
 WHERE (SELECT array_agg(key) FROM mvstore_diff_raw('s', 10, 20, p.key)) IS DISTINCT FROM
       (SELECT array_agg(k.key ORDER BY k.key) FROM odd k WHERE substr(k.key, 1, length(p.key)) = p.key);
-- What is not text is an error to the one that gives text, on both sides.
SELECT mvstore_put_at_bytea('s', 'was bytes', '\xff'::bytea, 10), mvstore_put_at('s', 'was bytes', 'text', 20),
       mvstore_put_at('s', 'is bytes', 'text', 10), mvstore_put_at_bytea('s', 'is bytes', '\xff'::bytea, 20);
\set VERBOSITY sqlstate
SELECT * FROM mvstore_diff('s', 10, 20);
SELECT * FROM mvstore_diff('s', 10, 20, 'was');
SELECT * FROM mvstore_diff('s', 10, 20, 'is');
\set VERBOSITY default
SELECT key, new_value FROM mvstore_diff('s', 11, 20, 'was') WHERE false;
DROP TABLE s;

-- An entry that expires between the versions goes; one that has a new entry in time
-- does not. (All in one transaction, as the worker may purge an expired head as soon
-- as it is committed.)
SELECT mvstore_create('s');
BEGIN;
INSERT INTO s (key, version, value, expires_at) VALUES
  ('expires', 10, 'x', mvstore_time_of(15)), ('later', 10, 'x', mvstore_time_of(25)), ('before', 5, 'x', mvstore_time_of(8)),
  ('at once', 12, 'x', mvstore_time_of(15)), ('renewed', 10, 'x', mvstore_time_of(15)), ('renewed', 12, 'y', NULL),
  ('came back', 10, 'x', mvstore_time_of(15)), ('came back', 18, 'y', mvstore_time_of(22)),
  ('ended', 10, 'x', mvstore_time_of(15)), ('ended', 16, NULL, NULL), ('never', 12, 'x', 'infinity');
SELECT * FROM mvstore_diff('s', 10, 20);
SELECT * FROM mvstore_diff('s', 14, 15);
SELECT * FROM mvstore_diff('s', 15, 16);
SELECT * FROM mvstore_diff('s', 10, 15, 'e');
SELECT * FROM mvstore_diff('s', 20);
SELECT count(*) AS wrong
  FROM generate_series(0, 30) f, generate_series(0, 30) t
 WHERE f <= t AND
       (SELECT array_agg(d) FROM mvstore_diff('s', f, t) d) IS DISTINCT FROM
       (SELECT array_agg((coalesce(o.key, n.key), o.version, o.value, n.version, n.value) ORDER BY coalesce(o.key, n.key) COLLATE "C")
          FROM mvstore_scan('s', as_of := f) o FULL JOIN mvstore_scan('s', as_of := t) n ON o.key = n.key
         WHERE o.version IS DISTINCT FROM n.version);
ROLLBACK;
DROP TABLE s;

-- The newest state has the own writes in it; a state as of a version, never.
SELECT mvstore_create('s');
SELECT mvstore_put_many('s', '{a,b,c}', '{1,1,1}') AS v1 \gset
BEGIN;
SELECT mvstore_put_many('s', '{a,b,d}', '{2,NULL,2}') AS own \gset
SELECT key, old_version = :v1 AS old, old_value, new_version = :own AS own, new_value FROM mvstore_diff('s', :v1);
SELECT count(*) FROM mvstore_diff('s', :v1, :own - 1);
SAVEPOINT sp;
SELECT mvstore_put_many('s', '{a,b,c,d}', '{NULL,3,3,NULL}') = :own AS "same version";
SELECT key, old_value, new_value FROM mvstore_diff('s', :v1);
ROLLBACK TO sp;
SELECT key, old_value, new_value FROM mvstore_diff('s', :v1);
-- What came and went in the transaction is no change.
SELECT mvstore_put('s', 'e', 'x') = :own AS "same version", mvstore_delete('s', 'e') = :own AS "same version";
SELECT count(*) FROM mvstore_diff('s', :v1, prefix := 'e');
\set VERBOSITY sqlstate
SAVEPOINT sp;
SELECT * FROM mvstore_diff('s', :v1, :own);
ROLLBACK TO sp;
SELECT * FROM mvstore_diff('s', :own);
ROLLBACK TO sp;
SELECT * FROM mvstore_diff('s', :own, :own);
ROLLBACK TO sp;
\set VERBOSITY default
COMMIT;
SELECT key, old_value, new_value FROM mvstore_diff('s', :v1, :own);
-- A put of the same value is a change.
SELECT mvstore_put('s', 'a', '2') > :own AS put;
SELECT key, old_value, new_value FROM mvstore_diff('s', :own);
DROP TABLE s;

-- Keys with many entries on either side, and many keys.
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', 'deep ' || k, k || '@' || v, v)) FROM generate_series(1, 3) k, generate_series(1, 100) v;
SELECT count(mvstore_put_at('s', 'key ' || lpad(k::text, 4, '0'), 'v', k)) FROM generate_series(1, 1000) k;
SELECT * FROM mvstore_diff('s', 10, 50, 'deep');
SELECT * FROM mvstore_diff('s', 99, 100, 'deep');
SELECT * FROM mvstore_diff('s', 100, 1000, 'deep');
SELECT count(*), min(key), max(key) FROM mvstore_diff('s', 500, prefix := 'key');
DROP TABLE s;

-- Both versions must be known whole. Below the floor they are not, whatever the
-- prefix.
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', k, k || '@' || v, v)) FROM unnest('{a,b}'::text[]) k, unnest('{10,20,30,40}'::bigint[]) v;
SELECT mvstore_drop('s', 'a', keep := 2);
SELECT mvstore_flush();
SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass;
SELECT * FROM mvstore_diff('s', 30, 40);
SELECT * FROM mvstore_diff('s', 30);
\set VERBOSITY sqlstate
SELECT * FROM mvstore_diff('s', 29, 40);
SELECT * FROM mvstore_diff('s', 29);
SELECT * FROM mvstore_diff('s', 10, 20);
SELECT * FROM mvstore_diff('s', 0, 40, 'b');
SELECT * FROM mvstore_diff_raw('s', 29, 40, '\xff');
SELECT * FROM mvstore_diff('s', 29, 29);
-- The future is not stable.
SELECT * FROM mvstore_diff('s', 30, 9223372036854775806);
SELECT * FROM mvstore_diff('s', 9223372036854775806);
SELECT * FROM mvstore_diff_raw('s', 9223372036854775806, 9223372036854775806);
-- mvstore.strict_history = off: what is gone reads as absent, and the future as the
-- newest.
SET mvstore.strict_history = off;
SELECT * FROM mvstore_diff('s', 29, 30);
SELECT * FROM mvstore_diff('s', 10, 20);
SELECT * FROM mvstore_diff('s', 30, 9223372036854775806);
RESET mvstore.strict_history;

-- Wrong arguments.
SELECT * FROM mvstore_diff(NULL, 30, 40);
SELECT * FROM mvstore_diff('s', NULL, 40);
SELECT * FROM mvstore_diff('s', 30, NULL);
SELECT * FROM mvstore_diff_raw(NULL, 30, 40);
SELECT * FROM mvstore_diff_raw('s', NULL, 40);
SELECT * FROM mvstore_diff_raw('s', 30, NULL);
SELECT * FROM mvstore_diff('s', -1, 40);
SELECT * FROM mvstore_diff('s', 30, -1);
SELECT * FROM mvstore_diff_raw('s', -1);
SELECT * FROM mvstore_diff('s', 40, 30);
SELECT * FROM mvstore_diff('s', 9223372036854775807, 40);
SELECT * FROM mvstore_diff_raw('s', 40, 30);
SELECT * FROM mvstore_diff('pg_class', 30, 40);
-- A prefix is no key: longer than any, it has none.
SELECT count(*) FROM mvstore_diff('s', 30, 40, repeat('a', 3000));
BEGIN READ ONLY;
SELECT count(*) FROM mvstore_diff('s', 30);
COMMIT;

-- Rights.
CREATE ROLE regress_mvstore_user;
GRANT INSERT, UPDATE, DELETE ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT * FROM mvstore_diff('s', 30, 40);
SELECT * FROM mvstore_diff_raw('s', 40, 40);
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT count(*) FROM mvstore_diff('s', 30, 40);
RESET ROLE;
\set VERBOSITY default

-- A consumer that follows the store by stable versions has at the end what the
-- store has.
CREATE TABLE replica (key text PRIMARY KEY, version bigint, value text);
CREATE FUNCTION regress_follow(store regclass, last bigint, INOUT v bigint) LANGUAGE sql AS $$
  DELETE FROM replica r USING mvstore_diff(store, last, v) d WHERE r.key = d.key AND r.version = d.old_version;
  INSERT INTO replica SELECT key, new_version, new_value FROM mvstore_diff(store, last, v) WHERE new_version IS NOT NULL;
  SELECT v;
$$;
SELECT mvstore_stable_version() AS v \gset
INSERT INTO replica SELECT key, version, value FROM mvstore_scan('s', as_of := :v);
SELECT mvstore_put_many('s', '{a,c,d}', '{1,1,1}') > 0 AS written;
SELECT :v AS last, mvstore_stable_version() AS v \gset
SELECT regress_follow('s', :last, :v) = :v AS followed;
SELECT mvstore_put_many('s', '{a,b,d}', '{2,NULL,1}') > 0 AS written;
SELECT mvstore_put('s', 'c', '3') > 0 AS written;
SELECT mvstore_delete('s', 'c') > 0 AS deleted;
SELECT :v AS last, mvstore_stable_version() AS v \gset
SELECT regress_follow('s', :last, :v) = :v AS followed;
SELECT key, value, version = (mvstore_get_entry('s', key)).version AS "its version" FROM replica ORDER BY key;
SELECT count(*) AS wrong FROM mvstore_scan('s') s FULL JOIN replica r USING (key, version, value) WHERE s IS NULL OR r IS NULL;
DROP FUNCTION regress_follow;
DROP TABLE s, replica;
DROP ROLE regress_mvstore_user;
