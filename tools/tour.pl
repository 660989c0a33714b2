#!/usr/bin/perl
#
# The five-minute tour of a README.md, on a server that runs: for ./dev packages.
#
#	tour.pl README.md
#
# It connects as psql does, and makes a database of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../t/lib";
use Examples;
use Test::More;

my ($readme) = @ARGV;
open(my $handle, '<', $readme) or die "$readme: $!\n";
my @examples = examples_of(section_of(join('', <$handle>), 'A five-minute tour'));
cmp_ok(scalar(@examples), '>', 0, 'the tour has something to type');
system('createdb', 'tour') == 0 or die "createdb failed\n";
is(examples_hold('dbname=tour', @examples), '', 'and nothing is warned of');
done_testing();
