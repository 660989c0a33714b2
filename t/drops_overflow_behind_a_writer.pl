# Drops that were requested behind an old writer, more of them than the worker
# keeps, are all done when it has ended; each of them once, and without an error.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('behind', conf => "mvstore.queue_size = 1000\nfsync = off\nstatement_timeout = '150 s'");

sub stat_of { return $node->safe_psql('postgres', "SELECT $_[0] FROM mvstore_stats WHERE database = 'postgres'"); }

$node->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('long'), mvstore_create('other')});
my $writer = $node->background_psql('postgres');
sub writer_begins { return $writer->query_safe(q{BEGIN; SELECT mvstore_put('other', 'x', 'x')}); }

# Keys so long that not all requests fit into the queue: it and the journal then
# name the same ones.
$node->safe_psql('postgres',
	q{SELECT mvstore_put_at('long', lpad(k::text, 2000, 'k'), 'v', v) FROM generate_series(1, 60) k, generate_series(1, 2) v});
writer_begins();
$node->safe_psql('postgres', q{SELECT count(mvstore_put('long', lpad(k::text, 2000, 'k'), 'v3')) FROM generate_series(1, 60) k});
$node->safe_psql('postgres', q{SELECT count(mvstore_drop('long', lpad(k::text, 2000, 'k'))) FROM generate_series(1, 60) k});
cmp_ok(stat_of('requests_overflowed'), '>', 0, 'requests overflow by their bytes');
wait_until($node, 'postgres', q{SELECT requests_held >= 60 AND queue_length = 0 FROM mvstore_stats WHERE database = 'postgres'},
	'the worker keeps them for an open writer');
# (so long that they are all tried again at once)
stays($node, 'postgres', q{SELECT count(*) = 180 FROM long}, 'and drops nothing that it may need');
my $processed = stat_of('requests_processed');
$writer->query_safe('COMMIT');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'when it has ended they are worked off');
is(entries_of($node, 'postgres', 'long'), 60, 'all of them');
is(stat_of('requests_processed') - $processed, 60, 'each once');
is(stat_of('entries_dropped'), 120, 'and so counted');
is(stat_of('last_error IS NULL'), 't', 'no request met an error');

# More requests than the worker keeps.
$node->safe_psql('postgres', q{SELECT mvstore_put_at('s', 'k' || k, 'v', v) FROM generate_series(1, 20000) k, generate_series(1, 2) v});
writer_begins();
$node->safe_psql('postgres', q{SELECT count(mvstore_put('s', 'k' || k, 'v3')) FROM generate_series(1, 20000) k});
$node->safe_psql('postgres', q{SELECT count(mvstore_drop('s', 'k' || k)) FROM generate_series(1, 20000) k});
wait_until($node, 'postgres', q{SELECT requests_held >= 1000 AND worker_state = 'idle' FROM mvstore_stats WHERE database = 'postgres'},
	'the worker keeps as many as it may');
is(entries_of($node, 'postgres', 's'), 60000, 'and drops nothing that the open writer may need');

# A transaction that made its requests long ago, and commits when the worker has
# read on, is not passed over.
my $late = $node->background_psql('postgres');
$late->query_safe(q{BEGIN; SELECT count(mvstore_put('s', 'late' || k, 'v1')) FROM generate_series(1, 2000) k});
$late->query_safe(q{COMMIT; BEGIN});
$late->query_safe(q{SELECT count(mvstore_put('s', 'late' || k, 'v2')) FROM generate_series(1, 2000) k});
$late->query_safe(q{SELECT count(mvstore_drop('s', 'late' || k)) FROM generate_series(1, 2000) k});
$writer->query_safe('COMMIT');
$writer->quit;
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_journal}, 'when it has ended the worker begins by itself');
$late->query_safe('COMMIT');
$late->quit;
is($node->safe_psql('postgres', q{SELECT mvstore_flush('2 min')}), 't', 'what a transaction requested meanwhile and committed later is worked off');
is(entries_of($node, 'postgres', 's'), 22000, 'and done');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_journal'), 0, 'no request is left over');
is(stat_of('last_error IS NULL AND requests_failed = 0'), 't', 'none met an error');

$node->stop;
done_testing();
