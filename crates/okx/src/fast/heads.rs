//! How frames begin that came before: from the first byte up to the first value of the first row
//! nothing changes from one frame of a subscription to the next, so one comparison says whose a
//! frame is and spares reading all of that again.
//!
//! `feed/fast.rs` asks for the head of a frame, and has one learnt when a frame was read the longer
//! way. Equal bytes mean the same, so a head can only save work: forgetting all of them changes
//! nothing that comes out, and they are no part of a feed's state.
//!
//! Invariants: a head's text is the beginning of a frame that was taken; there is at most one in a
//! slot, and the first one stays, so that two that share a slot do not cost memory a frame.

use super::Begun;
use crate::channel::Form;
use crate::frame::Action;

/// Slots; a connection has at most 1,000 channels.
const SLOTS: usize = 4096;

/// How a frame begins.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Everything up to the first value of the first row.
    text: Box<[u8]>,
    /// Whose it is: a subscription's index.
    pub(crate) index: u32,
    pub(crate) form: Form,
    pub(super) action: Option<Action>,
    /// Where the first row stands.
    pub(super) row: usize,
    pub(super) begun: Begun,
}

impl Head {
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }
}

/// See the file's first comment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads {
    /// By hash: one more than the place in `heads`; empty until one is learnt.
    slots: Box<[u16]>,
    heads: Vec<Head>,
}

impl Heads {
    /// The head of this frame, if it is known.
    #[inline(always)]
    pub(crate) fn find(&self, frame: &[u8]) -> Option<&Head> {
        let place = *self.slots.get(slot(frame)?)?;
        let head = self.heads.get(usize::from(place).wrapping_sub(1))?;
        (frame.get(..head.text.len())? == &*head.text).then_some(head)
    }

    /// Learns how frames of a subscription begin from one that was taken: its first `length` bytes.
    /// The first row stands at `row`.
    #[cold]
    pub(super) fn learn(
        &mut self,
        (frame, length): (&[u8], usize),
        (index, form): (u32, Form),
        action: Option<Action>,
        (row, begun): (usize, Begun),
    ) {
        // A snapshot comes once; updates come all the time.
        let (Some(slot), Some(text)) = (slot(frame), frame.get(..length)) else { return };
        if action == Some(Action::Snapshot) || self.heads.len() >= SLOTS {
            return;
        }
        if self.slots.is_empty() {
            self.slots = vec![0; SLOTS].into();
        }
        if let Some(place @ 0) = self.slots.get_mut(slot) {
            self.heads.push(Head { text: text.into(), index, form, action, row, begun });
            *place = self.heads.len() as u16;
        }
    }
}

const _: () = assert!(SLOTS <= u16::MAX as usize);

/// Where the head of a frame would be: by the bytes in which the channel's and the instrument's
/// names are, as a rule. `{"arg":{"channel":"` has 19 bytes.
#[inline(always)]
fn slot(frame: &[u8]) -> Option<usize> {
    let names: &[u8; 40] = frame.get(16..)?.first_chunk()?;
    let (words, _) = names.as_chunks::<8>();
    let word = |at: usize| u64::from_le_bytes(words[at]);
    let front = (word(0) ^ word(1).rotate_left(21)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let back = (word(2) ^ word(3).rotate_left(33)).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    let hash = (front ^ back ^ word(4)).wrapping_mul(0x1656_67b1_9e37_79f9);
    Some((hash >> 52) as usize % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(heads: &mut Heads, frame: &str, length: usize, index: u32, action: Option<Action>) {
        let whole = (frame.as_bytes(), length);
        heads.learn(whole, (index, Form::Trade), action, (length - 5, Begun::Trade));
    }

    fn frame(id: usize) -> (String, usize) {
        let head =
            format!(r#"{{"arg":{{"channel":"trades","instId":"I{id}"}},"data":[{{"instId":"#);
        (format!(r#"{head}"I{id}","tradeId":"1"}}]}}"#), head.len())
    }

    #[test]
    fn a_head_is_found_by_all_of_its_bytes() {
        let mut heads = Heads::default();
        let (text, length) = frame(1);
        assert!(heads.find(text.as_bytes()).is_none());
        learnt(&mut heads, &text, length, 7, None);
        assert_eq!(heads.find(text.as_bytes()).map(|head| head.index), Some(7));
        assert_eq!(heads.find(&text.as_bytes()[..length]).map(|head| head.index), Some(7));
        assert!(heads.find(&text.as_bytes()[..length - 1]).is_none());
        for at in 0..length {
            let mut other = text.clone().into_bytes();
            other[at] ^= 1;
            assert!(heads.find(&other).is_none(), "{at}");
        }
    }

    #[test]
    fn the_first_one_stays_and_all_are_bounded() {
        let mut heads = Heads::default();
        for round in 0..2 {
            for id in 0..20_000 {
                let (text, length) = frame(id);
                learnt(&mut heads, &text, length, id as u32 + round, None);
            }
        }
        assert!(heads.heads.len() <= SLOTS && heads.heads.len() > SLOTS / 2);
        let (text, length) = frame(0);
        assert_eq!(heads.find(text.as_bytes()).map(|head| head.index), Some(0));
        let all = (0..20_000).map(frame).filter(|(text, _)| heads.find(text.as_bytes()).is_some());
        assert_eq!(all.count(), heads.heads.len());
        let mut heads = Heads::default();
        learnt(&mut heads, &text, length, 0, Some(Action::Snapshot));
        assert!(heads.find(text.as_bytes()).is_none(), "a snapshot comes once");
    }
}
