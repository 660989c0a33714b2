# A prepared transaction has a table of the extension locked, and nobody knows for how
# long. The worker may wait for that, but a shutdown of the server does not wait for the
# worker. Drops go on when the lock is gone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('locked', conf => "max_prepared_transactions = 1\nstatement_timeout = '1 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('s')});
for my $table ('mvstore_paused', 'mvstore_policy', 'mvstore_journal', 'mvstore_prepared')
{
	sql(q{SELECT mvstore_put('s', 'k', 'v')}) for (1 .. 3);
	sql("BEGIN; LOCK TABLE $table IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'locker'");

	# A worker that starts reads all of them.
	$node->stop('immediate');
	$node->start;
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker' AND wait_event_type = 'Lock'},
		"the worker waits for $table");
	$node->stop('fast');
	ok(1, 'the server stops without it');
	$node->start;
	sql(q{ROLLBACK PREPARED 'locker'});
	sql(q{SELECT mvstore_drop('s', 'k')});
	is(sql('SELECT mvstore_flush()'), 't', 'drops go on');
	is(entries_of($node, 'postgres', 's'), 1, 'and are done');
}

# The extension goes when a worker that has just started waits for it.
sql(q{SELECT mvstore_put('s', 'k', 'v')}) for (1 .. 3);
sql("BEGIN; DROP EXTENSION mvstore; PREPARE TRANSACTION 'locker'");
$node->restart;
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker' AND wait_event_type = 'Lock'},
	'the worker waits for who drops the extension');
sql(q{COMMIT PREPARED 'locker'});
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker'}, 'it ends');
unlike(slurp_file($node->logfile), qr/terminated by signal/, 'in good order');
sql('CREATE EXTENSION mvstore');
sql(q{SELECT mvstore_attach('s', keep_versions := 1)});
is(sql('SELECT mvstore_flush()'), 't', 'and comes back with the extension');
is(entries_of($node, 'postgres', 's'), 1, 'to work');

$node->stop;
done_testing();
