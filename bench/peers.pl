# Peers: what a user would take for overwrites, with a past and without: OVERWRITES of KEYS
# random keys of 100 bytes by 8 clients, and a fifth as many by one, in each of some
# rounds; commits are durable. The tables stay from round to round, as they do in use. Of
# what a round costs the server, all of its processes count, from the first overwrite
# until all is purged and vacuumed. After each load READS random keys are read as of the
# time before it, where there is a past. What each way promises is said in doc/benchmarks.md.
#
# pgq and periods are measured where the server has them, etcd where there is a program
# BENCH_ETCD. Its client is Etcd.pm, which takes 60 to 90 us of the machine's CPU time for
# a call, more than pgbench does: no CPU time of the server, but time that it lacks.

use strict;
use warnings;
use utf8;
use Bench;
use Etcd;
use Load;
use Plot;
use Ways;
use File::Temp qw(tempdir);

use constant {
	OVERWRITES => $ENV{BENCH_OVERWRITES} || 100_000,
	READS => $ENV{BENCH_READS} || 20_000,
	SVG => $ENV{BENCH_SVG} || 'bench-peers.svg',
};
my @clients = (8, 1);

my @ways = ways(qw(upsert keep purged queue pgq));
my $directory = tempdir('etcd.XXXXXX', TMPDIR => 1, CLEANUP => 1);
if ($ENV{BENCH_ETCD}) { push @ways, Etcd::way($ENV{BENCH_ETCD}, "$directory/etcd", KEYS) }
else { print STDERR "Left out, as there is no program: etcd\n" }
push @ways, ways(qw(all versions trigger periods));
create_ways(@ways);

# Read as of a point in the past: microseconds a read.
sub read_past
{
	my ($way, $point) = @_;
	my $load = ref $way->{past} ? $way->{past}->(READS, $point)
	  : load(sprintf($way->{past}, $point), '-c', 1, '-t', READS);
	return 1e6 / $load->{rate};
}

sub size
{
	my ($way) = @_;
	return perform($way->{size} // "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relkind IN ('r', 'S') AND ($way->{tables});");
}

my $written = 0;
rounds(map {
	my $way = $_;
	[ $way->{name} => sub {
		for my $clients (@clients)
		{
			my $point = perform($way->{now});
			my $read = sub { push @{ $way->{reads} }, read_past($way, $point) };
			push @{ $way->{of}{$clients} }, measure($way, $clients, $clients == 1 ? OVERWRITES / 5 : OVERWRITES,
				defined $point && $clients > 1 ? $read : undef);
		}
		return 0;
	} ]
} @ways);
$_->{size} = size($_) for @ways;

# ---- What comes out --------------------------------------------------------

# The values of a way's rounds.
sub each_round
{
	my ($way, $clients, $column) = @_;
	return map { $column->[2]->($_) } @{ $way->{of}{$clients} };
}

sub middle
{
	my ($format, @values) = @_;
	@values = grep { defined } @values;
	return @values ? sprintf $format, median(@values) : '';
}

binmode STDOUT, ':utf8';
my $overwrites = 0;
$overwrites += $_->{count} for map { @{ $ways[0]{of}{$_} } } @clients;
printf "peers: %d keys, %d overwrites by 8 clients, %d by one, %d rounds; medians:\n\n",
  KEYS, OVERWRITES, OVERWRITES / 5, ROUNDS;
my @columns = @column{qw(rate median p99 cpu)};
markdown([ '', (map { my $clients = $_; map { "$_->[0] ($clients)" } @columns } @clients),
	'WAL, bytes (8)', sprintf('MB after %d', $overwrites), 'read of the past, µs' ],
	map {
		my $way = $_;
		[ $way->{name},
			(map { my $clients = $_; map { middle($_->[1], each_round($way, $clients, $_)) } @columns } @clients),
			middle('%.0f', each_round($way, 8, $column{wal})), sprintf('%.0f', $way->{size} / 1e6),
			middle('%.0f', @{ $way->{reads} // [] }) ]
	} @ways);
for my $clients (@clients)
{
	my @all = @column{qw(rate median p99 cpu after wal records)};
	print "Median and range, $clients client", $clients == 1 ? '' : 's', ":\n\n";
	markdown([ '', map { $_->[0] } @all ],
		map { my $way = $_; [ $way->{name}, map { spread($_->[1], each_round($way, $clients, $_)) } @all ] } @ways);
}

bars(SVG, sprintf('Overwrites of %d keys by 8 clients, durable', KEYS), [ map { $_->{name} } @ways ],
	(map {
		my $column = $_;
		{ title => $column->[0], format => $column->[1], rows => [ map { [ each_round($_, 8, $column) ] } @ways ] }
	} @column{qw(rate p99 cpu wal)}),
	{ title => 'MB at the end', format => '%.0f', rows => [ map { [ $_->{size} / 1e6 ] } @ways ] });
