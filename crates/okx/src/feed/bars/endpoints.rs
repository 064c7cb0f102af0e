//! Where OKX serves finished bars over REST, by kind and size (docs, 2026-08-22; the table of bars
//! in `docs/okx.md`).
//!
//! Invariant: what is `None` here is refused by OKX with 51000, so that nobody asks.

use crate::limits;
use market_data_model::BarKind;

/// Where bars of one kind and size are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    /// The newest 1,440.
    recent: Option<&'static str>,
    /// The rest.
    history: Option<&'static str>,
    /// What the instrument is called in the query.
    key: &'static str,
    /// Most rows of an answer.
    pub(super) page: usize,
}

/// Sizes that no endpoint has.
const NOWHERE: [&str; 3] = ["5D", "5Dutc", "1Yutc"];
/// Sizes that marks and indices lack as well.
const NOT_OF_PRICES: [&str; 4] = ["2D", "3D", "2Dutc", "3Dutc"];
/// Sizes that their history lacks.
const NO_HISTORY_OF_PRICES: [&str; 2] = ["3M", "3Mutc"];

/// The endpoints; `None` where OKX has none.
pub(super) fn of(kind: BarKind, suffix: &str) -> Option<Endpoints> {
    let priced = matches!(kind, BarKind::Mark | BarKind::Index);
    if NOWHERE.contains(&suffix) || (priced && NOT_OF_PRICES.contains(&suffix)) {
        return None;
    }
    let (recent, history, key, page) = match kind {
        BarKind::Trade => ("candles", "history-candles", "instId", limits::REST_BARS_MAX),
        BarKind::Mark => (
            "mark-price-candles",
            "history-mark-price-candles",
            "instId",
            limits::REST_PRICE_BARS_MAX,
        ),
        BarKind::Index => {
            ("index-candles", "history-index-candles", "instId", limits::REST_PRICE_BARS_MAX)
        }
        BarKind::Spread => {
            ("sprd-candles", "sprd-history-candles", "sprdId", limits::REST_PRICE_BARS_MAX)
        }
    };
    Some(Endpoints {
        recent: (suffix != "1s").then_some(recent),
        history: (!(priced && NO_HISTORY_OF_PRICES.contains(&suffix))).then_some(history),
        key,
        page,
    })
}

impl Endpoints {
    /// What to ask for the bars from `from` to `to`, both included, of which the first is `near`
    /// the newest. Each try goes to the other endpoint.
    pub(super) fn path(
        &self,
        (key, suffix): (&str, &str),
        (from, to): (u64, u64),
        (near, tries): (bool, u32),
    ) -> String {
        let recent = self.recent.filter(|_| near && tries.is_multiple_of(2));
        let name = recent.or(self.history).or(self.recent).unwrap_or("candles");
        let (before, after, page, of) = (from.saturating_sub(1), to + 1, self.page, self.key);
        // Both are exclusive: `after` means older, `before` newer, and alone gives the newest page.
        format!(
            "/api/v5/market/{name}?{of}={key}&bar={suffix}&after={after}&before={before}\
             &limit={page}"
        )
    }
}
