# Sessions that write many keys in a call each, in any order and of overlapping sets,
# all at once: none is ended by a deadlock, and what one call wrote is there whole.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('many', conf => "deadlock_timeout = '5 ms'\nfsync = off");

$node->safe_psql('postgres', <<'SQL');
SELECT mvstore_create('s');
CREATE TABLE told (version bigint);
-- Up and down, near each other and far; a fifth of it is rolled back. A call that was
-- overtaken is told so, and not tried again.
CREATE PROCEDURE write_many(turn bigint) LANGUAGE plpgsql AS $$
DECLARE
  step int := CASE WHEN random() < 0.5 THEN 1 ELSE 7 END;
  start int := floor(random() * 300)::int;
  numbers int[] := ARRAY(SELECT (start + step * i) % 700 FROM generate_series(1, 100) i
                          ORDER BY CASE WHEN turn % 2 = 0 THEN i ELSE -i END);
  version bigint;
BEGIN
  version := mvstore_put_many('s', ARRAY(SELECT 'k' || lpad(n::text, 3, '0') FROM unnest(numbers) n),
    array_fill(turn::text, ARRAY[100]));
  IF random() < 0.2 THEN
    RAISE EXCEPTION 'undone';
  END IF;
  INSERT INTO told VALUES (version);
EXCEPTION WHEN serialization_failure OR raise_exception THEN
  NULL;
END $$;
SQL
my $script = PostgreSQL::Test::Utils::tempdir() . '/many.sql';
append_to_file($script, "CALL write_many(:client_id);\n");
$node->command_ok(
	[ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', 6, '-j', 2, '-t', 100, '-f', $script, 'postgres' ],
	'all calls end');

is($node->safe_psql('postgres', q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'}), 0, 'there was no deadlock');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM told'), '>', 50, 'many wrote');
is($node->safe_psql('postgres', <<'SQL'), 0, 'each of what was told is there, whole');
SELECT count(*) FROM told FULL JOIN (SELECT version, count(*) AS entries, count(DISTINCT value) AS calls FROM s GROUP BY 1) w USING (version)
 WHERE entries IS DISTINCT FROM 100 OR calls IS DISTINCT FROM 1 OR told IS NULL
SQL

$node->stop;
done_testing();
