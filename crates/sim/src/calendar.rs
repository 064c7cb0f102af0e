//! Days, dates and the opening times of bars.
//!
//! The instrument table computes expiries from here and the candle code its bars. Pure
//! arithmetic on Unix time; UTC+8 has no summer time. Multi-day bars (2D, 3D, 5D) count from the
//! epoch in their zone: OKX documents no phase, so a client must take `ts` from the wire.

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLI: u64 = 1_000_000;
/// Nanoseconds in a minute.
pub const MINUTE: u64 = 60 * SECOND;
/// Nanoseconds in an hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Nanoseconds in a day.
pub const DAY: u64 = 24 * HOUR;

/// Year, month and day of a day number (days since 1970-01-01).
pub fn civil(day: u64) -> (u64, u64, u64) {
    // Howard Hinnant, "chrono-compatible low-level date algorithms"; days after 1970 only.
    let z = day + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// The day number of a date; months past 12 roll into the following years.
pub fn day_number(year: u64, month: u64, day: u64) -> u64 {
    let year = year + (month - 1) / 12;
    let month = (month - 1) % 12 + 1;
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let yoe = y % 400;
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// `YYMMDD` of a day number, with the civil year.
pub fn yymmdd(day: u64) -> String {
    let (y, m, d) = civil(day);
    format!("{:02}{m:02}{d:02}", y % 100)
}

/// The first Friday that is at least `days` days after `ns`, as a day number.
pub fn friday_after(ns: u64, days: u64) -> u64 {
    let day = ns / DAY + days;
    // Day 0 was a Thursday.
    day + (1 + 7 - day % 7) % 7
}

/// The last Friday of the quarter that ends at least `days` days after `ns`.
pub fn quarter_friday(ns: u64, days: u64) -> u64 {
    let (y, m, _) = civil(ns / DAY + days);
    let mut month = m.div_ceil(3) * 3;
    loop {
        let last = day_number(y, month + 1, 1) - 1;
        let friday = last - (last + 7 - 1) % 7;
        if friday >= ns / DAY + days {
            return friday;
        }
        month += 3;
    }
}

/// How long a bar is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Span {
    /// A fixed number of seconds that divides a day.
    Seconds(u64),
    /// A number of days.
    Days(u64),
    /// Weeks that begin on Monday.
    Week,
    /// A number of calendar months.
    Months(u64),
}

/// One row of the table of bars (section 3.4 of the protocol notes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bar {
    /// The suffix of the channel name, for example `1m` or `1Dutc`.
    pub name: &'static str,
    span: Span,
    /// Whether the bar aligns to UTC; all others align to UTC+8.
    utc: bool,
    /// Whether `candle` has it on the WebSocket.
    pub on_candle: bool,
    /// Whether `mark-price-candle` has it.
    pub on_mark: bool,
    /// Whether `index-candle` has it.
    pub on_index: bool,
    /// Whether `sprd-candle` has it.
    pub on_sprd: bool,
    /// Whether REST `candles` has it.
    pub on_rest: bool,
    /// Whether REST `history-candles` has it.
    pub on_history: bool,
}

const fn bar(name: &'static str, span: Span, utc: bool) -> Bar {
    Bar { on_rest: true, on_history: true, ..ws_only(name, span, utc) }
}

const fn ws_only(name: &'static str, span: Span, utc: bool) -> Bar {
    let (on_rest, on_history) = (false, false);
    let (on_candle, on_mark, on_index, on_sprd) = (true, true, true, true);
    Bar { name, span, utc, on_candle, on_mark, on_index, on_sprd, on_rest, on_history }
}

const HOURS: u64 = 3_600;

static BARS: &[Bar] = &[
    Bar {
        on_mark: false,
        on_index: false,
        on_sprd: false,
        on_history: true,
        ..ws_only("1s", Span::Seconds(1), true)
    },
    bar("1m", Span::Seconds(60), true),
    bar("3m", Span::Seconds(180), true),
    bar("5m", Span::Seconds(300), true),
    bar("15m", Span::Seconds(900), true),
    bar("30m", Span::Seconds(1_800), true),
    bar("1H", Span::Seconds(HOURS), true),
    bar("2H", Span::Seconds(2 * HOURS), true),
    bar("4H", Span::Seconds(4 * HOURS), true),
    bar("6H", Span::Seconds(6 * HOURS), false),
    bar("12H", Span::Seconds(12 * HOURS), false),
    bar("1D", Span::Days(1), false),
    bar("2D", Span::Days(2), false),
    bar("3D", Span::Days(3), false),
    ws_only("5D", Span::Days(5), false),
    bar("1W", Span::Week, false),
    bar("1M", Span::Months(1), false),
    bar("3M", Span::Months(3), false),
    bar("6Hutc", Span::Seconds(6 * HOURS), true),
    bar("12Hutc", Span::Seconds(12 * HOURS), true),
    bar("1Dutc", Span::Days(1), true),
    bar("2Dutc", Span::Days(2), true),
    bar("3Dutc", Span::Days(3), true),
    ws_only("5Dutc", Span::Days(5), true),
    bar("1Wutc", Span::Week, true),
    bar("1Mutc", Span::Months(1), true),
    bar("3Mutc", Span::Months(3), true),
    Bar {
        on_candle: false,
        on_index: false,
        on_sprd: false,
        ..ws_only("1Yutc", Span::Months(12), true)
    },
];

impl Bar {
    /// The bar of that name; names are case-sensitive.
    pub fn named(name: &str) -> Option<Self> {
        BARS.iter().find(|bar| bar.name == name).copied()
    }

    /// Whether REST has it of marks and indices; fewer than of trades.
    pub fn is_priced(self, history: bool) -> bool {
        let few = matches!(self.span, Span::Days(n) if n > 1);
        let quarters = self.span == Span::Months(3);
        if history { self.on_history && !few && !quarters } else { self.on_rest && !few }
    }

    /// When the bar that contains `ns` opens.
    pub fn open(self, ns: u64) -> u64 {
        let shift = if self.utc { 0 } else { 8 * HOUR };
        let local = ns + shift;
        let day = local / DAY;
        let open = match self.span {
            Span::Seconds(s) => local - local % (s * SECOND),
            Span::Days(n) => (day - day % n) * DAY,
            // Day 4 was the first Monday.
            Span::Week => (day - (day + 7 - 4) % 7) * DAY,
            Span::Months(n) => {
                let (y, m, _) = civil(day);
                day_number(y, m - (m - 1) % n, 1) * DAY
            }
        };
        open.saturating_sub(shift)
    }

    /// When the bar that opens at `open_ns` ends, which is when the next one opens.
    pub fn end(self, open_ns: u64) -> u64 {
        let shift = if self.utc { 0 } else { 8 * HOUR };
        match self.span {
            Span::Seconds(s) => open_ns + s * SECOND,
            Span::Days(n) => open_ns + n * DAY,
            Span::Week => open_ns + 7 * DAY,
            Span::Months(n) => {
                let (y, m, _) = civil((open_ns + shift) / DAY);
                day_number(y, m + n, 1) * DAY - shift
            }
        }
    }

    /// How far apart the bars' starts can be sampled to rebuild history, at most an hour.
    pub fn sample(self) -> u64 {
        match self.span {
            Span::Seconds(s) if s < 60 => SECOND,
            Span::Seconds(s) if s <= HOURS => MINUTE,
            Span::Seconds(_) | Span::Days(_) => HOUR,
            Span::Week | Span::Months(_) => DAY,
        }
    }
}
