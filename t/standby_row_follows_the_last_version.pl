# Standbys learn from a row of the primary which versions they may read as of. It
# comes up to the last version when writing pauses, whatever was in the way: else
# the last versions could not be read there until somebody writes again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('row', conf => "mvstore.sweep_interval = '1 h'\nfsync = off");
my $behind = 'SELECT (SELECT version FROM mvstore_stable) < (SELECT max(version) FROM s)';

sub sql { return $node->safe_psql(@_); }
sub put { return sql('postgres', "SELECT mvstore_put('s', '$_[0]', 'v')"); }

# The row is looked at as a table: to ask mvstore for the stable version could help it.
sub follows
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, $database, "SELECT NOT ($behind)", $name);
}

sql('postgres', q{SELECT mvstore_create('s')});
put('first');
follows('postgres', 'the row comes up to the last version');

# An older writer holds it back, and comes to its end without a commit.
my $writer = $node->background_psql('postgres');
for my $case (
	[ 'BEGIN', 'ROLLBACK', 'SELECT 1', 'an older writer that rolls back' ],
	[ 'BEGIN; SAVEPOINT sp', 'ROLLBACK TO sp', 'COMMIT', 'a subtransaction that rolls back what its transaction had written' ],
	[ 'BEGIN', 'COMMIT', 'SELECT 1', 'an older writer that commits' ])
{
	my ($begin, $end, $finish, $name) = @$case;
	my $older = $writer->query_safe("$begin; SELECT mvstore_put('s', 'older', 'v')");

	put('newer');
	wait_until($node, 'postgres', "SELECT version = $older - 1 FROM mvstore_stable", "the row stops below $name");
	$writer->query_safe($end);
	follows('postgres', 'and goes on then');
	$writer->query_safe($finish);
}

# Somebody has locked a table of mvstore's, as CREATE INDEX and VACUUM FULL do.
for my $table ('mvstore_policy', 'mvstore_stable')
{
	$writer->query_safe("BEGIN; LOCK TABLE $table IN SHARE MODE");
	put('locked');
	stays($node, 'postgres', $behind, "the row cannot be written while $table is locked");
	$writer->query_safe('COMMIT');
	follows('postgres', 'and is when it is free');
}
$writer->quit;

# A worker that is told to break off, at whatever it is, or that ends: the next one does it.
for my $call ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $worker = worker_pid($node, 'postgres');

	sql('postgres', "SELECT mvstore_put('s', 'signal', 'v'); SELECT $call($worker); SELECT mvstore_put('s', 'signal', 'w')");
	follows('postgres', "the row follows after $call");
}

# A copy of a database, where nobody asks for drops.
sql('postgres', 'CREATE DATABASE template');
sql('template', 'CREATE EXTENSION mvstore');
sql('template', q{SELECT mvstore_create('s')});
sql('template', q{SELECT mvstore_put('s', 'k', 'v')});
sql('postgres', 'CREATE DATABASE copy TEMPLATE template');
sql('copy', q{SELECT mvstore_put('s', 'k', 'w')});
follows('copy', 'in a copy of a database the row follows');

# Before a clean shutdown, however long the next write of it would have to wait.
my $row = sql('postgres', 'SELECT version FROM mvstore_stable');
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '10 min'");
$node->restart;
wait_until($node, 'postgres', "SELECT version > $row FROM mvstore_stable", 'a worker that begins writes the row');
put('shutdown');
is(sql('postgres', $behind), 't', 'and not again at once');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is(sql('postgres', $behind), 'f', 'a clean shutdown leaves it at the last version');

$node->stop;
done_testing();
