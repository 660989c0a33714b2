# A standby answers reads like its primary, writes nothing, and after promotion
# does what the primary had left undone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = mvstore_node('primary', init => [ allows_streaming => 1 ]);
$primary->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1)});
$primary->safe_psql('postgres',
	q{SELECT mvstore_put_at('s', k, k || v, v) FROM unnest('{a,b}'::text[]) k, generate_series(10, 40, 10) v});
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# Have the standby replay what the primary has written. The worker does not wait
# for its commits to be flushed, so a commit that is flushed comes behind them.
sub catch_up
{
	$primary->safe_psql('postgres', q{SELECT pg_logical_emit_message(true, '', '')});
	return $primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
}

catch_up();

# Reads.
is($standby->safe_psql('postgres', q{SELECT mvstore_get('s', 'a'), mvstore_get('s', 'a', as_of := 25), mvstore_contains('s', 'x')}),
	'a40|a20|f', 'a standby reads the newest and the past');
is($standby->safe_psql('postgres', q{SELECT string_agg(key || '=' || value, ' ') FROM mvstore_scan('s', as_of := 15)}), 'a=a10 b=b10', 'scans');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM mvstore_history('s', 'b')}), 4, 'and shows history');
my ($state) = sqlstate_of($standby, 'postgres', q{SELECT mvstore_get('s', 'a', as_of := 9223372036854775806);});
is($state, '55000', 'it does not know the future');

# Drops arrive, and with them the knowledge of what is gone.
$primary->safe_psql('postgres', q{SELECT mvstore_drop('s', 'a')});
is($primary->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'the primary drops');
catch_up();
is(entries_of($standby, 'postgres', 's'), 5, 'what was dropped is gone from the standby');
($state) = sqlstate_of($standby, 'postgres', q{SELECT mvstore_get('s', 'a', as_of := 25);});
is($state, '72000', 'which says so');
is($standby->safe_psql('postgres', q{SELECT mvstore_get('s', 'b', as_of := 25), mvstore_get('s', 'a', as_of := 40)}), 'b20|a40', 'and knows what is not');
# Versions of today become readable as they settle.
my $version = $primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'today', 'v')});
$primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'today', 'w')});
catch_up();
is($standby->safe_psql('postgres', q{SELECT mvstore_get('s', 'today')}), 'w', 'the newest is the newest that has arrived');
ok( $standby->poll_query_until('postgres', "SELECT mvstore_get('s', 'today', as_of := $version) = 'v'"),
	'a version of today can be read as of, once it has settled');

# Writes and drops.
for my $call (
	q{mvstore_put('s', 'k', 'w')}, q{mvstore_put_at('s', 'k', 'w', 50)}, q{mvstore_delete('s', 'a')},
	q{mvstore_delete_at('s', 'a', 50)}, q{mvstore_drop('s', 'b')}, q{mvstore_create('t')})
{
	($state) = sqlstate_of($standby, 'postgres', "SELECT $call;");
	is($state, '25006', "$call is refused, as INSERT is");
}
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker'}), 0, 'no worker runs');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM mvstore_stats WHERE worker_pid IS NOT NULL'), 0, 'nor does mvstore_stats know one');
is($standby->safe_psql('postgres', 'SELECT is_primary, worker_up, worker_wanted, stores, reads_refused_total, stable_lag_seconds < 600 FROM mvstore_metrics'),
	'0|0|0|2|1|t', 'its row of metrics says so, and counts what it has refused');
is($standby->safe_psql('postgres', q{SELECT reads_refused_total, size_bytes > 0, floor_age_seconds < 'Infinity' FROM mvstore_store_metrics WHERE store = 's'}),
	'1|t|t', 'as that of the store does');

# The primary is told things that it has no time to do.
$primary->append_conf('postgresql.conf', "mvstore.flush_interval = '10 min'\nmvstore.batch_size = 10000");
$primary->restart;
worker_pid($primary, 'postgres');
$primary->safe_psql('postgres', q{SELECT mvstore_put('p', 'k' || k, 'v1') FROM generate_series(1, 20) k});
$version = $primary->safe_psql('postgres', q{SELECT max(mvstore_put('p', 'k' || k, 'v2')) FROM generate_series(1, 20) k});
$primary->safe_psql('postgres', q{SELECT mvstore_drop('s', 'b', keep := 2)});
$primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'last', 'v')});
catch_up();
is(entries_of($standby, 'postgres', 'p'), 40, 'the standby waits, as the primary does');
$primary->stop('immediate');
$standby->promote;
worker_pid($standby, 'postgres');
ok(1, 'after promotion there is a worker');
wait_until($standby, 'postgres', q{SELECT count(*) = 2 FROM mvstore_history('s', 'b')}, 'it does what was requested of the primary');
wait_until($standby, 'postgres', 'SELECT count(*) = 20 FROM p', 'and what the policies ask for');
is($standby->safe_psql('postgres', q{SELECT bool_and(value = 'v2') FROM mvstore_scan('p')}), 't', 'heads are there');
cmp_ok($standby->safe_psql('postgres', q{SELECT mvstore_put('p', 'k1', 'v3')}), '>', $version, 'versions rise over the failover');
is($standby->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'new requests are worked off');
is(entries_of($standby, 'postgres', 'p'), 20, 'and done');

$standby->stop;
done_testing();
