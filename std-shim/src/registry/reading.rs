//! What a registry reads of its gauges, for reports and watches.

use std::sync::Arc;

use fillgauge::QueueSnapshot;

use super::QueueRegistry;
use super::edges::LastEdges;
use super::peaks::Look;
use super::stuck::{StuckGauges, stuck_since};
use super::sums::LimitSums;
use crate::backpressure::SendStats;
use crate::event::{Origin, RegistryName};
use crate::report::{GaugeReport, Report};

/// What was read of one gauge.
pub(crate) struct Reading {
    pub(crate) snapshot: QueueSnapshot,
    label: Option<Arc<str>>,
    stats: Option<Arc<SendStats>>,
    edges: LastEdges,
    /// What is polled has nothing to read any more.
    gone: bool,
    /// The greatest depth since anybody took it, if it was to be taken.
    peak: usize,
}

impl Reading {
    /// Whose gauge it is.
    pub(crate) fn origin(&self, registry: &RegistryName) -> Origin {
        Origin {
            label: self.label.clone(),
            registry: registry.clone(),
        }
    }
}

impl QueueRegistry {
    /// All that is known of this registry: every live gauge with its label, its figures, its
    /// backpressure and its last edges, sums for each limit, and the bottleneck of each
    /// [chain](crate::chain()).
    ///
    /// The figures of all gauges and the sums are read under the lock that registering and dropping
    /// take. Recording never takes it. What is [polled](crate::Track::polled) is read afterwards.
    ///
    /// ```
    /// use fillgauge_std::{QueueRegistry, track};
    ///
    /// let registry = QueueRegistry::new("sessions");
    /// let frames = track("frames").capacity(10).label("session 7").registry(&registry).gauge();
    /// frames.observe_depth(8);
    /// let report = registry.report();
    /// assert_eq!(report.gauges[0].label.as_deref(), Some("session 7"));
    /// assert_eq!(report.gauges[0].last_edges[0].kind.as_str(), "near_capacity");
    /// println!("{report}");
    /// drop(frames);
    /// let report = registry.report();
    /// assert!(report.gauges.is_empty());
    /// assert_eq!(report.limits[0].warnings, 1);
    /// ```
    #[must_use]
    pub fn report(&self) -> Report {
        self.report_to(None)
    }

    /// A [`report`](Self::report) with [`window_peak`](GaugeReport::window_peak): the greatest
    /// depth of each gauge since `scraper` had a report. What is full for a moment between two
    /// scrapes shows.
    ///
    /// Each scraper has a name of its own. A registry remembers eight. Then it forgets the one that
    /// has not asked for longest. One that asks for the first time gets the high-water marks.
    ///
    /// ```
    /// use fillgauge_std::{QueueRegistry, track};
    ///
    /// let registry = QueueRegistry::new("sessions");
    /// let frames = track("frames").capacity(10).registry(&registry).gauge();
    /// let peak = |scraper| registry.report_for(scraper).gauges[0].window_peak;
    /// assert_eq!((peak("prometheus"), peak("page")), (Some(0), Some(0)));
    /// frames.observe_depth(9);
    /// frames.observe_depth(1);
    /// assert_eq!(peak("prometheus"), Some(9));
    /// assert_eq!(peak("prometheus"), Some(1), "9 was before");
    /// assert_eq!(peak("page"), Some(9), "it has not seen 9 yet");
    /// ```
    ///
    /// Depth and peak together tell a leak from a burst. What leaks is still there at the next
    /// look. A burst is in the peak alone.
    ///
    /// ```
    /// use fillgauge_std::{QueueRegistry, track};
    ///
    /// let registry = QueueRegistry::new("files");
    /// let files = track("open_files").capacity(100).registry(&registry).budget();
    /// let look = || {
    ///     let files = &registry.report_for("prometheus").gauges[0];
    ///     (files.depth, files.window_peak)
    /// };
    /// look();
    /// let mut leaked = Vec::new();
    /// for request in 1..=3 {
    ///     let burst = files.try_reserve(60)?;
    ///     leaked.push(files.try_reserve_owned(5)?);
    ///     drop(burst);
    ///     assert_eq!(look(), (5 * request, Some(60 + 5 * request)));
    /// }
    /// # Ok::<(), fillgauge_std::LimitExceeded>(())
    /// ```
    #[must_use]
    pub fn report_for(&self, scraper: &str) -> Report {
        self.report_to(Some(scraper.into()))
    }

    fn report_to(&self, scraper: Option<Arc<str>>) -> Report {
        let (gauges, sums) = self.read(scraper.is_some());
        let peaks = scraper.map(|scraper| self.take_peaks(&scraper, &gauges));
        let mut peaks = peaks.iter().flatten();
        let mut report = Report::new(self.name());
        for sums in &sums {
            report.add_gone(sums);
        }
        for reading in gauges {
            let snapshot = reading.snapshot;
            let mut gauge = GaugeReport::new(&snapshot, reading.label.as_deref());
            gauge.gone = reading.gone;
            gauge.window_peak = peaks.next().map(|look| look.peak);
            let stats = reading.stats;
            gauge.backpressure = stats.map(|stats| stats.backpressure(gauge.refused));
            gauge.set_last_edges(reading.edges.iter());
            report.add(snapshot.name, gauge);
        }
        if let Some(stuck) = self.listing.stuck().get() {
            report.set_stuck(|instance| stuck_since(&stuck, instance));
        }
        report.chains = self.listing.chains().reports();
        report
    }

    /// The peaks of what was read, since `scraper` looked.
    fn take_peaks(&self, scraper: &Arc<str>, gauges: &[Reading]) -> Vec<Look> {
        let look = |reading: &Reading| Look {
            instance: reading.snapshot.instance,
            peak: reading.peak,
            high_water: reading.snapshot.high_water,
        };
        let mut looks: Vec<_> = gauges.iter().map(look).collect();
        self.listing.peaks().take(scraper, &mut looks);
        looks
    }

    /// Reads all gauges in use, in order of registration, and the sums of all limits. It asks what
    /// is polled, and ends the windows if `takes_peaks`.
    pub(crate) fn read(&self, takes_peaks: bool) -> (Vec<Reading>, Vec<LimitSums>) {
        let (gauges, sums) = self.listing.read(|gauge| {
            let outlet = gauge.outlet();
            let poll = outlet.poll();
            // The depth of what is polled is not known yet.
            let takes_peak = takes_peaks && poll.is_none();
            let reading = Reading {
                peak: if takes_peak {
                    gauge.take_window_peak()
                } else {
                    0
                },
                snapshot: gauge.snapshot(),
                label: outlet.label(),
                stats: outlet.backpressure(),
                edges: LastEdges::default(),
                gone: false,
            };
            (reading, poll, outlet.has_crossed())
        });
        let gauges = gauges.into_iter();
        let gauges = gauges.map(|(mut reading, poll, has_crossed)| {
            // Edges are many bytes, and what is polled is foreign code: both are read while the
            // registry is not locked.
            if has_crossed || poll.is_some() {
                let instance = reading.snapshot.instance;
                if let Some(pinned) = self.listing.pin(instance) {
                    if let Some(poll) = &poll {
                        poll.ask(&*pinned);
                        // In this order: what is gone reads 0.
                        reading.gone = poll.is_gone();
                        if takes_peaks {
                            reading.peak = pinned.take_window_peak();
                        }
                        reading.snapshot = pinned.snapshot();
                    }
                    reading.edges = pinned.outlet().last_edges();
                    self.listing.unpin(instance);
                }
            }
            reading
        });
        (gauges.collect(), sums)
    }

    /// Reports show `found`, the gauges that a watch has found stuck.
    pub(crate) fn publish_stuck(&self, found: StuckGauges) {
        self.listing.stuck().publish(found);
    }

    /// Reports no longer show `found`.
    pub(crate) fn withdraw_stuck(&self, found: &StuckGauges) {
        self.listing.stuck().withdraw(found);
    }

    /// Whether the events of this registry reach neither the log nor the handlers of the process.
    pub(crate) fn is_silent(&self) -> bool {
        self.listing.own().is_some_and(|own| own.is_silent)
    }

    pub(crate) fn shared_name(&self) -> &RegistryName {
        self.listing.name()
    }
}
