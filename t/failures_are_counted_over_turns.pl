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

for my $database ('fails', 'waits')
{
	sql('postgres', "CREATE DATABASE $database");
	sql($database, 'CREATE EXTENSION mvstore');
	sql($database, q{SELECT mvstore_create('s'); SELECT mvstore_put_at('s', 'k', 'v', v) FROM generate_series(1, 3) v});
}

# One database keeps what a pin holds, and so wants a worker; the other one cannot do what it is asked for.
sql('waits', q{SELECT mvstore_pin('first', 1); SELECT mvstore_drop('s', 'k')});
sql('fails', q{BEGIN; SELECT mvstore_drop('s', 'k');
	CREATE TABLE child (key bytea, version bigint, FOREIGN KEY (key, version) REFERENCES s (key, version)); COMMIT});
wait_until($node, 'fails', q{SELECT attempts > 0 FROM mvstore_requests}, 'it fails');
wait_until($node, 'fails', q{SELECT attempts = 5 AND state = 'failed' FROM mvstore_requests}, 'and is set aside after five attempts');
is(sql('fails', q{SELECT mvstore_flush('1 h')}), 'f', 'a flush says so at once');
cmp_ok(() = slurp_file($node->logfile) =~ /was set aside after 5 attempts/g, '==', 1, 'once');
cmp_ok(() = slurp_file($node->logfile) =~ /drop worker for database .* started/g, '>', 2, 'by several workers') if slurp_file($node->logfile) =~ /drop worker for database .* started/;

$node->stop;
done_testing();
