# A request that fails is set aside after five attempts, also where several databases share a
# worker's place. If each turn began to count anew, two databases would change places for ever for
# the sake of one request that nobody can do. So it is with a range that fails behind its first slice, which each
# turn begins anew.

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

# The same of compactions, each of which meets a damaged page in its third slice.
my %damaged;
for my $database ('one', 'other')
{
	sql($database, q{SELECT mvstore_create('long')});
	sql($database, q{INSERT INTO long (key, version, value) SELECT convert_to('k' || lpad(k::text, 6, '0'), 'UTF8'), v, 'v' FROM generate_series(1, 30000) k, generate_series(1, 2) v});
	my $path = $node->data_dir . '/' . sql($database, q{SELECT pg_relation_filepath('long')});
	$damaged{$path} = sql($database, q{SELECT (ctid::text::point)[0] FROM long WHERE key = 'k022500' AND version = 2});
}
$node->stop('fast');
page_of($_, $damaged{$_}, "\xff" x 8192) for keys %damaged;
$node->start;
sql($_, q{SELECT mvstore_compact('long', mvstore_stable_version())}) for ('one', 'other');
for my $database ('one', 'other')
{
	wait_until($node, $database, q{SELECT attempts = 5 AND state = 'failed' FROM mvstore_requests WHERE kind = 'compact'}, "a range is set aside after five attempts in $database");
}

$node->stop;
done_testing();
