# A server that goes down at any step of two-phase commit, and a worker that meets an error there:
# what was prepared is prepared still, and what was committed is done, once. For builds with
# fault points only: see src/shared/fault.h.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreFaults;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('prepared', conf => "max_prepared_transactions = 10\nrestart_after_crash = on");
skip_without_faults($node);
my $count = 0;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A transaction that writes key k of both stores, and asks for a drop, is prepared, as far as it comes.
sub prepare
{
	$count++;
	$node->psql('postgres', <<"SQL");
BEGIN;
SELECT mvstore_put('s', 'k', 'v$count'), mvstore_put('kept', 'k', 'v$count'), mvstore_drop('s', 'k');
PREPARE TRANSACTION 'fault';
SQL
	return;
}

# All that the last one has asked for is done, and nothing else is left.
sub is_done
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT mvstore_flush()'), 't', "$name: all is worked off");
	is(sql("SELECT (SELECT string_agg(value, ' ' ORDER BY version) FROM mvstore_history('s', 'k')) || '|' || (SELECT string_agg(value, ' ' ORDER BY version) FROM mvstore_history('kept', 'k'))"),
		"v$count|v$count", "$name: as it was asked for");
	is(sql('SELECT (SELECT count(*) FROM mvstore_journal) + (SELECT count(*) FROM mvstore_prepared)'), 0, "$name: nothing is left to be told");
	return;
}

sql(q{SELECT mvstore_create('s'), mvstore_create('kept', keep_versions => 1)});

# Before it is prepared; when it is; when it has committed, and nobody knows; while the worker reads of it.
for my $point ('prepare-written', 'prepared', 'prepared-ended', 'prepared-taken')
{
	prepare();
	sql(q{COMMIT PREPARED 'fault'});
	sql('SELECT mvstore_flush()');
	arm($node, "$point:crash");
	prepare();
	$node->psql('postgres', q{COMMIT PREPARED 'fault'}) if $point =~ /ended|taken/;
	wait_for_fault($node, "$point: it was met");
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'the server does not come back';
	is(sql('SELECT count(*) FROM pg_prepared_xacts'), $point eq 'prepared' ? 1 : 0, "$point: prepared or not");
	sql(q{COMMIT PREPARED 'fault'}) if $point eq 'prepared';
	$count-- if $point eq 'prepare-written';
	is_done($point);
}

# The worker meets an error: it tries again.
arm($node, 'prepared-taken:error');
prepare();
sql(q{COMMIT PREPARED 'fault'});
wait_for_fault($node, 'an error of the worker: it was met');
is_done('an error of the worker');
$node->stop;

done_testing();
