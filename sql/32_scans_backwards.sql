--
-- A scan backwards gives what plain SQL gives: whatever lies on its way, which it meets from
-- the oldest entry of a key to the newest.
--
SELECT setseed(0.15) \g /dev/null
SELECT mvstore_create('s');
-- 1 to 60 entries of a key, some of them tombstones; keys that begin alike, and such that
-- are so long that the index has them compressed.
CREATE TEMP TABLE names AS
SELECT k AS n, CASE WHEN k % 10 = 0 THEN repeat('long', 480) || lpad(k::text, 3, '0')
					ELSE 'k' || lpad(k::text, 3, '0') || repeat('.', k % 3) END AS key
  FROM generate_series(1, 80) k;
SELECT count(CASE WHEN random() < 0.15 THEN mvstore_delete_at('s', key, v)
				  ELSE mvstore_put_at('s', key, key || '@' || v, v) END) > 1000 AS written
  FROM names, generate_series(1, 60) v
 WHERE n % 60 >= v OR random() < 0.03;
SELECT max(entries) > 24 AS "more than are stepped over" FROM (SELECT count(*) AS entries FROM s GROUP BY key) k;
-- Entries that were taken back, above, between and below the others.
BEGIN;
SELECT count(mvstore_put_at('s', key, 'never', v)) > 100 AS written
  FROM names, generate_series(1, 61) v
 WHERE random() < 0.1 AND NOT EXISTS (SELECT FROM s WHERE s.key = convert_to(names.key, 'UTF8') AND version = v);
ROLLBACK;
-- Entries that are gone, and others that were changed where they lie, and moved.
DELETE FROM s WHERE random() < 0.1;
UPDATE s SET value = value || '!' WHERE random() < 0.1;
UPDATE s SET value = value || convert_to(repeat('?', 1000), 'UTF8') WHERE random() < 0.05;

-- As of each version and in each range: the newest entries by plain SQL, and scans both ways.
CREATE FUNCTION regress_wrong() RETURNS TABLE (rows_ok boolean, wrong bigint) LANGUAGE sql AS $$
WITH asked AS (
  SELECT v, l.key AS l, u.key AS u
    FROM unnest('{1,23,25,26,61}'::bigint[]) v,
		 (SELECT key FROM names WHERE n IN (30, 77) UNION ALL VALUES (NULL), ('k05')) l,
		 (SELECT key FROM names WHERE n IN (40, 78) UNION ALL VALUES (NULL), ('k07')) u
   WHERE coalesce(l.key COLLATE "C" <= u.key, true)
), answered AS (
  SELECT (SELECT array_agg((convert_from(key, 'UTF8'), version, convert_from(value, 'UTF8'))::text ORDER BY key DESC)
			FROM (SELECT DISTINCT ON (key) * FROM s WHERE version <= v ORDER BY key, version DESC) e
		   WHERE value IS NOT NULL AND coalesce(key >= convert_to(l, 'UTF8'), true)
			 AND coalesce(key < convert_to(u, 'UTF8'), true)) AS plain,
		 (SELECT array_agg((key, version, value)::text ORDER BY n DESC)
			FROM mvstore_scan('s', l, u, v) WITH ORDINALITY f(key, version, value, expires_at, n)) AS forward,
		 (SELECT array_agg((key, version, value)::text ORDER BY n)
			FROM mvstore_scan('s', l, u, v, reverse => true) WITH ORDINALITY b(key, version, value, expires_at, n)) AS backward,
		 (SELECT array_agg((key, version, value)::text ORDER BY n)
			FROM mvstore_scan('s', l, u, v, 7, true) WITH ORDINALITY p(key, version, value, expires_at, n)) AS few
	FROM asked
)
SELECT sum(cardinality(plain)) > 1000,
	   count(*) FILTER (WHERE plain IS DISTINCT FROM forward OR plain IS DISTINCT FROM backward OR
							  plain[:7] IS DISTINCT FROM few)
  FROM answered
$$;
SELECT * FROM regress_wrong();
-- Now that the index has been told of what is gone, and after it was cleaned of that.
SELECT * FROM regress_wrong();
VACUUM s;
SELECT * FROM regress_wrong();
-- In one transaction with writes of its own, and without them again.
BEGIN;
SELECT count(mvstore_put('s', key, 'own')) FROM names WHERE n % 3 = 0;
SELECT count(*) FILTER (WHERE value = 'own') AS own, count(DISTINCT key) = count(*) AS once
  FROM mvstore_scan('s', reverse => true);
SELECT * FROM regress_wrong();
ROLLBACK;
SELECT count(*) FILTER (WHERE value = 'own') AS own FROM mvstore_scan('s', reverse => true);

-- A cursor goes both ways over it.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT key FROM mvstore_scan('s', 'k070', 'k080', reverse => true);
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH LAST FROM c;
COMMIT;
-- A prefix, and one that no key has.
SELECT count(*) AS wrong
  FROM unnest('{k,k0,k1,k10,k100,long,longl,x,""}'::text[]) p, unnest('{1,24,25,60}'::bigint[]) v
 WHERE (SELECT array_agg(key ORDER BY n) FROM mvstore_scan_prefix('s', p, v, reverse => true) WITH ORDINALITY b(key, version, value, e, n)) IS DISTINCT FROM
	   (SELECT array_agg(key ORDER BY n DESC) FROM mvstore_scan_prefix('s', p, v) WITH ORDINALITY f(key, version, value, e, n));
DROP FUNCTION regress_wrong;
DROP TABLE s, names;

-- Ten rows take the same few pages whichever way they are read.
SELECT mvstore_create('s');
SELECT mvstore_put_many('s', array_agg('k' || lpad(k::text, 6, '0')), array_agg('v'::text)) > 0 AS put
  FROM generate_series(1, 20000) k;
SELECT mvstore_put_many('s', array_agg('k' || lpad(k::text, 6, '0')), array_agg('v'::text)) > 0 AS again
  FROM generate_series(1, 20000) k;
VACUUM s;
CREATE FUNCTION regress_pages(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE query;
  EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
  plan := plan->0->'Plan';
  RETURN (plan->>'Shared Hit Blocks')::int + (plan->>'Shared Read Blocks')::int;
END $$;
SELECT reverse, regress_pages(format('SELECT * FROM mvstore_scan(''s'', max_rows => 10, reverse => %L)', reverse)) <= 6 AS few
  FROM unnest('{f,t}'::boolean[]) reverse;
DROP FUNCTION regress_pages;
DROP TABLE s;
