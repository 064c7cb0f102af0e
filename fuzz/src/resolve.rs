//! What people type for an instrument: always an answer, and an answer that holds.
//!
//! The bytes are the spelling; the catalogue is the project's own test data.

use crate::seeds;
use market_data_okx::catalogue::{Catalogue, ResolveError};
use std::sync::OnceLock;

/// The instruments of the test data.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let mut catalogue = Catalogue::new();
        for (kind, body) in seeds::INSTRUMENTS {
            let path = format!("/api/v5/public/instruments?instType={kind}");
            catalogue.apply_response(&path, 200, body.as_bytes()).expect("the test data is good");
        }
        catalogue
    })
}

/// See the file's first comment.
pub fn run(bytes: &[u8]) {
    let spelling = String::from_utf8_lossy(bytes);
    let catalogue = catalogue();
    let is_pattern = spelling.contains(['*', '?']);
    match catalogue.resolve(&spelling) {
        Ok(found) => {
            assert!(!found.is_empty(), "an empty answer to {spelling:?}");
            assert!(is_pattern || found.len() == 1, "{} answers to {spelling:?}", found.len());
            assert!(found.windows(2).all(|w| w[0].inst_id < w[1].inst_id), "order of {spelling:?}");
            for x in &found {
                assert_eq!(catalogue.get(&x.inst_id), Some(x), "not of the catalogue");
                let own = catalogue.resolve(&x.inst_id).expect("an id is a spelling");
                assert_eq!(own, std::slice::from_ref(x), "an id resolves to itself");
            }
        }
        Err(error) => refused(&spelling, &error),
    }
}

fn refused(spelling: &str, error: &ResolveError) {
    let names = match error {
        ResolveError::Unknown { suggestions, .. } => suggestions,
        ResolveError::Ambiguous { candidates, .. } => {
            assert!(candidates.len() > 1, "one candidate for {spelling:?} is an answer");
            candidates
        }
        _ => &Vec::new(),
    };
    for name in names {
        assert!(catalogue().get(name).is_some(), "{name:?} is suggested for {spelling:?}");
    }
    assert!(!error.to_string().is_empty());
}
