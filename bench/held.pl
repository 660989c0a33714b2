# Held: whether a snapshot that is held open for MINUTES slows drops down. A
# client overwrites keys and asks for their drop, as fast as it can; per minute
# are printed its transactions, the entries dropped, and the sizes of what grows
# because no vacuum can clean it.

use strict;
use warnings;
use Bench;

use constant {
	MINUTES => $ENV{BENCH_MINUTES} || 10,
	KEYS_USED => $ENV{BENCH_KEYS_USED} || 100_000,
};

sql(<<'SQL');
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS mvstore;
DROP TABLE IF EXISTS store, load_goes_on;
SELECT mvstore_create('store') \g /dev/null
CREATE TABLE load_goes_on ();
SQL
sql(sprintf "SELECT count(mvstore_put('store', n::text, 'v')) FROM generate_series(1, %d) n;\nSELECT mvstore_flush();\n", KEYS_USED);

my @children;
sub child
{
	my ($sql) = @_;
	my $pid = fork // die "bench: fork: $!\n";
	if ($pid == 0)
	{
		sql($sql);
		exit 0;
	}
	push @children, $pid;
}

child(<<'SQL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM store;
DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'release') LOOP PERFORM pg_sleep(0.5); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$;
COMMIT;
SQL
child(sprintf <<'SQL', KEYS_USED);
SET synchronous_commit = off;
DO $$
DECLARE
  i int := 0;
  k text;
BEGIN
  WHILE to_regclass('load_goes_on') IS NOT NULL LOOP
    i := i + 1;
    k := (1 + i %% %d)::text;
    PERFORM mvstore_put('store', k, i::text);
    PERFORM mvstore_drop('store', k);
    COMMIT;
  END LOOP;
END $$;
SQL

sub look
{
	return split /\|/, sql(<<'SQL');
SELECT puts, (SELECT entries_dropped FROM mvstore_stats WHERE database = current_database()),
       pg_total_relation_size('mvstore_journal') / 1024, pg_total_relation_size('mvstore_floor') / 1024,
       pg_total_relation_size('mvstore_stable') / 1024, pg_total_relation_size('store') / 1024 / 1024,
       (SELECT queue_length FROM mvstore_stats WHERE database = current_database())
  FROM mvstore_store_stats WHERE store = 'store'::regclass;
SQL
}

printf "held: a snapshot open for %d minutes beside a client that overwrites and drops\n", MINUTES;
printf "  %6s %12s %14s %12s %10s %10s %10s %8s\n", 'minute', 'puts/s', 'dropped/s', 'journal kB', 'floor kB', 'stable kB', 'store MB', 'queue';
my @last = look();
for my $minute (1 .. MINUTES)
{
	sleep 60;
	my @now = look();
	printf "  %6d %12.0f %14.0f %12d %10d %10d %10d %8d\n", $minute, ($now[0] - $last[0]) / 60, ($now[1] - $last[1]) / 60, @now[ 2 .. 6 ];
	@last = @now;
}
sql('DROP TABLE load_goes_on;');
sql("SET application_name = 'release';\nSELECT pg_sleep(2);\nSELECT mvstore_flush('10 min');\n");
waitpid $_, 0 for @children;
