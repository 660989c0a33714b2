# A request that fails is set aside after five attempts, also where several databases share a
# worker's place. If each turn began to count anew, two databases would change places for ever for
# the sake of one request that nobody can do.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('turns', conf => "mvstore.max_workers = 1\nmvstore.flush_interval = '10 ms'\nmvstore.sweep_interval = '1 h'\nfsync = off");

sub sql { return $node->safe_psql(@_); }

# In each database a request that cannot be done.
for my $database ('one', 'other')
{
	sql('postgres', "CREATE DATABASE $database");
	sql($database, 'CREATE EXTENSION mvstore');
	sql($database, q{SELECT mvstore_create('s'); SELECT mvstore_put_at('s', 'k', 'v', v) FROM generate_series(1, 3) v});
}
sql($_, q{BEGIN; SELECT mvstore_drop('s', 'k');
	CREATE TABLE child (key bytea, version bigint, FOREIGN KEY (key, version) REFERENCES s (key, version)); COMMIT}) for ('one', 'other');
for my $database ('one', 'other')
{
	wait_until($node, $database, q{SELECT attempts = 5 AND state = 'failed' FROM mvstore_requests}, "it is set aside after five attempts in $database");
	is(sql($database, q{SELECT mvstore_flush('1 h')}), 'f', 'and a flush says so at once');
}
cmp_ok(() = slurp_file($node->logfile) =~ /was set aside after 5 attempts/g, '==', 2, 'each once');

$node->stop;
done_testing();
