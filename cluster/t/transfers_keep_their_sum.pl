# Money that is moved between accounts on many shards is neither made nor lost: as of any stable version the sum is what
# it was, while the proxy and servers of shards are killed under load; and in the end nothing is in doubt.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use MvstoreCluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $cluster = MvstoreCluster->new('sum', shards => 4, servers => 2, proxy_conf => 'restart_after_crash = on');
my $proxy = $cluster->proxy;
my $accounts = 12;
my $total = $accounts * 1000;

$cluster->query(<<"SQL");
SELECT mvstore_create('balance');
SELECT mvstore_put_many('balance', ARRAY(SELECT 'a' || n FROM generate_series(1, $accounts) n), array_fill('1000'::text, ARRAY[$accounts]));
SQL

# Each teller has accounts of its own, so that it alone reads and writes them.
sub start_teller
{
	my ($number) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/teller$number.sql";
	my $script = "SET mvstore_cluster.lock_timeout = '5 s';\n";
	for (1 .. 400)
	{
		my ($from, $to) = map { 'a' . ($number * 3 + 1 + $_) } (sort { rand() <=> 0.5 } 0 .. 2)[ 0, 1 ];
		$script .= "SELECT mvstore_put_many('balance', '{$from,$to}', ARRAY[(mvstore_get('balance', '$from')::int - 7)::text, (mvstore_get('balance', '$to')::int + 7)::text]);\n";
	}
	append_to_file($file, $script);
	my $teller = { err => '', out => '' };
	$teller->{run} = IPC::Run::start([ qw(psql -X -q -A -t -d), $proxy->connstr('postgres'), '-f', $file ], '<', \undef, '>', \$teller->{out}, '2>', \$teller->{err});
	return $teller;
}

# Sums as of versions that were stable, each read twice: once at once, once at the end.
my (@versions, @wrong);
sub look
{
	my ($status, $out) = $proxy->psql('postgres', "SELECT mvstore_stable_version() AS v \\gset\nSELECT :v, sum(value::int), count(*) FROM mvstore_scan('balance', as_of => :v)");
	return 0 if $out !~ /^(\d+)\|(.*)$/;
	push @versions, $1;
	push @wrong, "$1: $2" if $2 ne "$total|$accounts";
	return 1;
}

sub until_it_answers
{
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	until (eval { look() })
	{
		die "the cluster does not answer any more\n" if time() > $end;
		usleep(20_000);
	}
	return;
}

my $moved = 0;
for my $strike ('', 'shards', 'coordinator', 'proxy')
{
	my @tellers = map { start_teller($_) } 0 .. 3;
	look() for 1 .. 4;
	if ($strike eq 'shards')
	{
		$cluster->kill9($cluster->server(1));
		usleep(50_000);
		$cluster->server(1)->start;
	}
	elsif ($strike eq 'coordinator')
	{
		my $pid = $cluster->query("SELECT pid FROM pg_stat_activity WHERE query LIKE '%put_many%' AND pid <> pg_backend_pid() AND backend_type = 'client backend' LIMIT 1");
		kill KILL => $pid if $pid;
	}
	elsif ($strike eq 'proxy') { $proxy->stop('immediate'); $proxy->start }
	until_it_answers() for 1 .. 4;
	for (@tellers)
	{
		eval { $_->{run}->signal('TERM') } if $strike;
		eval { $_->{run}->finish };
		$moved += () = $_->{out} =~ /^\d+$/mg;
	}
}
$cluster->query('SELECT mvstore_cluster_recover()');
until_it_answers();
is(join("\n", @wrong), '', 'the sum is what it was as of ' . @versions . " stable versions, over $moved transfers");
ok($moved > 100, 'and there were transfers');
my $again = join ' + ', map { "(SELECT count(*) FROM (SELECT sum(value::int) AS s FROM mvstore_scan('balance', as_of => $_)) x WHERE s <> $total)" } @versions;
is($cluster->query("SELECT $again"), 0, 'and so it is later');
is($cluster->query('SELECT count(*) FROM mvstore_cluster_in_doubt'), 0, 'nothing is in doubt');
is($cluster->query("SELECT count(*) FROM mvstore_cluster_pending WHERE state <> 'aborted'"), 0, 'and no decision left over');
$cluster->stop;
done_testing();
