# Whatever is written, rolled back, dropped, pinned and erased, under whatever policy,
# in whatever order: every read gives what an independent model of plain SQL gives, and
# paging neither skips nor repeats; all that was asked for goes, and nothing else. See
# lib/property.sql. To repeat a failure, set MVSTORE_TEST_SEED to the seed that it printed;
# MVSTORE_TEST_MINUTES gives a time to go on for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps = $ENV{MVSTORE_TEST_STEPS} // 60;
my $end = $ENV{MVSTORE_TEST_MINUTES} ? time() + 60 * $ENV{MVSTORE_TEST_MINUTES} : undef;
my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000)) + 1;
my %counts;

my $node = mvstore_node('property', conf => <<'CONF');
fsync = off
mvstore.flush_interval = '5 ms'
mvstore.sweep_interval = 1
CONF
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', "$FindBin::RealBin/lib/property.sql" ],
	'the model is loaded');

# Statements, a transaction each or more; pass if all of them succeed.
sub run_well
{
	my ($name, @statements) = @_;
	my ($status, $out, $err) = $node->psql('postgres', join(";\n", @statements, ''), on_error_stop => 1);

	return 1 if $status == 0;
	fail($name);
	diag("$name: $err");
	diag($node->safe_psql('postgres', $_)) for q{SELECT step || ': ' || what FROM log ORDER BY ctid DESC LIMIT 30},
	  map { "\\x on\nSELECT * FROM $_" } qw(mvstore_stores mvstore_pins mvstore_requests mvstore_blockers mvstore_stats);
	return 0;
}

# One run of a kind; half of the way the server is stopped, or killed, and gets a queue
# and batches of another size.
sub run_kind
{
	my ($kind, $seed) = @_;
	my $name = "seed $seed, $kind: what is there and what is read is what the model says";
	my $crashes = $seed % 2;
	my @half = (('CALL step()') x ($steps / 4), 'CALL settle()', ('CALL step()') x ($steps / 4));

	run_well($name, "CALL start('$kind', $seed)", @half) or return;
	if ($kind eq 'policies')
	{
		$node->stop($crashes ? 'immediate' : 'fast');
		$node->adjust_conf('postgresql.conf', 'mvstore.queue_size', (65536, 1, 5)[ $seed % 3 ]);
		$node->adjust_conf('postgresql.conf', 'mvstore.batch_size', (100, 3, 1)[ $seed % 5 % 3 ]);
		$node->start;
		run_well($name, sprintf("CALL go_on(%d, %s)", $seed + 1, $crashes ? 'true' : 'false')) or return;
	}
	run_well($name, @half, 'CALL finish()') or return;
	pass($name);
	$counts{ (split /\|/)[0] } += (split /\|/)[1] for split /\n/, $node->safe_psql('postgres', 'SELECT * FROM counter');
}

do
{
	run_kind($_, $seed) for 'bytes', 'text', 'policies';
	$seed++;
} while ($end ? time() < $end && Test::More->builder->is_passing : 0);

note("$_: $counts{$_}") for sort keys %counts;
$node->stop;
done_testing();
