//! The way from the exchange to its clients, and what gets lost on it.
//!
//! Everything that leaves the exchange passes [`Net::text`] or [`Net::raw`]; the faults that are
//! about single frames happen here, and only here. Nothing is read or decided about meaning.
//!
//! Invariants: deliveries come out ordered by time and then by sending; nothing comes out for a
//! connection after its close; a mangled frame carries no truth.
//!
//! Start at [`Net::text`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{ConnId, Delivery, ToClient, Truth};
use crate::calendar::MILLI;
use crate::faults::FaultProfile;
use crate::mangle;
use crate::rng::Rng;

/// A text frame on its way.
#[derive(Clone)]
pub struct Frame {
    pub text: Arc<str>,
    /// In place of the text, on the binary socket.
    pub bytes: Option<Arc<[u8]>>,
    pub truth: Option<Arc<Truth>>,
}

impl Frame {
    /// A frame that is not data.
    pub fn plain(text: String) -> Self {
        Self { text: text.into(), bytes: None, truth: None }
    }

    /// A frame of the binary socket.
    pub fn binary(bytes: Vec<u8>, truth: Option<Truth>) -> Self {
        Self { text: "".into(), bytes: Some(bytes.into()), truth: truth.map(Arc::new) }
    }

    fn what(&self) -> ToClient {
        match &self.bytes {
            Some(bytes) => ToClient::Binary(Arc::clone(bytes)),
            None => ToClient::Text(Arc::clone(&self.text)),
        }
    }

    /// Cut or damaged; of bytes there remains a beginning that is too short.
    fn damaged(&self, text: impl FnOnce(&str) -> String) -> ToClient {
        match &self.bytes {
            Some(bytes) => ToClient::Binary(bytes[..bytes.len() / 2].into()),
            None => ToClient::Text(text(&self.text).into()),
        }
    }
}

/// Frames under way, and counts of what happened to them.
pub struct Net {
    queue: BTreeMap<(u64, u64), Delivery>,
    /// Everything that was ever sent.
    pub sent: u64,
    /// Chance for everything that goes wrong, apart from the market's.
    pub rng: Rng,
    /// How often each fault fired.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Net {
    /// An empty network.
    pub fn new(seed: u64) -> Self {
        Self { queue: BTreeMap::new(), sent: 0, rng: Rng::new(seed, 2), counts: BTreeMap::new() }
    }

    /// Counts a fault.
    pub fn count(&mut self, fault: &'static str) {
        *self.counts.entry(fault).or_default() += 1;
    }

    /// True, and counted, with a probability of `ppm` in a million.
    pub fn hit(&mut self, ppm: u32, fault: &'static str) -> bool {
        let hit = self.rng.hit(ppm);
        if hit {
            self.count(fault);
        }
        hit
    }

    /// Sends a text frame through whatever the profile does to frames; `fault` names what
    /// already happened to it.
    pub fn text(
        &mut self,
        faults: &FaultProfile,
        (conn, at_ns): (ConnId, u64),
        frame: &Frame,
        fault: Option<&'static str>,
    ) {
        let truth = frame.truth.clone();
        if self.hit(faults.drop, "drop") {
            return;
        }
        if self.hit(faults.truncate, "truncate") {
            let cut = frame.damaged(|text| mangle::truncate(text, &mut self.rng));
            return self.put(conn, at_ns, cut, None, Some("truncate"));
        }
        if self.hit(faults.corrupt, "corrupt") {
            let bad = frame.damaged(|text| mangle::corrupt(text, &mut self.rng));
            return self.put(conn, at_ns, bad, None, Some("corrupt"));
        }
        if faults.rot > 0
            && let Some(rotten) = mangle::rot(&frame.text, &mut self.rng)
            && self.hit(faults.rot, "rot")
        {
            return self.put(conn, at_ns, ToClient::Text(rotten.into()), None, Some("rot"));
        }
        if self.hit(faults.reorder, "reorder") {
            let late = at_ns + self.rng.between(20, 400) * MILLI;
            return self.put(conn, late, frame.what(), truth, Some("reorder"));
        }
        if self.hit(faults.duplicate, "duplicate") {
            let again = at_ns + self.rng.below(3) * 60 * MILLI;
            self.put(conn, at_ns, frame.what(), truth.clone(), fault);
            return self.put(conn, again, frame.what(), truth, Some("duplicate"));
        }
        self.put(conn, at_ns, frame.what(), truth, fault);
    }

    /// Sends something that no frame fault touches.
    pub fn raw(&mut self, conn: ConnId, at_ns: u64, what: ToClient, fault: Option<&'static str>) {
        self.put(conn, at_ns, what, None, fault);
    }

    fn put(
        &mut self,
        conn: ConnId,
        at_ns: u64,
        what: ToClient,
        truth: Option<Arc<Truth>>,
        fault: Option<&'static str>,
    ) {
        self.sent += 1;
        self.queue.insert((at_ns, self.sent), Delivery { conn, at_ns, what, truth, fault });
    }

    /// Forgets what is under way to a connection after `now_ns`.
    pub fn forget(&mut self, conn: ConnId, now_ns: u64) {
        self.queue.retain(|&(at, _), delivery| delivery.conn != conn || at <= now_ns);
    }

    /// When the next frame arrives.
    pub fn next_at(&self) -> Option<u64> {
        self.queue.keys().next().map(|&(at, _)| at)
    }

    /// Moves out everything that has arrived.
    pub fn arrived(&mut self, now_ns: u64, out: &mut Vec<Delivery>) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > now_ns {
                break;
            }
            out.push(entry.remove());
        }
    }
}
