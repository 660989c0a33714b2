# Clients of a cluster write, over one shard or several, and read the present and the past:
# every answer is one that a single server could have given. See lib/ClusterCheck.pm.
# MVSTORE_TEST_SEED gives the seed, MVSTORE_TEST_CALLS how many calls.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use ClusterCheck;
use ClusterRun;
use MvstoreCluster;
use Test::More;

my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $cluster = MvstoreCluster->new('cluster');
my $clients = ClusterRun->start($cluster, seed => $seed);

$clients->wait_for($ENV{MVSTORE_TEST_CALLS} // 2000);
my $counts = is_explained($clients->stop($cluster), $seed);
cmp_ok($counts->{$_}, '>', 0, "there were $_") for qw(written refused reads as_of gone);
cmp_ok(scalar(grep { $_ > 0 } $cluster->shards('SELECT count(*) FROM a')), '>', 8, 'on most shards');
$cluster->stop;
done_testing();
