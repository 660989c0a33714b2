# A scan, count, diff, feed of changes or history of a cluster gives what one server gives that holds the same: the same
# random writes go to both, and each read is compared, forwards and backwards, by pages, of the present and of each past.
# And what a read gives as of a version is the union of what the shards give.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{MVSTORE_SEED} // int(rand(1_000_000));
my $cluster = MvstoreCluster->new('scans', shards => 8, servers => 2);
my $single = $cluster->server(0);

# Written at versions of the past, which are the same on both; some keys are not text, some need care with order.
my $make = "SELECT mvstore_create('a', feed => true); SELECT mvstore_create('p', feed => true);";
my $writes = sub {
	my ($several) = @_;
	return "$several SELECT setseed(" . $seed / 1_000_000 . q{);
CREATE TABLE writes AS
SELECT n, CASE WHEN random() < 0.5 THEN 'a' ELSE 'p' END AS store, (1000 + n) AS version, random() < 0.15 AS gone,
	   CASE floor(random() * 4)::int WHEN 0 THEN 'k' WHEN 1 THEN 'K' WHEN 2 THEN 'ä' ELSE 'k/' END || floor(random() * 40)::int || repeat('/x', floor(random() * 2)::int) AS key
  FROM generate_series(1, 600) n;
SELECT count(CASE WHEN gone THEN mvstore_delete_at(store, key, version)::text ELSE mvstore_put_at(store, key, 'v' || n, version)::text END) FROM (SELECT * FROM writes ORDER BY n) w;
};
};
$cluster->query("SELECT mvstore_cluster_place('p', delimiter => '/'); $make");
$cluster->query($writes->('SET mvstore_cluster.several_writes = on;'));
$single->safe_psql('postgres', $make . $writes->('') =~ s/delete_at\(store/delete_at(store::regclass/r =~ s/put_at\(store/put_at(store::regclass/r);
is($cluster->query("SELECT md5(string_agg(w::text, ',' ORDER BY n)) FROM writes w"), $single->safe_psql('postgres', "SELECT md5(string_agg(w::text, ',' ORDER BY n)) FROM writes w"),
	"both were written the same (MVSTORE_SEED=$seed)");

srand($seed);
my @keys = map { my $n = $_; map { "$_$n" } qw(k K ä k/) } 0 .. 39;
my $key = sub { rand() < 0.2 ? 'NULL' : "'" . $keys[ rand @keys ] . "'" };
my $bounds = sub { my @b = sort { ($a eq 'NULL' || $b eq 'NULL') ? 0 : $a cmp $b } $key->(), $key->(); return join ', ', @b };
my $version = sub { rand() < 0.2 ? '9223372036854775807' : 1000 + int(rand(620)) };
my $rows = sub { "SELECT string_agg(r::text, E'\\n' ORDER BY r.ordinality) FROM $_[0] WITH ORDINALITY r" };
my @reads = (
	sub { $rows->(sprintf "mvstore_scan('%s', %s, %s, %s, %s)", $_[0], $bounds->(), $version->(), rand() < 0.5 ? 'NULL' : int(rand(20)) + 1, rand() < 0.5 ? 'true' : 'false') },
	sub { $rows->(sprintf "mvstore_scan_prefix('%s', '%s', %s, %s, %s)", $_[0], (qw(k k/ k/1 K ä k1/ k2), '')[ rand 8 ], $version->(), rand() < 0.5 ? 'NULL' : int(rand(9)) + 1, rand() < 0.5 ? 'true' : 'false') },
	sub { $rows->(sprintf "mvstore_scan_raw('%s', as_of => %s, reverse => %s)", $_[0], $version->(), rand() < 0.5 ? 'true' : 'false') },
	sub { sprintf "SELECT mvstore_count('%s', %s, %s), mvstore_count_prefix('%s', 'k%s', %s)", $_[0], $bounds->(), $version->(), $_[0], (qw(/ 1 /3), '')[ rand 4 ], $version->() },
	sub { my @v = sort { $a <=> $b } map { 1000 + int(rand(600)) } 1, 2; $rows->("mvstore_diff('$_[0]', $v[0], $v[1]" . (rand() < 0.5 ? '' : ", 'k/'") . ')') },
	sub { $rows->("mvstore_history('$_[0]', '$keys[rand @keys]'" . (rand() < 0.5 ? '' : ', 2') . ')') },
	sub { $rows->(sprintf "mvstore_changes('%s', %d, max_rows => %s, compacted => %s, synced_at => mvstore_stable_version())", $_[0], 1000 + rand(600), rand() < 0.3 ? 'NULL' : int(rand(30)) + 1, rand() < 0.3 ? 'true' : 'false') },
	sub { $rows->(sprintf "mvstore_get_many('%s', '{%s}', %s)", $_[0], join(',', map { $keys[ rand @keys ] } 0 .. rand 12), $version->()) },
	sub { sprintf "SELECT mvstore_get_entry('%s', '%s', %s), mvstore_contains('%s', '%s'), mvstore_previous('%s', '%s', %s)", $_[0], $keys[ rand @keys ], $version->(), $_[0], $keys[ rand @keys ], $_[0], $keys[ rand @keys ], $version->() },
);
my @queries = map { $_->(rand() < 0.5 ? 'a' : 'p') } map { my $n = $_; map { $reads[$_] } 0 .. $#reads } 1 .. 25;
my $script = join '', map { "SELECT '#';\n$_;\n" } @queries;
my @many = split /^#\n/m, $cluster->query($script);
my @one = split /^#\n/m, $single->safe_psql('postgres', $script);
my @wrong = grep { $many[ $_ + 1 ] ne $one[ $_ + 1 ] } 0 .. $#queries;
is(scalar @wrong, 0, scalar(@queries) . ' reads give the same') or diag(map { "$queries[$_]:\n$many[$_ + 1]instead of\n$one[$_ + 1]" } @wrong[ 0 .. ($#wrong > 2 ? 2 : $#wrong) ]);
ok((grep { length > 100 } @one) > 50, 'and there is something in them');

# By pages, to the end.
is($cluster->query(<<'SQL'), $single->safe_psql('postgres', q{SELECT string_agg(key || version, ',') FROM mvstore_scan('a')}), 'pages are without a gap');
WITH RECURSIVE page AS (
	SELECT 1 AS n, ARRAY(SELECT key || version FROM mvstore_scan('a', max_rows => 7)) AS rows, (SELECT max(key COLLATE "C") FROM mvstore_scan('a', max_rows => 7)) AS last
	UNION ALL
	SELECT n + 1, ARRAY(SELECT key || version FROM mvstore_scan('a', from_key => last || chr(1), max_rows => 7)), (SELECT max(key COLLATE "C") FROM mvstore_scan('a', from_key => last || chr(1), max_rows => 7))
	  FROM page WHERE last IS NOT NULL)
SELECT string_agg(array_to_string(rows, ','), ',' ORDER BY n) FROM page WHERE rows <> '{}'
SQL
for my $v (1100, 1400, 1600)
{
	my @union = sort grep { $_ ne '' } map { split /\n/ } $cluster->shards("SELECT key || '=' || version || '=' || value FROM mvstore_scan('p', as_of => $v)");
	is($cluster->query("SELECT string_agg(key || '=' || version || '=' || value, ' ' ORDER BY key || '=' || version || '=' || value COLLATE \"C\") FROM mvstore_scan('p', as_of => $v)"), join(' ', @union), "as of $v it is the union of the shards");
}
$cluster->query(q{CALL mvstore_wait_changes('a', 1, '1 s')});
is($cluster->query("SELECT count(*) FROM mvstore_changes('a', mvstore_current_version(), wait => '50 ms')"), 0, 'changes are waited for');

# A shard where somebody still writes keeps the past of all.
my $held = $cluster->server_of(5)->background_psql($cluster->database_of(5));
$held->query_safe("BEGIN; SELECT mvstore_put('a', 'held', 'x')");
is($cluster->query('SELECT mvstore_stable_version()'), $cluster->shard(5, 'SELECT mvstore_stable_version()'), 'the stable version is the lowest of all shards');
$held->query_safe('ROLLBACK');
$held->quit;

# ---- Pins, on all or on none ------------------------------------------------------

my $pinned = $cluster->query("SELECT mvstore_pin('report')");
is(join(' ', $cluster->shards("SELECT version - $pinned FROM mvstore_pins WHERE name = 'report'")), '0 0 0 0 0 0 0 0', 'a pin is on all shards, of one version');
$cluster->shard(5, "SELECT mvstore_put('a', 'only', 'x'), mvstore_put('a', 'only', 'y')");
$cluster->shard(5, "SELECT mvstore_put('a', 'only', 'z')");
$cluster->shard(5, "SELECT mvstore_unpin('report'), mvstore_compact('a', mvstore_current_version())");
$cluster->shard(5, 'SELECT mvstore_flush()');
my ($state) = $cluster->refused("SELECT mvstore_pin('old', $pinned)");
is($state, '72000', 'a version that is gone on a shard');
is(join('', $cluster->shards("SELECT count(*) FROM mvstore_pins WHERE name = 'old'")), '00000000', 'is pinned on none');
is($cluster->query("SELECT mvstore_unpin('report'); SELECT mvstore_unpin('report'); SELECT count(*) FROM mvstore_pins"), "t\nf\n0", 'and let go on all');

# ---- The rest of the surface, as on one server -------------------------------------

is($cluster->query("SELECT mvstore_erase_prefix('p', 'k/') > 0; SELECT mvstore_count_prefix('p', 'k/'); SELECT mvstore_clear('a'); SELECT mvstore_count('a')"), "t\n0\n\n0", 'erase, clear');
my ($first) = $cluster->query("SELECT mvstore_put_many('a', '{a,b,c,d,e}', '{1,2,3,4,5}')");
$cluster->query("SELECT mvstore_put_many('a', '{a,b,c}', '{x,NULL,y}')");
is($cluster->query("SELECT mvstore_revert('a', $first); SELECT string_agg(key || value, ' ') FROM mvstore_scan('a'); SELECT count(DISTINCT version) FROM mvstore_scan('a')"),
	"3\na1 b2 c3 d4 e5\n2", 'revert, under one version');
is($cluster->query("SELECT mvstore_set_policy('a', keep_versions => 1); SELECT mvstore_sweep('a'); SELECT mvstore_flush(); SELECT count(*), sum(keep_versions) FROM mvstore_stores WHERE store = 'a'"), "\n\nt\n8|8", 'policies');
is($cluster->query("SELECT mvstore_compact('a', $first + 1); SELECT mvstore_drop_prefix('a', 'a'); SELECT mvstore_drop_range('a', 'a', 'c'); SELECT mvstore_drop('a', 'd'); SELECT mvstore_flush(); SELECT count(*) FROM mvstore_history('a', 'a')"), "\n\n\n\nt\n1", 'drops');
is($cluster->query("SELECT mvstore_pause(); SELECT mvstore_resume(); SELECT mvstore_retry_failed('a'); SELECT mvstore_stats_reset(); SELECT mvstore_set_feed('a', false); SELECT mvstore_detach('a'); SELECT mvstore_attach('a')"), "\n\n0\n\n\n\n", 'operation');
for my $view (qw(mvstore_stats mvstore_store_stats mvstore_stores mvstore_requests mvstore_pins mvstore_blockers mvstore_metrics mvstore_store_metrics mvstore_blocker_metrics mvstore_progress))
{
	$cluster->query("SELECT * FROM $view");
}
is($cluster->query('SELECT count(*), count(DISTINCT shard), count(DISTINCT database) FROM mvstore_metrics'), '8|8|8', 'a row for each shard');
$cluster->stop;
done_testing();
