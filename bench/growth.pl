# Growth: how the cost of what is done to a store grows with its size. Stores of SIZES
# entries, ten of each key, are filled once by mvstore_put_many; then, in rounds and size
# by size, the same number of random keys is put, read, scanned and dropped, keys are
# removed as they expire (a run of the calendar), and the whole is passed over and
# vacuumed. All stores are there before the first round, so that all sizes meet the same.
#
# A store larger than shared_buffers costs what its pages cost to fetch: the arguments are
# servers, NAME=SOCKET-DIRECTORY each, with a series for each of them. Without any, it is
# the one server of the environment.
#
# Times are a session's, but those of the calendar, which waits until something is due:
# there it is the CPU time of the workers.

use strict;
use warnings;
use utf8;
use Bench;
use Load;
use Plot;
use List::Util qw(sum0);
use Time::HiRes qw(sleep time);

use constant {
	OPERATIONS => $ENV{BENCH_OPERATIONS} || 5_000,	# puts, gets, keys that expire
	SCANS => $ENV{BENCH_SCANS} || 500,	# of a hundred keys each
	DROPS => $ENV{BENCH_DROPS} || 500,	# keys, of each of which nine entries go
	SVG => $ENV{BENCH_SVG} || 'bench-growth.svg',
	ENTRIES_OF_A_KEY => 10,
	SLICE => 50_000,	# keys put by one call
};
my @sizes = sort { $a <=> $b } split ' ', $ENV{BENCH_SIZES} || '100000 1000000 10000000';
my @servers = map { { name => $_->[0], host => $_->[1] } }
  @ARGV ? map { [ split /=/, $_, 2 ] } @ARGV : [ 'this server', $ENV{PGHOST} ];

# SQL about a store, and a random key of it.
sub of
{
	my ($entries, $sql) = @_;
	my %is = (STORE => "store_$entries", KEYS => $entries / ENTRIES_OF_A_KEY,
		OPERATIONS => OPERATIONS, SCANS => SCANS, DROPS => DROPS);
	$sql =~ s/\bRANDOM_KEY\b/'key:' || lpad((1 + floor(random() * KEYS))::text, 9, '0')/g;
	$sql =~ s/\b([A-Z]+)\b/$is{$1} \/\/ $1/ge;
	return $sql;
}

# What is measured, in this order: title, unit, what its seconds are divided by (0: the
# entries of the store), SQL.
my $flush = "SELECT 1 / mvstore_flush('1 hour')::int;\n";
my @laps = (
	[ 'put', 'µs', OPERATIONS, "SELECT mvstore_put('STORE', RANDOM_KEY, repeat('x', 100)) FROM generate_series(1, OPERATIONS);" ],
	[ 'get', 'µs', OPERATIONS, "SELECT mvstore_get('STORE', RANDOM_KEY) FROM generate_series(1, OPERATIONS);" ],
	[ 'scan of 100 keys', 'µs', SCANS, <<'SQL' ],
SELECT count(*) FROM (SELECT RANDOM_KEY AS start FROM generate_series(1, SCANS)) s,
       LATERAL mvstore_scan('STORE', s.start, max_rows := 100);
SQL
	[ 'drop of a key, to flush', 'µs', DROPS,
		"SELECT mvstore_drop('STORE', RANDOM_KEY) FROM generate_series(1, DROPS);\n$flush" ],
	[ 'full pass, an entry', 'ns', 0, "SELECT mvstore_sweep('STORE');\n$flush" ],
	[ 'VACUUM, an entry', 'ns', 0, 'VACUUM (INDEX_CLEANUP ON) STORE;' ],
);
my $run = [ 'run of the calendar, a key', 'µs', OPERATIONS ];
my $fill = [ 'put_many, an entry', 'µs', 0 ];
my %in_a_second = ('µs' => 1e6, 'ns' => 1e9);

# ---- Stores ----------------------------------------------------------------

# What filling and the rounds take on a machine of two cores.
sub print_estimate
{
	my $entries = sum0(@sizes);
	printf STDERR "%d series of stores of %s entries: about %.0f minutes; %.1f GB of disk for each series.\n\n",
	  scalar @servers, join(', ', @sizes), @servers * (1 + $entries * (8e-6 + ROUNDS * 1e-6) / 60),
	  $entries * 270e-9 + ($entries > 3e7 ? 9 : $entries * 300e-9);
}

# A store that nothing but the benchmark vacuums: the seconds that it took to fill.
sub fill
{
	my ($entries) = @_;
	my ($seconds) = laps(of($entries, <<'SQL'), of($entries, sprintf <<'SQL', ENTRIES_OF_A_KEY, (SLICE) x 2));
SELECT mvstore_create('STORE');
ALTER TABLE STORE SET (autovacuum_enabled = off);
SQL
DO $$ BEGIN
FOR pass IN 1 .. %d LOOP
  FOR start IN 1 .. KEYS BY %d LOOP
    PERFORM mvstore_put_many('STORE', array_agg('key:' || lpad(n::text, 9, '0')), array_agg(rpad((n + pass)::text, 100, 'x')))
      FROM generate_series(start, least(start + %d - 1, KEYS)) n;
    COMMIT;
  END LOOP;
END LOOP; END $$;
SQL
	sql(of($entries, 'VACUUM ANALYZE STORE;'));
	return $seconds;
}

# Let keys of their own, among the others, expire: the CPU seconds of the workers.
sub expire
{
	my ($entries) = @_;
	my $dropped = "SELECT entries_dropped FROM mvstore_stats WHERE database = current_database();";
	sql(of($entries, <<'SQL') . $flush);
SELECT count(mvstore_put('STORE', RANDOM_KEY || ':' || n, 'x', ttl := '1 s'))
  FROM generate_series(1, OPERATIONS) n;
SQL
	my $until = sql($dropped) + OPERATIONS;
	my $before = usage();
	my $end = time + 600;
	while (sql($dropped) < $until)
	{
		die "bench: keys that have expired are still there\n" if time > $end;
		sleep 0.2;
	}
	return usage()->{worker} - $before->{worker};
}

# One server's series: {title}{entries} are the figures of all rounds.
sub measure_series
{
	my ($server) = @_;
	local $ENV{PGHOST} = $server->{host};
	sql("SET client_min_messages = error;\nCREATE EXTENSION IF NOT EXISTS mvstore;\n"
		. "ALTER SYSTEM SET mvstore.sweep_interval = '1 s';\nSELECT pg_reload_conf();\n");
	Load::another_server();
	$server->{buffers} = sql('SHOW shared_buffers;');
	my $enter = sub {
		my ($what, $entries, $seconds) = @_;
		my ($title, $unit, $of) = @$what;
		push @{ $server->{$title}{$entries} }, $seconds / ($of || $entries) * $in_a_second{$unit};
	};
	for my $entries (@sizes)
	{
		print "\r\e[K  $server->{name}: filling a store of $entries" if -t STDOUT;
		$enter->($fill, $entries, fill($entries));
		$server->{size}{$entries} = sql(of($entries, "SELECT pg_total_relation_size('STORE');"));
	}
	rounds(map {
		my $entries = $_;
		[ "$server->{name}, $entries entries" => sub {
			my @seconds = laps(undef, map { of($entries, $_->[3]) } @laps);
			$enter->($laps[$_], $entries, $seconds[$_]) for 0 .. $#laps;
			$enter->($run, $entries, expire($entries));
			return 0;
		} ]
	} @sizes);
	sql(of($_, "DROP TABLE STORE;\nCHECKPOINT;")) for @sizes;
	sql("ALTER SYSTEM RESET mvstore.sweep_interval;\nSELECT pg_reload_conf();\n");
}

# ---- What comes out --------------------------------------------------------

my %color = ('put' => '#0b5fa5', 'get' => '#3a9c3a', 'scan of 100 keys' => '#c8560a', $run->[0] => '#8a4fb0',
	$laps[3][0] => '#b03060', $laps[4][0] => '#0b5fa5', $laps[5][0] => '#c8560a', $fill->[0] => '#888888');

sub curves
{
	return map {
		my $server = $_;
		map {
			my $title = $_->[0];
			{
				name => $title =~ s/,? (of|a|an|to) .*//r . ($server == $servers[0] ? '' : ", $server->{buffers}"),
				color => $color{$title},
				dashed => $server != $servers[0],
				points => [ map { [ $_, median(@{ $server->{$title}{$_} }) ] } @sizes ],
			}
		} @_
	} @servers;
}

binmode STDOUT, ':utf8';
print_estimate();
measure_series($_) for @servers;
for my $server (@servers)
{
	printf "shared_buffers = %s; the stores have %s; %d rounds:\n\n", $server->{buffers},
	  join(', ', map { sprintf '%.0f MB', $server->{size}{$_} / 1e6 } @sizes), ROUNDS;
	my @rows = map {
		my ($title, $unit) = @$_;
		my $of = $server->{$title};
		[ "$title, $unit", (map { spread($unit eq 'ns' ? '%.0f' : '%.1f', @{ $of->{$_} }) } @sizes),
			@sizes > 1 ? sprintf('%.2fx', median(@{ $of->{ $sizes[-1] } }) / (median(@{ $of->{ $sizes[0] } }) || 1)) : () ]
	} $fill, @laps, $run;
	markdown([ 'entries', @sizes, @sizes > 1 ? 'last to first' : () ], @rows);
}
plot(SVG, 'What grows with a store, and what does not', 'log entries of the store',
	{ title => 'µs each', log => 1, series => [ curves($laps[0], $laps[1], $laps[2]) ] },
	{ title => 'µs a key dropped', log => 1, series => [ curves($laps[3], $run) ] },
	{ title => 'ns an entry of the store', log => 1, series => [ curves($laps[4], $laps[5]) ] });
