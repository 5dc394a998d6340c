#!/usr/bin/env bash
# Installs whatever `make doctor` would call missing, in order, and says what it does. Installs nothing and
# takes under a second when nothing is missing. Works as root or with sudo on Debian and Ubuntu; elsewhere
# it does what rustup and cargo can do, and names what to install by hand.
#
#   tools/setup.sh              what every target of the Makefile needs
#   tools/setup.sh dtc gdb      and what some of them need beside it: EXTRAS in tools/lib/requirements.sh
set -euo pipefail

# shellcheck source=tools/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
for part in requirements apt packages toolchain; do
    # shellcheck source=/dev/null
    source "$ROOT/tools/lib/$part.sh"
done

trap close_private_apt EXIT

for name in "$@"; do
    [[ " ${EXTRAS[*]} " == *" $name "* ]] || die "there is no \"$name\" to install; give some of: ${EXTRAS[*]}"
done

by_hand=()
for name in "${REQUIREMENTS[@]}" "$@"; do
    "check_$name" && continue
    # Where this script cannot install packages the user must: name all of them at once.
    if ! can_install && [[ $name =~ ^(linker|rustup|qemu|opensbi|qemu_x86|qemu_img|dtc|gdb|bwrap|loongarch)$ ]]; then
        by_hand+=("${name//_/-}: $FOUND; $("fix_$name")")
        continue
    fi
    if ((${#by_hand[@]} > 0)); then
        continue
    fi
    say "${name//_/-}: $FOUND"
    "install_$name"
    "check_$name" || die "${name//_/-} is still not right: $FOUND." "$("fix_$name")"
    say "${name//_/-}: $FOUND"
done

if ((${#by_hand[@]} > 0)); then
    die "$NO_PACKAGES. Please install, then run this again:" "${by_hand[@]}"
fi
