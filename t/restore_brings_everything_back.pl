# A dump and its restore bring back everything: entries, policies, what is known
# to be gone; and what comes back is a store that works.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('dump');

$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA "Odd Schema";
SELECT mvstore_create('s', keep_versions := 5, ttl := '1 day');
SELECT mvstore_create('"Odd Schema"."Odd ''Store''"', keep_for := '26:00');
SELECT mvstore_create('zero', feed := true);
SQL
$node->safe_psql('postgres', q{SELECT mvstore_put_at('s', k, k || v, v) FROM unnest('{a,b}'::text[]) k, generate_series(10, 40, 10) v});
$node->safe_psql('postgres', q{SELECT mvstore_put_at_raw('zero', '\x00ff'::bytea, '\x00'::bytea, 10), mvstore_delete_at_raw('zero', '\x00ff'::bytea, 20)});
$node->safe_psql('postgres', q{SELECT mvstore_put('"Odd Schema"."Odd ''Store''"', 'k', 'v')});
$node->safe_psql('postgres', 'TRUNCATE zero');
$node->safe_psql('postgres', q{SELECT mvstore_put_raw('zero', '\x00ff'::bytea, '\x00'::bytea)});
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'a', keep := 2)});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'some history is dropped');
my $version = $node->safe_psql('postgres', q{SELECT mvstore_put('s', 'today', 'v', ttl := '2 days')});

my %contents = (
	stores => 'SELECT store, keep_versions, keep_for, ttl, incarnation, feed FROM mvstore_stores ORDER BY store::text',
	floors => 'SELECT store, floor FROM mvstore_store_stats ORDER BY store::text',
	s => 'SELECT * FROM s ORDER BY key, version',
	odd => q{SELECT * FROM "Odd Schema"."Odd 'Store'" ORDER BY key, version},
	zero => 'SELECT * FROM zero ORDER BY key, version',
	triggers => q{SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid::regclass::text},
	depends => q{SELECT objid IS NOT NULL FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND deptype = 'x'},
	identity => q{SELECT indrelid::regclass, indisunique FROM pg_index WHERE indisreplident ORDER BY indrelid::regclass::text});

# One request is still waiting for an older writer when the dump is made: it is
# the old database's, not the new one's.
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('zero', 'x', 'x')});
$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'c', '1')});
$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'c', '2')});
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'c')});

my $dir = PostgreSQL::Test::Utils::tempdir();
my @connect = ('-h', $node->host, '-p', $node->port);
$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', "$dir/custom", 'postgres' ], 'pg_dump, custom format');
$node->command_ok([ 'pg_dump', @connect, '-f', "$dir/plain.sql", 'postgres' ], 'pg_dump, plain format');
my %before = map { $_ => $node->safe_psql('postgres', $contents{$_}) } keys %contents;
$writer->query_safe('ROLLBACK');
$writer->quit;

$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE template0") for ('custom', 'plain');
$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '-d', 'custom', "$dir/custom" ], 'pg_restore');
$node->command_ok([ 'psql', @connect, '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'plain', '-f', "$dir/plain.sql" ], 'psql');

for my $database ('custom', 'plain')
{
	is($node->safe_psql($database, $contents{$_}), $before{$_}, "$database: the same $_") for sort keys %contents;
	is($node->safe_psql($database, q{SELECT mvstore_get('s', 'a', as_of := 30), mvstore_get('s', 'b', as_of := 15)}), 'a30|b10', "$database: the past can be read");
	my ($state) = sqlstate_of($node, $database, q{SELECT mvstore_get('s', 'a', as_of := 15);});
	is($state, '72000', "$database: what is gone is known to be gone");
	cmp_ok($node->safe_psql($database, q{SELECT mvstore_put('s', 'today', 'v')}), '>', $version, "$database: versions rise");
	$node->safe_psql($database, q{SELECT mvstore_drop('s', 'b')});
	wait_until($node, $database, q{SELECT count(*) = 1 FROM mvstore_history('s', 'b')}, "$database: drops work");
	$node->safe_psql($database, qq{SELECT mvstore_put('s', 'p', '$_')}) for (1 .. 9);
	wait_until($node, $database, q{SELECT count(*) = 5 FROM mvstore_history('s', 'p')}, "$database: the policy works");
	is($node->safe_psql($database, q{SELECT count(*) FROM mvstore_history('s', 'c')}), 2, "$database: a request of the old database is not the new one's");
	my $incarnation = $node->safe_psql($database, q{SELECT incarnation FROM mvstore_stores WHERE store = 's'::regclass});
	$node->safe_psql($database, 'TRUNCATE s');
	cmp_ok($node->safe_psql($database, q{SELECT incarnation FROM mvstore_stores WHERE store = 's'::regclass}),
		'>', $incarnation, "$database: TRUNCATE begins a new life");
	$node->safe_psql($database, 'DROP TABLE s');
	is($node->safe_psql($database, q{SELECT count(*) FROM mvstore_stores}), 2, "$database: DROP TABLE forgets the store");
}
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'the old database does its own');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_history('s', 'c')}), 1, 'request');

$node->stop;
done_testing();
