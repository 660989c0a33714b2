# Two-phase commit: one transaction after the other that writes one row, committed at once, or
# prepared and then committed; in a store and in a plain table with the same index.

use strict;
use warnings;
use Bench;

my $count = $ENV{BENCH_TRANSACTIONS} || 2000;

my $fresh = <<'SQL';
SET client_min_messages = error;
SET synchronous_commit = off;
DROP TABLE IF EXISTS store, plain;
CREATE TABLE plain (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz);
CREATE UNIQUE INDEX ON plain (key, version DESC);
SELECT mvstore_create('store') \g /dev/null
SQL

# So many transactions, each with another key.
sub transactions
{
	my ($write, $end) = @_;
	return join '', map { (my $sql = "BEGIN;\n$write\n$end\n") =~ s/%d/$_/g; $sql } 1 .. $count;
}

my $plain = "INSERT INTO plain VALUES ('k%d', 1, 'v');";
my $store = "SELECT mvstore_put('store', 'k%d', 'v');";
my $once = 'COMMIT;';
my $twice = "PREPARE TRANSACTION 'bench';\nCOMMIT PREPARED 'bench';";

# Whatever was measured must have written every row.
sub check
{
	my ($table, $seconds) = @_;
	my $rows = sql("SELECT count(*) FROM $table;");
	die "bench: $rows rows in $table\n" if $rows != $count;
	return $seconds;
}

make_keys();
my @ways = map { my ($name, $table, $write, $end) = @$_; [ $name => sub { check($table, seconds(transactions($write, $end), $fresh)) } ] } (
	[ 'INSERT, COMMIT', 'plain', $plain, $once ],
	[ 'INSERT, PREPARE and COMMIT PREPARED', 'plain', $plain, $twice ],
	[ 'mvstore_put, COMMIT', 'store', $store, $once ],
	[ 'mvstore_put, PREPARE and COMMIT PREPARED', 'store', $store, $twice ]);
report("two-phase commit: $count transactions, asynchronous, " . ROUNDS . ' rounds', 'us/transaction',
	sub { $_[0] * 1e6 / $count }, [ map { $_->[0] } @ways ], rounds(@ways));
