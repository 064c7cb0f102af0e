//! Logging in: signatures, clocks, tiers.

use market_data_sim::{ConnId, ToClient};

use crate::rig::{Rig, SECOND};

const TBT: &str = "{\"op\":\"subscribe\",\"args\":[\
                   {\"channel\":\"books50-l2-tbt\",\"instId\":\"BTC-USDT\"}]}";

/// The code of the last error, and whether the connection was closed after it.
fn code(rig: &Rig) -> (String, bool) {
    let events = rig.events();
    let code = events.last().unwrap()["code"].as_str().unwrap().to_owned();
    let closed = rig.out.iter().any(|d| matches!(d.what, ToClient::Close { code: 4001, .. }));
    (code, closed)
}

fn fresh() -> (Rig, ConnId) {
    let mut rig = Rig::small(1);
    let conn = rig.open("/ws/v5/public");
    (rig, conn)
}

#[test]
fn bad_logins_end_the_connection() {
    for (key, secret, off, wanted) in [
        ("nobody", "sim", 0, "60005"),
        ("sim", "nonsense", 0, "60007"),
        ("sim", "sim", 40, "60006"),
        ("sim", "sim", -40, "60006"),
    ] {
        let (mut rig, conn) = fresh();
        rig.login_as(conn, key, secret, off);
        assert_eq!(code(&rig), (wanted.to_owned(), true), "{key} {secret} {off}");
    }
    let fields = [
        ("", "60027"),
        ("\"apiKey\":\"sim\"", "60027"),
        ("\"apiKey\":\"sim\",\"timestamp\":\"soon\"", "60004"),
    ];
    for (text, wanted) in fields {
        let (mut rig, conn) = fresh();
        rig.send(conn, &format!("{{\"op\":\"login\",\"args\":[{{{text}}}]}}"));
        assert_eq!(code(&rig).0, wanted, "{text}");
    }
    let (mut rig, conn) = fresh();
    let time = (rig.now / SECOND).to_string();
    let wrong = format!(
        "{{\"apiKey\":\"sim\",\"timestamp\":\"{time}\",\"passphrase\":\"x\",\"sign\":\"y\"}}"
    );
    rig.send(conn, &format!("{{\"op\":\"login\",\"args\":[{wrong}]}}"));
    assert_eq!(code(&rig).0, "60024");
}

#[test]
fn good_logins_open_what_their_tier_allows() {
    let (mut rig, conn) = fresh();
    rig.send(conn, TBT);
    assert_eq!(code(&rig), ("60011".to_owned(), false));
    rig.login_as(conn, "sim", "sim", -29);
    assert_eq!(rig.events().last().unwrap()["event"], "login");
    rig.send(conn, TBT);
    assert_eq!(rig.events().last().unwrap()["event"], "subscribe");
    rig.login(conn);
    assert_eq!(code(&rig), ("60031".to_owned(), false), "once is enough");
    let (mut rig, conn) = fresh();
    rig.login_as(conn, "sim-basic", "sim-basic", 0);
    rig.send(conn, TBT);
    assert_eq!(code(&rig), ("64003".to_owned(), false));
    assert_eq!(rig.exchange.subscriptions(conn).len(), 0);
}
