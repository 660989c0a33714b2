package Plot;

# Drawings of measurements, as SVG files that can be read on light and on dark ground:
# plot() draws curves in panels one above the other, which share an axis, as of time or
# size; bars() draws bars in columns side by side, which share their rows.

use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(max min);
use POSIX qw(floor);

our @EXPORT = qw(plot bars);

# Pixels: of the drawing, of the margins around the panels, of a panel and of
# the gap above it.
use constant {
	WIDTH => 980,
	LEFT => 70,
	RIGHT => 190,
	TOP => 52,
	BOTTOM => 48,
	HEIGHT => 124,
	GAP => 40,
};

my $style = <<'CSS';
text { font-family: Helvetica, Arial, 'Liberation Sans', sans-serif; font-size: 12px; fill: #444 }
.title { font-size: 17px; font-weight: bold; fill: #111 }
.panel { font-size: 13px; font-weight: bold; fill: #222 }
.grid { stroke: #e4e4e4 }
.axis { stroke: #888 }
.series { fill: none; stroke-width: 1.4; stroke-linejoin: round; stroke-linecap: butt }
.ground { fill: #fff }
.bar { fill: #7fb4dc }
.mvstore { fill: #0b5fa5 }
.range { stroke: #444 }
@media (prefers-color-scheme: dark) {
text { fill: #bbb }
.title, .panel { fill: #eee }
.grid { stroke: #363b42 }
.axis, .range { stroke: #999 }
.ground { fill: #0d1117 }
.series { filter: brightness(1.5) }
.bar { fill: #2f5d82 }
.mvstore { fill: #4a9be0 }
}
CSS

sub text
{
	my ($x, $y, $anchor, $class, $text) = @_;
	my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
	$text =~ s/([&<>])/$entity{$1}/g;
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
	my $dashes = $series->{dashed} ? ' stroke-dasharray="4 3"' : '';
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
		return $bottom - HEIGHT * ($scale->($value) - $low) / ($high - $low);
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

# One panel, with its legend on its right.
sub draw
{
	my ($panel, $top, $times, $x) = @_;
	my $bottom = $top + HEIGHT;
	my $right = WIDTH - RIGHT;
	my ($ticks, $y) = axis($panel, $bottom);
	my $svg = text(LEFT, $top - 10, 'start', 'panel', $panel->{title});
	for my $time (@$times)
	{
		$svg .= line($x->($time), $top, $x->($time), $bottom, 'grid');
	}
	for my $tick (@$ticks)
	{
		$svg .= line(LEFT, $y->($tick), $right, $y->($tick), 'grid');
		$svg .= text(LEFT - 8, $y->($tick) + 4, 'end', 'tick', label($tick));
	}
	$svg .= line(LEFT, $top, LEFT, $bottom, 'axis') . line(LEFT, $bottom, $right, $bottom, 'axis');

	# The first is drawn last, above the others.
	for my $series (reverse @{ $panel->{series} })
	{
		$svg .= curve($series, path($series->{points}, $x, $y));
	}
	my $row = $top + 8;
	for my $series (@{ $panel->{series} })
	{
		$svg .= curve($series, sprintf 'M%.1f %.1fh26', $right + 14, $row);
		$svg .= text($right + 47, $row + 4, 'start', 'legend', $series->{name});
		$row += 19;
	}
	return $svg;
}

sub begin
{
	my ($height, $title) = @_;
	my $svg = sprintf qq(<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">\n),
	  (WIDTH, $height) x 2;
	$svg .= qq(<style>\n$style</style>\n<rect width="100%" height="100%" class="ground"/>\n);
	return $svg . text(LEFT, 26, 'start', 'title', $title);
}

sub finish
{
	my ($file, $svg) = @_;
	open my $out, '>:utf8', $file or die "bench: $file: $!\n";
	print $out $svg, "</svg>\n";
	close $out or die "bench: $file: $!\n";
}

# plot(file, title, label of the shared axis, panel ...). A panel is { title,
# log => whether its axis is logarithmic, series => [{ name, color, dashed,
# points => [[time, value or undef] ...] } ...] }. A label with "log " before it
# makes the shared axis logarithmic.
sub plot
{
	my ($file, $title, $label, @panels) = @_;
	my $height = TOP + @panels * (HEIGHT + GAP) + BOTTOM - GAP;
	my $log = $label =~ s/^log //;
	my @values = map { $_->[0] } map { @{ $_->{points} } } map { @{ $_->{series} } } @panels;
	my ($least, $most) = $log ? (min(@values), max(@values)) : (0, max(@values));
	my @ticks = grep { $_ >= $least && $_ <= $most * 1.001 } $log ? log_ticks($least, $most) : linear_ticks($most, 12);
	my $scale = $log ? sub { log($_[0] / $least) / (log($most / $least) || 1) } : sub { $_[0] / $most };
	my $x = sub { LEFT + $scale->($_[0]) * (WIDTH - LEFT - RIGHT) };

	my $svg = begin($height, $title);
	my $top = TOP + 10;
	for my $panel (@panels)
	{
		$svg .= draw($panel, $top, \@ticks, $x);
		$top += HEIGHT + GAP;
	}
	my $bottom = $top - GAP;
	$svg .= text($x->($_), $bottom + 18, 'middle', 'tick', label($_)) for @ticks;
	$svg .= text(LEFT + (WIDTH - LEFT - RIGHT) / 2, $bottom + 36, 'middle', 'tick', $label);
	finish($file, $svg);
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
	my $svg = begin(TOP + 30 + @$names * ROW + 16, $title);
	my $top = sub { TOP + 30 + $_[0] * ROW };
	$svg .= text(NAMES - 10, $top->($_) + 12, 'end', 'tick', $names->[$_]) for 0 .. $#$names;
	my $width = (WIDTH - NAMES - 10) / @columns;
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
