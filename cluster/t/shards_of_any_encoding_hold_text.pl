# Shards whose databases have another encoding than the proxy's: text is the same text there, by whichever way, also
# on connections that are used again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use Test::More;

my $cluster = MvstoreCluster->new('latin', shards => 2, servers => 1, bare => 1);
$cluster->server(0)->safe_psql('postgres', "CREATE DATABASE mv0$_ ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0") for 0, 1;
$cluster->shards('CREATE EXTENSION mvstore');
$cluster->configure;
$cluster->query(q{SELECT mvstore_create('a')});
my $keys = $cluster->query(q{SELECT string_agg(k, ',') FROM (SELECT DISTINCT ON (s) 'ä' || n AS k, mvstore_cluster_shard('a', 'ä' || n) AS s FROM generate_series(1, 100) n ORDER BY s, n) x});
my ($first) = split /,/, $keys;
is($cluster->query(<<"SQL"), "ö,ö\nü,ü\nü\nü,ü\n4", 'a session writes to both shards, and again');
DO \$\$ BEGIN PERFORM mvstore_put_many('a', '{$keys}', '{ö,ö}'); END \$\$;
SELECT string_agg(value, ',') FROM mvstore_scan('a');
DO \$\$ BEGIN PERFORM mvstore_put_many('a', '{$keys}', '{ü,ü}'); END \$\$;
SELECT string_agg(value, ',') FROM mvstore_scan('a');
SELECT mvstore_get('a', '$first');
SELECT string_agg(value, ',') FROM mvstore_get_many('a', '{$keys}');
SELECT count(*) FROM unnest('{$keys}'::text[]) k, mvstore_history('a', k);
SQL
is($cluster->shard(0, q{SELECT DISTINCT encode(key, 'hex') ~ '^c3a4' FROM a}), 't', 'a shard has it as UTF8, as any store has');
my ($state) = $cluster->refused("SELECT mvstore_put('a', 'x', '€')");
is($state, '22P05', 'what it lacks is refused');
$_->stop for $cluster->proxy, $cluster->server(0);
done_testing();
