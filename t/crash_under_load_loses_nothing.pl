# Whatever dies under load, nothing that was committed is lost, and nothing is gone
# that nobody asked for: backends, mvstore's processes and the postmaster are killed or stand
# still, the server is stopped, its standby takes over, disk and memory run out, statements are
# cancelled, settings change; after each of these the server has what a
# model of all that was ever committed says. What was prepared for two-phase commit outlives
# all of it, and is what it was. See lib/ChaosModel.pm; ./dev chaos runs longer.
# MVSTORE_TEST_SEED gives the seed, MVSTORE_TEST_MINUTES the time, or MVSTORE_TEST_STRIKES how many
# strikes; MVSTORE_TEST_STATE a file in which each server's are noted, so that another run goes on
# behind them; MVSTORE_SMALL_DISK a directory on a small file system, which is filled.

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

my $first_seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $end = $ENV{MVSTORE_TEST_MINUTES} ? time() + 60 * $ENV{MVSTORE_TEST_MINUTES} : undef;
my $most = $ENV{MVSTORE_TEST_STRIKES};
my $seed = $first_seed;
END { diag("seed $seed") if $? }

# Once this is a test; several times it is the life of a server.
my @deck = (
	('kill -9 of a backend') x 3, ('kill -9 of the worker') x 2, 'kill -9 of an assistant', 'kill -9 of the launcher', 'kill -9 of maintenance',
	('kill -9 of the postmaster') x 2, 'kill -9 of all processes', ('an immediate stop') x 2, 'a fast restart', 'SIGTERM of the worker',
	('SIGSTOP of the worker') x 2, ('pg_cancel_backend at random') x 2, ('pg_terminate_backend at random') x 2, 'settings that change',
	$ENV{MVSTORE_SANITIZED} ? () : ('memory that runs out') x 2, 'promotion of the standby', $ENV{MVSTORE_SMALL_DISK} ? ('a full disk') x 2 : ());
my $life = $end || $most ? 4 * @deck : @deck;

note('the disk is not filled: MVSTORE_SMALL_DISK names no small file system') unless $ENV{MVSTORE_SMALL_DISK};
my (%struck, %counts);
my ($strikes, $findings) = (0, 0);
if ($most && $ENV{MVSTORE_TEST_STATE} && -e $ENV{MVSTORE_TEST_STATE})
{
	for (split /\n/, slurp_file($ENV{MVSTORE_TEST_STATE}))
	{
		my ($done, $number, $found, $kinds) = /^seed (\d+): (\d+) strikes, (\d+) findings(.*)/ or next;
		next if $done < $first_seed;
		$seed = $done + 1 if $done >= $seed;
		$strikes += $number;
		$findings += $found;
		$struck{$1} += $2 while $kinds =~ /; ([^:;]+): (\d+)/g;
	}
}
do
{
	live($seed);
	$seed++;
} while (($most ? $strikes < $most : $end && time() < $end) && !$findings);

note("seeds $first_seed to " . ($seed - 1) . ": $strikes strikes, $findings findings");
note("$_: $struck{$_}") for sort keys %struck;
note("$_: $counts{$_}") for sort keys %counts;
done_testing();


# The next card that can be played. The disk is not filled under a standby's feet.
sub next_card
{
	my ($cards, $server) = @_;
	my ($n) = grep { $cards->[$_] ne 'a full disk' || !$server->{standby} } 0 .. $#$cards;

	return splice(@$cards, $n // return, 1);
}

# Strike a server until its life, or all, is over.
sub live
{
	my ($seed) = @_;
	my $dice = make_dice($seed);
	my $server = new_server($dice);
	my $load = new_load($seed, 5, 24);
	my $model = new_model();
	my $amcheck = set_up($server->{node});
	my (@cards, %here);
	my ($here, $found) = (0, 0);

	note("seed $seed");
	note('indexes are not checked: there is no amcheck here') unless $amcheck;
	while ($here < $life && (!$end || time() < $end) && !$found && (!$most || $strikes < $most))
	{
		@cards = map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ $dice->(1_000_000), $_ ] } @deck unless @cards;
		my $card = next_card(\@cards, $server) // do { @cards = (); next };
		# A standby comes some strikes before it is promoted.
		if (!$server->{standby} && grep { /promotion/ } $card, @cards[ 0 .. ($#cards < 2 ? $#cards : 2) ])
		{
			hang_up($load);
			add_standby($server);
			($card, @cards) = (next_card([$card], $server) // 'a fast restart', @cards);
		}
		$here++;
		$found = one_strike($server, $load, $model, $card, $here, $seed, $amcheck) // next;
		$strikes++;
		$struck{$card}++;
		$here{$card}++;
	}

	# What is still in doubt is ended.
	if (!$found)
	{
		my @problems = check($server, $load, $model, forgets => 0, amcheck => $amcheck, holds => 0, sweeps => !$server->{faults});
		$found = report(\@problems, 'when all that was prepared has ended', "seed $seed");
	}
	$counts{$_} += $model->{counts}{$_} for keys %{ $model->{counts} };
	$findings += $found;
	append_to_file($ENV{MVSTORE_TEST_STATE}, sprintf "seed %d: %d strikes, %d findings%s\n", $seed, sum(values %here), $found,
		join '', map { "; $_: $here{$_}" } sort keys %here) if $ENV{MVSTORE_TEST_STATE};
	hang_up($load);
	keep_data($server) if $found;
	end_server($server);
}

# Pass if there are no problems, and show the first ones; how many there are.
sub report
{
	my ($problems, $name, $where) = @_;
	my @first = @$problems[ 0 .. ($#$problems < 39 ? $#$problems : 39) ];

	ok(!@$problems, $name) or diag("$where:\n", join "\n", @first);
	return scalar @$problems;
}

sub sum { my $sum = 0; $sum += $_ for @_; return $sum }

# Let the load run, strike, and see what is there: whether something is wrong. Nothing, if there was
# nothing to strike.
sub one_strike
{
	my ($server, $load, $model, $card, $number, $seed, $amcheck) = @_;
	my $dice = $server->{dice};
	my $kind = $STRIKES{$card};

	$load->{pins} = $number % 2;
	$load->{tells} = $kind->{tells};
	reconnect($load, $server->{node}->connstr('postgres'));
	run_load($load, time() + 0.3 + $dice->(700) / 1000);
	$server->{node}->safe_psql('postgres', 'CHECKPOINT') if $dice->(3) == 0;

	# Now and then when many are about to commit, so that nobody knows whether they have.
	my $go_on;
	if ($card =~ /of a backend/ && $dice->(2))
	{
		line_up($load);
		let_go($load);
		usleep($dice->(500));
	}
	elsif ($kind->{forgets} && !$kind->{commits} && $card =~ /kill|stop|promotion/ && $server->{standby} && $dice->(2))
	{
		$go_on = stall_standby($server);
		run_load($load, time() + 0.1);
	}
	my $back = strike($server, $load, $card);
	$go_on->() if $go_on;
	run_load($load, time() + 0.3) if $back && !$kind->{severs};
	drain($load);
	hang_up($load) if $kind->{severs} && $back;
	$back->() if $back;
	reconnect($load, $server->{node}->connstr('postgres'));

	my @problems = check($server, $load, $model, forgets => $kind->{forgets}, amcheck => $amcheck, upsets => $kind->{upsets},
		logs => $kind->{logs}, holds => $number % 4, sweeps => $number % 4 == 0 && !$server->{faults});
	return report(\@problems, "$number: after $card", "seed $seed, strike $number, $card") || ($back ? 0 : undef);
}
