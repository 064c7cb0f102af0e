//! One timer of a driver, moved only when it has to ring earlier.
//!
//! Deadlines move on with every frame, and a timer that is set and dropped each time takes the
//! runtime's lock twice. So it may ring too early; whoever is woken looks whether anything is due.
//!
//! Invariant: it never rings later than it was last set to.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// See the file's first comment.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// Whether it is to ring at all.
    is_set: bool,
    /// Whether `sleep` is still running.
    runs: bool,
}

impl Alarm {
    /// One that does not ring.
    pub(super) fn new() -> Alarm {
        Alarm { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), is_set: false, runs: false }
    }

    /// Rings then at the latest; `None` = not at all.
    pub(super) fn set(&mut self, at: Option<Instant>) {
        self.is_set = at.is_some();
        let Some(at) = at else { return };
        if !self.runs || at < self.sleep.deadline() {
            self.sleep.as_mut().reset(at);
            self.runs = true;
        }
    }

    /// Ready once, when it rings.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_set || self.sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.runs = false;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[tokio::test(start_paused = true)]
    async fn it_rings_in_time_and_is_moved_only_to_ring_earlier() {
        let rings =
            |alarm: &mut Alarm| alarm.poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let after = |ms| Some(Instant::now() + Duration::from_millis(ms));
        let pass = |ms| tokio::time::advance(Duration::from_millis(ms));
        let mut alarm = Alarm::new();
        assert!(!rings(&mut alarm), "nothing is set");
        alarm.set(after(100));
        assert!(!rings(&mut alarm));
        pass(50).await;
        // Later than before: it may ring at 100, and must ring at 250.
        alarm.set(after(200));
        pass(51).await;
        assert!(rings(&mut alarm));
        alarm.set(after(149));
        assert!(!rings(&mut alarm));
        pass(150).await;
        assert!(rings(&mut alarm));
        // Earlier than before.
        alarm.set(after(9000));
        alarm.set(after(1));
        pass(2).await;
        assert!(rings(&mut alarm));
        alarm.set(None);
        pass(10_000).await;
        assert!(!rings(&mut alarm));
    }
}
