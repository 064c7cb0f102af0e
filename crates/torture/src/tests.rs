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
        catalogue: false,
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
fn lives_on_the_whole_catalogue_compare_records_of_every_kind_and_say_the_same_twice() {
    let mut options = Options { catalogue: true, steps: 1_500, ..options("mixed", 10, 2) };
    let one = run(&options);
    assert!(one.failure.is_none(), "{}", one.text());
    options.threads = 1;
    assert_eq!(one.text(), run(&options).text());
    assert_eq!(one.counts.get(counts::Figure::CatalogueLives), 10);
    assert!(one.counts.get(counts::Figure::FlatCompared) > 1_000, "{}", one.text());
    assert!(one.counts.get(counts::Figure::ChangesInForce) > 0, "{}", one.text());
    for channel in [
        "funding-rate",
        "index-tickers",
        "instruments",
        "liquidation-orders",
        "mark-price",
        "open-interest",
        "opt-summary",
        "option-trades",
        "price-limit",
        "sprd-public-trades",
        "status",
    ] {
        assert!(one.counts.channels.contains_key(channel), "no {channel}: {}", one.text());
    }
}

#[test]
fn what_is_wrong_without_a_sign_is_found_by_a_second_witness() {
    let report = run(&Options { steps: 4_000, ..options("rot", 6, 2) });
    assert!(report.failure.is_none(), "{}", report.text());
    let figure = |figure| report.counts.get(figure);
    assert!(figure(counts::Figure::RotsTaken) > 2, "{}", report.text());
    assert!(figure(counts::Figure::RotsFound) > 0, "{}", report.text());
    assert!(figure(counts::Figure::WitnessesAgreed) > 50, "{}", report.text());
}

#[test]
fn processes_end_and_what_their_tapes_tell_together_is_the_exchanges_own() {
    use counts::Figure;
    // Of these lives three have processes that are killed.
    let mut options = Options { seed: 17, steps: 1_500, ..options("mixed", 6, 2) };
    let report = run(&options);
    assert!(report.failure.is_none(), "{}", report.text());
    for figure in [Figure::Restarts, Figure::TradesSame, Figure::BarsSame] {
        assert!(report.counts.get(figure) > 0, "{figure:?}: {}", report.text());
    }
    options.without.push("restarts".into());
    assert_eq!(run(&options).counts.get(Figure::Restarts), 0);
}

#[test]
fn many_lives_that_never_had_something_are_not_good() {
    let asked = Options { lives: 200, steps: 4_000, ..options("mixed", 0, 1) };
    let blind = Report { options: asked.clone(), counts: Counts::default(), failure: None };
    assert!(blind.unseen().contains(&"rebuilt_from_trades"), "{}", blind.text());
    assert!(blind.unseen().contains(&"restarts_by_kill"));
    assert!(!blind.is_good());
    let few = Report { options: Options { lives: 199, ..asked }, ..blind };
    assert!(few.is_good(), "{}", few.text());
}

#[test]
fn some_lives_are_on_the_whole_catalogue_and_most_are_not() {
    let among = (1..=800).filter(|seed| catalogue::is_one(*seed)).count();
    assert!((60..=140).contains(&among), "{among} of 800");
}

#[test]
fn a_nested_row_makes_a_record_for_each_of_its_elements() {
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let details = r#"[{"side":"buy","sz":"1"},{"side":"sell","sz":"2"}]"#;
    let row = own(&[("instId", "X"), ("details", details)]);
    let first = own(&[("instId", "X"), ("side", "buy"), ("sz", "1")]);
    let second = own(&[("instId", "X"), ("side", "sell"), ("sz", "2")]);
    assert_eq!(rows::unfold("liquidation-orders", row.clone()), [first, second]);
    assert_eq!(rows::unfold("tickers", row.clone()), [row]);
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
