# A backlog that several processes work off together is worked off as by one: each
# request once, whatever ends one of them, or comes between. Else history that nobody
# wanted stays, or goes that was wanted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('crew', conf => <<'CONF');
mvstore.workers_per_database = 3
mvstore.batch_size = 100
mvstore.sweep_interval = '1 h'
max_worker_processes = 6
restart_after_crash = on
fsync = off
CONF

my $keys = 3000;
my $assistant = "pg_stat_activity WHERE datname = 'postgres' AND backend_type = 'mvstore drop assistant'";

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub wait_for { return wait_until($node, 'postgres', $_[0], $_[1]) }
sub stats { return sql("SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'") }
sub flushed { return is(sql(q{SELECT mvstore_flush()}), 't', "$_[0]: all is done") }

# Three versions of each key of a store, of which two are to go, by a request each.
sub fill
{
	my ($store) = @_;

	sql("SELECT mvstore_put_many('$store', array_agg('k' || i), array_agg('v$_'::text)) FROM generate_series(1, $keys) i")
	  for 1 .. 3;
	return;
}

sub request { return "SELECT count(mvstore_drop('$_[0]', 'k' || i)) FROM generate_series(1, $keys) i" }

# Have a backlog wait behind a pause, of which the workers are told at once.
sub pile_up
{
	my (@stores) = @_;

	fill($_) for @stores;
	sql('SELECT mvstore_pause()');
	sql("SET client_min_messages = error; " . request($_)) for @stores;
	return;
}

# Whether two versions of each key have gone, and nothing else.
sub is_dropped
{
	my ($store, $name) = @_;

	return is(sql("SELECT count(*), min(convert_from(value, 'UTF8')), max(convert_from(value, 'UTF8')) FROM $store"),
		"$keys|v3|v3", "$name: what was superseded has gone");
}

# With a backlog, there are as many as the setting says; then they go again.
sql(q{SELECT mvstore_create('s')});
pile_up('s');
my $processed = stats('requests_processed');
my $dropped = stats('entries_dropped');
is(stats('workers'), 1, 'without a backlog there is one worker');
sql('SELECT mvstore_resume()');
flushed('three of them');
is_dropped('s', 'three of them');
wait_for("SELECT count(*) = 2 FROM $assistant", 'two assistants have come');
wait_for(q{SELECT workers = 3 FROM mvstore_stats WHERE database = 'postgres'}, 'of which the view tells');
is(stats("requests_processed - $processed"), $keys, 'each request was done once');
is(stats("entries_dropped - $dropped"), 2 * $keys, 'and each entry dropped once');
is(sql('SELECT count(*) FROM mvstore_journal'), 0, 'nothing stays in the journal');
is(sql(q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'slot'}), 0, 'nobody lacks a slot');

# Stop an assistant, which comes with a backlog if there is none: the worker comes to wait
# for it, with a share in its hands.
sub hold_one
{
	my ($name, @stores) = @_;
	my $pid = '';
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;

	until ($pid && kill 'STOP', $pid)
	{
		die "no assistant comes\n" if time() > $end;
		call_them() if !$pid;
		$pid = sql("SELECT min(pid) FROM $assistant");
	}
	pile_up(@stores ? @stores : 's');
	sql('SELECT mvstore_resume()');
	wait_for(q{SELECT wait_event LIKE 'MessageQueue%' FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker'},
		"$name: the worker waits for an assistant");
	return $pid;
}

sub go_on
{
	my ($pid) = @_;

	kill 'CONT', $pid;
	return;
}

# Have assistants come; where one has ended early, that takes a while.
sub call_them
{
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

	do
	{
		pile_up('s');
		sql('SELECT mvstore_resume()');
		sql('SELECT mvstore_flush()');
	} while (sql("SELECT count(*) = 0 FROM $assistant") eq 't' && time() < $deadline);
	return;
}

# What comes between: writers and readers, pins, erasures, an end of the pause.
my $pid = hold_one('others');
sql(q{SELECT mvstore_put('s', 'k1', 'v3')});
sql(q{SELECT mvstore_pin('held', store := 's')});
sql(q{SELECT mvstore_unpin('held')});
is(sql(q{SELECT mvstore_erase('s', 'k2') > 0}), 't', 'a key is erased meanwhile');
sql(q{SELECT mvstore_pause(); SELECT mvstore_resume()});
go_on($pid);
flushed('others');
is(sql(q{SELECT count(*) FROM s WHERE key <> 'k1'}), $keys - 2, 'others: what was superseded has gone');
is(sql('SELECT count(*) FROM mvstore_journal'), 0, 'others: nothing stays in the journal');
sql(q{SELECT mvstore_clear('s')});

# An assistant that is told to end before it has begun.
$pid = hold_one('assistant ended');
$processed = stats('requests_processed');
is(sql("SELECT pg_terminate_backend($pid)"), 't', 'an assistant is told to end');
go_on($pid);
flushed('assistant ended');
is_dropped('s', 'assistant ended');
is(stats("requests_processed - $processed"), $keys, 'assistant ended: each request was done once');

# A worker that ends with a share in other hands: the next one waits for these.
wait_for("SELECT count(*) = 0 FROM $assistant AND pid = $pid", 'it has gone');
$pid = hold_one('worker ended');
my $worker = worker_pid($node, 'postgres');
is(sql("SELECT pg_terminate_backend($worker)"), 't', 'the worker is told to end');
wait_for("SELECT count(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity WHERE pid = $worker", 'and again, as it waits');
wait_for("SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'another one begins');
my $left = sql('SELECT count(*) FROM s');
stays($node, 'postgres', "SELECT count(*) = $left FROM s", 'which drops nothing while an assistant of the first lives');
go_on($pid);
flushed('worker ended');
is_dropped('s', 'worker ended');
is(sql('SELECT count(*) FROM mvstore_journal'), 0, 'worker ended: nothing stays in the journal');
wait_for("SELECT count(*) = 0 FROM $assistant AND pid = $pid", 'its assistant ends');

# Errors are those of a request: others of the share are done.
sql(q{SELECT mvstore_create('bad')});
sql(q{SELECT mvstore_put('bad', 'b', '1'), mvstore_put('bad', 'b', '2')});
pile_up('s');
sql(q{SELECT mvstore_drop('bad', 'b')});
sql(q{CREATE TABLE referring (key bytea, version bigint, FOREIGN KEY (key, version) REFERENCES bad (key, version))});
sql('SELECT mvstore_resume()');
wait_for(q{SELECT count(*) = 1 FROM mvstore_journal}, 'all but one are done');
is_dropped('s', 'error');
wait_for(q{SELECT last_error LIKE '%bad%' FROM mvstore_requests}, 'which shows its error');
sql('DROP TABLE referring');
flushed('error');
is(sql('SELECT count(*) FROM bad'), 1, 'error: with its cause gone it is done, too');

# Stores that go, or begin anew, under their hands.
sql(q{SELECT mvstore_create('gone'), mvstore_create('anew')});
$pid = hold_one('stores', 'gone', 'anew', 's');
sql($_) for 'DROP TABLE gone', 'TRUNCATE anew', map { "SELECT mvstore_put('anew', 'k1', 'v$_')" } 1, 2;
go_on($pid);
flushed('stores');
is_dropped('s', 'stores');
is(sql('SELECT count(*) FROM anew'), 2, 'stores: a new life keeps what an earlier one asked to drop');

# A policy's own requests, whose calendar the worker hears of.
sql(q{SELECT mvstore_create('old', keep_versions := 1, keep_for := '1 day'), mvstore_create('single', keep_versions := 1)});
sql(q{SELECT mvstore_pause()});
fill($_) for 'old', 'single';
sql('SELECT mvstore_resume()');
flushed('policy');
is_dropped('single', 'policy');
is(sql('SELECT count(*) FROM old'), 3 * $keys, 'policy: what is not old enough stays');
sql(q{SELECT mvstore_set_policy('old', keep_versions := 1, keep_for := '0')});
flushed('new policy');
is_dropped('old', 'new policy');

# The setting is heard of.
$node->append_conf('postgresql.conf', 'mvstore.workers_per_database = 1');
$node->reload;
wait_for("SELECT count(*) = 0 FROM $assistant", 'a reload sends them away');
pile_up('s');
sql('SELECT mvstore_resume()');
flushed('one of them');
is(sql("SELECT count(*) FROM $assistant"), 0, 'one of them: nobody else has come');

# Without a slot the worker does it with whom it has, and says so.
$node->append_conf('postgresql.conf', 'mvstore.workers_per_database = 16');
$node->reload;
$pid = hold_one('no slot');
is(sql(q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'slot' AND holds_back LIKE '%workers_per_database%'}), 1,
	'no slot: a view says that more are wanted');
go_on($pid);
flushed('no slot');
is_dropped('s', 'no slot');
wait_for(q{SELECT count(*) = 0 FROM mvstore_blockers WHERE kind = 'slot'}, 'no slot: with the backlog gone nobody lacks one');

# They are in nobody's way.
$node->safe_psql('postgres', q{CREATE DATABASE other});
$node->safe_psql('other', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s'); SELECT mvstore_put_many('s', array_agg('k' || i), array_agg('v'::text)) FROM generate_series(1, 3000) i});
$node->safe_psql('other', q{SELECT count(mvstore_drop('s', 'k' || i)) FROM generate_series(1, 3000) i});
is($node->psql('postgres', 'DROP DATABASE other'), 0, 'a database is dropped under their hands');

# A crash of one of them is a crash of the server.
$node->append_conf('postgresql.conf', "mvstore.workers_per_database = 3");
$node->reload;
$pid = hold_one('crash');
kill 'KILL', $pid;
$node->poll_query_until('postgres', 'SELECT true');
wait_for(q{SELECT count(*) = 0 FROM mvstore_journal}, 'crash: the journal tells what was to be done');
flushed('crash');
is_dropped('s', 'crash');

# So is a shutdown a shutdown.
pile_up('s');
sql('SELECT mvstore_resume()');
$node->stop('fast');
$node->start;
flushed('shutdown');
is_dropped('s', 'shutdown');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminating background worker "mvstore drop assistant/, 'nobody has lost his head');

$node->stop;
done_testing();
