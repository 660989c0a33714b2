# When drops are done: as soon as a batch has come together, as soon as the oldest
# request has waited long enough, and at once for somebody who waits for them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('flush', conf => "mvstore.flush_interval = '10 min'\nmvstore.batch_size = 5");

# 40 keys of two entries: 40 that may go.
$node->safe_psql('postgres', q{SELECT mvstore_create('s')});
$node->safe_psql('postgres',
	q{SELECT mvstore_put_at('s', 'k' || k, 'v', v) FROM generate_series(1, 40) k, generate_series(1, 2) v});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'nothing to do yet');
worker_pid($node, 'postgres');

sub drop_keys { $node->safe_psql('postgres', "SELECT mvstore_drop('s', 'k$_')") for @_; return; }
sub stat_of { return $node->safe_psql('postgres', "SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }
sub left { return "SELECT count(*) = $_[0] FROM s"; }

# By count.
my $batches = stat_of('batches');
drop_keys(1 .. 4);
stays($node, 'postgres', left(80), 'less than a batch waits');
is(stat_of('queue_length'), 4, 'in the queue');
is(stat_of('oldest_request_age > interval \'0\''), 't', 'whose age is seen');
drop_keys(5);
wait_until($node, 'postgres', left(75), 'batch_size requests are worked off without waiting for the interval');
is(stat_of('batches') - $batches, 1, 'in one batch, so the first ones have waited for the last');
wait_until($node, 'postgres', q{SELECT queue_length = 0 FROM mvstore_stats WHERE database = 'postgres'}, 'the queue is empty');

# A batch has all that waits.
$batches = stat_of('batches');
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'k' || k) FROM generate_series(6, 20) k});
wait_until($node, 'postgres', left(60), 'a transaction of three times batch_size is worked off');
is(stat_of('batches') - $batches, 1, 'in one batch');

# One key, five times.
my $merged = stat_of('requests_merged');
my $processed = stat_of('requests_processed');
drop_keys(21, 21, 21, 21, 21);
wait_until($node, 'postgres', left(59), 'requests for one key make a batch, too');
is(stat_of('requests_processed') - $processed, 5, 'and all are worked');
is(stat_of('requests_merged') - $merged, 4, 'as one');
$merged = stat_of('requests_merged');
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'k21', before := 2) FROM generate_series(1, 5)});
is(stat_of('requests_merged') - $merged, 4, 'those of one transaction are merged before they reach the queue');
is(stat_of('queue_length'), 1, 'where they are one');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'which is worked, too');
is(stat_of('entries_dropped'), 21, 'what is counted is what is gone');

# For somebody who waits.
drop_keys(22);
my $start = time();
is($node->safe_psql('postgres', q{SELECT mvstore_flush('1 min')}), 't', 'mvstore_flush does not wait for the interval');
cmp_ok(time() - $start, '<', 30, 'but makes the worker begin');
is($node->safe_psql('postgres', left(58)), 't', 'and returns when the work is done');

# By time: also what waits already when the interval is lowered.
drop_keys(23);
stays($node, 'postgres', left(58), 'one request waits for the interval');
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '30 ms'\nmvstore.batch_size = 10000");
$node->reload;
wait_until($node, 'postgres', left(57), 'until it is over');
drop_keys(24);
wait_until($node, 'postgres', left(56), 'a lone request is done after the flush interval, without anybody asking');
is(stat_of('queue_length'), 0, 'the queue is empty');

# Many short transactions, of several sessions.
my @sessions = map { $node->background_psql('postgres') } 1 .. 3;
for my $i (0 .. 15)
{
	$sessions[ $i % 3 ]->query_safe("SELECT mvstore_drop('s', 'k" . (25 + $i) . "')");
}
$_->quit for @sessions;
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'what three sessions have requested');
is($node->safe_psql('postgres', left(40)), 't', 'is done');

$node->stop;
done_testing();
