# Runs writers and consumers of changes against a server, each a psql with a script of
# random transactions, and says what is wrong with what the consumers have seen. What
# they do is in changes.sql.

package ChangesRun;

use strict;
use warnings;

use Exporter 'import';
use File::Basename 'dirname';
use IPC::Run ();
use PostgreSQL::Test::Utils;

our @EXPORT = qw(set_up start_all end_all finish problems consumers);

my @STORES = qw(a b c d);
my $KEYS = 12;

# What a writer's transaction may meet: others, pins, floors, the end of the server.
my $USUAL = qr/^(?:40001|40P01|25P02|3B001|55006|72000|23505|55000|57P0\d|08\w\d\d)$/;

sub set_up
{
	my ($node) = @_;
	$node->safe_psql('postgres', slurp_file(dirname(__FILE__) . '/changes.sql'));
}

# The consumers, [name, store] of each.
sub consumers
{
	my ($node) = @_;
	return map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres', 'SELECT name, store FROM consumer ORDER BY name');
}

# Start so many writers and all consumers. Rough: with what takes history away from all.
sub start_all
{
	my ($node, $dice, $round, $writers, $rough) = @_;
	my @scripts = ((map { writer($dice, "$round.$_", $rough) } 1 .. $writers), map { consumer($dice, @$_) } consumers($node));
	my @sessions;

	for my $script (@scripts)
	{
		my $file = PostgreSQL::Test::Utils::tempdir . "/changes.$round." . @sessions . '.sql';
		append_to_file($file, $script);
		my $session = { err => '' };
		$session->{run} = IPC::Run::start([ qw(psql -X -q -A -t -v VERBOSITY=sqlstate -d), $node->connstr('postgres'), '-f', $file ],
			'<', \undef, '>', '/dev/null', '2>', "$file.err");
		$session->{err} = "$file.err";
		push @sessions, $session;
	}
	return \@sessions;
}

# End them, if the server's end has not; and what they have met that is not usual.
sub end_all
{
	my ($sessions) = @_;
	my %unusual;

	for my $session (@$sessions)
	{
		$session->{run}->signal('TERM') if $session->{run}->pumpable;
		eval { $session->{run}->finish };
		$unusual{$_}++ for grep { !/$USUAL/ } slurp_file($session->{err}) =~ /(?:ERROR|FATAL|PANIC):  (.*)/g;
	}
	return join ', ', sort keys %unusual;
}

# Let the consumers read to the end, when nobody writes any more; and what they have in another way than the store.
sub finish
{
	my ($node) = @_;
	my @wrong;

	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")
	  or die 'a session does not end';
	for my $consumer (consumers($node))
	{
		my ($name) = @$consumer;
		# Who is refused begins anew; who has come to the end stays as it is.
		my ($before, $now, $steps) = ('', '', 0);
		do
		{
			die "$name does not come to an end" if $steps++ > 50;
			$before = $now;
			$now = $node->safe_psql('postgres', "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT step('$name', 1000000); COMMIT;
				SELECT version IS NOT NULL, generation, (SELECT count(*) FROM seen WHERE consumer = name) FROM consumer WHERE name = '$name'") =~ s/^\s+//r;
		} until ($now =~ /^t/ && $now eq $before);
		# As of now, not of its position: nothing may have been forgotten behind it.
		my $right = $node->safe_psql('postgres',
			"SELECT is_right(jsonb_populate_record(c, jsonb_build_object('version', mvstore_stable_version()))) FROM consumer c WHERE name = '$name'");
		push @wrong, $name if $right ne 't';
	}
	return join ', ', @wrong;
}

sub problems
{
	my ($node) = @_;
	return split /\n/, $node->safe_psql('postgres', "SELECT concat_ws(' | ', kind, consumer, generation, what) FROM problems LIMIT 20");
}

# ---- Scripts -------------------------------------------------------------------

sub pick { return $_[1][ $_[0]->(scalar @{ $_[1] }) ] }

# What one statement writes.
sub change
{
	my ($dice, $value, $rough) = @_;
	my $store = pick($dice, \@STORES);
	my $key = sub { sprintf 'k%02d', $dice->($KEYS) };
	my $what = $dice->(1000);

	return sprintf "SELECT w_put('%s', '%s', '%s', %s)", $store, $key->(), $value,
	  (('NULL') x 8, "'1 hour'", $rough ? "'30 ms'" : 'NULL')[ $dice->(10) ] if $what < 500;
	return sprintf "SELECT w_delete('%s', '%s')", $store, $key->() if $what < 650;
	return sprintf "SELECT w_put_many('%s', '{%s}', '%s')", $store, join(',', keys %{ { map { $key->() => 1 } 1 .. 4 } }), $value
	  if $what < 900 || !$rough;
	return sprintf "SELECT mvstore_drop('%s', '%s', keep := %d)", $store, $key->(), 1 + $dice->(2) if $what < 950;
	return sprintf "SELECT mvstore_compact('%s', mvstore_stable_version())", $store if $what < 960;
	return sprintf "SELECT mvstore_sweep('%s')", $store if $what < 965;
	return sprintf "SELECT w_erase('%s', '%s')", $store, $key->() if $what < 978;
	return sprintf "SELECT w_put_at('%s', '%s', '%s', %d)", $store, $key->(), $value, 1 + $dice->(300_000) if $what < 992;
	return sprintf "SELECT mvstore_set_feed('b', %s)", $dice->(2) ? 'true' : 'false' if $what < 995;
	return sprintf "SELECT w_empty('%s', %s)", $store, $dice->(2) ? 'true' : 'false';
}

sub writer
{
	my ($dice, $name, $rough) = @_;
	my $number = 0;
	my $script = '';

	for my $transaction (1 .. 2500)
	{
		my $next = sub { change($dice, "$name." . ++$number, $rough) . ";\n" };
		if ($dice->(2)) { $script .= $next->(); next }
		$script .= $dice->(6) ? "BEGIN;\n" : "BEGIN ISOLATION LEVEL REPEATABLE READ;\n";
		$script .= $next->();
		# Who has a version, and stays, holds up what is stable.
		$script .= "SELECT pg_sleep(0.02);\n" if $dice->(10) == 0;
		for (1 .. $dice->(4))
		{
			if ($dice->(3)) { $script .= $next->() }
			else
			{
				$script .= "SAVEPOINT s;\n" . join('', map { $next->() } 0 .. $dice->(2)) .
				  ($dice->(2) ? "ROLLBACK TO s;\n" : "RELEASE s;\n") . $next->();
			}
		}
		$script .= $dice->(8) ? "COMMIT;\n" : "ROLLBACK;\n";
	}
	return $script;
}

sub consumer
{
	my ($dice, $name, $store) = @_;
	my $script = "SET client_min_messages = error;\n";

	for my $step (1 .. 1500)
	{
		my $page = pick($dice, [ 1, 1, 2, 3, 7, 50, 1000 ]);
		my $way = $dice->(10);
		# To a snapshot from before it is emptied a store looks empty.
		$script .= "BEGIN ISOLATION LEVEL REPEATABLE READ;\nLOCK TABLE $store IN ACCESS SHARE MODE;\nSELECT step('$name', $page);\n" .
		  ($dice->(15) ? 'COMMIT' : 'ROLLBACK') . ";\n" if $way < 7;
		$script .= "SELECT step('$name', $page, '50 ms');\n" if $way >= 7;
		$script .= "SELECT coalesce(version, 0) AS v FROM consumer WHERE name = '$name' \\gset\n" .
		  "CALL mvstore_wait_changes('$store', :v, '50 ms');\n" if $way == 9;
	}
	return $script;
}

1;
