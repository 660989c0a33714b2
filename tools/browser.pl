#!/usr/bin/perl
#
# What ./dev report sees of a report in a browser.
#
#     perl tools/browser.pl BROWSER PAGE OUTPUT DIRECTORY
#
# PAGE is the report, OUTPUT what the demo printed, DIRECTORY where pictures go. The page is
# shown three times: light, dark, and as narrow as a phone. tools/browser.js, at the end of a
# copy, tells what it is like. The last line says what passed and what failed.

use strict;
use warnings;
use FindBin;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(time);

my ($browser, $page, $output, $directory) = @ARGV;
my ($passed, $failed) = (0, 0);
my $since = time;

sub slurp
{
	open my $in, '<', $_[0] or die "browser: $_[0]: $!\n";
	local $/;
	return scalar <$in>;
}

# A line about what holds if nothing is found against it.
sub holds
{
	my ($what, @against) = @_;
	printf "report %-70s ... %-6s %6.0f ms\n", $what, @against ? 'FAILED' : 'ok', 1e3 * (time - $since);
	$since = time;
	@against ? $failed++ : $passed++;
	print "    $_\n" for splice @against, 0, 20;
}

sub equals
{
	my ($what, $got, $wanted) = @_;
	return ($got // '') eq ($wanted // 'that the demo printed it') ? () : "$what: " . ($got // 'nothing') . ", not " . ($wanted // 'printed');
}

# Show a page: what the probe found, and what the browser's console said.
sub show
{
	my ($name, $width, $height, $scheme) = @_;
	my @options = (qw(--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run
		  --disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr),
		'--host-resolver-rules=MAP * ~NOTFOUND', "--user-data-dir=$directory/profile", "--window-size=$width,$height",
		"--blink-settings=preferredColorScheme=$scheme");
	frame($width, $height);
	my ($dom, $said) = map { run($name, @options, @$_) }
	  [ '--dump-dom', "file://$directory/probed.html" ], [ "--screenshot=$directory/$name.png", "file://$page" ];
	my ($answer) = $dom->{out} =~ m{<pre id="probe">([^<]+)</pre>};
	my $found = $answer ? JSON::PP::decode_json(decode_base64($answer)) : {};
	return ($found, grep { /CONSOLE/ } split /\n/, "$dom->{err}\n$said->{err}");
}

sub run
{
	my ($name, @options) = @_;
	my $pid = open my $out, '-|';
	die "browser: $!\n" if !defined $pid;
	if (!$pid)
	{
		open STDERR, '>', "$directory/$name.log";
		exec 'timeout', 120, $browser, @options or die "browser: $browser: $!\n";
	}
	my $text = do { local $/; <$out> } // '';
	close $out;
	return { out => $text, err => slurp("$directory/$name.log") };
}

# Width, height and bytes of a picture.
sub picture
{
	my ($file) = @_;
	return (0, 0, 0) if !-s $file;
	my $bytes = slurp($file);
	return ((unpack 'x16NN', $bytes), length $bytes);
}

my $html = slurp($page);
my $probe = slurp("$FindBin::RealBin/browser.js");

# A page with the probed one in a frame: a browser's own window may not be as narrow as a phone.
sub frame
{
	my ($width, $height) = @_;
	my %entity = ('&' => '&amp;', '"' => '&quot;');
	my $probed = $html =~ s{</body>}{<script>$probe</script></body>}r =~ s/([&"])/$entity{$1}/gr;
	open my $out, '>', "$directory/probed.html" or die "browser: $!\n";
	print $out qq(<!DOCTYPE html>\n<meta charset="utf-8"><style>:root { color-scheme: light dark }</style>\n),
	  qq(<body><iframe style="border: 0; width: ${width}px; height: ${height}px" srcdoc="$probed"></iframe></body>\n);
	close $out or die "browser: $!\n";
}

# ---- What the demo printed ------------------------------------------------------

my $printed = slurp($output);
my %printed;
($printed{commits}) = $printed =~ /^  ([\d,]+) commits? in /m;
@printed{qw(dropped versions)} = $printed =~ /had removed ([\d,]+) of ([\d,]+) entr/;
($printed{verdict}) = $printed =~ /^(Proven: .*|FAILED: .*)$/m;
my $compared = () = $printed =~ /^  commit .*  (?:equal|DIFFERS): /mg;
my $equal = () = $printed =~ /^  commit .*  equal: /mg;
@printed{qw(comparisons equal)} = ($equal, "$equal of $compared comparisons were equal");

holds('the page names nothing from elsewhere', $html =~ /(<(?:script|link|iframe|img|object|embed)\b[^>]*|\@import.*|\burl\([^)]*|\b(?:src|href|srcset)=[^ >]*)/gi);
holds('the page says that it is made for narrow windows', $html =~ /<meta name="viewport" content="width=device-width/ ? () : 'no viewport');

for ([ light => 1100, 3000, 1 ], [ dark => 1100, 3000, 0 ], [ narrow => 360, 4200, 1 ])
{
	my ($name, $width, $height, $scheme) = @$_;
	my ($found, @console) = show(@$_);
	if (!defined $found->{inner})
	{
		holds("$name: the browser shows the page", slurp("$directory/$name.log"));
		next;
	}
	holds("$name: the window and its colours are those asked for", equals('width', $found->{inner}, $width),
		equals('dark', $found->{dark} ? 1 : 0, 1 - $scheme), ($found->{ground} > 0.5) == $scheme ? () : 'the ground is not');
	holds("$name: the figures are those that the demo printed",
		map { equals($_, $found->{texts}{$_}, $printed{$_}) } sort keys %printed);
	holds("$name: the console is silent, nothing is loaded, no text is a script", @console,
		@{ $found->{loaded} }, @{ $found->{references} }, equals('a script', $found->{hacked}, 'undefined'));
	holds("$name: nothing is wider than the window", @{ $found->{wide} });
	holds("$name: texts are large and dark or light enough", @{ $found->{small} }, @{ $found->{pale} });
	holds("$name: drawings have names and curves, and their texts have room",
		@{ $found->{nameless} }, @{ $found->{overlapping} }, @{ $found->{outside} }, $found->{curves} >= 7 ? () : "$found->{curves} curves");
	my @picture = picture("$directory/$name.png");
	holds("$name: there is a picture of it", equals('width', $picture[0], $width), $picture[2] > 30_000 ? () : "$picture[2] bytes");
}
print "$passed passed, $failed failed\n";
exit($failed || !$passed ? 1 : 0);
