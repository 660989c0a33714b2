# The benchmarks run, with little to do: a figure that nobody can measure again is no figure.
# Of those in bench/, the ones that need one server and no minutes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('bench');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'\nmax_prepared_transactions = 2");
$node->start;

my $bench = "$FindBin::RealBin/../bench";
my %little = (BENCH_KEYS => 200, BENCH_VERSIONS => 2, BENCH_ROUNDS => 1, BENCH_ENTRIES => 200,
	BENCH_SESSIONS => 1, BENCH_WRITERS => 1, BENCH_OVERWRITES => 80, BENCH_READS => 20, BENCH_SECONDS => 0.5,
	BENCH_OPERATIONS => 20, BENCH_SCANS => 20, BENCH_DROPS => 20, BENCH_TRANSACTIONS => 20, BENCH_SIZES => '200 400',
	BENCH_TABLES => 1, BENCH_STORES => '1 3', BENCH_LENGTHS => '20 40', BENCH_DATABASES => '1 2', BENCH_CONNECTIONS => '1 2', BENCH_SMALL => 1500, BENCH_LARGE => 2000, BENCH_SAMPLES => 3, BENCH_PUTS => 20, BENCH_WAITERS => 2, BENCH_REQUESTS => 20);
@ENV{ keys %little } = values %little;
@ENV{qw(PGHOST PGPORT)} = ($node->host, $node->port);
my $page = PostgreSQL::Test::Utils::tempdir();
mkdir "$page/doc" or die $!;
append_to_file("$page/doc/benchmarks.md", slurp_file("$bench/../doc/benchmarks.md"));
for my $name (qw(changes drop feed get growth keep latency locks peers put queue scale scan twophase view workers))
{
	local $ENV{PGDATABASE} = $name;
	local $ENV{BENCH_SVG} = PostgreSQL::Test::Utils::tempdir() . "/$name.svg";
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION mvstore');
	my ($report, $said) = ('', '');
	ok(IPC::Run::run([ $^X, "-I$bench", "$bench/$name.pl" ], '>', \$report, '2>', \$said), "bench/$name.pl runs") or diag($report . $said);
	next if $name !~ /^(?:drop|growth|keep|latency|peers|scale)$/;
	cmp_ok(-s $ENV{BENCH_SVG} // 0, '>', 1000, '... and draws a picture') if $name ne 'scale';

	# The page that ./dev bench --doc writes takes it, and the rest of the page stays.
	my $before = slurp_file("$page/doc/benchmarks.md");
	my ($start, $end) = ("<!-- ./dev bench --doc $name -->\n", "<!-- end of $name -->\n");
	my $block = qr/\Q$start\E(.*?)\Q$end\E/s;
	ok(IPC::Run::run([ $^X, "$bench/../tools/bench-doc.pl", $name, 'Taken so:' ], '<', \$report,
			init => sub { chdir $page }), "... and the page takes what it has printed");
	my $after = slurp_file("$page/doc/benchmarks.md");
	like($after =~ $block ? $1 : '', qr/Taken so:.*\d/s, '... in its place');
	is($after =~ s/$block//r, $before =~ s/$block//r, '... and nowhere else');
}

$node->stop;
done_testing();
