# A worker that is there and does its work, costs nothing while it has none, and
# lets nobody's settings get in its way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('worker', conf => "mvstore.sweep_interval = '1 h'");

# The first store brings the worker.
$node->safe_psql('postgres', q{SELECT mvstore_create('s', keep_versions := 1)});
$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'k', 'v1')});
$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'k', 'v2')});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'a drop is done without anybody starting anything');
is(entries_of($node, 'postgres', 's'), 1, 'the superseded entry is gone');

my $pid = worker_pid($node, 'postgres');
is($node->safe_psql('postgres', "SELECT datname, backend_type FROM pg_stat_activity WHERE pid = $pid"),
	'postgres|mvstore drop worker', 'pg_stat_activity tells the worker from other processes');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mvstore launcher' AND datname IS NULL}),
	1, 'and the launcher, which is in no database');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'mvstore%'}),
	2, 'there is no third process');

# The worker goes on; it is not started for each batch.
for my $i (3 .. 5)
{
	$node->safe_psql('postgres', qq{SELECT mvstore_put('s', 'k', 'v$i')});
	$node->safe_psql('postgres', 'SELECT mvstore_flush()');
}
is(worker_pid($node, 'postgres'), $pid, 'the same worker does the next batches');

# Idle, it holds up neither vacuum nor anybody's lock ...
wait_until($node, 'postgres',
	qq{SELECT xact_start IS NULL AND backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = $pid},
	'no transaction is open while it waits');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid = $pid"), 0, 'no lock is held');

# ... nor the processor: it is not woken at all.
SKIP:
{
	skip 'needs /proc', 2 unless -r "/proc/$pid/status";
	my $launcher = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'mvstore launcher'});
	my %switches;
	my $read = sub {
		my ($of) = @_;
		my ($n) = slurp_file("/proc/$of/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
		return $n;
	};

	# Let it come to rest first: a second after the last drop it looks once whether
	# a store wants vacuuming. 15 s are plenty.
	my ($last, $quiet) = (-1, 0);
	for (1 .. 30)
	{
		my $now = $read->($pid) + $read->($launcher);
		$quiet = $now == $last ? $quiet + 1 : 0;
		last if $quiet == 4;
		$last = $now;
		Time::HiRes::usleep(500_000);
	}
	$switches{$_} = $read->($_) for ($pid, $launcher);
	Time::HiRes::usleep(3_000_000);
	is($read->($pid) - $switches{$pid}, 0, 'an idle worker is not woken in 3 seconds');
	is($read->($launcher) - $switches{$launcher}, 0, 'nor is the launcher');
}

# Settings that users make for a database or for everybody do not hinder it.
$node->safe_psql('postgres', <<'SQL');
ALTER DATABASE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER DATABASE postgres SET statement_timeout = '1 ms';
ALTER DATABASE postgres SET lock_timeout = '1 ms';
ALTER DATABASE postgres SET search_path = '';
ALTER DATABASE postgres SET row_security = off;
ALTER DATABASE postgres SET session_replication_role = replica;
SQL
# (The test's own sessions are spared them.)
$ENV{PGOPTIONS} = '-c statement_timeout=0 -c lock_timeout=0 -c search_path=public -c default_transaction_read_only=off'
  . ' -c default_transaction_isolation=read\ committed -c session_replication_role=origin';
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_until($node, 'postgres', "SELECT worker_pid <> $pid FROM mvstore_stats WHERE database = 'postgres'", 'a new worker starts under them');
$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'k', 'v6')});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'and works');
is(entries_of($node, 'postgres', 's'), 1, 'the superseded entry is gone');

# Its log is not a place for every batch.
my $log = slurp_file($node->logfile);
unlike($log, qr/(?:ERROR|PANIC):|TRAP/, 'nothing went wrong on the way');
cmp_ok(scalar(grep { /mvstore/ && !/statement: / } split(/\n/, $log)), '<', 20, 'a line is logged for what is worth it only');

$node->stop;
done_testing();
