# Put: KEYS keys, VERSIONS times over, each pass a transaction, in one session;
# against INSERTs of the same rows into an identical table with the same index.

use strict;
use warnings;
use Bench;

sub fresh_table
{
	return <<'SQL';
SET client_min_messages = error;
DROP TABLE IF EXISTS store, plain;
CREATE TABLE plain (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz);
CREATE UNIQUE INDEX ON plain (key, version DESC);
SQL
}

sub fresh_store
{
	return <<'SQL';
SET client_min_messages = error;
DROP TABLE IF EXISTS store, plain;
SELECT mvstore_create('store') \g /dev/null
SQL
}

# The same statement for each version, autocommitted; %d is the version.
sub passes
{
	my $sql = shift;
	return join '', map { (my $pass = $sql) =~ s/%d/$_/g; $pass } 1 .. VERSIONS;
}

# Whatever was measured must have written every row.
sub check
{
	my ($table, $seconds) = @_;
	my $rows = sql("SELECT count(*) FROM $table;");
	die "bench: $rows rows in $table\n" if $rows != KEYS * VERSIONS;
	return $seconds;
}

my @ways = (
	[ 'INSERT ... SELECT, one statement a pass' => sub {
		check(plain => seconds(passes("INSERT INTO plain SELECT key, %d, value FROM keys;\n"),
			fresh_table()));
	} ],
	[ 'INSERT in a PL/pgSQL loop' => sub {
		check(plain => seconds(passes(<<'SQL'), fresh_table()));
DO $$ DECLARE k record; BEGIN
FOR k IN SELECT key, value FROM keys LOOP
	INSERT INTO plain VALUES (k.key, %d, k.value);
END LOOP; END $$;
SQL
	} ],
	[ 'mvstore_put, a row at a time' => sub {
		check(store => seconds(passes("SELECT count(mvstore_put_raw('store', key, value)) FROM keys;\n"),
			fresh_store()));
	} ],
	[ 'mvstore_put in a PL/pgSQL loop' => sub {
		check(store => seconds(passes(<<'SQL'), fresh_store()));
DO $$ DECLARE k record; BEGIN
FOR k IN SELECT key, value FROM keys LOOP
	PERFORM mvstore_put_raw('store', k.key, k.value);
END LOOP; END $$;
SQL
	} ],
);

make_keys();
my $puts = KEYS * VERSIONS;
report(sprintf('put: %d keys x %d versions, %d rounds', KEYS, VERSIONS, ROUNDS), 'us/put',
	sub { $_[0] * 1e6 / $puts }, [ map { $_->[0] } @ways ], rounds(@ways));
