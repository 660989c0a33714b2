# Keep: what it costs to keep one version of each key, drops and vacuum included, against
# an upsert of a one-row table, which keeps none: OVERWRITES of KEYS random keys by 8
# clients, and a fifth as many by one; commits are durable. The tables stay from round
# to round, as they do in use. Of what a round costs the server, all of its processes count, from
# the first overwrite until all is dropped and the table is vacuumed.

use strict;
use warnings;
use utf8;
use Bench;
use Load;

use constant OVERWRITES => $ENV{BENCH_OVERWRITES} || 100_000;

my $any = sprintf "\\set k random(1, %d)\n\\set v random(1, 1000000000)\n", KEYS;
my %upsert = (
	name => 'ON CONFLICT DO UPDATE',
	create => sprintf(<<'SQL', KEYS),
CREATE TABLE upserted (key text PRIMARY KEY, value text NOT NULL);
INSERT INTO upserted SELECT 'key:' || n, rpad(n::text, 100, 'x') FROM generate_series(1, %d) n;
VACUUM ANALYZE upserted;
SQL
	script => $any . <<'SQL',
INSERT INTO upserted VALUES ('key:' || :k, rpad(:v::text, 100, 'x')) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
SQL
	finish => "VACUUM upserted;\n",
);
my %keep = (
	name => 'mvstore_put, keep_versions := 1',
	create => sprintf(<<'SQL', KEYS),
CREATE EXTENSION IF NOT EXISTS mvstore;
SELECT mvstore_create('kept', keep_versions := 1) \g /dev/null
SELECT mvstore_put_many('kept', array_agg('key:' || n), array_agg(rpad(n::text, 100, 'x')))
  FROM generate_series(1, %d) n \g /dev/null
VACUUM ANALYZE kept;
SQL
	script => $any . "SELECT mvstore_put('kept', 'key:' || :k, rpad(:v::text, 100, 'x'));",
	finish => "SELECT 1 / mvstore_flush('10 min')::int \\g /dev/null\nVACUUM kept;\n",
);
my @ways = (\%upsert, \%keep);
sql("SET client_min_messages = error;\nDROP TABLE IF EXISTS upserted, kept;\n");
sql($_->{create}) for @ways;

my %of;
for my $clients (8, 1)
{
	my $overwrites = $clients == 1 ? int(OVERWRITES / 5) : OVERWRITES;
	rounds(map {
		my $way = $_;
		[ "$clients clients, $way->{name}" => sub {
			push @{ $of{$clients}{ $way->{name} } }, measure($way, $clients, $overwrites);
			return 0;
		} ]
	} @ways);
}
my $left = sql("SELECT count(*) || ' of ' || count(DISTINCT key) FROM kept;");
die "bench: $left entries are left instead of one of each\n" if $left ne join ' of ', (KEYS) x 2;

# The values of a way's rounds.
sub each_round
{
	my ($clients, $way, $value) = @_;
	return [ map { $value->($_) } @{ $of{$clients}{ $way->{name} } } ];
}

my $records = sub { defined $_[0]{pages} ? ($_[0]{wal} - $_[0]{pages}) / $_[0]{count} : undef };
my @columns = (
	[ 'overwrites/s', '%.0f', sub { $_[0]{rate} } ],
	[ 'p50, ms', '%.2f', sub { (percentiles($_[0]{latencies}, 50))[0] } ],
	[ 'p99, ms', '%.2f', sub { (percentiles($_[0]{latencies}, 99))[0] } ],
	[ 'CPU, µs', '%.1f', sub { $_[0]{cpu} / $_[0]{count} * 1e6 } ],
	[ 'WAL, bytes', '%.0f', sub { $_[0]{wal} / $_[0]{count} } ],
	[ 'without images of pages', '%.0f', $records ],
	[ 'CPU of the worker', '%.1f', sub { $_[0]{worker} / $_[0]{count} * 1e6 } ],
	[ 'CPU after the load', '%.1f', sub { $_[0]{after} / $_[0]{count} * 1e6 } ],
);
my $compared = 5;	# the columns up to this one are compared
binmode STDOUT, ':utf8';
printf "keep: %d keys, %d overwrites by 8 clients, %d by one, %d rounds; an overwrite costs the server:\n\n",
  KEYS, OVERWRITES, OVERWRITES / 5, ROUNDS;
for my $clients (8, 1)
{
	markdown([ "$clients client" . ($clients == 1 ? '' : 's'), map { $_->[0] } @columns ],
		(map {
			my $way = $_;
			[ $way->{name}, map { spread($_->[1], @{ each_round($clients, $way, $_->[2]) }) } @columns ]
		} @ways),
		[ 'ratio, round by round', map {
			my $column = $_;
			spread('%.2f', ratios(map { each_round($clients, $_, $column->[2]) } \%keep, \%upsert));
		} @columns[ 0 .. $compared ] ]);
}
