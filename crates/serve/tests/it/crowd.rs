//! Very many connections at once: as many as may be are served, the others are told so, and
//! memory does not grow with who is turned away.
//!
//! `CROWD=10000 PLACES=2000` for more, and alone for a bound on memory as well.

use super::desk::{Desk, get};
use super::hostile::{Guest, upgraded};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
/// Files that a test needs besides those of the crowd.
const SPARE: u64 = 500;
/// What a connection may cost here, both its ends and the server's buffers, in KiB.
const EACH_KIB: u64 = 64;

/// Lets this process open as many files as it may; how many.
fn files() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

/// Resident memory of this process in KiB; `None` where nobody says.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

async fn count(desk: &Desk, name: &str) -> u64 {
    let text = get(desk.address, "/metrics", "").await.2;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn of_thousands_at_once_some_are_served_and_the_others_told() {
    let wanted: u64 = std::env::var("CROWD").map_or(4_000, |text| text.parse().unwrap());
    let places: u64 = std::env::var("PLACES").map_or(500, |text| text.parse().unwrap());
    // Both ends are in this process; a place has two.
    let crowd = wanted.min(files().saturating_sub(places + SPARE));
    assert!(crowd > places, "this process may open too few files: raise `ulimit -n`");
    let desk = Desk::with(|options| {
        // The crowd answers no pings, and may be here for long.
        (options.max_clients, options.idle_wait) = (places as usize, Duration::from_secs(3600));
    });
    let desk = desk.await;
    let mut guest = Guest::of(&desk).await;
    let before = resident();
    // One place is the guest's, and one is for the questions.
    let mut served = Vec::new();
    for _ in 0..places - 2 {
        served.push(upgraded(desk.address).await);
    }
    let full = TcpStream::connect(desk.address).await.unwrap();
    let mut more = Vec::new();
    for _ in 0..crowd - places {
        more.push(timeout(PATIENCE, TcpStream::connect(desk.address)).await.unwrap().unwrap());
    }
    guest.is_served().await;
    let (mut told, mut closed) = (0, 0);
    for mut socket in more {
        let mut answer = Vec::new();
        // Who says nothing is told before the connection ends; a few may have only the end.
        drop(timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it is still open"));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if answer.is_empty() {
            closed += 1;
        } else {
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("\"code\":\"full\"") && answer.contains("max_clients"));
            told += 1;
        }
    }
    guest.is_served().await;
    let after = resident();
    drop(full);
    let turned_away = async {
        loop {
            // The place of the one that said nothing is free a moment later.
            let answer = get(desk.address, "/metrics", "").await;
            if answer.0 == 200 {
                return count(&desk, "market_data_serve_turned_away_total ").await;
            }
        }
    };
    let turned_away = timeout(PATIENCE, turned_away).await.unwrap();
    assert_eq!(told + closed, crowd - places);
    assert!(turned_away >= crowd - places, "{turned_away}");
    assert_eq!(count(&desk, "market_data_serve_clients ").await, places - 1);
    println!("{crowd} at once: {} served, {told} told, {closed} closed", places - 1);
    if let (Some(before), Some(after)) = (before, after) {
        let grown = after.saturating_sub(before);
        println!("resident {before} KiB before, {after} KiB after");
        // Beside other tests it is their memory as well.
        let alone = std::env::var_os("CROWD").is_some();
        let most = places * EACH_KIB + (32 << 10);
        assert!(!alone || grown < most, "{grown} KiB for {places} clients");
    }
    drop(served);
    guest.is_served().await;
    desk.stop_server().await;
}
