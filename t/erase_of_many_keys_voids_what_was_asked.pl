# An erasure makes void what its transaction asked for the key before it, and nothing
# later, also where there are more requests than the queue holds, in many savepoints;
# and many erasures cost no more than they must: the calendar is read for all of a
# transaction at once, and requests are not compared with each of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('erasures', conf => "mvstore.queue_size = 8\nstatement_timeout = '2 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# What is left of the keys of a store, as "key: entries" of those that have others than one.
sub left
{
	my ($store) = @_;

	is(sql(q{SELECT mvstore_flush()}), 't', 'all is done');
	return sql(qq{SELECT count(*) || ' keys; ' || coalesce(string_agg(key || ': ' || n, ', ' ORDER BY key) FILTER (WHERE n <> 1), 'one entry each')
				  FROM (SELECT convert_from(key, 'UTF8') AS key, count(*) AS n FROM $store s GROUP BY s.key) k});
}

sql(q{SELECT mvstore_create('s');
	  CREATE FUNCTION fill(first int, last int, version bigint) RETURNS void LANGUAGE sql AS $$
		SELECT count(mvstore_put_at('s', 'k' || k, 'v', version + v)) FROM generate_series(first, last) k, generate_series(1, 3) v $$;
	  CREATE FUNCTION ask(first int, last int) RETURNS void LANGUAGE sql AS $$
		SELECT count(mvstore_drop('s', 'k' || k)) FROM generate_series(first, last) k $$});

# More requests than the queue holds, which are on disk before the erasure comes, and before it goes.
sql(q{BEGIN; SELECT fill(10, 49, 10), ask(10, 49), mvstore_erase('s', 'k12'), mvstore_erase_prefix('s', 'k2'), mvstore_erase('s', 'k49'); SELECT fill(12, 12, 10), fill(20, 29, 10), fill(49, 49, 10); COMMIT});
is(left('s'), '40 keys; k12: 3, k20: 3, k21: 3, k22: 3, k23: 3, k24: 3, k25: 3, k26: 3, k27: 3, k28: 3, k29: 3, k49: 3', 'what was asked before is void');
sql(q{BEGIN; SELECT mvstore_erase_prefix('s', ''), fill(10, 49, 20), ask(10, 49); COMMIT});
is(left('s'), '40 keys; one entry each', 'what was asked afterwards is done');
sql(q{BEGIN; SELECT mvstore_erase_prefix('s', 'k'), fill(10, 49, 30), ask(10, 14), mvstore_erase('s', 'k12'), fill(12, 12, 30), ask(15, 49); COMMIT});
is(left('s'), '40 keys; k12: 3', 'of what was collected before and gone to disk after it, too');
sql(q{BEGIN; SELECT mvstore_erase_prefix('s', 'k'), fill(10, 49, 40), ask(10, 48); SAVEPOINT a; SELECT mvstore_erase('s', 'k12'), mvstore_erase('s', 'k47'); ROLLBACK TO a; SELECT ask(49, 49); COMMIT});
is(left('s'), '40 keys; one entry each', 'an erasure that is taken back makes nothing void');

# In many savepoints: kept, taken back, within each other.
sql(q{BEGIN;
	  SELECT mvstore_erase_prefix('s', ''), fill(1, 99, 50);
	  DO $$ BEGIN
		FOR k IN 1 .. 99 LOOP
		  BEGIN
			PERFORM mvstore_drop('s', 'k' || k);
			BEGIN
			  IF k % 3 = 0 THEN PERFORM mvstore_erase('s', 'k' || k), fill(k, k, 50); END IF;
			  IF k % 5 = 0 THEN RAISE division_by_zero; END IF;
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
			IF k % 7 = 0 THEN RAISE division_by_zero; END IF;
		  EXCEPTION WHEN division_by_zero THEN NULL;
		  END;
		END LOOP;
	  END $$;
	  COMMIT});
is(left('s'), '99 keys; ' . join(', ', map { "k$_: 3" } sort grep { $_ % 7 == 0 || ($_ % 3 == 0 && $_ % 5 != 0) } 1 .. 99), 'in savepoints that are kept, and others');

# The costs.
sql(q{SELECT mvstore_create('aged', keep_for := '1 day');
	  SELECT mvstore_put_many('aged', array_agg('k' || k), array_agg('v'::text)) FROM generate_series(1, 3000) k;
	  SELECT mvstore_put_many('aged', array_agg('k' || k), array_agg('w'::text)) FROM generate_series(1, 3000) k});
is(sql(q{SELECT mvstore_sweep('aged'), mvstore_flush()}), '|t', 'there are notes in the calendar');
wait_until($node, 'postgres', q{SELECT sum(length(keys)) > 3000 FROM mvstore_calendar WHERE store = 'aged'::regclass}, 'of all keys');
is(sql(q{SELECT mvstore_pause()}), '', 'nobody else reads them');
my $scans = q{SELECT pg_stat_force_next_flush(); SELECT idx_scan FROM pg_stat_all_tables WHERE relname = 'mvstore_calendar'};
my ($before) = sql($scans) =~ /(\d+)/;
sql(q{BEGIN;
	  SELECT count(mvstore_drop('aged', 'k' || k)) FROM generate_series(1, 3000) k;
	  SELECT count(mvstore_erase('aged', 'k' || k)) FROM generate_series(1, 2999) k;
	  COMMIT;
	  SELECT pg_stat_force_next_flush()});
wait_until($node, 'postgres', "SELECT idx_scan > $before FROM pg_stat_all_tables WHERE relname = 'mvstore_calendar'", 'the calendar is read');
my ($after) = sql($scans) =~ /(\d+)/;
cmp_ok($after - $before, '<', 10, 'for all erasures of a transaction at once');
is(sql(q{SELECT bool_and(position('k2999'::bytea IN keys) = 0), sum(length(keys)) FROM mvstore_calendar WHERE store = 'aged'::regclass}), 't|9', 'and has only the other key');
is(sql(q{SELECT string_agg(encode(key, 'escape'), ' ') FROM mvstore_requests WHERE store = 'aged'::regclass}), 'k3000', 'as have the requests');

$node->stop;
done_testing();
