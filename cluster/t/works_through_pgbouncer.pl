# PgBouncer between proxy and shards, with pools of transactions or of sessions: calls give what they give without it, a
# write over shards is whole, recovery ends what its coordinator has left prepared; and pools that are too small
# make writers wait, but not for each other in a circle.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use MvstoreCluster;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{PATH} .= ':/usr/sbin';
plan skip_all => 'pgbouncer is not installed' if system('command -v pgbouncer >/dev/null') != 0;

my $cluster = MvstoreCluster->new('pooled', shards => 4, servers => 1);
my $proxy = $cluster->proxy;
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my (@running, $writers);

# A pooler before all shards, which the proxy is led to: its port.
sub pooler
{
	my ($mode, $size) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $databases = join '', map { sprintf "%s = host=%s port=%d\n", $cluster->database_of($_), $cluster->server_of($_)->host, $cluster->server_of($_)->port } 0 .. 3;
	my $user = getpwuid $<;

	append_to_file("$directory/users", qq("$user" ""\n)) if !-e "$directory/users";
	append_to_file("$directory/$port.ini", <<"INI");
[databases]
$databases
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $directory
auth_type = trust
auth_file = $directory/users
admin_users = $user
pool_mode = $mode
default_pool_size = $size
server_round_robin = 1
logfile = $directory/$port.log
INI
	push @running, IPC::Run::start([ 'pgbouncer', '-q', "$directory/$port.ini" ], '<', \undef, '>', \my $out, '2>', \my $err);
	my $answers;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if $answers = !system("psql -X -q -d 'host=$directory port=$port dbname=pgbouncer' -c 'SHOW VERSION' >/dev/null 2>&1");
		select undef, undef, undef, 0.1;
	}
	$answers or die "PgBouncer does not start: $err" . slurp_file("$directory/$port.log");
	# All at once, as by the runbook: no call is between two of them.
	$cluster->query('BEGIN; SELECT mvstore_cluster_hold();' . join('', map { sprintf q{SELECT mvstore_cluster_repoint(%d, 'host=%s port=%d dbname=%s');}, $_, $directory, $port, $cluster->database_of($_) } 0 .. 3) . 'COMMIT');
	return $port;
}

# How many transactions went through it.
sub through
{
	my ($port) = @_;
	my ($head, @rows) = map { [ split /\|/ ] } split /\n/, `psql -X -A -P footer=off -d 'host=$directory port=$port dbname=pgbouncer' -c 'SHOW STATS'`;
	my ($column) = grep { $head->[$_] eq 'total_xact_count' } 0 .. $#$head;
	my $count = 0;

	$count += $_->[$column] for grep { $_->[0] =~ /^mv/ } @rows;
	return $count;
}

my $stop = $cluster->hold_steps;

for my $mode (qw(transaction session))
{
	my $port = pooler($mode, 6);
	my $all = q{ARRAY(SELECT 'k' || n FROM generate_series(1, 20) n)};

	is($cluster->query("SELECT mvstore_create('$mode', feed => true)"), $mode, "$mode: a store is created on all shards");
	my $version = $cluster->query("SELECT mvstore_put_many('$mode', $all, array_fill('first'::text, '{20}'))");
	is($cluster->query("SELECT count(*), count(DISTINCT version), min(value), max(version) = $version FROM mvstore_scan('$mode')"), '20|1|first|t', "$mode: put_many is whole");
	# A session for each, and all of them at a time.
	is($cluster->query(<<"SQL"), "t\nnew\nnew first\n\n20 k1 k9\n2 new\nt\n2\n1\nt\n1\nt\n19", "$mode: the main calls");
SELECT mvstore_put('$mode', 'k3', 'new') > $version;
SELECT mvstore_get('$mode', 'k3');
SELECT string_agg(value, ' ' ORDER BY value DESC) FROM mvstore_get_many('$mode', '{k3,k4}');
SELECT mvstore_set_policy('$mode', keep_versions => 5);
SELECT count(*) || ' ' || min(key) || ' ' || max(key) FROM mvstore_scan('$mode', as_of => $version);
SELECT count(*) || ' ' || max(value COLLATE "C") FROM mvstore_history('$mode', 'k3');
SELECT mvstore_wait_stable(mvstore_current_version(), '10 s');
SELECT count(*) FROM mvstore_scan('$mode', max_rows => 2, reverse => true);
SELECT count(*) FROM mvstore_diff('$mode', $version);
SELECT mvstore_pin('report', $version) = $version;
SELECT count(DISTINCT version) FROM mvstore_pins WHERE name = 'report';
SELECT mvstore_unpin('report');
SELECT mvstore_count('$mode') - 1;
SQL
	is($cluster->query("SELECT count(*) FROM mvstore_changes('$mode', $version, synced_at => mvstore_stable_version())"), 1, "$mode: changes");
	is($cluster->query("SELECT mvstore_drop('$mode', 'k3'); SELECT mvstore_flush(); SELECT count(DISTINCT shard) FROM mvstore_stats"), "\nt\n4", "$mode: drops, and views");
	is(($cluster->refused("SELECT mvstore_put('nowhere', 'k', 'v')"))[0], '42P01', "$mode: errors are the shard's");

	# A coordinator that is killed before it has decided, and one after.
	for my $step (qw(prepared decided))
	{
		my $session = $proxy->background_psql('postgres', on_error_stop => 0);
		$session->query_safe("SET application_name = 'stops $step'");
		$session->{stdin} .= "SELECT mvstore_put_many('$mode', $all, array_fill('$step'::text, '{20}'));\n";
		$session->{run}->pump_nb;
		$cluster->wait_for_held(1, "$mode: a write is $step");
		$cluster->query(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name LIKE 'stops %'});
		$session->{run}->kill_kill;
		$cluster->query('SELECT mvstore_cluster_recover()');
		is($cluster->query("SELECT string_agg(DISTINCT value, ' ') FROM mvstore_scan('$mode')"), $step eq 'decided' ? 'decided' : 'first new', "$mode: recovery of what was $step");
		is(join('', $cluster->shards('SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()')), '0000', "$mode: nothing stays prepared");
	}
	cmp_ok(through($port), '>', 100, "$mode: all that went through PgBouncer");
}

# ---- A pool of one connection for each shard, and several writers ------------------------------

pooler('transaction', 1);

# Several writers at a time, each with a file of statements: what they have said.
sub write_at_once
{
	my @writers = map {
		my $script = PostgreSQL::Test::Utils::tempdir() . '/writer' . ++$writers . '.sql';
		append_to_file($script, $_);
		my $said = '';
		{ run => IPC::Run::start([ qw(psql -X -q -A -t -d), $proxy->connstr('postgres'), '-f', $script ], '<', \undef, '>&', \$said), said => \$said };
	} @_;
	$_->{run}->finish for @writers;
	return join '', map { ${ $_->{said} } } @writers;
}

my $put = sub { my ($keys, $value) = @_; return sprintf "SELECT mvstore_put_many('transaction', '{%s}', array_fill('%s'::text, '{12}')) > 0;\n", join(',', map { "$keys/$_" } 1 .. 12), $value };
is(write_at_once(map { my $writer = $_; join '', map { $put->("w$writer", $_) } 1 .. 15 } 1 .. 4), "t\n" x 60,
	'writers of different keys wait for the connections of a pool, and not in a circle');
is($cluster->query(q{SELECT count(*), count(DISTINCT version), min(value), max(value) FROM mvstore_scan_prefix('transaction', 'w')}), '48|4|15|15', 'and all is written');

# Those of the same keys may hold what the other needs to commit, but not for ever.
my $said = write_at_once(map { my $writer = $_; join '', "SET mvstore_cluster.lock_timeout = '300 ms';\n\\set VERBOSITY sqlstate\n", map { $put->('s', "$writer/$_") } 1 .. 4 } 1 .. 3);
is($said =~ s/^(?:t|psql:.*ERROR:  55P03)\n//gmr, '', 'writers of the same keys are done, or have waited for too long');
is($cluster->query(q{SELECT count(*), count(DISTINCT version), count(DISTINCT value) FROM mvstore_scan_prefix('transaction', 's')}), '12|1|1', 'and what they write is whole');
$stop->quit;
$cluster->stop;
$_->signal('INT') for @running;
$_->finish for @running;
done_testing();
