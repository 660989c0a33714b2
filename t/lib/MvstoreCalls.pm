# Calls of every function of mvstore that SQL can call, made from the catalog: one that gets an argument of which is
# not known here what it is to be given, ends the test. They are for a superuser or a role that may, with search_path
# at a schema "rights" or whatever it is called there, of which this is a part:
#
#	stores s, with the keys k, l and m, and other; plain, a table of the shape of a store; pins "of the owner" and
#	"of a superuser"

package MvstoreCalls;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(functions_of calls_of);

# What a function is given, by name and type of the argument, or by name alone.
my %arguments = (
	'store' => q{'s'}, 'store text' => q{'new'}, 'store oid' => q{'s'::regclass::oid},
	'key text' => q{'k'}, 'key bytea' => q{'k'}, 'keys' => q{'{k,new}'},
	'value' => q{'w'}, 'new_values' => q{'{w,w}'}, 'ttl' => q{'1 day'},
	'prefix' => q{'k'}, 'from_key' => q{'k'}, 'to_key' => q{'l'}, 'after_key' => 'NULL',
	'expected' => '0', 'as_of' => 'mvstore_stable_version()', 'before' => 'mvstore_stable_version()',
	'from_version' => 'mvstore_stable_version()', 'to_version' => 'mvstore_stable_version()',
	'after_version' => 'mvstore_stable_version()', 'synced_at' => 'NULL', 'compacted' => 'false',
	'version' => 'NULL', 'reverse' => 'false', 'max_rows' => '1', 'keep' => '1', 'wait' => q{'0'}, 'timeout' => q{'0'},
	'keep_versions' => '1', 'keep_for' => q{'1 day'}, 'feed' => 'true', 'if_not_exists' => 'false', 'floor' => 'NULL',
	'name' => q{'of the owner'}, 'id' => '1', 'at' => 'now()', 'expires' => 'now()', 'span' => q{'1 s'},
	'system' => '1', 'database' => '1', 'spilled' => 'false', 'attempts' => '0');

# What one function is given otherwise; and calls in which rights matter otherwise.
my $past = 'mvstore_version_at(clock_timestamp()) - 1000';
my %special = (
	mvstore_attach => { store => q{'plain'} },
	mvstore_wait_stable => { version => '1' },
	mvstore_time_of => { version => '1' },
	mvstore_use_version => { version => 'mvstore_current_version() + 1000' },
	(map { $_ => { version => $past, key => q{'new'} } } map { ("mvstore_$_", "mvstore_${_}_raw") } qw(put_at delete_at)),
	mvstore_put_at_bytea => { version => $past, key => q{'new'} },
	mvstore_pin => { name => q{'new'} });
my @variants = (
	(map { [ "mvstore_put_many$_", 'with a NULL value', new_values => q{'{w,NULL}'} ] } '', '_bytea', '_raw'),
	[ 'mvstore_pin', 'on all stores', name => q{'new'}, store => 'NULL' ],
	[ 'mvstore_create', 'where it is there', store => q{'s'}, if_not_exists => 'true' ],
	[ 'mvstore_unpin', 'of another role', name => q{'of a superuser'} ]);

# The functions of the extension, in the order of their names: [oid, name, whether only the server can call it,
# arguments as "name type, ...", kind].
sub functions_of
{
	my ($node, $database) = @_;

	return map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql($database, q{
		SELECT p.oid, p.proname, p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) OR 'internal'::regtype = ANY (p.proargtypes)
		       OR p.proname ~ '^mvstore_regclass_',
		       (SELECT string_agg(coalesce(p.proargnames[i], '') || ' ' || format_type(p.proargtypes[i - 1], NULL), ',' ORDER BY i) FROM generate_series(1, p.pronargs) i), p.prokind
		  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mvstore'
		 ORDER BY p.proname COLLATE "C"});
}

# A call, with some arguments other than usual.
sub call
{
	my ($function, %other) = @_;
	my (undef, $name, undef, $list) = @$function;
	my %own = (%{ $special{$name} // {} }, %other);
	my @given;

	for (split /,/, $list)
	{
		my ($argument, $type) = split / /, $_, 2;
		my $value = $own{$argument} // $arguments{$_} // $arguments{$argument};
		die "$name: what is to be given for \"$_\"?\n" unless defined $value;
		push @given, "$argument := $value";
	}
	return "$name(" . join(', ', @given) . ')';
}

# [label, call, whether it is one of a procedure]
sub calls_of
{
	my @calls;

	for my $function (grep { $_->[2] ne 't' } @_)
	{
		my $name = $function->[1];

		push @calls, [ "`$name`", call($function), $function->[4] eq 'p' ];
		push @calls, map { [ "`$name` $_->[1]", call($function, @$_[ 2 .. $#$_ ]), $function->[4] eq 'p' ] } grep { $_->[0] eq $name } @variants;
	}
	return @calls;
}

1;
