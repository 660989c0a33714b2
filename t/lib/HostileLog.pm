# What servers' logs say when they are called by the thousand: errors counted by their state,
# and what no call may lead to kept, with its statement: a crash, a failed assertion, an
# "internal error".

package HostileLog;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(new_watch read_log tell_watch $HOSTILE_LOG_CONF);

# Of the server's configuration: what is read here.
our $HOSTILE_LOG_CONF = <<'CONF';
log_line_prefix = '%m [%p] %b %d %e: '
log_error_verbosity = verbose
log_min_messages = error
log_min_error_statement = error
log_statement = none
CONF

# What is PostgreSQL's own: two that define, or drop, one object at the same time.
my $CONCURRENT = qr/(?:tuple concurrently (?:updated|deleted)|cache lookup failed for |could not open relation with OID |could not find tuple for )/;
my $DEFINES = qr/STATEMENT:  (?:GRANT|ALTER|CREATE (?!TEMP TABLE x)|DROP|UPDATE pg_|DELETE FROM pg_|TRUNCATE|CLUSTER|REINDEX|VACUUM|ANALYZE|REFRESH)/;

# Of %params: harmed is the pattern of databases whose catalog was written to, and may say
# that it is damaged; only the pattern of files in which an error is ours, the others' being
# no business of the test.
sub new_watch
{
	my (%params) = @_;

	return { %params, states => {}, wrong => {}, tolerated => {} };
}

# An entry of a log that must not be there, unless it is right to say so.
sub judge
{
	my ($watch, $entry, $when) = @_;

	return if !$entry;
	my $name = $entry->{name} =~ s/\d+/N/gr =~ s/"[^"]*"/"..."/gr;
	my $fine = !$entry->{crash} && (
		$entry->{name} =~ /^XX000 $CONCURRENT/ && $entry->{text} =~ /$DEFINES|QUERY:  SELECT hostile\.caught/
		  || $watch->{harmed} && $entry->{database} =~ $watch->{harmed} && $entry->{name} =~ /^XX00[12]/
		  || $watch->{only} && ($entry->{text} =~ /LOCATION:  \w+, (\S+):\d/ ? $1 : '') !~ $watch->{only});

	if ($fine)
	{
		$watch->{tolerated}{$name}++;
	}
	elsif (!$watch->{wrong}{$name}++)
	{
		diag("$when: " . substr($entry->{text}, 0, 6000));
	}
	return;
}

# Read what a server has logged since, and empty its log.
sub read_log
{
	my ($watch, $server, $when) = @_;
	my $entry;

	open(my $log, '<', $server->logfile) or die $server->logfile . ": $!";
	while (my $line = <$log>)
	{
		if ($line =~ /terminated by signal|TRAP:|PANIC: |exited with exit code (?![01]\b)|runtime error:|AddressSanitizer|stack smashing|double free/)
		{
			$watch->{crashed} = 1;
			judge($watch, $entry, $when);
			$entry = { name => $line =~ s/^.*?: //r, text => $line, database => '', crash => 1 };
		}
		elsif ($line =~ /^\S+ \S+ \S+ \[\d+\] .*? (\S*) (\w{5}): (ERROR|FATAL|WARNING|LOG):  (?:\w{5}: )?(.*)/)
		{
			my ($database, $state, $level, $message) = ($1, $2, $3, $4);

			judge($watch, $entry, $when);
			$entry = undef;
			($level, $state, $message) = ('ERROR', $1, $2) if $message =~ /^caught (\w{5}) (.*)/;
			$watch->{states}{$state}++ if $level ne 'LOG';
			$entry = { name => "$state $message", text => $line, database => $database } if $state =~ /^XX/;
		}
		elsif ($entry && length($entry->{text}) < 20_000)
		{
			# Its context and its statement, or a backtrace.
			$entry->{text} .= $line;
		}
	}
	judge($watch, $entry, $when);
	close($log);
	truncate($server->logfile, 0) or die "truncate: $!";
	return;
}

# Note what was seen, and pass if nothing was wrong. The number of errors.
sub tell_watch
{
	my ($watch) = @_;
	my $states = $watch->{states};
	my $errors = 0;

	$errors += $_ for values %$states;
	note("errors: $errors, " . join ' ', map { "$_ $states->{$_}" } sort { $states->{$b} <=> $states->{$a} || $a cmp $b } keys %$states);
	note("errors of others: $watch->{tolerated}{$_} times $_") for sort keys %{ $watch->{tolerated} };
	diag("$watch->{wrong}{$_} times: $_") for sort keys %{ $watch->{wrong} };
	is(scalar keys %{ $watch->{wrong} }, 0, 'no crash, and no error that says nothing');
	return $errors;
}

1;
