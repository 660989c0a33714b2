package Load;

# What benchmarks with clients share: transactions of pgbench and their latencies, what
# they cost the server in CPU time and WAL, and tables of Markdown to be pasted into doc/.
#
# A way of doing something is a hash:
#	name    what it is called
#	create  SQL that makes its tables and fills them
#	script  one transaction, in pgbench's language
#	beside  SQL to be run again and again during the load, with so many seconds of
#	        "pause" between two runs; it answers with a number if it found work
#	finish  SQL that ends what the load has begun: purges, drops, vacuum
# All durations are seconds, latencies are whole microseconds.

use strict;
use warnings;
use Bench;
use Exporter qw(import);
use File::Temp qw(tempdir);
use List::Util qw(max sum0);
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_load end_load load percentiles usage spent measure spread ratios markdown);

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
# were of each. $from and $to, times, choose the transactions that ended between them.
sub end_load
{
	my ($load, $from, $to) = @_;
	waitpid $load->{pid}, 0;
	my $output = do { local (@ARGV, $/) = "$load->{prefix}.out"; <> };
	die "bench: pgbench failed:\n$output" if $?;
	my ($rate) = $output =~ /^tps = ([\d.]+)/m;
	my %load = (count => 0, rate => $rate, latencies => {});
	for my $file (glob "$load->{prefix}.log*")
	{
		open my $log, '<', $file or die "bench: $file: $!\n";
		while (my $line = <$log>)
		{
			my (undef, undef, $latency, undef, $seconds, $fraction) = split ' ', $line;
			next if defined $from && $seconds + $fraction / 1e6 < $from;
			next if defined $to && $seconds + $fraction / 1e6 > $to;
			next if $latency !~ /^\d+$/;
			$load{latencies}{$latency}++;
			$load{count}++;
		}
		close $log;
		unlink $file;
	}
	return \%load;
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
		my $session = session();
		while (!$ended)
		{
			my $start = time;
			my $found = $session->($way->{beside});
			sleep max(0, $start + $way->{pause} - time) if !$ended && ($way->{regular} || !$found);
		}
		$session->('\q');
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
	return ($fields[1], ($fields[11] + $fields[12]) / TICKS, ($fields[13] + $fields[14]) / TICKS);
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

my $postmaster;
my $inspects;

# What the server has used so far: CPU seconds, and its place in the WAL.
sub usage
{
	$postmaster //= sql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1);");
	my %usage;
	$usage{lsn} = sql("SELECT pg_logical_emit_message(true, 'bench', '') \\g /dev/null\nSELECT pg_current_wal_flush_lsn();");
	@usage{qw(cpu worker)} = cpu($postmaster);
	return \%usage;
}

# What was used from one look to another: {cpu}, {worker}, {wal} bytes, {pages}: of these,
# images of whole pages, of which there is one for each page in use after a checkpoint.
sub spent
{
	my ($from, $to) = @_;
	if (!defined $inspects)
	{
		$inspects = sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_walinspect';");
		sql('CREATE EXTENSION IF NOT EXISTS pg_walinspect;') if $inspects;
	}
	my %spent = map { $_ => $to->{$_} - $from->{$_} } qw(cpu worker);
	$spent{wal} = sql("SELECT pg_wal_lsn_diff('$to->{lsn}', '$from->{lsn}');");
	$spent{pages} = $inspects
	  ? sql("SELECT sum(fpi_size) FROM pg_get_wal_stats('$from->{lsn}', '$to->{lsn}');") : undef;
	return \%spent;
}

# Run a way with so many clients and transactions altogether, up to its finish: what
# load() and spent() give, and {after}, the CPU seconds after the last transaction.
sub measure
{
	my ($way, $clients, $transactions) = @_;
	sql('CHECKPOINT;');
	my $before = usage();
	my $end_beside = start_beside($way);
	my $load = load($way->{script}, '-c', $clients, '-j', $clients, '-t', int($transactions / $clients) || 1);
	$end_beside->();
	my $loaded = usage();
	sql($way->{finish}) if $way->{finish};
	my $finished = usage();
	return { %$load, %{ spent($before, $finished) }, after => $finished->{cpu} - $loaded->{cpu} };
}

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
