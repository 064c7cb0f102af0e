//! Captured REST bodies through the catalogue: nothing refused, no number's text changed.
//!
//! Texts and numbers are read a second time by serde_json, which shares no code with the reader
//! under test. Skips with a line on stderr where the captures are not at hand.
#![allow(clippy::unwrap_used)]

use market_data_model::{Decimal, InstType, Instrument};
use market_data_okx::catalogue::{Catalogue, ResolveError};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The captured bodies, by file name; `None` where the captures are not at hand.
fn bodies() -> Option<Vec<(String, Vec<u8>)>> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    let corpus = std::env::var_os("OKX_CORPUS").map_or_else(beside, PathBuf::from);
    let folder = corpus.join("rest/api_v5_public_instruments");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no captures here; set OKX_CORPUS to their folder");
        return None;
    };
    let mut bodies: Vec<_> = files
        .map(|file| file.unwrap())
        .map(|f| (f.file_name().into_string().unwrap(), std::fs::read(f.path()).unwrap()))
        .collect();
    bodies.sort();
    assert!(!bodies.is_empty(), "an empty folder proves nothing");
    Some(bodies)
}

/// The path that a captured file answers: `…__instType-SWAP.json`, `…_swap.json`.
fn path(name: &str) -> String {
    let kinds = ["SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"];
    let kind = kinds.iter().find(|k| name.to_uppercase().contains(*k)).unwrap();
    format!("/api/v5/public/instruments?instType={kind}")
}

fn rows(body: &[u8]) -> Vec<Box<RawValue>> {
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).unwrap();
    serde_json::from_str(fields.remove("data").unwrap().get()).unwrap()
}

/// Every value of the row that reads like a decimal number survives; says how many there were.
fn numbers_survive(row: &str, instrument: &Instrument) -> usize {
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(row).unwrap();
    let text = |name: &str| fields.get(name).and_then(|v| v.as_str()).unwrap_or_default();
    let mut numbers = 0;
    for value in fields.values() {
        let number = value.as_str().filter(|v| {
            v.starts_with(|c: char| c == '-' || c.is_ascii_digit())
                && v.chars().all(|c| c == '-' || c == '.' || c.is_ascii_digit())
        });
        if let Some(number) = number {
            assert_eq!(number.parse::<Decimal>().unwrap().to_string(), number, "{row}");
            numbers += 1;
        }
    }
    let typed = [
        ("ctVal", instrument.ct_val),
        ("ctMult", instrument.ct_mult),
        ("tickSz", instrument.tick_sz),
        ("lotSz", instrument.lot_sz.map(|q| q.0)),
        ("minSz", instrument.min_sz.map(|q| q.0)),
    ];
    for (name, value) in typed {
        assert_eq!(value.map(|v| v.to_string()).unwrap_or_default(), text(name), "{name} of {row}");
    }
    for (name, value) in [("listTime", instrument.list_time), ("expTime", instrument.exp_time)] {
        let printed = value.map(|t| t.millis().to_string()).unwrap_or_default();
        assert_eq!(printed, text(name), "{name} of {row}");
    }
    let code = fields.get("instIdCode").and_then(serde_json::Value::as_i64);
    assert_eq!(instrument.inst_id_code, code, "{row}");
    for (name, value) in [
        ("instId", &instrument.inst_id),
        ("state", &instrument.state),
        ("instFamily", &instrument.inst_family),
        ("uly", &instrument.uly),
        ("baseCcy", &instrument.base_ccy),
        ("quoteCcy", &instrument.quote_ccy),
        ("settleCcy", &instrument.settle_ccy),
        ("ctValCcy", &instrument.ct_val_ccy),
        ("ctType", &instrument.ct_type),
    ] {
        assert_eq!(&**value, text(name), "{name} of {row}");
    }
    assert_eq!(instrument.inst_type.as_ref().map_or("", InstType::as_str), text("instType"));
    numbers
}

#[test]
fn every_captured_body_parses_and_keeps_every_text() {
    let Some(bodies) = bodies() else { return };
    let (mut rows_seen, mut numbers) = (0, 0);
    for (name, body) in &bodies {
        let mut catalogue = Catalogue::new();
        let applied = catalogue.apply_response(&path(name), 200, body).unwrap();
        assert!(applied.faults.is_empty(), "{name}: {:?}", applied.faults);
        assert!(applied.follow_up.is_empty());
        let rows = rows(body);
        assert_eq!((applied.rows, applied.changed.len()), (rows.len(), rows.len()), "{name}");
        assert_eq!(catalogue.iter().count(), rows.len(), "{name}");
        for (row, instrument) in rows.iter().zip(&applied.changed) {
            assert_eq!(row.get(), &*instrument.row, "{name}");
            numbers += numbers_survive(row.get(), instrument);
        }
        rows_seen += rows.len();
        let again = catalogue.apply_response(&path(name), 200, body).unwrap();
        assert!(again.changed.is_empty(), "{name} changed by itself");
    }
    eprintln!("{} bodies, {rows_seen} rows, {numbers} numbers", bodies.len());
}

#[test]
fn captured_instruments_answer_to_their_spellings() {
    let Some(bodies) = bodies() else { return };
    let mut catalogue = Catalogue::new();
    for (name, body) in bodies.iter().filter(|(name, _)| name.contains("production")) {
        catalogue.apply_response(&path(name), 200, body).unwrap();
    }
    let spot = catalogue.get("BTC-USDT").unwrap();
    assert_eq!(spot.inst_type, Some(InstType::Spot), "not its MARGIN twin");
    let (mut spellings, mut ambiguous) = (0, Vec::new());
    for x in catalogue.iter().filter(|x| x.is_subscribable()) {
        let id = &x.inst_id;
        let found = catalogue.resolve(&format!("{id}.OKX")).unwrap();
        assert_eq!(found, std::slice::from_ref(x));
        // The slow ones for a tenth of the list.
        if x.inst_id_code.unwrap_or(0) % 10 != 0 {
            continue;
        }
        for spelling in [id.to_lowercase(), x.symbol(), ccxt(x)] {
            spellings += 1;
            match catalogue.resolve(&spelling) {
                Ok(found) => assert_eq!(found, std::slice::from_ref(x), "{spelling}"),
                Err(ResolveError::Ambiguous { candidates, .. }) => {
                    assert!(candidates.contains(&id.to_string()), "{spelling}: {candidates:?}");
                    ambiguous.push(spelling);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    eprintln!("{spellings} spellings, ambiguous: {ambiguous:?}");
    assert!(ambiguous.is_empty(), "{ambiguous:?}");
    let swaps = catalogue.resolve("*-USDT-SWAP").unwrap();
    assert!(swaps.len() > 100 && swaps.is_sorted_by_key(|x| x.inst_id.clone()));
}

/// OKX merged its dollar spot markets into USDC on 2026-09-30: what meant a spot market must not
/// come to mean a perpetual.
#[test]
fn a_delisted_pair_is_not_taken_for_another_market() {
    let Some(bodies) = bodies() else { return };
    let mut catalogue = Catalogue::new();
    for (name, body) in bodies.iter().filter(|(name, _)| name.contains("production")) {
        catalogue.apply_response(&path(name), 200, body).unwrap();
    }
    let resolve = |catalogue: &Catalogue| {
        catalogue.resolve("BTCUSD").map(|x| x[0].inst_id.to_string()).map_err(|e| e.to_string())
    };
    assert_eq!(resolve(&catalogue), Ok("BTC-USD".to_owned()));
    let mut gone = Instrument::clone(catalogue.get("BTC-USD").unwrap());
    gone.row = gone.row.replace("\"live\"", "\"expired\"").into();
    gone.state = "expired".into();
    assert!(catalogue.apply_row(&gone.into()));
    assert_eq!(
        resolve(&catalogue).unwrap_err(),
        "\"BTCUSD\" can mean BTC-USD-SWAP, BTC-USD_UM-SWAP; write one of these ids"
    );
}

/// ccxt's spelling; the expiry is taken from the id here, the other way than the code goes.
fn ccxt(x: &Instrument) -> String {
    if x.inst_type == Some(InstType::Events) {
        return x.inst_id.to_string();
    }
    if !x.base_ccy.is_empty() {
        return format!("{}/{}", x.base_ccy, x.quote_ccy);
    }
    let pair = x.uly.replace('-', "/");
    let end = x.inst_id.strip_prefix(&*x.inst_family).unwrap();
    let end = if end == "-SWAP" { "" } else { end };
    format!("{pair}:{}{end}", x.settle_ccy)
}
