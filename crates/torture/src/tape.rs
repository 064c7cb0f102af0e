//! Everything one feed was given and everything it answered, so that a fresh feed can be given the
//! same and must answer the same, byte for byte.
//!
//! `life.rs` records while a life goes on and replays at its end; failures print its tail. Events
//! are kept as the JSON text that consumers get, actions as text.
//!
//! Start at [`Tape::record`] and [`Tape::replay`].

use super::json::Json;
use market_data_model::{Action, Command, Feed, Input, LineNews, Nanos, Outbox, wire};
use std::fmt::Write as _;
use std::sync::Arc;

/// One input, owned.
#[derive(Clone, Debug)]
pub enum Taped {
    /// [`Input::Start`]
    Start,
    /// [`Input::Opened`]
    Opened,
    /// [`Input::Frame`], and the fault that touched it.
    Frame(Arc<str>, Option<&'static str>),
    /// [`Input::Closed`]
    Closed(Option<u16>, String),
    /// [`Input::Tick`]
    Tick,
    /// [`Input::Response`]
    Response(u64, u16, String),
    /// [`Input::Command`]
    Command(Command),
    /// [`Input::Line`], and what happened there: opened, a frame or closed.
    Line(u8, Box<Taped>),
}

impl Taped {
    /// The input that a feed takes.
    pub fn input(&self) -> Input<'_> {
        match self {
            Taped::Start => Input::Start,
            Taped::Opened => Input::Opened,
            Taped::Frame(text, _) => Input::Frame(text.as_bytes()),
            Taped::Closed(code, reason) => Input::Closed { code: *code, reason },
            Taped::Tick => Input::Tick,
            Taped::Response(id, status, body) => {
                Input::Response { id: *id, status: *status, body: body.as_bytes() }
            }
            Taped::Command(command) => Input::Command(command.clone()),
            Taped::Line(line, what) => {
                let line = *line;
                match what.input() {
                    Input::Opened => Input::Line { line, news: LineNews::Opened },
                    Input::Frame(bytes) => Input::Line { line, news: LineNews::Frame(bytes) },
                    Input::Closed { code, reason } => {
                        Input::Line { line, news: LineNews::Closed { code, reason } }
                    }
                    other => other,
                }
            }
        }
    }

    /// The same on a line.
    pub fn on(self, line: u8) -> Taped {
        if line == 0 { self } else { Taped::Line(line, Box::new(self)) }
    }

    /// Which line it is about, and what happened there.
    pub fn bare(&self) -> (u8, &Taped) {
        match self {
            Taped::Line(line, what) => (*line, what),
            bare => (0, bare),
        }
    }

    /// Whether the frame is about that channel and key, or this is no frame at all.
    fn concerns(&self, (channel, key): (&str, &str)) -> bool {
        match self.bare().1 {
            Taped::Frame(text, _) => speaks_of(text, channel, key),
            Taped::Tick => false,
            _ => true,
        }
    }

    fn say(&self) -> String {
        match self {
            Taped::Frame(text, None) => format!("frame {}", cut(text)),
            Taped::Frame(text, Some(fault)) => format!("frame ({fault}) {}", cut(text)),
            Taped::Closed(code, reason) => format!("closed {code:?} {reason}"),
            Taped::Response(id, status, body) => format!("response {id} {status} {}", cut(body)),
            Taped::Command(Command::Instruments(list)) => {
                format!("command: {} instruments changed", list.len())
            }
            Taped::Command(command) => format!("command {}", cut(&format!("{command:?}"))),
            Taped::Start => "start".into(),
            Taped::Opened => "opened".into(),
            Taped::Tick => "tick".into(),
            Taped::Line(line, what) => format!("line {line}: {}", what.say()),
        }
    }
}

const SHOWN_CHARACTERS: usize = 220;

fn speaks_of(text: &str, channel: &str, key: &str) -> bool {
    let quoted = format!("\"{channel}\"");
    (channel.is_empty() || text.contains(&quoted)) && text.contains(key)
}

fn cut(text: &str) -> String {
    if text.len() <= SHOWN_CHARACTERS {
        return text.to_owned();
    }
    let head: String = text.chars().take(SHOWN_CHARACTERS - 90).collect();
    let tail: Vec<char> = text.chars().rev().take(70).collect();
    format!("{head} … {}", tail.into_iter().rev().collect::<String>())
}

/// One feed's inputs and outputs in order.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    inputs: Vec<(Nanos, Taped)>,
    outputs: Vec<u8>,
    ends: Vec<usize>,
}

impl Tape {
    /// Appends an input with what came out of it.
    pub fn record(&mut self, now: Nanos, input: Taped, out: &Outbox) {
        self.inputs.push((now, input));
        print(out, &mut self.outputs);
        self.ends.push(self.outputs.len());
    }

    /// Every input, with its time.
    #[cfg(test)]
    pub fn into_inputs(self) -> Vec<(Nanos, Taped)> {
        self.inputs
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// How many of them are frames.
    pub fn frames(&self) -> u64 {
        let frame = |(_, input): &&(Nanos, Taped)| matches!(input.bare().1, Taped::Frame(..));
        self.inputs.iter().filter(frame).count() as u64
    }

    /// Reads back every event as a consumer would.
    ///
    /// # Errors
    /// When a line is no JSON object, or its count has a hole.
    pub fn read_back(&self) -> Result<(), String> {
        let text = String::from_utf8_lossy(&self.outputs);
        let mut n: u64 = 0;
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let json =
                Json::parse(line).ok_or_else(|| format!("an event that is no JSON: {line}"))?;
            let count = json.get("n").map(Json::plain).and_then(|n| n.parse().ok());
            n += 1;
            if count != Some(n) || json.text("type").is_empty() || json.text("exchange") != "okx" {
                return Err(format!(
                    "an event without its common fields (n should be {n}): {line}"
                ));
            }
        }
        Ok(())
    }

    fn output(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.outputs[start..self.ends[index]]
    }

    /// Gives every input to `feed`, which must be as the recorded one was at its birth; shows it to
    /// `at_cut` as it was after the inputs up to a time.
    ///
    /// # Errors
    /// Says where the answers differ, with both.
    pub fn replay<F: Feed>(
        &self,
        feed: &mut F,
        (until, at_cut): (Nanos, impl FnOnce(&F)),
    ) -> Result<(), String> {
        let mut out = Outbox::default();
        let mut said = Vec::new();
        let mut at_cut = Some(at_cut);
        for (index, (now, input)) in self.inputs.iter().enumerate() {
            if *now > until
                && let Some(at_cut) = at_cut.take()
            {
                at_cut(feed);
            }
            out.clear();
            said.clear();
            feed.handle(*now, input.input(), &mut out);
            print(&out, &mut said);
            if said != self.output(index) {
                return Err(format!(
                    "input {index} ({}) at {now} is answered differently in replay\n  first:  {}\n  \
                     replay: {}",
                    input.say(),
                    cut(&String::from_utf8_lossy(self.output(index))),
                    cut(&String::from_utf8_lossy(&said)),
                ));
            }
        }
        if let Some(at_cut) = at_cut {
            at_cut(feed);
        }
        Ok(())
    }

    /// The last `most` inputs that are about one channel and key, or about the connection, with
    /// what came out of them; times count from `start`. Of mere data only the newest is shown.
    pub fn tail(&self, start: Nanos, about: &(String, String), most: usize) -> Vec<String> {
        let (channel, key) = (about.0.as_str(), about.1.as_str());
        let of_it = |line: &&str| channel.is_empty() || speaks_of(line, channel, key);
        let (mut lines, mut data) = (Vec::new(), 0);
        for (index, (now, input)) in self.inputs.iter().enumerate().rev() {
            let said = String::from_utf8_lossy(self.output(index));
            let last = index + 1 == self.inputs.len();
            let quiet =
                !TURNS.iter().any(|turn| said.lines().any(|l| of_it(&l) && l.contains(turn)));
            if !last && quiet && !input.concerns((channel, key)) {
                continue;
            }
            if matches!(input.bare().1, Taped::Frame(..)) && quiet {
                data += 1;
                if data > DATA_SHOWN {
                    continue;
                }
            }
            let ms = now.since(start) / 1_000_000;
            let mut line = format!("{:>7}.{:03}s {}", ms / 1000, ms % 1000, input.say());
            for output in said.lines().filter(of_it).take(6) {
                let _ = write!(line, "\n             -> {}", cut(output));
            }
            lines.push(line);
            if lines.len() == most {
                break;
            }
        }
        lines.reverse();
        lines
    }
}

/// What makes an input worth showing long after it happened.
const TURNS: &[&str] = &[
    "\"type\":\"gap\"",
    "\"type\":\"fault\"",
    "\"type\":\"subscription\"",
    "\"type\":\"session\"",
    "send {",
    "Get {",
    "Close",
];

/// How many frames that only brought data are shown.
const DATA_SHOWN: usize = 8;

/// Appends events as consumers get them, then actions, a line each.
fn print(out: &Outbox, text: &mut Vec<u8>) {
    for event in out.events.iter() {
        wire::write_json(&event, text);
        text.push(b'\n');
    }
    for action in &out.actions {
        let line = match action {
            Action::Send(frame) => format!("send {frame}\n"),
            other => format!("{other:?}\n"),
        };
        text.extend_from_slice(line.as_bytes());
    }
}
