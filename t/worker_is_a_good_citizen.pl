# Drops are nobody's burden: the worker holds back no vacuum while it waits, does not
# grow, and stands in no other database's way; a transaction that fails at its very
# end leaves nothing behind, and a full disk only a delay.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('citizen', conf => "mvstore.sweep_interval = '1 h'\nmvstore.flush_interval = '0'\nmvstore.batch_size = 1\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stat_of { return sql("SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }

sql(q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1), mvstore_create('other')});

# A procedure that commits as it goes along, with requests of both kinds in each of
# its transactions, is served all the while. Each batch is one request here.
sql(<<'SQL');
CREATE PROCEDURE work(n int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. n LOOP
    PERFORM mvstore_put('s', 'k' || i % 100, 'v' || i), mvstore_put('p', 'k' || i % 100, 'v' || i);
    PERFORM mvstore_drop('s', 'k' || i % 100);
    IF i % 7 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
  END LOOP;
END $$;
SQL
sql('SET synchronous_commit = off; CALL work(1000)');
is(sql('SELECT mvstore_flush()'), 't', 'what a procedure requests between its COMMITs is worked off');
is(sql('SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM p)'), '100|100', 'and done');
is(sql(q{SELECT (SELECT count(*) FROM mvstore_history('s', 'k6')), (SELECT count(*) FROM mvstore_history('p', 'k6'))}), '1|1', 'for each key');

# Held back or not, with requests set by or with none: no snapshot while it waits.
my $worker = worker_pid($node, 'postgres');
my $idle = "SELECT state = 'idle' AND xact_start IS NULL AND backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = $worker";
wait_until($node, 'postgres', $idle, 'a worker without work has no snapshot');
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'x', 'x')});
sql(q{SELECT mvstore_put('p', 'k1', 'new'), mvstore_drop('s', 'k1')});
wait_until($node, 'postgres', q{SELECT requests_held = 2 FROM mvstore_stats WHERE database = 'postgres'}, 'requests are held');
wait_until($node, 'postgres', $idle, 'a worker that holds requests has none');
$writer->query_safe('COMMIT; BEGIN; LOCK TABLE s IN SHARE MODE');
sql(q{SELECT mvstore_drop('s', 'k2', keep := 7)});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock'}, 'a store is locked');
wait_until($node, 'postgres', $idle, 'a worker that waits for a lock has none');
is(sql("SELECT count(*) FROM pg_locks WHERE pid = $worker AND NOT granted"), 0, 'nor does it wait in the lock manager');
$writer->query_safe('COMMIT');
sql('SELECT mvstore_pause()');
wait_until($node, 'postgres', q{SELECT worker_state = 'paused' FROM mvstore_stats WHERE database = 'postgres'}, 'drops are paused');
wait_until($node, 'postgres', $idle, 'a paused worker has none');
sql('SELECT mvstore_resume()');
is(sql('SELECT mvstore_flush()'), 't', 'all is worked off');

# Its memory does not grow with the number of its batches.
SKIP:
{
	skip 'needs RssAnon in /proc', 2 unless -r "/proc/$worker/status" && slurp_file("/proc/$worker/status") =~ /RssAnon/;
	my $memory = sub { return (slurp_file("/proc/$worker/status") =~ /^RssAnon:\s+(\d+) kB/m)[0]; };
	my $batches = stat_of('batches');

	my $before = $memory->();
	# A batch has all that waits: how many these are is a matter of who is faster.
	for (1 .. 20)
	{
		sql('SET synchronous_commit = off; CALL work(12000)');
		last if stat_of('batches') - $batches > 1000;
	}
	is(sql(q{SELECT mvstore_flush('3 min')}), 't', 'very many requests are worked off');
	cmp_ok(stat_of('batches') - $batches, '>', 1000, 'in more than 1,000 batches');
	cmp_ok($memory->() - $before, '<', 4096, 'with hardly more memory than before: 4 MB');
}

# A transaction that fails when it commits has requested nothing, and reserves no room.
sql(q{SELECT mvstore_put('s', k, 'v' || v) FROM unnest('{d,e}'::text[]) k, generate_series(1, 1) v});
sql(q{SELECT mvstore_put('s', k, 'v2'), mvstore_put('p', k, 'v2') FROM unnest('{d,e}'::text[]) k});
my $enqueued = stat_of('requests_enqueued');
sql(q{CREATE TABLE parent (i int PRIMARY KEY); CREATE TABLE child (i int REFERENCES parent DEFERRABLE INITIALLY DEFERRED); CREATE TABLE skew (i int)});
for my $durable ('on', 'off')
{
	my ($state) = sqlstate_of($node, 'postgres', "SET mvstore.durable_drops = $durable; BEGIN; INSERT INTO child VALUES (1);"
		  . q{ SELECT mvstore_drop('s', 'd'), mvstore_put('p', 'd', 'never'); COMMIT;});
	is($state, '23503', "a deferred constraint fails at COMMIT, durable_drops $durable");

	# Two that each read what the other writes.
	sql('TRUNCATE skew');
	my $rival = $node->background_psql('postgres', on_error_stop => 0);
	for my $session ($writer, $rival)
	{
		$session->query_safe("SET mvstore.durable_drops = $durable; BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(i) FROM skew");
	}
	$writer->query_safe('INSERT INTO skew VALUES (1)');
	$rival->query_safe(q{INSERT INTO skew VALUES (2); SELECT mvstore_drop('s', 'e')});
	$writer->query_safe('COMMIT');
	my $log = -s $node->logfile;
	$rival->query('COMMIT');
	ok($node->log_contains(qr/ERROR:  could not serialize access.*STATEMENT:  COMMIT/s, $log), "a serialization failure at COMMIT, durable_drops $durable");
	is(sql('SELECT sum(i) FROM skew'), '1', 'takes all with it');
	$rival->quit;
}
is(stat_of('requests_enqueued'), $enqueued, 'nothing was requested by them');
is(sql('SELECT count(*) FROM mvstore_requests'), 0, 'nor is anything seen');
is(sql('SELECT mvstore_flush()'), 't', 'nor waited for');
is(sql(q{SELECT string_agg(value, ' ') FROM mvstore_history('s', 'd')}), 'v2 v1', 'nor dropped');
is(sql(q{SELECT string_agg(value, ' ') FROM mvstore_history('s', 'e')}), 'v2 v1', 'nor dropped');

# Beside a worker that has very much to do, another database can be dropped at once.
sql('CREATE DATABASE doomed');
$node->safe_psql('doomed', q{CREATE EXTENSION mvstore; SELECT mvstore_create('p', keep_versions := 1)});
$node->safe_psql('doomed', qq{SELECT mvstore_put('p', 'k', 'v$_')}) for (1, 2);
is($node->safe_psql('doomed', 'SELECT mvstore_flush()'), 't', 'another database has a worker, too');
sql('SELECT mvstore_pause()');
sql(q{INSERT INTO s (key, version, value) SELECT convert_to('m' || k, 'UTF8'), v, 'v' FROM generate_series(1, 30000) k, generate_series(1, 2) v});
sql(q{SET mvstore.durable_drops = off; SELECT count(mvstore_drop('s', 'm' || k)) FROM generate_series(1, 30000) k});
my $dropped = stat_of('entries_dropped');
$node->append_conf('postgresql.conf', 'mvstore.drop_rate_limit = 1000');	# so that it takes a while
$node->reload;
sql('SELECT mvstore_resume()');
wait_until($node, 'postgres', qq{SELECT entries_dropped > $dropped FROM mvstore_stats WHERE database = 'postgres'}, 'a worker has begun to work off 30,000 requests');
sql('DROP DATABASE doomed');
cmp_ok(stat_of('queue_length'), '>', 0, 'another database is dropped before it is done');
$node->append_conf('postgresql.conf', 'mvstore.drop_rate_limit = 0');
$node->reload;
is(sql(q{SELECT mvstore_flush('3 min')}), 't', 'which disturbs it not');
is(sql(q{SELECT count(*) FROM s WHERE key LIKE 'm%'}), 30000, 'all is done');
is(worker_pid($node, 'postgres'), $worker, 'by the same worker as ever');

# A full disk.
SKIP:
{
	my $small = $ENV{MVSTORE_SMALL_DISK};
	skip 'MVSTORE_SMALL_DISK names no small file system to fill', 7 unless defined $small;
	my $place = "$small/mvstore.$$";
	mkdir($place) or die "$place: $!";

	sql("CREATE TABLESPACE small LOCATION '$place'");
	sql(q{SELECT mvstore_create('filled', keep_versions := 1); ALTER TABLE filled SET TABLESPACE small; SELECT mvstore_pause()});
	sql(q{SELECT mvstore_put('filled', 'k' || k, 'v' || v) FROM generate_series(1, 10) k, generate_series(1, 1) v});
	sql(q{SELECT mvstore_put('filled', 'k' || k, 'v2') FROM generate_series(1, 10) k});
	sql('ALTER TABLE mvstore_journal SET TABLESPACE small; ALTER TABLE mvstore_floor SET TABLESPACE small');
	sql('CREATE TABLE ballast (i int, t text) TABLESPACE small');
	my ($state) = sqlstate_of($node, 'postgres', q{INSERT INTO ballast SELECT i, repeat('x', 1000) FROM generate_series(1, 1000000) i;});
	is($state, '53100', 'the disk is full');
	($state) = sqlstate_of($node, 'postgres', q{SELECT count(mvstore_put('filled', 'big' || i, repeat(md5(i::text), 50))) FROM generate_series(1, 10000) i;});
	is($state, '53100', 'a put that needs more is told so');
	($state) = sqlstate_of($node, 'postgres', q{SELECT count(mvstore_drop('s', repeat('k', 1000) || i)) FROM generate_series(1, 10000) i;});
	is($state, '53100', 'so are requests that need more');
	sql(q{SELECT mvstore_put('p', 'd', 'v3')});
	sql('SELECT mvstore_resume()');
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('p', 'd')}, 'other stores are served');
	is(sql(q{SELECT count(*) FROM mvstore_scan('filled') WHERE value = 'v2'}), 10, 'the full one can be read');
	sql('DROP TABLE ballast; CHECKPOINT');
	is(sql(q{SELECT mvstore_flush('3 min')}), 't', 'with room again all is worked off');
	is(sql(q{SELECT count(*) FROM filled}), 10, 'and done');
	sql('ALTER TABLE mvstore_journal SET TABLESPACE pg_default; ALTER TABLE mvstore_floor SET TABLESPACE pg_default; DROP TABLE filled; DROP TABLESPACE small');
	rmdir($place);
}
$writer->quit;

$node->stop;
done_testing();
