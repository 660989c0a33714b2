package Load;

# What benchmarks with clients share: transactions of pgbench and their latencies, what
# they cost the server in CPU time and WAL, and tables of Markdown to be pasted into doc/.
#
# A way of doing something is a hash:
#	name    what it is called
#	create  SQL that makes its tables and fills them
#	script  one transaction, in pgbench's language
#	beside  SQL to be run again and again during the load: every "pause" seconds if it is
#	        "regular", else it answers how much it found to do, and pauses after nothing
#	finish  SQL that ends what the load has begun: purges, drops, vacuum
# For what is no PostgreSQL, create, beside and finish can be functions, and there are two more:
#	load    function of the number of clients and of transactions, as load() below
#	usage   function that returns what has been used so far, as usage() below
# All durations are seconds, latencies are whole microseconds.

use strict;
use warnings;
use utf8;
use Bench;
use Exporter qw(import);
use File::Temp qw(tempdir);
use List::Util qw(max sum0);
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(%column start_load end_load load percentiles perform usage cpu queued spent measure spread ratios markdown);

my $logs = tempdir('bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $loads = 0;

# ---- The load --------------------------------------------------------------

# Start pgbench with a script; @options are its own (-c, -t, -T, -R ...).
sub start_load
{
	my ($script, @options) = @_;
	my $load = { prefix => "$logs/" . ++$loads };
	open my $file, '>', "$load->{prefix}.sql" or die "bench: $load->{prefix}.sql: $!\n";
	print $file "$script\n";
	close $file;
	$load->{start} = time;
	$load->{pid} = fork // die "bench: fork: $!\n";
	return $load if $load->{pid};
	open STDOUT, '>', "$load->{prefix}.out";
	open STDERR, '>&', \*STDOUT;
	exec(qw(pgbench -n -M prepared -f), "$load->{prefix}.sql", '-l', "--log-prefix=$load->{prefix}.log", @options)
	  or POSIX::_exit(127);
}

# Wait for its end and read its log: {count}, {rate} a second, {latencies}: how many there
# were of each. With times: end it now, and give that for each span between two of them,
# by the transactions that ended in it.
sub end_load
{
	my ($load, @times) = @_;
	kill TERM => $load->{pid} if @times;
	waitpid $load->{pid}, 0;
	my $output = do { local (@ARGV, $/) = "$load->{prefix}.out"; <> } // '';
	die "bench: pgbench failed:\n$output" if $? && !(@times && ($? & 127) == POSIX::SIGTERM());
	my @spans = map { { count => 0, latencies => {} } } 1 .. (@times ? $#times : 1);
	($spans[0]{rate}) = $output =~ /^tps = ([\d.]+)/m;
	for my $file (glob "$load->{prefix}.log*")
	{
		open my $log, '<', $file or die "bench: $file: $!\n";
		while (my $line = <$log>)
		{
			# What was killed has written half a line at last.
			my ($latency, $time, $fraction) = $line =~ /^\d+ \d+ (\d+) \d+ (\d+) (\d+)/ or next;
			$time += $fraction / 1e6;
			my $n = 0;
			if (@times)
			{
				$n++ while $n < @times && $time >= $times[$n];
				next if $n-- == 0 || $n == @spans;
			}
			$spans[$n]{latencies}{$latency}++;
			$spans[$n]{count}++;
		}
		close $log;
		unlink $file;
	}
	return @times ? @spans : $spans[0];
}

sub load { return end_load(start_load(@_)) }

# Percentiles, in ms, of counted latencies: the least that so many are at or below.
sub percentiles
{
	my ($count, @percent) = @_;
	my @latencies = sort { $a <=> $b } keys %$count;
	my $total = sum0(values %$count);
	my $seen = 0;
	my $next = 0;
	return map {
		my $wanted = $_ / 100 * $total;
		$seen += $count->{ $latencies[ $next++ ] } while $seen < $wanted;
		$latencies[ $next - 1 ] / 1000;
	} @percent;
}

# Run what a way is made of: SQL, or a function. undef, and nothing done: there is none.
sub perform
{
	my ($what) = @_;
	return undef if !defined $what;
	return ref $what ? $what->() : sql($what);
}

# Run $way->{beside} in a process of its own until the function returned is called.
sub start_beside
{
	my ($way) = @_;
	return sub { } if !$way->{beside};
	my $pid = fork // die "bench: fork: $!\n";
	if (!$pid)
	{
		my $ended = 0;
		local $SIG{TERM} = sub { $ended = 1 };
		my $session = ref $way->{beside} ? $way->{beside} : session();
		while (!$ended)
		{
			my $found = $session->($way->{beside});
			sleep $way->{pause} if !$ended && ($way->{regular} || !$found);
		}
		POSIX::_exit(0);
	}
	return sub {
		kill TERM => $pid;
		waitpid $pid, 0;
		die "bench: what ran beside the load failed\n" if $?;
	};
}

# ---- What it costs ---------------------------------------------------------

use constant TICKS => POSIX::sysconf(POSIX::_SC_CLK_TCK());

# Of a process: its parent, its CPU seconds, and those of its children that have ended.
sub process
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/stat" or return;
	my @fields = split ' ', (<$file> // return) =~ s/^.*\) //sr;
	my $own = ($fields[11] + $fields[12]) / TICKS;

	# In ns, but only that of the first thread.
	if ($fields[17] == 1 && open my $exact, '<', "/proc/$pid/schedstat")
	{
		my ($ran) = split ' ', <$exact> // '';
		$own = $ran / 1e9 if $ran;
	}
	return ($fields[1], $own, ($fields[13] + $fields[14]) / TICKS);
}

sub title
{
	open my $file, '<', "/proc/$_[0]/cmdline" or return '';
	return <$file> // '';
}

# The CPU seconds of a process and its children, whether they still run or not; and of
# these, those of mvstore's workers that still run.
sub cpu
{
	my ($parent) = @_;
	my (undef, $own, $ended) = process($parent);
	my ($running, $workers) = (0, 0);
	for my $pid (map { m{(\d+)} } glob '/proc/[0-9]*')
	{
		my ($its_parent, $cpu) = process($pid);
		next if !defined $its_parent || $its_parent != $parent;
		$running += $cpu;
		$workers += $cpu if title($pid) =~ /mvstore/;
	}

	# One that ended meanwhile has been counted twice, or not at all.
	return cpu($parent) if (process($parent))[2] != $ended;
	return ($own + $ended + $running, $workers);
}

# Seconds that the server's sessions, pgbench's only, have waited for a processor while they could run.
sub queued
{
	my $queued = 0;
	for my $pid (map { m{(\d+)} } glob '/proc/[0-9]*')
	{
		next if title($pid) !~ /^postgres: .* $ENV{PGDATABASE} \[local\]/;
		open my $file, '<', "/proc/$pid/schedstat" or next;
		$queued += ((split ' ', <$file> // '')[1] // 0) / 1e9;
	}
	return $queued;
}

my $postmaster;
my $inspects;

# PGHOST is another one from now on.
sub another_server { undef $postmaster }

# What the server has used so far: CPU seconds, and its place in the WAL.
sub usage
{
	$postmaster //= sql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1);");
	my %usage;
	$usage{lsn} = sql("SELECT pg_logical_emit_message(true, 'bench', '') \\g /dev/null\nSELECT pg_current_wal_flush_lsn();");
	@usage{qw(cpu worker)} = cpu($postmaster);
	return \%usage;
}

# What was used from one look to another: {cpu}, {worker}; if there is a WAL, its bytes
# {wal} and, of these, {pages}: images of whole pages, one for each page in use after a
# checkpoint. Of several pairs of looks, the sum.
sub spent
{
	my ($from, $to, @more) = @_;
	my %spent = map { $_ => $to->{$_} - $from->{$_} } qw(cpu worker);
	if ($to->{lsn})
	{
		$inspects //= sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_walinspect';");
		sql("SET client_min_messages = error;\nCREATE EXTENSION IF NOT EXISTS pg_walinspect;") if $inspects;
		$spent{wal} = sql("SELECT pg_wal_lsn_diff('$to->{lsn}', '$from->{lsn}');");
		$spent{pages} = sql("SELECT coalesce(sum(fpi_size), 0) FROM pg_get_wal_stats('$from->{lsn}', '$to->{lsn}');")
		  if $inspects && $spent{wal};
	}
	if (@more)
	{
		my $rest = spent(@more);
		$spent{$_} += $rest->{$_} // 0 for keys %spent;
	}
	return \%spent;
}

# Run a way with so many clients and transactions altogether, up to its finish, and before
# that, once the load is over and not counted, a function: what load() and spent() give,
# and {after}, the CPU seconds of the finish.
sub measure
{
	my ($way, $clients, $transactions, $between) = @_;
	my $look = $way->{usage} // \&usage;
	my $each = int($transactions / $clients) || 1;
	sql('CHECKPOINT;');
	my $before = $look->();
	my $end_beside = start_beside($way);
	my $load = $way->{load} ? $way->{load}->($clients, $each * $clients)
	  : load($way->{script}, '-c', $clients, '-j', $clients, '-t', $each);
	$end_beside->();
	my $loaded = $look->();
	my $resumed = $between ? do { $between->(); $look->() } : $loaded;
	perform($way->{finish});
	my $finished = $look->();
	return { %$load, %{ spent($before, $loaded, $resumed, $finished) }, after => $finished->{cpu} - $resumed->{cpu} };
}

# Columns of tables about measure()'s results: title, format, function.
sub per
{
	my ($what) = @_;
	return sub { defined $_[0]{$what} ? $_[0]{$what} / $_[0]{count} : undef };
}
our %column = (
	rate => [ 'overwrites/s', '%.0f', sub { $_[0]{rate} } ],
	median => [ 'p50, ms', '%.2f', sub { (percentiles($_[0]{latencies}, 50))[0] } ],
	p99 => [ 'p99, ms', '%.2f', sub { (percentiles($_[0]{latencies}, 99))[0] } ],
	cpu => [ 'CPU, µs', '%.1f', sub { per('cpu')->(@_) * 1e6 } ],
	worker => [ 'CPU of the worker', '%.1f', sub { per('worker')->(@_) * 1e6 } ],
	after => [ 'CPU after the load', '%.1f', sub { per('after')->(@_) * 1e6 } ],
	wal => [ 'WAL, bytes', '%.0f', per('wal') ],
	records => [ 'without images of pages', '%.0f', sub {
		defined $_[0]{pages} ? ($_[0]{wal} - $_[0]{pages}) / $_[0]{count} : undef
	} ],
);

# ---- What comes out --------------------------------------------------------

# A median and its range in a printf format: "1.15 (1.10-1.21)".
sub spread
{
	my ($format, @values) = @_;
	@values = sort { $a <=> $b } grep { defined } @values;
	return '' if !@values;
	return sprintf $format, @values if @values == 1;
	return sprintf "$format ($format-$format)", median(@values), @values[ 0, -1 ];
}

# The ratios of values to those of the same rounds.
sub ratios
{
	my ($values, $firsts) = @_;
	return map { $firsts->[$_] ? $values->[$_] / $firsts->[$_] : undef } 0 .. $#$values;
}

# A table of Markdown: a row of titles, rows of cells. All but the first column to the right.
sub markdown
{
	my @rows = @_;
	my @widths = map { my $column = $_; max(3, map { length($_->[$column] // '') } @rows) } 0 .. $#{ $rows[0] };
	my $line = sub {
		my ($row) = @_;
		print '|', map({ sprintf $_ ? ' %*s |' : ' %-*s |', $widths[$_], $row->[$_] // '' } 0 .. $#widths), "\n";
	};
	$line->(shift @rows);
	print '|', map({ $_ ? '-' x ($widths[$_] + 1) . ':|' : '-' x ($widths[$_] + 2) . '|' } 0 .. $#widths), "\n";
	$line->($_) for @rows;
	print "\n";
}

1;
