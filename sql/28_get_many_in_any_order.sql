--
-- Many keys in one call are answered in the order in which they were asked for, with what
-- each of them gives by itself.
--
SELECT setseed(0.25) \g /dev/null
SELECT mvstore_create('s');
-- Keys of 1 to 40 entries, of which some are tombstones, some gone, some never were; and
-- long keys, which the index has compressed.
CREATE TEMP TABLE names AS
SELECT k AS n, CASE WHEN k % 50 = 0 THEN repeat('long', 480) || lpad(k::text, 4, '0')
					ELSE 'k' || lpad(k::text, 4, '0') END AS key
  FROM generate_series(1, 1000) k;
SELECT count(CASE WHEN random() < 0.1 THEN mvstore_delete_at('s', key, v)
				  ELSE mvstore_put_at('s', key, key || '@' || v, v) END) > 3000 AS written
  FROM names, generate_series(1, 40) v
 WHERE n % 3 > 0 AND (v <= 3 OR n % 70 >= v AND n % 7 = 0);
BEGIN;
SELECT count(mvstore_put_at('s', key, 'never', v)) > 100 AS written
  FROM names, generate_series(41, 80) v WHERE random() < 0.01;
ROLLBACK;
DELETE FROM s WHERE random() < 0.1;

-- Keys asked for together: neighbours, some of them, far apart; each in order and not, with
-- those that are absent, and some twice.
CREATE TEMP TABLE asked AS
SELECT what, (SELECT array_agg(key ORDER BY CASE WHEN what = 'sorted' THEN n ELSE random() END)
				FROM (SELECT n, key FROM names WHERE n BETWEEN low AND high AND n % part = 0
					  UNION ALL SELECT n, key FROM names WHERE n BETWEEN low AND high AND n % (7 * part) = 0
					  UNION ALL VALUES (0, ''), (2000, 'kk'), (999, 'k0500x')) k) AS keys
  FROM unnest('{sorted,mixed}'::text[]) what,
	   (VALUES (1, 1000, 1), (100, 300, 1), (1, 1000, 17), (1, 1000, 60), (500, 503, 1), (700, 700, 1)) part(low, high, part);
SELECT what, array_agg(cardinality(keys) ORDER BY cardinality(keys)) FROM asked GROUP BY what ORDER BY what DESC;
CREATE FUNCTION regress_wrong() RETURNS TABLE (found boolean, wrong bigint) LANGUAGE sql AS $$
SELECT count(g.version) > 3000,
	   count(*) FILTER (WHERE keys[g.n] <> g.key OR (g.version, g.value) IS DISTINCT FROM (e.version, e.value))
	   + sum(cardinality(keys) - (SELECT count(*) FROM mvstore_get_many('s', keys, v))) FILTER (WHERE g.n = 1)
  FROM asked, unnest('{0,1,2,20,39,100}'::bigint[]) v,
	   mvstore_get_many('s', keys, v) WITH ORDINALITY g(key, version, value, expires_at, n),
	   mvstore_get_entry('s', g.key, v) e
$$;
SELECT * FROM regress_wrong();
-- Where rows were changed, as they lie or to another place, and values do not fit into memory.
UPDATE s SET value = value || convert_to(repeat(md5(n::text), 30), 'UTF8') FROM names WHERE convert_to(names.key, 'UTF8') = s.key AND n % 2 = 0;
SET work_mem = '64kB';
SELECT * FROM regress_wrong();
RESET work_mem;
VACUUM s;
SELECT * FROM regress_wrong();
-- Very many keys.
SELECT count(*), count(DISTINCT key), bool_and(key = 'k' || lpad((n % 997 + 1)::text, 4, '0')) AS "in order"
  FROM mvstore_get_many('s', (SELECT array_agg('k' || lpad((n % 997 + 1)::text, 4, '0') ORDER BY n) FROM generate_series(1, 25000) n))
	   WITH ORDINALITY g(key, version, value, expires_at, n);

-- Neighbours take few pages, in whatever order they are asked for.
CREATE TABLE batch AS SELECT array_agg(key ORDER BY md5(key)) AS keys FROM names WHERE n BETWEEN 300 AND 700;
CREATE FUNCTION regress_pages(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE query;
  EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
  plan := plan->0->'Plan';
  RETURN (plan->>'Shared Hit Blocks')::int + (plan->>'Shared Read Blocks')::int;
END $$;
SELECT regress_pages('SELECT g.* FROM batch, mvstore_get_many(''s'', keys) g') * 2 <
	   regress_pages('SELECT mvstore_get(''s'', key) FROM batch, unnest(keys) key') AS few;
DROP FUNCTION regress_pages;
DROP TABLE batch;
DROP FUNCTION regress_wrong;
DROP TABLE s, names, asked;
