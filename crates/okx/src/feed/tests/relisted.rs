//! Another instrument is listed under a name that is subscribed: the venue ended the subscription
//! with the old one and said nothing of it.

use super::*;

const TICKERS: &str = r#"{"channel":"tickers","instId":"B-U"}"#;

fn tickers() -> Subscription {
    sub("tickers", "B-U")
}

fn news(code: i64) -> Input<'static> {
    let mut instrument = Instrument::named("B-U");
    instrument.inst_id_code = Some(code);
    instrument.state = "live".into();
    Input::Command(Command::Instruments(vec![Arc::new(instrument)]))
}

fn ask(id: u32, op: &str) -> String {
    format!(r#"send {{"id":"m{id}","op":"{op}","args":[{TICKERS}]}}"#)
}

/// A feed that knows the instrument by its code and has asked for its tickers.
fn asked() -> Bench {
    let mut bench = Bench::new(&[tickers()]);
    bench.input(Input::Start);
    bench.input(news(7));
    bench.input(Input::Opened);
    bench
}

#[test]
fn what_is_served_is_asked_for_anew() {
    let mut bench = asked();
    bench.ack("subscribe", &tickers());
    bench.pass(1);
    assert_eq!(bench.input(news(7)), [""; 0], "the same instrument");
    let told = [ask(2, "unsubscribe"), "gap tickers/B-U restart venue".to_owned()];
    assert_eq!(bench.input(news(8)), told);
    bench.ack("unsubscribe", &tickers());
    assert_eq!(bench.pass(1), [ask(3, "subscribe")]);
}

#[test]
fn what_is_asked_for_is_asked_for_anew() {
    let mut bench = asked();
    bench.pass(1);
    assert_eq!(bench.input(news(8)), [ask(2, "unsubscribe")]);
    // The late answer to the first question is of the old instrument.
    assert_eq!(bench.ack("subscribe", &tickers()), [""; 0]);
    bench.ack("unsubscribe", &tickers());
    assert_eq!(bench.pass(1), [ask(3, "subscribe")]);
    assert_eq!(bench.ack("subscribe", &tickers()), ["subscribed tickers/B-U "]);
}
