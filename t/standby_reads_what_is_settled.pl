# On a standby, too, what is stable shows whole transactions and never changes: not
# while more arrives, and not against what the primary says of it later.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{MVSTORE_TEST_SECONDS} // 4;
my $primary = mvstore_node('primary', init => [ allows_streaming => 1 ], conf => "fsync = off\nmvstore.flush_interval = '10 ms'\nwal_writer_delay = '10 ms'");

$primary->safe_psql('postgres', <<'SQL');
SELECT mvstore_create('s'), mvstore_create('pairs');
-- All that a read as of a version shows.
CREATE FUNCTION digest(as_of bigint) RETURNS text STABLE LANGUAGE sql
AS $$ SELECT md5(string_agg(concat_ws(' ', key, version, value), ',' ORDER BY key))
        FROM (SELECT * FROM mvstore_scan('s', as_of := as_of) UNION ALL SELECT * FROM mvstore_scan('pairs', as_of := as_of)) e $$;
-- Of each pair both have one value and one version; so 0 is whole.
CREATE FUNCTION torn(as_of bigint) RETURNS bigint STABLE LANGUAGE sql
AS $$ SELECT count(*) FROM (SELECT split_part(key, ' ', 1) FROM mvstore_scan('pairs', as_of := as_of) GROUP BY 1
                            HAVING count(*) <> 2 OR min(value) <> max(value) OR min(version) <> max(version)) t $$;
-- Takes its version first, and is then busy in two more statements.
CREATE PROCEDURE write_pair(k int) LANGUAGE plpgsql AS $$
DECLARE
  x text := md5(random()::text);
BEGIN
  PERFORM mvstore_put('s', 'k' || k, x);
  PERFORM mvstore_put('pairs', k || ' left', x);
  IF k = 1 THEN PERFORM pg_sleep(0.002); END IF;
  PERFORM mvstore_put('pairs', k || ' right', x);
EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
  NULL;
END $$;
CALL write_pair(1);
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# Have the standby replay what the primary has written, whether flushed or not.
sub catch_up
{
	$primary->safe_psql('postgres', q{SELECT pg_logical_emit_message(true, '', '')});
	return $primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
}

# Which of the versions told a server reads in another way now.
sub changed
{
	my ($node, %told) = @_;
	my $values = join ', ', map { "($_, '$told{$_}')" } keys %told;

	return $node->safe_psql('postgres', "SELECT v FROM (VALUES $values) told (v, digest) WHERE digest(v) <> digest");
}

# Reads on the standby under load.
catch_up();
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/write.sql", "\\set k random(1, 5)\nCALL write_pair(:k);\n");
my ($out, $err) = ('', '');
my $load = IPC::Run::start(
	[
		'pgbench', '-n', '-h', $primary->host, '-p', $primary->port, '-c', '4', '-T', $seconds, '-f', "$dir/write.sql", 'postgres'
	],
	'<', \undef, '>', \$out, '2>', \$err);
my $reader = $standby->background_psql('postgres');
my $keeper = $standby->background_psql('postgres');
my (%told, @wrong, $greatest);
my $kept = '';
my $end = time() + $seconds;

$greatest = 0;
while (time() < $end)
{
	# One statement asks, others read.
	my $version = $reader->query_safe('SELECT mvstore_stable_version()');
	my ($digest, $torn) = split /\|/, $reader->query_safe("SELECT digest($version), torn($version)");

	push @wrong, "$version is told after $greatest" if $version < $greatest;
	push @wrong, "$version shows $torn halves" if $torn != 0;
	push @wrong, "$version has changed" if $digest ne ($told{$version} //= $digest);
	$greatest = $version;

	# A snapshot that is kept, now and then anew.
	if (keys(%told) % 20 == 1)
	{
		$keeper->query_safe('COMMIT') if $kept ne '';
		$keeper->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
		$kept = $keeper->query_safe('SELECT v, digest(v), torn(v) FROM (SELECT mvstore_stable_version() AS v OFFSET 0) stable');
		my ($v, $d, $t) = split /\|/, $kept;
		push @wrong, "$v shows $t halves to a snapshot" if $t != 0;
		push @wrong, "$v has changed for a snapshot" if $d ne ($told{$v} //= $d);
	}
	else
	{
		my $again = $keeper->query_safe('SELECT v, digest(v), torn(v) FROM (SELECT mvstore_stable_version() AS v OFFSET 0) stable');
		push @wrong, "a snapshot was told $kept, then $again" if $again ne $kept;
	}
	last if @wrong > 10;
}
$keeper->query_safe('COMMIT');
$load->finish;
is($err =~ /ERROR/ ? $err : '', '', 'the primary is busy meanwhile');
is("@wrong", '', 'what is stable on the standby is whole, and stays');
cmp_ok(scalar keys %told, '>', 10, scalar(keys %told) . ' versions were told');
is(changed($primary, %told), '', 'the primary reads the same as of each of them');

# All of it gets stable on the standby, with no write to follow.
my $last = $primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'last', 'v')});
is($standby->safe_psql('postgres', "SELECT mvstore_wait_stable($last)"), 't', 'the last write gets stable on the standby');
is($standby->safe_psql('postgres', "SELECT mvstore_get('s', 'last', as_of := $last)"), 'v', 'and can be read as of');

# A transaction that is open on the primary.
my $writer = $primary->background_psql('postgres');
my $open = $writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'open')});
my $later = $primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'b', 'later')});
is($standby->safe_psql('postgres', "SELECT mvstore_wait_stable($open - 1)"), 't', 'what is below an open writer gets stable');
catch_up();
is($standby->safe_psql('postgres', q{SELECT mvstore_get('s', 'b')}), 'later', 'what was committed since has arrived');
is($standby->safe_psql('postgres', 'SELECT mvstore_stable_version()'), $open - 1, 'but it is not stable while the writer is open');
my ($state) = sqlstate_of($standby, 'postgres', "SELECT mvstore_get('s', 'b', as_of := $later);");
is($state, '55000', 'and cannot be read as of');
is($standby->safe_psql('postgres', "SELECT mvstore_wait_stable($open, '50 ms')"), 'f', 'nor waited for');

# A snapshot of the standby's that is older than the commit.
$keeper->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$reader->query_until(qr/waiting/, "\\echo waiting\nSELECT mvstore_wait_stable($later), 'waited';\n");
ok($standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%waited%' AND wait_event_type = 'Extension'}),
	'a session of the standby waits');
$writer->query_safe('COMMIT');
is($reader->query_safe('SELECT 1'), "t|waited\n1", 'until the writer has ended');
is($keeper->query_safe('SELECT mvstore_stable_version()'), $open - 1, 'an older snapshot does not see that');
is($keeper->query_safe("SELECT mvstore_wait_stable($open)"), 'f', 'and does not wait for it');
is($keeper->query_safe("SELECT mvstore_wait_stable($open - 1)"), 't', 'nor for what it has');
$keeper->query_safe('COMMIT');
is($standby->safe_psql('postgres', "SELECT mvstore_get('s', 'a', as_of := $later)"), 'open', 'now it can be read as of');

# A writer that the primary takes with it never was.
my $lost = $writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'lost')});
$later = $primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'b', 'kept')});
catch_up();
my $before = $standby->safe_psql('postgres', 'SELECT mvstore_stable_version()');
cmp_ok($before, '<', $lost, 'a writer is open when the primary ends');
$primary->stop('immediate');
$writer->{run}->kill_kill;
$standby->promote;
is($standby->safe_psql('postgres', "SELECT mvstore_wait_stable($later)"), 't', 'after promotion what has arrived is stable');
cmp_ok($standby->safe_psql('postgres', 'SELECT mvstore_stable_version()'), '>=', $later, 'the stable version goes on');
is($standby->safe_psql('postgres', "SELECT mvstore_get('s', 'a', $later), mvstore_get('s', 'b', $later)"), 'open|kept', 'without the writer that was lost');
my $new = $standby->safe_psql('postgres', q{SELECT mvstore_put('s', 'a', 'new')});
cmp_ok($new, '>', $later, 'versions go on');
is($standby->safe_psql('postgres', "SELECT mvstore_wait_stable($new)"), 't', 'and get stable');
is(changed($standby, %told), '', 'all that was told reads the same');
$open = $keeper->query_safe(q{BEGIN; SELECT mvstore_put('s', 'a', 'open')});
is($reader->query_safe('SELECT mvstore_stable_version()'), $open - 1, 'an open writer holds it up');
$keeper->query_safe('COMMIT');

$_->quit for ($reader, $keeper);
$standby->stop;
done_testing();
