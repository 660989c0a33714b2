# What a restore brings from a machine whose clock is ahead goes on being written,
# and read, also in a database that has been at work before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $hour = 3_600_000_000;
my $node = mvstore_node('ahead', conf => 'fsync = off');

sub sql { return $node->safe_psql('postgres', @_); }

sql(q{SELECT mvstore_create('s')});
my $version = sql(q{SELECT mvstore_put('s', 'k', 'mine')});

# The entries and the sequence, as pg_restore puts them there.
my $restored = $version + $hour;
my $mark = $restored + 1_000_000;
sql("INSERT INTO s (key, version, value) VALUES ('k', $restored, 'restored'); SELECT setval('mvstore_clock', $mark)");
is(sql(q{SELECT mvstore_get('s', 'k')}), 'restored', 'what was restored is the newest');
$version = sql(q{SELECT mvstore_put('s', 'k', 'after')});
cmp_ok($version, '>', $mark, 'a put goes above all that was restored');
is(sql(q{SELECT mvstore_get('s', 'k')}), 'after', 'and is the newest then');
is(sql("SELECT mvstore_wait_stable($version)"), 't', 'its version is stable');
is(sql("SELECT mvstore_get('s', 'k', as_of => $restored), mvstore_get('s', 'k', as_of => $version)"),
	'restored|after', 'reads as of then find both');
cmp_ok(sql(q{SELECT mvstore_put('s', 'other', 'v')}), '>', $version, 'other keys go on from there');
cmp_ok(sql('SELECT last_value FROM mvstore_clock'), '>', $version, 'the sequence is not set back');

# What no restore has brought is an error.
$version = sql(q{SELECT mvstore_put('s', 'k', 'again')});
my $future = $version + $hour;
sql("INSERT INTO s (key, version, value) VALUES ('k', $future, 'made up')");
my ($state, $message) = sqlstate_of($node, 'postgres', q{SELECT mvstore_put('s', 'k', 'v');});
is($state, '55000', 'an entry of the future is not written over');
like($message, qr/$future/, 'which is named');
sql("DELETE FROM s WHERE version = $future");

$node->restart;
cmp_ok(sql(q{SELECT mvstore_put('s', 'k', 'restarted')}), '>', $version, 'versions rise over a restart');
$node->stop;
done_testing();
