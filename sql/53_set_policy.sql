--
-- A store's policy can be changed: as a whole, with its transaction, and what is
-- there is judged by the new one.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT count(mvstore_put_at('s', k, k || v, v)) FROM unnest('{a,b}'::text[]) k, generate_series(1, 5) v;
SELECT mvstore_put_at('s', 'dead', 'dead', 1), mvstore_delete_at('s', 'dead', 2);
CREATE FUNCTION regress_entries(store regclass) RETURNS TABLE (key text, entries text) LANGUAGE sql AS $$
  SELECT k, string_agg(coalesce(h.value, 'deleted'), ' ')
    FROM unnest('{a,b,dead}'::text[]) k, mvstore_history(store, k) h GROUP BY k ORDER BY k $$;
CREATE VIEW regress_policy AS SELECT keep_versions, keep_for, ttl FROM mvstore_stores WHERE store = 's'::regclass;
SELECT incarnation AS life FROM mvstore_stores WHERE store = 's'::regclass \gset

-- Without a policy nothing goes, whoever looks.
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT * FROM regress_entries('s');

-- A change is taken back with its transaction, and with its savepoint.
BEGIN;
SELECT mvstore_set_policy('s', keep_versions := 1);
SELECT * FROM regress_policy;
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_set_policy('s', keep_versions := 1);
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_flush();
SELECT * FROM regress_policy;
SELECT * FROM regress_entries('s');

-- Committed, it holds for what is there, tombstones included. The store goes on
-- living the same life.
SELECT mvstore_set_policy('s', keep_versions := 3);
SELECT mvstore_flush();
SELECT * FROM regress_policy;
SELECT incarnation = :life AS "the same life" FROM mvstore_stores WHERE store = 's'::regclass;
SELECT * FROM regress_entries('s');
SELECT mvstore_set_policy('s', 2);
SELECT mvstore_flush();
SELECT * FROM regress_entries('s');

-- Loosened, it brings nothing back, and keeps more of what comes.
SELECT mvstore_set_policy('s', keep_versions := 4);
SELECT mvstore_put('s', 'a', 'a6') > 5 AS put;
SELECT mvstore_put('s', 'a', 'a7') > 5 AS put;
SELECT mvstore_put('s', 'a', 'a8') > 5 AS put;
SELECT mvstore_flush();
SELECT * FROM regress_entries('s');

-- It is the whole policy that is set: what is not given is no limit.
BEGIN;
SELECT mvstore_set_policy('s', keep_for := '1 day');
SELECT * FROM regress_policy;
SELECT mvstore_set_policy('s', 1, '2 days 3 hours', '1 week');
SELECT * FROM regress_policy;
SELECT mvstore_set_policy('s', NULL, NULL, NULL);
SELECT * FROM regress_policy;
COMMIT;
SELECT mvstore_put('s', 'a', 'a9') > 5 AS put;
SELECT mvstore_delete('s', 'b') > 5 AS deleted;
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT * FROM regress_entries('s');

-- The last policy of a transaction counts, for its own puts, too, whenever they
-- were made.
BEGIN;
SELECT mvstore_put('s', 'a', 'a10') > 5 AS put;
SELECT mvstore_set_policy('s', keep_versions := 1);
SELECT mvstore_set_policy('s', keep_versions := 2);
COMMIT;
SELECT mvstore_flush();
SELECT * FROM regress_entries('s');
BEGIN;
SELECT mvstore_set_policy('s', keep_versions := 1);
SELECT mvstore_put('s', 'a', 'a11') > 5 AS put;
COMMIT;
SELECT mvstore_flush();
SELECT * FROM regress_entries('s');

-- A pin does not stand in the way of a change.
SELECT mvstore_pin('regress', store := 's') > 0 AS pinned;
SELECT mvstore_set_policy('s', keep_versions := 2);
SELECT mvstore_unpin('regress');

-- What is refused, and changes nothing.
\set VERBOSITY sqlstate
SELECT mvstore_set_policy(NULL, keep_versions := 1);
SELECT mvstore_set_policy('s', keep_versions := 0);
SELECT mvstore_set_policy('s', keep_versions := -1);
SELECT mvstore_set_policy('s', keep_for := '-1 s');
SELECT mvstore_set_policy('s', keep_for := '1 month');
SELECT mvstore_set_policy('s', keep_for := '2147483647 days');
SELECT mvstore_set_policy('s', ttl := '0');
SELECT mvstore_set_policy('s', ttl := '1 year');
SELECT mvstore_set_policy('pg_class', keep_versions := 1);
SELECT mvstore_set_policy('regress_policy', keep_versions := 1);
SELECT mvstore_set_policy(1, keep_versions := 1);
\set VERBOSITY default
SELECT mvstore_set_policy('s', keep_versions := 0);
SELECT mvstore_set_policy('s', ttl := '1 month');
SELECT * FROM regress_policy;

DROP VIEW regress_policy;
DROP FUNCTION regress_entries;
DROP TABLE s;
