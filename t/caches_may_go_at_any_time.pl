# What is kept of a relation is not there any more after any look at the catalog: only in a
# build of PostgreSQL with assertions, which can throw all caches away whenever they could go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('caches', conf => 'fsync = off');
if ($node->safe_psql('postgres', q{SELECT max_val FROM pg_settings WHERE name = 'debug_discard_caches'}) eq '0')
{
	$node->stop;
	plan skip_all => 'caches cannot be thrown away in this build';
}

sub sql { return $node->safe_psql('postgres', "SET debug_discard_caches = 1; $_[0]"); }

sql(q{SELECT mvstore_create('s', keep_versions := 1)});
sql(q{CREATE TABLE t (LIKE s INCLUDING INDEXES); SELECT mvstore_attach('t'); DROP TABLE t});
is(sql(q{SELECT mvstore_put('s', 'k', '1') < mvstore_put('s', 'l', '2')}), 'f', 'puts');
is(sql(q{SELECT mvstore_put_many('s', '{k,m}', '{3,4}') > 0}), 't', 'puts of many');
is(sql(q{SELECT string_agg(key || value, ' ') FROM mvstore_scan('s')}), 'k3 l2 m4', 'scans');
is(sql(q{SELECT mvstore_get('s', 'k')}), '3', 'gets');
sql(q{SELECT mvstore_pause(), mvstore_pin('p')});
sql(q{SELECT mvstore_drop('s', 'l'), mvstore_unpin('p'), mvstore_resume()});
is(sql(q{SELECT mvstore_erase('s', 'l') > 0}), 't', 'erasures');

# And in the worker.
$node->append_conf('postgresql.conf', 'debug_discard_caches = 1');
$node->reload;
is($node->safe_psql('postgres', q{SELECT mvstore_sweep('s'); SELECT mvstore_flush()}), "\nt", 'and drops');
is(entries_of($node, 'postgres', 's'), 2, 'are done');
is($node->safe_psql('postgres', 'SELECT count(last_error) FROM mvstore_stats'), 0, 'without an error');

$node->stop;
done_testing();
