//! Whatever a client sends, the exchange answers and goes on.

use market_data_sim::{FromClient, MarketSize};
use proptest::prelude::*;

use crate::rig::{Rig, SECOND, config};

/// Requests that are nearly right.
fn request() -> impl Strategy<Value = String> {
    let word = |words: &'static [&'static str]| proptest::sample::select(words);
    let op = word(&["subscribe", "unsubscribe", "login", "x", ""]);
    let channel = word(&[
        "books",
        "books5",
        "bbo-tbt",
        "books-l2-tbt",
        "books50-l2-tbt",
        "books-rpi",
        "tickers",
        "trades",
        "mark-price",
        "index-tickers",
        "candle1m",
        "instruments",
        "candle",
        "",
    ]);
    let id = word(&["BTC-USDT", "BTC-USD-SWAP", "BTC-USD", "", "\\u0000", "é"]);
    let tail = word(&["", "}", "]", ",{}", "null"]);
    let arg = (channel, id).prop_map(|(channel, id)| {
        format!("{{\"channel\":\"{channel}\",\"instId\":\"{id}\",\"instType\":\"SPOT\"}}")
    });
    let args = proptest::collection::vec(arg, 0..4);
    (op, args, tail).prop_map(|(op, args, tail)| {
        format!("{{\"id\":\"a1\",\"op\":\"{op}\",\"args\":[{}]}}{tail}", args.join(","))
    })
}

fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn requests_never_break_it(
        seed in 0u64..1_000,
        requests in proptest::collection::vec(prop_oneof![request(), ".{0,40}"], 1..12),
        waits in proptest::collection::vec(0u64..40, 12),
    ) {
        let mut rig = Rig::new(config(seed, MarketSize::Small, "mixed"));
        let mut conn = rig.insist("/ws/v5/public");
        rig.login(conn);
        for (text, wait) in requests.iter().zip(waits) {
            rig.exchange.receive(rig.now, conn, FromClient::Text(text));
            rig.run(wait * SECOND / 4);
            if wait == 0 {
                rig.exchange.gone(rig.now, conn);
                conn = rig.insist("/ws/v5/public");
            }
        }
        prop_assert!(rig.exchange.subscriptions(conn).len() <= 48);
    }

    #[test]
    fn rest_always_answers(
        path in "(/api/v5/(market|public)/[a-z-]{0,12})?[?&=%a-zA-Z0-9-]{0,40}",
    ) {
        let mut rig = Rig::small(1);
        let reply = rig.exchange.rest(rig.now, &path);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&reply.body).is_ok());
    }

    #[test]
    fn candle_requests_of_any_size_end(
        bar in proptest::sample::select(vec!["1m", "1H", "1D", "1W", "1M", "3M", "1s"]),
        after in any::<u64>(),
        before in any::<u64>(),
        limit in any::<u64>(),
    ) {
        let mut rig = Rig::small(1);
        let path = format!(
            "/api/v5/market/history-candles?instId=BTC-USDT&bar={bar}&after={after}\
             &before={before}&limit={limit}"
        );
        prop_assert_eq!(rig.exchange.rest(rig.now, &path).status, 200);
    }
}
