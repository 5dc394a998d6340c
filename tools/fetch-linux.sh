#!/usr/bin/env bash
# Gets the Linux that `make bench` compares with: Debian's kernel, busybox and fio for riscv64 or x86_64, from the
# mirror and with the key that this machine's own apt sources name. Nothing is installed; everything lands in the
# user's cache folder, once (remove it to have it fetched again).
#
#     tools/fetch-linux.sh [riscv64|x86_64]
#
# The last line on standard output is the folder:
#
#     vmlinux       the kernel, as a file that QEMU boots
#     root/         bin/busybox, bin/fio, lib/ with fio's libraries, modules/ with the virtio drivers, what the GPU's
#                   is based on, and ext4
#     modules       the names of the modules that were asked for
#     versions      the packages, their versions, and Debian's release that they are from
#
# A mirror that is being updated may have a broken index for one release and whole ones for others. So Debian's
# releases are tried in turn; all packages come from the same one. What came is checked.
#
# Exits 1 where the packages cannot be had, with one line on standard error for each reason and a last one with
# all of them.
set -euo pipefail

# shellcheck source=tools/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=tools/lib/apt.sh
source "$ROOT/tools/lib/apt.sh"

# The stable release first: its kernel is the one that is in use, and changes least from day to day.
SUITES=(trixie forky sid)
ARCH=${1:-riscv64}
STORE=$CACHE/linux-$ARCH
PART=$STORE.part
LIBRARIES=usr/lib/$ARCH-linux-gnu
# The drivers that the disk needs on either bus, those for ext4 on it, and those for the GPU; each behind those that it
# needs.
MODULES=(virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk crc16 mbcache jbd2 ext4
    drm drm_kms_helper drm_shmem_helper virtio_dma_buf virtio-gpu)
# The architecture as Debian and readelf call it, and a magic number in the header of a kernel that is no ELF file,
# with its offset.
case $ARCH in
riscv64)
    DEBIAN_ARCH=riscv64 ELF_MACHINE=RISC-V
    # That of an image that is not compressed.
    MAGIC_AT=56 MAGIC="52 53 43 05"
    MODULES+=(virtio_mmio)
    ;;
x86_64)
    DEBIAN_ARCH=amd64 ELF_MACHINE=X86-64
    # "HdrS": the boot protocol of a bzImage, which unpacks itself.
    MAGIC_AT=514 MAGIC="48 64 72 53"
    ;;
*)
    echo "there is no Linux to compare with for $ARCH, but for riscv64 and x86_64" >&2
    exit 1
    ;;
esac
# A sum that ext4 asks for by another name than that of its module. Newer kernels have it built in.
OLD_MODULES=(crc32c_generic)

REASONS=$(mktemp)
trap 'rm -f "$REASONS"' EXIT

# no_linux SENTENCE: ends the attempt.
no_linux() {
    echo "$1" | tee -a "$REASONS" >&2
    exit 1
}

# --- Fetch. ---

# apt_of SUITE: from here on apt knows the packages of SUITE for $DEBIAN_ARCH only, and nothing as installed.
apt_of() {
    private_apt
    trap close_private_apt EXIT
    mkdir "$APT_DIR/state" "$APT_DIR/packages" "$APT_DIR/unpacked"
    touch "$APT_DIR/status"
    APT_PRIVATE+=(
        -o "APT::Architecture=$DEBIAN_ARCH"
        -o "APT::Architectures=$DEBIAN_ARCH"
        -o "Dir::State=$APT_DIR/state"
        -o "Dir::State::status=$APT_DIR/status"
        -o Acquire::Languages=none
    )
    apt_stanza "$1" >"$APT_DIR/sources/lab.sources"
    # A broken list of something else than packages does no harm.
    echo "Targets: Packages" >>"$APT_DIR/sources/lab.sources"
    apt-get -q "${APT_PRIVATE[@]}" -o APT::Update::Error-Mode=any update ||
        no_linux "$1: apt-get cannot read the list of packages for $DEBIAN_ARCH"
}

# dependencies PACKAGE PATTERN: the names among what PACKAGE depends on that match PATTERN.
dependencies() {
    apt-cache "${APT_PRIVATE[@]}" depends "$1" | sed -nE "s/^ *Depends: ($2)\$/\1/p"
}

# fetch SUITE: fetches the packages to $APT_DIR/packages and sets RELEASE to what `uname -r` will say.
fetch() {
    local kernel programs
    # The newest kernel is what linux-image-ARCH depends on. It may be one package, or three: the image, the
    # modules, and one that depends on both. The other dependencies are for booting from a disk.
    kernel=$(dependencies "linux-image-$DEBIAN_ARCH" 'linux-image-[0-9].*') || kernel=""
    # Of what fio depends on only the libraries matter. What is missing in the end is found below.
    mapfile -t programs < <(apt-get -q "${APT_PRIVATE[@]}" --no-install-recommends --simulate install fio busybox-static |
        sed -nE 's/^Inst ((lib|zlib)[^ ]*|fio|busybox-static) .*/\1/p')
    if [[ -z $kernel ]] || ((${#programs[@]} < 3)); then
        no_linux "$1: there is no kernel or no fio for $DEBIAN_ARCH"
    fi
    RELEASE=${kernel#linux-image-}
    mapfile -t -O "${#programs[@]}" programs < <(dependencies "$kernel" 'linux-(binary|modules)-.*')
    say "fetching $kernel, busybox, fio and its libraries from $1 (about 150 MB)"
    (cd "$APT_DIR/packages" && apt-get -q "${APT_PRIVATE[@]}" download "$kernel" "${programs[@]}") ||
        no_linux "$1: the packages cannot be fetched"
}

# --- Unpack what is used, and check it. ---

# unpack_kernel PACKAGE: unpacks a package of the kernel without the thousands of drivers that are not used here.
unpack_kernel() {
    local wanted
    wanted=$(printf '|%s\\.ko[^/]*' "${MODULES[@]}" "${OLD_MODULES[@]}")
    wanted=$(dpkg-deb --fsys-tarfile "$1" | tar -t |
        grep -E "^\./(boot/vmlinu[xz][^/]*|.*/(vmlinu[xz]|modules\.builtin|${wanted#|}))\$") || return 0
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$APT_DIR/unpacked" --files-from=<(echo "$wanted")
}

# is_ours FILE: succeeds if it is an ELF file for the architecture.
is_ours() { readelf -h "$1" 2>/dev/null | grep -qE "Machine: .*$ELF_MACHINE"; }

# add_kernel SUITE
add_kernel() {
    local files
    mapfile -t files < <(find "$APT_DIR/unpacked" -type f -name 'vmlinu[xz]*')
    ((${#files[@]} == 1)) ||
        no_linux "$1: ${#files[@]} kernels were found in the packages of Linux $RELEASE instead of one"
    is_ours "${files[0]}" || [[ $(od -An -tx1 -j "$MAGIC_AT" -N 4 "${files[0]}") == " $MAGIC" ]] ||
        no_linux "$1: ${files[0]##*/} is neither an image nor an ELF file for $ARCH, so QEMU cannot boot it"
    cp "${files[0]}" "$PART/vmlinux"
}

# add_module SUITE NAME
add_module() {
    local file
    file=$(find "$APT_DIR/unpacked" -path "*/$RELEASE/*" -name "$2.ko*" -print -quit)
    case $file in
    "")
        [[ " ${OLD_MODULES[*]} " == *" $2 "* ]] ||
            grep -rqsF --include=modules.builtin "/$2.ko" "$APT_DIR/unpacked" ||
            no_linux "$1: Linux $RELEASE has no $2, neither as a module nor built in"
        return
        ;;
    *.xz) xz --decompress --stdout "$file" >"$PART/root/modules/$2.ko" ;;
    *) cp "$file" "$PART/root/modules/$2.ko" ;;
    esac
    is_ours "$PART/root/modules/$2.ko" || no_linux "$1: ${file##*/} is no module for $ARCH"
}

# collect SUITE PROGRAM: copies the libraries that it needs, and the ones that those need, into one folder.
collect() {
    local name file
    while read -r name; do
        [[ -e $PART/root/lib/$name ]] && continue
        file=$(find "$APT_DIR/unpacked/$LIBRARIES" -name "$name" -print -quit)
        [[ -n $file ]] || no_linux "$1: fio needs $name, which is in none of the packages fetched"
        cp -L "$file" "$PART/root/lib/$name"
        collect "$1" "$PART/root/lib/$name"
    done < <(readelf -d "$2" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]$/\1/p')
}

# place_loader PROGRAM: copies the loader from among its libraries to where the program asks for it.
place_loader() {
    local loader
    loader=$(readelf -l "$1" | sed -nE 's/.*program interpreter: (.*)\]$/\1/p')
    mkdir -p "$PART/root/$(dirname "$loader")"
    [[ -e $PART/root/$loader ]] || cp "$PART/root/lib/${loader##*/}" "$PART/root/$loader"
}

# attempt SUITE: everything, for one suite.
attempt() {
    local package name
    say "reading Debian's list of packages for $DEBIAN_ARCH ($1)"
    apt_of "$1"
    fetch "$1"
    for package in "$APT_DIR"/packages/*.deb; do
        if [[ ${package##*/} == linux-* ]]; then
            unpack_kernel "$package"
        else
            dpkg -x "$package" "$APT_DIR/unpacked"
        fi
    done
    rm -rf "$PART"
    mkdir -p "$PART/root/bin" "$PART/root/lib" "$PART/root/modules"
    add_kernel "$1"
    for name in "${MODULES[@]}" "${OLD_MODULES[@]}"; do
        add_module "$1" "$name"
    done
    echo "${MODULES[*]}" >"$PART/modules"
    for name in busybox fio; do
        is_ours "$APT_DIR/unpacked/usr/bin/$name" || no_linux "$1: $name is no program for $ARCH"
        cp "$APT_DIR/unpacked/usr/bin/$name" "$PART/root/bin"
    done
    collect "$1" "$PART/root/bin/fio"
    place_loader "$PART/root/bin/fio"
    for package in "$APT_DIR"/packages/{linux-image,fio,busybox}*.deb; do
        echo "$(dpkg-deb -f "$package" Package) $(dpkg-deb -f "$package" Version) ($1)"
    done >"$PART/versions"
    rm -rf "$STORE"
    mv "$PART" "$STORE"
}

if [[ ! -f $STORE/versions || $(cat "$STORE/modules" 2>/dev/null) != "${MODULES[*]}" ]]; then
    if ! have_apt || ! is_debian; then
        no_linux "Debian's packages are needed, and this system is not Debian"
    fi
    for tool in readelf xz; do
        have "$tool" || no_linux "$tool is missing (packages binutils and xz-utils)"
    done
    apt_stanza "${SUITES[0]}" >/dev/null ||
        no_linux "the apt sources of this machine have no entry for its own release, so the mirror is unknown"
    for suite in "${SUITES[@]}"; do
        # Not as a condition: bash would go on after errors in it.
        set +e
        (
            set -e
            attempt "$suite"
        ) >&2
        status=$?
        set -e
        ((status == 0)) && break
        grep -q "^$suite: " "$REASONS" || echo "$suite: a command failed" >>"$REASONS"
    done
    if ((status != 0)); then
        echo "Linux cannot be had from this machine's mirror: $(paste -s -d ';' "$REASONS" | sed 's/;/; /g')" >&2
        exit 1
    fi
    say "Linux is from Debian's $suite"
fi
echo "$STORE"
