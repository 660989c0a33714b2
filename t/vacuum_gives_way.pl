# A vacuum of what drops have left behind, however slow, is in nobody's way: commands
# on its database, its store and its extension take their turn, so does a shutdown;
# and drops go on after them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'usleep';

# Each page that it writes to takes 400 ms.
my $node = mvstore_node('gives',
	conf => "mvstore.maintenance_every = 1\nmvstore.max_databases = 20\nmvstore.max_workers = 20\nmax_worker_processes = 30\nautovacuum_vacuum_scale_factor = 0\nautovacuum_vacuum_cost_limit = 1\nautovacuum_vacuum_cost_delay = 100\n"
	  . "deadlock_timeout = '50 ms'\nstatement_timeout = '1 min'\nfsync = off\nlog_connections = on\nlog_disconnections = on\n");

# The maintenance process of a database, or an empty string.
sub vacuum_of
{
	my ($database) = @_;

	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'mvstore maintenance' AND datname = '$database'");
}

# Overwrite a store of a database until its vacuum runs; its process.
sub begin_vacuum
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql($database, "SELECT count(mvstore_put('s', 'k' || k, repeat('v', 200))) FROM generate_series(1, 2000) k") for (1, 2);
	wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_progress_vacuum WHERE datname = '$database'", "$name: a vacuum runs");
	my $pid = vacuum_of($database);
	isnt($pid, '', "$name: by its own process");
	return $pid;
}

# Stop the server once the sessions of each psql have ended: one that has had its answer may still be there.
sub stop_when_alone
{
	my ($mode) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $log = slurp_file($node->logfile);
		my $came = () = $log =~ /connection received: /g;
		my $gone = () = $log =~ /disconnection: /g;

		last if $came == $gone;
		usleep(100_000);
	}
	return $node->stop($mode);
}

# Pass when a vacuum has given way, or still runs as it may.
sub has_given_way
{
	my ($pid, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid", "$name: the vacuum has given way");
}

# Drops go on.
sub is_served
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql($database, "SELECT mvstore_put('s', 'k1', '$_')") for (1, 2);
	return is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$name: drops go on")
	  && is($node->safe_psql($database, q{SELECT count(*) FROM mvstore_history('s', 'k1')}), 1, "$name: and are done");
}

sub make_database
{
	my ($database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, q{CREATE EXTENSION mvstore; SELECT mvstore_create('s', keep_versions := 1)});

	# Entries that stay, as one with more dead ones would be vacuumed fast.
	$node->safe_psql($database, q{SELECT count(mvstore_put('s', 'stays' || k, 'v')) FROM generate_series(1, 10000) k});
	$node->safe_psql($database, 'ANALYZE s');
	return;
}

make_database($_) for ('dropped', 'renamed', 'copied', 'forced');

# ---- Commands on databases.

my $pid = begin_vacuum('dropped', 'DROP DATABASE');
$node->safe_psql('postgres', 'DROP DATABASE dropped');
has_given_way($pid, 'DROP DATABASE');

$pid = begin_vacuum('forced', 'DROP DATABASE ... FORCE');
$node->safe_psql('postgres', 'DROP DATABASE forced WITH (FORCE)');
has_given_way($pid, 'DROP DATABASE ... FORCE');

$pid = begin_vacuum('renamed', 'ALTER DATABASE');
$node->safe_psql('postgres', 'ALTER DATABASE renamed RENAME TO other');
has_given_way($pid, 'ALTER DATABASE');
is_served('other', 'ALTER DATABASE');

$pid = begin_vacuum('copied', 'CREATE DATABASE');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE copied');
has_given_way($pid, 'CREATE DATABASE');
is_served($_, "CREATE DATABASE, in $_") for ('copied', 'copy');

# ---- Commands on the store.

my $count = 0;
for my $command ('TRUNCATE s', 'ALTER TABLE s ADD COLUMN note text', 'CREATE INDEX ON s (expires_at)', 'VACUUM s', q{SELECT mvstore_set_policy('s', keep_versions := 1)}, 'VACUUM FULL s')
{
	# (Each in a database of its own: a vacuum that was in the way does not come again at once.)
	my $database = 'tables' . $count++;

	make_database($database);
	$pid = begin_vacuum($database, $command);
	$node->safe_psql($database, $command);
	has_given_way($pid, $command);
	is_served($database, $command);
}
make_database('tables');
$pid = begin_vacuum('tables', 'DROP TABLE');
$node->safe_psql('tables', 'DROP TABLE s');
has_given_way($pid, 'DROP TABLE');
$node->safe_psql('tables', q{SELECT mvstore_create('s', keep_versions := 1)});
is_served('tables', 'DROP TABLE, and another store');

# ---- The end of the worker, of the extension, of the server.

make_database('ended');
$pid = begin_vacuum('ended', 'SIGTERM of the worker');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(worker_pid) FROM mvstore_stats WHERE database = 'ended'});
has_given_way($pid, 'SIGTERM of the worker');
is_served('ended', 'SIGTERM of the worker');

$pid = begin_vacuum('ended', 'DROP EXTENSION');
$node->safe_psql('ended', 'DROP EXTENSION mvstore');
$node->safe_psql('ended', q{CREATE EXTENSION mvstore; SELECT mvstore_attach('s', keep_versions := 1)});
is_served('ended', 'DROP EXTENSION, and again');

make_database($_) for ('fast', 'immediate');
begin_vacuum($_, "$_ shutdown") for ('fast', 'immediate');
stop_when_alone('fast');
$node->start;
is_served('fast', 'fast shutdown');
begin_vacuum('immediate', 'immediate shutdown');
stop_when_alone('immediate');
$node->start;
is_served('immediate', 'immediate shutdown');

my @errors = grep { !/statement: |canceling statement due to user request|terminating background worker "mvstore \w+" due to administrator command/ }
  grep { /ERROR|FATAL|PANIC|WARNING/ } split(/\n/, slurp_file($node->logfile));
is(join("\n", @errors), '', 'nothing else is in the log');

$node->stop;
done_testing();
