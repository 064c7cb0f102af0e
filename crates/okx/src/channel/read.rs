//! The small readers that every channel shares: optional numbers, times, ids, and the count of
//! what was not known.

use crate::json::{Kind, Raw};
use market_data_model::{Decimal, DecimalError, Nanos, Px, Qty};
use std::borrow::Cow;

/// What a row contained that this version does not know. Never an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknowns {
    /// Fields.
    pub fields: u64,
    /// Words (enum values).
    pub values: u64,
}

/// A number, or absence: `""` and `null` are absent, never zero.
///
/// # Errors
/// In words, with the value, when it is something else.
pub(crate) fn number(field: &str, raw: Raw<'_>) -> Result<Option<Decimal>, String> {
    let text = match raw.kind() {
        Kind::Null => return Ok(None),
        Kind::String => raw.text(),
        Kind::Number => Some(Cow::Borrowed(raw.as_str())),
        _ => None,
    };
    let refuse = |why: &str| Err(format!("{field} is {}: {why}", raw.as_str()));
    match text.map(|text| Decimal::parse(text.as_bytes())) {
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(DecimalError::Empty)) => Ok(None),
        Some(Err(error)) => refuse(&error.to_string()),
        None => refuse("not a number"),
    }
}

pub(crate) fn px(field: &str, raw: Raw<'_>) -> Result<Option<Px>, String> {
    Ok(number(field, raw)?.map(Px))
}

pub(crate) fn qty(field: &str, raw: Raw<'_>) -> Result<Option<Qty>, String> {
    Ok(number(field, raw)?.map(Qty))
}

/// The venue's milliseconds; `None` when missing, blank, zero or unreadable.
pub(crate) fn time(raw: Raw<'_>) -> Option<Nanos> {
    match u64::try_from(raw.integer()?) {
        Ok(ms) if ms > 0 && ms < u64::MAX / 1_000_000 => Some(Nanos::from_millis(ms)),
        _ => None,
    }
}

/// A string's value; of anything else its JSON text.
pub(crate) fn word(raw: Raw<'_>) -> Cow<'_, str> {
    raw.text().unwrap_or(Cow::Borrowed(raw.as_str()))
}

/// A whole number in canonical spelling, so that printing it gives the text back.
pub(crate) fn whole(field: &str, raw: Raw<'_>) -> Result<u64, String> {
    let text = word(raw);
    let canonical = text == "0" || !text.starts_with('0');
    match text.parse::<u64>() {
        Ok(value) if canonical && !text.starts_with('+') => Ok(value),
        _ => Err(format!("{field} is {}: not a whole number", raw.as_str())),
    }
}

pub(crate) fn required<T>(field: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{field} is missing"))
}
