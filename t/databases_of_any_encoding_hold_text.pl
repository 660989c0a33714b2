# Text is UTF-8 in a store, whatever the encoding of the database.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mvstore_node('encodings', init => [ extra => [ '--encoding=UTF8', '--locale=C' ] ]);

for my $encoding ('LATIN1', 'EUC_JP', 'SQL_ASCII')
{
	my $database = lc $encoding;
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, 'CREATE EXTENSION mvstore');
	$node->safe_psql($database, q{SELECT mvstore_create('s')});
}

# a umlaut and o umlaut are one byte in LATIN1, two in UTF-8.
$node->safe_psql('latin1', q{SELECT mvstore_put('s', convert_from('\xe4', 'LATIN1'), convert_from('\xf6', 'LATIN1'))});
is($node->safe_psql('latin1', 'SELECT key, value FROM s'), '\xc3a4|\xc3b6', 'LATIN1: what is stored is UTF-8');
is($node->safe_psql('latin1', q{SELECT convert_to(mvstore_get('s', convert_from('\xe4', 'LATIN1')), 'LATIN1')}), '\xf6', 'what is read is LATIN1');
is($node->safe_psql('latin1', q{SELECT mvstore_get_raw('s', '\xc3a4'::bytea)}), '\xc3b6', 'bytes are bytes');
is($node->safe_psql('latin1', q{SELECT convert_to(key || value, 'LATIN1') FROM mvstore_scan_prefix('s', convert_from('\xe4', 'LATIN1'))}),
	'\xe4f6', 'a scan gives LATIN1');
is($node->safe_psql('latin1', q{SELECT convert_to(value, 'LATIN1') FROM mvstore_history('s', convert_from('\xe4', 'LATIN1'))}), '\xf6', 'so does history');
$node->safe_psql('latin1', q{SELECT mvstore_put_raw('s', 'euro'::bytea, '\xe282ac'::bytea)});
my ($state) = sqlstate_of($node, 'latin1', q{SELECT mvstore_get('s', 'euro');});
is($state, '22P05', 'text that LATIN1 cannot say is an error, not a question mark');
$node->safe_psql('latin1', q{SELECT mvstore_put_raw('s', 'bad'::bytea, '\xe4'::bytea)});
($state) = sqlstate_of($node, 'latin1', q{SELECT mvstore_get('s', 'bad');});
is($state, '22021', 'bytes that are LATIN1, but not UTF-8, are not text');
$node->safe_psql('latin1', q{SELECT mvstore_delete('s', convert_from('\xe4', 'LATIN1'))});
is($node->safe_psql('latin1', q{SELECT mvstore_contains_raw('s', '\xc3a4'::bytea)}), 'f', 'deletes find the key');

# Equal text may be several keys in some encodings, so only bytes are filtered by the index.
$node->safe_psql('latin1', q{SELECT mvstore_put('s', convert_from('\xe5', 'LATIN1'), 'a')});
for my $case ([ q{mvstore_scan_bytea('s') WHERE key = convert_from('\xe5', 'LATIN1')}, 'text', 0 ],
	[ q{mvstore_scan_raw('s') WHERE key = '\xc3a5'}, 'bytes', 1 ])
{
	my ($scan, $what, $by_key) = @$case;
	is($node->safe_psql('latin1', "SELECT count(*) FROM $scan"), 1, "a scan filtered by $what finds the key");
	my $plan = $node->safe_psql('latin1', "EXPLAIN SELECT * FROM $scan");
	is($plan =~ /Key Cond/ ? 1 : 0, $by_key, $by_key ? 'by the index' : 'among all');
}

# hiragana a: two bytes in EUC_JP, three in UTF-8.
$node->safe_psql('euc_jp', q{SELECT mvstore_put('s', convert_from('\xa4a2', 'EUC_JP'), 'v')});
is($node->safe_psql('euc_jp', 'SELECT key FROM s'), '\xe38182', 'EUC_JP: what is stored is UTF-8');
is($node->safe_psql('euc_jp', q{SELECT mvstore_get('s', convert_from('\xa4a2', 'EUC_JP'))}), 'v', 'and found again');

# SQL_ASCII promises nothing about its bytes; the store does.
$node->safe_psql('sql_ascii', q{SELECT mvstore_put('s', 'k', 'v')});
is($node->safe_psql('sql_ascii', q{SELECT mvstore_get('s', 'k')}), 'v', 'SQL_ASCII: ASCII is text');
$node->safe_psql('sql_ascii', q{SELECT mvstore_put_raw('s', 'k'::bytea, '\xe4'::bytea)});
($state) = sqlstate_of($node, 'sql_ascii', q{SELECT mvstore_get('s', 'k');});
is($state, '22021', 'bytes that are not UTF-8 are not text');
$node->safe_psql('sql_ascii', q{SELECT mvstore_put('s', 'j', 'v')});
is($node->safe_psql('sql_ascii', q{SELECT key FROM mvstore_scan('s') WHERE key IN (E'\xe4', 'j')}), 'j',
	'a scan is filtered by any bytes');

$node->stop;
done_testing();
