# Cycles among the transactions of a log, by what they were answered alone: whose entry each
# has read, whose each has overwritten, and who has overwritten what each has read. Here
# is no snapshot that PostgreSQL has named, so that what the standby answers is judged likewise.
#
# The anomalies are Adya's, as Elle looks for them: at every level no cycle of overwritten
# entries (G0), nothing read of who was rolled back (G1a) or of what was overwritten by its writer
# himself (G1b), and no cycle of overwriting and reading (G1c); under one snapshot, no cycle in
# which exactly one has read what another of it overwrote (G-single). That SERIALIZABLE
# transactions have an order at all (G2) is for HistoryCheck.pm.

package HistoryCycles;

use strict;
use warnings;

use Exporter 'import';
use HistoryModel qw(live sees);
use HistoryRun qw(OP STORE ARGS AS_OF RAW STATE);

our @EXPORT_OK = qw(check_cycles find_cycle);

# Give $self, a HistoryCheck, its problems; count the edges.
sub check_cycles
{
	my ($self) = @_;
	my $graph = { self => $self, nodes => [], number => {}, after => [], why => {}, rw => [] };

	for my $key (sort keys %{ $self->{entries} })
	{
		my $entries = $self->{entries}{$key};
		for (1 .. $#$entries)
		{
			my ($before, $after) = @{$entries}[ $_ - 1, $_ ];
			add_edge($graph, writer($self, $before), writer($self, $after), "ww $key") unless is_written_anew($self, $key, $before, $after);
		}
	}
	return if tell_cycle($graph, 'G0');
	for my $transaction (@{ $self->{log}{transactions} })
	{
		add_reads($graph, $transaction) if $transaction->{committed} || $transaction->{standby};
	}
	return if tell_cycle($graph, 'G1c');
	check_single($graph);
}

# Whether an entry was written where nothing was, neither any more nor yet for its writer: what came meanwhile,
# down to a tombstone that a policy has dropped, is of no order with who did not see it.
sub is_written_anew
{
	my ($self, $key, $before, $after) = @_;
	my $transaction = writer($self, $after);
	my ($store) = split / /, $key;

	return 0 if $transaction->{level} eq 'READ COMMITTED' || live($before) || !$self->{log}{stores}{$store}{policy};
	my ($first) = grep { defined $_->[RAW] } @{ $transaction->{statements} };
	return !sees(($self->fields($first))[2], $before->[2], $transaction->{xid});
}

sub writer { return $_[0]{commits}{ $_[1][2] }{transaction} }

sub number
{
	my ($graph, $transaction) = @_;

	push @{ $graph->{nodes} }, $transaction unless defined $graph->{number}{$transaction};
	return $graph->{number}{$transaction} //= $#{ $graph->{nodes} };
}

sub add_edge
{
	my ($graph, $from, $to, $why) = @_;
	return if $from == $to;
	my ($a, $b) = (number($graph, $from), number($graph, $to));

	return if $graph->{why}{"$a $b"};
	push @{ $graph->{after}[$a] }, $b;
	$graph->{why}{"$a $b"} = $why;
	$graph->{self}{counts}{answered_edges}++;
}

# ---- Reads ------------------------------------------------------------------

# What a statement was answered of the present: [key, version, value], undef for none; version 0: it is not told.
sub observed
{
	my ($self, $statement) = @_;
	my ($op, $store, $args, $as_of) = @{$statement}[ OP, STORE, ARGS, AS_OF ];
	my ($answer, $told) = split /\|/, $statement->[RAW], -1;
	my $of = sub { my ($name, $text) = @_; return [ "$store $name", $text =~ /^(\d+)=(.*)/ ] };

	return if $as_of;
	return [ "$store $args->[0]", 0, $answer ] if $op eq 'get' && $answer ne '~';
	return $of->($args->[0], $answer) if $op eq 'entry';
	return $of->($args->[0], $told) if $op eq 'add';
	return map { $of->(/^(\w+)=(.*)/) } split /,/, $answer if $op eq 'many';
	return unless $op =~ /^(?:scan|prefix)$/;
	my %rows = $answer eq '~' ? () : map { /^(\w+)=(.*)/ } split /,/, $answer;
	my @names = $op eq 'scan' && defined $args->[2] ? keys %rows : $self->touched($statement);
	return map { $of->($_, $rows{$_} // '~') } @names;
}

# The edges of what a transaction has read. What it has written itself tells nothing.
sub add_reads
{
	my ($graph, $transaction) = @_;
	my $self = $graph->{self};
	my %own;

	for my $statement (grep { defined $_->[RAW] && ($_->[STATE] // '') eq '00000' } @{ $transaction->{statements} })
	{
		for my $read (observed($self, $statement))
		{
			my ($key, $version, $value) = @$read;
			my $place = $own{$key} ? undef : place_of($self, $transaction, $statement, $key, $version, $value);
			next unless defined $place;
			my ($entry, $next) = ($place < 0 ? undef : $self->{entries}{$key}[$place], $self->{entries}{$key}[ $place + 1 ]);

			add_edge($graph, writer($self, $entry), $transaction, "wr $key") if $entry;
			push @{ $graph->{rw} }, [ $transaction, writer($self, $next), $key ] if $next && $transaction->{level} ne 'READ COMMITTED';
		}
		next unless $statement->[OP] =~ /^(?:put|delete|add)/;
		my $names = $statement->[ARGS][0];
		$own{"$statement->[STORE] $_"} = 1 for ref $names ? @$names : $names;
	}
}

# Which of the entries of a key was read; undef: it does not tell, as after a delete.
sub place_of
{
	my ($self, $transaction, $statement, $key, $version, $value) = @_;
	my $entries = $self->{entries}{$key} // [];

	if (!defined $version)
	{
		return (grep { !defined $_->[1] } @$entries) ? undef : -1;
	}
	if (!$version)
	{
		my @places = grep { ($entries->[$_][1] // '~') eq $value } 0 .. $#$entries;
		$self->problem('G1a', $transaction, $statement, "$key was read as $value, and nobody has committed that") unless @places;
		return @places == 1 ? $places[0] : undef;
	}
	my $versions = $self->{versions}{$key} // [];
	my $place = HistoryModel::lower_bound($versions, $version);
	if (($versions->[$place] // 0) != $version)
	{
		$self->problem('G1a', $transaction, $statement, "$key at $version was read, and nobody has committed it");
		return undef;
	}
	if (($entries->[$place][1] // '~') ne $value)
	{
		$self->problem('G1b', $transaction, $statement, "$key at $version was read as $value, and committed as " . ($entries->[$place][1] // '~'));
		return undef;
	}
	return $place;
}

# ---- Cycles -----------------------------------------------------------------

# A cycle of a graph, { from => [to, ...] }, as the list of its nodes; none: nothing. Depth
# first, without recursion: an edge back to where we come from closes one.
sub find_cycle
{
	my ($after) = @_;
	my %colour;

	for my $root (sort keys %$after)
	{
		next if $colour{$root};
		my @path = [ $root, @{ $after->{$root} } ];
		$colour{$root} = 'open';
		while (@path)
		{
			if (@{ $path[-1] } == 1)
			{
				$colour{ $path[-1][0] } = 'done';
				pop @path;
				next;
			}
			my $next = splice(@{ $path[-1] }, 1, 1);
			if (!$colour{$next})
			{
				$colour{$next} = 'open';
				push @path, [ $next, @{ $after->{$next} // [] } ];
			}
			elsif ($colour{$next} eq 'open')
			{
				my @cycle = map { $_->[0] } @path;
				shift @cycle while $cycle[0] ne $next;
				return @cycle;
			}
		}
	}
	return;
}

# Tell of a cycle among the edges so far; whether there is one.
sub tell_cycle
{
	my ($graph, $kind) = @_;
	my @cycle = find_cycle({ map { $graph->{after}[$_] ? ($_ => $graph->{after}[$_]) : () } 0 .. $#{ $graph->{nodes} } });

	return 0 unless @cycle;
	$graph->{self}->problem($kind, undef, undef, join '; ',
		map { show($graph->{nodes}[ $cycle[$_] ]) . ' ' . $graph->{why}{"$cycle[$_] $cycle[($_ + 1) % @cycle]"} } 0 .. $#cycle);
	return 1;
}

sub show { return "$_[0]{session}/$_[0]{number}" }

# Who has read something under one snapshot comes before who overwrote it, and so after nobody
# whom that one comes before. Of each node are gathered all that come before it, as bits.
sub check_single
{
	my ($graph) = @_;
	my $self = $graph->{self};
	my @after = @{ $graph->{after} };
	my @count = (0) x @{ $graph->{nodes} };
	my (@place, @before);

	for (@after) { $count[$_]++ for @{ $_ // [] } }
	my @ready = grep { !$count[$_] } 0 .. $#count;
	my $place = 0;
	while (defined(my $node = shift @ready))
	{
		my $bits = $before[$node] // '';
		$place[$node] = $place++;
		vec($bits, $place[$node], 1) = 1;
		for my $next (@{ $after[$node] // [] })
		{
			$before[$next] = ($before[$next] // '') | $bits;
			push @ready, $next unless --$count[$next];
		}
	}
	for (@{ $graph->{rw} })
	{
		my ($reader, $writer, $key) = @$_;
		my ($a, $b) = map { $graph->{number}{$_} } $reader, $writer;

		next unless defined $a && defined $b && $a != $b;
		$self->{counts}{anti_edges}++;
		$self->problem('G-single', $reader, undef, "it has read $key from before " . show($writer) . ', and what comes after that')
		  if vec($before[$a] // '', $place[$b], 1);
	}
}

1;
