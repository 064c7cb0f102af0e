//! Announced changes, from rows of text to rows of text.

use super::*;
use proptest::prelude::*;

fn row(text: &str) -> Instrument {
    instrument_from_row(json::parse(text.as_bytes()).unwrap()).unwrap()
}

/// What it says at `ms`, and since when; `None` = what it said before.
fn at(text: &str, ms: u64) -> Option<(u64, String)> {
    let changed = in_force(&row(text), Nanos::from_millis(ms));
    changed.map(|(since, x)| (since.millis(), x.row.into()))
}

fn swap(changes: &str) -> String {
    format!(
        r#"{{"instType":"SWAP","instId":"A-U-SWAP","tickSz":"0.01","lotSz":"1","minSz":"1","upcChg": [{changes}] ,"x":[1]}}"#
    )
}

fn change(param: &str, value: &str, ms: u64) -> String {
    format!(r#"{{"param":"{param}","newValue":"{value}","effTime":"{ms}"}}"#)
}

#[test]
fn a_change_is_in_force_from_its_instant_on_and_listed_no_more() {
    let finer = swap(&change("tickSz", "0.001", 5000));
    assert_eq!(next_change(&row(&finer)), Some(Nanos::from_millis(5000)));
    assert_eq!(at(&finer, 4999), None);
    let after = swap("").replace("0.01", "0.001");
    assert_eq!(at(&finer, 5000), Some((5000, after.clone())));
    assert_eq!(at(&finer, 9000), Some((5000, after.clone())), "late is better than never");
    assert_eq!(next_change(&row(&after)), None);
    let x = in_force(&row(&finer), Nanos::from_millis(5000)).unwrap().1;
    assert_eq!(x.tick_sz.unwrap().to_string(), "0.001");
    assert_eq!(&*x.inst_id, "A-U-SWAP");
}

#[test]
fn several_changes_come_one_after_the_other_whatever_their_order() {
    let (first, second) = (change("tickSz", "0.1", 10), change("tickSz", "0.5", 20));
    let text = swap(&format!("{second},{first}"));
    let between = swap(&second).replace("0.01", "0.1");
    assert_eq!(at(&text, 10), Some((10, between.clone())));
    let end = swap("").replace("0.01", "0.5");
    assert_eq!(at(&between, 20), Some((20, end.clone())));
    assert_eq!(at(&text, 20), Some((20, end)), "both at once, for who was away");
    // There and back: nothing differs, and yet it must not be listed for ever.
    let back = swap(&format!("{first},{}", change("tickSz", "0.01", 20)));
    assert_eq!(at(&back, 30), Some((20, swap(""))));
}

#[test]
fn a_least_order_of_contracts_brings_its_step_with_it() {
    let text = swap(&change("minSz", "10", 5));
    let both = swap("").replace(r#""1""#, r#""10""#);
    assert_eq!(at(&text, 5), Some((5, both)));
    let spot = text.replace("SWAP", "SPOT");
    let one = swap("").replace("SWAP", "SPOT").replace(r#""minSz":"1""#, r#""minSz":"10""#);
    assert_eq!(at(&spot, 5), Some((5, one)));
}

#[test]
fn what_is_no_change_does_nothing() {
    let nothing = [
        change("tickSz", "0.01", 5),
        change("tickSz", "0", 5),
        change("tickSz", "-0.1", 5),
        change("tickSz", "soon", 5),
        change("instId", "5", 5),
        r#"{"param":"tickSz","newValue":"0.1","effTime":""}"#.to_owned(),
        r#"{"param":"tickSz","effTime":"5"}"#.to_owned(),
        r#"{"param":"tickSz"}"#.to_owned(),
        "7".to_owned(),
    ];
    for text in nothing {
        assert_eq!((next_change(&row(&swap(&text))), at(&swap(&text), 9)), (None, None), "{text}");
    }
    assert_eq!(in_force(&Instrument::named("A"), Nanos(u64::MAX)), None);
    // A neighbour that cannot be read stays.
    let odd = swap(&format!("7,{}", change("lotSz", "0.5", 5)));
    let after = swap("7").replace(r#""lotSz":"1""#, r#""lotSz":"0.5""#);
    assert_eq!(at(&odd, 5), Some((5, after)));
}

proptest! {
    /// Going through every instant one after the other, or being away and coming back, ends in the
    /// same steps; and nothing that is over is still to come.
    #[test]
    fn the_way_does_not_matter(
        changes in prop::collection::vec((0usize..3, 1u32..5, 1u64..9), 0..6),
        instants in prop::collection::btree_set(0u64..10, 1..6),
    ) {
        let names = ["tickSz", "lotSz", "minSz"];
        let list: Vec<String> =
            changes.iter().map(|(p, v, ms)| change(names[*p], &v.to_string(), *ms)).collect();
        let text = swap(&list.join(",")).replace("SWAP", "SPOT");
        let end = Nanos::from_millis(*instants.iter().next_back().unwrap());
        let mut walked = row(&text);
        for ms in instants {
            if let Some((since, x)) = in_force(&walked, Nanos::from_millis(ms)) {
                prop_assert!(since.millis() <= ms);
                walked = x;
            }
        }
        let jumped = in_force(&row(&text), end).map_or(row(&text), |(_, x)| x);
        prop_assert_eq!(walked.tick_sz, jumped.tick_sz);
        prop_assert_eq!(walked.lot_sz, jumped.lot_sz);
        prop_assert_eq!(walked.min_sz, jumped.min_sz);
        prop_assert!(next_change(&walked).is_none_or(|at| at > end));
        prop_assert!(next_change(&jumped).is_none_or(|at| at > end));
    }
}
