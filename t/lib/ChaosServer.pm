# The server of the kill loop, and the ways it is struck: a process is killed, the
# server is stopped, its standby takes over.
#
# A strike has two halves. The first happens while the load runs; it returns what is
# to be done when the load has come to its end, after which the server is back.

package ChaosServer;

use strict;
use warnings;

use Exporter 'import';
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(new_server strike add_standby stall_standby complaints %STRIKES);

# By name: what strikes, whether it ends all connections, and whether what was only in
# memory is lost by it.
our %STRIKES = (
	'kill -9 of a backend'            => { hit => \&kill_backend, severs => 1, forgets => 1 },
	'kill -9 of the worker'           => { hit => \&kill_worker, severs => 1, forgets => 1 },
	'kill -9 of the postmaster'       => { hit => \&kill_postmaster, severs => 1, forgets => 1 },
	'kill -9 of all processes'        => { hit => \&kill_all, severs => 1, forgets => 1 },
	'an immediate stop'               => { hit => sub { stop($_[0], 'immediate') }, severs => 1, forgets => 1 },
	'a fast restart'                  => { hit => sub { stop($_[0], 'fast') }, severs => 1 },
	'SIGTERM of the worker'           => { hit => \&terminate_worker },
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

# $dice is for the settings of each start. In {faults} is told whether the build has fault
# points, and a clock that can be put back.
sub new_server
{
	my ($dice) = @_;
	my $node = mvstore_node('chaos1', init => [ allows_streaming => 1 ], conf => $CONF);
	my $server = { node => $node, number => 1, dice => $dice, read => {} };

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
	set_conf($node, 'mvstore.batch_size', (1, 5, 20, 100)[ $dice->(4) ]);
	set_conf($node, 'mvstore.flush_interval', (0, 10, 50, 400)[ $dice->(4) ]);
	set_conf($node, 'mvstore.workers_per_database', (1, 3)[ $dice->(3) > 0 ]);
	set_conf($node, 'mvstore.clock_shift', -$dice->(5000)) if $server->{faults};
}

# ---- The standby ------------------------------------------------------------

# Give the server a standby that its commits wait for.
sub add_standby
{
	my ($server) = @_;
	my $node = $server->{node};
	my $name = 'chaos' . ++$server->{number};
	my $standby = PostgreSQL::Test::Cluster->new($name);

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
		$old->clean_node;
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

	kill('KILL', $pid) == 1 or die "chaos: there is no process $pid\n";
	return sub {
		my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
		while (restarts($node) == $restarts)
		{
			die "chaos: the server does not notice that process $pid was killed\n" if time() > $deadline;
			usleep(10_000);
		}
		$node->poll_query_until('postgres', undef, '') or die "chaos: the server does not come back\n";
	};
}

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

	kill('TERM', $pid) == 1 or die "chaos: there is no process $pid\n";
	return sub {
		$node->poll_query_until('postgres', "SELECT worker_pid <> $pid FROM mvstore_stats WHERE database = 'postgres'")
		  or die "chaos: no new worker after SIGTERM\n";
	};
}

# ---- One strike -------------------------------------------------------------

# Strike; returns what is to be done when the load has ended.
sub strike
{
	my ($server, $load, $name) = @_;

	return $STRIKES{$name}{hit}->($server, $load);
}

# What the logs say since the last time that no server should say.
sub complaints
{
	my ($server) = @_;
	my @found;

	for my $node (grep { $_ } @{$server}{qw(node standby)})
	{
		my $log = slurp_file($node->logfile, $server->{read}{ $node->name } // 0);
		$server->{read}{ $node->name } = -s $node->logfile;
		push @found, $log =~ /^.*(?:PANIC:|TRAP:|ERROR:  [^\n]*corrupt|terminated by signal (?!9:)|inconsistent page).*$/mg;
	}
	return @found;
}

1;
