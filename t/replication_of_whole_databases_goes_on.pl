# A publication of all tables, or of all in a schema, takes mvstore's own tables along.
# If what a publisher's worker writes of itself stopped the apply, or were believed on
# the subscriber, replication of the whole database would stand still, and plain tables
# would be stores that lose entries by a policy, a floor or a pause of another server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "mvstore.flush_interval = '10 ms'\nmax_worker_processes = 40\nmax_logical_replication_workers = 20\n"
  . "wal_retrieve_retry_interval = '100 ms'\n";
my @init = (init => [ allows_streaming => 'logical' ], conf => $conf);
my $publisher = mvstore_node('publisher', @init);
my $subscriber = mvstore_node('subscriber', @init);
my $connect = "host=" . $publisher->host . " port=" . $publisher->port;

# Connect a database of the subscriber's, and wait until it has all that is there.
sub subscribe
{
	my ($database, $of, $publication, $options) = @_;

	$subscriber->safe_psql($database, "CREATE SUBSCRIPTION sub_$database CONNECTION '$connect dbname=$of' PUBLICATION $publication" . ($options // ''));
	wait_until($subscriber, $database, q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel}, "$database: the first copy is made");
	return;
}

# All that mvstore believes in a database, but for times.
sub beliefs
{
	my ($database) = @_;

	return $subscriber->safe_psql($database, <<'SQL');
SELECT 'policy', store, keep_versions, keep_for, ttl, incarnation FROM mvstore_policy ORDER BY store::text;
SELECT 'floor', store, floor FROM mvstore_floor ORDER BY store::text;
SELECT 'pin', name, owner, store, version, expires FROM mvstore_pin ORDER BY name;
SELECT 'journal', count(*) FROM mvstore_journal;
SELECT 'calendar', count(*) FROM mvstore_calendar;
SELECT 'paused', count(*) FROM mvstore_paused;
SELECT 'stable', count(*) FROM mvstore_stable;
SQL
}

# ---- The publisher: stores of every kind of policy, with something in every table of the catalog

sub sql
{
	my ($sql) = @_;

	return $publisher->safe_psql('postgres', $sql);
}

sql(q{SELECT mvstore_create('few', keep_versions := 2), mvstore_create('aged', keep_for := '1 day'), mvstore_create('expiring', ttl := '1 day'), mvstore_create('cleared')});
sql("SELECT mvstore_put(s, 'a', 'before $_') FROM unnest('{few,aged,expiring,cleared}'::regclass[]) s") for (1 .. 4);
is(sql('SELECT mvstore_flush()'), 't', 'some history is dropped on the publisher');
sql(q{SELECT mvstore_pin('p', ttl := '1 day', store := 'aged')});
sql('SELECT mvstore_pause()');
sql(q{SELECT mvstore_drop('aged', 'a')});
isnt(sql("SELECT (SELECT count(*) FROM $_)"), 0, "$_ has rows")
  for map { "mvstore_$_" } qw(policy floor journal calendar pin paused stable);
sql('CREATE PUBLICATION everything FOR ALL TABLES');

# ---- Subscribers: with stores of their own, with plain tables, and made from a dump

$subscriber->safe_psql('postgres', "CREATE DATABASE $_") for qw(own plain dump part binary_own);
$subscriber->safe_psql($_, 'CREATE EXTENSION mvstore') for qw(own plain part binary_own);
for my $database ('own', 'binary_own')
{
	$subscriber->safe_psql($database, $_)
	  for (q{SELECT mvstore_create('few', keep_versions := 50), mvstore_create('aged'), mvstore_create('expiring'), mvstore_create('cleared')},
		q{SELECT mvstore_create('here_only')}, q{SELECT mvstore_pin('p', ttl := '2 days', store := 'here_only'), mvstore_pin('q', ttl := '2 days', store := 'here_only')});
}
$subscriber->safe_psql('plain', "CREATE TABLE $_ (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz, PRIMARY KEY (key, version))")
  for qw(few aged expiring cleared);
my $dump = PostgreSQL::Test::Utils::tempdir() . '/schema.sql';
$publisher->command_ok([ 'pg_dump', '-h', $publisher->host, '-p', $publisher->port, '--schema-only', '--no-publications', '-f', $dump, 'postgres' ], 'pg_dump --schema-only');
$subscriber->command_ok([ 'psql', '-h', $subscriber->host, '-p', $subscriber->port, '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'dump', '-f', $dump ], 'its restore');

my @databases = qw(own plain dump binary_own);
my %before = map { $_ => beliefs($_) } @databases;
subscribe($_, 'postgres', 'everything', $_ =~ /^binary/ ? ' WITH (binary = true)' : '') for @databases;
is(beliefs($_), $before{$_}, "$_: the first copy has changed nothing that mvstore believes") for @databases;

# ---- The life of a publisher

my $stable = sql('SELECT version FROM mvstore_stable');
sql('SELECT mvstore_resume()');
sql(q{SELECT mvstore_unpin('p')});
is(sql('SELECT mvstore_flush()'), 't', 'the publisher goes on after a pause');
sql("SELECT mvstore_put(s, 'b', 'after $_') FROM unnest('{few,aged,expiring}'::regclass[]) s") for (1 .. 4);
sql(q{SELECT mvstore_delete('few', 'a'), mvstore_put('expiring', 'short', 'v', ttl := '1 ms')});
sql(q{SELECT mvstore_drop('aged', 'b', keep := 2), mvstore_set_policy('expiring', keep_versions := 1, keep_for := '1 h')});
sql(q{SELECT mvstore_pin('r', ttl := '1 day'), mvstore_unpin('r')});
sql(q{SELECT mvstore_clear('cleared')});
sql(q{SELECT mvstore_put('cleared', 'c', 'new life')});
sql(q{SELECT mvstore_sweep('few')});
# A store that the subscribers do not have; nothing is written to it.
sql(q{SELECT mvstore_create('there_only', keep_versions := 3)});
sql(q{SELECT mvstore_set_policy('there_only', keep_versions := 4)});
sql(q{SELECT mvstore_attach('there_only') FROM (SELECT mvstore_detach('there_only')) d});
sql('SELECT mvstore_pause()');
sql(q{SELECT mvstore_retry_failed('few'), mvstore_cancel_request(1)});
sql('SELECT mvstore_resume()');
sql('DROP TABLE there_only');
is(sql('SELECT mvstore_flush()'), 't', 'the publisher has done all');
wait_until($publisher, 'postgres', "SELECT version > $stable FROM mvstore_stable", 'and told its standbys what is stable');

my $entries = q{SELECT 'f', * FROM few UNION ALL SELECT 'a', * FROM aged UNION ALL SELECT 'e', * FROM expiring UNION ALL SELECT 'c', * FROM cleared ORDER BY 1, 2, 3};
for my $database (@databases)
{
	$publisher->wait_for_catchup("sub_$database");
	is($subscriber->safe_psql($database, $entries), sql($entries), "$database: all has come, and what was dropped has gone");
	# Of its own, the store that was cleared by the subscription has a floor and another life.
	my $cleared = qr/^(?:policy\|cleared|floor\|cleared).*\n/m;
	is(beliefs($database) =~ s/$cleared//gr, $before{$database} =~ s/$cleared//gr, "$database: nothing that mvstore believes has changed");
}
is($subscriber->safe_psql('own', q{SELECT incarnation FROM mvstore_stores WHERE store = 'cleared'::regclass}), 2, 'a published TRUNCATE is a clear of the own store');
is($subscriber->safe_psql($_, 'SELECT count(*) FROM mvstore_stores'), 0, "$_: plain tables are no stores") for qw(plain dump);
unlike(slurp_file($subscriber->logfile), qr/ERROR:/, 'no error stopped the apply');

# The own worker of a subscriber is not paused, and keeps to the own policy.
$subscriber->safe_psql('own', "SELECT mvstore_put('few', 'mine', '$_')") for (1 .. 5);
is($subscriber->safe_psql('own', 'SELECT mvstore_drop($$few$$, $$mine$$, keep := 4)'), '', 'a subscriber has requests of its own');
is($subscriber->safe_psql('own', 'SELECT mvstore_flush()'), 't', 'which are done');
is($subscriber->safe_psql('own', q{SELECT count(*) FROM mvstore_history('few', 'mine')}), 4, 'as asked for');

# ---- One schema, in which the extension lies, of a database that has stores in another one, too

$publisher->safe_psql('postgres', 'CREATE DATABASE part');
$publisher->safe_psql('part', $_)
  for ('CREATE EXTENSION mvstore; CREATE SCHEMA app', q{SELECT mvstore_create('s', keep_versions := 1), mvstore_create('app.hidden', keep_versions := 1)},
	'CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA public');
my $both = q{SELECT mvstore_put('s', 'k', 'v'), mvstore_put('app.hidden', 'k', 'v'), mvstore_drop('app.hidden', 'k')};
$publisher->safe_psql('part', $both) for (1 .. 2);
is($publisher->safe_psql('part', 'SELECT mvstore_flush()'), 't', 'a store outside the schema has a floor');
$subscriber->safe_psql('part', q{SELECT mvstore_create('s')});
$before{part} = beliefs('part');
subscribe('part', 'part', 'of_schema');
$publisher->safe_psql('part', $both) for (1 .. 2);
is($publisher->safe_psql('part', 'SELECT mvstore_flush()'), 't', 'it goes on');
$publisher->wait_for_catchup('sub_part');
is($subscriber->safe_psql('part', 'TABLE s'), $publisher->safe_psql('part', 'TABLE s'), 'part: what is published has come');
is(beliefs('part'), $before{part}, 'part: nothing that mvstore believes has changed');
unlike(slurp_file($subscriber->logfile), qr/ERROR:/, 'no error stopped the apply');

# With a schema of its own the extension is not part of it.
$publisher->safe_psql('postgres', 'CREATE DATABASE apart');
$publisher->safe_psql('apart', 'CREATE SCHEMA mvstore; CREATE EXTENSION mvstore SCHEMA mvstore');
$publisher->safe_psql('apart', q{SELECT mvstore.mvstore_create('public.s'); CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA public});
is($publisher->safe_psql('apart', 'SELECT tablename FROM pg_publication_tables'), 's', 'an own schema keeps the catalog out of a publication');

# ---- The guard cannot be taken off by accident

$subscriber->safe_psql('own', "ALTER TABLE mvstore_$_ DISABLE TRIGGER ALL; ALTER TABLE mvstore_$_ ENABLE TRIGGER ALL") for qw(policy pin);
sql(q{SELECT mvstore_set_policy('few', keep_versions := 7), mvstore_pin('s', ttl := '1 day', store := 'few')});
$publisher->wait_for_catchup('sub_own');
is($subscriber->safe_psql('own', q{SELECT keep_versions FROM mvstore_stores WHERE store = 'few'::regclass}), 50, 'the policy is still the own one');
is($subscriber->safe_psql('own', 'SELECT string_agg(name, $$ $$ ORDER BY name) FROM mvstore_pins'), 'p q', 'and so are the pins');

# ---- A pin of a subscriber's holds up a published TRUNCATE while it lives, and no longer

my $offset = -s $subscriber->logfile;
$subscriber->safe_psql('own', q{SELECT mvstore_pin('mine', ttl := '1 day', store := 'cleared')});
sql('TRUNCATE cleared');
$subscriber->wait_for_log(qr/store "cleared" is pinned as of version/, $offset);
is($subscriber->safe_psql('own', 'SELECT count(*) FROM cleared'), 1, 'what is pinned is there');
$subscriber->safe_psql('own', q{SELECT mvstore_unpin('mine')});
$publisher->wait_for_catchup('sub_own');
is($subscriber->safe_psql('own', 'SELECT count(*) FROM cleared'), 0, 'when the pin has gone the apply goes on');

$subscriber->safe_psql($_, "DROP SUBSCRIPTION sub_$_") for (@databases, 'part');
$subscriber->stop;
$publisher->stop;
done_testing();
