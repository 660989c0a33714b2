# Databases of one server do each other no harm: each has its turn, none reads the
# other's errors, and what an administrator does to one leaves no noise behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('neighbours', conf => "mvstore.sweep_interval = '1 h'\nfsync = off");

sub new_store
{
	my ($database, $policy) = @_;

	$node->safe_psql($database, 'CREATE EXTENSION IF NOT EXISTS mvstore');
	$node->safe_psql($database, "SELECT mvstore_create('s', $policy)");
	return;
}

# Put a key twice, and see the first value go.
sub works_in
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql($database, qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
	$node->safe_psql($database, q{SELECT mvstore_drop('s', 'k')});
	is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$name: requests are worked off");
	return is($node->safe_psql($database, q{SELECT count(*) FROM mvstore_history('s', 'k')}), 1, "$name: and done");
}

# template1 may have stores, and a worker; databases are made of it all the same.
new_store('template1', 'keep_versions := 1');
works_in('template1', 'the template');
worker_pid($node, 'template1');
my ($status, $out, $err) = $node->psql('postgres', 'CREATE DATABASE made');
is($err, '', 'CREATE DATABASE without TEMPLATE works with a worker in template1');
works_in('made', 'what was made of it');
works_in('template1', 'the template afterwards');

# An error of one database is nothing for the eyes of users of another.
$node->safe_psql('postgres', 'CREATE DATABASE other TEMPLATE template0');
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN; CREATE ROLE owner; CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor');
new_store('postgres', 'keep_for := NULL');
new_store('other', 'keep_for := NULL');
$node->safe_psql('postgres', q{SELECT mvstore_create('w')});
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('w', 'x', 'x')});
$node->safe_psql('postgres', qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'k')});
$node->safe_psql('postgres', 'ALTER TABLE s REPLICA IDENTITY DEFAULT; ALTER TABLE s ALTER key DROP NOT NULL; ALTER TABLE s RENAME TO secret');
$writer->query_safe('COMMIT');
$writer->quit;
my $seen = q{SELECT coalesce(last_error, 'nothing') LIKE '%secret%' FROM mvstore_stats WHERE database = 'postgres'};
wait_until($node, 'postgres', $seen, 'a request of one database meets an error');
is($node->safe_psql('other', "SET ROLE nobody; $seen"), 'f', 'a user of another database does not see what it says');
is($node->safe_psql('other', "SET ROLE monitor; $seen"), 't', 'who monitors the server does');
is($node->safe_psql('postgres', "SET ROLE nobody; $seen"), 'f', 'and users of its own database do not');
is($node->safe_psql('postgres', "ALTER DATABASE postgres OWNER TO owner; SET ROLE owner; $seen"), 't', 'unless it is theirs');
is($node->safe_psql('other', "SET ROLE owner; $seen"), 'f', 'and then only in it');
$node->safe_psql('postgres', 'ALTER TABLE secret ALTER key SET NOT NULL; ALTER TABLE secret RENAME TO s');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'with its cause gone the request is worked off');
is(entries_of($node, 'postgres', 's'), 1, 'and done');

# Without the extension there is nothing to start a worker for.
my $pid = worker_pid($node, 'other');
$node->safe_psql('other', 'DROP EXTENSION mvstore; DROP TABLE s');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_until($node, 'postgres', q{SELECT worker_state = 'stopped' AND worker_pid IS NULL FROM mvstore_stats WHERE database = 'other'},
	'a worker that ends after DROP EXTENSION is not started again');
stays($node, 'postgres', q{SELECT worker_state = 'stopped' FROM mvstore_stats WHERE database = 'other'}, 'and again');
new_store('other', 'keep_for := NULL');
works_in('other', 'after CREATE EXTENSION');

# A database that is dropped is not visited any more.
worker_pid($node, 'made');
$node->safe_psql('postgres', 'DROP DATABASE made');
$pid = worker_pid($node, 'postgres');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_until($node, 'postgres', "SELECT worker_pid <> $pid FROM mvstore_stats WHERE database = 'postgres'", 'the launcher has been at work since');

# Policies by age are never done with, yet they leave others their turn.
$node->safe_psql('postgres', q{SELECT mvstore_create('aged', keep_for := '1 h')});
$node->safe_psql('other', q{SELECT mvstore_create('aged', keep_for := '1 h'); SELECT mvstore_create('counted', keep_versions := 2)});
$node->append_conf('postgresql.conf', 'mvstore.max_workers = 1');
$node->restart;
works_in($_, "with one worker for all, database $_") for ('other', 'postgres', 'other');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/FATAL:  database \d+ does not exist/, 'no worker was started for the database that was dropped');
unlike($log, qr/PANIC:|TRAP:|terminated by signal/, 'nothing broke');
done_testing();
