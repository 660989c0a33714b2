# A transaction may write any number of keys: its locks do not grow with them. So
# long ones go on side by side where PostgreSQL has room for few locks.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $writers = 4;
my $keys = 20_000;
my $node = mvstore_node('locks', conf => <<'CONF');
max_locks_per_transaction = 10
max_connections = 20
fsync = off
CONF

# The test is worth something if as many locks as keys have no room.
my ($state) = sqlstate_of($node, 'postgres', "SELECT count(pg_advisory_xact_lock(n)) FROM generate_series(1, $keys) n;");
is($state, '53200', 'there is no room for a lock on each key');

$node->safe_psql('postgres', <<"SQL");
SELECT mvstore_create('s');
SELECT count(mvstore_put('s', 'old:' || w || ':' || n, 'before')) FROM generate_series(0, $writers - 1) w, generate_series(1, $keys) n;
-- How many have written, told while they have not committed; one more lets them.
CREATE SEQUENCE written;
CREATE PROCEDURE wait_for_all() LANGUAGE plpgsql AS \$\$
BEGIN
  PERFORM nextval('written');
  WHILE (SELECT last_value FROM written) <= $writers LOOP
    PERFORM pg_sleep(0.01);
  END LOOP;
END \$\$;
SQL

# Each of its own keys: new ones, one by one and in one call, ones that are there,
# and the past of those.
my $script = PostgreSQL::Test::Utils::tempdir() . '/writer.sql';
append_to_file($script, <<"SQL");
SET statement_timeout = '${PostgreSQL::Test::Utils::timeout_default} s';
BEGIN;
SELECT count(mvstore_put('s', 'new:' || :client_id || ':' || n, 'after')) FROM generate_series(1, $keys) n;
SELECT mvstore_put_many('s', array_agg('new:' || :client_id || '::' || n), array_agg('after'::text)) FROM generate_series(1, $keys) n;
SELECT count(mvstore_put('s', 'old:' || :client_id || ':' || n, 'after')) FROM generate_series(1, $keys) n WHERE n % 2 = 0;
SELECT count(mvstore_delete('s', 'old:' || :client_id || ':' || n)) FROM generate_series(1, $keys) n WHERE n % 2 = 1;
SELECT count(mvstore_put_at('s', 'old:' || :client_id || ':' || n, 'past', 10)) FROM generate_series(1, $keys) n;
CALL wait_for_all();
COMMIT;
SQL
my $out = '';
my $pgbench = IPC::Run::start(
	[
		'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', $writers, '-j', 2, '-t', 1,
		'-f', $script, 'postgres'
	],
	'>', \$out, '2>&1');

wait_until($node, 'postgres', "SELECT is_called AND last_value >= $writers FROM written", 'all have written, and none has committed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM s WHERE key >= 'new' AND key < 'nex'}), 0, 'nobody else sees any of it');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM pg_locks'), '<', 100, 'there are few locks');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid <> 0}), 0, 'and none on a key');
$node->safe_psql('postgres', q{SELECT nextval('written')});
ok($pgbench->finish, 'all commit') or diag($out);

is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_scan('s') WHERE value = 'after'}),
	$writers * $keys * 5 / 2, 'all that was put is there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_scan('s')}), $writers * $keys * 5 / 2, 'what was deleted is not');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_scan('s', as_of => 10) WHERE value = 'past'}),
	$writers * $keys, 'and so is the past');

$node->stop;
done_testing();
