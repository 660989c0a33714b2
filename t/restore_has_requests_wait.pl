# Requests that come with a dump or with a template wait until somebody says that
# all is there: a worker that did them on tables still empty would lose them. Then
# they are done, once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Requests wait for long, so that dumps find some.
my $patient = "mvstore.flush_interval = '10 min'\nmvstore.batch_size = 10000\nmvstore.max_databases = 20\nmvstore.max_workers = 20\nmax_worker_processes = 30";
my $node = mvstore_node('origin', conf => $patient);
my $other = mvstore_node('other', conf => $patient);
my $dir = PostgreSQL::Test::Utils::tempdir();
my $search_path = 'SET search_path = public, x;';

# The result of the last statement.
sub ask
{
	my ($server, $database, $sql) = @_;

	return $server->safe_psql($database, "$search_path\n$sql");
}

sub connect_to
{
	my ($server) = @_;

	return ('-h', $server->host, '-p', $server->port);
}

sub put
{
	my ($server, $database, $store, $key, @values) = @_;

	ask($server, $database, join('', map { "SELECT mvstore_put('$store', '$key', '$_');\n" } @values));
	return;
}

# The worker of a database, once there is one; mvstore_stats shows all from any.
sub worker_in
{
	my ($server, $database) = @_;
	my $worker = "mvstore_stats WHERE database = '$database' AND worker_pid IS NOT NULL";

	$server->poll_query_until('postgres', "SELECT count(*) = 1 FROM $worker") or die "no worker for $database";
	return $server->safe_psql('postgres', "SELECT worker_pid FROM $worker");
}

# ---- What is dumped: stores in two schemas, the extension in a third one.

$node->safe_psql('postgres', 'CREATE DATABASE src');
$node->safe_psql('src', 'CREATE SCHEMA x; CREATE SCHEMA "Odd"; CREATE EXTENSION mvstore SCHEMA x');
ask($node, 'src', $_) for (
	q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1), mvstore_create('t'), mvstore_create('f')},
	q{SELECT mvstore_create('"Odd"."Store''s"', keep_versions := 7, keep_for := '26:00', ttl := '2 days')},
	'CREATE TABLE plain (n int)', 'INSERT INTO plain SELECT generate_series(1, 3)');
my $odd = q{"Odd"."Store''s"};

# Dropped before: done, and known to be gone. And a second life.
put($node, 'src', 's', 'done', 1 .. 4);
put($node, 'src', 't', 'first life', 1 .. 4);
ask($node, 'src', q{SELECT mvstore_drop('s', 'done', keep := 3)});
is(ask($node, 'src', 'SELECT mvstore_flush()'), 't', 'some history is dropped');
put($node, 'src', 's', 'done', 5, 6);
ask($node, 'src', 'TRUNCATE t');

# Requested, and not done. One for f was set aside after five attempts.
put($node, 'src', $_, 'k', 1 .. 5) for ('s', 'p', 't', 'f', $odd);
put($node, 'src', 's', 'once', 1 .. 4);
ask($node, 'src', q{SELECT mvstore_delete('p', 'k'), mvstore_put('p', 'kept', '1')});
ask($node, 'src', $_) for (
	q{SELECT mvstore_drop('s', 'k')}, q{SELECT mvstore_drop('s', 'once', keep := 3)},
	q{SELECT mvstore_drop('t', 'k', keep := 2)}, qq{SELECT mvstore_drop('$odd', 'k', keep := 2)},
	q{INSERT INTO mvstore_journal SELECT id + 1, system, database, 'f', (SELECT incarnation FROM mvstore_policy WHERE store = 'f'::regclass), 'drop', 'k', NULL, 4, before, false, 5, 'some error' FROM mvstore_journal WHERE store = 't'::regclass});
my $newest = ask($node, 'src', q{SELECT mvstore_put('s', 'newest', 'v')});
is(ask($node, 'src', q{SELECT string_agg(state, ' ' ORDER BY id) FROM mvstore_requests WHERE id IS NOT NULL}),
	'queued queued queued failed queued', 'the requests wait');

# What comes along. Looking at requests is use: then a worker meets the policies.
my %contents = (
	stores => 'SELECT store, keep_versions, keep_for, ttl, incarnation FROM mvstore_stores ORDER BY store::text',
	floors => 'SELECT store, floor FROM mvstore_floor ORDER BY store::text',
	requests => q{SELECT store, kind, convert_from(key, 'UTF8'), to_key, keep, before, attempts, last_error FROM mvstore_requests WHERE id IS NOT NULL ORDER BY before, store::text},
	entries => q{SELECT t, convert_from(key, 'UTF8'), version, value, expires_at FROM (SELECT 's' t, * FROM s UNION ALL SELECT 'p', * FROM p UNION ALL SELECT 't', * FROM t UNION ALL SELECT 'f', * FROM f UNION ALL SELECT 'o', * FROM "Odd"."Store's") e ORDER BY 1, 2, 3},
	plain => 'SELECT * FROM plain');
my %before = map { $_ => ask($node, 'src', $contents{$_}) } keys %contents;
my $mark = ask($node, 'src', 'SELECT last_value FROM mvstore_clock');

sub has_come_along
{
	my ($server, $database, $what, @contents) = @_;

	@contents = sort keys %contents unless @contents;
	is(ask($server, $database, $contents{$_}), $before{$_}, "$what: the same $_") for @contents;
	is(ask($server, $database, 'SELECT DISTINCT state FROM mvstore_requests WHERE id IS NOT NULL'), 'restored', "$what: requests are restored ones");
	cmp_ok(ask($server, $database, 'SELECT last_value FROM mvstore_clock'), '>=', $mark, "$what: and so is the clock's mark");
	return;
}

# How many entries k and once have, in s twice, and in the others.
sub lengths
{
	my ($server, $database) = @_;

	return ask($server, $database, <<'SQL');
SELECT string_agg((SELECT count(*) FROM mvstore_history(store::regclass, key))::text, ' ')
  FROM (VALUES ('s', 'k'), ('s', 'once'), ('t', 'k'), ('f', 'k'), ('"Odd"."Store''s"', 'k')) k (store, key)
SQL
}

# From what is restored to what is done; the work of has_come_along() is over.
sub waits_and_is_done
{
	my ($server, $database, $what) = @_;

	# Using it brings a worker, which meets the policies, and leaves what has come.
	cmp_ok(ask($server, $database, q{SELECT mvstore_put('s', 'newest', 'w')}), '>', $newest, "$what: versions rise");
	worker_in($server, $database);
	wait_until($server, $database, q{SELECT string_agg(key, ' ') = 'kept' FROM (SELECT convert_from(key, 'UTF8') FROM p) k (key)}, "$what: policies are met");
	put($server, $database, 's', 'new', 1 .. 3);
	ask($server, $database, q{SELECT mvstore_drop('s', 'new')});
	is(ask($server, $database, 'SELECT mvstore_flush()'), 't', "$what: new requests are worked off");
	is(ask($server, $database, q{SELECT count(*) FROM mvstore_history('s', 'new')}), 1, "$what: and done");
	is(ask($server, $database, 'SELECT string_agg(DISTINCT state, $$ $$), count(*) FROM mvstore_requests'), 'restored|5', "$what: what was restored waits");
	is(lengths($server, $database), '5 4 5 5 5', "$what: with all that it is for");
	my ($state) = sqlstate_of($server, $database, "$search_path SELECT mvstore_get('s', 'done', as_of := 1);");
	is($state, '72000', "$what: what is gone is known to be gone");

	# Another worker does not do it either.
	my $pid = worker_in($server, $database);
	ask($server, $database, "SELECT pg_terminate_backend($pid)");
	wait_until($server, $database, "SELECT worker_pid <> $pid FROM x.mvstore_stats WHERE database = current_database()", "$what: another worker comes");
	is(ask($server, $database, 'SELECT mvstore_flush()'), 't', "$what: it has nothing to do");
	is(lengths($server, $database), '5 4 5 5 5', "$what: and leaves it, too");

	# TRUNCATE voids. What is for an earlier life goes with the rest, and drops nothing.
	ask($server, $database, 'TRUNCATE t');
	put($server, $database, 't', 'k', 1 .. 5);

	# Nobody else may have it done.
	my ($denied) = sqlstate_of($server, $database, "CREATE ROLE nobody_$database; SET ROLE nobody_$database; SELECT x.mvstore_resume();");
	is($denied, '42501', "$what: resuming takes a right");
	ask($server, $database, 'BEGIN; SELECT mvstore_resume(); ROLLBACK');
	is(ask($server, $database, "SELECT mvstore_flush();\nSELECT string_agg(DISTINCT state, ' ') FROM mvstore_requests"), "t\nrestored", "$what: and a commit");

	ask($server, $database, 'SELECT mvstore_resume()');
	wait_until($server, $database, q{SELECT count(*) = 1 FROM x.mvstore_requests}, "$what: mvstore_resume() has it done");
	is(lengths($server, $database), '1 3 5 5 2', "$what: as was asked for, and not in a later life");
	is(ask($server, $database, "SELECT mvstore_flush();\nSELECT state, last_error FROM mvstore_requests"), "f\nfailed|some error", "$what: what had failed has failed");
	is(ask($server, $database, q{SELECT mvstore_retry_failed('f')}), '1', "$what: and is tried again when asked for");
	is(ask($server, $database, "SELECT mvstore_flush();\nSELECT count(*) FROM mvstore_requests"), "t\n0", "$what: then nothing is left");
	is(lengths($server, $database), '1 3 5 4 2', "$what: of that either");

	# Once: to do it again would go further.
	put($server, $database, 's', 'once', 5, 6);
	ask($server, $database, 'SELECT mvstore_resume()');
	is(ask($server, $database, 'SELECT mvstore_flush()'), 't', "$what: resuming again finds nothing");
	is(ask($server, $database, q{SELECT string_agg(value, ' ') FROM mvstore_history('s', 'once')}), '6 5 4 3 2', "$what: and does nothing again");
	is(ask($server, $database, q{SELECT string_agg(value, ' ') FROM mvstore_history('s', 'done')}), '6 5 4 3 2', "$what: nor what was done before");
	return;
}

# ---- Dumps, and into what they are restored

$node->command_ok([ 'pg_dump', connect_to($node), '-Fc', '-f', "$dir/custom", 'src' ], 'pg_dump, custom format');
$node->command_ok([ 'pg_dump', connect_to($node), '-Fd', '-j', '2', '-f', "$dir/directory", 'src' ], 'pg_dump, directory format');
$node->command_ok([ 'pg_dump', connect_to($node), '-f', "$dir/plain.sql", 'src' ], 'pg_dump, plain format');

sub restore
{
	my ($server, $database, $what, @arguments) = @_;

	return $server->command_ok([ 'pg_restore', connect_to($server), '--exit-on-error', '-d', $database, @arguments ], $what);
}

$_->safe_psql('postgres', 'CREATE DATABASE plain TEMPLATE template0') for ($node, $other);
for my $server ($node, $other)
{
	my $what = 'plain, ' . $server->name;

	$server->command_ok([ 'psql', connect_to($server), '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'plain', '-f', "$dir/plain.sql" ], $what);
	has_come_along($server, 'plain', $what);
	waits_and_is_done($server, 'plain', $what);
}

$node->safe_psql('postgres', 'CREATE DATABASE custom TEMPLATE template0');
restore($node, 'custom', 'custom', '-1', "$dir/custom");
has_come_along($node, 'custom', 'custom');
waits_and_is_done($node, 'custom', 'custom');

$other->safe_psql('postgres', 'CREATE DATABASE parallel TEMPLATE template0');
restore($other, 'parallel', 'parallel', '-j', '2', "$dir/directory");
has_come_along($other, 'parallel', 'parallel');
waits_and_is_done($other, 'parallel', 'parallel');

# In the order in which it goes wrong: first the requests, while the tables are
# empty, and a worker is there.
$other->safe_psql('postgres', 'CREATE DATABASE sections TEMPLATE template0');
restore($other, 'sections', 'section pre-data', '--section=pre-data', "$dir/custom");
restore($other, 'sections', 'data of the extension', '--section=data', '-n', 'x', "$dir/custom");
$other->safe_psql('sections', q{SELECT x.mvstore_flush('0')});
wait_until($other, 'postgres', q{SELECT last_error LIKE '%has no valid unique index%' FROM mvstore_stats WHERE database = 'sections'},
	'a worker has looked at the requests, and cannot sweep yet');
is($other->safe_psql('sections', 'SELECT count(*), (SELECT count(*) FROM s) FROM x.mvstore_requests'), '5|0', 'requests wait, tables are empty');
restore($other, 'sections', 'data of the stores', '--section=data', '-N', 'x', "$dir/custom");
restore($other, 'sections', 'section post-data', '--section=post-data', "$dir/custom");
has_come_along($other, 'sections', 'sections', 'plain', 'requests', 'stores');
waits_and_is_done($other, 'sections', 'sections');

$node->safe_psql('postgres', 'CREATE DATABASE twice TEMPLATE template0');
restore($node, 'twice', 'schema only', '--schema-only', "$dir/custom");
is($node->safe_psql('twice', 'SELECT count(*) FROM x.mvstore_stores'), 0, 'a schema alone has no policies');
restore($node, 'twice', 'data only', '--data-only', "$dir/custom");
has_come_along($node, 'twice', 'data only');
waits_and_is_done($node, 'twice', 'data only');

# ---- A database that has stores of its own already, in use, with requests of its own

$other->safe_psql('postgres', 'CREATE DATABASE used');
$other->safe_psql('used', 'CREATE SCHEMA x; CREATE EXTENSION mvstore SCHEMA x');
ask($other, 'used', q{SELECT mvstore_create('own', keep_versions := 3)});
put($other, 'used', 'own', 'k', 1 .. 3);
my $own = ask($other, 'used', q{SELECT mvstore_put('own', 'k', '4')});
is(ask($other, 'used', 'SELECT mvstore_flush()'), 't', 'used: the worker is there');
ask($other, 'used', q{SELECT mvstore_drop('own', 'k', keep := 2)});
$other->command_ok([ 'bash', '-c', q{pg_restore -l "$0" | grep -v ' SCHEMA - x ' >"$0.list"}, "$dir/custom" ], 'used: a list without the schema that is there');
restore($other, 'used', 'used', '-L', "$dir/custom.list", "$dir/custom");
is(ask($other, 'used', q{SELECT string_agg(state, ' ' ORDER BY state) FROM mvstore_requests WHERE id IS NOT NULL}),
	'queued restored restored restored restored restored', 'used: own requests are told from restored ones');
is(ask($other, 'used', q{SELECT count(*) FROM mvstore_stores}), 6, 'used: the stores are side by side');
cmp_ok(ask($other, 'used', q{SELECT mvstore_put('own', 'new', 'v')}), '>', $own > $newest ? $own : $newest, 'used: versions rise above those of both');
is(ask($other, 'used', 'SELECT mvstore_flush()'), 't', 'used: own requests are worked off');
is(ask($other, 'used', q{SELECT string_agg(value, ' ') FROM mvstore_history('own', 'k')}), '4 3', 'used: and done');
is(lengths($other, 'used'), '5 4 5 5 5', 'used: and no others');
ask($other, 'used', 'SELECT mvstore_resume()');
wait_until($other, 'used', q{SELECT count(*) = 1 FROM x.mvstore_requests}, 'used: mvstore_resume() has the rest done');
is(lengths($other, 'used'), '1 3 2 5 2', 'used: as was asked for');
is(ask($other, 'used', "SELECT mvstore_flush();\nSELECT state FROM mvstore_requests"), "f\nfailed", 'used: but for what has failed');

# ---- A clock that was ahead: versions go on above its own

my $ahead = ask($node, 'src', q{SELECT mvstore_version_at(now() + '1 hour')});
$node->safe_psql('postgres', 'CREATE DATABASE ahead');
$node->safe_psql('ahead', 'CREATE EXTENSION mvstore');
$node->safe_psql('ahead', "SELECT mvstore_create('a'); INSERT INTO a VALUES ('k', $ahead, 'ahead'); SELECT setval('mvstore_clock', $ahead + 1000)");
$node->command_ok([ 'pg_dump', connect_to($node), '-Fc', '-f', "$dir/ahead", 'ahead' ], 'pg_dump of a database whose clock was ahead');
$other->safe_psql('postgres', 'CREATE DATABASE behind');
restore($other, 'behind', 'where the clock is behind', "$dir/ahead");
cmp_ok($other->safe_psql('behind', q{SELECT mvstore_put('a', 'k', 'new')}), '>', $ahead, 'versions go on above it');
is($other->safe_psql('behind', q{SELECT string_agg(value, ' ') FROM mvstore_history('a', 'k')}), 'new ahead', 'and the newest is the newest');

# ---- CREATE DATABASE from a template

$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE src');
is(ask($node, 'src', q{SELECT string_agg(state, ' ' ORDER BY id) FROM mvstore_requests WHERE id IS NOT NULL}),
	'queued queued queued failed queued', 'the template keeps its requests');
has_come_along($node, 'copy', 'copy');
waits_and_is_done($node, 'copy', 'copy');
is(ask($node, 'src', "SELECT mvstore_flush();\nSELECT state FROM mvstore_requests"), "t\nfailed", 'the template does its own');
is(lengths($node, 'src'), '1 3 2 5 2', 'as was asked for');

# ---- A dump while the worker is at it: each key has either its request or the work done

$node->append_conf('postgresql.conf', "mvstore.flush_interval = 0\nmvstore.batch_size = 5");
$node->reload;
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', 'CREATE SCHEMA x; CREATE EXTENSION mvstore SCHEMA x');
ask($node, 'busy', q{SELECT mvstore_create('s')});
ask($node, 'busy', qq{SELECT count(mvstore_put('s', 'k' || k, '$_')) FROM generate_series(1, 5000) k}) for (1 .. 3);
ask($node, 'busy', q{SELECT count(mvstore_drop('s', 'k' || k)) FROM generate_series(1, 5000) k});
wait_until($node, 'busy', 'SELECT entries_dropped > 0 FROM x.mvstore_stats WHERE database = current_database()', 'the worker is at it');
$node->command_ok([ 'pg_dump', connect_to($node), '-Fc', '-f', "$dir/busy", 'busy' ], 'pg_dump while the worker is at it');
$node->safe_psql('postgres', 'CREATE DATABASE calm');
restore($node, 'calm', 'of that', "$dir/busy");
my $consistent = q{SELECT count(*) FROM (SELECT s.key, count(*) n, count(DISTINCT j.id) r FROM s LEFT JOIN x.mvstore_journal j USING (key) GROUP BY s.key) k WHERE (n, r) IN ((1, 0), (3, 1))};
is($node->safe_psql('calm', $consistent), 5000, 'each key has either its request or the work done');
note($node->safe_psql('calm', 'SELECT count(*) FROM x.mvstore_journal') . ' of 5000 were waiting');
$node->safe_psql('calm', 'SELECT x.mvstore_resume()');
is($node->safe_psql('calm', 'SELECT x.mvstore_flush()'), 't', 'resumed, all of them are done');
is($node->safe_psql('calm', 'SELECT count(*), count(DISTINCT value) FROM s'), '5000|1', 'and no more than that');

$_->stop for ($node, $other);
done_testing();
