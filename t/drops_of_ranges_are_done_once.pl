# A request for very many keys is done in parts, and all of it once: whatever ends
# the worker or the server in the middle, it goes on, its row goes with the last
# part, and nothing goes that came later.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# So slow that there is always a middle, until the limit is lifted.
my $node = mvstore_node('range', conf => "mvstore.drop_rate_limit = 1000\nrestart_after_crash = on\nstatement_timeout = '2 min'\nfsync = off");
my $slow = 1000;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub limit
{
	my ($entries) = @_;

	sql("ALTER SYSTEM SET mvstore.drop_rate_limit = $entries");
	return $node->reload;
}

# Two entries each of keys k000001 ...; and of one outside.
sub fill
{
	my ($store, $keys) = @_;

	sql(qq{SELECT mvstore_create('$store');
		   INSERT INTO $store (key, version, value) SELECT convert_to('k' || lpad(k::text, 6, '0'), 'UTF8'), v, convert_to('v' || v, 'UTF8') FROM generate_series(1, $keys) k, generate_series(1, 2) v;
		   INSERT INTO $store (key, version, value) SELECT k, v, convert_to('v' || v, 'UTF8') FROM unnest('{j,l}'::bytea[]) k, generate_series(1, 2) v});
	return;
}

sub values_of { return sql("SELECT string_agg(value, ' ') FROM mvstore_history('$_[0]', '$_[1]')"); }

# In the middle of a request: some of it is done, and some is not, of that of which its row tells.
sub is_in_the_middle
{
	my ($store, $keys, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(sql("SELECT (SELECT count(*) FROM $store) BETWEEN $keys + 5 AND 2 * $keys + 3, (SELECT count(*) FROM mvstore_requests WHERE store = '$store'::regclass AND kind = 'range')"), 't|1', $name);
}

sub begins
{
	my ($store, $keys) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until($node, 'postgres', "SELECT count(*) < 2 * $keys + 4 FROM $store", 'it has begun');
	# The worker's commits wait for no disk: a crash could forget that it has.
	return sql('CHECKPOINT');
}

# Let it go on to its end, in which its row goes together with the last of what it was for.
sub ends
{
	my ($store, $garbage, $name) = @_;
	my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my ($left, $rows);
	my $early = 0;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	limit(40000);
	while ($tries-- > 0)
	{
		($left, $rows) = split(/\|/, sql("SELECT ($garbage), (SELECT count(*) FROM mvstore_requests WHERE store = '$store'::regclass)"));
		$early++ if $rows == 0 && $left > 0;
		last if $rows == 0;
		Time::HiRes::usleep(20_000);
	}
	is("$left left, $rows rows, $early times without a row before", '0 left, 0 rows, 0 times without a row before', "$name: done");
	is(sql('SELECT mvstore_flush()'), 't', "$name: nothing is left");
	return limit($slow);
}

# ---- A prefix, in 100,000 keys.

fill('big', 100000);
sql(q{SELECT mvstore_drop_prefix('big', 'k')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('big', 'k000001')}, 'it has begun');
is_in_the_middle('big', 100000, 'a request for 100,000 keys is under way');
my $id = sql('SELECT id FROM mvstore_requests');

# What comes now is not its business, be it in front of it or behind.
sql("SELECT mvstore_put('big', 'k$_', 'new') FROM generate_series(1, 1) i") for ('000001', '099999');

$node->stop('immediate');
$node->start;
is_in_the_middle('big', 100000, 'after a crash');
my $left = entries_of($node, 'postgres', 'big');
wait_until($node, 'postgres', "SELECT count(*) < $left FROM big", 'it goes on');
my $worker = worker_pid($node, 'postgres');
my $log = -s $node->logfile;
PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $worker);
ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $log), 'the worker is killed');
$node->poll_query_until('postgres', undef, '') or die 'the server does not come back';
is_in_the_middle('big', 100000, 'after a crash of the worker');
$worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'another worker comes');
is_in_the_middle('big', 100000, 'with another worker');
$node->stop('fast');
$node->start;
is_in_the_middle('big', 100000, 'after a restart');
is(sql('SELECT id FROM mvstore_requests'), $id, 'it is the same request');

# A pause stops it where it is.
sql('SELECT mvstore_pause()');
wait_until($node, 'postgres', q{SELECT worker_state = 'paused' FROM mvstore_stats WHERE database = 'postgres'}, 'drops are paused');
$left = entries_of($node, 'postgres', 'big');
stays($node, 'postgres', "SELECT count(*) = $left FROM big", 'it stops in the middle');
is(sql(q{SELECT mvstore_flush('1 day')}), 'f', 'and nobody waits for it');
sql('SELECT mvstore_resume()');
wait_until($node, 'postgres', "SELECT count(*) < $left FROM big", 'resumed, it goes on');
ends('big', q{SELECT count(*) FROM big WHERE version = 1 AND key LIKE 'k%'}, 'a prefix');
is(entries_of($node, 'postgres', 'big'), 100000 + 2 + 4, 'with what was asked for, and no more');
is(values_of('big', 'k000001') . ', ' . values_of('big', 'k099999') . ', ' . values_of('big', 'j') . ', ' . values_of('big', 'l'), 'new v2, new v2, v2 v1, v2 v1',
	'what came later, and what is outside, is there');
is(sql(q{SELECT count(*) FROM mvstore_scan('big') WHERE value IN ('v2', 'new')}), 100002, 'and the newest of all');

# Once.
$node->stop('immediate');
$node->start;
is(sql('SELECT mvstore_flush()'), 't', 'after another crash nothing is left to do');
is(entries_of($node, 'postgres', 'big'), 100006, 'and it is not done again');

# ---- A range, up to its bounds; a compaction, with what is deleted.

fill('ranges', 20000);
sql(q{SELECT mvstore_drop_range('ranges', 'k001000', 'k019000')});
begins('ranges', 20000);
$node->stop('immediate');
$node->start;
is_in_the_middle('ranges', 20000, 'a range after a crash');
ends('ranges', q{SELECT count(*) FROM ranges WHERE version = 1 AND key >= 'k001000' AND key < 'k019000'}, 'a range');
is(join(', ', map { values_of('ranges', $_) } ('k000999', 'k001000', 'k018999', 'k019000')), 'v2 v1, v2, v2, v2 v1', 'up to its bounds');
is(entries_of($node, 'postgres', 'ranges'), 40004 - 18000, 'and no further');

fill('compacted', 20000);
my $before = sql(q{SELECT mvstore_delete('compacted', 'k019990')});
sql(q{SELECT mvstore_delete('compacted', 'k019991')});
sql(qq{SELECT mvstore_compact('compacted', before := $before)});
begins('compacted', 20000);
$node->stop('immediate');
$node->start;
is(sql('SELECT kind, keep, before FROM mvstore_requests'), "compact||$before", 'a compaction after a crash');
ends('compacted', q{SELECT count(*) FROM compacted WHERE version = 1}, 'a compaction');
is(values_of('compacted', 'k019990'), '', 'what was deleted has gone');
is(sql(q{SELECT count(*) FROM mvstore_history('compacted', 'k019991')}), 2, 'but not what was deleted later');
is(entries_of($node, 'postgres', 'compacted'), 20000 - 1 + 1 + 2, 'all else as its newest entry alone');

$node->stop;
done_testing();
