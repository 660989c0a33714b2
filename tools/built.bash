# shellcheck shell=bash
#
# A PostgreSQL of our own making, from Debian's source: for assert, hostile --assert and
# valgrind. Sourced by these; uses functions and variables of ./dev.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$pg_config"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

# Where it believes to be installed. A server finds its directories relative to
# its programs, so it runs from wherever the tree is copied to.
readonly BUILT_PREFIX=/usr/local/pgsql

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

# build_server NAME WHAT OPTION ...: have an installation with what these options of configure give, in
# $cache/NAME, unless it is there and not too old; and a copy in $work/NAME.
build_server() {
	local name=$1 what=$2
	shift 2
	make_server "$name" "$what" "$@"
	# The server's user may not be able to reach the cache.
	cp -r "${cache:?}/$name" "$work/$name"
	chmod -R a+rX "$work/$name"
}

make_server() {
	local name=$1 what=$2 release archive security major built=$work/built start=$SECONDS options=()
	shift 2
	open_cache "$name"
	if fresh "$name"; then
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
			[[ -d $cache/$name ]] || apt_failed "there is no source of PostgreSQL 18, nor of $major, to be had"
			warn "no source to be had: going on with the server of $(date -r "$cache/$name.made" +%F)"
			close_cache
			return
		fi
	fi

	say "Building it with $what: about four minutes on two processors"
	as_server mkdir -p "$built/source"
	step "unpack" tar -xjf "$(echo "$work"/apt/source/*.orig.tar.bz2)" -C "$built/source" --strip-components=1
	if grep -q -- --enable-injection-points "$built/source/configure"; then
		options+=(--enable-injection-points)
	fi
	# Programs find libpq from where they are: in bin, and in lib/pgxs/src/test/isolation.
	step "configure" env -C "$built/source" ./configure --prefix="$BUILT_PREFIX" --enable-cassert --enable-debug \
		--enable-tap-tests --without-icu --without-readline --without-zlib "${options[@]}" "$@" \
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
	cp "$built/source/src/tools/valgrind.supp" "$built/root$BUILT_PREFIX/"
	remove_cached "$name.new"
	remove_cached "$name"
	cp -r "$built/root$BUILT_PREFIX" "$cache/$name.new"
	mv "$cache/$name.new" "$cache/$name"
	touch "$cache/$name.made"
	rm -rf "$built"
	took "$start"
	close_cache
}
