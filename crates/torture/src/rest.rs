//! How bad the REST side of a life is, beyond single errors: refusals, limits, silence, late
//! answers, pages that are cut short, caches that are behind (each answer by another age), and
//! histories that end too early.
//!
//! The pretend exchange answers rightly; this stands between it and the feed, as the caches and
//! the limits of OKX do. `driver.rs` calls [`RestRoad::answer`]. It is bad only where the profile
//! has errors of REST, and until the faults end; only a history that is too short stays so, because
//! time brings nothing back.
//!
//! Invariants: rows are left out or shown as they were earlier, never invented; the chances taken
//! here are of their own stream. Start at [`RestRoad::answer`].

use super::chance::Chance;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
/// One life in so many has nothing but the errors of its profile.
const CALM_EVERY: u64 = 4;
/// How long a client waits for an answer before it says that there is none.
const PATIENCE_NS: u64 = 10 * SECOND;
/// What a driver says of a request without an answer.
const NO_ANSWER: (u16, &str) = (0, "the answer took too long");
const LIMITED: (u16, &str) = (429, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#);

/// The REST side of one life.
#[derive(Clone, Debug)]
pub(super) struct RestRoad {
    chance: Chance,
    /// One request in so many meets each; 0 = never.
    refuses: u64,
    silent: u64,
    late: u64,
    short: u64,
    stale: u64,
    gaps: u64,
    /// One request in so many begins a time in which none is answered.
    dark: u64,
    dark_until: u64,
    /// How far back bars go, and trades, in ns; `None` = as far as the exchange's.
    bars_reach: Option<u64>,
    trades_reach: Option<u64>,
    on: bool,
}

/// An answer on its way.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The HTTP status; 0 = there was none.
    pub(super) status: u16,
    /// The body.
    pub(super) body: String,
    /// How long it takes.
    pub(super) delay_ns: u64,
}

impl RestRoad {
    /// The REST side of the life of this seed; calm if REST never fails in its profile.
    pub(super) fn new(seed: u64, fails: bool) -> RestRoad {
        let mut chance = Chance::new(seed, 17);
        let on = fails && !chance.one_in(CALM_EVERY);
        let mut some = |often: &[u64]| *chance.pick(often);
        let mut road = RestRoad {
            refuses: some(&[0, 12, 4]),
            silent: some(&[0, 0, 25]),
            late: some(&[0, 8, 3]),
            short: some(&[0, 6, 2]),
            stale: some(&[0, 5, 2]),
            gaps: some(&[0, 0, 6]),
            dark: some(&[0, 0, 40]),
            dark_until: 0,
            bars_reach: None,
            trades_reach: None,
            on,
            chance: Chance::new(seed, 19),
        };
        let reach = [0, 2 * SECOND, 30 * SECOND, 300 * SECOND];
        if on && chance.one_in(3) {
            road.bars_reach = Some(*chance.pick(&reach));
        }
        if on && chance.one_in(6) {
            road.trades_reach = Some(*chance.pick(&reach));
        }
        road
    }

    /// The faults end.
    pub(super) fn calm(&mut self) {
        self.on = false;
    }

    /// What becomes of an answer to `path` that was given at `now`.
    pub(super) fn answer(&mut self, now: u64, path: &str, answer: Answer) -> Answer {
        let answer = self.remembered(now, path, answer);
        if !self.on {
            return answer;
        }
        if now < self.dark_until || self.chance.one_in(self.dark) {
            if now >= self.dark_until {
                self.dark_until = now + self.chance.between(10, 90) * SECOND;
            }
            return say(NO_ANSWER, PATIENCE_NS);
        }
        if self.chance.one_in(self.silent) {
            return say(NO_ANSWER, PATIENCE_NS);
        }
        if self.chance.one_in(self.refuses) {
            return say(LIMITED, 20 * MILLI);
        }
        let mut answer = answer;
        if self.chance.one_in(self.late) {
            answer.delay_ns += self.chance.between(100, 12_000) * MILLI;
        }
        if kind(path).is_some() {
            self.cut(now, path, &mut answer);
        }
        answer
    }

    /// A history that ends too early.
    fn remembered(&self, now: u64, path: &str, mut answer: Answer) -> Answer {
        let reach = match kind(path) {
            Some(Kind::Bars) => self.bars_reach,
            Some(Kind::Trades) => self.trades_reach,
            None => None,
        };
        let Some(reach) = reach else { return answer };
        let since = now.saturating_sub(reach) / MILLI;
        keep(&mut answer.body, |_, row| time_of(row).is_none_or(|time| time >= since));
        answer
    }

    /// Caches: an answer may be as of some time ago, may end early, may have holes.
    fn cut(&mut self, now: u64, path: &str, answer: &mut Answer) {
        if self.chance.one_in(self.stale) {
            let then = now.saturating_sub(self.chance.between(1, 40_000) * MILLI) / MILLI;
            keep(&mut answer.body, |_, row| time_of(row).is_none_or(|time| time < then));
            if kind(path) == Some(Kind::Bars) && self.chance.one_in(2) {
                unfinish(&mut answer.body);
            }
        }
        if self.chance.one_in(self.short) {
            let most = self.chance.below(8) as usize;
            keep(&mut answer.body, |n, _| n < most);
        }
        if self.chance.one_in(self.gaps) {
            let chance = &mut self.chance;
            keep(&mut answer.body, |_, _| !chance.one_in(3));
        }
    }
}

fn say((status, body): (u16, &str), delay_ns: u64) -> Answer {
    Answer { status, body: body.to_owned(), delay_ns }
}

/// What rows an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bars,
    Trades,
}

/// Of the requests whose rows are fetched because they never came.
fn kind(path: &str) -> Option<Kind> {
    let name = path.split('?').next().and_then(|path| path.strip_prefix("/api/v5/market/"))?;
    match name {
        "trades" | "history-trades" => Some(Kind::Trades),
        name if name.ends_with("candles") => Some(Kind::Bars),
        _ => None,
    }
}

/// Keeps some rows of an answer, by their number and text.
fn keep(body: &mut String, mut wanted: impl FnMut(usize, &str) -> bool) {
    let Some((head, data, tail)) = parts(body) else { return };
    let kept: Vec<&str> = rows(data)
        .into_iter()
        .enumerate()
        .filter(|(n, row)| wanted(*n, row))
        .map(|(_, row)| row)
        .collect();
    *body = format!("{head}{}{tail}", kept.join(","));
}

/// The newest bar is shown as it was before it ended.
fn unfinish(body: &mut String) {
    let Some((head, data, tail)) = parts(body) else { return };
    let mut all: Vec<String> = rows(data).into_iter().map(str::to_owned).collect();
    if let Some(first) = all.first_mut()
        && let Some(cells) = first.strip_suffix("\"1\"]")
    {
        *first = format!("{cells}\"0\"]");
    }
    *body = format!("{head}{}{tail}", all.join(","));
}

/// What stands before the rows, the rows, and what stands behind.
fn parts(body: &str) -> Option<(&str, &str, &str)> {
    const DATA: &str = "\"data\":[";
    let at = body.find(DATA)? + DATA.len();
    let end = body.rfind(']').filter(|end| *end >= at)?;
    Some((&body[..at], &body[at..end], &body[end..]))
}

/// The rows of a list, each an object or a list without nested text that has brackets.
fn rows(data: &str) -> Vec<&str> {
    let (mut rows, mut depth, mut from) = (Vec::new(), 0u32, 0);
    for (at, byte) in data.bytes().enumerate() {
        match byte {
            b'[' | b'{' => {
                if depth == 0 {
                    from = at;
                }
                depth += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    rows.push(&data[from..=at]);
                }
            }
            _ => {}
        }
    }
    rows
}

/// The time in a row, in ms: the first cell of a bar, `ts` of a trade.
fn time_of(row: &str) -> Option<u64> {
    let rest = match row.strip_prefix("[\"") {
        Some(rest) => rest,
        None => &row[row.find("\"ts\":\"")? + "\"ts\":\"".len()..],
    };
    rest.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARS: &str =
        r#"{"code":"0","msg":"","data":[["3000","5","1"],["2000","5","1"],["1000","5","1"]]}"#;

    #[test]
    fn rows_are_left_out_and_none_is_changed() {
        let mut body = BARS.to_owned();
        keep(&mut body, |n, _| n < 2);
        assert_eq!(body, r#"{"code":"0","msg":"","data":[["3000","5","1"],["2000","5","1"]]}"#);
        keep(&mut body, |_, row| time_of(row) == Some(2000));
        assert_eq!(body, r#"{"code":"0","msg":"","data":[["2000","5","1"]]}"#);
        unfinish(&mut body);
        assert_eq!(body, r#"{"code":"0","msg":"","data":[["2000","5","0"]]}"#);
        let mut trades = r#"{"data":[{"tradeId":"2","ts":"7"},{"tradeId":"1","ts":"6"}]}"#.into();
        keep(&mut trades, |_, row| time_of(row) == Some(6));
        assert_eq!(trades, r#"{"data":[{"tradeId":"1","ts":"6"}]}"#);
        let mut html = "<html>".to_owned();
        keep(&mut html, |_, _| false);
        assert_eq!(html, "<html>");
    }

    #[test]
    fn a_history_that_is_too_short_stays_so_and_all_else_ends_with_the_faults() {
        let mut road = RestRoad { bars_reach: Some(0), ..RestRoad::new(1, true) };
        road.calm();
        let given = Answer { status: 200, body: BARS.to_owned(), delay_ns: 5 };
        let path = "/api/v5/market/history-candles?instId=B-U&bar=1s";
        let got = road.answer(9 * SECOND, path, given.clone());
        assert_eq!((got.status, got.delay_ns), (200, 5));
        assert_eq!(got.body, r#"{"code":"0","msg":"","data":[]}"#);
        let got = road.answer(9 * SECOND, "/api/v5/market/trades?instId=B-U", given);
        assert_eq!(got.body, BARS);
    }
}
