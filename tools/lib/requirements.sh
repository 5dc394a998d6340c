# What the lab needs, in the order in which it must be installed. For each requirement NAME
#   check_NAME   succeeds if it is met; sets FOUND to what is there, or to what is wrong
#   fix_NAME     prints what to do by hand where `make setup` cannot
# tools/doctor.sh prints the checks, tools/setup.sh acts on them (install_NAME): one set of checks for both.
# shellcheck shell=bash disable=SC2034

REQUIREMENTS=(linker rustup toolchain rust_src cargo cargo_osdk qemu opensbi qemu_x86 qemu_img)
# Each is for few targets only, such as `make dts` and `make gdb`, which name it to tools/setup.sh.
EXTRAS=(dtc gdb bwrap loongarch)

check_linker() {
    FOUND="no C linker: \`cc\` cannot build a program"
    cc -x c -o /dev/null - <<<'int main(void) { return 0; }' 2>/dev/null || return 1
    FOUND=$(cc --version | head -n 1)
}

fix_linker() { echo "install gcc with the C library's headers (Debian, Ubuntu: gcc libc6-dev)"; }

check_rustup() {
    local version
    FOUND="rustup is not in PATH"
    have rustup || return 1
    version=$(rustup --version 2>/dev/null | sed -nE 's/^rustup ([0-9.]+).*/\1/p')
    FOUND="rustup $version does not know RUSTUP_AUTO_INSTALL=0, which is set here: 1.28.1 does"
    downloads_allowed || version_ge "$version" 1.28.1 || return 1
    FOUND="rustup $version"
}

fix_rustup() { echo "install rustup as https://rustup.rs says, or from your distribution (package rustup)"; }

# rustup downloads toolchains unless the user says not to. Nothing here ever changes that setting.
downloads_allowed() { [[ ${RUSTUP_AUTO_INSTALL-} != 0 ]]; }

# Prints the folder of the pinned toolchain, which rustup names CHANNEL-HOST.
toolchain_dir() {
    local dir
    for dir in "$RUSTUP_DIR/toolchains/$CHANNEL"-*; do
        [[ -x $dir/bin/rustc ]] && echo "$dir" && return
    done
    return 1
}

check_toolchain() {
    local dir tool
    FOUND="toolchain $CHANNEL is not installed"
    dir=$(toolchain_dir) || return 1
    # A link is a stand-in (tools/lib/toolchain.sh). rustup would try to complete it, and fail.
    FOUND="toolchain $CHANNEL is a stand-in made under RUSTUP_AUTO_INSTALL=0, which is not set now"
    [[ ! -L $dir ]] || ! downloads_allowed || return 1
    for tool in cargo rustfmt cargo-fmt clippy-driver cargo-clippy; do
        FOUND="toolchain $CHANNEL lacks $tool"
        [[ -x $dir/bin/$tool ]] || return 1
    done
    FOUND="$("$dir/bin/rustc" -V) as $CHANNEL"
}

fix_toolchain() { echo "rustup toolchain install $CHANNEL --profile minimal -c rust-src -c rustfmt -c clippy"; }

check_rust_src() {
    local dir library
    check_toolchain || { FOUND="no good toolchain to hold it" && return 1; }
    dir=$(toolchain_dir)
    library=$dir/lib/rustlib/src/rust/library
    FOUND="the standard library's source is not in $library"
    [[ -f $library/core/src/lib.rs && -f $library/Cargo.lock ]] || return 1
    FOUND=$(cd -P "$library" && pwd)
}

fix_rust_src() { echo "rustup component add rust-src --toolchain $CHANNEL"; }

# A cargo that rustup did not install does not read rust-toolchain.toml. rustup's is asked only when the
# toolchain is complete: it would start to complete it by itself.
check_cargo() {
    local dir
    check_rust_src || { FOUND="no complete toolchain to run" && return 1; }
    dir=$(toolchain_dir)
    FOUND="\`cargo\` in PATH ($(command -v cargo || echo none)) does not run toolchain $CHANNEL"
    [[ $(cd "$ROOT" && cargo -V 2>/dev/null) == "$("$dir/bin/cargo" -V)" ]] || return 1
    FOUND="$(command -v cargo) runs it"
}

fix_cargo() { echo "first what is missing above, then put the folder of rustup's cargo (usually ~/.cargo/bin) first in PATH"; }

check_cargo_osdk() {
    local version
    FOUND="cargo-osdk is not in PATH"
    have cargo-osdk || return 1
    version=$(cargo-osdk osdk --version 2>/dev/null | sed -nE 's/.* ([0-9][^ ]*)$/\1/p')
    FOUND="cargo-osdk is version ${version:-unknown}, $OSDK_VERSION is needed"
    [[ $version == "$OSDK_VERSION" ]] || return 1
    FOUND="version $version"
}

fix_cargo_osdk() { echo "cargo install cargo-osdk --version =$OSDK_VERSION --locked"; }

check_qemu() {
    FOUND="qemu-system-riscv64 is not in PATH"
    have qemu-system-riscv64 || return 1
    FOUND=$(qemu-system-riscv64 --version | head -n 1)
}

fix_qemu() {
    echo "install QEMU for RISC-V, 8.1 or newer (package qemu-system-riscv, qemu-system-riscv-core, qemu-system-misc or qemu)"
}

# Prints the version of the firmware that QEMU starts, by starting it: the file that holds it is named and
# packaged in several ways, and has no readable version inside. It is killed at its first line.
opensbi_version() {
    local line qemu version=""
    exec 9< <(exec qemu-system-riscv64 -machine virt -m 64M -nographic -bios default </dev/null 2>/dev/null)
    qemu=$!
    while IFS= read -r -t 10 -u 9 line; do
        if [[ $line =~ ^OpenSBI\ v([0-9]+\.[0-9]+) ]]; then
            version=${BASH_REMATCH[1]}
            break
        fi
    done
    kill -KILL "$qemu" 2>/dev/null
    exec 9<&-
    [[ -n $version ]] && echo "$version"
}

check_opensbi() {
    local version
    FOUND="no qemu-system-riscv64 to carry it"
    have qemu-system-riscv64 || return 1
    FOUND="QEMU starts no OpenSBI firmware"
    version=$(opensbi_version) || return 1
    FOUND="QEMU carries OpenSBI $version, below $OPENSBI_MIN: the kernel would run and print nothing"
    version_ge "$version" "$OPENSBI_MIN" || return 1
    FOUND="OpenSBI $version"
}

fix_opensbi() { echo "install a QEMU that carries OpenSBI $OPENSBI_MIN or newer (QEMU 8.1 does; Debian 12: from bookworm-backports; Debian 13, Ubuntu: package opensbi)"; }

# The machine that `cargo osdk run` boots by itself on most computers.
check_qemu_x86() {
    FOUND="qemu-system-x86_64 is not in PATH"
    have qemu-system-x86_64 || return 1
    local version ours
    version=$(qemu_release qemu-system-x86_64) ours=$(qemu_release qemu-system-riscv64)
    FOUND="QEMU for x86_64 is release ${version:-unknown}, and the one for RISC-V is ${ours:-missing}"
    [[ -n $version && $version == "$ours" ]] || return 1
    FOUND=$(qemu-system-x86_64 --version | head -n 1)
}

# qemu_release PROGRAM: "QEMU emulator version 10.0.2 (...)" -> "10.0.2"
qemu_release() {
    "$1" --version 2>/dev/null | sed -nE '1s/^QEMU emulator version ([0-9.]+).*/\1/p'
}

fix_qemu_x86() {
    echo "install QEMU for x86-64, of the release that RISC-V's is of (package qemu-system-x86, qemu-system-x86-core or qemu)"
}

# Makes and reads the disks of the power cuts, and tells the benchmark the host's own limit.
check_qemu_img() {
    FOUND="qemu-img is not in PATH"
    have qemu-img || return 1
    FOUND=$(qemu-img --version | head -n 1)
}

fix_qemu_img() { echo "install qemu-img (package qemu-utils, qemu-img or qemu-tools)"; }

check_dtc() {
    FOUND="dtc is not in PATH"
    have dtc || return 1
    FOUND=$(dtc --version)
}

fix_dtc() { echo "install the device tree compiler (package device-tree-compiler or dtc)"; }

# Prints the name of a gdb for RISC-V. Some distributions build theirs for all processors.
riscv_gdb() {
    local name
    for name in gdb-multiarch riscv64-unknown-elf-gdb riscv64-elf-gdb gdb; do
        "$name" -nx -batch -ex "set architecture riscv:rv64" 2>&1 | grep -q 'set to "riscv:rv64"' && echo "$name" && return
    done
    return 1
}

check_gdb() {
    FOUND=$(riscv_gdb) || { FOUND="there is no gdb for RISC-V in PATH" && return 1; }
    FOUND="$FOUND: $("$FOUND" --version | head -n 1)"
}

fix_gdb() { echo "install a gdb for RISC-V (package gdb-multiarch, riscv64-elf-gdb or gdb)"; }

check_loongarch() {
    FOUND="qemu-system-loongarch64 is not in PATH"
    have qemu-system-loongarch64 || return 1
    FOUND=$(qemu-system-loongarch64 --version | head -n 1)
}

fix_loongarch() { echo "install QEMU for LoongArch (package qemu-system-misc, qemu-system-loongarch64 or qemu)"; }

# The walls around submissions that are graded.
check_bwrap() {
    FOUND="bwrap is not in PATH"
    have bwrap || return 1
    FOUND="bwrap may not make namespaces here"
    bwrap --ro-bind / / --unshare-all true 2>/dev/null || return 1
    FOUND=$(bwrap --version)
}

fix_bwrap() { echo "install bubblewrap, and allow user namespaces (package bubblewrap)"; }
