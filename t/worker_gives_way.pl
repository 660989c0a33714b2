# A worker that has little to do is in nobody's way: it leaves its place to other
# databases, whatever goes on in its own, it sleeps where there is nothing to be
# done, and no transaction dies of the locks that it takes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $deadline = $PostgreSQL::Test::Utils::timeout_default;
my $worker = q{pg_stat_activity WHERE backend_type = 'mvstore drop worker'};
my $node = mvstore_node('turns', conf => <<'CONF');
mvstore.max_workers = 1
mvstore.sweep_interval = '1 h'
deadlock_timeout = '50 ms'
fsync = off
CONF

sub sql { return $node->safe_psql(@_); }

for my $database ('a', 'b')
{
	sql('postgres', "CREATE DATABASE $database");
	sql($database, 'CREATE EXTENSION mvstore');
	sql($database, q{SELECT mvstore_create('s'); SELECT mvstore_put_at('s', 'k', 'v', v) FROM generate_series(1, 3) v});
}

# Puts, one after the other, until stop_putting() is called with the handle.
sub start_putting
{
	my ($database, $clients, $pause, $sql) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . "/put_$pause.sql";
	my $out = '';

	$sql //= q{SELECT mvstore_put('s', 'put:' || :k, 'v')};
	append_to_file($script, <<"SQL");
\\set k random(1, 1000000)
$sql;
\\sleep $pause us
SQL
	return IPC::Run::start(
		[
			'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', $clients, '-T', 20 * $deadline,
			'-f', $script, $database
		],
		'>', \$out, '2>&1');
}

sub stop_putting { $_[0]->kill_kill; return; }

sub wait_for_puts
{
	my ($database) = @_;
	my $puts = sql($database, q{SELECT count(*) FROM s WHERE key LIKE 'put:%'});

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, $database, qq{SELECT count(*) > $puts + 10 FROM s WHERE key LIKE 'put:%'}, "puts go on in database $database");
}

# The drops of a database are done, though another one holds the only place.
sub has_its_turn
{
	my ($database, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql($database, qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
	sql($database, q{SELECT mvstore_drop('s', 'k')});
	is(sql($database, "SELECT mvstore_flush('$deadline s')"), 't', $name);
	return is(sql($database, q{SELECT count(*) FROM mvstore_history('s', 'k')}), 1, 'and done');
}

# Here a request waits for an older writer, and others put all the time.
my $writer = $node->background_psql('a');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'old', 'v')});
sql('a', q{SELECT mvstore_put('s', 'k', 'v'); SELECT mvstore_drop('s', 'k')});
my $puts = start_putting('a', 1, 20_000);
wait_for_puts('a');
has_its_turn('b', 'beside a database with a held request and puts, drops of another are worked off');
has_its_turn('b', 'and again');
$writer->query_safe('COMMIT');
$writer->quit;
is(sql('a', "SELECT mvstore_flush('$deadline s')"), 't', 'the request has its turn, too');
stop_putting($puts);

# Here there is nothing to drop, but so many puts that versions never rest.
$puts = start_putting('a', 4, 0);
wait_for_puts('a');
has_its_turn('b', 'beside a database with puts without a pause, drops of another are worked off');
has_its_turn('b', 'and again');
stop_putting($puts);

# Here there is something to do all the time: what is overwritten has to go when it is old.
sql('a', q{SELECT mvstore_create('aged', keep_for := '1 day')});
my $overwriting = start_putting('a', 1, 50_000, q{SELECT mvstore_put('aged', 'k', 'v'), mvstore_drop('s', 'k')});
wait_until($node, 'a', q{SELECT count(*) > 10 FROM aged}, 'a database drops without a rest');
has_its_turn('b', 'beside it, drops of another are worked off');
has_its_turn('b', 'and again');
stop_putting($overwriting);

# Here a backlog takes minutes, as drops write little while others write: the worker never comes to sleep.
sql('a', q{SELECT count(mvstore_put('s', 'much' || k, '1')) FROM generate_series(1, 100000) k}) for (1, 2);
sql('a', q{ALTER SYSTEM SET mvstore.drop_wal_limit = '64 kB'});
$node->reload;
$puts = start_putting('a', 1, 1_000);
wait_for_puts('a');
sql('a', q{SELECT mvstore_drop_prefix('s', 'much')});
wait_until($node, 'a', q{SELECT count(*) < 200000 FROM s WHERE key LIKE 'much%'}, 'drops that take minutes have begun');
has_its_turn('b', 'beside them, drops of another are worked off');
wait_until($node, 'a', q{SELECT count(*) > 100000 FROM s WHERE key LIKE 'much%'}, 'while they are not done');
sql('a', q{ALTER SYSTEM RESET mvstore.drop_wal_limit});
$node->reload;
stop_putting($puts);
is(sql('a', "SELECT mvstore_flush('$deadline s')"), 't', 'they go on');

# Two databases with puts, and one place: no new process for every few of them.
my @puts = map { start_putting($_, 1, 20_000) } ('a', 'b');
wait_for_puts($_) for ('a', 'b');
my $watcher = $node->background_psql('postgres');
my $until = time() + $deadline;
my @starts;
while (@starts < 6 && time() < $until)
{
	my $start = $watcher->query_safe("SELECT max(extract(epoch FROM backend_start)) FROM $worker");

	push @starts, $start if $start ne '' && (!@starts || $start ne $starts[-1]);
	usleep(10_000);
}
$watcher->quit;
is(@starts, 6, 'they take turns');
is((grep { $starts[$_] - $starts[ $_ - 1 ] < 0.5 } 1 .. $#starts), 0, 'and none is so short that workers are started all the time');
stop_putting($_) for @puts;

# The extension goes, beside a statement that asks for the stable version on and on.
sub meets_the_mark
{
	my ($session, $query, $name) = @_;
	my $end = time() + $deadline;
	my ($last, $stable) = (0, 1);

	# Beyond it there is nothing to be told: the answer does not rise with the clock.
	while ($last ne $stable && time() < $end)
	{
		usleep(10_000);
		$last = $stable;
		$stable = $session->query_safe($query);
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($last, $stable, $name);
}

# The worker of a database sleeps, whenever we look for a while, or has gone.
sub comes_to_rest
{
	my ($database, $name) = @_;
	my $end = time() + $deadline;
	my $asleep = 0;

	while ($asleep < 25 && time() < $end)
	{
		my $awake = sql('postgres', "SELECT count(*) FROM $worker AND datname = '$database' AND wait_event_type IS DISTINCT FROM 'Extension'");

		$asleep = $awake ? 0 : $asleep + 1;
		usleep(20_000);
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($asleep, 25, $name);
}

has_its_turn('b', 'a database at work');
my $reader = $node->background_psql('b');
$reader->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT mvstore_stable_version() FROM generate_series(1, 1000000)');
$reader->query_safe('FETCH 1 FROM c');
sql('b', 'DROP EXTENSION mvstore CASCADE');
meets_the_mark($reader, 'FETCH 1 FROM c', 'a statement outlives the extension');
comes_to_rest('b', 'and the worker has nothing to do');
$reader->query_safe('COMMIT');
$reader->quit;
sql('b', 'DROP TABLE s; CREATE EXTENSION mvstore');
sql('b', q{SELECT mvstore_create('s')});
has_its_turn('b', 'with the extension back, drops are worked off');

# The extension goes and comes in one transaction, which then writes; meanwhile
# somebody has had the worker move the sequence that was.
$reader = $node->background_psql('b');
my $again = $node->background_psql('b', on_error_stop => 0);
$again->query_safe('SET client_min_messages = warning; BEGIN; DROP EXTENSION mvstore CASCADE; DROP TABLE s; CREATE EXTENSION mvstore');
meets_the_mark($reader, 'SELECT mvstore_stable_version()', 'others still see the extension that goes');
stays($node, 'postgres', "SELECT count(*) = 0 FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM $worker)", 'the worker waits for no lock');
$again->query_safe(q{SELECT mvstore_create('s')});
$again->query(q{SELECT mvstore_put('s', 'k', 'v') > 0 AS put});
$again->query('COMMIT');
is(sql('b', q{SELECT mvstore_get('s', 'k')}), 'v', 'what the transaction put is there');
$_->quit for ($reader, $again);
has_its_turn('b', 'and drops are worked off');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock detected/, 'there was no deadlock');
unlike($log, qr/PANIC:|TRAP:|terminated by signal/, 'nothing broke');
done_testing();
