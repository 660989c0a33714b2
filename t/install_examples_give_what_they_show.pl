# The examples of the reference and of other pages, typed one after the other, work, and give the results that it
# shows. Without that, somebody copies what was true once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Examples;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('reference');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION mvstore');

my $said = examples_hold($node->connstr('postgres'), examples_of(slurp_file("$FindBin::RealBin/../doc/reference.md")));
$said .= examples_hold($node->connstr('postgres'), examples_of(slurp_file("$FindBin::RealBin/../doc/two-phase.md")));
unlike($said, qr/WARNING:  (?!drops are not worked off because they are paused)/, 'and nothing is warned of');

$node->stop;
done_testing();
