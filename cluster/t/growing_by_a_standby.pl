# Half of a server's shards move to a new server, as doc/growing.md says, while clients
# read and write: none of them loses a write, or finds one twice, or a past that has
# changed, or even gets an error. The pause is measured, and printed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use ClusterCheck;
use ClusterRun;
use MvstoreCluster;
use PostgreSQL::Test::Utils;
use Runbook;
use Test::More;

my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $cluster = MvstoreCluster->new('cluster');
my $clients = ClusterRun->start($cluster, seed => $seed);
my $old = $cluster->server(0);

$clients->wait_for(200);
my $new = $cluster->standby($old);
$clients->wait_for(200);

my $runbook = Runbook->new($cluster, 'Half of a server moves: by a standby', old => $old, new => $new);
my $pause = $runbook->run(1);
$cluster->now_at($_, $new) for 4 .. 7;
$clients->wait_for(200);
$runbook->run(2);
$clients->wait_for(200);

my $log = $clients->stop($cluster);
is_explained($log, $seed);
note("the switch took $pause ms; the longest call $log->{longest}{milliseconds} ms ($log->{longest}{call})");
my $databases = q{SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname ~ '^mv'};
is($old->safe_psql('postgres', $databases), 'mv00 mv01 mv02 mv03', 'the old server has what stayed');
is($new->safe_psql('postgres', $databases), 'mv04 mv05 mv06 mv07', 'the new one what moved');
cmp_ok($cluster->shard(4, 'SELECT count(*) FROM a'), '>', 0, 'and that is in use');
$_->stop for $new;
$cluster->stop;
done_testing();
