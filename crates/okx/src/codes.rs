//! What to do about each of OKX's error codes (docs 2026-08-22; `docs/okx.md`, "Error codes").

/// What an `error` event about a subscription asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// That subscription cannot be had now; its neighbours can. Ask again after a growing wait.
    Refuse,
    /// The venue wants a login or a higher tier; use the public book instead.
    FallBack,
    /// We ask too often: hold all requests for a while, then repeat this one.
    Slow,
    /// The venue is busy: repeat this request after a wait.
    Later,
    /// Our request was wrong: say so loudly, and treat its subscriptions as refused.
    Ours,
}

/// The reaction to a code. Unknown codes refuse the subscription they are about, if any.
pub fn reaction(code: &str) -> Reaction {
    match code {
        "60014" | "60023" | "50011" => Reaction::Slow,
        "64007" | "63999" | "50001" | "50004" | "50013" | "50026" | "50040" => Reaction::Later,
        "60011" | "64003" | "60029" | "60030" => Reaction::FallBack,
        // Malformed requests, wrong socket, wrong login.
        "60008" | "60012" | "60013" | "60019" | "60027" | "60028" | "60033" | "64000" | "64001"
        | "64002" | "60004" | "60005" | "60006" | "60007" | "60009" | "60024" | "60026"
        | "60031" | "60032" | "60034" => Reaction::Ours,
        // 60018 unknown instrument or channel, 64004 conflicting books, and whatever comes.
        _ => Reaction::Refuse,
    }
}

/// Codes of REST that OKX's documents call temporary (docs of 2026-08-22, read 2026-11-23).
const RETRYABLE: [&str; 7] = ["50001", "50004", "50005", "50011", "50013", "50026", "50040"];

/// Whether the same REST request may well succeed later.
pub fn is_retryable(code: &str) -> bool {
    RETRYABLE.contains(&code)
}

/// What the venue's answer to a login means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginAnswer {
    /// An earlier login of this connection was granted, and its answer lost (60031).
    Granted,
    /// Our clock is too far off; the next try may be better.
    Clock,
    /// The venue could not do it now; the next try may be better.
    Later,
    /// The credentials are no good: another try costs a connection and brings nothing.
    Final,
}

/// What an error code says about a login, if it is about one. Such errors name no argument and no
/// request. The 501xx are documented for REST; sockets are not promised to be free of them.
pub fn login_answer(code: &str) -> Option<LoginAnswer> {
    match code {
        "60031" => Some(LoginAnswer::Granted),
        "60004" | "60006" | "50102" | "50112" => Some(LoginAnswer::Clock),
        "60023" | "63999" => Some(LoginAnswer::Later),
        "60005" | "60007" | "60009" | "60024" | "60026" | "60027" | "60032" | "60034" => {
            Some(LoginAnswer::Final)
        }
        code if code.len() == 5 && code.starts_with("501") => Some(LoginAnswer::Final),
        _ => None,
    }
}

/// What a close code means, for the session's record (docs 2026-08-22).
pub fn close_meaning(code: u16) -> &'static str {
    match code {
        1000 => "normal close",
        1001 => "going away",
        1006 => "closed without a close frame",
        1009 => "our request was too long",
        1012 => "service restart",
        4001 => "login failed",
        4002 => "invalid request",
        4003 => "more than 100 subscriptions per API key",
        4004 => "no data for 30 s",
        4005 => "we read too slowly",
        4006 => "abnormal",
        4007 => "API key changed or deleted",
        4008 => "too many channels",
        4009 => "too many channels on this connection",
        _ => "unknown code",
    }
}
