# shellcheck shell=bash
#
# Who runs what, which PostgreSQL is taken, and which packages are missing. Sourced by
# ./dev, whose variables this uses.

# shellcheck disable=SC2154,SC2034 # set in ./dev; used there
: "$root"

# ---- Users ----------------------------------------------------------------

# The user that builds, and runs servers and tests. empty: the caller.
server_user() {
	[[ $EUID -eq 0 ]] || return 0
	if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

# Run a command as the server's user. setpriv, unlike su and runuser, asks no PAM.
as_server() {
	local user
	user=$(server_user)
	if [[ -z $user ]]; then
		"$@"
	else
		setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups \
			env HOME="$work" USER="$user" LOGNAME="$user" "$@"
	fi
}

as_root() {
	if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

may_be_root() {
	[[ $EUID -eq 0 ]] && return 0
	command -v sudo >/dev/null || return 1
	sudo -n true 2>/dev/null || [[ -t 0 ]]	# with a terminal, sudo may ask
}

# Has sudo ask before anything rests on its answer; after a refusal, no more.
refused=
become_root() {
	[[ -z $refused ]] || return 1
	as_root true || { refused=1; return 1; }
}

# ---- Set-up: what is missing, and installing it ---------------------------

major_of() { "$1" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p'; }

supported() { [[ " $SUPPORTED " == *" $1 "* ]]; }

# A PostgreSQL that can be built for and run: server, headers, PGXS.
complete() {
	[[ -x $1 && -f $("$1" --pgxs 2>/dev/null) && -x $("$1" --bindir)/postgres ]] &&
		[[ -f $("$1" --includedir-server)/postgres.h ]]
}

# Sets pg_config to the PostgreSQL to use, if a suitable one is installed.
find_postgres() {
	local major candidate

	if [[ -n ${PG_CONFIG:-} ]]; then
		pg_config=$(command -v "$PG_CONFIG") || die "PG_CONFIG=$PG_CONFIG: no such program"
		major=$(major_of "$pg_config")
		supported "${major:-none}" ||
			die "PG_CONFIG=$PG_CONFIG is PostgreSQL ${major:-of unknown version}; mvstore supports 15 to 18"
		complete "$pg_config" ||
			die "PG_CONFIG=$PG_CONFIG: the server or its headers (PGXS) are not installed there"
		return
	fi
	for major in $(tr ' ' '\n' <<<"$SUPPORTED" | sort -rn); do
		candidate=/usr/lib/postgresql/$major/bin/pg_config
		if complete "$candidate"; then
			pg_config=$candidate
			return
		fi
	done
	if candidate=$(command -v pg_config) && supported "$(major_of "$candidate")" && complete "$candidate"; then
		pg_config=$candidate
		return
	fi
	return 1
}

need() {	# need PACKAGE REASON
	missing+=("$1")
	reasons+=("$1 ($2)")
}

# Which packages the given command lacks, those of PostgreSQL aside.
find_missing() {
	missing=() reasons=()
	local compiler=gcc
	[[ -z $pg_config ]] || read -r compiler _ < <("$pg_config" --cc)
	if ! command -v "$compiler" >/dev/null; then
		need gcc "compiles the extension"
	fi
	if [[ ! -f /usr/include/stdlib.h ]]; then
		need libc6-dev "the C library's headers"
	fi
	command -v make >/dev/null || need make "builds the extension"
	perl -MDigest::SHA -MTime::HiRes -MIPC::Open3 -MEncode -e 1 2>/dev/null ||
		need perl "runs the tests, the demo and the benchmarks"
	case $1 in
	demo)
		command -v git >/dev/null || need git "reads the repository" ;;
	packages)
		command -v git >/dev/null || need git "makes the archive" ;;
	test)
		perl -MIPC::Run -e 1 2>/dev/null || need libipc-run-perl "TAP tests" ;;
	esac
}

default_major() {
	apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1
}

# The major that apt should install: the distribution's default, else the
# newest supported one that it has; fails where it has none.
choose_major() {
	local default major
	default=$(default_major) || true
	if supported "${default:-none}"; then
		echo "$default"
		return
	fi
	for major in 18 17 16 15; do
		if apt-cache show "postgresql-server-dev-$major" >/dev/null 2>&1; then
			warn "this system's default is PostgreSQL ${default:-unknown}, which mvstore does not support; taking $major"
			echo "$major"
			return
		fi
	done
	return 1
}

need_postgres() {	# need_postgres MAJOR
	need "postgresql-$1" "the server"
	need "postgresql-server-dev-$1" "its headers, and the tests' drivers"
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
		apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null >>"$work/apt.log" 2>&1
}

# Once a run; a file tells, as some of those that install are subshells. Without the mode of
# errors, apt takes lists that it could not fetch for a success.
update_lists() {
	[[ ! -e $work/apt.updated ]] || return 0
	say "Updating the list of packages, as some are missing"
	apt -o APT::Update::Error-Mode=any update || warn "apt-get update had errors; going on with the lists there are"
	: >"$work/apt.updated"
}

apt_failed() {
	tail -n 30 "$work/apt.log" >&2
	die "$1"
}

# End with what is missing, and a line to paste, if apt tells which PostgreSQL that is of.
die_of_missing() {	# die_of_missing WHY
	local major
	if [[ -z $pg_config ]]; then
		if ! major=$(choose_major); then
			need "PostgreSQL 15 to 18" "postgresql-NN and postgresql-server-dev-NN; apt's lists have none, before apt-get update at least"
			die "missing here: $(join_reasons). $1"
		fi
		need_postgres "$major"
	fi
	die "missing here: $(join_reasons). $1. The line for it:
    apt-get install --no-install-recommends ${missing[*]}"
}

# Install the missing packages. If postgresql-common is among them, it must
# not create a cluster: that is its default, and nobody asked us for one.
install_missing() {
	local major="" default no_cluster=/etc/postgresql-common/createcluster.d/mvstore-dev.conf
	if ! command -v apt-get >/dev/null; then
		[[ -n $pg_config ]] || need "PostgreSQL 15 to 18" "server, with the headers for extensions and pg_config"
		die "missing here: $(join_reasons). This is no Debian or Ubuntu: please install them yourself (PG_CONFIG names a PostgreSQL in an unusual place)"
	fi
	[[ -z $no_install ]] || die_of_missing "Without $no_install they would be installed"
	if ! may_be_root || ! become_root; then
		die_of_missing "Installing them takes root, or sudo"
	fi
	update_lists
	if [[ -z $pg_config ]]; then
		if ! major=$(choose_major); then
			default=$(default_major) || true
			[[ -n $default ]] || apt_failed "apt has no PostgreSQL at all in its list of packages: is there a network?"
			die "this system offers PostgreSQL $default; mvstore supports 15 to 18. Install one of these with its server headers, and set PG_CONFIG"
		fi
		need_postgres "$major"
	fi
	say "Installing: $(join_reasons)${major:+. The server takes about a minute}"
	if [[ -n $major && ! -e $no_cluster ]]; then
		as_root mkdir -p "${no_cluster%/*}"
		echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
		remove_at_exit=$no_cluster
	fi
	apt install -y --no-install-recommends "${missing[@]}" || apt_failed "apt-get could not install them"
	forget_no_cluster
	[[ -n $pg_config ]] || find_postgres || die "PostgreSQL $major is installed, but incomplete"
}

# What single tests want beside the server, and are skipped without: installed where apt has
# it for the chosen PostgreSQL; that nothing comes of it is no failure.
install_extras() {
	local major
	[[ -z $no_install && $pg_config == /usr/* ]] || return 0
	command -v apt-get >/dev/null && may_be_root || return 0
	major=$(major_of "$pg_config")
	install_extra "postgresql-$major-repack" "$("$pg_config" --sharedir)/extension/pg_repack.control" "a test runs it"
	install_extra "postgresql-$major-wal2json" "$("$pg_config" --pkglibdir)/wal2json.so" "a test reads what it decodes"
	install_extra sqlsmith /usr/bin/sqlsmith "a test has it make queries"
	install_extra python3-psycopg /usr/lib/python3/dist-packages/psycopg/__init__.py "a test runs and kills programs that use it"
}

install_extra() {	# install_extra PACKAGE FILE REASON
	[[ ! -e $2 ]] || return 0
	# Images of containers have no lists.
	if ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null && become_root; then
		update_lists
	fi
	if ! apt-cache show "$1" >/dev/null 2>&1; then
		say "Not to be had here: $1 ($3, and is skipped without)"
		return 0
	fi
	if ! become_root; then
		say "Not installed, as sudo refuses: $1 ($3, and is skipped without)"
		return 0
	fi
	say "Installing: $1 ($3)"
	apt install -y --no-install-recommends "$1" || warn "apt-get could not install $1: its test is skipped"
}

join_reasons() {
	local text
	printf -v text '%s, ' "${reasons[@]}"
	printf '%s' "${text%, }"
}

remove_at_exit=
forget_no_cluster() {
	[[ -z $remove_at_exit ]] || as_root rm -f "$remove_at_exit"
	remove_at_exit=
}
