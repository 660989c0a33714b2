--
-- A state of the past is had again by one call, at one version, with nothing lost of what
-- came between; and what is as it was is not written.
--
\pset null '(null)'
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'same', 'same', 10), mvstore_put_at('s', 'changed', 'old', 10), mvstore_put_at('s', 'deleted', 'old', 10),
       mvstore_put_at('s', 'gone', 'old', 5), mvstore_delete_at('s', 'gone', 10), mvstore_put_at('s', 'empty', '', 10);
SELECT mvstore_put_at('s', 'changed', 'new', 20), mvstore_delete_at('s', 'deleted', 20), mvstore_put_at('s', 'new', 'new', 20),
       mvstore_put_at('s', 'same', 'same', 20), mvstore_put_at('s', 'gone', 'back', 15), mvstore_delete_at('s', 'gone', 20),
       mvstore_put_at('s', 'empty', 'full', 20), mvstore_put_at('s', 'for a while', 'x', 15), mvstore_delete_at('s', 'for a while', 18);
-- A value of many pages, which is not kept in memory for all keys, and one of any bytes.
SELECT mvstore_put_at('s', 'large', repeat('large', 100000), 10), mvstore_put_at('s', 'large', repeat('other', 100000), 20),
       mvstore_put_at_raw('s', '\xff00', '\x00ff', 10), mvstore_put_at_raw('s', '\xff00', '\x00', 20);

-- What is to come, and then what is: the difference has been written, at one version.
SELECT key, new_version, old_version FROM mvstore_diff_raw('s', 10) WHERE new_value IS DISTINCT FROM old_value;
BEGIN;
SELECT mvstore_put('s', 'other', 'v') AS mine \gset
SELECT mvstore_delete('s', 'other') = :mine AS deleted;
SELECT mvstore_revert('s', 10);
SELECT count(*) AS written, count(*) FILTER (WHERE value IS NULL) AS deleted FROM s WHERE version = :mine;
COMMIT;
SELECT key, left(encode(value, 'escape'), 10) AS value, version = :mine AS "written now" FROM mvstore_scan_raw('s');
SELECT count(*) AS wrong FROM (SELECT key, value FROM mvstore_scan_raw('s', as_of := 10) EXCEPT SELECT key, value FROM mvstore_scan_raw('s')) x;
-- Once more there is nothing to do; and the state before can be had again, too.
SELECT mvstore_revert('s', 10);
SELECT mvstore_revert('s', 20);
SELECT count(*) AS wrong FROM (SELECT key, value FROM mvstore_scan_raw('s') EXCEPT SELECT key, value FROM mvstore_scan_raw('s', as_of := 20)) x;
-- From any state to any.
CREATE FUNCTION regress_state(as_of bigint) RETURNS text LANGUAGE sql
AS 'SELECT string_agg(format(''%s=%s'', key, md5(value)), '','' ORDER BY key) FROM mvstore_scan_raw(''s'', as_of := as_of)';
CREATE FUNCTION regress_wrong(versions bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  wrong bigint := 0;
  i int;
BEGIN
  FOR i IN 1 .. cardinality(versions) LOOP
    PERFORM mvstore_revert('s', versions[i]);
    wrong := wrong + (regress_state(versions[i]) IS DISTINCT FROM regress_state(9223372036854775807))::int;
  END LOOP;
  RETURN wrong;
END $$;
SELECT regress_wrong('{5,10,0,15,20,18,5,20,0}') AS wrong;
SELECT count(*) FROM mvstore_scan('s');
SELECT mvstore_revert('s', 9223372036854775807);

-- Of the keys with a prefix.
SELECT mvstore_revert('s', 10, 'new');
SELECT mvstore_revert('s', 10, prefix := 'c');
SELECT key, value FROM mvstore_scan('s');
SELECT mvstore_revert_raw('s', 10, '\xff');
SELECT mvstore_revert('s', 10, '') AS "the rest";

-- When a value expires is as it was; what has expired since is absent.
SELECT mvstore_create('e');
INSERT INTO e VALUES ('gone', 10, 'v', '2001-01-01'), ('gone', 20, 'w', NULL), ('still gone', 10, 'v', '2001-01-01'),
  ('lives', 10, 'v', '2901-01-01'), ('lives', 20, 'w', NULL), ('longer', 10, 'v', '2901-01-01'), ('longer', 20, 'v', '2902-01-01'),
  ('never', 10, 'v', 'infinity'), ('never', 20, 'v', NULL);
SELECT mvstore_pin('regress_revert', 1, store := 'e');
SELECT mvstore_set_policy('e', ttl := '1 hour');
SELECT mvstore_revert('e', 10);
SELECT key, value, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY') AS expires, version > 20 AS written FROM mvstore_scan('e');
SELECT mvstore_revert('e', 20);
DROP TABLE e;

-- For triggers it is one statement, which they see also where nothing is written.
CREATE FUNCTION regress_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_LEVEL = 'ROW' THEN
    RAISE NOTICE '% % %', TG_WHEN, TG_OP, convert_from(NEW.key, 'UTF8');
    RETURN NEW;
  END IF;
  RAISE NOTICE '% %', TG_WHEN, TG_OP;
  RETURN NULL;
END $$;
SELECT mvstore_create('t', keep_versions := 1);
SELECT mvstore_pin('regress_revert', 1, store := 't');
SELECT mvstore_put_at('t', k, 'old', 10), mvstore_put_at('t', k, 'new', 20) FROM unnest('{a,b}'::text[]) k;
CREATE TRIGGER before_all BEFORE INSERT OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION regress_tell();
CREATE TRIGGER after_all AFTER INSERT OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION regress_tell();
CREATE TRIGGER before_each BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION regress_tell();
CREATE TRIGGER after_each AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION regress_tell();
SELECT mvstore_revert('t', 10);
SELECT mvstore_revert('t', 10);
-- The policy looks at what was superseded; and what it took is not to be had again.
SELECT mvstore_unpin('regress_revert');
SELECT mvstore_flush();
SELECT count(*) FROM t;
\set VERBOSITY terse
SELECT mvstore_revert('t', 10);
SELECT mvstore_revert('t', 10, 'no such key');
DROP TABLE t;

-- What is refused, and whom.
\set VERBOSITY sqlstate
SELECT mvstore_revert(NULL, 10);
SELECT mvstore_revert('s', NULL);
SELECT mvstore_revert('s', -1);
SELECT mvstore_revert('s', mvstore_version_at(now() + '1 hour'));
SELECT mvstore_revert('pg_class', 10);
SET mvstore.as_of = 10;
SELECT mvstore_revert('s', 10);
RESET mvstore.as_of;
BEGIN READ ONLY;
SELECT mvstore_revert('s', 10);
ROLLBACK;
CREATE ROLE regress_mvstore_reverter;
GRANT SELECT ON s TO regress_mvstore_reverter;
SET ROLE regress_mvstore_reverter;
SELECT mvstore_revert('s', 10);
RESET ROLE;
REVOKE SELECT ON s FROM regress_mvstore_reverter;
GRANT INSERT ON s TO regress_mvstore_reverter;
SET ROLE regress_mvstore_reverter;
SELECT mvstore_revert('s', 10);
RESET ROLE;
GRANT SELECT ON s TO regress_mvstore_reverter;
SET ROLE regress_mvstore_reverter;
SELECT mvstore_revert('s', 10);
RESET ROLE;
DROP TABLE s;
DROP ROLE regress_mvstore_reverter;
DROP FUNCTION regress_tell, regress_state, regress_wrong;
