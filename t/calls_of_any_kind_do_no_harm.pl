# Whatever is called, with whatever arguments, in whatever state, ends with an answer or an
# error that says what was wrong: no crash, no failed assertion, no "internal error"; and a
# store beside, of which nobody spoke, is as it was. Otherwise a wrong argument of one program
# ends the sessions of all others. See lib/HostileCalls.pm; ./dev hostile runs longer.
# MVSTORE_TEST_SEED gives the seed, MVSTORE_TEST_CALLS how many calls, MVSTORE_TEST_CLIENTS
# from how many sessions at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use HostileCalls;
use HostileLog;
use IPC::Run qw(start finish timeout);
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';

my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $wanted = $ENV{MVSTORE_TEST_CALLS} // 2_000;
my $clients = $ENV{MVSTORE_TEST_CLIENTS} // 4;

# Calls of a session in a round.
use constant SCRIPT => 600;

# What a process of mvstore may have of memory that is its own, in kB.
use constant MOST_MEMORY => 300_000;

note("seed $seed");
END { diag("seed $seed") if $? }

# Queues and batches so small that they are often full.
my $node = mvstore_node('calls', init => [ allows_streaming => 1 ], conf => <<"CONF");
$HOSTILE_LOG_CONF
fsync = off
max_connections = 40
max_prepared_transactions = 40
max_worker_processes = 24
autovacuum = on
autovacuum_naptime = 1
deadlock_timeout = '20 ms'
max_standby_streaming_delay = '100 ms'
hot_standby_feedback = on
mvstore.queue_size = 64
mvstore.batch_size = 10
mvstore.sweep_interval = 1
mvstore.flush_interval = '5 ms'
mvstore.workers_per_database = 2
mvstore.max_workers = 8
CONF

sub sql { return $node->safe_psql($_[0], $_[1], timeout => 120); }

# A store of which no call speaks, in a database that is not harmed.
sub set_up
{
	my ($database) = @_;

	sql('postgres', "CREATE DATABASE $database");
	sql($database, "CREATE EXTENSION mvstore;\n$STORES\n$OBJECTS");
}

sql('postgres', 'CREATE ROLE hostile LOGIN; CREATE ROLE nobody LOGIN; GRANT SET ON PARAMETER session_replication_role TO hostile');
set_up('whole');
sql('whole', "CREATE SCHEMA witness; SELECT mvstore_create('witness.w')");
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

my $catalog = read_catalog(sub { sql('whole', $_[0]) });
note(scalar(@{ $catalog->{functions} }) . ' functions, ' . scalar(@{ $catalog->{relations} }) . ' relations, ' . scalar(@{ $catalog->{settings} }) . ' settings');

my $watch = new_watch(harmed => qr/^harmed/);

# ---- Rounds ------------------------------------------------------------------

my %hosts = (whole => $node, harmed => $node, standby => $standby);
my @harmed = map { "harmed$_" } 1 .. ($clients < 9 ? $clients < 4 ? 1 : 2 : 3);
my $made = 0;

# A session each for the scripts of a round; all at once.
sub run_scripts
{
	my ($round, $size) = @_;
	my @sessions;

	for my $client (0 .. $clients - 1)
	{
		my $database = qw(whole harmed1 whole harmed2 standby whole harmed1 whole harmed3 standby)[ $client % 10 ];
		my $kind = $database =~ /^harmed/ ? 'harmed' : $database;
		my ($count, $text) = hostile_script($catalog, $seed * 1_000_003 + $round * 101 + $client, $kind, $size);
		my $file = $PostgreSQL::Test::Utils::tmp_check . "/script_${round}_$client.sql";

		open(my $script, '>', $file) or die "$file: $!";
		print $script $text;
		close($script);
		$made += $count;
		my $server = $hosts{$kind};
		$database = 'whole' if $kind eq 'standby';
		# COMMIT has no statement_timeout, but may wait for a lock.
		local $ENV{PGOPTIONS} = '-c statement_timeout=100 -c lock_timeout=80 -c search_path=hostile,public -c client_min_messages=error -c idle_in_transaction_session_timeout=20s';
		local $ENV{PGAPPNAME} = 'hostile';
		my $harness = start([ 'psql', '-X', '-q', '-w', '-f', $file, $server->connstr($database) ],
			'<', \'', '>', '/dev/null', '2>', '/dev/null', my $timeout = timeout(600));
		push @sessions, { harness => $harness, file => $file };
	}
	for my $session (@sessions)
	{
		if (!eval { finish($session->{harness}); 1 })
		{
			$watch->{wrong}{"a session does not end: $@"}++;
			$session->{harness}->kill_kill;
		}
		unlink $session->{file} unless %{ $watch->{wrong} };
	}
}

# What processes of mvstore have of memory: the most of them.
sub memory
{
	my $most = 0;

	for my $pid (split /\n/, sql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'mvstore%'"))
	{
		my $status = eval { slurp_file("/proc/$pid/status") } // '';

		$most = $1 if $status =~ /^RssAnon:\s+(\d+) kB/m && $1 > $most;
	}
	return $most;
}

# The witness is as it was written.
my @written;
sub ask_witness
{
	my ($round) = @_;
	my $all = join ',', @written;

	is(sql('whole', "SELECT string_agg(convert_from(key, 'UTF8') || '=' || convert_from(value, 'UTF8'), ',' ORDER BY version) FROM witness.w"), $all, 'all that was written to the witness is there');
	is(sql('whole', "SELECT count(*) FROM witness.w WHERE mvstore_get_raw('witness.w', key, as_of := version) IS DISTINCT FROM value"), 0, 'and is what is read');
	push @written, 'k' . $round % 3 . "=round $round";
	sql('whole', "SELECT mvstore_put('witness.w', 'k" . $round % 3 . "', 'round $round')");
}

my ($round, $most, $begun) = (0, 0, time());
while ($made < $wanted)
{
	my $size = ($wanted - $made) / $clients;

	set_up($_) for @harmed;
	run_scripts($round, $size > SCRIPT ? SCRIPT : $size);
	$round++;
	read_log($watch, $_, "round $round") for $node, $standby;
	last if $watch->{crashed};
	sql('postgres', 'ALTER SYSTEM RESET ALL');
	sql('postgres', 'SELECT pg_reload_conf()');
	for my $row (split /\n/, sql('postgres', "SELECT database || ' ' || gid FROM pg_prepared_xacts"))
	{
		my ($database, $name) = split / /, $row;
		sql($database, "ROLLBACK PREPARED '$name'");
	}
	my $memory = memory();
	$most = $memory if $memory > $most;
	# PostgreSQL gives up where somebody needs more than five seconds to end, as on a busy machine.
	for my $database (@harmed)
	{
		$node->poll_query_until('postgres', "DROP DATABASE IF EXISTS $database WITH (FORCE)", 'DROP DATABASE')
		  or die "$database cannot be dropped\n";
	}
	sql('whole', "SET statement_timeout = 0; SELECT mvstore_resume(); SELECT mvstore_unpin(name) FROM mvstore_pins; SELECT mvstore_flush('60 s')");
	ask_witness($round);
	note(sprintf('round %d: %d calls, %d s, %d kB, %d wrong', $round, $made, time() - $begun, $memory, scalar keys %{ $watch->{wrong} })) if $round % 10 == 0;
	if ($round % 5 == 0)
	{
		sql('whole', "DROP SCHEMA hostile CASCADE; DROP FOREIGN DATA WRAPPER nothing CASCADE; SELECT mvstore_stats_reset();");
		sql('whole', "$STORES\n$OBJECTS");
	}
}

note("calls: $made");
note("sessions: $clients, rounds: $round");
note("memory in kB, at most: $most");
my $errors = tell_watch($watch);
cmp_ok($errors, '>', 100, 'there were errors');
cmp_ok($most, '<', MOST_MEMORY, 'processes of mvstore keep to little memory');
if (!$watch->{crashed})
{
	$standby->stop;
	$node->stop;
	read_log($watch, $_, "round $round") for $node, $standby;
	ok(!$watch->{crashed}, 'and the servers end well');
}
done_testing();
