# While clients read and write, a server with shards is killed and comes back, then the proxy,
# and then a server whose synchronous standby takes over, as doc/growing.md says. Calls
# fail meanwhile. But what was acknowledged stays, what was written over several shards is
# whole, also where it was prepared when the server was killed, and the past does not change.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use ClusterCheck;
use ClusterRun;
use MvstoreCluster;
use MvstoreTest;
use PostgreSQL::Test::Utils;
use Runbook;
use Test::More;

my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $cluster = MvstoreCluster->new('cluster', shards => 8);
my ($first, $second) = @{ $cluster->{servers} };
my $standby = $cluster->standby($first, "max_prepared_transactions = 100");

$first->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()});
my $clients = ClusterRun->start($cluster, seed => $seed);

# What is under way is seen, too: it does not stay.
my $nothing = q{SELECT count(*) = 0 FROM mvstore_cluster_in_doubt WHERE prepared < clock_timestamp() - interval '5 s' OR problem IS NOT NULL};

sub goes_on
{
	my ($what) = @_;

	$clients->wait_for(200);
	wait_until($cluster->proxy, 'postgres', $nothing, "$what: nothing is left in doubt");
	return;
}

$clients->wait_for(200);
$cluster->kill9($second);
$clients->wait_for(50);
$second->start;
goes_on('a server that was killed comes back');

$cluster->kill9($cluster->proxy);
$cluster->proxy->start;
goes_on('a proxy that was killed comes back');

# ---- A standby takes over, while somebody is between PREPARE TRANSACTION and COMMIT PREPARED

my $stop = $cluster->hold_steps;
$cluster->query(q{SELECT mvstore_create('doubts')});
my @keys = map { $cluster->query("SELECT 'x' || i FROM generate_series(1, 1000) i WHERE mvstore_cluster_shard('doubts', 'x' || i) = $_ LIMIT 1") } 0 .. 7;
my %coordinators = map { $_ => $cluster->proxy->background_psql('postgres', on_error_stop => 0) } qw(prepared decided);
for my $step (sort keys %coordinators)
{
	$coordinators{$step}->query_safe("SET application_name = 'stops $step'");
	$coordinators{$step}{stdin} .= sprintf "SELECT mvstore_put_many('doubts', '{%s}'::text[], array_fill('%s'::text, '{%d}'));\n",
	  join(',', map { $step eq 'decided' ? $_ : "$_-" } @keys), $step, scalar @keys;
	$coordinators{$step}{run}->pump_nb;
}
$cluster->wait_for_held(2, 'two writes are prepared, one of them decided');

$cluster->kill9($first);
my $runbook = Runbook->new($cluster, 'A server is lost', new => $standby);
my $time = $runbook->run(1);
note("the standby has taken over $time ms later");
$cluster->now_at($_, $standby) for $cluster->shards_of($first);
$cluster->query(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'stops %'});
goes_on('a standby has taken over');
is($cluster->query(q{SELECT count(*), min(value), max(value), count(DISTINCT version) FROM mvstore_scan('doubts') WHERE key !~ '-'}), '8|decided|decided|1',
	'what was decided is there, whole');
is($cluster->query(q{SELECT count(*) FROM mvstore_scan('doubts') WHERE key ~ '-'}), 0, 'what was not, is not');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_prepared_xacts WHERE prepared < now() - interval '1 min'}), 0, 'nothing old is prepared');

my $log = $clients->stop($cluster);
is_explained($log, $seed, 'faults');
$stop->quit;
$_->{run}->kill_kill for values %coordinators;
$_->stop for $standby, $second, $cluster->proxy;
done_testing();
