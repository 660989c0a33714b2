# Who decodes the WAL can tell what the worker drops from what users erase and delete:
# otherwise an archive of all history would lose what the publisher has no more room
# for, or keep what was to be forgotten; and a subscriber that drops by a policy of its
# own would have its floor bypassed.

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
if (!-e $publisher->config_data('--pkglibdir') . '/test_decoding.so')
{
	$publisher->stop;
	plan skip_all => 'test_decoding is not installed (contrib)';
}
my $major = $publisher->safe_psql('postgres', q{SELECT current_setting('server_version_num')::int / 10000});

sub sql { return $publisher->safe_psql('postgres', $_[0]); }

# All drops are done, and in the WAL on disk, where decoding finds them: the worker commits without waiting.
sub flush
{
	sql('SELECT mvstore_flush()');
	sql('CHECKPOINT');
	return;
}

# Late minor releases have plugins named that may be used.
if (sql(q{SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'}))
{
	sql(q{ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'test_decoding', 'wal2json'});
	$publisher->reload;
}

# ---- What is decoded: "s +a1" is an insertion of version 1 of key a into s, "-" a deletion

my %word_of = (I => '+', U => '=', D => '-', INSERT => '+', UPDATE => '=', DELETE => '-');

# Words for a change; of versions that are times one cannot say which.
sub word
{
	my ($table, $action, $key, $version) = @_;

	return "$table $word_of{$action}" . pack('H*', $key) . ($version < 1_000_000 ? $version : '');
}

sub of_test_decoding
{
	my ($line) = @_;

	return "$1 truncate" if $line =~ /^table public\.([st]): TRUNCATE/;
	return word($1, $2, $3, $4)
	  if $line =~ /^table public\.([st]): (\w+):.* key\[bytea\]:'\\x(\w*)' version\[bigint\]:(\d+)/;
	return;
}

sub of_wal2json
{
	my ($line) = @_;
	my ($action, $table) = $line =~ /"action":"(\w)"(?:.*"table":"(\w+)")?/ or die "wal2json said: $line";

	return if $action =~ /[BC]/;
	return "$table truncate" if $action eq 'T';
	$line =~ /"name":"key","type":"bytea","value":"(\w*)".*?"name":"version","type":"bigint","value":(\d+)/
	  or die "wal2json said: $line";
	return word($table, $action, $1, $2);
}

my %relations;

sub of_pgoutput
{
	my $message = pack('H*', $_[0]);
	my $action = substr($message, 0, 1);

	if ($action eq 'R')
	{
		my ($id, undef, $name) = unpack('x N Z* Z*', $message);
		$relations{$id} = $name;
	}
	return $relations{ (unpack('x N C N', $message))[2] } . ' truncate' if $action eq 'T';
	return unless $action =~ /[IUD]/;
	my ($id, undef, $key, $version) = unpack('x N x n x N/a x N/a', $message);
	return word($relations{$id}, $action, substr($key, 2), $version);
}

# How each plugin is asked and read, and its filter: that of pgoutput came with 16.
my %plugins = (
	test_decoding => { options => [], filter => [ 'only-local', '1' ], read => \&of_test_decoding },
	wal2json => {
		options => [ 'format-version', '2', 'add-tables', 'public.s,public.t' ],
		filter => [ 'filter-origins', '65535' ],
		read => \&of_wal2json
	},
	pgoutput => {
		options => [ 'proto_version', '1', 'publication_names', 'pub' ],
		filter => $major < 16 ? undef : [ 'origin', 'none' ],
		read => \&of_pgoutput
	});

# The lines that a plugin has said since it was last asked by "get"; "peek" leaves them.
sub lines
{
	my ($plugin, $function, @options) = @_;
	my $call = "pg_logical_slot_$function" . ($plugin eq 'pgoutput' ? '_binary_changes' : '_changes');
	my $data = $plugin eq 'pgoutput' ? q{encode(data, 'hex')} : 'data';

	return split /\n/, sql("SELECT $data FROM $call(" . join(', ', "'$plugin'", 'NULL', 'NULL', map { "'$_'" } @options) . ')');
}

sub words
{
	my ($plugin, $function, @more) = @_;
	my $read = $plugins{$plugin}{read};

	return join ', ', grep { defined } map { $read->($_) } lines($plugin, $function, @{ $plugins{$plugin}{options} }, @more);
}

# What each plugin has said with its filter, and without.
sub decodes
{
	my ($filtered, $all, $what) = @_;

	for my $plugin (sort keys %plugins)
	{
		my $filter = $plugins{$plugin}{filter};

		is(words($plugin, 'peek', @$filter), $filtered, "$plugin, filtered: $what") if $filter;
		is(words($plugin, 'get'), $all, "$plugin: $what");
	}
	return;
}

note("pgoutput of PostgreSQL $major has no filter by origin: looked at without") if $major < 16;
sql(q{SELECT mvstore_create('s'), mvstore_create('t', keep_versions := 1)});
sql('CREATE PUBLICATION pub FOR TABLE s, t');
for my $plugin (sort keys %plugins)
{
	my ($result, undef, $error) = $publisher->psql('postgres', "SELECT pg_create_logical_replication_slot('$plugin', '$plugin')");

	next if $result == 0;
	die $error if $plugin ne 'wal2json' || $error !~ /could not access file "wal2json"/;
	diag("wal2json is not installed (postgresql-$major-wal2json): what it says is not looked at");
	delete $plugins{$plugin};
}

sql(q{SELECT mvstore_put_at('s', k, 'v' || v, v) FROM unnest('{a,b}'::text[]) k, generate_series(1, 4) v});
sql(q{SELECT mvstore_delete_at('s', 'b', 5)});
my $puts = 's +a1, s +a2, s +a3, s +a4, s +b1, s +b2, s +b3, s +b4, s +b5';
decodes($puts, $puts, 'puts and deletes are insertions');
sql(q{BEGIN; SELECT mvstore_put('s', 'c', 'v1'); SELECT mvstore_put('s', 'c', 'v2'); COMMIT});
decodes('s +c, s -c, s +c', 's +c, s -c, s +c', 'what a transaction puts twice replaces its own');

my $before = sql('SELECT clock_timestamp()');
sql(q{SELECT mvstore_drop('s', 'a', keep := 3)});
flush();
my @catalog = map { /^table public\.(mvstore_\w+): (\w+)/ ? "$1 $2" : () } lines('test_decoding', 'peek', 'only-local', '1');
is(join(', ', @catalog), 'mvstore_journal INSERT', 'nor has the catalog changes of the worker, but the request of the session');
my ($time) = join(' ', lines('test_decoding', 'peek', 'include-timestamp', '1')) =~ /public\.s: DELETE.*?COMMIT \d+ \(at ([^)]*)\)/;
is(sql("SELECT '$time'::timestamptz > '$before'"), 't', 'commits of the worker are as of their own time');
decodes('', 's -a1', 'a drop');
sql(q{SELECT mvstore_put('t', 'k', 'v')}) for (1 .. 2);
flush();
decodes('t +k, t +k', 't +k, t +k, t -k', 'a drop by a policy');
sql(q{SELECT mvstore_compact('s', 5)});
flush();
decodes('', 's -a2, s -a3, s -b1, s -b2, s -b3, s -b4, s -b5', 'a compaction, tombstones as well');

sql(q{SELECT mvstore_erase('s', 'c')});
decodes('s -c', 's -c', 'an erasure');
sql(q{DELETE FROM s WHERE key = 'a'});
decodes('s -a4', 's -a4', 'a DELETE');
sql(q{SELECT mvstore_clear('t')});
decodes('t truncate', 't truncate', 'a TRUNCATE');
sql("SELECT pg_drop_replication_slot('$_')") for keys %plugins;

# ---- A subscriber that keeps what the publisher drops: tables, a store, a whole database

my $subscriber = mvstore_node('subscriber', @init);
my $connection = $publisher->connstr . ' dbname=postgres';

sub there { return $subscriber->safe_psql(@_); }

sub subscribe
{
	my ($database, $publication) = @_;

	there('postgres', "CREATE DATABASE $database");
	there($database, 'CREATE EXTENSION mvstore');
	there($database, "CREATE TABLE $_ (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz); "
		  . "CREATE UNIQUE INDEX ON $_ (key, version DESC); ALTER TABLE $_ REPLICA IDENTITY USING INDEX ${_}_key_version_idx")
	  for qw(s t);
	return $subscriber->psql($database, "CREATE SUBSCRIPTION $database CONNECTION '$connection' PUBLICATION $publication WITH (origin = none)");
}

# What a subscriber has of s, once it has all that was committed.
sub received
{
	my ($database) = @_;

	$publisher->wait_for_catchup($database);
	return there($database, q{SELECT string_agg(convert_from(key, 'UTF8') || version, ' ' ORDER BY key, version) FROM s WHERE version < 1000000});
}

my ($result, undef, $error) = subscribe('plain', 'pub');
if ($major < 16)
{
	diag("subscriptions of PostgreSQL $major have no option \"origin\": those with one are not run");
	like($error, qr/unrecognized subscription parameter: "origin"/, 'PostgreSQL says so');
	$subscriber->stop;
	$publisher->stop;
	done_testing();
	exit;
}
is($result, 0, 'a subscription with origin = none');
subscribe('store', 'pub');
sql('CREATE PUBLICATION everything FOR ALL TABLES');
subscribe('whole', 'everything');
wait_until($subscriber, $_, q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel}, "$_: the first copy is made") for qw(plain store whole);
there('store', q{SELECT mvstore_attach('s', keep_versions := 4, floor := 0)});
is(there('store', 'SELECT mvstore_flush()'), 't', 'the policy of a store that is still empty is met, and what is brought in later stays until a sweep');

sql(q{SELECT mvstore_put_at('s', k, 'v' || v, v) FROM unnest('{a,d}'::text[]) k, generate_series(11, 15) v});
sql(q{SELECT mvstore_drop('s', 'a'), mvstore_drop('s', 'd')});
flush();
is(sql(q{SELECT string_agg(convert_from(key, 'UTF8') || version, ' ' ORDER BY key) FROM s}), 'a15 d15', 'the publisher has the newest');
is(received($_), 'a11 a12 a13 a14 a15 d11 d12 d13 d14 d15', "$_: all is there") for qw(plain store whole);
is((sqlstate_of($publisher, 'postgres', q{SELECT mvstore_get('s', 'a', as_of := 11);}))[0], '72000', 'the past is gone from the publisher');
is(there('store', q{SELECT mvstore_get('s', 'a', as_of := 11)}), 'v11', 'and is read on the subscriber');

there('store', q{SELECT mvstore_sweep('s')});
is(there('store', 'SELECT mvstore_flush()'), 't', 'the store drops by its own policy');
is(received('store'), 'a12 a13 a14 a15 d12 d13 d14 d15', 'so many versions');
is((sqlstate_of($subscriber, 'store', q{SELECT mvstore_get('s', 'a', as_of := 11);}))[0], '72000', 'and says so');

sql(q{DELETE FROM s WHERE key = 'a'});
sql(q{SELECT mvstore_erase('s', 'd')});
is(received('plain'), 'a11 a12 a13 a14 d11 d12 d13 d14', 'plain: erasures and deletes remove what the publisher still had');
is(received('store'), 'a12 a13 a14 d12 d13 d14', 'store: so they do');
there('store', q{SELECT mvstore_erase('s', 'd')});
there('plain', q{DELETE FROM s WHERE key = 'd'});
is(received('plain'), 'a11 a12 a13 a14', 'plain: what was dropped before is to be erased there, too');
is(received('store'), 'a12 a13 a14', 'store: so it is');
sql(q{SELECT mvstore_clear('s')});
is(received($_), '', "$_: a TRUNCATE empties it") for qw(plain store whole);
is(there('whole', 'SELECT (SELECT count(*) FROM mvstore_policy) + (SELECT count(*) FROM mvstore_floor) + (SELECT count(*) FROM mvstore_journal)'), 0, 'whole: of the catalog nothing is believed');
unlike(slurp_file($subscriber->logfile), qr/ERROR:.*(?:mvstore|relation)/, 'no error stopped the apply');

there($_, "DROP SUBSCRIPTION $_") for qw(plain store whole);
$subscriber->stop;
$publisher->stop;
done_testing();
