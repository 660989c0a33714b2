package Etcd;

# A private etcd, and a client of it: no more than the benchmark of peers wants. It speaks
# gRPC over a Unix socket as etcd's own clients do, one call at a time, with what HTTP/2
# and protocol buffers need for that written out; so that what is measured is etcd.

use strict;
use warnings;
use IO::Socket::UNIX ();
use Load ();
use POSIX ();
use Time::HiRes qw(sleep time);

# ---- The server ------------------------------------------------------------

my %running;
my $owner = $$;
END { local $?; stop($_) for $$ == $owner ? values %running : () }

# Start the program in a directory of its own; commits go to the disk, as they do by default.
sub start
{
	my ($program, $directory) = @_;
	mkdir $directory or die "bench: $directory: $!\n";
	my $pid = fork // die "bench: fork: $!\n";
	if (!$pid)
	{
		# The names of hosts are those of the sockets, in the current directory.
		chdir $directory or die "bench: $directory: $!\n";
		open STDOUT, '>', 'log';
		open STDERR, '>&', \*STDOUT;
		exec($program, '--data-dir=data', '--logger=zap', '--log-outputs=stderr',
			map({ "--$_-client-urls=unix://client:1" } qw(listen advertise)),
			map({ "--$_-peer-urls=unix://peer:1" } qw(listen initial-advertise)),
			'--initial-cluster=default=unix://peer:1')
		  or die "bench: $program: $!\n";
	}
	my $server = { pid => $pid, socket => "$directory/client:1" };
	$running{$pid} = $server;
	$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
	my $deadline = time + 30;
	until (-S $server->{socket} && eval { connect_to($server)->call(Range => "\x0a\x01x"); 1 })
	{
		if (time > $deadline || waitpid($pid, POSIX::WNOHANG()) > 0)
		{
			die "bench: etcd did not start, see $directory/log: $@\n";
		}
		sleep 0.05;
	}
	return $server;
}

sub stop
{
	my ($server) = @_;
	kill TERM => $server->{pid};
	waitpid $server->{pid}, 0;
	delete $running{ $server->{pid} };
}

# ---- HTTP/2 and gRPC -------------------------------------------------------

my %type = (data => 0, headers => 1, reset => 3, settings => 4, ping => 6, goaway => 7, window => 8);

sub frame
{
	my ($type, $flags, $stream, $payload) = @_;
	return substr(pack('N', length $payload), 1) . pack('CCN', $type{$type}, $flags, $stream) . $payload;
}

sub connect_to
{
	my ($server) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $server->{socket}) or die "no connection: $!\n";
	binmode $socket;
	my $self = bless { socket => $socket, stream => -1, read => '' };

	# All that will ever be received is allowed at once.
	$self->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(settings => 0, 0, '') . frame(window => 0, 0, pack 'N', 2**31 - 65536));
	return $self;
}

sub send
{
	my ($self, $bytes) = @_;
	while (length $bytes)
	{
		my $sent = syswrite $self->{socket}, $bytes;
		die "etcd: $!\n" if !defined $sent;
		substr $bytes, 0, $sent, '';
	}
}

# The next frame: type, flags, stream, payload.
sub receive
{
	my ($self) = @_;
	my $length = 9;
	while (1)
	{
		if (length $self->{read} >= 9)
		{
			$length = 9 + unpack 'N', "\0" . substr $self->{read}, 0, 3;
			last if length $self->{read} >= $length;
		}
		sysread($self->{socket}, $self->{read}, 65536, length $self->{read}) or die "etcd closed the connection\n";
	}
	my $frame = substr $self->{read}, 0, $length, '';
	return (unpack('x3 C C N', $frame), substr $frame, 9);
}

# Call a method of etcd's service KV, or of another one: the answer's message.
sub call
{
	my ($self, $method, $message, $service) = @_;
	my $path = '/etcdserverpb.' . ($service // 'KV') . "/$method";

	# Headers by their number in HPACK's table where they have one; none is compressed.
	my $headers = join '', "\x83\x86",    # POST, http
	  map({ $_->[0] . pack 'C/a*', $_->[1] } [ "\x04", $path ], [ "\x01", 'bench' ],
		[ "\x0f\x10", 'application/grpc' ]),
	  "\x00" . pack 'C/a* C/a*', 'te', 'trailers';
	my $stream = $self->{stream} += 2;
	$self->send(frame(headers => 0x4, $stream, $headers) . frame(data => 0x1, $stream, pack 'C N/a*', 0, $message));

	my $answer = '';
	while (1)
	{
		my ($type, $flags, $of, $payload) = $self->receive;
		if ($type == $type{settings} || $type == $type{ping})
		{
			$self->send(frame($type == $type{ping} ? 'ping' : 'settings', 0x1, 0, $type == $type{ping} ? $payload : '')) if !($flags & 0x1);
		}
		elsif ($type == $type{reset} || $type == $type{goaway}) { die "etcd refused $method\n" }
		elsif ($of == $stream)
		{
			$answer .= $payload if $type == $type{data};
			last if $flags & 0x1;
		}
	}

	# A call that fails has no message.
	die "etcd refused $method\n" if length $answer < 5;
	return substr $answer, 5;
}

# ---- Messages --------------------------------------------------------------

sub varint
{
	my ($number) = @_;
	return pack 'w', $number if $number < 128;
	my $bytes = '';
	for (; $number >= 128; $number >>= 7) { $bytes .= chr($number & 127 | 128) }
	return $bytes . chr $number;
}

sub bytes { my ($field, $value) = @_; return chr($field << 3 | 2) . varint(length $value) . $value }
sub number { my ($field, $value) = @_; return chr($field << 3) . varint($value) }

# The fields of a message: number => the last value, bytes or a number.
sub fields
{
	my ($message) = @_;
	my $next = sub {
		my ($value, $shift) = (0, 0);
		while (length $message)
		{
			my $byte = ord substr $message, 0, 1, '';
			$value |= ($byte & 127) << $shift;
			return $value if $byte < 128;
			$shift += 7;
		}
		return $value;
	};
	my %fields;
	while (length $message)
	{
		my $tag = $next->();
		my $value = $next->();
		$value = substr $message, 0, $value, '' if ($tag & 7) == 2;
		$fields{ $tag >> 3 } = $value;
	}
	return \%fields;
}

sub put_message { my ($key, $value) = @_; return bytes(1, $key) . bytes(2, $value) }

sub put { my ($self, $key, $value) = @_; return $self->call(Put => put_message($key, $value)) }

# Put up to a hundred in one transaction, [key, value] each: what a frame has room for.
sub put_many
{
	my ($self, @puts) = @_;
	$self->call(Txn => join '', map { bytes(2, bytes(2, put_message(@$_))) } @puts);
}

# The value of a key as of a revision; undef: there is none.
sub get
{
	my ($self, $key, $revision) = @_;
	my $kv = fields($self->call(Range => bytes(1, $key) . number(4, $revision)))->{2} // return undef;
	return fields($kv)->{5};
}

sub revision { my ($self) = @_; return fields(fields($self->call(Range => bytes(1, 'x')))->{1})->{3} }

# Remove what is older than the newest of each key, and wait until that is done.
sub compact { my ($self) = @_; $self->call(Compact => number(1, $self->revision) . number(2, 1)) }

# Bytes of its file.
sub size { my ($self) = @_; return fields($self->call(Status => '', 'Maintenance'))->{3} }

# ---- As a way of overwriting: see Load.pm ----------------------------------

# Call a function of a connection so many times by each of so many clients at once: as
# load() does with pgbench.
sub load
{
	my ($server, $clients, $count, $call) = @_;
	my (@outputs, @pids);
	for my $client (1 .. $clients)
	{
		pipe my $out, my $in or die "bench: pipe: $!\n";
		push @outputs, $out;
		my $pid = fork // die "bench: fork: $!\n";
		push @pids, $pid;
		next if $pid;
		my $ended = eval {
			srand $client + $$;
			my $connection = connect_to($server);
			my $start = time;
			my $last = $start;
			my @latencies;
			for (1 .. $count / $clients)
			{
				$call->($connection);
				my $now = time;
				push @latencies, int(($now - $last) * 1e6);
				$last = $now;
			}
			print $in pack 'F F L*', $start, $last, @latencies;
			close $in;
		};
		print STDERR $@ if !$ended;
		POSIX::_exit($ended ? 0 : 1);
	}
	my ($first, $last);
	my %load = (count => 0, latencies => {});
	for my $out (@outputs)
	{
		my ($start, $end, @latencies) = unpack 'F F L*', do { local $/; <$out> };
		$first = $start if !defined $first || $start < $first;
		$last = $end if !defined $last || $end > $last;
		$load{latencies}{$_}++ for @latencies;
		$load{count} += @latencies;
	}
	waitpid $_, 0 for @pids;
	die "bench: a client of etcd failed\n" if $load{count} != int($count / $clients) * $clients;
	return { %load, rate => $load{count} / ($last - $first) };
}

# Keys of etcd in a directory, compacted at the end of each load.
sub way
{
	my ($program, $directory, $keys) = @_;
	my $server = start($program, $directory);
	my $connection = connect_to($server);
	my $key = sub { 'key:' . (1 + int rand $keys) };
	return {
		id => 'etcd',
		name => 'etcd, compacted after the load',
		create => sub {
			for (my $n = 1; $n <= $keys; $n += 100)
			{
				put_many($connection, map { [ "key:$_", substr $_ . 'x' x 100, 0, 100 ] } $n .. $n + 99);
			}
		},
		load => sub {
			my ($clients, $count) = @_;
			return load($server, $clients, $count,
				sub { put($_[0], $key->(), substr int(rand 1e9) . 'x' x 100, 0, 100) });
		},
		usage => sub { { cpu => (Load::cpu($server->{pid}))[0], worker => 0 } },
		finish => sub { compact($connection) },
		size => sub { size($connection) },
		now => sub { revision($connection) },
		past => sub {
			my ($reads, $revision) = @_;
			return load($server, 1, $reads, sub { get($_[0], $key->(), $revision) // die "etcd has no such key\n" });
		},
	};
}

1;
