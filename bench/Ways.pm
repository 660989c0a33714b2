package Ways;

# Ways of overwriting keys, with a past or without: what the benchmarks keep and peers
# measure, each on tables of its own. What a way is made of is said in Load.pm; these
# have besides:
#	tables   an SQL condition on pg_class c: which tables are its own
#	now      SQL that gives a point in the past, later
#	past     a transaction that reads a random key as of that point, which is %s
#	needs    what it cannot do without: an extension

use strict;
use warnings;
use Bench;
use Load qw(perform);
use Exporter qw(import);

our @EXPORT = qw(ways create_ways);

# A random key, and a value that begins with a random number, in pgbench's language.
my $key = "'key:' || :k";
my $value = "rpad(:v::text, 100, 'x')";
my $any_key = sprintf "\\set k random(1, %d)\n", KEYS;
my $any = $any_key . "\\set v random(1, 1000000000)\n";

# The first value of each key, into some columns of a table.
sub filled
{
	my ($table, $columns) = @_;
	return sprintf <<'SQL', $table, $columns // '(key, value)', KEYS;
INSERT INTO %s %s SELECT 'key:' || n, rpad(n::text, 100, 'x') FROM generate_series(1, %d) n;
SQL
}

# A store, and puts into it.
sub store
{
	my ($store, $policy) = @_;
	return (
		create => sprintf(<<'SQL', $store, $policy, $store, KEYS),
CREATE EXTENSION IF NOT EXISTS mvstore;
SELECT mvstore_create('%s'%s) \g /dev/null
SELECT mvstore_put_many('%s', array_agg('key:' || n), array_agg(rpad(n::text, 100, 'x')))
  FROM generate_series(1, %d) n \g /dev/null
SQL
		script => "${any}SELECT mvstore_put('$store', $key, $value);",
		finish => "SELECT 1 / mvstore_flush('10 min')::int \\g /dev/null\nVACUUM $store;\n",
		tables => "c.relname = '$store'",
	);
}

# A table of versions, whose order is that of a sequence.
sub versions
{
	my ($table) = @_;
	return "CREATE TABLE $table (key text, version bigint GENERATED ALWAYS AS IDENTITY, value text, PRIMARY KEY (key, version));\n"
	  . filled($table);
}

# Remove what is superseded, of some keys only or of all.
sub purge
{
	my ($table, $which) = @_;
	$which //= '';
	return <<"SQL";
DELETE FROM $table v
 USING (SELECT key, max(version) AS newest FROM $table $which GROUP BY key HAVING count(*) > 1) n
 WHERE v.key = n.key AND v.version < n.newest;
SQL
}

# A function that takes the keys of some requests and purges them; it returns how many.
sub purger
{
	my ($function, $table, $take) = @_;
	return sprintf <<'SQL', $function, $take, purge($table, 'WHERE key = ANY (keys)');
CREATE FUNCTION %s() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  keys text[];
  batch bigint;
BEGIN
  %s
  %s
  RETURN cardinality(keys);
END $$;
SQL
}

# Do so until there are no more requests.
sub purge_rest
{
	my ($function, @before) = @_;
	return join '', @before, "DO \$\$ BEGIN WHILE $function() > 0 LOOP COMMIT; END LOOP; END \$\$;\n";
}

our %way = (
	upsert => {
		name => 'ON CONFLICT DO UPDATE',
		create => "CREATE TABLE upserted (key text PRIMARY KEY, value text NOT NULL);\n" . filled('upserted'),
		script => "${any}INSERT INTO upserted VALUES ($key, $value)\n"
		  . ' ON CONFLICT (key) DO UPDATE SET value = excluded.value;',
		finish => "VACUUM upserted;\n",
		tables => "c.relname = 'upserted'",
	},
	keep => {
		name => 'mvstore, keep_versions := 1',
		store('kept', ', keep_versions := 1'),
	},
	purged => {
		name => 'version table, a DELETE every 5 s',
		create => versions('purged'),
		script => "${any}INSERT INTO purged (key, value) VALUES ($key, $value);",
		beside => purge('purged'),
		pause => 5,
		regular => 1,
		finish => purge('purged') . "VACUUM purged;\n",
		tables => "c.relname = 'purged'",
	},
	queue => {
		name => 'version table, queue by SKIP LOCKED',
		create => versions('queued')
		  . "CREATE TABLE purge_queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL);\n"
		  . purger('purge_queued', 'queued', <<'SQL'),
WITH taken AS (DELETE FROM purge_queue WHERE id IN
    (SELECT id FROM purge_queue ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING key)
  SELECT coalesce(array_agg(DISTINCT key), '{}') INTO keys FROM taken;
SQL
		script => "${any}WITH written AS (INSERT INTO queued (key, value) VALUES ($key, $value))\n"
		  . "INSERT INTO purge_queue (key) VALUES ($key);",
		beside => 'SELECT purge_queued();',
		pause => 0.01,
		finish => purge_rest('purge_queued') . "VACUUM queued, purge_queue;\n",
		tables => "c.relname IN ('queued', 'purge_queue')",
	},
	pgq => {
		name => 'version table, queue of pgq',
		needs => 'pgq',
		create => versions('evented') . <<'SQL'
CREATE EXTENSION IF NOT EXISTS pgq;
SELECT pgq.create_queue('overwrites'), pgq.register_consumer('overwrites', 'purge'),
       pgq.set_queue_config('overwrites', 'rotation_period', '1 second') \g /dev/null
SQL
		  . purger('purge_evented', 'evented', <<'SQL'),
keys := '{}';
  batch := pgq.next_batch('overwrites', 'purge');
  IF batch IS NULL THEN RETURN 0; END IF;
  SELECT coalesce(array_agg(DISTINCT ev_data), '{}') INTO keys FROM pgq.get_batch_events(batch);
  PERFORM pgq.finish_batch(batch);
SQL
		script => "${any}WITH written AS (INSERT INTO evented (key, value) VALUES ($key, $value))\n"
		  . "SELECT pgq.insert_event('overwrites', 'overwrite', $key);",

		# The ticker and the rotation of pgqd, which calls the same functions.
		beside => "SELECT pgq.ticker() \\g /dev/null\nSELECT purge_evented();",
		pause => 0.1,
		finish => purge_rest('purge_evented', "SELECT pgq.force_tick('overwrites') \\g /dev/null\nSELECT pgq.ticker() \\g /dev/null\n")
		  . <<'SQL',
SELECT pgq.maint_rotate_tables_step1('overwrites') \g /dev/null
SELECT pgq.maint_rotate_tables_step2() \g /dev/null
VACUUM evented;
SQL
		tables => "c.relname = 'evented' OR c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'pgq')",
	},
	all => {
		name => 'mvstore, everything kept',
		store('whole', ''),
		now => "SELECT mvstore_stable_version();",
		past => "${any_key}SELECT mvstore_get('whole', $key, %s);",
	},
	versions => {
		name => 'version table, everything kept',
		create => versions('versions'),
		script => "${any}INSERT INTO versions (key, value) VALUES ($key, $value);",
		finish => "VACUUM versions;\n",
		tables => "c.relname = 'versions'",
		now => 'SELECT max(version) FROM versions;',
		past => "${any_key}SELECT value FROM versions WHERE key = $key AND version <= %s\n"
		  . ' ORDER BY version DESC LIMIT 1;',
	},
	trigger => {
		name => 'table and history by trigger',
		create => <<'SQL' . filled('tracked'),
CREATE TABLE tracked (key text PRIMARY KEY, value text NOT NULL, since timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE tracked_history (key text NOT NULL, value text NOT NULL, since timestamptz NOT NULL, until timestamptz NOT NULL);
CREATE INDEX ON tracked_history (key, until);
CREATE FUNCTION track() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tracked_history VALUES (OLD.key, OLD.value, OLD.since, NEW.since);
  RETURN NULL;
END $$;
CREATE TRIGGER track AFTER UPDATE ON tracked FOR EACH ROW EXECUTE FUNCTION track();
SQL
		script => "${any}INSERT INTO tracked VALUES ($key, $value)\n"
		  . ' ON CONFLICT (key) DO UPDATE SET value = excluded.value, since = excluded.since;',
		finish => "VACUUM tracked, tracked_history;\n",
		tables => "c.relname IN ('tracked', 'tracked_history')",
		now => 'SELECT quote_literal(clock_timestamp());',
		past => $any_key . <<"SQL",
(SELECT value FROM tracked_history WHERE key = $key AND until > %1\$s AND since <= %1\$s ORDER BY until LIMIT 1)
UNION ALL (SELECT value FROM tracked WHERE key = $key AND since <= %1\$s);
SQL
	},
	periods => {
		name => 'extension periods, system versioning',
		needs => 'periods',
		create => <<'SQL' . filled('versioned'),
CREATE EXTENSION IF NOT EXISTS periods CASCADE;
CREATE TABLE versioned (key text PRIMARY KEY, value text NOT NULL);
SELECT periods.add_system_time_period('versioned'), periods.add_system_versioning('versioned') \g /dev/null
CREATE INDEX ON versioned_history (key, system_time_end);
SQL

		# Clients write keys of their own: a row that was written after one's own transaction
		# began is refused.
		script => "${any}\\set k (:k - 1) / 8 * 8 + :client_id + 1\nINSERT INTO versioned VALUES ($key, $value)\n"
		  . ' ON CONFLICT (key) DO UPDATE SET value = excluded.value;',
		finish => "VACUUM versioned, versioned_history;\n",
		tables => "c.relname IN ('versioned', 'versioned_history')",
		now => 'SELECT quote_literal(clock_timestamp());',
		past => "${any_key}SELECT value FROM versioned__as_of(%s) WHERE key = $key;",
	},
);

# Some of them, by these names; those without what they need are left out, with a line.
sub ways
{
	my @ways;
	for my $way (map { { %{ $way{$_} }, id => $_ } } @_)
	{
		if ($way->{needs} && !sql("SELECT count(*) FROM pg_available_extensions WHERE name = '$way->{needs}';"))
		{
			print "Left out, as the extension $way->{needs} is not here: $way->{name}\n";
			next;
		}
		push @ways, $way;
	}
	return @ways;
}

# Make their tables, in a database that has none of them.
sub create_ways
{
	for my $way (@_)
	{
		perform(ref $way->{create} ? $way->{create} : "SET client_min_messages = error;\n$way->{create}");
	}
	sql('VACUUM ANALYZE;');
}

1;
