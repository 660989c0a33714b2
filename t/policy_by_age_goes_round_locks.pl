# A row that somebody has locked, for as long as an idle transaction may last, keeps what its own key has lost by age;
# other keys' old entries go all the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('locked', conf => "mvstore.sweep_interval = '1 h'\nfsync = off\nstatement_timeout = '3 min'");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub entries_are { return wait_until($node, 'postgres', q{SELECT coalesce(string_agg(n, ' ' ORDER BY n), '') = '} . $_[0] . q{' FROM (SELECT convert_from(key, 'UTF8') || count(*) AS n FROM s GROUP BY key) k}, $_[1]); }

# All that is superseded is noted, and waits for a pin. (A pass that met it would wait for the pin itself, and the flush say
# so: there is none yet.) Of the first key all is locked, of another all but the oldest.
sql(q{SELECT mvstore_create('s', keep_for := '0 s')});
is(sql('SELECT mvstore_flush()'), 't', 'the first pass of the store is over');
sql(q{SELECT mvstore_pin('mine', store := 's')});
sql(q{SELECT mvstore_put('s', k, 'v') FROM unnest('{a,b,c,d,e}'::text[]) k}) for 1 .. 3;
is(sql('SELECT mvstore_flush()'), 't', 'what is superseded is noted');
sql($_) for q{ALTER SYSTEM SET mvstore.sweep_interval = '1 s'}, 'SELECT pg_reload_conf()';
my $locker = $node->background_psql('postgres');
$locker->query_safe(q{BEGIN; SELECT FROM s WHERE key = 'a' FOR KEY SHARE});
$locker->query_safe(q{SELECT FROM s WHERE key = 'c' AND version > (SELECT min(version) FROM s) FOR KEY SHARE});
sql(q{SELECT mvstore_unpin('mine')});
entries_are('a3 b1 c2 d1 e1', 'beside locked rows what is old goes');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 's'::regclass}, 'and mvstore_blockers tells of them');
sql(q{SELECT mvstore_put('s', k, 'v') FROM unnest('{b,e,f}'::text[]) k}) for 1 .. 2;
entries_are('a3 b1 c2 d1 e1 f1', 'and goes on doing so');
$locker->query_safe('COMMIT');
$locker->quit;
entries_are('a1 b1 c1 d1 e1 f1', 'and what was locked goes after that');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_calendar}, 'nothing of it is noted any more');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_blockers WHERE kind = 'lock'}, 'nor told of');

# A pass makes the calendar anew. However much stands there, it goes by bounded transactions. (Of these an old snapshot
# tells, which still sees all rows; and each row has a key.)
sql(q{SELECT mvstore_create('much', keep_for := '1 day')});
sql(q{INSERT INTO much (key, version, value) SELECT convert_to(lpad(k::text, 1990, '0'), 'UTF8'), mvstore_stable_version() - v, 'v' FROM generate_series(1, 12000) k, generate_series(0, 1) v});
sql(q{SELECT mvstore_sweep('much')});
is(sql('SELECT mvstore_flush()'), 't', 'a pass notes what is young');
my $old = $node->background_psql('postgres');
my $rows = $old->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM mvstore_calendar});
cmp_ok($rows, '>', 11000, 'in many rows');
sql(q{SELECT mvstore_sweep('much')});
is(sql('SELECT mvstore_flush()'), 't', 'another does so again');
is($old->query_safe(q{SELECT count(*) FROM mvstore_calendar WHERE xmax::text <> '0'}), $rows, 'instead of those');
cmp_ok($old->query_safe(q{SELECT max(n) FROM (SELECT count(*) AS n FROM mvstore_calendar GROUP BY xmax::text) x}), '<=', 5000, 'which have gone by several transactions');
$old->query_safe('COMMIT');
$old->quit;
is(sql('SELECT count(*) FROM mvstore_calendar'), $rows, 'all is noted that was');

$node->stop;
done_testing();
