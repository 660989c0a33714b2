# A server recovered to a point in time between a request's commit and its work
# does the work, once; one recovered to a point behind it does not do it again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Requests wait for long, so that points can be named before they are done.
my $node = mvstore_node('origin', init => [ has_archiving => 1, allows_streaming => 1 ],
	conf => "mvstore.flush_interval = '10 min'\nmvstore.batch_size = 10000");
$node->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('d'), mvstore_create('p', keep_versions := 1)});

sub put
{
	my ($server, $store, $key, @values) = @_;

	$server->safe_psql('postgres', join('', map { "SELECT mvstore_put('$store', '$key', '$_');\n" } @values));
	return;
}

sub history
{
	my ($server, $store, $key) = @_;

	return $server->safe_psql('postgres', "SELECT string_agg(value, ' ') FROM mvstore_history('$store', '$key')");
}

# A request done before the backup, and one in it.
put($node, 's', 'old', 1 .. 4);
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'old', keep := 3)});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'one request is done before the backup');
put($node, 's', 'old', 5, 6);
put($node, 's', 'base', 1 .. 4);
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'base', keep := 2)});
$node->backup('base');

my %newest;

# Name a point, and know what was there.
sub name_point
{
	my ($name) = @_;

	$newest{$name} = $node->safe_psql('postgres', 'SELECT max(version) FROM (SELECT version FROM s UNION ALL SELECT version FROM d UNION ALL SELECT version FROM p) v');
	$node->safe_psql('postgres', "SELECT pg_create_restore_point('$name')");
	return;
}

# Between commits and the work: explicit requests, and what a policy asks for; and
# between the writes of a key and the request for it.
put($node, 's', 'k', 1 .. 4);
put($node, 'd', 'k', 1 .. 4);
put($node, 'p', 'k', 1 .. 3);
put($node, 'p', 'gone', 1);
$node->safe_psql('postgres', q{SELECT mvstore_delete('p', 'gone')});
name_point('unrequested');
$node->safe_psql('postgres', q{SELECT mvstore_drop('s', 'k', keep := 3)});
put($node, 's', 'k', 5, 6);
$node->safe_psql('postgres', q{SELECT mvstore_drop('d', 'k', keep := 3)});
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_journal'), 3, 'the requests wait');
name_point('undone');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'they are done');
is(join(' | ', history($node, 's', 'k'), history($node, 'd', 'k'), history($node, 'p', 'k'), history($node, 'p', 'gone')),
	'6 5 4 | 4 3 2 | 3 | ', 'as was asked for');
# Once more would now take more.
put($node, 'd', 'k', 5, 6);
name_point('done');
# What is to be forgotten by each of the recovered servers.
put($node, 'p', 'k', 'later');
put($node, 's', 'later', 'later');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->stop('fast');
ok(-s $node->data_dir . '/pg_stat/mvstore.queue', 'the origin, stopped, leaves a file with its queue');

# What is to be in s, d and p, and what is still missing there when recovery has ended.
my %expected = (
	unrequested => '4 3 2 1 | 4 3 2 1 | 3 | ',
	undone => '6 5 4 | 4 3 2 | 3 | ',
	done => '6 5 4 | 6 5 4 3 2 | 3 | ');

for my $point ('unrequested', 'undone', 'done')
{
	my $recovered = PostgreSQL::Test::Cluster->new($point);

	$recovered->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
	$recovered->append_conf('postgresql.conf', <<"CONF");
archive_mode = off
recovery_target_name = '$point'
recovery_target_action = 'pause'
CONF
	$recovered->start;

	# While one looks whether it is the right point, nothing is done.
	$recovered->poll_query_until('postgres', "SELECT pg_get_wal_replay_pause_state() = 'paused'") or die 'recovery does not come to its end';
	is(history($recovered, 's', 'base'), $point eq 'done' ? '4 3' : '4 3 2 1', "$point: recovered up to the point");
	is(history($recovered, 'p', 'k'), $point eq 'done' ? '3' : '3 2 1', "$point: and no further");
	is($recovered->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'mvstore%'}), 0, "$point: no worker before the end of recovery");
	$recovered->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';

	# Nobody asks for it: the worker comes by itself.
	worker_pid($recovered, 'postgres');
	is($recovered->safe_psql('postgres', q{SELECT count(*) FROM mvstore_requests WHERE state = 'restored'}), 0, "$point: requests are its own");
	wait_until($recovered, 'postgres', 'SELECT count(*) = 0 FROM mvstore_requests', "$point: every request is done");
	wait_until($recovered, 'postgres', 'SELECT count(*) = 1 FROM p', "$point: every policy is met");
	is(join(' | ', history($recovered, 's', 'k'), history($recovered, 'd', 'k'), history($recovered, 'p', 'k'), history($recovered, 'p', 'gone')),
		$expected{$point}, "$point: the work is done, once");
	is(history($recovered, 's', 'old') . ' | ' . history($recovered, 's', 'base'), '6 5 4 3 2 | 4 3', "$point: also that of before the backup");
	is($recovered->safe_psql('postgres', q{SELECT mvstore_contains('s', 'later')}), 'f', "$point: what came later is not there");
	cmp_ok($recovered->safe_psql('postgres', q{SELECT mvstore_put('p', 'k', '4')}), '>', $newest{$point}, "$point: versions rise");
	put($recovered, 's', 'new', 1 .. 3);
	$recovered->safe_psql('postgres', q{SELECT mvstore_drop('s', 'new')});
	is($recovered->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', "$point: new requests are worked off");
	is(history($recovered, 's', 'new') . ' | ' . history($recovered, 'p', 'k'), '3 | 4', "$point: and done");
	$recovered->stop;
}

done_testing();
