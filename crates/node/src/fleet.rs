//! The connections of a service, and everything that is needed to open another one while running.
//!
//! [`Service::start`](crate::Service::start) opens those of the plan, the supervisor those that
//! new listings need. Start at [`Yard::open`].
//!
//! Invariants: a connection is never taken away before the service stops, so places in the list
//! stay what they are; what is opened later is no different from what was planned.

use crate::bus::{Publisher, Queue};
use crate::credentials::{self, Credentials, CredentialsError};
use crate::error::Error;
use crate::live::tap::Taps;
use crate::live::{Ask, Driver, Io, Made, Setup};
use crate::metrics::Metrics;
use crate::options::ServiceOptions;
use crate::recorder::{self, Lanes};
use crate::supervisor::{Listener, concerns};
use market_data_model::event::FeedId;
use market_data_model::{Batch, Instrument, Known, Subscription};
use market_data_okx::catalogue::Catalogue;
use market_data_okx::channel::{self, Path};
use market_data_okx::{OkxConfig, OkxFeed};
use market_data_tape::encode_config;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Questions and commands waiting at one driver.
const ASKS_MAX: usize = 64;

/// What a connection carries, those of later listings included, those that have expired not.
pub(crate) type Carried = Arc<Mutex<Vec<Subscription>>>;

/// One connection, as the service sees it.
#[derive(Clone)]
pub(crate) struct Line {
    /// The id of the feed running at the moment.
    pub current: Arc<AtomicU32>,
    pub carried: Carried,
    pub asks: mpsc::Sender<Ask>,
}

/// All connections.
#[derive(Default)]
pub(crate) struct Fleet {
    pub lines: Vec<Line>,
    pub drivers: JoinSet<()>,
}

/// What connections are made of.
pub(crate) struct Yard {
    pub options: ServiceOptions,
    pub catalogue: Arc<RwLock<Catalogue>>,
    /// The next free feed id of the process.
    pub ids: Arc<AtomicU32>,
    pub io: Arc<Io>,
    pub metrics: Arc<Metrics>,
    pub queues: Vec<Queue>,
    /// Whether changes of books go to those sinks only that want them whatever the options say.
    pub beside: bool,
    /// Weak, so that the supervisor sees when every driver has ended.
    pub news: mpsc::WeakSender<Arc<Batch>>,
    /// The way to the recorder, if there is one.
    pub lanes: Option<Lanes>,
    /// The way to whoever relays frames, if somebody does.
    pub taps: Option<Taps>,
    /// Where drivers run, if not where everything does.
    pub home: Option<Handle>,
    pub fleet: Arc<Mutex<Fleet>>,
    /// What the feeds of the process before knew; each is handed out once.
    pub known: Mutex<BTreeMap<Subscription, Known>>,
    /// Whether feeds are silent when they are made, because another process still records.
    pub silent: Arc<AtomicBool>,
}

impl Yard {
    /// Opens a connection; `None` when the service has ended.
    pub fn open(&self, path: Path, subscriptions: &[Subscription]) -> Option<Listener> {
        let news = self.news.upgrade()?;
        let (asks_sender, asks) = mpsc::channel(ASKS_MAX);
        let current = Arc::new(AtomicU32::new(0));
        let options = &self.options;
        let credentials = credentials_for(options, path, subscriptions).unwrap_or_else(|why| {
            // Those of the plan were looked at before; a listing later on goes on without.
            tracing::warn!(%why, "a connection without a login");
            None
        });
        let carried: Carried = Arc::new(Mutex::new(subscriptions.to_vec()));
        let setup = Setup {
            make: self.maker(path, Arc::clone(&carried), credentials.is_some()),
            url: options.endpoints.url(path).into(),
            carried: Arc::clone(&carried),
            ids: Arc::clone(&self.ids),
            current: Arc::clone(&current),
            io: Arc::clone(&self.io),
            metrics: Arc::clone(&self.metrics),
            publisher: Publisher::new(&self.queues).beside(self.beside),
            asks,
            news,
            credentials,
            signed: path == Path::Binary,
            tape: self.lanes.as_ref().map(|lanes| lanes.lane(options.view_depth)),
            tap: self.taps.as_ref().map(Taps::tap),
            busy: options.one_core.is_some_and(|one| one.busy_poll),
        };
        let mut fleet = lock(&self.fleet);
        let driver = Driver::new(setup).run();
        match &self.home {
            Some(home) => fleet.drivers.spawn_on(driver, home),
            None => fleet.drivers.spawn(driver),
        };
        let asks = asks_sender.clone();
        fleet.lines.push(Line { current, carried: Arc::clone(&carried), asks });
        let keys = subscriptions.iter().map(|s| Arc::clone(&s.key)).collect();
        Some(Listener { keys, carried, asks: asks_sender })
    }

    /// Makes the connection's feed, each time with what it carries and what is known of its
    /// instruments by then.
    fn maker(
        &self,
        path: Path,
        carried: Carried,
        login: bool,
    ) -> Box<dyn FnMut(FeedId) -> Made<OkxFeed> + Send> {
        let options = &self.options;
        let url: Arc<str> = options.endpoints.url(path).into();
        let (view_depth, deltas, seed) = (options.view_depth, options.deltas, options.seed);
        let (refill, bars, lines) = (options.refill, options.bars, options.lines.lines);
        let rotate_ns = u64::try_from(options.lines.rotate.as_nanos()).unwrap_or(0);
        let witness_ns = u64::try_from(options.witness.as_nanos()).unwrap_or(0);
        let mut known = lock(&self.known);
        let mut known: Vec<Known> =
            lock(&carried).iter().filter_map(|one| known.remove(one)).collect();
        let (catalogue, silent) = (Arc::clone(&self.catalogue), Arc::clone(&self.silent));
        let funding = options.funding;
        let (taped, beside) = (self.lanes.is_some(), self.beside);
        Box::new(move |feed| {
            let subscriptions = lock(&carried).clone();
            let catalogue = catalogue.read().unwrap_or_else(PoisonError::into_inner);
            let keys = subscriptions.iter().map(|s| Arc::clone(&s.key)).collect();
            let named = |x: &&Arc<Instrument>| !x.inst_id.is_empty();
            let instruments = catalogue.iter().filter(named).filter(|x| concerns(&keys, x));
            let mut config = OkxConfig::new(feed, &url);
            config.instruments = instruments.cloned().collect();
            config.subscriptions = subscriptions;
            config.view_depth = view_depth;
            config.deltas = deltas;
            // Whether there is a key is all that a feed knows of it.
            config.login = login;
            config.refill = refill;
            config.bars = bars;
            config.funding = funding;
            config.successor = silent.load(Relaxed);
            // A fresh feed after a panic begins afresh.
            config.known = std::mem::take(&mut known);
            config.lines = lines;
            config.rotate_ns = rotate_ns;
            config.witness_ns = witness_ns;
            config.sbe = path == Path::Binary;
            config.seed = seed ^ u64::from(feed.0) << 32;
            let taped = taped.then(|| encode_config(&recorder::tape_config(&config)));
            let mut feed = OkxFeed::new(config);
            if beside {
                feed.emit_changes_beside();
            }
            Made { config: taped.unwrap_or_default(), feed }
        })
    }
}

/// The credentials, where they may be sent and can be of use.
pub(crate) fn credentials_for(
    options: &ServiceOptions,
    path: Path,
    subscriptions: &[Subscription],
) -> Result<Option<Credentials>, Error> {
    let url = options.endpoints.url(path);
    if path == Path::Binary && options.credentials.is_none() {
        return Err(CredentialsError::Needed { url: url.to_owned() }.into());
    }
    if credentials::may_go_to(url) {
        return Ok(options.credentials.clone());
    }
    let needs = |s: &Subscription| channel::find(&s.channel).is_some_and(|spec| spec.login);
    let needed = path == Path::Binary || subscriptions.iter().any(needs);
    if options.credentials.is_some() && needed {
        return Err(CredentialsError::Unencrypted { url: url.to_owned() }.into());
    }
    Ok(None)
}

/// Nobody panics while holding these, and if somebody did, what they hold would still be whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
