--
-- A request that is due is done, whatever else the same transaction asks for the same
-- keys: one that a pin holds back does not keep it waiting. And of what a policy asks
-- for, all goes that can.
--
SELECT mvstore_create('s');
CREATE FUNCTION regress_fill(first int) RETURNS bigint LANGUAGE sql AS $$
  SELECT mvstore_erase_prefix('s', '');
  SELECT count(mvstore_put_at('s', k, 'v' || v, v)) FROM unnest('{a,b}'::text[]) k, generate_series(first, first + 40, 10) v $$;
CREATE VIEW regress_left AS
  SELECT encode(key, 'escape') AS key, string_agg(version::text, ' ' ORDER BY version DESC) AS versions
    FROM s GROUP BY s.key ORDER BY s.key;
SELECT regress_fill(10);
SELECT mvstore_pin('regress', 35, store := 's');
SELECT mvstore_compact('s', 30), mvstore_compact('s', 50);
SELECT mvstore_flush();
SELECT * FROM regress_left;
SELECT before FROM mvstore_requests;
SELECT mvstore_unpin('regress');
SELECT mvstore_flush();
SELECT * FROM regress_left;

-- The other way round, and of keys and ranges, over savepoints, with other requests between.
SELECT regress_fill(110);
SELECT mvstore_pin('regress', 135, store := 's');
BEGIN;
SELECT mvstore_drop('s', 'a', before := 150), mvstore_drop('s', 'a', keep := 2, before := 150);
SAVEPOINT sp;
SELECT mvstore_drop_range('s', 'b', 'c', before := 150);
SELECT mvstore_drop('s', 'a', before := 120);
RELEASE sp;
SELECT mvstore_drop_range('s', 'b', 'c', before := 120);
SELECT mvstore_drop('s', 'a', before := 130);
COMMIT;
SELECT mvstore_flush();
SELECT * FROM regress_left;
SELECT encode(key, 'escape') AS key, keep, before FROM mvstore_requests ORDER BY key, keep, before;
SELECT mvstore_unpin('regress');
SELECT mvstore_flush();
SELECT * FROM regress_left;

-- The same twice is one.
SELECT requests_merged AS merged FROM mvstore_stats WHERE database = current_database() \gset
SELECT mvstore_compact('s', 30), mvstore_compact('s', 30), mvstore_drop('s', 'a', before := 30), mvstore_drop('s', 'a', before := 30);
SELECT mvstore_flush();
SELECT requests_merged - :merged AS merged FROM mvstore_stats WHERE database = current_database();

-- A policy by numbers: what was superseded before a pin goes, though the put that made
-- it one too many came after it; and the rest as far as a pin that is left allows.
SELECT mvstore_create('p', keep_versions := 2);
SELECT mvstore_put('p', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('p', 'k', 'v2') > 0 AS put;
SELECT mvstore_pin('regress', store := 'p') > 0 AS pinned;
SELECT mvstore_put('p', 'k', 'v3') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');
SELECT mvstore_put('p', 'k', 'v4') > 0 AS put;
SELECT mvstore_pin('regress 2', store := 'p') > 0 AS pinned;
SELECT mvstore_put('p', 'k', 'v5') > 0 AS put;
SELECT mvstore_put('p', 'k', 'v6') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');
SELECT mvstore_unpin('regress');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');
SELECT mvstore_unpin('regress 2');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');

-- The past, written in a transaction that writes the present, too.
SELECT mvstore_create('q', keep_versions := 2);
BEGIN;
SELECT count(mvstore_put_at('q', 'past', 'v' || v, v)) FROM generate_series(10, 40, 10) v;
SELECT mvstore_put('q', 'past', 'v50') > 0 AS put;
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('q', 'past');

DROP VIEW regress_left;
DROP FUNCTION regress_fill;
DROP TABLE s, p, q;
