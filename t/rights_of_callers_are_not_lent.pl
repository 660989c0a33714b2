# Whoever owns a store can hang code on it, and have it lie under any name. A superuser who calls functions of mvstore on it runs
# that code with his rights where plain SQL on the table would have run it, in INSERT, DELETE and TRUNCATE, and nowhere
# else; the worker and maintenance never do. Else an owner would be a superuser as soon as one looks at his store.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use MvstoreCalls;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('lent', conf => "fsync = off\njit = off\nmvstore.sweep_interval = '1 s'\nmvstore.maintenance_every = 1");

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE DATABASE d OWNER mallory');
$node->safe_psql('d', 'CREATE EXTENSION mvstore; CREATE TABLE public.victim (key bytea, version bigint, value bytea, expires_at timestamptz); INSERT INTO victim VALUES (\'k\', 1, \'v\')');
my $superuser = $node->safe_psql('d', 'SELECT current_user');

# His schema has a name that must be quoted.
my $schema = q{"mal""lory'; DROP TABLE victim; --"};
my $path = "SET search_path = $schema, public;\n";

sub sql { return $node->safe_psql('d', $path . $_[0]); }

sub mallory
{
	my ($statements) = @_;
	my ($status, $out, $err) = $node->psql('d', "SET client_min_messages = error;\n$path$statements", extra_params => [ '-U', 'mallory' ], on_error_stop => 1);

	die "mallory: $err" if $status != 0;
	return $out;
}

# ---- What he hangs on a table -------------------------------------------------------

# Whatever runs says so, with the role that it runs as: in messages, as these outlive a rollback.
$node->safe_psql('d', "CREATE SCHEMA $schema AUTHORIZATION mallory; GRANT USAGE ON SCHEMA $schema TO PUBLIC");
mallory(<<'SQL');
CREATE FUNCTION note(via text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN RAISE WARNING 'ran: % | % | %', current_setting('test.call', true), via, current_user; RETURN true; END $$;
CREATE FUNCTION note_trigger() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM note(lower(TG_WHEN || ' ' || TG_OP || ' ' || TG_LEVEL)); RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END $$;
CREATE DOMAIN text_of_his AS text CHECK (note('domain'));
SQL
# (IMMUTABLE, as an index wants it, and with an effect all the same. With a path of its own, as VACUUM has another.)
mallory("CREATE FUNCTION note_quietly(via text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = $schema AS \$\$ BEGIN PERFORM note(via); RETURN true; END \$\$");

my $hangings = <<'SQL';
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON TABLE_ FOR EACH ROW EXECUTE FUNCTION note_trigger();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON TABLE_ FOR EACH ROW EXECUTE FUNCTION note_trigger();
CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON TABLE_ FOR EACH STATEMENT EXECUTE FUNCTION note_trigger();
CREATE TRIGGER d BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON TABLE_ FOR EACH STATEMENT EXECUTE FUNCTION note_trigger();
CREATE CONSTRAINT TRIGGER e AFTER INSERT OR DELETE ON TABLE_ INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_trigger();
ALTER TABLE TABLE_ ENABLE ALWAYS TRIGGER a, ENABLE ALWAYS TRIGGER b, ENABLE ALWAYS TRIGGER c, ENABLE ALWAYS TRIGGER d, ENABLE ALWAYS TRIGGER e;
CREATE INDEX ON TABLE_ (note_quietly('index expression'));
CREATE INDEX ON TABLE_ ((note_quietly('of ' || version)));
CREATE INDEX ON TABLE_ (version) WHERE note_quietly('index predicate');
CREATE INDEX ON TABLE_ USING brin ((note_quietly('brin ' || version)::int)) WITH (pages_per_range = 1);
ALTER TABLE TABLE_ ADD COLUMN note boolean DEFAULT note('default');
ALTER TABLE TABLE_ ADD COLUMN his text_of_his;
ALTER TABLE TABLE_ ADD COLUMN generated boolean GENERATED ALWAYS AS (note_quietly('generated column')) STORED;
ALTER TABLE TABLE_ ADD CHECK (note('check'));
CREATE STATISTICS of_TABLE_ ON key, (note_quietly('statistics')) FROM TABLE_;
CREATE RULE r1 AS ON DELETE TO TABLE_ DO ALSO SELECT note('rule');
CREATE RULE r2 AS ON INSERT TO TABLE_ DO ALSO SELECT note('rule');
CREATE POLICY p ON TABLE_ USING (note('row security')) WITH CHECK (note('row security'));
ALTER TABLE TABLE_ ENABLE ROW LEVEL SECURITY;
SQL
sub hang { return $hangings =~ s/TABLE_/$_[0]/gr; }

mallory(q{
	SELECT mvstore_create('s'), mvstore_create('other');
	SELECT mvstore_put(s, k, 'v') FROM unnest('{s,other}'::regclass[]) s, unnest('{k,l,m}'::text[]) k;
	SELECT mvstore_put(s, k, 'w') FROM unnest('{s,other}'::regclass[]) s, unnest('{k,l,m}'::text[]) k;
	CREATE TABLE plain (LIKE s INCLUDING ALL)} . ";\n" . hang('s') . hang('plain'));
mallory(q{ANALYZE s});
sql(q{GRANT EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) TO mallory});
mallory(q{SELECT mvstore_pin('of the owner', store := 'other')});
sql(q{SELECT mvstore_pin('of a superuser', store := 'other')});

# ---- A superuser calls every function on it, and reads every view -----------------------

my @calls = calls_of(functions_of($node, 'd'));
my @views = split /\n/, sql(q{SELECT c.oid::regclass FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' WHERE c.relkind = 'v'});
my @plain_sql = (
	[ 'INSERT', q{INSERT INTO s (key, version, value) VALUES ('new', 1, 'v')} ],
	[ 'DELETE', q{DELETE FROM s WHERE key = 'k'} ],
	[ 'TRUNCATE', 'TRUNCATE s' ]);
my @queries = (
	(map { [ "reads $_", "SELECT * FROM $_" ] } @views),
	(map { [ $_, $_ ] } q{EXPLAIN SELECT * FROM mvstore_scan('s') WHERE key LIKE 'k%'}, q{SELECT * FROM mvstore_scan('s') WHERE key > 'k' ORDER BY key DESC},
		q{SELECT * FROM mvstore_scan('s') a JOIN mvstore_scan_prefix('s', 'k') b USING (key)}, q{SELECT * FROM mvstore_help()}));

# {what}{via}: what of his has run as the superuser.
sub ran_as_superuser
{
	my (%ran, $err);
	my $script = $path . "\\o /dev/null\nSET client_min_messages = warning;\n";

	for (@_)
	{
		my ($label, $call, $is_procedure) = @$_;
		my $statement = $call =~ /^[A-Z]/ ? $call : $is_procedure ? "CALL $call" : "SELECT * FROM $call";

		$script .= "SET test.call = \$q\$$label\$q\$;\n";
		# Constraints that are deferred are looked at before all is undone.
		$script .= $is_procedure ? "$statement;\n" : "BEGIN;\n$statement;\nSET CONSTRAINTS ALL IMMEDIATE;\nROLLBACK;\n";
	}
	IPC::Run::run([ qw(psql -X -q -A -t), '-d', $node->connstr('d') ], '<', \$script, '>', \my $out, '2>', \$err);
	is(join("\n", grep { !/^psql.*WARNING:  (?:ran|drops are not worked off)|^(?:CONTEXT|DETAIL|HINT|SQL|PL)/ && /ERROR/ } split /\n/, $err), '', 'no call fails');
	for ($err =~ /WARNING:  ran: (.*)/g)
	{
		my ($label, $via, $who) = split / \| /;

		$ran{$label}{$via}++ if $who eq $superuser;
		fail("$label: $via runs as $who") unless $who eq $superuser || $who eq 'mallory';
	}
	return \%ran;
}

sql('SELECT mvstore_pause()');
my $ran = ran_as_superuser(@plain_sql, @calls, @queries);
sql('SELECT mvstore_resume()');
cmp_ok(scalar(keys %{ $ran->{INSERT} }), '>', 10, 'a superuser who inserts by plain SQL runs it');
cmp_ok(scalar(keys %{ $ran->{DELETE} }), '>', 4, 'so does one who deletes');
cmp_ok(scalar(keys %{ $ran->{TRUNCATE} }), '>', 1, 'and one who truncates');

# What runs more than the statement that the call stands for.
my ($silent, $writing) = (0, 0);
for my $what (@calls, @queries)
{
	my $label = $what->[0];
	my $as = $label !~ /^`/ ? '' : $label =~ /mvstore_(?:put|delete|revert)/ ? 'INSERT' : $label =~ /mvstore_erase/ ? 'DELETE' : $label =~ /mvstore_clear/ ? 'TRUNCATE' : '';
	# (Of an index it is the version that tells the rows apart.)
	my %may = map { s/\d+$//r => 1 } keys %{ $ran->{$as} // {} };
	my @more = grep { !$may{ s/\d+$//r } } sort keys %{ $ran->{$label} // {} };

	is(join(', ', @more), '', "$label: a superuser runs no more than in " . ($as || 'a query')) if @more;
	$writing++ if $as && $ran->{$label};
	$silent++ if !$as && !$ran->{$label};
}
cmp_ok($writing, '>', 20, 'calls that write run what a statement of SQL would have run');
cmp_ok($silent, '>', 60, 'all others run nothing');

# ---- The worker, and maintenance ---------------------------------------------------------

my $log = -s $node->logfile;
mallory('ALTER TABLE s DISABLE ROW LEVEL SECURITY');
mallory(q{SELECT mvstore_set_policy('s', keep_versions := 1); SELECT mvstore_drop('s', 'k'), mvstore_drop_range('s', 'l', 'n'), mvstore_sweep('s'), mvstore_compact('s', mvstore_stable_version())});
is(sql(q{SELECT mvstore_flush()}), 't', 'the worker does what is asked for');
is(mallory(q{SELECT count(*) FROM s}), 3, 'it has dropped');
mallory(q{INSERT INTO s (key, version, value) SELECT 'k', v, repeat('x', 500)::bytea FROM generate_series(10, 2000) v; SELECT mvstore_sweep('s')});
is(sql(q{SELECT mvstore_flush()}), 't', 'and swept');
my $vacuums = q{(SELECT maintenance_runs FROM mvstore_stats WHERE database = 'd')};
wait_until($node, 'd', "SELECT $vacuums > 0", 'and maintenance has vacuumed');
# So does a superuser.
sql('VACUUM (ANALYZE) s; REINDEX TABLE s');
my %who = map { $_ => 1 } slurp_file($node->logfile, $log) =~ /WARNING:  ran: .*? \| .*? \| (.*)/g;
is(join(' ', sort keys %who), 'mallory', 'nothing has run as anybody but its owner');

# ---- From within what runs as its owner: functions of mvstore, and what they leave for later ----

mallory(<<"SQL");
SELECT mvstore_create('inner_store', keep_versions := 1);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON inner_store INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_trigger();
SELECT mvstore_create('outer_store');
SELECT mvstore_put('outer_store', 'k', 'v');
CREATE FUNCTION calls(what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = $schema, public AS
  \$\$ BEGIN PERFORM note(what); EXECUTE what; PERFORM note('done'); RETURN true; EXCEPTION WHEN OTHERS THEN RAISE WARNING 'refused: %', SQLERRM; RETURN true; END \$\$;
SQL
for (q{SELECT mvstore_put('inner_store', 'k', 'w')}, q{SELECT mvstore_erase('inner_store', 'k')}, q{SELECT mvstore_drop('inner_store', 'k')}, q{SELECT mvstore_set_policy('inner_store', 2)},
	q{SELECT mvstore_clear('inner_store')}, q{SELECT mvstore_create('inner_new')}, q{SELECT mvstore_pin('of him', store := 'inner_store')}, q{SELECT mvstore_pause()}, q{SELECT mvstore_stats_reset()},
	q{SELECT mvstore_drop('public.victim', 'k')}, q{SELECT mvstore_attach('public.victim')}, q{SELECT mvstore_unpin('of a superuser')})
{
	my $quoted = s/'/''/gr;
	my ($refused) = /pause|reset|victim|superuser/;

	mallory("CREATE INDEX his ON outer_store ((calls('$quoted' || left(version::text, 0))))");
	$log = -s $node->logfile;
	sql('REINDEX TABLE outer_store');
	my $text = slurp_file($node->logfile, $log);
	%who = map { $_ => 1 } $text =~ /WARNING:  ran: .*? \| .*? \| (.*)/g;
	is(join(' ', sort keys %who), 'mallory', "in an index, when a superuser rebuilds it, his own runs as his: $_");
	like($text, qr/refused: (?:permission denied|must be owner)/, 'and he may no more than else') if $refused;
	mallory('DROP INDEX his');
}

# ---- Something else in the place of the store ----------------------------------------------

# What a store x becomes, with requests that wait.
my %swaps = (
	'another table of its name' => q{ALTER TABLE x RENAME TO x_old; CREATE TABLE x (LIKE x_old INCLUDING ALL); INSERT INTO x SELECT * FROM x_old},
	'a view of its name' => q{ALTER TABLE x RENAME TO x_old; CREATE VIEW x AS SELECT * FROM public.victim},
	'an updatable view of its name, with code' => q{ALTER TABLE x RENAME TO x_old; CREATE VIEW x AS SELECT * FROM plain; CREATE TRIGGER t INSTEAD OF INSERT OR DELETE ON x FOR EACH ROW EXECUTE FUNCTION note_trigger()},
	'a partitioned table of its name' => q{ALTER TABLE x RENAME TO x_old; CREATE TABLE x (LIKE x_old) PARTITION BY RANGE (note_quietly('partition key ' || version))},
	'a table of another schema of its name' => qq{CREATE SCHEMA hidden; ALTER TABLE x SET SCHEMA hidden; CREATE TABLE x (LIKE hidden.x INCLUDING ALL)},
	'a partition' => q{CREATE TABLE parent (LIKE x) PARTITION BY RANGE (note_quietly('partition key ' || version)); ALTER TABLE parent ATTACH PARTITION x DEFAULT},
	'a child' => q{CREATE TABLE parent (LIKE x); ALTER TABLE x INHERIT parent; CREATE TRIGGER t BEFORE DELETE ON parent FOR EACH ROW EXECUTE FUNCTION note_trigger()},
	'a table without its index' => q{ALTER TABLE x REPLICA IDENTITY DEFAULT; DROP INDEX x_key_version_idx; CREATE UNIQUE INDEX ON x (key, version DESC) WHERE note_quietly('index ' || version)},
	'a key of a domain' => q{CREATE DOMAIN key_of_his AS bytea CHECK (note('key')); ALTER TABLE x ALTER key TYPE key_of_his},
	'a value of another type' => q{ALTER TABLE x DROP COLUMN value; ALTER TABLE x ADD COLUMN value text_of_his},
	'an unlogged table' => q{ALTER TABLE x SET UNLOGGED},
	'a plain table' => q{SELECT mvstore_detach('x')},
	'nothing' => q{DROP TABLE x},
	$node->pg_version < 16 ? ('a view made of it by a rule' => q{SELECT mvstore_clear('x'); DROP TRIGGER mvstore_truncate ON x; ALTER TABLE x REPLICA IDENTITY DEFAULT; DROP INDEX x_key_version_idx; ALTER TABLE x ALTER key DROP NOT NULL; ALTER TABLE x ALTER version DROP NOT NULL; VACUUM x; CREATE RULE "_RETURN" AS ON SELECT TO x DO INSTEAD SELECT * FROM public.victim}) : ());
my @kinds = sort keys %swaps;
my %stores = map { $kinds[$_] => "x$_" } 0 .. $#kinds;
sql('SELECT mvstore_pause()');
mallory(join ';', map { "SELECT mvstore_create('$_', keep_versions := 1); SELECT mvstore_put('$_', 'k', 'v'); SELECT mvstore_put('$_', 'k', 'w');
	SELECT mvstore_drop('$_', 'k'), mvstore_drop_range('$_', 'a', 'z'), mvstore_sweep('$_')" } values %stores);
for my $what (@kinds)
{
	my $number = $stores{$what} =~ s/x//r;
	mallory($swaps{$what} =~ s/\bx(?=\b|_)/x$number/gr =~ s/\b(parent|hidden|key_of_his)\b/$1$number/gr);
}
$log = -s $node->logfile;
sql('SELECT mvstore_resume()');
wait_until($node, 'd', q{SELECT NOT EXISTS (SELECT FROM mvstore_requests r WHERE NOT EXISTS (SELECT FROM mvstore_blockers b WHERE b.kind IN ('error', 'lock') AND b.store = r.store))},
	'the worker does what it can, and says what is in its way');
for my $what (@kinds)
{
	my $x = $stores{$what};

	# (What comes of it is as it may be.)
	$node->psql('d', $path . join("\n", map { "SELECT $_;" } "mvstore_get('$x', 'k')", "mvstore_scan('$x')", "mvstore_drop('$x', 'k')", "mvstore_sweep('$x')", "mvstore_lock('$x', 'k')",
		"mvstore_set_policy('$x')", "mvstore_set_feed('$x', true)", "mvstore_set_feed('$x', false)", "mvstore_detach('$x')"), on_error_stop => 0);
	my @ran = slurp_file($node->logfile, $log) =~ /WARNING:  ran: .*? \| (.*? \| .*)/g;
	is(join("\n", grep { !/\| mallory$/ } @ran), '', "$what in the place of a store: nothing of his has run, in the worker or for a superuser");
	is(sql('SELECT count(*) FROM victim'), 1, 'and what is not his is there');
	$log = -s $node->logfile;
}

$node->stop;
done_testing();
