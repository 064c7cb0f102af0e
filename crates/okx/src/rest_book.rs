//! The book that `/api/v5/market/books` answers with.
//!
//! ```json
//! {"code":"0","msg":"","data":[{"asks":[["83729.6","70.03","0","4"]],
//!  "bids":[["83723.6","1","0","2"]],"ts":"1791369352001","seqId":344430849237}]}
//! ```
//! `verify` compares such answers with its own books. Start at [`path`] and [`read`].

use crate::channel::books::{BookRow, decode};
use crate::channel::{self, BookForm, Form, Unknowns};
use crate::json;
use std::borrow::Cow;

const PATH: &str = "/api/v5/market/books?instId=";
/// Most levels a side that OKX answers with.
pub(crate) const LEVELS: u16 = 400;

/// How the book of a channel behaves that these answers can be compared with; `None` = they cannot.
pub fn form(channel: &str) -> Option<BookForm> {
    match channel::find(channel)?.form {
        Form::Book(form) if form.incremental && !form.rpi && !form.spread => Some(form),
        _ => None,
    }
}

/// What to ask for: the book of an instrument, as deep as it can be had.
pub fn path(inst_id: &str) -> String {
    format!("{PATH}{inst_id}&sz={LEVELS}")
}

/// Whose book a path asks for; `None` when it asks for something else.
pub fn inst_id(path: &str) -> Option<&str> {
    path.strip_prefix(PATH)?.split('&').next()
}

/// The book in an answer.
///
/// # Errors
/// In words, when there is none, or none with an id, or one that cannot be read.
pub fn read(body: &[u8]) -> Result<(i64, BookRow), String> {
    let answer = json::parse(body).map_err(|error| error.to_string())?;
    let code = answer.field("code").and_then(json::Raw::text).unwrap_or(Cow::Borrowed("absent"));
    if code != "0" {
        return Err(format!("its code is {code}"));
    }
    let row = answer.field("data").and_then(|data| data.items().next());
    let row = row.ok_or("it holds no book")?;
    let form = BookForm { depth: LEVELS, incremental: false, rpi: false, spread: false };
    let mut book = BookRow::default();
    decode(row, form, &mut book, &mut Unknowns::default());
    match (book.odd.take(), book.seq) {
        (Some(odd), _) => Err(odd),
        (None, None) => Err("it has no seqId".to_owned()),
        (None, Some(seq)) => Ok((seq, book)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_read_and_everything_else_refused() {
        let good = r#"{"code":"0","data":[{"asks":[["2.0","3","0","4"]],"bids":[],"seqId":7}]}"#;
        let (seq, book) = read(good.as_bytes()).unwrap();
        assert_eq!((seq, book.asks.len(), book.bids.len()), (7, 1, 0));
        assert_eq!(book.asks[0].px.to_string(), "2.0");
        for (bad, why) in [
            (r#"{"code":"51001","msg":"no","data":[]}"#.to_owned(), "51001"),
            (r#"{"code":"0","data":[]}"#.to_owned(), "no book"),
            (good.replace(",\"seqId\":7", ""), "no seqId"),
            (good.replace("\"3\"", "\"x\""), "quantity"),
            ("<html>".to_owned(), "byte 0"),
        ] {
            let error = read(bad.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn paths_name_their_instrument() {
        assert_eq!(inst_id(&path("BTC-USDT")), Some("BTC-USDT"));
        assert_eq!(inst_id("/api/v5/market/ticker?instId=BTC-USDT"), None);
        let comparable = ["books", "books-l2-tbt", "books50-l2-tbt"];
        assert!(comparable.iter().all(|channel| form(channel).is_some()));
        assert!(
            ["books5", "bbo-tbt", "books-rpi", "sprd-books-l2-tbt", "trades"].map(form)
                == [None; 5]
        );
    }
}
