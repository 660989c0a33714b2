--
-- What has expired is absent for every reader at once, whenever the worker comes
-- to remove it; and removed it is, in any store, and never anything else with it.
--
\pset null '(null)'
CREATE FUNCTION regress_entries(store regclass, key text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(coalesce(value, 'deleted'), ', ') FROM mvstore_history(store, key) $$;
CREATE FUNCTION regress_wait(store regclass, key text, expected text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 10000 LOOP
    EXIT WHEN regress_entries(store, key) IS NOT DISTINCT FROM expected;
    PERFORM pg_sleep(0.01);
  END LOOP;
  RETURN regress_entries(store, key);
END $$;
SELECT mvstore_create('s', ttl := '1 microsecond');
SELECT mvstore_create('plain');

-- Nothing is removed for now, so that readers have something to be shown.
SELECT mvstore_flush();
SELECT mvstore_pause();
SET client_min_messages = error;	-- that it is paused we know
SELECT mvstore_put_at('s', 'c', 'old', 10);
SELECT mvstore_put('s', 'a', 'by the store') AS a \gset
SELECT mvstore_put('s', 'b', 'by the put', ttl := '1 hour') AS b \gset
SELECT mvstore_put('s', 'c', 'by the store') AS c \gset
SELECT mvstore_put_many('s', '{d,e}', '{by the store,by the store}') > 0 AS put;
SELECT mvstore_put_if('s', 'f', 'by the store', expected := 0) > 0 AS put;
SELECT mvstore_put_if('s', 'g', 'by the put', expected := 0, ttl := '1 hour') AS g \gset
SELECT mvstore_put('plain', 'p', 'by the put', ttl := '1 microsecond') > 0 AS put;
RESET client_min_messages;
SELECT convert_from(key, 'UTF8') AS key, expires_at - mvstore_time_of(version) BETWEEN '1 microsecond' AND '1 min' AS "at once",
       expires_at - mvstore_time_of(version) BETWEEN '1 hour' AND '1 hour 1 min' AS "in an hour"
  FROM s ORDER BY key, version;

-- Whoever reads sees no more of it.
SELECT k, mvstore_get('s', k), mvstore_get_bytea('s', k), mvstore_contains('s', k), (mvstore_get_entry('s', k)).value
  FROM unnest('{a,b,c,d,e,f,g}'::text[]) k;
SELECT mvstore_get_raw('s', 'a'::bytea), mvstore_contains_raw('s', 'a'::bytea), (mvstore_get_entry_raw('s', 'a'::bytea)).value;
SELECT key, value FROM mvstore_get_many('s', '{a,b,c}');
SELECT convert_from(key, 'UTF8') AS key, value IS NOT NULL AS value FROM mvstore_get_many_raw('s', '{a,b,c}');
SELECT array_agg(key) FROM mvstore_scan('s');
SELECT array_agg(key) FROM mvstore_scan('s', reverse := true);
SELECT array_agg(key) FROM mvstore_scan('s', max_rows := 1);
SELECT array_agg(convert_from(key, 'UTF8')) FROM mvstore_scan_raw('s');
SELECT array_agg(key) FROM mvstore_scan_prefix('s', '');
SELECT array_agg(convert_from(key, 'UTF8')) FROM mvstore_scan_prefix_raw('s', ''::bytea);
SELECT mvstore_count('s'), mvstore_count_raw('s'), mvstore_get('plain', 'p'), mvstore_count('plain');
SELECT key, old_value, new_value FROM mvstore_diff('s', 10);
-- Writers neither: there is nothing to delete, nothing that a put could expect.
SELECT mvstore_delete('s', 'a'), mvstore_delete_if('s', 'a', :a), mvstore_put_if('s', 'a', 'v', expected := :a);
-- The history shows it.
SELECT regress_entries('s', 'a'), regress_entries('s', 'c'), (mvstore_previous('s', 'c')).value;

-- As of a version before its end it was there, as of its end no more.
SELECT mvstore_version_at(expires_at) AS ends FROM mvstore_history('s', 'c') LIMIT 1 \gset
SELECT mvstore_get('s', 'c', :c - 1) AS before, mvstore_get('s', 'c', :c) AS at, mvstore_get('s', 'c', :ends - 1) AS just,
       mvstore_get('s', 'c', :ends) AS over, mvstore_contains('s', 'c', :ends - 1) AS contains_just,
       mvstore_contains('s', 'c', :ends) AS contains_over;
SELECT key FROM mvstore_scan('s', 'c', 'd', as_of := :ends - 1);
SELECT key FROM mvstore_scan('s', 'c', 'd', as_of := :ends);
SELECT mvstore_count('s', 'c', 'd', as_of := :ends - 1), mvstore_count('s', 'c', 'd', as_of := :ends);
SELECT value FROM mvstore_get_many('s', '{c}', as_of := :ends - 1);
SELECT key, old_value, new_value FROM mvstore_diff('s', :ends - 1, :ends, prefix := 'c');

-- A put renews, by the store's ttl or by its own; the end of what it superseded
-- is nothing to it. A new policy is one for later puts only.
SELECT mvstore_put('s', 'd', 'renewed', ttl := '1 hour') > 0 AS put;
SELECT mvstore_set_policy('s', ttl := '2 hours');
SELECT mvstore_put('s', 'e', 'renewed by the store') > 0 AS put;
SELECT mvstore_set_policy('s');
SELECT mvstore_put('s', 'f', 'renewed for ever') > 0 AS put;
SELECT k, mvstore_get('s', k) AS value, expires_at - mvstore_time_of(version) BETWEEN '1 hour' AND '1 hour 1 min' AS "in an hour",
       expires_at - mvstore_time_of(version) BETWEEN '2 hours' AND '2 hours 1 min' AS "in two hours", expires_at IS NULL AS never
  FROM unnest('{a,b,d,e,f}'::text[]) k, mvstore_history('s', k, max_rows := 1);

-- The worker removes the keys whose newest entry has expired, the store having no
-- policy by now, and all of their history with it. All else stays.
SELECT mvstore_resume();
SELECT mvstore_sweep('s'), mvstore_sweep('plain');
SELECT mvstore_flush();
SELECT k, regress_entries('s', k) FROM unnest('{a,b,c,d,e,f,g}'::text[]) k;
SELECT regress_entries('plain', 'p');
SELECT keys_purged, keys_expired FROM mvstore_store_stats WHERE store = 's'::regclass;
-- A read as of before does not say that they were never there.
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'c', :ends - 1);
SELECT mvstore_get('s', 'c', 10);
\set VERBOSITY default
SELECT mvstore_get('s', 'c', as_of := (SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass));
-- Such a key can come again.
SELECT mvstore_put('s', 'c', 'again') > 0 AS put;
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT regress_entries('s', 'c');

-- Unasked, too.
SELECT mvstore_put('plain', 'p', 'v', ttl := '1 microsecond') > 0 AS put;
SELECT regress_wait('plain', 'p', NULL);
SELECT mvstore_put('plain', 'p', 'v1') > 0 AS put;
SELECT mvstore_put('plain', 'p', 'v2', ttl := '1 ms') > 0 AS put;
SELECT regress_wait('plain', 'p', NULL);
-- Also one by plain SQL, which a sweep finds. And one that never expires.
INSERT INTO plain VALUES ('q', 10, 'v', '2000-01-01'), ('r', 10, 'v', 'infinity'), ('t', 10, 'v', '-infinity');
SELECT mvstore_get('plain', k) FROM unnest('{q,r,t}'::text[]) k;
SELECT mvstore_sweep('plain');
SELECT mvstore_flush();
SELECT convert_from(key, 'UTF8') AS key FROM plain;

-- With keep_for, it goes no sooner than so long after its end.
SELECT mvstore_create('late', keep_for := '1 hour', ttl := '1 microsecond');
SELECT mvstore_put('late', 'k', 'v1') AS v1 \gset
SELECT mvstore_put('late', 'k', 'v2') AS v2 \gset
INSERT INTO late (key, version, value, expires_at)
  VALUES ('old', mvstore_version_at(now() - interval '3 hours'), 'v', now() - interval '61 min'),
         ('young', mvstore_version_at(now() - interval '3 hours'), 'v', now() - interval '59 min');
SELECT mvstore_sweep('late');
SELECT mvstore_flush();
SELECT mvstore_get('late', 'k'), mvstore_get('late', 'k', :v1), mvstore_get('late', 'k', :v2), regress_entries('late', 'k');
SELECT mvstore_count('late'), regress_entries('late', 'old'), regress_entries('late', 'young');
-- With keep_versions alone, and with a drop, its end is enough; with the drop, none of it.
SELECT mvstore_create('few', keep_versions := 5, ttl := '1 microsecond');
SELECT mvstore_put('few', 'k', 'v1') > 0 AS put;
SELECT mvstore_put('few', 'k', 'v2') > 0 AS put;
SELECT regress_wait('few', 'k', NULL);
SELECT mvstore_drop('late', 'k');
SELECT mvstore_flush();
SELECT regress_entries('late', 'k');

DROP TABLE s, plain, late, few;
DROP FUNCTION regress_entries, regress_wait;
