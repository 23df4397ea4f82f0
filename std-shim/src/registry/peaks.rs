//! The peaks of all gauges, for several scrapers: each sees the greatest depth since *it* last
//! looked.
//!
//! A gauge has one window. The scraper that ends it leaves its peak for the others.

use std::mem;
use std::sync::Arc;

use crate::sync::{Mutex, lock};

/// How many scrapers a registry knows.
const SCRAPERS: usize = 8;

/// What one look has read of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) instance: usize,
    /// The greatest depth since anybody looked. Then, since this scraper did.
    pub(super) peak: usize,
    pub(super) high_water: usize,
}

#[derive(Default)]
pub(super) struct Peaks(Mutex<State>);

#[derive(Default)]
struct State {
    scrapers: [Option<Scraper>; SCRAPERS],
    /// In the order of their numbers.
    gauges: Vec<Unseen>,
    /// How often somebody looked.
    looks: u64,
}

struct Scraper {
    name: Arc<str>,
    /// The number of its last look.
    last: u64,
}

/// What others took of one gauge and each scraper has not seen.
#[derive(Clone, Copy)]
struct Unseen {
    instance: usize,
    peaks: [usize; SCRAPERS],
}

impl Peaks {
    /// Makes the peaks in `looks` those of the scraper `name`. They are in the order of the
    /// numbers. If there are too many scrapers, the one that has not looked for longest is
    /// forgotten. One that looks for the first time sees the greatest depths that ever were.
    pub(super) fn take(&self, name: &Arc<str>, looks: &mut [Look]) {
        let mut gauges = Vec::new();
        let old = loop {
            // Memory is taken while the lock is free, see `sync::list`.
            let known = lock(&self.0).gauges.len();
            gauges.reserve(known + looks.len());
            let mut state = lock(&self.0);
            if state.gauges.len() + looks.len() <= gauges.capacity() {
                break state.take(name, looks, gauges);
            }
        };
        drop(old);
    }
}

impl State {
    /// Moves what is known into `gauges`, which has room. Returns what is to be dropped.
    fn take(
        &mut self,
        name: &Arc<str>,
        looks: &mut [Look],
        mut gauges: Vec<Unseen>,
    ) -> (Vec<Unseen>, Option<Scraper>) {
        let (own, is_new, replaced) = self.note(name);
        let mut known = self.gauges.iter().copied().peekable();
        let mut last = 0;
        for look in looks {
            last = look.instance;
            // What is passed over is gone.
            while known.next_if(|gauge| gauge.instance < last).is_some() {}
            let gauge = known.next_if(|gauge| gauge.instance == last);
            let mut gauge = gauge.unwrap_or(Unseen {
                instance: last,
                peaks: [0; SCRAPERS],
            });
            for unseen in &mut gauge.peaks {
                *unseen = look.peak.max(*unseen);
            }
            look.peak = gauge.peaks.get_mut(own).map_or(0, mem::take);
            if is_new {
                look.peak = look.high_water.max(look.peak);
            }
            gauges.push(gauge);
        }
        // Registered since, and seen by others.
        gauges.extend(known.filter(|gauge| gauge.instance > last));
        (mem::replace(&mut self.gauges, gauges), replaced)
    }

    /// Notes that the scraper `name` looks. Returns its place, whether it is new, and what it
    /// replaces.
    fn note(&mut self, name: &Arc<str>) -> (usize, bool, Option<Scraper>) {
        self.looks += 1;
        let is_known = |scraper: &Option<Scraper>| {
            let scraper = scraper.as_ref();
            scraper.is_some_and(|scraper| scraper.name == *name)
        };
        let known = self.scrapers.iter().position(is_known);
        let oldest = || {
            let scrapers = self.scrapers.iter().enumerate();
            let last = |scraper: &Option<Scraper>| scraper.as_ref().map(|scraper| scraper.last);
            let oldest = scrapers.min_by_key(|(_, scraper)| last(scraper));
            oldest.map_or(0, |(place, _)| place)
        };
        let place = known.unwrap_or_else(oldest);
        let scraper = Scraper {
            name: Arc::clone(name),
            last: self.looks,
        };
        let replaced = self.scrapers.get_mut(place);
        let replaced = replaced.and_then(|replaced| replaced.replace(scraper));
        (place, known.is_none(), replaced)
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use super::*;

    /// Has `name` look at gauges whose windows have these peaks. All ever were at 90.
    fn look(peaks: &Peaks, name: &str, gauges: &[(usize, usize)]) -> Vec<usize> {
        let mut looks: Vec<_> = gauges
            .iter()
            .map(|&(instance, peak)| Look {
                instance,
                peak,
                high_water: 90,
            })
            .collect();
        peaks.take(&name.into(), &mut looks);
        looks.iter().map(|look| look.peak).collect()
    }

    #[test]
    fn each_scraper_sees_the_peak_since_it_looked() {
        let peaks = Peaks::default();
        assert_eq!(look(&peaks, "a", &[(1, 9)]), [90], "the first look");
        assert_eq!(look(&peaks, "a", &[(1, 9)]), [9]);
        assert_eq!(look(&peaks, "b", &[(1, 2)]), [90]);
        assert_eq!(look(&peaks, "b", &[(1, 3)]), [3]);
        assert_eq!(look(&peaks, "a", &[(1, 1)]), [3], "what b took");
        assert_eq!(look(&peaks, "a", &[(1, 1)]), [1]);
        assert_eq!(look(&peaks, "b", &[(1, 0)]), [1]);
    }

    #[test]
    fn gauges_come_and_go() {
        let peaks = Peaks::default();
        look(&peaks, "a", &[(1, 1), (3, 3)]);
        look(&peaks, "b", &[(1, 5), (3, 7), (4, 6)]);
        assert_eq!(look(&peaks, "a", &[(3, 2)]), [7], "1 is gone");
        assert_eq!(
            lock(&peaks.0).gauges.len(),
            2,
            "4 may be newer than that look"
        );
        assert_eq!(look(&peaks, "a", &[(3, 2), (4, 1), (5, 8)]), [2, 6, 8]);
        assert_eq!(look(&peaks, "b", &[(3, 2), (5, 0)]), [2, 8]);
        assert_eq!(lock(&peaks.0).gauges.len(), 2);
    }

    #[test]
    fn the_scraper_that_has_not_looked_for_longest_is_forgotten() {
        let peaks = Peaks::default();
        for scraper in 0..SCRAPERS {
            look(&peaks, &scraper.to_string(), &[(1, 1)]);
        }
        assert_eq!(look(&peaks, "0", &[(1, 2)]), [2], "all are known");
        assert_eq!(look(&peaks, "new", &[(1, 3)]), [90]);
        assert_eq!(look(&peaks, "0", &[(1, 1)]), [3]);
        assert_eq!(look(&peaks, "1", &[(1, 1)]), [90], "it was forgotten");
    }
}
