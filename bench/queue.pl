# Queue: what drop requests cost the transaction that makes them, with the
# journal and without it (mvstore.durable_drops), and how long they then wait:
# REQUESTS in one transaction, and in transactions of one request each, beside
# the same transactions without any. Then the lag from COMMIT to drop under a
# load of overwrites, as a client sees it. Commits are not flushed, so that the
# disk does not hide the rest.

use strict;
use warnings;
use Bench;

use constant {
	REQUESTS => $ENV{BENCH_REQUESTS} || 50_000,
	SAMPLES => $ENV{BENCH_SAMPLES} || 1_000,
	WRITERS => $ENV{BENCH_WRITERS} || 2,
};

my $set = "SET synchronous_commit = off;\nSET client_min_messages = error;\n";
my $fill = $set . sprintf <<'SQL', REQUESTS;
DROP TABLE IF EXISTS store, plain;
CREATE TABLE plain (n int);
SELECT mvstore_create('store') \g /dev/null
SELECT count(mvstore_put('store', 'key:' || n, 'v')) FROM generate_series(1, %d) n \g /dev/null
SELECT mvstore_flush() \g /dev/null
SQL
my %ask = (
	none => '',
	journal => "PERFORM mvstore_drop('store', 'key:' || i);",
	memory => "PERFORM mvstore_drop('store', 'key:' || i);",
);

# Calls and COMMIT of one transaction of all requests: two laps.
sub one_transaction
{
	my ($how) = @_;
	my $durable = $how eq 'memory' ? 'off' : 'on';
	my ($calls, $commit) = laps($fill, <<"SQL", "COMMIT;\n");
BEGIN;
INSERT INTO plain VALUES (1);
SET LOCAL mvstore.durable_drops = $durable;
DO \$\$ BEGIN FOR i IN 1 .. ${\REQUESTS} LOOP $ask{$how} END LOOP; END \$\$;
SQL
	return ($calls, $commit);
}

# A transaction for each request.
sub many_transactions
{
	my ($how) = @_;
	my $durable = $how eq 'memory' ? 'off' : 'on';
	return seconds(<<"SQL", $fill . "SET mvstore.durable_drops = $durable;\n");
DO \$\$ BEGIN
  FOR i IN 1 .. ${\REQUESTS} LOOP
    INSERT INTO plain VALUES (i);
    $ask{$how}
    COMMIT;
  END LOOP;
END \$\$;
SQL
}

# From the COMMIT of an overwrite until its key has one entry, seen by the client that made it.
sub lag
{
	my $probe = sprintf <<'SQL', SAMPLES;
CREATE TEMP TABLE lags (lag interval);
CREATE PROCEDURE pg_temp.probe() LANGUAGE plpgsql AS $$
DECLARE
  committed timestamptz;
BEGIN
  FOR i IN 1 .. %d LOOP
    PERFORM mvstore_put('store', 'probe', i::text);
    COMMIT;
    committed := clock_timestamp();
    WHILE (SELECT count(*) > 1 FROM mvstore_history('store', 'probe')) LOOP
      COMMIT;
    END LOOP;
    INSERT INTO lags VALUES (clock_timestamp() - committed);
    COMMIT;
  END LOOP;
END $$;
SELECT mvstore_put('store', 'probe', '0') \g /dev/null
CALL pg_temp.probe();
\o
SELECT extract(epoch FROM avg(lag)) || ' ' ||
       extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY lag)) || ' ' ||
       extract(epoch FROM percentile_cont(0.99) WITHIN GROUP (ORDER BY lag)) || ' ' ||
       extract(epoch FROM max(lag)) FROM lags;
SQL
	sql($set . "DROP TABLE IF EXISTS store;\nSELECT mvstore_create('store', keep_versions := 1) \\g /dev/null\n");

	# The load goes on until its table is gone.
	sql($set . "DROP TABLE IF EXISTS load_goes_on;\nCREATE TABLE load_goes_on ();\n");
	my @load = map {
		my $pid = fork // die "bench: fork: $!\n";
		if ($pid == 0)
		{
			sql($set . sprintf <<'SQL', $_ * 1_000_000);
DO $$
DECLARE
  i int := 0;
BEGIN
  WHILE to_regclass('load_goes_on') IS NOT NULL LOOP
    i := i + 1;
    PERFORM mvstore_put('store', (%d + i %% 20000)::text, i::text);
    COMMIT;
  END LOOP;
END $$;
SQL
			exit 0;
		}
		$pid;
	} 1 .. WRITERS;
	my $before = sql("SELECT puts FROM mvstore_store_stats WHERE store = 'store'::regclass;");
	my $start = time;
	my @answer = split / /, (split /\n/, sql($set . "\\o /dev/null\n" . $probe))[-1];
	my $puts = sql("SELECT puts FROM mvstore_store_stats WHERE store = 'store'::regclass;") - $before;
	my $rate = $puts / ((time - $start) || 1);
	sql("DROP TABLE load_goes_on;");
	waitpid $_, 0 for @load;
	printf "lag from COMMIT to drop, %d samples beside %d writers with %d puts/s (ms):\n", SAMPLES, WRITERS, $rate;
	printf "  mean %.1f, median %.1f, 99th percentile %.1f, longest %.1f\n", map { $_ * 1000 } @answer;
}

sql("CREATE EXTENSION IF NOT EXISTS mvstore;");
my %title = (
	none => 'without requests',
	journal => 'with a row in the journal',
	memory => 'in memory only (durable_drops = off)',
);
my @order = qw(none journal memory);
my (%calls, %commit, %many);
rounds(map { my $how = $_; [ $how => sub {
	my ($calls, $commit) = one_transaction($how);
	push @{ $calls{ $title{$how} } }, $calls;
	push @{ $commit{ $title{$how} } }, $commit;
	push @{ $many{ $title{$how} } }, many_transactions($how);
	return $calls;
} ] } @order);
my @names = map { $title{$_} } @order;
my $each = sub { $_[0] / REQUESTS * 1e9 };
report(sprintf('queue: %d requests in one transaction, the calls, ns each, %d rounds', REQUESTS, ROUNDS),
	'ns', $each, \@names, %calls);
report('its COMMIT', 'ns', $each, \@names, %commit);
report('transactions of an INSERT and one request', 'ns', $each, \@names, %many);
lag();
