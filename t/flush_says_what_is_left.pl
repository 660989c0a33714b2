# Who gets true from mvstore_flush() after a sweep may rely on it: what the pass had
# to leave because of a pin or an open writer has gone, too. And where all that is
# left waits for a pin, the answer is false at once, however much that is; what waits
# holds up nothing of others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# (With an interval that no test lives to see.)
my $node = mvstore_node('left', conf => "mvstore.queue_size = 8\nmvstore.sweep_interval = '1 h'\nfsync = off\nstatement_timeout = '60 s'");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub flushed
{
	my ($expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# (With a timeout beyond that of the test.)
	return is(sql(q{SELECT mvstore_flush('1 day')}), $expected, $name);
}

# Wait for the end of the next pass over a store.
my %passes;

sub pass_ends
{
	my ($store, $name) = @_;
	my $last = $passes{$store} // '-infinity';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until($node, 'postgres', "SELECT last_sweep > '$last' FROM mvstore_store_stats WHERE store = '$store'::regclass", $name);
	$passes{$store} = sql("SELECT last_sweep FROM mvstore_store_stats WHERE store = '$store'::regclass");
	return;
}

sql(q{SELECT mvstore_create('aged', keep_for := '500 ms'), mvstore_create('plain'), mvstore_create('other'), mvstore_create('latest', keep_versions := 1)});
flushed('t', 'the worker has come');

# ---- A pass meets a key of which one entry is old enough, but for a pin or an open writer,
# and another one, superseded a little later, is not.

my $session = $node->background_psql('postgres');
for my $i (1 .. 4)
{
	my $pinned = $i % 2;
	my $by = $pinned ? 'a pin' : 'an open writer';

	sql("SELECT mvstore_put('aged', 'k$i', '1')");
	$session->query_safe($pinned ? q{SELECT mvstore_pin('p')} : q{BEGIN; SELECT mvstore_put('other', 'w', 'w')});
	my $second = sql("SELECT mvstore_put('aged', 'k$i', '2')");
	wait_until($node, 'postgres', "SELECT mvstore_version_at(clock_timestamp()) > $second + 510000", 'an entry is old enough');
	sql("SELECT mvstore_put('aged', 'k$i', '3'), mvstore_sweep('aged')");
	pass_ends('aged', "a pass has met what $by holds");
	$session->query_safe($pinned ? q{SELECT mvstore_unpin('p')} : 'COMMIT');
	flushed('t', 'when that has gone, mvstore_flush waits for it');
	is(sql("SELECT count(*) FROM mvstore_history('aged', 'k$i') WHERE value = '1'"), 0, 'and it goes');
}

# ---- A pass that stands for a request which had no room.

for my $i (1 .. 3)
{
	sql("BEGIN; SELECT mvstore_pin('p'), mvstore_put('plain', rpad('k$i', 2000, '.'), 'v', ttl := '1 us'); COMMIT");
	pass_ends('plain', 'a pass for an overflowed request has met an expired key that a pin holds');
	sql(q{SELECT mvstore_unpin('p')});
	flushed('t', 'mvstore_flush waits for it once the pin has gone');
	is(entries_of($node, 'postgres', 'plain'), 0, 'and it has gone');
}

# ---- What a pass leaves may have ended later than the last write: it is the end that counts.

{
	my $expires = sql("SELECT mvstore_put('plain', 'k', 'v', ttl := '200 ms') + 200000");
	flushed('t', 'a key expires');
	sql(q{SELECT mvstore_pin('p')});
	wait_until($node, 'postgres', "SELECT extract(epoch FROM clock_timestamp()) * 1000000 > $expires + 1", 'it has expired behind a pin');
	sql(q{SELECT mvstore_sweep('plain')});
	pass_ends('plain', 'a pass has met it');
	sql(q{SELECT mvstore_unpin('p')});
	flushed('t', 'mvstore_flush waits for it once the pin has gone');
	is(entries_of($node, 'postgres', 'plain'), 0, 'and it has gone');
}

# ---- A pass that leaves nothing waits for nobody.

$session->query_safe(q{BEGIN; SELECT mvstore_put('other', 'w', 'w')});
sql(q{SELECT mvstore_put('plain', 'stays', 'v')});
sql(q{SELECT mvstore_sweep('plain')});
flushed('t', 'a sweep with nothing to do does not wait for an open writer');
$session->query_safe('COMMIT');
$session->quit;

$node->stop;
done_testing();
