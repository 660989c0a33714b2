# Memory that runs out while the worker sorts out what becomes of a batch costs no request that it kept: neither one with a
# row in the journal, nor one without. Only in builds for tests, see src/shared/fault.h.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreFaults;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('settling', conf => 'fsync = off');
skip_without_faults($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('s'), mvstore_create('aged', keep_versions := 1)});
sql(q{SELECT mvstore_put_at('s', 'k' || k, 'v', v) FROM generate_series(1, 9) k, generate_series(1, 2) v});
is(sql('SELECT mvstore_flush()'), 't', 'nothing is to be done');

# Nine are settled as they come from the queue, then again and again, as somebody has the table locked.
arm($node, 'batch-settling:error:40');
my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN; LOCK TABLE s IN SHARE MODE');
sql(q{SELECT mvstore_drop('s', 'k' || k) FROM generate_series(1, 6) k});
sql(q{SET mvstore.durable_drops = off; SELECT mvstore_drop('s', 'k' || k) FROM generate_series(7, 9) k});
wait_for_fault($node, 'the worker ends in the midst of what it keeps');
is(sql(q{SELECT mvstore_flush('10 ms')}), 'f', 'nobody is told that all is done');
$other->query_safe('COMMIT');
$other->quit;
wait_until($node, 'postgres', 'SELECT mvstore_flush()', 'the next worker does what is left');
is(sql('SELECT count(*) FROM s'), 9, 'all that was requested');
is(sql('SELECT count(*) FROM mvstore_journal'), 0, 'and nothing of it is left');
is(sql('SELECT queue_length + requests_held FROM mvstore_stats WHERE database = current_database()'), 0, 'nor counted');

$node->stop;
done_testing();
