# A superuser creates the extension in a schema of somebody else, who was there before: with functions, operators, types and
# tables of the names that the script uses, some of which fit its calls better than its own do. Either CREATE EXTENSION
# says what is in its way, and nothing is left, or nothing of it is ever used: else its owner's code would run in
# whoever reads a view of mvstore.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('planted', conf => "fsync = off\njit = off");

# What the extension brings, as it is where nobody was before.
my @functions = map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql('postgres', q{
	SELECT p.proname, coalesce(array_to_string(ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n) ORDER BY n), ','), ''), CASE WHEN p.prorettype = 'record'::regtype OR p.prokind = 'p' THEN 'boolean' ELSE format_type(p.prorettype, NULL) END
	  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mvstore' ORDER BY 1, 2});
my @relations = map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres', q{
	SELECT relname, relkind FROM pg_class WHERE relname ~ '^mvstore_' AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S', 'i') ORDER BY 1});
cmp_ok(scalar(@functions), '>', 100, 'functions of the extension');
cmp_ok(scalar(@relations), '>', 30, 'relations of the extension');
my ($script) = map { slurp_file($_) } grep { -e } "$FindBin::RealBin/../mvstore--1.0.sql";
my %used = map { $_ => 1 } $script =~ /\bpg_catalog\.(\w+)\(/g;
cmp_ok(scalar(keys %used), '>', 20, 'functions of PostgreSQL that its script calls');

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE DATABASE d OWNER mallory');
sub sql { return $node->safe_psql('d', $_[0]); }

sub as_mallory
{
	my ($statements) = @_;
	my ($status, $out, $err) = $node->psql('d', $statements, extra_params => [ '-U', 'mallory' ], on_error_stop => 1);

	die "mallory: $err" if $status != 0;
	return $out;
}

as_mallory(<<'SQL');
CREATE SCHEMA planted;
GRANT USAGE ON SCHEMA planted TO PUBLIC;
CREATE TABLE planted.seen (via text, who text);
GRANT INSERT ON planted.seen TO PUBLIC;
CREATE FUNCTION planted.note(via text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO planted.seen VALUES (via, current_user); RETURN true; END $$;
ALTER DATABASE d SET search_path = planted, public, pg_catalog;
SQL

# ---- What is in the way of something of ours ---------------------------------------

# Each in turn, and then it is taken away.
my @in_the_way = (
	(map { "FUNCTION planted.$_->[0]($_->[1]) RETURNS boolean LANGUAGE sql AS 'SELECT true'" } grep { "$_->[0]($_->[1])" !~ /internal|cstring|[(,]mvstore_regclass/ } @functions),
	(map { $_->[1] eq 'S' ? "SEQUENCE planted.$_->[0]" : $_->[1] eq 'v' ? "VIEW planted.$_->[0] AS SELECT 1 AS id" : "TABLE planted.$_->[0] (id int)" } @relations),
	(map { "TYPE planted.$_->[0] AS (id int)" } grep { $_->[1] eq 'r' } @relations),
	'DOMAIN planted.mvstore_regclass AS regclass',
	# (What can be called as ours by its defaults is as good as ours.)
	'FUNCTION planted.mvstore_time_of(bigint, more integer DEFAULT 0) RETURNS boolean LANGUAGE sql AS \'SELECT true\'');
my $try = "SET client_min_messages = error;\n\\set VERBOSITY sqlstate\n" . join('', map { "BEGIN; SET LOCAL ROLE mallory; CREATE $_; SET LOCAL ROLE none;\nCREATE EXTENSION mvstore SCHEMA planted;\n\\echo :SQLSTATE\nROLLBACK;\n" } @in_the_way);
my (undef, $came) = $node->psql('d', $try, on_error_stop => 0);
my @came = split /\n/, $came;
is(scalar(@came), @in_the_way, 'each was tried');
is(join("\n", map { "$in_the_way[$_]: $came[$_]" } grep { $came[$_] !~ /^(?:42723|42725|42P07|42710)$/ } 0 .. $#came), '',
	'what has a name of ours is in the way, and CREATE EXTENSION says so');
is(sql('SELECT count(*) FROM pg_event_trigger'), 0, 'nothing is left of it');

# ---- What is not -------------------------------------------------------------------

my $body = q{LANGUAGE plpgsql AS $f$ BEGIN PERFORM planted.note('function'); END $f$};	# that RETURN lacks is an error too
my @plant;
# Functions of our names, of which one argument is of a type that may fit as well.
for (@functions)
{
	my ($name, $list, $returns) = @$_;
	my @types = split /,/, $list;
	next if $list =~ /internal|cstring|mvstore_regclass/ || $returns =~ /trigger/;
	for my $i (0 .. $#types)
	{
		push @plant, "planted.$name(" . join(', ', @types[ 0 .. $i - 1 ], $_, @types[ $i + 1 .. $#types ]) . ") RETURNS $returns"
		  for grep { $_ ne $types[$i] } qw(oid regclass integer bigint numeric text name boolean interval anyelement anynonarray), 'double precision', 'timestamp with time zone';
	}
	push @plant, "planted.$name(" . join(', ', @types, 'VARIADIC more text[]') . ") RETURNS $returns";
}
# And of names of PostgreSQL's.
for my $name (sort keys %used)
{
	push @plant, "planted.$name($_) RETURNS boolean" for '', qw(oid regclass text name bigint integer interval timestamptz boolean anyelement), 'text, text', 'oid, text', 'regclass, text', 'text, VARIADIC text[]';
}
my $operators = q{
DO $$
DECLARE
  pair text;
  sign text;
BEGIN
  FOREACH pair IN ARRAY '{bytea,int8,int4,oid,regclass,text,name,bool,timestamptz,interval,float8,xid,"char"}'::pg_catalog.text[] LOOP
    EXECUTE pg_catalog.format('CREATE FUNCTION planted.compare(%1$s, %1$s) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN RETURN planted.note(''operator''); END $f$', pair);
    FOREACH sign IN ARRAY '{=,<>,<,<=,>,>=,~,!~,||,-,+,*,/}'::pg_catalog.text[] LOOP
      EXECUTE pg_catalog.format('CREATE OPERATOR planted.%1$s (LEFTARG = %2$s, RIGHTARG = %2$s, FUNCTION = planted.compare)', sign, pair);
    END LOOP;
  END LOOP;
END $$;};
as_mallory("SET search_path = pg_catalog;\n" . join("\n", map { "CREATE FUNCTION $_ $body;" } @plant) . $operators . join("\n",
	(map { "CREATE TABLE planted.$_ (oid oid);" } qw(pg_class pg_database pg_locks pg_proc pg_extension pg_depend pg_stat_activity)),
	(map { "CREATE DOMAIN planted.$_ AS pg_catalog.bool;" } qw(text oid regclass int8 int4 bytea interval timestamptz record trigger event_trigger void xid8)))
  );
# (Text that is parsed only when it is run goes by the caller's path.)
$node->safe_psql('postgres', 'ALTER DATABASE d SET check_function_bodies = off');
sql('CREATE EXTENSION mvstore SCHEMA planted');

# Of whatever the extension is made of, nothing refers to what is not its own or PostgreSQL's.
is(sql(q{
	WITH RECURSIVE own (classid, objid) AS (
		SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char"
		UNION
		SELECT d.classid, d.objid FROM own JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) own.classid AND d.refobjid OPERATOR(pg_catalog.=) own.objid
		 WHERE d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::pg_catalog."char"[]))
	SELECT pg_catalog.string_agg(DISTINCT pg_catalog.concat(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ' uses ', pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)), E'\n')
	  FROM own JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) own.classid AND d.objid OPERATOR(pg_catalog.=) own.objid
	 WHERE d.refclassid OPERATOR(pg_catalog.<>) ALL ('{pg_catalog.pg_namespace,pg_catalog.pg_extension}'::pg_catalog.regclass[])
	   AND d.refobjid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
	   AND NOT EXISTS (SELECT FROM own o WHERE o.classid OPERATOR(pg_catalog.=) d.refclassid AND o.objid OPERATOR(pg_catalog.=) d.refobjid)}),
	'', 'the extension refers to nothing that was planted');

# A superuser uses it, under a path that begins with the planted schema.
my $kind = sub { join ', ', map { "'$_'::pg_catalog.$_[0]" } @_[ 1 .. $#_ ] };
sql(q{SELECT planted.mvstore_create('planted.s'::pg_catalog.text, 2::pg_catalog.int4, NULL::pg_catalog.interval, NULL::pg_catalog.interval, true, false)});
my $s = q{'planted.s'::pg_catalog.regclass};
sql(qq{SELECT planted.mvstore_put($s, } . $kind->('text', 'k', $_) . q{, NULL::pg_catalog.interval)}) for 1 .. 4;
sql(qq{SELECT planted.mvstore_drop_prefix($s, 'k'::pg_catalog.text, 1::pg_catalog.int4, 9223372036854775807::pg_catalog.int8)});
sql(qq{SELECT * FROM planted.mvstore_scan($s, NULL::pg_catalog.text, NULL::pg_catalog.text, 9223372036854775807::pg_catalog.int8, NULL::pg_catalog.int8, false)});
sql('SELECT planted.mvstore_pause()');
sql('SELECT planted.mvstore_resume()');
is(sql(q{SELECT planted.mvstore_flush('30 s'::pg_catalog.interval)}), 't', 'the worker does what is asked for');
sql("SELECT * FROM planted.$_") for map { $_->[0] } grep { $_->[1] eq 'v' } @relations;
cmp_ok(sql('SELECT pg_catalog.count(*) FROM planted.mvstore_help()'), '>', 80, 'mvstore_help() finds its functions');
sql(qq{SELECT planted.mvstore_set_feed($s, false), planted.mvstore_clear($s)});
sql(q{DROP TABLE planted.s});
is(sql(q{SELECT pg_catalog.string_agg(DISTINCT pg_catalog.concat(via, ' by ', who), ', ') FROM planted.seen}), '', 'and nothing that was planted has run');

# Who owns the schema owns nothing in it that is the extension's.
for ('ALTER FUNCTION planted.mvstore_max_attempts() RENAME TO other', 'DROP FUNCTION planted.mvstore_max_attempts()', 'ALTER TABLE planted.mvstore_policy RENAME TO other',
	'DROP TABLE planted.mvstore_policy', 'DROP VIEW planted.mvstore_metrics', 'CREATE TRIGGER t BEFORE INSERT ON planted.mvstore_pin FOR EACH ROW EXECUTE FUNCTION planted.mvstore_truncated()',
	'CREATE INDEX ON planted.mvstore_pin (name)', 'DROP EXTENSION mvstore', 'COMMENT ON TABLE planted.mvstore_pin IS NULL')
{
	my ($status, undef, $err) = $node->psql('d', "\\set VERBOSITY sqlstate\n$_", extra_params => [ '-U', 'mallory' ]);
	like($err, qr/ERROR:  (?:42501|2BP01)/, "the owner of the schema cannot: $_");
}

# (But with the schema he can drop all that is in it, as PostgreSQL has it of every extension.)
as_mallory('SET client_min_messages = error; DROP SCHEMA planted CASCADE');
is(sql(q{SELECT count(*) FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'mvstore'}), 0, 'the owner of the schema can drop it with the extension');

$node->stop;
done_testing();
