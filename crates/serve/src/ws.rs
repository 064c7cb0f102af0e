//! One WebSocket connection: its two halves, its keep-alive, its end.
//!
//! Invariants: a client that says nothing for too long, not even a pong, or too much, is
//! closed; a write that takes too long ends the connection; the hub is told when
//! it is over.

use crate::ask::Conversation;
use crate::client::{Close, Outbox};
use crate::record::Frame;
use crate::server::Shared;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use market_data_model::Nanos;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

/// Largest message a client may send, in bytes.
pub(crate) const MESSAGE_MAX: usize = 16 << 10;
/// Bytes that are read at once. Clients say little, and tungstenite clears this much before each
/// try to read, which is whenever something is sent: with its 128 KiB that was most of the work.
pub(crate) const READ_BUFFER: usize = 4 << 10;
/// Frames written before the socket is flushed.
const FRAMES_AT_ONCE: usize = 64;
const PING_EVERY: Duration = Duration::from_secs(20);
/// Seconds over which the number of a client's messages is looked at.
const RATE_OVER: u32 = 10;
/// How long the last words to a client may take.
const LAST_WORD: Duration = Duration::from_secs(1);
/// Sent when the service stops.
pub(crate) const GOING_AWAY: Close = Close { code: 1001, reason: "the server is stopping" };

impl From<Frame> for Message {
    fn from(frame: Frame) -> Message {
        match frame {
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Binary(bytes) => Message::Binary(bytes.into()),
        }
    }
}

/// Serves one client until it goes, or is sent away.
pub(crate) async fn serve(socket: WebSocket, shared: Arc<Shared>, binary: bool) {
    let counts = &shared.hub.counts;
    let number = counts.clients.fetch_add(1, Relaxed);
    counts.clients_now.fetch_add(1, Relaxed);
    let client = Outbox::new(number, shared.options.queue, &counts.lost);
    let (sink, stream) = socket.split();
    let conversation = Conversation {
        hub: Arc::clone(&shared.hub),
        client: Arc::clone(&client),
        subscriptions_max: shared.options.max_subscriptions,
        open: Vec::new(),
        last: 0,
        binary,
    };
    let mut stop = shared.stop.subscribe();
    tokio::select! {
        () = read(stream, conversation, &shared) => {}
        () = write(sink, &client, &shared, &mut stop) => {}
    }
    shared.hub.leave(&client);
    client.empty();
    counts.clients_now.fetch_sub(1, Relaxed);
}

/// Takes what the client asks; after something hopeless the writer closes, so this waits for it.
async fn read(mut stream: SplitStream<WebSocket>, mut conversation: Conversation, shared: &Shared) {
    let (idle, most) =
        (shared.options.idle_wait, shared.options.max_requests.saturating_mul(RATE_OVER));
    let (mut since, mut count) = (Instant::now(), 0);
    loop {
        let Ok(next) = timeout(idle, stream.next()).await else {
            conversation.client.close(Close { code: 1008, reason: "silent for too long" });
            return std::future::pending().await;
        };
        if since.elapsed() > Duration::from_secs(RATE_OVER.into()) {
            (since, count) = (Instant::now(), 0);
        }
        count += 1;
        if count > most {
            conversation.client.close(Close { code: 1008, reason: "too many messages" });
            return std::future::pending().await;
        }
        match next {
            None | Some(Ok(Message::Close(_))) => return,
            Some(Ok(Message::Text(text))) => conversation.take(&text),
            Some(Ok(Message::Binary(_))) => {
                conversation.end("text frames only");
                return std::future::pending().await;
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            // Too large a message, or no WebSocket at all.
            Some(Err(_)) => {
                conversation.client.close(Close { code: 1009, reason: "cannot read that" });
                return std::future::pending().await;
            }
        }
    }
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    client: &Outbox,
    shared: &Shared,
    stop: &mut watch::Receiver<bool>,
) {
    let counts = &shared.hub.counts;
    let mut ping = Instant::now() + PING_EVERY;
    let mut leaving = false;
    loop {
        let now = Instant::now();
        if *stop.borrow() && !leaving {
            // What waits is still sent; nothing more comes.
            shared.hub.leave(client);
            leaving = true;
        }
        let taken = client.take(&shared.hub, FRAMES_AT_ONCE, now);
        let any = !taken.frames.is_empty();
        let (received, number) = (taken.received, taken.frames.len() as u64);
        let send = async {
            if !any && now < ping {
                return Ok(());
            }
            for frame in taken.frames {
                sink.feed(frame.into()).await?;
            }
            if now >= ping {
                sink.feed(Message::Ping(Vec::new().into())).await?;
            }
            sink.flush().await
        };
        let sent = tokio::select! {
            sent = timeout(shared.options.write_wait, send) => sent,
            // A client that does not read does not hold up the end.
            () = asked_to(stop, LAST_WORD) => return,
        };
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        if now >= ping {
            ping = now + PING_EVERY;
        }
        if any {
            counts.frames.fetch_add(number, Relaxed);
            counts.written.note_all(received, clock());
            continue;
        }
        let close = match taken.close {
            None if leaving => Some(GOING_AWAY),
            close => close,
        };
        if let Some(Close { code, reason }) = close {
            let frame = CloseFrame { code, reason: reason.into() };
            // The other side may have gone; it is over in any case.
            let last = async {
                drop(sink.send(Message::Close(Some(frame))).await);
                drop(sink.close().await);
            };
            drop(timeout(LAST_WORD, last).await);
            return;
        }
        let wake = taken.again.map_or(ping, |again| again.min(ping));
        tokio::select! {
            () = client.ready.notified() => {}
            () = sleep_until(wake.into()) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Nanoseconds since 1970 UTC, by the clock of `tsRecv`.
fn clock() -> Nanos {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// Returns `patience` after the server was asked to stop.
async fn asked_to(stop: &watch::Receiver<bool>, patience: Duration) {
    let mut stop = stop.clone();
    // An error means that the server is gone.
    drop(stop.wait_for(|stop| *stop).await);
    tokio::time::sleep(patience).await;
}
