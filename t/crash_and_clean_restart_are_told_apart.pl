# Over a clean restart nothing of the queue is forgotten, also what has no row on
# disk, and no store is swept for it, however many starts fail in between. What an
# earlier life has left behind is never taken for the last one's: after a crash, or
# with a file that is not that of the very last shutdown, stores are swept.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use File::Copy;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('keep', conf => "mvstore.queue_size = 32\nmvstore.sweep_interval = '1 h'\nfsync = off");
my $file = $node->data_dir . '/pg_stat/mvstore.queue';
my $log;

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stat_of { return sql("SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }

# Keys with so many entries each. (By plain SQL, which knows no floor.)
sub fill
{
	my ($entries, @keys) = @_;

	return sql(sprintf(q{INSERT INTO s (key, version, value) SELECT k, v, 'v' FROM unnest('{%s}'::bytea[]) k, generate_series(1, %d) v},
		join(',', @keys), $entries));
}

# What only a sweep finds: a superseded entry that plain SQL has put in.
my $litter = q{INSERT INTO quiet (key, version, value) VALUES ('k', 1, 'old'), ('k', 2, 'new')};

sub litter
{
	sql('TRUNCATE quiet');
	sql($litter);
	return is(sql('SELECT mvstore_flush()'), 't', 'nothing is under way');
}

sub is_not_swept
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT mvstore_flush()'), 't', "$name: all is done");
	return stays($node, 'postgres', 'SELECT count(*) = 2 FROM quiet', "$name: no store is swept");
}

sub is_swept
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT mvstore_flush()'), 't', "$name: all is done");
	return is(sql('SELECT count(*) FROM quiet'), 1, "$name: stores are swept");
}

sub stop_and_have_file
{
	$node->stop('fast');
	return ok(-s $file, 'a clean shutdown leaves a file');
}

# The launcher removes it when the server runs.
sub file_goes
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', q{SELECT pg_stat_file('pg_stat/mvstore.queue', true) IS NULL}, $name);
}

sub fails_to_start
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($node->start(fail_ok => 1), 0, "$name: the server does not start");
	return ok(-s $file, "$name: the file stays");
}

# Run commands in single-user mode; its exit code.
sub single_user
{
	my ($database, $commands) = @_;
	my @command = ('postgres', '--single', '-D', $node->data_dir, $database);
	my ($out, $err);

	IPC::Run::run(\@command, '<', \$commands, '>', \$out, '2>', \$err);
	return $? >> 8;
}

sql(q{SELECT mvstore_create('s'), mvstore_create('other'), mvstore_create('p', keep_versions := 1), mvstore_create('quiet', keep_versions := 1)});
sql(q{SELECT mvstore_put_at('s', k, k || v, v) FROM unnest('{a,b,c,d,e}'::text[]) k, generate_series(1, 3) v});
sql(q{SELECT mvstore_put('p', 'k' || k, 'v1') FROM generate_series(1, 40) k});
sql(q{SELECT mvstore_put('p', 'held', 'v1')});
litter();

# The worker holds one of each kind, for a writer: with a row on disk, without one,
# and a policy's. Then more of them come into the queue, and more than fit at once,
# for which their store is marked.
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'x', 'x')});
sql(q{SELECT mvstore_drop('s', 'a')});
sql(q{SET mvstore.durable_drops = off; SELECT mvstore_drop('s', 'b')});
sql(q{SELECT mvstore_put('p', 'held', 'v2')});
wait_until($node, 'postgres', q{SELECT requests_held = 3 AND queue_length = 0 FROM mvstore_stats WHERE database = 'postgres'},
	'the worker holds three requests');
sql('SELECT mvstore_pause()');
sql(q{SELECT mvstore_drop('s', 'c')});
sql(q{SET mvstore.durable_drops = off; SELECT mvstore_drop('s', 'd')});
sql(q{SELECT mvstore_put('p', 'k' || k, 'v2') FROM generate_series(1, 40) k});
is(stat_of('queue_length'), 2, 'two are in the queue, and 40 became a mark');
my $counters = q{SELECT requests_enqueued, requests_merged, requests_overflowed, requests_processed, requests_failed, entries_dropped,
                        bytes_dropped, batches, last_batch_at, lag_max, sweeps, stats_since
                   FROM mvstore_stats WHERE database = 'postgres'};
my $store_counters = q{SELECT store, puts, deletes, requests, entries_dropped, bytes_dropped, keys_purged, last_sweep
                         FROM mvstore_store_stats ORDER BY store};
my ($before, $stores_before) = (sql($counters), sql($store_counters));
stop_and_have_file();
$writer->quit;
$node->start;
file_goes('the file goes when the server has started');
is(sql($counters), $before, 'over a clean restart counters go on');
is(sql($store_counters), $stores_before, 'those of stores, too');
is(sql(q{SELECT store, convert_from(key, 'UTF8') AS key, keep, state FROM mvstore_requests ORDER BY store, key}),
	"s|a|1|queued\ns|b|1|queued\ns|c|1|queued\ns|d|1|queued\np|held||queued", 'all requests are there');
my $sweeps = stat_of('sweeps');
sql('SELECT mvstore_resume()');
is_not_swept('with the queue kept');
is(sql(q{SELECT string_agg(convert_from(value, 'UTF8'), ' ' ORDER BY key, version) FROM s}), 'a3 b3 c3 d3 e1 e2 e3', 'all that was requested is done, and no more');
is(entries_of($node, 'postgres', 'p'), 41, 'the policy is met, also where only a mark told');
is(stat_of('sweeps'), $sweeps + 1, 'by a sweep of this store alone');

# Once more, with nothing in it; and a smart one.
for my $mode ('fast', 'smart')
{
	$node->stop($mode);
	ok(-s $file, "a $mode shutdown leaves a file");
	$node->start;
	is_not_swept("after a $mode shutdown");
}

# What the queue has room for, it takes without a row; beyond that there is one.
fill(2, map { "r$_" } 1 .. 40);
sql('SELECT mvstore_pause()');
sql(join("\n", 'SET mvstore.durable_drops = off;', map { "SELECT mvstore_drop('s', 'r$_');" } 1 .. 40));
is(sql(q{SELECT count(*), count(id), count(*) FILTER (WHERE state = 'spilled') FROM mvstore_requests}), '40|8|8',
	'requests without rows, but for those without room');
stop_and_have_file();
$node->start;
is(sql(q{SELECT count(*), count(id) FROM mvstore_requests}), '40|8', 'they are kept');
sql('SELECT mvstore_resume()');
is_not_swept('with a full queue');
is(sql(q{SELECT count(*) FROM s WHERE key LIKE 'r%'}), 40, 'and done');

# Starts that fail, each further on than the one before, take nothing of it: the
# postmaster itself, the startup process, a server for one user.
litter();
fill(2, map { "x$_" } 1 .. 10);
sql('SELECT mvstore_pause()');
sql(join("\n", 'SET mvstore.durable_drops = off;', map { "SELECT mvstore_drop('s', 'x$_');" } 1 .. 10));
my ($since, $enqueued) = (stat_of('stats_since'), stat_of('requests_enqueued'));
stop_and_have_file();
command_ok([ 'postgres', '-C', 'shared_memory_size', '-D', $node->data_dir ], 'a server can be asked for a setting');
ok(-s $file, 'which leaves the file');
my $hba = $node->data_dir . '/pg_hba.conf';
rename($hba, "$hba.aside") or die "rename: $!";
append_to_file($hba, "no such thing\n");
fails_to_start('pg_hba.conf is wrong');
rename("$hba.aside", $hba) or die "rename: $!";
$node->append_conf('recovery.signal', '');
fails_to_start('recovery lacks a command');
unlink($node->data_dir . '/recovery.signal') or die "unlink: $!";
is(single_user('no_such_database', ''), 1, 'a server for one user does not find the database');
is(single_user('postgres', "SET mvstore.durable_drops = off\nSELECT mvstore_drop('s', 'a')\n"), 0, 'another one does');
$node->start;
file_goes('the file goes when the server has started at last');
is(sql(q{SELECT count(*), count(id) FROM mvstore_requests}), '11|0', 'requests are kept over starts that failed, with one that came there');
is(stat_of('stats_since, requests_enqueued'), "$since|" . ($enqueued + 1), 'and counters');
sql('SELECT mvstore_resume()');
is_not_swept('after starts that failed');
is(sql(q{SELECT count(*) FROM s WHERE key LIKE 'x%'}), 10, 'and all is done');

# Where no process can remove it, it is good for one start all the same.
$node->stop('fast');
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->start;
sql('TRUNCATE quiet');
sql($litter);
ok(-s $file, 'without a launcher the file stays');
$node->stop('immediate');
$log = -s $node->logfile;
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->start;
ok($node->log_contains(qr/file "pg_stat\/mvstore.queue" is of another start/, $log), 'a file that has served once is known as such');
is_swept('with a file from before a crash that nobody removed');

# Without a clean shutdown there is no file, and a sweep. What has a row is done.
sql('SELECT mvstore_pause()');
fill(3, 'f', 'g');
sql(q{SELECT mvstore_drop('s', 'f')});
sql(q{SET mvstore.durable_drops = off; SELECT mvstore_drop('s', 'g')});
$before = stat_of('stats_since');
$node->stop('immediate');
ok(!-e $file, 'an immediate stop leaves no file');
$node->start;
is(sql(q{SELECT mvstore_flush('10 min')}), 'f', 'it is paused still');
is(stat_of("stats_since > '$before'"), 't', 'counters start anew');
is(sql(q{SELECT convert_from(key, 'UTF8') AS key, state FROM mvstore_requests}), 'f|queued', 'what had no row is forgotten, as it was asked for');
sql('SELECT mvstore_resume()');
is_swept('after an immediate stop');
is(sql(q{SELECT convert_from(key, 'UTF8'), count(*) FROM s WHERE key IN ('f', 'g') GROUP BY key ORDER BY key}), "f|1\ng|3", 'and what had a row is done');

# The file of an earlier shutdown: its requests are done, and more has happened since.
litter();
sql('SELECT mvstore_pause()');
sql(q{SET mvstore.durable_drops = off; SELECT mvstore_drop('s', 'g', keep := 2)});
stop_and_have_file();
copy($file, "$file.aside") or die "copy: $!";
$node->start;
sql('SELECT mvstore_resume()');
is_not_swept('before the file is brought back');
sql(q{SELECT mvstore_put('s', 'g', 'v4')});
stop_and_have_file();
copy("$file.aside", $file) or die "copy: $!";
$log = -s $node->logfile;
$node->start;
ok($node->log_contains(qr/file "pg_stat\/mvstore.queue" is of another start/, $log), 'a file of an earlier shutdown is known as such');
ok(!-e $file, 'and removed');
is(sql('SELECT count(*) FROM mvstore_requests'), 0, 'its requests do not come again');
is_swept('with a file of an earlier shutdown');
is(sql(q{SELECT string_agg(value, ' ') FROM mvstore_history('s', 'g')}), 'v4 v v', 'what was done once was not done again');

# A file that was left by a clean shutdown, after which the server crashed.
litter();
stop_and_have_file();
copy($file, "$file.aside") or die "copy: $!";
$node->start;
$node->stop('immediate');
copy("$file.aside", $file) or die "copy: $!";
$node->start;
is_swept('with a file from before a crash');

# A damaged file.
for my $damage ('flipped', 'cut', 'empty', 'gone')
{
	litter();
	stop_and_have_file();
	my $image = slurp_file($file);
	substr($image, length($image) / 2, 1) ^= "\x01" if $damage eq 'flipped';
	substr($image, length($image) / 2) = '' if $damage eq 'cut';
	$image = '' if $damage eq 'empty';
	unlink($file) or die "unlink: $!";
	if ($damage ne 'gone')
	{
		open(my $out, '>:raw', $file) or die "$file: $!";
		print $out $image;
		close($out) or die "$file: $!";
	}
	$node->start;
	is_swept("with a file $damage");
	ok(!-e $file, 'which is removed');
}

# Of other settings: what was in the queue is there, be it larger or smaller now, also
# what stands nowhere else; a smaller one takes nothing more until it is less.
litter();
sql('SELECT mvstore_pause()');
fill(2, map { "t$_" } 1 .. 20);
sql(join("\n", (map { "SELECT mvstore_drop('s', 't$_');" } 1 .. 10), 'SET mvstore.durable_drops = off;', map { "SELECT mvstore_drop('s', 't$_');" } 11 .. 20));
$node->stop('fast');
$node->append_conf('postgresql.conf', "mvstore.queue_size = 64\nmvstore.max_databases = 2");
$node->start;
is(sql('SELECT count(*) FROM mvstore_requests'), 20, 'a larger queue has it all');
sql('SELECT mvstore_resume()');
is_not_swept('with a larger queue');
is(sql(q{SELECT count(*) FROM s WHERE key LIKE 't%'}), 20, 'and all is done');
sql('SELECT mvstore_pause()');
fill(2, map { "u$_" } 1 .. 20);
sql(q{SELECT mvstore_pin('hold', ttl := '1 hour'); SELECT mvstore_put('s', 'after', 'v')});
my $drops = 'SET mvstore.durable_drops = off;' . join("\n", map { "SELECT mvstore_drop('s', 'u$_');" } 1 .. 20);
sql($drops);
$node->stop('fast');
$node->append_conf('postgresql.conf', 'mvstore.queue_size = 4');
$node->start;
is(sql(q{SELECT queue_length > queue_capacity FROM mvstore_stats WHERE database = 'postgres'}), 't', 'a smaller queue has it all, too');
is(sql(q{SELECT count(*) FROM mvstore_requests WHERE id IS NULL}), 20, 'as it was');
fill(2, map { "v$_" } 1 .. 20);
sql($drops =~ s/'u/'v/gr);
is(sql(q{SELECT count(*) FROM mvstore_requests WHERE id IS NOT NULL}), 20, 'what comes has no room there, and gets rows');
# What the worker holds goes back there when it ends.
sql('SELECT mvstore_resume()');
wait_until($node, 'postgres', q{SELECT requests_held > 0 FROM mvstore_stats WHERE database = 'postgres'}, 'the worker holds some of it');
sql(q{SELECT pg_terminate_backend(worker_pid) FROM mvstore_stats WHERE database = 'postgres'});
is(sql(q{SELECT mvstore_unpin('hold')}), 't', 'until it may go');
is_not_swept('with a smaller queue');
is(sql(q{SELECT count(*) FROM s WHERE key LIKE 'u%' OR key LIKE 'v%'}), 40, 'and all is done');

# More databases than there is room for now: the others are as after a crash.
sql('CREATE DATABASE second');
$node->safe_psql('second', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s')});
litter();
$node->stop('fast');
$node->append_conf('postgresql.conf', 'mvstore.max_databases = 1');
$node->start;
is(sql('SELECT count(*) FROM mvstore_stats'), 1, 'a database less fits');
is(sql('SELECT mvstore_flush()'), 't', 'the first one works');
is($node->safe_psql('second', q{SELECT count(*) FROM s}), 0, 'and the second can be read');

$node->stop;
done_testing();
