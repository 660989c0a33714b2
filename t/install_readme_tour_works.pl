# The five-minute tour of README.md works as it is printed, and gives what it shows.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Examples;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tour = section_of(slurp_file("$FindBin::RealBin/../README.md"), 'A five-minute tour');

my @examples = examples_of($tour);
cmp_ok(scalar(@examples), '>', 0, 'the tour has something to type');

# The server is as the README says to set it up, before CREATE EXTENSION.
my $node = PostgreSQL::Test::Cluster->new('tour');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION mvstore') unless $tour =~ /CREATE EXTENSION/i;

# All of it in one session, as one would type it.
is(examples_hold($node->connstr('postgres'), @examples), '', 'and nothing is warned of');

# It leaves a server whose worker is well.
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'and nothing waits at its end');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mvstore_stats WHERE last_error IS NOT NULL}), 0, 'nor went wrong');

$node->stop;
done_testing();
