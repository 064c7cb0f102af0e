//! The catalogue under arbitrary REST answers and channel rows.
//!
//! The bytes are answers, cut at 0xff: a letter for the path, a letter for the status, the body.
//! Promises: no panic; what an answer changed can be found; an unusable answer changes nothing;
//! the same answer again changes nothing more; follow-ups are paths we take answers to.

use market_data_model::{InstType, Instrument};
use market_data_okx::catalogue::Catalogue;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Ends an answer.
pub const END: u8 = 0xff;

/// See the file's first comment.
pub fn run(bytes: &[u8]) {
    let mut catalogue = Catalogue::new();
    let kinds = ["SPOT", "SWAP", "FUTURES", "OPTION", "EVENTS", "MARGIN"].map(InstType::parse);
    let mut paths = Catalogue::requests(&kinds);
    for answer in bytes.split(|b| *b == END).take(16) {
        let [path, status, body @ ..] = answer else { continue };
        let path = paths[usize::from(path.wrapping_sub(b'a')) % paths.len()].clone();
        let status = match status {
            b'0' => 0,
            b'4' => 404,
            b'5' => 503,
            _ => 200,
        };
        take(&mut catalogue, &path, (status, body), &mut paths);
    }
}

fn take(
    catalogue: &mut Catalogue,
    path: &str,
    (status, body): (u16, &[u8]),
    paths: &mut Vec<String>,
) {
    let before = all(catalogue);
    let applied = match catalogue.apply_response(path, status, body) {
        Ok(applied) => applied,
        Err(error) => {
            assert_eq!(all(catalogue), before, "changed by an error");
            assert!(!error.why.is_empty() && error.path == path, "{error}");
            return;
        }
    };
    let ids: BTreeSet<&str> = applied.changed.iter().map(|x| &*x.inst_id).collect();
    let distinct = ids.len() == applied.changed.len();
    for x in applied.changed.iter().filter(|x| !x.inst_id.is_empty()) {
        let held = catalogue.get(&x.inst_id).expect("what changed can be found");
        assert!(!distinct || held == x, "another row under {:?}", x.inst_id);
        if x.inst_id.trim() == &*x.inst_id {
            let found = catalogue.resolve(&x.inst_id).expect("an id is a spelling of itself");
            assert_eq!(found.len(), 1, "{:?}", x.inst_id);
        }
    }
    let after = all(catalogue);
    assert_eq!(after.len(), catalogue.len(), "len");
    for (id, _) in before.iter().filter(|(id, _)| !id.is_empty()) {
        assert!(catalogue.get(id).is_some(), "{id:?} was forgotten");
    }
    for follow_up in applied.follow_up {
        let mut copy = catalogue.clone();
        let empty = br#"{"code":"0","msg":"","data":[]}"#;
        assert!(copy.apply_response(&follow_up, 200, empty).is_ok(), "{follow_up}");
        assert!(follow_up.bytes().all(|b| b.is_ascii_graphic()), "{follow_up}");
        if paths.len() < 64 {
            paths.push(follow_up);
        }
    }
    let again = catalogue.apply_response(path, status, body).expect("it was taken before");
    assert!(!distinct || again.changed.is_empty() || repeats(body), "the same answer again");
    let held = all(catalogue);
    assert_eq!(held.len(), after.len(), "the same answer again");
}

fn all(catalogue: &Catalogue) -> Vec<(String, Arc<Instrument>)> {
    catalogue.iter().map(|x| (x.inst_id.to_string(), Arc::clone(x))).collect()
}

/// Whether an id may stand there twice with different rows; then each pass changes it twice.
fn repeats(body: &[u8]) -> bool {
    body.windows(6).filter(|w| *w == b"instId").count() > 1 || body.contains(&b'\\')
}
