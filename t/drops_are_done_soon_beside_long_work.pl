# A small drop is done soon, however much others have asked for before: while a
# compaction and a sweep of large stores run, which go on side by side, and while
# the worker is held to a low rate.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What is long takes 40 seconds at this rate, until it is lifted.
my $node = mvstore_node('fair', conf => "mvstore.drop_rate_limit = 2000\nmvstore.sweep_interval = '1 s'\nstatement_timeout = '2 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A number of keys with two entries each, by plain SQL, of which nobody is told.
sub fill
{
	my ($store, $keys) = @_;

	return sql("INSERT INTO $store (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' FROM generate_series(1, $keys) k, generate_series(1, 2) v");
}

sql(q{SELECT mvstore_create('big'), mvstore_create('swept', keep_versions := 1), mvstore_create('small'), mvstore_create('latest', keep_versions := 1), mvstore_create('aged', keep_for := '1 s')});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');
fill($_, 40000) for ('big', 'swept');
sql(q{SELECT mvstore_compact('big', before := mvstore_stable_version()), mvstore_sweep('swept')});

# Small ones, again and again; all are done, with the long ones under way.
my $under_way = q{SELECT (SELECT count(*) FROM mvstore_requests WHERE kind = 'compact') = 1 AND (SELECT count(*) FROM big) > 40000 AND (SELECT count(*) FROM swept) > 40000};
wait_until($node, 'postgres', 'SELECT count(*) < 80000 FROM big', 'a long compaction has begun');
for my $round (1 .. 3)
{
	sql(q{SELECT mvstore_put('small', 'k', 'v'), mvstore_put('latest', 'k', 'v'), mvstore_put('big', 'z', 'v')}) for (1 .. 3);
	sql(q{SELECT mvstore_drop('small', 'k'), mvstore_drop('big', 'z')});
	wait_until($node, 'postgres', q{SELECT (SELECT count(*) FROM small) = 1 AND (SELECT count(*) FROM latest) = 1 AND (SELECT count(*) FROM mvstore_history('big', 'z')) = 1}, "round $round: small ones are done");
	is(sql($under_way), 't', "round $round: while the long ones are under way");
}

# The long ones do not wait for each other either, nor what gets old for them.
sql("SELECT mvstore_put('aged', 'k', '$_')") for (1, 2);
wait_until($node, 'postgres', 'SELECT count(*) < 80000 FROM swept', 'a sweep goes on');
is(sql($under_way), 't', 'beside the compaction');
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM aged', 'what gets old goes');
is(sql($under_way), 't', 'while the long ones are under way');

# A limit is no reason that something is forgotten.
sql('ALTER SYSTEM SET mvstore.drop_rate_limit = 0');
$node->reload;
is(sql('SELECT mvstore_flush()'), 't', 'without a limit all comes to its end');
is(sql(q{SELECT (SELECT count(*) FROM big), (SELECT count(*) FROM swept), (SELECT count(*) FROM mvstore_requests)}), '40001|40000|0', 'and is done');

$node->stop;
done_testing();
