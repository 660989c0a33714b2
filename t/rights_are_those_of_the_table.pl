# Who may do what, of all roles and all that mvstore brings: tried, and compared with the tables in doc/roles.md. Who
# grants a right by that page would else give more than he means to, or less.
#
# Functions, views, tables and columns come from the catalog. So a new one that the page does not have fails this test,
# as does a new predefined role of PostgreSQL's that may do something. The tables as they should be are in the log of
# the test, between the same lines as in the page.

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

my $node = mvstore_node('rights', conf => "fsync = off\njit = off\nmax_prepared_transactions = 2\nmvstore.maintenance_every = 0");
my $psql = [ qw(psql -X -q -A -t), '-d', $node->connstr('postgres') ];

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub rows { return map { [ split /\|/, $_, -1 ] } split /\n/, sql($_[0]); }

# ---- Who ---------------------------------------------------------------------

# The name of an actor is what he has. Behind it what gives it to his role, "me".
my @actors = (
	[ 'nothing', '' ],
	[ 'owner', '' ],
	[ 'member of the owner', 'GRANT store_owner TO me' ],
	(map { [ $_, "GRANT $_ ON s, plain TO me" ] } qw(SELECT INSERT UPDATE DELETE TRUNCATE REFERENCES TRIGGER)),
	[ '`SELECT` and `INSERT`', 'GRANT SELECT, INSERT ON s, plain TO me' ],
	[ 'all rights', 'GRANT ALL ON s, plain TO me' ],
	[ 'all rights on columns', 'GRANT ALL (key, version, value, expires_at) ON s, plain TO me' ],
	[ 'CREATE', 'GRANT CREATE ON SCHEMA rights TO me' ],
	[ 'EXECUTE', 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO me' ],
	[ '`EXECUTE` and `SELECT`', 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO me; GRANT SELECT ON s TO me' ],
	[ 'owner of another store', q{GRANT CREATE ON SCHEMA public TO me; SET ROLE me; SELECT mvstore_create('public.another'); RESET ROLE; REVOKE CREATE ON SCHEMA public FROM me} ],
	[ 'database owner', 'ALTER DATABASE postgres OWNER TO me' ],
	(map { [ $_, "GRANT $_ TO me" ] } grep { $_ ne 'pg_database_owner' } split /\n/, sql(q{SELECT rolname FROM pg_roles WHERE rolname ~ '^pg_' ORDER BY 1})),
	[ 'superuser', '' ]);

# As rights are written.
$_->[0] = "`$_->[0]`" for grep { $_->[0] =~ /^(?:[A-Z]+|pg_\w+)$/ } @actors;

# What a role can do because another one of these can, or needs no word.
my %implied = (
	'member of the owner' => ['owner'],
	'`SELECT` and `INSERT`' => [ '`SELECT`', '`INSERT`' ],
	'all rights' => [ '`SELECT`', '`INSERT`', '`UPDATE`', '`DELETE`', '`TRUNCATE`', '`REFERENCES`', '`TRIGGER`' ],
	'`EXECUTE` and `SELECT`' => [ '`EXECUTE`', '`SELECT`' ],
	'`pg_monitor`' => [ '`pg_read_all_stats`' ]);

sql(q{
	CREATE ROLE store_owner;
	CREATE SCHEMA rights AUTHORIZATION store_owner;
	GRANT USAGE ON SCHEMA rights TO PUBLIC;
	SET search_path = rights, public;
	SET ROLE store_owner;
	SELECT mvstore_create('s'), mvstore_create('other');
	SELECT mvstore_put('s', k, 'v') FROM unnest('{k,l,m}'::text[]) k;
	SELECT mvstore_put('s', k, 'w') FROM unnest('{k,l,m}'::text[]) k;
	CREATE TABLE plain (LIKE s INCLUDING ALL);
	RESET ROLE;
	ANALYZE s;
	GRANT EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) TO store_owner;
	SET ROLE store_owner;
	SELECT mvstore_pin('of the owner', store := 'other');
	RESET ROLE;
	REVOKE EXECUTE ON FUNCTION mvstore_pin(text, bigint, interval, regclass) FROM store_owner;
});
for my $i (0 .. $#actors)
{
	my ($name, $gift) = @{ $actors[$i] };
	my $role = $name eq 'superuser' ? 'none' : $name eq 'owner' ? 'store_owner' : "actor_$i";

	sql("CREATE ROLE $role; SET search_path = rights, public; ${\ ($gift =~ s/\bme\b/$role/gr)}") if $role eq "actor_$i";
	push @{ $actors[$i] }, $role;
}

# Of names of actors, those that a reader wants.
sub told
{
	my %may = map { $_ => 1 } @_;

	return 'everybody' if keys %may == @actors;
	for my $name (reverse map { $_->[0] } @actors)
	{
		delete $may{$name} if grep { $may{$_} } @{ $implied{$name} // [] };
	}
	# (That he may is looked at elsewhere.)
	delete $may{superuser};
	return join(', ', grep { $may{$_} } map { $_->[0] } @actors) || '-';
}

# ---- Functions: each is called, by everybody -----------------------------------

my @all = functions_of($node, 'postgres');
my @called = grep { $_->[2] eq 't' } @all;
my @calls = calls_of(@all);
my @labels = map { $_->[0] } @calls;
my %calls = map { $_->[0] => [ $_->[1], $_->[2] ] } @calls;

# What comes of calls by roles, as SQLSTATEs: {role}{label}. Each in a transaction of its own, of which nothing stays;
# and each in FROM, too, where there is another way to scan.
sub try_calls
{
	my ($roles, $tried) = @_;
	my $script = "\\o /dev/null\nSET search_path = rights, public;\n";
	my (%came, $out, $err);

	for my $role (@$roles)
	{
		$script .= "SET ROLE $role;\n";
		for my $i (0 .. $#$tried)
		{
			my ($call, $is_procedure) = @{ $calls{ $tried->[$i] } };
			my $tell = "\\echo $role|$i|:SQLSTATE\n";

			# (A procedure ends transactions.)
			$script .= $is_procedure ? "CALL $call;\n$tell" : "BEGIN;\nSELECT $call;\n${tell}ROLLBACK;\n";
			$script .= "BEGIN;\nSELECT * FROM $call;\n${tell}ROLLBACK;\n" if $call =~ /^mvstore_scan/;
		}
	}
	IPC::Run::run($psql, '<', \$script, '>', \$out, '2>', \$err);
	for (split /\n/, $out)
	{
		my ($role, $i, $state) = split /\|/;
		my $before = $came{$role}{ $tried->[$i] } //= $state;
		fail("$tried->[$i] by $role: $before, and in FROM $state") if $state ne $before;
	}
	is(scalar(map { keys %$_ } values %came), @$roles * @$tried, 'all calls came back');
	return \%came;
}

sql(q{SELECT mvstore_pin('of a superuser', store := 'rights.other'); SELECT mvstore_pause()});
my $came = try_calls([ map { $_->[2] } @actors ], \@labels);
is(join("\n", map { "$_: $came->{none}{$_}" } grep { $came->{none}{$_} ne '00000' } @labels), '', 'a superuser may do everything');

# Row-level security in force: for whom, and what becomes of it.
sub under_row_security
{
	my @stores = grep { $calls{$_}[0] =~ /store := 's'/ } @labels;
	my %found = map { $_ => 'no matter' } @labels;
	my ($all) = grep { $_->[0] eq 'all rights' } @actors;
	my ($owned, $forced, @odd);

	sql(qq{
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO store_owner;
		ALTER TABLE rights.s ENABLE ROW LEVEL SECURITY;
		CREATE POLICY p ON rights.s USING (true);
		CREATE ROLE free BYPASSRLS IN ROLE $all->[2]});
	$owned = try_calls([ 'store_owner', 'free', $all->[2], 'none' ], \@stores);
	sql('ALTER TABLE rights.s FORCE ROW LEVEL SECURITY');
	$forced = try_calls([ 'store_owner', 'none' ], \@stores);
	for my $call (@stores)
	{
		$found{$call} = 'refused' if $forced->{store_owner}{$call} eq '0A000';
		my $all_may = $came->{ $all->[2] }{$call};

		# Who may not at all, is told that.
		push @odd, "$call by the owner" if $owned->{store_owner}{$call} ne '00000' && $came->{store_owner}{$call} eq '00000';
		push @odd, "$call by a superuser" if "$owned->{none}{$call} $forced->{none}{$call}" ne '00000 00000';
		push @odd, "$call with BYPASSRLS" if $owned->{free}{$call} ne $all_may;
		push @odd, "$call with all rights" if $owned->{ $all->[2] }{$call} ne ($all_may eq '00000' && $found{$call} eq 'refused' ? '0A000' : $all_may);
	}
	is(join("\n", @odd), '', 'row-level security refuses those whom it is in force for, and nobody else');
	sql(q{ALTER TABLE rights.s NO FORCE ROW LEVEL SECURITY; ALTER TABLE rights.s DISABLE ROW LEVEL SECURITY; DROP POLICY p ON rights.s;
		REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM store_owner});
	return \%found;
}
my $row_security = under_row_security();

# A line for each: who may, and what of row-level security.
my %lines;
for my $label (@labels)
{
	my @may;
	for (@actors)
	{
		my ($name, undef, $role) = @$_;
		my $state = $came->{$role}{$label};

		push @may, $name if $state eq '00000';
		fail("$label by $name: $state") unless $state =~ /^(?:00000|42501)$/;
	}
	$lines{$label} = told(@may) . " | $row_security->{$label}";
}
# A family in one, where its members are alike.
for my $label (grep { !/_(?:bytea|raw)`/ } @labels)
{
	my @members = grep { exists $lines{$_} } map { $label =~ s/`( |$)/$_`$1/r } '_bytea', '_raw';

	delete @lines{@members} if @members == grep { $lines{$_} eq $lines{$label} } @members;
}
my @functions = ('| function | who may | row-level security |', '|---|---|---|', map { "| $_ | $lines{$_} |" } grep { $lines{$_} } @labels);

# What the server calls: who may name it, as in CREATE TRIGGER.
my $roles = join(', ', map { "('$_->[2]')" } grep { $_->[2] ne 'none' } @actors);
my %names = map { $_->[2] => $_->[0] } @actors;
my $called = join(', ', map { "($_->[0])" } @called);
my %may_name;
push @{ $may_name{ $_->[0] } }, $names{ $_->[1] }
  for rows("SELECT f.oid, r.name FROM (VALUES $called) f (oid), (VALUES $roles) r (name) WHERE has_function_privilege(r.name, f.oid, 'EXECUTE')");
push @functions, "| `$_->[1]`, which the server calls | ${\ told(@{ $may_name{ $_->[0] } }, 'superuser')} | no matter |" for @called;

# ---- Tables, views, and their columns -------------------------------------------

my @privileges = qw(SELECT INSERT UPDATE DELETE TRUNCATE REFERENCES TRIGGER);
sql(q{CREATE TABLE rights.relations AS
	SELECT c.oid, c.relname, c.relkind FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
	  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mvstore' WHERE c.relkind IN ('r', 'v', 'S')
	UNION ALL SELECT oid, relname, relkind FROM pg_class WHERE oid = 'rights.s'::regclass});
my (%rights, @relations);

for (rows(qq{
	SELECT c.relname, c.relkind, p.name, r.name FROM rights.relations c, unnest('{@{[ join ',', @privileges ]}}'::text[]) WITH ORDINALITY p (name, place), (VALUES $roles) r (name)
	 WHERE CASE WHEN c.relkind <> 'S' THEN has_table_privilege(r.name, c.oid, p.name) OR p.name IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(r.name, c.oid, p.name)
	            WHEN p.name IN ('SELECT', 'UPDATE') THEN has_sequence_privilege(r.name, c.oid, p.name) END
}))
{
	my ($relation, undef, $privilege, $role) = @$_;
	push @{ $rights{$relation}{$privilege} }, $names{$role};
}
for (sort { $a->[2] cmp $b->[2] || $a->[1] cmp $b->[1] } rows('SELECT oid, relname, relkind FROM rights.relations'))
{
	my (undef, $name, $kind) = @$_;
	my (%by_text, @texts);
	my $label = $name eq 's' ? 'a store' : { r => 'table', v => 'view', S => 'sequence' }->{$kind} . " `$name`";

	for my $privilege (@privileges)
	{
		my @may = (@{ $rights{$name}{$privilege} // [] }, 'superuser');
		my $text = told(@may);
		push @texts, $text unless $by_text{$text} || $text eq '-';
		push @{ $by_text{$text} }, "`$privilege`";
	}
	push @relations, "| $label | " . (join('; ', map { join(', ', @{ $by_text{$_} }) . ": $_" } @texts) || '-') . ' |';
}
@relations = ('| relation | who has which right |', '|---|---|', sort { ($b =~ /^\| a /) <=> ($a =~ /^\| a /) } @relations);

is(sql(q{SELECT count(*) FROM rights.relations c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname <> 's' AND a.attacl IS NOT NULL}), 0,
	'rights on columns are those of the table');
is(sql(q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM rights.relations WHERE relkind = 'v' AND pg_relation_is_updatable(oid, false) <> 0}),
	'mvstore_blockers_pin mvstore_pins', 'no view can be written but those that are said to be');
if ($node->pg_version >= 17)
{
	is(sql(qq{SELECT string_agg(DISTINCT r.name, ' ') FROM rights.relations c, (VALUES $roles) r (name) WHERE c.relname <> 's' AND c.relkind <> 'S' AND has_table_privilege(r.name, c.oid, 'MAINTAIN')}),
		(grep { $_->[0] eq '`pg_maintain`' } @actors)[0][2], 'MAINTAIN is for pg_maintain');
}

# What views show: something in every column that can differ.
sql(q{
	SET search_path = rights, public;
	SET ROLE store_owner;
	SELECT mvstore_drop_range('s', 'k', 'l'), mvstore_drop('s', 'm', before := 1);
	BEGIN; SELECT mvstore_put('other', 'k', 'v'); PREPARE TRANSACTION 'one';
	RESET ROLE;
	UPDATE mvstore_journal SET attempts = mvstore_max_attempts(), error = 'secret' WHERE kind = 'drop' AND store = 's'::regclass;
});
my $writer_says = '';
my $writer_is_told = q{SET ROLE store_owner; SET search_path = rights, public; BEGIN; SELECT mvstore_put('other', 'l', 'v') > 0;} . "\n";
my $writer = IPC::Run::start($psql, '<', \$writer_is_told, '>', \$writer_says);
$writer->pump until $writer_says =~ /t/;

# As each role sees them, as a superuser does before and after: {role}{view}{column}.
sub looked_at
{
	my @views = rows(qq{SELECT c.relname, string_agg(format('%L', a.attname), ', ' ORDER BY a.attnum), string_agg(format('count(v.%I)', a.attname), ', ' ORDER BY a.attnum),
		string_agg(format('md5(string_agg(v.%1\$I::text, \$\$ \$\$ ORDER BY v.%1\$I::text))', a.attname), ', ' ORDER BY a.attnum)
		FROM rights.relations c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		WHERE c.relkind = 'v' AND has_table_privilege('public', c.oid, 'SELECT') GROUP BY 1});
	my $script = "SET search_path = rights, public;\n";
	my (%seen, $out, $err);

	for my $role ((map { $_->[2] } @actors), 'again')
	{
		$script .= 'SET ROLE ' . ($role eq 'again' ? 'none' : $role) . ";\n";
		for (@views)
		{
			my ($view, $names, $counts, $digests) = @$_;
			$script .= "SELECT '$role', '$view', u.* FROM (SELECT count(*) AS rows, ARRAY[$counts] AS counts, ARRAY[$digests] AS digests FROM $view v) x,
				unnest(ARRAY[$names], x.counts, array_fill(x.rows, ARRAY[cardinality(x.counts)]), x.digests) u;\n";
		}
	}
	IPC::Run::run($psql, '<', \$script, '>', \$out, '2>', \$err);
	is($err, '', 'everybody reads the views');
	for (split /\n/, $out)
	{
		my ($role, $view, $column, $values, $rows, $digest) = split /\|/;
		$seen{$role}{$view}{$column} = [ $values, $rows, $digest ];
	}
	return \%seen;
}

my $seen = looked_at();
my @columns = ('| view | shown in part | whole to |', '|---|---|---|');
for my $view (sort keys %{ $seen->{none} })
{
	my %whole;
	for my $column (sort keys %{ $seen->{none}{$view} })
	{
		my ($values, $rows, $digest) = @{ $seen->{none}{$view}{$column} };
		my $steady = $digest eq $seen->{again}{$view}{$column}[2];
		my @all = grep { my $own = $seen->{ $_->[2] }{$view}{$column}; $own->[0] == $values && (!$steady || $own->[2] eq $digest) } @actors;
		my $some = grep { $seen->{ $_->[2] }{$view}{$column}[1] != $rows } @actors;

		next if @all == @actors;
		push @{ $whole{ told(map { $_->[0] } @all) } }, $some ? '*rows*' : "`$column`";
	}
	for my $whom (sort keys %whole)
	{
		my %times;
		push @columns, "| `$view` | " . join(', ', grep { !$times{$_}++ } @{ $whole{$whom} }) . " | $whom |";
	}
}
$writer_is_told .= "ROLLBACK;\n\\q\n";
$writer->finish;

# ---- A right is asked for even where it was given to everybody --------------------

sql(q{REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, store_owner, pg_signal_backend});
my $revoked = try_calls(['store_owner'], \@labels);
is(join("\n", grep { $revoked->{store_owner}{$_} ne '42501' } @labels), '', 'what may not be executed is not, in FROM either');

# ---- The page --------------------------------------------------------------------

my $page = slurp_file("$FindBin::RealBin/../doc/roles.md");
for ([ functions => @functions ], [ relations => @relations ], [ columns => @columns ])
{
	my ($name, @lines) = @$_;
	my ($had) = $page =~ /^<!-- t\/rights_are_those_of_the_table\.pl: $name -->\n\n(.*?)\n<!-- end of $name -->$/ms;
	my %had = map { $_ => 1 } split /\n/, $had // '';
	my %has = map { $_ => 1 } @lines;

	note("<!-- t/rights_are_those_of_the_table.pl: $name -->\n\n" . join("\n", @lines) . "\n\n<!-- end of $name -->");
	is(join("\n", grep { !$had{$_} } @lines), '', "$name: the page has what is so");
	is(join("\n", grep { !$has{$_} } split /\n/, $had // ''), '', "$name: and nothing else");
}

$node->stop;
done_testing();
