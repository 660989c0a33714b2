--
-- With mvstore.durable_drops off a request costs no row on disk, and is done like
-- any other.
--
\pset null '(null)'
SHOW mvstore.durable_drops;
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', k, k || v, v)) FROM unnest('{a,b,c,d,e,f,g}'::text[]) k, generate_series(1, 4) v;
-- Nothing may be under way that others have left, and nothing goes too early.
SELECT mvstore_flush();
SELECT mvstore_pause();
SET mvstore.durable_drops = off;
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_drop('s', 'a');
RESET client_min_messages;
SELECT mvstore_drop('s', 'b', keep := 2, before := 3);
-- By a transaction, by what holds at its COMMIT.
BEGIN;
SET LOCAL mvstore.durable_drops = on;
SELECT mvstore_drop('s', 'c');
COMMIT;
SET mvstore.durable_drops = on;
BEGIN;
SELECT mvstore_drop('s', 'd');
SET LOCAL mvstore.durable_drops = off;
COMMIT;
SELECT mvstore_drop('s', 'e', keep := 3);
-- Rolled back, it was never made.
SET mvstore.durable_drops = off;
BEGIN;
SELECT mvstore_drop('s', 'f');
ROLLBACK;
BEGIN;
SELECT mvstore_drop('s', 'g', keep := 3);
SAVEPOINT sp;
SELECT mvstore_drop('s', 'g');
ROLLBACK TO sp;
COMMIT;
DO $$
BEGIN
  PERFORM mvstore_drop('s', 'f');
  RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN NULL;
END $$;

-- It is seen as any other, but for the id by which it could be cancelled.
SELECT count(*) AS "rows" FROM mvstore_journal;
SELECT id IS NOT NULL AS id, store, convert_from(key, 'UTF8') AS key, keep,
       CASE WHEN before <= 4 THEN before END AS before,
       requested_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS requested_at,
       attempts, last_error, state
  FROM mvstore_requests ORDER BY key;

SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_requests;
SELECT k, (SELECT string_agg(value, ' ') FROM mvstore_history('s', k)) AS entries FROM unnest('{a,b,c,d,e,f,g}'::text[]) k;

-- What was requested before a TRUNCATE does not concern what came after it.
SELECT mvstore_pause();
SELECT mvstore_drop('s', 'a');
TRUNCATE s;
INSERT INTO s (key, version, value) VALUES ('a', 1, 'new1'), ('a', 2, 'new2');
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'a');
-- The same for a store that has gone.
SELECT mvstore_pause();
SELECT mvstore_drop('s', 'a');
DROP TABLE s;
SELECT key FROM mvstore_requests;
SELECT mvstore_resume();
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_requests;
RESET mvstore.durable_drops;

-- What is asked for together has rows that go in together. Each can be found by its id, also
-- that of a key, or of a range, that is so long that its row is compressed or cut.
SELECT mvstore_create('s');
SELECT mvstore_pause();
SET client_min_messages = error;
BEGIN;
SELECT count(mvstore_drop('s', 'short' || i)) FROM generate_series(1, 450) i;
SELECT count(mvstore_drop('s', rpad('long' || i, 1000, 'x'))) FROM generate_series(1, 5) i;
SELECT count(mvstore_drop_range_raw('s', 'a' || long, 'b' || long))
  FROM (SELECT string_agg(sha256(i::text::bytea), '') AS long FROM generate_series(1, 31) i) l;
COMMIT;
RESET client_min_messages;
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id), bool_and(mvstore_cancel_request(id)) AS found
  FROM (SELECT id FROM mvstore_requests WHERE store = 's'::regclass OFFSET 0) r;
RESET enable_seqscan;
SELECT count(*) FROM mvstore_requests;
SELECT mvstore_resume();
DROP TABLE s;
