# A backlog is one batch of many transactions, over several stores and in the order of their
# keys. If that went wrong, what was asked for would be left undone, or be done to the wrong
# entries: where an entry is locked, the past is pinned, a store is in error, drops are
# paused in the middle, or the worker ends there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = mvstore_node('backlog', conf => "mvstore.flush_interval = '10 ms'\nmvstore.sweep_interval = '1 h'\nfsync = off");

sub sql { return $node->safe_psql('postgres', @_); }

# Versions of the keys of a store, and how many keys have each set of them.
sub versions
{
	my ($store) = @_;
	return sql("SELECT string_agg(v || ' ' || count, '; ' ORDER BY v) FROM (SELECT v, count(*) FROM (SELECT string_agg(version::text, ',' ORDER BY version) v FROM $store GROUP BY key) k GROUP BY v) c");
}

my %keys = (large => 12000, pinned => 2000, broken => 1500);
for my $store (sort keys %keys)
{
	sql("SELECT mvstore_create('$store')");
	sql("INSERT INTO $store (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' FROM generate_series(1, $keys{$store}) k, generate_series(1, 3) v ORDER BY md5((k * v)::text)");
}
sql(q{SELECT mvstore_put('large', 'k' || k, 'new') FROM generate_series(1, 5) k});

# An update in place moves an entry behind what the index points to.
sql(q{UPDATE large SET value = 'w' WHERE key = 'k9'});
is(sql('SELECT mvstore_flush()'), 't', 'nothing is to be done yet');
my $newest = sql(q{SELECT max(version) FROM large});

sql(q{SELECT mvstore_pause(); SELECT mvstore_pin('mine', 2, '1 hour', 'pinned')});
sql('ALTER TABLE broken REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE broken');
my $locker = $node->background_psql('postgres');
$locker->query_safe(q{BEGIN; SELECT 1 FROM large WHERE key = 'k7' AND version = 2 FOR UPDATE});
sql(q{SELECT count(mvstore_drop(store::regclass, 'k' || k)) FROM (
	SELECT 'large' AS store, k FROM generate_series(1, 12000) k UNION ALL
	SELECT 'pinned', k FROM generate_series(1, 2000) k UNION ALL
	SELECT 'broken', k FROM generate_series(1, 1500) k) r WHERE k > 0 AND store <> '' OFFSET 0});
is(sql(q{SELECT queue_length FROM mvstore_stats WHERE database = 'postgres'}), 15500, 'a backlog waits');

# In the middle, or soon afterwards.
my $worker = worker_pid($node, 'postgres');
my $dropped = sql(q{SELECT entries_dropped FROM mvstore_stats WHERE database = 'postgres'});
sql('SELECT mvstore_resume()');
wait_until($node, 'postgres', qq{SELECT entries_dropped > $dropped FROM mvstore_stats WHERE database = 'postgres'}, 'the worker has begun');
sql('SELECT mvstore_pause()');
my $left = sql('SELECT count(*) FROM large');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'a pause and the end of the worker come');
is(sql('SELECT count(*) FROM large'), $left, 'paused, another one drops nothing');
sql('SELECT mvstore_resume()');

wait_until($node, 'postgres', q{SELECT count(*) = 12001 FROM large}, 'what can go goes');
is(versions('large'), "$newest 5; 2,3 1; 3 11994", 'but for an entry that is locked, and the newest of each key');
wait_until($node, 'postgres', q{SELECT requests_held = 2000 FROM mvstore_stats WHERE database = 'postgres'}, 'what a pin holds back');
is(versions('pinned'), '1,2,3 2000', 'is there');
wait_until($node, 'postgres', q{SELECT count(*) > 0 FROM mvstore_blockers WHERE kind = 'error' AND store = 'broken'::regclass}, 'what is wrong with a store is seen');
is(versions('broken'), '1,2,3 1500', 'nothing of it goes');

# What was in the way goes away.
$locker->query_safe('COMMIT');
$locker->quit;
sql(q{SELECT mvstore_unpin('mine'); DROP PUBLICATION p});
wait_until($node, 'postgres', q{SELECT mvstore_retry_failed('broken') >= 0 AND (SELECT count(*) FROM large) = 12000 AND (SELECT count(*) FROM pinned) = 2000 AND (SELECT count(*) FROM broken) = 1500}, 'then all goes that was to');
is(sql('SELECT mvstore_flush()'), 't', 'nothing is left to do');
is(versions('large') . ' / ' . versions('pinned') . ' / ' . versions('broken'), "$newest 5; 3 11995 / 3 2000 / 3 1500", 'each key has its newest entry');
is(sql('SELECT count(*) FROM mvstore_requests'), 0, 'and no request is left');

# A range and a compaction, with an entry locked in the middle.
sql(q{INSERT INTO large (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' FROM generate_series(6, 12000) k, generate_series(1, 2) v});
$locker = $node->background_psql('postgres');
$locker->query_safe(q{BEGIN; SELECT 1 FROM large WHERE key = 'k500' AND version = 1 FOR UPDATE});
sql(q{SELECT mvstore_compact('large', mvstore_stable_version())});
wait_until($node, 'postgres', q{SELECT count(*) > 0 FROM mvstore_blockers WHERE kind = 'lock' AND store = 'large'::regclass}, 'a compaction meets a lock');
is(sql(q{SELECT count(*) FROM large WHERE key = 'k500'}), 3, 'and leaves the key whole');
$locker->query_safe('COMMIT');
$locker->quit;
is(sql('SELECT mvstore_flush()'), 't', 'without the lock it is done');
is(versions('large'), "$newest 5; 3 11995", 'with all keys');

# The postmaster sends SIGTERM to the process and to its group: that is one. What is due is done.
sql(q{INSERT INTO large (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' FROM generate_series(6, 12000) k, generate_series(1, 2) v});
sql('SELECT mvstore_pause()');
sql(q{SELECT count(mvstore_drop('large', 'k' || k)) FROM generate_series(1, 12000) k});
$worker = worker_pid($node, 'postgres');
$dropped = sql(q{SELECT entries_dropped FROM mvstore_stats WHERE database = 'postgres'});
my $logged = -s $node->logfile;
sql('SELECT mvstore_resume()');
catch_when($node, 'postgres', "SELECT entries_dropped > $dropped FROM mvstore_stats WHERE database = 'postgres'");
kill 'TERM', $worker;
usleep(1000);
kill 'TERM', $worker;
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $worker", 'a worker that is told to end by two signals, one after the other, ends');
unlike(slurp_file($node->logfile, $logged), qr/terminating background worker "mvstore drop worker"/, 'as one that was told once');
is(sql('SELECT mvstore_flush()'), 't', 'nothing is left to do');
is(versions('large'), "$newest 5; 3 11995", 'with all keys');

$node->stop;
done_testing();
