# After each strike of the kill loop: what the server has is compared with the model,
# by the invariants of the design. Nobody writes meanwhile but the check itself. What is
# prepared then is ended, or stays in doubt for some strikes more.

package ChaosCheck;

use strict;
use warnings;

use ChaosLoad;
use ChaosModel;
use ChaosServer;
use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(set_up check);

sub set_up
{
	my ($node) = @_;
	my $sql = '';

	for my $name (sort keys %STORES)
	{
		my ($keep, $keep_for, $ttl) = @{ $STORES{$name} }{qw(keep keep_for ttl)};
		$sql .= sprintf "SELECT mvstore_create('%s', feed := %s, keep_versions := %s, keep_for := %s, ttl := %s);\n",
		  $name, $name =~ /[ac]/ ? 'true' : 'false', $keep // 'NULL', map { defined $_ ? "'$_ us'" : 'NULL' } $keep_for, $ttl;
	}
	$node->safe_psql('postgres', $sql . <<'SQL');
CREATE TABLE marker (id bigint PRIMARY KEY);
CREATE FUNCTION chaos_get(store regclass, key text, as_of bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN mvstore_get(store, key, as_of);
EXCEPTION WHEN SQLSTATE '72000' THEN RETURN 'gone';
  WHEN object_not_in_prerequisite_state THEN RETURN 'future';
END $$;
CREATE FUNCTION chaos_pin(name text, version bigint, ttl interval, store regclass) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN mvstore_pin(name, version, ttl, store);
EXCEPTION WHEN SQLSTATE '72000' THEN RETURN NULL;
END $$;
CREATE FUNCTION chaos_revert(store regclass, version bigint, prefix text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN mvstore_revert(store, version, prefix);
EXCEPTION WHEN SQLSTATE '72000' OR object_not_in_prerequisite_state THEN RETURN -1;
END $$;
CREATE FUNCTION chaos_changes(store regclass, after bigint) RETURNS text STABLE LANGUAGE plpgsql AS $$
DECLARE
  stable bigint := mvstore_stable_version();
BEGIN
  RETURN stable || ' ' || coalesce((SELECT string_agg(version || '=' || key || '=' || coalesce(value, '~'), ',' ORDER BY n)
                                      FROM mvstore_changes(store, after) WITH ORDINALITY c (version, key, value, expires_at, deleted, n)
                                     WHERE version <= stable), '');
EXCEPTION WHEN SQLSTATE '72000' THEN RETURN 'gone';
  WHEN object_not_in_prerequisite_state THEN RETURN 'future';
END $$;
CREATE FUNCTION chaos_scan(store regclass, as_of bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN coalesce((SELECT string_agg(s.key || '=' || s.version || '=' || s.value, ',' ORDER BY s.key COLLATE "C")
                     FROM mvstore_scan(store, as_of := chaos_scan.as_of) s), '');
EXCEPTION WHEN SQLSTATE '72000' THEN RETURN 'gone';
  WHEN object_not_in_prerequisite_state THEN RETURN 'future';
END $$;
SQL
	my ($status) = $node->psql('postgres', 'CREATE EXTENSION amcheck');
	return $status == 0;
}

# check($server, $load, $model, forgets => 0|1, sweeps => 0|1, amcheck => 0|1, holds => 0|1,
# upsets => 0|1, logs => pattern): the problems. Counts what it did in $model->{counts}.
sub check
{
	my ($server, $load, $model, %how) = @_;
	my $node = $server->{node};
	my ($held, @problems) = end_prepared($server, $load, $model, $how{holds});

	push @problems, splice(@{ $load->{problems} }), resolve($node, $load, $model, $held), settle($model);
	push @problems, check_held($node, $model, $held);
	push @problems, check_pins($server, $load, $model);

	# What has failed too often for want of something is tried again.
	$node->safe_psql('postgres', 'SELECT mvstore_retry_failed(store) FROM mvstore_stores') if $how{upsets};

	# A request of now is done now, whatever waited before; the last put comes behind the
	# flush, so that what the worker has done is durable, and counted from there.
	commit_one($load, $model, \@problems, [ 'write', "SELECT mvstore_put('a', 'probe', 'first')", store => 'a', values => { probe => 'first' } ]);
	commit_one($load, $model, \@problems, [ 'write', "SELECT mvstore_put('a', 'probe', 'second')", store => 'a', values => { probe => 'second' } ],
		[ 'drop', "SELECT mvstore_drop('a', 'probe')", kind => 'drop', store => 'a', key => 'probe', keep => 1 ]);
	$node->safe_psql('postgres', 'SELECT mvstore_stats_reset()') if $how{upsets};
	return (@problems, "mvstore_flush() gave up:\n" . diagnosis($node)) if !flush($node, $model) && !$model->{held};
	commit_one($load, $model, \@problems, [ 'write', "SELECT mvstore_put('a', 'probe', 'third')", store => 'a', values => { probe => 'third' } ]);
	push @problems, judge_requests($model, later_versions($load), $how{forgets});
	push @problems, judge_looks($load, $model), judge_reverts($load, $model), judge_changes($load, $model);

	my $swept = $how{sweeps} ? $server->{dice}->(2) ? wait_for_policies($node, $load) : sweep_all($node, $load) : undef;
	push @problems, 'the policies are not met' if defined $swept && !$swept;
	push @problems, compare_all($server, $load, $model, $swept);
	push @problems, check_standby($server, $load, $model) if $server->{standby};
	push @problems, check_indexes($node) if $how{amcheck};
	push @problems, complaints($server, $how{logs});

	# Durable from here on: what was seen to be gone, and that it was.
	$node->safe_psql('postgres', 'DELETE FROM marker');
	change_quietly($server, $model) unless @$held;
	$load->{transactions} = $held;
	$load->{prepared} = [@$held];
	$load->{versions} = { map { $_->{version} => $_->{id} } grep { $_->{version} } @$held };
	return @problems;
}

# Wait for what can be done; for what is held back, not long.
sub flush
{
	my ($node, $model) = @_;

	return $node->safe_psql('postgres', sprintf(q{SELECT mvstore_flush('%s')}, $model->{held} ? '200 ms' : '60 s')) eq 't';
}

sub commit_one
{
	my ($load, $model, $problems, @statements) = @_;
	my $transaction = run_one($load, @statements);

	push @$problems, splice(@{ $load->{problems} });
	push @$problems, outcome($transaction) eq 'yes' ? commit($model, $transaction) : "could not write: $statements[0][1]";
}

# ---- What became of the transactions ----------------------------------------

# End what is prepared, as somebody else than who has prepared it; some of what is long may
# stay. Those that stay, and the problems.
sub end_prepared
{
	my ($server, $load, $model, $holds) = @_;
	my $node = $server->{node};
	my %by_gid = map { ("chaos$_->{id}" => $_) } @{ $load->{transactions} };
	my (@held, @problems);

	for my $gid (split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'))
	{
		my $transaction = $by_gid{$gid};
		my $ending = $transaction->{ending};
		push @problems, "$gid is prepared, and nobody wants it" if !$transaction || ($transaction->{statements}[-1]{state} // '00000') ne '00000';
		push @problems, "$gid was ended, and is there" if $ending && ($ending->{state} // '') eq '00000';
		return ([], @problems) if @problems;

		# There it is: so it was prepared, and what was begun has not ended it.
		$transaction->{statements}[-1]{state} = '00000';
		delete $transaction->{ending};
		$model->{counts}{'prepared, over a strike'}++;
		if ($holds && $transaction->{long} && $server->{dice}->(3))
		{
			$model->{counts}{'prepared, over a strike and left'}++;
			push @held, $transaction;
			next;
		}
		$ending = begin_ending($load, $transaction, $server->{dice}->(3) > 0);
		$node->safe_psql('postgres', $ending->{sql});
		@{$ending}{qw(state at)} = ('00000', ++$load->{moment});
	}
	return (\@held, @problems);
}

# Hand every committed transaction to the model, in the order of their ends. What the server
# forgot of those whose COMMIT it answered, or of those prepared, is a problem, and so is what
# it kept of the others.
sub resolve
{
	my ($node, $load, $model, $held) = @_;
	my $counts = $model->{counts};
	my %held = map { $_->{id} => 1 } @$held;
	my %kept = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'SELECT id FROM marker');
	my @problems;

	for my $transaction (sort { end_moment($a) <=> end_moment($b) } @{ $load->{transactions} })
	{
		my $outcome = outcome($transaction);
		my $ending = $transaction->{ending};
		my $kept = delete $kept{ $transaction->{id} };

		push @problems, "transaction $transaction->{id} was committed, and is lost" if $outcome eq 'yes' && !$kept;
		push @problems, "transaction $transaction->{id} was not committed, and is there" if $outcome =~ /^(?:no|prepared)$/ && $kept;
		push @problems, "transaction $transaction->{id} was prepared, and is lost"
		  if $outcome eq 'prepared' && !$held{ $transaction->{id} } || $outcome eq 'unknown' && $ending && !$kept;
		$counts->{ { yes => 'committed', no => 'rolled back', unknown => 'in doubt', prepared => 'still prepared' }->{$outcome} }++;
		$counts->{'in doubt, committed'}++ if $outcome eq 'unknown' && $kept;
		$counts->{ 'prepared, ' . ($kept ? 'committed' : 'rolled back') }++ if $ending;
		push @problems, commit($model, $transaction) if $kept;
	}
	return @problems;
}

# What is still prepared is told of, and nothing from its version on is stable.
sub check_held
{
	my ($node, $model, $held) = @_;
	my %expected = map { ("chaos$_->{id}" => scalar version_of($_)) } @$held;
	my ($stable, @told) = split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT mvstore_stable_version();
SELECT name || ' ' || mvstore_version_at(since) FROM mvstore_blockers WHERE kind = 'prepared' ORDER BY since, name;
SQL
	my %told = map { split / / } @told;
	my @problems;

	($model->{held}) = sort { $a <=> $b } values %told;
	push @problems, "$stable is stable, and a transaction with version $model->{held} is prepared" if $model->{held} && $stable >= $model->{held};
	for my $transaction (grep { !is_told($_, $expected{"chaos$_->{id}"}, delete $told{"chaos$_->{id}"}) } @$held)
	{
		push @problems, 'of a prepared transaction something else is told: ' . join ', ', @told, show_transaction($transaction);
	}
	push @problems, "told of, and not prepared: $_" for sort keys %told;
	return @problems;
}

# Whether a version that is told of one that is prepared is what it must be. Who has changed the past has
# one of his end, which he has not been told.
sub is_told
{
	my ($transaction, $expected, $told) = @_;

	return defined $told == (rewrites($transaction) > 0) if !defined $expected;
	return defined $told && $told == $expected;
}

# What a transaction has asked for, and was answered.
sub show_transaction
{
	my ($transaction) = @_;

	return join "\n  ", "transaction $transaction->{id}:",
	  map { sprintf '%s: %s %s', $_->{sql}, $_->{state} // 'no answer', $_->{raw} // '' } @{ $transaction->{statements} };
}

# A function: a version that was handed out after a moment.
sub later_versions
{
	my ($load) = @_;
	my @sent = grep { $_->{version} } @{ $load->{transactions} };	# in the order of "sent"
	my @lowest = map { $_->{version} } @sent;

	for (my $i = $#lowest - 1; $i >= 0; $i--)
	{
		$lowest[$i] = $lowest[ $i + 1 ] if $lowest[ $i + 1 ] < $lowest[$i];
	}
	return sub {
		my ($moment) = @_;
		my ($low, $high) = (0, scalar @sent);
		while ($low < $high)
		{
			my $middle = int(($low + $high) / 2);
			if ($sent[$middle]{sent} <= $moment) { $low = $middle + 1 }
			else                                 { $high = $middle }
		}
		return $lowest[$low];
	};
}

# What sessions read while everybody wrote, as of what was stable for them.
sub judge_looks
{
	my ($load, $model) = @_;
	my @problems;

	for my $look (grep { $_->{op} eq 'look' && ($_->{state} // '') eq '00000' } map { @{ $_->{statements} } } @{ $load->{transactions} })
	{
		my ($version, $value) = split /=/, $look->{raw} // '', 2;
		next unless defined $value && $value ne 'future';
		my $expected = answer($model, $look->{store}, $look->{key}, $version) // '~';

		$model->{counts}{'reads under load'}++;
		push @problems, "$version was read as of, and a transaction with version $model->{held} is prepared" if $model->{held} && $version >= $model->{held};
		push @problems, "$look->{store} $look->{key} as of $version was read as " . show($value) . ', not ' . show($expected)
		  if $value ne $expected && !was_erased($model, $look->{store}, $look->{key}, $version, $value);
	}
	return @problems;
}

# A revert wrote what had been there.
sub judge_reverts
{
	my ($load, $model) = @_;
	my @problems;

	for my $revert (grep { $_->{op} eq 'revert' && ($_->{state} // '') eq '00000' && $_->{raw} >= 0 && $_->{rows} }
		map { @{ $_->{statements} } } @{ $load->{transactions} })
	{
		$model->{counts}{'reverts'}++;
		for my $key (sort keys %{ $revert->{rows} })
		{
			my ($value, $expected) = ($revert->{rows}{$key}, answer($model, $revert->{store}, $key, $revert->{to}) // '~');
			push @problems, "$revert->{store} $key was reverted to $revert->{to}, to " . show($value) . ', not ' . show($expected)
			  if $value ne $expected && !was_erased($model, $revert->{store}, $key, $revert->{to}, $value);
		}
	}
	return @problems;
}

# Who asked for the changes above a version was given each of them once, in order.
sub judge_changes
{
	my ($load, $model) = @_;
	my @problems;

	for my $asked (grep { $_->{op} eq 'changes' && ($_->{state} // '') eq '00000' } map { @{ $_->{statements} } } @{ $load->{transactions} })
	{
		my ($to, $rows) = split / /, $asked->{raw}, 2;
		next unless defined $rows;
		my @expected = map { "$_->[0]=$_->[1]=" . ($_->[2] // '~') } changes_answer($model, @{$asked}{qw(store after)}, $to);
		my @got = split /,/, $rows;

		$model->{counts}{'changes that were followed'} += @got;
		next if "@got" eq "@expected";
		my ($n) = grep { ($got[$_] // '') ne ($expected[$_] // '') } 0 .. ($#got > $#expected ? $#got : $#expected);
		push @problems, "change $n of $asked->{store} above $asked->{after}, up to $to, was " . show($got[$n] // 'none') . ', not ' . show($expected[$n] // 'none');
	}
	return @problems;
}

# ---- What is there ----------------------------------------------------------

sub rows { return map { [ split /\|/, $_, -1 ] } split /\n/, $_[0] }

# Wait until the policies are met without anybody asking for it; the moment that this
# held for, or 0. Nobody writes, so in the end all is old.
sub wait_for_policies
{
	my ($node, $load) = @_;
	my $moment = $load->{newest};
	my $met = join ' AND ', map { <<"SQL" } sort keys %STORES;
(SELECT coalesce(bool_and((n <= coalesce(keep_versions, CASE WHEN keep_for IS NULL THEN n ELSE 1 END) OR keep_for > '1 min')
                          AND (NOT deleted OR keep_for > '1 min' OR (keep_versions IS NULL AND keep_for IS NULL))
                          AND coalesce(ends > clock_timestamp() - coalesce(keep_for, '0 s'), true)), true)
   FROM mvstore_stores, (SELECT count(*) AS n, (array_agg(value IS NULL ORDER BY version DESC))[1] AS deleted,
                                (array_agg(expires_at ORDER BY version DESC))[1] AS ends FROM $_ GROUP BY key) t
  WHERE store = '$_'::regclass)
SQL
	return $node->poll_query_until('postgres', "SELECT $met") ? $moment : 0;
}

# Have full passes made; likewise.
sub sweep_all
{
	my ($node, $load) = @_;
	my $moment = $load->{newest};

	return $node->safe_psql('postgres', q{SELECT mvstore_sweep(store) FROM mvstore_stores; SELECT mvstore_flush('60 s')}) =~ /^t$/m ? $moment : 0;
}

# What lives of the pins is kept, and then given up, so that all that waits for it goes.
sub check_pins
{
	my ($server, $load, $model) = @_;
	my $node = $server->{node};
	my (%there, %floors, @problems, @scans);

	# With pins it has nothing to say.
	flush($node, $model);
	my $state = $node->safe_psql('postgres', <<'SQL');
SELECT 'pin', name, coalesce(store::text, '~'), version FROM mvstore_pins WHERE expires > clock_timestamp() + interval '1 min';
SELECT 'floor', store, coalesce(floor, 0) FROM mvstore_store_stats;
SQL
	for my $row (rows($state))
	{
		my ($what, $name, @rest) = @$row;
		if ($what eq 'pin') { $there{$name} = "@rest" }
		else                { $floors{$name} = $rest[0] }
	}
	for my $name (sort keys %{ $model->{pins} })
	{
		my ($version, $store) = @{ $model->{pins}{$name} }{qw(version store)};
		my $answer = delete $there{$name} // 'none';

		$model->{counts}{'pins that lived'}++;
		push @problems, "pin $name is $answer, not " . ($store // '~') . " $version" if $answer ne ($store // '~') . " $version";
		# A pin on all stores promises nothing of one that was being emptied.
		for my $of (defined $store ? $store : sort keys %STORES)
		{
			next if @{ $model->{stores}{$of}{truncates} } && $model->{stores}{$of}{truncates}[-1] > $version;
			push @problems, "$of: the floor $floors{$of} is above pin $name at $version" if $floors{$of} > $version;
			push @scans, [ $of, $version ];
		}
	}
	push @problems, map { "pin $_ is there, and nobody wants it" } sort keys %there;
	push @problems, ask($node, $model, [], \@scans, 0) if @scans;
	$node->safe_psql('postgres', 'SELECT mvstore_unpin(name) FROM mvstore_pins');
	$model->{pins} = {};
	return @problems;
}

# Change what is to change nothing: counters, and who keeps a table as a store.
sub change_quietly
{
	my ($server, $model) = @_;
	my $node = $server->{node};
	my $dice = $server->{dice};

	$node->safe_psql('postgres', 'SELECT mvstore_stats_reset()') if $dice->(4) == 0;
	return if $dice->(3);
	my @stores = grep { !$STORES{$_}{past} } sort keys %STORES;
	my $name = $stores[ $dice->(scalar @stores) ];
	my $keeps = $dice->(2);
	$node->safe_psql('postgres', sprintf(<<'SQL', $name, $keeps ? 'coalesce(f, 0)' : 'NULL'));
DO $$
DECLARE
  s regclass := '%s';
  p mvstore_stores;
  f bigint;
BEGIN
  EXECUTE format('LOCK TABLE %%s IN SHARE ROW EXCLUSIVE MODE', s);
  SELECT * INTO p FROM mvstore_stores WHERE store = s;
  SELECT floor INTO f FROM mvstore_store_stats WHERE store = s;
  PERFORM mvstore_detach(s);
  PERFORM mvstore_attach(s, p.keep_versions, p.keep_for, p.ttl, %s);
END $$;
SQL
	$model->{counts}{'stores detached and attached'}++;
	return if $keeps;
	my $floor = $node->safe_psql('postgres', "SELECT floor FROM mvstore_store_stats WHERE store = '$name'::regclass");
	$model->{stores}{$name}{floor} = [ $floor, $floor ];
}

# Questions about the past: [store, key, version], and [store, version] of scans.
sub some_questions
{
	my ($server, $load, $model, $floors) = @_;
	my $dice = $server->{dice};
	my (@gets, @scans);

	for my $name (sort keys %STORES)
	{
		for my $key (@{ $load->{keys} })
		{
			my @versions = some_versions($model, $name, $key, $dice);
			push @versions, $floors->{$name} - $dice->(2) if $floors->{$name} > 1 && $dice->(4) == 0;
			push @gets, map { [ $name, $key, $_ ] } @versions;
			push @scans, [ $name, $versions[0] ] if @versions && $dice->(12) == 0;
		}
		push @scans, [ $name, $floors->{$name} ], [ $name, $floors->{$name} - 1 ] if $floors->{$name} > 1;
	}
	return (\@gets, \@scans);
}

# Ask them, by one snapshot. $floors: the floors of that snapshot; a standby may not yet
# know of what is newest.
sub ask
{
	my ($node, $model, $gets, $scans, $is_standby) = @_;
	my @problems;
	my $list = sub { my ($of, $column) = @_; return "'{" . join(',', map { $_->[$column] } @$of) . "}'" };
	my @lists = ((map { $list->($gets, $_) } 0 .. 2), map { $list->($scans, $_) } 0, 1);
	my %floors;

	my $answers = $node->safe_psql('postgres', sprintf <<'SQL', @lists);
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'floor', store, coalesce(floor, 0) FROM mvstore_store_stats;
SELECT 'get', n, coalesce(chaos_get(s::regclass, k, v), '~') FROM unnest(%s::text[], %s::text[], %s::bigint[]) WITH ORDINALITY q (s, k, v, n);
SELECT 'scan', n, chaos_scan(s::regclass, v) FROM unnest(%s::text[], %s::bigint[]) WITH ORDINALITY q (s, v, n);
COMMIT;
SQL
	for my $row (rows($answers))
	{
		my ($what, $n, $answer) = @$row;
		if ($what eq 'floor') { $floors{$n} = $answer; next }
		my $question = ($what eq 'get' ? $gets : $scans)->[ $n - 1 ];
		my ($name, $version) = @{$question}[ 0, -1 ];
		my $expected = ($what eq 'get' ? answer($model, @$question) : scan_answer($model, $name, $version)) // '~';

		$model->{counts}{'reads of the past'}++;
		if ($model->{held} && $version >= $model->{held} && !($answer eq 'gone' && $version < $floors{$name}))
		{
			push @problems, "$what @$question: $answer, above what is prepared" if $answer ne 'future';
		}
		elsif ($answer eq 'gone')
		{
			push @problems, "$what @$question: gone, and the floor is $floors{$name}" if $version >= $floors{$name};
		}
		elsif ($answer eq 'future') { push @problems, "$what @$question: not stable" unless $is_standby }
		elsif ($answer ne $expected)
		{
			push @problems, "$what @$question: " . show($answer) . ', not ' . show($expected);
		}
		elsif ($what eq 'scan' && $version < $floors{$name})
		{
			push @problems, "$what @$question: answered, and the floor is $floors{$name}";
		}
	}
	return @problems;
}

sub compare_all
{
	my ($server, $load, $model, $swept) = @_;
	my $node = $server->{node};
	my @problems;
	my (%there, %heads, %floors, $now);

	# What expires is compared as of a version.
	my $sql = join '', map { my $v = $STORES{$_}{ttl} ? 'mvstore_stable_version()' : '9223372036854775807'; <<"SQL" } sort keys %STORES;
SELECT 'entry', '$_', convert_from(key, 'UTF8'), version, coalesce(convert_from(value, 'UTF8'), '~') FROM $_ ORDER BY key, version DESC;
SELECT 'head', '$_', v, key, version, value FROM (SELECT $v AS v OFFSET 0) t LEFT JOIN LATERAL mvstore_scan('$_', as_of := v) ON true;
SQL
	my $state = $node->safe_psql('postgres', <<"SQL");
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'floor', store, coalesce(floor, 0), mvstore_stable_version() FROM mvstore_store_stats;
SELECT 'journal', store, convert_from(key, 'UTF8'), keep, state FROM mvstore_requests;
SELECT 'error', last_error FROM mvstore_stats WHERE last_error IS NOT NULL;
SELECT 'policy', store, keep_versions, (extract(epoch FROM keep_for) * 1000000)::bigint FROM mvstore_stores;
$sql
SELECT 'now', mvstore_version_at(clock_timestamp());
COMMIT;
SQL
	for my $row (rows($state))
	{
		my ($what, $name, @rest) = @$row;
		if ($what eq 'entry')   { push @{ $there{$name}{ $rest[0] } }, [ $rest[1], $rest[2] eq '~' ? undef : $rest[2] ] }
		elsif ($what eq 'head')
		{
			$heads{$name}{at} = $rest[0];
			$heads{$name}{rows}{ $rest[1] } = "$rest[2]=$rest[3]" if $rest[2] ne '';
		}
		elsif ($what eq 'policy') { push @problems, choose_policy($model->{stores}{$name}, $name, map { $_ eq '' ? undef : $_ } @rest) }
		elsif ($what eq 'now')  { $now = $name }
		elsif ($what eq 'floor')
		{
			$floors{$name} = $rest[0];
			# A TRUNCATE does not wait for who writes elsewhere.
			my $truncated = $model->{held} ? $model->{stores}{$name}{truncates}[-1] // 0 : 0;
			push @problems, "$name: the floor $rest[0] is above the stable version $rest[1]" if $rest[0] > $rest[1] && $rest[0] > $truncated;
		}
		elsif ($what ne 'journal' || !$model->{held}) { push @problems, 'left after the flush: ' . join(' ', @$row) }
	}
	$now = $load->{newest} if $load->{newest} > $now;
	for my $name (sort keys %STORES)
	{
		my $store = $model->{stores}{$name};
		my @found = compare($model, $name, $there{$name} // {}, $now, $swept);
		my $heads = join ',', map { "$_=$heads{$name}{rows}{$_}" } sort keys %{ $heads{$name}{rows} // {} };

		push @problems, @found;
		push @problems, "$name: the newest of all is not what was written last" if $heads ne scan_answer($model, $name, $heads{$name}{at});
		push @problems, "$name: the floor is $floors{$name}, not from $store->{floor}[0] to $store->{floor}[1]"
		  if !@found && ($floors{$name} < $store->{floor}[0] || $floors{$name} > $store->{floor}[1]);
		$model->{counts}{'entries compared'} += map { @$_ } values %{ $there{$name} };
	}
	my ($gets, $scans) = some_questions($server, $load, $model, \%floors);
	return (@problems, ask($node, $model, $gets, $scans, 0));
}

# Of the policies that a store had since the last time, the one that it has comes last.
sub choose_policy
{
	my ($store, $name, @policy) = @_;
	my $policies = $store->{policies};
	my $show = sub { join ' for ', map { $_ // 'ever' } @_ };
	my @same = grep { $show->(@{$_}{qw(keep keep_for)}) eq $show->(@policy) } @$policies;

	return "$name: the policy is " . $show->(@policy) . ', which nobody has set' unless @same;
	push @$policies, $same[0];
	return ();
}

# The standby answers like its primary, or not yet.
sub check_standby
{
	my ($server, $load, $model) = @_;
	my ($node, $standby) = @{$server}{qw(node standby)};
	my %floors = map { @$_ } rows($node->safe_psql('postgres', 'SELECT store, coalesce(floor, 0) FROM mvstore_store_stats'));
	my ($gets, $scans) = some_questions($server, $load, $model, \%floors);

	$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
	return map { "on the standby: $_" } ask($standby, $model, $gets, $scans, 1);
}

# Every index of the stores and of the catalog has exactly what its table has.
sub check_indexes
{
	my ($node) = @_;
	my $tables = join ',', map { "'$_'" } sort(keys %STORES), qw(mvstore_journal mvstore_floor mvstore_policy mvstore_calendar mvstore_pin);
	my ($status, $out, $err) = $node->psql('postgres', <<"SQL");
SELECT bt_index_check(indexrelid, heapallindexed := true) FROM pg_index
 WHERE indrelid = ANY (ARRAY[$tables]::regclass[]);
SELECT t, v.* FROM unnest(ARRAY[$tables]::regclass[]) t, verify_heapam(t) v;
SQL
	$out =~ s/^\n*//;
	return $status == 0 && $out eq '' ? () : "amcheck: $out $err";
}

# Why a flush does not come to its end.
sub diagnosis
{
	my ($node) = @_;

	return $node->safe_psql('postgres', <<'SQL');
\x on
SELECT * FROM mvstore_stats;
SELECT id, store, keep, before, attempts, last_error, state FROM mvstore_requests LIMIT 5;
SELECT * FROM mvstore_blockers;
SELECT pid, state, backend_type, wait_event, query FROM pg_stat_activity WHERE state IS NOT NULL;
SQL
}

1;
