//! What a gauge watches: a stable name and its category, alone or in a catalogue.

pub(crate) mod atomic;
mod catalog;

use core::fmt;
use core::hash::{Hash, Hasher};

#[doc(hidden)]
pub use catalog::__assert_unique;

/// What kind of bound a [`Limit`] is, to group snapshots and events by.
///
/// ```
/// use fillgauge::LimitCategory;
///
/// assert_eq!(LimitCategory::Memory.as_str(), "memory");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum LimitCategory {
    /// A bounded queue, buffer or channel: items flow through.
    Queue,
    /// A bounded resource: sockets, file descriptors, processes, bytes in use.
    Resource,
    /// A memory envelope: a heap, an arena, a buffer pool.
    Memory,
    /// A budget of processor or wall-clock time.
    Cpu,
}

impl LimitCategory {
    /// The stable lower-case tag of logs and snapshots: `queue`, `resource`, `memory` or `cpu`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Resource => "resource",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }
}

impl fmt::Display for LimitCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a [`Limit`] counts.
///
/// ```
/// use fillgauge::LimitUnit;
///
/// assert_eq!(LimitUnit::Bytes.as_str(), "bytes");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum LimitUnit {
    /// Items, or anything that has no unit of its own.
    #[default]
    Items,
    /// Bytes.
    Bytes,
}

impl LimitUnit {
    /// The stable lower-case name: `items` or `bytes`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Bytes => "bytes",
        }
    }
}

impl fmt::Display for LimitUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The identity of a bounded queue or limit: a stable name and its category. It may say what it
/// counts, and explain itself to people: pages and exporters show that.
///
/// Gauges refer to a `&'static Limit`. Names need not be unique: many live
/// gauges may share one limit, and have an instance number each. Two limits are equal if name and
/// category are.
///
/// ```
/// use fillgauge::{Limit, LimitCategory};
///
/// static UART_RX: Limit = Limit::queue("uart_rx");
///
/// assert_eq!(UART_RX.as_str(), "uart_rx");
/// assert_eq!(UART_RX.category(), LimitCategory::Queue);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    name: &'static str,
    category: LimitCategory,
    unit: LimitUnit,
    help: &'static str,
}

impl Limit {
    /// A limit of the given name and category. By convention the name is in `snake_case`.
    pub const fn new(name: &'static str, category: LimitCategory) -> Self {
        Self {
            name,
            category,
            unit: LimitUnit::Items,
            help: "",
        }
    }

    /// The same limit, which counts `unit`.
    ///
    /// ```
    /// use fillgauge::{Limit, LimitUnit};
    ///
    /// static HEAP: Limit = Limit::memory("heap").with_unit(LimitUnit::Bytes);
    /// assert_eq!(HEAP.unit(), LimitUnit::Bytes);
    /// ```
    #[must_use]
    pub const fn with_unit(self, unit: LimitUnit) -> Self {
        Self { unit, ..self }
    }

    /// The same limit, with one line that says what it is the limit of.
    ///
    /// ```
    /// use fillgauge::Limit;
    ///
    /// static JOBS: Limit = Limit::queue("jobs").with_help("Jobs that wait for a worker");
    /// assert_eq!(JOBS.help(), "Jobs that wait for a worker");
    /// ```
    #[must_use]
    pub const fn with_help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    /// A bounded queue: [`LimitCategory::Queue`].
    pub const fn queue(name: &'static str) -> Self {
        Self::new(name, LimitCategory::Queue)
    }

    /// A bounded resource: [`LimitCategory::Resource`].
    pub const fn resource(name: &'static str) -> Self {
        Self::new(name, LimitCategory::Resource)
    }

    /// A memory envelope: [`LimitCategory::Memory`].
    pub const fn memory(name: &'static str) -> Self {
        Self::new(name, LimitCategory::Memory)
    }

    /// A budget of time: [`LimitCategory::Cpu`].
    pub const fn cpu(name: &'static str) -> Self {
        Self::new(name, LimitCategory::Cpu)
    }

    /// The stable name.
    pub const fn as_str(&self) -> &'static str {
        self.name
    }

    /// The category.
    pub const fn category(&self) -> LimitCategory {
        self.category
    }

    /// What it counts: by default [items](LimitUnit::Items).
    pub const fn unit(&self) -> LimitUnit {
        self.unit
    }

    /// What it is the limit of, in one line; by default empty.
    pub const fn help(&self) -> &'static str {
        self.help
    }
}

/// Name and category are the identity.
impl PartialEq for Limit {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.category) == (other.name, other.category)
    }
}

impl Eq for Limit {}

impl Hash for Limit {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, self.category).hash(state);
    }
}

/// The name.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// The name.
#[cfg(feature = "defmt")]
impl defmt::Format for Limit {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", self.name);
    }
}

/// The name.
#[cfg(feature = "serde")]
impl serde::Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// What names a limit: a reference to a [`Limit`], an entry of a
/// [`limit_catalog!`](crate::limit_catalog), or a `&'static str`.
///
/// The services crate takes names of every kind by it. A gauge of the core refers to a
/// `&'static Limit`.
///
/// ```
/// use fillgauge::{IntoLimit, Limit, LimitCategory, LimitRef};
///
/// let jobs = "jobs".into_limit(LimitCategory::Queue);
/// assert_eq!(jobs, LimitRef::Value(Limit::queue("jobs")));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a limit",
    label = "a limit is expected here",
    note = "name it by a `&'static str`, a `&Limit`, or an entry of a `limit_catalog!`"
)]
pub trait IntoLimit {
    /// The limit. It gets `category` if all that is known of it is its name.
    fn into_limit(self, category: LimitCategory) -> LimitRef;
}

/// A limit as it was given to a function that takes an [`IntoLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitRef {
    /// It lives for ever: a gauge may refer to it.
    Static(&'static Limit),
    /// It is to be kept before a gauge refers to it.
    Value(Limit),
}

impl IntoLimit for LimitRef {
    fn into_limit(self, _: LimitCategory) -> LimitRef {
        self
    }
}

/// Of any lifetime: the limit may be made in the call.
impl IntoLimit for &Limit {
    fn into_limit(self, _: LimitCategory) -> LimitRef {
        LimitRef::Value(*self)
    }
}

impl IntoLimit for &'static str {
    fn into_limit(self, category: LimitCategory) -> LimitRef {
        LimitRef::Value(Limit::new(self, category))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_keeps_name_and_category_as_given() {
        let limits = [
            Limit::queue("a"),
            Limit::resource("a"),
            Limit::memory("a"),
            Limit::cpu("a"),
        ];
        let tags = limits.map(|limit| limit.category().as_str());
        assert_eq!(tags, ["queue", "resource", "memory", "cpu"]);
        assert!(limits.iter().all(|limit| limit.as_str() == "a"));
    }

    #[test]
    fn unit_and_help_are_no_part_of_the_identity() {
        let hash = |limit: Limit| {
            let mut hasher = std::hash::DefaultHasher::new();
            limit.hash(&mut hasher);
            hasher.finish()
        };
        let plain = Limit::memory("a");
        let described = plain.with_unit(LimitUnit::Bytes).with_help("A heap");
        assert_eq!(
            (described.unit(), described.help()),
            (LimitUnit::Bytes, "A heap")
        );
        assert_eq!((plain.unit(), plain.help()), (LimitUnit::Items, ""));
        assert_eq!((plain, hash(plain)), (described, hash(described)));
        assert_ne!(plain, Limit::queue("a"));
        assert_ne!(plain, Limit::memory("b"));
    }
}
