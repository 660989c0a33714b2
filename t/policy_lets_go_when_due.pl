# Under a policy by age old entries go when they are due, and not before, without
# anybody looking through the store; and so do expired ones.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('due', conf => "mvstore.sweep_interval = '1 s'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub count_of { return sql("SELECT $_[0] FROM mvstore_store_stats WHERE store = '$_[1]'::regclass"); }

# Put keys k1, k2, ... of a store, so often, each time in a transaction of its own.
sub put
{
	my ($store, $keys, $times) = @_;

	sql("SELECT count(mvstore_put('$store', 'k' || k, '$_')) FROM generate_series(1, $keys) k") for (1 .. $times);
	return;
}

# Keys that the calendar has of a store, where each has so many bytes.
sub noted
{
	my ($store, $bytes) = @_;

	return sql("SELECT coalesce(sum(length(keys)), 0) / (4 + $bytes) FROM mvstore_calendar WHERE store = '$store'::regclass");
}

# Pass when a store comes down to so many entries; on the way nothing may go whose
# time has not come: all that is gone has ended so many seconds ago at least.
sub goes_when_due
{
	my ($store, $age, $left, $name) = @_;
	my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my ($gone_early, $is_left);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# (In this order: the clock is read after the store.)
	my $look = <<"SQL";
WITH gone AS MATERIALIZED (SELECT w.ends FROM was_$store w WHERE NOT EXISTS (SELECT FROM $store s WHERE (s.key, s.version) = (w.key, w.version)))
SELECT (SELECT count(*) FROM gone WHERE ends IS NULL OR ends + $age * 1000000::bigint > mvstore_version_at(clock_timestamp())), (SELECT count(*) FROM $store)
SQL
	while ($tries-- > 0)
	{
		($gone_early, $is_left) = split(/\|/, sql($look));
		last if $gone_early > 0 || $is_left <= $left;
		Time::HiRes::usleep(100_000);
	}
	return is("$is_left left, $gone_early gone early", "$left left, 0 gone early", $name);
}

# Note what a store has, with when each entry was superseded, or the key's end came.
sub note_entries
{
	my ($store) = @_;

	return sql(<<"SQL");
CREATE TABLE was_$store AS
  SELECT key, version, coalesce(lead(version) OVER (PARTITION BY key ORDER BY version),
                                CASE WHEN value IS NULL THEN version END, mvstore_version_at(expires_at)) AS ends
    FROM $store;
CREATE UNIQUE INDEX ON was_$store (key, version);
SQL
}

sql(q{SELECT mvstore_create('aged', keep_for := '1 s'), mvstore_create('hour', keep_for := '1 hour'), mvstore_create('two', keep_versions := 2, keep_for := '1 s'),
             mvstore_create('long', keep_for := '10 days'), mvstore_create('plain'), mvstore_create('brief', ttl := '1 s'), mvstore_create('hot', keep_for := '1 hour'),
             mvstore_create('busy', keep_for := '2 s')});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');

# ---- A long time to keep is no burden: a few bytes a key, and no work meanwhile.

put('long', 20000, 2);
is(sql('SELECT mvstore_flush()'), 't', 'requests are not held by age');
is(sql(q{SELECT sum(length(keys)) FROM mvstore_calendar WHERE store = 'long'::regclass}), sql(q{SELECT sum(4 + length('k' || k)) FROM generate_series(1, 20000) k}),
	'the calendar has each key that was overwritten, once');
cmp_ok(sql(q{SELECT count(*) FROM mvstore_calendar WHERE store = 'long'::regclass}), '<=', 400, 'in few rows');

# ---- What is due goes, and no earlier.

sql('SELECT mvstore_pause()');
put('aged', 1000, 2);
sql(q{SELECT mvstore_put('aged', 'deleted', 'v'), mvstore_put('aged', 'alone', 'v')});
sql(q{SELECT mvstore_delete('aged', 'deleted')});
note_entries('aged');
sql('SELECT mvstore_resume()');
is(sql('SELECT min(ends) < max(ends) FROM was_aged'), 't', 'entries end at two times');
goes_when_due('aged', 1, 1001, 'what was superseded goes when it is due, and no earlier');
is(sql(q{SELECT count(*) FILTER (WHERE value = '2'), count(*) FILTER (WHERE key = 'alone') FROM aged}), '1000|1', 'the newest stay');
is(sql(q{SELECT keys_due, entries_swept, entries_dropped, keys_purged FROM mvstore_store_stats WHERE store = 'aged'::regclass}), '1001|0|1002|1',
	'nothing was looked at but what was garbage');
is(sql(q{SELECT keys_due FROM mvstore_stats WHERE database = 'postgres'}), 1001, 'as the database has it');
is(count_of('floor', 'aged'), sql('SELECT max(ends) FROM was_aged'), 'the floor is where the last of them ended');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_calendar WHERE store = 'aged'::regclass}, 'and the calendar has nothing more of the store');

# With keep_versions beside it, so many stay however old they are.
put('two', 10, 4);
note_entries('two');
goes_when_due('two', 1, 20, 'what is old goes, but for the newest two');
is(sql('SELECT string_agg(DISTINCT value::text, $$ $$ ORDER BY value::text) FROM two'), '\x33 \x34', 'which are these');
put('two', 10, 1);
is(sql('SELECT mvstore_flush()'), 't', 'a put of keys with old entries');
sql('DROP TABLE was_two');
note_entries('two');
goes_when_due('two', 1, 20, 'is followed by the next ones');

# ---- By arithmetic: what was written into the past has its age at once.

my $now = sql('SELECT mvstore_version_at(clock_timestamp())');
my $minute = 60_000_000;
my @past;
# The first entries of these keys ended more, resp. less than an hour ago.
for my $key ([ 'old', 90, 80, 70, 61 ], [ 'young', 59, 50, 1 ], [ 'mixed', 150, 90, 30 ])
{
	my ($name, @ages) = @$key;
	push(@past, map { sprintf("SELECT mvstore_put_at('hour', '$name', '$_', %d);", $now - $_ * $minute) } @ages);
}
sql(join("\n", 'BEGIN;', @past, sprintf("SELECT mvstore_delete_at('hour', 'old', %d), mvstore_delete_at('hour', 'young', %d); COMMIT;", $now - 61 * $minute + 1, $now - 1)));
is(sql('SELECT mvstore_flush()'), 't', 'entries of the past are looked at when they come');
is(sql(q{SELECT string_agg(convert_from(key, 'UTF8') || coalesce(convert_from(value, 'UTF8'), '-'), ' ' ORDER BY key, version) FROM hour}),
	'mixed90 mixed30 young59 young50 young1 young-', 'what is older than an hour goes, and a key deleted that long ago, and no more');
is(count_of('entries_swept', 'hour'), 0, 'without a look at others');
is(sql(q{SELECT min(ends) = max(version) FROM mvstore_calendar c, hour h WHERE c.store = 'hour'::regclass AND h.key = 'young' AND h.value = '50'}), 't',
	'the calendar has the rest, from the first one to end');
my $in_vain = count_of('keys_due', 'hour');
stays($node, 'postgres', q{SELECT count(*) = 6 FROM hour}, 'which stay');
is(count_of('keys_due', 'hour'), $in_vain, 'with nobody looking at them in vain');

# A key with very many entries: most will be due at the same moment, the others later.
my $hour_ago = sql(q{SELECT mvstore_version_at(clock_timestamp() - interval '1 hour')});
sql("SELECT count(mvstore_put_at('hot', 'k', 'v', $hour_ago + CASE WHEN i <= 28000 THEN 2000000 ELSE 4000000 END + i)) FROM generate_series(1, 30000) i");
sql(q{SELECT mvstore_put('hot', 'other', '1')});
sql(q{SELECT mvstore_put('hot', 'other', '2')});
note_entries('hot');
goes_when_due('hot', 3600, 3, 'a key with 30,000 old entries is done');
cmp_ok(count_of('entries_swept', 'hot'), '==', 0, 'by looks at that key alone');
cmp_ok(count_of('keys_due', 'hot'), '<', 100, 'which are few');
is(noted('hot', 5), 1, 'and nothing else was touched: a younger one is still noted');

# A key overwritten all the time, which has more old entries than one look takes.
sql(q{DO $$ BEGIN FOR i IN 1 .. 20000 LOOP PERFORM mvstore_put('busy', 'k', 'v'); COMMIT; END LOOP; END $$});
note_entries('busy');
goes_when_due('busy', 2, 1, 'a key overwritten all the time keeps its newest entry');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_calendar WHERE store = 'busy'::regclass}, 'and no notes');
cmp_ok(count_of('keys_due', 'busy'), '<', 1000, 'it is not looked at again and again');

# ---- Expired entries go in any store, also where there is no policy.

sql(q{SELECT mvstore_put('plain', 'k' || k, 'v', ttl := '1 s'), mvstore_put('brief', 'k' || k, 'v') FROM generate_series(1, 100) k});
sql(q{SELECT mvstore_put('plain', 'k1', 'w', ttl := '1 s'), mvstore_put('plain', 'later', 'v', ttl := '1 hour'), mvstore_put('plain', 'never', 'v'), mvstore_put('plain', 'renewed', 'v', ttl := '1 s'),
             mvstore_put('brief', 'later', 'v', ttl := '1 hour')});
sql(q{SELECT mvstore_put('plain', 'renewed', 'w', ttl := '1 hour')});
note_entries($_) for ('plain', 'brief');
# What is superseded stays where there is no policy, unless its key goes whole.
sql(q{UPDATE was_plain w SET ends = mvstore_version_at(p.expires_at) FROM plain p WHERE p.key = 'k1' AND w.key = 'k1' AND p.version = (SELECT max(version) FROM plain WHERE key = 'k1')});
goes_when_due('brief', 0, 1, 'the time to live of a store is kept');
wait_until($node, 'postgres', q{SELECT count(*) FILTER (WHERE key LIKE 'k%') = 0 FROM plain}, 'expired keys go whole in a store without a policy');
goes_when_due('plain', 0, sql('SELECT count(*) FROM plain'), 'none of them early');
is(sql(q{SELECT string_agg(key, ' ' ORDER BY key) FROM mvstore_scan('plain')}), 'later never renewed', 'those that have not expired stay');
is(sql(q{SELECT keys_expired, entries_swept FROM mvstore_store_stats WHERE store = 'brief'::regclass}), '100|0', 'they are counted');

# What a trigger has expire goes by what the trigger says, not by the ttl of the put.
sql(q{SELECT mvstore_create('judged')});
sql(q{CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.expires_at := CASE NEW.value WHEN 'never' THEN NULL WHEN 'ever' THEN '-infinity' ELSE now() END;
  RETURN NEW;
END $$});
sql(q{CREATE TRIGGER judge BEFORE INSERT ON judged FOR EACH ROW EXECUTE FUNCTION judge()});
sql(q{SELECT mvstore_put_many('judged', '{a,b,c}', '{now,never,ever}'), mvstore_put_at('judged', 'd', 'now', 10), mvstore_put('judged', 'e', 'now', ttl := '1 day')});
wait_until($node, 'postgres', q{SELECT string_agg(convert_from(key, 'UTF8'), ' ') = 'b' FROM judged}, 'what a trigger has expire goes');

is(sql(q{SELECT sum(entries_swept) FROM mvstore_store_stats}), 0, 'in all this no store was looked through');

# ---- A full pass, where one is asked for, changes nothing of it.

sql(qq{SELECT mvstore_sweep('$_')}) for ('long', 'hour', 'hot', 'plain', 'brief');
is(sql('SELECT mvstore_flush()'), 't', 'stores are swept');
is(sql(q{SELECT entries_swept FROM mvstore_store_stats WHERE store = 'long'::regclass}), 40000, 'which reads all of them');
is(sql(q{SELECT sum(length(keys)) FROM mvstore_calendar WHERE store = 'long'::regclass}), sql(q{SELECT sum(4 + length('k' || k)) FROM generate_series(1, 20000) k}),
	'and leaves the calendar as it was');
cmp_ok(sql(q{SELECT count(*) FROM mvstore_calendar WHERE store = 'long'::regclass}), '<=', 400, 'in few rows');
is(entries_of($node, 'postgres', 'long'), 40000, 'with nothing gone that is young');
is(sql(q{SELECT (SELECT count(*) FROM hour), (SELECT count(*) FROM hot), (SELECT count(*) FROM brief)}), '6|3|1', 'nor in the others');

# Where nothing gets too old, a key with very many entries is looked at for its head alone.
sql(q{SELECT mvstore_create('free')});
sql(q{SELECT count(mvstore_put_at('free', 'k', 'v', i)) FROM generate_series(1, 20001) i});
sql(q{SELECT mvstore_sweep('free')});
is(sql('SELECT mvstore_flush()'), 't', 'a store without a policy is swept');
is(sql(q{SELECT count(*) FROM mvstore_calendar WHERE store = 'free'::regclass}), 0, 'and has nothing to be looked at, ever');
sql(q{SELECT mvstore_put('free', 'k', 'v', ttl := '1 hour')});
sql(q{SELECT mvstore_sweep('free')});
is(sql('SELECT mvstore_flush()'), 't', 'it is swept again');
is(sql(q{SELECT bool_and(ends = mvstore_version_at(expires_at)) FROM mvstore_calendar c, free WHERE c.store = 'free'::regclass AND expires_at IS NOT NULL}), 't', 'what expires is noted, and nothing else');
is(sql(q{SELECT count(*) FROM free}), 20002, 'all is there');

$node->stop;
done_testing();
