# shellcheck shell=bash
#
# ./dev demo: a git repository's history in a store, and a report of it. Sourced by ./dev,
# whose functions and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server"


dev_demo() {
	local keep="" repository="" report="" options=() status=0
	while [[ $# -gt 0 ]]; do
		case $1 in
		--keep) keep=1 ;;
		--all) options+=("$1") ;;
		--report)
			[[ $# -gt 1 ]] || misuse "demo: --report wants a file"
			report=$(readlink -m -- "$2")
			[[ -d ${report%/*} && -w ${report%/*} && ! -d $report ]] || misuse "demo: cannot write to $report"
			shift
			;;
		--) ;;
		-*) misuse "demo: unknown option: $1" ;;
		*)
			[[ -z $repository ]] || misuse "demo: one repository only"
			repository=$1
			;;
		esac
		shift
	done
	[[ -n $repository || ! -e $root/.git ]] || repository=$root
	if [[ -n $repository ]]; then
		[[ -d $repository ]] || misuse "demo: no such directory: $repository"
		repository=$(readlink -f "$repository")
	fi
	setup demo
	if [[ -z $repository ]]; then
		say "This tree has no git history of its own, so a small one is made to replay. For another: ./dev demo /path/to/repository"
		repository=$work/repository
		make_history "$repository"
	fi
	git -C "$repository" rev-parse --git-dir >/dev/null 2>&1 ||
		die "$repository is not a git repository. Give one: ./dev demo /path/to/repository"
	git -C "$repository" rev-parse -q --verify 'HEAD^{commit}' >/dev/null 2>&1 ||
		die "$repository has no commit yet. Give a repository with some: ./dev demo /path/to/repository"
	if [[ $(git -C "$repository" rev-parse --is-shallow-repository) == true ]]; then
		warn "$repository is a shallow clone, of which only the newest commits are here to replay: 'git fetch --unshallow' there gets the others"
	fi
	build
	start_server "log_min_messages = warning"
	as_server "$server/createdb" demo
	replay "$repository" "${options[@]}" || status=$?
	if [[ -n $keep ]]; then
		keep_server
	fi
	write_report "$report" || status=1
	return "$status"
}

# commit N SUBJECT: all that is there, at a time that N tells.
commit() {
	git add -A
	GIT_AUTHOR_DATE="$((1700000000 + $1 * 3600)) +0000" GIT_COMMITTER_DATE="$((1700000000 + $1 * 3600)) +0000" \
		git -c user.name=tester -c user.email=tester commit -q --no-gpg-sign -m "$2"
}

# make_history DIRECTORY: a small repository there, with names that a page of HTML must be careful with.
make_history() (
	set -e
	local n
	git init -q "$1"
	cd "$1"
	for n in $(seq 40); do
		seq "$n" $((n * 40)) >"file $((n % 7))"
		echo "$n" >'<script>hacked = 1<'
		[[ $((n % 9)) -ne 0 ]] || rm "file $((n % 7))"
		commit "$n" "Commit $n: <script>hacked = 2</script> & \"quotes\" 'here', é, </td></table> and a word that is $(printf 'long%.0s' {1..60})"
	done
)

# replay REPOSITORY [OPTION]: into the database demo; what was measured goes to $work/record.
replay() {
	PGDATABASE=demo perl "$root/examples/git-history/replay.pl" "${@:2}" --record "$work/record" "$1"
}

# write_report [FILE]: a page of what was measured. Without FILE it is one that stays
# where the temporary directory is not to.
write_report() {
	[[ -e $work/record ]] || return 0
	local report=${1:-}
	[[ -n $report ]] || report=$(mktemp "$TMPDIR/mvstore-demo.XXXXXX.html")
	make_report "$work/record" >"$report" || return
	rm "$work/record"
	say ""
	say "The report, to look at in a browser: $report"
}

make_report() { perl "$root/tools/report.pl" "$1"; }

# shellcheck disable=SC2034 # of ./dev
keep_server() {
	keep_work=1
	rm -rf "$work/src"
	local prefix=""
	[[ -z $(server_user) ]] || prefix="cd / && setpriv --reuid=$(server_user) --regid=$(id -g "$(server_user)") --clear-groups "
	cat <<END

The server is still running. To look around in it:
    $server/psql -h $work/s -U postgres demo
for instance with
    SELECT * FROM commits ORDER BY seq DESC LIMIT 5;
    SELECT version, length(value) FROM mvstore_history_raw('demo', 'README.md'::bytea);
    SELECT * FROM mvstore_stats \\gx
To stop it and remove all of it:
    $prefix$server/pg_ctl -D $work/data stop && rm -rf $work
END
}
