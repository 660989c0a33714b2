# The commands of doc/growing.md, run as they stand there: blocks of a section, one by one, in
# the directory with its scripts.

package Runbook;

use strict;
use warnings;

use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';

my $tree = "$FindBin::RealBin/../..";

# A section's blocks, and the servers by the names that it gives them.
sub new
{
	my ($class, $cluster, $title, %nodes) = @_;
	my ($section) = slurp_file("$tree/doc/growing.md") =~ /^## \Q$title\E$(.*?)(?=^## |\z)/ms or die "doc/growing.md has no section $title\n";
	my $services = PostgreSQL::Test::Utils::tempdir() . '/services';
	my $self = bless { title => $title, environment => { PGSERVICEFILE => $services, map { uc($_) => address($nodes{$_}) } keys %nodes } }, $class;

	$self->{blocks} = [ map { s/^ {3}//mgr } $section =~ /^ *```sh\n(.*?)^ *```$/msg ];
	$nodes{proxy} = $cluster->proxy;
	append_to_file($services, join '', map { sprintf "[%s]\n%s\ndbname=postgres\n", $_, address($nodes{$_}) =~ s/ /\n/gr } keys %nodes);
	return $self;
}

sub address { return sprintf 'host=%s port=%d', $_[0]->host, $_[0]->port }

# Run a block, the first being 1: how many milliseconds it took.
sub run
{
	my ($self, $number) = @_;
	my $block = $self->{blocks}[ $number - 1 ] // die "$self->{title} has no block $number\n";
	my $said = '';
	local %ENV = (%ENV, %{ $self->{environment} });
	delete @ENV{qw(PGHOST PGPORT PGDATABASE)};
	my $start = time();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(IPC::Run::run([ 'bash', '-e', '-o', 'pipefail', '-c', $block ], '<', \undef, '>&', \$said,
			init => sub { chdir "$tree/examples/cluster" }), "$self->{title}: block $number") or diag($said);
	note($said) if $said ne '';
	return int((time() - $start) * 1000 + 0.5);
}

1;
