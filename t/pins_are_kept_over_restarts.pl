# A pin that was granted is kept over restarts and crashes, on a standby that is
# promoted, and where its database is copied, restored or upgraded to: what it
# covers can be read there, until it expires or is given up.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "mvstore.max_workers = 10\nmvstore.max_databases = 10\nmax_worker_processes = 20\nrestart_after_crash = on\nstatement_timeout = '2 min'\nfsync = off";
my $node = mvstore_node('pinned', conf => $conf, init => [ allows_streaming => 1 ]);
my $dir = PostgreSQL::Test::Utils::tempdir();
my @connect = ('-h', $node->host, '-p', $node->port);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub put { sql("SELECT mvstore_put('$_[0]', 'k', '$_')") for (@_[ 1 .. $#_ ]); return; }

sql(q{SELECT mvstore_create('s', keep_versions := 1), mvstore_create('all', keep_versions := 1)});
put($_, 1) for ('s', 'all');
my $pin = sql(q{SELECT mvstore_pin('store', ttl := '1 hour', store := 's')});
put($_, 2, 3) for ('s', 'all');
is(sql(q{SELECT mvstore_flush('1 day')}), 'f', 'a pin holds');
is(sql('SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM "all")'), '3|1', 'one store');
my $pins = 'SELECT name, owner, store, version, created, expires FROM mvstore_pins ORDER BY name, version';

# The pin is there, protects, and is known to who asks what is in the way.
my $told = sql($pins);

sub is_pinned
{
	my ($server, $database, $name) = @_;
	my $sql = sub { return $server->safe_psql($database, $_[0]); };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($sql->($pins), $told, "$name: the pin is there");
	# (Another put, for what came before the pin's server may have been done.)
	$sql->("SELECT mvstore_put(x, 'k', 'more') FROM unnest('{s,all}'::regclass[]) x");
	is($sql->(q{SELECT mvstore_flush('1 day')}), 'f', "$name: what it holds stays");
	is($sql->("SELECT mvstore_get('s', 'k', as_of := $pin)"), '1', "$name: and can be read");
	is($sql->('SELECT count(*) FROM "all"'), 1, "$name: nothing else is held");
	is($sql->(q{SELECT b.store, b.since = p.created FROM mvstore_blockers b, mvstore_pins p WHERE b.kind = 'pin' AND b.name = p.name}), 's|t', "$name: it is seen since when");
	return;
}

sub is_given_up
{
	my ($server, $database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($server->safe_psql($database, q{SELECT mvstore_unpin('store')}), 't', "$name: it can be given up");
	is($server->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$name: then nothing waits");
	is($server->safe_psql($database, q{SELECT count(*) FROM s}), 1, "$name: and all has gone");
	my ($state) = sqlstate_of($server, $database, "SELECT mvstore_get('s', 'k', as_of := $pin);");
	is($state, '72000', "$name: as who reads there is told");
	return;
}

for my $mode ('fast', 'immediate')
{
	$node->stop($mode);
	$node->start;
	is_pinned($node, 'postgres', "after a $mode stop");
}
my $worker = worker_pid($node, 'postgres');
my $log = -s $node->logfile;
PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $worker);
ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $log), 'the worker is killed');
$node->poll_query_until('postgres', undef, '') or die 'the server does not come back';
is_pinned($node, 'postgres', 'after a crash of the worker');
$worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'another worker comes');
is_pinned($node, 'postgres', 'with another worker');

# ---- What expires while the server is down goes when it is up.

sql(q{SELECT mvstore_pin('short', ttl := '1 s', store := 'all')});
put('all', 4, 5);
$node->stop('fast');
my $end = Time::HiRes::time() + 1;
Time::HiRes::usleep(100_000) while (Time::HiRes::time() < $end);
$node->start;
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM "all"', 'what a pin held that expired while the server was down goes');
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM mvstore_pin', 'with the pin');
is(sql($pins), $told, 'the other one lives');

# ---- A standby, which is promoted later.

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('promoted');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
is($standby->safe_psql('postgres', $pins), $told, 'a standby shows the pin');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'pin'}), 1, 'as what is in the way');
my ($state) = sqlstate_of($standby, 'postgres', q{SELECT mvstore_pin('other');});
is($state, '25006', 'none is made there');
($state) = sqlstate_of($standby, 'postgres', q{SELECT mvstore_unpin('store');});
is($state, '25006', 'nor given up');

# ---- Restored into another database, and into one that has a pin of that name.

$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', "$dir/dump", 'postgres' ], 'pg_dump');
sql('CREATE DATABASE restored TEMPLATE template0');
sql('CREATE DATABASE used TEMPLATE template0');
$node->safe_psql('used', q{CREATE EXTENSION mvstore; SELECT mvstore_create('own', keep_versions := 1)});
$node->safe_psql('used', q{SELECT mvstore_put('own', 'k', '1')});
my $own = $node->safe_psql('used', q{SELECT mvstore_pin('store', ttl := '1 hour', store := 'own')});
for my $database ('restored', 'used')
{
	$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '-d', $database, "$dir/dump" ], "its restore into database $database");
	$node->safe_psql($database, 'SELECT mvstore_resume()');
}
is_pinned($node, 'restored', 'restored');
is_given_up($node, 'restored', 'restored');
$node->safe_psql('used', "SELECT mvstore_put(x, 'k', '$_') FROM unnest('{own,s}'::regclass[]) x") for (2, 3);
is($node->safe_psql('used', q{SELECT mvstore_flush('1 day')}), 'f', 'beside a pin of that name: both hold');
is($node->safe_psql('used', "SELECT mvstore_get('own', 'k', as_of := $own), mvstore_get('s', 'k', as_of := $pin)"), '1|1', 'each what it is for');
is($node->safe_psql('used', 'SELECT count(*), count(DISTINCT name) FROM mvstore_pins'), '2|1', 'both are seen');
is($node->safe_psql('used', "SELECT mvstore_pin('store', $own, '2 hours', 'own')"), $own, 'renewed, the name stands for one');
is($node->safe_psql('used', q{SELECT store, version FROM mvstore_pins}), "own|$own", 'which is that of the database');
wait_until($node, 'used', q{SELECT count(*) = 1 FROM s}, 'and the other one holds no more');
is_given_up($node, 'used', 'beside a pin of that name');
is($node->safe_psql('used', 'SELECT count(*) FROM own'), 1, 'with all that waited for it');

# A restored one expires as it would have at home.
sql(q{SELECT mvstore_pin('brief', ttl := '3 s', store := 'all')});
put('all', 6, 7);
$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', "$dir/brief", 'postgres' ], 'pg_dump with a pin that ends soon');
sql('CREATE DATABASE brief TEMPLATE template0');
$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '-d', 'brief', "$dir/brief" ], 'and its restore');
$node->safe_psql('brief', 'SELECT mvstore_resume()');
wait_until($node, $_, 'SELECT (SELECT count(*) FROM "all") = 1 AND (SELECT count(*) FROM mvstore_pin) = 1', "$_: it ends") for ('postgres', 'brief');

# ---- A template.

sql('CREATE DATABASE copied TEMPLATE restored');
is($node->safe_psql('copied', 'SELECT count(*) FROM mvstore_pins'), 0, 'a copy of a database without pins has none');
sql('CREATE DATABASE other TEMPLATE brief');
is_pinned($node, 'other', 'copied');
is_given_up($node, 'other', 'copied');

# ---- Promotion.

$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
$node->stop('fast');
$standby->promote;
is_pinned($standby, 'postgres', 'promoted');
is_given_up($standby, 'postgres', 'promoted');
$standby->stop;

done_testing();
