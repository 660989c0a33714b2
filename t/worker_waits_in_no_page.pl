# Where changes are decoded, deletions look at all indexes of a table while they have a page locked. Somebody
# who has an index locked, or the TOAST table, is not waited for there: drops of the store wait, others go
# on, and the page can be read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('main', init => [ allows_streaming => 'logical' ], conf => "mvstore.flush_interval = '10 ms'\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{SELECT mvstore_create('locked', feed := true), mvstore_create('free', feed := true)});
my $index = sql(q{SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'locked'::regclass AND indexrelid::regclass::text ~ 'version_key'});
my $toast = sql(q{SELECT c.reltoastrelid::regclass FROM pg_class c WHERE c.oid = 'locked'::regclass});
my $toast_index = sql(qq{SELECT indexrelid::regclass FROM pg_index WHERE indrelid = '$toast'::regclass});
isnt($index, '', 'there is an index beside the main one');

for my $lock ("ALTER INDEX $index SET TABLESPACE pg_default", "REINDEX INDEX $toast_index")
{
	sql(q{SELECT mvstore_put(s, 'k', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n)) FROM unnest('{locked,free}'::regclass[]) s}) for 1 .. 2;
	my $locker = $node->background_psql('postgres');
	$locker->query_safe("BEGIN; $lock");

	# A new one has seen no index yet.
	sql('SELECT mvstore_flush()');
	my $worker = worker_pid($node, 'postgres');
	sql("SELECT pg_terminate_backend($worker)");
	wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'a new worker');
	sql(q{SELECT mvstore_drop(s, 'k') FROM unnest('{locked,free}'::regclass[]) s});
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM free}, "$lock: another store is done");
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 'locked'::regclass}, 'this one waits for the lock');
	is($locker->query_safe(q{SELECT length(mvstore_get('locked', 'k'))}), 32000, 'its page can be read, by who has the lock') if $lock =~ /^ALTER/;
	if ($lock =~ /^ALTER/)
	{
		my ($status, undef, $said) = $node->psql('postgres', q{SET lock_timeout = '100 ms'; SELECT mvstore_erase('locked', 'k')});
		like($said, qr/lock timeout/, 'who erases waits for it where he can be interrupted');
	}
	$locker->query_safe('COMMIT');
	$locker->quit;
	is(sql('SELECT mvstore_flush()'), 't', 'then it is done');
	is(sql('SELECT count(*) FROM locked'), 1, 'too');
}
$node->stop;
done_testing();
