package Plot;

# Drawings of measurements, in SVG that can be read on light and on dark ground. plot()
# draws curves in panels one above the other, which share an axis, as of time or size;
# bars() draws bars in columns side by side, which share their rows; both make a file.
# figure() draws one panel for a page of HTML, narrow enough for a phone; style() is what
# such a page needs once.

use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(max min);
use POSIX qw(floor);

our @EXPORT = qw(plot bars figure style escape);

# Pixels: of the drawing, of the margins around the panels, of a panel and of the gap
# above it. A file has its legends on the right, a figure of a page above.
my %wide = (width => 980, left => 70, right => 190, top => 52, bottom => 48, height => 124, gap => 40);
my %narrow = (width => 380, left => 52, right => 16, top => 14, bottom => 44, height => 170, gap => 0);
our %page = %wide;

my $style = <<'CSS';
svg text { font-family: Helvetica, Arial, 'Liberation Sans', sans-serif; font-size: 12px; fill: #444 }
svg .title { font-size: 17px; font-weight: bold; fill: #111 }
svg .panel { font-size: 13px; font-weight: bold; fill: #222 }
svg .grid { stroke: #e4e4e4 }
svg .axis { stroke: #888 }
svg .series { fill: none; stroke-width: 1.4; stroke-linejoin: round; stroke-linecap: butt }
svg .ground { fill: #fff }
svg .bar { fill: #7fb4dc }
svg .mvstore { fill: #0b5fa5 }
svg .range { stroke: #444 }
svg .mark { stroke: #888; stroke-dasharray: 2 3 }
@media (prefers-color-scheme: dark) {
svg text { fill: #bbb }
svg .title, svg .panel { fill: #eee }
svg .grid { stroke: #363b42 }
svg .axis, svg .range, svg .mark { stroke: #999 }
svg .ground { fill: #0d1117 }
svg .series, svg .dot { filter: brightness(1.5) }
svg .bar { fill: #2f5d82 }
svg .mvstore { fill: #4a9be0 }
}
CSS

sub style { return $style }

# Text as it stands in XML and HTML, between tags and in an attribute.
sub escape
{
	my ($text) = @_;
	my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;', "'" => '&#39;');
	return $text =~ s/([&<>"'])/$entity{$1}/gr;
}

sub text
{
	my ($x, $y, $anchor, $class, $text) = @_;
	$text = escape($text);
	return sprintf qq(<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>\n), $x, $y, $anchor, $class, $text;
}

sub line
{
	my ($x1, $y1, $x2, $y2, $class) = @_;
	return sprintf qq(<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>\n), $x1, $y1, $x2, $y2, $class;
}

# What is drawn of a series: a path in SVG's terms.
sub curve
{
	my ($series, $path) = @_;
	my $dashes = $series->{dashed} ? sprintf ' stroke-dasharray="%s"', $series->{dashed} eq 1 ? '4 3' : $series->{dashed} : '';
	return qq(<path class="series" stroke="$series->{color}"$dashes d="$path"/>\n);
}

# A number as a tick has it: 12,000 or 0.05.
sub label
{
	my $text = $_[0] >= 1e6 ? sprintf '%.0f', $_[0] : sprintf '%.6g', $_[0];
	1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
	return $text;
}

# From 0 up to $most, or just beyond it, in at most $count round steps.
sub linear_ticks
{
	my ($most, $count) = @_;
	$most = 1 if $most <= 0;
	my $power = 10**floor(log($most / $count) / log(10));
	my ($step) = grep { $most / $_ <= $count } map { $_ * $power } 1, 2, 5, 10, 20;
	return map { $_ * $step } 0 .. -floor(-$most / $step * 0.9999);
}

# Powers of ten around all values; if these span little, twice and five times them as well.
sub log_ticks
{
	my ($least, $most) = @_;
	my @steps = $most / $least < 300 ? (1, 2, 5) : 1;
	my @ticks;
	for my $power (floor(log($least) / log(10)) .. floor(log($most) / log(10)) + 1)
	{
		push @ticks, map { $_ * 10**$power } @steps;
	}
	shift @ticks while @ticks > 2 && $ticks[1] <= $least;
	pop @ticks while @ticks > 2 && $ticks[-2] >= $most;
	return @ticks;
}

# The axis of a panel: its ticks, and a function from values to pixels, which
# gives undef for what has no place on it.
sub axis
{
	my ($panel, $bottom) = @_;
	my @values = grep { defined && (!$panel->{log} || $_ > 0) }
	  map { $_->[1] } map { @{ $_->{points} } } @{ $panel->{series} };
	@values = (1) if !@values;
	my @ticks = $panel->{log} ? log_ticks(min(@values), max(@values)) : linear_ticks(max(@values), 5);
	my $scale = $panel->{log} ? sub { log($_[0]) } : sub { $_[0] };
	my ($low, $high) = map { $scale->($_) } @ticks[ 0, -1 ];
	return (\@ticks, sub {
		my ($value) = @_;
		return undef if !defined $value || ($panel->{log} && $value <= 0);
		return $bottom - $page{height} * ($scale->($value) - $low) / ($high - $low);
	});
}

# A path through the points; where a value is missing it is interrupted.
sub path
{
	my ($points, $x, $y) = @_;
	my $path = '';
	my $command = 'M';
	for my $point (@$points)
	{
		my $pixel = $y->($point->[1]);
		$path .= sprintf '%s%.1f %.1f', $command, $x->($point->[0]), $pixel if defined $pixel;
		$command = defined $pixel ? 'L' : 'M';
	}
	return $path;
}

# The legend of a panel: beside it or, in a narrow drawing, in two columns above.
sub legend
{
	my ($panel, $top) = @_;
	my $svg = '';
	my $n = 0;
	for my $series (@{ $panel->{series} })
	{
		my ($x, $y) = $page{gap} ? ($page{width} - $page{right} + 14, $top + 8 + 19 * $n)
		  : ($page{left} + ($n % 2) * 0.5 * ($page{width} - $page{left}), $page{top} + 19 * int($n / 2));
		$svg .= curve($series, sprintf 'M%.1f %.1fh26', $x, $y);
		$svg .= text($x + 33, $y + 4, 'start', 'legend', $series->{name});
		$n++;
	}
	return $svg;
}

# Numbered lines where something began, from 1: the numbers keep apart from each other.
sub marks
{
	my ($panel, $top, $x) = @_;
	my $svg = '';
	my ($n, $free) = (0, 0);
	for my $at (@{ $panel->{marks} // [] })
	{
		$free = max($free, $x->($at));
		$svg .= line($x->($at), $top, $x->($at), $top + $page{height}, 'mark');
		$svg .= text($free, $top - 5, 'middle', 'tick', ++$n);
		$free += 10;
	}
	return $svg;
}

# One panel, with its legend.
sub draw
{
	my ($panel, $top, $times, $x) = @_;
	my $bottom = $top + $page{height};
	my ($left, $right) = ($page{left}, $page{width} - $page{right});
	my ($ticks, $y) = axis($panel, $bottom);
	my $svg = $page{gap} ? text($left, $top - 10, 'start', 'panel', $panel->{title}) : '';
	for my $time (@$times)
	{
		$svg .= line($x->($time), $top, $x->($time), $bottom, 'grid');
	}
	for my $tick (@$ticks)
	{
		$svg .= line($left, $y->($tick), $right, $y->($tick), 'grid');
		$svg .= text($left - 8, $y->($tick) + 4, 'end', 'tick', label($tick));
	}
	$svg .= marks($panel, $top, $x);
	$svg .= line($left, $top, $left, $bottom, 'axis') . line($left, $bottom, $right, $bottom, 'axis');

	# The first is drawn last, above the others.
	for my $series (reverse @{ $panel->{series} })
	{
		for my $point ($series->{dots} ? @{ $series->{points} } : ())
		{
			my $pixel = $y->($point->[1]);
			$svg .= sprintf qq(<circle class="dot" fill="%s" cx="%.1f" cy="%.1f" r="2.4"/>\n), $series->{color}, $x->($point->[0]), $pixel
			  if defined $pixel;
		}
		$svg .= curve($series, path($series->{points}, $x, $y));
	}
	return $svg . legend($panel, $top);
}

sub begin
{
	my ($height, $title) = @_;
	my $svg = sprintf qq(<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">\n),
	  ($page{width}, $height) x 2;
	$svg .= '<title>' . escape($title) . "</title>\n";
	$svg .= qq(<style>\n$style</style>\n<rect width="100%" height="100%" class="ground"/>\n);
	return $svg . text($page{left}, 26, 'start', 'title', $title);
}

# Where it is goes to the standard error: the standard output has what the page of benchmarks takes.
sub finish
{
	my ($file, $svg) = @_;
	open my $out, '>:utf8', $file or die "bench: $file: $!\n";
	print $out $svg, "</svg>\n";
	close $out or die "bench: $file: $!\n";
	print STDERR "Drawn in $file\n";
}

# Panels below each other, the first from $top on, and the axis that they share.
sub panels
{
	my ($top, $label, @panels) = @_;
	my $log = $label =~ s/^log //;
	my @values = map { $_->[0] } map { @{ $_->{points} } } map { @{ $_->{series} } } @panels;
	my ($least, $most) = $log ? (min(@values), max(@values)) : (0, max(@values) || 1);
	my $width = $page{width} - $page{left} - $page{right};
	my @ticks = grep { $_ >= $least && $_ <= $most * 1.001 }
	  $log ? log_ticks($least, $most) : linear_ticks($most, $width / 60);
	my $scale = $log ? sub { log($_[0] / $least) / (log($most / $least) || 1) } : sub { $_[0] / $most };
	my $x = sub { $page{left} + $scale->($_[0]) * $width };

	my $svg = '';
	for my $panel (@panels)
	{
		$svg .= draw($panel, $top, \@ticks, $x);
		$top += $page{height} + $page{gap};
	}
	my $bottom = $top - $page{gap};
	$svg .= text($x->($_), $bottom + 18, 'middle', 'tick', label($_)) for @ticks;
	return $svg . text($page{left} + $width / 2, $bottom + 36, 'middle', 'tick', $label);
}

# plot(file, title, label of the shared axis, panel ...). A panel is { title,
# log => whether its axis is logarithmic, marks => [where something began ...], series =>
# [{ name, color, dashed => 1 or a pattern, dots => whether its points are seen, points => [[time, value or undef] ...] } ...] }. A label with
# "log " before it makes the shared axis logarithmic.
sub plot
{
	my ($file, $title, $label, @panels) = @_;
	my $height = $page{top} + @panels * ($page{height} + $page{gap}) + $page{bottom} - $page{gap};
	finish($file, begin($height, $title) . panels($page{top} + 10, $label, @panels));
}

# figure(description, label of the axis, panel): the element to stand in a page that has
# style(). Its title is for who cannot see it, as the page has one of its own.
sub figure
{
	my ($description, $label, $panel) = @_;
	local %page = %narrow;
	my $top = $page{top} + 19 * int((@{ $panel->{series} } + 1) / 2) + 8;
	my $svg = sprintf qq(<svg viewBox="0 0 %d %d" role="img" aria-label="%s">\n<title>%s</title>\n<desc>%s</desc>\n),
	  $page{width}, $top + $page{height} + $page{bottom}, (map { escape($_) } ($panel->{title}) x 2, $description);
	return $svg . panels($top, $label, $panel) . "</svg>\n";
}

# Pixels of bars(): of the names on the left, from one row to the next, and what a
# column leaves to the right of its bars for their values.
use constant { NAMES => 262, ROW => 24, VALUE => 56 };

# bars(file, title, [name of each row], column ...). A column is { title, format => of
# printf, rows => [[values of which the median is shown, and the range] ...] }. Names
# with "mvstore" stand out.
sub bars
{
	my ($file, $title, $names, @columns) = @_;
	my $svg = begin($page{top} + 30 + @$names * ROW + 16, $title);
	my $top = sub { $page{top} + 30 + $_[0] * ROW };
	$svg .= text(NAMES - 10, $top->($_) + 12, 'end', 'tick', $names->[$_]) for 0 .. $#$names;
	my $width = ($page{width} - NAMES - 10) / @columns;
	for my $n (0 .. $#columns)
	{
		my ($column, $left) = ($columns[$n], NAMES + $n * $width);
		my $most = max(1e-9, map { grep { defined } @$_ } @{ $column->{rows} });
		my $x = sub { $left + $_[0] / $most * ($width - VALUE) };
		$svg .= text($left, $top->(0) - 12, 'start', 'panel', $column->{title});
		for my $row (0 .. $#$names)
		{
			my @values = sort { $a <=> $b } grep { defined } @{ $column->{rows}[$row] };
			next if !@values;
			my $y = $top->($row);
			my $median = ($values[ $#values / 2 ] + $values[ @values / 2 ]) / 2;
			my $text = sprintf $column->{format}, $median;
			1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
			$svg .= sprintf qq(<rect x="%.1f" y="%.1f" width="%.1f" height="%d" class="%s"/>\n), $left, $y,
			  $x->($median) - $left, ROW - 8, $names->[$row] =~ /mvstore/ ? 'mvstore' : 'bar';
			$svg .= line($x->($values[0]), $y + 8, $x->($values[-1]), $y + 8, 'range') if @values > 1;
			$svg .= text($x->($values[-1]) + 5, $y + 12, 'start', 'tick', $text);
		}
		$svg .= line($left, $top->(0) - 4, $left, $top->(scalar @$names), 'axis');
	}
	finish($file, $svg);
}

1;
