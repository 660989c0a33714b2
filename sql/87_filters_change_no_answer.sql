--
-- Whatever a query asks of keys, it gets the rows that a scan of the whole store and
-- a filter behind it have. Random keys and conditions, of text and of bytes.
--
SELECT setseed(0.25);
SELECT mvstore_create('t');
SELECT mvstore_create('b');
-- Few characters, so that keys are prefixes of others; of one to four bytes, and wildcards.
CREATE FUNCTION regress_text() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(string_agg(substr(E'aab%_\\\u00e9\u6f22\U0010ffff\u0001', 1 + floor(random() * 10)::int, 1), ''), '')
    FROM generate_series(1, (random() * 4)::int)
$$;
CREATE FUNCTION regress_bytes() RETURNS bytea LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(string_agg(substr('\x00016161255c5fff61fe'::bytea, 1 + floor(random() * 10)::int, 1), ''), '')
    FROM generate_series(1, (random() * 4)::int)
$$;
INSERT INTO t (key, version, value)
  SELECT DISTINCT convert_to(regress_text(), 'UTF8'), 1, 'x'::bytea FROM generate_series(1, 1000);
INSERT INTO b (key, version, value)
  SELECT DISTINCT regress_bytes(), 1, 'x'::bytea FROM generate_series(1, 1000);
SELECT count(*) > 300 AS many FROM t;
SELECT count(*) > 300 AS many FROM b;

-- A condition at random.
CREATE FUNCTION regress_condition(bytes boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  operators text[] := CASE WHEN bytes THEN '{=,<,<=,>,>=,<>,LIKE,=,LIKE}'
                           ELSE '{=,<,<=,>,>=,<>,LIKE,^@,~<~,~<=~,~>~,~>=~}' END;
  operator text := operators[1 + floor(random() * cardinality(operators))];
  collations text[] := '{""," COLLATE \"C\""," COLLATE \"POSIX\""}';
  type text := CASE WHEN bytes THEN 'bytea' ELSE 'text' END;
  key text := 'key' || CASE WHEN bytes THEN '' ELSE collations[1 + floor(random() * 3)] END;
  literals text[];
BEGIN
  SELECT array_agg(quote_literal(CASE WHEN bytes THEN regress_bytes()::text ELSE regress_text() END) || '::' || type)
    INTO literals FROM generate_series(1, 5);
  RETURN CASE
    WHEN random() < 0.15 THEN format('%s = ANY (ARRAY[%s, NULL])', key, array_to_string(literals, ', '))
    -- (The only pattern that is an error ends with an escape.)
    WHEN operator = 'LIKE' THEN format('%s LIKE %s || %s', key, literals[1], CASE WHEN bytes THEN '''\x25''::bytea' ELSE '''%''' END)
    WHEN random() < 0.15 AND operator <> '^@' THEN format('%s %s %s', literals[1], operator, key)
    ELSE format('%s %s %s', key, operator, literals[1]) END;
END $$;

-- How many conditions there were, how many of them a scan went by, how many let anything
-- through; and those whose answer is another one than without.
CREATE FUNCTION regress_compare(bytes boolean, conditions int, OUT tried int, OUT by_key int, OUT matched int, OUT wrong text[])
LANGUAGE plpgsql AS $$
DECLARE
  scan text := CASE WHEN bytes THEN 'mvstore_scan_raw(''b'')' ELSE 'mvstore_scan(''t'')' END;
  condition text;
  plan json;
  seen bytea[];
  right_ bytea[];
BEGIN
  tried := conditions; by_key := 0; matched := 0; wrong := '{}';
  FOR i IN 1 .. conditions LOOP
    SELECT string_agg(regress_condition(bytes), ' AND ') INTO condition FROM generate_series(1, 1 + i % 3);
    EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM %s WHERE %s', scan, condition) INTO plan;
    by_key := by_key + (plan->0->'Plan'->>'Key Cond' IS NOT NULL)::int;
    EXECUTE format('SELECT array_agg(textsend(key::text)) FROM %s WHERE %s', scan, condition) INTO seen;
    EXECUTE format('WITH everything AS MATERIALIZED (SELECT * FROM %s)
                    SELECT array_agg(textsend(key::text)) FROM everything WHERE %s', scan, condition) INTO right_;
    matched := matched + (right_ IS NOT NULL)::int;
    IF seen IS DISTINCT FROM right_ THEN
      wrong := wrong || condition;
    END IF;
  END LOOP;
END $$;
SELECT tried, by_key > 300 AS by_key, matched > 130 AS matched, wrong FROM regress_compare(false, 400);
SELECT tried, by_key > 300 AS by_key, matched > 130 AS matched, wrong FROM regress_compare(true, 400);

-- Joins: the keys that a condition lets through for each row of a table, by scans with its
-- values; and of a copy of all keys.
CREATE TABLE patterns AS
  SELECT n, regress_text() AS text, regress_bytes() AS bytes,
         ARRAY[regress_text(), regress_text(), NULL] AS texts
    FROM generate_series(1, 150) n;
INSERT INTO patterns VALUES (0, NULL, NULL, NULL);
ANALYZE patterns;
CREATE TABLE all_text AS SELECT key FROM mvstore_scan('t');
CREATE TABLE all_bytes AS SELECT key FROM mvstore_scan_raw('b');
CREATE FUNCTION regress_join(condition text, keys text, OUT by_key boolean, OUT hash text) LANGUAGE plpgsql AS $$
DECLARE
  query text := format('FROM patterns p %s JOIN %s s ON %s', CASE WHEN condition ~ '=' THEN 'LEFT' ELSE '' END, keys, condition);
  plan text;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON) SELECT ' || query INTO plan;
  by_key := plan ~ 'Key Cond';
  EXECUTE 'SELECT md5(string_agg(row(n, key)::text, '','' ORDER BY n, key::text COLLATE "C")) ' || query INTO hash;
END $$;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT condition, seen.by_key, seen.hash = expected.hash AS right
  FROM unnest(ARRAY['s.key = p.text', 's.key = p.text || ''a''', 's.key LIKE p.text || ''%''', 's.key ^@ p.text',
                    's.key >= p.text AND s.key < p.text || ''b''', 's.key = ANY (p.texts)',
                    's.key = p.text AND s.key > ''a''']) condition,
       regress_join(condition, 'mvstore_scan(''t'')') seen, regress_join(condition, 'all_text') expected;
SELECT condition, seen.by_key, seen.hash = expected.hash AS right
  FROM unnest(ARRAY['s.key = p.bytes', 's.key LIKE p.bytes || ''\x25''::bytea', 's.key > p.bytes AND s.key <= p.bytes || ''\xff''']) condition,
       regress_join(condition, 'mvstore_scan_raw(''b'')') seen, regress_join(condition, 'all_bytes') expected;

DROP TABLE t, b, patterns, all_text, all_bytes;
DROP FUNCTION regress_join, regress_compare, regress_condition, regress_text, regress_bytes;
