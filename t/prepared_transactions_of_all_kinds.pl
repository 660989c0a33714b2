# Whatever a transaction has asked for, prepared it comes to its end as if it had been
# committed: more than the queue holds, what is not durable, the TRUNCATE of a store; over a
# restart, ended by another role, in each database its own. Where a server allows no
# prepared transactions, nothing is left of the try.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('prepared', conf => <<'CONF');
max_prepared_transactions = 10
mvstore.queue_size = 8
mvstore.sweep_interval = '1 h'
fsync = off
CONF
my $many = "'{a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t}', '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}'";

sub sql { return $node->safe_psql('postgres', $_[0]); }

# How many entries the stores have once all is worked off, and that nothing is left of it.
sub left
{
	return sql(q{SELECT mvstore_flush('1 min')}) . ' ' . sql(<<'SQL');
SELECT (SELECT count(*) FROM kept) || ' ' || (SELECT count(*) FROM s) || ' ' ||
       (SELECT count(*) FROM mvstore_journal) || ' ' || (SELECT count(*) FROM mvstore_prepared)
SQL
}

sql(q{SELECT mvstore_create('s'), mvstore_create('kept', keep_versions => 1)});
sql("SELECT mvstore_put_many('kept', $many)") for 1, 2;
is(left(), 't 20 0 0 0', 'at first');

# More than the queue holds, of a policy: the store is looked at whole. And more than one.
sub prepare_many
{
	my ($gid, $more) = @_;
	sql("BEGIN; SELECT mvstore_put_many('kept', $many); $more; PREPARE TRANSACTION '$gid'");
}
prepare_many('many', '');
is(left(), 't 20 0 0 0', 'nothing of it is there while it is prepared');
sql(q{COMMIT PREPARED 'many'});
is(left(), 't 20 0 0 0', 'more than the queue holds, of a policy');
prepare_many('back', '');
sql(q{ROLLBACK PREPARED 'back'});
is(sql(q{SELECT mvstore_flush('1 min')}), 't', 'rolled back, nothing waits');
prepare_many('restart', '');
$node->restart;
sql(q{COMMIT PREPARED 'restart'});
is(left() =~ s/\d+/kept/r, 't kept 0 0 0', 'the same over a restart');
is(sql("SELECT max(n) FROM (SELECT count(*) AS n FROM kept GROUP BY key) t"), 1, 'of each key one version is left');

# More that somebody asks for; not durable, where a commit would not write them down.
sql("SELECT mvstore_put_many('s', $many)") for 1 .. 3;
sql(<<"SQL");
BEGIN;
SET LOCAL mvstore.durable_drops = off;
SELECT mvstore_drop('s', k, keep => 2) FROM unnest('{a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t}'::text[]) k;
PREPARE TRANSACTION 'asked';
SQL
is(left() =~ s/(?<=t )\d+/kept/r, 't kept 60 0 0', 'nobody has asked yet');
$node->stop('immediate');
$node->start;
sql(q{COMMIT PREPARED 'asked'});
is(left() =~ s/(?<=t )\d+/kept/r, 't kept 40 0 0', 'more than the queue holds, that somebody asks for, after a crash');

# Another role ends it; a third one may not.
sql('CREATE ROLE writer LOGIN; CREATE ROLE stranger LOGIN');
sql('GRANT SELECT, INSERT, UPDATE, DELETE ON s TO writer');
my $as = sub { my ($role, $text) = @_; return $node->psql('postgres', "SET SESSION AUTHORIZATION $role; $text"); };
is($as->('writer', "BEGIN; SELECT mvstore_put('s', 'of role', 'v') \\g /dev/null\nPREPARE TRANSACTION 'role'"), 0, 'a role prepares');
isnt($as->('stranger', "\\set ON_ERROR_STOP 1\nCOMMIT PREPARED 'role'"), 0, 'a stranger may not commit it');
is(sql(q{SELECT name FROM mvstore_blockers WHERE kind = 'prepared'}), 'role', 'and it is there as before');
sql(q{COMMIT PREPARED 'role'});
is(sql(q{SELECT mvstore_get('s', 'of role')}), 'v', 'a superuser does');

# A TRUNCATE over a restart: the past is there till the commit, and then it is not.
my $version = sql('SELECT mvstore_stable_version()');
sql(q{BEGIN; TRUNCATE s; SELECT mvstore_put('s', 'after', 'v'); PREPARE TRANSACTION 'truncate'});
$node->restart;
cmp_ok(sql(q{SELECT coalesce(floor, 0) FROM mvstore_store_stats WHERE store = 's'::regclass}), '<=', $version, 'no floor of it is seen');
is((sqlstate_of($node, 'postgres', "SET lock_timeout = '10 ms'; SELECT mvstore_get('s', 'a')"))[0], '55P03', 'who reads waits for it');
sql(q{COMMIT PREPARED 'truncate'});
is((sqlstate_of($node, 'postgres', "SELECT mvstore_get('s', 'a', $version)"))[0], '72000', 'what was before is said to be gone');
is(left() =~ s/(?<=t )\d+/kept/r, 't kept 1 0 0', 'and is');
$version = sql('SELECT mvstore_stable_version()');
sql(q{BEGIN; TRUNCATE s; PREPARE TRANSACTION 'truncate'});
sql(q{ROLLBACK PREPARED 'truncate'});
is(sql("SELECT mvstore_get('s', 'after', $version)"), 'v', 'rolled back, all is there');

# Each database has its own: neither holds the other back, nor can end the other's.
sql('CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION mvstore; SELECT mvstore_create('s', keep_versions => 1); SELECT mvstore_put('s', 'k', 'v1')});
my $other = $node->safe_psql('other', q{BEGIN; SELECT mvstore_put('s', 'k', 'v2'); PREPARE TRANSACTION 'other'});
sql("SELECT mvstore_put_many('s', $many)");
ok(sql('SELECT mvstore_wait_stable(mvstore_current_version(), $$1 min$$)') eq 't', 'one database does not hold the other back');
isnt((sqlstate_of($node, 'postgres', q{COMMIT PREPARED 'other'}))[0], '', 'nor ends what is of the other');
is($node->safe_psql('other', 'SELECT mvstore_stable_version()'), $other - 1, 'which is as it was');
$node->safe_psql('other', q{COMMIT PREPARED 'other'});
is($node->safe_psql('other', q{SELECT mvstore_flush('1 min'), (SELECT count(*) FROM s)}), 't|1', 'and comes to its end there');

# A server that allows none.
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 0');
$node->restart;
is((sqlstate_of($node, 'postgres', q{BEGIN; SELECT mvstore_put('s', 'none', 'v'); SELECT mvstore_drop('s', 'a'); PREPARE TRANSACTION 'none'}))[0],
	'55000', 'prepared transactions are not allowed');
is(sql(q{SELECT mvstore_contains('s', 'none'), mvstore_wait_stable(mvstore_current_version(), '1 min')}), 'f|t', 'nothing holds back');
is(left() =~ s/(?<=t )\d+/kept/r, 't kept 21 0 0', 'and nothing is left of it');
$node->stop;

done_testing();
