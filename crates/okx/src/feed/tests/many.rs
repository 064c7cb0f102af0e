//! Many subscriptions that are sick at once, and what must not follow from it.

use super::*;

/// The requests among what came out.
fn sent(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|line| line.starts_with("send {")).collect()
}

#[test]
fn a_channel_that_stops_costs_few_requests_and_no_connection() {
    let marks: Vec<_> = (0..600).map(|i| sub("mark-price", &format!("C{i}-USDT-SWAP"))).collect();
    let mut bench = Bench::up(&marks);
    for mark in &marks {
        let key = &mark.key;
        bench.frame(&format!(
            r#"{{"arg":{{"channel":"mark-price","instId":"{key}"}},"data":[{{"instId":"{key}","instType":"SWAP","markPx":"1.5","ts":"1791369351001"}}]}}"#
        ));
    }
    let mut said = Vec::new();
    for _ in 0..3 {
        // Pings are answered: the connection is well.
        said.extend(bench.pass(15));
        bench.frame("pong");
    }
    let gaps = said.iter().filter(|line| line.ends_with("silence venue")).count();
    assert_eq!(gaps, marks.len(), "each is out of service");
    let requests = sent(&said);
    assert!((2..40).contains(&requests.len()), "{} requests", requests.len());
    let ends: usize = requests.iter().map(|line| line.matches("mark-price").count()).sum();
    assert!(ends >= marks.len(), "each is asked for anew");
    assert!(!said.iter().any(|line| line == "close" || line == "open"), "the connection stays");
}

#[test]
fn bug_class_21_a_tier_refusal_of_several_at_once_falls_back_for_each() {
    let books = [sub("books-l2-tbt", "A-U"), sub("books-l2-tbt", "B-U"), sub("tickers", "A-U")];
    let mut bench = Bench::new(&books);
    bench.input(Input::Start);
    let asked = [bench.input(Input::Opened), bench.pass(1)].concat();
    assert_eq!(sent(&asked).len(), 1, "{asked:?}");
    let refused = r#"{"event":"error","id":"m1","code":"64003","msg":"Your trading fee tier doesn't meet the requirement","connId":"c"}"#;
    let said = [bench.frame(refused), bench.pass(1)].concat();
    for key in ["A-U", "B-U"] {
        let wanted = format!(r#"{{"channel":"books","instId":"{key}"}}"#);
        assert!(sent(&said).iter().any(|line| line.contains(&wanted)), "{key}: {said:?}");
    }
    assert!(!sent(&said).iter().any(|line| line.contains("tickers")), "{said:?}");
}

#[test]
fn an_answer_that_is_always_later_withdraws_one_and_keeps_the_connection() {
    let mut bench = Bench::new(&[sub("tickers", "A-U"), sub("tickers", "B-U")]);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    bench.ack("subscribe", &sub("tickers", "B-U"));
    let later = r#"{"event":"error","arg":{"channel":"tickers","instId":"A-U"},"code":"64007","msg":"Operation failed, please try again later","connId":"c"}"#;
    let mut said = Vec::new();
    for _ in 0..8 {
        said.extend(bench.frame(later));
        said.extend(bench.pass(16));
        bench.frame("pong");
    }
    assert!(!said.iter().any(|line| line == "close" || line == "open"), "{said:?}");
    assert!(said.iter().any(|line| line == "refused tickers/A-U 64007"), "{said:?}");
}
