--
-- history and previous show every entry of a key, tombstones included.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'k', 'ten', 10), mvstore_delete_at('s', 'k', 20),
       mvstore_put_at('s', 'k', 'thirty', 30), mvstore_put_at('s', 'k', '', 40);
-- Neighbours, which must not mix in.
SELECT mvstore_put_at('s', 'j', 'j', 15), mvstore_put_at('s', 'k ', 'k ', 25),
       mvstore_put_at_raw('s', '\x6b00'::bytea, 'k NUL'::bytea, 35);

-- Newest first; NULL is a tombstone, the empty value is a value.
SELECT * FROM mvstore_history('s', 'k');
SELECT version, encode(value, 'escape') AS value, expires_at FROM mvstore_history_raw('s', 'k'::bytea);
SELECT * FROM mvstore_history('s', 'absent');

-- max_rows: the newest so many.
SELECT * FROM mvstore_history('s', 'k', 2);
SELECT * FROM mvstore_history('s', 'k', max_rows := 0);
SELECT count(*) FROM mvstore_history('s', 'k', NULL);
SELECT count(*) FROM mvstore_history('s', 'k', 9223372036854775807);
\set VERBOSITY sqlstate
SELECT * FROM mvstore_history('s', 'k', -1);
\set VERBOSITY default

-- previous: the newest entry below a version.
SELECT p.* FROM unnest('{0,1,10,11,20,21,30,31,40,41,9223372036854775807}'::bigint[]) b,
       mvstore_previous('s', 'k', b) p ORDER BY b;
SELECT version, encode(value, 'escape') AS value FROM mvstore_previous_raw('s', 'k'::bytea, 31);
SELECT * FROM mvstore_previous('s', 'k');
SELECT * FROM mvstore_previous('s', 'absent');
\set VERBOSITY sqlstate
SELECT mvstore_previous('s', 'k', NULL);
SELECT mvstore_previous('s', 'k', -1);
\set VERBOSITY default

-- So one walks back through a key's life.
WITH RECURSIVE life AS (
  SELECT 1 AS step, p.* FROM mvstore_previous('s', 'k') p
  UNION ALL
  SELECT step + 1, p.* FROM life, mvstore_previous('s', 'k', life.version) p WHERE p.version IS NOT NULL)
SELECT step, version, value FROM life ORDER BY step;

DROP TABLE s;
