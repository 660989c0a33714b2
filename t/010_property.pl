# Whatever is written, rolled back and dropped, in whatever order: every read gives
# what an independent model of plain SQL gives, and paging neither skips nor
# repeats. See property.sql. To repeat a failure, set MVSTORE_TEST_SEED to the seed
# that it printed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps = $ENV{MVSTORE_TEST_STEPS} // 150;
my @seeds = (1, 2, int(rand(1_000_000)) + 3);
@seeds = ($ENV{MVSTORE_TEST_SEED}) if defined $ENV{MVSTORE_TEST_SEED};

my $node = mvstore_node('property', conf => "mvstore.flush_interval = '5 ms'\nfsync = off");
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', "$FindBin::RealBin/property.sql" ],
	'the model is loaded');

for my $seed (@seeds)
{
	for my $kind ('bytes', 'text', 'keep 1', 'keep 3')
	{
		my ($status, $out, $err) = $node->psql('postgres', "CALL model.run('$kind', $seed, $steps)");
		note($_) for grep { /NOTICE/ } split(/\n/, $err);
		is($status, 0, "seed $seed, $kind: what is read is what the model says") or diag("seed $seed, $kind: $err");
	}
}

$node->stop;
done_testing();
