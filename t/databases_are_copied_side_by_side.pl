# Two copies of one template may be made at the same time: when the first command
# ends, whichever way, the second one still has the template for itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('side', conf => "fsync = off\nmvstore.sweep_interval = '1 h'");

sub sql { return $node->safe_psql(@_); }

sql('postgres', 'CREATE DATABASE t');
sql('t', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s', keep_versions := 1)});
sql('postgres', "CREATE ROLE owner_of_$_") for ('first', 'second', 'third');

# New databases are to have an owner: to look for it the commands wait for this lock,
# when the worker has gone for them, and before they have locked the template.
my $owners = $node->background_psql('postgres');
my %maker = map { $_ => $node->background_psql('postgres', on_error_stop => 0) } ('first', 'second', 'third');
my %pid = map { $_ => $maker{$_}->query_safe('SELECT pg_backend_pid()') } keys %maker;
my $worker = worker_pid($node, 't');
$owners->query_safe('SELECT pg_backend_pid(), count(*) FROM pg_stat_activity; BEGIN; LOCK TABLE pg_authid IN ACCESS EXCLUSIVE MODE');

sub wait_for
{
	my ($condition, $name) = @_;
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
	my $answer;

	do { $answer = $owners->query_safe("SELECT pg_stat_clear_snapshot(); SELECT 'answer ' || ($condition)"); }
	  until ($answer =~ /answer t/ || time() > $deadline);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like($answer, qr/answer t/, $name);
}

sub workers { return q{(SELECT count(*) FROM pg_stat_activity WHERE datname = 't')}; }

for my $who ('first', 'second', 'third')
{
	$maker{$who}->query_until(qr/begun/, "\\echo begun\nCREATE DATABASE $who TEMPLATE t OWNER owner_of_$who;\n");
	wait_for("EXISTS (SELECT FROM pg_locks WHERE pid = $pid{$who} AND NOT granted AND relation = 'pg_authid'::regclass)",
		"the $who command has begun");
}
wait_for("${\ workers()} = 0", 'the worker has gone for them');

# One is cancelled, one terminated. Somebody wants a worker all the while.
$owners->query_safe("SELECT pg_cancel_backend($pid{first}), pg_terminate_backend($pid{second})");
wait_for("NOT EXISTS (SELECT FROM pg_locks WHERE pid IN ($pid{first}, $pid{second}) AND NOT granted)", 'two of them end');
wait_for("NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid{second})", 'one for good');
for (1 .. 20)
{
	last if $owners->query_safe("SELECT pg_stat_clear_snapshot(); SELECT 'workers ' || ${\ workers()}") !~ /workers 0/;
	Time::HiRes::usleep(25_000);
}
like($owners->query_safe("SELECT pg_stat_clear_snapshot(); SELECT 'workers ' || ${\ workers()}"), qr/workers 0/, 'no worker comes under the third');
$owners->query_safe('COMMIT');
$owners->quit;
$maker{third}->query('SELECT 1');
is(sql('postgres', q{SELECT string_agg(datname, ' ') FROM pg_database WHERE datname IN ('first', 'second', 'third')}), 'third', 'which makes its copy');
for my $database ('t', 'third')
{
	sql($database, qq{SELECT mvstore_put('s', 'k', '$_')}) for (1, 2);
	is(sql($database, 'SELECT mvstore_flush(); SELECT count(*) FROM s'), "t\n1", "$database: a worker comes again");
}
$maker{$_}->quit for ('first', 'third');
eval { $maker{second}->quit };

$node->stop;
done_testing();
