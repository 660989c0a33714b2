# The stable version: what is read as of it never changes, and it is the snapshot
# that tells, however old; it goes on with the clock, and only an open writer of
# the database holds it up.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Shared memory keeps this many writers that have ended, and a few less when it must.
my $ring = 1200;

my $node = mvstore_node('stable', init => [ allows_streaming => 1 ], conf => "fsync = off\nmax_prepared_transactions = 2");
my %told;    # what was read as of each version when it was said to be stable

$node->safe_psql('postgres', <<'SQL');
SELECT mvstore_create('s'), mvstore_create('cut');
-- All that a read as of a version shows.
CREATE FUNCTION digest(as_of bigint) RETURNS text STABLE PARALLEL SAFE LANGUAGE sql
AS $$ SELECT md5(coalesce(string_agg(concat_ws(' ', key, version, value), ',' ORDER BY key), '')) FROM mvstore_scan('s', as_of := as_of) $$;
-- Writers that come and go.
CREATE PROCEDURE write_many(n int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. n LOOP
    PERFORM mvstore_put('s', 'k' || i % 7, md5(random()::text));
    COMMIT;
  END LOOP;
END $$;
CREATE TABLE rows AS SELECT i FROM generate_series(1, 20000) i;
SQL

sub sql { return $node->safe_psql('postgres', @_); }
sub put { return sql(qq{SELECT mvstore_put('s', '$_[0]', 'v')}); }
sub session { return $node->background_psql('postgres'); }

# The stable version for a session, and what it reads as of it: to be the same for ever.
sub stable
{
	my ($session) = @_;
	my $answer = $session->query_safe(
		'SELECT v, digest(v) FROM (SELECT mvstore_stable_version() AS v OFFSET 0) stable');
	my ($version, $digest) = split /\|/, $answer;

	is($digest, $told{$version}, "version $version reads as it did") if exists $told{$version};
	$told{$version} = $digest;
	return $version;
}

# What a session was told before, it can read still.
sub still_reads
{
	my ($session, $version, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($session->query_safe("SELECT digest($version)"), $told{$version}, $name);
}

sub is_refused
{
	my ($session, $version, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($session->query_safe(<<"SQL"), '55000', $name);
CREATE OR REPLACE FUNCTION pg_temp.refusal() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN RETURN digest($version); EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END \$\$;
SELECT pg_temp.refusal()
SQL
	return;
}

my $reader = session();
my $writer = session();
my ($version, $before, $after, $first);

# READ COMMITTED: each statement anew.
$version = put('a');
cmp_ok(stable($reader), '>=', $version, 'what has ended is stable');
my $writer_pid = $writer->query_safe('SELECT pg_backend_pid()');
my $open = $writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'open')});
$version = put('b');
is(stable($reader), $open - 1, 'an open writer holds up the stable version');
is(sql('SELECT mvstore_stable_version()'), $open - 1, 'for everybody');
is($writer->query_safe('SELECT mvstore_stable_version()'), $open - 1, 'and for itself');
my ($state, $error) = sqlstate_of($node, 'postgres', "SELECT mvstore_get('s', 'a', as_of := $version);");
is($state, '55000', 'what is not stable cannot be read as of');
like($error, qr/DETAIL:.*\bprocess $writer_pid\b.*\b$open\b/, 'and the error names who holds it up');
($state, $error) = sqlstate_of($node, 'postgres', "SELECT mvstore_get('s', 'a', as_of := mvstore_version_at(now()));");
is($state, '55000', 'nor as of the present, by the clock');
like($error, qr/DETAIL:.*\bprocess $writer_pid\b.*HINT:.*\bmvstore_stable_version\(\)/s, 'and the error names who is in the way, and what can be read');
sql(q{SELECT mvstore_get('s', 'a', as_of := mvstore_stable_version())});
is(sql("SELECT mvstore_wait_stable($version, '10 ms')"), 'f', 'waiting for it ends at the timeout');
is($writer->query_safe("SELECT mvstore_wait_stable($version)"), 'f', 'and at once for the writer itself');
my $waiter = session();
$waiter->query_until(qr/waiting/, "\\echo waiting\nSELECT mvstore_wait_stable($version), 'waited';\n");
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%waited%' AND wait_event_type = 'Extension'},
	'somebody waits for it');
$writer->query_safe('COMMIT');
is($waiter->query_safe('SELECT 1'), "t|waited\n1", 'until the writer ends');
$waiter->quit;
cmp_ok(stable($reader), '>=', $version, 'when the writer has ended, all of it is stable');

# REPEATABLE READ: the snapshot tells, with writers that end between it and the call.
$open = $writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'open')});
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$version = put('b');
$writer->query_safe('COMMIT');
is(stable($reader), $open - 1, 'REPEATABLE READ: a commit between snapshot and call is none');
is_refused($reader, $open, 'so is a read as of it');
is($reader->query_safe("SELECT mvstore_wait_stable($open)"), 'f', 'and waiting is of no use');
is($reader->query_safe("SELECT mvstore_wait_stable($open - 1)"), 't', 'nor needed for what is stable');
sql("CALL write_many($ring)");
is(stable($reader), $open - 1, 'nor is it one later, when shared memory has forgotten it');
still_reads($reader, $open - 1, 'which reads as before');
$reader->query_safe('COMMIT');
cmp_ok(stable($reader), '>', $version, 'the next snapshot sees it');

# The same where nobody asked before shared memory forgot.
for my $busy (1, 0)
{
	my $name = $busy ? 'with a writer open' : 'with nobody writing';

	$open = $writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'open')}) if $busy;
	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	$first = put('b');
	$writer->query_safe('COMMIT') if $busy;
	sql("CALL write_many($ring)");
	$before = stable($reader);
	cmp_ok($before, '<', $busy ? $open : $first, "$name: an old snapshot does not know what came after it");
	cmp_ok($before, '>', 0, "$name: nor does it know nothing");
	is_refused($reader, $busy ? $open : $first, "$name: it cannot read as of that");
	put('c');
	is(stable($reader), $before, "$name: what it was told does not change");
	$reader->query_safe('COMMIT');
}

# And where it asked while nobody wrote: then the clock had told it.
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$before = stable($reader);
$first = put('a');
cmp_ok($after = stable($reader), '>=', $before, 'an open snapshot is told no less than before');
cmp_ok($after, '<', $first, 'and nothing that it does not see');
sql("CALL write_many($ring)");
is(stable($reader), $after, 'also when shared memory has forgotten');
still_reads($reader, $before, 'all that it was told reads as before');
$reader->query_safe('COMMIT');

# Who sees that history is gone knows a stable version that is not, though the worker
# takes its time for what nobody waits for.
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '1 h'");
$node->reload;
wait_until($node, 'postgres', q{SELECT current_setting('mvstore.flush_interval') = '1h'}, 'the worker is to take its time');
$version = sql(qq{SELECT mvstore_put('cut', 'a', '$_')}) for (1, 2);
wait_until($node, 'postgres', "SELECT version > 0 FROM mvstore_stable", 'it does');
$version = sql(qq{SELECT mvstore_put('cut', 'a', '$_')}) for (3, 4);
sql(q{SELECT mvstore_drop('cut', 'a')});
is(sql('SELECT mvstore_flush()'), 't', 'history is dropped');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql("CALL write_many($ring)");
is($reader->query_safe(q{SELECT value FROM mvstore_scan('cut', as_of := mvstore_stable_version())}), 4,
	'an old snapshot that sees it gone has a stable version to read as of');
$reader->query_safe('COMMIT');
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '50 ms'");
$node->reload;
sql(sprintf 'SELECT pg_terminate_backend(%d)', worker_pid($node, 'postgres'));

# Exported snapshots: another session's answers are those of the snapshot.
my $exporter = session();
my $importer = session();
$open = $writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'open')});
my $snapshot = $exporter->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot()');
$writer->query_safe('COMMIT');
put('b');
$importer->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '$snapshot'");
is(stable($importer), $open - 1, 'an imported snapshot tells what it sees');
is(stable($exporter), $open - 1, 'as the exported one does');
$importer->query_safe('COMMIT');
sql("CALL write_many($ring)");
$importer->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '$snapshot'");
cmp_ok(stable($importer), '<', $open, 'imported late, it tells no more');
is_refused($importer, $open, 'and reads no more');
$_->query_safe('COMMIT') for ($importer, $exporter);
# The exporter's own writes are not ended for the importer, now or later.
$open = $exporter->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT mvstore_put('s', 'mine', 'own')});
$snapshot = $exporter->query_safe('SELECT pg_export_snapshot()');
$importer->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '$snapshot'");
$exporter->query_safe('COMMIT');
is(stable($importer), $open - 1, 'a snapshot exported by a writer does not see what the writer wrote');
sql("CALL write_many($ring)");
is(stable($importer), $open - 1, 'nor later');
$importer->query_safe('COMMIT');
$_->quit for ($importer, $exporter);

# Cursors keep the snapshot that they were opened with.
my $cursor = 'CURSOR FOR SELECT v, digest(v) FROM (SELECT mvstore_stable_version() + 0 * i AS v FROM generate_series(1, 9) i OFFSET 0) stable';
$reader->query_safe("BEGIN; DECLARE c1 $cursor; DECLARE c2 $cursor");
sub fetch
{
	my ($session, $name) = @_;
	my ($stable, $digest) = split /\|/, $session->query_safe("FETCH $name");

	is($digest, $told{$stable}, "$name: version $stable reads as it did") if exists $told{$stable};
	$told{$stable} = $digest;
	return $stable;
}
$before = fetch($reader, 'c1');
$first = put('a');
is(fetch($reader, 'c1'), $first - 1, 'a cursor is told what its snapshot sees');
cmp_ok(stable($reader), '>=', $first, 'while its transaction sees more');
is(fetch($reader, 'c1'), $first - 1, 'and again');
sql("CALL write_many($ring)");
is(fetch($reader, 'c1'), $first - 1, 'also when shared memory has forgotten');
cmp_ok(fetch($reader, 'c2'), '<', $first, 'a cursor that is read for the first time then is told no more');
$reader->query_safe('COMMIT');

# Parallel workers answer as their leader.
sub parallel
{
	my ($session, $expected, $name) = @_;
	my $query = 'SELECT min(mvstore_stable_version() + 0 * i), max(mvstore_stable_version() + 0 * i) FROM rows';
	my $plan = $session->query_safe("EXPLAIN (ANALYZE, COSTS off, TIMING off) $query");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($plan, qr/Workers Launched: [12]/, "$name: there are workers");
	return is($session->query_safe($query), "$expected|$expected", "$name: all answer alike");
}
$reader->query_safe(<<'SQL');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
SET max_parallel_workers_per_gather = 2
SQL
sql('ANALYZE rows');
$open = $writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'open')});
parallel($reader, $open - 1, 'with a writer open');
$writer->query_safe('COMMIT');
$open = $reader->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'own')});
parallel($reader, $open - 1, 'a writer itself');
$reader->query_safe('COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$first = put('a');
parallel($reader, $first - 1, 'with a commit after the snapshot');
sql("CALL write_many($ring)");
parallel($reader, $first - 1, 'when shared memory has forgotten');
is(stable($reader), $first - 1, 'so does the leader');
$reader->query_safe('COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$first = put('a');
sql("CALL write_many($ring)");
my ($lowest) = $reader->query_safe('SELECT min(mvstore_stable_version() + 0 * i) FROM rows');
cmp_ok($lowest, '<', $first, 'workers that ask first know no more than the snapshot');
parallel($reader, $lowest, 'after them');
is(stable($reader), $lowest, 'nor does the leader then');
$reader->query_safe('COMMIT; RESET ALL');

# Subtransactions: a version that is rolled back holds nothing up, one that is released does.
$open = $writer->query_safe(q{BEGIN; SAVEPOINT sp; SELECT mvstore_put('s', 'sub', 'undone')});
$version = put('b');
is(stable($reader), $open - 1, 'a version taken in a subtransaction holds up');
$writer->query_safe('ROLLBACK TO sp');
cmp_ok(stable($reader), '>=', $version, 'not when that is rolled back');
$before = stable($reader);
$open = $writer->query_safe(q{SELECT mvstore_put('s', 'sub', 'kept')});
cmp_ok($open, '>', $before, 'the next version is above what was told meanwhile');
$writer->query_safe('RELEASE sp');
is(stable($reader), $open - 1, 'when it is released, it goes on holding up');
$writer->query_safe('SAVEPOINT other; ROLLBACK TO other');
is(stable($reader), $open - 1, 'whatever else is rolled back');
$writer->query_safe('COMMIT');
cmp_ok(stable($reader), '>', $open, 'to the end of the transaction');
$open = $writer->query_safe(q{BEGIN; SAVEPOINT a; SAVEPOINT b; SELECT mvstore_put('s', 'sub', 'undone')});
$writer->query_safe('RELEASE b; ROLLBACK TO a');
cmp_ok(stable($reader), '>', $open, 'released and rolled back further out, it does not');
$writer->query_safe('ROLLBACK');

# A transaction that waits for its standby to commit still runs for others.
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->reload;
$writer->query_safe('SET synchronous_commit = local');
wait_until($node, 'postgres', q{SELECT current_setting('synchronous_standby_names') = 'nobody'}, 'commits are to wait for a standby');
my $late = session();
my $late_pid = $late->query_safe('SELECT pg_backend_pid()');
$open = $late->query_safe(q{SET synchronous_commit = on; BEGIN; SELECT mvstore_put('s', 'late', 'v')});
$late->query_until(qr/committing/, "\\echo committing\nCOMMIT;\n");
wait_until($node, 'postgres', "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $late_pid", 'a commit does');
$writer->query_safe("CALL write_many($ring)");
$version = $writer->query_safe(q{SELECT mvstore_put('s', 'b', 'v')});
is(stable($reader), $open - 1, 'it holds up, for it is not seen yet');
($state, $error) = sqlstate_of($node, 'postgres', "SELECT mvstore_get('s', 'late', as_of := $version);");
like($error, qr/DETAIL:.*\bprocess $late_pid\b/, 'and is named');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
$late->query_safe('SELECT 1');
$late->quit;
cmp_ok(stable($reader), '>=', $version, 'when it has committed, all is stable');

# Long transactions that do not write to stores hold up nobody.
my $dump = session();
my $idle = session();
$dump->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()');
$idle->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1');
sql(q{BEGIN; CREATE TABLE ordinary (); PREPARE TRANSACTION 'long'});
for my $time (1, 2)
{
	$version = put('a');
	cmp_ok(stable($reader), '>=', $version, 'a long transaction that writes to no store holds up nobody');
	sql("CALL write_many($ring)") if $time == 1;
}
wait_until($node, 'postgres', "SELECT version >= $version FROM mvstore_stable", 'nor the row for standbys');
$_->query_safe('COMMIT') for ($dump, $idle);
sql(q{COMMIT PREPARED 'long'});
$_->quit for ($dump, $idle);

# With nobody writing it goes with the clock, no further than the durable mark; who
# asks has the worker move that.
$before = stable($reader);
wait_until($node, 'postgres', "SELECT mvstore_stable_version() > $before + 2500000", 'an idle database has a stable version that goes on');
is(sql('SELECT v <= (SELECT last_value FROM mvstore_clock) FROM (SELECT mvstore_stable_version() AS v OFFSET 0) stable'),
	't', 'up to the durable mark');
is(sql(q{SELECT mvstore_wait_stable(mvstore_version_at(clock_timestamp() + '1500 ms'))}), 't', 'a version of the near future is waited for');
cmp_ok(put('a'), '>', sql('SELECT mvstore_stable_version()') - 5_000_000, 'and versions go with the clock');

# All that anybody was ever told reads the same now.
my $values = join ', ', map { "($_, '$told{$_}')" } keys %told;
is(sql("SELECT v FROM (VALUES $values) told (v, digest) WHERE digest(v) <> digest"), '',
	scalar(keys %told) . ' stable versions read as they did when they were told');

$_->quit for ($reader, $writer);
$node->stop;
done_testing();
