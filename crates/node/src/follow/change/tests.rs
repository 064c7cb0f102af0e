//! What a change of wishes comes to, place by place.

use super::*;
use market_data_model::{InstType, Instrument};
use market_data_okx::channel::Path;
use market_data_okx::limits::DEEP_BOOKS_PER_CONNECTION;
use proptest::prelude::*;
use std::sync::Arc;

fn books(id: &str) -> Subscription {
    Subscription::new("books", id)
}

fn wanted(list: &[Subscription]) -> Wanted {
    Wanted {
        wants: Vec::new(),
        subscriptions: list.iter().cloned().collect(),
        named: BTreeSet::new(),
        turnovers: Turnovers::default(),
    }
}

fn catalogue(ids: &[&str]) -> Catalogue {
    let mut catalogue = Catalogue::new();
    for id in ids {
        let mut x = Instrument::named(id);
        (x.inst_type, x.state) = (Some(InstType::Spot), "live".into());
        catalogue.apply_row(&Arc::new(x));
    }
    catalogue
}

fn follower(loads: &[&[Subscription]]) -> Follower {
    let loads = loads.iter().map(|list| Load::new(Path::Public, list)).collect();
    Follower::new(&[], loads, Turnovers::default())
}

#[test]
fn only_what_differs_moves_and_what_is_empty_is_given_up() {
    let (a, b, c) = (books("A-U"), books("B-U"), books("C-U"));
    let mut follower = follower(&[std::slice::from_ref(&a), std::slice::from_ref(&b)]);
    let change = follower.change(wanted(&[a.clone(), c.clone()]), &Catalogue::new());
    assert_eq!(change.dropped, BTreeMap::from([(1, vec![b])]));
    // The place just emptied is as good as any: no handshake for it.
    let asked = Asked { path: Path::Public, list: vec![c.clone()] };
    assert_eq!(change.added, BTreeMap::from([(1, asked)]));
    assert_eq!((change.kept, follower.give_up_empty()), (1, vec![]));
    let change = follower.change(wanted(std::slice::from_ref(&a)), &Catalogue::new());
    assert_eq!(change.dropped, BTreeMap::from([(1, vec![c.clone()])]));
    assert_eq!((follower.give_up_empty(), follower.give_up_empty()), (vec![1], vec![]));
    // A connection that was given up takes nothing more.
    let full: Vec<_> = (0..DEEP_BOOKS_PER_CONNECTION).map(|n| books(&format!("X{n}"))).collect();
    let all: Vec<_> = [a, c.clone()].into_iter().chain(full).collect();
    let change = follower.change(wanted(&all), &Catalogue::new());
    assert_eq!(change.added.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(follower.change(wanted(&all), &Catalogue::new()).added, BTreeMap::new());
}

#[test]
fn what_a_pattern_has_reached_stays_while_the_pattern_does() {
    let (a, b) = (books("A-USDT"), books("B-USDC"));
    let mut follower = follower(&[&[a.clone(), b.clone()]]);
    let mut want = Want::new(["*-USDT"], ["books"]);
    want.min_turnover_24h = "5".parse().ok();
    let known = catalogue(&["A-USDT", "B-USDC"]);
    // Neither reaches the turnover today, so neither is in the list.
    let change = follower.change(Wanted { wants: vec![want], ..wanted(&[]) }, &known);
    assert_eq!((change.kept, change.dropped), (1, BTreeMap::from([(0, vec![b])])));
    let change = follower.change(wanted(&[]), &known);
    assert_eq!(change.dropped, BTreeMap::from([(0, vec![a])]), "nobody means it any more");
}

proptest! {
    /// Any sequence of wishes: each subscription wanted is on exactly one connection, no other is
    /// on any, and what was wanted before and after has not moved.
    #[test]
    fn every_wish_has_one_home_and_keeps_it(
        wishes in prop::collection::vec(prop::collection::btree_set(0u8..90, 0..90), 1..6),
    ) {
        let mut follower = follower(&[&[]]);
        let mut homes: BTreeMap<Subscription, usize> = BTreeMap::new();
        for ids in wishes {
            let list: Vec<_> = ids.iter().map(|id| books(&format!("X{id:02}"))).collect();
            let change = follower.change(wanted(&list), &Catalogue::new());
            for (home, list) in &change.dropped {
                for one in list {
                    prop_assert_eq!(homes.remove(one), Some(*home));
                }
            }
            prop_assert_eq!(change.kept, homes.len());
            for (home, asked) in &change.added {
                for one in &asked.list {
                    prop_assert_eq!(homes.insert(one.clone(), *home), None);
                }
            }
            prop_assert_eq!(homes.keys().cloned().collect::<Vec<_>>(), list);
            for (home, load) in follower.loads.iter().enumerate() {
                let held: BTreeSet<_> = homes.iter().filter(|(_, at)| **at == home).collect();
                prop_assert_eq!(held.len(), load.subscriptions.len());
                prop_assert_eq!(load.deep, load.subscriptions.len());
                prop_assert!(load.deep <= DEEP_BOOKS_PER_CONNECTION);
            }
            for home in follower.give_up_empty() {
                prop_assert!(homes.values().all(|at| *at != home));
            }
        }
    }
}
