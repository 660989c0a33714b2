# Age: whether the cost of a policy by age follows the garbage, or the size of the
# store. Of two stores with keep_for, one of ENTRIES entries and a small one, GARBAGE
# keys are overwritten. Measured is what the worker then does: noting them, removing
# them once they are KEEP seconds old, and for IDLE seconds nothing. Beside these,
# what a full pass costs (mvstore_sweep). Round by round in both stores, in
# databases of their own, so that each has its own worker.
#
# The keys are adjacent ones, or spread all over the store. Adjacent ones are the
# same work in both. Spread ones are in the large store each on a page of its own,
# which must be fetched and logged: that is the price of the pages touched, which
# any deletion pays.
#
# Processor time is the worker's by /proc, blocks are those asked for in shared
# buffers, found there or not. The time from due to gone holds up to a second that
# is the interval at which the worker looks, set here to the least there is.

use strict;
use warnings;
use Bench;
use POSIX ();
use Time::HiRes qw(sleep time);

use constant {
	ENTRIES => $ENV{BENCH_ENTRIES} || 10_000_000,
	SMALL => $ENV{BENCH_SMALL} || 100_000,
	GARBAGE => $ENV{BENCH_GARBAGE} || 100_000,
	KEEP => $ENV{BENCH_KEEP} || 20,
	IDLE => $ENV{BENCH_IDLE} || 60,
	PART => 20_000,		# keys overwritten in a transaction: what overflows the queue has the store swept
	DEADLINE => 1800,
};

die "bench: both stores must have BENCH_GARBAGE entries\n" if GARBAGE > SMALL || GARBAGE > ENTRIES;

my @stores = map { { entries => $_, database => "age_$_" } } SMALL, ENTRIES;

# ---- Stores ----------------------------------------------------------------

# A session in the store's database.
sub connect_to
{
	my ($store) = @_;
	local $ENV{PGDATABASE} = $store->{database};
	return session();
}

# The entries by plain SQL, in the order of their keys. They were written an hour ago.
sub fill
{
	my ($store) = @_;
	print "\r\e[K  filling a store of $store->{entries} entries" if -t STDOUT;
	sql("SET client_min_messages = error;\nDROP DATABASE IF EXISTS $store->{database};\nCREATE DATABASE $store->{database};\n");
	$store->{ask} = connect_to($store);
	$store->{ask}->(sprintf <<'SQL', KEEP, $store->{entries});
CREATE EXTENSION mvstore;
SELECT mvstore_create('store', keep_for := '%d s') \g /dev/null
ALTER TABLE store SET (autovacuum_enabled = off);
INSERT INTO store (key, version, value)
SELECT convert_to('key:' || lpad(n::text, 9, '0'), 'UTF8'), mvstore_version_at(now() - interval '1 hour'),
       convert_to(md5(n::text), 'UTF8')
  FROM generate_series(1, %d) n;
VACUUM ANALYZE store;
CHECKPOINT;
SQL
	print "\r\e[K" if -t STDOUT;
}

# ---- Measuring -------------------------------------------------------------

# Seconds of processor time that a process has used: in ns, or ticks.
sub processor_time
{
	my ($pid) = @_;
	my $read = sub {
		open my $file, '<', "/proc/$pid/$_[0]" or return;
		return scalar <$file>;
	};
	if (my $line = $read->('schedstat'))
	{
		return (split ' ', $line)[0] / 1e9;
	}
	my $line = $read->('stat') // die "bench: /proc has nothing about process $pid\n";
	my (@after_name) = split ' ', $line =~ s/^.*\) //sr;
	return ($after_name[11] + $after_name[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# All counters of a store and its worker.
sub look
{
	my ($store) = @_;
	my %now;
	@now{qw(clock pid dropped sweeps queued overflowed blocks own_blocks)} = split /\|/, $store->{ask}->(<<'SQL'), -1;
SELECT extract(epoch FROM clock_timestamp()), worker_pid, entries_dropped, sweeps, queue_length, requests_overflowed,
       (SELECT heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read
          FROM pg_statio_user_tables WHERE relid = 'store'::regclass),
       (SELECT sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0))
          FROM pg_statio_user_tables WHERE relid <> 'store'::regclass)
  FROM mvstore_stats WHERE database = current_database();
SQL
	die "bench: no worker in $store->{database}\n" if !$now{pid};
	$now{processor} = processor_time($now{pid});
	return \%now;
}

# What went from one look to the next.
sub spent
{
	my ($from, $to) = @_;
	die "bench: the worker was replaced\n" if $from->{pid} != $to->{pid};
	return { map { $_ => $to->{$_} - $from->{$_} } grep { $_ ne 'pid' } keys %$to };
}

sub wait_for
{
	my ($what, $condition) = @_;
	my $end = time + DEADLINE;
	until ($condition->())
	{
		die "bench: waited in vain for $what\n" if time > $end;
		sleep 0.05;
	}
}

# Wait until the worker has not worked for a second (it tells the server's statistics
# of its blocks before it sleeps), or for $patience seconds if it does not stop.
sub settle
{
	my ($store, $patience) = @_;
	my $end = time + $patience;
	my $before = look($store);
	while (time < $end)
	{
		sleep 1;
		my $now = look($store);
		last if $now->{processor} - $before->{processor} < 0.002 && $now->{queued} == 0;
		$before = $now;
	}
	return look($store);
}

# A worker ends that has long had nothing to do; a request that asks for nothing starts one.
sub wake
{
	my ($store) = @_;
	$store->{ask}->("SELECT mvstore_drop('store', 'no such key');\nSELECT mvstore_flush();");
}

# Overwrite keys, and note what it costs until they are gone. New values are as long
# as the old ones: shorter ones would fit into what is left free on pages all over
# the store.
sub overwrite
{
	my ($store, $where) = @_;
	my $step = $where eq 'spread' ? int($store->{entries} / GARBAGE) : 1;
	$store->{ask}->("VACUUM store;\nCHECKPOINT;");
	wake($store);
	my $start = settle($store, 10);
	my $version;
	for (my $n = 1; $n <= GARBAGE; $n += PART)
	{
		my $last = $n + PART > GARBAGE ? GARBAGE : $n + PART - 1;
		$version = $store->{ask}->(sprintf <<'SQL', $step, $n, $last);
SELECT max(mvstore_put('store', 'key:' || lpad((n * %d)::text, 9, '0'), md5((-n)::text)))
  FROM generate_series(%d, %d) n;
SQL
		wait_for('an empty queue', sub { look($store)->{queued} == 0 });
	}
	my $noted = settle($store, KEEP / 4);
	die "bench: what was to be kept went at once: BENCH_KEEP must be longer\n" if $noted->{dropped} != $start->{dropped};
	die "bench: the queue was too small\n" if $noted->{overflowed} != $start->{overflowed};
	my $gone;
	wait_for('the end of what is old', sub { ($gone = look($store))->{dropped} >= $start->{dropped} + GARBAGE });
	my $end = settle($store, 10);
	my $removing = spent($noted, $end);
	die "bench: $removing->{dropped} entries dropped instead of ${\GARBAGE}\n" if $removing->{dropped} != GARBAGE;
	my %result = (
		noting => spent($start, $noted)->{processor} / GARBAGE * 1e6,
		removing => $removing->{processor} / GARBAGE * 1e6,
		blocks => $removing->{blocks} / GARBAGE,
		own_blocks => $removing->{own_blocks} / GARBAGE,
		gone_after => $gone->{clock} - $version / 1e6 - KEEP,
	);
	push @{ $store->{"$where $_"} }, $result{$_} for keys %result;
}

# A full pass over a store from which nothing is to go.
sub sweep
{
	my ($store) = @_;
	wake($store);
	my $start = settle($store, 10);
	$store->{ask}->("SELECT mvstore_sweep('store');");
	wait_for('a full pass', sub { look($store)->{sweeps} > $start->{sweeps} });
	my $pass = spent($start, settle($store, 10));
	push @{ $store->{sweeping} }, $pass->{processor};
	push @{ $store->{sweeping_blocks} }, $pass->{blocks};
}

# Nothing is due, nobody asks.
sub idle
{
	wake($_), settle($_, 10) for @stores;
	$_->{before} = look($_) for @stores;
	sleep IDLE;
	for my $store (@stores)
	{
		my $idle = spent($store->{before}, look($store));
		$store->{idle} = [ $idle->{processor} * 1e3 ];
		$store->{idle_blocks} = [ $idle->{blocks} + $idle->{own_blocks} ];
	}
}

# ---- What comes out --------------------------------------------------------

sub number
{
	my ($number) = @_;
	return sprintf '%.*f', abs($number) < 10 ? 2 : abs($number) < 100 ? 1 : 0, $number;
}

# A median and its range, as far as there is one.
sub cell
{
	my @values = sort { $a <=> $b } @_;
	return number($values[0]) if @values == 1;
	return sprintf '%s (%s .. %s)', map { number($_) } median(@values), @values[ 0, -1 ];
}

# A row: the small store, the big one, and big to small in each round.
sub row
{
	my ($title, $what) = @_;
	my ($small, $big) = map { $_->{$what} } @stores;
	my @ratios = map { $small->[$_] ? $big->[$_] / $small->[$_] : () } 0 .. $#$small;
	printf "  %-38s %26s %26s %22s\n", $title, cell(@$small), cell(@$big), @ratios == @$small ? cell(@ratios) : '-';
}

sql("ALTER SYSTEM SET mvstore.sweep_interval = '1 s';");
my $vacuums = sql("LOAD 'mvstore';\nSELECT count(*) FROM pg_settings WHERE name = 'mvstore.maintenance_every';");
sql('ALTER SYSTEM SET mvstore.maintenance_every = 0;') if $vacuums;
sql('SELECT pg_reload_conf();');
fill($_) for @stores;
my $sweeps = $stores[0]{ask}->("SELECT to_regprocedure('mvstore_sweep(regclass)') IS NOT NULL;") eq 't';
for my $store (@stores)
{
	wake($store);
	settle($store, 60);
}

# All adjacent ones first: the holes that spread ones leave would scatter what is written next.
for my $where (qw(adjacent spread))
{
	for my $round (1 .. ROUNDS)
	{
		for my $store ($round % 2 ? @stores : reverse @stores)
		{
			print "\r\e[K  $where keys, round $round of ${\ROUNDS}: $store->{entries} entries" if -t STDOUT;
			overwrite($store, $where);
			sweep($store) if $sweeps && $where eq 'spread';
		}
	}
}
print "\r\e[K  idle" if -t STDOUT;
idle();
print "\r\e[K" if -t STDOUT;
for my $store (@stores)
{
	my $left = $store->{ask}->('SELECT count(*) FROM store;');
	die "bench: $left entries left of $store->{entries}\n" if $left != $store->{entries};
}

printf "age: %d entries overwritten, and removed when %d s old, of stores of %d and %d, %d rounds\n", GARBAGE, KEEP,
  SMALL, ENTRIES, ROUNDS;
printf "  %-38s %26s %26s %22s\n", '', (map { "$_->{entries} entries" } @stores), 'ratio';
for my $where (qw(adjacent spread))
{
	print "  $where keys\n";
	row('  noting, processor us each', "$where noting");
	row('  removing, processor us each', "$where removing");
	row('    blocks of table and index, each', "$where blocks");
	row('    blocks of tables of mvstore, each', "$where own_blocks");
	row('    from due to gone, s', "$where gone_after");
}
row(sprintf('idle for %d s, processor ms', IDLE), 'idle');
row('  blocks', 'idle_blocks');
if ($sweeps)
{
	row('full pass, processor s', 'sweeping');
	row('  blocks of table and index', 'sweeping_blocks');
}
else
{
	print "  a full pass cannot be asked for here: there is no mvstore_sweep()\n";
}
sql('ALTER SYSTEM RESET mvstore.sweep_interval;');
sql('ALTER SYSTEM RESET mvstore.maintenance_every;') if $vacuums;
sql('SELECT pg_reload_conf();');
for my $store (@stores)
{
	delete $store->{ask};
	sql("DROP DATABASE $store->{database};");
}
