# Servers that are restored to different moments make one cluster as of one version, as
# doc/scaling.md says: the lowest that is stable on all where their recovery ends. All
# that is at or below it is there, whole, as it was; and what is above it goes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use ClusterRun;
use MvstoreCluster;
use Test::More;

my $cluster = MvstoreCluster->new('cluster', shards => 4);
my $clients = ClusterRun->start($cluster, keys => 12);
my @servers = @{ $cluster->{servers} };
my @restored = map { $cluster->standby($_, "mvstore.standby_interval = '100 ms'") } @servers;

# Recovery ends at different moments, in the midst of writes.
for my $restored (@restored)
{
	$clients->wait_for(200);
	$restored->stop('immediate');
}
$clients->wait_for(100);
$clients->stop($cluster);

# A primary that is gone, so that nothing more comes.
my %all = map { $_ => q{SELECT key, version, value FROM mvstore_scan('a'} . ($_ eq 'then' ? ', as_of => ?' : '') . ') ORDER BY key' } qw(then now);
my @stable;
for my $n (0, 1)
{
	$restored[$n]->append_conf('postgresql.conf', "primary_conninfo = ''");
	$restored[$n]->start;
	push @stable, map { $restored[$n]->safe_psql($cluster->database_of($_), 'SELECT mvstore_stable_version()') } $cluster->shards_of($servers[$n]);
}
my ($version) = sort { $a <=> $b } @stable;
note("stable: @stable");
my $before = $cluster->query($all{then} =~ s/\?/$version/r);
isnt($before, '', 'something had been written by then');
isnt($cluster->query($all{now}), $before, 'and something since');

for my $n (0, 1)
{
	$restored[$n]->promote;
	for my $shard ($cluster->shards_of($servers[$n]))
	{
		$restored[$n]->safe_psql($cluster->database_of($shard), <<'SQL');
SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = current_database() \gexec
SQL
	}
	$cluster->repoint_all($servers[$n], $restored[$n]);
}
is($cluster->query($all{then} =~ s/\?/$version/r), $before, 'as of that version all is as it was');
$cluster->query("SELECT mvstore_revert('a', $version)");
is($cluster->query($all{now} =~ s/, version,/,/r), join("\n", map { s/\|\d+\|/|/r } split /\n/, $before), 'and so is the present then');
$_->stop for @servers;
$cluster->stop;
done_testing();
