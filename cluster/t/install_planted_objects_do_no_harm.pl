# A superuser creates the extension in a schema of somebody else, who was there before, or comes after: with functions of the names
# that it calls. Either CREATE EXTENSION says what is in its way, or nothing of it is ever used: else it would run as
# the owner of the extension, with passwords of shards for its arguments.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use MvstoreTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cluster = MvstoreCluster->new('planted', shards => 2, servers => 1);
my $proxy = $cluster->proxy;

# ---- Before -----------------------------------------------------------------------------

$cluster->query('CREATE ROLE mallory LOGIN; CREATE DATABASE d OWNER mallory');
sub as_mallory { my ($database, $sql) = @_; return $proxy->safe_psql($database, "SET SESSION AUTHORIZATION mallory;\n$sql"); }
my $plant = q{
CREATE SCHEMA planted;
GRANT USAGE ON SCHEMA planted TO PUBLIC;
CREATE TABLE planted.seen (via text, who text);
GRANT INSERT ON planted.seen TO PUBLIC;
CREATE FUNCTION planted.note(via text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS
  $$ BEGIN INSERT INTO planted.seen VALUES (via, current_user); RETURN true; END $$;};
as_mallory('d', $plant);
$proxy->safe_psql('d', 'CREATE SCHEMA parts; CREATE EXTENSION dblink SCHEMA parts; CREATE EXTENSION plproxy SCHEMA parts');
my @called = sort { $a cmp $b } keys %{ { map { $_ => 1 } slurp_file("$FindBin::RealBin/../mvstore_cluster--1.0.sql") =~ /\b(dblink(?:_[a-z_]+)?)\(/g } };
cmp_ok(scalar(@called), '>', 4, 'functions of dblink that are called: ' . join(' ', @called));
for my $function (split /\n/, $proxy->safe_psql('d', sprintf q{SELECT concat(proname, '(', pg_get_function_identity_arguments(oid), ') RETURNS ', pg_get_function_result(oid)) FROM pg_proc WHERE pronamespace = 'parts'::regnamespace AND proname IN (%s)}, join ', ', map { "'$_'" } @called))
{
	my ($name) = $function =~ /(.*) RETURNS/;
	my $used = $name =~ /^(?:dblink\(text, text\)|dblink_connect_u\(text, text\)|dblink_disconnect\(text\)|dblink_get_connections\(\)|dblink_get_result\(text\)|dblink_send_query\(text, text\))$/;
	as_mallory('d', "CREATE FUNCTION planted.$function LANGUAGE plpgsql AS \$\$ BEGIN PERFORM planted.note('$name'); END \$\$");
	my ($state, $said) = sqlstate_of($proxy, 'd', 'BEGIN; CREATE EXTENSION mvstore_cluster SCHEMA planted; ROLLBACK');
	ok($used ? $state eq '42723' && $said =~ /planted\.dblink.* would be called for what dblink has/ : $state eq '', "$name is " . ($used ? '' : 'not ') . 'in the way')
	  or diag("$state $said");
	as_mallory('d', "DROP FUNCTION planted.$name");
}
$proxy->safe_psql('d', 'CREATE EXTENSION mvstore_cluster SCHEMA planted');
is($proxy->safe_psql('d', 'SELECT count(*) FROM planted.seen'), 0, 'without them it is there, and nothing that was planted has run');

# ---- After ------------------------------------------------------------------------------

# Functions of our names, of which one argument is of a type that may fit as well.
$cluster->query('GRANT CREATE ON DATABASE postgres TO mallory; GRANT CREATE ON SCHEMA public TO mallory');
as_mallory('postgres', $plant);
my @functions = map { [ split /\|/, $_, -1 ] } split /\n/, $cluster->query(q{
	SELECT p.proname, coalesce(array_to_string(ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n) ORDER BY n), ','), ''),
		   format_type(p.prorettype, NULL), p.prokind, p.proretset
	  FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ '^mvstore_cluster_' AND p.prorettype NOT IN ('trigger'::regtype, 'record'::regtype)
	 UNION ALL
	SELECT p.proname, array_to_string(ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n) ORDER BY n), ','), 'record', p.prokind, p.proretset
	  FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ '^mvstore_cluster_' AND p.prorettype = 'record'::regtype AND p.pronargs > 0});
cmp_ok(scalar(@functions), '>', 60, 'functions of the extension');
my @planted;
for (@functions)
{
	my ($name, $list, $returns, undef, $set) = @$_;
	my @types = split /,/, $list;
	for my $i (0 .. $#types)
	{
		push @planted, "CREATE FUNCTION public.$name(" . join(', ', @types[ 0 .. $i - 1 ], $_, @types[ $i + 1 .. $#types ]) . ') RETURNS ' . ($set eq 't' ? 'SETOF ' : '') . "$returns LANGUAGE plpgsql AS \$\$ BEGIN PERFORM planted.note('$name, $i: $_'); END \$\$;"
		  for grep { $_ ne $types[$i] } qw(oid integer bigint numeric text name boolean interval json jsonb bytea text[] name[] anyelement), 'double precision', 'timestamp with time zone';
	}
}
as_mallory('postgres', 'SET check_function_bodies = off;' . join("\n", @planted));
cmp_ok($cluster->query(q{SELECT count(*) FROM pg_proc WHERE proowner = 'mallory'::regrole}), '>', 1000, 'are there once more, by mallory');

my $gid = $cluster->query(q{SELECT format('mvstore_cluster:%s:%s:%s:0', cluster, proxy, gen_random_uuid()) FROM mvstore_cluster_config});
for my $call (
	'mvstore_cluster_configure()', 'mvstore_cluster_verify()', q{mvstore_cluster_place('p'::text, delimiter => '/'::text)}, q{mvstore_create('a')}, q{mvstore_create('p')},
	q{mvstore_put('a', 'k', 'v')}, q{mvstore_put_many('a', '{a,b,c,d,e,f,g,h}', '{1,2,3,4,5,6,7,8}')}, q{count(*) FROM mvstore_scan('a')}, q{mvstore_put('p', 'x/1', '1')}, q{count(*) FROM mvstore_scan_prefix('p', 'x/')},
	q{mvstore_get('a', 'k', mvstore_stable_version())}, q{mvstore_pin('pin')}, q{mvstore_unpin('pin')}, 'count(*) FROM mvstore_cluster_in_doubt', 'mvstore_cluster_hold()',
	sprintf(q{mvstore_cluster_repoint(0, '%s'::text)}, $cluster->address(0)), 'mvstore_cluster_recover()')
{
	$cluster->shard(0, "BEGIN; SELECT mvstore_put('a', 'doubt', 'v'); PREPARE TRANSACTION '$gid'") if $call eq 'mvstore_cluster_recover()';
	my ($state, $said) = $cluster->refused("SELECT $call");
	is($state, '', $call) or diag($said);
}
is($cluster->query(q{SELECT string_agg(DISTINCT concat(via, ' by ', who), E'\n') FROM planted.seen}), '', 'nothing that was planted has run');
$cluster->stop;
done_testing();
