# What is erased or dropped from a published store goes from its subscribers, too.
# A store that has lost its replica identity publishes no deletions: then nothing is
# erased or dropped, so that no subscriber keeps for ever what was to be forgotten.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = mvstore_node('publisher', init => [ allows_streaming => 'logical' ]);
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->append_conf('postgresql.conf', "autovacuum = off");
$subscriber->start;

sub sql { return $publisher->safe_psql('postgres', $_[0]); }

# What the subscriber has, once it has all that was committed.
sub received
{
	$publisher->wait_for_catchup('sub');
	return $subscriber->safe_psql('postgres',
		q{SELECT string_agg(convert_from(key, 'UTF8') || version, ' ' ORDER BY key, version) FROM s});
}

sql(q{SELECT mvstore_create('s')});
sql(q{SELECT mvstore_put_at('s', k, 'v' || v, v) FROM unnest('{a,b,c}'::text[]) k, generate_series(1, 3) v});
sql('CREATE PUBLICATION pub FOR TABLE s');
$subscriber->safe_psql('postgres', q{
	CREATE TABLE s (key bytea NOT NULL, version bigint NOT NULL, value bytea, expires_at timestamptz, PRIMARY KEY (key, version))});
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');
is(received(), 'a1 a2 a3 b1 b2 b3 c1 c2 c3', 'the subscriber has all');

sql('CREATE UNIQUE INDEX CONCURRENTLY s_new ON s (key, version DESC)');
sql('DROP INDEX s_key_version_idx');
my ($state, $error) = sqlstate_of($publisher, 'postgres', q{SELECT mvstore_erase('s', 'a');});
is($state, '55000', 'without a replica identity nothing is erased');
like($error, qr/HINT:  To enable deleting from the table, set REPLICA IDENTITY/, 'and it is said what mends it');
sql(q{SELECT mvstore_drop('s', 'b')});
wait_until($publisher, 'postgres',
	q{SELECT count(*) = 1 FROM mvstore_requests WHERE attempts > 0 AND last_error LIKE 'cannot delete from table "s"%'},
	'nor dropped');
is(received(), 'a1 a2 a3 b1 b2 b3 c1 c2 c3', 'so both have all');
is(sql('SELECT count(*) FROM s'), '9', 'as ever');

sql('ALTER TABLE s REPLICA IDENTITY USING INDEX s_new');
is(sql('SELECT mvstore_flush()'), 't', 'when that is mended the request is done');
is(received(), 'a1 a2 a3 b3 c1 c2 c3', 'on the subscriber, too');
is(sql(q{SELECT mvstore_erase('s', 'a')}), '3', 'and the key is erased');
is(received(), 'b3 c1 c2 c3', 'on the subscriber, too');

# What a transaction puts twice leaves one entry there, as it does here.
sql(q{BEGIN; SELECT mvstore_put('s', 'd', 'v1'); SELECT mvstore_put('s', 'd', 'v2'); COMMIT});
$publisher->wait_for_catchup('sub');
is($subscriber->safe_psql('postgres', q{SELECT convert_from(value, 'UTF8') FROM s WHERE key = 'd'}), 'v2', 'one entry of two puts');

$subscriber->stop;
$publisher->stop;
done_testing();
