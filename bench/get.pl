# Get: every one of KEYS keys once, in random order, in one statement, of a
# store with VERSIONS versions of each; against the sub-select that does the
# same on an identical table with the same index. And 1,000 keys in one call,
# from anywhere and such as are neighbours, against as many sub-selects.

use strict;
use warnings;
use Bench;

make_keys();
sql(<<'SQL'
SET client_min_messages = error;
DROP TABLE IF EXISTS store, plain;
SELECT mvstore_create('store') \g /dev/null
SQL
	. "SELECT count(mvstore_put_raw('store', key, value)) FROM keys \\g /dev/null\n" x VERSIONS
	. <<'SQL');
CREATE TABLE plain (LIKE store);
CREATE UNIQUE INDEX ON plain (key, version DESC);
-- In the order in which the store was written, so that the indexes are alike.
INSERT INTO plain SELECT * FROM store;
DROP TABLE IF EXISTS batches;
CREATE TABLE batches AS
SELECT 'far' AS what, array_agg(key) AS keys
  FROM (SELECT key, row_number() OVER () - 1 AS n FROM keys) k GROUP BY n / 1000
UNION ALL
SELECT 'near', array_agg(key ORDER BY random())
  FROM (SELECT key, row_number() OVER (ORDER BY key) - 1 AS n FROM keys) k GROUP BY n / 1000;
VACUUM ANALYZE store, plain, batches;
SQL

# A version in the middle of the history, above that of half the passes.
my $middle = sql(sprintf <<'SQL', VERSIONS / 2);
SELECT version FROM (SELECT DISTINCT version FROM store) v ORDER BY 1 OFFSET %d LIMIT 1;
SQL

# Read all that a statement reads once before, so that no way pays for a cold cache.
sub warm
{
	my ($sql) = @_;
	return seconds($sql, "\\o /dev/null\n$sql\\o\n");
}

my @ways = (
	[ 'SELECT ... ORDER BY version DESC LIMIT 1' => sub {
		warm(<<'SQL');
SELECT count((SELECT value FROM plain p WHERE p.key = keys.key
			   ORDER BY version DESC LIMIT 1)) FROM keys;
SQL
	} ],
	[ 'mvstore_get' => sub {
		warm("SELECT count(mvstore_get_raw('store', key)) FROM keys;\n");
	} ],
	[ 'the same SELECT, version <= the middle' => sub {
		warm(<<"SQL");
SELECT count((SELECT value FROM plain p WHERE p.key = keys.key AND version <= $middle
			   ORDER BY version DESC LIMIT 1)) FROM keys;
SQL
	} ],
	[ 'mvstore_get, as of the middle' => sub {
		warm("SELECT count(mvstore_get_raw('store', key, as_of => $middle)) FROM keys;\n");
	} ],
);

for my $what (qw(far near))
{
	push @ways,
	  [ "as many sub-selects, of keys that are $what" => sub {
		warm(<<"SQL");
SELECT count((SELECT value FROM plain p WHERE p.key = k
			   ORDER BY version DESC LIMIT 1)) FROM batches, unnest(keys) k WHERE what = '$what';
SQL
	  } ],
	  [ "mvstore_get_many of 1,000, $what" => sub {
		warm("SELECT count(g.value) FROM batches, mvstore_get_many_raw('store', keys) g WHERE what = '$what';\n");
	  } ];
}

my %seconds = rounds(@ways);
my @names = map { $_->[0] } @ways;
report(sprintf('get: %d keys of %d versions, %d rounds', KEYS, VERSIONS, ROUNDS), 'us/get',
	sub { $_[0] * 1e6 / KEYS }, [ @names[ 0, 1 ] ], %seconds);
report('get as of a version in the middle of the history', 'us/get',
	sub { $_[0] * 1e6 / KEYS }, [ @names[ 2, 3 ] ], %seconds);
report('get many: 1,000 keys a call, from anywhere', 'us/get',
	sub { $_[0] * 1e6 / KEYS }, [ @names[ 4, 5 ] ], %seconds);
report('get many: 1,000 keys a call, neighbours in random order', 'us/get',
	sub { $_[0] * 1e6 / KEYS }, [ @names[ 6, 7 ] ], %seconds);
