//! Lets handshakes through at the pace the venue allows; one per venue address and process.

use crate::clock::Clock;
use market_data_okx::HandshakeGate;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Shared by every connection of a service.
pub(crate) struct Gate {
    inner: Mutex<(HandshakeGate, Clock)>,
}

impl Gate {
    /// A gate that nobody has passed.
    pub fn new() -> Gate {
        Gate { inner: Mutex::new((HandshakeGate::new(), Clock::wall())) }
    }

    /// Waits for this handshake's turn. A turn that is given up is not handed back.
    pub async fn pass(&self) {
        let wait = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let now = inner.1.now();
            let at = inner.0.admit(now);
            at.since(now)
        };
        if wait > 0 {
            tokio::time::sleep(Duration::from_nanos(wait)).await;
        }
    }
}
