# A clock that goes wrong, with the server running or over a crash: no version is
# given twice or out of order, and no stable version is taken back. Only in builds for
# tests, see src/shared/fault.h.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $hour = 3_600_000;    # ms
my $node = mvstore_node('clock', init => [ allows_streaming => 1 ], conf => "wal_writer_delay = '10 s'");
if ($node->psql('postgres', 'SHOW mvstore.clock_shift') != 0)
{
	$node->stop;
	plan skip_all => 'the clock of a release build does not go wrong';
}
my ($greatest, $stable, %digest) = (0, 0);

$node->safe_psql('postgres', <<'SQL');
SELECT mvstore_create('s'), mvstore_create('short', ttl := '1 day');
CREATE FUNCTION digest(as_of bigint) RETURNS text STABLE LANGUAGE sql
AS $$ SELECT md5(coalesce(string_agg(concat_ws(' ', key, version, value), ',' ORDER BY key), '')) FROM mvstore_scan('s', as_of := as_of) $$;
-- Writers that come and go, each asking for the stable version at first: how many
-- had a version that was not above the one before it, and above that stable version.
CREATE FUNCTION write_one(k text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  stable bigint := mvstore_stable_version();
  version bigint := mvstore_put('s', k, md5(random()::text));
BEGIN
  IF version <= stable THEN RAISE EXCEPTION 'version % was stable already, as was %', version, stable; END IF;
  RETURN version;
END $$;
SELECT mvstore_put('short', 'k', 'v');
SQL
my $short = $node->safe_psql('postgres', q{SELECT version, expires_at FROM mvstore_get_entry('short', 'k')});

sub shift_clock
{
	my ($by) = @_;

	$node->append_conf('postgresql.conf', "mvstore.clock_shift = $by");
	return;
}

# The running server's.
sub shift_now
{
	my ($by) = @_;

	shift_clock($by);
	$node->reload;
	$node->poll_query_until('postgres', "SELECT setting = '$by' FROM pg_settings WHERE name = 'mvstore.clock_shift'")
	  or die 'the clock does not go wrong';
	return;
}

# Versions rise, each over all before it, and so does the stable version.
sub goes_on
{
	my ($on, $name) = @_;
	my @versions;

	for my $i (1 .. 3)
	{
		my $is_stable = $on->safe_psql('postgres', 'SELECT mvstore_stable_version()');

		push @versions, "stable $is_stable, after $stable" if $is_stable < $stable;
		$stable = $is_stable;
		$digest{$stable} //= $on->safe_psql('postgres', "SELECT digest($stable)");
		for my $version (split /\n/, $on->safe_psql('postgres', join '', map { "SELECT write_one('k$_');\n" } 1 .. 20))
		{
			push @versions, "$version, after $greatest" if $version <= $greatest;
			$greatest = $version;
		}
	}
	my $told = join ', ', map { "($_, '$digest{$_}')" } keys %digest;
	my $changed = $on->safe_psql('postgres', "SELECT v FROM (VALUES $told) told (v, digest) WHERE digest(v) <> digest");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is("@versions", '', "$name: versions rise");
	is($changed, '', "$name: what was stable is as it was");
	ok($on->poll_query_until('postgres', "SELECT mvstore_stable_version() >= $greatest"), "$name: all of it gets stable");
	return is($on->safe_psql('postgres', q{SELECT version, expires_at FROM mvstore_get_entry('short', 'k')}), $short,
		"$name: what is to live for a day is there");
}

# The postmaster is killed. Its children go by themselves, and as long as one of them
# is there the server does not start.
sub kill9_and_start
{
	my $file = $node->data_dir . '/postmaster.pid';
	my ($pid) = slurp_file($file) =~ /^(\d+)/;
	my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;

	$node->kill9;
	usleep(100_000) while kill(0, $pid) && $tries-- > 0;
	while (!$node->start(fail_ok => 1))
	{
		die 'the server does not start' if $tries-- <= 0;
		usleep(100_000);
	}
	return;
}

goes_on($node, 'at first');
shift_now(-$hour);
goes_on($node, 'an hour back');
is($node->safe_psql('postgres', "SELECT mvstore_wait_stable($greatest)"), 't', 'a version is waited for');
$greatest = $node->safe_psql('postgres', q{SELECT mvstore_put('short', 'brief', 'v', ttl := '200 ms')});
wait_until($node, 'postgres', q{SELECT mvstore_get('short', 'brief') IS NULL}, 'a short life ends');
shift_now(0);
goes_on($node, 'right again');

# Over a crash, again and again: what was in memory alone is gone.
for my $round (1 .. 3)
{
	shift_clock(-$hour * $round);
	kill9_and_start();
	goes_on($node, "crash $round, an hour back each time");
}
shift_clock(-5 * $hour);
$node->stop('immediate');
$node->start;
goes_on($node, 'an immediate stop, and more hours back');
shift_clock(-6 * $hour);
$node->restart;
goes_on($node, 'a restart, and an hour back');
$node->safe_psql('postgres', 'CHECKPOINT');
shift_clock(-7 * $hour);
kill9_and_start();
goes_on($node, 'a crash after a checkpoint, and an hour back');

# The hour forth is not taken back by the hour back.
shift_clock(0);
$node->restart;
goes_on($node, 'the right time');
shift_now($hour);
goes_on($node, 'an hour ahead');
cmp_ok($greatest, '>', $node->safe_psql('postgres', q{SELECT mvstore_version_at(clock_timestamp() + '59 min')}), 'versions go with the clock');
my $ahead = $greatest;
$greatest = $node->safe_psql('postgres', q{SELECT mvstore_put('short', 'ahead', 'v', ttl := '1 min')});
is($node->safe_psql('postgres', <<'TTL'), 't', 'what is written then lives as long as it is to');
SELECT expires_at - mvstore_time_of(version) BETWEEN '1 min' AND '2 min' FROM mvstore_get_entry('short', 'ahead')
TTL
shift_now(0);
goes_on($node, 'and back');
shift_clock(-$hour);
kill9_and_start();
goes_on($node, 'a crash after that');
cmp_ok($greatest, '<', $ahead + 60_000_000, 'meanwhile versions count on slowly');

# What was called stable while nobody wrote stays so.
shift_now($hour * 3 / 2);
$stable = $node->safe_psql('postgres', 'SELECT mvstore_stable_version()');
shift_clock(-$hour);
kill9_and_start();
goes_on($node, 'a crash of an idle server');

# A put that has not committed has had a version, too, and may have been the first
# to need a higher mark.
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '1 h'");
shift_now(2 * $hour);
my $session = $node->background_psql('postgres');
shift_clock(-2 * $hour);
$greatest = $session->query_safe(q{BEGIN; SELECT mvstore_put('s', 'open', 'v')});
kill9_and_start();
$session->{run}->kill_kill;
goes_on($node, 'a crash with a writer open');
$node->append_conf('postgresql.conf', "mvstore.flush_interval = '50 ms'");
$node->restart;

# A standby that takes over has a clock of its own, an hour behind.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "mvstore.clock_shift = ${\ (-2 * $hour)}");
$standby->start;
shift_now(4 * $hour);
goes_on($node, 'the primary, hours ahead');
wait_until($node, 'postgres', "SELECT version >= $greatest FROM mvstore_stable", 'it tells what is stable');
$node->safe_psql('postgres', q{SELECT pg_logical_emit_message(true, '', '')});
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
cmp_ok($standby->safe_psql('postgres', 'SELECT mvstore_stable_version()'), '>=', $greatest, 'and the standby gets to know it');
$node->stop('immediate');
my $of_primary = $greatest;
$standby->promote;
goes_on($standby, 'the standby that was promoted');
cmp_ok($greatest, '>', $of_primary, 'its versions are above all those of the old primary');

$standby->stop;
done_testing();
