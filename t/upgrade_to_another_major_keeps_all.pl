# pg_upgrade to another major: stores, their past, their policies and pins come along,
# and requests wait as restored ones until somebody has them done. What is prepared is to be
# ended before. What the old server kept of its shared memory is not taken for the new one's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Copy qw(copy);
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'takes a second PostgreSQL: ./dev upgrade' unless $ENV{MVSTORE_OLD_SERVER};

my $dir = PostgreSQL::Test::Utils::tempdir();
my $patient = "shared_preload_libraries = 'mvstore'\nautovacuum = off\nmvstore.flush_interval = '10 min'\nmvstore.batch_size = 10000\nmax_prepared_transactions = 2";

# Of minor releases that do not go together, the newer major cannot read what the older one wrote of
# any table (17.12 and 18.6: pg_attver). Then there is nothing to be tested of ours.
{
	my $old = PostgreSQL::Test::Cluster->new('probe_old', install_path => $ENV{MVSTORE_OLD_SERVER});
	my $new = PostgreSQL::Test::Cluster->new('probe_new');

	for my $node ($old, $new)
	{
		$node->init;
		$node->start;
	}
	$old->safe_psql('postgres', 'CREATE TABLE plain (a int)');
	system_or_bail($new->config_data('--bindir') . '/pg_dump', '-f', "$dir/plain.sql", '-d', $old->connstr('postgres'));
	my $can = system_log('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $new->connstr('postgres'), '-f', "$dir/plain.sql") == 0;
	$_->stop for ($old, $new);
	plan skip_all => 'these two releases of PostgreSQL cannot upgrade a plain table' unless $can;
}

# How many entries the keys of requests have.
my $lengths = <<'SQL';
SELECT string_agg((SELECT count(*) FROM x.mvstore_history(store::regclass, key))::text, ' ')
  FROM (VALUES ('s', 'k'), ('s', 'once'), ('t', 'k'), ('f', 'k')) k (store, key)
SQL
my $contents = <<'SQL';
SELECT * FROM s ORDER BY key, version;
SELECT * FROM t ORDER BY key, version;
SELECT store, keep_versions, keep_for, ttl, incarnation FROM x.mvstore_stores ORDER BY store::text;
SELECT store, floor FROM x.mvstore_floor ORDER BY store::text;
SELECT name, store, version, expires FROM x.mvstore_pins ORDER BY name;
SELECT id, store, key, keep, before, attempts, last_error FROM x.mvstore_requests WHERE id IS NOT NULL ORDER BY id;
SQL

for my $mode ('--copy', '--link')
{
	my $old = PostgreSQL::Test::Cluster->new("old$mode", install_path => $ENV{MVSTORE_OLD_SERVER});
	my $new = PostgreSQL::Test::Cluster->new("new$mode");

	for my $node ($old, $new)
	{
		$node->init(extra => ['--data-checksums']);    # the default of 18, and both are to have them or not
		$node->append_conf('postgresql.conf', $patient);
	}
	$old->start;
	$old->safe_psql('postgres', $_) for (
		q{CREATE EXTENSION mvstore},
		q{SELECT mvstore_create('here')}, q{SELECT mvstore_put('here', 'k', '1')},
		q{CREATE DATABASE src});
	my $put = sub {
		my ($node, $store, $key, @values) = @_;

		$node->safe_psql('src', join('', map { "SELECT x.mvstore_put('$store', '$key', '$_');\n" } @values));
	};

	$old->safe_psql('src', 'CREATE SCHEMA x; CREATE EXTENSION mvstore SCHEMA x');
	$old->safe_psql('src', q{SELECT x.mvstore_create(s) FROM unnest('{s,t,f}'::text[]) s; SELECT x.mvstore_create(s, keep_versions := 1) FROM unnest('{p,pinned}'::text[]) s});
	$put->($old, 'pinned', 'k', 1 .. 3);
	$put->($old, 's', 'done', 1 .. 4);
	my $past = $old->safe_psql('src', q{SELECT version FROM x.mvstore_get_entry('s', 'done')});
	$old->safe_psql('src', q{SELECT x.mvstore_drop('s', 'done', keep := 3)});
	is($old->safe_psql('src', 'SELECT x.mvstore_flush()'), 't', "$mode: some history is dropped");
	$old->safe_psql('src', 'TRUNCATE t');
	$put->($old, 's', 'done', 5, 6);
	$put->($old, $_, 'k', 1 .. 5) for ('s', 't', 'f', 'p');
	$put->($old, 's', 'once', 1 .. 4);
	$old->safe_psql('src', $_) for (
		q{SELECT x.mvstore_drop('s', 'k')}, q{SELECT x.mvstore_drop('s', 'once', keep := 3)}, q{SELECT x.mvstore_drop('t', 'k', keep := 2)},
		q{INSERT INTO x.mvstore_journal SELECT id + 1, system, database, 'f', (SELECT incarnation FROM x.mvstore_policy WHERE store = 'f'::regclass), 'drop', 'k', NULL, 4, before, false, 5, 'some error' FROM x.mvstore_journal WHERE store = 't'::regclass});
	my $pin = $old->safe_psql('src', q{SELECT x.mvstore_pin('report', ttl := '1 hour', store := 'pinned')});
	$put->($old, 'pinned', 'k', 4, 5);
	my $newest = $old->safe_psql('src', q{SELECT x.mvstore_put('s', 'newest', 'v')});
	my @upgrade = (
		'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', "$ENV{MVSTORE_OLD_SERVER}/bin", '-B', $new->config_data('--bindir'),
		'-s', $new->host, '-p', $old->port, '-P', $new->port, $mode);

	# What is held by a pause is not done by the server's stop.
	$old->safe_psql('src', 'SELECT x.mvstore_pause()');
	$old->safe_psql('src', q{BEGIN; SELECT x.mvstore_put('t', 'prepared', 'v'); PREPARE TRANSACTION 'p'});
	$old->stop;
	chdir $dir or die "could not change to $dir: $!";
	command_checks_all([ @upgrade, '--check' ], 1, [qr/prepared transactions/], [], "$mode: with a prepared transaction it is refused");
	$old->start;
	$old->safe_psql('src', q{ROLLBACK PREPARED 'p'});
	my $before = $old->safe_psql('src', $contents);
	$old->stop;
	command_ok(\@upgrade, "pg_upgrade $mode");

	# Somebody may take along what the old server kept of its queue: it is not for this one.
	my $kept = 'pg_stat/mvstore.queue';
	ok(copy($old->data_dir . "/$kept", $new->data_dir . "/$kept"), "$mode: the old server has kept its queue");

	# A paused database stays so: nothing changes until somebody looks.
	$new->start;
	cmp_ok($new->pg_version->major, '>', $old->pg_version->major, "$mode: this is another major");
	is($new->safe_psql('src', $contents), $before, "$mode: all is there");
	is($new->safe_psql('src', 'SELECT DISTINCT state FROM x.mvstore_requests WHERE id IS NOT NULL'), 'restored', "$mode: requests are restored ones");
	is($new->safe_psql('src', q{SELECT x.mvstore_get('s', 'k'), x.mvstore_get('s', 'done', as_of := } . $past . ')'), '5|4', "$mode: the present and the past can be read");
	my ($state) = sqlstate_of($new, 'src', q{SELECT x.mvstore_get('s', 'done', as_of := 1);});
	is($state, '72000', "$mode: what is gone is known to be gone");
	cmp_ok($new->safe_psql('src', q{SELECT x.mvstore_put('s', 'newest', 'w')}), '>', $newest, "$mode: versions rise");
	is($new->safe_psql('src', "SELECT x.mvstore_get('pinned', 'k', as_of := $pin)"), '3', "$mode: what is pinned is there");
	is($new->safe_psql('postgres', q{SELECT mvstore_get('here', 'k')}), '1', "$mode: so it is in database postgres");

	# A worker that is not paused leaves restored requests, and does its own.
	$new->safe_psql('src', 'DELETE FROM x.mvstore_paused');
	$new->restart;
	wait_until($new, 'src', 'SELECT count(*) = 1 FROM p', "$mode: policies are met");
	is($new->safe_psql('src', q{SELECT string_agg(value, ' ') FROM x.mvstore_history('pinned', 'k')}), '5 4 3', "$mode: the pin holds");
	$new->safe_psql('src', q{SELECT x.mvstore_unpin('report')});
	wait_until($new, 'src', 'SELECT count(*) = 1 FROM pinned', "$mode: until it is given up");
	$put->($new, 's', 'new', 1 .. 3);
	$new->safe_psql('src', q{SELECT x.mvstore_drop('s', 'new')});
	is($new->safe_psql('src', 'SELECT x.mvstore_flush()'), 't', "$mode: new requests are worked off");
	is($new->safe_psql('src', q{SELECT count(*) FROM x.mvstore_history('s', 'new')}), 1, "$mode: and done");
	is($new->safe_psql('src', 'SELECT string_agg(DISTINCT state, $$ $$), count(*) FROM x.mvstore_requests'), 'restored|4', "$mode: what was restored waits");
	is($new->safe_psql('src', $lengths), '5 4 5 5', "$mode: with all that it is for");
	$new->safe_psql('src', 'TRUNCATE t');
	$put->($new, 't', 'k', 1 .. 5);
	$new->safe_psql('src', 'SELECT x.mvstore_resume()');
	wait_until($new, 'src', 'SELECT count(*) = 1 FROM x.mvstore_requests', "$mode: mvstore_resume() has it done");
	is($new->safe_psql('src', $lengths), '1 3 5 5', "$mode: as was asked for, and not in a later life");
	is($new->safe_psql('src', 'SELECT state, last_error FROM x.mvstore_requests'), 'failed|some error', "$mode: what had failed has failed");
	$new->safe_psql('src', q{SELECT x.mvstore_retry_failed('f')});
	is($new->safe_psql('src', 'SELECT x.mvstore_flush()'), 't', "$mode: it is tried again");
	is($new->safe_psql('src', $lengths), '1 3 5 4', "$mode: and done");
	$put->($new, 's', 'once', 5, 6);
	$new->restart;
	$new->safe_psql('src', 'SELECT x.mvstore_resume()');
	is($new->safe_psql('src', 'SELECT x.mvstore_flush()'), 't', "$mode: then nothing is left");
	is($new->safe_psql('src', q{SELECT string_agg(value, ' ') FROM x.mvstore_history('s', 'once')}), '6 5 4 3 2', "$mode: what was done once is not done again");
	is($new->safe_psql('src', q{SELECT string_agg(value, ' ') FROM x.mvstore_history('s', 'done')}), '6 5 4 3 2', "$mode: nor what was done before");
	$new->stop;

	# Copied, the old server can still be used: there the requests are its own.
	next if $mode ne '--copy';
	$old->start;
	is($old->safe_psql('src', 'SELECT string_agg(state, $$ $$ ORDER BY id) FROM x.mvstore_requests WHERE id IS NOT NULL'), 'queued queued queued failed', 'the old server has its own requests');
	$old->safe_psql('src', 'SELECT x.mvstore_resume()');
	is($old->safe_psql('src', 'SELECT x.mvstore_flush()'), 'f', 'one of which has failed');
	is($old->safe_psql('src', 'SELECT count(*) FROM x.mvstore_requests'), 1, 'and does the others');
	wait_until($old, 'src', 'SELECT count(*) = 1 FROM p', 'with what policies ask for');
	is($old->safe_psql('src', $lengths), '1 3 2 5', 'as was asked for');
	$old->stop;
}

done_testing();
