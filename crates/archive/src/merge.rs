//! Archives of several hosts as one: nothing twice, and what one lacks from another.
//!
//! `market-data merge` calls [`merge`]. Trades go by their ids, changes of books by their links
//! (`prevUpdateId` to `lastUpdateId`), finished bars by their times, and everything else by what it
//! says. A gap of one host is gone when what it lost is here from another.
//!
//! Where rows come from stays visible: the rows of each host are a segment of their own, in files
//! `part-<host>-…`, and their `feed` is `<host> * 1000000 + feed`. Hosts are numbered by the sums
//! of their manifests, so that the order in which they are named changes nothing.
//!
//! Invariants: no id twice, no link twice; of rows that differ under one identity one is taken and
//! both are told; memory is a row group a file plus bounded windows; merging again gives the same
//! bytes, and a merge that was interrupted leaves nothing.
//!
//! Read: `crate::stream`, `out`, then how rows are chosen: `ids`, `links`, `rows`,
//! `gaps`.

mod gaps;
mod ids;
mod links;
mod out;
mod rows;

use crate::archive::{Archive, Pending};
use crate::disk;
use crate::error::Error;
use crate::facts::Facts;
use crate::manifest::{Host, Made, Manifest, NAME, Segment};
use crate::stream::Stream;
use crate::tree::leaves;
use out::Out;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Differences that are kept one by one; all are counted.
pub const DIFFERENCES_MAX: usize = 1000;
/// Each host's feeds are numbered from a multiple of this.
pub const FEEDS_A_HOST: u32 = 1_000_000;
/// Most archives that are merged at once.
pub const HOSTS_MAX: usize = 1000;

/// Two rows under one identity that do not say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose identity: `id 7`, `openTime 60000`, `seq 9`.
    pub what: String,
    /// The record that was taken.
    pub taken: String,
    /// The other one.
    pub other: String,
}

/// What a channel of an instrument came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Records in the merged archive.
    pub records: u64,
    /// Of them, those that each host lacked, by the number of the host.
    pub lacked: Vec<u64>,
    /// Places where changes of a book do not follow each other, whoever is asked.
    pub breaks: u64,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The hosts, by number (from 1).
    pub hosts: Vec<Host>,
    /// By channel and instrument.
    pub shares: BTreeMap<(String, String), Share>,
    /// Records in the merged archive.
    pub records: u64,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Gaps of a host that are gone, because another had what was lost.
    pub filled: u64,
    /// Gaps that stay.
    pub gaps: u64,
    /// Rows that differ under one identity, the first of them.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub differ: u64,
    /// Whether it was there already, whole.
    pub there: bool,
}

/// Merges the archives in these directories into one in `out`, which must be empty or hold this
/// merge already. `each` hears of the bytes read of all, and of the records, and breaks to stop.
///
/// # Errors
/// [`Error::Merge`] when they cannot be merged with each other, [`Error::Stopped`], [`Error`] when
/// one cannot be read or is not what was written.
pub fn merge(
    dirs: &[PathBuf],
    out: &Path,
    mut each: impl FnMut(u64, u64, u64) -> ControlFlow<()>,
) -> Result<Merged, Error> {
    let hosts = hosts(dirs)?;
    let made = made(&hosts)?;
    let mut archive = Archive::open(out, &made)?;
    let same = |(segment, host): (&Segment, &Source)| segment.sha256 == host.sum;
    let segments = &archive.root().segments;
    if !segments.is_empty() {
        if segments.len() != hosts.len() || !segments.iter().zip(&hosts).all(same) {
            let path = out.to_owned();
            return Err(Error::Merge(format!("{} holds another merge", path.display())));
        }
        let hosts = segments.iter().filter_map(|segment| segment.host.clone()).collect();
        return Ok(Merged { hosts, there: true, ..Merged::default() });
    }
    archive.pend(&Pending { segments: (1..=hosts.len() as u64).collect() })?;
    let mut work = Work {
        out: Out::new(out, hosts.len()),
        merged: Merged::default(),
        read: vec![0; hosts.len()],
        taken: vec![0; hosts.len()],
        lacked: vec![0; hosts.len()],
        seen: gaps::Seen::default(),
        hosts: &hosts,
        bytes: 0,
    };
    let groups = work.groups()?;
    for (group, days) in groups.iter().filter(|(group, _)| !group.ends_with(gaps::TABLE)) {
        work.group(group, days, &mut each)?;
    }
    for (group, days) in groups.iter().filter(|(group, _)| group.ends_with(gaps::TABLE)) {
        gaps::merge(&mut work, group, days)?;
    }
    work.end(&mut archive)
}

/// One of the archives.
struct Source {
    dir: PathBuf,
    name: String,
    sum: String,
    root: Manifest,
}

fn hosts(dirs: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let mut hosts = Vec::new();
    for dir in dirs {
        let path = dir.join(NAME);
        let Some((root, sum)) = Manifest::load(dir)? else {
            return Err(Error::Foreign { path: dir.clone() });
        };
        if root.segments.iter().any(|segment| segment.host.is_some()) {
            let what = format!("{} is a merge itself", path.display());
            return Err(Error::Merge(format!("{what}; merge the archives that it was made of")));
        }
        let whole = std::fs::canonicalize(dir).map_err(Error::io("read", dir))?;
        let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        hosts.push(Source { dir: dir.clone(), name, sum, root });
    }
    hosts.sort_by(|a, b| a.sum.cmp(&b.sum));
    if hosts.windows(2).any(|two| two[0].sum == two[1].sum) {
        return Err(Error::Merge("two of them are the same".to_owned()));
    }
    if !(2..=HOSTS_MAX).contains(&hosts.len()) {
        return Err(Error::Merge(format!("2 to {HOSTS_MAX} can be merged")));
    }
    Ok(hosts)
}

/// How the merged archive is made.
fn made(hosts: &[Source]) -> Result<Made, Error> {
    let of = |host: &Source| host.root.made.clone();
    let mut books: Vec<_> = hosts.iter().filter_map(of).filter(|made| made.tape != 0).collect();
    books.dedup_by_key(|made| (made.book_interval_ms, made.book_depth));
    if let [one, other, ..] = books.as_slice() {
        let (one, other) = (one.words(), other.words());
        return Err(Error::Merge(format!("they differ in their books: {one}, and {other}")));
    }
    let all: Vec<&str> = hosts.iter().map(|host| host.sum.as_str()).collect();
    let sum = disk::sum(all.concat().as_bytes());
    let tape = u64::from_str_radix(sum.get(..16).unwrap_or_default(), 16).unwrap_or(1).max(1);
    let like = books.first();
    Ok(Made {
        tape,
        book_interval_ms: like.and_then(|made| made.book_interval_ms),
        book_depth: like.map_or(0, |made| made.book_depth),
    })
}

/// The days of a group of directories (all of a table, or of a channel's instrument).
type Days = BTreeSet<String>;

struct Work<'a> {
    hosts: &'a [Source],
    out: Out,
    merged: Merged,
    /// Records of each host that were read, taken, and that it lacked.
    read: Vec<u64>,
    taken: Vec<u64>,
    lacked: Vec<u64>,
    seen: gaps::Seen,
    bytes: u64,
}

/// How rows of a group are told apart.
enum Way {
    Ids(ids::Ids),
    Links(links::Links),
    Rows(rows::Rows),
}

impl Work<'_> {
    fn groups(&self) -> Result<BTreeMap<String, Days>, Error> {
        let mut groups: BTreeMap<String, Days> = BTreeMap::new();
        for host in self.hosts {
            for rel in leaves(&host.dir)? {
                let Some((group, day)) = rel.rsplit_once('/') else { continue };
                groups.entry(group.to_owned()).or_default().insert(day.to_owned());
            }
        }
        Ok(groups)
    }

    fn streams(&mut self, rels: &[String]) -> Result<Vec<Stream>, Error> {
        let mut streams = Vec::new();
        for host in self.hosts {
            let stream = Stream::open_all(&host.dir, rels)?;
            self.bytes += stream.bytes();
            streams.push(stream);
        }
        Ok(streams)
    }

    /// Day by day; changes of books at once, since hosts' clocks put midnight at different changes.
    fn steps(&self, group: &str, days: &Days) -> Result<Vec<Vec<String>>, Error> {
        let days: Vec<String> = days.iter().map(|day| format!("{group}/{day}")).collect();
        for host in self.hosts {
            for rel in &days {
                let stream = Stream::open(&host.dir, rel)?;
                let Some(facts) = stream.json().and_then(Facts::of) else { continue };
                if facts.kind == "orderbook_delta" {
                    return Ok(vec![days]);
                }
                return Ok(days.into_iter().map(|rel| vec![rel]).collect());
            }
        }
        Ok(Vec::new())
    }

    fn group(
        &mut self,
        group: &str,
        days: &Days,
        each: &mut impl FnMut(u64, u64, u64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut way = None;
        let mut name = None;
        let (mut share, mut had) = (Share::default(), vec![0u64; self.hosts.len()]);
        let keyed = group.contains("/channel=");
        for rels in self.steps(group, days)? {
            let mut streams = self.streams(&rels)?;
            let Some(json) = streams.iter().find_map(Stream::json) else { continue };
            let Some(facts) = Facts::of(json) else { continue };
            let chosen = way.get_or_insert_with(|| match &*facts.kind {
                "trade" if keyed => Way::Ids(ids::Ids::default()),
                "orderbook_delta" if keyed => Way::Links(links::Links::default()),
                kind => Way::Rows(rows::Rows::new(keyed, kind == "kline")),
            });
            let key = (facts.channel.into_owned(), facts.inst_id.into_owned());
            name.get_or_insert(key);
            let mut at = At {
                group,
                out: &mut self.out,
                taken: &mut self.taken,
                read: &mut self.read,
                had: &mut had,
                records: &mut share.records,
                merged: &mut self.merged,
            };
            match chosen {
                Way::Ids(ids) => ids.merge(&mut streams, &mut at)?,
                Way::Links(links) => links.merge(&mut streams, &mut at)?,
                Way::Rows(rows) => rows.merge(&mut streams, &mut at)?,
            }
            self.out.flush()?;
            let all = self.hosts.iter().flat_map(|host| &host.root.dirs).map(|dir| dir.bytes);
            let records = self.read.iter().sum();
            if each(self.bytes, all.sum(), records).is_break() {
                return Err(Error::Stopped);
            }
        }
        let (Some(way), Some(key)) = (way, name.filter(|_| keyed)) else { return Ok(()) };
        share.lacked = had.iter().map(|had| share.records.saturating_sub(*had)).collect();
        for (all, lacked) in self.lacked.iter_mut().zip(&share.lacked) {
            *all += lacked;
        }
        if let Way::Links(links) = &way {
            share.breaks = links.breaks().len() as u64;
        }
        // Snapshots of books stand beside their changes, and what they lack says nothing.
        if !group.contains("/table=") {
            self.seen.note(key.clone(), way);
            self.merged.shares.insert(key, share);
        }
        Ok(())
    }

    fn end(mut self, archive: &mut Archive) -> Result<Merged, Error> {
        self.out.flush()?;
        let parts = self.out.end()?;
        let mut all = Vec::new();
        for (at, (host, part)) in self.hosts.iter().zip(parts).enumerate() {
            let told = Host {
                name: host.name.clone(),
                records: self.read[at],
                taken: self.taken[at],
                lacked: self.lacked[at],
            };
            self.merged.hosts.push(told.clone());
            self.merged.files += part.files.len() as u64;
            self.merged.bytes += part.bytes();
            self.merged.records += part.records();
            let bytes = host.root.dirs.iter().map(|dir| dir.bytes).sum();
            let segment = Segment::new(at as u64 + 1, bytes, host.sum.clone());
            all.push((Segment { host: Some(told), ..segment }, part));
        }
        archive.commit_all(all)?;
        Ok(self.merged)
    }
}

/// Where chosen rows of a group go, and what is counted on the way.
struct At<'a> {
    group: &'a str,
    out: &'a mut Out,
    taken: &'a mut [u64],
    read: &'a mut [u64],
    /// Records of the merged archive that each host has.
    had: &'a mut [u64],
    records: &'a mut u64,
    merged: &'a mut Merged,
}

impl At<'_> {
    /// Takes the row on which a host's stream stands, received then.
    fn take(&mut self, streams: &mut [Stream], host: usize, ts_recv: u64) -> Result<(), Error> {
        let stream = &mut streams[host];
        self.out.take(self.group, host, stream, ts_recv)?;
        *self.records += 1;
        self.taken[host] += 1;
        self.pass(streams, host, true)
    }

    /// Goes on to a host's next row; `had` says whether the merged archive has this one.
    fn pass(&mut self, streams: &mut [Stream], host: usize, had: bool) -> Result<(), Error> {
        self.read[host] += 1;
        self.had[host] += u64::from(had);
        streams[host].advance()
    }

    fn differ(&mut self, what: String, taken: &[u8], other: &[u8]) {
        self.merged.differ += 1;
        if self.merged.differences.len() < DIFFERENCES_MAX {
            let text = |json: &[u8]| String::from_utf8_lossy(json).into_owned();
            let (taken, other) = (text(taken), text(other));
            self.merged.differences.push(Difference { what, taken, other });
        }
    }
}

/// The host whose next row came first.
fn earliest(streams: &[Stream]) -> Option<usize> {
    let keys = streams.iter().enumerate().filter_map(|(host, s)| Some((s.key()?.0, host)));
    keys.min().map(|(_, host)| host)
}
