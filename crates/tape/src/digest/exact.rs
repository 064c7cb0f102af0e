//! The hash of events, each as the exact bytes of its fields.
//!
//! `digest.rs` calls it for each event that is recorded, so it is made to cost little. The fields
//! are those of [`fields`], so nothing that JSON shows can be left out. Layout in
//! `docs/tape-format.md`, section 6.
//!
//! Invariants: each value says what it is and ends by itself, and an event ends with a byte that no
//! value begins with, so two runs of different events never have the same bytes; the bytes depend
//! on what an event says alone, not on the batch that it lies in.

use super::Xxh64;
use market_data_model::event::Level;
use market_data_model::fields::{self, Value, Visitor};
use market_data_model::{Body, Decimal, EventRef, Events, Names};
use std::sync::Arc;

/// What a value is; stands before it.
mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const WHOLE: u8 = 3;
    pub const NEGATIVE: u8 = 4;
    pub const DECIMAL: u8 = 5;
    pub const TEXT: u8 = 6;
    pub const JSON: u8 = 7;
    pub const POINT: u8 = 8;
    pub const LEVELS: u8 = 9;
    /// The name of a field that is not in every record of its kind.
    pub const NAME: u8 = 10;
    /// The event is over.
    pub const END: u8 = 11;
    /// A text of so many bytes.
    pub const SHORT_TEXT: u8 = 16;
    /// A number of so many decimals, whose digits fit eight bytes.
    pub const SHORT_DECIMAL: u8 = 64;
}

/// Longest text whose length is in its tag: with that it is sixteen bytes.
const SHORT_TEXT_MAX: usize = 15;
const _: () = assert!(tag::SHORT_TEXT as usize + SHORT_TEXT_MAX < tag::SHORT_DECIMAL as usize);

/// In a level's first word: its numbers have upper words, which follow.
const LONG: u64 = 1 << 48;
/// There: it has a third number, which follows.
const THREE: u64 = 1 << 49;

/// Bytes that are hashed at once: enough to cost nothing, few enough for the first cache.
const ROOM: usize = 4096;
/// Most bytes that are put there at once, and of what a [`Head`] holds.
const PIECE_MAX: usize = 128;
/// How many heads are kept, a power of two.
const HEADS: usize = 256;
/// The bytes of a level of usual numbers.
const LEVEL: usize = 24;

/// See the file's first comment.
#[derive(Clone, Debug)]
pub(super) struct Exact {
    hash: Xxh64,
    /// Bytes that are not in the hash yet, up to `at`.
    room: Box<[u8; ROOM]>,
    at: usize,
    /// What the heads were made with.
    names: Arc<Names>,
    heads: Vec<Head>,
}

/// The bytes of the fields that say whose an event is. Only to spare work: what is not here is
/// made again.
#[derive(Clone, Copy, Debug)]
struct Head {
    kind: &'static str,
    channel: Option<u16>,
    inst: Option<u32>,
    /// How many bytes; 0 = there is no head.
    length: usize,
    bytes: [u8; PIECE_MAX],
}

impl Head {
    const NONE: Head =
        Head { kind: "", channel: None, inst: None, length: 0, bytes: [0; PIECE_MAX] };
}

impl Default for Exact {
    fn default() -> Exact {
        let (room, heads) = (Box::new([0; ROOM]), vec![Head::NONE; HEADS]);
        Exact { hash: Xxh64::default(), room, at: 0, names: Arc::default(), heads }
    }
}

impl Exact {
    /// Adds events.
    pub(super) fn events(&mut self, events: Events<'_>) {
        if !Arc::ptr_eq(&self.names, events.names()) {
            self.names = Arc::clone(events.names());
            self.heads.iter_mut().for_each(|head| head.length = 0);
        }
        for event in events.iter() {
            self.whose(&event);
            fields::visit_said(&event, self);
            self.byte(tag::END);
        }
    }

    fn whose(&mut self, event: &EventRef<'_>) {
        if let Body::Figures(_) = event.body {
            return fields::visit_whose(event, self);
        }
        let (channel, inst) = (event.header.channel, event.header.inst);
        let kind = event.body.kind();
        let mixed = inst.unwrap_or_default().wrapping_mul(0x9E37_79B1)
            ^ u32::from(channel.unwrap_or_default()).wrapping_mul(0x85EB_CA77);
        let slot = (mixed >> 24) as usize % HEADS;
        let head = &self.heads[slot];
        let same = head.inst == inst && head.channel == channel && std::ptr::eq(head.kind, kind);
        if same && head.length > 0 {
            let Head { bytes, length, .. } = *head;
            return self.put(bytes, length);
        }
        self.empty();
        let hashed = self.hash.total();
        fields::visit_whose(event, self);
        if self.hash.total() == hashed && self.at <= PIECE_MAX {
            let (mut bytes, length) = ([0; PIECE_MAX], self.at);
            bytes[..length].copy_from_slice(&self.room[..length]);
            self.heads[slot] = Head { kind, channel, inst, length, bytes };
        }
    }

    /// The hash of all events, and a fresh start.
    pub(super) fn take(&mut self) -> u64 {
        self.empty();
        std::mem::take(&mut self.hash).finish()
    }

    #[inline(never)]
    fn empty(&mut self) {
        self.hash.add(&self.room[..self.at]);
        self.at = 0;
    }

    /// Puts all of `bytes`, and counts the first `length` of them.
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N], length: usize) {
        const { assert!(N <= PIECE_MAX) };
        if self.at > ROOM - PIECE_MAX {
            self.empty();
        }
        if let Some(place) = self.room[self.at..].first_chunk_mut() {
            *place = bytes;
            self.at += length;
        }
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.put([byte], 1);
    }

    /// A tag and the eight bytes of a number.
    #[inline(always)]
    fn word(&mut self, tag: u8, word: u64) {
        self.put((u128::from(word) << 8 | u128::from(tag)).to_le_bytes(), 9);
    }

    #[inline(always)]
    fn words<const N: usize>(&mut self, words: [u64; N]) {
        for word in words {
            self.put(word.to_le_bytes(), 8);
        }
    }

    #[inline(always)]
    fn whole(&mut self, value: Option<u64>) {
        match value {
            Some(value) => self.word(tag::WHOLE, value),
            None => self.byte(tag::NULL),
        }
    }

    #[inline(always)]
    fn int(&mut self, value: Option<i64>) {
        match value {
            Some(value) if value < 0 => self.word(tag::NEGATIVE, value as u64),
            value => self.whole(value.map(|value| value as u64)),
        }
    }

    #[inline(always)]
    fn decimal(&mut self, value: Decimal) {
        let [low, high] = value.words();
        match small_scale(high) {
            Some(scale) => self.word(tag::SHORT_DECIMAL + scale as u8, low),
            None => {
                self.word(tag::DECIMAL, low);
                self.words([high]);
            }
        }
    }

    #[inline(always)]
    fn text(&mut self, text: &str) {
        let length = text.len();
        if length > SHORT_TEXT_MAX {
            return self.long_text(tag::TEXT, text);
        }
        let tag = u128::from(tag::SHORT_TEXT) + length as u128;
        self.put((short_word(text.as_bytes()) << 8 | tag).to_le_bytes(), 1 + length);
    }

    #[inline(never)]
    fn long_text(&mut self, tag: u8, text: &str) {
        self.word(tag, text.len() as u64);
        for piece in text.as_bytes().chunks(PIECE_MAX) {
            let mut bytes = [0; PIECE_MAX];
            bytes[..piece.len()].copy_from_slice(piece);
            self.put(bytes, piece.len());
        }
    }

    fn levels(&mut self, mut levels: &[Level]) {
        self.word(tag::LEVELS, levels.len() as u64);
        while let Some(first) = levels.first() {
            if self.at > ROOM - PIECE_MAX {
                self.empty();
            }
            let places = self.room[self.at..].as_chunks_mut::<LEVEL>().0;
            let mut put = 0;
            for (place, level) in places.iter_mut().zip(levels) {
                let Some(bytes) = level_bytes(level) else { break };
                *place = bytes;
                put += 1;
            }
            self.at += put * LEVEL;
            if put == 0 {
                self.long_level(first);
                put = 1;
            }
            levels = &levels[put..];
        }
    }

    #[inline(never)]
    fn long_level(&mut self, level: &Level) {
        let ([px, px_high], [qty, qty_high]) = (level.px.0.words(), level.qty.0.words());
        let non_rpi = level.non_rpi.0.some();
        let three = if non_rpi.is_some() { THREE } else { 0 };
        self.words([u64::from(level.orders) | LONG | three, px, qty, px_high, qty_high]);
        if let Some(non_rpi) = non_rpi {
            self.words(non_rpi.words());
        }
    }
}

impl Visitor for Exact {
    #[inline(always)]
    fn field(&mut self, _: &'static str, value: Value<'_>) {
        match value {
            Value::Bool(Some(false)) => self.byte(tag::FALSE),
            Value::Bool(Some(true)) => self.byte(tag::TRUE),
            Value::Int(x) => self.int(x),
            Value::Count(x) | Value::Millis(x) | Value::Nanos(x) => self.whole(x),
            Value::Id(x) => self.whole(Some(x)),
            Value::Decimal(Some(x)) => self.decimal(x),
            Value::Word(Some(x)) | Value::Text(Some(x)) => self.text(x),
            Value::Json(Some(x)) => self.long_text(tag::JSON, x),
            Value::Point(id, at) => {
                self.byte(tag::POINT);
                self.int(id);
                self.whole(at);
            }
            Value::Levels(levels) => self.levels(levels),
            Value::Bool(None)
            | Value::Decimal(None)
            | Value::Word(None)
            | Value::Text(None)
            | Value::Json(None) => self.byte(tag::NULL),
        }
    }

    fn rare(&mut self, name: &'static str, value: Value<'_>) {
        if !value.is_none() {
            self.long_text(tag::NAME, name);
            self.field(name, value);
        }
    }
}

/// A level of two numbers without upper words.
#[inline(always)]
fn level_bytes(level: &Level) -> Option<[u8; LEVEL]> {
    let ([px, px_high], [qty, qty_high]) = (level.px.0.words(), level.qty.0.words());
    let (px_scale, qty_scale) = (small_scale(px_high)?, small_scale(qty_high)?);
    if level.non_rpi.0.some().is_some() {
        return None;
    }
    let head = u64::from(level.orders) | px_scale << 32 | qty_scale << 40;
    let mut bytes = [0; LEVEL];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip([head, px, qty]) {
        *place = word.to_le_bytes();
    }
    Some(bytes)
}

/// The number of decimals, where the upper word of a number holds nothing else.
#[inline(always)]
fn small_scale(high: u64) -> Option<u64> {
    (high << 8 == 0 && high >> 63 == 0).then_some(high >> 56)
}

/// The bytes of a text of at most [`SHORT_TEXT_MAX`], the first one lowest, zeros above. Two loads
/// that overlap, whatever the length.
#[inline(always)]
fn short_word(text: &[u8]) -> u128 {
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << (8 * (length - 8));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return (u64::from(first) | u64::from(last) << (8 * (length - 4))).into();
    }
    let byte = |i: usize| u128::from(text.get(i).copied().unwrap_or_default());
    byte(0) | byte(1) << 8 | byte(2) << 16
}
