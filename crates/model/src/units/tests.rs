//! Worked examples of every kind, with contracts as OKX lists them (REST bodies of 2026-04).

use super::*;
use proptest::prelude::*;

fn dec(text: &str) -> Decimal {
    Decimal::parse(text.as_bytes()).unwrap()
}

/// Kind, `ctType`, `ctVal`, `ctMult`, `ctValCcy`, `settleCcy`.
fn instrument(
    kind: InstType,
    ct_type: &str,
    [val, mult]: [&str; 2],
    [of, settle]: [&str; 2],
) -> Instrument {
    let mut x = Instrument::named("X");
    x.inst_type = Some(kind);
    x.ct_type = ct_type.into();
    (x.ct_val, x.ct_mult) =
        (Decimal::parse(val.as_bytes()).ok(), Decimal::parse(mult.as_bytes()).ok());
    (x.ct_val_ccy, x.settle_ccy) = (of.into(), settle.into());
    x
}

fn spot() -> Instrument {
    let mut x = instrument(InstType::Spot, "", ["", ""], ["", ""]);
    (x.base_ccy, x.quote_ccy) = ("BTC".into(), "USDT".into());
    x
}

fn inverse() -> Instrument {
    instrument(InstType::Swap, "inverse", ["100", "1"], ["USD", "BTC"])
}

fn said(amount: Amount) -> String {
    format!("{} {}", amount.value, amount.ccy).trim().to_owned()
}

fn coins(x: &Instrument, qty: &str, px: Option<&str>) -> Result<Coins, UnitsError> {
    x.coins(Qty(dec(qty)), px.map(|px| Px(dec(px))))
}

fn value(x: &Instrument, qty: &str, px: &str) -> String {
    said(x.value(Qty(dec(qty)), Px(dec(px))).unwrap())
}

#[test]
fn bug_class_39_one_contract_of_each_kind_in_coins_and_in_money() {
    // BTC-USDT: quantities are coins.
    let btc = coins(&spot(), "0.50", None).unwrap().exact().unwrap();
    assert_eq!(
        (said(btc), value(&spot(), "0.50", "60000")),
        ("0.5 BTC".into(), "30000 USDT".into())
    );

    // BTC-USDT-SWAP: 0.01 BTC a contract.
    let linear = instrument(InstType::Swap, "linear", ["0.01", "1"], ["BTC", "USDT"]);
    let btc = coins(&linear, "12.34", None).unwrap().exact().unwrap();
    assert_eq!(said(btc), "0.1234 BTC");
    assert_eq!(value(&linear, "12.34", "60000.5"), "7404.0617 USDT");

    // PEPE-USDT-SWAP: ten million coins a contract.
    let pepe = instrument(InstType::Swap, "linear", ["10000000", "1"], ["PEPE", "USDT"]);
    assert_eq!(said(coins(&pepe, "0.1", None).unwrap().exact().unwrap()), "1000000 PEPE");
    assert_eq!(value(&pepe, "0.1", "0.00001234"), "12.34 USDT");

    // BTC-USD_UM-SWAP: 0.0001 BTC a contract, settled in USD.
    let margined = instrument(InstType::Swap, "linear", ["0.0001", "1"], ["BTC", "USD"]);
    assert_eq!(value(&margined, "10000", "60000"), "60000 USD");

    // BTC-USD-SWAP: 100 USD a contract, whatever the price.
    assert_eq!(value(&inverse(), "5", "60000"), "500 USD");
    assert_eq!(value(&inverse(), "5", "1"), "500 USD");
    let btc = coins(&inverse(), "5", Some("50000")).unwrap();
    assert_eq!(said(btc.exact().unwrap()), "0.01 BTC");

    // BTC-USD-261225-50000-C: 1 BTC × 0.01 a contract, priced and settled in BTC.
    let option = instrument(InstType::Option, "inverse", ["1", "0.01"], ["BTC", "BTC"]);
    assert_eq!(said(coins(&option, "3", None).unwrap().exact().unwrap()), "0.03 BTC");
    let premium = option.premium(Qty(dec("3")), Px(dec("0.0450"))).unwrap();
    assert_eq!(said(premium), "0.00135 BTC");
    assert_eq!(value(&option, "3", "60000"), "1800");

    // BTC-USD_UM-260428-72000-C: the same, priced and settled in USD.
    let option = instrument(InstType::Option, "linear", ["1", "0.01"], ["BTC", "USD"]);
    assert_eq!(said(option.premium(Qty(dec("3")), Px(dec("2700"))).unwrap()), "81 USD");
    assert_eq!(value(&option, "3", "60000"), "1800 USD");

    // An event contract pays 1 USDT; its price is between 0 and 1.
    let event = instrument(InstType::Events, "", ["1", "1"], ["", "USDT"]);
    assert_eq!(value(&event, "25", "0.64"), "16 USDT");
    assert_eq!(coins(&event, "25", None), Err(UnitsError::NoCoins));
}

#[test]
fn what_does_not_end_is_cut_only_on_request() {
    let third = coins(&inverse(), "1", Some("30000")).unwrap();
    assert_eq!(third.exact(), None);
    assert_eq!(said(third.cut(8).unwrap()), "0.00333333 BTC");
    assert_eq!(said(coins(&spot(), "1.239", None).unwrap().cut(2).unwrap()), "1.23 BTC");
}

#[test]
fn what_the_instrument_does_not_say_is_an_error() {
    assert_eq!(coins(&inverse(), "1", None), Err(UnitsError::NeedsPrice));
    assert_eq!(coins(&inverse(), "1", Some("0")), Err(UnitsError::BadPrice));
    let blank = instrument(InstType::Swap, "linear", ["", "1"], ["BTC", "USDT"]);
    assert_eq!(coins(&blank, "1", None), Err(UnitsError::Missing("ctVal")));
    let odd = instrument(InstType::Swap, "quanto", ["1", "1"], ["BTC", "USDT"]);
    assert_eq!(coins(&odd, "1", None), Err(UnitsError::UnknownKind));
    assert_eq!(coins(&Instrument::named("X"), "1", None), Err(UnitsError::UnknownKind));
    assert!(spot().premium(Qty(dec("1")), Px(dec("1"))).is_err());
    let huge = "9".repeat(30);
    assert_eq!(spot().value(Qty(dec(&huge)), Px(dec(&huge))), Err(UnitsError::TooLong));
}

proptest! {
    /// Against whole numbers: contracts of 0.01 in thousandths, prices in cents.
    #[test]
    fn linear_value_is_the_product(qty in 0i128..10_000_000, px in 1i128..100_000_000) {
        let linear = instrument(InstType::Futures, "linear", ["0.01", "1"], ["BTC", "USDT"]);
        let (q, p) = (Decimal::from_parts(qty, 3).unwrap(), Decimal::from_parts(px, 2).unwrap());
        let value = linear.value(Qty(q), Px(p)).unwrap().value;
        prop_assert_eq!(value.at_scale(7), Some(qty * px));
        let money = inverse().coins(Qty(q), Some(Px(p))).unwrap();
        // qty/1000 × 100 / (px/100), in units of 10^-8, cut.
        prop_assert_eq!(money.cut(8).unwrap().value.mantissa(), qty * 1_000_000_000 / px);
    }
}
