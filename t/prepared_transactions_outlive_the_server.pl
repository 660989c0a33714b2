# Transactions that are prepared stay what they are over a clean restart, a crash and a
# failover: before a version is handed out again they are known; what they ask for is
# done after the commit, whoever commits and whatever happens just then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('prepared', init => [ allows_streaming => 1 ], conf => "max_prepared_transactions = 10\nrestart_after_crash = on");
my $count = 0;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Prepare a transaction that writes key k of both stores, and asks for a drop. Its version.
sub prepare
{
	my ($gid) = @_;
	$count++;
	return sql(<<"SQL");
BEGIN;
SELECT mvstore_put('s', 'k', 'v$count') \\g /dev/null
SELECT mvstore_put('kept', 'k', 'v$count') \\g /dev/null
SELECT mvstore_drop('s', 'k') \\g /dev/null
SELECT mvstore_put('s', 'mine', 'v$count');
PREPARE TRANSACTION '$gid';
SQL
}

# What a reader as of a version sees.
sub digest
{
	my ($version) = @_;
	return sql(qq{SELECT md5(string_agg(key || value, ',' ORDER BY key)) FROM mvstore_scan('s', as_of => $version)});
}

sub versions { return sql("SELECT (SELECT string_agg(value, ' ' ORDER BY version) FROM mvstore_history('s', 'k')) || '|' || (SELECT string_agg(value, ' ' ORDER BY version) FROM mvstore_history('kept', 'k'))"); }

# It is known: nothing is stable at or above it, new versions are above it, and its name is told.
sub is_known
{
	my ($gid, $version, $name) = @_;
	my $stable = sql('SELECT mvstore_stable_version()');

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok($stable, '<', $version, "$name: its version is not stable");
	my $before = digest($stable);
	cmp_ok(sql(q{SELECT mvstore_put('s', 'beside', 'v')}), '>', $version, "$name: versions go on above it");
	is(sql('SELECT mvstore_stable_version()'), $version - 1, "$name: and what is stable ends below it");
	is(sql(q{SELECT string_agg(name || coalesce(pid::text, ''), ' ') FROM mvstore_blockers WHERE kind = 'prepared'}), $gid, "$name: it is told of");
	is((sqlstate_of($node, 'postgres', "SELECT mvstore_get('s', 'mine', $version)"))[0], '55000', "$name: no read as of it");
	is(sql('SELECT mvstore_flush()'), 't', "$name: there is nothing to wait for");
	return ($stable, $before);
}

# Commit it as somebody else would; all that it asked for is done, once.
sub commit_it
{
	my ($gid, $stable, $before, $name) = @_;

	sql("COMMIT PREPARED '$gid'");
	return is_done($stable, $before, $name);
}

sub is_done
{
	my ($stable, $before, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT mvstore_flush()'), 't', "$name: it is worked off");
	is(versions(), "v$count|v$count", "$name: all that it asked for");
	is(sql('SELECT count(*) FROM mvstore_journal') . sql('SELECT count(*) FROM mvstore_prepared'), '00', "$name: nothing is left to be told");
	is(sql("SELECT count(*) FROM mvstore_blockers WHERE kind = 'prepared'"), 0, "$name: it is gone");
	is(digest("(SELECT greatest(floor, $stable) FROM mvstore_store_stats WHERE store = 's'::regclass)") ne '', 1, "$name: the store can be read");
	return;
}

sql(q{SELECT mvstore_create('s'), mvstore_create('kept', keep_versions => 1)});
sql(q{SELECT mvstore_put('s', 'k', 'v0'); SELECT mvstore_put('kept', 'k', 'v0'); SELECT mvstore_put('s', 'mine', 'v0')});

# The session that has prepared ends; a restart, clean and not.
my $version = prepare('clean');
$node->restart;
my @stable = is_known('clean', $version, 'after a clean restart');
is(digest($stable[0]), $stable[1], 'what was stable reads as it did');
commit_it('clean', @stable, 'after a clean restart');

$version = prepare('crash');
$node->stop('immediate');
$node->start;
commit_it('crash', is_known('crash', $version, 'after a crash'), 'after a crash');

# Committed as the first thing that a server does, when nobody has asked for anything yet.
$version = prepare('first');
$node->restart;
sql(q{COMMIT PREPARED 'first'});
is_done($version, '', 'committed first');
$version = prepare('last');
sql(q{COMMIT PREPARED 'last'});
$node->restart;
is_done($version, '', 'committed last');

# Committed when nobody has asked for anything yet, but somebody has a snapshot from before, and no worker comes.
$version = prepare('unnoticed');
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_logical_replication_workers = 0");
$node->restart;
my $older = $node->background_psql('postgres');
$older->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql(q{COMMIT PREPARED 'unnoticed'});
is($older->query_safe("SELECT mvstore_stable_version() < $version"), 't', 'for a snapshot from before its end, it is not stable');
is(sql("SELECT mvstore_stable_version() >= $version"), 't', 'for a later one it is');
$older->quit;
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
is_done($version, '', 'committed unnoticed');

# Rolled back after a restart.
$version = prepare('back');
$node->stop('immediate');
$node->start;
is_known('back', $version, 'to be rolled back');
sql(q{ROLLBACK PREPARED 'back'});
$count--;
cmp_ok(sql('SELECT mvstore_stable_version()'), '>', $version, 'its version is nobody\'s');
is_done($version, '', 'rolled back');

# A store that only a prepared transaction has made, in a database that has none: nothing is
# called stable there that it will make.
sql('CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION mvstore');
$version = $node->safe_psql('fresh', <<'SQL');
BEGIN;
SELECT mvstore_create('made') \g /dev/null
SELECT mvstore_put('made', 'k', 'v');
PREPARE TRANSACTION 'made';
SQL
$node->stop('immediate');
$node->start;
cmp_ok($node->safe_psql('fresh', 'SELECT mvstore_stable_version()'), '<', $version, 'a store that is still to be: its version is not stable');
isnt((sqlstate_of($node, 'postgres', 'DROP DATABASE fresh'))[0], '', 'its database cannot be dropped');
$node->safe_psql('fresh', q{COMMIT PREPARED 'made'});
is($node->safe_psql('fresh', "SELECT mvstore_get('made', 'k', $version)"), 'v', 'then it can be read');
is($node->safe_psql('fresh', q{SELECT mvstore_drop('made', 'k'); SELECT mvstore_flush()}), "\nt", 'and dropped from');

# A dump beside it.
$version = prepare('dump');
my ($out, $err) = run_command([ 'pg_dump', '-d', $node->connstr('postgres'), '--lock-wait-timeout=10s' ]);
like($out, qr/COPY public\.s /, 'a dump is made beside it');
unlike($out, qr/COPY public\.mvstore_prepared/, 'without what is in doubt');
sql(q{ROLLBACK PREPARED 'dump'});
$count--;

# A standby answers below it, and knows it when it is promoted.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$version = prepare('failover');
my $known = sql(q{SELECT mvstore_put('s', 'beside', 'w')});
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
cmp_ok($standby->safe_psql('postgres', 'SELECT mvstore_stable_version()'), '<', $version, 'a standby calls nothing stable that it will commit');
$node->stop('immediate');
$standby->promote;
$node = $standby;
is_known('failover', $version, 'after a failover');
commit_it('failover', $version, '', 'after a failover');
$node->stop;

done_testing();
