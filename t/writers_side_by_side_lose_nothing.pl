# Many writers, droppers and readers at once: no write is lost, what is left of a
# key is the newest part of what was written, and nobody reads half a transaction.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('concurrent', conf => "deadlock_timeout = '5 ms'\nfsync = off");
my $seconds = $ENV{MVSTORE_TEST_SECONDS} // 4;

$node->safe_psql('postgres', <<'SQL');
SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 2), mvstore_create('pairs', keep_versions := 3);
-- What was committed, written by the same transactions. n is the commit order of
-- a key, as its writers queue up.
CREATE SEQUENCE n;
CREATE TABLE log (store text, key text, version bigint, n bigint, value text);
CREATE TABLE told (what text);

-- A transaction of one to three writes, in an order that may lead to deadlocks.
-- Who is told to try again, does not.
CREATE PROCEDURE write_some() LANGUAGE plpgsql AS $$
DECLARE
  k text;
  s text := CASE WHEN random() < 0.5 THEN 's' ELSE 'p' END;
  v bigint;
  x text;
BEGIN
  FOR i IN 1 .. 1 + floor(random() * 3)::int LOOP
    k := 'k' || floor(random() * 12)::int;
    x := md5(random()::text);
    IF random() < 0.8 THEN
      v := mvstore_put(s, k, x);
    ELSE
      v := mvstore_delete(s, k);
      x := NULL;
    END IF;
    IF v IS NOT NULL THEN
      DELETE FROM log WHERE store = s AND key = k AND version = v;
      INSERT INTO log VALUES (s, k, v, nextval('n'), x);
    END IF;
    IF s = 's' AND random() < 0.3 THEN
      PERFORM mvstore_drop('s', k, keep := 3);
    END IF;
  END LOOP;
EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
  INSERT INTO told VALUES (SQLSTATE);
END $$;

-- Two keys that always have one value.
CREATE PROCEDURE write_pair() LANGUAGE plpgsql AS $$
DECLARE
  x text := md5(random()::text);
BEGIN
  PERFORM mvstore_put('pairs', 'left', x);
  PERFORM mvstore_put('pairs', 'right', x);
EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
  INSERT INTO told VALUES (SQLSTATE);
END $$;

-- Newest, and as of a version a little while ago: always whole.
CREATE PROCEDURE read_pair() LANGUAGE plpgsql AS $$
DECLARE
  v bigint;
  l text;
  r text;
  n int;
BEGIN
  SELECT count(DISTINCT value), count(*) INTO n, v FROM mvstore_scan('pairs');
  IF v NOT IN (0, 2) OR n > 1 THEN RAISE EXCEPTION 'half a transaction: % keys, % values', v, n; END IF;
  SELECT version INTO v FROM mvstore_get_entry('pairs', CASE WHEN random() < 0.5 THEN 'left' ELSE 'right' END);
  IF v IS NULL THEN RETURN; END IF;
  v := v - floor(random() * 3000)::bigint;
  BEGIN
    l := mvstore_get('pairs', 'left', v);
    r := mvstore_get('pairs', 'right', v);
  EXCEPTION WHEN SQLSTATE '72000' OR object_not_in_prerequisite_state THEN
    RETURN;
  END;
  IF l IS DISTINCT FROM r THEN RAISE EXCEPTION 'half a transaction as of %: % and %', v, l, r; END IF;
END $$;

-- An open snapshot sees the same twice, whatever is dropped in between.
CREATE PROCEDURE read_twice() LANGUAGE plpgsql AS $$
DECLARE
  once text;
  twice text;
BEGIN
  SELECT md5(string_agg(concat_ws(' ', key, version, value), ',' ORDER BY key, version)) INTO once FROM s;
  PERFORM pg_sleep(0.01);
  SELECT md5(string_agg(concat_ws(' ', key, version, value), ',' ORDER BY key, version)) INTO twice FROM
    (SELECT k AS key, h.version, h.value
       FROM (SELECT convert_to('k' || i, 'UTF8') AS k FROM generate_series(0, 11) i) keys, mvstore_history_raw('s', k) h) entry;
  IF once IS DISTINCT FROM twice THEN RAISE EXCEPTION 'the snapshot has changed'; END IF;
END $$;
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/$_.sql", "CALL $_();\n") for ('write_some', 'write_pair', 'read_pair');
append_to_file("$dir/read_twice.sql", "BEGIN ISOLATION LEVEL REPEATABLE READ;\nCALL read_twice();\nCOMMIT;\n");
$node->command_ok(
	[
		'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', '8', '-j', '2', '-T', $seconds,
		'-f', "$dir/write_some.sql\@5", '-f', "$dir/write_pair.sql\@2", '-f', "$dir/read_pair.sql\@2", '-f', "$dir/read_twice.sql\@1",
		'postgres'
	],
	'writers, droppers and readers go on together');
is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'at the end all requests are worked off');

note($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT version) FROM log') . ' entries and versions written');
note($node->safe_psql('postgres', 'SELECT what, count(*) FROM told GROUP BY what'));
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM log'), '>', 100, 'much was written');
is($node->safe_psql('postgres', <<'SQL'), 0, 'the version order of a key is its commit order');
SELECT count(*) FROM (SELECT n, lag(n) OVER (PARTITION BY store, key ORDER BY version) AS before FROM log) l WHERE before > n
SQL
# What is left is what was written, and the newest part of it.
for my $store ('s', 'p')
{
	is($node->safe_psql('postgres', <<"SQL"), 0, "$store: nothing is there that was not written");
SELECT count(*) FROM $store t WHERE NOT EXISTS
  (SELECT FROM log l WHERE l.store = '$store' AND convert_to(l.key, 'UTF8') = t.key AND l.version = t.version
                       AND convert_to(l.value, 'UTF8') IS NOT DISTINCT FROM t.value)
SQL
	is($node->safe_psql('postgres', <<"SQL"), 0, "$store: what is left of a key is its newest part");
WITH kept AS (SELECT key, min(version) AS oldest, count(*) AS n FROM $store GROUP BY key)
SELECT count(*) FROM kept k WHERE n <>
  (SELECT count(*) FROM log l WHERE l.store = '$store' AND convert_to(l.key, 'UTF8') = k.key AND l.version >= k.oldest)
SQL
	is($node->safe_psql('postgres', <<"SQL"), 0, "$store: no key with a value was lost");
SELECT count(*) FROM (SELECT DISTINCT ON (key) key, value FROM log WHERE store = '$store' ORDER BY key, version DESC) newest
 WHERE value IS DISTINCT FROM mvstore_get('$store', key)
SQL
}
is($node->safe_psql('postgres', 'SELECT coalesce(max(n), 0) <= 2 FROM (SELECT count(*) AS n FROM p GROUP BY key) k'), 't',
	'p: no key has more entries than keep_versions');
is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT DISTINCT ON (key) value FROM p ORDER BY key, version DESC) head WHERE value IS NULL'),
	0, 'p: deleted keys are gone whole');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pairs'), 6, 'pairs: keep_versions of each');

# The counters agree with the tables.
is($node->safe_psql('postgres', q{SELECT entries_dropped = (SELECT count(*) FROM log WHERE store = 's') - (SELECT count(*) FROM s)
   FROM mvstore_store_stats WHERE store = 's'::regclass}), 't', 's: entries_dropped is what is missing from the table');
is($node->safe_psql('postgres', q{SELECT entries_dropped = (SELECT count(*) FROM log WHERE store = 'p') - (SELECT count(*) FROM p)
   FROM mvstore_store_stats WHERE store = 'p'::regclass}), 't', 'p: entries_dropped is what is missing from the table');
is($node->safe_psql('postgres', q{SELECT sum(s.entries_dropped) = (SELECT entries_dropped FROM mvstore_stats WHERE database = 'postgres')
   FROM mvstore_store_stats s}), 't', 'the stores add up to the database');
is($node->safe_psql('postgres', q{SELECT requests_failed, last_error IS NULL FROM mvstore_stats WHERE database = 'postgres'}), '0|t', 'no request has failed');

$node->stop;
done_testing();
