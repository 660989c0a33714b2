--
-- A deleted key disappears whole, or not at all: while its tombstone has to stay, what
-- the policy keeps stays with it. So who puts the key again has as many entries of it
-- as were promised.
--
SELECT mvstore_create('s', keep_versions := 5), mvstore_create('two', keep_versions := 2), mvstore_create('plain');
CREATE FUNCTION regress_put(s regclass, k text, n int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. n LOOP
    PERFORM mvstore_put_at(s, k, 'v' || i, 10 * i);
  END LOOP;
  RETURN n;
END $$;
SELECT regress_put('s', k, 3), regress_put('two', k, 2) FROM unnest('{k,l}'::text[]) k;
SELECT mvstore_flush();
SELECT mvstore_pin('regress', 30) AS pinned;
SELECT mvstore_delete('s', k) > 0 AS deleted, mvstore_delete('two', k) > 0 AS deleted FROM unnest('{k,l}'::text[]) k;
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('s', 'k');
-- Neither in a pass.
SELECT mvstore_sweep('s'), mvstore_sweep('two');
SELECT mvstore_flush();
SELECT mvstore_put('s', 'k', 'v5') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');
-- What is beyond keep_versions goes meanwhile as ever.
SELECT value FROM mvstore_history('two', 'k');
-- When it can go, all of it goes.
SELECT mvstore_unpin('regress');
SELECT mvstore_flush();
SELECT count(*) FROM mvstore_history('s', 'k');
SELECT count(*) FROM s WHERE key = 'l';
SELECT count(*) FROM two;

-- What has expired, without a policy: here by plain SQL, so that the clock has no say.
INSERT INTO plain (key, version, value, expires_at) VALUES ('k', 10, 'v1', NULL), ('k', 20, 'v2', NULL), ('k', 30, 'v3', '1970-01-01 UTC');
SELECT mvstore_pin('regress', 25, store := 'plain');
SELECT mvstore_sweep('plain');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('plain', 'k');
SELECT mvstore_put('plain', 'k', 'v4') > 0 AS put;
SELECT mvstore_unpin('regress');
SELECT mvstore_flush();
SELECT value FROM mvstore_history('plain', 'k');
INSERT INTO plain (key, version, value, expires_at) VALUES ('l', 10, 'v1', NULL), ('l', 20, 'v2', '1970-01-01 UTC');
SELECT mvstore_sweep('plain');
SELECT mvstore_flush();
SELECT count(*) FROM plain WHERE key = 'l';

-- A compaction lets go each entry for itself.
INSERT INTO plain (key, version, value) VALUES ('m', 10, 'v1'), ('m', 20, 'v2'), ('m', 30, NULL);
SELECT mvstore_compact('plain', 20);
SELECT mvstore_flush();
SELECT version FROM mvstore_history('plain', 'm');
SELECT mvstore_compact('plain', 30);
SELECT mvstore_flush();
SELECT count(*) FROM plain WHERE key = 'm';

-- A key of more entries than one transaction drops.
SELECT mvstore_create('huge', keep_versions := 6000);
INSERT INTO huge (key, version, value) SELECT 'k', v, 'v' FROM generate_series(1, 11100) v;
INSERT INTO plain (key, version, value, expires_at) SELECT 'huge', v, 'v', CASE WHEN v = 11100 THEN timestamptz '1970-01-01 UTC' END FROM generate_series(1, 11100) v;
SELECT mvstore_pin('regress', 11000, store := 'huge'), mvstore_pin('regress 2', 11000, store := 'plain');
SELECT mvstore_delete('huge', 'k') > 0 AS deleted;
SELECT mvstore_sweep('huge'), mvstore_sweep('plain');
SELECT mvstore_flush();
SELECT count(*) FROM huge;
SELECT count(*) FROM plain WHERE key = 'huge';
SELECT mvstore_unpin('regress'), mvstore_unpin('regress 2');
SELECT mvstore_flush();
SELECT mvstore_sweep('plain');
SELECT mvstore_flush();
SELECT count(*) FROM huge;
SELECT count(*) FROM plain WHERE key = 'huge';

DROP FUNCTION regress_put;
DROP TABLE s, two, plain, huge;
