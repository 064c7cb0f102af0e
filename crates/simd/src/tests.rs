//! The instructions against plain code, for every length and place and for arbitrary bytes.
//!
//! On a processor without the instructions these tests say so and hold nothing. This file needs no
//! other crate, so that `neon.sh` can compile it alone for aarch64 (`--cfg plain_tests`); what
//! proptest does is in `tests/any.rs`.

use super::*;

#[cfg(not(plain_tests))]
mod any;
mod seeded;

fn vectors() -> Option<Vectors> {
    let vectors = Vectors::detect();
    if vectors.is_none() {
        println!("this processor has no such instructions: nothing was held against anything");
    }
    vectors
}

fn wide() -> Option<Wide> {
    let wide = Wide::detect();
    if wide.is_none() {
        println!(
            "this processor does not take 64 bytes at once: nothing was held against anything"
        );
    }
    wide
}

fn plain_decimal(text: &[u8]) -> Option<Digits> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let scale = text.find('.').map_or(0, |at| text.len() - at - 1) as u8;
    Some(Digits { mantissa: text.replace('.', "").parse().ok()?, scale })
}

/// The row by its text alone.
fn plain_row(chunk: &[u8; 64]) -> Option<Row> {
    let text = chunk.get(..chunk.iter().position(|byte| *byte == b']')? + 2)?;
    let cells = text.strip_prefix(b"[\"")?;
    let cells = cells.strip_suffix(b"\"],").or_else(|| cells.strip_suffix(b"\"]]"))?;
    let cells = std::str::from_utf8(cells).ok()?;
    let [first, second, "0", count] = cells.split("\",\"").collect::<Vec<_>>()[..] else {
        return None;
    };
    let decimal = |text: &str| (text.len() <= 16).then(|| plain_decimal(text.as_bytes()))?;
    let whole = plain_decimal(count.as_bytes()).filter(|n| n.scale == 0 && count.len() <= 7)?;
    Some(Row {
        first: decimal(first)?,
        second: decimal(second)?,
        count: whole.mantissa as u32,
        more: text.ends_with(b","),
        length: text.len(),
    })
}

fn held(v: Vectors, chunk: [u8; 16], length: usize) -> bool {
    let plain = if (1..=16).contains(&length) { plain_decimal(&chunk[..length]) } else { None };
    v.decimal(&chunk, length) == plain
}

fn held_whole(v: Vectors, chunk: [u8; 16], length: usize) -> bool {
    let ahead = chunk.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = chunk.get(..length).filter(|_| length > 0 && length <= ahead);
    let plain = text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    v.digits_ahead(&chunk) == ahead && v.digits(&chunk, length) == plain
}

/// Every length, every place of a point and of a second one, every byte at every place.
#[test]
fn decimals_of_every_shape() {
    let Some(v) = vectors() else { return };
    for filler in [
        *b"1234567890123456",
        *b"0000000000000000",
        *b"9999999999999999",
        *b"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
    ] {
        for length in 0..=18 {
            let mut chunk = filler;
            for (n, byte) in chunk.iter_mut().take(length).enumerate() {
                *byte = b'0' + (n as u8 * 7 + 3) % 10;
            }
            assert!(held(v, chunk, length), "{chunk:?} {length}");
            for at in 0..16 {
                for byte in 0..=u8::MAX {
                    let mut one = chunk;
                    one[at] = byte;
                    assert!(held(v, one, length), "{one:?} {length}");
                    assert!(held_whole(v, one, length), "{one:?} {length}");
                    let common = matches!(byte, b'.'..=b'0' | b'9'..=b':' | b'"' | 0 | 128 | 255);
                    for second in (0..16).filter(|_| common) {
                        let mut two = one;
                        two[second] = b'.';
                        assert!(held(v, two, length), "{two:?} {length}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_byte_at_every_place_is_a_quote_or_not() {
    let Some(v) = vectors() else { return };
    for at in 0..64 {
        for byte in 0..=u8::MAX {
            let mut chunk = [b'x'; 64];
            chunk[at] = byte;
            let is = u64::from(byte == b'"');
            assert_eq!(v.quotes(&chunk), is << at);
            let chunk: [u8; 16] = std::array::from_fn(|n| chunk[n]);
            let is = if at < 16 { is as u32 } else { 0 };
            assert_eq!(v.quotes_16(&chunk), is << (at % 16));
        }
    }
}

/// A row of the longest numbers, and the shortest; every byte at every place of both.
#[test]
fn every_byte_at_every_place_of_a_row() {
    let (narrow, wide) = (vectors(), wide());
    for text in [
        &br#"["1","2","0","3"]]"#[..],
        br#"["83729.6","70.03","0","4"],["#,
        br#"["12345678.9012345","0.00000000000001","0","1234567"],"#,
    ] {
        for filler in [b' ', b'"', b'0', b','] {
            let mut chunk = [filler; 64];
            chunk[..text.len()].copy_from_slice(text);
            for at in 0..64 {
                for byte in 0..=u8::MAX {
                    let mut chunk = chunk;
                    chunk[at] = byte;
                    let plain = plain_row(&chunk);
                    let said = || format!("{:?}: {plain:?}", String::from_utf8_lossy(&chunk));
                    if let Some(v) = narrow {
                        assert_eq!(v.row(&chunk), plain, "{}", said());
                    }
                    if let Some(v) = wide {
                        assert_eq!(v.row(&chunk), plain, "{}", said());
                    }
                }
            }
        }
    }
}
