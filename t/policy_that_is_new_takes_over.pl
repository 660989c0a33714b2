# A new policy holds for what is there: a longer time keeps what was about to go, a
# shorter one lets go what was to stay, and without a policy everything stays but
# what expires.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('policies', conf => "mvstore.sweep_interval = '1 s'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# The entries of a key: how many minutes old each was when it was written, '-' a delete.
sub ages
{
	my ($store, $key) = @_;

	return sql("SELECT string_agg(coalesce(convert_from(value, 'UTF8'), '-'), ' ' ORDER BY version) FROM $store WHERE key = '$key'");
}

# Write a key into the past, so many minutes ago each time; '-' before is a delete.
sub put_ages
{
	my ($store, $key, @ages) = @_;

	sql(join("\n", map {
		my ($deleted, $age) = /^(-?)(\d+)$/;
		my $at = sprintf("mvstore_version_at(clock_timestamp() - interval '%d min')", $age);
		$deleted ? "SELECT mvstore_delete_at('$store', '$key', $at);" : "SELECT mvstore_put_at('$store', '$key', '$age', $at);";
	} @ages));
	return;
}

sub flushed
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(sql('SELECT mvstore_flush()'), 't', $name);
}

# How many notes of one key of one byte the calendar has of store s.
sub noted { return sql(q{SELECT coalesce(sum(length(keys)), 0) / 5 FROM mvstore_calendar WHERE store = 's'::regclass}); }

sql(q{SELECT mvstore_create('s'), mvstore_create('soon', keep_for := '2 s'), mvstore_create('other', keep_for := '1 s'), mvstore_create('lives', keep_for := '1 day')});
put_ages('s', 'k', 180, 150, 120, 90, 60, 30);
put_ages('s', 'd', 180, -100);
flushed('without a policy nothing is asked for');
is(noted(), 0, 'nor noted');

# From none to some, shorter, longer, none.
sql(q{SELECT mvstore_set_policy('s', keep_for := '130 min')});
flushed('with a policy the store is looked through');
is(ages('s', 'k'), '150 120 90 60 30', 'what ended 150 minutes ago goes, and no more');
is(ages('s', 'd'), '180 -', 'and of a key that was deleted 100 minutes ago nothing');
is(noted(), 5, 'what is left is noted, with its ends');
sql(q{SELECT mvstore_set_policy('s', keep_for := '100 min')});
flushed('a shorter time');
is(ages('s', 'k'), '120 90 60 30', 'lets more go');
is(ages('s', 'd'), '', 'with the deleted key');
is(noted(), 3, 'what is left is noted, and what has gone no more');
sql(q{SELECT mvstore_set_policy('s', keep_for := '10 hours')});
flushed('a longer time');
put_ages('s', 'k', 5);
flushed('another entry comes');
is(ages('s', 'k'), '120 90 60 30 5', 'lets nothing go');
sql(q{SELECT mvstore_set_policy('s', keep_versions := 3, keep_for := '40 min')});
flushed('a number beside the time');
is(ages('s', 'k'), '60 30 5', 'lets go what is beyond both');
sql(q{SELECT mvstore_set_policy('s', keep_versions := 2)});
flushed('a number without a time');
is(ages('s', 'k'), '30 5', 'lets go what is beyond it');
is(noted(), 0, 'with nothing noted: age does not count');
sql(q{SELECT mvstore_set_policy('s', ttl := '1 day')});
flushed('without a policy');
is(noted(), 0, 'nothing is noted');
is(ages('s', 'k'), '30 5', 'and nothing goes');

# What was noted as due soon, under a policy that is another one by then.
# (All in one go, lest it be over before.)
my $ends_later = "SELECT mvstore_put('soon', 'k', '1'); SELECT mvstore_put('soon', 'k', '2'); SELECT mvstore_flush();";
sub put_other { sql("SELECT mvstore_put('other', 'k', '$_')") for (1, 2); return; }
sub gets_old
{
	my ($store) = @_;
	my $ends = sql("SELECT max(version) FROM $store");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT mvstore_version_at(clock_timestamp()) > $ends + 3500000", 'the time of the old policy is over');
}
sql("$ends_later SELECT mvstore_set_policy('soon', keep_for := '1 hour')");
flushed('a longer time comes in time');
put_other();
gets_old('soon');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM other}, 'other stores are served');
is(entries_of($node, 'postgres', 'soon'), 2, 'a longer time keeps what was about to go');
sql(q{SELECT mvstore_set_policy('soon', keep_for := '1 s')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM soon}, 'a shorter time lets go what was to stay');
sql("$ends_later SELECT mvstore_set_policy('soon')");
flushed('no policy comes in time');
gets_old('soon');
put_other();
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM other}, 'other stores are served');
is(entries_of($node, 'postgres', 'soon'), 3, 'without a policy everything stays');

# One that becomes short while nobody writes needs no pass later: its timer is set anew.
sql(q{SELECT mvstore_set_policy('soon', keep_for := '1 day')});
flushed('a day');
my $ends = sql(q{SELECT min(version) FROM soon WHERE version > (SELECT min(version) FROM soon)});
sql(sprintf(q{SELECT mvstore_set_policy('soon', keep_for := make_interval(secs => (mvstore_version_at(clock_timestamp()) - %s) / 1000000.0 + 1))}, $ends));
flushed('a time that is over in a second for the oldest');
my $swept = sql(q{SELECT entries_swept FROM mvstore_store_stats WHERE store = 'soon'::regclass});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM soon}, 'what gets old under it goes');
is(sql(q{SELECT entries_swept FROM mvstore_store_stats WHERE store = 'soon'::regclass}), $swept, 'without another pass');

# Expiry is stamped at the put: a new ttl is for later puts, and no policy keeps what expires.
sql(q{SELECT mvstore_set_policy('lives', ttl := '1 s')});
sql(q{SELECT mvstore_put('lives', 'brief', 'v'), mvstore_put('lives', 'long', 'v', ttl := '1 day')});
sql(q{SELECT mvstore_set_policy('lives', ttl := '1 day')});
sql(q{SELECT mvstore_put('lives', 'later', 'v')});
wait_until($node, 'postgres', q{SELECT count(*) = 2 FROM lives}, 'what expires goes under any later policy');
sql(q{SELECT mvstore_set_policy('lives')});
flushed('no policy at all');
is(sql(q{SELECT count(*), count(expires_at) FROM lives}), '2|2', 'what has not expired stays');
is(sql(q{SELECT sum(length(keys)) FROM mvstore_calendar WHERE store = 'lives'::regclass}), 17, 'with its time noted');

# Rolled back, a policy was never there.
sql(q{BEGIN; SELECT mvstore_set_policy('s', keep_versions := 1); ROLLBACK});
flushed('a policy that is rolled back');
is(ages('s', 'k'), '30 5', 'lets nothing go');

# A store that is dropped, emptied or detached leaves nothing.
sql(q{SELECT mvstore_set_policy('s', keep_for := '1 day')});
flushed('a store with notes');
is(noted(), 1, 'has some');
for my $empty ('TRUNCATE s', q{SELECT mvstore_clear('s')})
{
	sql($empty);
	is(noted(), 0, "and none after $empty");
	sql(q{SELECT mvstore_put('s', 'k', '1')});
	sql(q{SELECT mvstore_put('s', 'k', '2')});
	flushed('those of its next life');
	is(noted(), 1, 'are new');
}
my $oid = sql(q{SELECT 's'::regclass::oid});
sql(q{DROP TABLE s});
is(sql("SELECT count(*) FROM mvstore_calendar WHERE store = $oid"), 0, 'and none when it is dropped');
$oid = sql(q{SELECT 'soon'::regclass::oid});
sql(q{SELECT mvstore_detach('soon')});
is(sql("SELECT count(*) FROM mvstore_calendar WHERE store = $oid"), 0, 'nor when it is detached');
flushed('nothing is left to do');

$node->stop;
done_testing();
