# The load of the kill loop: sessions, each a psql that is sent one random transaction
# after the other. A transaction's last statement before its COMMIT writes a row of an
# ordinary table, so that what became of a COMMIT without an answer can be looked up.
#
# A transaction is { id, session, sent (a moment), sent_after (the newest version known
# then), durable, statements, long, ending }; a statement { op, sql, state, raw, at (the moment of
# its answer) } and, as its op wants, store, key, to, kind, keep, keep_for, before, values,
# version, expires, erasure, name, short, after, revert.
# Some transactions are prepared instead of committed, and ended later by whichever session:
# the statement that does it is their "ending". The load leaves those alone that are "long".
# Moments are numbers that rise with everything that is sent and answered.

package ChaosLoad;

use strict;
use warnings;

use ChaosModel;
use Exporter 'import';
use IO::Select;
use IPC::Open3 ();
use Symbol ();
use Time::HiRes 'time';

our @EXPORT = qw(new_load make_dice run_load drain line_up let_go run_one outcome begin_ending end_moment reconnect hang_up);

# How long nobody may say anything, in seconds, before something hangs.
use constant PATIENCE => 60;

# What a statement may fail with: told to retry, a deadlock, a pin or for too long a prepared
# transaction in the way, and what follows from these.
my %EXPECTED = map { $_ => 1 } qw(00000 40001 40P01 55006 55P03 25P02 3B001);

# How many may be prepared at a time, and how many of these long.
use constant { MOST_PREPARED => 6, MOST_LONG => 2 };

# A sequence of numbers from 0 to $sides - 1.
sub make_dice
{
	my ($state) = @_;

	return sub {
		use integer;
		$state = $state * 6364136223846793005 + 1442695040888963407;
		return (($state >> 33) & 0x7fffffff) % $_[0];
	};
}

sub new_load
{
	my ($seed, $sessions, $keys) = @_;
	my $load = {
		keys => [ map { sprintf 'k%02d', $_ } 1 .. $keys ],
		moment => 0, newest => 0, serial => 0, transactions => [], problems => [], versions => {}, prepared => [] };

	for my $id (1 .. $sessions)
	{
		my $dice = make_dice($seed * 1000 + $id);
		$dice->(2) for 1 .. 10;
		push @{ $load->{sessions} }, { id => $id, dice => $dice };
	}
	return $load;
}

# ---- Sessions ---------------------------------------------------------------

# Have every session that has lost its connection make another one.
sub reconnect
{
	my ($load, $connection) = @_;

	for my $session (grep { !$_->{pid} } @{ $load->{sessions} })
	{
		open(my $nowhere, '>', '/dev/null') or die "/dev/null: $!";
		@{$session}{qw(buffer waiting)} = ('', []);
		$session->{pid} = IPC::Open3::open3($session->{in} = Symbol::gensym(), $session->{out} = Symbol::gensym(),
			'>&' . fileno($nowhere), qw(psql -X -q -A -t -P null=~ -d), $connection);
		$session->{in}->autoflush(1);
		my $hello = { op => 'hello', sql => "SET log_min_messages = fatal; SET lock_timeout = '500 ms'; SELECT pg_backend_pid()" };
		say_to($session, $hello);
		converse($load);
		$session->{backend} = $hello->{raw} or die "chaos: session $session->{id} cannot connect\n";
	}
}

sub say_to
{
	my ($session, @statements) = @_;
	local $SIG{PIPE} = 'IGNORE';

	push @{ $session->{waiting} }, @statements;
	print { $session->{in} } map { "$_->{sql};\n\\echo = :SQLSTATE :LAST_ERROR_MESSAGE\n" } @statements;
}

# Send a transaction; if it is to be held, all of it but its COMMIT.
sub send_transaction
{
	my ($load, $session, $transaction, $is_held) = @_;
	my @statements = @{ $transaction->{statements} };

	$transaction->{id} = ++$load->{serial};
	$transaction->{session} = $session->{id};
	$transaction->{sent} = ++$load->{moment};
	$transaction->{sent_after} = $load->{newest};
	$_->{transaction} = $transaction for @{ $transaction->{statements} };
	$transaction->{statements}[-2]{sql} = "INSERT INTO marker VALUES ($transaction->{id})";
	$transaction->{statements}[-1]{sql} = "PREPARE TRANSACTION 'chaos$transaction->{id}'" if $transaction->{statements}[-1]{op} eq 'prepare';
	push @{ $load->{transactions} }, $transaction;
	$session->{held} = $is_held ? pop @statements : undef;
	say_to($session, @statements);
}

# Take answers until everybody has had all; or, for the load, until $end, and send
# another transaction meanwhile to whoever has had all of the last one.
sub converse
{
	my ($load, $end) = @_;
	my $progress = time();

	for (;;)
	{
		my @sessions = grep { $_->{pid} } @{ $load->{sessions} };

		return if $end && time() > $end;
		for my $session ($end ? grep { !@{ $_->{waiting} } } @sessions : ())
		{
			my $ending = some_ending($load, $session->{dice});
			if ($ending) { say_to($session, $ending) }
			else         { send_transaction($load, $session, make_transaction($load, $session)) }
		}
		return unless grep { @{ $_->{waiting} } } @sessions;
		my @ready = IO::Select->new(map { $_->{out} } grep { @{ $_->{waiting} } } @sessions)->can_read(0.1);
		$progress = time() if @ready;
		if (time() - $progress > PATIENCE / 2)
		{
			# Whose backend is gone will hear nothing any more, should psql not have noticed.
			kill 'KILL', map { $_->{pid} } grep { @{ $_->{waiting} } && $_->{backend} && !kill 0, $_->{backend} } @sessions;
		}
		die 'chaos: nobody says anything any more; waiting for: ' .
		  join(', ', map { "$_->{waiting}[0]{sql} in backend " . ($_->{backend} // '') } grep { @{ $_->{waiting} } } @sessions) . "\n"
		  if time() - $progress > PATIENCE;
		for my $session (@sessions)
		{
			take_answers($load, $session) if grep { $_ == $session->{out} } @ready;
		}
	}
}

# Run the load until some time; transactions are under way after it.
sub run_load { return converse(@_) }

# Wait until every session has had all answers, or has lost its connection.
sub drain { return converse($_[0]) }

# Have every session write and request something, each in keys of its own, and stop
# short of its COMMIT.
sub line_up
{
	my ($load) = @_;

	drain($load);
	for my $session (grep { $_->{pid} } @{ $load->{sessions} })
	{
		my $transaction = new_transaction('READ COMMITTED');
		my $key = "own$session->{id}";

		for my $store ('a', 'c')
		{
			my $value = some_value($load, $session->{dice});
			add($transaction, 'write', "SELECT mvstore_put('$store', '$key', '$value')", store => $store, values => { $key => $value });
		}
		add($transaction, 'drop', "SELECT mvstore_drop('a', '$key', keep := 2)", kind => 'drop', store => 'a', key => $key, keep => 2);
		send_transaction($load, $session, finish($transaction, 'commit'), 1);
	}
	drain($load);
}

# Send the COMMITs.
sub let_go { say_to($_, $_->{held}) for grep { $_->{pid} && $_->{held} } @{ $_[0]{sessions} } }

sub take_answers
{
	my ($load, $session) = @_;
	my $count = sysread($session->{out}, $session->{buffer}, 65536, length $session->{buffer});

	while ($session->{buffer} =~ s/\A([^\n]*)\n//)
	{
		my $line = $1;
		my $statement = $session->{waiting}[0] or die "chaos: session $session->{id} says $line\n";
		if ($line !~ /^= (\w{5}) ?(.*)/)
		{
			$statement->{raw} = $line;
			next;
		}
		shift @{ $session->{waiting} };
		$statement->{state} = $1;
		$statement->{at} = ++$load->{moment};
		take_answer($load, $statement, $2);
	}
	forget($session) unless $count;	# the connection is gone, and psql with it
}

# Take leave of a psql.
sub forget
{
	my ($session) = @_;

	close $session->{in};
	close $session->{out};
	waitpid $session->{pid}, 0;
	@{$session}{qw(pid waiting)} = (undef, []);
}

# Have no session any more, after drain(): psql does not notice by itself that its
# server has gone.
sub hang_up { forget($_) for grep { $_->{pid} } @{ $_[0]{sessions} } }

# Look at an answer: its version is newer than all that were known when its
# transaction was sent, and nobody else's.
sub take_answer
{
	my ($load, $statement, $message) = @_;
	my $transaction = $statement->{transaction} or return;

	# After a crash the clock may be ahead by as much as a version from elsewhere can be.
	my $is_ahead = $statement->{state} eq '22023' && $statement->{sql} =~ /mvstore_use_version/ && $message =~ /too far in the future/;
	push @{ $load->{problems} }, "$statement->{sql}: $statement->{state} $message"
	  unless $EXPECTED{ $statement->{state} } || $load->{tells}{ $statement->{state} } || $is_ahead;
	push @{ $load->{prepared} }, $transaction if $statement->{op} eq 'prepare' && outcome($transaction) eq 'prepared';
	return unless $statement->{state} eq '00000' && defined $statement->{raw};
	if ($statement->{op} eq 'floors')
	{
		push @{ $load->{problems} }, "a floor is above the stable version: $statement->{raw}" if $statement->{raw} ne '~';
	}
	$statement->{of}{expires} = $statement->{raw} if $statement->{op} eq 'expires';
	take_reverted($statement) if $statement->{revert};
	return unless $statement->{op} =~ /^(?:write|truncate)$/ && $statement->{raw} =~ /^\d+$/;

	my $version = $statement->{version} = $statement->{raw};
	push @{ $load->{problems} }, "version $version was handed out when $transaction->{sent_after} was known already"
	  if $version <= $transaction->{sent_after};
	push @{ $load->{problems} }, "version $version was handed out to transactions $transaction->{id} and $load->{versions}{$version}"
	  if ($load->{versions}{$version} //= $transaction->{id}) != $transaction->{id};
	$transaction->{version} //= $version;
	$load->{newest} = $version if $version > $load->{newest};
}

# What a revert has written is told by a put behind it, "version key=value,...".
sub take_reverted
{
	my ($statement) = @_;
	my ($version, $rows) = split / /, $statement->{raw}, 2;
	my %rows = map { split /=/, $_, 2 } split /,/, $rows;

	$statement->{revert}{rows} = \%rows;
	$statement->{raw} = $version;
	$statement->{values} = { %{ $statement->{values} }, map { $_ => $rows{$_} eq '~' ? undef : $rows{$_} } keys %rows };
}

# Whether a transaction has committed: yes, no, or unknown; "prepared": nobody has begun
# to end it.
sub outcome
{
	my ($transaction) = @_;
	my ($marker, $end) = @{ $transaction->{statements} }[ -2, -1 ];
	my $ending = $transaction->{ending};

	return 'no' if $end->{op} !~ /^(?:commit|prepare)$/ || ($marker->{state} // '') ne '00000';
	return 'no' if defined $end->{state} && $end->{state} ne '00000';
	return !defined $end->{state} ? 'unknown' : 'yes' if $end->{op} eq 'commit';
	return !defined $end->{state} ? 'unknown' : 'prepared' unless $ending;
	return 'no' if !$ending->{commits};
	return ($ending->{state} // '') eq '00000' ? 'yes' : 'unknown';
}

# Begin to end a prepared transaction: the statement for it.
sub begin_ending
{
	my ($load, $transaction, $commits) = @_;

	@{ $load->{prepared} } = grep { $_ != $transaction } @{ $load->{prepared} };
	return $transaction->{ending} = { op => 'ending', commits => $commits, transaction => $transaction,
		sql => ($commits ? 'COMMIT' : 'ROLLBACK') . " PREPARED 'chaos$transaction->{id}'" };
}

# One that a session may send now, if any.
sub some_ending
{
	my ($load, $dice) = @_;
	my @some = grep { !$_->{long} } @{ $load->{prepared} };

	return unless @some && $dice->(4) == 0;
	return begin_ending($load, $some[ $dice->(scalar @some) ], $dice->(3) > 0);
}

# When a transaction has ended, as far as that is known.
sub end_moment
{
	my ($transaction) = @_;

	return ($transaction->{ending} // $transaction->{statements}[-1])->{at} // 9**15;
}

# ---- Transactions -----------------------------------------------------------

sub new_transaction
{
	my ($level) = @_;

	return { durable => 1, statements => [ { op => 'begin', sql => "BEGIN ISOLATION LEVEL $level" } ] };
}

sub add
{
	my ($transaction, $op, $sql, %more) = @_;

	push @{ $transaction->{statements} }, { op => $op, sql => $sql, %more };
}

sub finish
{
	my ($transaction, $op) = @_;

	add($transaction, 'marker', '');
	add($transaction, $op, uc $op);
	return $transaction;
}

# Have the first session run statements, [op, sql, more ...] each, as one transaction,
# and wait for it.
sub run_one
{
	my ($load, @statements) = @_;
	my $transaction = new_transaction('READ COMMITTED');

	add($transaction, @$_) for @statements;
	finish($transaction, 'commit');
	send_transaction($load, $load->{sessions}[0], $transaction);
	drain($load);
	return $transaction;
}

sub make_transaction
{
	my ($load, $session) = @_;
	my $dice = $session->{dice};
	my $transaction = new_transaction($dice->(4) ? 'READ COMMITTED' : 'REPEATABLE READ');
	my $depth = 0;
	my $end = $dice->(8) ? commit_or_prepare($load, $transaction, $dice) : 'rollback';

	add($transaction, 'set', "SET LOCAL lock_timeout = '30 ms'") if @{ $load->{prepared} };
	# A version from elsewhere, a little ahead. It is the transaction's, even if nothing is written.
	add($transaction, 'write', 'SELECT v FROM (SELECT mvstore_current_version() + ' . (1 + $dice->(5000)) . ' AS v OFFSET 0) t, mvstore_use_version(v)',
		values => {}) if $dice->(25) == 0;
	return make_erasure($load, $dice) if $dice->(50) == 0;
	add_policy($transaction, $dice) if !$transaction->{long} && $dice->(60) == 0;
	# One that is prepared has a pin of its own, as others may end it in any order.
	add_pin($load, $transaction, $session, 'g' . ++$load->{gids}) if $end eq 'prepare' && !$transaction->{long} && $dice->(4) == 0;
	if (!$transaction->{long} && $dice->(60) == 0)
	{
		my $store = (grep { $STORES{$_}{truncated} } sort keys %STORES)[ $dice->(2) ];
		add($transaction, 'truncating', $dice->(2) ? "TRUNCATE $store" : "SELECT mvstore_clear('$store')");
		my $value = some_value($load, $dice);
		# The version of this put is that of the TRUNCATE.
		add($transaction, 'truncate', "SELECT mvstore_put('$store', 'truncated', '$value')", store => $store, values => { truncated => $value });
	}
	if ($dice->(6) == 0)
	{
		$transaction->{durable} = 0 unless $end eq 'prepare';
		add($transaction, 'set', 'SET LOCAL mvstore.durable_drops = off');
	}
	for (0 .. $dice->($dice->(12) || $end eq 'prepare' ? 6 : 40))
	{
		my $what = $dice->(100);
		if ($load->{pins} && $end ne 'prepare' && $dice->(20) == 0) { add_pin($load, $transaction, $session) }
		elsif ($what < 54) { add_write($load, $transaction, $dice) }
		elsif ($what < 58) { add_past($load, $transaction, $dice) }
		elsif ($what < 59) { add_revert($load, $transaction, $dice) }
		elsif ($what < 60) { add_other($load, $transaction, $dice) }
		elsif ($what < 82) { add_drop($load, $transaction, $dice) }
		elsif ($what < 88) { add_look($load, $transaction, $dice) }
		elsif ($what < 94) { $depth++; add($transaction, 'savepoint', "SAVEPOINT s$depth", name => "s$depth") }
		elsif ($depth > 0)
		{
			add($transaction, 'rollback_to', "ROLLBACK TO s$depth", name => "s$depth") if $dice->(4);
			if ($dice->(2)) { add($transaction, 'release', "RELEASE s$depth"); $depth-- }
		}
		# Idle in its transaction, so that others are held.
		add($transaction, 'sleep', sprintf('SELECT FROM pg_sleep(%g)', $dice->(250) / 1000)) if $dice->(80) == 0;
	}
	return finish($transaction, $end);
}

# How a transaction is to end that is not rolled back: prepared, for a while or for long,
# it keeps locks that others wait for, so it is not big. Its requests are always durable.
sub commit_or_prepare
{
	my ($load, $transaction, $dice) = @_;
	my $long = $dice->(3) == 0;

	return 'commit' if $dice->(8) || @{ $load->{prepared} } >= MOST_PREPARED;
	return 'commit' if $long && (grep { $_->{long} } @{ $load->{prepared} }) >= MOST_LONG;
	$transaction->{long} = $long;
	return 'prepare';
}

# Erase a key and write it again; the version tells when that was.
sub make_erasure
{
	my ($load, $dice) = @_;
	my $transaction = new_transaction('READ COMMITTED');
	my ($store, $key) = (some_store($dice, grep { $STORES{$_}{erased} } sort keys %STORES), some_key($load, $dice));
	my $value = some_value($load, $dice);

	# No key begins with another one.
	add($transaction, 'erase', $dice->(2) ? "SELECT mvstore_erase('$store', '$key')" : "SELECT mvstore_erase_prefix('$store', '$key')");
	add($transaction, 'write', "SELECT mvstore_put('$store', '$key', '$value')", store => $store, values => { $key => $value },
		erasure => $transaction->{statements}[-1]);
	return finish($transaction, $dice->(4) ? commit_or_prepare($load, {}, $dice) : 'rollback');
}

sub add_policy
{
	my ($transaction, $dice) = @_;
	my ($store) = grep { $STORES{$_}{changes} } keys %STORES;
	my $keep = $dice->(2) ? 1 + $dice->(3) : undef;
	my $keep_for = $dice->(3) ? undef : (0, 100_000, 3_600_000_000)[ $dice->(3) ];

	add($transaction, 'policy', sprintf("SELECT mvstore_set_policy('%s', keep_versions := %s, keep_for := %s)", $store, $keep // 'NULL',
		defined $keep_for ? "'$keep_for us'" : 'NULL'), store => $store, keep => $keep, keep_for => $keep_for);
}

# A session has one pin of its own, of one store or of all: it makes it, or another in its
# place, gives it up, or reads as of it. With a name given, it makes a pin of that name.
sub add_pin
{
	my ($load, $transaction, $session, $given) = @_;
	my $dice = $session->{dice};
	my $name = $given // "p$session->{id}";
	my $what = $given ? 0 : $dice->(10);

	if ($what < 3)
	{
		my $store = $dice->(3) ? some_store($dice, untruncated()) : undef;
		my $version = $dice->(2) && $load->{newest} ? $load->{newest} - $dice->(300_000) : undef;
		my $short = $dice->(4) == 0;

		add($transaction, 'pin', sprintf("SELECT chaos_pin('%s', %s, '%s', %s)", $name, $version // 'NULL', $short ? '100 ms' : '1 hour',
			defined $store ? "'$store'" : 'NULL'), name => $name, store => $store, short => $short);
	}
	elsif ($what < 5) { add($transaction, 'unpin', "SELECT mvstore_unpin('$name')", name => $name) }
	else
	{
		my ($store, $key) = (some_store($dice, untruncated()), some_key($load, $dice));
		add($transaction, 'look', "SELECT version || '=' || coalesce(chaos_get('$store', '$key', version), '~') FROM mvstore_pins " .
			"WHERE name = '$name' AND coalesce(store, '$store'::regclass) = '$store'::regclass AND expires > clock_timestamp() + interval '10 s'",
			store => $store, key => $key);
	}
}

sub some_key { return $_[0]{keys}[ $_[1]->(scalar @{ $_[0]{keys} }) ] }

sub some_store
{
	my ($dice, @of) = @_;

	@of = grep { !$STORES{$_}{past} } sort keys %STORES unless @of;
	return $of[ $dice->(scalar @of) ];
}

# Those whose past stays what it is.
sub untruncated { return grep { !$STORES{$_}{truncated} && !$STORES{$_}{past} } sort keys %STORES }

# A value that nobody else writes; now and then one that is kept out of line.
sub some_value
{
	my ($load, $dice) = @_;
	my $value = 'v' . ++$load->{values};

	return $dice->(25) ? $value : join '.', $value, map { $dice->(1_000_000_000) } 1 .. 400;
}

sub add_write
{
	my ($load, $transaction, $dice) = @_;
	my $store = some_store($dice);
	my $key = some_key($load, $dice);
	my $value = some_value($load, $dice);
	my $what = $dice->(100);

	if ($STORES{$store}{ttl} && $what < 80)
	{
		my $ttl = ('', ", '1 us'", ", '1 hour'")[ $dice->(3) ];
		add($transaction, 'write', "SELECT mvstore_put('$store', '$key', '$value'$ttl)", store => $store, values => { $key => $value });
		add($transaction, 'expires', "SELECT mvstore_version_at(expires_at) FROM $store WHERE key = '$key' ORDER BY version DESC LIMIT 1",
			of => $transaction->{statements}[-1]);
	}
	elsif ($STORES{$store}{ttl})
	{
		add($transaction, 'write', "SELECT mvstore_delete('$store', '$key')", store => $store, values => { $key => undef });
	}
	elsif ($what < 60)
	{
		my $put = $dice->(3) ? "mvstore_put('$store', '$key', '$value')" : $dice->(2) ? "mvstore_put_raw('$store', '$key', '$value')" :
		  "mvstore_put_bytea('$store', '$key', '$value')";
		add($transaction, 'write', "SELECT $put", store => $store, values => { $key => $value });
	}
	elsif ($what < 64)
	{
		add($transaction, 'write', "SELECT mvstore_delete_if('$store', '$key', " .
			"coalesce((SELECT version FROM mvstore_get_entry('$store', '$key')), 0))", store => $store, values => { $key => undef });
	}
	elsif ($what < 75)
	{
		add($transaction, 'write', "SELECT mvstore_delete('$store', '$key')", store => $store, values => { $key => undef });
	}
	elsif ($what < 87)
	{
		add($transaction, 'write', "SELECT mvstore_put_if('$store', '$key', '$value', " .
			"coalesce((SELECT version FROM mvstore_get_entry('$store', '$key')), 0))", store => $store, values => { $key => $value });
	}
	else
	{
		my %values = map { some_key($load, $dice) => some_value($load, $dice) } 1 .. 4;
		my @keys = sort keys %values;
		add($transaction, 'write', sprintf("SELECT mvstore_put_many('%s', '{%s}', '{%s}')", $store, join(',', @keys), join(',', @values{@keys})),
			store => $store, values => \%values);
	}
}

# What the functions for imports, or plain SQL, write to a store that is there for it, and delete. Its
# versions are of long ago, and given once.
sub add_past
{
	my ($load, $transaction, $dice) = @_;
	my ($store) = grep { $STORES{$_}{past} } keys %STORES;
	my ($key, $value, $version) = (some_key($load, $dice), some_value($load, $dice), 1_000_000 + ++$load->{imports});
	my $what = $dice->(6);

	if ($what == 0)
	{
		add($transaction, 'deletion', "DELETE FROM $store WHERE key = '$key' AND version = (SELECT min(version) FROM $store WHERE key = '$key') " .
			'RETURNING version', store => $store, key => $key);
		return;
	}
	$value = undef if $what == 1;
	my $put = $what == 1 ? "SELECT mvstore_delete_at('$store', '$key', $version)" :
	  $what < 4 ? "SELECT mvstore_put_at('$store', '$key', '$value', $version)" :
	  "INSERT INTO $store (key, version, value) VALUES ('$key', $version, '$value')";
	add($transaction, 'import', $put, store => $store, version => $version, values => { $key => $value });
}

# Some or all of a store as it was a while ago.
sub add_revert
{
	my ($load, $transaction, $dice) = @_;
	my $store = some_store($dice, grep { !$STORES{$_}{ttl} } untruncated());
	my ($value, $prefix) = (some_value($load, $dice), 'k' . $dice->(3));
	my $revert = { op => 'revert', store => $store };

	return unless $load->{newest};
	$revert->{to} = $load->{newest} - $dice->(500_000);
	add($transaction, 'revert', "SELECT chaos_revert('$store', $revert->{to}, '$prefix')", store => $store, to => $revert->{to});
	add($transaction, 'write', "SELECT v || ' ' || coalesce((SELECT string_agg(convert_from(key, 'UTF8') || '=' || " .
		"coalesce(convert_from(value, 'UTF8'), '~'), ',') FROM $store WHERE version = v AND key ~~ '$prefix%'), '') " .
		"FROM (SELECT mvstore_put('$store', 'reverted', '$value') AS v OFFSET 0) t",
		store => $store, values => { reverted => $value }, revert => $transaction->{statements}[-1]);
}

# What writes no entry.
sub add_other
{
	my ($load, $transaction, $dice) = @_;
	my $store = some_store($dice);

	add($transaction, 'set', $dice->(2) ? "SELECT mvstore_sweep('$store')" : sprintf("SELECT mvstore_lock('%s', '%s')", $store, some_key($load, $dice)));
}

sub add_drop
{
	my ($load, $transaction, $dice) = @_;
	my ($store, $key, $keep) = (some_store($dice), some_key($load, $dice), 1 + $dice->($dice->(3) ? 4 : 12));
	my $before = $dice->(3) || !$load->{newest} ? undef : $load->{newest} - $dice->(2_000_000);
	my $options = "keep := $keep" . (defined $before ? ", before := $before" : '');
	my $what = $dice->(20);

	if ($what < 15)
	{
		add($transaction, 'drop', "SELECT mvstore_drop('$store', '$key', $options)", kind => 'drop',
			store => $store, key => $key, keep => $keep, before => $before);
	}
	elsif ($what < 17)
	{
		my $tens = $dice->(3);
		add($transaction, 'drop', "SELECT mvstore_drop_prefix('$store', 'k$tens', $options)", kind => 'prefix',
			store => $store, key => "k$tens", to => 'k' . ($tens + 1), keep => $keep, before => $before);
	}
	elsif ($what < 19)
	{
		my ($from, $to) = sort $key, some_key($load, $dice);
		add($transaction, 'drop', "SELECT mvstore_drop_range('$store', '$from', '$to', $options)", kind => 'range',
			store => $store, key => $from, to => $to, keep => $keep, before => $before);
	}
	else
	{
		add($transaction, 'drop', "SELECT mvstore_compact('$store', " . ($before // '9223372036854775807') . ')', kind => 'compaction',
			store => $store, key => '', to => undef, keep => 0, before => $before);
	}
}

# What is stable can be read, in a store that nobody truncates; and no floor is above it.
sub add_look
{
	my ($load, $transaction, $dice) = @_;
	my @never = untruncated();

	if ($dice->(4) == 0)
	{
		my ($store, $after) = (some_store($dice, @never), $load->{newest} - $dice->(200_000));
		add($transaction, 'changes', "SELECT chaos_changes('$store', $after)", store => $store, after => $after) if $after > 0;
		return;
	}
	if ($dice->(3))
	{
		my ($store, $key) = (some_store($dice, @never), some_key($load, $dice));
		add($transaction, 'look', "SELECT v || '=' || coalesce(mvstore_get('$store', '$key', v), '~') " .
			'FROM (SELECT mvstore_stable_version() AS v OFFSET 0) t', store => $store, key => $key);
		return;
	}
	add($transaction, 'floors', "SELECT string_agg(store || ' ' || floor || ' > ' || mvstore_stable_version(), ', ') FROM mvstore_store_stats " .
		"WHERE store::text = ANY ('{" . join(',', @never) . "}') AND floor > mvstore_stable_version()");
}

1;
