# ALTER EXTENSION mvstore UPDATE, to a next version of which t/lib/ has the script, on a
# server in use: stores, their past, pins and requests come along. With files that do not fit
# together yet, it is refused, and drops wait; nothing is lost by any order of the steps.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Basename qw(dirname);
use File::Copy qw(copy);
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# An installation of its own, in which the files can be exchanged: the programs copied, as they
# find the rest from where they are, and that linked.
my $top = PostgreSQL::Test::Utils::tempdir() . '/pg';
my %dir;
for my $what (qw(bindir sharedir pkglibdir))
{
	chomp(my $from = `pg_config --$what`);
	$dir{$what} = $top . $from;
	system_or_bail('mkdir', '-p', $dir{$what});
	system_or_bail('cp', $what eq 'bindir' ? '-r' : '-rs', "$from/.", $dir{$what});
}

sub exchange
{
	my ($file, $contents) = @_;

	unlink $file;
	open(my $handle, '>:raw', $file) or die "$file: $!";
	print $handle $contents;
	close $handle or die "$file: $!";
}

# The files of the next version. Its library is this one, but for the version that it goes with.
my $extension = "$dir{sharedir}/extension";
my $library = "$dir{pkglibdir}/mvstore.so";
my $old_library = slurp_file($library);
my $next_library = $old_library;
my $next_control = slurp_file("$extension/mvstore.control") =~ s/(default_version = )'1\.0'/$1'1.1'/r;
is(scalar($next_library =~ s/1\.0(?=\0{13})/1.1/g), 1, 'the library says in one place, of 16 bytes, which version it goes with');

my $node = PostgreSQL::Test::Cluster->new('next', install_path => dirname($dir{bindir}));
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'mvstore'
mvstore.sweep_interval = '1 h'
autovacuum = off
fsync = off
CONF
$node->start;

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

sub version { return sql(q{SELECT extversion FROM pg_extension WHERE extname = 'mvstore'}, @_); }

my $members = q{SELECT string_agg(pg_describe_object(classid, objid, objsubid), E'\n' ORDER BY pg_describe_object(classid, objid, objsubid) COLLATE "C")
	FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	 AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mvstore')};

# In two databases: a store with a past that is gone in part, and a pin that has requests wait;
# one with a policy; one to be used meanwhile.
sql('CREATE DATABASE other');
my %past;
for my $database ('postgres', 'other')
{
	sql('CREATE EXTENSION mvstore', $database);
	sql(q{SELECT mvstore_create('s'), mvstore_create('p', keep_versions := 1), mvstore_create('used')}, $database);
	sql(qq{SELECT mvstore_put('s', 'k', 'v$_')}, $database) for (1 .. 3);
	sql(q{SELECT mvstore_drop('s', 'k', keep := 2)}, $database);
	is(sql('SELECT mvstore_flush()', $database), 't', "$database: some history is dropped");
	$past{$database} = sql(q{SELECT mvstore_pin('report', store := 's')}, $database);
	sql(qq{SELECT mvstore_put(store, 'k', 'v$_') FROM unnest('{s,p}'::regclass[]) store}, $database) for (4 .. 6);
	sql(q{SELECT mvstore_drop('s', 'k')}, $database);
	wait_until($node, $database, q{SELECT requests_held = 1 FROM mvstore_stats WHERE database = current_database()}, "$database: a request waits for the pin");
}

# New files beside the old library, which the server still runs: the update is refused, and a
# worker that runs goes on as it did.
copy("$FindBin::RealBin/lib/mvstore--1.0--1.1.sql", $extension) or die "could not copy: $!";
exchange("$extension/mvstore.control", $next_control);
my $worker = worker_pid($node, 'postgres');
my ($state, $message) = sqlstate_of($node, 'postgres', 'ALTER EXTENSION mvstore UPDATE;');
is($state, '55000', 'an update that the loaded library does not know is refused');
like($message, qr/ERROR: .* to version 1\.1\n.*DETAIL: .* goes with version 1\.0\.\n.*HINT: .*Restart the server/s, 'and told what to do first');
is(version(), '1.0', 'the SQL objects stay');
sql(qq{SELECT mvstore_put('used', 'k', 'v$_')}) for (1 .. 3);
sql(q{SELECT mvstore_drop('used', 'k')});
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM used', 'drops go on');
is(worker_pid($node, 'postgres'), $worker, 'by the same worker');

# The new library with the old SQL objects: what is requested waits, the rest works.
exchange($library, $next_library);
$node->restart;
for my $database ('postgres', 'other')
{
	wait_until($node, $database, q{SELECT worker_state = 'version mismatch' FROM mvstore_stats WHERE database = current_database()}, "$database: the worker waits for the update");
	sql(qq{SELECT mvstore_put('used', 'k', 'w$_')}, $database) for (1 .. 3);
	my (undef, undef, $err) = $node->psql($database, q{SELECT mvstore_drop('used', 'k', keep := 2)});
	like($err, qr/WARNING: .*different versions\n.*HINT: .*ALTER EXTENSION mvstore UPDATE/s, "$database: who requests is told so");
}

# The update, while somebody writes.
my $writer = $node->background_psql('postgres', on_error_stop => 1);
$writer->query_safe(q{BEGIN; SELECT mvstore_put('used', 'j', 'open')});
sql('BEGIN; ALTER EXTENSION mvstore UPDATE; ROLLBACK');
is(version(), '1.0', 'rolled back, the update has not happened');
sql('ALTER EXTENSION mvstore UPDATE');
is(version(), '1.1', 'then it has');
$writer->query_safe('COMMIT');
$writer->quit;
sql(q{SELECT mvstore_flush('1 ms')});
wait_until($node, 'postgres', q{SELECT count(*) = 2 FROM used WHERE key = 'k'}, 'the worker goes on, when somebody asks for it');
is(sql(q{SELECT mvstore_get('used', 'j'), mvstore_remark('used')}), 'open|is older', 'whoever wrote has written');
is(sql(q{SELECT count(*) FROM mvstore_history('s', 'k')}), 5, 'what waits for the pin still does');
is(sql(qq{SELECT mvstore_get('s', 'k', as_of := $past{postgres})}), 'v3', 'and the past is there');
($state) = sqlstate_of($node, 'postgres', q{SELECT mvstore_get('s', 'k', as_of := 1);});
is($state, '72000', 'what is gone is known to be gone');
sql(q{SELECT mvstore_unpin('report')});
is(sql('SELECT mvstore_flush()'), 't', 'without the pin, all is done');
is(sql(q{SELECT string_agg(value, ' ') FROM mvstore_history('s', 'k')}), 'v6', 'as was asked for');
sql(qq{SELECT mvstore_put('p', 'k', 'v$_')}) for (7 .. 9);
is(sql('SELECT mvstore_flush()'), 't', 'policies go on');
is(entries_of($node, 'postgres', 'p'), 1, 'as ever');

# The other database is one by itself, and has nothing lost by waiting longer.
is(version('other'), '1.0', 'another database is not updated along');
is(sql(q{SELECT worker_state FROM mvstore_stats WHERE database = 'other'}, 'other'), 'version mismatch', 'its worker waits');
sql(q{SELECT mvstore_unpin('report')}, 'other');
sql('ALTER EXTENSION mvstore UPDATE', 'other');
is(sql('SELECT mvstore_flush()', 'other'), 't', 'updated, all is done there');
is(sql(q{SELECT count(*) FROM mvstore_history('s', 'k')}, 'other') . entries_of($node, 'other', 'p') . entries_of($node, 'other', 'used'), '112', 'as was asked for');

# What is updated is what would be created.
sql('CREATE DATABASE anew');
sql('CREATE EXTENSION mvstore', 'anew');
is(version('anew'), '1.1', 'a new database has the new version');
is(sql($members, 'anew'), sql($members), 'and the same objects');

# The old library again, with the new SQL objects: drops wait, and say why; the rest works.
exchange($library, $old_library);
$node->restart;
wait_until($node, 'postgres', q{SELECT worker_state = 'version mismatch' FROM mvstore_stats WHERE database = 'postgres'}, 'with the old library the worker waits');
like(slurp_file($node->logfile), qr/LOG: .*is waiting for an update of extension "mvstore"\n.*DETAIL: .*version 1\.0 of the extension/, 'and says so');
sql(qq{SELECT mvstore_put('used', 'back', 'v$_')}) for (1 .. 3);
my (undef, undef, $told) = $node->psql('postgres', q{SELECT mvstore_drop('used', 'back')});
like($told, qr/WARNING: .*different versions\n.*HINT: .*where the library is the older one, install the newer one/s, 'and who requests is told what to do');
is(sql('SELECT count(*) FROM used WHERE key = $$back$$'), 3, 'nothing is dropped');
is(sql(q{SELECT mvstore_get('used', 'back')}), 'v3', 'and reads go on');
exchange($library, $next_library);
$node->restart;
is(sql('SELECT mvstore_flush()'), 't', 'with the new one again, what waited is done');
is(sql('SELECT count(*) FROM used WHERE key = $$back$$'), 1, 'as was asked for');

unlike(slurp_file($node->logfile), qr/(?:FATAL|PANIC):  (?!terminating)/, 'no process has failed on the way');
$node->stop;
done_testing();
