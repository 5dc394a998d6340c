#!/usr/bin/env bash
# Starts the kernel under gdb, which reads tools/lab.gdb. What is given goes to gdb:
#
#   tools/gdb.sh -batch -ex continue -ex bt
#
# QEMU ends when gdb does.
set -euo pipefail

# shellcheck source=tools/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=tools/lib/requirements.sh
source "$ROOT/tools/lib/requirements.sh"

cd "$ROOT"
gdb=$(riscv_gdb) || die "there is no gdb for RISC-V." "$(fix_gdb)"
folder=$(mktemp -d)
qemu=""
# In the EXIT trap. QEMU has told its process id itself: OSDK stands between it and this script.
end() {
    [[ ! -s $folder/pid ]] || kill "$(<"$folder/pid")" 2>/dev/null || true
    [[ -z $qemu ]] || wait "$qemu" 2>/dev/null || true
    rm -rf "$folder"
}
trap end EXIT

# As tools/qemu-gdb.sh does.
CARGO_PROFILE_KERNEL_DEBUG=full cargo osdk build --target-arch=riscv64
# Ctrl-C is for gdb: not for this script, nor for QEMU, which gets a session of its own.
trap '' INT
setsid tools/qemu-gdb.sh "$folder/socket" "$folder/pid" &
qemu=$!
until [[ -S $folder/socket ]]; do
    kill -0 "$qemu" 2>/dev/null || die "QEMU did not start; the lines above say why."
    sleep 0.1
done
(
    trap - INT
    exec "$gdb" -quiet target/osdk/kernel/kernel-osdk-bin.qemu_elf \
        -ex "target remote $folder/socket" -x tools/lab.gdb "$@"
)
