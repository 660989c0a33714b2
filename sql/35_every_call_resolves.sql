--
-- Whatever a caller leaves untyped means text, unless it says bytea; and a call
-- finds its function by position, by name, and as a prepared statement.
--

\pset format unaligned
SELECT mvstore_create('s');
CREATE TABLE plain (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz);
CREATE UNIQUE INDEX ON plain (key, version DESC);

-- A call: the function, its arguments, and how many of them it needs.
CREATE TABLE calls (n int GENERATED ALWAYS AS IDENTITY, function text, names text[], literals text[], needed int);
INSERT INTO calls (function, names, literals, needed)
SELECT function || suffix, names::text[], literals::text[], needed
  FROM (VALUES
  ('mvstore_create', '{store,keep_versions,keep_for,ttl,feed,if_not_exists}', '{t,3,1 day,1 day,true,true}', 1, '{""}'),
  ('mvstore_set_policy', '{store,keep_versions,keep_for,ttl}', '{s,3,1 day,1 day}', 1, '{""}'),
  ('mvstore_set_feed', '{store,feed}', '{s,true}', 2, '{""}'),
  ('mvstore_attach', '{store,keep_versions,keep_for,ttl,floor}', '{plain,3,1 day,1 day,0}', 1, '{""}'),
  ('mvstore_detach', '{store}', '{s}', 1, '{""}'),
  ('mvstore_clear', '{store}', '{s}', 1, '{""}'),
  ('mvstore_put', '{store,key,value,ttl}', '{s,k,v,1 day}', 3, '{"",_bytea,_raw}'),
  ('mvstore_put_many', '{store,keys,new_values,ttl}', '{s,"{k}","{v}",1 day}', 3, '{"",_bytea,_raw}'),
  ('mvstore_put_if', '{store,key,value,expected,ttl}', '{s,k,v,0,1 day}', 4, '{"",_bytea,_raw}'),
  ('mvstore_delete', '{store,key}', '{s,k}', 2, '{"",_raw}'),
  ('mvstore_delete_if', '{store,key,expected}', '{s,k,0}', 3, '{"",_raw}'),
  ('mvstore_put_at', '{store,key,value,version}', '{s,k,v,10}', 4, '{"",_bytea,_raw}'),
  ('mvstore_delete_at', '{store,key,version}', '{s,k,10}', 3, '{"",_raw}'),
  ('mvstore_revert', '{store,to_version,prefix}', '{s,0,k}', 2, '{"",_raw}'),
  ('mvstore_lock', '{store,key}', '{s,k}', 2, '{"",_raw}'),
  ('mvstore_get', '{store,key,as_of}', '{s,k,1}', 2, '{"",_bytea,_raw}'),
  ('mvstore_get_entry', '{store,key,as_of}', '{s,k,1}', 2, '{"",_bytea,_raw}'),
  ('mvstore_get_many', '{store,keys,as_of}', '{s,"{k}",1}', 2, '{"",_bytea,_raw}'),
  ('mvstore_contains', '{store,key,as_of}', '{s,k,1}', 2, '{"",_raw}'),
  ('mvstore_previous', '{store,key,before}', '{s,k,1}', 2, '{"",_bytea,_raw}'),
  ('mvstore_scan', '{store,from_key,to_key,as_of,max_rows,reverse}', '{s,k,l,1,1,true}', 1, '{"",_bytea,_raw}'),
  ('mvstore_scan_prefix', '{store,prefix,as_of,max_rows,reverse}', '{s,k,1,1,true}', 2, '{"",_bytea,_raw}'),
  ('mvstore_count', '{store,from_key,to_key,as_of}', '{s,k,l,1}', 1, '{"",_raw}'),
  ('mvstore_count_prefix', '{store,prefix,as_of}', '{s,k,1}', 2, '{"",_raw}'),
  ('mvstore_history', '{store,key,max_rows}', '{s,k,1}', 2, '{"",_bytea,_raw}'),
  ('mvstore_diff', '{store,from_version,to_version,prefix}', '{s,0,1,k}', 2, '{"",_bytea,_raw}'),
  ('mvstore_changes', '{store,after_version,after_key,max_rows,wait,compacted,synced_at}', '{s,1,k,1,1 ms,true,1}', 2, '{"",_bytea,_raw}'),
  ('mvstore_drop', '{store,key,keep,before}', '{s,k,1,1}', 2, '{"",_raw}'),
  ('mvstore_drop_prefix', '{store,prefix,keep,before}', '{s,k,1,1}', 2, '{"",_raw}'),
  ('mvstore_drop_range', '{store,from_key,to_key,keep,before}', '{s,k,l,1,1}', 3, '{"",_raw}'),
  ('mvstore_compact', '{store,before}', '{s,1}', 2, '{""}'),
  ('mvstore_erase', '{store,key}', '{s,k}', 2, '{"",_raw}'),
  ('mvstore_erase_prefix', '{store,prefix}', '{s,k}', 2, '{"",_raw}'),
  ('mvstore_sweep', '{store}', '{s}', 1, '{""}'),
  ('mvstore_flush', '{timeout}', '{1 s}', 0, '{""}'),
  ('mvstore_pause', '{}', '{}', 0, '{""}'),
  ('mvstore_resume', '{}', '{}', 0, '{""}'),
  ('mvstore_retry_failed', '{store}', '{s}', 1, '{""}'),
  ('mvstore_cancel_request', '{id}', '{1}', 1, '{""}'),
  ('mvstore_pin', '{name,version,ttl,store}', '{p,1,1 h,s}', 1, '{""}'),
  ('mvstore_unpin', '{name}', '{p}', 1, '{""}'),
  ('mvstore_stats_reset', '{}', '{}', 0, '{""}'),
  ('mvstore_help', '{}', '{}', 0, '{""}'),
  ('mvstore_stable_version', '{}', '{}', 0, '{""}'),
  ('mvstore_wait_stable', '{version,timeout}', '{1,1 s}', 1, '{""}'),
  ('mvstore_current_version', '{}', '{}', 0, '{""}'),
  ('mvstore_use_version', '{version}', '{1}', 1, '{""}'),
  ('mvstore_version_at', '{at}', '{2026-01-01}', 1, '{""}'),
  ('mvstore_time_of', '{version}', '{1}', 1, '{""}')) AS given (function, names, literals, needed, family),
       unnest(family::text[]) WITH ORDINALITY AS one (suffix, place)
 ORDER BY place, function COLLATE "C";

-- No name is of two functions, and the name fixes the types of keys and values.
SELECT p.proname AS overloaded FROM pg_proc p WHERE p.proname LIKE 'mvstore%' GROUP BY 1 HAVING count(*) > 1;
SELECT p.proname AS function, a.name AS argument, a.type::regtype
  FROM pg_proc p,
       unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[])) AS a (name, type)
 WHERE p.proname IN (SELECT function FROM calls)
   AND a.type <> CASE
         WHEN a.name IN ('key', 'from_key', 'to_key', 'after_key', 'prefix') THEN CASE WHEN p.proname LIKE '%\_raw' THEN 'bytea' ELSE 'text' END
         WHEN a.name IN ('value', 'old_value', 'new_value') THEN CASE WHEN p.proname ~ '_(raw|bytea)$' THEN 'bytea' ELSE 'text' END
         WHEN a.name = 'keys' THEN CASE WHEN p.proname LIKE '%\_raw' THEN 'bytea[]' ELSE 'text[]' END
         WHEN a.name = 'new_values' THEN CASE WHEN p.proname ~ '_(raw|bytea)$' THEN 'bytea[]' ELSE 'text[]' END
         ELSE a.type::regtype::text END::regtype;
-- A family is complete: who has a key has _raw, who has a value or returns one has _bytea, and
-- nobody else has.
WITH functions AS (
  SELECT p.proname::text AS name,
         coalesce(p.proargnames && ARRAY['key', 'keys', 'from_key', 'prefix'], false) AS keys,
         p.proargnames && ARRAY['value', 'new_values', 'new_value'] OR p.proname ~ '^mvstore_get(_bytea|_raw)?$' AS has_values
    FROM pg_proc p WHERE p.proname IN (SELECT function FROM calls))
SELECT f.name AS "incomplete or odd"
  FROM (SELECT *, regexp_replace(name, '_(raw|bytea)$', '') AS base FROM functions) f
 WHERE EXISTS (SELECT FROM functions o WHERE o.name = base || '_raw') IS DISTINCT FROM keys
    OR EXISTS (SELECT FROM functions o WHERE o.name = base || '_bytea') IS DISTINCT FROM (keys AND has_values)
    OR NOT EXISTS (SELECT FROM functions o WHERE o.name = base);

-- The calls are all that there is for users.
SELECT DISTINCT p.proname AS "not called"
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND p.prokind = 'f'
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mvstore')
   AND p.proname NOT IN (SELECT function FROM calls)
 ORDER BY 1;

-- Which function a call is of, as a view of it depends on it.
CREATE FUNCTION regress_resolve(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  found text;
BEGIN
  EXECUTE 'CREATE TEMP VIEW regress_call AS SELECT FROM (SELECT ' || call || ') c';
  SELECT string_agg(d.refobjid::regprocedure::text, ' and ') INTO found
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
   WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_proc'::regclass AND r.ev_class = 'regress_call'::regclass;
  DROP VIEW regress_call;
  RETURN found;
EXCEPTION
  WHEN OTHERS THEN RETURN SQLSTATE;
END $$;

-- The same, as a statement that is prepared: the types of its parameters.
CREATE FUNCTION regress_parameters(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  found text;
BEGIN
  EXECUTE 'PREPARE regress_call AS SELECT ' || call;
  SELECT array_to_string(parameter_types, ',') INTO found FROM pg_prepared_statements WHERE name = 'regress_call';
  DEALLOCATE regress_call;
  RETURN found;
EXCEPTION
  WHEN OTHERS THEN RETURN SQLSTATE;
END $$;

-- A call with so many arguments: how is a format of number, name and literal.
CREATE FUNCTION regress_call(function text, names text[], literals text[], how text, count int, cast_key text DEFAULT '') RETURNS text LANGUAGE sql AS $$
  SELECT function || '(' ||
         coalesce(string_agg(format(how, i, names[i], quote_literal(literals[i])) || CASE WHEN names[i] IN ('key', 'value', 'prefix') THEN cast_key ELSE '' END, ', ' ORDER BY i), '') || ')'
    FROM generate_series(1, count) i
$$;

-- By position, with untyped literals.
ALTER TABLE calls ADD call text, ADD is_of text;
UPDATE calls SET call = regress_call(function, names, literals, '%3$s', cardinality(names));
UPDATE calls SET is_of = regress_resolve(call);
SELECT call, is_of FROM calls ORDER BY n;

-- Every other way leads to the same: with defaults left out, by name, in any order,
-- and with NULL for all.
SELECT other, regress_resolve(other) AS "is of"
  FROM calls, generate_series(needed, cardinality(names)) count,
       (VALUES ('%3$s'), ('%2$s := %3$s'), ('NULL'), ('%2$s => NULL')) AS ways(how),
       regress_call(function, names, literals, how, count) other
 WHERE regress_resolve(other) IS DISTINCT FROM is_of
 ORDER BY n, count, how;
SELECT regress_resolve($$mvstore_put(value := 'v', ttl := NULL, key := 'k', store := 's')$$) AS put,
       regress_resolve($$mvstore_get('s', as_of := 1, key := 'k')$$) AS get,
       regress_resolve($$mvstore_scan('s', reverse := true, max_rows := 1)$$) AS scan,
       regress_resolve($$mvstore_diff('s', prefix := 'k', from_version := 1)$$) AS diff;

-- As a statement with parameters.
SELECT function, regress_parameters(regress_call(function, names, literals, '$%1$s', cardinality(names))) AS parameters
  FROM calls ORDER BY n;
SELECT function, how
  FROM calls, (VALUES ('%2$s := $%1$s')) AS ways(how)
 WHERE regress_parameters(regress_call(function, names, literals, how, cardinality(names)))
       IS DISTINCT FROM regress_parameters(regress_call(function, names, literals, '$%1$s', cardinality(names)));

-- With a bytea key: only where the name says so.
SELECT regress_call(function, names, literals, '%3$s', needed, '::bytea') AS call,
       regress_resolve(regress_call(function, names, literals, '%3$s', needed, '::bytea')) AS "is of"
  FROM calls WHERE names[2] IN ('key', 'prefix') ORDER BY n;
-- A type that is not the name's is refused, whichever of key and value has it: nothing is
-- taken for text that is not.
SELECT call, regress_resolve(call) AS "is of"
  FROM unnest(ARRAY[
    $$mvstore_put('s', 'k'::text, 'v')$$, $$mvstore_put('s', 'k', 'v'::text)$$, $$mvstore_put('s', 'k', 'v'::bytea)$$,
    $$mvstore_put('s', 'k'::text, 'v'::bytea)$$, $$mvstore_put('s', 'k'::bytea, 'v')$$, $$mvstore_put('s', 'k'::bytea, NULL)$$,
    $$mvstore_put('s', 'k'::bytea, 'v'::text)$$, $$mvstore_put('s', 'k'::varchar, 'v'::varchar)$$, $$mvstore_put('s', 'k', 1::text)$$,
    $$mvstore_put('s', 'k', 1)$$, $$mvstore_put('s', 'k', '{}'::json)$$, $$mvstore_put('s', 'k', '{}'::json::text)$$,
    $$mvstore_put_if('s', 'k', 'v'::bytea, 0)$$, $$mvstore_put_if('s', 'k'::bytea, 'v', 0)$$, $$mvstore_put_if('s', 'k', NULL, NULL)$$,
    $$mvstore_put_at('s', 'k', 'v'::bytea, 10)$$, $$mvstore_put_at('s', 'k'::bytea, 'v', 10)$$,
    $$mvstore_get('s', 'k'::varchar)$$, $$mvstore_get('s', 'k'::name)$$, $$mvstore_get('s', 'k'::char(3))$$,
    $$mvstore_get_many('s', ARRAY['k', 'l'])$$, $$mvstore_get_many('s', ARRAY['k'::bytea])$$,
    $$mvstore_get_many('s', ARRAY['k'::varchar])$$, $$mvstore_put_many('s', ARRAY['k'], ARRAY[NULL])$$,
    $$mvstore_put_many('s', ARRAY['k']::bytea[], ARRAY[NULL]::bytea[])$$,
    $$mvstore_count('s', 'k'::bytea)$$, $$mvstore_scan('s', 'k'::bytea)$$, $$mvstore_diff('s', 1, 2, 'k'::bytea)$$,
    $$mvstore_get('s', 'k', 1::int)$$, $$mvstore_get('s', 'k', 1::numeric)$$, $$mvstore_delete_if('s', 'k', 1::smallint)$$,
    $$mvstore_get('s'::text, 'k')$$, $$mvstore_get('s'::regclass, 'k')$$, $$mvstore_get(1::oid, 'k')$$]) call;

-- NULL for one argument after the other, untyped: it is refused (22004), but where
-- it means that nothing is given.
CREATE FUNCTION regress_state(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE 'SELECT ' || call;
  RAISE division_by_zero;  -- leaves nothing behind
EXCEPTION
  WHEN division_by_zero THEN RETURN 'ok';
  WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT function, string_agg(format('%s: %s', names[i], regress_state(one.call)), ', ' ORDER BY i) AS "given NULL"
  FROM calls, generate_series(1, cardinality(names)) i,
       LATERAL (SELECT function || '(' || string_agg(CASE j WHEN i THEN 'NULL' ELSE quote_literal(literals[j]) END, ', ' ORDER BY j) || ')' AS call
                  FROM generate_series(1, cardinality(names)) j) one
 GROUP BY n, function ORDER BY n;
-- Parameters without a type, given at execution.
PREPARE regress_put AS SELECT mvstore_put_if('s', $1, $2, $3) > 0 AS written;
EXECUTE regress_put('k', '\x61', 0);
PREPARE regress_get AS SELECT pg_typeof(mvstore_get('s', $1)), mvstore_get('s', $1);
EXECUTE regress_get('k');
PREPARE regress_many AS SELECT key, value FROM mvstore_get_many('s', $1);
EXECUTE regress_many('{k,l}');
PREPARE regress_put_many AS SELECT mvstore_put_many('s', $1, $2) > 0 AS written;
EXECUTE regress_put_many('{l}', '{\\x61}');
EXECUTE regress_many('{k,l}');
PREPARE regress_bytes AS SELECT key, value FROM mvstore_get_many_raw('s', $1);
EXECUTE regress_bytes('{k,l}');
\set VERBOSITY sqlstate
EXECUTE regress_put('k', NULL, 0);
EXECUTE regress_get(NULL);
EXECUTE regress_many(NULL);
\set VERBOSITY default
DEALLOCATE ALL;

DROP FUNCTION regress_resolve, regress_parameters, regress_call, regress_state;
DROP TABLE calls, s, plain;
