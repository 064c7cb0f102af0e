//! What was traded of each instrument in 24 hours, in its quote coin, from REST tickers.
//!
//! For patterns with a least turnover. The shell asks [`path`] and hands in the answers.
//!
//! ```json
//! {"code":"0","msg":"","data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","last":"91000.1",
//!  "volCcy24h":"12345.67","vol24h":"1234567", …}]}
//! ```
//! `volCcy24h` is the quote coin for spot, and the base coin for derivatives: those are valued at
//! the last price (docs, read 2026-11-23). An option's price is no price of its coin, and an event
//! contract's volume is contracts, so theirs is not known.
//!
//! Invariants: no number is rounded, and none is a float; what an answer does not say is not known
//! and reaches nothing. Start at [`Turnovers::take`].

use crate::channel::read;
use crate::json::{self, Kind, Raw};
use market_data_model::{Decimal, InstType};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Turnovers by instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turnovers {
    by_id: BTreeMap<Box<str>, Turnover>,
}

/// So many coins at a price; spot has its turnover as it is, at a price of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turnover {
    volume: Decimal,
    px: Decimal,
}

/// What to GET for instruments of this kind; `None` where turnovers are not known.
pub fn path(kind: &InstType) -> Option<String> {
    let known = matches!(kind, InstType::Spot | InstType::Swap | InstType::Futures);
    known.then(|| format!("/api/v5/market/tickers?instType={}", kind.as_str()))
}

impl Turnovers {
    /// Takes an answer about instruments of one kind; says how many it named.
    ///
    /// # Errors
    /// In words, when it is no such answer; nothing is changed then.
    pub fn take(&mut self, kind: &InstType, status: u16, body: &[u8]) -> Result<usize, String> {
        let answer = json::parse(body).map_err(|_| format!("HTTP {status} without JSON"))?;
        let data = answer.field("data").filter(|data| data.kind() == Kind::Array);
        let code = answer.field("code").and_then(Raw::text).unwrap_or_default();
        let Some(data) = data.filter(|_| code == "0") else {
            return Err(format!("HTTP {status}, code {code:?}"));
        };
        let mut named = 0;
        for row in data.items() {
            let id = row.field("instId").and_then(Raw::text).unwrap_or_default();
            let number =
                |name| row.field(name).and_then(|value| read::number(name, value).ok()).flatten();
            let px = if *kind == InstType::Spot { Some(Decimal::ONE) } else { number("last") };
            // A new listing has blanks.
            if let (Some(volume), Some(px)) = (number("volCcy24h"), px) {
                self.by_id.insert((*id).into(), Turnover { volume, px });
            }
            named += 1;
        }
        Ok(named)
    }

    /// Whether the instrument's turnover is known and at least `min`.
    pub fn reaches(&self, inst_id: &str, min: Decimal) -> bool {
        self.by_id.get(inst_id).is_some_and(|turnover| turnover.reaches(min))
    }
}

impl Turnover {
    fn reaches(self, min: Decimal) -> bool {
        let product = self.volume.mantissa().checked_mul(self.px.mantissa());
        // More than 38 digits is nothing that anybody turns over: the row is nonsense.
        let Some(mut product) = product else { return false };
        let mut scale = self.volume.scale().saturating_add(self.px.scale());
        // Cutting digits behind those of `min` does not change which of the two is greater.
        while scale > min.scale() {
            if let Some(value) = Decimal::from_parts(product, scale) {
                return value.cmp_value(min) != Ordering::Less;
            }
            (product, scale) = (product.div_euclid(10), scale - 1);
        }
        Decimal::from_parts(product, scale).is_some_and(|v| v.cmp_value(min) != Ordering::Less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(kind: InstType, last: &str, volume: &str) -> Turnovers {
        let body = format!(
            r#"{{"code":"0","msg":"","data":[{{"instType":"{kind}","instId":"X","last":"{last}",
               "volCcy24h":"{volume}"}},{{"instId":"NEW","last":"","volCcy24h":""}},7]}}"#
        );
        let mut turnovers = Turnovers::default();
        assert_eq!(turnovers.take(&kind, 200, body.as_bytes()), Ok(3));
        turnovers
    }

    fn reaches(kind: InstType, last: &str, volume: &str, min: &str) -> bool {
        known(kind, last, volume).reaches("X", min.parse().unwrap())
    }

    #[test]
    fn spot_has_its_turnover_and_derivatives_are_valued_at_the_last_price() {
        assert!(reaches(InstType::Spot, "0.1", "5000000", "5000000.0"));
        assert!(!reaches(InstType::Spot, "91000", "4999999.99999999", "5000000"));
        assert!(reaches(InstType::Swap, "0.1", "50000000", "5000000"));
        assert!(!reaches(InstType::Swap, "0.1", "49999999.9", "5000000"));
        assert!(!reaches(InstType::Swap, "", "50000000", "1"), "no price, no turnover");
    }

    #[test]
    fn not_a_digit_decides_wrongly() {
        // A float holds neither: both are 9007199254740993 there.
        assert!(!reaches(InstType::Spot, "", "9007199254740992.9", "9007199254740993"));
        assert!(reaches(InstType::Spot, "", "9007199254740993.0", "9007199254740993"));
        let (price, volume) = ("0.0000000000001", "50000000000000000000.00000");
        assert!(reaches(InstType::Swap, price, volume, "5000000"));
        assert!(!reaches(InstType::Swap, price, volume, "5000000.0000000000001"));
        assert!(!reaches(InstType::Swap, &"9".repeat(30), &"9".repeat(30), "1"), "nonsense");
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        let turnovers = known(InstType::Spot, "1", "5");
        for id in ["NEW", "OTHER"] {
            assert!(!turnovers.reaches(id, Decimal::ONE), "{id}");
        }
        assert_eq!(path(&InstType::Option), None);
        let mut held = turnovers.clone();
        for body in ["", "<html>", r#"{"code":"50011","data":[]}"#, r#"{"code":"0","data":{}}"#] {
            assert!(held.take(&InstType::Spot, 429, body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(held, turnovers);
    }
}
