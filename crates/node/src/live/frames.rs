//! Takes frames from the lines and has the feed handle them.
//!
//! Invariant: actions are performed before more is taken. Start at [`Driver::incoming`].

use super::{Driver, on};
use crate::net::{End, Incoming, Socket};
use crate::venue::Driven;
use market_data_model::{LineNews, Nanos};
use std::sync::atomic::Ordering::Relaxed;

/// Most frames of a line handled before their events are published; more than a read brings, unless
/// they are very short.
const FRAMES_MAX: usize = 256;
/// Most reads of a line that become one batch where somebody is woken for each: a thread that reads
/// a queue, or the recorder. Waking costs as much as some ten frames.
pub(super) const READS_MAX: u32 = 4;
/// Most events gathered before they are published.
const EVENTS_MAX: usize = 65_536;

/// What ends the taking of frames before they are used up.
enum Broken {
    /// The connection has ended.
    Line(End),
    /// The feed has failed by a mistake of ours.
    Feed(Nanos, String),
}

impl<F: Driven> Driver<F> {
    /// Hands over what can be taken, a read of each line in turn: neither holds the other up.
    pub(super) async fn incoming(&mut self, line: u8) {
        for read in 0..self.reads_max {
            let first = read == 0 || self.wires.look(line).await;
            if first {
                self.frames(line);
            }
            let second = self.wires.look(1 - line).await;
            if second {
                self.frames(1 - line);
            }
            let ends = self.is_full() || self.restart.is_some();
            if ends || !(first || second) {
                break;
            }
        }
        self.others().await;
    }

    /// Hands over the frames of a line that are here: those of one read, as a rule.
    pub(super) fn frames(&mut self, line: u8) {
        let Some(mut socket) = self.wires.lend(line) else { return };
        let broken = self.take_frames(line, &mut socket);
        self.wires.give_back(line, socket);
        match broken {
            None => {}
            Some(Broken::Line(End { code, reason })) => self.lost(line, code, &reason),
            Some(Broken::Feed(now, why)) => self.replace_feed(now, &why),
        }
    }

    fn take_frames(&mut self, line: u8, socket: &mut Socket) -> Option<Broken> {
        for _ in 0..FRAMES_MAX {
            let fresh = socket.has_read();
            match socket.take()? {
                Incoming::Closed(end) => return Some(Broken::Line(end)),
                Incoming::Frame(bytes) => {
                    let now = self.stamp(fresh);
                    if let Some(tap) = &mut self.setup.tap {
                        tap.frame(line, bytes);
                    }
                    if let Err(why) = self.handle(now, on(line, LineNews::Frame(bytes))) {
                        return Some(Broken::Feed(now, why));
                    }
                }
            }
            if self.is_full() {
                break;
            }
        }
        None
    }

    /// Whether no more is to be taken. Actions are performed before: one of them may end the
    /// connection.
    fn is_full(&self) -> bool {
        self.out.events.len() >= EVENTS_MAX || !self.out.actions.is_empty()
    }

    /// When the frame just taken was read. Frames that one read has brought were read together.
    fn stamp(&mut self, fresh: bool) -> Nanos {
        if !fresh {
            return self.clock.again();
        }
        let now = self.clock.now();
        self.numbers.last_frame.store(now.0, Relaxed);
        now
    }
}
