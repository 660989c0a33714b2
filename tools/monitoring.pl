#!/usr/bin/perl
#
# What ./dev monitoring makes and compares. In the root of the tree:
#
#	monitoring.pl queries postgres_exporter | sql_exporter
#		the file of queries for that exporter, as the views' comments say
#	monitoring.pl untested
#		alerts without a test that has them come, or one that has them stay away
#	monitoring.pl scrape URL KIND
#		wait until an exporter answers, and compare what it gives with the views
#	monitoring.pl prometheus URL
#		wait until Prometheus has scraped both, run the queries of the dashboard and look
#		at the rules
#	monitoring.pl ports COUNT
#		ports of this machine that are free
#
# All but the first and the last print what is wrong, one a line, and nothing if all is well.

use strict;
use warnings;

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw(sleep time);

use constant DEADLINE => 60;	# seconds, for what is waited for

# The views, and what the names of their metrics begin with.
my @families = (
	[ mvstore => 'mvstore_metrics' ],
	[ mvstore_store => 'mvstore_store_metrics' ],
	[ mvstore_blocker => 'mvstore_blocker_metrics' ]);
my %is_label = map { $_ => 1 } qw(database schema store name kind);

sub slurp
{
	my ($file) = @_;
	open(my $handle, '<', $file) or die "$file: $!\n";
	local $/;
	return scalar <$handle>;
}

# The columns of a view: [name, comment].
my ($script) = sort glob('mvstore--*.sql');
my $install = slurp($script);
sub columns
{
	my ($view) = @_;
	my @columns;
	while ($install =~ /^COMMENT ON COLUMN \Q$view\E\.(\w+) IS\n'((?:[^']|'')*)';/mg)
	{
		push @columns, [ $1, $2 =~ s/''/'/gr ];
	}
	return @columns;
}

# All metrics, without labels.
sub metrics
{
	return map { my ($prefix, $view) = @$_; map { $is_label{ $_->[0] } ? () : "${prefix}_$_->[0]" } columns($view) } @families;
}

# ---- Files of queries --------------------------------------------------------

# Lines of a list of names.
sub wrap
{
	my ($indent, @names) = @_;
	my @lines = ('');
	for (@names)
	{
		push @lines, '' if length($lines[-1]) + length > 85;
		$lines[-1] .= "$_, ";
	}
	return join("\n", map { $indent . s/ $//r } @lines) =~ s/,\z//r;
}

my $made = <<'END';
# Made by ./dev monitoring --write from the comments of the views: change those.
END

sub postgres_exporter
{
	print <<"END";
# The metrics of mvstore, for postgres_exporter: --extend.query-path. See doc/monitoring.md.
$made
END
	for (@families)
	{
		my ($prefix, $view) = @$_;
		my @columns = columns($view);
		print "$prefix:\n  query: |\n    SELECT\n", wrap('      ', map { $_->[0] } @columns), "\n    FROM $view\n  metrics:\n";
		for (@columns)
		{
			my ($name, $comment) = @$_;
			my $usage = $is_label{$name} ? 'LABEL' : $name =~ /_total$/ ? 'COUNTER' : 'GAUGE';
			print "    - $name:\n        usage: $usage\n        description: ", encode_json([$comment]) =~ s/^\[|\]$//gr, "\n";
		}
	}
}

sub sql_exporter
{
	print <<"END";
# The metrics of mvstore, for sql_exporter (the one that Debian has): -config.file.
# See doc/monitoring.md, and prometheus.yml on their names.
$made
jobs:
  - name: mvstore
    interval: 15s
    # One for each database with stores.
    connections:
      - postgres://monitor\@localhost/mydb?sslmode=disable
    queries:
END
	for (@families)
	{
		my ($prefix, $view) = @$_;
		my @columns = map { $_->[0] } columns($view);
		# The label database is its own.
		my @labels = grep { $is_label{$_} && $_ ne 'database' } @columns;
		my @values = grep { !$is_label{$_} } @columns;
		my ($comment) = $install =~ /^COMMENT ON VIEW \Q$view\E IS\n'((?:[^']|'')*)';/m;
		print "      - name: $prefix\n        help: ", encode_json([$comment]) =~ s/^\[|\]$//gr, "\n";
		print "        labels: [", join(', ', @labels), "]\n" if @labels;
		print "        values:\n          [\n", wrap('            ', @values), "\n          ]\n";
		print "        query: |\n          SELECT\n", wrap('            ', @labels, @values), "\n          FROM $view\n";
	}
}

# ---- Alerts -------------------------------------------------------------------

sub untested
{
	my (undef, @tests) = split(/alertname: /, slurp('monitoring/alerts_test.yml'));

	for my $alert (slurp('monitoring/alerts.yml') =~ /^      - alert: (\w+)$/mg)
	{
		my @of = grep { /^$alert\b/ } @tests;
		print "$alert: no test has it come\n" unless grep { /exp_alerts:\s+- exp_labels/ } @of;
		print "$alert: no test has it stay away\n" unless grep { !/exp_alerts:\s+- exp_labels/ } @of;
	}
}

# ---- What exporters give ------------------------------------------------------

sub get
{
	my ($url) = @_;
	my $answer = HTTP::Tiny->new(timeout => 10)->get($url);
	return $answer->{success} ? $answer->{content} : undef;
}

# Samples of a scrape: {name, labels, value}, under the names that Prometheus will give them.
sub samples
{
	my ($text) = @_;
	my @samples;
	for (split(/\n/, $text))
	{
		next unless /^(\w+)\{(.*)\} (\S+)$/;
		my ($name, $list, $value) = ($1, $2, $3);
		my %labels;
		while ($list =~ /(\w+)="((?:[^"\\]|\\.)*)"/g) { $labels{$1} = $2 }
		$name = "$1_" . delete $labels{col} if $name =~ /^sql_(mvstore\w*)$/ && defined $labels{col};
		push @samples, { name => $name, labels => \%labels, value => $value };
	}
	return grep { $_->{name} =~ /^mvstore_/ } @samples;
}

# What the server of the test is to show: metric, labels, test of the value.
my @expected = (
	[ 'mvstore_is_primary', {}, sub { $_ == 1 } ],
	[ 'mvstore_launcher_up', {}, sub { $_ == 1 } ],
	[ 'mvstore_worker_up', {}, sub { $_ == 1 } ],
	[ 'mvstore_worker_wanted', {}, sub { $_ == 1 } ],
	[ 'mvstore_paused', {}, sub { $_ == 0 } ],
	[ 'mvstore_stores', {}, sub { $_ == 2 } ],
	[ 'mvstore_queue_capacity', {}, sub { $_ == 65536 } ],
	[ 'mvstore_requests_held', {}, sub { $_ >= 1 } ],
	[ 'mvstore_requests_failed', {}, sub { $_ == 0 } ],
	[ 'mvstore_requests_processed_total', {}, sub { $_ >= 1 } ],
	[ 'mvstore_lag_requests_total', {}, sub { $_ >= 1 } ],
	[ 'mvstore_lag_seconds_total', {}, sub { $_ > 0 && $_ < 600 } ],
	[ 'mvstore_dropped_entries_total', {}, sub { $_ == 30 } ],
	[ 'mvstore_reads_refused_total', {}, sub { $_ == 1 } ],
	[ 'mvstore_writers', {}, sub { $_ == 1 } ],
	[ 'mvstore_oldest_writer_seconds', {}, sub { $_ > 0 && $_ < 600 } ],
	[ 'mvstore_stable_lag_seconds', {}, sub { $_ > 0 && $_ < 600 } ],
	[ 'mvstore_pins', {}, sub { $_ == 1 } ],
	[ 'mvstore_oldest_pin_seconds', {}, sub { $_ > 0 && $_ < 600 } ],
	[ 'mvstore_store_puts_total', { schema => 'public', store => 'fruit' }, sub { $_ == 40 } ],
	[ 'mvstore_store_size_bytes', { schema => 'app', store => 'other store' }, sub { $_ >= 8192 } ],
	[ 'mvstore_store_floor_age_seconds', { schema => 'app', store => 'other store' }, sub { $_ =~ /^\+?Inf$/ } ],
	[ 'mvstore_store_floor_age_seconds', { schema => 'public', store => 'fruit' }, sub { $_ > 1e9 && $_ !~ /Inf/ } ],
	[ 'mvstore_store_entries', { schema => 'public', store => 'fruit' }, sub { $_ == 10 } ],
	[ 'mvstore_store_live_bytes', { schema => 'public', store => 'fruit' }, sub { $_ > 0 } ],
	[ 'mvstore_store_reads_refused_total', { schema => 'public', store => 'fruit' }, sub { $_ == 1 } ],
	[ 'mvstore_blocker_reasons', { kind => 'writer', name => 'postgres', schema => '', store => '' }, sub { $_ == 1 } ],
	[ 'mvstore_blocker_oldest_seconds', { kind => 'writer' }, sub { $_ > 0 && $_ < 600 } ],
	[ 'mvstore_blocker_requests', { kind => 'writer' }, sub { $_ >= 1 } ],
	[ 'mvstore_blocker_reasons', { kind => 'pin', name => 'report', schema => 'public', store => 'fruit' }, sub { $_ == 1 } ],
);

sub has_labels
{
	my ($sample, $labels) = @_;
	return !grep { ($sample->{labels}{$_} // '') ne $labels->{$_} } keys %$labels;
}

sub compare
{
	my (@samples) = @_;
	my %given = map { $_->{name} => 1 } @samples;
	my %known = map { $_ => 1 } metrics();
	my @wrong;

	push @wrong, map { "$_ is not scraped" } grep { !$given{$_} } metrics();
	push @wrong, map { "$_ is of no view" } grep { !$known{$_} } sort keys %given;
	push @wrong, map { "$_->{name} has no database" } grep { ($_->{labels}{database} // '') ne 'metrics' } @samples;
	for (@expected)
	{
		my ($name, $labels, $test) = @$_;
		my $what = $name . encode_json($labels);
		my @of = grep { $_->{name} eq $name && has_labels($_, $labels) } @samples;

		push @wrong, "$what: " . @of . ' samples' if @of != 1;
		push @wrong, map { "$what is $_->{value}" } grep { local $_ = $_->{value}; !$test->() } @of;
	}
	return @wrong;
}

# An exporter may answer before it has asked the server.
sub scrape
{
	my ($url) = @_;
	my $end = time() + DEADLINE;
	my @wrong = ("$url does not answer");

	while (@wrong && time() < $end)
	{
		my $text = get($url);
		@wrong = compare(samples($text)) if defined $text;
		push @wrong, "the exporter had errors: $_" for defined $text ? $text =~ /^(pg_exporter\w*_error(?:\{.*\})? [^0\n].*)$/mg : ();
		sleep(0.3) if @wrong;
	}
	print map { "$_\n" } @wrong;
}

# ---- Prometheus ---------------------------------------------------------------

sub ask
{
	my ($url, $path, %parameters) = @_;
	my $text = get("$url/api/v1/$path" . (%parameters ? '?' . HTTP::Tiny->new->www_form_urlencode(\%parameters) : ''));
	return defined $text ? decode_json($text)->{data} : undef;
}

# The queries of the dashboard: [panel, query].
sub dashboard
{
	my $dashboard = decode_json(slurp('monitoring/dashboard.json'));
	my @queries;
	for my $panel (@{ $dashboard->{panels} })
	{
		push @queries, [ $panel->{title}, $_->{expr} ] for @{ $panel->{targets} // [] };
	}
	for (@{ $dashboard->{templating}{list} })
	{
		push @queries, [ "variable $_->{name}", $1 ] if ($_->{query} // '') =~ /^label_values\((.*), \w+\)$/;
	}
	return @queries;
}

sub wrong_queries
{
	my ($url, $names) = @_;
	my @wrong;
	for (dashboard())
	{
		my ($title, $query) = @$_;
		push @wrong, map { "dashboard, $title: $_ is not scraped" } grep { !$names->{$_} } $query =~ /\b(mvstore_\w+)/g;
		my $filled = $query =~ s/\$__rate_interval|\$__interval/1m/gr =~ s/\$(?:instance|database)/.*/gr;
		my $data = ask($url, 'query', query => $filled);
		push @wrong, "dashboard, $title: Prometheus refuses $filled" unless $data;
		push @wrong, "dashboard, $title: nothing for $filled" if $data && !@{ $data->{result} };
	}
	for (slurp('monitoring/alerts.yml') =~ /\b(mvstore_\w+)/g)
	{
		next if $names->{$_} || $install =~ /\bFUNCTION \Q$_\E\(|\bVIEW \Q$_\E\b/;
		push @wrong, "alerts: $_ is not scraped";
	}
	return @wrong;
}

sub prometheus
{
	my ($url) = @_;
	my $end = time() + DEADLINE;
	my @wrong = ('Prometheus does not answer');

	while (@wrong && time() < $end)
	{
		my $rules = ask($url, 'rules');
		if ($rules)
		{
			my @of = map { @{ $_->{rules} } } @{ $rules->{groups} };
			my $names = {};
			@wrong = @of ? () : ('Prometheus has no rules');
			push @wrong, map { "rule $_->{name}: " . ($_->{lastError} // $_->{health}) } grep { $_->{health} ne 'ok' } @of;
			for my $job (qw(postgres_exporter sql_exporter))
			{
				$names = { map { $_ => 1 } @{ ask($url, 'label/__name__/values', 'match[]' => "{job=\"$job\"}") // [] } };
				push @wrong, map { "$_ of $job has not come" } grep { !$names->{$_} } metrics();
			}
			push @wrong, wrong_queries($url, $names) unless @wrong;
		}
		sleep(0.3) if @wrong;
	}
	print map { "$_\n" } @wrong;
}

sub ports
{
	my ($count) = @_;
	my @sockets = map { IO::Socket::INET->new(Listen => 1, LocalAddr => 'localhost') // die "$!" } 1 .. $count;
	print join(' ', map { $_->sockport } @sockets), "\n";
}

my %does = (
	queries => sub { { postgres_exporter => \&postgres_exporter, sql_exporter => \&sql_exporter }->{ $_[0] }->() },
	untested => \&untested, scrape => \&scrape, prometheus => \&prometheus, ports => \&ports);
my $word = shift(@ARGV) // '';
die "no such word: $word\n" unless $does{$word};
$does{$word}->(@ARGV);
