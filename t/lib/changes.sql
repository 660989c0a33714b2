-- What ChangesRun.pm runs in the server, and judges by. Writers note each entry in "ledger", in
-- the transaction that writes it, so that it has what was committed, and nothing else, whatever
-- is rolled back or crashes. Consumers keep their position, what they have seen, and a copy of
-- the store that they make of it, in tables, too: a step is a transaction.

CREATE TABLE ledger (
  store text, key text COLLATE "C", version bigint, value text,
  writer xid8 DEFAULT pg_current_xact_id(),
  past boolean DEFAULT false,  -- put into the past
  gone xid8,                   -- who has erased it, or emptied the store
  PRIMARY KEY (store, key, version));

CREATE TABLE consumer (
  name text PRIMARY KEY, store text, compacted boolean, pinned boolean,
  generation int DEFAULT 0,                             -- so many times it has begun anew
  version bigint, key text, start bigint,               -- position; synced_at
  steps int DEFAULT 0, compared int DEFAULT 0, refused int DEFAULT 0, amid int DEFAULT 0);
CREATE TABLE begun (consumer text, generation int, version bigint, synced bigint, snapshot pg_snapshot);
CREATE TABLE seen (
  n bigserial PRIMARY KEY, consumer text, generation int,
  version bigint, key text COLLATE "C", value text, deleted boolean);
CREATE TABLE copy (
  consumer text, key text COLLATE "C", version bigint, value text, expires_at timestamptz,
  PRIMARY KEY (consumer, key));
CREATE TABLE fault (consumer text, generation int, what text);

SELECT mvstore_create('a', feed := true), mvstore_create('b');
SELECT mvstore_create('c', keep_versions := 1, feed := true), mvstore_create('d', keep_versions := 1);
INSERT INTO consumer (name, store, compacted, pinned) VALUES
  ('complete', 'a', false, false), ('complete, perhaps no index', 'b', false, false),
  ('complete, pinned', 'c', false, true), ('compacted', 'a', true, false),
  ('compacted, one version', 'c', true, false), ('compacted, one version, no index', 'd', true, false);

-- ---- Writers -------------------------------------------------------------------

CREATE FUNCTION note(store text, key text, version bigint, value text, past boolean DEFAULT false)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO ledger (store, key, version, value, past) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT ON CONSTRAINT ledger_pkey DO UPDATE SET value = excluded.value, past = excluded.past
$$;

CREATE FUNCTION w_put(store text, key text, value text, ttl interval) RETURNS void LANGUAGE sql AS $$
  SELECT note(store, key, mvstore_put(store::regclass, key, value, ttl), value)
$$;

CREATE FUNCTION w_delete(store text, key text) RETURNS void LANGUAGE sql AS $$
  SELECT note(store, key, v, NULL) FROM mvstore_delete(store::regclass, key) v WHERE v IS NOT NULL
$$;

CREATE FUNCTION w_put_many(store text, keys text[], value text) RETURNS void LANGUAGE sql AS $$
  SELECT note(store, k, v, value)
    FROM (SELECT mvstore_put_many(store::regclass, keys, array_fill(value, ARRAY[cardinality(keys)])) v
          OFFSET 0) w, unnest(keys) k
$$;

CREATE FUNCTION w_put_at(store text, key text, value text, back bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  at bigint := mvstore_stable_version() - back;
BEGIN
  PERFORM mvstore_put_at(store::regclass, key, value, at);
  PERFORM note(store, key, at, value, true);
END $$;

-- What a transaction removes of its own was never there for others.
CREATE FUNCTION note_gone(the_store text, the_key text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
  DELETE FROM ledger WHERE store = the_store AND key = coalesce(the_key, key)
    AND writer = pg_current_xact_id();
  UPDATE ledger SET gone = pg_current_xact_id()
   WHERE store = the_store AND key = coalesce(the_key, key) AND gone IS NULL;
$$;

-- The locks are so that the ledger's rows, and the store's, are those of the same moment.
CREATE FUNCTION w_erase(store text, key text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', store);
  PERFORM mvstore_erase(store::regclass, key);
  PERFORM note_gone(store, key);
END $$;

CREATE FUNCTION w_empty(store text, truncate boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', store);
  IF truncate THEN
    EXECUTE format('TRUNCATE %I', store);
  ELSE
    PERFORM mvstore_clear(store::regclass);
  END IF;
  PERFORM note_gone(store);
END $$;

-- ---- Consumers -----------------------------------------------------------------

CREATE FUNCTION find_fault(c consumer, what text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO fault VALUES (c.name, c.generation, format('%s, at %s %s', what, c.version, c.key));
$$;

-- Begin with the store as of the stable version, or with nothing, before all of its history.
CREATE FUNCTION begin_anew(who text, with_history boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c consumer;
BEGIN
  SELECT * INTO c FROM consumer WHERE name = who;
  c.start := mvstore_stable_version();
  c.version := CASE WHEN with_history THEN 0 ELSE c.start END;
  IF c.pinned THEN
    PERFORM mvstore_pin(who, c.start, store := c.store::regclass);
  END IF;
  DELETE FROM copy WHERE consumer = who;
  IF c.version > 0 THEN
    INSERT INTO copy SELECT who, key, version, value, expires_at
                       FROM mvstore_scan(c.store::regclass, as_of := c.version);
  END IF;
  UPDATE consumer SET generation = generation + 1, version = c.version, key = NULL, start = c.start
   WHERE name = who;
  INSERT INTO begun VALUES (who, c.generation + 1, c.version, c.start, pg_current_snapshot());
EXCEPTION WHEN SQLSTATE '72000' OR SQLSTATE '55000' THEN
  NULL;  -- the store was emptied just now
END $$;

-- Whether the copy is what the store was as of the position; NULL where that is gone.
CREATE FUNCTION is_right(c consumer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN NOT EXISTS (
    SELECT FROM (SELECT key, version, value FROM copy
                  WHERE consumer = c.name AND (expires_at IS NULL OR expires_at > mvstore_time_of(c.version))) ours
      FULL JOIN mvstore_scan(c.store::regclass, as_of := c.version) theirs USING (key)
     WHERE (ours.version, ours.value) IS DISTINCT FROM (theirs.version, theirs.value));
EXCEPTION WHEN SQLSTATE '72000' THEN
  RETURN NULL;
END $$;

CREATE FUNCTION step(who text, page bigint, waiting interval DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c consumer;
  r record;
  rows bigint := 0;
  next bigint;
  stable bigint := mvstore_stable_version();  -- in the same snapshot it can only rise
  detail text;
  fixed boolean := current_setting('transaction_isolation') = 'repeatable read';
BEGIN
  SELECT * INTO c FROM consumer WHERE name = who;
  IF c.version IS NULL THEN
    IF fixed THEN
      PERFORM begin_anew(who, NOT c.pinned AND random() < 0.3);
    END IF;
    RETURN;
  END IF;
  BEGIN
    FOR r IN SELECT * FROM mvstore_changes(c.store::regclass, c.version, c.key, max_rows := page,
               wait := waiting, compacted := c.compacted, synced_at := c.start) LOOP
      INSERT INTO seen (consumer, generation, version, key, value, deleted)
      VALUES (who, c.generation, r.version, r.key, r.value, r.deleted);
      DELETE FROM copy WHERE consumer = who AND key = r.key;
      IF NOT r.deleted THEN
        INSERT INTO copy VALUES (who, r.key, r.version, r.value, r.expires_at);
      END IF;
      c.version := r.version;
      c.key := r.key;
      rows := rows + 1;
    END LOOP;
    IF fixed THEN
      SELECT version INTO next FROM mvstore_changes(c.store::regclass, c.version, c.key, max_rows := 1,
        compacted := c.compacted, synced_at := c.start);
    END IF;
  EXCEPTION WHEN SQLSTATE '72000' THEN
    UPDATE consumer SET version = NULL, refused = refused + 1 WHERE name = who;
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    IF c.pinned AND detail NOT LIKE 'The past of the store was changed%' THEN
      PERFORM find_fault(c, 'what is pinned has gone: ' || detail);
    END IF;
    RETURN;
  END;
  IF rows > page THEN
    PERFORM find_fault(c, 'a page has too many rows');
  ELSIF fixed AND rows < page AND next <= stable THEN
    PERFORM find_fault(c, 'a page that is not full is not the last');
  END IF;
  IF next = c.version THEN
    c.amid := c.amid + 1;
  ELSIF fixed AND c.version > 0 THEN
    c.compared := c.compared + coalesce(is_right(c)::int, 0);
    IF NOT is_right(c) THEN
      PERFORM find_fault(c, 'the copy is not what the store was');
    END IF;
  END IF;
  -- Behind all of its version, a position needs no key.
  IF fixed AND next IS DISTINCT FROM c.version AND random() < 0.5 THEN
    c.key := NULL;
  END IF;
  IF c.pinned THEN
    PERFORM mvstore_pin(who, c.version - (c.key IS NOT NULL)::int, store := c.store::regclass);
  END IF;
  UPDATE consumer SET version = c.version, key = c.key, steps = steps + 1,
                      compared = c.compared, amid = c.amid WHERE name = who;
END $$;

-- ---- The judge -----------------------------------------------------------------

-- Until where each generation has come; that of the end has seen all.
CREATE VIEW reached AS
SELECT b.*, c.store, c.compacted,
       CASE WHEN b.generation = c.generation THEN 9223372036854775807
            ELSE coalesce(s.version, b.version) END AS upto,
       coalesce(s.key, '') AS upto_key
  FROM begun b JOIN consumer c ON c.name = b.consumer
  LEFT JOIN LATERAL (SELECT version, key FROM seen WHERE consumer = b.consumer AND generation = b.generation
                      ORDER BY version DESC, key DESC LIMIT 1) s ON true;

-- What was there to be seen, and was not. Who begins knows what is erased by then, and what has
-- been put into the past; nobody who is told of either later sees another entry after it.
CREATE VIEW missed AS
SELECT r.consumer, r.generation, r.compacted, l.*
  FROM reached r JOIN ledger l ON l.store = r.store AND l.version > r.version
   AND (l.version, l.key) <= (r.upto, r.upto_key)
 WHERE (l.gone IS NULL OR NOT pg_visible_in_snapshot(l.gone, r.snapshot))
   AND (NOT l.past OR pg_visible_in_snapshot(l.writer, r.snapshot))
   AND NOT EXISTS (SELECT FROM seen s WHERE s.consumer = r.consumer AND s.generation = r.generation
                      AND s.version = l.version AND s.key = l.key);

CREATE VIEW problems AS
SELECT 'fault' AS kind, consumer, generation, what FROM fault
UNION ALL
SELECT 'not in order', consumer, generation, format('%s %s', version, key)
  FROM (SELECT s.*, (s.version, s.key) <= (lag(s.version, 1, 0::bigint) OVER w, lag(s.key, 1, '') OVER w)
               OR s.version <= b.version AS wrong
          FROM seen s JOIN begun b USING (consumer, generation)
        WINDOW w AS (PARTITION BY s.consumer, s.generation ORDER BY s.n)) o WHERE wrong
UNION ALL
SELECT 'never committed', s.consumer, s.generation, format('%s %s %s', s.version, s.key, s.value)
  FROM seen s JOIN consumer c ON c.name = s.consumer
  LEFT JOIN ledger l ON l.store = c.store AND l.key = s.key AND l.version = s.version
 WHERE l.version IS NULL OR l.value IS DISTINCT FROM s.value OR s.deleted <> (s.value IS NULL)
UNION ALL
SELECT 'missed', consumer, generation, format('%s %s %s', version, key, value)
  FROM missed WHERE NOT compacted
UNION ALL  -- compacted, only what has a newer entry
SELECT 'missed, and the newest', consumer, generation, format('%s %s %s', version, key, value)
  FROM missed m WHERE compacted AND NOT EXISTS (SELECT FROM ledger l WHERE l.store = m.store
   AND l.key = m.key AND l.version > m.version)
UNION ALL
SELECT 'not stable at the start', r.consumer, r.generation, format('%s: %s %s', r.synced, l.version, l.key)
  FROM reached r JOIN ledger l ON l.store = r.store AND l.version <= r.synced AND NOT l.past
 WHERE NOT pg_visible_in_snapshot(l.writer, r.snapshot);
