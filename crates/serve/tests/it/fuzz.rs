//! Seeded bytes on `/ws`: whatever comes, the server lives, answers by the rules of RFC 6455, and
//! serves others.

use super::desk::{Desk, get};
use super::hostile::{Guest, frame, upgraded};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// Seeds of the fuzzer in the gate; `FUZZ_SERVE=10000` for more.
const SEEDS: u64 = 150;

/// Numbers by a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// What somebody who means well might say.
    fn words(&mut self) -> Vec<u8> {
        let words = [
            r#"{"op":"subscribe","inst":"*","channel":"*"}"#,
            r#"{"op":"subscribe","inst":"*","channel":"books","depth":5,"format":"binary"}"#,
            r#"{"op":"subscribe","inst":"BTC-USDT","channel":"trades","from":"0"}"#,
            r#"{"op":"unsubscribe","sub":1}"#,
            r#"{"op":"ping","id":3}"#,
        ];
        words[self.roll(5) as usize].as_bytes().to_vec()
    }

    fn some(&mut self, most: u64) -> Vec<u8> {
        (0..self.roll(most)).map(|_| self.roll(256) as u8).collect()
    }

    /// One frame, in whole or in part right.
    fn one(&mut self) -> Vec<u8> {
        let (text, binary, go_on, close, ping) = (0x81, 0x82, 0x80, 0x88, 0x89);
        match self.roll(16) {
            // Any opcode with any reserved bits, as compression would set them.
            0 => frame(self.roll(256) as u8, &self.words()),
            // A length that is not true, in all three spellings.
            1 => {
                let mut bytes = vec![text, 0x80 | self.roll(128) as u8];
                bytes.extend(self.some(16));
                bytes
            }
            2 => {
                let mut bytes = vec![text, 0xff];
                bytes.extend((self.roll(u64::MAX)).to_be_bytes());
                bytes.extend(self.some(64));
                bytes
            }
            // Without a mask.
            3 => [vec![text, 4], b"{  }".to_vec()].concat(),
            // Control frames that are too long, or in pieces.
            4 => frame([close, ping, 0x8a][self.roll(3) as usize], &[7; 126]),
            5 => frame([0x08, 0x09, 0x0a][self.roll(3) as usize], b"in pieces"),
            // Every close code, with a reason that may be no text.
            6 => {
                let code = self.roll(65_536) as u16;
                frame(close, &[code.to_be_bytes().to_vec(), self.some(60)].concat())
            }
            7 => frame(close, &self.some(3)),
            // Text that is none, also cut within a letter.
            8 => frame(text, &self.some(200)),
            9 => [frame(0x01, &[0xc3]), frame(go_on, &[0x28])].concat(),
            // Fragments with a ping between.
            10 => [frame(0x01, b"{\"op\":"), frame(ping, b"x"), frame(go_on, b"1}")].concat(),
            11 => frame(0x00, b"of nothing"),
            12 => frame(binary, &self.some(100)),
            // No frames at all.
            13 => self.some(300),
            14 => frame(text, &vec![b'['; self.roll(40_000) as usize]),
            _ => frame(text, &self.words()),
        }
    }

    /// What a broken or evil client might send.
    fn bytes(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        for _ in 0..1 + self.roll(12) {
            let good = frame(0x81, &self.words());
            let mut bytes = if self.roll(2) == 0 { good } else { self.one() };
            if self.roll(6) == 0 && !bytes.is_empty() {
                let at = self.roll(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << self.roll(8);
            }
            if self.roll(10) == 0 {
                bytes.truncate(self.roll(bytes.len() as u64 + 1) as usize);
            }
            all.extend(bytes);
        }
        all
    }
}

/// Whether what the server sent is whole frames by the rules, but for a cut last one: no mask, no
/// reserved bits, known opcodes, short control frames, and nothing behind a close.
fn is_lawful(mut bytes: &[u8]) -> bool {
    while let [first, second, rest @ ..] = bytes {
        let (control, len) = (first & 0x08 != 0, usize::from(*second));
        if first & 0x70 != 0 || !matches!(first & 0x0f, 0 | 1 | 2 | 8 | 9 | 10) || len >= 128 {
            return false;
        }
        let (head, len) = match (len, rest) {
            (126 | 127, _) if control => return false,
            (126, [a, b, ..]) => (2, usize::from(u16::from_be_bytes([*a, *b]))),
            (127, rest) if rest.len() >= 8 => {
                let len = rest[..8].iter().fold(0_u64, |len, byte| len << 8 | u64::from(*byte));
                (8, len as usize)
            }
            (126 | 127, _) => return true,
            (len, _) => (0, len),
        };
        let Some(next) = rest.get(head + len..) else { return true };
        if first & 0x0f == 8 {
            return next.is_empty();
        }
        bytes = next;
    }
    true
}

#[tokio::test]
async fn any_bytes_are_survived() {
    let desk = Desk::open().await;
    let mut guest = Guest::of(&desk).await;
    let seeds = std::env::var("FUZZ_SERVE").map_or(SEEDS, |text| text.parse().unwrap());
    let mut closed = 0;
    for seed in 1..=seeds {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut socket = upgraded(desk.address).await;
        let bytes = dice.bytes();
        for part in bytes.chunks(1 + dice.roll(3000) as usize) {
            if socket.write_all(part).await.is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        if dice.roll(2) == 0 {
            // Whatever comes first: answers, data or the end. There may be none.
            let read = timeout(Duration::from_millis(4), socket.read_to_end(&mut answer)).await;
            closed += u64::from(read.is_ok());
        }
        assert!(is_lawful(&answer), "seed {seed}: {answer:02x?}");
        drop(socket);
        if seed % 25 == 0 {
            guest.is_served().await;
        }
    }
    guest.is_served().await;
    // All but the guest go away.
    let clients = async {
        loop {
            let text = get(desk.address, "/metrics", "").await.2;
            if text.contains("\nmarket_data_serve_clients 1\n") {
                return;
            }
        }
    };
    timeout(Duration::from_secs(30), clients).await.expect("clients that are gone stay");
    println!("{seeds} seeds, {closed} closed by the server");
    desk.stop_server().await;
}
