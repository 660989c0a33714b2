# A cluster for tests: a proxy, and logical shards, which are databases mv00, mv01 ... on a
# few servers that preload mvstore. Shard n is the proxy's partition n.
#
#	my $cluster = MvstoreCluster->new('name', shards => 16, servers => 2);
#	$cluster->query('SELECT ...');        # of the proxy
#	$cluster->shard(3, 'SELECT ...');     # of shard 3, wherever it is

package MvstoreCluster;

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../t/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

# What all servers of a cluster are set to. Workers take turns over the databases of a server.
my $conf = <<'CONF';
max_prepared_transactions = 100
max_connections = 200
max_worker_processes = 32
mvstore.flush_interval = '10 ms'
wal_retrieve_retry_interval = '100 ms'
CONF

# A running cluster. Of %params: shards, servers: how many; conf: text for all servers'
# postgresql.conf; proxy_conf: for the proxy's; wal_level: of the shards' servers; bare: true
# for shards without the extension and a proxy that knows none of them.
sub new
{
	my ($class, $name, %params) = @_;
	my $self = bless {
		name => $name, params => \%params,
		shards => $params{shards} // 16, servers => [], at => [],
	}, $class;
	my $servers = $params{servers} // 2;

	$self->add_server for 1 .. $servers;
	for my $shard (0 .. $self->{shards} - 1)
	{
		# Neighbours lie on one server: the first half of the shards on the first of two.
		my $node = $self->{servers}[ int($shard * $servers / $self->{shards}) ];
		$self->{at}[$shard] = [ $node, sprintf 'mv%02d', $shard ];
	}
	$self->create_databases if !$params{bare};
	$self->{proxy} = PostgreSQL::Test::Cluster->new("${name}_proxy");
	$self->{proxy}->init;
	$self->{proxy}->append_conf('postgresql.conf', $conf . ($params{conf} // '') . "\n" . ($params{proxy_conf} // ''));
	$self->{proxy}->start;
	$self->configure if !$params{bare};
	return $self;
}

# One more server for shards, which has none yet.
sub add_server
{
	my ($self) = @_;
	my $number = @{ $self->{servers} };
	my $level = $self->{params}{wal_level} // 'replica';
	my $node = mvstore_node("$self->{name}_$number",
		init => [ allows_streaming => $level eq 'logical' ? 'logical' : 1 ],
		conf => $conf . ($self->{params}{conf} // ''));

	push @{ $self->{servers} }, $node;
	return $node;
}

# The shards' databases, by one session for each server.
sub create_databases
{
	my ($self) = @_;

	for my $node (@{ $self->{servers} })
	{
		my @names = map { $_->[1] } grep { $_->[0] == $node } @{ $self->{at} };
		$node->safe_psql('postgres', join '', map { "CREATE DATABASE $_;\n" } @names);
		$node->safe_psql('postgres', join '', map { "\\c $_\nCREATE EXTENSION mvstore;\n" } @names);
	}
	return;
}

# Make the proxy know its shards.
sub configure
{
	my ($self) = @_;
	my $options = join ', ', map { sprintf "p%d '%s'", $_, $self->address($_) } 0 .. $self->{shards} - 1;

	$self->{proxy}->safe_psql('postgres', <<"SQL");
CREATE EXTENSION mvstore_cluster CASCADE;
CREATE SERVER mvstore_cluster FOREIGN DATA WRAPPER plproxy OPTIONS ($options);
CREATE USER MAPPING FOR PUBLIC SERVER mvstore_cluster OPTIONS (user '${\ scalar getpwuid($<)}');
SELECT mvstore_cluster_configure();
SQL
	return;
}

# Where a shard is, as a connection string.
sub address
{
	my ($self, $shard, $node, $database) = @_;

	$node //= $self->{at}[$shard][0];
	$database //= $self->{at}[$shard][1];
	return sprintf 'host=%s port=%d dbname=%s', $node->host, $node->port, $database;
}

# ---- Queries ----------------------------------------------------------------

sub proxy { return $_[0]{proxy} }
sub server { return $_[0]{servers}[ $_[1] ] }
sub server_of { return $_[0]{at}[ $_[1] ][0] }
sub database_of { return $_[0]{at}[ $_[1] ][1] }

# The shards that a server has.
sub shards_of
{
	my ($self, $node) = @_;
	return grep { $self->{at}[$_][0] == $node } 0 .. $self->{shards} - 1;
}

sub query
{
	my ($self, $sql) = @_;
	return $self->{proxy}->safe_psql('postgres', $sql);
}

# SQLSTATE and message of what the proxy refuses.
sub refused
{
	my ($self, $sql) = @_;
	return sqlstate_of($self->{proxy}, 'postgres', $sql);
}

sub shard
{
	my ($self, $shard, $sql) = @_;
	return $self->{at}[$shard][0]->safe_psql($self->{at}[$shard][1], $sql);
}

# The answers of all shards, in their order.
sub shards
{
	my ($self, $sql) = @_;
	return map { $self->shard($_, $sql) } 0 .. $self->{shards} - 1;
}

# ---- Writes over shards, step by step ----------------------------------------

# Have a session whose application_name is "stops STEP" stop where its write over shards is at that
# step, until the session that is returned here lets it go on.
sub hold_steps
{
	my ($self) = @_;

	$self->query(<<'SQL');
CREATE OR REPLACE FUNCTION mvstore_cluster_step(step text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF current_setting('application_name') = 'stops ' || step THEN
		PERFORM pg_advisory_lock_shared(1818);
	END IF;
END $$;
SQL
	my $stop = $self->{proxy}->background_psql('postgres');
	$stop->query_safe('SELECT pg_advisory_lock(1818)');
	return $stop;
}

# Begin a statement of such a session, and return that when it stands still.
sub begin_held
{
	my ($self, $step, $sql) = @_;
	my $session = $self->{proxy}->background_psql('postgres', on_error_stop => 0);

	$session->query_safe("\\set VERBOSITY verbose\nSET application_name = 'stops $step'");
	$session->{stdin} .= "$sql;\n";
	$session->{run}->pump_nb;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->wait_for_held(1, "a write is $step");
	return $session;
}

# Pass when so many stand still.
sub wait_for_held
{
	my ($self, $count, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($self->{proxy}, 'postgres', "SELECT count(*) = $count FROM pg_locks WHERE locktype = 'advisory' AND objid = 1818 AND NOT granted", $name);
}

# ---- What befalls servers ---------------------------------------------------

# As a machine that loses its power: the postmaster and all its processes at once.
sub kill9
{
	my ($self, $node) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /\A(\d+)/;
	my @children = children($postmaster);

	$node->kill9;
	kill KILL => @children, children($postmaster);

	# A server does not start while one of the old processes has its shared memory.
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	while (grep { kill 0 => $_ } @children)
	{
		die "processes of a killed server stay\n" if time() > $end;
		usleep(5_000);
	}
	return;
}

sub children
{
	my ($parent) = @_;
	my @children;

	for my $file (glob '/proc/[0-9]*/stat')
	{
		open my $handle, '<', $file or next;
		my $line = <$handle> // next;
		push @children, $file =~ m{(\d+)} if $line =~ /\) \S $parent /;
	}
	return @children;
}

# A running standby of a server, and it has all that the server had when it was called.
sub standby
{
	my ($self, $node, $conf) = @_;
	my $name = $node->name . '_standby' . ++$self->{standbys};
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$node->backup($name);
	$standby->init_from_backup($node, $name, has_streaming => 1);
	$standby->append_conf('postgresql.conf', $conf) if $conf;
	$standby->start;
	$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
	return $standby;
}

# A shard is on another server from now on, which the proxy has been told.
sub now_at
{
	my ($self, $shard, $node, $database) = @_;

	$self->{at}[$shard] = [ $node, $database // $self->{at}[$shard][1] ];
	return;
}

# Tell the proxy that a shard is on another server from now on.
sub repoint
{
	my ($self, $shard, $node, $database) = @_;

	$self->now_at($shard, $node, $database);
	$self->query(sprintf "SELECT mvstore_cluster_repoint(%d, '%s')", $shard, $self->address($shard));
	return;
}

# All shards of a server are on another one, as when its standby has taken over.
sub repoint_all
{
	my ($self, $from, $to) = @_;

	$self->repoint($_, $to) for $self->shards_of($from);
	$_ = $_ == $from ? $to : $_ for @{ $self->{servers} };
	return;
}

sub stop
{
	my ($self) = @_;
	$_->stop for $self->{proxy}, @{ $self->{servers} };
	return;
}

1;
