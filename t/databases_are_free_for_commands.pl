# Commands that need a database for themselves: the worker goes for those who may
# run them, and stays where it is for those who may not. Here with another
# extension in the same places, where there is one to be had.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('commands', conf => "allow_in_place_tablespaces = on\nfsync = off");
my $neighbour = -f $node->config_data('--pkglibdir') . '/pg_stat_statements.so';
if ($neighbour)
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements, mvstore'");
	$node->restart;
}
else
{
	note('pg_stat_statements is not installed');
}

sub sql { return $node->safe_psql(@_); }

sub works_in
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql($database, qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
	is(sql($database, 'SELECT mvstore_flush()'), 't', "$name: requests are worked off");
	return is(sql($database, q{SELECT count(*) FROM mvstore_history('s', 'k')}), 1, "$name: and done");
}

# A command that fails leaves the worker alone.
sub refused
{
	my ($role, $command, $name) = @_;
	my $worker = worker_pid($node, 'a');
	my ($state) = sqlstate_of($node, 'postgres', "SET ROLE $role;\n$command;");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($state, '42501', $name);
	return is(worker_pid($node, 'a'), $worker, 'and stops no worker');
}

sql('postgres', 'CREATE DATABASE a');
sql('a', 'CREATE EXTENSION mvstore');
sql('a', q{SELECT mvstore_create('s', keep_versions := 1)});
works_in('a', 'a database');
sql('postgres', 'CREATE ROLE maker LOGIN CREATEDB; CREATE ROLE leaver LOGIN CREATEDB; CREATE ROLE stranger');

# Another tablespace; other options need no database for themselves.
sql('postgres', q{CREATE TABLESPACE place LOCATION ''});
sql('postgres', 'ALTER DATABASE a SET TABLESPACE place');
is(sql('postgres', q{SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = 'a'}),
	'place', 'ALTER DATABASE ... SET TABLESPACE works with a worker in the database');
works_in('a', 'in its new tablespace');
my $worker = worker_pid($node, 'a');
sql('postgres', 'ALTER DATABASE a CONNECTION LIMIT 50');
is(worker_pid($node, 'a'), $worker, 'other options of a database stop no worker');
refused('maker', 'ALTER DATABASE a SET TABLESPACE pg_default', 'who does not own a database does not move it');

# As a template.
refused('maker', 'CREATE DATABASE b TEMPLATE a', 'a database that is no template is copied by its owner only');
refused('stranger', 'CREATE DATABASE b TEMPLATE a', 'who may not create databases makes no copy');
sql('postgres', 'ALTER DATABASE a IS_TEMPLATE true');
refused('stranger', 'CREATE DATABASE b TEMPLATE a', 'be it of a template');
worker_pid($node, 'a');
sql('postgres', 'SET ROLE maker; CREATE DATABASE b TEMPLATE a');
works_in('b', 'a copy by another user');
works_in('a', 'the template');
my $gone = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'leaver' ]);
$gone->query_safe('SELECT 1');
sql('postgres', 'DROP ROLE leaver');
$worker = worker_pid($node, 'a');
$gone->query('CREATE DATABASE c TEMPLATE a');
$gone->quit;
is(sql('postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'c'}), 0, 'a role that is no more creates nothing');
is(worker_pid($node, 'a'), $worker, 'and stops no worker');
sql('postgres', 'ALTER DATABASE a IS_TEMPLATE false');

sql('postgres', 'DROP DATABASE b');
is(sql('postgres', q{SELECT count(*) FROM mvstore_stats WHERE database = 'b'}), 0, 'a copy is dropped');

SKIP:
{
	skip 'no pg_stat_statements', 1 unless $neighbour;
	sql('postgres', 'CREATE EXTENSION pg_stat_statements');
	is(sql('postgres', q{SELECT calls FROM pg_stat_statements WHERE query LIKE 'DROP DATABASE b'}), 1, 'the other extension sees the commands, too');
}
$node->stop;

# Beyond max_databases a store can be read, and dropped.
my $small = mvstore_node('small', conf => "mvstore.max_databases = 1\nfsync = off");
$small->safe_psql('postgres', q{SELECT mvstore_create('s'); SELECT mvstore_put('s', 'k', 'v')});
$small->safe_psql('template1', 'CREATE DATABASE more TEMPLATE postgres');
is($small->safe_psql('more', q{SELECT mvstore_get('s', 'k')}), 'v', 'one database more than max_databases is read');
my ($state) = sqlstate_of($small, 'more', q{SELECT mvstore_put('s', 'k', 'w');});
is($state, '53400', 'but not written');
$small->safe_psql('more', 'DROP TABLE s');
is($small->safe_psql('more', 'SELECT count(*) FROM mvstore_policy'), 0, 'DROP TABLE forgets its stores');
$small->safe_psql('postgres', q{SELECT mvstore_drop('s', 'k')});
is($small->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'the first one works on');
$small->stop;
done_testing();
