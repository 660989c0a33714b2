# Where no worker slot is free for vacuuming what drops have left behind, drops go on
# without, and nobody fills the log about it; when there is one, it is done.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# For the launcher, PostgreSQL's own for logical replication, and one drop worker.
my $node = mvstore_node('slots', conf => "mvstore.maintenance_every = 1\nmvstore.sweep_interval = '1 s'\nmax_worker_processes = 3\nstatement_timeout = '1 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('s', keep_versions := 1), mvstore_create('clock', keep_for := '1 s')});
my $log = -s $node->logfile;
for my $round (1 .. 5)
{
	sql("SELECT count(mvstore_put('s', 'k' || k, '$round')) FROM generate_series(1, 1000) k");
	is(sql('SELECT mvstore_flush()'), 't', "round $round: without a slot for a vacuum drops go on");
}
is(entries_of($node, 'postgres', 's'), 1000, 'and are done');

# A worker that rests would do it now. An old entry of another store tells.
sql("SELECT mvstore_put('clock', 'k', '$_')") for (1, 2);
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM clock', 'time passes');
is(sql(q{SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 's'}), 0, 'there is no vacuum');
cmp_ok(sql(q{SELECT dead_tuples FROM mvstore_store_stats WHERE store = 's'::regclass}), '>=', 4000, 'and much to do');
is(sql(q{SELECT maintenance_runs, last_maintenance_at IS NULL, last_error IS NULL FROM mvstore_stats WHERE database = 'postgres'}), '0|t|t', 'as is seen');
my @said = grep { !/LOG:  (statement|checkpoint)/ } split(/\n/, substr(slurp_file($node->logfile), $log));
is(join("\n", @said), '', 'nothing is said about it');

$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
$node->restart;
sql(q{SELECT mvstore_put('s', 'k1', 'v')});
wait_until($node, 'postgres', q{SELECT vacuum_count = 1 FROM pg_stat_user_tables WHERE relname = 's'}, 'with one slot more it is done');

# While it runs, the worker of another database wants its slot. Each page takes 400 ms.
sql("ALTER SYSTEM SET $_") for ('autovacuum_vacuum_cost_limit = 1', 'autovacuum_vacuum_cost_delay = 100');
$node->reload;
sql('CREATE DATABASE other');
# (It is another store's first one: who is vacuumed often is vacuumed fast.)
sql(q{SELECT mvstore_create('slow', keep_versions := 1)});
sql(q{SELECT count(mvstore_put('slow', 'stays' || k, 'v')) FROM generate_series(1, 10000) k});
sql('ANALYZE slow');
sql(q{SELECT count(mvstore_put('slow', 'k' || k, repeat('v', 200))) FROM generate_series(1, 4000) k}) for (1, 2);
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_progress_vacuum WHERE relid = 'slow'::regclass}, 'a slow vacuum runs');
my $pid = sql('SELECT pid FROM pg_stat_progress_vacuum');
$node->safe_psql('other', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s', keep_versions := 1)});
$node->safe_psql('other', "SELECT mvstore_put('s', 'k', '$_')") for (1, 2);
is($node->safe_psql('other', 'SELECT mvstore_flush()'), 't', 'drops of another database do not wait for its end');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), 0, 'it makes room for them');
is(sql('SELECT mvstore_flush()'), 't', 'the first database is served');

$node->stop;
done_testing();
