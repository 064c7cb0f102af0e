//! What REST said to a feed about the trades and bars that it asked for: by it the judge knows
//! whether something could have been had that a feed says nobody has.
//!
//! `judge.rs` notes every answer; `bars.rs` and `refill.rs` ask. It reads paths and answers with a
//! reader of its own. Start at [`Looks::note`].

use super::json::Json;
use std::collections::BTreeSet;

/// Answers that bring nothing before something counts as nowhere to be had.
const LOOKS_MIN: usize = 4;
/// Requests without an answer after which nobody need ask again.
const REFUSALS_MIN: usize = 12;
/// Answers that are remembered of a key.
const REMEMBERED: usize = 1_024;

/// A REST answer as a feed is given it.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// What was asked for.
    pub path: &'a str,
    /// The HTTP status; 0 = no answer came.
    pub status: u16,
    /// The body.
    pub body: &'a str,
}

/// One answer.
#[derive(Clone, Debug)]
struct Look {
    /// The first and the last of what was asked for.
    range: (u64, u64),
    said: Said,
    /// What of it was there: ids of trades, opening times of finished bars.
    held: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Rows,
    /// An error that may pass, or nothing.
    Later,
    /// An error that will not.
    Never,
}

/// The answers about one key since its gap opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks(Vec<Look>);

/// Which key an answer is about: the channel, or how its name begins, and the instrument.
pub(super) fn about(path: &str) -> Option<(String, String)> {
    let (name, query) = path.strip_prefix("/api/v5/market/")?.split_once('?')?;
    let key = parameter(query, "instId").or_else(|| parameter(query, "sprdId"))?;
    let of = match name {
        "trades" | "history-trades" => return Some(("trades".to_owned(), key.to_owned())),
        "candles" | "history-candles" => "candle",
        "mark-price-candles" | "history-mark-price-candles" => "mark-price-candle",
        "index-candles" | "history-index-candles" => "index-candle",
        "sprd-candles" | "sprd-history-candles" => "sprd-candle",
        _ => return None,
    };
    Some((format!("{of}{}", parameter(query, "bar")?), key.to_owned()))
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

impl Looks {
    /// Notes an answer.
    pub(super) fn note(&mut self, answered: &Answered<'_>) {
        let Some((_, query)) = answered.path.split_once('?') else { return };
        let number = |name| parameter(query, name).and_then(|text| text.parse::<u64>().ok());
        let json = Json::parse(answered.body);
        let code = json.as_ref().map_or("", |json| json.text("code"));
        let said = match (answered.status, code) {
            (200, "0") => Said::Rows,
            (_, "51000" | "51001" | "50014") => Said::Never,
            _ => Said::Later,
        };
        // Both bounds are exclusive; of trades only the upper one is said, the page says the rest.
        let last = number("after").map_or(u64::MAX, |after| after.saturating_sub(1));
        let page = number("limit").filter(|_| answered.path.contains("/history-trades"));
        let first = match (number("before"), page) {
            (Some(before), _) => before + 1,
            (None, Some(page)) => last.saturating_sub(page.saturating_sub(1)),
            (None, None) => 0,
        };
        let rows = json.as_ref().and_then(|json| json.get("data")).map_or(&[][..], Json::list);
        let held = rows.iter().filter(|_| said == Said::Rows).filter_map(name_of).collect();
        if self.0.len() == REMEMBERED {
            self.0.remove(0);
        }
        self.0.push(Look { range: (first, last), said, held });
    }

    /// Whether there were none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its gaps are closed.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Whether nobody answered, or not to that question: then nothing is known.
    pub(super) fn in_vain(&self) -> bool {
        let count = |said| self.0.iter().filter(|look| look.said == said).count();
        count(Said::Never) > 0 || count(Said::Later) >= REFUSALS_MIN
    }

    /// Why this one must not be said to be nowhere; `None` when that is right.
    pub(super) fn had(&self, one: u64) -> Option<String> {
        let of: Vec<&Look> =
            self.0.iter().filter(|look| look.range.0 <= one && one <= look.range.1).collect();
        // The newest page is asked for on account of one hole, and may hold what another misses.
        let asked = |look: &&&Look| look.range != (0, u64::MAX);
        if of.iter().filter(asked).any(|look| look.held.contains(&one)) {
            return Some("an answer held it".to_owned());
        }
        let count = |said| of.iter().filter(|look| look.said == said).count();
        let (rows, later) = (count(Said::Rows), count(Said::Later));
        let enough = count(Said::Never) > 0 || rows >= LOOKS_MIN || later >= REFUSALS_MIN;
        (!enough).then(|| format!("there were only {rows} answers and {later} refusals"))
    }
}

/// The id of a trade, or the opening time of a finished bar.
fn name_of(row: &Json) -> Option<u64> {
    match row.list() {
        [] => row.text("tradeId").parse().ok(),
        [open, .., confirm] if confirm.plain() == "1" => open.plain().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str =
        "/api/v5/market/history-candles?instId=B-U&bar=1m&after=301&before=99&limit=300";

    fn told(looks: &mut Looks, status: u16, body: &str) {
        looks.note(&Answered { path: PATH, status, body });
    }

    #[test]
    fn what_an_answer_held_is_somewhere() {
        assert_eq!(about(PATH), Some(("candle1m".into(), "B-U".into())));
        let mut looks = Looks::default();
        told(&mut looks, 200, r#"{"code":"0","data":[["200","1","0"],["100","1","1"]]}"#);
        assert_eq!(looks.had(100).as_deref(), Some("an answer held it"));
        assert!(looks.had(200).is_some_and(|why| why.contains("only 1 answers")));
        (0..3).for_each(|_| told(&mut looks, 200, r#"{"code":"0","data":[]}"#));
        assert_eq!(looks.had(200), None);
        // Nobody asked for that.
        assert!(looks.had(400).is_some());
    }

    #[test]
    fn refusals_are_no_looks() {
        let mut looks = Looks::default();
        (0..11).for_each(|_| told(&mut looks, 429, ""));
        told(&mut looks, 200, r#"{"code":"0","data":[]}"#);
        assert!(looks.had(100).is_some());
        told(&mut looks, 200, r#"{"code":"51001","data":[]}"#);
        assert_eq!(looks.had(100), None);
    }
}
