# A put of one key that meets a key in doubt does not wait for ever: it ends the doubt by itself, though nobody else calls,
# or fails, and says where it has waited, once mvstore_cluster.lock_timeout is over. And what runs on shards in the name
# of a mapped user is a function of mvstore, whatever a caller hands to the proxy.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use MvstoreTest;
use Test::More;

my $cluster = MvstoreCluster->new('limit', shards => 2, servers => 1);
my $proxy = $cluster->proxy;

my $stop = $cluster->hold_steps;
$cluster->query(q{SELECT mvstore_create('a')});
my ($one, $two) = map { $cluster->query("SELECT 'k' || n FROM generate_series(1, 100) n WHERE mvstore_cluster_shard('a', 'k' || n) = $_ LIMIT 1") } 0, 1;

# A write over both shards that has prepared, and goes no further.
sub begin_write { return $cluster->begin_held('prepared', "SELECT mvstore_put_many('a', '{$one,$two}', '{both,both}')") }

# While it is under way.
my $writer = begin_write();
for my $write ("mvstore_put('a', '$one', 'x')", "mvstore_delete('a', '$one')", "mvstore_put_many('a', '{$one}', '{x}')", "mvstore_erase('a', '$two')")
{
	my ($state, $said) = $cluster->refused("SET mvstore_cluster.lock_timeout = '200 ms'; SELECT $write");
	my $shard = $write =~ /erase/ ? 1 : 0;
	ok($state eq '55P03' && $said =~ /others hold a lock on shard $shard \(.*dbname=mv0$shard\) for longer than mvstore_cluster.lock_timeout/, "$write does not wait for ever")
	  or diag("$state $said");
}
is($cluster->query('SELECT count(*) FROM mvstore_cluster_in_doubt WHERE coordinator'), 2, 'the write is still under way');

# Its coordinator goes while a put waits, and nobody else calls.
my $put = $proxy->background_psql('postgres', on_error_stop => 0);
$put->query_safe("SET mvstore_cluster.lock_timeout = '30 s'");
$put->{stdin} .= "SELECT mvstore_put('a', '$one', 'alone') > 0 AS done;\n";
$put->{run}->pump_nb;
my $server = $cluster->server(0);
wait_until($server, 'mv00', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'mv00' AND wait_event_type = 'Lock'}, 'a put waits for it');
$proxy->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'stops prepared'});
is($put->query_safe('SELECT 1') =~ s/\n/ /gr, 't 1', 'the put ends the doubt by itself, and is done');
is($cluster->query("SELECT mvstore_get('a', '$one'), mvstore_get('a', '$two')"), 'alone|', 'of the write there is nothing');
is(join('', $cluster->shards("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()")), '00', 'on no shard');
$_->{run}->kill_kill for $writer, $stop, $put;

# What was prepared after all was over, and whose row is gone: nobody expects it.
my $gid = $cluster->query(q{SELECT format('mvstore_cluster:%s:%s:%s:0', cluster, proxy, gen_random_uuid()) FROM mvstore_cluster_config});
# The last look at all shards was long ago.
sub looked_long_ago { $cluster->query(q{SELECT mvstore_cluster_recover(); UPDATE mvstore_cluster_awake SET tried = tried - interval '1 min'}); return }
looked_long_ago();
$cluster->shard(0, "BEGIN; SELECT mvstore_put('a', '$one', 'late'); PREPARE TRANSACTION '$gid'");
is($cluster->query("SET mvstore_cluster.lock_timeout = '30 s'; SELECT mvstore_put('a', '$one', 'mine') > 0; SELECT mvstore_get('a', '$one')"), "t\nmine", 'who waits for it in vain ends it');
looked_long_ago();
$cluster->shard(0, sprintf "BEGIN; SELECT mvstore_put('a', 'late', 'late'); PREPARE TRANSACTION '%s'", $gid =~ s/....:0$/ffff:0/r);
my $now = $cluster->query('SELECT mvstore_current_version()');
is($cluster->query("SELECT mvstore_count('a', as_of => $now)"), 1, 'so does who waits for the past');

# What goes to one shard by the way of several is bounded, too.
$cluster->query(q{SELECT mvstore_cluster_place('p', delimiter => '/'); SELECT mvstore_create('p')});
my $shard = $cluster->query(q{SELECT mvstore_cluster_shard('p', 'x/1')});
my $holder = $server->background_psql($cluster->database_of($shard));
$holder->query_safe(q{BEGIN; SELECT mvstore_put('p', 'x/1', 'held')});
is(($cluster->refused(q{SET mvstore_cluster.lock_timeout = '200 ms'; SELECT mvstore_put('p', 'x/1', 'v')}))[0], '55P03', 'a put does not wait for a session on the shard either');
$holder->query_safe('COMMIT; BEGIN; LOCK TABLE p');
is(($cluster->refused(q{SET mvstore_cluster.lock_timeout = '200 ms'; SELECT mvstore_erase_prefix('p', 'x/')}))[0], '55P03', 'nor an erasure');
$holder->query_safe('ROLLBACK');
$holder->quit;

# ---- What runs on shards ------------------------------------------------------------

$cluster->query('CREATE ROLE anybody LOGIN; GRANT USAGE ON FOREIGN SERVER mvstore_cluster TO anybody');
for my $call ('pg_terminate_backend(integer)', 'SELECT 1', 'mvstore_put_many(regclass, text[], text[], interval); DROP TABLE a; --', 'set_config(text, text, boolean)')
{
	my ($state) = $cluster->refused("SET ROLE anybody; SELECT mvstore_cluster_write('{0}', '$call', '{1,2,3,4}', false)");
	is($state, '42501', "$call is not called");
}
$cluster->query('CREATE ROLE nobody_else LOGIN');
for my $call (q{mvstore_cluster_write('{0,1}', 'mvstore_clear(regclass)', '{a}', false)}, q{mvstore_clear('a')}, q{mvstore_put_many('a', '{x,y}', '{1,2}')})
{
	my ($state) = $cluster->refused("SET SESSION AUTHORIZATION nobody_else; SELECT $call");
	is($state, '42501', "without USAGE on the foreign server: $call");
}
for my $call ('mvstore_pause()', q{mvstore_shard_pause('1')}, q{mvstore_pin('p')}, q{mvstore_cluster_write('{0,1}', 'mvstore_pin(text, bigint, interval, regclass)', '{p,1,1 hour,NULL}', false)})
{
	my ($state) = $cluster->refused("SET SESSION AUTHORIZATION anybody; SELECT $call");
	is($state, '42501', "what is not for everybody: $call");
}
my ($state, $said) = $cluster->refused(q{SELECT mvstore_cluster_write('{0}', 'mvstore_detach(regclass)', ARRAY[$$a'); DROP TABLE a; --$$], false)});
ok($state ne '' && $cluster->shard(0, q{SELECT to_regclass('a')}) eq 'a', 'an argument is an argument') or diag($said);
$cluster->stop;
done_testing();
