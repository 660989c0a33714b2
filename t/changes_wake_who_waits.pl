# Who waits for changes of a store is woken by the commit, however many wait; by that of the
# writer which kept them from being stable, too; not by what others write elsewhere. It keeps
# nobody from emptying or dropping the store, and ends when it is told to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('changes', init => [ allows_streaming => 1 ], conf => "fsync = off\nmax_connections = 150\nmax_prepared_transactions = 1");
$node->safe_psql('postgres', <<'SQL');
SELECT mvstore_create('s'), mvstore_create('other');
CREATE INDEX ON s (version, key);
SQL

sub sql { return $node->safe_psql('postgres', @_); }

my $number = 0;

# A session that waits for changes above a version, in a statement or by a call.
sub waiter
{
	my ($command) = @_;
	my $name = 'waiter' . $number++;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_safe("SET application_name = '$name'");
	$session->query_until(qr/waiting/, "\\echo waiting\n$command;\n\\echo woken\n");
	wait_until($node, 'postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = '$name'
		AND wait_event_type IN ('Extension', 'Timeout', 'IPC') AND query LIKE '%mvstore%'}, "$name waits");
	return { session => $session, name => $name };
}

# Wait until it has ended; what it said.
sub woken
{
	my ($waiter, $name) = @_;

	my $said = $waiter->{session}->query_until(qr/woken/, '');
	pass($name);
	$waiter->{session}->quit;
	return $said;
}

my $position = sql(q{SELECT mvstore_put('s', 'a', '1')});

# Many wait, and one commit wakes them all.
my @waiters = map { waiter("SELECT 'got ' || key || value FROM mvstore_changes('s', $position, wait => '1 hour')") } 1 .. 20;
my $caller = waiter("CALL mvstore_wait_changes('s', $position, '1 hour')");
sql(q{SELECT mvstore_put('other', 'a', '1'), mvstore_put('other', 'b', '1')});
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'waiter%' AND state = 'active'}), 21, 'what is written to another store wakes nobody');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waiter20' AND backend_xmin IS NOT NULL}), 0, 'the call holds no snapshot');
is(sql(q{SELECT count(*) FROM pg_locks WHERE relation IN (SELECT 's'::regclass UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = 's'::regclass)}), 0, 'and nobody a lock on the store');
my $second = sql(q{SELECT mvstore_put('s', 'b', '2')});
my @said = map { woken($_, 'one is woken') } @waiters;
is(scalar(grep { /got b2/ } @said), 20, 'and all of them have the change');
woken($caller, 'the call ends');

# What is committed behind an older writer is not stable; the older one's end wakes.
my $older = $node->background_psql('postgres');
$older->query_safe(q{BEGIN; SELECT mvstore_put('other', 'c', '1')});
my $third = sql(q{SELECT mvstore_put('s', 'c', '3')});
my $held = waiter("SELECT 'got ' || key || value FROM mvstore_changes('s', $second, wait => '1 hour')");
$older->query_safe('COMMIT');
like(woken($held, 'the end of an older writer wakes'), qr/got c3/, 'and what it held up is there');
$older->quit;

# Who is woken for nothing, and waits for a lock meanwhile, is woken by what comes then, too.
$older = $node->background_psql('postgres');
my $locker = $node->background_psql('postgres');
$older->query_safe(q{BEGIN; SELECT mvstore_put('other', 'c', '2')});
my $fourth = sql(q{SELECT mvstore_put('s', 'd', '4')});
$held = waiter("SELECT 'got ' || key || value FROM mvstore_changes('s', $third, wait => '1 hour')");
$locker->query_safe('BEGIN; LOCK TABLE s IN ACCESS EXCLUSIVE MODE');
sql(q{SELECT mvstore_put('other', 'd', '1')});
wait_until($node, 'postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = '$held->{name}' AND wait_event_type = 'Lock'}, 'it is woken, and waits for a lock');
$older->query_safe('COMMIT');
$locker->query_safe('COMMIT');
like(woken($held, 'it is woken again'), qr/got d4/, 'and what it waits for is there');
$_->quit for ($older, $locker);
$third = $fourth;

# A prepared one is ended by whom it is ended.
my $prepared = waiter("SELECT 'got ' || key || value FROM mvstore_changes('s', $third, wait => '1 hour')");
sql(q{BEGIN; SELECT mvstore_put('s', 'p', '4'); PREPARE TRANSACTION 'changes'});
sql(q{COMMIT PREPARED 'changes'});
like(woken($prepared, 'COMMIT PREPARED wakes'), qr/got p4/, 'and what was prepared is there');
$third = sql(q{SELECT mvstore_stable_version()});

# A rolled back write is none; the timeout ends it.
my $in_vain = waiter("SELECT 'got ' || count(*) FROM mvstore_changes('s', $third, wait => '5 s')");
sql(q{BEGIN; SELECT mvstore_put('s', 'd', '4'); ROLLBACK});
like(woken($in_vain, 'a timeout ends it'), qr/got 0/, 'with nothing');

# Rows of plain SQL count, too, at the latest when the time is up.
my $plain = waiter("SELECT 'got ' || key FROM mvstore_changes('s', $third, wait => '5 s')");
sql(q{INSERT INTO s VALUES ('plain', mvstore_version_at(clock_timestamp()), 'v', NULL)});
like(woken($plain, 'time is up'), qr/got plain/, 'what SQL has inserted is there');
$position = sql(q{SELECT mvstore_stable_version()});

# Cancelled, and the store emptied and dropped under it.
my $cancelled = waiter("SELECT count(*) FROM mvstore_changes('s', $position, wait => '1 hour')");
sql(qq{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = '$cancelled->{name}'});
woken($cancelled, 'a cancel ends it');
my $emptied = waiter("SELECT count(*) FROM mvstore_changes('s', $position, wait => '1 hour')");
sql(q{SET lock_timeout = '60 s'; TRUNCATE s});
woken($emptied, 'TRUNCATE does not wait for it, and it is told');
like($emptied->{session}->{stderr}, qr/not complete/, 'by an error') if defined $emptied->{session}->{stderr};
sql(q{SELECT mvstore_put('s', 'e', '5'), mvstore_put('s', 'mallory', '5')});
$position = sql(q{SELECT mvstore_stable_version()});
my $erased = waiter("SELECT count(*) FROM mvstore_changes('s', $position, wait => '1 hour')");
sql(q{SELECT mvstore_erase('s', 'mallory')});
woken($erased, 'it is told of an erasure');
my $taken = waiter("SELECT count(*) FROM mvstore_changes('s', mvstore_stable_version(), wait => '1 hour')");
sql(q{BEGIN; SELECT mvstore_erase('s', 'e'); PREPARE TRANSACTION 'erasure'});
sql(q{COMMIT PREPARED 'erasure'});
woken($taken, 'and of a prepared one');
sql(q{SELECT mvstore_put('s', 'e', '5')});

# On a standby, by replay.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$position = sql(q{SELECT mvstore_stable_version()});
$node->wait_for_catchup($standby);
my $there = $standby->background_psql('postgres');
$there->query_until(qr/waiting/, "\\echo waiting\nSELECT 'got ' || key FROM mvstore_changes('s', $position, wait => '1 hour');\n\\echo woken\n");
sql(q{SELECT mvstore_put('s', 'f', '6')});
like($there->query_until(qr/woken/, ''), qr/got f/, 'on a standby it comes by replay');
$there->quit;

$standby->stop;
$node->stop;
done_testing();
