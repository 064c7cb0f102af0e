#!/usr/bin/env bash
# Compiles the tests of this crate that need no other crate for aarch64, and runs them under
# user-mode emulation: NEON against plain code, without such a machine. It holds what comes out and
# says nothing of speed.
#
#   crates/simd/neon.sh               SIMD_SEED=7 for other inputs
#
# Needs, on x86-64: qemu, a linker for aarch64 with its C library, and a rustc with the standard
# library of aarch64 (`rustup target add aarch64-unknown-linux-gnu`, or Debian's rustc-web). Where
# one is missing, and this runs as root on Debian, it is installed; nothing is removed for it, and
# no architecture is added. Where it cannot be had: SKIPPED, why, and exit code 0. Seconds when all
# is there, about two minutes when nothing is.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
target=aarch64-unknown-linux-gnu
mkdir -p "${CARGO_TARGET_DIR:-target}/neon"
work=$(cd "${CARGO_TARGET_DIR:-target}/neon" && pwd)
debian=/usr/bin/rustc

skip() {
    echo "SKIPPED: $1"
    exit 0
}

has_std() { compgen -G "$1/libtest-*.rlib" >/dev/null; }

# Debian's version of rustc-web; the standard library has to be of the same build.
version() { [ -x "$debian" ] && dpkg-query -W -f '${Version}' rustc-web 2>/dev/null; }

# Where `standard_library` leaves it.
sysroot() { echo "$work/std-$(version | tr -c '[:alnum:].\n' _)/usr"; }

find_rustc() {
    local one lib
    for one in rustc "$debian"; do
        lib=$("$one" --print target-libdir --target "$target" 2>/dev/null) || continue
        if has_std "$lib"; then
            rustc=("$one")
            return
        fi
    done
    version >/dev/null && has_std "$(sysroot)/lib/rustlib/$target/lib" &&
        rustc=("$debian" --sysroot "$(sysroot)")
}

find_qemu() { qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64); }

has_linker() { [[ $(aarch64-linux-gnu-gcc -print-file-name=libc.a 2>/dev/null) == /* ]]; }

apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=60 -o Acquire::http::Timeout=20 \
        -o APT::Sandbox::User=root "$@"
}

# The package is of the architecture arm64, and to install it would bring a dozen others of it. It
# is unpacked below the build directory instead, found in a list of packages of its own.
standard_library() {
    local lists=$work/lists to
    to=$(dirname "$(sysroot)")
    mkdir -p "$lists/partial"
    rm -rf "$to" "$to.part" "$work"/*.deb
    local foreign=(-o APT::Architectures::=amd64 -o APT::Architectures::=arm64
        -o Dir::State::Lists="$lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
    apt "${foreign[@]}" update &&
        (cd "$work" && apt "${foreign[@]}" download "libstd-rust-web-dev:arm64=$(version)") &&
        dpkg-deb -x "$work"/libstd-rust-web-dev_*.deb "$to.part" &&
        mv "$to.part" "$to" &&
        rm -rf "$lists" "$work"/*.deb
}

install_missing() {
    local packages=()
    find_qemu || packages+=(qemu-user-static)
    has_linker || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
    find_rustc || version >/dev/null || packages+=(rustc-web)
    if [ ${#packages[@]} -gt 0 ]; then
        apt update && apt install --no-remove --no-install-recommends "${packages[@]}" || return
    fi
    find_rustc || standard_library
}

if [ "$(uname -m)" != x86_64 ]; then
    skip "this is no x86-64; on aarch64, cargo test -p market-data-simd runs the same and more"
fi
if ! { find_qemu && has_linker && find_rustc; }; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        skip "no qemu, linker or rustc for aarch64, and not root on Debian (see neon.sh)"
    fi
    echo "neon: installing what is missing (log: $work/apt.log)"
    DEBIAN_FRONTEND=noninteractive install_missing >"$work/apt.log" 2>&1 || true
    if ! { find_qemu && has_linker && find_rustc; }; then
        tail -n 3 "$work/apt.log"
        skip "the tools for aarch64 could not be installed"
    fi
fi

# Statically linked, so that the emulator needs no files of the other kind. Optimised, because that
# is what people run, with the checks of debug builds. Clippy sees no file of aarch64 here, so
# warnings are errors.
"${rustc[@]}" --edition 2024 --test --target "$target" --cfg plain_tests \
    -D warnings -D unsafe_op_in_unsafe_fn -W missing_docs \
    -C linker=aarch64-linux-gnu-gcc -C target-feature=+crt-static \
    -C opt-level=3 -C debug-assertions=on -o "$work/tests" crates/simd/src/lib.rs

# A processor of the first generation: none of what came after NEON.
if ! "$qemu" -cpu cortex-a53 "$work/tests" --show-output >"$work/tests.log"; then
    cat "$work/tests.log"
    exit 1
fi
# Tests on a processor without the instructions pass too; these lines come from those that held
# something.
held=$(grep -c '^SIMD_SEED=' "$work/tests.log" || true)
if [ "$held" != 3 ]; then
    cat "$work/tests.log"
    echo "neon: the tests ran without NEON"
    exit 1
fi
grep -e '^SIMD_SEED=' -e '^test result' "$work/tests.log"
