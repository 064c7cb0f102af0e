//! One file as a zip, stored: what the format needs at least.
//!
//! Start at [`zipped`].

/// A zip with one file in it.
pub fn zipped(name: &str, content: &[u8]) -> Vec<u8> {
    let sum = crc32(content).to_le_bytes();
    let size = (content.len() as u32).to_le_bytes();
    let name_len = (name.len() as u16).to_le_bytes();
    // Version, flags, method (stored), time, 1980-01-01; sum, both sizes, both lengths.
    let common = [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0], &sum[..], &size, &size, &name_len, &[0, 0]];
    let common = common.concat();
    let mut out = Vec::with_capacity(content.len() + 2 * name.len() + 100);
    out.extend_from_slice(b"PK\x03\x04");
    out.extend_from_slice(&common);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(content);
    let directory = (out.len() as u32).to_le_bytes();
    let length = (46 + name.len() as u32).to_le_bytes();
    out.extend_from_slice(b"PK\x01\x02\x14\x00");
    out.extend_from_slice(&common);
    // Comment, disk, attributes, where the file begins.
    out.extend_from_slice(&[0; 14]);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    out.extend_from_slice(&length);
    out.extend_from_slice(&directory);
    out.extend_from_slice(&[0, 0]);
    out
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = at as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
}

static TABLE: [u32; 256] = table();

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| (sum >> 8) ^ TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize];
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sum_is_that_of_everybody() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
