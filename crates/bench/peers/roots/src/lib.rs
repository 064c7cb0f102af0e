//! An empty list of root certificates under the name and version that `nautilus-network` 0.67 asks
//! for, which not every registry has (1.0.11, 2026-11-29). The benchmark opens no connection.

/// No roots: nothing here is ever trusted.
pub const TLS_SERVER_ROOTS: &[pki_types::TrustAnchor<'static>] = &[];
