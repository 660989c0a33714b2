package Bench;

# What the benchmarks share. Each measures named ways of doing the same thing,
# all in one run on one server: several rounds, every other one in reverse
# order, so that what drifts meets all alike. A way is SQL; its time is taken
# by the server's clock, in the session that runs it.
#
# PGHOST, PGDATABASE, ... say where; the database is used up. ./dev bench makes one.

use strict;
use warnings;
use Exporter qw(import);
use IO::Select ();
use IPC::Open2 ();

our @EXPORT = qw(KEYS VERSIONS ROUNDS sql session seconds laps together make_keys rounds median report);

use constant {
	KEYS => $ENV{BENCH_KEYS} || 100_000,
	VERSIONS => $ENV{BENCH_VERSIONS} || 10,
	ROUNDS => $ENV{BENCH_ROUNDS} || 5,
};

$| = 1;

# Run SQL in a session of its own and return its output.
sub sql
{
	my ($sql) = @_;
	my $pid = IPC::Open2::open2(my $out, my $in, qw(psql -X -q -A -t -v ON_ERROR_STOP=1 -f -));
	print $in $sql;
	close $in;
	my $answer = do { local $/; <$out> };
	waitpid $pid, 0;
	die "bench: the server refused: see above\n" if $?;
	$answer =~ s/\s+\z//;
	return $answer;
}

# A session that stays: a function that runs SQL in it and returns its output.
sub session
{
	my $end = 'end of answer';
	IPC::Open2::open2(my $out, my $in, qw(psql -X -q -A -t -v ON_ERROR_STOP=1 -f -));
	return sub {
		my ($sql) = @_;
		my $answer = '';
		print $in "$sql\nSELECT '$end';\n";
		while (defined(my $line = <$out>))
		{
			return $answer =~ s/\s+\z//r if $line eq "$end\n";
			$answer .= $line;
		}
		die "bench: the server refused: see above\n";
	};
}

# Run SQL in a session of its own and return its seconds. $before is not timed.
sub seconds
{
	my ($sql, $before) = @_;
	return (laps($before, $sql))[0];
}

# The same for several pieces of SQL, one after the other: the seconds of each.
sub laps
{
	my ($before, @laps) = @_;
	my $clock = "\\o\nSELECT extract(epoch FROM clock_timestamp());\n\\o /dev/null\n";
	my @times = split /\n/, sql(join "\n", "\\o /dev/null", $before // '', 'CHECKPOINT;',
		$clock, map { $_, $clock } @laps);
	return map { $times[$_] - $times[ $_ - 1 ] } 1 .. $#times;
}

# Run pieces of SQL at the same time, each in a session of its own: the seconds
# from the first one's start to the last one's end. $meanwhile, if there is any,
# is called twice a second until then.
sub together
{
	my ($meanwhile, @pieces) = @_;
	my $clock = "\\o\nSELECT extract(epoch FROM clock_timestamp());\n\\o /dev/null\n";
	my @sessions;
	my %answer;
	sql('CHECKPOINT;');

	# All are connected before any of them begins.
	for my $piece (@pieces)
	{
		my $pid = IPC::Open2::open2(my $out, my $in, qw(psql -X -q -A -t -v ON_ERROR_STOP=1 -f -));
		print $in "SELECT 'here';\n";
		$in->flush;
		<$out>;
		push @sessions, { pid => $pid, in => $in, out => $out };
	}
	for my $n (0 .. $#pieces)
	{
		print { $sessions[$n]{in} } $clock, $pieces[$n], "\n", $clock;
		close $sessions[$n]{in};
	}
	my $reading = IO::Select->new(map { $_->{out} } @sessions);
	while ($reading->count)
	{
		for my $out ($reading->can_read(0.5))
		{
			$reading->remove($out)
			  if !sysread $out, $answer{$out}, 4096, length($answer{$out} // '');
		}
		$meanwhile->() if $meanwhile && $reading->count;
	}
	my (@starts, @ends);
	for my $session (@sessions)
	{
		waitpid $session->{pid}, 0;
		die "bench: the server refused: see above\n" if $?;
		my ($start, $end) = split /\n/, $answer{ $session->{out} };
		push @starts, $start;
		push @ends, $end;
	}
	return (sort { $b <=> $a } @ends)[0] - (sort { $a <=> $b } @starts)[0];
}

# The table "keys": so many keys, or KEYS, with a value each, in random order.
sub make_keys
{
	my ($count) = @_;
	sql(sprintf <<'SQL', $count // KEYS);
SET client_min_messages = error;
DROP TABLE IF EXISTS keys;
CREATE EXTENSION IF NOT EXISTS mvstore;
SELECT setseed(0.5) \g /dev/null
CREATE TABLE keys AS
SELECT convert_to('key:' || md5(n::text), 'UTF8') AS key,
	   convert_to(repeat(md5((-n)::text), 3), 'UTF8') AS value
  FROM generate_series(1, %d) n
 ORDER BY random();
VACUUM ANALYZE keys;
SQL
}

# rounds([name, function returning seconds] ...): name => [seconds of each round].
sub rounds
{
	my @ways = @_;
	my %seconds;
	for my $round (1 .. ROUNDS)
	{
		for my $way ($round % 2 ? @ways : reverse @ways)
		{
			print "\r\e[K  round $round of ${\ROUNDS}: $way->[0]" if -t STDOUT;
			push @{ $seconds{ $way->[0] } }, $way->[1]->();
		}
	}
	print "\r\e[K" if -t STDOUT;
	return %seconds;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return ($sorted[ $#sorted / 2 ] + $sorted[ @sorted / 2 ]) / 2;
}

# A table: per way the median, the range, the ratio of its median to the first
# way's, and the range of that ratio round by round. $convert turns seconds into
# what $unit says.
sub report
{
	my ($title, $unit, $convert, $names, %seconds) = @_;
	print "$title\n";
	printf "  %-44s %10s %22s %9s %16s\n", '', $unit, 'min .. max', 'to first', 'in a round';
	my @first;
	for my $name (@$names)
	{
		my @values = map { $convert->($_) } @{ $seconds{$name} };
		@first = @values unless @first;
		my $median = median(@values);
		my @ratios = map { $first[$_] ? $values[$_] / $first[$_] : 1 } 0 .. $#values;
		my $digits = $median < 100 ? 2 : 0;
		printf "  %-44s %10.*f %22s %8.2fx %16s\n", $name, $digits, $median,
		  span($digits, @values), $median / median(@first), span(2, @ratios);
	}
}

# The least and the greatest of some numbers.
sub span
{
	my ($digits, @numbers) = @_;
	return sprintf '%.*f .. %.*f', map { ($digits, $_) } (sort { $a <=> $b } @numbers)[ 0, -1 ];
}

1;
