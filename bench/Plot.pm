package Plot;

# A drawing of measurements over time: panels one above the other that share the
# axis of time, as an SVG file.

use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(max min);
use POSIX qw(floor);

our @EXPORT = qw(plot);

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
	return qq(<path class="series" stroke="$series->{color}" d="$path"/>\n);
}

# A number as a tick has it: 12,000 or 0.05.
sub label
{
	my $text = sprintf '%.6g', $_[0];
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

# plot(file, title, label of the axis of time, panel ...). A panel is { title,
# log => whether its axis is logarithmic, series => [{ name, color,
# points => [[time, value or undef] ...] } ...] }.
sub plot
{
	my ($file, $title, $time_label, @panels) = @_;
	my $height = TOP + @panels * (HEIGHT + GAP) + BOTTOM - GAP;
	my $longest = max(map { $_->[0] } map { @{ $_->{points} } } map { @{ $_->{series} } } @panels);
	my @times = grep { $_ <= $longest * 1.001 } linear_ticks($longest, 12);
	my $x = sub { LEFT + $_[0] / $longest * (WIDTH - LEFT - RIGHT) };

	my $svg = sprintf qq(<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">\n),
	  (WIDTH, $height) x 2;
	$svg .= qq(<style>\n$style</style>\n<rect width="100%" height="100%" fill="#fff"/>\n);
	$svg .= text(LEFT, 26, 'start', 'title', $title);
	my $top = TOP + 10;
	for my $panel (@panels)
	{
		$svg .= draw($panel, $top, \@times, $x);
		$top += HEIGHT + GAP;
	}
	my $bottom = $top - GAP;
	$svg .= text($x->($_), $bottom + 18, 'middle', 'tick', label($_)) for @times;
	$svg .= text($x->($longest / 2), $bottom + 36, 'middle', 'tick', $time_label);
	$svg .= "</svg>\n";

	open my $out, '>', $file or die "bench: $file: $!\n";
	print $out $svg;
	close $out or die "bench: $file: $!\n";
}

1;
