# pg_repack copies a table while it is in use, and puts the copy in its place. What was
# erased meanwhile must not be back in it, as triggers tell pg_repack; and what the
# worker dropped meanwhile is back, and goes again by itself, in a store that nobody uses.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $pg_repack = (grep { -x } map { "$_/pg_repack" } split(/:/, $ENV{PATH}))[0];
my $node = mvstore_node('repack', conf => "mvstore.sweep_interval = '1 h'\nfsync = off");

if (!$pg_repack
	|| $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_repack'}) == 0)
{
	$node->stop;
	plan skip_all => 'pg_repack is not installed (postgresql-NN-repack)';
}

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Each key with the values that it has, oldest first.
sub contents
{
	return sql(q{SELECT coalesce(string_agg(key || ':' || vals, ' ' ORDER BY key), '')
	               FROM (SELECT convert_from(key, 'UTF8') AS key, string_agg(coalesce(convert_from(value, 'UTF8'), '-'), ',' ORDER BY version) AS vals
	                       FROM s GROUP BY s.key) k});
}

sql('CREATE EXTENSION pg_repack');
sql(q{SELECT mvstore_create('s', keep_versions := 1), mvstore_create('idle', keep_versions := 1)});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has nothing to do');
sql('SELECT mvstore_pause()');
for my $value ('v1', 'v2')
{
	sql(qq{SELECT mvstore_put('s', k, '$value') FROM unnest('{dropped,asked,purged,erased 1,erased 2,twice,kept}'::text[]) k});
}
sql(q{SELECT mvstore_delete('s', 'purged')});

# A transaction that is open when pg_repack begins keeps it between its copy and its swap.
my $open = $node->background_psql('postgres');
$open->query_safe('BEGIN; SELECT 1');
my ($out, $err) = ('', '');
my $repack = IPC::Run::start(
	[ $pg_repack, '-h', $node->host, '-p', $node->port, '-d', 'postgres', '--no-kill-backend', '--wait-timeout=3600', '-t', 's' ],
	'<', \undef, '>', \$out, '2>', \$err);
my $copy = q{to_regclass('repack.table_' || 's'::regclass::oid)};
wait_until($node, 'postgres', "SELECT $copy IS NOT NULL", 'the copy is made');
my $copied = sql("SELECT $copy");
is(sql("SELECT (SELECT count(*) FROM $copied) = (SELECT count(*) FROM s)"), 't', 'with all that there is');

# Erase, drop, purge, and write.
is(sql(q{SELECT mvstore_erase('s', 'erased 1'), mvstore_erase_prefix('s', 'erased')}), '2|2', 'keys are erased');
sql(q{BEGIN; SELECT mvstore_put('s', 'twice', 'v3'); SELECT mvstore_put('s', 'twice', 'v4'); COMMIT});
sql(q{SELECT mvstore_drop('s', 'asked')});
sql('SELECT mvstore_resume()');
is(sql('SELECT mvstore_flush()'), 't', 'the worker drops');
my $wanted = 'asked:v2 dropped:v2 kept:v2 twice:v4';
is(contents(), $wanted, 'what is to go has gone');
isnt(sql("SELECT count(*) FROM $copied"), '4', 'but not from the copy');
my $sweeps = sql(q{SELECT sweeps FROM mvstore_stats WHERE database = 'postgres'});

$open->query_safe('COMMIT');
$open->quit;
$repack->finish;
is($repack->result(0), 0, 'pg_repack ends well') or diag($err);
is(sql(q{SELECT count(*) FROM s WHERE key IN ('erased 1', 'erased 2')}), '0', 'what was erased is not back');
wait_until($node, 'postgres', q{SELECT count(*) = 4 FROM s}, 'what was dropped and purged goes again, of its own');
is(contents(), $wanted, 'and nothing else');
is(sql("SELECT sweeps - $sweeps FROM mvstore_stats WHERE database = 'postgres'"), '1', 'by one pass over the one store');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 's'::regclass AND tgname <> 'mvstore_truncate'}), '0', 'pg_repack has left nothing');

# And the store works as ever.
sql(q{SELECT mvstore_put('s', 'kept', 'v3')});
is(sql('SELECT mvstore_flush()'), 't', 'drops go on');
is(contents(), 'asked:v2 dropped:v2 kept:v3 twice:v4', 'in the new storage');

$node->stop;
done_testing();
