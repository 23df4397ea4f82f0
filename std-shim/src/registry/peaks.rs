//! The peaks of all gauges, for several scrapers: each gets the greatest depth since *its* report
//! before.
//!
//! A gauge has one window. The report that ends it leaves the peak for the other scrapers.

use std::mem;
use std::sync::Arc;

use crate::sync::{Mutex, lock};

/// How many scrapers a registry knows.
const SCRAPERS: usize = 16;

/// The window of one gauge, which a report has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) instance: usize,
    /// The greatest depth in it. Then, since the scraper's report before. `None` if there was none.
    pub(super) peak: Option<usize>,
}

#[derive(Default)]
pub(super) struct Peaks(Mutex<State>);

#[derive(Default)]
struct State {
    scrapers: [Option<Scraper>; SCRAPERS],
    /// In the order of their numbers.
    gauges: Vec<Unseen>,
    reports: u64,
}

struct Scraper {
    name: Arc<str>,
    /// The number of its last report.
    last: u64,
}

/// What others took of one gauge and each scraper has not seen.
#[derive(Clone, Copy)]
struct Unseen {
    instance: usize,
    peaks: [usize; SCRAPERS],
}

impl Peaks {
    /// Makes the peaks in `windows` those of the scraper `name`. They are in the order of the
    /// numbers. `latest` was the number of the latest registration before the gauges were read. If
    /// there are too many scrapers, the one whose last report is oldest is forgotten.
    pub(super) fn take(&self, name: &Arc<str>, windows: &mut [Window], latest: usize) {
        let mut gauges = Vec::new();
        let old = loop {
            // Memory is taken while the lock is free, see `sync::list`.
            let known = lock(&self.0).gauges.len();
            gauges.reserve(known + windows.len());
            let mut state = lock(&self.0);
            if state.gauges.len() + windows.len() <= gauges.capacity() {
                break state.take(name, windows, latest, gauges);
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
        windows: &mut [Window],
        latest: usize,
        mut gauges: Vec<Unseen>,
    ) -> (Vec<Unseen>, Option<Scraper>) {
        let (own, is_new, replaced) = self.note(name);
        let mut known = self.gauges.iter().copied().peekable();
        for window in windows {
            let instance = window.instance;
            // What is passed over is gone.
            while known.next_if(|gauge| gauge.instance < instance).is_some() {}
            let gauge = known.next_if(|gauge| gauge.instance == instance);
            let mut gauge = gauge.unwrap_or(Unseen {
                instance,
                peaks: [0; SCRAPERS],
            });
            for unseen in &mut gauge.peaks {
                *unseen = window.peak.unwrap_or_default().max(*unseen);
            }
            let own = gauge.peaks.get_mut(own).map(mem::take);
            window.peak = own.filter(|_| !is_new);
            gauges.push(gauge);
        }
        // Registered since, and seen by others.
        gauges.extend(known.filter(|gauge| gauge.instance > latest));
        (mem::replace(&mut self.gauges, gauges), replaced)
    }

    /// Notes a report for the scraper `name`. Returns its place, whether it is new, and what it
    /// replaces.
    fn note(&mut self, name: &Arc<str>) -> (usize, bool, Option<Scraper>) {
        self.reports += 1;
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
            last: self.reports,
        };
        let replaced = self.scrapers.get_mut(place);
        let replaced = replaced.and_then(|replaced| replaced.replace(scraper));
        (place, known.is_none(), replaced)
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use super::*;

    /// A report for `name`, of gauges whose windows have these peaks.
    fn report(peaks: &Peaks, name: &str, gauges: &[(usize, usize)]) -> Vec<Option<usize>> {
        let mut windows: Vec<_> = gauges
            .iter()
            .map(|&(instance, peak)| Window {
                instance,
                peak: Some(peak),
            })
            .collect();
        let latest = gauges.last().map_or(5, |&(instance, _)| instance);
        peaks.take(&name.into(), &mut windows, latest);
        windows.iter().map(|window| window.peak).collect()
    }

    #[test]
    fn each_scraper_gets_the_peak_since_its_report_before() {
        let peaks = Peaks::default();
        assert_eq!(report(&peaks, "a", &[(1, 9)]), [None], "its first report");
        assert_eq!(report(&peaks, "a", &[(1, 9)]), [Some(9)]);
        assert_eq!(report(&peaks, "b", &[(1, 2)]), [None]);
        assert_eq!(report(&peaks, "b", &[(1, 3)]), [Some(3)]);
        assert_eq!(report(&peaks, "a", &[(1, 1)]), [Some(3)], "what b took");
        assert_eq!(report(&peaks, "a", &[(1, 1)]), [Some(1)]);
        assert_eq!(report(&peaks, "b", &[(1, 0)]), [Some(1)]);
    }

    #[test]
    fn gauges_come_and_go() {
        let peaks = Peaks::default();
        let known = || -> Vec<_> {
            let state = lock(&peaks.0);
            state.gauges.iter().map(|gauge| gauge.instance).collect()
        };
        report(&peaks, "a", &[(1, 1), (3, 3)]);
        report(&peaks, "b", &[(1, 5), (3, 7), (4, 6)]);
        assert_eq!(report(&peaks, "a", &[(3, 2)]), [Some(7)]);
        assert_eq!(known(), [3, 4], "1 is gone, and 4 may be newer than that");
        let peaks_of_a = report(&peaks, "a", &[(3, 2), (4, 1), (5, 8)]);
        assert_eq!(peaks_of_a, [Some(2), Some(6), Some(8)]);
        assert_eq!(report(&peaks, "b", &[(3, 2), (5, 0)]), [Some(2), Some(8)]);
        assert_eq!(known(), [3, 5]);
        report(&peaks, "b", &[]);
        assert_eq!(known(), [0; 0], "all are gone");
    }

    #[test]
    fn the_scraper_whose_last_report_is_oldest_is_forgotten() {
        let peaks = Peaks::default();
        for scraper in 0..SCRAPERS {
            report(&peaks, &scraper.to_string(), &[(1, 1)]);
        }
        assert_eq!(report(&peaks, "0", &[(1, 2)]), [Some(2)], "all are known");
        assert_eq!(report(&peaks, "new", &[(1, 3)]), [None]);
        assert_eq!(report(&peaks, "0", &[(1, 1)]), [Some(3)]);
        assert_eq!(report(&peaks, "1", &[(1, 1)]), [None], "it was forgotten");
    }
}
