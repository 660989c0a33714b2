# A model of some stores that never forgets: every entry that a committed transaction
# wrote, every request, every TRUNCATE. It tells what a read must answer, what must
# still be there, what may be gone, and what must be gone. It knows the rules, and
# nothing of how mvstore follows them.
#
# An entry is { version, value (undef: a tombstone), may, must, gone }:
#   may   somebody has asked for it to go, or a policy lets it go
#   must  it is to be gone after the next mvstore_flush()
#   gone  it was seen to be gone, and that was durable
# A key's entries are kept oldest first. All times are versions: microseconds. A store
# also has the versions of its TRUNCATEs, and the least and the most that its floor can be.
# requests are those that no check has judged yet; dirty are keys with entries to be sorted.

package ChaosModel;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(%STORES new_model commit judge_requests compare answer scan_answer some_versions show);

# a and b keep everything that nobody asks to drop; the others have a policy.
our %STORES = (
	a => {},
	b => { truncated => 1 },
	c => { keep => 1 },
	d => { keep => 3, truncated => 1 },
	e => { keep => 2, keep_for => 150_000 });

sub new_model
{
	my %stores = map { $_ => { keys => {}, truncates => [], floor => [ 0, 0 ] } } keys %STORES;

	return { stores => \%stores, requests => [], dirty => {}, counts => {} };
}

sub show { return defined $_[0] ? length $_[0] > 40 ? substr($_[0], 0, 37) . '...' : $_[0] : 'a tombstone' }

# What a transaction has done at its end, rolled back subtransactions aside.
sub effects
{
	my ($transaction) = @_;
	my @effects;
	my %position;
	my $last = $transaction->{sent_after};

	for my $statement (grep { ($_->{state} // '') eq '00000' } @{ $transaction->{statements} })
	{
		my $op = $statement->{op};
		# The clock was at least here when the statement was done.
		$last = $statement->{version} if $statement->{version} && $statement->{version} > $last;
		$statement->{last} = $last;
		if ($op eq 'savepoint')      { $position{ $statement->{name} } = @effects }
		elsif ($op eq 'rollback_to') { splice(@effects, $position{ $statement->{name} }) }
		elsif ($op =~ /^(?:write|drop|truncate)$/) { push @effects, $statement }
	}
	return @effects;
}

# Take over a transaction that has committed; the problems with it.
sub commit
{
	my ($model, $transaction) = @_;
	my %written;
	my %versions;

	for my $effect (effects($transaction))
	{
		my $store = $model->{stores}{ $effect->{store} };

		push @{ $store->{truncates} }, $effect->{version} if $effect->{op} eq 'truncate';
		if ($effect->{op} eq 'drop')
		{
			$model->{counts}{'drops requested'}++;
			push @{ $model->{requests} }, { %{$effect}{qw(store key keep before last at)}, durable => $transaction->{durable} };
		}
		elsif ($effect->{version})
		{
			$versions{ $effect->{version} } = 1;
			$model->{counts}{'entries written'} += keys %{ $effect->{values} };
			$written{ $effect->{store} }{$_} = { version => $effect->{version}, value => $effect->{values}{$_} } for keys %{ $effect->{values} };
		}
	}
	for my $name (keys %written)
	{
		for my $key (keys %{ $written{$name} })
		{
			my $entries = $model->{stores}{$name}{keys}{$key} //= [];
			push @$entries, $written{$name}{$key};
			$model->{dirty}{$name}{$key} = $entries;
		}
	}
	return keys %versions > 1 ? "transaction $transaction->{id} has several versions: " . join(' ', sort keys %versions) : ();
}

# Put what transactions brought in whatever order into the order of versions.
sub settle
{
	my ($model) = @_;
	my @problems;

	for my $name (keys %{ $model->{dirty} })
	{
		while (my ($key, $entries) = each %{ $model->{dirty}{$name} })
		{
			@$entries = sort { $a->{version} <=> $b->{version} } @$entries;
			push @problems, map { "$name $key: version $entries->[$_]{version} was handed out twice" }
			  grep { $entries->[$_]{version} == $entries->[ $_ - 1 ]{version} } 1 .. $#$entries;
		}
	}
	for my $store (values %{ $model->{stores} })
	{
		@{ $store->{truncates} } = sort { $a <=> $b } @{ $store->{truncates} };
		rise($store, $store->{truncates}[-1], $store->{truncates}[-1]) if @{ $store->{truncates} };
	}
	$model->{dirty} = {};
	return @problems;
}

# The floor is between these two.
sub rise
{
	my ($store, $least, $most) = @_;
	my $floor = $store->{floor};

	$floor->[0] = $least if $least > $floor->[0];
	$floor->[1] = $most if $most > $floor->[1];
}

# What may be there of a key, newest first: of this life of the store, and not known to be gone.
sub present
{
	my ($store, $key) = @_;
	my $entries = $store->{keys}{$key} // return ();
	my $begin = $store->{truncates}[-1] // 0;
	my @present;

	for (my $i = $#$entries; $i >= 0 && $entries->[$i]{version} >= $begin && !$entries->[$i]{gone}; $i--)
	{
		push @present, $entries->[$i];
	}
	return @present;
}

# Say of the entries that requests since the last time were for that they may, or must,
# be gone. Everybody has ended, and mvstore_flush() has said that all is done. $after($at)
# is a version that was handed out after moment $at; $forgotten: a crash has
# forgotten requests that have no row in the journal.
sub judge_requests
{
	my ($model, $after, $forgotten) = @_;
	my @problems = settle($model);

	for my $request (@{ $model->{requests} })
	{
		my ($least, $most) = ($request->{last}, $after->($request->{at}));
		my $before = $request->{before} // 9e18;
		my @entries = present(@{$model->{stores}}{ $request->{store} }, $request->{key});
		my $known = 0;		# entries that were there for sure when it was worked

		$least = $before if $before < $least;
		$most = $before if $before < $most;
		for my $i (0 .. $#entries)
		{
			$known++ if $entries[$i]{version} <= $least;
			next if $i < $request->{keep};
			my $end = $entries[ $i - 1 ]{version};
			$entries[$i]{may} = 1 if $end <= $most;
			$entries[$i]{must} = 1 if $end <= $least && $known > $request->{keep} && ($request->{durable} || !$forgotten);
		}
	}
	$model->{requests} = [];
	return @problems;
}

# Say what the policy of a store lets go of the entries of a key at a moment, and
# what must be gone then for sure. A policy by age is met by the sweeps: $swept.
sub judge_policy
{
	my ($policy, $now, $swept, @entries) = @_;
	my $latest = $now - ($policy->{keep_for} // 0);
	my $deleted = 0;

	for my $i (0 .. $#entries)
	{
		# A tombstone may have been the head some time.
		$deleted ||= !defined $entries[$i]{value} && $entries[$i]{version} <= $latest;
		$entries[$i]{may} = 1 if $deleted || ($i >= $policy->{keep} && $entries[ $i - 1 ]{version} <= $latest);
	}
	return if $policy->{keep_for} && !$swept;
	$latest = $swept - $policy->{keep_for} if $policy->{keep_for};
	$deleted = @entries && !defined $entries[0]{value} && $entries[0]{version} <= $latest;
	for my $i (0 .. $#entries)
	{
		$entries[$i]{must} = 1 if $deleted || ($i >= $policy->{keep} && $entries[ $i - 1 ]{version} <= $latest);
	}
}

# Compare what a store has with what it must and may have. $there: key => [[version,
# value], ...], newest first; $now is no earlier than the look at it; sweeps have met
# every policy as of $swept, if given. Returns the problems. What is gone is noted.
sub compare
{
	my ($model, $name, $there, $now, $swept) = @_;
	my $store = $model->{stores}{$name};
	my @problems;

	for my $key (sort keys %{ { %{ $store->{keys} }, %$there } })
	{
		my @there = @{ $there->{$key} // [] };
		my @entries = present($store, $key);
		my @gone;

		judge_policy($STORES{$name}, $now, $swept, @entries) if $STORES{$name}{keep};
		for my $i (0 .. $#entries)
		{
			my $entry = $entries[$i];
			my $what = "$name $key: version $entry->{version} (" . show($entry->{value}) . ', rank ' . ($i + 1) . ')';

			push @problems, "$name $key: nobody wrote version $there[0][0] (" . show((shift @there)->[1]) . ')'
			  while @there && $there[0][0] > $entry->{version};
			if (!@there || $there[0][0] != $entry->{version})
			{
				push @problems, "$what is lost" unless $entry->{may};
				push @gone, $i;
				next;
			}
			my $value = (shift @there)->[1];
			push @problems, "$what has another value: " . show($value) if ($value // '~') ne ($entry->{value} // '~');
			push @problems, "$what is older than one that is gone" if @gone;
			push @problems, "$what is still there" if $entry->{must};
		}
		push @problems, map { "$name $key: version $_->[0] (" . show($_->[1]) . ') is there, and was gone' } @there;
		note_gone($model, $store, \@entries, @gone);
	}
	return @problems;
}

# Note which entries are gone, and what that did to the floor. A tombstone ends at its
# own version if it went as the head of its key.
sub note_gone
{
	my ($model, $store, $entries, @gone) = @_;

	for my $i (@gone)
	{
		my $entry = $entries->[$i];
		my $end = $i > 0 ? $entries->[ $i - 1 ]{version} : $entry->{version};

		rise($store, defined $entry->{value} ? $end : $entry->{version}, $end);
		$entry->{gone} = 1;
		$model->{counts}{'entries gone'}++;
	}
}

# ---- Reads ------------------------------------------------------------------

# The entry that a key had as of a version; undef: none, or a tombstone.
sub entry_at
{
	my ($store, $key, $version) = @_;
	my $entries = $store->{keys}{$key} // return;
	my $begin = 0;
	my ($low, $high) = (0, scalar @$entries);

	for (@{ $store->{truncates} }) { $begin = $_ if $_ <= $version }
	while ($low < $high)
	{
		my $middle = int(($low + $high) / 2);
		if ($entries->[$middle]{version} <= $version) { $low = $middle + 1 }
		else                                          { $high = $middle }
	}
	return if $low == 0 || $entries->[ $low - 1 ]{version} < $begin;
	return $entries->[ $low - 1 ];
}

# The value that a key had as of a version, undef if none.
sub answer
{
	my ($model, $name, $key, $version) = @_;
	my $entry = entry_at($model->{stores}{$name}, $key, $version);

	return $entry ? $entry->{value} : undef;
}

# What a scan of a whole store answers as of a version.
sub scan_answer
{
	my ($model, $name, $version) = @_;
	my $store = $model->{stores}{$name};
	my @rows;

	for my $key (sort keys %{ $store->{keys} })
	{
		my $entry = entry_at($store, $key, $version);
		push @rows, "$key=$entry->{version}=$entry->{value}" if $entry && defined $entry->{value};
	}
	return join ',', @rows;
}

# Versions worth reading as of: of some entries of a key, and what lies just beside them.
sub some_versions
{
	my ($model, $name, $key, $dice) = @_;
	my $entries = $model->{stores}{$name}{keys}{$key} // return ();
	my $recent = @$entries > 12 && $dice->(5) ? 12 : @$entries;

	return map { $entries->[ -1 - $dice->($recent) ]{version} + $dice->(3) - 1 } 1 .. 2;
}

1;
