#!/bin/sh
# Stands before rustc, as cargo's RUSTC_WRAPPER. The crates of nautilus 0.67 ask for Rust 1.99.1; the
# project's compiler has what they use, but calls one part of it unstable. It is opened for them alone.
case " $* " in
*" --crate-name nautilus_"*)
    RUSTC_BOOTSTRAP=1 exec "$@" -Zcrate-attr="feature(int_format_into)"
    ;;
esac
exec "$@"
