//! The exchange itself: what is scheduled, and who is told.
//!
//! Drivers call it; `publish.rs` turns market changes into frames, `request.rs` answers clients,
//! `weather.rs` makes things go wrong, `rest.rs` answers HTTP. All state lives here and is passed
//! down, all waiting is one ordered set of events.
//!
//! Invariants: events run in the order of their time, ties in the order of [`Event`]; an event
//! about a feed or a connection dies with it; a market moves only while somebody watches, and
//! catches up when asked.
//!
//! Start at [`Exchange::advance`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::api::{
    ConnId, Delivery, FromClient, MarketSize, Opened, SimConfig, SimInstrument, ToClient, TruthBook,
};
use crate::calendar::SECOND;
use crate::channel::{Channel, Endpoint, FeedKey, Target};
use crate::faults::FaultProfile;
use crate::feed::{Feed, Memory};
use crate::instrument::{Asset, Instrument, Kind};
use crate::market::{Birth, Market};
use crate::net::{Frame, Net};
use crate::pace::Pace;
use crate::recorded::Shelf;
use crate::rest::Limits;
use crate::rest_copies::Copies;
use crate::rng::mix;
use crate::rows::Index;
use crate::sbe_feed::PING_AFTER_NS;
use crate::session::{Conn, HANDSHAKES_MAX, REQUEST_BYTES_MAX};
use crate::universe::{self, Lists};
use crate::{script, table};

/// Something that will happen; the order decides ties.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Event {
    /// A candle's bar ends.
    BarEnd(FeedKey),
    /// A market's burst of activity.
    Act(usize),
    /// The 100 ms push of a market that changed.
    Grid(usize),
    /// A changed candle may be pushed again.
    Candle(FeedKey),
    /// A channel that polls its state.
    Slow(FeedKey),
    /// A book that may have been unchanged for too long.
    Beat(FeedKey),
    /// A feed whose last listener was only trailing.
    Prune(FeedKey),
    /// A delayed request is read.
    Backlog(ConnId),
    /// A connection may have been idle for too long.
    Idle(ConnId),
    /// The exchange's own protocol ping.
    Ping(ConnId),
    /// The close that a notice announced.
    Upgrade(ConnId),
    /// An instrument's next state.
    Life(usize),
    /// Faults that come with time.
    Weather,
    /// Time to ask whether the markets are fast enough.
    Pace,
    /// A line of the script of instruments' lives.
    Script(usize),
}

impl Event {
    fn feed(self) -> Option<FeedKey> {
        match self {
            Self::BarEnd(key)
            | Self::Candle(key)
            | Self::Slow(key)
            | Self::Beat(key)
            | Self::Prune(key) => Some(key),
            _ => None,
        }
    }

    fn conn(self) -> Option<ConnId> {
        match self {
            Self::Backlog(conn) | Self::Idle(conn) | Self::Ping(conn) | Self::Upgrade(conn) => {
                Some(conn)
            }
            _ => None,
        }
    }
}

/// How often the exchange sends a protocol ping. OKX documents none; clients must answer.
const PING_NS: u64 = 30 * SECOND;
/// How many bursts an unwatched market makes up for: about 20 minutes of the busiest ones; time
/// before that stays without trades.
const CATCH_UP_FULL: u64 = 20_000;
/// The same for the small market, which has to be cheap.
const CATCH_UP_SMALL: u64 = 40;

/// A pretend OKX behind a bad network: a state machine without socket or clock.
pub struct Exchange {
    pub(crate) config: SimConfig,
    pub(crate) now_ns: u64,
    pub(crate) assets: Vec<Asset>,
    pub(crate) markets: Vec<Market>,
    pub(crate) indices: Vec<Index>,
    pub(crate) feeds: BTreeMap<FeedKey, Feed>,
    pub(crate) conns: BTreeMap<ConnId, Conn>,
    pub(crate) net: Net,
    pub(crate) limits: Limits,
    /// What REST said of books of late.
    pub(crate) copies: Copies,
    /// Where an id stands in `markets`.
    pub(crate) by_id: BTreeMap<String, usize>,
    /// How many instruments there were at the start; their markets come first.
    pub(crate) born: usize,
    /// How many spreads there are; they come after those.
    pub(crate) spreads: usize,
    /// Every family by its number.
    pub(crate) families: BTreeMap<String, usize>,
    pub(crate) pace: Pace,
    /// What is recorded; `None` when the exchange has a market of its own.
    pub(crate) shelf: Option<Shelf>,
    /// How many listings have been announced.
    pub(crate) listings: u32,
    /// A fault has already expired an instrument.
    pub(crate) expired_one: bool,
    events: BTreeSet<(u64, Event)>,
    handshakes: VecDeque<u64>,
    opened: u64,
}

impl Exchange {
    /// A fresh exchange at `config.start_ns`.
    pub fn new(config: SimConfig) -> Self {
        let start_ns = config.start_ns;
        let (seed, size) = (config.seed, config.market);
        let mut assets = table::assets(seed, start_ns);
        let mut list = table::list(size, start_ns);
        let mut indices = table::indices(size, start_ns);
        let mut lists =
            Lists { list: &mut list, assets: &mut assets, indices: &mut indices, seed, start_ns };
        universe::extend(&mut lists, config.universe);
        if config.lives {
            script::cast(&mut list);
        }
        let birth = |number| Birth {
            seed: config.seed,
            number,
            now_ns: start_ns,
            assets: &assets,
            history: true,
        };
        let spreads = table::spreads(&list);
        let born = list.rows.len();
        let rows = list.rows.into_iter().chain(spreads).enumerate();
        let markets: Vec<Market> = rows.map(|(n, inst)| Market::new(inst, birth(n))).collect();
        let names = |(n, market): (usize, &Market)| (market.inst.id.clone(), n);
        let by_id = markets.iter().enumerate().map(names).collect();
        let mut families = BTreeMap::new();
        for market in markets.iter().filter(|market| !market.inst.family.is_empty()) {
            let next = families.len();
            families.entry(market.inst.family.clone()).or_insert(next);
        }
        let mut exchange = Self {
            now_ns: start_ns,
            assets,
            indices,
            feeds: BTreeMap::new(),
            conns: BTreeMap::new(),
            net: Net::new(config.seed),
            limits: Limits::default(),
            copies: Copies::default(),
            by_id,
            families,
            born,
            spreads: markets.len() - born,
            pace: Pace::default(),
            shelf: None,
            listings: 0,
            expired_one: false,
            events: BTreeSet::new(),
            handshakes: VecDeque::new(),
            opened: 0,
            markets,
            config,
        };
        for n in 0..exchange.markets.len() {
            if let Some(at) = exchange.markets[n].inst.exp_ns {
                exchange.schedule(at, Event::Life(n));
            }
        }
        exchange.forecast();
        exchange.start_pace();
        exchange.start_script();
        exchange
    }

    /// A WebSocket handshake for `/ws/v5/public` or `/ws/v5/business`, without headers.
    pub fn open(&mut self, now_ns: u64, path_and_query: &str) -> Opened {
        self.open_signed(now_ns, path_and_query, &[])
    }

    /// A handshake by somebody whose headers are fine.
    pub(crate) fn accept(&mut self, now_ns: u64, path_and_query: &str) -> Opened {
        self.advance(now_ns);
        let now = self.now_ns;
        while self.handshakes.front().is_some_and(|&at| at + SECOND <= now) {
            self.handshakes.pop_front();
        }
        if self.handshakes.len() >= HANDSHAKES_MAX {
            return refused(429, "{\"code\":\"50011\",\"msg\":\"Too Many Requests\"}");
        }
        self.handshakes.push_back(now);
        let endpoint = match path_and_query.split('?').next().unwrap_or("") {
            "/ws/v5/public" => Endpoint::Public,
            "/ws/v5/business" => Endpoint::Business,
            "/ws/v5/public-sbe" => Endpoint::Sbe,
            _ => return refused(404, "{\"code\":\"404\",\"msg\":\"Not Found\",\"data\":[]}"),
        };
        if self.net.hit(self.config.faults.blackout, "blackout") {
            return refused(503, "<html><body>503 Service Unavailable</body></html>");
        }
        if self.net.hit(self.config.faults.refuse, "refuse") {
            let status = [429, 502, 503][self.net.rng.below(3) as usize];
            return refused(status, "<html><body>The handshake was refused</body></html>");
        }
        self.opened += 1;
        let conn = ConnId(self.opened);
        let hex = format!("{:08x}", mix(self.config.seed ^ self.opened) as u32);
        self.conns.insert(conn, Conn::new(endpoint, hex, now));
        self.schedule(now + crate::session::IDLE_NS, Event::Idle(conn));
        let ping = if endpoint == Endpoint::Sbe { PING_AFTER_NS } else { PING_NS };
        self.schedule(now + ping, Event::Ping(conn));
        Opened::Accepted(conn)
    }

    /// A client's frame arrives.
    pub fn receive(&mut self, now_ns: u64, conn: ConnId, msg: FromClient<'_>) {
        self.advance(now_ns);
        let now = self.now_ns;
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let answers = now >= state.nopong_until_ns && now >= state.silent_until_ns;
        match msg {
            FromClient::Close => self.gone(now, conn),
            FromClient::Pong(_) => {
                state.last_pong_ns = now;
                if state.endpoint == Endpoint::Sbe {
                    state.last_alive_ns = now;
                }
            }
            FromClient::Ping(payload) => {
                state.last_alive_ns = now;
                if answers {
                    self.net.raw(conn, now, ToClient::Pong(payload.to_vec()), None);
                }
            }
            FromClient::Text("ping") if state.endpoint != Endpoint::Sbe => {
                state.last_alive_ns = now;
                if answers {
                    let pong = Frame::plain("pong".to_owned());
                    self.net.text(&self.config.faults, (conn, now), &pong, None);
                }
            }
            FromClient::Text(text) if text.len() > REQUEST_BYTES_MAX => {
                self.close(conn, 1009, "Request frame is too long");
            }
            FromClient::Text(text) => self.request_arrives(conn, text),
            FromClient::Binary(_) => {
                self.refuse_request(conn, None, "60012", "Invalid request: binary frame");
            }
        }
    }

    /// The client's side of the connection is closed.
    pub fn gone(&mut self, now_ns: u64, conn: ConnId) {
        self.advance(now_ns);
        self.remove_conn(conn);
        self.net.forget(conn, 0);
    }

    /// Runs market and timers up to `now_ns`.
    pub fn advance(&mut self, now_ns: u64) {
        let until = now_ns.max(self.now_ns);
        while let Some(&(at, event)) = self.events.first() {
            if at > until {
                break;
            }
            self.events.pop_first();
            self.now_ns = self.now_ns.max(at);
            self.happen(event);
        }
        self.now_ns = until;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::BarEnd(key) => self.bar_ends(key),
            Event::Act(n) => self.act(n),
            Event::Grid(n) => self.grid(n),
            Event::Candle(key) => self.push_candle(key),
            Event::Slow(key) => self.poll(key),
            Event::Beat(key) => self.beat(key),
            Event::Prune(key) => self.prune(key),
            Event::Backlog(conn) => self.read_backlog(conn),
            Event::Idle(conn) => self.check_idle(conn),
            Event::Ping(conn) => self.ping(conn),
            Event::Upgrade(conn) => self.close(conn, 1001, "Service upgrade"),
            Event::Life(n) => self.live_on(n),
            Event::Weather => self.weather(),
            Event::Pace => self.keep_pace(),
            Event::Script(line) => self.play(line),
        }
    }

    /// When `advance` is next useful: a market step, a timer, or a delayed delivery.
    pub fn next_at(&self) -> u64 {
        let event = self.events.first().map(|&(at, _)| at);
        let frame = self.net.next_at();
        match (event, frame) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => self.now_ns + SECOND,
        }
    }

    /// Moves out all that is due at or before the last given time, in order of arrival.
    pub fn deliveries(&mut self, out: &mut Vec<Delivery>) {
        self.net.arrived(self.now_ns, out);
    }

    /// Replaces the fault profile; ends what the old one had started.
    pub fn set_faults(&mut self, faults: FaultProfile) {
        self.config.faults = faults;
        self.conns.values_mut().for_each(Conn::calm);
        self.markets.iter_mut().for_each(Market::calm);
        self.events.retain(|(_, event)| !matches!(event, Event::Upgrade(_)));
        let now = self.now_ns;
        let books: Vec<FeedKey> =
            self.feeds.keys().filter(|key| key.1.book().is_some()).copied().collect();
        self.events.retain(|(_, event)| !matches!(event, Event::Beat(_)));
        books.into_iter().for_each(|key| self.schedule(now, Event::Beat(key)));
        self.forecast();
    }

    /// What a correct live book of that channel must hold if every frame so far was delivered.
    /// `None` when nobody is subscribed to it.
    pub fn published(&self, channel: &str, inst_id: &str) -> Option<TruthBook> {
        let channel = Channel::named(channel)?;
        let n = *self.by_id.get(inst_id)?;
        match &self.feeds.get(&(Target::Inst(n), channel))?.memory {
            Memory::Book(book) => Some(book.truth(&self.markets[n].inst)),
            _ => None,
        }
    }

    /// The (channel, instId) pairs that are live on a connection, in order of subscription; for
    /// `instruments` the second is the instType.
    pub fn subscriptions(&self, conn: ConnId) -> Vec<(String, String)> {
        let Some(state) = self.conns.get(&conn) else { return Vec::new() };
        let feeds = state.subs.iter().filter_map(|key| self.feeds.get(key));
        feeds.map(|feed| (feed.channel.clone(), feed.inst_id.clone())).collect()
    }

    /// The instrument list as it stands, expired ones included.
    pub fn instruments(&self) -> Vec<SimInstrument> {
        let listed = self.markets.iter().map(|market| &market.inst);
        listed.filter(|inst| inst.kind != Kind::Spread).map(Instrument::view).collect()
    }

    /// How often each fault fired, by its name.
    pub fn faults_injected(&self) -> BTreeMap<&'static str, u64> {
        self.net.counts.clone()
    }

    /// Puts an event into the future.
    pub(crate) fn schedule(&mut self, at_ns: u64, event: Event) {
        self.events.insert((at_ns, event));
    }

    /// Forgets an event, whenever it was to happen.
    pub(crate) fn cancel(&mut self, event: Event) {
        self.events.retain(|(_, waiting)| *waiting != event);
    }

    /// Forgets every event about these feeds, and the activity of markets that nobody watches.
    pub(crate) fn cancel_feeds(&mut self, keys: &BTreeSet<FeedKey>) {
        let idle: BTreeSet<usize> = keys
            .iter()
            .flat_map(|key| match key {
                (Target::Inst(n), _) => vec![*n],
                (target, Channel::OptionTrades) => self.members(*target),
                _ => Vec::new(),
            })
            .filter(|n| !self.watched(*n))
            .collect();
        self.events.retain(|(_, event)| match event {
            Event::Act(n) | Event::Grid(n) => !idle.contains(n),
            _ => event.feed().is_none_or(|key| !keys.contains(&key)),
        });
    }

    /// Ends a connection with a close frame.
    pub(crate) fn close(&mut self, conn: ConnId, code: u16, reason: &str) {
        self.end(conn, ToClient::Close { code, reason: reason.to_owned() }, None);
    }

    /// Ends a connection; nothing follows.
    pub(crate) fn end(&mut self, conn: ConnId, how: ToClient, fault: Option<&'static str>) {
        if self.conns.contains_key(&conn) {
            self.remove_conn(conn);
            self.net.forget(conn, self.now_ns);
            self.net.raw(conn, self.now_ns, how, fault);
        }
    }

    fn remove_conn(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        self.events.retain(|(_, event)| event.conn() != Some(conn));
        self.stop_listening_to_all(conn);
    }

    fn check_idle(&mut self, conn: ConnId) {
        let Some(state) = self.conns.get(&conn) else { return };
        let at = state.idle_at();
        if at <= self.now_ns {
            self.close(conn, 4004, "No data received in 30s.");
        } else {
            self.schedule(at, Event::Idle(conn));
        }
    }

    fn ping(&mut self, conn: ConnId) {
        let now = self.now_ns;
        if self.conns.get(&conn).is_some_and(|state| state.endpoint == Endpoint::Sbe) {
            return self.sbe_ping(conn);
        }
        if self.conns.get(&conn).is_some_and(|state| now >= state.silent_until_ns) {
            self.net.raw(conn, now, ToClient::Ping(b"okx".to_vec()), None);
        }
        self.schedule(now + PING_NS, Event::Ping(conn));
    }

    /// Lets a market that nobody watched make up for the time.
    pub(crate) fn catch_up(&mut self, n: usize) {
        let most = match self.config.market {
            MarketSize::None | MarketSize::Small => CATCH_UP_SMALL,
            MarketSize::Full => CATCH_UP_FULL,
        };
        if !self.watched(n) {
            self.markets[n].catch_up(&self.assets, self.now_ns, most);
        }
    }

    /// Whether anybody listens to something that its order flow moves.
    pub(crate) fn watched(&self, n: usize) -> bool {
        self.keys_of(n).any(|key| key.1.follows_flow()) || self.family_trades(n).is_some()
    }

    /// The feeds of a market, in OKX's push order.
    pub(crate) fn keys_of(&self, n: usize) -> impl Iterator<Item = FeedKey> + '_ {
        let first = Channel::Book(crate::channel::BookKind::Bbo);
        let range = (Target::Inst(n), first)..(Target::Inst(n + 1), first);
        self.feeds.range(range).map(|(key, _)| *key)
    }

    /// The feed of all trades of an option's family, if somebody listens to it.
    pub(crate) fn family_trades(&self, n: usize) -> Option<FeedKey> {
        let inst = &self.markets[n].inst;
        if inst.kind != Kind::Option {
            return None;
        }
        let target = Target::Family(Kind::Option.name(), *self.families.get(&inst.family)?);
        let key = (target, Channel::OptionTrades);
        self.feeds.contains_key(&key).then_some(key)
    }

    /// The markets that a subscription is about and that trade.
    pub(crate) fn members(&self, target: Target) -> Vec<usize> {
        match target {
            Target::Inst(n) => vec![n],
            Target::Index(_) | Target::All | Target::Recorded(_) => Vec::new(),
            Target::Type(kind) => self.members_where(kind, |_| true),
            Target::Family(kind, family) => self.members_where(kind, |inst| {
                self.families.get(&inst.family).is_some_and(|at| *at == family)
            }),
        }
    }

    fn members_where(&self, kind: &str, fits: impl Fn(&Instrument) -> bool) -> Vec<usize> {
        let shown = |n: &usize| {
            let inst = &self.markets[*n].inst;
            inst.kind.name() == kind && inst.open_for_subscription() && fits(inst)
        };
        (0..self.markets.len()).filter(shown).collect()
    }
}

fn refused(status: u16, body: &str) -> Opened {
    Opened::Refused { status, body: body.to_owned() }
}
