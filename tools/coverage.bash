# shellcheck shell=bash
#
# ./dev coverage: which lines and branches of src/ the tests reach. Sourced by
# ./dev, whose functions and variables this uses.
#
# The counters of a process are written when it exits normally. One that is
# killed, or has to stop at once, leaves none: what only such a process has run
# counts as not reached.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$pg_config" "$server"

# The branches in these macros are the server's: whether a message is wanted, how
# an error comes back, how a value is stored. Lines with one count for no branch.
readonly NO_BRANCHES='\b(ereport|elog|PG_(TRY|CATCH|FINALLY|END_TRY|(END_)?ENSURE_ERROR_CLEANUP)|CHECK_FOR_INTERRUPTS|VAR(SIZE|DATA)_ANY(_EXHDR)?|index_getattr)\b'

# gcov belongs to the compiler: gcov-12 to gcc-12, and so on.
find_gcov() {
	local compiler
	read -r compiler _ < <("$pg_config" --cc)
	case ${compiler##*/} in
	*gcc*) gcov=${compiler%gcc*}gcov${compiler##*gcc} ;;
	*) die "coverage is measured with gcc; this PostgreSQL was built with $compiler" ;;
	esac
	command -v "$gcov" >/dev/null || gcov=gcov
}

# Call lcov or genhtml. 2.0 renamed settings, and takes trifles for errors.
lcov_() {
	local command=$1 version options
	shift
	version=$(lcov --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
	if [[ $version -ge 2 ]]; then
		options=(--rc branch_coverage=1 --ignore-errors "unused,mismatch,inconsistent,empty")
	else
		options=(--rc lcov_branch_coverage=1)
	fi
	"$command" --quiet "${options[@]}" "$@"
}

# Stop the server that regress and isolation used: not at once, so that all of
# its processes leave their counters.
stop_server() {
	[[ ! -f $work/data/postmaster.pid ]] ||
		as_server "$server/pg_ctl" -D "$work/data" -m fast -w stop </dev/null >>"$work/pg_ctl.log" 2>&1 ||
		warn "the server did not stop in time: its counters are missing"
}

# Per file: lines and branches, reached and all. Reads lcov's format.
# shellcheck disable=SC2016 # awk's
readonly SUMMARY='
	function share(reached, all) { return all ? sprintf("%5.1f %%", 100 * reached / all) : "      -" }
	function row(name, lh, lf, bh, bf) {
		printf "%-16s %5d of %5d %s %6d of %5d %s\n", name, lh, lf, share(lh, lf), bh, bf, share(bh, bf)
	}
	BEGIN { printf "%-16s %22s %23s\n", "", "lines", "branches" }
	/^SF:/ { name = $0; sub(".*/", "", name); lh = lf = bh = bf = 0 }
	/^LH:/ { lh = substr($0, 4) } /^LF:/ { lf = substr($0, 4) }
	/^BRH:/ { bh = substr($0, 5) } /^BRF:/ { bf = substr($0, 5) }
	/^end_of_record/ {
		row(name, lh, lf, bh, bf)
		all_lh += lh; all_lf += lf; all_bh += bh; all_bf += bf
	}
	END { row("all of it", all_lh, all_lf, all_bh, all_bf) }'

# Per line of src that is not reached, and per line with a branch that is not:
# where it is, and what it says.
# shellcheck disable=SC2016 # Perl's
readonly UNREACHED='
	my ($file, @text, %line, %branch);
	while (<STDIN>) {
		if (/^SF:(.*)/) {
			$file = $1; %line = %branch = ();
			open(my $source, "<", $file) or die "$file: $!\n"; @text = <$source>; chomp @text;
			$file =~ s!.*/src/!src/!;
		}
		$line{$1} = $2 if /^DA:(\d+),(\d+)/;
		if (/^BRDA:(\d+),\d+,\d+,(.*)/) { $branch{$1}[0]++; $branch{$1}[1]++ if $2 eq "0" || $2 eq "-" }
		next unless /^end_of_record/;
		for (sort { $a <=> $b } keys %line) {
			print "$file:$_: not reached: $text[$_ - 1]\n" if $line{$_} == 0;
			print "$file:$_: $branch{$_}[1] of $branch{$_}[0] branches not taken: $text[$_ - 1]\n"
				if $line{$_} > 0 && $branch{$_} && $branch{$_}[1];
		}
	}'

report_coverage() {
	local out
	stop_server
	say "Reading the counters"
	# One record of each object, then one of each file.
	{
		lcov_ lcov --gcov-tool "$gcov" --capture --no-external --base-directory "$work/src" \
			--directory "$work/src/src" --rc lcov_excl_br_line="$NO_BRANCHES" \
			--output-file "$work/objects.info" &&
			lcov_ lcov --add-tracefile "$work/objects.info" --output-file "$work/coverage.info"
	} >"$work/lcov.log" 2>&1 || {
		tail -n 30 "$work/lcov.log" >&2
		die "lcov failed"
	}
	out=$(mktemp -d "$TMPDIR/mvstore-coverage.XXXXXX")
	lcov_ genhtml --branch-coverage --title mvstore --prefix "$work/src" --output-directory "$out" \
		"$work/coverage.info" >"$work/genhtml.log" 2>&1 || {
		tail -n 30 "$work/genhtml.log" >&2
		die "genhtml failed"
	}
	perl -we "$UNREACHED" <"$work/coverage.info" >"$out/unreached.txt"
	awk "$SUMMARY" "$work/coverage.info"
	say "$(grep -c ': not reached: ' "$out/unreached.txt" || true) lines are not reached, and on" \
		"$(grep -c ' branches not taken: ' "$out/unreached.txt" || true) more a branch is not taken: $out/unreached.txt"
	say "$(grep -r LCOV_EXCL "$work/src/src" --include='*.[ch]' | wc -l) marks in src/ exclude lines from this (LCOV_EXCL)"
	say "All of it to read: $out/index.html"
}

dev_coverage() {
	# shellcheck disable=SC2034 # of ./dev
	make_options=(MVSTORE_FAULTS=1 COPT='-O0 --coverage -Wno-cpp' SHLIB_LINK=--coverage)
	# shellcheck disable=SC2317 # called by ./dev
	prepare_server() {
		# shellcheck disable=SC2034 # of ./dev
		missing=() reasons=()
		find_gcov
		command -v lcov >/dev/null || need lcov "reads the counters of coverage"
		[[ ${#missing[@]} -eq 0 ]] || install_missing
	}
	# shellcheck disable=SC2317 # called by ./dev
	after_tests() { report_coverage; }
	dev_test "$@"
}
