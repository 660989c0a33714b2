# Whoever follows the changes of a store has what the store has: consumers of every entry,
# and of the newest ones, that read random pages, stop in the middle of transactions, go
# back with a rollback, wait, and go on after crashes of the server from the position that they
# stored, see no entry twice, none out of order, none that was not committed, and miss none,
# unless they are told; whatever writers, drops, erasures and the like do meanwhile.
# See lib/changes.sql. And the judge of that finds a wrong one of each kind.
# MVSTORE_TEST_SEED gives the seed, MVSTORE_TEST_SECONDS the time of each round, of
# which there are MVSTORE_TEST_ROUNDS.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use ChangesRun;
use ChaosLoad 'make_dice';
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'usleep';

my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $seconds = $ENV{MVSTORE_TEST_SECONDS} // 2;
my $rounds = $ENV{MVSTORE_TEST_ROUNDS} // 4;
my $dice = make_dice($seed);
my $node = mvstore_node('changes', conf => "log_statement = none\nlog_min_messages = fatal\ndeadlock_timeout = '10 ms'\nmvstore.flush_interval = '5 ms'\nfsync = off");

note("seed $seed");
END { diag("seed $seed") if $? }
set_up($node);

# Every other round leaves the history of the stores without a policy alone.
for my $round (1 .. $rounds)
{
	my $sessions = start_all($node, $dice, $round, 8, $round % 2 == 0);

	usleep(1000 * ($seconds * 700 + $dice->($seconds * 600)));
	if ($round < $rounds)
	{
		$node->stop('immediate');
		$node->start;
	}
	is(end_all($sessions), '', "seed $seed, round $round: nothing unusual is met");
}
is(finish($node), '', "seed $seed: at the end all have what the stores have");

my @problems = problems($node);
is(@problems, 0, "seed $seed: every consumer has seen what it must") or diag(join "\n", @problems);

note($node->safe_psql('postgres', q{SELECT format('%s entries, %s into the past, %s gone, of %s transactions',
	count(*), count(*) FILTER (WHERE past), count(gone), count(DISTINCT writer)) FROM ledger}));
for (split /\n/, $node->safe_psql('postgres', q{SELECT format('%s: %s steps, %s of them into the middle of a transaction, %s entries, %s times compared, %s times refused, %s begun',
	name, steps, amid, (SELECT count(*) FROM seen WHERE consumer = name), compared, refused, generation) FROM consumer ORDER BY name}))
{
	note($_);
	unlike($_, qr/ 0 (?:steps|of them|entries|times compared)/, 'there were ' . s/:.*//r);
}

# ---- What the judge finds ---------------------------------------------------

# Whatever the last round has left, all have now seen something that is there.
$node->safe_psql('postgres', q{SELECT w_put(store, 'sure ' || n, 'v', NULL) FROM (SELECT DISTINCT store FROM consumer) s, generate_series(1, 3) n});
is(finish($node), '', "seed $seed: all go on");

sub wrong
{
	my ($name, $kind, $change) = @_;
	my $found = $node->safe_psql('postgres', "BEGIN; $change; SELECT count(*) > 0 FROM problems WHERE kind = '$kind'; ROLLBACK");

	is($found, 't', "it finds $name");
}

my $one = q{(SELECT max(n) FROM seen WHERE consumer = 'complete' GROUP BY generation ORDER BY count(*) DESC LIMIT 1)};
my $columns = 'consumer, generation, version, key, value, deleted';
wrong('an entry twice', 'not in order', "INSERT INTO seen ($columns) SELECT $columns FROM seen WHERE n = $one");
wrong('one out of order', 'not in order', "UPDATE seen SET n = -n WHERE n = $one");
wrong('some that are missing', 'missed', q{DELETE FROM seen s USING ledger l, consumer c WHERE c.name = 'complete' AND s.consumer = c.name
	AND l.store = c.store AND l.key = s.key AND l.version = s.version AND l.gone IS NULL AND NOT l.past});
wrong('one that nobody wrote', 'never committed', "UPDATE seen SET value = 'nobody' WHERE n = $one");
wrong('a newest entry that is missing', 'missed, and the newest', q{DELETE FROM seen s USING ledger l WHERE consumer = 'compacted'
	AND l.store = 'a' AND l.key = s.key AND l.version = s.version AND NOT EXISTS (SELECT FROM ledger n WHERE n.store = 'a' AND n.key = l.key AND n.version > l.version)});
wrong('a start above what is stable', 'not stable at the start', q{UPDATE begun SET synced = 9223372036854775807 WHERE generation = 1});

$node->stop;
done_testing();
