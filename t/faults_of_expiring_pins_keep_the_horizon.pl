# A pin that expires while the worker reads the pins lets go what it kept, and nothing else: what is above the
# version of a writer stays. Only in builds for tests, see src/shared/fault.h.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreFaults;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('expiring', conf => "fsync = off\nmax_prepared_transactions = 1");
skip_without_faults($node);
sub sql { return $node->safe_psql('postgres', @_) }

sql(q{SELECT mvstore_create('other'), mvstore_create('s', keep_versions := 1)});
arm($node, 'pins-read:wait');
sql(q{BEGIN; SELECT mvstore_put('other', 'k', 'v'); PREPARE TRANSACTION 'writer'});
sql("SELECT mvstore_put('s', 'k', '$_')") for 1 .. 3;
my $sweeps = sql(q{SELECT sweeps FROM mvstore_stats WHERE database = 'postgres'});
# By the clock of versions, which is ahead after a start.
my $expired = sql(q{SELECT mvstore_pin('short', ttl := '5 s', store := 's') \g /dev/null
	SELECT mvstore_sweep('s') \g /dev/null
	SELECT mvstore_current_version() + 5000000});
wait_for_fault($node, 'the worker has read the pins');
wait_until($node, 'postgres', "SELECT mvstore_current_version() > $expired", 'one expires');
let_go($node);
wait_until($node, 'postgres', "SELECT sweeps > $sweeps FROM mvstore_stats WHERE database = 'postgres'", 'the worker has gone on');
is(sql(q{SELECT coalesce(floor, 0) <= mvstore_stable_version() FROM mvstore_store_stats WHERE store = 's'::regclass}), 't', 'the floor is not above the stable version');
is(entries_of($node, 'postgres', 's'), 3, 'what is above it stays');
is(sql(q{SELECT last_error FROM mvstore_stats WHERE database = 'postgres'}), '', 'and there was no error');
sql(q{COMMIT PREPARED 'writer'});
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM s', 'when the writer has ended, it goes');
$node->stop;
done_testing();
