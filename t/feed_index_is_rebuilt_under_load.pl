# The index of the feed is made, rebuilt and removed while many write, drop and erase: what it
# has in the end is what the table has. A consumer of changes would miss the rest for ever.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('rebuilt', conf => 'fsync = off');
my $rounds = 2;

$node->safe_psql('postgres', q{SELECT mvstore_create('s', keep_versions := 3)});
my ($no_amcheck) = $node->psql('postgres', 'CREATE EXTENSION amcheck');
note('only counts are compared: there is no amcheck here') if $no_amcheck;

my $script = $node->basedir . '/write.sql';
append_to_file($script, <<'SQL');
\set k random(1, 50)
\set l random(1, 50)
BEGIN;
SELECT mvstore_put('s', 'k' || :k, 'v');
SELECT mvstore_put_many('s', ARRAY['l' || :l, 'm' || :l], ARRAY['v', NULL]);
COMMIT;
SELECT mvstore_erase('s', 'k' || :l);
SQL
my ($out, $err) = ('', '');
my $load = IPC::Run::start([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', '4', '-T', '120',
		'--max-tries=20', '-f', $script, 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);

# The number of puts that a step waits for, so that the load has met it.
sub puts
{
	my $puts = $node->safe_psql('postgres', 'SELECT puts FROM mvstore_store_stats');
	wait_until($node, 'postgres', 'SELECT puts > ' . ($puts + 100) . ' FROM mvstore_store_stats', $_[0]);
}

# Entries that one of the two has and the other has not, in one snapshot.
sub differences
{
	return $node->safe_psql('postgres', <<'SQL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
CREATE TEMP TABLE by_index AS SELECT version, key FROM s WHERE version > 0 ORDER BY version, key;
SET LOCAL enable_seqscan = on;
SET LOCAL enable_indexscan = off;
SET LOCAL enable_indexonlyscan = off;
SELECT count(*) FROM (SELECT version, key FROM s EXCEPT ALL SELECT * FROM by_index) d;
SQL
}

puts('the load has begun');
for my $round (1 .. $rounds)
{
	$node->safe_psql('postgres', 'CREATE INDEX CONCURRENTLY feed ON s (version, key)');
	puts('made');
	$node->safe_psql('postgres', 'REINDEX INDEX CONCURRENTLY feed');
	puts('rebuilt');
	$node->safe_psql('postgres', 'REINDEX TABLE CONCURRENTLY s');
	puts('rebuilt with the other');
	is(differences(), 0, "round $round: the index has what the table has");
	is($node->safe_psql('postgres', 'SELECT count(bt_index_check(indexrelid, true)) FROM pg_index WHERE indrelid = $$s$$::regclass'), 2,
		'so says amcheck') unless $no_amcheck;
	$node->safe_psql('postgres', $_) for $round % 2 ? 'DROP INDEX CONCURRENTLY feed' : q{SELECT mvstore_set_feed('s', false)};
	puts('removed');
}
$load->signal('INT');
$load->finish;
unlike($err, qr/ERROR/, 'nobody who wrote was refused');

done_testing();
