# Put: KEYS keys, VERSIONS times over, each pass a transaction, in one session;
# against INSERTs of the same rows into an identical table with the same index.
# A row at a time in random order of the keys; many in a call, CALL of them, in
# random and in ascending order.

use strict;
use warnings;
use Bench;

use constant CALL => 1000;

# The keys in an order, and as the arrays of a call each.
sub make_calls
{
	my ($name, $order) = @_;
	sql(sprintf <<'SQL', $name, $order, CALL);
SET client_min_messages = error;
DROP TABLE IF EXISTS %1$s, %1$s_calls;
CREATE TABLE %1$s AS SELECT key, value FROM keys ORDER BY %2$s;
CREATE TABLE %1$s_calls (n bigint, keys bytea[], new_values bytea[]);
-- As a client sends them: nothing is to be decompressed.
ALTER TABLE %1$s_calls ALTER keys SET STORAGE EXTERNAL, ALTER new_values SET STORAGE EXTERNAL;
INSERT INTO %1$s_calls
SELECT (n - 1) / %3$d, array_agg(key ORDER BY n), array_agg(value ORDER BY n)
  FROM (SELECT row_number() OVER () AS n, key, value FROM %1$s) k
 GROUP BY 1 ORDER BY 1;
VACUUM ANALYZE %1$s, %1$s_calls;
SQL
}

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

# One statement a pass, for an order of the keys.
sub ways_of_many
{
	my ($name) = @_;
	return (
		[ "INSERT ... SELECT, $name keys" => sub {
			check(plain => seconds(passes("INSERT INTO plain SELECT key, %d, value FROM $name;\n"),
				fresh_table()));
		} ],
		[ "mvstore_put_many, $name keys" => sub {
			check(store => seconds(passes(<<"SQL"), fresh_store()));
SELECT count(mvstore_put_many_raw('store', keys, new_values)) FROM ${name}_calls;
SQL
		} ],
	);
}

make_keys();
make_calls(random => 'md5(key::text)');
make_calls(ascending => 'key');
my $puts = KEYS * VERSIONS;
report(sprintf('put: %d keys x %d versions, %d rounds', KEYS, VERSIONS, ROUNDS), 'us/put',
	sub { $_[0] * 1e6 / $puts }, [ map { $_->[0] } @ways ], rounds(@ways));

for my $name (qw(random ascending))
{
	my @many = ways_of_many($name);
	report(sprintf('put_many: %d keys a call, %s', CALL, $name), 'us/put',
		sub { $_[0] * 1e6 / $puts }, [ map { $_->[0] } @many ], rounds(@many));
}
