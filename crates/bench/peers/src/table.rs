//! The table: a line for each system, a column for each group of frames, and two ratios.

use market_data_bench::frames::Group;
use std::collections::HashMap;

/// Nanoseconds a frame, by system and group.
#[derive(Default)]
pub struct Table {
    samples: HashMap<(&'static str, &'static str), Vec<f64>>,
}

impl Table {
    /// Keeps a sample.
    pub fn put(&mut self, name: &'static str, group: Group, sample: f64) {
        self.samples.entry((name, group.name())).or_default().push(sample);
    }

    /// Prints the systems in the order given; the first is what the others are held against.
    pub fn print<const N: usize>(&self, names: [&'static str; N]) {
        print!("| {:<25} |", "system");
        for group in Group::ALL {
            print!(" {:>7} |", group.name());
        }
        println!(" {:>10} | {:>13} |", "mix / ours", "trades / ours");
        println!(
            "|{}|{}{}:|{}:|",
            "-".repeat(27),
            "--------:|".repeat(7),
            "-".repeat(11),
            "-".repeat(14)
        );
        for name in names.iter().filter(|name| self.has(name)) {
            print!("| {name:<25} |");
            for group in Group::ALL {
                print!(
                    " {:>7} |",
                    self.cell(name, group).map_or("–".into(), |ns| format!("{ns:.0}"))
                );
            }
            let ratio = |group| Some(self.cell(name, group)? / self.cell(names[0], group)?);
            let text =
                |group| ratio(group).map_or("–".into(), |ratio: f64| format!("{ratio:.1}"));
            println!(" {:>10} | {:>13} |", text(Group::Mix), text(Group::Trades));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.samples.keys().any(|(system, _)| *system == name)
    }

    /// The median.
    fn cell(&self, name: &'static str, group: Group) -> Option<f64> {
        let mut samples = self.samples.get(&(name, group.name()))?.clone();
        samples.sort_by(f64::total_cmp);
        samples.get(samples.len() / 2).copied()
    }
}
