# Where a store takes puts, but no deletions, what its policy asks for with each put fails. There is not a row and a
# line of the log for each of them: after a hundred the store is left to a pass, which is tried again now and then, and
# does it all once the cause is gone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('few', conf => "fsync = off\nstatement_timeout = '3 min'");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# An update or deletion cannot be published without a replica identity.
sql(q{SELECT mvstore_create('s', keep_versions := 1), mvstore_create('other', keep_versions := 1)});
my $index = sql(q{SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 's'::regclass});
sql("SET client_min_messages = error; CREATE PUBLICATION p FOR TABLE s; CREATE UNIQUE INDEX other_index ON s (key, version DESC); DROP INDEX $index");

sub put_all { sql(qq{SELECT count(mvstore_put('s', 'k' || k, '$_[0]')) FROM generate_series(1, 150) k}) }

put_all($_) for (1, 2);
wait_until($node, 'postgres', q{SELECT requests_failed = 100 FROM mvstore_stats WHERE database = 'postgres'}, 'a hundred are set aside');
wait_until($node, 'postgres', q{SELECT queue_length = 0 FROM mvstore_stats WHERE database = 'postgres'}, 'nothing waits in the queue');
put_all($_) for (3, 4);
wait_until($node, 'postgres', q{SELECT queue_length = 0 FROM mvstore_stats WHERE database = 'postgres'}, 'nor does what comes then');
sql(q{SELECT mvstore_put('other', 'k', 'v')}) for (1, 2);
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM other', 'drops of another store go on');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'error' AND holds_back ~ 'replica identity'}, 'it is shown why the store is not served');
is(sql(q{SELECT count(*), (SELECT requests_failed FROM mvstore_stats WHERE database = 'postgres') FROM mvstore_requests WHERE state = 'failed'}), '100|100', 'no more are set aside');
is(scalar(() = slurp_file($node->logfile) =~ /was set aside after 5 attempts/g), 100, 'nor does the log say so');
is(sql('SELECT count(*) FROM s'), 600, 'nothing has gone');

# What somebody asked for is no policy's, also where it has no row.
sql(q{SET mvstore.durable_drops = off; SELECT mvstore_drop_prefix('s', 'k15')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_requests WHERE kind = 'range' AND state = 'failed'}, 'a request of somebody that fails is set aside');
sql(q{SELECT mvstore_cancel_request(id) FROM mvstore_requests WHERE kind = 'range'});

sql('DROP PUBLICATION p');
wait_until($node, 'postgres', 'SELECT count(*) = 150 FROM s', 'with the cause gone, all goes that is to go');
put_all(5);
sql(q{SELECT mvstore_retry_failed('s')});
is(sql('SELECT mvstore_flush()'), 't', 'what was set aside is done');
is(sql('SELECT count(*), (SELECT count(*) FROM mvstore_requests) FROM s'), '150|0', 'and nothing is left');

$node->stop;
done_testing();
