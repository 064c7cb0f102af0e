//! `docs/channels.md`, and the part of `docs/records.md` about flat records, are made from the
//! table of channels: this test writes them (`UPDATE_DOCS=1`) or holds them to it.
//!
//! Where captures are at hand (`OKX_CORPUS`), the column that names them is checked too.
#![allow(clippy::unwrap_used)]

use market_data_model::figures::{Column, Shape, Sheet};
use market_data_model::*;
use market_data_okx::channel::{self, BookForm, ChannelSpec, Form, KeyKind, Path};
use market_data_okx::{OkxConfig, OkxFeed};
use std::fmt::Write as _;
use std::path::PathBuf;

const BEGIN: &str = "<!-- from the table of channels: begin -->";
const END: &str = "<!-- from the table of channels: end -->";

/// Channels of which frames were captured; of the others there is documentation only.
const CAPTURED: [&str; 15] = [
    "bbo-tbt",
    "books",
    "books-l2-tbt",
    "books5",
    "candle1m",
    "funding-rate",
    "index-tickers",
    "liquidation-orders",
    "mark-price",
    "open-interest",
    "opt-summary",
    "status",
    "tickers",
    "trades",
    "trades-all",
];

fn paper(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name)
}

/// Compares a document with what it should be, or writes it.
fn hold(name: &str, expected: &str) {
    let path = paper(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    let hint = format!("docs/{name} is not what the table says; UPDATE_DOCS=1 writes it anew");
    assert_eq!(differs, None, "{hint}");
    assert_eq!(found.lines().count(), expected.lines().count(), "{hint}");
}

fn argument(key: KeyKind) -> String {
    match key {
        KeyKind::Nothing => "none".into(),
        KeyKind::Index => "`instId`, an index such as `BTC-USD`".into(),
        KeyKind::TypeOrFamily => "`instType`, perhaps `instFamily`".into(),
        KeyKind::TypeAndScope => "`instType`, and `instFamily` or `instId`".into(),
        key => format!("`{}`", key.lead().unwrap()),
    }
}

fn record(form: Form) -> String {
    let kind = match form {
        Form::Ticker => "ticker",
        Form::Trade => "trade",
        Form::Book(BookForm { incremental: true, .. }) => {
            return "`orderbook_delta`, `orderbook`".into();
        }
        Form::Book(_) => "orderbook",
        Form::Bar(..) => "kline",
        Form::Figures(form) => form.sheet.kind,
        Form::Instruments => "instrument",
    };
    format!("`{kind}`")
}

fn first(spec: &ChannelSpec) -> String {
    match spec.first_ns {
        _ if !spec.ended.is_empty() => format!("none: ended on {}", spec.ended),
        Some(first) => format!("within {} s", first / 1_000_000_000),
        None => "not promised".into(),
    }
}

fn row(spec: &ChannelSpec, name: &str, captured: bool) -> String {
    let path = if spec.path == Path::Business { "business" } else { "public" };
    let login = if spec.login { "yes" } else { "no" };
    let captured = if captured { "yes" } else { "documentation only" };
    format!(
        "| `{name}` | {path} | {} | {login} | {} | {} | {} | {} | {captured} |\n",
        argument(spec.key),
        spec.cadence,
        record(spec.form),
        first(spec),
        spec.staleness(),
    )
}

#[test]
fn channels_md_is_the_table() {
    let mut text = String::from(
        "# Channels\n\n\
         Every public channel of OKX, from the table in `crates/okx/src/channel/mod.rs` \
         (`UPDATE_DOCS=1 cargo test -p market-data-okx --test papers` writes this file). What a \
         record says is in [records.md](records.md); what is known of OKX and from where in \
         [okx.md](okx.md). A record's table has the record's name.\n\n\
         A key in the configuration and in records is the argument's first field, followed by \
         `,field=value` for each further one: `BTC-USDT`, `SWAP`, `OPTION,instFamily=BTC-USD`.\n\n\
         | Channel | Socket | Argument | Login | Cadence | Record | First record | When it is stale | Captured |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for spec in channel::CHANNELS {
        text.push_str(&row(spec, spec.name, CAPTURED.contains(&spec.name)));
    }
    for (first, family) in [
        ("candle1m", "candle…"),
        ("mark-price-candle1m", "mark-price-candle…"),
        ("index-candle1m", "index-candle…"),
        ("sprd-candle1m", "sprd-candle…"),
    ] {
        let spec = channel::find(first).unwrap();
        text.push_str(&row(spec, family, CAPTURED.contains(&first)));
    }
    let bars = channel::bars::BARS.len();
    writeln!(text, "\nThe bars are {bars} channels; their names are in [okx.md](okx.md).").unwrap();
    hold("channels.md", &text);
}

fn shape(column: &Column) -> &'static str {
    match column.shape {
        Shape::Decimal => "decimal text",
        Shape::Word(_) | Shape::Text => "text",
        Shape::Count | Shape::Millis => "number",
        Shape::Bool | Shape::First => "bool",
    }
}

fn meaning(column: &Column) -> String {
    let mut text = column.about.to_owned();
    if let Shape::Word(words) = column.shape
        && !words.is_empty()
        && !words.iter().all(|word| text.contains(&format!("`{word}`")))
    {
        let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
        write!(text, ": {}", words.join(", ")).unwrap();
    }
    text
}

/// The first record that the feed makes of a channel's sample.
fn example(sample: &str) -> String {
    let mut config = OkxConfig::new(FeedId(1), "sample");
    config.passive = true;
    let mut feed = OkxFeed::new(config);
    let mut out = Outbox::default();
    feed.handle(Nanos(1), Input::Opened, &mut out);
    out.clear();
    let now = Nanos(1_785_096_000_020_000_000);
    feed.handle(now, Input::Frame(sample.as_bytes()), &mut out);
    let (mut line, first) = (Vec::new(), out.events.get(0).unwrap());
    wire::write_json(&first, &mut line);
    String::from_utf8(line).unwrap()
}

fn section(spec: &ChannelSpec, sheet: &Sheet, sample: &str) -> String {
    let mut text = format!(
        "## `{}`\n\n{} Channel `{}`, {}.\n\n| Field | Type | Unit | Meaning |\n|---|---|---|---|\n",
        sheet.kind, sheet.about, spec.name, spec.cadence
    );
    for column in sheet.columns {
        let unit = if column.unit.is_empty() { "–" } else { column.unit };
        let (shape, meaning) = (shape(column), meaning(column));
        writeln!(text, "| `{}` | {shape} | {unit} | {meaning} |", column.name).unwrap();
    }
    write!(text, "\n```json\n{}\n```\n\n", example(sample)).unwrap();
    text
}

#[test]
fn records_md_has_a_section_for_each_flat_record() {
    let found = std::fs::read_to_string(paper("records.md")).unwrap();
    let (before, rest) = found.split_once(BEGIN).expect("the marks are there");
    let (_, after) = rest.split_once(END).expect("the marks are there");
    let mut text = format!("{before}{BEGIN}\n\n");
    for spec in channel::CHANNELS {
        if let Form::Figures(form) = spec.form {
            text.push_str(&section(spec, &form.sheet, form.sample));
        }
    }
    write!(text, "{END}{after}").unwrap();
    hold("records.md", &text);
}

#[test]
fn what_is_said_to_be_captured_is() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let corpus = PathBuf::from(std::env::var_os("OKX_CORPUS").unwrap_or(beside.into()));
    let Ok(files) = std::fs::read_dir(corpus.join("okx")) else {
        return eprintln!("SKIPPED: no captures at {}", corpus.display());
    };
    let mut all = String::new();
    for file in files {
        let path = file.unwrap().path();
        if !path.to_str().unwrap().contains(".sent.") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    let has_rows = |name: &str| {
        let arg = format!("\"channel\":\"{name}\"");
        let in_arg = |line: &str| line.contains(&arg) && line.contains("\"data\"");
        all.lines().any(|line| in_arg(&line.replace(": ", ":")))
    };
    let found: Vec<_> = channel::names().filter(|name| has_rows(name)).collect();
    let mut said = CAPTURED.to_vec();
    let mut found = found;
    said.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, said);
}

/// Each line of `docs/bug-classes.md` names a file and a test in it.
#[test]
fn bug_classes_are_held_by_tests_that_exist() {
    let text = std::fs::read_to_string(paper("bug-classes.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), 54);
    for (number, row) in (1..).zip(rows) {
        assert!(row.starts_with(&format!("| {number} |")), "{row}");
        is_held(row.split('|').nth(3).unwrap());
    }
}

/// Looks whether the file and the test that a cell names are there; says whether it names any.
fn is_held(cell: &str) -> bool {
    let quoted: Vec<&str> = cell.split('`').collect();
    let [_, file, _, test, _] = quoted[..] else { return false };
    let source = std::fs::read_to_string(paper("..").join(file)).unwrap();
    assert!(source.contains(&format!("fn {test}(")), "{file} has no {test}");
    true
}

/// Each stage of an instrument's life in `docs/okx.md` names a file and a test in it.
#[test]
fn stages_of_lives_are_held_by_tests_that_exist() {
    let text = std::fs::read_to_string(paper("okx.md")).unwrap();
    let (_, table) = text.split_once("\n## Lives of instruments\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let held = rows.map(|row| is_held(row.split('|').nth(2).unwrap()));
    assert_eq!(held.filter(|held| *held).count(), 20);
}
