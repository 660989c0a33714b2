# A pin holds what it promises, and no longer than it was asked to: when it expires,
# the worker goes on by itself with all that waited, and nothing is left of it. Until
# then who looks for the reason finds it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('pins', conf => "mvstore.sweep_interval = '1 s'\nstatement_timeout = '2 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub put { sql("SELECT mvstore_put('$_[0]', '$_[1]', '$_')") for (@_[ 2 .. $#_ ]); return; }
sub values_of { return sql("SELECT string_agg(convert_from(value, 'UTF8'), ' ' ORDER BY version) FROM $_[0]"); }

# Pass when the query answers 't', but at no time before the pins of a list have expired.
sub waits_for_pins
{
	my ($names, $query, $name) = @_;
	my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my ($done, $expired);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	while ($tries-- > 0)
	{
		# (In this order: the clock is read last.)
		($done, $expired) = split(/\|/,
			sql("WITH d AS MATERIALIZED ($query) SELECT d.*, (SELECT bool_and(clock_timestamp() >= expires) FROM wanted WHERE name = ANY ('{$names}') AND d IS NOT NULL) FROM d"));
		last if $done eq 't';
		Time::HiRes::usleep(50_000);
	}
	return is("$done $expired", 't t', $name);
}

sql(q{SELECT mvstore_create('s', keep_versions := 1), mvstore_create('plain'), mvstore_create('aged', keep_for := '0'), mvstore_create('brief', ttl := '1 s'), mvstore_create('free', keep_versions := 1)});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');

# ---- One pin, all that waits for it.

put('plain', 'k', 1 .. 3);
put('brief', 'k', 1);
put($_, 'k', 1) for ('s', 'aged', 'free');
sql(q{CREATE TABLE wanted (name text, expires timestamptz, version bigint)});
my $pin = sql(q{SELECT mvstore_pin('all', ttl := '4 s')});
sql('INSERT INTO wanted SELECT name, expires, version FROM mvstore_pins');
is(sql(qq{SELECT name, owner = current_user, store IS NULL, version = $pin, expires - created FROM mvstore_pins}), 'all|t|t|t|00:00:04', 'a pin on all stores');
put($_, 'k', 2, 3) for ('s', 'aged');
put('plain', 'k', 4, 5);
sql(q{SELECT mvstore_drop('plain', 'k'), mvstore_drop_prefix('plain', 'k', keep := 2)});
sql(q{SELECT mvstore_compact('s', before := mvstore_stable_version())});
is(sql(q{SELECT mvstore_flush('1 day')}), 'f', 'nobody waits for what is pinned');
is(sql(q{SELECT string_agg(DISTINCT state, ' '), count(*) FILTER (WHERE id IS NOT NULL) FROM mvstore_requests}), 'held|3', 'requests are held');
is(sql(qq{SELECT kind, name, since = created, b.store IS NULL, requests, holds_back LIKE '%version $pin;%' FROM mvstore_blockers b JOIN mvstore_pins p USING (name) WHERE kind = 'pin'}),
	'pin|all|t|t|3|t', 'it is seen why, and since when');
is(values_of('plain'), '1 2 3 4 5', 'all of it is there');
waits_for_pins('all', q{SELECT (SELECT count(*) FROM s) = 1 AND (SELECT count(*) FROM plain) = 1 AND (SELECT count(*) FROM aged) = 1 AND (SELECT count(*) FROM brief) = 0},
	'when it expires all that waited goes, and nothing before');
wait_until($node, 'postgres', 'SELECT count(*) = 0 FROM mvstore_pin', 'then its row goes');
is(sql('SELECT mvstore_flush()'), 't', 'and nothing waits');
is(sql(q{SELECT count(*) FROM mvstore_requests}), 0, 'no request is left');
is(sql(q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'pin'}), 0, 'nor a reason');

# ---- Several: the lowest on a store counts, until it has expired.

# In store steps each entry was superseded 10 seconds after the one before.
sql(q{TRUNCATE wanted, s; SELECT mvstore_create('steps', keep_for := '0'), mvstore_pause()});
my ($v1, $v2, $v3, $v4) = map { sql("SELECT mvstore_put('s', 'k', 'v$_')") } (1 .. 4);
my @steps = map { $v1 - 50_000_000 + 10_000_000 * $_ } (1 .. 4);
sql("SELECT mvstore_put_at('steps', 'k', 'v$_', $steps[$_ - 1])") for (1 .. 4);
sql(qq{SELECT mvstore_pin('low', $v1, '3 s'), mvstore_pin('low, too', $steps[0], '3 s', 'steps'), mvstore_pin('high', $v3, '1 hour', 's'), mvstore_pin('also high', $steps[2], '1 hour', 'steps'),
               mvstore_pin('elsewhere', $v1, '1 hour', 'plain'), mvstore_pin('late', $v4, '1 s', 's')});
sql('INSERT INTO wanted SELECT name, expires, version FROM mvstore_pins');
sql(q{SELECT mvstore_drop('s', 'k'), mvstore_sweep('steps'), mvstore_resume()});
is(sql(q{SELECT mvstore_flush('1 day')}), 'f', 'all is held');
wait_until($node, 'postgres', q{SELECT count(*) = 5 FROM mvstore_pin}, 'the first of them expires');
is(values_of('s') . ', ' . values_of('steps'), 'v1 v2 v3 v4, v1 v2 v3 v4', 'and all stays');
waits_for_pins('low,"low, too",late', q{SELECT (SELECT count(*) FROM s) = 2 AND (SELECT count(*) FROM steps) = 2}, 'the lowest one expires, and what no other holds goes');
is(sql("SELECT mvstore_get('s', 'k', as_of := $v3), mvstore_get('s', 'k'), mvstore_get('steps', 'k', as_of := $steps[2])"), 'v3|v4|v3', 'what is pinned can be read');
is(sql(q{SELECT state FROM mvstore_requests WHERE id IS NOT NULL}), 'held', 'a request for more still waits');
is(sql(q{SELECT mvstore_flush('1 day')}), 'f', 'for the next one');
is(sql(q{SELECT mvstore_unpin('high')}), 't', 'which is given up');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM s}, 'then it is done');
is(sql(q{SELECT mvstore_flush('1 day')}), 'f', 'but not what another one holds');
is(values_of('s') . ', ' . values_of('steps'), 'v4, v3 v4', 'which is that of another store');
is(sql(q{SELECT mvstore_unpin('also high')}), 't', 'with the last of them given up');
is(sql(q{SELECT mvstore_flush()}), 't', 'nothing waits');
is(values_of('steps'), 'v4', 'and all has gone');
is(sql(q{SELECT mvstore_unpin('elsewhere'), mvstore_unpin('elsewhere'), mvstore_unpin('low')}), 't|f|f', 'one that has gone cannot be given up');

# ---- Renewed, it lives on.

sql(q{TRUNCATE wanted; SELECT mvstore_pin('again', ttl := '2 s')});
sql('INSERT INTO wanted SELECT name, expires, version FROM mvstore_pins');
put('s', 'k', 5, 6);
sql(q{SELECT mvstore_pin('again', (SELECT version FROM wanted), '4 s')});
is(sql(q{SELECT p.created < w.expires, p.expires > w.expires, p.version = w.version FROM mvstore_pins p, wanted w}), 't|t|t', 'a pin is renewed');
wait_until($node, 'postgres', q{SELECT clock_timestamp() > expires + interval '500 ms' FROM wanted}, 'its first time is over');
is(values_of('s'), 'v4 5 6', 'what it holds is there');
sql('TRUNCATE wanted; INSERT INTO wanted SELECT name, expires, version FROM mvstore_pins');
waits_for_pins('again', q{SELECT count(*) = 1 FROM s}, 'until its second one is, too');

# ---- Leaked, by sessions that are gone, with nothing to hold.

sql(q{SELECT count(mvstore_pin('leaked ' || i, ttl := '1 s')) FROM generate_series(1, 50) i});
sql(q{SELECT mvstore_pin('lives', ttl := '1 hour')});
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM mvstore_pin', 'pins that nobody gives up go by themselves');
is(sql(q{SELECT count(*), min(name) FROM mvstore_blockers WHERE kind = 'pin'}), '1|lives', 'and what is seen is what lives');
sql(q{SELECT mvstore_unpin('lives')});
is(sql('SELECT count(*) FROM mvstore_pin'), 0, 'given up, a pin is gone');

# ---- One that is not yet granted holds up drops, but no writer; rolled back it was never there.

my $session = $node->background_psql('postgres');
$session->query_safe(q{BEGIN; SELECT mvstore_pin('open', store := 's')});
put($_, 'k', 7, 8) for ('s', 'free');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM free}, 'beside a pin that is not committed other stores are served');
is(values_of('s'), '6 7 8', 'its own waits');
is(sql(q{SELECT count(*) FROM mvstore_pins}), 0, 'nobody sees the pin');
cmp_ok(sql(q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'lock' AND store = 's'::regclass}), '>=', 1, 'but that the store is locked');
$session->query_safe('ROLLBACK');
is(sql(q{SELECT mvstore_flush()}), 't', 'rolled back, all is done');
is(values_of('s'), '8', 'as without it');
$session->query_safe(q{BEGIN; SELECT mvstore_pin('open', store := 's')});
put('s', 'k', 9, 10);
$session->query_safe('COMMIT');
is(sql(q{SELECT mvstore_flush('1 day')}), 'f', 'committed, it holds');
is(values_of('s'), '8 9 10', 'also what came in between');
$session->query_safe(q{SELECT mvstore_unpin('open')});
is(sql(q{SELECT mvstore_flush()}), 't', 'until it is given up');
$session->quit;

$node->stop;
done_testing();
