# View: what a query of a view over mvstore_scan costs that filters by key, or joins by
# it, in a store of KEYS keys; against the same query where the filter comes after a scan
# of the whole store, and against the function that reads just that.

use strict;
use warnings;
use Bench;

use constant STORE_KEYS => $ENV{BENCH_KEYS} || 500_000;
use constant TIMES => 100;		# that the quick ways run, for one measurement

make_keys(STORE_KEYS);
sql(<<'SQL');
SET client_min_messages = error;
DROP TABLE IF EXISTS store, few CASCADE;
SELECT mvstore_create('store') \g /dev/null
SELECT count(mvstore_put_raw('store', key, value)) FROM keys \g /dev/null
CREATE VIEW live AS SELECT * FROM mvstore_scan('store');
CREATE TABLE few AS
SELECT convert_from(key, 'UTF8') AS key FROM keys ORDER BY key OFFSET 1000 LIMIT 100;
VACUUM ANALYZE store, few;
SQL
my $key = sql('SELECT min(key) FROM few;');
my $last = sql('SELECT max(key) FROM few;');
my $prefix = substr $key, 0, 7;		# key: and three of 32 digits

# What reads everything, and filters it; and what need not.
sub whole { return "WITH live AS MATERIALIZED (TABLE live) $_[0];\n" }
sub quick { return "$_[0];\n" }

my @queries = (
	[ 'one key' => "SELECT value FROM live WHERE key = '$key'",
		[ mvstore_get => "SELECT mvstore_get('store', '$key')" ] ],
	[ 'a list of four keys' => "SELECT value FROM live WHERE key IN ('$key', '$last', 'a', 'z')",
		[ mvstore_get_many => "SELECT value FROM mvstore_get_many('store', ARRAY['$key', '$last', 'a', 'z'])" ] ],
	[ 'a prefix' => "SELECT count(*), max(value) FROM live WHERE key LIKE '$prefix%'",
		[ mvstore_scan_prefix => "SELECT count(*), max(value) FROM mvstore_scan_prefix('store', '$prefix')" ] ],
	[ 'a range of 100 keys' =>
		  qq{SELECT count(*), max(value) FROM live WHERE key COLLATE "C" >= '$key' AND key COLLATE "C" < '$last'},
		[ 'mvstore_scan with bounds' => "SELECT count(*), max(value) FROM mvstore_scan('store', '$key', '$last')" ] ],
	[ 'a join with 100 keys' => 'SELECT count(*), max(value) FROM few JOIN live USING (key)',
		[ 'mvstore_get of each' => "SELECT count(*), max(mvstore_get('store', key)) FROM few" ] ],
);

for my $query (@queries)
{
	my ($title, $sql, $function) = @$query;
	my @names = ($function->[0], 'the view', 'the view, filtered after a whole scan');
	my %ways;
	@ways{@names} = ([ quick($function->[1]), TIMES ], [ quick($sql), TIMES ], [ whole($sql), 1 ]);
	my @answers = map { sql($ways{$_}[0]) } @names[ 1, 2 ];
	die "bench: $title: $answers[0] is not $answers[1]\n" if $answers[0] ne $answers[1];
	report(sprintf('view: %s of %d, %d rounds', $title, STORE_KEYS, ROUNDS), 'ms', sub { $_[0] * 1e3 }, \@names,
		rounds(map {
			my ($statement, $times) = @{ $ways{$_} };
			[ $_ => sub { seconds($statement x $times, $statement) / $times } ]
		} @names));
}
