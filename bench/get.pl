# Get: every one of KEYS keys once, in random order, in one statement, of a
# store with VERSIONS versions of each; against the sub-select that does the
# same on an identical table with the same index.

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
VACUUM ANALYZE store, plain;
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

my %seconds = rounds(@ways);
my @names = map { $_->[0] } @ways;
report(sprintf('get: %d keys of %d versions, %d rounds', KEYS, VERSIONS, ROUNDS), 'us/get',
	sub { $_[0] * 1e6 / KEYS }, [ @names[ 0, 1 ] ], %seconds);
report('get as of a version in the middle of the history', 'us/get',
	sub { $_[0] * 1e6 / KEYS }, [ @names[ 2, 3 ] ], %seconds);
