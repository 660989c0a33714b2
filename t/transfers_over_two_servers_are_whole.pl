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
my $rounds = $ENV{MVSTORE_ROUNDS} // 3;
note("MVSTORE_SEED=$seed MVSTORE_ROUNDS=$rounds");
srand($seed);

my $total = 2 * 10 * 1000;
my $log = "$PostgreSQL::Test::Utils::tmp_check/objects";
my @nodes = map { server($_) } ('north', 'south');
my @urls = map { 'jdbc:postgresql://127.0.0.1:' . $_->port . '/postgres?user=' . getpwuid($<) } @nodes;
my %seen = (transfers => 0, kills => 0, doubts => 0, reads => 0, gone => 0, wrong => 0);
my ($manager, $out, $err);

# Seen of both before each kill, however slow the machine is.
my ($some_transfers, $some_reads) = (10, 6);

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
	return IPC::Run::start([ 'java', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', $classpath, 'Transfer', $what, $log, @urls, @arguments ], '<', \undef, '>', \$out, '2>', \$err);
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

# The last that the manager has said.
sub said { return substr($out, -200) . substr($err, -2000) }

sub transfers { return ($out =~ /.*transfers: (\d+)/s)[0] // 0 }

# Look again and again until a condition holds, while the manager runs.
sub look_until
{
	my ($condition, $what) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		die "waited in vain for $what: " . said() if time() > $end || !$manager->pumpable;
		look();
		$manager->pump_nb;
	}
	return;
}

# Run, look, and kill somebody in the midst of it.
sub round
{
	my ($victim) = @_;
	my $reads = $seen{reads} + $some_reads;
	my $transfers = $some_transfers + int(rand(20));

	$manager = java('run', 4, 600);
	look_until(sub { transfers() >= $transfers && $seen{reads} >= $reads }, "$transfers transfers");
	if ($victim < 2)
	{
		$nodes[$victim]->stop('immediate');
		usleep(rand(300_000));
		look();
		$nodes[$victim]->start;
		$transfers = transfers() + 1 + int(rand(20));
		look_until(sub { transfers() >= $transfers }, 'transfers after a restart');
	}
	$manager->kill_kill(grace => 0);
	$seen{kills} += $victim < 2 ? 2 : 1;
	$seen{transfers} += transfers();
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
	is($manager->result(0), 0, "round $round: nothing is in doubt") or diag(said());
	look();
}

is(join(' ', both('SELECT count(*) FROM pg_prepared_xacts')), '0 0', 'nothing is in doubt');
is(join(' ', both('SELECT mvstore_flush()')), 't t', 'all that was asked for is done');
my @sums = both(q{SELECT sum(value::bigint) FROM mvstore_scan('balance')});
is($sums[0] + $sums[1], $total, 'all the money is there');
is(join(' ', both('SELECT max(n) <= 20 FROM (SELECT count(*) AS n FROM balance GROUP BY key) of_key')), 't t', 'and the policy was kept');
is(join(' ', both('SELECT count(*) FROM mvstore_prepared')), '0 0', 'nothing is left of the transactions');
is($seen{wrong}, 0, 'no reader has seen half a transfer');
cmp_ok($seen{transfers}, '>=', $some_transfers * $rounds, 'money was moved');
cmp_ok($seen{reads}, '>=', $some_reads * $rounds, 'and looked at');
note(join ', ', map { "$_: $seen{$_}" } sort keys %seen);
$_->stop for @nodes;

done_testing();

END
{
	local $?;
	$manager->kill_kill(grace => 0) if $manager && $manager->pumpable;
}
