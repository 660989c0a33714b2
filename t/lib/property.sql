--
-- The model for model_of_one_session_agrees.pl: random transactions on two stores, each mirrored by
-- plain SQL on model.truth, which never forgets, and a comparison of every kind of
-- read with it. It uses none of mvstore's code but what it tests.
--
-- What has gone is judged by the rules of the manual: of each entry the model says
-- whether it may have gone, and whether it must have. In between lies only what
-- depends on the moment of a look at the clock.
--
CREATE SCHEMA model;
ALTER DATABASE postgres SET search_path = model, public;
ALTER DATABASE postgres SET jit = off;
SET search_path = model, public;

-- ---- What the model knows ---------------------------------------------------

-- The newest version that was handed out, committed or not; made-up rows of the journal.
CREATE SEQUENCE last;
CREATE SEQUENCE made_up INCREMENT 10;

-- The stores. perhaps: what the floor may be by now. cursor: the past is written about
-- there, in units of the clock. cleared: in the transaction under way. since: when it
-- became one.
CREATE TABLE store (
  name text PRIMARY KEY, attached boolean NOT NULL, keep_versions int, keep_for bigint, ttl bigint,
  floor bigint NOT NULL, perhaps bigint NOT NULL, cursor int NOT NULL, cleared boolean NOT NULL, since bigint NOT NULL);

-- Every entry that was ever committed, but those that were erased or cleared. gone: it
-- was seen to be gone. let_go_at: when its policy lets it go, as it was before the
-- step; let_go_end: its end then.
CREATE TABLE truth (
  store text, key bytea, version bigint, value bytea, expires bigint, gone boolean DEFAULT false,
  let_go_at bigint, let_go_end bigint, PRIMARY KEY (store, key, version));

-- What committed transactions have asked for and is not done for sure; of a range up to
-- to_key. keep 0: a compaction. It covers what ends up to low for sure, up to high
-- perhaps. durable: it has a row. certain: nothing can have made it void.
CREATE TABLE request (
  id serial, store text, key bytea, to_key bytea, single boolean, keep int, low bigint, high bigint,
  durable boolean, certain boolean DEFAULT true);

CREATE TABLE pin (name text PRIMARY KEY, store text, version bigint, expires bigint, since bigint);

-- Stores of which a full pass was asked for, and keys that a policy by numbers alone
-- looks at by itself, since the last flush; what has expired while a pin held it is not
-- waited for.
CREATE TABLE swept (store text);
CREATE TABLE touched (store text, key bytea, held boolean DEFAULT false);

-- What is there, may have gone, must have gone, and the bounds of the floor that follow.
CREATE TABLE judged (
  store text, key bytea, version bigint, is_there boolean, may boolean, must boolean, low bigint, high bigint, why text);

CREATE TABLE keys (n serial, key bytea);
CREATE TABLE run (kind text, step int, base bigint);
CREATE TABLE log (step int, what text);
CREATE TABLE counter (what text PRIMARY KEY, n bigint);
-- What is there of each key: its rank, its end, and what the end of its head is.
CREATE VIEW entry AS
SELECT *, CASE WHEN rank = 1 THEN head_end ELSE successor END AS ends
  FROM (SELECT t.*, row_number() OVER newest AS rank, lag(version) OVER newest AS successor,
               first_value(value IS NULL) OVER newest AS deleted,
               first_value(CASE WHEN value IS NULL THEN version
                                WHEN expires IS NOT NULL THEN greatest(expires, version) END) OVER newest AS head_end
          FROM truth t WHERE NOT gone WINDOW newest AS (PARTITION BY store, key ORDER BY version DESC)) e;

-- And when the policy of its store lets it go: by itself, or with its whole key, whose
-- head has to go for that. NULL is never.
CREATE VIEW policed AS
SELECT *, least(let_go_alone, purge) AS let_go
  FROM (SELECT e.*, s.keep_versions, s.keep_for,
               CASE WHEN s.name IS NOT NULL AND (NOT deleted OR s.keep_versions IS NOT NULL OR s.keep_for IS NOT NULL)
                    THEN head_end + coalesce(s.keep_for, 0) END AS purge,
               CASE WHEN (s.keep_versions IS NOT NULL OR s.keep_for IS NOT NULL) AND rank > coalesce(s.keep_versions, 1)
                    THEN ends + coalesce(s.keep_for, 0) END AS let_go_alone
          FROM entry e LEFT JOIN store s ON s.name = e.store AND s.attached) p;

-- The same, with a horizon.
CREATE FUNCTION let_go(p policed, horizon bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT least(CASE WHEN p.ends <= horizon THEN p.let_go_alone END, CASE WHEN p.head_end <= horizon THEN p.purge END) $$;

-- ---- Small things -----------------------------------------------------------

CREATE FUNCTION dice(sides int) RETURNS int LANGUAGE sql VOLATILE AS $$
  SELECT 1 + floor(random() * sides)::int $$;

-- The time as a version; those handed out may be ahead of it, after a restart.
CREATE FUNCTION clock() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT greatest(mvstore_version_at(clock_timestamp()), (SELECT last_value FROM last)) $$;

CREATE FUNCTION newest() RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT 9223372036854775807 $$;

CREATE FUNCTION usecs(n bigint) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
  SELECT n / 1000000 * interval '1 s' + n % 1000000 * interval '1 us' $$;

CREATE FUNCTION whole_text(b bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT convert_from(b, 'UTF8') $$;

-- Unit n of the past: a minute each, of which the last is the time of the run's begin.
CREATE FUNCTION past(n int) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT base + n * 60000000::bigint FROM run $$;

-- Mostly the first.
CREATE FUNCTION any_store() RETURNS store LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  n text := CASE WHEN dice(4) = 1 THEN 't' ELSE 's' END;
  s store;
BEGIN
  SELECT * INTO s FROM store WHERE name = n;
  RETURN s;
END $$;

-- Some are more likely, so that they have a longer history.
CREATE FUNCTION any_key() RETURNS bytea LANGUAGE sql VOLATILE AS $$
  SELECT key FROM keys WHERE n = (SELECT dice(dice((SELECT count(*)::int FROM keys)))) $$;

-- The beginning of a key, which is the beginning of several.
CREATE FUNCTION any_prefix(textual boolean) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  k bytea := any_key();
BEGIN
  IF textual THEN
    RETURN convert_to(left(whole_text(k), dice(length(whole_text(k)) + 1) - 1), 'UTF8');
  END IF;
  RETURN substr(k, 1, dice(length(k) + 1) - 1);
END $$;

CREATE FUNCTION any_value(textual boolean) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  text_value text := repeat(md5(random()::text), CASE dice(20) WHEN 1 THEN 400 ELSE 1 END);
BEGIN
  CASE dice(4)
    WHEN 1 THEN RETURN '';
    WHEN 2 THEN RETURN CASE WHEN textual THEN convert_to(U&'\20ac' || left(text_value, 3), 'UTF8')
                            ELSE '\x00'::bytea || decode(left(text_value, 4), 'hex') END;
    ELSE RETURN CASE WHEN textual THEN convert_to(text_value, 'UTF8') ELSE decode(text_value, 'hex') END;
  END CASE;
END $$;

-- A version at which something happened in a store, or just beside it; never the future.
CREATE FUNCTION any_version(s text) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v bigint;
BEGIN
  v := CASE dice(6)
         WHEN 1 THEN (SELECT past(cursor + dice(200) - 100) FROM store WHERE name = s)
         WHEN 2 THEN (SELECT floor FROM store WHERE name = s)
         WHEN 3 THEN (SELECT version FROM pin ORDER BY random() LIMIT 1)
         WHEN 4 THEN (SELECT expires FROM truth WHERE store = s AND expires IS NOT NULL ORDER BY random() LIMIT 1) END;
  v := coalesce(v, (SELECT version FROM truth WHERE store = s ORDER BY random() LIMIT 1), past(600)) + dice(3) - 2;
  RETURN greatest(least(v, (SELECT last_value FROM last)), 0);
END $$;

CREATE FUNCTION same(what text, answer anyelement, expected anyelement) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF answer IS DISTINCT FROM expected THEN
    RAISE EXCEPTION '%: found %, expected %', what, coalesce(answer::text, 'NULL'), coalesce(expected::text, 'NULL');
  END IF;
END $$;

CREATE FUNCTION so(what text, condition boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF condition IS NOT TRUE THEN
    RAISE EXCEPTION '%', what;
  END IF;
END $$;

CREATE FUNCTION count_up(count_of text, by bigint DEFAULT 1) RETURNS void LANGUAGE sql AS $$
  INSERT INTO counter VALUES (count_of, by) ON CONFLICT (what) DO UPDATE SET n = counter.n + by $$;

-- One operation, for whoever looks for what went wrong.
CREATE FUNCTION note(what text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO log SELECT step, what FROM run;
  SELECT count_up(split_part(what, ' ', 1)) $$;

-- A version was handed out, or told to be stable.
CREATE FUNCTION hand_out(v bigint) RETURNS void LANGUAGE sql AS $$
  SELECT setval('last', greatest(v, (SELECT last_value FROM last))) $$;

-- What a store really has, and its floor.
CREATE FUNCTION there(s text) RETURNS TABLE (key bytea, version bigint, value bytea, expires bigint) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format('SELECT key, version, value, mvstore_version_at(expires_at) FROM public.%I', s);
END $$;

CREATE FUNCTION floor_of(s text) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(floor, 0) FROM mvstore_store_stats WHERE store = s::regclass $$;

-- The lowest version of pins on a store that live longer than some time.
CREATE FUNCTION pinned(s text, until bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(min(version), newest()) FROM pin WHERE (store IS NULL OR store = s) AND expires > until $$;

-- Whether a pin at some version or above covers a store, in the time between two
-- moments: NULL is perhaps.
CREATE FUNCTION is_pinned(s text, v bigint, since bigint, until bigint) RETURNS boolean LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN bool_or(expires > until + 2000) THEN true WHEN bool_or(expires > since - 2000) THEN NULL ELSE false END
    FROM (SELECT expires FROM pin WHERE (store IS NULL OR store = s) AND version >= v UNION ALL SELECT 0) p $$;

-- Whether an error was to be expected, if that can be told.
CREATE FUNCTION judge_error(what text, error text, wanted text, expected boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF (error IS NOT DISTINCT FROM wanted) <> expected THEN
    RAISE EXCEPTION '%: % % expected, but the answer was %', what, wanted, CASE WHEN expected THEN 'was' ELSE 'was not' END, coalesce(error, 'no error');
  END IF;
END $$;

-- ---- Operations -------------------------------------------------------------

CREATE FUNCTION put(kind text, s store, k bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  val bytea := any_value(kind = 'text');
  ttl bigint := CASE dice(12) WHEN 1 THEN 1 WHEN 2 THEN 200000 WHEN 3 THEN 3600000000 END;
  head record;
  began bigint := clock();
  ended bigint;
  v bigint;
  dies bigint;
BEGIN
  SELECT t.version INTO head FROM truth t WHERE t.store = s.name AND t.key = k AND NOT gone ORDER BY t.version DESC LIMIT 1;
  IF kind = 'text' THEN
    v := mvstore_put(s.name::regclass, whole_text(k), whole_text(val), usecs(ttl));
  ELSE
    v := mvstore_put_raw(s.name::regclass, k, val, usecs(ttl));
  END IF;
  ended := greatest(clock(), v) + 2000;
  ttl := coalesce(ttl, s.ttl);
  PERFORM hand_out(v);
  PERFORM note(format('put %s %s at %s, ttl %s', s.name, left(k::text, 20), v, ttl));
  IF v <= head.version AND NOT EXISTS (SELECT FROM truth t WHERE t.store = s.name AND t.key = k AND t.version = v) THEN
    RAISE EXCEPTION 'put of %: got version %, not above %', k, v, head.version;
  END IF;
  dies := (SELECT expires FROM there(s.name) WHERE key = k AND version = v);
  PERFORM same('it expires', dies IS NOT NULL, ttl IS NOT NULL);
  PERFORM so(format('it was put from %s to %s and expires at %s', began, ended, dies), ttl IS NULL OR dies BETWEEN greatest(began, v) + ttl AND ended + ttl);
  INSERT INTO truth VALUES (s.name, k, v, val, dies)
    ON CONFLICT (store, key, version) DO UPDATE SET value = excluded.value, expires = excluded.expires, gone = false, let_go_at = NULL;
  IF head.version IS NOT NULL AND s.keep_versions IS NOT NULL AND s.keep_for IS NULL THEN
    INSERT INTO touched VALUES (s.name, k);
  END IF;
END $$;

CREATE FUNCTION delete(kind text, s store, k bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  head record;
  v bigint;
  live boolean;
BEGIN
  SELECT t.version, t.value, t.expires INTO head FROM truth t WHERE t.store = s.name AND t.key = k AND NOT gone ORDER BY t.version DESC LIMIT 1;
  IF kind = 'text' THEN
    v := mvstore_delete(s.name::regclass, whole_text(k));
  ELSE
    v := mvstore_delete_raw(s.name::regclass, k);
  END IF;
  PERFORM note(format('delete %s %s at %s', s.name, left(k::text, 20), v));
  -- What expires just now may be found or not, and what has expired may be purged.
  live := CASE WHEN head.value IS NULL THEN false WHEN head.expires IS NULL THEN true
               WHEN head.expires <= greatest(mvstore_version_at(statement_timestamp()), s.floor) THEN false
               WHEN head.expires > clock() + 2000 THEN true END;
  IF (v IS NOT NULL) <> live THEN
    RAISE EXCEPTION 'delete of % in %: % was there, and the answer is %', k, s.name, head, v;
  END IF;
  IF v IS NOT NULL THEN
    PERFORM hand_out(v);
    INSERT INTO truth VALUES (s.name, k, v)
      ON CONFLICT (store, key, version) DO UPDATE SET value = NULL, expires = NULL, gone = false, let_go_at = NULL;
    IF s.keep_versions IS NOT NULL AND s.keep_for IS NULL THEN
      INSERT INTO touched VALUES (s.name, k);
    END IF;
  END IF;
END $$;

-- Put or delete in the past: near the cursor, mostly where that can still be written;
-- sometimes so that something is old enough for the policy in a moment.
CREATE FUNCTION write_past(kind text, s store, k bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  val bytea := CASE WHEN dice(5) > 1 THEN any_value(kind = 'text') END;
  at bigint := past(greatest(1, s.cursor + dice(200) - 60));
  began bigint := clock();
  floor_before bigint := floor_of(s.name);
  error text;
  there record;
  what text;
BEGIN
  IF s.keep_for > 10000000 AND dice(5) = 1 THEN
    at := clock() - s.keep_for + dice(500) * 1000;
  ELSIF at < s.floor AND dice(8) > 1 THEN
    at := s.floor + 60000000 - (s.floor - past(0)) % 60000000 + dice(100) * 60000000::bigint;
    IF at > clock() THEN
      PERFORM put(kind, s, k);
      RETURN;
    END IF;
  END IF;
  SELECT t.version, t.let_go_at INTO there FROM truth t WHERE t.store = s.name AND t.key = k AND t.version = at AND NOT gone;
  BEGIN
    IF kind = 'text' AND val IS NULL THEN
      PERFORM mvstore_delete_at(s.name::regclass, whole_text(k), at);
    ELSIF kind = 'text' THEN
      PERFORM mvstore_put_at(s.name::regclass, whole_text(k), whole_text(val), at);
    ELSIF val IS NULL THEN
      PERFORM mvstore_delete_at_raw(s.name::regclass, k, at);
    ELSE
      PERFORM mvstore_put_at_raw(s.name::regclass, k, val, at);
    END IF;
  EXCEPTION WHEN unique_violation OR object_in_use OR SQLSTATE '72000' THEN
    error := SQLSTATE;
  END;
  what := format('put_at %s %s at %s%s: %s', s.name, left(k::text, 20), at, CASE WHEN val IS NULL THEN ', a tombstone' END, coalesce(error, 'done'));
  PERFORM note(what);
  PERFORM judge_error(what, error, '55006', is_pinned(s.name, at, began, clock()));
  CASE error
    WHEN '55006' THEN NULL;
    WHEN '72000' THEN PERFORM so(what, at < floor_of(s.name));
    WHEN '23505' THEN PERFORM so(what, there.version IS NOT NULL);
    ELSE
      PERFORM so(what, at >= floor_before AND (there.version IS NULL OR there.let_go_at <= clock()));
      PERFORM hand_out(at);
      INSERT INTO truth VALUES (s.name, k, at, val)
        ON CONFLICT (store, key, version) DO UPDATE SET value = excluded.value, expires = NULL, gone = false, let_go_at = NULL;
  END CASE;
END $$;

-- Something that is asked of the worker.
CREATE FUNCTION ask(s text, what text, k bytea, to_key bytea, single boolean, keep int, before bigint, durable boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO request (store, key, to_key, single, keep, low, high, durable)
    VALUES (s, k, to_key, single, keep, least(before, (SELECT last_value FROM last)), least(before, clock() + 2000), durable);
  PERFORM note(format('%s %s %s, keep %s, before %s', what, s, coalesce(left(k::text, 20), '') || coalesce(' to ' || left(to_key::text, 20), ''), keep, before));
END $$;

-- The first string behind all that begin with a prefix.
CREATE FUNCTION prefix_end(prefix bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  FOR i IN REVERSE length(prefix) - 1 .. 0 LOOP
    IF get_byte(prefix, i) < 255 THEN
      RETURN set_byte(substr(prefix, 1, i + 1), i, get_byte(prefix, i) + 1);
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

CREATE FUNCTION request_drop(kind text, s store, k bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  keep int := dice(dice(4));
  before bigint := CASE dice(8) WHEN 1 THEN newest() WHEN 2 THEN any_version(s.name) ELSE greatest(0, past(s.cursor + dice(150) - 50)) END;
  prefix bytea := any_prefix(kind = 'text');
  j bytea := any_key();
  r regclass := s.name::regclass;
  durable boolean := current_setting('mvstore.durable_drops');
BEGIN
  CASE dice(8)
    WHEN 1, 2 THEN
      IF kind = 'text' THEN
        PERFORM mvstore_drop_prefix(r, whole_text(prefix), keep, before);
      ELSE
        PERFORM mvstore_drop_prefix_raw(r, prefix, keep, before);
      END IF;
      PERFORM ask(s.name, 'drop_prefix', prefix, prefix_end(prefix), false, keep, before, durable);
    WHEN 3, 4 THEN
      IF kind = 'text' THEN
        PERFORM mvstore_drop_range(r, whole_text(least(k, j)), whole_text(greatest(k, j)), keep, before);
      ELSE
        PERFORM mvstore_drop_range_raw(r, least(k, j), greatest(k, j), keep, before);
      END IF;
      PERFORM ask(s.name, 'drop_range', least(k, j), greatest(k, j), false, keep, before, durable);
    WHEN 5 THEN
      PERFORM mvstore_compact(r, before);
      PERFORM ask(s.name, 'compact', '', NULL, false, 0, before, durable);
    ELSE
      IF keep = 1 AND before = newest() AND kind = 'text' THEN
        PERFORM mvstore_drop(r, whole_text(k));
      ELSE
        PERFORM mvstore_drop_raw(r, k, keep, before);
      END IF;
      PERFORM ask(s.name, 'drop', k, NULL, true, keep, before, durable);
  END CASE;
END $$;

-- A row of the journal that no call of a function made: of another life, which is to
-- do nothing; or once more what was or might have been asked, which may do just that.
CREATE FUNCTION make_up_request(s store, k bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  id bigint := clock() + 3600000000 + nextval('made_up');   -- nobody has it before long
  kind text := (ARRAY['drop', 'range', 'compact', 'policy'])[dice(4)];
  life bigint := (SELECT incarnation FROM mvstore_stores WHERE store = s.name::regclass);
  stale bigint := CASE WHEN dice(2) = 1 THEN dice(3) - 2 ELSE 0 END;
  before bigint := any_version(s.name);
  to_key bytea := CASE WHEN kind = 'range' THEN greatest(k, any_key()) END;
BEGIN
  k := CASE WHEN kind = 'compact' THEN '' ELSE k END;
  FOR i IN 1 .. dice(2) LOOP
    INSERT INTO mvstore_journal
      SELECT id + i, system_identifier, d.oid, s.name::regclass, life + stale, kind, k, to_key,
             CASE WHEN kind IN ('compact', 'policy') THEN 0 ELSE 2 END, before, false, 0, NULL
        FROM pg_control_system(), pg_database d WHERE datname = current_database();
  END LOOP;
  PERFORM mvstore_resume();
  PERFORM note(format('made-up %s, %s lives away', kind, stale));
  IF stale = 0 AND kind <> 'policy' THEN
    PERFORM ask(s.name, 'made-up ' || kind, k, to_key, kind = 'drop', CASE kind WHEN 'compact' THEN 0 ELSE 2 END, before, true);
  END IF;
END $$;

CREATE FUNCTION any_policy(INOUT s store) LANGUAGE plpgsql AS $$
BEGIN
  s.keep_versions := CASE dice(2) WHEN 1 THEN dice(3) END;
  -- In whole and half minutes: nothing that was put at a whole one gets old enough now.
  s.keep_for := CASE dice(6) WHEN 1 THEN 0 WHEN 2 THEN 400000
                             WHEN 3 THEN 1000 ELSE CASE WHEN dice(2) = 1 THEN greatest(1300 - s.cursor + dice(250) - 100, 0) * 60000000::bigint + 30000000 END END;
  s.ttl := CASE dice(6) WHEN 1 THEN 200000 WHEN 2 THEN 3600000000 END;
END $$;

CREATE FUNCTION set_policy(s store) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  s := any_policy(s);
  PERFORM mvstore_set_policy(s.name::regclass, s.keep_versions, usecs(s.keep_for), usecs(s.ttl));
  UPDATE store SET keep_versions = s.keep_versions, keep_for = s.keep_for, ttl = s.ttl WHERE name = s.name;
  INSERT INTO swept VALUES (s.name);
  PERFORM note(format('set_policy %s: keep %s for %s, ttl %s', s.name, s.keep_versions, usecs(s.keep_for), usecs(s.ttl)));
END $$;

CREATE FUNCTION set_pin(s store) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  pin_name text := 'p' || dice(3);
  v bigint := CASE WHEN dice(3) = 1 THEN NULL WHEN dice(8) = 1 THEN clock() + 3600000000 ELSE any_version(s.name) END;
  ttl bigint := CASE dice(3) WHEN 1 THEN 150000 ELSE 3600000000 END;
  of_store text := CASE WHEN dice(3) > 1 THEN s.name END;
  floor_before bigint;
  floor_after bigint;
  granted bigint;
  error text;
  what text;
BEGIN
  floor_before := CASE WHEN of_store IS NULL THEN (SELECT max(floor_of(name)) FROM store WHERE attached) ELSE floor_of(of_store) END;
  BEGIN
    granted := mvstore_pin(pin_name, v, usecs(ttl), of_store::regclass);
  EXCEPTION WHEN object_not_in_prerequisite_state OR SQLSTATE '72000' THEN
    error := SQLSTATE;
  END;
  floor_after := CASE WHEN of_store IS NULL THEN (SELECT max(floor_of(name)) FROM store WHERE attached) ELSE floor_of(of_store) END;
  what := format('pin %s of %s at %s for %s: %s', pin_name, of_store, v, usecs(ttl), coalesce(error, 'granted at ' || granted));
  PERFORM note(what);
  IF v IS NULL AND error IS NOT NULL THEN
    -- Nothing is stable yet above what the same transaction has cleared.
    PERFORM so(what || ', floor ' || floor_after, error = '55000' AND EXISTS (SELECT FROM store WHERE cleared AND name = of_store));
  ELSE
    PERFORM judge_error(what, error, '55000', coalesce(v > clock(), false));
  END IF;
  IF error = '72000' THEN
    PERFORM so(what || ', floor ' || floor_after, v < floor_after);
  ELSIF error IS NULL THEN
    PERFORM so(what || ', floor ' || floor_before, granted = coalesce(v, granted) AND (granted >= floor_before OR (v IS NULL AND of_store IS NULL)));
    PERFORM hand_out(granted);
    -- Of a store just emptied, a pin on all of them promises nothing.
    UPDATE store SET since = clock() + 2000 WHERE attached AND floor_of(name) > granted;
    INSERT INTO pin SELECT pin_name, of_store, granted, mvstore_version_at(p.expires), clock() FROM mvstore_pins p WHERE p.name = pin_name
      ON CONFLICT (name) DO UPDATE SET store = excluded.store, version = excluded.version, expires = excluded.expires, since = excluded.since;
    PERFORM so(what || ': there is no such pin', FOUND OR ttl < 1000000);
  END IF;
END $$;

CREATE FUNCTION remove_pin(pin_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  began bigint := clock();
  expires bigint := (SELECT p.expires FROM pin p WHERE name = pin_name);
  lived boolean := mvstore_unpin(pin_name);
BEGIN
  PERFORM note(format('unpin %s: %s', pin_name, lived));
  PERFORM so(format('unpin of %s, which expires at %s: %s', pin_name, expires, lived),
    lived = CASE WHEN expires IS NULL OR expires < began - 2000 THEN false WHEN expires > clock() + 2000 THEN true ELSE lived END);
  DELETE FROM pin WHERE name = pin_name;
END $$;

CREATE FUNCTION erase(kind text, s store, k bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  is_prefix boolean := dice(3) = 1;
  prefix bytea := CASE WHEN is_prefix THEN any_prefix(kind = 'text') ELSE k END;
  following bytea := CASE WHEN is_prefix THEN prefix_end(prefix) ELSE k || '\x00' END;
  began bigint := clock();
  oldest bigint;
  low bigint;
  high bigint;
  erased bigint;
  error text;
  what text;
BEGIN
  -- The worker may take away meanwhile what the policy lets go.
  SELECT min(version), count(*) FILTER (WHERE let_go_at IS NULL), count(*) INTO oldest, low, high
    FROM truth WHERE store = s.name AND NOT gone AND key >= prefix AND (following IS NULL OR key < following);
  BEGIN
    erased := CASE WHEN NOT is_prefix AND kind = 'text' THEN mvstore_erase(s.name::regclass, whole_text(k))
                   WHEN NOT is_prefix THEN mvstore_erase_raw(s.name::regclass, k)
                   WHEN kind = 'text' THEN mvstore_erase_prefix(s.name::regclass, whole_text(prefix))
                   ELSE mvstore_erase_prefix_raw(s.name::regclass, prefix) END;
  EXCEPTION WHEN object_in_use THEN
    error := SQLSTATE;
  END;
  what := format('erase%s %s %s: %s', CASE WHEN is_prefix THEN '_prefix' END, s.name, left(prefix::text, 20), coalesce(error, erased::text));
  PERFORM note(what);
  PERFORM judge_error(what, error, '55006', CASE WHEN oldest IS NULL THEN false WHEN low = high THEN is_pinned(s.name, oldest, began, clock()) END);
  IF error IS NULL THEN
    PERFORM so(format('%s of %s to %s', what, low, high), erased BETWEEN low AND high);
    UPDATE store SET perhaps = greatest(perhaps, (SELECT max(let_go_end) FROM truth
      WHERE store = s.name AND NOT gone AND key >= prefix AND (following IS NULL OR key < following))) WHERE name = s.name;
    DELETE FROM truth WHERE store = s.name AND key >= prefix AND (following IS NULL OR key < following);
    DELETE FROM touched WHERE store = s.name AND key >= prefix AND (following IS NULL OR key < following);
    -- Requests that name such keys are void, if they have not gone to be worked off yet.
    UPDATE request SET certain = false WHERE store = s.name AND key >= prefix AND (following IS NULL OR key < following);
  END IF;
END $$;

-- All that was asked of a store's last life is void.
CREATE FUNCTION end_life(s text) RETURNS void LANGUAGE sql AS $$
  DELETE FROM request WHERE store = s;
  DELETE FROM touched WHERE store = s;
  DELETE FROM swept WHERE store = s $$;

CREATE FUNCTION clear(s store) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  began bigint := clock();
  error text;
BEGIN
  BEGIN
    IF dice(2) = 1 THEN
      PERFORM mvstore_clear(s.name::regclass);
    ELSE
      EXECUTE format('TRUNCATE public.%I', s.name);
    END IF;
  EXCEPTION WHEN object_in_use THEN
    error := SQLSTATE;
  END;
  PERFORM note(format('clear %s: %s', s.name, coalesce(error, 'done')));
  PERFORM judge_error('clear', error, '55006', is_pinned(s.name, 0, began, clock()));
  IF error IS NULL THEN
    DELETE FROM truth WHERE store = s.name;
    PERFORM end_life(s.name);
    UPDATE store SET floor = floor_of(name), perhaps = floor_of(name), cleared = true WHERE name = s.name;
    PERFORM so('a floor above all before', floor_of(s.name) >= (SELECT last_value FROM last) AND floor_of(s.name) <= clock() + 2000);
    PERFORM hand_out(floor_of(s.name));
  END IF;
END $$;

-- A plain table for some time; what is then its history, who attaches it says.
CREATE FUNCTION detach(s store) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  began bigint := clock();
  floor_before bigint;
  error text;
BEGIN
  BEGIN
    EXECUTE format('LOCK TABLE public.%I IN SHARE ROW EXCLUSIVE MODE', s.name);
    floor_before := floor_of(s.name);
    PERFORM mvstore_detach(s.name::regclass);
  EXCEPTION WHEN object_in_use THEN
    error := SQLSTATE;
  END;
  PERFORM note(format('detach %s: %s', s.name, coalesce(error, 'done')));
  PERFORM judge_error('detach', error, '55006', is_pinned(s.name, 0, began, clock()));
  IF error IS NULL THEN
    PERFORM end_life(s.name);
    DELETE FROM pin WHERE store = s.name;
    UPDATE store SET attached = false, floor = floor_before, keep_versions = NULL, keep_for = NULL, ttl = NULL WHERE name = s.name;
  END IF;
END $$;

CREATE FUNCTION attach(kind text, s store) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v bigint := greatest(any_version(s.name), s.floor, 1);
  k bytea := any_key();
  wanted bigint := CASE dice(6) WHEN 1 THEN NULL WHEN 2 THEN greatest(s.floor, any_version(s.name)) ELSE s.floor END;
BEGIN
  IF dice(3) = 1 AND NOT EXISTS (SELECT FROM truth WHERE store = s.name AND key = k AND version = v) THEN
    EXECUTE format('INSERT INTO public.%I VALUES ($1, $2, $3)', s.name) USING k, v, '\x61'::bytea;
    INSERT INTO truth VALUES (s.name, k, v, 'a');
    PERFORM note(format('insert %s %s at %s', s.name, left(k::text, 20), v));
  END IF;
  IF kind LIKE 'policies%' THEN
    s := any_policy(s);
  END IF;
  PERFORM mvstore_attach(s.name::regclass, s.keep_versions, usecs(s.keep_for), usecs(s.ttl), wanted);
  PERFORM note(format('attach %s with floor %s: keep %s for %s, ttl %s', s.name, wanted, s.keep_versions, usecs(s.keep_for), usecs(s.ttl)));
  PERFORM same('floor', floor_of(s.name), coalesce(wanted, floor_of(s.name)));
  PERFORM so('a floor above all before', wanted IS NOT NULL OR floor_of(s.name) >= (SELECT last_value FROM last));
  PERFORM hand_out(floor_of(s.name));
  UPDATE store SET attached = true, floor = floor_of(name), perhaps = floor_of(name), keep_versions = s.keep_versions, keep_for = s.keep_for, ttl = s.ttl,
    cleared = true, since = clock() WHERE name = s.name;
  INSERT INTO swept VALUES (s.name);
END $$;

-- Another store of the same name, which has no past.
CREATE FUNCTION replace(kind text, s store) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DROP TABLE IF EXISTS public.%I', s.name);
  IF kind LIKE 'policies%' AND dice(2) = 1 THEN
    s := any_policy(s);
  ELSE
    s.keep_versions := NULL; s.keep_for := NULL; s.ttl := NULL;
  END IF;
  PERFORM mvstore_create('public.' || s.name, s.keep_versions, usecs(s.keep_for), usecs(s.ttl));
  PERFORM note(format('create %s: keep %s for %s, ttl %s', s.name, s.keep_versions, usecs(s.keep_for), usecs(s.ttl)));
  DELETE FROM truth WHERE store = s.name;
  PERFORM end_life(s.name);
  DELETE FROM pin WHERE store = s.name;
  DELETE FROM store WHERE name = s.name;
  INSERT INTO store VALUES (s.name, true, s.keep_versions, s.keep_for, s.ttl, 0, 0, 0, false, clock());
END $$;

-- One random operation, on a store and in the model. In the youth of a store the past
-- is written above all; puts, and drops of what they superseded, leave little of it.
CREATE FUNCTION operation(kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s store;
  k bytea := any_key();
  is_policed boolean := kind LIKE 'policies%';
  choice int := dice(100);
  rare int := dice(100);
BEGIN
  s := any_store();
  IF NOT s.attached THEN
    PERFORM attach(kind, s);
    RETURN;
  END IF;
  UPDATE store SET cursor = least(cursor + dice(6), 1200) WHERE name = s.name;

  IF choice <= (CASE WHEN s.cursor < 750 THEN 8 ELSE 25 END) THEN
    BEGIN
      IF dice(4) > 1 THEN
        PERFORM put(kind, s, k);
      ELSE
        PERFORM delete(kind, s, k);
      END IF;
    EXCEPTION WHEN serialization_failure THEN
      -- The version of the transaction is older than the floor.
      PERFORM so(SQLERRM, s.cleared);
    END;
  ELSIF choice <= 60 THEN
    BEGIN
      PERFORM write_past(kind, s, k);
    EXCEPTION WHEN serialization_failure THEN
      PERFORM so(SQLERRM, s.cleared);
    END;
  ELSIF choice <= 78 THEN
    PERFORM request_drop(kind, s, k);
  ELSIF choice <= 80 THEN
    PERFORM erase(kind, s, k);
  ELSIF choice <= 82 THEN
    PERFORM set_pin(s);
  ELSIF choice <= 87 THEN
    PERFORM remove_pin(coalesce((SELECT name FROM pin ORDER BY random() LIMIT 1), 'p1'));
  ELSIF choice <= 89 THEN
    PERFORM make_up_request(s, k);
  ELSIF choice <= 91 THEN
    PERFORM mvstore_sweep(s.name::regclass);
    INSERT INTO swept VALUES (s.name);
    PERFORM note('sweep ' || s.name);
  ELSIF choice <= 97 AND is_policed THEN
    PERFORM set_policy(s);
  ELSIF rare <= 20 THEN
    PERFORM mvstore_stats_reset();
    PERFORM note('stats_reset');
  ELSIF rare <= 35 THEN
    PERFORM clear(s);
  ELSIF rare <= 65 THEN
    PERFORM detach(s);
  ELSIF rare <= (CASE WHEN s.cursor < 400 THEN 70 ELSE 100 END) THEN
    PERFORM replace(kind, s);
  END IF;
END $$;

-- A few operations, some of them in savepoints that are rolled back.
CREATE FUNCTION transaction(kind text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('mvstore.durable_drops', (dice(4) > 1)::text, true);
  FOR i IN 1 .. dice(6) LOOP
    IF dice(3) > 1 THEN
      PERFORM operation(kind);
    ELSE
      DECLARE
        undo boolean := dice(2) = 1;
      BEGIN
        FOR j IN 1 .. dice(3) LOOP
          PERFORM operation(kind);
        END LOOP;
        IF undo THEN RAISE SQLSTATE 'UNDO0'; END IF;
      EXCEPTION WHEN SQLSTATE 'UNDO0' THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;

-- ---- What has gone ----------------------------------------------------------

-- Note what the policies may take away at any moment until the transactions of the
-- next step have been committed.
CREATE FUNCTION foresee() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE truth SET let_go_at = NULL, let_go_end = NULL WHERE let_go_at IS NOT NULL;
  UPDATE truth t SET let_go_at = let_go(p, h.horizon), let_go_end = p.ends
    FROM policed p, LATERAL (SELECT pinned(p.store, clock() + 10000000) AS horizon) h
   WHERE p.store = t.store AND p.key = t.key AND p.version = t.version AND let_go(p, h.horizon) <= clock() + 10000000;
  UPDATE store SET cleared = false WHERE cleared;
END $$;

-- Compare what is there with what may and must have gone. All requests that were due,
-- and all passes asked for, have been worked off, at the moment it began or later.
CREATE FUNCTION absorb(began bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ended bigint := clock() + 2000;
  wrong text;
  s store;
  bounds record;
BEGIN
  DELETE FROM judged;
  WITH there AS MATERIALIZED (SELECT x.name AS store, t.* FROM store x, there(x.name) t),
  horizon AS MATERIALIZED (SELECT name AS store, pinned(name, began - 2000) AS sure, pinned(name, ended) AS perhaps FROM store),
  asked AS (
    SELECT p.store, p.key, p.version, bool_or(r.low <= h.perhaps) AS may,
           bool_or(r.certain AND r.high <= h.sure AND p.ends <= r.low) AS must
      FROM policed p JOIN horizon h USING (store) JOIN request r USING (store)
     WHERE p.rank > r.keep AND p.ends <= r.high AND
           CASE WHEN r.single THEN p.key = r.key ELSE p.key >= r.key AND (r.to_key IS NULL OR p.key < r.to_key) END
     GROUP BY p.store, p.key, p.version),
  verdict AS (
    SELECT p.*, h.sure, h.perhaps, p.let_go_at <= ended AS early,
           coalesce(let_go(p, h.perhaps) <= ended, false) OR coalesce(a.may, false) AS may,
           a.must OR let_go(p, h.sure) <= began AND
             (EXISTS (SELECT FROM swept w WHERE w.store = p.store) OR
              (p.keep_versions IS NOT NULL AND p.keep_for IS NULL AND
               EXISTS (SELECT FROM touched w WHERE w.store = p.store AND w.key = p.key AND (NOT w.held OR p.rank > p.keep_versions)))) AS must
      FROM policed p JOIN horizon h ON h.store = p.store
             LEFT JOIN asked a ON a.store = p.store AND a.key = p.key AND a.version = p.version)
  INSERT INTO judged
    SELECT v.store, v.key, v.version, t.version IS NOT NULL, coalesce(early, false) OR coalesce(may, false), coalesce(must, false),
           least(CASE WHEN early THEN let_go_end END, CASE WHEN may THEN ends END),
           greatest(CASE WHEN early THEN let_go_end END, CASE WHEN may THEN ends END),
           format('%s %s at %s: rank %s, end %s, let go at %s, before the step %s; horizon %s to %s; now %s to %s', v.store, left(v.key::text, 20),
                  v.version, rank, ends, let_go, let_go_at, sure, perhaps, began, ended)
      FROM verdict v LEFT JOIN there t ON t.store = v.store AND t.key = v.key AND t.version = v.version
       AND t.value IS NOT DISTINCT FROM v.value AND t.expires IS NOT DISTINCT FROM v.expires;

  SELECT string_agg(format('%s %s at %s', x.name, left(t.key::text, 20), t.version), '; ') INTO wrong
    FROM store x, there(x.name) t
   WHERE NOT EXISTS (SELECT FROM judged j WHERE j.store = x.name AND j.key = t.key AND j.version = t.version AND is_there);
  PERFORM so('there, though nobody put it, or it had gone: ' || wrong, wrong IS NULL);
  SELECT string_agg(why, '; ') INTO wrong FROM judged WHERE NOT is_there AND NOT may;
  PERFORM so('gone, though nothing lets it go: ' || wrong, wrong IS NULL);
  SELECT string_agg(why, '; ') INTO wrong FROM judged WHERE is_there AND must;
  PERFORM so('still there: ' || wrong, wrong IS NULL);
  SELECT string_agg(o.why, '; ') INTO wrong
    FROM judged o JOIN judged g USING (store, key) WHERE o.is_there AND NOT g.is_there AND o.version < g.version;
  PERFORM so('older than what has gone: ' || wrong, wrong IS NULL);

  UPDATE truth t SET gone = true FROM judged j
   WHERE NOT j.is_there AND j.store = t.store AND j.key = t.key AND j.version = t.version;
  FOR s IN SELECT * FROM store WHERE attached LOOP
    SELECT greatest(s.floor, max(low)) AS low, greatest(s.floor, s.perhaps, max(high)) AS high INTO bounds FROM judged WHERE store = s.name AND NOT is_there;
    IF floor_of(s.name) NOT BETWEEN bounds.low AND bounds.high THEN
      RAISE EXCEPTION 'floor of %: found %, expected % to %', s.name, floor_of(s.name), bounds.low, bounds.high;
    END IF;
    UPDATE store SET floor = floor_of(name), perhaps = floor_of(name) WHERE name = s.name;
    PERFORM so(format('floor of %s above the stable version', s.name), floor_of(s.name) <= mvstore_stable_version());
    SELECT string_agg(format('%s at %s', p.name, p.version), ', ') INTO wrong
      FROM pin p WHERE coalesce(p.store, s.name) = s.name AND p.expires > ended AND p.version < floor_of(s.name) AND p.since > s.since;
    PERFORM so(format('floor %s of %s above pin %s', floor_of(s.name), s.name, wrong), wrong IS NULL);
  END LOOP;
  PERFORM count_up('entries compared', (SELECT count(*) FROM judged WHERE is_there));
  PERFORM count_up('entries gone', (SELECT count(*) FROM judged WHERE NOT is_there));
  PERFORM count_up('entries gone for sure', (SELECT count(*) FROM judged WHERE must));

  DELETE FROM request r WHERE high <= pinned(r.store, began - 2000);
  DELETE FROM touched t WHERE pinned(t.store, began - 2000) = newest();
  UPDATE touched SET held = true;
  DELETE FROM swept;
END $$;

-- ---- Reads ------------------------------------------------------------------

-- Whether an entry has expired, as of a version.
CREATE FUNCTION is_over(expires bigint, v bigint, f bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT expires IS NOT NULL AND expires <= CASE v WHEN newest() THEN greatest(mvstore_version_at(statement_timestamp()), f) ELSE v END $$;

-- What the model says: the newest entries at v, of all that ever was, for floor f.
CREATE FUNCTION live(s text, v bigint, f bigint) RETURNS TABLE (key bytea, version bigint, value bytea) LANGUAGE sql STABLE AS $$
  SELECT key, version, value FROM (SELECT DISTINCT ON (t.key) t.key, t.version, t.value, t.expires
                   FROM truth t WHERE t.store = s AND t.version <= v ORDER BY t.key, t.version DESC) newest
   WHERE value IS NOT NULL AND NOT is_over(expires, v, f) $$;

CREATE TYPE found AS (key bytea, version bigint, value bytea);

-- A page of a scan, or the error that it gives.
CREATE FUNCTION scan(s regclass, a bytea, b bytea, v bigint, n bigint, backwards boolean, OUT rows found[], OUT error text)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT coalesce(array_agg(ROW (r.key, r.version, r.value)::found), '{}') INTO rows FROM mvstore_scan_raw(s, a, b, v, n, backwards) r;
EXCEPTION WHEN SQLSTATE '72000' THEN
  error := SQLSTATE;
END $$;

-- Compare every kind of read of a key as of v with the model.
CREATE FUNCTION compare_key(kind text, s store, k bytea, v bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  entry record;        -- what is left
  once record;         -- what ever was
  got bytea;
  got_entry record;
  got_contains boolean;
  errors text[];
  expected_error text;
  r regclass := s.name::regclass;
BEGIN
  SELECT version INTO entry FROM truth WHERE store = s.name AND key = k AND version <= v AND NOT gone ORDER BY version DESC LIMIT 1;
  SELECT version, value, expires INTO once FROM truth WHERE store = s.name AND key = k AND version <= v ORDER BY version DESC LIMIT 1;
  IF is_over(once.expires, v, s.floor) THEN
    once.value := NULL;
  END IF;
  expected_error := CASE WHEN entry.version IS NULL AND v < s.floor THEN '72000' END;
  BEGIN
    got := mvstore_get_raw(r, k, v);
    errors[1] := NULL;
  EXCEPTION WHEN SQLSTATE '72000' THEN errors[1] := SQLSTATE;
  END;
  BEGIN
    got_contains := mvstore_contains_raw(r, k, v);
    errors[2] := NULL;
  EXCEPTION WHEN SQLSTATE '72000' THEN errors[2] := SQLSTATE;
  END;
  BEGIN
    SELECT * INTO got_entry FROM mvstore_get_entry_raw(r, k, v);
    errors[3] := NULL;
  EXCEPTION WHEN SQLSTATE '72000' THEN errors[3] := SQLSTATE;
  END;
  PERFORM same(format('errors of get, contains and get_entry of %s in %s as of %s', k, s.name, v), errors, ARRAY[expected_error, expected_error, expected_error]);
  IF expected_error IS NOT NULL THEN
    RETURN;
  END IF;

  -- Transparency: an answer is the answer of all that ever was.
  PERFORM same(format('get %s in %s as of %s', k, s.name, v), got, once.value);
  PERFORM same(format('contains %s in %s as of %s', k, s.name, v), got_contains, once.value IS NOT NULL);
  PERFORM same(format('get_entry %s in %s as of %s', k, s.name, v), ROW (got_entry.key, got_entry.version, got_entry.value)::found,
    CASE WHEN once.value IS NULL THEN ROW (NULL, NULL, NULL)::found ELSE ROW (k, once.version, once.value)::found END);
  PERFORM same(format('expiry of %s in %s as of %s', k, s.name, v), mvstore_version_at(got_entry.expires_at), CASE WHEN once.value IS NOT NULL THEN once.expires END);
  IF kind = 'text' THEN
    PERFORM same(format('text of %s as of %s', k, v), convert_to(mvstore_get(r, whole_text(k), v), 'UTF8'), once.value);
    PERFORM same(format('text of %s as of %s', k, v), mvstore_get_bytea(r, whole_text(k), v), once.value);
  END IF;
END $$;

-- Likewise of a range, or of all; and of what has changed since another version.
CREATE FUNCTION compare_range(kind text, s store, v bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r regclass := s.name::regclass;
  a bytea := CASE dice(4) WHEN 1 THEN NULL WHEN 2 THEN decode(left(md5(random()::text), 2), 'hex') ELSE any_key() END;
  b bytea := CASE dice(4) WHEN 1 THEN NULL WHEN 2 THEN decode(left(md5(random()::text), 2), 'hex') ELSE any_key() END;
  backwards boolean := dice(2) = 1;
  page bigint := CASE dice(3) WHEN 1 THEN dice(5) - 1 END;
  error text;
  rows found[];
  expected found[];
  all_pages found[] := '{}';
  next bytea;
  earlier bigint := least(any_version(s.name), v);
  wrong bigint;
BEGIN
  IF a > b THEN next := a; a := b; b := next; END IF;
  SELECT x.rows, x.error INTO rows, error FROM scan(r, a, b, v, page, backwards) x;
  IF v < s.floor THEN
    PERFORM same(format('error of a scan of %s as of %s', s.name, v), error, '72000');
    RETURN;
  END IF;
  SELECT coalesce(array_agg(ROW (key, version, value)::found), '{}') INTO expected
    FROM (SELECT * FROM live(s.name, v, s.floor) WHERE (a IS NULL OR key >= a) AND (b IS NULL OR key < b)
           ORDER BY CASE WHEN NOT backwards THEN key END, CASE WHEN backwards THEN key END DESC LIMIT page) l;
  PERFORM same(format('scan of %s from %s to %s as of %s, max_rows %s, reverse %s', s.name, a, b, v, page, backwards), rows, expected);

  -- The same range page by page.
  page := dice(4);
  next := CASE WHEN backwards THEN b ELSE a END;
  LOOP
    SELECT x.rows INTO rows FROM scan(r, CASE WHEN backwards THEN a ELSE next END, CASE WHEN backwards THEN next ELSE b END, v, page, backwards) x;
    EXIT WHEN cardinality(rows) = 0;
    PERFORM same('no more rows than asked for', cardinality(rows) <= page, true);
    all_pages := all_pages || rows;
    next := rows[cardinality(rows)].key || CASE WHEN backwards THEN '' ELSE '\x00' END::bytea;
    EXIT WHEN next >= b;   -- the range has come to its end
  END LOOP;
  SELECT coalesce(array_agg(ROW (key, version, value)::found), '{}') INTO expected
    FROM (SELECT * FROM live(s.name, v, s.floor) WHERE (a IS NULL OR key >= a) AND (b IS NULL OR key < b)
           ORDER BY CASE WHEN NOT backwards THEN key END, CASE WHEN backwards THEN key END DESC) l;
  PERFORM same(format('pages of %s of %s from %s to %s as of %s, reverse %s', page, s.name, a, b, v, backwards), all_pages, expected);
  PERFORM same(format('count of %s from %s to %s as of %s', s.name, a, b, v), mvstore_count_raw(r, a, b, v), cardinality(expected)::bigint);

  -- Prefixes: of keys, and what is left of them when bytes are cut off.
  next := any_prefix(false);
  SELECT coalesce(array_agg(ROW (x.key, x.version, x.value)::found), '{}') INTO rows FROM mvstore_scan_prefix_raw(r, next, v, NULL, backwards) x;
  SELECT coalesce(array_agg(ROW (key, version, value)::found), '{}') INTO expected
    FROM (SELECT * FROM live(s.name, v, s.floor) WHERE substr(key, 1, length(next)) = next
           ORDER BY CASE WHEN NOT backwards THEN key END, CASE WHEN backwards THEN key END DESC) l;
  PERFORM same(format('scan of %s by prefix %s as of %s, reverse %s', s.name, next, v, backwards), rows, expected);
  IF kind = 'text' THEN
    a := CASE WHEN EXISTS (SELECT FROM keys WHERE key = a) THEN a END;   -- text, or none
    SELECT coalesce(array_agg(ROW (convert_to(key, 'UTF8'), version, convert_to(value, 'UTF8'))::found), '{}') INTO rows
      FROM mvstore_scan(r, whole_text(a), NULL, v, NULL, backwards) x;
    SELECT coalesce(array_agg(ROW (key, version, value)::found), '{}') INTO expected
      FROM (SELECT * FROM live(s.name, v, s.floor) WHERE a IS NULL OR key >= a
             ORDER BY CASE WHEN NOT backwards THEN key END, CASE WHEN backwards THEN key END DESC) l;
    PERFORM same(format('text scan from %s as of %s, reverse %s', a, v, backwards), rows, expected);
  END IF;

  IF earlier >= s.floor THEN
    -- As of the newest, what had expired then has expired, too.
    SELECT count(*) INTO wrong FROM (
      SELECT coalesce(o.key, n.key), o.version, o.value, n.version, n.value
        FROM live(s.name, earlier, s.floor) o FULL JOIN live(s.name, v, greatest(s.floor, earlier)) n USING (key)
       WHERE o.version IS DISTINCT FROM n.version
      EXCEPT SELECT * FROM mvstore_diff_raw(r, earlier, v)) d;
    PERFORM same(format('changes of %s from %s to %s that diff does not tell', s.name, earlier, v), wrong, 0::bigint);
    SELECT count(*) INTO wrong FROM (
      SELECT * FROM mvstore_diff_raw(r, earlier, v) EXCEPT
      SELECT coalesce(o.key, n.key), o.version, o.value, n.version, n.value
        FROM live(s.name, earlier, s.floor) o FULL JOIN live(s.name, v, greatest(s.floor, earlier)) n USING (key)) d;
    PERFORM same(format('changes of %s from %s to %s that are none', s.name, earlier, v), wrong, 0::bigint);
  END IF;
END $$;

-- What history and previous say of what is there.
CREATE FUNCTION compare_history(s store) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r regclass := s.name::regclass;
  k bytea;
  n bigint;
  v bigint;
  got found;
  expected found;
  rows found[];
  wanted found[];
BEGIN
  FOR k IN SELECT key FROM keys LOOP
    n := CASE dice(2) WHEN 1 THEN dice(4) - 1 END;
    SELECT coalesce(array_agg(ROW (k, version, value)::found), '{}') INTO rows FROM mvstore_history_raw(r, k, n);
    SELECT coalesce(array_agg(ROW (key, version, value)::found), '{}') INTO wanted
      FROM (SELECT * FROM truth WHERE store = s.name AND key = k AND NOT gone ORDER BY version DESC LIMIT n) t;
    PERFORM same(format('history of %s in %s, max_rows %s', k, s.name, n), rows, wanted);
    v := greatest(CASE dice(3) WHEN 1 THEN newest() ELSE any_version(s.name) END, 1);
    expected := NULL;
    SELECT key, version, value INTO expected FROM truth WHERE store = s.name AND key = k AND NOT gone AND version < v ORDER BY version DESC LIMIT 1;
    BEGIN
      got := NULL;
      SELECT key, version, value INTO got FROM mvstore_previous_raw(r, k, v);
      PERFORM same(format('previous of %s in %s before %s', k, s.name, v), got, expected);
      PERFORM so(format('previous of %s in %s before %s: nothing, though it may be gone', k, s.name, v), expected.version IS NOT NULL OR v - 1 >= s.floor);
    EXCEPTION WHEN SQLSTATE '72000' THEN
      PERFORM so(format('previous of %s in %s before %s: found %s, expected %s', k, s.name, v, SQLERRM, expected), expected.version IS NULL AND v - 1 < s.floor);
    END;
  END LOOP;
END $$;

CREATE FUNCTION compare(kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s store;
  v bigint;
  k bytea;
  p pin;
BEGIN
  s := any_store();
  IF NOT s.attached THEN
    RETURN;
  END IF;
  PERFORM compare_history(s);
  FOR i IN 1 .. 2 LOOP
    v := CASE dice(4) WHEN 1 THEN newest() ELSE any_version(s.name) END;
    FOR k IN SELECT key FROM keys LOOP
      PERFORM compare_key(kind, s, k, v);
    END LOOP;
    FOR j IN 1 .. 2 LOOP
      PERFORM compare_range(kind, s, v);
    END LOOP;
  END LOOP;
  -- What is pinned answers, whatever has been asked for.
  FOR p IN SELECT * FROM pin WHERE coalesce(store, s.name) = s.name AND expires > clock() + 1000000 AND since > s.since LOOP
    PERFORM compare_range(kind, s, p.version);
    PERFORM count_up('reads as of pins');
  END LOOP;
  PERFORM count_up('comparisons', 5 * (SELECT count(*) FROM keys) * 2 + 20);
END $$;

-- ---- Runs -------------------------------------------------------------------

CREATE PROCEDURE start(kind text, seed int) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM setseed((seed % 1000000) / 1000000.0);
  TRUNCATE store, truth, request, pin, swept, touched, judged, keys, run, log, counter RESTART IDENTITY;
  PERFORM mvstore_unpin(name) FROM mvstore_pins;
  INSERT INTO run VALUES (kind, 0, (clock() / 60000000 - 1300) * 60000000);
  PERFORM setval('last', mvstore_stable_version());
  IF kind = 'text' THEN
    INSERT INTO keys (key) SELECT convert_to(k, 'UTF8')
      FROM unnest(ARRAY['', ' ', 'a', 'aa', E'a\x01', 'ab', 'b', U&'\00e4', U&'\00e4\20ac', U&'\+01F600', '%', '_']) k;
  ELSIF kind = 'bytes' THEN
    INSERT INTO keys (key) VALUES (''), ('\x00'), ('\x0000'), ('\x00ff'), ('\x01'), ('a'), ('\x6100'), ('\x61ff'),
      ('\x61ffff'), ('b'), ('\xfe'), ('\xff'), ('\xff00'), ('\xffff'), ('\xffffff'), (decode(repeat('ff', 2000), 'hex'));
  ELSE
    INSERT INTO keys (key) VALUES (''), ('a'), ('\x6100'), ('aa'), ('b'), ('\xff'), ('\xffff');
  END IF;
  PERFORM replace(kind, ROW (name, true, NULL, NULL, NULL, 0, 0, 0, false, 0)::store) FROM unnest('{s,t}'::text[]) name;
END $$;

-- After a restart: what was only in memory is lost by a crash, after which all
-- policies are looked after.
CREATE PROCEDURE go_on(seed int, crashed boolean) LANGUAGE plpgsql AS $$
DECLARE
  began bigint := (SELECT last_value FROM last);
BEGIN
  PERFORM setseed((seed % 1000000) / 1000000.0);
  IF crashed THEN
    UPDATE request SET certain = false WHERE NOT durable;
    DELETE FROM touched;
    INSERT INTO swept SELECT name FROM store WHERE attached;
  END IF;
  PERFORM hand_out(mvstore_stable_version());
  PERFORM note(CASE WHEN crashed THEN 'crash' ELSE 'restart' END);
  -- Passes may be over by now: they are for what was known before the crash.
  PERFORM foresee();
  COMMIT;
  CALL flush(began);
END $$;

-- Wait for what has been requested, which can have been worked off since some moment,
-- and compare what is there and what is read.
CREATE PROCEDURE flush(began bigint) LANGUAGE plpgsql AS $$
DECLARE
  called bigint := clock();
  done boolean := mvstore_flush();
  wrong text;
BEGIN
  IF NOT done THEN
    PERFORM so('flush gave up', EXISTS (SELECT FROM pin WHERE expires > called - 2000));
    PERFORM so('flush waited in vain for what is pinned', clock() - called < 20000000);
    PERFORM count_up('flushes that pins held up');
  ELSE
    SELECT string_agg(r::text, '; ') INTO wrong FROM request r WHERE certain AND durable AND low > pinned(r.store, clock() + 2000);
    PERFORM so('flush says that this is done, which is pinned: ' || wrong, wrong IS NULL);
  END IF;
  COMMIT;
  -- One snapshot for all of it, whatever goes meanwhile.
  SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
  PERFORM absorb(began);
  PERFORM compare((SELECT kind FROM run));
  COMMIT;
END $$;

CREATE PROCEDURE step() LANGUAGE plpgsql AS $$
DECLARE
  n int := (SELECT step + 1 FROM run);
  began bigint;
BEGIN
  UPDATE run SET step = n;
  PERFORM foresee();
  COMMIT;
  BEGIN
    PERFORM transaction((SELECT kind FROM run));
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'step %: % (%)', n, SQLERRM, SQLSTATE;
  END;
  began := clock();
  IF dice(8) = 1 THEN
    ROLLBACK;
  ELSE
    COMMIT;
  END IF;
  CALL flush(began);

  -- Pins that are about to expire do so now: every step knows which are in force.
  began := (SELECT max(expires) FROM pin WHERE expires < clock() + 1000000);
  IF began IS NOT NULL THEN
    PERFORM pg_sleep(extract(epoch FROM mvstore_time_of(began) - clock_timestamp()) + 0.01);
    COMMIT;
    CALL flush(began + 2001);
    DELETE FROM pin WHERE expires <= began;
  END IF;
END $$;

-- Without pins, wait until the policies are met, without anybody asking for it.
CREATE PROCEDURE settle() LANGUAGE plpgsql AS $$
DECLARE
  began bigint;
  garbage text;
BEGIN
  PERFORM foresee();
  PERFORM remove_pin(name) FROM pin;
  began := clock();
  COMMIT;
  CALL flush(began);
  LOOP
    SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
    PERFORM absorb(began);
    SELECT string_agg(format('%s %s at %s, let go at %s', store, left(key::text, 20), version, let_go), '; ') INTO garbage
      FROM policed WHERE let_go <= began;
    COMMIT;
    EXIT WHEN garbage IS NULL;
    PERFORM so('the policies are not met: ' || garbage, clock() - began < 60000000);
    PERFORM pg_sleep(0.05);
    COMMIT;
  END LOOP;
  PERFORM count_up('waits for the policies');
END $$;

-- At the end, nothing is left of what was asked for.
CREATE PROCEDURE finish() LANGUAGE plpgsql AS $$
DECLARE
  began bigint;
BEGIN
  CALL settle();
  PERFORM foresee();
  COMMIT;
  PERFORM mvstore_sweep(name::regclass) FROM store WHERE attached;
  INSERT INTO swept SELECT name FROM store WHERE attached;
  began := clock();
  COMMIT;
  CALL flush(began);
  PERFORM same('requests left', (SELECT count(*) FROM mvstore_requests), 0::bigint);
  PERFORM same('last error', (SELECT last_error FROM mvstore_stats WHERE database = current_database()), NULL);
END $$;
