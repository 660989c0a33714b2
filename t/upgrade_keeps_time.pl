# Over pg_upgrade, here to the same version, time goes on: what is old or has
# expired by then goes, what is to go later is known, and pins hold until they end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "mvstore.sweep_interval = '1 s'\nstatement_timeout = '2 min'\nfsync = off";
my $old = mvstore_node('old', conf => $conf);
my $new = PostgreSQL::Test::Cluster->new('new');
my $dir = PostgreSQL::Test::Utils::tempdir();

sub sql { return $old->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('aged', keep_for := '1 s'), mvstore_create('day', keep_for := '1 day'), mvstore_create('lives', ttl := '1 day'), mvstore_create('pinned', keep_versions := 1)});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');
sql("SELECT mvstore_put(s, k, '$_') FROM unnest('{day,pinned}'::regclass[]) s, unnest('{k1,k2,k3}'::text[]) k") for (1, 2);
my $pin = sql(q{SELECT mvstore_pin('p', ttl := '1 hour', store := 'pinned')});
sql(q{SELECT mvstore_pin('short', ttl := '1 s', store := 'lives')});
sql("SELECT mvstore_put('pinned', 'k1', '$_')") for (3, 4);
sql(q{SELECT mvstore_put('lives', 'k1', 'v'), mvstore_put('lives', 'k2', 'v', ttl := '1 s')});
is(sql(q{SELECT mvstore_flush('1 day')}), 'f', 'a pin holds');
sql("SELECT mvstore_put('aged', 'k', '$_')") for (1, 2);
my $noted = q{SELECT store, sum(length(keys)) / 6 FROM mvstore_calendar WHERE store = 'day'::regclass GROUP BY store};
my $is_noted = sql($noted);
like($is_noted, qr/^day\|3/, 'what is to go is noted');
my $pins = q{SELECT * FROM mvstore_pins WHERE name = 'p'};
my $told = sql($pins);
$old->stop;

$new->init;
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'mvstore'\nautovacuum = off\n$conf");
chdir $dir or die "could not change to $dir: $!";
command_ok(
	[ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'),
		'-s', $new->host, '-p', $old->port, '-P', $new->port ],
	'pg_upgrade');
$new->start;

sub ask { return $new->safe_psql('postgres', $_[0]); }
is(ask($pins), $told, 'the pin has come along');
is(ask(q{SELECT mvstore_get('pinned', 'k1', as_of := } . $pin . ')'), '2', 'with what it holds');
wait_until($new, 'postgres', q{SELECT (SELECT count(*) FROM aged) = 1 AND (SELECT count(*) FROM lives) = 1}, 'what has got old on the way goes');
ask(q{SELECT mvstore_put('pinned', 'k1', '5')});
is(ask(q{SELECT mvstore_flush('1 day')}), 'f', 'the pin holds');
is(ask(q{SELECT string_agg(value, ' ') FROM mvstore_history('pinned', 'k1')}), '5 4 3 2', 'what is since then');
is(ask('SELECT count(*) FROM mvstore_pin'), 1, 'one that has expired is gone');
is(ask($noted), $is_noted, 'what is to go later is noted');
is(ask('SELECT count(*) FROM day'), 6, 'and there');
ask(q{SELECT mvstore_put('aged', 'k', '3'), mvstore_put('lives', 'k3', 'v', ttl := '1 s')});
wait_until($new, 'postgres', q{SELECT (SELECT count(*) FROM aged) = 1 AND (SELECT count(*) FROM lives) = 1}, 'what gets old there goes, too');
is(ask(q{SELECT mvstore_unpin('p')}), 't', 'the pin is given up');
is(ask('SELECT mvstore_flush()'), 't', 'then nothing waits');
is(ask('SELECT count(*) FROM pinned'), 3, 'and all that waited has gone');
$new->stop;

done_testing();
