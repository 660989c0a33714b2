# A subscription with two_phase ends prepared transactions by no command. If nobody were told of
# that, what they ask for would wait for somebody else, and who waits for their versions, too.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "max_prepared_transactions = 10\nmvstore.flush_interval = '10 ms'\nwal_retrieve_retry_interval = '100 ms'\nfsync = off";
my @init = (init => [ allows_streaming => 'logical' ], conf => $conf);
my $publisher = mvstore_node('publisher', @init);
my $subscriber = mvstore_node('subscriber', @init);
my $connection = $publisher->connstr . ' dbname=postgres';

sub sql { return $publisher->safe_psql('postgres', $_[0]); }
sub there { return $subscriber->safe_psql('postgres', $_[0]); }

# On the subscriber each row is a put, and asks for a drop.
sql('CREATE TABLE t (i int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t');
there(<<'SQL');
CREATE TABLE t (i int PRIMARY KEY);
SELECT mvstore_create('s');
SELECT mvstore_put_at('s', 'k', 'v', v) FROM generate_series(1, 9) v;
CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
  PERFORM mvstore_put('s', 'k', NEW.i::text), mvstore_drop('s', 'k');
  RETURN NULL;
END $$;
CREATE TRIGGER put AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION put();
ALTER TABLE t ENABLE ALWAYS TRIGGER put;
SQL
there("CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION p WITH (two_phase = true)");
wait_until($subscriber, 'postgres', q{SELECT bool_and(srsubstate = 'r') AND (SELECT subtwophasestate = 'e' FROM pg_subscription) FROM pg_subscription_rel}, 'two_phase is on');

# Prepare one, and end it when it is prepared there.
sub transaction
{
	my ($number, $end) = @_;

	sql("BEGIN; INSERT INTO t VALUES ($number); PREPARE TRANSACTION 'number $number'");
	wait_until($subscriber, 'postgres', 'SELECT count(*) = 1 FROM pg_prepared_xacts', "$number is prepared there");
	my $waiter = $subscriber->background_psql('postgres', on_error_stop => 0);
	$waiter->query_until(qr/waiting/, "\\echo waiting\nSELECT 'waited: ' || mvstore_wait_stable(mvstore_version_at(clock_timestamp()), '1 h');\n\\echo woken\n");
	wait_until($subscriber, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%mvstore_wait_stable%' AND wait_event_type IN ('Extension', 'IPC', 'Timeout') AND backend_type = 'client backend'}, 'somebody waits for its version');
	sql("$end PREPARED 'number $number'");
	like($waiter->query_until(qr/woken/, ''), qr/waited: true/, "$end wakes who waits");
	$waiter->quit;
	is(there('SELECT count(*) FROM pg_prepared_xacts'), 0, 'it has ended');
	return;
}

transaction(1, 'COMMIT');
wait_until($subscriber, 'postgres', 'SELECT count(*) = 1 FROM s', 'what it asked for is done, though nobody else writes or asks');
transaction(2, 'ROLLBACK');
is(there(q{SELECT mvstore_get('s', 'k')}), 1, 'one that is rolled back is not there');
transaction(3, 'COMMIT');
is(there('SELECT mvstore_flush()'), 't', 'a flush waits for what it asked for');
is(there('SELECT count(*) FROM s'), 1, 'which is done then');

$_->stop for ($subscriber, $publisher);
done_testing();
