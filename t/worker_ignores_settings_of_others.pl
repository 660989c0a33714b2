# Settings that ALTER DATABASE, ALTER ROLE and the configuration file leave for
# sessions do not change what mvstore's own processes do; and where a vacuum comes to
# nothing, it is not begun again and again. Otherwise a server would start hundreds of
# processes a second for nothing, and fill its log and its disk; or a worker would end
# at each error.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('settings',
	conf => "mvstore.maintenance_every = 1\nmvstore.sweep_interval = '1 s'\nautovacuum_vacuum_threshold = 10\nautovacuum_vacuum_scale_factor = 0\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stat_of { return sql("SELECT $_[1] FROM mvstore_stats WHERE database = '$_[0]'"); }

# ---- Vacuums in vain. The first page of store bad is damaged; good stands beside it.

sub first_page
{
	my ($path, $new) = @_;

	open(my $file, '+<:raw', $path) or die "$path: $!";
	read($file, my $old, 8192) == 8192 or die "$path: short";
	seek($file, 0, 0) or die "$path: $!";
	print $file $new if defined $new;
	close($file) or die "$path: $!";
	return $old;
}

sql(q{SELECT mvstore_create('bad', keep_versions := 1), mvstore_create('good', keep_versions := 1)});
sql(q{SELECT count(mvstore_put('bad', 'stays' || k, repeat('v', 1500))) FROM generate_series(1, 40) k});
sql('SELECT mvstore_pause()');
sql(q{SELECT count(mvstore_put('bad', 'k' || k, repeat('w', 700))) FROM generate_series(1, 30) k}) for (1, 2);
my $path = $node->data_dir . '/' . sql(q{SELECT pg_relation_filepath('bad')});
$node->stop('fast');
my $page = first_page($path, "\xff" x 8192);
$node->start;

sql('SELECT mvstore_resume()');
is(sql('SELECT mvstore_flush()'), 't', 'what is not in the damaged page is dropped');
$node->wait_for_log(qr/ERROR:  invalid page in block 0/);
for my $round (1 .. 4)
{
	my $vacuums = sql(q{SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'good'});
	sql("SELECT count(mvstore_put('good', 'k' || k, 'v')) FROM generate_series(1, 30) k") for (1, 2);
	wait_until($node, 'postgres', "SELECT vacuum_count > $vacuums FROM pg_stat_user_tables WHERE relname = 'good'",
		"beside a store whose vacuum fails another one is vacuumed, round $round");
}
is(scalar(() = slurp_file($node->logfile) =~ /ERROR:  invalid page in block 0/g), 1, 'the one that fails is not tried at each occasion');
$node->stop('fast');
first_page($path, $page);
$node->start;

# ---- Settings. Sessions that are to write are there before the settings are.

sql('CREATE ROLE plain; CREATE DATABASE d');
$node->safe_psql('d', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s', keep_versions := 1), mvstore_create('broken')});
$node->safe_psql('d', q{SELECT mvstore_put_at('broken', 'k', 'v', v) FROM generate_series(1, 3) v});
my $worker = worker_pid($node, 'd');
my ($session, $writer) = map { $node->background_psql('d') } (1, 2);
my %setting = (
	default_transaction_isolation => 'serializable',
	default_transaction_read_only => 'on',
	exit_on_error => 'on',
	ignore_checksum_failure => 'on',
	row_security => 'on',
	search_path => 'public',
	session_replication_role => 'replica',
	statement_timeout => '1',
	track_counts => 'off',
	zero_damaged_pages => 'on',
);
sql(join(';', map { "ALTER DATABASE d SET $_ = '$setting{$_}'" } sort keys %setting));
sql(q{ALTER DATABASE d SET role = 'plain'});
sql(q{ALTER ROLE CURRENT_USER IN DATABASE d SET session_authorization = 'plain'});
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'd'", 'a worker comes under other settings');
$worker = stat_of('d', 'worker_pid');

# Wait in that session, as a new one would begin with the settings of the database.
sub session_until
{
	my ($condition, $name) = @_;
	my $tries = 0;

	until ($tries++ > 1000 || $session->query_safe("SELECT $condition FROM pg_stat_user_tables WHERE relname = 's'") eq 't') { select(undef, undef, undef, 0.05); }
	cmp_ok($tries, '<=', 1000, $name);
}

# What a worker of such a database may do: drop, vacuum, and survive an error.
for my $round (1 .. 3)
{
	my $vacuums = $session->query_safe(q{SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 's'});
	$session->query_safe(q{SELECT count(mvstore_put('s', 'k' || k, 'v')) FROM generate_series(1, 30) k}) for (1, 2);
	is($session->query_safe('SELECT mvstore_flush()'), 't', "it drops, round $round");
	session_until("vacuum_count > $vacuums", 'and what it dropped is vacuumed');
}
session_until('n_dead_tup <= 30', 'so that it is gone');
my $runs = stat_of('d', 'maintenance_runs');
cmp_ok($runs, '<', 20, 'that takes a vacuum each, not hundreds');

$writer->query_safe(q{BEGIN; SELECT mvstore_put('s', 'holds', 'v')});
$session->query_safe(q{SELECT mvstore_drop('broken', 'k')});
$session->query_safe(q{DO $$BEGIN EXECUTE format('DROP INDEX %I', (SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'broken'::regclass)); END$$});
$writer->query_safe('COMMIT');
wait_until($node, 'postgres', q{SELECT last_error LIKE '%no valid unique index%' FROM mvstore_stats WHERE database = 'd'}, 'what fails is an error of the request');
stays($node, 'postgres', "SELECT worker_pid = $worker FROM mvstore_stats WHERE database = 'd'", 'and not the end of the worker');
$_->quit for ($session, $writer);

my $log = slurp_file($node->logfile);
unlike($log, qr/WARNING:  (?:skipping|permission denied|only)/, 'no vacuum was refused');

$node->stop;
done_testing();
