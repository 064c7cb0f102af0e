//! Dialogues about requests that must wait.

use super::*;

#[test]
fn an_end_that_waits_longer_than_an_answer_may_take_is_still_asked_for() {
    let (books, trades) = (sub("books", "B-U"), sub("trades", "B-U"));
    let mut bench = Bench::up(&[books.clone(), trades.clone()]);
    let more = Command::Subscribe(vec![sub("tickers", "B-U")]);
    assert!(bench.input(Input::Command(more)).iter().any(|line| line.starts_with("send ")));
    // No request for 15 s.
    bench.frame(r#"{"id":"m2","event":"error","code":"60014","msg":"Requests too frequent."}"#);
    bench.input(Input::Command(Command::Resync(books.clone())));
    let held = bench.input(Input::Command(Command::Unsubscribe(vec![books])));
    assert!(!held.iter().any(|line| line.starts_with("send ")), "{held:?}");
    let lines = bench.pass(20);
    let asked = |line: &String| line.contains(r#""op":"unsubscribe""#) && line.contains("books");
    assert!(lines.iter().any(asked), "the venue would send it for ever: {lines:?}");
}
