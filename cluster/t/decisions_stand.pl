# What was decided on the proxy happens on all shards, whoever is in the way when it is looked after: others who
# look at the same time, a cancel between the decision and its answer, a standby that knows of nothing that
# is prepared. And who writes is told what has become of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use MvstoreTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cluster = MvstoreCluster->new('decided', shards => 4, servers => 2, proxy_conf => "wal_level = replica\nmax_wal_senders = 2");
my $proxy = $cluster->proxy;
my $second = $cluster->server(1);
my $standby = $cluster->standby($second, 'max_prepared_transactions = 100');
$cluster->query(q{SELECT mvstore_create('a')});
my @keys = map { $cluster->query("SELECT 'k' || n FROM generate_series(1, 100) n WHERE mvstore_cluster_shard('a', 'k' || n) = $_ LIMIT 1") } 0 .. 3;
my $keys = join ',', @keys;
my $stop = $cluster->hold_steps;

# A write over all shards that stands still at a step.
sub begin_write
{
	my ($step, $value, $before) = @_;

	return $cluster->begin_held($step, ($before // '') . " SELECT mvstore_put_many('a', '{$keys}', '{$value,$value,$value,$value}') > 0 AS written");
}

sub gone { $cluster->query(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name LIKE 'stops %'}); return }
sub cancel { $cluster->query(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'stops %'}); return }
sub pending { return $cluster->query(q{SELECT string_agg(gid, ' ') FROM mvstore_cluster_pending WHERE state = 'committed'}) }

sub is_whole
{
	my ($value, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($cluster->query(q{SELECT string_agg(value, ' ') FROM mvstore_scan('a')}), "$value $value $value $value", $name);
	is(join(' ', map { $cluster->shard($_, 'SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()') } 0 .. 3), '0 0 0 0', 'nothing stays prepared');
	is(pending(), '', 'and there is no row of it');
	return;
}

# ---- Others who look ----------------------------------------------------------------

# Whoever holds locks of our names keeps nobody from it.
$cluster->query('CREATE ROLE anybody LOGIN');
my $other = $proxy->background_psql('postgres');
$other->query_safe(q{SET SESSION AUTHORIZATION anybody; SELECT pg_advisory_lock(mvstore_cluster_lock_key('recovery of ' || proxy)) FROM mvstore_cluster_config});
begin_write('decided', 'one');
gone();
$other->query_safe(sprintf q{SELECT pg_advisory_lock(mvstore_cluster_lock_key('%s'))}, pending());
is($cluster->query('SELECT count(*) FROM mvstore_cluster_in_doubt WHERE coordinator'), 0, 'who has gone coordinates nothing, whoever holds a lock');
is($cluster->query("SET lock_timeout = '5 s'; SELECT mvstore_cluster_recover()"), 4, 'and what he has left is ended');
$other->query_safe('SELECT pg_advisory_unlock_all(); RESET SESSION AUTHORIZATION');
is_whole('one', 'it is done');

# Recovery has begun, and waits for a server that does not answer: others leave it to that one, or wait.
begin_write('decided', 'two');
gone();
my ($postmaster) = slurp_file($second->data_dir . '/postmaster.pid') =~ /\A(\d+)/;
kill STOP => $postmaster;
my $recovery = $proxy->background_psql('postgres');
$recovery->query_until(qr/asked/, "\\echo asked\nSELECT mvstore_cluster_recover() AS ended;\n");
wait_until($proxy, 'postgres', q{SELECT tried IS NOT NULL FROM mvstore_cluster_pending WHERE state = 'committed'}, 'a recovery has begun');
is($cluster->query('SELECT mvstore_cluster_recover(false)'), 0, 'another one leaves it to that');
is(($cluster->refused("SET lock_timeout = '100 ms'; SELECT mvstore_cluster_recover()"))[0], '55P03', 'or waits');
kill CONT => $postmaster;
like($recovery->query_safe('SELECT 1'), qr/^4\b/, 'which ends it');
is_whole('two', 'as it was decided');

# Who was to end a write has been cancelled, and his transaction goes on.
my $idle = begin_write('decided', 'idle', 'BEGIN;');
cancel();
$idle->query('SELECT 1');
is($cluster->query('SELECT mvstore_cluster_recover()'), 4, 'what was left in a transaction is ended while that goes on');
is_whole('idle', 'as it was decided');
is($cluster->query(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid <> 1818}), 0, 'no lock is left');
$idle->{stderr} = '';	# it was warned
$idle->query_safe('COMMIT');
$idle->quit;

# Between the looks at the shards and at the rows of who looks, a write has ended: it is not in doubt.
$cluster->query(<<'SQL');
ALTER FUNCTION mvstore_cluster_found(integer[]) RENAME TO mvstore_cluster_found_at_once;
CREATE FUNCTION mvstore_cluster_found(asked integer[]) RETURNS json LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
	found_rows json := mvstore_cluster_found_at_once(asked);
BEGIN
	PERFORM pg_advisory_xact_lock(1819) WHERE asked IS NULL;
	RETURN found_rows;
END $$;
SQL
$recovery->query_safe('SELECT pg_advisory_lock(1819)');
my $ends = begin_write('decided', 'ended');
my $viewer = $proxy->background_psql('postgres');
$viewer->query_until(qr/looks/, "\\echo looks\nSELECT count(*), count(*) FILTER (WHERE state = 'aborted') FROM mvstore_cluster_in_doubt;\n");
wait_until($proxy, 'postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1819 AND NOT granted}, 'somebody looks');
$stop->query_safe('SELECT pg_advisory_unlock(1818)');
$ends->query_safe('SELECT 1');
$ends->quit;
$stop->query_safe('SELECT pg_advisory_lock(1818)');
$recovery->query_safe('SELECT pg_advisory_unlock(1819)');
like($viewer->query_safe('SELECT 1'), qr/^0\|0\b/, 'what has ended meanwhile is not in doubt');
$cluster->query('DROP FUNCTION mvstore_cluster_found(integer[]); ALTER FUNCTION mvstore_cluster_found_at_once(integer[]) RENAME TO mvstore_cluster_found');
$viewer->quit;

# An older snapshot does not show what has become of younger writes: that is told as not known.
$viewer = $proxy->background_psql('postgres');
$viewer->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
begin_write('decided', 'younger');
my $shown = 'SELECT count(*), min(state), bool_or(coordinator) FROM mvstore_cluster_in_doubt';
is($viewer->query_safe($shown), '4||', 'what is younger than a snapshot is not said to be aborted');
gone();
is($viewer->query_safe($shown), '4||', 'nor when its session has gone');
is($cluster->query($shown), '4|committed|f', 'which another one knows');
$viewer->query_safe('COMMIT');
is(($cluster->refused('BEGIN; SELECT mvstore_cluster_hold(); SELECT mvstore_cluster_recover()'))[0], '55000', 'who holds the cluster cannot recover');
is($cluster->query('BEGIN; SELECT mvstore_cluster_hold(); SELECT mvstore_cluster_recover(false)'), "\n0", 'or leaves it to others');
$cluster->query('SELECT mvstore_cluster_recover()');
is_whole('younger', 'as it was decided');
$viewer->quit;

# ---- Other databases than those that are meant ---------------------------------------

# An operator has exchanged two addresses: that nothing is prepared there is no answer of the shard.
begin_write('decided', 'moved');
gone();
$cluster->query(sprintf "ALTER SERVER mvstore_cluster OPTIONS (SET p0 '%s', SET p1 '%s')", map { $cluster->address($_) } 1, 0);
$cluster->query('SELECT mvstore_cluster_recover()');
isnt(pending(), '', 'another database that answers for a shard ends nothing');
like($cluster->query('SELECT DISTINCT problem FROM mvstore_cluster_in_doubt WHERE problem IS NOT NULL'), qr/another database/, 'and the view says so');
$cluster->query(sprintf "ALTER SERVER mvstore_cluster OPTIONS (SET p0 '%s', SET p1 '%s')", map { $cluster->address($_) } 0, 1);
$cluster->query('SELECT mvstore_cluster_recover()');
is_whole('moved', 'with the right ones it is done');

# What a proxy of another name has decided is not looked after under the new one.
begin_write('decided', 'renamed');
gone();
$cluster->query("UPDATE mvstore_cluster_config SET proxy = 'new' || proxy");
$cluster->query('SELECT mvstore_cluster_recover()');
isnt(pending(), '', 'the decision of a proxy that had another name stays');
$cluster->query('UPDATE mvstore_cluster_config SET proxy = substr(proxy, 4)');
$cluster->query('SELECT mvstore_cluster_recover()');
is_whole('renamed', 'and holds under the old one');

# A copy connects to the original where it means itself: there, nobody has the lock of its coordinator.
$proxy->safe_psql('postgres', 'CREATE DATABASE copy');
$proxy->safe_psql('copy', 'CREATE EXTENSION mvstore_cluster CASCADE');
my $itself = $cluster->query("SELECT srvoptions[1] FROM pg_foreign_server WHERE srvname = 'mvstore_cluster_self'");
$cluster->query("ALTER SERVER mvstore_cluster_self OPTIONS (SET p0 'host=${\ $proxy->host} port=${\ $proxy->port} dbname=copy')");
my ($other_state, $other_said) = $cluster->refused("SELECT mvstore_put_many('a', '{$keys}', '{x,x,x,x}')");
ok($other_state eq '55000' && $other_said =~ /leads to another database/, 'decisions are written nowhere else') || diag("$other_state $other_said");
is_whole('renamed', 'nothing is written');
$cluster->query("INSERT INTO mvstore_cluster_pending VALUES ('mvstore_cluster:' || (SELECT cluster || ':' || proxy FROM mvstore_cluster_config) || ':kept', 1, '{0,1}', 'committed', clock_timestamp(), NULL, '3')");
my ($recovery_state) = $cluster->refused('SELECT mvstore_cluster_recover()');
is($recovery_state, '55000', 'nor does recovery go by what is written there');
$cluster->query("DELETE FROM mvstore_cluster_pending WHERE gid LIKE '%:kept'");
$cluster->query('SELECT mvstore_cluster_configure()');
is($cluster->query("SELECT srvoptions[1] FROM pg_foreign_server WHERE srvname = 'mvstore_cluster_self'"), $itself, 'mvstore_cluster_configure() mends that');
$cluster->query('SELECT mvstore_cluster_configure()');
is($cluster->query("SELECT srvoptions[1] FROM pg_foreign_server WHERE srvname = 'mvstore_cluster_self'"), $itself, 'and leaves what is right');

# Whoever calls has connected elsewhere by the names of what a session keeps.
begin_write('decided', 'mine');
gone();
my $elsewhere = sprintf 'host=%s port=%d dbname=postgres', $cluster->server(0)->host, $cluster->server(0)->port;
$other->query_safe("SELECT dblink_connect_u(format('mvstore_cluster:%s:%s:%s', n, to_hex(hashtextextended(mvstore_cluster_address(n), 0)), to_hex(hashtextextended((mvstore_cluster_login(n, current_user)).mapping, 0))), '$elsewhere') FROM generate_series(0, 3) n");
$other->query_safe("SELECT dblink_connect_u(left((mvstore_cluster_login(n, current_user)).address, 63), '$elsewhere') FROM generate_series(0, 3, 2) n");
is($other->query_safe('SELECT mvstore_cluster_recover()'), 4, 'recovery asks shards by connections of its own');
is_whole('mine', 'it is done');

# ---- Cancels ------------------------------------------------------------------------

# The decision is there, but is not told of, as it waits for a standby of the proxy.
my $writer = begin_write('prepared', 'three');
$cluster->query(q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$cluster->query('SELECT pg_reload_conf()');
$cluster->query('CHECKPOINT');	# by the process that tells the others
$stop->query_safe('SELECT pg_advisory_unlock(1818)');
wait_until($proxy, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}, 'the decision waits');
cancel();
$writer->{stderr} = '';
eval { $writer->query('SELECT 1') };
like($writer->{stderr}, qr/08007: the write has happened/, 'who is cancelled then is told that it happens');
$cluster->query('ALTER SYSTEM RESET synchronous_standby_names');
$cluster->query('SELECT pg_reload_conf()');
$writer->quit;
is($cluster->query('SELECT mvstore_cluster_recover()'), 4, 'it is ended');
is_whole('three', 'as it was decided');

# When it has been told of.
$stop->query_safe('SELECT pg_advisory_lock(1818)');
$writer = begin_write('decided', 'four');
cancel();
$writer->{stderr} = '';
like(scalar($writer->query('SELECT 1')), qr/^t$/m, 'who is cancelled after the decision has written');
like($writer->{stderr}, qr/WARNING: .*the write has happened/, 'and is warned');
$writer->quit;
is($cluster->query('SELECT mvstore_cluster_recover()'), 4, 'it is ended');
is_whole('four', 'as it was decided');

# ---- A standby ----------------------------------------------------------------------

begin_write('decided', 'five');
$second->wait_for_catchup($standby, 'replay', $second->lsn('flush'));
$cluster->kill9($second);
gone();
$cluster->now_at($_, $standby) for $cluster->shards_of($second);
$cluster->query('ALTER SERVER mvstore_cluster OPTIONS (' . join(', ', map { "SET p$_ '" . $cluster->address($_) . q{'} } 2, 3) . ')');
is($cluster->query("SELECT mvstore_get('a', '$keys[0]')"), 'five', 'a shard that is there shows what was decided');
isnt(pending(), '', 'while shards are at a standby, the decision is kept');
like($cluster->query('SELECT string_agg(DISTINCT problem, $$ $$) FROM mvstore_cluster_in_doubt WHERE problem IS NOT NULL'), qr/standby/, 'which the view tells');
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'the standby is not promoted';
is($cluster->query('SELECT mvstore_cluster_recover()'), 2, 'when it is promoted, it is ended');
is_whole('five', 'as it was decided');

$_->quit for $stop, $other, $recovery;
$_->stop for $standby, $cluster->server(0), $proxy;
done_testing();
