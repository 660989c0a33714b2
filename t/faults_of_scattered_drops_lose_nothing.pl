# What a crash or an error would lose while entries that are scattered over a table are dropped in its
# order, after a deletion and before the commit: neither the rest of what was asked for, nor an
# entry that is kept. And a request that is cancelled just then lets nothing more go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreFaults;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant KEYS => 3000;
use constant VERSIONS => 12;

my $node = mvstore_node('scattered', conf => "restart_after_crash = on\nmvstore.flush_interval = '5 ms'\nfsync = off\nautovacuum = off");
skip_without_faults($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# All entries in a random order, or those of a version behind those of the version before.
sub fill
{
	my ($store, $order) = @_;

	$order //= 'md5((k * 100 + v)::text)';
	sql("SELECT mvstore_create('$store')");
	sql("INSERT INTO $store (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, convert_to(rpad(v::text, 500), 'UTF8') FROM generate_series(1, ${\KEYS}) k, generate_series(1, ${\VERSIONS}) v ORDER BY $order");
	sql('SELECT 1 / mvstore_flush()::int');
	return;
}

# Keys that lack anything but their oldest entries, or their newest.
sub holes
{
	my ($store) = @_;
	return sql("SELECT ${\KEYS} - count(*) FROM (SELECT 1 FROM $store GROUP BY key HAVING count(*) = ${\VERSIONS} - min(version) + 1 AND max(version) = ${\VERSIONS}) k");
}

sub by_key { return "SELECT count(mvstore_drop('$_[0]', 'k' || k)) FROM generate_series(1, ${\KEYS}) k" }
sub as_a_whole { return "SELECT mvstore_compact('$_[0]', mvstore_stable_version())" }

for my $action (qw(crash error))
{
	for my $way ([ keys => \&by_key ], [ whole => \&as_a_whole ])
	{
		my ($name, $ask) = @$way;
		my $store = "${action}_$name";

		fill($store);
		my $log = -s $node->logfile;
		arm($node, "harvest-deleted:$action");
		sql($ask->($store));
		wait_for_fault($node, 'the worker meets the point');
		$node->wait_for_log(qr/database system is ready.*reinitializing.*database system is ready/s, $log)
		  if $action eq 'crash';
		$node->poll_query_until('postgres', undef, '') or die 'the server did not come back';
		is(holes($store), 0, "$action, $name: no key has a hole");
		is(sql('SELECT mvstore_flush()'), 't', 'the rest is done');
		is(holes($store), 0, 'no key has a hole then');
		is(entries_of($node, 'postgres', $store), KEYS, 'and of each the newest is left');
	}
}

# The worker waits there; what it has deleted is seen when it goes on.
fill('cancelled');
arm($node, 'harvest-deleted:wait');
sql(by_key('cancelled'));
wait_for_fault($node, 'the worker meets the point');
my $id = sql(q{SELECT id FROM mvstore_requests WHERE store = 'cancelled'::regclass AND key = 'k2'});
is(sql("SELECT mvstore_cancel_request($id)"), 't', 'a request can be cancelled in the midst');
let_go($node);
is(sql('SELECT mvstore_flush()'), 't', 'the others are done');
is(holes('cancelled'), 0, 'no key has a hole');
cmp_ok(sql(q{SELECT count(*) FROM cancelled WHERE key = 'k2'}), '>', 1, 'something is left of what was cancelled');
is(sql(q{SELECT count(*) FROM cancelled WHERE key <> 'k2'}), KEYS - 1, 'and the newest of each other key');
is(sql('SELECT count(*) FROM mvstore_journal'), 0, 'and no request');

# A row that has moved meanwhile is found where it is.
for my $way ([ keys => \&by_key ], [ whole => \&as_a_whole ])
{
	my ($name, $ask) = @$way;
	my $store = "moved_$name";

	fill($store, 'v, md5(k::text)');
	arm($node, 'harvest-deleted:wait');
	sql($ask->($store));
	wait_for_fault($node, 'the worker meets the point');
	sql("UPDATE $store SET value = 'moved' WHERE key = 'k999' AND version = 10");
	let_go($node);
	is(sql('SELECT mvstore_flush()'), 't', "moved, $name: all is done");
	is(holes($store), 0, 'no key has a hole');
	is(entries_of($node, 'postgres', $store), KEYS, 'and of each the newest is left');
}

# Of one key two entries are to stay, where the newest but one has gone already, by SQL.
fill('counted', 'v, md5(k::text)');
sql(q{DELETE FROM counted WHERE key = 'k7' AND version = 11});
sql("SELECT count(mvstore_drop('counted', 'k' || k, keep := CASE k WHEN 7 THEN 2 ELSE 1 END)) FROM generate_series(1, ${\KEYS}) k");
is(sql('SELECT mvstore_flush()'), 't', 'counted: all is done');
is(sql(q{SELECT string_agg(version::text, ' ' ORDER BY version) FROM counted WHERE key = 'k7'}), '10 12', 'two entries stay that are there');
is(entries_of($node, 'postgres', 'counted'), KEYS + 1, 'and of each other key the newest');

# Of several stores that are compacted at a time one has a harvest in memory.
fill($_) for ('one', 'two', 'three');
arm($node, 'harvest-deleted:wait:3');
sql(join '; ', map { as_a_whole($_) } ('one', 'two', 'three'));
wait_for_fault($node, 'the worker meets the point');
my $offset = -s $node->logfile;
sql('SELECT pg_log_backend_memory_contexts(' . worker_pid($node, 'postgres') . ')');
$node->wait_for_log(qr/Grand total/, $offset);
is(scalar(() = slurp_file($node->logfile, $offset) =~ /mvstore harvest:/g), 1, 'one store has a harvest');
let_go($node);
is(sql('SELECT mvstore_flush()'), 't', 'several stores: all is done');
is(entries_of($node, 'postgres', $_), KEYS, "of each key of $_ the newest is left") for ('one', 'two', 'three');

# A pin that is made in the midst of what a policy lets go keeps what it reads.
fill('pinned', 'v, md5(k::text)');
sql(q{INSERT INTO pinned (key, version, value) SELECT convert_to('z' || k, 'UTF8'), v, convert_to(rpad(v::text, 500), 'UTF8') FROM generate_series(1, 500) k, generate_series(101, 112) v ORDER BY v, md5(k::text)});
arm($node, 'harvest-deleted:wait');
sql('SELECT 1 / mvstore_flush()::int');
sql(q{SELECT mvstore_set_policy('pinned', keep_versions := 1)});
wait_for_fault($node, 'the worker meets the point');
my $pinner = $node->background_psql('postgres');
$pinner->query_until(qr/asked/, "\\echo asked\nSELECT mvstore_pin('mine', 110, '1 hour', 'pinned');\n");
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^SELECT mvstore_pin' AND wait_event_type = 'Lock'}, 'who makes a pin waits for the batch');
let_go($node);
$pinner->quit;
wait_until($node, 'postgres', sprintf('SELECT count(*) = %d FROM pinned WHERE version < 110', KEYS), 'what it does not read goes');
is(sql(q{SELECT count(*) FROM pinned WHERE version >= 110}), 1500, 'what it reads, and what came then, stays');
is(sql(q{SELECT count(*) FROM mvstore_scan_prefix('pinned', 'z', as_of := 110) WHERE version = 110}), 500, 'and is read');

$node->stop;
done_testing();
