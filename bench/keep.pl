# Keep: what it costs to keep one version of each key, drops and vacuum included, against
# an upsert of a one-row table, which keeps none: OVERWRITES of KEYS random keys by 8
# clients, and a fifth as many by one; commits are durable. The tables stay from round
# to round, as they do in use. Of what a round costs the server, all of its processes count, from
# the first overwrite until all is dropped and the table is vacuumed.

use strict;
use warnings;
use utf8;
use Bench;
use Load;
use Plot;
use Ways;

use constant {
	OVERWRITES => $ENV{BENCH_OVERWRITES} || 100_000,
	SVG => $ENV{BENCH_SVG} || 'bench-keep.svg',
};

my @ways = ways(qw(upsert keep));
my ($upsert, $keep) = @ways;
create_ways(@ways);

my %of;
for my $clients (8, 1)
{
	my $overwrites = $clients == 1 ? int(OVERWRITES / 5) : OVERWRITES;
	rounds(map {
		my $way = $_;
		[ "$clients clients, $way->{name}" => sub {
			push @{ $of{$clients}{ $way->{name} } }, measure($way, $clients, $overwrites);
			return 0;
		} ]
	} @ways);
}
my $left = sql("SELECT count(*) || ' of ' || count(DISTINCT key) FROM kept;");
die "bench: $left entries are left instead of one of each\n" if $left ne join ' of ', (KEYS) x 2;

# The values of a way's rounds.
sub each_round
{
	my ($clients, $way, $value) = @_;
	return [ map { $value->($_) } @{ $of{$clients}{ $way->{name} } } ];
}

my @columns = @column{qw(rate median p99 cpu wal records worker after)};
my $compared = 5;	# the columns up to this one are compared
binmode STDOUT, ':utf8';
printf "keep: %d keys, %d overwrites by 8 clients, %d by one, %d rounds; an overwrite costs the server:\n\n",
  KEYS, OVERWRITES, OVERWRITES / 5, ROUNDS;
for my $clients (8, 1)
{
	markdown([ "$clients client" . ($clients == 1 ? '' : 's'), map { $_->[0] } @columns ],
		(map {
			my $way = $_;
			[ $way->{name}, map { spread($_->[1], @{ each_round($clients, $way, $_->[2]) }) } @columns ]
		} @ways),
		[ 'ratio, round by round', map {
			my $column = $_;
			spread('%.2f', ratios(map { each_round($clients, $_, $column->[2]) } $keep, $upsert));
		} @columns[ 0 .. $compared ] ]);
}

my @drawn = map { my $clients = $_; map { [ $clients, $_ ] } @ways } 8, 1;
bars(SVG, sprintf('Overwrites of %d keys, durable: one version of each against none', KEYS),
	[ map { sprintf '%s (%d)', $_->[1]{name}, $_->[0] } @drawn ],
	map {
		my $column = $_;
		{ title => $column->[0], format => $column->[1], rows => [ map { each_round(@$_, $column->[2]) } @drawn ] }
	} @column{qw(rate p99 cpu wal)});
