//! Daily files of history: their list (`market-data-history`) and the files themselves.
//!
//! What is in them is what REST says of the same day: trades from the same source as
//! `history-trades`, bars as `history-candles`, payments as `funding-rate-history`. Days are those
//! of UTC+8, and a day's file is there two days later. Zips are stored, not deflated. Some files
//! are odd (fault `oddfile`), each in a way that people have met.
//!
//! Start at [`Exchange::rest_files`] and [`Exchange::rest_file`].

use crate::api::RestReply;
use crate::calendar::{Bar, DAY, HOUR, MILLI, civil, day_number};
use crate::exchange::Exchange;
use crate::instrument::{Instrument, Kind};
use crate::market::Trade;
use crate::past::Past;
use crate::query::Query;
use crate::rest::{Answer, Failure, bad, kind_named, missing};
use crate::rng::mix;
use crate::text::millis;
use crate::zip::zipped;
use crate::{funding, rows};

/// Every file lies below this.
pub const ROOT: &str = "/cdn/okex/traderecords/";
/// Where OKX keeps them; whoever serves this exchange from elsewhere says so instead.
const HOST: &str = "https://static.okx.com";
/// Most days, and most names, of one request.
const MOST: u64 = 10;
/// A day's file is there so many days later.
const AFTER_DAYS: u64 = 2;
/// Bytes of a row, about: the list guesses sizes.
const ROW_BYTES: u64 = 66;

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Module {
    Trades,
    Bars,
    Payments,
}

impl Module {
    fn of(number: &str) -> Option<Self> {
        match number {
            "1" => Some(Self::Trades),
            "2" => Some(Self::Bars),
            "3" => Some(Self::Payments),
            _ => None,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::Bars => "candlesticks",
            Self::Payments => "swaprates",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Trades => "-trades",
            Self::Bars => "-candlesticks",
            Self::Payments => "-fundingrates",
        }
    }
}

/// How a file is odd.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Odd {
    Missing,
    Cut,
    Holes,
    Unsorted,
    /// Lines end as on Windows, and the newest column is not there yet.
    Crlf,
    /// As until 2025: Chinese beside English in the header, in GBK, and no instrument.
    Chinese,
}

/// One file.
struct File<'a> {
    module: Module,
    /// Of whom: an instrument, a family, or all of them.
    group: &'a str,
    /// Days since 1970, UTC+8.
    day: u64,
}

impl File<'_> {
    fn date(&self, between: &str) -> String {
        let (year, month, day) = civil(self.day);
        format!("{year:04}{between}{month:02}{between}{day:02}")
    }

    fn stem(&self) -> String {
        format!("{}{}-{}", self.group, self.module.word(), self.date("-"))
    }

    fn path(&self) -> String {
        format!("{ROOT}{}/daily/{}/{}.zip", self.module.folder(), self.date(""), self.stem())
    }

    fn begin_ns(&self) -> u64 {
        self.day * DAY - 8 * HOUR
    }
}

/// Whose file an instrument is in.
fn group(inst: &Instrument, module: Module) -> Option<String> {
    let family = &inst.family;
    match (module, inst.kind) {
        (Module::Payments, _) => rows::has_funding(inst).then(|| "allswap".to_owned()),
        (_, Kind::Spot | Kind::Swap) => Some(inst.id.clone()),
        (_, Kind::Futures) => Some(format!("{family}-futures")),
        (_, Kind::Option) => Some(format!("{family}-optionchain")),
        (_, Kind::Events | Kind::Spread) => None,
    }
}

impl Exchange {
    /// The list of files.
    pub(crate) fn rest_files(&mut self, query: &Query) -> Answer {
        let need = |name| query.get(name).ok_or_else(|| missing(name));
        let module = Module::of(need("module")?).ok_or_else(|| bad("Parameter module error"))?;
        let (kind, _) =
            kind_named(need("instType")?).ok_or_else(|| bad("Parameter instType error"))?;
        let list = if kind == Kind::Spot { "instIdList" } else { "instFamilyList" };
        let names: Vec<&str> = need(list)?.split(',').collect();
        let daily = match need("dateAggrType")? {
            "daily" => true,
            "monthly" => false,
            _ => return Err(bad("Parameter dateAggrType error")),
        };
        let day = |name: &'static str| {
            need(name)?;
            let ms = query.number(name, 0).map_err(|msg| bad(&msg))?;
            Ok((ms.saturating_mul(MILLI).saturating_add(8 * HOUR)) / DAY)
        };
        let (begin, end) = (day("begin")?, day("end")?);
        if begin > end || names.len() as u64 > MOST {
            return Err(bad("Parameter begin, end or list error"));
        }
        if end - begin >= MOST {
            let msg = "The query range exceeds 10 days.".to_owned();
            return Err(Failure { status: 200, code: "50076", msg });
        }
        let today = (self.now_ns + 8 * HOUR) / DAY;
        let days = begin..(end + 1).min((today + 1).saturating_sub(AFTER_DAYS));
        // Months are not made here.
        let days = if daily { days } else { 0..0 };
        let mut details = Vec::new();
        for name in names {
            let group = self.group_of(module, kind, name);
            let files: Vec<String> =
                group.map_or_else(Vec::new, |group| self.listed(module, &group, days.clone()));
            details.push(format!(
                "{{\"dateRangeEnd\":\"{}\",\"dateRangeStart\":\"{}\",\"groupDetails\":[{}],\
                 \"groupSizeMB\":\"\",\"instFamily\":\"{}\",\"instId\":\"{}\",\"instType\":\"{}\"}}",
                begin_ms(end),
                begin_ms(begin),
                files.join(","),
                if kind == Kind::Spot { "" } else { name },
                if kind == Kind::Spot { name } else { "" },
                kind.name(),
            ));
        }
        let aggregation = if daily { "daily" } else { "monthly" };
        Ok(format!(
            "{{\"dateAggrType\":\"{aggregation}\",\"details\":[{}],\"totalSizeMB\":\"\",\
             \"ts\":\"{}\"}}",
            details.join(","),
            millis(self.now_ns)
        ))
    }

    /// The group that a name in a request stands for.
    fn group_of(&self, module: Module, kind: Kind, name: &str) -> Option<String> {
        let all = name == "ANY" && module == Module::Payments;
        let fits = |inst: &&Instrument| {
            inst.kind == kind
                && (all || (if kind == Kind::Spot { &inst.id } else { &inst.family }) == name)
        };
        let found = self.markets.iter().map(|market| &market.inst).find(fits)?;
        group(found, module)
    }

    /// Entries of the list, newest first, as OKX sends them.
    fn listed(&self, module: Module, group: &str, days: std::ops::Range<u64>) -> Vec<String> {
        let entry = |day| {
            let file = File { module, group, day };
            let bytes = self.file_rows(&file) * ROW_BYTES;
            if bytes == 0 || self.odd(&file) == Some(Odd::Missing) {
                return None;
            }
            let hundredths = bytes.div_ceil(10_000);
            Some(format!(
                "{{\"dateTs\":\"{}\",\"filename\":\"{}.zip\",\"sizeMB\":\"{}.{:02}\",\
                 \"url\":\"{HOST}{}\"}}",
                begin_ms(day),
                file.stem(),
                hundredths / 100,
                hundredths % 100,
                file.path()
            ))
        };
        days.rev().filter_map(entry).collect()
    }

    /// How many rows a file has, about.
    fn file_rows(&self, file: &File<'_>) -> u64 {
        let (from, to) = (file.begin_ns(), file.begin_ns() + DAY);
        let of = |n: usize| match file.module {
            Module::Trades => {
                let market = &self.markets[n];
                let past = Past::of(market, &self.assets);
                let old = past.map_or(0, |past| past.number_between(from, to));
                let kept = market.trades.iter().filter(|t| (from..to).contains(&t.at_ns));
                old + kept.count() as u64
            }
            Module::Bars => 1_440,
            Module::Payments => 3,
        };
        self.whose(file).into_iter().map(of).sum()
    }

    fn whose(&self, file: &File<'_>) -> Vec<usize> {
        let ours = |n: &usize| {
            let inst = &self.markets[*n].inst;
            let known = inst.open_for_subscription() && inst.list_ns < file.begin_ns() + DAY;
            known && group(inst, file.module).as_deref() == Some(file.group)
        };
        (0..self.markets.len()).filter(ours).collect()
    }

    fn odd(&self, file: &File<'_>) -> Option<Odd> {
        let name =
            file.stem().bytes().fold(self.config.seed, |sum, byte| mix(sum ^ u64::from(byte)));
        let bits = mix(name);
        let hit = bits % 1_000_000 < u64::from(self.config.faults.oddfile);
        let all = [Odd::Missing, Odd::Cut, Odd::Holes, Odd::Unsorted, Odd::Crlf, Odd::Chinese];
        hit.then(|| all[(bits >> 32) as usize % all.len()])
    }

    /// One of the files.
    pub(crate) fn rest_file(&mut self, path: &str, delay_ns: u64) -> RestReply {
        let found = self.file_at(path);
        RestReply {
            status: if found.is_some() { 200 } else { 404 },
            content_type: if found.is_some() { "application/zip" } else { "application/xml" },
            body: if found.is_some() { String::new() } else { NO_FILE.to_owned() },
            bytes: found.unwrap_or_default(),
            delay_ns,
        }
    }

    fn file_at(&mut self, path: &str) -> Option<Vec<u8>> {
        let (folder, name) = path.strip_prefix(ROOT)?.split_once('/')?;
        let stem = name.rsplit('/').next()?.strip_suffix(".zip")?;
        let (head, date) = stem.split_at_checked(stem.len().checked_sub(11)?)?;
        let mut parts = date.strip_prefix('-')?.split('-').map(|part| part.parse::<u64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        if year < 1970 || !(1..=12).contains(&month) {
            return None;
        }
        let all = [Module::Trades, Module::Bars, Module::Payments];
        let module = all.into_iter().find(|module| module.folder() == folder)?;
        let group = head.strip_suffix(module.word())?;
        let file = File { module, group, day: day_number(year, month, day) };
        let today = (self.now_ns + 8 * HOUR) / DAY;
        let members = self.whose(&file);
        let odd = self.odd(&file);
        if file.path() != path || file.day + AFTER_DAYS > today || odd == Some(Odd::Missing) {
            return None;
        }
        if members.is_empty() {
            return None;
        }
        if odd.is_some() {
            self.net.count("oddfile");
        }
        let text = match module {
            Module::Trades => self.trades_file(&file, &members, odd),
            Module::Bars => self.bars_file(&file, &members),
            Module::Payments => self.payments_file(&file, &members),
        };
        let mut bytes = zipped(&format!("{stem}.csv"), &text);
        if odd == Some(Odd::Cut) {
            bytes.truncate(bytes.len() * 2 / 3);
        }
        Some(bytes)
    }

    fn trades_file(&self, file: &File<'_>, members: &[usize], odd: Option<Odd>) -> Vec<u8> {
        let single = members.len() == 1;
        let old = odd == Some(Odd::Chinese) && single;
        let crlf = odd == Some(Odd::Crlf);
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for &n in members {
            let inst = &self.markets[n].inst;
            let mut trades = self.trades_between(n, file.begin_ns(), file.begin_ns() + DAY);
            match odd {
                Some(Odd::Holes) => {
                    let third = trades.len() as u64 / 3;
                    let first = trades.first().map_or(0, |trade| trade.id) + third;
                    trades.retain(|t| t.id != first + 60 && !(first..first + 37).contains(&t.id));
                }
                Some(Odd::Unsorted) => {
                    let again: Vec<Trade> = trades.iter().step_by(997).copied().collect();
                    trades.extend(again);
                    trades.sort_by_key(|trade| (mix(trade.id / 100), trade.id % 100));
                }
                _ => {}
            }
            let row = |trade: &Trade| {
                let (px, sz) = (float(inst.px(trade.px)), float(inst.sz(trade.lots)));
                let (id, at) = (trade.id, trade.at_ns / MILLI);
                let side = if trade.buy { "buy" } else { "sell" };
                match (old, crlf) {
                    (true, _) => format!("{id},{side},{sz},{px},{at}"),
                    (_, true) => format!("{},{id},{side},{px},{sz},{at}", inst.id),
                    _ => format!("{},{id},{side},{px},{sz},{at},{}", inst.id, u8::from(trade.rpi)),
                }
            };
            lines.extend(trades.iter().map(|trade| row(trade).into_bytes()));
        }
        let header: &[u8] = match (old, crlf) {
            (true, _) => CHINESE,
            (_, true) => b"instrument_name,trade_id,side,price,size,created_time",
            _ => b"instrument_name,trade_id,side,price,size,created_time,source",
        };
        text(header, &lines, if crlf { b"\r\n" } else { b"\n" })
    }

    /// Trades of a market between two moments, oldest first.
    fn trades_between(&self, n: usize, from: u64, to: u64) -> Vec<Trade> {
        let market = &self.markets[n];
        let fits = |trade: &Trade| (from..to).contains(&trade.at_ns);
        let past = Past::of(market, &self.assets);
        let old = past.iter().flat_map(|past| {
            (past.before(to)..).map_while(|n| past.trade(n)).take_while(|t| t.at_ns >= from)
        });
        let mut trades: Vec<Trade> = old.collect();
        trades.reverse();
        trades.extend(market.trades.iter().filter(|trade| fits(trade)));
        trades
    }

    fn bars_file(&self, file: &File<'_>, members: &[usize]) -> Vec<u8> {
        let mut lines = Vec::new();
        let (Some(bar), begin) = (Bar::named("1m"), file.begin_ns()) else { return Vec::new() };
        for &n in members {
            let market = &self.markets[n];
            let mut open_ns = begin.max(bar.open(market.inst.list_ns));
            while open_ns < begin + DAY {
                let ohlc = self.past_bar(market, bar, open_ns);
                let row = rows::candle(&market.inst, &ohlc, true);
                let cells: Vec<String> =
                    row[1..8].iter().map(|(_, text)| float(text.clone())).collect();
                let at = millis(open_ns);
                lines.push(format!("{},{},{at},1", market.inst.id, cells.join(",")).into_bytes());
                open_ns = bar.end(open_ns);
            }
        }
        let header = b"instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm";
        text(header, &lines, b"\n")
    }

    fn payments_file(&self, file: &File<'_>, members: &[usize]) -> Vec<u8> {
        let mut lines = Vec::new();
        let begin = file.begin_ns();
        for &n in members {
            let inst = &self.markets[n].inst;
            let period = funding::period(inst);
            let times = (begin.div_ceil(period)..).map(|number| number * period);
            for at in times.take_while(|at| *at < begin + DAY).filter(|at| *at > inst.list_ns) {
                let row = funding::paid(inst, at);
                let rate = row.iter().find(|(name, _)| *name == "realizedRate");
                let rate = rate.map_or("", |(_, rate)| rate.as_str());
                lines.push(format!("{},{rate},{}", inst.id, millis(at)).into_bytes());
            }
        }
        text(b"instrument_name,funding_rate,funding_time", &lines, b"\n")
    }
}

const NO_FILE: &str = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>";
/// `trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间` in GBK.
const CHINESE: &[u8] = b"trade_id/\xb4\xe9\xba\xcfid,side/\xbd\xbb\xd2\xd7\xb7\xbd\xcf\xf2,\
      size/\xca\xfd\xc1\xbf,price/\xbc\xdb\xb8\xf1,created_time/\xb3\xc9\xbd\xbb\xca\xb1\xbc\xe4";

fn text(header: &[u8], lines: &[Vec<u8>], end: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.len() * ROW_BYTES as usize);
    for line in std::iter::once(header).chain(lines.iter().map(Vec::as_slice)) {
        text.extend_from_slice(line);
        text.extend_from_slice(end);
    }
    text
}

/// Numbers in the files have a point, also where REST has none.
fn float(text: String) -> String {
    if text.contains('.') { text } else { text + ".0" }
}

/// The first millisecond of a day of UTC+8.
fn begin_ms(day: u64) -> u64 {
    (day * DAY - 8 * HOUR) / MILLI
}
