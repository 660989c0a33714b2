# After a crash the journal may have very many requests. If these came before all others, those that
# are made now would wait until the last of them is done, and overflow into the journal behind them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant KEYS => 10000;

my $node = mvstore_node('share', conf => "mvstore.queue_size = 500\nmvstore.batch_size = 50\nmvstore.flush_interval = '1 ms'\nfsync = off\nautovacuum = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Two entries of each key, of which one is to go.
sub ask
{
	my ($store, $keys) = @_;
	sql("SELECT count(mvstore_put('$store', 'k' || k, 'v')) FROM generate_series(1, $keys) k") for (1, 2);
	sql("SELECT count(mvstore_drop('$store', 'k' || k)) FROM generate_series(1, $keys) k");
	return;
}

sql(q{SELECT mvstore_create('behind'), mvstore_create('now')});
sql('SELECT mvstore_pause()');
ask('behind', KEYS);
$node->stop('immediate');
$node->start;
ask('now', 20);

# Who has an old snapshot sees what goes, and by which transaction.
my $watcher = $node->background_psql('postgres');
$watcher->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1});
sql('SELECT mvstore_resume()');
is(sql('SELECT mvstore_flush()'), 't', 'all is done');
is($watcher->query_safe(q{SELECT count(*) FROM now WHERE xmax <> '0'}), 20, 'what was asked for now has gone');
my $before = $watcher->query_safe(q{SELECT count(*) FROM behind WHERE xmax::text::bigint BETWEEN 1 AND (SELECT max(xmax::text::bigint) FROM now)});
cmp_ok($before, '<', KEYS / 2, 'before most of what stood in the journal');
$watcher->query_safe('COMMIT');
$watcher->quit;
is(entries_of($node, 'postgres', 'behind') . ' ' . entries_of($node, 'postgres', 'now'), KEYS . ' 20', 'of which all has gone, too');

$node->stop;
done_testing();
