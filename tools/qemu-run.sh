#!/usr/bin/env bash
# Stands in for QEMU in `cargo osdk run` (OSDK.toml, [run.qemu]) and adds what OSDK cannot say:
# the lab disk exists before QEMU opens it, and JOB='read sector=3' in the environment puts
# `job=read sector=3` on the kernel command line.
set -euo pipefail

tools=$(dirname "${BASH_SOURCE[0]}")
"$tools/mkimage.sh"

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
