#!/usr/bin/env bash
# Stops OSDK before it compiles for an architecture that OSTD does not have, as it would on an aarch64 host, with one
# sentence in place of the compiler's many. OSDK.toml runs this among QEMU's arguments with the process id of OSDK.
# What it prints is one of them, which OSDK refuses and shows.
set -euo pipefail

osdk=$(ps -o args= -p "$1")
arch=$(sed -nE 's/.* --target-arch[= ]([^ ]+).*/\1/p' <<<"$osdk")
arch=${arch:-${OSDK_TARGET_ARCH:-$(uname -m)}}
case $arch in
riscv64 | x86_64 | loongarch64) ;;
*)
    command=$(sed -nE 's/.* osdk ([a-z]+).*/\1/p' <<<"$osdk")
    echo "-kernel 'for ${arch/arm64/aarch64}, which OSTD does not know (type: cargo osdk $command --target-arch=riscv64)'"
    ;;
esac
