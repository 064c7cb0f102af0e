//! What is open for each day of one instrument: usually one day, two around midnight.

use crate::name::Day;

/// Values by day.
pub struct Days<T>(Vec<(Day, T)>);

impl<T> Default for Days<T> {
    fn default() -> Days<T> {
        Days(Vec::new())
    }
}

impl<T> Days<T> {
    /// The value of a day, made if there is none.
    pub fn get_or(&mut self, day: Day, make: impl FnOnce() -> T) -> &mut T {
        // The last one asked for is nearly always the one.
        let found = self.0.iter().rposition(|(known, _)| *known == day);
        let index = found.unwrap_or_else(|| {
            self.0.push((day, make()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }

    /// Takes out one value of a day before `day`, the earliest first.
    pub fn take_before(&mut self, day: Day) -> Option<T> {
        let earliest = self.0.iter().enumerate().min_by_key(|(_, (known, _))| *known)?;
        let (index, _) = (earliest.1.0 < day).then_some(earliest)?;
        Some(self.0.remove(index).1)
    }

    /// Every value.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_come_out_in_order() {
        let mut days = Days::default();
        days.get_or(Day(8), || "b");
        days.get_or(Day(7), || "a");
        *days.get_or(Day(8), || "c") = "d";
        assert_eq!(days.iter_mut().count(), 2);
        assert_eq!(days.take_before(Day(7)), None);
        assert_eq!((days.take_before(Day(9)), days.take_before(Day(9))), (Some("a"), Some("d")));
        assert_eq!(days.take_before(Day(9)), None);
    }
}
