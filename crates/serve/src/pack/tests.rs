//! Packing loses nothing: a reader written here from `docs/binary.md` gives the text back.

use super::*;
use serde_json::Value;

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        *first
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn text(&mut self) -> String {
        let len = self.varint() as usize;
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        std::str::from_utf8(text).unwrap().to_owned()
    }

    fn decimal(&mut self, sign: &str, decimals: u8) -> String {
        decimal(sign, self.varint(), decimals)
    }

    fn value(&mut self) -> String {
        match self.byte() {
            0 => "null".to_owned(),
            1 => "false".to_owned(),
            2 => "true".to_owned(),
            3 => self.varint().to_string(),
            4 => format!("-{}", u128::from(self.varint()) + 1),
            5 => format!("\"{}\"", self.text()),
            6 => self.text(),
            7 => {
                let count = self.varint();
                let values: Vec<String> = (0..count).map(|_| self.value()).collect();
                format!("[{}]", values.join(","))
            }
            8 => self.levels(),
            tag @ 16..64 => self.decimal("", tag - 16),
            tag => self.decimal("-", tag - 64),
        }
    }

    fn levels(&mut self) -> String {
        let (width, decimals, count) = (self.byte(), self.byte(), self.varint());
        let mut price = 0_i64;
        let mut levels = Vec::new();
        for _ in 0..count {
            let step = self.varint();
            price += (step >> 1) as i64 ^ -((step & 1) as i64);
            let mut level = decimal("", price as u64, decimals);
            let places = self.byte();
            level += &format!(",{}", self.decimal("", places));
            level += &format!(",{}", self.varint());
            if width == 4 {
                let places = self.byte();
                level += &format!(",{}", self.decimal("", places));
            }
            levels.push(format!("[{level}]"));
        }
        format!("[{}]", levels.join(","))
    }
}

fn decimal(sign: &str, digits: u64, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{digits:0>width$}", width = decimals + 1);
    let (int, fraction) = digits.split_at(digits.len() - decimals);
    let point = if decimals > 0 { "." } else { "" };
    format!("\"{sign}{int}{point}{fraction}\"")
}

fn unpack(templates: &Templates, packed: &Packed) -> String {
    let told: Value = serde_json::from_str(&templates.told(packed.template)).unwrap();
    let mut bytes = Bytes(&packed.values);
    if packed.template == 0 {
        return bytes.value();
    }
    let mut out = Vec::new();
    for field in told["fields"].as_array().unwrap() {
        let value = match field.get(1) {
            Some(constant) => constant.to_string(),
            None => bytes.value(),
        };
        out.push(format!("\"{}\":{value}", field[0].as_str().unwrap()));
    }
    assert!(bytes.0.is_empty());
    format!("{{{}}}", out.join(","))
}

#[track_caller]
fn check(json: &str) -> Packed {
    let templates = Templates::default();
    let packed = templates.pack(json);
    assert_eq!(unpack(&templates, &packed), json);
    packed
}

#[test]
fn the_records_of_the_document_come_back() {
    let document = include_str!("../../../../docs/records.md");
    let mut count = 0;
    for json in document.lines().filter(|line| line.starts_with("{\"v\":")) {
        assert_ne!(check(json).template, 0, "{json}");
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[test]
fn odd_values_come_back() {
    for value in [
        "\"00.1\"",
        "\"1.\"",
        "\".5\"",
        "\"-0.00\"",
        "\"-\"",
        "\"1e5\"",
        "\"\"",
        "\"0.000\"",
        "\"18446744073709551615\"",
        "\"18446744073709551616\"",
        "\"-1.5\"",
        "\"a\\\"],b\"",
        "18446744073709551615",
        "-9223372036854775808",
        "1.5",
        "1e9",
        "-0",
        "007",
        "[]",
        "[1,[2]]",
        "[[\"1.0\",\"0\",0],[\"2.00\",\"1\",1]]",
        "[[\"-1.0\",\"0\",0]]",
        "[[\"1\",\"-2\",0]]",
        "[[\"9223372036854775808\",\"1\",1]]",
        "[[\"3\",\"1\",1],[\"1\",\"0\",0],[\"2\",\"5\",1]]",
        "[[\"3\",\"1\",1,\"0.5\"],[\"1\",\"0\",0,\"0\"]]",
        "[[\"3\",\"1\",1],[\"1\",\"0\",0,\"0\"]]",
        "{\"a\":[1,{\"b\":\"}\"}]}",
        "[\"\\\\\",\"\\\"\"]",
    ] {
        check(&format!("{{\"v\":1,\"x\":{value},\"y\":null}}"));
    }
    let odd = "no record";
    assert_eq!(check(odd).template, 0);
}

#[test]
fn a_change_of_a_book_takes_a_third_of_its_text() {
    let document = include_str!("../../../../docs/records.md");
    let wanted = "{\"v\":1,\"type\":\"orderbook_delta\"";
    let json = document.lines().find(|line| line.starts_with(wanted)).unwrap();
    let bytes = check(json).message(1, 1000).len();
    assert!(bytes * 3 < json.len(), "{bytes} of {}", json.len());
}

mod any {
    use super::check;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(|x| x.to_string()),
            "-?[0-9]{1,22}(\\.[0-9]{1,18})?".prop_map(|x| format!("\"{x}\"")),
            ".{0,12}".prop_map(|x| serde_json::Value::from(x).to_string()),
            Just("null".to_owned()),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop::collection::vec(inner, 0..5).prop_map(|all| format!("[{}]", all.join(",")))
        })
    }

    proptest! {
        #[test]
        fn record_comes_back(values in prop::collection::vec(value(), 1..6)) {
            let fields = values.iter().enumerate().map(|(i, x)| format!("\"f{i}\":{x}"));
            check(&format!("{{{}}}", fields.collect::<Vec<_>>().join(",")));
        }
    }
}
