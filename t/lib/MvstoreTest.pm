# What the TAP tests of mvstore share: servers that preload it, waiting for a
# condition, and watching that a condition stays.

package MvstoreTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(mvstore_node move_node wait_until catch_when stays sqlstate_of worker_pid entries_of page_of);

# A psql that does not come back, as behind a standby that stands still, is a failure with a name.
{
	no warnings 'redefine';
	my $psql = \&PostgreSQL::Test::Cluster::psql;
	*PostgreSQL::Test::Cluster::psql = sub {
		my ($node, $database, $sql, %how) = @_;

		$how{timeout} //= 2 * $PostgreSQL::Test::Utils::timeout_default unless $ENV{MVSTORE_TEST_MINUTES};
		return $psql->($node, $database, $sql, %how);
	};
}

# A fast stop may have much to write.
$ENV{PGCTLTIMEOUT} //= $PostgreSQL::Test::Utils::timeout_default;

# A running server with the extension in database postgres. Of %params: conf is
# text for postgresql.conf, init a list of arguments of the node's init(), place a directory
# for its data elsewhere.
sub mvstore_node
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	move_node($node, $params{place});
	$node->init(@{ $params{init} // [] });
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'mvstore'
autovacuum = off
log_min_messages = info
${\ ($params{conf} // '')}
CONF
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION mvstore');
	return $node;
}

# Give a node that has no data yet another place for them, if one is given.
sub move_node
{
	my ($node, $place) = @_;

	return unless defined $place;
	mkdir($place) && rmdir($node->basedir) && symlink($place, $node->basedir) or die "$place: $!";
}

# Pass when the query answers 't' within the deadline of all TAP tests.
sub wait_until
{
	my ($node, $database, $query, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($node->poll_query_until($database, $query), $name);
}

# Return as soon as the query answers 't', to be in the midst of something.
sub catch_when
{
	my ($node, $database, $query) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;

	until ($node->safe_psql($database, $query) eq 't')
	{
		die "it never came to: $query\n" if time() > $end;
		usleep(100);
	}
	return;
}

# Pass when the query answers 't' for as long as a prompt server would take many
# times over to change it. What must not happen cannot be waited for.
sub stays
{
	my ($node, $database, $query, $name) = @_;
	my $end = time() + 0.5;
	my $answer;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	do
	{
		$answer = $node->safe_psql($database, $query);
		return is($answer, 't', $name) if $answer ne 't';
		usleep(20_000);
	} while (time() < $end);
	return is($answer, 't', $name);
}

# The SQLSTATE that a statement fails with, and its whole error text; an empty
# SQLSTATE if it does not fail.
sub sqlstate_of
{
	my ($node, $database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\n$sql");
	my ($state) = $err =~ /(?:ERROR|FATAL):  (\w{5}):/;

	return ($state // '', $err);
}

# The process id of the database's drop worker, once there is one.
sub worker_pid
{
	my ($node, $database) = @_;
	my $worker = "mvstore_stats WHERE database = '$database' AND worker_pid IS NOT NULL";

	$node->poll_query_until($database, "SELECT count(*) = 1 FROM $worker")
	  or die "no worker for $database";
	return $node->safe_psql($database, "SELECT worker_pid FROM $worker");
}

# How many entries a store has.
sub entries_of
{
	my ($node, $database, $store) = @_;

	return $node->safe_psql($database, "SELECT count(*) FROM $store");
}

# A page of a table: what it holds, and put something else in its place.
sub page_of
{
	my ($path, $number, $new) = @_;

	open(my $file, '+<:raw', $path) or die "$path: $!";
	seek($file, $number * 8192, 0) or die "$path: $!";
	read($file, my $old, 8192) == 8192 or die "$path: short";
	if (defined $new)
	{
		seek($file, $number * 8192, 0) or die "$path: $!";
		print $file $new;
	}
	close($file) or die "$path: $!";
	return $old;
}

1;
