# A standby replays what a primary does to its stores, and every page that it
# makes so is the page that the primary had: wal_consistency_checking compares
# them, and ends the standby where they differ.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = mvstore_node(
	'primary',
	init => [ allows_streaming => 1 ],
	conf => "wal_consistency_checking = 'all'");
$primary->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 2)});
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# Everything that writes: puts, also of long values, deletes, a rollback, drops
# of keys and by a policy; a vacuum in between, so that room is used again.
my $start;
for my $round (1 .. 5)
{
	$start = $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	$primary->safe_psql(
		'postgres', qq{
		SELECT count(mvstore_put(s, 'k' || k, repeat(md5((k * $round)::text), CASE WHEN k % 50 = 0 THEN 400 ELSE 2 END)))
			FROM generate_series(1, 300) k, unnest('{s,p}'::text[]) s;
		SELECT mvstore_delete('s', 'k' || k) FROM generate_series(1, 300, 7) k;
		BEGIN;
		SELECT count(mvstore_put('s', 'rolled back ' || k, 'v')), count(mvstore_drop('p', 'k' || k)) FROM generate_series(1, 100) k;
		ROLLBACK;
		SELECT count(mvstore_drop('s', 'k' || k)) FROM generate_series(1, 300, 2) k;
	});
	is($primary->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', "round $round: the primary drops");
	$primary->safe_psql('postgres', 'VACUUM; CHECKPOINT') if $round == 3;
}
# The worker's commits are asynchronous: what it did may be inserted, not yet written.
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

# The same entries on both, and less than was put: drops took place.
for my $store ('s', 'p')
{
	my $entries = qq{SELECT count(*), md5(string_agg(e::text, ' ' ORDER BY e::text COLLATE "C")) FROM $store e};

	is($standby->safe_psql('postgres', $entries), $primary->safe_psql('postgres', $entries), "store $store is the same on the standby");
	cmp_ok(entries_of($primary, 'postgres', $store), '<', 5 * 300, "and has had drops");
}

is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the standby found no page that differs');
unlike(slurp_file($standby->logfile), qr/inconsistent page found|PANIC:/, 'and complained of none');

# That it compared at all can be seen in what was written: images of pages to compare.
my $end = $primary->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
my ($records) = run_command([
		'pg_waldump', '--bkp-details', '--start', $start, '--end', $end,
		'--path', $primary->data_dir . '/pg_wal' ]);
my @images = $records =~ /for WAL verification/g;
cmp_ok(scalar @images, '>', 100, 'images of pages were there to compare');

$standby->stop;
$primary->stop;
done_testing();
