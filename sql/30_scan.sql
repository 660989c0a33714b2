--
-- A scan gives the live keys of [from_key, to_key) in byte order, each once.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', k, k || '@10', 10) FROM unnest('{a,aa,ab,b,c,d}'::text[]) k;
SELECT mvstore_put_at('s', k, k || '@20', 20) FROM unnest('{aa,b,e}'::text[]) k;
SELECT mvstore_delete_at('s', k, 30) FROM unnest('{ab,c,f}'::text[]) k;
SELECT mvstore_put_at('s', 'c', 'c@40', 40);

-- All of it; deleted keys are left out.
SELECT * FROM mvstore_scan('s');
SELECT * FROM mvstore_scan('s', reverse := true);

-- The lower bound belongs to the range, the upper one does not; neither need be
-- a key. What is not given is open.
SELECT array_agg(key) FROM mvstore_scan('s', 'aa', 'd');
SELECT array_agg(key) FROM mvstore_scan('s', 'aa', 'd', reverse := true);
SELECT array_agg(key) FROM mvstore_scan('s', 'aab', 'dd');
SELECT array_agg(key) FROM mvstore_scan('s', from_key := 'c');
SELECT array_agg(key) FROM mvstore_scan('s', to_key := 'c');
SELECT array_agg(key) FROM mvstore_scan('s', from_key := 'c', reverse := true);
SELECT array_agg(key) FROM mvstore_scan('s', to_key := 'c', reverse := true);
SELECT array_agg(key) FROM mvstore_scan('s', NULL, NULL);
SELECT array_agg(key) FROM mvstore_scan('s', 'x');
SELECT array_agg(key) FROM mvstore_scan('s', to_key := '');
-- An empty range is no error, one the wrong way round is.
SELECT count(*) FROM mvstore_scan('s', 'b', 'b');
SELECT count(*) FROM mvstore_scan('s', '', '');
\set VERBOSITY sqlstate
SELECT count(*) FROM mvstore_scan('s', 'c', 'b');
SELECT count(*) FROM mvstore_scan('s', 'c', 'b', reverse := true);
SELECT count(*) FROM mvstore_scan('s', 'b', 'aaaa');
SELECT count(*) FROM mvstore_scan('s', 'a', '');
SELECT count(*) FROM mvstore_scan_raw('s', '\x01', '\x00');
SELECT count(*) FROM mvstore_scan_raw('s', '\x0000', '\x00');
SELECT count(*) FROM mvstore_scan_raw('s', '\xff', '\x7f');
\set VERBOSITY default

-- max_rows bounds the rows: NULL is no bound, 0 is none.
SELECT array_agg(key) FROM mvstore_scan('s', max_rows := 2);
SELECT array_agg(key) FROM mvstore_scan('s', max_rows := 2, reverse := true);
SELECT array_agg(key) FROM mvstore_scan('s', 'aa', 'd', max_rows := 1, reverse := true);
SELECT count(*) FROM mvstore_scan('s', max_rows := 0);
SELECT count(*) FROM mvstore_scan('s', max_rows := NULL);
SELECT count(*) FROM mvstore_scan('s', max_rows := 1000000000000);
\set VERBOSITY sqlstate
SELECT count(*) FROM mvstore_scan('s', max_rows := -1);
SELECT count(*) FROM mvstore_scan('s', reverse := NULL);
SELECT count(*) FROM mvstore_scan(NULL);
\set VERBOSITY default

-- As of a version.
SELECT * FROM mvstore_scan('s', as_of := 10);
SELECT array_agg(key || '=' || value) FROM mvstore_scan('s', 'a', 'c', as_of := 25);
SELECT array_agg(key || '=' || value) FROM mvstore_scan('s', as_of := 35, reverse := true);
SELECT array_agg(key || '=' || value) FROM mvstore_scan('s', as_of := 25, max_rows := 3);

-- A scan is a set like any other.
SELECT key FROM mvstore_scan('s') WHERE value LIKE '%@10' ORDER BY key DESC;
SELECT mvstore_scan('s', max_rows := 1);
SELECT count(*) FROM mvstore_scan('s') a JOIN mvstore_scan('s') b USING (key);
SELECT k, (SELECT max(key) FROM mvstore_scan('s', to_key := k)) AS "last before"
  FROM unnest('{b,c}'::text[]) k;

-- Bytes are compared as unsigned bytes, and text by its bytes, whatever the
-- collation.
SELECT mvstore_create('bytes');
CREATE TEMP TABLE odd (key bytea);
INSERT INTO odd VALUES ('\xff'), ('\x7f'), ('\x80'), (''), ('\x00'), ('\x0000'), ('\x01'), ('a'),
  ('\x6100'), ('\x61ff'), ('b'), ('\xffff'), ('\xff00');
SELECT count(mvstore_put_raw('bytes', key, key)) FROM odd;
SELECT key FROM mvstore_scan_raw('bytes');
SELECT array_agg(key) = (SELECT array_agg(key ORDER BY key DESC) FROM odd) AS "the same backwards"
  FROM mvstore_scan_raw('bytes', reverse := true);
SELECT array_agg(key) FROM mvstore_scan_raw('bytes', '\x00', '\x6100');
SELECT array_agg(key) FROM mvstore_scan_raw('bytes', '\x00', '\x6100', reverse := true);
SELECT array_agg(key) FROM mvstore_scan_raw('bytes', '\x7f');
SELECT array_agg(key) FROM mvstore_scan_raw('bytes', to_key := '\x01');
SELECT count(mvstore_put('s', k, k)) FROM unnest(ARRAY['A', 'Z', U&'\00e4', U&'\00c4', U&'\20ac', '_']) k;
SELECT array_agg(encode(convert_to(key, 'UTF8'), 'escape')) FROM mvstore_scan('s');
DROP TABLE s, bytes;
