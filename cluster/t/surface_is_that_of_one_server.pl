# An application that speaks to one server changes its connection string only: each function and
# view of mvstore is there under its name, with the same arguments, defaults, results and rights;
# exceptions.txt says which are not, and why. And the script is what generate.pl makes of mvstore.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../t/lib";
use MvstoreTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/..";
my $node = mvstore_node('proxy');
my $connection = $node->connstr('postgres');

# A proxy may run mvstore itself. The schemas are any, but PL/Proxy wants the name of that of its functions plain.
$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA proxied;
CREATE SCHEMA "other parts";
CREATE EXTENSION dblink SCHEMA "other parts";
CREATE EXTENSION plproxy;
CREATE EXTENSION mvstore_cluster SCHEMA proxied;
SQL

my ($made, $said) = run_command([ $^X, '-w', "$root/generate.pl", $connection ]);
is($said, '', 'generate.pl has nothing to say');
ok($made eq slurp_file("$root/mvstore_cluster--1.0.sql") =~ s/\n\z//r, 'the script is what generate.pl makes: ./dev cluster --write');

my %exceptions = map { my ($name, $what, $why) = split /\t/; $name => { what => $what, why => $why } }
  grep { !/^#/ } split /\n/, slurp_file("$root/exceptions.txt");
my %public = map { $_ => 1 } slurp_file("$root/../tools/public-functions.txt") =~ /^(\w+)/mg;
my %of = map {
	my $schema = $_;
	$schema => { map { my ($name, @rest) = split /\|/; $name => \@rest } split /\n/, $node->safe_psql('postgres', <<"SQL") }
SELECT p.proname, p.prokind, replace(pg_get_function_arguments(p.oid), 'regclass', 'text'), replace(pg_get_function_result(p.oid), 'regclass', 'text'),
	   (SELECT string_agg(a.grantee::text, ',' ORDER BY a.grantee) FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		 WHERE a.grantee <> p.proowner), obj_description(p.oid, 'pg_proc')
  FROM pg_proc p WHERE p.pronamespace = '"$schema"'::regnamespace AND p.proname LIKE 'mvstore\\_%'
SQL
} qw(public proxied);

# Operators' functions, which are not for everybody, are those that mvstore_help() names beside the public ones.
my %wanted = (%public, map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'SELECT function FROM public.mvstore_help()'));
for my $name (sort keys %wanted)
{
	my $what = ($exceptions{$name} // {})->{what} // '';
	my ($one, $many) = map { $of{$_}{$name} } qw(public proxied);
	if ($what eq 'none') { ok(!$many, "$name is not there: $exceptions{$name}{why}") }
	elsif (!$many) { fail("$name is there, or in exceptions.txt") }
	else { is("@{$many}[0, 1, 2, 3, 4]", "@{$one}[0, 1, 2, 3, 4]", "$name is the same") }
}
is(join(' ', grep { !$wanted{$_} } sort keys %exceptions), '', 'exceptions are of functions that there are');
for my $name (sort grep { $exceptions{$_}{what} eq 'refused' } keys %exceptions)
{
	my $arguments = join ', ', map { /^version|^id/ ? '1' : /^key bytea/ ? "'x'::bytea" : "'x'" } split /, /, $of{proxied}{$name}[1];
	like((sqlstate_of($node, 'postgres', "SELECT proxied.$name($arguments)"))[0], qr/^0A000/, "$name is refused");
}

my $columns = sub {
	my ($schema, $first) = @_;
	return $node->safe_psql('postgres', <<"SQL");
SELECT c.relname, string_agg(a.attname || ' ' || regexp_replace(format_type(a.atttypid, NULL), '^(public\\.)?(mvstore_)?regclass\$', 'text') ||
		' ' || coalesce(col_description(c.oid, a.attnum), ''), ', ' ORDER BY a.attnum),
	   obj_description(c.oid, 'pg_class'), has_table_privilege('pg_monitor', c.oid, 'SELECT')
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= $first
 WHERE c.relnamespace = '"$schema"'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE '%\\_cluster\\_%'
   AND c.relname NOT LIKE 'mvstore\\_blockers\\_%' AND c.relname <> 'mvstore_this_database'
 GROUP BY c.oid, c.relname ORDER BY c.relname
SQL
};
is($columns->('proxied', 2), $columns->('public', 1), 'the views are those of one server, with the shard before');

# Nothing of the other schemas is found by the path of a session.
is($node->safe_psql('postgres', 'SELECT proxied.mvstore_time_of(proxied.mvstore_version_at(now())) = now(), mvstore_version_at(now()) = proxied.mvstore_version_at(now())'),
	't|t', 'versions are times, as on one server');
is($node->safe_psql('postgres', <<'SQL'), 't|t', 'at all ends, too');
SELECT bool_and(proxied.mvstore_version_at(t) = mvstore_version_at(t)),
	   bool_and(proxied.mvstore_time_of(mvstore_version_at(t)) = mvstore_time_of(mvstore_version_at(t)))
  FROM unnest('{infinity,-infinity,1969-12-31,1970-01-01 00:00:00.000001+00,2199-12-31 23:59:59.999999,294276-12-31 23:59:59.999999+00,2000-01-01 BC}'::timestamptz[]) t
SQL
my $help = 'SELECT function, regexp_replace(arguments, \'regclass\', \'text\'), regexp_replace(result, \'regclass\', \'text\'), family, comment FROM %s.mvstore_help()';
is($node->safe_psql('postgres', sprintf $help, 'proxied'), $node->safe_psql('postgres', sprintf $help, 'public'), 'mvstore_help() tells the same');
like((sqlstate_of($node, 'postgres', q{SELECT proxied.mvstore_get('a', 'b')}))[0], qr/^42704/, 'a proxy without a foreign server says so');
$node->safe_psql('postgres', 'DROP EXTENSION mvstore_cluster');
done_testing();
