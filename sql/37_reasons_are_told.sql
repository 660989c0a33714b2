--
-- Why a version cannot be read yet, or a store not be written: the error tells, and
-- of two reasons it tells the true one. Without it nobody knows whom to wait for.
-- (Of other sessions tells t/stable_goes_by_the_snapshot.pl.)
--
SELECT mvstore_create(s) FROM unnest('{s,t}'::text[]) s;
SELECT mvstore_put('s', 'k', 'v') AS first \gset

-- An error's message, detail and hint, with versions by name.
CREATE FUNCTION regress_why(command text) RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    EXECUTE command;
    state := 'none';
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  END;
  message := regexp_replace(message, '\d{16}', 'N', 'g');
  detail := regexp_replace(detail, '\d{16}', 'N', 'g');
  RETURN NEXT;
END $$;
\x on
-- The future.
SELECT * FROM regress_why($$SELECT mvstore_get('s', 'k', as_of := mvstore_stable_version() + 60000000)$$);
SELECT * FROM regress_why($$SELECT * FROM mvstore_diff('s', 0, 9000000000000000)$$);
-- The own transaction, whoever else there is.
BEGIN;
SELECT mvstore_put('s', 'k', 'w') AS own \gset
SELECT * FROM regress_why(format($$SELECT mvstore_get('s', 'k', as_of := %s)$$, :own));
SELECT * FROM regress_why(format($$SELECT mvstore_previous('s', 'k', before := %s)$$, :own + 60000000));
SELECT * FROM regress_why(format($$SELECT mvstore_scan('s', as_of := %s)$$, :own - 1));
COMMIT;
SELECT * FROM regress_why(format($$SELECT mvstore_get('s', 'k', as_of := %s)$$, :own));

-- What was put at a version above that of the transaction, and emptied by it: the
-- floor lies above it, and there it cannot write any more.
BEGIN;
SELECT mvstore_put('t', 'k', 'v') AS own \gset
SELECT mvstore_put_at('s', 'k', 'now', mvstore_version_at(clock_timestamp()));
SELECT mvstore_clear('s');
SELECT floor > :own AS above FROM mvstore_store_stats WHERE store = 's'::regclass;
SELECT * FROM regress_why($$SELECT mvstore_put('s', 'k', 'late')$$);
SELECT * FROM regress_why($$SELECT mvstore_put_many('s', '{k,l}', '{late,late}')$$);
SELECT mvstore_put('t', 'k', 'other stores') = :own AS put;
COMMIT;
SELECT mvstore_put('s', 'k', 'next') > :own AS put;
SELECT mvstore_clear('s');

-- A pin on a store that the same transaction has emptied.
BEGIN;
SELECT mvstore_put('s', 'k', 'v') > 0 AS put;
SELECT mvstore_clear('s');
SELECT * FROM regress_why($$SELECT mvstore_pin('regress', store := 's')$$);
SELECT * FROM regress_why($$SELECT mvstore_pin('regress', 1, store := 's')$$);
-- On all stores it is granted: it promises nothing of those that have just been emptied.
SELECT mvstore_pin('regress') < (SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass) AS pinned;
ROLLBACK;
SELECT * FROM regress_why($$SELECT mvstore_pin('regress', store := 's')$$);
SELECT mvstore_unpin('regress');
\x off
DROP FUNCTION regress_why;
DROP TABLE s, t;
