--
-- A store with keep_versions drops by itself, and no more than it says.
--
\pset null '(null)'
-- keep_versions := 1 is a plain key-value store.
SELECT mvstore_create('one', keep_versions := 1);
SELECT mvstore_put('one', 'k', 'v' || i) > 0 AS put FROM generate_series(1, 1) i;
SELECT mvstore_put('one', 'k', 'v2') > 0 AS put;
SELECT mvstore_put('one', 'k', 'v3') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('one', 'k');

-- keep_versions := 3
SELECT mvstore_create('three', keep_versions := 3);
DO $$ BEGIN FOR i IN 1 .. 10 LOOP PERFORM mvstore_put('three', 'k', 'v' || i); COMMIT; END LOOP; END $$;
SELECT mvstore_put('three', 'few', 'v1') > 0 AS put;
SELECT mvstore_put('three', 'few', 'v2') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('three', 'k');
SELECT value FROM mvstore_history('three', 'few');

-- No policy: everything stays. Neither does keep_for alone, or beside
-- keep_versions, give up what is younger.
SELECT mvstore_create('every');
SELECT mvstore_create('young', keep_for := '1 day');
SELECT mvstore_create('young_three', keep_versions := 3, keep_for := '1 day');
DO $$
BEGIN
  FOR i IN 1 .. 10 LOOP
    PERFORM mvstore_put(s, 'k', 'v' || i) FROM unnest('{every,young,young_three}'::regclass[]) s;
    COMMIT;
  END LOOP;
END $$;
SELECT mvstore_flush();
SELECT s, (SELECT count(*) FROM mvstore_history(s, 'k')) FROM unnest('{every,young,young_three}'::regclass[]) s;

-- A deleted key disappears whole, also from a store that keeps several versions.
SELECT mvstore_delete(s, 'k') > 0 AS deleted FROM unnest('{one,three,every,young,young_three}'::regclass[]) s;
SELECT mvstore_flush();
SELECT s, (SELECT count(*) FROM mvstore_history(s, 'k')), mvstore_contains(s, 'k')
  FROM unnest('{one,three,every,young,young_three}'::regclass[]) s;
-- Its neighbours do not.
SELECT count(*) FROM mvstore_history('three', 'few');
-- And it can come back, with a history that begins anew.
SELECT mvstore_put('three', 'k', 'again') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('three', 'k');
-- A delete that the same transaction took back is none.
BEGIN;
SELECT mvstore_delete('three', 'k') > 0 AS deleted;
SELECT mvstore_put('three', 'k', 'after all') > 0 AS put;
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('three', 'k');
-- Neither is one that was rolled back.
BEGIN;
SELECT mvstore_delete('three', 'k') > 0 AS deleted;
ROLLBACK;
BEGIN;
SAVEPOINT sp;
SELECT mvstore_delete('three', 'few') > 0 AS deleted;
ROLLBACK TO sp;
COMMIT;
SELECT mvstore_flush();
SELECT mvstore_get('three', 'k'), mvstore_get('three', 'few');
SELECT count(*) FROM mvstore_history('three', 'few');

-- Many keys at once, with puts and deletes mixed, more than one batch.
DO $$
BEGIN
  FOR round IN 1 .. 4 LOOP
    PERFORM mvstore_put('one', 'key ' || i, round || ' ' || i) FROM generate_series(1, 1000) i;
    COMMIT;
  END LOOP;
  PERFORM mvstore_delete('one', 'key ' || i) FROM generate_series(1, 1000, 4) i;
  COMMIT;
END $$;
SELECT mvstore_flush();
SELECT count(*) AS entries, count(DISTINCT key) AS keys, count(*) FILTER (WHERE value IS NULL) AS tombstones
  FROM one WHERE substr(key, 1, 4) = 'key ';
SELECT count(*) AS live, bool_and(value = '4 ' || substr(key, 5)) AS "newest values"
  FROM mvstore_scan_prefix('one', 'key ');

-- An explicit drop may ask for more than the policy.
SELECT mvstore_drop('three', 'k', keep := 1);
SELECT mvstore_flush();
SELECT value FROM mvstore_history('three', 'k');

DROP TABLE one, three, every, young, young_three;
