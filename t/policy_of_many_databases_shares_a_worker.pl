# Where a worker is shared by several databases, old and expired entries go in each
# of them, and no store is looked through for it, however often the worker changes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('many', conf => "mvstore.max_workers = 1\nmvstore.sweep_interval = '1 s'\nfsync = off");
my @databases = ('postgres', 'second', 'third');

sub put
{
	my ($database, $times) = @_;

	$node->safe_psql($database,
		"SELECT count(mvstore_put('aged', 'k' || k, '$_')), count(mvstore_put('brief', 'k' || k, '$_', ttl := '1 s')), count(mvstore_put('day', 'k' || k, '$_')) FROM generate_series(1, 100) k") for (1 .. $times);
	return;
}

for my $database (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database") unless $database eq 'postgres';
	$node->safe_psql($database, 'CREATE EXTENSION mvstore') unless $database eq 'postgres';
	$node->safe_psql($database, q{SELECT mvstore_create('aged', keep_for := '1 s'), mvstore_create('brief'), mvstore_create('day', keep_versions := 1, keep_for := '1 day')});
	is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$database: the worker has come");
}

# The worker must get about.
put($_, 2) for @databases;
for my $database (@databases)
{
	wait_until($node, $database, 'SELECT (SELECT count(*) FROM aged) = 100 AND (SELECT count(*) FROM brief) = 0', "$database: what is old goes");
	is(entries_of($node, $database, 'day'), 200, "$database: and nothing else");
}
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker'}), '<=', 1, 'all by one worker at a time');
for my $database (@databases)
{
	is($node->safe_psql($database, 'SELECT sum(entries_swept), sum(entries_dropped) FROM mvstore_store_stats'), '0|300', "$database: without a look at anything else");
	is($node->safe_psql($database, q{SELECT sum(length(keys)) > 0 FROM mvstore_calendar WHERE store = 'day'::regclass}), 't', "$database: what is to come is noted");
}

# With something in the way in one of them, the others are served.
my $session = $node->background_psql('second');
$session->query_safe(q{BEGIN; SELECT mvstore_create('writer'); SELECT mvstore_put('writer', 'w', 'w')});
put($_, 1) for @databases;
for my $database ('postgres', 'third')
{
	wait_until($node, $database, 'SELECT (SELECT count(*) FROM aged) = 100 AND (SELECT count(*) FROM brief) = 0', "$database: goes on beside a writer of another one");
}
is(entries_of($node, 'second', 'aged'), 200, 'whose own database waits for it');
$session->query_safe('COMMIT');
$session->quit;
wait_until($node, 'second', 'SELECT (SELECT count(*) FROM aged) = 100 AND (SELECT count(*) FROM brief) = 0', 'and goes on when it has ended');

# A pin that expires in a database without a worker.
$node->safe_psql('third', q{SELECT mvstore_pin('short', ttl := '2 s')});
put($_, 1) for @databases;
wait_until($node, $_, 'SELECT (SELECT count(*) FROM aged) = 100 AND (SELECT count(*) FROM brief) = 0', "$_: goes on, pinned for a time or not") for @databases;
is($node->safe_psql('third', 'SELECT count(*) FROM mvstore_pins'), 0, 'after the pin has expired');

$node->stop;
done_testing();
