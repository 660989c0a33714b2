# The examples of a page in Markdown: what its blocks of code have one do, and what they say comes of it.
#
# A block of ```sql is typed into psql, all those of a page in one session. Its result is shown
# - in comments: a table in lines that begin with "-- ", behind the statement; or the only value, behind a SELECT of one line;
# - in a block that follows at once, or in the next block of ```text: all that psql prints;
# - or the block is such a session itself, each statement behind "=> ", its result below it.
# Where a shown result has an ERROR, the statement must fail. ```ini is of settings: the server must take each.
# Other blocks follow a comment that says what to do with them, as may those of SQL:
#
#	<!-- test: error 72000 -->            the last statement of the block must fail, with this SQLSTATE
#	<!-- test: run -->                    a block of ```sh is run, beside the session, in a directory that is empty first
#	<!-- test: file examples/x/y.py -->   it is a part of this file, for which there is a test
#	<!-- test: skip WHY -->               it cannot be run
#	<!-- test: none WHY -->               nothing of the page can be run
#	<!-- test: before                     what the page takes for granted: SQL, or commands of psql, up to the end of
#	SELECT mvstore_create('s'); -->       the comment

package Examples;

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp;
use Test::More;

our @EXPORT = qw(section_of examples_of examples_hold);

my $tree = dirname(__FILE__) . '/../..';

# The section of a text in Markdown that has this title.
sub section_of
{
	my ($markdown, $title) = @_;
	my ($section) = $markdown =~ /^## \Q$title\E$(.*?)(?=^## |\z)/ms;

	return $section // '';
}

sub contents
{
	my ($file) = @_;

	open(my $handle, '<', $file) or die "$file: $!";
	local $/;
	return scalar(<$handle>) // '';
}

sub save
{
	my ($file, $text) = @_;

	open(my $handle, '>', $file) or die "$file: $!";
	print $handle $text;
	close $handle or die "$file: $!";
}

# What differs from run to run, and from one width of a column to another.
sub plain
{
	my ($text) = @_;

	$text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+\d\d/TIME/g;
	$text =~ s/\b1[78]\d{14}\b/VERSION/g;
	$text =~ s/^\(\d+ rows?\)\n//mg;
	$text =~ s/-{2,}/--/g;
	$text =~ s/ +/ /g;
	$text =~ s/^ | $//mg;
	$text =~ s/\n{2,}/\n/g;
	$text =~ s/\A\s+|\s+\z//g;
	return $text;
}

# ---- What a page says ---------------------------------------------------------

# A block of SQL: what is typed, up to the next result that is shown in a comment, and that result.
sub statements_of
{
	my ($block) = @_;
	my @examples;
	my $example = { typed => '' };
	my $end = sub {
		# A table has a line below its head; else it is a remark.
		delete $example->{shown} if ($example->{shown} // '') !~ /^-[-+]*$/m;
		push @examples, $example if $example->{typed} =~ /\S/;
		$example = { typed => '' };
	};

	for my $line (split /\n/, $block)
	{
		if ($line =~ /^--(?: (.*))?$/)
		{
			$example->{shown} .= ($1 // '') . "\n";
			next;
		}
		$end->() if defined $example->{shown} && $example->{typed} =~ /\S/;
		$example->{typed} .= "$line\n";
		if ($line =~ /^SELECT .*;\s+-- (.*)$/)
		{
			$example->{value} = $1;
			$end->();
		}
	}
	$end->();
	return @examples;
}

# A session: statements behind "=> ", up to a semicolon at the end of a line, and what comes of each.
sub session_of
{
	my ($block) = @_;

	return map {
		my ($typed, $shown) = /^(.*?;[^\n]*\n)(.*)\z/s ? ($1, $2) : ($_, '');
		{ typed => $typed, whole => $shown =~ /\S/ ? $shown : undef, fails => $shown =~ /^ERROR: /m ? qr/./ : undef }
	} grep { /\S/ } split(/^=> /m, $block);
}

sub settings_of
{
	my ($block) = @_;

	return map { { typed => "ALTER SYSTEM SET $_->[0] = '$_->[1]';\nALTER SYSTEM RESET $_->[0];\n" } }
	  map { /^\s*([\w.]+)\s*=\s*'?(.*?)'?\s*(?:#.*)?$/ ? [ $1, $2 ] : () } split(/\n/, $block);
}

# What a block is, by its language and the comment before it.
sub examples_of_block
{
	my ($language, $block, $do, $with) = @_;

	return if $do eq 'skip' && $with =~ /\w/;
	return { file => $with, part => $block } if $do eq 'file';
	return { command => $block } if $do eq 'run' && $language eq 'sh';
	return { typed => $block, fails => qr/^\Q$with\E$/ } if $do eq 'error' && $language eq 'sql' && $with =~ /^\w{5}$/;
	return session_of($block) if $do eq '' && $language =~ /^(text|)$/ && $block =~ /^=> /;
	return if $do eq '' && $language eq '';
	return statements_of($block) if $do eq '' && $language eq 'sql';
	return settings_of($block) if $do eq '' && $language eq 'ini';
	return { wrong => "nobody knows what to do with a block of '$language' after '$do $with': $block" };
}

# The examples of a text in Markdown, in their order.
sub examples_of
{
	my ($markdown) = @_;
	my (@examples, $behind, $skipped);
	my ($do, $with, $last) = ('', '', 0);

	while ($markdown =~ /^<!-- test: (\w+)\s*(.*?)\s*-->$|^( *)```(\w*)\n(.*?)^\3```$/msg)
	{
		if (defined $1)
		{
			return if $1 eq 'none';
			push @examples, { typed => "$2\n" } if $1 eq 'before';
			($do, $with) = $1 eq 'before' ? ('', '') : ($1, $2);
			next;
		}
		my ($from, $indent, $language, $block) = ($-[0], $3, $4, $5);
		my $follows = defined $behind && substr($markdown, $behind, $from - $behind) =~ /^\s*$/;
		$behind = pos $markdown;
		$block =~ s/^$indent//mg;

		# The result of the block before: of all of it, also if that has several statements.
		if ($do eq '' && $block !~ /^=> / && ($language eq 'text' || $language eq '' && $follows))
		{
			my @of = splice @examples, $last;
			$of[-1]{typed} = join('', map { $_->{typed} } @of) if @of && defined $of[-1]{typed};
			push @examples, { %{ $of[-1] }, whole => $block } if @of;
			push @examples, { wrong => "nothing gives this result: $block" } unless @of || $skipped;
			($last, $behind) = (scalar @examples, undef);
			next;
		}
		$last = @examples;
		push @examples, examples_of_block($language, $block, $do, $with);
		$skipped = $do eq 'skip';
		($do, $with) = ('', '');
	}
	return @examples;
}

# ---- What comes of it ---------------------------------------------------------

# What psql is to do for an example, the mark behind included.
sub script_of
{
	my ($example, $number, $dir, $mark) = @_;
	my $script = $example->{typed} // '';

	if (defined $example->{command})
	{
		save("$dir/$number.sh", $example->{command});
		$script = "\\! cd $dir/work && sh -e $dir/$number.sh >$dir/$number.out 2>&1 </dev/null || echo failed >>$dir/$number.out\n";
	}
	$script = "\\set ON_ERROR_STOP 0\n\\set LAST_ERROR_SQLSTATE 00000\n$script\n\\set ON_ERROR_STOP 1\n" if $example->{fails};
	return "$script\n\\echo '$mark' :LAST_ERROR_SQLSTATE\n\\warn '$mark'\n";
}

# An example's results are those that are shown. Say whether some were.
sub result_holds
{
	my ($example, $out, $err, $sqlstate) = @_;
	my $what = (split /\n/, $example->{typed} // $example->{command})[-1];

	like($sqlstate, $example->{fails}, "fails as it should: $what") or diag("$out\n$err") if $example->{fails};
	if (defined $example->{command})
	{
		unlike($out, qr/^failed$/m, "works: $what") or diag($out);
	}
	if (defined $example->{whole})
	{
		my ($result, $expected) = (plain($out), plain($example->{whole}));
		$result = plain("$out\n$err") if $expected =~ /^(?:ERROR|WARNING|NOTICE): /m;
		# Of an error the page may leave out the end: the hint, the context.
		$result = $expected if $expected =~ /^ERROR: /m && $result =~ /\A\Q$expected\E$/m;
		is($result, $expected, "as shown: $what");
	}
	elsif (defined $example->{shown})
	{
		my ($result, $expected) = (plain($out), plain($example->{shown}));
		ok($result =~ /^\Q$expected\E\z/m, "as shown: $what") or diag("$result\ninstead of\n$expected");
	}
	elsif (defined $example->{value})
	{
		is((split /\n/, plain($out))[-1] // '', $example->{value}, "as shown: $what");
	}
	return grep { defined } @{$example}{qw(whole shown value fails command)};
}

# Those examples that are not typed: parts of files, and what is wrong with the page.
sub parts_hold
{
	fail($_->{wrong}) for grep { $_->{wrong} } @_;
	for my $example (grep { $_->{file} } @_)
	{
		my ($text, $first) = (contents("$tree/$example->{file}"), (split /\n/, $example->{part})[0]);
		my ($by) = $text =~ /^([ \t]*)\Q$first\E$/m;
		my $part = $example->{part} =~ s/^(?=.)/$by/mgr if defined $by;
		ok(defined $by && index("\n$text", "\n$part") >= 0, "a part of $example->{file}: $first");
	}
}

# Type them all in one session of psql, connected to a database: nothing fails, and each has the
# result that is shown. Return what the server said beside.
sub examples_hold
{
	my ($database, @all) = @_;
	my @examples = grep { defined($_->{typed} // $_->{command}) } @all;
	my ($mark, $shown) = ('---- end of an example ----', 0);
	my $dir = File::Temp->newdir;
	my $script = "\\pset footer off\n\\setenv PGHOST :HOST\n\\setenv PGPORT :PORT\n\\setenv PGUSER :USER\n\\setenv PGDATABASE :DBNAME\n";

	parts_hold(@all);
	mkdir "$dir/work" or die "$dir/work: $!";
	$script .= script_of($examples[$_], $_, $dir, $mark) for 0 .. $#examples;
	save("$dir/typed", $script);
	my $status = system('sh', '-c',
		'exec psql -X -q -v ON_ERROR_STOP=1 -d "$1" <"$0/typed" >"$0/out" 2>"$0/err"', $dir, $database);
	my ($out, $err) = map { contents("$dir/$_") } qw(out err);
	is($status, 0, 'every statement works') or diag($err);

	my @results = split /^\Q$mark\E (\w+)\n/m, $out, -1;
	my @said = split /^\Q$mark\E\n/m, $err, -1;
	is(@results / 2 - 0.5, scalar(@examples), 'every example ran')
	  or diag(defined $examples[@said - 1] ? 'the last was: ' . ($examples[@said - 1]{typed} // $examples[@said - 1]{command}) : '');
	for my $i (0 .. (@results < 2 ? -1 : @results / 2 - 1.5))
	{
		my $result = defined $examples[$i]{command} ? contents("$dir/$i.out") : $results[2 * $i];
		$shown++ if result_holds($examples[$i], $result, $said[$i], $results[2 * $i + 1]);
	}
	cmp_ok($shown, '>=', int(@examples / 20), 'results are shown');
	return join '', map { $_ < @examples && ($examples[$_]{fails} || ($examples[$_]{whole} // '') =~ /^(?:WARNING|NOTICE): /m) ? '' : $said[$_] } 0 .. $#said;
}

1;
