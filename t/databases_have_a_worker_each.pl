# Each database has a worker of its own, and no worker stands in the way of what
# an administrator does to a database.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('databases');

sub new_store
{
	my ($database) = @_;

	$node->safe_psql($database, 'CREATE EXTENSION IF NOT EXISTS mvstore');
	$node->safe_psql($database, q{SELECT mvstore_create('s', keep_versions := 1)});
	return;
}

# Put a key twice, and see the first value go.
sub works_in
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql($database, qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
	is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$name: requests are worked off");
	return is($node->safe_psql($database, q{SELECT count(*) FROM mvstore_history('s', 'k')}), 1, "$name: and done");
}

# Two databases.
$node->safe_psql('postgres', "CREATE DATABASE $_") for ('a', 'b');
new_store($_) for ('a', 'b');
works_in($_, "database $_") for ('a', 'b');
isnt(worker_pid($node, 'a'), worker_pid($node, 'b'), 'two databases have two workers');
is($node->safe_psql('postgres', q{SELECT string_agg(database, ' ' ORDER BY database) FROM mvstore_stats WHERE entries_dropped = 1}),
	'a b', 'mvstore_stats has a row for each');
is($node->safe_psql('a', 'SELECT count(*) FROM mvstore_store_stats'), 1, 'mvstore_store_stats shows the own stores only');

# An older writer in one database holds up that database only.
my $writer = $node->background_psql('a');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'x', 'x')});
works_in('b', 'while a writer is busy in the other database');
my $version = $node->safe_psql('b', q{SELECT mvstore_put('s', 'x', 'x')});
is($node->safe_psql('b', "SELECT mvstore_wait_stable($version)"), 't', 'its versions get stable');
is($node->safe_psql('b', "SELECT mvstore_get('s', 'x', as_of := $version)"), 'x', 'and can be read as of');
is($node->safe_psql('a', "SELECT mvstore_wait_stable($version, '10 ms')"), 'f', 'which the other database must wait for');
$node->safe_psql('a', qq{SELECT mvstore_put('s', 'k', '$_')}) for (3, 4);
is($node->safe_psql('a', q{SELECT mvstore_flush('100 ms')}), 'f', 'requests of its own database wait');
my ($not_yet, $why) = sqlstate_of($node, 'a', q{SELECT mvstore_get('s', 'k', as_of := (SELECT version FROM mvstore_get_entry('s', 'k')));});
is($not_yet, '55000', 'so do reads as of versions that are not settled');
my $writer_pid = $writer->query_safe('SELECT pg_backend_pid()');
like($why, qr/DETAIL:.*\b$writer_pid\b/, 'which name the oldest writer');
$writer->query_safe('COMMIT');
$writer->quit;
is($node->safe_psql('a', 'SELECT mvstore_flush()'), 't', 'until it has ended');

# What an administrator does, worker or not.
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE a');
ok(1, 'CREATE DATABASE ... TEMPLATE works with a worker in the template');
works_in('copy', 'the copy');
works_in('a', 'the template');
isnt(worker_pid($node, 'a'), worker_pid($node, 'copy'), 'the copy has a worker of its own');
$node->safe_psql('postgres', 'ALTER DATABASE copy RENAME TO renamed');
ok(1, 'ALTER DATABASE ... RENAME works with a worker in the database');
works_in('renamed', 'the renamed one');
# What was requested in a database that is dropped matters to nobody any more.
$node->safe_psql('renamed', qq{SELECT mvstore_put('s', 'k', '$_')}) for (5, 6);
$node->safe_psql('postgres', 'DROP DATABASE renamed');
ok(1, 'DROP DATABASE works with a worker in the database');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_stats WHERE database IN ('renamed', 'copy')}), 0, 'mvstore_stats forgets it');
works_in('a', 'the others');
# A database of the same name is another one.
$node->safe_psql('postgres', 'CREATE DATABASE renamed');
new_store('renamed');
works_in('renamed', 'a new one of the old name');

# What is refused or rolled back leaves the worker working.
my ($status) = $node->psql('postgres', 'DROP DATABASE no_such_database');
isnt($status, 0, 'a database that is not there is not dropped');
$node->psql('b', 'DROP DATABASE b');
works_in('b', 'after a DROP DATABASE that was refused');
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
($status) = $node->psql('postgres', 'SET ROLE nobody; DROP DATABASE b');
isnt($status, 0, 'a stranger does not drop a database');
works_in('b', 'after a DROP DATABASE of a stranger');

# DROP EXTENSION with the worker there, rolled back and for good, and again.
for my $time (1 .. 3)
{
	$node->safe_psql('b', 'BEGIN; DROP EXTENSION mvstore; ROLLBACK');
	works_in('b', "DROP EXTENSION rolled back, time $time");
	$node->safe_psql('b', q{SELECT mvstore_drop('s', 'k')});
	$node->safe_psql('b', 'DROP EXTENSION mvstore');
	is($node->safe_psql('b', q{SELECT count(*) FROM s WHERE key = 'k'}), 1, "DROP EXTENSION, time $time: the table stays");
	$node->safe_psql('b', 'DROP TABLE s');
	new_store('b');
	works_in('b', "CREATE EXTENSION again, time $time");
}
works_in('a', 'the other database, all the while');

# More databases than workers: each has its turn.
$node->append_conf('postgresql.conf', 'mvstore.max_workers = 1');
$node->restart;
works_in($_, "with one worker for all, database $_") for ('a', 'b', 'renamed', 'a');
$node->stop;

# More databases than shared memory was set up for: told at the first write.
my $small = mvstore_node('small', conf => 'mvstore.max_databases = 1');
$small->safe_psql('postgres', q{SELECT mvstore_create('s', keep_versions := 1)});
$small->safe_psql('postgres', qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
$small->safe_psql('postgres', 'CREATE DATABASE more');
$small->safe_psql('more', 'CREATE EXTENSION mvstore');
my ($state, $message) = sqlstate_of($small, 'more', q{SELECT mvstore_create('s'); SELECT mvstore_put('s', 'k', 'v');});
is($state, '53400', 'one database more than max_databases is told so');
like($message, qr/HINT:.*mvstore\.max_databases/, 'with a hint what to raise');
is($small->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'the first one works on');
is($small->safe_psql('postgres', 'SELECT count(*) FROM s'), 1, 'undisturbed');
$small->stop;
done_testing();
