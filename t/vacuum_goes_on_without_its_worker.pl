# Where more databases have something to drop than workers may run, a worker leaves its place long before a slow
# vacuum of its stores is done: that goes on, is not begun a second time, and is in nobody's way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Each page that a vacuum writes to takes 400 ms. Four slots: launcher, worker, and two for vacuums.
my $node = mvstore_node('on',
	conf => "mvstore.maintenance_every = 1\nmvstore.max_workers = 1\nmax_worker_processes = 4\nmax_logical_replication_workers = 0\nautovacuum_vacuum_scale_factor = 0\nautovacuum_vacuum_cost_limit = 1\nautovacuum_vacuum_cost_delay = 100\n"
	  . "statement_timeout = '2 min'\nfsync = off");

sub sql { return $node->safe_psql(@_); }

# Drops of a database are done.
sub is_served
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql($database, "SELECT mvstore_put('few', 'k', '$_')") for (1, 2);
	return is(sql($database, 'SELECT mvstore_flush()'), 't', $name);
}

sub vacuums { return sql('postgres', q{SELECT string_agg(datname || ' ' || pid, ',') FROM pg_stat_activity WHERE backend_type = 'mvstore maintenance'}); }

for my $database ('a', 'b', 'c')
{
	sql('postgres', "CREATE DATABASE $database");
	sql($database, q{CREATE EXTENSION mvstore; SELECT mvstore_create('s', keep_versions := 1), mvstore_create('more', keep_versions := 1), mvstore_create('few', keep_versions := 1)});
}

# Entries that stay, as one with more dead ones would be vacuumed fast.
sub begin_vacuum
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql('a', q{SELECT count(mvstore_put('s', 'stays' || k, 'v')) FROM generate_series(1, 20000) k; ANALYZE s});
	sql('a', q{SELECT count(mvstore_put('s', 'k' || k, repeat('v', 200))) FROM generate_series(1, 4000) k}) for (1, 2);
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_progress_vacuum WHERE datname = 'a'}, $name);
	return vacuums();
}

my $vacuum = begin_vacuum('a slow vacuum runs');
like($vacuum, qr/^a \d+$/, 'by its own process');
is_served('b', 'another database has its turn');
is(vacuums(), $vacuum, 'the vacuum goes on');
is_served('a', 'the first one, again');
is(vacuums(), $vacuum, 'the vacuum goes on, and is the only one');
sql('a', q{SELECT count(mvstore_put('more', 'k' || k, 'v')) FROM generate_series(1, 1000) k}) for (1, 2);
is_served('a', 'there is more to do, in another store');
stays($node, 'postgres', "SELECT string_agg(datname || ' ' || pid, ',') = '$vacuum' FROM pg_stat_activity WHERE backend_type = 'mvstore maintenance'", 'which waits for it');

# It ends like one of a worker that is there.
is_served('b', 'the other database, again');
sql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'mvstore maintenance'});
is_served('a', 'the first one, once more');
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mvstore maintenance' AND 'a ' || pid = '$vacuum'", 'a cancelled vacuum is over');
sql('postgres', 'ALTER SYSTEM SET autovacuum_vacuum_cost_delay = 0');
$node->reload;
sql('a', 'VACUUM s');
is(sql('a', 'SELECT mvstore_flush()'), 't', 'all is done');

# A command on its database ends it, with no worker there.
sub rest_without_worker
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql('a', q{SELECT mvstore_create('s', keep_versions := 1)});
	$vacuum = begin_vacuum($name);
	is_served('b', "$name: another database has its turn");
	is(vacuums(), $vacuum, "$name: the vacuum goes on");
	return;
}

sql('a', 'DROP TABLE s');
sql('postgres', 'ALTER SYSTEM SET autovacuum_vacuum_cost_delay = 100');
$node->reload;
rest_without_worker('before a command');
sql('postgres', 'ALTER DATABASE a RENAME TO renamed');
sql('postgres', 'ALTER DATABASE renamed RENAME TO a');
is(vacuums(), '', 'a command on its database ends it');
is_served('a', 'which is served afterwards');

# Where the server has no slot for a worker, the launcher ends it.
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
$node->restart;
sql('a', 'DROP TABLE s');
rest_without_worker('before a slot is wanted');
sql('postgres', 'ALTER SYSTEM SET mvstore.max_workers = 2');
$node->reload;
is_served('c', 'beside it and a worker there is no slot for a third database, which has its turn');
is(vacuums(), '', 'and the place of the vacuum');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|terminated by signal/, 'nothing broke');
done_testing();
