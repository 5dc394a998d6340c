#!/usr/bin/env bash
# Writes the device tree of the lab machine, as text, to target/lab.dts. `cargo osdk run` starts the machine with
# all that OSDK.toml gives it, and QEMU writes its tree and ends instead of booting.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
blob=target/lab.dtb
text=target/lab.dts
rm -f "$blob" "$text"
cargo osdk run --target-arch=riscv64 --qemu-args="-machine virt,dumpdtb=$blob" >&2
[[ -s $blob ]] || {
    echo "QEMU wrote no device tree; the lines above say why" >&2
    exit 1
}
# QEMU's trees are not as tidy as dtc would have them.
dtc --quiet --in-format dtb --out-format dts --out "$text" "$blob"
echo "$text: the device tree of the lab machine"
