# Shared by setup.sh and doctor.sh: the versions asked for, and how the scripts speak.
# Sourced by bash; needs nothing but bash and coreutils.
# shellcheck shell=bash disable=SC2034

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The toolchain is named in rust-toolchain.toml only; this is what its `rustc -V` prints. The two change together.
CHANNEL=$(sed -nE 's/^channel *= *"([^"]+)".*/\1/p' "$ROOT/rust-toolchain.toml")
PINNED_RUSTC="rustc 1.97.0-nightly (e50aa6fba 2026-05-19)"
# cargo-osdk generates code against the OSTD of the same version, which the kernel pins.
OSDK_VERSION=0.18.0
# OSTD prints through the SBI debug console, which came with OpenSBI 1.3.
OPENSBI_MIN=1.3

# Exported for every command started from here: see the Makefile for why.
unset RUSTUP_TOOLCHAIN
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

RUSTUP_DIR=${RUSTUP_HOME:-$HOME/.rustup}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/framekernel-lab

say() { echo "==> $*" >&2; }

# die SENTENCE...: one sentence a line.
die() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# version_ge A B: A is version B or newer.
version_ge() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# release_of TEXT: "rustc 1.97.0-nightly (...)" -> "1.97"
release_of() { sed -nE 's/^rustc ([0-9]+\.[0-9]+)\..*/\1/p' <<<"$1"; }
