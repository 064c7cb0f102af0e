//! The library's front door: subscribe, iterate events, read books, close.
//!
//! A thin layer over [`Service`] with one queue. Start at [`Client::builder`].

use crate::bootstrap::prepare;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::live::BookUnavailable;
use crate::metrics::{FeedReport, Metrics};
use crate::net::{ProxySetting, TlsTrust};
use crate::options::{ServiceOptions, Want};
use crate::replay::ReplaySettings;
use crate::service::{Service, StopReport};
use crate::sink::{Delivery, EventReceiver, Overflow, SinkSpec, channel_sink};
use market_data_model::{Batch, Book, batch::Event};
use market_data_okx::{Endpoints, Region};
use std::sync::Arc;

/// Batches that wait for a program that does not call [`Client::next`].
const QUEUE: usize = 4096;

/// What a [`Client`] shall do. Made by [`Client::builder`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    options: ServiceOptions,
    overflow: Overflow,
    in_order: bool,
    replay: Option<ReplaySettings>,
    #[cfg(feature = "sim")]
    sim: Option<u64>,
}

impl ClientBuilder {
    /// One of the venue's regions; the default is the global one.
    pub fn region(mut self, region: Region) -> ClientBuilder {
        self.options.endpoints = Endpoints::of(region);
        self
    }

    /// Other addresses than a region's.
    pub fn endpoints(mut self, endpoints: Endpoints) -> ClientBuilder {
        self.options.endpoints = endpoints;
        self
    }

    /// A proxy for everything: `http://`, `socks5://` or `socks5h://`. Without this call the
    /// environment decides.
    pub fn proxy(mut self, url: &str) -> ClientBuilder {
        self.options.proxy = ProxySetting::Url(url.to_owned());
        self
    }

    /// Whose certificates are believed.
    pub fn trust(mut self, trust: TlsTrust) -> ClientBuilder {
        self.options.trust = trust;
        self
    }

    /// An API key, for channels that need a login. Without it the venue refuses them.
    pub fn credentials(mut self, credentials: Credentials) -> ClientBuilder {
        self.options.credentials = Some(credentials);
        self
    }

    /// Whether `bbo-tbt`, `trades` and `books-l2-tbt` come over the venue's binary socket, as the
    /// same events. It wants [`credentials`](ClientBuilder::credentials) for everything.
    pub fn sbe(mut self, sbe: bool) -> ClientBuilder {
        self.options.sbe = sbe;
        self
    }

    /// Follows channels of an instrument (an id, another spelling, or a pattern). Repeatable.
    pub fn subscribe<C>(mut self, instrument: &str, channels: C) -> ClientBuilder
    where
        C: IntoIterator<Item: Into<String>>,
    {
        self.options.wants.push(Want::new([instrument], channels));
        self
    }

    /// Emits the best `depth` levels a side after each change of a book.
    pub fn view_depth(mut self, depth: u16) -> ClientBuilder {
        self.options.view_depth = depth;
        self
    }

    /// Whether each verified change of a book is emitted (by default it is).
    pub fn deltas(mut self, deltas: bool) -> ClientBuilder {
        self.options.deltas = deltas;
        self
    }

    /// Holds the feeds back when the program is slow, instead of dropping events with a gap that
    /// says so. The program must then keep calling [`Client::next`], or books stand still and the
    /// venue closes the connection.
    pub fn lossless(mut self) -> ClientBuilder {
        self.overflow = Overflow::Wait;
        self
    }

    /// Gives the trades of each instrument in the order of their ids: while some that never came
    /// are fetched, those behind them wait (see [`TradeOrder`](crate::TradeOrder)). Without this
    /// call nothing waits, and fetched trades come after the live ones.
    pub fn in_order(mut self) -> ClientBuilder {
        self.in_order = true;
        self
    }

    /// Records everything received to this directory, for `market-data replay` and `verify`.
    pub fn record(mut self, dir: impl Into<std::path::PathBuf>) -> ClientBuilder {
        self.options.tape = Some(crate::options::TapeSettings::new(dir));
        self
    }

    /// Plays a tape instead of connecting: the same events, no network. What was subscribed to is
    /// what was recorded; [`subscribe`](ClientBuilder::subscribe) is not needed and changes
    /// nothing. Slow programs are waited for. After the last event [`Client::next`] yields `None`.
    pub fn replay(mut self, settings: ReplaySettings) -> ClientBuilder {
        self.replay = Some(settings);
        self
    }

    /// Starts the pretend exchange in this process and connects to it: no internet needed.
    #[cfg(feature = "sim")]
    pub fn sim(mut self, seed: u64) -> ClientBuilder {
        self.sim = Some(seed);
        self
    }

    /// Loads the instruments, resolves the spellings and starts the connections. Events follow as
    /// the connections come up; losing one later is an event, not an error.
    ///
    /// # Errors
    /// [`Error`]: no network, unknown instrument or channel, unusable proxy, unreadable tape.
    pub async fn connect(self) -> Result<Client, Error> {
        if let Some(settings) = self.replay {
            let (sink, events) = queue(Overflow::Wait, self.in_order);
            let service = Service::replay(settings, vec![sink])?;
            return Ok(Client {
                service,
                events,
                batch: Arc::default(),
                next: 0,
                #[cfg(feature = "sim")]
                sim: None,
            });
        }
        #[cfg(feature = "sim")]
        let (mut options, sim) = (self.options, start_sim(self.sim).await?);
        #[cfg(feature = "sim")]
        if let Some(sim) = &sim {
            options.endpoints = sim.endpoints();
            options.proxy = ProxySetting::None;
            options.credentials = sim.credentials();
        }
        #[cfg(not(feature = "sim"))]
        let options = self.options;
        let prepared = prepare(&options).await?;
        let (sink, events) = queue(self.overflow, self.in_order);
        let service = Service::start(options, prepared, vec![sink])?;
        Ok(Client {
            service,
            events,
            batch: Arc::default(),
            next: 0,
            #[cfg(feature = "sim")]
            sim,
        })
    }
}

fn queue(overflow: Overflow, in_order: bool) -> (SinkSpec, EventReceiver) {
    let (sink, events) = channel_sink("client", QUEUE, overflow);
    (sink, if in_order { events.in_order() } else { events })
}

/// A running client.
pub struct Client {
    service: Service,
    events: EventReceiver,
    batch: Arc<Batch>,
    next: usize,
    #[cfg(feature = "sim")]
    sim: Option<crate::sim_server::SimServer>,
}

impl Client {
    /// Starts the list of what to follow.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            options: ServiceOptions::default(),
            overflow: Overflow::DropAndMark,
            in_order: false,
            replay: None,
            #[cfg(feature = "sim")]
            sim: None,
        }
    }

    /// The next event; `None` when every connection has ended for good.
    ///
    /// Events that a slow program lost show as a `gap` of cause `slow_consumer`.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = Event::new(&self.batch, self.next) {
                self.next += 1;
                return Some(event);
            }
            self.batch = match self.events.recv().await? {
                Delivery::Batch(batch) => batch,
                Delivery::Lost(lost) => Arc::new(lost.to_batch()),
            };
            self.next = 0;
        }
    }

    /// A copy of a live book, for example of `books` for `BTC-USDT`.
    ///
    /// # Errors
    /// [`BookUnavailable`]: a book that is not proven at this moment cannot be read.
    pub async fn book(&self, instrument: &str, channel: &str) -> Result<Book, BookUnavailable> {
        self.service.book(channel, &self.service.inst_id(instrument)).await
    }

    /// Every connection as last reported.
    pub fn feeds(&self) -> Vec<FeedReport> {
        self.service.feeds()
    }

    /// The counters.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.service.metrics()
    }

    /// The service underneath, for commands.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Closes every connection, in a bounded time.
    pub async fn close(self) -> StopReport {
        // The queue goes first, so that a feed waiting for room in it is free to stop.
        drop(self.events);
        let report = self.service.stop().await;
        #[cfg(feature = "sim")]
        if let Some(sim) = self.sim {
            sim.close().await;
        }
        report
    }
}

#[cfg(feature = "sim")]
async fn start_sim(seed: Option<u64>) -> Result<Option<crate::sim_server::SimServer>, Error> {
    use crate::sim_server::{SimOptions, serve};
    let Some(seed) = seed else { return Ok(None) };
    let config = market_data_sim::SimConfig::new(seed, crate::clock::wall_now().0);
    let options = SimOptions { listen: ([127, 0, 0, 1], 0).into(), config };
    serve(options).await.map(Some).map_err(|e| Error::Sim(e.to_string()))
}
