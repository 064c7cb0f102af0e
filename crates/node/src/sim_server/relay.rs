//! The exchange as our own connections see it, for the clients of others: whoever is pointed here
//! instead of at OKX gets the frames that we receive, and needs no connection of its own.
//!
//! Protocol, limits and answers are those of [`Exchange::recorded`]; the frames come from the
//! taps of the drivers, instruments from the catalogue, books from the feeds.
//!
//! Invariants: a frame goes out as it came, byte for byte; a newcomer to a book begins with one
//! that the feed has proven, and the next frame links to it; where frames are missing (our
//! connection was lost, or the relay was too slow) the clients that listen to them are closed, as
//! they would have been by the venue, so that no loss looks like silence.
//!
//! Start at [`Relay::start`].

use super::show::{list_instrument, recorded_feed, seq_of, time_of, whole_book};
use super::world::World;
use super::{Ask, Door, INBOX, handle};
use crate::clock::wall_now;
use crate::fleet::{Fleet, lock};
use crate::live;
use crate::live::tap::{Item, Shown, Tapped};
use crate::service::{Service, Upstream};
use axum::Router;
use bytes::Bytes;
use market_data_model::{Book, Nanos, Subscription};
use market_data_okx::catalogue::Catalogue;
use market_data_okx::frame::{self, Action, Frame};
use market_data_sim::{ConnId, Exchange, RecordedBook, RecordedId, RestReply, SimConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Most things taken off the queue of the drivers before clients are looked at.
const ITEMS_MAX: usize = 64;
/// How often it is looked whether something new is followed, and whether a book that was not
/// proven is now.
const LOOK: Duration = Duration::from_millis(500);
/// Most REST requests that wait for a book.
const REST_MAX: usize = 256;
/// Channels whose books the REST side shows, best first.
const REST_BOOKS: [&str; 3] = ["books", "books-l2-tbt", "books50-l2-tbt"];
/// The path of books over REST, whose answer needs one.
const BOOKS_PATH: &str = "/api/v5/market/books";

const LOST: &str = "Frames were lost upstream. The connection will be closed.";
const SLOW: &str = "Frames were lost here. The connection will be closed.";

/// A running relay.
pub struct Relay {
    door: Door,
    /// Ends when the last connection has.
    guests: mpsc::Receiver<()>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Begins to relay what a service receives; `None` if it was not started with
    /// [`relay`](crate::ServiceOptions::relay), or has one already. Call within a tokio runtime.
    pub fn start(service: &mut Service) -> Option<Relay> {
        let Upstream { tapped, fleet, catalogue } = service.take_upstream()?;
        let (inbox, asks) = mpsc::channel(INBOX);
        let (guest, guests) = mpsc::channel(1);
        let task = tokio::spawn(Live::new(fleet, catalogue).run(asks, tapped));
        Some(Relay { door: Door { inbox, guest }, guests, task })
    }

    /// What it serves: everything below `/ws/v5/` and `/api/v5/`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/ws/v5/{*path}", axum::routing::any(handle))
            .route("/api/v5/{*path}", axum::routing::any(handle))
            .with_state(self.door.clone())
    }

    /// Tells its clients that it is over.
    pub async fn say_goodbye(&self) {
        // Without its task it is over already.
        drop(self.door.inbox.send(Ask::Stop).await);
    }

    /// Waits a little for the last of its clients; its router should be gone by then.
    pub async fn close(mut self) {
        self.say_goodbye().await;
        drop(self.door);
        // Nothing is ever sent: it ends when the last connection has.
        drop(tokio::time::timeout(super::LAST_WORD, self.guests.recv()).await);
        self.task.abort();
    }
}

/// One channel of one instrument.
struct Served {
    key: Subscription,
    id: RecordedId,
    incremental: bool,
    /// Whether it is followed.
    carried: bool,
    /// The connection that brings it.
    line: Option<usize>,
    /// The venue's time of its last frame, in Unix milliseconds.
    ts_ms: Option<u64>,
    /// `seqId` of its last frame, of a book.
    seq: Option<i64>,
    /// Its book was asked for, and has not come.
    asked: bool,
}

/// A REST request that waits for a book.
struct Waiting {
    index: usize,
    path: String,
    reply: oneshot::Sender<RestReply>,
}

struct Live {
    world: World<'static>,
    fleet: Arc<Mutex<Fleet>>,
    catalogue: Arc<RwLock<Catalogue>>,
    served: Vec<Served>,
    by_key: BTreeMap<Subscription, usize>,
    /// Listeners of books that have not got one.
    newcomers: BTreeSet<(RecordedId, ConnId)>,
    rest: Vec<Waiting>,
}

impl Live {
    fn new(fleet: Arc<Mutex<Fleet>>, catalogue: Arc<RwLock<Catalogue>>) -> Live {
        let now = wall_now();
        let exchange = Exchange::recorded(SimConfig::new(now.0, now.0));
        let mut live = Live {
            world: World::of(exchange, now, None),
            fleet,
            catalogue,
            served: Vec::new(),
            by_key: BTreeMap::new(),
            newcomers: BTreeSet::new(),
            rest: Vec::new(),
        };
        live.list();
        live
    }

    async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut tapped: Tapped) {
        let mut items: Vec<Item> = Vec::with_capacity(ITEMS_MAX);
        let mut look = Instant::now();
        let mut connected = true;
        loop {
            let next = Nanos(self.world.exchange.next_at());
            let wait = self.world.clock.until(next).min(LOOK);
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(Ask::Stop) | None => {
                        return self.world.say_goodbye("the server is stopping");
                    }
                    Some(ask) => self.take(ask),
                },
                // Without drivers nothing comes any more, but clients are still answered.
                count = tapped.items.recv_many(&mut items, ITEMS_MAX), if connected => {
                    connected = count > 0;
                }
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.world.clock.now().0;
            self.world.exchange.advance(now);
            for (line, shown) in items.drain(..) {
                self.show(now, line, shown, &tapped);
            }
            self.newcomers
                .extend(self.world.exchange.newcomers().into_iter().map(|(conn, id)| (id, conn)));
            if look.elapsed() >= LOOK {
                look = Instant::now();
                self.list();
                self.drop_forgotten(now);
                // Those whose feed had proven none are asked anew.
                self.served.iter_mut().for_each(|served| served.asked = false);
            }
            self.ask_for_books(now);
            self.world.deliver(now);
        }
    }

    fn take(&mut self, ask: Ask) {
        let Ask::Rest { path, reply } = ask else { return self.world.take(ask) };
        let index = self.rest_book(&path);
        match index.filter(|_| self.rest.len() < REST_MAX) {
            Some(index) => self.rest.push(Waiting { index, path, reply }),
            None => {
                if path.starts_with("/api/v5/public/instruments") {
                    self.list_instruments();
                }
                self.answer(&path, reply, None);
            }
        }
    }

    /// Which book a REST request is about, if it is about one that is followed.
    fn rest_book(&self, path: &str) -> Option<usize> {
        let (path, query) = path.split_once('?')?;
        let inst_id = query.split('&').find_map(|pair| pair.strip_prefix("instId="))?;
        let index = |channel| self.by_key.get(&Subscription::new(channel, inst_id)).copied();
        (path == BOOKS_PATH).then(|| REST_BOOKS.into_iter().find_map(index)).flatten()
    }

    fn answer(
        &mut self,
        path: &str,
        reply: oneshot::Sender<RestReply>,
        book: Option<(RecordedId, &RecordedBook)>,
    ) {
        let now = self.world.clock.now().0;
        let whole = |id| book.filter(|(of, _)| *of == id).map(|(_, book)| book.clone());
        // Whoever asked may have gone.
        drop(reply.send(self.world.exchange.rest_recorded(now, path, now, whole)));
    }

    fn show(&mut self, now: u64, line: usize, shown: Shown, tapped: &Tapped) {
        match shown {
            Shown::Frames(frames) => {
                tapped.taken(&frames);
                for bytes in &frames {
                    self.frame(now, line, bytes);
                }
            }
            Shown::Book(key, book) => self.book(now, &key, book.map(|book| *book)),
            Shown::Down => self.cut(now, line, LOST),
            Shown::Lost => self.cut(now, line, SLOW),
        }
    }

    /// Hands on a data frame; answers to our own requests are nobody else's business.
    fn frame(&mut self, now: u64, line: usize, bytes: &Bytes) {
        let Ok(Frame::Data(data)) = frame::parse(bytes) else { return };
        let Some((channel, key)) = frame::argument(data.arg) else { return };
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let index = self.place(&Subscription::new(&channel, &key));
        let served = &mut self.served[index];
        served.line = Some(line);
        let whole = !served.incremental || data.action == Some(Action::Snapshot);
        if served.incremental {
            served.ts_ms = time_of(data).or(served.ts_ms);
            served.seq = seq_of(data).or(served.seq);
        }
        self.world.exchange.push_recorded(now, served.id, text.into(), whole);
    }

    /// A book that was asked for, at its place among the frames.
    fn book(&mut self, now: u64, key: &Subscription, book: Option<(Book, i64)>) {
        let Some(index) = self.by_key.get(key).copied() else { return };
        let id = self.served[index].id;
        let ts_ms = self.served[index].ts_ms.unwrap_or(now / 1_000_000);
        // With two connections the feed may be ahead of the one whose frames are shown.
        let ahead = |seq: i64| self.served[index].seq.is_some_and(|last| last != seq);
        let book = book.filter(|(_, seq)| !ahead(*seq));
        let whole = book.and_then(|(book, seq)| whole_book(&key.channel, &book, seq, ts_ms));
        let (due, rest) =
            std::mem::take(&mut self.rest).into_iter().partition(|w| w.index == index);
        self.rest = rest;
        for Waiting { path, reply, .. } in due {
            self.answer(&path, reply, whole.as_ref().map(|book| (id, book)));
        }
        // Without one they wait for the next look, or for the venue's own snapshot.
        let Some(whole) = whole else { return };
        self.served[index].asked = false;
        let of_it = (id, ConnId(0))..=(id, ConnId(u64::MAX));
        let those: Vec<_> = self.newcomers.range(of_it).copied().collect();
        for newcomer in those {
            self.newcomers.remove(&newcomer);
            self.world.exchange.welcome(now, newcomer.1, id, &whole);
        }
    }

    /// Something of this connection is missing: who listens to it must begin anew.
    fn cut(&mut self, now: u64, line: usize, why: &str) {
        let of_it = self.served.iter().filter(|served| served.line == Some(line));
        let ids: BTreeSet<RecordedId> = of_it.map(|served| served.id).collect();
        self.end(now, &ids, why);
    }

    fn end(&mut self, now: u64, ids: &BTreeSet<RecordedId>, why: &str) {
        let exchange = &mut self.world.exchange;
        ids.iter().for_each(|id| exchange.forget_recorded(*id));
        if !ids.is_empty() {
            exchange.end_listeners(now, ids, why);
        }
    }

    /// Asks the feeds for the books that somebody waits for.
    fn ask_for_books(&mut self, now: u64) {
        if self.rest.is_empty() && self.newcomers.is_empty() {
            return;
        }
        let mut wanted: BTreeSet<usize> = self.rest.iter().map(|waiting| waiting.index).collect();
        let ids: BTreeSet<RecordedId> = self.newcomers.iter().map(|(id, _)| *id).collect();
        let of_them = self.served.iter().enumerate().filter(|(_, x)| ids.contains(&x.id));
        wanted.extend(of_them.map(|(index, _)| index));
        for index in wanted {
            let served = &mut self.served[index];
            if served.asked {
                continue;
            }
            let carries = |line: &&crate::fleet::Line| lock(&line.carried).contains(&served.key);
            let fleet = lock(&self.fleet);
            let asks = fleet.lines.iter().find(carries).map(|line| line.asks.clone());
            drop(fleet);
            let (key, ask) = (served.key.clone(), live::Ask::Show(served.key.clone()));
            match asks {
                // A driver whose queue is full is asked again at the next look.
                Some(asks) => served.asked = asks.try_send(ask).is_ok(),
                // It is followed no more.
                None => {
                    self.newcomers.retain(|(id, _)| *id != served.id);
                    self.book(now, &key, None);
                }
            }
        }
    }

    /// Lists what is followed by now, so that clients can subscribe to it before it has sent.
    fn list(&mut self) {
        let lines = lock(&self.fleet).lines.clone();
        self.served.iter_mut().for_each(|served| served.carried = false);
        for line in &lines {
            let carried = lock(&line.carried).clone();
            for key in &carried {
                let index = self.place(key);
                self.served[index].carried = true;
            }
        }
    }

    /// What is followed no more says nothing more: who listens to it is told so.
    fn drop_forgotten(&mut self, now: u64) {
        let gone = self.served.iter_mut().filter(|served| !served.carried && served.line.is_some());
        let ids: BTreeSet<RecordedId> = gone
            .map(|served| {
                served.line = None;
                served.id
            })
            .collect();
        self.end(now, &ids, LOST);
    }

    fn list_instruments(&mut self) {
        let catalogue = self.catalogue.read().unwrap_or_else(PoisonError::into_inner);
        catalogue.iter().for_each(|x| list_instrument(x, &mut self.world.exchange));
    }

    /// Its place in `served`, made if it is new.
    fn place(&mut self, key: &Subscription) -> usize {
        if let Some(index) = self.by_key.get(key) {
            return *index;
        }
        let feed = recorded_feed(key);
        let incremental = feed.incremental;
        let id = self.world.exchange.record_feed(feed);
        let index = self.served.len();
        self.by_key.insert(key.clone(), index);
        let (key, line, ts_ms) = (key.clone(), None, None);
        let carried = true;
        self.served.push(Served {
            key,
            id,
            incremental,
            carried,
            line,
            ts_ms,
            seq: None,
            asked: false,
        });
        index
    }
}

#[cfg(test)]
mod tests;
