# Many sessions at once, of every isolation level, that write, roll back, prepare, and read the
# present and the past while old versions are dropped, others that read on a standby, and some that
# follow the changes of a store: nobody gets an answer that no order of the commits explains. And the judge of that finds a wrong answer of
# each kind among the right ones. See lib/HistoryRun.pm; ./dev history runs longer.
# MVSTORE_TEST_SEED gives the seed, MVSTORE_TEST_SECONDS the time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use HistoryCheck;
use HistoryRun;
use MvstoreTest;
use Data::Dumper;
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable 'dclone';
use Test::More;

my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $node = mvstore_node('history', init => [ allows_streaming => 1 ], conf => "max_connections = 30\nmvstore.standby_interval = '20 ms'\nlog_statement = none\nlog_min_messages = fatal\ndeadlock_timeout = '10 ms'\nmvstore.flush_interval = '5 ms'\nmvstore.batch_size = 1\nmax_prepared_transactions = 100\nmvstore.workers_per_database = 3\nfsync = off");

$node->backup('history');
my $standby = PostgreSQL::Test::Cluster->new('distant');
$standby->init_from_backup($node, 'history', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nmax_standby_streaming_delay = -1\nwal_receiver_status_interval = 1");
$standby->start;

# A few keys that all want, and more that leave room for long histories and scans. On a slow machine
# it takes some turns until there is one of each kind.
my @connection = (connection => [ '-d', $node->connstr('postgres') ], standby => [ '-d', $standby->connstr('postgres') ]);
my @kinds = qw(committed prepared distant reads as_of gone told_to_retry edges changes answered_edges anti_edges);
for my $run ([ 8, 2 ], [ 6, 9 ])
{
	my ($sessions, $keys) = @$run;
	my %seen;

	for my $turn (1 .. 8)
	{
		note("seed $seed, $sessions sessions, $keys keys");
		my $log = record(@connection, seed => $seed, sessions => $sessions, keys => $keys,
			seconds => $ENV{MVSTORE_TEST_SECONDS} // 2.5);
		my ($problems, $counts) = check($log);

		note(join ', ', map { "$counts->{$_} $_" } sort keys %$counts);
		is(@$problems, 0, "seed $seed, $sessions sessions, $keys keys: every answer is explained")
		  or diag(join "\n", @$problems[ 0 .. ($#$problems < 19 ? $#$problems : 19) ]);
		keep_log($log) if @$problems;
		$seen{$_} += $counts->{$_} for @kinds;
		last if @$problems || !grep { !$seen{$_} } @kinds;
		$seed++;
	}
	cmp_ok($seen{$_}, '>', 0, "there were $_") for @kinds;
}

# A seed does not bring back who met whom: what was not explained is kept with the other logs.
sub keep_log
{
	my ($log) = @_;
	local $Data::Dumper::Indent = 1;
	append_to_file(dirname($node->logfile) . "/model_of_many_sessions_explains_$seed.log", Dumper($log));
	return;
}

# ---- What the judge finds ---------------------------------------------------

# The first statement of a log, and its transaction, for which a condition holds; here, or on the standby.
sub first_where
{
	my ($log, $condition, $is_distant) = @_;

	for my $transaction (grep { !$_->{standby} == !$is_distant } @{ $log->{transactions} })
	{
		for (@{ $transaction->{statements} })
		{
			return ($_, $transaction) if $_->[STATE] eq '00000' && $condition->($transaction, $_);
		}
	}
	die "the log has no such statement\n";
}

# Field 0: the answer, 1: the version told with it, 2: the snapshot, 3: the transaction id.
sub field { return defined $_[0][RAW] ? (split /\|/, $_[0][RAW], -1)[ $_[1] ] : '' }

sub set_field
{
	my ($statement, $place, $value) = @_;
	my @fields = split /\|/, $statement->[RAW], -1;

	$fields[$place] = $value;
	$statement->[RAW] = join '|', @fields;
}

# The first answered statement of some kind: OP, and what else must hold of transaction and statement.
sub first_of
{
	my ($log, $op, $condition, $is_distant) = @_;
	return first_where($log, sub { $_[1][OP] eq $op && field($_[1], 0) ne '~' && (!$condition || $condition->(@_)) }, $is_distant);
}

# The first read of what is below a version, in a transaction with one snapshot.
sub first_previous
{
	my ($log, $is_distant) = @_;
	return first_where($log, sub { is_fixed(@_) && $_[1][OP] eq 'previous' && $_[1][AS_OF] }, $is_distant);
}

sub is_fixed { return $_[0]{level} eq 'REPEATABLE READ' }
sub is_loose { return $_[0]{level} eq 'READ COMMITTED' }

# Of the log: the newest version, and the last snapshot.
my ($last, $last_snapshot);

# Add transactions to a log that nobody else has seen: [level, standby, statements] each.
sub add_transactions
{
	my ($log, @transactions) = @_;
	my $xid = 1_000_000_000;
	my $snapshot = sprintf '%d:%d:', $xid, $xid;

	for my $n (0 .. $#transactions)
	{
		my ($level, $is_distant, @statements) = @{ $transactions[$n] };
		my @all = map { my ($op, $store, $args, $answer) = @$_;
			[ $op, $store, $args, 0, "$answer|~|$snapshot|" . ($is_distant ? '~' : $xid + $n), '00000' ] } @statements;
		push @{ $log->{transactions} }, { session => 90 + $n, level => $level, standby => $is_distant, number => 1,
			statements => [ @all, [ 'commit', '', [], 0, undef, '00000' ] ] };
	}
}

# What one transaction sees who sees of two keys, that another has written, the second one alone.
sub half_seen
{
	my ($log, $is_distant) = @_;
	my ($head, $later) = ($log->{final}{head}{a}{m1}, $last + 10_000_000);

	add_transactions($log,
		[ 'READ COMMITTED', 0, [ 'put', 'a', [qw(m1 1)], $later ], [ 'put', 'a', [qw(m2 1)], $later ] ],
		[ 'REPEATABLE READ', $is_distant, [ 'entry', 'a', ['m1'], $head ], [ 'entry', 'a', ['m2'], "$later=1" ] ]);
}

my @wrong = (
	[ 'a value that nobody wrote', qr/^wrong answer/, sub {
		set_field((first_of($_[0], 'get', sub { is_loose(@_) && !$_[1][AS_OF] }))[0], 0, 'nobody');
	} ],
	[ 'a value that was rolled back', qr/^wrong answer.*not committed$/, sub {
		my ($put) = first_of($_[0], 'put', sub { $_[0]{statements}[-1][OP] eq 'rollback' });
		set_field((first_of($_[0], 'get', sub { !$_[1][AS_OF] && $_[0]{statements}[-1][OP] eq 'commit' }))[0], 0, $put->[ARGS][1]);
	} ],
	[ 'an older value', qr/^wrong answer/, sub {
		my ($log) = @_;
		my ($old) = first_of($log, 'entry', sub { !$_[1][AS_OF] });
		my ($new) = first_of($log, 'entry', sub {
			!$_[1][AS_OF] && "$_[1][STORE] $_[1][ARGS][0]" eq "$old->[STORE] $old->[ARGS][0]" && field($_[1], 0) ne field($old, 0);
		});
		set_field($new, 0, field($old, 0));
	} ],
	[ 'the wrong past', qr/^wrong answer/, sub {
		my ($entry) = first_of($_[0], 'entry', sub { $_[1][AS_OF] });
		set_field($entry, 0, (field($entry, 0) =~ s/^(\d+)/$1 + 1/er));
	} ],
	[ 'absent, as of a version', qr/^wrong answer/, sub { set_field((first_of($_[0], 'get', sub { $_[1][AS_OF] }))[0], 0, '~') } ],
	[ 'a scan without one of its rows', qr/^wrong answer/, sub {
		my ($scan) = first_of($_[0], 'scan', sub { field($_[1], 0) =~ /,/ });
		set_field($scan, 0, field($scan, 0) =~ s/,[^,]*//r);
	} ],
	[ 'a count of one more', qr/^wrong answer/, sub { my ($count) = first_of($_[0], 'count'); set_field($count, 0, field($count, 0) + 1) } ],
	[ 'a difference that is not shown', qr/^wrong answer/, sub { set_field((first_of($_[0], 'diff'))[0], 0, '~') } ],
	[ 'a history with a gap', qr/^wrong answer/, sub {
		my ($history) = first_of($_[0], 'history', sub { field($_[1], 0) =~ /,.*,/ });
		set_field($history, 0, field($history, 0) =~ s/,[^,]*,/,/r);
	} ],
	[ 'a history that is cut off where nothing is dropped', qr/^wrong answer/, sub {
		my ($history) = first_of($_[0], 'history', sub { $_[1][STORE] =~ /[az]/ && field($_[1], 0) =~ /,/ });
		set_field($history, 0, field($history, 0) =~ s/,[^,]*$//r);
	} ],
	[ 'a read as of what was still to come', qr/^not stable/, sub { set_field((first_of($_[0], 'contains', sub { $_[1][AS_OF] }))[0], 1, $last) } ],
	[ 'a stable version that was not', qr/^not stable/, sub { set_field((first_of($_[0], 'stable'))[0], 0, $last) } ],
	[ 'a floor above what is stable', qr/^not stable/, sub { set_field((first_of($_[0], 'floor'))[0], 0, "b=$last") } ],
	[ 'a version that is stable and then is not', qr/^not stable any more/, sub {
		my ($statement, $transaction) = first_where($_[0], sub {
			is_fixed(@_) && $_[1][AS_OF] && $_[0]{statements}[-2][OP] eq 'look' && $_[0]{statements}[-2][STATE] eq '00000';
		});
		my $told = '55000 version ' . (field($statement, 1) - 1) . ' of store "a" is not stable yet';
		$transaction->{statements}[-2] = [ 'get', 'a', ['m1'], 1, undef, $told ];
	} ],
	[ 'history that is gone where nothing is dropped', qr/^history is said to be gone/, sub {
		my ($get) = first_of($_[0], 'get', sub { $_[1][AS_OF] && $_[1][STORE] eq 'a' });
		$get->[STATE] = '72000 history of store "a" as of version ' . field($get, 1) . ' is gone';
	} ],
	[ 'history that is gone above the floor', qr/^history is said to be gone/, sub {
		my ($log) = @_;
		grep { $_->[STATE] =~ /^72000/ && $_->[STORE] =~ /[bc]/ } map { @{ $_->{statements} } } @{ $log->{transactions} }
		  or die "nobody has asked for what is gone\n";
		$log->{final}{floor}{''}{$_} = 1 for 'b', 'c';
	} ],
	[ 'one version for two transactions', qr/^a version was handed out twice/, sub {
		my ($put) = first_of($_[0], 'put', sub { $_[0]{session} == 1 });
		set_field((first_of($_[0], 'put', sub { $_[0]{session} == 2 }))[0], 0, field($put, 0));
	} ],
	[ 'a version from before', qr/^a version is below one that had been committed/, sub {
		set_field((first_of($_[0], 'put', sub { $_[0]{single} }))[0], 0, 5);
	} ],
	[ 'two versions in one transaction', qr/^a transaction has two versions/, sub {
		my ($put) = first_of($_[0], 'put', sub { !$_[0]{session} && $_[1][ARGS][0] eq 'm2' });
		set_field($put, 0, field($put, 0) + 1);
	} ],
	[ 'a later version for what was committed before', qr/^version order is not commit order/, sub {
		set_field($_, 0, $last + 5) for grep { $_->[OP] eq 'put' } @{ $_[0]{transactions}[0]{statements} };
	} ],
	[ 'a snapshot that changes', qr/^the snapshot has changed/, sub {
		set_field((first_where($_[0], sub { is_fixed(@_) && $_[1][OP] eq 'look' && @{ $_[0]{statements} } > 4 }))[0], 2, $last_snapshot);
	} ],
	[ 'an expectation that was not met', qr/^a write went by what was not there/, sub {
		my ($put) = first_of($_[0], 'put_if');
		set_field($put, 1, field($put, 1) + 1);
	} ],
	[ 'a deletion of what was not there', qr/^a write went by what was not there/, sub {
		my ($first) = first_where($_[0], sub { $_[1][OP] eq 'delete' && field($_[1], 0) eq '~' && is_fixed(@_) });
		set_field($first, 0, $last + 1);
	} ],
	[ 'a lost update', qr/^an update is lost/, sub {
		my (undef, $transaction) = first_of($_[0], 'add', sub { is_fixed(@_) && $_[0]{committed} });
		set_field($_, 2, '5:5:') for grep { defined $_->[RAW] } @{ $transaction->{statements} };	# which sees nothing
	} ],
	[ 'a count that is lost', qr/^a count is lost/, sub {
		set_field((first_of($_[0], 'add', sub { $_[0]{committed} && $_[1][ARGS][0] =~ /^n/ }))[0], 0, '~');
	} ],
	[ 'money that is made', qr/^the sum of the accounts has changed/, sub {
		(first_of($_[0], 'add', sub {
			my ($transaction, $add) = @_;
			$transaction->{committed} && $add->[ARGS][0] =~ /^m/ && $add == (grep { $_->[OP] eq 'add' } @{ $transaction->{statements} })[-1];
		}))[0][ARGS][1]++;
	} ],
	[ 'an error of another kind', qr/^unexpected error/, sub { (first_of($_[0], 'get'))[0][STATE] = 'XX000 no such thing' } ],
	[ 'another value at the end', qr/^wrong at the end/, sub { $_[0]{final}{head}{b}{m1} = "$last=7" } ],
	[ 'an entry too few at the end', qr/^wrong at the end/, sub { $_[0]{final}{left}{a}{n1} =~ s/,[^,]*$// } ],
	[ 'an entry too many at the end', qr/^wrong at the end/, sub { $_[0]{final}{left}{c}{n1} .= ',1=0' } ],
	[ 'a transaction that ended otherwise', qr/^another end/, sub {
		$_[0]{final}{xid}{''}{ field($_[0]{transactions}[0]{statements}[-2], 3) } = 'aborted';
	} ],
	[ 'a prepared transaction that ended otherwise', qr/^another end/, sub {
		my (undef, $transaction) = first_where($_[0], sub { $_[1][OP] eq 'prepare' && $_[0]{committed} && $_[0]{xid} });
		$transaction->{ending}[OP] = 'rollback_prepared';
	} ],
	[ 'a prepared transaction that is gone', qr/^what was prepared cannot be ended/, sub {
		my (undef, $transaction) = first_where($_[0], sub { $_[1][OP] eq 'prepare' && $_[0]{committed} && $_[0]{xid} });
		$transaction->{ending}[STATE] = '42704 prepared transaction with identifier "history 1 5" does not exist';
	} ],
	[ 'requests that are left', qr/^not flushed/, sub { $_[0]{final}{flushed}{''} = { f => '' } } ],
	[ 'two that overwrite each other', qr/^G0/, sub {
		add_transactions($_[0],
			[ 'READ COMMITTED', 0, [ 'put', 'a', [qw(m1 1)], $last + 101 ], [ 'put', 'a', [qw(m2 1)], $last + 104 ] ],
			[ 'READ COMMITTED', 0, [ 'put', 'a', [qw(m1 2)], $last + 102 ], [ 'put', 'a', [qw(m2 2)], $last + 103 ] ]);
	} ],
	[ 'a read of what nobody committed', qr/^G1a/, sub {
		add_transactions($_[0], [ 'READ COMMITTED', 0, [ 'entry', 'a', ['m1'], ($last + 7) . '=1' ] ]);
	} ],
	[ 'a read of what its writer overwrote', qr/^G1b/, sub {
		add_transactions($_[0], [ 'READ COMMITTED', 1, [ 'entry', 'a', ['m1'], ($_[0]{final}{head}{a}{m1} =~ s/=.*/=never/r) ] ]);
	} ],
	[ 'two that read each other', qr/^G1c/, sub {
		my ($one, $two) = ($last + 101, $last + 102);
		add_transactions($_[0],
			[ 'READ COMMITTED', 0, [ 'put', 'a', [qw(m1 1)], $one ], [ 'entry', 'a', ['m2'], "$two=2" ] ],
			[ 'READ COMMITTED', 0, [ 'put', 'a', [qw(m2 2)], $two ], [ 'entry', 'a', ['m1'], "$one=1" ] ]);
	} ],
	[ 'half of a transaction', qr/^G-single/, sub { half_seen($_[0], 0) } ],
	[ 'half of a transaction on the standby', qr/^G-single/, sub { half_seen($_[0], 1) } ],
	[ 'a stable version of a standby that goes back', qr/^not stable any more/, sub {
		my ($statement, $stable) = first_of($_[0], 'stable', undef, 1);
		my $earlier = dclone($stable);
		set_field($_, 0, $last) for grep { $_->[OP] eq 'stable' && defined $_->[RAW] } @{ $earlier->{statements} };
		set_field($statement, 0, 5);
		unshift @{ $_[0]{transactions} }, $earlier;
	} ],
	[ 'the wrong past on the standby', qr/^wrong answer/, sub {
		my ($entry) = first_of($_[0], 'entry', sub { $_[1][AS_OF] }, 1);
		set_field($entry, 0, (field($entry, 0) =~ s/^(\d+)/$1 + 1/er));
	} ],
	[ 'a value that nobody wrote, on the standby', qr/^G1a/, sub {
		set_field((first_of($_[0], 'get', sub { !$_[1][AS_OF] }, 1))[0], 0, 'nobody');
	} ],
	[ 'a change that is left out', qr/^wrong change/, sub {
		my ($changes) = first_of($_[0], 'changes', sub { field($_[1], 0) =~ /,/ });
		set_field($changes, 0, field($changes, 0) =~ s/^[^,]*,//r);
	} ],
	[ 'a change that comes twice', qr/^wrong change/, sub {
		my ($changes) = first_of($_[0], 'changes', undef, 1);
		set_field($changes, 0, field($changes, 0) =~ s/([^,]*)$/$1,$1/r);
	} ],
	[ 'changes that do not come', qr/^wrong change/, sub {
		set_field((first_of($_[0], 'changes', sub { field($_[1], 1) > (split /=/, field($_[1], 0))[0] }))[0], 0, '~');
	} ],
	[ 'two transactions that overlook each other', qr/^not serializable/, sub {
		my ($log) = @_;
		my $xid = (split /:/, $last_snapshot)[1] + 1000;
		my $snapshot = sprintf '%d:%d:', $xid, $xid;
		my ($key, $other) = @{ $log->{keys} };
		for my $n (1, 2)
		{
			my ($version, $own) = ($last + 10_000_000 + $n, $xid + $n);
			my $before = $log->{final}{head}{z}{$other} // '~';
			push @{ $log->{transactions} }, { session => 99, level => 'SERIALIZABLE', number => $n, statements => [
				[ 'entry', 'z', [$other], 0, "$before|~|$snapshot|~", '00000' ],
				[ 'put', 'z', [ $key, "99.$n.1.1" ], 0, "$version|~|$snapshot|$own", '00000' ],
				[ 'commit', '', [], 0, undef, '00000' ] ] };
			($key, $other) = ($other, $key);
		}
	} ]);

# A short log to put a wrong answer into, long enough to have what each of them takes.
my ($log, @lacking);
for my $most (150, 300, 600, 1200)
{
	$log = record(@connection, seed => 3, sessions => 5, keys => 4, seconds => 60, most => $most);
	$last_snapshot = (grep { length } map { field($_, 2) } map { @{ $_->{statements} } } @{ $log->{transactions} })[-1];
	($last) = sort { $b <=> $a } map { /(?:^|,)(\d+)=/ } values %{ $log->{final}{head}{a} };
	check($log);	# who has committed is found there
	@lacking = map { $_->[0] } grep { !eval { $_->[2]->(dclone($log)); 1 } } @wrong,
	  [ 'a version below one', undef, sub { first_previous($_[0], 0), first_previous($_[0], 1) } ];
	last unless @lacking;
	note("of $most transactions none has what is wanted for: @lacking");
}
$standby->stop;
$node->stop;
is("@lacking", '', 'the log has all that is wanted');
is(@{ (check($log))[0] }, 0, 'nothing is wrong with the log as it is');

# What is read of the versions below one does not say that the one is stable, here or on the standby.
for my $is_distant (0, 1)
{
	my $copy = dclone($log);
	my ($previous, $transaction) = first_previous($copy, $is_distant);

	@{ $transaction->{statements} } = ($previous, [ 'get', 'a', ['m1'], 1, undef, '55000 version ' . field($previous, 1) . ' of store "a" is not stable yet' ]);
	is(join("\n", grep { /^not stable any more/ } @{ (check($copy))[0] }), '', ($is_distant ? 'on the standby' : 'here') . ', the version below one may be the last that is stable');
}

# Who writes where nothing is, now as in his snapshot, need not have seen what was put, deleted and dropped meanwhile.
{
	my $copy = dclone($log);
	my ($head, $later) = ($copy->{final}{head}{a}{m1}, $last + 10_000_000);

	add_transactions($copy,
		[ 'READ COMMITTED', 0, [ 'put', 'c', [qw(k 1)], $later ] ],
		[ 'READ COMMITTED', 0, [ 'delete', 'c', ['k'], $later + 1 ], [ 'put', 'a', [qw(m1 1)], $later + 1 ] ],
		[ 'REPEATABLE READ', 0, [ 'entry', 'a', ['m1'], $head ], [ 'put', 'c', [qw(k 2)], $later + 2 ] ]);
	is(join("\n", grep { /^G|^an update is lost/ } @{ (check($copy))[0] }), '', 'a key that was there meanwhile is no reason');
}

for my $wrong (@wrong)
{
	my ($name, $kind, $change) = @$wrong;
	my $copy = dclone($log);

	$change->($copy);
	my ($problems) = check($copy);
	ok((grep { /$kind/ } @$problems), "it finds $name")
	  or diag(join "\n", 'it finds:', @$problems[ 0 .. ($#$problems < 4 ? $#$problems : 4) ]);
}

done_testing();
