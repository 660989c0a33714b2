# What stands in the worker's way for longer: a foreign key, locked rows, locked
# keys of a sweep, writers that never seem to end, and databases that cannot be
# connected to. It goes round what it can, and is done when the way is free.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('way', conf => <<'CONF');
mvstore.queue_size = 16
mvstore.max_workers = 8
max_worker_processes = 16
max_prepared_transactions = 1
fsync = off
statement_timeout = '60 s'
CONF

sub sql { return $node->safe_psql(@_); }
sub stat_of { return sql('postgres', "SELECT $_[1] FROM mvstore_stats WHERE database = '$_[0]'"); }
sub launcher { return sql('postgres', q{SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE backend_type = 'mvstore launcher'}); }

# Wait for a condition on the row of a database in mvstore_stats.
sub wait_stat
{
	my ($database, $condition, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT $condition FROM mvstore_stats WHERE database = '$database'", $name);
}

sub entries_like
{
	my ($database, $store, $key) = @_;

	return sql($database, "SELECT count(*) FROM $store WHERE key LIKE '$key'");
}

# Foreign keys to stores whose drops are already requested. How often that is
# tried takes its time, so it begins here and is looked at in the end.
for my $database ('fk', 'gone')
{
	sql('postgres', "CREATE DATABASE $database");
	sql($database, 'CREATE EXTENSION mvstore');
	sql($database, q{SELECT mvstore_create('s'), mvstore_create('other')});
	sql($database, q{SELECT mvstore_put_at('s', k, 'v', v) FROM unnest('{a,b}'::text[]) k, generate_series(1, 3) v});
	my $writer = $node->background_psql($database);
	$writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'x', 'x')});
	sql($database, q{SELECT mvstore_drop('s', k) FROM unnest('{a,b}'::text[]) k});
	wait_stat($database, 'requests_held = 2', 'an older writer holds up what was requested');
	sql($database, 'CREATE TABLE citation (key bytea, version bigint, FOREIGN KEY (key, version) REFERENCES s (key, version))');
	$writer->query_safe('COMMIT');
	$writer->quit;
	wait_stat($database, q{last_error LIKE '%foreign key%'}, 'a foreign key that came in between is an error of the request');
}
my $fk_worker = worker_pid($node, 'fk');

# The extension goes, while its worker means to try again.
sql('gone', 'DROP EXTENSION mvstore');
my $batches = stat_of('gone', 'batches');
wait_stat('gone', "batches > $batches", 'where the extension has gone the worker tries once more');
is(sql('gone', q{SELECT count(*) FROM s}), 6, 'and leaves alone what is no store any more');
$batches = stat_of('gone', 'batches');
is(stat_of('gone', 'requests_failed'), 0, 'its requests are void');

# A snapshot that gets old, while others write. (64 steps of 100 ms fill its memory.)
sql('postgres', 'CREATE DATABASE old');
sql('old', 'CREATE EXTENSION mvstore');
sql('old', q{SELECT mvstore_create('s')});
sub write_for
{
	my ($seconds, $least) = @_;

	return "SET synchronous_commit = off; SET statement_timeout = 0; DO \$\$ DECLARE n int := 0; start timestamptz := clock_timestamp(); BEGIN "
	  . "WHILE n < $least OR clock_timestamp() < start + interval '$seconds s' LOOP "
	  . "PERFORM mvstore_put('s', 'k' || n % 10, n::text); COMMIT; n := n + 1; END LOOP; END \$\$;";
}
my $version = sql('old', q{SELECT mvstore_put('s', 'first', 'v1')});
sql('old', write_for(0.2, 200));
sql('old', q{SELECT mvstore_put('s', 'first', 'v2')});
my $reader = $node->background_psql('old');
$reader->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT mvstore_get('s', 'first')});
my $busy = $node->background_psql('old');
$busy->query_until(qr/begun/, "\\echo begun\n" . write_for(7.5, 2500) . "\n");

# The launcher is ended, and comes again by itself in 5 s; workers do not mind.
my $launcher = launcher();
sql('postgres', "SELECT pg_terminate_backend($launcher)");

# Somebody has locked an old entry of one key.
sql('postgres', q{SELECT mvstore_create('s'), mvstore_create('other'), mvstore_create('p', keep_versions := 1)});
sql('postgres', q{SELECT mvstore_put_at('s', k, 'v', v) FROM unnest('{a,b}'::text[]) k, generate_series(1, 3) v});
my $locker = $node->background_psql('postgres');
$locker->query_safe(q{BEGIN; SELECT 1 FROM s WHERE key = 'b' AND version = 2 FOR UPDATE});
sql('postgres', q{SELECT mvstore_drop('s', k) FROM unnest('{a,b}'::text[]) k});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM s WHERE key = 'a'}, 'a row that is locked does not hold up other keys');
is(entries_like('postgres', 's', 'b'), 2, 'of its own key only what is older goes');
is(sql('postgres', q{SELECT mvstore_flush('50 ms')}), 'f', 'mvstore_flush does not say done');
is(sql('postgres', 'SELECT count(*) FROM mvstore_journal'), 1, 'the request is kept');
$locker->query_safe('COMMIT');
is(sql('postgres', 'SELECT mvstore_flush()'), 't', 'until the row is free');
is(entries_like('postgres', 's', 'b'), 1, 'and done then');

# Likewise in a sweep: of a key in its midst, and of its last key.
sub put_all { return sql('postgres', q{SELECT count(mvstore_put('p', 'k' || k, 'v')) FROM generate_series(10, 49) k}); }
put_all();
for my $case ([ 'k30', 20 ], [ 'k49', 1 ])
{
	my ($key, $behind) = @$case;

	$locker->query_safe(qq{BEGIN; SELECT 1 FROM p WHERE key = '$key' FOR UPDATE});
	put_all();
	wait_until($node, 'postgres', 'SELECT count(*) = 40 + ' . $behind . ' FROM p', "a sweep comes as far as the locked key $key");
	is(sql('postgres', q{SELECT mvstore_flush('50 ms')}), 'f', 'mvstore_flush does not say done');
	is(entries_like('postgres', 'p', $key), 2, 'nothing of the key has gone');
	$locker->query_safe('COMMIT');
	is(sql('postgres', 'SELECT mvstore_flush()'), 't', 'when the row is free the sweep goes on');
	is(entries_of($node, 'postgres', 'p'), 40, 'to its end');
}
$locker->quit;

# An older writer, and writers enough to need sweeps, twice.
my $writer = $node->background_psql('postgres');
sub writer_begins { return $writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'x', 'x')}); }
writer_begins();
my $sweeps = stat_of('postgres', 'sweeps');
put_all();
wait_stat('postgres', "sweeps > $sweeps", 'a sweep finds what an older writer may need, and waits');
put_all();
is(sql('postgres', q{SELECT mvstore_flush('100 ms')}), 'f', 'what comes then waits with it');
is(entries_of($node, 'postgres', 'p'), 120, 'and nothing is dropped');
$writer->query_safe('COMMIT');
is(sql('postgres', 'SELECT mvstore_flush()'), 't', 'when it has ended, there is one sweep for all');
is(entries_of($node, 'postgres', 'p'), 40, 'which does all');

# Requests of a policy beyond what worker and queue keep become sweeps.
writer_begins();
sql('postgres', join("\n", map { "SELECT mvstore_put('p', 'k$_', 'w');" } 10 .. 49));
sql('postgres', q{SELECT mvstore_put('p', 'k' || k, 'x') FROM generate_series(10, 21) k});
wait_stat('postgres', 'requests_held >= 16', 'the worker keeps as many as it may');
is(entries_of($node, 'postgres', 'p'), 92, 'and drops nothing that the open writer may need');
$writer->query_safe('COMMIT');
is(sql('postgres', 'SELECT mvstore_flush()'), 't', 'the rest is not forgotten');
is(entries_of($node, 'postgres', 'p'), 40, 'by the queue');

# Requests at the limit of a transaction: the two kinds together, and the sum of
# subtransactions that are each below it.
sql('postgres', q{SELECT mvstore_put_at('s', 'k' || k, 'v', v) FROM generate_series(1, 20) k, generate_series(11, 12) v});
sql('postgres', <<'SQL');
BEGIN;
SELECT mvstore_put('p', 'k' || k, 'y') FROM generate_series(10, 14) k;
SELECT mvstore_drop('s', 'k' || k) FROM generate_series(1, 20) k;
COMMIT;
BEGIN;
SELECT mvstore_put('p', 'k' || k, 'z') FROM generate_series(20, 29) k;
SAVEPOINT sp;
SELECT mvstore_put('p', 'k' || k, 'z') FROM generate_series(30, 39) k;
RELEASE sp;
COMMIT;
SQL
is(sql('postgres', 'SELECT mvstore_flush()'), 't', 'transactions at the limit are worked off');
is(entries_of($node, 'postgres', 'p'), 40, 'their implicit requests');
is(entries_of($node, 'postgres', 's'), 22, 'and their explicit ones');

# A sweep that drops more than it does at a time.
for my $value (1, 2)
{
	sql('postgres', qq{SELECT count(mvstore_put('p', 'm' || k, '$value')) FROM generate_series(1, 7000) k});
}
is(sql('postgres', 'SELECT mvstore_flush()'), 't', 'a long sweep comes to its end');
is(sql('postgres', q{SELECT count(*), min(value) FROM mvstore_scan_prefix('p', 'm')}), '7000|2', 'with the newest left');
is(entries_of($node, 'postgres', 'p'), 7040, 'and nothing else');

# A transaction that has written nothing may be prepared.
sql('postgres', q{BEGIN; SELECT mvstore_get('p', 'm1'); PREPARE TRANSACTION 'way'; ROLLBACK PREPARED 'way'});
ok(1, 'who has only read may PREPARE TRANSACTION');

# Versions near the present can be imported where nobody has written for a while.
wait_until($node, 'postgres', q{SELECT last_value < extract(epoch FROM clock_timestamp()) * 1000000 FROM mvstore_clock},
	'the durable mark falls behind the clock');
my $now = sql('postgres', q{SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint});
sql('postgres', qq{SELECT mvstore_put_at('other', 'new', 'v', $now)});
cmp_ok(sql('postgres', q{SELECT last_value FROM mvstore_clock}), '>=', $now, 'an import moves it');
cmp_ok(sql('postgres', q{SELECT mvstore_put('other', 'new', 'w')}), '>', $now, 'and versions go on from there');

# The old snapshot.
$busy->query_safe('SELECT 1');
$busy->quit;
is($reader->query_safe("SELECT mvstore_get('s', 'first'), mvstore_get('s', 'first', as_of := $version)"),
	'v2|v1', 'a snapshot older than many writers reads the past');
$reader->query_safe('COMMIT');
$reader->quit;

# The launcher is back, and has not put a second worker beside one that runs.
wait_until($node, 'postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mvstore launcher' AND pid <> $launcher},
	'a launcher that was ended comes back');
stays($node, 'postgres', qq{SELECT worker_pid = $fk_worker FROM mvstore_stats WHERE database = 'fk'}, 'and leaves workers that run where they are');

# A worker that ends gives back what it keeps of a policy's requests.
writer_begins();
sql('postgres', q{SELECT mvstore_put('p', 'k' || k, 'last') FROM generate_series(10, 14) k});
wait_stat('postgres', 'requests_held >= 5', 'the worker keeps requests');
my $worker = worker_pid($node, 'postgres');
sql('postgres', "SELECT pg_terminate_backend($worker)");
wait_stat('postgres', "worker_pid <> $worker", 'it is ended, and another one comes');
$writer->query_safe('COMMIT');
$writer->quit;
is(sql('postgres', 'SELECT mvstore_flush()'), 't', 'which does what it kept');
is(entries_of($node, 'postgres', 'p'), 7040, 'all of it');

# A database that nobody may connect to, not even a worker.
sql('postgres', 'CREATE DATABASE shut');
sql('shut', 'CREATE EXTENSION mvstore');
sql('shut', q{SELECT mvstore_create('s', keep_versions := 1)});
my $log = -s $node->logfile;
$worker = worker_pid($node, 'shut');
sql('postgres', 'ALTER DATABASE shut ALLOW_CONNECTIONS false');
sql('postgres', "SELECT pg_terminate_backend($worker)");
$node->wait_for_log(qr/FATAL: .*database "shut" is not currently accepting connections/, $log);
sql('postgres', 'ALTER DATABASE shut ALLOW_CONNECTIONS true');
sql('shut', qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
is(sql('shut', 'SELECT mvstore_flush()'), 't', 'a worker that could not connect is started again');
is(sql('shut', q{SELECT value FROM mvstore_history('s', 'k')}), '2', 'and works');

# The foreign key: after some tries in vain the requests are set aside, not lost.
wait_stat('fk', 'requests_failed = 2', 'what fails again and again is set aside');
like(slurp_file($node->logfile), qr/a drop request for store with OID \d+ was set aside after 5 attempts.*DETAIL:.*foreign key/s,
	'the log says so, and why');
is(sql('fk', 'SELECT mvstore_flush()'), 'f', 'mvstore_flush tells that not all is done');
is(entries_of($node, 'fk', 's'), 6, 'nothing has gone');
sql('fk', 'DROP TABLE citation');
is( sql('fk', q{SELECT count(*), bool_and(state = 'failed' AND attempts = 5 AND last_error LIKE '%foreign key%') FROM mvstore_requests}),
	'2|t', 'mvstore_requests shows what was set aside, and why');
is(sql('fk', q{SELECT requests, holds_back FROM mvstore_blockers WHERE kind = 'error'}), '2|requests that failed, see mvstore_requests', 'and mvstore_blockers that it was');
sql('fk', q{SELECT pg_terminate_backend(} . worker_pid($node, 'fk') . ')');
wait_stat('fk', "worker_pid <> $fk_worker", 'another worker comes');
is(sql('fk', 'SELECT mvstore_flush()'), 'f', 'which leaves it aside');
is(sql('fk', q{SELECT mvstore_retry_failed('s')}), 2, 'until it is asked to try again');
is(sql('fk', 'SELECT mvstore_flush()'), 't', 'without the foreign key it does what was set aside');
is(entries_of($node, 'fk', 's'), 2, 'all of it');

$node->stop;
done_testing();
