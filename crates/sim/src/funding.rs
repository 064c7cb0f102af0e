//! Funding: what perpetuals pay so that they stay near their index.
//!
//! The premium is how far the price at which a large order would trade lies above the index; the
//! rate of a period is its average so far, brought towards the interest rate, as OKX computes it:
//! `premium + clamp(interest - premium, -0.05 %, 0.05 %)`, within the instrument's bounds. Pure
//! functions of time, so the past can be asked for as well.
//!
//! Start at [`rate`].

use crate::calendar::{HOUR, MINUTE, SECOND};
use crate::feed::Fields;
use crate::instrument::Instrument;
use crate::rng::mix;
use crate::text::millis;

/// Parts of 10^-16, as OKX prints rates.
const ONE: i64 = 10_000_000_000_000_000;
/// 0.01 % a period.
const INTEREST: i64 = ONE / 10_000;
/// How far a rate is brought towards the interest.
const DAMPER: i64 = ONE / 2_000;
/// How often the premium is looked at within a period, at most.
const SAMPLES: u64 = 16;
/// For how long after a period its rate is being paid.
const PAYING_NS: u64 = 10 * SECOND;

/// The length of an instrument's funding periods: the large coins pay every 8 hours, others every
/// 4, and a few every 2.
pub fn period(inst: &Instrument) -> u64 {
    match inst.asset {
        0..=6 => 8 * HOUR,
        asset if asset % 9 == 8 => 2 * HOUR,
        _ => 4 * HOUR,
    }
}

/// How far large orders trade above the index, in parts of 10^-16.
pub fn premium(inst: &Instrument, ns: u64) -> i64 {
    // A wave of hours and one of minutes around the basis of the instrument.
    let slow = wave(inst, ns, 3 * HOUR, 90);
    let fast = wave(inst, ns, 4 * MINUTE, 25);
    (inst.basis_ppm * 1_000_000 + slow + fast) * (ONE / 1_000_000_000_000)
}

/// Noise of an amplitude in ppm, in parts of 10^-12.
fn wave(inst: &Instrument, ns: u64, length: u64, ppm: i64) -> i64 {
    let seed = mix(inst.basis_ppm as u64 ^ mix(inst.asset as u64) ^ mix(inst.ct_val as u64));
    let at = |cell: u64| (mix(seed ^ mix(cell ^ length)) % 2_001) as i64 - 1_000;
    let (cell, within) = (ns / length, (ns % length) / (length / 1_000));
    let within = within.min(1_000) as i64;
    let between = at(cell) * (1_000 - within) + at(cell + 1) * within;
    between * ppm
}

/// The average premium and the rate of the period that contains `ns`, known at `ns`.
fn rate_at(inst: &Instrument, begin: u64, ns: u64) -> i64 {
    let minutes = (ns.saturating_sub(begin) / MINUTE).max(1);
    let step = minutes.div_ceil(SAMPLES) * MINUTE;
    let times = (0..SAMPLES).map(|n| begin + n * step).take_while(|at| *at <= ns);
    let (mut sum, mut count) = (0, 0);
    for at in times {
        sum += premium(inst, at);
        count += 1;
    }
    rate(sum / count.max(1), bound(inst))
}

/// The rate for an average premium.
pub fn rate(premium: i64, bound: i64) -> i64 {
    (premium + (INTEREST - premium).clamp(-DAMPER, DAMPER)).clamp(-bound, bound)
}

/// The largest rate of an instrument.
fn bound(inst: &Instrument) -> i64 {
    if inst.asset < 2 { ONE / 10_000 * 375 / 10 / 10 } else { ONE / 1_000 * 15 }
}

/// As OKX prints rates: 16 places, zeros included.
pub fn fixed(e16: i64) -> String {
    let sign = if e16 < 0 { "-" } else { "" };
    let (whole, part) = (e16.unsigned_abs() / ONE as u64, e16.unsigned_abs() % ONE as u64);
    format!("{sign}{whole}.{part:016}")
}

/// A `funding-rate` row.
pub fn row(inst: &Instrument, now: u64) -> Fields {
    let period = period(inst);
    let begin = now / period * period;
    let bound = crate::text::decimal(i128::from(bound(inst)), 16);
    let paying = now < begin + PAYING_NS;
    let text = |text: &str| text.to_owned();
    vec![
        ("formulaType", text("withRate")),
        ("fundingRate", fixed(rate_at(inst, begin, now))),
        ("fundingTime", millis(begin + period)),
        ("impactValue", text("20000.0000000000000000")),
        ("instId", inst.id.clone()),
        ("instType", text(inst.kind.name())),
        ("interestRate", fixed(INTEREST)),
        ("maxFundingRate", bound.clone()),
        ("method", text("current_period")),
        ("minFundingRate", format!("-{bound}")),
        ("nextFundingRate", String::new()),
        ("nextFundingTime", millis(begin + 2 * period)),
        ("premium", fixed(premium(inst, now))),
        ("prevFundingTime", millis(begin)),
        ("settFundingRate", fixed(settled(inst, begin))),
        ("settState", text(if paying { "processing" } else { "settled" })),
        ("ts", millis(now)),
    ]
}

/// The rate that was paid at `at`, the end of a period.
fn settled(inst: &Instrument, at: u64) -> i64 {
    rate_at(inst, at.saturating_sub(period(inst)), at)
}

/// A row of REST `funding-rate-history`, for the payment at `at`.
pub fn paid(inst: &Instrument, at: u64) -> Fields {
    let rate = fixed(settled(inst, at));
    vec![
        ("formulaType", "withRate".to_owned()),
        ("fundingRate", rate.clone()),
        ("fundingTime", millis(at)),
        ("instId", inst.id.clone()),
        ("instType", inst.kind.name().to_owned()),
        ("method", "current_period".to_owned()),
        ("realizedRate", rate),
    ]
}
