//! What the catalogue makes of lists, of rows and of people's spellings.

use super::*;
use market_data_model::time::SECOND;
use proptest::prelude::*;

fn row(text: &str) -> Arc<Instrument> {
    Arc::new(instrument_from_row(json::parse(text.as_bytes()).unwrap()).unwrap())
}

fn body(rows: &[&str]) -> Vec<u8> {
    format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, rows.join(",")).into_bytes()
}

fn spot(base: &str, quote: &str) -> String {
    format!(
        concat!(
            r#"{{"instType":"SPOT","instId":"{base}-{quote}","baseCcy":"{base}","#,
            r#""quoteCcy":"{quote}","state":"live"}}"#
        ),
        base = base,
        quote = quote
    )
}

fn contract(kind: &str, family: &str, end: &str, settle: &str, more: &str) -> String {
    let uly = family.split('_').next().unwrap();
    format!(
        concat!(
            r#"{{"instType":"{kind}","instId":"{family}{end}","instFamily":"{family}","#,
            r#""uly":"{uly}","settleCcy":"{settle}","state":"live"{more}}}"#
        ),
        kind = kind,
        family = family,
        end = end,
        uly = uly,
        settle = settle,
        more = more
    )
}

/// BTC as OKX lists it: spot, three perpetuals, futures, options; 1798185600000 is 2026-12-25.
fn bitcoin() -> Catalogue {
    let date = r#","expTime":"1798185600000""#;
    let call = format!(r#"{date},"stk":"50000","optType":"C""#);
    let rows = [
        spot("BTC", "USDT"),
        spot("ETH", "USDT"),
        contract("SWAP", "BTC-USDT", "-SWAP", "USDT", ""),
        contract("SWAP", "BTC-USD", "-SWAP", "BTC", ""),
        contract("SWAP", "BTC-USD_UM", "-SWAP", "USDⓈ", ""),
        contract("SWAP", "PEPE-USDT", "-SWAP", "USDT", ""),
        contract("FUTURES", "BTC-USD", "-261225", "BTC", date),
        contract("FUTURES", "BTC-USD_UM", "-261225", "USD", date),
        contract("OPTION", "BTC-USD", "-261225-50000-C", "BTC", &call),
        r#"{"instType":"SPOT","instId":"LISTING-SPOT-SLX-USDT","state":"preopen"}"#.to_owned(),
        r#"{"instType":"SWAP","instId":"SOON-USDT-SWAP","state":"preopen"}"#.to_owned(),
    ];
    let mut catalogue = Catalogue::new();
    for text in rows {
        assert!(catalogue.apply_row(&row(&text)));
    }
    catalogue
}

#[test]
fn odd_values_are_absent_and_stay_in_the_row() {
    let text = r#"{ "instId":"A-B","instType":"NEWKIND","state":"post_only","tickSz":"1e-8",
        "lotSz":0.10,"minSz":"","ctVal":null,"instIdCode":"2021032621970843","listTime":"",
        "expTime":"0","lever":"7.5","upcChg":[{"param":"tickSz"}] }"#;
    let x = row(text);
    assert_eq!(&*x.row, text);
    assert_eq!(x.inst_type, Some(InstType::Other("NEWKIND".into())));
    assert_eq!((&*x.state, x.tick_sz, x.min_sz, x.ct_val), ("post_only", None, None, None));
    assert_eq!(x.lot_sz.map(|q| q.to_string()), Some("0.10".to_owned()));
    assert_eq!((x.list_time, x.exp_time), (None, None));
    assert_eq!(x.inst_id_code, Some(2021032621970843));
    let x = row(r#"{"instIdCode":null,"instId":null,"listTime":1611907686000}"#);
    assert_eq!((&*x.inst_id, x.inst_type.clone(), x.inst_id_code), ("", None, None));
    assert_eq!(x.list_time, Some(Nanos::from_millis(1_611_907_686_000)));
    assert_eq!(row(r#"{"instIdCode":10458}"#).inst_id_code, Some(10458));
    let odd = instrument_from_row(json::parse(b"[1]").unwrap());
    assert_eq!(odd.unwrap_err(), "not an object: [1]");
}

#[test]
fn one_odd_row_spoils_nothing() {
    let mut catalogue = Catalogue::new();
    let path = &Catalogue::requests(&[InstType::Spot])[0];
    let (a, b) = (spot("A", "USDT"), spot("B", "USDT"));
    let applied = catalogue.apply_response(path, 200, &body(&[&a, "null", "7", &b])).unwrap();
    assert_eq!((applied.changed.len(), applied.rows, catalogue.len()), (2, 4, 2));
    assert_eq!(
        applied.faults,
        ["row 1 of SPOT: not an object: null", "row 2 of SPOT: not an object: 7"]
    );
    let many = vec!["0"; 1000];
    let applied = catalogue.apply_response(path, 200, &body(&many)).unwrap();
    assert_eq!(applied.faults.len(), FAULTS_MAX + 1);
}

#[test]
fn only_real_changes_count_and_absence_deletes_nothing() {
    let mut catalogue = Catalogue::new();
    let path = &Catalogue::requests(&[InstType::Spot])[0];
    let (a, b) = (spot("A", "USDT"), spot("B", "USDT"));
    catalogue.apply_response(path, 200, &body(&[&a, &b])).unwrap();
    assert!(catalogue.apply_response(path, 200, &body(&[&a])).unwrap().changed.is_empty());
    assert_eq!(catalogue.len(), 2);
    let turned =
        r#"{"state":"live","quoteCcy":"USDT","baseCcy":"A","instId":"A-USDT","instType":"SPOT"}"#;
    assert!(!catalogue.apply_row(&row(turned)), "another order of fields is no change");
    assert!(!catalogue.apply_row(&Arc::new(Instrument::named("A-USDT"))), "an id adds nothing");
    assert!(catalogue.apply_row(&row(&a.replace("live", "suspend"))));
    assert_eq!(&*catalogue.get("A-USDT").unwrap().state, "suspend");
    assert!(catalogue.apply_row(&row(&a.replace("live", "expired"))));
    assert_eq!(catalogue.len(), 2);
}

#[test]
fn spot_keeps_an_id_that_margin_shares() {
    let margin = spot("A", "USDT").replace("SPOT", "MARGIN");
    let (spot, margin) = (row(&spot("A", "USDT")), row(&margin));
    let mut catalogue = Catalogue::new();
    assert!(catalogue.apply_row(&spot));
    assert!(!catalogue.apply_row(&margin));
    assert_eq!(catalogue.get("A-USDT"), Some(&spot));
    let mut catalogue = Catalogue::new();
    assert!(catalogue.apply_row(&margin));
    assert!(catalogue.apply_row(&spot));
    assert!(!catalogue.apply_row(&margin));
    assert_eq!(catalogue.iter().collect::<Vec<_>>(), [&spot]);
}

#[test]
fn rows_without_an_id_are_kept_apart() {
    let early = |family: &str, list: u64| {
        format!(
            concat!(
                r#"{{"instType":"FUTURES","instId":"","instFamily":"{family}","#,
                r#""listTime":"{list}","state":"preopen"}}"#
            ),
            family = family,
            list = list
        )
    };
    let mut catalogue = Catalogue::new();
    let path = &Catalogue::requests(&[InstType::Futures])[0];
    let rows = [early("BTC-USD", 1), early("BTC-USD", 1), early("ETH-USD", 1)];
    let rows = rows.each_ref().map(String::as_str);
    let applied = catalogue.apply_response(path, 200, &body(&rows)).unwrap();
    assert_eq!((applied.changed.len(), catalogue.len()), (3, 3));
    assert!(catalogue.apply_response(path, 200, &body(&rows)).unwrap().changed.is_empty());
    assert!(!catalogue.apply_row(&row(rows[2])));
    assert!(catalogue.apply_row(&row(&early("SOL-USD", 2))));
    assert_eq!(catalogue.len(), 4);
    assert!(catalogue.get("").is_none());
    assert!(catalogue.resolve("").is_err());
    // The next full list says which of them still have no id.
    catalogue.apply_response(path, 200, &body(&rows[2..])).unwrap();
    assert_eq!(catalogue.len(), 1);
    for n in 0..5000 {
        catalogue.apply_row(&row(&early("X-USD", n)));
    }
    assert!(catalogue.len() <= ANNOUNCED_MAX + 1);
}

#[test]
fn bootstrap_follows_families_and_series() {
    let types = [InstType::Spot, InstType::Option, InstType::Events, InstType::Spot];
    let paths = Catalogue::requests(&types);
    assert_eq!(
        paths,
        [
            "/api/v5/public/instruments?instType=SPOT",
            "/api/v5/public/underlying?instType=OPTION",
            "/api/v5/public/event-contract/series",
        ]
    );
    let mut catalogue = Catalogue::new();
    let listed = br#"{"code":"0","data":[["BTC-USD","ETH-USD",""]],"msg":""}"#;
    let applied = catalogue.apply_response(&paths[1], 200, listed).unwrap();
    let bands = "/api/v5/public/instrument-tick-bands?instType=OPTION";
    let btc = "/api/v5/public/instruments?instType=OPTION&instFamily=BTC-USD";
    let eth = "/api/v5/public/instruments?instType=OPTION&instFamily=ETH-USD";
    assert_eq!(applied.follow_up, [bands, btc, eth]);
    assert_eq!(applied.faults, ["an underlying without a name: \"\""]);
    let listed = body(&[r#"{"instFamily":"BTC-USD_UM"}"#, r#"{"instFamily":"BTC-USD"}"#]);
    let applied = catalogue.apply_response(bands, 200, &listed).unwrap();
    assert_eq!(applied.follow_up, [format!("{btc}_UM")]);
    let listed = body(&[r#"{"seriesId":"A B"}"#, r#"{"seriesId":"A B"}"#, "{}"]);
    let applied = catalogue.apply_response(&paths[2], 200, &listed).unwrap();
    assert_eq!(applied.follow_up, ["/api/v5/public/instruments?instType=EVENTS&seriesId=A%20B"]);
    assert_eq!(applied.faults, ["a series without a name: {}"]);
    // A family that OKX refuses, or tick bands nobody serves, is no reason to stop.
    let refused = br#"{"code":"51000","msg":"Parameter instFamily error","data":[]}"#;
    for path in [btc, bands, &paths[1], &paths[2]] {
        let applied = catalogue.apply_response(path, 200, refused).unwrap();
        assert_eq!((applied.faults.len(), applied.changed.len()), (1, 0));
    }
    assert!(catalogue.apply_response(&paths[0], 200, refused).is_err());
}

#[test]
fn errors_say_what_and_whether_to_try_again() {
    let path = "/api/v5/public/instruments?instType=SPOT";
    let mut catalogue = Catalogue::new();
    let mut get = |path: &str, status: u16, body: &str| {
        let error = catalogue.apply_response(path, status, body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string().contains("try again"), error.retryable);
        error.to_string().replace("GET /api/v5/public/instruments?instType=SPOT: ", "")
    };
    let long = "<html>".repeat(100);
    let texts = [
        get(path, 200, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#),
        get(path, 429, r#"{"code":"51000","msg":"","data":[]}"#),
        get(path, 400, r#"{"code":"51000","msg":"Parameter instType error","data":[]}"#),
        get(path, 0, "connection refused"),
        get(path, 502, &long),
        get(path, 200, ""),
        get(path, 404, "not found"),
        get(path, 200, r#"{"message":"hello"}"#),
        get(path, 200, r#"{"code":"0"}"#),
        get("/api/v5/market/books", 200, "{}"),
    ];
    let wanted = [
        "OKX answered 50011 \"Too Many Requests\" (HTTP 200); try again in a few seconds",
        "OKX answered 51000 \"\" (HTTP 429); try again in a few seconds",
        "OKX answered 51000 \"Parameter instType error\" (HTTP 400); asking again will not help",
        "no answer (connection refused); try again in a few seconds",
        &format!(
            "HTTP 502 with a body that is not JSON (\"{}…\"); try again in a few seconds",
            &long[..80]
        ),
        "HTTP 200 with a body that is not JSON (\"\"); try again in a few seconds",
        "HTTP 404 with a body that is not JSON (\"not found\"); check the REST address",
        "HTTP 200 with a body that is not OKX's (\"{\\\"message\\\":\\\"hello\\\"}\"); try again \
         in a few seconds",
        "HTTP 200 with a body that has no list in it (\"{\\\"code\\\":\\\"0\\\"}\"); try again in a \
         few seconds",
        "GET /api/v5/market/books: no list of instruments is asked for under this path; asking \
         again will not help",
    ];
    assert_eq!(texts, wanted);
}

#[test]
fn dated_contracts_can_be_forgotten_after_their_end() {
    let mut catalogue = bitcoin();
    let delisted = spot("OLD", "USDT").replace("live", r#"expired","expTime":"1"#);
    assert!(catalogue.apply_row(&row(&delisted)));
    let count = catalogue.len();
    let end = Nanos::from_millis(1_798_185_600_000);
    assert_eq!(catalogue.forget_ended(end), 0);
    assert_eq!(catalogue.forget_ended(end + SECOND), 3);
    assert_eq!(catalogue.len(), count - 3);
    assert!(catalogue.get("OLD-USDT").is_some());
}

#[test]
fn bug_class_45_a_swap_that_will_be_delisted_trades_until_it_has_expired() {
    let text = contract("SWAP", "OLD-USDT", "-SWAP", "USDT", r#","expTime":"1798185600000""#);
    let swap = row(&text);
    assert!(swap.exp_time.is_some() && swap.is_subscribable());
    let mut catalogue = Catalogue::new();
    assert!(catalogue.apply_row(&swap));
    let after = Nanos::from_millis(1_798_185_600_000) + SECOND;
    assert_eq!(catalogue.forget_ended(after), 0, "a swap has no delivery");
    assert!(!row(&text.replace("live", "expired")).is_subscribable());
}

#[test]
fn bug_class_53_an_expiry_is_the_venues_instant_and_no_part_of_the_id() {
    // 2027-01-01 is in the last ISO week of 2026.
    let text = contract("FUTURES", "BTC-USD", "-270101", "BTC", r#","expTime":"1798790400000""#);
    assert_eq!(row(&text).exp_time, Some(Nanos::from_millis(1_798_790_400_000)));
}

#[test]
fn people_spell_instruments_in_many_ways() {
    let catalogue = bitcoin();
    let spellings = [
        ("BTC-USDT", "BTC-USDT"),
        (" btc-usdt ", "BTC-USDT"),
        ("BTCUSDT", "BTC-USDT"),
        ("btc_usdt", "BTC-USDT"),
        ("BTC/USDT", "BTC-USDT"),
        ("BTC-USDT.OKX", "BTC-USDT"),
        ("BTC/USDT:USDT", "BTC-USDT-SWAP"),
        ("btc/usdt:usdt", "BTC-USDT-SWAP"),
        ("BTC/USD:BTC", "BTC-USD-SWAP"),
        ("BTC/USD:USD", "BTC-USD_UM-SWAP"),
        ("BTC-USDT-SWAP.okx", "BTC-USDT-SWAP"),
        ("BTCUSDTSWAP", "BTC-USDT-SWAP"),
        ("BTC-USDT-PERP", "BTC-USDT-SWAP"),
        ("BTC-USD-PERP", "BTC-USD-SWAP"),
        ("BTC/USD:BTC-261225", "BTC-USD-261225"),
        ("BTC/USD:USD-261225", "BTC-USD_UM-261225"),
        ("BTC/USD:BTC-261225-50000-C", "BTC-USD-261225-50000-C"),
        ("BTC/USD:BTC-261225-50000.0-c", "BTC-USD-261225-50000-C"),
        ("LISTING-SPOT-SLX-USDT", "LISTING-SPOT-SLX-USDT"),
        ("SOON-USDT-SWAP", "SOON-USDT-SWAP"),
    ];
    for (spelling, id) in spellings {
        let found = catalogue.resolve(spelling);
        assert_eq!(found.map(|x| ids(&x)), Ok(vec![id.to_owned()]), "{spelling}");
    }
    let swaps = ["BTC-USDT-SWAP", "PEPE-USDT-SWAP"].map(str::to_owned).to_vec();
    assert_eq!(ids(&catalogue.resolve("*-usdt-swap").unwrap()), swaps);
    assert_eq!(ids(&catalogue.resolve("*-USDT-SWAP.OKX").unwrap()), swaps);
    assert_eq!(ids(&catalogue.resolve("???-USDT").unwrap()), ["BTC-USDT", "ETH-USDT"]);
}

fn ids(found: &[Arc<Instrument>]) -> Vec<String> {
    found.iter().map(|x| x.inst_id.to_string()).collect()
}

#[test]
fn refused_spellings_say_what_to_write() {
    let catalogue = bitcoin();
    let text = |spelling: &str| catalogue.resolve(spelling).unwrap_err().to_string();
    let texts = [
        text("BTCUSD"),
        text("BTC-USD"),
        text("BTC/USD"),
        text("PEPEUSDT"),
        text("BTC-USDTT"),
        text("BTC/USD:BTC-261225-50000-P"),
        text("BTC/USDT:USDC"),
        text("zzzzzz"),
        text(""),
        text("*-USDC"),
        text("SOON-*"),
    ];
    let wanted = [
        "\"BTCUSD\" can mean BTC-USD-SWAP, BTC-USD_UM-SWAP; write one of these ids",
        "\"BTC-USD\" can mean BTC-USD-SWAP, BTC-USD_UM-SWAP; write one of these ids",
        "\"BTC/USD\" can mean BTC-USD-SWAP, BTC-USD_UM-SWAP; write one of these ids",
        "unknown instrument \"PEPEUSDT\"; did you mean PEPE-USDT-SWAP?",
        "unknown instrument \"BTC-USDTT\"; did you mean BTC-USDT?",
        "unknown instrument \"BTC/USD:BTC-261225-50000-P\"; ids look like BTC-USDT, BTC-USDT-SWAP",
        "unknown instrument \"BTC/USDT:USDC\"; ids look like BTC-USDT, BTC-USDT-SWAP",
        "unknown instrument \"zzzzzz\"; ids look like BTC-USDT, BTC-USDT-SWAP",
        "unknown instrument \"\"; ids look like BTC-USDT, BTC-USDT-SWAP",
        "no instrument fits \"*-USDC\"; ids look like BTC-USDT, BTC-USDT-SWAP",
        "the 1 that fit \"SOON-*\" are not open; name one by its id to wait for it",
    ];
    assert_eq!(texts, wanted);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Coins from a tiny alphabet, so that spellings without dashes collide often.
    #[test]
    fn an_instruments_own_spellings_lead_to_it(
        pairs in prop::collection::btree_set(("[AB]{1,3}", "[AB]{1,3}"), 1..12),
        swaps: bool,
    ) {
        let mut catalogue = Catalogue::new();
        for (base, quote) in &pairs {
            catalogue.apply_row(&row(&spot(base, quote)));
            if swaps {
                let family = format!("{base}-{quote}");
                catalogue.apply_row(&row(&contract("SWAP", &family, "-SWAP", quote, "")));
            }
        }
        for x in catalogue.iter() {
            let one = Ok(vec![Arc::clone(x)]);
            let id = &x.inst_id;
            for spelling in [id.to_string(), id.to_lowercase(), format!("{id}.OKX")] {
                prop_assert_eq!(&catalogue.resolve(&spelling), &one, "{}", spelling);
            }
            let (base, quote) = if x.base_ccy.is_empty() {
                x.uly.split_once('-').unwrap()
            } else {
                (&*x.base_ccy, &*x.quote_ccy)
            };
            let end = if x.settle_ccy.is_empty() { "" } else { &format!(":{}", x.settle_ccy) };
            let ccxt = format!("{base}/{quote}{end}");
            prop_assert_eq!(&catalogue.resolve(&ccxt), &one, "{}", ccxt);
            match catalogue.resolve(&x.symbol()) {
                Ok(found) => prop_assert_eq!(&found, one.as_ref().unwrap()),
                Err(ResolveError::Ambiguous { candidates, .. }) => {
                    prop_assert!(candidates.len() > 1);
                    prop_assert!(candidates.contains(&id.to_string()));
                    // All of them read alike without their dashes.
                    let alike = |c: &String| c.replace('-', "") == x.symbol();
                    prop_assert!(candidates.iter().all(alike));
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn any_body_is_answered(status in 0u16..600, text in "\\PC{0,64}") {
        let mut catalogue = Catalogue::new();
        for path in Catalogue::requests(&[InstType::Spot, InstType::Option, InstType::Events]) {
            let _ = catalogue.apply_response(&path, status, text.as_bytes());
            let wrapped = format!(r#"{{"code":"0","data":[{text}]}}"#);
            let _ = catalogue.apply_response(&path, status, wrapped.as_bytes());
        }
    }
}
