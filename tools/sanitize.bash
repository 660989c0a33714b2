# shellcheck shell=bash
#
# ./dev sanitize: the tests with sanitizers in mvstore. Sourced by ./dev, whose functions
# and variables this uses.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$server" "$pg_config"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

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

dev_sanitize() {
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
	export MVSTORE_SANITIZED=1	# no test has memory run out: ASan ends who asks for more
	dev_test "$@"
}
