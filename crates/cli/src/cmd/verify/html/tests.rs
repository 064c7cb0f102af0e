//! The page's text as a reader has it, and that it stands alone.

use super::super::account::{Account, Pause};
use super::*;
use market_data::replay::FeedLife;
use market_data_model::{FeedId, Subscription};
use market_data_tape::{Damage, DamageKind, Finding, Verified};

const T: u64 = 1_795_478_390_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn life() -> FeedLife {
    FeedLife {
        feed: FeedId(1),
        url: "wss://example/?a=1&b=<2>".to_owned(),
        subscriptions: vec![Subscription::new("books", "BTC-USDT")],
        from: Nanos(T),
        to: Nanos(T + 20 * SECOND),
        stopped: true,
        inputs: 1_200,
        frames: 1_190,
        events: 2_000,
        checked: 1_200,
        differing: 0,
        difference: None,
        unverifiable: None,
        verifiable_again: None,
        states_checked: 3,
        state_differs: None,
        failed: None,
        anchors: Default::default(),
        witnesses: Default::default(),
    }
}

fn hole(cause: &'static str, from: u64, to: Option<u64>, lost: Option<u64>) -> Hole {
    let at = |seconds| Nanos(T + seconds * SECOND);
    Hole { id: None, cause, whose: "venue", from: Some(at(from)), to: to.map(at), lost }
}

/// Over midnight of the 24th, with something of everything.
fn found(clean: bool) -> Found {
    let mut account = Account::default();
    let books = Row {
        records: 1_000,
        from: Some(Nanos(T)),
        to: Some(Nanos(T + 20 * SECOND)),
        covered: vec![(Nanos(T), Nanos(T + 20 * SECOND))],
        links: 999,
        ..Row::default()
    };
    let mut trades = Row { ids: 42, records: 42, links: 0, ..books.clone() };
    let mut findings = Vec::new();
    if !clean {
        trades.holes =
            vec![hole("disconnect", 3, Some(5), Some(17)), hole("silence", 15, None, None)];
        trades.ids_missing = 17;
        trades.unproven = vec![(Nanos(T + 6 * SECOND), Nanos(T + 7 * SECOND))];
        trades.unverifiable = 4;
        account.pauses.push(Pause { from: Nanos(T + 8 * SECOND), to: Nanos(T + 9 * SECOND) });
        findings.push(Finding::Damage(Damage {
            segment: "tape-20261123T235950Z-000001.mdt".into(),
            offset: 1234,
            bytes: 99,
            kind: DamageKind::Payload,
            records_lost: Some(7),
        }));
    }
    let key = |channel: &str| (channel.to_owned(), "<BTC>&'USDT'".to_owned());
    account.rows.insert(key("books"), books);
    account.rows.insert(key("trades"), trades);
    let verified = Verified {
        segments: 1,
        unclosed: 0,
        blocks: 12,
        records: 1_234,
        stored_bytes: 56_789,
        bytes: 345_678,
        findings: findings.len() as u64,
        feeds: Vec::new(),
    };
    Found {
        verified,
        findings,
        account,
        lives: vec![life()],
        orphans: 0,
        killed: !clean,
        parquet: None,
    }
}

/// What stands between the tags of the body, a line each.
fn text(page: &str) -> Vec<String> {
    let body = &page[page.find("<body>").expect("a body")..];
    let texts = body.split('>').filter_map(|part| part.split('<').next());
    texts.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

#[test]
fn it_says_what_was_found() {
    let page = page(&found(false), "data/<tape>");
    let text = text(&page);
    let (head, rest) = text.split_at(text.iter().position(|t| t == "How it was checked").unwrap());
    let expected = "\
data/&lt;tape&gt;|2026-11-23 23:59:50.000 to 2026-11-24 00:00:10.000, 20.0 s|not clean|\
records|1,234|in segments|1|on disk|56.7 kB|before compression|345.6 kB|\
inputs compared|1,200 of 1,200|gaps|2|trade ids missing|17|\
links of books broken|0|findings about the files|1|\
Coverage|recorded and proven|recorded, not proven (half as high)|gap|not recorded|\
2026-11-23|23:59:50 to 00:00:00|\
&lt;BTC&gt;&amp;&#39;USDT&#39;|books|0 gaps|\
&lt;BTC&gt;&amp;&#39;USDT&#39;|trades|1 gap, 1 stretch not proven|\
2026-11-24|00:00:00 to 00:00:10|\
&lt;BTC&gt;&amp;&#39;USDT&#39;|books|0 gaps|\
&lt;BTC&gt;&amp;&#39;USDT&#39;|trades|1 gap|\
Gaps|instrument|channel|cause|whose|from|to|long|trades lost|\
&lt;BTC&gt;&amp;&#39;USDT&#39;|trades|disconnect|venue|2026-11-23 23:59:53.000|\
2026-11-23 23:59:55.000|2.0 s|17|\
&lt;BTC&gt;&amp;&#39;USDT&#39;|trades|silence|venue|2026-11-24 00:00:05.000|the end|unknown|\
Damage and losses of the recorder|\
damaged: tape-20261123T235950Z-000001.mdt at byte 1234: the sum over a block does not hold, \
99 bytes skipped, 7 records lost|\
unfinished: the recorder was killed; what came after 2026-11-24T00:00:10.000000000Z is not here|\
Totals|instrument|channel|state|records|gaps|ids missing|links|broken|bars absent|unverifiable|\
&lt;BTC&gt;&amp;&#39;USDT&#39;|books|clean|1,000|0|999|0|0|\
&lt;BTC&gt;&amp;&#39;USDT&#39;|trades|gap|42|2|17|4|\
Connections|feed|address|from|to|in doubt|inputs|events|compared|1|\
wss://example/?a=1&amp;b=&lt;2&gt;|2026-11-23 23:59:50.000|2026-11-24 00:00:10.000|1,200|2,000|1,200|\
Nobody recorded between 2026-11-23 23:59:58.000 and 2026-11-23 23:59:59.000 (1.0 s).";
    assert_eq!(head, expected.split('|').collect::<Vec<_>>());
    assert!(rest[1].starts_with("The sums over 12 blocks in 1 segment were computed again"));
}

#[test]
fn a_clean_tape_is_said_to_be_clean() {
    let page = page(&found(true), "tape");
    assert!(page.contains("<p class=\"verdict clean\">clean</p>"));
    assert_eq!(text(&page).iter().filter(|text| *text == "None.").count(), 2);
    assert!(
        !page.contains("class=\"s-gap\"") || page.matches("s-gap").count() == 2,
        "the key only"
    );
}

#[test]
fn it_stands_alone_and_is_well_formed() {
    for clean in [true, false] {
        let page = page(&found(clean), "\"><script>alert(1)</script>");
        for word in ["<script", "http:", "https:", "@import", "url(", "src=", "href="] {
            assert!(!page.contains(word), "{word}");
        }
        let mut open: Vec<&str> = Vec::new();
        for tag in page.split('<').skip(1) {
            let tag = tag.split('>').next().expect("it ends");
            let name = tag.trim_start_matches('/').split([' ', '\n']).next().expect("a name");
            match name {
                "!doctype" | "meta" => {}
                _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
                _ if tag.ends_with('/') => {}
                name => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }
}

#[test]
fn a_tape_without_feeds_has_a_page() {
    let mut found = found(true);
    (found.lives, found.account) = (Vec::new(), Account::default());
    assert!(page(&found, "tape").contains("no feed on it"));
}
