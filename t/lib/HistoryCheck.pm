# Judges what HistoryRun.pm has recorded. What a statement must have seen follows from
# the snapshot that it was recorded with: of each key the newest entry by a
# transaction that is visible in it, the transaction's own writes on top; or, as of
# a version, of each key the newest entry at or below that. On a standby, where a snapshot is not
# told as a whole, the present is judged by HistoryCycles.pm alone.

package HistoryCheck;

use strict;
use warnings;

use parent 'HistoryModel';
use Exporter 'import';
use HistoryCycles qw(check_cycles find_cycle);
use HistoryModel qw(sees live shown);
use HistoryRun qw(OP STORE ARGS AS_OF RAW STATE);

our @EXPORT = qw(check);

# Check a log: what is wrong, each as "kind: details", and how much was looked at.
sub check
{
	my ($log) = @_;
	my $self = HistoryCheck->new($log);

	$self->{reads} = [];
	$self->{counts}{$_} = 0 for qw(statements reads as_of gone unstable told_to_retry edges changes answered_edges anti_edges);
	$self->check_order;
	$self->judge($_) for @{ $log->{transactions} };
	$self->check_sums;
	$self->check_graph;
	check_cycles($self);
	$self->check_final;
	return ($self->{problems}, $self->{counts});
}

# Versions belong to one transaction each, and the version order of a key is its commit order.
sub check_order
{
	my ($self) = @_;

	for my $version (keys %{ $self->{owners} })
	{
		my @owners = keys %{ $self->{owners}{$version} };
		$self->problem('a version was handed out twice', undef, undef, "$version to transactions @owners") if @owners > 1;
	}
	for my $key (keys %{ $self->{entries} })
	{
		my $entries = $self->{entries}{$key};
		for my $i (1 .. $#$entries)
		{
			# The writer of the earlier version had the key to its end: nothing it saw until then has the later one.
			my ($earlier, $later) = @{$entries}[ $i - 1, $i ];
			my $transaction = $self->{commits}{ $earlier->[2] }{transaction};
			my ($last) = grep { defined $_->[RAW] } reverse @{ $transaction->{statements} };
			$self->problem('version order is not commit order', $transaction, undef, "$key: version $later->[0] was committed before $earlier->[0]")
			  if sees(($self->fields($last))[2], $later->[2]);
		}
	}
}

# ---- Every answer -----------------------------------------------------------

sub judge
{
	my ($self, $transaction) = @_;
	my $fixed = $transaction->{level} ne 'READ COMMITTED';
	my ($first, $known) = (undef, 0);

	$self->replay($transaction, {
		error => sub {
			my ($statement, $state, $failed, $version) = @_;
			$self->{counts}{statements}++;
			$self->judge_error($transaction, $statement, $state, $failed, $version, $fixed ? $known : 0);
		},
		answer => sub {
			my ($statement, $i, $answer, $told, $snapshot, $own, $version) = @_;
			my ($op, $as_of) = @{$statement}[ OP, AS_OF ];
			my $stable = $op eq 'stable' ? $answer : !$as_of ? 0 : $op eq 'previous' ? $told - 1 : $told;

			$self->{counts}{statements}++;
			return $self->judge_changes($transaction, $statement, $answer, $told) if $op eq 'changes';
			return $self->judge_distant($transaction, $statement, $answer, $told, $stable, \$known) if $transaction->{standby};
			$first //= $snapshot;
			$self->problem('the snapshot has changed', $transaction, $statement, "$first->{text}, then $snapshot->{text}")
			  if $fixed && $first != $snapshot;
			($stable) = sort { $b <=> $a } $answer =~ /=(\d+)/g if $op eq 'floor';
			$known = $stable if $stable > $known;
			$self->check_stable($transaction, $statement, $snapshot, $stable, $version) if $stable;
			if ($op =~ /^(?:put|delete|add)/)
			{
				$self->judge_write($transaction, $statement, $i, $answer, $told, $snapshot, $own, $version);
			}
			elsif ($op !~ /^(?:look|drop|stable|floor)$/)
			{
				$self->{counts}{reads}++;
				$self->{counts}{as_of} += $as_of;
				$self->judge_read($transaction, $statement, $answer, $told, $snapshot, $own);
			}
		} });
}

# On a standby: what is stable there never goes back, and as of that the answer is known. $stable: what the
# answer says to be stable, $known: what has been said to be in the same snapshot.
sub judge_distant
{
	my ($self, $transaction, $statement, $answer, $told, $stable, $known) = @_;
	my ($op, $as_of) = @{$statement}[ OP, AS_OF ];
	my $newest = \$self->{distant}{ $transaction->{session} };

	if ($op eq 'stable')
	{
		$self->problem('not stable any more', $transaction, $statement, "$answer, after $$newest on a standby") if $answer < ($$newest // 0);
		$$newest = $answer;
	}
	$$known = $stable if $stable > $$known;
	return unless $as_of;
	$self->{counts}{as_of}++;
	$self->judge_read($transaction, $statement, $answer, $told, undef, {});
}

# Who follows a store is given each change once, in order, and all up to what was stable.
sub judge_changes
{
	my ($self, $transaction, $statement, $answer, $told) = @_;
	my ($store, $args) = @{$statement}[ STORE, ARGS ];
	my ($after, $key, $max) = ($args->[0], $args->[1] =~ tr/'//dr, $args->[2]);
	my $changes = $self->{changes}{$store} //= [ sort { $a->[0] <=> $b->[0] || $a->[1] cmp $b->[1] } map {
		my ($of, $name) = split / /;
		$of eq $store ? map { [ $_->[0], $name, $_->[1] ] } @{ $self->{entries}{$_} } : ();
	} keys %{ $self->{entries} } ];
	my $versions = $self->{change_versions}{$store} //= [ map { $_->[0] } @$changes ];
	my $place = HistoryModel::lower_bound($versions, $after);
	my @got = $answer eq '~' ? () : split /,/, $answer;

	# Without a key, behind all of the version.
	$place++ while $place < @$changes && $changes->[$place][0] == $after && ($key eq 'NULL' || $changes->[$place][1] le $key);
	$self->{counts}{changes} += @got;
	for (@got)
	{
		my $change = $changes->[ $place++ ];
		my $expected = $change ? "$change->[0]=$change->[1]=" . ($change->[2] // '~') : 'none';
		return $self->problem('wrong change', $transaction, $statement, "$_, where it must be $expected") if $_ ne $expected;
	}
	$self->problem('wrong change', $transaction, $statement, "none, where $versions->[$place] was stable at $told")
	  if $place < @$changes && $versions->[$place] <= $told && @got < ($max // 9**9);
}

# All at and below a version that a snapshot was told is stable must have ended for it.
sub check_stable
{
	my ($self, $transaction, $statement, $snapshot, $stable, $version) = @_;
	my (undef, $unseen) = $self->bounds($snapshot, $transaction->{xid});

	$self->problem('not stable', $transaction, $statement, "$stable is said to be, but $unseen had not ended for $snapshot->{text}")
	  if $unseen <= $stable;
	$self->problem('not stable', $transaction, $statement, "$stable is said to be, but the transaction itself has version $version")
	  if defined $version && $version <= $stable;
}

# Keys of [from, to), or that a prefix begins.
sub range
{
	my ($self, $from, $to) = @_;
	return grep { (!defined $from || $_ ge $from) && (!defined $to || $_ lt $to) } @{ $self->{log}{keys} };
}

# The keys that a read looks at.
sub touched
{
	my ($self, $statement) = @_;
	my ($op, $args) = @{$statement}[ OP, ARGS ];

	return $self->range(@{$args}[ 0, 1 ]) if $op eq 'scan' || $op eq 'count';
	return grep { index($_, $args->[0]) == 0 } @{ $self->{log}{keys} } if $op eq 'prefix';
	return @{ $self->{log}{keys} } if $op eq 'diff';
	return @$args if $op eq 'many';
	return $args->[0];
}

# The answer of a read must be what the model says.
sub judge_read
{
	my ($self, $transaction, $statement, $answer, $told, $snapshot, $own) = @_;
	my ($op, $store, $args, $as_of) = @{$statement}[ OP, STORE, ARGS, AS_OF ];
	my $back = $op eq 'previous' ? 1 : 0;
	my $look = $as_of ? sub { $self->past("$store $_[0]", $told - $back) }
	  : sub { $self->present("$store $_[0]", $snapshot, $transaction->{xid}, $own) };
	my $entry = $op =~ /^(?:get|entry|contains|previous|history)$/ ? $look->($args->[0]) : undef;
	my $expected;

	# With max_rows, what comes after the rows is not looked at.
	my @touched = $op =~ /^(?:scan|history)$/ && defined $args->[ $op eq 'scan' ? 2 : 1 ] ? () : $self->touched($statement);
	@touched = $answer =~ /(?:^|,)(\w+)=/g if $op eq 'scan' && defined $args->[2];
	$self->note_reads($transaction, $statement, $snapshot, $own, @touched) if !$as_of;
	return $self->judge_history($transaction, $statement, $answer, $entry, $snapshot) if $op eq 'history';
	if ($op eq 'get') { $expected = live($entry) ? $entry->[1] : '~' }
	elsif ($op eq 'entry') { $expected = shown($entry) }
	elsif ($op eq 'contains') { $expected = live($entry) ? 't' : 'f' }
	elsif ($op eq 'many') { $expected = join ',', map { "$_=" . shown($look->($_)) } @$args }
	elsif ($op eq 'count') { $expected = grep { live($look->($_)) } $self->touched($statement) }
	elsif ($op eq 'previous')
	{
		# A deleted key may be gone whole under a policy.
		return if $answer eq '~' && $self->{log}{stores}{$store}{policy} && !live($entry);
		$expected = $entry ? "$entry->[0]=" . ($entry->[1] // '~') : '~';
	}
	else
	{
		my @rows;
		for my $key ($self->touched($statement))
		{
			my $shown = shown($look->($key));
			my $before = $op eq 'diff' ? shown($self->past("$store $key", $told - $args->[0])) : '~';
			push @rows, $op eq 'diff' ? "$key=$before=$shown" : "$key=$shown" if $shown ne $before;
		}
		@rows = reverse @rows if $op eq 'scan' && $args->[3];
		splice(@rows, $args->[2]) if $op eq 'scan' && defined $args->[2] && $args->[2] < @rows;
		$expected = @rows ? join(',', @rows) : '~';
	}
	return if $answer eq $expected;
	$self->problem('wrong answer', $transaction, $statement,
		"$answer, where it must be $expected" . ($as_of ? " as of $told" : '') . $self->whose($answer, $transaction));
}

# Whose value a wrong answer is, if it tells.
sub whose
{
	my ($self, $answer, $transaction) = @_;
	my ($session, $number) = $answer =~ /(?:^|=)(\d+)\.(\d+)\.\d+\.\d/ or return '';
	my ($writer) = grep { $_->{session} == $session && $_->{number} == $number } @{ $self->{log}{transactions} };

	return '' if !$writer || $writer == $transaction;
	return $writer->{committed} ? '; the value is of a committed transaction' : '; the value is of a transaction that was not committed';
}

# A history is the newest part of what the snapshot sees, the transaction's own entry on top.
sub judge_history
{
	my ($self, $transaction, $statement, $answer, $head, $snapshot) = @_;
	my ($store, $args) = @{$statement}[ STORE, ARGS ];
	my $about = $self->{log}{stores}{$store};
	my @all = @{ $self->{entries}{"$store $args->[0]"} // [] };

	$#all = $self->visible("$store $args->[0]", $snapshot, $transaction->{xid});
	push @all, $head if $head && (!@all || $all[-1][0] != $head->[0]);
	@all = map { "$_->[0]=" . ($_->[1] // '~') } reverse @all;
	splice(@all, $args->[1]) if defined $args->[1] && $args->[1] < @all;

	my @got = $answer eq '~' ? () : split /,/, $answer;
	my $least = !$about->{drops} ? @all : $about->{policy} && !live($head) ? 0 : @all ? 1 : 0;
	$self->problem('wrong answer', $transaction, $statement, "$answer, where it must be at least $least of the newest of " . join(',', @all))
	  if @got > @all || @got < $least || grep { $got[$_] ne $all[$_] } 0 .. $#got;
}

# A write must have its version in order, and have gone by what was there.
sub judge_write
{
	my ($self, $transaction, $statement, $i, $answer, $told, $snapshot, $own, $version) = @_;
	my ($op, $store, $args) = @{$statement}[ OP, STORE, ARGS ];
	my $fixed = $transaction->{level} ne 'READ COMMITTED';
	my $xid = $transaction->{xid};
	my $wrote = $answer ne '~';

	if ($wrote && defined $version)
	{
		$self->problem('a transaction has two versions', $transaction, $statement, "$version, then $answer") if $answer != $version;
	}
	elsif ($wrote)
	{
		my ($seen) = $self->bounds($snapshot, $xid);
		$self->problem('a version is below one that had been committed', $transaction, $statement, "$answer, though $seen had been committed")
		  if $answer <= $seen;
	}

	# What the statement's own read of the entry told is a read as any other.
	if ($op eq 'add')
	{
		my $entry = $self->present("$store $args->[0]", $snapshot, $xid, $own);
		$self->problem('wrong answer', $transaction, $statement, "$told, where it must be " . shown($entry) . ' (in a write)') if $told ne shown($entry);
		$self->note_reads($transaction, $statement, $snapshot, $own, $args->[0]);
	}
	$self->note_reads($transaction, $statement, $snapshot, $own, $args->[0]) if $op =~ /_if$|^delete/;

	my ($expected) = split /=/, $told;
	for my $name ($op eq 'put_many' ? @{ $args->[0] } : $args->[0])
	{
		my $key = "$store $name";
		my @bases = $self->bases($transaction, $key, $i, $answer, $snapshot, $own);
		my @right = grep {
			my $present = live($_) ? $_->[0] : 0;
			my $written = $op eq 'delete' ? $present != 0
			  : $op eq 'delete_if' ? $present != 0 && $present == $expected
			  : $op eq 'put_if' || ($op eq 'add' && !$fixed) ? $present == $expected
			  : 1;
			$op eq 'add' && $fixed && $told eq shown($_) || $written == $wrote;
		} @bases;
		$self->problem('a write went by what was not there', $transaction, $statement,
			($wrote ? "written at $answer" : 'not written') . ", expecting $told, over " . join(' or ', map { shown($_) } @bases)) unless @right;

		# Under one snapshot what is written over must be what it sees; absent is absent.
		my $place = $wrote ? $self->{place}{$key}{ $xid // 0 } : undef;
		next unless $fixed && !$own->{$key} && defined $place && $place > 0;
		my $base = $self->{entries}{$key}[ $place - 1 ];
		next if $self->{log}{stores}{$store}{policy} && !live($base) && !live($self->present($key, $snapshot, $xid, $own));
		$self->problem('an update is lost', $transaction, $statement, "written over $base->[0], which $snapshot->{text} does not see")
		  unless sees($snapshot, $base->[2], $xid);
	}
}

# The entries that a write may have found: its own; what its snapshot sees; under READ
# COMMITTED, where the entry stayed, what comes before it, else what was committed
# until the next statement. (A key that was given up by a savepoint and written again
# may have been another's in between.)
sub bases
{
	my ($self, $transaction, $key, $i, $answer, $snapshot, $own) = @_;
	my $xid = $transaction->{xid};
	my $entries = $self->{entries}{$key} // [];
	my $place = $answer ne '~' ? $self->{place}{$key}{ $xid // 0 } : undef;

	return $own->{$key} if $own->{$key};
	return $self->present($key, $snapshot, $xid, $own) if $transaction->{level} ne 'READ COMMITTED';
	my @same = grep { defined $_->[RAW] && $_->[OP] =~ /^(?:put|delete|add)/ && $key =~ /^$_->[STORE] / } @{ $transaction->{statements} };
	return $place > 0 ? $entries->[ $place - 1 ] : undef if @same == 1 && defined $place && $entries->[$place][0] == $answer;

	my $low = $self->visible($key, $snapshot, $xid);
	my ($next) = grep { defined $_->[RAW] } @{ $transaction->{statements} }[ $i + 1 .. $#{ $transaction->{statements} } ];
	my $high = $next ? $self->visible($key, ($self->fields($next))[2], $xid) : $#$entries;
	return map { $_ < 0 ? undef : $entries->[$_] } $low .. $high;
}

# An error must be one that may happen there. $known: what has been said to be stable in the same snapshot.
sub judge_error
{
	my ($self, $transaction, $statement, $state, $failed, $version, $known) = @_;
	my ($op, $store, $args, $as_of) = @{$statement}[ OP, STORE, ARGS, AS_OF ];
	my $told = $statement->[STATE];

	return if $state eq '25P02' && $failed;
	return if $state eq '3B001' && $failed && $op eq 'rollback_to';
	if ($state eq '72000' && $as_of)
	{
		my ($asked) = $told =~ /version (\d+)/;
		my $floor = $self->{log}{final}{floor}{''}{$store} // 0;
		$self->{counts}{gone}++;
		return if defined $asked && $asked < $floor && $self->{log}{stores}{$store}{drops};
		$self->problem('history is said to be gone', $transaction, $statement, "$told; the floor is $floor at the end");
		return;
	}
	if ($state eq '55000' && $as_of)
	{
		my ($asked) = $told =~ /version (\d+)/;
		$self->{counts}{unstable}++;
		return if ($asked // 0) > $known;
		$self->problem('not stable any more', $transaction, $statement, "$told; $known has been stable in its snapshot");
		return;
	}
	if ($state =~ /^(?:40001|40P01|MV001)$/ && ($op =~ /^(?:put|delete|add|commit|prepare)/ || $transaction->{level} eq 'SERIALIZABLE'))
	{
		$self->{counts}{told_to_retry}++;
		# A transaction without a version is never too late for a key.
		return unless $state eq '40001' && $transaction->{level} eq 'READ COMMITTED' && !defined $version && $op ne 'put_many';
	}
	# Replay may not wait for a reader.
	return if $state eq '40001' && $transaction->{standby};
	$self->problem('unexpected error', $transaction, $statement, $told);
}

# ---- All transactions together ----------------------------------------------

# At each version the accounts of a store have one sum, and each count is one more.
sub check_sums
{
	my ($self) = @_;
	my %sum;

	for my $xid (sort { $self->{commits}{$a}{version} <=> $self->{commits}{$b}{version} } keys %{ $self->{commits} })
	{
		my $writes = $self->{commits}{$xid}{transaction}{writes};
		for my $store (sort keys %{ $self->{log}{stores} })
		{
			my @accounts = grep { $writes->{$_} } map { "$store $_" } @{ $self->{log}{accounts} } or next;
			$sum{$store}{$_} = $writes->{$_}[1] for @accounts;
			my $total = 0;
			$total += $_ for values %{ $sum{$store} };
			$self->problem('the sum of the accounts has changed', $self->{commits}{$xid}{transaction}, undef, "$total in $store")
			  if keys %{ $sum{$store} } && $total != 100 * @{ $self->{log}{accounts} };
		}
	}
	for my $store (sort keys %{ $self->{log}{stores} })
	{
		for my $key (map { "$store $_" } @{ $self->{log}{counters} })
		{
			my $head = ($self->{entries}{$key} // [])->[-1] or next;
			my $added = 0;
			$added += $_->{added}{$key} // 0 for grep { $_->{committed} } @{ $self->{log}{transactions} };
			$self->problem('a count is lost', undef, undef, "$key is $head->[1], but was counted up $added times") if $head->[1] != $added;
		}
	}
}

# Note what a SERIALIZABLE transaction has read of the present, unless that is its own.
sub note_reads
{
	my ($self, $transaction, $statement, $snapshot, $own, @names) = @_;

	return unless $transaction->{level} eq 'SERIALIZABLE' && $transaction->{committed};
	for my $key (map { "$statement->[STORE] $_" } @names)
	{
		push @{ $self->{reads} }, [ $transaction, $key, $self->visible($key, $snapshot, $transaction->{xid}), $statement->[OP] ]
		  unless $own->{$key};
	}
}

# The committed SERIALIZABLE transactions have an order: who wrote what another read
# or overwrote comes before it, and who read what another overwrote, too.
sub check_graph
{
	my ($self) = @_;
	my (%after, %node);
	my $writer = sub {
		my ($key, $place) = @_;
		my $entry = $place < 0 ? undef : $self->{entries}{$key}[$place];
		return undef unless $entry;
		my $transaction = $self->{commits}{ $entry->[2] }{transaction};
		return $transaction->{level} eq 'SERIALIZABLE' ? $transaction : undef;
	};
	my $edge = sub {
		my ($from, $to, $why) = @_;
		return if !$from || !$to || $from == $to;
		@node{ $from, $to } = ($from, $to);
		$self->{counts}{edges}++ unless $after{$from}{$to};
		$after{$from}{$to} //= $why;
	};

	for my $key (sort keys %{ $self->{entries} })
	{
		$edge->($writer->($key, $_ - 1), $writer->($key, $_), "ww $key") for 1 .. $#{ $self->{entries}{$key} };
	}
	for my $read (@{ $self->{reads} })
	{
		my ($transaction, $key, $place, $op) = @$read;
		$edge->($writer->($key, $place), $transaction, "wr $key, by $op");
		$edge->($transaction, $writer->($key, $place + 1), "rw $key, by $op");
	}

	my @cycle = find_cycle({ map { $_ => [ keys %{ $after{$_} } ] } keys %after });
	$self->problem('not serializable', undef, undef, join '; ',
		map { "$node{$cycle[$_]}{session}/$node{$cycle[$_]}{number} " . $after{ $cycle[$_] }{ $cycle[ ($_ + 1) % @cycle ] } } 0 .. $#cycle) if @cycle;
}

# What is there at the end, and what PostgreSQL says of the transactions.
sub check_final
{
	my ($self) = @_;
	my $final = $self->{log}{final};

	$self->problem('not flushed', undef, undef, 'mvstore_flush() says so') unless exists $final->{flushed}{''}{t};
	for my $transaction (grep { defined $_->{xid} } @{ $self->{log}{transactions} })
	{
		my $status = $final->{xid}{''}{ $transaction->{xid} } // 'unknown';
		$self->problem('another end', $transaction, undef, $status) if ($status eq 'committed') != $transaction->{committed};
	}
	for my $store (sort keys %{ $self->{log}{stores} })
	{
		my $about = $self->{log}{stores}{$store};
		for my $name (@{ $self->{log}{keys} })
		{
			my @all = reverse @{ $self->{entries}{"$store $name"} // [] };
			my $head = $final->{head}{$store}{$name} // '~';
			my @left = split /,/, $final->{left}{$store}{$name} // '';
			$self->problem('wrong at the end', undef, undef, "$store $name is $head, where it must be " . shown($all[0])) if $head ne shown($all[0]);

			my $least = !$about->{drops} ? @all : $about->{policy} && !live($all[0]) ? 0 : @all ? 1 : 0;
			my $most = !$about->{policy} ? @all : live($all[0]) ? $about->{policy} : 0;
			my @newest = map { "$_->[0]=" . ($_->[1] // '~') } grep { defined } @all[ 0 .. $#left ];
			$self->problem('wrong at the end', undef, undef, "of $store $name is left: @left; it must be $least to $most of: @newest ...")
			  if @left < $least || @left > $most || "@left" ne "@newest";
		}
	}
}

1;
