# What the TAP tests of fault points share: a point is armed, met, and left again. Only builds for tests
# have them, see src/shared/fault.h.

package MvstoreFaults;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(skip_without_faults arm fault_met wait_for_fault let_go);

sub fired { return $_[0]->data_dir . '/mvstore_fault_fired' }
sub release { return $_[0]->data_dir . '/mvstore_fault_release' }

# End the test if the server is a release build.
sub skip_without_faults
{
	my ($node) = @_;

	return if $node->psql('postgres', 'SHOW mvstore.fault') == 0;
	$node->stop;
	return plan skip_all => 'a release build has no fault points';
}

# Start the server anew, as points are counted from there on; then "point:action:n" acts when it is met
# for the n-th time, and once. '': none.
sub arm
{
	my ($node, $setting) = @_;

	# The last one may be met at the very end.
	$node->stop;
	unlink fired($node), release($node);
	$node->append_conf('postgresql.conf', "mvstore.fault = '$setting'");
	$node->start;
	return;
}

# The point that has acted since, or undef.
sub fault_met
{
	my ($node) = @_;

	return -s fired($node) ? slurp_file(fired($node)) : undef;
}

# Pass when a point has acted within the deadline of all TAP tests.
sub wait_for_fault
{
	my ($node, $name) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;

	usleep(1000) until defined fault_met($node) || time() > $end;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(defined fault_met($node), $name);
}

# Whoever waits at the point goes on.
sub let_go
{
	my ($node) = @_;

	append_to_file(release($node), '');
	return;
}

1;
