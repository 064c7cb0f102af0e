//! What is written in steps of sixteen bytes is what writing character by character gives.

use super::*;
use crate::decimal::{Px, Qty};
use proptest::prelude::*;

fn json(value: Value<'_>) -> String {
    let mut out = b"before".to_vec();
    let mut json = Json::open(&mut out);
    json.field("x", value);
    json.field("y", Value::Bool(None));
    json.close();
    String::from_utf8(out).unwrap()
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Canonical text of every length, mostly short.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "(0|[1-9][0-9]{0,7})(\\.[0-9]{1,6})?",
        "(0|[1-9][0-9]{0,11})(\\.[0-9]{1,13})?",
        "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,16})?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn levels_are_their_texts(
        rows in prop::collection::vec((text(), text(), any::<u32>(), 0u32..32, text(), 0..9), 0..5),
    ) {
        let (mut levels, mut texts) = (Vec::new(), Vec::new());
        for (px, qty, orders, shift, retail, has_retail) in &rows {
            let orders = orders >> shift;
            let non_rpi = if *has_retail == 0 { number(retail) } else { Decimal::NONE };
            levels.push(Level {
                px: Px(number(px)),
                qty: Qty(number(qty)),
                non_rpi: Qty(non_rpi),
                orders,
            });
            let last = if *has_retail == 0 { format!(",\"{retail}\"") } else { String::new() };
            texts.push(format!("[\"{px}\",\"{qty}\",{orders}{last}]"));
        }
        let plain = format!("before{{\"x\":[{}],\"y\":null}}", texts.join(","));
        prop_assert_eq!(json(Value::Levels(&levels)), plain);
    }

    #[test]
    fn whole_numbers_are_their_texts(number: i64, shift in 0u32..64) {
        let number = number >> shift;
        let plain = |text: String| format!("before{{\"x\":{text},\"y\":null}}");
        prop_assert_eq!(json(Value::Int(Some(number))), plain(number.to_string()));
        let number = number.unsigned_abs();
        prop_assert_eq!(json(Value::Nanos(Some(number))), plain(number.to_string()));
        prop_assert_eq!(json(Value::Id(number)), plain(format!("\"{number}\"")));
    }

    #[test]
    fn decimals_are_their_texts(text in text()) {
        let plain = format!("before{{\"x\":\"{text}\",\"y\":null}}");
        prop_assert_eq!(json(Value::Decimal(Some(number(&text)))), plain);
    }
}
