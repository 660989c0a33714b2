# A write over shards is that of who calls, whoever's session it is: code of a stranger that PostgreSQL runs in the
# session of somebody else, with the stranger's rights, writes nothing in the name of a third. What is asked of shards with the
# rights of the owner leaves no connection that others could use, and is asked of the shards alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use MvstoreTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cluster = MvstoreCluster->new('callers', shards => 2, servers => 1);
my ($proxy, $server) = ($cluster->proxy, $cluster->server(0));
my $super = getpwuid($<);

# On the shards, alice_s has a store and bob_s may write to it; mallory has a schema on the proxy, and nothing else.
$server->safe_psql('postgres', 'CREATE ROLE alice_s LOGIN; CREATE ROLE bob_s LOGIN');
$cluster->shards('GRANT CREATE ON SCHEMA public TO alice_s');
$cluster->query(<<"SQL");
CREATE ROLE mallory LOGIN;
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
CREATE ROLE friend LOGIN IN ROLE alice;
CREATE SCHEMA mallory AUTHORIZATION mallory;
GRANT USAGE ON SCHEMA mallory TO PUBLIC;
GRANT USAGE ON FOREIGN SERVER mvstore_cluster TO alice, bob;
CREATE USER MAPPING FOR $super SERVER mvstore_cluster OPTIONS (user '$super');
CREATE USER MAPPING FOR alice SERVER mvstore_cluster OPTIONS (user 'alice_s');
CREATE USER MAPPING FOR bob SERVER mvstore_cluster OPTIONS (user 'bob_s');
DROP USER MAPPING FOR PUBLIC SERVER mvstore_cluster;
SQL
sub as { my ($role, $sql) = @_; return $cluster->query("SET SESSION AUTHORIZATION $role;\n$sql"); }
my ($one, $two) = map { $cluster->query("SELECT 'k' || n FROM generate_series(1, 100) n WHERE mvstore_cluster_shard('accounts', 'k' || n) = $_ LIMIT 1") } 0, 1;
my $put = "SELECT mvstore_put_many('accounts', '{$one,$two}', '{%s,%s}') > 0 AS done";
sub put { return sprintf $put, @_[ 0, 0 ] }
sub values_are { my ($value, $name) = @_; return is(as('alice', q{SELECT string_agg(value, ' ') FROM mvstore_scan('accounts')}), "$value $value", $name); }

as('alice', q{SELECT mvstore_create('accounts')});
as('alice', put('hers'));
$cluster->shards('GRANT SELECT, INSERT ON accounts TO bob_s');

# ---- Whose write it is ----------------------------------------------------------------

# All that mallory could think of to empty alice's store, with whatever rights. (A call that does not exist is one, too.)
my @ways = (
	q{SELECT mvstore_cluster_write('alice', '{0,1}', 'mvstore_clear(regclass)', '{accounts}', false)},
	q{SELECT mvstore_cluster_coordinate('alice', '{0,1}', 'mvstore_clear(regclass)', '{accounts}', false)},
	q{SELECT mvstore_cluster_write('{0,1}', 'mvstore_clear(regclass)', '{accounts}', false)},
	q{SELECT mvstore_clear('accounts')},
	q{INSERT INTO mvstore_cluster_as_caller VALUES ('alice', '{0,1}', 'mvstore_clear(regclass)', '{accounts}', false)},
	# A view over the view, with another default; and a view with its triggers.
	q{INSERT INTO mallory.over (shards, call, arguments, versioned) VALUES ('{0,1}', 'mvstore_clear(regclass)', '{accounts}', false)},
	q{CREATE TRIGGER t INSTEAD OF INSERT ON mallory.beside FOR EACH ROW EXECUTE FUNCTION public.mvstore_cluster_called()},
	q{INSERT INTO mallory.beside VALUES ('alice', '{0,1}', 'mvstore_clear(regclass)', '{accounts}', false)},
	q{SET ROLE alice},
	q{SET session_replication_role = replica});
my $ways = join ', ', map { "\$w\$$_\$w\$" } @ways;
as('mallory', <<"SQL");
CREATE TABLE mallory.said (via text, way text, said text);
GRANT INSERT ON mallory.said TO PUBLIC;
CREATE FUNCTION mallory.attack(via text) RETURNS int LANGUAGE plpgsql AS \$\$
DECLARE
	way text;
	said text;
BEGIN
	FOREACH way IN ARRAY ARRAY[$ways] LOOP
		BEGIN
			EXECUTE way;
			said := 'done';
		EXCEPTION WHEN OTHERS THEN
			said := SQLSTATE;
		END;
		INSERT INTO mallory.said VALUES (via, way, said);
	END LOOP;
	RETURN 1;
END \$\$;
CREATE FUNCTION mallory.pure(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN mallory.attack('index'); END \$\$;
CREATE FUNCTION mallory.useful() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN RETURN mallory.attack('definer'); END \$\$;
CREATE VIEW mallory.beside AS SELECT NULL::name AS caller, NULL::integer[] AS shards, NULL::text AS call, NULL::text[] AS arguments, NULL::boolean AS versioned, NULL::text[] AS results WHERE false;
CREATE TABLE mallory.t (x int);
INSERT INTO mallory.t VALUES (1);
CREATE INDEX ON mallory.t ((mallory.pure(x)));
SQL
$cluster->refused(q{SET SESSION AUTHORIZATION mallory; CREATE VIEW mallory.over AS SELECT * FROM mvstore_cluster_as_caller; ALTER VIEW mallory.over ALTER caller SET DEFAULT 'alice'});
values_are('hers', 'mallory has written nothing in a session of her own');
$cluster->query('ANALYZE mallory.t');
values_are('hers', 'nor in an ANALYZE by a superuser, which is as autovacuum does it');
$cluster->query('VACUUM ANALYZE mallory.t; REINDEX TABLE mallory.t');
values_are('hers', 'nor in a VACUUM or a REINDEX');
$cluster->query('SELECT mallory.useful()');
values_are('hers', 'nor in a function of hers that a superuser calls');
my $said = $cluster->query(q{SELECT string_agg(DISTINCT concat_ws(' ', via, said, way), E'\n') FROM mallory.said WHERE said NOT IN ('42501', '42883', '42P01', '55000')});
is($said, '', 'each way is refused');
is($cluster->query('SELECT count(DISTINCT via) FROM mallory.said'), 2, 'and was tried');

# With a user of the shards of her own she is that.
$server->safe_psql('postgres', 'CREATE ROLE mallory_s LOGIN');
$cluster->query(q{GRANT USAGE ON FOREIGN SERVER mvstore_cluster TO mallory; CREATE USER MAPPING FOR mallory SERVER mvstore_cluster OPTIONS (user 'mallory_s'); TRUNCATE mallory.said});
$cluster->query('SELECT mallory.useful(); ANALYZE mallory.t');
values_are('hers', 'as a user of the shards she writes in her own name alone');
is($cluster->query(q{SELECT count(*) FROM mallory.said WHERE way ~ 'clear' AND said = 'done'}), 0, 'which may not');
like(slurp_file($server->logfile), qr/must be owner of table accounts|permission denied for table accounts/, 'as shards have it');

is($cluster->query('SET ROLE alice; ' . put('role')), 't', 'who takes a role on writes as that');
values_are('role', 'which is there');
is(($cluster->refused('SET ROLE mallory; ' . put('mallory')))[0], '42501', 'or not');
$cluster->query('CREATE SCHEMA alice AUTHORIZATION alice; GRANT USAGE ON SCHEMA alice TO PUBLIC');
as('alice', "CREATE FUNCTION alice.put() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS \$\$ BEGIN RETURN (${\ put('definer')}); END \$\$");
is(as('friend', 'SELECT alice.put()'), 't', 'a function that runs as its owner writes as that, for a member of that role');
values_are('definer', 'which is there');
my ($state, $message) = $cluster->refused('SET SESSION AUTHORIZATION mallory; SELECT alice.put()');
ok($state eq '42501' && $message =~ /in the name of "alice"/, 'but not in the session of a stranger, which keeps connections') or diag("$state $message");
($state) = $cluster->refused('SET session_replication_role = replica; SET ROLE alice; ' . put('lost'));
is($state, '55000', 'where no trigger fires, it does not say that something was written');
values_are('definer', 'as nothing was');

# Who was given all rights on all tables puts a trigger between, or in the place of one.
$cluster->query('GRANT ALL ON mvstore_cluster_as_caller TO mallory');
as('mallory', q{CREATE FUNCTION mallory.other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.caller := 'alice'; RETURN NEW; END $$});
for my $name ('aa', 'a_caller')
{
	as('mallory', "CREATE OR REPLACE TRIGGER $name INSTEAD OF INSERT ON mvstore_cluster_as_caller FOR EACH ROW EXECUTE FUNCTION mallory.other()");
	my ($state) = $cluster->refused("SET SESSION AUTHORIZATION bob;\n" . put('other'));
	is($state, '55000', "a trigger $name of somebody else is seen");
	$cluster->query($name eq 'aa' ? 'DROP TRIGGER aa ON mvstore_cluster_as_caller' :
		  'CREATE OR REPLACE TRIGGER a_caller INSTEAD OF INSERT ON mvstore_cluster_as_caller FOR EACH ROW EXECUTE FUNCTION mvstore_cluster_caller()');
}
$cluster->query('REVOKE ALL ON mvstore_cluster_as_caller FROM mallory; GRANT SELECT, INSERT ON mvstore_cluster_as_caller TO PUBLIC; DROP FUNCTION mallory.other()');

# ---- Whose mapping it is ---------------------------------------------------------------

# On the shards, bob_s and the user of the proxy's owner, who is no superuser there, have passwords. mallory was there before
# bob, and has a mapping of bob_s too, with a password that is wrong.
$server->safe_psql('postgres', q{ALTER ROLE bob_s PASSWORD 'right'; CREATE ROLE owner_s LOGIN});
my $hba = slurp_file($server->data_dir . '/pg_hba.conf');
open my $file, '>', $server->data_dir . '/pg_hba.conf' or die;
print $file "local all bob_s scram-sha-256\n$hba";
close $file;
$server->reload;
$cluster->query(q{ALTER USER MAPPING FOR mallory SERVER mvstore_cluster OPTIONS (SET user 'bob_s', ADD password 'wrong')});
$cluster->query(q{ALTER USER MAPPING FOR bob SERVER mvstore_cluster OPTIONS (ADD password 'right')});
$cluster->query("ALTER USER MAPPING FOR $super SERVER mvstore_cluster OPTIONS (SET user 'owner_s')");
my $stop = $cluster->hold_steps;
my $writer = $cluster->begin_held('prepared', 'SET SESSION AUTHORIZATION bob; ' . put('bob'));
$cluster->query(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'stops prepared'});
is($cluster->query('SELECT mvstore_cluster_recover()'), 2, 'what bob has prepared is ended by his mapping, whoever else has one of his user');
is(join('', $cluster->shards('SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()')), '00', 'nothing stays');
$_->{run}->kill_kill for $writer, $stop;

# ---- What is asked as the owner ----------------------------------------------------------

# A second cancel ends the handler of the first before it has closed anything: as if there were nothing that closes.
$cluster->query(q{CREATE OR REPLACE FUNCTION mvstore_cluster_close(name text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE query_canceled; END $$});
for my $asks ('mvstore_cluster_verify()', 'mvstore_cluster_recover()')
{
	is((split /\n/, as('mallory', "\\set ON_ERROR_STOP off\nSELECT $asks;\nSELECT coalesce(dblink_get_connections()::text, 'none')"))[-1],
		'none', "$asks leaves no connection to the caller, whenever it ends");
}

# ---- Without dblink ----------------------------------------------------------------------

# What the page says takes it from callers, and they need it no more.
my ($revoke) = slurp_file("$FindBin::RealBin/../README.md") =~ /^(SELECT format\('REVOKE EXECUTE .*?\\gexec\n)/ms or die 'the page has no such statement';
$cluster->query('CREATE OR REPLACE FUNCTION mvstore_cluster_close(name text) RETURNS void LANGUAGE sql AS $$ $$');
$cluster->query($revoke);
is(($cluster->refused("SET SESSION AUTHORIZATION mallory; SELECT $_"))[0], '42501', "$_ is for the owner")
  for 'dblink_get_connections()', q{dblink_exec('x', 'y')}, q{* FROM dblink('x', 'y') AS t(a text)}, q{dblink_connect('x', 'y')};
is(as('alice', put('revoked')), 't', 'and who writes does not need it');
values_are('revoked', 'which is there');

$cluster->stop;
done_testing();
