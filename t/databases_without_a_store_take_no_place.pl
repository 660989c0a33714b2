# Only databases that use mvstore take a place in shared memory: with the extension
# in template1, a hundred databases without a store keep nobody from writing, also
# after a crash.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('places', conf => "mvstore.max_databases = 3\nfsync = off");
my $places = q{SELECT string_agg(database, ' ' ORDER BY database) FROM mvstore_stats};

sub sql { return $node->safe_psql(@_); }

sub new_store
{
	my ($database) = @_;

	sql($database, q{SELECT mvstore_create('s', keep_versions := 1)});
	return;
}

# Put a key twice, and see the first value go.
sub works_in
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql($database, qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
	return is(sql($database, 'SELECT mvstore_flush(); SELECT count(*) FROM s'), "t\n1", $name);
}

# The extension everywhere, stores in three databases.
sql('template1', 'CREATE EXTENSION mvstore');
sql('postgres', "CREATE DATABASE app$_") for (1 .. 12);
new_store($_) for ('app1', 'app11', 'app12');
works_in($_, "$_ works") for ('app1', 'app11', 'app12');

# Who only looks takes no place, and is answered.
sub look_around
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('app2', q{SELECT (SELECT count(*) FROM mvstore_requests) + (SELECT count(*) FROM mvstore_blockers WHERE kind <> 'snapshot')
		+ (SELECT count(*) FROM mvstore_store_stats) + (SELECT count(*) FROM mvstore_stores) + (SELECT count(*) FROM mvstore_pins)}),
		0, "$name: views are empty in a database without stores");
	is(sql('app2', q{SELECT mvstore_stable_version() >= 0, mvstore_wait_stable(0, '0')}), 't|t', "$name: there is a stable version");
	sql('app2', 'SELECT mvstore_stats_reset(); CREATE TABLE plain (x integer); DROP TABLE plain');
	return is(sql('postgres', $places), 'app1 app11 app12', "$name: the places are those of the databases with stores");
}

look_around('at first');
$node->stop('immediate');
$node->start;

# What is visited at the start, and has nothing, takes none either.
wait_until($node, 'postgres', 'SELECT count(*) = 3 FROM mvstore_stats', 'after a crash three databases take a place');
works_in($_, "$_ works after a crash") for ('app12', 'app11', 'app1');
look_around('after a crash');
$node->restart;
look_around('after a restart');

# Beyond that, the error says where to look; one database less makes room.
my ($state, $message) = sqlstate_of($node, 'app3', q{SELECT mvstore_create('s');});
is($state, '53400', 'a fourth database with stores is too many');
like($message, qr/HINT:.*mvstore\.max_databases.*mvstore_stats/, 'it is told what to do');
is(sql('app3', q{SELECT mvstore_stable_version() >= 0}), 't', 'it can look all the same');
sql('postgres', 'DROP DATABASE app11');
new_store('app3');
works_in('app3', 'a dropped database makes room');
is(sql('postgres', $places), 'app1 app12 app3', 'for the next one');

# A place that is not used any more goes to who needs one, when the worker has seen it,
# and nobody is there who might use it yet.
my $gone = q{SELECT worker_state = 'stopped' FROM mvstore_stats WHERE database};
my $session = $node->background_psql('app3');
$session->query_safe(q{SELECT mvstore_put('s', 'k', '3')});
sql('app3', 'DROP TABLE s');
wait_until($node, 'postgres', "$gone = 'app3'", 'in a database without stores the worker goes');
($state) = sqlstate_of($node, 'app4', q{SELECT mvstore_create('s');});
is($state, '53400', 'a session that has used a place keeps it');
$session->query_safe(q{SELECT mvstore_create('s', keep_versions := 1)});
$session->quit;
works_in('app3', 'and may use it again');
($state) = sqlstate_of($node, 'app4', q{SELECT mvstore_create('s');});
is($state, '53400', 'which is used then, also without a session');
sql('app3', 'DROP TABLE s');
wait_until($node, 'postgres', "$gone = 'app3'", 'the worker goes once more');
new_store('app4');
works_in('app4', 'the place of a database without stores is free');
is(sql('postgres', $places), 'app1 app12 app4', 'for another one');
($state) = sqlstate_of($node, 'app3', q{SELECT mvstore_create('s');});
is($state, '53400', 'and the first one has to find another');

# So is that of a database without the extension. After a restart it is not taken again.
sql('app1', 'DROP EXTENSION mvstore CASCADE');
sql('postgres', q{SELECT pg_terminate_backend(worker_pid) FROM mvstore_stats WHERE database = 'app1'});
wait_until($node, 'postgres', "$gone = 'app1'", 'without the extension the worker goes, too');
$node->restart;
is(sql('postgres', $places), 'app12 app4', 'over a clean restart only those in use keep their places');
new_store('app3');
works_in($_, "$_ works at last") for ('app3', 'app4', 'app12');
$node->stop;
done_testing();
