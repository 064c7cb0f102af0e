//! A REST request taken apart: its path and its parameters.
//!
//! `rest.rs` and `rest_market.rs` read them. A parameter that is sent empty counts as not sent,
//! as on OKX. Start at [`Query::parse`].

/// One GET request.
#[derive(Debug)]
pub struct Query {
    pub path: String,
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Splits `path?a=b&c=d` and undoes percent encoding.
    pub fn parse(path_and_query: &str) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let pair = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (decode(name), decode(value))
        };
        let pairs = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
        Self { path: path.trim_end_matches('/').to_owned(), pairs }
    }

    /// A parameter that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(key, _)| key == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number, or `missing` if it is not there; an error if it is no number.
    pub fn number(&self, name: &str, missing: u64) -> Result<u64, String> {
        match self.get(name) {
            None => Ok(missing),
            Some(text) => text.parse().map_err(|_| format!("Parameter {name} error")),
        }
    }
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (byte, hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                rest = &tail[2..];
            }
            (b'+', _) => {
                out.push(b' ');
                rest = tail;
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
