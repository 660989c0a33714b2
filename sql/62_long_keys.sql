--
-- Keys longer than mvstore takes, which plain SQL can put in (the index
-- compresses them), are read and dropped like any others; nobody crashes.
--
\pset null '(null)'
-- A sweep meets such keys.
SELECT mvstore_create('s', keep_versions := 1);
INSERT INTO s (key, version, value)
  SELECT convert_to(repeat(k, length), 'UTF8'), v, convert_to(k || v, 'UTF8')
    FROM unnest('{a,b,z}'::text[]) k, unnest('{10,2001,200000}'::int[]) length, generate_series(1, 3) v;
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
-- What they superseded is gone.
SELECT left(key, 1) AS key, length(key), value FROM mvstore_scan('s');
SELECT count(*) FROM s;
SELECT left(key, 1) AS key, length(key), value FROM mvstore_scan('s', reverse := true, max_rows := 4);
SELECT left(key, 1) AS key, length(key), value FROM mvstore_scan_prefix('s', 'bb');
SELECT length(key), value FROM mvstore_scan_raw('s', from_key := 'zz'::bytea);
-- One page after another, from the last key's immediate successor.
SELECT convert_from(key, 'UTF8') || chr(1) AS next FROM s WHERE length(key) = 10 AND key < 'b'::bytea \gset
SELECT left(key, 1) AS key, length(key) FROM mvstore_scan('s', from_key := :'next', max_rows := 1);
-- As arguments they are refused.
\set VERBOSITY sqlstate
SELECT mvstore_get('s', repeat('a', 2001));
SELECT mvstore_put('s', repeat('a', 2001), 'v');
SELECT mvstore_drop('s', repeat('a', 2001));
\set VERBOSITY default
-- Their neighbours are served.
SELECT mvstore_put('s', repeat('a', 10), 'new') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', repeat('a', 10));
DROP TABLE s;

-- A revert writes them, and what its policy asks for is done.
SELECT mvstore_create('r');
INSERT INTO r (key, version, value, expires_at)
  SELECT convert_to(repeat('r', length), 'UTF8'), v, convert_to('r' || v, 'UTF8'), CASE v WHEN 1 THEN '2100-01-01'::timestamptz END
    FROM unnest('{10,2001,5000,70000,200000}'::int[]) length, generate_series(1, 2) v;
SELECT mvstore_revert('r', 1);
SELECT mvstore_flush();
SELECT length(key), value, expires_at IS NOT NULL AS expires FROM mvstore_scan('r');
SELECT count(*) FROM r;
SELECT mvstore_set_policy('r', keep_versions := 1);
SELECT mvstore_flush();
SELECT mvstore_revert('r', mvstore_stable_version());
SELECT count(*) FROM r;
SELECT mvstore_erase_prefix('r', 'r');
SELECT count(*) FROM r;
DROP TABLE r;
