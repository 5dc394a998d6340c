# Installs the pinned Rust toolchain and the standard library's source, from which the kernel's `core` and
# `alloc` are built. Two ways:
#   1. rustup downloads both. This is the ordinary case.
#   2. Where toolchain downloads are not allowed (RUSTUP_AUTO_INSTALL=0), a toolchain that is already installed
#      takes the pinned name, and the source comes from Debian's package of the same release.
# shellcheck shell=bash

install_toolchain() {
    local name
    if downloads_allowed; then
        say "installing Rust $CHANNEL with rustup"
        # A stand-in from a time when downloads were not allowed makes way.
        for name in "$RUSTUP_DIR/toolchains/$CHANNEL"-*; do
            [[ ! -L $name ]] || rm "$name"
        done
        rustup toolchain install "$CHANNEL" --no-self-update --profile minimal -c rust-src -c rustfmt -c clippy ||
            die "rustup could not install Rust $CHANNEL." \
                "If this machine is not meant to download toolchains, set RUSTUP_AUTO_INSTALL=0 for all your work with this" \
                "repository and run this again: it then makes do with an installed toolchain."
        return
    fi
    say "RUSTUP_AUTO_INSTALL=0: not downloading a toolchain, looking at the installed ones"
    adopt_pinned_build || adopt_other_release ||
        die "no installed toolchain can stand in for $CHANNEL ($PINNED_RUSTC) on this machine." \
            "Where downloads are allowed: $(fix_toolchain)"
}

# Lists the folders of the toolchains that were really installed, the newest name last.
installed_toolchains() {
    local dir
    for dir in "$RUSTUP_DIR"/toolchains/*; do
        [[ ! -L $dir && -x $dir/bin/rustc && -x $dir/bin/cargo-clippy && -x $dir/bin/cargo-fmt ]] && echo "$dir"
    done
    return 0
}

# adopt TOOLCHAIN FOLDER: gives FOLDER the name that rustup looks for; TOOLCHAIN tells the host.
adopt() {
    local name
    name=$RUSTUP_DIR/toolchains/$CHANNEL-$("$1/bin/rustc" -vV | sed -n 's/^host: //p')
    if [[ -e $name && ! -L $name ]]; then
        die "$name is incomplete. Remove it (rustup toolchain uninstall $CHANNEL), then run this again."
    fi
    ln -sfn "$2" "$name"
}

# The very build that is pinned, installed under another name such as `nightly`: a link is enough.
adopt_pinned_build() {
    local dir
    while read -r dir; do
        [[ $("$dir/bin/rustc" -V) == "$PINNED_RUSTC" ]] || continue
        say "using the installed toolchain ${dir##*/} as $CHANNEL: it is the same build"
        adopt "$dir" "$dir"
        return
    done < <(installed_toolchains)
    return 1
}

# Any release from 1.95 to 1.97 that has, or can get, the library's source of its own release. It need not be
# a nightly, so it gets a folder with small scripts in the place of its programs that set RUSTC_BOOTSTRAP=1.
adopt_other_release() {
    local dir tool release stand_in
    while read -r dir; do
        release=$(release_of "$("$dir/bin/rustc" -V)")
        [[ $release =~ ^1\.9[567]$ ]] || continue
        say "trying the installed toolchain ${dir##*/} (Rust $release) in place of $CHANNEL"
        link_rust_src "$dir" || continue
        stand_in=$CACHE/toolchain-${dir##*/}
        rm -rf "$stand_in"
        mkdir -p "$stand_in/bin"
        ln -s "$dir/lib" "$stand_in/lib"
        for tool in "$dir"/bin/*; do
            printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec "%s" "$@"\n' "$tool" >"$stand_in/bin/${tool##*/}"
            chmod +x "$stand_in/bin/${tool##*/}"
        done
        say "using ${dir##*/} (Rust $release) in place of $CHANNEL, with RUSTC_BOOTSTRAP=1"
        adopt "$dir" "$stand_in"
        return
    done < <(installed_toolchains | sort -rV)
    return 1
}

install_rust_src() {
    local dir
    dir=$(toolchain_dir)
    if downloads_allowed; then
        say "installing the standard library's source with rustup"
        rustup component add rust-src --toolchain "$CHANNEL" && return
    fi
    link_rust_src "$(cd -P "$dir/lib/.." && pwd)" ||
        die "the standard library's source is missing and no mirror of this machine has it." "$(fix_rust_src)"
}

# link_rust_src TOOLCHAIN: gives it the library's source from Debian's package rust-src of the same release,
# unless it has one. The unpacked package stays in the user's cache folder, so it is fetched once.
link_rust_src() {
    local place=$1/lib/rustlib/src/rust release store library
    [[ -f $place/library/core/src/lib.rs && -f $place/library/Cargo.lock ]] && return
    release=$(release_of "$("$1/bin/rustc" -V)")
    store=$CACHE/rust-src-$release
    if [[ ! -d $store ]]; then
        have_apt && is_debian || return 1
        private_apt
        fetch_rust_src "$release" "$store"
        close_private_apt
        [[ -d $store ]] || return 1
    fi
    library=$(compgen -G "$store/usr/src/rustc-$release.*/library") || return 1
    mkdir -p "$place"
    rm -rf "$place/library"
    ln -s "$library" "$place/library"
    say "the standard library's source is $library"
}

# fetch_rust_src RELEASE STORE: unpacks the package into STORE, from the first suite that has that release.
# STORE is there afterwards if it worked.
fetch_rust_src() {
    local release=$1 store=$2 suite version
    for suite in sid forky trixie-backports; do
        apt_stanza "$suite" >"$APT_DIR/sources/lab.sources" || return 0
        say "looking for Debian's rust-src $release in $suite"
        apt-get -q "${APT_PRIVATE[@]}" -o Acquire::Languages=none update >&2 || continue
        version=$(apt-cache "${APT_PRIVATE[@]}" madison rust-src |
            awk -F ' *[|] *' -v release="$release." 'index($2, release) == 1 { print $2; exit }')
        [[ -n $version ]] || continue
        say "fetching rust-src $version"
        (cd "$APT_DIR" && apt-get -q "${APT_PRIVATE[@]}" download "rust-src=$version" >&2) || continue
        rm -rf "$store.part"
        mkdir -p "$store.part"
        # The package holds the compiler's source too, several times as large, which nothing here needs.
        dpkg --fsys-tarfile "$APT_DIR"/rust-src_*.deb |
            tar -x -C "$store.part" --wildcards './usr/src/rustc-*/library' && mv "$store.part" "$store"
        return 0
    done
}
