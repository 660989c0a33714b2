# shellcheck shell=bash
#
# ./dev report: the page that ./dev demo ends with, looked at in a browser, Debian's Chromium.
# Sourced by ./dev, whose functions and variables this uses.
#
# The history is a small one, made here: its name and what its commits say would break a page
# that does not escape them. What the page must be like is in tools/browser.pl.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server"

# shellcheck source=tools/demo.bash
source "$root/tools/demo.bash"

install_browser() {
	# shellcheck disable=SC2034 # of ./dev
	missing=() reasons=()
	command -v chromium >/dev/null || need chromium "shows the report"
	[[ ${#missing[@]} -eq 0 ]] || install_missing
}

dev_report() {
	local available="" pictures="" status=0 repository
	while [[ $# -gt 0 ]]; do
		case $1 in
		--available) available=1 ;;
		--pictures)
			[[ $# -gt 1 && -d $2 ]] || misuse "report: --pictures wants a directory"
			pictures=$(readlink -f "$2")
			shift
			;;
		*) misuse "report: unknown option: $1" ;;
		esac
		shift
	done
	setup demo
	if ! (install_browser); then
		say "left out: report: no Chromium is installed"
		say "0 passed, $([[ -n $available ]] && echo 0 || echo 1) failed"
		[[ -n $available ]]
		return
	fi
	build
	start_server "log_min_messages = warning"
	as_server "$server/createdb" demo
	repository="$work/<b>history & \"more\""
	make_history "$repository"
	replay "$repository" >"$work/output" || { cat "$work/output"; die "the demo failed"; }
	make_report "$work/record" >"$work/report.html"
	as_server mkdir "$work/browser"
	as_server perl "$work/src/tools/browser.pl" chromium "$work/report.html" "$work/output" "$work/browser" || status=$?
	[[ -z $pictures ]] || cp "$work"/browser/*.png "$pictures/"
	return "$status"
}
