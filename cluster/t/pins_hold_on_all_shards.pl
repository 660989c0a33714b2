# A pin over shards is of one version on all of them, whatever they drop meanwhile: where one is behind, the others
# keep what they have while it is waited for. Who waits for changes is not told that some are gone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $cluster = MvstoreCluster->new('pinned', shards => 4, servers => 2);
$cluster->query("SELECT mvstore_create('a', keep_versions => 1)");
my @keys = map { $cluster->query("SELECT 'k' || n FROM generate_series(1, 100) n WHERE mvstore_cluster_shard('a', 'k' || n) = $_ LIMIT 1") } 0 .. 3;

# Write to shard 3 until it has dropped what is older.
sub go_on
{
	my ($value) = @_;
	$cluster->query("SELECT mvstore_put('a', '$keys[3]', '$value $_')") for 1 .. 3;
	$cluster->query("SELECT mvstore_flush('60 s')") eq 't' or die 'no flush';
	return;
}

# What the shards have of a pin.
sub pins { return join ' ', $cluster->shards("SELECT coalesce(string_agg(version::text, '+'), '-') FROM mvstore_pins WHERE name = '$_[0]'") }

my $first = $cluster->query("SELECT mvstore_put_many('a', '{${\ join ',', @keys}}', '{1,1,1,1}')");

# ---- A shard that is behind --------------------------------------------------------

my $writer = $cluster->server_of(0)->background_psql($cluster->database_of(0));
$writer->query_safe("BEGIN; SELECT mvstore_put('a', '$keys[0]', 'open')");
go_on('two');
my $floor = $cluster->shard(3, "SELECT floor FROM mvstore_store_stats WHERE store = 'a'::regclass");
my $stable = $cluster->query('SELECT mvstore_stable_version()');
cmp_ok($floor, '>', $stable, 'a shard has dropped what is above the stable version of all');
my ($state, $said) = $cluster->refused("SET mvstore_cluster.lock_timeout = '200 ms'; SELECT mvstore_pin('late')");
ok($state eq '55000' && $said =~ /shard 0 \(.*has not come to version/, 'a pin names who is behind') || diag("$state $said");
is(pins('late'), '- - - -', 'and leaves nothing');

# Whether somebody waits on the shard that is behind.
sub waits_behind
{
	my ($is) = @_;
	return $cluster->server_of(0)->poll_query_until($cluster->database_of(0), "SELECT count(*) > 0 FROM pg_stat_activity
		WHERE query LIKE '%mvstore_wait_stable%' AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()", $is);
}

waits_behind('f') or die 'the pin that was refused goes on';
my $pinning = $cluster->proxy->background_psql('postgres');
$pinning->query_safe(q{SET mvstore_cluster.lock_timeout = '60 s'});
$pinning->query_until(qr/begun/, "\\echo begun\nSELECT mvstore_pin('patient');\n");
waits_behind('t') or die 'the pin does not wait';
$cluster->query("SELECT mvstore_put('a', '$keys[3]', 'three $_')") for 1 .. 3;
$writer->query_safe('COMMIT');
$writer->quit;
$pinning->query_safe('SELECT 1');
$pinning->quit;
my ($version, @others) = split / /, pins('patient');
like($version, qr/^\d+$/, 'a pin waits for who is behind');
is("@others", "$version $version $version", 'and is of one version on all shards');
is($cluster->query("SELECT string_agg(value, ' ' ORDER BY mvstore_cluster_shard('a', key)) FROM mvstore_scan('a', as_of => $version)"), 'open 1 1 two 3', 'which is read whole');
$cluster->query("SELECT mvstore_put('a', '$keys[3]', 'four $_')") for 1 .. 3;
is($cluster->query("SELECT count(*) FROM mvstore_scan('a', as_of => $version)"), 4, 'and stays');
is($cluster->query("SELECT mvstore_pin('patient') > $version"), 't', 'a pin is renewed');
is($cluster->query("SELECT mvstore_unpin('patient'); SELECT count(*) FROM mvstore_pins"), "t\n0", 'and given up');

# ---- Who waits for changes -----------------------------------------------------------

go_on('five');
is(($cluster->refused("SELECT count(*) FROM mvstore_changes('a', $first)"))[0], '72000', 'changes above a version are gone');
$cluster->query("CALL mvstore_wait_changes('a', $first, '60 s')");
pass('who waits is told that there are some');
is(($cluster->refused("CALL mvstore_wait_changes('a', $first, NULL)"))[0], '22004', 'a time without end is none');

$cluster->stop;
done_testing();
