//! Prints a tape as NDJSON, one line a record or damage: `dump PATH [FROM_NS [TO_NS]]`.
//!
//! Bytes are printed as hex, so that nothing depends on their being text. The reader in
//! `tests/tape_reader`, which shares no code with this one, prints the same lines.

use market_data_model::wire::escape;
use market_data_model::{
    Command, Decimal, Input, InstType, Instrument, Known, LineNews, Nanos, Subscription,
};
use market_data_tape::record::kind;
use market_data_tape::{Damage, Entry, Item, Range, Record, Tape};
use std::io::{BufWriter, Write as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: dump PATH [FROM_NS [TO_NS]]")?;
    let mut time = || args.next().map(|text| text.parse().map(Nanos)).transpose();
    let range = Range { from: time()?, to: time()? };
    let tape = Tape::open(path.as_ref())?;
    let mut records = tape.records(range);
    let mut out = BufWriter::new(std::io::stdout().lock());
    while let Some(item) = records.read()? {
        let line = match item {
            Item::Record(record) => record_line(&record)?,
            Item::Damage(damage) => damage_line(&damage),
        };
        match writeln!(out, "{{{}}}", line.join(",")) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            written => written?,
        }
    }
    Ok(())
}

type Fields = Vec<String>;

fn damage_line(damage: &Damage) -> Fields {
    let name = damage.segment.file_name().unwrap_or_default().to_string_lossy();
    vec![
        text("damage", &format!("{:?}", damage.kind)),
        text("segment", &name),
        number("offset", damage.offset),
        number("bytes", damage.bytes),
        option("records_lost", damage.records_lost.map(|n| n.to_string())),
    ]
}

fn record_line(record: &Record<'_>) -> Result<Fields, market_data_tape::DecodeError> {
    let mut fields = vec![
        number("ordinal", record.ordinal),
        number("feed", record.feed.0),
        number("ts", record.ts.0),
        number("kind", record.kind),
    ];
    match record.entry()? {
        Entry::FeedStart(start) => {
            fields.extend([text("venue", start.venue), hex("config", start.config)]);
            if let Ok(config) = market_data_tape::decode_config(start.config) {
                fields.push(text("url", &config.url));
                fields.push(number("view_depth", config.view_depth));
                fields.push(number("deltas", config.deltas));
                fields.push(number("seed", config.seed));
                fields.push(number("login", config.login));
                fields.push(number("refill", config.refill));
                fields.push(number("sbe", config.sbe));
                fields.push(number("bars", config.bars));
                fields.push(known(&config.known));
                fields.push(number("more_lines", config.more_lines));
                fields.push(number("rotate_ns", config.rotate_ns));
                fields.push(number("witness_ns", config.witness_ns));
                fields.push(number("funding", config.funding));
                fields.push(number("successor", config.successor));
                fields.push(subscriptions(&config.subscriptions));
                fields.push(instruments(&config.instruments));
            }
        }
        Entry::Input(input) => input_fields(&input, record.kind, &mut fields),
        Entry::Outputs(outputs) => fields.extend([
            number("inputs", outputs.inputs),
            number("events", outputs.events),
            number("actions", outputs.actions),
            text("events_digest", &format!("{:016x}", outputs.events_digest)),
            text("actions_digest", &format!("{:016x}", outputs.actions_digest)),
        ]),
        Entry::Lost(lost) => fields.extend([
            number("from", lost.from.0),
            number("to", lost.to.0),
            option("records", lost.records.map(|n| n.to_string())),
            number("unsure", lost.unsure),
            number("bytes", lost.bytes),
            text("why", &lost.why),
        ]),
        Entry::State(state) => fields.extend([
            text("venue", state.venue),
            hex("config", state.config),
            hex("state", state.state),
        ]),
        Entry::Anchor(anchor) => fields.extend([
            text("path", anchor.path),
            number("status", anchor.status),
            hex("body", anchor.body),
        ]),
        Entry::Note(note) => fields.push(text("note", note)),
        Entry::Other { payload, .. } => fields.push(hex("payload", payload)),
    }
    Ok(fields)
}

fn input_fields(input: &Input<'_>, kind: u8, fields: &mut Fields) {
    match input {
        Input::Frame(bytes) => fields.push(hex("frame", bytes)),
        Input::Closed { code, reason } => {
            fields.push(option("code", code.map(|code| code.to_string())));
            fields.push(text("reason", reason));
        }
        Input::Response { id, status, body } => {
            fields.extend([number("id", id), number("status", status), hex("body", body)]);
        }
        Input::Command(Command::Subscribe(list) | Command::Unsubscribe(list)) => {
            fields.push(subscriptions(list));
        }
        Input::Command(Command::Resync(one)) => {
            fields.push(subscriptions(std::slice::from_ref(one)));
        }
        Input::Command(Command::Instruments(list)) => fields.push(instruments(list)),
        Input::Command(Command::TakeOver(list)) => fields.push(known(list)),
        Input::Line { line, news } => {
            fields.push(number("line", line));
            let (input, of) = match *news {
                LineNews::Opened => (Input::Opened, kind::OPENED),
                LineNews::Frame(bytes) => (Input::Frame(bytes), kind::FRAME),
                LineNews::Closed { code, reason } => (Input::Closed { code, reason }, kind::CLOSED),
            };
            fields.push(number("news", of));
            input_fields(&input, of, fields);
        }
        Input::Start | Input::Opened | Input::Tick | Input::Command(_) => {
            debug_assert!((kind::START..=kind::LINE).contains(&kind));
        }
    }
}

fn subscriptions(list: &[Subscription]) -> String {
    let one =
        |s: &Subscription| format!("{{{},{}}}", text("channel", &s.channel), text("key", &s.key));
    format!("\"subscriptions\":[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))
}

fn known(list: &[Known]) -> String {
    let one = |x: &Known| {
        let Known { subscription, last, heard } = x;
        let (channel, key) = (&subscription.channel, &subscription.key);
        let last = option("last", last.map(|last| last.to_string()));
        let (channel, key) = (text("channel", channel), text("key", key));
        format!("{{{channel},{key},{last},{}}}", number("heard", heard.0))
    };
    format!("\"known\":[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))
}

fn instruments(list: &[std::sync::Arc<Instrument>]) -> String {
    let one = |x: &std::sync::Arc<Instrument>| format!("{{{}}}", instrument(x).join(","));
    format!("\"instruments\":[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))
}

fn instrument(x: &Instrument) -> Fields {
    let decimal = |name, value: Option<Decimal>| match value {
        Some(value) => text(name, &value.to_string()),
        None => format!("\"{name}\":null"),
    };
    vec![
        text("inst_id", &x.inst_id),
        match x.inst_type.as_ref().map(InstType::as_str) {
            Some(kind) => text("inst_type", kind),
            None => "\"inst_type\":null".to_owned(),
        },
        text("state", &x.state),
        text("inst_family", &x.inst_family),
        text("uly", &x.uly),
        text("base_ccy", &x.base_ccy),
        text("quote_ccy", &x.quote_ccy),
        text("settle_ccy", &x.settle_ccy),
        text("ct_val_ccy", &x.ct_val_ccy),
        text("ct_type", &x.ct_type),
        decimal("ct_val", x.ct_val),
        decimal("ct_mult", x.ct_mult),
        decimal("tick_sz", x.tick_sz),
        decimal("lot_sz", x.lot_sz.map(|q| q.0)),
        decimal("min_sz", x.min_sz.map(|q| q.0)),
        option("list_time", x.list_time.map(|t| t.0.to_string())),
        option("exp_time", x.exp_time.map(|t| t.0.to_string())),
        option("inst_id_code", x.inst_id_code.map(|code| code.to_string())),
        text("row", &x.row),
    ]
}

fn number(name: &str, value: impl ToString) -> String {
    format!("\"{name}\":{}", value.to_string())
}

fn option(name: &str, value: Option<String>) -> String {
    format!("\"{name}\":{}", value.as_deref().unwrap_or("null"))
}

fn hex(name: &str, bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{name}\":\"{digits}\"")
}

fn text(name: &str, value: &str) -> String {
    let mut out = Vec::new();
    escape(value, &mut out);
    format!("\"{name}\":{}", String::from_utf8_lossy(&out))
}
