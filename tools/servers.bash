# shellcheck shell=bash
#
# The whole suite on other servers than the machine's own: ./dev matrix, assert
# and sanitize; what ./dev upgrade needs, too. Sourced by ./dev, whose functions and variables this uses.
#
# What takes long to make is kept in $XDG_CACHE_HOME/mvstore and made anew when
# it is older than two weeks: root trees of other Debian suites, and a server
# with assertions. All of it comes from the mirror that apt has on this machine.

# shellcheck disable=SC2154 # set in ./dev
: "$root"

readonly CACHE_DAYS=14
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mvstore

# ---- What is kept ---------------------------------------------------------

# open_cache NAME: make the directory, and let one run at a time make NAME.
open_cache() {
	mkdir -p "$cache" || die "cannot make the directory $cache (XDG_CACHE_HOME moves it)"
	exec {cache_lock}>"$cache/$1.lock"
	flock -n "$cache_lock" || {
		say "Waiting for another run that makes $cache/$1"
		flock "$cache_lock"
	}
}

close_cache() { exec {cache_lock}>&-; }

# fresh NAME [CONTENTS]: it is there, whole, not too old, and was made of what is wanted now.
fresh() {
	[[ -d $cache/$1 && -n $(find "$cache/$1.made" -mtime "-$CACHE_DAYS" 2>/dev/null) ]] &&
		[[ $(<"$cache/$1.made") == "${2:-}" ]]
}

# took START: say how long it took since that second.
took() { say "    $((SECONDS - $1)) s"; }

# Remove a directory of the cache, but never through something mounted in it.
remove_cached() {
	local directory=$cache/$1
	[[ -e $directory ]] || return 0
	if grep -q " $(readlink -f "$directory")/" /proc/self/mountinfo; then
		warn "something is mounted below $directory: not removing it"
		return 1
	fi
	as_root rm -rf --one-file-system "$directory"
}

# Where this machine gets Debian from, whatever the format of its apt sources:
# mirror '' the archive, mirror -security its security updates.
# shellcheck disable=SC2016 # apt's own variables
mirror() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'COMPONENT: main' 2>/dev/null |
		sed -nE "s/^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$1 //p" | head -n 1
}

# ---- One run of the suite, and the table of all ---------------------------

table=()		# lines, tabs between the columns
untested=()		# what was asked for and could not be had
total_passed=0
total_failed=0

# suite LABEL PLACE COMMAND ...: run a command that ends with "N passed, N failed"
# and enter it into the table. A label with "allowed to fail" does not count as failed.
suite() {
	local label=$1 place=$2 log start=$SECONDS version result ran_passed ran_failed
	shift 2
	log=$work/suite.log
	say ""
	say "==== $label, $place"
	"$@" </dev/null 2>&1 | tee "$log" || true
	version=$(sed -n 's/^Building mvstore for PostgreSQL \([^ ]*\).*/\1/p' "$log" | head -n 1)
	result=$(tail -n 1 "$log")
	if [[ $result =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		ran_passed=${BASH_REMATCH[1]} ran_failed=${BASH_REMATCH[2]}
	else
		# It broke off, as by a build that failed: that is one failure.
		ran_passed=0 ran_failed=1
	fi
	table+=("$label	${version:--}	$place	$((SECONDS - start)) s	$ran_passed	$ran_failed")
	total_passed=$((total_passed + ran_passed))
	if [[ $label != *"allowed to fail"* ]]; then
		total_failed=$((total_failed + ran_failed))
	fi
}

show_table() {
	local line row
	say ""
	for line in "PostgreSQL	version	on	time	passed	failed" "${table[@]}"; do
		IFS=$'\t' read -r -a row <<<"$line"
		printf '%-22s %-10s %-22s %7s %7s %7s\n' "${row[@]}"
	done
	[[ ${#untested[@]} -eq 0 ]] || printf '%s\n' "${untested[@]}"
	say "$total_passed passed, $total_failed failed"
	[[ $total_passed -gt 0 && $total_failed -eq 0 ]]
}

# ---- ./dev matrix ---------------------------------------------------------

# The suite of Debian that has a major.
suite_of() {
	case $1 in
	15) echo bookworm ;;
	17) echo trixie ;;
	18 | 19) echo forky ;;	# 19: experimental, on top
	*) return 1 ;;
	esac
}

# make_tree MAJOR [OLDER]: a root tree with that PostgreSQL and what ./dev test needs,
# in the cache, unless it is there and not too old; with the older one beside it.
make_tree() {
	local major=$1 older=${2:-} name=root-$1${2:+-$2} release archive security option start=$SECONDS
	local sources=() options=() packages="postgresql-$1,postgresql-server-dev-$1"
	release=$(suite_of "$major")
	# What tests want beside the server, where there is one for this major.
	[[ $major -ge 19 ]] || packages+=",postgresql-$major-repack"
	[[ -z $older ]] || packages+=",postgresql-$older,postgresql-server-dev-$older"
	packages+=",gcc,libc6-dev,make,perl,libipc-run-perl"
	open_cache "$name"
	if fresh "$name" "$packages"; then
		close_cache
		return
	fi
	archive=$(mirror '')
	security=$(mirror -security)
	if [[ -z $archive ]]; then
		warn "the apt sources of this machine name no Debian archive to get $release from"
		close_cache
		return 1
	fi
	sources=("deb $archive $release main")
	if [[ $release != forky ]]; then
		# A suite on its way to a release has no security updates of its own.
		[[ -n $security ]] || warn "the apt sources of this machine name no security updates: going on without them"
		[[ -z $security ]] || sources+=("deb $security $release-security main")
	fi
	if [[ -n $older ]]; then
		sources+=("deb $archive $(suite_of "$older") main")
		[[ -z $security ]] || sources+=("deb $security $(suite_of "$older")-security main")
	fi
	if [[ $major -eq 19 ]]; then
		sources+=("deb $archive experimental main")
		# shellcheck disable=SC2016 # for the shell of the hook
		options+=(--setup-hook='printf "Package: src:postgresql-19\nPin: release a=experimental\nPin-Priority: 990\n" >"$1/etc/apt/preferences.d/mvstore"')
	fi
	# mmdebstrap takes nothing of the machine's apt: pass on the proxy, if any.
	while IFS= read -r option; do
		options+=(--aptopt="$option")
	done < <(apt-config dump --format '%f "%v";%n' Acquire::http::Proxy Acquire::https::Proxy 2>/dev/null | grep -v ' "";$')
	say "Making a root tree of Debian $release with PostgreSQL $major${older:+ and $older} in $cache/$name: a minute or two, 1.4 GB"
	if ! remove_cached "$name.new"; then
		close_cache
		return 1
	fi
	# A copy of a mirror may be older than its own date of expiry.
	if as_root mmdebstrap --mode=root --variant=apt --format=directory "${options[@]}" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--include="$packages" \
		"$release" "$cache/$name.new" "${sources[@]}" </dev/null 2>&1 | tee "$work/$name.log" |
		sed -un 's/^I: /    /p' &&
		remove_cached "$name" &&
		as_root mv "$cache/$name.new" "$cache/$name" &&
		echo "$packages" >"$cache/$name.made"; then
		took "$start"
		close_cache
		return
	fi
	tail -n 20 "$work/$name.log" >&2
	remove_cached "$name.new" || true
	close_cache
	if [[ -d $cache/$name ]]; then
		warn "could not make the tree anew: going on with the one of $(date -r "$cache/$name.made" +%F)"
		return 0
	fi
	return 1
}

# What runs as root in name spaces of its own: whatever it mounts and starts is
# gone with it, however it ends, and nothing is ever mounted in the machine's eyes.
# shellcheck disable=SC2016 # for the shell that runs it
readonly IN_TREE='
	set -e
	tree=$1 tmp=$2
	shift 2
	mount -t proc proc "$tree/proc"
	mount --bind /dev "$tree/dev"
	mount -t tmpfs -o mode=1777 shm "$tree/dev/shm"
	mount --bind "$tmp" "$tree/tmp"
	exec chroot "$tree" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root TERM="${TERM:-dumb}" "$@"'

as_root_in_namespaces() {
	as_root unshare --mount --propagation private --pid --fork --kill-child "$@"
}

# in_tree MAJOR TREE WORD ...: run ./dev WORD ... in the root tree.
in_tree() {
	local major=$1 name=$2 tmp=$work/tree variable environment=()
	shift 2
	while read -r variable; do
		environment+=("$variable=${!variable}")
	done < <(compgen -A export MVSTORE_)
	[[ $major -ne 19 ]] || environment+=("MVSTORE_TRY_MAJOR=19")
	remove_tree_tmp
	as_root mkdir -m 1777 "$tmp"
	as_root mkdir "$tmp/mvstore"
	as_root cp -r "$work/src/." "$tmp/mvstore/"
	as_root_in_namespaces bash -c "$IN_TREE" tree "$cache/$name" "$tmp" \
		"PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config" "${environment[@]}" /tmp/mvstore/dev "$@"
}

# The logs of failed tests are in the tree's /tmp, and go with it: keep a copy.
keep_tree_logs() {
	local kept directory
	for directory in "$work"/tree/mvstore-logs.*; do
		[[ -d $directory ]] || continue
		kept=$(mktemp -d "$TMPDIR/mvstore-logs-$1.XXXXXX")
		as_root cp -r "$directory/." "$kept/"
		say "The logs of $1 are kept in $kept (the name above is that in the root tree)"
	done
}

remove_tree_tmp() {
	[[ ! -e $work/tree ]] || as_root rm -rf --one-file-system "$work/tree"
}

matrix() {
	local available="" majors=() major host
	while [[ $# -gt 0 ]]; do
		case $1 in
		--available) available=1 ;;
		15 | 16 | 17 | 18 | 19) majors+=("$1") ;;
		*) misuse "matrix: $1 is no option, nor a PostgreSQL that mvstore has to do with: 15 to 19" ;;
		esac
		shift
	done
	[[ ${#majors[@]} -gt 0 ]] || majors=(15 17 18)
	setup test
	# shellcheck disable=SC2317 # called by cleanup
	at_exit() { remove_tree_tmp; }
	host=$(major_of "$pg_config")
	copy_tree
	for major in "${majors[@]}"; do
		if [[ $major -eq $host ]]; then
			suite "$major" "this machine" env PG_CONFIG="$pg_config" "$root/dev" test
		elif ! suite_of "$major" >/dev/null; then
			untested+=("$major: untested. Debian has no suite with it and its headers.")
		elif can_make_trees && make_tree "$major"; then
			if [[ $major -eq 19 ]]; then
				suite "19, allowed to fail" "Debian experimental" in_tree 19 root-19 test
			else
				suite "$major" "Debian $(suite_of "$major")" in_tree "$major" "root-$major" test
			fi
			keep_tree_logs "$major"
		elif [[ -n $available || $major -eq 19 ]]; then
			untested+=("$major: untested. Its root tree could not be made; see above.")
		else
			untested+=("$major: its root tree could not be made; see above. This counts as failed.")
			total_failed=$((total_failed + 1))
		fi
	done
	[[ " ${majors[*]} " == *" 16 "* ]] || untested+=("16: untested. Debian has no suite with it and its headers.")
	show_table
}

# Root trees take root, and mounting in a name space of one's own. Looked at once.
trees=
can_make_trees() {
	if [[ -z $trees ]]; then
		trees=yes
		if ! command -v apt-get >/dev/null; then
			warn "root trees of other Debian suites are made by apt and mmdebstrap: this is no Debian or Ubuntu"
			trees=no
		elif ! may_be_root; then
			warn "root trees of other Debian suites take root, or sudo"
			trees=no
		elif ! as_root_in_namespaces true 2>"$work/unshare.log"; then
			cat "$work/unshare.log" >&2
			warn "root may not mount here (an unprivileged container?): no root trees of other Debian suites"
			trees=no
		elif ! command -v mmdebstrap >/dev/null; then
			# shellcheck disable=SC2034 # of ./dev
			missing=() reasons=()
			need mmdebstrap "makes root trees of other Debian suites"
			(install_missing) || trees=no
		fi
	fi
	[[ $trees == yes ]]
}

# ---- ./dev assert ---------------------------------------------------------

# Where it believes to be installed. A server finds its directories relative to
# its programs, so it runs from wherever the tree is copied to.
readonly ASSERT_PREFIX=/usr/local/pgsql

# The source is got by an apt of our own: its sources, lists and cache are all below $work.
own_apt() {
	local program=$1
	shift
	"$program" -q -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=- \
		-o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache" \
		-o APT::Sandbox::User= -o Acquire::Check-Valid-Until=false "$@" </dev/null
}

# get_source MAJOR: the original tarball of the newest version that the mirror
# has, in $work/apt/source. Debian's own patches would hard-wire directories of /usr.
get_source() {
	local version
	for version in $(own_apt apt-cache showsrc "postgresql-$1" 2>/dev/null |
		sed -n 's/^Version: //p' | sort -Vru); do
		if (cd "$work/apt/source" && own_apt apt-get source --download-only --tar-only "postgresql-$1=$version") \
			>>"$work/apt.log" 2>&1; then
			say "    PostgreSQL $version"
			return 0
		fi
		warn "the mirror has no source of PostgreSQL $version any more"
	done
	return 1
}

# step TEXT COMMAND ...: as the server's user, with its output in a log that is shown if it fails.
step() {
	local text=$1 start=$SECONDS
	shift
	say "    $text"
	if ! as_server "$@" </dev/null >"$work/step.log" 2>&1; then
		tail -n 50 "$work/step.log" >&2
		die "$text: failed"
	fi
	say "        $((SECONDS - start)) s"
}

# Make $cache/assert, an installation, unless it is there and not too old.
make_assert_server() {
	local release archive security major built=$work/built start=$SECONDS options=()
	open_cache assert
	if fresh assert; then
		close_cache
		return
	fi
	archive=$(mirror '')
	security=$(mirror -security)
	[[ -n $archive ]] || die "the apt sources of this machine name no Debian archive to get PostgreSQL's source from"
	# shellcheck disable=SC1091 # the system's
	release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	command -v bison >/dev/null || need bison "builds PostgreSQL"
	command -v flex >/dev/null || need flex "builds PostgreSQL"
	command -v bzip2 >/dev/null || need bzip2 "unpacks PostgreSQL's source"
	[[ ${#missing[@]} -eq 0 ]] || install_missing

	say "Getting PostgreSQL's source from Debian"
	mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/apt/source"
	{
		echo "deb-src $archive forky main"
		[[ $release == forky ]] || echo "deb-src $archive $release main"
		[[ $release == forky || -z $security ]] || echo "deb-src $security $release-security main"
	} >"$work/apt/sources.list"
	own_apt apt-get update >>"$work/apt.log" 2>&1 || warn "apt-get update had errors; going on with what it got"
	major=18
	if ! get_source 18; then
		major=$(major_of "$pg_config")
		if ! get_source "$major"; then
			[[ -d $cache/assert ]] || apt_failed "there is no source of PostgreSQL 18, nor of $major, to be had"
			warn "no source to be had: going on with the server of $(date -r "$cache/assert.made" +%F)"
			close_cache
			return
		fi
	fi

	say "Building it with assertions: about four minutes on two processors"
	as_server mkdir -p "$built/source"
	step "unpack" tar -xjf "$(echo "$work"/apt/source/*.orig.tar.bz2)" -C "$built/source" --strip-components=1
	if grep -q -- --enable-injection-points "$built/source/configure"; then
		options+=(--enable-injection-points)
	fi
	# Programs find libpq from where they are: in bin, and in lib/pgxs/src/test/isolation.
	step "configure" env -C "$built/source" ./configure --prefix="$ASSERT_PREFIX" --enable-cassert --enable-debug \
		--enable-tap-tests --without-icu --without-readline --without-zlib "${options[@]}" \
		CFLAGS='-O1 -g -fno-omit-frame-pointer'
	# shellcheck disable=SC2016 # of make and of the linker
	options=(-s -j "$(nproc)" 'rpathdir=$$ORIGIN/../lib:$$ORIGIN/../../../..')
	step "make" make -C "$built/source" "${options[@]}"
	step "make in contrib" make -C "$built/source/contrib" "${options[@]}"
	step "install" make -C "$built/source" "${options[@]}" -j 1 DESTDIR="$built/root" install
	step "install contrib" make -C "$built/source/contrib" "${options[@]}" -j 1 DESTDIR="$built/root" install
	step "install the drivers of tests" make -C "$built/source/src/test/isolation" "${options[@]}" DESTDIR="$built/root" install
	if [[ -d $built/source/src/test/modules/injection_points ]]; then
		step "install injection_points" make -C "$built/source/src/test/modules/injection_points" \
			"${options[@]}" DESTDIR="$built/root" install
	fi
	remove_cached assert.new
	remove_cached assert
	cp -r "$built/root$ASSERT_PREFIX" "$cache/assert.new"
	mv "$cache/assert.new" "$cache/assert"
	touch "$cache/assert.made"
	rm -rf "$built"
	took "$start"
	close_cache
}

assert() {
	local version
	setup test
	make_assert_server
	# The server's user may not be able to reach the cache.
	cp -r "$cache/assert" "$work/assert"
	chmod -R a+rX "$work/assert"
	version=$("$work/assert/bin/pg_config" --version)
	"$work/assert/bin/pg_config" --configure | grep -q -- --enable-cassert || die "$cache/assert has no assertions: remove it"
	suite "$(major_of "$work/assert/bin/pg_config"), with assertions" "this machine" \
		env PG_CONFIG="$work/assert/bin/pg_config" "$root/dev" test "$@"
	show_table
}

# ---- ./dev sanitize -------------------------------------------------------

# A server with a sanitized module has to load the sanitizers' libraries before
# all others. Only the server does: what starts it (perl, pg_ctl, initdb) is as
# ever, and so is what it starts, by tools/sanitize_preload.c.
readonly SANITIZERS='-fsanitize=address,undefined'

# In place of the program postgres: the program with the libraries.
sanitized_postgres() {
	printf '#!/bin/bash\nreal=%q/postgres.bin\n' "$server"
	printf 'export ASAN_OPTIONS=%q UBSAN_OPTIONS=%q\n' "$asan_options" "$ubsan_options"
	cat <<-END
		case \${1:-} in
		--boot | --version | -V) ;;	# has no module loaded
		*) export LD_PRELOAD=$preload ;;
		esac
		exec -a "\$0" "\$real" "\$@"
	END
}

# That a fault is reported where reports are looked for: a program with one of each kind.
prove_sanitizers() {
	local compiler=$1 flags=$2 found
	cat >"$work/faults.c" <<-'END'
		#include <stdlib.h>
		int main(int argc, char **argv)
		{
			volatile char *freed = malloc(8);

			(void) argv;
			argc <<= 40 + argc;
			free((void *) freed);
			return argc == 1 ? 0 : freed[argc > 1];
		}
	END
	# shellcheck disable=SC2086 # flags are words
	"$compiler" $flags "$SANITIZERS" -o "$work/faults" "$work/faults.c" 2>"$work/faults.log" ||
		{ cat "$work/faults.log" >&2; die "$compiler cannot build with $SANITIZERS"; }
	as_server env ASAN_OPTIONS="$asan_options" UBSAN_OPTIONS="$ubsan_options" LD_PRELOAD="$preload" \
		"$work/faults" >/dev/null 2>"$work/server.log" </dev/null || true
	[[ $(sanitizer_reports) == *heap-use-after-free*shift\ exponent* ]] || {
		cat "$work/server.log" >&2
		die "the sanitizers do not report faults here, so to find none would prove nothing"
	}
	rm "$work/server.log"
	find "$reports" -type f -delete
}

# The first line of each report. ASan's are files of their own; UBSan, where ASan
# is there too, writes to the standard error whatever it is told: into servers' logs.
sanitizer_reports() {
	find "$reports" -type f -exec grep -h 'ERROR: .*Sanitizer' {} + || true
	find "$work" -path "$work/src/tmp_check/log/*" -type f -print0 -o -path "$work/server.log" -print0 |
		xargs -0 -r grep -hE '^[^ ]+:[0-9]+:[0-9]+: runtime error: |ERROR: .*Sanitizer' || true
}

# What the sanitizers said: any report counts as one failed test.
report_sanitizers() {
	local found
	readarray -t found < <(sanitizer_reports)
	say "Sanitizers: ${#found[@]} reports"
	if [[ ${#found[@]} -gt 0 ]]; then
		failed=$((failed + 1))
		printf '%s\n' "${found[@]}" | sort | uniq -c | head -n 50
		keep_logs "$reports" "$work/server.log" "$work/src/tmp_check/log"
	fi
}

sanitize() {
	local flags='-O1 -g -fno-omit-frame-pointer -U_FORTIFY_SOURCE' reports preload asan_options ubsan_options
	# Warnings of an instrumented build are not to be relied on: they are ./dev test's.
	# shellcheck disable=SC2034 # of ./dev
	make_options=(COPT="$flags $SANITIZERS" SHLIB_LINK="$SANITIZERS")

	# shellcheck disable=SC2317 # called by build
	prepare_server() {
		local compiler library libraries=()
		read -r compiler _ < <("$pg_config" --cc)
		for library in libasan.so libubsan.so; do
			library=$(readlink -f "$("$compiler" -print-file-name="$library")")
			[[ -f $library ]] || die "$compiler has no ${library##*/}: this takes GCC and its libraries"
			libraries+=("$library")
		done
		preload=$work/sanitize_preload.so
		"$compiler" -O1 -Wall -Wextra -Werror -shared -fPIC -o "$preload" "$root/tools/sanitize_preload.c"
		chmod a+r "$preload"
		preload=${libraries[0]}:$preload:${libraries[1]}
		reports=$work/reports
		as_server mkdir "$reports"
		# ASan ends a server at fault, for it may do anything; UBSan goes on. Memory
		# still allocated is no fault: contexts go as a whole.
		asan_options=detect_leaks=0:abort_on_error=1:disable_coredump=1:detect_stack_use_after_return=0:log_path=$reports/report
		ubsan_options=print_stacktrace=1:log_path=$reports/report
		prove_sanitizers "$compiler" "$flags"
		as_server mv "$server/postgres" "$server/postgres.bin"
		sanitized_postgres | as_server tee "$server/postgres" >/dev/null
		as_server chmod 755 "$server/postgres"
		say "Every server runs with $SANITIZERS: this takes about twice as long as ./dev test"
	}
	# shellcheck disable=SC2317 # called by test_
	after_tests() { report_sanitizers; }
	test_ "$@"
}
