--
-- A scan for ten rows reads a handful of pages, however large the store is and
-- however many versions its keys have.
--
SELECT mvstore_create('wide');
SELECT mvstore_create('deep');
-- 100,000 entries each: 50,000 keys of 2 versions, 100 long keys of 1,000 versions.
SELECT count(mvstore_put_at('wide', 'key:' || lpad(k::text, 6, '0'), 'value', v))
  FROM generate_series(1, 2) v, generate_series(1, 50000) k;
SELECT count(mvstore_put_at('deep', 'key:' || lpad(k::text, 6, '0') || repeat('.', 150), 'value', v))
  FROM generate_series(1, 1000) v, generate_series(1, 100) k;
VACUUM ANALYZE wide, deep;

-- Pages of a query, read or found in the buffers, and its rows. The first
-- execution fills the caches of the catalogue.
CREATE FUNCTION regress_pages(query text, OUT pages int, OUT answer int) LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'SELECT count(*) FROM (' || query || ') q' INTO answer;
  EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
  plan := plan->0->'Plan';
  pages := (plan->>'Shared Hit Blocks')::int + (plan->>'Shared Read Blocks')::int;
END $$;

-- A descent or two of the index for each row, and an entry of the table. Ten keys
-- of the second store fill some 400 pages of its index.
SELECT call, answer, pages < most AS few
  FROM (VALUES (1, 'wide', 60), (2, 'deep', 150)) store(n, name, most),
       unnest(ARRAY[
         $$mvstore_scan('%s', max_rows => 10)$$,
         $$mvstore_scan('%s', max_rows => 10, reverse => true)$$,
         $$mvstore_scan('%s', max_rows => 10, as_of => 1)$$,
         $$mvstore_scan('%s', max_rows => 10, as_of => 500)$$,
         $$mvstore_scan('%s', max_rows => 10, as_of => 1, reverse => true)$$,
         $$mvstore_scan('%s', 'key:000050', max_rows => 10)$$,
         $$mvstore_scan('%s', to_key => 'key:000050', max_rows => 10, reverse => true)$$,
         $$mvstore_scan_prefix('%s', 'key:00005')$$,
         $$mvstore_scan_prefix('%s', 'key:00005', reverse => true)$$,
         $$mvstore_scan_prefix('%s', 'key:00005', as_of => 1)$$]) WITH ORDINALITY template(text, m),
       format(template.text, name) call,
       LATERAL regress_pages('SELECT * FROM ' || call)
 ORDER BY n, m;

-- The whole of a store takes many.
SELECT answer, pages > 500 AS many FROM regress_pages($$SELECT * FROM mvstore_scan('wide')$$);

DROP FUNCTION regress_pages;
DROP TABLE wide, deep;
