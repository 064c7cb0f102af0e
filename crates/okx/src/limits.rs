//! Every number OKX imposes on us or that we choose against one of its rules, with its source and
//! the day it was read. Checked against each other at compile time.
//!
//! Sources: "docs" = OKX API v5 documentation (mirror of 2026-08-22); "changelog" = OKX's
//! changelog read up to 2026-10-09; "ours" = our choice, with the reason.

use market_data_model::Nanos;
use market_data_model::time::SECOND;

/// Handshakes per second and address (docs, read 2026-11-23).
pub const HANDSHAKES_PER_SECOND: usize = 3;
/// What the venue may see of a handshake later than of another, on the road and on a busy machine
/// (ours: with a quarter of this 3 of 87 were refused with 429 when a whole universe connected).
pub const HANDSHAKE_MARGIN_NS: u64 = 200_000_000;
/// Subscribe, unsubscribe and login requests per hour and connection (docs, read 2026-11-23).
pub const REQUESTS_PER_HOUR: u32 = 480;
/// Of these, kept for resyncs of books (ours: a resync costs two).
pub const REQUESTS_RESERVED: u32 = 60;
/// Longest request we send, in bytes. Docs allow 64 KiB; older docs and clients used 4,096.
pub const REQUEST_BYTES_MAX: usize = 4096;
/// Longest request OKX takes, in bytes (docs, read 2026-11-23); longer ones close with 1009.
pub const REQUEST_BYTES_VENUE: usize = 65_536;
/// Longest `id` of a request, letters and digits only (docs, read 2026-11-23).
pub const REQUEST_ID_MAX: usize = 32;
/// Time between two requests on one connection (ours: OKX answers 60014 to bursts).
pub const REQUEST_SPACING_NS: u64 = 50_000_000;
/// 50- and 400-level books on one connection: OKX recommends fewer than 30 (docs, 2026-11-23).
pub const DEEP_BOOKS_PER_CONNECTION: usize = 29;
/// Channels on one connection (ours: OKX documents a cap, close code 4009, but not its value).
pub const CHANNELS_PER_CONNECTION_MAX: usize = 1000;

/// Connections of one process (ours: OKX names no number for public ones; a pattern that fits more
/// and more must not open them without end).
pub const CONNECTIONS_MAX: usize = 100;

/// The server closes a connection that was silent for 30 s (docs, read 2026-11-23).
pub const VENUE_IDLE_NS: u64 = 30 * SECOND;
/// We send the text `ping` after this long without any frame (ours: half the venue's patience).
pub const PING_AFTER_NS: u64 = 15 * SECOND;
/// How long a `pong`, or anything else, may take before the connection counts as dead (ours).
pub const PONG_WAIT_NS: u64 = 10 * SECOND;
/// How long a connection may take to open, the driver's queue for handshakes included (ours).
pub const OPEN_WAIT_NS: u64 = 60 * SECOND;
/// How long a close may take before we go on without it (ours).
pub const CLOSE_WAIT_NS: u64 = 3 * SECOND;

/// How long an ack may take before the argument is asked for again (ours).
pub const ACK_WAIT_NS: u64 = 10 * SECOND;
/// Attempts at one subscription before the connection is replaced (ours).
pub const ACK_ATTEMPTS_MAX: u32 = 3;
/// How long a snapshot may take after subscribing (ours; seen in well under a second).
pub const SNAPSHOT_WAIT_NS: u64 = 10 * SECOND;
/// Wait before a snapshot is asked for again over REST, on the binary socket (ours: OKX allows 10
/// in 10 s for one instrument, and makes a new one about every 500 ms; docs, read 2026-11-23).
pub const DEPTH_AGAIN_NS: u64 = SECOND;
/// Such questions under way at once on one connection (ours: drivers perform 16).
pub const DEPTHS_AT_ONCE_MAX: usize = 8;
/// Resyncs of one book within [`RESYNC_WINDOW_NS`] before the connection is replaced (ours).
pub const RESYNCS_MAX: u32 = 4;
/// See [`RESYNCS_MAX`].
pub const RESYNC_WINDOW_NS: u64 = 60 * SECOND;
/// Two replacements asked for by resync storms are at least this far apart (ours): one sick
/// instrument must not take its neighbours down again and again.
pub const ESCALATION_SPACING_NS: u64 = 300 * SECOND;
/// First wait before a refused subscription is tried again; doubles up to the next (ours).
pub const REFUSED_WAIT_MIN_NS: u64 = 10 * SECOND;
/// Longest wait before a refused subscription is tried again (ours).
pub const REFUSED_WAIT_MAX_NS: u64 = 600 * SECOND;
/// Wait after "request too frequent", 60014 (ours).
pub const TOO_FREQUENT_WAIT_NS: u64 = 15 * SECOND;

/// How long the answer to a login may take before it is asked for again (ours).
pub const LOGIN_WAIT_NS: u64 = 10 * SECOND;
/// Logins without an answer in a row, on any connection, before it counts as refused (ours).
pub const LOGIN_ATTEMPTS_MAX: u32 = 3;
/// First wait after a refused login; doubles up to [`REFUSED_WAIT_MAX_NS`] (ours: OKX ends the
/// connection with 4001 after each, and everything on it with it).
pub const LOGIN_REFUSED_WAIT_NS: u64 = 15 * SECOND;

/// First wait before a new connection; doubles up to the next; plus jitter (ours).
pub const RETRY_MIN_NS: u64 = SECOND / 2;
/// Longest wait before a new connection (ours).
pub const RETRY_MAX_NS: u64 = 30 * SECOND;
/// A connection that lived this long resets the back-off (ours).
pub const RETRY_RESET_NS: u64 = 60 * SECOND;

/// Books are repeated about every 60 s when nothing changes (docs, captured 2026-08-26).
pub const BOOK_BEAT_NS: u64 = 90 * SECOND;
/// Mark prices come at least every 10 s (docs, read 2026-11-23).
pub const MARK_BEAT_NS: u64 = 25 * SECOND;
/// Index tickers come at least every minute (docs, read 2026-11-23).
pub const INDEX_BEAT_NS: u64 = 90 * SECOND;
/// What OKX sends on subscribing has come by then (ours: captures and the books' documentation have
/// it in well under a second).
pub const FIRST_NS: u64 = 10 * SECOND;
/// Mark prices come at least every 10 s (docs, read 2026-11-23), so the first one too.
pub const FIRST_MARK_NS: u64 = 15 * SECOND;
/// Index tickers come at least every minute (docs, read 2026-11-23).
pub const FIRST_INDEX_NS: u64 = 65 * SECOND;
/// Funding rates come every 30 to 90 s (docs, read 2026-11-23).
pub const FIRST_FUNDING_NS: u64 = 95 * SECOND;
/// Block tickers come at least every 5 minutes (docs, read 2026-11-23).
pub const FIRST_BLOCK_NS: u64 = 305 * SECOND;
/// When the names of ELP ended (changelog, read 2026-11-23); its liquidity is in `books-rpi`.
pub const ELP_ENDED: &str = "2026-10-31";
/// A beat missed again and again is waited for longer each time, up to this many doublings (ours):
/// what OKX has suspended must not spend the hour's requests.
pub const BEAT_DOUBLINGS_MAX: u32 = 6;
/// Ids of rows remembered per subscription, to know one that comes again (ours).
pub const SEEN_IDS_MAX: usize = 64;
/// Instruments named by rows of channels about many, remembered per connection (ours; OKX lists a
/// few thousand options).
pub const NAMED_MAX: usize = 65_536;
/// Faults within [`FAULT_WINDOW_NS`] before the connection is replaced (ours).
pub const FAULTS_MAX: u32 = 100;
/// See [`FAULTS_MAX`].
pub const FAULT_WINDOW_NS: u64 = 10 * SECOND;

/// Levels a side of the 400-level books (docs, read 2026-11-23).
pub const BOOK_DEPTH_MAX: usize = 400;
/// Distinct subscription arguments remembered per connection, asked for or not (ours).
pub const ARGUMENTS_MAX: usize = 8192;

const _: () = assert!(PING_AFTER_NS + PONG_WAIT_NS < VENUE_IDLE_NS);
const _: () = assert!(PING_AFTER_NS <= 20 * SECOND);
const _: () = assert!(REQUEST_BYTES_MAX < REQUEST_BYTES_VENUE);
/// Largest state of a feed that is read again (ours: all instruments of OKX with their rows are
/// about 5 MB).
pub const CHECKPOINT_BYTES_MAX: usize = 32 << 20;
/// Most subscriptions in it (ours: far above what one connection may ask for).
pub const CHECKPOINT_SUBS_MAX: usize = 65_536;

const _: () = assert!(DEEP_BOOKS_PER_CONNECTION < 30);
const _: () = assert!(REQUESTS_RESERVED * 2 < REQUESTS_PER_HOUR);
const _: () = assert!(BOOK_BEAT_NS > 60 * SECOND);
const _: () = assert!(MARK_BEAT_NS > 20 * SECOND && INDEX_BEAT_NS > 60 * SECOND);
const _: () = assert!(RETRY_MIN_NS < RETRY_MAX_NS);

/// Keeps handshakes within OKX's limit; shared by all connections of one address.
#[derive(Clone, Debug, Default)]
pub struct HandshakeGate {
    /// The times of the last handshakes, oldest first.
    recent: [Option<Nanos>; HANDSHAKES_PER_SECOND],
}

impl HandshakeGate {
    /// A gate nobody has passed.
    pub fn new() -> HandshakeGate {
        HandshakeGate::default()
    }

    /// When a handshake asked for now may start: `now`, or later. Counts it as made.
    pub fn admit(&mut self, now: Nanos) -> Nanos {
        let earliest = self.recent[0].map_or(now, |oldest| oldest + SECOND + HANDSHAKE_MARGIN_NS);
        let at = now.max(earliest);
        self.recent.rotate_left(1);
        self.recent[HANDSHAKES_PER_SECOND - 1] = Some(at);
        at
    }
}

/// Most rows of `market/trades` (docs, 2026-08-22): the newest.
pub const REST_TRADES_MAX: u64 = 500;
/// Most rows of `market/history-trades` (docs, 2026-08-22).
pub const REST_HISTORY_TRADES_MAX: u64 = 100;
/// Missing trades this near to the newest are looked for among the newest 500 first (ours: leaves
/// room for those that come while the request is on its way).
pub const REFILL_RECENT: u64 = 400;
/// Most missing trades of one gap that are fetched (ours: 500 requests, about a minute).
pub const REFILL_TRADES_MAX: u64 = 50_000;
/// Most gaps of a connection that are filled at a time (ours).
pub const REFILL_HOLES_MAX: usize = 512;
/// How many filled gaps are remembered, so that a row that comes late is not told twice (ours).
pub const REFILL_REMEMBERED: usize = 64;
/// Between two requests of a connection for missing trades (ours: OKX allows 20 in 2 s to all of an
/// address).
pub const REFILL_SPACING_NS: u64 = SECOND / 5;
/// First wait after an answer that brought nothing; doubles up to the next (ours).
pub const REFILL_WAIT_MIN_NS: u64 = SECOND / 2;
/// Longest such wait (ours).
pub const REFILL_WAIT_MAX_NS: u64 = 30 * SECOND;
/// Answers that bring none of the ids asked for before they count as nowhere to be had (ours: the
/// history may be some seconds behind).
pub const REFILL_LOOKS_MAX: u32 = 4;
/// Refusals and failures in a row before a gap is given up (ours: about four minutes).
pub const REFILL_TRIES_MAX: u32 = 12;

/// Most rows of `market/candles`, `history-candles` (docs, 2026-08-22).
pub const REST_BARS_MAX: usize = 300;
/// Most rows of the like for mark prices, indices (docs, 2026-08-22) and spreads (ours: the docs
/// name no number).
pub const REST_PRICE_BARS_MAX: usize = 100;
/// Bars this near to the newest are looked for in `candles` first, which has the newest 1,440
/// (docs, 2026-08-22; ours: leaves room for those that end meanwhile).
pub const BARS_RECENT: u64 = 1_400;
/// Most missing bars of one gap that are fetched (ours: a day of seconds is 288 requests, about a
/// minute).
pub const BARS_MISSING_MAX: usize = 100_000;
/// Most gaps of bars of a connection that are filled at a time (ours: after a reconnect each
/// subscription may have one).
pub const BAR_HOLES_MAX: usize = 2_048;
/// How long after its ack a series may be silent before REST is asked what has ended meanwhile
/// (ours: the bar of the moment comes on subscribing, see [`FIRST_NS`]).
pub const BARS_QUIET_NS: u64 = FIRST_NS;
/// A bar that opens later than this from now, by our clock, proves nothing about those before it
/// (ours: more than two clocks that are kept differ), in ms.
pub const BARS_AHEAD_MS: u64 = 30_000;
/// Between two requests of a connection for bars (ours: OKX allows 40 in 2 s, of indices 10).
pub const BARS_SPACING_NS: u64 = SECOND / 5;
/// Answers that bring none of the bars asked for before they count as nowhere to be had (ours: the
/// caches of OKX may each be some seconds behind).
pub const BARS_LOOKS_MAX: u32 = 5;
/// Most rows of `funding-rate-history` (changelog, 2025-06-19).
pub const REST_PAYMENTS_MAX: usize = 400;
/// Between two requests of a connection for settlements of funding (ours: OKX allows 10 in 2 s to
/// an address and instrument).
pub const FUNDING_SPACING_NS: u64 = SECOND / 4;
/// Most settlements that one gap fetches (ours: three months of every hour, which is how far back
/// OKX has them).
pub const FUNDING_MISSING_MAX: usize = 2_400;
/// Answers without the newest settlement asked for before the rest is taken as it is (ours: with
/// the waits between them about four minutes).
pub const FUNDING_LOOKS_MAX: u32 = 12;
/// Most events that a successor holds back until the process before has ended (ours: ten seconds of
/// 10,000 records a second, some 100 MB).
pub const HELD_EVENTS_MAX: usize = 100_000;
/// Unfinished or unproven bars of one series whose trades are added up at a time (ours).
pub const BARS_MADE_MAX: usize = 32;
/// The same of bars shorter than a minute (ours: it takes half a minute and more to conclude that
/// REST does not have one, and then its trades must not be forgotten).
pub const BARS_MADE_SHORT_MAX: usize = 128;
/// How long a row may wait for the one before it, which the other line may bring (ours: more than
/// two roads to OKX differ by, less than a reader would miss the book).
pub const LINE_PATIENCE_NS: u64 = 2 * SECOND;
/// Most rows of one subscription that wait so (ours).
pub const LINE_HELD_MAX: usize = 1024;
/// Rows of one subscription remembered to know their second copy (ours: a busy book of all changes
/// sends 100 in a second).
pub const LINE_TOLD_MAX: usize = 128;
/// Stretches of trades given up and remembered, for one of them that comes after all (ours).
pub const LINE_LOST_MAX: usize = 64;
/// How long the line that is left may bring what the other one had brought first (ours: more than
/// two roads to OKX differ by, a queue on one of them included).
pub const LINE_FADES_NS: u64 = 10 * SECOND;
/// One of two connections that lived this long resets its back-off (ours).
pub const LINE_RESET_NS: u64 = SECOND;
/// How often a hand-over looks whether the other line has caught up (ours).
pub const LINE_CHECK_NS: u64 = SECOND / 10;
/// How long both connections are read after that, for what is still on its way (ours).
pub const HAND_OVER_LINGER_NS: u64 = SECOND;
/// How long a hand-over that nobody forces may take before it is given up (ours).
pub const HAND_OVER_WAIT_NS: u64 = 300 * SECOND;

/// REST `market/books` may be asked so often in 2 s, by all of an address (docs, 2026-08-22).
pub const REST_BOOKS_IN_2_S: u64 = 40;
/// Least time between two turns of books to be compared, in seconds (ours: if every connection that
/// there may be asks so often, OKX's limit still holds).
pub const WITNESS_SECONDS_MIN: u64 = 5;
/// How long a book's turn lasts at most (ours: REST answers within a moment, and `books5` comes
/// every 100 ms if anything changes).
pub const WITNESS_LOOK_NS: u64 = 5 * SECOND;
/// Changes of the book kept during its turn (ours: 100 in a second on the busiest channel).
pub const WITNESS_CHANGES_MAX: usize = 512;
/// What a witness said of books still to come, kept (ours).
pub const WITNESS_WAITING_MAX: usize = 8;
/// By how much a witness's time may lie outside the time in which the book was at the id that both
/// name (ours: ids come again only after maintenance, and not at once).
pub const WITNESS_APART_NS: u64 = SECOND;
/// Turns in a row that a book has while REST says nothing of use (ours).
pub const WITNESS_TRIES_MAX: u32 = 3;
/// How long a book has no turn after the venue has begun its ids anew (ours: what REST keeps is
/// gone by then).
pub const WITNESS_RESET_NS: u64 = 30 * SECOND;
/// How long a book has no turn after witnesses have contradicted it again and again (ours).
pub const WITNESS_SPARED_MAX_NS: u64 = 3600 * SECOND;

const _: () = assert!(CONNECTIONS_MAX as u64 * 2 <= REST_BOOKS_IN_2_S * WITNESS_SECONDS_MIN);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_more_than_three_in_any_second(steps in prop::collection::vec(0u64..700, 1..60)) {
            let mut gate = HandshakeGate::new();
            let mut now = Nanos(0);
            let mut made = Vec::new();
            for step in steps {
                now = now + step * 1_000_000;
                made.push(gate.admit(now));
            }
            for four in made.windows(4) {
                prop_assert!(four[3].since(four[0]) > SECOND);
            }
        }
    }
}
