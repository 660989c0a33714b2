# Drops hold back while others commit, whose commits would wait for the WAL of the drops; not
# where nobody else does. A limit holds up nothing for good, and can be lifted at any time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# So little that each transaction of drops would be too much.
my $node = mvstore_node('way', conf => "mvstore.drop_wal_limit = '64 kB'\nmvstore.workers_per_database = 3\nautovacuum = off\nstatement_timeout = '2 min'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub yields { return sql(q{SELECT yields FROM mvstore_stats WHERE database = 'postgres'}); }

# A store of so many keys with three entries each, by plain SQL.
sub fill
{
	my ($store, $keys) = @_;

	return sql("SELECT mvstore_create('$store'); INSERT INTO $store (key, version, value) SELECT convert_to('k' || k, 'UTF8'), v, 'v' FROM generate_series(1, $keys) k, generate_series(1, 3) v");
}

# Have somebody commit all the time, until told to end.
sub begin_commits
{
	my $session = $node->background_psql('postgres', on_error_stop => 1);

	sql('DROP TABLE IF EXISTS the_end; CREATE TABLE IF NOT EXISTS commits (n int)');
	$session->query_until(qr/begun/, "\\echo begun\nDO \$\$ BEGIN WHILE to_regclass('the_end') IS NULL LOOP INSERT INTO commits VALUES (1); COMMIT; END LOOP; END \$\$;\n");
	wait_until($node, 'postgres', 'SELECT count(*) > 0 FROM commits', 'somebody commits');
	return $session;
}

sub end_commits
{
	my ($session) = @_;

	sql('CREATE TABLE the_end ()');
	return $session->quit;
}

# Nobody commits but the worker, its assistants, and its vacuum. (What has asked for the drops
# has committed before it begins: who comes anew takes nobody for one who writes.)
fill('alone', 10_000);
fill('keys', 10_000);
sql('SELECT mvstore_pause()');
sql(q{SELECT mvstore_compact('alone', 3)});
sql(q{SELECT count(mvstore_drop('keys', 'k' || k)) FROM generate_series(1, 10000) k});
$node->restart;
sql('SELECT mvstore_resume()');
is(sql('SELECT mvstore_flush()'), 't', 'where nobody else commits, drops are done');
is(entries_of($node, 'postgres', 'alone'), 10_000, 'all of a compaction');
is(entries_of($node, 'postgres', 'keys'), 10_000, 'and all of keys');
is(yields(), 0, 'without any pause for others');

# Others commit; the limit is lifted while drops wait for it.
fill('beside', 10_000);
my $commits = begin_commits();
sql(q{SELECT mvstore_compact('beside', 3)});
wait_until($node, 'postgres', q{SELECT yields > 10 FROM mvstore_stats WHERE database = 'postgres'}, 'while others commit, drops make pauses for them');
sql(q{ALTER SYSTEM SET mvstore.drop_wal_limit = 0});
$node->reload;
is(sql('SELECT mvstore_flush()'), 't', 'and are done when there is no limit any more');
is(entries_of($node, 'postgres', 'beside'), 10_000, 'all of them');
end_commits($commits);

# A worker that is new knows of no limit.
$node->restart;
fill('free', 10_000);
my $before = yields();
$commits = begin_commits();
sql(q{SELECT mvstore_compact('free', 3)});
is(sql('SELECT mvstore_flush()'), 't', 'without a limit, drops are done beside others');
is(entries_of($node, 'postgres', 'free'), 10_000, 'all of them');
is(yields(), $before, 'and make no pause');
end_commits($commits);
$node->stop;

done_testing();
