#!/usr/bin/env bash
# Gets the Linux that `make bench` compares with: Debian's kernel for riscv64, busybox and fio, from the mirror
# and with the key that this machine's own apt sources name. Nothing is installed; everything lands in the
# user's cache folder, once. The last line on standard output is the folder:
#
#     vmlinux       the kernel
#     root/         bin/busybox, bin/fio, lib/ with fio's libraries, modules/ with the virtio drivers
#     versions      the packages and their versions
#
# Exits 1 with a sentence on standard error where the packages cannot be had.
set -euo pipefail

# shellcheck source=tools/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=tools/lib/apt.sh
source "$ROOT/tools/lib/apt.sh"

SUITE=trixie
STORE=$CACHE/linux-riscv64
LIBRARIES=usr/lib/riscv64-linux-gnu

no_linux() {
    echo "$1" >&2
    exit 1
}

if [[ -f $STORE/versions ]]; then
    echo "$STORE"
    exit
fi

if ! have_apt || ! is_debian; then
    no_linux "Debian's packages are needed, and this system is not Debian"
fi
for tool in readelf xz; do
    have "$tool" || no_linux "$tool is missing (packages binutils and xz-utils)"
done

private_apt
trap close_private_apt EXIT
# As if nothing were installed, on the other architecture.
mkdir "$APT_DIR/state" "$APT_DIR/packages" "$APT_DIR/unpacked"
touch "$APT_DIR/status"
APT_PRIVATE+=(
    -o APT::Architecture=riscv64
    -o APT::Architectures=riscv64
    -o "Dir::State=$APT_DIR/state"
    -o "Dir::State::status=$APT_DIR/status"
    -o Acquire::Languages=none
)

# --- Fetch. ---

apt_stanza "$SUITE" >"$APT_DIR/sources/lab.sources" ||
    no_linux "the apt sources of this machine have no entry for its own release, so the mirror is unknown"
say "reading Debian's list of packages for riscv64 ($SUITE)"
apt-get -q "${APT_PRIVATE[@]}" -o APT::Update::Error-Mode=any update >&2 ||
    no_linux "apt-get cannot read the packages of $SUITE for riscv64 from this machine's mirror"

# The newest kernel is what linux-image-riscv64 depends on. It needs none of its own dependencies here.
kernel=$(apt-cache "${APT_PRIVATE[@]}" depends linux-image-riscv64 |
    sed -nE 's/^ *Depends: (linux-image-[0-9].*)$/\1/p') || kernel=""
# Of what fio depends on only the libraries matter. What is missing in the end is found below.
mapfile -t programs < <(apt-get -q "${APT_PRIVATE[@]}" --no-install-recommends --simulate install fio busybox-static |
    sed -nE 's/^Inst ((lib|zlib)[^ ]*|fio|busybox-static) .*/\1/p')
if [[ -z $kernel ]] || ((${#programs[@]} < 3)); then
    no_linux "the mirror has no kernel or no fio for riscv64"
fi
say "fetching $kernel, busybox, fio and its libraries (about 150 MB)"
(cd "$APT_DIR/packages" && apt-get -q "${APT_PRIVATE[@]}" download "$kernel" "${programs[@]}" >&2) ||
    no_linux "the packages cannot be fetched from this machine's mirror"

# --- Unpack what is used. ---

unpacked=$APT_DIR/unpacked
for package in "$APT_DIR"/packages/*.deb; do
    if [[ ${package##*/} == linux-image-* ]]; then
        # Thousands of drivers stay behind.
        dpkg --fsys-tarfile "$package" | tar -x -C "$unpacked" --wildcards \
            './boot/vmlinu*' '*/virtio_mmio.ko*' '*/virtio_blk.ko*'
    else
        dpkg -x "$package" "$unpacked"
    fi
done

part=$STORE.part
rm -rf "$part"
mkdir -p "$part/root/bin" "$part/root/lib" "$part/root/modules"
cp "$unpacked"/boot/vmlinu* "$part/vmlinux"
cp "$unpacked/usr/bin/busybox" "$unpacked/usr/bin/fio" "$part/root/bin"
for module in virtio_mmio virtio_blk; do
    file=$(find "$unpacked" -name "$module.ko*")
    case $file in
    "") ;; # built into this kernel
    *.xz) xz --decompress --stdout "$file" >"$part/root/modules/$module.ko" ;;
    *) cp "$file" "$part/root/modules/$module.ko" ;;
    esac
done

# collect PROGRAM: copies the libraries that it needs, and the ones that those need. All go into one folder.
collect() {
    local name file
    while read -r name; do
        [[ -e $part/root/lib/$name ]] && continue
        file=$(find "$unpacked/$LIBRARIES" -name "$name" -print -quit)
        [[ -n $file ]] || no_linux "fio needs $name, which is in none of the packages fetched"
        cp -L "$file" "$part/root/lib/$name"
        collect "$part/root/lib/$name"
    done < <(readelf -d "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]$/\1/p')
}
collect "$part/root/bin/fio"

for package in "$APT_DIR"/packages/{linux-image,fio,busybox}*.deb; do
    dpkg-deb -f "$package" Package Version | sed -E 's/^[^:]*: //' | paste -s -d ' '
done >"$part/versions"
rm -rf "$STORE"
mv "$part" "$STORE"
echo "$STORE"
