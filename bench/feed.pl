# The index of the feed: what a put costs without it and with it, in one session and in
# several; against INSERTs of the same rows into a plain table with the same indexes.
# The ratios are of one round each, so that what drifts is out of them.

use strict;
use warnings;
use Bench;

use constant SESSIONS => $ENV{BENCH_SESSIONS} || 8;

# A table or a store of its own for each measurement, with one index or with both.
sub fresh
{
	my ($way, $feed) = @_;
	my $drop = "SET client_min_messages = error;\nDROP TABLE IF EXISTS target;\n";
	return $drop . ($feed ? "SELECT mvstore_create('target', feed := true) \\g /dev/null\n"
		: "SELECT mvstore_create('target') \\g /dev/null\n") if $way eq 'put';
	return $drop . <<'SQL' . ($feed ? "CREATE INDEX ON target (version, key);\n" : '');
CREATE TABLE target (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz);
CREATE UNIQUE INDEX ON target (key, version DESC);
CREATE SEQUENCE IF NOT EXISTS versions CACHE 1000;
SQL
}

# What one of so many sessions does: its part of the keys, VERSIONS times over, a row at a time,
# each pass in transactions of 100 rows.
sub part
{
	my ($way, $number, $sessions) = @_;
	my $write = $way eq 'put' ? q{PERFORM mvstore_put_raw('target', k.key, k.value)}
	  : q{INSERT INTO target VALUES (k.key, nextval('versions'), k.value)};
	return join '', map { <<"SQL" } 1 .. VERSIONS;
DO \$\$ DECLARE k record; n int := 0; BEGIN
FOR k IN SELECT key, value FROM keys WHERE number % $sessions = $number LOOP
	$write;
	n := n + 1;
	IF n % 100 = 0 THEN COMMIT; END IF;
END LOOP; END \$\$;
SQL
}

# Microseconds for a row, as the clock on the wall has it.
sub measure
{
	my ($way, $feed, $sessions) = @_;
	sql(fresh($way, $feed));
	my $seconds = together(undef, map { part($way, $_, $sessions) } 0 .. $sessions - 1);
	my $rows = sql('SELECT count(*) FROM target;');
	die "bench: $rows rows\n" if $rows != KEYS * VERSIONS;
	return $seconds;
}

my @ways = map {
	my $sessions = $_;
	map {
		my ($way, $name) = @$_;
		map {
			my $feed = $_;
			[ sprintf('%s, %s, %d session%s', $name, $feed ? 'both' : 'one index', $sessions, $sessions > 1 ? 's' : '')
				=> sub { measure($way, $feed, $sessions) } ]
		} 0, 1
	} [ insert => 'INSERT' ], [ put => 'mvstore_put' ]
} 1, SESSIONS;

make_keys();
sql('ALTER TABLE keys ADD number serial; VACUUM FULL ANALYZE keys;');
my $puts = KEYS * VERSIONS;
my %seconds = rounds(@ways);
report(sprintf('feed: %d keys x %d versions, %d rounds', KEYS, VERSIONS, ROUNDS), 'us/row',
	sub { $_[0] * 1e6 / $puts }, [ map { $_->[0] } @ways ], %seconds);

# Of each pair, both to one index, in the same round.
print "\n";
for (my $i = 0; $i < @ways; $i += 2)
{
	my ($one, $both) = map { $seconds{ $ways[ $i + $_ ][0] } } 0, 1;
	my @ratios = sort { $a <=> $b } map { $both->[$_] / $one->[$_] } 0 .. $#$one;
	printf "  %-44s %9.2fx  %8.2f .. %.2f\n", $ways[ $i + 1 ][0] . ' to one', median(@ratios), @ratios[ 0, -1 ];
}
