# A primary that has been overtaken by its standby is rewound and follows it, and
# may take over again in turn: what was committed on the way is done once, what
# was lost with a branch of history is not done, and versions rise throughout.

use strict;
use warnings;

use File::Copy;
use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Requests wait for long, so that each promotion finds some. Rewinding takes hints in the WAL.
my $north = mvstore_node('north', init => [ allows_streaming => 1 ], conf => <<'CONF');
mvstore.flush_interval = '10 min'
mvstore.batch_size = 10000
wal_log_hints = on
wal_keep_size = '320MB'
CONF
$north->safe_psql('postgres', q{SELECT mvstore_create('s'), mvstore_create('o'), mvstore_create('p', keep_versions := 1)});
is($north->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', 'nothing is to be done');
$north->backup('base');
my $south = PostgreSQL::Test::Cluster->new('south');
$south->init_from_backup($north, 'base', has_streaming => 1);
$south->start;

my $queue_file = 'pg_stat/mvstore.queue';
my $round = 0;
my $greatest = 0;

# Have a standby replay all that its primary has written. The worker does not wait
# for its commits to be flushed, so a commit that is flushed comes behind them.
sub catch_up
{
	my ($primary, $standby) = @_;

	$primary->safe_psql('postgres', q{SELECT pg_logical_emit_message(true, '', '')});
	return $primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
}

sub newest
{
	my ($node) = @_;

	return $node->safe_psql('postgres', 'SELECT max(version) FROM (SELECT version FROM s UNION ALL SELECT version FROM o UNION ALL SELECT version FROM p) v');
}

# Write some, request some, and leave all of it to be done: s has what is asked for
# explicitly, o what would go too far if it were done twice, p what its policy asks for.
sub fill
{
	my ($node) = @_;
	my $first;

	$round++;
	$first = $node->safe_psql('postgres', qq{SELECT mvstore_put('o', 'once$round', '1')});
	cmp_ok($first, '>', $greatest, "round $round: versions rise");
	$node->safe_psql('postgres', join('', map { "SELECT mvstore_put('o', 'once$round', '$_');\n" } 2 .. 4));
	$node->safe_psql('postgres', join('', map { "SELECT mvstore_put(t::regclass, 'r$round k' || k, 'v$_') FROM unnest('{s,p}'::text[]) t, generate_series(1, 10) k;\n" } 1 .. 3));
	$node->safe_psql('postgres', <<"SQL");
SELECT mvstore_drop('s', 'r$round k' || k) FROM generate_series(1, 8) k;
SELECT mvstore_drop('o', 'once$round', keep := 3);
SQL
	is(waiting($node), "$round $round", "round $round: all of it waits");
	$greatest = newest($node);
	return;
}

# Which rounds have something left in o, and in p.
sub waiting
{
	my ($node) = @_;

	return $node->safe_psql('postgres', <<'SQL');
SELECT (SELECT string_agg(substr(convert_from(key, 'UTF8'), 5), ',') FROM o WHERE value = '1')
       || ' ' ||
       (SELECT string_agg(DISTINCT substring(convert_from(key, 'UTF8') FROM 'r(\d+) '), ',') FROM p WHERE value = 'v1')
SQL
}

# That the newest round was done, by the server that was promoted for it; then a
# second time would take what is written here.
sub is_done
{
	my ($node, $what) = @_;

	worker_pid($node, 'postgres');
	wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_requests}, "$what: every request is done");
	wait_until($node, 'postgres', 'SELECT count(*) = count(DISTINCT key) FROM p', "$what: and every policy met");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM s WHERE key LIKE 'r%'}), $round * 14, "$what: no entry more or less is gone");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM p WHERE value = 'v3'}), $round * 10, "$what: heads are there");
	is($node->safe_psql('postgres', qq{SELECT string_agg(value, ' ') FROM mvstore_history('o', 'once$round')}), '4 3 2', "$what: as was asked for");
	for my $value (5, 6)
	{
		my $version = $node->safe_psql('postgres', qq{SELECT mvstore_put('o', 'once$round', '$value')});

		cmp_ok($version, '>', $greatest, "$what: versions rise");
		$greatest = $version;
	}
	is($node->safe_psql('postgres', 'SELECT mvstore_flush()'), 't', "$what: nothing is left");
	return;
}

# Make a standby of a server that another one has overtaken. Its own settings stay.
sub rewind
{
	my ($target, $source) = @_;
	my $conf = $target->data_dir . '/postgresql.conf';
	my $kept = PostgreSQL::Test::Utils::tempdir();

	# pg_rewind goes by the timeline of the source's last checkpoint.
	$source->safe_psql('postgres', 'CHECKPOINT');
	copy($conf, "$kept/postgresql.conf") or die "could not copy $conf: $!";
	command_ok([ 'pg_rewind', '--source-server', $source->connstr('postgres'), '--target-pgdata', $target->data_dir ],
		'rewind ' . $target->name);
	copy("$kept/postgresql.conf", $conf) or die "could not copy back $conf: $!";
	$target->enable_streaming($source);
	return;
}

# What a reader sees, of the present and of the past as far as it is there.
sub contents
{
	my ($node) = @_;

	return $node->safe_psql('postgres', <<'SQL');
SELECT t, convert_from(key, 'UTF8'), version, value FROM (SELECT 's' t, * FROM s UNION ALL SELECT 'o', * FROM o UNION ALL SELECT 'p', * FROM p) e ORDER BY 1, 2, 3;
SELECT store, floor FROM mvstore_store_stats ORDER BY store::text;
SELECT * FROM mvstore_scan('s', as_of := (SELECT floor FROM mvstore_store_stats WHERE store = 's'::regclass));
SELECT * FROM mvstore_scan('p');
SQL
}

# North goes on without knowing that south has taken over.
fill($north);
catch_up($north, $south);
$south->promote;
is_done($south, 'south promoted');

# What is lost: writes, drops with a row in the journal and without, and a policy's.
$north->safe_psql('postgres', 'SELECT mvstore_pause()');
$north->safe_psql('postgres', <<'SQL');
SELECT mvstore_put('s', 'lost', 'lost');
SELECT mvstore_put('p', 'r1 k1', 'lost');
SET mvstore.durable_drops = off;
SELECT mvstore_drop('s', 'r1 k9');
RESET mvstore.durable_drops;
SELECT mvstore_drop('s', 'r1 k10');
SQL
$north->stop('fast');
my $kept_file = PostgreSQL::Test::Utils::tempdir() . '/queue';
ok(copy($north->data_dir . "/$queue_file", $kept_file), 'north, stopped, leaves a file with its queue');

# South has gone on meanwhile, and is not done when north follows it.
fill($south);
rewind($north, $south);
ok(!-e $north->data_dir . "/$queue_file", 'rewinding takes the file away');
copy($kept_file, $north->data_dir . "/$queue_file") or die "could not copy $kept_file: $!";
my $start = -s $north->logfile;
$north->start;
catch_up($south, $north);
ok(!-e $north->data_dir . "/$queue_file", 'were it there, it would be gone');
like(slurp_file($north->logfile, $start), qr/file "$queue_file" is of another start/, 'unused');
is(contents($north), contents($south), 'north reads what south reads');
is($north->safe_psql('postgres', q{SELECT mvstore_contains('s', 'lost'), mvstore_get('p', 'r1 k1')}), 'f|v3', 'and nothing of what was lost');
is($north->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mvstore drop worker'}), 0, 'no worker runs there');

# North takes over again.
$south->stop('immediate');
$north->promote;
is_done($north, 'north promoted');
is($north->safe_psql('postgres', q{SELECT count(*) FROM s WHERE key IN ('r1 k9', 'r1 k10')}), 6, 'no drop of the lost branch was done');

# And south, in its turn, after a crash.
fill($north);
rewind($south, $north);
$south->start;
catch_up($north, $south);
is(contents($south), contents($north), 'south reads what north reads');
$north->stop('immediate');
$south->promote;
is_done($south, 'south promoted again');
is($south->safe_psql('postgres', qq{SELECT count(*) FROM generate_series(1, $round) r WHERE (SELECT string_agg(value, ' ') FROM mvstore_history('o', 'once' || r)) = '6 5 4 3 2'}),
	$round, 'over all promotions, what was done once was not done again');

# Where the primary stops cleanly and its standby has all of it, north can follow
# south as it is, and reads its own file, which is of that very checkpoint. But
# what south is asked to do afterwards is not in it.
rewind($north, $south);
$north->start;
catch_up($south, $north);
$south->safe_psql('postgres', 'SELECT mvstore_pause()');
fill($south);
$south->stop('fast');
ok(-s $south->data_dir . "/$queue_file", 'south, stopped, leaves a file with its queue');
$north->promote;
$north->safe_psql('postgres', 'SELECT mvstore_resume()');
is_done($north, 'north promoted without a loss');
$south->enable_streaming($north);
$south->start;
catch_up($north, $south);
is(contents($south), contents($north), 'south follows north without being rewound');
fill($north);
catch_up($north, $south);
$north->stop('immediate');
$south->promote;
is_done($south, 'south promoted without having been rewound');
is($south->safe_psql('postgres', qq{SELECT count(*) FROM generate_series(1, $round) r WHERE (SELECT string_agg(value, ' ') FROM mvstore_history('o', 'once' || r)) = '6 5 4 3 2'}),
	$round, 'and still nothing was done twice');

$south->stop;
done_testing();
