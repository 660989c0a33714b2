# A batch is shared with assistants, from the queue and from the journal: where an error or a crash
# comes when its shares are out, or just back, nothing of it is lost, and no share is left in hand
# that the next batch would take for its own: that crashed the server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreFaults;
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
skip_without_faults($node);

$node->safe_psql('postgres', q{SELECT mvstore_create('s')});
for my $action ('error', 'crash')
{
	for my $point (map { ("shares-out:$action:$_", "shares-in:$action:$_") } 1, 3)
	{
		arm($node, $point);
		for (1 .. 20)
		{
			# More than the queue has room for: the journal has the rest. Assistants take a moment to come.
			$node->safe_psql('postgres', q{SELECT mvstore_pause();
				SELECT mvstore_put_many('s', array_agg('k' || n), array_agg('v'::text)) FROM generate_series(1, 3000) n;
				SELECT mvstore_put_many('s', array_agg('k' || n), array_agg('w'::text)) FROM generate_series(1, 3000) n;
				SELECT mvstore_drop('s', 'k' || n) FROM generate_series(1, 3000) n;
				SELECT mvstore_resume()});
			$node->poll_query_until('postgres', q{SELECT mvstore_flush('0') AND count(*) = 3000 FROM s}) or die "$point: requests are left";
			last if defined fault_met($node);
		}
		ok(defined fault_met($node), "$point: shares were given");
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_journal'), 0, "$action: nothing is left in the journal");
}
unlike(slurp_file($node->logfile), qr/terminated by signal (?!9\b)/, 'no process has failed but for what was asked for');
$node->stop;
done_testing();
