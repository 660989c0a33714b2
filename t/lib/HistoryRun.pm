# Records what many sessions do to a few keys, and what they see. Each session is a
# psql that is sent random transactions: of every isolation level, with savepoints,
# rolled back or committed, with errors in between. Some are prepared instead, and ended some
# time later by a session that does nothing else. Of every statement is recorded
# the answer, its SQLSTATE, the snapshot that it saw the database by, as PostgreSQL
# itself names it, and the transaction id. HistoryCheck.pm judges. Others read on a standby, if
# there is one, and some follow the changes of a store, here and there.
#
# A log is { stores => { name => { drops, policy } }, keys => [sorted], transactions =>
# [{ session, level, standby, statements, ending }], final => { ... } }; a statement is an array:
#   OP      what it did
#   STORE   where
#   ARGS    with what, as add() is given it below
#   AS_OF   1: as of a version, which the answer names
#   RAW     the line that psql printed: answer|version|snapshot|transaction id
#   STATE   SQLSTATE, and after a blank the message
# The ending of a transaction that was prepared is a statement, too.

package HistoryRun;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IPC::Open3 ();
use POSIX ();
use Symbol ();
use Time::HiRes 'time';

our @EXPORT = qw(record OP STORE ARGS AS_OF RAW STATE);

use constant { OP => 0, STORE => 1, ARGS => 2, AS_OF => 3, RAW => 4, STATE => 5 };

# How long a session may say nothing, in seconds, before something hangs.
use constant PATIENCE => 90;

# a keeps everything, b is dropped from on request, c by its policy; z is written by
# SERIALIZABLE transactions alone.
my %STORES = (
	a => { drops => 0, policy => 0 },
	b => { drops => 1, policy => 0 },
	c => { drops => 1, policy => 2 },
	z => { drops => 0, policy => 0 });

# Accounts, of a constant sum in each store, and counters that are only counted up.
my @ACCOUNTS = qw(m1 m2 m3);
my @COUNTERS = qw(n1 n2);

my $SETUP = <<'SQL';
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS mvstore;
DROP TABLE IF EXISTS a, b, c, z;
DO $$ BEGIN
  PERFORM mvstore_create('a'), mvstore_create('b'), mvstore_create('c', keep_versions := 2), mvstore_create('z');
END $$;
CREATE OR REPLACE FUNCTION must(version bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF version IS NULL THEN RAISE EXCEPTION 'overtaken' USING ERRCODE = 'MV001'; END IF;
  RETURN version;
END $$;
SQL

# record(connection => [arguments of psql], standby => likewise, seed, sessions, keys, seconds, most):
# a log. standby, and most, of transactions in a session, may be left out.
sub record
{
	my (%options) = @_;
	my $run = { most => 9**9, %options, known => [], asked => [], transactions => [], prepared => [] };
	$run->{keys} = [ map { sprintf '%s%02d', ('ka', 'kb', 'l')[ $_ % 3 ], $_ } 1 .. $options{keys} ];

	my $first = start_session($run, 0);
	print { $first->{in} } $SETUP;
	send_transaction($run, $first, opening($run));
	converse($run, 0, $first);

	wait_for_standby($run) if $options{standby};

	# In parallel, for some seconds.
	my @sessions = map { start_session($run, $_) } 1 .. $options{sessions};
	my $id = $options{sessions} + 1;
	push @sessions, start_session($run, ++$id, consumes => 'a');
	if ($options{standby})
	{
		push @sessions, start_session($run, ++$id, standby => 1) for 1 .. 2;
		push @sessions, start_session($run, ++$id, standby => 1, consumes => $_) for qw(a z);
	}
	$run->{ender} = start_session($run, $options{sessions} + 1);
	converse($run, time() + $options{seconds}, @sessions, $run->{ender});
	end_session($_) for @sessions, delete $run->{ender};

	my $log = {
		stores => \%STORES, accounts => \@ACCOUNTS, counters => \@COUNTERS,
		keys => [ sort @{ $run->{keys} }, @ACCOUNTS, @COUNTERS ],
		transactions => $run->{transactions},
	};
	$log->{final} = final_state($run, $first, $log);
	end_session($first);
	return $log;
}

# Until the standby has what is there at the beginning.
sub wait_for_standby
{
	my ($run) = @_;
	my $end = time() + PATIENCE;
	my ($put) = grep { $_->[OP] eq 'put' } reverse @{ $run->{transactions}[0]{statements} };
	my ($version) = split /\|/, $put->[RAW];

	for (;;)
	{
		my $pid = open(my $psql, '-|') // die "fork: $!";
		if (!$pid)
		{
			open(STDERR, '>', '/dev/null');
			exec qw(psql -X -A -t), @{ $run->{standby} }, '-c', "SELECT count(*) FROM $put->[STORE] WHERE version = $version" or POSIX::_exit(1);
		}
		my $count = <$psql> // 0;
		close $psql;
		return if $count > 0;
		die "history: the standby does not follow\n" if time() > $end;
		select(undef, undef, undef, 0.05);
	}
}

# ---- Sessions ---------------------------------------------------------------

sub start_session
{
	my ($run, $id, %more) = @_;
	my $session = { %more, id => $id, position => [ 0, 'NULL' ], random => $run->{seed} * 1000 + $id, buffer => '', waiting => [], serial => 0 };

	open(my $nowhere, '>', '/dev/null') or die "/dev/null: $!";
	$session->{pid} = IPC::Open3::open3($session->{in} = Symbol::gensym(), $session->{out} = Symbol::gensym(),
		'>&' . fileno($nowhere), qw(psql -X -q -A -t -P null=~), @{ $run->{ $more{standby} ? 'standby' : 'connection' } });
	$session->{in}->autoflush(1);
	dice($session, 2) for 1 .. 10;
	return $session;
}

sub end_session
{
	my ($session) = @_;
	close $session->{in};
	waitpid $session->{pid}, 0;
}

# A number from 0 to $sides - 1, of the session's own sequence.
sub dice
{
	my ($session, $sides) = @_;
	use integer;
	$session->{random} = $session->{random} * 6364136223846793005 + 1442695040888963407;
	return (($session->{random} >> 33) & 0x7fffffff) % $sides;
}

sub pick { return $_[1][ dice($_[0], scalar @{ $_[1] }) ] }

sub send_transaction
{
	my ($run, $session, $transaction) = @_;
	my $sql = join '', map { pop(@$_) . ";\n\\echo = :SQLSTATE :LAST_ERROR_MESSAGE\n" } @{ $transaction->{statements} };

	push @{ $run->{transactions} }, $transaction;
	push @{ $session->{waiting} }, @{ $transaction->{statements} };
	print { $session->{in} } $sql;
	$session->{prepares}{ $transaction->{statements}[-1] } = $transaction if $transaction->{statements}[-1][OP] eq 'prepare';
}

# End those that are prepared and whose time has come.
sub end_prepared
{
	my ($run, $now) = @_;
	my $ender = $run->{ender} or return;

	for my $transaction (map { $_->[1] } grep { $_->[0] <= $now } @{ $run->{prepared} })
	{
		my $ending = $transaction->{ending} = [ dice($ender, 4) ? 'commit_prepared' : 'rollback_prepared', '', [ gid_of($transaction) ], 0, undef, undef ];

		push @{ $ender->{waiting} }, $ending;
		print { $ender->{in} } uc($ending->[OP] =~ tr/_/ /r) . " '$ending->[ARGS][0]';\n\\echo = :SQLSTATE :LAST_ERROR_MESSAGE\n";
	}
	@{ $run->{prepared} } = grep { $_->[0] > $now } @{ $run->{prepared} };
}

sub gid_of { return "history $_[0]{session} $_[0]{number}" }

# Take the sessions' answers; until $end have transactions waiting in each of them.
sub converse
{
	my ($run, $end, @sessions) = @_;
	my %by_handle = map { fileno($_->{out}) => $_ } @sessions;
	my $select = IO::Select->new(map { $_->{out} } @sessions);
	my $progress = time();

	for (;;)
	{
		my $more = time() < $end;
		for my $session ($more ? grep { $_ != ($run->{ender} // 0) } @sessions : ())
		{
			send_transaction($run, $session, make_transaction($run, $session))
			  while @{ $session->{waiting} } < ($session->{consumes} ? 1 : 12) && $session->{serial} < ($run->{most});
		}
		$more &&= grep { $_ != ($run->{ender} // 0) && $_->{serial} < ($run->{most}) } @sessions;
		end_prepared($run, $more ? time() : 9**9**9);
		return if !$more && !grep { @{ $_->{waiting} } } @sessions;
		my @ready = $select->can_read(@{ $run->{prepared} } ? 0.005 : 1);
		$progress = time() if @ready;
		die 'history: no session says anything any more; waiting for: ' .
		  join(', ', map { "$_->{waiting}[0][OP] in session $_->{id}" } grep { @{ $_->{waiting} } } @sessions) . "\n"
		  if time() - $progress > PATIENCE;
		take_answers($run, $by_handle{ fileno $_ }) for @ready;
	}
}

sub take_answers
{
	my ($run, $session) = @_;
	my $statement;

	sysread($session->{out}, $session->{buffer}, 65536, length $session->{buffer})
	  or die "history: session $session->{id} has ended\n";
	while ($session->{buffer} =~ s/\A([^\n]*)\n//)
	{
		my $line = $1;
		$statement = $session->{waiting}[0] or die "history: session $session->{id} says $line\n";
		if ($line !~ /^= (.*)/)
		{
			$statement->[RAW] = $line;
			next;
		}
		shift @{ $session->{waiting} };
		$statement->[STATE] = substr($1, 0, 5) eq '00000' ? '00000' : $1;
		my $prepared = delete $session->{prepares}{$statement};
		if ($prepared && $statement->[STATE] eq '00000')
		{
			# Mostly at once, some after others have come and gone.
			my $delay = (0, 0, 0.01, 0.1, 0.3)[ dice($run->{ender}, 5) ];
			push @{ $run->{prepared} }, [ time() + $delay, $prepared ];
		}
		$session->{position} = [ $1, "'$2'" ] if $statement->[OP] eq 'changes' && ($statement->[RAW] // '') =~ /(?:^|.*,)(\d+)=(\w+)=[^,]*\|\d+\|/;
		# Versions worth reading as of: those of writes, and those that others read.
		next unless defined $statement->[RAW];
		my $list = $statement->[AS_OF] ? $run->{asked} : $statement->[OP] =~ /^(?:put|delete|add)/ ? $run->{known} : next;
		my ($version) = (split /\|/, $statement->[RAW])[ $statement->[AS_OF] ? 1 : 0 ] =~ /^(\d+)$/ or next;
		push @$list, $version;
		splice(@$list, 0, 500) if @$list > 1500;
	}
}

# ---- Transactions -----------------------------------------------------------

# An open transaction of a session, to which add() adds.
sub begin
{
	my ($session, $level, $mode) = @_;
	my $transaction = { session => $session->{id}, standby => $session->{standby}, level => $level, number => ++$session->{serial}, statements => [] };

	push @{ $transaction->{statements} }, [ 'begin', '', [], 0, undef, undef, "BEGIN ISOLATION LEVEL $level $mode" ];
	return $transaction;
}

# A statement: what it is to HistoryCheck, and the SQL of it. $version: how the
# version is told of what it reads as of, or what a write went by.
sub add
{
	my ($transaction, $op, $store, $args, $answer, %how) = @_;
	my $version = $how{version} // 'NULL';
	my $from = $how{from} ? " FROM $how{from}" : '';

	($from, $version) = (" FROM (SELECT $how{as_of} AS v OFFSET 0) t", 'v') if defined $how{as_of};
	push @{ $transaction->{statements} }, [ $op, $store, $args, defined $how{as_of} ? 1 : 0, undef, undef,
		"SELECT $answer, $version, pg_current_snapshot(), pg_current_xact_id_if_assigned()$from" ];
}

# A command of the transaction itself.
sub command
{
	my ($transaction, $op, $name) = @_;
	my $sql = uc("$op ") . ($name // '');

	$sql =~ tr/_/ /;
	push @{ $transaction->{statements} }, [ $op, '', [ $name // () ], 0, undef, undef, $sql ];
}

# The last snapshot of the transaction, then its end. One of six is prepared.
sub finish
{
	my ($transaction, $op) = @_;
	add($transaction, 'look', '', [], 'NULL');
	if ($op eq 'commit' && $transaction->{session} && !$transaction->{standby} && ($transaction->{session} + $transaction->{number}) % 6 == 0)
	{
		push @{ $transaction->{statements} }, [ 'prepare', '', [ gid_of($transaction) ], 0, undef, undef, sprintf "PREPARE TRANSACTION '%s'", gid_of($transaction) ];
		return $transaction;
	}
	command($transaction, $op);
	return $transaction;
}

# What is there before the others come: accounts and counters.
sub opening
{
	my ($run) = @_;
	my $transaction = begin({ id => 0 }, 'READ COMMITTED', '');

	for my $store (qw(a b c))
	{
		add($transaction, 'put', $store, [ $_, 100 ], "mvstore_put('$store', '$_', '100')") for @ACCOUNTS;
		add($transaction, 'put', $store, [ $_, 0 ], "mvstore_put('$store', '$_', '0')") for @COUNTERS;
	}
	return finish($transaction, 'commit');
}

sub make_transaction
{
	my ($run, $session) = @_;
	return make_consumption($run, $session) if $session->{consumes};
	return make_distant($run, $session) if $session->{standby};
	my $level = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')[ (0, 0, 0, 1, 1, 1, 2, 2)[ dice($session, 8) ] ];
	my $kind = dice($session, 100);

	if ($kind < 10)
	{
		my $single = begin($session, 'READ COMMITTED', '');
		$single->{single} = 1;
		@{ $single->{statements} } = ();
		make_write($run, $session, $single);
		splice(@{ $single->{statements} }, 1);
		return $single;
	}
	if ($kind < 25)
	{
		my $reader = begin($session, $level, dice($session, 3) ? '' : 'READ ONLY');
		make_read($run, $session, $reader) for 0 .. dice($session, 8);
		return finish($reader, 'commit');
	}
	return make_old_snapshot($run, $session) if $kind == 25 && !dice($session, 12);
	my $transaction = begin($session, $level, '');
	return make_transfer($run, $session, $transaction) if $kind < 43;
	return make_skew($run, $session) if $kind < 50;

	# Mostly short; sometimes so long that others come and go meanwhile.
	my $depth = 0;
	for (0 .. (dice($session, 12) ? dice($session, 6) : 25))
	{
		my $what = dice($session, 100);
		if ($what < 42)    { make_write($run, $session, $transaction) }
		elsif ($what < 86) { make_read($run, $session, $transaction) }
		elsif ($what < 94) { command($transaction, 'savepoint', 's' . ++$depth) }
		elsif ($depth > 0)
		{
			command($transaction, 'rollback_to', "s$depth") if dice($session, 4);
			command($transaction, 'release', 's' . $depth--);
		}
	}
	if ($depth > 0 && dice($session, 2))
	{
		command($transaction, 'rollback_to', 's1');
		command($transaction, 'release', 's1');
	}
	return finish($transaction, dice($session, 7) ? 'commit' : 'rollback');
}

# Take the next changes, some or all, behind the last one.
sub make_consumption
{
	my ($run, $session) = @_;
	my $single = begin($session, 'READ COMMITTED', '');
	my ($store, $max) = ($session->{consumes}, dice($session, 3) ? 1 + dice($session, 30) : undef);
	my ($after, $key) = @{ $session->{position} };

	$single->{single} = 1;
	$single->{statements} = [];
	add($single, 'changes', $store, [ $after, $key, $max ], "(SELECT string_agg(c.version || '=' || c.key || '=' || coalesce(c.value, '~'), ',' ORDER BY c.n) " .
		sprintf("FROM mvstore_changes('%s', %s, %s, %s, '50 ms') WITH ORDINALITY c (version, key, value, expires_at, deleted, n))", $store, $after, $key, $max // 'NULL'),
		version => 'v', from => '(SELECT mvstore_stable_version() AS v OFFSET 0) t');
	return $single;
}

# Read on the standby.
sub make_distant
{
	my ($run, $session) = @_;
	my $transaction = begin($session, pick($session, [ 'READ COMMITTED', 'REPEATABLE READ', 'REPEATABLE READ' ]), 'READ ONLY');

	make_read($run, $session, $transaction) for 0 .. dice($session, 8);
	return finish($transaction, 'commit');
}

# Read one key and write another: two such transactions that overlook each other have no order.
sub make_skew
{
	my ($run, $session) = @_;
	my $transaction = begin($session, 'SERIALIZABLE', '');
	my @keys = @{ $run->{keys} }[ 0, 1 ];

	@keys = reverse @keys if dice($session, 2);
	make_read($run, $session, $transaction, 'z', $keys[0]) for 0 .. dice($session, 2);
	make_write($run, $session, $transaction, 'z', $keys[1]);
	return finish($transaction, 'commit');
}

# A snapshot that others overtake by far, and the past as it sees that.
sub make_old_snapshot
{
	my ($run, $session) = @_;
	my $transaction = begin($session, pick($session, [ 'REPEATABLE READ', 'SERIALIZABLE' ]), '');

	make_read($run, $session, $transaction) for 1 .. dice($session, 4);
	add($transaction, 'look', '', [], sprintf 'pg_sleep(%g)::text', dice($session, 1000) / 3000 * ($run->{seconds} < 10 ? $run->{seconds} : 10));
	make_read($run, $session, $transaction) for 1 .. 30;
	return finish($transaction, 'commit');
}

# Read, think, write: from one account to another, or count up. Where a newer entry
# would be overwritten, a transfer fails, and counting up does not count.
sub make_transfer
{
	my ($run, $session, $transaction) = @_;
	my $store = pick($session, [qw(a b c)]);

	if (dice($session, 2))
	{
		make_add($session, $transaction, $store, pick($session, \@COUNTERS), 1, '') for 0 .. dice($session, 2);
	}
	else
	{
		my ($from, $to) = (pick($session, \@ACCOUNTS), pick($session, \@ACCOUNTS));
		my $amount = 1 + dice($session, 20);
		make_add($session, $transaction, $store, $from, -$amount, 'must');
		make_read($run, $session, $transaction) if dice($session, 2);
		make_add($session, $transaction, $store, $to, $amount, 'must');
	}
	return finish($transaction, dice($session, 9) ? 'commit' : 'rollback');
}

sub make_add
{
	my ($session, $transaction, $store, $key, $amount, $must) = @_;
	my $sum = "(e.value::bigint + $amount)::text";
	my $put = $transaction->{level} ne 'READ COMMITTED' && dice($session, 2) ? "mvstore_put('$store', '$key', $sum)" :
	  "mvstore_put_if('$store', '$key', $sum, e.version)";

	add($transaction, 'add', $store, [ $key, $amount ], "$must($put)",
		version => "e.version || '=' || e.value", from => "mvstore_get_entry('$store', '$key') e");
}

# The store and the key may be given.
sub make_write
{
	my ($run, $session, $transaction, $store, $key) = @_;
	my @stores = $transaction->{level} eq 'SERIALIZABLE' ? qw(z z z a b c) : qw(a b c);
	$store //= pick($session, \@stores);
	$key //= pick($session, $run->{keys});
	my $what = dice($session, 100);
	my @values = map { join '.', $session->{id}, $transaction->{number}, scalar(@{ $transaction->{statements} }), $_ } 1 .. 3;

	if ($what < 50)
	{
		add($transaction, 'put', $store, [ $key, $values[0] ], "mvstore_put('$store', '$key', '$values[0]')");
	}
	elsif ($what < 55)
	{
		add($transaction, 'put', $store, [ $key, $_ ], "mvstore_put('$store', '$key', '$_')") for @values[ 0, 1 ];
	}
	elsif ($what < 70)
	{
		add($transaction, 'delete', $store, [$key], "mvstore_delete('$store', '$key')");
	}
	elsif ($what < 85)
	{
		# By what the statement sees, or by what may be stale, or as for a key that is absent.
		my $op = $what < 80 ? 'put_if' : 'delete_if';
		my $value = $op eq 'put_if' ? ", '$values[0]'" : '';
		my @expected = ('coalesce(e.version, 0)', pick($session, $run->{known}) // 1, 0);
		my $expected = $expected[ (0, 0, 0, 1, 2)[ dice($session, 5) ] ];
		add($transaction, $op, $store, [ $key, $value ? $values[0] : undef ], "mvstore_$op('$store', '$key'$value, $expected)",
			version => $expected, from => "mvstore_get_entry('$store', '$key') e");
	}
	elsif ($what < 93)
	{
		my @keys = map { pick($session, $run->{keys}) } @values;
		add($transaction, 'put_many', $store, [ \@keys, \@values ],
			sprintf("mvstore_put_many('%s', '{%s}', '{%s}')", $store, join(',', @keys), join(',', @values)));
	}
	else
	{
		add($transaction, 'drop', 'b', [], sprintf("mvstore_drop('b', '%s', keep := %d)",
			pick($session, [ @{ $run->{keys} }, @ACCOUNTS, @COUNTERS ]), 1 + dice($session, 3)));
	}
}

# ---- Reads ------------------------------------------------------------------

# SQL for a version of the past, or of a moment that may still be going on.
sub some_version
{
	my ($run, $session) = @_;
	my $what = dice($session, 10);

	return 'mvstore_stable_version()' if $what < 3;
	return 'mvstore_stable_version() - ' . dice($session, 5000) if $what < 4;
	return 'mvstore_version_at(clock_timestamp()) - ' . dice($session, 3000) if $what < 6;
	my $list = $what < 8 ? $run->{known} : $run->{asked};
	return 'mvstore_stable_version()' unless @$list;
	# The newest ones half of the time; and what lies just beside them.
	my $back = dice($session, dice($session, 2) && @$list > 20 ? 20 : scalar @$list);
	return $list->[ $#$list - $back ] + (0, 0, -1, 1)[ dice($session, 4) ];
}

# The store and the key may be given; then the present is read.
sub make_read
{
	my ($run, $session, $transaction, $store, $key) = @_;
	my @all = (@{ $run->{keys} }, @ACCOUNTS, @COUNTERS);
	my $as_of = !defined $key && dice($session, 5) < 2 ? some_version($run, $session) : undef;
	$store //= pick($session, [qw(a b c z)]);
	$key //= pick($session, \@all);
	my $v = defined $as_of ? 'v' : '9223372036854775807';
	my $what = dice($session, 100);
	# An error would end the transaction; half of the time it does.
	my $save = defined $as_of && @{ $transaction->{statements} } && dice($session, 2);
	my $read = sub { add($transaction, shift, $store, shift, shift, as_of => $as_of) };
	my $rows = sub { "(SELECT string_agg($_[0], ',') FROM $_[1] r)" };

	command($transaction, 'savepoint', 'r') if $save;
	if ($what < 20)    { $read->('get', [$key], "mvstore_get('$store', '$key', $v)") }
	elsif ($what < 40) { $read->('entry', [$key], $rows->("r.version || '=' || r.value", "mvstore_get_entry('$store', '$key', $v)")) }
	elsif ($what < 45) { $read->('contains', [$key], "mvstore_contains('$store', '$key', $v)") }
	elsif ($what < 60)
	{
		my ($from, $to) = sort map { pick($session, \@all) } 1, 2;
		$from = undef unless dice($session, 2);
		$to = undef unless dice($session, 2);
		my $range = join ', ', map { defined $_ ? "'$_'" : 'NULL' } $from, $to;
		my $max = dice($session, 3) ? undef : dice($session, 4);
		my $reverse = dice($session, 2);
		if (dice($session, 4) == 0) { $read->('count', [ $from, $to ], "mvstore_count('$store', $range, $v)") }
		else
		{
			$read->('scan', [ $from, $to, $max, $reverse ], $rows->("r.key || '=' || r.version || '=' || r.value",
				sprintf("mvstore_scan('%s', %s, %s, %s, %s)", $store, $range, $v, $max // 'NULL', $reverse ? 'true' : 'false')));
		}
	}
	elsif ($what < 68)
	{
		my $prefix = pick($session, [ 'k', 'ka', 'kb', 'l', 'm', 'n', '' ]);
		$read->('prefix', [$prefix], $rows->("r.key || '=' || r.version || '=' || r.value", "mvstore_scan_prefix('$store', '$prefix', $v)"));
	}
	elsif ($what < 74)
	{
		my @keys = map { pick($session, \@all) } 0 .. dice($session, 4);
		$read->('many', \@keys, $rows->("r.key || '=' || coalesce(r.version || '=' || r.value, '~')",
			sprintf("mvstore_get_many('%s', '{%s}', %s)", $store, join(',', @keys), $v)));
	}
	elsif ($what < 80)
	{
		$read->('previous', [$key], $rows->("r.version || '=' || coalesce(r.value, '~')", "mvstore_previous('$store', '$key', $v)"));
	}
	elsif ($what < 87)
	{
		my $max = dice($session, 6) ? dice($session, 5) : undef;
		$as_of = undef;
		$read->('history', [ $key, $max ], $rows->("r.version || '=' || coalesce(r.value, '~')",
			sprintf("mvstore_history('%s', '%s', %s)", $store, $key, $max // 'NULL')));
	}
	elsif ($what < 93)
	{
		my $back = pick($session, [ 0, 1, 100, 1000, 20000 ]);
		$read->('diff', [$back], $rows->("r.key || '=' || coalesce(r.old_version || '=' || r.old_value, '~') || '=' || " .
			"coalesce(r.new_version || '=' || r.new_value, '~')", "mvstore_diff('$store', v - $back, v)")) if defined $as_of;
	}
	else
	{
		($as_of, $store) = (undef, '');
		# Asked again and again, so that it meets those who are just beginning to write.
		if ($what < 98) { $read->('stable', [], '(SELECT max(mvstore_stable_version()) FROM generate_series(1, 1000))') }
		else { $read->('floor', [], "(SELECT string_agg(store || '=' || coalesce(floor, 0), ',') FROM mvstore_store_stats)") }
	}
	return unless $save;
	command($transaction, 'rollback_to', 'r');
	command($transaction, 'release', 'r');
}

# ---- The end ----------------------------------------------------------------

# What is there when all is done: flushed, the heads, what is left of the
# histories, the floors, and which transactions PostgreSQL takes as committed.
sub final_state
{
	my ($run, $session, $log) = @_;
	my (%final, %seen);
	my @xids = grep { /^\d+$/ && !$seen{$_}++ } map { defined $_->[RAW] ? (split /\|/, $_->[RAW])[3] : () }
	  map { @{ $_->{statements} } } @{ $log->{transactions} };
	my @queries = ("SELECT 'flushed', '', mvstore_flush('60 s'), ''");
	for my $store (sort keys %STORES)
	{
		push @queries, "SELECT 'head', '$store', key, version || '=' || value FROM mvstore_scan('$store')",
		  "SELECT 'left', '$store', convert_from(key, 'UTF8'), " .
		  "string_agg(version || '=' || coalesce(convert_from(value, 'UTF8'), '~'), ',' ORDER BY version DESC) FROM $store GROUP BY key";
	}
	push @queries, "SELECT 'floor', '', store, coalesce(floor, 0) FROM mvstore_store_stats";
	while (my @some = splice(@xids, 0, 1000))
	{
		push @queries, sprintf "SELECT 'xid', '', x, pg_xact_status(x::text::xid8) FROM unnest('{%s}'::bigint[]) x", join(',', @some);
	}
	for my $query (@queries)
	{
		my $out = $session->{out};
		print { $session->{in} } "$query;\n\\echo .\n";
		while (<$out>)
		{
			chomp;
			last if $_ eq '.';
			my ($what, $store, $name, $value) = split /\|/, $_, 4;
			$final{$what}{$store}{$name} = $value;
		}
	}
	return \%final;
}

1;
