//! Text in, text out: what is kept, what is refused, how values compare.

use super::*;
use proptest::prelude::*;

fn round_trips(text: &str) {
    let number = Decimal::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(number.to_string(), text);
}

#[test]
fn keeps_the_text() {
    for text in [
        "0",
        "-0",
        "0.0",
        "43560.10",
        "39016.8143629068452065",
        "0.0000000000001",
        "9999999999999999",
        "10000000000",
        "-12.340",
        "18446744073709551616.5",
        "1329227995784915872903807060280344575",
        "0.000000000000000000000000000000000001",
        "12345678901234567890123456789012",
    ] {
        round_trips(text);
    }
}

#[test]
fn refuses_what_it_could_not_print_back() {
    for text in [
        "+1", ".5", "5.", "01", "00", "1e5", "1E-7", "--1", "-", ".", "1.2.3", " 1", "1 ", "0x1",
        "NaN", "１", "1,000", "-.5", "-01",
    ] {
        assert_eq!(Decimal::parse(text.as_bytes()), Err(DecimalError::NotCanonical), "{text}");
    }
    assert_eq!(Decimal::parse(b""), Err(DecimalError::Empty));
    assert_eq!(
        Decimal::parse(b"1329227995784915872903807060280344576"),
        Err(DecimalError::TooLong)
    );
    assert_eq!(
        Decimal::parse(b"0.0000000000000000000000000000000000001"),
        Err(DecimalError::TooLong)
    );
}

#[test]
fn compares_values_across_scales() {
    let d = |t: &str| t.parse::<Decimal>().unwrap();
    assert_eq!(d("1.0").cmp_value(d("1.00")), Ordering::Equal);
    assert_ne!(d("1.0"), d("1.00"));
    assert_eq!(d("-0").cmp_value(d("0")), Ordering::Equal);
    assert_eq!(d("83726").cmp_value(d("83725.9")), Ordering::Greater);
    assert_eq!(d("-2").cmp_value(d("-1.5")), Ordering::Less);
    assert_eq!(
        d("1329227995784915872903807060280344575")
            .cmp_value(d("0.000000000000000000000000000000000001")),
        Ordering::Greater
    );
}

#[test]
fn scales_without_rounding() {
    let d = |t: &str| t.parse::<Decimal>().unwrap();
    assert_eq!(d("83725.9").at_scale(2), Some(8_372_590));
    assert_eq!(d("83725.90").at_scale(1), Some(837_259));
    assert_eq!(d("83725.91").at_scale(1), None);
    assert_eq!(Decimal::from_parts(-5, 3).map(|d| d.to_string()), Some("-0.005".into()));
    assert_eq!(Decimal::from_parts(1, 37), None);
    assert_eq!(Decimal::NONE.some(), None);
}

proptest! {
    #[test]
    fn any_canonical_text_of_36_digits_round_trips(
        negative: bool, whole in "0|[1-9][0-9]{0,17}", fraction in "([0-9]{1,18})?",
    ) {
        let mut text = String::from(if negative { "-" } else { "" });
        text.push_str(&whole);
        if !fraction.is_empty() { text.push('.'); text.push_str(&fraction); }
        round_trips(&text);
    }

    #[test]
    fn any_bytes_are_either_refused_or_given_back(
        bytes in prop::collection::vec(any::<u8>(), 0..48),
    ) {
        if let Ok(number) = Decimal::parse(&bytes) {
            prop_assert_eq!(number.to_string().into_bytes(), bytes);
        }
    }

    #[test]
    fn number_like_text_is_either_refused_or_given_back(text in "-?[0-9.]{0,42}") {
        if let Ok(number) = Decimal::parse(text.as_bytes()) {
            prop_assert_eq!(number.to_string(), text);
        }
    }

    #[test]
    fn order_agrees_with_whole_numbers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000,
                                       sa in 0u8..4, sb in 0u8..4) {
        let left = Decimal::from_parts(i128::from(a), sa).unwrap();
        let right = Decimal::from_parts(i128::from(b), sb).unwrap();
        let expect = (i128::from(a) * 10i128.pow(u32::from(3 - sa)))
            .cmp(&(i128::from(b) * 10i128.pow(u32::from(3 - sb))));
        prop_assert_eq!(left.cmp_value(right), expect);
    }
}

#[test]
fn every_length_and_scale_round_trips() {
    for length in 1..=17usize {
        for scale in 0..=16usize {
            for digit in ['1', '9', '0'] {
                let digits: String =
                    (0..length).map(|n| if n == 0 { '7' } else { digit }).collect();
                let padded = format!("{digits:0>width$}", width = scale + 1);
                let (whole, fraction) = padded.split_at(padded.len() - scale);
                let text = [whole, fraction].join(if scale > 0 { "." } else { "" });
                round_trips(&text);
            }
        }
    }
}
