--
-- One request drops from all keys with a prefix, or of a range, and from no other
-- key; each of them is judged as by mvstore_drop.
--
\pset null '(null)'
SELECT mvstore_create('s');
-- The store anew, with entries at 10, 20 and 30 of each key; and the keys that have
-- fewer left, once all drops are done.
CREATE FUNCTION regress_fill(keys bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DROP TABLE s;
  PERFORM mvstore_create('s');
  PERFORM mvstore_put_at_raw('s', k, 'v'::bytea, v) FROM unnest(keys) k, generate_series(10, 30, 10) v;
END $$;
CREATE FUNCTION regress_dropped() RETURNS TABLE (key text, "left" text) LANGUAGE plpgsql AS $$
BEGIN
  IF NOT mvstore_flush() THEN RAISE 'not done'; END IF;
  RETURN QUERY SELECT encode(e.key, 'escape'), string_agg(version::text, ', ' ORDER BY version DESC)
    FROM s e GROUP BY e.key HAVING count(*) < 3 ORDER BY e.key;
END $$;

-- A prefix: the key that is the same, and all that begin with it.
SELECT regress_fill('{"",a,aa,ab,abc,ab\\000,ab\\377,ab\\377\\377,ac,b}');
SELECT mvstore_drop_prefix('s', 'ab');
SELECT * FROM regress_dropped();
-- With how many to keep, and up to which end.
SELECT regress_fill('{a,aa,b}');
SELECT mvstore_drop_prefix('s', 'a', keep := 2);
SELECT * FROM regress_dropped();
SELECT mvstore_drop_prefix('s', 'a', keep := 3), mvstore_drop_prefix('s', 'b', keep := 2147483647);
SELECT * FROM regress_dropped();
SELECT regress_fill('{a,aa,b}');
SELECT mvstore_drop_prefix('s', 'aa', before := 19), mvstore_drop_prefix('s', 'b', before := 20);
SELECT * FROM regress_dropped();
SELECT mvstore_drop_prefix('s', 'a', 1, 30);
SELECT * FROM regress_dropped();
-- The empty prefix is that of all keys; one that nothing begins with is of none.
SELECT regress_fill('{"",a,\\377,\\377\\377}');
SELECT mvstore_drop_prefix('s', 'nothing');
SELECT * FROM regress_dropped();
SELECT mvstore_drop_prefix('s', '');
SELECT * FROM regress_dropped();
-- Bytes, those that have no successor among them.
SELECT regress_fill('{"",\\376,\\376\\377,\\377,\\377\\000,\\377\\376,\\377\\377,\\377\\377\\000}');
SELECT mvstore_drop_prefix_raw('s', '\xffff');
SELECT * FROM regress_dropped();
SELECT mvstore_drop_prefix_raw('s', '\xff');
SELECT * FROM regress_dropped();
SELECT mvstore_drop_prefix_raw('s', '\xfeff');
SELECT * FROM regress_dropped();
SELECT mvstore_drop_prefix_raw('s', '');
SELECT * FROM regress_dropped();
-- Text is a prefix by its bytes, too.
SELECT regress_fill(ARRAY['ä', 'äx', 'ö', 'Ã'] :: bytea[]);
SELECT mvstore_drop_prefix('s', 'ä');
SELECT * FROM regress_dropped();

-- A range: from its lower bound on, up to its upper one.
SELECT regress_fill('{"",a,b,b\\000,bb,c,c\\000,d}');
SELECT mvstore_drop_range('s', 'b', 'c');
SELECT * FROM regress_dropped();
SELECT mvstore_drop_range('s', '', 'a', keep := 2), mvstore_drop_range('s', 'd', 'e', before := 20);
SELECT * FROM regress_dropped();
SELECT mvstore_drop_range_raw('s', 'c', '\x6300'), mvstore_drop_range_raw('s', '\x6400', '\xff', 1, 30);
SELECT * FROM regress_dropped();
-- An empty one has no key in it.
SELECT regress_fill('{"",a,b}');
SELECT mvstore_drop_range('s', 'a', 'a'), mvstore_drop_range('s', '', ''), mvstore_drop_range_raw('s', 'x', 'y');
SELECT * FROM regress_dropped();
-- Bounds and prefixes, unlike keys, may be of any length.
SELECT regress_fill(ARRAY[repeat('k', 1999), repeat('k', 2000), repeat('k', 1999) || 'l']::bytea[]);
SELECT mvstore_drop_range('s', repeat('k', 2001), repeat('k', 3000)), mvstore_drop_prefix('s', repeat('k', 2001)),
       mvstore_drop_prefix_raw('s', convert_to(repeat('k', 100000), 'UTF8'));
SELECT length(key), "left" FROM regress_dropped();
SELECT mvstore_drop_range('s', repeat('k', 2000), repeat('k', 3000));
SELECT length(key), "left" FROM regress_dropped();
SELECT mvstore_drop_range('s', repeat('k', 2001), repeat('k', 1999) || 'l' || repeat('k', 2001));
SELECT length(key), right(key, 1) AS last, "left" FROM regress_dropped();

-- A tombstone stays, as under mvstore_drop.
SELECT regress_fill('{a,b}');
SELECT mvstore_delete_at('s', 'a', 40);
SELECT mvstore_drop_prefix('s', '');
SELECT * FROM regress_dropped();

-- It covers what was superseded when it was asked for, in this life of the store;
-- rolled back it covers nothing.
SELECT regress_fill('{a,b,c}');
BEGIN;
SELECT mvstore_drop_prefix('s', '');
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_drop_range('s', 'a', 'z');
ROLLBACK TO sp;
SELECT mvstore_drop_prefix('s', 'b');
COMMIT;
SELECT * FROM regress_dropped();
BEGIN;
SELECT mvstore_drop_range('s', 'a', 'z');
TRUNCATE s;
SELECT mvstore_put('s', 'c', 'v1') > 0 AS put;
COMMIT;
SELECT mvstore_put('s', 'c', 'v2') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'c');

-- Each is one request, whatever there is in the range; the same twice is one, too, but not one that covers less.
SELECT regress_fill('{a,b,c}');
SELECT mvstore_flush();
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
BEGIN;
SELECT mvstore_drop_prefix('s', 'a', keep := 3), mvstore_drop_prefix('s', 'a', keep := 3, before := 10);
SELECT mvstore_drop_prefix('s', '', keep := 2, before := 25);
SELECT mvstore_drop_range('s', 'b', 'c', before := 20);
SELECT mvstore_drop_prefix_raw('s', '\xff', before := 30);
COMMIT;
RESET client_min_messages;
SELECT kind, encode(key, 'escape') AS key, encode(to_key, 'escape') AS to_key, keep, CASE WHEN before <= 30 THEN before END AS before, state
  FROM mvstore_requests WHERE store = 's'::regclass ORDER BY mvstore_requests.key, keep, mvstore_requests.before;
SELECT mvstore_cancel_request(id) FROM mvstore_requests WHERE to_key = 'c';
SELECT mvstore_resume();
SELECT * FROM regress_dropped();

-- Not on disk, it is done like any other.
SET mvstore.durable_drops = off;
SELECT mvstore_drop_range('s', 'b', 'z');
SELECT * FROM regress_dropped();
RESET mvstore.durable_drops;

-- What is refused.
\set VERBOSITY sqlstate
SELECT mvstore_drop_range('s', 'b', 'a');
SELECT mvstore_drop_range_raw('s', '\xff', '\xfeff');
SELECT mvstore_drop_range(NULL, 'a', 'b');
SELECT mvstore_drop_range('s', NULL, 'b');
SELECT mvstore_drop_range('s', 'a', NULL);
SELECT mvstore_drop_range('s', 'a', 'b', keep := NULL);
SELECT mvstore_drop_range('s', 'a', 'b', before := NULL);
SELECT mvstore_drop_range('s', 'a', 'b', keep := 0);
SELECT mvstore_drop_range('s', 'a', 'b', before := -1);
SELECT mvstore_drop_range_raw('s', NULL, 'b');
SELECT mvstore_drop_prefix(NULL, 'a');
SELECT mvstore_drop_prefix('s', NULL);
SELECT mvstore_drop_prefix('s', 'a', keep := NULL);
SELECT mvstore_drop_prefix('s', 'a', before := NULL);
SELECT mvstore_drop_prefix('s', 'a', keep := 0);
SELECT mvstore_drop_prefix('s', 'a', before := -1);
SELECT mvstore_drop_prefix_raw('s', NULL);
SELECT mvstore_drop_prefix('pg_class', 'a');
SELECT mvstore_drop_range('pg_class', 'a', 'b');
-- There are no bounds to leave out.
SELECT mvstore_drop_range('s', 'a');
SELECT mvstore_drop_prefix('s');
\set VERBOSITY default
SELECT mvstore_drop_range('s', 'b', 'a');
SELECT * FROM regress_dropped();
DROP TABLE s;
DROP FUNCTION regress_fill, regress_dropped;
