//! What polls the gauges of a registry.

mod advisor;
mod pressures;
mod queues;

use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fillgauge::{Drain, QueueSnapshot};

use self::advisor::Advisor;
use self::pressures::Pressures;
use self::queues::Queues;
use crate::delivery::guard::{self, Callees};
use crate::delivery::log::Log;
use crate::event::Origin;
use crate::registry::{Findings, QueueRegistry, Windows};
use crate::sync::{Condvar, Mutex, lock, now, start_thread, time_of_day, wait};

/// A watch of the gauges of `registry`, which does nothing yet: give it a thread by
/// [`every`](Watch::every), or call [`poll_at`](Watch::poll_at).
///
/// It asks what is [polled](crate::Track::polled), notices stuck queues, and measures the pressure.
///
/// ```
/// use std::time::Duration;
/// use fillgauge_std::{QueueRegistry, watch};
///
/// let watching = watch(QueueRegistry::global())
///     .patience(Duration::from_secs(30))
///     .every(Duration::from_secs(1))?;
/// // ... the service runs
/// drop(watching);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "it polls nothing yet"]
pub fn watch(registry: &QueueRegistry) -> Watch {
    Watch {
        registries: Vec::new(),
        patience: Duration::from_secs(30),
        handlers: Callees::default(),
    }
    .and(registry)
}

/// What a watch does, from [`watch`].
///
/// # Stuck queues
///
/// A queue is stuck if it was not empty for the [`patience`](Self::patience), and nothing was
/// dequeued. Its consumer hangs, long before the queue is near its capacity.
///
/// - The log has a line when a queue is stuck (`WARN`), and another when it drains again (`INFO`).
///   The [limit of lines](crate::LogLimit) holds for them too.
/// - A report says since when, as [`stuck_since`](crate::GaugeReport::stuck_since).
/// - A watch sees the queues that count each dequeue: the channels of this crate that do, and what
///   is registered [`for_queue`](crate::Track::for_queue). The category of the limit has to be
///   [`Queue`](crate::LimitCategory::Queue). What is observed or polled may stay at one depth while
///   it works.
///
/// # Pressure
///
/// Reports show how much of the last 10, 60 and 300 seconds each gauge was near its capacity, as
/// [`Pressure`](crate::Pressure). Each poll ends a period. Which share of it a gauge was near its
/// capacity is measured at its edges, by the clock of the system. Where there is no clock, it goes
/// by what each poll finds.
///
/// # Advice
///
/// Reports say in one sentence what a person would say of a limit, as
/// [`advice`](crate::LimitReport::advice). It is about the last five minutes, or as many seconds as
/// the watch has polled, from 60 on. Of these rules the first that applies:
///
/// | if in this time | it says, for example |
/// |---|---|
/// | producers waited for 10 % of the time, all together, and for 1 % on an average gauge; or requests were refused | `full 31 % of the last 5 minutes, producers waited 14 times, 2.1 s in all: the stage behind it is slow` |
/// | an average gauge was near its capacity for 10 % of the time | `near capacity 22 % of the last 5 minutes, and nobody waited` |
/// | half the capacity of a queue, or less, would have done so far | `never above 12 of 256: could be 16` |
///
/// - How the first one ends. Of these the first that applies, and nothing if no gauge is left:
///   - `.. : too small for its peaks`, if requests were refused, producers hardly waited, and an
///     average gauge was full for less than 10 % of the time. What is no queue was not near its
///     capacity for 10 % of the time either. It is never said of a rendezvous;
///   - `.., though there was room: is their task polled?`, of a queue with a bound that was near
///     its capacity for less than 1 % of the time. A send whose future is kept and not polled waits
///     all the same;
///   - `.. : writer behind it is full, too`, if that is the next stage of a [chain](crate::chain())
///     in the same registry. Producers waited for it as the rule says, or an average gauge of it
///     was full for 10 % of the time, and it had no room. The slow stage is further down;
///   - `.. : the stage behind it is slow`, of a queue;
///   - `.. : it is too small, or held for too long`, of what is no queue.
/// - `full` is the time from when a gauge became full until it recovered. It may have drained a
///   little meanwhile.
/// - That nobody waited is said only if it is known: of channels. Of a queue that counts each
///   dequeue it says `and nothing was taken out` if that is so.
/// - The last rule takes five minutes, and nobody waited. Ten times as many items as the queues
///   hold have gone through, if they are counted. The size that could do is a power of two, of
///   which the high-water mark is less than 80 %. It is never said of what is polled.
/// - The sums are those of all gauges of the limit, also of those that are gone. The average is
///   that of the most gauges that a poll found at once.
///
/// A registry has one watch. Of several, reports show what the last one has found.
///
/// A polled closure or a handler that never returns holds up the watch.
#[must_use = "it polls nothing yet"]
pub struct Watch {
    registries: Vec<Watched>,
    patience: Duration,
    handlers: Callees<DrainHandler>,
}

type DrainHandler = dyn Fn(&DrainEvent) + Send + Sync;

/// A registry that is watched.
struct Watched {
    registry: QueueRegistry,
    queues: Queues,
    pressures: Pressures,
    advisor: Advisor,
    findings: Arc<Findings>,
}

/// The moment of a poll, by the caller's clock and by the clock of the system, if there is one.
#[derive(Clone, Copy)]
struct Polled {
    elapsed: Duration,
    measured: Option<Duration>,
}

/// A moment by both clocks.
#[derive(Clone, Copy)]
struct Moment {
    elapsed: Duration,
    at: Option<SystemTime>,
}

impl Watch {
    /// And another registry.
    pub fn and(mut self, registry: &QueueRegistry) -> Self {
        if !self
            .registries
            .iter()
            .any(|watched| watched.registry == *registry)
        {
            self.registries.push(Watched {
                registry: registry.clone(),
                queues: Queues::default(),
                pressures: Pressures::default(),
                advisor: Advisor::default(),
                findings: Arc::default(),
            });
        }
        self
    }

    /// How long a queue may hold something while nothing is dequeued. By default 30 seconds. It
    /// should be several periods long.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Adds a handler, which is called when a queue is stuck, and when it drains again. It runs on
    /// the thread that polls. A panic in it is caught and logged. If the gauge of a stuck queue is
    /// dropped, there is no second call.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use std::time::{Duration, SystemTime};
    /// use fillgauge_std::{Drain, QueueRegistry, track, watch};
    ///
    /// let registry = QueueRegistry::new("workers").silent();
    /// let (jobs, worker) = track("jobs").capacity(10).registry(&registry).sync_channel();
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let list = Arc::clone(&seen);
    /// let mut watch = watch(&registry)
    ///     .patience(Duration::from_secs(30))
    ///     .on_drain(move |event| list.lock().unwrap().push((event.kind(), event.lasted())));
    ///
    /// jobs.send("sweep")?;
    /// let mut poll = |seconds| watch.poll_at(Duration::from_secs(seconds), SystemTime::now());
    /// poll(0);
    /// poll(40);
    /// worker.recv()?;
    /// poll(45);
    /// let expected = [(Drain::Stuck, 40), (Drain::Draining, 45)];
    /// let expected = expected.map(|(kind, seconds)| (kind, Duration::from_secs(seconds)));
    /// assert_eq!(*seen.lock().unwrap(), expected);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_drain(mut self, handler: impl Fn(&DrainEvent) + Send + Sync + 'static) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// Starts a thread that polls once in a `period`, until the result is dropped. It keeps no
    /// process alive. Its name is `fillgauge-watch`.
    ///
    /// # Errors
    ///
    /// If no thread can be started, as on `wasm32-unknown-unknown`.
    pub fn every(mut self, period: Duration) -> io::Result<Watching> {
        // Without a pause it would take a whole core.
        let period = period.max(Duration::from_millis(1));
        let stop = Arc::new(Stop::default());
        let stopped = Arc::clone(&stop);
        start_thread("fillgauge-watch", move || {
            let begin = now();
            while !stopped.waits(period) {
                let elapsed = begin.map_or(Duration::ZERO, |begin| begin.elapsed());
                self.poll(elapsed, time_of_day());
            }
        })?;
        Ok(Watching { stop })
    }

    /// Polls once, on this thread, by a clock of yours. `elapsed` is the time since any beginning.
    /// If it steps back, no time has passed. `at` is the time of day, which reports show.
    ///
    /// It asks what is polled, and reads each gauge as a report does.
    pub fn poll_at(&mut self, elapsed: Duration, at: SystemTime) {
        self.poll(elapsed, Some(at));
    }

    fn poll(&mut self, elapsed: Duration, at: Option<SystemTime>) {
        let now = Moment { elapsed, at };
        for watched in &mut self.registries {
            for event in watched.poll(self.patience, now) {
                if !watched.registry.is_silent() {
                    let line = watched.registry.take_line(event.snapshot.instance);
                    if let Some(suppressed) = line {
                        Log::LOCAL.write_drain(&event, suppressed);
                    }
                }
                for handler in self.handlers.iter() {
                    if let Err(panic) = guard::run(|| handler(&event)) {
                        Log::LOCAL.write_panic_of_watch(&event, &panic);
                    }
                }
            }
        }
    }
}

impl Watched {
    fn poll(&mut self, patience: Duration, now: Moment) -> Vec<DrainEvent> {
        let readings = self.registry.read(Windows::GoOn);
        let registry = self.registry.shared_name();
        let changes = self.queues.poll(&readings.gauges, patience, now);
        let events = changes.into_iter().map(|change| DrainEvent {
            kind: change.kind,
            lasted: change.lasted,
            snapshot: change.queue.snapshot,
            origin: change.queue.origin(registry),
        });
        let events = events.collect();
        let polled = Polled {
            elapsed: now.elapsed,
            measured: readings.at,
        };
        let followers = self.registry.followers();
        self.findings = Arc::new(Findings {
            stuck: self.queues.stuck(),
            pressures: self.pressures.poll(&readings.gauges, polled),
            advice: self.advisor.poll(&readings, &followers, polled),
        });
        self.registry.publish(Arc::clone(&self.findings));
        events
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.registry.withdraw(&self.findings);
    }
}

// A handler that panics is called again.
impl UnwindSafe for Watch {}
impl RefUnwindSafe for Watch {}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registries = self.registries.iter();
        let registries: Vec<_> = registries.map(|watched| watched.registry.name()).collect();
        f.debug_struct("Watch")
            .field("registries", &registries)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// A watch that a thread drives, from [`Watch::every`]. When it is dropped, the thread ends within
/// a period, and nothing waits for it.
#[must_use = "dropping it ends the watch"]
pub struct Watching {
    stop: Arc<Stop>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        *lock(&self.stop.is_over) = true;
        self.stop.changed.notify_all();
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}

/// Ends the thread of a watch.
#[derive(Default)]
struct Stop {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits for a period. Returns whether the watch is over.
    fn waits(&self, period: Duration) -> bool {
        let deadline = now().and_then(|now| now.checked_add(period));
        let mut is_over = lock(&self.is_over);
        let mut has_time = true;
        while has_time && !*is_over {
            (is_over, has_time) = wait(&self.changed, is_over, deadline);
        }
        *is_over
    }
}

/// A queue is stuck, or drains again: what [`Watch::on_drain`] receives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DrainEvent {
    kind: Drain,
    lasted: Duration,
    snapshot: QueueSnapshot,
    origin: Origin,
}

impl DrainEvent {
    /// What has begun.
    pub const fn kind(&self) -> Drain {
        self.kind
    }

    /// For how long nothing was dequeued, counted from the poll that first found it so.
    pub const fn lasted(&self) -> Duration {
        self.lasted
    }

    /// Which queue, and its figures when it was polled.
    pub const fn snapshot(&self) -> &QueueSnapshot {
        &self.snapshot
    }

    /// The label of the gauge, from [`Track::label`](crate::Track::label).
    pub fn label(&self) -> Option<&str> {
        self.origin.label.as_deref()
    }

    /// The name of the registry of the gauge.
    pub fn registry(&self) -> &str {
        self.origin.registry.as_str()
    }
}
