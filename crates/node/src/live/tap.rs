//! What one connection lets a relay see of itself: frames as they come, books when asked, its end.
//!
//! A driver has a [`Tap`] if its frames are relayed; whoever relays holds the other end of the
//! bounded queue. Nothing here waits.
//!
//! Invariants: a book lies in the queue between the frame that made it what it is and the next;
//! what finds no room is lost, and the next thing that finds some is [`Shown::Lost`].

use bytes::Bytes;
use market_data_model::{Book, Subscription};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc;

/// Most things that wait for the relay.
const QUEUE: usize = 4096;
/// Most bytes of frames that wait for the relay.
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Something about a connection.
pub(crate) enum Shown {
    /// Messages as they were received, in order.
    Frames(Vec<Bytes>),
    /// A book that was asked for, with the venue's id of its last change; `None` while the feed
    /// has proven none.
    Book(Subscription, Option<Box<(Book, i64)>>),
    /// The connection is gone, and with it the continuity of all that it carried.
    Down,
    /// The relay was too slow: frames before this are missing.
    Lost,
}

/// A connection by number, and something about it.
pub(crate) type Item = (usize, Shown);

/// One driver's way to the relay.
pub(crate) struct Tap {
    line: usize,
    sender: mpsc::Sender<Item>,
    /// Bytes of frames in the queue, of all taps.
    held: Arc<AtomicUsize>,
    frames: Vec<Bytes>,
    /// The wire whose frames are shown, where there are two.
    wire: Option<u8>,
    lost: bool,
}

/// Makes taps.
#[derive(Clone)]
pub(crate) struct Taps {
    sender: mpsc::Sender<Item>,
    held: Arc<AtomicUsize>,
    /// The number of the next connection.
    next: Arc<AtomicUsize>,
}

/// The relay's end.
pub(crate) struct Tapped {
    pub items: mpsc::Receiver<Item>,
    held: Arc<AtomicUsize>,
}

/// A queue, and what fills it.
pub(crate) fn taps() -> (Taps, Tapped) {
    let (sender, items) = mpsc::channel(QUEUE);
    let held = Arc::default();
    (Taps { sender, held: Arc::clone(&held), next: Arc::default() }, Tapped { items, held })
}

impl Taps {
    /// A tap for one more connection.
    pub fn tap(&self) -> Tap {
        let line = self.next.fetch_add(1, Relaxed);
        let (sender, held) = (self.sender.clone(), Arc::clone(&self.held));
        Tap { line, sender, held, frames: Vec::new(), wire: None, lost: false }
    }
}

impl Tapped {
    /// These frames are out of the queue.
    pub fn taken(&self, frames: &[Bytes]) {
        self.held.fetch_sub(weight(frames), Relaxed);
    }
}

impl Tap {
    /// A frame has come on one of the connection's wires. Of two that carry the same, only one is
    /// shown: the first that brings something, until it is gone.
    pub fn frame(&mut self, wire: u8, bytes: &[u8]) {
        if *self.wire.get_or_insert(wire) == wire {
            self.frames.push(Bytes::copy_from_slice(bytes));
        }
    }

    /// Hands over the frames that have gathered.
    pub fn flush(&mut self) {
        if self.frames.is_empty() {
            return;
        }
        let frames = std::mem::take(&mut self.frames);
        let bytes = weight(&frames);
        if self.held.fetch_add(bytes, Relaxed) + bytes > QUEUE_BYTES_MAX
            || !self.give(Shown::Frames(frames))
        {
            self.held.fetch_sub(bytes, Relaxed);
            self.lost = true;
        }
    }

    /// A book as it stands after all frames so far.
    pub fn book(&mut self, key: Subscription, book: Option<(Book, i64)>) {
        self.flush();
        // Whoever asked asks again.
        self.give(Shown::Book(key, book.map(Box::new)));
    }

    /// A wire is gone.
    pub fn down(&mut self, wire: u8) {
        if self.wire != Some(wire) {
            return;
        }
        self.wire = None;
        self.flush();
        self.lost |= !self.give(Shown::Down);
    }

    fn give(&mut self, shown: Shown) -> bool {
        if self.lost {
            if self.sender.try_send((self.line, Shown::Lost)).is_err() {
                return false;
            }
            self.lost = false;
        }
        self.sender.try_send((self.line, shown)).is_ok()
    }
}

fn weight(frames: &[Bytes]) -> usize {
    frames.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_told_as_lost_before_anything_else() {
        let (taps, mut tapped) = taps();
        let mut tap = taps.tap();
        for n in 0..=QUEUE {
            tap.frame(0, n.to_string().as_bytes());
            tap.flush();
        }
        let mut frames = 0;
        while let Ok((0, Shown::Frames(list))) = tapped.items.try_recv() {
            tapped.taken(&list);
            frames += list.len();
        }
        assert_eq!(frames, QUEUE, "the last one found no room");
        assert_eq!(tapped.held.load(Relaxed), 0);
        tap.frame(0, b"after");
        tap.book(Subscription::new("books", "X"), None);
        assert!(matches!(tapped.items.try_recv(), Ok((0, Shown::Lost))));
        assert!(matches!(tapped.items.try_recv(), Ok((0, Shown::Frames(list))) if list.len() == 1));
        assert!(matches!(tapped.items.try_recv(), Ok((0, Shown::Book(_, None)))));
    }

    #[test]
    fn of_two_wires_one_is_shown_and_only_its_end_is_an_end() {
        let (taps, mut tapped) = taps();
        let mut tap = taps.tap();
        for (wire, text) in [(1, "a"), (0, "a"), (1, "b"), (0, "b")] {
            tap.frame(wire, text.as_bytes());
        }
        tap.down(0);
        tap.flush();
        assert!(matches!(tapped.items.try_recv(), Ok((0, Shown::Frames(list))) if list.len() == 2));
        tap.down(1);
        assert!(matches!(tapped.items.try_recv(), Ok((0, Shown::Down))));
        tap.frame(0, b"c");
        tap.flush();
        assert!(matches!(tapped.items.try_recv(), Ok((0, Shown::Frames(list))) if list.len() == 1));
    }

    #[test]
    fn bytes_are_bounded_whatever_their_number() {
        let (taps, mut tapped) = taps();
        let mut tap = taps.tap();
        let large = vec![b'x'; QUEUE_BYTES_MAX / 4];
        for _ in 0..6 {
            tap.frame(0, &large);
            tap.flush();
        }
        let mut kept = 0;
        while let Ok((_, shown)) = tapped.items.try_recv() {
            kept += usize::from(matches!(shown, Shown::Frames(_)));
        }
        assert_eq!(kept, 4);
        assert!(tap.lost);
    }
}
