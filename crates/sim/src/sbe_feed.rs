//! The binary socket: who may open it, what its feeds send, and the snapshots that go with them.
//!
//! `/ws/v5/public-sbe` wants its login in the headers of the handshake, names instruments by
//! `instIdCode`, and keeps itself alive by protocol pings. Its books begin without a snapshot: a
//! client takes one over REST. Markets, ids and cadences are those of the JSON channels, `sbe.rs`
//! has the bytes.
//!
//! Start at [`Exchange::publish_sbe`].

use crate::api::{ConnId, Opened, RestReply, ToClient};
use crate::book::Book;
use crate::calendar::{MILLI, SECOND};
use crate::channel::{BookKind, Channel, FeedKey, SbeKind, Target};
use crate::exchange::{Event, Exchange};
use crate::feed::Memory;
use crate::instrument::Kind;
use crate::market::Trade;
use crate::net::Frame;
use crate::publish::book_truth;
use crate::query::Query;
use crate::rows;
use crate::sbe::{self, Deal, Moment};

/// The server pings this long after the last pong (OKX docs, 2026-08-22).
pub const PING_AFTER_NS: u64 = 20 * SECOND;
/// A ping has to be answered within this.
const PONG_WAIT_NS: u64 = 60 * SECOND;
/// A fresh snapshot exists this often.
const SNAPSHOT_NS: u64 = 500 * MILLI;
/// Snapshots in ten seconds.
const SNAPSHOTS_MAX: usize = 10;

impl Exchange {
    /// A WebSocket handshake with headers; only `/ws/v5/public-sbe` looks at them.
    pub fn open_signed(
        &mut self,
        now_ns: u64,
        path_and_query: &str,
        headers: &[(String, String)],
    ) -> Opened {
        if path_and_query.split('?').next() != Some("/ws/v5/public-sbe") {
            return self.accept(now_ns, path_and_query);
        }
        let named = |name: &str| {
            let found = headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        let given = [
            ("apiKey", named("OK-ACCESS-KEY")),
            ("passphrase", named("OK-ACCESS-PASSPHRASE")),
            ("timestamp", named("OK-ACCESS-TIMESTAMP")),
            ("sign", named("OK-ACCESS-SIGN")),
        ];
        let arg =
            given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let arg = serde_json::Value::Object(arg.collect());
        let now_s = now_ns.max(self.now_ns) / SECOND;
        match crate::login::check(&self.config.keys, &arg, now_s) {
            Ok(tier) => {
                let opened = self.accept(now_ns, path_and_query);
                if let Opened::Accepted(conn) = opened
                    && let Some(state) = self.conns.get_mut(&conn)
                {
                    state.tier = Some(tier);
                }
                opened
            }
            Err((code, msg)) => Opened::Refused {
                status: 401,
                body: format!("{{\"msg\":\"{msg}\",\"code\":\"{code}\",\"connId\":\"00000000\"}}"),
            },
        }
    }

    /// Which feed an argument of the binary socket means.
    pub(crate) fn find_sbe(&self, channel: &str, code: i64) -> Option<FeedKey> {
        let channel = Channel::sbe_named(channel)?;
        let n = self.markets.iter().position(|market| {
            let inst = &market.inst;
            inst.code == Some(code) && inst.kind != Kind::Spread && inst.open_for_subscription()
        })?;
        Some((Target::Inst(n), channel))
    }

    /// Sends what has just changed in a market.
    pub(crate) fn publish_sbe(&mut self, key: FeedKey, n: usize, kind: SbeKind, fresh: &[Trade]) {
        match kind {
            SbeKind::Trades => self.sbe_trades(key, n, fresh),
            SbeKind::Bbo => self.sbe_book(key, n, BookKind::Bbo),
            SbeKind::Books => self.sbe_book(key, n, BookKind::L2Tbt),
        }
    }

    fn sbe_trades(&mut self, key: FeedKey, n: usize, fresh: &[Trade]) {
        let same = |a: &Trade, b: &Trade| a.taker == b.taker && a.px == b.px && a.rpi == b.rpi;
        for fills in fresh.chunk_by(same) {
            let inst = &self.markets[n].inst;
            let last = fills[fills.len() - 1];
            let moment = Moment { inst, now_ns: last.at_ns, seq: last.seq };
            let deal = Deal {
                px: last.px,
                lots: fills.iter().map(|fill| fill.lots).sum(),
                id: last.id,
                count: fills.len() as u16,
                buy: last.buy,
                rpi: last.rpi,
            };
            let bytes = sbe::trade(moment, deal);
            let row = rows::trade_aggregate(inst, fills);
            let Some(feed) = self.feeds.get(&key) else { return };
            let truth = self.config.truth.then(|| feed.truth(vec![row]));
            self.push(key, &Frame::binary(bytes, truth));
        }
    }

    fn sbe_book(&mut self, key: FeedKey, n: usize, kind: BookKind) {
        let now_ns = self.now_ns;
        let market = &mut self.markets[n];
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        let Memory::Book(before) = &feed.memory else { return };
        if before.same(&market.engine) {
            return;
        }
        if market.seq == before.seq {
            market.seq += 1;
        }
        let after = Book::look(kind, &market.engine, market.seq);
        let moment = Moment { inst: &market.inst, now_ns, seq: after.seq };
        let bytes = if kind == BookKind::Bbo {
            let (asks, bids) = after.triples();
            sbe::best(moment, bids.first().copied(), asks.first().copied())
        } else {
            let (asks, bids) = after.changed_triples(before);
            sbe::book(moment, before.seq, &asks, &bids)
        };
        let truth = self.config.truth.then(|| book_truth(feed, &after, market));
        feed.memory = Memory::Book(after);
        if kind == BookKind::L2Tbt && self.net.hit(self.config.faults.seqgap, "seqgap") {
            return;
        }
        self.push(key, &Frame::binary(bytes, truth));
    }

    /// A book that has not changed says so: best prices again, or an update without levels.
    pub(crate) fn sbe_beat(&self, key: FeedKey) -> Option<Frame> {
        let feed = self.feeds.get(&key)?;
        let (Target::Inst(n), Channel::Sbe(kind)) = key else { return None };
        let Memory::Book(book) = &feed.memory else { return None };
        let market = &self.markets[n];
        let moment = Moment { inst: &market.inst, now_ns: self.now_ns, seq: book.seq };
        let bytes = if kind == SbeKind::Bbo {
            let (asks, bids) = book.triples();
            sbe::best(moment, bids.first().copied(), asks.first().copied())
        } else {
            sbe::book(moment, book.seq, &[], &[])
        };
        Some(Frame::binary(bytes, self.config.truth.then(|| book_truth(feed, book, market))))
    }

    /// Tells the listeners of a market's binary book that its units have become finer.
    pub(crate) fn sbe_exponents(&mut self, n: usize) {
        let key = (Target::Inst(n), Channel::Sbe(SbeKind::Books));
        let market = &mut self.markets[n];
        let Some(feed) = self.feeds.get_mut(&key) else { return };
        let Memory::Book(book) = &mut feed.memory else { return };
        let prev = book.seq;
        market.seq += 1;
        book.seq = market.seq;
        let moment = Moment { inst: &market.inst, now_ns: self.now_ns, seq: market.seq };
        let bytes = sbe::exponents(moment, prev);
        self.push(key, &Frame::binary(bytes, None));
    }

    /// REST `books-sbe`: a snapshot as bytes, half a second old at most.
    pub(crate) fn rest_sbe(&mut self, query: &Query, delay_ns: u64) -> Option<RestReply> {
        let code = query.get("instIdCode")?.parse().ok()?;
        let (Target::Inst(n), _) = self.find_sbe("books-l2-tbt", code)? else { return None };
        if !self.limits.allow_snapshot(code, self.now_ns, SNAPSHOTS_MAX) {
            return None;
        }
        self.catch_up(n);
        let market = &self.markets[n];
        let book = Book::look(BookKind::L2Tbt, &market.engine, market.seq);
        let moment = Moment { inst: &market.inst, now_ns: self.now_ns, seq: market.seq };
        let (asks, bids) = book.triples();
        let wait = SNAPSHOT_NS - self.now_ns % SNAPSHOT_NS;
        Some(RestReply {
            status: 200,
            content_type: "application/sbe",
            body: String::new(),
            bytes: sbe::snapshot(moment, &asks, &bids),
            delay_ns: delay_ns.max(wait / 10),
        })
    }

    /// The ping of the binary socket, or its end if the last one was not answered.
    pub(crate) fn sbe_ping(&mut self, conn: ConnId) {
        let now = self.now_ns;
        let Some(state) = self.conns.get(&conn) else { return };
        if state.last_pong_ns + PING_AFTER_NS + PONG_WAIT_NS <= now {
            return self.close(conn, 4004, "No pong received in 60s.");
        }
        if now >= state.silent_until_ns {
            self.net.raw(conn, now, ToClient::Ping(b"okx".to_vec()), None);
        }
        self.schedule(now + PING_AFTER_NS, Event::Ping(conn));
    }
}
