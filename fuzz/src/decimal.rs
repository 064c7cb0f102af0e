//! Decimal text: what is accepted prints back byte for byte, and compares as its digits say.
//!
//! The bytes are one number, or two with a `/` between. The judge is text arithmetic that shares
//! no code with the type.

use market_data_model::Decimal;
use std::cmp::Ordering;

/// See the file's first comment.
pub fn run(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |b| *b == b'/');
    let (a, b) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let (x, y) = (one(a), one(b));
    if let (Some(x), Some(y)) = (x, y) {
        assert_eq!(x.cmp_value(y), compare(a, b), "{x} against {y}");
        assert_eq!(y.cmp_value(x), compare(a, b).reverse(), "{y} against {x}");
        assert_eq!(x == y, a == b, "equality is equality of text: {x} {y}");
    }
}

fn one(text: &[u8]) -> Option<Decimal> {
    let parsed = Decimal::parse(text);
    let Some((whole, fraction)) = canonical(text) else {
        assert!(parsed.is_err(), "accepted {:?}", String::from_utf8_lossy(text));
        return None;
    };
    let short = whole.len() + fraction.len() <= 36 && fraction.len() <= 36;
    assert!(parsed.is_ok() || !short, "refused {:?}", String::from_utf8_lossy(text));
    let number = parsed.ok()?;
    let mut printed = Vec::new();
    number.write_to(&mut printed);
    assert_eq!(printed, text, "write_to");
    assert_eq!(number.to_string().as_bytes(), text, "Display");
    assert_eq!(usize::from(number.scale()), fraction.len(), "scale of {number}");
    assert_eq!(number.is_negative(), text[0] == b'-', "sign of {number}");
    let zero = whole.iter().chain(fraction).all(|b| *b == b'0');
    assert_eq!(number.is_zero(), zero, "zero {number}");
    assert_eq!(number.at_scale(number.scale()), Some(number.mantissa()), "{number}");
    if let Some(finer) = number.at_scale(number.scale() + 1) {
        assert_eq!(finer, number.mantissa() * 10, "{number} with one decimal more");
    }
    let negative_zero = zero && number.is_negative();
    if !negative_zero {
        let again = Decimal::from_parts(number.mantissa(), number.scale());
        assert_eq!(again, Some(number), "from its parts");
    }
    Some(number)
}

/// The digits before and after the point of `-?(0|[1-9][0-9]*)(\.[0-9]+)?`.
fn canonical(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, fraction) = match digits.iter().position(|b| *b == b'.') {
        Some(at) if at + 1 < digits.len() => (&digits[..at], &digits[at + 1..]),
        Some(_) => return None,
        None => (digits, &digits[..0]),
    };
    let all = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    let plain = whole == b"0" || whole.first().is_some_and(|b| *b != b'0');
    (all && plain).then_some((whole, fraction))
}

/// Compares two canonical texts digit by digit.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let key = |text: &[u8]| {
        let (whole, fraction) = canonical(text).unwrap_or_default();
        let mut digits = vec![b'0'; 64 - whole.len()];
        digits.extend_from_slice(whole);
        digits.extend_from_slice(fraction);
        digits.resize(128, b'0');
        let zero = digits.iter().all(|b| *b == b'0');
        (text[0] == b'-' && !zero, digits)
    };
    let ((a_negative, a), (b_negative, b)) = (key(a), key(b));
    match (a_negative, b_negative) {
        (false, false) => a.cmp(&b),
        (true, true) => b.cmp(&a),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}
