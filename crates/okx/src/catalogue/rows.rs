//! One instrument row of OKX, as REST and the `instruments` channel send it.
//!
//! Called for every row of every list; must never fail on a value, only on a row that is no object.
//!
//! Invariant: the row's own text is kept byte for byte, so what is not understood is not lost.
//!
//! `{"instType":"SWAP","instId":"BTC-USD-SWAP","ctVal":"100","instIdCode":10458,"expTime":"",…}`

use crate::json::{Kind, Raw};
use market_data_model::time::MILLI;
use market_data_model::{Decimal, InstType, Instrument, Nanos, Qty};

/// Reads one row. Blank, absent and unusable values become `None` (or empty text).
///
/// # Errors
/// A text that shows the value, when it is not a JSON object.
pub fn instrument_from_row(row: Raw<'_>) -> Result<Instrument, String> {
    if row.kind() != Kind::Object {
        return Err(format!("not an object: {}", cut(row.as_str())));
    }
    let mut instrument = Instrument::named("");
    for (key, value) in row.fields() {
        set(&mut instrument, &key, value);
    }
    instrument.row = row.as_str().into();
    Ok(instrument)
}

fn set(x: &mut Instrument, key: &str, value: Raw<'_>) {
    match key {
        "instId" => x.inst_id = text(value),
        "instType" => x.inst_type = Some(text(value)).filter(|t| !t.is_empty()).map(kind),
        "state" => x.state = text(value),
        "instFamily" => x.inst_family = text(value),
        "uly" => x.uly = text(value),
        "baseCcy" => x.base_ccy = text(value),
        "quoteCcy" => x.quote_ccy = text(value),
        "settleCcy" => x.settle_ccy = text(value),
        "ctValCcy" => x.ct_val_ccy = text(value),
        "ctType" => x.ct_type = text(value),
        "ctVal" => x.ct_val = decimal(value),
        "ctMult" => x.ct_mult = decimal(value),
        "tickSz" => x.tick_sz = decimal(value),
        "lotSz" => x.lot_sz = decimal(value).map(Qty),
        "minSz" => x.min_sz = decimal(value).map(Qty),
        "listTime" => x.list_time = time(value),
        "expTime" => x.exp_time = time(value),
        "instIdCode" => x.inst_id_code = value.integer(),
        _ => {}
    }
}

fn kind(text: Box<str>) -> InstType {
    InstType::parse(&text)
}

fn text(value: Raw<'_>) -> Box<str> {
    value.text().unwrap_or_default().into()
}

/// A number, also one that OKX should one day send without its quotes.
fn decimal(value: Raw<'_>) -> Option<Decimal> {
    match value.kind() {
        Kind::String => Decimal::parse(value.text()?.as_bytes()).ok(),
        Kind::Number => Decimal::parse(value.as_str().as_bytes()).ok(),
        _ => None,
    }
}

/// Milliseconds since 1970; blank, 0 and what does not fit are absent.
pub(super) fn time(value: Raw<'_>) -> Option<Nanos> {
    let ms = u64::try_from(value.integer()?).ok()?;
    (ms > 0 && ms <= u64::MAX / MILLI).then(|| Nanos::from_millis(ms))
}

/// The start of a text, for messages.
pub(super) fn cut(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
