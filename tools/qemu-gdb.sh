#!/usr/bin/env bash
# Starts the lab machine with the kernel for finding mistakes, and stops it before its first instruction: it waits
# for gdb at a Unix socket. JOB names the job, as for `make run`.
#
#   tools/qemu-gdb.sh SOCKET [PIDFILE]
#
# QEMU writes its process id to PIDFILE. A socket needs no free port, and what nobody else may enter is closed to
# them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
socket=$1
arguments="-S -chardev socket,id=gdb,path=$socket,server=on,wait=off -gdb chardev:gdb"
[[ -z ${2-} ]] || arguments+=" -pidfile $2"

mkdir -p "$(dirname "$socket")"
rm -f "$socket"
(
    until [[ -S $socket ]]; do
        kill -0 $$ 2>/dev/null || exit 1
        sleep 0.1
    done
    echo "the kernel waits for gdb at $socket"
) &
# Tests do with the lines; a debugger shows variables, too.
export CARGO_PROFILE_KERNEL_DEBUG=full
# Standard input would be the kernel's keyboard, and the terminal is gdb's.
exec cargo osdk run --target-arch=riscv64 --qemu-args="$arguments" </dev/null
