# Workers: how fast a backlog goes with one, two, ... PROCESSES that drop. Requests for
# all but the newest of VERSIONS versions of each key are made while drops are paused,
# and timed is what comes after: from mvstore_resume() until mvstore_flush() says that all
# is done. The keys have room in the queue, unless there are many. A server of PROCESSES
# processors that are idle otherwise is what it takes to see anything.

use strict;
use warnings;
use Bench;
use Time::HiRes qw(usleep);

use constant BACKLOG => $ENV{BENCH_KEYS} || 60_000;
my @processes = split ' ', $ENV{BENCH_PROCESSES} || '1 2';

my $fill = <<'SQL';
SET client_min_messages = error;
DROP TABLE IF EXISTS store;
SELECT mvstore_create('store') \g /dev/null
ALTER TABLE store SET (autovacuum_enabled = off);
INSERT INTO store SELECT * FROM original;
ANALYZE store;
SELECT mvstore_flush('1 hour') \g /dev/null
SELECT mvstore_pause() \g /dev/null
SQL

# By the configuration file, which each session reads when it begins.
sub set_processes
{
	my ($processes) = @_;
	sql("ALTER SYSTEM SET mvstore.workers_per_database = $processes;\nSELECT pg_reload_conf();\n");
	usleep(10_000) until sql('SHOW mvstore.workers_per_database;') == $processes;
}

sub drain
{
	my ($processes, $order) = @_;
	set_processes($processes);
	my ($requested, $drained) = laps($fill,
		"SELECT count(mvstore_drop_raw('store', key)) FROM (SELECT key FROM keys $order OFFSET 0) k;\n",
		"SELECT mvstore_resume();\nSELECT 1 / mvstore_flush('1 hour')::int;\n");
	my $rows = sql('SELECT count(*) FROM store;');
	die "bench: $rows rows left\n" if $rows != BACKLOG;
	return $drained;
}

make_keys(BACKLOG);
sql("SET client_min_messages = error;\nDROP TABLE IF EXISTS original;\nSELECT mvstore_create('original') \\g /dev/null\n" .
	"SELECT mvstore_put_many_raw('original', array_agg(key), array_agg(value)) FROM keys \\g /dev/null\n" x VERSIONS);
my $superseded = BACKLOG * (VERSIONS - 1);
for my $order ([ 'in the order of keys' => 'ORDER BY key' ], [ 'in random order' => 'ORDER BY md5(key)' ])
{
	my @ways = map { my $processes = $_; [ "$processes process" . ($processes > 1 ? 'es' : '') => sub { drain($processes, $order->[1]) } ] } @processes;
	my %seconds = rounds(@ways);
	report(sprintf('workers: %d superseded entries of %d keys, requests %s, %d rounds', $superseded, BACKLOG, $order->[0], ROUNDS),
		'entries/s', sub { $superseded / $_[0] }, [ map { $_->[0] } @ways ], %seconds);
	print "\n";
}
set_processes(1);
