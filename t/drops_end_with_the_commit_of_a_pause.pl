# Whoever has paused drops may compare, copy or repair: from the moment that the COMMIT of
# mvstore_pause() has returned no entry goes, not even those of a batch that was under way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('still', conf => "fsync = off\nstatement_timeout = '60 s'");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1)});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has come');

# So much to do that the worker is always in the middle of it.
my $counts = 'SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM p)';
my $session = $node->background_psql('postgres');
for my $i (1 .. 3)
{
	sql("INSERT INTO $_ (key, version, value) SELECT convert_to('k' || k, 'UTF8'), 2 * $i + v, 'v' FROM generate_series(1, 50000) k, generate_series(0, 1) v") for ('s', 'p');
	my $before = sql($counts) =~ s/\|/, /r;

	$session->query_safe(q{SELECT mvstore_drop_prefix('s', 'k'), mvstore_sweep('p')});
	wait_until($node, 'postgres', "SELECT ROW($before) <> ($counts)", 'entries go');
	my $paused = $session->query_safe("SELECT mvstore_pause();\n$counts") =~ s/^\n//r =~ s/\|/, /r;
	stays($node, 'postgres', "SELECT ROW($paused) = ($counts)", "when a pause has begun, those that are left stay: $paused");
	sql('SELECT mvstore_resume()');
	is(sql('SELECT mvstore_flush()'), 't', 'resumed, the rest goes');
	is(sql($counts), '50000|50000', 'all of it');
}

# A pause that is not committed is nobody's business, and what is taken back has held nobody up.
sql(qq{SELECT mvstore_put('p', 'k1', '$_')}) for (1, 2);
$session->query_safe('BEGIN; SAVEPOINT a; SELECT mvstore_pause(); ROLLBACK TO a; SELECT mvstore_pause()');
sql(q{SELECT mvstore_put('p', 'k1', '3')});
is(sql('SELECT mvstore_flush()'), 't', 'until COMMIT drops go on');
is(sql($counts), '50000|50000', 'all of them');
$session->query_safe('ROLLBACK');
$session->quit;

$node->stop;
done_testing();
