# A server whose clock a test sets, by a library that is loaded before the C library: clock.c.
# All of its processes see each step at once; timeouts, and the machine's clock, go on.

package FakeClock;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(with_fake_clock set_clock);

my $epoch = 946_684_800;    # the year 2000
my $library;
my $file;
my $which = 0;    # of the two lines in the file

# Build the library.
sub prepare
{
	my $dir = abs_path(PostgreSQL::Test::Utils::tempdir());

	($library, $file) = ("$dir/clock.so", "$dir/clock");
	my ($cc) = run_command([ $ENV{PG_CONFIG} // 'pg_config', '--cc' ]);
	system_or_bail(split(/\s+/, $cc), qw(-O1 -Wall -Wextra -Wno-unused-parameter -Werror -shared -fPIC -o), $library, "$FindBin::RealBin/lib/clock.c");
	$ENV{MVSTORE_TEST_CLOCK} = $file;
	append_to_file($file, "\0" x 56);
	return set_clock(0);
}

# Do something by which servers are started, that take their time from the clock.
sub with_fake_clock
{
	my ($start) = @_;

	prepare() unless $library;
	local $ENV{LD_PRELOAD} = $library;
	return $start->();
}

# Set the clock so many seconds off the right one, from where it goes on so fast.
sub set_clock
{
	my ($offset, $rate) = @_;
	my $now = int((time() - $epoch) * 1e6);

	$which = 1 - $which;
	open(my $handle, '+<:raw', $file) or die "$file: $!";
	for ([ 8 + 24 * $which, pack('qqd', $now, $now + int($offset * 1e6), $rate // 1) ], [ 0, pack('q', $which) ])
	{
		sysseek($handle, $_->[0], 0) or die "$file: $!";
		syswrite($handle, $_->[1]) or die "$file: $!";
	}
	close $handle or die "$file: $!";
	return;
}

1;
