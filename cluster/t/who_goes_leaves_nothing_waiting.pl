# A write over shards that is given up while it waits for a lock on one of them leaves nothing there that waits on:
# else stable of the shard would stand until the lock is free, and what was written before it would be locked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use MvstoreTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cluster = MvstoreCluster->new('gone', shards => 2, servers => 1);
my $proxy = $cluster->proxy;
my $server = $cluster->server(0);
$cluster->query(q{SELECT mvstore_create('a')});
my @keys = map { $cluster->query("SELECT 'k' || n FROM generate_series(1, 100) n WHERE mvstore_cluster_shard('a', 'k' || n) = $_ LIMIT 1") } 0, 1;

# Who has the key of the second shard, and who cares: sessions on the shards that wait for it.
my $holder = $server->background_psql($cluster->database_of(1));
$holder->query_safe("BEGIN; SELECT mvstore_put('a', '$keys[1]', 'held')");
my $waits = q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%mvstore_put_many%'};
my $writers = q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'writer'};

for my $way ('terminated', 'killed with the server')
{
	my $session = $proxy->background_psql('postgres', on_error_stop => 0);
	$session->query_safe(q{SET application_name = 'goes'; SET mvstore_cluster.lock_timeout = '1 h'});
	$session->{stdin} .= "SELECT mvstore_put_many('a', '{$keys[0],$keys[1]}', '{new,new}');\n";
	$session->{run}->pump_nb;
	wait_until($server, 'postgres', "SELECT ($waits) = 1", "a write waits on a shard, and is to be $way");

	# Its process has no time to say anything to the shards.
	my $pid = $cluster->query(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'goes'});
	$way eq 'terminated' ? $cluster->query("SELECT pg_terminate_backend($pid)") : $cluster->kill9($proxy);
	wait_until($server, 'postgres', "SELECT ($waits) = 0", 'nothing waits on the shard any more');
	is($holder->query_safe('SELECT 1'), 1, 'while the lock is held');
	is($cluster->shard(0, $writers), 0, 'nobody writes to the other shard');
	eval { $session->quit };
	$proxy->start if $way ne 'terminated';
}
is($cluster->query("SELECT mvstore_put('a', '$keys[0]', 'next') > 0"), 't', 'the key there is free');
$holder->query_safe('COMMIT');
is($cluster->query(q{SELECT string_agg(value, ' ' ORDER BY value) FROM mvstore_scan('a')}), 'held next', 'nothing was written in part');

# Requests on all shards wait for a lock there no longer than any write.
$cluster->query(q{SELECT mvstore_create('locked')});
$holder->query_safe('BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
is(($cluster->refused("SET mvstore_cluster.lock_timeout = '200 ms'; SELECT $_"))[0], '55P03', "$_ waits for a lock with a limit")
  for q{mvstore_compact('locked', 1)}, q{mvstore_drop_prefix('locked', 'k')}, q{mvstore_drop_range('locked', 'a', 'z')}, q{mvstore_sweep('locked')};
$holder->query_safe('COMMIT');

# Nor does a transaction there for as long as the session is idle, should that be kept from ending it.
$cluster->query(<<'SQL');
CREATE OR REPLACE FUNCTION mvstore_cluster_step(step text) RETURNS void LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
	RAISE EXCEPTION 'idle for %', (SELECT string_agg(s.t, ' ' ORDER BY s.t) FROM unnest(dblink_get_connections()) c, dblink(c, 'SHOW idle_in_transaction_session_timeout') AS s (t text));
END $$;
SQL
like(($cluster->refused("SELECT mvstore_put_many('a', '{$keys[0],$keys[1]}', '{1,1}')"))[1], qr/idle for 4h 4h$/m, 'the shard ends it at last');
like(($cluster->refused("SET mvstore_cluster.lock_timeout = 0; SELECT mvstore_put_many('a', '{$keys[0],$keys[1]}', '{1,1}')"))[1], qr/idle for 0 0$/m, 'unless locks are waited for as long as it takes');
$cluster->shard(1, sprintf q{ALTER DATABASE %s SET idle_in_transaction_session_timeout = '1min'}, $cluster->database_of(1));
$cluster->query('SELECT mvstore_cluster_verify()');
like(($proxy->psql('postgres', "SELECT mvstore_put_many('a', '{$keys[0],$keys[1]}', '{1,1}')"))[2], qr/idle for 1min 4h$/m, 'unless it has a limit of its own');
$cluster->shard(1, sprintf q{ALTER DATABASE %s RESET idle_in_transaction_session_timeout}, $cluster->database_of(1));

# What is a shard of one cluster does not become one of another.
like(($server->psql($cluster->database_of(0), 'INSERT INTO mvstore_shard SELECT * FROM mvstore_shard'))[2], qr/duplicate key/, 'a shard is one of one cluster');

$holder->quit;
$_->stop for $server, $proxy;
done_testing();
