//! The whole state, and all that can happen to it: frames, answers, keys, time.
//!
//! Invariants: the same inputs give the same state and the same actions; a key is answered
//! whatever the connection does.

use crate::health::Health;
use crate::market::{LEVELS_MAX, Market};
use crate::said::clean;
use crate::wants::{Heard, Purpose, Wants};
use crate::watch::Watch;
use serde_json::{Value, json};

/// Channels that show a book, the best first.
const BOOKS: [&str; 8] = [
    "books",
    "books-l2-tbt",
    "books50-l2-tbt",
    "books-rpi",
    "books-full",
    "books5",
    "bbo-tbt",
    "sprd-books5",
];
/// Channels of trades, the best first.
const TRADES: [&str; 3] = ["trades-all", "trades", "sprd-public-trades"];
/// Channels of what stands above the book.
const FACTS: [&str; 5] =
    ["mark-price", "index-tickers", "funding-rate", "open-interest", "price-limit"];
/// Longest filter, in letters.
const FILTER_MAX: usize = 32;
/// Rows of a page key.
const PAGE: isize = 10;

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The socket is up.
    Opened,
    /// The socket is gone or never came.
    Lost {
        /// In words.
        why: &'a str,
        /// When it is tried again, Unix ms.
        again_ms: u64,
    },
    /// A text frame.
    Frame(&'a str),
    /// The body of an answer over REST.
    Answer(Asked, &'a str),
    /// A key was pressed.
    Key(Key),
    /// Time has passed.
    Tick,
}

/// What the shell asks for over REST, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `/api/v1/watch`
    Watch,
    /// `/api/v1/feeds`
    Feeds,
    /// `/api/v1/gaps`
    Gaps,
}

/// A key, as far as any is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A letter, a digit or a sign.
    Letter(char),
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// A page back.
    PageUp,
    /// A page on.
    PageDown,
    /// To the first.
    Home,
    /// To the last.
    End,
    /// To the next panel.
    Tab,
    /// To the panel before.
    BackTab,
    /// Return.
    Enter,
    /// Esc.
    Escape,
    /// Takes a letter away.
    Backspace,
    /// Ctrl-C.
    Interrupt,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a text frame.
    Send(String),
    /// End.
    Quit,
}

/// The connection to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Not there yet, for the first time.
    #[default]
    Connecting,
    Open,
    /// Gone since (Unix ms), or never there since then; tried again at.
    Lost {
        since: u64,
        again: u64,
        why: String,
    },
}

/// A panel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    #[default]
    List,
    Book,
    Trades,
    Health,
}

impl Panel {
    pub const ALL: [Panel; 4] = [Panel::List, Panel::Book, Panel::Trades, Panel::Health];

    fn step(self, by: usize) -> Panel {
        let at = Panel::ALL.iter().position(|panel| *panel == self).unwrap_or(0);
        Panel::ALL[(at + by) % Panel::ALL.len()]
    }
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub struct Screen {
    /// The server's address, as shown.
    pub(crate) server: String,
    /// Unix ms.
    pub(crate) now: u64,
    pub(crate) link: Link,
    pub(crate) watch: Watch,
    pub(crate) market: Market,
    pub(crate) health: Health,
    pub(crate) focus: Panel,
    /// The panel with the focus has the whole screen.
    pub(crate) zoomed: bool,
    /// Keys go into the filter.
    pub(crate) filtering: bool,
    pub(crate) help: bool,
    /// Rows of the health panel that have scrolled away.
    pub(crate) scrolled: usize,
    /// A question that the server refused, in its words.
    pub(crate) refused: Option<String>,
    wants: Wants,
}

impl Screen {
    /// A screen for a server, before anything has come.
    pub fn new(server: &str) -> Screen {
        let mut screen = Screen { server: clean(server), ..Screen::default() };
        let ask = json!({"inst": "*", "channel": "tickers", "policy": "conflate", "interval": 200});
        screen.wants.add(Purpose::Tickers, ask, &mut Vec::new());
        screen
    }

    /// Takes what happened at `now_ms` (Unix ms); what is to be done is added to `out`.
    pub fn handle(&mut self, now_ms: u64, input: Input<'_>, out: &mut Vec<Action>) {
        self.now = now_ms;
        let mut said = Vec::new();
        match input {
            Input::Tick => {}
            Input::Opened => {
                self.link = Link::Open;
                self.refused = None;
                self.wants.opened(&mut said);
            }
            Input::Lost { why, again_ms } => self.lost(why, again_ms),
            Input::Frame(text) => self.frame(text, &mut said),
            Input::Answer(asked, text) => self.answer(asked, text, &mut said),
            Input::Key(key) => {
                if self.key(key) {
                    out.push(Action::Quit);
                }
                self.follow(&mut said);
            }
        }
        out.extend(said.into_iter().map(Action::Send));
    }

    /// Whether what is shown is of this moment.
    pub(crate) fn is_live(&self) -> bool {
        self.link == Link::Open
    }

    fn lost(&mut self, why: &str, again: u64) {
        let since = match self.link {
            Link::Lost { since, .. } => since,
            _ => self.now,
        };
        self.link = Link::Lost { since, again, why: clean(why) };
        self.wants.closed();
        self.market.lose();
    }

    fn frame(&mut self, text: &str, said: &mut Vec<String>) {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return };
        match self.wants.hear(&frame, said) {
            Heard::Nothing => {}
            Heard::Record(Purpose::Tickers, record) => self.watch.ticker(record),
            Heard::Record(Purpose::Book, record) => self.market.take_book(record),
            Heard::Record(Purpose::Trades, record) => self.market.take_trade(record),
            Heard::Record(Purpose::Facts, record) => self.market.take_fact(record),
            Heard::Lost(Purpose::Trades, count) => self.market.lost(count),
            Heard::Lost(Purpose::Book, _) => self.market.lose(),
            Heard::Lost(..) => {}
            Heard::Refused(_, words) => self.refused = Some(clean(words)),
        }
    }

    fn answer(&mut self, asked: Asked, text: &str, said: &mut Vec<String>) {
        let Ok(body) = serde_json::from_str::<Value>(text) else { return };
        match asked {
            Asked::Watch => {
                self.watch.load(&body);
                self.follow(said);
            }
            Asked::Feeds => self.health.load_feeds(self.now, &body),
            Asked::Gaps => self.health.load_gaps(&body),
        }
    }

    /// Follows the chosen instrument if it is another one, or has got other channels.
    fn follow(&mut self, said: &mut Vec<String>) {
        let chosen = self.watch.chosen();
        let inst = chosen.map(|row| row.inst.clone());
        let channels = match chosen {
            Some(row) => [row.channel(&BOOKS), row.channel(&TRADES)],
            None => [None, None],
        };
        if self.market.inst == inst && self.market.channels == channels {
            return;
        }
        let facts: Vec<String> = FACTS.iter().filter_map(|name| chosen?.channel(&[name])).collect();
        for purpose in [Purpose::Book, Purpose::Trades, Purpose::Facts] {
            self.wants.end(purpose, said);
        }
        if let Some(inst) = &inst {
            if let Some(channel) = &channels[0] {
                let ask = json!({"inst": inst, "channel": channel, "depth": LEVELS_MAX,
                    "policy": "conflate", "interval": 100});
                self.wants.add(Purpose::Book, ask, said);
            }
            if let Some(channel) = &channels[1] {
                let ask = json!({"inst": inst, "channel": channel});
                self.wants.add(Purpose::Trades, ask, said);
            }
            for channel in &facts {
                let ask = json!({"inst": inst, "channel": channel,
                    "policy": "conflate", "interval": 500});
                self.wants.add(Purpose::Facts, ask, said);
            }
        }
        self.market.choose(inst, channels);
    }

    /// Answers a key; whether it ends the screen.
    fn key(&mut self, key: Key) -> bool {
        if key == Key::Interrupt {
            return true;
        }
        if self.help {
            self.help = false;
            return false;
        }
        if self.filtering {
            self.type_filter(key);
            return false;
        }
        match key {
            Key::Letter('q') => return true,
            Key::Letter('?') => self.help = true,
            Key::Letter('/') => (self.filtering, self.focus) = (true, Panel::List),
            Key::Letter('s') => self.watch.order = self.watch.order.next(),
            Key::Letter('z') | Key::Enter => self.zoomed = !self.zoomed,
            Key::Letter('h') => {
                // To the health panel and back, in full.
                let there = self.focus == Panel::Health && self.zoomed;
                self.focus = if there { Panel::List } else { Panel::Health };
                self.zoomed = !there;
            }
            Key::Tab | Key::Letter('l') => self.focus = self.focus.step(1),
            Key::BackTab => self.focus = self.focus.step(3),
            Key::Escape if self.zoomed => self.zoomed = false,
            Key::Escape => {
                self.watch.filter.clear();
                self.watch.choose_something();
            }
            _ => self.scroll(key),
        }
        false
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Letter(letter) if self.watch.filter.chars().count() < FILTER_MAX => {
                self.watch.filter.extend(Some(letter).filter(|letter| !letter.is_control()));
            }
            Key::Backspace => drop(self.watch.filter.pop()),
            Key::Enter => self.filtering = false,
            Key::Escape => {
                self.filtering = false;
                self.watch.filter.clear();
            }
            Key::Up => return self.watch.step(-1),
            Key::Down => return self.watch.step(1),
            _ => {}
        }
        self.watch.choose_something();
    }

    fn scroll(&mut self, key: Key) {
        let by = match key {
            Key::Up | Key::Letter('k') => -1,
            Key::Down | Key::Letter('j') => 1,
            Key::PageUp => -PAGE,
            Key::PageDown => PAGE,
            Key::Home => isize::MIN,
            Key::End => isize::MAX,
            _ => return,
        };
        if self.focus == Panel::Health {
            let most = self.health.gaps.len();
            self.scrolled = self.scrolled.saturating_add_signed(by).min(most);
        } else {
            self.watch.step(by);
        }
    }
}
