//! The instructions against plain code, for what proptest thinks of.

use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in prop::array::uniform16(any::<u8>()), length in 0usize..20) {
        if let Some(v) = vectors() {
            prop_assert!(held(v, bytes, length));
        }
    }

    #[test]
    fn what_looks_like_a_number(text in "[0-9.]{0,6}[0-9]{0,8}[0-9.\"-]{2}", tail in any::<u8>()) {
        let mut chunk = [tail; 16];
        chunk[..text.len()].copy_from_slice(text.as_bytes());
        if let Some(v) = vectors() {
            for length in 0..=16 {
                prop_assert!(held(v, chunk, length));
            }
        }
    }
}
