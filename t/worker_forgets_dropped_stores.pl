# Sessions and the worker forget what they know of stores that are dropped. Otherwise
# an application that makes and drops stores all day, as one for each job or tenant,
# would grow in memory for as long as its connections live. Nor does the worker grow with each
# look at the journal.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('memory', conf => "mvstore.flush_interval = '5 ms'\nmax_locks_per_transaction = 256\nlog_statement = none\nfsync = off");
my $session = $node->background_psql('postgres');
my @names = ('mvstore stores', 'mvstore floors');

# Requests that a pin holds keep the worker here, however slowly all goes.
$node->safe_psql('postgres', <<'SQL');
SELECT mvstore_create('kept');
SELECT count(mvstore_put_at('kept', 'k' || n, 'v', v)) FROM generate_series(1, 20000) n, generate_series(1, 2) v;
SELECT mvstore_pin('first', 1, store => 'kept');
SELECT count(mvstore_drop('kept', 'k' || n)) FROM generate_series(1, 20000) n;
SQL

# Make stores, drop from them, and drop them.
sub round
{
	my ($count) = @_;

	$session->query_safe(<<"SQL");
DO \$\$ BEGIN
	PERFORM mvstore_create('s' || n) FROM generate_series(1, $count) n;
	PERFORM mvstore_put_at(('s' || n)::regclass, 'k', 'v', v) FROM generate_series(1, $count) n, generate_series(1, 2) v;
	PERFORM mvstore_drop(('s' || n)::regclass, 'k') FROM generate_series(1, $count) n;
END \$\$;
SQL
	wait_until($node, 'postgres', "SELECT count(*) = $count FROM mvstore_floor WHERE store <> 'kept'::regclass", "$count stores are made, and dropped from");
	$session->query_safe("DO \$\$ BEGIN FOR n IN 1 .. $count LOOP EXECUTE 'DROP TABLE s' || n; END LOOP; END \$\$");
	return;
}

# Bytes that the worker has taken for something, as it writes them to the log.
my $worker;
sub of_worker
{
	my $offset = -s $node->logfile;

	$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($worker)");
	$node->wait_for_log(qr/Grand total/, $offset);
	my $log = substr(slurp_file($node->logfile), $offset);
	return map { $log =~ /$_: (\d+) total/ ? $1 : 0 } @names;
}

sub of_session
{
	return map { $session->query_safe("SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts WHERE name = '$_'") } @names;
}

round(300);
$worker = worker_pid($node, 'postgres');
my @session = of_session();
my @worker = of_worker();
cmp_ok($session[0], '>', 0, 'the session knows stores');
cmp_ok($_, '>', 0, 'and so does the worker') for @worker;
round(300) for 1 .. 4;
is_deeply([ of_session() ], \@session, 'after five times as many the session has no more in mind');
is_deeply([ of_worker() ], \@worker, 'nor has the worker');
is(worker_pid($node, 'postgres'), $worker, 'which is the same one');

# Replays, each of which looks for what is in hand: 160 kB of numbers.
sub replays
{
	for (1 .. $_[0])
	{
		$session->query_safe('SELECT mvstore_pause(); SELECT mvstore_resume(); SELECT mvstore_flush()');
	}
	my $offset = -s $node->logfile;
	$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($worker)");
	$node->wait_for_log(qr/Grand total/, $offset);
	return substr(slurp_file($node->logfile), $offset) =~ /TopMemoryContext: (\d+) total/ ? $1 : die 'no memory in the log';
}

my $first = replays(2);
cmp_ok(replays(20), '<', $first + 1_000_000, 'nor does it grow with each replay');
is(worker_pid($node, 'postgres'), $worker, 'of the same worker');

$session->quit;
$node->stop;
done_testing();
