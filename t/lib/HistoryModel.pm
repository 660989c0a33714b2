# The model that HistoryCheck.pm judges by, which never forgets: what the committed
# transactions of a log have written, in version order, and what of it a snapshot
# sees, or is seen as of a version. Nothing here knows how mvstore works.

package HistoryModel;

use strict;
use warnings;

use Exporter 'import';
use HistoryRun qw(OP STORE ARGS RAW STATE);

our @EXPORT_OK = qw(sees live shown);

use constant NEWEST => 9223372036854775807;

# The model of a log. Where the log contradicts itself, that is a problem.
sub new
{
	my ($class, $log) = @_;
	my $self = bless {
		log => $log, problems => [], snapshots => {}, entries => {}, commits => {}, owners => {},
		counts => { map { $_ => 0 } qw(transactions committed prepared distant) },
	}, $class;

	$self->replay($_) for @{ $log->{transactions} };
	$self->build;
	return $self;
}

sub problem
{
	my ($self, $kind, $transaction, $statement, $details) = @_;
	my $where = '';

	if ($transaction)
	{
		$where = "session $transaction->{session}, transaction $transaction->{number} ($transaction->{level})";
		$where .= sprintf ', %s(%s)', $statement->[OP], join(', ', grep { length } $statement->[STORE], show_args($statement)) if $statement;
		$where .= ': ';
	}
	push @{ $self->{problems} }, "$kind: $where$details";
}

sub show_args
{
	return map { ref($_) ? '{' . join(',', @$_) . '}' : $_ // '' } @{ $_[0][ARGS] };
}

# ---- Snapshots --------------------------------------------------------------

# A snapshot as PostgreSQL writes it, xmin:xmax:running,...
sub snapshot
{
	my ($self, $text) = @_;

	return $self->{snapshots}{$text} //= do
	{
		my ($xmin, $xmax, $running) = split /:/, $text;
		{ text => $text, xmin => $xmin, xmax => $xmax, running => { map { $_ => 1 } split /,/, $running // '' } };
	};
}

# Whether a transaction has ended for a snapshot. A snapshot does not list its own.
sub sees
{
	my ($snapshot, $xid, $own) = @_;

	return 0 if $xid == ($own // 0) || $xid >= $snapshot->{xmax};
	return $xid < $snapshot->{xmin} || !$snapshot->{running}{$xid};
}

# The index of the first element that is at or above a number, in a sorted list.
sub lower_bound
{
	my ($list, $number) = @_;
	my ($low, $high) = (0, scalar @$list);

	while ($low < $high)
	{
		my $middle = int(($low + $high) / 2);
		if ($list->[$middle] < $number) { $low = $middle + 1 }
		else { $high = $middle }
	}
	return $low;
}

# The greatest version of a commit that a snapshot sees, and the lowest of one that it does not see.
sub bounds
{
	my ($self, $snapshot, $own) = @_;
	my $xids = $self->{xids};
	my $start = lower_bound($xids, $snapshot->{xmin});
	my $end = lower_bound($xids, $snapshot->{xmax});
	my $seen = $start > 0 ? $self->{greatest}[ $start - 1 ] : 0;
	my $unseen = $self->{lowest}[$end] // NEWEST;

	for my $i ($start .. $end - 1)
	{
		my $version = $self->{commits}{ $xids->[$i] }{version};
		if (sees($snapshot, $xids->[$i], $own)) { $seen = $version if $version > $seen }
		elsif ($version < $unseen) { $unseen = $version }
	}
	return ($seen, $unseen);
}

# ---- What was committed -----------------------------------------------------

# Go through a transaction: what of its writes survives, by savepoints, errors and
# its end. With $visit, call $visit->{answer} for each statement that was answered
# and $visit->{error} for each that failed, with the writes so far.
sub replay
{
	my ($self, $transaction, $visit) = @_;
	my ($failed, $version, @saved, %own, %added) = (0);

	for my $i (0 .. $#{ $transaction->{statements} })
	{
		my $statement = $transaction->{statements}[$i];
		my ($op, $state) = ($statement->[OP], substr($statement->[STATE], 0, 5));

		if ($state ne '00000')
		{
			$visit->{error}->($statement, $state, $failed, $version) if $visit;
			$failed = 1;
			next;
		}
		if ($op eq 'savepoint') { push @saved, [ $statement->[ARGS][0], {%own}, $version, {%added} ] }
		elsif ($op =~ /^(?:release|rollback_to)$/)
		{
			pop @saved while $saved[-1][0] ne $statement->[ARGS][0];
			if ($op eq 'release') { pop @saved }
			else
			{
				$failed = 0;
				%own = %{ $saved[-1][1] };
				$version = $saved[-1][2];
				%added = %{ $saved[-1][3] };
			}
		}
		next if !defined $statement->[RAW];
		my ($answer, $told, $snapshot, $xid) = $self->fields($statement);
		$transaction->{xid} = $xid if $xid ne '~';
		$visit->{answer}->($statement, $i, $answer, $told, $snapshot, \%own, $version) if $visit;
		my %written = written($statement, $answer, $told) or next;
		$self->problem('a write has no transaction id', $transaction, $statement, $answer) if !$transaction->{xid} && !$visit;
		$self->{owners}{$answer}{ $transaction->{xid} // 0 } = 1;
		$version = $answer;
		$own{"$statement->[STORE] $_"} = [ $version, $written{$_} ] for keys %written;
		$added{"$statement->[STORE] $statement->[ARGS][0]"} += $statement->[ARGS][1] if $op eq 'add';
	}
	return if $visit;

	my $end = $transaction->{statements}[-1];
	$transaction->{committed} = !$failed && ($end->[OP] eq 'commit' || $transaction->{single} || $self->was_committed($transaction)) ? 1 : 0;
	@{$transaction}{qw(writes added)} = $transaction->{committed} ? ({%own}, {%added}) : ({}, {});
	$self->{counts}{transactions}++;
	$self->{counts}{distant}++ if $transaction->{standby};
	$self->{counts}{committed} += $transaction->{committed};
	return unless $transaction->{committed} && %own;
	$self->{commits}{ $transaction->{xid} // 0 } = { version => $version, transaction => $transaction };
}

# Whether a transaction that has not failed was prepared, and committed later. What is prepared
# is there, and can be committed, until somebody ends it.
sub was_committed
{
	my ($self, $transaction) = @_;
	my $ending = $transaction->{ending};

	return 0 if $transaction->{statements}[-1][OP] ne 'prepare';
	$self->{counts}{prepared}++;
	$self->problem('what was prepared cannot be ended', $transaction, $ending, $ending ? $ending->[STATE] : 'nobody has')
	  if !$ending || $ending->[STATE] ne '00000';
	return $ending && $ending->[OP] eq 'commit_prepared' && $ending->[STATE] eq '00000';
}

# What psql said of a statement: the answer, the version told beside it, the snapshot, the transaction id.
sub fields
{
	my ($self, $statement) = @_;
	my ($answer, $told, $snapshot, $xid) = split /\|/, $statement->[RAW], -1;
	return ($answer, $told, $self->snapshot($snapshot), $xid);
}

# What a statement wrote: key => value, undef for a tombstone.
sub written
{
	my ($statement, $answer, $told) = @_;
	my ($op, $args) = @{$statement}[ OP, ARGS ];
	my %written;

	return if $answer eq '~' || $op !~ /^(?:put|delete|add)/;
	return ($args->[0] => undef) if $op =~ /^delete/;
	return ($args->[0] => (split /=/, $told)[1] + $args->[1]) if $op eq 'add';
	return ($args->[0] => $args->[1]) if $op ne 'put_many';
	@written{ @{ $args->[0] } } = @{ $args->[1] };
	return %written;
}

# Per key all committed entries, [version, value, xid] in version order.
sub build
{
	my ($self) = @_;
	my ($entries, $commits) = @{$self}{qw(entries commits)};
	my ($greatest, $lowest) = (0, NEWEST);

	for my $xid (keys %$commits)
	{
		my $writes = $commits->{$xid}{transaction}{writes};
		for my $key (keys %$writes)
		{
			push @{ $entries->{$key} }, [ @{ $writes->{$key} }, $xid ];
			$self->problem('a transaction has two versions', $commits->{$xid}{transaction}, undef, "$key at $writes->{$key}[0]")
			  if $writes->{$key}[0] != $commits->{$xid}{version};
		}
	}
	for my $key (keys %$entries)
	{
		my @sorted = sort { $a->[0] <=> $b->[0] } @{ $entries->{$key} };
		$entries->{$key} = \@sorted;
		$self->{versions}{$key} = [ map { $_->[0] } @sorted ];
		@{ $self->{place}{$key} }{ map { $_->[2] } @sorted } = 0 .. $#sorted;
	}

	# For bounds(): the commits by transaction id, the greatest version up to each and the lowest from each on.
	$self->{xids} = [ sort { $a <=> $b } keys %$commits ];
	for my $xid (@{ $self->{xids} })
	{
		$greatest = $commits->{$xid}{version} if $commits->{$xid}{version} > $greatest;
		push @{ $self->{greatest} }, $greatest;
	}
	for my $xid (reverse @{ $self->{xids} })
	{
		$lowest = $commits->{$xid}{version} if $commits->{$xid}{version} < $lowest;
		unshift @{ $self->{lowest} }, $lowest;
	}
}

# The index of the newest entry of a key that a snapshot sees; -1: none. What is seen of a key is its oldest part.
sub visible
{
	my ($self, $key, $snapshot, $own) = @_;
	my $entries = $self->{entries}{$key} // [];
	my ($low, $high) = (0, scalar @$entries);

	while ($low < $high)
	{
		my $middle = int(($low + $high) / 2);
		if (sees($snapshot, $entries->[$middle][2], $own)) { $low = $middle + 1 }
		else { $high = $middle }
	}
	return $low - 1;
}

# The index of the newest entry of a key at or below a version; -1: none.
sub at
{
	my ($self, $key, $version) = @_;
	return lower_bound($self->{versions}{$key} // [], $version + 1) - 1;
}

# The entry of a key as of a version.
sub past
{
	my ($self, $key, $version) = @_;
	my $place = $self->at($key, $version);
	return $place < 0 ? undef : $self->{entries}{$key}[$place];
}

# The entry of a key as a snapshot sees it, the transaction's own on top.
sub present
{
	my ($self, $key, $snapshot, $xid, $own) = @_;
	return $own->{$key} if $own->{$key};
	my $place = $self->visible($key, $snapshot, $xid);
	return $place < 0 ? undef : $self->{entries}{$key}[$place];
}

# Whether an entry is one that reads show, and as what they show it here.
sub live { return defined $_[0] && defined $_[0][1] }
sub shown { return live($_[0]) ? "$_[0][0]=$_[0][1]" : '~' }

1;
