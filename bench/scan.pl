# Scan: the newest value of every key, and that as of a version in the middle of
# the history, of stores with ENTRIES entries each, 1 to 1,000 of a key; against
# SELECT DISTINCT ON, and a loose index scan by a recursive query, of the same
# table with its index; likewise downwards, of one version and ten. And what ten
# rows of a larger store cost.

use strict;
use warnings;
use Bench;

use constant ENTRIES => $ENV{BENCH_ENTRIES} || 1_000_000;

# What every way answers: how many keys, and bytes of their values.
my $answer = 'SELECT count(*), sum(length(value))';

# A store "store" of so many versions of each key, which the server has read once.
sub fill
{
	my ($entries, $versions) = @_;
	my $pass = "SELECT count(mvstore_put_raw('store', key, value)) FROM keys \\g /dev/null\n";
	make_keys($entries / $versions);
	sql(<<'SQL' . $pass x $versions . <<'SQL');
SET client_min_messages = error;
SET synchronous_commit = off;
DROP TABLE IF EXISTS store;
SELECT mvstore_create('store') \g /dev/null
SQL
VACUUM ANALYZE store;
SQL
	return sql(sprintf <<'SQL', $versions / 2);
SELECT version FROM (SELECT DISTINCT version FROM store) v ORDER BY 1 OFFSET %d LIMIT 1;
SQL
}

# The rows of each way, as a subquery: name => SQL. $as_of is a version or undef.
sub ways
{
	my ($as_of, $max_rows) = @_;
	my $where = defined $as_of ? "WHERE version <= $as_of" : '';
	my $and = defined $as_of ? "AND version <= $as_of" : '';
	my $options = join '', (defined $as_of ? ", as_of => $as_of" : ''),
	  (defined $max_rows ? ", max_rows => $max_rows" : '');
	my $limit = defined $max_rows ? "LIMIT $max_rows" : '';
	my $distinct = <<"SQL";
(SELECT * FROM (SELECT DISTINCT ON (key) key, version, value FROM store $where
				ORDER BY key, version DESC) newest
  WHERE value IS NOT NULL $limit) answer
SQL

	# From key to key by the index. As of a version, the next key may have no
	# entry yet; as of the newest, its first entry is the answer at once.
	my $loose = defined $as_of ? <<"SQL" : <<"SQL";
(WITH RECURSIVE walk AS (
	(SELECT key FROM store ORDER BY key, version DESC LIMIT 1)
	UNION ALL
	SELECT next.key FROM walk, LATERAL (
		SELECT key FROM store WHERE key > walk.key ORDER BY key, version DESC LIMIT 1) next)
 SELECT walk.key, entry.version, entry.value FROM walk, LATERAL (
	SELECT version, value FROM store WHERE key = walk.key $and ORDER BY version DESC LIMIT 1) entry
  WHERE value IS NOT NULL $limit) answer
SQL
(WITH RECURSIVE walk AS (
	(SELECT key, version, value FROM store ORDER BY key, version DESC LIMIT 1)
	UNION ALL
	SELECT next.* FROM walk, LATERAL (
		SELECT key, version, value FROM store WHERE key > walk.key
		 ORDER BY key, version DESC LIMIT 1) next)
 SELECT * FROM walk WHERE value IS NOT NULL $limit) answer
SQL

	return (
		[ 'DISTINCT ON, as the planner likes', '', $distinct ],
		[ 'DISTINCT ON, by the index',
			"SET enable_seqscan = off; SET enable_sort = off; SET enable_hashagg = off;\n",
			$distinct ],
		[ 'loose index scan by WITH RECURSIVE', '', $loose ],
		[ 'mvstore_scan_raw', '', "mvstore_scan_raw('store'$options)\n" ],
	);
}

# Measure both ways of reading the store from the last key to the first.
sub measure_reverse
{
	my ($versions) = @_;
	my @measured = map {
		my ($name, $rows) = @$_;
		[ $name => sub { seconds("$answer FROM $rows;\n") } ]
	  } [ 'DISTINCT ON, descending' => <<'SQL' ], [ 'mvstore_scan_raw, reverse' => <<'SQL' ];
(SELECT * FROM (SELECT DISTINCT ON (key) key, version, value FROM store
				ORDER BY key DESC, version DESC) newest
  WHERE value IS NOT NULL) answer
SQL
mvstore_scan_raw('store', reverse => true)
SQL
	report(sprintf('scan downwards: %d keys of %d versions, %d rounds', ENTRIES / $versions,
			$versions, ROUNDS), 'ms', sub { $_[0] * 1e3 }, [ map { $_->[0] } @measured ],
		rounds(@measured));
}

# Measure all ways of reading the store as of one version.
sub measure
{
	my ($versions, $title, $as_of) = @_;
	my @ways = ways($as_of);
	my @answers = map { sql("$_->[1]$answer FROM $_->[2];") } @ways;
	my $right = sql("$answer FROM keys;");
	die "bench: @answers instead of $right\n" if grep { $_ ne $right } @answers;
	my $options = defined $as_of ? ", as_of => $as_of" : '';
	my @measured = map {
		my ($name, $before, $rows) = @$_;
		[ $name => sub { seconds("$answer FROM $rows;\n", $before) } ]
	} @ways;
	push @measured,
	  [ 'mvstore_count_raw' => sub { seconds("SELECT mvstore_count_raw('store'$options);\n") } ];
	report(sprintf('scan: %d keys of %d versions, %s, %d rounds', ENTRIES / $versions,
			$versions, $title, ROUNDS), 'ms', sub { $_[0] * 1e3 },
		[ map { $_->[0] } @measured ], rounds(@measured));
}

# The pages that ten rows take, by EXPLAIN, and the time by its clock, of the
# newest and as of a version.
sub ten_rows
{
	my ($entries, $versions, $middle) = @_;
	my %cells;
	my @ways = map {
		my $options = defined $_ ? ", as_of => $_" : '';
		(ways($_, 10),
			[ 'mvstore_scan_raw, reverse', '', "mvstore_scan_raw('store'$options, max_rows => 10, reverse => true)\n" ])
	} undef, $middle;
	for my $way (@ways)
	{
		my ($name, $before, $rows) = @$way;
		my @plans = split /\n/, sql($before . "SELECT * FROM pages(\$\$SELECT * FROM $rows\$\$);\n" x ROUNDS);
		my ($pages) = split /\|/, $plans[-1];
		push @{ $cells{$name} }, $pages, median(map { (split /\|/)[1] } @plans);
	}
	printf "ten rows of %d keys of %d versions\n", $entries / $versions, $versions;
	printf "  %-44s %10s %10s %10s %10s\n", '', 'pages', 'ms', 'pages', 'as of, ms';
	printf "  %-44s %10d %10.3f %10d %10.3f\n", $_, @{ $cells{$_} } for map { $_->[0] } @ways[ 0 .. $#ways / 2 ];
}

sql(<<'SQL');
SET client_min_messages = error;
DROP FUNCTION IF EXISTS pages;
CREATE FUNCTION pages(query text, OUT pages bigint, OUT ms float8) LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE query;	-- so that the catalogue is in the caches
  EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
  SELECT sum((plan->0->'Plan'->>kind)::bigint) INTO pages
    FROM unnest('{Shared Hit Blocks,Shared Read Blocks}'::text[]) kind;
  ms := plan->0->>'Execution Time';
END $$;
SQL
for my $versions (grep { $_ <= ENTRIES } 1, 10, 100, 1000)
{
	my $middle = fill(ENTRIES, $versions);
	measure($versions, 'newest', undef);
	measure($versions, 'as of the middle', $middle);
	measure_reverse($versions) if $versions <= 10;
	ten_rows(ENTRIES, $versions, $middle);
}
ten_rows(4 * ENTRIES, 4, fill(4 * ENTRIES, 4));
