# Judges what ClusterRun.pm has recorded, by versions and by what was answered before what
# was asked: no shard is asked for a snapshot, and nothing here knows where a key lies.
#
# - A write that was acknowledged is there in the end, once, at the version that was told;
#   one that failed is not; of one that nobody answered, all is there or nothing.
# - Of each key, what was acknowledged or seen is not older for whoever asks later; but for what was acknowledged
#   with the warning that a shard does not show it yet.
# - Nothing is written at or below a version that was said to be stable before.
# - As of such a version every read gives what the whole history gives.

package ClusterCheck;

use strict;
use warnings;

use Exporter 'import';
use List::Util 'min';
use Test::More;

our @EXPORT = qw(check is_explained);

# What a cluster may answer though all is well with it: too late, too new, gone by a policy.
my %TOLD = map { $_ => 1 } qw(40001 55000 72000);

# Test that a log has nothing wrong, and return how much was looked at; seed is that of its calls.
sub is_explained
{
	my ($log, $seed, $faults) = @_;
	my ($problems, $counts) = check($log, $faults);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	note(join ', ', map { "$counts->{$_} $_" } sort keys %$counts);
	is(@$problems, 0, "seed $seed: every answer is explained") or diag(join "\n", @$problems[ 0 .. min(19, $#$problems) ]);
	return $counts;
}

# Check a log: what is wrong, each as "kind: details", and how much was looked at. With
# $faults, servers were moved or killed meanwhile: then calls may fail, and nobody knows
# what became of a write.
sub check
{
	my ($log, $faults) = @_;
	my $self = bless { log => $log, faults => $faults, problems => [], entries => {}, writes => {},
		counts => { map { $_ => 0 } qw(calls written refused unknown reads as_of told gone) } }, __PACKAGE__;

	$self->take_errors;
	$self->take_histories;
	$self->take_writes;
	$self->check_atomic;
	$self->check_order;
	$self->check_reads;
	return ($self->{problems}, $self->{counts});
}

sub problem
{
	my ($self, $kind, $call, $details) = @_;
	my $where = $call ? sprintf 'session %d, %s(%s): ', $call->{session}, $call->{op},
	  join(', ', $call->{store}, map { ref $_ ? '{' . join(',', @$_) . '}' : $_ // '' } @{ $call->{args} }) : '';

	push @{ $self->{problems} }, "$kind: $where$details";
	return;
}

# A call of which nobody knows what became.
sub unknown { return $_[0]{state} ne '00000' && !$TOLD{ $_[0]{state} } }

sub is_write { return $_[0]{op} =~ /^(?:put|delete)/ }

# What a call would write: key => value, ~ for a tombstone.
sub written
{
	my ($call) = @_;
	my ($op, $args) = @{$call}{qw(op args)};
	my %written;

	return ($args->[0] => '~') if $op eq 'delete';
	return ($args->[0] => $args->[1]) if $op ne 'put_many';
	@written{ @{ $args->[0] } } = @{ $args->[1] };
	return %written;
}

sub take_errors
{
	my ($self) = @_;

	for my $call (@{ $self->{log}{calls} })
	{
		my $state = $call->{state};

		$self->{counts}{calls}++;
		next if $state eq '00000';
		if ($TOLD{$state})
		{
			$self->{counts}{ $state eq '72000' ? 'gone' : 'told' }++;
			$self->problem('history is said to be gone', $call, $call->{message}) if $state eq '72000' && !$self->{log}{stores}{ $call->{store} };
			$self->problem('what was stable is not', $call, $call->{message}) if $state eq '55000' && defined $call->{as_of};
			next;
		}
		$self->{counts}{unknown}++;
		$self->problem('unexpected error', $call, "$state $call->{message}") if !$self->{faults};
	}
	return;
}

# ---- Histories --------------------------------------------------------------

# What is there in the end, and, where a policy has dropped some of it, what was acknowledged.
sub take_histories
{
	my ($self) = @_;
	my %value;

	for my $store (sort keys %{ $self->{log}{final} })
	{
		for my $key (sort keys %{ $self->{log}{final}{$store} })
		{
			for my $entry (split /,/, $self->{log}{final}{$store}{$key})
			{
				my ($version, $value) = split /=/, $entry;

				$self->{left}{"$store $key"}{$version} = $value;
				$self->problem('doubled', undef, "$store $key: $value at $version and at $value{$store}{$value}") if $value ne '~' && $value{"$store $key"}{$value};
				$value{"$store $key"}{$value} = $version;
			}
		}
	}
	return;
}

# Find each write's entries. What a policy may drop need not be there in the end.
sub take_writes
{
	my ($self) = @_;
	my (%claimed, %may_be);

	for my $call (grep { is_write($_) } @{ $self->{log}{calls} })
	{
		my %written = written($call);
		my $acknowledged = $call->{state} eq '00000' && $call->{answer} ne '~';

		$self->{counts}{ $acknowledged ? 'written' : 'refused' }++ if !unknown($call);
		for my $name (sort keys %written)
		{
			my ($key, $value) = ("$call->{store} $name", $written{$name});
			my $left = $self->{left}{$key} //= {};
			my $version = $acknowledged ? $call->{answer} : (grep { $value ne '~' && $left->{$_} eq $value } keys %$left)[0];

			push @{ $may_be{$key} }, $call if $value eq '~' && unknown($call);
			if ($acknowledged && !defined $left->{$version})
			{
				$self->problem('lost', $call, "$name at $version") if !$self->{log}{stores}{ $call->{store} };
			}
			elsif ($acknowledged && $left->{$version} ne $value)
			{
				$self->problem('overwritten', $call, "$name at $version is $left->{$version}");
			}
			elsif (defined $version && !$acknowledged && !unknown($call))
			{
				$self->problem('written, though it failed', $call, "$name at $version; it was told $call->{state} $call->{message}");
			}
			next if !defined $version;
			$self->problem('one version twice', $call, "$name at $version") if $claimed{$key}{$version}++;
			$self->{entries}{$key}{$version} = [ $version, $value, $call ];
			push @{ $self->{writes}{$call} }, $version;
		}
	}

	# What is left must be tombstones, of deletions that nobody answered.
	for my $key (sort keys %{ $self->{left} })
	{
		my @rest = grep { !$claimed{$key}{$_} } sort { $a <=> $b } keys %{ $self->{left}{$key} };

		$self->problem('nobody wrote it', undef, "$key is $self->{left}{$key}{$_} at $_") for grep { $self->{left}{$key}{$_} ne '~' } @rest;
		$self->problem('nobody wrote it', undef, "$key has tombstones at @rest") if @rest > @{ $may_be{$key} // [] };
		$self->{entries}{$key}{$_} //= [ $_, '~', undef ] for @rest;
	}
	$self->{sorted}{$_} = [ sort { $a->[0] <=> $b->[0] } values %{ $self->{entries}{$_} } ] for keys %{ $self->{entries} };
	return;
}

# What one call wrote has one version, and nothing of it is missing.
sub check_atomic
{
	my ($self) = @_;

	for my $call (grep { $_->{op} eq 'put_many' } @{ $self->{log}{calls} })
	{
		my @versions = @{ $self->{writes}{$call} // [] } or next;
		my $keys = @{ $call->{args}[0] };

		$self->problem('more than one version', $call, "@versions") if grep { $_ != $versions[0] } @versions;
		$self->problem('a part of it', $call, @versions . " of $keys keys") if @versions != $keys && !$self->{log}{stores}{ $call->{store} };
	}
	return;
}

# ---- Order ------------------------------------------------------------------

# Go through what was asked and answered, in order: what is known of each key, and what is stable.
sub check_order
{
	my ($self) = @_;
	my %known;
	my $stable = 0;
	my @moments = sort { $a->[0] <=> $b->[0] } map { ([ $_->{began}, $_, 0 ], [ $_->{ended}, $_, 1 ]) } @{ $self->{log}{calls} };

	for my $moment (@moments)
	{
		my (undef, $call, $over) = @$moment;

		if (!$over)
		{
			# What it must have heard of: kept until it is judged.
			$call->{known} = { map { $_ => $known{$_} } grep { $known{$_} } $self->keys_of($call) };
			$call->{stable} = $stable;
			next;
		}
		if (is_write($call))
		{
			my @versions = @{ $self->{writes}{$call} // [] };
			for my $version (@versions)
			{
				$self->problem('below what was stable', $call, "$version, where $call->{stable} was said to be stable") if $version <= $call->{stable};
				for my $key ($self->keys_of($call))
				{
					$self->problem('versions out of order', $call, "$key at $version, after $call->{known}{$key}")
					  if $self->{entries}{$key}{$version} && $version <= ($call->{known}{$key} // 0);
				}
			}
			next if $call->{state} ne '00000' || $call->{answer} eq '~' || $call->{late};
			for my $key ($self->keys_of($call)) { $known{$key} = $call->{answer} if $call->{answer} > ($known{$key} // 0) }
		}
		next if $call->{state} ne '00000';
		if ($call->{op} eq 'stable') { $stable = $call->{answer} if $call->{answer} > $stable }
		elsif (!is_write($call) && !defined $call->{as_of})
		{
			my %seen = $self->seen($call);
			for my $key (keys %seen) { $known{$key} = $seen{$key} if $seen{$key} > ($known{$key} // 0) }
		}
	}
	return;
}

# The keys that a call is about, with their store.
sub keys_of
{
	my ($self, $call) = @_;
	my ($op, $args) = @{$call}{qw(op args)};
	my @names = $op eq 'many' ? @$args : $op eq 'put_many' ? @{ $args->[0] } : $op eq 'stable' ? ()
	  : $op =~ /^(?:scan|count)$/ ? grep { $_ ge $args->[0] && $_ lt $args->[1] } @{ $self->{log}{keys} } : $args->[0];

	return map { "$call->{store} $_" } @names;
}

# The versions that a read of the present has told: key => version.
sub seen
{
	my ($self, $call) = @_;
	my ($op, $store, $answer) = @{$call}{qw(op store answer)};

	return () if $answer eq '~' || $op =~ /^(?:get|count)$/;
	return ("$store $call->{args}[0]" => ($answer =~ /(\d+)=[^,]*\z/)[0] // 0) if $op =~ /^(?:entry|history)$/;
	return map { /^(\w+)=(\d+)=/ ? ("$store $1" => $2) : () } split /,/, $answer;
}

# ---- Reads ------------------------------------------------------------------

sub check_reads
{
	my ($self) = @_;

	for my $call (grep { $_->{state} eq '00000' && !is_write($_) && $_->{op} ne 'stable' } @{ $self->{log}{calls} })
	{
		$self->{counts}{reads}++;
		if (defined $call->{as_of})
		{
			$self->{counts}{as_of}++;
			$self->judge_past($call);
		}
		else { $self->judge_present($call) }
	}
	return;
}

# The newest entry of a key at or below a version, as reads show it.
sub past
{
	my ($self, $key, $version) = @_;
	my $found;

	for my $entry (@{ $self->{sorted}{$key} // [] })
	{
		last if $entry->[0] > $version;
		$found = $entry;
	}
	return !$found || $found->[1] eq '~' ? '~' : "$found->[0]=$found->[1]";
}

# As of a version that was stable: what the whole history gives.
sub judge_past
{
	my ($self, $call) = @_;
	my ($op, $store, $args, $version) = @{$call}{qw(op store args as_of)};
	my @keys = $self->keys_of($call);

	# What became of a write that nobody answered, a policy may have dropped.
	return if $self->{log}{stores}{$store} && grep { $self->{unsure}{$_} //= $self->is_unsure($_) } @keys;
	my %past = map { $_ => $self->past($_, $version) } @keys;
	my $expected;

	if ($op eq 'entry') { $expected = $past{ $keys[0] } }
	elsif ($op eq 'get') { $expected = $past{ $keys[0] } =~ s/^\d+=//r }
	elsif ($op eq 'count') { $expected = grep { $_ ne '~' } values %past }
	elsif ($op eq 'many') { $expected = join ',', map { (split / /)[1] . "=$past{$_}" } @keys }
	else
	{
		my @rows = map { (split / /)[1] . "=$past{$_}" } grep { $past{$_} ne '~' } sort @keys;
		@rows = reverse @rows if $args->[3];
		splice @rows, $args->[2] if defined $args->[2] && $args->[2] < @rows;
		$expected = @rows ? join(',', @rows) : '~';
	}
	$self->problem('wrong past', $call, "$call->{answer}, where it must be $expected as of $version") if $call->{answer} ne $expected;
	return;
}

sub is_unsure
{
	my ($self, $key) = @_;
	return 0 + grep { is_write($_) && unknown($_) && grep { $_ eq $key } $self->keys_of($_) } @{ $self->{log}{calls} };
}

# Of the present: of each key an entry that is not older than what was known when it was
# asked, and that somebody had asked to be written before it was answered.
sub judge_present
{
	my ($self, $call) = @_;
	my ($op, $store, $args, $answer) = @{$call}{qw(op store args answer)};
	my %seen = $self->seen($call);
	my @keys = $self->keys_of($call);

	return if $op =~ /^(?:get|count)$/;
	return $self->judge_history($call) if $op eq 'history';
	my %value = map { /^(\w+)=\d+=(.*)/ ? ("$store $1" => $2) : () } $op eq 'entry' ? "$args->[0]=$answer" : split /,/, $answer;

	# A scan that has ended at max_rows says nothing of what comes after.
	@keys = grep { $seen{$_} } @keys if defined $args->[2] && $op eq 'scan';
	for my $key (@keys)
	{
		my $version = $seen{$key} // 0;
		my $entry = $self->{entries}{$key}{$version};

		if (!$version) { $self->judge_absent($call, $key); next }
		next if !$entry && $self->{log}{stores}{$store} && $self->is_unsure($key);
		$self->problem('nobody wrote it', $call, "$key at $version"), next if !$entry;
		$self->problem('wrong value', $call, "$key at $version is $value{$key}, where it must be $entry->[1]") if $entry->[1] ne $value{$key};
		$self->problem('stale', $call, "$key at $version, where $call->{known}{$key} was known") if $version < ($call->{known}{$key} // 0);
		$self->problem('seen before it was written', $call, "$key at $version") if $entry->[2] && $entry->[2]{began} > $call->{ended};
	}
	return;
}

# A key may be absent if what was known of it is a tombstone, or one has come since.
sub judge_absent
{
	my ($self, $call, $key) = @_;
	my $known = $call->{known}{$key} // return;

	return if grep { $_->[0] >= $known && $_->[1] eq '~' && (!$_->[2] || $_->[2]{began} < $call->{ended}) } @{ $self->{sorted}{$key} };
	return if $self->{log}{stores}{ $call->{store} } && $self->is_unsure($key);
	$self->problem('stale', $call, "$key is absent, where $known was known");
	return;
}

# A history has no gap: it is all up to its last entry; or, with a policy, the newest of that.
sub judge_history
{
	my ($self, $call) = @_;
	my ($key) = $self->keys_of($call);
	my $policy = $self->{log}{stores}{ $call->{store} };
	my ($last) = $call->{answer} =~ /(\d+)=[^,]*\z/;

	return if $policy && $self->is_unsure($key);
	my @all = map { "$_->[0]=$_->[1]" } grep { $_->[0] <= ($last // 0) } @{ $self->{sorted}{$key} // [] };
	my @got = $call->{answer} eq '~' ? () : split /,/, $call->{answer};
	my @expected = $policy ? @all[ @all - @got .. $#all ] : @all;
	$self->problem('wrong history', $call, "$call->{answer}, where it must be " . join(',', @expected)) if @got > @all || "@got" ne "@expected";
	$self->problem('stale', $call, "$key to " . ($last // 0) . ", where $call->{known}{$key} was known")
	  if !$policy && ($last // 0) < ($call->{known}{$key} // 0);
	return;
}

1;
