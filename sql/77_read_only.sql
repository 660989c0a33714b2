--
-- Transactions that cannot keep their word are told at the call.
--
SELECT mvstore_create('s', keep_versions := 1);
SELECT mvstore_put('s', 'k', 'v') > 0 AS put;

-- A read-only transaction reads, and does not write or drop.
\set VERBOSITY sqlstate
BEGIN READ ONLY;
SELECT mvstore_get('s', 'k'), mvstore_contains('s', 'k'), mvstore_get('s', 'k', as_of := 1);
SELECT count(*) FROM mvstore_scan('s');
SAVEPOINT sp;
SELECT mvstore_put('s', 'k', 'w');
ROLLBACK TO sp;
SELECT mvstore_put_raw('s', 'k'::bytea, 'w'::bytea);
ROLLBACK TO sp;
SELECT mvstore_put_at('s', 'k', 'w', 1);
ROLLBACK TO sp;
SELECT mvstore_delete('s', 'k');
ROLLBACK TO sp;
SELECT mvstore_delete('s', 'absent');
ROLLBACK TO sp;
SELECT mvstore_delete_at('s', 'k', 1);
ROLLBACK TO sp;
SELECT mvstore_drop('s', 'k');
ROLLBACK TO sp;
COMMIT;
SET default_transaction_read_only = on;
SELECT mvstore_put('s', 'k', 'w');
RESET default_transaction_read_only;
\set VERBOSITY default
SELECT value FROM mvstore_history('s', 'k');

-- The session goes on.
SELECT mvstore_put('s', 'k', 'w') > 0 AS put;
SELECT mvstore_flush();
SELECT value FROM mvstore_history('s', 'k');
DROP TABLE s;
