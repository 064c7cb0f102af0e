//! Acks, errors, limits and closes as documented.

use market_data_sim::{ConnId, FromClient, MarketSize, Opened, ToClient};
use serde_json::Value;

use crate::rig::{Rig, SECOND, config};

fn answers(rig: &mut Rig, conn: ConnId, request: &str) -> Vec<Value> {
    rig.out.clear();
    rig.send(conn, request);
    rig.events()
}

fn one_error(rig: &mut Rig, conn: ConnId, request: &str) -> (String, String) {
    let events = answers(rig, conn, request);
    assert_eq!(events.len(), 1, "{request}: {events:?}");
    let error = &events[0];
    assert_eq!(error["event"], "error", "{request}");
    assert!(error.get("arg").is_none() && error["connId"].as_str().unwrap().len() == 8);
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    (text("code"), text("msg"))
}

#[test]
fn errors_are_as_documented() {
    let mut rig = Rig::small(1);
    let public = rig.open("/ws/v5/public");
    let business = rig.open("/ws/v5/business");
    let sub = |channel: &str, id: &str| {
        let arg = format!("{{\"channel\":\"{channel}\",\"instId\":\"{id}\"}}");
        format!("{{\"id\":\"q1\",\"op\":\"subscribe\",\"args\":[{arg}]}}")
    };
    let table = [
        (public, "{nonsense".to_owned(), "60012"),
        (public, "[]".to_owned(), "60012"),
        (public, "{\"op\":\"dance\",\"args\":[]}".to_owned(), "60012"),
        (public, "{\"op\":\"subscribe\",\"args\":[]}".to_owned(), "60013"),
        (public, "{\"op\":\"subscribe\",\"args\":{}}".to_owned(), "60013"),
        (public, "{\"op\":\"subscribe\",\"args\":[{\"instId\":\"BTC-USDT\"}]}".to_owned(), "60013"),
        (public, "{\"id\":\"a-b\",\"op\":\"subscribe\",\"args\":[]}".to_owned(), "60033"),
        (public, format!("{{\"id\":\"{}\",\"op\":\"subscribe\"}}", "a".repeat(33)), "60033"),
        (public, sub("tickers", "XXX-YYY"), "60018"),
        (public, sub("noise", "BTC-USDT"), "60018"),
        (public, sub("books-elp", "BTC-USDT"), "60018"),
        (public, sub("index-tickers", "BTC-USDT-SWAP"), "60018"),
        (public, sub("candle1m", "BTC-USDT"), "64001"),
        (public, sub("trades-all", "BTC-USDT"), "64001"),
        (business, sub("tickers", "BTC-USDT"), "64002"),
        (business, sub("candle1Hutc", "BTC-USDT"), "60018"),
        (business, sub("index-candle1s", "BTC-USD"), "60018"),
        (business, sub("index-candle1Yutc", "BTC-USD"), "60018"),
        (business, sub("candle1Yutc", "BTC-USDT"), "60018"),
        (public, sub("mark-price-candle1Yutc", "BTC-USDT"), "64001"),
        (public, sub("books-l2-tbt", "BTC-USDT"), "60011"),
        (public, sub("books50-l2-tbt", "BTC-USDT"), "60011"),
    ];
    for (conn, request, code) in table {
        assert_eq!(one_error(&mut rig, conn, &request).0, code, "{request}");
    }
    let (_, msg) = one_error(&mut rig, public, &sub("tickers", "XXX-YYY"));
    let wanted = "Wrong URL or channel:tickers,instId:XXX-YYY doesn't exist. Please use the \
                  correct URL, channel and parameters referring to API document.";
    assert_eq!(msg, wanted);
    assert_eq!(rig.events()[0]["id"], "q1");
    let login = "{\"op\":\"login\",\"args\":[{\"apiKey\":\"x\",\"passphrase\":\"sim\"}]}";
    assert_eq!(one_error(&mut rig, public, login).0, "60005");
}

#[test]
fn one_ack_per_argument_then_data() {
    let mut rig = Rig::small(1);
    let conn = rig.open("/ws/v5/public");
    let request = "{\"id\":\"q7\",\"op\":\"subscribe\",\"args\":[\
                   {\"channel\":\"books\",\"instId\":\"BTC-USDT\"},\
                   {\"channel\":\"tickers\",\"instId\":\"NOPE\"},\
                   {\"channel\":\"instruments\",\"instType\":\"SPOT\"},\
                   {\"channel\":\"trades\",\"instId\":\"BTC-USDT\"}]}";
    rig.send(conn, request);
    let first = crate::rig::text(&rig.out[0]).unwrap();
    let hex = rig.frames()[0]["connId"].as_str().unwrap().to_owned();
    let ack = "{\"id\":\"q7\",\"event\":\"subscribe\",\"arg\":{\"channel\":\"books\",\
               \"instId\":\"BTC-USDT\"},\"connId\":\"";
    assert_eq!(first, format!("{ack}{hex}\"}}"));
    let kinds: Vec<String> = rig
        .frames()
        .iter()
        .map(|f| f.get("event").or(f.get("action")).unwrap().as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["subscribe", "snapshot", "error", "subscribe", "subscribe"]);
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let live = [pair("books", "BTC-USDT"), pair("instruments", "SPOT"), pair("trades", "BTC-USDT")];
    assert_eq!(rig.exchange.subscriptions(conn), live);
    let gone =
        "{\"op\":\"unsubscribe\",\"args\":[{\"channel\":\"books\",\"instId\":\"BTC-USDT\"}]}";
    let events = answers(&mut rig, conn, gone);
    assert!(events[0]["event"] == "unsubscribe" && events[0].get("id").is_none());
    rig.out.clear();
    rig.run(10 * SECOND);
    assert!(rig.rows("books", "BTC-USDT").is_empty());
    assert!(rig.exchange.published("books", "BTC-USDT").is_none());
}

#[test]
fn order_books_exclude_each_other() {
    let mut rig = Rig::small(1);
    let conn = rig.open("/ws/v5/public");
    rig.login(conn);
    rig.subscribe(conn, &["books", "books50-l2-tbt", "books5"], &["BTC-USDT"]);
    rig.out.clear();
    rig.subscribe(conn, &["books-l2-tbt"], &["BTC-USDT"]);
    let events = rig.events();
    let names: Vec<&str> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["subscribe", "unsubscribe", "unsubscribe"]);
    let live: Vec<String> = rig.exchange.subscriptions(conn).into_iter().map(|s| s.0).collect();
    assert_eq!(live, ["books5", "books-l2-tbt"]);
    rig.out.clear();
    rig.subscribe(conn, &["books"], &["BTC-USDT"]);
    let events = rig.events();
    assert_eq!(events[0]["event"], "subscribe");
    assert_eq!(events[1]["code"], "64004");
    assert_eq!(rig.exchange.subscriptions(conn).len(), 2);
}

#[test]
fn limits_close_or_refuse() {
    let mut rig = Rig::small(1);
    let conn = rig.open("/ws/v5/public");
    let ask =
        "{\"op\":\"unsubscribe\",\"args\":[{\"channel\":\"trades\",\"instId\":\"BTC-USDT\"}]}";
    for n in 0..481 {
        let events = answers(&mut rig, conn, ask);
        let code = events[0].get("code").and_then(Value::as_str);
        assert_eq!(code, (n == 480).then_some("60014"));
    }
    rig.out.clear();
    rig.send(conn, &" ".repeat(65_537));
    assert!(matches!(rig.out[0].what, ToClient::Close { code: 1009, .. }));
    for n in 0..4 {
        let opened = rig.exchange.open(rig.now + SECOND, "/ws/v5/business");
        assert_eq!(matches!(opened, Opened::Refused { status: 429, .. }), n == 3);
    }
    let wrong = rig.exchange.open(rig.now + 9 * SECOND, "/ws/v5/private");
    assert!(matches!(wrong, Opened::Refused { status: 404, .. }));
}

#[test]
fn too_many_channels_close_with_4009() {
    let mut rig = Rig::new(config(1, MarketSize::Full, "none"));
    let conn = rig.open("/ws/v5/business");
    let list = rig.exchange.instruments();
    let ids: Vec<&str> = list.iter().map(|inst| inst.inst_id.as_str()).collect();
    let bars = ["1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H", "6H", "12H", "1D", "2D", "3D"];
    let bars = bars.iter().chain(&["1W", "1M", "3M", "6Hutc", "12Hutc", "1Dutc", "1Wutc", "1Mutc"]);
    let kinds = ["candle", "mark-price-candle"];
    let names: Vec<String> =
        bars.flat_map(|bar| kinds.map(|kind| format!("{kind}{bar}"))).collect();
    let mut asked = 0;
    for name in &names {
        let some = &ids[..ids.len().min(2_000 - asked)];
        rig.subscribe(conn, &[name], some);
        asked += some.len();
        assert_eq!(rig.exchange.subscriptions(conn).len(), asked);
        if some.len() < ids.len() {
            break;
        }
    }
    assert_eq!(asked, 2_000, "the list is long enough to reach the limit");
    rig.out.clear();
    rig.subscribe(conn, &["trades-all"], &["BTC-USDT", "ETH-USDT"]);
    let last: Vec<&ToClient> = rig.out.iter().map(|delivery| &delivery.what).collect();
    assert!(matches!(last[..], [ToClient::Close { code: 4009, .. }]), "{last:?}");
    assert!(rig.exchange.subscriptions(conn).is_empty());
}

#[test]
fn idle_connections_end_with_4004_and_pings_keep_them() {
    let mut rig = Rig::small(1);
    let start = rig.now;
    let Opened::Accepted(idle) = rig.exchange.open(start, "/ws/v5/public") else { panic!() };
    let Opened::Accepted(kept) = rig.exchange.open(start, "/ws/v5/public") else { panic!() };
    rig.subscribe(kept, &["instruments"], &[]);
    let arg = "{\"channel\":\"instruments\",\"instType\":\"SWAP\"}";
    rig.send(kept, &format!("{{\"op\":\"subscribe\",\"args\":[{arg}]}}"));
    rig.out.clear();
    for second in 1..=70 {
        rig.exchange.advance(start + second * SECOND);
        if second % 20 == 0 {
            rig.exchange.receive(start + second * SECOND, kept, FromClient::Text("ping"));
            rig.exchange.receive(start + second * SECOND, kept, FromClient::Ping(b"x"));
        }
        rig.exchange.deliveries(&mut rig.out);
    }
    let closed: Vec<_> = rig
        .out
        .iter()
        .filter(|d| matches!(d.what, ToClient::Close { code: 4004, .. }))
        .map(|d| (d.conn, d.at_ns - start))
        .collect();
    assert_eq!(closed, [(idle, 30 * SECOND)]);
    let pongs = rig.out.iter().filter(|d| d.what == ToClient::Text("pong".into())).count();
    let raw = rig.out.iter().filter(|d| d.what == ToClient::Pong(b"x".to_vec())).count();
    assert_eq!((pongs, raw), (3, 3));
}

#[test]
fn two_connections_share_their_ids() {
    let mut rig = Rig::small(4);
    let a = rig.open("/ws/v5/public");
    rig.subscribe(a, &["books"], &["BTC-USDT"]);
    rig.run(5 * SECOND);
    let b = rig.open("/ws/v5/public");
    rig.subscribe(b, &["books"], &["BTC-USDT"]);
    rig.out.clear();
    rig.run(20 * SECOND);
    let of = |conn| -> Vec<ToClient> {
        let mine = rig.out.iter().filter(|d| d.conn == conn && d.truth.is_some());
        mine.map(|d| d.what.clone()).collect()
    };
    assert!(of(a).len() > 20);
    assert_eq!(of(a), of(b));
}
