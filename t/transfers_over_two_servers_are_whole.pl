# A transaction manager (Narayana) moves money between two servers by XA, under one version
# each time. Whatever is killed, the manager or a server, what is in doubt is ended by the
# manager, and a reader as of any version that is stable on both never sees half a transfer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $classpath = $ENV{MVSTORE_XA_CLASSPATH};
plan skip_all => 'it needs Java and a transaction manager: ./dev drivers gets them' if !$classpath;

my $seed = $ENV{MVSTORE_SEED} // time() % 100_000;
my $rounds = $ENV{MVSTORE_ROUNDS} // 6;
note("MVSTORE_SEED=$seed MVSTORE_ROUNDS=$rounds");
srand($seed);

my $total = 2 * 10 * 1000;
my $log = "$PostgreSQL::Test::Utils::tmp_check/objects";
my @nodes = map { server($_) } ('north', 'south');
my @urls = map { 'jdbc:postgresql://127.0.0.1:' . $_->port . '/postgres?user=' . getpwuid($<) } @nodes;
my %seen = (transfers => 0, kills => 0, doubts => 0, reads => 0, gone => 0, wrong => 0);
my ($manager, $out, $err);

sub server
{
	my ($name) = @_;
	my $node = mvstore_node($name, conf => "max_prepared_transactions = 40\nlisten_addresses = '127.0.0.1'\nrestart_after_crash = on");

	$node->safe_psql('postgres', q{SELECT mvstore_create('balance', keep_versions => 20)});
	$node->safe_psql('postgres', q{SELECT mvstore_put('balance', 'a' || i, '1000') FROM generate_series(0, 9) i});
	return $node;
}

sub java
{
	my ($what, @arguments) = @_;
	($out, $err) = ('', '');
	return IPC::Run::start([ 'java', '-cp', $classpath, 'Transfer', $what, $log, @urls, @arguments ], '<', \undef, '>', \$out, '2>', \$err);
}

# Answers of both servers; nothing where one is down.
sub both
{
	my ($query) = @_;
	my @answers;

	for my $node (@nodes)
	{
		my ($status, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$query");
		$seen{gone}++ if $stderr =~ /72000/;
		return if $status != 0 || $stderr ne '';
		push @answers, $stdout;
	}
	return @answers;
}

# The sum as of a version that is stable on both.
sub look
{
	my @stable = both('SELECT mvstore_stable_version()') or return;
	my $version = $stable[0] < $stable[1] ? $stable[0] : $stable[1];
	my @sums = both("SELECT sum(value::bigint) FROM mvstore_scan('balance', as_of => $version)") or return;

	$seen{reads}++;
	return if $sums[0] + $sums[1] == $total;
	$seen{wrong}++;
	diag("as of version $version: $sums[0] + $sums[1]");
	return;
}

# Run, look, and kill somebody in the midst of it.
sub round
{
	my ($victim) = @_;
	my $end = time() + 2 + rand(2);

	$manager = java('run', 4, 60);
	IPC::Run::pump($manager) until $out =~ /transfers: [1-9]/ || !$manager->pumpable;
	while (time() < $end)
	{
		look();
		$manager->pump_nb;
	}
	if ($victim < 2)
	{
		$nodes[$victim]->stop('immediate');
		usleep(rand(300_000));
		look();
		$nodes[$victim]->start;
		my ($before) = $out =~ /.*transfers: (\d+)/s;
		IPC::Run::pump($manager) until !$manager->pumpable || (($out =~ /.*transfers: (\d+)/s)[0] > $before);
	}
	$manager->kill_kill(grace => 0);
	$seen{kills}++;
	$seen{transfers} += ($out =~ /.*transfers: (\d+)/s)[0] // 0;
	my @doubts = both('SELECT count(*) FROM pg_prepared_xacts');
	$seen{doubts} += ($doubts[0] // 0) + ($doubts[1] // 0);
	look();
	return;
}

for my $round (1 .. $rounds)
{
	round($round % 3);
	next if $round % 2 && $round != $rounds;	# some are in doubt for longer
	$manager = java('recover');
	$manager->finish;
	is($manager->result(0), 0, "round $round: nothing is in doubt") or diag("$out$err");
	look();
}

is(join(' ', both('SELECT count(*) FROM pg_prepared_xacts')), '0 0', 'nothing is in doubt');
is(join(' ', both('SELECT mvstore_flush()')), 't t', 'all that was asked for is done');
my @sums = both(q{SELECT sum(value::bigint) FROM mvstore_scan('balance')});
is($sums[0] + $sums[1], $total, 'all the money is there');
is(join(' ', both('SELECT max(n) <= 20 FROM (SELECT count(*) AS n FROM balance GROUP BY key) of_key')), 't t', 'and the policy was kept');
is(join(' ', both('SELECT count(*) FROM mvstore_prepared')), '0 0', 'nothing is left of the transactions');
is($seen{wrong}, 0, 'no reader has seen half a transfer');
cmp_ok($seen{transfers}, '>', 10 * $rounds, 'money was moved');
cmp_ok($seen{reads}, '>', 5 * $rounds, 'and looked at');
note(join ', ', map { "$_: $seen{$_}" } sort keys %seen);
$_->stop for @nodes;

done_testing();
