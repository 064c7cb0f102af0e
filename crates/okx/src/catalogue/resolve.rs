//! What people call instruments, resolved against the list: ids in any case and with or without
//! dashes, ccxt's `BTC/USDT:USDT`, nautilus' `BTC-USDT-SWAP.OKX`, cryptofeed's `BTC-USDT-PERP`, and
//! patterns such as `*-USDT-SWAP`.
//!
//! The shell calls this once per wish, at the start. It must never guess: a spelling that fits two
//! instruments is refused with both, and a bare pair means the spot market or nothing, so that a
//! delisted spot market does not quietly become a perpetual.
//!
//! Invariants: the venue's exact id always wins; nothing is read out of an id that a field of the
//! row says (an id's parts mean different things for each kind).
//!
//! Start at [`Catalogue::resolve`].

use super::Catalogue;
use super::nearest::{nearest, plain};
use crate::json::{self, Raw};
use market_data_model::time::{DAY_MS, civil};
use market_data_model::{Decimal, InstType, Instrument};
use std::fmt;
use std::sync::Arc;

/// How many candidates a message lists.
const LISTED_MAX: usize = 10;

/// Why a spelling names no instrument, or more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// Nothing of that name.
    Unknown {
        /// As given.
        spelling: String,
        /// Up to five ids that resemble it, the best first.
        suggestions: Vec<String>,
    },
    /// More than one instrument of that name.
    Ambiguous {
        /// As given.
        spelling: String,
        /// The ids it may mean, sorted.
        candidates: Vec<String>,
    },
    /// A pattern that fits nothing one can subscribe to.
    Empty {
        /// As given.
        pattern: String,
        /// How many ids it fits that cannot be subscribed to (announced, not open, expired).
        closed: usize,
    },
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolveError::Unknown { spelling, suggestions } if suggestions.is_empty() => {
                write!(f, "unknown instrument {spelling:?}; ids look like BTC-USDT, BTC-USDT-SWAP")
            }
            ResolveError::Unknown { spelling, suggestions } => {
                write!(
                    f,
                    "unknown instrument {spelling:?}; did you mean {}?",
                    suggestions.join(", ")
                )
            }
            ResolveError::Ambiguous { spelling, candidates } => {
                let listed = candidates.len().min(LISTED_MAX);
                write!(f, "{spelling:?} can mean {}", candidates[..listed].join(", "))?;
                if candidates.len() > listed {
                    write!(f, " and {} more", candidates.len() - listed)?;
                }
                f.write_str("; write one of these ids")
            }
            ResolveError::Empty { pattern, closed: 0 } => {
                write!(f, "no instrument fits {pattern:?}; ids look like BTC-USDT, BTC-USDT-SWAP")
            }
            ResolveError::Empty { pattern, closed } => write!(
                f,
                "the {closed} that fit {pattern:?} are not open; name one by its id to wait for it"
            ),
        }
    }
}

impl std::error::Error for ResolveError {}

type Found = Vec<Arc<Instrument>>;

impl Catalogue {
    /// The instruments that `spelling` means: exactly one, or for a pattern (`*` any text, `?` any
    /// character) every one that fits and can be subscribed to, sorted by id.
    ///
    /// # Errors
    /// [`ResolveError`], with ids to choose from.
    pub fn resolve(&self, spelling: &str) -> Result<Found, ResolveError> {
        let asked = spelling.trim();
        if let Some(found) = self.get(asked) {
            return Ok(vec![Arc::clone(found)]);
        }
        let name = without_venue(asked);
        if name.contains(['*', '?']) {
            return self.pattern(spelling, name);
        }
        if let Some(found) = self.get(name) {
            return Ok(vec![Arc::clone(found)]);
        }
        let mut found = self.all(|x| x.inst_id.eq_ignore_ascii_case(name));
        if found.is_empty() {
            found = self.by_terms(name);
        }
        if found.is_empty() {
            found = self.by_letters(name);
        }
        match found.len() {
            0 => Err(self.unknown(spelling, name)),
            1 => Ok(found),
            _ => Err(ambiguous(spelling, &found)),
        }
    }

    /// What fits and has not expired, of these only the open ones unless none is open.
    fn all(&self, fits: impl Fn(&Instrument) -> bool) -> Found {
        let mut found: Found =
            self.by_id.values().filter(|x| &*x.state != "expired" && fits(x)).cloned().collect();
        if found.iter().any(|x| x.is_subscribable()) {
            found.retain(|x| x.is_subscribable());
        }
        found
    }

    /// Spellings that say what they mean: ccxt's, and cryptofeed's for perpetuals.
    fn by_terms(&self, name: &str) -> Found {
        if let Some(terms) = Terms::parse(name) {
            return self.all(|x| terms.mean(x));
        }
        let family = name.len().checked_sub("-PERP".len()).and_then(|at| name.split_at_checked(at));
        match family {
            Some((family, end)) if end.eq_ignore_ascii_case("-PERP") => {
                let family = plain(family);
                self.all(|x| x.inst_type == Some(InstType::Swap) && plain(family_of(x)) == family)
            }
            _ => Found::new(),
        }
    }

    /// An id without its dashes.
    fn by_letters(&self, name: &str) -> Found {
        if name.contains(['/', ':']) {
            return Found::new();
        }
        let letters = plain(name);
        if letters.is_empty() { Found::new() } else { self.all(|x| plain(&x.inst_id) == letters) }
    }

    fn pattern(&self, spelling: &str, pattern: &str) -> Result<Found, ResolveError> {
        let pattern: Vec<char> = pattern.chars().flat_map(char::to_uppercase).collect();
        let fits = |x: &&Arc<Instrument>| {
            let id: Vec<char> = x.inst_id.chars().flat_map(char::to_uppercase).collect();
            glob(&pattern, &id)
        };
        let (open, closed): (Found, Found) =
            self.by_id.values().filter(fits).cloned().partition(|x| x.is_subscribable());
        if open.is_empty() {
            let pattern = spelling.to_owned();
            return Err(ResolveError::Empty { pattern, closed: closed.len() });
        }
        Ok(open)
    }

    /// A bare pair without a spot market is ambiguous between its perpetuals; anything else is
    /// unknown.
    fn unknown(&self, spelling: &str, name: &str) -> ResolveError {
        let letters = plain(name);
        let is_swap = |x: &Instrument| {
            x.inst_type == Some(InstType::Swap)
                && x.is_subscribable()
                && (plain(&x.uly) == letters || plain(&x.inst_family) == letters)
        };
        let swaps = if letters.is_empty() { Found::new() } else { self.all(is_swap) };
        if swaps.len() > 1 {
            return ambiguous(spelling, &swaps);
        }
        let mut open: Vec<&Instrument> =
            self.by_id.values().map(|x| &**x).filter(|x| x.is_subscribable()).collect();
        open.sort_by_key(|x| (prominence(x), x.inst_id.len()));
        let near = nearest(name, open.iter().map(|x| &*x.inst_id));
        let mut suggestions: Vec<String> = ids(&swaps);
        suggestions
            .extend(near.into_iter().map(str::to_owned).filter(|id| !ids(&swaps).contains(id)));
        suggestions.truncate(5);
        ResolveError::Unknown { spelling: spelling.to_owned(), suggestions }
    }
}

/// Whether a spelling or a pattern means this id, when nothing but the id is known: in any case,
/// with or without dashes, with `*` and `?`.
pub fn instrument_fits(spelling: &str, inst_id: &str) -> bool {
    let name = without_venue(spelling.trim());
    if name.contains(['*', '?']) {
        let upper = |text: &str| text.chars().flat_map(char::to_uppercase).collect::<Vec<char>>();
        return glob(&upper(name), &upper(inst_id));
    }
    let (name, id) = (plain(name), plain(inst_id));
    !name.is_empty() && name == id
}

/// Whether a name or a pattern means this channel. Case matters: `candle1m` is a minute,
/// `candle1M` a month.
pub fn channel_fits(name: &str, channel: &str) -> bool {
    let chars = |text: &str| text.chars().collect::<Vec<char>>();
    glob(&chars(name.trim()), &chars(channel))
}

fn ids(found: &[Arc<Instrument>]) -> Vec<String> {
    found.iter().map(|x| x.inst_id.to_string()).collect()
}

fn ambiguous(spelling: &str, found: &[Arc<Instrument>]) -> ResolveError {
    ResolveError::Ambiguous { spelling: spelling.to_owned(), candidates: ids(found) }
}

/// nautilus_trader ends every id with the venue.
fn without_venue(name: &str) -> &str {
    match name.len().checked_sub(".OKX".len()).and_then(|at| name.split_at_checked(at)) {
        Some((rest, end)) if end.eq_ignore_ascii_case(".OKX") => rest,
        _ => name,
    }
}

/// The markets most people mean come first among equally good suggestions.
fn prominence(x: &Instrument) -> (u8, u8) {
    let kind = match x.inst_type {
        Some(InstType::Spot) => 0,
        Some(InstType::Swap) => 1,
        Some(InstType::Futures) => 2,
        _ => 3,
    };
    let coin = if x.quote_ccy.is_empty() { &x.settle_ccy } else { &x.quote_ccy };
    let coin = match &**coin {
        "USDT" => 0,
        "USDC" | "USD" => 1,
        _ => 2,
    };
    (kind, coin)
}

/// The family; captures of 2022 name only the underlying.
fn family_of(x: &Instrument) -> &str {
    if x.inst_family.is_empty() { &x.uly } else { &x.inst_family }
}

/// ccxt's unified symbol: `BTC/USDT`, `BTC/USDT:USDT`, `BTC/USD:BTC-261225`,
/// `BTC/USD:BTC-261225-50000-C`.
struct Terms<'a> {
    base: &'a str,
    quote: &'a str,
    settle: Option<&'a str>,
    date: Option<&'a str>,
    /// Strike and `C` or `P`.
    option: Option<(&'a str, &'a str)>,
}

impl<'a> Terms<'a> {
    fn parse(name: &'a str) -> Option<Terms<'a>> {
        let (base, rest) = name.split_once('/')?;
        let (quote, rest) = match rest.split_once(':') {
            Some((quote, rest)) => (quote, Some(rest)),
            None => (rest, None),
        };
        let mut parts = rest.into_iter().flat_map(|r| r.split('-'));
        let (settle, date) = (parts.next(), parts.next());
        let option = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(strike), Some(right), None) => Some((strike, right)),
            _ => return None,
        };
        Some(Terms { base, quote, settle, date, option })
    }

    fn mean(&self, x: &Instrument) -> bool {
        let Some(settle) = self.settle else {
            let spot = matches!(x.inst_type, Some(InstType::Spot | InstType::Margin));
            return spot && self.is_pair(&x.base_ccy, &x.quote_ccy);
        };
        // OKX wrote USDⓈ for USD in some rows of USD-margined families.
        let own = x.settle_ccy.trim_end_matches('Ⓢ');
        let kind = match (self.date, self.option) {
            (None, _) => InstType::Swap,
            (Some(_), None) => InstType::Futures,
            (Some(_), Some(_)) => InstType::Option,
        };
        x.inst_type == Some(kind)
            && own.eq_ignore_ascii_case(settle.trim_end_matches('Ⓢ'))
            && x.uly.split_once('-').is_some_and(|(base, quote)| self.is_pair(base, quote))
            && self.date.is_none_or(|date| expiry(x).as_deref() == Some(date))
            && self.option.is_none_or(|(strike, right)| is_option(x, strike, right))
    }

    fn is_pair(&self, base: &str, quote: &str) -> bool {
        base.eq_ignore_ascii_case(self.base) && quote.eq_ignore_ascii_case(self.quote)
    }
}

/// The UTC day of delivery as `YYMMDD`.
fn expiry(x: &Instrument) -> Option<String> {
    let days = i64::try_from(x.exp_time?.millis()).ok()?.div_euclid(DAY_MS);
    let (year, month, day) = civil(days);
    Some(format!("{:02}{month:02}{day:02}", year.rem_euclid(100)))
}

/// `"stk":"50000"` and `"optType":"C"` stand only in the row.
fn is_option(x: &Instrument, strike: &str, right: &str) -> bool {
    let Ok(row) = json::parse(x.row.as_bytes()) else { return false };
    let text = |name| row.field(name).and_then(Raw::text);
    let same_strike = match (text("stk").map(|s| Decimal::parse(s.as_bytes())), strike.parse()) {
        (Some(Ok(own)), Ok(asked)) => own.cmp_value(asked).is_eq(),
        _ => false,
    };
    same_strike && text("optType").is_some_and(|own| own.eq_ignore_ascii_case(right))
}

/// Whether `pattern` (`*`, `?`) fits all of `text`; time grows with the product of their lengths.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how much of the text it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    p = at + 1;
                    t = swallowed + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook definition, exponential.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|n| slow(rest, &text[n..])),
            [c, rest @ ..] => {
                text.first().is_some_and(|x| *c == '?' || c == x) && slow(rest, &text[1..])
            }
        }
    }

    #[test]
    fn an_id_alone_fits_its_spellings() {
        for spelling in ["BTC-USDT-SWAP", "btc-usdt-swap", "BTCUSDTSWAP", "*-USDT-SWAP", "btc*"] {
            assert!(instrument_fits(spelling, "BTC-USDT-SWAP"), "{spelling}");
        }
        for spelling in ["BTC-USDT", "", "-", "*-USDC-*", "?"] {
            assert!(!instrument_fits(spelling, "BTC-USDT-SWAP"), "{spelling}");
        }
        assert!(channel_fits("candle*", "candle1m") && channel_fits("candle1m", "candle1m"));
        assert!(!channel_fits("candle1M", "candle1m") && !channel_fits("candle", "candle1m"));
    }

    proptest! {
        #[test]
        fn glob_fits_what_its_definition_fits(pattern in "[AB*?]{0,7}", text in "[AB]{0,8}") {
            let chars = |s: &str| s.chars().collect::<Vec<char>>();
            let (p, t) = (chars(&pattern), chars(&text));
            prop_assert_eq!(glob(&p, &t), slow(&p, &t));
        }

        #[test]
        fn any_spelling_is_answered(spelling in "\\PC{0,24}") {
            let _ = Catalogue::new().resolve(&spelling);
        }
    }
}
