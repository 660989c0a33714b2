# Whoever pauses drops can rely on it: nothing goes, whoever asks, and whatever
# happens to worker and server, until somebody resumes; and then nothing was
# forgotten.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('pause', conf => "mvstore.sweep_interval = '1 s'\nmvstore.queue_size = 16\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub state_of { return sql("SELECT worker_state FROM mvstore_stats WHERE database = '$_[0]'"); }

# What a session is told: the number of warnings, and the whole of its messages.
sub warnings_of
{
	my ($statements) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $statements);

	return (scalar(() = $err =~ /WARNING: /g), $err);
}

sub is_paused
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until($node, 'postgres', q{SELECT worker_state = 'paused' FROM mvstore_stats WHERE database = 'postgres'}, "$name: the worker is paused");
	stays($node, 'postgres', 'SELECT (SELECT count(*) = 6 FROM s) AND (SELECT count(*) = 60 FROM p) AND (SELECT count(*) = 2 FROM aged)', "$name: nothing goes");
	# (With a timeout beyond that of the test.)
	return is(sql(q{SELECT mvstore_flush('1 day')}), 'f', "$name: mvstore_flush does not wait in vain");
}

sql(q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1), mvstore_create('aged', keep_for := '0')});
is(sql('SELECT mvstore_flush()'), 't', 'nothing is to be done');

# Begun, it is nobody's business yet.
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; SELECT mvstore_pause()');
sql(q{SELECT mvstore_put('p', 'k0', 'v1')});
sql(q{SELECT mvstore_put('p', 'k0', 'v2')});
is(sql('SELECT mvstore_flush()'), 't', 'until COMMIT drops go on');
is(entries_of($node, 'postgres', 'p'), 1, 'all of them');
is(sql(q{SELECT count(*) FROM mvstore_blockers WHERE kind = 'paused'}), 0, 'and nobody is told');
sql('TRUNCATE p');
$session->query_safe('COMMIT');
$session->quit;
wait_until($node, 'postgres', q{SELECT worker_state = 'paused' FROM mvstore_stats WHERE database = 'postgres'}, 'then it holds');
is(sql(q{SELECT mvstore_flush()}), 't', 'where there is nothing to do, all is done');

# A session is told once, at its first request of whatever kind; a mere write is none.
my ($count, $text) = warnings_of(q{SELECT mvstore_put('s', 'a', 'v1'), mvstore_put('s', 'b', 'v1')});
is($count, 0, 'who writes without a request is not warned');
($count, $text) = warnings_of(join("\n", map { "SELECT mvstore_put('s', k, 'v$_'), mvstore_drop('s', k) FROM unnest('{a,b}'::text[]) k;" } 2 .. 3));
is($count, 1, 'who requests drops is warned once');
like($text, qr/WARNING:  drops are not worked off because they are paused\n.*mvstore_resume\(\)/, 'and told what ends it');
# (More than the queue has room for.)
($count) = warnings_of(join("\n", map { "SELECT mvstore_put('p', 'k' || k, 'v$_') FROM generate_series(1, 20) k;" } 1 .. 3));
is($count, 1, 'so is who writes under a policy');
($count) = warnings_of(join("\n", map { "SELECT mvstore_put('aged', 'k', 'v$_');" } 1 .. 2));
is($count, 1, 'and under one by age');
is_paused('at first');

# Another database is another matter.
sql('CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION mvstore; SELECT mvstore_create('p', keep_versions := 1)});
$node->safe_psql('other', qq{SELECT mvstore_put('p', 'k', 'v$_')}) for (1, 2);
is($node->safe_psql('other', 'SELECT mvstore_flush()'), 't', 'another database is not paused');
is(entries_of($node, 'other', 'p'), 1, 'and served');

# Whatever happens.
my $worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'the worker is ended, and another one comes');
is_paused('with another worker');
for my $mode ('fast', 'immediate')
{
	$node->stop($mode);
	$node->start;
	is_paused("after a $mode stop");
}
is(sql(q{SELECT kind, name = current_user, since < pg_postmaster_start_time(), holds_back FROM mvstore_blockers WHERE kind = 'paused'}),
	'paused|t|t|all drops of the database', 'mvstore_blockers tells who paused, and since when');

# A dump is not paused, nor what is restored from it.
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my @connect = ('-h', $node->host, '-p', $node->port);
$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', $dump, 'postgres' ], 'a dump is made');
sql('CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '-d', 'restored', $dump ], 'and restored');
is($node->safe_psql('restored', 'SELECT mvstore_flush()'), 't', 'what was restored is not paused');
is($node->safe_psql('restored', q{SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM aged)}), '20|1', 'its policies are met');
is(entries_of($node, 'restored', 's'), 6, 'its requests wait for mvstore_resume()');
is($node->safe_psql('restored', q{SELECT DISTINCT state FROM mvstore_requests}), 'restored', 'as is seen');
$node->safe_psql('restored', 'SELECT mvstore_resume()');
is($node->safe_psql('restored', 'SELECT mvstore_flush()'), 't', 'with which they are worked off');
is(entries_of($node, 'restored', 's'), 2, 'and done');

# A pass over a store stops where it is.
sql(q{SELECT mvstore_create('long', keep_versions := 1);
      INSERT INTO long (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' FROM generate_series(1, 50000) k, generate_series(1, 2) v;
      BEGIN; SELECT mvstore_resume(); SELECT mvstore_sweep('long'); COMMIT});
wait_until($node, 'postgres', 'SELECT count(*) < 100000 FROM long', 'resumed, a long pass has begun');
sql('SELECT mvstore_pause()');
wait_until($node, 'postgres', q{SELECT worker_state = 'paused' FROM mvstore_stats WHERE database = 'postgres'}, 'paused again');
my $left = entries_of($node, 'postgres', 'long');
stays($node, 'postgres', "SELECT count(*) = $left FROM long", "with $left entries left it goes no further");

# Nothing was forgotten.
sql('SELECT mvstore_resume()');
is(sql('SELECT mvstore_flush()'), 't', 'when drops go on, all is worked off');
isnt(state_of('postgres'), 'paused', 'by a worker that is paused no more');
is(entries_of($node, 'postgres', 'long'), 50000, 'the long pass comes to its end');
is(entries_of($node, 'postgres', 's'), 2, 'explicit requests are done');
is(entries_of($node, 'postgres', 'p'), 20, "a policy's own, too, though they overflowed");
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM aged', 'and those of a policy by age');
($count) = warnings_of(q{SELECT mvstore_put('p', 'k1', 'v4'), mvstore_drop('s', 'a')});
is($count, 0, 'nobody is warned any more');

$node->stop;
done_testing();
