# Copyright (c) 2026, mvstore contributors
#
# What a crash or an error at any step would lose: nothing that was committed.
#
# The same small load runs again and again. In round N the N-th fault point that
# any process meets kills that process, resp. raises an error; the rounds go on
# until one has met fewer points. After each the server's answers are compared
# with what the client had acknowledged.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use MvstoreFaults;
use MvstoreTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The points that this load is sure to meet more than once a round, however far the worker comes when: one of the rounds acts at each.
my @sure = qw(committed drop-committed drop-locked entry-deleted entry-written floor-raised journal-before journal-written key-done published
	request-collected stable-written version-withdrawn);
my %acted;

my $node = mvstore_node('faults',
	conf => "restart_after_crash = on\nmvstore.flush_interval = '5 ms'\n");
if ($node->psql('postgres', 'SHOW mvstore.fault') != 0)
{
	my $library = $node->config_data('--pkglibdir') . '/mvstore.so';

	isnt($node->psql('postgres', "SET mvstore.fault = 'x:error'"),
		0, 'a release build has no setting for faults');
  SKIP:
	{
		skip 'the library is elsewhere', 1 unless -f $library;
		unlike(slurp_file($library), qr/mvs_fault_meet/, 'nor any fault point');
	}
	$node->stop;
	done_testing();
	exit;
}

$node->safe_psql('postgres',
	q{SELECT mvstore_create('plain'), mvstore_create('single', keep_versions := 1)});

# One statement of the load for each step; what is acknowledged is echoed.
sub load
{
	my ($round) = @_;
	my @steps = (
		(map { "SELECT mvstore_put('plain', '$round/x', '$_')" } 1 .. 3),
		(map { "SELECT mvstore_put('plain', '$round/keep', '$_')" } 1 .. 2),
		"SELECT mvstore_drop('plain', '$round/x')",
		"BEGIN; SELECT mvstore_drop('plain', '$round/keep'); ROLLBACK",
		"DO \$\$ BEGIN BEGIN PERFORM mvstore_drop('plain', '$round/keep'); RAISE 'no'; "
		  . "EXCEPTION WHEN raise_exception THEN NULL; END; "
		  . "BEGIN PERFORM mvstore_drop('plain', '$round/x'); EXCEPTION WHEN raise_exception THEN NULL; END; "
		  . "PERFORM mvstore_put('plain', '$round/y', '1'); END \$\$",
		(map { "SELECT mvstore_put('single', '$round/z', '$_')" } 1 .. 3),
		"SELECT mvstore_put('single', '$round/w', '1')",
		"SELECT mvstore_delete('single', '$round/w')",
		"SELECT mvstore_flush('20 s')");
	my $script = '';

	$script .= "$steps[$_];\n\\if :ERROR\nROLLBACK;\n\\else\n\\echo done $_\n\\endif\n" for 0 .. $#steps;
	return $script;
}

# The answers against the acknowledgements.
sub check
{
	my ($round, $action, $output) = @_;
	my %done = map { $_ => 1 } $output =~ /^done (\d+)$/mg;
	my $count = sub {
		my ($store, $key) = @_;
		return $node->safe_psql('postgres', "SELECT count(*) FROM mvstore_history('$store', '$round/$key')");
	};
	my $value = sub {
		my ($store, $key) = @_;
		return $node->safe_psql('postgres', "SELECT coalesce(mvstore_get('$store', '$round/$key'), '0')");
	};
	my $acknowledged = sub { return scalar grep { $done{$_} } @_; };
	my $newest = sub { my $found = 0; $done{ $_[$_] } and $found = $_ + 1 for 0 .. $#_; return $found; };
	my @wrong;

	push @wrong, 'flush is not done' unless $node->safe_psql('postgres', "SELECT mvstore_flush('30 s')") eq 't';
	push @wrong, 'the journal is not empty'
	  unless $node->safe_psql('postgres', 'SELECT count(*) FROM mvstore_journal') eq '0';

	# Puts: the newest acknowledged value, or one whose outcome is unknown.
	push @wrong, 'x lost a put' if $value->('plain', 'x') < $newest->(0 .. 2);
	push @wrong, 'keep lost a put' if $value->('plain', 'keep') < $newest->(3 .. 4);
	push @wrong, 'y lost a put' if $value->('plain', 'y') < $newest->(7);
	push @wrong, 'z lost a put' if $value->('single', 'z') < $newest->(8 .. 10);

	# Drops: what was acknowledged is gone, what was rolled back is not.
	push @wrong, 'an acknowledged drop was forgotten' if $done{5} && $count->('plain', 'x') > 1;
	push @wrong, 'a drop was made that nobody committed'
	  if $count->('plain', 'keep') < $acknowledged->(3 .. 4);
	push @wrong, 'a policy was not met' if $count->('single', 'z') > 1;
	push @wrong, 'a deleted key was left' if $done{12} && $count->('single', 'w') > 0;

	return @wrong;
}

for my $action ('crash', 'error')
{
	my $round = 0;
	my %met;
	my $missed = 0;
	my @wrong;

	while (++$round <= 500)
	{
		my $output = '';
		my $log = -s $node->logfile;

		arm($node, "*:$action:$round");
		$node->psql('postgres', load("$action $round"), stdout => \$output, on_error_stop => 0);
		# How many points a round meets depends on what the worker finds: not the last one, if one alone meets none.
		my $point = fault_met($node);
		last if !defined $point && $missed++;
		next if !defined $point;
		$missed = 0;
		$met{$point}++;

		# The postmaster may not have noticed yet.
		$node->wait_for_log(qr/database system is ready.*reinitializing.*database system is ready/s, $log)
		  if $action eq 'crash';
		$node->poll_query_until('postgres', undef, '') or die 'the server did not come back';
		push @wrong, map { "round $round, point $point: $_" }
		  check("$action $round", $action, $output);
		last if @wrong > 10;
	}
	is("@wrong", '', "$action: nothing committed is lost, nothing else is done");
	cmp_ok($round, '<', 500, "$action: each of " . ($round - 1) . ' points met had its turn');
	note("$action: met " . join(', ', map { "$_ ($met{$_})" } sort keys %met));
	$acted{$_} += $met{$_} for keys %met;
}
ok($acted{$_}, "$_ was met") for @sure;

arm($node, '');
is($node->safe_psql('postgres', q{SELECT mvstore_flush()}), 't', 'at last there is nothing to do');
$node->stop;
done_testing();
