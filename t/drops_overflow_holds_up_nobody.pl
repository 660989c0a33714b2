# A full queue costs nobody anything: no writer waits for room in it, and nothing
# that was requested is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('overflow', conf => "mvstore.queue_size = 16\nstatement_timeout = '60 s'");

sub stat_of { return $node->safe_psql('postgres', "SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }

$node->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1)});
$node->safe_psql('postgres',
	q{SELECT mvstore_put_at('s', 'k' || k, 'v', v) FROM generate_series(1, 1000) k, generate_series(1, 3) v});
is(stat_of('queue_capacity'), 16, 'the queue is as small as it was set');

# One transaction with more requests than fit.
my $start = time();
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'k' || k) FROM generate_series(1, 1000) k});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'a transaction of 1,000 requests is worked off');
is(entries_of($node, 'postgres', 's'), 1000, 'all that it asked for is gone');
cmp_ok(stat_of('requests_overflowed'), '>', 0, 'and counted as overflowed');
cmp_ok(stat_of('queue_high_water'), '<=', 16, 'the queue has kept its bound');

# A flood of a policy's own requests, which no table remembers one by one.
my $overflowed = stat_of('requests_overflowed');
for my $value (1 .. 3)
{
	$node->safe_psql('postgres', qq{SELECT mvstore_put('p', 'k' || k, 'v$value') FROM generate_series(1, 1000) k});
}
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', '3,000 puts under a policy are worked off');
is(entries_of($node, 'postgres', 'p'), 1000, 'all that was superseded is gone');
cmp_ok(stat_of('requests_overflowed'), '>', $overflowed, 'though they did not fit');
is($node->safe_psql('postgres', q{SELECT bool_and(value = 'v3') FROM mvstore_scan('p')}), 't', 'what is left is the newest');
$node->safe_psql('postgres', q{SELECT mvstore_delete('p', 'k' || k) FROM generate_series(1, 1000) k WHERE k % 2 = 0});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', '500 deletes are worked off');
is(entries_of($node, 'postgres', 'p'), 500, 'and leave no tombstones');

# Many small transactions of several sessions, while the worker cannot drop,
# because an older writer is still busy: they go on all the same.
$node->safe_psql('postgres', q{SELECT mvstore_create('other')});
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'x', 'x')});
for my $value (4 .. 6)
{
	$node->safe_psql('postgres',
		join("\n", map { "SELECT mvstore_put('s', 'k$_', 'v$value'); SELECT mvstore_drop('s', 'k$_'); SELECT mvstore_put('p', 'k$_', 'v$value');" } 1 .. 100));
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM s WHERE key IN (SELECT convert_to('k' || k, 'UTF8') FROM generate_series(1, 100) k)}),
	400, 'nobody has waited for the worker, which drops nothing that an older writer may need');
is($node->safe_psql('postgres', q{SELECT mvstore_flush('100 ms')}), 'f', 'mvstore_flush does not say done');
$writer->query_safe('COMMIT');
$writer->quit;
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'when the older writer has ended, it is worked off');
is(entries_of($node, 'postgres', 's'), 1000, 'and nothing was lost');
is(entries_of($node, 'postgres', 'p'), 550, 'also of what a policy asks for');

# Long keys fill the queue by bytes.
$node->safe_psql('postgres',
	q{SELECT mvstore_put_at('other', lpad(k::text, 2000, 'k'), 'v', v) FROM generate_series(1, 50) k, generate_series(1, 2) v});
$node->safe_psql('postgres', q{SELECT mvstore_drop('other', lpad(k::text, 2000, 'k')) FROM generate_series(1, 50) k});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'requests of the longest keys are worked off');
is(entries_of($node, 'postgres', 'other'), 51, 'and done');
cmp_ok(time() - $start, '<', 60, 'all that in no time');

# Over a crash: what had no place but in memory is found again.
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '10 min'\nmvstore.batch_size = 100000");
$node->restart;
worker_pid($node, 'postgres');
$node->safe_psql('postgres', qq{SELECT mvstore_put('p', 'k' || k, 'v$_') FROM generate_series(1, 1000) k}) for (7, 8);
$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'k' || k, 'v7'), mvstore_drop('s', 'k' || k) FROM generate_series(1, 1000) k});
$node->stop('immediate');
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '50 ms'\nmvstore.batch_size = 100");
$node->start;
wait_until($node, 'postgres', 'SELECT (SELECT count(*) = 1000 FROM s) AND (SELECT count(*) = 1000 FROM p)',
	'what had overflowed before a crash is done after it');

$node->stop;
done_testing();
