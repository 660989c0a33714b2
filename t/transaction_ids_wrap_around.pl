# Transaction ids, and multixacts, come to the limit at which the server takes no more of them,
# and round to where they began: what waited goes on, the order of versions and what is stable
# stay, and so do pins and prepared transactions. Else a store would be lost after years of use.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Were autovacuum off, the server would start it near the limits, and it would freeze before we do.
my $node = mvstore_node('wraps', conf => <<'CONF');
statement_timeout = '2 min'
fsync = off
mvstore.sweep_interval = '1 s'
max_prepared_transactions = 5
autovacuum = on
autovacuum_naptime = '1 h'
autovacuum_freeze_max_age = 2000000000
autovacuum_multixact_freeze_max_age = 2000000000
CONF

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Have the server go on with these ids: their pages have to be there.
sub advance
{
	my ($xid, $multixact, $oldest) = @_;
	my $dir = $node->data_dir;
	my $frozen = sql('SELECT datfrozenxid FROM pg_database ORDER BY age(datfrozenxid) DESC LIMIT 1');

	$node->stop;
	for ([ 'pg_xact', $xid / 1_048_576 ], [ 'pg_multixact/offsets', $multixact / 65_536 ])
	{
		my $file = sprintf('%s/%s/%04X', $dir, @$_);

		append_to_file($file, "\0" x 262_144) unless -e $file;
	}
	system_or_bail('pg_resetwal', '-x', $xid, '-u', $frozen, '-m', "$multixact,$oldest", $dir);
	$node->start;
	return;
}

sub freeze
{
	$node->command_ok([ 'vacuumdb', '--all', '--freeze', '-p', $node->port, '-h', $node->host ], 'all is vacuumed');
	return;
}

# All that is to hold at any time: of what was put under a policy two entries of each key, of the
# rest all, versions in the order of commits.
my $puts = 0;

sub put_some
{
	my ($count) = @_;

	sql("CALL put_some($count)");
	$puts += $count;
	return;
}

sub holds
{
	my ($name, $held) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM aged)'), "$puts|$puts", "$name: nothing is gone");
	is(sql(q{SELECT count(*) FROM (SELECT n < lag(n) OVER (ORDER BY version) AS back FROM (SELECT version, convert_from(value, 'UTF8')::int AS n FROM s) s) e WHERE back}), 0, "$name: versions are in the order of commits");
	wait_until($node, 'postgres', 'SELECT count(*) = 2 FROM two', "$name: the policy is met") unless $held;
	return;
}

sql(<<'SQL');
ALTER DATABASE template0 ALLOW_CONNECTIONS true;
SELECT mvstore_create('s'), mvstore_create('two', keep_versions := 2), mvstore_create('aged', keep_for := '1 day'), mvstore_create('waits');
CREATE SEQUENCE number;
-- Each in a transaction of its own, which takes two transaction ids.
CREATE PROCEDURE put_some(count int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. count LOOP
    BEGIN
      PERFORM mvstore_put('s', 'k' || i % 10, nextval('number')::text);
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    PERFORM mvstore_put('two', 'k', 'v'), mvstore_put('aged', 'k', 'v');
    COMMIT;
  END LOOP;
END $$;
SQL
put_some(20);
sql(qq{SELECT mvstore_put('waits', key, 'v$_') FROM unnest('{a,b,c}'::text[]) key}) for (1 .. 3);
my $pin = sql(q{SELECT mvstore_pin('held', ttl := '1 day', store := 'waits')});
sql(qq{SELECT mvstore_put('waits', key, 'v$_') FROM unnest('{a,b,c}'::text[]) key}) for (4 .. 5);
sql(q{SELECT mvstore_drop('waits', 'a')});
my $stable = sql('SELECT mvstore_stable_version()');
freeze();

# At the limit: who writes is refused, the worker waits, and nothing is lost or set aside.
my $start = sql('SELECT datfrozenxid FROM pg_database WHERE datname = $$template0$$');
advance($start + 2_146_000_000, 2_147_000_000, 1);
my ($state) = sqlstate_of($node, 'postgres', q{SELECT mvstore_put('s', 'k', '0');});
is($state, '54000', 'at the limit nobody writes');
is(sql("SELECT mvstore_get('waits', 'a', as_of := $pin), count(*) FROM s"), "v3|$puts", 'but who reads reads');
stays($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_stats WHERE worker_pid IS NOT NULL}, 'the worker waits');
freeze();
put_some(20);
holds('behind the limit');
is(sql(q{SELECT count(*) FROM mvstore_requests WHERE state = 'failed'}), 0, 'no request has failed');

# Near the end of both, with a pin, requests that wait, a prepared transaction and an old snapshot.
advance(4_000_000_000, 4_000_000_000, 2_147_000_000);
freeze();
advance(4_294_966_796, 4_294_967_196, 4_000_000_000);
freeze();
put_some(20);
holds('near the end');
sql(q{SELECT mvstore_put('waits', 'b', 'v6')});
my $prepared = sql(q{BEGIN; SELECT mvstore_put('waits', 'c', 'prepared'), mvstore_drop('waits', 'b'); PREPARE TRANSACTION 'p'});
my $old = $node->background_psql('postgres', on_error_stop => 1);
my $digest = q{SELECT md5(string_agg(concat_ws(' ', key, version, value), ',' ORDER BY key)) FROM mvstore_scan('s', as_of := %s)};
my $seen = $old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT mvstore_stable_version()');
my $was = $old->query_safe(sprintf $digest, $seen);
my $epoch = sub { return sql('SELECT pg_current_xact_id()::text::numeric > 4294967296') };
is($epoch->(), 'f', 'the end has not been reached');
put_some(700);
is($epoch->(), 't', 'then ids have gone round');
my $now = $old->query_safe('SELECT mvstore_stable_version()');
cmp_ok($now, '>=', $seen, 'a snapshot of before knows what is stable');
is($old->query_safe(sprintf $digest, $seen), $was, 'and reads what it did');
$old->query_safe('COMMIT');
$old->quit;
is(sql(sprintf $digest, $seen), $was, 'as does a new one');
holds('gone round', 'prepared');
cmp_ok(sql('SELECT mvstore_stable_version()'), '<', sql(q{SELECT max(version) FROM s}), 'a prepared transaction still holds the stable version');

# Row locks of several sessions at entries that are to go, each a multixact.
my $locker = $node->background_psql('postgres', on_error_stop => 1);
$locker->query_safe(q{BEGIN; SELECT FROM waits WHERE key = 'a' FOR KEY SHARE});
sql(q{CREATE PROCEDURE lock_often() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1 .. 200 LOOP PERFORM FROM waits WHERE key = 'a' FOR KEY SHARE; COMMIT; END LOOP; END $$});
sql('CALL lock_often()');
sql('CHECKPOINT');
cmp_ok(sql('SELECT next_multixact_id::text::numeric FROM pg_control_checkpoint()'), '<', 1000, 'multixacts have gone round, too');

# Over a crash.
$node->stop('immediate');
$locker->{run}->kill_kill;
$node->start;
is(sql(q{SELECT gid FROM pg_prepared_xacts}), 'p', 'the prepared transaction is there');
put_some(20);
holds('after a crash', 'prepared');
sql(q{COMMIT PREPARED 'p'});
cmp_ok(sql('SELECT mvstore_stable_version()'), '>', $stable, 'what is stable rises with its end');
is(sql(q{SELECT mvstore_get('waits', 'c')}), 'prepared', 'what it wrote is there');
is(sql("SELECT mvstore_get('waits', 'a', as_of := $pin), mvstore_get('waits', 'b', as_of := $pin)"), 'v3|v3', 'the pin holds');
sql(q{SELECT mvstore_unpin('held')});
is(sql('SELECT mvstore_flush()'), 't', 'without it, all is done');
is(sql(q{SELECT string_agg(convert_from(key, 'UTF8') || n, ' ' ORDER BY key) FROM (SELECT key, count(*) AS n FROM waits GROUP BY key) k}), 'a1 b1 c6', 'as was asked for');
freeze();
holds('at the end');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|was terminated by signal/, 'no process has failed on the way');
$node->stop;
done_testing();
