# Calls that nobody should make: every function, view and setting of the extension, as
# pg_proc, pg_class and pg_settings have them, with arguments of every odd kind, in every
# state that a session, a transaction or a database can be in. The same seed gives the same
# statements.
#
# What comes out is a script for psql, which goes on after errors.

package HostileCalls;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(read_catalog hostile_script $OBJECTS $STORES);

# Pieces of a script have so many calls.
use constant PIECE => 12;

# What the calls are about. {store} stands for each kind of it, and for what is none.
our $STORES = <<'SQL';
CREATE SCHEMA hostile;
SET search_path = hostile, public;
SELECT mvstore_create('s'), mvstore_create('kept', keep_versions := 2),
  mvstore_create('aged', keep_for := '10 ms', ttl := '20 ms'), mvstore_create('fired'),
  mvstore_create('"Odd ""name"'), mvstore_create('fed');
SELECT mvstore_set_feed('fed', true);
SELECT mvstore_put(store, 'k' || k, repeat('v', v * 1000))
  FROM unnest('{s,kept,aged,fed}'::regclass[]) store, generate_series(1, 8) k, generate_series(1, 3) v;
SELECT mvstore_put_raw('s', '\xff00', '\xfe');
SELECT mvstore_delete('s', 'k8');
SELECT mvstore_create('gone'), mvstore_create('apart');
SELECT mvstore_detach('apart');
DROP TABLE gone;
CREATE TABLE calls (statement text);
CREATE FUNCTION caught(state text, message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF state LIKE 'XX%' THEN RAISE LOG 'caught % %', state, message; END IF;
END $$;
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_TABLE_NAME = 'calls' THEN EXECUTE NEW.statement;
	ELSIF pg_trigger_depth() < 3 THEN EXECUTE coalesce(nullif(current_setting('hostile.statement', true), ''), 'SELECT');
	END IF;
	RETURN NULL;
EXCEPTION WHEN division_by_zero OR invalid_parameter_value OR undefined_table THEN
	RETURN NULL;
END $$;
CREATE TRIGGER fire AFTER INSERT ON calls FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER fire AFTER INSERT OR DELETE ON fired FOR EACH ROW EXECUTE FUNCTION fire();
SQL

our $OBJECTS = <<'SQL';
CREATE VIEW hostile.v AS SELECT * FROM hostile.s;
CREATE MATERIALIZED VIEW hostile.m AS SELECT * FROM hostile.s;
CREATE TABLE hostile.t (i int PRIMARY KEY, j text);
CREATE TABLE hostile.alike (LIKE hostile.s INCLUDING ALL);
CREATE TABLE hostile.parts (LIKE hostile.s) PARTITION BY RANGE (key);
CREATE TABLE hostile.child () INHERITS (hostile.t);
CREATE UNLOGGED TABLE hostile.u (LIKE hostile.s INCLUDING ALL);
CREATE SEQUENCE hostile.q;
CREATE TYPE hostile.c AS (key bytea, version bigint, value bytea);
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE hostile.f (key bytea, version bigint, value bytea) SERVER nowhere;
GRANT USAGE, CREATE ON SCHEMA hostile TO hostile, nobody;
GRANT ALL ON ALL TABLES IN SCHEMA hostile TO hostile;
ALTER TABLE hostile.kept OWNER TO hostile;
ALTER TABLE hostile.aged OWNER TO hostile;
SQL

# ---- What there is to be called ----------------------------------------------

# Functions, relations and settings, as $query answers: rows of the columns that it is asked for.
sub read_catalog
{
	my ($query) = @_;
	my $of = sub { my ($class) = @_; "pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mvstore' JOIN $class o ON o.oid = d.objid WHERE d.classid = '$class'::regclass AND d.deptype = 'e'" };
	my (%catalog, @row);

	for (split /\n/, $query->("SELECT o.proname, o.prokind, o.proretset, o.pronargdefaults, (SELECT string_agg(format_type(t, NULL), ';' ORDER BY n) FROM unnest(o.proargtypes) WITH ORDINALITY u(t, n)), array_to_string((o.proargnames)[:o.pronargs], ';'), format_type(o.prorettype, NULL) FROM " . $of->('pg_proc') . ' ORDER BY o.oid::regprocedure::text'))
	{
		@row = split /\|/, $_, -1;
		push @{ $catalog{functions} },
		  { name => $row[0], procedure => $row[1] eq 'p', set => $row[2] eq 't', defaults => $row[3],
			types => [ split /;/, $row[4] ], names => [ split /;/, $row[5], -1 ], result => $row[6] };
	}
	$catalog{relations} = [ split /\n/, $query->("SELECT o.relname FROM " . $of->('pg_class') . " AND o.relkind IN ('r', 'v', 'S') ORDER BY 1") ];
	for (split /\n/, $query->("SELECT name, context, vartype, coalesce(min_val, ''), coalesce(max_val, '') FROM pg_settings WHERE name LIKE 'mvstore.%' AND context <> 'postmaster' ORDER BY 1"))
	{
		@row = split /\|/, $_, -1;
		push @{ $catalog{settings} }, { name => $row[0], context => $row[1], type => $row[2], min => $row[3], max => $row[4] };
	}
	return \%catalog;
}

# ---- Values -------------------------------------------------------------------

# Whether the arguments of this call are mostly such as make sense.
my $tame;

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

my @stores = map { "'$_'" } ('hostile.s') x 6, ('hostile.kept') x 4, ('hostile.aged') x 3, ('hostile.fired') x 2, ('hostile.fed') x 3, 'hostile."Odd ""name"';
my @no_stores = (
	(map { "'$_'" } qw(hostile.v hostile.m hostile.t hostile.alike hostile.parts hostile.child hostile.u hostile.q hostile.c hostile.f hostile.s_pkey hostile.apart hostile.gone hostile.missing pg_class pg_database pg_stat_activity information_schema.tables pg_temp.own mvstore_policy mvstore_journal mvstore_pin mvstore_clock mvstore_stats)),
	'0::oid', '4294967295::oid', '1::oid', 'NULL',
	"(SELECT reltoastrelid FROM pg_class WHERE relname = 's')", "(SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass('hostile.s') LIMIT 1)",
	"(SELECT oid FROM pg_class WHERE relpersistence = 't' LIMIT 1)", "(SELECT oid FROM pg_database WHERE datname = 'postgres')",
	"'\"'", "''", "'a.b.c.d'", "'-'");

sub store_value
{
	return pick(@stores) . '::regclass' if $tame;
	return pick(@stores) . '::regclass' if chance(0.75);
	return pick(@no_stores) . '::regclass' if chance(0.8);
	return '(SELECT oid::regclass FROM pg_class WHERE relnamespace <> ' . "'witness'::regnamespace ORDER BY oid OFFSET " . int(rand(500)) . ' LIMIT 1)';
}

sub key_value
{
	return "'k" . (1 + int(rand(9))) . "'" if chance(0.7);
	return pick("''", "repeat('x', 2000)", "repeat('x', 2001)", "repeat(chr(233), 1000)", "repeat('k', 100000)", 'chr(1)', "'a%_\\'", "E'k1\\n'", 'chr(1114111)', "'k'", "repeat('z', 1999) || chr(233)");
}

sub bytea_value
{
	return "'k" . (1 + int(rand(9))) . "'::bytea" if chance(0.6);
	return pick("'\\x'::bytea", "'\\x00'::bytea", "'\\xff'::bytea", "'\\xff00'::bytea", "'\\xc328'::bytea", "decode(repeat('ff', 2000), 'hex')", "decode(repeat('ff', 2001), 'hex')", "decode(repeat('00', 100000), 'hex')", "(SELECT string_agg(sha256(i::text::bytea), '') FROM generate_series(1, 300) i)");
}

sub text_value
{
	return "'v" . int(rand(100)) . "'" if chance(0.6);
	return "repeat('v', " . 10**(6 + int(rand(2))) . ')' if chance(0.01);
	return pick("''", "repeat('v', 3000)", "repeat('v', 100000)", "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i)", 'chr(1114111)', "'NaN'", "E'\\\\000'");
}

sub bigint_value
{
	return pick(0, 1, 2, 3, 10, 1000) if chance(0.3);
	return pick("(-1)", '9223372036854775807', '9223372036854775806', '(-9223372036854775808)', '(-9223372036854775807)', 4294967296, '4611686018427387904') . '::bigint' if chance($tame ? 0.1 : 0.4);
	return pick('mvstore_version_at(now())', "mvstore_version_at(now() - interval '" . int(rand(100)) . " ms')", 'mvstore_version_at(clock_timestamp())', "mvstore_version_at(clock_timestamp() + interval '1 s')", 'mvstore_stable_version()', 'mvstore_current_version()', '(SELECT max(version) FROM hostile.s)', '(SELECT min(version) FROM hostile.kept)', '(SELECT max(version) - 1 FROM hostile.aged)');
}

sub interval_value
{
	return pick("'0'", "'1 ms'", "'20 ms'", "'1 s'", "'1 day'") . '::interval' if $tame;
	return pick("'0'", "'1 ms'", "'1 s'", "'-1 s'", "'1 us'", "'1 day'", "'1 month'", "'100 years'", "'-178000000 years'", "'178000000 years'", "'2147483647 days'", "'-2147483648 days'", "'infinity'", "'-infinity'", "'2562047788:00:54.775807'", "'-2562047788:00:54.775808'") . '::interval';
}

sub array_value
{
	my ($element) = @_;
	my $cast = "::$element\[]";

	return 'ARRAY[' . join(', ', map { $element eq 'text' ? key_value() : bytea_value() } 1 .. 1 + int(rand(4))) . "]$cast" if chance(0.5);
	return "ARRAY(SELECT ('k' || i)::$element FROM generate_series(1, " . pick(100, 100, 1000, chance(0.02) ? 100000 : 3000) . ') i)' if chance(0.3);
	return pick("'{}'", "'{NULL}'", "'{k1,NULL,k2}'", "'{{k1,k2},{k3,k4}}'", "'[5:6]={k1,k2}'", "'[2147483645:2147483646]={k1,k2}'", "'{k1,k1,k1}'", "'{{{{{{k1}}}}}}'", "array_fill('k'::$element, ARRAY[5000])", "array_fill(NULL::$element, ARRAY[300])", "array_fill('k'::$element, ARRAY[20, 20])", "ARRAY[repeat('x', 2001)]", "ARRAY['']", "(SELECT array_agg(repeat('x', 2000) || i) FROM generate_series(1, 50) i)") . $cast;
}

sub timestamp_value
{
	return pick('now()', 'clock_timestamp()', "'infinity'", "'-infinity'", "'epoch'", "'4713-01-01 BC'", "'294276-12-31 23:59:59.999999Z'", "'1970-01-01 00:00:00.000001Z'", "now() + interval '1 year'", "now() - interval '1 s'") . '::timestamptz';
}

my %values = (
	regclass => \&store_value,
	bytea => \&bytea_value,
	bigint => \&bigint_value,
	integer => sub { $tame ? 1 + int(rand(3)) : pick(0, 1, 1, 2, 3, '(-1)', 2147483647, '(-2147483648)', 100) },
	interval => \&interval_value,
	'timestamp with time zone' => \&timestamp_value,
	boolean => sub { pick('true', 'false') },
	'text[]' => sub { array_value('text') },
	'bytea[]' => sub { array_value('bytea') },
	oid => sub { pick(0, '4294967295', "'hostile.s'::regclass::oid", "(SELECT oid FROM pg_database WHERE datname = current_database())", "'hostile.v'::regclass::oid") },
	cstring => sub { pick("'x'::cstring", "''::cstring", "'hostile.s'::cstring", "'4294967296'::cstring", "'-'::cstring") },
	internal => sub { 'NULL' },
	name => sub { pick("'p1'", "'p2'", "''", "repeat('p', 100)") . '::name' });

# How text is meant, by the names of arguments.
my %texts = (
	store => sub { pick("'hostile.new" . int(rand(20)) . "'", "'hostile.s'", "'pg_temp.own'", "'pg_catalog.x'", "'pg_toast.x'", "'information_schema.x'", "'missing.x'", "''", "'\"'", "'a.b.c.d'", "'\"\"'", "repeat('x', 200)", "chr(1114111)", "'hostile.' || repeat(chr(233), 32)", "'hostile.s_pkey'") },
	name => sub { pick("'p1'", "'p2'", "'p3'", "''", "repeat('p', 63)", "repeat('p', 64)", "repeat(chr(233), 40)", 'chr(1114111)') },
	key => \&key_value, keys => \&key_value, from_key => \&key_value, to_key => \&key_value, prefix => \&key_value);

sub value
{
	my ($type, $name) = @_;

	return pick('NULL', "NULL::$type", "'x'", "'0'::$type", "ROW(1, 'x')", "'{}'", '1.5', "'x'::xml", 'ARRAY[1]') if !$tame && chance(0.05) && $type ne 'internal';
	return 'NULL' if !$tame && chance(0.03);
	return ($texts{$name} // \&text_value)->() if $type eq 'text';
	return $values{$type}->() if $values{$type};
	return pick("NULL::$type", "'0'::$type", "'1'::$type");
}

# ---- Statements ---------------------------------------------------------------

my $catalog;

# A function, its arguments as text.
sub call_parts
{
	my $function = pick(@{ $catalog->{functions} });
	$tame = chance(0.5);
	my $count = @{ $function->{types} } - int(rand($function->{defaults} + 1));
	my @arguments = map { value($function->{types}[$_], $function->{names}[$_] // '') } 0 .. $count - 1;

	return ($function, @arguments);
}

sub call
{
	my ($function, @arguments);

	do { ($function, @arguments) = call_parts() } while ($function->{procedure});
	return "$function->{name}(" . join(', ', @arguments) . ')';
}

sub relation { return pick(@{ $catalog->{relations} }); }

sub condition
{
	return pick("key = 'k1'", "key >= 'k2'", "key LIKE 'k%'", "key < ''", "key IN ('k1', 'k3', NULL)", "key BETWEEN 'a' AND 'k5'", "key LIKE '\\'", "key ^\@ 'k'", 'version IS NULL', "key = ANY ('{{k1},{k2}}')", "key = repeat('x', 3000)", "key > NULL", "key = (SELECT 'k1')");
}

# One call, as a statement of its own.
sub statement
{
	my ($function, @arguments) = call_parts();
	my $call = "$function->{name}(" . join(', ', @arguments) . ')';

	return "CALL $call;" if $function->{procedure};
	return 'SELECT * FROM ' . relation() . pick('', ' LIMIT 1', ' WHERE false') . ';' if chance(0.06);
	return "SELECT * FROM $call AS f" . (chance(0.3) ? ' WHERE f.' . condition() : '') . pick('', '', ' LIMIT 1', ' ORDER BY 1 DESC', ' FOR UPDATE') . ';' if $function->{set} && chance(0.6);
	return pick(
		("SELECT $call;") x 6,
		"SELECT $call FROM generate_series(1, 3);",
		"SELECT array_agg($call);",
		"SELECT * FROM generate_series(1, 2) g, LATERAL $call AS f;",
		"SELECT * FROM generate_series(1, 2) g LEFT JOIN $call AS f ON true;",
		"SELECT $call, $call WHERE $call IS NULL;",
		"EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM $call AS f;",
		"COPY (SELECT * FROM $call AS f) TO STDOUT;",
		"DO \$h\$ BEGIN PERFORM $call; PERFORM " . call() . "; EXCEPTION WHEN query_canceled OR OTHERS THEN PERFORM hostile.caught(SQLSTATE, SQLERRM); END \$h\$;",
		"DO \$h\$ BEGIN FOR i IN 1 .. 3 LOOP BEGIN PERFORM $call; EXCEPTION WHEN OTHERS THEN PERFORM hostile.caught(SQLSTATE, SQLERRM); PERFORM " . call() . "; END; END LOOP; EXCEPTION WHEN OTHERS THEN PERFORM hostile.caught(SQLSTATE, SQLERRM); END \$h\$;",
		"INSERT INTO hostile.calls VALUES (\$h\$SELECT $call\$h\$);",
		"SET hostile.statement = \$h\$SELECT $call\$h\$; SELECT mvstore_put('hostile.fired', " . key_value() . ", 'v');",
		"CREATE TEMP TABLE x AS SELECT * FROM $call AS f; DROP TABLE IF EXISTS x;",
		"UPDATE hostile.t SET j = ($call)::text WHERE i < 3;",
		"DELETE FROM hostile.s WHERE key = 'k7' AND ($call) IS NOT NULL;",
		"WITH a AS MATERIALIZED (SELECT $call) SELECT * FROM a, a b;");
}

sub statements { return map { statement() } 1 .. $_[0] // PIECE; }

# A cursor over what a function returns, moved about among other calls.
sub cursor
{
	my $hold = chance(0.4) ? 'WITH HOLD ' : '';

	return ('BEGIN;', '\\set ON_ERROR_ROLLBACK on', "DECLARE c ${\ pick('', 'SCROLL ', 'NO SCROLL ')}CURSOR ${hold}FOR SELECT * FROM " . call() . ' AS f;',
		(map { (statement(), pick('FETCH 2 FROM c;', 'FETCH BACKWARD 1 FROM c;', 'MOVE ALL IN c;', 'FETCH ABSOLUTE 1 FROM c;', 'SAVEPOINT p;', 'ROLLBACK TO p;')) } 1 .. 4),
		pick('COMMIT;', 'ROLLBACK;'), '\\set ON_ERROR_ROLLBACK off', 'FETCH ALL FROM c;', 'CLOSE ALL;');
}

# A function prepared with parameters, run often enough for a generic plan.
sub prepared_plan
{
	my ($function, @arguments);

	do { ($function, @arguments) = call_parts() } while ($function->{procedure} || grep { /^(internal|trigger|event_trigger)$/ } @{ $function->{types} });
	my $types = @arguments ? ' (' . join(', ', @{ $function->{types} }[ 0 .. $#arguments ]) . ')' : '';
	my $values = sub { @arguments ? '(' . join(', ', map { value($function->{types}[$_], $function->{names}[$_] // '') } 0 .. $#arguments) . ')' : '' };
	return ("PREPARE h$types AS SELECT * FROM $function->{name}(" . join(', ', map { "\$$_" } 1 .. @arguments) . ') AS f;',
		(map { 'EXECUTE h' . $values->() . ';' } 1 .. 7), 'DEALLOCATE ALL;');
}

# What DML there is of a table of any kind.
sub change
{
	my ($table) = @_;

	return pick(
		"INSERT INTO $table DEFAULT VALUES;", "INSERT INTO $table SELECT * FROM $table LIMIT 2;",
		"INSERT INTO $table SELECT * FROM $table LIMIT 2 ON CONFLICT DO NOTHING;", "INSERT INTO $table (key, version, value) VALUES ('new', 1, 'v') RETURNING *;",
		"UPDATE $table SET key = key;", "UPDATE $table SET value = NULL WHERE key = 'k1' RETURNING *;", "UPDATE $table SET j = j, i = i + 100;",
		"DELETE FROM $table;", "DELETE FROM $table WHERE key = 'k3' RETURNING *;", "TRUNCATE $table;", "TRUNCATE $table CASCADE;",
		"MERGE INTO $table a USING $table b ON a.key = b.key AND a.version = b.version WHEN MATCHED THEN DELETE;",
		"COPY $table FROM '/dev/null';");
}

sub any_table { return pick(map { "hostile.$_" } qw(s s kept aged fired fed t v m alike parts child u f c q), 'pg_temp.own', 'mvstore_policy', 'mvstore_pins'); }

# Functions for triggers, as triggers of every kind on every kind of table, whoever is meant to have them.
sub triggers
{
	my @functions = grep { $_->{result} eq 'trigger' } @{ $catalog->{functions} };

	return map {
		my $table = any_table();
		my $when = pick('BEFORE', 'BEFORE', 'AFTER', 'AFTER', 'INSTEAD OF');
		my $events = join(' OR ', map { pick('INSERT', 'UPDATE', 'UPDATE OF key', 'DELETE', 'TRUNCATE') } 1 .. 1 + int(rand(3)));
		my $each = $events =~ /TRUNCATE/ ? pick('STATEMENT', 'STATEMENT', 'ROW') : pick('STATEMENT', 'ROW', 'ROW');
		my $arguments = pick('', '', "'x'", "'insert'", "'hostile.s', '1'", join(', ', map { "'$_'" } 1 .. 20), "'" . ('x' x 1000) . "'");
		my $deferred = chance(0.15) ? 'CONSTRAINT ' : '';
		my $tables = !$deferred && chance(0.15) ? ' REFERENCING OLD TABLE AS was NEW TABLE AS is' : '';
		$tables = ' DEFERRABLE INITIALLY DEFERRED' if $deferred && chance(0.5);

		("CREATE ${deferred}TRIGGER " . pick('a', 'zz', 'mvstore_guard') . $_ . " $when $events ON $table$tables FOR EACH $each" . pick('', '', ' WHEN (true)') . ' EXECUTE FUNCTION ' . pick(@functions)->{name} . "($arguments);",
			change($table), change($table), statement())
	} 1 .. 3;
}

# The same for event triggers.
sub event_triggers
{
	my @functions = grep { $_->{result} eq 'event_trigger' } @{ $catalog->{functions} };

	return map {
		my $table = any_table();

		("CREATE EVENT TRIGGER h$_ ON " . pick(qw(ddl_command_start ddl_command_end sql_drop table_rewrite login)) . pick('', " WHEN TAG IN ('DROP TABLE', 'ALTER TABLE')") . ' EXECUTE FUNCTION ' . pick(@functions)->{name} . '();',
			pick("ALTER TABLE $table ALTER value TYPE bytea USING value || 'x';", "ALTER TABLE $table RENAME TO renamed;", "DROP TABLE $table;", 'CREATE TABLE hostile.made ();', "ALTER TABLE $table ADD COLUMN more int DEFAULT random();", 'DROP SCHEMA hostile CASCADE;', 'DROP OWNED BY hostile;', "COMMENT ON TABLE $table IS 'x';", "SELECT mvstore_create('hostile.made');", 'CREATE EXTENSION mvstore;', 'DROP EXTENSION mvstore CASCADE;', 'DROP EVENT TRIGGER h1;'),
			statement())
	} 1 .. 3;
}

# Calls where PostgreSQL itself makes them: constraints, defaults, policies, rules, views.
sub inside
{
	my $call = call();
	my $table = any_table();

	return (pick(
			"ALTER TABLE $table ADD CHECK (($call) IS NULL);", "ALTER TABLE $table ADD CHECK (($call) IS NOT NULL) NOT VALID;",
			"ALTER TABLE $table ADD COLUMN more text DEFAULT ($call)::text;", "ALTER TABLE hostile.t ALTER j SET DEFAULT ($call)::text;",
			"CREATE POLICY p ON $table USING (($call) IS NULL); ALTER TABLE $table ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; GRANT SELECT ON $table TO nobody; SET LOCAL ROLE nobody;",
			"CREATE RULE r AS ON " . pick('INSERT', 'UPDATE', 'DELETE') . " TO $table DO " . pick('ALSO', 'INSTEAD') . " SELECT $call;",
			"CREATE INDEX ON $table ((($call)::text));", "CREATE OR REPLACE VIEW hostile.made AS SELECT * FROM $call AS f; SELECT * FROM hostile.made;",
			"CREATE FUNCTION hostile.made() RETURNS text LANGUAGE sql IMMUTABLE RETURN ($call)::text; CREATE INDEX ON $table (hostile.made());",
			"CREATE AGGREGATE hostile.made (text) (sfunc = textcat, stype = text); SELECT hostile.made(($call)::text);",
			"CREATE DOMAIN hostile.made AS text CHECK (($call) IS NULL OR VALUE = 'x'); SELECT ($call)::text::hostile.made;",
			"CREATE STATISTICS ON (($call)::text), j FROM hostile.t;", "ALTER TABLE $table ALTER value TYPE bytea USING (($call)::text::bytea);"),
		change($table), change('hostile.t'), change($table), 'RESET ROLE;');
}

sub setting
{
	my ($change, $only) = @_;
	my @settings = grep { !$only || $_->{context} =~ $only } @{ $catalog->{settings} };
	my $setting = pick(@settings);
	my $value = pick("''", "'x'", 'DEFAULT', "'stable'", "'now'", "'infinity'", 'on', 'off', '0', '1', "'-1'", "'9223372036854775807'", "'9999999999999999999999'", "'2020-01-01'", "'1 s'", "repeat", "'" . ('x' x 500) . "'",
		$setting->{min} ne '' ? ("'$setting->{min}'", "'$setting->{max}'", int(1 + rand(50))) : ());

	return "$change $setting->{name} = $value;";
}

# ---- States -------------------------------------------------------------------

sub transaction
{
	my ($begin, $end) = @_;

	# The first snapshot before the first savepoint: an assertion of PostgreSQL fails where
	# DEFERRABLE is cancelled while it waits, and rolled back to a savepoint.
	return ($begin, 'SELECT;', '\\set ON_ERROR_ROLLBACK on', statements(), (chance(0.3) ? ('SAVEPOINT a;', statements(3), 'ROLLBACK TO a;', statements(3)) : ()), '\\set ON_ERROR_ROLLBACK off', $end);
}

# Of these, nothing stays, also where BEGIN is cancelled.
sub undone { return ('BEGIN;', '\\if :ERROR', '\\else', '\\set ON_ERROR_ROLLBACK on', @_, pick('', 'SET CONSTRAINTS ALL IMMEDIATE;'), '\\set ON_ERROR_ROLLBACK off', 'ROLLBACK;', '\\endif'); }

my %pieces = (
	plain => sub { statements() },
	commit => sub { transaction('BEGIN;', 'COMMIT;') },
	rollback => sub { transaction('BEGIN;', 'ROLLBACK;') },
	aborted => sub { ('BEGIN;', statements(), pick('COMMIT;', 'ROLLBACK;')) },
	'read-only' => sub { transaction('BEGIN READ ONLY;', 'COMMIT;') },
	'repeatable read' => sub { transaction('BEGIN ISOLATION LEVEL REPEATABLE READ;', 'COMMIT;') },
	serializable => sub { transaction('BEGIN ISOLATION LEVEL SERIALIZABLE' . pick('', ' READ ONLY DEFERRABLE') . ';', 'COMMIT;') },
	prepared => sub {
		my $name = 'h' . int(rand(8));

		return (transaction('BEGIN;', "PREPARE TRANSACTION '$name';"), 'ROLLBACK;', statements(3), pick("COMMIT PREPARED '$name';", "ROLLBACK PREPARED '$name';", ''));
	},
	'as of' => sub { ('BEGIN;', 'SET LOCAL mvstore.as_of = ' . pick("'stable'", "'0'", "'1'", "'now'", "'9223372036854775807'", "'2020-01-01'", "'yesterday'") . ';', '\\set ON_ERROR_ROLLBACK on', statements(), '\\set ON_ERROR_ROLLBACK off', 'COMMIT;') },
	'use version' => sub { ('BEGIN;', 'SELECT mvstore_use_version(' . bigint_value() . ');', '\\set ON_ERROR_ROLLBACK on', statements(), '\\set ON_ERROR_ROLLBACK off', 'COMMIT;') },
	triggers => sub { undone(triggers()) },
	'event triggers' => sub { undone(event_triggers()) },
	inside => sub { undone(inside()) },
	cursor => \&cursor,
	'prepared plan' => \&prepared_plan,
	parallel => sub { ("SET force_parallel_mode = on;", "SET debug_parallel_query = on;", 'SET parallel_setup_cost = 0;', statements(), 'RESET ALL;') },
	settings => sub { ((map { (setting('SET'), statement(), pick('RESET ALL;', '')) } 1 .. 4), 'RESET ALL;') },
	paused => sub { ('SELECT mvstore_pause();', statements(), 'SELECT mvstore_resume();') },
	owner => sub { ('SET SESSION AUTHORIZATION hostile;', statements(), 'RESET SESSION AUTHORIZATION;') },
	nobody => sub { ('SET SESSION AUTHORIZATION nobody;', statements(), 'RESET SESSION AUTHORIZATION;') },
	temporary => sub { ("SELECT mvstore_create('pg_temp.own');", statements(), 'DROP TABLE IF EXISTS pg_temp.own;') },
	timeout => sub { ('SET statement_timeout = ' . (1 + int(rand(20))) . ';', statements(), 'RESET statement_timeout;') },
	'lock timeout' => sub { ('BEGIN;', 'LOCK TABLE ' . pick('hostile.s', 'hostile.kept', 'mvstore_policy', 'mvstore_journal') . ' IN ' . pick('ACCESS EXCLUSIVE', 'SHARE', 'SHARE ROW EXCLUSIVE') . ' MODE;', '\\set ON_ERROR_ROLLBACK on', statements(5), '\\set ON_ERROR_ROLLBACK off', 'ROLLBACK;') },
	cancel => sub {
		("DO \$h\$ BEGIN FOR i IN 1 .. 20 LOOP PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (application_name = 'hostile' AND datname = current_database() AND query NOT LIKE '%pg_cancel%' OR backend_type LIKE 'mvstore%' AND random() < 0.01); PERFORM pg_sleep(0.003 * random()); END LOOP; END \$h\$;", statement())
	},
	'plain SQL' => sub {
		map { ($_, statement()) } pick("INSERT INTO hostile.s SELECT ('z' || i)::bytea, 1, '\\x00' FROM generate_series(1, 3) i ON CONFLICT DO NOTHING;", "UPDATE hostile.s SET value = NULL WHERE key = 'k1';", "DELETE FROM hostile.kept WHERE key = 'k1';", 'TRUNCATE hostile.aged;', 'VACUUM hostile.s;', 'CLUSTER hostile.kept USING kept_pkey;', 'REINDEX TABLE hostile.s;'),
		  pick("UPDATE hostile.aged SET version = 9223372036854775807 WHERE key = 'k2';", "UPDATE hostile.s SET version = -5 WHERE key = 'k3';", "INSERT INTO hostile.s VALUES (decode(repeat('ff', 3000), 'hex'), 5, NULL);", 'REFRESH MATERIALIZED VIEW hostile.m;', 'ANALYZE hostile.s;', "COPY hostile.s TO STDOUT;")
	});

# What changes the server, or does away with what the calls are about: of a database to itself.
my @harm = (
	'UPDATE mvstore_policy SET keep_versions = ' . '{n};', 'UPDATE mvstore_policy SET incarnation = {big};', 'UPDATE mvstore_policy SET keep_for = {interval};', 'UPDATE mvstore_policy SET ttl = {interval};', 'UPDATE mvstore_policy SET store = {oid} WHERE store = {oid};', 'UPDATE mvstore_policy SET storage = {oid};',
	'INSERT INTO mvstore_policy VALUES ({oid}, {n}, {interval}, {interval}, {big}, {oid});', 'DELETE FROM mvstore_policy WHERE store = {oid};',
	'INSERT INTO mvstore_floor VALUES ({oid}, {big}, {big}, {big});', 'UPDATE mvstore_floor SET floor = {big}, entries = {big}, keys = {big};', 'DELETE FROM mvstore_floor;',
	'INSERT INTO mvstore_rewrite VALUES ({oid}, {big});',
	"INSERT INTO mvstore_journal SELECT {big}, system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()), {oid}, {big}, {kind}, {bytea}, {bytea}, {n}, {big}, {bool}, {n}, NULL FROM pg_control_system();",
	'UPDATE mvstore_journal SET kind = {kind}, key = {bytea}, to_key = {bytea}, keep = {n}, before = {big}, incarnation = {big}, store = {oid};', 'UPDATE mvstore_journal SET attempts = {n}, spilled = {bool};', 'DELETE FROM mvstore_journal;',
	'INSERT INTO mvstore_calendar VALUES ({oid}, {big}, {big}, {bytea});', 'UPDATE mvstore_calendar SET keys = {bytea}, ends = {big};',
	"INSERT INTO mvstore_pin SELECT {name}, system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()), {name}, {oid}, {big}, {time}, {time} FROM pg_control_system();",
	'UPDATE mvstore_pin SET store = {oid}, version = {big}, expires = {time}, created = {time};',
	"INSERT INTO mvstore_prepared VALUES ({xid}::text::xid8, {oid}, {big}, {big}, {big}, {big}, {bool}, {bool}, {bool}, {bool}, {bool}, {bool}, {bool});", 'DELETE FROM mvstore_prepared;',
	'DELETE FROM mvstore_stable;', 'UPDATE mvstore_stable SET version = {big};', 'INSERT INTO mvstore_stable VALUES (0, true);',
	'INSERT INTO mvstore_paused VALUES (true, {time}, {name});', 'DELETE FROM mvstore_paused;',
	"SELECT setval('mvstore_clock', {big});", 'ALTER SEQUENCE mvstore_clock INCREMENT -1 MINVALUE -100 RESTART;',
	'ALTER TABLE {table} DROP COLUMN value;', 'ALTER TABLE {table} DROP COLUMN key CASCADE;', 'ALTER TABLE {table} ALTER version TYPE numeric;', 'ALTER TABLE {table} ALTER version TYPE integer USING 1;', 'ALTER TABLE {table} ALTER value TYPE text USING \'x\';', 'ALTER TABLE {table} RENAME key TO other;',
	'ALTER TABLE {table} DROP CONSTRAINT {only}_pkey;', 'DROP INDEX hostile.{only}_pkey;', 'ALTER TABLE {table} ADD COLUMN more int NOT NULL DEFAULT 5;', 'ALTER TABLE {table} ADD COLUMN made int GENERATED ALWAYS AS (1 / length(value)) STORED;', 'ALTER TABLE {table} ADD CHECK (length(value) < 10) NOT VALID;', 'ALTER TABLE {table} SET UNLOGGED;',
	'ALTER TABLE {table} RENAME TO renamed;', 'ALTER TABLE {table} SET SCHEMA public;', 'ALTER TABLE {table} OWNER TO nobody;', 'ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;', 'DROP TABLE {table};', 'TRUNCATE {table};', 'ALTER TABLE {table} INHERIT hostile.t;', 'ALTER TABLE hostile.parts ATTACH PARTITION {table} DEFAULT;', 'CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING;', 'CREATE INDEX ON {table} ((1 / length(value)));', 'ALTER TABLE {table} DISABLE TRIGGER ALL;', 'DROP TRIGGER mvstore_truncated ON {table};', 'CREATE STATISTICS ON key, version FROM {table};', 'ALTER TABLE {table} REPLICA IDENTITY NOTHING;',
	'DELETE FROM pg_index WHERE indexrelid = \'hostile.{only}_pkey\'::regclass;', 'UPDATE pg_index SET indisvalid = false WHERE indexrelid = \'hostile.{only}_pkey\'::regclass;',
	'DROP TABLE {catalog} CASCADE;', 'ALTER TABLE {catalog} RENAME TO renamed;', 'ALTER EXTENSION mvstore DROP TABLE {catalog};', 'ALTER TABLE {catalog} ADD COLUMN more int;', 'ALTER TABLE {catalog} DISABLE TRIGGER ALL;', 'ALTER TABLE {catalog} DROP CONSTRAINT {catalog}_pkey;', 'TRUNCATE {catalog};', 'VACUUM FULL {catalog};',
	'DROP EXTENSION mvstore CASCADE;', 'CREATE EXTENSION mvstore;', 'CREATE EXTENSION mvstore SCHEMA hostile;', 'CREATE EXTENSION mvstore SCHEMA pg_catalog;', 'ALTER EXTENSION mvstore SET SCHEMA hostile;', 'DROP SCHEMA hostile CASCADE;',
	"SET mvstore.strict_history = off;", 'SET session_replication_role = replica;', 'SET search_path = pg_temp, hostile, public;', 'SET transaction_read_only = on;', "SET client_encoding = 'SQL_ASCII';", "SET client_encoding = 'LATIN1';",
	"SELECT lo_unlink(1), pg_advisory_lock(1);", 'LISTEN x; NOTIFY x;', 'CREATE PUBLICATION p FOR ALL TABLES;', 'ANALYZE;', 'DISCARD ALL;');

my %fill = (
	n => sub { $values{integer}->() }, big => sub { bigint_value() =~ s/mvstore_\w+\([^()]*(\([^()]*\))?[^()]*\)/1000000/r }, interval => sub { chance(0.3) ? 'NULL' : interval_value() =~ s/'-?infinity'/'1 s'/r },
	oid => sub { pick(0, 1, '4294967295', (map { "to_regclass('hostile.$_')::oid" } qw(s kept aged fed v t)), "'pg_class'::regclass::oid") },
	kind => sub { pick(map { "'$_'" } 'drop', 'range', 'compact', 'policy', '', 'x') }, bytea => sub { chance(0.3) ? pick("'\\x01000000'::bytea", "'\\xffffff7f'::bytea", "'\\x00000080'::bytea", "'\\xfeffffff6b'::bytea", "decode('d0070000' || repeat('61', 2000), 'hex')", "decode('d1070000' || repeat('61', 2001), 'hex')", "decode('2fF8FFFF' || repeat('61', 3000), 'hex')", "decode('a0860100' || repeat('61', 100000), 'hex')") : bytea_value() },
	bool => sub { pick('true', 'false') }, name => sub { pick("'p1'", "''", "'hostile'", "'nobody'", "'x'") }, time => \&timestamp_value, xid => sub { pick("0", "3", "pg_current_xact_id()", "18446744073709551615") },
	only => sub { pick(qw(s kept aged fed)) }, table => sub { 'hostile.' . pick(qw(s kept aged fed)) },
	catalog => sub { pick(qw(mvstore_policy mvstore_floor mvstore_rewrite mvstore_journal mvstore_calendar mvstore_pin mvstore_prepared mvstore_stable mvstore_paused)) });

# A statement that does harm, and takes it back or not.
sub harm
{
	my $text = pick(@harm);

	$text =~ s/\{(\w+)\}/$fill{$1}->()/ge;
	return $text;
}

my %harmful = (
	harm => sub { ((map { harm() } 1 .. 1 + int(rand(2))), statements()) },
	'harm undone' => sub { ('BEGIN;', '\\set ON_ERROR_ROLLBACK on', (map { (harm(), statements(3)) } 1 .. 3), '\\set ON_ERROR_ROLLBACK off', pick('ROLLBACK;', 'ROLLBACK;', 'COMMIT;')) },
	'harm prepared' => sub { ('BEGIN;', '\\set ON_ERROR_ROLLBACK on', harm(), statements(3), harm(), '\\set ON_ERROR_ROLLBACK off', "PREPARE TRANSACTION 'd" . int(rand(3)) . "';", 'ROLLBACK;', statements(3), "ROLLBACK PREPARED 'd" . int(rand(3)) . "';") },
	'system settings' => sub { ((map { (setting('ALTER SYSTEM SET', qr/sighup|suset|user/), 'SELECT pg_reload_conf();', statement()) } 1 .. 3), 'ALTER SYSTEM RESET ALL;', 'SELECT pg_reload_conf();') },
	'triggers that stay' => sub { (grep({ !/ ON login/ } pick(\&triggers, \&event_triggers)->()), statements()) },
	again => sub { ('RESET ALL;', 'DROP SCHEMA IF EXISTS hostile CASCADE;', 'DROP EXTENSION IF EXISTS mvstore CASCADE;', 'DROP PUBLICATION IF EXISTS p;', 'DROP FOREIGN DATA WRAPPER IF EXISTS nothing CASCADE;', 'CREATE EXTENSION mvstore;', $STORES, $OBJECTS) });

# A script of about so many calls; how many, and its text. The kind is of the database:
# whole, harmed or standby.
sub hostile_script
{
	my ($what, $seed, $kind, $wanted) = @_;
	my $count = 0;
	my @lines = ('\\set VERBOSITY sqlstate', '\\set ON_ERROR_STOP off');
	my @names = sort keys %pieces;

	$catalog = $what;
	srand($seed);
	$tame = 0;
	while ($count < $wanted)
	{
		my $name = pick(@names);
		my @piece;

		if ($kind eq 'harmed' && chance(0.5))
		{
			$name = chance(0.2) ? 'again' : pick(grep { $_ ne 'again' } sort keys %harmful);
			@piece = $harmful{$name}->();
		}
		elsif (chance(0.2))
		{
			# In a state within a state.
			@piece = ('SET statement_timeout = ' . pick(1, 2, 5, 10, 20) . ';', $pieces{$name}->(), 'RESET statement_timeout;');
		}
		else
		{
			@piece = $pieces{$name}->();
		}
		$count += grep { /mvstore_/ } @piece;
		push @lines, "-- $name", @piece, 'ROLLBACK;';
	}
	return ($count, join("\n", @lines) . "\n");
}

1;
