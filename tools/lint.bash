# shellcheck shell=bash
#
# ./dev lint: what is told from the tree without running it. Sourced by ./dev,
# whose functions and variables this uses.
#
# Each check prints what it finds; one that prints nothing has passed.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$pg_config"

# PostgreSQL's own layout, as its pgindent has it, but up to 100 columns.
readonly INDENT_OPTIONS="-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4 -l100
	-lp -lpl -nip -npro -sac -tpg -ts4"

readonly MAX_COLUMNS=100
readonly MAX_LINES=1000		# of a file of src

# ---- Set-up ---------------------------------------------------------------

# pg_bsd_indent: a package of its own, or beside a server's headers since 17.
find_indent() {
	local candidate
	for candidate in pg_bsd_indent "$("$pg_config" --bindir)/pg_bsd_indent" /usr/lib/postgresql/*/bin/pg_bsd_indent; do
		if indent=$(command -v "$candidate"); then
			return
		fi
	done
	return 1
}

install_linters() {
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	find_indent || need pg-bsd-indent "PostgreSQL's formatter"
	command -v clang-tidy >/dev/null || need clang-tidy "looks for bugs in C"
	command -v scan-build >/dev/null || need clang-tools "analyses C along its paths"
	command -v shellcheck >/dev/null || need shellcheck "looks for bugs in shell scripts"
	command -v objdump >/dev/null || need binutils "tells which types there are"
	[[ ${#missing[@]} -eq 0 ]] || install_missing
	find_indent || die "pg_bsd_indent is not to be found"
}

# What the compiler is called with.
compiler_flags() {
	make_ -n -B MVSTORE_FAULTS=1 src/mvstore.o |
		sed -n 's/ -c .*src\/mvstore\.c.*//; s/^[^ ]* \(.*-I.*\)/\1/p' | head -n 1
}

# ---- The layout of src ----------------------------------------------------

c_files() { (cd "$1" && find src -name '*.[ch]' | LC_ALL=C sort); }

# in_src COMMAND ...: with all files of the copy's src/ behind it, in the order of their names.
in_src() { (cd "$work/src" && find src -name '*.[ch]' -print0 | LC_ALL=C sort -z | xargs -0 "$@"); }

# lay_out FILE: print it as pgindent lays it out. What is done before and after
# pg_bsd_indent is pgindent's, but for the last: a blank before a designator.
lay_out() {
	# shellcheck disable=SC2016,SC2086 # Perl's variables; options are words
	perl -0pe 's!^([ \t]*)//(.*)$!$1/* $2 */!gm; s!/\* +---!/*---X_X!g' "$1" |
		"$indent" $INDENT_OPTIONS -U"$work/typedefs" 2>"$work/indent.err" |
		perl -0pe 's!/\*---X_X!/* ---!g; s!\*/(/\*.*\*/)$!*/\t$1!gm;
			s!^([A-Za-z_]\S*)[ \t]+\*$!$1 *!gm; s!,\.(?=[a-z_]+ = )!, .!g'
	[[ ! -s $work/indent.err ]] || { sed "s|^|$1: |" "$work/indent.err"; return 1; }
}

read_typedefs() { sed '/^#/d' "$1/tools/typedefs.list" >"$work/typedefs"; }

check_layout() {
	local file
	read_typedefs "$work/src"
	for file in $(c_files "$work/src"); do
		lay_out "$work/src/$file" >"$work/laid-out" || true
		diff -u --label "$file" --label "$file, laid out" "$work/src/$file" "$work/laid-out" || true
	done >"$work/layout.diff"
	[[ ! -s $work/layout.diff ]] || { cat "$work/layout.diff"; echo "./dev lint --fix lays it out"; }
}

# pg_bsd_indent takes foreach for a function: what is in it needs braces, unless
# it is a plain statement.
check_foreach() {
	(cd "$work/src" && for file in $(c_files .); do
		# shellcheck disable=SC2016 # for Perl
		perl -0ne 'while (/^[ \t]*foreach\w*\(.*\)\n\s*(if|for|foreach\w*|while|switch|do)\b/gm) {
			my $line = 2 + (substr($_, 0, $-[0]) =~ tr/\n//);
			print "$ARGV:$line: $1 in a foreach without braces\n" }' "$file"
	done)
}

# CI runs no mutants: that none of them has lost its place is seen here.
check_mutants() (
	# shellcheck source=/dev/null # which is looked at by itself
	source "$root/tools/mutants.bash"
	mutants_fit
)

# Min() and Max() evaluate twice what they choose, so they take no calls but of macros: base/once.h.
check_once() {
	# shellcheck disable=SC2016 # for Perl
	in_src perl -0ne 'BEGIN { our $group = qr/\((?:[^()]++|(??{ $group }))*\)/ }
		while (/\b(Min|Max)(?=\()/g) {
			my ($name, $line) = ($1, 1 + (substr($_, 0, $-[0]) =~ tr/\n//));
			my ($given) = substr($_, pos) =~ /\A($group)/ or next;
			print "$ARGV:$line: $name() of $1()\n"
				if $given =~ /\b((?!(?:sizeof|offsetof)\b)[a-z_]\w*|Get\w+|Timestamp\w+|RelationGetNumber\w+)\(/ }'
}

# Lines may be longer only for a text that is not broken up, so that it can be searched for.
check_columns() {
	(cd "$work/src" && for file in $(c_files .); do
		expand -t 4 "$file" | awk -v file="$file" -v max=$MAX_COLUMNS \
			'length > max && !/"[^"]*"[);,]*( \\)?$/ { print file ":" NR ": " length " columns" }'
	done)
}

# What the layout must know for a type. PostgreSQL's packages bring no list, so
# ours is of the types that src has to do with: its own, and the server's, as
# the debugging information of the objects tells.
find_typedefs() {
	# shellcheck disable=SC2016 # for Perl
	local own='while (/\btypedef\s+(?:(?:struct|union|enum)\b[^{;]*\{(?:[^{}]|\{[^{}]*\})*\}\s*(\w+)|[^{};]*?\b(\w+)|[^{};]*?\(\*(\w+)\)[^;]*)\s*;/g) { print $1 // $2 // $3, "\n" }'
	local bare='s!/\*.*?\*/! !gs; s!"(\\.|[^"\\\n])*"!""!g;'
	echo bool
	in_src cat | perl -0ne "$bare $own"
	comm -12 <(find "$work/src/src" -name '*.o' -exec objdump -Wi {} + |
		awk '/DW_TAG_/ { found = /DW_TAG_typedef/ } found && /DW_AT_name/ { print $NF; found = 0 }' |
		LC_ALL=C sort -u) \
		<(in_src cat | perl -0pe "$bare" | grep -oE '[A-Za-z_][A-Za-z0-9_]*' | LC_ALL=C sort -u)
}

# Less those that are names of variables, too: pgindent leaves these out.
typedefs() {
	find_typedefs | LC_ALL=C sort -u |
		grep -vxE 'ANY|FD_SET|LookupSet|U|abs|allocfunc|boolean|date|digit|duration|ilist|interval|iterator|other|pointer|printfunc|reference|rep|string|timestamp|type|wrap'
}

# A type of another major's alone is not known here: only what src does not name is too much.
check_typedefs() {
	(
		cd "$work/src" || return
		typedefs | comm -23 - <(sed '/^#/d' tools/typedefs.list | LC_ALL=C sort) |
			sed 's/$/ is not in tools\/typedefs.list/'
		sed '/^#/d' tools/typedefs.list | while read -r name; do
			grep -rqw -- "$name" src || echo "$name is in tools/typedefs.list, but not in src/"
		done
		sed '/^#/d' tools/typedefs.list | LC_ALL=C sort -cu 2>&1 || true
	)
}

fix_layout() {
	local file
	say "Compiling, for the list of types"
	make_ MVSTORE_FAULTS=1 >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; die "the build failed"; }
	{
		sed -n '/^#/p' "$root/tools/typedefs.list"
		typedefs
	} >"$work/typedefs.list"
	keep_if_new "$work/typedefs.list" tools/typedefs.list
	read_typedefs "$root"
	for file in $(c_files "$root"); do
		lay_out "$root/$file" >"$work/laid-out" || die "$(cat "$work/laid-out")"
		[[ -s $work/laid-out ]] || die "$file: the formatter left nothing of it"
		keep_if_new "$work/laid-out" "$file"
	done
}

keep_if_new() {
	if ! cmp -s "$1" "$root/$2"; then
		cat "$1" >"$root/$2"
		say "$2"
	fi
}

# ---- Builds ---------------------------------------------------------------

# What packagers do: make -f ../mvstore/Makefile VPATH=../mvstore, with bitcode where
# the server has that. It is to install what a build in the tree does.
check_outside_build() {
	as_server cp -r "$work/src" "$work/pristine"
	as_server mkdir "$work/outside"
	if ! build_for_packagers outside VPATH=../pristine || ! build_for_packagers pristine with_llvm=no; then
		tail -n 50 "$work/packagers.log"
		return
	fi
	diff <(cd "$work/installed-pristine" && find . -type f | LC_ALL=C sort) \
		<(cd "$work/installed-outside" && find . -type f ! -path '*/bitcode/*' | LC_ALL=C sort) || true
}

# build_for_packagers DIRECTORY VARIABLE: build there, and install into one of that name.
build_for_packagers() {
	as_server env -C "$work/$1" make -s -j 2 -f ../pristine/Makefile PG_CONFIG="$pg_config" "$2" \
		DESTDIR="$work/installed-$1" install </dev/null >"$work/packagers.log" 2>&1
}

# ---- Analysers ------------------------------------------------------------

# The path-sensitive checks of clang, on all of it, with the fault points.
check_scan_build() {
	# Its ccc-analyzer compiles with CCC_CC: the objects serve for the list of types.
	as_server env CCC_CC="$("$pg_config" --cc)" TMPDIR="$work/tmp" \
		scan-build --status-bugs -o "$work/scan" \
		make -s -j 2 -C "$work/src" PG_CONFIG="$pg_config" with_llvm=no MVSTORE_FAULTS=1 \
		</dev/null >"$work/scan.log" 2>&1 || cat "$work/scan.log"
}

# The suppressions, with their reasons, are in .clang-tidy. One is not to be had
# there: that the server's macros for sizes of memory contexts multiply integers.
check_clang_tidy() {
	local flags
	read -r -a flags < <(compiler_flags)
	[[ ${#flags[@]} -gt 0 ]] || { echo "no compiler flags found"; return; }
	# shellcheck disable=SC2016 # for the shell that runs it
	cd "$work/src" &&
	find src -name '*.c' -print0 | LC_ALL=C sort -z | xargs -0 -n 4 -P 2 bash -c '
		count=$1; shift
		clang-tidy --quiet "${@:$((count + 1))}" -- "${@:1:$count}" -Wno-everything 2>"$0.$$" ||
			cat "$0.$$"' "$work/tidy" ${#flags[@]} "${flags[@]}" |
		perl -0ne '
			my $server = "'"$("$pg_config" --includedir-server)"'";
			for (split(/^(?=\S+:\d+:\d+: (?:warning|error):)/m)) {
				next if /\[bugprone-implicit-widening/ &&
					/^\Q$server\E\S+: note: expanded from macro .ALLOCSET_/m;
				s/^\d+ warnings generated\.\n//gm;
				print }'
	cd "$work" || return
}

# shellcheck disable=SC2046 # names without blanks
check_shellcheck() {
	(cd "$work/src" && shellcheck -x --severity=info dev tools/*.bash .ci/run) || true
}

check_perl() {
	local file
	for file in "$work/src"/tools/*.pl "$work/src"/cluster/*.pl; do
		perl -wc "$file" 2>&1 | grep -v ' syntax OK$' || true
	done
}

# What pgspot finds: names that objects of somebody else could take, in schemas where he was before.
# Left out is that our own objects go without a schema, as the script's search path begins with
# theirs: t/install_planted_objects_do_no_harm.pl has all that fits planted there. And the names in
# bodies of functions, of which it wants the search path fixed, are looked at by the rule "names".
check_pgspot() {
	local body bodies=()
	for body in 'help(OUT function text,OUT arguments text,OUT result text,OUT family text,OUT comment text)' 'seconds(span interval)'; do
		bodies+=(--proc-without-search-path "mvstore_$body")
	done
	(cd "$work/src" && pgspot --ignore PS016 --ignore PS017 "${bodies[@]}" mvstore--*.sql 2>&1) |
		sed '/^$/d; /Errors: 0 Warnings: 0 Unknown: 0/d'
}

# ---- Rules of this tree ---------------------------------------------------

check_sql() { (cd "$work/src" && perl tools/lint-sql.pl "$@" 2>&1) || true; }

in_tree_grep() { (cd "$work/src" && grep -rnIE "$@") || true; }

check_versions() {
	in_src grep -nE '\bPG_(VERSION_NUM|MAJORVERSION)' | grep -v '^src/base/compat.h:' || true
}

check_lengths() {
	in_src wc -l | awk -v max=$MAX_LINES '$2 != "total" && $1 > max { print $2 ": " $1 " lines" }'
}

check_circles() { (cd "$work/src" && perl tools/circles.pl 2>&1) || true; }

# The version of a release stands in META.json, that of the SQL objects in mvstore.control;
# packages have to write down the first, too.
check_release() {
	(
		cd "$work/src" || return
		sql=$(sed -n "s/^default_version = '\(.*\)'/\1/p" mvstore.control)
		release=$(sed -n 's/^   "version": "\(.*\)",$/\1/p' META.json)
		[[ $release == "$sql".* ]] || echo "META.json has $release, but mvstore.control $sql"
		[[ -f mvstore--$sql.sql ]] || echo "there is no mvstore--$sql.sql"
		says() { grep -qE -- "$2" "$1" || echo "$1 does not say $release as META.json does"; }
		says META.json "^         \"version\": \"$release\"\$"
		says CHANGELOG.md "^## ($sql \(unreleased\)|$release\b)"
		says debian/changelog "^mvstore \($release-"
		says rpm/mvstore.spec "^Version: +$release\$"
		diff <(sed 's/PGVERSION/18/g' debian/control.in) debian/control
	) || true
}

check_links() { (cd "$work/src" && perl tools/links.pl 2>&1) || true; }

# Words that make a sentence hard to read for whom English is a foreign language.
check_words() { in_tree_grep --include='*.md' --include='*.sql' '\b([Rr]esp)[.]' .; }

check_marks() { in_tree_grep '\b(TOD[O]|FIXM[E]|XX[X])\b' .; }

# The specifications that META.json and debian/copyright must name, the name space of SVG, the names of modules in
# Go and of packages in Java, and this machine itself for drivers without Unix sockets are the only ones.
check_hosts() {
	in_tree_grep '\b(https?|ftp|git|ssh)://|\blocalhost\b|\b[0-9]{1,3}(\.[0-9]{1,3}){3}\b|[a-z0-9-]\.(com|org|net|io|de|dev|local|internal)\b' . |
		grep -vE '^\./META\.json:[0-9]+: *"url": "https:/[/]pgxn[.]org/meta/spec[.]txt"$|^\./debian/copyright:1:Format: https:/[/]www[.]debian[.]org/doc/packaging-manuals/copyright-format/1[.]0/$|^\./(bench/Plot\.pm|doc/[a-z-]+\.svg):[0-9]+:.* xmlns="http:/[/]www[.]w3[.]org/2000/svg" |^\./examples/pgx/go[.](mod|sum):|^\./examples/pgx/[a-z]+[.]go:[0-9]+:.*"github[.]com/jackc/pgx/|^\./examples/xa/[A-Za-z]+[.]java:[0-9]+:import com[.]arjuna[.][A-Za-z.]+;$|^\./(tools/(drivers|monitoring)[.](bash|pl)|monitoring/[a-z_]+[.]yml):[0-9]+:.*\blocalhost\b|^\./t/transfers_over_two_servers_are_whole[.]pl:[0-9]+:.*\b127[.]0[.]0[.]1\b' || true
}

# ---- ./dev lint -----------------------------------------------------------

# check WHAT COMMAND ...: one line, and what the command finds, if anything.
check() {
	local what=$1 start
	shift
	start=$(date +%s%N)
	"$@" >"$work/findings" 2>&1 || echo "$1 ended with status $?" >>"$work/findings"
	if [[ -s $work/findings ]]; then
		failed=$((failed + 1))
		printf 'lint %-60s ... %-6s %6d ms\n' "$what" FAILED $((($(date +%s%N) - start) / 1000000))
		head -n 200 "$work/findings" | sed 's/^/    /'
	else
		passed=$((passed + 1))
		printf 'lint %-60s ... %-6s %6d ms\n' "$what" ok $((($(date +%s%N) - start) / 1000000))
	fi
}

dev_lint() {
	local fix="" rule
	if [[ ${1:-} == --fix ]]; then
		fix=1
		shift
	fi
	[[ $# -eq 0 ]] || misuse "lint: it takes --fix only"
	setup lint
	install_linters
	copy_tree
	as_server mkdir -p "$work/tmp"
	if [[ -n $fix ]]; then
		fix_layout
		return
	fi
	check "a build outside the tree installs what one in it does" check_outside_build
	check "scan-build has no findings" check_scan_build
	check "clang-tidy has no findings" check_clang_tidy
	check "shellcheck has no findings in dev, tools/, .ci/" check_shellcheck
	check "Perl compiles tools/ and cluster/ without a warning" check_perl
	check "src/ is laid out as pgindent does it" check_layout
	check "src/: what is nested in a foreach has braces" check_foreach
	check "src/: Min() and Max() of no calls" check_once
	check "src/: lines of $MAX_COLUMNS columns, texts aside" check_columns
	check "tools/typedefs.list knows the types of src/" check_typedefs
	check "src/: PG_VERSION_NUM in compat.h only" check_versions
	check "src/: no file over $MAX_LINES lines" check_lengths
	check "src/: no circle of parts, no use of a room above" check_circles
	check "SQL scripts: no OR REPLACE, no IF NOT EXISTS" check_sql plain
	check "SQL scripts and SPI: operators and functions are qualified" check_sql names
	! command -v pgspot >/dev/null || check "pgspot has no findings in SQL scripts" check_pgspot
	check "SQL scripts: rights are granted or revoked on purpose" check_sql rights
	check "SQL scripts: every function and view has a COMMENT" check_sql comments
	for rule in plain names rights comments; do
		check "cluster/: the same rules: $rule" check_sql --cluster "$rule"
	done
	check "every function and view is in doc/reference.md" check_sql reference
	check "SQL scripts: functions and views come as in doc/reference.md" check_sql order
	check "every function is called in a test" check_sql tests
	check "every setting is in doc/reference.md" check_sql settings
	check "every column of a view is in doc/reference.md" check_sql columns
	check "every SQLSTATE of src/ is in doc/reference.md" check_sql codes "$("$pg_config" --includedir-server)/utils/errcodes.h"
	check "links of pages lead to a file and to a heading" check_links
	check "packages have the version of META.json" check_release
	check "every mutant of tools/mutants.bash fits the sources" check_mutants
	check "no marks of unfinished work" check_marks
	check "no \"resp.\" in what is read" check_words
	check "no mention of hosts" check_hosts
	say "$passed passed, $failed failed"
	[[ $passed -gt 0 && $failed -eq 0 ]]
}
