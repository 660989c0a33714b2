# Who gets fewer changes than he asked for goes on from the version that he was told to be stable
# before. So a page may never end below that: not when it has waited for a lock while so
# many others committed that nobody knows any more what was stable for its snapshot.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The row of mvstore_stable stays far behind.
my $node = mvstore_node('reach', conf => "mvstore.flush_interval = '1 h'\nfsync = off");

sub sql { return $node->safe_psql('postgres', @_); }

sql(<<'SQL');
SELECT mvstore_create('s', feed => true), mvstore_create('other');
CREATE PROCEDURE write_many(n int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. n LOOP
    PERFORM mvstore_put('other', 'k', 'v');
    COMMIT;
  END LOOP;
END $$;
SQL
my $position = sql(q{SELECT mvstore_put('s', 'a', '1')});
sql(q{SELECT mvstore_put('s', 'b', '2')});
my $stable = sql(q{SELECT mvstore_stable_version()});

# A page of a session, that waits for a lock while 2,000 others commit.
sub page
{
	my ($before) = @_;
	my $reader = $node->background_psql('postgres', on_error_stop => 0);
	my $locker = $node->background_psql('postgres');

	$locker->query_safe('BEGIN; LOCK TABLE s IN ACCESS EXCLUSIVE MODE');
	$reader->query_safe($before);
	$reader->query_until(qr/asked/, "\\echo asked\nSELECT 'page: ' || coalesce(string_agg(key, ' ' ORDER BY version), 'empty') FROM mvstore_changes('s', $position);\n\\echo answered\n");
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 's'::regclass}, 'it waits');
	sql('CALL write_many(2000)');
	$locker->query_safe('COMMIT');
	my $page = $reader->query_until(qr/answered/, '');
	my $error = $reader->{stderr};
	$reader->query('ROLLBACK');
	$_->quit for ($reader, $locker);
	return $page =~ /^page: (.*)$/m ? $1 : $error;
}

is(page('SET client_min_messages = error'), 'b', "what was stable at $stable is in a page of READ COMMITTED");
is(page(q{SET mvstore.as_of = 'stable'}), 'b', 'of a session that reads stable states, too');
like(page('BEGIN ISOLATION LEVEL REPEATABLE READ'), qr/not known any more which changes/, 'or the transaction is to be repeated');
is(page('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT mvstore_stable_version()'), 'b', 'what was asked for its snapshot before is kept');

# What a read has gone by nobody was shown.
my $reader = $node->background_psql('postgres', on_error_stop => 0);
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql('CALL write_many(2000)');
is($reader->query_safe(q{SELECT mvstore_get('s', 'a', as_of => 1) IS NULL}), 't', 'a read of the past goes by what is stable by the row');
is($reader->query("SELECT key FROM mvstore_changes('s', $position)"), '', 'does not have a page end there');
like($reader->{stderr}, qr/not known any more which changes/, 'and it is told');
$reader->quit;

$node->stop;
done_testing();
