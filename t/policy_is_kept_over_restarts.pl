# What a policy by age, or a time to live, is to let go is not forgotten over a
# restart: after a clean one without looking through any store, after a crash by
# one pass, which leaves each key noted once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('calendar', conf => "mvstore.sweep_interval = '1 s'\nrestart_after_crash = on\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stat_of { return sql("SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }
sub swept { return sql('SELECT sum(entries_swept) FROM mvstore_store_stats'); }

# Keys k00001, ... of a store, so often, each time in a transaction of its own.
sub put
{
	my ($store, $keys, $times, $ttl) = @_;
	my $last = defined $ttl ? ", ttl := '$ttl'" : '';

	sql("SELECT count(mvstore_put('$store', 'k' || lpad(k::text, 5, '0'), 'v$_'$last)) FROM generate_series(1, $keys) k") for (1 .. $times);
	return;
}

# How many keys of 6 bytes the calendar has of a store.
sub noted
{
	my ($store) = @_;

	return sql("SELECT coalesce(sum(length(keys)), 0) / 10 FROM mvstore_calendar WHERE store = '$store'::regclass");
}

sub is_noted
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(join(' ', map { noted($_) } ('day', 'young', 'lives')), '1000 30000 500', $name);
}

# All that is due has gone, and nothing else.
sub goes
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', 'SELECT (SELECT count(*) FROM aged) = 1000 AND (SELECT count(*) FROM brief) = 0', "$name: what is due goes")
	  && is(sql('SELECT (SELECT count(*) FROM day), (SELECT count(*) FROM young), (SELECT count(*) FROM lives)'), '2000|60000|500', "$name: and nothing else");
}

sub fill
{
	put('aged', 1000, 1);
	put('brief', 500, 1, '1 s');
	is(sql('SELECT mvstore_flush()'), 't', 'something will be due soon');
	return;
}

sql(q{SELECT mvstore_create('aged', keep_for := '1 s'), mvstore_create('day', keep_for := '1 day'), mvstore_create('young', keep_versions := 1, keep_for := '1 day'), mvstore_create('lives'), mvstore_create('brief')});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');
# It may have come before the stores, or after, when they are empty.
my $looks = stat_of('sweeps') . ' 0';
put('day', 1000, 2);
put('young', 30000, 2);
put('lives', 500, 1, '1 day');
put('aged', 1000, 1);

# A clean restart, with what is due noted.
for my $mode ('fast', 'smart')
{
	fill();
	is_noted("before a $mode shutdown all is noted");
	$node->stop($mode);
	$node->start;
	goes("after a $mode shutdown");
	is_noted('the calendar is as it was');
}

# And with all of it still in the queue.
sql('SELECT mvstore_pause()');
put('aged', 1000, 1);
put('brief', 500, 1, '1 s');
cmp_ok(stat_of('queue_length'), '>=', 1500, 'the queue is full of what is not noted yet');
$node->stop('fast');
$node->start;
sql('SELECT mvstore_resume()');
goes('with all of it in the queue');
is_noted('the calendar is as it was');
is(stat_of('sweeps') . ' ' . swept(), $looks, 'for none of this was a store looked through');

# A crash. One pass, after which each key is noted as often as before.
for my $when ('with all of it noted', 'once more')
{
	fill();
	$node->stop('immediate');
	$node->start;
	goes($when);
	is(sql('SELECT mvstore_flush()'), 't', 'all stores are looked through');
	cmp_ok(swept(), '>=', 62500, 'in a pass over all entries');
	is_noted('after which the calendar has each key as before');
}

# A crash of one process alone; and crashes in the middle of passes.
fill();
my $worker = worker_pid($node, 'postgres');
my $log = -s $node->logfile;
PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $worker);
ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $log), 'the worker is killed');
$node->poll_query_until('postgres', undef, '') or die 'the server does not come back';
goes('with the worker killed');
fill();
for (1 .. 5)
{
	$node->stop('immediate');
	$node->start;
	worker_pid($node, 'postgres');
}
goes('after crashes in a row');
is(sql('SELECT mvstore_flush()'), 't', 'all stores are looked through');
is_noted('then the calendar has each key as before');
is(sql('SELECT count(*) FROM mvstore_calendar c WHERE NOT EXISTS (SELECT FROM mvstore_policy p WHERE p.store = c.store)'), 0, 'and of no other store');

# What got due while the server was down goes when it is up.
fill();
my $ends = sql('SELECT max(version) FROM aged');
$node->stop('fast');
Time::HiRes::usleep(100_000) while (Time::HiRes::time() * 1_000_000 < $ends + 2_000_000);
$node->start;
my $sweeps = stat_of('sweeps');
goes('what was due while the server was down');
is(stat_of('sweeps'), $sweeps, 'without a pass');

$node->stop;
done_testing();
