# A data-only restore with --disable-triggers leaves a store whose trigger on TRUNCATE
# does not fire for a subscription. A TRUNCATE that went unseen would make reads of the
# past say that there was nothing: so the store is not written before that is mended.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('without_triggers');
my $dir = PostgreSQL::Test::Utils::tempdir();
my @connect = ('-h', $node->host, '-p', $node->port);

sub sql { return $node->safe_psql('restored', $_[0]); }

$node->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('plain')});
$node->safe_psql('postgres', q{SELECT mvstore_put_at('s', 'k', 'v' || v, v) FROM generate_series(10, 20, 10) v});
$node->command_ok([ 'pg_dump', @connect, '-Fc', '-f', "$dir/dump", 'postgres' ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', @connect, '--exit-on-error', '--schema-only', '-d', 'restored', "$dir/dump" ], 'the schema');
$node->command_ok(
	[ 'pg_restore', @connect, '--exit-on-error', '--data-only', '--disable-triggers', '-d', 'restored', "$dir/dump" ],
	'and the data, with --disable-triggers');
is(sql(q{SELECT tgenabled FROM pg_trigger WHERE tgname = 'mvstore_truncate' AND tgrelid = 's'::regclass}), 'O', 'turn the trigger into an ordinary one');

my ($state, $error) = sqlstate_of($node, 'restored', q{SELECT mvstore_put('s', 'k', 'v');});
is($state, '55000', 'then nothing is written');
my ($hint) = $error =~ /HINT:  Run (.*)\./;
is(sql(q{SELECT mvstore_get('s', 'k'), mvstore_get('s', 'k', 10)}), 'v20|v10', 'but reads go on');
sql($hint);
is(sql(q{SELECT mvstore_put('s', 'k', 'v') > 20}), 't', 'the hint mends it');

# As a subscription would.
sql('SET session_replication_role = replica; TRUNCATE s');
($state) = sqlstate_of($node, 'restored', q{SELECT mvstore_get('s', 'k', 10);});
is($state, '72000', 'and a TRUNCATE of a subscription is seen');

$node->stop;
done_testing();
