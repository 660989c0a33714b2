# What is in the way of a request for very many keys holds it for so long and no
# longer: an old writer, a pin, a lock, a foreign key; and it can be ended in the
# middle.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# So slow that there is always a middle, until the limit is lifted.
my $node = mvstore_node('held', conf => "mvstore.drop_rate_limit = 1000\nstatement_timeout = '2 min'\nfsync = off");

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

sub begins
{
	my ($store, $keys) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT count(*) < 2 * $keys + 4 FROM $store", 'it has begun');
}

sub flushed
{
	my ($expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# (With a timeout beyond that of the test.)
	return is(sql(q{SELECT mvstore_flush('1 day')}), $expected, $name);
}

# ---- An old writer: nothing goes before it has ended.

fill('s', 5000);
sql(q{SELECT mvstore_create('other')});
limit(0);
my $session = $node->background_psql('postgres');
my $before = $session->query_safe(q{BEGIN; SELECT mvstore_put('other', 'w', 'w')});
sql(q{SELECT mvstore_put('s', 'k000001', 'new')});
sql("SELECT mvstore_compact('s', before := $before - 1)");
flushed('t', 'a compaction of what was before a writer does not wait for it');
is(values_of('s', 'k000001') . ', ' . values_of('s', 'k000002'), 'new v2, v2', 'and is done');
sql(q{SELECT mvstore_put('s', 'k000002', 'new')});
sql(q{SELECT mvstore_compact('s', before := mvstore_version_at(clock_timestamp())), mvstore_drop_prefix('s', 'k')});
wait_until($node, 'postgres', q{SELECT count(*) = 2 FROM mvstore_requests WHERE state = 'held'}, 'one of what came since waits');
wait_until($node, 'postgres', q{SELECT count(*) = 1 AND max(requests) = 2 FROM mvstore_blockers WHERE kind = 'writer'}, 'as is seen');
stays($node, 'postgres', q{SELECT count(*) = 5004 FROM s}, 'and nothing goes');
$session->query_safe('COMMIT');
flushed('t', 'when the writer has ended it is done');
is(entries_of($node, 'postgres', 's'), 5002, 'all of it');

# ---- A pin, also over a crash.

sql(q{SELECT count(mvstore_put('s', 'k' || lpad(k::text, 6, '0'), 'pinned')) FROM generate_series(1, 100) k});
my $pin = sql(q{SELECT mvstore_pin('p', store := 's')});
sql(q{SELECT count(mvstore_put('s', 'k' || lpad(k::text, 6, '0'), 'later')) FROM generate_series(1, 100) k});
sql(q{SELECT mvstore_compact('s', before := mvstore_stable_version())});
flushed('f', 'a compaction waits for a pin');
$node->stop('immediate');
$node->start;
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_requests WHERE kind = 'compact' AND state = 'held'}, 'also after a crash');
flushed('f', 'and nobody for it');
is(sql("SELECT mvstore_get('s', 'k000001', as_of := $pin)"), 'pinned', 'what is pinned is there');
is(sql(q{SELECT mvstore_unpin('p')}), 't', 'the pin is given up');
flushed('t', 'then it is done');
is(entries_of($node, 'postgres', 's'), 5002, 'all of it');

# ---- A lock on an entry in the middle, which holds it but nobody else.

sql(q{SELECT count(mvstore_put('s', 'k' || lpad(k::text, 6, '0'), '1')) FROM generate_series(1, 1000) k});
sql(q{SELECT mvstore_put('other', 'k', '1')});
sql(q{SELECT mvstore_put('other', 'k', '2')});
$session->reconnect_and_clear();
$session->query_safe(q{BEGIN; SELECT version FROM s WHERE key = 'k000500' ORDER BY version LIMIT 1 FOR UPDATE});
sql(q{SELECT mvstore_drop_prefix('s', 'k'), mvstore_drop('other', 'k'), mvstore_drop('s', 'k000600')});
wait_until($node, 'postgres', q{SELECT (SELECT count(*) FROM mvstore_history('other', 'k')) = 1 AND (SELECT count(*) FROM mvstore_history('s', 'k000499')) = 1 AND (SELECT count(*) FROM mvstore_history('s', 'k000600')) = 1},
	'with an entry locked, what is before it is done, and requests of others');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 's'::regclass}, 'the lock is seen');
is(sql(q{SELECT count(*) FROM mvstore_history('s', 'k000500')}), 2, 'what is locked is there');
is(sql('SELECT kind FROM mvstore_requests'), 'range', 'with the request');
$session->query_safe('COMMIT');
flushed('t', 'when it is free all is done');
is(entries_of($node, 'postgres', 's'), 5002, 'all of it');

# ---- A foreign key, that comes when it is requested already.

sql(q{SELECT mvstore_put('s', 'k000001', '2')});
sql(q{SELECT mvstore_pause()});
sql(q{SELECT mvstore_drop_prefix('s', 'k')});
sql('CREATE TABLE citation (key bytea, version bigint, FOREIGN KEY (key, version) REFERENCES s (key, version))');
sql(q{SELECT mvstore_resume()});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_requests WHERE attempts > 0 AND last_error LIKE '%foreign key%'}, 'a store that is referred to is not dropped from');
sql('DROP TABLE citation');
flushed('t', 'when the foreign key has gone, it is done');
is(entries_of($node, 'postgres', 's'), 5002, 'all of it');

# ---- What ends one in the middle.

limit(1000);

fill('cancelled', 20000);
sql(q{SELECT mvstore_drop_prefix('cancelled', 'k')});
begins('cancelled', 20000);
is(sql(q{SELECT mvstore_cancel_request(id) FROM mvstore_requests}), 't', 'one is cancelled in the middle');
is(sql(q{SELECT mvstore_flush()}), 't', 'nothing is left to do');
my $left = entries_of($node, 'postgres', 'cancelled');
cmp_ok($left, '>', 25000, 'most of it is there');
fill('emptied', 20000);
sql(q{SELECT mvstore_drop_prefix('emptied', 'k'), mvstore_drop_prefix('emptied', 'l')});
begins('emptied', 20000);
is(entries_of($node, 'postgres', 'cancelled'), $left, 'and stays');
sql(q{BEGIN; TRUNCATE emptied; INSERT INTO emptied (key, version, value) SELECT k, v, 'next' FROM unnest('{k1,l}'::bytea[]) k, generate_series(1, 2) v; COMMIT});
is(sql(q{SELECT mvstore_flush()}), 't', 'when a store is emptied, its request is done');
is(entries_of($node, 'postgres', 'emptied'), 4, 'and what comes then is not its business');
fill('gone', 20000);
sql(q{SELECT mvstore_drop_prefix('gone', 'k')});
begins('gone', 20000);
sql('DROP TABLE gone');
is(sql(q{SELECT mvstore_flush()}), 't', 'when a store is dropped, too');
is(sql(q{SELECT count(*) FROM mvstore_requests}), 0, 'with its row');

$session->quit;

$node->stop;
done_testing();
