# A request for a range that meets damage behind its first slice tries again there, and is set aside as any other request that
# fails time after time: it neither begins anew each time, nor has who waits for a flush wait for ever. What it asks for is done
# when the damage is mended. And a request that is cancelled while it fails is no failure that is left.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant KEYS => 60000;

my $node = mvstore_node('failed', conf => "mvstore.sweep_interval = '1 h'\nfsync = off\nstatement_timeout = '3 min'");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# So many keys that they take three slices and more, in the order of the table; each has something to go.
sql(q{SELECT mvstore_create('s')});
sql("INSERT INTO s (key, version, value) SELECT convert_to('k' || lpad(k::text, 6, '0'), 'UTF8'), v, 'v' FROM generate_series(1, ${\KEYS}) k, generate_series(1, 2) v");
is(sql('SELECT mvstore_flush()'), 't', 'nothing is to be done');
my $number = sql(q{SELECT (ctid::text::point)[0] FROM s WHERE key = 'k045000' AND version = 2});
my $path = $node->data_dir . '/' . sql(q{SELECT pg_relation_filepath('s')});
$node->stop('fast');
my $good = page_of($path, $number, "\xff" x 8192);
$node->start;

sql(q{SELECT mvstore_compact('s', mvstore_stable_version())});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_requests WHERE kind = 'compact' AND state = 'failed'}, 'a compaction that meets a damaged page is set aside');
cmp_ok(sql(q{SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 's'}), '>', 30000, 'behind two slices, which are done');
is(sql(q{SELECT mvstore_flush()}), 'f', 'mvstore_flush tells of it, and waits no longer');
page_of($path, $number, $good);
is(sql(q{SELECT mvstore_retry_failed('s')}), 1, 'the page is repaired, and it is tried again');
is(sql('SELECT mvstore_flush()'), 't', 'it is done');
is(sql('SELECT count(*) FROM s'), KEYS, 'whole');

# ---- What is cancelled ---------------------------------------------------------

# A store without its index refuses all before anybody looks at the rows of requests.
sql(q{SELECT mvstore_create('refused'); SELECT mvstore_put('refused', 'k', '1')});
sql(q{SELECT mvstore_put('refused', 'k', '2')});
sql(q{SELECT mvstore_pause(), mvstore_drop('refused', 'k')});
sql(q{DROP INDEX refused_key_version_idx});
sql(q{SELECT mvstore_resume()});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'error' AND store = 'refused'::regclass}, 'a request fails');
is(sql(q{SELECT count(mvstore_cancel_request(id)) FROM mvstore_requests}), 1, 'it is cancelled');
is(sql('SELECT mvstore_flush()'), 't', 'and nothing is left');
is(sql(q{SELECT requests_failed FROM mvstore_stats WHERE database = 'postgres'}), 0, 'nor counted as failed');

$node->stop;
done_testing();
