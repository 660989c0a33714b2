--
-- What has expired by the older version of a difference does not come back by the
-- newer one, though the statement began before it expired.
--
SELECT mvstore_create('s');
SELECT mvstore_put('s', 'stays', 'v1') > 0 AS put;
SELECT mvstore_put('s', 'goes', 'v', ttl := '300 ms') AS ttl_version \gset
SELECT mvstore_pin('before the expiry', :ttl_version, store := 's') = :ttl_version AS pinned;
DO $$
DECLARE
  over timestamptz := (SELECT max(expires_at) FROM mvstore_history('s', 'goes'));
  old bigint;
  change record;
BEGIN
  PERFORM mvstore_wait_stable(mvstore_version_at(over) + 1, '1 min');
  old := mvstore_version_at(clock_timestamp());
  RAISE NOTICE 'stable: %', mvstore_wait_stable(old);
  RAISE NOTICE 'there as of then: %', mvstore_contains('s', 'goes', as_of := old);
  PERFORM mvstore_put('s', 'stays', 'v2');
  FOR change IN SELECT * FROM mvstore_diff('s', old) LOOP
    RAISE NOTICE '%: % -> %', change.key, change.old_value, change.new_value;
  END LOOP;
  FOR change IN SELECT key FROM mvstore_diff_raw('s', old, prefix := 'goes') LOOP
    RAISE NOTICE '%', change.key;
  END LOOP;
  RAISE NOTICE 'over';
END $$;
-- From before the expiry it shows as gone.
SELECT key, old_value, new_value FROM mvstore_diff('s', :ttl_version) ORDER BY key;
SELECT mvstore_unpin('before the expiry');
DROP TABLE s;
