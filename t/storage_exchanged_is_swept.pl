# A store that has got other storage is looked at once from end to end, as what was
# dropped may be back in it: also one that nobody uses. What begins a life anew, or
# changes nothing, costs no pass.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('exchanged', conf => "mvstore.sweep_interval = '1 h'\nfsync = off");

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $tablespace = PostgreSQL::Test::Utils::tempdir();
sql("CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
sql(q{SELECT mvstore_create('s'), mvstore_create('other')});
is(sql('SELECT mvstore_flush()'), 't', 'the worker has nothing to do');

# How many passes a command makes.
sub passes
{
	my ($command) = @_;
	my $before = sql(q{SELECT sweeps FROM mvstore_stats WHERE database = 'postgres'});

	sql($command);
	die 'not flushed' if sql('SELECT mvstore_flush()') ne 't';
	return sql("SELECT sweeps - $before FROM mvstore_stats WHERE database = 'postgres'");
}

my $use = q{SELECT mvstore_put('s', 'k', 'v'), mvstore_drop('s', 'k')};
is(passes($use), 0, 'a store that was just made needs no pass');
is(passes('VACUUM FULL s'), 1, 'VACUUM FULL: one of that store');
is(passes('VACUUM (FULL false) s'), 0, 'VACUUM: none');
is(passes('CLUSTER s USING s_key_version_idx'), 1, 'CLUSTER: one');
is(passes('CLUSTER'), 1, 'of all that are clustered: one');
is(passes('BEGIN; CLUSTER s; ROLLBACK'), 0, 'rolled back: none');
is(passes('REINDEX TABLE s'), 0, 'REINDEX: none');
is(passes('VACUUM FULL'), 2, 'VACUUM FULL of all: both stores');
is(passes($use), 0, 'and no more for it');
is(passes('TRUNCATE s'), 0, 'TRUNCATE: none');
is(passes($use), 0, 'nor later');
is(passes(q{SELECT mvstore_clear('s')}), 0, 'mvstore_clear: none');
is(passes($use), 0, 'nor later');

# Where nobody tells, it is seen when the worker opens the store.
sub seen_when_used
{
	my ($command, $name) = @_;
	my $before = sql(q{SELECT sweeps FROM mvstore_stats WHERE database = 'postgres'});

	sql($command);
	sql($use);
	return wait_until($node, 'postgres', "SELECT sweeps = $before + 1 FROM mvstore_stats WHERE database = 'postgres'", $name);
}
seen_when_used('ALTER TABLE s SET TABLESPACE elsewhere', 'SET TABLESPACE: one when the store is used');
seen_when_used('ALTER TABLE s ADD COLUMN n float DEFAULT random()', 'a rewriting ALTER TABLE: likewise');
is(passes($use), 0, 'once');

# Or looks at what has become old: here, when nothing needs it any more.
sql(q{SELECT mvstore_create('aged', keep_for := '0 s'); SELECT mvstore_pin('mine', store := 'aged')});
sql(q{SELECT mvstore_put('aged', 'k', 'v')}) for 1, 2;
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM mvstore_calendar}, 'what is superseded waits for a pin');
$use = q{SELECT mvstore_unpin('mine')};
seen_when_used('ALTER TABLE aged SET TABLESPACE elsewhere', 'SET TABLESPACE: one when the pin has gone');
is(sql('SELECT count(*) FROM aged'), 1, 'and what it kept has gone');

# Of a key that had many entries the worker remembers where the oldest was found. A copy of the table has those below
# again: if they were passed by, what is dropped next would leave a hole above them. (An old snapshot keeps what was dropped in
# the index; and plain SQL makes the copy.)
my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
my $insert = q{INSERT INTO copied (key, version, value) SELECT 'k', v, convert_to(v::text, 'UTF8') FROM generate_series(1, 50) v};
my $next = q{SELECT mvstore_put('copied', 'k', 'v')};
my $drop = q{SELECT mvstore_drop('copied', 'k'); SELECT 1 / mvstore_flush()::int};
sql("SELECT mvstore_create('copied'); $insert; $drop");
my $kept = sql($next);
sql($drop);
is(sql('SELECT count(*) FROM copied'), 1, 'what is superseded goes');
sql("BEGIN; ALTER TABLE copied SET TABLESPACE elsewhere; $insert; COMMIT");
sql("$next; $drop");
is(sql('SELECT count(*) FROM copied'), 1, 'it goes again where other storage has it again');
my ($ret, $out, $err) = $node->psql('postgres', "SELECT mvstore_get('copied', 'k', $kept)");
is("$ret $out", '3 ', 'and a read of the past says that it is gone');
$old->query_safe('COMMIT');
$old->quit;

# What was begun before a restart is kept; what was told while nothing ran, too.
sql('SELECT mvstore_pause()');
sql('VACUUM FULL s');
$node->restart;
my $sweeps = sql(q{SELECT sweeps FROM mvstore_stats WHERE database = 'postgres'});
sql('SELECT mvstore_resume()');
wait_until($node, 'postgres', "SELECT sweeps > $sweeps FROM mvstore_stats WHERE database = 'postgres'", 'a pass outlasts a restart');

# Without rights on anything of mvstore's, and in a database without it, commands go as ever.
sql(q{CREATE ROLE stranger; CREATE SCHEMA open AUTHORIZATION stranger; CREATE SCHEMA closed;
      CREATE TABLE closed.t (i int); ALTER TABLE closed.t OWNER TO stranger;
      CREATE FUNCTION open.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; ALTER FUNCTION open.f() OWNER TO stranger;
      CREATE TRIGGER t BEFORE INSERT ON closed.t FOR EACH ROW EXECUTE FUNCTION open.f()});
is(sql('SET ROLE stranger; DROP FUNCTION open.f() CASCADE; SELECT count(*) FROM pg_trigger WHERE tgname = $$t$$'), '0',
	'a trigger goes whose table is out of reach');
$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('bare', 'CREATE TABLE t (i int PRIMARY KEY)');
is($node->safe_psql('bare', $_ . '; SELECT 1'), '1', "without the extension: $_") for ('CLUSTER t USING t_pkey', 'DROP TABLE t');
$node->safe_psql('bare', 'VACUUM FULL');

$node->stop;
done_testing();
