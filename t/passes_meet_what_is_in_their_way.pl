# A pass that meets a locked row waits for it at no cost, however scattered the table is: what it has judged is
# not judged again and again, nor noted. It passes by what is gone, however much, in slices, and goes on behind it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('way', conf => "mvstore.sweep_interval = '1 h'\nfsync = off\nautovacuum = off\nstatement_timeout = '3 min'");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# ---- A lock -----------------------------------------------------------------

# Young entries all over the table; one key in their midst with old ones in one page.
sql(q{SELECT mvstore_create('s')});
sql(<<'SQL');
INSERT INTO s (key, version, value) SELECT convert_to('k' || k, 'UTF8'), mvstore_stable_version() - v, convert_to(rpad(v::text, 200), 'UTF8')
  FROM generate_series(10001, 25000) k, generate_series(1, 5) v ORDER BY md5((k * 10 + v)::text);
INSERT INTO s (key, version, value) SELECT 'k15000', v, 'old' FROM generate_series(1, 3) v;
SELECT 1 / mvstore_flush()::int;
SQL
my $locker = $node->background_psql('postgres');
$locker->query_safe(q{BEGIN; SELECT count(*) FROM (SELECT FROM s WHERE key = 'k15000' FOR UPDATE) l});
sql(q{SET client_min_messages = error; SELECT mvstore_pause(); SELECT mvstore_set_policy('s', keep_for := '1 hour')});
sql(q{SELECT mvstore_resume()});	# so that the row is the only lock that the pass meets
wait_until($node, 'postgres', q{SELECT EXISTS (SELECT FROM mvstore_blockers WHERE kind = 'lock' AND store = 's'::regclass)
	AND EXISTS (SELECT FROM mvstore_calendar)}, 'a pass meets a locked row, and what it has judged is noted');
my $noted = sql('SELECT count(*) FROM mvstore_calendar');
stays($node, 'postgres', "SELECT count(*) = $noted FROM mvstore_calendar", 'and not judged again') for 1 .. 4;
$locker->query_safe('COMMIT');
$locker->quit;
wait_until($node, 'postgres', q{SELECT count(*) = 6 FROM s WHERE key = 'k15000'}, 'without the lock it goes on');
is(sql('SELECT mvstore_flush()'), 't', 'and is done');
is(sql('SELECT count(*) FROM s'), 75001, 'what is young stays');

# ---- What is gone -----------------------------------------------------------

# Before, in and behind the keys of what was rolled back, which fill some slices.
sql(q{SELECT mvstore_create('gone')});
sql(<<'SQL');
INSERT INTO gone (key, version, value) SELECT key::bytea, v, 'v' FROM unnest('{a,m00000,m1,m2,z}'::text[]) key, generate_series(1, 3) v;
BEGIN;
INSERT INTO gone (key, version, value) SELECT convert_to('m' || k, 'UTF8'), 100, 'v' FROM generate_series(10000, 259999) k;
INSERT INTO gone (key, version, value) SELECT 'm1', 1000 + v, 'v' FROM generate_series(1, 250000) v;
ROLLBACK;
SELECT mvstore_set_policy('gone', keep_versions := 1);
SQL
is(sql('SELECT mvstore_flush()'), 't', 'a pass over entries that are gone is done');
is(sql(q{SELECT string_agg(convert_from(key, 'UTF8') || version, ' ' ORDER BY key, version) FROM gone}), 'a3 m000003 m13 m23 z3', 'on both sides, and between them');
is(sql(q{SELECT mvstore_compact('gone', mvstore_stable_version())}), '', 'a compaction, too');
is(sql('SELECT mvstore_flush()'), 't', 'is done');

$node->stop;
done_testing();
