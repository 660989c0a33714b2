# Old and expired entries go where a store has come to: restored from a dump, in a
# database made from a template, on a standby that was promoted. What is to go
# later is known there, and nothing else is touched.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "mvstore.sweep_interval = '1 s'\nmvstore.max_workers = 10\nmvstore.max_databases = 10\nmax_worker_processes = 20\nfsync = off";
my $node = mvstore_node('origin', conf => $conf, init => [ allows_streaming => 1 ]);
my $dir = PostgreSQL::Test::Utils::tempdir();
my @connect = ('-h', $node->host, '-p', $node->port);

$node->safe_psql('postgres', 'CREATE DATABASE src');
sub sql { return $node->safe_psql('src', $_[0]); }

# In database src: what is old, or has expired, and what will be tomorrow.
sql('CREATE EXTENSION mvstore');
sql(q{SELECT mvstore_create('aged', keep_for := '1 s'), mvstore_create('day', keep_versions := 1, keep_for := '1 day'), mvstore_create('lives', ttl := '1 day')});
sql('SELECT mvstore_flush(), mvstore_pause()');
sql("SELECT mvstore_put(s, k, '$_') FROM unnest('{aged,day}'::regclass[]) s, unnest('{k1,k2,k3}'::text[]) k") for (1, 2);
sql(q{SELECT mvstore_delete('aged', 'k3'), mvstore_put('lives', 'k1', 'v'), mvstore_put('lives', 'k2', 'v', ttl := '1 s')});
sql('SELECT mvstore_resume()');
wait_until($node, 'src', q{SELECT (SELECT count(*) FROM aged) = 2 AND (SELECT count(*) FROM lives) = 1}, 'what is old goes at home');
sql('SELECT mvstore_pause()');
sql("SELECT mvstore_put('aged', k, '$_') FROM unnest('{k1,k2}'::text[]) k") for (4, 5);
sql(q{SELECT mvstore_put('lives', 'k2', 'v', ttl := '1 s')});

# Keys that are noted, by store; those that are due there may have gone.
my $noted = q{SELECT store, sum(length(keys)) / 4 FROM mvstore_calendar WHERE store IN ('day'::regclass, 'lives'::regclass) GROUP BY store ORDER BY store::text};
my $is_noted = sql($noted);
is(sql('SELECT count(*) FROM mvstore_calendar') > 0, 1, 'something is noted');
my $due_is_gone = 'SELECT (SELECT count(*) FROM aged) = 2 AND (SELECT count(*) FROM lives) = 1';

sub goes
{
	my ($server, $database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($server->safe_psql($database, 'SELECT (SELECT count(*) FROM aged), (SELECT count(*) FROM lives), (SELECT count(*) FROM day)'), '6|2|6', "$name: all is there");
	$server->safe_psql($database, 'SELECT mvstore_resume()');
	wait_until($server, $database, $due_is_gone, "$name: what was old goes");
	is($server->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$name: the stores are looked through");
	is($server->safe_psql($database, 'SELECT count(*) FROM day'), 6, "$name: what is young stays");
	is($server->safe_psql($database, $noted), $is_noted, "$name: and is noted, as at home");

	# What is written there follows.
	$server->safe_psql($database, q{SELECT mvstore_put('aged', 'k1', 'later'), mvstore_put('lives', 'k9', 'v', ttl := '1 s')});
	wait_until($server, $database, $due_is_gone, "$name: what gets old there, too");
	return;
}

# A standby, with what is due.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
is($standby->safe_psql('src', $noted), $is_noted, 'a standby has it, too');

# A dump and its restore: the calendar stays at home.
$node->command_ok([ 'pg_dump', @connect, '-f', "$dir/dump", 'src' ], 'pg_dump');
unlike(slurp_file("$dir/dump"), qr/mvstore_calendar/, 'a dump has nothing of the calendar');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'psql', @connect, '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', "$dir/dump" ], 'and its restore');
goes($node, 'restored', 'restored');

# Into a database in use, where tables have other numbers.
$node->safe_psql('postgres', 'CREATE DATABASE used');
$node->safe_psql('used', q{CREATE EXTENSION mvstore; CREATE TABLE plain (n int); SELECT mvstore_create('own', keep_for := '1 s')});
$node->safe_psql('used', "SELECT mvstore_put('own', 'k', '$_')") for (1, 2);
wait_until($node, 'used', 'SELECT count(*) = 1 FROM own', 'a database is in use');
$node->command_ok([ 'psql', @connect, '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'used', '-f', "$dir/dump" ], 'the dump comes there');
goes($node, 'used', 'restored into use');

# A template: the calendar comes along, of tables with the same numbers.
$node->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE src');
goes($node, 'copied', 'copied');

# The standby is promoted; nobody is there for what the primary's worker knew.
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
$node->stop('fast');
$standby->promote;
goes($standby, 'src', 'promoted');
$standby->stop;

done_testing();
