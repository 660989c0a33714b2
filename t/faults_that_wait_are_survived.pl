# What happens while the worker is stopped at some point: only in builds for tests,
# see src/shared/fault.h.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreFaults;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = mvstore_node('waits', conf => "mvstore.queue_size = 16\nfsync = off\nmax_locks_per_transaction = 256\nmax_prepared_transactions = 1");
skip_without_faults($node);

sub sql { return $node->safe_psql(@_); }
sub stat_of { return sql('postgres', "SELECT $_[1] FROM mvstore_stats WHERE database = '$_[0]'"); }

# The extension goes while the worker is in the midst of a batch, with more waiting
# in the journal and as marks.
sql('postgres', 'CREATE DATABASE x');
sql('x', 'CREATE EXTENSION mvstore');
sql('x', q{SELECT mvstore_create('s'); SELECT mvstore_put_at('s', 'k', 'v', 1), mvstore_put_at('s', 'k', 'w', 2)});
arm($node, 'batch-taken:wait');
is(sql('x', 'SELECT mvstore_flush()'), 't', 'another point than the one that is set does nothing');
sql('x', q{SELECT mvstore_drop('s', 'k')});
wait_for_fault($node, 'the worker is in a batch');
sql('x', q{SELECT mvstore_create('many' || i, keep_versions := 1) FROM generate_series(1, 70) i});
sql('x', q{SELECT mvstore_drop('s', 'k' || k) FROM generate_series(1, 100) k});
sql('x', 'DROP EXTENSION mvstore');
my $batches = stat_of('x', 'batches');
let_go($node);
$node->poll_query_until('postgres', "SELECT batches > $batches AND worker_state <> 'busy' AND queue_length = 0 FROM mvstore_stats WHERE database = 'x'");
is(stat_of('x', 'last_error IS NULL'), 't', 'an extension that goes in the midst of a batch is no error');
is(entries_of($node, 'x', 's'), 2, 'its stores are tables, and untouched');
sql('x', 'CREATE EXTENSION mvstore');
sql('x', q{SELECT mvstore_create('t', keep_versions := 1)});
sql('x', qq{SELECT mvstore_put('t', 'k', '$_')}) for (1, 2);
is(sql('x', 'SELECT mvstore_flush()'), 't', 'with the extension back, requests are worked off');
is(entries_of($node, 'x', 't'), 1, 'and done');

# A worker that does not end in time: a command on its database says what is in its
# way, and the worker works on.
arm($node, 'batch-taken:wait');
sql('x', qq{SELECT mvstore_put('t', 'k', '$_')}) for (3, 4);
wait_for_fault($node, 'the worker is in a batch');
my $worker = worker_pid($node, 'x');
my ($state, $message) = sqlstate_of($node, 'postgres', 'ALTER DATABASE x RENAME TO y;');
is($state, '55006', 'a database with a worker that is stuck is not renamed');
is(worker_pid($node, 'x'), $worker, 'the worker is still there');

# Asked to end it would finish its batch; asked again, it ends at once. Nothing is lost.
my $gone = 0;
for (1 .. 100 * $PostgreSQL::Test::Utils::timeout_default)
{
	$gone = sql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $worker") eq '';
	last if $gone;
	usleep(10_000);
}
ok($gone, 'a worker that is asked to end more than once ends at once');
is(sql('x', 'SELECT mvstore_flush()'), 't', 'what it was doing is done by the next one');
is(entries_of($node, 'x', 't'), 1, 'all of it');

# Sweeps of more stores than there are marks, before a worker has seen to them: the third
# one, after those of the two databases.
arm($node, 'worker-claimed:wait:3');
is(sql($_, 'SELECT mvstore_flush()'), 't', "the first worker of database $_ has looked") for ('postgres', 'x');
$worker = worker_pid($node, 'x');
sql('postgres', "SELECT pg_terminate_backend($worker)");
wait_for_fault($node, 'another worker begins');
sql('x', q{SELECT mvstore_sweep(mvstore_create('new' || i, keep_versions := 1)) FROM generate_series(1, 70) i});
is(sql('x', q{SELECT mvstore_flush('50 ms')}), 'f', 'mvstore_flush waits for all of them');
let_go($node);
is(sql('x', 'SELECT mvstore_flush()'), 't', 'which the worker does');

# A store comes, and overflows, just when the worker has listed all stores, as more had been
# marked than there are places: it is not taken for one of those.
arm($node, 'marks-kept:wait');
sql('x', q{SELECT mvstore_sweep(('new' || i)::regclass) FROM generate_series(1, 70) i});
wait_for_fault($node, 'the worker knows all stores that are marked');
sql('x', q{SELECT mvstore_create('late')});
sql('x', q{SELECT mvstore_put('late', rpad('k', 2000, 'k'), 'v', ttl := '1 us')});
wait_until($node, 'x', 'SELECT expires_at < clock_timestamp() FROM late', 'the key has expired');
let_go($node);
is(sql('x', 'SELECT mvstore_flush()'), 't', 'a store that comes just then is looked at');
is(entries_of($node, 'x', 'late'), 0, 'and what has expired there goes');

# Two processes look up the mark of a database at once: the one that read it first,
# and comes last, takes nothing back of what the other has done since. (It may be
# the worker of either database.)
arm($node, 'clock-read:wait');
wait_for_fault($node, 'a worker has read the mark');
my @sessions;
for my $database ('postgres', 'x')
{
	my $session = $node->background_psql($database);
	my $mark = sql($database, 'SELECT last_value FROM mvstore_clock');

	sql($database, q{SELECT mvstore_create('later')});
	$node->poll_query_until($database,
		"SELECT mvstore_put('later', 'k', 'v') > $mark AND (SELECT last_value FROM mvstore_clock) > $mark");
	$session->query_until(qr/begun/, <<'SQL');
\echo begun
DO $$
DECLARE
  start timestamptz := clock_timestamp();
  newest bigint := 0;
  falls boolean := false;
BEGIN
  WHILE clock_timestamp() < start + interval '1 s' LOOP
    falls := falls OR mvstore_stable_version() < newest;
    newest := greatest(newest, mvstore_stable_version());
    PERFORM pg_current_xact_id();
    COMMIT;
  END LOOP;
  PERFORM set_config('test.falls', falls::text, false);
END $$;
SQL
	push @sessions, $session;
}
let_go($node);
for my $session (@sessions)
{
	is($session->query_safe(q{SELECT current_setting('test.falls')}), 'false', 'the stable version does not fall');
	$session->quit;
}

# What a prepared transaction asks for is read from the journal, beside more that a pin holds than the worker keeps in
# hand. A flush waits for it as long as it is worked off, though nothing else is left but what is held.
sql('postgres', q{SELECT mvstore_create('pinned'), mvstore_create('read')});
for (1, 2)
{
	sql('postgres', q{SELECT mvstore_pin('p', store := 'pinned')}) if $_ == 2;
	sql('postgres', "SELECT count(mvstore_put(s, 'k' || k, '$_')) FROM unnest('{pinned,read}'::text[]) s, generate_series(1, 40) k");
}
sql('postgres', q{SELECT count(mvstore_drop('pinned', 'k' || k)) FROM generate_series(1, 40) k});
arm($node, 'batch-taken:wait:2');
wait_until($node, 'postgres', q{SELECT requests_held = 40 FROM mvstore_stats WHERE database = 'postgres'}, 'the first batch is of what is held');
sql('postgres', q{BEGIN; SELECT count(mvstore_drop('read', 'k' || k)) FROM generate_series(1, 40) k; PREPARE TRANSACTION 'read'});
sql('postgres', q{COMMIT PREPARED 'read'});
wait_for_fault($node, 'the second, of what has been read');
my $session = $node->background_psql('postgres');
my $flush = "pg_stat_activity WHERE query ~ '^SELECT mvstore_flush' AND pid <> pg_backend_pid()";
$session->query_until(qr/asked/, "\\echo asked\nSELECT mvstore_flush('1 day');\n");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM $flush AND (state = 'idle' OR wait_event_type = 'Extension')");
is(sql('postgres', "SELECT wait_event_type FROM $flush"), 'Extension', 'a flush waits for it');
let_go($node);
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM $flush AND state = 'idle'", 'when it is done, it does not');
is(entries_of($node, 'postgres', 'read'), 40, 'what was asked for has gone');
is(entries_of($node, 'postgres', 'pinned'), 80, 'but for what is held');
$session->quit;

# A slice that fails takes its deletions back: what it had met of them is there again. The
# key is noted twice, so that it is looked at twice in the slice. Its entries are half an
# hour old, and kept for one, until the clock goes on.
arm($node, '');
sql('x', q{SELECT mvstore_create('aged', keep_for := '1 hour')});
my $past = sql('x', q{SELECT mvstore_version_at(clock_timestamp() - interval '30 min')});
sql('x', "SELECT count(mvstore_put_at('aged', 'k', 'v', $past + i)) FROM generate_series(1, 10) i");
is(sql('x', 'SELECT mvstore_flush()'), 't', 'a key is noted');
sql('x', q{SELECT mvstore_drop('aged', 'k')});
is(sql('x', 'SELECT mvstore_flush()'), 't', 'its note stays when its old entries go');
sql('x', "SELECT count(mvstore_put_at('aged', 'k', 'v', $past + 2000000 + i)) FROM generate_series(1, 6000) i");
is(sql('x', 'SELECT mvstore_flush()'), 't', 'it is noted again, with very many entries');
sql('x', q{SELECT mvstore_drop('aged', 'k', keep := 1000)});
is(sql('x', 'SELECT mvstore_flush()'), 't', 'most of which go');
is(sql('x', q{SELECT count(*) FROM mvstore_calendar WHERE store = 'aged'::regclass}), 2, 'there are two notes');
sql('x', 'SELECT mvstore_pause()');
$node->append_conf('postgresql.conf', "mvstore.fault = 'slice-done:error'\nmvstore.clock_shift = '40 min'\nmvstore.sweep_interval = '1 s'");
$node->reload;
sql('x', 'SELECT mvstore_resume()');
wait_for_fault($node, 'a slice fails');
wait_until($node, 'x', q{SELECT count(*) = 0 FROM mvstore_calendar WHERE store = 'aged'::regclass}, 'the next one does what it had to do');
is(entries_of($node, 'x', 'aged'), 1, 'all of it');

arm($node, '');
$node->stop;
done_testing();
