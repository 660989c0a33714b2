# The five-minute tour of README.md works as it is printed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = "$FindBin::RealBin/../README.md";
my ($tour) = slurp_file($readme) =~ /^## A five-minute tour$(.*?)(?=^## |\z)/ms;
ok(defined $tour, 'README.md has a five-minute tour');

my @blocks = $tour =~ /^```sql\n(.*?)^```$/msg;
cmp_ok(scalar(@blocks), '>', 0, 'the tour has something to type');

# The server is as the README says to set it up, before CREATE EXTENSION.
my $node = PostgreSQL::Test::Cluster->new('tour');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION mvstore') unless $tour =~ /CREATE EXTENSION/i;

# All of it in one session, as one would type it; it stops at the first error.
my ($status, $out, $err) = $node->psql('postgres', join("\n", @blocks), on_error_stop => 1);
is($status, 0, 'every statement of the tour works');
is($err, '', 'without an error or a warning');
note($out);

# It leaves a server whose worker is well.
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'and nothing waits at its end');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_stats WHERE last_error IS NOT NULL}), 0, 'nor went wrong');

$node->stop;
done_testing();
