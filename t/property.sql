--
-- The model for 010_property.pl: random transactions on a store, each mirrored by
-- plain SQL on model.truth, which never forgets, and a comparison of every kind of
-- read with it. It uses none of mvstore's code but what it tests.
--
CREATE SCHEMA model;
SET search_path = model, public;

-- Every entry that was ever committed. gone: a drop or a policy has asked for it.
CREATE TABLE truth (key bytea, version bigint, value bytea, gone boolean DEFAULT false,
                    PRIMARY KEY (key, version));
-- What committed transactions have asked for, and the model has not applied yet.
CREATE TABLE request (id serial, key bytea, keep int, before bigint);
CREATE TABLE keys (n serial, key bytea);
-- One row: the greatest end of an entry that is gone.
CREATE TABLE floor (floor bigint);
-- The newest version that was handed out, committed or not.
CREATE SEQUENCE last;
CREATE TABLE counter (comparisons bigint, gone bigint);

CREATE FUNCTION dice(sides int) RETURNS int LANGUAGE sql VOLATILE AS $$
  SELECT 1 + floor(random() * sides)::int $$;

CREATE FUNCTION any_key() RETURNS bytea LANGUAGE sql VOLATILE AS $$
  SELECT key FROM model.keys WHERE n = (SELECT model.dice((SELECT count(*)::int FROM model.keys))) $$;

CREATE FUNCTION any_value(textual boolean) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  text_value text := repeat(md5(random()::text), CASE model.dice(20) WHEN 1 THEN 400 ELSE 1 END);
BEGIN
  CASE model.dice(4)
    WHEN 1 THEN RETURN '';
    WHEN 2 THEN RETURN CASE WHEN textual THEN convert_to(U&'\20ac' || left(text_value, 3), 'UTF8')
                            ELSE '\x00'::bytea || decode(left(text_value, 4), 'hex') END;
    ELSE RETURN CASE WHEN textual THEN convert_to(text_value, 'UTF8') ELSE decode(text_value, 'hex') END;
  END CASE;
END $$;

CREATE FUNCTION fail(message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', message;
END $$;

CREATE FUNCTION same(what text, answer anyelement, expected anyelement) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF answer IS DISTINCT FROM expected THEN
    RAISE EXCEPTION '%: found %, expected %', what, coalesce(answer::text, 'NULL'), coalesce(expected::text, 'NULL');
  END IF;
END $$;

-- One random write or drop, in store s and in the model. Time goes on from 0 to
-- 1,000; the present comes in its last quarter, as puts write it. (After that, and
-- a drop, little of the past can be written or read.)
CREATE FUNCTION operation(kind text, present bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  textual boolean := kind = 'text';
  keep_versions int := CASE WHEN kind LIKE 'keep %' THEN substr(kind, 6)::int END;
  k bytea := model.any_key();
  val bytea := model.any_value(kind = 'text');
  at bigint := greatest(1, present + model.dice(200) - 60);
  v bigint;
  head record;
  choice int := model.dice(100);
  f bigint := (SELECT floor FROM model.floor);
  expected text;
BEGIN
  -- A store with a policy sees puts and deletes only: when the policy looks at
  -- what put_at has written is not said.
  IF keep_versions IS NOT NULL THEN
    choice := CASE WHEN choice <= 70 THEN 1 ELSE 40 END;
  ELSIF present < 750 THEN
    choice := 43 + choice * 57 / 100;
  END IF;

  SELECT t.version, t.value INTO head FROM model.truth t WHERE t.key = k AND NOT gone ORDER BY t.version DESC LIMIT 1;

  IF choice <= 30 THEN
    IF textual THEN
      v := public.mvstore_put('s', convert_from(k, 'UTF8'), convert_from(val, 'UTF8'));
    ELSE
      v := public.mvstore_put('s', k, val);
    END IF;
    PERFORM setval('model.last', greatest(v, (SELECT last_value FROM model.last)));
    IF v <= head.version AND NOT EXISTS (SELECT FROM model.truth t WHERE t.key = k AND t.version = v) THEN
      PERFORM model.fail(format('put of %s got version %s, not above %s', k, v, head.version));
    END IF;
    INSERT INTO model.truth VALUES (k, v, val) ON CONFLICT (key, version) DO UPDATE SET value = excluded.value;
    IF head.version IS NOT NULL AND keep_versions IS NOT NULL THEN
      INSERT INTO model.request (key, keep, before) VALUES (k, keep_versions, v);
    END IF;

  ELSIF choice <= 42 THEN
    IF textual THEN
      v := public.mvstore_delete('s', convert_from(k, 'UTF8'));
    ELSE
      v := public.mvstore_delete('s', k);
    END IF;
    PERFORM model.same(format('delete of %s has deleted something', k), v IS NOT NULL, head.value IS NOT NULL);
    IF v IS NOT NULL THEN
      PERFORM setval('model.last', greatest(v, (SELECT last_value FROM model.last)));
      INSERT INTO model.truth VALUES (k, v, NULL) ON CONFLICT (key, version) DO UPDATE SET value = NULL;
      IF keep_versions IS NOT NULL THEN
        INSERT INTO model.request (key, keep, before) VALUES (k, keep_versions, v);
      END IF;
    END IF;

  ELSIF choice <= 80 THEN
    expected := CASE WHEN at < f THEN '72000'
                     WHEN EXISTS (SELECT FROM model.truth t WHERE t.key = k AND t.version = at) THEN '23505' END;
    BEGIN
      IF choice <= 70 THEN
        IF textual THEN
          PERFORM public.mvstore_put_at('s', convert_from(k, 'UTF8'), convert_from(val, 'UTF8'), at);
        ELSE
          PERFORM public.mvstore_put_at('s', k, val, at);
        END IF;
        INSERT INTO model.truth VALUES (k, at, val);
      ELSE
        IF textual THEN
          PERFORM public.mvstore_delete_at('s', convert_from(k, 'UTF8'), at);
        ELSE
          PERFORM public.mvstore_delete_at('s', k, at);
        END IF;
        INSERT INTO model.truth VALUES (k, at, NULL);
      END IF;
      PERFORM model.same(format('put_at of %s at %s fails with', k, at), NULL::text, expected);
    EXCEPTION WHEN unique_violation OR SQLSTATE '72000' THEN
      PERFORM model.same(format('put_at of %s at %s fails with', k, at), SQLSTATE, expected);
    END;

  ELSE
    DECLARE
      keep int := model.dice(4);
      before bigint := CASE model.dice(10) WHEN 1 THEN 9223372036854775807 ELSE greatest(0, present + model.dice(100) - 50) END;
    BEGIN
      IF keep = 1 AND before = 9223372036854775807 AND textual THEN
        PERFORM public.mvstore_drop('s', convert_from(k, 'UTF8'));
      ELSE
        PERFORM public.mvstore_drop('s', k, keep, before);
      END IF;
      -- It covers what was superseded when it was made.
      INSERT INTO model.request (key, keep, before) VALUES (k, keep, least(before, (SELECT last_value FROM model.last)));
    END;
  END IF;
END $$;

-- A few operations, some of them in savepoints that are rolled back.
CREATE FUNCTION transaction(kind text, present bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. model.dice(4) LOOP
    IF model.dice(3) > 1 THEN
      PERFORM model.operation(kind, present);
    ELSE
      DECLARE
        undo boolean := model.dice(2) = 1;
      BEGIN
        FOR j IN 1 .. model.dice(3) LOOP
          PERFORM model.operation(kind, present);
        END LOOP;
        IF undo THEN RAISE SQLSTATE 'UNDO0'; END IF;
      EXCEPTION WHEN SQLSTATE 'UNDO0' THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;

-- Do to the model what the requests ask for, rule by rule of the manual.
CREATE FUNCTION apply(kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT * FROM model.request ORDER BY id LOOP
    WITH entry AS (
      SELECT key, version, value, rank() OVER newest AS rank, lag(version) OVER newest AS successor
        FROM model.truth WHERE key = r.key AND NOT gone WINDOW newest AS (ORDER BY version DESC)),
    dropped AS (
      UPDATE model.truth t SET gone = true FROM entry e
       WHERE t.key = e.key AND t.version = e.version AND e.rank > r.keep AND e.successor <= r.before
      RETURNING e.successor)
    UPDATE model.floor SET floor = (SELECT greatest(floor, max(successor)) FROM dropped);
    -- A policy purges a key whose head is a tombstone.
    IF kind LIKE 'keep %' AND
       (SELECT value IS NULL FROM model.truth WHERE key = r.key AND NOT gone ORDER BY version DESC LIMIT 1) THEN
      UPDATE model.floor SET floor = (SELECT greatest(floor, max(version)) FROM model.truth WHERE key = r.key AND NOT gone);
      UPDATE model.truth SET gone = true WHERE key = r.key AND NOT gone;
    END IF;
  END LOOP;
  DELETE FROM model.request;
END $$;

-- What the model says: the newest entries at v, of all that ever was.
CREATE FUNCTION live(v bigint) RETURNS TABLE (key bytea, version bigint, value bytea) LANGUAGE sql STABLE AS $$
  SELECT * FROM (SELECT DISTINCT ON (t.key) t.key, t.version, t.value
                   FROM model.truth t WHERE t.version <= v ORDER BY t.key, t.version DESC) newest
   WHERE value IS NOT NULL $$;

CREATE TYPE model.found AS (key bytea, version bigint, value bytea);

-- A page of a scan, or the error that it gives.
CREATE FUNCTION scan(a bytea, b bytea, v bigint, n bigint, backwards boolean, OUT rows model.found[], OUT error text)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT coalesce(array_agg(ROW (s.key, s.version, s.value)::model.found), '{}') INTO rows FROM public.mvstore_scan_bytea('s', a, b, v, n, backwards) s;
EXCEPTION WHEN SQLSTATE '72000' THEN
  error := SQLSTATE;
END $$;

-- Compare every kind of read as of v with the model.
CREATE FUNCTION compare(kind text, v bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  k bytea;
  textual boolean := kind = 'text';
  f bigint := (SELECT floor FROM model.floor);
  entry record;        -- what is left
  once record;         -- what ever was
  got bytea;
  got_entry record;
  got_contains boolean;
  error text;
  expected_error text;
  a bytea;
  b bytea;
  backwards boolean;
  page bigint;
  rows model.found[];
  expected model.found[];
  all_pages model.found[];
  next bytea;
BEGIN
  -- Points.
  FOR k IN SELECT key FROM model.keys LOOP
    SELECT version, value INTO entry FROM model.truth WHERE key = k AND version <= v AND NOT gone ORDER BY version DESC LIMIT 1;
    SELECT version, value INTO once FROM model.truth WHERE key = k AND version <= v ORDER BY version DESC LIMIT 1;
    expected_error := CASE WHEN entry.version IS NULL AND v < f THEN '72000' END;
    error := NULL;
    BEGIN
      got := public.mvstore_get('s', k, v);
    EXCEPTION WHEN SQLSTATE '72000' THEN error := SQLSTATE;
    END;
    PERFORM model.same(format('error of get %s as of %s', k, v), error, expected_error);
    error := NULL;
    BEGIN
      got_contains := public.mvstore_contains('s', k, v);
    EXCEPTION WHEN SQLSTATE '72000' THEN error := SQLSTATE;
    END;
    PERFORM model.same(format('error of contains %s as of %s', k, v), error, expected_error);
    error := NULL;
    BEGIN
      SELECT * INTO got_entry FROM public.mvstore_get_entry('s', k, v);
    EXCEPTION WHEN SQLSTATE '72000' THEN error := SQLSTATE;
    END;
    PERFORM model.same(format('error of get_entry %s as of %s', k, v), error, expected_error);
    IF expected_error IS NULL THEN
      -- Transparency: an answer is the answer of all that ever was.
      PERFORM model.same(format('get %s as of %s', k, v), got, once.value);
      PERFORM model.same(format('contains %s as of %s', k, v), got_contains, once.value IS NOT NULL);
      PERFORM model.same(format('get_entry %s as of %s', k, v),
        ROW (got_entry.key, got_entry.version, got_entry.value)::model.found,
        CASE WHEN once.value IS NULL THEN ROW (NULL, NULL, NULL)::model.found ELSE ROW (k, once.version, once.value)::model.found END);
      IF textual THEN
        PERFORM model.same(format('text of %s as of %s', k, v), convert_to(public.mvstore_get('s', convert_from(k, 'UTF8'), v), 'UTF8'), once.value);
        PERFORM model.same(format('text of %s as of %s', k, v), public.mvstore_get_bytea('s', convert_from(k, 'UTF8'), v), once.value);
      END IF;
    END IF;
  END LOOP;

  -- Ranges: open ones, of keys that are there, of any bytes; so many rows.
  FOR i IN 1 .. 6 LOOP
    a := CASE model.dice(4) WHEN 1 THEN NULL WHEN 2 THEN decode(left(md5(random()::text), 2), 'hex') ELSE model.any_key() END;
    b := CASE model.dice(4) WHEN 1 THEN NULL WHEN 2 THEN decode(left(md5(random()::text), 2), 'hex') ELSE model.any_key() END;
    IF a > b THEN next := a; a := b; b := next; END IF;
    backwards := model.dice(2) = 1;
    page := CASE model.dice(3) WHEN 1 THEN model.dice(5) - 1 END;
    SELECT s.rows, s.error INTO rows, error FROM model.scan(a, b, v, page, backwards) s;
    IF v < f THEN
      PERFORM model.same(format('error of a scan as of %s', v), error, '72000');
      CONTINUE;
    END IF;
    SELECT coalesce(array_agg(ROW (key, version, value)::model.found), '{}') INTO expected
      FROM (SELECT * FROM model.live(v) WHERE (a IS NULL OR key >= a) AND (b IS NULL OR key < b)
             ORDER BY CASE WHEN NOT backwards THEN key END, CASE WHEN backwards THEN key END DESC LIMIT page) l;
    PERFORM model.same(format('scan of [%s, %s) as of %s, max_rows %s, reverse %s', a, b, v, page, backwards), rows, expected);

    -- The same range page by page.
    page := model.dice(4);
    all_pages := '{}';
    next := CASE WHEN backwards THEN b ELSE a END;
    LOOP
      SELECT s.rows INTO rows FROM model.scan(CASE WHEN backwards THEN a ELSE next END, CASE WHEN backwards THEN next ELSE b END,
                                              v, page, backwards) s;
      EXIT WHEN cardinality(rows) = 0;
      PERFORM model.same('no more rows than asked for', cardinality(rows) <= page, true);
      all_pages := all_pages || rows;
      next := rows[cardinality(rows)].key || CASE WHEN backwards THEN '' ELSE '\x00' END::bytea;
      EXIT WHEN next >= b;   -- the range has come to its end
    END LOOP;
    SELECT coalesce(array_agg(ROW (key, version, value)::model.found), '{}') INTO expected
      FROM (SELECT * FROM model.live(v) WHERE (a IS NULL OR key >= a) AND (b IS NULL OR key < b)
             ORDER BY CASE WHEN NOT backwards THEN key END, CASE WHEN backwards THEN key END DESC) l;
    PERFORM model.same(format('pages of %s of [%s, %s) as of %s, reverse %s', page, a, b, v, backwards), all_pages, expected);

    -- Prefixes: of keys, and what is left of them when bytes are cut off.
    next := model.any_key();
    next := substr(next, 1, model.dice(length(next) + 1) - 1);
    SELECT coalesce(array_agg(ROW (s.key, s.version, s.value)::model.found), '{}') INTO rows FROM public.mvstore_scan_prefix('s', next, v, NULL, backwards) s;
    SELECT coalesce(array_agg(ROW (key, version, value)::model.found), '{}') INTO expected
      FROM (SELECT * FROM model.live(v) WHERE substr(key, 1, length(next)) = next
             ORDER BY CASE WHEN NOT backwards THEN key END, CASE WHEN backwards THEN key END DESC) l;
    PERFORM model.same(format('scan of prefix %s as of %s, reverse %s', next, v, backwards), rows, expected);
    IF textual THEN
      SELECT coalesce(array_agg(ROW (convert_to(key, 'UTF8'), version, convert_to(value, 'UTF8'))::model.found), '{}') INTO rows
        FROM public.mvstore_scan('s', convert_from(model.whole(a), 'UTF8'), NULL, v, NULL, backwards) s;
      SELECT coalesce(array_agg(ROW (key, version, value)::model.found), '{}') INTO expected
        FROM (SELECT * FROM model.live(v) WHERE (model.whole(a) IS NULL OR key >= model.whole(a))
               ORDER BY CASE WHEN NOT backwards THEN key END, CASE WHEN backwards THEN key END DESC) l;
      PERFORM model.same(format('text scan from %s as of %s, reverse %s', model.whole(a), v, backwards), rows, expected);
    END IF;
    UPDATE model.counter SET comparisons = comparisons + 4;
  END LOOP;
  UPDATE model.counter SET comparisons = comparisons + 3 * (SELECT count(*) FROM model.keys);
END $$;

-- A bound that is text, or none.
CREATE FUNCTION whole(a bytea) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN EXISTS (SELECT FROM model.keys WHERE key = a) THEN a END $$;

-- Compare what is there, and what history and previous say of it.
CREATE FUNCTION compare_history() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  wrong bigint;
  k bytea;
  n bigint;
  v bigint;
  got model.found;
  expected model.found;
  rows model.found[];
  wanted model.found[];
BEGIN
  SELECT count(*) INTO wrong FROM (
    (SELECT key, version, value FROM public.s EXCEPT SELECT key, version, value FROM model.truth WHERE NOT gone) UNION ALL
    (SELECT key, version, value FROM model.truth WHERE NOT gone EXCEPT SELECT key, version, value FROM public.s)) d;
  PERFORM model.same('entries too many or too few', wrong, 0::bigint);
  PERFORM model.same('floor', (SELECT coalesce(floor, 0) FROM public.mvstore_store_stats WHERE store = 'public.s'::regclass),
                              (SELECT floor FROM model.floor));
  FOR k IN SELECT key FROM model.keys LOOP
    n := CASE model.dice(2) WHEN 1 THEN model.dice(4) - 1 END;
    SELECT coalesce(array_agg(ROW (k, version, value)::model.found), '{}') INTO rows FROM public.mvstore_history('s', k, n);
    SELECT coalesce(array_agg(ROW (key, version, value)::model.found), '{}') INTO wanted
      FROM (SELECT * FROM model.truth WHERE key = k AND NOT gone ORDER BY version DESC LIMIT n) t;
    PERFORM model.same(format('history of %s, max_rows %s', k, n), rows, wanted);
    v := coalesce(CASE model.dice(3) WHEN 1 THEN 9223372036854775807
                                     WHEN 2 THEN (SELECT max(version) FROM model.truth)
                                     ELSE model.dice(1200) END, 1);
    expected := NULL;
    SELECT key, version, value INTO expected FROM model.truth WHERE key = k AND NOT gone AND version < v ORDER BY version DESC LIMIT 1;
    BEGIN
      got := NULL;
      SELECT key, version, value INTO got FROM public.mvstore_previous('s', k, v);
      PERFORM model.same(format('previous of %s before %s', k, v), got, expected);
      IF expected.version IS NULL AND v - 1 < (SELECT floor FROM model.floor) THEN
        PERFORM model.fail(format('previous of %s before %s: nothing, though it may be gone', k, v));
      END IF;
    EXCEPTION WHEN SQLSTATE '72000' THEN
      IF expected.version IS NOT NULL OR v - 1 >= (SELECT floor FROM model.floor) THEN
        PERFORM model.fail(format('previous of %s before %s: found %s, expected %s', k, v, SQLERRM, expected));
      END IF;
    END;
  END LOOP;
  UPDATE model.counter SET comparisons = comparisons + 2 + 2 * (SELECT count(*) FROM model.keys);
END $$;

CREATE PROCEDURE run(kind text, seed int, steps int) LANGUAGE plpgsql AS $$
DECLARE
  v bigint;
BEGIN
  PERFORM setseed((seed % 1000000) / 1000000.0);
  DROP TABLE IF EXISTS public.s, public.clock;
  PERFORM public.mvstore_create('public.clock');
  PERFORM setval('model.last', public.mvstore_put('public.clock', ''::bytea, ''::bytea));
  PERFORM public.mvstore_create('public.s', keep_versions := CASE WHEN kind LIKE 'keep %' THEN substr(kind, 6)::int END);
  TRUNCATE model.truth, model.request, model.keys, model.floor, model.counter RESTART IDENTITY;
  INSERT INTO model.floor VALUES (0);
  INSERT INTO model.counter VALUES (0, 0);
  IF kind = 'text' THEN
    INSERT INTO model.keys (key) SELECT convert_to(k, 'UTF8')
      FROM unnest(ARRAY['', ' ', 'a', 'aa', E'a\x01', 'ab', 'b', U&'\00e4', U&'\00e4\20ac', U&'\+01F600', '%', '_']) k;
  ELSE
    INSERT INTO model.keys (key) VALUES (''), ('\x00'), ('\x0000'), ('\x00ff'), ('\x01'), ('a'), ('\x6100'), ('\x61ff'),
      ('\x61ffff'), ('b'), ('\xfe'), ('\xff'), ('\xff00'), ('\xffff'), ('\xffffff'), (decode(repeat('ff', 2000), 'hex'));
  END IF;
  COMMIT;

  FOR step IN 1 .. steps LOOP
    BEGIN
      PERFORM model.transaction(kind, step * 1000 / steps);
    EXCEPTION WHEN OTHERS THEN
      RAISE EXCEPTION 'step %: % (%)', step, SQLERRM, SQLSTATE;
    END;
    IF model.dice(8) = 1 THEN
      ROLLBACK;
    ELSE
      COMMIT;
    END IF;
    IF NOT public.mvstore_flush() THEN
      RAISE EXCEPTION 'step %: flush timed out', step;
    END IF;
    COMMIT;
    PERFORM model.apply(kind);
    COMMIT;
    BEGIN
      PERFORM model.compare_history();
      -- As of: a version of the past, one that was really handed out or next to
      -- it, the floor or next to it, the newest.
      FOR i IN 1 .. 3 LOOP
        v := CASE model.dice(5)
               WHEN 1 THEN step * 1000 / steps + model.dice(200) - 100
               WHEN 2 THEN (SELECT version + model.dice(3) - 2 FROM model.truth ORDER BY random() LIMIT 1)
               WHEN 3 THEN (SELECT floor + model.dice(3) - 2 FROM model.floor)
               WHEN 4 THEN (SELECT floor + model.dice(150) FROM model.floor WHERE floor < 2000)
               ELSE 9223372036854775807 END;
        PERFORM model.compare(kind, greatest(coalesce(v, 0), 0));
      END LOOP;
    EXCEPTION WHEN OTHERS THEN
      RAISE EXCEPTION 'after step %: % (%)', step, SQLERRM, SQLSTATE;
    END;
    COMMIT;
  END LOOP;
  RAISE NOTICE '%, seed %: % comparisons, % entries, of which % gone, floor %', kind, seed,
    (SELECT comparisons FROM model.counter), (SELECT count(*) FROM model.truth),
    (SELECT count(*) FROM model.truth WHERE gone), (SELECT floor FROM model.floor);
END $$;
