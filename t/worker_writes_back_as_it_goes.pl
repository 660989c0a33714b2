# What drops have to write to data files goes on to the disk little by little, as checkpoints have it, unless the
# operator has another way: or whoever commits would wait for the disk when the kernel writes all of it at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The worker is the one who writes, as nobody else has its pages written before.
my $node = mvstore_node('written', conf => "shared_buffers = 1MB\nbgwriter_lru_maxpages = 0\ncheckpoint_timeout = 1h\nmvstore.maintenance_every = 0\nautovacuum = off\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $own = q{FROM pg_stat_io WHERE object = 'relation' AND backend_type};

sub has_kernel_write
{
	sql(q{SET backend_flush_after = 4; CREATE TABLE t AS SELECT n FROM generate_series(1, 100000) n; UPDATE t SET n = 0});
	return sql("SELECT sum(writebacks) > 0 $own = 'client backend'");
}

# PostgreSQL tells who has the kernel write from 16 on; and there are builds of 18 in which nobody has.
if (sql(q{SELECT current_setting('server_version_num')::int < 160000}) eq 't'
	|| has_kernel_write() ne 't')
{
	$node->stop;
	plan(skip_all => 'this PostgreSQL does not tell of a session that it had the kernel write');
}

# What a server's processes have written, and had the kernel write, while half of a store is dropped.
sub written
{
	my ($name) = @_;

	sql("DROP TABLE IF EXISTS s; SELECT mvstore_create('s')");
	sql(q{SELECT mvstore_put_many('s', array_agg('k' || n), array_agg(repeat('v', 200))) FROM generate_series(1, 20000) n}) for (1, 2);
	sql(q{CHECKPOINT; SELECT pg_stat_reset_shared('io')});
	sql(q{SELECT mvstore_compact('s', mvstore_stable_version())});
	is(sql('SELECT mvstore_flush()'), 't', "$name: entries are dropped");
	wait_until($node, 'postgres', "SELECT sum(writes) > 100 $own = 'background worker'", "$name: and pages are written");
	return sql("SELECT sum(writebacks) > 0 $own = 'background worker'");
}

is(written('by default'), 't', 'they go on to the disk');
for ('checkpoint_flush_after = 0', 'backend_flush_after = 0')
{
	sql('ALTER SYSTEM RESET ALL');
	sql("ALTER SYSTEM SET $_");
	$node->restart;
	is(written($_), 'f', 'they do so when the kernel sees fit');
}
sql('ALTER SYSTEM SET backend_flush_after = 4');
sql('ALTER SYSTEM SET checkpoint_flush_after = 0');
$node->restart;
is(written('backend_flush_after = 4'), 't', 'its own setting counts');

$node->stop;
done_testing();
