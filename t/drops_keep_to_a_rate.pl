# With mvstore.drop_rate_limit no more entries are dropped than so many a second,
# whoever asks: by requests, ranges, policies, passes. Nobody who writes waits for
# it, nothing is lost over it, and it can be lifted at any time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('rate', conf => "mvstore.sweep_interval = '1 s'\nstatement_timeout = '2 min'\nmvstore.drop_rate_limit = 1000\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stat_of { return sql("SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }

# Have so many entries a second dropped at most, from now on.
sub limit
{
	my ($entries) = @_;

	sql("ALTER SYSTEM SET mvstore.drop_rate_limit = $entries");
	return $node->reload;
}

# Keys k1, ... with so many entries each, by plain SQL.
sub fill
{
	my ($store, $keys, $entries) = @_;

	return sql("INSERT INTO $store (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' FROM generate_series(1, $keys) k, generate_series(1, $entries) v");
}

# Pass when the statement's drops come to an end, but not sooner than a limit of 1000 a
# second allows; what is dropped at once in the first second comes on top of it.
sub takes_its_time
{
	my ($statement, $entries, $done, $name) = @_;
	my $dropped = stat_of('entries_dropped');
	my ($begin) = split(/\|/, sql("$statement; SELECT extract(epoch FROM clock_timestamp())") =~ s/^.*\n//sr);
	my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my $too_many = 0;
	my ($now, $so_far, $is_done);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	while ($tries-- > 0)
	{
		# (What is counted was dropped before the clock is read.)
		($so_far, $now, $is_done) = split(/\|/,
			sql("WITH c AS MATERIALIZED (SELECT entries_dropped FROM mvstore_stats WHERE database = 'postgres') SELECT c.entries_dropped, extract(epoch FROM clock_timestamp()), ($done) FROM c"));
		$too_many = $so_far - $dropped if $so_far - $dropped > 1000 * ($now - $begin + 2) && !$too_many;
		last if $is_done eq 't';
		Time::HiRes::usleep(50_000);
	}
	is($is_done, 't', "$name: it is done");
	is($too_many, 0, "$name: no faster than it may be");
	return is($so_far - $dropped, $entries, "$name: with all that was to go");
}

sql(q{SELECT mvstore_create(s) FROM unnest('{single,ranges,other,quick}'::text[]) s});
sql(q{SELECT mvstore_create('latest', keep_versions := 1), mvstore_create('aged', keep_for := '0')});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');

fill('single', 3000, 2);
fill('ranges', 50000, 2);
takes_its_time(q{SELECT count(mvstore_drop('single', 'k' || k)) FROM generate_series(1, 3000) k}, 3000, q{SELECT count(*) = 3000 FROM single}, 'requests of single keys');
is(sql(q{SELECT count(*) FROM mvstore_requests}), 0, 'none of which is left');
is(sql(q{SELECT mvstore_flush()}), 't', 'nor waited for');

# While it waits, it is seen what for; writers do not, and a small request is not lost.
sql(q{SELECT mvstore_drop_prefix('ranges', 'k')});
wait_until($node, 'postgres', q{SELECT b.pid = s.worker_pid AND b.since <= clock_timestamp() AND b.holds_back = 'drops beyond 1000 entries a second'
	FROM mvstore_stats s LEFT JOIN mvstore_blockers b ON b.kind = 'rate limit' WHERE s.database = 'postgres'},
	'it is seen that a limit is what drops wait for: how many, since when, and who waits');
cmp_ok(entries_of($node, 'postgres', 'ranges'), '>', 50000, 'before a range is done');
sql(q{SELECT mvstore_put('quick', 'k', '1')});
sql(q{SELECT mvstore_put('quick', 'k', '2'), mvstore_drop('quick', 'k'), mvstore_put('latest', 'k', '1')});
sql(q{SELECT mvstore_put('latest', 'k', '2'), mvstore_delete('quick', 'none')});
cmp_ok(entries_of($node, 'postgres', 'ranges'), '>', 50000, 'writers have written');
wait_until($node, 'postgres', 'SELECT (SELECT count(*) FROM quick) = 1 AND (SELECT count(*) FROM latest) = 1', 'what is small is done in between');
cmp_ok(entries_of($node, 'postgres', 'ranges'), '>', 50000, 'before the range is done');
is(sql(q{SELECT count(*) FROM mvstore_requests WHERE kind = 'range'}), 1, 'whose request waits');

# It goes on over a restart, and an end of the worker.
my $worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'the worker is ended');
is(sql(q{SELECT count(*) FROM mvstore_requests WHERE kind = 'range'}), 1, 'which loses nothing');
$node->restart;
is(sql(q{SELECT count(*) FROM mvstore_requests WHERE kind = 'range'}), 1, 'nor does a restart');
limit(0);
is(sql(q{SELECT mvstore_flush()}), 't', 'without a limit the range is done');
is(sql(q{SELECT count(*) FROM ranges}), 50000, 'all of it');
limit(1000);
fill('other', 3000, 2);
takes_its_time(q{SELECT mvstore_drop_prefix('other', 'k')}, 3000, q{SELECT count(*) = 3000 FROM other}, 'a range');
is(sql(q{SELECT mvstore_flush()}), 't', 'then nothing is left');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_blockers}, 'nor in the way');

# What policies ask for.
sql(q{SELECT count(mvstore_put('latest', 'k' || k, '1')) FROM generate_series(1, 2500) k});
takes_its_time(q{SELECT count(mvstore_put('latest', 'k' || k, '2')) FROM generate_series(1, 2500) k}, 2500, q{SELECT count(*) = 2501 FROM latest}, 'requests of a policy');

# Another limit holds at once, whatever went under the last one; so does none.
for my $new (100000, 0)
{
	sql('TRUNCATE other, single');

	# (What has gone just before, at once, would be an hour's worth of the low limit.)
	limit(0);
	sql(q{INSERT INTO single (key, version, value) SELECT 'hot', v, 'v' FROM generate_series(1, 4000) v});
	limit(1000);
	sql(q{SELECT mvstore_drop('single', 'hot')});
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM single}, 'drops come to an end');
	sql('TRUNCATE single');
	limit(1);
	sql(q{SELECT mvstore_put('other', 'k', 'v')});
	sql(q{SELECT mvstore_put('other', 'k', 'v' || v) FROM generate_series(1, 1) v}) for (1 .. 3);
	sql(q{INSERT INTO single (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' FROM generate_series(1, 5000) k, generate_series(1, 2) v});
	sql(q{INSERT INTO single (key, version, value) SELECT 'hot', v, 'v' FROM generate_series(1, 4000) v});
	sql(q{SELECT mvstore_drop('single', 'hot')});
	wait_until($node, 'postgres', q{SELECT count(*) < 14000 FROM single}, 'of a key with many entries some have gone');
	sql(q{SELECT mvstore_compact('single', before := mvstore_stable_version()), mvstore_drop('other', 'k')});
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'rate limit'}, 'with a limit that lets hardly anything go all else waits');
	cmp_ok(entries_of($node, 'postgres', 'single'), '>', 9000, 'a compaction, for one');
	limit($new);
	is(sql(q{SELECT mvstore_flush()}), 't', "with the limit set to $new it is done");
	is(sql(q{SELECT (SELECT count(*) FROM single), (SELECT count(*) FROM other)}), '5001|1', 'with all that waited');
	wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_blockers WHERE kind = 'rate limit'}, 'and nothing is in the way');
}

$node->stop;
done_testing();
