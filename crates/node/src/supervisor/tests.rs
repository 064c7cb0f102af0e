//! What the supervisor does with listings, with connections that only note what they are asked.

use super::*;
use crate::follow::Load;
use crate::live::Ask;
use crate::net::{Dialer, ProxySetting, TlsTrust};
use crate::options::Want;
use market_data_okx::limits::DEEP_BOOKS_PER_CONNECTION;
use market_data_okx::turnover::Turnovers;
use std::sync::Mutex;

type Opened = Arc<Mutex<Vec<(Path, Vec<Subscription>)>>>;

fn listener(list: &[Subscription]) -> (Listener, mpsc::Receiver<Ask>) {
    let (asks, asked) = mpsc::channel(8);
    let keys = list.iter().map(|s| Arc::clone(&s.key)).collect();
    (Listener { keys, carried: Arc::new(Mutex::new(list.to_vec())), asks }, asked)
}

/// A supervisor of one connection that carries these, and what it opens.
fn supervisor(carries: &[Subscription]) -> (Supervisor, Opened, mpsc::Receiver<Ask>) {
    let dialer = Dialer::new(&ProxySetting::None, &TlsTrust::default()).unwrap();
    let rest = Rest::new(Arc::new(dialer), "http://127.0.0.1:1", false).unwrap();
    let opened = Opened::default();
    let noted = Arc::clone(&opened);
    let mut kept = Vec::new();
    let open = move |path: Path, list: &[Subscription]| {
        noted.lock().unwrap().push((path, list.to_vec()));
        let (listener, asked) = listener(list);
        kept.push(asked);
        Some(listener)
    };
    let wants = [Want::new(["*-USDT"], ["books"])];
    let loads = vec![Load::new(Path::Public, carries)];
    let (listener, asked) = listener(carries);
    let supervisor = Supervisor {
        catalogue: Arc::default(),
        types: Vec::new(),
        rest: Arc::new(rest),
        listeners: vec![listener],
        follower: Follower::new(&wants, loads, Turnovers::default()),
        open: Box::new(open),
        close: Box::new(|_| {}),
        changes: mpsc::channel(1).1,
        news: mpsc::channel(1).1,
        refresh: Duration::from_secs(900),
        metrics: Arc::default(),
    };
    (supervisor, opened, asked)
}

fn live(id: &str) -> Arc<Instrument> {
    let mut x = Instrument::named(id);
    x.state = "live".into();
    Arc::new(x)
}

#[test]
fn a_listing_that_finds_no_room_gets_a_connection_of_its_own_and_later_ones_join_it() {
    let books = |n: usize| Subscription::new("books", &format!("X{n}-USDT"));
    let full: Vec<_> = (0..DEEP_BOOKS_PER_CONNECTION).map(books).collect();
    let (mut supervisor, opened, mut first) = supervisor(&full);
    supervisor.follow(&[live("NEW-USDT")]);
    let expected = vec![(Path::Public, vec![Subscription::new("books", "NEW-USDT")])];
    assert_eq!(*opened.lock().unwrap(), expected);
    assert!(first.try_recv().is_err(), "the full connection is left alone");
    supervisor.follow(&[live("NEW-USDT"), live("OTHER-USDT")]);
    assert_eq!(*opened.lock().unwrap(), expected, "there is room on it");
    assert_eq!(supervisor.listeners.len(), 2);
    let carried = lock(&supervisor.listeners[1].carried).clone();
    let books = |id| Subscription::new("books", id);
    assert_eq!(carried, [books("NEW-USDT"), books("OTHER-USDT")], "and its books are found");
}
