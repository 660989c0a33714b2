# A standby of an idle primary answers reads of the last minutes too: the row that it
# goes by follows the clock, whenever the standby has come, and in every database.
# Without a standby nobody is woken for it. And a standby that does not know yet says so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# One worker for two databases: the one that is idle has none.
my $primary = mvstore_node(
	'primary',
	init => [ allows_streaming => 'logical' ],
	conf => "wal_consistency_checking = 'all'\nfsync = off\nmvstore.max_workers = 1\nmvstore.standby_interval = '200 ms'\nmvstore.sweep_interval = '1 h'");
my @databases = ('postgres', 'quiet');

$primary->safe_psql('postgres', 'CREATE DATABASE quiet');
$primary->safe_psql('quiet', 'CREATE EXTENSION mvstore');
for my $database (@databases)
{
	$primary->safe_psql($database, q{SELECT mvstore_create('s'); SELECT mvstore_put('s', 'k', 'v')});
	is($primary->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$database: nothing is to be done");
}
$primary->backup('base');
# Whoever decodes the WAL meets what moves the clock, too.
$primary->safe_psql('postgres', q{CREATE PUBLICATION p FOR TABLE s; SELECT pg_create_logical_replication_slot('decoder', 'pgoutput')});

# The row follows the clock: it is younger than an idle one can be.
my $follows = q{SELECT version > mvstore_version_at(clock_timestamp() - interval '3 s') FROM mvstore_stable};

# Wait until the row has not been written for longer than any beat of it takes.
sub stands_still
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($primary, $database, q{SELECT version < mvstore_version_at(clock_timestamp() - interval '4 s') FROM mvstore_stable}, $name);
}

# Nobody there: the backup's own connection has gone.
stands_still($_, "$_: without a standby the row stands still") for @databases;
SKIP:
{
	my $pid = $primary->safe_psql('postgres', q{SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker'});

	skip 'needs /proc, and a worker that has not left', 1 unless -r "/proc/$pid/status";
	my $switches = sub { return (slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m)[0]; };
	my $before = $switches->();

	my $begin = $primary->safe_psql('postgres', 'SELECT clock_timestamp()');
	$primary->poll_query_until('postgres', "SELECT clock_timestamp() > '$begin'::timestamptz + interval '1 s'");
	is($switches->(), $before, 'and no worker wakes');
}

# It comes when all has long been quiet.
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
for my $database (@databases)
{
	wait_until($standby, $database, $follows, "$database: with a standby the row follows the clock, there");
	is($standby->safe_psql($database, q{SELECT mvstore_get('s', 'k', as_of := mvstore_version_at(now() - interval '4 s'))}),
		'v', "$database: as of some seconds ago can be read on it");
}

# So it is after a restart of the primary, when nobody has written since.
$primary->restart;
my $restarted = $primary->safe_psql('postgres', 'SELECT mvstore_version_at(clock_timestamp())');
wait_until($standby, $_, "SELECT version > $restarted FROM mvstore_stable", "$_: after a restart of the primary, too") for @databases;

# Where it is switched off, the standby says what it knows, and what it does not.
$primary->append_conf('postgresql.conf', 'mvstore.standby_interval = 0');
$primary->reload;
stands_still($_, "$_: switched off it stands still") for @databases;
my $recent = 'mvstore_version_at(clock_timestamp())';
my ($state, $error) = sqlstate_of($standby, 'postgres', "SELECT mvstore_get('s', 'k', as_of := $recent - 1000);");
is($state, '55000', 'then the standby does not know the present');
like($error, qr/DETAIL:.*\bthe primary told of\b/, 'and says that the primary has not told');
($state, $error) = sqlstate_of($standby, 'postgres', "SELECT mvstore_get('s', 'k', as_of := $recent + 60000000);");
like($error, qr/DETAIL:.*\bfuture\b/, 'of the future it says that it is the future');
my $old = $standby->background_psql('postgres', on_error_stop => 0);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
my $version = $primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'k', 'w')});
is($standby->safe_psql('postgres', "SELECT mvstore_wait_stable($version)"), 't', 'a write arrives');
$old->query("SELECT mvstore_get('s', 'k', as_of := $version)");
like($old->{stderr}, qr/older than the end of a transaction/, 'to an old snapshot it says so');
$old->quit;
$primary->append_conf('postgresql.conf', q{mvstore.standby_interval = '200 ms'});
$primary->reload;
wait_until($standby, $_, $follows, "$_: switched on it goes on") for @databases;

unlike(slurp_file($standby->logfile), qr/inconsistent page found|PANIC:/, 'the standby found no page that differs');
cmp_ok($primary->safe_psql('postgres', q{SELECT count(*) FROM pg_logical_slot_get_binary_changes('decoder', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')}),
	'>', 0, 'and the WAL can be decoded');

# When the standby has left, it ends.
$standby->stop;
stands_still($_, "$_: when the standby has left, the row stands still") for @databases;

# An archive may have a standby behind it.
$primary->append_conf('postgresql.conf', "archive_mode = on\narchive_command = 'true'");
$primary->restart;
my $begin = $primary->safe_psql('postgres', 'SELECT mvstore_version_at(clock_timestamp()) + 2000000');
wait_until($primary, $_, "SELECT version > $begin FROM mvstore_stable", "$_: with an archive it follows the clock") for @databases;

$primary->stop;
done_testing();
