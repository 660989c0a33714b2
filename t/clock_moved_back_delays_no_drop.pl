# Requests that waited when the server was stopped are worked off after its start, at
# once where somebody waits for it, also when the clock was moved back meanwhile, so
# that their time is yet to come.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('back', conf => "statement_timeout = '2 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('s')});
sql(q{SELECT mvstore_put_at('s', 'k', 'v' || v, v) FROM generate_series(1, 3) v});
sql(q{SELECT mvstore_pin('p', 1, store := 's')});

# A request of an hour hence, by its row in the journal, which is all that is on disk.
sql(<<'SQL');
INSERT INTO mvstore_journal
  SELECT mvstore_version_at(clock_timestamp() + interval '1 hour'), system_identifier, d.oid, 's'::regclass, incarnation, 'drop', 'k', NULL, 1, 3, false, 0, NULL
    FROM pg_control_system(), pg_database d, mvstore_stores WHERE datname = current_database() AND store = 's'::regclass;
SQL
sql('SELECT mvstore_resume()');
is(sql(q{SELECT mvstore_flush('1 hour')}), 'f', 'a pin holds a request');
is(sql('SELECT count(*) FROM s'), 3, 'and what it is for');
$node->restart;
is(sql(q{SELECT state, requested_at > clock_timestamp() FROM mvstore_requests}), 'held|t', 'it is there after a restart, and later than the clock');
is(sql(q{SELECT mvstore_unpin('p')}), 't', 'the pin goes');
is(sql(q{SELECT mvstore_flush('20 s')}), 't', 'who waits for the request does not wait for the clock');
is(sql('SELECT count(*) FROM s'), 1, 'it is done');

$node->stop;
done_testing();
