# Installs what comes from packages of the system, and cargo-osdk.
# shellcheck shell=bash

install_linker() {
    apt_update
    say "installing a C compiler, which links the programs that run on this machine"
    apt_install gcc libc6-dev ca-certificates
}

install_cargo_osdk() {
    say "building cargo-osdk $OSDK_VERSION (a minute or two)"
    # From the root of the repository the pinned toolchain builds it, whatever the user's default is. Settings
    # meant for the user's own builds stay out of it.
    (cd "$ROOT" && env -u RUSTFLAGS -u CARGO_BUILD_TARGET -u CARGO_TARGET_DIR \
        cargo install cargo-osdk --version "=$OSDK_VERSION" --locked)
}

# A QEMU without good firmware is replaced together with it, and both QEMUs are built on one package, of one release:
# these three requirements are installed alike.
install_opensbi() { install_qemu; }
install_qemu_x86() { install_qemu; }
install_loongarch() { install_qemu qemu-system-misc; }

# install_qemu [PACKAGE...]: what is needed of QEMU, and these packages.
install_qemu() {
    apt_update
    if carries_opensbi; then
        say "installing QEMU for RISC-V and x86-64"
        apt_install "$(qemu_package)" qemu-system-x86 opensbi "$@"
    elif is_debian; then
        private_apt
        install_qemu_backports "$@"
        close_private_apt
    else
        no_qemu
    fi
}

# rustup itself comes from the distribution where that has it; this script runs no installer from the net.
install_rustup() {
    apt_update
    [[ -n $(apt_candidate rustup) ]] || die "this release has no package of rustup." "$(fix_rustup)"
    say "installing rustup"
    apt_install rustup ca-certificates
}

# Any version will do.
install_qemu_img() {
    apt_update
    say "installing QEMU's tool for disk images"
    apt_install qemu-utils
}

install_dtc() {
    apt_update
    say "installing the device tree compiler"
    apt_install device-tree-compiler
}

install_bwrap() {
    apt_update
    say "installing bubblewrap"
    apt_install bubblewrap
}

install_gdb() {
    apt_update
    say "installing gdb for all processors"
    apt_install gdb-multiarch
}

no_qemu() {
    die "the packages of this release carry an OpenSBI below $OPENSBI_MIN." "$(fix_opensbi)"
}

# Debian up to 12 has QEMU for RISC-V among the others, later releases have a package for it.
qemu_package() {
    if [[ -n $(apt_candidate qemu-system-riscv) ]]; then
        echo qemu-system-riscv
    else
        echo qemu-system-misc
    fi
}

# What the sources offer counts, not what is installed: that may have come from backports, where the rest is to come
# from too.
carries_opensbi() {
    local version
    version=$(apt-cache "${APT_PRIVATE[@]}" madison opensbi 2>/dev/null | awk -F ' *[|] *' 'NR == 1 { print $2 }')
    [[ -n $version ]] && version_ge "${version%%-*}" "$OPENSBI_MIN"
}

# The machine's own sources plus the backports of its release, on the same mirror.
install_qemu_backports() {
    local suite
    suite=$(os_codename)-backports
    apt_sources >"$APT_DIR/sources/system.sources"
    apt_stanza "$suite" >"$APT_DIR/sources/backports.sources" ||
        die "the apt sources of this machine have no entry for its own release, so the mirror is unknown." "$(fix_opensbi)"
    say "this release's own QEMU is too old, looking in $suite"
    as_root apt-get -q "${APT_PRIVATE[@]}" -o Acquire::Languages=none update ||
        say "apt-get update had errors; going on with the lists there are"
    APT_PRIVATE+=(-o "APT::Default-Release=$suite")
    carries_opensbi || no_qemu
    say "installing QEMU for RISC-V and x86-64 from $suite"
    apt_install "$(qemu_package)" qemu-system-x86 opensbi "$@"
}

install_cargo() { die "another cargo comes before rustup's." "$(fix_cargo)"; }
