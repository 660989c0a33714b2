# Drop: all but the newest of VERSIONS versions of KEYS keys, by a request for
# each key, until mvstore_flush says that all is done; against one DELETE that
# removes the same rows of an identical table with the same index.

use strict;
use warnings;
use Bench;

my $superseded = KEYS * (VERSIONS - 1);

sub fill_store
{
	return <<'SQL' . "SELECT count(mvstore_put_raw('store', key, value)) FROM keys \\g /dev/null\n" x VERSIONS;
SET client_min_messages = error;
DROP TABLE IF EXISTS store, plain;
SELECT mvstore_create('store') \g /dev/null
SQL
}

sub fill_plain
{
	return fill_store() . <<'SQL';
CREATE TABLE plain (LIKE store);
INSERT INTO plain SELECT * FROM store;
CREATE UNIQUE INDEX ON plain (key, version DESC);
ANALYZE plain;
SQL
}

# Whatever was measured must have left the newest version of each key.
sub check
{
	my ($table, $seconds) = @_;
	my $rows = sql("SELECT count(*) FROM $table;");
	die "bench: $rows rows left in $table\n" if $rows != KEYS;
	return $seconds;
}

my $request = <<'SQL';
DO $$ BEGIN PERFORM mvstore_drop_raw('store', key) FROM keys; END $$;
SQL
my $flush = "SELECT 1 / mvstore_flush('1 hour')::int;\n";

make_keys();
my @after_commit;
my @ways = (
	[ 'DELETE, one statement' => sub {
		check(plain => seconds(<<'SQL', fill_plain()));
DELETE FROM plain p USING (SELECT key, max(version) AS head FROM plain GROUP BY key) h
 WHERE p.key = h.key AND p.version < h.head;
SQL
	} ],
	[ 'mvstore_drop of each key, to flush' => sub {
		my ($commit, $rest) = laps(fill_store(), $request, $flush);
		push @after_commit, $rest;
		check(store => $commit + $rest);
	} ],
);
my %seconds = rounds(@ways);
$seconds{'of this, after the COMMIT'} = \@after_commit;
my @names = ((map { $_->[0] } @ways), 'of this, after the COMMIT');
report(sprintf('drop: %d superseded entries of %d keys, %d rounds', $superseded, KEYS, ROUNDS),
	'entries/s', sub { $superseded / $_[0] }, \@names, %seconds);
report('the same in seconds', 's', sub { $_[0] }, \@names, %seconds);
