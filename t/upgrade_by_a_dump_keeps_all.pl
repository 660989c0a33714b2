# A dump of an older major, by its own pg_dump, which knows all that its server writes: stores, their
# past, policies and pins are there in the new server, and requests wait as restored ones.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'takes a second PostgreSQL: ./dev upgrade' unless $ENV{MVSTORE_OLD_SERVER};

my $old = PostgreSQL::Test::Cluster->new('old', install_path => $ENV{MVSTORE_OLD_SERVER});
my $new = PostgreSQL::Test::Cluster->new('new');
for my $node ($old, $new)
{
	$node->init;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'\nautovacuum = off\nfsync = off");
	$node->start;
	$node->safe_psql('postgres', 'CREATE DATABASE src');
}
cmp_ok($new->pg_version->major, '>', $old->pg_version->major, 'this is another major');

sub ask { return $_[0]->safe_psql('src', $_[1]); }

ask($old, q{CREATE EXTENSION mvstore; SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 2, ttl := '1 day'), mvstore_create('aged', keep_for := '1 s')});
ask($old, qq{SELECT mvstore_put(store, key, 'v$_') FROM unnest('{s,p}'::regclass[]) store, unnest('{a,b}'::text[]) key}) for (1 .. 3);
my $early = ask($old, q{SELECT min(version) FROM s});
ask($old, q{SELECT mvstore_drop('s', 'a', keep := 2)});
is(ask($old, 'SELECT mvstore_flush()'), 't', 'some history is dropped');
my $pin = ask($old, q{SELECT mvstore_pin('report', ttl := '1 hour', store := 's')});
ask($old, qq{SELECT mvstore_put(store, key, 'v$_') FROM unnest('{s,p,aged}'::regclass[]) store, unnest('{a,b}'::text[]) key}) for (4 .. 5);
ask($old, q{SELECT mvstore_drop('s', 'b')});
wait_until($old, 'src', q{SELECT requests_held = 1 FROM mvstore_stats WHERE database = 'src'}, 'a request waits for the pin');
ask($old, 'SELECT mvstore_pause()');
ask($old, q{SELECT mvstore_put('aged', 'a', 'v6')});

my $contents = <<'SQL';
SELECT 's', * FROM s ORDER BY key, version;
SELECT 'p', * FROM p ORDER BY key, version;
SELECT 'aged', * FROM aged ORDER BY key, version;
SELECT store, keep_versions, keep_for, ttl, incarnation FROM mvstore_stores ORDER BY store::text;
SELECT store, floor FROM mvstore_floor ORDER BY store::text;
SELECT name, store, version, expires FROM mvstore_pins;
SELECT id, store, key, keep, before, attempts, last_error FROM mvstore_requests WHERE id IS NOT NULL ORDER BY id;
SQL
my $before = ask($old, $contents);
my $newest = ask($old, 'SELECT mvstore_stable_version()');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/src.dump';
$old->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $old->connstr('src') ], 'pg_dump');
$new->command_ok([ 'pg_restore', '--exit-on-error', '-d', $new->connstr('src'), $dump ], 'pg_restore');
$old->stop;

# A pause comes along, so nothing changes until somebody looks.
is(ask($new, $contents), $before, 'all is there');
is(ask($new, 'SELECT string_agg(DISTINCT state, $$ $$) FROM mvstore_requests WHERE id IS NOT NULL'), 'restored', 'the request is a restored one');
is(ask($new, "SELECT mvstore_get('s', 'b', as_of := $pin), mvstore_get('s', 'b')"), 'v3|v5', 'the present and the past can be read');
my ($state) = sqlstate_of($new, 'src', "SELECT mvstore_get('s', 'a', as_of := $early);");
is($state, '72000', 'what is gone is known to be gone');
cmp_ok(ask($new, q{SELECT mvstore_put('s', 'c', 'v')}), '>', $newest, 'versions rise');

# Resumed, what policies ask for is done, and what was requested.
ask($new, 'SELECT mvstore_resume()');
wait_until($new, 'src', q{SELECT (SELECT count(*) FROM p) = 4 AND (SELECT count(*) FROM aged) = 2}, 'policies are met');
ask($new, q{SELECT mvstore_unpin('report')});
is(ask($new, 'SELECT mvstore_flush()'), 't', 'what waited is done');
is(ask($new, q{SELECT string_agg(value, ' ') FROM mvstore_history('s', 'b')}), 'v5', 'as was asked for');
is(ask($new, q{SELECT string_agg(value, ' ') FROM mvstore_history('s', 'a')}), 'v5 v4 v3 v2', 'and no more');
unlike(slurp_file($new->logfile), qr/PANIC|TRAP|was terminated by signal/, 'no process has failed on the way');
$new->stop;
done_testing();
