# What has been called stable never changes, however closely a write comes after it:
# sessions ask for the stable version and read as of it while others write, and at
# the end each of these reads is made again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('never', conf => "fsync = off\ndeadlock_timeout = '5 ms'");
my $seconds = $ENV{MVSTORE_TEST_SECONDS} // 4;

sub sql { return $node->safe_psql('postgres', @_); }

sql(<<'SQL');
SELECT mvstore_create('s');
CREATE SEQUENCE n;
-- What was read as of a version when it was called stable.
CREATE TABLE told (version bigint, digest text);
-- What was committed: n is the commit order of a key, as its writers queue up.
CREATE TABLE log (key text, version bigint, n bigint);

CREATE FUNCTION digest(as_of bigint) RETURNS text STABLE LANGUAGE sql
AS $$ SELECT md5(coalesce(string_agg(concat_ws(' ', key, version, value), ',' ORDER BY key), '')) FROM mvstore_scan('s', as_of := as_of) $$;

-- One statement to ask, another one to read: with another snapshot, unless the
-- transaction keeps one.
CREATE PROCEDURE ask(n int) LANGUAGE plpgsql AS $$
DECLARE
  v bigint;
BEGIN
  FOR i IN 1 .. n LOOP
    v := mvstore_stable_version();
    INSERT INTO told VALUES (v, digest(v));
  END LOOP;
END $$;

CREATE PROCEDURE put_one(key text) LANGUAGE plpgsql AS $$
DECLARE
  v bigint := mvstore_put('s', key, md5(random()::text));
BEGIN
  INSERT INTO log VALUES (key, v, nextval('n'));
END $$;

-- A transaction that asks, and writes at once: its version is above the answer.
CREATE PROCEDURE ask_and_put() LANGUAGE plpgsql AS $$
DECLARE
  stable bigint := mvstore_stable_version();
  version bigint := mvstore_put('s', 'own' || pg_backend_pid(), 'v');
BEGIN
  IF version <= stable THEN RAISE EXCEPTION 'version % was said to be stable, as is %', version, stable; END IF;
END $$;

-- Something else than mvstore has written an entry of the near future, which is to be
-- the head of a key as soon as its time has come.
CREATE PROCEDURE put_above_head(n int) LANGUAGE plpgsql AS $$
DECLARE
  head bigint;
  v bigint;
BEGIN
  FOR i IN 1 .. n LOOP
    INSERT INTO s (key, version, value) VALUES ('above', mvstore_version_at(clock_timestamp()) + 60, '') RETURNING version INTO head;
    LOOP
      BEGIN
        v := mvstore_put('s', 'above', 'v');
        EXIT;
      EXCEPTION WHEN object_not_in_prerequisite_state THEN
        NULL;
      END;
    END LOOP;
    IF v <= head THEN RAISE EXCEPTION 'version % was given below a head of %', v, head; END IF;
    COMMIT;
  END LOOP;
END $$;
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
my %script = (
	ask => 'CALL ask(5);',
	ask_twice => "BEGIN ISOLATION LEVEL REPEATABLE READ;\nCALL ask(3);\nCOMMIT;",
	# few keys, to meet on, and one of each session alone
	put => "\\set k random(1, 3)\nCALL put_one('k' || :k);",
	put_own => "CALL put_one('c' || :client_id);",
	ask_and_put => 'CALL ask_and_put();');

append_to_file("$dir/$_.sql", "$script{$_}\n") for keys %script;
$node->command_ok(
	[
		'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', '8', '-j', '2', '-T', $seconds,
		'-f', "$dir/ask.sql\@6", '-f', "$dir/ask_twice.sql\@2", '-f', "$dir/put.sql\@5", '-f', "$dir/put_own.sql\@3",
		'-f', "$dir/ask_and_put.sql\@2", 'postgres'
	],
	'askers and writers go on together');
cmp_ok(sql('SELECT count(DISTINCT version) FROM told'), '>', 100, 'many versions were told');
cmp_ok(sql('SELECT count(*) FROM log'), '>', 100, 'many versions were written');
note(sql('SELECT count(DISTINCT version), count(DISTINCT digest) FROM told') . ' versions and answers told');
is(sql('SELECT count(*) FROM (SELECT version FROM told GROUP BY version HAVING count(DISTINCT digest) > 1) t'),
	0, 'no version was read in two ways');
is(sql('SELECT count(*) FROM (SELECT version, min(digest) AS digest FROM told GROUP BY version) t WHERE digest <> digest(version)'),
	0, 'and all read as they did when they were told');
is(sql('SELECT count(*) FROM (SELECT version FROM log GROUP BY version HAVING count(*) > 1) t'), 0, 'no two writers had one version');
is(sql('SELECT count(*) FROM (SELECT n, lag(n) OVER (PARTITION BY key ORDER BY version) AS before FROM log) l WHERE before > n'),
	0, 'the version order of a key is its commit order');

# One session alone: what it asks and writes comes within a microsecond or two.
is($node->psql('postgres', "DO \$\$ BEGIN FOR i IN 1 .. 5000 LOOP CALL ask_and_put(); COMMIT; END LOOP; END \$\$"),
	0, 'a put at once after the stable version is above it');
is($node->psql('postgres', 'CALL put_above_head(1000)'), 0, 'a first write is above the head that it meets');

$node->stop;
done_testing();
