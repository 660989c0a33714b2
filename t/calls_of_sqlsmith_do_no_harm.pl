# Queries that a machine has made of all that a database has, mvstore's functions and views
# among it, end with an answer or an error of a kind, whether an owner of stores sends them or a
# superuser: sqlsmith makes them, if it is there. Otherwise a query that nobody thought of ends
# the sessions of all others. MVSTORE_TEST_SEED gives the seed, MVSTORE_TEST_QUERIES how many
# queries each of the two sends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use HostileCalls;
use HostileLog;
use IPC::Run qw(run timeout);
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($smith) = grep { -x } map { "$_/sqlsmith" } split /:/, $ENV{PATH};
plan skip_all => 'sqlsmith is not installed' unless $smith;

my $seed = $ENV{MVSTORE_TEST_SEED} // int(rand(1_000_000));
my $queries = $ENV{MVSTORE_TEST_QUERIES} // 40;
note("seed $seed");
END { diag("seed $seed") if $? }

my $node = mvstore_node('smith', conf => <<"CONF");
$HOSTILE_LOG_CONF
fsync = off
max_connections = 20
mvstore.flush_interval = '5 ms'
allow_system_table_mods = on
CONF
sub sql { return $node->safe_psql('postgres', $_[0]); }

# Its queries are of tables and views, and of functions that return a value: those of ours that
# return rows are in views. What ends servers, sleeps, or writes files is hidden.
sql('CREATE ROLE hostile LOGIN; CREATE ROLE nobody LOGIN');
sql("$STORES\n$OBJECTS");
sql('DROP FOREIGN DATA WRAPPER nothing CASCADE');
my $views = '';
my $number = 0;
for my $function (split /\n/, sql("SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mvstore' WHERE p.proretset AND p.prokind = 'f' ORDER BY 1"))
{
	my ($name, $types) = $function =~ /^(\w+)\((.*)\)$/;
	my %values = (regclass => "'hostile.s'", text => "'k1'", bytea => "'k1'", bigint => '9223372036854775807', boolean => 'false', 'text[]' => "'{k1,k2}'", 'bytea[]' => "'{k1,k2}'", oid => '0', integer => '1', interval => "'1 s'");

	$number++;
	$views .= "CREATE VIEW hostile.smith$number AS SELECT * FROM $name(" . join(', ', map { ($values{$_} // 'NULL') . "::$_" } split /,/, $types) . ") AS f;\n";
}
sql("SET mvstore.strict_history = off; $views GRANT ALL ON ALL TABLES IN SCHEMA hostile TO hostile");
for (qw(s fed fired))
{
	sql("ALTER TABLE hostile.$_ OWNER TO hostile");
}
sql("UPDATE pg_proc SET prorettype = 'internal'::regtype WHERE proname ~ '^(pg_(terminate|cancel|reload|rotate|promote|sleep|switch|create_restore|log_backend|backup|start_backup|stop_backup|wal_replay|create_.*slot|drop_.*slot|replication|logical|copy_.*slot|file|ls_|read_|stat_file|write|advisory|try_advisory|import|stat_reset|nextoid|stop|extension_config)|lo_|binary_upgrade|brin_|gin_clean|dblink|setval|query_to|database_to|schema_to|table_to|cursor_to|xml|ts_stat|injection)'");

my $ours = join '|', map { m{([^/]+\.c)$} ? quotemeta($1) : () } glob("$FindBin::RealBin/../src/*.c $FindBin::RealBin/../src/*/*.c");
my $watch = new_watch(only => qr/^(?:$ours)$/);

for my $user (qw(hostile postgres))
{
	my $role = $user eq 'postgres' ? sql('SELECT current_user') : $user;
	my ($out, $err) = ('', '');

	sql(qq{ALTER ROLE "$role" SET $_}) for q{statement_timeout = '300 ms'}, q{lock_timeout = '200 ms'};
	my $ended = eval { run([ $smith, '--target=' . $node->connstr('postgres') . " user=$role", "--seed=$seed", "--max-queries=$queries" ], '<', \'', '>', \$out, '2>', \$err, timeout(300 + $queries)) };

	note("$user: ended " . ($ended ? 'well' : 'badly') . ', ' . ($err =~ s/\s+/ /gr));
	read_log($watch, $node, $user);
	$node->psql('postgres', qq{SET statement_timeout = 0; ALTER ROLE "$role" RESET ALL});
	last if $watch->{crashed};
	ok($ended, "all queries of $user were sent");
	is($node->safe_psql('postgres', 'SELECT 1'), 1, "the server works after $user");
}
my $errors = tell_watch($watch);
if (!$watch->{crashed})
{
	is(sql("SELECT mvstore_resume(); SELECT mvstore_create('witness'); SELECT mvstore_put('witness', 'k', 'v') > 0; SELECT mvstore_get('witness', 'k')") =~ /v$/ ? 1 : 0, 1, 'and so do stores');
	$node->stop;
	read_log($watch, $node, 'the end');
	ok(!$watch->{crashed}, 'the server ends well');
}
note("queries: " . 2 * $queries);
done_testing();
