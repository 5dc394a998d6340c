# shellcheck shell=bash
# Sourced by the stand-ins for QEMU.

# Removes OSDK's second name for the kernel that was just built, given QEMU's arguments.
#
# OSDK hard-links Cargo's output to target/osdk/NAME.qemu_elf, and links that into its bundle, which is
# what QEMU boots. When the second name is still there at the next build, OSDK copies over it in place:
# through the link into Cargo's own output, so that `cargo osdk run` would boot the unit tests from then on.
forget_linked_elf() {
    local previous=
    for argument in "$@"; do
        if [[ $previous == -kernel ]]; then
            rm -f "$(dirname "$argument")/../$(basename "$argument")"
        fi
        previous=$argument
    done
}
