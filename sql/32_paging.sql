--
-- Paging neither skips nor repeats a key, whatever lies between the keys: many
-- versions, tombstones, keys that are each other's prefixes.
--
SELECT mvstore_create('s');
-- 300 keys, every key with up to 30 versions; every third is deleted in the
-- end, every fifth was deleted in between.
SELECT count(mvstore_put_at_raw('s', decode(lpad(to_hex(k / 3), 4, '0') || repeat('00', k % 3), 'hex'),
                            decode(md5(k || ' ' || v), 'hex'), v))
  FROM generate_series(0, 299) k, generate_series(1, 60, 2) v WHERE v <= 60 - k % 37;
SELECT count(mvstore_delete_at_raw('s', decode(lpad(to_hex(k / 3), 4, '0') || repeat('00', k % 3), 'hex'), v))
  FROM generate_series(0, 299) k, generate_series(2, 60, 2) v
 WHERE (k % 3 = 0 AND v = 60) OR (k % 5 = 0 AND v % 6 = 2);

-- Forwards, the next page begins at the immediate successor of the last key: it
-- with one NUL more. Backwards, the next page ends before the last key.
CREATE FUNCTION regress_pages(page bigint, v bigint, backwards boolean, OUT keys bytea[], OUT pages int)
LANGUAGE plpgsql AS $$
DECLARE
  part bytea[];
  next bytea;
BEGIN
  keys := '{}';
  pages := 0;
  LOOP
    SELECT array_agg(s.key) INTO part FROM
      mvstore_scan_raw('s', CASE WHEN NOT backwards THEN next END, CASE WHEN backwards THEN next END,
                         v, page, backwards) s;
    EXIT WHEN part IS NULL;
    pages := pages + 1;
    keys := keys || part;
    next := part[cardinality(part)] || CASE WHEN backwards THEN ''::bytea ELSE '\x00'::bytea END;
  END LOOP;
END $$;

-- An independent reading of the table.
CREATE FUNCTION regress_live(v bigint, OUT keys bytea[]) LANGUAGE sql AS $$
  SELECT coalesce(array_agg(key ORDER BY key), '{}')
    FROM (SELECT DISTINCT ON (key) key, value FROM s WHERE version <= v ORDER BY key, version DESC) newest
   WHERE value IS NOT NULL;
$$;

SELECT v AS as_of, page, pages, cardinality(p.keys) AS keys, p.keys = l.keys AS "each key once, in order"
  FROM unnest('{0,1,2,13,30,32,59,60}'::bigint[]) v, unnest('{1,7,100,1000}'::bigint[]) page,
       LATERAL regress_pages(page, v, false) p, LATERAL regress_live(v) l
 ORDER BY v, page;
SELECT v AS as_of, page, pages, cardinality(p.keys) AS keys,
       (SELECT array_agg(k ORDER BY k) FROM unnest(p.keys) k) IS NOT DISTINCT FROM NULLIF(l.keys, '{}') AND
       p.keys = (SELECT coalesce(array_agg(k ORDER BY k DESC), '{}') FROM unnest(p.keys) k) AS "each key once, backwards"
  FROM unnest('{0,1,2,13,60}'::bigint[]) v, unnest('{1,7,100}'::bigint[]) page,
       LATERAL regress_pages(page, v, true) p, LATERAL regress_live(v) l
 ORDER BY v, page;

-- Values and versions belong to their keys.
SELECT count(*) AS wrong FROM mvstore_scan_raw('s', as_of := 30) f
  LEFT JOIN (SELECT DISTINCT ON (key) * FROM s WHERE version <= 30 ORDER BY key, version DESC) o USING (key)
 WHERE (f.version, f.value) IS DISTINCT FROM (o.version, o.value);

-- The empty key is a page's first and last like any other.
SELECT mvstore_put_at_raw('s', ''::bytea, 'empty'::bytea, 30);
SELECT key FROM mvstore_scan_raw('s', '', as_of := 30, max_rows := 1);
SELECT count(*) FROM mvstore_scan_raw('s', '\x00', as_of := 30, max_rows := 1) WHERE key = '';
SELECT count(*) FROM mvstore_scan_raw('s', to_key := '', as_of := 30, max_rows := 1, reverse := true);

-- So is a key of full length, though its successor is longer than any key.
SELECT mvstore_put_at_raw('s', decode(repeat('ff', 2000), 'hex'), 'longest'::bytea, 30);
SELECT length(key) FROM mvstore_scan_raw('s', '\xff', as_of := 30, max_rows := 1);
SELECT count(*) FROM mvstore_scan_raw('s', decode(repeat('ff', 2000), 'hex') || '\x00'::bytea, as_of := 30, max_rows := 1);
SELECT length(key) FROM mvstore_scan_raw('s', to_key := decode(repeat('ff', 2000), 'hex') || '\x00'::bytea,
                                           as_of := 30, max_rows := 1, reverse := true);
DROP FUNCTION regress_pages, regress_live;
DROP TABLE s;
