# Drop: all but the newest of VERSIONS versions of each key, until mvstore_flush says that
# all is done; against one DELETE that removes the same rows of an identical table with the
# same index. By a request for each key: in the order of the keys, in random order, and in
# the order in which the heap has them; by one request for all of them (mvstore_compact);
# and by a policy that the store has afterwards (keep_versions). The table was filled by so
# many passes over the keys, either in the order of the keys, or in a random one. As the last
# pass is what stays, a DELETE can also go by one version, without a look at keys: that is what
# deletions themselves cost, which no way has to find first.
#
# Of half of KEYS, whose requests have room in the queue; and of KEYS, whose do not, unless
# there are few: then most requests go by the journal.

use strict;
use warnings;
use Bench;
use Plot;

use constant SVG => $ENV{BENCH_SVG} || 'bench-drop.svg';

# What is dropped from is copied from here, so that all ways find the same. (What is put by
# mvstore_put_many is in the order of the keys.)
sub make_original
{
	my ($keys, $put) = @_;
	sql("SET client_min_messages = error;\nDROP TABLE IF EXISTS original, requested;\n" .
		"CREATE TABLE requested AS SELECT key, value FROM keys LIMIT $keys;\n" . <<'SQL' .
VACUUM ANALYZE requested;
SELECT mvstore_create('original') \g /dev/null
SQL
		"SELECT $put FROM requested \\g /dev/null\n" x VERSIONS);
}

my $fill_store = <<'SQL';
SET client_min_messages = error;
DROP TABLE IF EXISTS store, plain;
SELECT mvstore_create('store') \g /dev/null
ALTER TABLE store SET (autovacuum_enabled = off);
INSERT INTO store SELECT * FROM original;
ANALYZE store;
SELECT mvstore_flush('1 hour') \g /dev/null
SQL
my $fill_plain = <<'SQL';
SET client_min_messages = error;
DROP TABLE IF EXISTS store, plain;
CREATE TABLE plain (LIKE original);
CREATE UNIQUE INDEX ON plain (key, version DESC);
INSERT INTO plain SELECT * FROM original;
ANALYZE plain;
SQL

# Whatever was measured must have left the newest version of each key.
sub check
{
	my ($table, $keys, $seconds) = @_;
	my $rows = sql("SELECT count(*) FROM $table;");
	die "bench: $rows rows left in $table\n" if $rows != $keys;
	return $seconds;
}

my $flush = "SELECT 1 / mvstore_flush('1 hour')::int;\n";

# The ways of a size: the names, and the seconds of each by rounds.
sub measure
{
	my ($keys, $put, $order, $heap_order) = @_;
	my @after_commit;
	my $ask = sub {
		my ($name, $request, $rest) = @_;
		return [ $name => sub {
			my ($commit, $flushed) = laps($fill_store, $request, $flush);
			push @$rest, $flushed if $rest;
			check(store => $keys, $commit + $flushed);
		} ];
	};
	my $each = sub { "DO \$\$ BEGIN PERFORM mvstore_drop_raw('store', key) FROM (SELECT key FROM requested $_[0] OFFSET 0) k; END \$\$;\n" };
	make_original($keys, $put);
	my @ways = (
		[ 'DELETE, one statement' => sub {
			check(plain => $keys, seconds(<<'SQL', $fill_plain));
DELETE FROM plain p USING (SELECT key, max(version) AS head FROM plain GROUP BY key) h
 WHERE p.key = h.key AND p.version < h.head;
SQL
		} ],
		[ 'DELETE by a bound, no key is looked at' => sub {
			my $bound = sql('SELECT min(head) FROM (SELECT max(version) AS head FROM original GROUP BY key) h;');
			check(plain => $keys, seconds("DELETE FROM plain WHERE version < $bound;\n", $fill_plain));
		} ],
		$ask->("a request a key, $heap_order", $each->($order), \@after_commit),
		$ask->('a request a key, in random order', $each->('ORDER BY md5(key)')),
		$ask->('mvstore_compact of all keys', "SELECT mvstore_compact('store', mvstore_stable_version());\n"),
		$ask->('keep_versions := 1 from now on', "SELECT mvstore_set_policy('store', keep_versions := 1);\n"),
	);
	my %seconds = rounds(@ways);
	my @names = map { $_->[0] } @ways;
	$seconds{'  of this, after the COMMIT'} = \@after_commit;
	splice @names, 3, 0, '  of this, after the COMMIT';
	my $superseded = $keys * (VERSIONS - 1);
	my $rows = [ map { [ map { $superseded / $_ } @{ $seconds{ $_->[0] } } ] } @ways ];
	report(sprintf("drop: %d superseded entries of %d keys, %d rounds", $superseded, $keys, ROUNDS),
		'entries/s', sub { $superseded / $_[0] }, \@names, %seconds);
	report('the same in seconds', 's', sub { $_[0] }, \@names, %seconds);
	return { title => "entries/s, $superseded entries", format => '%.0f', rows => $rows };
}

make_keys();
my @columns = measure(int(KEYS / 2), "mvstore_put_many_raw('original', array_agg(key), array_agg(value))",
	'ORDER BY key', 'in the order of keys and heap');
print "\n";
push @columns, measure(KEYS, "count(mvstore_put_raw('original', key, value))", '', 'in the order of the heap');
bars(SVG, 'All but the newest version dropped, from the request to the end', [ 'DELETE, one statement', 'DELETE by a bound', 'mvstore, a request a key',
	'mvstore, in random order', 'mvstore_compact', 'mvstore, keep_versions := 1' ], @columns);
