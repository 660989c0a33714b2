# What is in the way of old entries holds them no longer than it stands there, and
# nobody else's: an open writer, a lock on an entry or a table, a foreign key, a
# pause, an end of the worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('way', conf => "mvstore.sweep_interval = '1 s'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Put keys k1 to k100 of a store, so often, each time in a transaction of its own.
sub put
{
	my ($store, $times) = @_;

	sql("SELECT count(mvstore_put('$store', 'k' || k, '$_')) FROM generate_series(1, 100) k") for (1 .. $times);
	return;
}

# Wait until what a store has is due: twice as old as is wanted.
sub gets_old
{
	my ($store) = @_;
	my $ends = sql("SELECT max(version) FROM $store");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT mvstore_version_at(clock_timestamp()) > $ends + 2000000", 'entries are old enough');
}

sub goes
{
	my ($store, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', "SELECT count(*) = 100 FROM $store", $name);
}

sql(q{SELECT mvstore_create('other', keep_for := '1 s'), mvstore_create('aged', keep_for := '1 s'), mvstore_create('writer'), mvstore_create('latest', keep_versions := 1)});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');
put($_, 1) for ('other', 'aged');

# An old writer, for whom nothing may go that was superseded since.
my $session = $node->background_psql('postgres');
$session->query_safe(q{BEGIN; SELECT mvstore_put('writer', 'w', 'w')});
put('other', 1);
gets_old('other');
stays($node, 'postgres', 'SELECT count(*) = 200 FROM other', 'but an open writer holds them');
is(sql(q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'writer'}), 1, 'as is seen');
$session->query_safe('COMMIT');
goes('other', 'its end lets go');

# A lock on one entry.
put($_, 1) for ('other', 'aged');
$session->query_safe(q{BEGIN; SELECT key FROM other WHERE key = 'k50' ORDER BY version LIMIT 1 FOR UPDATE});
goes('aged', 'with an entry of one store locked, another one is served');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 'other'::regclass}, 'the lock is seen');
is(sql(q{SELECT count(*) FROM other WHERE key = 'k50'}), 2, 'what is locked stays');
$session->query_safe('COMMIT');
goes('other', 'and goes when it is free');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_blockers WHERE kind = 'lock'}, 'then nothing is in the way');

# A lock on the table.
put($_, 1) for ('other', 'aged');
$session->query_safe('BEGIN; LOCK TABLE other IN SHARE MODE');
goes('aged', 'with a store locked, another one is served');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 'other'::regclass}, 'the lock is seen');
is(entries_of($node, 'postgres', 'other'), 200, 'what is locked stays');
$session->query_safe('COMMIT');
goes('other', 'and goes when it is free');

# A pause, and other ends of the worker.
put('other', 1);
sql('SELECT mvstore_pause()');
gets_old('other');
is(entries_of($node, 'postgres', 'other'), 200, 'but drops are paused');
my $worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker AND worker_state = 'paused' FROM mvstore_stats WHERE database = 'postgres'", 'another worker comes');
stays($node, 'postgres', 'SELECT count(*) = 200 FROM other', 'and drops nothing');
sql('SELECT mvstore_resume()');
goes('other', 'resumed, they go');
put('other', 1);
$worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'before entries are old enough the worker is ended');
goes('other', 'the next one knows when they are');
is(sql(q{SELECT sum(entries_swept) FROM mvstore_store_stats}), 0, 'in all this no store was looked through');

# A foreign key that refers to the stores.
put('latest', 1);
sql("CREATE TABLE citation_of_$_ (key bytea, version bigint, FOREIGN KEY (key, version) REFERENCES $_ (key, version))") for ('other', 'latest', 'aged');
put($_, 1) for ('other', 'aged', 'latest');
gets_old('latest');
sql(q{SELECT mvstore_sweep('aged')});
sql(q{SELECT mvstore_flush()});
is(sql('SELECT (SELECT count(*) FROM other), (SELECT count(*) FROM aged), (SELECT count(*) FROM latest)'), '200|200|200', 'a store that is referred to is not dropped from');
sql("DROP TABLE citation_of_$_") for ('other', 'latest', 'aged');
goes('other', 'when the foreign key has gone, old entries go');
goes('aged', 'also where a pass has met them meanwhile');
goes('latest', 'and those that are too many');
$session->quit;

$node->stop;
done_testing();
