# Where the server has no process to spare for a worker, writers go on, the
# administrator is told, and what was requested is done as soon as it has.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# One slot, which the server takes for itself: there is no launcher.
my $node = mvstore_node('slots', conf => 'max_worker_processes = 1');

$node->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1)});
for my $value (1 .. 3)
{
	$node->safe_psql('postgres', qq{SELECT mvstore_put('s', 'k', 'v$value'), mvstore_put('p', 'k', 'v$value')});
}
my ($status, $out, $err) = $node->psql('postgres', q{SELECT mvstore_drop('s', 'k'); SELECT mvstore_drop('s', 'j');});
is($status, 0, 'a drop can be requested without a worker');
is(scalar(() = $err =~ /WARNING/g), 1, 'its session is warned once');
like($err, qr/launcher is not running.*HINT:.*max_worker_processes/s, 'that the launcher is not there, and what it needs');
($status, $out, $err) = $node->psql('postgres', q{SELECT mvstore_flush('100 ms'); SELECT mvstore_flush('1 ms');});
is($out, "f\nf", 'mvstore_flush does not say done');
is(scalar(() = $err =~ /WARNING.*launcher is not running/g), 1, 'and says once why not');
is(entries_of($node, 'postgres', 's'), 3, 'nothing is done yet');
is($node->safe_psql('postgres', q{SELECT worker_pid IS NULL, worker_state FROM mvstore_stats WHERE database = 'postgres'}),
	't|launcher not running', 'mvstore_stats shows that there is no worker, and why');
is($node->safe_psql('postgres', q{SELECT kind, holds_back ~ 'launcher.*max_worker_processes' FROM mvstore_blockers WHERE kind NOT IN ('snapshot', 'writer')}),
	'slot|t', 'mvstore_blockers names the launcher, and the setting');
my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
Time::HiRes::usleep(50_000) until (slurp_file($node->logfile) =~ /HINT:.*increasing the configuration parameter.*max_worker_processes/ || time() > $deadline);
is(scalar(() = slurp_file($node->logfile) =~ /HINT:.*increasing the configuration parameter.*max_worker_processes/g), 1, 'the log says once what to raise');

# One slot, for the launcher: it says the same of the worker.
$node->append_conf('postgresql.conf', 'max_logical_replication_workers = 0');
my $log = -s $node->logfile;
$node->restart;
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'i')});
wait_until($node, 'postgres', q{SELECT worker_state = 'no free worker slot' FROM mvstore_stats WHERE database = 'postgres'},
	'mvstore_stats tells when the launcher finds no slot for a worker');
($status, $out, $err) = $node->psql('postgres', q{SELECT mvstore_drop('s', 'h'); SELECT mvstore_drop('s', 'g');});
is($status, 0, 'a drop can be requested then, too');
is(scalar(() = $err =~ /WARNING.*free worker slot/g), 1, 'with one warning');
like($err, qr/HINT:.*max_worker_processes/, 'which says what to raise');
is($node->safe_psql('postgres', q{SELECT mvstore_flush('100 ms')}), 'f', 'mvstore_flush does not say done');
is(scalar(() = slurp_file($node->logfile, $log) =~ /no free slot for a drop worker/g), 1, 'the log says it once');

# One more, for one database at a time: what it keeps for a day is no reason to stay while another waits.
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'with room for a worker, what was requested is worked off');
$node->safe_psql('postgres', q{SELECT mvstore_create('aged', keep_for := '1 day')});
$node->safe_psql('postgres', q{SELECT mvstore_put('aged', 'k', 'v')}) for (1, 2);
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'an entry is kept for a day');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s', keep_versions := 1)});
for my $database ('other', 'postgres', 'other')
{
	$node->safe_psql($database, q{SELECT mvstore_put('s', 'k', 'v'), mvstore_drop('s', 'k')});
	is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "of two databases and one slot, $database has its turn");
	is(entries_of($node, $database, 's'), 1, 'and its drops are done');
}
is(scalar(() = slurp_file($node->logfile, $log) =~ /no free slot for a drop worker/g), 2, 'the log does not say at each turn that there is no slot');

$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'with room for a worker, what was requested is worked off');
is(entries_of($node, 'postgres', 's'), 1, 'and done');
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM p', 'also what a policy asks for');

$node->stop;
done_testing();
