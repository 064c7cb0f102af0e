//! `market-data instruments`: what trades, with the fields people ask for.
//!
//! Lists come over REST from OKX, from an address of one's own or from the pretend exchange, or out
//! of a tape.
//! `--json` prints the venue's own row of each, whole.

use crate::failure::Failure;
use crate::out::console::Console;
use crate::out::paint::Colour;
use crate::out::table::{Align, Cell, Table};
use crate::source::{self, Source, SourceArgs};
use clap::Args;
use market_data::replay;
use market_data_model::time::{DAY_MS, civil};
use market_data_model::{Decimal, InstType, Instrument, Nanos};
use market_data_okx::catalogue::Catalogue;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  market-data instruments
  market-data instruments 'BTC-*' --type swap
  market-data instruments BTC-USDT-SWAP --json
  market-data instruments 'BTC-USD-*-C' --sim
  market-data instruments --tape tape";

/// Flags of `instruments`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InstrumentsArgs {
    /// An instrument in any spelling, or a pattern [default: all of spot, swap and futures]
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// Only of this kind: spot, margin, swap, futures, option or events
    #[arg(long = "type", value_name = "T", value_parser = kind)]
    kind: Option<InstType>,
    /// The venue's own row of each, one a line
    #[arg(long)]
    json: bool,
    /// Those on a tape, as it was told last, instead of asking anybody
    #[arg(long, value_name = "DIR", conflicts_with_all = ["sim", "url", "region", "rest_url"])]
    tape: Option<PathBuf>,
    /// Where from.
    #[command(flatten)]
    source: SourceArgs,
}

fn kind(text: &str) -> Result<InstType, String> {
    match InstType::parse(&text.to_uppercase()) {
        InstType::Other(_) => Err("one of spot, margin, swap, futures, option, events".into()),
        kind => Ok(kind),
    }
}

/// Runs the command.
///
/// # Errors
/// When the lists cannot be had, or nothing is of that name.
pub async fn run(args: &InstrumentsArgs, console: &Arc<Console>) -> anyhow::Result<ExitCode> {
    let catalogue = match &args.tape {
        Some(dir) => replay::listed(dir).map_err(|error| {
            Failure::new(error.to_string(), "a tape is a directory that `market-data run` made")
        })?,
        None => asked(args).await?,
    };
    let found = chosen(&catalogue, args)?;
    let text = if args.json { rows(&found) } else { table(&found, console) };
    console.data(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The lists of the venue, or of what stands in for it.
async fn asked(args: &InstrumentsArgs) -> anyhow::Result<Catalogue> {
    let mut options = source::options();
    let source = Source::open(&args.source, &mut options).await?;
    let loaded =
        market_data::instruments(&options, args.pattern.as_deref(), args.kind.as_ref()).await;
    source.close().await;
    Ok(loaded.map_err(Failure::from)?)
}

fn chosen(catalogue: &Catalogue, args: &InstrumentsArgs) -> anyhow::Result<Vec<Arc<Instrument>>> {
    let mut found = match &args.pattern {
        Some(pattern) => catalogue.resolve(pattern).map_err(|error| {
            Failure::new(error.to_string(), "a pattern such as 'BTC-*' lists everything that fits")
        })?,
        None => catalogue.iter().cloned().collect(),
    };
    found.retain(|x| args.kind.is_none() || x.inst_type == args.kind);
    Ok(found)
}

fn rows(found: &[Arc<Instrument>]) -> String {
    found.iter().map(|x| format!("{}\n", x.row.replace(['\n', '\r'], " "))).collect()
}

fn table(found: &[Arc<Instrument>], console: &Console) -> String {
    let mut table = Table::new(&[
        ("instrument", Align::Left),
        ("kind", Align::Left),
        ("state", Align::Left),
        ("tick", Align::Right),
        ("lot", Align::Right),
        ("contract", Align::Right),
        ("listed", Align::Left),
        ("ends", Align::Left),
    ]);
    for x in found {
        let colour = if &*x.state == "live" { Colour::Good } else { Colour::Warn };
        table.row(vec![
            Cell::new(&*x.inst_id),
            Cell::new(x.inst_type.as_ref().map_or("", |kind| kind.as_str())),
            Cell::painted(&*x.state, colour),
            Cell::new(number(x.tick_sz)),
            Cell::new(number(x.lot_sz.map(|lot| lot.0))),
            Cell::new(contract(x)),
            Cell::new(x.list_time.map_or(String::new(), day)),
            Cell::new(x.exp_time.map_or(String::new(), day)),
        ]);
    }
    table.render(console.out_paint())
}

fn number(value: Option<Decimal>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// What one contract is, in the coin of its value: `0.01 BTC`, `1 x 0.01 BTC`.
fn contract(x: &Instrument) -> String {
    let Some(val) = x.ct_val else { return String::new() };
    let times = match x.ct_mult {
        Some(mult) if mult != Decimal::ONE => format!(" x {mult}"),
        _ => String::new(),
    };
    let inverse = if &*x.ct_type == "inverse" { " inverse" } else { "" };
    format!("{val}{times} {}{inverse}", x.ct_val_ccy)
}

fn day(at: Nanos) -> String {
    let (year, month, day) = civil((at.millis() / DAY_MS as u64) as i64);
    format!("{year:04}-{month:02}-{day:02}")
}
