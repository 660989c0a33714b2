# Who is at a row of the catalog, and stays there, holds up what needs that row, and
# nothing else: a session that has voided a request and not committed, a restore in one
# transaction, somebody's SELECT ... FOR UPDATE. Otherwise all drops of a database would
# stand for as long as one forgotten session sits in its transaction.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('rows', conf => "mvstore.sweep_interval = '1 s'\nmvstore.flush_interval = '5 ms'\nstatement_timeout = '1 min'\nfsync = off");
my $n = 0;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Another store is served; the worker waits for nobody, and calls it no error.
sub others_are_served
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$n++;
	sql("SELECT mvstore_put('other', 'k$n', '$_')") for (1, 2);
	sql("SELECT mvstore_drop('other', 'k$n')");
	wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_history('other', 'k$n')", "$name: drops from another store go on");
	return is(sql('SELECT count(*) FROM pg_locks WHERE NOT granted'), 0, "$name: nobody waits");
}

sub put_twice { sql("SELECT mvstore_put('$_[0]', '$_[1]', '$_')") for (1, 2); return; }

sql(q{SELECT mvstore_create('s'), mvstore_create('aged', keep_for := '1 s'), mvstore_create('bad'), mvstore_create('other')});
sql(q{SELECT mvstore_put_at('bad', 'k', 'v', v) FROM generate_series(1, 3) v});
put_twice('s', 'first');
sql(q{SELECT mvstore_drop('s', 'first')});
is(sql('SELECT mvstore_flush()'), 't', 'there is a floor');
my $worker = worker_pid($node, 'postgres');
my $holder = $node->background_psql('postgres');

# ---- A request that fails, while somebody has its row: the attempt cannot be noted.

my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'holds', 'v')});
sql(q{SELECT mvstore_drop('bad', 'k')});
my $index = sql(q{SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'bad'::regclass});
sql(qq{DROP INDEX "$index"});
for my $command ('SELECT 1 FROM mvstore_journal FOR UPDATE', 'SELECT mvstore_cancel_request(id) FROM mvstore_requests')
{
	$holder->query_safe("BEGIN; $command");
	if ($writer)
	{
		$writer->query_safe('COMMIT');
		$writer->quit;
		undef $writer;
		wait_until($node, 'postgres', q{SELECT last_error LIKE '%no valid unique index%' FROM mvstore_stats WHERE database = 'postgres'}, 'a request fails');
	}
	others_are_served($command);
	$holder->query_safe('ROLLBACK');
}
wait_until($node, 'postgres', q{SELECT attempts > 0 FROM mvstore_requests}, 'when the row is free, what failed is noted');
sql('CREATE UNIQUE INDEX ON bad (key, version DESC)');
is(sql('SELECT mvstore_flush()'), 't', 'and done, when it can be');

# ---- Rows that a batch needs.

for my $case (
	[ 's', q{SELECT 1 FROM mvstore_floor WHERE store = 's'::regclass FOR UPDATE} ],
	[ 'aged', 'SELECT 1 FROM mvstore_calendar FOR UPDATE' ])
{
	my ($store, $command) = @$case;

	put_twice($store, 'key');
	if ($store eq 'aged')
	{
		$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM mvstore_calendar') or die 'no row of the calendar';
	}
	$holder->query_safe("BEGIN; $command");
	sql(q{SELECT mvstore_drop('s', 'key')}) if $store eq 's';
	wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = '$store'::regclass", "$command: what needs the row waits");
	others_are_served($command);
	is(sql("SELECT count(*) FROM mvstore_history('$store', 'key')"), 2, "$command: and is not done");
	is(sql('SELECT count(*) FROM mvstore_requests WHERE attempts > 0'), 0, 'that is no failure');
	$holder->query_safe('ROLLBACK');
	wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_history('$store', 'key')", 'it is done when the row is free');
}

# The row that a pass over exchanged storage writes.
$holder->query_safe(q{BEGIN; SELECT 1 FROM mvstore_policy WHERE store = 's'::regclass FOR UPDATE});
sql('VACUUM FULL s');
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 's'::regclass", 'somebody has the row of the policy: a pass waits');
others_are_served('a pass that waits');
$holder->query_safe('ROLLBACK');
is(sql('SELECT mvstore_flush()'), 't', 'it is made when the row is free');

# The row that all drops write: they wait, the worker does not.
$holder->query_safe('BEGIN; SELECT 1 FROM mvstore_stable FOR UPDATE');
put_twice('s', 'stable');
sql(q{SELECT mvstore_drop('s', 'stable')});
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 's'::regclass", 'somebody has the row of mvstore_stable');
is(sql('SELECT count(*) FROM pg_locks WHERE NOT granted'), 0, 'the worker does not wait for it');
$holder->query_safe('ROLLBACK');
is(sql('SELECT mvstore_flush()'), 't', 'drops go on when it is free');
$holder->quit;

# A floor that a restore in one transaction is bringing.
sql(q{SELECT mvstore_create('fresh')});
put_twice('fresh', 'k');
my $restore = $node->background_psql('postgres');
$restore->query_safe(q{BEGIN; INSERT INTO mvstore_floor VALUES ('fresh', 1, 1, 1)});
sql(q{SELECT mvstore_drop('fresh', 'k')});
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 'fresh'::regclass", 'a restore has brought a floor, and goes on');
others_are_served('a restore under way');
$restore->query_safe('COMMIT');
$restore->quit;
is(sql('SELECT mvstore_flush()'), 't', 'after it the store is served');
is(sql(q{SELECT count(*) FROM mvstore_history('fresh', 'k')}), 1, 'as was asked for');

is(worker_pid($node, 'postgres'), $worker, 'one worker has done it all');
$node->stop;
done_testing();
