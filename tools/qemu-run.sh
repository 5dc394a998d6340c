#!/usr/bin/env bash
# Stands in for QEMU in `cargo osdk run` (OSDK.toml, [run.qemu]) and adds what OSDK cannot say:
# the lab disk exists before QEMU opens it, JOB='read sector=3' in the environment puts
# `job=read sector=3` on the kernel command line, and exercises that are open are named.
set -euo pipefail

tools=$(dirname "${BASH_SOURCE[0]}")
"$tools/mkimage.sh"

# In a student's tree each place of an exercise holds a line TODO(exercise N) until it is solved.
grep -rhoE --include='*.rs' 'TODO\(exercise [0-9]+\): .*' "$tools/../crates" "$tools/../kernel" 2>/dev/null |
    sort -u | sed -E 's/^TODO\((exercise [0-9]+)\)/\1/' || true

args=("$@")
if [[ -n ${JOB-} ]]; then
    for ((i = 1; i < ${#args[@]}; i++)); do
        if [[ ${args[i - 1]} == -append ]]; then
            # OSDK ends the command line with `--`, behind which the kernel does not look.
            args[i]="job=${JOB#job=} ${args[i]}"
        fi
    done
fi

exec qemu-system-riscv64 "${args[@]}"
