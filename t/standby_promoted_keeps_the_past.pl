# A transaction that began on a standby goes on when the standby is promoted: what
# it has read as of a version stays as it was, and what it could not know then it
# does not guess.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = mvstore_node('past', init => [ allows_streaming => 1 ]);
$primary->safe_psql('postgres', q{SELECT mvstore_create('s')});
$primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'a', '1')});
my $known = $primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'a', '2')});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('promoted');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', "SELECT mvstore_wait_stable($known)"), 't', 'the standby knows the past');

# A snapshot of a transaction, and one of a statement that is still running.
my $reader = $standby->background_psql('postgres', on_error_stop => 0);
$reader->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT mvstore_get('s', 'a')});
my $stable = $reader->query_safe('SELECT mvstore_stable_version()');
cmp_ok($stable, '>=', $known, 'a transaction begins on the standby');
my $cursor = $standby->background_psql('postgres', on_error_stop => 0);
$cursor->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT mvstore_stable_version() FROM generate_series(1, 10)');
my $of_cursor = $cursor->query_safe('FETCH 1 FROM c');
cmp_ok($of_cursor, '>=', $known, 'and a statement');

# One more version comes, and the primary is lost.
my $late = $primary->safe_psql('postgres', q{SELECT mvstore_put('s', 'a', '3')});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
$primary->stop('immediate');
$standby->promote;

is($reader->query_safe(q{SELECT pg_is_in_recovery(), mvstore_get('s', 'a')}), 'f|2', 'the transaction goes on after promotion, and reads what it read');
is($reader->query_safe('SELECT mvstore_stable_version()'), $stable, 'the same version is stable for it');
is($reader->query_safe("SELECT mvstore_wait_stable($late)"), 'f', 'a later one is not');
is($reader->query_safe("SELECT mvstore_get('s', 'a', as_of => $stable), mvstore_get('s', 'a', as_of => $known - 1)"),
	'2|1', 'the past is as it was');
is( $reader->query_safe(<<"SQL"),
DO \$\$
BEGIN
  PERFORM set_config('test.answer', mvstore_get('s', 'a', as_of => $late), false);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
  PERFORM set_config('test.answer', 'not stable', false);
END \$\$;
SELECT current_setting('test.answer');
SQL
	'not stable', 'what it does not see it does not tell as if it had not been');
is($cursor->query_safe('FETCH 1 FROM c'), $of_cursor, 'nor does a statement that runs on');
$cursor->query_safe('COMMIT');

# Others know, and write.
is($standby->safe_psql('postgres', "SELECT mvstore_wait_stable($late)"), 't', 'for a new transaction the last version is stable');
is($standby->safe_psql('postgres', "SELECT mvstore_get('s', 'a', as_of => $late)"), '3', 'and read');
my $new = $standby->safe_psql('postgres', q{SELECT mvstore_put('s', 'a', '4')});
is($reader->query_safe("SELECT mvstore_get('s', 'a'), mvstore_stable_version() = $stable, mvstore_wait_stable($new)"),
	'2|t|f', 'the old transaction does not see what is written since');
$reader->query_safe('COMMIT');
is($reader->query_safe("SELECT mvstore_wait_stable($new)"), 't', 'when it has ended its session does');
is($reader->query_safe("SELECT mvstore_get('s', 'a', as_of => $late), mvstore_get('s', 'a', as_of => $new)"),
	'3|4', 'and reads as of every version');

$_->quit for ($reader, $cursor);
$standby->stop;
done_testing();
