# A damaged page of mvstore's own tables stops what needs that table, and nothing else:
# drops that stand in the queue go on beside a journal that cannot be read, and drops
# of other stores beside a calendar that cannot. Views say what is wrong. Otherwise one
# bad page would end the worker again and again, all drops of the database with it, and
# nobody would be told why.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('catalog', conf => "mvstore.sweep_interval = '1 s'\nmvstore.flush_interval = '5 ms'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

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

# Damage the first page of a table while the server is down; its path, and what it held.
my %page;
sub damage
{
	my ($table) = @_;
	my $path = $node->data_dir . '/' . sql("SELECT pg_relation_filepath('$table')");

	$node->stop('fast');
	$page{$path} = first_page($path, "\xff" x 8192);
	return $node->start;
}

sub repair
{
	$node->stop('fast');
	first_page($_, $page{$_}) for keys %page;
	%page = ();
	return $node->start;
}

# A policy's own drop, which stands in no table but the store.
my $n = 0;
sub policy_is_met
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$n++;
	sql("SELECT mvstore_put('single', 'k$n', '$_')") for (1, 2);
	return wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_history('single', 'k$n')", $name);
}

sub is_told
{
	my ($relation, $name) = @_;
	my $error = "'%invalid page in block 0 of relation %$relation%'";

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_stats WHERE database = 'postgres' AND last_error LIKE $error", "$name: mvstore_stats tells why");
	return wait_until($node, 'postgres', "SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'error' AND store IS NULL AND holds_back LIKE $error", "$name: and so does mvstore_blockers");
}

sql(q{SELECT mvstore_create('s'), mvstore_create('single', keep_versions := 1), mvstore_create('aged', keep_for := '1 s'), mvstore_create('later', keep_for := '1 h')});
sql('VACUUM mvstore_journal, mvstore_calendar, mvstore_pin, mvstore_paused');

# ---- The journal. (A crash, so that what stands there is in no queue.)

sql('SELECT mvstore_pause()');
sql(q{SELECT mvstore_put_at('s', k, 'v', v) FROM unnest('{a,b}'::text[]) k, generate_series(1, 3) v});
sql(q{SELECT mvstore_drop('s', 'a')});
my $journal = sql(q{SELECT pg_relation_filepath('mvstore_journal')});
sql('CHECKPOINT');
$node->stop('immediate');
$node->start;
damage('mvstore_journal');
sql('SELECT 1 FROM mvstore_paused');
my $log = -s $node->logfile;
# mvstore_resume() reads the journal, too.
sql('DELETE FROM mvstore_paused');
sql('SELECT pg_terminate_backend(worker_pid) FROM mvstore_stats WHERE worker_pid IS NOT NULL');
is_told($journal, 'with a damaged journal');
my $worker = worker_pid($node, 'postgres');
policy_is_met("a policy is met beside it");
sql("SELECT mvstore_put('aged', 'k', '$_')") for (1, 2);
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_history('aged', 'k')}, 'so is one by age');
is(worker_pid($node, 'postgres'), $worker, 'the worker does not end for it');
is(sql(q{SELECT mvstore_flush('100 ms')}), 'f', 'mvstore_flush does not say that all is done');
is(scalar(() = substr(slurp_file($node->logfile), $log) =~ /ERROR:  invalid page/g), 1, 'the log has one line about it');
repair();
is(sql('SELECT mvstore_flush()'), 't', 'repaired, all is done');
is(sql(q{SELECT count(*) FROM s WHERE key = 'a'}), 1, 'also what stood in the journal');
wait_until($node, 'postgres', q{SELECT count(*) = 0 FROM mvstore_blockers WHERE kind = 'error'}, 'and nothing blocks');

# ---- The calendar, the pins, and whether drops are paused.

sql("SELECT mvstore_put('later', 'k', '$_')") for (1, 2);
is(sql('SELECT mvstore_flush()'), 't', 'a key is noted in the calendar');
my $calendar = sql(q{SELECT pg_relation_filepath('mvstore_calendar')});
damage('mvstore_calendar');
is_told($calendar, 'with a damaged calendar');
policy_is_met('a store without one is served');
sql(q{SELECT mvstore_drop('s', 'b')});
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM s WHERE key = 'b'}, 'so are requests');
repair();
is(sql('SELECT mvstore_flush()'), 't', 'repaired, all is done');

sql('SELECT mvstore_pause()');
my $paused = sql(q{SELECT pg_relation_filepath('mvstore_paused')});
damage('mvstore_paused');
is_told($paused, 'with a pause that cannot be read');
sql("SELECT mvstore_put('single', 'paused', '$_')") for (1, 2);
stays($node, 'postgres', q{SELECT count(*) = 2 FROM mvstore_history('single', 'paused')}, 'nothing is dropped, as drops may be paused');
repair();
sql('SELECT mvstore_resume()');
is(sql('SELECT mvstore_flush()'), 't', 'repaired, it can be ended');
is(sql(q{SELECT count(*) FROM mvstore_history('single', 'paused')}), 1, 'and drops go on');

# ---- The row for standbys, which the worker also writes as its last act.

my $stable = sql(q{SELECT pg_relation_filepath('mvstore_stable')});
damage('mvstore_stable');
is_told($stable, 'with a damaged row for standbys');
is(sql(q{SELECT mvstore_get('single', 'paused', as_of := mvstore_stable_version())}), '2', 'the past is read as ever');
repair();
is(sql('SELECT mvstore_flush()'), 't', 'repaired, all is done');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|terminated by signal/, 'no process broke');
done_testing();
