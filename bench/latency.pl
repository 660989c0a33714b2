# Latency: what those who write feel of drops. All but the newest of VERSIONS versions of
# KEYS keys are dropped at once (mvstore_compact) and then vacuumed by mvstore, while
# clients go on to put random keys of the same store, each put a durable transaction; beside
# it the same clients before and after, for SECONDS each. Once at a rate that leaves the
# machine room, where a put that starts late counts from when it was due; and once by
# clients that never rest, who share the machine's processors with the worker.

use strict;
use warnings;
use utf8;
use Bench;
use Load;
use Plot;
use List::Util qw(max);
use Time::HiRes qw(sleep time);

use constant {
	STORED_KEYS => $ENV{BENCH_KEYS} || 1_000_000,
	STORED_VERSIONS => $ENV{BENCH_VERSIONS} || 11,
	SECONDS => $ENV{BENCH_SECONDS} || 20,
	RATE => $ENV{BENCH_RATE} || 1_000,
	CLIENTS => $ENV{BENCH_CLIENTS} || 4,
	SVG => $ENV{BENCH_SVG} || 'bench-latency.svg',
	SLICE => 50_000,
};
my $superseded = STORED_KEYS * (STORED_VERSIONS - 1);

sub fill
{
	print "\r\e[K  filling a store of ${\(STORED_KEYS * STORED_VERSIONS)} entries" if -t STDOUT;
	sql(sprintf <<'SQL', STORED_VERSIONS, STORED_KEYS, SLICE);
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS mvstore;
DROP TABLE IF EXISTS store;
SELECT mvstore_create('store') \g /dev/null
DO $$ BEGIN
FOR pass IN 1 .. %d LOOP
  FOR start IN 1 .. %d BY %3$d LOOP
    PERFORM mvstore_put_many('store', array_agg('key:' || n), array_agg(rpad((n + pass)::text, 100, 'x')))
      FROM generate_series(start, least(start + %3$d - 1, %2$d)) n;
    COMMIT;
  END LOOP;
END LOOP; END $$;
VACUUM ANALYZE store;
CHECKPOINT;
SQL
}

# Ask again and again until the answer is yes; in one session, as a new one for each
# question is felt by the load.
my $session = session();

sub wait_until
{
	my ($what) = @_;
	my $end = time + 1800;
	while ($session->($what) ne 't')
	{
		die "bench: waited in vain for: $what\n" if time > $end;
		sleep 0.1;
	}
}

my @spans = qw(before drops vacuum after);

# A load by pgbench with these options, before, during and after the drops: what it felt in
# each of these spans of time, as of end_load(); {seconds}, bytes of WAL that all wrote
# {wal}, and {queued}: seconds that it waited for a processor.
sub feel
{
	my (@options) = @_;
	fill();
	print "\r\e[K  puts beside drops" if -t STDOUT;
	my $vacuums = "pg_stat_get_vacuum_count('store'::regclass) + pg_stat_get_autovacuum_count('store'::regclass)";
	my $so_far = sql("SELECT $vacuums;");
	my $load = start_load(sprintf("\\set k random(1, %d)\nSELECT mvstore_put('store', 'key:' || :k, repeat('x', 100));",
			STORED_KEYS), '-c', CLIENTS, '-j', CLIENTS, '-T', 7200, @options);
	my @looks;
	my $look = sub {
		push @looks, { seconds => time, queued => queued(), wal => sql("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn;") };
	};
	sleep SECONDS / 10;
	$look->();
	sleep SECONDS;
	$look->();
	sql("SELECT mvstore_compact('store', mvstore_stable_version());");
	wait_until("SELECT mvstore_flush('1 s');");
	$look->();

	# Fewer dead entries than a vacuum pays for may be left.
	my $few = STORED_KEYS * STORED_VERSIONS / 4;
	wait_until(<<"SQL");
SELECT $vacuums > $so_far AND pg_stat_get_dead_tuples('store'::regclass) < $few
   AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum);
SQL
	$look->();
	sleep SECONDS;
	$look->();
	print "\r\e[K" if -t STDOUT;
	my %span;
	@span{@spans} = end_load($load, map { $_->{seconds} } @looks);
	for my $n (0 .. $#spans)
	{
		$span{ $spans[$n] }{$_} = $looks[ $n + 1 ]{$_} - $looks[$n]{$_} for qw(seconds queued wal);
	}
	return \%span;
}

# The spans of a load put together.
sub joined
{
	my %joined = (count => 0, seconds => 0, queued => 0, wal => 0, latencies => {});
	for my $span (@_)
	{
		$joined{$_} += $span->{$_} for qw(count seconds queued wal);
		$joined{latencies}{$_} += $span->{latencies}{$_} for keys %{ $span->{latencies} };
	}
	return \%joined;
}

my @loads = (
	[ sprintf('%d clients, %d puts/s', CLIENTS, RATE), '-R', RATE ],
	[ sprintf('%d clients without a rest', CLIENTS) ],
);
binmode STDOUT, ':utf8';
printf "latency: of %d keys with %d entries each, %d entries dropped and vacuumed beside puts; ms:\n\n",
  STORED_KEYS, STORED_VERSIONS, $superseded;
my (@drawn, %drawn);
for (@loads)
{
	my ($name, @options) = @$_;
	my $span = feel(@options);
	my $without = joined(@$span{qw(before after)});
	my ($p99) = percentiles($without->{latencies}, 99);
	for ([ 'without drops', $without ], [ 'beside drops', $span->{drops} ], [ 'beside vacuum', $span->{vacuum} ])
	{
		push @drawn, "$name: $_->[0]";
		push @{ $drawn{rate} }, [ $_->[1]{count} / $_->[1]{seconds} ];
		my %felt;
		@felt{qw(50 99 99.9)} = percentiles($_->[1]{latencies}, 50, 99, 99.9);
		push @{ $drawn{$_} }, [ $felt{$_} ] for keys %felt;
	}
	my @rows;
	for ([ 'before', $span->{before} ], [ 'after', $span->{after} ], [ 'both: without drops', $without ],
		[ 'beside drops', $span->{drops} ], [ 'beside vacuum', $span->{vacuum} ],
		[ 'both: beside drops and vacuum', joined(@$span{qw(drops vacuum)}) ])
	{
		my ($when, $felt) = @$_;
		my @percentiles = percentiles($felt->{latencies}, 50, 99, 99.9, 100);
		push @rows, [ $when, sprintf('%.1f', $felt->{seconds}), sprintf('%.0f', $felt->{count} / $felt->{seconds}),
			map({ sprintf '%.2f', $_ } @percentiles), sprintf('%.2fx', $percentiles[1] / $p99),
			sprintf('%.0f', $felt->{queued} / $felt->{count} * 1e6), sprintf('%.1f', $felt->{wal} / $felt->{seconds} / 1e6) ];
	}
	markdown([ $name, 's', 'puts/s', 'p50', 'p99', 'p99.9', 'longest', 'p99 to that without', 'waits for a processor, µs',
		'WAL, MB/s' ], @rows);
}
bars(SVG, sprintf('Puts beside the drop of %d entries', $superseded), \@drawn,
	{ title => 'puts/s', format => '%.0f', rows => $drawn{rate} },
	map { { title => "p$_, ms", format => '%.2f', rows => $drawn{$_} } } 50, 99, 99.9);
