# Scale: how the cost of things grows with what there is in one server: with the stores
# of a database, the versions of a key, the databases that use mvstore, and the sessions
# that write. For each there is a table, of sizes side by side: its last columns are the
# exponent that fits best (the slope of the line through the logarithms: 0 where the size
# does not matter, 1 where it takes twice as much for twice as many) and the one that
# it should be near to.
#
# BENCH_STORES, BENCH_LENGTHS (of a history), BENCH_DATABASES and BENCH_CONNECTIONS are the
# sizes; what has "none" is left out. The argument is the server, NAME=SOCKET-DIRECTORY:
# ./dev bench starts one with settings for so much. Without any, it is that of the
# environment.
#
# Times are of a session, medians where something is repeated; those of the worker and
# the launcher are their CPU time. Memory is what a process has of its own.

use strict;
use warnings;
use utf8;
use Bench;
use Load;
use List::Util qw(max sum0);
use Time::HiRes qw(sleep time);

use constant {
	OPERATIONS => $ENV{BENCH_OPERATIONS} || 1_000,
	TABLES => $ENV{BENCH_TABLES} || 20,	# made and dropped, one by one
	SECONDS => $ENV{BENCH_SECONDS} || 10,
};
my %sizes = (
	stores => sizes('BENCH_STORES', '10 100 1000 10000'),
	versions => sizes('BENCH_LENGTHS', '10000 100000 1000000 10000000'),
	databases => sizes('BENCH_DATABASES', '10 100 1000'),
	connections => sizes('BENCH_CONNECTIONS', '10 100 500'),
);
my $flush = "SELECT 1 / mvstore_flush('1 hour')::int;\n";

# ---- What the parts share --------------------------------------------------

sub sizes
{
	my ($variable, $default) = @_;
	return [ sort { $a <=> $b } grep { /^\d+$/ } split ' ', $ENV{$variable} || $default ];
}

sub say_where
{
	my ($where) = @_;
	print STDERR "\r\e[K  $where" if -t STDERR;
}

# The lines of a part: title and unit, the exponent expected, the figures by size.
my (@lines, %line);

sub enter
{
	my ($title, $expected, $size, $figure) = @_;
	push @lines, $line{$title} = { title => $title, expected => $expected } if !$line{$title};
	$line{$title}{at}{$size} = $figure;
}

# The slope of the line that fits the logarithms best.
sub exponent
{
	my ($at) = @_;
	my @sizes = grep { ($at->{$_} // 0) > 0 } keys %$at;
	return '' if @sizes < 2;
	my ($x, $y) = (sum0(map { log } @sizes) / @sizes, sum0(map { log $at->{$_} } @sizes) / @sizes);
	return sprintf '%.2f', sum0(map { (log($_) - $x) * (log($at->{$_}) - $y) } @sizes)
	  / sum0(map { (log($_) - $x)**2 } @sizes);
}

sub rounded
{
	my ($figure) = @_;
	return '' if !defined $figure;
	return sprintf $figure < 10 ? '%.2f' : $figure < 100 ? '%.1f' : '%.0f', $figure;
}

sub report_part
{
	my ($what, @sizes) = @_;
	print STDERR "\r\e[K" if -t STDERR;
	markdown([ $what, @sizes, 'exponent', 'expected' ],
		map { my $line = $_; [ $line->{title}, (map { rounded($line->{at}{$_}) } @sizes), exponent($line->{at}), $line->{expected} ] } @lines);
	@lines = %line = ();
}

# Milliseconds of SQL, the median of five times.
sub milliseconds
{
	my ($sql) = @_;
	return 1000 * median(laps(undef, ($sql) x 5));
}

# The pid of the worker of this database, should it have one.
sub worker
{
	return sql('SELECT worker_pid FROM mvstore_stats WHERE database = current_database();');
}

# CPU seconds of a process.
sub cpu_of
{
	my ($pid) = @_;
	return (Load::process($pid))[1] // 0;
}

# MB of memory that a process has of its own.
sub memory
{
	my ($pid) = @_;
	open my $status, '<', "/proc/$pid/status" or return;
	my ($kB) = join('', <$status>) =~ /^RssAnon:\s+(\d+) kB/m;
	return $kB && $kB / 1024;
}

# Run SQL: its seconds, the CPU seconds of the worker, the most memory that the worker had.
sub watched
{
	my ($sql) = @_;
	sql("SELECT mvstore_flush('1 hour');");
	my $pid = worker();
	my ($before, $most) = (cpu_of($pid), 0);
	my $look = sub { $most = max($most, memory($pid) // 0) };
	my $seconds = together($look, $sql);
	$look->();
	return ($seconds, cpu_of($pid) - $before, $most);
}

# ---- Stores of a database --------------------------------------------------

# SQL for each of the stores, in transactions of some each.
sub each_store
{
	my ($from, $to, $sql) = @_;
	return <<"SQL";
DO \$\$ BEGIN FOR n IN $from .. $to LOOP
  $sql;
  IF n % 50 = 0 THEN COMMIT; END IF;
END LOOP; END \$\$;
SQL
}

# Milliseconds of each of some commands, of which %d numbers what they are about.
sub commands
{
	my ($sql) = @_;
	return 1000 * median(laps(undef, map { sprintf "$sql;", $_ } 1 .. TABLES));
}

my @views = ([ mvstore_stats => 0 ], [ mvstore_blockers => 0 ], [ mvstore_metrics => 0 ],
	[ mvstore_stores => 1 ], [ mvstore_store_stats => 1 ], [ mvstore_store_metrics => 1 ]);

sub measure_stores
{
	my ($from, $stores) = @_;
	my $name = "'store_' || n";
	my $operations = OPERATIONS;
	say_where("$stores stores");
	sql(each_store($from, $stores, "PERFORM mvstore_create($name, keep_versions := 1)"));

	enter('CREATE TABLE and a primary key, ms', 0, $stores, commands('CREATE TABLE plain_%d (key bytea, version bigint, value bytea, PRIMARY KEY (key, version))'));
	enter('mvstore_create, ms', 0, $stores, commands("SELECT mvstore_create('other_%d')"));
	enter('DROP TABLE of a plain table, ms', 0, $stores, commands('DROP TABLE plain_%d'));
	enter('DROP TABLE of a store, ms', 0, $stores, commands('DROP TABLE other_%d'));
	enter('1st scan of a session, planned, ms', 0, $stores, 1000 * median(map { seconds("SELECT * FROM mvstore_scan('store_1', 'a', 'b') s JOIN pg_class c ON c.relname = s.key;") } 1 .. 5));

	# A put in each, and another, so that there is something to drop.
	my ($seconds) = laps(undef, each_store(1, $stores, "PERFORM mvstore_put($name, 'a', 'x')"));
	enter('put into each, ms', 1, $stores, 1000 * $seconds);
	my ($taken, $cpu) = watched(each_store(1, $stores, "PERFORM mvstore_put($name, 'a', 'y')") . $flush);
	enter('put into each, worker and flush, ms of CPU', 1, $stores, 1000 * $cpu);
	enter('put into one, µs', 0, $stores, 1e6 / OPERATIONS * seconds("SELECT count(mvstore_put('store_1', 'b', 'x')) FROM generate_series(1, $operations);"));

	($taken, $cpu) = watched("SELECT count(mvstore_sweep(store)) FROM mvstore_stores;\n$flush");
	enter('pass over all, s', 1, $stores, $taken);
	enter('pass over all, worker, ms of CPU', 1, $stores, 1000 * $cpu);

	# A key that expires in each: from now on the worker has all of them in its calendar.
	sql(each_store(1, $stores, "PERFORM mvstore_put($name, 'c', 'x', ttl := '1 hour')") . $flush);
	my ($wakes, $wake_cpu) = watched("SELECT mvstore_put('store_1', 'd', 'x');\n$flush" x OPERATIONS);
	enter('put and flush in one, all have a calendar, µs', 0, $stores, 1e6 / OPERATIONS * $wakes);
	enter('... of which of the worker, µs of CPU', 0, $stores, 1e6 / OPERATIONS * $wake_cpu);
	expire($stores, $name);
	for my $view (@views)
	{
		enter("$view->[0], ms", $view->[1], $stores, milliseconds("SELECT * FROM $view->[0];"));
	}
	my ($drop, $create) = laps(undef, "BEGIN;\nSET client_min_messages = error;\nDROP EXTENSION mvstore CASCADE;", "CREATE EXTENSION mvstore;\nROLLBACK;");
	enter('DROP EXTENSION, ms', 1, $stores, 1000 * $drop);
	enter('CREATE EXTENSION after it, ms', 0, $stores, 1000 * $create);
	sql($flush);
	enter('memory of the worker, MB', 1, $stores, memory(worker()));
}

# Let a key of each expire: the runs of all stores.
sub expire
{
	my ($stores, $name) = @_;
	my $expired = "SELECT entries_dropped FROM mvstore_stats WHERE database = current_database();";
	sql($flush);
	my ($until, $pid) = (sql($expired) + $stores, worker());
	my $before = cpu_of($pid);
	my $end = time + 900;
	sql("ALTER SYSTEM SET mvstore.sweep_interval = '1 s';\nSELECT pg_reload_conf();\n"
		. each_store(1, $stores, "PERFORM mvstore_put($name, 'e', 'x', ttl := '1 ms')") . $flush);
	while (sql($expired) < $until)
	{
		die "bench: keys that have expired are still there\n" if time > $end;
		sleep 0.2;
	}
	enter('run over all, worker, ms of CPU', 1, $stores, 1000 * (cpu_of($pid) - $before));
	sql("ALTER SYSTEM RESET mvstore.sweep_interval;\nSELECT pg_reload_conf();\n");
}

# ---- Versions of a key -----------------------------------------------------

# A store of one key with so many versions, a microsecond apart: these are its first of all. Return
# the one before them.
sub make_versions
{
	my ($versions) = @_;
	my $first = sql(<<'SQL');
SELECT mvstore_create('versions') \g /dev/null
ALTER TABLE versions SET (autovacuum_enabled = off);
SELECT mvstore_put('versions', 'key', 'first');
SQL
	sql(<<"SQL");
INSERT INTO versions (key, version, value) SELECT 'key', $first + n, repeat('x', 32)::bytea FROM generate_series(1, $versions - 1) n;
SELECT mvstore_wait_stable($first + $versions, '1 hour') \\g /dev/null
VACUUM ANALYZE versions;
SQL
	return $first;
}

sub measure_versions
{
	my ($versions) = @_;
	my $operations = OPERATIONS;
	my $each = sub { 1e6 / OPERATIONS * median(laps(undef, ("SELECT count($_[0]) FROM generate_series(1, $operations) n;") x 5)) };
	say_where("$versions versions");
	my $middle = make_versions($versions) + int($versions / 2);
	enter('get, µs', 0, $versions, $each->("mvstore_get('versions', 'key')"));
	enter('get as of the middle, µs', 0, $versions, $each->("mvstore_get('versions', 'key', $middle + n)"));
	enter('history, first 100, ms', 0, $versions, milliseconds("SELECT * FROM mvstore_history('versions', 'key', 100);"));
	enter('scan as of the middle, ms', 0, $versions, milliseconds("SELECT * FROM mvstore_scan('versions', as_of := $middle);"));
	enter('count, ms', 0, $versions, milliseconds("SELECT mvstore_count('versions');"));
	enter('history, all, ms', 1, $versions, 1000 * seconds("SELECT count(*) FROM mvstore_history('versions', 'key');"));
	enter('put, µs', 0, $versions, $each->("mvstore_put('versions', 'key', n::text)"));
	sql("CHECKPOINT;\nSELECT pg_stat_force_next_flush();");

	# Half goes by compaction, and the other half by one drop.
	for my $way ([ 'compact the older half', "mvstore_compact('versions', $middle)" ],
		[ 'drop all but the newest', "mvstore_drop('versions', 'key')" ])
	{
		my ($seconds, $cpu, $memory) = watched("SELECT $way->[1];\n$flush");
		enter("$way->[0], s", 1, $versions, $seconds);
		enter("$way->[0], worker, ms of CPU", 1, $versions, 1000 * $cpu);
		enter("$way->[0], memory of the worker, MB", 0, $versions, $memory);
	}
	enter('get beside the dead entries, µs', 0, $versions, $each->("mvstore_get('versions', 'key')"));
	enter('put beside the dead entries, µs', 0, $versions, $each->("mvstore_put('versions', 'key', n::text)"));
	die "bench: not all has gone\n" if sql("SELECT count(*) > 10 * $operations FROM versions;") eq 't';
	sql("DROP TABLE versions;\nCHECKPOINT;");
}

# ---- Databases of the server -----------------------------------------------

# SQL in each of the databases, in one go.
sub in_each
{
	my ($from, $to, $sql) = @_;
	return sql(join '', map { "\\c scale_$_\n$sql\n" } $from .. $to);
}

sub launcher
{
	return sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'mvstore launcher';");
}

# How many of the databases have requests that wait.
sub waiting
{
	return sql(<<'SQL');
SELECT count(*) FROM mvstore_stats
 WHERE database LIKE 'scale\\_%' AND (queue_length > 0 OR oldest_request_age IS NOT NULL OR requests_held > 0);
SQL
}

sub measure_databases
{
	my ($from, $databases) = @_;
	say_where("$databases databases");
	for my $n ($from .. $databases)
	{
		say_where("$n databases of $databases");
		sql("CREATE DATABASE scale_$n TEMPLATE scale_template STRATEGY = file_copy;");
	}
	in_each($from, $databases, "SELECT mvstore_put('store', 'a', 'x');");
	my ($pid, $title) = (launcher(), 'a drop in each');
	my $before = cpu_of($pid);
	my $start = time;
	in_each(1, $databases, "SELECT mvstore_stats_reset();\nSELECT mvstore_put('store', 'a', 'y');\nSELECT mvstore_drop('store', 'a');");
	my $asked = time;
	sleep 0.1 while waiting();
	enter("$title, until the last has been asked for, s", 1, $databases, $asked - $start);
	enter("$title, from then until the last is done, s", 1, $databases, time - $asked);
	enter("$title, launcher, ms of CPU", 1, $databases, 1000 * (cpu_of($pid) - $before));
	my @lag = split /\|/, sql("SELECT max(extract(epoch FROM lag_mean)), max(extract(epoch FROM lag_max)) FROM mvstore_stats WHERE database LIKE 'scale\\_%';");
	enter("$title, longest lag, s", 1, $databases, $lag[1]);
	for my $view (qw(mvstore_stats mvstore_metrics))
	{
		enter("$view, ms", 1, $databases, milliseconds("SELECT * FROM $view;"));
	}
	enter('1st put of a session, ms', 0, $databases, do {
		local $ENV{PGDATABASE} = "scale_$databases";
		1000 * median(map { seconds("SELECT mvstore_put('store', 'b', 'x');") } 1 .. 5);
	});
	enter('memory of the launcher, MB', 0, $databases, memory($pid));
	enter('shared memory of mvstore, MB', 0, $databases, sql("SELECT round(sum(allocated_size) / 1e6, 1) FROM pg_shmem_allocations WHERE name LIKE 'mvstore%';"));
}

# ---- Sessions that write ---------------------------------------------------

my $key = "\\set k random(1, 1000000)\n";
my @writers = (
	[ 'INSERT', "${key}INSERT INTO plain VALUES ('key:' || :k, nextval('number'), rpad(:k::text, 100, 'x'));" ],
	[ 'mvstore, all kept', "${key}SELECT mvstore_put('all_kept', 'key:' || :k, rpad(:k::text, 100, 'x'));" ],
	[ 'mvstore, keep_versions := 1', "${key}SELECT mvstore_put('one_kept', 'key:' || :k % 1000, rpad(:k::text, 100, 'x'));" ],
);

sub measure_connections
{
	my ($connections) = @_;
	sql(<<'SQL');
SET client_min_messages = error;
DROP TABLE IF EXISTS plain, all_kept, one_kept;
DROP SEQUENCE IF EXISTS number;
CREATE SEQUENCE number;
CREATE TABLE plain (key text, version bigint, value text, PRIMARY KEY (key, version));
SELECT mvstore_create('all_kept'), mvstore_create('one_kept', keep_versions := 1);
SELECT mvstore_stats_reset();
SQL
	my %rate;
	my %result = rounds(map {
		my ($name, $script) = @$_;
		[ $name => sub {
			my $load = end_load(start_load($script, '-c', $connections, '-j', 2, '-T', max(1, int SECONDS)));
			push @{ $rate{$name} }, $load->{rate};
			return (percentiles($load->{latencies}, 99))[0];
		} ]
	} @writers);
	for my $name (map { $_->[0] } @writers)
	{
		enter("$name, transactions/s", '', $connections, median(@{ $rate{$name} }));
		enter("$name, p99, ms", '', $connections, median(@{ $result{$name} }));
	}
	enter("$writers[$_][0], rate to that of INSERT", 0, $connections, median(ratios($rate{ $writers[$_][0] }, $rate{INSERT}))) for 1, 2;
	my ($mean, $most) = split /\|/, sql("${flush}SELECT extract(epoch FROM lag_mean) * 1000, extract(epoch FROM lag_max) * 1000 FROM mvstore_stats WHERE database = current_database();") =~ s/^.*\n//r;
	enter('drops, mean lag, ms', 0, $connections, $mean);
	enter('drops, longest lag, ms', 0, $connections, $most);
}

# ---- All of them -----------------------------------------------------------

binmode STDOUT, ':utf8';
$ENV{PGHOST} = $1 if @ARGV && $ARGV[0] =~ /=(.*)/;
sql("SET client_min_messages = error;\nCREATE EXTENSION IF NOT EXISTS mvstore;");
if (my @sizes = @{ $sizes{stores} })
{
	measure_stores($_ ? $sizes[ $_ - 1 ] + 1 : 1, $sizes[$_]) for 0 .. $#sizes;
	report_part('stores of a database', @sizes);
	# In one transaction they would all be locked.
	sql(each_store(1, $sizes[-1], "EXECUTE 'DROP TABLE store_' || n"));
}
if (my @sizes = @{ $sizes{versions} })
{
	measure_versions($_) for @sizes;
	report_part('versions of a key', @sizes);
}
if (my @sizes = @{ $sizes{databases} })
{
	sql("CREATE DATABASE scale_template;\n\\c scale_template\nCREATE EXTENSION IF NOT EXISTS mvstore;\nSELECT mvstore_create('store');");
	measure_databases($_ ? $sizes[ $_ - 1 ] + 1 : 1, $sizes[$_]) for 0 .. $#sizes;
	report_part('databases', @sizes);
	sql("DROP DATABASE $_ WITH (FORCE);") for 'scale_template', map { "scale_$_" } 1 .. $sizes[-1];
}
if (my @sizes = @{ $sizes{connections} })
{
	measure_connections($_) for @sizes;
	report_part('sessions that write', @sizes);
}
