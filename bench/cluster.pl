# Cluster: what it costs to reach a store through a proxy, beside the store itself and
# postgres_fdw; what more shards cost a read of all of them, and a write over two of them. Shards
# and proxies are databases of one server, so that CPU time counts all that a call costs,
# and what differs is the way, and not the disks: how much faster more servers are cannot be
# measured on one.
#
# SHARDS: how many shards the clusters have. TRANSACTIONS, and a tenth of them where many keys are read.

use strict;
use warnings;
use utf8;
use Bench;
use Load;
use Plot;

use constant {
	TRANSACTIONS => $ENV{BENCH_TRANSACTIONS} || 5_000,
	STORED => $ENV{BENCH_KEYS} || 10_000,
	SCANNED => $ENV{BENCH_SCANS} || 1_000,
	CLIENTS => $ENV{BENCH_CLIENTS} || 4,
	SVG => $ENV{BENCH_SVG} || 'bench-cluster.svg',
};
my @sizes = split ' ', $ENV{BENCH_SHARDS} || '1 2 4 16';
my $home = $ENV{PGDATABASE};
my @made;

if (!sql("SELECT count(*) FROM pg_available_extensions WHERE name IN ('plproxy', 'mvstore_cluster', 'dblink', 'postgres_fdw') HAVING count(*) = 4;"))
{
	print "Left out, as PL/Proxy or mvstore_cluster is not here: all of it\n";
	exit 0;
}

# ---- Databases --------------------------------------------------------------

sub in_database
{
	my ($database, $sql) = @_;
	local $ENV{PGDATABASE} = $database;
	return sql("SET client_min_messages = error;\n$sql");
}

sub make_database
{
	my ($name, $sql) = @_;
	in_database($home, "DROP DATABASE IF EXISTS $name WITH (FORCE);");
	sql("CREATE DATABASE $name;");
	push @made, $name;
	in_database($name, $sql);
	return $name;
}

END
{
	local $?;
	local $ENV{PGDATABASE} = $home;
	sql(join '', map { "DROP DATABASE IF EXISTS $_ WITH (FORCE);\n" } reverse @made) if @made;
}

my ($host, $port) = split /\|/, sql("SELECT split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port');");
my $user = sql('SELECT session_user;');

# Stores by the functions of the database: one of STORED keys, of which two versions are kept,
# and one that is read as of a version.
sub fill
{
	my ($database) = @_;
	for my $store ([ 'store', STORED, ', keep_versions => 2' ], [ 'past', SCANNED, '' ])
	{
		in_database($database, sprintf <<'SQL', $store->[0], $store->[2], $store->[0], $store->[1]);
SELECT mvstore_create('%s'%s) \g /dev/null
SELECT mvstore_put_many('%s', array_agg('key:' || lpad(i::text, 9, '0')), array_agg(repeat('x', 100))) FROM generate_series(1, %d) i \g /dev/null
SQL
	}
	return;
}

# Of a proxy with so many shards: the name of its database.
sub make_cluster
{
	my ($shards) = @_;
	my @names = map { make_database("bench_${shards}_$_", 'CREATE EXTENSION mvstore;') } 0 .. $shards - 1;
	my $options = join ', ', map { "p$_ 'host=$host port=$port dbname=$names[$_]'" } 0 .. $#names;
	my $proxy = make_database("bench_$shards", <<"SQL");
CREATE EXTENSION mvstore_cluster CASCADE;
CREATE SERVER mvstore_cluster FOREIGN DATA WRAPPER plproxy OPTIONS ($options);
CREATE USER MAPPING FOR PUBLIC SERVER mvstore_cluster OPTIONS (user '$user');
SELECT mvstore_cluster_configure() \\g /dev/null
SQL
	fill($proxy);
	return $proxy;
}

make_database('bench_direct', "CREATE EXTENSION mvstore;\n");
fill('bench_direct');

# A table there that reads and writes the store, and a foreign table of it here.
in_database('bench_direct', <<'SQL');
CREATE VIEW present AS SELECT key, value FROM mvstore_scan('store');
CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$ BEGIN PERFORM mvstore_put('store', new.key, new.value); RETURN new; END $$;
CREATE TRIGGER put INSTEAD OF INSERT ON present FOR EACH ROW EXECUTE FUNCTION put();
SQL
make_database('bench_fdw', <<"SQL");
CREATE EXTENSION postgres_fdw;
CREATE SERVER direct FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'bench_direct');
CREATE USER MAPPING FOR PUBLIC SERVER direct OPTIONS (user '$user');
CREATE FOREIGN TABLE present (key text, value text) SERVER direct;
SQL
my %proxy = map { $_ => make_cluster($_) } @sizes;

# ---- What is measured -------------------------------------------------------

# A way: a database, and its script of one call.
sub way
{
	my ($name, $database, $script) = @_;
	return {
		name => $name,
		load => sub {
			my ($clients, $transactions) = @_;
			return load($script, '-c', $clients, '-j', $clients, '-t', int($transactions / $clients) || 1, $database);
		},
	};
}

my $key = sprintf '\set k random(1, %d)', STORED;
my $text = "'key:' || lpad((:k)::text, 9, '0')";
my $value = "repeat('y', 100)";
my @few = grep { $_ <= 4 } @sizes;
my $put = "$key\nSELECT mvstore_put('store', $text, $value);";
my $get = "$key\nSELECT mvstore_get('store', $text);";
my $most = $sizes[-1];

# Of each cluster a version to read as of.
my %stable = map { $_ => in_database($_, 'SELECT mvstore_stable_version();') } 'bench_direct', values %proxy;
sub scan
{
	my ($database) = @_;
	return "SELECT count(*) FROM mvstore_scan('past', as_of => $stable{$database});";
}

# Two keys that lie on two shards, and two of one shard, of every number.
sub twice { return join ', ', map { sprintf "'%s' || :k", $_ } @_ }
my $two = (grep { $_ > 1 } @sizes)[0];
my ($first, $second);
if ($two)
{
	in_database($proxy{$two}, "SELECT mvstore_cluster_place('pairs', prefix_length => 2) \\g /dev/null\nSELECT mvstore_create('pairs', keep_versions => 2) \\g /dev/null");
	($first, $second) = split /\|/, in_database($proxy{$two}, <<'SQL');
SELECT 'a:', min(x || ':') FROM unnest('{b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q}'::text[]) x
WHERE mvstore_cluster_shard('pairs', x || ':') <> mvstore_cluster_shard('pairs', 'a:');
SQL
}
in_database('bench_direct', "SELECT mvstore_create('pairs', keep_versions => 2) \\g /dev/null");
sub both { my (@keys) = @_; return "$key\nSELECT mvstore_put_many('pairs', ARRAY[${\ twice(@keys) }], ARRAY[$value, $value]);" }

my @groups = (
	[ 'put', CLIENTS, TRANSACTIONS,
		way('mvstore, direct', 'bench_direct', $put),
		way('postgres_fdw', 'bench_fdw', "$key\nINSERT INTO present VALUES ($text, $value);"),
		map { way('mvstore_cluster, ' . shards($_), $proxy{$_}, $put) } @few ],
	[ 'get', CLIENTS, TRANSACTIONS,
		way('mvstore, direct', 'bench_direct', $get),
		way('postgres_fdw', 'bench_fdw', "$key\nSELECT value FROM present WHERE key = $text;"),
		map { way('mvstore_cluster, ' . shards($_), $proxy{$_}, $get) } @few ],
	[ 'scan as of a version', 1, TRANSACTIONS / 10,
		way('mvstore, direct', 'bench_direct', scan('bench_direct')),
		map { way('mvstore_cluster, ' . shards($_), $proxy{$_}, scan($proxy{$_})) } grep { $_ != 2 || @sizes < 3 } @sizes ],
	$two ? [ 'two keys', 1, TRANSACTIONS / 5,
		way('mvstore, direct, put_many', 'bench_direct', both('a:', 'b:')),
		way('mvstore_cluster, one shard', $proxy{$two}, both('a:', 'a:1')),
		way('mvstore_cluster, two puts', $proxy{$two}, join "\n", $key, map { "SELECT mvstore_put('pairs', '$_' || :k, $value);" } $first, $second),
		way('mvstore_cluster, two shards', $proxy{$two}, both($first, $second)) ] : ());

sub shards { return $_[0] == 1 ? 'one shard' : "$_[0] shards" }

my %of;
for my $group (@groups)
{
	my ($title, $clients, $transactions, @ways) = @$group;
	rounds(map {
		my $way = $_;
		[ "$title, $way->{name}" => sub {
			push @{ $of{$title}{ $way->{name} } }, measure($way, $clients, int($transactions) || 1);
			return 0;
		} ]
	} @ways);
}

# ---- What comes out ---------------------------------------------------------

sub each_round
{
	my ($title, $way, $value) = @_;
	return [ map { $value->($_) } @{ $of{$title}{ $way->{name} } } ];
}

my @columns = ([ 'calls/s', '%.0f', $column{rate}[2] ], @column{qw(median p99 cpu)});
binmode STDOUT, ':utf8';
printf "cluster: %d keys, %d rounds, proxies and shards in one server; a call:\n\n", STORED, ROUNDS;
for my $group (@groups)
{
	my ($title, $clients, $transactions, @ways) = @$group;
	my $head = $title eq 'scan as of a version' ? SCANNED . " keys as of a version" : $title;
	markdown([ "$head, $clients client" . ($clients == 1 ? '' : 's'), (map { $_->[0] } @columns), 'CPU, to the first' ],
		map {
			my $way = $_;
			[ $way->{name}, (map { spread($_->[1], @{ each_round($title, $way, $_->[2]) }) } @columns),
				spread('%.2f', ratios(map { each_round($title, $_, $column{cpu}[2]) } $way, $ways[0])) ]
		} @ways);
}

my @drawn = map { my ($title, undef, undef, @ways) = @$_; map { [ $title, $_ ] } @ways } @groups;
bars(SVG, sprintf('A call direct, by postgres_fdw and by mvstore_cluster, of %d keys', STORED),
	[ map { "$_->[0]: " . $_->[1]{name} =~ s/^mvstore(?:_cluster)?, //r } @drawn ],
	map {
		my $column = $_;
		{ title => $column->[0], format => $column->[1], rows => [ map { each_round(@$_, $column->[2]) } @drawn ] }
	} @columns);
