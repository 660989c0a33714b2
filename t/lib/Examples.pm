# The examples of a page: what its ```sql blocks have psql do, and what they say comes of it.

package Examples;

use strict;
use warnings;

use Exporter qw(import);
use File::Temp;
use Test::More;

our @EXPORT = qw(section_of examples_of examples_hold);

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

# What differs from run to run, and from one width of a column to another.
sub plain
{
	my ($text) = @_;

	$text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+\d\d/TIME/g;
	$text =~ s/-{2,}/--/g;
	$text =~ s/ +/ /g;
	$text =~ s/ ?$//mg;
	$text =~ s/\s+\z//;
	return $text;
}

# The examples of a text in Markdown, in their order: what is typed, up to the next result that
# is shown, and that result. It is shown as psql prints it, in lines that begin with "-- " and
# follow the statement; or as its only value, in a comment behind the statement.
sub examples_of
{
	my ($markdown) = @_;
	my @examples;

	for my $block ($markdown =~ /^```sql\n(.*?)^```$/msg)
	{
		my $example = { typed => '' };
		my $end = sub {
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
			$end->() if defined $example->{shown};
			$example->{typed} .= "$line\n";
			if ($line =~ /^SELECT .*;\s+-- (.*)$/)
			{
				$example->{value} = $1;
				$end->();
			}
		}
		$end->();
	}
	return @examples;
}

# Type them all in one session of psql, connected to a database: nothing fails, and each has the
# result that is shown. Return what the server said beside.
sub examples_hold
{
	my ($database, @examples) = @_;
	my ($mark, $script, $shown) = ('---- end of an example ----', "\\pset footer off\n", 0);
	$script .= "$_->{typed}\n\\echo '$mark'\n" for @examples;

	my $dir = File::Temp->newdir;
	open(my $typed, '>', "$dir/typed") or die "$dir/typed: $!";
	print $typed $script;
	close $typed or die "$dir/typed: $!";
	my $status = system('sh', '-c',
		'exec psql -X -q -v ON_ERROR_STOP=1 -d "$1" <"$0/typed" >"$0/out" 2>"$0/err"', $dir, $database);
	my ($out, $err) = map { contents("$dir/$_") } qw(out err);
	is($status, 0, 'every statement works') or note("$out\n$err");

	my @results = split /^\Q$mark\E\n/m, $out, -1;
	is(scalar(@results), @examples + 1, 'every example ran');
	for my $i (0 .. $#examples)
	{
		my $example = $examples[$i];
		my $result = plain($results[$i] // '');
		my $what = (split /\n/, $example->{typed})[-1];

		if (defined $example->{shown})
		{
			my $expected = plain($example->{shown});
			ok($result =~ /^\Q$expected\E\z/m, "as shown: $what") or diag("$result\ninstead of\n$expected");
			$shown++;
		}
		elsif (defined $example->{value})
		{
			is((split /\n/, $result)[-1], " $example->{value}", "as shown: $what");
			$shown++;
		}
	}
	cmp_ok($shown, '>=', @examples / 10, 'results are shown');
	return $err;
}

1;
