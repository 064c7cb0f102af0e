//! Who may log in: test keys, their signatures and their clocks.
//!
//! `request.rs` hands over the argument of a `login` request. A failed login ends the connection
//! with 4001. Codes and the window of 30 seconds are those of OKX's documentation (2026-08-22).
//!
//! Start at [`Exchange::login`].

use serde_json::Value;

use crate::api::{ConnId, SimKey};
use crate::calendar::SECOND;
use crate::exchange::Exchange;
use crate::sign::signature;

/// How far a client's clock may be off.
const SKEW_S: u64 = 30;

/// What is wrong with a login.
type Refusal = (&'static str, String);

impl Exchange {
    /// Checks a login and answers it.
    pub(crate) fn login(&mut self, conn: ConnId, id: Option<&str>, arg: &Value) {
        let Some(state) = self.conns.get(&conn) else { return };
        let checked = if state.tier.is_some() {
            let msg = "The WebSocket endpoint does not allow multiple or repeated logins.";
            Err(("60031", msg.to_owned()))
        } else {
            check(&self.config.keys, arg, self.now_ns / SECOND)
        };
        match checked {
            Ok(tier) => {
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.tier = Some(tier);
                }
                self.say_login(conn, id);
            }
            Err((code, msg)) => {
                self.refuse_request(conn, id, code, &msg);
                if code != "60031" {
                    self.close(conn, 4001, "Login failed");
                }
            }
        }
    }
}

/// The tier of who signed, or what is wrong.
pub(crate) fn check(keys: &[SimKey], arg: &Value, now_s: u64) -> Result<u8, Refusal> {
    let text = |name: &str| {
        let given = arg.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        given.ok_or_else(|| ("60027", format!("Parameter {name} can not be empty.")))
    };
    let api_key = text("apiKey")?;
    let Some(key) = keys.iter().find(|key| key.key == api_key) else {
        return Err(("60005", "Invalid apiKey".to_owned()));
    };
    // Clients of long standing (python-okx 0.4) send a number without quotes.
    let timestamp = match arg.get("timestamp") {
        Some(Value::Number(number)) => &number.to_string(),
        _ => text("timestamp")?,
    };
    let Ok(seconds) = timestamp.parse::<u64>() else {
        return Err(("60004", "Invalid timestamp".to_owned()));
    };
    if seconds.abs_diff(now_s) > SKEW_S {
        return Err(("60006", "Timestamp request expired".to_owned()));
    }
    if text("passphrase")? != key.passphrase {
        return Err(("60024", "Wrong passphrase".to_owned()));
    }
    if text("sign")? != signature(&key.secret, timestamp) {
        return Err(("60007", "Invalid sign".to_owned()));
    }
    Ok(key.tier)
}
