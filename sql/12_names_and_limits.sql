--
-- What mvstore_create() and its sisters take, works: a limit with which every put
-- would fail is refused, and so is a name that PostgreSQL would cut, since two
-- stores of long names could be one.
--
\set VERBOSITY terse

-- Beyond the last timestamp nothing expires.
SELECT mvstore_create('s', ttl := '106751991 days');
SELECT mvstore_create('s', ttl := '36500000 days 1 microsecond');
SELECT mvstore_create('s', keep_for := '106751992 days');
SELECT mvstore_create('s', keep_for := '106751991 days', ttl := '36500000 days');
SELECT mvstore_set_policy('s', ttl := '106751991 days');
SELECT mvstore_detach('s');
SELECT mvstore_attach('s', ttl := '106751991 days');
\set VERBOSITY default
SELECT mvstore_attach('s', keep_for := '106751991 days', ttl := '36500000 days');
SELECT mvstore_put('s', 'k', 'v' || i) > 0 AS put FROM generate_series(1, 3) i;
SELECT mvstore_sweep('s');
SELECT mvstore_flush();
SELECT value, expires_at > '101900-01-01' AS "in 100,000 years" FROM mvstore_history('s', 'k');
-- A put's own ttl can go further, and is refused by itself.
\set VERBOSITY sqlstate
SELECT mvstore_put('s', 'k', 'v', ttl := '106751991 days');
SELECT mvstore_pin('p', ttl := '106751991 days');

-- Names: 63 bytes are as many as there is room for.
SELECT repeat('s', 63) AS longest, repeat('s', 64) AS long \gset
SELECT mvstore_create(:'longest');
SELECT mvstore_put(:'longest', 'k', 'v') > 0 AS put;
SELECT mvstore_create(:'long');
SELECT mvstore_create('"' || :'long' || '"');
SELECT mvstore_create('public.' || :'long');
SELECT mvstore_create(:'long' || '.s');
SELECT mvstore_create('"a""' || repeat('b', 62) || '"');
SELECT mvstore_create('"a""' || repeat('b', 61) || '"') IS NOT NULL AS created;
SELECT mvstore_pin(:'long');
SELECT mvstore_unpin(:'long');
SELECT mvstore_pin(:'longest') > 0 AS pinned, mvstore_unpin(:'longest');
-- What is no name at all is refused as ever.
SELECT mvstore_create('');
SELECT mvstore_create('a.b.');
SELECT mvstore_create('"open');
\set VERBOSITY default
SELECT mvstore_create(:'long');
SELECT mvstore_pin(:'long');
-- Bytes count, not characters; and the index of the longest name has one that is cut.
SELECT repeat('s', 59) || chr(228) || chr(228) AS longest, repeat('s', 60) || chr(228) || chr(228) AS long \gset
\set VERBOSITY sqlstate
SELECT mvstore_create(:'long');
\set VERBOSITY default
SELECT mvstore_create(:'longest') IS NOT NULL AS created;
SELECT mvstore_put(:'longest', 'k', 'v') > 0 AS put;
SELECT mvstore_get(:'longest', 'k');
SELECT octet_length(t.relname::text) AS "table", octet_length(i.relname::text) AS index
  FROM pg_class t JOIN pg_index ON indrelid = t.oid JOIN pg_class i ON i.oid = indexrelid
  WHERE t.oid = :'longest'::regclass;

-- No schema, no right there, and a schema that is temporary.
SELECT mvstore_create('nowhere.s');
SET search_path = '';
SELECT public.mvstore_create('s');
SET search_path = pg_temp, public;
SELECT mvstore_create('s');
SELECT mvstore_create('public.named');
RESET search_path;
CREATE ROLE regress_mvstore_user;
CREATE SCHEMA "Their own";
SET ROLE regress_mvstore_user;
SELECT mvstore_create('"Their own".s');
RESET ROLE;
GRANT USAGE, CREATE ON SCHEMA "Their own" TO regress_mvstore_user;
SET ROLE regress_mvstore_user;
SELECT mvstore_create('"Their own".s');
RESET ROLE;
DROP SCHEMA "Their own" CASCADE;
DROP ROLE regress_mvstore_user;

DO $$ BEGIN EXECUTE (SELECT 'DROP TABLE ' || string_agg(store::text, ', ') FROM mvstore_stores); END $$;
