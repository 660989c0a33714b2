# Stores are published by name and by schema, to plain tables and to tables that are
# made stores. If a plain table without an index did not say what it lacks, or a store
# could not be written when its publisher is gone, a subscriber would be of no use when
# it is needed; and who publishes insertions alone is to know what that loses.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "mvstore.flush_interval = '10 ms'\nmax_worker_processes = 20\nwal_retrieve_retry_interval = '100 ms'\n";
my @init = (init => [ allows_streaming => 'logical' ], conf => $conf);
my $publisher = mvstore_node('publisher', @init);
my $subscriber = mvstore_node('subscriber', @init);
my $connection = $publisher->connstr . ' dbname=postgres';
my $columns = 'key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz';

sub sql { return $publisher->safe_psql('postgres', $_[0]); }
sub there { return $subscriber->safe_psql(@_); }

# All drops are done, and in the WAL on disk: the worker commits without waiting.
sub flush
{
	sql('SELECT mvstore_flush()');
	sql('CHECKPOINT');
	return;
}

sub subscribe
{
	my ($database, $publication) = @_;

	there($database, "CREATE SUBSCRIPTION $database CONNECTION '$connection' PUBLICATION $publication");
	wait_until($subscriber, $database, q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel}, "$database: the first copy is made");
	return;
}

my $entries = q{SELECT string_agg(convert_from(key, 'UTF8') || version, ' ' ORDER BY key, version) FROM app.s};

# What a subscriber has, once it has all that was committed.
sub received
{
	my ($database) = @_;

	$publisher->wait_for_catchup($database);
	return there($database, $entries);
}

# A line of the subscriber's log, and what has not been looked at of it.
my $offset = 0;

sub logs
{
	my ($line) = @_;

	$offset = $subscriber->wait_for_log($line, $offset);
	return ok($offset, "the log says: $line");
}

# A schema of stores; the extension lies in another one.
sql('CREATE SCHEMA app');
sql(q{SELECT mvstore_create('app.s')});
sql(q{SELECT mvstore_put_at('app.s', k, 'v' || v, v) FROM unnest('{a,b}'::text[]) k, generate_series(1, 4) v});
sql('CREATE PUBLICATION by_name FOR TABLE app.s');
sql('CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA app');
sql(q{CREATE PUBLICATION inserts FOR TABLE app.s WITH (publish = 'insert')});
is(sql(q{SELECT DISTINCT tablename FROM pg_publication_tables}), 's', 'no publication takes the catalog along');
for my $database (qw(plain store inserts))
{
	there('postgres', "CREATE DATABASE $database");
	there($database, "CREATE SCHEMA app; CREATE TABLE app.s ($columns)");
}
there('inserts', 'CREATE UNIQUE INDEX ON app.s (key, version DESC)');

# A subscriber that is to be a store has the index of one.
there('store', 'CREATE EXTENSION mvstore');
there('store', 'CREATE UNIQUE INDEX ON app.s (key, version DESC)');
subscribe('plain', 'by_name');
subscribe('store', 'by_schema');
subscribe('inserts', 'inserts');
there('store', q{SELECT mvstore_attach('app.s', keep_versions := 3, floor := 0)});
is(there('store', q{SELECT mvstore_flush()}), 't', 'a store has a policy of its own');
is(received('store'), 'a2 a3 a4 b2 b3 b4', 'which is applied');
is(there('store', q{SELECT mvstore_get('app.s', 'a', as_of := 2)}), 'v2', 'it reads the past');
is((sqlstate_of($subscriber, 'store', q{SELECT mvstore_get('app.s', 'a', as_of := 1);}))[0], '72000', 'and knows what it has not');
is(received('plain'), 'a1 a2 a3 a4 b1 b2 b3 b4', 'plain: all is there');

# ---- Drops are deletions, for which a plain table needs an index

sql(q{SELECT mvstore_drop('app.s', 'a', keep := 2)});
flush();
logs(qr/logical replication target relation "app\.s" has neither REPLICA IDENTITY index nor PRIMARY KEY/);
there('plain', 'ALTER TABLE app.s ADD PRIMARY KEY (key, version)');
is(received('plain'), 'a3 a4 b1 b2 b3 b4', 'plain: with one the apply goes on');
is(received('store'), 'a3 a4 b2 b3 b4', 'the store has lost the same');
is(received('inserts'), 'a1 a2 a3 a4 b1 b2 b3 b4', 'who gets insertions alone has not');

# A pin of the subscriber's holds back its own worker. Of what others delete it knows
# nothing, nor does the floor: such a past reads as absent.
there('store', q{SELECT mvstore_pin('mine', version := 3, ttl := '1 day', store := 'app.s')});
sql(q{SELECT mvstore_drop('app.s', 'a', keep := 1)});
flush();
sql(q{SELECT mvstore_put_at('app.s', 'b', 'v' || v, v) FROM generate_series(5, 9) v});
is(received('store'), 'a4 b2 b3 b4 b5 b6 b7 b8 b9', 'a deletion comes whatever is pinned');
is(there('store', q{SELECT mvstore_get('app.s', 'a', as_of := 3)}), '', 'and says nothing');
there('store', q{SELECT mvstore_sweep('app.s')});
wait_until($subscriber, 'store', q{SELECT count(*) = 7 AND min(version) = 3 FROM app.s WHERE key = 'b'}, 'its own worker keeps what is pinned');
is(received('store'), 'a4 b3 b4 b5 b6 b7 b8 b9', 'from the pinned version on');
there('store', q{SELECT mvstore_unpin('mine')});
is(there('store', q{SELECT mvstore_flush()}), 't', 'without the pin');
is(received('store'), 'a4 b7 b8 b9', 'the policy is done');

# ---- Erasures are deletions; publish = 'insert' loses them

sql(q{SELECT mvstore_erase('app.s', 'a')});
is(received('plain'), 'b1 b2 b3 b4 b5 b6 b7 b8 b9', 'plain: an erasure comes');
is(received('store'), 'b7 b8 b9', 'so it does to the store');
like(received('inserts'), qr/^a1 a2 a3 a4 b1/, q{publish = 'insert' loses it});

# What a transaction puts twice is inserted, deleted and inserted again.
sql(q{BEGIN; SELECT mvstore_put('app.s', 'c', v) FROM unnest('{one,two}'::text[]) v; COMMIT});
logs(qr/(?:violates unique constraint|exists in unique index) "s_key_version_idx"/);
like(received($_), qr/9 c\d+$/, "$_: two puts of a transaction are one") for qw(plain store);
is(there('store', q{SELECT mvstore_get('app.s', 'c')}), 'two', 'the last');
there('inserts', 'ALTER SUBSCRIPTION inserts DISABLE');
there('inserts', 'DROP INDEX app.s_key_version_idx');
there('inserts', 'ALTER SUBSCRIPTION inserts ENABLE');
like(received('inserts'), qr/9 (c\d+) \1$/, q{publish = 'insert': without a unique index it goes on, with both});

# ---- TRUNCATE

sql(q{SELECT mvstore_clear('app.s')});
is(received($_), '', "$_: what is cleared is empty") for qw(plain store);
isnt(received('inserts'), '', q{publish = 'insert' loses that, too});
is((sqlstate_of($subscriber, 'store', q{SELECT mvstore_get('app.s', 'b', as_of := 9);}))[0], '72000', 'the store knows that it was cleared');

# ---- The store takes over

sql(q{SELECT mvstore_put('app.s', 'a', 'of the publisher')}) for (1 .. 3);
my $last = sql(q{SELECT max(version) FROM app.s});
$publisher->wait_for_catchup('store');
$publisher->stop('immediate');
there($_, "ALTER SUBSCRIPTION $_ DISABLE; ALTER SUBSCRIPTION $_ SET (slot_name = NONE); DROP SUBSCRIPTION $_") for qw(plain store inserts);
my $first = there('store', q{SELECT mvstore_put('app.s', 'a', 'of the subscriber')});
cmp_ok($first, '>', $last, 'versions go on above those of the publisher');
is(there('store', q{SELECT mvstore_get('app.s', 'a')}), 'of the subscriber', 'it is written');
is(there('store', "SELECT mvstore_get('app.s', 'a', as_of := $last)"), 'of the publisher', 'and reads what was');
is(there('store', q{SELECT mvstore_flush()}), 't', 'its worker works');
is(there('store', q{SELECT count(*) FROM app.s}), 3, 'by its policy');

$subscriber->stop;
done_testing();
