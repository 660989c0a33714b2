--
-- A prefix may be any bytes, and finds all keys that begin with it, no others.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', k, k || '@10', 10)
  FROM unnest('{user,user/1,user/1/name,user/10,user/2,user0,usf,v}'::text[]) k;
SELECT mvstore_delete_at('s', 'user/10', 20);
SELECT mvstore_put_at('s', 'user/2', 'user/2@20', 20);

SELECT * FROM mvstore_scan_prefix('s', 'user/');
SELECT * FROM mvstore_scan_prefix('s', 'user/', reverse := true);
SELECT array_agg(key) FROM mvstore_scan_prefix('s', 'user/1');
SELECT array_agg(key) FROM mvstore_scan_prefix('s', 'user');
SELECT array_agg(key) FROM mvstore_scan_prefix('s', 'us');
SELECT array_agg(key) FROM mvstore_scan_prefix('s', 'w');
-- The empty prefix is everybody's.
SELECT array_agg(key) FROM mvstore_scan_prefix('s', '');
SELECT array_agg(key) FROM mvstore_scan_prefix_raw('s', ''::bytea, reverse := true, max_rows := 2);
-- As of a version, and so many.
SELECT * FROM mvstore_scan_prefix('s', 'user/', as_of := 15);
SELECT * FROM mvstore_scan_prefix('s', 'user/', as_of := 15, max_rows := 2);
SELECT * FROM mvstore_scan_prefix('s', 'user/', as_of := 15, max_rows := 2, reverse := true);
SELECT count(*) FROM mvstore_scan_prefix('s', 'user/', max_rows := 0);
\set VERBOSITY sqlstate
SELECT * FROM mvstore_scan_prefix('s', NULL);
SELECT * FROM mvstore_scan_prefix_raw('s', NULL::bytea);
SELECT * FROM mvstore_scan_prefix('s', 'user/', max_rows := -1);
SELECT * FROM mvstore_scan_prefix(NULL, 'user/');
\set VERBOSITY default
-- What LIKE takes for a pattern is a plain character here.
SELECT (SELECT count(*) FROM mvstore_scan_prefix('s', '%')) AS percent, (SELECT count(*) FROM mvstore_scan_prefix('s', 'user_')) AS underscore;

-- A letter of several bytes is a prefix like any other.
SELECT count(mvstore_put('s', k, 'v')) FROM unnest(ARRAY[U&'\00e4', U&'\00e4rger', U&'\00e5', U&'\00c4']) k;
SELECT array_agg(key = ANY (ARRAY[U&'\00e4', U&'\00e4rger'])) FROM mvstore_scan_prefix('s', U&'\00e4');
DROP TABLE s;

-- Trailing 0xff have no simple successor.
SELECT mvstore_create('s');
CREATE TEMP TABLE odd (key bytea);
INSERT INTO odd VALUES (''), ('\x00'), ('\x0000'), ('\x00ff'), ('\x00ff00'), ('\x00ffff'), ('\x01'), ('a'),
  ('\x61ff'), ('\x61ff00'), ('\x61ffff'), ('\x61ffff61'), ('b'), ('\xfe'), ('\xfeff'), ('\xfeffff'), ('\xff'), ('\xff00'),
  ('\xffff'), ('\xffff00'), ('\xffffff');
SELECT count(mvstore_put_raw('s', key, key)) FROM odd;
SELECT key FROM mvstore_scan_prefix_raw('s', '\x61ff'::bytea);
SELECT key FROM mvstore_scan_prefix_raw('s', '\xff'::bytea);
SELECT key FROM mvstore_scan_prefix_raw('s', '\xffff'::bytea, reverse := true);
SELECT key FROM mvstore_scan_prefix_raw('s', '\x00ff'::bytea);
SELECT count(*) FROM mvstore_scan_prefix_raw('s', '\xffffffff'::bytea);
SELECT count(*) FROM mvstore_scan_prefix_raw('s', decode(repeat('ff', 2000), 'hex'));
-- Each key is a prefix: of itself and of all that begin with it.
SELECT p.key AS prefix
  FROM odd p
 WHERE (SELECT array_agg(key) FROM mvstore_scan_prefix_raw('s', p.key)) IS DISTINCT FROM
       (SELECT array_agg(k.key ORDER BY k.key) FROM odd k WHERE substr(k.key, 1, length(p.key)) = p.key)
    OR (SELECT array_agg(key) FROM mvstore_scan_prefix_raw('s', p.key, reverse := true)) IS DISTINCT FROM
       (SELECT array_agg(k.key ORDER BY k.key DESC) FROM odd k WHERE substr(k.key, 1, length(p.key)) = p.key);
DROP TABLE s;
