# An idle database answers reads of the past at the first call: as of five seconds
# ago, or a minute, whether or not a worker runs, also in read-only transactions and
# in parallel queries. Otherwise "what was it a minute ago" fails exactly when all
# is quiet.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $hour = 3_600_000_000;
my $node = mvstore_node('idle', conf => 'fsync = off');

sub sql { return $node->safe_psql('postgres', @_); }

# Wait until the clock has passed the durable mark, so that only moving it helps.
sub pass_the_mark
{
	my ($database) = @_;

	$node->poll_query_until($database // 'postgres',
		'SELECT mvstore_version_at(clock_timestamp()) > last_value FROM mvstore_clock')
	  or die 'the clock does not pass the durable mark';
	return;
}

# A read as of just now, beyond the mark.
my $just_now = q{as_of := mvstore_version_at(clock_timestamp() - interval '1 us')};

sub reads
{
	my ($name, $before, $after) = @_;

	$before //= '';
	$after //= '';
	pass_the_mark();
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(sql("$before SELECT mvstore_get('s', 'a', $just_now); $after"), 'v', $name);
}

sql(q{SELECT mvstore_create('s'); SELECT mvstore_put('s', 'a', 'v')});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has nothing to do');

reads('a first read of the past is answered, with the worker asleep');
reads('in a read-only transaction', 'BEGIN READ ONLY;', 'COMMIT;');
is(sql(q{BEGIN READ ONLY; SELECT mvstore_get('s', 'a'); SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT}),
	"v\nt", 'which gets no transaction id by it');
reads('under SERIALIZABLE', 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;', 'COMMIT;');
reads('in a subtransaction', 'BEGIN; SAVEPOINT sp;', 'ROLLBACK TO sp; COMMIT;');
sql(q{CREATE ROLE stranger; GRANT SELECT ON s TO stranger});
reads('by a role that may only read the store', 'SET ROLE stranger;');

# Every function that takes a version, and what asks for the stable one.
for my $call (
	"mvstore_contains('s', 'a', $just_now)",
	"(mvstore_get_entry('s', 'a', $just_now)).value = 'v'",
	"(SELECT count(*) = 1 FROM mvstore_scan('s', $just_now))",
	"mvstore_count('s', $just_now) = 1",
	q{(mvstore_previous('s', 'a', before := mvstore_version_at(clock_timestamp() - interval '1 us'))).value = 'v'},
	q{(SELECT count(*) = 0 FROM mvstore_diff('s', mvstore_version_at(now() - interval '0.5 s'), mvstore_version_at(clock_timestamp() - interval '1 us')))},
	q{mvstore_wait_stable(mvstore_version_at(clock_timestamp()), '0')},
	q{mvstore_stable_version() > mvstore_version_at(now() - interval '1 ms')},
	q{mvstore_pin('p', ttl := '1 hour', store := 's') > mvstore_version_at(now() - interval '1 ms')},
	q{mvstore_pin('p', mvstore_version_at(now()), '1 hour') > 0})
{
	pass_the_mark();
	is(sql("SELECT $call"), 't', $call);
}
is(sql(q{SELECT mvstore_unpin('p')}), 't', 'the pin goes');

# Workers of a parallel query, that all meet the mark.
sql(q{CREATE TABLE rows AS SELECT i FROM generate_series(1, 20000) i; ANALYZE rows});
pass_the_mark();
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2};
like(sql(qq{$parallel; EXPLAIN (ANALYZE, COSTS off, TIMING off) SELECT count(mvstore_get('s', 'a', mvstore_version_at(now()) + 0 * i)) FROM rows}),
	qr/Workers Launched: [12]/, 'a parallel query');
pass_the_mark();
is(sql(qq{$parallel; SELECT count(mvstore_get('s', 'a', mvstore_version_at(now()) + 0 * i)) FROM rows}), 20000, 'reads the past in all its processes');
cmp_ok(sql(q{SELECT mvstore_stable_version() - mvstore_version_at(clock_timestamp())}), '<=', 0, 'and the stable version does not run ahead of the clock');

# What is old enough to be below the mark costs nothing: no WAL is written for it.
pass_the_mark();
my $mark = sql('SELECT last_value FROM mvstore_clock');
sql(qq{SELECT mvstore_get('s', 'a', as_of := $mark - 1000000)});
is(sql('SELECT last_value FROM mvstore_clock'), $mark, 'a read below the mark does not move it');

# Paused.
sql('SELECT mvstore_pause()');
reads('while the worker is paused');
sql('SELECT mvstore_resume()');

# Not by a snapshot that is older than what it is to see; and the error says that.
my $old = $node->background_psql('postgres', on_error_stop => 0);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
my $later = sql(q{SELECT mvstore_put('s', 'later', 'v')});
$old->query("SELECT mvstore_get('s', 'a', as_of := $later)");
like($old->{stderr}, qr/DETAIL:.*\bsnapshot\b.*HINT:.*\btransaction that begins now\b/s, 'an old snapshot is told to be one');
$old->quit;

# Behind a lock on the sequence it waits, and no longer than lock_timeout.
my $other = $node->background_psql('postgres');
pass_the_mark();
$other->query_safe('BEGIN; ALTER SEQUENCE mvstore_clock CACHE 1');
my ($state) = sqlstate_of($node, 'postgres', "SET lock_timeout = '10 ms'; SELECT mvstore_get('s', 'a', $just_now);");
is($state, '55P03', 'a read that has to wait heeds lock_timeout');
$other->query_safe('ROLLBACK');
reads('and is answered afterwards');

# A restore sets the sequence while the mark is being moved: what it brings is no
# future afterwards.
my $put = $node->background_psql('postgres');
my $version = sql(q{SELECT mvstore_put('s', 'k', 'mine')});
my $restored = $version + $hour;
pass_the_mark();
$other->query_safe('BEGIN; ALTER SEQUENCE mvstore_clock CACHE 1');
$put->query_until(qr/putting/, "\\echo putting\nSELECT mvstore_put('s', 'other', 'v');\n");
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}, 'a put is about to move the mark');
$other->query_safe("SELECT setval('mvstore_clock', $restored + 1000000); INSERT INTO s (key, version, value) VALUES ('k', $restored, 'restored'); COMMIT");
$put->query_safe('SELECT 1');
cmp_ok(sql(q{SELECT last_value FROM mvstore_clock}), '>', $restored, 'the sequence is not set back');
is(sql("SELECT mvstore_get('s', 'k', as_of := $restored)"), 'restored', 'what was restored can be read as of then');
cmp_ok(sql(q{SELECT mvstore_put('s', 'k', 'after')}), '>', $restored, 'and written over');
# Read first, before anybody writes.
$restored += $hour;
sql("INSERT INTO s (key, version, value) VALUES ('k', $restored, 'again'); SELECT setval('mvstore_clock', $restored + 1000000)");
is(sql("SELECT mvstore_get('s', 'k', as_of := $restored)"), 'again', 'a read as of a restored version is the first to notice');
$_->quit for ($other, $put);

# A new server: not started since, without a place for a worker, without mvstore preloaded.
# It has a store whose newest version is not ahead of the clock.
sql(q{CREATE DATABASE quiet});
$node->safe_psql('quiet', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s'); SELECT mvstore_put('s', 'a', 'v')});
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_logical_replication_workers = 0\nmvstore.max_databases = 1");
for my $case (
	[ '', 'without a free worker slot, after a restart' ],
	[ "shared_preload_libraries = ''", 'on a server that does not preload mvstore' ])
{
	# A server that does not preload mvstore takes its settings for mistakes.
	$node->adjust_conf('postgresql.conf', 'mvstore.max_databases', undef) if $case->[0];
	$node->append_conf('postgresql.conf', $case->[0]);
	$node->restart;
	# The only place of a database is taken, by another one.
	$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'x', 'v')}) if $case->[0] eq '';
	pass_the_mark('quiet');
	is($node->safe_psql('quiet', "SELECT mvstore_get('s', 'a', $just_now)"), 'v', $case->[1]);
	pass_the_mark('quiet');
	my $stable = $node->safe_psql('quiet', 'SELECT mvstore_stable_version()');
	cmp_ok($stable, '<=', $node->safe_psql('quiet', 'SELECT last_value FROM mvstore_clock'), 'the stable version is no more than the mark');
	is($node->safe_psql('quiet', "SELECT mvstore_version_at(clock_timestamp()) - $stable < 10000000"), 't', 'and about the present');
}
my $told = $node->safe_psql('quiet', 'SELECT mvstore_stable_version()');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'\nmax_worker_processes = 8");
$node->stop('immediate');
$node->start;
cmp_ok($node->safe_psql('quiet', q{SELECT mvstore_put('s', 'a', 'w')}), '>', $told, 'what was said to be stable there stays so');
is($node->safe_psql('quiet', "SELECT mvstore_get('s', 'a', as_of := $told)"), 'v', 'and reads as before');

$node->stop;
done_testing();
