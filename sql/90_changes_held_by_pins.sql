--
-- A consumer of changes that pins what it has not read yet misses nothing, whatever a policy
-- lets go, as long as it comes back within the ttl; it need be no superuser. Who must erase
-- meanwhile can, and the consumer is told.
--
\pset null '(null)'
CREATE ROLE regress_mvstore_consumer;
CREATE ROLE regress_mvstore_other;
GRANT EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) TO regress_mvstore_consumer, regress_mvstore_other;
SELECT mvstore_create('s', keep_versions := 1, feed := true);
GRANT SELECT ON s TO regress_mvstore_consumer, regress_mvstore_other;
-- What a statement fails with.
CREATE FUNCTION regress_state(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE command;
  RETURN 'none';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END $$;

-- It begins: a pin, and all there is as of the pin's version.
SELECT mvstore_put_many('s', '{a,b,c}', '{a1,b1,c1}') > 0 AS put;
SET ROLE regress_mvstore_consumer;
SELECT mvstore_pin('consumer', ttl := '10 min', store := 's') AS pinned \gset
SELECT key, value FROM mvstore_scan('s', as_of := :pinned);
RESET ROLE;

-- What comes and goes meanwhile stays: overwritten, deleted, dropped, compacted, expired.
SELECT mvstore_put('s', 'a', 'a2') AS v2 \gset
SELECT mvstore_put('s', 'a', 'a3') > 0 AS put;
SELECT mvstore_put('s', 'd', 'd1') > 0 AS put;
SELECT mvstore_delete('s', 'd') > 0 AS put;
SELECT mvstore_put('s', 'e', 'e1', ttl := '1 microsecond') > 0 AS put;
SELECT mvstore_drop('s', 'a'), mvstore_drop('s', 'd'), mvstore_compact('s', mvstore_stable_version());
SELECT mvstore_sweep('s');
SELECT mvstore_flush('10 minutes');
SELECT key, value, deleted FROM mvstore_changes('s', :pinned);
-- It is seen what holds it, and since when.
SELECT kind, name, store, requests > 0 AS requests, holds_back ~ 'a pin of regress_mvstore_consumer, until ' AS "whose, until when" FROM mvstore_blockers WHERE kind = 'pin';
SELECT name, owner, store, version = :pinned AS version, expires - created BETWEEN '9 min' AND '11 min' AS "10 min" FROM mvstore_pins;

-- It reads a page; that done, the pin moves on. Others cannot move it, nor can it hold
-- for longer than the administrator allows.
SET ROLE regress_mvstore_other;
SELECT regress_state(format('SELECT mvstore_pin(''consumer'', %s, store := ''s'')', :v2));
SET ROLE regress_mvstore_consumer;
SELECT regress_state(format('SELECT mvstore_pin(''consumer'', %s, ''8 days'', ''s'')', :v2));
SELECT regress_state('SET mvstore.max_pin_ttl = ''1 year''');
SELECT version AS v, key, value FROM mvstore_changes('s', :pinned, max_rows := 1) \gset page_
SELECT :'page_key' AS key, :'page_value' AS value;
SELECT mvstore_pin('consumer', :page_v - 1, '10 min', 's') = :page_v - 1 AS read;
RESET ROLE;
SELECT mvstore_flush('10 minutes');
SELECT key, value, deleted FROM mvstore_changes('s', :page_v, 'a');
-- The end, and one that has nothing to read holds nothing: the pin goes to what was stable
-- before the last page. The position may stay.
SELECT max(version) AS position FROM mvstore_changes('s', :page_v, 'a') \gset
SELECT mvstore_stable_version() AS stable \gset
SELECT count(*) FROM mvstore_changes('s', :position);
SELECT mvstore_pin('consumer', :stable, '10 min', 's') = :stable AS read;
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_changes('s', :position);
SELECT convert_from(key, 'UTF8') AS key, convert_from(value, 'UTF8') AS value FROM s ORDER BY s.key;

-- In the middle of a transaction, the version before is pinned: a delete at the version itself
-- is over by then. Who pins that version is told.
BEGIN;
SELECT mvstore_delete('s', 'a') AS v3 \gset
SELECT mvstore_delete('s', 'b') = :v3 AS deleted;
COMMIT;
SELECT version = :v3 AS v3, key, deleted FROM mvstore_changes('s', :position, max_rows := 1);
SELECT mvstore_pin('consumer', :v3 - 1, '10 min', 's') > 0 AS read;
SELECT mvstore_flush('10 minutes');
SELECT key, deleted FROM mvstore_changes('s', :v3, 'a');
SELECT mvstore_pin('consumer', :v3, '10 min', 's') > 0 AS read;
SELECT mvstore_flush();
SELECT regress_state(format('SELECT * FROM mvstore_changes(''s'', %s, ''a'')', :v3));
SELECT count(*) FROM mvstore_changes('s', :v3);

-- What would take back what is pinned is refused ...
SELECT mvstore_put('s', 'f', 'f1') AS v4 \gset
SELECT mvstore_put('s', 'f', 'f2') AS v5 \gset
SELECT regress_state('SELECT mvstore_erase(''s'', ''c'')'), regress_state('SELECT mvstore_erase_prefix(''s'', '''')'),
       regress_state('TRUNCATE s'), regress_state('SELECT mvstore_clear(''s'')'), regress_state('SELECT mvstore_detach(''s'')'),
       regress_state(format('SELECT mvstore_put_at(''s'', ''g'', ''g1'', %s)', :v3));
SELECT key, value FROM mvstore_changes('s', :v3);
-- ... not what has happened since, of which the consumer is told.
SELECT mvstore_put_at('s', 'g', 'g1', :v4 + 1);
SELECT regress_state(format('SELECT * FROM mvstore_changes(''s'', %s)', :v3));
SELECT mvstore_stable_version() AS position \gset
SELECT mvstore_put('s', 'h', 'secret') > 0 AS put;
SELECT mvstore_erase('s', 'h');
SELECT regress_state(format('SELECT * FROM mvstore_changes(''s'', %s)', :position));
-- Who must erase all the same gives the pin up in the same transaction.
SELECT mvstore_pin('consumer', ttl := '10 min', store := 's') AS position \gset
BEGIN;
SELECT mvstore_unpin('consumer');
SELECT mvstore_erase('s', 'f') > 0 AS erased;
COMMIT;
SELECT mvstore_pin('consumer', :position, '10 min', 's') = :position AS renewed;
SELECT regress_state(format('SELECT * FROM mvstore_changes(''s'', %s)', :position));

-- Who stays away for longer than the ttl is told, and begins anew.
SELECT mvstore_pin('consumer', ttl := '1 ms', store := 's') AS position \gset
SELECT mvstore_put('s', 'c', 'c2') > 0 AS put;
SELECT mvstore_put('s', 'c', 'c3') > 0 AS put;
DO $$
BEGIN
  FOR i IN 1 .. 10000 LOOP
    EXIT WHEN (SELECT count(*) FROM mvstore_history('s', 'c')) = 1;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT regress_state(format('SELECT * FROM mvstore_changes(''s'', %s)', :position));
SELECT count(*) FROM mvstore_pins;
SELECT regress_state(format('SELECT mvstore_pin(''consumer'', %s, ''10 min'', ''s'')', :position - 1));
SELECT mvstore_pin('consumer', ttl := '10 min', store := 's') AS pinned \gset
SELECT key, value FROM mvstore_scan('s', as_of := :pinned);
SELECT mvstore_unpin('consumer');

REVOKE EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) FROM regress_mvstore_consumer, regress_mvstore_other;
DROP TABLE s;
DROP FUNCTION regress_state;
DROP ROLE regress_mvstore_consumer, regress_mvstore_other;
