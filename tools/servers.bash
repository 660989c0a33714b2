# shellcheck shell=bash
#
# Other servers than the machine's own, for the commands that run tests on them: matrix,
# assert, sanitize, upgrade; and what is kept from run to run and how services are installed, which
# drivers and monitoring have a use for, too. Sourced by these; uses functions and variables of ./dev.
#
# What takes long to make is kept in $XDG_CACHE_HOME/mvstore and made anew when
# it is older than two weeks: root trees of other Debian suites, a server with
# assertions, both from the mirror that apt has on this machine, and one of Python's registry.

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

# cached NAME CONTENTS COMMAND ...: let COMMAND fill the directory $cache/NAME, whose name it
# gets as last argument, unless it is there and was filled for the same contents.
cached() {
	local name=$1 contents=$2 start=$SECONDS status=0
	shift 2
	open_cache "$name"
	if ! fresh "$name" "$contents"; then
		say "Filling $cache/$name"
		rm -rf "${cache:?}/$name.new"
		mkdir "$cache/$name.new"
		if "$@" "$cache/$name.new" </dev/null >"$work/$name.log" 2>&1; then
			rm -rf "${cache:?}/$name"
			mv "$cache/$name.new" "$cache/$name"
			printf '%s\n' "$contents" >"$cache/$name.made"
			took "$start"
		else
			tail -n 15 "$work/$name.log" >&2
			rm -rf "${cache:?}/$name.new"
			status=1
		fi
	fi
	close_cache
	return "$status"
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
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'COMPONENT: main' 'ORIGIN: Debian' 2>/dev/null |
		sed -nE "s/^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$1 //p" | head -n 1
}

# ---- What is installed --------------------------------------------------

# start_nothing COMMAND ...: whatever is installed by it, no service is started.
# Debian's pgbouncer is one, and so are the exporters of Prometheus.
start_nothing() {
	local policy=/usr/sbin/policy-rc.d status=0
	if [[ ! -e $policy && -z $no_install ]] && may_be_root; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod +x "$policy"
		policy_at_exit=$policy
	fi
	# Whoever breaks us off may be in a subshell of the one that cleans up.
	(
		trap forget_policy EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM HUP
		"$@"
	) || status=$?
	policy_at_exit=
	return "$status"
}

policy_at_exit=
forget_policy() {
	[[ -z $policy_at_exit ]] || as_root rm -f "$policy_at_exit"
	policy_at_exit=
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

# ---- A server of Python's registry ----------------------------------------------

# PostgreSQL 16, which no suite of Debian has: an old minor release, 16.2, without contrib.
readonly WHEEL=pgserver==0.1.4 WHEEL_MAJOR=16

# make_wheel: in $work/wheel. What TAP tests take from PostgreSQL is the machine's own.
make_wheel() {
	local modules
	if [[ $(uname -m) != x86_64 ]]; then
		warn "Python's registry has PostgreSQL $WHEEL_MAJOR for x86_64 only"
		return 1
	fi
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	python3 -m pip --version >/dev/null 2>&1 || need python3-pip "gets PostgreSQL $WHEEL_MAJOR"
	[[ ${#missing[@]} -eq 0 ]] || (install_missing) || return
	if ! cached "wheel-$WHEEL_MAJOR" "$WHEEL" unpack_wheel; then
		[[ -d $cache/wheel-$WHEEL_MAJOR ]] || return
		warn "going on with the one of $(date -r "$cache/wheel-$WHEEL_MAJOR.made" +%F)"
	fi
	cp -r "$cache/wheel-$WHEEL_MAJOR" "$work/wheel"
	modules=$("$pg_config" --pgxs)
	cp -r "${modules%/makefiles/*}/test/perl" "$work/wheel/pgserver/pginstall/lib/postgresql/pgxs/src/test/"
	chmod -R a+rX "$work/wheel"
	"$work/wheel/pgserver/pginstall/bin/postgres" --version
}

unpack_wheel() {
	python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
		--platform manylinux2014_x86_64 -d "$1" "$WHEEL" &&
		python3 -m zipfile -e "$1"/*.whl "$1" &&
		rm "$1"/*.whl &&
		find "$1/pgserver/pginstall/bin" "$1/pgserver/pginstall/lib/postgresql/pgxs" -type f -exec chmod a+x {} +
}

# in_wheel WORD ...: run ./dev WORD ... with it. Its programs find their libraries from where they were.
in_wheel() {
	env LD_LIBRARY_PATH="$work/wheel/pgserver.libs" PG_CONFIG="$work/wheel/pgserver/pginstall/bin/pg_config" "$root/dev" "$@"
}

# ---- Root trees of other Debian suites --------------------------------------

# The suite of Debian that has a major.
suite_of() {
	case $1 in
	15) echo bookworm ;;
	17) echo trixie ;;
	18 | 19) echo forky ;;	# 19: experimental, on top
	*) return 1 ;;
	esac
}

# make_tree MAJOR [OLDER ...]: a root tree with that PostgreSQL and what ./dev test needs,
# in the cache, unless it is there and not too old; with the older ones beside it.
make_tree() {
	local major=$1 older packages="postgresql-$1,postgresql-server-dev-$1"
	# What tests want beside the server, where there is one for this major.
	[[ $major -ge 19 ]] || packages+=",postgresql-$major-repack,postgresql-$major-wal2json,sqlsmith,python3-psycopg"
	[[ $major -ge 19 ]] || packages+=",postgresql-$major-plproxy,pgbouncer"
	for older in "${@:2}"; do
		packages+=",postgresql-$older,postgresql-server-dev-$older"
	done
	packages+=",gcc,libc6-dev,make,perl,libipc-run-perl"
	make_root "$(tree_of "$@")" "$packages" "$@"
}

# tree_of MAJOR [OLDER ...]: the name of that.
tree_of() {
	local IFS=-
	echo "root-$*"
}

# make_root NAME PACKAGES MAJOR [OLDER ...]: a root tree of the Debian suite of that major, with
# packages of it, and of the suites of older ones. Without packages it is a bare Debian.
make_root() {
	local name=$1 packages=$2 major=$3 older release archive security option start=$SECONDS
	local sources=() options=()
	release=$(suite_of "$major")
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
	for older in "${@:4}"; do
		sources+=("deb $archive $(suite_of "$older") main")
		[[ -z $security ]] || sources+=("deb $security $(suite_of "$older")-security main")
	done
	if [[ $major -eq 19 ]]; then
		sources+=("deb $archive experimental main")
		# shellcheck disable=SC2016 # for the shell of the hook
		options+=(--setup-hook='printf "Package: src:postgresql-19\nPin: release a=experimental\nPin-Priority: 990\n" >"$1/etc/apt/preferences.d/mvstore"')
	fi
	# mmdebstrap takes nothing of the machine's apt: pass on the proxy, if any.
	while IFS= read -r option; do
		options+=(--aptopt="$option")
	done < <(apt-config dump --format '%f "%v";%n' Acquire::http::Proxy Acquire::https::Proxy 2>/dev/null | grep -v ' "";$')
	if [[ -n $packages ]]; then
		options+=(--include="$packages")
		for option in doc man locale; do
			options+=(--dpkgopt="path-exclude=/usr/share/$option/*")
		done
	fi
	say "Making a root tree of Debian $release in $cache/$name: 20 seconds to two minutes, up to 1.4 GB"
	if ! remove_cached "$name.new"; then
		close_cache
		return 1
	fi
	# A copy of a mirror may be older than its own date of expiry.
	if as_root mmdebstrap --mode=root --variant=apt --format=directory "${options[@]}" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
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

# Before that, for a tree that is to stay as it is: put another directory over it.
# shellcheck disable=SC2016 # for the shell that runs it
readonly OVER_TREE='
	set -e
	mount -t overlay -o "lowerdir=$1,upperdir=$3/upper,workdir=$3/work" overlay "$3/root"
	set -- "$3/root" "$2" "${@:4}"'

# over_tree TREE DIRECTORY COMMAND ...: run a command in a root tree, which stays as it is, with
# that directory as its /tmp.
over_tree() {
	local tree=$1 tmp=$2 over status=0
	shift 2
	over=$(mktemp -d "$work/over.XXXXXX")
	as_root install -d -m 755 "$over/upper" "$over/work" "$over/root"
	as_root_in_namespaces bash -c "$OVER_TREE$IN_TREE" tree "$cache/$tree" "$tmp" "$over" \
		DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 "$@" </dev/null || status=$?
	as_root rm -rf --one-file-system "$over"
	return $status
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
