#!/usr/bin/env bash
# Stands in for QEMU in `cargo osdk test` (OSDK.toml, [test.qemu]) and decides whether the tests passed.
#
# Why it is needed: on RISC-V QEMU exits with status 0 however the tests went, OSDK takes that for
# success, and it waits for ever when a test hangs. So this script reads what the test runner prints. It starts the
# machine that the tests were compiled for.
# It exits 0 only if the runner came to its end, at least one test ran and none failed; otherwise it says
# in one sentence what was wrong, keeps the output in a file and exits 1. The last line is for programs:
#
#     ktest CRATE: P passed, F failed          (F is at least 1 whenever the exit status is 1)
#
# OSDK starts it once for each crate, also after one that failed, and exits with the worst of the statuses.
#
# KTEST_TIMEOUT sets the time limit in seconds (default 300). QEMU gets no standard input.
set -euo pipefail

limit=${KTEST_TIMEOUT:-300}
if [[ ! $limit =~ ^[1-9][0-9]{0,5}$ ]]; then
    echo "KTEST_TIMEOUT must be a whole number of seconds, not \"$limit\"." >&2
    exit 2
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/lib/machine.sh
source "$root/tools/lib/machine.sh"
kernel=$(kernel_among "$@")
arch=$(architecture_of "$kernel")
choose_machine "$arch"
# OSDK keeps the kernel of each crate in a folder named after the crate.
crate=$(basename "$(dirname "$kernel")")
echo "==> unit tests of the crate $crate"

if [[ $arch == riscv64 ]]; then
    # The processor has no instructions for its caches, so that the tests of `dma` see what is synchronised: OSTD
    # then copies it.
    MACHINE+=(-cpu "rv64,zicbom=false")
fi
logs=${CARGO_TARGET_DIR:-$root/target}/logs
mkdir -p "$logs"
log=$logs/ktest-$$.log

# --- Run QEMU: output to the terminal and to the log, at most `limit` seconds. ---

exec 3> >(exec tee "$log")
tee=$!
"$QEMU" "${MACHINE[@]}" "$@" </dev/null >&3 2>&1 3>&- &
qemu=$!
exec 3>&-
# A background job of a script does not see Ctrl-C: without the traps QEMU would outlive this script.
trap 'kill -KILL "$qemu" 2>/dev/null || true; wait "$qemu" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM HUP

hung=no
deadline=$((SECONDS + limit))
while kill -0 "$qemu" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
        hung=yes
        kill -KILL "$qemu" 2>/dev/null || true
        break
    fi
    sleep 0.1
done
status=0
wait "$qemu" 2>/dev/null || status=$?
trap - EXIT INT TERM HUP
wait "$tee" || true

# --- Read the log: colours and carriage returns off, then the lines of the test runner. ---

plain=$(sed -e 's/\x1b\[[0-9;]*m//g' -e 's/\r//g' "$log" | tr -d '\0')
has() { grep -qE -- "$1" <<<"$plain"; }

# One such line per crate: "test result: ok. 12 passed; 0 failed; 3 filtered out."
passed=0 failed=0 filtered=0
while read -r p f k; do
    passed=$((passed + p)) failed=$((failed + f)) filtered=$((filtered + k))
done < <(sed -nE 's/^test result: (ok|FAILED)\. ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) filtered out\.$/\2 \3 \4/p' <<<"$plain")

# Without its summary a crate came to no end: count what it did finish.
if ! has '^test result: '; then
    passed=$(grep -cE '^test .* ok$' <<<"$plain" || true)
    failed=$(grep -cE '^test .* FAILED$' <<<"$plain" || true)
fi
# The test that was running when the output ended, if any: "test a::b ..." and no verdict behind it.
running=$(sed -nE 's/^test ([A-Za-z0-9_:]+) \.\.\..*/\1/p' <<<"$plain" | tail -n 1)

# --- The verdict: the first sentence that applies. ---

if [[ $hung == yes ]]; then
    why="the tests hung: no end after $limit s${running:+, the last test started was $running}; QEMU was killed"
elif has 'An uncaught panic occurred:'; then
    why="the kernel panicked${running:+, the last test started was $running}"
elif ((failed > 0)); then
    why="$failed of $((passed + failed)) tests failed"
elif ((status != SUCCESS)); then
    why="QEMU ended with exit status $status"
elif ! has '^\[ktest runner\] All crates tested\.$'; then
    why="the kernel ended before the test runner did${running:+, the last test started was $running}"
elif ((passed == 0)); then
    why="no test ran ($filtered filtered out)"
else
    rm -f "$log"
    echo "ktest $crate: $passed passed, 0 failed"
    exit 0
fi

((failed > 0)) || failed=1
echo
echo "cargo osdk test: $crate: $why." >&2
echo "The whole output is in $log" >&2
echo "ktest $crate: $passed passed, $failed failed"
exit 1
