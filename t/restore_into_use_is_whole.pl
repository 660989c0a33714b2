# A dump restored into a database that is in use, or over itself, is whole after
# mvstore_resume(): policies are met, requests are done on what they were made for,
# and versions rise above those of both.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('use',
	conf => "mvstore.flush_interval = '10 min'\nmvstore.batch_size = 10000\nmvstore.max_databases = 20\nmvstore.max_workers = 20\nmax_worker_processes = 30");
my $dir = PostgreSQL::Test::Utils::tempdir();
my @connect = ('-h', $node->host, '-p', $node->port);

# A database with the extension and a store, whose worker is there.
sub make_database
{
	my ($database, $store) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION mvstore');
	$node->safe_psql($database, "SELECT mvstore_create('$store')");
	put($database, $store, 'k', 1 .. 3);
	is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$database is in use");
	return;
}

sub put
{
	my ($database, $store, $key, @values) = @_;

	$node->safe_psql($database, join('', map { "SELECT mvstore_put('$store', '$key', '$_');\n" } @values));
	return;
}

sub mark_of
{
	my ($database) = @_;

	return $node->safe_psql($database, 'SELECT last_value FROM mvstore_clock');
}

# Policies: what was to go when the dump was made is known of nowhere else.
make_database('garbage', 'g');
$node->safe_psql('garbage', q{SELECT mvstore_create('p', keep_versions := 1)});
is($node->safe_psql('garbage', 'SELECT mvstore_flush()'), 't', 'nothing is to be done');
put('garbage', 'p', 'k', 1 .. 3);
$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', "$dir/garbage", 'garbage' ], 'pg_dump with entries that are to go');
make_database('used', 'own');
$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '-d', 'used', "$dir/garbage" ], 'pg_restore into a database in use');
is(entries_of($node, 'used', 'p'), 3, 'all entries have come');
$node->safe_psql('used', 'SELECT mvstore_resume()');
is($node->safe_psql('used', 'SELECT mvstore_flush()'), 't', 'resumed, nothing is left');
is(entries_of($node, 'used', 'p'), 1, 'policies are met');

# A clock that was ahead: its versions are of the past now.
my $ahead = $node->safe_psql('postgres', q{SELECT mvstore_version_at(now() + '1 hour')});
make_database('ahead', 'a');
$node->safe_psql('ahead', "INSERT INTO a VALUES ('later', $ahead, 'ahead'); SELECT setval('mvstore_clock', $ahead + 1000)");
$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', "$dir/ahead", 'ahead' ], 'pg_dump of a database whose clock was ahead');
make_database('behind', 'own');
$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '-d', 'behind', "$dir/ahead" ], 'pg_restore where the clock is behind');
$node->safe_psql('behind', 'SELECT mvstore_resume()');
my ($state) = sqlstate_of($node, 'behind', "SELECT mvstore_get('a', 'later', as_of := $ahead);");
is($state, '', 'versions of a clock that was ahead can be read');
my ($status, $version) = $node->psql('behind', q{SELECT mvstore_put('a', 'later', 'new')});
cmp_ok($version || 0, '>', $ahead, 'such a key can be written, with a version above');

# A dump that is older: the mark of the clock stays above what was handed out since.
make_database('low', 'own');
$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', "$dir/low", 'garbage' ], 'pg_dump before a clock moves on');
my $mark = mark_of('garbage');
$node->poll_query_until('low', "SELECT mvstore_put('own', 'k', 'v') > $mark + 1") or die 'the clock does not move on';
$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '-d', 'low', "$dir/low" ], 'pg_restore of an older dump');
$node->safe_psql('low', 'SELECT mvstore_resume()');
cmp_ok(mark_of('low'), '>=', $node->safe_psql('low', 'SELECT max(version) FROM own'), 'no version above the mark was ever handed out');

# A request for a store that is gone is dumped with the bare number of its table,
# which may be another one's where it is restored.
make_database('gone', 'z');
$node->safe_psql('gone', q{SELECT mvstore_drop('z', 'k')});
my $number = $node->safe_psql('gone', q{SELECT 'z'::regclass::oid});
$node->safe_psql('gone', 'DROP TABLE z');
make_database('innocent', 'i');
my ($other_number, $newest) = split(/\|/, $node->safe_psql('innocent', q{SELECT 'i'::regclass::oid, max(version) FROM i}));
$node->command_ok([ 'pg_dump', @connect, '-f', "$dir/gone", 'gone' ], 'pg_dump with a request for a store that is gone');
my $dump = slurp_file("$dir/gone");
# As if it had been restored on a server where tables got the same numbers, later.
$dump =~ s/\t$number\t(\d+)\t([^\t]*)\t1\t\d+\t/\t$other_number\t$1\t$2\t1\t$newest\t/;
open(my $file, '>', "$dir/gone") or die "could not write $dir/gone: $!";
print $file $dump;
close($file) or die "could not write $dir/gone: $!";
$node->command_ok([ 'psql', @connect, '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'innocent', '-f', "$dir/gone" ], 'its restore');
$node->safe_psql('innocent', 'SELECT mvstore_resume()');
$node->safe_psql('innocent', q{SELECT mvstore_flush('1 s')});
is(entries_of($node, 'innocent', 'i'), 3, 'a request for a store that is gone drops nothing of another one');

# Over itself: the rows of requests are the database's own, and their stores are new. The worker has read the journal
# since the request was made, and more than once.
make_database('itself', 's');
$node->safe_psql('itself', q{SELECT mvstore_drop('s', 'k')});
$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', "$dir/itself", 'itself' ], 'pg_dump with a request');
for my $time (1, 2)
{
	$node->safe_psql('itself', "SELECT mvstore_put('s', 'other', '$_')") for (1, 2);
	$node->safe_psql('itself', q{SELECT mvstore_drop('s', 'other')});
	$node->safe_psql('itself', q{SELECT count(mvstore_cancel_request(id)) FROM mvstore_requests});
	$node->safe_psql('itself', q{SELECT mvstore_retry_failed('s'), mvstore_resume()});
	wait_until($node, 'itself', q{SELECT mvstore_flush()}, "the journal is read, $time");
}
$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '--clean', '--if-exists', '-d', 'itself', "$dir/itself" ], 'pg_restore --clean over itself');
is($node->safe_psql('itself', 'SELECT mvstore_flush()'), 't', 'what was requested before is done with');
$node->safe_psql('itself', 'SELECT mvstore_resume()');
is($node->safe_psql('itself', 'SELECT mvstore_flush()'), 't', 'resumed, nothing is left');
is(entries_of($node, 'itself', 's'), 1, 'what was requested is done on what was restored');

# An extension of somebody else's is no restore: what is in the journal goes on.
make_database('beside', 's');
$node->safe_psql('beside', q{SELECT mvstore_pause(), mvstore_drop('s', 'k')});
$node->safe_psql('beside', 'CREATE TABLE failed AS SELECT id, system, database, store::oid, incarnation, kind, key, to_key, keep, before, spilled FROM mvstore_journal');
$node->safe_psql('beside', 'SELECT count(mvstore_cancel_request(id)) FROM mvstore_requests; SELECT mvstore_resume()');
is($node->safe_psql('beside', 'SELECT mvstore_flush()'), 't', 'a request is cancelled');
$node->safe_psql('beside', 'CREATE EXTENSION IF NOT EXISTS mvstore; DROP EXTENSION plpgsql; CREATE EXTENSION plpgsql');
$node->safe_psql('beside', q{INSERT INTO mvstore_journal SELECT *, 5, 'of a kind' FROM failed});
is($node->safe_psql('beside', q{SELECT mvstore_retry_failed('s')}), 1, 'one that has failed before is tried again');
is($node->safe_psql('beside', 'SELECT mvstore_flush()'), 't', 'it is');
is(entries_of($node, 'beside', 's'), 1, 'and done');

# What comes back under a pause is met, however often the worker has read the journal since, from ever higher rows on.
make_database('older', 's');
$node->safe_psql('older', q{SELECT mvstore_pause(), mvstore_drop('s', 'k')});
$node->safe_psql('older', 'CREATE TABLE kept AS SELECT * FROM mvstore_journal');
$node->safe_psql('older', 'SELECT count(mvstore_cancel_request(id)) FROM mvstore_requests; SELECT mvstore_resume()');
for my $time (1 .. 3)
{
	$node->safe_psql('older', q{SELECT mvstore_drop('s', 'k')});
	$node->safe_psql('older', 'SELECT count(mvstore_cancel_request(id)) FROM mvstore_requests');
	is($node->safe_psql('older', 'SELECT mvstore_flush()'), 't', "the journal is read, $time");
}
$node->safe_psql('older', 'SELECT mvstore_pause(); INSERT INTO mvstore_journal SELECT * FROM kept');
$node->safe_psql('older', 'SELECT mvstore_resume()');
is($node->safe_psql('older', 'SELECT mvstore_flush()'), 't', 'a row that was there before is read again');
is(entries_of($node, 'older', 's'), 1, 'and what it asks for is done');

# In the midst of that, when requests are there and their store is not yet, nobody takes them for void: neither a worker that
# is there, nor one that comes because of it.
my @tables = qw(mvstore_journal mvstore_policy mvstore_floor);
for my $database (qw(pieces later))
{
	make_database($database, 's');
	$node->safe_psql($database, q{SELECT mvstore_pause(), mvstore_drop('s', 'k')});
	my $files = $node->basedir . "/$database";
	mkdir $files or die "$files: $!";
	chmod 0777, $files;
	$node->safe_psql($database, join ';', map { "COPY $_ TO '$files/$_'" } @tables);
	$node->safe_psql($database, 'SELECT count(mvstore_cancel_request(id)) FROM mvstore_requests; SELECT mvstore_resume()');
	is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$database: nothing is to be done");
	my $create = "CREATE EXTENSION mvstore; COPY $tables[0] FROM '$files/$tables[0]'";
	if ($database eq 'pieces')
	{
		$node->safe_psql($database, "BEGIN; DROP EXTENSION mvstore; $create; COMMIT");
	}
	else
	{
		$node->safe_psql($database, 'DROP EXTENSION mvstore');
		# Shared memory knows nothing of the database.
		$node->stop('immediate');
		$node->start;
		$node->safe_psql($database, "BEGIN; $create; COMMIT");
	}
	is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$database: the worker has read the new journal");
	is($node->safe_psql($database, 'SELECT count(*) FROM mvstore_journal'), 1, "$database: and leaves alone what is from before");
	$node->safe_psql($database, join ';', map { "COPY $_ FROM '$files/$_'" } @tables[ 1, 2 ]);
	$node->safe_psql($database, <<'SQL');
CREATE TRIGGER mvstore_truncate AFTER TRUNCATE ON s FOR EACH STATEMENT EXECUTE FUNCTION mvstore_truncated();
ALTER TRIGGER mvstore_truncate ON s DEPENDS ON EXTENSION mvstore;
ALTER TABLE s ENABLE ALWAYS TRIGGER mvstore_truncate;
SQL
	$node->safe_psql($database, 'SELECT mvstore_resume()');
	is($node->safe_psql($database, 'SELECT mvstore_flush()'), 't', "$database: resumed, nothing is left");
	is(entries_of($node, $database, 's'), 1, "$database: what had been requested is done");
}

$node->stop;
done_testing();
