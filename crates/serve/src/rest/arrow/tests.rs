//! Tables in Arrow, read back and compared with their JSON as text.

use super::super::tables::{BOOK, FEEDS, GAPS, INSTRUMENTS, KLINES, TICKERS, TRADES, WATCH};
use super::*;
use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Decimal128Type, Int64Type, TimestampMillisecondType, TimestampNanosecondType, UInt32Type,
    UInt64Type,
};
use arrow_ipc::reader::StreamReader;
use arrow_schema::Metadata;
use proptest::prelude::*;
use serde_json::json;

fn made(of: &Table, rows: &[String]) -> (Metadata, RecordBatch) {
    let response = table(of, rows.iter().map(String::as_str), &[]).unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
    let body = axum::body::to_bytes(response.into_body(), usize::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(body).unwrap();
    let mut reader = StreamReader::try_new(&*body, None).unwrap();
    let metadata = reader.schema().metadata().clone();
    let batch = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none());
    (metadata, batch)
}

/// A cell as JSON, without the quotes of texts; numbers by `decimals` and `exact`.
fn cell(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    if let DataType::Decimal128(..) = column.data_type() {
        let schema = batch.schema();
        let numbers = schema.fields().iter();
        let numbers: Vec<&str> = numbers
            .filter(|field| matches!(field.data_type(), DataType::Decimal128(..)))
            .map(|field| field.name().as_str())
            .collect();
        let letters = batch["decimals"].as_string::<i32>().value(row).as_bytes().to_vec();
        let at = numbers.iter().position(|number| *number == name).unwrap();
        assert_eq!(letters.len(), numbers.len());
        if letters[at] == TOO_LONG {
            assert!(column.is_null(row));
            let before = letters[..at].iter().filter(|letter| **letter == TOO_LONG).count();
            let exact = batch["exact"].as_string::<i32>().value(row).split(' ').nth(before);
            return exact.map(str::to_owned);
        }
        let value = (!column.is_null(row)).then(|| column.as_primitive::<Decimal128Type>());
        assert_eq!(value.is_none(), letters[at] == ABSENT);
        return value.map(|v| number::decode(v.value(row), letters[at]).unwrap().to_string());
    }
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            column.as_primitive::<TimestampMillisecondType>().value(row).to_string()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, None) => {
            column.as_primitive::<TimestampNanosecondType>().value(row).to_string()
        }
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        other => panic!("{name}: {other}"),
    })
}

/// Every field of every row is in the table, as it was, and nothing else is.
fn check(of: &Table, rows: &[String]) {
    let (metadata, batch) = made(of, rows);
    assert_eq!(metadata["market_data.table"], of.name);
    assert_eq!(batch.num_rows(), rows.len());
    for (at, text) in rows.iter().enumerate() {
        let row: HashMap<String, &RawValue> = serde_json::from_str(text).unwrap();
        for key in row.keys().filter(|key| !CONSTANT.contains(&key.as_str())) {
            assert!(of.columns().any(|(field, _)| field == key), "{key} has no column");
        }
        for (field, kind) in of.columns() {
            let raw = row.get(field).map(|raw| raw.get()).filter(|raw| *raw != "null");
            if kind == Kind::Point {
                for (member, end) in [("id", "id"), ("tsRecv", "ts_recv")] {
                    let inner: Option<Value> = raw.map(|raw| serde_json::from_str(raw).unwrap());
                    let inner = inner.map(|inner| inner[member].clone()).filter(|v| !v.is_null());
                    let name = format!("{}_{end}", column_name(field));
                    assert_eq!(cell(&batch, &name, at), inner.map(|v| v.to_string()), "{field}");
                }
                continue;
            }
            let expected = raw.map(|raw| match kind {
                Kind::Json => raw.to_owned(),
                _ => match serde_json::from_str(raw).unwrap() {
                    Value::String(text) => text,
                    value => value.to_string(),
                },
            });
            assert_eq!(cell(&batch, &column_name(field), at), expected, "{field} of {text}");
        }
    }
}

/// What all records have.
fn common(kind: &str, own: &str) -> String {
    format!(
        r#"{{"v":1,"type":"{kind}","exchange":"okx","channel":"x","instId":"BTC-USDT","instType":null,"symbol":"BTCUSDT","timestamp":1795441238242,"tsRecv":1795441238242238631,"feed":1,"n":18446744073709551615,{own}}}"#
    )
}

#[test]
fn every_value_of_a_record_is_the_same_in_arrow() {
    let trade = |px: &str, source: &str| {
        common(
            "trade",
            &format!(
                r#""tradeId":"18446744073709551615","price":"{px}","quantity":"0.050","unit":"base","side":"buy","isBuyerMaker":false,"isBestMatch":true,"count":null,"source":{source},"seqId":-1"#
            ),
        )
    };
    let long = "0.1234567890123456789";
    check(
        &TRADES,
        &[
            trade("91000.10", r#""0""#),
            trade("-0", r#""a \"b\" \\ é\u0001\n""#),
            trade(long, "null"),
        ],
    );
    let (metadata, _) = made(&TRADES, &[trade("1", "null")]);
    assert_eq!(metadata["market_data.type"], "trade");
    assert_eq!(metadata["market_data.v"], "1");
    let gap = r#""gap":1,"event":"opened","cause":"link","whose":"link","from":{"id":7,"tsRecv":null},"to":{"id":null,"tsRecv":1795441238242238631},"lost":null,"healed":null"#;
    check(&GAPS, &[common("gap", gap)]);
    let row = r#""instrument":{"z":"1","a":[1.50,{"x":null}]}"#;
    check(&INSTRUMENTS, &[common("instrument", row), common("instrument", "\"instrument\":null")]);
    let bar = r#""interval":"1m","openTime":1,"closeTime":60001,"open":"1","high":"2.0","low":"1","close":"1.10","volume":null,"baseVolume":null,"quoteVolume":null,"unit":null,"isClosed":null,"tradesCount":null,"takerBuyBaseVolume":null,"takerBuyQuoteVolume":null"#;
    check(&KLINES, &[common("kline", bar), common("kline", &format!("{bar},\"volCcy\":\"3.00\""))]);
    let watch = json!({
        "instId": "X", "last": "1.0", "tsRecv": 5, "channels": ["a"], "stale": null,
        "spark": ["1", "2.50"],
    });
    check(&WATCH, &[watch.to_string()]);
    let feed = json!({"feed": 1, "url": "ws://x", "connected": true, "lines": [], "gaps": 2});
    check(&FEEDS, &[feed.to_string()]);
    let level = json!({"side": "bid", "level": 0, "price": "1.0", "quantity": "2", "orders": 9});
    check(&BOOK, &[level.to_string()]);
}

#[test]
fn an_empty_table_has_its_columns() {
    for of in [&INSTRUMENTS, &WATCH, &TRADES, &KLINES, &TICKERS, &FEEDS, &GAPS, &BOOK] {
        let (_, batch) = made(of, &[]);
        assert_eq!(batch.num_rows(), 0);
        assert!(batch.num_columns() >= of.columns().count(), "{}", of.name);
        let names = batch.schema();
        let mut names: Vec<_> = names.fields().iter().map(|field| field.name()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), batch.num_columns(), "{}: one name twice", of.name);
    }
}

#[test]
fn what_fits_no_column_is_an_error_that_names_it() {
    let bad = [
        (r#"{"price":1.5}"#, "price"),
        (r#"{"price":"much"}"#, "price"),
        (r#"{"tradeId":"-1"}"#, "tradeId"),
        (r#"{"isBestMatch":"true"}"#, "isBestMatch"),
        (r#"{"side":7}"#, "side"),
        (r#"{"tsRecv":18446744073709551615}"#, "tsRecv"),
        ("[]", "object"),
    ];
    for (row, name) in bad {
        let failure = table(&TRADES, [row], &[]).unwrap_err();
        assert!(failure.message.contains(name), "{row}: {}", failure.message);
        assert_eq!(failure.status, 500);
    }
}

proptest! {
    #[test]
    fn any_number_comes_back_as_the_venue_wrote_it(
        numbers in proptest::collection::vec("-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,15})?", 1..6),
    ) {
        let row = |px: &String| common("ticker", &format!("\"price\":\"{px}\",\"ask\":\"{px}\""));
        let fits: Vec<_> = numbers.iter().filter(|n| n.parse::<Decimal>().is_ok()).collect();
        let rows: Vec<String> = fits.into_iter().map(row).collect();
        check(&TICKERS, &rows);
    }
}
