# Random transactions of many sessions, in rounds of some seconds, each checked
# against a model: see t/lib/HistoryRun.pm and t/lib/HistoryCheck.pm. PGHOST, PGDATABASE, ...
# say where; the database is used up. ./dev history makes one.
#
# --seconds N, --sessions N, --keys N, --seed S: see ./dev help.

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
GetOptions(\%options, 'seconds=i', 'sessions=i', 'keys=i', 'seed=i') && !@ARGV
  or die "history: --seconds N, --sessions N, --keys N, --seed S\n";
printf "seed %d: %d sessions, %d keys, %d seconds\n", @options{qw(seed sessions keys seconds)};

my $end = time() + $options{seconds};
my ($round, $wrong, %total) = (0, 0);
do
{
	my $seconds = $end - time() < ROUND ? $end - time() : ROUND;
	my $seed = $options{seed} + $round++;
	my $log = record(%options, connection => [], seed => $seed, seconds => $seconds < 1 ? 1 : $seconds);
	my ($problems, $counts) = check($log);

	$total{$_} += $counts->{$_} for keys %$counts;
	$wrong += @$problems;
	printf "round %d, seed %d: %s\n", $round, $seed, join ', ', map { "$counts->{$_} $_" } sort keys %$counts;
	print "    $_\n" for @$problems[ 0 .. ($#$problems < 19 ? $#$problems : 19) ];
} while (time() < $end - 1 && !$wrong);

printf "in all: %s\n", join ', ', map { "$total{$_} $_" } sort keys %total;
print $wrong ? "$wrong wrong\n" : "every answer is explained\n";
exit($wrong ? 1 : 0);
