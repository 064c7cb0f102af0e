//! The torture rack itself: that it finds what is there and says the same twice.

use super::*;

mod seek;

fn options(faults: &str, lives: u64, threads: usize) -> Options {
    Options {
        seed: 7,
        lives,
        steps: 600,
        faults: FaultProfile::named(faults).unwrap(),
        without: Vec::new(),
        instruments: 3,
        threads,
    }
}

#[test]
fn the_same_options_say_the_same_whatever_the_threads() {
    let one = run(&options("mixed", 4, 1));
    let two = run(&options("mixed", 4, 3));
    assert_eq!(one.text(), two.text());
    assert_eq!(one.json(), two.json());
    assert!(one.failure.is_none(), "{}", one.text());
}

#[test]
fn every_profile_is_survived_and_something_is_compared() {
    for info in FaultProfile::all() {
        let report = run(&options(info.name, 2, 2));
        assert!(report.failure.is_none(), "{}", report.text());
        assert!(report.counts.get(counts::Figure::BooksCompared) > 0, "{}", report.text());
        assert!(report.counts.get(counts::Figure::RowsCompared) > 0, "{}", report.text());
    }
}

#[test]
fn every_kind_of_fault_can_be_left_out() {
    for info in FaultProfile::all().iter().filter(|i| !["none", "mixed"].contains(&i.name)) {
        assert!(kinds().any(|kind| kind == info.name), "{}", info.name);
        let mut options = options(info.name, 1, 1);
        options.without.push(info.name.into());
        let calm = FaultProfile { name: info.name, ..FaultProfile::none() };
        assert_eq!(life_options(&options, 1).faults, calm);
    }
}
