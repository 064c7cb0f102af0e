//! One record of the tape: which feed, when, and what.
//!
//! The writer turns an [`Entry`] into bytes, readers get a [`Record`] whose payload is decoded
//! only when asked. Layout in `docs/tape-format.md`, section 4.
//!
//! Invariants: `Record::entry` gives back what was put; a kind this version does not know is
//! handed on as [`Entry::Other`]; no bytes make it panic. Start at [`Entry`].

use crate::bytes::varint_len;
use crate::bytes::{Cursor, DecodeError, put_bytes, put_option, put_text, put_varint};
use crate::bytes::{unzigzag, zigzag};
use crate::feed_config::{put_instruments, put_known, put_subscriptions};
use crate::feed_config::{take_all_known, take_instruments, take_subscription, take_subscriptions};
use market_data_model::{Command, FeedId, Input, LineNews, Nanos};

/// The feed of records that concern the whole tape.
pub const ALL_FEEDS: FeedId = FeedId(u32::MAX);

/// The kinds of records, as on the tape.
pub mod kind {
    #![allow(missing_docs, reason = "each is described in docs/tape-format.md, section 4")]
    pub const FEED_START: u8 = 1;
    pub const FEED_AGAIN: u8 = 2;
    pub const START: u8 = 16;
    pub const OPENED: u8 = 17;
    pub const FRAME: u8 = 18;
    pub const CLOSED: u8 = 19;
    pub const TICK: u8 = 20;
    pub const RESPONSE: u8 = 21;
    pub const SUBSCRIBE: u8 = 22;
    pub const UNSUBSCRIBE: u8 = 23;
    pub const RECONNECT: u8 = 24;
    pub const RESYNC: u8 = 25;
    pub const INSTRUMENTS: u8 = 26;
    pub const STOP: u8 = 27;
    pub const TAKE_OVER: u8 = 28;
    pub const HAND_OVER: u8 = 30;
    pub const LINE: u8 = 31;
    pub const OUTPUTS_JSON: u8 = 32;
    pub const LOST: u8 = 33;
    pub const NOTE: u8 = 34;
    pub const STATE: u8 = 35;
    pub const ANCHOR: u8 = 36;
    pub const OUTPUTS: u8 = 37;
}

/// What a record says.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// A feed was made; its inputs follow.
    FeedStart(FeedStart<'a>),
    /// An input of the feed.
    Input(Input<'a>),
    /// What came out of the feed since the last such record; lets a replay check itself.
    Outputs(Outputs),
    /// Records that could not be written. The gap is ours.
    Lost(Lost),
    /// A remark for people.
    Note(&'a str),
    /// The whole state of a feed between two of its inputs.
    State(FeedState<'a>),
    /// What the venue's REST side said of something that the feed follows.
    Anchor(Anchor<'a>),
    /// A kind that this version does not know.
    Other {
        /// The kind.
        kind: u8,
        /// Its bytes.
        payload: &'a [u8],
    },
}

/// How a feed was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedStart<'a> {
    /// The venue's short name, for example `okx`.
    pub venue: &'a str,
    /// Opaque to the tape; see [`FeedConfig`](crate::FeedConfig).
    pub config: &'a [u8],
    /// The feed has been running since an earlier segment: the writer repeats its start at the
    /// head of each segment, so that a segment can be read without those before it.
    pub again: bool,
}

/// The state of a feed behind all of its inputs so far: a replay can begin here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedState<'a> {
    /// The venue's short name.
    pub venue: &'a str,
    /// How the feed was made; opaque to the tape.
    pub config: &'a [u8],
    /// Its state; opaque to the tape.
    pub state: &'a [u8],
}

/// An answer of the venue's REST side that no feed was given: a second witness, asked for only to
/// be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor<'a> {
    /// What was asked for, for example `/api/v5/market/books?instId=BTC-USDT&sz=400`.
    pub path: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// Its body, byte for byte.
    pub body: &'a [u8],
}

/// Which bytes of an event a digest is over. A feed's digests are all of one form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Its line of JSON: tapes recorded until 2026-11-29.
    Json,
    /// Its fields as bytes; `docs/tape-format.md`, section 6.
    #[default]
    Exact,
}

/// What came out of a feed since its start or its last such record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Inputs handled.
    pub inputs: u64,
    /// Events that came out.
    pub events: u64,
    /// Actions that came out.
    pub actions: u64,
    /// What of the events is in their digest.
    pub form: Form,
    /// XXH64 of the events; see [`OutputDigest`](crate::OutputDigest).
    pub events_digest: u64,
    /// XXH64 of the actions.
    pub actions_digest: u64,
}

/// Records that did not reach the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Time of the first, or of the last that is known to be on the tape.
    pub from: Nanos,
    /// Time of the last, or of the moment when recording went on.
    pub to: Nanos,
    /// How many for certain; `None` = not known (the recorder itself had died).
    pub records: Option<u64>,
    /// How many more were handed to the disk, which then failed: they may or may not be there.
    pub unsure: u64,
    /// Bytes of payload, certain and unsure; after a crash the bytes cut from the torn tail.
    pub bytes: u64,
    /// What went wrong, in words.
    pub why: String,
}

/// One record as read: the header decoded, the payload not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number on the tape, counting from 0.
    pub ordinal: u64,
    /// Whose input it is; [`ALL_FEEDS`] for the tape as a whole.
    pub feed: FeedId,
    /// When it was received.
    pub ts: Nanos,
    /// One of [`kind`].
    pub kind: u8,
    /// The bytes of that kind.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Decodes the payload.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not what their kind says.
    pub fn entry(&self) -> Result<Entry<'a>, DecodeError> {
        let mut cursor = Cursor::new(self.payload);
        let input = match self.kind {
            kind::FEED_START => return feed_start(cursor, false),
            kind::FEED_AGAIN => return feed_start(cursor, true),
            kind::OUTPUTS => return outputs(cursor, Form::Exact),
            kind::OUTPUTS_JSON => return outputs(cursor, Form::Json),
            kind::LOST => return lost(cursor),
            kind::NOTE => return Ok(Entry::Note(cursor.rest_text("note")?)),
            kind::STATE => return state(cursor),
            kind::ANCHOR => return anchor(cursor),
            kind::START => Input::Start,
            kind::OPENED => Input::Opened,
            kind::FRAME => Input::Frame(self.payload),
            kind::CLOSED => closed(cursor)?,
            kind::TICK => Input::Tick,
            kind::RESPONSE => Input::Response {
                id: cursor.varint("response id")?,
                status: cursor.number("response status")?,
                body: cursor.rest(),
            },
            kind::SUBSCRIBE => Input::Command(Command::Subscribe(take_subscriptions(&mut cursor)?)),
            kind::UNSUBSCRIBE => {
                Input::Command(Command::Unsubscribe(take_subscriptions(&mut cursor)?))
            }
            kind::RECONNECT => Input::Command(Command::Reconnect),
            kind::RESYNC => Input::Command(Command::Resync(take_subscription(&mut cursor)?)),
            kind::INSTRUMENTS => {
                Input::Command(Command::Instruments(take_instruments(&mut cursor)?))
            }
            kind::STOP => Input::Command(Command::Stop),
            kind::HAND_OVER => Input::Command(Command::HandOver),
            kind::TAKE_OVER => Input::Command(Command::TakeOver(take_all_known(&mut cursor)?)),
            kind::LINE => line(cursor)?,
            kind => return Ok(Entry::Other { kind, payload: self.payload }),
        };
        Ok(Entry::Input(input))
    }

    /// Whether the record is an input of a feed.
    pub fn is_input(&self) -> bool {
        (kind::START..=kind::LINE).contains(&self.kind)
    }

    /// Whether it says how a feed was made, or what state it is in.
    pub fn is_entrance(&self) -> bool {
        is_entrance(self.kind)
    }
}

/// Whether records of this kind say how a feed was made, or what state it is in.
pub(crate) fn is_entrance(kind: u8) -> bool {
    matches!(kind, kind::FEED_START | kind::FEED_AGAIN | kind::STATE)
}

fn feed_start(mut cursor: Cursor<'_>, again: bool) -> Result<Entry<'_>, DecodeError> {
    let venue = cursor.text("venue")?;
    Ok(Entry::FeedStart(FeedStart { venue, config: cursor.rest(), again }))
}

fn state(mut cursor: Cursor<'_>) -> Result<Entry<'_>, DecodeError> {
    let venue = cursor.text("venue")?;
    let config = cursor.bytes("configuration")?;
    Ok(Entry::State(FeedState { venue, config, state: cursor.rest() }))
}

fn anchor(mut cursor: Cursor<'_>) -> Result<Entry<'_>, DecodeError> {
    let path = cursor.text("path of an anchor")?;
    let status = cursor.number("status of an anchor")?;
    Ok(Entry::Anchor(Anchor { path, status, body: cursor.rest() }))
}

fn outputs(mut cursor: Cursor<'_>, form: Form) -> Result<Entry<'_>, DecodeError> {
    Ok(Entry::Outputs(Outputs {
        inputs: cursor.varint("inputs")?,
        events: cursor.varint("events")?,
        actions: cursor.varint("actions")?,
        form,
        events_digest: cursor.u64_le("digest of events")?,
        actions_digest: cursor.u64_le("digest of actions")?,
    }))
}

fn lost(mut cursor: Cursor<'_>) -> Result<Entry<'_>, DecodeError> {
    Ok(Entry::Lost(Lost {
        from: Nanos(cursor.varint("lost from")?),
        to: Nanos(cursor.varint("lost to")?),
        records: cursor.option("lost records", Cursor::varint)?,
        unsure: cursor.varint("unsure records")?,
        bytes: cursor.varint("lost bytes")?,
        why: cursor.rest_text("reason of a loss")?.to_owned(),
    }))
}

fn closed(mut cursor: Cursor<'_>) -> Result<Input<'_>, DecodeError> {
    let code = cursor.option("close code", Cursor::number::<u16>)?;
    Ok(Input::Closed { code, reason: cursor.rest_text("close reason")? })
}

fn line(mut cursor: Cursor<'_>) -> Result<Input<'_>, DecodeError> {
    let line = cursor.byte("line")?;
    let news = match cursor.byte("news of a line")? {
        kind::OPENED => LineNews::Opened,
        kind::FRAME => LineNews::Frame(cursor.rest()),
        kind::CLOSED => match closed(cursor)? {
            Input::Closed { code, reason } => LineNews::Closed { code, reason },
            other => return Ok(other),
        },
        kind => return Err(DecodeError::Value { what: "news of a line", value: kind.into() }),
    };
    Ok(Input::Line { line, news })
}

impl Entry<'_> {
    /// The kind byte of this entry.
    pub fn kind(&self) -> u8 {
        match self {
            Entry::FeedStart(start) if start.again => kind::FEED_AGAIN,
            Entry::FeedStart(_) => kind::FEED_START,
            Entry::Input(input) => input_kind(input),
            Entry::Outputs(Outputs { form: Form::Exact, .. }) => kind::OUTPUTS,
            Entry::Outputs(_) => kind::OUTPUTS_JSON,
            Entry::Lost(_) => kind::LOST,
            Entry::Note(_) => kind::NOTE,
            Entry::State(_) => kind::STATE,
            Entry::Anchor(_) => kind::ANCHOR,
            Entry::Other { kind, .. } => *kind,
        }
    }

    /// How long the payload is.
    pub(crate) fn payload_len(&self) -> usize {
        if let Entry::Input(Input::Frame(bytes)) = self {
            return bytes.len();
        }
        let mut payload = Vec::new();
        self.put_payload(&mut payload);
        payload.len()
    }

    /// Appends the payload.
    pub(crate) fn put_payload(&self, out: &mut Vec<u8>) {
        match self {
            Entry::FeedStart(start) => {
                put_text(out, start.venue);
                out.extend_from_slice(start.config);
            }
            Entry::Input(input) => put_input(input, out),
            Entry::Outputs(outputs) => {
                put_varint(out, outputs.inputs);
                put_varint(out, outputs.events);
                put_varint(out, outputs.actions);
                out.extend_from_slice(&outputs.events_digest.to_le_bytes());
                out.extend_from_slice(&outputs.actions_digest.to_le_bytes());
            }
            Entry::Lost(lost) => {
                put_varint(out, lost.from.0);
                put_varint(out, lost.to.0);
                put_option(out, lost.records, put_varint);
                put_varint(out, lost.unsure);
                put_varint(out, lost.bytes);
                out.extend_from_slice(lost.why.as_bytes());
            }
            Entry::Note(text) => out.extend_from_slice(text.as_bytes()),
            Entry::State(state) => {
                put_text(out, state.venue);
                put_bytes(out, state.config);
                out.extend_from_slice(state.state);
            }
            Entry::Anchor(anchor) => {
                put_text(out, anchor.path);
                put_varint(out, anchor.status.into());
                out.extend_from_slice(anchor.body);
            }
            Entry::Other { payload, .. } => out.extend_from_slice(payload),
        }
    }
}

fn input_kind(input: &Input<'_>) -> u8 {
    match input {
        Input::Start => kind::START,
        Input::Opened => kind::OPENED,
        Input::Frame(_) => kind::FRAME,
        Input::Closed { .. } => kind::CLOSED,
        Input::Tick => kind::TICK,
        Input::Response { .. } => kind::RESPONSE,
        Input::Command(Command::Subscribe(_)) => kind::SUBSCRIBE,
        Input::Command(Command::Unsubscribe(_)) => kind::UNSUBSCRIBE,
        Input::Command(Command::Reconnect) => kind::RECONNECT,
        Input::Command(Command::Resync(_)) => kind::RESYNC,
        Input::Command(Command::Instruments(_)) => kind::INSTRUMENTS,
        Input::Command(Command::Stop) => kind::STOP,
        Input::Command(Command::HandOver) => kind::HAND_OVER,
        Input::Command(Command::TakeOver(_)) => kind::TAKE_OVER,
        Input::Line { .. } => kind::LINE,
    }
}

fn put_input(input: &Input<'_>, out: &mut Vec<u8>) {
    match input {
        Input::Frame(bytes) => out.extend_from_slice(bytes),
        Input::Closed { code, reason } => {
            put_option(out, code.map(u64::from), put_varint);
            out.extend_from_slice(reason.as_bytes());
        }
        Input::Line { line, news } => {
            let input = match *news {
                LineNews::Opened => Input::Opened,
                LineNews::Frame(bytes) => Input::Frame(bytes),
                LineNews::Closed { code, reason } => Input::Closed { code, reason },
            };
            out.extend_from_slice(&[*line, input_kind(&input)]);
            put_input(&input, out);
        }
        Input::Response { id, status, body } => {
            put_varint(out, *id);
            put_varint(out, (*status).into());
            out.extend_from_slice(body);
        }
        Input::Command(Command::Subscribe(list) | Command::Unsubscribe(list)) => {
            put_subscriptions(out, list);
        }
        Input::Command(Command::Resync(one)) => {
            put_text(out, &one.channel);
            put_text(out, &one.key);
        }
        Input::Command(Command::Instruments(list)) => put_instruments(out, list),
        Input::Command(Command::TakeOver(list)) => put_known(out, list),
        Input::Start
        | Input::Opened
        | Input::Tick
        | Input::Command(Command::Reconnect | Command::HandOver | Command::Stop) => {}
    }
}

/// What stands before the payload of a record.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) feed: FeedId,
    pub(crate) ts: Nanos,
    /// Time of the record before it in the block, or the block's first time.
    pub(crate) before: Nanos,
}

/// Appends a whole record.
pub(crate) fn put_record(out: &mut Vec<u8>, stamp: Stamp, kind: u8, payload: &[u8]) {
    let delta = zigzag(stamp.ts.0.wrapping_sub(stamp.before.0) as i64);
    let feed = u64::from(stamp.feed.0);
    let len = 1 + varint_len(feed) + varint_len(delta) + payload.len();
    put_varint(out, len as u64);
    out.push(kind);
    put_varint(out, feed);
    put_varint(out, delta);
    out.extend_from_slice(payload);
}

/// Takes the next record off `bytes`.
pub(crate) fn take_record<'a>(
    bytes: &mut &'a [u8],
    ordinal: u64,
    before: Nanos,
) -> Result<Record<'a>, DecodeError> {
    let mut outer = Cursor::new(bytes);
    let mut cursor = Cursor::new(outer.bytes("record")?);
    *bytes = outer.rest();
    let kind = cursor.byte("kind")?;
    let feed = FeedId(cursor.number("feed")?);
    let delta = unzigzag(cursor.varint("time")?);
    let ts = Nanos(before.0.wrapping_add(delta as u64));
    Ok(Record { ordinal, feed, ts, kind, payload: cursor.rest() })
}
