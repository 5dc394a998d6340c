#!/usr/bin/env bash
# Makes the disk with files sfs.img at the root of the repository when it is missing: the folder rootfs/, packed by
# the program `sfs`. A student's disk is never touched; to get a fresh one, remove it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly image=sfs.img

[[ -e $image ]] && exit 0
cargo run --quiet --package sfs-image -- pack rootfs "$image" >&2
echo "$image: made a fresh disk with the files of the folder rootfs" >&2
