# A batch is shared with assistants, from the queue and from the journal: where an error or a crash
# comes when its shares are out, or just back, nothing of it is lost, and no share is left in hand
# that the next batch would take for its own: that crashed the server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('shares', conf => <<'CONF');
restart_after_crash = on
fsync = off
max_worker_processes = 20
mvstore.workers_per_database = 3
mvstore.batch_size = 20
mvstore.queue_size = 200
mvstore.flush_interval = '5 ms'
CONF

if ($node->psql('postgres', 'SHOW mvstore.fault') != 0)
{
	$node->stop;
	plan skip_all => 'a release build has no fault points';
}

my $fired = $node->data_dir . '/mvstore_fault_fired';

$node->safe_psql('postgres', q{SELECT mvstore_create('s')});
for my $action ('error', 'crash')
{
	for my $point (map { ("shares-out:$action:$_", "shares-in:$action:$_") } 1, 3)
	{
		# Points are counted from a start of the server on.
		unlink $fired;
		$node->append_conf('postgresql.conf', "mvstore.fault = '$point'");
		$node->restart;
		for (1 .. 20)
		{
			# More than the queue has room for: the journal has the rest. Assistants take a moment to come.
			$node->safe_psql('postgres', q{SELECT mvstore_pause();
				SELECT mvstore_put_many('s', array_agg('k' || n), array_agg('v'::text)) FROM generate_series(1, 3000) n;
				SELECT mvstore_put_many('s', array_agg('k' || n), array_agg('w'::text)) FROM generate_series(1, 3000) n;
				SELECT mvstore_drop('s', 'k' || n) FROM generate_series(1, 3000) n;
				SELECT mvstore_resume()});
			$node->poll_query_until('postgres', q{SELECT mvstore_flush('1 s') AND count(*) = 3000 FROM s}) or die "$point: requests are left";
			last if -e $fired;
		}
		ok(-e $fired, "$point: shares were given");
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_journal'), 0, "$action: nothing is left in the journal");
}
unlike(slurp_file($node->logfile), qr/terminated by signal (?!9\b)/, 'no process has failed but for what was asked for');
$node->stop;
done_testing();
