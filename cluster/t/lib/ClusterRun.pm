# Records what many clients of a cluster do to a few keys, and what they are answered: each
# is a psql at the proxy that is sent one random call after the other. The clients run in a
# process of their own, so that servers can be moved and killed meanwhile; a client whose
# connection is lost connects again. ClusterCheck.pm judges.
#
# A log is { stores => { name => policy }, keys => [sorted], calls => [...], final => { store
# => { key => "version=value,..." } }, longest => { milliseconds => ms, call => its words } }. A call is
#	{ op, store, args, as_of, answer, state, message, began, ended, session, late }
# began and ended are places in one order: what ended before another began was answered
# before that was asked. state is '' where the client never heard; late: it was warned that a shard
# could not be told of its write.

package ClusterRun;

use strict;
use warnings;

use IO::Select;
use IPC::Open3 ();
use POSIX ();
use Storable ();
use Symbol ();
use PostgreSQL::Test::Utils;
use Time::HiRes 'time';

# How long no client may be answered, in seconds, before something hangs.
use constant { PATIENCE => 60, TURN => 0.05 };

# a keeps everything; b keeps two versions of a key.
my %STORES = (a => 0, b => 2);

# ---- Beside a test ----------------------------------------------------------

# Make the stores, and start the clients. Of %options: seed; sessions, keys: how many.
sub start
{
	my ($class, $cluster, %options) = @_;
	my $self = bless {
		sessions => 6, keys => 24, seed => int(rand(1_000_000)), %options,
		connect => $cluster->proxy->connstr('postgres'),
		file => PostgreSQL::Test::Utils::tempdir() . '/log',
	}, $class;

	for my $store (sort keys %STORES)
	{
		my $policy = $STORES{$store} ? ", keep_versions => $STORES{$store}" : '';
		$cluster->query("SELECT mvstore_create('$store'$policy)");
	}
	pipe($self->{progress}, my $tell) or die "pipe: $!";
	pipe(my $ended, $self->{end}) or die "pipe: $!";
	$self->{pid} = fork() // die "fork: $!";
	if (!$self->{pid})
	{
		close $_ for $self->{progress}, $self->{end};
		my $done = eval { run($self, $ended, $tell); 1 };
		print STDERR "# the clients have ended: $@" if !$done;
		POSIX::_exit($done ? 0 : 1);
	}
	close $_ for $tell, $ended;
	return $self;
}

# Wait until so many more calls have been answered without an error.
sub wait_for
{
	my ($self, $calls) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	my $select = IO::Select->new($self->{progress});

	# What was answered before this was called does not count.
	my $bytes;
	while ($select->can_read(0)) { sysread($self->{progress}, $bytes, 1_000_000) or last }
	while ($calls > 0)
	{
		my $left = $end - time();
		die "the clients do not go on\n" if $left <= 0;
		$select->can_read($left) or next;	# a process that was stopped meanwhile is interrupted
		$calls -= sysread($self->{progress}, $bytes, 1_000_000) || die "the clients have ended\n";
	}
	return;
}

# End the clients: the log, with what is there in the end, as the cluster says.
sub stop
{
	my ($self, $cluster) = @_;

	close $self->{end};
	my $select = IO::Select->new($self->{progress});
	1 while sysread($self->{progress}, my $bytes, 1_000_000);
	waitpid(delete $self->{pid}, 0);
	die "the clients have failed\n" if $?;
	my $log = Storable::retrieve($self->{file});
	my %late = late_writes($cluster->proxy);
	$_->{late} = 1 for grep { $_->{op} eq 'put_many' && $late{ $_->{args}[1][0] } } @{ $log->{calls} };
	for my $store (sort keys %STORES)
	{
		my $histories = $cluster->query(<<"SQL");
SELECT k, (SELECT string_agg(version || '=' || coalesce(value, '~'), ',' ORDER BY version) FROM mvstore_history('$store', k))
FROM unnest('{${\ join(',', @{ $log->{keys} })}}'::text[]) k
SQL
		$log->{final}{$store} = { map { split /\|/, $_, 2 } split /\n/, $histories };
	}
	return $log;
}

# The first values of writes of which the proxy has warned that a shard does not show them yet.
sub late_writes
{
	my ($proxy) = @_;
	my (%says, %late);

	for (split /\n/, slurp_file($proxy->logfile))
	{
		my ($pid, $line) = /^\S+ \S+ \S+ \[(\d+)\] (.*)/ or next;
		$says{$pid} = $1 if $line =~ /LOG:  statement: SELECT mvstore_put_many\('\w+', '[^']*'::text\[\], '\{([^,}]*)/;
		$late{ $says{$pid} // '' } = 1 if $line =~ /WARNING:  the write has happened, but shard/;
	}
	return %late;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;

	return if !$self->{pid};
	kill KILL => $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

# ---- The clients ------------------------------------------------------------

sub run
{
	my ($self, $ended, $tell) = @_;
	my $log = {
		stores => {%STORES}, calls => [], longest => { milliseconds => 0 },
		keys => [ map { sprintf 'k%02d', $_ } 1 .. $self->{keys} ],
	};
	my $run = { %$self, log => $log, order => 0, stable => [], versions => [] };
	my @sessions = map { { id => $_, serial => 0, random => $self->{seed} * 1000 + $_ } } 1 .. $self->{sessions};
	my ($more, $idle) = (1, 0);

	$SIG{PIPE} = 'IGNORE';
	dice($_, 2) for map { ($_) x 10 } @sessions;
	while ($more || grep { $_->{call} } @sessions)
	{
		$_->{call} || ($_->{later} // 0) > time() || ask($run, $_) for $more ? @sessions : ();
		my %by_handle = map { fileno($_->{out}) => $_ } grep { $_->{call} } @sessions;
		my @ready = IO::Select->new($more ? $ended : (), map { $_->{out} } values %by_handle)->can_read(TURN);
		# By turns, not by the clock, which goes on while a process is stopped.
		$idle = @ready ? 0 : $idle + TURN;
		for my $handle (@ready)
		{
			my $session = $by_handle{ fileno $handle };
			if (!$session) { $more = 0 }
			elsif (take($run, $session))
			{
				syswrite($tell, '.') if $session->{last}{state} eq '00000';
			}
		}
		die "no client is answered any more; waiting for: " . join(', ', map { $_->{call}{op} } grep { $_->{call} } @sessions) . "\n" if $idle > PATIENCE;
	}
	disconnect($_) for @sessions;
	Storable::store($log, $self->{file});
	return;
}

sub connect_session
{
	my ($run, $session) = @_;

	open(my $nowhere, '>', '/dev/null') or die "/dev/null: $!";
	$session->{buffer} = '';
	$session->{pid} = IPC::Open3::open3($session->{in} = Symbol::gensym(), $session->{out} = Symbol::gensym(),
		'>&' . fileno($nowhere), qw(psql -X -q -A -t -P null=~ -d), $run->{connect});
	$session->{in}->autoflush(1);
	return;
}

sub disconnect
{
	my ($session) = @_;

	return if !$session->{pid};
	close $session->{in};
	close $session->{out};
	waitpid delete $session->{pid}, 0;
	return;
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

# Send a session its next call.
sub ask
{
	my ($run, $session) = @_;
	my $call = make_call($run, $session);
	my $sql = delete $call->{sql};

	connect_session($run, $session) if !$session->{pid};
	@{$call}{qw(session began state message)} = ($session->{id}, ++$run->{order}, '', '');
	push @{ $run->{log}{calls} }, $call;
	@{$session}{qw(call asked)} = ($call, time());
	print { $session->{in} } "$sql;\n\\echo = :SQLSTATE\n\\echo :LAST_ERROR_MESSAGE\n\\echo .\n";
	return;
}

# Take what a session says. True: its call is over.
sub take
{
	my ($run, $session) = @_;
	my $call = $session->{call};
	my $read = sysread($session->{out}, $session->{buffer}, 65536, length $session->{buffer});

	if (!$read)
	{
		# The proxy is gone. Nobody knows what became of the call.
		disconnect($session);
	}
	elsif ($session->{buffer} =~ s/\A(?:(?!= \d)([^\n]*)\n)?= (\w{5})\n(.*?)\n?\.\n\z//s)
	{
		@{$call}{qw(answer state message)} = ($1, $2, $2 eq '00000' ? '' : $3);
	}
	else { return 0 }
	$call->{ended} = ++$run->{order};
	@{$session}{qw(last call)} = ($call, undef);
	my $took = int((time() - $session->{asked}) * 1000 + 0.5);
	$run->{log}{longest} = { milliseconds => $took, call => "$call->{op}, $call->{state}" }
	  if $took > $run->{log}{longest}{milliseconds};
	# Who finds a server down does not ask a thousand times a second.
	$session->{later} = time() + 0.05 if $call->{state} !~ /^(?:00000|40001|55000|72000)$/;
	return 1 if $call->{state} ne '00000';

	# Versions worth a read.
	remember($run->{stable}, $call->{answer}) if $call->{op} eq 'stable';
	remember($run->{versions}, $call->{answer}) if $call->{op} =~ /^(?:put|delete)/ && $call->{answer} =~ /^\d/;
	return 1;
}

sub remember
{
	my ($list, $version) = @_;

	push @$list, $version;
	splice(@$list, 0, 100) if @$list > 300;
	return;
}

# ---- Calls ------------------------------------------------------------------

# A random call: what it is to ClusterCheck, and its SQL.
sub make_call
{
	my ($run, $session) = @_;
	my $store = pick($session, [qw(a a b)]);
	my $what = dice($session, 100);

	return make_write($run, $session, $store) if $what < 45;
	return { op => 'stable', store => '', args => [], sql => 'SELECT mvstore_stable_version()' } if $what < 55;
	return make_read($run, $session, $store);
}

sub make_write
{
	my ($run, $session, $store) = @_;
	my $key = pick($session, $run->{log}{keys});
	my @values = map { join '.', $session->{id}, ++$session->{serial}, $_ } 1 .. 3;
	my $what = dice($session, 100);

	return { op => 'put', store => $store, args => [ $key, $values[0] ], sql => "SELECT mvstore_put('$store', '$key', '$values[0]')" } if $what < 50;
	return { op => 'delete', store => $store, args => [$key], sql => "SELECT mvstore_delete('$store', '$key')" } if $what < 60;
	if ($what < 75)
	{
		my $expected = @{ $run->{versions} } && dice($session, 3) ? $run->{versions}[-1] : 0;
		return { op => 'put_if', store => $store, args => [ $key, $values[0], $expected ],
			sql => "SELECT mvstore_put_if('$store', '$key', '$values[0]', $expected)" };
	}
	my %keys = map { pick($session, $run->{log}{keys}) => 1 } @values;
	my @keys = sort keys %keys;
	splice @values, @keys;
	return { op => 'put_many', store => $store, args => [ \@keys, \@values ],
		sql => sprintf("SELECT mvstore_put_many('%s', '{%s}'::text[], '{%s}'::text[])", $store, join(',', @keys), join(',', @values)) };
}

# A read of the present, or as of a version that was said to be stable, or one below that.
sub make_read
{
	my ($run, $session, $store) = @_;
	my @keys = @{ $run->{log}{keys} };
	my $key = pick($session, \@keys);
	my $stable = @{ $run->{stable} } && dice($session, 3) ? pick($session, dice($session, 2) ? [ $run->{stable}[-1] ] : $run->{stable}) : undef;
	$stable -= dice($session, 3) ? 0 : dice($session, 200_000) if defined $stable;
	my $as_of = defined $stable ? ", as_of => $stable" : '';
	my $what = dice($session, 100);
	my %read = (store => $store, as_of => $stable);

	return { %read, op => 'entry', args => [$key],
		sql => "SELECT string_agg(version || '=' || value, ',') FROM mvstore_get_entry('$store', '$key'$as_of)" } if $what < 40;
	return { %read, op => 'get', args => [$key], sql => "SELECT mvstore_get('$store', '$key'$as_of)" } if $what < 50;
	if ($what < 60)
	{
		my %some = map { pick($session, \@keys) => 1 } 1 .. 5;
		my @some = sort keys %some;
		return { %read, op => 'many', args => \@some, sql => "SELECT string_agg(key || '=' || coalesce(version || '=' || value, '~'), ',' ORDER BY key) "
			  . sprintf("FROM mvstore_get_many('%s', '{%s}'::text[]%s)", $store, join(',', @some), $as_of) };
	}
	return { %read, as_of => undef, op => 'history', args => [$key],
		sql => "SELECT string_agg(version || '=' || coalesce(value, '~'), ',' ORDER BY version) FROM mvstore_history('$store', '$key')" } if $what < 65;
	my ($from, $to) = sort map { pick($session, \@keys) } 1, 2;
	return { %read, op => 'count', args => [ $from, $to ],
		sql => "SELECT mvstore_count('$store', from_key => '$from', to_key => '$to'$as_of)" } if $what < 70;
	my $max = dice($session, 3) ? undef : 1 + dice($session, 5);
	my $reverse = dice($session, 2);
	return { %read, op => 'scan', args => [ $from, $to, $max, $reverse ],
		sql => "SELECT string_agg(key || '=' || version || '=' || value, ',' ORDER BY n) "
		  . sprintf("FROM mvstore_scan('%s', from_key => '%s', to_key => '%s'%s%s%s) ", $store, $from, $to, $as_of,
			defined $max ? ", max_rows => $max" : '', $reverse ? ', reverse => true' : '')
		  . 'WITH ORDINALITY AS r(key, version, value, expires_at, n)' };
}

1;
