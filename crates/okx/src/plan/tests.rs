//! Properties of plans, their even spread, and the words of refusals.

use super::*;
use proptest::prelude::*;

fn wish(channel: &str, key: &str) -> Subscription {
    Subscription::new(channel, key)
}

fn wishes() -> impl Strategy<Value = Vec<Subscription>> {
    let names: Vec<&'static str> = channel::names()
        .filter(|n| *n != "books-l2-tbt" && channel::find(n).unwrap().key.names_one())
        .collect();
    let wish = (prop::sample::select(names), 0u32..400, prop::bool::weighted(0.6)).prop_map(
        |(name, key, books)| {
            let name = if books { "books" } else { name };
            wish(name, &format!("COIN{key}-USDT"))
        },
    );
    prop::collection::vec(wish, 0..1500)
}

fn check_limits(plan: &Plan) {
    for c in &plan.connections {
        assert!(!c.subscriptions.is_empty());
        assert!(c.deep_books() < 30, "{} deep books", c.deep_books());
        assert!(c.subscriptions.len() <= CHANNELS_PER_CONNECTION_MAX);
        assert!(c.subscriptions.iter().all(|s| spec(s).unwrap().path == c.path));
        assert!(c.subscriptions.is_sorted());
        assert!(c.requests as u32 * 6 <= REQUESTS_PER_HOUR - REQUESTS_RESERVED);
        assert!(c.bytes <= c.requests * REQUEST_BYTES_MAX);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_wish_lands_once_within_limits(
        (wishes, shuffled) in wishes().prop_flat_map(|w| (Just(w.clone()), Just(w).prop_shuffle()))
    ) {
        let made = plan(&wishes).unwrap();
        check_limits(&made);
        let mut landed: Vec<_> =
            made.connections.iter().flat_map(|c| c.subscriptions.clone()).collect();
        landed.sort();
        let wanted: Vec<_> =
            wishes.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        prop_assert_eq!(&landed, &wanted);
        prop_assert_eq!(&made, &plan(&shuffled).unwrap());
        prop_assert_eq!(made.subscriptions(), wanted.len());
        // An instrument stays together on each path.
        for path in [Path::Public, Path::Business] {
            let mut homes: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
            let here = made.connections.iter().enumerate().filter(|(_, c)| c.path == path);
            for (i, c) in here {
                for s in &c.subscriptions {
                    homes.entry(&s.key).or_default().insert(i);
                }
            }
            prop_assert!(homes.values().all(|h| h.len() == 1));
        }
    }
}

#[test]
fn deep_books_are_spread_evenly() {
    let books: Vec<_> = (0..100).map(|i| wish("books", &format!("C{i}-USDT"))).collect();
    let deep: Vec<_> = plan(&books).unwrap().connections.iter().map(|c| c.deep_books()).collect();
    assert_eq!(deep, [25, 25, 25, 25]);
    let pairs: Vec<_> = (0..29)
        .flat_map(|i| ["books", "books-rpi"].map(|c| wish(c, &format!("C{i}-USDT"))))
        .collect();
    let deep: Vec<_> = plan(&pairs).unwrap().connections.iter().map(|c| c.deep_books()).collect();
    assert_eq!(deep, [20, 20, 18], "pairs stay together, so two connections hold only 56");
}

#[test]
fn routes_by_channel_and_counts_requests() {
    let all = [
        wish("candle1m", "BTC-USDT"),
        wish("books", "BTC-USDT"),
        wish("books", "BTC-USDT"),
        wish("instruments", "SPOT"),
        wish("index-candle1D", "BTC-USD"),
    ];
    let made = plan(&all).unwrap();
    let shape: Vec<_> =
        made.connections.iter().map(|c| (c.path, c.subscriptions.len(), c.requests)).collect();
    assert_eq!(shape, [(Path::Public, 2, 1), (Path::Business, 2, 1)]);
    assert_eq!(made.requests(), 2);
    assert_eq!(plan(&[]).unwrap(), Plan::default());
}

#[test]
fn a_thousand_instruments_cost_few_requests() {
    let all: Vec<_> = (0..1000)
        .flat_map(|i| {
            let key = format!("COIN{i:04}-USDT-SWAP");
            ["books", "trades", "tickers"].map(|c| wish(c, &key))
        })
        .collect();
    let made = plan(&all).unwrap();
    check_limits(&made);
    assert_eq!(made.connections.len(), 35);
    assert_eq!(made.connections.iter().map(|c| c.requests).max(), Some(2));
}

#[test]
fn refuses_with_a_way_out() {
    let text = |wishes: &[Subscription]| plan(wishes).unwrap_err().to_string();
    let texts = [
        text(&[wish("book", "BTC-USDT")]),
        text(&[wish("kline_5m", "BTC-USDT")]),
        text(&[wish("candle1h", "BTC-USDT")]),
        text(&[wish("zzzzzzzzz", "BTC-USDT")]),
        text(&[wish("books", "BTC-USDT"), wish("books-l2-tbt", "BTC-USDT")]),
        text(&[wish("books", "")]),
        text(&[wish("books", "BTC USDT")]),
    ];
    let wanted = [
        "unknown channel \"book\"; did you mean books, books5, books-l2-tbt, \
         books50-l2-tbt, books-rpi?",
        "unknown channel \"kline_5m\"; did you mean candle5m, candle1m, candle3m, candle15m, \
         candle5D?",
        "unknown channel \"candle1h\"; did you mean candle1H, candle1s, candle1m, candle2H, \
         candle4H?",
        "unknown channel \"zzzzzzzzz\"; try tickers, trades, books or candle1m",
        "books-l2-tbt and books exclude each other on BTC-USDT: OKX ends one of them (64004); \
         keep one",
        "cannot subscribe to books of \"\": an empty name; give an id such as BTC-USDT",
        "cannot subscribe to books of \"BTC USDT\": spaces and quotes are in no name of OKX's; \
         check the spelling",
    ];
    assert_eq!(texts, wanted);
}

#[test]
fn channel_names_are_as_short_as_counted_on() {
    assert!(channel::names().all(|n| n.len() <= NAME_BYTES_MAX));
}
