# Random transactions of many sessions, in rounds of some seconds, each checked
# against a model: see t/lib/HistoryRun.pm and t/lib/HistoryCheck.pm. PGHOST, PGDATABASE, ...
# say where; the database is used up. ./dev history makes one, and a standby.
#
# --seconds N, --transactions N, --sessions N, --keys N, --seed S, --state FILE: see ./dev help.
# --standby CONNECTION: some read there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../t/lib";
use Getopt::Long;
use HistoryCheck;
use HistoryRun;
use Time::HiRes 'time';

# Long enough for histories to grow, short enough for all of it to be in memory.
use constant ROUND => 20;

$| = 1;
my %options = (seconds => 60, sessions => 8, keys => 6, seed => int(rand(1_000_000)));
my @names = qw(seconds=i transactions=i sessions=i keys=i seed=i state=s standby=s);
GetOptions(\%options, @names) && !@ARGV or die 'history: --' . join(', --', @names) . "\n";
my ($state, $standby) = delete @options{qw(state standby)};
my $most = delete $options{transactions};
my $end = $most ? undef : time() + $options{seconds};
printf "seed %d: %d sessions, %d keys, %s\n", @options{qw(seed sessions keys)}, $most ? "$most transactions" : "$options{seconds} seconds";

my ($round, $wrong, %total) = (0, 0, transactions => 0);
go_on() if $state && -e $state;
while (!$wrong && ($most ? $total{transactions} < $most : !$round || time() < $end - 1))
{
	my $seconds = $end && $end - time() < ROUND ? $end - time() : ROUND;
	my $seed = $options{seed} + $round++;
	my $log = record(%options, connection => [], standby => $standby ? [ '-d', $standby ] : undef, seed => $seed, seconds => $seconds < 1 ? 1 : $seconds);
	my ($problems, $counts) = check($log);
	my $line = sprintf "seed %d: %s, %d wrong\n", $seed, join(', ', map { "$counts->{$_} $_" } sort keys %$counts), scalar @$problems;

	$total{$_} += $counts->{$_} for keys %$counts;
	$wrong += @$problems;
	print "round $round, $line";
	print "    $_\n" for @$problems[ 0 .. ($#$problems < 19 ? $#$problems : 19) ];
	note_round($line) if $state;
}

printf "in all: %s\n", join ', ', map { "$total{$_} $_" } sort keys %total;
print $wrong ? "$wrong wrong\n" : "every answer is explained\n";
exit($wrong ? 1 : 0);


# Rounds that an earlier run has noted are not done again.
sub go_on
{
	open(my $file, '<', $state) or die "$state: $!";
	while (<$file>)
	{
		my ($seed, $counts, $problems) = /^seed (\d+): (.*), (\d+) wrong$/ or next;
		next if $seed < $options{seed};
		$round = $seed - $options{seed} + 1 if $seed - $options{seed} >= $round;
		$total{$2} += $1 while $counts =~ /(\d+) (\w+)/g;
		$wrong += $problems;
	}
}

sub note_round
{
	open(my $file, '>>', $state) or die "$state: $!";
	print $file $_[0];
}
