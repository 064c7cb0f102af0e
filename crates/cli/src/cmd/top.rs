//! `market-data top`: a screen in the terminal, of a running server or of one of its own.
//!
//! What is shown and why is the crate `market-data-top`; here are the terminal (`top/terminal.rs`),
//! the way to the server (`top/link.rs`), a server of its own for `--sim` and `--alone`
//! (`top/own.rs`), and the loop that joins them.
//!
//! Invariants: the terminal is put back as it was however this ends, also by a signal or a panic;
//! nothing else writes to it meanwhile; a server that is gone is tried for ever.

use crate::failure::Failure;
use crate::out::console::Console;
use crate::server::Address;
use crate::signals::Stop;
use crate::source::{SourceArgs, unix_ns};
use clap::Args;
use link::News;
use market_data_serve::DEFAULT_ADDRESS;
use market_data_top::{Action, Input, Screen, Theme, draw};
use own::Own;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use terminal::{Pressed, Terminal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

mod link;
mod own;
mod terminal;

const EXAMPLES: &str = "\
Examples:
  market-data top                                  what `market-data run` serves on this machine
  market-data top http://10.0.0.5:9870 --token-file token
  market-data top https://10.0.0.5:9870 --ca cert.pem --token-file token
  market-data top --sim                            no server and no internet needed
  market-data top --sim --sim-faults mixed         books that break and heal
  market-data top --alone BTC-USDT ETH-USDT        OKX itself, without `market-data run`";

const LONG_ABOUT: &str = "\
Watch prices, a book, trades and health on a screen in the terminal

Attaches to a running `market-data run`, and keeps trying while there is none; with --sim or --alone it runs by itself and the \
arguments are instruments. Keys: arrows choose, Tab goes to the next panel, Enter shows it alone, / filters, s orders, h \
shows health, ? lists the keys, q ends. NO_COLOR turns colours off.";

/// Screens a second, at most.
const DRAW_EVERY: Duration = Duration::from_millis(50);
/// The clock and ages move at least so often, in draws.
const IDLE_DRAWS: u32 = 5;
/// What may wait for the loop: frames and answers of the server.
const NEWS_MAX: usize = 1024;
/// What may wait to be sent: questions of a person.
const SAID_MAX: usize = 256;

/// Flags of `top`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct TopArgs {
    /// The server's address [default: http://127.0.0.1:9870]; with --sim or --alone, instruments
    #[arg(value_name = "URL")]
    place: Vec<String>,
    /// A file whose first line is the server's token; so does MARKET_DATA_SERVE_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust the certificates in this PEM file, too: of an https server that nobody has vouched for
    #[arg(long, value_name = "FILE", conflicts_with_all = ["alone", "sim"])]
    ca: Option<PathBuf>,
    /// Connect to OKX from here instead of attaching to a server
    #[arg(long, conflicts_with = "sim")]
    alone: bool,
    /// Channels, with --sim or --alone [default: tickers,trades,books,candle1m and marks of swaps]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    channels: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
}

/// Shows the screen until somebody ends it.
///
/// # Errors
/// When stdout is no terminal, the address or the token cannot be used, or the service of its own
/// cannot start.
pub async fn run(args: &TopArgs, console: &Console) -> anyhow::Result<ExitCode> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let hint = "`market-data watch` prints lines; `market-data run` serves them to programs";
        return Err(Failure::new("`top` needs a terminal on stdin and stdout", hint).into());
    }
    let mut stop = Stop::listen();
    let by_itself = args.alone || args.source.sim;
    if !by_itself && (args.source.is_named() || !args.channels.is_empty()) {
        let hint = "`--alone` connects to OKX from here, `--sim` to the pretend exchange";
        let what = "a server that runs already has its own source and channels";
        return Err(Failure::new(what, hint).into());
    }
    let (own, address) = if by_itself {
        console.status("starting …");
        let own = tokio::select! {
            own = Own::start(&args.source, &args.place, &args.channels) => own?,
            () = stop.asked() => return Ok(ExitCode::SUCCESS),
        };
        console.status("");
        let address = own.address();
        (Some(own), address)
    } else {
        let place = match args.place.as_slice() {
            [] => format!("http://{DEFAULT_ADDRESS}"),
            [url] => url.clone(),
            _ => {
                let what = format!("{:?} are several addresses", args.place.join(" "));
                let hint = "name one server; instruments go with --sim or --alone";
                return Err(Failure::new(what, hint).into());
            }
        };
        (None, Address::read(&place, args.ca.as_deref(), args.token_file.as_deref())?)
    };
    let theme = Theme::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let mut screen = Screen::new(&own.as_ref().map_or_else(|| address.shown(), Own::shown));
    let result = show(&mut screen, &theme, address, &mut stop, own.as_ref()).await;
    if let Some(own) = own {
        own.stop().await;
    }
    result.map(|()| ExitCode::SUCCESS)
}

/// The loop. The terminal is given back when it returns.
async fn show(
    screen: &mut Screen,
    theme: &Theme,
    address: Address,
    stop: &mut Stop,
    own: Option<&Own>,
) -> anyhow::Result<()> {
    let (said, to_say) = mpsc::channel(SAID_MAX);
    let (tell, mut news) = mpsc::channel(NEWS_MAX);
    let link = tokio::spawn(link::keep(address, tell, to_say));
    let mut terminal = Terminal::open()?;
    let mut tick = interval(DRAW_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut idle = IDLE_DRAWS;
    let mut actions = Vec::new();
    let now = || unix_ns() / 1_000_000;
    let result = loop {
        tokio::select! {
            biased;
            () = stop.asked() => break Ok(()),
            pressed = terminal.pressed() => match pressed {
                Some(Pressed::Key(key)) => screen.handle(now(), Input::Key(key), &mut actions),
                Some(Pressed::Resized) => {}
                None => break Ok(()),
            },
            _ = tick.tick() => {
                idle += 1;
                if idle >= IDLE_DRAWS {
                    screen.handle(now(), Input::Tick, &mut actions);
                    idle = 0;
                    if let Err(error) = terminal.draw(|frame| draw(screen, theme, frame)) {
                        break Err(error.into());
                    }
                    if let Some(own) = own {
                        own.mend().await;
                    }
                }
                continue;
            }
            Some(news) = news.recv() => take(screen, now(), &news, &mut actions),
        }
        // Something happened: the next tick draws.
        idle = IDLE_DRAWS;
        if actions.contains(&Action::Quit) {
            break Ok(());
        }
        for action in actions.drain(..) {
            if let Action::Send(text) = action {
                // A connection that takes nothing more is closed and begun anew by its keeper.
                drop(said.try_send(text));
            }
        }
    };
    link.abort();
    drop(terminal);
    result
}

fn take(screen: &mut Screen, now: u64, news: &News, actions: &mut Vec<Action>) {
    let input = match news {
        News::Opened => Input::Opened,
        News::Frame(text) => Input::Frame(text),
        News::Answer(asked, body) => Input::Answer(*asked, body),
        News::Lost { why, again_ms } => Input::Lost { why, again_ms: *again_ms },
    };
    screen.handle(now, input, actions);
}
