# A pass that meets damage tries again there, and not from the first key on; nor where a lock comes in between. Meanwhile
# what gets old goes. Otherwise one bad page would have a store read from its beginning again and again, and keep
# all of its past for as long as it is not repaired.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant KEYS => 60000;

my $node = mvstore_node('failed', conf => "mvstore.sweep_interval = '1 s'\nfsync = off\nstatement_timeout = '3 min'");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub swept { return sql(q{SELECT entries_swept FROM mvstore_store_stats WHERE store = 's'::regclass}); }

# So many keys that they take three slices and more, in the order of the table; in the third one there is something to drop, above
# the floor.
sql(q{SELECT mvstore_create('s', keep_for := '1 s'); SELECT mvstore_put('s', 'a', '1')});
sql(q{SELECT mvstore_put('s', 'a', '2')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM s}, 'what gets old goes');
sql("INSERT INTO s (key, version, value) SELECT convert_to('k' || lpad(k::text, 6, '0'), 'UTF8'), first + v, 'v' FROM (SELECT max(version) FROM s) s (first), generate_series(1, ${\KEYS}) k, generate_series(1, 1 + (k = 45000)::int) v");
is(sql('SELECT mvstore_flush()'), 't', 'nothing is to be done');

# ---- A lock of the catalog: that of the row of the floor --------------------

my $before = swept();
my $locker = $node->background_psql('postgres');
$locker->query_safe(q{BEGIN; SELECT FROM mvstore_floor WHERE store = 's'::regclass FOR UPDATE});
sql(q{SELECT mvstore_sweep('s')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 's'::regclass}, 'a pass meets a lock');
my $swept = swept();
cmp_ok($swept - $before, '>', 30000, 'behind two slices');
stays($node, 'postgres', "SELECT entries_swept = $swept FROM mvstore_store_stats WHERE store = 's'::regclass", 'where it tries again');
$locker->query_safe('COMMIT');
$locker->quit;
is(sql('SELECT mvstore_flush()'), 't', 'without the lock it is done');
is(swept() - $before, KEYS + 2, 'and has read each entry once');

# ---- Damage ------------------------------------------------------------------

my $number = sql(q{SELECT (ctid::text::point)[0] FROM s WHERE key = 'k045000'});
my $path = $node->data_dir . '/' . sql(q{SELECT pg_relation_filepath('s')});
$node->stop('fast');
my $good = page_of($path, $number, "\xff" x 8192);
$node->start;
sub failed_at { return sql(q{SELECT coalesce(last_error_at, 'epoch') FROM mvstore_stats WHERE database = 'postgres'}); }
sub fails_again
{
	my ($name) = @_;
	my $last = failed_at();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT last_error_at > '$last' FROM mvstore_stats WHERE database = 'postgres'", $name);
}
$before = swept();
sql(q{SELECT mvstore_sweep('s')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'error' AND store = 's'::regclass}, 'a pass meets a damaged page');
$swept = swept();
cmp_ok($swept - $before, '>', 30000, 'behind two slices');
fails_again('it tries again');
fails_again('and again');
is(swept(), $swept, 'where it is');

# What gets old meanwhile goes: of a key that the pass has done, of another, and of one that is new.
for my $value ('3', '4')
{
	sql("SELECT mvstore_put('s', key, '$value') FROM unnest('{a,k059999,z}'::text[]) key");
}
wait_until($node, 'postgres', q{SELECT count(*) = 3 FROM s WHERE key IN ('a', 'k059999', 'z')}, 'what gets old goes all the same');
is(sql(q{SELECT mvstore_flush('50 ms')}), 'f', 'mvstore_flush tells that not all is done');
is(sql(q{SELECT holds_back LIKE 'invalid page in block %' FROM mvstore_blockers WHERE kind = 'error' AND store = 's'::regclass}), 't', 'and mvstore_blockers why');

page_of($path, $number, $good);
is(sql('SELECT mvstore_flush()'), 't', 'when the page is repaired the pass is done');
cmp_ok(swept() - $before, '<', KEYS + 100, 'and has read each entry once');

$node->stop;
done_testing();
