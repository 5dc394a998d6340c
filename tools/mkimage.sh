#!/usr/bin/env bash
# Makes the lab disk blk.img at the root of the repository: 1 MiB, sector 0 starts with the greeting
# that the demo reads and then writes over, everything else is zero. This is the only place that knows
# what is on it.
#
#   tools/mkimage.sh            makes it when it is missing; a student's disk is never touched
#   tools/mkimage.sh --reset    makes it anew, whatever was on it
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly image=blk.img

case "${1-}" in
"")
    [[ -e $image ]] && exit 0
    ;;
--reset) ;;
*)
    echo "usage: tools/mkimage.sh [--reset]" >&2
    exit 2
    ;;
esac

# Built beside its place and moved there in one step: an interrupted run leaves no half a disk.
fresh=$(mktemp "$image.XXXXXX")
trap 'rm -f "$fresh"' EXIT
head -c $((1024 * 1024)) /dev/zero >"$fresh"
printf 'Hello World from Image!' | dd of="$fresh" conv=notrunc status=none
chmod 644 "$fresh"
mv -f "$fresh" "$image"
echo "$image: made a fresh 1 MiB disk; sector 0 starts with \"Hello World from Image!\"" >&2
