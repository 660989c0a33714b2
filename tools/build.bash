# shellcheck shell=bash
#
# The temporary directory: a copy of this tree to build in, a private installation of
# PostgreSQL to install into, private servers. Sourced by ./dev, whose variables this uses.

# shellcheck disable=SC2154,SC2034 # set in ./dev; used there
: "$root"

# ---- The temporary directory ----------------------------------------------

make_work() {
	local tmp wrong=""
	tmp=$(readlink -f "${TMPDIR:-/tmp}") || tmp=""
	# A socket's path may have 107 bytes, and the tests' servers add to it. make, the shell and
	# connection strings each have other characters that they would want quoted.
	if [[ ! -d $tmp ]]; then
		wrong="is no directory"
	elif [[ ! -w $tmp || ! -x $tmp ]]; then
		wrong="cannot be written to"
	elif [[ $tmp =~ [^A-Za-z0-9/._+-] ]]; then
		wrong="has characters in its name that the build or the tests do not take (other than A-Z a-z 0-9 / . _ + -)"
	elif [[ ${#tmp} -gt 40 ]]; then
		wrong="has a name of more than 40 characters, too long for sockets"
	fi
	if [[ -n $wrong ]]; then
		warn "TMPDIR=${tmp:-${TMPDIR:-/tmp}} $wrong: using /tmp"
		tmp=/tmp
	fi
	work=$(mktemp -d "$tmp/mvstore.XXXXXX") || die "set TMPDIR to a directory that can be written to"
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	export TMPDIR=${work%/*}
}

# Give the directory to the server's user, who must be able to reach it.
give_work() {
	local user
	user=$(server_user)
	[[ -n $user ]] || return 0
	chown "$user" "$work"
	if ! as_server test -w "$TMPDIR"; then
		warn "the user $user cannot write to TMPDIR=$TMPDIR: using /tmp"
		rm -rf "$work"
		TMPDIR=/tmp
		work=$(mktemp -d /tmp/mvstore.XXXXXX)
		chown "$user" "$work"
	fi
}

# What a sub-command of tools/ may do besides: before the build, after the tests, at exit.
prepare_server() { :; }
after_tests() { :; }
# shellcheck disable=SC2317 # called by the trap
at_exit() { :; }

# Stop what runs below the temporary directory, by data directory, and remove it.
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	local status=$? pid_file
	trap '' INT TERM HUP
	set +e
	forget_no_cluster
	at_exit
	if [[ -n $work && -z $keep_work ]]; then
		if [[ -n $server ]]; then
			find "$work" -name postmaster.pid 2>/dev/null | while read -r pid_file; do
				as_server "$server/pg_ctl" -D "${pid_file%/*}" -m immediate stop </dev/null
			done >/dev/null 2>&1
		fi
		rm -rf "$work"
	fi
	exit "$status"
}

# Copy this tree: what git tracks and what it does not ignore; or, in a
# tarball without .git, all but what a build leaves behind.
copy_tree() {
	mkdir "$work/src"
	if [[ -e $root/.git ]] && command -v git >/dev/null && git -C "$root" rev-parse >/dev/null 2>&1; then
		git -C "$root" ls-files -z --cached --others --exclude-standard |
			(cd "$root" && while IFS= read -r -d '' file; do
				[[ ! -e $file && ! -L $file ]] || printf '%s\0' "$file"
			done) | tar -C "$root" --null --no-recursion -T - -cf -
	else
		tar -C "$root" --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='*.bc' \
			--exclude=./tmp_check --exclude=./output_iso --exclude=./results --exclude=./log \
			--exclude=./regression.diffs --exclude=./regression.out -cf - .
	fi | tar -C "$work/src" --no-same-owner -xf -
	[[ -z $(server_user) ]] || chown -R "$(server_user)" "$work/src"
	chmod -R u+rwX "$work/src"
}

# A private installation of the machine's PostgreSQL: a server finds its other
# directories relative to its own program, if that is a file and no link.
install_server() {
	local bindir dir
	bindir=$("$pg_config" --bindir)
	server=$work/pg$bindir
	as_server mkdir -p "$server"
	as_server cp "$bindir"/* "$server/"
	for dir in "$("$pg_config" --sharedir)" "$("$pg_config" --pkglibdir)"; do
		as_server mkdir -p "$work/pg$dir"
		as_server cp -rs "$dir/." "$work/pg$dir/"
	done
	"$server/postgres" --version >/dev/null 2>&1 ||
		die "programs cannot run in $TMPDIR (mounted noexec?): set TMPDIR to another directory"
}

# make, in the copy, as the server's user. What tests leave in TMPDIR goes with ours.
make_() {
	as_server mkdir -p "$work/tmp"
	as_server env TMPDIR="$work/tmp" make -s -j "$(nproc)" -C "$work/src" PG_CONFIG="$pg_config" with_llvm=no "$@" </dev/null
}

build() {
	local version
	version=$("$pg_config" --version)
	say "Building mvstore for $version"
	copy_tree
	install_server
	prepare_server
	if ! make_ "${make_options[@]}" >"$work/build.log" 2>&1 ||
		! make_ "${make_options[@]}" DESTDIR="$work/pg" install >>"$work/build.log" 2>&1; then
		cat "$work/build.log" >&2
		die "the build failed"
	fi
	# Headers of a system's own may warn whatever flags we give: show, go on.
	cat "$work/build.log"
}

# Everything before the first server: find, install, copy, build.
setup() {
	local variable
	while read -r variable; do
		[[ $variable == PG_CONFIG || $variable == PG_TEST_TIMEOUT_DEFAULT ]] || unset "$variable"
	done < <(compgen -A export PG)
	while read -r variable; do
		unset "$variable"
	done < <(compgen -A export GIT_)
	# The TAP tests' servers take LANG, the rest LC_ALL: UTF-8, whatever the caller's.
	export LANG=C.UTF-8 LC_ALL=C.UTF-8 LANGUAGE=
	make_work
	# The owner of a repository that we were pointed to is not git's business here.
	printf '[safe]\n\tdirectory = *\n' >"$work/gitconfig"
	export GIT_CONFIG_GLOBAL=$work/gitconfig
	find_postgres || pg_config=
	find_missing "$1"
	if [[ -z $pg_config || ${#missing[@]} -gt 0 ]]; then
		install_missing
	fi
	[[ $1 != test ]] || install_extras
	give_work
	printf '[safe]\n\tdirectory = *\n' >"$work/gitconfig"
	export GIT_CONFIG_GLOBAL=$work/gitconfig	# it may have moved
	cd "$work" || exit
}

# Start a private server in $work/data; the arguments are lines of its configuration.
start_server() {
	as_server "$server/initdb" -D "$work/data" -A trust -U postgres -E UTF8 --no-locale --no-sync \
		</dev/null >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; die "initdb failed"; }
	as_server mkdir -m 700 "$work/s"
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$work/s'"
		echo "shared_preload_libraries = 'mvstore'"
		printf '%s\n' "$@"
	} | as_server tee -a "$work/data/postgresql.conf" >/dev/null
	if ! as_server "$server/pg_ctl" -D "$work/data" -l "$work/server.log" -w start \
		</dev/null >"$work/pg_ctl.log" 2>&1; then
		cat "$work/server.log" >&2
		die "the private server did not start"
	fi
	export PGHOST=$work/s PGPORT=5432 PGUSER=postgres PATH=$server:$PATH
}
