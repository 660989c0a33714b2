# Versions are 64 bits wide. At the end of what they can count to, by a clock that has gone mad or a
# restore, writing goes on for as long as there are versions, and is then refused: no session hangs,
# no version comes twice, and all that is there can be read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use FakeClock;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $end = 9_223_372_036_854;    # seconds since 1970: the year 294247
my $node = with_fake_clock(sub { mvstore_node('end', conf => "fsync = off\nstatement_timeout = '1 min'") });

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('s'), mvstore_create('two', keep_versions := 2)});
my @versions = (sql(q{SELECT mvstore_put('s', 'k', 'now')}));

sub writes
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	push @versions, sql(q{SELECT mvstore_put('s', 'k', 'v')}) for (1 .. 2);
	sql(q{SELECT mvstore_put('two', 'k', 'v')}) for (1 .. 4);
	cmp_ok($versions[-1], '>', $versions[-2], "$name: versions rise");
	cmp_ok($versions[-2], '>', $versions[-3], "$name: over the step, too");
	is(sql('SELECT mvstore_flush()'), 't', "$name: the worker goes on");
	is(entries_of($node, 'postgres', 'two'), 2, "$name: the policy is met");
	is(sql("SELECT mvstore_wait_stable($versions[-1])"), 't', "$name: all gets stable");
	return is(sql("SELECT mvstore_get('s', 'k', as_of := $versions[0])"), 'now', "$name: the past is there");
}

writes('now');
set_clock($end - 60 - time());
writes('a minute before');
set_clock($end - 1 - time());
writes('a second before');
set_clock($end + 3600 - time());
writes('an hour behind');
set_clock(1_000_000_000 - time());
writes('in 2001');

# As of a machine that was started with no idea of the time: drops wait until it is right.
set_clock(-time());
push @versions, sql(q{SELECT mvstore_put('s', 'k', 'v')});
cmp_ok($versions[-1], '>', $versions[-2], 'in 1970 versions rise');
set_clock(0);
writes('right again');

# As a restore may set it: a few are left, and then none.
my $last = '9223372036854775806';
sql("SELECT setval('mvstore_clock', $last - 4)");
is(sql(q{SELECT mvstore_resume()}), '', 'the restore is met');
my ($state, $message) = ('', '');
for (1 .. 10)
{
	($state, $message) = sqlstate_of($node, 'postgres', q{SELECT mvstore_put('s', 'k', 'last');});
	last if $state;
}
is($state, '2200H', 'when none is left, a write is refused');
like($message, qr/no version is left.*DETAIL: .*$last/s, 'and told why');
($state) = sqlstate_of($node, 'postgres', q{SELECT mvstore_drop('s', 'k');});
like($state, qr/^(|2200H)$/, 'so may be a request');
is(sql("SELECT mvstore_get('s', 'k', as_of := $versions[0]), mvstore_get('s', 'k', as_of := mvstore_stable_version()) IS NOT NULL"), 'now|t', 'what is there can be read');
my $count = sql('SELECT count(DISTINCT version) = count(*), min(version) > 0 FROM s');
is($count, 't|t', 'no version has come twice, none is negative');
sql("SELECT setval('mvstore_clock', 9223372036854775807)");
($state) = sqlstate_of($node, 'postgres', 'SELECT mvstore_resume();');
like($state, qr/^(|2200H)$/, 'nor is there a way beyond');
$node->restart;
($state) = sqlstate_of($node, 'postgres', q{SELECT mvstore_put('s', 'k', 'more');});
is($state, '2200H', 'nor after a restart');
is(sql("SELECT mvstore_get('s', 'k', as_of := $versions[0])"), 'now', 'and all can be read');
$node->stop;
done_testing();
