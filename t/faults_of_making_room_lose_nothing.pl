# A worker that makes room for another database's, or finds nothing of its own, is on its way out when something is
# requested of it: that is not left for when it would have come back by itself. Only in builds for tests, see src/shared/fault.h.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreFaults;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('room', conf => "mvstore.max_workers = 1\nfsync = off");
skip_without_faults($node);

sub sql { return $node->safe_psql(@_); }

for my $database ('mine', 'other')
{
	sql('postgres', "CREATE DATABASE $database");
	sql($database, 'CREATE EXTENSION mvstore');
	sql($database, q{SELECT mvstore_create('s'), mvstore_create('aged', keep_for := '1 day')});
	sql($database, q{SELECT mvstore_put_at('s', 'k', 'v', v) FROM generate_series(1, 2) v});
}

# Of one database something is kept for a day, so its worker stays until another one wants the place.
sql('mine', q{SELECT mvstore_put('aged', 'k', 'v')}) for (1, 2);
is(sql('mine', 'SELECT mvstore_flush()'), 't', 'what is to be kept for a day is noted');
arm($node, 'given-way:wait');
wait_until($node, 'postgres', q{SELECT bool_and(worker_state = CASE database WHEN 'mine' THEN 'idle' ELSE 'stopped' END) FROM mvstore_stats}, 'its worker alone stays');
sql('other', q{SELECT mvstore_drop('s', 'k')});
wait_for_fault($node, 'it makes room for another');
is(sql('postgres', q{SELECT worker_state FROM mvstore_stats WHERE database = 'mine'}), 'waiting for its turn', 'for a while, as there is nothing to do');
sql('mine', q{SELECT mvstore_drop('s', 'k')});
let_go($node);
wait_until($node, $_, q{SELECT count(*) = 1 FROM s}, "what was requested of database $_ is done") for ('other', 'mine');

# One that has looked and found no extension is on its way out when there is one, and something is requested.
sql('postgres', 'CREATE DATABASE late');
arm($node, 'worker-not-wanted:wait');
wait_for_fault($node, 'a worker finds nothing of its own in a database');
sql('late', 'CREATE EXTENSION mvstore');
sql('late', q{SELECT mvstore_create('s')});
sql('late', q{SELECT mvstore_put('s', 'k', 'v')}) for (1, 2);
sql('late', q{SELECT mvstore_drop('s', 'k')});
let_go($node);
wait_until($node, 'late', q{SELECT count(*) = 1 FROM s}, 'what was requested meanwhile is done');

$node->stop;
done_testing();
