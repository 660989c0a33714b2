#!/usr/bin/env perl
#
# links.pl: that the links of the pages in Markdown lead somewhere. A link to a file of this
# tree must name one, and one with an anchor a heading of it. Prints those that do not.

use strict;
use warnings;

use File::Basename qw(dirname);

my %anchors;

sub contents
{
	my ($file) = @_;

	open(my $handle, '<', $file) or die "$file: $!";
	local $/;
	return scalar(<$handle>) // '';
}

# The anchors of a page, as they are made of its headings.
sub anchors_of
{
	my ($file) = @_;

	return $anchors{$file} //= do {
		my (%found, %times);
		my $text = contents($file) =~ s/^ *```.*?^ *```$//msgr;
		for my $heading ($text =~ /^#+ +(.*?) *$/mg)
		{
			my $anchor = lc($heading =~ s/\[([^\]]*)\]\([^)]*\)/$1/gr) =~ s/[^\w\- ]//gr =~ tr/ /-/r;
			my $before = $times{$anchor}++;
			$found{ $before ? "$anchor-$before" : $anchor } = 1;
		}
		\%found;
	};
}

for my $page (sort glob('*.md */*.md'))
{
	my $text = contents($page) =~ s/^ *```.*?^ *```$//msgr =~ s/`[^`\n]*`//gr;
	for my $link ($text =~ /\]\(([^)\s]+)\)/g)
	{
		my ($path, $anchor) = split /#/, $link, 2;
		my $file = $path eq '' ? $page : dirname($page) . "/$path";
		1 while $file =~ s{(^|/)(?!\.\./)[^/]+/\.\./}{$1};
		$file =~ s{^\./}{};
		if (!-e $file)
		{
			print "$page: $link: there is no $file\n";
		}
		elsif (defined $anchor && !anchors_of($file)->{$anchor})
		{
			print "$page: $link: $file has no heading with this anchor\n";
		}
	}
}
