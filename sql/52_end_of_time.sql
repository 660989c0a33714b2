--
-- What expires at the end of time, or never, is not taken for expired.
--
\pset null '(null)'
-- A sweep purges what has expired.
SELECT mvstore_create('s', ttl := '1 day');
INSERT INTO s (key, version, value, expires_at) VALUES
  ('end', 1, 'precious', '294276-12-31 23:59:59.999999+00'),
  ('infinity', 1, 'precious', 'infinity'),
  ('never', 1, 'precious', NULL),
  ('over', 1, 'worthless', '2000-01-01'),
  ('minus infinity', 1, 'worthless', '-infinity');
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT convert_from(key, 'UTF8') AS key FROM s ORDER BY key;
SELECT key, value FROM mvstore_scan('s');
-- At a put of its neighbours nor at a drop.
SELECT mvstore_put('s', 'k', 'v') AS v \gset
SELECT mvstore_drop('s', 'end');
SELECT mvstore_flush();
SELECT key, mvstore_get('s', key), mvstore_get('s', key, :v), mvstore_contains('s', key), mvstore_contains('s', key, 1)
  FROM unnest('{end,infinity,never}'::text[]) key;
SELECT key, value FROM mvstore_scan('s', to_key := 'k', as_of := :v);
SELECT value, expires_at > '294276-12-31' AS "the end" FROM mvstore_history('s', 'end');

-- A ttl beyond the end of time is refused, whosever it is.
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'w', ttl := '106751990 days');
SELECT mvstore_put_raw('s', 'k'::bytea, 'w'::bytea, ttl := '106751990 days');
SELECT mvstore_put('s', 'k', 'w', ttl := '106751991 days 04:00:54.775807');
\set VERBOSITY default
SELECT mvstore_get('s', 'k');
\set VERBOSITY sqlstate
SELECT mvstore_create('t', ttl := '106751990 days');
\set VERBOSITY default
SELECT mvstore_create('t', ttl := '36500000 days');
SELECT mvstore_put('t', 'k', 'v', ttl := '100000 days') > 0 AS put;
SELECT mvstore_flush();
SELECT mvstore_get('t', 'k');
SELECT value, expires_at > now() + interval '99999 days' AS expires FROM mvstore_history('t', 'k');
DROP TABLE s, t;
