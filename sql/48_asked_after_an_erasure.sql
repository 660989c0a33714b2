--
-- An erasure makes void what was asked for its keys before it, in its own transaction,
-- too, and nothing that is asked later: who erases a key and writes it anew has drops
-- of it done, and what belonged to its earlier life does not reach into the next one.
--
SELECT mvstore_create('s');
-- What comes later lies at greater versions, above what has been dropped before.
CREATE SEQUENCE regress_time INCREMENT 100;
CREATE FUNCTION regress_put(k text, n int) RETURNS void LANGUAGE sql AS $$
  SELECT nextval('regress_time');
  SELECT count(mvstore_put_at('s', k, 'v' || v, last_value + v)) FROM regress_time, generate_series(1, n) v $$;
CREATE FUNCTION regress_left(k text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(value, ' ') FROM mvstore_history('s', k) $$;

-- After it.
BEGIN;
SELECT mvstore_erase('s', 'k'), regress_put('k', 2), mvstore_drop('s', 'k');
COMMIT;
SELECT mvstore_flush();
SELECT regress_left('k');
-- Before it.
BEGIN;
SELECT regress_put('j', 2), mvstore_drop('s', 'j'), mvstore_erase('s', 'j'), regress_put('j', 2);
COMMIT;
SELECT mvstore_flush();
SELECT regress_left('j');
-- Both, of which what is later counts; likewise between two of them.
BEGIN;
SELECT mvstore_drop('s', 'k'), mvstore_erase('s', 'k'), regress_put('k', 4), mvstore_drop('s', 'k', keep := 3);
SELECT mvstore_erase('s', 'j'), mvstore_drop('s', 'j'), mvstore_erase('s', 'j'), regress_put('j', 4), mvstore_drop('s', 'j', keep := 2);
SELECT mvstore_erase('s', 'i'), mvstore_drop('s', 'i'), mvstore_erase('s', 'i'), regress_put('i', 4);
COMMIT;
SELECT mvstore_flush();
SELECT regress_left('k'), regress_left('j'), regress_left('i');

-- In whatever savepoints either of them is made, if they are kept.
BEGIN;
SELECT mvstore_erase('s', 'k'), mvstore_erase('s', 'j'), mvstore_erase('s', 'i'), mvstore_erase('s', 'h');
SELECT regress_put('k', 3), regress_put('j', 3), regress_put('i', 3), regress_put('h', 3);
COMMIT;
BEGIN;
SELECT mvstore_drop('s', 'k'), mvstore_drop('s', 'j');
SAVEPOINT a;
SELECT mvstore_drop('s', 'i'), mvstore_drop('s', 'h');
SAVEPOINT b;
SELECT mvstore_erase('s', 'k'), regress_put('k', 3), mvstore_erase('s', 'i'), regress_put('i', 3);
RELEASE b;
SAVEPOINT b;
SELECT mvstore_erase('s', 'j'), mvstore_erase('s', 'h');
ROLLBACK TO b;
RELEASE a;
COMMIT;
SELECT mvstore_flush();
SELECT regress_left('k'), regress_left('j'), regress_left('i'), regress_left('h');
BEGIN;
SELECT mvstore_drop('s', 'k');
SAVEPOINT a;
SELECT mvstore_erase('s', 'k'), regress_put('k', 3);
SAVEPOINT b;
SELECT mvstore_drop('s', 'k', keep := 2);
RELEASE b;
RELEASE a;
SAVEPOINT a;
SELECT mvstore_drop('s', 'k');
ROLLBACK TO a;
COMMIT;
SELECT mvstore_flush();
SELECT regress_left('k');

-- A policy's own requests, too.
SELECT mvstore_create('p', keep_versions := 2);
BEGIN;
SELECT mvstore_put_at('p', 'k', 'v' || v, v) FROM generate_series(10, 30, 10) v;
SELECT mvstore_erase('p', 'k');
SELECT mvstore_put_at('p', 'k', 'v' || v, v) FROM generate_series(10, 30, 10) v;
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('p', 'k');

-- Without rows on disk as well.
SET mvstore.durable_drops = off;
BEGIN;
SELECT mvstore_drop('s', 'k'), mvstore_erase('s', 'k'), regress_put('k', 3), mvstore_drop('s', 'k', keep := 2);
SELECT mvstore_drop('s', 'j'), mvstore_erase('s', 'j'), regress_put('j', 3);
COMMIT;
SELECT mvstore_flush();
SELECT regress_left('k'), regress_left('j');
RESET mvstore.durable_drops;

-- Requests for many keys are void where they have no key that was not erased. So an
-- erasure of all keys makes compactions void. Others stay, for all that they name.
CREATE FUNCTION regress_fill() RETURNS void LANGUAGE sql AS $$
  SELECT mvstore_erase_prefix('s', '');
  SELECT count(regress_put(k, 3)) FROM unnest('{k1,k2,l}'::text[]) k $$;
CREATE VIEW regress_all AS
  SELECT encode(key, 'escape') AS key, count(*) FROM s GROUP BY s.key ORDER BY s.key;
BEGIN;
SELECT regress_fill();
SELECT mvstore_drop_prefix('s', 'k'), mvstore_drop_range('s', 'l', 'm');
SELECT mvstore_erase_prefix('s', 'k'), regress_put('k1', 3), regress_put('k2', 3);
COMMIT;
SELECT mvstore_flush();
SELECT * FROM regress_all;
BEGIN;
SELECT regress_fill();
SELECT mvstore_drop_prefix('s', 'k'), mvstore_drop_range('s', 'l', 'm'), mvstore_drop_range('s', 'l', 'la');
SELECT mvstore_erase_prefix('s', 'k1'), regress_put('k1', 3), mvstore_erase('s', 'l'), regress_put('l', 3);
COMMIT;
SELECT mvstore_flush();
SELECT * FROM regress_all;
BEGIN;
SELECT regress_fill();
SELECT mvstore_compact('s', 9223372036854775807), mvstore_drop_prefix('s', ''), mvstore_drop_range('s', 'l', 'm');
SELECT regress_fill();
SELECT mvstore_drop('s', 'k2');
COMMIT;
SELECT mvstore_flush();
SELECT * FROM regress_all;
-- Likewise those of other transactions, which wait on disk.
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_compact('s', 30), mvstore_drop_prefix('s', 'k'), mvstore_drop_range('s', 'k', 'l');
RESET client_min_messages;
SELECT mvstore_erase_prefix('s', 'k');
SELECT kind FROM mvstore_requests ORDER BY id;
SELECT mvstore_erase_prefix('s', '');
SELECT kind FROM mvstore_requests ORDER BY id;
SELECT mvstore_resume();

-- Many keys in one transaction, whose notes in the calendar go with it, or stay.
SELECT mvstore_create('aged', keep_for := '1 day', ttl := '2 days');
CREATE VIEW regress_notes AS
  SELECT count(*) AS named FROM generate_series(1, 300) k
   WHERE EXISTS (SELECT FROM mvstore_calendar c WHERE store = 'aged'::regclass AND position(convert_to('secret' || k || '.', 'UTF8') IN c.keys) > 0);
SELECT count(mvstore_put('aged', 'secret' || k || '.', 'v')) FROM generate_series(1, 300) k;
SELECT count(mvstore_put('aged', 'secret' || k || '.', 'v')) FROM generate_series(1, 300) k;
SELECT mvstore_flush();
SELECT * FROM regress_notes;
BEGIN;
SELECT sum(mvstore_erase('aged', 'secret' || k || '.')) FROM generate_series(1, 100) k;
SAVEPOINT a;
SELECT sum(mvstore_erase('aged', 'secret' || k || '.')) FROM generate_series(101, 200) k;
ROLLBACK TO a;
SELECT mvstore_erase_prefix('aged', 'secret29');
COMMIT;
SELECT * FROM regress_notes;
SELECT mvstore_erase_prefix('aged', '');
SELECT * FROM regress_notes;

DROP VIEW regress_notes, regress_all;
DROP FUNCTION regress_put, regress_left, regress_fill;
DROP SEQUENCE regress_time;
DROP TABLE s, p, aged;
