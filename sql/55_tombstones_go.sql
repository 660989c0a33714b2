--
-- Under a policy a deleted key disappears whole, and does not come back by that.
--
\pset null '(null)'
CREATE FUNCTION regress_ago(ago interval) RETURNS bigint LANGUAGE sql AS $$ SELECT mvstore_version_at(now() - ago) $$;
CREATE FUNCTION regress_entries(store regclass, key text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(coalesce(value, 'deleted'), ', ') FROM mvstore_history(store, key) $$;

-- Without a policy a tombstone stays, also under a drop, which takes what it
-- superseded.
SELECT mvstore_create('every');
SELECT mvstore_put_at('every', k, 'v' || v, v) FROM unnest('{k,l}'::text[]) k, generate_series(10, 20, 10) v;
SELECT mvstore_delete_at('every', 'k', 30), mvstore_delete_at('every', 'l', 30), mvstore_delete_at('every', 'never', 30);
SELECT mvstore_sweep('every');
SELECT mvstore_drop('every', 'k'), mvstore_drop('every', 'never'), mvstore_drop_prefix('every', 'k');
SELECT mvstore_flush();
SELECT k, regress_entries('every', k), mvstore_contains('every', k) FROM unnest('{k,l,never}'::text[]) k;

-- With keep_versions it goes with all before it, however many may stay. One that
-- stood there alone goes, too.
SELECT mvstore_create('few', keep_versions := 100);
SELECT mvstore_put_at('few', 'k', 'v' || v, v) FROM generate_series(10, 20, 10) v;
SELECT mvstore_flush();
SELECT regress_entries('few', 'k');
SELECT mvstore_delete_at('few', 'k', 30), mvstore_delete_at('few', 'never', 20);
SELECT mvstore_flush();
SELECT regress_entries('few', 'k'), regress_entries('few', 'never');
SELECT floor, keys_purged, keys_expired FROM mvstore_store_stats WHERE store = 'few'::regclass;
-- It stays deleted for those who read as of its deletion or later, and those who
-- read as of before are told.
SELECT mvstore_get('few', 'k'), mvstore_get('few', 'k', 30), mvstore_contains('few', 'k', 31);
\set VERBOSITY sqlstate
SELECT mvstore_get('few', 'k', 29);
SELECT mvstore_get('few', 'k', 10);
-- Nor can what is late bring it back as of a version for which it was deleted.
SELECT mvstore_put_at('few', 'k', 'late', 25);
SELECT mvstore_delete_at('few', 'k', 29);
\set VERBOSITY default
-- After it, it can be put again.
SELECT mvstore_put_at('few', 'k', 'again', 40);
SELECT mvstore_get('few', 'k', 39), mvstore_get('few', 'k', 40), regress_entries('few', 'k');
-- One that has been superseded is an entry like others.
SELECT mvstore_delete_at('few', 'k', 50), mvstore_put_at('few', 'k', 'and again', 60);
SELECT mvstore_flush();
SELECT regress_entries('few', 'k'), mvstore_get('few', 'k', 45), mvstore_get('few', 'k', 55), mvstore_get('few', 'k', 60);
SELECT mvstore_set_policy('few', keep_versions := 2);
SELECT mvstore_flush();
SELECT regress_entries('few', 'k'), mvstore_get('few', 'k', 55);

-- With keep_for, it goes so long after the deletion, and the history only with
-- what is old enough of it.
SELECT mvstore_create('young', keep_for := '30 min');
SELECT mvstore_put_at('young', k, 'of 3 hours ago', regress_ago('3 hours')), mvstore_put_at('young', k, 'of 40 min ago', regress_ago('40 min'))
  FROM unnest('{young,old}'::text[]) k;
SELECT mvstore_delete_at('young', 'young', regress_ago('20 min')), mvstore_delete_at('young', 'old', regress_ago('35 min'));
SELECT mvstore_flush();
SELECT k, regress_entries('young', k), mvstore_contains('young', k), mvstore_contains('young', k, regress_ago('25 min'))
  FROM unnest('{young,old}'::text[]) k;
-- With both, the age alone counts for it.
SELECT mvstore_set_policy('young', keep_versions := 100, keep_for := '10 min');
SELECT mvstore_flush();
SELECT regress_entries('young', 'young');
-- A delete of now is young.
SELECT mvstore_put('young', 'now', 'v') AS now \gset
SELECT mvstore_delete('young', 'now') > 0 AS deleted;
SELECT mvstore_sweep('young');
SELECT mvstore_flush();
SELECT regress_entries('young', 'now'), mvstore_get('young', 'now'), mvstore_get('young', 'now', :now);
-- And where it shall be no older than now, it goes by itself.
SELECT mvstore_set_policy('young', keep_for := '0');
SELECT mvstore_flush();
SELECT regress_entries('young', 'now');

-- A compaction takes it in any store.
SELECT mvstore_compact('every', 29);
SELECT mvstore_flush();
SELECT k, regress_entries('every', k) FROM unnest('{k,l,never}'::text[]) k;
SELECT mvstore_compact('every', 30);
SELECT mvstore_flush();
SELECT k, regress_entries('every', k) FROM unnest('{k,l,never}'::text[]) k;
SELECT count(*) FROM every;

DROP TABLE every, few, young;
DROP FUNCTION regress_ago, regress_entries;
