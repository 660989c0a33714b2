#!/usr/bin/perl
#
# Put what a benchmark has printed into doc/benchmarks.md, for ./dev bench --doc.
#
#     perl tools/bench-doc.pl NAME TAKEN <OUTPUT
#
# in the root of the tree. It replaces what is between the lines "<!-- ./dev bench --doc NAME -->"
# and "<!-- end of NAME -->". TAKEN says how the figures were taken. The picture doc/bench-NAME.svg,
# where there is one, follows; its title is what is read where it cannot be seen.

use strict;
use warnings;
use utf8;

my $page = 'doc/benchmarks.md';
die "usage: bench-doc.pl NAME TAKEN\n" if @ARGV != 2;
my ($name, $taken) = @ARGV;

sub slurp
{
	my ($file) = @_;
	open my $in, '<:utf8', $file or die "bench-doc: $file: $!\n";
	local $/;
	return scalar <$in>;
}

# What is no Markdown is a table of blanks.
binmode STDIN, ':utf8';
my $output = do { local $/; <STDIN> } // '';
$output =~ s/^\s+|\s+$//g;
die "bench-doc: $name printed nothing\n" if $output eq '';
$output = "```\n$output\n```" if $output !~ /^\|/m;

my $block = "$taken\n\n$output\n";
my $svg = "doc/bench-$name.svg";
if (-e $svg)
{
	my ($title) = slurp($svg) =~ m{<title>([^<]*)</title>};
	$block .= "\n![" . ($title // $name) . "](bench-$name.svg)\n";
}

my $text = slurp($page);
$text =~ s/(^<!-- \.\/dev bench --doc \Q$name\E -->\n).*?(^<!-- end of \Q$name\E -->\n)/$1\n$block\n$2/ms
  or die "bench-doc: $page has no place for $name\n";
open my $out, '>:utf8', $page or die "bench-doc: $page: $!\n";
print $out $text;
close $out or die "bench-doc: $page: $!\n";
