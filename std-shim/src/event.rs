//! What services hear of their gauges: the events of the core, and whose they are.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fillgauge::{Limit, LimitCategory, LimitEventKind, QueueSnapshot};
use tracing::Level;

/// A limit crossed a threshold, or was exhausted: what event handlers and sinks receive.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use fillgauge_std::{LimitEventKind, track};
///
/// let paused = Arc::new(Mutex::new(false));
/// let flag = Arc::clone(&paused);
/// let jobs = track("jobs")
///     .capacity(10)
///     .label("session 7")
///     .sink(move |event| match event.kind() {
///         LimitEventKind::NearCapacity => *flag.lock().unwrap() = true,
///         LimitEventKind::Recovered => *flag.lock().unwrap() = false,
///         _ => println!("{}: {}", event.label().unwrap_or("-"), event.kind()),
///     })
///     .gauge();
/// jobs.observe_depth(8);
/// assert!(*paused.lock().unwrap());
/// jobs.observe_depth(5);
/// assert!(!*paused.lock().unwrap());
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LimitEvent {
    #[cfg_attr(feature = "serde", serde(flatten))]
    core: fillgauge::LimitEvent,
    #[cfg_attr(feature = "serde", serde(flatten))]
    origin: Origin,
    at: Option<SystemTime>,
    episode: Option<Episode>,
}

impl LimitEvent {
    pub(crate) const fn new(
        core: fillgauge::LimitEvent,
        origin: Origin,
        at: Option<SystemTime>,
    ) -> Self {
        Self {
            core,
            origin,
            at,
            episode: None,
        }
    }

    /// Says when it came, and what ends with it.
    pub(crate) fn set_moment(&mut self, at: Option<SystemTime>, episode: Option<Episode>) {
        (self.at, self.episode) = (at, episode);
    }

    /// What happened.
    pub const fn kind(&self) -> LimitEventKind {
        self.core.kind()
    }

    /// How grave it is, as the level of its line in the log: `WARN` for a warning, `INFO` for a
    /// limit that became full, `DEBUG` for a recovery.
    pub const fn level(&self) -> Level {
        match self.core.kind() {
            LimitEventKind::NearCapacity | LimitEventKind::Exhausted => Level::WARN,
            LimitEventKind::Full => Level::INFO,
            _ => Level::DEBUG,
        }
    }

    /// Which limit, and its figures at the event.
    pub const fn snapshot(&self) -> &QueueSnapshot {
        self.core.snapshot()
    }

    /// The label of the gauge, from [`Track::label`](crate::Track::label).
    pub fn label(&self) -> Option<&str> {
        self.origin.label.as_deref()
    }

    /// The name of the registry of the gauge: `global`, or that of
    /// [`QueueRegistry::new`](crate::QueueRegistry::new).
    pub fn registry(&self) -> &str {
        self.origin.registry.as_str()
    }

    /// When the threshold was crossed, by the clock of the system. When that clock is set, the
    /// events of a gauge follow within a second. `None` where there is no clock, as on
    /// `wasm32-unknown-unknown`.
    pub const fn at(&self) -> Option<SystemTime> {
        self.at
    }

    /// What has ended with a recovery: the time since the warning, and how it was. `None` for other
    /// events.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use fillgauge_std::track;
    ///
    /// let deepest = Arc::new(Mutex::new(0));
    /// let seen = Arc::clone(&deepest);
    /// let jobs = track("jobs")
    ///     .capacity(10)
    ///     .sink(move |event| {
    ///         if let Some(episode) = event.episode() {
    ///             *seen.lock().unwrap() = episode.deepest;
    ///         }
    ///     })
    ///     .gauge();
    /// for depth in [8, 9, 6, 5] {
    ///     jobs.observe_depth(depth);
    /// }
    /// assert_eq!(*deepest.lock().unwrap(), 9);
    /// ```
    pub const fn episode(&self) -> Option<Episode> {
        self.episode
    }

    /// The event of the core, for what is written against that: an `EventLog`, or a
    /// [`LimitSink`](fillgauge::LimitSink).
    pub const fn core_event(&self) -> &fillgauge::LimitEvent {
        &self.core
    }

    /// The event as a warning, if it is one: `NearCapacity` and `Exhausted` are.
    pub fn warning(&self) -> Option<LimitWarning> {
        let warning = self.core.warning()?;
        Some(LimitWarning {
            name: warning.name,
            category: warning.category,
            instance: warning.instance,
            observed: warning.observed,
            capacity: warning.capacity,
            fill_percent: warning.fill_percent,
            origin: self.origin.clone(),
        })
    }
}

/// From a warning of a gauge to its recovery, from [`LimitEvent::episode`] and
/// [`EdgeReport::episode`](crate::EdgeReport::episode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Episode {
    /// How long it lasted, with the delivery of the warning. Zero where there is no clock, as on
    /// `wasm32-unknown-unknown`.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "lasted_us", with = "crate::report::micros::length")
    )]
    pub lasted: Duration,
    /// The greatest depth, as long as capacity and thresholds stay: the greatest since the recovery
    /// before, which is that of the episode then. What comes in on another thread at the moment of
    /// the recovery may count for this episode or for the next.
    pub deepest: usize,
    /// How often a producer had to wait for room. 0 for what is not a channel.
    pub waits: usize,
    /// How many requests were refused.
    pub refused: usize,
}

/// A limit is near its capacity or exhausted: what warning handlers receive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LimitWarning {
    /// The limit, which reads as its stable name.
    pub name: &'static Limit,
    /// The category of the limit.
    pub category: LimitCategory,
    /// Distinguishes gauges of one limit, as in [`QueueSnapshot::instance`].
    pub instance: usize,
    /// The depth that warned.
    pub observed: usize,
    /// The bound, in the unit of `observed`.
    pub capacity: usize,
    /// `floor(100 * observed / capacity)`.
    pub fill_percent: usize,
    #[cfg_attr(feature = "serde", serde(flatten))]
    origin: Origin,
}

impl LimitWarning {
    /// The label of the gauge, from [`Track::label`](crate::Track::label).
    pub fn label(&self) -> Option<&str> {
        self.origin.label.as_deref()
    }

    /// The name of the registry of the gauge, see [`LimitEvent::registry`].
    pub fn registry(&self) -> &str {
        self.origin.registry.as_str()
    }
}

/// Whose event it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub(crate) struct Origin {
    pub(crate) label: Option<Arc<str>>,
    pub(crate) registry: RegistryName,
}

/// The name of a registry.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(untagged))]
pub(crate) enum RegistryName {
    Static(&'static str),
    Shared(Arc<str>),
}

impl RegistryName {
    /// That of the registry of the process.
    pub(crate) const GLOBAL: Self = Self::Static("global");

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(name) => name,
            Self::Shared(name) => name,
        }
    }
}

impl PartialEq for RegistryName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RegistryName {}

/// A label or a name for people: at most 64 characters, and none that would change what is written
/// around it.
pub(crate) struct Shown<'text>(pub(crate) &'text str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 64;
        use fmt::Write as _;
        let mut rest = self.0.chars();
        for character in rest.by_ref().take(LONGEST) {
            if is_control(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        if rest.next().is_some() {
            f.write_char('…')?;
        }
        Ok(())
    }
}

/// Control characters, the ends of lines and paragraphs, and those that turn the direction of
/// writing: general categories Cc, Zl and Zp, and the property Bidi_Control, of Unicode 16.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_shown_without_what_would_change_the_text_around_it() {
        let shown = |label: &str| Shown(label).to_string();
        assert_eq!(shown("session 7, \"é\""), "session 7, \"é\"");
        assert_eq!(shown("a\nb\x1b[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
        let long = "ß".repeat(64);
        assert_eq!(shown(&long), long);
        assert_eq!(shown(&format!("{long}!")), format!("{long}…"));
    }
}
