# Changes: what it costs to ask for what has changed, 1 change and 1,000, of a small store and
# of a large one, whose index of the feed keeps the cost from following the store, beside
# mvstore_diff, whose cost does. Then how long after its commit a change is with those who
# wait for it, and what they cost the puts: WAITERS of them, and one, and none. Commits are
# not flushed, so that the disk does not hide the rest.

use strict;
use warnings;
BEGIN { $ENV{BENCH_ROUNDS} ||= 3 }
use Bench;
use IPC::Open2 ();
use Time::HiRes qw(usleep);

use constant {
	SMALL => $ENV{BENCH_SMALL} || 10_000,
	LARGE => $ENV{BENCH_LARGE} || 1_000_000,
	CALLS => 50,
	SAMPLES => $ENV{BENCH_SAMPLES} || 300,
	PUTS => $ENV{BENCH_PUTS} || 5_000,
	WAITERS => $ENV{BENCH_WAITERS} || 100,
};

# ---- The cost of a call -------------------------------------------------------

# Milliseconds of a call, when so many of the keys have changed since the position.
sub measure
{
	my ($size, $changes, $query, $calls) = @_;
	my $seconds = seconds(<<"SQL", <<"SQL");
DO \$\$ DECLARE v bigint := (SELECT version FROM position); n bigint; BEGIN
FOR i IN 1 .. $calls LOOP
	SELECT count(*) INTO n FROM $query;
	IF n <> $changes THEN RAISE '% changes', n; END IF;
END LOOP; END \$\$;
SQL
UPDATE position SET version = mvstore_stable_version();
SELECT count(mvstore_put('store$size', 'key:' || n * ($size / $changes), clock_timestamp()::text)) FROM generate_series(1, $changes) n;
SQL
	return $seconds / $calls;
}

sql(sprintf <<'SQL', map { ($_) x 3 } SMALL, LARGE);
CREATE EXTENSION IF NOT EXISTS mvstore;
CREATE TABLE position (version bigint);
INSERT INTO position VALUES (0);
SELECT mvstore_create('store%d', feed := true);
SELECT count(mvstore_put('store%d', 'key:' || n, md5(n::text))) FROM generate_series(1, %d) n;
SELECT mvstore_create('store%d', feed := true);
SELECT count(mvstore_put('store%d', 'key:' || n, md5(n::text))) FROM generate_series(1, %d) n;
VACUUM ANALYZE;
SQL
my @ways = map {
	my ($size, $changes) = @$_;
	my $of = sprintf '%d of %d keys', $changes, $size;
	([ "mvstore_changes, $of" => sub { measure($size, $changes, "mvstore_changes('store$size', v)", CALLS) } ],
		[ "mvstore_diff, $of" => sub { measure($size, $changes, "mvstore_diff('store$size', v, mvstore_stable_version())", 1) } ]);
} map { my $size = $_; map { [ $size, $_ ] } 1, 1000 } SMALL, LARGE;
my %seconds = rounds(@ways);
report('changes: ' . ROUNDS . ' rounds', 'ms', sub { $_[0] * 1000 }, [ map { $_->[0] } @ways ], %seconds);

# ---- The delay, and the puts --------------------------------------------------

# Each put has the time just before its commit as value.
sql(<<'SQL');
CREATE TABLE delays (waiters int, seconds float);
CREATE PROCEDURE follow(waiters int) LANGUAGE plpgsql AS $$
DECLARE
  at bigint := (SELECT version FROM position);
  values text[];
  seen float;
  delays float[];
BEGIN
  LOOP
    SELECT array_agg(value), coalesce(max(version), at) INTO values, at
      FROM mvstore_changes('probe', at, wait := '10 s');
    seen := extract(epoch FROM clock_timestamp());
    SELECT delays || array_agg(seen - substr(v, 6)::float) INTO delays FROM unnest(values) v WHERE v LIKE 'slow %';
    EXIT WHEN 'end' = ANY (values);
    COMMIT;
  END LOOP;
  INSERT INTO delays SELECT waiters, d FROM unnest(delays) d;
END $$;
CREATE PROCEDURE puts(how text, n int, pause float) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. n LOOP
    PERFORM mvstore_put('probe', 'key' || i % 100, how || ' ' || extract(epoch FROM clock_timestamp()));
    COMMIT;
    IF pause > 0 THEN
      PERFORM pg_sleep(pause);
    END IF;
  END LOOP;
END $$;
SQL

# Puts each second beside so many who wait.
sub beside
{
	my ($waiters) = @_;
	my @sessions;
	sql(<<'SQL');
SET client_min_messages = error;
DROP TABLE IF EXISTS probe;
SELECT mvstore_create('probe', feed := true);
UPDATE position SET version = mvstore_stable_version();
SQL
	for (1 .. $waiters)
	{
		my $pid = IPC::Open2::open2(my $out, my $in, qw(psql -X -q -A -t -v ON_ERROR_STOP=1 -f -));
		print $in "SET synchronous_commit = off;\nCALL follow($waiters);\n";
		close $in;
		push @sessions, $pid;
	}
	usleep(20_000) until sql(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL follow%' AND wait_event_type = 'Extension'}) == $waiters;

	# First at leisure, as each is to have gone back to sleep.
	my $set = "SET synchronous_commit = off;\n";
	sql($set . sprintf "CALL puts('slow', %d, 0.02);", SAMPLES) if $waiters;
	my $seconds = seconds(sprintf("CALL puts('fast', %d, 0);", PUTS), $set);
	sql(q{SELECT mvstore_put('probe', 'key', 'end')});
	waitpid $_, 0 for @sessions;
	return $seconds;
}

my @counts = (0, 1, WAITERS);
my @names = map { "$_ waiting" } @counts;
%seconds = rounds(map { my $count = $_; [ "$count waiting" => sub { beside($count) } ] } @counts);
print "\n";
report(sprintf('puts in one session, %d in a round, beside', PUTS), 'puts/s', sub { PUTS / $_[0] }, \@names, %seconds);
print "\nfrom before the commit until the consumer has the change, ms\n";
printf "  %-44s %10s %10s %10s\n", '', 'median', '99 %', 'most';
for (split /\n/, sql(<<'SQL'))
SELECT waiters, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) * 1000,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) * 1000, max(seconds) * 1000
  FROM delays GROUP BY waiters ORDER BY waiters;
SQL
{
	my ($waiters, @delays) = split /\|/;
	printf "  %-44s %10.2f %10.2f %10.2f\n", "$waiters waiting", @delays;
}
