//! What is not about one market: maintenance of the exchange, and the economy's calendar.
//!
//! Both are timetables, pure functions of time. Start at [`maintenance`].

use crate::calendar::{DAY, HOUR, MINUTE};
use crate::feed::Fields;
use crate::rng::mix;
use crate::text::{decimal, millis};

/// One maintenance in this time.
const EVERY_NS: u64 = 12 * HOUR;
/// It begins this long after the time before.
const OFFSET_NS: u64 = 3 * HOUR;
/// It is announced this long before.
const ANNOUNCED_NS: u64 = 2 * HOUR;
/// It lasts this long.
const LASTS_NS: u64 = 20 * MINUTE;
/// The calendar has an event in this time.
const EVENT_NS: u64 = 30 * MINUTE;

/// When the maintenance begins that is in the news at `now`: the next one from its announcement
/// on, otherwise the one before.
fn begins(now: u64) -> u64 {
    (now + ANNOUNCED_NS - OFFSET_NS) / EVERY_NS * EVERY_NS + OFFSET_NS
}

/// The newest `status` row, as it was last changed.
pub fn maintenance(now: u64) -> Fields {
    let begin = begins(now);
    let end = begin + LASTS_NS;
    let (state, changed) = match now {
        now if now < begin => ("scheduled", begin - ANNOUNCED_NS),
        now if now < end => ("ongoing", begin),
        _ => ("completed", end),
    };
    let service = ["0", "5", "10"][(mix(begin) % 3) as usize];
    let text = |text: &str| text.to_owned();
    vec![
        ("begin", millis(begin)),
        ("end", millis(end)),
        ("env", text("1")),
        ("href", String::new()),
        ("maintType", text("1")),
        ("preOpenBegin", String::new()),
        ("scheDesc", String::new()),
        ("serviceType", text(service)),
        ("state", text(state)),
        ("system", text("unified")),
        ("title", text("Scheduled maintenance of the pretend exchange")),
        ("ts", millis(changed)),
    ]
}

/// What is reported, in which unit, with which importance.
static REPORTS: &[(&str, &str, &str, &str)] = &[
    ("United States", "Inflation Rate", "%", "3"),
    ("United States", "Initial Jobless Claims", "K", "2"),
    ("Euro Area", "Manufacturing PMI", "", "2"),
    ("Japan", "Balance of Trade", "JPY", "1"),
    ("United Kingdom", "Retail Sales MoM", "%", "2"),
];

/// The event of the calendar at or before `now`: `economic-calendar` rows come as they happen.
pub fn report(now: u64) -> Fields {
    let at = now / EVENT_NS * EVENT_NS;
    let bits = mix(at);
    let (region, category, unit, importance) = REPORTS[(bits % REPORTS.len() as u64) as usize];
    let number = |salt: u64| decimal(i128::from(mix(at ^ salt) % 900) + 100, 1);
    let ccy = if unit == "JPY" { "JPY" } else { "" };
    let unit = if unit == "JPY" { "" } else { unit };
    vec![
        ("calendarId", (at / EVENT_NS).to_string()),
        ("date", millis(at)),
        ("region", region.to_owned()),
        ("category", category.to_owned()),
        ("event", format!("{category} of {region}")),
        ("refDate", millis(at / DAY * DAY)),
        ("actual", number(1)),
        ("previous", number(2)),
        ("forecast", number(3)),
        ("importance", importance.to_owned()),
        ("prevInitial", String::new()),
        ("ccy", ccy.to_owned()),
        ("unit", unit.to_owned()),
        ("ts", millis(at)),
    ]
}
