# What may be dropped: the pure rules alone, by tables of cases and for every small
# history. No entry goes that no rule lets go, and none stays for ever. The tables are
# in lib/rules.c.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = PostgreSQL::Test::Utils::tempdir() . '/rules';
my $src = "$FindBin::RealBin/../src";

sub config
{
	my ($out, $err) = run_command([ $ENV{PG_CONFIG} // 'pg_config', @_ ]);

	return split(/\s+/, $out);
}

command_ok(
	[ config('--cc'), config('--cppflags'), '-isystem', config('--includedir-server'), '-I', $src,
		qw(-O1 -Wall -Wextra -Werror -Wno-sign-compare), '-o', $program, "$FindBin::RealBin/lib/rules.c", "$src/store/rule.c" ],
	'the rules compile by themselves');

my ($out, $err) = run_command([$program]);

for my $line (split(/\n/, $out))
{
	my ($name, $got, $expected) = split(/\t/, $line);

	is($got, $expected, $name);
}
like($out, qr/^\d+ small histories/m, 'all of it has run');

done_testing();
