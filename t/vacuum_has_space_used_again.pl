# What drops leave behind is vacuumed without autovacuum, so that a store that is
# overwritten does not grow; where that is not wanted it is not done.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('space', conf => "mvstore.maintenance_every = 10\nmvstore.sweep_interval = '1 s'\nstatement_timeout = '2 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub vacuums { return sql("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = '$_[0]'"); }

sub set
{
	my ($name, $value) = @_;

	sql("ALTER SYSTEM SET $name = $value");
	return $node->reload;
}

# Write keys k1 to k2000 of a store anew.
sub put
{
	my ($store) = @_;

	sql("SELECT count(mvstore_put('$store', 'k' || k, repeat('v', 100))) FROM generate_series(1, 2000) k");
	return is(sql('SELECT mvstore_flush()'), 't', "$store is overwritten");
}

sub gets_vacuumed
{
	my ($store, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# (By autovacuum's own rule.)
	return wait_until($node, 'postgres', "SELECT dead_tuples <= 50 + 0.2 * reltuples FROM mvstore_store_stats JOIN pg_class c ON c.oid = store WHERE store = '$store'::regclass", $name);
}

# Let so much time pass that idle workers have done what they do then: a second or so.
# An old entry of store clock tells.
sub time_passes
{
	sql("SELECT mvstore_put('clock', 'k', '$_')") for (1, 2);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM clock', 'time passes');
}

sql(q{SELECT mvstore_create('s', keep_versions := 1), mvstore_create('off', keep_versions := 1), mvstore_create('small', keep_versions := 1), mvstore_create('clock', keep_for := '2 s')});
sql('ALTER TABLE off SET (autovacuum_enabled = off)');
put($_) for ('s', 'off');
sql(q{SELECT count(mvstore_put('small', 'k' || k, '1')) FROM generate_series(1, 30) k}) for (1, 2);

# ---- Round after round: the store stays as large as it must be.

put('s');
gets_vacuumed('s', 'what was dropped is vacuumed');
my $size = sql(q{SELECT pg_table_size('s') + pg_indexes_size('s')});
for my $round (1 .. 6)
{
	put('s');
	gets_vacuumed('s', "and again, round $round");
}
cmp_ok(sql(q{SELECT pg_table_size('s') + pg_indexes_size('s')}), '<', 2 * $size, 'overwritten six times, a store is hardly larger than when it was once');
cmp_ok(vacuums('s'), '>=', 7, 'it was vacuumed each time');
wait_until($node, 'postgres', q{SELECT maintenance_runs = vacuum_count AND last_maintenance_at > stats_since FROM mvstore_stats, pg_stat_user_tables WHERE database = 'postgres' AND relname = 's'}, 'as is counted');
is(sql(q{SELECT autovacuum_count FROM pg_stat_user_tables WHERE relname = 's'}), 0, 'autovacuum has no part in it');
is(vacuums('small'), 0, 'where there is little to do it is not done');

# Also what is less than maintenance_every flushes, when the worker has come to rest.
set('mvstore.maintenance_every', 1000000);
my $vacuums = vacuums('s');
put('s');
wait_until($node, 'postgres', "SELECT vacuum_count > $vacuums FROM pg_stat_user_tables WHERE relname = 's'", 'a worker at rest has done what it has left behind');
gets_vacuumed('s', 'all of it');

# ---- Where it is not wanted.

put('off') for (1, 2);
set('mvstore.maintenance_every', 0);
$vacuums = vacuums('s');
put('s');
time_passes();
is(vacuums('s'), $vacuums, 'switched off, it is left to others');
set('mvstore.maintenance_every', 1);
put('s');
gets_vacuumed('s', 'switched on, it goes on with what it finds');
is(vacuums('off'), 0, 'a table whose owner wants no vacuum gets none');
sql('ALTER TABLE off RESET (autovacuum_enabled)');
put('off');
gets_vacuumed('off', 'until it is wanted');
sql('ALTER TABLE off SET (autovacuum_vacuum_threshold = 100000)');
$vacuums = vacuums('off');
put($_) for ('off', 's');
gets_vacuumed('s', 'another one is vacuumed');
time_passes();
is(vacuums('off'), $vacuums, 'a threshold of the table is respected');

$node->stop;
done_testing();
