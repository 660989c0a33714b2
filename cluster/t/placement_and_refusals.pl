# Keys stay where they are: the hash is that of the README for ever; a key given as text or bytes is the same key;
# a store placed by a prefix has it on one shard; another number of partitions, or shards in another order, is refused.
# What is refused names the shard and says what to do: a second write of a transaction, a shard that is down,
# one without the extension or without prepared transactions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $cluster = MvstoreCluster->new('placed', shards => 16, servers => 2);

sub refused
{
	my ($sql, $state, $said, $name) = @_;
	my ($got, $text) = $cluster->refused($sql);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($got eq $state && $text =~ $said, $name) || diag("$got $text");
}

# ---- The hash ---------------------------------------------------------------

# Of "sha256sum": printf 'fruit\0apple' | sha256sum begins with the two bytes.
is($cluster->query(<<'SQL'), "53292\n22493\n26422\n613", 'the hash is the one that it was');
SELECT mvstore_cluster_hash(s, k) FROM (VALUES ('fruit', 'apple'::bytea), ('fruit', ''), ('fruit', '\xff00'), ('Obst', 'Äpfel')) v (s, k)
SQL
is($cluster->query(<<'SQL'), 't', 'it is the beginning of SHA-256');
SELECT bool_and(mvstore_cluster_hash('s', k::bytea) = ('x' || left(encode(sha256('s'::bytea || '\x00' || k::bytea), 'hex'), 4))::bit(16)::integer)
  FROM (SELECT 'key ' || n AS k FROM generate_series(1, 1000) n) x
SQL
is($cluster->query(<<'SQL'), '16|t|t', 'keys are spread over all shards, and bytes lie with text');
SELECT count(DISTINCT s), min(c) > 150, bool_and(same)
  FROM (SELECT s, count(*) AS c, bool_and(s = mvstore_cluster_shard_raw('fruit', convert_to(k, 'UTF8')) AND s = mvstore_cluster_shard('public.fruit', k)) AS same
		  FROM (SELECT 'käy ' || n AS k, mvstore_cluster_shard('Fruit', 'käy ' || n) AS s FROM generate_series(1, 4000) n) x GROUP BY s) y
SQL
$cluster->query("SELECT mvstore_create('fruit')");
my $shard = $cluster->query("SELECT mvstore_put('fruit', 'Äpfel', 'x'); SELECT mvstore_cluster_shard('fruit', 'Äpfel')") =~ s/.*\n//r;
is($cluster->shard($shard, "SELECT mvstore_get('fruit', 'Äpfel')"), 'x', 'a key is where it is said to be');
is($cluster->query("SELECT mvstore_get_raw('fruit', convert_to('Äpfel', 'UTF8'))"), '\x78', 'by its bytes, too');

# ---- Placement by a part of the key --------------------------------------------

$cluster->query("SELECT mvstore_cluster_place('orders', delimiter => '/'); SELECT mvstore_create('orders');
	SELECT mvstore_cluster_place('codes', prefix_length => 2); SELECT mvstore_create('codes');");
$cluster->query("SELECT mvstore_put_many('orders', ARRAY(SELECT 'u' || u || '/' || n FROM generate_series(1, 20) u, generate_series(1, 5) n), array_fill('x'::text, ARRAY[100]));
	SELECT mvstore_put_many('codes', ARRAY(SELECT chr(97 + u) || 'b' || n FROM generate_series(1, 20) u, generate_series(1, 5) n), array_fill('x'::text, ARRAY[100]));");
is($cluster->query("SELECT count(DISTINCT mvstore_cluster_shard('orders', 'u7/' || n)), count(*) FILTER (WHERE mvstore_cluster_shard('orders', 'u7') = mvstore_cluster_shard('orders', 'u7/' || n)) FROM generate_series(1, 100) n"),
	'1|100', 'what begins alike lies together');
is($cluster->query("SELECT count(*) FROM mvstore_cluster_shards('orders', 'u7/'); SELECT count(*) FROM mvstore_cluster_shards('orders', 'u7'); SELECT count(*) FROM mvstore_cluster_shards('codes', 'bb1')"),
	"1\n16\n1", 'a prefix meets one shard where it tells');
is($cluster->query("SELECT string_agg(key, ' ') FROM mvstore_scan_prefix('orders', 'u7/'); SELECT mvstore_count_prefix('orders', 'u1'); SELECT mvstore_count_prefix('codes', 'cb'); SELECT count(*) FROM mvstore_diff('orders', 1, prefix => 'u7/')"),
	"u7/1 u7/2 u7/3 u7/4 u7/5\n55\n5\n5", 'and reads find it');
is($cluster->query("SELECT count(*) FILTER (WHERE n > 0) FROM unnest('{@{[ join ',', $cluster->shards(q{SELECT mvstore_count_prefix('orders', 'u7/')}) ]}}'::integer[]) n"), 1, 'on one shard alone');
refused("SELECT mvstore_cluster_place('tenant.Fruit', prefix_length => 3)", '55000', qr/Fruit" exists/, 'nor one of that name in another schema');
refused("SELECT mvstore_cluster_place('fruit', prefix_length => 3)", '55000', qr/"fruit" exists/, 'a store that exists is not placed anew');

# Another proxy learns it, and may not say it differently.
$cluster->query("SELECT mvstore_cluster_place('parts', delimiter => '/'); DELETE FROM mvstore_cluster_placement");
refused("SELECT mvstore_cluster_place('parts', prefix_length => 2)", '55000', qr/"parts" are placed in another way/, 'two proxies place keys alike');
$cluster->query("SELECT mvstore_cluster_place('parts', delimiter => '/'); SELECT mvstore_cluster_configure()");
is($cluster->query("SELECT mvstore_cluster_shard('orders', 'u7/1') = mvstore_cluster_shard('orders', 'u7'), mvstore_cluster_shard('codes', 'bb1') = mvstore_cluster_shard('codes', 'bb')"), 't|t',
	'a proxy that comes later knows it');

# ---- Transactions ---------------------------------------------------------------

for my $between ('', 'SAVEPOINT s; ', 'SELECT mvstore_get(\'fruit\', \'a\'); ')
{
	refused("BEGIN; SELECT mvstore_put('fruit', 'a', '1'); ${between}SELECT mvstore_put('fruit', 'b', '1'); COMMIT", '0A000',
		qr/has written to shards before.*mvstore_put_many/s, "a second write is refused: $between");
}
refused("BEGIN; SAVEPOINT s; SELECT mvstore_put('fruit', 'a', '1'); ROLLBACK TO s; SELECT mvstore_put('fruit', 'b', '1'); COMMIT", '0A000',
	qr/written/, 'the first may have been rolled back here: it was not there');
refused("DO \$\$ BEGIN PERFORM mvstore_delete('fruit', 'a'); BEGIN PERFORM mvstore_put('fruit', 'a', '1'); END; END \$\$", '0A000', qr/written/, 'nor in one statement');
refused("SELECT mvstore_put('fruit', k, '1') FROM unnest('{a,b}'::text[]) k", '0A000', qr/written/, 'nor by a query of many rows');
is($cluster->query("BEGIN; SELECT mvstore_put('fruit', 'a', '1') > 0; SELECT mvstore_get('fruit', 'a'); SELECT mvstore_count('fruit'); ROLLBACK; SELECT mvstore_get('fruit', 'a')"),
	"t\n1\n2\n1", 'reads after it see it; a ROLLBACK does not undo it');
is($cluster->query("SET mvstore_cluster.several_writes = on; SELECT count(mvstore_put('fruit', 'n' || n, '1')) FROM generate_series(1, 10) n"), 10, 'who allows it may');
refused("BEGIN READ ONLY; SELECT mvstore_put('fruit', 'a', '1')", '25006', qr/read-only/, 'a read-only transaction does not write');
refused("SET mvstore.as_of = stable; SELECT mvstore_put('fruit', 'a', '1')", '25006', qr/as_of/, 'nor a session that reads the past');
is($cluster->query("SET mvstore.as_of = stable; SELECT mvstore_count('fruit')"), 12, 'which reads');
my $before = $cluster->query("SELECT mvstore_delete('fruit', 'n1')") - 1;
is($cluster->query("SET mvstore.as_of = $before; SELECT mvstore_get('fruit', 'n1'), mvstore_count('fruit')"), '1|12', 'as of a version');
refused("SET mvstore.as_of = $before; SELECT * FROM mvstore_history('fruit', 'n1')", '0A000', qr/mvstore.as_of/, 'what cannot go by it says so');
for (["mvstore_put(NULL, 'a', 'b')", 'store'], ["mvstore_put('fruit', NULL, 'b')", 'key'], ["mvstore_put('fruit', 'a', NULL)", 'value'],
	["mvstore_get('fruit', 'a', NULL)", 'as_of'], ["mvstore_put_many('fruit', '{a,NULL}', '{b,c}')", 'key'], ["mvstore_get_many('fruit', NULL)", 'keys'], ["mvstore_put_many('fruit', '{a}', NULL)", 'new_values'])
{
	refused("SELECT $_->[0]", '22004', qr/$_->[1] must not/, "NULL is refused: $_->[0]");
}
refused("SELECT mvstore_put_many('fruit', '{a,b}', '{b}')", '2202E', qr/length/, 'arrays of different lengths');
refused("SELECT mvstore_get_many('fruit', '{{a,b},{c,d}}')", '2202E', qr/one dimension/, 'an array of two dimensions');
refused("SELECT mvstore_get('none', 'a')", '42P01', qr/mv\d\d.*"none" does not exist/, 'an error of a shard is told as it is, with the shard');

# ---- Versions that are not there yet --------------------------------------------

my $ahead = $cluster->query("SELECT mvstore_current_version() + 300000");
is($cluster->query("SELECT mvstore_count('fruit', as_of => $ahead)"), 11, 'shards that are behind are waited for');
refused("SET mvstore_cluster.wait_timeout = '50 ms'; SELECT mvstore_count('fruit', as_of => mvstore_current_version() + 60000000)", '55000',
	qr/shard \d+ \(.*has not come to version/, 'for so long');

# ---- Who the shards are ----------------------------------------------------------

refused("ALTER SERVER mvstore_cluster OPTIONS (DROP p15); SELECT mvstore_get('fruit', 'a')", '42601', qr/power of 2/, 'not a power of two: PL/Proxy itself');
my @options = map { my $n = $_; $cluster->address($n) } 0 .. 15;
$cluster->query('ALTER SERVER mvstore_cluster OPTIONS (' . join(', ', map { "DROP p$_" } 8 .. 15) . ')');
refused("SELECT mvstore_get('fruit', 'a')", '22023', qr/the cluster has 16 shards.*8 partitions/s, 'half of the partitions');
$cluster->query('ALTER SERVER mvstore_cluster OPTIONS (' . join(', ', map { "ADD p$_ '$options[$_]'" } 8 .. 15) . ')');
is($cluster->query("SELECT mvstore_get('fruit', 'a')"), 1, 'as before');
$cluster->query("ALTER SERVER mvstore_cluster OPTIONS (SET p3 '$options[4]', SET p4 '$options[3]')");
refused("SELECT mvstore_get('fruit', 'a')", '22023', qr/partition p3 leads to shard 4/, 'two are exchanged');
$cluster->query("ALTER SERVER mvstore_cluster OPTIONS (SET p3 '$options[3]', SET p4 '$options[4]')");

# What a session keeps connected is of where the shards are, and tells nothing of passwords.
my $all = "ARRAY(SELECT 'n' || n FROM generate_series(1, 99) n), array_fill('1'::text, ARRAY[99])";
my $names = "SELECT count(*), count(DISTINCT split_part(n, ':', 2)), count(*) FILTER (WHERE n ~ '^mvstore_cluster:\\d+:[0-9a-f]+:[0-9a-f]+\$') FROM unnest(dblink_get_connections()) n";
my $moved = $cluster->proxy->background_psql('postgres');
is($moved->query_safe("SELECT mvstore_put_many('orders', $all) > 0;\n$names"), "t\n16|16|16", 'a connection is kept to each shard');
$cluster->query("ALTER SERVER mvstore_cluster OPTIONS (SET p5 '$options[5] application_name=moved')");
is($moved->query_safe("SELECT mvstore_put_many('orders', $all) > 0;\n$names"), "t\n16|16|16", 'none to where one was before');
is($cluster->shard(5, q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'moved' AND datname = current_database() AND query ~ 'COMMIT PREPARED'}), 1, 'it is the new one');
$cluster->query("ALTER USER MAPPING FOR PUBLIC SERVER mvstore_cluster OPTIONS (ADD password 'as good as none')");
my $old = "SELECT max(substr(n, 1, 60)) FROM unnest(dblink_get_connections()) n WHERE n ~ ':5:'";
my $before_that = $moved->query_safe($old);
$moved->query_safe("SELECT mvstore_put_many('orders', $all)");
is($moved->query_safe("SELECT count(*) FROM unnest(dblink_get_connections()) n WHERE n ~ ':5:' AND n <> '$before_that'"), 1, 'another mapping, another connection');
$moved->quit;
$cluster->query("ALTER USER MAPPING FOR PUBLIC SERVER mvstore_cluster OPTIONS (DROP password)");
$cluster->query("ALTER SERVER mvstore_cluster OPTIONS (SET p5 '$options[5]')");

# Times come as text, where the versions of PostgreSQL differ.
$cluster->shard(5, q{DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = %L', current_database(), 'SQL, DMY'); END $$});
refused('SELECT mvstore_cluster_configure()', '55000', qr/shard 5 \(.*has DateStyle "SQL, DMY"/, 'a shard that writes times in another way');
$cluster->shard(5, q{DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET DateStyle', current_database()); END $$});
$cluster->query('SELECT mvstore_cluster_configure()');

my ($server) = ($cluster->server(1));
$server->safe_psql('postgres', 'CREATE DATABASE empty');
$cluster->query("ALTER SERVER mvstore_cluster OPTIONS (SET p9 '" . $cluster->address(9, $server, 'empty') . "')");
refused("SELECT mvstore_count('fruit')", '42704', qr/shard 9 \(.*does not have the extension mvstore/, 'a shard without the extension');
$server->safe_psql('empty', 'CREATE EXTENSION mvstore');
refused("SELECT mvstore_count('fruit')", '55000', qr/shard 9 .*no shard of a cluster yet/, 'and one that is not a shard');
$cluster->query("ALTER SERVER mvstore_cluster OPTIONS (SET p9 '$options[9]')");
$cluster->query('SELECT mvstore_cluster_verify()');
$cluster->query("SET statement_timeout = '30 s'; BEGIN; SELECT mvstore_cluster_hold(); SELECT mvstore_cluster_repoint(9, '$options[9]'); SELECT mvstore_cluster_verify(); COMMIT");
pass('who has moved a shard may see whether all is well, before anybody else');
$server->append_conf('postgresql.conf', 'max_prepared_transactions = 0');
$server->restart;
refused('SELECT mvstore_cluster_configure()', '55000', qr/shard 8 .*max_prepared_transactions = 0/, 'a server that prepares nothing');
my $kept = $cluster->proxy->background_psql('postgres', on_error_stop => 0);
$kept->query_safe("\\set VERBOSITY verbose\nSELECT mvstore_count('fruit')");
$server->stop('fast');
$kept->query("SELECT mvstore_count('fruit')");
like($kept->{stderr}, qr/ERROR:  08006: shard \d+ \(/, 'a session that has connections to a server that is stopped is told so, not that it ends itself');
$kept->quit;
refused("SELECT mvstore_count('fruit')", '08006', qr/shard \d+ \(.*cannot be reached/, 'a server that is down');
refused("SELECT mvstore_put_many('fruit', ARRAY(SELECT 'x' || n FROM generate_series(1, 99) n), array_fill('x'::text, ARRAY[99]))", '08006',
	qr/shard \d+ \(.*cannot be reached/, 'for a write over shards, too');
my $up = $cluster->query("SELECT k FROM (SELECT 'k' || n AS k FROM generate_series(1, 100) n) x WHERE mvstore_cluster_shard('fruit', k) < 8 LIMIT 1");
is($cluster->query("SELECT mvstore_put('fruit', '$up', 'x') > 0; SELECT mvstore_get('fruit', '$up')"), "t\nx", 'the other shards go on');
$cluster->proxy->stop;
$cluster->server(0)->stop;
done_testing();
