# The judge of what a cluster's clients were answered finds a wrong answer of each kind
# among the right ones; else the tests that rest on it would prove nothing. The answers are
# those of one server, which has the same functions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../../t/lib";
use ClusterCheck;
use ClusterRun;
use MvstoreTest;
use Storable 'dclone';
use Test::More;

{
	package OneServer;
	sub proxy { return $_[0]{node} }
	sub query { return $_[0]{node}->safe_psql('postgres', $_[1]) }
}

my $one = bless { node => mvstore_node('one', conf => "mvstore.flush_interval = '5 ms'") }, 'OneServer';
my $clients = ClusterRun->start($one, seed => 1, sessions => 4, keys => 10);
$clients->wait_for(1500);
my $log = $clients->stop($one);
$one->{node}->stop;
is(@{ (check($log))[0] }, 0, 'nothing is wrong with the log as it is') or diag(join "\n", @{ (check($log))[0] });

# The first answered call of a log, from the middle on, for which a condition holds.
sub first_where
{
	my ($log, $op, $condition) = @_;
	my @calls = @{ $log->{calls} };

	for my $call (@calls[ @calls / 2 .. $#calls ])
	{
		return $call if $call->{op} eq $op && $call->{state} eq '00000' && $call->{answer} ne '~' && (!$condition || $condition->($call));
	}
	die "the log has no such call\n";
}

sub in_a { return $_[0]{store} eq 'a' }
sub present { return in_a(@_) && !defined $_[0]{as_of} }
sub past { return in_a(@_) && defined $_[0]{as_of} }

# Take an entry out of what is left in the end.
sub forget
{
	my ($log, $key, $version) = @_;
	$log->{final}{a}{$key} =~ s/(^|,)$version=[^,]*(,|$)/$1 && $2 ? ',' : ''/e or die "there is no $key at $version\n";
	return;
}

# Have no key of it deleted ever: so what a read does not find is overlooked.
sub delete_nothing
{
	my ($log) = @_;

	$_->{op} eq 'delete' && ($_->{state} = '40001') for @{ $log->{calls} };
	s/,?\d+=~//g for values %{ $log->{final}{a} };
	return;
}

my @wrong = (
	[ 'a write that is lost', qr/^lost: /, sub { my $put = first_where($_[0], 'put', \&in_a); forget($_[0], $put->{args}[0], $put->{answer}) } ],
	[ 'a deletion that is lost', qr/^lost: /, sub { my $delete = first_where($_[0], 'delete', \&in_a); forget($_[0], $delete->{args}[0], $delete->{answer}) } ],
	[ 'a write that is there twice', qr/^doubled: /, sub {
		my $put = first_where($_[0], 'put', \&in_a);
		$_[0]{final}{a}{ $put->{args}[0] } .= ',' . ($put->{answer} + 1) . "=$put->{args}[1]";
	} ],
	[ 'an entry that nobody wrote', qr/^nobody wrote it: /, sub { $_[0]{final}{a}{k01} .= ',9999999999999999=x' } ],
	[ 'a tombstone that nobody wrote', qr/^nobody wrote it: /, sub { $_[0]{final}{a}{k01} .= ',9999999999999999=~' } ],
	[ 'a write that was refused and happened', qr/^written, though it failed: /, sub {
		my $put = first_where($_[0], 'put', \&in_a);
		@{$put}{qw(state answer)} = ('40001', undef);
	} ],
	[ 'half of a write', qr/^a part of it: /, sub {
		my $many = first_where($_[0], 'put_many', sub { in_a(@_) && @{ $_[0]{args}[0] } > 1 });
		forget($_[0], $many->{args}[0][0], $many->{answer});
		$many->{state} = '08007';
	} ],
	[ 'two versions of one write', qr/^more than one version: /, sub {
		my $many = first_where($_[0], 'put_many', sub { in_a(@_) && @{ $_[0]{args}[0] } > 1 });
		$_[0]{final}{a}{ $many->{args}[0][0] } =~ s/$many->{answer}=/$many->{answer} + 1 . '='/e;
		$many->{state} = '08007';
	} ],
	[ 'a version from before', qr/^versions out of order: /, sub {
		my $put = first_where($_[0], 'put', sub { present(@_) && keys %{ $_[0]{known} } });
		my ($version) = $put->{answer};
		$put->{answer} = 5;
		$_[0]{final}{a}{ $put->{args}[0] } =~ s/\b$version=/5=/;
	} ],
	[ 'a version below what was stable', qr/^below what was stable: /, sub { $_->{answer} += 60_000_000 for first_where($_[0], 'stable') } ],
	[ 'an entry that is stale', qr/^stale: /, sub {
		my ($log) = @_;
		my $oldest;
		my $new = first_where($log, 'entry', sub { present(@_) && (($oldest) = $log->{final}{a}{ $_[0]{args}[0] } =~ /^(\d+=[\d.]+)/) && $oldest ne $_[0]{answer} });
		$new->{answer} = $oldest;
	} ],
	[ 'an entry that is overlooked', qr/^stale: /, sub {
		first_where($_[0], 'entry', \&present)->{answer} = '~';
		delete_nothing($_[0]);
	} ],
	[ 'a scan without one of its rows', qr/^stale: /, sub {
		first_where($_[0], 'scan', sub { present(@_) && !defined $_[0]{args}[2] && $_[0]{answer} =~ s/,[^,]*// });
		delete_nothing($_[0]);
	} ],
	[ 'another value', qr/^wrong value: /, sub { first_where($_[0], 'entry', \&present)->{answer} .= '1' } ],
	[ 'an answer before the question', qr/^seen before it was written: /, sub {
		my ($log) = @_;
		my $put = first_where($log, 'put', sub {
			my ($put) = @_;
			in_a($put) && grep { $_->{op} eq 'entry' && present($_) && $_->{state} eq '00000' && $_->{answer} eq "$put->{answer}=$put->{args}[1]" } @{ $log->{calls} };
		});
		$_->{began} = $_->{ended} + 10_000, $_->{ended} = $_->{began} + 1 for $put;
	} ],
	[ 'the wrong past', qr/^wrong past: /, sub { $_->{answer} =~ s/^(\d+)/$1 + 1/e for first_where($_[0], 'entry', \&past) } ],
	[ 'the past of a scan without one of its rows', qr/^wrong past: /, sub { $_->{answer} =~ s/,[^,]*// for first_where($_[0], 'scan', sub { past(@_) && $_[0]{answer} =~ /,/ }) } ],
	[ 'a count of one more', qr/^wrong past: /, sub { $_->{answer}++ for first_where($_[0], 'count', \&past) } ],
	[ 'a history with a gap', qr/^wrong history: /, sub { $_->{answer} =~ s/,[^,]*,/,/ for first_where($_[0], 'history', sub { in_a(@_) && $_[0]{answer} =~ /,.*,/ }) } ],
	[ 'history that is gone where nothing is dropped', qr/^history is said to be gone: /, sub { $_->{state} = '72000' for first_where($_[0], 'get', \&past) } ],
	[ 'a stable version that is not stable any more', qr/^what was stable is not: /, sub { $_->{state} = '55000' for first_where($_[0], 'get', \&past) } ],
	[ 'an error without a cause', qr/^unexpected error: /, sub { $_->{state} = '08006' for first_where($_[0], 'get') } ]);

for my $wrong (@wrong)
{
	my ($name, $kind, $change) = @$wrong;
	my $copy = dclone($log);

	check($copy);
	$change->($copy);
	my ($problems) = check($copy);
	ok((grep { /$kind/ } @$problems), "it finds $name") or diag(join "\n", 'it finds:', @$problems[ 0 .. ($#$problems < 4 ? $#$problems : 4) ]);
}

done_testing();
