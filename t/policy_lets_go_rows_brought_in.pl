# Old rows that plain SQL has brought into a key go when they are due, once a sweep
# was asked for, also where the worker has lately dropped newer entries of the key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('below', conf => "mvstore.sweep_interval = '1 s'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('s', keep_for := '4 s')});

# An old snapshot keeps the index from forgetting what is dropped.
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM s');

# So that the worker notes where the key's oldest entry is.
sql(q{SELECT mvstore_put('s', 'k', 'v')}) for (1 .. 50);
sql(q{SELECT mvstore_drop('s', 'k')});
is(sql('SELECT mvstore_flush()'), 't', 'old entries are dropped behind an old snapshot');
my $was = sql(q{SELECT version FROM s});
sql(q{SELECT mvstore_put('s', 'k', 'v')});
sql(q{SELECT mvstore_drop('s', 'k')});
is(sql('SELECT mvstore_flush()'), 't', 'and again');
is(entries_of($node, 'postgres', 's'), 1, 'the newest is left');

# A row below all that the worker knows of, which has ended just now.
sql("INSERT INTO s (key, version, value) VALUES ('k', $was - 1, 'old')");
sql(q{SELECT mvstore_sweep('s')});
is(sql('SELECT mvstore_flush()'), 't', 'the store is swept');
is(entries_of($node, 'postgres', 's'), 2, 'what is young stays');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_calendar}, 'the key was looked at when its time had come');
is(entries_of($node, 'postgres', 's'), 1, 'and the old row is gone');

$reader->quit;
$node->stop;
done_testing();
