# bench/cluster.pl runs, with little to do, and the page takes what it prints: a figure that
# nobody can measure again is no figure. (Those of one server: t/install_benchmarks_run.pl.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../t/lib";
use IPC::Run ();
use MvstoreTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('bench', conf => 'max_prepared_transactions = 20');
my $tree = "$FindBin::RealBin/../..";
my $page = PostgreSQL::Test::Utils::tempdir();
my ($report, $said) = ('', '');

@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'bench');
@ENV{qw(BENCH_KEYS BENCH_SCANS BENCH_TRANSACTIONS BENCH_ROUNDS BENCH_CLIENTS BENCH_SHARDS)} = (50, 20, 20, 1, 1, '1 2');
$ENV{BENCH_SVG} = "$page/cluster.svg";
$node->safe_psql('postgres', 'CREATE DATABASE bench');
ok(IPC::Run::run([ $^X, "-I$tree/bench", "$tree/bench/cluster.pl" ], '>', \$report, '2>', \$said), 'bench/cluster.pl runs') or diag($report . $said);
like($report, qr/^\| mvstore_cluster, two shards +\| +\d/m, 'and measures');
cmp_ok(-s $ENV{BENCH_SVG} // 0, '>', 1000, 'and draws a picture');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname ~ '^bench_'}), 0, 'and leaves nothing behind');
mkdir "$page/doc" or die $!;
append_to_file("$page/doc/benchmarks.md", slurp_file("$tree/doc/benchmarks.md"));
ok(IPC::Run::run([ $^X, "$tree/tools/bench-doc.pl", 'cluster', 'Taken so:' ], '<', \$report, init => sub { chdir $page }), 'the page takes what it has printed');
like(slurp_file("$page/doc/benchmarks.md"), qr/^Taken so:.*^\| mvstore_cluster, two shards/ms, 'in its place');
$node->stop;
done_testing();
