# A procedure that rolls back takes the statement that called it along; the hook of utility
# commands, in every database of the server, must not look at it afterwards. And a function that
# is called where there is no snapshot, as by the check of a domain, takes one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('main');
$node->safe_psql('postgres', <<'SQL');
CREATE PROCEDURE p(i int) LANGUAGE plpgsql AS $$
BEGIN
  ROLLBACK;
  FOR n IN 1 .. 200 LOOP
    EXECUTE 'SELECT ' || n || ', repeat(''x'', ' || n || ')';
  END LOOP;
  COMMIT;
  ROLLBACK;
  EXECUTE 'SELECT count(*) FROM pg_class WHERE relname = ''' || i || '''';
END $$;
SQL

# With parameters its plan is for the one call.
my $script = $node->basedir . '/call.sql';
append_to_file($script, "\\set n random(1, 1000)\nCALL p(:n);\n");
for my $mode (qw(extended prepared simple))
{
	$node->command_ok([ 'pgbench', '-n', '-M', $mode, '-t', '50', '-c', '2', '-f', $script, $node->connstr('postgres') ], "calls, $mode");
}

# After a COMMIT no snapshot is active, until an expression is evaluated: the first value of a variable is none.
$node->safe_psql('postgres', q{SELECT mvstore_create('s', feed := true); SELECT mvstore_put('s', 'k', 'v'), mvstore_pin('p')});
for my $call ('mvstore_stable_version() >= 0', 'mvstore_current_version() > 0', q{mvstore_contains('s', 'k')}, q{mvstore_get('s', 'k') = 'v'},
	q{mvstore_count('s') > 0}, q{mvstore_wait_stable(1, '0')}, q{mvstore_flush('0') IS NOT NULL}, q{mvstore_put('s', 'k', 'w') > 0},
	q{mvstore_delete('s', 'none') IS NULL}, q{mvstore_drop('s', 'k') IS NOT NULL}, q{mvstore_erase('s', 'x') = 0}, q{mvstore_erase('s', 'k') > 0}, q{mvstore_put('s', 'k', 'x') + mvstore_put('s', 'k', 'y') > 0}, q{mvstore_erase_prefix('s', '') > 0}, q{mvstore_pin('q') > 0}, q{mvstore_unpin('none') IS NOT NULL},
	q{mvstore_lock('s', 'k') IS NOT NULL}, q{(SELECT count(*) FROM mvstore_stats) > 0}, q{(SELECT count(*) FROM mvstore_scan('s')) >= 0},
	q{(SELECT count(*) FROM mvstore_changes('s', mvstore_stable_version())) >= 0}, q{(SELECT count(*) FROM mvstore_requests) >= 0}, q{mvstore_pause() IS NOT NULL}, q{mvstore_resume() IS NOT NULL},
	q{mvstore_compact('s', 1) IS NOT NULL}, q{mvstore_sweep('s') IS NOT NULL}, q{mvstore_retry_failed('s') IS NOT NULL}, q{mvstore_put_many('s', '{k}', '{v}') > 0},
	q{mvstore_use_version(mvstore_current_version() + 1) IS NOT NULL}, q{mvstore_revert('s', mvstore_stable_version()) IS NOT NULL})
{
	my $expression = $call =~ /^\(SELECT/ ? 'looks()' : $call;
	my ($status, undef, $said) = $node->psql('postgres', <<"SQL");
CREATE OR REPLACE FUNCTION looks() RETURNS boolean LANGUAGE plpgsql AS \$\$ BEGIN RETURN $call; END \$\$;
CREATE DOMAIN pg_temp.d AS text CHECK ($expression IS NOT NULL);
DO \$\$ BEGIN COMMIT; DECLARE x pg_temp.d; BEGIN NULL; END; END \$\$;
SQL
	unlike($said, qr/server closed the connection/, "without a snapshot: $call") or last;
	is($said, '', '... and is answered');
}
is($node->safe_psql('postgres', 'SELECT 1'), 1, 'the server is there');
unlike(slurp_file($node->logfile), qr/was terminated by signal/, 'nobody has crashed');
$node->stop;
done_testing();
