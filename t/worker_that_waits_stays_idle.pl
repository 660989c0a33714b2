# What the worker cannot drop yet costs nothing meanwhile: it neither spins nor is
# woken for it, whoever else writes; and it goes on when it can.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('idle', conf => "mvstore.sweep_interval = '1 h'\nfsync = off");

sub stat_of { return $node->safe_psql('postgres', "SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }

# Commit a number of puts of one key, one transaction each.
$node->safe_psql('postgres', <<'SQL');
CREATE PROCEDURE put_often(store text, n int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. n LOOP
    PERFORM mvstore_put(store, 'k', 'v' || i);
    COMMIT;
  END LOOP;
END $$;
SQL

# A writer that has been open for long holds requests back. The others' ends
# change nothing about that, so they do not wake the worker.
$node->safe_psql('postgres', q{SELECT mvstore_create(s) FROM unnest('{plain,other}'::text[]) s; SELECT mvstore_create('s', keep_versions := 1)});
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'x', 'x')});
$node->safe_psql('postgres', "CALL put_often('s', 5)");
wait_until($node, 'postgres',
	q{SELECT requests_held = 4 AND queue_length = 0 AND worker_state = 'idle' FROM mvstore_stats WHERE database = 'postgres'},
	'an open writer holds requests back');
my $pid = worker_pid($node, 'postgres');
my $proc = -r "/proc/$pid/status";

# How often the worker has gone to sleep while something was done.
sub sleeps
{
	my ($what) = @_;
	my $count = sub { return (slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m)[0]; };
	my $before = $count->();

	$what->();
	return $count->() - $before;
}

SKIP:
{
	skip 'needs /proc', 1 unless $proc;
	cmp_ok(sleeps(sub { $node->safe_psql('postgres', "CALL put_often('plain', 1000)") }),
		'<', 100, '1,000 writers that come and go do not wake the worker');
}
is(entries_of($node, 'postgres', 's'), 5, 'what the open writer may need is still there');
$writer->query_safe('COMMIT');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'its own end does');
is(entries_of($node, 'postgres', 's'), 1, 'and what was held is dropped');

# Nor do they where a pin holds requests back: each of them is the oldest while it lasts.
$node->safe_psql('postgres', q{SELECT mvstore_pin('here')});
$node->safe_psql('postgres', "CALL put_often('s', 5)");
wait_until($node, 'postgres',
	q{SELECT requests_held = 5 AND queue_length = 0 AND worker_state = 'idle' FROM mvstore_stats WHERE database = 'postgres'},
	'a pin holds requests back');
SKIP:
{
	skip 'needs /proc', 1 unless $proc;
	cmp_ok(sleeps(sub { $node->safe_psql('postgres', "CALL put_often('plain', 1000)") }),
		'<', 100, 'beside which writers do not wake the worker');
}
$node->safe_psql('postgres', q{SELECT mvstore_unpin('here')});
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'its end does');
is(entries_of($node, 'postgres', 's'), 1, 'and what it held is dropped');

# While requests come all the time, it sleeps once a batch, or somewhat more often.
SKIP:
{
	skip 'needs /proc', 1 unless $proc;
	my $done = stat_of('batches');
	my $script = $node->basedir . '/puts.sql';
	append_to_file($script, "SELECT mvstore_put('s', 'k' || :client_id, 'v');\n");
	my $sleeps = sleeps(sub { $node->command_ok([ 'pgbench', '-n', '-c', 4, '-t', 1000, '-f', $script, 'postgres' ],
		'four sessions write to the store') });
	cmp_ok($sleeps, '<', 4 * (stat_of('batches') - $done), 'and do not wake the worker for each of their commits');
}
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'what they have superseded');
is(entries_of($node, 'postgres', 's'), 5, 'has gone');
$node->safe_psql('postgres', q{SELECT mvstore_put('s', 'k', 'v')});
is($node->safe_psql('postgres', q{DELETE FROM s WHERE key <> 'k'; SELECT mvstore_flush()}), 't', 'and one key is left');

# A long transaction that writes to no store holds nothing back at all, though
# more writers come and go than are remembered.
$writer->query_safe('BEGIN; SELECT pg_current_xact_id()');
my $batches = stat_of('batches');
$node->safe_psql('postgres', "CALL put_often('s', 3000)");
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'beside a long transaction that writes elsewhere, drops are done');
is(entries_of($node, 'postgres', 's'), 1, 'all of them');
$node->safe_psql('postgres', "CALL put_often('s', 1)");
is($node->safe_psql('postgres', q{SELECT mvstore_get('s', 'k', as_of := (SELECT version FROM mvstore_get_entry('s', 'k')))}),
	'v1', 'and what was just committed can be read as of its version');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'the last ones, too');
cmp_ok(stat_of('batches') - $batches, '<', 1000, 'without trying the same again and again');
$batches = stat_of('batches');
stays($node, 'postgres', "SELECT batches = $batches AND requests_held = 0 AND worker_state = 'idle' FROM mvstore_stats WHERE database = 'postgres'",
	'then the worker rests');
$writer->query_safe('COMMIT');

# A policy meets an entry of the future, which plain SQL has put in. What that
# supersedes stays until then, and nobody asks for it again and again; all else
# goes its way.
$writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'x', 'x')});
$node->safe_psql('postgres', <<'SQL');
SELECT mvstore_create('future', keep_versions := 1);
INSERT INTO future (key, version, value) VALUES
  ('k', 5, 'v'), ('k', 1000000000000000000, 'v'), ('l', 1, 'v'), ('l', 2, 'v'),
  ('m', 1, 'v'), ('m', extract(epoch FROM clock_timestamp()) * 1000000, 'v');
SELECT mvstore_sweep('future');
SQL
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM future WHERE key = 'l'}, 'a sweep has met an entry of the future');
stays($node, 'postgres', q{SELECT sweeps < 50 FROM mvstore_stats WHERE database = 'postgres'}, 'which does not make it start over and over');
is(entries_of($node, 'postgres', 'future'), 5, 'what the future and a writer may need is still there');
$writer->query_safe('COMMIT');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM future WHERE key = 'm'}, 'when the writer has ended, what it held goes');
$node->safe_psql('postgres', q{SELECT mvstore_put('future', 'l', 'new')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM future WHERE key = 'l'}, 'puts of other keys supersede as ever');
is(entries_of($node, 'postgres', 'future'), 4, 'but the one before the future stays');
stays($node, 'postgres', q{SELECT sweeps < 50 FROM mvstore_stats WHERE database = 'postgres'}, 'with the worker at rest');
$node->safe_psql('postgres', 'DROP TABLE future');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'with its table gone nothing waits for the future');
$writer->quit;

$node->stop;
done_testing();
