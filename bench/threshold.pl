# Threshold: how many entries of one key a scan should step over before it seeks
# the next key. Full scans of stores of ENTRIES entries each, 1 to 1,000 of a key.
#
# ./dev compiles the setting vacuum_cost_page_hit in for the constant in
# src/store/entry.c: nothing else in a scan reads it, and every session can set it. So
# one server serves for all thresholds. It is an argument: NAME=SOCKET-DIRECTORY.

use strict;
use warnings;
use Bench;

use constant ENTRIES => $ENV{BENCH_ENTRIES} || 1_000_000;

# 10,000, more entries than any key has, stands for "never".
my @thresholds = (0, 4, 8, 16, 24, 32, 64, 128, 10_000);
my @versions = grep { $_ <= ENTRIES } 1, 5, 10, 20, 30, 50, 100, 200, 1000;

$ENV{PGHOST} = (split /=/, $ARGV[0] // die "bench: which server? ./dev bench threshold\n", 2)[1];

sub name { return $_[0] == 10_000 ? 'never' : "after $_[0]" }

# Stores of each number of versions, which the server has read once.
sub fill
{
	for my $versions (@versions)
	{
		my $pass = "SELECT count(mvstore_put_raw('store$versions', key, value)) FROM keys \\g /dev/null\n";
		make_keys(ENTRIES / $versions);
		sql(<<"SQL" . $pass x $versions . "VACUUM ANALYZE store$versions;\n");
SET client_min_messages = error;
SET synchronous_commit = off;
DROP TABLE IF EXISTS store$versions;
SELECT mvstore_create('store$versions') \\g /dev/null
SQL
	}
}

# Measure one kind of scan, and print the medians as a table.
sub measure
{
	my ($title, %options) = @_;
	my (%median, %spread);
	for my $versions (@versions)
	{
		my $as_of = $options{middle} ? sql(sprintf <<'SQL', $versions, $versions / 2) : undef;
SELECT ', as_of => ' || version FROM (SELECT DISTINCT version FROM store%d) v
 ORDER BY version OFFSET %d LIMIT 1;
SQL
		my $scan = sprintf "SELECT count(*) FROM mvstore_scan_raw('store%d'%s%s);\n", $versions,
		  $as_of // '', $options{reverse} ? ', reverse => true' : '';
		my $keys = sql($scan);
		die "bench: $keys keys of $versions versions\n" if $keys != int(ENTRIES / $versions);
		my %seconds = rounds(map {
			my $threshold = $_;
			[ $threshold => sub { seconds($scan, "SET vacuum_cost_page_hit = $threshold;\n") } ]
		} @thresholds);
		for my $threshold (@thresholds)
		{
			my ($low, $high) = (sort { $a <=> $b } @{ $seconds{$threshold} })[ 0, -1 ];
			my $cell = $median{$versions}{$threshold} = median(@{ $seconds{$threshold} });
			my $spread = 100 * ($high - $low) / $cell;
			$spread{$versions} = $spread if $spread > ($spread{$versions} // 0);
		}
	}
	printf "threshold: %s, %d entries, %d rounds, ms\n", $title, ENTRIES, ROUNDS;
	printf "  %-22s %s\n", 'versions of a key', join '', map { sprintf '%9d', $_ } @versions;
	for my $threshold (@thresholds)
	{
		printf "  seek %-17s %s\n", name($threshold),
		  join '', map { sprintf '%9.1f', $median{$_}{$threshold} * 1e3 } @versions;
	}
	printf "  %-22s %s\n", 'range up to', join '', map { sprintf '%8.0f%%', $spread{$_} } @versions;
}

fill();
measure('newest');
measure('newest, downwards', reverse => 1);
measure('as of the middle', middle => 1);
