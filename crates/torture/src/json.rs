//! A small, slow and strict JSON reader of its own, so that the judge of the decoder does not use
//! the decoder.
//!
//! It reads requests (ours), events of the pretend exchange and instrument rows. Nesting is
//! bounded; anything that is not JSON is `None`.
//!
//! Start at [`Json::parse`].

/// One JSON value. Numbers keep their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in order.
    Object(Vec<(String, Json)>),
}

const NESTING_MAX: u32 = 16;

impl Json {
    /// Reads one value; `None` when `text` is not exactly one.
    pub fn parse(text: &str) -> Option<Json> {
        let mut reader = Reader { rest: text.as_bytes() };
        let value = reader.value(NESTING_MAX)?;
        reader.space();
        reader.rest.is_empty().then_some(value)
    }

    /// The value under `name`, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The string under `name`; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Json::Text(text)) => text,
            _ => "",
        }
    }

    /// The elements, if this is an array.
    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => &[],
        }
    }

    /// The fields, if this is an object.
    pub fn fields(&self) -> &[(String, Json)] {
        match self {
            Json::Object(fields) => fields,
            _ => &[],
        }
    }

    /// Strings as their text, everything else as compact JSON text.
    pub fn plain(&self) -> String {
        match self {
            Json::Text(text) => text.clone(),
            Json::Null => "null".into(),
            Json::Bool(value) => value.to_string(),
            Json::Number(text) => text.clone(),
            Json::List(items) => {
                let items: Vec<_> = items.iter().map(Json::quoted).collect();
                format!("[{}]", items.join(","))
            }
            Json::Object(fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|(k, v)| format!("\"{k}\":{}", v.quoted())).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    fn quoted(&self) -> String {
        match self {
            Json::Text(text) => format!("\"{text}\""),
            other => other.plain(),
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        self.space();
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        self.rest = self.rest.strip_prefix(word.as_bytes())?;
        Some(value)
    }

    fn value(&mut self, nesting: u32) -> Option<Json> {
        let inner = nesting.checked_sub(1)?;
        self.space();
        match self.rest.first()? {
            b'{' => self.object(inner),
            b'[' => self.array(inner),
            b'"' => self.string().map(Json::Text),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Option<Json> {
        let end = self
            .rest
            .iter()
            .position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        let text = std::str::from_utf8(text).ok()?;
        (!text.is_empty()).then(|| Json::Number(text.into()))
    }

    fn array(&mut self, nesting: u32) -> Option<Json> {
        self.eat(b'[')?;
        let mut items = Vec::new();
        if self.eat(b']').is_some() {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(nesting)?);
            if self.eat(b',').is_none() {
                self.eat(b']')?;
                return Some(Json::List(items));
            }
        }
    }

    fn object(&mut self, nesting: u32) -> Option<Json> {
        self.eat(b'{')?;
        let mut fields = Vec::new();
        if self.eat(b'}').is_some() {
            return Some(Json::Object(fields));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.eat(b':')?;
            fields.push((key, self.value(nesting)?));
            if self.eat(b',').is_none() {
                self.eat(b'}')?;
                return Some(Json::Object(fields));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix(b"\"")?;
        let mut bytes = Vec::new();
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return String::from_utf8(bytes).ok(),
                b'\\' => self.escape(&mut bytes)?,
                0..=0x1f => return None,
                _ => bytes.push(byte),
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        let plain = match byte {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => byte,
            b'u' => {
                let digits = std::str::from_utf8(self.rest.get(..4)?).ok()?;
                let code = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                self.rest = &self.rest[4..];
                bytes.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        };
        bytes.push(plain);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn reads_what_okx_sends_and_refuses_what_is_cut_off() {
        let text = r#"{"a":[1,-2.50,"x\"\u0041"],"b":{"c":null,"d":true},"e":""}"#;
        let json = Json::parse(text).unwrap();
        assert_eq!(json.get("a").unwrap().plain(), "[1,-2.50,\"x\"A\"]");
        assert_eq!(json.get("b").unwrap().plain(), r#"{"c":null,"d":true}"#);
        assert_eq!(json.text("e"), "");
        for cut in 0..text.len() {
            assert_eq!(Json::parse(&text[..cut]), None, "cut at {cut}");
        }
        assert_eq!(Json::parse("[1] 2"), None);
    }
}
