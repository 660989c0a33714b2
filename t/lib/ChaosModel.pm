# A model of some stores that never forgets: every entry that a committed transaction
# wrote, every request, policy and pin, every TRUNCATE and erasure. It tells what a read
# must answer, what must still be there, what may be gone, and what must be gone. It knows
# the rules, and nothing of how mvstore follows them.
#
# An entry is { version, value (undef: a tombstone), expires (undef: never), may, must, gone }:
#   may   somebody has asked for it to go, or a policy lets it go
#   must  it is to be gone after the next mvstore_flush()
#   gone  it was seen to be gone, and that was durable
# A key's entries are kept oldest first, those that were erased apart. All times are
# versions: microseconds. A store also has the versions of its TRUNCATEs, the policies since
# the last check, and the least and the most that its floor can be. requests are those that
# no check has judged yet; dirty are keys with entries to be sorted, erasures are to be made
# then; pins are those that live; held is the lowest version of a transaction that is still
# prepared, if there is one: till it ends that is not stable, nor what is above it.

package ChaosModel;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(%STORES new_model commit rewrites version_of settle judge_requests compare answer scan_answer changes_answer was_erased some_versions show);

# a and b keep everything that nobody asks to drop; c, d and e have a policy, f now this
# one and now that; what is put to g expires; h is written to in the past.
our %STORES = (
	a => { erased => 1 },
	b => { truncated => 1 },
	c => { keep => 1, erased => 1 },
	d => { keep => 3, truncated => 1 },
	e => { keep => 2, keep_for => 150_000 },
	f => { changes => 1 },
	g => { ttl => 200_000 },
	h => { past => 1 });

sub new_model
{
	my %stores = map { $_ => { keys => {}, erased => {}, truncates => [], floor => [ 0, 0 ],
		policies => [ { keep => $STORES{$_}{keep}, keep_for => $STORES{$_}{keep_for} } ] } } keys %STORES;

	return { stores => \%stores, requests => [], dirty => {}, erasures => [], deletions => [], pins => {}, counts => {} };
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
		$last = $statement->{version} if $op ne 'import' && $statement->{version} && $statement->{version} > $last;
		$statement->{last} = $last;
		if ($op eq 'savepoint')      { $position{ $statement->{name} } = @effects }
		elsif ($op eq 'rollback_to') { splice(@effects, $position{ $statement->{name} }) }
		elsif ($op =~ /^(?:write|import|deletion|drop|truncate|policy|pin|unpin)$/) { push @effects, $statement }
	}
	return @effects;
}

# Whether a transaction has changed the past by a function for that.
sub rewrites { return scalar grep { $_->{op} eq 'import' && $_->{sql} =~ /^SELECT/ } effects($_[0]) }

# The version that a transaction has at its end, if any, as far as it was told.
sub version_of
{
	my ($transaction) = @_;

	return (grep { defined } map { $_->{op} eq 'import' ? undef : $_->{version} } effects($transaction))[-1];
}

# Take over a transaction that has committed; the problems with it.
sub commit
{
	my ($model, $transaction) = @_;
	my %written;
	my %versions;

	for my $effect (effects($transaction))
	{
		my ($op, $name) = @{$effect}{qw(op store)};

		push @{ $model->{stores}{$name}{truncates} }, $effect->{version} if $op eq 'truncate';
		if ($op eq 'drop')
		{
			$model->{counts}{"requests: $effect->{kind}"}++;
			push @{ $model->{requests} }, { %{$effect}{qw(kind store key to keep before last at most)}, durable => $transaction->{durable} };
		}
		elsif ($op eq 'policy')
		{
			$model->{counts}{'new policies'}++;
			push @{ $model->{stores}{$name}{policies} }, { %{$effect}{qw(keep keep_for)} };
		}
		elsif ($op =~ /pin/) { change_pin($model, $effect) }
		elsif ($op eq 'deletion') { push @{ $model->{deletions} }, [ $name, $effect->{key}, $effect->{raw} ] if defined $effect->{raw} }
		elsif ($op eq 'import') { import_entries($model, $effect) }
		elsif ($effect->{version})
		{
			$versions{ $effect->{version} } = 1;
			$model->{counts}{'entries written'} += keys %{ $effect->{values} };
			$written{$name}{$_} = { version => $effect->{version}, value => $effect->{values}{$_}, expires => $effect->{expires} }
			  for keys %{ $effect->{values} };
			push @{ $model->{erasures} }, map { [ $name, $_, $effect->{version} ] } keys %{ $effect->{values} }
			  if $effect->{erasure} && $effect->{erasure}{raw} > 0;
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

# Entries of the past were written, each of a version of its own.
sub import_entries
{
	my ($model, $effect) = @_;
	my $name = $effect->{store};

	for my $key (keys %{ $effect->{values} })
	{
		my $entries = $model->{stores}{$name}{keys}{$key} //= [];
		push @$entries, { version => $effect->{version}, value => $effect->{values}{$key} };
		$model->{dirty}{$name}{$key} = $entries;
		$model->{counts}{'entries of the past written'}++;
	}
}

# A pin was granted, in the place of what had its name, or given up; or refused.
sub change_pin
{
	my ($model, $effect) = @_;

	if ($effect->{op} eq 'unpin') { delete $model->{pins}{ $effect->{name} } }
	elsif ($effect->{raw} =~ /^\d+$/)
	{
		$model->{counts}{'pins'}++;
		$model->{pins}{ $effect->{name} } = { version => $effect->{raw}, store => $effect->{store} };
		# Whether it lives still is not known.
		delete $model->{pins}{ $effect->{name} } if $effect->{short};
	}
}

# Put what transactions brought in whatever order into the order of versions, and what
# was erased aside. An erasure is known by the version that its transaction has then
# written to the key: nobody else has written to it between the two.
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
	for my $erasure (@{ $model->{erasures} })
	{
		my ($name, $key, $version) = @$erasure;
		my $store = $model->{stores}{$name};
		my $entries = $store->{keys}{$key};
		my @erased = grep { $_->{version} < $version } @$entries;

		@$entries = grep { $_->{version} >= $version } @$entries;
		push @{ $store->{erased}{$key} }, @erased;
		# Before that, some of it may have been dropped.
		rise($store, 0, $version);
		$model->{counts}{'entries erased'} += grep { !$_->{gone} } @erased;
	}
	$model->{erasures} = [];
	for my $deletion (splice @{ $model->{deletions} })
	{
		my ($name, $key, $version) = @$deletion;
		my $entries = $model->{stores}{$name}{keys}{$key} // [];
		my $before = @$entries;

		@$entries = grep { $_->{version} != $version } @$entries;
		$model->{counts}{'entries deleted by SQL'}++;
		push @problems, "$name $key: version $version was deleted, and nobody had written it" if @$entries == $before;
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

# When the head of a key comes to its end: as a tombstone, or when it expires.
sub death
{
	my ($entry) = @_;

	return $entry->{version} unless defined $entry->{value};
	return undef unless defined $entry->{expires};
	return $entry->{expires} > $entry->{version} ? $entry->{expires} : $entry->{version};
}

# The end of entry $i of a key's.
sub end_of
{
	my ($i, @entries) = @_;

	return $i > 0 ? $entries[ $i - 1 ]{version} : death($entries[0]) // 9e18;
}

# The keys that a request is about.
sub keys_of
{
	my ($store, $request) = @_;

	return $request->{key} if $request->{kind} eq 'drop';
	return grep { $_ ge $request->{key} && (!defined $request->{to} || $_ lt $request->{to}) } keys %{ $store->{keys} };
}

# Say of the entries that requests since the last time were for that they may, or must,
# be gone. Everybody has ended, and mvstore_flush() has said that all is done. $after($at)
# is a version that was handed out after moment $at; $forgotten: a crash has
# forgotten requests that have no row in the journal. While a prepared transaction
# holds them back they are judged again: what they are for may be gone, and does not have to.
sub judge_requests
{
	my ($model, $after, $forgotten) = @_;
	my @problems = settle($model);

	for my $request (@{ $model->{requests} })
	{
		my $store = $model->{stores}{ $request->{store} };
		$request->{most} //= $after->($request->{at});
		$request->{forgotten} ||= $forgotten && !$request->{durable};
		my ($least, $most) = @{$request}{qw(last most)};
		my $before = $request->{before} // 9e18;

		$least = $before if $before < $least;
		$most = $before if $before < $most;
		$least = -1 if $model->{held} || $request->{forgotten};
		judge_request($request->{keep}, $least, $most, present($store, $_)) for keys_of($store, $request);
	}
	$model->{requests} = [] unless $model->{held};
	return @problems;
}

# Say it of the entries of one key; keep 0 is a compaction.
sub judge_request
{
	my ($keep, $least, $most, @entries) = @_;
	my $known = 0;		# entries that were there for sure when it was worked
	my $dead = 0;

	for my $i (0 .. $#entries)
	{
		my $end = end_of($i, @entries);
		my $death = death($entries[$i]);

		$known++ if $entries[$i]{version} <= $least;
		# A compaction may have met it as the head.
		$dead ||= $keep == 0 && defined $death && $death <= $most;
		$entries[$i]{may} = 1 if $dead || ($i >= $keep && $end <= $most);
		$entries[$i]{must} = 1 if $i >= $keep && $end <= $least && $known > $keep;
	}
}

# Say what a policy lets go of the entries of a key at a moment.
sub allow_policy
{
	my ($policy, $now, @entries) = @_;
	my $limited = defined $policy->{keep} || defined $policy->{keep_for};
	my $latest = $now - ($policy->{keep_for} // 0);
	my $dead = 0;

	for my $i (0 .. $#entries)
	{
		# What dies so may have been the head some time.
		my $death = $limited || defined $entries[$i]{value} ? death($entries[$i]) : undef;
		$dead ||= defined $death && $death <= $latest;
		$entries[$i]{may} = 1 if $dead || ($limited && $i >= ($policy->{keep} // 1) && $entries[ $i - 1 ]{version} <= $latest);
	}
}

# Say what must be gone by it for sure. What takes its time is met by the sweeps: $swept.
sub demand_policy
{
	my ($policy, $now, $swept, @entries) = @_;
	my $limited = defined $policy->{keep} || defined $policy->{keep_for};
	my $latest = defined $policy->{keep_for} ? ($swept // 0) - $policy->{keep_for} : $now;
	my $death = @entries ? death($entries[0]) : undef;
	my $dead = 0;

	$dead = 1 if defined $death && !defined $entries[0]{value} && $limited && $death <= $latest;
	$dead = 1 if defined $death && defined $entries[0]{value} && $death <= ($swept // 0) - ($policy->{keep_for} // 0);
	for my $i (0 .. $#entries)
	{
		$entries[$i]{must} = 1 if $dead || ($limited && $i >= ($policy->{keep} // 1) && $entries[ $i - 1 ]{version} <= $latest);
	}
}

# Compare what a store has with what it must and may have. $there: key => [[version,
# value], ...], newest first; $now is no earlier than the look at it; sweeps have met
# every policy as of $swept, if given; the last policy of the list is in force. While a
# prepared transaction holds back, nothing has to be gone. Returns the problems. What is gone
# is noted.
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

		allow_policy($_, $now, @entries) for @{ $store->{policies} };
		demand_policy($store->{policies}[-1], $now, $swept, @entries) unless $model->{held};
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
			push @problems, "$what is still there" if $entry->{must} && !$model->{held};
		}
		push @problems, map { "$name $key: version $_->[0] (" . show($_->[1]) . ') is there, and was gone' } @there;
		note_gone($model, $store, \@entries, @gone);
	}
	splice @{ $store->{policies} }, 0, -1;
	return @problems;
}

# Note which entries are gone, and what that did to the floor. A tombstone ends at its
# own version if it went as the head of its key, and what expires, when it does.
sub note_gone
{
	my ($model, $store, $entries, @gone) = @_;

	for my $i (@gone)
	{
		my $entry = $entries->[$i];
		my $end = end_of($i, @$entries);
		my $death = death($entry);

		rise($store, defined $death && $death < $end ? $death : $end, $end);
		$entry->{gone} = 1;
		$model->{counts}{'entries gone'}++;
	}
}

# ---- Reads ------------------------------------------------------------------

# The entry that a key had as of a version; undef: none.
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

# The value of an entry as of a version, undef if it is a tombstone or has expired.
sub value_at
{
	my ($entry, $version) = @_;

	return defined $entry->{expires} && $entry->{expires} <= $version ? undef : $entry->{value};
}

# The value that a key had as of a version, undef if none.
sub answer
{
	my ($model, $name, $key, $version) = @_;
	my $entry = entry_at($model->{stores}{$name}, $key, $version);

	return $entry ? value_at($entry, $version) : undef;
}

# Whether a value, as of a version, is one of what was erased meanwhile.
sub was_erased
{
	my ($model, $name, $key, $version, $value) = @_;
	my @before = sort { $b->{version} <=> $a->{version} } grep { $_->{version} <= $version } @{ $model->{stores}{$name}{erased}{$key} // [] };

	return grep { (value_at($_, $version) // '~') eq $value } @before;
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
		my $value = $entry ? value_at($entry, $version) : undef;
		push @rows, "$key=$entry->{version}=$value" if defined $value;
	}
	return join ',', @rows;
}

# The changes of a store above a version, up to another: [version, key, value] each.
sub changes_answer
{
	my ($model, $name, $after, $to) = @_;
	my $store = $model->{stores}{$name};
	my @changes;

	for my $key (keys %{ { %{ $store->{keys} }, %{ $store->{erased} } } })
	{
		push @changes, map { [ $_->{version}, $key, $_->{value} ] } grep { $_->{version} > $after && $_->{version} <= $to }
		  @{ $store->{keys}{$key} // [] }, @{ $store->{erased}{$key} // [] };
	}
	return sort { $a->[0] <=> $b->[0] || $a->[1] cmp $b->[1] } @changes;
}

# Versions worth reading as of: of some entries of a key, and what lies just beside them.
sub some_versions
{
	my ($model, $name, $key, $dice) = @_;
	my $entries = $model->{stores}{$name}{keys}{$key} // return ();
	return unless @$entries;
	my $recent = @$entries > 12 && $dice->(5) ? 12 : @$entries;

	return map { $entries->[ -1 - $dice->($recent) ]{version} + $dice->(3) - 1 } 1 .. 2;
}

1;
