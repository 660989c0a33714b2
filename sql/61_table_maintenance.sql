--
-- What one does to tables does a store no harm.
--
\pset null '(null)'
SELECT mvstore_create('s', keep_versions := 2);
SELECT count(mvstore_put('s', 'k' || i, 'v1 ' || i)) FROM generate_series(1, 200) i;
SELECT count(mvstore_put('s', 'k' || i, 'v2 ' || i)) FROM generate_series(1, 200) i;
CREATE FUNCTION regress_check(OUT gets bool, OUT keys bigint, OUT entries bigint) LANGUAGE sql AS $$
  SELECT (SELECT bool_and(mvstore_get('s', 'k' || i) LIKE 'v% ' || i) FROM generate_series(1, 200) i),
         (SELECT count(*) FROM mvstore_scan('s')),
         (SELECT count(*) FROM s)
$$;
SELECT * FROM regress_check();

ANALYZE s;
VACUUM s;
SELECT count(mvstore_put('s', 'k' || i, 'v3 ' || i)) FROM generate_series(1, 200) i;
SELECT mvstore_flush();
SELECT * FROM regress_check();
REINDEX TABLE s;
SELECT count(mvstore_put('s', 'k' || i, 'v4 ' || i)) FROM generate_series(1, 200) i;
SELECT mvstore_flush();
SELECT * FROM regress_check();
REINDEX TABLE CONCURRENTLY s;
SELECT count(mvstore_put('s', 'k' || i, 'v5 ' || i)) FROM generate_series(1, 200) i;
SELECT mvstore_flush();
SELECT * FROM regress_check();
VACUUM (FULL, FREEZE) s;
SELECT count(mvstore_put('s', 'k' || i, 'v6 ' || i)) FROM generate_series(1, 200) i;
SELECT mvstore_flush();
SELECT * FROM regress_check();
SELECT format('CLUSTER s USING %s', indexrelid::regclass) FROM pg_index WHERE indrelid = 's'::regclass \gexec
SELECT count(mvstore_put('s', 'k' || i, 'v7 ' || i)) FROM generate_series(1, 200) i;
SELECT mvstore_flush();
SELECT * FROM regress_check();
ALTER TABLE s SET TABLESPACE pg_default;
ALTER TABLE s SET (fillfactor = 70);
ALTER TABLE s ALTER COLUMN value SET STORAGE EXTERNAL;
SELECT mvstore_put('s', 'k1', 'v8 1') > 0 AS put;
SELECT mvstore_flush();
SELECT * FROM regress_check();

-- Within the transaction that changed the table, too.
BEGIN;
SELECT mvstore_put('s', 'k1', 'v9 1') > 0 AS put;
CREATE INDEX s_value ON s (value);
ALTER TABLE s ADD COLUMN note text DEFAULT 'n';
SELECT mvstore_put('s', 'k2', 'v9 2') > 0 AS put;
SELECT mvstore_get('s', 'k1'), mvstore_get('s', 'k2');
COMMIT;
SELECT mvstore_flush();
SELECT * FROM regress_check();

-- Without its index a store is nothing that one can search; the functions say so.
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
 WHERE indrelid = 's'::regclass AND indisreplident \gexec
\set VERBOSITY sqlstate
SELECT mvstore_get('s', 'k1');
SELECT mvstore_scan('s');
SELECT mvstore_put('s', 'k1', 'v');
SELECT mvstore_delete('s', 'k1');
SELECT mvstore_put_at('s', 'k1', 'v', 1);
-- One of another shape does not do, be it unique.
CREATE UNIQUE INDEX s_ascending ON s (key, version);
SELECT mvstore_get('s', 'k1');
CREATE UNIQUE INDEX s_partial ON s (key, version DESC) WHERE value IS NOT NULL;
SELECT mvstore_get('s', 'k1');
CREATE INDEX s_not_unique ON s (key, version DESC);
SELECT mvstore_get('s', 'k1');
\set VERBOSITY default
-- The right one, of any name, does.
CREATE UNIQUE INDEX "any name" ON s (key, version DESC);
SELECT * FROM regress_check();
SELECT mvstore_put('s', 'k1', 'v10 1') > 0 AS put;
SELECT mvstore_flush();
SELECT * FROM regress_check();
DROP FUNCTION regress_check;
DROP TABLE s;
