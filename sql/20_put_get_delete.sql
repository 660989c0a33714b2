--
-- What was put is what is got, until it is deleted.
--
\pset null '(null)'
SELECT mvstore_create('s');

-- Nothing yet.
SELECT mvstore_get('s', 'apple'), mvstore_contains('s', 'apple');
SELECT * FROM mvstore_get_entry('s', 'apple');
SELECT * FROM mvstore_previous('s', 'apple');
SELECT * FROM mvstore_history('s', 'apple');

-- A put returns its version: the time, in microseconds since the Unix epoch.
SELECT mvstore_put('s', 'apple', 'red') AS v1 \gset
SELECT abs(:v1 - extract(epoch FROM clock_timestamp()) * 1000000) < 60 * 1000000 AS "a time of now";
SELECT mvstore_get('s', 'apple'), mvstore_contains('s', 'apple');
SELECT key, version = :v1 AS "its version", value, expires_at FROM mvstore_get_entry('s', 'apple');

-- The next put of the key is newer, and wins.
SELECT mvstore_put('s', 'apple', 'green') AS v2 \gset
SELECT :v2 > :v1 AS "versions rise";
SELECT mvstore_get('s', 'apple');
SELECT version = :v2 AS "the head" FROM mvstore_get_entry('s', 'apple');

-- Nothing was overwritten.
SELECT rank() OVER (ORDER BY version), value FROM mvstore_history('s', 'apple') ORDER BY 1 DESC;
SELECT key, version = :v1 AS "the first", value FROM mvstore_previous('s', 'apple', before := :v2);

-- A delete returns its version too, and leaves no value.
SELECT mvstore_delete('s', 'apple') AS v3 \gset
SELECT :v3 > :v2 AS "versions rise";
SELECT mvstore_get('s', 'apple'), mvstore_contains('s', 'apple');
SELECT * FROM mvstore_get_entry('s', 'apple');
SELECT rank() OVER (ORDER BY version), value FROM mvstore_history('s', 'apple') ORDER BY 1 DESC;

-- Where there is nothing to delete, nothing is written: deleted already, and
-- never there.
SELECT mvstore_delete('s', 'apple');
SELECT mvstore_delete('s', 'pear');
SELECT count(*) AS entries FROM s;

-- A deleted key can be put again.
SELECT mvstore_put('s', 'apple', 'yellow') > :v3 AS "versions rise";
SELECT mvstore_get('s', 'apple'), mvstore_contains('s', 'apple');
SELECT rank() OVER (ORDER BY version), value FROM mvstore_history('s', 'apple') ORDER BY 1 DESC;

-- Putting the same value again is a new version all the same.
SELECT mvstore_put('s', 'apple', 'yellow') > 0 AS put;
SELECT count(*) FROM mvstore_history('s', 'apple');

-- An entry is a row of an ordinary table, and a tombstone has no value.
SELECT convert_from(key, 'UTF8') AS key, rank() OVER (ORDER BY version),
       convert_from(value, 'UTF8') AS value, expires_at
  FROM s ORDER BY version;

-- Many keys, in one statement and in one transaction.
SELECT count(mvstore_put('s', 'key ' || i, 'value ' || i)) FROM generate_series(1, 1000) i;
SELECT count(*) AS wrong FROM generate_series(1, 1000) i
 WHERE mvstore_get('s', 'key ' || i) IS DISTINCT FROM 'value ' || i;
SELECT count(*) AS keys FROM mvstore_scan('s', 'key ');

-- A value that fills many pages comes back whole, and so does its history.
SELECT mvstore_put('s', 'big', repeat('mvstore ', 500000)) > 0 AS put;
SELECT mvstore_put('s', 'big', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 20000) i)) > 0 AS put;
SELECT length(value), md5(value) FROM mvstore_history('s', 'big');
SELECT md5(mvstore_get('s', 'big')) = md5((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 20000) i)) AS whole;

-- NULL is never a key nor a value.
\set VERBOSITY sqlstate
SELECT mvstore_put(NULL::regclass, 'k', 'v');
SELECT mvstore_put('s', NULL, 'v');
SELECT mvstore_put('s', 'k', NULL::text);
SELECT mvstore_put_bytea('s', 'k', NULL::bytea);
SELECT mvstore_put_raw('s', NULL::bytea, 'v'::bytea);
SELECT mvstore_put_raw('s', 'k'::bytea, NULL::bytea);
SELECT mvstore_delete(NULL::regclass, 'k');
SELECT mvstore_delete('s', NULL);
SELECT mvstore_delete_raw('s', NULL::bytea);
SELECT mvstore_get(NULL::regclass, 'k');
SELECT mvstore_get('s', NULL);
SELECT mvstore_get_raw('s', NULL::bytea);
SELECT mvstore_get_bytea('s', NULL);
SELECT mvstore_get_entry('s', NULL);
SELECT mvstore_get_entry_raw('s', NULL::bytea);
SELECT mvstore_contains('s', NULL);
SELECT mvstore_contains_raw('s', NULL::bytea);
SELECT mvstore_previous('s', NULL);
SELECT mvstore_previous_raw('s', NULL::bytea);
SELECT mvstore_history('s', NULL);
SELECT mvstore_history_raw('s', NULL::bytea);
\set VERBOSITY default
SELECT mvstore_contains('s', 'k');

DROP TABLE s;
