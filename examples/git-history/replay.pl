#!/usr/bin/perl
#
# Replay a git repository's history into a store, prove that it reads back,
# drop the older half and prove that the rest is unchanged.
#
#     perl replay.pl [--all] [--record FILE] REPOSITORY
#
# --all compares every commit, not a sample of them. --record writes what was measured
# and compared to FILE, as JSON: ./dev demo makes its report of that.
#
# It talks to the server through psql, so the usual PGHOST, PGDATABASE, ... say
# where, and needs a database of its own in which neither the store "demo" nor
# the table "commits" exists yet. ./dev demo makes one and calls this.
#
# The path of a file is its key, the content its value, and every commit of the
# first-parent line one transaction, thus one version. A removal is a delete;
# a rename is a delete and a put. What git keeps apart from content (modes)
# and what is no content (submodules) is left out, on both sides.
#
# Needs Perl's core modules, git and psql only.

use strict;
use warnings;
use Digest::SHA;
use Encode ();
use IPC::Open2 ();
use IPC::Open3 ();
use JSON::PP ();
use Time::HiRes qw(time);

use constant {
	KEY_LIMIT => 2000,
	# A row must fit in PostgreSQL's largest allocation, 1 GB - 1, with its key and header.
	VALUE_LIMIT => 0x3fffffff - 8192,
	# Larger values travel in pieces of this size: SQL text doubles them, and more.
	PIECE => 16 * 1024 * 1024,
	# As many object names as fit in a pipe's buffer can be asked for at once.
	BLOBS_AT_ONCE => 400,
	KEYS_PER_PAGE => 5000,
	FLUSH_DEADLINE => 3600,
	# Drops are asked for in so many transactions.
	ROUNDS_OF_DROPS => 20,
	# Seconds between two looks at the views during the replay.
	BETWEEN_SAMPLES => 0.1,
};

my ($all, $record_file);
while (@ARGV > 1)
{
	my $option = shift;
	if ($option eq '--all') { $all = 1 }
	elsif ($option eq '--record') { $record_file = shift }
	else { last }
}
die "usage: replay.pl [--all] [--record FILE] REPOSITORY\n" if @ARGV != 1;
my $repository = shift;

# Object names are compared with the content that they name, so no replacements.
$ENV{GIT_NO_REPLACE_OBJECTS} = 1;
$SIG{PIPE} = 'IGNORE';
$| = 1;
binmode STDOUT;

my $interactive = -t STDOUT;
my $failures = 0;

# ---- Output ---------------------------------------------------------------

sub say_ { print @_, "\n" }

# 1234567 as 1,234,567
sub number
{
	my $n = reverse shift;
	$n =~ s/(\d{3})(?=\d)/$1,/g;
	return scalar reverse $n;
}

sub plural
{
	my ($n, $word, $words) = @_;
	return number($n) . ' ' . ($n == 1 ? $word : $words // "${word}s");
}

sub bytes
{
	my $n = shift;
	return "$n bytes" if $n < 10_240;
	return sprintf '%.0f kB', $n / 1024 if $n < 10_485_760;
	return sprintf '%.0f MB', $n / 1_048_576 if $n < 10_737_418_240;
	return sprintf '%.1f GB', $n / 1_073_741_824;
}

# A path for a message: control characters, which may do anything to a terminal, escaped.
sub printable
{
	my $text = shift;
	$text =~ s/([\x00-\x1f\x7f])/sprintf '\\%03o', ord $1/ge;
	return $text;
}

{
	my ($next, $shown) = (0, 0);

	# Show progress: in place on a terminal each half second, else a line each ten seconds.
	sub progress
	{
		my $text = shift;
		my $now = time;
		$next ||= $now + ($interactive ? 0.5 : 10);
		return if $now < $next;
		$next = $now + ($interactive ? 0.5 : 10);
		print $interactive ? "\r\e[K  $text" : "  $text\n";
		$shown = $interactive;
	}

	sub progress_end
	{
		print "\r\e[K" if $shown;
		($next, $shown) = (0, 0);
	}
}

# ---- psql: one session, fed through its standard input ---------------------

my ($from_psql, $to_psql);
open my $complaints, '+>', undef or die "replay: no temporary file: $!\n";
my $psql_pid = IPC::Open3::open3($to_psql, $from_psql, '>&' . fileno $complaints,
	qw(psql -X -q -A -t -v ON_ERROR_STOP=1 -P pager=off));
binmode $_ for $from_psql, $to_psql;
my $marks = 0;
my $complaints_read = 0;

END
{
	my $status = $?;
	if ($psql_pid)
	{
		close $to_psql;
		close $from_psql;
		waitpid $psql_pid, 0;
	}
	print STDERR complaints();
	$? = $status;
}

# What psql wrote to its standard error since the last call: errors, warnings.
sub complaints
{
	local $/;
	seek $complaints, $complaints_read, 0;
	my $text = <$complaints> // '';
	$complaints_read += length $text;
	return $text;
}

sub psql_gone
{
	progress_end();
	close $to_psql;
	waitpid $psql_pid, 0;
	$psql_pid = undef;
	die "replay: the server would not go on:\n", complaints();
}

sub sql
{
	print {$to_psql} @_ or psql_gone();
}

# Run SQL and call back with each line of its output.
sub each_line
{
	my ($sql, $callback) = @_;
	my $mark = '-- end of answer ' . ++$marks;
	sql($sql, "\n\\echo '$mark'\n");
	$to_psql->flush or psql_gone();
	while (defined(my $line = <$from_psql>))
	{
		chomp $line;
		return if $line eq $mark;
		$callback->($line);
	}
	psql_gone();
}

# Run SQL and return the lines of its output; in scalar context the first.
sub query
{
	my @lines;
	each_line($_[0], sub { push @lines, $_[0] });
	return wantarray ? @lines : $lines[0];
}

sub bytea
{
	return "'\\x" . unpack('H*', $_[0]) . "'::bytea";
}

# ---- What is recorded ---------------------------------------------------------

my %record = (phases => [], samples => [], comparisons => []);

# Bytes of a path, a commit or the server's answer, as text.
sub decoded { return Encode::decode('UTF-8', $_[0]) }

# A part of the story begins, as seconds since the first one.
sub phase
{
	my ($name) = @_;
	$record{began} //= time;
	push @{ $record{phases} }, { name => $name, at => time - $record{began} };
}

# What mvstore's views say now. The commits that are there are counted by the caller.
sub sample
{
	my ($commits) = @_;
	return if !defined $record_file;
	my $row = query(<<'SQL');
SELECT row_to_json(r) FROM (
SELECT s.size, t.puts, t.deletes, t.puts + t.deletes - t.entries_dropped AS entries, t.entries_dropped,
       m.requests_enqueued_total AS requested, m.requests_processed_total AS done,
       m.requests_held AS held, m.queue_length, m.queue_oldest_seconds, m.lag_seconds_total, m.lag_requests_total
  FROM mvstore_stores s, mvstore_store_stats t, mvstore_metrics m) r;
SQL
	push @{ $record{samples} },
	  { %{ JSON::PP::decode_json($row) }, commits => $commits, at => time - $record{began} };
}

# The rows of a query, as lists of [column, value].
sub rows_of
{
	my ($sql) = @_;
	return [ map { JSON::PP::decode_json($_) } query(<<"SQL") ];
SELECT (SELECT json_agg(json_build_array(key, value)) FROM json_each_text(row_to_json(r))) FROM ($sql) r;
SQL
}

sub record_server
{
	return if !defined $record_file;
	$record{views} = {
		map { $_->[0] => rows_of($_->[1]) }
		  [ mvstore_stats => 'SELECT * FROM mvstore_stats WHERE database = current_database()' ],
		  [ mvstore_stores => 'SELECT * FROM mvstore_stores' ],
		  [ mvstore_store_stats => 'SELECT * FROM mvstore_store_stats' ]
	};
	$record{settings} = rows_of(<<'SQL');
SELECT name, current_setting(name) AS value, CASE source WHEN 'default' THEN '' ELSE source END AS source
  FROM pg_settings WHERE name LIKE 'mvstore.%'
    OR name IN ('shared_buffers', 'fsync', 'synchronous_commit', 'autovacuum', 'max_wal_size')
SQL
	my ($git) = `git --version` =~ /(\S+)\s*\z/;
	$record{versions} = [
		[ mvstore => query(q{SELECT extversion FROM pg_extension WHERE extname = 'mvstore';}) ],
		[ PostgreSQL => query('SHOW server_version;') ], [ git => $git // '' ], [ Perl => sprintf '%vd', $^V ] ];
}

sub write_record
{
	return if !defined $record_file;
	open my $out, '>', $record_file or die "replay: $record_file: $!\n";
	print $out JSON::PP->new->utf8->canonical->encode(\%record);
	close $out or die "replay: $record_file: $!\n";
}

# ---- git ------------------------------------------------------------------

# Open a git command's output. No shell, so any name is fine.
sub git
{
	open my $pipe, '-|', 'git', '-C', $repository, @_ or die "replay: cannot run git: $!\n";
	binmode $pipe;
	return $pipe;
}

sub git_done
{
	my ($pipe, $what) = @_;
	close $pipe or die "replay: git $what failed\n";
}

my ($from_blobs, $to_blobs, $blobs_pid);

# Call back with (path, object, size, content) of each of [path, object]. Content
# of more than a piece comes as a function that returns the next piece.
sub each_blob
{
	my ($wanted, $callback) = @_;
	if (!$blobs_pid)
	{
		$blobs_pid = IPC::Open2::open2($from_blobs, $to_blobs,
			'git', '-C', $repository, 'cat-file', '--batch');
		binmode $_ for $from_blobs, $to_blobs;
	}
	my @queue = @$wanted;
	while (my @some = splice @queue, 0, BLOBS_AT_ONCE)
	{
		print {$to_blobs} map { "$_->[1]\n" } @some;
		$to_blobs->flush or die "replay: git cat-file ended\n";
		for (@some)
		{
			my ($path, $object) = @$_;
			my $header = <$from_blobs> // die "replay: git cat-file ended\n";
			my ($size) = $header =~ /^[0-9a-f]+ blob (\d+)$/
			  or die "replay: cannot read the content of ", printable($path), ": $header";
			my $left = $size;
			my $next = sub {
				my $length = $left < PIECE ? $left : PIECE;
				return if !$length;
				my $got = read $from_blobs, my ($piece), $length;
				die "replay: git cat-file ended\n" if !$got || $got != $length;
				$left -= $length;
				return $piece;
			};
			$callback->($path, $object, $size, $size <= PIECE ? $next->() // '' : $next);
			$next->() while $left;
			read $from_blobs, my ($newline), 1;
		}
	}
}

# The name that git gives to content: a digest fed with it piece by piece.
sub blob_digest
{
	my ($length_of_name, $size) = @_;
	my $digest = Digest::SHA->new($length_of_name == 64 ? 256 : 1);
	return $digest->add("blob $size\0");
}

# ---- The history: a file of "commit parent" lines, and what to show ---------

my @commits;    # [sha, seconds, subject], oldest first
open my $lineage, '+>', undef or die "replay: no temporary file: $!\n";

sub read_commits
{
	my $log = git(qw(rev-list --first-parent --reverse --encoding=UTF-8),
		'--format=%H%x09%P%x09%ct%x09%s', 'HEAD');
	while (<$log>)
	{
		next if /^commit /;
		chomp;
		my ($sha, $parents, $seconds, $subject) = split /\t/, $_, 4;
		my ($parent) = split / /, $parents;
		print $lineage defined $parent ? "$sha $parent\n" : "$sha\n";
		# Whatever bytes a commit holds, the table of commits holds text.
		$subject = Encode::encode('UTF-8', Encode::decode('UTF-8', $subject // ''));
		push @commits, [ $sha, $seconds, $subject ];
	}
	git_done($log, 'rev-list');
	die "replay: $repository has no commits\n" if !@commits;
}

sub short { return substr $commits[ $_[0] ][0], 0, 10 }

# ---- Replay ---------------------------------------------------------------

my ($puts, $deletes, $bytes_put, $skipped) = (0, 0, 0, 0);

sub check_path
{
	my ($path, $sha) = @_;
	return if length $path <= KEY_LIMIT;
	die "replay: a path in commit $sha has ", number(length $path), " bytes; a key has at most ",
	  number(KEY_LIMIT), ": ", printable(substr $path, 0, 100), "...\n";
}

# Queue the put of one blob in the open transaction.
sub put_blob
{
	my ($path, $size, $content, $sha) = @_;
	if ($size > VALUE_LIMIT)
	{
		die "replay: ", printable($path), " in commit $sha has ", number($size),
		  " bytes; a value has at most ", number(VALUE_LIMIT), "\n";
	}
	if (ref $content)
	{
		sql("COPY pieces FROM STDIN;\n");
		my $n = 0;
		while (defined(my $piece = $content->()))
		{
			sql($n++, "\t\\\\x", unpack('H*', $piece), "\n");
			progress(printable($path) . ': ' . bytes($n * PIECE) . ' of ' . bytes($size));
		}
		sql("\\.\nSELECT mvstore_put_raw('demo', ", bytea($path),
			", (SELECT string_agg(bytes, '' ORDER BY n) FROM pieces)) \\g /dev/null\n",
			"TRUNCATE pieces;\n");
	}
	else
	{
		sql("SELECT mvstore_put_raw('demo', ", bytea($path), ', ', bytea($content), ") \\g /dev/null\n");
	}
	$puts++;
	$bytes_put += $size;
}

# Write what a commit changed, in one transaction; $changes: [path, object or undef].
sub write_commit
{
	my ($seq, $changes) = @_;
	my ($sha, $seconds, $subject) = @{ $commits[$seq] };
	my @removed = grep { !defined $_->[1] } @$changes;
	my @written = grep { defined $_->[1] } @$changes;

	check_path($_->[0], $sha) for @$changes;
	sql("BEGIN;\n");
	for (@removed)
	{
		sql("SELECT mvstore_delete_raw('demo', ", bytea($_->[0]), ") \\g /dev/null\n");
		$deletes++;
	}
	each_blob(\@written, sub { put_blob(@_[ 0, 2, 3 ], $sha) });
	# A commit that changed no content reads like the one before it.
	sql("INSERT INTO commits SELECT $seq, '$sha', to_timestamp($seconds), ",
		"convert_from(", bytea($subject), ", 'UTF8'), ",
		@$changes
		? "(SELECT max(version) FROM demo WHERE key = " . bytea($changes->[0][0]) . ")"
		: "coalesce((SELECT version FROM commits WHERE seq = $seq - 1), 0)",
		";\nCOMMIT;\n");
}

sub replay
{
	my $start = time;

	# Nothing of this is needed after a crash: do not wait for the disk on each commit.
	query(<<'SQL');
SET synchronous_commit = off;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mvstore;
SELECT mvstore_create('demo');
CREATE TABLE commits (
	seq			integer		PRIMARY KEY,
	sha			text		NOT NULL,
	committed	timestamptz	NOT NULL,
	subject		text		NOT NULL,
	version		bigint		NOT NULL	-- 0: no content yet
);
CREATE TEMPORARY TABLE pieces (n integer, bytes bytea);
ALTER TABLE pieces ALTER bytes SET STORAGE EXTERNAL;
SQL

	sample(0);
	seek $lineage, 0, 0;
	open STDIN, '<&', $lineage or die "replay: no input for git: $!\n";
	my $tree_changes = git(qw(diff-tree --stdin --always --root --raw -r -z --no-renames --no-abbrev
		--ignore-submodules=none));
	local $/ = "\0";
	my ($seq, $changes) = (-1);
	my $synced = time;
	my $finish = sub {
		return if $seq < 0;
		local $/ = "\n";
		write_commit($seq, $changes);
		# Wait for the server now and then, so that what we show is done.
		if (time - $synced > (defined $record_file ? BETWEEN_SAMPLES : 0.3))
		{
			query('');
			sample($seq + 1);
			$synced = time;
			my $rate = ($seq + 1) / (time - $start);
			progress(sprintf '%s of %s commits, %s/s, %s left', number($seq + 1),
				number(scalar @commits), number(int $rate), left((@commits - $seq - 1) / $rate));
		}
	};
	while (defined(my $token = <$tree_changes>))
	{
		chomp $token;
		if ($token !~ /^:/)
		{
			$finish->();
			$changes = [];
			$seq++;
			die "replay: unexpected commit $token\n" if $token ne ($commits[$seq][0] // '');
			next;
		}
		my ($old_mode, $new_mode, $old, $new) = $token =~ /^:(\d+) (\d+) (\S+) (\S+) [A-Z]/
		  or die "replay: unexpected output of git diff-tree: $token\n";
		my $path = <$tree_changes> // die "replay: git diff-tree ended\n";
		chomp $path;
		# Of a submodule there is no content: to have one is like having no file.
		my $was = $old_mode ne '000000' && $old_mode ne '160000' ? $old : undef;
		my $is = $new_mode ne '000000' && $new_mode ne '160000' ? $new : undef;
		$skipped++ if $new_mode eq '160000';
		next if ($was // '') eq ($is // '');
		push @$changes, [ $path, $is ];
	}
	$finish->();
	git_done($tree_changes, 'diff-tree');
	$/ = "\n";
	my ($done) = query('SELECT count(*) FROM commits;');
	sample($done);
	progress_end();
	die "replay: $done of ", scalar @commits, " commits arrived\n" if $done != @commits;
	my $seconds = time - $start;
	say_ sprintf '  %s in %.1f s (%s/s): %s, %s, %s of content', plural($done, 'commit'), $seconds,
	  number(int $done / $seconds), plural($puts, 'put'), plural($deletes, 'delete'),
	  bytes($bytes_put);
	@record{qw(seconds puts deletes bytes)} = ($seconds, $puts, $deletes, $bytes_put);
	say_ '  ', plural($skipped, 'submodule entry', 'submodule entries'),
	  ' left out: a submodule has no content here' if $skipped;
}

sub left
{
	my $s = int shift;
	return $s < 120 ? "$s s" : int($s / 60) . ' min';
}

# ---- Verification ---------------------------------------------------------

my ($comparisons, $files_compared, $bytes_compared) = (0, 0, 0);

# The least key above a key: where the next page begins.
sub successor
{
	my ($key) = @_;
	return "$key\0" if length $key < KEY_LIMIT;
	$key =~ s/\xff+\z//;
	substr($key, -1) = chr(1 + ord substr $key, -1);
	return $key;
}

# Call back with (path, size, digest of the content) of each key as of a version, in key order.
sub each_key
{
	my ($version, $length_of_name, $callback) = @_;
	my $from = 'NULL';
	my $keys;
	do
	{
		my ($last, @large);
		$keys = 0;
		each_line(
			"COPY (SELECT key, octet_length(value), CASE WHEN octet_length(value) <= ${\PIECE} "
			  . "THEN value END FROM mvstore_scan_raw('demo', from_key => $from, "
			  . "as_of => $version, max_rows => ${\KEYS_PER_PAGE})) TO STDOUT;",
			sub {
				my ($key, $size, $value) = split /\t/, $_[0];
				my $path = pack 'H*', substr $key, 3;
				my $digest = blob_digest($length_of_name, $size);
				if ($value eq '\\N')
				{
					# Too large for a line: read it once this answer has ended.
					push @large, [ $path, $size, $digest ];
				}
				else
				{
					$digest->add(pack 'H*', substr $value, 3);
				}
				$callback->($path, $size, $digest);
				$last = $path;
				$keys++;
			});
		for (@large)
		{
			my ($path, $size, $digest) = @$_;
			# Uncompressed in a table, so that a piece is got without the rest.
			query("INSERT INTO pieces SELECT 0, mvstore_get_raw('demo', " . bytea($path)
				. ", as_of => $version) || '';");
			for (my $offset = 1; $offset <= $size; $offset += PIECE)
			{
				my $hex = query("SELECT encode(substr(bytes, $offset, ${\PIECE}), 'hex') FROM pieces;");
				$digest->add(pack 'H*', $hex // '');
				progress(printable($path) . ': ' . bytes($offset - 1) . ' of ' . bytes($size));
			}
			query('TRUNCATE pieces;');
		}
		$from = bytea(successor($last)) if $keys;
	} while ($keys == KEYS_PER_PAGE);
}

# Note what a comparison came to: equal, differs, gone or an error.
sub compared
{
	my ($seq, $result, $files, $size) = @_;
	push @{ $record{comparisons} }, { seq => $seq, result => $result, files => $files, bytes => $size,
		phase => $#{ $record{phases} } };
	sample(scalar @commits);
}

# Compare the scan as of a commit's version with git ls-tree; returns the number of files.
sub compare_commit
{
	my ($seq) = @_;
	my ($sha) = @{ $commits[$seq] };
	my $version = query("SELECT version FROM commits WHERE seq = $seq;");
	my (%stored, %wrong);
	my $size_of_all = 0;

	each_key($version, length $sha, sub {
		my ($path, $size, $digest) = @_;
		$wrong{$path} = 'twice in the scan' if exists $stored{$path};
		$stored{$path} = $digest;
		$size_of_all += $size;
		progress('commit ' . short($seq) . ': ' . plural(scalar keys %stored, 'file'));
	});
	$_ = $_->hexdigest for values %stored;

	my $tree = git(qw(ls-tree -r -z --full-tree), $sha);
	my $files = 0;
	{
		local $/ = "\0";
		while (defined(my $line = <$tree>))
		{
			chomp $line;
			my ($mode, $object, $path) = $line =~ /^(\d+) \S+ ([0-9a-f]+)\t(.+)$/s
			  or die "replay: unexpected output of git ls-tree: $line\n";
			next if $mode eq '160000';
			$files++;
			my $found = delete $stored{$path};
			$wrong{$path} = 'missing in the store' if !defined $found;
			$wrong{$path} = "content differs: $found, not $object" if defined $found && $found ne $object;
		}
	}
	git_done($tree, 'ls-tree');
	$wrong{$_} = 'in the store, but not in git' for keys %stored;
	progress_end();

	my $when = sprintf '  commit %-*s %s', length number(scalar @commits), number($seq + 1), short($seq);
	if (%wrong)
	{
		$failures++;
		say_ $when, '  DIFFERS: ', plural(scalar keys %wrong, 'file'), ' of ', number($files);
		my @paths = sort keys %wrong;
		say_ '    ', printable($_), ': ', $wrong{$_} for splice @paths, 0, 10;
		say_ '    and ', plural(scalar @paths, 'other') if @paths;
	}
	else
	{
		say_ $when, '  equal: ', plural($files, 'file'), ', ', bytes($size_of_all);
	}
	compared($seq, %wrong ? 'differs' : 'equal', $files, $size_of_all);
	$comparisons++;
	$files_compared += $files;
	$bytes_compared += $size_of_all;
	return $files;
}

# All commits if they are few or all are asked for; else the first, the last and five between.
sub chosen
{
	return (0 .. $#commits) if $all || @commits <= 10;
	return map { int($#commits * $_ / 6 + 0.5) } 0 .. 6;
}

# A commit before the cut: reading it says that it is gone, or answers as before.
sub compare_gone
{
	my ($seq) = @_;
	my $state = query(<<"SQL");
\\set ON_ERROR_STOP 0
SELECT version FROM commits WHERE seq = $seq \\gset
SELECT count(*) FROM mvstore_scan_raw('demo', as_of => :version) \\g /dev/null
\\echo :SQLSTATE :LAST_ERROR_MESSAGE
\\set ON_ERROR_STOP 1
SQL
	complaints();    # the error, which is no surprise
	return compare_commit($seq) if $state =~ /^00000/;
	my ($code, $message) = split / /, $state, 2;
	$failures++ if $code ne '72000';
	compared($seq, $code eq '72000' ? 'gone' : 'error', 0, 0);
	say_ sprintf('  commit %-*s %s', length number(scalar @commits), number($seq + 1), short($seq)),
	  $code eq '72000' ? '  that history is gone, and it says so (SQLSTATE 72000)'
	  : "  UNEXPECTED ERROR $code: $message";
	return;
}

# ---- The store's size ------------------------------------------------------

my @sizes;

sub measure
{
	my ($when) = @_;
	my ($entries, $size) = split /\|/,
	  query("SELECT count(*), pg_total_relation_size('demo') FROM demo;");
	push @sizes, [ $when, $entries, $size ];
	sample(scalar @commits);
	return ($entries, $size);
}

# ---- The story --------------------------------------------------------------

phase('replay');
read_commits();
my $objects = length $commits[0][0] == 64 ? 'SHA-256' : 'SHA-1';
say_ '1. Replaying ', printable($repository), ': ', plural(scalar @commits, 'commit'),
  ', one transaction each, a path = a key';
replay();

my @sample = chosen();
my $cut_at = int(@sample / 2);
my $cut = $sample[$cut_at];

phase('read back');
say_ "\n2. Reading back as of ", plural(scalar @sample, 'commit'),
  ": every name and, by $objects, every byte against git ls-tree";
compare_commit($_) for @sample;
my ($entries_before) = measure('before the drop');

say_ "\n3. Dropping the history older than commit ", number($cut + 1), ' (', short($cut), ')';
my $cut_version = query("SELECT version FROM commits WHERE seq = $cut;");
query(<<'SQL');
CREATE TEMPORARY TABLE dropped AS
SELECT key, row_number() OVER (ORDER BY key) AS n FROM (SELECT DISTINCT key FROM demo) k;
SQL
phase('drop');
sample(scalar @commits);
my $start = time;
my ($requests, $enqueued) = (0, 0);
for my $round (0 .. ROUNDS_OF_DROPS - 1)
{
	my $asked = time;
	$requests += query(<<"SQL");
SELECT count(mvstore_drop_raw('demo', key, keep => 1, before => $cut_version))
  FROM dropped WHERE n % ${\ROUNDS_OF_DROPS} = $round;
SQL
	$enqueued += time - $asked;
	sample(scalar @commits);
}
while (query(sprintf "SELECT mvstore_flush('%d ms');", defined $record_file ? 10 + 50 * (time - $start) : 5000) ne 't')
{
	sample(scalar @commits);
	my ($state, $queue) = split /\|/, query(<<'SQL') // '|';
SELECT worker_state, queue_length FROM mvstore_stats WHERE database = current_database();
SQL
	progress("the drop worker is $state, " . number($queue || 0) . ' in the queue');
	if (time - $start > FLUSH_DEADLINE)
	{
		progress_end();
		die "replay: the drops were not done after ${\FLUSH_DEADLINE} s; the worker is $state\n";
	}
}
progress_end();
my $flushed = time - $start;
my ($entries_after) = measure('after the drop');
my $dropped = $entries_before - $entries_after;
@record{qw(cut requests enqueued flushed before dropped)} = ($cut, $requests, $enqueued, $flushed, $entries_before, $dropped);
say_ sprintf '  %s enqueued in %.2f s; after %.2f s the drop worker had removed %s of %s',
  plural($requests, 'request'), $enqueued, $flushed, number($dropped),
  plural($entries_before, 'entry', 'entries');

phase('read again');
say_ "\n4. Reading the same commits again";
my $gone = 0;
for (@sample[ 0 .. $cut_at - 1 ])
{
	$gone++ if !defined compare_gone($_);
}
compare_commit($_) for @sample[ $cut_at .. $#sample ];
if ($dropped && !$gone && $cut_at > 0)
{
	say_ '  (What was dropped was superseded before the first of these commits was read.)';
}

say_ "\n5. What the views say";
say_ "  $_" for grep { /\S/ } query(<<'SQL');
\pset format aligned
\t off
\x on
\pset footer off
SELECT * FROM mvstore_stats WHERE database = current_database();
SELECT * FROM mvstore_store_stats;
\x off
\t on
\pset format unaligned
SQL

record_server();
phase('VACUUM');
query('VACUUM demo;');
measure('after VACUUM');
query('VACUUM FULL demo;');
measure('after VACUUM FULL');
say_ "\n6. The size of the store, with its index and TOAST";
say_ sprintf '  %-18s %20s %12s', $_->[0], plural($_->[1], 'entry', 'entries'), bytes($_->[2]) for @sizes;
say_ '  (VACUUM makes the room free for new versions; only VACUUM FULL gives it back to the system.)';
compare_commit($sample[-1]);

say_ '';
my $verdict = $failures ? 'FAILED: ' . plural($failures, 'comparison') . ' did not hold.'
  : sprintf 'Proven: in %s with git, %s (%s) were the same to the last byte; %s dropped, and '
  . 'every read at and after commit %s is unchanged.', plural($comparisons, 'comparison'),
  plural($files_compared, 'file'), bytes($bytes_compared),
  plural($dropped, 'old entry was', 'old entries were'), short($cut);
say_ $verdict;
$record{commits}{ $_->{seq} } //= [ map { decoded($_) } @{ $commits[ $_->{seq} ] } ] for @{ $record{comparisons} };
@record{qw(repository all objects total failures files_compared bytes_compared verdict sizes)} =
  (decoded($repository), $all ? 1 : 0, $objects, scalar @commits, $failures, $files_compared, $bytes_compared, $verdict, \@sizes);
write_record();
exit 1 if $failures;
