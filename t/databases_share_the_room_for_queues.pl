# A server with a database per test, or per tenant, does not run out of places. They
# share the memory of the queues: many with a backlog have less room each, nobody
# waits, nothing is lost, also over a clean restart, and there is some left for
# a database that comes later.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('many', conf => "fsync = off\nmvstore.queue_size = 128\nmvstore.max_workers = 8\nmax_worker_processes = 20");

sub sql { return $node->safe_psql(@_); }
sub stat_of { return sql('postgres', "SELECT $_[1] FROM mvstore_stats WHERE database = '$_[0]'"); }

# Forty databases, of which some are dropped soon.
sql('template1', q{CREATE EXTENSION mvstore});
for my $number (1 .. 40)
{
	sql('postgres', "CREATE DATABASE test$number");
	sql("test$number", q{SELECT mvstore_create('s', keep_versions := 1);
		SELECT mvstore_put('s', 'k', '1'); SELECT mvstore_put('s', 'k', '2'); SELECT mvstore_drop('s', 'k')});
	sql('postgres', "DROP DATABASE test$number") if $number % 4 == 0;
}
is(sql('postgres', 'SELECT count(*) FROM mvstore_stats'), 30, '40 databases, of which 10 have been dropped, have 30 places');
$node->stop('immediate');
$node->start;
wait_until($node, 'postgres', 'SELECT count(*) = 30 FROM mvstore_stats WHERE sweeps > 0', 'after a crash each has its turn');
is(sql("test$_", 'SELECT mvstore_flush(); SELECT count(*) FROM s'), "t\n1", "test$_: all is done") for (1, 22, 39);

# Ten of them have a backlog that would fill a queue. Half of it has rows of the journal
# only where there is no room.
my @busy = map { "test$_" } grep { $_ % 4 } 1 .. 13;
my $long = 'x' x 99;
for my $database (@busy)
{
	sql($database, 'SELECT mvstore_pause()');
	sql($database, qq{SELECT mvstore_create('d'); SELECT mvstore_put_at('d', '$long' || k, 'v', v) FROM generate_series(10, 78) k, generate_series(1, 2) v});
	sql($database, join("\n", map { 'SET mvstore.durable_drops = ' . ($_ % 2 ? 'on' : 'off') . ";\nSELECT mvstore_drop('d', '$long$_');" } 10 .. 78));
}
is(stat_of($busy[0], 'queue_length'), 69, 'the first has the room of a whole queue');
is(sql('postgres', "SELECT count(*) FROM mvstore_stats WHERE queue_length = 69 AND requests_overflowed = 0"), 7, 'and so have as many as there is room for');
is(sql('postgres', "SELECT count(*) FROM mvstore_stats WHERE queue_length BETWEEN 5 AND 68 AND requests_overflowed > 0"), 3, 'the others have less, but some');
is(sql($_, 'SELECT count(*) FROM mvstore_requests'), 69, "$_: all requests are known") for (@busy);
sql('test14', q{SELECT mvstore_pause(); SELECT mvstore_create('d'); SELECT mvstore_put('d', 'k', '1'); SELECT mvstore_put('d', 'k', '2')});
my $overflowed = stat_of('test14', 'requests_overflowed');
sql('test14', q{SELECT mvstore_drop('d', 'k')});
is(stat_of('test14', "requests_overflowed - $overflowed"), 0, 'one that comes later has room');

# All of it is there again after a clean restart, and done when it may be.
my $lengths = q{SELECT string_agg(database || ' ' || queue_length, ', ' ORDER BY database) FROM mvstore_stats WHERE queue_length > 0};
my $before = sql('postgres', $lengths);
$node->restart;
is(sql('postgres', $lengths), $before, 'a clean restart keeps the queues of all');
is(sql($_, 'SELECT count(*) FROM mvstore_requests'), 69, "$_: and all requests") for (@busy);
for my $database (@busy, 'test14')
{
	sql($database, 'SELECT mvstore_resume()');
	is(sql($database, 'SELECT mvstore_flush(); SELECT count(*) FROM d'), $database eq 'test14' ? "t\n1" : "t\n69", "$database: all is done");
}

# The memory comes back: now the last one has a whole queue.
my $last = $busy[-1];
sql($last, 'SELECT mvstore_pause()');
sql($last, qq{SELECT mvstore_put_at('d', '$long' || k, 'v', v) FROM generate_series(10, 78) k, generate_series(3, 4) v});
$overflowed = stat_of($last, 'requests_overflowed');
sql($last, join("\n", map { "SELECT mvstore_drop('d', '$long$_');" } 10 .. 78));
is(stat_of($last, "queue_length, requests_overflowed - $overflowed"), '69|0', 'what was lent has been given back');
sql('postgres', "DROP DATABASE $last");
is(sql('postgres', $lengths), '', 'what a dropped database had goes with it');

$node->stop;
done_testing();
