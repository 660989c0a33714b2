# Nothing that was requested is lost, however the worker or the server ends: what
# a commit has promised is done afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Requests wait for long, so that each of these ends finds some.
my $patient = "mvstore.flush_interval = '10 min'\nmvstore.batch_size = 10000";
my $node = mvstore_node('restart', conf => "$patient\nrestart_after_crash = on");

# s has what was asked for explicitly, p what its policy asks for.
$node->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1)});
# o is for a request that is done before any of these ends: it is not done twice,
# which would now drop more.
$node->safe_psql('postgres', q{SELECT mvstore_create('o')});
$node->safe_psql('postgres', qq{SELECT mvstore_put('o', 'once', '$_')}) for (1 .. 4);
$node->safe_psql('postgres', q{SELECT mvstore_drop('o', 'once', keep := 3)});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'a request is done');
$node->safe_psql('postgres', qq{SELECT mvstore_put('o', 'once', '$_')}) for (5 .. 6);
my $round = 0;
my $greatest = 0;
my $stable = 0;

# Write some, request some, in transactions that have all committed.
sub fill
{
	$round++;
	for my $value (1 .. 3)
	{
		my $version = $node->safe_psql('postgres', <<"SQL");
SELECT max(v) FROM (SELECT mvstore_put('s', 'r$round k' || k, 'v$value') FROM generate_series(1, 30) k
                    UNION ALL SELECT mvstore_put('p', 'r$round k' || k, 'v$value') FROM generate_series(1, 30) k) puts (v)
SQL
		cmp_ok($version, '>', $greatest, "round $round: versions rise");
		$greatest = $version;
	}
	$node->safe_psql('postgres', "SELECT mvstore_delete('p', 'r$round k' || k) FROM generate_series(1, 10) k");
	$node->safe_psql('postgres', "SELECT mvstore_drop('s', 'r$round k' || k) FROM generate_series(1, 20) k");
	# One that nobody may do.
	$node->psql('postgres', "BEGIN; SELECT mvstore_drop('s', 'r$round k' || k) FROM generate_series(21, 30) k; ROLLBACK");
	return;
}

# Of each round 20 keys with one entry and 10 with three in s, 20 in p.
sub done
{
	return sprintf('SELECT (SELECT count(*) = %d FROM s) AND (SELECT count(*) = %d FROM p)', $round * 50, $round * 20);
}

sub is_waiting
{
	$stable = $node->safe_psql('postgres', 'SELECT mvstore_stable_version()');
	return is($node->safe_psql('postgres', q{SELECT queue_length > 0 FROM mvstore_stats WHERE database = 'postgres'}),
		't', "round $round: requests are waiting");
}

sub is_served_again
{
	my ($what) = @_;

	cmp_ok($node->safe_psql('postgres', 'SELECT mvstore_stable_version()'), '>=', $stable, "$what: the stable version is not taken back");
	worker_pid($node, 'postgres');
	cmp_ok($node->safe_psql('postgres', q{SELECT mvstore_put('s', 'again', 'v1')}), '>', $stable, "$what: nor written below");
	$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'again', 'v2')});
	$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'again')});
	is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', "$what: new requests are worked off");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_history('s', 'again')}), 1, "$what: and done");
	$node->safe_psql('postgres', q{DELETE FROM s WHERE key = 'again'});
	return;
}

# The worker is told to stop.
fill();
my $pid = worker_pid($node, 'postgres');
is_waiting();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_until($node, 'postgres', "SELECT worker_pid <> $pid FROM mvstore_stats WHERE database = 'postgres'", 'after SIGTERM a new worker starts');
wait_until($node, 'postgres', done(), 'and what was waiting is done without waiting for the interval');
is_served_again('after SIGTERM of the worker');

# A backend crashes, and takes the shared memory along.
sub crash
{
	my ($what, $victim) = @_;
	my $crashes = () = slurp_file($node->logfile) =~ /all server processes terminated; reinitializing/g;

	is_waiting();
	PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $victim);
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
	until ((() = slurp_file($node->logfile) =~ /all server processes terminated; reinitializing/g) > $crashes)
	{
		die "$what: no restart" if time() > $deadline;
		Time::HiRes::usleep(20_000);
	}
	ok($node->poll_query_until('postgres', undef, ''), "$what: the server comes back");
	return;
}

fill();
my $session = $node->background_psql('postgres');
crash('after a crash of a backend', $session->query_safe('SELECT pg_backend_pid()'));
eval { $session->quit };
is_served_again('after a crash of a backend');
wait_until($node, 'postgres', done(), 'after a crash of a backend what had been committed is done');

# One that is in the middle of it: its transaction was none.
fill();
$session = $node->background_psql('postgres');
my $victim = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe("BEGIN");
$session->query_safe("SELECT count(mvstore_drop('s', 'r$round k' || k)) FROM generate_series(21, 30) k");
$session->query_safe("SELECT count(mvstore_put('p', 'r$round k' || k, 'never')) FROM generate_series(11, 30) k");
crash('after a crash inside a transaction', $victim);
eval { $session->quit };
is_served_again('after a crash inside a transaction');
wait_until($node, 'postgres', done(), 'after a crash inside a transaction only what had been committed is done');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_scan('p') WHERE value = 'never'}), 0, 'its writes are none');

# The worker itself.
fill();
crash('after a crash of the worker', worker_pid($node, 'postgres'));
is_served_again('after a crash of the worker');
wait_until($node, 'postgres', done(), 'after a crash of the worker what had been committed is done');

# The server is stopped: politely, and less so.
for my $mode ('smart', 'fast', 'immediate')
{
	fill();
	is_waiting();
	$node->stop($mode);
	$node->start;
	is_served_again("after a $mode stop");
	wait_until($node, 'postgres', done(), "after a $mode stop what had been committed is done");
}

fill();
is_waiting();
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
$node->kill9;
# (Its processes need a moment to notice, and a new one does not start beside them.)
my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
while (kill(0, $postmaster) || !$node->start(fail_ok => 1))
{
	die 'processes of the killed server do not end' if time() > $deadline;
	Time::HiRes::usleep(100_000);
}
ok(1, 'the processes of a killed server end');
is_served_again('after kill -9 of the postmaster');
wait_until($node, 'postgres', done(), 'after kill -9 of the postmaster what had been committed is done');

# Nothing that was not to go is gone.
is($node->safe_psql('postgres', q{SELECT string_agg(value, ' ') FROM mvstore_history('o', 'once')}), '6 5 4 3 2', 'what was done once was not done again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_journal'), 0, 'nothing is left of requests that are done');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_scan('s') WHERE value = 'v3'}), $round * 30, 'every head is there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT key FROM s GROUP BY key HAVING count(*) = 3) whole}),
	$round * 10, 'every history that nobody asked to drop is there');

$node->stop;
done_testing();
