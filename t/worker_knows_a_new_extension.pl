# A worker that is there while the extension is dropped and created anew, in one transaction, goes
# by the pins and pauses of the new one: what there was before is gone with its tables.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('main', conf => "mvstore.flush_interval = '10 ms'\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Anew, with a store that was one before.
sub anew { return sql("BEGIN; DROP EXTENSION mvstore; CREATE EXTENSION mvstore; SELECT mvstore_attach('s', keep_versions := 1); COMMIT") }

# Drops go on by themselves.
sub goes_on
{
	my ($name) = @_;
	sql("SELECT mvstore_put('s', 'k', '$_')") for (1, 2);
	return wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM s}, $name);
}

sql(q{SELECT mvstore_create('s', keep_versions := 1)});
sql(q{SELECT mvstore_put('s', 'k', 'v')});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');
my $worker = worker_pid($node, 'postgres');

sql('SELECT mvstore_pause()');
wait_until($node, 'postgres', q{SELECT worker_state = 'paused' FROM mvstore_stats WHERE database = 'postgres'}, 'it is paused');
anew();
goes_on('a pause ends with the extension');

sql(q{SELECT mvstore_pin('p', ttl := '7 days')});
sql("SELECT mvstore_put('s', 'k', '$_')") for (1, 2);
wait_until($node, 'postgres', q{SELECT count(*) > 0 FROM mvstore_blockers WHERE kind = 'pin'}, 'a pin holds drops back');
anew();
goes_on('so does a pin');
is(worker_pid($node, 'postgres'), $worker, 'it is the same worker');
$node->stop;
done_testing();
