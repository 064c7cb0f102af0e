//! `candle*`, `mark-price-candle*`, `index-candle*` and `sprd-candle*`: every bar OKX has, on
//! `/business`.
//!
//! ```json
//! {"arg":{"channel":"candle1m","instId":"BTC-USDT"},
//!  "data":[["1785096000000","67500","67510.1","67490","67505.2","12.5","843815.0","843815.0","0"]]}
//! ```
//! Trade bars are `[ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm]`, mark and index bars
//! `[ts,o,h,l,c,confirm]`, bars of spreads `[ts,o,h,l,c,vol,confirm]`: `confirm` is at 8, 5 or 6.
//! Bars of 6 hours and more open on UTC+8 boundaries unless their name ends in `utc`. The phase of
//! multi-day bars is undocumented, so the open time is taken from the wire and only the length is
//! computed.
//!
//! Case matters: `1m` is a minute, `1M` a month. Start at [`BARS`] and [`decode`].

use super::read;
use super::{BASE, ChannelSpec, Form, KeyKind, Path};
use crate::json::Raw;
use market_data_model::time::{DAY_MS, civil, days};
use market_data_model::{Bar, BarKind};

/// How long a bar lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Always the same time.
    Millis(i64),
    /// Calendar months, in the bar's own zone.
    Months(i64),
}

/// One bar size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarSpec {
    /// OKX's suffix, for example `1Dutc`.
    pub suffix: &'static str,
    /// The user's spelling, for example `1d@utc`.
    pub interval: &'static str,
    /// How long it lasts.
    pub span: Span,
    /// The zone of its boundaries, milliseconds east of UTC.
    pub zone_ms: i64,
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const UTC8: i64 = 8 * HOUR;

const fn size(suffix: &'static str, interval: &'static str, span: Span, zone_ms: i64) -> BarSpec {
    BarSpec { suffix, interval, span, zone_ms }
}

/// Every bar size (docs and captures, `docs/okx.md` table of bars, read 2026-11-23).
pub const SIZES: &[BarSpec] = &[
    size("1s", "1s", Span::Millis(1000), 0),
    size("1m", "1m", Span::Millis(MINUTE), 0),
    size("3m", "3m", Span::Millis(3 * MINUTE), 0),
    size("5m", "5m", Span::Millis(5 * MINUTE), 0),
    size("15m", "15m", Span::Millis(15 * MINUTE), 0),
    size("30m", "30m", Span::Millis(30 * MINUTE), 0),
    size("1H", "1h", Span::Millis(HOUR), 0),
    size("2H", "2h", Span::Millis(2 * HOUR), 0),
    size("4H", "4h", Span::Millis(4 * HOUR), 0),
    size("6H", "6h", Span::Millis(6 * HOUR), UTC8),
    size("12H", "12h", Span::Millis(12 * HOUR), UTC8),
    size("1D", "1d", Span::Millis(DAY_MS), UTC8),
    size("2D", "2d", Span::Millis(2 * DAY_MS), UTC8),
    size("3D", "3d", Span::Millis(3 * DAY_MS), UTC8),
    size("5D", "5d", Span::Millis(5 * DAY_MS), UTC8),
    size("1W", "1w", Span::Millis(7 * DAY_MS), UTC8),
    size("1M", "1M", Span::Months(1), UTC8),
    size("3M", "3M", Span::Months(3), UTC8),
    size("6Hutc", "6h@utc", Span::Millis(6 * HOUR), 0),
    size("12Hutc", "12h@utc", Span::Millis(12 * HOUR), 0),
    size("1Dutc", "1d@utc", Span::Millis(DAY_MS), 0),
    size("2Dutc", "2d@utc", Span::Millis(2 * DAY_MS), 0),
    size("3Dutc", "3d@utc", Span::Millis(3 * DAY_MS), 0),
    size("5Dutc", "5d@utc", Span::Millis(5 * DAY_MS), 0),
    size("1Wutc", "1w@utc", Span::Millis(7 * DAY_MS), 0),
    size("1Mutc", "1M@utc", Span::Months(1), 0),
    size("3Mutc", "3M@utc", Span::Months(3), 0),
    size("1Yutc", "1y@utc", Span::Months(12), 0),
];

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    a.len() == b.len() && i == a.len()
}

const DERIVATIVES: &[&str] = &["SWAP", "FUTURES", "OPTION"];

const fn bar(name: &'static str, suffix: &str, kind: BarKind) -> ChannelSpec {
    let mut i = 0;
    while !same(SIZES[i].suffix, suffix) {
        i += 1;
    }
    let key = match kind {
        BarKind::Index => KeyKind::Index,
        BarKind::Spread => KeyKind::Spread,
        _ => KeyKind::InstId,
    };
    ChannelSpec {
        name,
        path: Path::Business,
        key,
        // The bar of the moment comes on subscribing (captures); of spreads there are none.
        first_ns: if let BarKind::Spread = kind { None } else { Some(crate::limits::FIRST_NS) },
        kinds: if let BarKind::Mark = kind { DERIVATIVES } else { &[] },
        cadence: "at most every second while it forms",
        form: Form::Bar(kind, &SIZES[i]),
        ..BASE
    }
}

/// Writes the three families of names beside each other, so that no suffix is forgotten in one.
macro_rules! bars {
    (trade: $($trade:literal)*; all: $($all:literal)*; mark: $($mark:literal)*) => {
        &[
            $(bar(concat!("candle", $trade), $trade, BarKind::Trade),)*
            $(bar(concat!("candle", $all), $all, BarKind::Trade),)*
            $(bar(concat!("mark-price-candle", $all), $all, BarKind::Mark),)*
            $(bar(concat!("index-candle", $all), $all, BarKind::Index),)*
            $(bar(concat!("sprd-candle", $all), $all, BarKind::Spread),)*
            $(bar(concat!("mark-price-candle", $mark), $mark, BarKind::Mark),)*
        ]
    };
}

/// Every bar channel.
pub const BARS: &[ChannelSpec] = bars! {
    trade: "1s";
    all: "1m" "3m" "5m" "15m" "30m" "1H" "2H" "4H" "6H" "12H" "1D" "2D" "3D" "5D" "1W" "1M" "3M"
         "6Hutc" "12Hutc" "1Dutc" "2Dutc" "3Dutc" "5Dutc" "1Wutc" "1Mutc" "3Mutc";
    mark: "1Yutc"
};

impl BarSpec {
    /// When the bar that opened at `open_ms` ends, which is when the next one opens.
    pub fn close_ms(&self, open_ms: u64) -> u64 {
        let open = i64::try_from(open_ms).unwrap_or(i64::MAX);
        let close = match self.span {
            Span::Millis(ms) => open.saturating_add(ms),
            Span::Months(months) => {
                let local = open.saturating_add(self.zone_ms);
                let (year, month, day) = civil(local.div_euclid(DAY_MS));
                days(year, month + months, day)
                    .saturating_mul(DAY_MS)
                    .saturating_add(local.rem_euclid(DAY_MS))
                    .saturating_sub(self.zone_ms)
            }
        };
        u64::try_from(close).unwrap_or(open_ms)
    }
}

/// Reads one row. Rows of 2022 end before `volCcyQuote` and `confirm` (captured 2022-06): these are
/// `None` then.
///
/// # Errors
/// In words, when the row is too short, or a time or price is missing or not a number.
pub fn decode(row: Raw<'_>, kind: BarKind, spec: &'static BarSpec) -> Result<Bar, String> {
    let is_old = match kind {
        BarKind::Trade => row.items().count() == 7,
        BarKind::Mark | BarKind::Index => row.items().count() == 5,
        BarKind::Spread => false,
    };
    let mut cells = row.items();
    let mut next = |name: &str| cells.next().ok_or_else(|| format!("{name} is missing"));
    let open_ms = read::whole("ts", next("ts")?)?;
    if open_ms == 0 || open_ms > u64::MAX / 1_000_000 {
        return Err(format!("ts is {open_ms}: not a time"));
    }
    let mut px = |name: &str| read::required(name, read::px(name, next(name)?)?);
    let (open, high, low, close) = (px("o")?, px("h")?, px("l")?, px("c")?);
    let mut bar = Bar {
        kind,
        interval: spec.interval,
        open_ms,
        close_ms: spec.close_ms(open_ms),
        open,
        high,
        low,
        close,
        volume: None,
        volume_ccy: None,
        volume_quote: None,
        closed: None,
        state: None,
        filled: None,
        flow: None,
    };
    if matches!(kind, BarKind::Trade | BarKind::Spread) {
        bar.volume = read::qty("vol", next("vol")?)?;
    }
    if kind == BarKind::Trade {
        bar.volume_ccy = read::qty("volCcy", next("volCcy")?)?;
    }
    if is_old {
        return Ok(bar);
    }
    if kind == BarKind::Trade {
        bar.volume_quote = read::qty("volCcyQuote", next("volCcyQuote")?)?;
    }
    let confirm = next("confirm")?;
    bar.closed = match &*read::word(confirm) {
        "0" => Some(false),
        "1" => Some(true),
        _ => return Err(format!("confirm is {}: neither 0 nor 1", confirm.as_str())),
    };
    Ok(bar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::find;
    use crate::json;

    fn at(year: i64, month: i64, day: i64, hour: i64) -> u64 {
        u64::try_from(days(year, month, day) * DAY_MS + hour * HOUR).unwrap()
    }

    fn spec(suffix: &str) -> &'static BarSpec {
        SIZES.iter().find(|s| s.suffix == suffix).unwrap()
    }

    #[test]
    fn months_are_counted_in_the_bars_own_zone() {
        // A UTC+8 month opens at 16:00 UTC on the last day of the month before.
        assert_eq!(spec("1M").close_ms(at(2026, 1, 31, 16)), at(2026, 2, 28, 16));
        assert_eq!(spec("1M").close_ms(at(2024, 1, 31, 16)), at(2024, 2, 29, 16));
        assert_eq!(spec("3M").close_ms(at(2026, 9, 30, 16)), at(2026, 12, 31, 16));
        assert_eq!(spec("1Mutc").close_ms(at(2026, 12, 1, 0)), at(2027, 1, 1, 0));
        assert_eq!(spec("1Yutc").close_ms(at(2024, 1, 1, 0)), at(2025, 1, 1, 0));
        assert_eq!(spec("1D").close_ms(at(2026, 11, 22, 16)), at(2026, 11, 23, 16));
    }

    #[test]
    fn bug_class_6_confirm_is_at_8_5_or_6() {
        let trade = br#"["1785096000000","1","2","0.5","1.50","12.5","8.0","9.0","1"]"#;
        let Form::Bar(kind, size) = find("candle1m").unwrap().form else { panic!("not a bar") };
        let bar = decode(json::parse(trade).unwrap(), kind, size).unwrap();
        assert_eq!(bar.closed, Some(true));
        assert_eq!(bar.close_ms, 1_785_096_060_000);
        assert_eq!(bar.volume_quote.unwrap().to_string(), "9.0");
        let mark = br#"["1785096000000","1","2","0.5","1.50","1"]"#;
        let Form::Bar(kind, size) = find("mark-price-candle1m").unwrap().form else { panic!() };
        let bar = decode(json::parse(mark).unwrap(), kind, size).unwrap();
        assert!(bar.closed == Some(true) && bar.volume.is_none());
    }

    #[test]
    fn bars_of_spreads_have_one_volume() {
        let row = br#"["1785096000000","-8.5","2","-9","1.50","45247","0"]"#;
        let Form::Bar(kind, size) = find("sprd-candle1D").unwrap().form else { panic!() };
        let bar = decode(json::parse(row).unwrap(), kind, size).unwrap();
        assert_eq!((bar.open.to_string(), bar.closed), ("-8.5".into(), Some(false)));
        assert_eq!(bar.volume.unwrap().to_string(), "45247");
        assert!(bar.volume_ccy.is_none() && bar.volume_quote.is_none());
    }

    #[test]
    fn a_short_row_is_refused() {
        let Form::Bar(kind, size) = find("candle1m").unwrap().form else { panic!("not a bar") };
        let row = json::parse(br#"["1785096000000","1","2","0.5","1.50","1"]"#).unwrap();
        assert_eq!(decode(row, kind, size).unwrap_err(), "volCcy is missing");
        let row = json::parse(br#"["1785096000000","1","2","0.5","1.50","12.5","8"]"#).unwrap();
        let bar = decode(row, kind, size).unwrap();
        assert_eq!((bar.closed, bar.volume_quote), (None, None));
        let row = json::parse(br#"{"ts":"1"}"#).unwrap();
        assert_eq!(decode(row, kind, size).unwrap_err(), "ts is missing");
    }

    #[test]
    fn every_size_of_the_table_is_there() {
        assert_eq!(BARS.len(), 27 + 26 + 27 + 26);
        assert!(find("mark-price-candle1Yutc").is_some() && find("candle1Yutc").is_none());
        assert!(find("index-candle1s").is_none());
    }
}
