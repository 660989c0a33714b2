#!/usr/bin/env perl
# Circles of parts, and calls that go up: perl tools/circles.pl [DIRECTORY].
#
# A part is a .c file with its header. It uses another one if it includes that one's
# header, or names a function or variable that the other alone defines. Each circle is
# printed with the uses that close it, then each use of a part in a folder that stands
# above the user's own in @ROOMS. Without either, nothing is printed.

use strict;
use warnings;

# The folders of src/, from top to bottom. What is not in one of them is in src itself.
my @ROOMS = ('src', map { "src/$_" } qw(worker functions queue store version shared base));

my $top = shift // '.';
my (%text, %defines, %uses);

sub part_of { my $name = shift; $name =~ s/\.[ch]$//; return $name }
sub room_of { my $name = shift; $name =~ s{/[^/]*$}{}; return $name }

# The text of a file without comments and without what stands in quotes.
sub code_of
{
	my $file = shift;
	open my $in, '<', "$top/$file" or die "$file: $!\n";
	local $/;
	my $code = <$in>;
	$code =~ s{/\*.*?\*/|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}{my $quoted = $1 // ' '; $quoted =~ /\.h"$/ ? $quoted : $quoted eq ' ' ? ' ' : '""'}gse;
	return $code;
}

my @files = map { s{^\Q$top\E/}{}r } glob("$top/src/*.[ch] $top/src/*/*.[ch]");
my %is_file = map { $_ => 1 } @files;

for my $file (@files)
{
	my $code = $text{$file} = code_of($file);
	next unless $file =~ /\.c$/;

	# A definition begins a line with its name, its type on the one before it.
	while ($code =~ /^(?!static\b)(?:[A-Za-z_][\w \t*]*)\n((?:mvs|mvstore)_\w+)\((?=[^;{}]*\)\s*\{)/gm)
	{
		$defines{$1}{ part_of($file) } = 1;
	}
	$defines{$1}{ part_of($file) } = 1 while $code =~ /^(?!static\b|extern\b|typedef\b)[A-Za-z_][\w ]*[ \t*]+(mvs_\w+)(?:\[[^\]]*\])?(?: = [^;]*)?;/gm;
}

for my $file (@files)
{
	my $part = part_of($file);
	for my $header ($text{$file} =~ /^#include "([^"]+)"/gm)
	{
		my ($found) = grep { $is_file{$_} } "src/$header", room_of($file) . "/$header";
		next unless $found;
		my $other = part_of($found);
		$uses{$part}{$other}{"includes $header"} = 1 if $other ne $part;
	}
	for my $name ($text{$file} =~ /\b(mvs_\w+|mvstore_\w+)\b/g)
	{
		my @by = keys %{ $defines{$name} // {} };
		next if @by != 1 || $by[0] eq $part;
		$uses{$part}{ $by[0] }{$name} = 1 if $file =~ /\.c$/;
	}
}

# Circles: strongly connected parts, by Tarjan's algorithm.
my (%index, %low, %on_stack, @stack, @circles);
my $next = 0;

sub visit
{
	my $part = shift;
	$index{$part} = $low{$part} = $next++;
	push @stack, $part;
	$on_stack{$part} = 1;
	for my $other (sort keys %{ $uses{$part} // {} })
	{
		if (!defined $index{$other})
		{
			visit($other);
			$low{$part} = $low{$other} if $low{$other} < $low{$part};
		}
		elsif ($on_stack{$other} && $index{$other} < $low{$part})
		{
			$low{$part} = $index{$other};
		}
	}
	return if $low{$part} != $index{$part};
	my @circle;
	do
	{
		push @circle, pop @stack;
		$on_stack{ $circle[-1] } = 0;
	} while ($circle[-1] ne $part);
	push @circles, [ sort @circle ] if @circle > 1;
}

my %parts = map { part_of($_) => 1 } @files;
for my $part (sort keys %parts)
{
	visit($part) unless defined $index{$part};
}

sub list { my ($part, $other) = @_; return join(', ', sort keys %{ $uses{$part}{$other} }) }

for my $circle (@circles)
{
	my %in = map { $_ => 1 } @$circle;
	print "circle: @$circle\n";
	for my $part (@$circle)
	{
		print "    $part uses $_: ", list($part, $_), "\n" for grep { $in{$_} } sort keys %{ $uses{$part} };
	}
}

my %floor = map { $ROOMS[$_] => $_ } 0 .. $#ROOMS;
for my $part (sort keys %uses)
{
	for my $other (sort keys %{ $uses{$part} })
	{
		my ($from, $to) = map { $floor{ room_of($_) } // die "$_ is in no room that $0 knows\n" } $part, $other;
		print "upwards: $part uses $other: ", list($part, $other), "\n" if $to < $from;
	}
}
