# A pin is shown as long as it holds anything back, and no longer, also where versions
# are ahead of the clock, as after a clock that was set back. Otherwise an operator would
# wait for a pin that is over, or rely on a promise that nobody keeps.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('clock', conf => "mvstore.flush_interval = '5 ms'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('s')});
sql(q{SELECT mvstore_put('s', 'k', '1')});
sql(q{SELECT mvstore_pin('short', ttl := '30 min')});
sql(q{SELECT mvstore_pin('long', ttl := '1 day')});
sql(qq{SELECT mvstore_put('s', 'k', '$_')}) for (2, 3);
is(sql('SELECT name FROM mvstore_pins ORDER BY name'), "long\nshort", 'both pins are shown');

# What the clock of before had reached is what the durable mark says.
$node->stop('immediate');
$node->start;
sql(q{SELECT setval('mvstore_clock', (extract(epoch FROM clock_timestamp() + interval '1 hour') * 1000000)::bigint)});
$node->stop('immediate');
$node->start;
cmp_ok(sql(q{SELECT mvstore_put('s', 'k', '4')}), '>', sql(q{SELECT mvstore_version_at(now() + interval '59 min')}), 'versions are an hour ahead');
is(sql('SELECT name FROM mvstore_pins ORDER BY name'), 'long', 'the pin that this hour has ended is not shown');
is(sql(q{SELECT name FROM mvstore_blockers WHERE kind = 'pin'}), 'long', 'nor in mvstore_blockers');

# Nor does it hold anything back.
sql(q{SELECT mvstore_drop('s', 'k')});
is(sql(q{SELECT state FROM mvstore_requests}), 'held', 'the other one holds');
is(sql(q{SELECT mvstore_unpin('long')}), 't', 'until it is given up');
is(sql('SELECT mvstore_flush()'), 't', 'then drops are done');
is(sql(q{SELECT count(*) FROM mvstore_history('s', 'k')}), 1, 'with no regard to the one that is over');

$node->stop;
done_testing();
