# Steady: whether table and index of a store stay bounded, and what it costs, when
# the same KEYS keys are overwritten at full speed for MINUTES with keep_versions = 1;
# beside it the same load on a plain table, by UPDATE, with autovacuum as the
# cleaner. One after the other, as each must go on without a rest in which its
# cleaner could catch up.
#
# What grows, grows with the overwrites, not with the time. An hour of 1,000 a
# second is 3.6 million of them, 36 of each of 100,000 keys; ten minutes at full
# speed are as many from 6,000 a second on. The output says how many there were.
#
# The writers are pgbench's, and the latencies those of its log, of every single
# transaction. Commits are not flushed, so that the disk does not hide the rest.
# Sizes are multiples of what VACUUM FULL leaves: one entry, or row, for each key.
# A picture of it all goes to the file SVG.

use strict;
use warnings;
use Bench;
use Load qw(percentiles);
use Plot;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use List::Util qw(max sum0);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use constant {
	MINUTES => $ENV{BENCH_MINUTES} || 10,
	WRITERS => $ENV{BENCH_WRITERS} || 2,
	SAMPLE => $ENV{BENCH_SAMPLE} || 1,
	PEER => $ENV{BENCH_PEER} // 1,
	SVG => $ENV{BENCH_SVG} || 'bench-steady.svg',
};

my @settings = ('autovacuum = on', "checkpoint_timeout = '5 min'");
my $value = "rpad(:v::text, 100, 'x')";
my %store = (
	name => 'mvstore',
	color => '#0b5fa5',
	light => '#7fb4dc',
	table => 'store',
	create => sprintf(<<'SQL', KEYS),
SELECT mvstore_create('store', keep_versions := 1) \g /dev/null
SELECT count(mvstore_put('store', 'key:' || n, rpad(n::text, 100, 'x')))
  FROM generate_series(1, %d) n \g /dev/null
SQL
	write => "SELECT mvstore_put('store', 'key:' || :k, $value);",
);
my %plain = (
	name => 'plain UPDATE',
	color => '#c8560a',
	light => '#efb184',
	table => 'plain',
	create => sprintf(<<'SQL', KEYS),
CREATE TABLE plain (key text PRIMARY KEY, value text NOT NULL);
INSERT INTO plain SELECT 'key:' || n, rpad(n::text, 100, 'x') FROM generate_series(1, %d) n;
SQL
	write => "UPDATE plain SET value = $value WHERE key = 'key:' || :k;",
);

# ---- The load --------------------------------------------------------------

my $logs = tempdir('bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub start_writers
{
	my ($way) = @_;
	open my $script, '>', "$logs/script" or die "bench: $logs/script: $!\n";
	printf $script "\\set k random(1, %d)\n\\set v random(1, 1000000000)\n%s\n", KEYS, $way->{write};
	close $script;
	my $pid = fork // die "bench: fork: $!\n";
	return $pid if $pid;
	open STDOUT, '>', "$logs/output";
	$ENV{PGOPTIONS} = '-c synchronous_commit=off';
	exec(qw(pgbench -n -M prepared -f), "$logs/script", '-c', WRITERS, '-j', WRITERS, '-T', int(60 * MINUTES),
		'-l', "--log-prefix=$logs/$way->{table}")
	  or die "bench: pgbench, which is among the server's programs, cannot be run: $!\n";
}

# The latencies of pgbench's log, in microseconds: $way->{in} of each sample's
# time, packed, and in $way->{count} how many there were of each.
sub read_latencies
{
	my ($way) = @_;
	for my $file (glob "$logs/$way->{table}.*")
	{
		open my $log, '<', $file or die "bench: $file: $!\n";
		while (my $line = <$log>)
		{
			my (undef, undef, $latency, undef, $seconds, $fraction) = split ' ', $line;
			my $time = $seconds + $fraction / 1e6 - $way->{start};
			$way->{in}[ max(0, int($time / SAMPLE)) ] .= pack 'L', $latency;
			$way->{count}{$latency}++;
			$way->{writes}++;
		}
		close $log;
		unlink $file;
	}
}

# ---- The samples -----------------------------------------------------------

# What there is may depend on mvstore's version.
sub has
{
	my ($column) = @_;
	return sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'mvstore_stats'::regclass AND attname = '$column';");
}

# What mvstore counts is asked for from one sample to the next: by a reset with
# each, where there is one, else by differences. Then the greatest lag is that
# since the server started.
my $reset = '';

my @of_table = qw(reset table index dead vacuums);
my @of_store = qw(waiting oldest lag_mean lag_max processed dropped overflowed maintenance catalog);

sub sample_query
{
	my ($way) = @_;
	my $table = "'$way->{table}'::regclass";
	my $first = $way == \%store && $reset ? $reset : 'NULL';
	my $query = <<"SQL";
SELECT $first, pg_relation_size($table),
       (SELECT pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = $table),
       pg_stat_get_dead_tuples($table),
       pg_stat_get_autovacuum_count($table) + pg_stat_get_vacuum_count($table)
SQL
	return "$query;" if $way == \%plain;
	my $maintenance = has('maintenance_runs') ? 'maintenance_runs' : 'NULL';
	return $query . <<"SQL";
     , queue_length, extract(epoch FROM oldest_request_age) * 1000,
       extract(epoch FROM lag_mean) * 1000, extract(epoch FROM lag_max) * 1000,
       requests_processed, entries_dropped, requests_overflowed, $maintenance,
       (SELECT sum(pg_total_relation_size(objid)) FROM pg_depend JOIN pg_class c ON c.oid = objid
         WHERE classid = 'pg_class'::regclass AND deptype = 'e' AND relkind = 'r')
  FROM mvstore_stats WHERE database = current_database();
SQL
}

sub look
{
	my ($way, $ask, $query) = @_;
	my %now = (time => time - $way->{start});
	@now{ @of_table, @of_store } = map { $_ eq '' ? undef : $_ } split /\|/, $ask->($query), -1;
	my $last = $way->{last};
	$way->{last} = {%now};
	if ($way == \%store && !$reset && $last)
	{
		$now{lag_mean} = $now{processed} > $last->{processed}
		  ? ($now{lag_mean} * $now{processed} - ($last->{lag_mean} // 0) * $last->{processed}) / ($now{processed} - $last->{processed})
		  : undef;
		$now{$_} -= $last->{$_} for qw(processed dropped overflowed);
		$now{maintenance} -= $last->{maintenance} if defined $now{maintenance};
	}
	$now{seconds} = $last ? $now{time} - $last->{time} : 0;
	return \%now;
}

sub run
{
	my ($way) = @_;
	sql("SET client_min_messages = error;\nDROP TABLE IF EXISTS $way->{table};\n$way->{create}VACUUM ANALYZE $way->{table};\nCHECKPOINT;\n");
	sql('SELECT mvstore_flush();') if $way == \%store;
	my $query = sample_query($way);
	my $ask = session();
	$way->{start} = time;
	$way->{loaded} = look($way, $ask, $query);
	my $writers = start_writers($way);
	my $ended = 0;
	for my $n (1 .. int(60 * MINUTES / SAMPLE))
	{
		sleep max(0, $way->{start} + $n * SAMPLE - time);
		push @{ $way->{samples} }, look($way, $ask, $query);
		printf "\r\e[K  %s, minute %.1f of %s", $way->{name}, $n * SAMPLE / 60, MINUTES if -t STDOUT;
		last if $ended = waitpid $writers, WNOHANG;
	}
	waitpid $writers, 0 if !$ended;
	print "\r\e[K" if -t STDOUT;
	die "bench: pgbench failed\n" if $?;
	if ($way == \%store)
	{
		die "bench: mvstore_flush did not end\n" if sql("SELECT mvstore_flush('10 min');") ne 't';
	}
	$way->{end} = look($way, $ask, $query);
	my $keys = sql("SELECT count(*) || ' of ' || count(DISTINCT key) FROM $way->{table};");
	die "bench: $way->{name}: $keys keys instead of one of each\n" if $keys ne join ' of ', (KEYS) x 2;
	sql("VACUUM FULL $way->{table};");
	$way->{live} = look($way, $ask, $query);
	read_latencies($way);
}

# ---- What comes out --------------------------------------------------------

my @ways = (\%store, PEER ? \%plain : ());

sub row
{
	my ($title, @cells) = @_;
	printf "  %-46s" . ' %14s' x @cells . "\n", $title, @cells;
}

# A row with a cell for each way.
sub rows
{
	my ($title, $format, $cell) = @_;
	row($title, map { sprintf $format, $cell->($_) } @ways);
}

sub multiple
{
	my ($way, $what, $sample) = @_;
	return $sample->{$what} / $way->{live}{$what};
}

# The greatest of something in part of the samples: 1 is the first half, 2 the second.
sub greatest
{
	my ($way, $half, $what) = @_;
	my @samples = @{ $way->{samples} };
	my $middle = int(@samples / 2);
	return max(map { $_->{$what} // 0 } $half == 1 ? @samples[ 0 .. $middle - 1 ] : @samples[ $middle .. $#samples ]);
}

sub print_report
{
	printf "steady: %d keys overwritten for %s min by %d writers, synchronous_commit = off; %s\n",
	  KEYS, MINUTES, WRITERS, join '; ', @settings;
	row('', map { $_->{name} } @ways);
	rows('overwrites', '%d', sub { $_[0]{writes} });
	rows('of each key', '%.1f', sub { $_[0]{writes} / KEYS });
	rows('per second', '%d', sub { $_[0]{writes} / 60 / MINUTES });
	my @names = ('latency, ms: median', '99th percentile', '99.9th percentile', 'longest');
	my %latency = map { $_->{name} => [ percentiles($_->{count}, 50, 99, 99.9, 100) ] } @ways;
	for my $n (0 .. $#names)
	{
		rows(($n ? '             ' : '') . $names[$n], '%.3f', sub { $latency{ $_[0]{name} }[$n] });
	}
	for my $what (qw(table index))
	{
		rows("live $what, kB", '%d', sub { $_[0]{live}{$what} / 1024 });
		rows("$what, times the live one: at the start", '%.2f', sub { multiple($_[0], $what, $_[0]{loaded}) });
		rows('    at most in the first half', '%.2f', sub { greatest($_[0], 1, $what) / $_[0]{live}{$what} });
		rows('    at most in the second half', '%.2f', sub { greatest($_[0], 2, $what) / $_[0]{live}{$what} });
		rows('    at the end', '%.2f', sub { multiple($_[0], $what, $_[0]{end}) });
	}
	rows('dead rows, at most', '%d', sub { max(map { greatest($_[0], $_, 'dead') } 1, 2) });
	rows('vacuums', '%d', sub { $_[0]{end}{vacuums} - $_[0]{loaded}{vacuums} });

	my @samples = (@{ $store{samples} }, $store{end});
	my $count = sub { my ($what) = @_; sum0(map { $_->{$what} // 0 } @samples) };
	my $processed = $count->('processed');
	row('lag from COMMIT to drop, ms: mean',
		sprintf '%.1f', sum0(map { ($_->{lag_mean} // 0) * $_->{processed} } @samples) / ($processed || 1));
	row('                             longest', sprintf '%.1f', max(map { $_->{lag_max} // 0 } @samples));
	row('requests waiting, at most', max(map { $_->{waiting} } @samples));
	row('requests overflowed', $count->('overflowed'));
	row('entries dropped', $count->('dropped'));
	row('maintenance runs', defined $store{end}{maintenance} ? $count->('maintenance') : 'none here');
	row('tables of the extension, at most, kB', max(map { $_->{catalog} } @samples) / 1024);
}

# A curve of something in the samples of a way, over minutes.
sub curve
{
	my ($way, $name, $color, $value) = @_;
	return {
		name => $name,
		color => $color,
		points => [ map { [ $_->{time} / 60, $value->($_) ] } @{ $way->{samples} } ],
	};
}

# The same of a percentile of its latencies.
sub latency_curve
{
	my ($way, $percent, $color) = @_;
	my @points;
	for my $n (0 .. int(60 * MINUTES / SAMPLE) - 1)
	{
		my %count;
		$count{$_}++ for unpack 'L*', $way->{in}[$n] // '';
		push @points, [ ($n + 0.5) * SAMPLE / 60, %count ? (percentiles(\%count, $percent))[0] : undef ];
	}
	return { name => "$way->{name}, p$percent", color => $color, points => \@points };
}

# The same of its overwrites per second.
sub rate_curve
{
	my ($way) = @_;
	my @points = map { [ ($_ + 0.5) * SAMPLE / 60, length($way->{in}[$_] // '') / 4 / SAMPLE ] }
	  0 .. int(60 * MINUTES / SAMPLE) - 1;
	return { name => $way->{name}, color => $way->{color}, points => \@points };
}

sub draw
{
	my $size_curve = sub {
		my ($way, $what, $color) = @_;
		return curve($way, "$way->{name}, $what", $color, sub { multiple($way, $what, $_[0]) });
	};
	plot(SVG, sprintf('%d keys overwritten at full speed, keep_versions = 1', KEYS), 'minutes',
		{ title => 'Size, times that of the live data',
			series => [ map { $size_curve->($_, 'table', $_->{color}), $size_curve->($_, 'index', $_->{light}) } @ways ] },
		{ title => 'Dead rows, thousands',
			series => [ map { curve($_, $_->{name}, $_->{color}, sub { $_[0]{dead} / 1000 }) } @ways ] },
		{ title => 'Lag from COMMIT to drop, ms', log => 1,
			series => [
				curve(\%store, 'mean', $store{color}, sub { $_[0]{lag_mean} }),
				curve(\%store, $reset ? 'longest' : 'longest so far', $store{light}, sub { $_[0]{lag_max} }),
				curve(\%store, 'oldest waiting', '#c4c4c4', sub { $_[0]{oldest} }),
			] },
		{ title => 'Latency of an overwrite, ms', log => 1,
			series => [ map { latency_curve($_, 50, $_->{color}), latency_curve($_, 99, $_->{light}) } @ways ] },
		{ title => 'Overwrites and drops a second',
			series => [
				rate_curve(\%store),
				curve(\%store, 'mvstore, drops', $store{light}, sub { $_[0]{seconds} ? $_[0]{dropped} / $_[0]{seconds} : undef }),
				PEER ? rate_curve(\%plain) : (),
			] });
}

die "bench: ${\SVG} could not be written\n" if !-w dirname(SVG);
sql("CREATE EXTENSION IF NOT EXISTS mvstore;");
$reset = 'mvstore_stats_reset()' if sql("SELECT to_regprocedure('mvstore_stats_reset()') IS NOT NULL;") eq 't';
sql(join '', map { "ALTER SYSTEM SET $_;\n" } @settings);
sql('SELECT pg_reload_conf();');
run($_) for @ways;
sql(join '', map { /^(\w+)/; "ALTER SYSTEM RESET $1;\n" } @settings);
sql('SELECT pg_reload_conf();');
print_report();
draw();
