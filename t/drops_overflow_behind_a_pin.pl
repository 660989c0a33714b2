# What a policy would let go behind a pin, beyond what the worker keeps of it, is swept when the pin has gone.
# If it were before, pass would follow pass over the store for as long as the pin lasts, each for nothing, and other
# databases would wait for the worker's place.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant KEYS => 60;

my $node = mvstore_node('pinned', conf => "mvstore.queue_size = 16\nmvstore.max_workers = 1\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stat_of { return sql("SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }

# Each in a transaction of its own, none of which overflows.
sub put_all { return sql(join("\n", map { "SELECT mvstore_put('s', 'k$_', '$_[0]'), mvstore_flush('1 ms');" } 1 .. KEYS)); }

sub put_too_many
{
	my ($value) = @_;
	my $overflowed = stat_of('requests_overflowed');

	put_all($value);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT requests_overflowed > $overflowed + 20 AND requests_held >= 16 AND queue_length = 0 FROM mvstore_stats WHERE database = 'postgres'",
		"$value: the worker keeps as many requests as it may");
}

sql(q{SELECT mvstore_create('s', keep_versions := 1)});
put_all('v1');
is(sql('SELECT mvstore_flush()'), 't', 'the worker has nothing to do');
my $sweeps = stat_of('sweeps');
sql(q{SELECT mvstore_pin('mine', ttl := '1 hour', store := 's')});
put_too_many($_) for ('v2', 'v3');
stays($node, 'postgres', "SELECT sweeps = $sweeps FROM mvstore_stats WHERE database = 'postgres'", 'and makes no pass for the others');
is(sql(q{SELECT mvstore_flush('50 ms')}), 'f', 'mvstore_flush does not say done');
is(entries_of($node, 'postgres', 's'), 3 * KEYS, 'and nothing has gone');
is(sql(q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'pin'}), '1', 'mvstore_blockers tells why');

# It sleeps, and its place is another database's.
sql('CREATE DATABASE another');
$node->safe_psql('another', 'CREATE EXTENSION mvstore');
$node->safe_psql('another', q{SELECT mvstore_create('s', keep_versions := 1); SELECT mvstore_put('s', 'k', '1')});
$node->safe_psql('another', q{SELECT mvstore_put('s', 'k', '2')});
is($node->safe_psql('another', 'SELECT mvstore_flush()'), 't', 'another database has its turn');
is(stat_of('sweeps'), $sweeps, 'and what waits goes on waiting');

$node->restart;
is(sql(q{SELECT mvstore_flush('50 ms')}), 'f', 'over a restart, too');
stays($node, 'postgres', "SELECT sweeps = $sweeps FROM mvstore_stats WHERE database = 'postgres'", 'without a pass');

# A pass that is asked for is made, and tells nothing of what waits that is not so.
sql(q{SELECT mvstore_sweep('s')});
wait_until($node, 'postgres', "SELECT sweeps = $sweeps + 1 FROM mvstore_stats WHERE database = 'postgres'", 'a pass that somebody asks for is made at once');
is(sql(q{SELECT mvstore_flush('50 ms')}), 'f', 'and waits for the pin');
sql(q{SELECT mvstore_unpin('mine')});
is(sql('SELECT mvstore_flush()'), 't', 'without the pin all is done');
is(entries_of($node, 'postgres', 's'), KEYS, 'and has gone');

# Where nobody asks for a pass meanwhile, the end of the pin has one made.
$sweeps = stat_of('sweeps');
sql(q{SELECT mvstore_pin('mine', ttl := '1 hour', store := 's')});
put_too_many('v4');
sql(q{SELECT mvstore_unpin('mine')});
is(sql('SELECT mvstore_flush()'), 't', 'without the pin all is done');
is(entries_of($node, 'postgres', 's'), KEYS, 'and has gone');
is(stat_of('sweeps'), $sweeps + 1, 'by one pass');

$node->stop;
done_testing();
