#!/usr/bin/perl
#
# The report of ./dev demo: one page of HTML that needs nothing else, of what
# examples/git-history/replay.pl has recorded.
#
#     perl tools/report.pl RECORD >PAGE
#
# All text goes through escape(): names of files and commits are a stranger's. What is
# drawn is there as a table, too, for who cannot see it.

use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::RealBin/../bench";
use JSON::PP ();
use List::Util qw(max min sum0);
use Plot;
use POSIX qw(strftime);

use constant {
	POINTS => 400,    # of a curve, at most
	ROWS => 24,       # of the table to a curve, at most
	COMMITS => 300,   # in the table of comparisons, at most
	CELLS => 120,     # of the strip of comparisons, at most
};
my %color = (blue => '#0b5fa5', orange => '#c2560a', grey => '#777777');

die "usage: report.pl RECORD\n" if @ARGV != 1;
open my $in, '<', $ARGV[0] or die "report: $ARGV[0]: $!\n";
my $r = JSON::PP::decode_json(do { local $/; <$in> });
my @samples = @{ $r->{samples} };
my @phases = @{ $r->{phases} };
binmode STDOUT, ':utf8';

# ---- Words and elements -----------------------------------------------------

sub number
{
	my $text = sprintf '%.0f', $_[0];
	1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}

sub bytes
{
	my ($n) = @_;
	return number($n) . ' bytes' if $n < 10_240;
	return sprintf '%.0f kB', $n / 1024 if $n < 10_485_760;
	return sprintf '%.1f MB', $n / 1_048_576 if $n < 10_737_418_240;
	return sprintf '%.1f GB', $n / 1_073_741_824;
}

# A table: its caption, its headings, of which those of numbers begin with #, and its rows.
sub table
{
	my ($caption, $headings, @rows) = @_;
	my @numeric = map { s/^#//r ne $_ ? ' class="n"' : '' } @$headings;
	my $html = '<div class="wide" tabindex="0" role="region" aria-label="' . escape($caption) . '"><table>'
	  . '<caption>' . escape($caption) . "</caption>\n<thead><tr>";
	$html .= qq(<th scope="col"$numeric[$_]>) . escape($headings->[$_] =~ s/^#//r) . '</th>' for 0 .. $#$headings;
	$html .= "</tr></thead>\n<tbody>\n";
	for my $row (@rows)
	{
		my @cells = map { "<td$numeric[$_]>" . escape($row->[$_] // '') . '</td>' } 0 .. $#$headings;
		$html .= '<tr>' . join('', @cells) . "</tr>\n";
	}
	return "$html</tbody></table></div>\n";
}

sub details
{
	my ($summary, @content) = @_;
	return '<details><summary>' . escape($summary) . "</summary>\n" . join('', @content) . "</details>\n";
}

# Some of a list, evenly, with the first and the last.
sub thinned
{
	my ($most, @list) = @_;
	return @list if @list <= $most;
	return map { $list[ int($_ * $#list / ($most - 1) + 0.5) ] } 0 .. $most - 1;
}

# ---- Curves -------------------------------------------------------------------

# One drawing: its title, a sentence on it, its series as [name, color, function of a sample, whether
# each sample is seen].
sub drawing
{
	my ($title, $text, $samples, $marks, $unit, @series) = @_;
	my @dashes = (0, '4 3', '1 2');
	my @drawn = map {
		my ($name, $color, $value, $dots) = @$_;
		{ name => $name, color => $color{$color}, dashed => shift @dashes, dots => $dots && @$samples < 100,
			points => [ grep { defined $_->[1] } map { [ $_->{at} * $unit->[1], $value->($_) ] } thinned(POINTS, @$samples) ] }
	} @series;
	return '<figure><figcaption><h3>' . escape($title) . '</h3><p>' . escape($text) . '</p></figcaption>'
	  . figure($text, $unit->[0], { title => $title, series => \@drawn, marks => [ map { $_ * $unit->[1] } @$marks ] })
	  . "</figure>\n";
}

# The samples from one phase to before another, with their time since its begin, and with what came of
# lag between two of them.
sub samples_of
{
	my ($name) = @_;
	my ($n) = grep { $phases[$_]{name} eq $name } 0 .. $#phases;
	my ($from, $to) = ($phases[$n]{at}, $n < $#phases ? $phases[ $n + 1 ]{at} : 9e99);
	my @found = map { { %$_, at => $_->{at} - $from } } grep { $_->{at} >= $from && $_->{at} < $to } @samples;
	my $last = $found[0];
	for my $sample (@found)
	{
		my $requests = $sample->{lag_requests_total} - $last->{lag_requests_total};
		$sample->{lag} = 1e3 * ($sample->{lag_seconds_total} - $last->{lag_seconds_total}) / $requests if $requests > 0;
		$sample->{waiting} = 1e3 * ($sample->{queue_oldest_seconds} // 0);
		($sample->{asked}, $sample->{gone}) = map { $sample->{$_} - $found[0]{$_} } qw(requested entries_dropped);
		$sample->{finished} = $sample->{done} - $found[0]{done};
		$last = $sample;
	}
	return @found;
}

sub time_section
{
	my @seconds = ('seconds', 1);
	my @marks = map { $_->{at} } @phases;
	my %what = ('replay' => 'the replay, one transaction a commit', 'read back' => 'reading back', 'drop' => 'the drop of the older half',
		'read again' => 'reading again', 'VACUUM' => 'VACUUM, and VACUUM FULL');
	my @columns = (
		[ '#seconds', sub { sprintf '%.2f', $_[0]{at} } ], [ '#commits', sub { number($_[0]{commits}) } ],
		[ '#versions of keys', sub { number($_[0]{entries}) } ], [ '#dropped', sub { number($_[0]{entries_dropped}) } ],
		[ '#size', sub { bytes($_[0]{size}) } ]);
	return "<section><h2>Over time</h2>\n<p>What mvstore’s own views said while the demo ran. The numbered lines are where each "
	  . 'part began:</p><ol>' . join('', map { sprintf '<li>%s, at %.2f s</li>', escape($what{ $_->{name} } // $_->{name}), $_->{at} } @phases)
	  . "</ol>\n<div class=\"cards\">\n"
	  . drawing('Size of the store, in MB', 'With its index and TOAST.', \@samples, \@marks, \@seconds,
		[ 'on disk', 'blue', sub { $_[0]{size} / 1_048_576 } ])
	  . drawing('Versions of keys', 'What the store holds: each put or delete is one; and the commits replayed.', \@samples, \@marks, \@seconds,
		[ 'in the store', 'blue', sub { $_[0]{entries} } ], [ 'commits', 'orange', sub { $_[0]{commits} } ])
	  . "</div>\n"
	  . details('The same as a table', table('What the views said over time', [ map { $_->[0] } @columns ],
			map { my $sample = $_; [ map { $_->[1]->($sample) } @columns ] } thinned(ROWS, @samples)))
	  . "</section>\n";
}

sub drop_section
{
	my @found = samples_of('drop');
	my @ms = ('milliseconds since the first request', 1000);
	my @columns = (
		[ '#ms', sub { sprintf '%.0f', 1e3 * $_[0]{at} } ], [ '#requested', sub { number($_[0]{asked}) } ],
		[ '#done', sub { number($_[0]{finished}) } ], [ '#entries dropped', sub { number($_[0]{gone}) } ],
		[ '#in the queue', sub { number($_[0]{queue_length}) } ],
		[ '#oldest waits, ms', sub { sprintf '%.1f', $_[0]{waiting} } ],
		[ '#lag of those done, ms', sub { defined $_[0]{lag} ? sprintf '%.1f', $_[0]{lag} : '' } ]);
	return sprintf("<section><h2>The drop, close up</h2>\n<p>%s requests, one a key, for all that was superseded before commit %s: in 20 "
		  . "transactions, which took %.2f s. After %.2f s the worker had removed %s of %s versions.</p>\n",
		number($r->{requests}), number($r->{cut} + 1), $r->{enqueued}, $r->{flushed}, number($r->{dropped}), number($r->{before}))
	  . "<div class=\"cards\">\n"
	  . drawing('Requests, and versions removed', 'A request counts once it has committed. The worker takes them in batches.', \@found, [], \@ms,
		[ 'requested', 'orange', sub { $_[0]{asked} } ], [ 'done', 'blue', sub { $_[0]{finished} } ],
		[ 'versions removed', 'grey', sub { $_[0]{gone} } ])
	  . drawing('Lag, in milliseconds', 'From COMMIT to done: the mean of those done since the look before; and how long the oldest one waits.',
		\@found, [], \@ms, [ 'oldest that waits', 'orange', sub { $_[0]{waiting} } ], [ 'mean of those done', 'blue', sub { $_[0]{lag} }, 1 ])
	  . "</div>\n"
	  . details('The same as a table', table('Requests and lag during the drop', [ map { $_->[0] } @columns ],
			map { my $sample = $_; [ map { $_->[1]->($sample) } @columns ] } thinned(2 * ROWS, @found)))
	  . "</section>\n";
}

# ---- The proof ------------------------------------------------------------------

my %word = (equal => 'equal', differs => 'DIFFERS', gone => 'gone (72000)', error => 'ERROR');

# A strip of cells, each for one comparison or several of a part; the worst of these counts.
sub strip
{
	my ($title, @compared) = @_;
	my @worst = qw(equal gone error differs);
	my %rank = map { $worst[$_] => $_ } 0 .. $#worst;
	my $cells = min(CELLS, scalar @compared);
	my $html = '';
	for my $cell (0 .. $cells - 1)
	{
		my @some = @compared[ int($cell * @compared / $cells) .. int(($cell + 1) * @compared / $cells) - 1 ];
		my $result = $worst[ max(map { $rank{ $_->{result} } } @some) ];
		my $what = join('–', map { number($_->{seq} + 1) } @some > 1 ? @some[ 0, -1 ] : $some[0]) . ": $word{$result}";
		$html .= sprintf qq(<g class="%s"><title>commit %s</title><rect x="%d" y="0" width="9" height="16"/></g>),
		  $result, escape($what), 11 * $cell;
	}
	my %count;
	$count{ $word{ $_->{result} } }++ for @compared;
	my $text = join ', ', map { "$count{$_} $_" } sort keys %count;
	return sprintf qq(<p class="strip"><span>%s</span> <svg viewBox="0 0 %d 16" style="width: %dpx" role="img" aria-label="%s">%s</svg> <span>%s</span></p>\n),
	  escape($title), 11 * $cells, 11 * $cells, escape("$title: $text"), $html, escape($text);
}

sub proof_section
{
	my @compared = @{ $r->{comparisons} };
	my %by_phase;
	push @{ $by_phase{ $_->{phase} } }, $_ for @compared;
	my %by_commit;
	for (@compared)
	{
		$by_commit{ $_->{seq} }{ $_->{phase} } = $_;
	}
	my @parts = sort { $a <=> $b } keys %by_phase;
	my @order = sort { $a <=> $b } keys %by_commit;
	my @bad = grep { my $of = $by_commit{$_}; grep { $_->{result} =~ /differs|error/ } values %$of } @order;
	my %shown = map { $_ => 1 } @bad[ 0 .. min(COMMITS, scalar @bad) - 1 ], thinned(COMMITS, @order);
	my @rows = map {
		my ($seq, $of, $commit) = ($_, $by_commit{$_}, $r->{commits}{$_});
		my ($files) = sort { $b->{files} <=> $a->{files} } values %$of;
		[ number($seq + 1), substr($commit->[0], 0, 10), strftime('%Y-%m-%d', gmtime $commit->[1]), $commit->[2], number($files->{files}),
			bytes($files->{bytes}), map { $of->{$_} ? $word{ $of->{$_}{result} } : '' } @parts ]
	} grep { $shown{$_} } @order;
	my $equal = grep { $_->{result} eq 'equal' } @compared;
	my $gone = grep { $_->{result} eq 'gone' } @compared;
	return "<section><h2>The proof against git</h2>\n<p>"
	  . ($r->{all} ? 'Every commit' : 'A sample of the commits')
	  . ' was read as of its version. Every name, and by ' . escape($r->{objects}) . ' every byte, was compared with <code>git ls-tree</code>: '
	  . sprintf('<strong id="equal">%s of %s comparisons were equal</strong>, of %s files, %s.', number($equal), number(@compared - $gone),
		number($r->{files_compared}), escape(bytes($r->{bytes_compared})))
	  . ($gone ? sprintf(' %s times the history was gone by then, and the read said so: SQLSTATE 72000.', number($gone)) : '') . "</p>\n"
	  . join('', map { strip($phases[$_]{name}, @{ $by_phase{$_} }) } @parts)
	  . details('Every comparison' . (@rows < @order ? sprintf(' (%s of %s commits)', number(scalar @rows), number(scalar @order)) : ''),
		table('Commits compared with git', [ '#commit', 'name', 'date', 'subject', '#files', '#bytes', map { $phases[$_]{name} } @parts ], @rows))
	  . "</section>\n";
}

# ---- The rest -------------------------------------------------------------------

sub head_section
{
	my ($name) = $r->{repository} =~ m{([^/]+?)/*\z};
	my $rate = $r->{seconds} > 0 ? number($r->{total} / $r->{seconds}) : '';
	my $equal = grep { $_->{result} eq 'equal' } @{ $r->{comparisons} };
	my @facts = (
		[ commits => number($r->{total}), 'commits replayed', "$rate a second" ],
		[ versions => number($r->{before}), 'versions of keys', number($r->{puts}) . ' puts, ' . number($r->{deletes}) . ' deletes' ],
		[ comparisons => number($equal), 'comparisons equal', number($r->{failures}) . ' failed' ],
		[ dropped => number($r->{dropped}), 'old versions dropped', sprintf('in %.2f s', $r->{flushed}) ]);
	return '<header><h1>A git repository in mvstore: ' . escape($name) . '</h1><p>' . strftime('%Y-%m-%d %H:%M UTC', gmtime $r->{began})
	  . ". The path of a file is a key, its content the value, each commit one transaction.</p>\n"
	  . sprintf(qq(<p id="verdict" class="%s">%s</p>\n), $r->{failures} ? 'failed' : 'proven', escape($r->{verdict}))
	  . '<dl class="facts">'
	  . join('', map { sprintf '<div><dt>%s</dt><dd><b id="%s">%s</b><small>%s</small></dd></div>', escape($_->[2]), $_->[0], escape($_->[1]), escape($_->[3]) } @facts)
	  . "</dl></header>\n";
}

sub store_section
{
	my $views = $r->{views};
	return "<section><h2>The store</h2>\n"
	  . table('Size, with its index and TOAST', [ 'when', '#versions of keys', '#size' ],
		map { [ $_->[0], number($_->[1]), bytes($_->[2]) ] } @{ $r->{sizes} })
	  . '<p>VACUUM makes the room free for new versions. Only VACUUM FULL gives it back to the system.</p>'
	  . join('', map { details($_, table($_, [ 'column', 'value' ], @{ $views->{$_}[0] // [] })) } sort keys %$views)
	  . "</section>\n";
}

sub made_section
{
	my @settings = map { my %row = map { @$_ } @$_; [ @row{qw(name value source)} ] } @{ $r->{settings} };
	return "<section><h2>What it ran on</h2>\n" . table('Versions', [ 'program', 'version' ], @{ $r->{versions} })
	  . details('Settings', table('Settings of the server', [ 'name', 'value', 'set by' ], @settings)) . "</section>\n";
}

sub try_section
{
	my $try = <<'END';
./dev demo                      # this report, for mvstore's own history
./dev demo /path/to/repository  # for another one
./dev demo --all                # every commit, not a sample of them
./dev demo --keep               # and the server goes on running
END
	my $sql = <<'END';
SELECT version, sha, subject FROM commits ORDER BY seq DESC LIMIT 5;
SELECT version, length(value) FROM mvstore_history_raw('demo', 'README.md'::bytea);
SELECT count(*) FROM mvstore_scan_raw('demo', as_of => 1);    -- 72000: that history is gone
SELECT * FROM mvstore_stats;
END
	return "<section><h2>Try it</h2>\n<p>In a checkout of mvstore:</p>\n<pre tabindex=\"0\"><code>" . escape($try)
	  . "</code></pre>\n<p>And in the server that --keep leaves:</p>\n<pre tabindex=\"0\"><code>" . escape($sql)
	  . "</code></pre>\n<p>README.md has a tour of five minutes; doc/ has the rest.</p></section>\n";
}

my $css = <<'CSS';
:root { color-scheme: light dark; --fg: #1d2329; --soft: #545d66; --bg: #f5f6f8; --card: #fff; --line: #d4d9de; --good: #12683a;
  --bad: #b3261e; --gone: #8a6100; --link: #0b5fa5 }
@media (prefers-color-scheme: dark) {
:root { --fg: #e4e7ea; --soft: #a5adb6; --bg: #0d1117; --card: #161b22; --line: #363b42; --good: #57c98a; --bad: #ff8f87; --gone: #e0b050; --link: #6cb6ff }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--bg); color: var(--fg); font: 16px/1.5 system-ui, Helvetica, Arial, 'Liberation Sans', sans-serif }
main { max-width: 62rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0 .25rem; overflow-wrap: anywhere }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem }
h3 { font-size: 1rem; margin: 0 }
p, ol { margin: .5rem 0; overflow-wrap: anywhere }
small, figcaption p { color: var(--soft); font-size: .875rem; margin: 0 }
#verdict { background: var(--card); border: 1px solid var(--line); border-left: .4rem solid var(--good); padding: .7rem 1rem; font-weight: 600 }
#verdict.failed { border-left-color: var(--bad); color: var(--bad) }
.facts, .cards { display: grid; gap: .8rem; margin: .8rem 0 }
.facts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.5rem), 1fr)) }
.cards { grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)) }
.facts div, figure { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; margin: 0; min-width: 0 }
.facts dd { margin: 0 } .facts b { display: block; font-size: 1.7rem; line-height: 1.2 }
figure { display: flex; flex-direction: column; justify-content: space-between }
figure svg { width: 100%; height: auto; display: block; margin-top: .5rem }
.wide, pre { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
caption { text-align: left; font-weight: 600; padding: .4rem 0 }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
.n { text-align: right; white-space: nowrap }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; font-size: .8125rem; line-height: 1.6 }
code { font-family: ui-monospace, Menlo, Consolas, 'Liberation Mono', monospace }
details { margin: .5rem 0 } summary { cursor: pointer; color: var(--link) }
.strip span { display: inline-block; min-width: 6rem } .strip svg { max-width: 100%; height: 16px; vertical-align: middle }
.strip .equal { fill: var(--good) } .strip .gone { fill: var(--gone) } .strip .differs, .strip .error { fill: var(--bad) }
CSS

my ($title) = $r->{repository} =~ m{([^/]+?)/*\z};
print "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
  '<title>mvstore demo: ', escape($title), "</title>\n<style>\n", $css, style(), "</style>\n</head>\n<body>\n<main>\n",
  head_section(), time_section(), drop_section(), proof_section(), store_section(), made_section(), try_section(),
  "</main>\n</body>\n</html>\n";
