# Who waits for something long sees how far it is: passes, compactions, ranges and replays of
# the journal show what they have read, of how much; and who waits in mvstore_flush(), what is left,
# and what that waits for. Nothing is shown for longer than it lasts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# At this rate an operation takes half a minute, with pauses.
my $node = mvstore_node('progress', conf => "mvstore.drop_rate_limit = 1000\nmvstore.queue_size = 10\nmvstore.sweep_interval = '1 h'\n"
	  . "fsync = off\nautovacuum = off\nmvstore.maintenance_every = 0");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Wait until the view has such a row.
sub shows
{
	my ($command, $condition, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT EXISTS (SELECT FROM mvstore_progress WHERE command = '$command' AND $condition)", $name);
}

sub shows_no_more
{
	my ($command, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM mvstore_progress WHERE command = '$command')", $name);
}

sub limit
{
	my ($entries) = @_;

	sql("ALTER SYSTEM SET mvstore.drop_rate_limit = $entries");
	return $node->reload;
}

# Start a flush beside us.
my @flushes;

sub start_flush
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');

	$session->query_until(qr/begun/, "\\echo begun\nSELECT mvstore_flush('1 h');\n");
	push @flushes, $session;
	return $pid;
}

sub fill
{
	my ($store) = @_;

	return sql("SELECT mvstore_create('$store'); INSERT INTO $store (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' "
		  . "FROM generate_series(1, 10000) k, generate_series(1, 3) v; ANALYZE $store");
}

is(sql('SELECT count(*) FROM mvstore_progress'), 0, 'nothing is under way where nobody has stores');
fill($_) for qw(compacted ranged swept);
limit(0);
is(sql('SELECT mvstore_flush()'), 't', 'a worker is there');
limit(1000);
is(sql('SELECT count(*) FROM mvstore_progress'), 0, 'what is done is not shown');
my $worker = worker_pid($node, 'postgres');

# ---- Long operations, each with a flush that waits for it.

for (
	[ 'compact', 'compacted', 30000, q{SELECT mvstore_compact('compacted', 3)} ],
	[ 'drop range', 'ranged', 0, q{SELECT mvstore_drop_prefix('ranged', 'k')} ],
	[ 'sweep', 'swept', 30000, q{SELECT mvstore_set_policy('swept', keep_versions := 1)} ])
{
	my ($command, $store, $total, $statement) = @$_;

	sql($statement);
	my $flush = start_flush();
	shows($command, "store = '$store'::regclass AND pid = $worker AND done BETWEEN 1 AND 29999 AND coalesce(total, 0) = $total AND unit = 'entries' "
		  . "AND phase = 'rate limit' AND started_at < clock_timestamp() AND database = current_database()", "$command: how much has been read of how much");
	shows('flush', "pid = $flush AND store IS NULL AND phase = 'rate limit' AND total >= 1 AND done < total AND unit = 'requests'",
		"$command: who waits for it, and how much is left");
	sql('SELECT mvstore_pause()');
	shows($command, "phase = 'paused'", "$command: a pause is told");
	shows_no_more('flush', 'and ends the wait');
	sql('SELECT mvstore_resume()');
	limit(0);
	is(sql('SELECT mvstore_flush()'), 't', "$command: it goes on");
	is(sql('SELECT count(*) FROM mvstore_progress'), 0, "$command: and is shown no more");
	limit(1000);
}

# ---- A replay: requests for which the queue had no room.

sql(q{SELECT mvstore_create('replayed')});
sql(q{SELECT mvstore_put_at('replayed', 'k' || k, 'v', v) FROM generate_series(1, 3000) k, generate_series(1, 2) v});
sql(q{SELECT mvstore_drop('replayed', 'k' || k) FROM generate_series(1, 3000) k});
shows('replay', "store IS NULL AND done > 0 AND total IS NULL AND unit = 'requests' AND phase = 'rate limit'", 'replay: how many requests it has met');
limit(0);
is(sql('SELECT mvstore_flush()'), 't', 'it goes on');
is(sql('SELECT count(*) FROM mvstore_progress'), 0, 'and is shown no more');

# ---- What a flush waits for; and however it ends, it is over.

my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('compacted', 'w', 'w')});
sql(q{SELECT mvstore_put('replayed', 'k1', 'w'), mvstore_drop('replayed', 'k1')});
my $flush = start_flush();
shows('flush', "pid = $flush AND phase = 'waiting for a writer' AND done < total", 'a flush waits for a writer');
sql("SELECT pg_cancel_backend($flush)");
shows_no_more('flush', 'one that is cancelled is over');
$flush = start_flush();
shows('flush', "pid = $flush", 'another one');
sql("SELECT pg_terminate_backend($flush)");
shows_no_more('flush', 'one whose session ends is over');
$flush = start_flush();
shows('flush', "pid = $flush", 'another one');
$writer->query_safe('COMMIT');
shows_no_more('flush', 'the writer has ended');
$writer->query_safe(q{BEGIN; LOCK TABLE replayed IN SHARE MODE});
sql(q{SELECT mvstore_drop('replayed', 'k2')});
$flush = start_flush();
shows('flush', "pid = $flush AND phase = 'waiting for a lock'", 'a flush waits for a lock');
$writer->query_safe('COMMIT');
shows_no_more('flush', 'it was let go');

# ---- A worker that ends takes with it what it was at.

limit(1000);
fill('last');
sql(q{SELECT mvstore_compact('last', 3)});
shows('compact', "done > 0", 'a compaction is under way');
sql("SELECT pg_terminate_backend(" . worker_pid($node, 'postgres') . ")");
limit(0);
is(sql('SELECT mvstore_flush()'), 't', 'the next worker does it');
is(sql('SELECT count(*) FROM mvstore_progress'), 0, 'and nothing is left of it');
$_->quit for grep { eval { $_->query('SELECT 1'); 1 } } @flushes, $writer;
done_testing();
