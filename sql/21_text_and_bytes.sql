--
-- Keys and values are text or any bytes, and neither is bent into the other.
--
\pset null '(null)'
SELECT mvstore_create('s');

-- Untyped literals and parameters mean text; bytes say so.
SELECT mvstore_put('s', 'a', '1') > 0 AS put;
SELECT pg_typeof(mvstore_get('s', 'a')) AS untyped,
       pg_typeof(mvstore_get('s', 'a'::text)) AS text,
       pg_typeof(mvstore_get_raw('s', 'a'::bytea)) AS bytes,
       pg_typeof(mvstore_get_bytea('s', 'a')) AS "bytes of a text key";
PREPARE get AS SELECT mvstore_get('s', $1);
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'get';
EXECUTE get('a');
DEALLOCATE get;
-- So this backslash is two characters, not a byte.
SELECT mvstore_put('s', '\x61', 'text') > 0 AS put;
SELECT mvstore_get('s', 'a'), mvstore_get('s', '\x61'), mvstore_get_raw('s', '\x61'::bytea);

-- A text key is its UTF-8 bytes: both ways lead to one entry.
SELECT mvstore_put('s', U&'\00e4\20ac', U&'\00fc') > 0 AS put;
SELECT mvstore_get_raw('s', '\xc3a4e282ac'::bytea);
SELECT mvstore_put_raw('s', '\xc3a4e282ac'::bytea, '\xc3b6'::bytea) > 0 AS put;
SELECT mvstore_get('s', U&'\00e4\20ac') = U&'\00f6' AS same;
SELECT (mvstore_get_entry('s', U&'\00e4\20ac')).value = U&'\00f6' AS same,
       (mvstore_get_entry_raw('s', '\xc3a4e282ac'::bytea)).value;
SELECT count(*) FROM mvstore_history('s', U&'\00e4\20ac');
SELECT count(*) FROM mvstore_history_raw('s', '\xc3a4e282ac'::bytea);

-- A text key with a value of any bytes.
SELECT mvstore_put_bytea('s', 'image', '\x00ff00'::bytea) > 0 AS put;
SELECT mvstore_get_bytea('s', 'image');
SELECT mvstore_get_raw('s', 'image'::bytea);
SELECT mvstore_put_at_bytea('s', 'image', '\xfe'::bytea, 5);
SELECT mvstore_get_bytea('s', 'image', as_of := 5);

-- Every function for such a pair, and each returns what the one for bytes does.
SELECT mvstore_put_many_bytea('s', '{image,photo}', ARRAY['\xfe00', '\x00fd']::bytea[], ttl := '1 day') > 0 AS put,
       mvstore_put_many_raw('s', ARRAY['\xfe']::bytea[], ARRAY['\xfd']::bytea[], ttl := '1 hour') > 0 AS put;
SELECT key, value, expires_at - statement_timestamp() BETWEEN '23 hours' AND '1 day' AS "for a day" FROM mvstore_get_many_bytea('s', '{photo,absent,image}');
SELECT (mvstore_get_entry_bytea('s', 'photo')).value, (mvstore_previous_bytea('s', 'image', before := 6)).value;
SELECT key, value, expires_at IS NOT NULL AS expires FROM mvstore_scan_bytea('s', 'image', 'q');
SELECT key, value FROM mvstore_scan_prefix_bytea('s', 'ph');
SELECT key, value, expires_at - statement_timestamp() BETWEEN '59 minutes' AND '1 hour' AS "for an hour" FROM mvstore_scan_prefix_raw('s', '\xfe');
SELECT key, old_value, new_value FROM mvstore_diff_bytea('s', 5, prefix := 'ima');
SELECT value FROM mvstore_history_bytea('s', 'image', 2);
SELECT mvstore_count_prefix_raw('s', '\xfe') AS raw, mvstore_count_prefix('s', 'ima') AS text, mvstore_count_prefix('s', '', as_of := 5) AS past, mvstore_count_prefix('s', 'none') AS none;
SELECT mvstore_put_if_bytea('s', 'photo', '\x80', (mvstore_get_entry_bytea('s', 'photo')).version) > 0 AS put, mvstore_get_bytea('s', 'photo');
SELECT mvstore_erase('s', 'photo'), mvstore_erase_raw('s', '\xfe');
\set VERBOSITY sqlstate
SELECT mvstore_put_many_bytea('s', '{a,b}', '{}');
SELECT mvstore_put_many_bytea('s', '{a}', ARRAY['\x00']::bytea[], ttl := '0');
SELECT mvstore_put_many('s', '{a}', '{v}', ttl := '1 month');
\set VERBOSITY default

-- Bytes that are not text are an error to the text functions, not a question
-- mark: a lone continuation byte, NUL, an overlong form, a surrogate.
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'image');
SELECT mvstore_get_entry('s', 'image');
SELECT mvstore_history('s', 'image');
SELECT mvstore_previous('s', 'image');
SELECT mvstore_get('s', 'image', as_of := 5);
\set VERBOSITY default
SELECT mvstore_contains('s', 'image');
SELECT mvstore_put_raw('s', '\xff'::bytea, 'x'::bytea) > 0 AS put;
\set VERBOSITY sqlstate
SELECT count(*) FROM mvstore_scan('s');
SELECT count(*) FROM mvstore_scan('s', 'b', 'c');
SELECT count(*) FROM mvstore_scan_raw('s');
SELECT mvstore_put_bytea('s', 'bad', '\xc080'::bytea) > 0 AS put;
SELECT mvstore_get('s', 'bad');
SELECT mvstore_put_bytea('s', 'bad', '\xeda080'::bytea) > 0 AS put;
SELECT mvstore_get('s', 'bad');
SELECT mvstore_put_bytea('s', 'bad', '\x61c3'::bytea) > 0 AS put;
SELECT mvstore_get('s', 'bad');
SELECT mvstore_put_bytea('s', 'bad', '\x610062'::bytea) > 0 AS put;
SELECT mvstore_get('s', 'bad');
\set VERBOSITY default

-- A deleted or absent key has no bytes to be wrong about.
SELECT mvstore_delete('s', 'bad') > 0 AS deleted;
SELECT mvstore_get('s', 'bad');
DROP TABLE s;

-- Keys of every kind of byte come back as they went in.
SELECT mvstore_create('s');
CREATE TEMP TABLE odd (n int, key bytea, value bytea);
INSERT INTO odd VALUES
  (1, '', ''), (2, '\x00', ''), (3, '\x0000', '\x00'), (4, '\x00ff', '\x0000'),
  (5, '\x01', 'one'), (6, 'a', 'a'), (7, '\x6100', 'a NUL'), (8, '\x610000', 'a NUL NUL'),
  (9, '\x6101', 'a one'), (10, '\x61ff', 'a ff'), (11, 'b', 'b'), (12, '\xfe', 'fe'),
  (13, '\xff', 'ff'), (14, '\xff00', 'ff NUL'), (15, '\xffff', 'ff ff'),
  (16, '\xffffff', 'ff ff ff'), (17, decode(repeat('ff', 2000), 'hex'), 'longest'),
  (18, decode(repeat('00', 2000), 'hex'), 'longest of NULs');
SELECT count(mvstore_put_raw('s', key, value)) FROM odd;
SELECT n FROM odd WHERE mvstore_get_raw('s', key) IS DISTINCT FROM value;
SELECT n FROM odd WHERE NOT mvstore_contains_raw('s', key);
SELECT n FROM odd, mvstore_get_entry_raw('s', odd.key) e
 WHERE e.key IS DISTINCT FROM odd.key OR e.value IS DISTINCT FROM odd.value;
SELECT n FROM odd WHERE (SELECT count(*) FROM mvstore_history_raw('s', odd.key)) <> 1;
-- The empty value is a value, not a tombstone.
SELECT mvstore_get('s', ''), mvstore_contains('s', ''), mvstore_get_raw('s', ''::bytea);
SELECT mvstore_delete('s', '') > 0 AS deleted;
SELECT mvstore_get('s', ''), mvstore_contains('s', ''), mvstore_get_raw('s', ''::bytea);
SELECT mvstore_put('s', '', '') > 0 AS put;
SELECT mvstore_get('s', ''), mvstore_contains('s', ''), mvstore_get_raw('s', ''::bytea);

-- The longest key has 2,000 bytes. Every function says so of a longer one;
-- characters do not count, bytes do.
\set VERBOSITY sqlstate
SELECT mvstore_put('s', repeat('k', 2000), 'v') > 0 AS put;
SELECT mvstore_put('s', repeat('k', 2001), 'v') > 0 AS put;
SELECT mvstore_put('s', repeat(U&'\00e4', 1000), 'v') > 0 AS put;
SELECT mvstore_put('s', repeat(U&'\00e4', 1001), 'v') > 0 AS put;
SELECT mvstore_put_raw('s', decode(repeat('00', 2001), 'hex'), 'v') > 0 AS put;
SELECT mvstore_put_at('s', repeat('k', 2001), 'v', 1);
SELECT mvstore_delete('s', repeat('k', 2001));
SELECT mvstore_delete_at('s', repeat('k', 2001), 1);
SELECT mvstore_drop('s', repeat('k', 2001));
SELECT mvstore_get('s', repeat('k', 2001));
SELECT mvstore_history('s', repeat('k', 2001));
\set VERBOSITY default
SELECT mvstore_get('s', repeat('k', 2000));
SELECT mvstore_drop('s', repeat('k', 2000));
SELECT mvstore_flush();
SELECT mvstore_get('s', repeat('k', 2000));
DROP TABLE s;

-- Incompressible keys of full length fit into the index as well.
SELECT mvstore_create('s');
SELECT count(mvstore_put_raw('s', decode(key, 'hex'), 'v'::bytea)) AS puts
  FROM (SELECT left(string_agg(md5(k || ' ' || i), '' ORDER BY i), 4000) AS key
          FROM generate_series(1, 20) k, generate_series(1, 125) i GROUP BY k) long;
SELECT count(*) AS keys, min(length(key)) FROM mvstore_scan_raw('s');
DROP TABLE s;
