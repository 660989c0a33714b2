# A call that is refused, as the table is a store already or is none, says so at once.
# If it asked for its lock first, a mistake would wait for every reader of the table, and
# have all later readers and writers wait behind it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('refusals');

$node->safe_psql('postgres', q{SELECT mvstore_create('store'), mvstore_create('pinned'), mvstore_create('plain')});
$node->safe_psql('postgres', q{SELECT mvstore_detach('plain'), mvstore_pin('p', store := 'pinned')});
$node->safe_psql('postgres', 'CREATE TABLE other (n int)');

# Somebody reads and writes all of them, for long.
my $user = $node->background_psql('postgres');
$user->query_safe('BEGIN; SELECT count(*) FROM store, pinned, plain, other; LOCK TABLE store, pinned, plain, other IN ROW EXCLUSIVE MODE');

for my $case (
	[ q{mvstore_attach('store')}, '42710' ], [ q{mvstore_attach('other')}, '55000' ],
	[ q{mvstore_detach('plain')}, '42809' ], [ q{mvstore_detach('pinned')}, '55006' ],
	[ q{mvstore_clear('plain')}, '42809' ], [ q{mvstore_clear('pinned')}, '55006' ],
	[ q{mvstore_set_policy('plain', keep_versions := 1)}, '42809' ],
	# What is not refused waits, by the lock that the reference names.
	[ q{mvstore_attach('plain')}, '55P03' ], [ q{mvstore_detach('store')}, '55P03' ], [ q{mvstore_clear('store')}, '55P03' ],
	[ q{mvstore_set_policy('store', keep_versions := 1)}, '55P03' ])
{
	my ($call, $expected) = @$case;
	my ($state) = sqlstate_of($node, 'postgres', "SET lock_timeout = '100 ms'; SELECT $call;");

	is($state, $expected, $call);
}
$user->query_safe('COMMIT');
$user->quit;
$node->safe_psql('postgres', "SELECT $_") for (q{mvstore_attach('plain')}, q{mvstore_detach('store')});
is($node->safe_psql('postgres', 'SELECT string_agg(store::text, $$ $$ ORDER BY store::text) FROM mvstore_stores'), 'pinned plain', 'then it is done');

$node->stop;
done_testing();
