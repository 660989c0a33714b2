# A library that is newer or older than the SQL objects of a database does them no
# harm: the worker says so once, keeps what is requested, and goes on when the two
# fit together again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('mismatch', conf => "mvstore.sweep_interval = '1 h'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# As a binary of another version would find it.
sub set_version { return sql("UPDATE pg_extension SET extversion = '$_[0]' WHERE extname = 'mvstore'"); }

sub waits
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres', q{SELECT worker_state = 'version mismatch' AND worker_pid IS NOT NULL FROM mvstore_stats WHERE database = 'postgres'}, $name);
}

sub log_lines { return scalar(() = slurp_file($node->logfile) =~ /LOG: .*is waiting for an update of extension "mvstore"\n.*DETAIL: .*version 1\.0 of the extension/g); }

my $entries = 'SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM p)';

sql(q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1)});
is(sql('SELECT mvstore_flush()'), 't', 'nothing is to be done');
sql('CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION mvstore; SELECT mvstore_create('p', keep_versions := 1)});

my $expected = 0;
for my $version ('0.9', '1.1')
{
	set_version($version);
	$node->restart;
	waits("with SQL objects of version $version the worker waits");
	is(log_lines(), ++$expected, 'and says so in the log');

	my $worker = worker_pid($node, 'postgres');
	my ($status, $out, $err) = $node->psql('postgres',
		join("\n", map { "SELECT mvstore_put('s', 'k', 'v$_'), mvstore_put('p', 'k', 'v$_'); SELECT mvstore_drop('s', 'k');" } 1 .. 3));
	is($status, 0, 'writes and requests work');
	is(scalar(() = $err =~ /WARNING: /g), 1, 'whoever requests is warned once');
	like($err, qr/different versions\n.*\n.*HINT: .*ALTER EXTENSION mvstore UPDATE/, 'and told what to do');
	is(sql(q{SELECT mvstore_flush('100 ms')}), 'f', 'mvstore_flush does not say done') for (1 .. 3);
	is(sql($entries), '3|3', 'nothing is dropped');
	is(sql(q{SELECT count(*) FILTER (WHERE store = 's'::regclass), count(*) FILTER (WHERE store = 'p'::regclass) FROM mvstore_requests}), '3|2', 'the requests are kept');
	stays($node, 'postgres', "SELECT worker_pid = $worker FROM mvstore_stats WHERE database = 'postgres'", 'the worker does not start over and over');
	is(log_lines(), $expected, 'and has said all it had to say');

	$node->safe_psql('other', qq{SELECT mvstore_put('p', 'k', 'v$_')}) for (1, 2);
	is($node->safe_psql('other', 'SELECT mvstore_flush()'), 't', 'other databases are served');
	is(entries_of($node, 'other', 'p'), 1, 'as ever');

	# Over a restart, of either kind.
	$node->stop($version eq '0.9' ? 'fast' : 'immediate');
	$node->start;
	waits('after a restart it waits again');
	is(log_lines(), ++$expected, 'and says so');
	is(sql($entries), '3|3', 'nothing is dropped');

	set_version('1.0');
	is(sql('SELECT mvstore_flush()'), 't', 'when versions fit again, all is worked off');
	is(sql($entries), '1|1', 'and done');
	is(sql(q{SELECT count(*) FROM mvstore_requests}), 0, 'nothing is left');
	unlike(slurp_file($node->logfile), qr/(?:ERROR|FATAL|PANIC):  (?!terminating)/, 'nothing has gone wrong on the way');
	sql('TRUNCATE s; TRUNCATE p');
}

# A worker that waits is in nobody's way: neither of an end, nor of DROP EXTENSION,
# nor of DROP DATABASE.
set_version('0.9');
sql('SELECT pg_terminate_backend(' . worker_pid($node, 'postgres') . ')');
waits('once more');
my $worker = worker_pid($node, 'postgres');
sql("SELECT pg_terminate_backend($worker)");
wait_until($node, 'postgres', "SELECT worker_pid <> $worker FROM mvstore_stats WHERE database = 'postgres'", 'it can be ended, and another one comes');
waits('which waits');
sql('CREATE DATABASE copy TEMPLATE postgres');
$node->safe_psql('copy', 'SELECT count(*) FROM mvstore_requests');
wait_until($node, 'copy', q{SELECT worker_state = 'version mismatch' FROM mvstore_stats WHERE database = 'copy'}, 'in a copy of the database, too');
sql('DROP DATABASE copy');
ok(1, 'a database whose worker waits can be dropped');
sql('DROP EXTENSION mvstore CASCADE');
sql('CREATE EXTENSION mvstore');
sql(q{SELECT mvstore_create('anew', keep_versions := 1)});
sql(qq{SELECT mvstore_put('anew', 'k', 'v$_')}) for (1, 2);
is(sql('SELECT mvstore_flush()'), 't', 'with the extension created anew there is a worker that works');
is(entries_of($node, 'postgres', 'anew'), 1, 'as ever');

$node->stop;
done_testing();
