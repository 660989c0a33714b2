# The programs of examples/changes, killed at any moment and started again while others put,
# delete, drop, expire, erase and empty: in the end they have what the store has. The complete
# projection has each change once, kept by its pin, as long as nothing is erased.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my ($python) = grep { system(qq{$_ -c "import psycopg" 2>"$ENV{TESTDATADIR}/psycopg" >&2}) == 0 } '/usr/bin/python3', 'python3';
plan skip_all => 'python3-psycopg is not installed' if !$python;

my $seed = $ENV{MVSTORE_SEED} // time() % 100_000;
srand($seed);
note("MVSTORE_SEED=$seed");

my $examples = "$FindBin::RealBin/../examples/changes";
my $node = mvstore_node('feed_consumers', conf => "fsync = off");
my $dir = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Store s is followed completely, p as compacted; table truth has what was ever written to s.
sql($_) for
	q{CREATE ROLE consumer LOGIN},
	q{CREATE DATABASE complete OWNER consumer},
	q{CREATE DATABASE compacted OWNER consumer},
	q{SELECT mvstore_create('s', keep_versions := 1, feed := true), mvstore_create('p', keep_versions := 1, feed := true)},
	q{GRANT SELECT ON s, p TO consumer},
	q{GRANT EXECUTE ON FUNCTION mvstore_pin TO consumer},
	q{CREATE TABLE truth (version bigint, key text, value text, deleted boolean)},
	q{SELECT mvstore_put_many(x, ARRAY(SELECT 'k' || i FROM generate_series(1, 300) i), array_fill('first'::text, '{300}')) FROM unnest('{s,p}'::regclass[]) x};

# An erasure gives the pin up; the consumer can be making it just then, for which it waits.
sql(<<'SQL');
CREATE FUNCTION erase_key(gone text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	erased bigint;
BEGIN
	LOOP
		BEGIN
			PERFORM mvstore_unpin('projection of s');
			erased := mvstore_erase('s', gone);
			EXIT;
		EXCEPTION WHEN object_in_use THEN
		END;
	END LOOP;
	-- What others have put since stays; and where nothing was left to erase, the consumer is told nothing.
	DELETE FROM truth t WHERE key = gone AND erased > 0
	   AND NOT EXISTS (SELECT FROM s WHERE s.key = convert_to(t.key, 'UTF8') AND s.version = t.version);
	PERFORM mvstore_erase('p', gone);
END $$
SQL

# What writers do, and how often, of keys k1 to k40 one at a time, or of many: more than a page.
my %scripts = (
	put => [ 80, <<'SQL' ],
WITH w AS (SELECT mvstore_put('s', 'k' || :k, 'v' || :r) AS version)
INSERT INTO truth SELECT version, 'k' || :k, 'v' || :r, false FROM w;
SELECT mvstore_put('p', 'k' || :k, 'v' || :r);
SQL
	many => [ 2, <<'SQL' ],
WITH w AS (SELECT mvstore_put_many('s', array_agg('k' || i), array_agg('m' || :r)) AS version FROM generate_series(1, 250) i)
INSERT INTO truth SELECT version, 'k' || i, 'm' || :r, false FROM w, generate_series(1, 250) i;
SELECT mvstore_put_many('p', array_agg('k' || i), array_agg('m' || :r)) FROM generate_series(1, 250) i;
SQL
	delete => [ 40, <<'SQL' ],
WITH w AS (SELECT mvstore_delete('s', 'k' || :k) AS version)
INSERT INTO truth SELECT version, 'k' || :k, NULL, true FROM w WHERE version IS NOT NULL;
SELECT mvstore_delete('p', 'k' || :k);
SQL
	expire => [ 20, <<'SQL' ],
WITH w AS (SELECT mvstore_put('s', 'k' || :k, 'short', ttl := '1 ms') AS version)
INSERT INTO truth SELECT version, 'k' || :k, 'short', false FROM w;
SELECT mvstore_put('p', 'k' || :k, 'short', ttl := '1 ms');
SQL
	drop => [ 10, <<'SQL' ],
SELECT mvstore_drop('s', 'k' || :k), mvstore_compact('p', mvstore_stable_version());
SQL
	erase => [ 2, <<'SQL' ],
SELECT erase_key('k' || :k);
SQL
	empty => [ 1, <<'SQL' ],
TRUNCATE p;
SQL
);
for my $name (keys %scripts)
{
	append_to_file("$dir/$name", "\\set k random(1, 40)\n\\set r random(1, 1000000)\nBEGIN;\n$scripts{$name}[1]COMMIT;\n");
}

sub start_writers
{
	my @names = @_;

	return IPC::Run::start(
		[ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', 3, '-T', 300, '-R', 300, '--max-tries=5',
			(map { ('-f', "$dir/$_\@$scripts{$_}[0]") } @names), 'postgres' ],
		'<', \undef, '>', \my $out, '2>', "$dir/pgbench.err");
}

sub stop_writers
{
	my ($writers, $name) = @_;

	ok($writers->pumpable, "$name: the writers have gone on") or diag(slurp_file("$dir/pgbench.err"));
	$writers->signal('TERM');
	$writers->finish;
	# Their sessions may be busy still.
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'});
	return;
}

# ---- The programs ----------------------------------------------------------

sub conninfo { return 'host=' . $node->host . ' port=' . $node->port . " user=consumer dbname=$_[0]"; }

my %programs = (
	complete => [ 'projection.py', conninfo('postgres'), conninfo('complete'), 's', 'complete' ],
	compacted => [ 'projection.py', conninfo('postgres'), conninfo('compacted'), 'p', 'compacted' ],
	cache => [ 'cache.py', conninfo('postgres'), 'p' ]);
my %running;

sub start_program
{
	my ($name) = @_;
	my ($program, @arguments) = @{ $programs{$name} };
	my $run = { in => '', out => '', err => '' };

	$run->{handle} = IPC::Run::start([ $python, "$examples/$program", @arguments ],
		'<', \$run->{in}, '>', \$run->{out}, '2>', \$run->{err},
		IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
	$running{$name} = $run;
	return;
}

sub kill_program
{
	my ($name) = @_;
	my $run = $running{$name};

	$run->{handle}->signal('KILL');
	eval { $run->{handle}->finish };
	my ($status) = $run->{handle}->full_results;
	return 1 if ($status & 127) == 9;
	diag("$name ended by itself: $run->{err}");
	return 0;
}

# What the cache says of keys, as of a version or later.
sub cached
{
	my ($version, @keys) = @_;
	my $run = $running{cache};

	$run->{out} = '';
	$run->{in} .= join('', map { "$_ $version\n" } @keys);
	$run->{handle}->pump while ($run->{out} =~ tr/\n//) < @keys && $run->{handle}->pumpable;
	return [ map { $_ eq 'null' ? undef : s/^"(.*)"$/$1/r } split(/\n/, $run->{out}) ];
}

# Kill and start at random for a while; and ask the cache for what was just written, if asked to.
sub disturb
{
	my ($name, $times, $ask) = @_;
	my ($killed, $stale) = (0, 0);

	for my $i (1 .. $times)
	{
		usleep(rand(250_000));
		my $victim = (sort keys %programs)[ rand(3) ];
		$killed += kill_program($victim);
		start_program($victim);
		my $version = sql(qq{SELECT mvstore_put('p', 'mine', '$i')});
		$stale++ if $ask && $i % 3 == 0 && (cached($version, 'mine')->[0] // '') !~ /^$i$/;
	}
	is($killed, $times, "$name: no program ended but by a kill");
	return $stale;
}

# ---- What must be so -------------------------------------------------------

my $live = q{SELECT string_agg(key || ' ' || value, E'\n' ORDER BY key COLLATE "C") FROM };

# Wait until all have seen the last version, and compare them with the stores.
sub compare
{
	my ($name) = @_;
	my $last = sql(q{SELECT greatest(mvstore_put('s', 'last', 'v'), mvstore_put('p', 'last', 'v'))});

	sql(q{INSERT INTO truth SELECT version, 'last', 'v', false FROM mvstore_get_entry('s', 'last')});
	for my $copy (['complete', 's'], ['compacted', 'p'])
	{
		wait_until($node, $copy->[0], "SELECT version >= $last FROM position WHERE key IS NULL", "$name: $copy->[0] comes to the end") or die;
		is($node->safe_psql($copy->[0], $live . '(SELECT * FROM item WHERE expires_at IS NULL OR expires_at > clock_timestamp()) i'),
			sql($live . "mvstore_scan('$copy->[1]')"), "$name: $copy->[0] has what the store has");
	}
	my $began = $node->safe_psql('complete', 'SELECT began FROM position');
	my $changes = qq{SELECT version, key, value, deleted FROM %s WHERE version > $began ORDER BY version, key COLLATE "C"};
	my @each = ($node->safe_psql('complete', sprintf($changes, 'log')), sql(sprintf($changes, 'truth')));
	ok($each[0] eq $each[1], "$name: and each change once") or note("the log: $each[0]\nthe truth: $each[1]");

	my @keys = ('last', 'none', map { "k$_" } 1 .. 300);
	is_deeply(cached($last, @keys), [ map { $_ eq '' ? undef : $_ }
			split(/\n/, sql("SELECT coalesce(mvstore_get('p', k), '') FROM unnest('{" . join(',', @keys) . "}'::text[]) WITH ORDINALITY x (k, i) ORDER BY i"), -1) ],
		"$name: the cache has what the store has");
	return $began;
}

start_program($_) for sort keys %programs;
$node->poll_query_until('complete', q{SELECT to_regclass('position') IS NOT NULL});
wait_until($node, 'complete', 'SELECT began IS NOT NULL FROM position', 'they begin');
my $began = $node->safe_psql('complete', 'SELECT began FROM position');

# Some commits take their time, so that kills meet them.
$node->safe_psql('complete', <<'SQL');
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.03) WHERE random() < 0.01;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
SQL

my $writers = start_writers(qw(put many delete expire drop));
is(disturb('nothing erased', 15, 1), 0, 'nothing erased: the cache says what was just written');
stop_writers($writers, 'nothing erased');
is(compare('nothing erased'), $began, 'nothing erased: the pin has kept everything, over all kills');
is(sql(q{SELECT count(*) FROM mvstore_pins WHERE name = 'projection of s' AND owner = 'consumer' AND store = 's'::regclass}), 1, 'it is there');

$writers = start_writers(qw(put many delete expire drop erase empty));
disturb('erasures', 15);
stop_writers($writers, 'erasures');
cmp_ok(compare('erasures'), '>', $began, 'erasures: it has begun anew');

kill_program($_) for sort keys %programs;
$node->stop;
done_testing();
