//! The way to the server: one WebSocket, and questions over REST beside it; both begun anew for
//! ever when they fail.
//!
//! Invariants: every wait has an end; what is said to one connection is never sent on the next.

use crate::server::{Address, NOT_PLAIN, Socket, TOKEN_ENV, WAIT};
use crate::source::unix_ns;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::header::AUTHORIZATION;
use market_data_top::Asked;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// The server pings every 20 s; one that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// First and longest wait before another attempt.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];
/// What is asked over REST, and every so many seconds.
const QUESTIONS: [(Asked, &str, u32); 3] = [
    (Asked::Watch, "/api/v1/watch", 3),
    (Asked::Feeds, "/api/v1/feeds", 1),
    (Asked::Gaps, "/api/v1/gaps?limit=100", 2),
];

/// What comes of the connection.
pub enum News {
    Opened,
    Frame(String),
    Answer(Asked, String),
    Lost { why: String, again_ms: u64 },
}

async fn socket(address: &Address) -> Result<WebSocketStream<Socket>, String> {
    let stream = address.dial().await?;
    let url = format!("ws://{}/ws", address.authority);
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    if let Some(bearer) = &address.bearer {
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    }
    match timeout(WAIT, client_async(request, stream)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(WsError::Http(answer))) if answer.status() == 401 => Err(format!(
            "it wants {} token (--token-file or {TOKEN_ENV})",
            if address.bearer.is_some() { "another" } else { "a" }
        )),
        Ok(Err(WsError::Http(answer))) => {
            let body = answer.body().as_deref().unwrap_or_default();
            match address.wants_tls(body) {
                true => Err(NOT_PLAIN.to_owned()),
                false => Err(format!("it answers {}", answer.status())),
            }
        }
        Ok(Err(WsError::Protocol(_) | WsError::HttpFormat(_))) if !address.is_encrypted() => {
            Err(NOT_PLAIN.to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", WAIT.as_secs())),
    }
}

/// Keeps the connection, until nobody listens.
pub async fn keep(address: Address, tell: mpsc::Sender<News>, mut to_say: mpsc::Receiver<String>) {
    let [first, longest] = AGAIN;
    let mut wait = first;
    loop {
        let opened = Instant::now();
        let why = match socket(&address).await {
            Ok(socket) => {
                // What was to be said to the connection before is of no use to this one.
                while to_say.try_recv().is_ok() {}
                if tell.send(News::Opened).await.is_err() {
                    return;
                }
                let talk = converse(socket, &tell, &mut to_say);
                tokio::select! {
                    why = talk => why,
                    why = ask(&address, &tell) => why,
                }
            }
            Err(why) => why,
        };
        if opened.elapsed() > longest {
            wait = first;
        }
        let again_ms = unix_ns() / 1_000_000 + u64::try_from(wait.as_millis()).unwrap_or(0);
        if tell.send(News::Lost { why, again_ms }).await.is_err() {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

/// Hands frames on and says what is to be said, until it is over; why it is.
async fn converse(
    socket: WebSocketStream<Socket>,
    tell: &mpsc::Sender<News>,
    to_say: &mut mpsc::Receiver<String>,
) -> String {
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            said = to_say.recv() => {
                let Some(said) = said else { return "nobody listens".to_owned() };
                match timeout(WAIT, sink.send(Message::text(said))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => return "it takes nothing any more".to_owned(),
                }
            }
            heard = timeout(SILENCE_MAX, stream.next()) => match heard {
                Ok(Some(Ok(Message::Text(text)))) => {
                    if tell.send(News::Frame(text.as_str().to_owned())).await.is_err() {
                        return "nobody listens".to_owned();
                    }
                }
                Ok(Some(Ok(Message::Close(Some(frame))))) if !frame.reason.is_empty() => {
                    return frame.reason.as_str().to_owned();
                }
                Ok(Some(Ok(Message::Close(_))) | None) => return "it was closed".to_owned(),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return error.to_string(),
                Err(_) => return format!("silent for {} s", SILENCE_MAX.as_secs()),
            },
        }
    }
}

/// Asks over REST, on one connection, until that fails; why it did.
async fn ask(address: &Address, tell: &mpsc::Sender<News>) -> String {
    match ask_on(address, tell).await {
        Ok(never) => match never {},
        Err(why) => why,
    }
}

async fn ask_on(address: &Address, tell: &mpsc::Sender<News>) -> Result<Infallible, String> {
    let (mut sender, connection) = address.line().await?;
    let talk = async {
        let mut every = interval(Duration::from_secs(1));
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut second = 0_u32;
        loop {
            every.tick().await;
            let due = |each: &&(Asked, &str, u32)| second.is_multiple_of(each.2);
            for (asked, path, _) in QUESTIONS.iter().filter(due) {
                let (status, body) = address.ask(&mut sender, path).await?;
                if status != 200 {
                    return Err(format!("{path} answers {status}"));
                }
                tell.send(News::Answer(*asked, body)).await.map_err(|_| "nobody listens")?;
            }
            second = second.wrapping_add(1);
        }
    };
    tokio::select! {
        result = talk => result,
        ended = connection => match ended {
            Ok(()) => Err("it was closed".to_owned()),
            Err(error) => Err(address.trouble(&error)),
        },
    }
}
