# However many drops wait for a pin, an open writer or a lock: what is due of others is
# done meanwhile, mvstore_flush() tells at once that there is nothing to wait for, and
# when the way is free all is done, each once. Here the worker keeps as few as eight.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('many', conf => "mvstore.queue_size = 8\nmvstore.batch_size = 4\nfsync = off\nstatement_timeout = '30 s'");
my $session = $node->background_psql('postgres');

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Supersede 25 keys of a store once more, and have that dropped, each by itself.
sub drops
{
	my ($store, $before) = @_;

	return sql(join("\n", $before // '',
		map { "SELECT mvstore_put('$store', 'k$_', 'w'); SELECT mvstore_drop('$store', 'k$_');" } 1 .. 25));
}

sub flushed
{
	my ($expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# (With a timeout beyond that of the test.)
	return is(sql(q{SELECT mvstore_flush('1 day')}), $expected, $name);
}

# A drop of another store is done though others wait, and these go when they may.
sub held_up
{
	my ($what, $store, $let_go) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql(qq{SELECT mvstore_put('other', 'k', '$_')}) for (1, 2);
	sql(q{SELECT mvstore_drop('other', 'k')});
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('other', 'k')}, "$what: a drop of another store is done");
	sql(q{SELECT mvstore_drop('plain', 'none')});
	wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_requests WHERE store = 'plain'::regclass}, "$what: and one that comes then");
	$let_go->();
	flushed('t', "$what: when the way is free all is done");
	return is(entries_of($node, 'postgres', $store), 25, "$what: and has gone");
}

sub unpins { sql(q{SELECT mvstore_unpin('p')}); return; }
sub requests_held { return sql(q{SELECT requests_held FROM mvstore_stats WHERE database = 'postgres'}); }

sql(q{SELECT mvstore_create('s'), mvstore_create('latest', keep_versions := 1), mvstore_create('other'), mvstore_create('plain')});
sql(qq{SELECT count(mvstore_put('$_', 'k' || k, 'v')) FROM generate_series(1, 25) k}) for ('s', 'latest');
flushed('t', 'the worker has come');
my $processed = sql(q{SELECT requests_processed FROM mvstore_stats WHERE database = 'postgres'});

# A pin.
sql(q{SELECT mvstore_pin('p', store := 's')});
drops('s');
flushed('f', 'with a pin, nobody waits for what it holds');
is(requests_held(), 25, 'all of that is known');

# More than the queue has room for, that nothing is in the way of: a flush waits for all of it.
sql(q{SELECT count(mvstore_put('other', 'o' || k, v::text)) FROM generate_series(1, 25) k, generate_series(1, 2) v});
sql(q{SELECT mvstore_pause()});
sql(q{SELECT count(mvstore_drop('other', 'o' || k)) FROM generate_series(1, 25) k});
sql(q{SELECT mvstore_resume()});
flushed('f', 'nor does what comes behind it wait for a pin');
is(entries_of($node, 'postgres', 'other'), 25, 'a flush has seen all of that done');
is(sql(q{SELECT count(*), count(DISTINCT state) FROM mvstore_requests WHERE store = 's'::regclass AND state = 'held'}), '25|1', 'and seen');
held_up('a pin', 's', \&unpins);
is(sql(q{SELECT requests_processed FROM mvstore_stats WHERE database = 'postgres'}) - $processed, 52, 'each request was counted once');

# Two pins, of which one ends.
sql(q{SELECT mvstore_pin('q', store := 'latest'), mvstore_pin('p', store := 's')});
drops($_) for ('latest', 's');
flushed('f', 'with pins on two stores, nobody waits');
unpins();
wait_until($node, 'postgres', 'SELECT count(*) = 25 FROM s', 'what the one has held goes with its end');
flushed('f', 'nobody waits for the other');
sql(q{SELECT mvstore_unpin('q')});
flushed('t', 'with its end, all is done');
is(entries_of($node, 'postgres', 'latest'), 25, 'and has gone');

# What a policy asks for. (How much of it the queue has no room for, and when, is different each time.)
for (1 .. 6)
{
	sql(q{SELECT mvstore_pin('p', store := 'latest')});
	sql(join("\n", map { "SELECT mvstore_put('latest', 'k$_', 'x');" } 1 .. 25));
	flushed('f', 'nor for what a policy asks for');
	held_up('a policy', 'latest', \&unpins);
}

# Without rows.
sql(q{SELECT mvstore_pin('p', store := 's')});
drops('s', 'SET mvstore.durable_drops = off;');
flushed('f', 'nor for requests without a row');
held_up('without rows', 's', \&unpins);

# A lock on the table.
drops('s', q{SELECT mvstore_pause();});
$session->query_safe('BEGIN; LOCK TABLE s IN SHARE MODE');
sql(q{SELECT mvstore_resume()});
held_up('a lock', 's', sub { $session->query_safe('COMMIT') });

# An open writer: it cannot wait for itself.
$session->query_safe(q{BEGIN; SELECT mvstore_put('other', 'w', 'w')});
drops('s');
is($session->query_safe(q{SELECT mvstore_flush('1 day')}), 'f', 'an open writer does not wait for what it holds');
$session->query_safe('COMMIT');
flushed('t', 'when it has ended all is done');
is(entries_of($node, 'postgres', 's'), 25, 'and has gone');

# Another worker; requests that are cancelled; keys that are erased.
sql(q{SELECT mvstore_pin('p', store := 's')});
drops('s');
flushed('f', 'with a pin again');
my $worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'another worker comes');
flushed('f', 'nobody waits for what it finds');
is(sql(q{SELECT count(*) FROM mvstore_requests}), 25, 'all of it');
sql(q{SELECT mvstore_cancel_request(id) FROM mvstore_requests ORDER BY id DESC LIMIT 24});
flushed('f', 'with all but one cancelled');
is(requests_held(), 1, 'one is left');
sql(q{SELECT mvstore_cancel_request(id) FROM mvstore_requests});
flushed('t', 'with all cancelled, nothing is left to do');
is(entries_of($node, 'postgres', 's'), 50, 'nor done');
unpins();

$session->quit;
$node->stop;
done_testing();
