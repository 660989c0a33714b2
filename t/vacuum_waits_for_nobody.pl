# Vacuuming what drops leave behind is in nobody's way: drops go on meanwhile, a lock
# is not waited for, and for an old snapshot it is not done over and over.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('beside', conf => "mvstore.maintenance_every = 1\nmvstore.sweep_interval = '1 s'\nautovacuum_vacuum_cost_limit = 1\nautovacuum_vacuum_cost_delay = 0\nstatement_timeout = '2 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stat_of { return sql("SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }
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

# Make a store that is vacuumed gently: with many entries that stay, and never vacuumed.
sub make_gentle
{
	my ($store) = @_;

	sql("SELECT mvstore_create('$store', keep_versions := 1)");
	sql("SELECT count(mvstore_put('$store', 'stays' || k, 'v')) FROM generate_series(1, 5000) k");
	sql("ANALYZE $store");
	put($store);
	return;
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

sql(q{SELECT mvstore_create('s', keep_versions := 1), mvstore_create('clock', keep_for := '2 s')});
put('s') for (1, 2);
gets_vacuumed('s', 'what was dropped is vacuumed');

# ---- An old snapshot, for which nothing can be removed: once is enough.

my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM s');
my $runs = stat_of('maintenance_runs');
put('s');
wait_until($node, 'postgres', "SELECT maintenance_runs > $runs FROM mvstore_stats WHERE database = 'postgres'", 'with an old snapshot it is tried');
time_passes();
$runs = stat_of('maintenance_runs');
cmp_ok(sql(q{SELECT dead_tuples FROM mvstore_store_stats WHERE store = 's'::regclass}), '>=', 2000, 'nothing can be removed');
for my $i (1 .. 5)
{
	sql("SELECT mvstore_put('s', 'k1', '$i')");
	is(sql('SELECT mvstore_flush()'), 't', 'a little is dropped');
}
time_passes();
is(stat_of('maintenance_runs'), $runs, 'and it is not tried again for that');
$session->query_safe('COMMIT');
sql(q{SELECT mvstore_put('s', 'k1', 'v')});
gets_vacuumed('s', 'when the snapshot has gone, it is done after the next drop');

# ---- A lock in the way, as of somebody else's VACUUM: nobody waits for it, and it is
# not taken for done.

$session->query_safe('BEGIN; LOCK TABLE s IN SHARE UPDATE EXCLUSIVE MODE');
my $vacuums = vacuums('s');
$runs = stat_of('maintenance_runs');
put('s');
is(sql(q{SELECT count(*) FROM pg_locks WHERE NOT granted}), 0, 'with the table locked against vacuum nobody waits');
time_passes();
is(stat_of('maintenance_runs'), $runs, 'and nothing is done');
ok(!$node->log_contains(qr/skipping vacuum/), 'nor said about it');
$session->query_safe('COMMIT');
$session->quit;
sql(q{SELECT mvstore_put('s', 'k1', 'v')});
wait_until($node, 'postgres', "SELECT vacuum_count > $vacuums FROM pg_stat_user_tables WHERE relname = 's'", 'when the lock has gone, the next drop sees to it');

# ---- Drops go on meanwhile; what comes meanwhile has its turn, too.

set('autovacuum_vacuum_cost_delay', 20);
make_gentle('slow');
put('slow');
my $vacuuming = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'mvstore maintenance'};
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM ($vacuuming) v JOIN pg_stat_progress_vacuum p USING (pid) WHERE p.relid = 'slow'::regclass", 'a slow vacuum, at the pace of autovacuum');
my $pid = sql($vacuuming);
put('slow');
is(sql('SELECT count(*) FROM slow'), 7000, 'meanwhile drops go on');
is(sql($vacuuming), $pid, 'and it with them');
is(sql("SELECT state = 'active' AND query = 'vacuuming a store' FROM pg_stat_activity WHERE pid = $pid"), 't', 'as pg_stat_activity tells');
is(sql("SELECT count(*) FROM mvstore_stats WHERE worker_pid = $pid"), 0, 'it is another process than the worker');

# ---- What is to be vacuumed again, before as much time has passed as that takes, is vacuumed without
# delay. After it, where autovacuum has no pace of its own, VACUUM's holds.

sql(q{SELECT mvstore_create('after', keep_versions := 1)});
put('after');
sql(q{SELECT count(mvstore_put('after', 'k' || k, repeat('w', 100))) FROM generate_series(1, 1000) k});
is(sql('SELECT mvstore_flush()'), 't', 'something is dropped from another store');
set('autovacuum_vacuum_cost_delay', -1);
set('vacuum_cost_delay', 20);
set('log_min_messages', 'debug1');
$session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE after IN SHARE UPDATE EXCLUSIVE MODE');
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM ($vacuuming) v WHERE pid = $pid", 'it comes to its end');
gets_vacuumed('slow', 'what was dropped meanwhile is vacuumed without further drops');
put('slow');
gets_vacuumed('slow', 'and what is dropped at once');
$session->query_safe('COMMIT');
$session->quit;
sql(q{SELECT mvstore_put('after', 'k1', 'v')});
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM ($vacuuming AND wait_event = 'VacuumDelay') v JOIN pg_stat_progress_vacuum p USING (pid) WHERE p.relid = 'after'::regclass",
	'the other is vacuumed at the pace of VACUUM');
set('log_min_messages', 'warning');
my ($slow, $after) = map { sql("SELECT '$_'::regclass::oid") } qw(slow after);
like(join(' ', slurp_file($node->logfile) =~ /DEBUG:  vacuuming store with OID (\d+ .*)/g), qr/^(?:$slow without delay )+$after gently$/, 'which the first one is not');
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM ($vacuuming) v", 'to its end');

# ---- Like autovacuum, it takes no parallel workers from queries.

make_gentle('wide');
sql('CREATE INDEX ON wide (version)');
set('min_parallel_index_scan_size', 0);
put('wide');
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM ($vacuuming) v JOIN pg_stat_progress_vacuum p USING (pid) WHERE p.phase = 'vacuuming indexes'", 'the indexes of a store are vacuumed');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), 0, 'without parallel workers');

$node->stop;
done_testing();
