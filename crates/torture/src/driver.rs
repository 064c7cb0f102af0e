//! The shell's part in a life: sockets that are none, frames carried to and fro, actions performed.
//!
//! `life.rs` calls it; it stands where the node's driver stands, and does what that one does: one
//! gate for all handshakes, frames in order, a close answered by a closed.
//!
//! Invariants: a feed hears nothing of a connection after its end; what it sends while it has no
//! connection is a violation. Start at [`Life::arrive`] and [`Life::perform`].

use super::cast::Part;
use super::chance::Chance;
use super::counts::Figure;
use super::judge::{Complaint, Judge};
use super::life::{Life, Violation};
use super::manners::{self, Manners};
use super::network::{Addressed, Lane, Letter, Parcel};
use super::rest::Answer;
use super::tape::{Tape, Taped};
use market_data_model::{Action, Body, Command, Instrument, Nanos, Outbox, Subscription};
use market_data_okx::{OkxConfig, OkxFeed};
use market_data_sim::{ConnId, Delivery, FromClient, Opened, SimKey, ToClient, signature};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a feed's socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    Idle,
    Opening,
    Open(ConnId),
    /// The feed asked to close; it has not heard yet that it is closed.
    Closing,
}

/// One feed with everything around it.
pub(super) struct Rig {
    pub(super) part: Part,
    pub(super) config: OkxConfig,
    pub(super) feed: OkxFeed,
    pub(super) judge: Judge,
    pub(super) tape: Tape,
    pub(super) wanted: BTreeSet<Subscription>,
    pub(super) wires: [Wire; 2],
    /// Counts connections asked for, on any line.
    pub(super) attempts: u64,
    /// What it asked REST for and has not heard of.
    pub(super) asked: BTreeMap<u64, String>,
    pub(super) out: Outbox,
}

/// The connection of one line.
pub(super) struct Wire {
    pub(super) socket: Socket,
    /// The exchange's side of this attempt, once it has accepted.
    pub(super) accepted: Option<ConnId>,
    /// Which attempt to connect this is; no two lines have the same.
    attempt: u64,
    up: Lane,
    down: Lane,
    pub(super) manners: Manners,
}

impl Wire {
    fn new(chance: &mut Chance) -> Wire {
        Wire {
            socket: Socket::Idle,
            accepted: None,
            attempt: 0,
            up: Lane::new(chance),
            down: Lane::new(chance),
            manners: Manners::default(),
        }
    }

    /// Whether frames still reach the feed.
    fn hears(&self) -> bool {
        matches!(self.socket, Socket::Open(_) | Socket::Closing)
    }
}

impl Rig {
    /// A feed that plays `part`, not yet started.
    pub(super) fn new(config: OkxConfig, part: Part, chance: &mut Chance) -> Rig {
        Rig {
            feed: OkxFeed::new(config.clone()),
            judge: Judge::new(config.feed.0, &part),
            tape: Tape::default(),
            wanted: part.subscriptions.iter().cloned().collect(),
            wires: [Wire::new(chance), Wire::new(&mut Chance::new(config.seed, 11))],
            attempts: 0,
            asked: BTreeMap::new(),
            out: Outbox::default(),
            config,
            part,
        }
    }

    /// Whether two lines are there, or meant to be.
    pub(super) fn is_pair(&self) -> bool {
        self.config.lines > 1 || self.wires.iter().all(|wire| wire.socket != Socket::Idle)
    }

    /// The exchange's side of every open connection.
    pub(super) fn open(&self) -> Vec<ConnId> {
        let open = |wire: &Wire| match wire.socket {
            Socket::Open(conn) => Some(conn),
            _ => None,
        };
        self.wires.iter().filter_map(open).collect()
    }

    fn fresh_attempt(&mut self, line: usize) -> u64 {
        self.attempts += 1;
        self.wires[line].attempt = self.attempts;
        self.attempts
    }
}

/// Whether the exchange says, unharmed and for the first time, that it ended a subscription.
fn is_eviction(text: &str, fault: Option<&str>) -> bool {
    let unasked = text.contains("\"event\":\"unsubscribe\"") && !text.contains("\"id\":");
    let whole = !matches!(fault, Some("truncate" | "corrupt" | "duplicate"));
    whole && (unasked || text.contains("\"code\":\"64004\""))
}

impl Life {
    /// Takes what the exchange sends and puts it on the road.
    pub(super) fn collect(&mut self) -> Result<(), Violation> {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        self.exchange.deliveries(&mut deliveries);
        for delivery in deliveries.drain(..) {
            self.post(delivery)?;
        }
        self.deliveries = deliveries;
        Ok(())
    }

    fn post(&mut self, delivery: Delivery) -> Result<(), Violation> {
        let of = |rig: &Rig| rig.wires.iter().position(|wire| wire.accepted == Some(delivery.conn));
        let mut found = (0..).zip(&self.rigs).filter_map(|(feed, rig)| Some((feed, of(rig)?)));
        let Some((feed, line)) = found.next() else { return Ok(()) };
        if let ToClient::Ping(payload) = &delivery.what {
            // The socket library answers these; the feed never sees them.
            self.exchange.receive(self.now, delivery.conn, FromClient::Pong(payload));
            return Ok(());
        }
        let parcel = match delivery.what {
            ToClient::Text(text) => {
                let (truth, fault) = (delivery.truth, delivery.fault);
                if let Some(code) = manners::reproach(&text).filter(|_| fault.is_none()) {
                    let text = format!("the exchange answers with error {code}: {text}");
                    return Err(self.violation(feed, Complaint::new("manners", text)));
                }
                self.evictions_heard += u64::from(truth.is_none() && is_eviction(&text, fault));
                let text = if truth.is_some() { self.spelled(text) } else { text };
                Parcel::Frame(Letter { text, truth, fault })
            }
            ToClient::Close { code, reason } => Parcel::Closed { code: Some(code), reason },
            ToClient::Abort => Parcel::Closed { code: None, reason: "connection reset".into() },
            // Nobody here opens the binary socket.
            ToClient::Binary(_) | ToClient::Ping(_) | ToClient::Pong(_) => return Ok(()),
        };
        let wire = &mut self.rigs[feed].wires[line];
        let at = wire.down.arrival(self.now.max(delivery.at_ns), &mut self.chance);
        self.network.put(at, feed, wire.attempt, parcel);
        Ok(())
    }

    /// Intact data, now and then in another spelling of the same JSON: what it means must not
    /// depend on the shape that OKX happens to send today.
    fn spelled(&mut self, text: Arc<str>) -> Arc<str> {
        if !self.respell || self.chance.one_in(2) {
            return text;
        }
        text.replacen("\"data\":[", "\"data\": [", 1).into()
    }

    /// A parcel has arrived at its end of the road.
    pub(super) fn arrive(&mut self, addressed: Addressed) -> Result<(), Violation> {
        let Addressed { feed, attempt, parcel } = addressed;
        let wires = &mut self.rigs[feed].wires;
        let line = wires.iter().position(|wire| attempt != 0 && wire.attempt == attempt);
        let stale = attempt != 0 && line.is_none();
        let line = line.unwrap_or(0);
        let wire = &mut wires[line];
        let on = line as u8;
        match parcel {
            Parcel::Knock if !stale && wire.socket == Socket::Opening => self.knock(feed, line),
            Parcel::Upload(conn, text) => {
                self.exchange.receive(self.now, conn, FromClient::Text(&text));
            }
            Parcel::Hangup(conn) => self.exchange.gone(self.now, conn),
            Parcel::Ask { id, path } => {
                let reply = self.exchange.rest(self.now, &path);
                let (delay_ns, right) = (reply.delay_ns, reply.body.len());
                let answer = Answer { status: reply.status, body: reply.body, delay_ns };
                let Answer { status, body, delay_ns: took } =
                    self.rest.answer(self.now, &path, answer);
                let spoilt = body.len() != right || took != delay_ns;
                self.counts.more(Figure::RestSpoilt, spoilt.into());
                let at = self.now + took + 1_000_000;
                self.network.put(at, feed, 0, Parcel::Response { id, status, body });
            }
            _ if stale => {}
            Parcel::Opened(conn) if wire.socket == Socket::Opening => {
                wire.socket = Socket::Open(conn);
                wire.manners = Manners::new(self.now);
                self.give(feed, Taped::Opened.on(on), None)?;
            }
            Parcel::Frame(letter) if wire.hears() => {
                wire.manners.heard(self.now);
                let taped = Taped::Frame(letter.text.clone(), letter.fault);
                self.give(feed, taped.on(on), Some(&letter))?;
            }
            Parcel::Closed { code, reason } if wire.socket != Socket::Idle => {
                wire.socket = Socket::Idle;
                wire.accepted = None;
                // What is still under way belongs to no connection any more.
                self.rigs[feed].fresh_attempt(line);
                self.give(feed, Taped::Closed(code, reason).on(on), None)?;
            }
            Parcel::Response { id, status, body } => {
                self.give(feed, Taped::Response(id, status, body), None)?;
            }
            Parcel::Command(command) => self.give(feed, Taped::Command(command), None)?,
            Parcel::Knock | Parcel::Opened(_) | Parcel::Frame(_) | Parcel::Closed { .. } => {}
        }
        Ok(())
    }

    fn knock(&mut self, feed: usize, line: usize) {
        let rig = &mut self.rigs[feed];
        let wire = &mut rig.wires[line];
        let parcel = match self.exchange.open(self.now, rig.part.path) {
            Opened::Accepted(conn) => {
                wire.accepted = Some(conn);
                Parcel::Opened(conn)
            }
            Opened::Refused { status, .. } => {
                Parcel::Closed { code: None, reason: format!("HTTP {status}") }
            }
        };
        let at = wire.down.arrival(self.now, &mut self.chance);
        self.network.put(at, feed, wire.attempt, parcel);
    }

    pub(super) fn perform(&mut self, feed: usize, out: &Outbox) -> Result<(), Violation> {
        for action in &out.actions {
            let (line, action) = match action {
                Action::Line { line, action } => (usize::from(*line), &**action),
                action => (0, action),
            };
            let done = match action {
                Action::Line { .. } => Err("a line of a line".to_owned()),
                Action::Open { .. } => self.open(feed, line),
                Action::Send(text) => self.send(feed, line, text),
                Action::Close => {
                    self.close(feed, line);
                    Ok(())
                }
                Action::Login { at } => self.log_in(feed, line, *at),
                Action::Get { id, path } => {
                    self.rigs[feed].asked.insert(*id, path.clone());
                    let parcel = Parcel::Ask { id: *id, path: path.clone() };
                    self.network.put(self.now + 20_000_000, feed, 0, parcel);
                    Ok(())
                }
            };
            done.map_err(|text| self.violation(feed, Complaint::new("manners", text)))?;
        }
        Ok(())
    }

    fn open(&mut self, feed: usize, line: usize) -> Result<(), String> {
        let rig = &mut self.rigs[feed];
        let socket = rig.wires[line].socket;
        if socket != Socket::Idle {
            return Err(format!("asks for a connection while the socket is {socket:?}"));
        }
        rig.wires[line].socket = Socket::Opening;
        let attempt = rig.fresh_attempt(line);
        let admitted = self.gate.admit(Nanos(self.now)).0;
        self.counts.more(Figure::Handshakes, 1);
        self.handshakes.start(admitted)?;
        let at = rig.wires[line].up.arrival(admitted, &mut self.chance);
        self.network.put(at, feed, attempt, Parcel::Knock);
        Ok(())
    }

    fn send(&mut self, feed: usize, line: usize, text: &str) -> Result<(), String> {
        let rig = &mut self.rigs[feed];
        let wire = &mut rig.wires[line];
        let Socket::Open(conn) = wire.socket else {
            return Err(format!("sends {text} while the socket is {:?}", wire.socket));
        };
        if let Some(request) = wire.manners.sent(self.now, text)? {
            rig.judge.asked(line, &request);
            self.counts.more(Figure::Requests, 1);
        }
        let at = wire.up.arrival(self.now, &mut self.chance);
        self.network.put(at, feed, wire.attempt, Parcel::Upload(conn, text.to_owned()));
        Ok(())
    }

    /// Signs with the exchange's own arithmetic; that of the shell is tested elsewhere.
    fn log_in(&mut self, feed: usize, line: usize, at: Nanos) -> Result<(), String> {
        let rig = &mut self.rigs[feed];
        let wire = &mut rig.wires[line];
        let Socket::Open(conn) = wire.socket else {
            return Err(format!("logs in while the socket is {:?}", wire.socket));
        };
        if !rig.part.login {
            return Err("asks for a login without a key".to_owned());
        }
        wire.manners.logged_in(self.now)?;
        self.counts.more(Figure::Requests, 1);
        self.counts.more(Figure::Logins, 1);
        let SimKey { key, secret, passphrase, .. } = &SimKey::known()[0];
        let time = at.millis() / 1000;
        let sign = signature(secret, &time.to_string());
        let text = format!(
            "{{\"op\":\"login\",\"args\":[{{\"apiKey\":\"{key}\",\"passphrase\":\"{passphrase}\",\
             \"timestamp\":\"{time}\",\"sign\":\"{sign}\"}}]}}"
        );
        let at = wire.up.arrival(self.now, &mut self.chance);
        self.network.put(at, feed, wire.attempt, Parcel::Upload(conn, text));
        Ok(())
    }

    fn close(&mut self, feed: usize, line: usize) {
        let wire = &mut self.rigs[feed].wires[line];
        if matches!(wire.socket, Socket::Idle | Socket::Closing) {
            return;
        }
        if let Some(conn) = wire.accepted.take() {
            let at = wire.up.arrival(self.now, &mut self.chance);
            self.network.put(at, feed, wire.attempt, Parcel::Hangup(conn));
        }
        wire.socket = Socket::Closing;
        // Some frames may still be read between asking to close and being closed.
        if self.chance.one_in(2) {
            self.network.forget_frames(feed, wire.attempt);
        }
        let at = self.now + self.chance.below(60_000_000);
        let parcel = Parcel::Closed { code: None, reason: "closed on request".into() };
        self.network.put(at, feed, wire.attempt, parcel);
    }

    /// Tells the other feeds which instruments changed, as the shell does.
    pub(super) fn spread(&mut self, feed: usize, out: &Outbox) {
        let mut changed: Vec<Arc<Instrument>> = Vec::new();
        for event in out.events.iter() {
            if let Body::Instrument(instrument) = event.body
                && self.catalogue.apply_row(instrument)
            {
                changed.push(Arc::clone(instrument));
            }
        }
        if changed.is_empty() {
            return;
        }
        self.follow(&changed);
        for other in (0..self.rigs.len()).filter(|other| *other != feed) {
            let command = Command::Instruments(changed.clone());
            self.network.put(self.now, other, 0, Parcel::Command(command));
        }
    }
}
