//! Flat records in a feed: which instrument a row is of, repeats, silence, odd rows.

use super::*;

const OPTIONS: &str = "OPTION,instFamily=B-USD";

fn option_trade(inst_id: &str, id: u64) -> String {
    format!(
        r#"{{"arg":{{"channel":"option-trades","instType":"OPTION","instFamily":"B-USD"}},"data":[{{"instFamily":"B-USD","instId":"{inst_id}","tradeId":"{id}","px":"0.045","sz":"2","side":"sell","optType":"C","fillVol":"0.5","fwdPx":"1","idxPx":"1","markPx":"0.04","ts":"1791369351001"}}]}}"#
    )
}

fn json(bench: &Bench) -> Vec<String> {
    let line = |event| {
        let mut line = Vec::new();
        wire::write_json(&event, &mut line);
        String::from_utf8(line).unwrap()
    };
    bench.out.events.iter().map(line).collect()
}

#[test]
fn bug_class_47_an_old_option_trade_after_subscribing_is_marked_and_a_repeat_is_dropped() {
    let subs = [sub("option-trades", OPTIONS)];
    let mut bench = Bench::new(&subs);
    bench.input(Input::Start);
    let asked = bench.input(Input::Opened);
    let arg = r#"{"channel":"option-trades","instType":"OPTION","instFamily":"B-USD"}"#;
    assert!(asked[0].contains(arg), "{asked:?}");
    bench.frame(&format!(r#"{{"event":"subscribe","arg":{arg},"connId":"c"}}"#));
    let call = "B-USD-261225-68000-C";
    bench.frame(&option_trade(call, 7));
    assert!(json(&bench)[0].contains(r#""isFirst":true"#), "{:?}", json(&bench));
    assert!(json(&bench)[0].contains(r#""instId":"B-USD-261225-68000-C""#));
    bench.frame(&option_trade(call, 8));
    assert!(json(&bench)[0].contains(r#""isFirst":false"#));
    // The same id of another option is another trade.
    assert_eq!(bench.frame(&option_trade("B-USD-261225-68000-P", 8)).len(), 1);
    bench.reconnect(&[]);
    bench.frame(&format!(r#"{{"event":"subscribe","arg":{arg},"connId":"c"}}"#));
    assert_eq!(bench.frame(&option_trade(call, 8)), Vec::<String>::new());
    assert_eq!(bench.feed.stats().trades_repeated, 1);
    bench.frame(&option_trade(call, 9));
    assert!(json(&bench)[0].contains(r#""isFirst":false"#), "the repeat was the first");
}

#[test]
fn a_gap_of_a_channel_about_many_names_its_key() {
    let subs = [sub("option-trades", OPTIONS), sub("liquidation-orders", "SWAP")];
    let mut bench = Bench::new(&subs);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    for sub in &subs {
        let kind = channel::find(&sub.channel).unwrap().key;
        let fields: String =
            kind.fields(&sub.key).map(|(name, value)| format!(r#","{name}":"{value}""#)).collect();
        let arg = format!(r#"{{"channel":"{}"{fields}}}"#, sub.channel);
        bench.frame(&format!(r#"{{"event":"subscribe","arg":{arg}}}"#));
    }
    let lines = bench.input(Input::Closed { code: Some(1006), reason: "gone" });
    assert!(lines.contains(&format!("gap option-trades/{OPTIONS} disconnect link")), "{lines:?}");
    assert!(lines.contains(&"gap liquidation-orders/SWAP disconnect link".into()), "{lines:?}");
}

#[test]
fn bug_class_28_a_mark_price_without_its_beat_is_asked_for_anew_less_and_less_often() {
    let subs = [sub("mark-price", "B-U")];
    let mut bench = up(&subs);
    let mark = r#"{"arg":{"channel":"mark-price","instId":"B-U"},"data":[{"instType":"SWAP","instId":"B-U","markPx":"67501.3","ts":"1785096000000"}]}"#;
    assert_eq!(bench.frame(mark), ["mark_price mark-price/B-U"]);
    let mut asked = Vec::new();
    let start = bench.now;
    for _ in 0..4000 {
        for line in bench.pass(1) {
            let ours = line.starts_with("send") && line.contains("mark-price");
            if ours && line.contains(r#""op":"unsubscribe""#) {
                asked.push(bench.now.since(start) / SECOND);
                bench.ack("unsubscribe", &subs[0]);
                bench.pass(1);
                bench.ack("subscribe", &subs[0]);
            } else if line.starts_with("send ping") {
                bench.frame("pong");
            }
        }
    }
    assert!(asked[0] <= 27 && asked.len() > 3, "{asked:?}");
    let waits: Vec<u64> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(waits.windows(2).all(|two| two[1] >= two[0]), "{waits:?}");
    assert!(asked.len() < 10, "an hour of silence costs few requests: {asked:?}");
    // Data makes it expect the beat again.
    bench.frame(mark);
    assert_eq!(bench.feed.status().open_gaps, 0);
}

fn up(subs: &[Subscription]) -> Bench {
    Bench::up(subs)
}

#[test]
fn an_odd_row_costs_itself_only_and_another_instruments_row_is_refused() {
    let mut bench = up(&[sub("open-interest", "B-U")]);
    let row = |inst: &str, oi: &str| {
        format!(r#"{{"instType":"SWAP","instId":"{inst}","oi":"{oi}","ts":"1785096000000"}}"#)
    };
    let rows = [row("B-U", "5"), row("B-U", "5e3"), row("C-U", "6"), row("B-U", "7")].join(",");
    let frame =
        format!(r#"{{"arg":{{"channel":"open-interest","instId":"B-U"}},"data":[{rows}]}}"#);
    assert_eq!(
        bench.frame(&frame),
        [
            "open_interest open-interest/B-U",
            "fault bad_row open-interest/B-U oi is \"5e3\": not a plain decimal number",
            "fault bad_row open-interest/B-U instId is \"C-U\" in a frame of \"B-U\"",
            "open_interest open-interest/B-U",
        ]
    );
}

#[test]
fn an_error_of_a_channel_about_many_is_pinned_on_its_key() {
    let subs = [sub("option-trades", OPTIONS), sub("opt-summary", "X-USD"), sub("trades", "B-U")];
    let mut bench = Bench::new(&subs);
    bench.input(Input::Start);
    bench.input(Input::Opened);
    for (words, place) in [
        ("channel:opt-summary,instFamily:X-USD doesn't exist", "opt-summary/X-USD"),
        (
            "channel:option-trades,instType:OPTION,instFamily:B-USD doesn't exist",
            "option-trades/OPTION,instFamily=B-USD",
        ),
    ] {
        let lines = bench.frame(&format!(
            r#"{{"id":"m1","event":"error","code":"60018","msg":"Wrong URL or {words}."}}"#
        ));
        assert!(lines.contains(&format!("refused {place} 60018")), "{lines:?}");
    }
    assert_eq!(bench.feed.status().refused, 2);
}

#[test]
fn legs_and_details_are_a_record_each() {
    let mut bench = up(&[sub("public-struc-block-trades", "")]);
    let lines = bench.frame(
        r#"{"arg":{"channel":"public-struc-block-trades"},"data":[{"cTime":"1785095100000","blockTdId":"1802896","groupId":"","legs":[{"px":"0.323","sz":"25.0","instId":"B-USD-261225-1-C","side":"sell","tradeId":"15102"},{"px":"0.666","sz":"x","instId":"B-USD-261225-2-C","side":"buy","tradeId":"15103"}]}]}"#,
    );
    assert_eq!(lines[0], "block_structure public-struc-block-trades/B-USD-261225-1-C");
    assert_eq!(
        lines[1],
        "fault bad_row public-struc-block-trades/ sz is \"x\": not a plain decimal number"
    );
}
