//! The contract between a feed, which decides, and a driver, which acts.
//!
//! A feed is one connection's state machine. It has no socket and no clock: a driver (live, replay,
//! torture, fuzz) hands it inputs with the time, and performs the actions it asks for.
//!
//! Three promises of every feed:
//! 1. same inputs, same outputs, byte for byte, actions included;
//! 2. any bytes are fine: `handle` never panics;
//! 3. after every call, every book that can be read equals the venue's book at that point of its
//!    chain.

use crate::batch::Batch;
use crate::instrument::Instrument;
use crate::time::Nanos;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The driver starts the feed; the feed asks for its connection.
    Start,
    /// The connection asked for is open.
    Opened,
    /// One message arrived, text or (on sockets that have them) binary, undecoded.
    Frame(&'a [u8]),
    /// The connection is gone, or could not be made.
    Closed {
        /// The close code, if the other side sent one.
        code: Option<u16>,
        /// Why, in words.
        reason: &'a str,
    },
    /// The time that [`Feed::deadline`] named has come.
    Tick,
    /// The answer to an [`Action::Get`].
    Response {
        /// The request's id.
        id: u64,
        /// The HTTP status; 0 when there was no answer at all.
        status: u16,
        /// The body, or the error in words when `status` is 0.
        body: &'a [u8],
    },
    /// Somebody wants something.
    Command(Command),
    /// News of the connection of a further line. Those of line 0 are [`Input::Opened`],
    /// [`Input::Frame`] and [`Input::Closed`].
    Line {
        /// Which line, counted from 0.
        line: u8,
        /// What happened.
        news: LineNews<'a>,
    },
}

/// What happens to the connection of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineNews<'a> {
    /// It is open.
    Opened,
    /// One message arrived on it, undecoded.
    Frame(&'a [u8]),
    /// It is gone, or could not be made.
    Closed {
        /// The close code, if the other side sent one.
        code: Option<u16>,
        /// Why, in words.
        reason: &'a str,
    },
}

/// What can be asked of a running feed.
#[derive(Clone, Debug)]
pub enum Command {
    /// Subscribe to these as well.
    Subscribe(Vec<Subscription>),
    /// End these.
    Unsubscribe(Vec<Subscription>),
    /// Drop the connection and make a new one.
    Reconnect,
    /// Make a new connection, bring it as far as the one there is, and only then drop that one.
    HandOver,
    /// Resync one subscription: unsubscribe, then subscribe.
    Resync(Subscription),
    /// The venue changed these instruments.
    Instruments(Vec<Arc<Instrument>>),
    /// The process before has ended, and this is how far its feeds had come: a feed that was silent
    /// until now ([`Known`]; decision 0033) goes on from there. Others ignore it.
    TakeOver(Vec<Known>),
    /// Close the connection and stay down.
    Stop,
}

/// One thing to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subscription {
    /// The channel in the venue's spelling.
    pub channel: Arc<str>,
    /// What the channel's argument names: an instrument id, or a kind for channels that take one.
    pub key: Arc<str>,
}

impl Subscription {
    /// A subscription of `channel` for `key`.
    pub fn new(channel: &str, key: &str) -> Subscription {
        Subscription { channel: channel.into(), key: key.into() }
    }
}

/// How far a subscription had come when the feed before ended: what a feed that follows it knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Of what.
    pub subscription: Subscription,
    /// The id of the last trade before which nothing is missing, or the opening time (ms) of the
    /// first bar whose end was not told, or the time (ms) of the last settlement of funding before
    /// which nothing is missing; `None` = the channel has none of these.
    pub last: Option<u64>,
    /// When its last data came.
    pub heard: Nanos,
}

/// Something a feed wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the connection (the venue's handshake limit is the driver's business to keep).
    Open {
        /// Where to.
        url: Arc<str>,
    },
    /// Send one text message.
    Send(String),
    /// Close the connection; the driver answers with [`Input::Closed`].
    Close,
    /// Send the venue's login request. The driver has the credentials, so that neither a feed nor
    /// a tape of what it did holds a secret; it puts its best guess of the venue's clock into it.
    Login {
        /// The time of the input that led to it.
        at: Nanos,
    },
    /// Fetch this over HTTP; the driver answers with [`Input::Response`].
    Get {
        /// Names the request in the answer.
        id: u64,
        /// Path and query; the base address is the driver's.
        path: String,
    },
    /// One of the actions above that concern a connection, on that of a further line. Those of
    /// line 0 come bare.
    Line {
        /// Which line, counted from 0.
        line: u8,
        /// What to do there: open, send, log in or close.
        action: Box<Action>,
    },
}

/// What came out of handling inputs. Drivers clear and reuse it.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// To be performed in order.
    pub actions: Vec<Action>,
    /// To be published in order.
    pub events: Batch,
}

impl Outbox {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.actions.clear();
        self.events.clear();
    }
}

/// One connection's state machine.
pub trait Feed {
    /// Takes one input; appends to `out`. Cannot fail and cannot wait.
    ///
    /// `now` must not go back between calls; equal is fine.
    fn handle(&mut self, now: Nanos, input: Input<'_>, out: &mut Outbox);

    /// When to call with [`Input::Tick`]; `None` = never.
    fn deadline(&self) -> Option<Nanos>;
}
