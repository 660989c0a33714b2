# A clock that is set back by a year does not have drops wait for a year: those that met a lock or
# an error, those of databases that share a worker, and those that waited with a worker that was
# ended. What waits for its age waits, as documented, until the clock has passed the newest
# version, and goes within seconds then. Nobody runs in circles meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use FakeClock;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $year = 365 * 86_400;
my $node = with_fake_clock(sub { mvstore_node('back', conf => "fsync = off\nmvstore.sweep_interval = '1 s'\nmvstore.max_workers = 1") });

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

# Clock ticks of processor time that a process has used.
sub used
{
	my ($pid) = @_;
	my @fields = split ' ', slurp_file("/proc/$pid/stat") =~ s/.*\) //sr;

	return $fields[11] + $fields[12];
}

sql('CREATE DATABASE other');
sql('CREATE EXTENSION mvstore', 'other');
for my $database ('postgres', 'other')
{
	sql(q{SELECT mvstore_create('s'), mvstore_create('locked'), mvstore_create('policy', keep_versions := 1), mvstore_create('aged', keep_for := '1 min')}, $database);
	sql(qq{SELECT mvstore_put(store, 'k', 'v$_') FROM unnest('{s,locked,policy,aged}'::regclass[]) store}, $database) for (1 .. 3);
}

# In each of them something waits for a lock when the clock is set back.
my %session;
for my $database ('postgres', 'other')
{
	$session{$database} = $node->background_psql($database, on_error_stop => 1);
	$session{$database}->query_safe('BEGIN; LOCK TABLE locked IN SHARE MODE');
	sql(q{SELECT mvstore_drop('locked', 'k')}, $database);
	wait_until($node, $database, q{SELECT count(*) = 1 FROM mvstore_blockers WHERE kind = 'lock' AND store = 'locked'::regclass}, "$database: a lock is in the way");
}
set_clock(-$year);
my $start = time();
for my $session (values %session)
{
	$session->query_safe('COMMIT');
	$session->quit;
}
for my $database ('postgres', 'other')
{
	wait_until($node, $database, q{SELECT count(*) = 1 FROM locked}, "$database: it goes when the lock has gone");
	sql(qq{SELECT mvstore_put('policy', 'k', 'w$_')}, $database) for (1 .. 3);
	sql(q{SELECT mvstore_drop('s', 'k')}, $database);
	wait_until($node, $database, q{SELECT (SELECT count(*) FROM s) + (SELECT count(*) FROM policy) = 2}, "$database: what is asked for then goes");
}
cmp_ok(time() - $start, '<', 60, 'all of it soon');

# One worker that had come long after its clock's time, and one that begins.
sql('SELECT pg_terminate_backend(worker_pid) FROM mvstore_stats WHERE worker_pid IS NOT NULL');
sql(q{SELECT mvstore_put('policy', 'k', 'w') FROM generate_series(1, 3)});
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM policy', 'a worker that was ended is followed by another');
$node->stop;

# By age nothing goes before the clock has passed the newest version, and then it does.
$node->append_conf('postgresql.conf', 'mvstore.max_workers = 2');
with_fake_clock(sub { $node->start });
is(sql('SELECT mvstore_flush()'), 't', 'all that can go has gone');
my $pid = worker_pid($node, 'postgres');
my $before = used($pid);
stays($node, 'postgres', 'SELECT count(*) = 3 FROM aged', 'what is to go by age waits');
cmp_ok(used($pid) - $before, '<', 15, 'and the worker sleeps meanwhile');
is(worker_pid($node, 'postgres'), $pid, 'the same');
set_clock(120);
sql(q{SELECT mvstore_put('s', 'k', 'v')});
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM aged', 'what is old by the clock goes');
set_clock(0);
sql(q{SELECT mvstore_put('aged', 'k', 'v') FROM generate_series(1, 2)});
is(sql('SELECT mvstore_flush()'), 't', 'right again, all goes on');
is(sql('SELECT count(*) FROM aged'), 2, 'and what is young stays');
unlike(slurp_file($node->logfile), qr/(?:ERROR|FATAL|PANIC):  (?!terminating)/, 'nothing has gone wrong on the way');
$node->stop;
done_testing();
