# mvstore_put_many writes all keys on all shards under one version, or nothing, whoever dies when:
# the session that writes, the proxy, a server of shards, at each step between the first write
# and the last COMMIT PREPARED. What is left in doubt is ended by the next call, without an
# operator, and until then the view mvstore_cluster_in_doubt shows it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use MvstoreCluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $cluster = MvstoreCluster->new('whole', shards => 4, servers => 2, proxy_conf => 'restart_after_crash = on');
my $proxy = $cluster->proxy;
my @servers = map { $cluster->server($_) } 0, 1;

# Where the row of stop says, a write stops until the row has gone.
$cluster->query(<<'SQL');
CREATE SEQUENCE tries MINVALUE -100 START 0;
CREATE SEQUENCE tries_ahead MINVALUE -100 START 0;
CREATE UNLOGGED TABLE stop (step text);
CREATE TABLE place (shard integer, key text);
CREATE OR REPLACE FUNCTION mvstore_cluster_step(step text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF step = 'written' AND nextval('public.tries') < 0 THEN
		RAISE serialization_failure USING MESSAGE = 'a shard is ahead';
	ELSIF step = 'written' AND nextval('public.tries_ahead') < 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'version 5 lies too far in the future';
	END IF;
	WHILE EXISTS (SELECT FROM public.stop s WHERE s.step = mvstore_cluster_step.step) LOOP
		PERFORM set_config('application_name', 'stopped', false);
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
SELECT mvstore_create('a');
INSERT INTO place SELECT DISTINCT ON (s) s, k FROM (SELECT 'k' || n AS k, mvstore_cluster_shard('a', 'k' || n) AS s FROM generate_series(1, 100) n) x ORDER BY s, k;
SQL
my @keys = split /\n/, $cluster->query('SELECT key FROM place ORDER BY shard');
is(scalar @keys, 4, 'a key on each shard');
my $keys = join ',', @keys;

sub put_many { my ($value) = @_; return "SELECT mvstore_put_many('a', '{$keys}', '{$value,$value,$value,$value}')" }

# One version and one value on all shards, now and as of it.
my $version = $cluster->query(put_many('first'));
is($cluster->query('SELECT count(*), count(DISTINCT version), max(version), max(value) FROM mvstore_scan(\'a\')'), "4|1|$version|first", 'all have one version');
is(join(' ', $cluster->shards("SELECT count(*) FROM mvstore_scan('a', as_of => $version)")), '1 1 1 1', 'which each shard knows');

# Where a shard has given away a newer version meanwhile, it is tried again, eleven times.
$cluster->query("SELECT setval('tries', -12)");
$cluster->query(put_many('again'));
is($cluster->query('SELECT count(*), count(DISTINCT version), min(value) FROM mvstore_scan(\'a\')'), '4|1|again', 'a write that comes too late is tried again');
$cluster->query("SELECT setval('tries', -13)");
is(($cluster->refused(put_many('never')))[0], '40001', 'but not for ever');
$cluster->query("SELECT setval('tries', 0)");

# Where a shard's clock is ahead of time, as after a crash, it is waited for, for a second.
$cluster->query("SELECT setval('tries_ahead', -12)");
$cluster->query(put_many('ahead'));
is($cluster->query('SELECT count(*), count(DISTINCT version), min(value) FROM mvstore_scan(\'a\')'), '4|1|ahead', 'a write that is ahead of time is tried again');
$cluster->query("SELECT setval('tries_ahead', -13)");
is(($cluster->refused(put_many('never')))[0], '22023', 'but not for ever');
$cluster->query("SELECT setval('tries_ahead', 0)");
$cluster->query(put_many('first'));

# What a shard refuses is refused everywhere.
$cluster->shard(2, "ALTER TABLE a ADD CHECK (key <> '$keys[2]' OR value <> 'bad')");
my ($state, $said) = $cluster->refused(put_many('bad'));
is($state, '23514', 'a shard refuses its part');
is($cluster->query("SELECT string_agg(value, ' ') FROM mvstore_scan('a')"), 'first first first first', 'and nothing is written');
is($cluster->query('SELECT count(*) FROM mvstore_cluster_in_doubt'), 0, 'nor left');

# Recovery that comes first has the word: a coordinator whose lock it cannot see (it was terminated, but its
# last statement goes on) does not decide any more.
is($cluster->query("SELECT pg_advisory_lock(mvstore_cluster_lock_key('late')) \\g /dev/null\nSELECT mvstore_cluster_self_open('late', '{0,1}', 3), mvstore_cluster_self_settled('late'), mvstore_cluster_self_decided('late', 1)"),
	't|aborted|f', 'who was given up decides nothing');
$cluster->query("SELECT mvstore_cluster_self_done('late')");

# Begin a write that stops at a step.
sub begin_write
{
	my ($step, $value) = @_;
	$cluster->query("INSERT INTO stop VALUES ('$step')");
	my $session = { out => '', err => '' };
	$session->{run} = IPC::Run::start([ qw(psql -X -q -A -t -d), $proxy->connstr('postgres'), '-c', "SELECT 1", '-c', put_many($value) ],
		'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
	$proxy->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'stopped'")
	  or die "the write does not come to $step: $session->{err}";
	$session->{pid} = $cluster->query("SELECT pid FROM pg_stat_activity WHERE application_name = 'stopped'");
	return $session;
}

sub go_on { $cluster->query('DELETE FROM stop'); return }

sub restarted
{
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	# A psql that is not let in may be gone before it is asked.
	until (eval { $cluster->query('SELECT true') })
	{
		die "the proxy does not come back\n" if time() > $end;
		usleep(20_000);
	}
	return;
}

# What befalls whom; whether the session lives on.
my %strikes = (
	'its session is terminated' => sub { my ($s) = @_; $cluster->query("SELECT pg_terminate_backend($s->{pid}, 10000)"); go_on() },
	'its session is killed, and the proxy crashes' => sub { my ($s) = @_; kill KILL => $s->{pid}; eval { $s->{run}->finish }; restarted(); go_on() },
	'the proxy is stopped at once' => sub { $proxy->stop('immediate'); $proxy->start; go_on() },
	'a server of shards is killed' => sub { $cluster->kill9($servers[1]); $servers[1]->start; go_on() },
	'a server of shards stays away' => sub { $cluster->kill9($servers[1]); go_on() },
);

my $number = 0;
for my $step (qw(written prepared decided))
{
	for my $strike (sort keys %strikes)
	{
		next if $step eq 'written' && $strike !~ /terminated|killed$/;
		my $old = $cluster->query("SELECT min(value) FROM mvstore_scan('a')");
		my $new = sprintf 'v%02d', ++$number;
		my $session = begin_write($step, $new);
		if ($number == 3)
		{
			is($cluster->query("SELECT count(*), min(state), bool_and(coordinator) FROM mvstore_cluster_in_doubt WHERE prepared IS NOT NULL"),
				'4|open|t', 'the view shows what is under way');
			is($cluster->query('SELECT mvstore_cluster_recover()'), 0, 'recovery leaves it alone');
		}
		$strikes{$strike}->($session);
		eval { $session->{run}->finish };
		my $happened = $session->{out} =~ /^\d{10,}$/m;
		if ($strike =~ /stays away/)
		{
			is(($cluster->refused("SELECT count(*) FROM mvstore_scan('a')"))[0], '08006', 'a scan is refused while a server is away');
			is(($cluster->refused("SELECT count(*) FROM $_"))[0], '08006', "$_ says so") for qw(mvstore_stats mvstore_blockers);
			$servers[1]->start;
		}
		# By calls alone: what is prepared keeps the past from going on, and each call looks after it. Versions may be
		# ahead of the time by a second, after a start.
		my ($newest) = sort { $b <=> $a } $cluster->shards('SELECT mvstore_current_version()');
		$proxy->poll_query_until('postgres', "SELECT mvstore_stable_version() >= $newest") or die 'the past does not go on';
		my $all = $cluster->query("SELECT string_agg(DISTINCT value, ' '), count(DISTINCT version) FROM mvstore_scan('a')");
		my $right = $step eq 'decided' || $happened ? $new : $old;
		is($all, "$right|1", "$step, and $strike: all or nothing") or diag("it said $session->{out} $session->{err}");
		is(join(' ', $cluster->shards('SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()')), '0 0 0 0', 'and nothing stays prepared');
		like($session->{err}, qr/the write has happened, but shard/, 'who wrote was warned') if $step eq 'decided' && $strike =~ /stays away/;
	}
}
is($cluster->query("SELECT count(*) FROM mvstore_cluster_pending WHERE state <> 'aborted'"), 0, 'no decision is left over');

$cluster->stop;
done_testing();
