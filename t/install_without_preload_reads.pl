# Without the library in shared_preload_libraries a store can be read, and whoever
# writes is told what to set.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A new server, never preloaded.
my $node = PostgreSQL::Test::Cluster->new('plain');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION mvstore');
my ($state, $message) = sqlstate_of($node, 'postgres', q{SELECT mvstore_create('s');});
is($state, '55000', 'no store is made without a worker to come');
like($message, qr/HINT:.*shared_preload_libraries/, 'the hint says what to set');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_stats'), 0, 'mvstore_stats is empty');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_stores'), 0, 'mvstore_stores is empty');

# It is preloaded for a while.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'");
$node->restart;
$node->safe_psql('postgres', q{SELECT mvstore_create('s', keep_versions := 3), mvstore_create('t')});
$node->safe_psql('postgres', qq{SELECT mvstore_put_at('s', 'k', 'v' || v, v) FROM generate_series(10, 40, 10) v});
$node->safe_psql('postgres', q{SELECT mvstore_put_at('t', 'k', 'v', 10)});
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'k', keep := 2)});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'preloaded, drops are done');
my $version = $node->safe_psql('postgres', q{SELECT mvstore_put('s', 'j', 'v1')});

# No longer.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is($node->safe_psql('postgres', q{SELECT mvstore_get('s', 'k'), mvstore_get('s', 'k', as_of := 35), mvstore_contains('s', 'x')}),
	'v40|v30|f', 'reads work');
is($node->safe_psql('postgres', q{SELECT mvstore_get('s', 'j'), mvstore_get_raw('s', 'k'::bytea) = 'v40'}), 'v1|t', 'in text and bytes');
is($node->safe_psql('postgres', q{SELECT string_agg(key, ' ') FROM mvstore_scan('s')}), 'j k', 'scans work');
like($node->safe_psql('postgres', q{EXPLAIN SELECT * FROM mvstore_scan('s') WHERE key = 'k'}), qr/Key Cond/,
	'those filtered by key read that key alone, in the first query of a session, too');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_history('s', 'k')}), 2, 'history works');
is($node->safe_psql('postgres', q{SELECT (mvstore_previous('s', 'k', 40)).value}), 'v30', 'previous works');
($state) = sqlstate_of($node, 'postgres', q{SELECT mvstore_get('s', 'k', as_of := 25);});
is($state, '72000', 'dropped history is known to be gone');
is($node->safe_psql('postgres', q{SELECT mvstore_get('s', 'k', as_of := 30)}), 'v30', 'and what is not dropped to be there');
($state) = sqlstate_of($node, 'postgres', q{SELECT mvstore_get('s', 'k', as_of := 9223372036854775806);});
is($state, '55000', 'the future is not known');

for my $call (
	q{mvstore_put('s', 'k', 'w')}, q{mvstore_put_raw('s', 'k'::bytea, 'w'::bytea)}, q{mvstore_put_at('s', 'k', 'w', 50)},
	q{mvstore_delete('s', 'k')}, q{mvstore_delete_at('s', 'k', 50)}, q{mvstore_drop('s', 'k')}, q{mvstore_create('u')})
{
	($state, $message) = sqlstate_of($node, 'postgres', "SELECT $call;");
	is($state, '55000', "$call is refused");
	like($message, qr/HINT:.*shared_preload_libraries/, 'with a hint what to set');
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_stats'), 0, 'mvstore_stats is empty');
is($node->safe_psql('postgres', 'SELECT launcher_up, worker_up, worker_wanted, stores, reads_refused_total FROM mvstore_metrics'),
	'0|0|0|2|0', 'mvstore_metrics has its row');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_stat_stores()'), 0, 'nothing is counted for stores');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_stat_databases()'), 0, 'nor does shared memory count any database');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_stores'), 2, 'mvstore_stores is not');

# A store can be dropped, and is forgotten.
$node->safe_psql('postgres', 'DROP TABLE t');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM mvstore_stores), (SELECT count(*) FROM mvstore_policy)'),
	'1|1', 'DROP TABLE forgets the store');

# And back: the store goes on where it was.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'");
$node->restart;
cmp_ok($node->safe_psql('postgres', q{SELECT mvstore_put('s', 'j', 'v2')}), '>', $version, 'versions rise');
is($node->safe_psql('postgres', q{SELECT mvstore_get('s', 'j'), mvstore_get('s', 'k')}), 'v2|v40', 'the store goes on');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'a worker is there again');

# As pg_upgrade starts the server it is preloaded, but nothing is connected to a
# database that may have to go.
my @server = ('pg_ctl', '-D', $node->data_dir, '-l', $node->logfile, '-w');
$node->stop;
system_or_bail(@server, '-o', '-b', 'start');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'mvstore%'}), 0, 'pg_upgrade meets no process of mvstore');
is($node->safe_psql('postgres', q{SELECT mvstore_get('s', 'j')}), 'v2', 'though the library is there');
system_or_bail(@server, '-m', 'fast', 'stop');
$node->start;

# The extension can go without the library, too.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->safe_psql('postgres', 'DROP EXTENSION mvstore');
is($node->safe_psql('postgres', 'SELECT count(*) > 0 FROM s'), 't', 'DROP EXTENSION leaves the store as a table');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 's'::regclass}), 0, 'without a trigger');

$node->stop;
done_testing();
