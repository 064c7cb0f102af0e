//! The whole state of a feed as bytes, and back. Part of [`OkxFeed`].
//!
//! The recorder puts checkpoints on the tape so that a replay can begin in the middle; a process
//! can hand a feed over to another one. What comes back answers every later input as the original
//! would, byte for byte, actions included; torture holds it to that.
//!
//! Invariants: no field is forgotten (the patterns below name every one, the rest is derived); the
//! same state gives the same bytes, whatever the order in which its maps were filled; what is
//! derived from other fields, and room for work, is made anew; no bytes make [`OkxFeed::restore`]
//! panic, and what it gives back points nowhere outside of itself.
//!
//! The bytes: a version, CRC-32 of the rest (4 bytes, little-endian), then the state as `postcard`
//! writes it. A change of any field's type or order is a change of [`VERSION`]; a test pins it.
//! [`VERSION_LINES`] ends before the witness and the funding, [`VERSION_BARS`] before the lines,
//! too, [`VERSION_BINARY`] before the bars, too, [`VERSION_LOGIN`] before the refill and the binary
//! socket and [`VERSION_STATE`] before the login, too: they are read as states of feeds that had
//! nothing of it.

use super::bars::Bars;
use super::binary::Binary;
use super::emit::{Emitter, EmitterState};
use super::funding::Funding;
use super::lines::{Lines, LinesState};
use super::login::Login;
use super::refill::Refill;
use super::sub::Sub;
use super::witness::Witness;
use super::{OkxConfig, OkxFeed};
use crate::channel::{self, Form};
use crate::fast::Kit;
use crate::limits::{BEAT_DOUBLINGS_MAX, CHECKPOINT_BYTES_MAX, CHECKPOINT_SUBS_MAX};
use crate::link::{Link, Timer, TimerTable};
use crate::request::Op;
use market_data_model::{Nanos, Subscription};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// Version of the bytes.
const VERSION: u8 = 8;
/// The version before, without the witness and the funding.
const VERSION_LINES: u8 = 7;
/// The version before that, without the lines.
const VERSION_BARS: u8 = 6;
/// The version before that, without the bars.
const VERSION_BINARY: u8 = 5;
/// The version before that, without the refill and the binary socket.
const VERSION_LOGIN: u8 = 4;
/// The version before that, without what is behind [`State`].
const VERSION_STATE: u8 = 3;
/// Version and sum.
const HEAD: usize = 5;

/// What is behind the head, and before the login.
type State = (
    EmitterState,
    Link,
    Vec<(Timer, Nanos)>,
    Vec<Sub>,
    Vec<(Box<[u8]>, u32)>,
    VecDeque<(Op, Vec<u32>)>,
    BTreeMap<u64, (Op, Vec<u32>)>,
    u64,
    BTreeMap<u64, u32>,
    u64,
    bool,
    bool,
);

/// Why bytes are not the state of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// Another version of this program wrote them.
    Version(u8),
    /// They are not what was written: too short, too long, or their sum does not hold.
    Damaged,
    /// The sum holds, and yet they are no state of a feed, in words.
    Malformed(&'static str),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Version(version) => {
                write!(f, "the state of a feed has version {version}; this program reads {VERSION}")
            }
            RestoreError::Damaged => f.write_str("the state of a feed is damaged"),
            RestoreError::Malformed(why) => write!(f, "the state of a feed is none: {why}"),
        }
    }
}

impl std::error::Error for RestoreError {}

impl OkxFeed {
    /// Appends the whole state between two inputs, its configuration excepted; nothing while what
    /// it has to say is held back, because that is part of it.
    ///
    /// More than [`CHECKPOINT_BYTES_MAX`] bytes are not read again; the caller looks at the length.
    pub fn checkpoint(&self, out: &mut Vec<u8>) {
        let OkxFeed {
            config: _,
            beside: _,
            emit,
            link,
            timers,
            subs,
            by_key: _,
            by_argument,
            queue,
            pending,
            requests,
            gets,
            get_number,
            login,
            refill,
            bars,
            witness,
            funding,
            held,
            binary,
            lines,
            row: _,
            figure: _,
            kit: _,
            orderly,
            stopping,
        } = self;
        if held.is_some() {
            return;
        }
        let mut arguments: Vec<(&[u8], u32)> =
            by_argument.iter().map(|(text, index)| (&**text, *index)).collect();
        arguments.sort_unstable();
        let timers: Vec<(Timer, Nanos)> = timers.iter().collect();
        let emit = emit.state();
        let counts = (requests, gets, get_number, orderly, stopping);
        let (requests, gets, get_number, orderly, stopping) = counts;
        let state = (
            emit, link, timers, subs, arguments, queue, pending, requests, gets, get_number,
            orderly, stopping,
        );
        let start = out.len();
        out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
        let parts = (state, login, refill, binary, bars, lines.state(), witness, funding);
        *out = postcard::to_extend(&parts, std::mem::take(out))
            .expect("a vector takes every byte, and no part of a state refuses to be written");
        let sum = crc32fast::hash(&out[start + HEAD..]);
        out[start + 1..start + HEAD].copy_from_slice(&sum.to_le_bytes());
    }

    /// The feed that was in this state, as it was between two inputs.
    ///
    /// `config` is that of the feed when it was made. Another depth of views, or the choice to
    /// emit changes or not, holds from here on.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not a state that this version wrote.
    pub fn restore(config: OkxConfig, bytes: &[u8]) -> Result<OkxFeed, RestoreError> {
        let (version, rest) = bytes.split_first().ok_or(RestoreError::Damaged)?;
        let known =
            [VERSION, VERSION_LINES, VERSION_BARS, VERSION_BINARY, VERSION_LOGIN, VERSION_STATE];
        if !known.contains(version) {
            return Err(RestoreError::Version(*version));
        }
        let (sum, state) = rest.split_first_chunk::<4>().ok_or(RestoreError::Damaged)?;
        let fits = bytes.len() <= CHECKPOINT_BYTES_MAX;
        if !fits || crc32fast::hash(state) != u32::from_le_bytes(*sum) {
            return Err(RestoreError::Damaged);
        }
        let unread = |_| RestoreError::Malformed("its fields cannot be read");
        let (state, rest) = postcard::take_from_bytes::<State>(state).map_err(unread)?;
        let (login, rest) = match *version {
            VERSION_STATE => (Login::default(), rest),
            _ => postcard::take_from_bytes::<Login>(rest).map_err(unread)?,
        };
        let ((refill, binary), rest) = match *version {
            VERSION | VERSION_LINES | VERSION_BARS | VERSION_BINARY => {
                postcard::take_from_bytes::<(Refill, Binary)>(rest).map_err(unread)?
            }
            _ => (Default::default(), rest),
        };
        let (bars, rest) = match *version {
            VERSION | VERSION_LINES | VERSION_BARS => {
                postcard::take_from_bytes::<Bars>(rest).map_err(unread)?
            }
            _ => (Bars::default(), rest),
        };
        let (lines, rest) = match *version {
            VERSION | VERSION_LINES => {
                postcard::take_from_bytes::<LinesState>(rest).map_err(unread)?
            }
            _ => (Default::default(), rest),
        };
        let (witness, rest) = match *version {
            VERSION => postcard::take_from_bytes::<Witness>(rest).map_err(unread)?,
            _ => (Witness::default(), rest),
        };
        let (funding, rest) = match *version {
            VERSION => postcard::take_from_bytes::<Funding>(rest).map_err(unread)?,
            _ => (Funding::default(), rest),
        };
        if !rest.is_empty() {
            return Err(RestoreError::Malformed("it goes on behind its end"));
        }
        rebuild(config, state, (login, refill, binary, bars), (lines, witness, funding))
            .map_err(RestoreError::Malformed)
    }
}

fn rebuild(
    config: OkxConfig,
    state: State,
    (login, refill, binary, bars): (Login, Refill, Binary, Bars),
    (lines, witness, funding): (LinesState, Witness, Funding),
) -> Result<OkxFeed, &'static str> {
    let (
        emit,
        link,
        timers,
        mut subs,
        arguments,
        queue,
        pending,
        requests,
        gets,
        get_number,
        orderly,
        stopping,
    ) = state;
    let (emit, kit) = (Emitter::restored(config.feed, emit)?, Kit::new(config.instructions));
    let exists = |index: u32| (index as usize) < subs.len();
    let asked = queue.iter().chain(pending.values()).flat_map(|(_, list)| list);
    let timed = timers.iter().filter_map(|(timer, _)| timer.subscription());
    let known = arguments.iter().map(|(_, index)| *index);
    let all = asked.copied().chain(timed).chain(known).chain(gets.values().copied());
    let all = all.chain(login.stand_ins()).chain(refill.subscriptions());
    let all = all.chain(bars.subscriptions()).chain(witness.subscriptions());
    if !all.chain(funding.subscriptions()).all(exists) {
        return Err("it speaks of a subscription that it does not have");
    }
    if !config.sbe && !binary.is_blank() {
        return Err("it is of the other kind of socket");
    }
    let parts = (&login, &refill, &bars, &funding);
    sound(&link, parts, (&binary, subs.len()), requests.max(get_number))?;
    let lines = Lines::restored(lines, subs.len())?;
    let by_key = keyed(&mut subs, &emit)?;
    if !witness.is_sound(&subs) {
        return Err("what its witnesses have said cannot be");
    }
    Ok(OkxFeed {
        config,
        beside: false,
        emit,
        link,
        timers: TimerTable::of(timers),
        subs,
        by_key,
        by_argument: arguments.into_iter().collect(),
        queue,
        pending,
        requests,
        gets,
        get_number,
        login,
        refill,
        bars,
        witness,
        funding,
        held: None,
        binary,
        lines,
        row: Default::default(),
        figure: Default::default(),
        kit,
        orderly,
        stopping,
    })
}

/// Completes the subscriptions; gives their places by what they are to.
fn keyed(subs: &mut [Sub], emit: &Emitter) -> Result<BTreeMap<Subscription, u32>, &'static str> {
    subs.iter_mut().try_for_each(|sub| complete(sub, emit))?;
    let keys = subs.iter().zip(0..).map(|(sub, index)| (sub.subscription.clone(), index));
    let by_key: BTreeMap<_, u32> = keys.collect();
    if by_key.len() != subs.len() {
        return Err("it has a subscription twice");
    }
    Ok(by_key)
}

/// Whether the parts are what inputs can have made of them.
fn sound(
    link: &Link,
    (login, refill, bars, funding): (&Login, &Refill, &Bars, &Funding),
    (binary, subs): (&Binary, usize),
    counted: u64,
) -> Result<(), &'static str> {
    let parts = [
        (subs <= CHECKPOINT_SUBS_MAX, "it has too many subscriptions"),
        (link.is_sound(), "its link has done more than a link may"),
        (login.is_sound(), "its login was tried more often than it can have been"),
        (refill.is_sound(), "what it fetches is more than it may"),
        (bars.is_sound(), "what it knows of bars cannot be"),
        (funding.is_sound(), "what it knows of funding cannot be"),
        (binary.is_sound(subs), "what it knows of the binary socket cannot be"),
        (counted < u64::MAX, "its counts are at their end"),
    ];
    parts.iter().find(|(sound, _)| !sound).map_or(Ok(()), |(_, why)| Err(why))
}

/// Fills in what follows from the name of the channel, and checks what must agree with it.
fn complete(sub: &mut Sub, emit: &Emitter) -> Result<(), &'static str> {
    sub.spec = channel::find(&sub.subscription.channel);
    sub.all_fills = Sub::has_all_fills(&sub.subscription);
    let form = sub.spec.map(|spec| spec.form);
    let book = match form {
        Some(Form::Book(form)) => Some(form),
        _ => None,
    };
    if sub.follow.as_ref().map(|follow| follow.form()) != book {
        return Err("a book is not of the form of its channel");
    }
    if sub.series.is_some() != (form == Some(Form::Trade)) {
        return Err("only trades have ids to remember");
    }
    if sub.series.as_ref().is_some_and(|series| !series.is_sound()) {
        return Err("ids are remembered where there is no room");
    }
    let remembers = matches!(form, Some(Form::Figures(form)) if form.id.is_some());
    if sub.seen.as_ref().map(|seen| seen.is_sound()) != remembers.then_some(true) {
        return Err("rows are remembered where there is no room");
    }
    if sub.silent > BEAT_DOUBLINGS_MAX {
        return Err("a subscription was silent more often than it may be");
    }
    if !emit.has(sub.place) {
        return Err("a subscription has a name that it does not have");
    }
    let counts = [sub.attempts, sub.refusals, sub.leaving, sub.resyncs];
    if counts.contains(&u32::MAX) {
        return Err("the counts of a subscription are at their end");
    }
    Ok(())
}
