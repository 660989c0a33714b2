# A worker that has nothing to do, and may not leave for some reason, sleeps all the
# same: drops are paused with some in the queue, or a standby wants to hear from it.
# Otherwise it takes a processor for itself, until somebody looks. And it leaves when the
# extension has gone, whoever listens.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('stays', conf => <<'CONF');
fsync = off
mvstore.standby_interval = '100 ms'
wal_level = replica
archive_mode = on
archive_command = 'false'
CONF

sub sql { return $node->safe_psql('postgres', @_); }

# The store goes while a drop waits that stands in the queue alone. Of such a database the
# worker wants to leave after a second, and of others after five minutes.
sql(q{SELECT mvstore_create('s'); SELECT mvstore_put('s', 'k', 'v')});
is(sql('SELECT mvstore_flush()'), 't', 'nothing is to be done');
sql('SELECT mvstore_pause()');
sql(q{SET mvstore.durable_drops = off; SELECT mvstore_drop('s', 'k')});
sql('DROP TABLE s');
is(sql('SELECT queue_length FROM mvstore_stats'), 1, 'paused, with something in the queue');
my $pid = worker_pid($node, 'postgres');
SKIP:
{
	skip 'needs /proc', 1 unless -r "/proc/$pid/stat";
	my $ticks = sub { my @stat = split / /, (slurp_file("/proc/$pid/stat") =~ /\) (.*)/)[0]; return $stat[11] + $stat[12]; };
	my $time_passes = sub {
		my $begin = sql('SELECT clock_timestamp()');
		$node->poll_query_until('postgres', "SELECT clock_timestamp() > '$begin'::timestamptz + interval '2 s'");
	};

	$time_passes->();
	my $before = $ticks->();
	$time_passes->();
	cmp_ok($ticks->() - $before, '<', 25, 'the worker sleeps');
}
is(worker_pid($node, 'postgres'), $pid, 'and is there');
sql('SELECT mvstore_resume()');
is(sql('SELECT mvstore_flush()'), 't', 'it goes on when it may');

# Without the extension nobody asks for anything, but the archive would have its beat.
sql(q{SELECT mvstore_create('s'); SELECT mvstore_put('s', 'k', 'v')});
worker_pid($node, 'postgres');
sql('DROP EXTENSION mvstore CASCADE');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker'}, 'when the extension goes, its worker leaves');

$node->stop;
done_testing();
