# Parts: what the key lock and the version cost a put. Each is left out of a build
# of its own, on a server of its own; all get the same loads, of KEYS keys. Such a
# build serves for nothing else: its writers of one key do not see each other.
#
# The servers are arguments, NAME=SOCKET-DIRECTORY each; ./dev bench parts makes them.

use strict;
use warnings;
use Bench;

my @servers = map { [ split /=/, $_, 2 ] } @ARGV;
die "bench: which servers? ./dev bench parts\n" if !@servers;

# The sessions' shares of the keys, put by one transaction each.
sub in_one
{
	my ($sessions) = @_;
	return map { "SELECT count(mvstore_put_raw('store', key, value)) FROM keys WHERE n % $sessions = $_;\n" }
	  0 .. $sessions - 1;
}

# The same by a transaction for each put; their COMMITs wait for no disk.
sub one_by_one
{
	my ($sessions) = @_;
	return map { <<"SQL" } 0 .. $sessions - 1;
SET synchronous_commit = off;
DO \$\$
DECLARE
  k record;
BEGIN
  FOR k IN SELECT key, value FROM keys WHERE n % $sessions = $_ LOOP
    PERFORM mvstore_put_raw('store', k.key, k.value);
    COMMIT;
  END LOOP;
END \$\$;
SQL
}

# Puts of new keys, and then of the same: the seconds of both.
sub puts
{
	my ($server, @pieces) = @_;
	local $ENV{PGHOST} = $server->[1];
	sql(<<'SQL');
SET client_min_messages = error;
DROP TABLE IF EXISTS store;
SELECT mvstore_create('store') \g /dev/null
SQL
	my @seconds = map { together(undef, @pieces) } 1 .. 2;
	my $rows = sql('SELECT count(*) FROM store;');
	die "bench: $rows rows in store\n" if $rows != 2 * KEYS;
	return @seconds;
}

for my $server (@servers)
{
	local $ENV{PGHOST} = $server->[1];
	make_keys();
	sql('ALTER TABLE keys ADD n int GENERATED ALWAYS AS IDENTITY; VACUUM ANALYZE keys;');
}
for my $load ([ 'in one transaction', \&in_one ], [ 'a transaction each', \&one_by_one ])
{
	for my $sessions (1, 2)
	{
		my %existing;
		my @pieces = $load->[1]->($sessions);
		my %new = rounds(map {
			my $server = $_;
			[ $server->[0] => sub {
				my ($new, $existing) = puts($server, @pieces);
				push @{ $existing{ $server->[0] } }, $existing;
				return $new;
			} ]
		} @servers);
		my $title = sprintf 'parts: %d puts, %s, %s, %d rounds', KEYS, $load->[0],
		  $sessions == 1 ? 'one session' : "$sessions sessions", ROUNDS;
		my @names = map { $_->[0] } @servers;
		report("$title: new keys", 'us/put', sub { $_[0] * 1e6 / KEYS }, \@names, %new);
		report("$title: existing keys", 'us/put', sub { $_[0] * 1e6 / KEYS }, \@names, %existing);
	}
}
