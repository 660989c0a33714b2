# Every example of every page of doc/, typed one after the other as it stands there, works, and gives the result that
# is shown. Without that, somebody copies what was true once. How a page says what is to be done with a block of code,
# see t/lib/Examples.pm. And each page has its line in doc/README.md; those by task fit on two screens.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Examples;
use File::Basename 'basename';
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Of a page by task.
my $MAX_LINES = 110;

my $doc = "$FindBin::RealBin/../doc";
my $index = slurp_file("$doc/README.md");
my @pages = grep { $_ ne 'README.md' } map { basename($_) } glob("$doc/*.md");

my $node = PostgreSQL::Test::Cluster->new('pages');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'mvstore'
max_prepared_transactions = 10
timezone = 'UTC'
wal_level = logical
CONF
$node->start;

sub page_holds
{
	my ($page, $text) = @_;
	my $database = $page =~ s/\.md$//r =~ tr/-/_/r;
	my @examples = examples_of($text);

	if (!@examples)
	{
		like($text, qr/^<!-- test: none \S.* -->$/m, 'it says why it has nothing to run');
		unlike($text, qr/^```sql$/m, 'and has nothing');
		return;
	}
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION mvstore') unless grep { ($_->{typed} // '') =~ /^CREATE EXTENSION/m } @examples;
	my $said = examples_hold($node->connstr($database), @examples);
	unlike($said, qr/WARNING:  (?!drops are not worked off because they are paused)/, 'nothing is warned of');
	forget_all();
}

# The next page finds the server as this one did.
sub forget_all
{
	for my $list (q{SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE oid >= 16384},
		q{SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE oid >= 16384})
	{
		$node->safe_psql('postgres', $_) for split /\n/, $node->safe_psql('postgres', $list);
	}
}

for my $page (@pages)
{
	subtest $page => sub { page_holds($page, slurp_file("$doc/$page")) };
}

subtest 'the index' => sub {
	my @named = $index =~ /^- \[[^\]]+\]\(([\w-]+\.md)\)/mg;
	is_deeply([ sort @named ], [ sort @pages ], 'each page has a line, and each line a page');

	my $in_depth = section_of($index, 'In depth');
	for my $page (grep { $in_depth !~ /\(\Q$_\E\)/ } @pages)
	{
		cmp_ok(scalar(split /\n/, slurp_file("$doc/$page")), '<=', $MAX_LINES, "$page fits on two screens");
	}
};

$node->stop;
done_testing();
