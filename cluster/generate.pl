#!/usr/bin/perl
#
# Writes the part of mvstore_cluster--1.0.sql that is the functions and views of mvstore: from their
# declarations in a database that has mvstore in the schema public, and from the rules below, which say how each is done on shards.
#
#	generate.pl CONNECTION [--write]
#
# prints the whole file, or writes it. The test of the surface wants it to be what this makes.

use strict;
use warnings;
use File::Basename 'dirname';

my ($connection, $write) = @ARGV;
die "usage: generate.pl CONNECTION [--write]\n" unless defined $connection;
my $file = dirname(__FILE__) . '/mvstore_cluster--1.0.sql';
my $mark = "-- Written by generate.pl from here on.\n";
my $max = '9223372036854775807';
my $S = '@extschema@';

# ---- How each function is done ------------------------------------------------
#
# key: on the shard of its key.		prefix: on the shards of its prefix; the answers as below.
# all: on all shards.		atomic: on the shards of its prefix, or all, all or none.
# The answers: rows in an order, or an aggregate of one answer a shard; void has none.

my %rules = (
	put => { on => 'key', writes => 1 }, put_if => { on => 'key', writes => 1 },
	delete => { on => 'key', writes => 1 }, delete_if => { on => 'key', writes => 1 },
	put_at => { on => 'key', writes => 1 }, delete_at => { on => 'key', writes => 1 },
	drop => { on => 'key', writes => 1 }, erase => { on => 'key', writes => 1 },
	get => { on => 'key' }, get_entry => { on => 'key' }, contains => { on => 'key' },
	previous => { on => 'key', present => 1 }, history => { on => 'key', present => 1 },
	get_many => { on => 'keys' }, put_many => { on => 'keys', writes => 1 },
	scan => { on => 'all', order => 'key' }, scan_prefix => { on => 'prefix', order => 'key' },
	diff => { on => 'prefix', order => 'key' },
	count => { on => 'all', answer => 'sum' }, count_prefix => { on => 'prefix', answer => 'sum' },
	changes => { on => 'changes' }, wait_changes => { on => 'wait_changes' },
	create => { on => 'atomic', answer => 'min', result => 'text' }, set_policy => { on => 'atomic' },
	set_feed => { on => 'atomic' }, attach => { on => 'atomic' }, detach => { on => 'atomic' }, clear => { on => 'atomic' },
	revert => { on => 'atomic', answer => 'sum', versioned => 'true' }, erase_prefix => { on => 'atomic', answer => 'sum' },
	pin => { on => 'atomic', answer => 'min' },
	unpin => { on => 'atomic', answer => 'bool_or' },
	drop_prefix => { on => 'prefix', writes => 1 }, drop_range => { on => 'all', writes => 1 },
	compact => { on => 'all', writes => 1 }, sweep => { on => 'all', writes => 1 },
	pause => { on => 'all', writes => 1 }, resume => { on => 'all', writes => 1 }, stats_reset => { on => 'all', writes => 1 },
	retry_failed => { on => 'all', writes => 1, once => 1, answer => 'sum' },
	flush => { on => 'all', answer => 'bool_and' }, wait_stable => { on => 'all', answer => 'bool_and' },
	stable_version => { on => 'all', answer => 'min' }, current_version => { on => 'all', answer => 'max' },
	version_at => { on => 'proxy', body => "CASE WHEN at = 'infinity' THEN 9223372036854775807 WHEN at = '-infinity' THEN 0\n\t\tELSE least(greatest(extract(epoch FROM at) * 1000000, 0), 9223372036854775807)::bigint END" },
	time_of => { on => 'proxy', body => "CASE WHEN version = 9223372036854775807 THEN 'infinity'\n\t\tELSE 'epoch'::timestamptz + version / 1000000 * '1 s'::interval + version % 1000000 * '1 us'::interval END" },
	help => { on => 'help' },
	lock => { on => 'refused', hint => 'A lock lasts until the end of a transaction on the shard, which is the call. Use mvstore_put_if.' },
	use_version => { on => 'refused', hint => 'Each call has a version of its own; mvstore_put_many has one for all that it writes.' },
	cancel_request => { on => 'refused', hint => 'The numbers of requests are those of a shard: connect to it, mvstore_requests says which.' },
);

# Views, and what is done about the types of columns that mean something on their shard only.
my @views = qw(mvstore_stats mvstore_store_stats mvstore_stores mvstore_requests mvstore_pins mvstore_blockers
	mvstore_metrics mvstore_store_metrics mvstore_blocker_metrics mvstore_progress);

# ---- What mvstore declares ----------------------------------------------------

sub ask
{
	my ($query) = @_;
	open(my $psql, '-|', 'psql', '-X', '-q', '-A', '-t', '-F', "\x1f", '-R', "\x1e", '-d', $connection, '-c', $query) or die "psql: $!\n";
	local $/;
	my $answer = <$psql>;
	close $psql or die "psql has failed\n";
	$answer =~ s/\n\z//;
	return map { [ split /\x1f/, $_, -1 ] } split /\x1e/, $answer;
}

my @functions = map {
	my ($name, $kind, $arguments, $result, $volatile, $rights, $comment) = @$_;
	my ($base, $family) = $name =~ /^mvstore_(\w+?)(_bytea|_raw)?$/;
	s/\bregclass\b/text/g for $arguments, $result;
	my (@in, @out);
	for (split /, (?=(?:OUT |\w+ \w))/, $arguments)
	{
		my ($mode, $argument, $type, $default) = /^(IN |OUT )?(\w+) (.*?)(?: DEFAULT (.*))?$/ or die "$name: $_\n";
		if (($mode // '') eq 'OUT ') { push @out, [ $argument, $type ] }
		else { push @in, { name => $argument, type => $type, default => $default } }
	}
	@out = map { [ /^(\w+) (.*)$/ ] } split /, /, $1 if $result =~ /^TABLE\((.*)\)$/;
	{ name => $name, base => $base, family => $family // '', kind => $kind, in => \@in, out => \@out, table => scalar($result =~ /^TABLE/),
		result => $result, volatile => { v => 'VOLATILE', s => 'STABLE', i => 'IMMUTABLE' }->{$volatile}, rights => $rights, comment => $comment };
} ask(<<'SQL');
SET search_path = pg_catalog;
SELECT p.proname, p.prokind, pg_get_function_arguments(p.oid), coalesce(pg_get_function_result(p.oid), ''), p.provolatile,
	   (SELECT string_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ',')
		  FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner),
	   obj_description(p.oid, 'pg_proc')
  FROM pg_depend d
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mvstore'
  JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
  JOIN public.mvstore_help() WITH ORDINALITY AS h (function, arguments, result, family, comment, n) ON h.function = p.proname
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
 ORDER BY h.n
SQL
# A NULL in rights is empty, as is no grant at all: ask for those apart.
my %closed = map { $_->[0] => 1 } ask("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'mvstore\\_%' AND proacl IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0)");

my %columns;
push @{ $columns{ $_->[0] } }, [ @$_[ 1 .. 3 ] ] for ask(<<"SQL");
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), coalesce(col_description(c.oid, a.attnum), '')
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN (${\ join ', ', map { "'$_'" } @views}) ORDER BY c.relname, a.attnum
SQL
my %view = map { $_->[0] => [ @$_[ 1, 2 ] ] } ask(<<"SQL");
SELECT c.relname, obj_description(c.oid, 'pg_class'),
	   (SELECT string_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', ')
		  FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner)
  FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN (${\ join ', ', map { "'$_'" } @views})
SQL

# ---- Text ---------------------------------------------------------------------

sub declared { return join ', ', map { "$_->{name} $_->{type}" . (defined $_->{default} ? " DEFAULT $_->{default}" : '') } @_ }
sub types { my ($f) = @_; return join ', ', map { $_->{type} } @{ $f->{in} } }
sub quoted { my ($text) = @_; $text =~ s/'/''/g; return "'$text'" }

# The functions that PL/Proxy does have arguments called a_...: it replaces their names wherever they stand.
sub proxied { return join ', ', map { "a_$_->{name} $_->{type}" } @_ }
sub passed { return join ', ', map { $_->{name} eq 'store' ? 'a_store::regclass' : "a_$_->{name}" } @_ }
sub names { return join ', ', map { $_->{name} } @_ }

sub returned
{
	my ($f) = @_;
	return 'TABLE (' . join(', ', map { "$_->[0] $_->[1]" } @{ $f->{out} }) . ')' if @{ $f->{out} };
	return $f->{result};
}

sub comment
{
	my ($kind, $name, $types, $text) = @_;
	return "COMMENT ON $kind $S.$name" . (defined $types ? "($types)" : '') . " IS\n" . quoted($text) . ";\n\n" =~ s/\Q$S\E\.//r;
}

sub about { return comment(@_) =~ s/\Q$S\E\.//r }

# A function of PL/Proxy: mvstore_shard_NAME.
sub shard_function
{
	my ($f, %what) = @_;
	my $name = "mvstore_shard_" . $f->{name} =~ s/^mvstore_//r;
	my @in = @{ $what{in} // $f->{in} };
	my $returns = $what{returns} // (@{ $f->{out} } ? returned($f) : $f->{result});

	my $types = join ', ', map { $_->{type} } @in;

	return "CREATE FUNCTION $name(${\ proxied(@in)}) RETURNS $returns LANGUAGE plproxy AS \$\$\n" .
	  "\tCLUSTER 'mvstore_cluster'; $what{run}\n\t$what{select};\n\$\$;\n" . rights($f, "FUNCTION $name($types)") .
	  about('FUNCTION', $name, $types, "internal: $f->{name} on shards");
}

# Who may call it, where that is not everybody on one server: or another function below it.
sub rights
{
	my ($f, $below) = @_;
	return '' unless $closed{ $f->{name} };
	my $what = $below // ($f->{kind} eq 'p' ? 'PROCEDURE' : 'FUNCTION') . " $f->{name}(${\ types($f)})";
	return "REVOKE ALL ON $what FROM PUBLIC;\n" . join '', map { "GRANT EXECUTE ON $what TO $_;\n" } grep { $_ ne '' } split /,/, $f->{rights};
}

# A function for users, in PL/pgSQL.
sub function
{
	my ($f, $body, %more) = @_;
	my $kind = $f->{kind} eq 'p' ? 'PROCEDURE' : 'FUNCTION';
	my $returns = $kind eq 'PROCEDURE' ? '' : ' RETURNS ' . returned($f);
	my $volatile = $kind eq 'PROCEDURE' ? '' : " $f->{volatile}";
	my $declare = $more{declare} ? "DECLARE\n$more{declare}" : '';

	return "CREATE $kind $f->{name}(${\ declared(@{ $f->{in} })})$returns\n" .
	  "LANGUAGE plpgsql$volatile SET search_path = pg_catalog, pg_temp SET client_min_messages = warning\nAS \$\$\n${declare}BEGIN\n$body" . "END \$\$;\n" .
	  rights($f) . about($kind, $f->{name}, types($f), $f->{comment});
}

# What PL/Proxy raises where a shard is gone: by itself, or as the last word of the shard's session.
my $gone = 'internal_error OR admin_shutdown OR crash_shutdown OR cannot_connect_now OR connection_exception';
my $lost = "EXCEPTION WHEN $gone THEN\n\tPERFORM $S.mvstore_cluster_lost(SQLSTATE, SQLERRM, %s);\n\tRAISE;\n";

# The argument that a read is as of, if it has one.
sub version_argument
{
	my ($f) = @_;
	my ($found) = grep { $_->{name} =~ /^(?:as_of|to_version)$/ && ($_->{default} // '') =~ /$max/ } @{ $f->{in} };
	return $found && $found->{name};
}

# A read that is repeated once where shards were behind; shards: an expression for those that it reads.
sub reading
{
	my ($f, $statement, $shards) = @_;
	my $version = version_argument($f);
	my $enter = "\tPERFORM $S.mvstore_cluster_enter(false);\n";

	return $enter . "\t$statement\n" . sprintf($lost, 'false') if !$version;
	$statement =~ s/\n/\n\t\t/g;
	return $enter . "\t$version := $S.mvstore_cluster_as_of($version, '$version');\n" .
	  "\tFOR attempt IN 1 .. 2 LOOP\n\t\tBEGIN\n\t\t\t$statement\n" . ($statement =~ /^RETURN QUERY/ || $statement =~ /^IF/ ? "\t\t\tRETURN;\n" : '') .
	  "\t\tEXCEPTION WHEN $gone OR object_not_in_prerequisite_state THEN\n" .
	  "\t\t\tIF NOT $S.mvstore_cluster_again(SQLSTATE, SQLERRM, attempt, $version, $shards) THEN\n" .
	  "\t\t\t\tRAISE;\n\t\t\tEND IF;\n\t\tEND;\n\tEND LOOP;\n";
}

# A write of one shard waits for others' locks for a second; then it sees to what is in doubt, and waits for the rest of
# its time. An error of a lock is one of a transaction that has written nothing; others, on other shards, do again what they
# have done, unless that is to be done once. The statement has a call as written_by() makes it.
sub writing
{
	my ($statement, $once) = @_;

	return "\t" . $statement =~ s/\(attempt\)/(2)/r . "\nEXCEPTION\n\tWHEN lock_not_available THEN\n\t\tPERFORM $S.mvstore_cluster_locked(2, SQLERRM);\n" .
	  "\tWHEN $gone THEN\n\t\tPERFORM $S.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);\n\t\tRAISE;\n" if $once;
	return "\tFOR attempt IN 1 .. 2 LOOP\n\t\tBEGIN\n\t\t\t$statement\n" . ($statement =~ /^RETURN / ? '' : "\t\t\tRETURN;\n") .
	  "\t\tEXCEPTION\n\t\t\tWHEN lock_not_available THEN\n\t\t\t\tPERFORM $S.mvstore_cluster_locked(attempt, SQLERRM);\n" .
	  "\t\t\tWHEN $gone THEN\n\t\t\t\tPERFORM $S.mvstore_cluster_lost(SQLSTATE, SQLERRM, true);\n\t\t\t\tRAISE;\n\t\tEND;\n\tEND LOOP;\n";
}

# The call of a function of PL/Proxy for it.
sub written_by { my ($name, @arguments) = @_; return "$S.$name(" . join(', ', @arguments, "$S.mvstore_cluster_patience(attempt)") . ')' }

# The function of PL/Proxy for it: what it is told of locks holds for its transaction, and before the rest of it is done.
sub shard_writer
{
	my ($f, %what) = @_;
	return shard_function($f, %what, in => [ @{ $what{in} // $f->{in} }, { name => 'patience', type => 'text' } ],
		select => "$what{select} FROM pg_catalog.set_config('lock_timeout', a_patience, true)");
}

my $all_shards = "ARRAY(SELECT generate_series(0, c.shards - 1) FROM $S.mvstore_cluster_config c)";

sub key_type { my ($f) = @_; return $f->{family} eq '_raw' ? '_raw' : '' }

sub sorted { my ($column, $f) = @_; return key_type($f) ? "r.$column" : "r.$column COLLATE \"C\"" }

# ---- Rules --------------------------------------------------------------------

my %make;

$make{key} = sub {
	my ($f, $rule) = @_;
	my $raw = key_type($f);
	my $run = "RUN ON $S.mvstore_cluster_shard$raw(a_store, a_key);";
	my $below = 'mvstore_shard_' . $f->{name} =~ s/^mvstore_//r;
	my $call = $rule->{writes} ? written_by($below, map { $_->{name} } @{ $f->{in} }) : "$S.$below(${\ names(@{ $f->{in} })})";
	my $rows = @{ $f->{out} };
	my $remote = "$f->{name}(${\ passed(@{ $f->{in} })})";
	my $select = $rows ? 'SELECT ' . join(', ', map { "r.$_->[0]" } @{ $f->{out} }) . " FROM $remote AS r" : "SELECT $remote";
	my $text;

	# An argument and a result of one name: SQL can do that, and PL/pgSQL cannot.
	if ($rows && !$f->{table})
	{
		my $inner = { %$f, name => "mvstore_cluster_" . $f->{name} =~ s/^mvstore_//r, comment => "internal: below $f->{name}",
			in => [ map { my %a = %$_; $a{name} = 'a_key' if $a{name} eq 'key'; \%a } @{ $f->{in} } ] };
		my $answer = "RETURN QUERY SELECT r.* FROM $S.mvstore_shard_" . $f->{name} =~ s/^mvstore_//r . "(${\ names(@{ $inner->{in} })}) r;";
		my $present = $rule->{present} ? "\tPERFORM $S.mvstore_cluster_present('$f->{name}');\n" : '';
		$text = shard_function($f, run => $run, select => $select, returns => returned($f)) .
		  function($inner, $present . reading($inner, $answer, "ARRAY[$S.mvstore_cluster_shard$raw(store, a_key)]"));
		my $out = join ', ', map { "OUT $_->[0] $_->[1]" } @{ $f->{out} };
		$text .= "CREATE FUNCTION $f->{name}(${\ declared(@{ $f->{in} })}, $out) RETURNS record\n" .
		  "LANGUAGE sql $f->{volatile} SET search_path = pg_catalog, pg_temp\nAS \$\$\n" .
		  "SELECT r.* FROM $S.$inner->{name}(\$1, \$2, \$3) r WHERE r.version IS NOT NULL\n\$\$;\n" . rights($f) . about('FUNCTION', $f->{name}, types($f), $f->{comment});
		return $text;
	}

	my $answer = $rows ? "RETURN QUERY SELECT r.* FROM $call r;" : $f->{result} eq 'void' ? "PERFORM $call;" : "RETURN $call;";
	my $present = $rule->{present} ? "\tPERFORM $S.mvstore_cluster_present('$f->{name}');\n" : '';
	return shard_writer($f, run => $run, select => $select) . function($f, "\tPERFORM $S.mvstore_cluster_enter(true);\n" . writing($answer)) if $rule->{writes};
	$text = shard_function($f, run => $run, select => $select);
	return $text . function($f, $present . reading($f, $answer, "ARRAY[$S.mvstore_cluster_shard$raw(store, key)]"));
};

# On several shards; what each answers is put in an order, or together.
sub several
{
	my ($f, $rule, $run, $shards) = @_;
	my $remote = "$f->{name}(${\ passed(@{ $f->{in} })})";
	my $below = 'mvstore_shard_' . $f->{name} =~ s/^mvstore_//r;
	my $call = $rule->{writes} ? written_by($below, map { $_->{name} } @{ $f->{in} }) : "$S.$below(${\ names(@{ $f->{in} })})";

	if ($rule->{order})
	{
		my $select = 'SELECT ' . join(', ', map { "r.$_->[0]" } @{ $f->{out} }) . " FROM $remote AS r";
		my $order = sorted($rule->{order}, $f);
		my $limit = (grep { $_->{name} eq 'max_rows' } @{ $f->{in} }) ? ' LIMIT max_rows' : '';
		my $query = "RETURN QUERY SELECT r.* FROM $call r ORDER BY $order";
		my $answer = (grep { $_->{name} eq 'reverse' } @{ $f->{in} })
		  ? "IF reverse THEN\n\t$query DESC$limit;\nELSE\n\t$query$limit;\nEND IF;" : "$query$limit;";
		return shard_function($f, run => $run, select => $select) . function($f, reading($f, $answer, $shards));
	}
	if ($rule->{answer})
	{
		my %what = (run => $run, select => "SELECT $remote", returns => "SETOF $f->{result}");
		my $answer = "RETURN (SELECT $rule->{answer}(r) FROM $call r);";
		return shard_function($f, %what) . function($f, reading($f, $answer, $shards)) unless $rule->{writes};
		return shard_writer($f, %what) . function($f, "\tPERFORM $S.mvstore_cluster_enter(true);\n" . writing("RETURN (SELECT $rule->{answer}(r) FROM $call r);", $rule->{once}));
	}
	my %what = (run => $run, select => "SELECT $remote IS NOT NULL", returns => 'SETOF boolean');
	return shard_function($f, %what) . function($f, "\tPERFORM $S.mvstore_cluster_enter(false);\n\tPERFORM FROM $call;\n" . sprintf($lost, 'false')) unless $rule->{writes};
	return shard_writer($f, %what) . function($f, "\tPERFORM $S.mvstore_cluster_enter(true);\n" . writing("PERFORM FROM $call;"));
}

$make{all} = sub {
	my ($f, $rule) = @_;
	return several($f, $rule, 'RUN ON ALL;', $all_shards);
};

$make{prefix} = sub {
	my ($f, $rule) = @_;
	my $raw = key_type($f);
	return several($f, $rule, "RUN ON $S.mvstore_cluster_shards$raw(a_store, a_prefix);", "ARRAY(SELECT $S.mvstore_cluster_shards$raw(store, prefix))");
};

# What mvstore_cluster_write() may be asked to call on shards.
my @atomic_calls;

sub atomic_call
{
	my ($f) = @_;
	my $call = "$f->{name}(" . join(', ', map { $_->{name} eq 'store' && $f->{base} ne 'create' ? 'regclass' : $_->{type} } @{ $f->{in} }) . ')';
	push @atomic_calls, $call;
	return $call;
}

$make{keys} = sub {
	my ($f, $rule) = @_;
	my $raw = key_type($f);
	my ($key_type) = map { $_->{type} } grep { $_->{name} eq 'keys' } @{ $f->{in} };
	my $place = { name => 'shards', type => 'integer[]' };
	my $remote = "$f->{name}(${\ passed(@{ $f->{in} })})";
	my $name = 'mvstore_shard_' . $f->{name} =~ s/^mvstore_//r;

	if (!$rule->{writes})
	{
		my $text = shard_function($f, in => [ @{ $f->{in} }, $place ], run => 'SPLIT a_keys, a_shards; RUN ON a_shards;',
			select => 'SELECT ' . join(', ', map { "r.$_->[0]" } @{ $f->{out} }) . " FROM $remote AS r");
		my $collate = $raw ? '' : ' COLLATE "C"';
		my $answer = "RETURN QUERY SELECT k.key, r.version, r.value, r.expires_at\n  FROM unnest(keys) WITH ORDINALITY AS k (key, n)\n" .
		  "  JOIN $S.$name(store, wanted, as_of, places) r ON r.key = k.key$collate ORDER BY k.n;";
		my $prepare = "\tIF keys IS NULL OR array_ndims(keys) > 1 THEN\n\t\tPERFORM $S.mvstore_cluster_places$raw(store, keys);	-- which says that\n\tEND IF;\n" .
		  "\twanted := ARRAY(SELECT DISTINCT k$collate FROM unnest(keys) k);\n\tplaces := $S.mvstore_cluster_places$raw(store, wanted);\n";
		my $body = reading($f, $answer, 'places') =~ s/(?=\tFOR attempt)/$prepare/r;
		return $text . function($f, $body, declare => "\twanted $key_type;\n\tplaces integer[];\n");
	}

	my $one = { name => 'shard', type => 'integer' };
	my ($value_type) = map { $_->{type} } grep { $_->{name} eq 'new_values' } @{ $f->{in} };
	my $text = shard_writer($f, in => [ $one, @{ $f->{in} } ], run => 'RUN ON a_shard;', select => "SELECT $remote");
	return $text . function($f, <<"SQL" . sprintf($lost, 'true'), declare => "\tplaces integer[] := $S.mvstore_cluster_places$raw(store, keys);\n\tshards integer[];\n\targuments text[];\n");
	IF new_values IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'new_values must not be null';
	ELSIF cardinality(keys) <> cardinality(new_values) OR array_ndims(new_values) > 1 THEN
		RAISE array_subscript_error USING MESSAGE = 'keys and new_values must have one dimension and the same length';
	END IF;
	PERFORM $S.mvstore_cluster_enter(true);
	SELECT array_agg(DISTINCT p) INTO shards FROM unnest(places) p;
	IF coalesce(cardinality(shards), 0) <= 1 THEN
${\ (writing('RETURN ' . written_by($name, 'coalesce(shards[1], 0)', qw(store keys new_values ttl)) . ';') =~ s/^(?=.)/\t/gmr)}	END IF;
	SELECT array_agg(g.shard ORDER BY g.shard), array_agg(ARRAY[store, g.keys::text, g.new_values::text, ttl::text] ORDER BY g.shard)
	  INTO shards, arguments
	  FROM (SELECT e.shard, array_agg(e.key ORDER BY e.n) AS keys, array_agg(e.new_value ORDER BY e.n) AS new_values
			  FROM unnest(places, keys, new_values) WITH ORDINALITY AS e (shard, key, new_value, n) GROUP BY e.shard) g;
	RETURN (SELECT max(r::bigint) FROM unnest($S.mvstore_cluster_write(shards, '${\ atomic_call($f)}', arguments, true)) r);
SQL
};

$make{atomic} = sub {
	my ($f, $rule) = @_;
	my $raw = key_type($f);
	my ($prefix) = grep { $_->{name} eq 'prefix' } @{ $f->{in} };
	my $shards = $prefix ? "ARRAY(SELECT s FROM $S.mvstore_cluster_shards$raw(store, prefix) s ORDER BY s)" : $all_shards;
	my $arguments = join ', ', map { $_->{type} eq 'text' ? $_->{name} : "$_->{name}::text" } @{ $f->{in} };
	my $write = "$S.mvstore_cluster_write(shards, '${\ atomic_call($f)}',\n\t\tARRAY[$arguments], ${\ ($rule->{versioned} // 'false')})";
	my $type = $f->{result};
	my $body = "\tPERFORM $S.mvstore_cluster_enter(true);\n" .
	  ($rule->{answer} ? "\tRETURN (SELECT $rule->{answer}(r::$type) FROM unnest($write) r);\n" : "\tPERFORM $write;\n");
	return function($f, $body, declare => "\tshards integer[] := $shards;\n");
};

$make{changes} = sub {
	my ($f) = @_;
	my $name = 'mvstore_shard_' . $f->{name} =~ s/^mvstore_//r;
	my $names = names(@{ $f->{in} }) =~ s/\bwait\b/NULL/r;
	my $select = 'SELECT ' . join(', ', map { "r.$_->[0]" } @{ $f->{out} }) . " FROM $f->{name}(${\ passed(@{ $f->{in} })}) AS r";
	return shard_function($f, run => 'RUN ON ALL;', select => $select) .
	  function($f, <<"SQL" . sprintf($lost, 'false'), declare => "\tdeadline timestamptz := clock_timestamp() + wait;\n\tupto bigint;\n");
	PERFORM $S.mvstore_cluster_present('$f->{name}');
	LOOP
		-- Beyond what is stable on all shards, one may still have changes that come before those of others.
		upto := $S.mvstore_stable_version();
		RETURN QUERY SELECT r.* FROM $S.$name($names) r WHERE r.version <= upto
			ORDER BY r.version, ${\ sorted('key', $f)} LIMIT max_rows;
		EXIT WHEN FOUND OR wait IS NULL OR clock_timestamp() >= deadline;
		PERFORM pg_sleep(0.02);
	END LOOP;
SQL
};

$make{wait_changes} = sub {
	my ($f) = @_;
	return function($f, <<"SQL", declare => "\tdeadline timestamptz := clock_timestamp() + timeout;\n");
	IF timeout IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'timeout must not be null';
	END IF;
	LOOP
		-- It returns where something has changed, whether or not all of that is known.
		PERFORM FROM $S.mvstore_changes_raw(store, after_version, max_rows => 1, compacted => true, synced_at => 9223372036854775807);
		EXIT WHEN FOUND OR clock_timestamp() >= deadline;
		PERFORM pg_sleep(0.02);
	END LOOP;
SQL
};

$make{proxy} = sub {
	my ($f, $rule) = @_;
	return "CREATE FUNCTION $f->{name}(${\ declared(@{ $f->{in} })}) RETURNS $f->{result}\n" .
	  "LANGUAGE sql $f->{volatile} STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp\nAS \$\$\nSELECT $rule->{body}\n\$\$;\n" .
	  about('FUNCTION', $f->{name}, types($f), $f->{comment});
};

$make{refused} = sub {
	my ($f, $rule) = @_;
	return function($f, "\tRAISE feature_not_supported USING MESSAGE = '$f->{name} does not work over shards',\n\t\tHINT = ${\ quoted($rule->{hint})};\n");
};

$make{help} = sub {
	my ($f) = @_;
	my $out = join ', ', map { "OUT $_->[0] $_->[1]" } @{ $f->{out} };
	my $order = join ', ', do { my %seen; grep { !$seen{$_}++ } map { $_->{base} } @functions };
	return <<"SQL" . about('FUNCTION', $f->{name}, '', $f->{comment});
CREATE FUNCTION $f->{name}($out) RETURNS SETOF record
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS \$\$
SELECT p.proname::text, regexp_replace(pg_get_function_arguments(p.oid), '::[a-z ]+', '', 'g'), pg_get_function_result(p.oid),
	   CASE WHEN p.proargnames && '{key,keys,from_key,prefix}'::text[] THEN f.family END, obj_description(p.oid, 'pg_proc')
  FROM unnest('{$order}'::text[]) WITH ORDINALITY AS listed (name, place)
 CROSS JOIN (VALUES (1, '', 'plain'), (2, '_bytea', '_bytea'), (3, '_raw', '_raw')) AS f (place, suffix, family)
  JOIN pg_proc p ON p.proname = concat('mvstore_', listed.name, f.suffix)
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mvstore_cluster'
 ORDER BY listed.place, f.place
\$\$;
SQL
};

sub view
{
	my ($name) = @_;
	my ($about, $rights) = @{ $view{$name} };
	# What is an object of the shard is a name here.
	my @columns = map { [ $_->[0], $_->[1] =~ /^(?:regclass|mvstore_regclass|public\.mvstore_regclass|regrole)$/ ? 'text' : $_->[1], $_->[1] ] } @{ $columns{$name} };
	my $below = 'mvstore_shard_' . $name =~ s/^mvstore_//r . '_view';
	my $table = 'TABLE (shard integer, ' . join(', ', map { "$_->[0] $_->[1]" } @columns) . ')';
	# Of a server that has several shards, each says what it knows of itself.
	my $own = (grep { $_->[0] eq 'database' } @columns) ? ' WHERE v.database = pg_catalog.current_database()' : '';
	my $select = join(', ', map { "v.$_->[0]" . ($_->[1] ne $_->[2] ? "::text AS $_->[0]" : '') } @columns);
	my $above = $below =~ s/shard/cluster/r;	# says which shard is gone
	my $may = sub { "REVOKE ALL ON FUNCTION $_[0]() FROM PUBLIC;\n" . ($rights ? "GRANT EXECUTE ON FUNCTION $_[0]() TO $rights;\n" : '') };
	$may = sub { '' } if $rights && $rights eq 'PUBLIC';
	my $text = "CREATE FUNCTION $below() RETURNS $table LANGUAGE plproxy AS \$\$\n" .
	  "\tCLUSTER 'mvstore_cluster'; RUN ON ALL;\n\tSELECT m.number AS shard, $select FROM mvstore_shard AS m, $name AS v$own;\n\$\$;\n" .
	  $may->($below) . about('FUNCTION', $below, '', "internal: below $name") .
	  "CREATE FUNCTION $above() RETURNS $table\nLANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning\nAS \$\$\n" .
	  "#variable_conflict use_column\nBEGIN\n\tRETURN QUERY SELECT v.* FROM $S.$below() AS v;\n" . sprintf($lost, 'false') . "END \$\$;\n" .
	  $may->($above) . about('FUNCTION', $above, '', "internal: below $name") .
	  "CREATE VIEW $name AS SELECT v.* FROM $S.$above() AS v;\n" . ($rights ? "GRANT SELECT ON $name TO $rights;\n" : "REVOKE ALL ON $name FROM PUBLIC;\n") .
	  about('VIEW', $name, undef, $about) =~ s/\n\n\z/\n/r . "COMMENT ON COLUMN $name.shard IS\n'the shard';\n";
	$text .= "COMMENT ON COLUMN $name.$_->[0] IS\n" . quoted($_->[2]) . ";\n" for @{ $columns{$name} };
	return "$text\n";
}

# ---- The file -----------------------------------------------------------------

open(my $in, '<', $file) or die "$file: $!\n";
my $text = do { local $/; <$in> };
close $in;
$text =~ s/\n*\Q$mark\E.*//s;
$text =~ s/\s*\z/\n/;
$text .= "\n\n--\n-- The functions and views of mvstore\n--\n$mark\n";
for my $f (@functions)
{
	my $rule = $rules{ $f->{base} } or die "generate.pl has no rule for $f->{name}\n";
	$f->{result} = $rule->{result} if $rule->{result};
	$text .= $make{ $rule->{on} }->($f, $rule);
}
$text .= "CREATE FUNCTION mvstore_cluster_calls() RETURNS text[]\nLANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp\nAS \$\$\nSELECT ARRAY[" .
  join(",\n\t", map { "'$_'" } @atomic_calls) . "]\n\$\$;\n" .
  about('FUNCTION', 'mvstore_cluster_calls', '', 'internal: what mvstore_cluster_write() may call on shards');
$text .= view($_) for @views;
$text =~ s/\n--\n-- The functions and views of mvstore\n--\n\n(?=.*\n--\n-- The functions)//s;
$text =~ s/\s*\z/\n/;
if ($write)
{
	open(my $out, '>', $file) or die "$file: $!\n";
	print $out $text;
	close $out or die "$file: $!\n";
}
else { print $text }
