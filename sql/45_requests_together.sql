--
-- Requests of both kinds, and of many stores, in one transaction.
--
SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1);
SELECT mvstore_put_at('s', 'k', 'v' || v, v) FROM generate_series(1, 3) v;
SELECT mvstore_put('p', 'k', 'v1') > 0 AS put;
BEGIN;
SELECT mvstore_put('p', 'k', 'v2') > 0 AS put;
SELECT mvstore_drop('s', 'k', keep := 2);
SAVEPOINT sp;
SELECT mvstore_put('p', 'j', 'v1') > 0 AS put;
SELECT mvstore_drop('s', 'j');
RELEASE sp;
COMMIT;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');
SELECT value FROM mvstore_history('p', 'k');
SELECT count(*) FROM mvstore_journal;
DROP TABLE s, p;

-- Sweeps of more stores at once than shared memory names one by one: each is swept.
BEGIN;
DO $$
BEGIN
  FOR i IN 1 .. 70 LOOP
    PERFORM mvstore_create('many' || i, keep_versions := 1);
    EXECUTE format('INSERT INTO %I (key, version, value) VALUES (''k'', 10, ''v10''), (''k'', 20, ''v20'')', 'many' || i);
    PERFORM mvstore_sweep('many' || i);
  END LOOP;
END $$;
COMMIT;
SELECT mvstore_flush();
SELECT count(*) AS stores, string_agg(DISTINCT value, ' ') AS values
  FROM generate_series(1, 70) i, mvstore_history(('many' || i)::regclass, 'k');
-- Dropped in portions, which need fewer locks.
DO $$
BEGIN
  FOR i IN 1 .. 70 LOOP
    EXECUTE format('DROP TABLE %I', 'many' || i);
    IF i % 10 = 0 THEN COMMIT; END IF;
  END LOOP;
END $$;
SELECT count(*) FROM mvstore_stores;
