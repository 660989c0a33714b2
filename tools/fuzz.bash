# shellcheck shell=bash
#
# ./dev fuzz: bytes of any kind for what reads bytes. Sourced by ./dev, whose functions and
# variables this uses. The targets are in tools/fuzz/, each with a corpus: inputs that come
# further than others, and those that once failed.

# shellcheck disable=SC2154 # set in ./dev
: "$root" "$work" "$pg_config"

# shellcheck source=tools/servers.bash
source "$root/tools/servers.bash"

# What a target includes is not named here, but what else it takes.
declare -rA FUZZ_TARGETS=(
	[calendar]="queue/queue.c shared/pool.c"
	[kept]="queue/order.c queue/queue.c shared/pool.c"
	[keys]="base/key.c queue/order.c queue/queue.c shared/pool.c"
	[queue]="shared/pool.c"
)

# A clang that has libFuzzer.
has_fuzzer() {
	command -v clang >/dev/null && [[ -n $(find "$(clang -print-resource-dir)" -name 'libclang_rt.fuzzer*' -print -quit) ]]
}

# Bytes after the padding of a bool may be any, where a file is read: no fault.
build_fuzz_target() {
	local target=$1 file files=() libraries library
	for file in ${FUZZ_TARGETS[$target]}; do
		files+=("src/$file")
	done
	libraries=$("$pg_config" --pkglibdir)
	[[ -f $libraries/libpgcommon.a ]] || libraries=$("$pg_config" --libdir)
	for library in libpgcommon.a libpgport.a; do
		[[ -f $libraries/$library ]] || die "$pg_config has no $library"
	done
	as_server env -C "$work/src" clang -g -O1 -fno-omit-frame-pointer \
		-fsanitize=fuzzer,address,undefined -fno-sanitize=bool -fno-sanitize-recover=undefined \
		-D_GNU_SOURCE -Isrc -Itools/fuzz -isystem "$("$pg_config" --includedir-server)" \
		-no-pie -Wl,--unresolved-symbols=ignore-all -o "$work/fuzz/$target" "tools/fuzz/$target.c" tools/fuzz/shim.c \
		"${files[@]}" "$libraries/libpgcommon.a" "$libraries/libpgport.a" >"$work/fuzz/$target.log" 2>&1 || {
		cat "$work/fuzz/$target.log" >&2
		die "$target: the build failed"
	}
}

# run_fuzz_target TARGET SECONDS: its corpus, and then what comes of it. What makes it fail is kept.
run_fuzz_target() {
	local target=$1 log=$work/fuzz/$1.log status=0
	as_server mkdir -p "$work/fuzz/$target.found" "$work/fuzz/$target.failed"
	as_server "$work/fuzz/$target" -max_total_time="$2" -max_len=4096 -timeout=20 -rss_limit_mb=2048 -seed="$seed" \
		-artifact_prefix="$work/fuzz/$target.failed/" "$work/fuzz/$target.found" "$work/src/tools/fuzz/corpus/$target" \
		</dev/null >"$log" 2>&1 || status=$?
	if [[ $status -eq 0 ]]; then
		passed=$((passed + 1))
		say "    $target: $(sed -n 's/^Done \([0-9]* runs in [0-9]* second.*\)/\1/p' "$log"), $(
			sed -n 's/.*[[:space:]]DONE *cov: \([0-9]*\).*/\1/p' "$log") edges"
	else
		failed=$((failed + 1))
		say "    $target: failed"
		grep -v '^#' "$log" | tail -n 60
		keep_logs "$work/fuzz/$target.failed" "$log"
	fi
	[[ -z $keep_found ]] || keep_fuzz_corpus "$target"
}

# What has been found and reaches other edges of the code goes into the corpus of the tree.
keep_fuzz_corpus() {
	as_server "$work/fuzz/$1" -merge=1 -use_counters=0 "$work/src/tools/fuzz/corpus/$1" "$work/fuzz/$1.found" \
		</dev/null >"$work/fuzz/$1.merge" 2>&1
	mkdir -p "$root/tools/fuzz/corpus/$1"
	cp "$work/src/tools/fuzz/corpus/$1/"* "$root/tools/fuzz/corpus/$1/"
}

dev_fuzz() {
	local seconds=30 seed=$((RANDOM * 32768 + RANDOM)) keep_found='' target targets=()
	while [[ $# -gt 0 ]]; do
		case $1 in
		--seconds | --seed)
			[[ ${2:-} =~ ^[0-9]+$ ]] || misuse "fuzz: $1 takes a number"
			[[ $1 == --seed ]] && seed=$2 || seconds=$2
			shift
			;;
		--keep) keep_found=1 ;;
		*)
			[[ -n ${FUZZ_TARGETS[$1]:-} ]] || misuse "fuzz: no such target: $1"
			targets+=("$1")
			;;
		esac
		shift
	done
	[[ ${#targets[@]} -gt 0 ]] || readarray -t targets < <(printf '%s\n' "${!FUZZ_TARGETS[@]}" | sort)
	setup fuzz
	if ! has_fuzzer; then
		# shellcheck disable=SC2034 # of ./dev
		missing=() reasons=()
		need clang "builds what ./dev fuzz runs"
		need "$(fuzz_runtime)" "libFuzzer"
		install_missing
		has_fuzzer || die "clang is installed, but has no libFuzzer"
	fi
	say "Seed $seed: $seconds s for each of ${targets[*]}"
	copy_tree
	as_server mkdir "$work/fuzz"
	for target in "${targets[@]}"; do
		as_server mkdir -p "$work/src/tools/fuzz/corpus/$target"
		build_fuzz_target "$target"
		run_fuzz_target "$target" "$seconds"
	done
	[[ -z $logs ]] || say "The logs are kept in $logs"
	say "$passed passed, $failed failed"
	[[ $failed -eq 0 ]]
}

# The package that has libFuzzer for the system's clang.
fuzz_runtime() {
	local version
	version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
	echo "libclang-rt-${version:-14}-dev"
}
