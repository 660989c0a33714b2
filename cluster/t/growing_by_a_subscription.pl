# One shard of several moves to a new server by logical replication, as doc/growing.md says,
# while clients read and write: no write is lost or doubled, the past stays, and so do
# policies, floors and pins. The pause is measured, and printed.

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
my $cluster = MvstoreCluster->new('cluster', shards => 8, wal_level => 'logical');
my $clients = ClusterRun->start($cluster, seed => $seed, keys => 16);
my ($old, $new) = ($cluster->server(0), $cluster->add_server);

$clients->wait_for(200);
is($cluster->query(q{SELECT count(mvstore_pin('report', ttl => '1 day', store => 'a'))}), 1, 'the past is pinned');
my $pinned = $cluster->shard(3, 'SELECT version FROM mvstore_pins');

my $runbook = Runbook->new($cluster, 'One shard moves: by a subscription', old => $old, new => $new);
$runbook->run(1);
$clients->wait_for(200);
my $pause = $runbook->run(2);
my $known = q{SELECT string_agg(concat_ws(' ', store, keep_versions, incarnation), ', ' ORDER BY store::text) FROM mvstore_stores};
my $floor = q{SELECT floor FROM mvstore_store_stats WHERE store = 'b'::regclass};
my @before = map { $cluster->shard(3, $_) } $known, $floor;
$cluster->now_at(3, $new);
$clients->wait_for(200);

my $log = $clients->stop($cluster);
is_explained($log, $seed);
note("the switch took $pause ms; the longest call $log->{longest}{milliseconds} ms ($log->{longest}{call})");

is($cluster->shard(3, $known), $before[0], 'stores are stores there, with their policies');
cmp_ok($cluster->shard(3, $floor), '>=', $before[1], 'what is gone is known to be gone');
is($cluster->shard(3, 'SELECT version FROM mvstore_pins'), $pinned, 'the pin holds');
# Of rows that a subscription has brought a worker is not told: a pass finds them.
is($cluster->shard(3, q{SELECT mvstore_sweep('b'); SELECT mvstore_flush()}) =~ s/\s//gr, 't', 'its worker works');
# What is deleted goes whole: there may be nothing but what comes now.
my $key = $cluster->query("SELECT 'new' || n FROM generate_series(1, 1000) n WHERE mvstore_cluster_shard('b', 'new' || n) = 3 LIMIT 1");
$cluster->query("SELECT mvstore_put('b', '$key', '$_')") for 1 .. 3;
is($cluster->shard(3, 'SELECT mvstore_flush()'), 't', 'what is written now is worked off');
is($cluster->shard(3, "SELECT count(*) FROM b WHERE key = '$key'"), 2, 'and two entries of it are kept');
is($cluster->shard(3, 'SELECT count(*) > 0 AND max(n) <= 2 FROM (SELECT count(*) AS n FROM b GROUP BY key) of_key'), 't', 'and keeps to the policy');
is($cluster->shard(3, 'SELECT count(*) FROM pg_subscription'), 0, 'nothing is subscribed to any more');
is($old->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots'), 0, 'and nothing kept for it');
like(($old->psql('mv03', q{SELECT mvstore_put('a', 'k01', 'late')}))[2], qr/read-only transaction/, 'who writes to the old database is refused');
$new->stop;
$cluster->stop;
done_testing();
