# The worker is a superuser, and the owner of a store is not: whatever code he hangs
# on his table, puts in the way of names, or sets for the database, the worker runs
# none of it; nor do others who merely look.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('hostile', conf => "mvstore.sweep_interval = '1 s'\nfsync = off");

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE d OWNER mallory');
$node->safe_psql('d', 'CREATE EXTENSION mvstore; GRANT CREATE ON SCHEMA public TO mallory');

sub sql { return $node->safe_psql('d', $_[0]); }

# As the owner of stores and database.
sub mallory
{
	my ($statements) = @_;
	local $ENV{PGOPTIONS} = '';
	my ($status, $out, $err) = $node->psql('d', $statements, extra_params => [ '-U', 'mallory' ], on_error_stop => 1);

	die "mallory: $err" if $status != 0;
	return $out;
}

sub done_by_worker
{
	my ($condition, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until($node, 'd', "SELECT $condition", $name);
	return is(sql('SELECT coalesce(string_agg(DISTINCT format(\'%s by %s\', via, who), \', \'), \'nothing\') FROM mallory.seen'),
		'nothing', "$name: without running anything of the owner's");
}

# What runs anything of his is written down, with the role that did. (The planner
# itself evaluates IMMUTABLE functions in indexes and statistics, for whoever queries
# the table by plain SQL. So stores are looked at by functions of mvstore here.)
mallory(<<'SQL');
CREATE SCHEMA mallory;
GRANT USAGE ON SCHEMA mallory TO PUBLIC;
CREATE TABLE mallory.seen (via text, who text);
GRANT INSERT ON mallory.seen TO PUBLIC;
CREATE FUNCTION mallory.note(via text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO mallory.seen VALUES (via, current_user); RETURN true; END $$;
CREATE FUNCTION mallory.note_trigger() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM mallory.note(TG_OP || ' trigger'); RETURN CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN OLD ELSE NEW END; END $$;
SQL
# (IMMUTABLE, as an index wants it, and with an effect all the same.)
mallory(<<'SQL');
CREATE FUNCTION mallory.note_quietly(via text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM mallory.note(via); RETURN true; END $$;
CREATE DOMAIN mallory.text_of_his AS text CHECK (mallory.note('domain'));
SQL
# The stores: by requests, by a policy, by age.
mallory(q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1), mvstore_create('aged', keep_for := '0')});
mallory(<<"SQL") for ('s', 'p', 'aged');
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON $_ FOR EACH ROW EXECUTE FUNCTION mallory.note_trigger();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON $_ FOR EACH ROW EXECUTE FUNCTION mallory.note_trigger();
CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON $_ FOR EACH STATEMENT EXECUTE FUNCTION mallory.note_trigger();
CREATE CONSTRAINT TRIGGER d AFTER DELETE ON $_ INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mallory.note_trigger();
ALTER TABLE $_ ENABLE ALWAYS TRIGGER a;
ALTER TABLE $_ ENABLE ALWAYS TRIGGER b;
ALTER TABLE $_ ENABLE ALWAYS TRIGGER c;
ALTER TABLE $_ ENABLE ALWAYS TRIGGER d;
CREATE INDEX ON $_ (mallory.note_quietly('index expression'));
CREATE INDEX ON $_ (version) WHERE mallory.note_quietly('index predicate');
ALTER TABLE $_ ADD COLUMN note boolean DEFAULT mallory.note('default');
ALTER TABLE $_ ADD COLUMN his mallory.text_of_his;
ALTER TABLE $_ ADD COLUMN generated boolean GENERATED ALWAYS AS (mallory.note_quietly('generated column')) STORED;
ALTER TABLE $_ ADD CHECK (mallory.note('check'));
CREATE STATISTICS mallory.of_$_ ON key, (mallory.note_quietly('statistics')) FROM $_;
CREATE RULE r AS ON DELETE TO $_ DO ALSO SELECT mallory.note('rule');
CREATE POLICY all_rows ON $_ USING (mallory.note('row security'));
ALTER TABLE $_ ENABLE ROW LEVEL SECURITY;
SQL
# (The test's own sessions are to compare as ever.)
my $sane = '-c search_path=pg_catalog,public -c default_transaction_isolation=read\ committed';
$ENV{PGOPTIONS} = $sane;
# Names in the way of those that SQL of ours could mean.
mallory(<<'SQL');
DO $$
DECLARE
  pair text[];
  name text;
BEGIN
  FOREACH pair SLICE 1 IN ARRAY '{{bytea,bytea},{int8,int8},{int4,int4},{oid,oid},{regclass,oid},{regclass,regclass},{text,text},{name,name},{bool,bool},{timestamptz,timestamptz}}'::text[] LOOP
    EXECUTE format('CREATE FUNCTION public.compare(%s, %s) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN RETURN mallory.note(''operator''); END $f$', pair[1], pair[2]);
    FOREACH name IN ARRAY '{=,<>,<,<=,>,>=}'::text[] LOOP
      EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.compare)', name, pair[1], pair[2]);
    END LOOP;
  END LOOP;
  FOREACH name IN ARRAY ARRAY['has_table_privilege(regclass, text)', 'now()', 'clock_timestamp()', 'current_database()', 'min(timestamptz)',
                              'pg_get_userbyid(oid)', 'pg_total_relation_size(regclass)', 'pg_stat_get_dead_tuples(regclass)'] LOOP
    EXECUTE format('CREATE FUNCTION public.%s RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN RETURN mallory.note(''function''); END $f$', name);
  END LOOP;
END $$;
CREATE TABLE public.pg_class (oid oid);
CREATE TABLE public.pg_database (oid oid);
ALTER DATABASE d SET search_path = public, mallory, pg_catalog;
ALTER DATABASE d SET row_security = on;
ALTER DATABASE d SET check_function_bodies = off;
ALTER DATABASE d SET default_transaction_isolation = serializable;
SQL
# A worker that begins under all that.
my $worker = worker_pid($node, 'd');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'd', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'd'", 'a worker begins under it');

for my $value (1 .. 3)
{
	mallory(qq{SELECT mvstore_put(s, 'k', 'v$value') FROM unnest('{p,aged}'::regclass[]) s});
	mallory(qq{SELECT mvstore_put('s', k, 'v$value') FROM unnest('{a,b}'::text[]) k});
}
mallory(q{INSERT INTO p (key, version, value) VALUES ('swept', 1, 'v'), ('swept', 2, 'v')});
cmp_ok(sql(q{SELECT count(*) FROM mallory.seen}), '>', 20, 'the owner runs his own code when he writes');
is(sql(q{SELECT count(*) FROM mallory.seen WHERE who <> 'mallory'}), 0, 'which nobody else has done so far');
sql('TRUNCATE mallory.seen');

done_by_worker(q{count(*) = 1 FROM mvstore_history('mallory.p', 'k')}, 'what a policy lets go is gone');
done_by_worker(q{count(*) = 1 FROM mvstore_history('mallory.aged', 'k')}, 'what a policy by age lets go is gone');
mallory(q{SELECT mvstore_sweep('p')});
done_by_worker(q{count(*) = 1 FROM mvstore_history('mallory.p', 'swept')}, 'what a sweep finds is gone');
mallory(q{ALTER TABLE s DISABLE ROW LEVEL SECURITY; ALTER TABLE p FORCE ROW LEVEL SECURITY; SELECT mvstore_drop('s', 'a')});
done_by_worker(q{count(*) = 1 FROM mvstore_history('mallory.s', 'a')}, 'what was requested is gone');
# (TRUNCATE may run his code: it is he who truncates.)
mallory(q{SELECT mvstore_drop('s', 'b'); DROP TABLE p});
done_by_worker(q{count(*) = 1 FROM mvstore_history('mallory.s', 'b')}, 'so is what was requested later');

# An index of the right columns that is none of ours: with a predicate.
mallory(q{SELECT mvstore_create('odd'); INSERT INTO odd (key, version, value) VALUES ('k', 1, 'v1'), ('k', 2, 'v2'); SELECT mvstore_drop('odd', 'k') WHERE false});
sql('SELECT mvstore_pause()');
mallory(q{SELECT mvstore_drop('odd', 'k')});
mallory(q{ALTER TABLE odd REPLICA IDENTITY DEFAULT; DROP INDEX odd_key_version_idx;
          CREATE UNIQUE INDEX odd_key_version_idx ON odd (key, version DESC) WHERE mallory.note_quietly('index predicate')});
sql('TRUNCATE mallory.seen; SELECT mvstore_resume()');
done_by_worker(q{count(*) = 1 FROM mvstore_blockers WHERE kind = 'error' AND store::oid = 'odd'::regclass::oid}, 'an index with a predicate is not used');
is(sql(q{SELECT bool_and(mvstore_cancel_request(id)) FROM mvstore_requests}), 't', 'so the request is never done, and cancelled');

# Superusers who look, under the search_path that the owner has set, and operate.
$ENV{PGOPTIONS} = '';
sql($_) for (
	'SELECT * FROM mvstore_requests', 'SELECT * FROM mvstore_blockers', 'SELECT * FROM mvstore_stats', 'SELECT * FROM mvstore_store_stats',
	'SELECT * FROM mvstore_stores', q{SELECT mvstore_get('s', 'a'), mvstore_contains('s', 'b')},
	q{SELECT * FROM mvstore_scan('s')}, q{SELECT * FROM mvstore_history('s', 'a')}, q{EXPLAIN SELECT * FROM mvstore_scan('s', 'a', 'b')},
	'SELECT mvstore_pause()', q{SELECT mvstore_drop('s', 'a')}, q{SELECT mvstore_retry_failed('s')}, 'SELECT mvstore_cancel_request(id) FROM mvstore_requests',
	'SELECT mvstore_cancel_request(1)', 'SELECT mvstore_resume()', q{SELECT mvstore_flush('100 ms')});
$ENV{PGOPTIONS} = $sane;
done_by_worker('true', 'superusers look and operate');

# An operator who is no superuser gets no more by it either.
$node->safe_psql('postgres', 'GRANT pg_signal_backend TO mallory');
mallory(q{SELECT mvstore_pause(); SELECT mvstore_retry_failed('s'); SELECT mvstore_cancel_request(1); SELECT mvstore_resume()});
done_by_worker('true', 'an operator operates');

# That it would have been seen: a superuser who deletes runs it all.
sql(q{DELETE FROM mallory.s});
cmp_ok(sql(q{SELECT count(*) FROM mallory.seen WHERE who <> 'mallory'}), '>', 0, 'whoever deletes rows by plain SQL does run it');

$node->stop;
done_testing();
