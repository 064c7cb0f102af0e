//! How bad the network and the exchange behave: one named profile per kind of fault.
//!
//! `net.rs`, `weather.rs` and the request and REST code draw against these numbers; this file
//! only holds them. A rate of zero draws nothing, so a market is the same under every profile.
//!
//! Invariants: `none` is all zeros; a profile named after a fault has only that fault; every
//! fault ends by itself or when [`FaultProfile::none`] is set, `blackout` excepted; what `rot` did
//! to a reader's book stays until the level changes or the book begins anew.
//!
//! Start at [`FaultProfile`]; rates are per million.

/// One entry of the list of profiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultInfo {
    /// The name for [`FaultProfile::named`] and in [`crate::Delivery::fault`].
    pub name: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// Whether a correct client keeps working while it lasts, and the chain keeps it right.
    pub survivable: bool,
}

/// How often each kind of fault happens, in parts per million.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultProfile {
    /// The profile's name.
    pub name: &'static str,
    /// Per text frame: it is lost.
    pub drop: u32,
    /// Per text frame: it arrives twice.
    pub duplicate: u32,
    /// Per text frame: it arrives late, so that later ones overtake it.
    pub reorder: u32,
    /// Per text frame: it is cut to a strict prefix.
    pub truncate: u32,
    /// Per text frame: it is damaged in a way that a strict reader can see.
    pub corrupt: u32,
    /// Per update of an organic book that sets a size: it arrives with another one, and its chain
    /// is whole. In no mixture, because only a second witness can notice.
    pub rot: u32,
    /// Per book update: the exchange does not send it to anybody but continues its chain.
    pub seqgap: u32,
    /// Per instrument and second: ids restart lower, bridged by `prevSeqId`.
    pub reset: u32,
    /// Per instrument and second: nothing happens for 10 to 25 s, and books beat every 5 s.
    pub heartbeat: u32,
    /// Per connection and second: nothing is delivered (on all of it, or on one subscription)
    /// for 25 to 120 s.
    pub silence: u32,
    /// Per connection and second: pings stay unanswered for 30 to 90 s.
    pub nopong: u32,
    /// Per connection and second: notice 64008, then a close 5 to 60 s later.
    pub notice: u32,
    /// Per connection and second: it dies, with or without a close frame.
    pub abort: u32,
    /// Per handshake: it is refused.
    pub refuse: u32,
    /// Per acknowledged argument: its ack comes 5 to 40 s late.
    pub slowack: u32,
    /// Per subscribed argument: a transient error instead of the ack.
    pub errorack: u32,
    /// Per unsubscribed argument: frames keep coming for 1 to 5 s after the ack.
    pub late: u32,
    /// Per instrument and second: one side of its book, or both, is empty for 2 to 10 s.
    pub onesided: u32,
    /// Per second: an instrument is announced, listed, suspended, put in an odd state or expired.
    pub preopen: u32,
    /// Per connection and second, and per subscribed book: the exchange ends a subscription.
    pub evict: u32,
    /// Per REST request: an error in one of OKX's many ways.
    pub resterror: u32,
    /// Per daily file of history: it is missing or odd in one of the ways that have been seen.
    pub oddfile: u32,
    /// Per million handshakes and REST requests: refused as long as this profile lasts.
    pub blackout: u32,
}

const fn info(name: &'static str, about: &'static str) -> FaultInfo {
    FaultInfo { name, about, survivable: true }
}

static ALL: &[FaultInfo] = &[
    info("none", "a calm network and a healthy exchange"),
    info("drop", "a frame is lost"),
    info("duplicate", "a frame arrives twice"),
    info("reorder", "a frame arrives after later ones"),
    info("truncate", "a frame is cut short"),
    info("corrupt", "a frame is damaged so that a strict reader can see it"),
    info("seqgap", "the exchange skips a book update and continues its chain"),
    info("reset", "sequence ids restart lower while prevSeqId still links"),
    info("heartbeat", "books stand still and only beat, every 5 s"),
    info("silence", "the socket, or one subscription, stays open and says nothing for 25 to 120 s"),
    info("nopong", "pings stay unanswered for 30 to 90 s"),
    info("notice", "notice 64008, then a close 5 to 60 s later"),
    info("abort", "the connection dies, with codes 4004, 4005, 4006 or without a close frame"),
    info("refuse", "handshakes are refused"),
    info("slowack", "acks come 5 to 40 s late"),
    info("errorack", "transient errors 60018, 60014, 64007 instead of acks"),
    info("late", "frames keep coming for seconds after an unsubscribe ack"),
    info("onesided", "books lose one side or both for some seconds"),
    info("preopen", "listings, suspensions, unknown states and an expiry"),
    info("evict", "the exchange ends subscriptions: 64004 or an unsolicited unsubscribe"),
    info("resterror", "REST errors: HTTP 200 with a code, 429, 503, HTML, an empty body"),
    info(
        "oddfile",
        "daily files: missing, cut short, with holes, unsorted, in the format of before",
    ),
    info("mixed", "all of the above at lower rates"),
    FaultInfo {
        name: "rot",
        about: "a size in a book update is another, which only a second witness notices",
        survivable: false,
    },
    FaultInfo {
        name: "blackout",
        about: "every handshake and every REST request fails until the profile changes",
        survivable: false,
    },
];

impl FaultProfile {
    /// No faults at all.
    pub fn none() -> Self {
        Self { name: "none", ..Self::default() }
    }

    /// Every profile, `none` first.
    pub fn all() -> &'static [FaultInfo] {
        ALL
    }

    /// The profile of that name, or `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        let name = ALL.iter().find(|info| info.name == name)?.name;
        if name == "mixed" {
            return Some(Self::mixed());
        }
        let full = Self::every();
        let mut one = Self { name, ..Self::default() };
        match name {
            "drop" => one.drop = full.drop,
            "duplicate" => one.duplicate = full.duplicate,
            "reorder" => one.reorder = full.reorder,
            "truncate" => one.truncate = full.truncate,
            "corrupt" => one.corrupt = full.corrupt,
            "rot" => one.rot = full.rot,
            "seqgap" => one.seqgap = full.seqgap,
            "reset" => one.reset = full.reset,
            "heartbeat" => one.heartbeat = full.heartbeat,
            "silence" => one.silence = full.silence,
            "nopong" => one.nopong = full.nopong,
            "notice" => one.notice = full.notice,
            "abort" => one.abort = full.abort,
            "refuse" => one.refuse = full.refuse,
            "slowack" => one.slowack = full.slowack,
            "errorack" => one.errorack = full.errorack,
            "late" => one.late = full.late,
            "onesided" => one.onesided = full.onesided,
            "preopen" => one.preopen = full.preopen,
            "evict" => one.evict = full.evict,
            "resterror" => one.resterror = full.resterror,
            "oddfile" => one.oddfile = full.oddfile,
            "blackout" => one.blackout = 1_000_000,
            _ => {}
        }
        Some(one)
    }

    /// The rates of the profiles that have one fault only.
    fn every() -> Self {
        Self {
            name: "every",
            drop: 5_000,
            duplicate: 10_000,
            reorder: 5_000,
            truncate: 5_000,
            corrupt: 5_000,
            rot: 10_000,
            seqgap: 8_000,
            reset: 40_000,
            heartbeat: 50_000,
            silence: 15_000,
            nopong: 15_000,
            notice: 12_000,
            abort: 20_000,
            refuse: 500_000,
            slowack: 300_000,
            errorack: 300_000,
            late: 700_000,
            onesided: 30_000,
            preopen: 150_000,
            evict: 15_000,
            resterror: 350_000,
            oddfile: 700_000,
            blackout: 0,
        }
    }

    /// Every fault, each at a lower rate than alone.
    fn mixed() -> Self {
        let full = Self::every();
        Self {
            name: "mixed",
            drop: full.drop / 8,
            duplicate: full.duplicate / 8,
            reorder: full.reorder / 8,
            truncate: full.truncate / 8,
            corrupt: full.corrupt / 8,
            rot: 0,
            seqgap: full.seqgap / 8,
            reset: full.reset / 6,
            heartbeat: full.heartbeat / 8,
            silence: full.silence / 8,
            nopong: full.nopong / 8,
            notice: full.notice / 6,
            abort: full.abort / 6,
            refuse: full.refuse / 4,
            slowack: full.slowack / 6,
            errorack: full.errorack / 6,
            late: full.late / 4,
            onesided: full.onesided / 6,
            preopen: full.preopen / 4,
            evict: full.evict / 6,
            resterror: full.resterror / 4,
            oddfile: full.oddfile / 4,
            blackout: 0,
        }
    }
}
