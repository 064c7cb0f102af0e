//! Which byte of a text goes to which of 16 places, so that its digits end at the last place and
//! the point is gone: two tables, of which `avx2.rs` and `neon.rs` load 16 bytes each and add them.
//!
//! Both kinds of processors put a zero where the place read from is negative.

/// Where the digit of each of 16 places comes from, when the number ends at the last place: read
/// at `n`, this is `place - (16 - n)`, and what is negative is no digit.
pub(super) static FROM: [i8; 32] = {
    let mut from = [0; 32];
    let mut i = 0;
    while i < 32 {
        from[i] = i as i8 - 16;
        i += 1;
    }
    from
};

/// Read at `d`: 1 for the last `d` of 16 places, which come from behind the point.
pub(super) static BEHIND: [i8; 32] = {
    let mut behind = [0; 32];
    let mut i = 16;
    while i < 32 {
        behind[i] = 1;
        i += 1;
    }
    behind
};
