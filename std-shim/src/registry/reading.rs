//! What a registry reads of its gauges, for reports and watches.

use std::sync::Arc;
use std::time::Duration;

use fillgauge::QueueSnapshot;

use super::QueueRegistry;
use super::findings::{Findings, LimitKey};
use super::peaks::Window;
use super::poll::Poll;
use super::sums::{LimitSums, Sums};
use crate::channels::account::ChannelAccount;
use crate::event::{Origin, RegistryName};
use crate::pressure::Lengths;
use crate::report::{GaugeReport, Report};
use crate::sync::elapsed;

/// What was read of a registry.
pub(crate) struct Readings {
    /// The gauges in use, in order of registration.
    pub(crate) gauges: Vec<Reading>,
    pub(crate) sums: Vec<LimitSums>,
    /// When, see [`elapsed`].
    pub(crate) at: Option<Duration>,
}

/// What was read of one gauge.
pub(crate) struct Reading {
    pub(crate) snapshot: QueueSnapshot,
    /// Each item is counted when it is dequeued.
    pub(crate) counts_dequeues: bool,
    /// Its depth is not known between two reports.
    pub(crate) is_sampled: bool,
    /// Something may flow through it.
    pub(crate) may_be_queue: bool,
    label: Option<Arc<str>>,
    channel: Option<Arc<ChannelAccount>>,
    has_crossed: bool,
    /// How long it was near its capacity.
    pub(crate) near: Lengths,
    /// What is polled has nothing to read any more.
    gone: bool,
    /// The greatest depth of the window, if that was to be ended.
    peak: Option<usize>,
}

/// Whether the windows of the gauges go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Windows {
    GoOn,
    End,
}

impl Reading {
    /// What it comes to.
    pub(crate) fn sums(&self) -> Sums {
        let channel = self.channel.as_ref();
        Sums {
            high_water: self.snapshot.high_water,
            warnings: self.snapshot.warnings,
            totals: self.snapshot.totals,
            refused: self.snapshot.refused,
            backpressure: channel.map(|channel| channel.backpressure(self.snapshot.refused)),
            near: self.near,
        }
    }

    /// Whether it ever had an edge.
    pub(crate) fn has_crossed(&self) -> bool {
        self.has_crossed
    }

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
    /// take. Recording does not take it, unless it leaves an event to the background thread. What
    /// is [polled](crate::Track::polled) is asked afterwards, and so is the channel of a
    /// [`QueueProbe`](crate::QueueProbe).
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
    /// depth of each gauge since the report before for `scraper`. A queue that is full for a moment
    /// between two scrapes shows.
    ///
    /// Each scraper has a name of its own. Its first report has no peaks. A registry remembers 16
    /// scrapers. Of more it forgets the one whose last report is oldest, and the next report for
    /// that one has no peaks.
    ///
    /// A report that reaches nobody has taken its peaks all the same.
    ///
    /// ```
    /// use fillgauge_std::{QueueRegistry, track};
    ///
    /// let registry = QueueRegistry::new("sessions");
    /// let frames = track("frames").capacity(10).registry(&registry).gauge();
    /// let peak = |scraper| registry.report_for(scraper).gauges[0].window_peak;
    /// assert_eq!((peak("prometheus"), peak("page")), (None, None));
    /// frames.observe_depth(9);
    /// frames.observe_depth(1);
    /// assert_eq!(peak("prometheus"), Some(9));
    /// assert_eq!(peak("prometheus"), Some(1), "9 was before");
    /// assert_eq!(peak("page"), Some(9), "it has not seen 9 yet");
    /// ```
    ///
    /// Depth and peak together tell a leak from a burst. What leaks is still there in the next
    /// report. A burst is in the peak alone.
    ///
    /// ```
    /// use fillgauge_std::{QueueRegistry, track};
    ///
    /// let registry = QueueRegistry::new("files");
    /// let files = track("open_files").capacity(100).registry(&registry).budget();
    /// let scrape = || {
    ///     let files = &registry.report_for("prometheus").gauges[0];
    ///     (files.depth, files.window_peak)
    /// };
    /// scrape();
    /// let mut leaked = Vec::new();
    /// for request in 1..=3 {
    ///     let burst = files.try_reserve(60)?;
    ///     leaked.push(files.try_reserve_owned(5)?);
    ///     drop(burst);
    ///     assert_eq!(scrape(), (5 * request, Some(60 + 5 * request)));
    /// }
    /// # Ok::<(), fillgauge_std::LimitExceeded>(())
    /// ```
    #[must_use]
    pub fn report_for(&self, scraper: &str) -> Report {
        self.report_to(Some(scraper.into()))
    }

    fn report_to(&self, scraper: Option<Arc<str>>) -> Report {
        let windows = scraper.as_ref().map_or(Windows::GoOn, |_| Windows::End);
        let latest = self.listing.latest();
        let Readings { gauges, sums, .. } = self.read(windows);
        let windows = scraper.map(|scraper| self.take_peaks(&scraper, &gauges, latest));
        let mut windows = windows.iter().flatten();
        let mut report = Report::new(self.name());
        for sums in &sums {
            report.add_gone(sums);
        }
        for reading in gauges {
            let snapshot = reading.snapshot;
            let mut gauge = GaugeReport::new(&snapshot, reading.label.as_deref());
            gauge.gone = reading.gone;
            (gauge.near_capacity, gauge.full) = (reading.near.near, reading.near.full);
            // A window ends before the depth is read.
            let peak = windows.next().and_then(|window| window.peak);
            gauge.window_peak = peak.map(|peak| peak.max(snapshot.depth));
            let sums = reading.sums();
            gauge.backpressure = sums.backpressure;
            // Edges are many bytes: they are read while the registry is not locked.
            if reading.has_crossed {
                if let Some(pinned) = self.listing.pin(snapshot.instance) {
                    gauge.set_last_edges(pinned.outlet().last_edges().iter());
                    self.listing.unpin(snapshot.instance);
                }
            }
            report.add(snapshot.name, gauge, &sums);
        }
        if let Some(findings) = self.listing.findings().get() {
            report.set_findings(&findings);
        }
        report.chains = self.listing.chains().reports();
        report
    }

    /// The peaks of what was read, since the report before for `scraper`.
    fn take_peaks(&self, scraper: &Arc<str>, gauges: &[Reading], latest: usize) -> Vec<Window> {
        let window = |reading: &Reading| Window {
            instance: reading.snapshot.instance,
            peak: reading.peak,
        };
        let mut windows: Vec<_> = gauges.iter().map(window).collect();
        self.listing.peaks().take(scraper, &mut windows, latest);
        windows
    }

    /// Reads all gauges in use and the sums of all limits. It asks what is polled.
    pub(crate) fn read(&self, windows: Windows) -> Readings {
        let ends = windows == Windows::End;
        let mut at = None;
        let (gauges, sums) = self.listing.read(|gauge| {
            // While the registry is locked: a gauge that is dropped afterwards is so later.
            let at = *at.get_or_insert_with(elapsed);
            let outlet = gauge.outlet();
            let poll = outlet.poll();
            // The depth of what is polled is not known yet.
            let ends = ends && poll.is_none();
            let reading = Reading {
                peak: ends.then(|| outlet.report_window(|| gauge.take_window_peak())),
                snapshot: gauge.snapshot(),
                counts_dequeues: gauge.counts_dequeues(),
                is_sampled: gauge.is_sampled(),
                may_be_queue: gauge.may_be_queue(),
                label: outlet.label(),
                channel: outlet.channel(),
                has_crossed: outlet.has_crossed(),
                near: outlet.near_times().until(at),
                gone: false,
            };
            (reading, poll)
        });
        let at = at.unwrap_or_else(elapsed);
        let ask = |(mut reading, poll): (Reading, Option<Arc<Poll>>)| {
            // Foreign code: the registry is not locked.
            if let Some(poll) = poll {
                let instance = reading.snapshot.instance;
                if let Some(pinned) = self.listing.pin(instance) {
                    poll.ask(&*pinned);
                    // In this order: what is gone reads 0.
                    reading.gone = poll.is_gone();
                    let outlet = pinned.outlet();
                    let window = || outlet.report_window(|| pinned.take_window_peak());
                    reading.peak = ends.then(window);
                    reading.snapshot = pinned.snapshot();
                    reading.has_crossed = outlet.has_crossed();
                    reading.near = outlet.near_times().until(at);
                    self.listing.unpin(instance);
                }
            }
            reading
        };
        Readings {
            gauges: gauges.into_iter().map(ask).collect(),
            sums,
            at,
        }
    }

    /// Takes the right of a gauge to log one more line, and says how many were suppressed before.
    pub(crate) fn take_line(&self, instance: usize) -> Option<usize> {
        let pinned = self.listing.pin(instance)?;
        let suppressed = pinned.outlet().take_line();
        self.listing.unpin(instance);
        suppressed
    }

    /// Reports show what a watch has found.
    pub(crate) fn publish(&self, findings: Arc<Findings>) {
        self.listing.findings().publish(findings);
    }

    /// Reports no longer show `findings`.
    pub(crate) fn withdraw(&self, findings: &Arc<Findings>) {
        self.listing.findings().withdraw(findings);
    }

    /// The limits of the stages of this registry that follow each other in a chain.
    pub(crate) fn followers(&self) -> Vec<(LimitKey, LimitKey)> {
        self.listing.chains().followers()
    }

    /// Whether the events of this registry reach neither the log nor the handlers of the process.
    pub(crate) fn is_silent(&self) -> bool {
        self.listing.own().is_some_and(|own| own.is_silent)
    }

    pub(crate) fn shared_name(&self) -> &RegistryName {
        self.listing.name()
    }
}
