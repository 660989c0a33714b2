# Where the table is not in the order of keys, many keys are judged at once, and what goes of
# them is deleted by many transactions. If that went wrong, a crash, a pause or a pin between two
# of them would leave keys with a hole, so that reads of the past get a wrong answer, or entries
# would go that are kept.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant KEYS => 5000;
use constant VERSIONS => 20;
use constant LATE => 500;

my $node = mvstore_node('scattered', conf => "mvstore.flush_interval = '10 ms'\nmvstore.sweep_interval = '1 h'\nfsync = off\nautovacuum = off");

sub sql { return $node->safe_psql('postgres', @_); }

# All entries in a random order, some 15 in a page.
sub fill
{
	my ($store) = @_;
	sql("SELECT mvstore_create('$store')");
	sql("INSERT INTO $store (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, convert_to(rpad(v::text, 500), 'UTF8') FROM generate_series(1, ${\KEYS}) k, generate_series(1, ${\VERSIONS}) v ORDER BY md5((k * 100 + v)::text)");
	sql("SELECT 1 / mvstore_flush()::int; ANALYZE $store");
	return;
}

# Keys that lack anything but their oldest entries.
sub holes
{
	my ($store) = @_;
	return sql("SELECT (SELECT count(*) FROM (SELECT min(version) AS low, count(*) AS entries FROM $store WHERE key < 'z' GROUP BY key) k WHERE entries <> ${\VERSIONS} - low + 1) + (SELECT ${\KEYS} - count(DISTINCT key) FROM $store WHERE key < 'z')");
}

sub count_of { return sql("SELECT count(*) FROM $_[0]"); }

# Reads of all keys as of each version: each is right, or refused.
sub wrong_answers
{
	my ($store) = @_;
	return sql(<<"SQL");
CREATE OR REPLACE FUNCTION is_right(store regclass, k text, v bigint) RETURNS boolean LANGUAGE plpgsql AS \$\$
BEGIN RETURN mvstore_get(store, k, v) IS NOT DISTINCT FROM rpad(v::text, 500);
EXCEPTION WHEN SQLSTATE '72000' THEN RETURN true; END \$\$;
SELECT count(*) FROM generate_series(1, ${\KEYS}, 97) k, generate_series(1, ${\VERSIONS}) v WHERE NOT is_right('$store', 'k' || k, v);
SQL
}

# Have the worker begin, and return in the midst of it, or soon afterwards.
sub begin_drops
{
	my ($store, $ask) = @_;
	my $first = count_of($store);
	my $dropped = sql(q{SELECT entries_dropped FROM mvstore_stats WHERE database = 'postgres'});
	sql($ask);

	# What the first slice drops is not of a harvest yet.
	catch_when($node, 'postgres', "SELECT entries_dropped > $dropped + 10000 FROM mvstore_stats WHERE database = 'postgres'");
	return;
}

my $newest = KEYS . ' entries from version ' . VERSIONS . ' on';
sub state_of { return sql("SELECT count(*) || ' entries from version ' || min(version) || ' on' FROM $_[0] WHERE key < 'z'"); }

# A crash.
fill('crashed');
begin_drops('crashed', q{SELECT mvstore_compact('crashed', mvstore_stable_version())});
$node->stop('immediate');
$node->start;
is(holes('crashed'), 0, 'a crash in the midst leaves keys that lack their oldest entries alone');
is(wrong_answers('crashed'), 0, 'reads of the past are right or refused');
is(sql('SELECT mvstore_flush()'), 't', 'the rest is done afterwards');
is(state_of('crashed'), $newest, 'as a whole');

# A pause, and a pin meanwhile, which a policy heeds entry by entry. The last keys, in the table as well, have later versions: of these
# something can still be pinned when something has gone of others.
fill('pinned');
sql("INSERT INTO pinned (key, version, value) SELECT convert_to('z' || k, 'UTF8'), 100 + v, 'v' FROM generate_series(1, ${\LATE}) k, generate_series(1, ${\VERSIONS}) v ORDER BY md5((k * 100 + v)::text)");
begin_drops('pinned', q{SELECT mvstore_set_policy('pinned', keep_versions := 1)});
sql('SELECT mvstore_pause()');
is(holes('pinned'), 0, 'so does a pause');
is(wrong_answers('pinned'), 0, 'reads of the past are right or refused');
my $floor = sql(q{SELECT floor FROM mvstore_store_stats WHERE store = 'pinned'::regclass});
my $pin = $floor <= VERSIONS ? 110 : $floor;
sql("SELECT mvstore_pin('mine', $pin, '1 hour', 'pinned'); SELECT mvstore_resume()");
sql(q{SELECT mvstore_create('other'); SELECT mvstore_put('other', 'k', 'v'); SELECT mvstore_put('other', 'k', 'w'); SELECT mvstore_drop('other', 'k')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM other}, 'after that drops go on');
wait_until($node, 'postgres', 'SELECT entries = ' . (KEYS + (101 + VERSIONS - $pin) * LATE) . ' FROM (SELECT count(*) AS entries FROM pinned) e', 'and so does all of the pinned store but what the pin keeps');
is(sql("SELECT count(*) FROM pinned WHERE version >= $pin"), (101 + VERSIONS - $pin) * LATE, 'nothing of that goes');
is(holes('pinned'), 0, 'and no key has a hole');
sql(q{SELECT mvstore_unpin('mine')});
is(sql('SELECT mvstore_flush()'), 't', 'without the pin the rest is done');
is(state_of('pinned'), $newest, 'as a whole');

# Requests for each key: by a pause an entry is locked, another moved. Of one key two entries
# are to stay, where the newest but one has gone already, by SQL.
fill('asked');
sql(q{DELETE FROM asked WHERE key = 'k7' AND version = 19});
sql('SELECT mvstore_pause()');
sql("SELECT count(mvstore_drop('asked', 'k' || k)) FROM generate_series(1, ${\KEYS}) k WHERE k <> 7");
sql(q{SELECT mvstore_drop('asked', 'k7', keep := 2)});
begin_drops('asked', 'SELECT mvstore_resume()');
sql('SELECT mvstore_pause()');
is(sql("SELECT count(*) FROM (SELECT min(version) AS low, count(*) AS entries FROM asked WHERE key <> 'k7' GROUP BY key) k WHERE entries <> ${\VERSIONS} - low + 1"), 0, 'so do requests for each key');
is(wrong_answers('asked'), 0, 'reads of the past are right or refused');
sql(q{UPDATE asked SET value = 'moved' WHERE key = 'k999'});
my $locker = $node->background_psql('postgres');
$locker->query_safe(q{BEGIN; SELECT 1 FROM asked WHERE key = 'k3' ORDER BY version FOR UPDATE});
sql(q{SELECT mvstore_resume()});
wait_until($node, 'postgres', sprintf(q{SELECT count(*) = %d FROM asked WHERE key <> 'k3'}, KEYS), 'what can go goes, moved entries with it');
$locker->query_safe('COMMIT');
$locker->quit;
is(sql('SELECT mvstore_flush()'), 't', 'and what was locked');
is(sql(q{SELECT string_agg(version::text, ' ' ORDER BY version) FROM asked WHERE key = 'k7'}), '18 20', 'but nothing that a request wants kept');
is(sql(q{SELECT count(*) FROM asked WHERE key <> 'k7'}), KEYS - 1, 'nor the newest of any other');
is(sql('SELECT count(*) FROM mvstore_journal'), 0, 'and no request is left');

# The past is written, a key erased, an entry locked, another moved, by a pause.
fill('written');
begin_drops('written', q{SELECT mvstore_set_policy('written', keep_versions := 2)});
sql('SELECT mvstore_pause()');
is(holes('written'), 0, 'in the midst of what a policy lets go likewise');
sql(q{UPDATE written SET value = 'moved' WHERE key = 'k999'});
sql(q{SELECT mvstore_erase('written', 'k2')});
$locker = $node->background_psql('postgres');
$locker->query_safe(q{BEGIN; SELECT 1 FROM written WHERE key = 'k3' ORDER BY version FOR UPDATE});
sql(q{SELECT mvstore_resume()});
wait_until($node, 'postgres', sprintf(q{SELECT count(*) = %d FROM written WHERE key NOT IN ('k2', 'k3')}, 2 * (KEYS - 2)), 'what can go goes, moved entries with it');
$locker->query_safe('COMMIT');
$locker->quit;
is(sql('SELECT mvstore_flush()'), 't', 'and what was locked');
is(sql("SELECT count(*) || ' ' || min(version) FROM written"), 2 * (KEYS - 1) . ' ' . (VERSIONS - 1), 'two entries of each key stay, and none of the one that was erased');

# In the midst of the keys there is one with more entries than a transaction drops.
sub fill_big
{
	my ($store) = @_;
	fill($store);
	return sql("INSERT INTO $store (key, version, value) SELECT 'k3', v, 'v' FROM generate_series(${\VERSIONS} + 1, 20000) v");
}
sub state_of_big { return sql("SELECT count(*) || ' entries, ' || max(version) FROM $_[0]"); }
my $newest_big = KEYS . ' entries, 20000';
for my $ask (q{SELECT mvstore_compact('big', mvstore_stable_version())}, q{SELECT mvstore_drop_prefix('big', 'k')},
	q{SELECT mvstore_set_policy('big', keep_versions := 1)})
{
	fill_big('big');
	sql($ask);
	is(sql('SELECT mvstore_flush()'), 't', "beside a key with very many entries, done: $ask");
	is(state_of_big('big'), $newest_big, 'as a whole');
	sql('DROP TABLE big');
}

$node->stop;
done_testing();
