# The server of the kill loop, and the ways it is struck: a process is killed or stands
# still, the server is stopped, its standby takes over, disk or memory run out, statements are
# cancelled, settings change.
#
# A strike has two halves. The first happens while the load runs, or has it run; it returns what
# is to be done when the load has come to its end, after which the server is back. One that finds
# nothing to hit returns nothing.
#
# MVSTORE_SMALL_DISK names a directory on a small file system, which is filled then.

package ChaosServer;

use strict;
use warnings;

use ChaosLoad;
use Exporter 'import';
use File::Path 'rmtree';
use MvstoreTest;
use POSIX ':sys_wait_h';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(new_server end_server keep_data strike add_standby stall_standby complaints %STRIKES);

# By name: what strikes, whether it ends all connections, and whether what was only in
# memory is lost by it. What sessions are told then that otherwise nobody is; whether the worker
# may have met errors of it; what a log may say; whether it commits something itself, for which it
# would wait for a standby that stands still.
our %STRIKES = (
	'kill -9 of a backend'            => { hit => \&kill_backend, severs => 1, forgets => 1 },
	'kill -9 of the worker'           => { hit => \&kill_worker, severs => 1, forgets => 1 },
	'kill -9 of an assistant'         => { hit => sub { kill_other(@_, 'mvstore drop assistant', workers_per_database => 3, batch_size => 1) }, severs => 1, forgets => 1, commits => 1 },
	'kill -9 of the launcher'         => { hit => sub { kill_other(@_, 'mvstore launcher') }, severs => 1, forgets => 1, commits => 1 },
	'kill -9 of maintenance'          => { hit => sub { kill_other(@_, 'mvstore maintenance', maintenance_every => 1) }, severs => 1, forgets => 1, commits => 1 },
	'kill -9 of the postmaster'       => { hit => \&kill_postmaster, severs => 1, forgets => 1 },
	'kill -9 of all processes'        => { hit => \&kill_all, severs => 1, forgets => 1 },
	'an immediate stop'               => { hit => sub { stop($_[0], 'immediate') }, severs => 1, forgets => 1 },
	'a fast restart'                  => { hit => sub { stop($_[0], 'fast') }, severs => 1 },
	'SIGTERM of the worker'           => { hit => \&terminate_worker },
	'SIGSTOP of the worker'           => { hit => \&hold_worker },
	'pg_cancel_backend at random'     => { hit => sub { signal_all(@_, 'pg_cancel_backend') }, tells => { '57014' => 1 }, upsets => 1 },
	'pg_terminate_backend at random'  => { hit => sub { signal_all(@_, 'pg_terminate_backend') }, tells => { '57P01' => 1 }, upsets => 1 },
	'settings that change'            => { hit => \&reload },
	'memory that runs out'            => { hit => \&starve, tells => { 53200 => 1 }, upsets => 1, forgets => 1 },
	'a full disk'                     => { hit => \&fill_disk, severs => 1, forgets => 1, tells => { 53100 => 1, 58030 => 1 }, upsets => 1,
		logs => qr/No space left|signal 6|not enough space/ },
	'promotion of the standby'        => { hit => \&lose_primary, severs => 1, forgets => 1 });

# Little memory, so that pages are written and read again; and whatever is kept small
# is often full.
my $CONF = <<'CONF';
max_connections = 30
max_prepared_transactions = 12
shared_buffers = 2MB
restart_after_crash = on
log_statement = none
autovacuum = on
autovacuum_naptime = 1
autovacuum_vacuum_threshold = 100
autovacuum_vacuum_scale_factor = 0
deadlock_timeout = '20 ms'
wal_keep_size = '128MB'
wal_retrieve_retry_interval = '100 ms'
mvstore.sweep_interval = 1
mvstore.maintenance_every = 10
CONF

# How many there have been, and where one has its data, if not where others have.
my $servers = 0;
sub place_of { return $ENV{MVSTORE_SMALL_DISK} ? "$ENV{MVSTORE_SMALL_DISK}/$_[0].$$" : undef }

# $dice is for the settings of each start. In {faults} is told whether the build has fault
# points, and a clock that can be put back.
sub new_server
{
	my ($dice) = @_;
	my $name = 'chaos' . ++$servers;
	my $node = mvstore_node($name, init => [ allows_streaming => 1 ], conf => $CONF, place => place_of($name));
	my $server = { node => $node, dice => $dice, read => {} };

	my $names = $node->safe_psql('postgres', q{SELECT mvstore_stable_version(); SELECT name FROM pg_settings WHERE name = 'mvstore.clock_shift'});
	$server->{faults} = $names =~ /clock_shift/;
	return $server;
}

# Change a setting in the configuration.
sub set_conf
{
	my ($node, $name, $value) = @_;

	$node->adjust_conf('postgresql.conf', $name, undef);
	$node->append_conf('postgresql.conf', "$name = $value");
}

# Other settings for the next start. The clock goes wrong, where a build allows that.
sub change_settings
{
	my ($server) = @_;
	my ($node, $dice) = @{$server}{qw(node dice)};

	set_conf($node, 'mvstore.queue_size', (16, 64, 65536)[ $dice->(3) ]);
	change_quick_settings($server);
}

# Those that a running server takes, too.
sub change_quick_settings
{
	my ($server) = @_;
	my ($node, $dice) = @{$server}{qw(node dice)};

	set_conf($node, 'mvstore.batch_size', (1, 5, 20, 100)[ $dice->(4) ]);
	set_conf($node, 'mvstore.flush_interval', (0, 10, 50, 400)[ $dice->(4) ]);
	set_conf($node, 'mvstore.workers_per_database', (1, 3)[ $dice->(3) > 0 ]);
	set_conf($node, 'mvstore.clock_shift', -$dice->(5000)) if $server->{faults};
}

# Change the others, too, while everybody is at work, some times.
sub reload
{
	my ($server, $load) = @_;
	my ($node, $dice) = @{$server}{qw(node dice)};

	for (1 .. 4)
	{
		change_quick_settings($server);
		set_conf($node, 'mvstore.durable_drops', ('on', 'off')[ $dice->(2) ]);
		set_conf($node, 'mvstore.drop_rate_limit', (0, 200)[ $dice->(2) ]);
		set_conf($node, 'mvstore.drop_wal_limit', ("'16MB'", "'64kB'")[ $dice->(2) ]);
		set_conf($node, 'mvstore.maintenance_every', (0, 1, 10)[ $dice->(3) ]);
		set_conf($node, 'mvstore.sweep_interval', (1, 60)[ $dice->(2) ]);
		set_conf($node, 'mvstore.max_workers', (1, 4)[ $dice->(2) ]);
		set_conf($node, 'mvstore.standby_interval', (0, 50, 10_000)[ $dice->(3) ]);
		set_conf($node, 'autovacuum', ('on', 'off')[ $dice->(2) ]);
		$node->reload;
		run_load($load, time() + 0.2);
	}
	return sub {
		# Drops were not durable now and then, but for those of prepared transactions.
		$_->{durable} = 0 for grep { $_->{statements}[-1]{op} ne 'prepare' } @{ $load->{transactions} };
		$node->adjust_conf('postgresql.conf', $_, undef)
		  for map { "mvstore.$_" } qw(durable_drops drop_rate_limit drop_wal_limit maintenance_every sweep_interval max_workers standby_interval);
		$node->append_conf('postgresql.conf', $CONF);
		$node->reload;
	};
}

# ---- The standby ------------------------------------------------------------

# Give the server a standby that its commits wait for.
sub add_standby
{
	my ($server) = @_;
	my $node = $server->{node};
	my $name = 'chaos' . ++$servers;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	move_node($standby, place_of($name));

	$node->backup($name);
	$standby->init_from_backup($node, $name, has_streaming => 1);
	PostgreSQL::Test::Utils::system_log('rm', '-rf', $node->backup_dir . "/$name");
	$standby->start;
	set_conf($node, 'synchronous_standby_names', "'*'");
	$node->stop('fast');
	start($server);
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'})
	  or die "chaos: the standby does not stream\n";
	$server->{standby} = $standby;
}

# Have done with a server that does not run.
sub end_node
{
	my ($node) = @_;
	my $place = place_of($node->name);

	$node->clean_node;
	rmtree($place) if $place;
}

# Keep what a server has, its WAL too, beside the logs: something was found in it.
sub keep_data
{
	my ($server) = @_;
	my $node = $server->{node};

	PostgreSQL::Test::Utils::system_log('cp', '-r', $node->data_dir, $node->logfile =~ s/\.log$/_data/r);
}

# Have done with all of it.
sub end_server
{
	my ($server) = @_;

	$server->{node}->stop;
	$server->{standby}->stop('immediate') if $server->{standby};
	end_node($_) for grep { $_ } @{$server}{qw(node standby)};
}

# Have the standby receive nothing, so that commits wait in vain for it; returns what
# lets it go on.
sub stall_standby
{
	my ($server) = @_;
	my $pid = $server->{standby}->safe_psql('postgres', 'SELECT pid FROM pg_stat_wal_receiver');

	return sub { } unless $pid && kill('STOP', $pid);
	return sub { kill('CONT', $pid) };
}

sub lose_primary
{
	my ($server) = @_;
	my $old = $server->{node};

	if ($server->{dice}->(2)) { $old->stop('immediate') }
	else { end_processes($server, 1) }
	return sub {
		my $node = $server->{node} = delete $server->{standby};
		$node->promote;
		$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die "chaos: the standby is not promoted\n";
		end_node($old);
	};
}

# ---- Processes --------------------------------------------------------------

sub start
{
	my ($server) = @_;
	my $node = $server->{node};
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

	change_settings($server);
	# Whoever is left of a killed server needs a moment to notice.
	until ($node->start(fail_ok => 1))
	{
		die "chaos: the server does not start\n" if time() > $deadline;
		usleep(100_000);
	}
}

sub stop
{
	my ($server, $mode) = @_;

	$server->{node}->stop($mode);
	return sub { start($server) };
}

# Kill the postmaster, its children too or not, and wait until they have ended.
sub end_processes
{
	my ($server, $children_too) = @_;
	my $node = $server->{node};
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @children = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

	$node->kill9;
	kill('KILL', @children) if $children_too;
	while (grep { kill(0, $_) } $postmaster, @children)
	{
		die "chaos: processes of the killed server do not end\n" if time() > $deadline;
		usleep(10_000);
	}
}

sub kill_postmaster
{
	my ($server) = @_;

	end_processes($server, 0);
	return sub { start($server) };
}

sub kill_all
{
	my ($server) = @_;

	end_processes($server, 1);
	return sub { start($server) };
}

# Kill a process of the server, which starts anew then.
sub kill_process
{
	my ($server, $pid) = @_;
	my $node = $server->{node};
	my $restarts = restarts($node);

	kill('KILL', $pid) == 1 or return;		# it has just ended by itself
	return until_restarted($node, $restarts, $pid);
}

# What waits until the server is back after its restart number $restarts + 1.
sub until_restarted
{
	my ($node, $restarts, $who) = @_;

	return sub {
		my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
		while (restarts($node) == $restarts)
		{
			die "chaos: the server does not notice that process $who was killed\n" if time() > $deadline;
			usleep(10_000);
		}
		$node->poll_query_until('postgres', undef, '') or die "chaos: the server does not come back\n";
	};
}

# How often a server was about to restart by itself, and how often it did: it may have been killed before it did.
sub interruptions { return scalar(() = slurp_file($_[0]->logfile) =~ /terminating any other active server processes/g) }
sub restarts { return scalar(() = slurp_file($_[0]->logfile) =~ /all server processes terminated; reinitializing/g) }

sub kill_backend
{
	my ($server, $load) = @_;
	my @sessions = grep { $_->{pid} } @{ $load->{sessions} };

	return kill_process($server, $sessions[ $server->{dice}->(scalar @sessions) ]{backend});
}

sub kill_worker { return kill_process($_[0], worker_pid($_[0]{node}, 'postgres')) }

sub terminate_worker
{
	my ($server) = @_;
	my $node = $server->{node};
	my $pid = worker_pid($node, 'postgres');

	kill('TERM', $pid) == 1 or return;
	return sub {
		$node->poll_query_until('postgres', "SELECT worker_pid <> $pid FROM mvstore_stats WHERE database = 'postgres'")
		  or die "chaos: no new worker after SIGTERM\n";
	};
}

# Kill one of the processes of a kind, once there is one. Some come only now and then, and go soon:
# whoever waits for one kills it where it sees it. While drops are paused, work for it piles up; and
# some settings have it come.
sub kill_other
{
	my ($server, $load, $kind, %settings) = @_;
	my $node = $server->{node};
	my ($restarts, $interruptions) = (restarts($node), interruptions($node));

	set_conf($node, "mvstore.$_", $settings{$_}) for sort keys %settings;
	$node->reload if %settings;
	$node->safe_psql('postgres', 'SELECT mvstore_pause()');
	run_load($load, time() + 0.5);
	meanwhile($server, $load, <<"SQL");
DO \$\$
DECLARE
  victim int;
BEGIN
  PERFORM mvstore_resume();
  COMMIT;
  FOR i IN 1 .. 2000 LOOP
    SELECT pid INTO victim FROM pg_stat_get_activity(NULL) WHERE backend_type = '$kind';
    IF FOUND THEN
      EXECUTE format('COPY (SELECT) TO PROGRAM ''kill -9 %s''', victim);
      EXIT;
    END IF;
    PERFORM pg_stat_clear_snapshot(), pg_sleep(0.001);
    COMMIT;
  END LOOP;
END \$\$
SQL
	# It may have gone by itself just then.
	for (1 .. 30)
	{
		return until_restarted($node, $restarts, $kind) if restarts($node) > $restarts || interruptions($node) > $interruptions;
		usleep(10_000);
	}
	$node->psql('postgres', 'SELECT mvstore_resume()');
	return;
}

# Run a statement while the load runs.
sub meanwhile
{
	my ($server, $load, $sql) = @_;
	my $connection = $server->{node}->connstr('postgres');
	my $pid = fork() // die "fork: $!";

	if (!$pid)
	{
		open(STDOUT, '>', '/dev/null');
		open(STDERR, '>', '/dev/null');
		exec qw(psql -X -q -A -t -d), $connection, '-c', $sql or POSIX::_exit(1);
	}
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	until (waitpid($pid, WNOHANG))
	{
		kill('KILL', $pid), die "chaos: this does not come to its end: $sql\n" if time() > $end;
		run_load($load, time() + 0.02);
		usleep(1000);
	}
}

# Have sessions and mvstore's own processes cancelled, or ended, one after the other, in any order.
sub signal_all
{
	my ($server, $load, $signal) = @_;
	my $pids = join ',', grep { $_ } map { $_->{backend} } @{ $load->{sessions} };
	my $seed = $server->{dice}->(1000) / 1000;

	meanwhile($server, $load, <<"SQL");
SELECT setseed($seed);
DO \$\$
DECLARE
  victim int;
BEGIN
  FOR i IN 1 .. 12 LOOP
    FOR victim IN SELECT pid FROM pg_stat_get_activity(NULL)
                   WHERE (pid IN ($pids) OR backend_type LIKE 'mvstore%') AND random() < 0.2 ORDER BY random() LOOP
      PERFORM $signal(victim);
    END LOOP;
    PERFORM pg_stat_clear_snapshot(), pg_sleep(random() * 0.1);
  END LOOP;
END \$\$
SQL
	return sub { };
}

# Have the worker stand still, wherever it is.
sub hold_worker
{
	my ($server, $load) = @_;
	my $pid = worker_pid($server->{node}, 'postgres');

	kill('STOP', $pid) or return;
	run_load($load, time() + 0.2 + $server->{dice}->(1000) / 1000);
	kill('CONT', $pid);
	return sub { };
}

# Leave some backends, and now and then the worker, next to no memory for a while. (The stack is
# not counted: where that cannot grow, a process crashes.)
sub starve
{
	my ($server, $load) = @_;
	my $dice = $server->{dice};
	my ($restarts, $interruptions) = (restarts($server->{node}), interruptions($server->{node}));
	my @victims = grep { $dice->(2) } grep { $_ } map { $_->{backend} } grep { $_->{pid} } @{ $load->{sessions} };

	push @victims, worker_pid($server->{node}, 'postgres') if $dice->(3) == 0;
	for my $pid (@victims)
	{
		my ($now) = map { /^VmData:\s+(\d+) kB/ } -r "/proc/$pid/status" ? split(/\n/, slurp_file("/proc/$pid/status")) : ();
		limit_memory($pid, 1024 * ($now + $dice->(200))) if defined $now;
	}
	run_load($load, time() + 0.5);
	limit_memory($_, 'unlimited') for @victims;
	return sub {
		until_restarted($server->{node}, $restarts, 'memory')->() if restarts($server->{node}) > $restarts || interruptions($server->{node}) > $interruptions;
	};
}

sub limit_memory { return system("prlimit --pid $_[0] --data=$_[1]: 2>/dev/null") == 0 }

# Fill the disk, all or nearly, and have it free again some time later. A server that could not
# write its WAL has ended, perhaps for good.
sub fill_disk
{
	my ($server, $load) = @_;
	my $node = $server->{node};
	my $filler = "$ENV{MVSTORE_SMALL_DISK}/filler.$$";

	open(my $file, '>', $filler) or die "$filler: $!";
	while (syswrite($file, "\0" x 1_048_576)) { }
	truncate($file, (-s $filler) - $server->{dice}->(2_000_000)) if $server->{dice}->(2) && -s $filler > 2_000_000;
	close($file);
	run_load($load, time() + 0.5 + $server->{dice}->(1500) / 1000);
	$node->psql('postgres', 'CHECKPOINT') if $server->{dice}->(2);
	return sub {
		unlink($filler);
		return if $server->{dice}->(2) && ($node->psql('postgres', 'SELECT 1'))[0] == 0;
		$node->stop('immediate', fail_ok => 1);
		start($server);
	};
}

# ---- One strike -------------------------------------------------------------

# Strike; returns what is to be done when the load has ended.
sub strike
{
	my ($server, $load, $name) = @_;

	return $STRIKES{$name}{hit}->($server, $load);
}

# What the logs say since the last time that no server should say, but for what is $usual.
sub complaints
{
	my ($server, $usual) = @_;
	my @found;

	for my $node (grep { $_ } @{$server}{qw(node standby)})
	{
		my $log = slurp_file($node->logfile, $server->{read}{ $node->name } // 0);
		$server->{read}{ $node->name } = -s $node->logfile;
		push @found, $log =~ /^.*(?:PANIC:|TRAP:|ERROR:  [^\n]*corrupt|terminated by signal (?!9:)|inconsistent page).*$/mg;
	}
	return grep { !$usual || $_ !~ $usual } @found;
}

1;
