# A worker that was told to end does end, whatever lock it was waiting for: or a
# shutdown of the server would never end, nor could a database be dropped.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('signals', conf => "mvstore.sweep_interval = '1 h'\nmvstore.queue_size = 1\ndeadlock_timeout = '10 ms'\nlog_lock_waits = on");

$node->safe_psql('postgres', q{CREATE DATABASE d});
$node->safe_psql('d', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s', keep_versions := 1); SELECT mvstore_put('s', 'k', 'v')});

# Have the worker wait for a lock on the journal, which a session holds.
my $pid;
my $session = $node->background_psql('d');

sub wait_in_lock
{
	# What is in the journal alone is read by a pass over it, which waits for the table.
	$node->safe_psql('d', q{SELECT mvstore_flush()});
	$pid = worker_pid($node, 'd');
	my $waits = () = slurp_file($node->logfile) =~ /process $pid still waiting/g;
	kill 'STOP', $pid;
	$node->safe_psql('d', q{SELECT mvstore_drop('s', 'a'), mvstore_drop('s', 'b')});
	$session->query_safe('BEGIN; LOCK TABLE mvstore_journal IN ACCESS EXCLUSIVE MODE');
	kill 'CONT', $pid;

	# Past deadlock_timeout, after which no timer wakes it by chance.
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
	my $now = $waits;
	while ($now == $waits && time() < $deadline)
	{
		$now = () = slurp_file($node->logfile) =~ /process $pid still waiting/g;
		Time::HiRes::usleep(20_000);
	}
	return cmp_ok($now, '>', $waits, 'the worker waits for a lock');
}

# SIGTERM, of which the postmaster sends one.
wait_in_lock();
is($node->safe_psql('d', "SELECT pg_terminate_backend($pid)"), 't', 'it is told to end');
$session->query_safe('ROLLBACK');
wait_until($node, 'd', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid", 'with the lock gone it ends');
wait_until($node, 'd', "SELECT worker_pid <> $pid FROM mvstore_stats WHERE database = 'd'", 'and another one begins');
$node->safe_psql('d', q{SELECT mvstore_put('s', 'k', 'w')});
is($node->safe_psql('d', 'SELECT mvstore_flush()'), 't', 'which works');

# A reload is heard of, too.
wait_in_lock();
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '1 ms'\nlog_min_messages = debug2");
$node->reload;
$session->query_safe('ROLLBACK');
$session->quit;
$node->safe_psql('d', q{SELECT mvstore_put('s', 'k', 'x')});
is($node->safe_psql('d', 'SELECT mvstore_flush()'), 't', 'a worker that was told to reload goes on');

# DROP DATABASE has the worker go, which waits for a lock of somebody who waits no longer.
$session = $node->background_psql('d');
wait_in_lock();
my $dropper = $node->background_psql('postgres');
$dropper->query_until(qr/begun/, "\\echo begun\nDROP DATABASE d;\n\\echo ended\n");
$node->poll_query_until('postgres', q{SELECT wait_event = 'MvstoreStopWorker' OR wait_event_type = 'Extension' FROM pg_stat_activity WHERE query = 'DROP DATABASE d;'})
  or die 'DROP DATABASE does not wait for the worker';
$session->query_safe('ROLLBACK');
$session->quit;
$dropper->query_until(qr/ended/, '');
$dropper->quit;
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'd'}), 0, 'DROP DATABASE is not held up by a worker that waited for a lock');

$node->stop('fast');
done_testing();
