# The owner of a database dumps it, without being a superuser; and what a dump says is
# there after its restore, also of its data alone, over stores that are there already.
# Else there is no backup, or it restores without policies and with a floor that lies.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('dumps', conf => "mvstore.flush_interval = '10 ms'");
my $dir = PostgreSQL::Test::Utils::tempdir();
my @connect = ('-h', $node->host, '-p', $node->port);

sub run_ok
{
	my ($name, @command) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $node->command_ok(\@command, $name);
}

# ---- The owner's dump

$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; CREATE ROLE other LOGIN; CREATE DATABASE owned OWNER owner');
$node->safe_psql('owned', 'CREATE EXTENSION mvstore');

sub as_owner
{
	my ($sql) = @_;

	return $node->safe_psql('owned', "SET ROLE owner; $sql");
}

as_owner(q{SELECT mvstore_create('s', keep_versions := 5), mvstore_create('plain')});
as_owner("SELECT mvstore_put('s', 'k', 'v$_')") for (1 .. 4);
as_owner(q{SELECT mvstore_drop('s', 'k', keep := 2)});
is($node->safe_psql('owned', 'SELECT mvstore_flush()'), 't', 'some history is dropped');
$node->safe_psql('owned', q{SELECT mvstore_pin('p', ttl := '1 day', store := 's'), mvstore_pause()});
as_owner(q{SELECT mvstore_drop('s', 'k')});

my $contents = <<'SQL';
SELECT store, keep_versions, keep_for, ttl, incarnation FROM mvstore_stores ORDER BY store::text;
SELECT store, floor FROM mvstore_floor ORDER BY store::text;
SELECT name, owner, store, version, expires FROM mvstore_pins;
SELECT store, kind, key, before FROM mvstore_requests;
SELECT * FROM s ORDER BY key, version;
SQL
my $before = $node->safe_psql('owned', $contents);
run_ok('pg_dump as the owner of the database', 'pg_dump', @connect, '-U', 'owner', '-Fc', '-f', "$dir/owned", 'owned');
$node->safe_psql('postgres', 'CREATE DATABASE restored OWNER owner');
run_ok('its restore as a superuser', 'pg_restore', @connect, '--exit-on-error', '-d', 'restored', "$dir/owned");
is($node->safe_psql('restored', $contents), $before, 'everything has come along');
$node->safe_psql('restored', 'SELECT mvstore_unpin($$p$$), mvstore_resume()');
is($node->safe_psql('restored', 'SELECT mvstore_flush()'), 't', 'and is worked off when asked for');
is(entries_of($node, 'restored', 's'), 1, 'as it was meant');

# It is the owner's right, to read, and nobody else's.
my $denied = qr/permission denied for (?:table|sequence) mvstore_/;
for my $table (qw(policy floor journal pin clock))
{
	is((sqlstate_of($node, 'owned', "SET ROLE owner; SELECT * FROM mvstore_$table LIMIT 0;"))[0], '', "mvstore_$table: the owner reads it");
	is((sqlstate_of($node, 'owned', "SET ROLE other; SELECT * FROM mvstore_$table LIMIT 0;"))[0], '42501', "mvstore_$table: nobody else does");
}
is((sqlstate_of($node, 'owned', "SET ROLE owner; DELETE FROM mvstore_$_;"))[0], '42501', "mvstore_$_: the owner does not write it") for qw(policy floor journal pin);
is((sqlstate_of($node, 'owned', q{SET ROLE owner; SELECT setval('mvstore_clock', 1);}))[0], '42501', 'nor sets the clock');

# Where a superuser has made the extension, the owner restores tables, and makes them stores.
$node->safe_psql('postgres', 'CREATE DATABASE again OWNER owner');
$node->safe_psql('again', 'CREATE EXTENSION mvstore');
$node->command_checks_all([ 'pg_restore', @connect, '-U', 'owner', '-d', 'again', "$dir/owned" ], 1, [], [$denied], 'a restore as the owner leaves out the catalog');
my $floor = $node->safe_psql('owned', q{SELECT floor FROM mvstore_floor WHERE store = 's'::regclass});
$node->safe_psql('again', "SET ROLE owner; SELECT mvstore_attach('s', keep_versions := 5, floor := $floor)");
is($node->safe_psql('again', $_), $node->safe_psql('owned', $_), 'attached, it is the store that it was')
  for (q{SELECT value FROM mvstore_history('s', 'k')}, q{SELECT keep_versions, floor FROM mvstore_stores JOIN mvstore_floor USING (store) WHERE store = 's'::regclass});

# The same with the extension in a schema of its own, made as the documentation says.
my ($recipe) = slurp_file("$FindBin::RealBin/../doc/replication.md") =~ /^(CREATE SCHEMA mvstore;\n.*?)^```/ms;
$node->safe_psql('postgres', "CREATE DATABASE $_ OWNER owner") for qw(apart apart_restored);
$node->safe_psql('apart', $recipe =~ s/mydb/apart/r);
$node->safe_psql('apart', "SET ROLE owner; $_") for (q{SELECT mvstore_create('s', keep_versions := 2)}, q{SELECT mvstore_put('s', 'k', 'v')});
run_ok('pg_dump with the extension in a schema of its own', 'pg_dump', @connect, '-U', 'owner', '-Fc', '-f', "$dir/apart", 'apart');
run_ok('its restore', 'pg_restore', @connect, '--exit-on-error', '-d', 'apart_restored', "$dir/apart");
is($node->safe_psql('apart_restored', q{SET ROLE owner; SET search_path = public, mvstore; SELECT store, keep_versions, mvstore_get(store, 'k') FROM mvstore_stores}), 's|2|v', 'the store is there');

# ---- Data alone, into a database that has the stores, with other policies

$node->safe_psql('postgres', 'CREATE DATABASE used');
$node->safe_psql('used', 'CREATE EXTENSION mvstore');
$node->safe_psql('used', q{SELECT mvstore_create('s', keep_for := '1 day'), mvstore_create('plain', keep_versions := 9), mvstore_create('own', keep_versions := 1)});
my $session = $node->background_psql('used');
$session->query_safe(q{SELECT mvstore_put('plain', 'k', 'v')});
# Floors: of s the dump has the greater, of plain the database has.
$node->safe_psql('used', "SELECT mvstore_put('plain', 'k', 'v$_')") for (1 .. 3);
$node->safe_psql('used', q{SELECT mvstore_drop('plain', 'k'), mvstore_drop('own', 'k')});
is($node->safe_psql('used', 'SELECT mvstore_flush()'), 't', 'used: some history is dropped');
my $plain = $node->safe_psql('used', q{SELECT floor FROM mvstore_floor WHERE store = 'plain'::regclass});
run_ok('pg_restore --data-only --disable-triggers', 'pg_restore', @connect, '--exit-on-error', '--data-only', '--disable-triggers', '-d', 'used', "$dir/owned");
# The triggers of the stores have to be seen to, see the reference.
$node->safe_psql('used', 'ALTER TABLE s ENABLE ALWAYS TRIGGER mvstore_truncate; ALTER TABLE plain ENABLE ALWAYS TRIGGER mvstore_truncate');
is($node->safe_psql('used', q{SELECT store, keep_versions, keep_for FROM mvstore_stores ORDER BY store::text}), "own|1|\nplain||\ns|5|", 'policies are the dump\'s, and no others');
is($node->safe_psql('used', q{SELECT store, floor FROM mvstore_floor WHERE store <> 'own'::regclass ORDER BY store::text}), "plain|$plain\ns|$floor", 'floors are the greater ones');
is($node->safe_psql('used', q{SELECT string_agg(state, ' ') FROM mvstore_requests}), 'restored', 'requests wait');
is($node->safe_psql('used', q{SELECT string_agg(DISTINCT tgenabled::text, ' ') FROM pg_trigger WHERE tgname LIKE 'mvstore_guard'}), 'A', 'the guard of the catalog is as it was');
# The policy of plain went: a session that knew the other one asks for no drops by it.
$session->query_safe("SELECT mvstore_put('plain', 'k', 'w$_')") for (1 .. 12);
$session->quit;
$node->safe_psql('used', 'SELECT mvstore_unpin($$p$$), mvstore_resume()');
is($node->safe_psql('used', 'SELECT mvstore_flush()'), 't', 'resumed, nothing is left');
is($node->safe_psql('used', q{SELECT count(*) >= 12, (SELECT count(*) FROM mvstore_history('s', 'k')) FROM mvstore_history('plain', 'k')}), 't|1', 'all of it is as the dump says');

# Once more, over itself: what is there already is not there twice.
$node->safe_psql('owned', 'SELECT mvstore_resume()');
$node->safe_psql('owned', 'TRUNCATE plain; SELECT mvstore_unpin($$p$$)');
$node->safe_psql('owned', q{SELECT mvstore_pin('p', ttl := '1 hour'), mvstore_pause()});
as_owner(q{SELECT mvstore_put('s', 'k', 'w'), mvstore_drop('s', 'k')});
my $pins = $node->safe_psql('owned', 'TABLE mvstore_pin');
run_ok('pg_dump of it', 'pg_dump', @connect, '-Fc', '-f', "$dir/again", 'owned');
$before = $node->safe_psql('owned', 'SELECT store, keep_versions, incarnation FROM mvstore_stores ORDER BY store::text; TABLE mvstore_floor; TABLE mvstore_journal');
run_ok('its catalog over itself', 'pg_restore', @connect, '--exit-on-error', '--data-only', map({ ('-t', "mvstore_$_") } qw(policy floor journal pin)), '-d', 'owned', "$dir/again");
is($node->safe_psql('owned', 'SELECT store, keep_versions, incarnation FROM mvstore_stores ORDER BY store::text; TABLE mvstore_floor; TABLE mvstore_journal'), $before, 'changes nothing');
is($node->safe_psql('owned', 'TABLE mvstore_pin'), $pins, 'not of pins either');

$node->stop;
done_testing();
