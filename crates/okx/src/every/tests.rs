//! What `all` comes to, on a small list of instruments.

use super::*;
use crate::plan::plan;

fn instrument(id: &str, kind: &str, family: &str) -> Arc<Instrument> {
    let mut x = Instrument::named(id);
    x.inst_type = Some(InstType::parse(kind));
    x.state = "live".into();
    x.inst_family = family.into();
    let uly = family.split('_').next().unwrap_or_default();
    x.uly = uly.into();
    Arc::new(x)
}

fn listed() -> Catalogue {
    let mut catalogue = Catalogue::new();
    for (id, kind, family) in [
        ("ADA-USD-SWAP", "SWAP", "ADA-USD"),
        ("BTC-ABOVE-DAILY-261130-1600-91000", "EVENTS", ""),
        ("BTC-USD-261225", "FUTURES", "BTC-USD"),
        ("BTC-USD-261225-90000-C", "OPTION", "BTC-USD"),
        ("BTC-USDT", "SPOT", ""),
        ("BTC-USDT-SWAP", "SWAP", "BTC-USDT"),
        ("ETH-USD-261225-3000-C", "OPTION", "ETH-USD"),
    ] {
        assert!(catalogue.apply_row(&instrument(id, kind, family)));
    }
    catalogue
}

const ANSWER: &[u8] = br#"{"code":"0","msg":"","data":[
    {"sprdId":"A_B","state":"live","legs":[{"instId":"A"},{"instId":"B"}]},
    {"sprdId":"GONE_B","state":"expired","legs":[]},
    {"state":"live"},
    {"sprdId":"BTC-USDT_BTC-USDT-SWAP","state":"live",
     "legs":[{"instId":"BTC-USDT","side":"sell"},{"instId":"BTC-USDT-SWAP","side":"buy"}]}]}"#;

fn keys(every: &Every, channel: &str) -> Vec<String> {
    let of = every.subscriptions.iter().filter(|s| *s.channel == *channel);
    of.map(|s| s.key.to_string()).collect()
}

#[test]
fn every_channel_has_a_key_that_suits_it_or_a_reason() {
    let catalogue = listed();
    let asked = ["BTC-USDT", "BTC-USDT-SWAP"].map(|id| Arc::clone(catalogue.get(id).unwrap()));
    let every = every(&asked, &catalogue, &spreads(ANSWER), false);
    for (channel, expected) in [
        ("books", &["BTC-USDT", "BTC-USDT-SWAP"][..]),
        ("mark-price", &["BTC-USDT-SWAP"]),
        ("call-auction-details", &["BTC-USDT"]),
        ("opt-summary", &["BTC-USD"]),
        ("option-trades", &["OPTION,instFamily=BTC-USD"]),
        (
            "estimated-price",
            &[
                "EVENTS,instId=BTC-ABOVE-DAILY-261130-1600-91000",
                "FUTURES,instFamily=BTC-USD",
                "OPTION,instFamily=BTC-USD",
            ],
        ),
        ("liquidation-orders", &["FUTURES", "OPTION", "SWAP"]),
        ("event-contract-markets", &["EVENTS"]),
        ("index-tickers", &["BTC-USDT"]),
        ("sprd-books5", &["BTC-USDT_BTC-USDT-SWAP"]),
        ("status", &[""]),
        ("mark-price-candle1Yutc", &["BTC-USDT-SWAP"]),
        ("books-l2-tbt", &[]),
        ("books-elp", &[]),
    ] {
        assert_eq!(keys(&every, channel), expected, "{channel}");
    }
    let left: Vec<&str> = every.left_out.iter().map(|left| left.channel).collect();
    assert_eq!(left, ["books-l2-tbt", "books50-l2-tbt", "books-elp", "economic-calendar"]);
    assert!(every.left_out[2].why.contains("2026-10-31"), "{:?}", every.left_out);
    let asked: Vec<_> = every.subscriptions.iter().cloned().collect();
    assert_eq!(plan(&asked).map(|plan| plan.subscriptions()), Ok(asked.len()));
    let served: BTreeSet<&str> = asked.iter().map(|s| &*s.channel).collect();
    assert_eq!(served.len() + left.len(), channel::names().count());
}

#[test]
fn what_the_venue_does_not_list_is_left_out_in_words() {
    let mut catalogue = Catalogue::new();
    catalogue.apply_row(&instrument("ETH-USDT", "SPOT", ""));
    let asked = [Arc::clone(catalogue.get("ETH-USDT").unwrap())];
    let every = every(&asked, &catalogue, &[], true);
    let why = |name: &str| {
        let found = every.left_out.iter().find(|left| left.channel == name);
        found.map_or("", |left| left.why.as_str())
    };
    assert_eq!(why("opt-summary"), "the venue lists no OPTION instrument");
    assert_eq!(why("sprd-tickers"), "the venue lists no spread");
    assert_eq!(why("tickers"), "");
    assert_eq!(keys(&every, "economic-calendar"), [""], "credentials open it");
    assert_eq!(keys(&every, "books50-l2-tbt"), ["ETH-USDT"]);
    assert!(why("books-l2-tbt").contains("exclude"), "{:?}", every.left_out);
}

#[test]
fn an_answer_that_is_none_names_no_spread() {
    for body in [&b""[..], b"{}", b"<html>", br#"{"data":{}}"#, br#"{"data":[1,[],{}]}"#] {
        assert_eq!(spreads(body), []);
    }
}
