# The server's clock steps forth and back by seconds, hours and years under load, and runs too
# slow and too fast, as for a leap second: the versions of a key are in the order of commits, what
# was stable is as it was, and nothing goes that no policy lets go. Else readers would be given
# two pasts, and history would be lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use FakeClock;
use IPC::Run;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $year = 365 * 86_400;
my $node = with_fake_clock(sub { mvstore_node('steps', conf => "statement_timeout = '2 min'\nfsync = off\nmvstore.sweep_interval = '1 s'") });

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Writers of few keys, until there is a row in "stop". Who writes a key has it until its commit, so
# the numbers of a key are in the order of commits.
sql(<<'SQL');
SELECT mvstore_create('s'), mvstore_create('two', keep_versions := 2), mvstore_create('years', keep_for := '1500 days');
CREATE TABLE stop ();
CREATE SEQUENCE number;
CREATE TABLE written (writer int, key text, number bigint, version bigint);
CREATE FUNCTION digest(as_of bigint) RETURNS text STABLE LANGUAGE sql
AS $$ SELECT md5(coalesce(string_agg(concat_ws(' ', key, version, value), ',' ORDER BY key), '')) FROM mvstore_scan('s', as_of := as_of) $$;
CREATE PROCEDURE write_until_stopped(writer int) LANGUAGE plpgsql AS $$
DECLARE
  name text;
  took bigint;
BEGIN
  WHILE NOT EXISTS (SELECT FROM stop) LOOP
    name := 'k' || (random() * 4)::int;
    took := mvstore_put('s', name, writer::text);
    PERFORM mvstore_put('two', name, writer::text), mvstore_put('years', name, writer::text);
    INSERT INTO written VALUES (writer, name, nextval('number'), took);
    COMMIT;
  END LOOP;
END $$;
SQL
my @writers = map { IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', "SET statement_timeout = 0; ", '-c', "CALL write_until_stopped($_)" ], '>', \my $out, '2>', \my $err) } (1 .. 3);

my ($stable, %digest) = (0);

# Wait until each writer has gone on, and look at what is stable.
sub goes_on
{
	my ($name) = @_;
	my $last = sql('SELECT last_value FROM number');

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until($node, 'postgres', "SELECT count(DISTINCT writer) = 3 AND count(*) >= 30 FROM written WHERE number > $last", "$name: all write");
	my $now = sql('SELECT mvstore_stable_version()');
	cmp_ok($now, '>', $stable, "$name: the stable version rises");
	$stable = $now;
	$digest{$stable} = sql("SELECT digest($stable)");
	return;
}

goes_on('right');
for ([ 2, 1 ], [ -2, 1 ], [ 3600, 1 ], [ 0, 1.1 ], [ -3600, 1 ], [ 0, 0.9 ], [ 2 * $year, 1 ], [ 0, 1 ], [ -3 * $year, 1.1 ], [ 0, 0.9 ])
{
	set_clock(@$_);
	goes_on("off by $_->[0] s, running at $_->[1]");
}
sql('INSERT INTO stop DEFAULT VALUES');
IPC::Run::finish($_) or die 'a writer has failed' for @writers;

is(sql('SELECT count(*) - count(DISTINCT version) FROM written'), 0, 'no version was given twice');
is(sql('SELECT count(*) FROM (SELECT version < lag(version) OVER (PARTITION BY key ORDER BY number) AS back FROM written) w WHERE back'), 0,
	'the versions of a key are in the order of commits');
is(sql('SELECT count(*) FROM (SELECT version < lag(version) OVER (PARTITION BY writer ORDER BY number) AS back FROM written) w WHERE back'), 0,
	'and so are those of a session');
my $told = join ', ', map { "($_, '$digest{$_}')" } keys %digest;
is(sql("SELECT v FROM (VALUES $told) told (v, digest) WHERE digest(v) <> digest"), '', 'what was stable is as it was');
is(sql('SELECT mvstore_flush()'), 't', 'the worker goes on');
is(sql('SELECT (SELECT count(*) FROM s) - (SELECT count(*) FROM written), (SELECT count(*) FROM years) - (SELECT count(*) FROM written)'), '0|0', 'nothing is gone that was to stay');
is(sql('SELECT count(*), max(n) FROM (SELECT count(*) AS n FROM two GROUP BY key) k'), '5|2', 'what a policy lets go has gone');
$node->stop;
done_testing();
