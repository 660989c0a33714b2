#!/usr/bin/perl
#
# Rules for the SQL that the extension installs, for ./dev lint.
#
#	lint-sql.pl [--cluster] RULE [ERRCODES]
#
# in the root of the tree prints what breaks the rule, one a line, and nothing
# if all is well. --cluster: of the script of cluster/, for which not all rules are. The rules are the keys of %rules, at the end. ERRCODES is the
# server's header errcodes.h, which the rule codes needs.

use strict;
use warnings;

my $cluster = @ARGV && $ARGV[0] eq '--cluster' && shift @ARGV;
my @scripts = sort glob($cluster ? 'cluster/mvstore_cluster--*.sql' : 'mvstore--*.sql');
my @tests = sort(glob('sql/*.sql'), glob('specs/*.spec'), glob('t/*.pl'), glob('t/lib/*.sql'));

sub slurp
{
	my ($file) = @_;
	open(my $handle, '<', $file) or die "$file: $!\n";
	local $/;
	return scalar <$handle>;
}

# ---- Taking scripts apart --------------------------------------------------

# Blank out what is no code: comments, psql's commands, and the text of
# strings, of which the quotes stay. Lines keep their numbers.
sub code_of
{
	my ($text) = @_;
	my $blank = sub { my ($part) = @_; $part =~ s/[^\n]/ /g; return $part };

	$text =~ s{
		( --[^\n]* | /\*.*?\*/ | ^\\[^\n]* )	# no code
		| ' ((?:[^']|'')*) '					# a string
		| (\$\w*\$) (.*?) \3					# a body
	}{
		defined $1 ? $blank->($1)
			: defined $2 ? "'" . $blank->($2) . "'"
			: "'" . $blank->(substr($3, 1)) . $blank->($4) . $blank->(substr($3, 1)) . "'"
	}gexms;
	return $text;
}

# The statements of a script: [file, line, code, source].
sub statements
{
	my ($file, $source) = @_;
	my $code = code_of($source);
	my @found;

	while ($code =~ /\G(\s*)([^;]*;?)/g)
	{
		last if $1 eq '' && $2 eq '';
		next if $2 eq '';
		my $line = 1 + (substr($code, 0, $-[2]) =~ tr/\n//);
		push @found, [ $file, $line, $2, substr($source, $-[2], $+[2] - $-[2]) ];
	}
	return @found;
}

my @all = map { statements($_, slurp($_)) } @scripts;

# The types of a function's input arguments, from the list of its declaration.
sub input_types
{
	my ($list) = @_;
	my @types;

	for (split(/,/, $list))
	{
		s/\s+/ /g;
		s/^ | $//g;
		next if $_ eq '' || /^OUT /i;
		s/ (?:DEFAULT|=) .*//i;
		s/^(?:IN|INOUT|VARIADIC) //i;
		s/^(?:\w+|"[^"]*") (?=\w)//;
		push @types, lc;
	}
	return join(', ', @types);
}

# What a script creates: {kind, name, signature, where, returns}.
my @objects;
for (@all)
{
	my ($file, $line, $code) = @$_;

	if ($code =~ /^CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s+([\w.]+)\s*\((.*?)\)\s*(?:RETURNS\s+(\w+)|AS|LANGUAGE|BEGIN)/is)
	{
		push @objects, { kind => 'function', name => lc $1, returns => lc($3 // ''),
			signature => lc($1) . '(' . input_types($2) . ')', where => "$file:$line" };
	}
	elsif ($code =~ /^CREATE\s+(?:OR\s+REPLACE\s+)?(?:UNLOGGED\s+|MATERIALIZED\s+|RECURSIVE\s+)?(VIEW|TABLE|SEQUENCE)\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)/is)
	{
		push @objects, { kind => lc $1, name => lc $2, signature => lc $2, where => "$file:$line" };
	}
}
my %own = map { $_->{name} => 1 } @objects;
my @functions = grep { $_->{kind} eq 'function' } @objects;

# ---- Rules ------------------------------------------------------------------

# A script that meets an object of the same name must fail, not take it over.
sub plain
{
	for (@all)
	{
		my ($file, $line, $code) = @$_;
		while ($code =~ /\b(CREATE\s+OR\s+REPLACE|IF\s+NOT\s+EXISTS)\b/gi)
		{
			my $at = $line + (substr($code, 0, $-[0]) =~ tr/\n//);
			print "$file:$at: \U$1\n";
		}
	}
}

# Words that stand before a parenthesis and are no functions.
my %words = map { $_ => 1 } qw(
	all and any array as both by case cast coalesce column conflict cube default distinct
	else except exists extract filter from function greatest grouping having in
	insert intersect interval into is join key lateral least leading limit not
	nothing of on or over partition primary references row rows select set sets
	some table then trailing union unique using value values varchar when where
	with within check char character numeric decimal time timestamp bit float
	index event trigger execute procedure add to
);

# Operators and functions of an expression, all of pg_catalog and by that name:
# an operator or a function planted elsewhere on the search path could fit better.
# own: whether the script's own functions may go without a schema, as they may in a
# script, whose search path begins with theirs, but not in a body.
sub check_names
{
	my ($file, $line, $code, $own) = @_;
	my $say = sub {
		my ($position, $text) = @_;
		my $at = $line + (substr($code, 0, $position) =~ tr/\n//);
		print "$file:$at: $text\n";
	};

	# Qualified operators, casts, SELECT *, count(*), x.*, f(a => b), assignments
	$code =~ s/(\bOPERATOR\s*\(\s*pg_catalog\.)([^)]*)\)/(' ' x length $1) . (' ' x length $2) . ' '/gie;
	$code =~ s/::|=>|:=/  /g;
	$code =~ s/(\bAS\s+)(\w+)(?=\s*\()/$1 . ' ' x length $2/gie;	# an alias with its columns
	$code =~ s/(\bSET\s+)([^;]*?)(?=\bWHERE\b|\bFROM\b|;|\z)/$1 . $2 =~ s{((?:^|,)\s*\w+\s*)=}{$1 }gr/gie;
	$code =~ s/(\bSELECT\s+(?:DISTINCT\s+)?|,\s*|\(\s*|\.\s*)\*/$1 /gi;
	$code =~ s/(?<![\w)\s])(\s*)-(?=\d)/$1 /g;	# a sign
	my $operators = $code =~ s/\@extschema\@/           /gr;
	while ($operators =~ m{([-+*/<>=~!@#%^&|`?]+)}g)
	{
		$say->($-[0], "operator $1: OPERATOR(pg_catalog.$1)");
	}
	while ($code =~ /\b(NOT\s+BETWEEN|BETWEEN|NOT\s+LIKE|LIKE|ILIKE|SIMILAR\s+TO|NULLIF|DISTINCT\s+FROM|NATURAL|NOT\s+IN|IN(?=\s*\()|CASE(?=\s+(?!WHEN\b)\S))\b/gi)
	{
		$say->($-[0], "\U$1\E takes an operator from the search path");
	}
	while ($code =~ /\bJOIN\s+[^;]*?\bUSING\s*\(/gi)
	{
		$say->($-[0], "JOIN ... USING takes an operator from the search path");
	}
	while ($code =~ /(?<![\w.@"])((?:[\w@]+\.)*)(\w+)\s*\(/g)
	{
		my ($schema, $name) = (lc $1, lc $2);
		next if $schema eq 'pg_catalog.' || $schema eq '@extschema@.';
		next if $schema eq '' && ($words{$name} || $name =~ /^\d/);
		next if $schema eq '' && $own && $own{$name};
		$say->($-[2], "function $schema$name(): not qualified");
	}
}

sub names
{
	for (@all)
	{
		my ($file, $line, $code, $source) = @$_;

		if ($code =~ /^CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b/i)
		{
			next if $code =~ /\bLANGUAGE\s+'?c\b/i;
			next if $code =~ /\bSET\s+search_path\b/i;
			next if $code =~ /\bLANGUAGE\s+plproxy\b/i;		# it runs on a shard
			next if $code =~ /\bBEGIN\s+ATOMIC\b/i;		# its names are bound when it is created
			if ($source =~ /\bAS\s+(?:(\$\w*\$)(.*)\1|'((?:[^']|'')*)')/is)
			{
				my $body = $2 // $3;
				my $start = $line + (substr($source, 0, $-[2] // $-[3]) =~ tr/\n//);
				check_names($file, $start, code_of($body), 0);
			}
			else
			{
				check_names($file, $line, $code, 1);
			}
		}
		elsif ($code =~ /^DO\b/i)
		{
			print "$file:$line: DO: not looked into by this rule; write plain statements\n";
		}
		elsif ($code =~ /^(?:COMMENT|GRANT|REVOKE)\b/i)
		{
			# No expressions there.
		}
		elsif ($code =~ /^(?:CREATE|ALTER|DROP)\s+(?:\w+\s+)?(?:AGGREGATE|CAST|OPERATOR|TYPE|EVENT|TRIGGER|SEQUENCE|EXTENSION)\b/i)
		{
			# Names of its own kinds, and no expressions.
		}
		else
		{
			$code =~ s/^(CREATE\s+(?:\w+\s+)?TABLE\s+[\w.]+\s*)\(/$1 /i;
			$code =~ s/(\)\s*)(WITH\s*\([^)]*\))(?=\s*;\s*\z)/$1/i;	# of a table
			check_names($file, $line, $code, 1);
		}
	}

	# What the C code hands to SPI.
	for my $file (sort (glob('src/*.c'), glob('src/*/*.c')))
	{
		my $text = slurp($file);
		my $string = qr/"(?:[^"\\\n]|\\.)*"/;

		while ($text =~ /"(?=(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s)(?:[^"\\\n]|\\.)*"(?:\s*(?:[A-Z]\w+\s*)?$string)*/g)
		{
			my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
			my $sql = $&;
			$sql =~ s/"(\s*)(?:[A-Z]\w+\s*)?"/ $1 /g;
			$sql =~ s/^"|"$//g;
			$sql =~ s/%[-0-9.]*l*[a-z]/x/g;
			check_names($file, $line, code_of($sql), 0);
		}
	}
}

# The functions meant for everybody, by name. A line: the name; behind # why, if need be.
sub public_functions
{
	my %names = $cluster ? (map { $_->{name} => 1 } grep { $_->{name} =~ /^mvstore_shard_/ } @functions) : ();
	for (map { split(/\n/, slurp($_)) } 'tools/public-functions.txt', $cluster ? 'cluster/public-functions.txt' : ())
	{
		s/\s*#.*//;
		$names{$_} = 1 if $_ ne '';
	}
	return %names;
}

# Who may use what is decided by somebody, not by what PostgreSQL gives by default.
sub rights
{
	my %public = public_functions();
	my (%named, %revoked);

	for (@all)
	{
		my ($file, $line, $code) = @$_;
		next unless $code =~ /^(GRANT|REVOKE)\b.*?\bON\s+(?:TABLE\s+|FUNCTION\s+|PROCEDURE\s+|SEQUENCE\s+)?(.*)\b(?:TO|FROM)\b/is;
		my ($verb, $list) = (uc $1, $2);
		while ($list =~ /([\w.]+)(?:\s*\(([^)]*)\))?/g)
		{
			my $types = defined $2 ? join(', ', map { s/^\s+|\s+$//gr } split(/,/, lc $2)) : undef;
			my $object = defined $types ? lc($1) . "($types)" : lc $1;
			$named{$object} = 1;
			$revoked{lc $1} = $file . ':' . $line if $verb eq 'REVOKE' && defined $types;
		}
	}
	for (@objects)
	{
		next if $named{ $_->{signature} };
		if ($_->{kind} eq 'function')
		{
			next if $public{ $_->{name} };
			print "$_->{where}: function $_->{signature}: no GRANT or REVOKE, and not in tools/public-functions.txt\n";
		}
		else
		{
			print "$_->{where}: $_->{kind} $_->{name}: no GRANT or REVOKE\n";
		}
	}
	# Functions on shards are for those whom the ones above them are for.
	for my $name (grep { !$cluster || !/^mvstore_shard_/ } sort keys %public)
	{
		print "tools/public-functions.txt: $name: there is no such function\n" unless $own{$name} || $cluster;
		print "tools/public-functions.txt: $name: but it is revoked at $revoked{$name}\n" if $revoked{$name};
	}
}

sub comments
{
	my %commented;
	for (@all)
	{
		next unless $_->[2] =~ /^COMMENT\s+ON\s+(FUNCTION|PROCEDURE|VIEW)\s+([\w.]+)\s*(?:\((.*?)\))?\s+IS\s+'/is;
		$commented{ lc($2) . (defined $3 ? '(' . join(', ', map { s/^\s+|\s+$//gr } split(/,/, lc $3)) . ')' : '') } = 1;
	}
	for (@objects)
	{
		next unless $_->{kind} =~ /^(?:function|view)$/;
		print "$_->{where}: $_->{kind} $_->{signature}: no COMMENT\n" unless $commented{ $_->{signature} };
	}
}

sub reference
{
	my $text = slurp('doc/reference.md');
	my %seen;

	for (@objects)
	{
		next unless $_->{kind} =~ /^(?:function|view)$/;
		next if $seen{ $_->{name} }++;
		print "$_->{where}: $_->{kind} $_->{name} is not in doc/reference.md\n" unless $text =~ /\b\Q$_->{name}\E\b/;
	}
}

# A section of the reference, from its heading to the next of its kind or above.
sub section
{
	my ($heading) = @_;
	my ($level) = $heading =~ /^(#+)/;
	my ($text) = slurp('doc/reference.md') =~ /^\Q$heading\E\n(.*?)(?=^#{1,${\length $level}} |\z)/ms;
	return $text // '';
}

# What the tables of a text name in the first cell of each row.
sub named_in_tables
{
	my ($text) = @_;
	return map { /`([^`]+)`/g } $text =~ /^\|([^|]*)\|/mg;
}

# Each column of a view, as far as the view is for everybody, has a row in a table below its heading.
sub columns
{
	my %columns;
	for (@all)
	{
		push @{ $columns{$1} }, $2 if $_->[2] =~ /^COMMENT\s+ON\s+COLUMN\s+(\w+)\.(\w+)/i;
	}
	for (grep { $_->{kind} eq 'view' && $columns{ $_->{name} } } @objects)
	{
		my %named = map { $_ => 1 } named_in_tables(section("### $_->{name}"));
		for my $column (@{ $columns{ $_->{name} } })
		{
			print "$_->{where}: column $_->{name}.$column is in no table of doc/reference.md\n" unless $named{$column};
		}
	}
}

# Each SQLSTATE that the library names is in the table of errors.
sub codes
{
	my ($header) = @_;
	die "lint-sql.pl codes wants the server's errcodes.h\n" unless defined $header;
	my @files = sort(glob('src/*.[ch]'), glob('src/*/*.[ch]'));
	my $define = qr/^#define\s+(ERRCODE_\w+)\s+MAKE_SQLSTATE\(([^)]*)\)/m;
	my (%code, %named);

	for my $text (map { slurp($_) } $header, @files)
	{
		while ($text =~ /$define/g)
		{
			my ($name, $letters) = ($1, $2);
			$code{$name} = join('', $letters =~ /'(.)'/g);
		}
	}
	$named{$_} = 1 for named_in_tables(section('## Errors'));
	for my $file (@files)
	{
		my $text = slurp($file);
		while ($text =~ /\b(ERRCODE_\w+)/g)
		{
			my $code = $code{$1};
			my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
			print "$file:$line: $1 has no SQLSTATE\n" unless defined $code;
			print "$file:$line: $code ($1) is not in the table of errors of doc/reference.md\n" if defined $code && !$named{$code};
		}
	}
}

# Functions and views come in the order of the headings of the reference, and in that order
# mvstore_help() names the functions.
sub order
{
	my @names = map { /(mvstore_\w+)/g } grep { /^### / } split(/\n/, slurp('doc/reference.md'));
	my (%where, $last);

	$where{ $_->{name} } //= $_ for @objects;
	for my $object (grep { $_ } map { $where{$_} } @names)
	{
		my ($line) = $object->{where} =~ /:(\d+)$/;
		print "$object->{where}: $object->{kind} $object->{name} comes later in doc/reference.md\n"
			if defined $last && $line < $last;
		$last = $line;
	}

	my $wanted = join(' ', grep { $where{$_} && $where{$_}{kind} eq 'function' } @names);
	for (grep { $_->[2] =~ /^CREATE\s+FUNCTION\s+mvstore_help\b/i } @all)
	{
		my ($list) = $_->[3] =~ /unnest\('\{([\w\s,]+)\}'/;
		my $found = join(' ', map { "mvstore_$_" } ($list // '') =~ /\w+/g);
		print "$_->[0]:$_->[1]: mvstore_help() names $found, and doc/reference.md $wanted\n"
			if $found ne $wanted;
	}
}

# Triggers are called by what sets them off, a type's functions by its values, and a view's by its
# readers, among them the views behind it.
sub tests
{
	my $text = join("\n", map { slurp($_) } @tests);
	my %seen;

	for (reverse @all)
	{
		$text .= $_->[2] if $_->[2] =~ /^CREATE\s+VIEW\s+(\w+)/i && $text =~ /\b$1\b/;
		next unless $_->[2] =~ /^CREATE\s+TYPE\b/i;
		$seen{$1} = 1 while $_->[2] =~ /\b(?:INPUT|OUTPUT|RECEIVE|SEND)\s*=\s*(\w+)/gi;
	}

	for (@functions)
	{
		next if $_->{returns} =~ /trigger$/ || $seen{ $_->{name} }++;
		print "$_->{where}: function $_->{name}: no test calls it\n" unless $text =~ /\b\Q$_->{name}\E\s*\(/;
	}
}

# Each setting is in the table of settings, or is one of a build for tests.
sub settings
{
	my %named = map { $_ => 1 } named_in_tables(section('## Settings'));
	my $for_tests = slurp('doc/testing.md');

	for my $file (sort (glob('src/*.c'), glob('src/*/*.c')))
	{
		my $code = slurp($file);
		while ($code =~ /\bDefineCustom\w+Variable\(\s*"([^"]+)"/g)
		{
			print "$file: setting $1 is not in the table of settings of doc/reference.md\n" unless delete $named{$1} || $for_tests =~ /`\Q$1\E`/;
		}
	}
	print "doc/reference.md: there is no setting $_\n" for sort keys %named;
}

my %rules = (plain => \&plain, names => \&names, rights => \&rights, comments => \&comments,
	reference => \&reference, order => \&order, tests => \&tests, settings => \&settings,
	columns => \&columns, codes => \&codes);

die "usage: lint-sql.pl " . join('|', sort keys %rules) . "\n" unless @ARGV && $rules{ $ARGV[0] };
die "no script mvstore--*.sql here\n" unless @scripts;
$rules{ $ARGV[0] }->(@ARGV[ 1 .. $#ARGV ]);
