# Whatever dies under load, nothing that was committed is lost, and nothing is gone
# that nobody asked for: backends, the drop worker and the postmaster are killed, the
# server is stopped, its standby takes over; after each of these the server has what a
# model of all that was ever committed says. What was prepared for two-phase commit outlives
# all of it, and is what it was. See lib/ChaosModel.pm; ./dev chaos runs longer.
# MVSTORE_TEST_SEED gives the seed, MVSTORE_TEST_MINUTES the time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use ChaosCheck;
use ChaosLoad;
use ChaosModel;
use ChaosServer;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $end = $ENV{MVSTORE_TEST_MINUTES} ? time() + 60 * $ENV{MVSTORE_TEST_MINUTES} : undef;
note("seed $seed");
END { diag("seed $seed") if $? }

# Twice this is a test.
my @deck = (
	('kill -9 of a backend') x 3, ('kill -9 of the worker') x 3, ('kill -9 of the postmaster') x 2, 'kill -9 of all processes',
	('an immediate stop') x 2, 'a fast restart', 'SIGTERM of the worker', 'promotion of the standby');

my $dice = make_dice($seed);
my $server = new_server($dice);
my $load = new_load($seed, 5, 24);
my $model = new_model();
my $amcheck = set_up($server->{node});
my @cards;
my %struck;
my $strikes = 0;

note('indexes are not checked: there is no amcheck here') unless $amcheck;
while ($end ? time() < $end : $strikes < 2 * @deck)
{
	@cards = map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ $dice->(1_000_000), $_ ] } @deck unless @cards;
	my $card = shift @cards;
	# A standby comes some strikes before it is promoted.
	if (!$server->{standby} && grep { /promotion/ } $card, @cards[ 0 .. ($#cards < 2 ? $#cards : 2) ])
	{
		hang_up($load);
		add_standby($server);
	}

	$strikes++;
	$struck{$card}++;
	$load->{pins} = $strikes % 2;
	reconnect($load, $server->{node}->connstr('postgres'));
	run_load($load, time() + 0.3 + $dice->(700) / 1000);
	$server->{node}->safe_psql('postgres', 'CHECKPOINT') if $dice->(3) == 0;

	# Now and then when many are about to commit, so that nobody knows whether they have.
	my $go_on;
	if ($card =~ /backend/ && $dice->(2))
	{
		line_up($load);
		let_go($load);
		usleep($dice->(500));
	}
	elsif ($STRIKES{$card}{forgets} && $server->{standby} && $dice->(2))
	{
		$go_on = stall_standby($server);
		run_load($load, time() + 0.1);
	}
	my $back = strike($server, $load, $card);
	$go_on->() if $go_on;
	run_load($load, time() + 0.3) unless $STRIKES{$card}{severs};
	drain($load);
	hang_up($load) if $STRIKES{$card}{severs};
	$back->();
	reconnect($load, $server->{node}->connstr('postgres'));

	my @problems = check($server, $load, $model, forgets => $STRIKES{$card}{forgets}, amcheck => $amcheck,
		holds => $strikes % 4, sweeps => $strikes % 4 == 0 && !$server->{faults});
	next if ok(!@problems, "$strikes: after $card");
	diag("seed $seed, strike $strikes, $card:\n", join "\n", splice(@problems, 0, 40));
	last;
}

# What is still in doubt is ended.
my @problems = check($server, $load, $model, forgets => 0, amcheck => $amcheck, holds => 0, sweeps => !$server->{faults});
ok(!@problems, 'when all that was prepared has ended') or diag("seed $seed:\n", join "\n", splice(@problems, 0, 40));

my $kills = 0;
$kills += $struck{$_} for grep { $STRIKES{$_}{forgets} } keys %struck;
note("seed $seed: $strikes strikes, of which $kills kills");
note("$_: $struck{$_}") for sort keys %struck;
note("$_: $model->{counts}{$_}") for sort keys %{ $model->{counts} };
hang_up($load);
$server->{node}->stop;
$server->{standby}->stop('immediate') if $server->{standby};
done_testing();
