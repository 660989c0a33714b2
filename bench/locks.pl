# Locks: PUTS puts in one transaction, and in WRITERS of them side by side, on a
# server with as many locks as PostgreSQL comes with; the rows of pg_locks are
# counted meanwhile.

use strict;
use warnings;
BEGIN { $ENV{BENCH_ROUNDS} ||= 3 }
use Bench;

use constant {
	PUTS => $ENV{BENCH_PUTS} || 1_000_000,
	WRITERS => $ENV{BENCH_WRITERS} || 10,
};

my %most;
my %elapsed;

# Count the locks of all writers, and of these the ones that mvstore takes by itself.
sub count_locks
{
	my ($name) = @_;
	my @counts = split /\|/, sql(<<'SQL');
SELECT count(*), count(*) FILTER (WHERE locktype = 'advisory'), count(DISTINCT pid)
  FROM pg_locks WHERE pid IN (SELECT pid FROM pg_locks WHERE relation = 'store'::regclass);
SQL
	for my $n (0 .. $#counts)
	{
		$most{$name}[$n] = $counts[$n] if $counts[$n] > ($most{$name}[$n] // 0);
	}
}

sub measure
{
	my ($name, $writers) = @_;
	sql(<<'SQL');
SET client_min_messages = error;
DROP TABLE IF EXISTS store;
SELECT mvstore_create('store') \g /dev/null
SQL
	my $seconds = together(sub { count_locks($name) }, map { sprintf <<'SQL', $_, PUTS } 1 .. $writers);
SELECT count(mvstore_put('store', 'writer %d: ' || n, md5(n::text))) FROM generate_series(1, %d) n;
SQL
	my $rows = sql('SELECT count(*) FROM store;');
	die "bench: $rows rows in store\n" if $rows != $writers * PUTS;
	push @{ $elapsed{$name} }, $seconds;
	return $seconds / $writers;
}

sql(<<'SQL');
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS mvstore;
SQL
my @names = ('one transaction', WRITERS . ' side by side');
my %seconds = rounds(
	[ $names[0] => sub { measure($names[0], 1) } ],
	[ $names[1] => sub { measure($names[1], WRITERS) } ]);

report(sprintf('locks: %d puts a transaction, max_locks_per_transaction = %s, %d rounds',
		PUTS, sql('SHOW max_locks_per_transaction;'), ROUNDS),
	'puts/s', sub { PUTS / $_[0] }, \@names, %seconds);
report('seconds until the last COMMIT', 's', sub { $_[0] }, \@names, %elapsed);
for my $name (@names)
{
	printf "  %-44s %d, %d of them mvstore's own, of %d transactions\n",
	  "most rows of pg_locks, $name", map { $_ // 0 } @{ $most{$name} }[ 0 .. 2 ];
}
