--
-- A scan that a query filters by key reads the keys that the filter lets through,
-- not the whole store: so a view of a store is as good as a table with an index.
--
\pset null '(null)'
SELECT mvstore_create('s');
INSERT INTO s (key, version, value)
  SELECT convert_to('k' || lpad(i::text, 3, '0'), 'UTF8'), 10, convert_to('v' || i, 'UTF8')
    FROM generate_series(0, 299) i;
CREATE VIEW live AS SELECT * FROM mvstore_scan('s');

-- What a plan scans by; null: it reads everything.
CREATE FUNCTION regress_key_cond(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
  RETURN plan->0->'Plan'->>'Key Cond';
END $$;
CREATE FUNCTION regress_conds(VARIADIC conditions text[], OUT condition text, OUT key_cond text)
RETURNS SETOF record LANGUAGE sql AS $$
  SELECT c, regress_key_cond('SELECT * FROM mvstore_scan(''s'') WHERE ' || c) FROM unnest(conditions) c
$$;

EXPLAIN (COSTS OFF) SELECT value FROM live WHERE key = 'k007';
SELECT key, value FROM live WHERE key = 'k007';
SELECT key, value FROM live WHERE key = 'absent';

-- By what: equality under any deterministic collation, lists, prefixes.
SELECT * FROM regress_conds($$key = 'k1'$$, $$'k1' = key$$, $$key = 'k1'::varchar$$,
  $$key IN ('k1', 'k2', NULL)$$, $$key = ANY ('{k1,k2}')$$, $$key LIKE 'k1%'$$, $$key LIKE 'k1'$$,
  $$key LIKE 'k+%' ESCAPE '+'$$, $$key ^@ 'k1'$$, $$key = 'k1' COLLATE "POSIX"$$,
  $$key = 'k1' || length(current_user)$$);
-- Ranges of text where it is compared by its bytes, as by the collation of this database, C.
SELECT * FROM regress_conds($$key > 'k1' AND key <= 'k2'$$, $$key BETWEEN 'k1' AND 'k2'$$,
  $$key COLLATE "C" >= 'k1'$$, $$'k1' COLLATE "C" < key$$, $$key ~<~ 'k1'$$, $$key ~>=~ 'k1'$$);
-- Together with conditions that say nothing of ranges; of several, all are used.
SELECT * FROM regress_conds($$key = 'k1' AND value <> 'v' AND version > 3$$,
  $$key LIKE 'k1%' AND key LIKE '%7' AND key <> 'k2' AND length(key) = 4$$,
  $$key IN ('k1', 'k2', 'k3') AND key > 'k1'$$);
-- Not by: what may hold for keys anywhere, or not be known before a row is.
SELECT * FROM regress_conds($$key <> 'k1'$$, $$key <> ALL ('{k1}')$$, $$lower(key) = 'k1'$$, $$key ILIKE 'k1%'$$,
  $$key = value$$, $$key = 'k' || (random() * 10)::int$$, $$key = 'k1' OR value = 'v2'$$,
  $$NOT key = 'k1'$$, $$value = 'v1'$$, $$key < ANY ('{k1,k2}')$$, $$key::name = 'k1'$$, $$key::char(4) = 'k1'$$);
-- Under other collations text has another order, or other text is equal.
SELECT count(*) > 0 AS icu FROM pg_collation WHERE collname = 'en-x-icu' \gset
\if :icu
CREATE COLLATION regress_folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT array_agg(coalesce(key_cond, 'none')) AS conds
  FROM regress_conds($$key COLLATE "en-x-icu" = 'k1'$$, $$key COLLATE "en-x-icu" >= 'k1'$$,
    $$key COLLATE regress_folding = 'K1'$$) \gset
DROP COLLATION regress_folding;
\else
\set conds '{"((key)::text = ''k1''::text)",none,none}'
\endif
\echo :conds

-- Prefixes end where they do, wildcards or not, escaped or not.
SELECT mvstore_put_many('s', '{like%,like_,like%x,likeXx,l\\ike,li,like%xy}', '{1,2,3,4,5,6,7}') > 0 AS put;
SELECT string_agg(key, ' ') FROM live WHERE key LIKE 'like\%%';
SELECT string_agg(key, ' ') FROM live WHERE key LIKE 'like\%';
SELECT string_agg(key, ' ') FROM live WHERE key LIKE 'like_';
SELECT string_agg(key, ' ') FROM live WHERE key LIKE 'like\_';
SELECT string_agg(key, ' ') FROM live WHERE key LIKE 'l\\ike';
SELECT string_agg(key, ' ') FROM live WHERE key LIKE 'like%x';
SELECT string_agg(key, ' ') FROM live WHERE key LIKE '%x' AND key LIKE 'l%';
SELECT count(*) FROM live WHERE key LIKE '%';
SELECT count(*) FROM live WHERE key LIKE '';
SELECT string_agg(key, ' ') FROM live WHERE key LIKE 'lik\';
SELECT string_agg(key, ' ') FROM live WHERE key LIKE 'zzz\';
SELECT string_agg(key, ' ') FROM live WHERE key ^@ 'like%';

-- NULL lets nothing through, in a list no more than elsewhere.
SELECT count(*) FROM live WHERE key = NULL::text;
PREPARE equal(text) AS SELECT key FROM live WHERE key = $1;
PREPARE among(text[]) AS SELECT key FROM live WHERE key = ANY ($1);
PREPARE alike(text) AS SELECT count(*) FROM live WHERE key LIKE $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE alike('k00%');
EXECUTE equal('k007');
EXECUTE equal(NULL);
EXECUTE among('{k003,k001,NULL,k001,nothing}');
EXECUTE among('{{k003,k004},{k001,k002}}');
EXECUTE among('{}');
EXECUTE among('{NULL}');
EXECUTE among(NULL);
EXECUTE alike('k00%');
EXECUTE alike('k00_');
EXECUTE alike('k007');
EXECUTE alike('%7');
RESET plan_cache_mode;
DEALLOCATE ALL;

-- The scan's own bounds hold, and so does its order.
SELECT string_agg(key, ' ') FROM mvstore_scan('s', 'k003', 'k006') WHERE key IN ('k001', 'k005', 'k004', 'k009');
SELECT string_agg(key, ' ') FROM mvstore_scan('s', reverse => true) WHERE key IN ('k001', 'k005', 'k004', 'k009');
SELECT string_agg(key, ' ') FROM mvstore_scan('s', reverse => true) WHERE key LIKE 'k00%';
SELECT string_agg(key, ' ') FROM mvstore_scan_prefix('s', 'k00') WHERE key > 'k006';
SELECT string_agg(key, ' ') FROM mvstore_scan_prefix('s', 'k00') WHERE key = 'k010';
SELECT * FROM mvstore_scan('s', 'k2', 'k1') WHERE key = 'k15';
-- Rows are counted before they are filtered, so max_rows has everything read.
SELECT regress_key_cond($$SELECT * FROM mvstore_scan('s', max_rows => 5) WHERE key = 'k007'$$);
SELECT count(*) FROM mvstore_scan('s', max_rows => 5) WHERE key = 'k007';
SELECT count(*) FROM mvstore_scan('s', max_rows => NULL) WHERE key = 'k007';
-- A number of its own for each row, or another function beside it, counts all rows, too.
SELECT key, n FROM mvstore_scan('s') WITH ORDINALITY x (key, version, value, expires_at, n) WHERE key = 'k007';

-- Bytes are compared as bytes.
SELECT mvstore_create('b');
SELECT mvstore_put_raw('b', k, k) > 0 AS put
  FROM unnest('{"\\x","\\x00","\\x61","\\x6100","\\x61ff","\\x61ffff","\\x62","\\xff","\\xffff","\\xff25"}'::bytea[]) k;
SELECT regress_key_cond($$SELECT * FROM mvstore_scan_raw('b') WHERE key LIKE '\xff25'::bytea$$);
SELECT string_agg(key::text, ' ') FROM mvstore_scan_raw('b') WHERE key = '\x61ff';
SELECT string_agg(key::text, ' ') FROM mvstore_scan_raw('b') WHERE key LIKE '\x61ff25'::bytea;
SELECT string_agg(key::text, ' ') FROM mvstore_scan_raw('b') WHERE key LIKE '\xff25'::bytea;
SELECT string_agg(key::text, ' ') FROM mvstore_scan_raw('b') WHERE key LIKE '\xff5c25'::bytea;
SELECT string_agg(key::text, ' ') FROM mvstore_scan_raw('b') WHERE key > '\x61' AND key <= '\x62';
SELECT string_agg(key::text, ' ') FROM mvstore_scan_raw('b') WHERE key < '\x';
SELECT string_agg(key::text, ' ') FROM mvstore_scan_raw('b') WHERE key <= '\x';
SELECT string_agg(key::text, ' ') FROM mvstore_scan_prefix_raw('b', '\xff') WHERE key >= '\xff00';
SELECT count(*) FROM mvstore_scan_raw('b') WHERE key = decode(repeat('61', 5000), 'hex');

-- A key that is no text is an error for whoever reaches it, and for nobody else.
SELECT count(*) FROM mvstore_scan('b') WHERE key = 'a';
SELECT count(*) FROM mvstore_scan('b') WHERE key LIKE 'a%';

-- As of a version: what was, and errors as ever, whatever the filter lets through.
SELECT mvstore_put_at('s', 'k007', 'w7', 20), mvstore_delete_at('s', 'k008', 20);
SELECT key, version, value FROM mvstore_scan('s', as_of => 15) WHERE key IN ('k007', 'k008');
SELECT key, version, value FROM mvstore_scan('s', as_of => 20) WHERE key IN ('k007', 'k008');
SELECT mvstore_compact('s', 20);
SELECT mvstore_flush();
SELECT key, version, value FROM mvstore_scan('s', as_of => 17) WHERE key = 'k007';
SELECT key, version, value FROM mvstore_scan('s', as_of => 17) WHERE key = (SELECT NULL::text);
SELECT key, version, value FROM mvstore_scan('s', as_of => 20) WHERE key = 'k007';
SET mvstore.strict_history = off;
SELECT key, version, value FROM mvstore_scan('s', as_of => 17) WHERE key = 'k007';
RESET mvstore.strict_history;
SELECT mvstore_put_at('s', 'k007', 'x7', 30);
SET mvstore.as_of = 20;
SELECT key, version, value FROM live WHERE key = 'k007';
SET mvstore.as_of = 17;
SELECT key, version, value FROM live WHERE key = 'k007';
RESET mvstore.as_of;
SELECT key FROM mvstore_scan('s', as_of => -1) WHERE key = 'k007';
-- What has expired is not there.
SELECT mvstore_put('s', 'k009', 'x', ttl => '1 microsecond') > 0 AS put;
SELECT count(*) FROM live WHERE key = 'k009';

-- Who may not read the store may not with a filter either.
CREATE ROLE regress_mvstore_stranger;
GRANT SELECT ON live TO regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
SELECT * FROM mvstore_scan('s') WHERE key = 'k007';
SELECT * FROM mvstore_scan('s') WHERE key = (SELECT NULL::text);
SELECT * FROM live WHERE key = 'k007';
RESET ROLE;
-- A function that is not to be called is not.
REVOKE EXECUTE ON FUNCTION mvstore_scan FROM PUBLIC;
GRANT SELECT ON s TO regress_mvstore_stranger;
SET ROLE regress_mvstore_stranger;
SELECT * FROM mvstore_scan('s') WHERE key = 'k007';
RESET ROLE;
GRANT EXECUTE ON FUNCTION mvstore_scan TO PUBLIC;
REVOKE ALL ON live, s FROM regress_mvstore_stranger;
DROP ROLE regress_mvstore_stranger;
-- Where the function has settings or rights of its own, the server has a call before the
-- call, which ranges do not pass: all is read, and filtered.
PREPARE by_key AS SELECT key, version, value FROM mvstore_scan('s') WHERE key = 'k007';
EXECUTE by_key;
ALTER FUNCTION mvstore_scan SET mvstore.strict_history = off;
EXECUTE by_key;
SELECT key, version, value FROM mvstore_scan('s') WHERE key = 'k007';
ALTER FUNCTION mvstore_scan RESET ALL;
ALTER FUNCTION mvstore_scan SECURITY DEFINER;
SELECT key, version, value FROM mvstore_scan('s') WHERE key = 'k007';
ALTER FUNCTION mvstore_scan SECURITY INVOKER;
EXPLAIN (COSTS OFF) EXECUTE by_key;

-- Of what is no store, the error is the same.
CREATE TABLE plain (key text);
SELECT * FROM mvstore_scan('plain') WHERE key = 'k007';
SELECT * FROM mvstore_scan(NULL) WHERE key = 'k007';

DROP VIEW live;
DROP TABLE s, b, plain;
DROP FUNCTION regress_conds, regress_key_cond;
